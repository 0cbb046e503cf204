/* Broken here: records lost or unreadable, partitions that stay where they should not, waiters that
 * are never called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/cold_disk.h"
#include "unit/broker/replica/world.h"

static int setup(void **state)
{
	return world_setup(state, 1);
}

static int setup_two_dirs(void **state)
{
	return world_setup(state, 2);
}

/* A topic "orders" with one partition. */
static struct partition *orders(struct world *w, int32_t leader, int replica_count)
{
	world_topic(w, "orders", world_id(1));
	world_partition(w, world_id(1), 0, leader, replica_count);
	world_apply(w);
	return replica_set_find(w->set, world_id(1), 0);
}

static struct read_result read_at(struct world *w, struct partition *p, int64_t offset,
				  enum read_isolation isolation)
{
	struct read_options options = {.offset = offset,
				       .bytes_max = 1 << 20,
				       .whole_first_batch = true,
				       .isolation = isolation,
				       .leader_epoch = -1,
				       .leader_only = true,
				       .last_fetched_epoch = -1};
	struct read_result result;

	partition_read(p, &options, &w->arena, &result);
	return result;
}

static int64_t first_offset_in(struct partition *p, struct read_result *result, size_t *len)
{
	struct slice bytes;
	struct batch batch;
	int64_t offset;

	assert_int_equal(partition_read_bytes(p, result, NULL, &bytes), 0);
	assert_non_null(bytes.data);
	assert_int_equal(batch_parse(&batch, bytes.data, bytes.len), 0);
	offset = batch.base_offset;
	*len = bytes.len;
	slice_unref(&bytes);
	return offset;
}

struct counted_commit {
	struct commit_waiter waiter;
	unsigned count;
	enum kafka_error error;
};

static void commit_counted(struct commit_waiter *w, enum kafka_error error)
{
	struct counted_commit *c = CONTAINER_OF(w, struct counted_commit, waiter);

	c->count++;
	c->error = error;
}

struct counted_fetch {
	struct fetch_waiter waiter;
	unsigned count, gone_count;
};

static void fetch_counted(struct fetch_waiter *w, bool gone)
{
	struct counted_fetch *c = CONTAINER_OF(w, struct counted_fetch, waiter);

	c->count++;
	c->gone_count += gone;
}

/* ---- One node ------------------------------------------------------------------------------ */

static void test_appends_and_reads(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	struct append_result result;
	struct read_result read;
	size_t len;

	assert_non_null(p);
	assert_ptr_equal(replica_set_find_name(w->set, STR_LIT("orders"), 0), p);
	assert_null(replica_set_find_name(w->set, STR_LIT("orders"), 1));
	assert_true(partition_is_leader(p));
	result = world_append(w, p, 3, -1);
	assert_int_equal(result.error, KERR_NONE);
	assert_int_equal(result.base_offset, 0);
	assert_int_equal(result.last_offset, 2);
	result = world_append(w, p, 2, 1);
	assert_int_equal(result.base_offset, 3);
	assert_int_equal(partition_high_watermark(p), 5);
	assert_int_equal(partition_log_end_offset(p), 5);

	read = read_at(w, p, 3, READ_UNCOMMITTED);
	assert_int_equal(read.error, KERR_NONE);
	assert_int_equal(read.high_watermark, 5);
	assert_int_equal(first_offset_in(p, &read, &len), 3);
	read = read_at(w, p, 5, READ_UNCOMMITTED);
	assert_int_equal(read.error, KERR_NONE);
	assert_null(read.records.file);
	read = read_at(w, p, 6, READ_UNCOMMITTED);
	assert_int_equal(read.error, KERR_OFFSET_OUT_OF_RANGE);
}

static void test_epochs_of_readers_are_checked(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);

	world_lead(w, world_id(1), 0, 1);
	world_apply(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_int_equal(p->leader_epoch, 1);
	assert_int_equal(partition_error(p, -1, true), KERR_NONE);
	assert_int_equal(partition_error(p, 1, true), KERR_NONE);
	assert_int_equal(partition_error(p, 0, true), KERR_FENCED_LEADER_EPOCH);
	assert_int_equal(partition_error(p, 2, true), KERR_UNKNOWN_LEADER_EPOCH);
	world_lead(w, world_id(1), 0, -1);
	world_apply(w);
	assert_int_equal(partition_error(p, -1, true), KERR_NOT_LEADER_OR_FOLLOWER);
	assert_int_equal(partition_error(p, -1, false), KERR_NONE);
	assert_int_equal(world_append(w, p, 1, 1).error, KERR_NOT_LEADER_OR_FOLLOWER);
}

