/* If these fail, retries of idempotent producers are written twice or refused, or readers of
 * committed records see the wrong end. */
#include "log_fixture.h"

static enum kafka_error send(struct fixture *f, int64_t id, int16_t epoch, int32_t sequence,
			     int count)
{
	return append(f, (struct batch_spec){.count = count, .producer_id = id,
					     .producer_epoch = epoch,
					     .base_sequence = sequence}).error;
}

static void test_sequences(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	fixture_open_log(&f);
	/* An unknown producer may begin anywhere. */
	assert_int_equal(send(&f, 1, 0, 10, 2), KERR_NONE);
	assert_int_equal(send(&f, 1, 0, 12, 1), KERR_NONE);
	assert_int_equal(send(&f, 1, 0, 14, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(send(&f, 1, 0, 11, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(log_end_offset(f.log), 3);
	/* A new epoch begins at 0. */
	assert_int_equal(send(&f, 1, 1, 13, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(send(&f, 1, 1, 0, 1), KERR_NONE);
	assert_int_equal(send(&f, 1, 0, 13, 1), KERR_INVALID_PRODUCER_EPOCH);
	/* Numbers wrap. */
	assert_int_equal(send(&f, 2, 0, INT32_MAX - 1, 1), KERR_NONE);
	assert_int_equal(send(&f, 2, 0, INT32_MAX, 3), KERR_NONE);
	assert_int_equal(send(&f, 2, 0, 2, 1), KERR_NONE);
	assert_int_equal(send(&f, 3, 0, INT32_MAX, 1), KERR_NONE);
	assert_int_equal(send(&f, 3, 0, 0, 1), KERR_NONE);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_duplicates_of_the_last_five(void **state UNUSED)
{
	struct fixture f;
	struct log_append_info info;
	int64_t end;

	fixture_init(&f);
	fixture_open_log(&f);
	for (int i = 0; i < 7; i++) {
		append_ok(&f, (struct batch_spec){.count = 2, .producer_id = 9,
						  .base_sequence = i * 2});
		f.now_ms++;
	}
	end = log_end_offset(f.log);
	for (int i = 2; i < 7; i++) {
		info = append_ok(&f, (struct batch_spec){.count = 2, .producer_id = 9,
							 .base_sequence = i * 2});
		assert_true(info.is_duplicate);
		assert_int_equal(info.first_offset, i * 2);
		assert_int_equal(info.last_offset, i * 2 + 1);
		assert_int_equal(info.log_append_time_ms, 1700000000000 + i);
	}
	assert_int_equal(send(&f, 9, 0, 2, 2), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(log_end_offset(f.log), end);
	/* After a restart only the last one is known from the snapshot. */
	fixture_close_log(&f);
	f.options.was_clean = true;
	fixture_open_log(&f);
	info = append_ok(&f, (struct batch_spec){.count = 2, .producer_id = 9,
						 .base_sequence = 12});
	assert_true(info.is_duplicate);
	assert_int_equal(info.first_offset, 12);
	assert_int_equal(send(&f, 9, 0, 14, 1), KERR_NONE);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void transact(struct fixture *f, int64_t id, int32_t sequence)
{
	append_ok(f, (struct batch_spec){.count = 2, .producer_id = id, .base_sequence = sequence,
					 .is_transactional = true});
}

static void test_last_stable_offset(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 1});
	transact(&f, 1, 0);	/* 1, 2 */
	transact(&f, 2, 0);	/* 3, 4 */
	log_set_high_watermark(f.log, 5);
	assert_int_equal(log_first_unstable_offset(f.log), 1);
	assert_int_equal(log_last_stable_offset(f.log), 1);
	end_txn(&f, 1, 0, true);	/* 5 */
	/* The marker is not committed yet. */
	assert_int_equal(log_last_stable_offset(f.log), 1);
	assert_true(log_set_high_watermark(f.log, 6));
	assert_int_equal(log_last_stable_offset(f.log), 3);
	end_txn(&f, 2, 0, false);	/* 6 */
	log_set_high_watermark(f.log, 7);
	assert_int_equal(log_last_stable_offset(f.log), 7);
	assert_int_equal(log_first_unstable_offset(f.log), -1);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_aborted_list(void **state UNUSED)
{
	struct fixture f;
	struct log_read_result r;
	struct log_aborted_txn *txns;
	struct arena arena;
	unsigned count;

	fixture_init(&f);
	arena_init(&arena);
	f.config.segment_bytes = 2048;
	f.config.index_interval_bytes = 100;
	fixture_open_log(&f);
	for (int i = 0; i < 40; i++) {
		append_ok(&f, (struct batch_spec){.count = 1, .value_len = 200});
		transact(&f, 1 + i % 2, i / 2 * 2);
		end_txn(&f, 1 + i % 2, 0, i % 2 == 0);
	}
	log_set_high_watermark(f.log, log_end_offset(f.log));
	/* Round i: record at 4i, transaction 4i+1 and 4i+2, marker 4i+3; odd ones are aborted. */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 40; i++) {
			bool found = false;

			assert_int_equal(log_read(f.log, 4 * i + 1, 1, true,
						  log_last_stable_offset(f.log), &r, NULL), 0);
			assert_int_equal(log_aborted_txns(f.log, 4 * i + 1, &r, &arena, &txns,
							  &count, NULL), 0);
			for (unsigned t = 0; t < count; t++) {
				assert_int_equal(txns[t].first_offset % 8, 5);
				assert_int_equal(txns[t].producer_id, 2);
				assert_true(txns[t].first_offset >= 4 * i - 2);
				found |= txns[t].first_offset == 4 * i + 1;
			}
			assert_int_equal(found, i % 2);
			assert_true(count <= 4);
			file_unref(r.records.file);
		}
		fixture_crash(&f);
		f.options.high_watermark = INT64_MAX;
		fixture_open_log(&f);
	}
	arena_fini(&arena);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static enum kafka_error marker(struct fixture *f, int16_t epoch, int32_t coordinator_epoch,
			       int8_t version)
{
	struct log_append_info info;
	struct log_marker m = {.producer_id = 1, .producer_epoch = epoch,
			       .coordinator_epoch = coordinator_epoch, .is_commit = true,
			       .leader_epoch = 1, .transaction_version = version};

	assert_int_equal(log_append_marker(f->log, &m, &info, NULL), 0);
	return info.error;
}

static void test_marker_rules(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 1, .producer_id = 1, .producer_epoch = 5,
					  .is_transactional = true});
	assert_int_equal(marker(&f, 4, 0, 1), KERR_INVALID_PRODUCER_EPOCH);
	assert_int_equal(marker(&f, 5, 0, 2), KERR_INVALID_PRODUCER_EPOCH);
	assert_int_equal(send(&f, 1, 5, 1, 1), KERR_INVALID_TXN_STATE);
	assert_int_equal(marker(&f, 6, 7, 2), KERR_NONE);
	assert_int_equal(marker(&f, 6, 7, 2), KERR_NONE);	/* again: nothing is open */
	assert_int_equal(marker(&f, 7, 6, 2), KERR_TRANSACTION_COORDINATOR_FENCED);
	/* The marker's epoch is the producer's now, and its numbers begin again. */
	assert_int_equal(send(&f, 1, 5, 1, 1), KERR_INVALID_PRODUCER_EPOCH);
	assert_int_equal(send(&f, 1, 6, 1, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(send(&f, 1, 6, 0, 1), KERR_NONE);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static enum kafka_error send_verified(struct fixture *f, int32_t sequence, uint64_t guard)
{
	struct batch_spec spec = {.count = 1, .producer_id = 4, .base_sequence = sequence,
				  .is_transactional = true};
	struct log_append request = {.leader_epoch = 1, .verify_txn = true,
				     .verification_guard = guard};
	struct log_append_info info;

	request.data = spec_build(f, &spec, &request.len);
	assert_int_equal(log_append_leader(f->log, &request, &info, NULL), 0);
	free(request.data);
	return info.error;
}

static void test_verification(void **state UNUSED)
{
	struct fixture f;
	uint64_t guard;

	fixture_init(&f);
	fixture_open_log(&f);
	assert_int_equal(send_verified(&f, 0, 0), KERR_INVALID_TXN_STATE);
	guard = log_txn_verify_start(f.log, 4, 0, 0, true);
	assert_true(guard != 0);
	assert_int_equal(send_verified(&f, 0, guard + 1), KERR_INVALID_TXN_STATE);
	assert_int_equal(send_verified(&f, 1, guard), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(send_verified(&f, 0, guard), KERR_NONE);
	/* Open now: no more questions. */
	assert_int_equal(log_txn_verify_start(f.log, 4, 0, 1, true), 0);
	assert_int_equal(send_verified(&f, 1, 0), KERR_NONE);
	end_txn(&f, 4, 0, true);
	assert_int_equal(send_verified(&f, 2, guard), KERR_INVALID_TXN_STATE);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_expiry(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	fixture_open_log(&f);
	assert_int_equal(send(&f, 1, 0, 0, 1), KERR_NONE);
	transact(&f, 2, 0);
	f.now_ms += 86400000 - 1;
	log_tick(f.log);
	assert_int_equal(log_producer_count(f.log), 2);
	assert_int_equal(log_late_txn_count(f.log), 1);
	f.now_ms += 600000;
	log_tick(f.log);
	assert_int_equal(log_producer_count(f.log), 1);	/* an open transaction keeps it */
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_truncation_takes_producers_back(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	f.config.segment_bytes = 1024;
	fixture_open_log(&f);
	for (int i = 0; i < 50; i++)
		assert_int_equal(send(&f, 1, 0, i, 1), KERR_NONE);
	transact(&f, 2, 0);
	assert_int_equal(log_truncate_to(f.log, 30, NULL), 0);
	assert_int_equal(log_producer_count(f.log), 1);
	assert_int_equal(log_first_unstable_offset(f.log), -1);
	assert_int_equal(send(&f, 1, 0, 31, 1), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	assert_int_equal(send(&f, 1, 0, 30, 1), KERR_NONE);
	fixture_close_log(&f);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_duplicates_of_the_last_five),
		cmocka_unit_test(test_last_stable_offset),
		cmocka_unit_test(test_aborted_list),
		cmocka_unit_test(test_marker_rules),
		cmocka_unit_test(test_verification),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_truncation_takes_producers_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
