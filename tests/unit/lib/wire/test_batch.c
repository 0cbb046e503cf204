/* If these fail, the batches that we write are not Kafka's, or foreign ones are misread. */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/batch.h"
#include "wire/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BYTES(text) ((struct slice){.data = (const uint8_t *)(text), .len = sizeof(text) - 1})

/* One record "key" -> "value" at 1000 ms, as Apache's producer writes it. */
static const uint8_t golden[] = {
	0, 0, 0, 0, 0, 0, 0, 0,			/* base offset */
	0, 0, 0, 64,				/* length */
	0xff, 0xff, 0xff, 0xff,			/* leader epoch */
	2,
	0, 0, 0, 0,				/* crc, filled in by the test */
	0, 0,
	0, 0, 0, 0,				/* last offset delta */
	0, 0, 0, 0, 0, 0, 0x03, 0xe8,		/* timestamps */
	0, 0, 0, 0, 0, 0, 0x03, 0xe8,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff,
	0xff, 0xff, 0xff, 0xff,
	0, 0, 0, 1,
	28, 0, 0, 0, 6, 'k', 'e', 'y', 10, 'v', 'a', 'l', 'u', 'e', 0,
};

static void test_golden_bytes(void **state UNUSED)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	uint8_t expected[sizeof(golden)];
	struct batch_builder bb;
	struct slice out;

	memcpy(expected, golden, sizeof(golden));
	put_be32(expected + 17, crc32c(expected + 21, sizeof(golden) - 21));
	batch_builder_init(&bb, &options);
	assert_int_equal(batch_builder_add(&bb, 1000, BYTES("key"), BYTES("value"), NULL, 0), 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &out), 0);
	assert_int_equal(out.len, sizeof(expected));
	assert_memory_equal(out.data, expected, sizeof(expected));
	slice_unref(&out);
	batch_builder_fini(&bb);
}

/* A batch of `count` records with keys, nulls, headers and odd timestamps. */
static struct slice build(struct compressor *c, enum compression codec, int count)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct record_header headers[2] = {
		{STR_LIT("trace"), BYTES("abc")},
		{STR_LIT(""), SLICE_NULL},
	};
	struct batch_builder bb;
	struct slice out;

	options.codec = codec;
	options.producer_id = 77;
	options.producer_epoch = 3;
	options.base_sequence = INT32_MAX;
	batch_builder_init(&bb, &options);
	for (int i = 0; i < count; i++) {
		char text[32];
		struct slice value = {.data = (const uint8_t *)text};

		value.len = (size_t)snprintf(text, sizeof(text), "value %d", i);
		assert_int_equal(batch_builder_add(&bb, 5000 - i * 100,
						   i % 3 ? value : SLICE_NULL,
						   i % 5 ? value : SLICE_NULL, headers,
						   (size_t)i % 3), 0);
	}
	assert_int_equal(batch_builder_finish(&bb, c, &out), 0);
	batch_builder_fini(&bb);
	return out;
}

static void check_records(const struct batch *b, struct compressor *c, int count)
{
	struct record_iter it;
	struct record r;
	int i = 0;

	assert_int_equal(record_iter_init(&it, b, c, 0), 0);
	while (record_next(&it, &r) > 0) {
		struct record_header header;
		const uint8_t *pos = NULL;
		unsigned headers = 0;
		char text[32];

		snprintf(text, sizeof(text), "value %d", i);
		assert_int_equal(r.offset, b->base_offset + i);
		if (!batch_is_log_append_time(b))
			assert_int_equal(r.timestamp, 5000 - i * 100);
		assert_true(i % 3 ? r.key.len == strlen(text) : !r.key.data);
		assert_true(i % 5 ? r.value.len == strlen(text) : !r.value.data);
		if (r.value.data)
			assert_memory_equal(r.value.data, text, r.value.len);
		while (record_header_next(&r, &pos, &header)) {
			if (headers == 0)
				assert_true(str_is(header.key, "trace"));
			else
				assert_true(header.key.len == 0 && !header.value.data);
			headers++;
		}
		assert_int_equal(headers, i % 3);
		i++;
	}
	assert_int_equal(i, count);
	assert_int_equal(record_next(&it, &r), 0);
}

