/* If these fail, records are refused wrongly, get wrong offsets, or cannot be read back. */
#include "log_fixture.h"

static void test_append_and_read(void **state UNUSED)
{
	struct fixture f;
	struct log_append_info info;

	fixture_init(&f);
	fixture_open_log(&f);
	assert_int_equal(log_end_offset(f.log), 0);
	info = append_ok(&f, (struct batch_spec){.count = 3, .value_len = 10});
	assert_int_equal(info.first_offset, 0);
	assert_int_equal(info.last_offset, 2);
	assert_int_equal(info.max_timestamp, f.now_ms);
	info = append_ok(&f, (struct batch_spec){.count = 2, .value_len = 10});
	assert_int_equal(info.first_offset, 3);
	assert_int_equal(log_end_offset(f.log), 5);
	assert_int_equal(read_all(&f, 0), 5);
	assert_int_equal(log_latest_epoch(f.log), 1);
	fixture_close_log(&f);
	f.options.was_clean = true;
	fixture_open_log(&f);
	assert_int_equal(log_end_offset(f.log), 5);
	assert_int_equal(log_recovery_point(f.log), 5);
	assert_false(log_get_recovery(f.log)->was_scanned);
	assert_int_equal(read_all(&f, 0), 5);
	info = append_ok(&f, (struct batch_spec){.count = 1});
	assert_int_equal(info.first_offset, 5);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_many_segments_every_offset(void **state UNUSED)
{
	struct fixture f;
	struct log_read_result r;
	int64_t end;

	fixture_init(&f);
	f.config.segment_bytes = 8192;
	fixture_open_log(&f);
	for (int i = 0; i < 400; i++)
		append_ok(&f, (struct batch_spec){.count = 1 + i % 4, .value_len = (size_t)i});
	end = log_end_offset(f.log);
	assert_true(log_segment_count(f.log) > 10);
	assert_int_equal(read_all(&f, 0), end);
	for (int64_t offset = 0; offset < end; offset++) {
		assert_int_equal(log_read(f.log, offset, 1, true, end, &r, NULL), 0);
		assert_true(r.first_offset <= offset && offset - r.first_offset < 4);
		assert_int_equal(r.records.len, r.first_batch_bytes);
		file_unref(r.records.file);
	}
	assert_int_equal(log_read(f.log, end + 1, 1, true, end, &r, NULL), E_OFFSET_RANGE);
	assert_int_equal(log_read(f.log, end, 1, true, end, &r, NULL), 0);
	assert_null(r.records.file);
	/* Without whole_first a batch that is too large gives nothing. */
	assert_int_equal(log_read(f.log, 0, 10, false, end, &r, NULL), 0);
	assert_null(r.records.file);
	/* A bound inside the log hides what is at it and behind. */
	for (int64_t bound = 1; bound < 20; bound++) {
		assert_int_equal(log_read(f.log, 0, 1000000, false, bound, &r, NULL), 0);
		if (r.records.file) {
			struct slice bytes;
			const uint8_t *at;
			struct batch b;
			size_t left;

			assert_int_equal(log_read_range(f.log, &r.records, &bytes, NULL), 0);
			at = bytes.data;
			left = bytes.len;
			while (batch_next(&b, &at, &left) == 1)
				assert_true(batch_last_offset(&b) < bound);
			assert_int_equal(left, 0);
			slice_unref(&bytes);
		}
	}
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_few_open_files(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	log_pool_free(f.pool);
	f.pool = log_pool_new(&f.env, &(struct log_pool_options){.open_files_max = 1});
	f.config.segment_bytes = 4096;
	fixture_open_log(&f);
	for (int i = 0; i < 100; i++)
		append_ok(&f, (struct batch_spec){.count = 2, .value_len = 300});
	assert_int_equal(read_all(&f, 0), 200);
	fixture_crash(&f);
	fixture_open_log(&f);
	assert_int_equal(read_all(&f, 0), 200);
	assert_int_equal(log_truncate_to(f.log, 50, NULL), 0);
	assert_int_equal(read_all(&f, 0), 50);
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* Changes one thing in a good batch and expects the refusal. */
static void refused(struct fixture *f, size_t at, uint64_t value, size_t len, bool fix_crc,
		    enum kafka_error error)
{
	struct batch_spec spec = {.count = 2, .value_len = 100};
	struct log_append_info info;
	struct arena arena;
	struct log_append request = {.leader_epoch = 1, .arena = &arena};

	arena_init(&arena);
	request.data = spec_build(f, &spec, &request.len);
	for (size_t i = 0; i < len; i++)
		request.data[at + i] = (uint8_t)(value >> (8 * (len - 1 - i)));
	if (fix_crc)
		batch_update_crc(request.data);
	assert_int_equal(log_append_leader(f->log, &request, &info, NULL), 0);
	assert_int_equal(info.error, error);
	assert_non_null(info.error_text);
	assert_int_equal(info.first_offset, -1);
	assert_int_equal(log_end_offset(f->log), 0);
	free(request.data);
	arena_fini(&arena);
}

static void test_refusals(void **state UNUSED)
{
	struct fixture f;
	struct log_append_info info;

	fixture_init(&f);
	f.config.max_message_bytes = 5000;
	f.config.segment_bytes = 4000;
	fixture_open_log(&f);
	refused(&f, 0, 5, 8, false, KERR_INVALID_RECORD);		/* base offset */
	refused(&f, 70, 0xff, 1, false, KERR_CORRUPT_MESSAGE);		/* CRC */
	refused(&f, 16, 1, 1, false, KERR_INVALID_RECORD);		/* magic 1 */
	refused(&f, 16, 7, 1, false, KERR_CORRUPT_MESSAGE);
	refused(&f, 8, 20, 4, false, KERR_CORRUPT_MESSAGE);		/* length */
	refused(&f, 57, 3, 4, true, KERR_INVALID_RECORD);		/* count */
	refused(&f, 23, 7, 4, true, KERR_INVALID_RECORD);		/* last offset delta */
	refused(&f, 21, BATCH_ATTR_CONTROL, 2, true, KERR_INVALID_RECORD);
	refused(&f, 21, 7, 2, true, KERR_CORRUPT_MESSAGE);		/* codec */
	refused(&f, 43, 9, 8, true, KERR_INVALID_RECORD);		/* pid without sequence */
	refused(&f, 61, 1, 1, true, KERR_INVALID_RECORD);		/* record length */
	refused(&f, 27, (uint64_t)f.now_ms + 3600 * 1000 + 1, 8, true, KERR_INVALID_TIMESTAMP);
	info = append(&f, (struct batch_spec){.count = 1, .value_len = 6000});
	assert_int_equal(info.error, KERR_MESSAGE_TOO_LARGE);
	info = append(&f, (struct batch_spec){.count = 1, .value_len = 4500});
	assert_int_equal(info.error, KERR_RECORD_LIST_TOO_LARGE);
	f.config.cleanup_compact = true;
	log_configure(f.log, &f.config);
	info = append(&f, (struct batch_spec){.count = 2});
	assert_int_equal(info.error, KERR_INVALID_RECORD);
	assert_int_equal(info.record_error_count, 2);
	append_ok(&f, (struct batch_spec){.count = 2, .key = "k"});
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void read_one(struct fixture *f, int64_t offset, struct batch *b, struct slice *bytes)
{
	assert_int_equal(log_read_copy(f->log, offset, 1, log_end_offset(f->log), bytes, NULL), 0);
	assert_int_equal(batch_parse(b, bytes->data, bytes->len), 0);
	assert_true(batch_crc_ok(b));
}

static void test_timestamps_and_compression_type(void **state UNUSED)
{
	struct fixture f;
	struct log_append_info info;
	struct slice bytes;
	struct batch b;

	fixture_init(&f);
	f.config.log_append_time = true;
	fixture_open_log(&f);
	info = append_ok(&f, (struct batch_spec){.count = 2, .timestamp = 1});
	assert_int_equal(info.log_append_time_ms, f.now_ms);
	read_one(&f, 0, &b, &bytes);
	assert_true(batch_is_log_append_time(&b));
	assert_int_equal(b.max_timestamp, f.now_ms);
	assert_int_equal(b.partition_leader_epoch, 1);
	slice_unref(&bytes);
	f.config.log_append_time = false;
	f.config.compression = COMPRESSION_ZSTD;
	log_configure(f.log, &f.config);
	info = append_ok(&f, (struct batch_spec){.count = 50, .value_len = 100,
						 .codec = COMPRESSION_GZIP, .producer_id = 7});
	assert_true(info.was_rebuilt);
	read_one(&f, 2, &b, &bytes);
	assert_int_equal(batch_codec(&b), COMPRESSION_ZSTD);
	assert_int_equal(b.producer_id, 7);
	assert_int_equal(b.record_count, 50);
	slice_unref(&bytes);
	f.config.compression = COMPRESSION_NONE;
	log_configure(f.log, &f.config);
	append_ok(&f, (struct batch_spec){.count = 5, .codec = COMPRESSION_LZ4});
	read_one(&f, 52, &b, &bytes);
	assert_int_equal(batch_codec(&b), COMPRESSION_NONE);
	slice_unref(&bytes);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_find_by_timestamp(void **state UNUSED)
{
	struct fixture f;
	struct log_timestamp found;

	fixture_init(&f);
	f.config.segment_bytes = 8192;
	fixture_open_log(&f);
	for (int i = 0; i < 300; i++)
		append_ok(&f, (struct batch_spec){.count = 2, .value_len = 100,
						  .timestamp = 1000 + i * 10});
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			assert_int_equal(log_find_timestamp(f.log, 1000 + i * 10 - 9, INT64_MAX,
							    &found, NULL), 0);
			assert_int_equal(found.offset, i * 2);
			assert_int_equal(found.timestamp, 1000 + i * 10);
			assert_int_equal(found.leader_epoch, 1);
		}
		assert_int_equal(log_find_timestamp(f.log, 1000 + 300 * 10, INT64_MAX, &found,
						    NULL), 0);
		assert_int_equal(found.offset, -1);
		assert_int_equal(log_find_timestamp(f.log, 1500, 50, &found, NULL), 0);
		assert_int_equal(found.offset, -1);	/* behind the bound */
		assert_int_equal(log_find_max_timestamp(f.log, &found, NULL), 0);
		assert_int_equal(found.offset, 598);
		assert_int_equal(found.timestamp, 3990);
		fixture_close_log(&f);
		f.options.was_clean = true;
		fixture_open_log(&f);
	}
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_follower(void **state UNUSED)
{
	struct fixture leader, f;
	struct log_append_info info;
	struct slice bytes;
	uint8_t *copy;

	fixture_init(&leader);
	fixture_init(&f);
	fixture_open_log(&leader);
	fixture_open_log(&f);
	for (int i = 0; i < 50; i++)
		append_ok(&leader, (struct batch_spec){.count = 2, .value_len = 100});
	assert_int_equal(log_read_copy(leader.log, 0, 1000000, 100, &bytes, NULL), 0);
	copy = xmemdup(bytes.data, bytes.len);
	/* Of a newer epoch than the follower's: nothing. */
	assert_int_equal(log_append_follower(f.log, copy, bytes.len, 0, &info, NULL), 0);
	assert_int_equal(info.first_offset, -1);
	/* A partial batch at the end is left out. */
	assert_int_equal(log_append_follower(f.log, copy, bytes.len - 1, 1, &info, NULL), 0);
	assert_int_equal(info.last_offset, 97);
	assert_int_equal(log_end_offset(f.log), 98);
	/* Again from the beginning: refused, nothing changes. */
	assert_int_equal(log_append_follower(f.log, copy, bytes.len, 1, &info, NULL),
			 E_OFFSET_RANGE);
	copy[bytes.len - 1] ^= 1;
	assert_int_equal(log_append_follower(f.log, copy + bytes.len - bytes.len / 50,
					     bytes.len / 50, 1, &info, NULL), E_CORRUPT);
	copy[bytes.len - 1] ^= 1;
	assert_int_equal(log_append_follower(f.log, copy + bytes.len - bytes.len / 50,
					     bytes.len / 50, 1, &info, NULL), 0);
	assert_int_equal(log_end_offset(f.log), 100);
	assert_int_equal(read_all(&f, 0), 100);
	free(copy);
	slice_unref(&bytes);
	fixture_fini(&leader);
	fixture_fini(&f);
}

static void test_truncate_and_epochs(void **state UNUSED)
{
	struct fixture f;
	struct log_append_info info;
	struct batch_spec spec = {.count = 2, .value_len = 200};
	int64_t end_offset;
	int32_t epoch;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	fixture_open_log(&f);
	for (int32_t e = 1; e <= 5; e++)
		for (int i = 0; i < 20; i++)
			assert_int_equal(append_as(&f, &spec, e * 2, LOG_ORIGIN_CLIENT, &info), 0);
	log_epoch_end(f.log, 4, &epoch, &end_offset);
	assert_int_equal(epoch, 4);
	assert_int_equal(end_offset, 80);
	log_epoch_end(f.log, 5, &epoch, &end_offset);
	assert_int_equal(epoch, 4);
	assert_int_equal(end_offset, 80);
	log_epoch_end(f.log, 10, &epoch, &end_offset);
	assert_int_equal(end_offset, 200);
	log_epoch_end(f.log, 11, &epoch, &end_offset);
	assert_int_equal(epoch, -1);
	log_epoch_end(f.log, 1, &epoch, &end_offset);
	assert_int_equal(epoch, 1);
	assert_int_equal(end_offset, 0);
	assert_int_equal(log_epoch_at(f.log, 79), 4);
	assert_int_equal(log_truncate_to(f.log, 95, NULL), 0);
	assert_int_equal(log_end_offset(f.log), 94);	/* the batch that holds it goes */
	assert_int_equal(log_latest_epoch(f.log), 6);
	assert_int_equal(read_all(&f, 0), 94);
	fixture_crash(&f);
	fixture_open_log(&f);
	assert_int_equal(log_end_offset(f.log), 94);
	for (int64_t to = 93; to > 0; to -= 7) {
		assert_int_equal(log_truncate_to(f.log, to, NULL), 0);
		assert_int_equal(log_end_offset(f.log), to & ~1);
		assert_int_equal(read_all(&f, 0), to & ~1);
		append_ok(&f, (struct batch_spec){.count = 1});
		assert_int_equal(log_truncate_to(f.log, to & ~1, NULL), 0);
	}
	assert_int_equal(log_truncate_fully(f.log, 1000, NULL), 0);
	assert_int_equal(log_start_offset(f.log), 1000);
	assert_int_equal(log_end_offset(f.log), 1000);
	info = append_ok(&f, (struct batch_spec){.count = 1});
	assert_int_equal(info.first_offset, 1000);
	fixture_crash(&f);
	fixture_open_log(&f);
	assert_int_equal(log_start_offset(f.log), 1000);
	assert_int_equal(log_end_offset(f.log), 1001);
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* A leader's epoch is known before its first record, and in the file with it. */
static void test_epoch_of_a_new_leader(void **state UNUSED)
{
	struct fixture f;
	int64_t end_offset;
	int32_t epoch;

	fixture_init(&f);
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 3});
	assert_int_equal(log_assign_epoch(f.log, 7, 3, NULL), 0);
	assert_int_equal(log_latest_epoch(f.log), 7);
	log_epoch_end(f.log, 1, &epoch, &end_offset);
	assert_int_equal(end_offset, 3);
	fixture_crash(&f);
	fixture_open_log(&f);
	assert_int_equal(log_latest_epoch(f.log), 1);
	assert_int_equal(log_assign_epoch(f.log, 8, 3, NULL), 0);
	{
		struct batch_spec spec = {.count = 1};
		struct log_append_info info;

		assert_int_equal(append_as(&f, &spec, 8, LOG_ORIGIN_CLIENT, &info), 0);
	}
	fixture_close_log(&f);
	f.options.was_clean = true;
	fixture_open_log(&f);
	assert_int_equal(log_latest_epoch(f.log), 8);
	assert_int_equal(log_epoch_start(f.log, 8), 3);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_retention(void **state UNUSED)
{
	struct fixture f;
	unsigned deleted;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	f.config.retention_ms = 1000;
	fixture_open_log(&f);
	for (int i = 0; i < 40; i++) {
		append_ok(&f, (struct batch_spec){.count = 1, .value_len = 900});
		f.now_ms += 10;
	}
	assert_int_equal(log_segment_count(f.log), 10);
	/* Nothing is committed yet: nothing may go. */
	f.now_ms += 100000;
	assert_int_equal(log_retain(f.log, &deleted, NULL), 0);
	assert_int_equal(deleted, 0);
	log_set_high_watermark(f.log, 40);
	f.config.retention_ms = 100000 + 400 - 85;
	log_configure(f.log, &f.config);
	assert_int_equal(log_retain(f.log, &deleted, NULL), 0);
	assert_int_equal(deleted, 2);
	assert_int_equal(log_start_offset(f.log), 8);
	/* By size: never below the limit. */
	f.config.retention_ms = -1;
	f.config.retention_bytes = log_size_bytes(f.log) / 2;
	log_configure(f.log, &f.config);
	assert_int_equal(log_retain(f.log, &deleted, NULL), 0);
	assert_int_equal(deleted, 4);
	assert_true(log_size_bytes(f.log) >= f.config.retention_bytes);
	/* By start offset. */
	f.config.retention_bytes = -1;
	log_configure(f.log, &f.config);
	assert_int_equal(log_move_start(f.log, 41, NULL), E_OFFSET_RANGE);
	assert_int_equal(log_move_start(f.log, 33, NULL), 0);
	assert_int_equal(log_retain(f.log, &deleted, NULL), 0);
	assert_int_equal(deleted, 2);
	assert_int_equal(log_start_offset(f.log), 33);
	assert_true(log_wants_start_checkpoint(f.log));
	/* All of it: a new segment at the end. */
	f.config.retention_ms = 1;
	log_configure(f.log, &f.config);
	assert_int_equal(log_retain(f.log, &deleted, NULL), 0);
	assert_int_equal(log_segment_count(f.log), 1);
	assert_int_equal(log_start_offset(f.log), 40);
	assert_int_equal(log_end_offset(f.log), 40);
	/* The files go later. */
	assert_int_equal(file_size(f.path, "00000000000000000000.log"), -1);
	assert_true(file_size(f.path, "00000000000000000000.log.deleted") > 0);
	f.now_ms += 60001;
	log_tick(f.log);
	assert_int_equal(file_size(f.path, "00000000000000000000.log.deleted"), -1);
	assert_int_equal(file_size(f.path, "00000000000000000036.log.deleted"), -1);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_read_survives_deletion(void **state UNUSED)
{
	struct fixture f;
	struct log_read_result r;
	struct slice bytes;

	fixture_init(&f);
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 3, .value_len = 50});
	assert_int_equal(log_read(f.log, 0, 1000, true, 3, &r, NULL), 0);
	assert_int_equal(log_truncate_fully(f.log, 100, NULL), 0);
	assert_int_equal(log_read_range(f.log, &r.records, &bytes, NULL), 0);
	assert_int_equal(bytes.len, r.first_batch_bytes);
	slice_unref(&bytes);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_roll_by_time(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	f.config.segment_ms = 1000;
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 1});
	f.now_ms += 1000;
	append_ok(&f, (struct batch_spec){.count = 1});
	assert_int_equal(log_segment_count(f.log), 1);
	f.now_ms += 1;
	append_ok(&f, (struct batch_spec){.count = 1});
	assert_int_equal(log_segment_count(f.log), 2);
	assert_int_equal(log_active_base_offset(f.log), 2);
	assert_int_equal(file_size(f.path, "00000000000000000002.snapshot"), 10);
	fixture_close_log(&f);
	assert_int_equal(file_size(f.path, "00000000000000000000.timeindex"), 12);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_read),
		cmocka_unit_test(test_many_segments_every_offset),
		cmocka_unit_test(test_few_open_files),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_timestamps_and_compression_type),
		cmocka_unit_test(test_find_by_timestamp),
		cmocka_unit_test(test_follower),
		cmocka_unit_test(test_truncate_and_epochs),
		cmocka_unit_test(test_epoch_of_a_new_leader),
		cmocka_unit_test(test_retention),
		cmocka_unit_test(test_read_survives_deletion),
		cmocka_unit_test(test_roll_by_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
