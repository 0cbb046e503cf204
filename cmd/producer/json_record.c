#include "cmd/producer/json_record.h"
#include "cmd/producer/digits_record.h"
#include "cmd/producer/json_scan.h"
#include "cmd/time_text.h"

#include "base/mem.h"
#include "base/near.h"
#include "wire/base64.h"

#include <stdio.h>

void json_reader_init(struct json_reader *r)
{
	*r = (struct json_reader){0};
	arena_init(&r->scratch);
	out_init(&r->text, SIZE_MAX / 2);
}

void json_reader_fini(struct json_reader *r)
{
	arena_fini(&r->scratch);
	out_fini(&r->text);
	free(r->headers);
	*r = (struct json_reader){0};
}

/* ---- Bytes -------------------------------------------------------------------------------- */

/* What an "Encoding" names; null: nothing. */
static struct str json_encoding(const struct json_value *v)
{
	return v->kind == JSON_NULL_VALUE ? STR_NULL : v->raw;
}

/* The text of any value: that of a string, or compact JSON. */
static int json_text(struct json_reader *r, const struct json_value *v, struct str *out,
		     struct err *err)
{
	int rc = 0;

	*out = v->raw;
	if (v->kind == JSON_STRING && !v->has_escapes)
		return 0;
	if (v->kind != JSON_STRING && v->kind < JSON_ARRAY)
		return 0;
	out_reset(&r->text);
	if (v->kind == JSON_STRING)
		rc = json_unescape(&r->text, v->raw, err);
	else
		json_compact(&r->text, v->raw);
	*out = (struct str){
		arena_memdup(&r->scratch, r->text.data ? (char *)r->text.data : "", r->text.len),
		r->text.len};
	return rc;
}

/* A value in the encoding that `encoding` (null: text) names. */
static int json_bytes(struct json_reader *r, const char *name, const struct json_value *v,
		      struct str encoding, struct slice *out, struct err *err)
{
	struct str text;
	int rc;

	*out = SLICE_NULL;
	if (v->kind == JSON_NULL_VALUE)
		return 0;
	rc = json_text(r, v, &text, err);
	if (rc < 0)
		return err_add(err, rc, "\"%s\"", name);
	if (str_is_null(encoding) || str_is(encoding, "utf-8") || str_is(encoding, "utf8")) {
		*out = (struct slice){.data = (const uint8_t *)text.data, .len = text.len};
		return 0;
	}
	if (str_is(encoding, "base64")) {
		rc = base64_decode(&r->scratch, text, out);
		if (rc < 0)
			return err_set(err, E_MALFORMED, "\"%s\" is not base64: '%.*s'", name,
				       (int)MIN(text.len, (size_t)64), text.data);
		return 0;
	}
	if (str_is(encoding, "hex")) {
		rc = hex_decode(&r->scratch, text, out, err);
		return rc < 0 ? err_add(err, rc, "\"%s\"", name) : 0;
	}
	return err_set(err, E_MALFORMED, "\"%sEncoding\" is base64, hex or utf-8, not '%.*s'", name,
		       STR(encoding));
}

/* A key or value of the record; its JSON text where a schema makes bytes of it. */
static int json_part(struct json_reader *r, const char *name, const struct json_value *v,
		     struct str encoding, bool as_json, struct slice *out, struct err *err)
{
	if (!as_json || !str_is_null(encoding) || v->kind == JSON_NULL_VALUE)
		return json_bytes(r, name, v, encoding, out, err);
	*out = (struct slice){.data = (const uint8_t *)v->raw.data, .len = v->raw.len};
	if (v->kind == JSON_STRING) {
		out->data--;
		out->len += 2;
	}
	return 0;
}

/* ---- Headers ------------------------------------------------------------------------------ */

static struct record_header *header_new(struct json_reader *r, struct line_record *out)
{
	if (out->header_count == r->header_cap)
		r->headers = grow_array(r->headers, out->header_count, &r->header_cap,
					sizeof(*r->headers));
	out->headers = r->headers;
	r->headers[out->header_count] = (struct record_header){.key = STR_LIT("")};
	return &r->headers[out->header_count++];
}

/* {"key":"h","value":"v"} */
static int header_object(struct json_reader *r, struct json_scan *s, struct record_header *h,
			 struct err *err)
{
	struct json_value key = {0}, value = {0};
	struct str name, encoding = STR_NULL, key_encoding = STR_NULL;
	struct slice bytes = SLICE_NULL;
	int rc = json_open(s, '{', err);

