/* If these fail, a crash loses acknowledged records, or leaves a log that cannot be opened. */
#include "log_fixture.h"

#include "base/rng.h"

#include <fcntl.h>

static void copy_dir(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "rm -rf '%s' && cp -r '%s' '%s'", to, from, to);
	assert_int_equal(system(command), 0);
}

static void cut_file(const char *dir, const char *name, int64_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(truncate(path, size), 0);
}

static void change_byte(const char *dir, const char *name, int64_t pos)
{
	char path[256];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, pos), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, pos), 1);
	close(fd);
}

/* Producers of the log as one number, to compare states. */
static void hash_producer(void *ctx, const struct log_producer *p)
{
	uint64_t *sum = ctx;

	*sum += (uint64_t)p->producer_id * 31 + (uint64_t)p->last_sequence * 7 +
		(uint64_t)p->producer_epoch * 131 + (uint64_t)p->last_timestamp +
		(uint64_t)(p->txn_start_offset + 2) * 1009;
}

static uint64_t producers_hash(const struct log *log)
{
	uint64_t sum = 0;

	log_producers(log, hash_producer, &sum);
	return sum;
}

static void test_torn_tail_at_every_byte(void **state UNUSED)
{
	struct fixture f;
	char image[128];
	int64_t before, after;

	fixture_init(&f);
	snprintf(image, sizeof(image), "%s/image", f.root);
	fixture_open_log(&f);
	for (int i = 0; i < 5; i++)
		append_ok(&f, (struct batch_spec){.count = 2, .value_len = 40});
	before = log_size_bytes(f.log);
	append_ok(&f, (struct batch_spec){.count = 3, .value_len = 40});
	after = log_size_bytes(f.log);
	fixture_crash(&f);
	copy_dir(f.path, image);
	for (int64_t size = before; size < after; size++) {
		copy_dir(image, f.path);
		cut_file(f.path, "00000000000000000000.log", size);
		fixture_open_log(&f);
		assert_int_equal(log_end_offset(f.log), 10);
		assert_int_equal(log_size_bytes(f.log), before);
		assert_int_equal(log_get_recovery(f.log)->truncated_bytes, size - before);
		assert_int_equal(read_all(&f, 0), 10);
		append_ok(&f, (struct batch_spec){.count = 1});
		assert_int_equal(read_all(&f, 0), 11);
		fixture_crash(&f);
	}
	fixture_fini(&f);
}

static void test_damage_at_every_byte(void **state UNUSED)
{
	struct fixture f;
	char image[128];
	int64_t before, after;

	fixture_init(&f);
	snprintf(image, sizeof(image), "%s/image", f.root);
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 2, .value_len = 40});
	before = log_size_bytes(f.log);
	append_ok(&f, (struct batch_spec){.count = 2, .value_len = 40});
	after = log_size_bytes(f.log);
	append_ok(&f, (struct batch_spec){.count = 2, .value_len = 40});
	fixture_crash(&f);
	copy_dir(f.path, image);
	for (int64_t pos = before; pos < after; pos++) {
		int rc;

		copy_dir(image, f.path);
		change_byte(f.path, "00000000000000000000.log", pos);
		rc = fixture_try_open_log(&f);
		assert_int_equal(rc, 0);
		if (pos - before < 8) {
			/* A base offset is outside the CRC: a jump ahead cannot be told. */
			assert_true(log_end_offset(f.log) >= 2);
		} else if (pos - before >= 12 && pos - before < 16) {
			assert_int_equal(log_end_offset(f.log), 6); /* leader epoch: outside */
		} else {
			assert_int_equal(log_end_offset(f.log), 2);
			assert_int_equal(read_all(&f, 0), 2);
		}
		fixture_crash(&f);
	}
	fixture_fini(&f);
}

static void fill(struct fixture *f)
{
	for (int i = 0; i < 60; i++) {
		append_ok(f, (struct batch_spec){.count = 2, .value_len = 150});
		append_ok(f, (struct batch_spec){.count = 2,
						 .value_len = 100,
						 .producer_id = 100 + i % 3,
						 .base_sequence = i / 3 * 2});
		append_ok(f, (struct batch_spec){.count = 1,
						 .value_len = 100,
						 .producer_id = 500 + i % 2,
						 .base_sequence = i / 2,
						 .is_transactional = true});
		if (i % 7 == 6)
			end_txn(f, 500 + i % 2, 0, i % 2);
		f->now_ms += 5;
	}
}

