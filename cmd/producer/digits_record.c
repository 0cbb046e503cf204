#include "cmd/producer/digits_record.h"

#include "base/mem.h"
#include "wire/base64.h"

#include <string.h>

#define DIGITS_FIELDS_MAX 5

void digits_reader_init(struct digits_reader *r, bool is_base64)
{
	*r = (struct digits_reader){.is_base64 = is_base64};
	arena_init(&r->scratch);
}

void digits_reader_fini(struct digits_reader *r)
{
	arena_fini(&r->scratch);
	free(r->headers);
	*r = (struct digits_reader){0};
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct arena *arena, struct str text, struct slice *out, struct err *err)
{
	uint8_t *bytes = arena_alloc(arena, text.len / 2 + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len;) {
		int high, low;

		if (text.data[i] == ' ') {
			i++;
			continue;
		}
		high = hex_value(text.data[i]);
		low = i + 1 < text.len ? hex_value(text.data[i + 1]) : -1;
		if (high < 0 || low < 0)
			return err_set(err, E_MALFORMED,
				       "'%.*s' (at digit %zu) is no pair of hexadecimal digits",
				       (int)MIN(text.len - i, (size_t)2), text.data + i, i + 1);
		bytes[len++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	*out = (struct slice){.data = bytes, .len = len};
	return 0;
}

static int digits_bytes(struct digits_reader *r, const char *name, struct str digits,
			struct slice *out, struct err *err)
{
	int rc;

	*out = SLICE_NULL;
	if (str_is(digits, "-"))
		return 0;
	if (r->is_base64) {
		rc = base64_decode(&r->scratch, digits, out);
		return rc < 0 ? err_set(err, rc, "%s is not base64: '%.*s'", name,
					(int)MIN(digits.len, (size_t)64), digits.data)
			      : 0;
	}
	rc = hex_decode(&r->scratch, digits, out, err);
	return rc < 0 ? err_add(err, rc, "%s", name) : 0;
}

/* Cuts off what stands before `separator`, or all of it; false when nothing is left. */
static bool digits_cut(struct str *rest, char separator, struct str *part)
{
	const char *at;

	if (!rest->data)
		return false;
	at = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
	*part = *rest;
	if (!at) {
		*rest = STR_NULL;
		return true;
	}
	part->len = (size_t)(at - rest->data);
	*rest = (struct str){at + 1, rest->len - part->len - 1};
	return true;
}

static int digits_headers(struct digits_reader *r, struct str text, struct line_record *out,
			  struct err *err)
{
	struct str pair, name;
	int rc = 0;

	if (text.len == 0)
		return 0;
	while (rc == 0 && digits_cut(&text, ',', &pair)) {
		struct record_header *h;
		struct slice key = SLICE_NULL;

		r->headers = grow_array(r->headers, out->header_count, &r->header_cap,
					sizeof(*r->headers));
		h = &r->headers[out->header_count++];
		(void)digits_cut(&pair, ':', &name);
		if (!pair.data)
			return err_set(err, E_MALFORMED, "header '%.*s' has no value, NAME:VALUE",
				       STR(name));
		rc = digits_bytes(r, "a header's name", name, &key, err);
		h->key = (struct str){key.data ? (const char *)key.data : "", key.len};
		if (rc == 0)
			rc = digits_bytes(r, "a header's value", pair, &h->value, err);
	}
	out->headers = r->headers;
	return rc;
}

static int digits_number(const char *name, struct str text, int64_t max, int64_t *out,
			 struct err *err)
{
	int64_t number = 0;

	if (str_is(text, "-1") || str_is(text, "-") || text.len == 0)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)(text.data[i] - '0');

		if (digit > 9 || number > (max - (int64_t)digit) / 10)
			return err_set(err, E_MALFORMED, "'%.*s' is no %s", STR(text), name);
		number = number * 10 + digit;
	}
	*out = number;
	return 0;
}

int digits_reader_parse(struct digits_reader *r, struct str line, struct line_record *out,
			struct err *err)
{
	struct str fields[DIGITS_FIELDS_MAX] = {0}, rest = line;
	unsigned count = 0, value = 1;
	int64_t partition = -1;
	int rc = 0;

	if (r->scratch.total_bytes > 0)
		arena_reset(&r->scratch);
	*out = (struct line_record){
		.partition = -1, .timestamp = -1, .key_is_bytes = true, .value_is_bytes = true};
	while (count < DIGITS_FIELDS_MAX && digits_cut(&rest, '\t', &fields[count]))
		count++;
	if (rest.data)
		return err_set(err, E_MALFORMED,
			       "more than key, value, headers, timestamp and "
			       "partition");
	if (count == 1)
		value = 0;
	else
		rc = digits_bytes(r, "the key", fields[0], &out->key, err);
	if (rc == 0)
		rc = digits_bytes(r, "the value", fields[value], &out->value, err);
	if (rc == 0)
		rc = digits_headers(r, fields[2], out, err);
	if (rc == 0)
		rc = digits_number("timestamp", fields[3], INT64_MAX, &out->timestamp, err);
	if (rc == 0)
		rc = digits_number("partition", fields[4], INT32_MAX, &partition, err);
	out->partition = (int32_t)partition;
	return rc;
}
