/* If this fails: a plan is read as something else than the file says, or replicas are placed
 * unevenly, twice on a broker, or all in one rack. */
#include "unit/support.h"

#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

static struct run run;

static int parse(const char *text, struct plan *out, struct err *err)
{
	*err = (struct err){0};
	return plan_parse(&run, "plan.json", text, strlen(text), out, err);
}

static void refused(const char *text, const char *why)
{
	struct plan plan;
	struct err err;
	int rc = parse(text, &plan, &err);

	if (rc == 0)
		rc = plan_check(&run, &plan, &err);
	assert_int_equal(rc, E_INVALID);
	if (!strstr(err_message(&err), why))
		fail_msg("'%s' was refused with '%s', not '%s'", text, err_message(&err), why);
}

static void test_plan(void **state)
{
	struct plan plan;
	struct err err;
	struct str *names;
	size_t count;

	(void)state;
	assert_int_equal(
		parse("{\"partitions\":[{\"topic\":\"b\",\"partition\":10,\"replicas\":[3,1]},"
		      "{\"topic\":\"b\",\"partition\":2,\"replicas\":[2,3],"
		      "\"log_dirs\":[\"any\",\"/d\"]},"
		      "{\"topic\":\"a\",\"partition\":0,\"replicas\":[1]}]}",
		      &plan, &err),
		0);
	assert_int_equal(plan_check(&run, &plan, &err), 0);
	assert_int_equal(plan.part_count, 3);
	assert_true(str_is(plan.parts[0].topic, "a"));
	assert_int_equal(plan.parts[1].partition, 2);
	assert_string_equal(ids_text(&run.arena, plan.parts[2].replicas), "3,1");
	assert_int_equal(plan.move_count, 1);
	assert_int_equal(plan.moves[0].broker, 3);
	assert_string_equal(plan.moves[0].dir, "/d");
	names = plan_names(&run.arena, &plan, &count);
	assert_int_equal(count, 2);
	assert_true(str_is(names[1], "b"));
}

#define PART(rest) "{\"partitions\":[{\"topic\":\"a\",\"partition\":0," rest "}]}"

static void test_what_is_refused(void **state)
{
	struct plan plan;
	struct err err;

	(void)state;
	refused("", "no JSON");
	refused("x", "plan.json:1: no JSON");
	refused("[1]", "JSON object, received [1]");
	refused("{}", "cannot be empty");
	refused("{\"version\":2}", "version field value 2");
	refused("{\"partitions\":{}}", "JSON array, received {}");
	refused("{\"partitions\":[7]}", "JSON object, received 7");
	refused(PART("\"x\":1"), "`replicas`");
	refused(PART("\"replicas\":1"), "JSON array, received 1");
	refused(PART("\"replicas\":[]"), "replica list cannot be empty");
	refused(PART("\"replicas\":[\"1\"]"), "received \"1\"");
	refused(PART("\"replicas\":[4294967297]"), "received 4294967297");
	refused(PART("\"replicas\":[1,2,1]"), "a-0 contains multiple entries for 1");
	refused(PART("\"replicas\":[1],\"log_dirs\":[]"), "list [1] is different");
	refused(PART("\"replicas\":[1],\"log_dirs\":[1]"), "`String` value, received 1");
	refused("{\"partitions\":[{\"topic\":\"a\",\"partition\":0,\"replicas\":[1]},"
		"{\"topic\":\"a\",\"partition\":0,\"replicas\":[2]}]}",
		"duplicate topic partitions: a-0");
	run.is_apache = true;
	assert_int_equal(parse(" nul ", &plan, &err), E_INVALID);
	assert_non_null(strstr(err.text, "Unrecognized token 'nul': was expecting "));
	assert_non_null(strstr(err.text, "line: 1, column: 2]"));
	run.is_apache = false;
}

static void test_ids(void **state)
{
	struct ids ids;
	struct err err;

	(void)state;
	assert_int_equal(ids_parse(&run.arena, "3,1,2", &ids, &err), 0);
	assert_string_equal(ids_text(&run.arena, ids), "3,1,2");
	assert_int_equal(ids_parse(&run.arena, "1,,2", &ids, &err), E_USAGE);
	assert_int_equal(ids_parse(&run.arena, "", &ids, &err), E_USAGE);
	assert_int_equal(ids_parse(&run.arena, "1,", &ids, &err), E_USAGE);
	assert_int_equal(ids_parse(&run.arena, "2,1,2", &ids, &err), E_USAGE);
	assert_non_null(strstr(err.text, "duplicate entries: [2]"));
}

#define PARTITIONS 120

/* Six brokers, in as many racks as said. */
static void check_placement(uint32_t rack_count, uint32_t factor, uint64_t seed)
{
	static const char *const racks[] = {"x", "y", "z"};
	struct place_broker brokers[6];
	int32_t out[PARTITIONS * 6];
	unsigned leads[6] = {0}, holds[6] = {0};
	struct rng rng;
	struct err err;

	rng_init(&rng, seed);
	for (uint32_t i = 0; i < 6; i++)
		brokers[i] = (struct place_broker){
			(int32_t)i, rack_count ? str_of(racks[i % rack_count]) : STR_NULL};
	assert_int_equal(
		place_replicas(&run.arena, brokers, 6, PARTITIONS, factor, &rng, out, &err), 0);
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		unsigned brokers_seen = 0, racks_seen = 0;

		leads[out[p * factor]]++;
		for (uint32_t i = 0; i < factor; i++) {
			holds[out[p * factor + i]]++;
			brokers_seen |= 1u << out[p * factor + i];
			racks_seen |= rack_count ? 1u << out[p * factor + i] % (int)rack_count : 0;
		}
		assert_int_equal(__builtin_popcount(brokers_seen), factor);
		if (rack_count)
			assert_int_equal(__builtin_popcount(racks_seen),
					 factor < rack_count ? factor : rack_count);
	}
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(leads[i], PARTITIONS / 6);
		assert_in_range(holds[i], PARTITIONS * factor / 6 - PARTITIONS / 10,
				PARTITIONS * factor / 6 + PARTITIONS / 10);
	}
}

static void test_placement(void **state)
{
	struct place_broker one = {1, STR_NULL};
	struct rng rng;
	struct err err;
	int32_t out[2];

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++)
		for (uint32_t racks = 0; racks <= 3; racks++)
			for (uint32_t factor = 1; factor <= 6; factor++)
				check_placement(racks, factor, seed);
	rng_init(&rng, 1);
	assert_int_equal(place_replicas(&run.arena, &one, 1, 2, 1, &rng, out, &err), 0);
	assert_int_equal(place_replicas(&run.arena, &one, 1, 1, 2, &rng, out, &err), E_INVALID);
	assert_non_null(strstr(err.text, "replication factor of 2 cannot be reached"));
	assert_int_equal(place_replicas(&run.arena, &one, 0, 1, 1, &rng, out, &err), E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_placement),
	};
	int rc;

	arena_init(&run.arena);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&run.arena);
	return rc;
}
