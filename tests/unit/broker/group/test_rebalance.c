/* Broken rebalances: members that hang, are forgotten, or hold an old generation. */
#include "world.h"

static void first_generation(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){0});
	struct answer *b, *sync_a, *sync_b;

	(void)state;
	world_pass(w, 2000);
	b = world_join_new(w, (struct who){0});
	assert_false(a->done || b->done);
	/* The second one came in time: the delay is prolonged once. */
	world_pass(w, 1000);
	assert_false(a->done);
	world_pass(w, 3000);
	assert_true(a->done && b->done);
	assert_int_equal(a->join.response->error_code, KERR_NONE);
	assert_int_equal(a->join.response->generation_id, 1);
	assert_true(str_eq(a->join.response->leader, a->join.response->member_id));
	assert_true(str_eq(b->join.response->leader, a->join.response->member_id));
	assert_int_equal(a->join.response->members_count, 2);
	assert_int_equal(b->join.response->members_count, 0);
	assert_true(str_is(b->join.response->protocol_name, "range"));
	assert_int_equal(world_group(w, "g")->state, GROUP_COMPLETING_REBALANCE);

	sync_b = world_sync(w, member_of(b), 1, NULL, NULL);
	assert_false(sync_b->done);
	sync_a = world_sync(w, member_of(a), 1,
			    (const char *[]){member_of(a), member_of(b), NULL},
			    (const char *[]){"one", "two"});
	assert_true(sync_a->done && sync_b->done);
	assert_memory_equal(sync_a->sync.response->assignment.data, "one", 3);
	assert_memory_equal(sync_b->sync.response->assignment.data, "two", 3);
	assert_int_equal(world_group(w, "g")->state, GROUP_STABLE);
	assert_int_equal(world_beat(w, member_of(a), 1), KERR_NONE);
	assert_int_equal(world_beat(w, member_of(a), 2), KERR_ILLEGAL_GENERATION);
	assert_int_equal(world_beat(w, "nobody", 1), KERR_UNKNOWN_MEMBER_ID);
	world_free(w);
}

static void member_joins_a_stable_group(void **state)
{
	struct world *w = world_new();
	const char *first = world_stable(w);
	struct answer *b = world_join_new(w, (struct who){0}), *a;

	(void)state;
	assert_false(b->done);
	assert_int_equal(world_beat(w, first, 1), KERR_REBALANCE_IN_PROGRESS);
	a = world_join(w, (struct who){.member = first});
	assert_true(a->done && b->done);
	assert_int_equal(b->join.response->generation_id, 2);
	assert_true(str_is(b->join.response->leader, first));
	/* A sync of the old generation is refused. */
	assert_int_equal(world_sync(w, first, 1, NULL, NULL)->sync.response->error_code,
			 KERR_ILLEGAL_GENERATION);
	world_free(w);
}

static void absent_member_is_dropped(void **state)
{
	struct world *w = world_new();
	const char *first = world_stable(w);
	struct answer *b;

	(void)state;
	/* It beats on, but does not join again within the rebalance timeout. */
	b = world_join_new(w, (struct who){0});
	for (int i = 0; i < 13 && !b->done; i++) {
		world_beat(w, first, 1);
		world_pass(w, 5000);
	}
	assert_true(b->done);
	assert_int_equal(b->join.response->generation_id, 2);
	assert_int_equal(b->join.response->members_count, 1);
	assert_int_equal(world_beat(w, first, 1), KERR_UNKNOWN_MEMBER_ID);
	world_free(w);
}

static void session_expires(void **state)
{
	struct world *w = world_new();
	const char *id = world_stable(w);

	(void)state;
	world_pass(w, 9000);
	assert_int_equal(world_beat(w, id, 1), KERR_NONE);
	world_pass(w, 9999);
	assert_int_equal(world_beat(w, id, 1), KERR_NONE);
	world_pass(w, 10000);
	assert_int_equal(world_beat(w, id, 1), KERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_group(w, "g")->state, GROUP_EMPTY);
	assert_int_equal(generation_of(w), 2);
	world_free(w);
}

