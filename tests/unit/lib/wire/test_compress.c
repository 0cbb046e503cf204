/* If these fail, records of other clients cannot be read, or a bomb grows beyond its bound. */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/compress.h"
#include "wire/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const enum compression packed_codecs[] = {COMPRESSION_GZIP, COMPRESSION_SNAPPY,
						 COMPRESSION_LZ4, COMPRESSION_ZSTD};

static void test_crc_vectors(void **state UNUSED)
{
	uint8_t zeros[32] = {0};

	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(crc32c("", 0), 0);
	assert_int_equal(crc32c_more(crc32c("1234", 4), "56789", 5), 0xe3069283);
}

/* Text that compresses, then noise that does not. */
static uint8_t *sample(size_t len, uint64_t seed)
{
	uint8_t *data = xmalloc(len);
	struct rng rng;

	rng_init(&rng, seed);
	rng_fill(&rng, data, len);
	for (size_t i = 0; i < len * 3 / 4; i++)
		data[i] = (uint8_t)("jackdaw "[i % 8]);
	return data;
}

static void test_round_trips(void **state UNUSED)
{
	static const size_t sizes[] = {0, 1, 100, 32768, 32769, 65536, 65537, 3000000};
	struct compressor *c = compressor_new();
	struct out out;

	out_init(&out, SIZE_MAX / 2);
	for (size_t i = 0; i < ARRAY_LEN(packed_codecs); i++) {
		for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
			uint8_t *data = sample(sizes[s], s + 1);
			struct slice back;

			out_reset(&out);
			assert_int_equal(compress_bytes(c, packed_codecs[i],
							COMPRESSION_LEVEL_DEFAULT, data, sizes[s],
							&out), 0);
			if (sizes[s] > 30000)
				assert_true(out.len < sizes[s]);
			assert_int_equal(decompress_bytes(c, packed_codecs[i], out.data, out.len,
							  sizes[s], &back), 0);
			assert_int_equal(back.len, sizes[s]);
			assert_memory_equal(back.data, data, sizes[s]);
			if (sizes[s])
				assert_int_equal(decompress_bytes(c, packed_codecs[i], out.data,
								  out.len, sizes[s] - 1, &back),
						 E_TOO_LARGE);
			free(data);
		}
	}
	out_fini(&out);
	compressor_free(c);
}

static void test_every_level(void **state UNUSED)
{
	static const int zstd_levels[] = {-131072, -5, 1, 3, 9};
	struct compressor *c = compressor_new();
	uint8_t *data = sample(20000, 5);
	struct slice back;
	struct out out;

	out_init(&out, SIZE_MAX / 2);
	for (size_t i = 0; i < ARRAY_LEN(packed_codecs); i++) {
		for (int n = 0; n < 20; n++) {
			int level = packed_codecs[i] == COMPRESSION_ZSTD
					    ? zstd_levels[n % (int)ARRAY_LEN(zstd_levels)] : n;

			out_reset(&out);
			assert_int_equal(compress_bytes(c, packed_codecs[i], level, data, 20000,
							&out), 0);
			assert_int_equal(decompress_bytes(c, packed_codecs[i], out.data, out.len,
							  20000, &back), 0);
			assert_memory_equal(back.data, data, 20000);
		}
	}
	assert_true(compression_level_valid(COMPRESSION_LZ4, 17, NULL, NULL));
	assert_false(compression_level_valid(COMPRESSION_LZ4, 18, NULL, NULL));
	assert_true(compression_level_valid(COMPRESSION_GZIP, -1, NULL, NULL));
	assert_false(compression_level_valid(COMPRESSION_GZIP, 0, NULL, NULL));
	free(data);
	out_fini(&out);
	compressor_free(c);
}

/* What others write: snappy without the stream header, gzip members behind each other. */
static void test_other_framings(void **state UNUSED)
{
	static const uint8_t raw_snappy[] = {5, 4 << 2, 'h', 'e', 'l', 'l', 'o'};
	static const uint8_t stream_snappy[] = {
		0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
		0, 0, 0, 7, 5, 4 << 2, 'h', 'e', 'l', 'l', 'o',
		0, 0, 0, 3, 1, 0, '!',
	};
	struct compressor *c = compressor_new();
	struct slice back;
	struct out out;

	assert_int_equal(decompress_bytes(c, COMPRESSION_SNAPPY, raw_snappy, sizeof(raw_snappy),
					  100, &back), 0);
	assert_int_equal(back.len, 5);
	assert_memory_equal(back.data, "hello", 5);
	assert_int_equal(decompress_bytes(c, COMPRESSION_SNAPPY, stream_snappy,
					  sizeof(stream_snappy), 100, &back), 0);
	assert_int_equal(back.len, 6);
	assert_memory_equal(back.data, "hello!", 6);
	out_init(&out, 1000000);
	assert_int_equal(compress_bytes(c, COMPRESSION_GZIP, 1, "ab", 2, &out), 0);
	assert_int_equal(compress_bytes(c, COMPRESSION_GZIP, 9, "cd", 2, &out), 0);
	assert_int_equal(decompress_bytes(c, COMPRESSION_GZIP, out.data, out.len, 100, &back), 0);
	assert_int_equal(back.len, 4);
	assert_memory_equal(back.data, "abcd", 4);
	out_fini(&out);
	compressor_free(c);
}

