#include "cmd/registry/plain.h"
#include "cmd/registry/json_text.h"

#include "cmd/number_text.h"

#include "wire/base64.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UUID_TEXT_LEN 36
#define NUMBER_INPUT_MAX 400 /* digits of a double written out in full */

static const struct {
	const char *word;
	size_t size; /* of the bytes; 0: any */
} formats[PLAIN_FORMAT_COUNT] = {
	[PLAIN_STRING] = {"string", 0},
	[PLAIN_JSON] = {"json", 0},
	[PLAIN_HEX] = {"hex", 0},
	[PLAIN_BASE64] = {"base64", 0},
	[PLAIN_SHORT] = {"short", 2},
	[PLAIN_INT] = {"int", 4},
	[PLAIN_LONG] = {"long", 8},
	[PLAIN_FLOAT] = {"float", 4},
	[PLAIN_DOUBLE] = {"double", 8},
	[PLAIN_BOOLEAN] = {"boolean", 1},
	[PLAIN_UUID] = {"uuid", UUID_TEXT_LEN},
};

enum plain_format plain_format_of(const char *word)
{
	enum plain_format format = 0;

	while (format < PLAIN_FORMAT_COUNT && strcmp(word, formats[format].word) != 0)
		format++;
	return format;
}

/* ---- Digits ------------------------------------------------------------------------------- */

void plain_hex(struct out *text, struct slice bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.len; i++) {
		out_byte(text, (uint8_t)digits[bytes.data[i] >> 4]);
		out_byte(text, (uint8_t)digits[bytes.data[i] & 15]);
	}
}

void plain_base64(struct out *text, struct slice bytes)
{
	struct arena scratch;

	arena_init(&scratch);
	out_text(text, base64_encode(&scratch, bytes.data, bytes.len, NULL));
	arena_fini(&scratch);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int plain_unhex(struct str text, struct out *bytes, struct err *err)
{
	for (size_t i = 0; i < text.len; i++) {
		int high = hex_digit(text.data[i]);
		int low = i + 1 < text.len ? hex_digit(text.data[i + 1]) : -1;

		if (isspace((unsigned char)text.data[i]))
			continue;
		if (high < 0 || low < 0)
			return err_set(err, E_MALFORMED,
				       "wants pairs of hexadecimal digits, stumbles at %zu", i);
		out_byte(bytes, (uint8_t)(high << 4 | low));
		i++;
	}
	return 0;
}

int plain_unbase64(struct str text, struct out *bytes, struct err *err)
{
	struct arena scratch;
	struct slice decoded = SLICE_NULL;
	int rc;

	arena_init(&scratch);
	rc = base64_decode(&scratch, text, &decoded);
	if (rc == 0)
		out_bytes(bytes, decoded.data, decoded.len);
	arena_fini(&scratch);
	return rc < 0 ? err_set(err, rc, "is no base64") : 0;
}

/* ---- Bytes into text ---------------------------------------------------------------------- */

int plain_read(enum plain_format format, struct slice s, struct out *text, bool *is_json,
	       struct err *err)
{
	char number[NUMBER_TEXT_MAX];
	size_t size = formats[format].size;

	*is_json = format == PLAIN_JSON || (format >= PLAIN_SHORT && format <= PLAIN_BOOLEAN);
	if (size > 0 && s.len != size)
		return err_set(err, E_MALFORMED, "has %zu bytes, a %s has %zu", s.len,
			       formats[format].word, size);
	switch (format) {
	case PLAIN_JSON:
		return json_text_compact(text, (struct str){(const char *)s.data, s.len}, err);
	case PLAIN_HEX: plain_hex(text, s); return 0;
	case PLAIN_BASE64: plain_base64(text, s); return 0;
	case PLAIN_SHORT: out_printf(text, "%d", (int16_t)be16(s.data)); return 0;
	case PLAIN_INT: out_printf(text, "%d", (int32_t)be32(s.data)); return 0;
	case PLAIN_LONG: out_printf(text, "%" PRId64, (int64_t)be64(s.data)); return 0;
	case PLAIN_FLOAT: out_text(text, number_text_float(be32(s.data), number)); break;
	case PLAIN_DOUBLE: out_text(text, number_text_double(be64(s.data), number)); break;
	case PLAIN_BOOLEAN: out_text(text, s.data[0] ? "true" : "false"); return 0;
	default: out_bytes(text, s.data, s.len); return 0;
	}
	*is_json = isdigit((unsigned char)number[number[0] == '-']);
	return 0;
}

/* ---- Text into bytes ---------------------------------------------------------------------- */

static int plain_bad(enum plain_format format, const char *text, struct err *err)
{
	return err_set(err, E_MALFORMED, "'%.40s' is no %s", text, formats[format].word);
}

static int write_integer(enum plain_format format, const char *text, struct out *bytes,
			 struct err *err)
{
	size_t size = formats[format].size;
	int64_t max = (int64_t)(UINT64_MAX >> (65 - 8 * size));
	uint8_t raw[8];
	long long v;
	char *end;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end || errno || v > max || v < -max - 1)
		return plain_bad(format, text, err);
	put_be64(raw, (uint64_t)v);
	out_bytes(bytes, raw + 8 - size, size);
	return 0;
}

