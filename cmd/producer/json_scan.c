#include "cmd/producer/json_scan.h"

#include <stdlib.h>

struct json_scan json_scan_of(struct str text)
{
	return (struct json_scan){
		.start = text.data, .pos = text.data, .end = text.data + text.len};
}

static int json_wrong(const struct json_scan *s, struct err *err, const char *what)
{
	if (s->pos == s->end)
		return err_set(err, E_MALFORMED, "the JSON ends too early");
	return err_set(err, E_MALFORMED, "column %zu: %s", (size_t)(s->pos - s->start) + 1, what);
}

static bool json_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next character that is no white space; '\0' at the end. */
static char json_peek(struct json_scan *s)
{
	while (s->pos < s->end && json_is_space(*s->pos))
		s->pos++;
	return s->pos < s->end ? *s->pos : '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- Scalars ------------------------------------------------------------------------------ */

/* Behind a backslash: passes what stands there. */
static int json_escape(struct json_scan *s, struct err *err)
{
	if (s->pos < s->end && *s->pos == 'u') {
		for (int i = 1; i <= 4; i++) {
			if (s->end - s->pos <= i)
				s->pos = s->end;
			if (s->pos == s->end || hex_digit(s->pos[i]) < 0)
				return json_wrong(s, err, "\\u needs four hexadecimal digits");
		}
		s->pos += 5;
		return 0;
	}
	if (s->pos == s->end || !*s->pos || !strchr("\"\\/bfnrt", *s->pos))
		return json_wrong(s, err, "no such escape in JSON");
	s->pos++;
	return 0;
}

/* At the opening quote. */
static int json_string(struct json_scan *s, struct json_value *out, struct err *err)
{
	const char *from = ++s->pos;

	*out = (struct json_value){.kind = JSON_STRING};
	while (s->pos < s->end && *s->pos != '"') {
		unsigned char c = (unsigned char)*s->pos;

		if (c < 0x20)
			return json_wrong(s, err,
					  "a control character inside a string (write \\n, "
					  "\\t or \\u00XX)");
		s->pos++;
		if (c == '\\') {
			int rc = json_escape(s, err);

			if (rc < 0)
				return rc;
			out->has_escapes = true;
		}
	}
	if (s->pos == s->end)
		return json_wrong(s, err, "");
	out->raw = (struct str){from, (size_t)(s->pos - from)};
	s->pos++;
	return 0;
}

static size_t json_digits(struct json_scan *s)
{
	const char *from = s->pos;

	while (s->pos < s->end && *s->pos >= '0' && *s->pos <= '9')
		s->pos++;
	return (size_t)(s->pos - from);
}

static int json_number(struct json_scan *s, struct err *err)
{
	bool is_zero;

	s->pos += *s->pos == '-';
	is_zero = s->pos < s->end && *s->pos == '0';
	if (is_zero)
		s->pos++;
	else if (json_digits(s) == 0)
		return json_wrong(s, err, "not a JSON value");
	if (s->pos < s->end && *s->pos == '.') {
		s->pos++;
		if (json_digits(s) == 0)
			return json_wrong(s, err, "a number needs digits behind its point");
	}
	if (s->pos < s->end && (*s->pos | 0x20) == 'e') {
		s->pos++;
		s->pos += s->pos < s->end && (*s->pos == '+' || *s->pos == '-');
		if (json_digits(s) == 0)
			return json_wrong(s, err, "a number needs digits in its exponent");
	}
	return 0;
}

static bool json_word(struct json_scan *s, struct str word)
{
	if ((size_t)(s->end - s->pos) < word.len || memcmp(s->pos, word.data, word.len) != 0)
		return false;
	s->pos += word.len;
	return true;
}

static int json_scalar(struct json_scan *s, struct json_value *out, struct err *err)
{
	char c = json_peek(s);
	const char *from = s->pos;
	int rc = 0;

	if (c == '"')
		return json_string(s, out, err);
	*out = (struct json_value){0};
	if (c == '-' || (c >= '0' && c <= '9')) {
		out->kind = JSON_NUMBER;
		rc = json_number(s, err);
	} else if (json_word(s, STR_LIT("true")) || json_word(s, STR_LIT("false"))) {
		out->kind = JSON_BOOL;
	} else if (json_word(s, STR_LIT("null"))) {
		out->kind = JSON_NULL_VALUE;
	} else {
		rc = json_wrong(s, err, "not a JSON value");
	}
	out->raw = (struct str){from, (size_t)(s->pos - from)};
	return rc;
}

/* ---- Objects and arrays ------------------------------------------------------------------- */

int json_open(struct json_scan *s, char bracket, struct err *err)
{
	if (json_peek(s) != bracket || s->pos == s->end)
		return json_wrong(s, err,
				  bracket == '{' ? "a JSON object is wanted here, {...}"
						 : "a JSON array is wanted here, [...]");
	s->pos++;
	s->has_before = false;
	return 0;
}

/* Passes the comma before another value, or the closing bracket (false). */
static bool json_more(struct json_scan *s, char close, int *rc, struct err *err)
{
	char c = json_peek(s);

	if (c == close && s->pos < s->end) {
		s->pos++;
		s->has_before = true;
		return false;
	}
	if (s->has_before) {
		if (c != ',') {
			*rc = json_wrong(s, err,
					 close == '}' ? "',' or '}' is wanted here"
						      : "',' or ']' is wanted here");
			return false;
		}
		s->pos++;
	}
	s->has_before = true;
	return true;
}

bool json_member(struct json_scan *s, struct str *name, int *rc, struct err *err)
{
	struct json_value text;

	if (!json_more(s, '}', rc, err))
		return false;
	if (json_peek(s) != '"')
		*rc = json_wrong(s, err, "a name in double quotes is wanted here");
	else
		*rc = json_string(s, &text, err);
	if (*rc == 0 && json_peek(s) != ':')
		*rc = json_wrong(s, err, "':' is wanted here");
	if (*rc < 0)
		return false;
	s->pos++;
	*name = text.raw;
	return true;
}

bool json_element(struct json_scan *s, int *rc, struct err *err)
{
	return json_more(s, ']', rc, err);
}

/* Goes through nested values with a stack of brackets instead of recursion. */
int json_value(struct json_scan *s, struct json_value *out, struct err *err)
{
	char open[JSON_DEPTH_MAX]; /* the bracket that closes each */
	unsigned depth = 0;
	char c = json_peek(s);
	const char *from = s->pos;
	int rc = 0;

	if (c != '{' && c != '[')
		return json_scalar(s, out, err);
	do {
		struct json_value inner;
		struct str name;
		bool more = true;

		c = json_peek(s);
		if (c == '{' || c == '[') {
			if (depth == JSON_DEPTH_MAX)
				return json_wrong(s, err, "nested too deeply");
			open[depth++] = c == '{' ? '}' : ']';
			s->pos++;
			s->has_before = false;
		} else {
			rc = json_scalar(s, &inner, err);
			s->has_before = true;
		}
		while (rc == 0 && depth > 0) {
			more = open[depth - 1] == '}' ? json_member(s, &name, &rc, err)
						      : json_element(s, &rc, err);
			if (more || rc < 0)
				break;
			depth--;
		}
	} while (rc == 0 && depth > 0);
	*out = (struct json_value){.kind = *from == '{' ? JSON_OBJECT : JSON_ARRAY,
				   .raw = {from, (size_t)(s->pos - from)}};
	return rc;
}

int json_finish(struct json_scan *s, struct err *err)
{
	json_peek(s);
	return s->pos == s->end ? 0 : json_wrong(s, err, "something stands behind the value");
}

/* ---- What was found ----------------------------------------------------------------------- */

static uint32_t json_unit(const char *p)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (uint32_t)hex_digit(p[i]);
	return unit;
}

