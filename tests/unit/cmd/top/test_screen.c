/* If this fails: the picture on the terminal is not the one that was drawn, or a name that a client
 * chose gives orders to the terminal. */
#include "unit/support.h"

#include "cmd/top/figures.h"
#include "cmd/top/screen.h"

#include <math.h>

static struct screen screen;
static struct out out;

static int start(void **state)
{
	(void)state;
	screen_init(&screen, false);
	screen_resize(&screen, 10, 3);
	out_init(&out, 1 << 20);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	screen_fini(&screen);
	out_fini(&out);
	return 0;
}

static const char *emitted(void)
{
	static char text[4096];

	out_reset(&out);
	screen_emit(&screen, &out, true);
	assert_true(out.len < sizeof(text));
	memcpy(text, out.len ? (const char *)out.data : "", out.len);
	text[out.len] = '\0';
	return text;
}

static unsigned put(unsigned x, unsigned y, const char *text)
{
	return screen_put(&screen, x, y, 100, str_of(text), STYLE(TONE_PLAIN));
}

#define SYNCED(text) "\x1b[?2026h" text "\x1b[0m\x1b[?2026l"

static void test_only_what_changed_is_written(void **state)
{
	(void)state;
	put(0, 0, "abc");
	assert_string_equal(emitted(), SYNCED("\x1b[0m\x1b[2J\x1b[1;1H\x1b[0mabc       "
					      "\x1b[2;1H          \x1b[3;1H          "));
	assert_string_equal(emitted(), "");
	screen_clear(&screen);
	put(0, 0, "abX");
	put(9, 2, "!");
	assert_string_equal(emitted(), SYNCED("\x1b[1;3H\x1b[0mX\x1b[3;10H!"));
	/* Near changes are one piece. */
	put(0, 1, "a  b");
	assert_string_equal(emitted(), SYNCED("\x1b[2;1H\x1b[0ma  b"));
	/* Who drew over it is forgotten about. */
	screen_forget(&screen);
	assert_non_null(strstr(emitted(), "abX"));
}

static void test_styles(void **state)
{
	const struct style red = {.tone = TONE_RED, .is_bold = true};

	(void)state;
	emitted();
	screen_put(&screen, 0, 0, 3, STR_LIT("abcd"), red);
	put(3, 0, "d");
	assert_string_equal(emitted(), SYNCED("\x1b[1;1H\x1b[0;1;31mabc\x1b[0md"));
	/* A style is a change as well; without colours it may be none to see. */
	screen_fill(&screen, 0, 0, 1, (struct style){.is_reversed = true});
	assert_string_equal(emitted(), SYNCED("\x1b[1;1H\x1b[0;7m "));
	screen_put(&screen, 0, 0, 1, STR_LIT("x"), red);
	out_reset(&out);
	screen_emit(&screen, &out, false);
	assert_null(memmem(out.data, out.len, "31", 2));
}

static void test_edges(void **state)
{
	(void)state;
	emitted();
	assert_int_equal(put(8, 0, "abcd"), 2);
	assert_int_equal(put(10, 0, "a"), 0);
	assert_int_equal(put(0, 3, "a"), 0);
	assert_string_equal(emitted(), SYNCED("\x1b[1;9H\x1b[0mab"));
	screen_resize(&screen, 0, 0);
	assert_int_equal(put(0, 0, "ab"), 1);
	screen_resize(&screen, 100000, 2);
	assert_int_equal(screen.width, SCREEN_SIDE_MAX);
}

static void test_names_give_no_orders(void **state)
{
	(void)state;
	emitted();
	put(0, 0, "a\x1b[2Jb");
	put(0, 1, "\x07\xc2\x9b\xff|");
	assert_string_equal(emitted(), SYNCED("\x1b[1;1H\x1b[0ma?[2Jb\x1b[2;1H???|"));
}

static void test_wide_characters(void **state)
{
	(void)state;
	emitted();
	assert_int_equal(screen_text_width(STR_LIT("a\u8a9ee\u0301")), 4);
	assert_int_equal(put(0, 0, "\u8a9e\u8a9e|"), 5);
	/* Half of one does not fit: a blank instead. */
	assert_int_equal(put(9, 1, "\u8a9e"), 1);
	assert_string_equal(emitted(), SYNCED("\x1b[1;1H\x1b[0m\u8a9e\u8a9e|"));
	/* One of them changes: it is written as a whole. */
	put(2, 0, "\u672c");
	assert_string_equal(emitted(), SYNCED("\x1b[1;3H\x1b[0m\u672c"));
	put(1, 0, "x");
	assert_non_null(strstr(emitted(), "x"));
	screen.is_ascii = true;
	assert_int_equal(put(0, 2, "\u8a9e\u00e9"), 2);
	assert_non_null(strstr(emitted(), "??"));
}

static void test_figures(void **state)
{
	static const struct {
		double value;
		bool has_sign;
		const char *text;
	} rates[] = {
		{NAN, false, "-"},        {0, false, "0"},         {0.04, false, "0"},
		{0.5, false, "0.5"},      {9.96, false, "10"},     {850, false, "850"},
		{999.6, false, "1.00k"},  {12345, false, "12.3k"}, {123456, false, "123k"},
		{4.56e6, true, "+4.56M"}, {-3, true, "-3.0"},      {0, true, "0"},
	};
	char text[FIGURE_MAX];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rates); i++) {
		figure_rate(text, rates[i].value, rates[i].has_sign);
		assert_string_equal(text, rates[i].text);
	}
	figure_count(text, 1234567);
	assert_string_equal(text, "1,234,567");
	figure_count(text, 999);
	assert_string_equal(text, "999");
	figure_count(text, -1);
	assert_string_equal(text, "-");
	figure_count(text, INT64_MAX);
	assert_string_equal(text, "9,223,372,036,854,775,807");
	figure_bytes(text, 0);
	assert_string_equal(text, "0");
	figure_bytes(text, 1024);
	assert_string_equal(text, "1.00K");
	figure_bytes(text, INT64_MAX);
	assert_string_equal(text, "8192P");
	figure_duration(text, 3725);
	assert_string_equal(text, "1h02m");
}

static void test_pictures(void **state)
{
	struct history h = {0};
	char text[64];

	(void)state;
	figure_spark(text, &h, 3, true);
	assert_string_equal(text, "   ");
	history_push(&h, 0);
	history_push(&h, NAN);
	history_push(&h, 5);
	history_push(&h, 10);
	figure_spark(text, &h, 5, true);
	assert_string_equal(text, " _ +#");
	figure_spark(text, &h, 2, false);
	assert_string_equal(text, "▅█");
	figure_bar(text, 0, 4, true);
	assert_string_equal(text, "    ");
	figure_bar(text, 0.001, 4, true);
	assert_string_equal(text, "#   ");
	figure_bar(text, 0.001, 4, false);
	assert_string_equal(text, "▏   ");
	figure_bar(text, 0.5, 4, false);
	assert_string_equal(text, "██  ");
	figure_bar(text, 7, 4, true);
	assert_string_equal(text, "####");
	figure_bar(text, NAN, 2, true);
	assert_string_equal(text, "  ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_what_changed_is_written, start, stop),
		cmocka_unit_test_setup_teardown(test_styles, start, stop),
		cmocka_unit_test_setup_teardown(test_edges, start, stop),
		cmocka_unit_test_setup_teardown(test_names_give_no_orders, start, stop),
		cmocka_unit_test_setup_teardown(test_wide_characters, start, stop),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_pictures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
