#include "cmd/registry/json_text.h"

#include "cmd/utf8.h"

#include <string.h>

/* A character below 0x80. */
static void text_ascii(struct out *out, uint8_t c)
{
	static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
				       ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

	if (c < sizeof(letters) && letters[c]) {
		out_byte(out, '\\');
		out_byte(out, (uint8_t)letters[c]);
	} else if (c < 0x20) {
		out_printf(out, "\\u%04X", c);
	} else {
		out_byte(out, c);
	}
}

void json_text_string(struct out *out, struct str s)
{
	const uint8_t *p = (const uint8_t *)s.data;
	size_t i = 0;

	if (!utf8_is_valid(s)) {
		struct out repaired;

		out_init(&repaired, SIZE_MAX / 2);
		utf8_repair(&repaired, s);
		json_text_string(out, (struct str){(const char *)repaired.data, repaired.len});
		out_fini(&repaired);
		return;
	}
	out_byte(out, '"');
	while (i < s.len) {
		size_t run = i;

		while (run < s.len && p[run] >= 0x20 && p[run] != '"' && p[run] != '\\')
			run++;
		if (run > i)
			out_bytes(out, p + i, run - i);
		if (run < s.len)
			text_ascii(out, p[run++]);
		i = run;
	}
	out_byte(out, '"');
}

void json_text_latin1(struct out *out, struct str bytes)
{
	out_byte(out, '"');
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = (uint8_t)bytes.data[i];

		if (c < 0x80) {
			text_ascii(out, c);
		} else {
			out_byte(out, (uint8_t)(0xc0 | c >> 6));
			out_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
		}
	}
	out_byte(out, '"');
}

/* ---- Checking ----------------------------------------------------------------------------- */

struct scanner {
	const char *start, *pos, *end;
	struct out *out;
	unsigned depth;
	struct err *err;
};

static int scan_value(struct scanner *s);

static int scan_bad(struct scanner *s)
{
	size_t at = (size_t)(s->pos - s->start);

	if (s->pos == s->end)
		return err_set(s->err, E_MALFORMED, "is no JSON: it ends too early");
	return err_set(s->err, E_MALFORMED, "is no JSON: unexpected byte 0x%02x at %zu",
		       (unsigned char)*s->pos, at);
}

static void scan_space(struct scanner *s)
{
	while (s->pos < s->end && strchr(" \t\r\n", *s->pos) && *s->pos)
		s->pos++;
}

static bool scan_is(const struct scanner *s, char c)
{
	return s->pos < s->end && *s->pos == c;
}

static int scan_string(struct scanner *s)
{
	const char *start = s->pos++;

	for (; s->pos < s->end && *s->pos != '"'; s->pos++) {
		if ((unsigned char)*s->pos < 0x20)
			return scan_bad(s);
		if (*s->pos != '\\')
			continue;
		s->pos++;
		if (s->pos == s->end || !*s->pos || !strchr("\"\\/bfnrtu", *s->pos))
			return scan_bad(s);
		if (*s->pos != 'u')
			continue;
		for (unsigned i = 0; i < 4; i++) {
			s->pos++;
			if (s->pos == s->end || !*s->pos ||
			    !strchr("0123456789abcdefABCDEF", *s->pos))
				return scan_bad(s);
		}
	}
	if (s->pos == s->end)
		return scan_bad(s);
	s->pos++;
	out_bytes(s->out, start, (size_t)(s->pos - start));
	return 0;
}

static bool scan_digits(struct scanner *s)
{
	const char *start = s->pos;

	while (s->pos < s->end && *s->pos >= '0' && *s->pos <= '9')
		s->pos++;
	return s->pos > start;
}

static int scan_number(struct scanner *s)
{
	const char *start = s->pos;

	if (scan_is(s, '-'))
		s->pos++;
	if (scan_is(s, '0'))
		s->pos++;
	else if (!scan_digits(s))
		return scan_bad(s);
	if (scan_is(s, '.')) {
		s->pos++;
		if (!scan_digits(s))
			return scan_bad(s);
	}
	if (scan_is(s, 'e') || scan_is(s, 'E')) {
		s->pos++;
		if (scan_is(s, '+') || scan_is(s, '-'))
			s->pos++;
		if (!scan_digits(s))
			return scan_bad(s);
	}
	out_bytes(s->out, start, (size_t)(s->pos - start));
	return 0;
}

static int scan_word(struct scanner *s)
{
	static const char *const words[] = {"true", "false", "null"};

	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(s->end - s->pos) >= len && memcmp(s->pos, words[i], len) == 0) {
			s->pos += len;
			out_text(s->out, words[i]);
			return 0;
		}
	}
	return scan_bad(s);
}

static int scan_members(struct scanner *s, char close)
{
	bool is_first = true;
	int rc;

	out_byte(s->out, (uint8_t)*s->pos++);
	for (scan_space(s); !scan_is(s, close); scan_space(s)) {
		if (!is_first) {
			if (!scan_is(s, ','))
				return scan_bad(s);
			s->pos++;
			out_byte(s->out, ',');
			scan_space(s);
		}
		is_first = false;
		if (close == '}') {
			if (!scan_is(s, '"'))
				return scan_bad(s);
			rc = scan_string(s);
			scan_space(s);
			if (rc < 0 || !scan_is(s, ':'))
				return rc < 0 ? rc : scan_bad(s);
			s->pos++;
			out_byte(s->out, ':');
		}
		rc = scan_value(s);
		if (rc < 0)
			return rc;
	}
	s->pos++;
	out_byte(s->out, (uint8_t)close);
	return 0;
}

static int scan_value(struct scanner *s)
{
	int rc;

	scan_space(s);
	if (s->pos == s->end)
		return scan_bad(s);
	if (++s->depth > JSON_TEXT_DEPTH_MAX)
		return err_set(s->err, E_MALFORMED, "is nested deeper than %d",
			       JSON_TEXT_DEPTH_MAX);
	switch (*s->pos) {
	case '{': rc = scan_members(s, '}'); break;
	case '[': rc = scan_members(s, ']'); break;
	case '"': rc = scan_string(s); break;
	case 't':
	case 'f':
	case 'n': rc = scan_word(s); break;
	default: rc = scan_number(s); break;
	}
	s->depth--;
	return rc;
}

int json_text_compact(struct out *out, struct str text, struct err *err)
{
	struct scanner s = {.start = text.data,
			    .pos = text.data,
			    .end = text.data + text.len,
			    .out = out,
			    .err = err};
	int rc;

	if (!utf8_is_valid(text))
		return err_set(err, E_MALFORMED, "is no JSON: byte %zu is no UTF-8",
			       utf8_valid_len(text));
	rc = scan_value(&s);
	if (rc < 0)
		return rc;
	scan_space(&s);
	return s.pos == s.end ? 0 : scan_bad(&s);
}
