/* Broken here: a topic of many partitions that holds up those that are here, partitions that are
 * never opened, or opened although they have gone elsewhere meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/replica/world.h"

#define MANY 100
#define AT_ONCE_MAX 32

static int setup(void **state)
{
	return world_setup(state, 1);
}

/* Topic n of so many partitions, with one replica each. */
static void many(struct world *w, const char *name, uint8_t n, int32_t count)
{
	world_topic(w, name, world_id(n));
	for (int32_t i = 0; i < count; i++)
		world_partition(w, world_id(n), i, 1, 1);
}

/* The only replica of a partition is on that node from now on. */
static void moved(struct world *w, uint8_t n, int32_t index, int32_t node)
{
	struct uuid dir = DIRECTORY_UNASSIGNED;
	struct partition_change_record r;

	WIRE_INIT(partition_change_record, &r);
	r.topic_id = world_id(n);
	r.partition_id = index;
	r.replicas = r.isr = &node;
	r.replicas_count = r.isr_count = 1;
	r.directories = &dir;
	r.directories_count = 1;
	r.leader = node;
	world_replay(w, PARTITION_CHANGE_RECORD, &r);
}

static unsigned open_count(const struct world *w)
{
	unsigned count = 0;

	REPLICA_SET_FOREACH (w->set, p)
		count += p->log != NULL;
	return count;
}

static void open_all(struct world *w)
{
	for (int i = 0; i < MANY && replica_set_is_opening(w->set); i++)
		replica_set_tick(w->set);
	assert_false(replica_set_is_opening(w->set));
}

static void test_many_are_opened_bit_by_bit(void **state)
{
	struct world *w = *state;
	unsigned before = 0, now;

	many(w, "many", 1, MANY);
	many(w, "__consumer_offsets", 2, 50);
	world_apply(w);
	for (int32_t i = 0; i < 50; i++)
		assert_non_null(replica_set_find(w->set, world_id(2), i));
	now = open_count(w) - 50;
	while (now < MANY) {
		assert_true(now > before);
		assert_true(now - before <= AT_ONCE_MAX);
		assert_true(replica_set_is_opening(w->set));
		assert_null(replica_set_find(w->set, world_id(1), MANY - 1));
		assert_true(replica_set_tick(w->set) <= 1);
		before = now;
		now = open_count(w) - 50;
	}
	assert_int_equal(now, MANY);
	replica_set_tick(w->set);
	assert_false(replica_set_is_opening(w->set));
	for (int32_t i = 0; i < MANY; i++) {
		struct partition *p = replica_set_find(w->set, world_id(1), i);

		assert_true(partition_is_leader(p));
		world_append(w, p, 1, -1);
		assert_int_equal(partition_high_watermark(p), 1);
	}
}

static void test_what_changes_meanwhile_holds(void **state)
{
	struct world *w = *state;
	struct partition *p;

	many(w, "moves", 1, MANY);
	many(w, "goes", 2, MANY);
	world_apply(w);
	assert_null(replica_set_find(w->set, world_id(1), MANY - 1));
	moved(w, 1, MANY - 1, 2);
	world_partition(w, world_id(1), MANY, 1, 1);
	world_lead(w, world_id(1), MANY, 2);
	world_remove_topic(w, world_id(2));
	world_topic_config(w, "moves", "min.insync.replicas", "7");
	world_apply(w);
	open_all(w);
	assert_null(replica_set_find(w->set, world_id(1), MANY - 1));
	assert_null(replica_set_find(w->set, world_id(2), 0));
	assert_int_equal(open_count(w), MANY);
	p = replica_set_find(w->set, world_id(1), MANY);
	assert_int_equal(p->role, PARTITION_FOLLOWER);
	assert_int_equal(p->leader_epoch, 1);
	p = replica_set_find(w->set, world_id(1), MANY - 2);
	assert_int_equal(p->config.min_insync_replicas, 7);
	/* One that comes back below those that were opened. */
	moved(w, 1, MANY - 1, 1);
	world_apply(w);
	open_all(w);
	assert_non_null(replica_set_find(w->set, world_id(1), MANY - 1));
}

static void test_one_that_is_wanted_is_opened_now(void **state)
{
	struct world *w = *state;
	struct partition *p;
	unsigned before;

	many(w, "many", 1, MANY);
	world_apply(w);
	moved(w, 1, MANY - 2, 2);
	world_apply(w);
	before = open_count(w);
	replica_set_open_now(w->set, world_id(1), MANY - 1);
	replica_set_open_now(w->set, world_id(1), MANY - 1);
	replica_set_open_now(w->set, world_id(1), MANY - 2); /* it is elsewhere */
	replica_set_open_now(w->set, world_id(1), MANY);     /* and this one nowhere */
	replica_set_open_now(w->set, world_id(2), 0);
	assert_int_equal(open_count(w), before + 1);
	p = replica_set_find(w->set, world_id(1), MANY - 1);
	assert_true(partition_is_leader(p));
	open_all(w);
	assert_int_equal(open_count(w), MANY - 1);
}

/* A topic of the name again, while the one before it is still being opened. */
static void test_the_name_may_come_again(void **state)
{
	struct world *w = *state;

	many(w, "again", 1, MANY);
	world_apply(w);
	world_remove_topic(w, world_id(1));
	many(w, "again", 2, MANY);
	world_apply(w);
	open_all(w);
	assert_int_equal(open_count(w), MANY);
	assert_null(replica_set_find(w->set, world_id(1), 0));
	assert_non_null(replica_set_find(w->set, world_id(2), MANY - 1));
}

static void test_a_start_opens_all(void **state)
{
	struct world *w = *state;

	many(w, "many", 1, MANY);
	world_apply(w);
	assert_true(replica_set_is_opening(w->set));
	world_stop(w, false);
	world_start(w);
	assert_int_equal(open_count(w), MANY);
	assert_false(replica_set_is_opening(w->set));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_are_opened_bit_by_bit, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_what_changes_meanwhile_holds, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_one_that_is_wanted_is_opened_now, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_the_name_may_come_again, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_a_start_opens_all, setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
