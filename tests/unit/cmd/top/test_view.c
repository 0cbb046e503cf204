/* If this fails: the live view shows another picture than it did, or a key leads elsewhere. */
#include "unit/support.h"

#include "cmd/top/draw.h"
#include "unit/cmd/top/made.h"

#include <stdio.h>

static struct top_model m;
static struct view v;
static struct screen screen;

static void take(int64_t t_end, enum broker_state second)
{
	bool is_gone = second == BROKER_GONE;
	struct snapshot *s = made_moment(&m, 1);
	char text[128];

	made_broker(s, 1, BROKER_UP);
	if (!is_gone)
		made_broker(s, 2, second);
	s->quorum_leader = 1;
	s->request_count = 7;
	snprintf(text, sizeof(text), is_gone ? "1:1,2:1:%lld -:2:2:" : "1:1,2:1,2:%lld 2:2:2:5",
		 (long long)t_end);
	made_topic(s, "t", text);
	made_topic(s, "alpha",
		   "1:1:1:9 1:1:1:9 1:1:1:9 1:1:1:9 1:1:1:9 1:1:1:9 1:1:1:9 1:1:1:9 "
		   "1:1:1:9 1:1:1:9 1:1:1:9");
	made_topic(s, "__inner", "1:1:1:9")->is_internal = true;
	made_group(s, "g", "Stable", 1, 10);
	model_take(&m);
}

static int start(void **state)
{
	(void)state;
	model_init(&m);
	view_init(&v, &m, 2000);
	screen_init(&screen, true);
	screen_resize(&screen, 78, 16);
	take(100, BROKER_UP);
	take(150, BROKER_UP);
	view_update(&v);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	view_fini(&v);
	model_fini(&m);
	screen_fini(&screen);
	return 0;
}

/* The picture's lines from `first` on, without blanks at their ends and empty lines. */
static const char *drawn(unsigned first, unsigned count)
{
	static char text[8192];
	size_t len = 0;

	draw_view(&screen, &v, 0, 0);
	for (unsigned y = first; y < MIN(first + count, screen.height); y++) {
		size_t begin = len;

		for (unsigned x = 0; x < screen.width; x++) {
			const struct screen_cell *c = &screen.next[y * screen.width + x];

			memcpy(text + len, c->text, c->len);
			len += c->len;
		}
		while (len > begin && text[len - 1] == ' ')
			len--;
		if (len > begin)
			text[len++] = '\n';
	}
	text[len] = '\0';
	return text;
}

static void keys(const char *text)
{
	for (; *text; text++)
		view_key(&v, KEY_CHAR, (struct str){text, 1});
}

static void key(enum key k)
{
	view_key(&v, k, STR_NULL);
}

static void test_brokers(void **state)
{
	(void)state;
	assert_string_equal(
		drawn(2, 4),
		"  1 Brokers   2 Topics   3 Groups   4 Events\n"
		" ID^  ADDRESS    STATE    LEADERS   REPLICAS   IN SYNC   LOGS   MSGS/S\n"
		"   1  host:9091  up            13         13        13      -       50\n"
		"   2  host:9092  up             1          2         2      -        0\n");
	take(150, BROKER_GONE);
	assert_string_equal(
		drawn(5, 1),
		"   2  host:9092  gone           0          2         1      -        -\n");
	/* What happened stands below. */
	assert_non_null(strstr(drawn(6, 9), "broker 2 gone\n"));
	assert_non_null(strstr(drawn(0, 1), "1/2 brokers  1 under-repl  1 offline  3 topics"));
}

static void test_topics_are_sorted_and_filtered(void **state)
{
	(void)state;
	keys("2");
	assert_string_equal(drawn(3, 4),
			    " TOPIC    PARTITIONS   RF   UNDER-REPL   OFFLINE   RECORDS   BYTES  "
			    "MSGS/Sv\n"
			    " t                 2    2            0         0       155       -"
			    "       50\n"
			    " alpha            11    1            0         0        99       -"
			    "        0\n");
	/* By name, both ways: > leads from the last column with figures to the first. */
	keys(">");
	assert_non_null(strstr(drawn(3, 1), " TOPIC^ "));
	assert_non_null(strstr(drawn(4, 1), " alpha "));
	keys("r");
	assert_non_null(strstr(drawn(4, 1), " t "));
	keys("<");
	assert_non_null(strstr(drawn(3, 1), "MSGS/Sv"));
	keys("i");
	assert_non_null(strstr(drawn(4, 5), " __inner "));
	keys("/LPH");
	assert_string_equal(drawn(15, 1), " /LPH   Enter keeps it, Esc drops it\n");
	key(KEY_ENTER);
	assert_non_null(strstr(drawn(4, 1), " alpha "));
	assert_int_equal(v.rows.count, 1);
	key(KEY_ESC);
	assert_int_equal(v.rows.count, 3);
}

