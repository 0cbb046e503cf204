/* Broken static membership: restarts that rebalance, two consumers with one instance id. */
#include "world.h"

/* A stable group of two static members "i1" (leader) and "i2". */
static void two_static(struct world *w, const char **first, const char **second)
{
	struct answer *a = world_join(w, (struct who){.instance = "i1", .session_ms = 30000});
	struct answer *b = world_join(w, (struct who){.instance = "i2", .session_ms = 30000});
	struct answer *sync;

	assert_false(a->done || b->done);
	world_pass(w, 6000);
	assert_true(a->done && b->done);
	*first = member_of(a);
	*second = member_of(b);
	assert_memory_equal(*first, "i1-", 3);
	sync = world_sync(w, *first, 1, (const char *[]){*first, *second, NULL},
			  (const char *[]){"one", "two"});
	assert_int_equal(sync->sync.response->error_code, KERR_NONE);
	world_sync(w, *second, 1, NULL, NULL);
}

static void restart_keeps_the_generation(void **state)
{
	struct world *w = world_new();
	const char *first, *second, *again;
	struct answer *join, *sync;
	size_t records;

	(void)state;
	two_static(w, &first, &second);
	records = world_records(w);
	join = world_join(w, (struct who){.instance = "i2", .session_ms = 30000});
	assert_true(join->done);
	assert_int_equal(join->join.response->error_code, KERR_NONE);
	assert_int_equal(join->join.response->generation_id, 1);
	assert_int_equal(join->join.response->members_count, 0);
	assert_false(join->join.response->skip_assignment);
	again = member_of(join);
	assert_string_not_equal(again, second);
	assert_int_equal(world_records(w), records + 1);
	sync = world_sync(w, again, 1, NULL, NULL);
	assert_memory_equal(sync->sync.response->assignment.data, "two", 3);
	/* The old id is dead; with its instance it is fenced. */
	assert_int_equal(world_beat(w, second, 1), KERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_leave(w, second, "i2"), KERR_FENCED_INSTANCE_ID);
	assert_int_equal(world_join(w, (struct who){.instance = "i2", .member = second})
				 ->join.response->error_code, KERR_FENCED_INSTANCE_ID);
	assert_int_equal(world_join(w, (struct who){.instance = "i9", .member = again})
				 ->join.response->error_code, KERR_UNKNOWN_MEMBER_ID);
	world_free(w);
}

static void leader_comes_back(void **state)
{
	struct world *w = world_new();
	const char *first, *second;
	struct answer *join;

	(void)state;
	two_static(w, &first, &second);
	join = world_join(w, (struct who){.instance = "i1", .session_ms = 30000});
	assert_true(join->done);
	assert_true(join->join.response->skip_assignment);
	assert_int_equal(join->join.response->members_count, 2);
	assert_true(str_eq(join->join.response->leader, join->join.response->member_id));
	/* A client before v9 would assign anew if it thought it led. */
	join = world_join(w, (struct who){.instance = "i1", .session_ms = 30000, .version = 8});
	assert_true(join->done);
	assert_false(join->join.response->skip_assignment);
	assert_int_equal(join->join.response->members_count, 0);
	assert_false(str_eq(join->join.response->leader, join->join.response->member_id));
	world_free(w);
}

static void session_decides(void **state)
{
	struct world *w = world_new();
	const char *first, *second;
	struct answer *c;

	(void)state;
	two_static(w, &first, &second);
	world_pass(w, 20000);
	assert_int_equal(world_beat(w, first, 1), KERR_NONE);
	/* A rebalance does not drop the static member that is away, its session does. */
	c = world_join_new(w, (struct who){.session_ms = 200000});
	world_join(w, (struct who){.instance = "i1", .member = first, .session_ms = 30000});
	assert_false(c->done);
	world_pass(w, 10000);
	assert_true(c->done);
	assert_int_equal(world_group(w, "g")->member_count, 2);
	assert_null(group_static_member(world_group(w, "g"), STR_LIT("i2")));
	world_free(w);
}

static void administrator_removes_by_instance(void **state)
{
	struct world *w = world_new();
	const char *first, *second;

	(void)state;
	two_static(w, &first, &second);
	assert_int_equal(world_leave(w, "", "i7"), KERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_leave(w, "", "i2"), KERR_NONE);
	assert_int_equal(world_group(w, "g")->state, GROUP_PREPARING_REBALANCE);
	world_free(w);
}

static void twin_fences_the_parked_one(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join(w, (struct who){.instance = "i1"});
	struct answer *b = world_join(w, (struct who){.instance = "i1"});

	(void)state;
	assert_true(a->done);
	assert_int_equal(a->join.response->error_code, KERR_FENCED_INSTANCE_ID);
	assert_false(b->done);
	world_pass(w, 6000);
	assert_true(b->done);
	assert_int_equal(b->join.response->error_code, KERR_NONE);
	assert_int_equal(world_group(w, "g")->member_count, 1);
	world_free(w);
}

static void changed_protocol_rebalances(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join(w, (struct who){.instance = "i1",
						      .protocols = {"range=", "sticky="}});
	struct answer *again;

	(void)state;
	world_pass(w, 3000);
	world_sync(w, member_of(a), 1, NULL, NULL);
	again = world_join(w, (struct who){.instance = "i1", .protocols = {"sticky="}});
	assert_int_equal(again->join.response->error_code, KERR_NONE);
	assert_int_equal(again->join.response->generation_id, 2);
	assert_true(str_is(again->join.response->protocol_name, "sticky"));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_keeps_the_generation),
		cmocka_unit_test(leader_comes_back),
		cmocka_unit_test(session_decides),
		cmocka_unit_test(administrator_removes_by_instance),
		cmocka_unit_test(twin_fences_the_parked_one),
		cmocka_unit_test(changed_protocol_rebalances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