static void test_a_reader_of_another_history_is_told(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	struct read_options options = {.offset = 5,
				       .bytes_max = 1000,
				       .isolation = READ_LOG_END,
				       .leader_epoch = -1,
				       .last_fetched_epoch = 0};
	struct read_result read;

	world_append(w, p, 3, 1);
	world_lead(w, world_id(1), 0, 1); /* epoch 1 begins at offset 3 */
	world_apply(w);
	world_append(w, p, 4, 1);
	partition_read(p, &options, &w->arena, &read);
	assert_int_equal(read.error, KERR_NONE);
	assert_int_equal(read.diverging_epoch, 0);
	assert_int_equal(read.diverging_end_offset, 3);
	assert_null(read.records.file);
	options.last_fetched_epoch = 1;
	partition_read(p, &options, &w->arena, &read);
	assert_int_equal(read.diverging_epoch, -1);
	file_unref(read.records.file);
}

static void test_survives_a_restart(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	int64_t low;

	for (int i = 0; i < 10; i++)
		world_append(w, p, 5, 1);
	assert_int_equal(partition_delete_records(p, 20, &low), KERR_NONE);
	assert_int_equal(low, 20);
	world_stop(w, true);
	world_start(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_int_equal(partition_log_start_offset(p), 20);
	assert_int_equal(partition_high_watermark(p), 50);
	assert_false(log_get_recovery(p->log)->was_scanned);
	assert_int_equal(world_append(w, p, 1, 1).base_offset, 50);
	/* And a crash: everything is there, found by a scan. */
	world_stop(w, false);
	world_start(w);
	p = replica_set_find(w->set, world_id(1), 0);
	assert_true(log_get_recovery(p->log)->was_scanned);
	assert_int_equal(partition_log_end_offset(p), 51);
	assert_int_equal(partition_high_watermark(p), 51);
}

static void test_deletes_topics(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	struct counted_fetch f = {.waiter.wake = fetch_counted};

	world_append(w, p, 1, 1);
	partition_wait_records(p, &f.waiter);
	world_remove_topic(w, world_id(1));
	world_apply(w);
	assert_null(replica_set_find(w->set, world_id(1), 0));
	assert_null(replica_set_find_name(w->set, STR_LIT("orders"), 0));
	assert_int_equal(f.gone_count, 1);
	assert_false(list_linked(&f.waiter.link));
	assert_false(world_has_dir(w, 0, "orders-0$"));
	assert_true(world_has_dir(w, 0, "orders-0.*-delete$"));
	world_now_ms += 70000;
	replica_set_tick(w->set);
	world_now_ms += 70000;
	replica_set_tick(w->set);
}

static void test_a_new_topic_of_the_name_starts_empty(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);

	world_append(w, p, 7, 1);
	world_stop(w, true);
	world_start(w);
	world_remove_topic(w, world_id(1));
	world_topic(w, "orders", world_id(2));
	world_partition(w, world_id(2), 0, 1, 1);
	world_apply(w);
	assert_null(replica_set_find(w->set, world_id(1), 0));
	p = replica_set_find_name(w->set, STR_LIT("orders"), 0);
	assert_true(uuid_eq(p->topic_id, world_id(2)));
	/* Nor do the checkpoints of the old one count. */
	assert_int_equal(partition_log_start_offset(p), 0);
	assert_int_equal(partition_log_end_offset(p), 0);
	assert_int_equal(partition_high_watermark(p), 0);
}

