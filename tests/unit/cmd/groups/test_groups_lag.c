/* If this fails: the watched lag shows wrong rates, or draws over the edge of the terminal. */
#include "unit/support.h"

#include "cmd/groups/groups_watch.h"

static struct group_partition partition(int32_t index, int64_t committed, int64_t end)
{
	return (struct group_partition){.topic = STR_LIT("t"),
					.partition = index,
					.committed = committed,
					.end = end,
					.leader_epoch = -1};
}

static void test_rates_between_two_looks(void **state)
{
	struct group_partition was[] = {partition(1, 50, 50), partition(0, 100, 200),
					partition(2, OFFSET_UNKNOWN, 10)};
	struct group_view view = {.id = STR_LIT("g"), .partitions = was, .partition_count = 3};
	struct group_partition now;
	struct lag_sample sample;
	struct lag_rate rate;

	(void)state;
	lag_sample_init(&sample);
	lag_sample_take(&sample, &view, 1, 1000);
	/* 60 read in 2 s, 20 came: the lag of 100 is 60 now, and goes in 3 s. */
	now = partition(0, 160, 220);
	rate = lag_rate_of(&sample, STR_LIT("g"), &now, 3000);
	assert_true(rate.read == 30);
	assert_true(rate.lag == -20);
	assert_int_equal(lag_catch_up_s(60, &rate), 3);
	/* It grows: never. */
	now = partition(1, 50, 90);
	rate = lag_rate_of(&sample, STR_LIT("g"), &now, 2000);
	assert_true(rate.read == 0 && rate.lag == 40);
	assert_int_equal(lag_catch_up_s(40, &rate), -1);
	assert_int_equal(lag_catch_up_s(0, &rate), 0);
	/* Not known: another group, a partition without a commit, no time in between. */
	rate = lag_rate_of(&sample, STR_LIT("other"), &now, 2000);
	assert_true(rate.read == RATE_UNKNOWN && rate.lag == RATE_UNKNOWN);
	now = partition(2, 5, 10);
	rate = lag_rate_of(&sample, STR_LIT("g"), &now, 2000);
	assert_true(rate.read == RATE_UNKNOWN);
	now = partition(0, 160, OFFSET_UNKNOWN);
	rate = lag_rate_of(&sample, STR_LIT("g"), &now, 2000);
	assert_true(rate.read == 60 && rate.lag == RATE_UNKNOWN);
	rate = lag_rate_of(&sample, STR_LIT("g"), &now, 1000);
	assert_true(rate.read == RATE_UNKNOWN);
	lag_sample_fini(&sample);
}

static void test_durations(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{-1, "-"},         {0, "0s"},        {59, "59s"},
		     {60, "1m00s"},     {3599, "59m59s"}, {3600, "1h00m"},
		     {86399, "23h59m"}, {86400, "1d"},    {864000, "10d"}};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(lag_duration_text(&a, cases[i].seconds), cases[i].text);
	arena_fini(&a);
}

static void check_frame(const char *text, unsigned width, unsigned height, const char *want)
{
	struct out frame;

	out_init(&frame, 4096);
	frame_write(&frame, text, strlen(text), width, height);
	out_byte(&frame, 0);
	assert_string_equal((const char *)frame.data, want);
	out_fini(&frame);
}

static void test_frames_are_cut_to_the_terminal(void **state)
{
	(void)state;
	check_frame("one\ntwo\n", 80, 24, "\x1b[Hone\x1b[K\ntwo\x1b[K\x1b[J");
	check_frame("", 80, 24, "\x1b[H\x1b[J");
	check_frame("abcdef\n", 3, 24, "\x1b[Habc\x1b[K\x1b[J");
	/* Colours take no room and always end; letters of two bytes are one column. */
	check_frame("\x1b[31mabcd\x1b[0m\n", 2, 5, "\x1b[H\x1b[31mab\x1b[0m\x1b[K\x1b[J");
	check_frame("\xc3\xa9\xc3\xa9\xc3\xa9\n", 2, 5, "\x1b[H\xc3\xa9\xc3\xa9\x1b[K\x1b[J");
	check_frame("1\n2\n3\n4\n", 80, 3, "\x1b[H1\x1b[K\n2\x1b[K\n... 2 more lines\x1b[K\x1b[J");
	check_frame("1\n2\n3\n", 80, 3, "\x1b[H1\x1b[K\n2\x1b[K\n3\x1b[K\x1b[J");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_between_two_looks),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_frames_are_cut_to_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
