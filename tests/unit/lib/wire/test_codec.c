/* If these fail, the codec writes what no version allows, or believes a hostile length. The bytes
 * of real messages are checked in tests/wire. */
#include "wire/api.h"
#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define OUT_MAX (1024 * 1024)

struct fixture {
	struct arena arena;
	struct out out;
	struct err err;
};

static int setup(void **state)
{
	static struct fixture f;

	arena_init(&f.arena);
	out_init(&f.out, OUT_MAX);
	f.err = (struct err){0};
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_fini(&f->arena);
	out_fini(&f->out);
	return 0;
}

static struct slice bytes_of(const void *data, size_t len)
{
	return (struct slice){NULL, data, len};
}
#define BYTES(...) bytes_of((uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void assert_out(const struct fixture *f, struct slice wanted)
{
	assert_int_equal(f->out.len, wanted.len);
	assert_memory_equal(f->out.data, wanted.data, wanted.len);
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;
	struct fetch_request *fetch = WIRE_NEW(&f->arena, fetch_request);
	struct metadata_request metadata;

	WIRE_INIT(metadata_request, &metadata);
	assert_true(metadata.allow_auto_topic_creation);
	assert_int_equal(metadata.topics_count, 0);
	assert_int_equal(fetch->replica_id, -1);
	assert_int_equal(fetch->max_bytes, 0x7fffffff);
	assert_null(fetch->cluster_id.data);
	assert_non_null(fetch->rack_id.data);
	assert_int_equal(fetch->replica_state.replica_epoch, -1);
	assert_true(wire_is_default(&fetch_request_struct, fetch));
	fetch->topics = WIRE_ARRAY(&f->arena, fetch_request_topic, 1);
	fetch->topics_count = 1;
	assert_false(wire_is_default(&fetch_request_struct, fetch));
}

static void test_null_in_wrong_version(void **state)
{
	struct fixture *f = *state;
	struct metadata_request *req = WIRE_NEW(&f->arena, metadata_request);

	req->topics_count = -1;
	assert_int_equal(message_encode(&metadata_request_desc, 1, req, &f->out, NULL, &f->err), 0);
	assert_out(f, BYTES(0xff, 0xff, 0xff, 0xff));
	assert_int_equal(message_encode(&metadata_request_desc, 0, req, &f->out, NULL, &f->err),
			 E_UNSUPPORTED);
	assert_string_equal(f->err.text,
			    "MetadataRequest v0: Topics: cannot be null in this version");
}

/* A zeroed struct is written as if it had empty strings, where null is never allowed. */
static void test_null_that_never_is(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_request req = {0};

	assert_int_equal(message_encode(&heartbeat_request_desc, 0, &req, &f->out, NULL, &f->err),
			 0);
	assert_out(f, BYTES(0, 0, 0, 0, 0, 0, 0, 0));
}

static void test_field_not_in_version(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_request *req = WIRE_NEW(&f->arena, heartbeat_request);
	struct find_coordinator_request *find = WIRE_NEW(&f->arena, find_coordinator_request);

	req->group_instance_id = STR_LIT("me");
	assert_int_equal(message_encode(&heartbeat_request_desc, 2, req, &f->out, NULL, &f->err),
			 E_UNSUPPORTED);
	assert_string_equal(f->err.text,
			    "HeartbeatRequest v2: GroupInstanceId: is not in this version");
	assert_int_equal(message_encode(&heartbeat_request_desc, 3, req, &f->out, NULL, &f->err),
			 0);
	find->key_type = 1;
	assert_int_equal(message_encode(&find_coordinator_request_desc, 0, find, &f->out, NULL,
					&f->err),
			 E_UNSUPPORTED);
}

static void test_ignorable_field_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_response res = {.throttle_time_ms = 9, .error_code = 27};

	assert_int_equal(message_encode(&heartbeat_response_desc, 0, &res, &f->out, NULL, &f->err),
			 0);
	assert_out(f, BYTES(0, 27));
}

static void test_unknown_version(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_request req = {0};

	assert_int_equal(message_encode(&heartbeat_request_desc, 5, &req, &f->out, NULL, &f->err),
			 E_UNSUPPORTED);
	assert_int_equal(message_decode(&heartbeat_request_desc, -1, BYTES(0), NULL, &f->arena,
					&req, &f->err),
			 E_UNSUPPORTED);
}