static void test_sets_strays_aside(void **state)
{
	struct world *w = *state;

	orders(w, 1, 1);
	world_stop(w, true);
	/* The topic went, and came again with another id, while we were down. */
	world_remove_topic(w, world_id(1));
	world_topic(w, "orders", world_id(3));
	world_partition(w, world_id(3), 0, 1, 1);
	world_start(w);
	assert_true(world_has_dir(w, 0, "orders-0.*-stray$"));
	assert_true(world_has_dir(w, 0, "orders-0$"));
	assert_int_equal(partition_log_end_offset(replica_set_find(w->set, world_id(3), 0)), 0);
}

static void test_takes_new_configs(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);

	assert_false(p->config.cleanup_compact);
	world_topic_config(w, "orders", "cleanup.policy", "compact");
	world_topic_config(w, "orders", "max.message.bytes", "100");
	world_apply(w);
	assert_true(p->config.cleanup_compact);
	assert_int_equal(log_get_config(p->log)->max_message_bytes, 100);
	assert_int_equal(world_append(w, p, 20, 1).error, KERR_MESSAGE_TOO_LARGE);
	world_topic_config(w, "orders", "max.message.bytes", NULL);
	world_apply(w);
	assert_int_equal(world_append(w, p, 20, 1).error, KERR_NONE);
}

static void list_offset(struct partition *p, int64_t timestamp, enum read_isolation isolation,
			int32_t leader_epoch, struct list_offset_result *r)
{
	struct list_offset_options options = {.timestamp = timestamp,
					      .isolation = isolation,
					      .leader_epoch = leader_epoch,
					      .leader_only = true};

	partition_list_offset(p, &options, r);
}

static void test_lists_offsets(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	struct list_offset_result r;
	struct slice late = world_batch(3, 10, 1700000000500);
	struct append_result appended;

	list_offset(p, LIST_MAX_TIMESTAMP, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.error, KERR_NONE);
	assert_int_equal(r.offset, -1);
	world_append(w, p, 3, 1);
	partition_append(p, late, APPEND_CLIENT, 1, &w->arena, &appended);
	slice_unref(&late);
	list_offset(p, LIST_LATEST, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.offset, 6);
	assert_int_equal(r.timestamp, -1);
	assert_int_equal(r.leader_epoch, 0);
	list_offset(p, LIST_EARLIEST, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.offset, 0);
	assert_int_equal(r.leader_epoch, 0);
	list_offset(p, LIST_MAX_TIMESTAMP, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.offset, 5);
	assert_int_equal(r.timestamp, 1700000000502);
	list_offset(p, 1700000000100, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.offset, 3);
	list_offset(p, 1700000009999, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.error, KERR_NONE);
	assert_int_equal(r.offset, -1);
	list_offset(p, LIST_LATEST_TIERED, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.offset, -1);
	list_offset(p, LIST_LATEST, READ_UNCOMMITTED, 4, &r);
	assert_int_equal(r.error, KERR_UNKNOWN_LEADER_EPOCH);
}

static void test_deletes_records_only_where_it_may(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	int64_t low;

	world_append(w, p, 10, 1);
	assert_int_equal(partition_delete_records(p, 11, &low), KERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(partition_delete_records(p, -2, &low), KERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(partition_delete_records(p, 4, &low), KERR_NONE);
	assert_int_equal(low, 4);
	assert_int_equal(partition_delete_records(p, 2, &low), KERR_NONE);
	assert_int_equal(low, 4);
	assert_int_equal(read_at(w, p, 3, READ_UNCOMMITTED).error, KERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(partition_delete_records(p, -1, &low), KERR_NONE);
	assert_int_equal(low, 10);
	world_topic_config(w, "orders", "cleanup.policy", "compact");
	world_apply(w);
	assert_int_equal(partition_delete_records(p, 10, &low), KERR_POLICY_VIOLATION);
}

/* ---- Several nodes ------------------------------------------------------------------------- */

static void test_waits_for_followers(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 3);
	struct counted_commit c = {.waiter.done = commit_counted};
	struct counted_fetch f = {.waiter.wake = fetch_counted};

	world_append(w, p, 4, -1);
	assert_int_equal(partition_high_watermark(p), 0);
	assert_int_equal(read_at(w, p, 0, READ_UNCOMMITTED).records.len, 0);
	partition_wait_committed(p, &c.waiter, 4);
	partition_wait_records(p, &f.waiter);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 10), KERR_NONE);
	assert_int_equal(c.count, 0);
	assert_int_equal(partition_follower_fetched(p, 3, true, 2, 0, 4, 10), KERR_NONE);
	assert_int_equal(partition_high_watermark(p), 2);
	assert_int_equal(c.count, 0);
	assert_int_equal(partition_follower_fetched(p, 3, true, 4, 0, 4, 10), KERR_NONE);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.error, KERR_NONE);
	assert_true(f.count >= 2);
	fetch_waiter_remove(&f.waiter);
	assert_int_equal(partition_follower_fetched(p, 9, true, 4, 0, 4, 10),
			 KERR_UNKNOWN_LEADER_EPOCH);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 9),
			 KERR_NOT_LEADER_OR_FOLLOWER); /* a zombie of broker 2 */
}

