/* Broken here: replicas that move between disks and lose records, or are where the controller does
 * not believe them to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metadata/features.h"
#include "unit/broker/cold_disk.h"
#include "unit/broker/replica/world.h"

static int setup(void **state)
{
	return world_setup(state, 2);
}

/* A topic "orders" with one partition. */
static struct partition *orders(struct world *w)
{
	world_topic(w, "orders", world_id(1));
	world_partition(w, world_id(1), 0, 1, 1);
	world_apply(w);
	return replica_set_find(w->set, world_id(1), 0);
}

/* Ticks, and appends meanwhile, until the controller is asked to write down the other directory. */
static struct partition *moving(struct world *w)
{
	struct partition *p;

	world_metadata_version(w, METADATA_3_7_IV2);
	p = orders(w);
	world_assign(w, world_id(1), 0, p->dir);
	world_apply(w);
	for (int i = 0; i < 20; i++)
		world_append(w, p, 3, 1);
	w->dir_chosen_count = 0;
	assert_int_equal(partition_move(p, 1 - p->dir), KERR_NONE);
	for (int i = 0; i < 100 && !p->is_move_asked; i++) {
		world_append(w, p, 1, 1);
		replica_set_tick(w->set);
	}
	assert_true(p->is_move_asked);
	assert_int_equal(w->dir_chosen_count, 1);
	assert_true(uuid_eq(partition_wanted_dir(p), replica_set_dir_id(w->set, 1 - p->dir)));
	return p;
}

