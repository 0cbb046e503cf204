/* Broken here: a log that was begun before Kafka 0.11 cannot be opened, is cut off, or loses
 * records when it is compacted. */
#include "log_fixture.h"

#include "log/cleaner.h"
#include "wire/old_batch.h"

#include <zlib.h>

#define T0 1690000000000

/* One message of version 0 or 1 behind what is in `out`. */
static void put_message(struct out *out, int magic, int64_t offset, int attributes,
			int64_t timestamp, const char *key, struct slice value)
{
	size_t at = out->len, key_len = key ? strlen(key) : 0;
	uint8_t bytes[34];

	put_be64(bytes, (uint64_t)offset);
	put_be32(bytes + 8, (uint32_t)(4 + 2 + (magic ? 8 : 0) + 8 + key_len + value.len));
	bytes[16] = (uint8_t)magic;
	bytes[17] = (uint8_t)attributes;
	put_be64(bytes + 18, (uint64_t)timestamp);
	out_bytes(out, bytes, magic ? 26 : 18);
	put_be32(bytes, key ? (uint32_t)key_len : UINT32_MAX);
	out_bytes(out, bytes, 4);
	out_bytes(out, key, key_len);
	put_be32(bytes, (uint32_t)value.len);
	out_bytes(out, bytes, 4);
	out_bytes(out, value.data, value.len);
	put_be32(out->data + at + 12,
		 (uint32_t)crc32_z(0, out->data + at + 16, out->len - at - 16));
}

static struct slice text(const char *s)
{
	return (struct slice){.data = (const uint8_t *)s, .len = strlen(s)};
}

/* The set in `inside` as one message at the offset of its last. */
static void put_wrapper(struct out *out, struct compressor *c, int magic, int64_t offset,
			int attributes, int64_t timestamp, const struct out *inside)
{
	struct out packed;

	out_init(&packed, 1 << 20);
	out_reserve(&packed, 4096);
	assert_int_equal(compress_bytes(c, COMPRESSION_GZIP, COMPRESSION_LEVEL_DEFAULT,
					inside->data, inside->len, &packed), 0);
	put_message(out, magic, offset, attributes | COMPRESSION_GZIP, timestamp, NULL,
		    (struct slice){.data = packed.data, .len = packed.len});
	out_fini(&packed);
}

/* Offsets 0 to 9 in every form; keys a, b, c by turns, values the offset. */
static void write_old_segment(struct fixture *f)
{
	struct compressor *c = compressor_new();
	struct out out, inside;
	char path[256];
	int fd;

	out_init(&out, 1 << 20);
	out_init(&inside, 1 << 20);
	put_message(&out, 0, 0, 0, 0, "a", text("0"));
	put_message(&out, 0, 1, 0, 0, "b", text("1"));
	/* Version 0 has the true offsets inside. */
	put_message(&inside, 0, 2, 0, 0, "c", text("2"));
	put_message(&inside, 0, 3, 0, 0, "a", text("3"));
	put_wrapper(&out, c, 0, 3, 0, 0, &inside);
	put_message(&out, 1, 4, 0, T0 + 4, "b", text("4"));
	/* Version 1 counts from 0. */
	out_reset(&inside);
	put_message(&inside, 1, 0, 0, T0 + 5, "c", text("5"));
	put_message(&inside, 1, 1, 0, T0 + 6, "a", text("6"));
	put_message(&inside, 1, 2, 0, T0 + 7, "b", text("7"));
	put_wrapper(&out, c, 1, 7, 0, T0 + 7, &inside);
	/* The broker's time is the wrapper's. */
	out_reset(&inside);
	put_message(&inside, 1, 0, 0, 1, "c", text("8"));
	put_message(&inside, 1, 1, 0, 2, "d", text("9"));
	put_wrapper(&out, c, 1, 9, BATCH_ATTR_LOG_APPEND_TIME, T0 + 100, &inside);
	assert_int_equal(mkdir(f->path, 0755), 0);
	snprintf(path, sizeof(path), "%s/00000000000000000000.log", f->path);
	fd = env_posix_ops.open(&f->env, path, ENV_WRITE | ENV_CREATE);
	assert_int_equal(env_write(&f->env, fd, out.data, out.len, 0), 0);
	close(fd);
	out_fini(&out);
	out_fini(&inside);
	compressor_free(c);
}

