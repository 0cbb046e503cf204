/* If these fail, the log calls something durable that a power failure takes away.
 *
 * The disk of this test keeps only what was promised: a file has the bytes of its last fsync, a
 * directory the names of its last fsync. Everything else is gone after the failure. */
#include "log_fixture.h"

#include "base/rng.h"
#include "log/cleaner.h"

#include <dirent.h>
#include <fcntl.h>

struct power {
	struct fixture f;
	char durable[128];	/* contents, by inode */
	char (*names)[160];	/* of the partition directory at its last fsync */
	ino_t *inodes;
	unsigned count;
};

static struct power *power;

static void copy_bytes(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char bytes[8192];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static int power_fsync(struct env *env UNUSED, int fd)
{
	char from[64], to[256];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(to, sizeof(to), "%s/%lu", power->durable, (unsigned long)st.st_ino);
	copy_bytes(from, to);
	return 0;
}

/* A new file may get the inode of one that is gone: nothing of that one is promised for it. */
static int power_open(struct env *env, const char *path, unsigned flags)
{
	bool is_new = (flags & ENV_CREATE) && access(path, F_OK) != 0;
	int fd = env_posix_ops.open(env, path, flags);
	char durable[256];
	struct stat st;

	if (fd >= 0 && is_new) {
		assert_int_equal(fstat(fd, &st), 0);
		snprintf(durable, sizeof(durable), "%s/%lu", power->durable,
			 (unsigned long)st.st_ino);
		(void)unlink(durable);
	}
	return fd;
}

static int power_fsync_dir(struct env *env UNUSED, const char *path)
{
	struct dirent *d;
	DIR *dir;

	if (strcmp(path, power->f.path) != 0)
		return 0;
	dir = opendir(path);
	assert_non_null(dir);
	power->count = 0;
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		assert_true(power->count < 1000);
		snprintf(power->names[power->count], 160, "%.150s", d->d_name);
		power->inodes[power->count++] = d->d_ino;
	}
	closedir(dir);
	return 0;
}

/* The directory becomes what was promised. */
static void power_fails(void)
{
	char from[256], to[512], kept[128], path[512];

	fixture_crash(&power->f);
	snprintf(kept, sizeof(kept), "%s/kept", power->f.root);
	fixture_remove(kept);
	assert_int_equal(mkdir(kept, 0755), 0);
	for (unsigned i = 0; i < power->count; i++) {
		snprintf(from, sizeof(from), "%s/%lu", power->durable,
			 (unsigned long)power->inodes[i]);
		snprintf(to, sizeof(to), "%s/%s", kept, power->names[i]);
		if (access(from, F_OK) == 0)
			copy_bytes(from, to);
		else
			close(open(to, O_WRONLY | O_CREAT, 0644));
	}
	fixture_remove(power->f.path);
	assert_int_equal(rename(kept, power->f.path), 0);
	/* What is left is on the disk. */
	fixture_remove(power->durable);
	assert_int_equal(mkdir(power->durable, 0755), 0);
	power_fsync_dir(&power->f.env, power->f.path);
	for (unsigned i = 0; i < power->count; i++) {
		snprintf(path, sizeof(path), "%s/%s", power->f.path, power->names[i]);
		snprintf(to, sizeof(to), "%s/%lu", power->durable,
			 (unsigned long)power->inodes[i]);
		copy_bytes(path, to);
	}
}

static void power_init(void)
{
	power = xcalloc(1, sizeof(*power));
	fixture_init(&power->f);
	power->names = xcalloc(1000, sizeof(*power->names));
	power->inodes = xcalloc(1000, sizeof(*power->inodes));
	snprintf(power->durable, sizeof(power->durable), "%s/durable", power->f.root);
	assert_int_equal(mkdir(power->durable, 0755), 0);
	power->f.ops.open = power_open;
	power->f.ops.fsync = power_fsync;
	power->f.ops.fsync_dir = power_fsync_dir;
	power->f.config.segment_bytes = 4096;
}

static void power_fini(void)
{
	fixture_fini(&power->f);
	free(power->names);
	free(power->inodes);
	free(power);
}

/* Which offsets below `end` a reader of committed records leaves out, as a checksum. */
static uint64_t aborted_hash(struct fixture *f, int64_t end)
{
	uint64_t sum = 0;

	for (int64_t offset = log_start_offset(f->log); offset < end; offset++) {
		struct log_read_result r;
		struct log_aborted_txn *txns;
		struct arena arena;
		unsigned count;

		arena_init(&arena);
		assert_int_equal(log_read(f->log, offset, 1, true, log_end_offset(f->log), &r,
					  NULL), 0);
		assert_int_equal(log_aborted_txns(f->log, offset, &r, &arena, &txns, &count, NULL),
				 0);
		for (unsigned i = 0; i < count; i++)
			if (txns[i].first_offset <= r.first_offset)
				sum += (uint64_t)(txns[i].first_offset * 1000 + offset);
		file_unref(r.records.file);
		arena_fini(&arena);
	}
	return sum;
}

