#include "cmd/producer/record_reader.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <strings.h>

struct splitter {
	pcre2_code *code;
	pcre2_match_data *match;
};

bool props_true(const struct props *p, const char *key)
{
	const char *value = props_get(p, key);
	size_t len;

	if (!value)
		return false;
	value += strspn(value, " \t\r\n\f");
	len = strlen(value);
	while (len > 0 && strchr(" \t\r\n\f", value[len - 1]))
		len--;
	return len == 4 && strncasecmp(value, "true", 4) == 0;
}

static struct str reader_text(struct props *p, const char *key, const char *otherwise)
{
	const char *value = props_get(p, key);

	return str_of(value ? value : otherwise);
}

/* Pairs of settings that would make lines ambiguous. */
static int reader_check(const struct record_reader *r, struct err *err)
{
	const struct {
		const char *a_name, *b_name;
		struct str a, b;
		bool counts;
	} pairs[] = {
		{"headers.delimiter", "headers.separator", r->headers_delimiter,
		 r->headers_separator, r->parse_headers},
		{"headers.delimiter", "headers.key.separator", r->headers_delimiter,
		 r->headers_key_separator, r->parse_headers},
		{"headers.separator", "headers.key.separator", r->headers_separator,
		 r->headers_key_separator, r->parse_headers},
		{"null.marker", "key.separator", r->null_marker, r->key_separator, true},
		{"null.marker", "headers.separator", r->null_marker, r->headers_separator, true},
		{"null.marker", "headers.delimiter", r->null_marker, r->headers_delimiter, true},
		{"null.marker", "headers.key.separator", r->null_marker, r->headers_key_separator,
		 true},
	};

	for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
		if (pairs[i].counts && !str_is_null(pairs[i].a) && str_eq(pairs[i].a, pairs[i].b))
			return err_set(err, E_INVALID, "%s and %s may not be equal",
				       pairs[i].a_name, pairs[i].b_name);
	}
	return 0;
}

static int reader_splitter(struct record_reader *r, struct err *err)
{
	PCRE2_SIZE at;
	int error;

	for (size_t i = 0; i < r->headers_separator.len; i++) {
		if (strchr("\\^$.|?*+()[]{}", r->headers_separator.data[i]))
			goto regex;
	}
	return 0;
regex:
	r->splitter = xcalloc(1, sizeof(*r->splitter));
	r->splitter->code = pcre2_compile((PCRE2_SPTR)r->headers_separator.data,
					  r->headers_separator.len, 0, &error, &at, NULL);
	if (!r->splitter->code)
		return err_set(err, E_INVALID, "headers.separator '%.*s' is no regular expression",
			       STR(r->headers_separator));
	r->splitter->match = pcre2_match_data_create_from_pattern(r->splitter->code, NULL);
	return 0;
}

int record_reader_init(struct record_reader *r, struct props *p, struct err *err)
{
	int rc;

	*r = (struct record_reader){
		.parse_key = props_true(p, "parse.key"),
		.parse_headers = props_true(p, "parse.headers"),
		.ignore_error = props_true(p, "ignore.error"),
		.key_separator = reader_text(p, "key.separator", "\t"),
		.headers_delimiter = reader_text(p, "headers.delimiter", "\t"),
		.headers_separator = reader_text(p, "headers.separator", ","),
		.headers_key_separator = reader_text(p, "headers.key.separator", ":"),
		.null_marker = reader_text(p, "null.marker", NULL),
	};
	rc = reader_check(r, err);
	if (rc == 0)
		rc = reader_splitter(r, err);
	if (rc < 0)
		record_reader_fini(r);
	return rc;
}

void record_reader_fini(struct record_reader *r)
{
	if (r->splitter) {
		pcre2_match_data_free(r->splitter->match);
		pcre2_code_free(r->splitter->code);
		free(r->splitter);
		r->splitter = NULL;
	}
	free(r->headers);
	r->headers = NULL;
	r->header_cap = 0;
}

static const char *str_find(struct str s, struct str wanted)
{
	return wanted.len == 0 ? s.data : memmem(s.data, s.len, wanted.data, wanted.len);
}

/* Where the next separator begins and ends, from `at`; false if there is none. */
static bool reader_separator(const struct record_reader *r, struct str s, size_t at, size_t *begin,
			     size_t *end)
{
	const char *found;
	PCRE2_SIZE *ovector;

	if (!r->splitter) {
		found = str_find((struct str){s.data + at, s.len - at}, r->headers_separator);
		if (!found || r->headers_separator.len == 0)
			return false;
		*begin = (size_t)(found - s.data);
		*end = *begin + r->headers_separator.len;
		return true;
	}
	if (pcre2_match(r->splitter->code, (PCRE2_SPTR)s.data, s.len, at, 0, r->splitter->match,
			NULL) < 0)
		return false;
	ovector = pcre2_get_ovector_pointer(r->splitter->match);
	*begin = ovector[0];
	*end = ovector[1];
	return *end > *begin;
}