static void test_round_trip_all_codecs(void **state UNUSED)
{
	struct compressor *c = compressor_new();

	for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
		struct slice bytes = build(c, (enum compression)codec, 500);
		struct batch b;

		assert_int_equal(batch_parse(&b, bytes.data, bytes.len), 0);
		assert_true(batch_crc_ok(&b));
		assert_int_equal(batch_check(&b), 0);
		assert_int_equal(batch_codec(&b), codec);
		assert_int_equal(b.record_count, 500);
		assert_int_equal(batch_last_offset(&b), 499);
		assert_int_equal(b.max_timestamp, 5000);
		assert_int_equal(b.base_timestamp, 5000);
		assert_int_equal(batch_last_sequence(&b), 498);	/* wrapped */
		check_records(&b, c, 500);
		slice_unref(&bytes);
	}
	compressor_free(c);
}

static void test_cut_and_damaged(void **state UNUSED)
{
	struct slice bytes = build(NULL, COMPRESSION_NONE, 4);
	struct batch b;

	for (size_t len = 0; len < bytes.len; len++) {
		uint8_t *cut = xmemdup(bytes.data, len);

		assert_int_equal(batch_parse(&b, cut, len), E_SHORT);
		assert_int_equal(b.size_bytes, len < 12 ? 0 : bytes.len);
		free(cut);
	}
	for (size_t i = 21; i < bytes.len; i++) {
		uint8_t *copy = xmemdup(bytes.data, bytes.len);
		struct record_iter it;
		struct record r;

		copy[i] ^= 0x55;
		assert_int_equal(batch_parse(&b, copy, bytes.len), 0);
		assert_false(batch_crc_ok(&b));
		b.record_count = MIN(b.record_count, 100);
		if (batch_codec(&b) == 0 && record_iter_init(&it, &b, NULL, 0) == 0)
			while (record_next(&it, &r) > 0)	/* must only stay inside */
				;
		free(copy);
	}
	slice_unref(&bytes);
}

static void test_header_lies(void **state UNUSED)
{
	struct slice bytes = build(NULL, COMPRESSION_NONE, 4);
	uint8_t *copy = xmemdup(bytes.data, bytes.len);
	struct record_iter it;
	struct record r;
	struct batch b;
	int rc;

	put_be32(copy + 8, 13);
	assert_int_equal(batch_parse(&b, copy, bytes.len), E_CORRUPT);
	put_be32(copy + 8, 48);
	assert_int_equal(batch_parse(&b, copy, bytes.len), E_CORRUPT);
	put_be32(copy + 8, 0x80000000);
	assert_int_equal(batch_parse(&b, copy, bytes.len), E_CORRUPT);
	put_be32(copy + 8, (uint32_t)bytes.len - 12);
	copy[16] = 1;
	assert_int_equal(batch_parse(&b, copy, bytes.len), E_UNSUPPORTED);
	assert_int_equal(b.size_bytes, bytes.len);
	copy[16] = 3;
	assert_int_equal(batch_parse(&b, copy, bytes.len), E_CORRUPT);
	copy[16] = 2;
	/* One record fewer, or more, than there are. */
	for (uint32_t count = 3; count <= 5; count += 2) {
		put_be32(copy + 57, count);
		put_be32(copy + 23, count - 1);
		assert_int_equal(batch_parse(&b, copy, bytes.len), 0);
		assert_int_equal(record_iter_init(&it, &b, NULL, 0), 0);
		do {
			rc = record_next(&it, &r);
		} while (rc > 0);
		assert_int_equal(rc, E_MALFORMED);
	}
	put_be32(copy + 57, 1000000);
	assert_int_equal(batch_parse(&b, copy, bytes.len), 0);
	assert_int_equal(batch_check(&b), E_MALFORMED);
	free(copy);
	slice_unref(&bytes);
}

