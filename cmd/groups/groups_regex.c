#include "cmd/groups/groups_regex.h"

#include "base/check.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX 1000

#define BAD_CLASS "invalid character class range"
#define BAD_ESCAPE "invalid escape sequence"
#define BAD_NAME "invalid named capture"
#define BAD_NESTING "invalid nested repetition operator"
#define BAD_PERL "invalid or unsupported Perl syntax"
#define BAD_REPEAT "invalid repeat count"
#define NO_ARGUMENT "missing argument to repetition operator"
#define NO_BRACKET "missing closing ]"
#define NO_ESCAPED "trailing backslash at end of expression"
#define NO_PAREN "missing closing )"
#define STRAY_PAREN "regexp/syntax: internal error" /* their library's words for it */

struct scan {
	const char *at;
	unsigned depth;
	bool can_repeat;  /* something stands before that a * may follow */
	bool is_repeated; /* it is a repetition itself */
};

/* Digits of `base` into *value; false if there are none, or it is none of Unicode's numbers. */
static bool scan_number(struct scan *s, int base, long *value)
{
	char *end;

	if (!isxdigit((unsigned char)*s->at) || (base == 10 && !isdigit((unsigned char)*s->at)))
		return false;
	*value = strtol(s->at, &end, base);
	s->at = end;
	return *value >= 0 && *value <= 0x10ffff;
}

static const char *scan_hex(struct scan *s)
{
	long value;

	if (*s->at == '{') {
		s->at++;
		if (!scan_number(s, 16, &value) || *s->at != '}')
			return BAD_ESCAPE;
		s->at++;
		return NULL;
	}
	for (int i = 0; i < 2; i++) {
		if (!isxdigit((unsigned char)*s->at))
			return BAD_ESCAPE;
		s->at++;
	}
	return NULL;
}

/* \pN, \p{Greek}, \p{^Greek}: the name itself is taken as it is. */
static const char *scan_property(struct scan *s)
{
	if (*s->at == '{') {
		const char *end = strchr(s->at, '}');

		if (!end)
			return BAD_CLASS;
		s->at = end + 1;
		return NULL;
	}
	if (!isupper((unsigned char)*s->at))
		return BAD_CLASS;
	s->at++;
	return NULL;
}

/* Behind a backslash. `in_class`: between brackets, where anchors mean nothing. *is_set: it stands
 * for several characters. */
static const char *scan_escape(struct scan *s, bool in_class, bool *is_set)
{
	char c = *s->at;

	*is_set = false;
	if (c == '\0')
		return NO_ESCAPED;
	s->at++;
	if (strchr("dDsSwW", c)) {
		*is_set = true;
		return NULL;
	}
	if (c == 'p' || c == 'P') {
		*is_set = true;
		return scan_property(s);
	}
	if (c == 'x')
		return scan_hex(s);
	if (c == '0' || (c >= '1' && c <= '7' && *s->at >= '0' && *s->at <= '7')) {
		for (int i = 0; i < 2 && *s->at >= '0' && *s->at <= '7'; i++)
			s->at++;
		return NULL;
	}
	if (strchr("afnrtv", c) || (!in_class && strchr("AbBz", c)))
		return NULL;
	if (isalnum((unsigned char)c))
		return BAD_ESCAPE;
	return NULL;
}

static bool class_has_name(const char *name, size_t len)
{
	static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
					    "digit", "graph", "lower", "print", "punct",
					    "space", "upper", "word",  "xdigit"};

	if (len > 0 && *name == '^') {
		name++;
		len--;
	}
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	}
	return false;
}

/* One character of a class, or an escape. */
static const char *scan_class_item(struct scan *s, int *value, bool *is_set)
{
	*is_set = false;
	*value = (unsigned char)*s->at++;
	if (*value != '\\')
		return NULL;
	*value = (unsigned char)*s->at;
	return scan_escape(s, true, is_set);
}

