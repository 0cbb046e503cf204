/* Records of one key must go where Java's producer puts them. */
#include "client/producer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	const char *key;
	int32_t hash;		/* signed, as Java prints it */
	int32_t partition_of_10;
} vectors[] = {
	{"", 275646681, 1},
	{"21", -973932308, 0},
	{"abc", 479470107, 7},
	{"foobar", -790332482, 6},
	{"a-little-bit-long-string", -985981536, 2},
	{"a-little-bit-longer-string", -1486304829, 9},
	{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 7},
};

static void murmur2_is_javas(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		size_t len = strlen(vectors[i].key);

		assert_int_equal((int32_t)murmur2(vectors[i].key, len), vectors[i].hash);
		assert_int_equal(murmur2_partition(vectors[i].key, len, 10),
				 vectors[i].partition_of_10);
	}
}

static void bytes_above_127_are_unsigned(void **state)
{
	static const uint8_t key[] = {0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9};
	uint32_t whole = murmur2(key, sizeof(key));

	(void)state;
	for (size_t len = 0; len < sizeof(key); len++)
		assert_int_not_equal(murmur2(key, len), whole);
	assert_in_range(murmur2_partition(key, sizeof(key), 3), 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(murmur2_is_javas),
		cmocka_unit_test(bytes_above_127_are_unsigned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
