/* Record sets as JSON, both ways. */
#include "wire/base64.h"
#include "wire/batch.h"
#include "wire/json.h"

#include <stdio.h>

/* ---- Writing --------------------------------------------------------------------------------- */

static void set_bytes(json_t *object, const char *key, const void *data, size_t len,
		      struct arena *a)
{
	json_t *text = data ? json_stringn(data, len) : json_null();
	size_t text_len;
	char *base64;

	if (!text) {
		base64 = base64_encode(a, data, len, &text_len);
		json_object_set_new(object, key, json_stringn_nocheck(base64, text_len));
		json_object_set_new(object, arena_printf(a, "%sEncoding", key),
				    json_string("base64"));
		return;
	}
	json_object_set_new(object, key, text);
}

static json_t *record_to_json(const struct record *r, struct arena *a)
{
	json_t *object = json_object(), *headers = json_array();
	const uint8_t *pos = NULL;
	struct record_header h;

	json_object_set_new(object, "offset", json_integer(r->offset));
	json_object_set_new(object, "timestamp", json_integer(r->timestamp));
	set_bytes(object, "key", r->key.data, r->key.len, a);
	set_bytes(object, "value", r->value.data, r->value.len, a);
	while (record_header_next(r, &pos, &h)) {
		json_t *header = json_object();

		set_bytes(header, "key", h.key.data, h.key.len, a);
		set_bytes(header, "value", h.value.data, h.value.len, a);
		json_array_append_new(headers, header);
	}
	json_object_set_new(object, "headers", headers);
	return object;
}

static void batch_records(json_t *object, const struct batch *b, struct compressor *c)
{
	json_t *array = json_array();
	struct record_iter it;
	struct record r;
	struct arena a;
	int rc;

	arena_init(&a);
	rc = record_iter_init(&it, b, c, 0);
	while (rc >= 0) {
		rc = record_next(&it, &r);
		if (rc <= 0)
			break;
		json_array_append_new(array, record_to_json(&r, &a));
		arena_reset(&a);
	}
	json_object_set_new(object, "records", array);
	if (rc < 0)
		json_object_set_new(object, "error", json_string(err_text(rc)));
	arena_fini(&a);
}

static json_t *batch_to_json(const struct batch *b, struct compressor *c)
{
	const char *codec = compression_name(batch_codec(b));
	json_t *object = json_object();

	json_object_set_new(object, "baseOffset", json_integer(b->base_offset));
	json_object_set_new(object, "partitionLeaderEpoch",
			    json_integer(b->partition_leader_epoch));
	json_object_set_new(object, "compression", json_string(codec ? codec : "unknown"));
	json_object_set_new(
		object, "timestampType",
		json_string(batch_is_log_append_time(b) ? "LogAppendTime" : "CreateTime"));
	json_object_set_new(object, "isTransactional", json_boolean(batch_is_transactional(b)));
	json_object_set_new(object, "isControl", json_boolean(batch_is_control(b)));
	json_object_set_new(object, "producerId", json_integer(b->producer_id));
	json_object_set_new(object, "producerEpoch", json_integer(b->producer_epoch));
	json_object_set_new(object, "baseSequence", json_integer(b->base_sequence));
	if (!batch_crc_ok(b))
		json_object_set_new(object, "crcIsWrong", json_true());
	batch_records(object, b, c);
	return object;
}

json_t *records_to_json(struct slice records)
{
	const uint8_t *data = records.data;
	struct compressor *c = compressor_new();
	json_t *array = json_array(), *object;
	size_t left = records.len;
	struct batch b;
	int rc;

	while ((rc = batch_next(&b, &data, &left)) > 0)
		json_array_append_new(array, batch_to_json(&b, c));
	if (rc < 0 || left > 0) {
		object = json_object();
		json_object_set_new(object, "error",
				    json_string(rc < 0 ? err_text(rc) : "ends inside a batch"));
		json_object_set_new(object, "sizeInBytes", json_integer((json_int_t)left));
		json_array_append_new(array, object);
	}
	compressor_free(c);
	return array;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* KEY of the object as bytes; null if it is absent. */
static int get_bytes(const json_t *object, const char *key, struct arena *a, struct slice *out,
		     struct err *err)
{
	const json_t *value = json_object_get(object, key);
	const char *encoding =
		json_string_value(json_object_get(object, arena_printf(a, "%sEncoding", key)));
	struct str text = {json_string_value(value), json_string_length(value)};

	*out = SLICE_NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!text.data)
		return err_set(err, E_INVALID, "a record's '%s' is neither text nor null", key);
	if (!encoding) {
		text = str_dup(a, text);
		*out = (struct slice){NULL, (const uint8_t *)text.data, text.len};
		return 0;
	}
	if (strcmp(encoding, "base64") != 0 || base64_decode(a, text, out) < 0)
		return err_set(err, E_INVALID, "a record's '%s' is not base64", key);
	return 0;
}