static void test_too_long(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_request req = {0};

	req.group_id = (struct str){arena_zalloc(&f->arena, 40000), 32768};
	assert_int_equal(message_encode(&heartbeat_request_desc, 0, &req, &f->out, NULL, &f->err),
			 E_INVALID);
	req.group_id.len = 32767;
	f->out.max = 30000;
	assert_int_equal(message_encode(&heartbeat_request_desc, 0, &req, &f->out, NULL, &f->err),
			 E_TOO_LARGE);
}

static void test_left_over_bytes(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_response res;
	size_t used;

	assert_int_equal(message_decode(&heartbeat_response_desc, 0, BYTES(0, 27, 9), NULL,
					&f->arena, &res, &f->err),
			 E_MALFORMED);
	assert_int_equal(message_decode(&heartbeat_response_desc, 0, BYTES(0, 27, 9), &used,
					&f->arena, &res, &f->err),
			 0);
	assert_int_equal(used, 2);
	assert_int_equal(res.error_code, 27);
	assert_int_equal(res.throttle_time_ms, 0);
}

/* Tags: 7 unknown (skipped), then 0, 1 known; then the same with a lying size. */
static void test_tagged_fields(void **state)
{
	struct fixture *f = *state;
	struct transaction_log_value value;
	uint8_t bytes[] = {
		0, 0, 0, 0, 0, 0, 0, 1,			/* producer id */
		0, 2,					/* producer epoch */
		0, 0, 0, 3,				/* timeout */
		0,					/* status */
		0,					/* partitions: null */
		0, 0, 0, 0, 0, 0, 0, 4,			/* last update */
		0, 0, 0, 0, 0, 0, 0, 5,			/* start */
		3, 7, 3, 1, 2, 3,			/* 3 tags, unknown 7 of 3 bytes */
		0, 8, 0, 0, 0, 0, 0, 0, 0, 9,		/* tag 0: previous producer id */
		3, 2, 0, 6,				/* tag 3: next producer epoch */
	};
	size_t size_at = sizeof(bytes) - 3;

	assert_int_equal(message_decode(&transaction_log_value_desc, 1,
					bytes_of(bytes, sizeof(bytes)), NULL, &f->arena, &value,
					&f->err),
			 0);
	assert_int_equal(value.previous_producer_id, 9);
	assert_int_equal(value.next_producer_epoch, 6);
	assert_int_equal(value.next_producer_id, -1);
	assert_int_equal(value.transaction_partitions_count, -1);
	assert_int_equal(
		message_encode(&transaction_log_value_desc, 1, &value, &f->out, NULL, &f->err), 0);
	assert_int_equal(f->out.len, sizeof(bytes) - 5);
	bytes[size_at] = 3;
	assert_int_equal(message_decode(&transaction_log_value_desc, 1,
					bytes_of(bytes, sizeof(bytes)), NULL, &f->arena, &value,
					&f->err),
			 E_SHORT);
	bytes[size_at] = 1;
	assert_int_equal(message_decode(&transaction_log_value_desc, 1,
					bytes_of(bytes, sizeof(bytes)), NULL, &f->arena, &value,
					&f->err),
			 E_SHORT);
	bytes[size_at] = 2;
	bytes[sizeof(bytes) - 4] = 2;
	assert_int_equal(message_decode(&transaction_log_value_desc, 1,
					bytes_of(bytes, sizeof(bytes)), NULL, &f->arena, &value,
					&f->err),
			 0);
	bytes[sizeof(bytes) - 4] = 0;
	assert_int_equal(message_decode(&transaction_log_value_desc, 1,
					bytes_of(bytes, sizeof(bytes)), NULL, &f->arena, &value,
					&f->err),
			 E_SHORT);
}

/* A tag that came in version 10 is as good as unknown in version 9. */
static void test_tag_of_later_version(void **state)
{
	struct fixture *f = *state;
	struct produce_response res;

	assert_int_equal(message_decode(&produce_response_desc, 9,
					BYTES(1, 0, 0, 0, 0, 1, 0, 1, 1), NULL, &f->arena, &res,
					&f->err),
			 0);
	assert_int_equal(res.node_endpoints_count, 0);
}