static void test_in_place(void **state UNUSED)
{
	struct slice bytes = build(NULL, COMPRESSION_NONE, 10);
	uint8_t *data = xmemdup(bytes.data, bytes.len);
	struct batch b;

	batch_set_base_offset(data, 1234567890123);
	batch_set_leader_epoch(data, 9);
	assert_int_equal(batch_parse(&b, data, bytes.len), 0);
	assert_true(batch_crc_ok(&b));	/* both are outside */
	assert_int_equal(b.partition_leader_epoch, 9);
	check_records(&b, NULL, 10);
	batch_set_max_timestamp(data, 9999, true);
	assert_int_equal(batch_parse(&b, data, bytes.len), 0);
	assert_true(batch_crc_ok(&b) && batch_is_log_append_time(&b));
	assert_int_equal(b.max_timestamp, 9999);
	batch_set_producer(data, 5, 6, 7, true);
	assert_int_equal(batch_parse(&b, data, bytes.len), 0);
	assert_true(batch_crc_ok(&b) && batch_is_transactional(&b));
	assert_int_equal(b.producer_id, 5);
	assert_int_equal(b.producer_epoch, 6);
	assert_int_equal(b.base_sequence, 7);
	free(data);
	slice_unref(&bytes);
}

static void test_walk_with_partial_tail(void **state UNUSED)
{
	struct slice one = build(NULL, COMPRESSION_NONE, 3);
	uint8_t *set = xmalloc(one.len * 3);
	const uint8_t *at;
	size_t len;
	struct batch b;
	int count = 0;

	for (int i = 0; i < 3; i++)
		memcpy(set + (size_t)i * one.len, one.data, one.len);
	at = set;
	len = one.len * 3 - 1;
	while (batch_next(&b, &at, &len) > 0)
		count++;
	assert_int_equal(count, 2);
	assert_int_equal(len, one.len - 1);
	free(set);
	slice_unref(&one);
}

static void test_recompress(void **state UNUSED)
{
	struct compressor *c = compressor_new();
	struct slice bytes = build(c, COMPRESSION_GZIP, 300);

	for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
		struct slice again;
		struct batch b, before;

		assert_int_equal(batch_parse(&before, bytes.data, bytes.len), 0);
		assert_int_equal(batch_recompress(&before, (enum compression)codec,
						  COMPRESSION_LEVEL_DEFAULT, c,
						  BATCH_DECOMPRESSED_BYTES_MAX, &again), 0);
		assert_int_equal(batch_parse(&b, again.data, again.len), 0);
		assert_true(batch_crc_ok(&b));
		assert_int_equal(batch_codec(&b), codec);
		assert_int_equal(b.producer_id, 77);
		assert_int_equal(b.producer_epoch, 3);
		assert_int_equal(b.base_sequence, INT32_MAX);
		check_records(&b, c, 300);
		slice_unref(&again);
	}
	slice_unref(&bytes);
	compressor_free(c);
}

static void test_builder_bounds(void **state UNUSED)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	uint8_t value[100] = {0};
	struct slice v = {.data = value, .len = sizeof(value)};
	struct batch_builder bb;
	struct slice out;
	int count = 0;

	options.max_bytes = 1000;
	batch_builder_init(&bb, &options);
	while (batch_builder_add(&bb, 1, SLICE_NULL, v, NULL, 0) == 0) {
		count++;
		assert_true(batch_builder_bytes(&bb) <= 1000);
	}
	assert_int_equal(count, 8);
	assert_int_equal(batch_builder_finish(&bb, NULL, &out), 0);
	assert_true(out.len <= 1000);
	slice_unref(&out);
	/* The builder starts over. */
	assert_int_equal(batch_builder_bytes(&bb), BATCH_HEADER_BYTES);
	assert_int_equal(batch_builder_add(&bb, 1, SLICE_NULL, v, NULL, 0), 0);
	assert_true(batch_builder_bytes(&bb) - BATCH_HEADER_BYTES <=
		    record_size_max(0, 100, NULL, 0));
	batch_builder_fini(&bb);
}