	while (rc == 0 && json_member(s, &name, &rc, err)) {
		struct json_value v;

		rc = json_value(s, &v, err);
		if (str_is(name, "key"))
			key = v;
		else if (str_is(name, "value"))
			value = v;
		else if (str_is(name, "valueEncoding"))
			encoding = json_encoding(&v);
		else if (str_is(name, "keyEncoding"))
			key_encoding = json_encoding(&v);
		else if (rc == 0)
			rc = err_set(err, E_MALFORMED,
				     "a header has key, value and valueEncoding, "
				     "not \"%.*s\"",
				     STR(name));
	}
	if (rc == 0 && key.kind != JSON_STRING)
		rc = err_set(err, E_MALFORMED, "a header needs a \"key\" in text");
	if (rc == 0)
		rc = json_bytes(r, "key", &key, key_encoding, &bytes, err);
	h->key = (struct str){(const char *)bytes.data, bytes.len};
	return rc < 0 ? rc : json_bytes(r, "value", &value, encoding, &h->value, err);
}

/* [{"key":"h","value":"v"}] or ["h","v"] */
static int headers_list(struct json_reader *r, struct json_scan *s, struct line_record *out,
			struct err *err)
{
	struct record_header *flat = NULL; /* its key was there, its value is still to come */
	int rc = json_open(s, '[', err);

	while (rc == 0 && json_element(s, &rc, err)) {
		struct json_value v;
		struct json_scan inner;

		rc = json_value(s, &v, err);
		if (rc < 0)
			break;
		if (flat) {
			rc = json_bytes(r, "headers", &v, STR_NULL, &flat->value, err);
			flat = NULL;
		} else if (v.kind == JSON_STRING) {
			flat = header_new(r, out);
			rc = json_text(r, &v, &flat->key, err);
		} else {
			inner = json_scan_of(v.raw);
			rc = header_object(r, &inner, header_new(r, out), err);
		}
	}
	if (rc == 0 && flat)
		rc = err_set(err, E_MALFORMED, "header '%.*s' has no value", STR(flat->key));
	return rc;
}

/* {"h":"v"} */
static int headers_object(struct json_reader *r, struct json_scan *s, struct line_record *out,
			  struct err *err)
{
	struct str name;
	int rc = json_open(s, '{', err);

	while (rc == 0 && json_member(s, &name, &rc, err)) {
		struct record_header *h = header_new(r, out);
		struct json_value v, key = {.kind = JSON_STRING, .raw = name, .has_escapes = true};

		rc = json_value(s, &v, err);
		if (rc == 0)
			rc = json_text(r, &key, &h->key, err);
		if (rc == 0)
			rc = json_bytes(r, "headers", &v, STR_NULL, &h->value, err);
	}
	return rc;
}

static int json_headers(struct json_reader *r, const struct json_value *v, struct line_record *out,
			struct err *err)
{
	struct json_scan s = json_scan_of(v->raw);
	int rc = 0;

	out->header_count = 0;
	if (v->kind == JSON_OBJECT)
		rc = headers_object(r, &s, out, err);
	else if (v->kind == JSON_ARRAY)
		rc = headers_list(r, &s, out, err);
	else if (v->kind != JSON_NULL_VALUE)
		rc = err_set(err, E_MALFORMED, "a list or an object is wanted");
	return rc < 0 ? err_add(err, rc, "\"headers\"") : 0;
}

/* ---- The record --------------------------------------------------------------------------- */

enum field {
	FIELD_KEY,
	FIELD_VALUE,
	FIELD_HEADERS,
	FIELD_PARTITION,
	FIELD_TIMESTAMP,
	FIELD_TOPIC,
	FIELD_KEY_ENCODING,
	FIELD_VALUE_ENCODING,
	FIELD_COUNT,
	FIELD_PASSED, /* of a stored record */
};

static const struct {
	const char *name;
	enum field field;
} field_names[] = {
	{"topic", FIELD_TOPIC},
	{"partition", FIELD_PARTITION},
	{"offset", FIELD_PASSED},
	{"timestamp", FIELD_TIMESTAMP},
	{"timestampType", FIELD_PASSED},
	{"headers", FIELD_HEADERS},
	{"key", FIELD_KEY},
	{"value", FIELD_VALUE},
	{"keyEncoding", FIELD_KEY_ENCODING},
	{"valueEncoding", FIELD_VALUE_ENCODING},
	{"leaderEpoch", FIELD_PASSED},
	{"deliveryCount", FIELD_PASSED},
	{"keySchemaId", FIELD_PASSED},
	{"valueSchemaId", FIELD_PASSED},
	{"payload", FIELD_VALUE},
	{"ts", FIELD_TIMESTAMP},
	{"tstype", FIELD_PASSED},
	{"broker", FIELD_PASSED},
	{"schemaId", FIELD_PASSED},
	{"key_schema_id", FIELD_PASSED},
	{"value_schema_id", FIELD_PASSED},
};

