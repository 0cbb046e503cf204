#include "cmd/consumer/grep.h"
#include "cmd/utf8.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* Two codes: characters are UTF-8 where the text is, and bytes where it is not. */
struct grep {
	pcre2_code *utf8, *bytes; /* bytes: NULL until needed */
	pcre2_match_data *match;
	char *pattern;
};

static pcre2_code *grep_compile(const char *pattern, uint32_t flags, int *error, PCRE2_SIZE *at)
{
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, flags, error, at, NULL);

	/* Where there is no just-in-time compiler, matching is only slower. */
	if (code)
		(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

struct grep *grep_new(const char *pattern, const char *option, struct err *err)
{
	struct grep *g = xcalloc(1, sizeof(*g));
	PCRE2_UCHAR text[256];
	PCRE2_SIZE at;
	int error;

	g->utf8 = grep_compile(pattern, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &at);
	if (!g->utf8) {
		pcre2_get_error_message(error, text, sizeof(text));
		err_set(err, E_USAGE, "--%s '%s': %s at character %zu", option, pattern,
			(const char *)text, (size_t)at + 1);
		free(g);
		return NULL;
	}
	g->pattern = xstrdup(pattern);
	g->match = pcre2_match_data_create_from_pattern(g->utf8, NULL);
	return g;
}

void grep_free(struct grep *g)
{
	if (!g)
		return;
	pcre2_match_data_free(g->match);
	pcre2_code_free(g->utf8);
	pcre2_code_free(g->bytes);
	free(g->pattern);
	free(g);
}

bool grep_finds(struct grep *g, struct str text)
{
	const pcre2_code *code = g->utf8;
	PCRE2_SIZE at;
	int error;

	if (str_is_null(text))
		return false;
	if (!utf8_is_valid(text)) {
		/* A pattern with characters above 127 may not compile this way: finds nothing. */
		if (!g->bytes)
			g->bytes = grep_compile(g->pattern, PCRE2_MULTILINE, &error, &at);
		code = g->bytes;
	}
	return code && pcre2_match(code, (PCRE2_SPTR)text.data, text.len, 0,
				   code == g->utf8 ? PCRE2_NO_UTF_CHECK : 0, g->match, NULL) >= 0;
}
