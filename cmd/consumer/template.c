#include "cmd/consumer/template.h"
#include "cmd/print.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TEMPLATE_HOLES "sSRkKTtpoh"

/* Literal bytes, then a hole. */
struct template_part {
	size_t at, len; /* in `bytes` */
	char hole;      /* one of TEMPLATE_HOLES; 0: none, the end */
};

struct template
{
	struct out bytes;
	struct template_part *parts;
	size_t count, cap;
};

static void template_add(struct template *t, size_t from, char hole)
{
	t->parts = grow_array(t->parts, t->count, &t->cap, sizeof(*t->parts));
	t->parts[t->count++] =
		(struct template_part){.at = from, .len = t->bytes.len - from, .hole = hole};
}

/* Behind a backslash: a byte; *text is moved behind it. */
static uint8_t template_escape(const char **text)
{
	static const char letters[] = "nrt", bytes[] = "\n\r\t";
	const char *s = *text, *letter = strchr(letters, *s);
	char *end;
	uint8_t byte;

	if (*s == '\0')
		return '\\';
	if (*s == 'x' || (*s >= '0' && *s <= '9')) {
		byte = (uint8_t)strtoul(*s == 'x' ? s + 1 : s, &end, *s == 'x' ? 16 : 10);
		*text = MAX((const char *)end, s + 1);
		return byte;
	}
	(*text)++;
	return letter ? (uint8_t)bytes[letter - letters] : (uint8_t)*s;
}

struct template *template_new(const char *text, struct err *err)
{
	struct template *t = xcalloc(1, sizeof(*t));
	size_t from = 0;

	out_init(&t->bytes, SIZE_MAX / 2);
	while (*text) {
		char c = *text++;

		if (c == '\\') {
			out_byte(&t->bytes, template_escape(&text));
		} else if (c != '%') {
			out_byte(&t->bytes, (uint8_t)c);
		} else if (*text == '%') {
			out_byte(&t->bytes, (uint8_t)*text++);
		} else if (*text && strchr(TEMPLATE_HOLES, *text)) {
			template_add(t, from, *text++);
			from = t->bytes.len;
		} else {
			err_set(err, E_USAGE,
				"--format: '%%%.1s' is none of %%s %%S %%R %%k %%K "
				"%%T %%t %%p %%o %%h %%%%",
				text);
			template_free(t);
			return NULL;
		}
	}
	template_add(t, from, 0);
	return t;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	out_fini(&t->bytes);
	free(t->parts);
	free(t);
}

static bool template_has(const struct template *t, char hole)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->parts[i].hole == hole)
			return true;
	return false;
}

bool template_has_key(const struct template *t)
{
	return template_has(t, 'k');
}

bool template_has_value(const struct template *t)
{
	return template_has(t, 's');
}

/* A null value is NULL, as kcat has it. */
static void template_headers(const struct record *r)
{
	struct record_header header;
	const uint8_t *pos = NULL;
	bool first = true;

	while (record_header_next(r, &pos, &header)) {
		if (!first)
			print_byte(',');
		first = false;
		print_str(header.key);
		print_byte('=');
		if (header.value.data)
			print_bytes(header.value.data, header.value.len);
		else
			print_bytes("NULL", 4);
	}
}

static int64_t template_len(struct slice s)
{
	return s.data ? (int64_t)s.len : -1;
}

static void template_binary_len(struct slice s)
{
	uint32_t len = (uint32_t)template_len(s);
	uint8_t bytes[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			    (uint8_t)len};

	print_bytes(bytes, sizeof(bytes));
}

void template_print(const struct template *t, const struct record_view *v, struct str key,
		    struct str value)
{
	const struct record *r = v->record;

	for (size_t i = 0; i < t->count; i++) {
		const struct template_part *p = &t->parts[i];

		if (p->len > 0)
			print_bytes(t->bytes.data + p->at, p->len);
		switch (p->hole) {
		case 's': print_str(value); break;
		case 'S': print_int(template_len(r->value)); break;
		case 'R': template_binary_len(r->value); break;
		case 'k': print_str(key); break;
		case 'K': print_int(template_len(r->key)); break;
		case 'T': print_int(r->timestamp); break;
		case 't': print_str(v->topic); break;
		case 'p': print_int(v->partition); break;
		case 'o': print_int(r->offset); break;
		case 'h': template_headers(r); break;
		default: break;
		}
	}
}