static void append_new(struct fixture *f)
{
	struct slice batch;
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct log_append request = {.leader_epoch = 3};
	struct log_append_info info;

	batch_builder_init(&bb, &options);
	assert_int_equal(batch_builder_add(&bb, f->now_ms, text("a"), text("10"), NULL, 0), 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	request.data = xmemdup(batch.data, batch.len);
	request.len = batch.len;
	assert_int_equal(log_append_leader(f->log, &request, &info, NULL), 0);
	assert_int_equal(info.error, KERR_NONE);
	assert_int_equal(info.first_offset, 10);
	free(request.data);
	slice_unref(&batch);
	batch_builder_fini(&bb);
}

/* What is there, as "offset:key=value@time" with times from T0. */
static char *contents(struct fixture *f)
{
	struct compressor *c = compressor_new();
	struct out out;
	int64_t next = 0;

	out_init(&out, 1 << 20);
	for (;;) {
		const uint8_t *at;
		struct slice bytes;
		struct batch b;
		size_t left;

		assert_int_equal(log_read_copy(f->log, next, 1, log_end_offset(f->log), &bytes,
					       NULL), 0);
		if (!bytes.data)
			break;
		at = bytes.data;
		left = bytes.len;
		while (batch_next_any(&b, &at, &left) == 1) {
			struct slice v2 = SLICE_NULL;
			struct record_iter it;
			struct record r;

			assert_true(batch_any_crc_ok(&b));
			next = batch_next_offset(&b);
			if (b.magic < BATCH_MAGIC) {
				assert_int_equal(old_batch_upgrade(&b, c, &v2), 0);
				assert_int_equal(batch_parse(&b, v2.data, v2.len), 0);
			}
			assert_int_equal(record_iter_init(&it, &b, c, 0), 0);
			while (record_next(&it, &r) == 1)
				out_printf(&out, "%d:%.*s=%.*s@%d ", (int)r.offset,
					   (int)r.key.len, (const char *)r.key.data,
					   (int)r.value.len, (const char *)r.value.data,
					   r.timestamp < 0 ? -1 : (int)((r.timestamp - T0) % 1000));
			slice_unref(&v2);
		}
		slice_unref(&bytes);
	}
	compressor_free(c);
	out_bytes(&out, "", 1);
	return (char *)out.data;
}

static void expect(struct fixture *f, const char *expected)
{
	char *found = contents(f);

	assert_string_equal(found, expected);
	free(found);
}

#define ALL_OLD                                                                              \
	"0:a=0@-1 1:b=1@-1 2:c=2@-1 3:a=3@-1 4:b=4@4 5:c=5@5 6:a=6@6 7:b=7@7 8:c=8@100 "     \
	"9:d=9@100 "

static void fixture_old(struct fixture *f)
{
	fixture_init(f);
	f->now_ms = T0 + 500;
	f->config.delete_retention_ms = 0;
	f->config.min_cleanable_dirty_ratio = 0;
	f->config.cleanup_compact = true;
	write_old_segment(f);
	fixture_open_log(f);
}

static void test_is_recovered_and_read(void **state UNUSED)
{
	struct log_timestamp found;
	struct log_read_result read;
	struct fixture f;

	fixture_old(&f);
	assert_int_equal(log_end_offset(f.log), 10);
	assert_int_equal(log_get_recovery(f.log)->truncated_bytes, 0);
	expect(&f, ALL_OLD);
	append_new(&f);
	expect(&f, ALL_OLD "10:a=10@500 ");
	/* A record inside a wrapper is found by its wrapper. */
	assert_int_equal(log_read(f.log, 6, 1, true, 11, &read, NULL), 0);
	assert_int_equal(read.first_offset, 7);
	file_unref(read.records.file);
	assert_int_equal(log_find_timestamp(f.log, T0 + 6, 11, &found, NULL), 0);
	assert_int_equal(found.offset, 6);
	assert_int_equal(found.leader_epoch, -1);
	assert_int_equal(log_find_timestamp(f.log, T0 + 8, 11, &found, NULL), 0);
	assert_int_equal(found.offset, 8);
	assert_int_equal(found.timestamp, T0 + 100);
	assert_int_equal(log_find_max_timestamp(f.log, &found, NULL), 0);
	assert_int_equal(found.offset, 10);
	fixture_close_log(&f);
	f.options.was_clean = true;
	f.options.recovery_point = 11;
	fixture_open_log(&f);
	expect(&f, ALL_OLD "10:a=10@500 ");
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* A torn or damaged set ends the log there, as others do. */
static void test_damage_is_cut_off(void **state UNUSED)
{
	for (int64_t pos = 12; pos < 34; pos++) {
		struct fixture f;
		char path[256];
		uint8_t byte;
		int fd;

		fixture_init(&f);
		write_old_segment(&f);
		snprintf(path, sizeof(path), "%s/00000000000000000000.log", f.path);
		fd = env_posix_ops.open(&f.env, path, ENV_WRITE);
		/* The second message, of 28 bytes as the first. */
		assert_int_equal(env_read(&f.env, fd, &byte, 1, 28 + pos % 28), 1);
		byte ^= 0x04;
		if (pos % 28 >= 12)
			assert_int_equal(env_write(&f.env, fd, &byte, 1, 28 + pos % 28), 0);
		close(fd);
		fixture_open_log(&f);
		assert_int_equal(log_end_offset(f.log), pos % 28 >= 12 ? 1 : 10);
		fixture_close_log(&f);
		fixture_fini(&f);
	}
}

static void test_is_compacted(void **state UNUSED)
{
	struct cleaner *c;
	struct fixture f;
	int rc;

	fixture_old(&f);
	append_new(&f);
	assert_int_equal(log_roll(f.log, NULL), 0);
	log_set_high_watermark(f.log, log_end_offset(f.log));
	c = cleaner_new(f.pool, NULL);
	assert_true(cleaner_ratio(f.log) > 0);
	cleaner_start(c, f.log);
	while ((rc = cleaner_step(c, 1 << 20)) > 0)
		;
	assert_int_equal(rc, 0);
	assert_int_equal(cleaner_get_stats(c)->uncleanable_logs, 0);
	expect(&f, "7:b=7@7 8:c=8@100 9:d=9@100 10:a=10@500 ");
	cleaner_free(c);
	fixture_close_log(&f);
	fixture_fini(&f);
}

/* A follower takes them as the leader has them; what was known of epochs ends there. */
static void test_is_replicated(void **state UNUSED)
{
	struct log_append_info info;
	struct fixture f, from;
	struct slice bytes;
	int64_t next = 0;

	fixture_old(&from);
	fixture_init(&f);
	fixture_open_log(&f);
	while (next < 10) {
		assert_int_equal(log_read_copy(from.log, next, 1, 10, &bytes, NULL), 0);
		assert_int_equal(log_append_follower(f.log, (uint8_t *)(uintptr_t)bytes.data,
						     bytes.len, 7, &info, NULL), 0);
		next = log_end_offset(f.log);
		slice_unref(&bytes);
	}
	expect(&f, ALL_OLD);
	assert_int_equal(log_latest_epoch(f.log), -1);
	fixture_close_log(&f);
	fixture_fini(&f);
	fixture_close_log(&from);
	fixture_fini(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_recovered_and_read),
		cmocka_unit_test(test_damage_is_cut_off),
		cmocka_unit_test(test_is_compacted),
		cmocka_unit_test(test_is_replicated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