/* Behind the opening bracket. */
static const char *scan_class(struct scan *s)
{
	bool is_first = true;

	s->at += *s->at == '^';
	for (; *s->at != ']' || is_first; is_first = false) {
		int low, high;
		const char *fault;
		bool is_set;

		if (*s->at == '\0')
			return NO_BRACKET;
		if (s->at[0] == '[' && s->at[1] == ':') {
			const char *end = strstr(s->at + 2, ":]");

			if (end && !class_has_name(s->at + 2, (size_t)(end - s->at) - 2))
				return BAD_CLASS;
			if (end) {
				s->at = end + 2;
				continue;
			}
		}
		fault = scan_class_item(s, &low, &is_set);
		if (fault)
			return fault;
		if (is_set || s->at[0] != '-' || s->at[1] == ']' || s->at[1] == '\0')
			continue;
		s->at++;
		fault = scan_class_item(s, &high, &is_set);
		if (fault)
			return fault;
		if (is_set || high < low)
			return BAD_CLASS;
	}
	s->at++;
	return NULL;
}

/* Behind "(?": a name, or flags. */
static const char *scan_group_kind(struct scan *s)
{
	const char *name = s->at[0] == 'P' && s->at[1] == '<'                      ? s->at + 2
			   : s->at[0] == '<' && s->at[1] != '=' && s->at[1] != '!' ? s->at + 1
										   : NULL;

	if (name) {
		size_t len = 0;

		while (isalnum((unsigned char)name[len]) || name[len] == '_')
			len++;
		if (len == 0 || name[len] != '>')
			return BAD_NAME;
		s->at = name + len + 1;
		s->depth++;
		return NULL;
	}
	if (*s->at == '\0')
		return NO_PAREN;
	while (*s->at && strchr("imsU-", *s->at))
		s->at++;
	if (*s->at == ':')
		s->depth++;
	else if (*s->at != ')')
		return *s->at ? BAD_PERL : NO_PAREN;
	s->at++;
	return NULL;
}

/* "{2,5}" at the scanner: 1 with the end of it, 0 if the brace is an ordinary character, -1. */
static int scan_count(struct scan *s)
{
	struct scan ahead = *s;
	long low, high;

	ahead.at++;
	if (!scan_number(&ahead, 10, &low))
		return 0;
	high = low;
	if (*ahead.at == ',') {
		ahead.at++;
		if (*ahead.at != '}' && !scan_number(&ahead, 10, &high))
			return 0;
	}
	if (*ahead.at != '}')
		return 0;
	s->at = ahead.at + 1;
	return low > REPEAT_MAX || high > REPEAT_MAX || high < low ? -1 : 1;
}

static const char *scan_repetition(struct scan *s)
{
	if (!s->can_repeat)
		return NO_ARGUMENT;
	if (s->is_repeated)
		return BAD_NESTING;
	s->at += *s->at == '?';
	s->is_repeated = true;
	return NULL;
}

static const char *scan_one(struct scan *s)
{
	bool unused;
	char c = *s->at;
	int count;

	if (c == '*' || c == '+' || c == '?') {
		s->at++;
		return scan_repetition(s);
	}
	if (c == '{') {
		count = scan_count(s);
		if (count != 0)
			return count < 0 ? BAD_REPEAT : scan_repetition(s);
	}
	s->at++;
	s->is_repeated = false;
	s->can_repeat = c != '(' && c != '|';
	switch (c) {
	case '(':
		if (*s->at == '?') {
			s->at++;
			return scan_group_kind(s);
		}
		s->depth++;
		return NULL;
	case ')':
		if (s->depth == 0)
			return STRAY_PAREN;
		s->depth--;
		return NULL;
	case '[': return scan_class(s);
	case '\\':
		if (*s->at == 'Q') {
			const char *end = strstr(s->at, "\\E");

			s->at = end ? end + 2 : s->at + strlen(s->at);
			return NULL;
		}
		return scan_escape(s, false, &unused);
	default: return NULL;
	}
}

const char *regex_fault(const char *text)
{
	struct scan s = {.at = text};

	while (*s.at) {
		const char *fault = scan_one(&s);

		if (fault)
			return fault;
	}
	return s.depth > 0 ? NO_PAREN : NULL;
}
