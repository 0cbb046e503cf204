/* Frames and records from anyone: whatever decodes must be writable again and then be the same
 * message; whatever does not must be an error.
 *
 * The first byte chooses how the rest is read: as a request, as a response (API and version in the
 * next two bytes), as a metadata record, as a coordinator's key, or as any message. */
#include "base/limits.h"
#include "base/mem.h"
#include "wire/api.h"
#include "wire/explain.h"
#include "wire/header.h"
#include "wire/json.h"
#include "wire/record_frame.h"

enum mode { MODE_REQUEST, MODE_RESPONSE, MODE_METADATA, MODE_KEY, MODE_MESSAGE, MODE_COUNT };

#define JSON_INPUT_MAX 512 /* JSON is slow and knows no secrets */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const struct message_desc *m, int16_t version, const void *msg,
			  struct arena *arena, bool with_json)
{
	struct out out;
	void *again = arena_alloc(arena, m->body->size);
	size_t len;

	out_init(&out, MESSAGE_BYTES_MAX);
	assert(message_encode(m, version, msg, &out, NULL, NULL) == 0);
	assert(message_size(m, version, msg, &len, NULL) == 0);
	assert(len == out.len);
	assert(message_decode(m, version, (struct slice){NULL, out.data, out.len}, NULL, arena,
			      again, NULL) == 0);
	assert(message_equal(m, version, msg, again));
	assert(message_equal(m, -1, msg, message_copy(m, arena, msg)));
	if (with_json) {
		json_t *json = message_to_json(m, version, msg, WIRE_JSON_RECORDS, NULL);

		assert(json);
		json_decref(json);
	}
	out_fini(&out);
}

/* Lines of a dump follow each other and stay inside of the bytes. */
static void check_line(void *ctx, const struct explain_line *line)
{
	size_t *next = ctx;

	if (line->pos == EXPLAIN_NO_POS)
		return;
	assert(line->pos == *next);
	*next += line->len;
}

/* A walk item by item gives what decoding gives. */
static void check_walk(const struct message_desc *m, int16_t version, struct slice bytes,
		       bool is_good)
{
	size_t next = 0, used;
	int rc;

	if (!message_has_version(m, version))
		return;
	rc = explain_message(m, version, bytes, 0, check_line, &next, &used, NULL);
	assert(next <= bytes.len);
	if (is_good)
		assert(rc == 0 && next == used);
}

static void read_request(struct slice bytes, struct arena *arena)
{
	struct request_header header;
	const struct api *api;
	size_t used;
	void *body;
	struct err err;

	if (request_header_decode(bytes, &header, &api, &used, &err) == 0)
		check_walk(api->request, header.request_api_version,
			   (struct slice){NULL, bytes.data + used, bytes.len - used},
			   request_decode(bytes, arena, &header, &api, &body, &err) == 0);
	if (request_decode(bytes, arena, &header, &api, &body, &err) == 0)
		check_message(api->request, header.request_api_version, body, arena,
			      bytes.len < JSON_INPUT_MAX);
}

static void read_response(struct slice bytes, struct arena *arena)
{
	const struct api *api;
	int16_t version;
	int32_t id;
	void *body;
	struct err err;

	if (bytes.len < 2)
		return;
	api = &wire_apis[bytes.data[0] % wire_api_count];
	version = (int16_t)(api->min_version +
			    bytes.data[1] % (api->max_version - api->min_version + 1));
	bytes.data += 2;
	bytes.len -= 2;
	check_walk(api->response, version, bytes, false);
	if (response_decode(api, &version, bytes, arena, &id, &body, &err) == 0)
		check_message(api->response, version, body, arena, bytes.len < JSON_INPUT_MAX);
}

static void read_metadata(struct slice bytes, struct arena *arena)
{
	const struct record_type *type;
	int16_t version;
	void *record;

	if (metadata_record_decode(RECORDS_METADATA, bytes, arena, &type, &version, &record,
				   NULL) == 0)
		check_message(type->value, version, record, arena, bytes.len < JSON_INPUT_MAX);
}

static void read_key(struct slice bytes, struct arena *arena)
{
	const struct record_type *type;
	void *key;

	if (coordinator_key_decode(RECORDS_GROUP, bytes, arena, &type, &key, NULL) == 0)
		check_message(type->key, 0, key, arena, bytes.len < JSON_INPUT_MAX);
}

static void read_message(struct slice bytes, struct arena *arena)
{
	const struct message_desc *m;
	int16_t version;
	void *msg;
	size_t used;
	struct err err;

	if (bytes.len < 3)
		return;
	m = wire_messages[be16(bytes.data) % wire_message_count];
	version = (int16_t)(m->min_version + bytes.data[2] % (m->max_version - m->min_version + 1));
	bytes.data += 3;
	bytes.len -= 3;
	msg = arena_alloc(arena, m->body->size);
	if (message_decode(m, version, bytes, &used, arena, msg, &err) == 0)
		check_message(m, version, msg, arena, bytes.len < JSON_INPUT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[MODE_COUNT])(struct slice, struct arena *) = {
		[MODE_REQUEST] = read_request,   [MODE_RESPONSE] = read_response,
		[MODE_METADATA] = read_metadata, [MODE_KEY] = read_key,
		[MODE_MESSAGE] = read_message,
	};
	struct arena arena;

	if (size < 1)
		return 0;
	arena_init(&arena);
	readers[data[0] % MODE_COUNT]((struct slice){NULL, data + 1, size - 1}, &arena);
	arena_fini(&arena);
	return 0;
}
