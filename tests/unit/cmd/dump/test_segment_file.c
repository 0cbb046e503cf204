/* If these fail: what reads the files of a log directory sees other batches than are there, or
 * trusts what a damaged file says. */
#include "unit/support.h"

#include "cmd/dump/json_text.h"
#include "cmd/dump/segment_file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct err err;
static char path[64];

/* A batch of one record with a value of `len` bytes. */
static struct slice batch_of(int64_t base_offset, size_t len)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct slice batch;
	uint8_t *value = xcalloc(1, len + 1);

	options.base_offset = base_offset;
	batch_builder_init(&bb, &options);
	assert_int_equal(batch_builder_add(&bb, 1000, SLICE_NULL,
					   (struct slice){.data = value, .len = len}, NULL, 0),
			 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	batch_builder_fini(&bb);
	free(value);
	return batch;
}

static void file_start(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/kavka-segment-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

static void file_add(const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void file_add_batch(int64_t base_offset, size_t len)
{
	struct slice batch = batch_of(base_offset, len);

	file_add(batch.data, batch.len);
	slice_unref(&batch);
}

/* Batches larger than the window, and headers read for themselves, end where they should. */
static void test_all_batches(void **state)
{
	static const size_t sizes[] = {10, 3 * 1024 * 1024, 0, 200000, 900000, 1};
	struct segment_file f;
	struct batch b;

	(void)state;
	file_start();
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
		file_add_batch(i, sizes[i]);
	assert_int_equal(segment_file_open(&f, path, &err), 0);
	for (unsigned round = 0; round < 2; round++) {
		int64_t pos = 0;

		assert_int_equal(segment_file_seek(&f, 0, -1, &err), 0);
		for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
			assert_int_equal(round ? segment_file_next_header(&f, &b, &err)
					       : segment_file_next(&f, &b, &err),
					 1);
			assert_int_equal(b.base_offset, i);
			assert_int_equal(f.batch_pos, pos);
			pos += (int64_t)b.size_bytes;
			if (round == 0)
				assert_true(segment_batch_is_valid(&b));
			else
				assert_null(b.data);
		}
		assert_int_equal(segment_file_next(&f, &b, &err), 0);
		assert_int_equal(f.pos, f.end);
	}
	segment_file_close(&f);
	unlink(path);
}

/* Half a batch at the end is no batch, at whatever byte it was cut. */
static void test_cut(void **state)
{
	struct segment_file f;
	struct batch b;
	int64_t whole;

	(void)state;
	file_start();
	file_add_batch(0, 5);
	assert_int_equal(segment_file_open(&f, path, &err), 0);
	whole = f.size_bytes;
	segment_file_close(&f);
	file_add_batch(1, 5);
	for (int64_t size = 2 * whole - 1; size >= whole; size--) {
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(segment_file_open(&f, path, &err), 0);
		assert_int_equal(segment_file_next(&f, &b, &err), 1);
		assert_int_equal(segment_file_next(&f, &b, &err), 0);
		assert_int_equal(f.pos, whole);
		segment_file_close(&f);
	}
	unlink(path);
}

static void test_what_is_no_batch(void **state)
{
	static const uint8_t zeroes[100], wrong_magic[100] = {[11] = 80, [16] = 3},
					  short_one[100] = {[11] = 20, [16] = 2};
	static const struct {
		const uint8_t *data;
		const char *why;
	} cases[] = {{zeroes, "Found record size 0 smaller than minimum record overhead (14) in "
			      "file "},
		     {wrong_magic, "is no record batch (magic 3, 92 bytes)"},
		     {short_one, "is no record batch (magic 2, 32 bytes)"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct segment_file f;
		struct batch b;

		file_start();
		file_add(cases[i].data, 100);
		assert_int_equal(segment_file_open(&f, path, &err), 0);
		assert_int_equal(segment_file_next(&f, &b, &err), E_CORRUPT);
		assert_non_null(strstr(err.text, cases[i].why));
		assert_int_equal(f.pos, 0);
		assert_int_equal(segment_file_seek(&f, 101, -1, &err), E_OFFSET_RANGE);
		segment_file_close(&f);
		unlink(path);
	}
	assert_int_equal(segment_file_open(&(struct segment_file){0}, "/nosuch", &err), -ENOENT);
	assert_int_equal(segment_file_open(&(struct segment_file){0}, "/tmp", &err), -EISDIR);
}

/* As Jackson writes it: numbers of Java, escapes with capital letters, UTF-8 as it is. */
static void test_json_text(void **state)
{
	json_t *json = json_pack("{s:f, s:f, s:i, s:n, s:[b,b], s:s}", "a", 0.1, "b", 1e10, "c", -7,
				 "d", "e", 1, 0, "f", "\x01\x1f\n\"\\/\xc3\xa4");
	struct out out;

	(void)state;
	out_init(&out, 4096);
	json_text(&out, json);
	out_byte(&out, 0);
	assert_string_equal((char *)out.data,
			    "{\"a\":0.1,\"b\":1.0E10,\"c\":-7,\"d\":null,\"e\":[true,false],"
			    "\"f\":\"\\u0001\\u001F\\n\\\"\\\\/\xc3\xa4\"}");
	out_fini(&out);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_batches),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_what_is_no_batch),
		cmocka_unit_test(test_json_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