static void test_markers(void **state UNUSED)
{
	uint8_t data[BATCH_MARKER_BYTES];
	enum control_type type;
	struct record_iter it;
	int32_t epoch;
	struct record r;
	struct batch b;

	batch_write_marker(data, 4711, 2, 15, false, 1000, 8);
	assert_int_equal(batch_parse(&b, data, sizeof(data)), 0);
	assert_true(batch_crc_ok(&b) && batch_is_control(&b) && batch_is_transactional(&b));
	assert_int_equal(b.producer_id, 4711);
	assert_int_equal(b.base_sequence, NO_SEQUENCE);
	assert_int_equal(b.partition_leader_epoch, 8);
	assert_int_equal(record_iter_init(&it, &b, NULL, 0), 0);
	assert_int_equal(record_next(&it, &r), 1);
	assert_int_equal(control_marker_parse(&r, &type, &epoch), 0);
	assert_int_equal(type, CONTROL_ABORT);
	assert_int_equal(epoch, 15);
	assert_int_equal(record_next(&it, &r), 0);
}

static void test_sparse_offsets_and_empty(void **state UNUSED)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct slice bytes = build(NULL, COMPRESSION_NONE, 5), out;
	struct batch_builder bb;
	struct record_iter it;
	struct record r;
	struct batch b;

	assert_int_equal(batch_parse(&b, bytes.data, bytes.len), 0);
	batch_builder_init(&bb, &options);
	bb.delete_horizon = 123456;
	bb.last_offset_delta_min = 9;
	assert_int_equal(record_iter_init(&it, &b, NULL, 0), 0);
	for (int i = 0; record_next(&it, &r) > 0; i++)
		if (i % 2 == 1)
			assert_int_equal(batch_builder_add_at(&bb, i, &r), 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &out), 0);
	assert_int_equal(batch_parse(&b, out.data, out.len), 0);
	assert_int_equal(b.record_count, 2);
	assert_int_equal(b.last_offset_delta, 9);
	assert_int_equal(b.base_timestamp, 123456);
	assert_true(b.attributes & BATCH_ATTR_DELETE_HORIZON);
	assert_int_equal(record_iter_init(&it, &b, NULL, 0), 0);
	assert_int_equal(record_next(&it, &r), 1);
	assert_int_equal(r.offset, 1);
	assert_int_equal(r.timestamp, 4900);
	assert_int_equal(record_next(&it, &r), 1);
	assert_int_equal(r.offset, 3);
	assert_int_equal(record_next(&it, &r), 0);
	slice_unref(&out);
	/* Nothing left: the header alone. */
	bb.last_offset_delta_min = 9;
	bb.max_timestamp = 77;
	assert_int_equal(batch_builder_finish(&bb, NULL, &out), 0);
	assert_int_equal(out.len, BATCH_HEADER_BYTES);
	assert_int_equal(batch_parse(&b, out.data, out.len), 0);
	assert_int_equal(b.last_offset_delta, 9);
	assert_int_equal(b.max_timestamp, 77);
	assert_int_equal(record_iter_init(&it, &b, NULL, 0), 0);
	assert_int_equal(record_next(&it, &r), 0);
	slice_unref(&out);
	slice_unref(&bytes);
	batch_builder_fini(&bb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_bytes),
		cmocka_unit_test(test_round_trip_all_codecs),
		cmocka_unit_test(test_cut_and_damaged),
		cmocka_unit_test(test_header_lies),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_walk_with_partial_tail),
		cmocka_unit_test(test_recompress),
		cmocka_unit_test(test_builder_bounds),
		cmocka_unit_test(test_markers),
		cmocka_unit_test(test_sparse_offsets_and_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
