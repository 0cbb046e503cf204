/* If these fail, compaction loses the newest value of a key, or brings back an old or aborted
 * one. */
#include "log_fixture.h"

#include "base/rng.h"
#include "log/cleaner.h"
#include "unit/broker/cold_disk.h"

#define KEYS 40

/* The value that each key has at the end of the log, as a reader of committed records sees it. */
struct model {
	int32_t value[KEYS];	/* 0: none, -1: tombstone */
	int64_t offset[KEYS];
};

static struct slice key_of(int key, char text[16])
{
	return (struct slice){.data = (const uint8_t *)text,
			      .len = (size_t)snprintf(text, 16, "key-%d", key)};
}

/* Appends one batch with these pairs; value -1 is a tombstone. */
static void put(struct fixture *f, struct model *m, const int *keys, const int32_t *values,
		int count, enum compression codec, int64_t producer_id, int32_t sequence)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct log_append request = {.leader_epoch = 1};
	struct log_append_info info;
	struct slice out;

	options.codec = codec;
	if (producer_id) {
		options.producer_id = producer_id;
		options.producer_epoch = 0;
		options.base_sequence = sequence;
		options.is_transactional = true;
	}
	batch_builder_init(&bb, &options);
	for (int i = 0; i < count; i++) {
		char key[16], value[32];
		struct slice v = {.data = (const uint8_t *)value};

		v.len = (size_t)snprintf(value, sizeof(value), "%d............", values[i]);
		assert_int_equal(batch_builder_add(&bb, f->now_ms, key_of(keys[i], key),
						   values[i] < 0 ? SLICE_NULL : v, NULL, 0), 0);
	}
	assert_int_equal(batch_builder_finish(&bb, log_pool_compressor(f->pool), &out), 0);
	request.data = xmemdup(out.data, out.len);
	request.len = out.len;
	assert_int_equal(log_append_leader(f->log, &request, &info, NULL), 0);
	assert_int_equal(info.error, KERR_NONE);
	for (int i = 0; m && i < count; i++) {
		m->value[keys[i]] = values[i];
		m->offset[keys[i]] = info.first_offset + i;
	}
	free(request.data);
	slice_unref(&out);
	batch_builder_fini(&bb);
}

/* Reads the whole log as a consumer of committed records would, from the stored batches. */
static int64_t read_model(struct fixture *f, struct model *m, int64_t *tombstones)
{
	int64_t next = log_start_offset(f->log), count = 0, end = log_end_offset(f->log);

	*tombstones = 0;
	memset(m, 0, sizeof(*m));
	while (next < end) {
		struct log_read_result r;
		struct log_aborted_txn *txns;
		struct arena arena;
		struct slice bytes;
		const uint8_t *at;
		unsigned txn_count;
		struct batch b;
		size_t left;

		arena_init(&arena);
		assert_int_equal(log_read(f->log, next, 1, true, end, &r, NULL), 0);
		if (!r.records.file) {
			arena_fini(&arena);
			break;
		}
		assert_int_equal(log_aborted_txns(f->log, r.first_offset, &r, &arena, &txns,
						  &txn_count, NULL), 0);
		assert_int_equal(log_read_range(f->log, &r.records, &bytes, NULL), 0);
		at = bytes.data;
		left = bytes.len;
		while (batch_next(&b, &at, &left) == 1) {
			struct record_iter it;
			struct record record;
			bool aborted = false;

			assert_true(batch_crc_ok(&b));
			assert_int_equal(b.partition_leader_epoch, 1);
			next = batch_next_offset(&b);
			/* Every batch is read on its own here: those listed for it and begun by it
			 * are open at this point, as no marker lies between. */
			for (unsigned t = 0; t < txn_count; t++)
				aborted |= batch_is_transactional(&b) &&
					   txns[t].producer_id == b.producer_id &&
					   txns[t].first_offset <= b.base_offset;
			assert_int_equal(record_iter_init(&it, &b, log_pool_compressor(f->pool), 0),
					 0);
			while (record_next(&it, &record) == 1) {
				int key;

				if (batch_is_control(&b))
					continue;
				count++;
				if (aborted)
					continue;
				assert_int_equal(sscanf((const char *)record.key.data, "key-%d",
							&key), 1);
				m->offset[key] = record.offset;
				m->value[key] = -1;
				*tombstones += !record.value.data;
				if (record.value.data) {
					char text[32] = {0};

					memcpy(text, record.value.data, record.value.len);
					m->value[key] = (int32_t)strtol(text, NULL, 10);
				}
			}
		}
		slice_unref(&bytes);
		arena_fini(&arena);
	}
	return count;
}