static int field_find(struct str name, enum field *out, struct err *err)
{
	char text[64];
	struct near near;

	for (unsigned i = 0; i < ARRAY_LEN(field_names); i++) {
		if (str_is(name, field_names[i].name)) {
			*out = field_names[i].field;
			return 0;
		}
	}
	snprintf(text, sizeof(text), "%.*s", STR(name));
	near_init(&near, text);
	for (unsigned i = 0; i < ARRAY_LEN(field_names); i++)
		near_offer(&near, field_names[i].name);
	if (near.best)
		return err_set(err, E_MALFORMED, "a record has no \"%s\"; did you mean \"%s\"?",
			       text, near.best);
	return err_set(err, E_MALFORMED,
		       "a record has no \"%s\", but key, value, headers, "
		       "partition, timestamp, keyEncoding and valueEncoding",
		       text);
}

static int json_timestamp(struct json_reader *r, const struct json_value *v, int64_t *out,
			  struct err *err)
{
	struct str text;
	int rc = 0;

	if (v->kind == JSON_NULL_VALUE || json_int(v, out))
		return 0;
	if (v->kind == JSON_STRING)
		rc = json_text(r, v, &text, err);
	if (v->kind != JSON_STRING || rc < 0 ||
	    time_parse(arena_strndup(&r->scratch, text.data, text.len), out, NULL) < 0)
		return err_set(err, E_MALFORMED,
			       "\"timestamp\" is milliseconds since 1970, or a "
			       "date as 2026-08-01T12:00:00Z, not %.*s",
			       STR(v->raw));
	return 0;
}

static int json_partition(const struct json_value *v, int32_t *out, struct err *err)
{
	int64_t number;

	if (v->kind == JSON_NULL_VALUE)
		return 0;
	if (!json_int(v, &number) || number < -1 || number > INT32_MAX)
		return err_set(err, E_MALFORMED, "\"partition\" is a number from 0, not %.*s",
			       STR(v->raw));
	*out = (int32_t)number;
	return 0;
}

/* The fields as they stand in the line; twice the same is an error. */
static int json_fields(struct json_scan *s, struct json_value fields[FIELD_COUNT], unsigned *given,
		       struct err *err)
{
	struct str name;
	int rc = json_open(s, '{', err);

	while (rc == 0 && json_member(s, &name, &rc, err)) {
		enum field field;
		struct json_value v;

		rc = json_value(s, &v, err);
		if (rc == 0)
			rc = field_find(name, &field, err);
		if (rc < 0 || field == FIELD_PASSED)
			continue;
		if (*given & 1u << field)
			return err_set(err, E_MALFORMED, "\"%.*s\" stands there twice", STR(name));
		*given |= 1u << field;
		fields[field] = v;
	}
	return rc < 0 ? rc : json_finish(s, err);
}

int json_reader_parse(struct json_reader *r, struct str line, struct line_record *out,
		      struct err *err)
{
	struct json_scan s = json_scan_of(line);
	struct json_value f[FIELD_COUNT] = {0};
	struct str encoding;
	unsigned given = 0;
	int rc;

	if (r->scratch.total_bytes > 0)
		arena_reset(&r->scratch);
	*out = (struct line_record){.partition = -1, .timestamp = -1};
	rc = json_fields(&s, f, &given, err);
	if (rc == 0 && !(given & 1u << FIELD_VALUE))
		rc = err_set(err, E_MALFORMED,
			     "no \"value\" (write \"value\":null for a tombstone)");
	if (rc == 0 && f[FIELD_TOPIC].kind == JSON_STRING)
		rc = json_text(r, &f[FIELD_TOPIC], &out->topic, err);
	if (rc == 0)
		rc = json_partition(&f[FIELD_PARTITION], &out->partition, err);
	if (rc == 0 && (given & 1u << FIELD_TIMESTAMP))
		rc = json_timestamp(r, &f[FIELD_TIMESTAMP], &out->timestamp, err);
	if (rc == 0)
		rc = json_headers(r, &f[FIELD_HEADERS], out, err);
	encoding = json_encoding(&f[FIELD_KEY_ENCODING]);
	out->key_is_bytes = !str_is_null(encoding);
	if (rc == 0)
		rc = json_part(r, "key", &f[FIELD_KEY], encoding, r->key_as_json, &out->key, err);
	encoding = json_encoding(&f[FIELD_VALUE_ENCODING]);
	out->value_is_bytes = !str_is_null(encoding);
	if (rc == 0)
		rc = json_part(r, "value", &f[FIELD_VALUE], encoding, r->value_as_json, &out->value,
			       err);
	return rc;
}