/* A leader that was stopped, or busy, has heard nobody: that is no fault of its followers. */
static void test_a_leader_that_slept_gives_followers_time(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 2);

	world_broker(w, 2, 10, 9093);
	world_apply(w);
	world_append(w, p, 4, -1);
	replica_set_tick(w->set);
	world_now_ms += 100000;
	replica_set_tick(w->set);
	assert_int_equal(p->isr.pending, ISR_COMMITTED);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 10), KERR_NONE);
	for (int i = 0; i < 20; i++) {
		world_now_ms += 1000;
		replica_set_tick(w->set);
	}
	assert_int_equal(p->isr.pending, ISR_COMMITTED);
	assert_int_equal(w->proposed_count, 0);
}

/* For longer than replica.lag.time.max.ms. */
static void followers_lag(struct world *w)
{
	for (int i = 0; i < 60; i++) {
		world_now_ms += 1000;
		replica_set_tick(w->set);
	}
}

static void test_shrinks_and_expands_the_isr(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 2);
	struct counted_commit c = {.waiter.done = commit_counted};
	int32_t alone[] = {1}, both[] = {1, 2};

	world_broker(w, 2, 10, 9093);
	world_apply(w);
	world_append(w, p, 4, -1);
	partition_wait_committed(p, &c.waiter, 4);
	followers_lag(w);
	assert_int_equal(w->proposed_count, 1);
	assert_int_equal(p->isr.pending, ISR_SHRINKING);
	assert_int_equal(c.count, 0);
	partition_isr_answered(p, KERR_NONE, 1);
	assert_int_equal(p->isr.pending, ISR_SHRINKING);
	assert_int_equal(c.count, 0); /* nor now, before the metadata says so */
	world_isr(w, world_id(1), 0, alone, 1);
	world_apply(w);
	assert_int_equal(c.count, 1);
	assert_int_equal(partition_high_watermark(p), 4);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 10), KERR_NONE);
	assert_int_equal(w->proposed_count, 2);
	assert_int_equal(p->isr.pending, ISR_EXPANDING);
	partition_isr_answered(p, KERR_NONE, 2);
	assert_int_equal(p->isr.member_count, 1);
	world_isr(w, world_id(1), 0, both, 2);
	world_apply(w);
	assert_int_equal(p->isr.pending, ISR_COMMITTED);
	assert_int_equal(p->isr.member_count, 2);
}

/* Two replicas are required from now on, and then one leaves: the answer that it may comes before
 * the metadata tells of either. */
static void test_the_configs_come_before_the_answer(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 2);
	int32_t alone[] = {1}, both[] = {1, 2};

	world_broker(w, 2, 10, 9093);
	world_apply(w);
	world_append(w, p, 4, -1);
	followers_lag(w);
	assert_int_equal(p->isr.pending, ISR_SHRINKING);
	partition_isr_answered(p, KERR_NONE, 1);
	assert_int_equal(partition_high_watermark(p), 0);
	world_topic_config(w, "orders", "min.insync.replicas", "2");
	world_isr(w, world_id(1), 0, alone, 1);
	world_apply(w);
	assert_int_equal(partition_high_watermark(p), 0);
	world_isr(w, world_id(1), 0, both, 2);
	world_apply(w);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 10), KERR_NONE);
	assert_int_equal(partition_high_watermark(p), 4);
}

/* An image may come for the sake of another partition of the topic, while the controller may have
 * taken the change already: until it is known, whoever may be in the ISR counts. */