static void test_partitions_of_what_is_selected(void **state)
{
	(void)state;
	keys("2j");
	key(KEY_ENTER);
	assert_string_equal(drawn(2, 3),
			    "  1 Brokers   2 Topics   3 Groups   4 Events  > alpha\n"
			    " PARTITION^  STATE     LEADER  REPLICAS   ISR    START   "
			    "END   BYTES   MSGS/S\n"
			    " alpha-0     in sync        1  1          1          0     "
			    "9       -        0\n");
	assert_true(str_is(view_topic(&v), "alpha"));
	/* 10 stands behind 9, and the rows move when the end is reached. */
	key(KEY_END);
	drawn(0, 1);
	assert_int_equal(view_place(&v)->selected, 10);
	assert_true(view_place(&v)->first > 0);
	keys("g");
	drawn(0, 1);
	assert_int_equal(view_place(&v)->first, 0);
	key(KEY_ESC);
	assert_true(str_is_null(view_topic(&v)));
	assert_int_equal(view_place(&v)->scope, SCOPE_TOPICS);
	/* Of a broker, and from there on to the topic. */
	keys("1j");
	key(KEY_ENTER);
	assert_non_null(strstr(drawn(2, 1), "> broker 2\n"));
	assert_int_equal(v.rows.count, 2);
	key(KEY_ENTER);
	assert_non_null(strstr(drawn(2, 1), "> broker 2 > t\n"));
	key(KEY_ESC);
	key(KEY_ESC);
	assert_int_equal(v.depth, 0);
	keys("3");
	key(KEY_ENTER);
	assert_non_null(strstr(drawn(4, 1), " t-0 "));
	assert_non_null(strstr(drawn(4, 1), " 140 "));
}

static void test_the_selection_follows_its_row(void **state)
{
	(void)state;
	keys("2j");
	assert_int_equal(view_place(&v)->selected, 1);
	/* alpha is selected, and t falls behind it. */
	keys(">");
	assert_int_equal(view_place(&v)->selected, 0);
	assert_string_equal(view_place(&v)->key, "alpha");
	keys("jjj");
	assert_int_equal(view_place(&v)->selected, 1);
	keys("kkk");
	assert_int_equal(view_place(&v)->selected, 0);
}

static void test_pause_interval_help_and_end(void **state)
{
	struct err err = {0};

	(void)state;
	keys(" ");
	assert_true(v.is_paused);
	assert_non_null(strstr(drawn(1, 1), "PAUSED"));
	keys(" ");
	assert_true(!v.is_paused && v.wants_sample);
	keys("+");
	assert_int_equal(v.interval_ms, 5000);
	keys("---------------");
	assert_int_equal(v.interval_ms, 100);
	v.interval_ms = 700;
	keys("-");
	assert_int_equal(v.interval_ms, 500);
	keys("?");
	assert_non_null(strstr(drawn(0, 16), "the partitions of what is selected"));
	keys("2");
	assert_false(v.shows_help);
	assert_int_equal(view_place(&v)->scope, SCOPE_BROKERS);
	key(KEY_BACK_TAB);
	assert_int_equal(view_place(&v)->scope, SCOPE_EVENTS);
	err_set(&err, E_TIMEOUT, "nobody");
	model_failed(&m, &err, -5000);
	assert_string_equal(drawn(1, 1), " cluster unreachable for 5s, trying again: nobody\n");
	assert_false(v.is_over);
	keys("q");
	assert_true(v.is_over);
}

/* No size and no content leads outside of the screen. */
static void test_any_size(void **state)
{
	static const struct {
		unsigned width, height;
	} sizes[] = {{1, 1}, {5, 2}, {20, 4}, {40, 7}, {300, 100}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		screen_resize(&screen, sizes[i].width, sizes[i].height);
		for (unsigned n = 0; n < VIEW_TAB_COUNT; n++) {
			key(KEY_TAB);
			drawn(0, 1);
			key(KEY_ENTER);
			drawn(0, 1);
			key(KEY_PAGE_DOWN);
			drawn(0, 1);
			key(KEY_ESC);
		}
	}
	made_moment(&m, 1);
	model_take(&m);
	for (unsigned n = 0; n < VIEW_TAB_COUNT; n++) {
		key(KEY_TAB);
		key(KEY_DOWN);
		key(KEY_ENTER);
		drawn(0, 1);
		key(KEY_ESC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_brokers, start, stop),
		cmocka_unit_test_setup_teardown(test_topics_are_sorted_and_filtered, start, stop),
		cmocka_unit_test_setup_teardown(test_partitions_of_what_is_selected, start, stop),
		cmocka_unit_test_setup_teardown(test_the_selection_follows_its_row, start, stop),
		cmocka_unit_test_setup_teardown(test_pause_interval_help_and_end, start, stop),
		cmocka_unit_test_setup_teardown(test_any_size, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
