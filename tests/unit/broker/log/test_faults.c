/* If these fail, a disk error leaves a log that lies: acknowledged, but not there. */
#include "log_fixture.h"

static void test_no_space_leaves_the_log_as_it_was(void **state UNUSED)
{
	struct fixture f;
	struct log_append_info info;
	struct batch_spec spec = {.count = 3, .value_len = 100};
	int64_t size;

	fixture_init(&f);
	fixture_open_log(&f);
	append_ok(&f, spec);
	size = log_size_bytes(f.log);
	f.fault = FAULT_WRITE;
	f.fail_at = 1;
	f.fail_code = -ENOSPC;
	f.fail_short = true;
	assert_int_equal(append_as(&f, &spec, 1, LOG_ORIGIN_CLIENT, &info), -ENOSPC);
	assert_int_equal(info.first_offset, -1);
	f.fault = FAULT_NONE;
	assert_false(log_is_offline(f.log));
	assert_int_equal(log_end_offset(f.log), 3);
	assert_int_equal(file_size(f.path, "00000000000000000000.log"), size);
	append_ok(&f, spec);
	assert_int_equal(read_all(&f, 0), 6);
	fixture_crash(&f);
	fixture_open_log(&f);
	assert_int_equal(read_all(&f, 0), 6);
	/* When even the tail cannot be cut off, the disk is given up. */
	f.fault = FAULT_ANY;
	f.fail_at = 1;
	fixture_crash(&f);
	f.fault = FAULT_NONE;
	f.failed_count = 0;
	fixture_fini(&f);
}

/* A segment cannot be begun on a full disk: the append fails, and succeeds when there is room. */
static void test_no_space_for_a_segment(void **state UNUSED)
{
	struct batch_spec spec = {.count = 1, .value_len = 900};
	enum fault faults[] = {FAULT_OPEN, FAULT_WRITE};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		for (int n = 1; n < 6; n++) {
			struct log_append_info info;
			struct fixture f;
			int rc;

			fixture_init(&f);
			f.config.segment_bytes = 4096;
			fixture_open_log(&f);
			for (int k = 0; k < 4; k++)
				append_ok(&f, spec);
			f.fault = faults[i];
			f.fail_at = n;
			f.fail_code = -ENOSPC;
			f.fail_short = true;
			rc = append_as(&f, &spec, 1, LOG_ORIGIN_CLIENT, &info);
			f.fault = FAULT_NONE;
			log_check(f.log);
			if (rc < 0) {
				assert_int_equal(rc, -ENOSPC);
				assert_int_equal(log_end_offset(f.log), 4);
				append_ok(&f, spec);
			}
			assert_int_equal(f.failed_count, 0);
			assert_int_equal(read_all(&f, 0), 5);
			fixture_crash(&f);
			fixture_open_log(&f);
			assert_int_equal(read_all(&f, 0), 5);
			fixture_close_log(&f);
			fixture_fini(&f);
		}
	}
}

/* One life of a log: everything that writes. Stops at the first error. */
static int live(struct fixture *f, int64_t *acknowledged)
{
	struct batch_spec spec = {.count = 2, .value_len = 700};
	struct log_append_info info;
	struct log *log;
	int rc = fixture_try_open_log(f);

	*acknowledged = 0;
	if (rc < 0) {
		f->log = NULL;
		return rc;
	}
	for (int i = 0; rc == 0 && i < 12; i++) {
		rc = append_as(f, &spec, 1 + i / 5, LOG_ORIGIN_CLIENT, &info);
		if (rc == 0 && i == 6)
			rc = log_flush(f->log, NULL);
		if (rc == 0)
			*acknowledged = log_end_offset(f->log);
	}
	if (rc == 0) {
		log_set_high_watermark(f->log, *acknowledged);
		rc = log_retain(f->log, NULL, NULL);
	}
	if (rc == 0)
		rc = log_truncate_to(f->log, *acknowledged - 2, NULL);
	if (rc == 0)
		*acknowledged -= 2;
	if (rc < 0) {
		fixture_crash(f);
		return rc;
	}
	log = f->log;
	f->log = NULL;
	return log_close(log, NULL);
}

/* Fails the n-th call of a kind, for every n: the error is told once, and the next start finds all
 * that was acknowledged before it. */
