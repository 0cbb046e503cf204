#include "cmd/json_out.h"
#include "cmd/number_text.h"
#include "cmd/print.h"
#include "cmd/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a byte is inside a string: itself, the start of a longer character, or an escape. */
enum json_byte { PLAIN, LONG, ESCAPED };

static inline enum json_byte json_byte(uint8_t c)
{
	return c >= 0x80 ? LONG : c < 0x20 || c == '"' || c == '\\' ? ESCAPED : PLAIN;
}

static void json_out_escaped(uint8_t c)
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	if (c >= 0x20 || letters[c]) {
		print_byte('\\');
		print_byte(c >= 0x20 ? (char)c : letters[c]);
	} else {
		print_text("\\u%04x", c);
	}
}

/* Bytes that are not UTF-8 become U+FFFD. */
static void json_out_quoted(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.data;

	print_byte('"');
	for (size_t i = 0, from; i < s.len;) {
		enum json_byte is = PLAIN;
		size_t len = 0;

		for (from = i; i < s.len; i += is == LONG ? len : 1) {
			is = json_byte(p[i]);
			if (is == ESCAPED)
				break;
			if (is == LONG) {
				len = utf8_char_len(p + i, s.len - i, NULL);
				if (len == 0)
					break;
			}
		}
		print_bytes(p + from, i - from);
		if (i == s.len)
			break;
		if (is == ESCAPED)
			json_out_escaped(p[i]);
		else
			print_bytes("\\ufffd", 6);
		i++;
	}
	print_byte('"');
}

static void json_out_line(const struct json_out *j)
{
	print_byte('\n');
	for (unsigned i = 0; i < j->depth; i++)
		print_bytes("  ", 2);
}

static void json_out_key(struct json_out *j, const char *key)
{
	if (j->has_before)
		print_byte(',');
	if (j->is_pretty && j->depth > 0)
		json_out_line(j);
	j->has_before = true;
	if (key) {
		json_out_quoted(str_of(key));
		print_byte(':');
		if (j->is_pretty)
			print_byte(' ');
	}
}

void json_out_open(struct json_out *j, const char *key, char bracket)
{
	json_out_key(j, key);
	print_byte(bracket);
	j->has_before = false;
	j->depth++;
}

void json_out_close(struct json_out *j, char bracket)
{
	j->depth--;
	if (j->is_pretty && j->has_before)
		json_out_line(j);
	print_byte(bracket);
	j->has_before = true;
}

void json_out_str(struct json_out *j, const char *key, struct str value)
{
	json_out_key(j, key);
	if (str_is_null(value))
		print_bytes("null", 4);
	else
		json_out_quoted(value);
}

void json_out_text(struct json_out *j, const char *key, const char *value)
{
	json_out_str(j, key, str_of(value));
}

void json_out_int(struct json_out *j, const char *key, int64_t value)
{
	json_out_key(j, key);
	print_int(value);
}

void json_out_double(struct json_out *j, const char *key, double value)
{
	char text[NUMBER_TEXT_MAX];
	uint64_t bits;

	if (!isfinite(value)) {
		json_out_null(j, key);
		return;
	}
	memcpy(&bits, &value, sizeof(bits));
	json_out_key(j, key);
	print_text("%s", number_text_double(bits, text));
}

void json_out_bool(struct json_out *j, const char *key, bool value)
{
	json_out_key(j, key);
	print_text(value ? "true" : "false");
}

void json_out_raw(struct json_out *j, const char *key, struct str json)
{
	json_out_key(j, key);
	print_str(json);
}

void json_out_null(struct json_out *j, const char *key)
{
	json_out_str(j, key, STR_NULL);
}

static void json_out_base64(struct str s)
{
	print_byte('"');
	print_base64(s.data, s.len);
	print_byte('"');
}

void json_out_bytes(struct json_out *j, const char *key, struct str value)
{
	char encoding[64];

	if (str_is_null(value) || utf8_is_valid(value)) {
		json_out_str(j, key, value);
		return;
	}
	json_out_key(j, key);
	json_out_base64(value);
	snprintf(encoding, sizeof(encoding), "%sEncoding", key);
	json_out_text(j, encoding, "base64");
}