static void out_utf8(struct out *out, uint32_t c)
{
	if (c < 0x80) {
		out_byte(out, (uint8_t)c);
	} else if (c < 0x800) {
		out_byte(out, (uint8_t)(0xc0 | c >> 6));
		out_byte(out, (uint8_t)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		out_byte(out, (uint8_t)(0xe0 | c >> 12));
		out_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
		out_byte(out, (uint8_t)(0x80 | (c & 63)));
	} else {
		out_byte(out, (uint8_t)(0xf0 | c >> 18));
		out_byte(out, (uint8_t)(0x80 | (c >> 12 & 63)));
		out_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
		out_byte(out, (uint8_t)(0x80 | (c & 63)));
	}
}

/* \uXXXX at `p`, behind the backslash; gives what is left behind it, NULL for half a pair. */
static const char *json_unicode(struct out *out, const char *p, const char *end)
{
	uint32_t c = json_unit(p + 1), low;

	p += 5;
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = json_unit(p + 2);
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	} else if (c >= 0xd800 && c <= 0xdfff) {
		return NULL;
	}
	out_utf8(out, c);
	return p;
}

int json_unescape(struct out *out, struct str raw, struct err *err)
{
	static const char names[] = "bfnrt", bytes[] = "\b\f\n\r\t";
	const char *p = raw.data, *end = raw.data + raw.len;

	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p)), *named;

		out_bytes(out, p, (size_t)((escape ? escape : end) - p));
		if (!escape)
			break;
		p = escape + 1;
		if (*p == 'u') {
			p = json_unicode(out, p, end);
			if (!p)
				return err_set(err, E_MALFORMED,
					       "half of a surrogate pair in "
					       "'%.*s'",
					       STR(raw));
			continue;
		}
		named = strchr(names, *p);
		out_byte(out, (uint8_t)(named ? bytes[named - names] : *p));
		p++;
	}
	return 0;
}

void json_compact(struct out *out, struct str raw)
{
	const char *p = raw.data, *end = raw.data + raw.len;

	while (p < end) {
		const char *from = p;

		if (json_is_space(*p)) {
			p++;
			continue;
		}
		if (*p == '"') {
			for (p++; *p != '"'; p++)
				p += *p == '\\';
			p++;
		} else {
			while (p < end && *p != '"' && !json_is_space(*p))
				p++;
		}
		out_bytes(out, from, (size_t)(p - from));
	}
}

bool json_int(const struct json_value *v, int64_t *out)
{
	bool is_negative = v->raw.len > 0 && v->raw.data[0] == '-';
	uint64_t number = 0;

	if (v->kind != JSON_NUMBER)
		return false;
	for (size_t i = is_negative; i < v->raw.len; i++) {
		unsigned digit = (unsigned)(v->raw.data[i] - '0');

		if (digit > 9 || number > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*out = is_negative ? -(int64_t)number : (int64_t)number;
	return true;
}