/* Java's reader wants FLG 0x60, BD 0x40 and the header checksum of exactly those. */
static void test_lz4_frame(void **state UNUSED)
{
	static const uint8_t header[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};
	struct compressor *c = compressor_new();
	struct slice back;
	struct out out;

	out_init(&out, 1000000);
	assert_int_equal(compress_bytes(c, COMPRESSION_LZ4, COMPRESSION_LEVEL_DEFAULT, "abc", 3,
					&out), 0);
	assert_memory_equal(out.data, header, sizeof(header));
	assert_int_equal(decompress_bytes(c, COMPRESSION_LZ4, out.data, out.len, 100, &back), 0);
	out.data[4] = 0x40;	/* linked blocks */
	assert_int_equal(decompress_bytes(c, COMPRESSION_LZ4, out.data, out.len, 100, &back),
			 E_MALFORMED);
	out.data[4] = 0x60;
	out_bytes(&out, header, sizeof(header));	/* a second frame */
	assert_int_equal(decompress_bytes(c, COMPRESSION_LZ4, out.data, out.len, 100, &back),
			 E_MALFORMED);
	out_fini(&out);
	compressor_free(c);
}

static void test_cut_at_every_length(void **state UNUSED)
{
	struct compressor *c = compressor_new();
	uint8_t *data = sample(1000, 9);
	struct slice back;
	struct out out;

	out_init(&out, 1000000);
	for (size_t i = 0; i < ARRAY_LEN(packed_codecs); i++) {
		out_reset(&out);
		assert_int_equal(compress_bytes(c, packed_codecs[i], COMPRESSION_LEVEL_DEFAULT,
						data, 1000, &out), 0);
		for (size_t len = 0; len < out.len; len++) {
			uint8_t *cut = xmemdup(out.data, len);	/* so that ASan sees its end */
			int rc = decompress_bytes(c, packed_codecs[i], cut, len, 2000, &back);

			if (packed_codecs[i] == COMPRESSION_SNAPPY && len == 16)
				assert_int_equal(rc, 0);	/* a stream without blocks */
			else if (packed_codecs[i] == COMPRESSION_ZSTD && len == 0)
				assert_int_not_equal(rc, E_TOO_LARGE);
			else
				assert_int_equal(rc, E_MALFORMED);
			free(cut);
		}
	}
	assert_int_equal(decompress_bytes(c, 5, data, 10, 100, &back), E_UNSUPPORTED);
	free(data);
	out_fini(&out);
	compressor_free(c);
}

static void test_bombs_end_at_the_bound(void **state UNUSED)
{
	size_t len = 64 * 1024 * 1024;
	uint8_t *zeros = xcalloc(1, len);
	struct compressor *c = compressor_new();
	struct slice back;
	struct out out;

	out_init(&out, len * 2);
	for (size_t i = 0; i < ARRAY_LEN(packed_codecs); i++) {
		out_reset(&out);
		assert_int_equal(compress_bytes(c, packed_codecs[i], COMPRESSION_LEVEL_DEFAULT,
						zeros, len, &out), 0);
		assert_int_equal(decompress_bytes(c, packed_codecs[i], out.data, out.len,
						  1024 * 1024, &back), E_TOO_LARGE);
	}
	/* A raw snappy block that claims 4 GiB. */
	assert_int_equal(decompress_bytes(c, COMPRESSION_SNAPPY, "\xff\xff\xff\xff\x0f" "a", 6,
					  SIZE_MAX / 2, &back), E_MALFORMED);
	out_fini(&out);
	compressor_free(c);
	free(zeros);
}

static void test_names(void **state UNUSED)
{
	enum compression codec;

	assert_int_equal(compression_parse(STR_LIT("zstd"), &codec), 0);
	assert_int_equal(codec, COMPRESSION_ZSTD);
	assert_int_equal(compression_parse(STR_LIT("brotli"), &codec), E_INVALID);
	assert_string_equal(compression_name(COMPRESSION_LZ4), "lz4");
	assert_null(compression_name(5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_vectors),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_every_level),
		cmocka_unit_test(test_other_framings),
		cmocka_unit_test(test_lz4_frame),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_bombs_end_at_the_bound),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