static struct slice reader_nullable(const struct record_reader *r, struct str s)
{
	if (str_is_null(s) || (!str_is_null(r->null_marker) && str_eq(s, r->null_marker)))
		return SLICE_NULL;
	return (struct slice){.data = (const uint8_t *)s.data, .len = s.len};
}

static int reader_header(struct record_reader *r, struct str pair, struct record_header *out,
			 struct err *err)
{
	const char *at = str_find(pair, r->headers_key_separator);

	*out = (struct record_header){.key = pair};
	if (at) {
		size_t len = (size_t)(at - pair.data);
		size_t skip = len + r->headers_key_separator.len;

		out->key.len = len;
		out->value = reader_nullable(r, (struct str){pair.data + skip, pair.len - skip});
	} else if (!r->ignore_error) {
		return err_set(err, E_MALFORMED,
			       "No header key separator found in pair '%.*s' on line number %lld",
			       STR(pair), (long long)r->line_number);
	}
	if (!str_is_null(r->null_marker) && str_eq(out->key, r->null_marker))
		return err_set(err, E_MALFORMED,
			       "Header keys should not be equal to the null marker '%.*s' as they "
			       "can't be null",
			       STR(r->null_marker));
	return 0;
}

/* "k1:v1,k2:v2"; trailing empty pairs are dropped, as Java's split does. */
static int reader_headers(struct record_reader *r, struct str text, struct line_record *out,
			  struct err *err)
{
	size_t at = 0, count = 0, kept = 0, begin = 0, end = 0;
	bool more = true;

	while (more) {
		struct str pair;
		int rc;

		more = reader_separator(r, text, at, &begin, &end);
		pair = (struct str){text.data + at, (more ? begin : text.len) - at};
		at = more ? end : text.len;
		if (pair.len == 0 && !more && text.len > 0)
			break;
		if (count == r->header_cap)
			r->headers =
				grow_array(r->headers, count, &r->header_cap, sizeof(*r->headers));
		if (pair.len == 0 && text.len > 0) {
			/* An error only if something follows: keep it until that is known. */
			r->headers[count++] = (struct record_header){.key = pair};
			continue;
		}
		for (; kept < count; kept++) {
			rc = reader_header(r, r->headers[kept].key, &r->headers[kept], err);
			if (rc < 0)
				return rc;
		}
		rc = reader_header(r, pair, &r->headers[count++], err);
		if (rc < 0)
			return rc;
		kept = count;
	}
	out->headers = r->headers;
	out->header_count = kept;
	return 0;
}

/* Cuts `*rest` at the separator; the part before it is in *part. Without one: an error, or the
 * part is null and nothing is consumed. */
static int reader_cut(const struct record_reader *r, struct str line, struct str *rest,
		      struct str separator, const char *what, struct str *part, struct err *err)
{
	const char *at = str_find(*rest, separator);

	*part = STR_NULL;
	if (at) {
		size_t len = (size_t)(at - rest->data);

		*part = (struct str){rest->data, len};
		rest->data += len + separator.len;
		rest->len -= len + separator.len;
		return 0;
	}
	if (r->ignore_error)
		return 0;
	return err_set(err, E_MALFORMED, "No %s found on line number %lld: '%.*s'", what,
		       (long long)r->line_number, STR(line));
}

int record_reader_parse(struct record_reader *r, struct str line, struct line_record *out,
			struct err *err)
{
	struct str rest = line, part;
	int rc;

	*out = (struct line_record){.partition = -1, .timestamp = -1};
	r->line_number++;
	if (r->parse_headers) {
		rc = reader_cut(r, line, &rest, r->headers_delimiter, "headers delimiter", &part,
				err);
		if (rc == 0 && !str_is_null(part) &&
		    (str_is_null(r->null_marker) || !str_eq(part, r->null_marker)))
			rc = reader_headers(r, part, out, err);
		if (rc < 0)
			return rc;
	}
	if (r->parse_key) {
		rc = reader_cut(r, line, &rest, r->key_separator, "key separator", &part, err);
		if (rc < 0)
			return rc;
		out->key = reader_nullable(r, part);
	}
	out->value = reader_nullable(r, rest);
	return 0;
}
