#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/utf8.h"

#include <inttypes.h>
#include <stdio.h>

/* Bytes that are not UTF-8 become U+FFFD. */
static void json_out_quoted(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.data;

	print_byte('"');
	for (size_t i = 0; i < s.len;) {
		size_t len = utf8_char_len(p + i, s.len - i, NULL);

		if (len == 0) {
			print_bytes("\\ufffd", 6);
			len = 1;
		} else if (len > 1) {
			print_bytes(p + i, len);
		} else if (p[i] == '"' || p[i] == '\\') {
			print_byte('\\');
			print_byte((char)p[i]);
		} else if (p[i] == '\n') {
			print_bytes("\\n", 2);
		} else if (p[i] == '\t') {
			print_bytes("\\t", 2);
		} else if (p[i] < 0x20) {
			print_text("\\u%04x", p[i]);
		} else {
			print_byte((char)p[i]);
		}
		i += len;
	}
	print_byte('"');
}

static void json_out_key(struct json_out *j, const char *key)
{
	if (j->has_before)
		print_byte(',');
	j->has_before = true;
	if (key) {
		json_out_quoted(str_of(key));
		print_byte(':');
	}
}

void json_out_open(struct json_out *j, const char *key, char bracket)
{
	json_out_key(j, key);
	print_byte(bracket);
	j->has_before = false;
}

void json_out_close(struct json_out *j, char bracket)
{
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
	print_text("%" PRId64, value);
}

void json_out_bool(struct json_out *j, const char *key, bool value)
{
	json_out_key(j, key);
	print_text(value ? "true" : "false");
}

void json_out_null(struct json_out *j, const char *key)
{
	json_out_str(j, key, STR_NULL);
}

static void json_out_base64(struct str s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = (const uint8_t *)s.data;

	print_byte('"');
	for (size_t i = 0; i < s.len; i += 3) {
		size_t left = s.len - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			(left > 2 ? p[i + 2] : 0);

		print_byte(digits[v >> 18]);
		print_byte(digits[v >> 12 & 63]);
		print_byte(left > 1 ? digits[v >> 6 & 63] : '=');
		print_byte(left > 2 ? digits[v & 63] : '=');
	}
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