static int write_real(enum plain_format format, const char *text, struct out *bytes,
		      struct err *err)
{
	uint8_t raw[8];
	uint64_t bits64;
	uint32_t bits32;
	double v;
	float narrow;
	char *end;

	v = strtod(text, &end);
	narrow = strtof(text, NULL);
	if (end == text || *end)
		return plain_bad(format, text, err);
	if (format == PLAIN_FLOAT) {
		memcpy(&bits32, &narrow, sizeof(bits32));
		put_be32(raw, bits32);
	} else {
		memcpy(&bits64, &v, sizeof(bits64));
		put_be64(raw, bits64);
	}
	out_bytes(bytes, raw, formats[format].size);
	return 0;
}

static bool uuid_is_good(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text[i] != '-' : hex_digit(text[i]) < 0)
			return false;
	}
	return i == UUID_TEXT_LEN;
}

static int write_scalar(enum plain_format format, struct str s, struct out *bytes, struct err *err)
{
	char text[NUMBER_INPUT_MAX];

	while (s.len > 0 && isspace((unsigned char)*s.data)) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && isspace((unsigned char)s.data[s.len - 1]))
		s.len--;
	if (s.len >= sizeof(text))
		return err_set(err, E_MALFORMED, "%zu characters are no %s", s.len,
			       formats[format].word);
	memcpy(text, s.data ? s.data : "", s.len);
	text[s.len] = '\0';
	switch (format) {
	case PLAIN_FLOAT:
	case PLAIN_DOUBLE: return write_real(format, text, bytes, err);
	case PLAIN_BOOLEAN:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return plain_bad(format, text, err);
		out_byte(bytes, text[0] == 't');
		return 0;
	case PLAIN_UUID:
		if (!uuid_is_good(text))
			return plain_bad(format, text, err);
		out_text(bytes, text);
		return 0;
	default: return write_integer(format, text, bytes, err);
	}
}

int plain_write(enum plain_format format, struct str text, struct out *bytes, struct err *err)
{
	int rc;

	switch (format) {
	case PLAIN_STRING: out_bytes(bytes, text.data, text.len); return 0;
	case PLAIN_JSON:
		/* Checked, and sent as it was typed. */
		rc = json_text_compact(bytes, text, err);
		out_reset(bytes);
		out_bytes(bytes, text.data, text.len);
		return rc;
	case PLAIN_HEX: return plain_unhex(text, bytes, err);
	case PLAIN_BASE64: return plain_unbase64(text, bytes, err);
	default: return write_scalar(format, text, bytes, err);
	}
}