static void fail_every(enum fault fault, int code, bool fail_short)
{
	for (int n = 1; n < 1000; n++) {
		struct fixture f;
		int64_t acknowledged, end;
		int rc;

		fixture_init(&f);
		f.config.segment_bytes = 4096;
		f.config.retention_bytes = 8192;
		f.fault = fault;
		f.fail_at = n;
		f.fail_code = code;
		f.fail_short = fail_short;
		rc = live(&f, &acknowledged);
		if (f.calls < n) {
			assert_int_equal(rc, 0);
			fixture_fini(&f);
			assert_true(n > 1);
			return;
		}
		if (rc == E_OFFLINE)
			assert_int_equal(f.failed_count, 1);
		else
			assert_int_equal(f.failed_count, 0);
		f.fault = FAULT_NONE;
		fixture_open_log(&f);
		end = log_end_offset(f.log);
		/* The truncation may have been done or not. */
		assert_true(end >= MIN(acknowledged, 22));
		read_all(&f, log_start_offset(f.log));
		append_ok(&f, (struct batch_spec){.count = 1});
		assert_int_equal(log_end_offset(f.log), end + 1);
		fixture_close_log(&f);
		fixture_fini(&f);
	}
	fail();
}

static void test_every_write_fails(void **state UNUSED)
{
	fail_every(FAULT_WRITE, -EIO, false);
	fail_every(FAULT_WRITE, -EIO, true);
	fail_every(FAULT_WRITE, -ENOSPC, true);
}

static void test_every_fsync_fails(void **state UNUSED)
{
	fail_every(FAULT_FSYNC, -EIO, false);
}

static void test_every_rename_fails(void **state UNUSED)
{
	fail_every(FAULT_RENAME, -EIO, false);
}

static void test_every_open_fails(void **state UNUSED)
{
	fail_every(FAULT_OPEN, -EIO, false);
	fail_every(FAULT_OPEN, -ENOSPC, false);
}

static void test_every_truncate_fails(void **state UNUSED)
{
	fail_every(FAULT_TRUNCATE, -EIO, false);
}

/* fsync is not tried twice, and nothing is acknowledged after it failed. */
static void test_background_flush_fails(void **state UNUSED)
{
	struct fixture f;
	struct batch_spec spec = {.count = 2, .value_len = 700};
	struct log_append_info info;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	f.defer_work = true;
	fixture_open_log(&f);
	while (f.work_count == 0)
		append_ok(&f, spec);
	assert_true(log_is_busy(f.log));
	assert_int_equal(log_recovery_point(f.log), 0);
	f.fault = FAULT_FSYNC;
	f.fail_at = 1;
	fixture_run_works(&f);
	assert_int_equal(f.failed_count, 1);
	assert_true(log_is_offline(f.log));
	assert_int_equal(append_as(&f, &spec, 1, LOG_ORIGIN_CLIENT, &info), E_OFFLINE);
	assert_int_equal(log_flush(f.log, NULL), E_OFFLINE);
	assert_int_equal(f.failed_count, 1);
	assert_int_equal(f.calls, 1);
	fixture_crash(&f);
	fixture_fini(&f);
}

static void test_close_while_flushing(void **state UNUSED)
{
	struct fixture f;
	struct log *log;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	f.defer_work = true;
	fixture_open_log(&f);
	while (f.work_count == 0)
		append_ok(&f, (struct batch_spec){.count = 2, .value_len = 700});
	log = f.log;
	f.log = NULL;
	assert_int_equal(log_close(log, NULL), 0);
	fixture_run_works(&f);	/* frees it */
	f.options.was_clean = true;
	f.defer_work = false;
	fixture_open_log(&f);
	read_all(&f, 0);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_recovery_point_after_background_flush(void **state UNUSED)
{
	struct fixture f;
	int64_t base;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	f.defer_work = true;
	fixture_open_log(&f);
	while (f.work_count == 0)
		append_ok(&f, (struct batch_spec){.count = 2, .value_len = 700});
	base = log_active_base_offset(f.log);
	fixture_run_works(&f);
	assert_int_equal(log_recovery_point(f.log), base);
	/* A flush that began before a truncation says nothing of what came after. */
	while (f.work_count == 0)
		append_ok(&f, (struct batch_spec){.count = 2, .value_len = 700});
	assert_int_equal(log_truncate_to(f.log, 2, NULL), 0);
	append_ok(&f, (struct batch_spec){.count = 20});
	fixture_run_works(&f);
	assert_int_equal(log_recovery_point(f.log), 2);
	fixture_close_log(&f);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_space_leaves_the_log_as_it_was),
		cmocka_unit_test(test_no_space_for_a_segment),
		cmocka_unit_test(test_every_write_fails),
		cmocka_unit_test(test_every_fsync_fails),
		cmocka_unit_test(test_every_rename_fails),
		cmocka_unit_test(test_every_open_fails),
		cmocka_unit_test(test_every_truncate_fails),
		cmocka_unit_test(test_background_flush_fails),
		cmocka_unit_test(test_close_while_flushing),
		cmocka_unit_test(test_recovery_point_after_background_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