static void check_model(struct fixture *f, const struct model *expected, bool tombstones_gone)
{
	struct model found;
	int64_t tombstones;

	read_model(f, &found, &tombstones);
	for (int i = 0; i < KEYS; i++) {
		if (expected->value[i] <= 0 && tombstones_gone)
			assert_true(found.value[i] <= 0);
		else
			assert_int_equal(found.value[i], expected->value[i]);
		if (expected->value[i] > 0)
			assert_int_equal(found.offset[i], expected->offset[i]);
	}
}

static void fixture_compacted(struct fixture *f)
{
	fixture_init(f);
	f->config.segment_bytes = 2048;
	f->config.cleanup_compact = true;
	f->config.cleanup_delete = false;
	f->config.min_cleanable_dirty_ratio = 0;
	f->config.delete_retention_ms = 1000;
	fixture_open_log(f);
}

static void clean(struct fixture *f, struct cleaner *c, size_t step_bytes)
{
	int steps = 0, rc;

	assert_true(cleaner_ratio(f->log) >= 0);
	cleaner_start(c, f->log);
	while ((rc = cleaner_step(c, step_bytes)) == 1)
		assert_true(++steps < 100000);
	assert_int_equal(rc, 0);
	assert_true(cleaner_is_idle(c));
	log_check(f->log);
}

static void all_committed(struct fixture *f)
{
	assert_int_equal(log_roll(f->log, NULL), 0);
	log_set_high_watermark(f->log, log_end_offset(f->log));
}

static void test_newest_value_stays(void **state UNUSED)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct fixture f;
		struct model m = {0}, found;
		struct cleaner *c;
		struct rng rng;
		int64_t tombstones, count;

		rng_init(&rng, seed);
		fixture_compacted(&f);
		c = cleaner_new(f.pool, NULL);
		for (int round = 0; round < 4; round++) {
			for (int i = 0; i < 150; i++) {
				int keys[4];
				int32_t values[4];
				int n = 1 + (int)rng_below(&rng, 4);

				for (int k = 0; k < n; k++) {
					keys[k] = (int)rng_below(&rng, KEYS);
					values[k] = rng_below(&rng, 5) ? 1 + i + round * 1000 : -1;
				}
				put(&f, &m, keys, values, n,
				    (enum compression)rng_below(&rng, COMPRESSION_COUNT), 0, 0);
				f.now_ms += 10;
			}
			all_committed(&f);
			clean(&f, c, seed % 2 ? 1 << 20 : 700);
			/* As the cleaner's round began before the retention of tombstones. */
			check_model(&f, &m, round > 0);
			count = read_model(&f, &found, &tombstones);
			assert_true(count <= KEYS * 2);
			assert_int_equal(log_cleaner_offset(f.log), log_end_offset(f.log));
			assert_true(cleaner_ratio(f.log) < 0);
			if (seed % 3 == 0) {
				f.options.cleaner_offset = log_cleaner_offset(f.log);
				f.options.high_watermark = log_end_offset(f.log);
				fixture_crash(&f);
				fixture_open_log(&f);
				check_model(&f, &m, round > 0);
			}
		}
		assert_true(cleaner_get_stats(c)->dropped_records > 0);
		fixture_close_log(&f);
		f.options.was_clean = true;
		fixture_open_log(&f);
		check_model(&f, &m, true);
		fixture_close_log(&f);
		cleaner_free(c);
		fixture_fini(&f);
	}
}

