#include "cmd/filter.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

struct filter {
	char *pattern;
	bool is_literal;	/* the pattern is a name and nothing else */
	pcre2_code *code;	/* NULL if literal */
	pcre2_match_data *match;
};

static const char name_bytes[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/* "a, b" -> "a|b", without quotes around it. */
static char *filter_pattern(const char *text)
{
	char *pattern = xstrdup(text), *to = pattern;
	size_t len, lead;

	for (const char *from = text; *from; from++) {
		if (*from == ',')
			*to++ = '|';
		else if (*from != ' ' && *from != '\t' && *from != '\n')
			*to++ = *from;
	}
	*to = '\0';
	lead = strspn(pattern, "'\"");
	len = strlen(pattern + lead);
	memmove(pattern, pattern + lead, len + 1);
	while (len > 0 && strchr("'\"", pattern[len - 1]))
		pattern[--len] = '\0';
	return pattern;
}

struct filter *filter_new(const char *text, struct err *err)
{
	struct filter *f = xcalloc(1, sizeof(*f));
	PCRE2_SIZE error_pos;
	int error;

	f->pattern = filter_pattern(text);
	if (*f->pattern && f->pattern[strspn(f->pattern, name_bytes)] == '\0') {
		f->is_literal = true;
		return f;
	}
	f->code = pcre2_compile((PCRE2_SPTR)f->pattern, strlen(f->pattern),
				PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &error, &error_pos,
				NULL);
	if (!f->code) {
		err_set(err, E_INVALID, "%s is an invalid regex.", f->pattern);
		filter_free(f);
		return NULL;
	}
	f->match = pcre2_match_data_create_from_pattern(f->code, NULL);
	return f;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	pcre2_match_data_free(f->match);
	pcre2_code_free(f->code);
	free(f->pattern);
	free(f);
}

bool filter_matches(const struct filter *f, struct str name)
{
	if (f->is_literal)
		return str_is(name, f->pattern);
	return pcre2_match(f->code, (PCRE2_SPTR)name.data, name.len, 0, 0, f->match, NULL) >= 0;
}

const char *filter_literal(const struct filter *f)
{
	return f->is_literal ? f->pattern : NULL;
}

bool filter_is_internal(struct str name)
{
	return str_is(name, "__consumer_offsets") || str_is(name, "__transaction_state") ||
		str_is(name, "__share_group_state");
}