static void sync_takes_too_long(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){.session_ms = 100000});
	struct answer *b = world_join_new(w, (struct who){.session_ms = 100000}), *sync;

	(void)state;
	world_pass(w, 6000);
	assert_true(a->done && b->done);
	/* The leader never syncs; the follower is told to join again. */
	sync = world_sync(w, member_of(b), 1, NULL, NULL);
	assert_false(sync->done);
	world_pass(w, 60000);
	assert_true(sync->done);
	assert_int_equal(sync->sync.response->error_code, KERR_REBALANCE_IN_PROGRESS);
	assert_int_equal(world_group(w, "g")->member_count, 1);
	assert_int_equal(world_group(w, "g")->state, GROUP_PREPARING_REBALANCE);
	a = world_join(w, (struct who){.member = member_of(b)});
	assert_true(a->done);
	assert_true(str_is(a->join.response->leader, member_of(b)));
	world_free(w);
}

/* Members would be told one assignment, and those of the next coordinator another. */
static void assignment_under_way_stays(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){0});
	struct answer *b = world_join_new(w, (struct who){0}), *first, *second, *follower;

	(void)state;
	world_pass(w, 6000);
	const char *members[] = {member_of(a), member_of(b), NULL};

	w->holds_back = true;
	first = world_sync(w, member_of(a), 1, members, (const char *[]){"left", "right"});
	follower = world_sync(w, member_of(b), 1, NULL, NULL);
	second = world_sync(w, member_of(a), 1, members, (const char *[]){"right", "left"});
	assert_int_equal(first->sync.response->error_code, KERR_REBALANCE_IN_PROGRESS);
	assert_false(second->done || follower->done);
	world_commit(w);
	assert_true(second->done && follower->done);
	assert_int_equal(second->sync.response->error_code, KERR_NONE);
	assert_memory_equal(second->sync.response->assignment.data, "left", 4);
	assert_memory_equal(follower->sync.response->assignment.data, "right", 5);
	world_free(w);
}

static void leader_leaves(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){0});
	struct answer *b = world_join_new(w, (struct who){0});

	(void)state;
	world_pass(w, 6000);
	world_sync(w, member_of(b), 1, NULL, NULL);
	world_sync(w, member_of(a), 1, NULL, NULL);
	assert_int_equal(world_group(w, "g")->state, GROUP_STABLE);
	assert_int_equal(world_leave(w, member_of(a), NULL), KERR_NONE);
	assert_int_equal(world_leave(w, member_of(a), NULL), KERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_group(w, "g")->state, GROUP_PREPARING_REBALANCE);
	b = world_join(w, (struct who){.member = member_of(b)});
	assert_true(b->done);
	assert_true(str_eq(b->join.response->leader, b->join.response->member_id));
	assert_int_equal(world_leave(w, member_of(b), NULL), KERR_NONE);
	assert_int_equal(world_group(w, "g")->state, GROUP_EMPTY);
	world_free(w);
}

static void pending_ids_are_forgotten(void **state)
{
	struct world *w = world_new();
	const char *first = world_stable(w);
	struct answer *required = world_join(w, (struct who){0}), *b;
	const char *id = member_of(required);

	(void)state;
	/* While an id is out, a rebalance waits for it; when it expires, it goes on. */
	b = world_join_new(w, (struct who){0});
	world_join(w, (struct who){.member = first});
	assert_false(b->done);
	world_pass(w, 10000);
	assert_true(b->done);
	assert_int_equal(world_join(w, (struct who){.member = id})->join.response->error_code,
			 KERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(world_leave(w, id, NULL), KERR_UNKNOWN_MEMBER_ID);
	world_free(w);
}

static void old_clients_get_no_second_trip(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join(w, (struct who){.version = 3});

	(void)state;
	assert_false(a->done);
	world_pass(w, 3000);
	assert_true(a->done);
	assert_int_equal(a->join.response->error_code, KERR_NONE);
	assert_memory_equal(member_of(a), "client-", 7);
	world_free(w);
}

static void refused_joins(void **state)
{
	static char long_id[32760];
	struct world *w = world_new();

	(void)state;
	assert_int_equal(world_join(w, (struct who){.group = ""})->join.response->error_code,
			 KERR_INVALID_GROUP_ID);
	assert_int_equal(world_join(w, (struct who){.session_ms = 5999})->join.response->error_code,
			 KERR_INVALID_SESSION_TIMEOUT);
	assert_int_equal(world_join(w, (struct who){.member = "x"})->join.response->error_code,
			 KERR_UNKNOWN_MEMBER_ID);
	assert_null(world_group(w, "g"));
	world_stable(w);
	assert_int_equal(world_join(w, (struct who){.protocols = {"other=m"}})
				 ->join.response->error_code, KERR_INCONSISTENT_GROUP_PROTOCOL);
	w->gc->settings.group_size_max = 1;
	assert_int_equal(world_join(w, (struct who){0})->join.response->error_code,
			 KERR_GROUP_MAX_SIZE_REACHED);
	w->gc->settings.group_size_max = 9;
	memset(long_id, 'x', sizeof(long_id) - 1);
	assert_int_equal(
		world_join(w, (struct who){.instance = long_id})->join.response->error_code,
		KERR_UNKNOWN_SERVER_ERROR);
	w->append_error = KERR_NOT_LEADER_OR_FOLLOWER;
	assert_int_equal(world_join(w, (struct who){.group = "h"})->join.response->error_code,
			 KERR_NOT_COORDINATOR);
	assert_null(world_group(w, "h"));
	world_free(w);
}

static void protocol_by_votes(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){.protocols = {"range=1", "sticky=2"}});
	struct answer *b = world_join_new(w, (struct who){.protocols = {"sticky=3", "range=4"}});
	struct answer *c =
		world_join_new(w, (struct who){.protocols = {"sticky=5", "x=", "range=6"}});

	(void)state;
	world_pass(w, 6000);
	assert_true(a->done && b->done && c->done);
	assert_true(str_is(a->join.response->protocol_name, "sticky"));
	assert_memory_equal(a->join.response->members[2].metadata.data, "5", 1);
	world_free(w);
}

