/* If these fail, the metadata log or the coordinators' topics cannot be shared with Kafka. */
#include "wire/record_frame.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
	struct arena arena;
	struct out out;
	struct err err;
};

static int setup(void **state)
{
	static struct fixture f;

	arena_init(&f.arena);
	out_init(&f.out, 1 << 20);
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

static struct slice written(const struct fixture *f)
{
	return (struct slice){NULL, f->out.data, f->out.len};
}

static void test_metadata_record(void **state)
{
	struct fixture *f = *state;
	struct feature_level_record level, *got;
	static const uint8_t bytes[] = {1, 12, 0, 2, 'f', 0, 7, 0};
	const struct record_type *type;
	int16_t version;
	void *record;

	WIRE_INIT(feature_level_record, &level);
	level.name = STR_LIT("f");
	level.feature_level = 7;
	assert_int_equal(metadata_record_encode(&feature_level_record_desc, 0, &level, &f->out,
						&f->err),
			 0);
	assert_int_equal(f->out.len, sizeof(bytes));
	assert_memory_equal(f->out.data, bytes, sizeof(bytes));
	assert_int_equal(metadata_record_decode(RECORDS_METADATA, written(f), &f->arena, &type,
						&version, &record, &f->err),
			 0);
	got = record;
	assert_int_equal(type->type, FEATURE_LEVEL_RECORD);
	assert_string_equal(type->constant, "FEATURE_LEVEL_RECORD");
	assert_int_equal(version, 0);
	assert_int_equal(got->feature_level, 7);
	for (size_t len = 0; len < sizeof(bytes); len++) {
		assert_int_equal(metadata_record_decode(RECORDS_METADATA,
							(struct slice){NULL, bytes, len}, &f->arena,
							&type, &version, &record, &f->err),
				 E_SHORT);
	}
}

static void test_refused_metadata(void **state)
{
	static const struct {
		uint8_t bytes[9];
		size_t len;
		int rc;
	} rows[] = {
		{{0, 12, 0, 2, 'f', 0, 7, 0}, 8, E_UNSUPPORTED},	/* frame version */
		{{2, 12, 0, 2, 'f', 0, 7, 0}, 8, E_UNSUPPORTED},
		{{1, 6, 0, 2, 'f', 0, 7, 0}, 8, E_UNSUPPORTED},	/* type */
		{{1, 12, 9, 2, 'f', 0, 7, 0}, 8, E_UNSUPPORTED},	/* version */
		{{1, 12, 0, 2, 'f', 0, 7, 0, 0}, 9, E_MALFORMED},	/* left over */
		{{1, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 7, E_MALFORMED},
		{{1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}, 7, E_UNSUPPORTED},
	};
	struct fixture *f = *state;
	const struct record_type *type;
	int16_t version;
	void *record;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice bytes = {NULL, rows[i].bytes, rows[i].len};

		assert_int_equal(metadata_record_decode(RECORDS_METADATA, bytes, &f->arena, &type,
							&version, &record, &f->err),
				 rows[i].rc);
	}
}

static void test_coordinator_record(void **state)
{
	struct fixture *f = *state;
	struct offset_commit_key key = {STR_LIT("g"), STR_LIT("t"), 3}, *got;
	static const uint8_t bytes[] = {0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3};
	static const uint8_t unknown[] = {0, 99, 0, 1, 'g'};
	struct offset_commit_value *value = WIRE_NEW(&f->arena, offset_commit_value), *value_got;
	const struct record_type *type;
	int16_t version;
	void *decoded;

	assert_int_equal(coordinator_key_encode(&offset_commit_key_desc, &key, &f->out, &f->err),
			 0);
	assert_int_equal(f->out.len, sizeof(bytes));
	assert_memory_equal(f->out.data, bytes, sizeof(bytes));
	assert_int_equal(coordinator_key_decode(RECORDS_GROUP, written(f), &f->arena, &type,
						&decoded, &f->err),
			 0);
	got = decoded;
	assert_string_equal(type->constant, "OFFSET_COMMIT");
	assert_int_equal(got->partition, 3);
	assert_int_equal(coordinator_key_decode(RECORDS_GROUP,
						(struct slice){NULL, unknown, sizeof(unknown)},
						&f->arena, &type, &decoded, &f->err),
			 E_UNSUPPORTED);
	out_reset(&f->out);
	value->offset = 77;
	assert_int_equal(versioned_encode(&offset_commit_value_desc, 3, value, &f->out, &f->err),
			 0);
	type = record_type_by_number(RECORDS_GROUP, 1);
	assert_int_equal(versioned_decode(type->value, written(f), &f->arena, &version, &decoded,
					  &f->err),
			 0);
	value_got = decoded;
	assert_int_equal(version, 3);
	assert_int_equal(value_got->offset, 77);
	f->out.data[1] = 9;
	assert_int_equal(versioned_decode(type->value, written(f), &f->arena, &version, &decoded,
					  &f->err),
			 E_UNSUPPORTED);
}

/* Members of a group may be newer than we are; what we know of their metadata is enough. */
static void test_lenient(void **state)
{
	struct fixture *f = *state;
	static const uint8_t newer[] = {0, 99, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff,
					0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 1, 2, 3};
	struct slice bytes = {NULL, newer, sizeof(newer)};
	struct consumer_protocol_subscription *got;
	int16_t version;
	void *msg;

	assert_int_equal(versioned_decode_lenient(&consumer_protocol_subscription_desc, bytes,
						  &f->arena, &version, &msg, &f->err),
			 0);
	got = msg;
	assert_int_equal(version, 99);
	assert_int_equal(got->topics_count, 1);
	assert_true(str_is(got->topics[0], "t"));
	assert_int_equal(got->generation_id, 5);
	assert_null(got->rack_id.data);
	assert_int_equal(versioned_decode(&consumer_protocol_subscription_desc, bytes, &f->arena,
					  &version, &msg, &f->err),
			 E_UNSUPPORTED);
	bytes.len = 1;
	assert_int_equal(versioned_decode_lenient(&consumer_protocol_subscription_desc, bytes,
						  &f->arena, &version, &msg, &f->err),
			 E_SHORT);
}

static void test_types(void **state)
{
	size_t counts[RECORDS_SHARE + 1] = {0};

	(void)state;
	for (size_t i = 0; i < wire_record_type_count; i++) {
		const struct record_type *t = &wire_record_types[i];

		assert_ptr_equal(record_type_by_number(t->family, t->type), t);
		assert_ptr_equal(record_type_by_constant(t->family, str_of(t->constant)), t);
		assert_int_equal(t->value->key, t->type);
		counts[t->family]++;
	}
	assert_int_equal(counts[RECORDS_METADATA], 27);
	assert_int_equal(counts[RECORDS_STORAGE], 4);
	assert_int_equal(counts[RECORDS_GROUP], 22);
	assert_int_equal(counts[RECORDS_TXN], 1);
	assert_int_equal(counts[RECORDS_SHARE], 2);
	assert_null(record_type_by_number(RECORDS_METADATA, 6));
	assert_null(record_type_by_constant(RECORDS_METADATA, STR_LIT("OFFSET_COMMIT")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_metadata_record),
		TEST(test_refused_metadata),
		TEST(test_coordinator_record),
		TEST(test_lenient),
		TEST(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