static void test_moves_to_another_dir(void **state)
{
	struct world *w = *state;
	struct partition *p = moving(w);
	unsigned from = p->dir, to = 1 - from;
	int64_t low;

	assert_true(world_has_dir(w, to, "orders-0.*-future$"));
	assert_int_equal(partition_delete_records(p, 6, &low), KERR_NONE);
	for (int i = 0; i < 10; i++) {
		world_append(w, p, 1, 1);
		replica_set_tick(w->set);
	}
	/* not before the controller has it */
	assert_int_equal(p->dir, from);
	assert_int_equal(w->dir_chosen_count, 1);
	world_assign(w, world_id(1), 0, to);
	world_apply(w);
	for (int i = 0; i < 100 && p->future; i++) {
		world_append(w, p, 1, 1);
		replica_set_tick(w->set);
	}
	assert_null(p->future);
	assert_int_equal(p->dir, to);
	assert_int_equal(w->dir_chosen_count, 1);
	assert_true(world_has_dir(w, to, "orders-0$"));
	assert_false(world_has_dir(w, from, "orders-0$"));
	assert_int_equal(partition_log_start_offset(p), 6);
	assert_int_equal(partition_high_watermark(p), partition_log_end_offset(p));
	low = partition_log_end_offset(p);
	world_stop(w, true);
	world_start(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_int_equal(p->dir, to);
	assert_int_equal(w->dir_chosen_count, 1);
	assert_int_equal(partition_log_end_offset(p), low);
	assert_int_equal(partition_log_start_offset(p), 6);
	assert_int_equal(partition_move(p, to), KERR_NONE); /* it is there */
	assert_null(p->future);
}

/* Else the metadata would name a directory where nothing is. */
static void test_a_move_that_ends_is_taken_back(void **state)
{
	struct world *w = *state;
	struct partition *p = moving(w);
	unsigned from = p->dir;

	assert_int_equal(partition_move(p, from), KERR_NONE);
	assert_null(p->future);
	assert_int_equal(w->dir_chosen_count, 2);
	assert_true(uuid_eq(partition_wanted_dir(p), replica_set_dir_id(w->set, from)));
	/* what was said before arrives late */
	world_assign(w, world_id(1), 0, 1 - from);
	world_apply(w);
	assert_int_equal(w->dir_chosen_count, 3);
	world_assign(w, world_id(1), 0, from);
	world_apply(w);
	assert_int_equal(w->dir_chosen_count, 3);
}

static void test_a_move_ends_with_either_disk(void **state)
{
	struct world *w = *state;
	struct partition *p = moving(w);
	unsigned from = p->dir;

	replica_set_dir_failed(w->set, 1 - from);
	replica_set_tick(w->set);
	assert_null(p->future);
	assert_int_equal(w->dir_chosen_count, 2);
	assert_true(uuid_eq(partition_wanted_dir(p), replica_set_dir_id(w->set, from)));
	assert_int_equal(world_append(w, p, 1, 1).error, KERR_NONE);
}

/* kill -9 when the controller has the new directory, and the log is still in the old one. */
static void test_a_crash_amid_a_move(void **state)
{
	struct world *w = *state;
	struct partition *p = moving(w);
	unsigned from = p->dir, to = 1 - from;
	int64_t end;

	world_append(w, p, 1, 1); /* the future log has not got this */
	end = partition_log_end_offset(p);
	world_assign(w, world_id(1), 0, to);
	world_apply(w);
	world_stop(w, false);
	world_start(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_int_equal(p->dir, from);
	assert_int_equal(partition_log_end_offset(p), end);
	assert_false(world_has_dir(w, to, "-future$"));
	assert_int_equal(w->dir_chosen_count, 2);
	assert_true(uuid_eq(partition_wanted_dir(p), replica_set_dir_id(w->set, from)));
}

/* As above, but the old directory's disk has not come back: the controller takes the replica for
 * whole, so an empty one would lose what it has. */
static void crash_and_lose_the_old(struct world *w, bool is_clean)
{
	struct partition *p = moving(w);
	unsigned from = p->dir, to = 1 - from;
	int64_t end = partition_log_end_offset(p);
	char path[160], aside[160];

	world_assign(w, world_id(1), 0, to);
	world_apply(w);
	world_stop(w, is_clean);
	snprintf(path, sizeof(path), "%s/orders-0", w->paths[from]);
	snprintf(aside, sizeof(aside), "%s/aside", w->root);
	assert_int_equal(rename(path, aside), 0);
	world_start(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_int_equal(p->dir, to);
	assert_int_equal(partition_log_end_offset(p), end);
	assert_int_equal(w->dir_chosen_count, 1);
	assert_true(world_has_dir(w, to, "orders-0$"));
	/* should the old one come back, it is not the one */
	world_append(w, p, 1, 1);
	world_stop(w, is_clean);
	assert_int_equal(rename(aside, path), 0);
	world_start(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_int_equal(p->dir, to);
	assert_int_equal(partition_log_end_offset(p), end + 1);
	assert_true(world_has_dir(w, from, "orders-0.*-stray$"));
}

static void test_a_crash_amid_a_move_loses_a_disk(void **state)
{
	crash_and_lose_the_old(*state, false);
}

static void test_a_stop_amid_a_move_loses_a_disk(void **state)
{
	crash_and_lose_the_old(*state, true);
}

/* The source is cold: the shard does not wait, and the move ends all the same. */
static void test_moves_what_is_cold(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w);
	unsigned to = 1 - p->dir;
	int waits = 0;

	cold_disk_start(&world_ops);
	for (int i = 0; i < 20; i++)
		world_append(w, p, 3, 1);
	while (cold_disk_work())
		;
	assert_int_equal(partition_move(p, to), KERR_NONE);
	cold_disk_chill();
	for (int i = 0; i < 100 && p->future; i++) {
		replica_set_tick(w->set);
		waits += cold_disk_work();
	}
	assert_null(p->future);
	assert_int_equal(p->dir, to);
	assert_true(waits > 0);
	assert_int_equal(cold_disk.blocked_count, 0);
	assert_int_equal(partition_log_end_offset(p), 60);
	while (cold_disk_work())
		;
}

static void set_move_rate(struct world *w, const char *rate)
{
	const struct config_entry entry = {
		STR_LIT("replica.alter.log.dirs.io.max.bytes.per.second"), str_of(rate)};
	struct config *config = config_with_dynamic(w->config, &entry, 1, NULL, 0);

	replica_set_configure(w->set, config);
	config_unref(config);
}

/* Ticks as often as it asks for them. Whether the move is over. */
static bool has_moved_within(struct world *w, struct partition *p, int64_t ms)
{
	int64_t end_ms = world_now_ms + ms;

	while (p->future && world_now_ms < end_ms)
		world_now_ms += replica_set_tick(w->set);
	return !p->future;
}

static void test_moves_as_fast_as_it_may(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w);
	struct append_result result;

	for (int i = 0; i < 5; i++) {
		struct slice batch = world_batch(1, 500000, 1700000000000);

		partition_append(p, batch, APPEND_CLIENT, 1, &w->arena, &result);
		assert_int_equal(result.error, KERR_NONE);
		slice_unref(&batch);
	}
	set_move_rate(w, "100000");
	assert_int_equal(partition_move(p, 1 - p->dir), KERR_NONE);
	assert_false(has_moved_within(w, p, 9000));
	assert_true(log_end_offset(p->future) > 0);
	assert_true(log_end_offset(p->future) < 5);
	assert_true(has_moved_within(w, p, 30000));
	/* A rate that was raised has effect at once. */
	set_move_rate(w, "1");
	assert_int_equal(partition_move(p, 1 - p->dir), KERR_NONE);
	assert_false(has_moved_within(w, p, 9000));
	set_move_rate(w, "1000000000");
	assert_true(has_moved_within(w, p, 2000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_moves_to_another_dir),
		TEST(test_a_move_that_ends_is_taken_back),
		TEST(test_a_move_ends_with_either_disk),
		TEST(test_a_crash_amid_a_move),
		TEST(test_a_crash_amid_a_move_loses_a_disk),
		TEST(test_a_stop_amid_a_move_loses_a_disk),
		TEST(test_moves_what_is_cold),
		TEST(test_moves_as_fast_as_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