static void unchanged_members_do_not_rebalance(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){0});
	struct answer *b = world_join_new(w, (struct who){0}), *again;

	(void)state;
	world_pass(w, 6000);
	again = world_join(w, (struct who){.member = member_of(a)});
	assert_true(again->done);
	assert_int_equal(again->join.response->members_count, 2);
	world_sync(w, member_of(a), 1, NULL, NULL);
	world_sync(w, member_of(b), 1, NULL, NULL);
	again = world_join(w, (struct who){.member = member_of(b)});
	assert_true(again->done);
	assert_int_equal(again->join.response->generation_id, 1);
	/* The leader's join always means a new round. */
	again = world_join(w, (struct who){.member = member_of(a)});
	assert_false(again->done);
	world_free(w);
}

static void not_durable(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){0}), *sync;

	(void)state;
	world_pass(w, 3000);
	w->holds_back = true;
	sync = world_sync(w, member_of(a), 1, NULL, NULL);
	assert_false(sync->done);
	assert_int_equal(world_group(w, "g")->state, GROUP_COMPLETING_REBALANCE);
	world_commit(w);
	assert_true(sync->done);
	assert_int_equal(sync->sync.response->error_code, KERR_NONE);
	assert_int_equal(world_group(w, "g")->state, GROUP_STABLE);
	world_free(w);

	/* The high watermark never comes: everybody joins again. */
	w = world_new();
	a = world_join_new(w, (struct who){0});
	world_pass(w, 3000);
	w->holds_back = true;
	sync = world_sync(w, member_of(a), 1, NULL, NULL);
	world_pass(w, 5000);
	assert_true(sync->done);
	assert_int_equal(sync->sync.response->error_code, KERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(world_group(w, "g")->state, GROUP_PREPARING_REBALANCE);
	world_free(w);
}

static void unloading_answers_all(void **state)
{
	struct world *w = world_new();
	const char *first = world_stable(w);
	struct answer *b = world_join_new(w, (struct who){0});

	(void)state;
	group_partition_remove(w->gc->partitions[0]);
	assert_true(b->done);
	assert_int_equal(b->join.response->error_code, KERR_NOT_COORDINATOR);
	assert_int_equal(world_beat(w, first, 1), KERR_NOT_COORDINATOR);
	group_partition_add(w->gc, 0, 2);
	assert_int_equal(world_beat(w, first, 1), KERR_NONE);
	assert_int_equal(world_join(w, (struct who){0})->join.response->error_code,
			 KERR_COORDINATOR_LOAD_IN_PROGRESS);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_generation),
		cmocka_unit_test(member_joins_a_stable_group),
		cmocka_unit_test(absent_member_is_dropped),
		cmocka_unit_test(session_expires),
		cmocka_unit_test(sync_takes_too_long),
		cmocka_unit_test(assignment_under_way_stays),
		cmocka_unit_test(leader_leaves),
		cmocka_unit_test(pending_ids_are_forgotten),
		cmocka_unit_test(old_clients_get_no_second_trip),
		cmocka_unit_test(refused_joins),
		cmocka_unit_test(protocol_by_votes),
		cmocka_unit_test(unchanged_members_do_not_rebalance),
		cmocka_unit_test(not_durable),
		cmocka_unit_test(unloading_answers_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