static void test_a_change_of_the_isr_stays_pending(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 2);
	int32_t alone[] = {1};

	world_broker(w, 2, 10, 9093);
	world_isr(w, world_id(1), 0, alone, 1);
	world_apply(w);
	world_now_ms += 100000;
	world_append(w, p, 4, -1);
	assert_int_equal(partition_high_watermark(p), 4);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 10), KERR_NONE);
	assert_int_equal(p->isr.pending, ISR_EXPANDING);
	world_partition(w, world_id(1), 1, 1, 1);
	world_apply(w);
	assert_int_equal(p->isr.pending, ISR_EXPANDING);
	world_now_ms += 100000; /* it lags, and would not be waited for otherwise */
	world_append(w, p, 1, -1);
	assert_int_equal(partition_high_watermark(p), 4);
	world_isr(w, world_id(1), 0, alone, 1);
	world_apply(w);
	assert_int_equal(p->isr.pending, ISR_COMMITTED);
	assert_int_equal(partition_high_watermark(p), 5);
}

/* A replica that cannot join is not waited for. */
static void test_a_fenced_follower_holds_nothing_up(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 2);
	struct fence_broker_record fence = {.id = 2, .epoch = 10};
	int32_t alone[] = {1};

	world_broker(w, 2, 10, 9093);
	world_apply(w);
	world_append(w, p, 4, -1);
	assert_int_equal(partition_follower_fetched(p, 2, true, 4, 0, 4, 10), KERR_NONE);
	world_isr(w, world_id(1), 0, alone, 1);
	world_apply(w);
	world_append(w, p, 1, -1);
	assert_int_equal(partition_high_watermark(p), 4); /* it was caught up just now */
	world_replay(w, FENCE_BROKER_RECORD, &fence);
	world_apply(w);
	assert_int_equal(partition_high_watermark(p), 5);
	assert_int_equal(partition_follower_fetched(p, 2, true, 5, 0, 5, 10), KERR_NONE);
	assert_int_equal(p->isr.pending, ISR_COMMITTED);
	/* Its next life; who speaks for the last one is told to go. */
	world_broker(w, 2, 11, 9093);
	world_apply(w);
	assert_int_equal(partition_follower_fetched(p, 2, true, 5, 0, 5, 10),
			 KERR_NOT_LEADER_OR_FOLLOWER);
	assert_int_equal(partition_follower_fetched(p, 2, true, 5, 0, 5, 11), KERR_NONE);
	assert_int_equal(p->isr.pending, ISR_EXPANDING);
}

static void test_refuses_below_min_insync(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 3);
	struct counted_commit c = {.waiter.done = commit_counted};
	int32_t alone[] = {1};

	world_topic_config(w, "orders", "min.insync.replicas", "2");
	world_apply(w);
	world_append(w, p, 1, -1);
	partition_wait_committed(p, &c.waiter, 1);
	world_isr(w, world_id(1), 0, alone, 1);
	world_apply(w);
	assert_int_equal(world_append(w, p, 1, -1).error, KERR_NOT_ENOUGH_REPLICAS);
	assert_int_equal(world_append(w, p, 1, 1).error, KERR_NONE);
	assert_int_equal(partition_high_watermark(p), 0);
	assert_int_equal(c.count, 0);
	commit_waiter_cancel(&c.waiter);
}

static void test_a_lost_leadership_ends_the_wait(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 3);
	struct counted_commit c = {.waiter.done = commit_counted};

	world_append(w, p, 1, -1);
	partition_wait_committed(p, &c.waiter, 1);
	world_lead(w, world_id(1), 0, 2);
	world_apply(w);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.error, KERR_NOT_LEADER_OR_FOLLOWER);
	assert_int_equal(p->role, PARTITION_FOLLOWER);
}

static void test_a_new_leader_does_not_know_the_end_yet(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 3);
	struct list_offset_result r;

	world_append(w, p, 5, 1);
	world_lead(w, world_id(1), 0, 2);
	world_apply(w);
	world_lead(w, world_id(1), 0, 1);
	world_apply(w);
	list_offset(p, LIST_LATEST, READ_UNCOMMITTED, -1, &r);
	assert_int_equal(r.error, KERR_OFFSET_NOT_AVAILABLE);
	list_offset(p, LIST_LATEST, READ_LOG_END, -1, &r);
	assert_int_equal(r.error, KERR_NONE);
	assert_int_equal(r.offset, 5);
}

