/* If these fail, lengths and record fields are read or written wrongly. */
#include "wire/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_unsigned(void **state)
{
	static const struct {
		uint32_t value;
		int len;
		uint8_t bytes[5];
	} rows[] = {
		{0, 1, {0}},
		{1, 1, {1}},
		{127, 1, {0x7f}},
		{128, 2, {0x80, 1}},
		{300, 2, {0xac, 2}},
		{16383, 2, {0xff, 0x7f}},
		{16384, 3, {0x80, 0x80, 1}},
		{UINT32_MAX, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}},
	};
	uint8_t bytes[VARLONG_BYTES_MAX];
	uint32_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(uvarint_write(bytes, rows[i].value), rows[i].len);
		assert_memory_equal(bytes, rows[i].bytes, (size_t)rows[i].len);
		assert_int_equal(uvarint_len(rows[i].value), rows[i].len);
		assert_int_equal(uvarint_read(&value, bytes, (size_t)rows[i].len), rows[i].len);
		assert_int_equal(value, rows[i].value);
		for (int len = 0; len < rows[i].len; len++)
			assert_int_equal(uvarint_read(&value, bytes, (size_t)len), 0);
	}
}

static void test_too_long(void **state)
{
	static const uint8_t endless[16] = {[0 ... 15] = 0x80};
	uint32_t value;
	uint64_t big;
	int64_t number;

	(void)state;
	assert_int_equal(uvarint_read(&value, endless, sizeof(endless)), -1);
	assert_int_equal(uvarint_read(&value, endless, 5), -1);
	assert_int_equal(uvarint_read(&value, endless, 4), 0);
	assert_int_equal(uvarlong_read(&big, endless, sizeof(endless)), -1);
	assert_int_equal(varlong_read(&number, endless, 9), 0);
}

static void test_signed(void **state)
{
	static const int64_t values[] = {0,   -1,        1,         -64,       63,       64,
					 -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
	uint8_t bytes[VARLONG_BYTES_MAX];
	int64_t number;
	int32_t small;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		int len = varlong_write(bytes, values[i]);

		assert_int_equal(varlong_len(values[i]), len);
		assert_int_equal(varlong_read(&number, bytes, sizeof(bytes)), len);
		assert_true(number == values[i]);
		if (values[i] != (int32_t)values[i])
			continue;
		assert_int_equal(varint_write(bytes, (int32_t)values[i]), len);
		assert_int_equal(varint_len((int32_t)values[i]), len);
		assert_int_equal(varint_read(&small, bytes, sizeof(bytes)), len);
		assert_int_equal(small, values[i]);
	}
	assert_int_equal(varint_write(bytes, -1), 1);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(varint_write(bytes, 64), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