static void test_recovery_equals_the_state_before(void **state UNUSED)
{
	struct fixture f;
	int64_t end, stable, size;
	uint64_t producers;
	struct log_timestamp max, found;

	fixture_init(&f);
	f.config.segment_bytes = 8192;
	fixture_open_log(&f);
	fill(&f);
	log_set_high_watermark(f.log, log_end_offset(f.log));
	end = log_end_offset(f.log);
	stable = log_last_stable_offset(f.log);
	size = log_size_bytes(f.log);
	producers = producers_hash(f.log);
	assert_true(stable < end);
	for (int round = 0; round < 4; round++) {
		if (round == 2) {
			assert_int_equal(log_flush(f.log, NULL), 0);
			f.options.recovery_point = log_recovery_point(f.log);
			assert_int_equal(f.options.recovery_point, end);
		}
		if (round == 3) {
			fixture_close_log(&f);
			f.options.was_clean = true;
		} else {
			fixture_crash(&f);
		}
		f.options.high_watermark = end;
		fixture_open_log(&f);
		assert_int_equal(log_end_offset(f.log), end);
		assert_int_equal(log_size_bytes(f.log), size);
		assert_int_equal(log_last_stable_offset(f.log), stable);
		assert_int_equal(producers_hash(f.log), producers);
		assert_int_equal(log_get_recovery(f.log)->truncated_bytes, 0);
		if (round == 2)
			assert_true(log_get_recovery(f.log)->scanned_bytes <= 8192);
		read_all(&f, 0);
		assert_int_equal(log_find_max_timestamp(f.log, &max, NULL), 0);
		assert_int_equal(max.timestamp, 1700000000000 + 59 * 5);
		assert_int_equal(
			log_find_timestamp(f.log, 1700000000000 + 30 * 5, INT64_MAX, &found, NULL),
			0);
		assert_int_equal(found.timestamp, 1700000000000 + 30 * 5);
	}
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* The checkpoint file is behind the times: it says what had been flushed before the log was cut. */
static void test_a_log_that_was_cut_below_its_checkpoint(void **state UNUSED)
{
	struct log_append_info info;
	int64_t reported, cut_at = 10, found_end;
	int32_t found;
	struct fixture f;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	fixture_open_log(&f);
	for (int i = 0; i < 40; i++)
		append_ok(&f, (struct batch_spec){.count = 1, .value_len = 900});
	assert_int_equal(log_flush(f.log, NULL), 0);
	reported = log_report_recovery_point(f.log);
	assert_int_equal(reported, 40);
	assert_int_equal(log_truncate_to(f.log, cut_at, NULL), 0);
	assert_int_equal(log_recovery_point(f.log), cut_at);
	/* Others take the places of those that went. */
	for (int i = 0; i < 35; i++) {
		struct batch_spec spec = {.count = 1, .value_len = 900};

		assert_int_equal(append_as(&f, &spec, 7, LOG_ORIGIN_CLIENT, &info), 0);
		if (log_end_offset(f.log) <= reported)
			assert_int_equal(log_recovery_point(f.log), log_end_offset(f.log));
	}
	assert_true(log_recovery_point(f.log) >= reported);
	fixture_crash(&f);
	f.options.recovery_point = reported;
	fixture_open_log(&f);
	assert_int_equal(log_end_offset(f.log), 45);
	log_epoch_end(f.log, 7, &found, &found_end);
	assert_int_equal(found, 7);
	assert_int_equal(log_epoch_start(f.log, 7), cut_at);
	assert_int_equal(read_all(&f, 0), 45);
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* The epochs' file knows of records that were deleted, log-start-offset-checkpoint not yet. */
static void test_a_log_that_begins_before_its_epochs(void **state UNUSED)
{
	struct log_append_info info;
	int64_t end_offset;
	struct fixture f;
	int32_t found;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	fixture_open_log(&f);
	for (int i = 0; i < 40; i++) {
		struct batch_spec spec = {.count = 1, .value_len = 900};

		assert_int_equal(append_as(&f, &spec,
					   i < 12   ? 1
					   : i < 20 ? 4
						    : 5,
					   LOG_ORIGIN_CLIENT, &info),
				 0);
	}
	assert_int_equal(log_flush(f.log, NULL), 0);
	log_set_high_watermark(f.log, 40);
	assert_int_equal(log_move_start(f.log, 30, NULL), 0);
	log_epoch_end(f.log, 1, &found, &end_offset);
	assert_int_equal(end_offset, 30);
	fixture_crash(&f);
	f.options.recovery_point = 40;
	f.options.log_start_offset = 2;
	fixture_open_log(&f);
	assert_int_equal(log_start_offset(f.log), 2);
	assert_int_equal(log_epoch_start(f.log, 1), 2);
	assert_int_equal(log_epoch_start(f.log, 4), 12);
	assert_int_equal(log_epoch_start(f.log, 5), 20);
	log_epoch_end(f.log, 1, &found, &end_offset);
	assert_int_equal(found, 1);
	assert_int_equal(end_offset, 12);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_damage_in_the_middle_deletes_the_rest(void **state UNUSED)
{
	struct fixture f;
	int64_t end;

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	fixture_open_log(&f);
	for (int i = 0; i < 40; i++)
		append_ok(&f, (struct batch_spec){.count = 1, .value_len = 900});
	fixture_crash(&f);
	change_byte(f.path, "00000000000000000008.log", 2500);
	fixture_open_log(&f);
	end = log_end_offset(f.log);
	assert_int_equal(end, 10);
	assert_int_equal(log_get_recovery(f.log)->deleted_segment_count, 7);
	assert_int_equal(read_all(&f, 0), 10);
	assert_int_equal(file_size(f.path, "00000000000000000012.log"), -1);
	assert_int_equal(log_active_base_offset(f.log), 8);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_lost_and_broken_side_files(void **state UNUSED)
{
	static const char *const lost[] = {
		"00000000000000000000.index",
		"00000000000000000000.timeindex",
		"leader-epoch-checkpoint",
	};
	struct fixture f;
	char path[256], name[64];
	uint64_t producers;
	int64_t end;

	fixture_init(&f);
	f.config.segment_bytes = 8192;
	fixture_open_log(&f);
	fill(&f);
	end = log_end_offset(f.log);
	producers = producers_hash(f.log);
	fixture_close_log(&f);
	f.options.was_clean = true;
	for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
		snprintf(path, sizeof(path), "%s/%s", f.path, lost[i]);
		assert_int_equal(unlink(path), 0);
		fixture_open_log(&f);
		assert_int_equal(log_end_offset(f.log), end);
		assert_int_equal(producers_hash(f.log), producers);
		read_all(&f, 0);
		fixture_close_log(&f);
	}
	/* A damaged snapshot is deleted, the one before it and the log say the rest. */
	snprintf(name, sizeof(name), "%020lld.snapshot", (long long)end);
	change_byte(f.path, name, 12);
	fixture_open_log(&f);
	assert_int_equal(producers_hash(f.log), producers);
	fixture_close_log(&f);
	/* Index tails of zeros, as Kafka leaves them when it is killed. */
	f.options.was_clean = false;
	cut_file(f.path, "00000000000000000000.index", 10485760);
	cut_file(f.path, "00000000000000000000.timeindex", 10485756);
	fixture_open_log(&f);
	assert_int_equal(log_end_offset(f.log), end);
	read_all(&f, 0);
	assert_true(file_size(f.path, "00000000000000000000.index") < 1000);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void rename_in(const char *dir, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s/%s", dir, from);
	snprintf(b, sizeof(b), "%s/%s", dir, to);
	assert_int_equal(rename(a, b), 0);
}

static void test_leftovers_of_the_cleaner(void **state UNUSED)
{
	struct fixture f;
	char command[700];

	fixture_init(&f);
	f.config.segment_bytes = 4096;
	fixture_open_log(&f);
	for (int i = 0; i < 16; i++)
		append_ok(&f, (struct batch_spec){.count = 1, .value_len = 900});
	fixture_close_log(&f);
	/* .deleted and .cleaned go. */
	snprintf(command, sizeof(command),
		 "cd %s && echo x > 00000000000000000004.log.deleted && "
		 "echo x > 00000000000000000008.log.cleaned && "
		 "cp 00000000000000000008.log 00000000000000000008.log.swap",
		 f.path);
	assert_int_equal(system(command), 0);
	f.options.was_clean = true;
	fixture_open_log(&f);
	assert_int_equal(read_all(&f, 0), 16);
	assert_int_equal(file_size(f.path, "00000000000000000004.log.deleted"), -1);
	assert_int_equal(file_size(f.path, "00000000000000000008.log.cleaned"), -1);
	assert_int_equal(file_size(f.path, "00000000000000000008.log.swap"), -1);
	fixture_close_log(&f);
	/* A complete .swap replaces what it covers: here the segments 0 and 4, merged. */
	snprintf(command, sizeof(command),
		 "cd %s && cat 00000000000000000000.log 00000000000000000004.log > "
		 "00000000000000000000.log.swap",
		 f.path);
	assert_int_equal(system(command), 0);
	fixture_open_log(&f);
	assert_int_equal(log_segment_count(f.log), 3);
	assert_int_equal(read_all(&f, 0), 16);
	assert_int_equal(file_size(f.path, "00000000000000000004.log"), -1);
	fixture_close_log(&f);
	/* An index without its log goes. */
	rename_in(f.path, "00000000000000000008.index", "00000000000000000009.index");
	fixture_open_log(&f);
	assert_int_equal(file_size(f.path, "00000000000000000009.index"), -1);
	assert_int_equal(read_all(&f, 0), 16);
	fixture_close_log(&f);
	fixture_fini(&f);
}

static void test_log_start_beyond_the_end(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 10});
	fixture_close_log(&f);
	f.options.log_start_offset = 4;
	fixture_open_log(&f);
	assert_int_equal(log_start_offset(f.log), 4);
	assert_int_equal(log_end_offset(f.log), 10);
	fixture_close_log(&f);
	f.options.log_start_offset = 50;
	fixture_open_log(&f);
	assert_int_equal(log_start_offset(f.log), 50);
	assert_int_equal(log_end_offset(f.log), 50);
	assert_int_equal(append_ok(&f, (struct batch_spec){.count = 1}).first_offset, 50);
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* Whatever is in the files: the log opens, or says why not, and never ends the process. */
static void test_random_damage(void **state UNUSED)
{
	struct fixture f;
	char image[128], command[512], name[128];
	struct rng rng;

	fixture_init(&f);
	snprintf(image, sizeof(image), "%s/image", f.root);
	f.config.segment_bytes = 8192;
	fixture_open_log(&f);
	fill(&f);
	fixture_close_log(&f);
	copy_dir(f.path, image);
	rng_init(&rng, 4711);
	for (int round = 0; round < 250; round++) {
		FILE *list;
		int64_t size;

		copy_dir(image, f.path);
		snprintf(command, sizeof(command), "ls '%s'", f.path);
		list = popen(command, "r");
		assert_non_null(list);
		for (uint64_t n = rng_below(&rng, 24); fgets(name, sizeof(name), list) && n > 0;
		     n--)
			;
		pclose(list);
		name[strcspn(name, "\n")] = '\0';
		size = file_size(f.path, name);
		for (uint64_t n = rng_below(&rng, 4) + 1; size > 0 && n > 0; n--)
			change_byte(f.path, name, (int64_t)rng_below(&rng, (uint64_t)size));
		if (rng_below(&rng, 4) == 0)
			cut_file(f.path, name, (int64_t)rng_below(&rng, (uint64_t)size + 100));
		f.options.was_clean = rng_below(&rng, 2);
		f.options.recovery_point = (int64_t)rng_below(&rng, 400);
		if (fixture_try_open_log(&f) < 0) {
			f.log = NULL;
			continue;
		}
		for (int64_t offset = log_start_offset(f.log); offset < log_end_offset(f.log);
		     offset += 3) {
			struct log_read_result r;
			struct log_timestamp found;

			if (log_read(f.log, offset, 5000, true, log_end_offset(f.log), &r, NULL) ==
			    0)
				file_unref(r.records.file);
			(void)!log_find_timestamp(f.log, 1700000000000 + offset, INT64_MAX, &found,
						  NULL);
		}
		for (int i = 0; i < 30 && !log_is_offline(f.log); i++)
			append_ok(&f, (struct batch_spec){.count = 2, .value_len = 300});
		fixture_crash(&f);
	}
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn_tail_at_every_byte),
		cmocka_unit_test(test_damage_at_every_byte),
		cmocka_unit_test(test_recovery_equals_the_state_before),
		cmocka_unit_test(test_a_log_that_was_cut_below_its_checkpoint),
		cmocka_unit_test(test_a_log_that_begins_before_its_epochs),
		cmocka_unit_test(test_damage_in_the_middle_deletes_the_rest),
		cmocka_unit_test(test_lost_and_broken_side_files),
		cmocka_unit_test(test_leftovers_of_the_cleaner),
		cmocka_unit_test(test_log_start_beyond_the_end),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
