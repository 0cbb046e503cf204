#include "cmd/top/keys.h"

#include "cmd/utf8.h"

#include <string.h>

static void keys_press(struct keys *k, enum key key)
{
	k->pressed(k->ctx, key, STR_NULL);
}

/* ---- Sequences ---------------------------------------------------------------------------- */

/* ESC [ or ESC O, parameters, and one last byte. */
static enum key sequence_key(const uint8_t *p, unsigned len)
{
	static const struct {
		char last, parameter; /* 0: any */
		enum key key;
	} table[] = {
		{'A', 0, KEY_UP},        {'B', 0, KEY_DOWN},        {'C', 0, KEY_RIGHT},
		{'D', 0, KEY_LEFT},      {'H', 0, KEY_HOME},        {'F', 0, KEY_END},
		{'Z', 0, KEY_BACK_TAB},  {'M', 0, KEY_ENTER},       {'~', '1', KEY_HOME},
		{'~', '7', KEY_HOME},    {'~', '4', KEY_END},       {'~', '8', KEY_END},
		{'~', '5', KEY_PAGE_UP}, {'~', '6', KEY_PAGE_DOWN},
	};
	/* "5~" is a key, "15~" another one. */
	char parameter = len > 3 && (len == 4 || p[3] == ';') ? (char)p[2] : 0;

	for (unsigned i = 0; i < ARRAY_LEN(table); i++)
		if ((char)p[len - 1] == table[i].last &&
		    (!table[i].parameter || table[i].parameter == parameter))
			return table[i].key;
	return KEY_NONE;
}

static bool sequence_is_whole(const uint8_t *p, unsigned len)
{
	uint8_t last = p[len - 1];

	return len > 2 && last >= 0x40 && last <= 0x7e;
}

static enum key control_key(uint8_t byte)
{
	switch (byte) {
	case '\r':
	case '\n': return KEY_ENTER;
	case '\t': return KEY_TAB;
	case 0x7f:
	case '\b': return KEY_BACKSPACE;
	case 0x0c: return KEY_REDRAW;
	case 0x15: return KEY_ERASE;
	default: return KEY_NONE;
	}
}

/* ---- Bytes -------------------------------------------------------------------------------- */

/* Is what is held a whole key? Then tells it. */
static bool keys_take(struct keys *k)
{
	const uint8_t *p = k->held;
	size_t bad = 0, len;

	if (p[0] == 0x1b) {
		if (k->held_len < 2)
			return false;
		if (p[1] != '[' && p[1] != 'O') {
			/* ESC, and another key behind it. */
			keys_press(k, KEY_ESC);
			k->held[0] = p[1];
			k->held_len = 1;
			return keys_take(k);
		}
		if (!sequence_is_whole(p, k->held_len) && k->held_len < sizeof(k->held))
			return false;
		keys_press(k, sequence_key(p, k->held_len));
		return true;
	}
	if (p[0] < 0x20 || p[0] == 0x7f) {
		keys_press(k, control_key(p[0]));
		return true;
	}
	len = utf8_char_len(p, k->held_len, &bad);
	if (len == 0 && k->held_len < 4 && p[0] >= 0xc2 && p[0] <= 0xf4 && bad >= k->held_len)
		return false; /* more of it is to come */
	k->pressed(k->ctx, len ? KEY_CHAR : KEY_NONE, (struct str){(const char *)p, len});
	return true;
}

void keys_feed(struct keys *k, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		k->held[k->held_len++] = data[i];
		if (keys_take(k))
			k->held_len = 0;
	}
}

bool keys_waits(const struct keys *k)
{
	return k->held_len > 0 && k->held[0] == 0x1b;
}

void keys_timeout(struct keys *k)
{
	if (!keys_waits(k))
		return;
	k->held_len = 0;
	keys_press(k, KEY_ESC);
}
