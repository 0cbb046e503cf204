/* Wrong here: a run begins or ends elsewhere than its user said. */
#include "unit/support.h"

#include "cmd/consumer/place.h"

#include <stdlib.h>

#define NOW 1785542400000 /* 2026-08-01T00:00:00Z */

static struct err err;

static void test_places(void **state)
{
	static const struct {
		const char *text;
		struct place place;
	} cases[] = {
		{"beginning", {PLACE_BEGINNING, 0}},
		{"EARLIEST", {PLACE_BEGINNING, 0}},
		{"oldest", {PLACE_BEGINNING, 0}},
		{"end", {PLACE_END, 0}},
		{"latest", {PLACE_END, 0}},
		{"stored", {PLACE_STORED, 0}},
		{"0", {PLACE_OFFSET, 0}},
		{"9223372036854775807", {PLACE_OFFSET, INT64_MAX}},
		{"-10", {PLACE_BEFORE_END, 10}},
		{"+3", {PLACE_AFTER_BEGINNING, 3}},
		{"@1500", {PLACE_TIME, 1500}},
		{"s@1500", {PLACE_TIME, 1500}},
		{"e@1500", {PLACE_STOP_TIME, 1500}},
		{"@2026-08-01", {PLACE_TIME, NOW}},
		{"@2026-08-01T02:00:00+02:00", {PLACE_TIME, NOW}},
		{"@2026-08-01 00:00:01.5", {PLACE_TIME, NOW + 1500}},
		{"@now", {PLACE_TIME, NOW}},
		{"@-15m", {PLACE_TIME, NOW - 900000}},
		{"e@-2h", {PLACE_STOP_TIME, NOW - 7200000}},
		{"@-1w", {PLACE_TIME, NOW - 604800000}},
		{"@-250ms", {PLACE_TIME, NOW - 250}},
	};
	static const char *const bad[] = {"",
					  "x",
					  "1x",
					  "--1",
					  "-",
					  "+",
					  "1.5",
					  "@",
					  "@x",
					  "@2026-13-x",
					  "@-5y",
					  "@-99999w",
					  "9223372036854775808",
					  "e@"};
	struct place place;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(place_parse(cases[i].text, NOW, &place, &err), 0);
		assert_int_equal(place.kind, cases[i].place.kind);
		assert_int_equal(place.value, cases[i].place.value);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(place_parse(bad[i], NOW, &place, &err), E_INVALID);
}

static void test_partitions(void **state)
{
	static const int32_t expected[] = {0, 2, 3, 4};
	static const char *const bad[] = {"",    ",",  "x",           "1,",  "-1",
					  "4-2", "1-", "0-999999999", "1 2", "3000000000"};
	int32_t *list;
	size_t count;

	(void)state;
	assert_int_equal(place_parse_partitions("2-4,0,3", &list, &count, &err), 0);
	assert_int_equal(count, 4);
	assert_memory_equal(list, expected, sizeof(expected));
	free(list);
	assert_int_equal(place_parse_partitions("7", &list, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(list[0], 7);
	free(list);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(place_parse_partitions(bad[i], &list, &count, &err), E_INVALID);
		assert_null(list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_partitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