static void test_hostile_counts(void **state)
{
	struct fixture *f = *state;
	struct metadata_request req;
	size_t before = f->arena.total_bytes;

	/* A count of 2^31 - 1, then one that is more than the bytes left. */
	assert_int_equal(message_decode(&metadata_request_desc, 1,
					BYTES(0x7f, 0xff, 0xff, 0xff, 0, 0), NULL, &f->arena, &req,
					&f->err),
			 E_SHORT);
	assert_string_equal(f->err.text, "MetadataRequest v1: Topics at byte 4: ends too early");
	assert_int_equal(message_decode(&metadata_request_desc, 12,
					BYTES(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0), NULL, &f->arena,
					&req, &f->err),
			 E_MALFORMED);
	assert_int_equal(message_decode(&metadata_request_desc, 12,
					BYTES(9, 0, 0, 0, 0, 0, 0, 0, 0), NULL, &f->arena, &req,
					&f->err),
			 E_SHORT);
	/* A length varint of six bytes. */
	assert_int_equal(message_decode(&metadata_request_desc, 12,
					BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 1), NULL, &f->arena,
					&req, &f->err),
			 E_MALFORMED);
	assert_int_equal(f->arena.total_bytes, before);
}

/* One tagged array, sent again and again: whoever does that gets no more memory than others. */
static void test_memory_is_bounded(void **state)
{
	struct fixture *f = *state;
	enum { REPEATS = 200000, FEATURE_BYTES = 9 };
	/* Tag 0, 7 bytes: one feature without name. */
	static const uint8_t feature[FEATURE_BYTES] = {0, 7, 2, 1, 0, 0, 0, 1, 0};
	/* No error, no APIs, no throttling, REPEATS tags. */
	static const uint8_t head[] = {0, 0, 1, 0, 0, 0, 0, 0xc0, 0x9a, 0x0c};
	struct api_versions_response res;
	size_t before;

	out_init(&f->out, 4 * OUT_MAX);
	out_bytes(&f->out, head, sizeof(head));
	for (int i = 0; i < REPEATS; i++)
		out_bytes(&f->out, feature, sizeof(feature));
	before = f->arena.total_bytes;
	assert_int_equal(message_decode(&api_versions_response_desc, 3,
					bytes_of(f->out.data, f->out.len), NULL, &f->arena, &res,
					&f->err),
			 0);
	assert_int_equal(res.supported_features_count, 1);
	assert_true(f->arena.total_bytes - before <= DECODE_BYTES_MAX(f->out.len));
}

static void test_zero_copy(void **state)
{
	struct fixture *f = *state;
	struct produce_request *req = WIRE_NEW(&f->arena, produce_request), *got;
	struct buf *frame;
	struct slice records, kept;

	req->topic_data = WIRE_ARRAY(&f->arena, produce_request_topic_produce_data, 1);
	req->topic_data_count = 1;
	req->topic_data[0].partition_data =
		WIRE_ARRAY(&f->arena, produce_request_partition_produce_data, 1);
	req->topic_data[0].partition_data_count = 1;
	req->topic_data[0].partition_data[0].records = bytes_of("batch", 5);
	assert_int_equal(message_encode(&produce_request_desc, 13, req, &f->out, NULL, &f->err), 0);
	frame = out_to_buf(&f->out);
	got = message_new(&produce_request_desc, &f->arena);
	assert_int_equal(message_decode(&produce_request_desc, 13,
					(struct slice){frame, frame->data, frame->size}, NULL,
					&f->arena, got, &f->err),
			 0);
	records = got->topic_data[0].partition_data[0].records;
	assert_ptr_equal(records.buf, frame);
	assert_in_range((uintptr_t)records.data, (uintptr_t)frame->data,
			(uintptr_t)(frame->data + frame->size - 5));
	kept = slice_ref(records);
	buf_unref(frame);
	assert_memory_equal(kept.data, "batch", 5);
	slice_unref(&kept);
}

