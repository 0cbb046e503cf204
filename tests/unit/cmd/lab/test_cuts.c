/* If these fail, `kavka lab partition` cuts off others than it was told to. */
#include "unit/support.h"

#include "base/arena.h"
#include "cmd/lab/cuts.h"

#define NODES (END_BIT(1) | END_BIT(2) | END_BIT(3))

static void reads(const char *text, const char *groups)
{
	struct cuts c, again;
	struct err err = {0};
	struct arena a;

	arena_init(&a);
	assert_int_equal(cuts_parse(&c, text, NODES, &err), 0);
	assert_string_equal(cuts_text(&c, &a), groups);
	/* What is written is read as the same: the agent's file has it. */
	assert_int_equal(cuts_parse(&again, groups, NODES, &err), 0);
	assert_string_equal(cuts_text(&again, &a), groups);
	arena_fini(&a);
}

static void refuses(const char *text, const char *why)
{
	struct cuts c;
	struct err err = {0};

	assert_int_equal(cuts_parse(&c, text, NODES, &err), E_USAGE);
	assert_non_null(strstr(err.text, why));
}

static void groups_are_read(void **state)
{
	(void)state;
	reads("1 2,3", "1 | 2 3");
	reads("1 2|3", "1 2 | 3");
	reads("1,2|3", "1 2 | 3");
	reads("1,2 / 3", "1 2 | 3");
	reads("3 1", "3 | 1");
	reads("2", "2 | 1 3");
	reads("1,2", "1 2 | 3");
	reads("1 2 3", "1 | 2 | 3");
	reads("clients,1 | 2,3", "clients 1 | 2 3");
	reads("clients", "clients | 1 2 3");
	reads("", "");
}

static void mistakes_are_told(void **state)
{
	(void)state;
	refuses("4", "there is no node 4: there are 1, 2, 3");
	refuses("0", "there is no node 0");
	refuses("64", "there is no node 64");
	refuses("-1 2", "there is no node -1");
	refuses("99999999999999999999", "there is no node");
	refuses("x", "'x' is no node");
	refuses("client", "did you mean clients?");
	refuses("1 1,2", "in one group only");
	refuses("1,1 2", "'1' is there twice");
	refuses("1,2,3", "every node");
	refuses("all", "every node");
}

static void who_is_cut_off(void **state)
{
	struct cuts c;

	(void)state;
	assert_int_equal(cuts_parse(&c, "1 | 2,clients", NODES, NULL), 0);
	assert_true(cuts_between(&c, 1, 2));
	assert_true(cuts_between(&c, 2, 1));
	assert_true(cuts_between(&c, END_CLIENTS, 1));
	assert_false(cuts_between(&c, END_CLIENTS, 2));
	assert_false(cuts_between(&c, 1, 1));
	/* In no group: reaches everybody. */
	assert_false(cuts_between(&c, 3, 1));
	assert_false(cuts_between(&c, 2, 3));
	assert_true(cuts_of(&c, 1) == (END_BIT(2) | END_BIT(END_CLIENTS)));
	assert_true(cuts_of(&c, 3) == 0);
}

static void sets_of_nodes(void **state)
{
	uint64_t out = 0;
	struct err err = {0};

	(void)state;
	assert_int_equal(ends_parse(&out, "1,3", NODES, &err), 0);
	assert_true(out == (END_BIT(1) | END_BIT(3)));
	assert_int_equal(ends_parse(&out, "all", NODES, &err), 0);
	assert_true(out == NODES);
	assert_int_equal(ends_parse(&out, "clients", NODES, &err), E_USAGE);
	assert_int_equal(ends_parse(&out, "1-3", NODES, &err), E_USAGE);
}

static void delays(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {{"200ms", 200}, {"200", 200}, {"1.5s", 1500}, {"1m", 60000}, {"0", 0},
		     {"off", 0},     {"0s", 0},    {"-1", -1},     {"2h", -1},    {"", -1},
		     {"ms", -1},     {"nan", -1},  {"inf", -1},    {"1e9s", -1},  {"1 s", -1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ms = -1;
		int rc = delay_parse(&ms, cases[i].text, 600000, NULL);

		assert_int_equal(rc, cases[i].ms < 0 ? E_USAGE : 0);
		assert_int_equal(ms, cases[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_read), cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(who_is_cut_off),  cmocka_unit_test(sets_of_nodes),
		cmocka_unit_test(delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