static void test_what_is_flushed_stays(void **state UNUSED)
{
	for (uint64_t seed = 1; seed <= 15; seed++) {
		int32_t sequences[2] = {0};
		int64_t flushed_marker = 0;
		uint64_t hash = 0;
		struct rng rng;
		struct fixture *f;

		power_init();
		f = &power->f;
		rng_init(&rng, seed);
		fixture_open_log(f);
		for (int i = 0; i < 150; i++) {
			int id = (int)rng_below(&rng, 2);

			append_ok(f, (struct batch_spec){.count = 2, .value_len = 100});
			append_ok(f, (struct batch_spec){.count = 1, .value_len = 50,
							 .producer_id = 1 + id,
							 .base_sequence = sequences[id]++,
							 .is_transactional = true});
			if (rng_below(&rng, 3) == 0)
				end_txn(f, 1 + id, 0, rng_below(&rng, 2));
			if (rng_below(&rng, 12) == 0) {
				/* Nothing is open: later markers do not speak of what is before. */
				end_txn(f, 1, 0, rng_below(&rng, 2));
				end_txn(f, 2, 0, rng_below(&rng, 2));
				assert_int_equal(log_flush(f->log, NULL), 0);
				assert_int_equal(log_recovery_point(f->log),
						 log_end_offset(f->log));
				flushed_marker = log_end_offset(f->log);
				hash = aborted_hash(f, flushed_marker);
			}
			if (rng_below(&rng, 30) > 0 || flushed_marker == 0)
				continue;
			f->options.recovery_point = log_recovery_point(f->log);
			assert_true(f->options.recovery_point >= flushed_marker);
			power_fails();
			f->options.high_watermark = INT64_MAX;
			fixture_open_log(f);
			assert_true(log_end_offset(f->log) >= f->options.recovery_point);
			assert_int_equal(read_all(f, 0), log_end_offset(f->log));
			assert_int_equal(aborted_hash(f, flushed_marker), hash);
			/* The sequences go on after what is there. */
			assert_int_equal(log_truncate_to(f->log, flushed_marker, NULL), 0);
			sequences[0] = sequences[1] = 0;
			assert_int_equal(log_truncate_fully(f->log, 0, NULL), 0);
			flushed_marker = 0;
		}
		power_fini();
	}
}

static void keyed(struct fixture *f, int key)
{
	char text[16];

	snprintf(text, sizeof(text), "key-%d", key);
	append_ok(f, (struct batch_spec){.count = 1, .value_len = 100, .key = text});
}

/* At every fsync of the cleaner: the newest value of each key is there after the failure. */
static void test_cleaner(void **state UNUSED)
{
	for (int steps = 1; steps < 100; steps += 3) {
		struct cleaner *c;
		struct fixture *f;
		int64_t end;

		power_init();
		f = &power->f;
		f->config.cleanup_compact = true;
		f->config.min_cleanable_dirty_ratio = 0;
		fixture_open_log(f);
		for (int i = 0; i < 200; i++)
			keyed(f, i % 2 ? 1000 + i : i % 10);
		assert_int_equal(log_roll(f->log, NULL), 0);
		assert_int_equal(log_flush(f->log, NULL), 0);
		end = log_end_offset(f->log);
		log_set_high_watermark(f->log, end);
		c = cleaner_new(f->pool, NULL);
		cleaner_start(c, f->log);
		for (int i = 0; i < steps; i++)
			assert_true(cleaner_step(c, 1000) >= 0);
		f->options.recovery_point = log_recovery_point(f->log);
		power_fails();
		fixture_open_log(f);
		assert_int_equal(log_end_offset(f->log), end);
		/* Every second record is the only one of its key. */
		for (int64_t offset = 1; offset < end; offset += 2) {
			struct log_read_result r;

			assert_int_equal(log_read(f->log, offset, 1, true, end, &r, NULL), 0);
			assert_int_equal(r.first_offset, offset);
			file_unref(r.records.file);
		}
		cleaner_free(c);
		power_fini();
	}
}

/* Epochs are written late, but not later than the records that they speak of. */
static void test_epochs(void **state UNUSED)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct batch_spec spec = {.count = 1, .value_len = 300};
		struct log_append_info info;
		struct fixture *f;
		struct rng rng;

		power_init();
		f = &power->f;
		rng_init(&rng, seed);
		fixture_open_log(f);
		assert_int_equal(log_flush(f->log, NULL), 0);
		for (int i = 0; i < 60; i++) {
			if (i % 5 == 0)
				assert_int_equal(log_assign_epoch(f->log, 1 + i / 5, i, NULL), 0);
			assert_int_equal(append_as(f, &spec, 1 + i / 5, LOG_ORIGIN_CLIENT, &info),
					 0);
			if (rng_below(&rng, 15) == 0)
				assert_int_equal(log_flush(f->log, NULL), 0);
			if (i > 20 && rng_below(&rng, 20) == 0)
				break;
		}
		f->options.recovery_point = log_recovery_point(f->log);
		power_fails();
		fixture_open_log(f);
		assert_true(log_end_offset(f->log) >= f->options.recovery_point);
		for (int64_t offset = 0; offset < log_end_offset(f->log); offset++)
			assert_int_equal(log_epoch_at(f->log, offset), 1 + offset / 5);
		power_fini();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_flushed_stays),
		cmocka_unit_test(test_cleaner),
		cmocka_unit_test(test_epochs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