/* Records that are not memory travel beside the bytes. */
static void test_parts(void **state)
{
	struct fixture *f = *state;
	struct wire_parts parts = {.arena = &f->arena};
	struct fetch_snapshot_response *res = WIRE_NEW(&f->arena, fetch_snapshot_response);
	struct fetch_snapshot_response_topic_snapshot *topic;
	static const char not_memory;
	size_t size;

	topic = WIRE_ARRAY(&f->arena, fetch_snapshot_response_topic_snapshot, 1);
	topic->partitions = WIRE_ARRAY(&f->arena, fetch_snapshot_response_partition_snapshot, 20);
	topic->partitions_count = 20;
	res->topics = topic;
	res->topics_count = 1;
	for (int i = 0; i < 20; i++)
		topic->partitions[i].unaligned_records = bytes_of(&not_memory, 1000 + (size_t)i);
	topic->partitions[3].unaligned_records = bytes_of("", 0);
	assert_int_equal(message_encode(&fetch_snapshot_response_desc, 0, res, &f->out, &parts,
					&f->err),
			 0);
	assert_int_equal(parts.count, 19);
	assert_int_equal(parts.items[3].records.len, 1004);
	assert_int_equal(parts.bytes, 19 * 1000 + 190 - 3);
	assert_int_equal(message_size(&fetch_snapshot_response_desc, 0, res, &size, &f->err), 0);
	assert_int_equal(size, f->out.len + parts.bytes);
	for (size_t i = 1; i < parts.count; i++)
		assert_true(parts.items[i - 1].pos < parts.items[i].pos);
	assert_true(parts.items[18].pos < f->out.len);
}

static void test_equality(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_request a, b;

	(void)f;
	WIRE_INIT(heartbeat_request, &a);
	b = a;
	assert_true(message_equal(&heartbeat_request_desc, -1, &a, &b));
	b.group_instance_id = STR_LIT("");
	assert_false(message_equal(&heartbeat_request_desc, -1, &a, &b));
	assert_true(message_equal(&heartbeat_request_desc, 2, &a, &b));
	b = a;
	b.group_id = STR_NULL;
	assert_true(message_equal(&heartbeat_request_desc, -1, &a, &b));
	b.group_id = STR_LIT("g");
	assert_false(message_equal(&heartbeat_request_desc, 0, &a, &b));
}

/* In these records "no value given" is the default struct, so null has to be written. */
static void test_null_struct_with_struct_default(void **state)
{
	struct fixture *f = *state;
	struct consumer_group_member_metadata_value *value, got;
	const struct message_desc *m = &consumer_group_member_metadata_value_desc;
	size_t with_null;

	value = WIRE_NEW(&f->arena, consumer_group_member_metadata_value);
	assert_null(value->classic_member_metadata);
	assert_int_equal(message_encode(m, 0, value, &f->out, NULL, &f->err), 0);
	with_null = f->out.len;
	assert_int_equal(message_decode(m, 0, bytes_of(f->out.data, f->out.len), NULL, &f->arena,
					&got, &f->err),
			 0);
	assert_null(got.classic_member_metadata);
	out_reset(&f->out);
	value->classic_member_metadata =
		WIRE_NEW(&f->arena, consumer_group_member_metadata_value_classic_member_metadata);
	assert_int_equal(message_encode(m, 0, value, &f->out, NULL, &f->err), 0);
	assert_true(f->out.len < with_null);
	assert_int_equal(message_decode(m, 0, bytes_of(f->out.data, f->out.len), NULL, &f->arena,
					&got, &f->err),
			 0);
	assert_non_null(got.classic_member_metadata);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_null_in_wrong_version),
		TEST(test_null_that_never_is),
		TEST(test_field_not_in_version),
		TEST(test_ignorable_field_is_dropped),
		TEST(test_unknown_version),
		TEST(test_too_long),
		TEST(test_left_over_bytes),
		TEST(test_tagged_fields),
		TEST(test_tag_of_later_version),
		TEST(test_hostile_counts),
		TEST(test_memory_is_bounded),
		TEST(test_zero_copy),
		TEST(test_parts),
		TEST(test_equality),
		TEST(test_null_struct_with_struct_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