static int get_headers(const json_t *record, struct arena *a, struct record_header **out,
		       size_t *count, struct err *err)
{
	const json_t *array = json_object_get(record, "headers");
	struct slice key;
	int rc;

	*count = json_array_size(array);
	*out = *count ? arena_array(a, *count, sizeof(**out)) : NULL;
	for (size_t i = 0; i < *count; i++) {
		const json_t *header = json_array_get(array, i);

		rc = get_bytes(header, "key", a, &key, err);
		if (rc == 0)
			rc = get_bytes(header, "value", a, &(*out)[i].value, err);
		if (rc < 0)
			return rc;
		(*out)[i].key =
			key.data ? (struct str){(const char *)key.data, key.len} : STR_LIT("");
	}
	return 0;
}

static int add_record(struct batch_builder *bb, const json_t *json, struct arena *a,
		      struct err *err)
{
	static const char *const known[] = {
		"topic", "partition",   "offset", "timestamp",     "timestampType",
		"key",   "keyEncoding", "value",  "valueEncoding", "headers"};
	const json_t *timestamp = json_object_get(json, "timestamp");
	struct record_header *headers;
	struct slice key, value;
	size_t header_count;
	const char *name;
	json_t *member;
	int rc;

	if (!json_is_object(json))
		return err_set(err, E_INVALID, "a record is not an object");
	json_object_foreach((json_t *)(uintptr_t)json, name, member)
	{
		size_t i = 0;

		while (i < ARRAY_LEN(known) && strcmp(known[i], name) != 0)
			i++;
		if (i == ARRAY_LEN(known))
			return err_set(err, E_INVALID, "a record has no field '%.100s'", name);
	}
	rc = get_bytes(json, "key", a, &key, err);
	if (rc == 0)
		rc = get_bytes(json, "value", a, &value, err);
	if (rc == 0)
		rc = get_headers(json, a, &headers, &header_count, err);
	if (rc < 0)
		return rc;
	rc = batch_builder_add(bb, timestamp ? json_integer_value(timestamp) : 0, key, value,
			       headers, header_count);
	return rc < 0 ? err_set(err, E_INVALID, "the batch is too large") : 0;
}

static int64_t get_number(const json_t *object, const char *key, int64_t preset)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : preset;
}

/* One batch: `batch` has its options (NULL: none), `records` its records. */
static int add_batch(const json_t *batch, const json_t *records, struct compressor *c,
		     struct arena *a, struct out *out, struct err *err)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	const char *codec = json_string_value(json_object_get(batch, "compression"));
	struct batch_builder bb;
	struct slice bytes = SLICE_NULL;
	int rc = 0;

	options.base_offset = get_number(batch, "baseOffset", 0);
	options.partition_leader_epoch = (int32_t)get_number(batch, "partitionLeaderEpoch", -1);
	options.producer_id = get_number(batch, "producerId", NO_PRODUCER_ID);
	options.producer_epoch = (int16_t)get_number(batch, "producerEpoch", NO_PRODUCER_EPOCH);
	options.base_sequence = (int32_t)get_number(batch, "baseSequence", NO_SEQUENCE);
	options.is_transactional = json_is_true(json_object_get(batch, "isTransactional"));
	if (codec && compression_parse(str_of(codec), &options.codec) < 0)
		return err_set(err, E_INVALID, "there is no compression '%.50s'", codec);
	if (json_array_size(records) == 0)
		return err_set(err, E_INVALID, "a batch has no records");
	batch_builder_init(&bb, &options);
	for (size_t i = 0; rc == 0 && i < json_array_size(records); i++)
		rc = add_record(&bb, json_array_get(records, i), a, err);
	if (rc == 0) {
		rc = batch_builder_finish(&bb, c, &bytes);
		if (rc < 0)
			err_set(err, rc, "the batch: %s", err_text(rc));
	}
	if (rc == 0)
		out_bytes(out, bytes.data, bytes.len);
	slice_unref(&bytes);
	batch_builder_fini(&bb);
	return rc;
}

int records_from_json(const json_t *json, struct arena *arena, struct slice *out, struct err *err)
{
	struct compressor *c = compressor_new();
	size_t count = json_array_size(json);
	bool has_batches = json_object_get(json_array_get(json, 0), "records") != NULL;
	struct out bytes;
	int rc = 0;

	out_init(&bytes, MESSAGE_BYTES_MAX);
	if (count > 0 && !has_batches)
		rc = add_batch(NULL, json, c, arena, &bytes, err);
	for (size_t i = 0; rc == 0 && has_batches && i < count; i++) {
		const json_t *batch = json_array_get(json, i);

		rc = add_batch(batch, json_object_get(batch, "records"), c, arena, &bytes, err);
	}
	if (rc == 0 && bytes.failed)
		rc = err_set(err, E_INVALID, "the records are too large");
	if (rc == 0)
		*out = (struct slice){NULL,
				      bytes.len ? arena_memdup(arena, bytes.data, bytes.len)
						: (const uint8_t *)"",
				      bytes.len};
	out_fini(&bytes);
	compressor_free(c);
	return rc;
}
