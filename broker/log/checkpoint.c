#include "checkpoint.h"

#include "base/err.h"
#include "base/mem.h"

#define CHECKPOINT_WORDS_MAX 4

int checkpoint_number(struct str word, int64_t *out)
{
	bool negative = word.len > 0 && word.data[0] == '-';
	uint64_t value = 0;
	size_t i = negative;

	if (word.len == i || word.len - i > 19)
		return E_MALFORMED;
	for (; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return E_MALFORMED;
		value = value * 10 + (uint64_t)(word.data[i] - '0');
	}
	if (value > INT64_MAX)
		return E_MALFORMED;
	*out = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

/* Takes the next line apart into at most CHECKPOINT_WORDS_MAX words. False at the end. */
static bool next_line(const char **at, const char *end, struct str *words, unsigned *count)
{
	*count = 0;
	if (*at == end)
		return false;
	while (*at < end && **at != '\n') {
		const char *start;

		if (**at == ' ' || **at == '\t' || **at == '\r') {
			(*at)++;
			continue;
		}
		start = *at;
		while (*at < end && **at != '\n' && **at != ' ' && **at != '\t' && **at != '\r')
			(*at)++;
		if (*count < CHECKPOINT_WORDS_MAX)
			words[*count] = (struct str){start, (size_t)(*at - start)};
		(*count)++;
	}
	if (*at < end)
		(*at)++;
	return true;
}

static int checkpoint_parse(const char *at, const char *end, unsigned words,
			    int (*line)(void *ctx, const struct str *words), void *ctx)
{
	struct str parts[CHECKPOINT_WORDS_MAX];
	int64_t version, count, seen = 0;
	unsigned n;

	if (!next_line(&at, end, parts, &n))
		return 0;	/* as it was created */
	if (n != 1 || checkpoint_number(parts[0], &version) < 0 || version != 0)
		return E_MALFORMED;
	if (!next_line(&at, end, parts, &n) || n != 1 || checkpoint_number(parts[0], &count) < 0)
		return E_MALFORMED;
	while (next_line(&at, end, parts, &n)) {
		int rc;

		if (n != words)
			return E_MALFORMED;
		rc = line(ctx, parts);
		if (rc < 0)
			return rc;
		seen++;
	}
	return seen == count ? 0 : E_MALFORMED;
}

int checkpoint_read(struct env *env, const char *path, unsigned words,
		    int (*line)(void *ctx, const struct str *words), void *ctx)
{
	char *text;
	size_t len;
	int rc;

	assert(words <= CHECKPOINT_WORDS_MAX);
	rc = env_read_file(env, path, CHECKPOINT_FILE_BYTES_MAX, &text, &len);
	if (rc < 0)
		return rc;
	rc = checkpoint_parse(text, text + len, words, line, ctx);
	free(text);
	return rc;
}

void checkpoint_begin(struct out *out, size_t count)
{
	out_init(out, CHECKPOINT_FILE_BYTES_MAX);
	out_printf(out, "0\n%zu\n", count);
}
