/* If these fail: --output, --quiet, tables or colours do not come out as every command promises. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "cmd/output.h"
#include "cmd/progress.h"

#include <stdlib.h>
#include <unistd.h>

static int setup(void **state)
{
	(void)state;
	capture_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	output_set_quiet(false);
	capture_stop();
	return 0;
}

static void test_formats(void **state)
{
	static const struct {
		struct output_args args;
		int rc;
		enum output_format format;
	} cases[] = {
		{{NULL, false, false}, 0, OUTPUT_TEXT},
		{{NULL, true, false}, 0, OUTPUT_JSON},
		{{"json", true, false}, 0, OUTPUT_JSON},
		{{"text", false, false}, 0, OUTPUT_TEXT},
		{{"table", false, true}, 0, OUTPUT_TABLE},
		{{"table", true, false}, E_USAGE, OUTPUT_TEXT},
		{{"yaml", false, false}, E_USAGE, OUTPUT_TEXT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum output_format format;
		struct err err = {0};

		assert_int_equal(output_format(&cases[i].args, &format, &err), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(format, cases[i].format);
	}
}

static void test_quiet(void **state)
{
	const struct run run = {.name = "kavka x"};

	(void)state;
	output_say("Created %s.\n", "a");
	output_note(&run, "took %d ms", 3);
	assert_printed("Created a.\n");
	assert_said("kavka x: took 3 ms\n");
	output_set_quiet(true);
	output_say("Created %s.\n", "a");
	output_note(&run, "took %d ms", 3);
	assert_printed("");
	assert_said("");
}

static void test_grid(void **state)
{
	static const char *const titles[] = {"TOPIC", ">PARTITIONS", "NOTE"};
	struct arena a;
	struct grid g;

	(void)state;
	arena_init(&a);
	grid_init(&g, &a, titles, ARRAY_LEN(titles));
	grid_add(&g, "a", grid_int(&g, 12), "x");
	grid_add(&g, "čtyři-jména", grid_int(&g, -1), NULL);
	grid_tone(&g, 1, TONE_RED);
	for (unsigned i = 0; i < 40; i++)
		grid_add(&g, "many", "0", "");
	grid_print(&g);
	g.row_count = 2;
	print_flush();
	out_reset(&captured);
	grid_print(&g);
	assert_printed("TOPIC        PARTITIONS  NOTE\n"
		       "a                    12  x\n"
		       "čtyři-jména          -1  -\n");
	arena_fini(&a);
}

static void test_colours_are_not_for_pipes(void **state)
{
	(void)state;
	assert_false(output_has_color());
	assert_string_equal(tone_on(TONE_RED), "");
	assert_string_equal(tone_off(), "");
}

static void test_progress(void **state)
{
	struct progress p = {.what = "reading", .unit = "records", .total = 2000000,
			     .begun_ms = 1000};
	char text[128];

	(void)state;
	progress_text(&p, 500000, 11000, text, sizeof(text));
	assert_string_equal(text, "reading   25%  500 000 records  50 000/s  0:30 left");
	p.total = 0;
	progress_text(&p, 1234567, 2000, text, sizeof(text));
	assert_string_equal(text, "reading  1 234 567 records  1 234 567/s");
	/* No terminal: nothing. */
	progress_start(&p, "reading", "records", 10);
	p.redraw_ms = 0;
	progress_at(&p, 5);
	progress_end(&p);
	if (!isatty(2))
		assert_said("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_colours_are_not_for_pipes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_progress, setup, teardown),
	};

	setenv("NO_COLOR", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