static void test_tombstones_live_for_their_time(void **state UNUSED)
{
	struct fixture f;
	struct model found;
	struct cleaner *c;
	int64_t tombstones;
	int key = 3;
	int32_t value = 1;

	fixture_compacted(&f);
	c = cleaner_new(f.pool, NULL);
	put(&f, NULL, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	value = -1;
	put(&f, NULL, &key, &value, 1, COMPRESSION_GZIP, 0, 0);
	all_committed(&f);
	clean(&f, c, 1 << 20);
	read_model(&f, &found, &tombstones);
	assert_int_equal(tombstones, 1);
	f.now_ms += 999;
	key = 4;
	value = 7;
	put(&f, NULL, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	all_committed(&f);
	clean(&f, c, 1 << 20);
	read_model(&f, &found, &tombstones);
	assert_int_equal(tombstones, 1);
	assert_int_equal(found.offset[3], 1);
	f.now_ms += 1;
	value = 8;
	put(&f, NULL, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	all_committed(&f);
	clean(&f, c, 1 << 20);
	read_model(&f, &found, &tombstones);
	assert_int_equal(tombstones, 0);
	assert_int_equal(found.value[4], 8);
	fixture_close_log(&f);
	cleaner_free(c);
	fixture_fini(&f);
}

static void test_transactions(void **state UNUSED)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct fixture f;
		struct model m = {0};
		struct cleaner *c;
		struct rng rng;
		int32_t sequences[3] = {0};

		rng_init(&rng, seed + 100);
		fixture_compacted(&f);
		c = cleaner_new(f.pool, NULL);
		for (int round = 0; round < 4; round++) {
			for (int i = 0; i < 60; i++) {
				int64_t id = 1 + (int64_t)rng_below(&rng, 3);
				struct model before = m;
				bool commit = rng_below(&rng, 2);
				int batches = 1 + (int)rng_below(&rng, 3);

				for (int b = 0; b < batches; b++) {
					int key = (int)rng_below(&rng, KEYS);
					int32_t value = 1 + i + round * 1000;

					put(&f, &m, &key, &value, 1, COMPRESSION_NONE, id,
					    sequences[id - 1]++);
					if (rng_below(&rng, 3) == 0) {
						key = (int)rng_below(&rng, KEYS);
						value = 500000 + i;
						put(&f, commit ? &m : &before, &key, &value, 1,
						    COMPRESSION_NONE, 0, 0);
					}
				}
				end_txn(&f, id, 0, commit);
				if (!commit)
					m = before;
				f.now_ms += 10;
			}
			log_set_high_watermark(f.log, log_end_offset(f.log));
			if (seed % 2)
				all_committed(&f);
			clean(&f, c, 1000);
			check_model(&f, &m, false);
			f.now_ms += 2000;
		}
		/* Sequences go on where they were: the last batches were kept. */
		f.options.high_watermark = log_end_offset(f.log);
		fixture_crash(&f);
		fixture_open_log(&f);
		check_model(&f, &m, false);
		for (int64_t id = 1; id <= 3; id++) {
			int key = 1;
			int32_t value = 42;

			put(&f, NULL, &key, &value, 1, COMPRESSION_NONE, id, sequences[id - 1]);
		}
		fixture_close_log(&f);
		cleaner_free(c);
		fixture_fini(&f);
	}
}

/* The data is below what may be cleaned, its abort marker is not. */
static void test_aborted_by_a_later_segment(void **state UNUSED)
{
	struct fixture f;
	struct model m = {0};
	struct cleaner *c;
	int key = 1;
	int32_t value = 11;

	fixture_compacted(&f);
	c = cleaner_new(f.pool, NULL);
	put(&f, &m, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	value = 12;
	put(&f, NULL, &key, &value, 1, COMPRESSION_NONE, 5, 0);
	assert_int_equal(log_roll(f.log, NULL), 0);
	end_txn(&f, 5, 0, false);
	log_set_high_watermark(f.log, log_end_offset(f.log));
	clean(&f, c, 1 << 20);
	check_model(&f, &m, false);
	fixture_close_log(&f);
	cleaner_free(c);
	fixture_fini(&f);
}

static void put_many(struct fixture *f, struct model *m, int count)
{
	for (int i = 0; i < count; i++) {
		int key = i % KEYS;
		int32_t value = i + 1;

		put(f, m, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	}
	all_committed(f);
}

static void test_rounds_that_are_given_up(void **state UNUSED)
{
	struct fixture f;
	struct model m = {0};
	struct cleaner *c;

	fixture_compacted(&f);
	c = cleaner_new(f.pool, NULL);
	put_many(&f, &m, 300);
	for (int steps = 0; steps < 40; steps++) {
		cleaner_start(c, f.log);
		for (int i = 0; i < steps; i++)
			assert_true(cleaner_step(c, 900) >= 0);
		cleaner_forget(c, f.log);
		assert_true(cleaner_is_idle(c));
		check_model(&f, &m, false);
		log_check(f.log);
	}
	/* Truncation and closing end it by themselves. */
	put_many(&f, &m, 100);
	cleaner_start(c, f.log);
	assert_int_equal(cleaner_step(c, 100), 1);
	assert_int_equal(log_truncate_to(f.log, 399, NULL), 0);
	assert_true(cleaner_is_idle(c));
	put_many(&f, &m, 100);
	cleaner_start(c, f.log);
	assert_int_equal(cleaner_step(c, 100), 1);
	fixture_close_log(&f);
	assert_true(cleaner_is_idle(c));
	cleaner_free(c);
	fixture_fini(&f);
}

/* Fails the n-th rename, write, fsync, ...: after a restart the newest values are there. */
static void fail_every(enum fault fault)
{
	for (int n = 1; n < 500; n++) {
		struct fixture f;
		struct model m = {0};
		struct cleaner *c;
		int rc, calls;

		fixture_compacted(&f);
		c = cleaner_new(f.pool, NULL);
		put_many(&f, &m, 120);
		f.fault = fault;
		f.calls = 0;
		f.fail_at = n;
		f.fail_short = true;
		cleaner_start(c, f.log);
		while ((rc = cleaner_step(c, 4096)) == 1)
			;
		calls = f.calls;
		f.fault = FAULT_NONE;
		if (rc < 0) {
			assert_int_equal(rc, E_OFFLINE);
			assert_int_equal(f.failed_count, 1);
			assert_true(cleaner_is_idle(c));
		}
		fixture_crash(&f);
		fixture_open_log(&f);
		assert_int_equal(log_end_offset(f.log), 120);
		check_model(&f, &m, false);
		fixture_close_log(&f);
		cleaner_free(c);
		fixture_fini(&f);
		if (calls < n) {
			assert_int_equal(rc, 0);
			assert_true(n > 1);
			return;
		}
	}
	fail();
}

static void test_every_fault(void **state UNUSED)
{
	fail_every(FAULT_WRITE);
	fail_every(FAULT_FSYNC);
	fail_every(FAULT_RENAME);
	fail_every(FAULT_OPEN);
}

static void test_small_map_takes_more_rounds(void **state UNUSED)
{
	struct fixture f;
	struct model m = {0};
	struct cleaner *c;
	int rounds = 0;

	fixture_compacted(&f);
	c = cleaner_new(f.pool, &(struct cleaner_options){.dedupe_bytes = 16 * 24});
	for (int i = 0; i < 200; i++) {
		int key = (i * 7) % KEYS;
		int32_t value = i + 1;

		put(&f, &m, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	}
	all_committed(&f);
	while (cleaner_ratio(f.log) >= 0) {
		clean(&f, c, 1 << 20);
		check_model(&f, &m, false);
		assert_true(++rounds < 100);
	}
	assert_true(rounds > 3);
	fixture_close_log(&f);
	cleaner_free(c);
	fixture_fini(&f);
}

/* Also after a start, when nothing of the log is in memory. */
static void test_a_cold_log_does_not_stop_the_shard(void **state UNUSED)
{
	struct fixture f;
	struct model m = {0};
	struct cleaner *c;
	unsigned waits = 0;
	int rc;

	fixture_compacted(&f);
	cold_disk_start(&f.ops);
	for (int i = 0; i < 2000; i++) {
		int key = (i * 7) % KEYS;
		int32_t value = i + 1;

		put(&f, &m, &key, &value, 1, COMPRESSION_NONE, 0, 0);
	}
	all_committed(&f);
	while (cold_disk_work())
		;
	f.options.was_clean = true;
	f.options.high_watermark = f.options.recovery_point = log_end_offset(f.log);
	fixture_close_log(&f);
	while (cold_disk_work())
		;
	fixture_open_log(&f);
	cold_disk_chill();
	c = cleaner_new(f.pool, NULL);
	assert_true(cleaner_ratio(f.log) >= 0);
	cleaner_start(c, f.log);
	while ((rc = cleaner_step(c, 1 << 20)) > 0) {
		if (rc != CLEANER_WAITS)
			continue;
		assert_int_equal(cleaner_step(c, 1 << 20), CLEANER_WAITS);
		assert_true(cold_disk_work());
		waits++;
	}
	assert_int_equal(rc, 0);
	assert_true(waits > 1);
	assert_int_equal(cold_disk.blocked_count, 0);
	check_model(&f, &m, false);
	/* One that goes while the disk reads. */
	put(&f, &m, &(int){1}, &(int32_t){1}, 1, COMPRESSION_NONE, 0, 0);
	all_committed(&f);
	cold_disk_chill();
	cleaner_start(c, f.log);
	assert_int_equal(cleaner_step(c, 1 << 20), CLEANER_WAITS);
	cleaner_free(c);
	assert_true(cold_disk_work());
	fixture_close_log(&f);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_value_stays),
		cmocka_unit_test(test_tombstones_live_for_their_time),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_aborted_by_a_later_segment),
		cmocka_unit_test(test_rounds_that_are_given_up),
		cmocka_unit_test(test_every_fault),
		cmocka_unit_test(test_small_map_takes_more_rounds),
		cmocka_unit_test(test_a_cold_log_does_not_stop_the_shard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