/* ---- Waiters ------------------------------------------------------------------------------- */

struct appending_fetch {
	struct fetch_waiter waiter;
	struct world *w;
	struct partition *p;
	unsigned left, depth, deepest, count;
};

static void fetch_appends(struct fetch_waiter *waiter, bool gone)
{
	struct appending_fetch *a = CONTAINER_OF(waiter, struct appending_fetch, waiter);

	(void)gone;
	a->count++;
	a->depth++;
	a->deepest = MAX(a->deepest, a->depth);
	if (a->left > 0) {
		a->left--;
		world_append(a->w, a->p, 1, 1);
	}
	a->depth--;
}

static void test_waiters_may_append(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);
	struct appending_fetch a = {.waiter.wake = fetch_appends, .w = w, .p = p, .left = 100};

	partition_wait_records(p, &a.waiter);
	world_append(w, p, 1, 1);
	assert_int_equal(partition_log_end_offset(p), 101);
	assert_int_equal(a.deepest, 1); /* one after the other, never nested */
	assert_true(a.count >= 101);
	fetch_waiter_remove(&a.waiter);
}

/* ---- Disks --------------------------------------------------------------------------------- */

static void test_a_failed_disk_takes_only_its_partitions(void **state)
{
	struct world *w = *state;
	struct partition *a, *b;
	struct counted_fetch f = {.waiter.wake = fetch_counted};
	bool clean[2];

	world_topic(w, "t", world_id(1));
	world_partition(w, world_id(1), 0, 1, 1);
	world_partition(w, world_id(1), 1, 1, 1);
	world_apply(w);
	a = replica_set_find(w->set, world_id(1), 0);
	b = replica_set_find(w->set, world_id(1), 1);
	assert_int_not_equal(a->dir, b->dir); /* spread over both */
	world_append(w, a, 1, 1);
	partition_wait_records(a, &f.waiter);
	world_broken = w->paths[a->dir];
	world_broken_errno = EIO;
	assert_int_equal(world_append(w, a, 1, 1).error, KERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(w->dir_failed_count, 1);
	assert_int_equal(w->dir_failed, a->dir);
	assert_int_equal(f.count, 1);
	assert_int_equal(a->role, PARTITION_OFFLINE);
	assert_int_equal(partition_error(a, -1, false), KERR_KAFKA_STORAGE_ERROR);
	assert_true(replica_set_dir_is_offline(w->set, a->dir));
	assert_int_equal(read_at(w, a, 0, READ_UNCOMMITTED).error, KERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(world_append(w, a, 1, 1).error, KERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(w->dir_failed_count, 1);
	assert_int_equal(world_append(w, b, 1, 1).error, KERR_NONE);
	fetch_waiter_remove(&f.waiter);
	world_broken = NULL;
	replica_set_tick(w->set);
	assert_true(replica_set_close(w->set, clean) < 0);
	assert_false(clean[a->dir]);
	assert_true(clean[b->dir]);
}

static void test_a_full_disk_is_no_failed_disk(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1, 1);

	world_append(w, p, 1, 1);
	world_broken = w->paths[0];
	world_broken_errno = ENOSPC;
	assert_int_equal(world_append(w, p, 1, 1).error, KERR_KAFKA_STORAGE_ERROR);
	assert_int_equal(w->dir_failed_count, 0);
	world_broken = NULL;
	assert_int_equal(world_append(w, p, 1, 1).base_offset, 1);
}

/* 40 times the same key, in four segments or more. */
static void append_segments(struct world *w, struct partition *p)
{
	for (int i = 0; i < 40; i++) {
		struct slice batch = world_batch(1, 100000, 1700000000000);
		struct append_result result;

		partition_append(p, batch, APPEND_CLIENT, 1, &w->arena, &result);
		slice_unref(&batch);
		assert_int_equal(result.error, KERR_NONE);
	}
}

static void test_compacts_in_ticks(void **state)
{
	struct world *w = *state;
	struct partition *p;
	struct read_result read;
	size_t len;

	world_topic_config(w, "orders", "segment.bytes", "1048576");
	world_topic_config(w, "orders", "cleanup.policy", "compact");
	p = orders(w, 1, 1);
	append_segments(w, p);
	assert_true(log_size_bytes(p->log) > 4000000);
	for (int i = 0; i < 1000 && log_size_bytes(p->log) > 2000000; i++) {
		world_now_ms += 100;
		replica_set_tick(w->set);
	}
	assert_true(log_size_bytes(p->log) < 2000000);
	assert_int_equal(w->cleaned_count, 1);
	assert_int_equal(partition_log_end_offset(p), 40);
	assert_int_equal(partition_log_start_offset(p), 0);
	read = read_at(w, p, 0, READ_UNCOMMITTED);
	assert_int_equal(read.error, KERR_NONE);
	assert_true(first_offset_in(p, &read, &len) > 0);
}

/* 4 MB are read twice: at 1 MB a second that takes 8 seconds, and the disk has rest meanwhile. */
static void test_compacts_at_its_rate(void **state)
{
	static const char *const overrides[] = {"log.cleaner.io.max.bytes.per.second=1000000"};
	struct config_load_options load = {.overrides = overrides, .override_count = 1};
	struct world *w = *state;
	struct config *config;
	struct partition *p;
	struct err err;
	int64_t started_ms;

	assert_int_equal(config_load(&config, &load, &err), 0);
	replica_set_configure(w->set, config);
	config_unref(config);
	world_topic_config(w, "orders", "segment.bytes", "1048576");
	world_topic_config(w, "orders", "cleanup.policy", "compact");
	p = orders(w, 1, 1);
	append_segments(w, p);
	started_ms = world_now_ms;
	for (int i = 0; i < 3000 && w->cleaned_count == 0; i++) {
		world_now_ms += 10;
		replica_set_tick(w->set);
	}
	assert_int_equal(w->cleaned_count, 1);
	assert_in_range(world_now_ms - started_ms, 5000, 10000);
}

static void test_retention_runs_in_ticks(void **state)
{
	struct world *w = *state;
	struct partition *p;

	world_topic_config(w, "orders", "segment.bytes", "1048576");
	world_topic_config(w, "orders", "retention.bytes", "1048576");
	p = orders(w, 1, 1);
	append_segments(w, p);
	assert_true(log_segment_count(p->log) >= 4);
	world_now_ms += 400000;
	replica_set_tick(w->set);
	world_now_ms += 400000;
	replica_set_tick(w->set);
	assert_true(partition_log_start_offset(p) > 0);
	assert_true(log_size_bytes(p->log) < 2200000);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)
#define TWO(test) cmocka_unit_test_setup_teardown(test, setup_two_dirs, world_teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_appends_and_reads),
		ONE(test_epochs_of_readers_are_checked),
		ONE(test_a_reader_of_another_history_is_told),
		ONE(test_survives_a_restart),
		ONE(test_deletes_topics),
		ONE(test_a_new_topic_of_the_name_starts_empty),
		ONE(test_sets_strays_aside),
		ONE(test_takes_new_configs),
		ONE(test_lists_offsets),
		ONE(test_deletes_records_only_where_it_may),
		ONE(test_waits_for_followers),
		ONE(test_a_leader_that_slept_gives_followers_time),
		ONE(test_shrinks_and_expands_the_isr),
		ONE(test_the_configs_come_before_the_answer),
		ONE(test_a_change_of_the_isr_stays_pending),
		ONE(test_a_fenced_follower_holds_nothing_up),
		ONE(test_refuses_below_min_insync),
		ONE(test_a_lost_leadership_ends_the_wait),
		ONE(test_a_new_leader_does_not_know_the_end_yet),
		ONE(test_waiters_may_append),
		TWO(test_a_failed_disk_takes_only_its_partitions),
		ONE(test_a_full_disk_is_no_failed_disk),
		ONE(test_compacts_in_ticks),
		ONE(test_compacts_at_its_rate),
		ONE(test_retention_runs_in_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
