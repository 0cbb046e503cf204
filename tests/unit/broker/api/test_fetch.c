/* Broken here: consumers miss records, get them twice, wait too long or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/fetches.h"

static void test_every_version_and_shard(void **state)
{
	struct node *n = *state;

	for (int32_t i = 0; i < PARTITIONS; i++) {
		append(n, i, 3, 10);    /* copied into the response */
		append(n, i, 2, 60000); /* goes as a file range */
	}
	for (int16_t version = 4; version <= 18; version++) {
		struct fetch_call f;
		struct call *c;

		fetch_init(&f, 500, 1);
		f.body.session_epoch = -1;
		for (int32_t i = 0; i < PARTITIONS; i++)
			fetch_add(&f, i, i % 2 ? 3 : 0);
		c = call_now(n, (unsigned)version % 3, API_FETCH, version, &f.body);
		assert_int_equal(response(c)->responses_count, 1);
		assert_int_equal(response(c)->session_id, 0);
		for (int32_t i = 0; i < PARTITIONS; i++) {
			const struct fetch_response_partition_data *p = answer(c, i);

			assert_int_equal(p->error_code, KERR_NONE);
			assert_int_equal(p->high_watermark, 5);
			assert_int_equal(p->last_stable_offset, 5);
			assert_int_equal(count_records(p, i % 2 ? 3 : 0), i % 2 ? 2 : 5);
			assert_int_equal(p->aborted_transactions_count, -1);
		}
		call_free(c);
	}
}

static void test_errors_come_at_once(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	append(n, 0, 3, 10);
	fetch_init(&f, 500, 1000000);
	f.body.session_epoch = -1;
	fetch_add(&f, 0, 4);                           /* beyond the end */
	fetch_add(&f, 1, 0)->current_leader_epoch = 3; /* not yet */
	fetch_add(&f, 9, 0);
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	assert_int_equal(answer(c, 0)->error_code, KERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(answer(c, 0)->high_watermark, -1);
	assert_int_equal(answer(c, 1)->error_code, KERR_UNKNOWN_LEADER_EPOCH);
	assert_int_equal(answer(c, 9)->error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	call_free(c);

	f.topic.topic_id = world_id(77);
	c = call_now(n, 0, API_FETCH, 13, &f.body);
	assert_int_equal(answer(c, 0)->error_code, KERR_UNKNOWN_TOPIC_ID);
	call_free(c);
}

static void test_sizes(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	for (int32_t i = 0; i < PARTITIONS; i++)
		for (int j = 0; j < 5; j++)
			append(n, i, 1, 50000);
	fetch_init(&f, 500, 1);
	f.body.session_epoch = -1;
	for (int32_t i = 0; i < PARTITIONS; i++)
		fetch_add(&f, i, 0)->partition_max_bytes = 120000;
	/* The request's limit, over partitions of all shards, in their order. */
	f.body.max_bytes = 200000;
	c = call_now(n, 1, API_FETCH, 12, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 2);
	assert_int_equal(answer(c, 0)->records.len, 120000);
	assert_int_equal(count_records(answer(c, 1), 0), 1);
	assert_int_equal(answer(c, 1)->records.len, 80000);
	assert_int_equal(answer(c, 2)->records.len, 0);
	assert_int_equal(answer(c, 2)->high_watermark, 5);
	call_free(c);
	/* Smaller than any batch: the first comes whole all the same, others do not. */
	f.body.max_bytes = 10;
	for (int32_t i = 0; i < PARTITIONS; i++)
		f.partitions[i].partition_max_bytes = 10;
	c = call_now(n, 1, API_FETCH, 12, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 1);
	for (int32_t i = 1; i < PARTITIONS; i++)
		assert_int_equal(answer(c, i)->records.len, 0);
	call_free(c);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

static void test_waits_for_records_of_any_shard(void **state)
{
	struct node *n = *state;

	for (int32_t i = 0; i < PARTITIONS; i++) {
		struct fetch_call f;
		struct call *c;

		fetch_init(&f, 500, 1);
		f.body.session_epoch = -1;
		for (int32_t j = 0; j < PARTITIONS; j++)
			fetch_add(&f, j, j < i);
		c = call_start(n, 0, API_FETCH, 12, &f.body);
		assert_false(c->is_done);
		node_wait(n, 100);
		assert_false(c->is_done);
		append(n, i, 1, 10);
		assert_true(c->is_done);
		assert_int_equal(count_records(answer(c, i), 0), 1);
		call_free(c);
	}
}

static void test_waits_no_longer_than_asked(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	fetch_init(&f, 500, 1);
	f.body.session_epoch = -1;
	fetch_add(&f, 0, 0);
	fetch_add(&f, 1, 0);
	c = call_start(n, 0, API_FETCH, 12, &f.body);
	node_wait(n, 490);
	assert_false(c->is_done);
	node_wait(n, 20);
	assert_true(c->is_done);
	assert_int_equal(answer(c, 0)->error_code, KERR_NONE);
	assert_int_equal(answer(c, 0)->records.len, 0);
	call_free(c);
	f.body.max_wait_ms = 0;
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	call_free(c);
}

static void test_min_bytes_are_summed_over_shards(void **state)
{
	struct node *n = *state;

	for (unsigned shard = 0; shard < 3; shard++) {
		struct fetch_call f;
		struct call *c;
		int64_t at = shard;

		fetch_init(&f, 5000, 3500);
		f.body.session_epoch = -1;
		for (int32_t j = 0; j < PARTITIONS; j++)
			fetch_add(&f, j, at);
		c = call_start(n, shard, API_FETCH, 12, &f.body);
		for (int32_t i = 0; i < PARTITIONS; i++) {
			assert_false(c->is_done);
			append(n, i, 1, 900);
		}
		assert_true(c->is_done);
		for (int32_t i = 0; i < PARTITIONS; i++)
			assert_int_equal(count_records(answer(c, i), at), 1);
		call_free(c);
	}
}

static void test_enough_together_is_answered_at_once(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	append(n, 0, 1, 900);
	append(n, 1, 1, 900);
	fetch_init(&f, 5000, 1500); /* each shard alone would wait */
	f.body.session_epoch = -1;
	for (int32_t i = 0; i < PARTITIONS; i++)
		fetch_add(&f, i, 0);
	c = call_now(n, 2, API_FETCH, 12, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 1);
	assert_int_equal(count_records(answer(c, 1), 0), 1);
	call_free(c);
	/* An error on one shard ends the wait on the others. */
	f.partitions[2].fetch_offset = 77;
	f.body.min_bytes = 1000000;
	c = call_now(n, 2, API_FETCH, 12, &f.body);
	assert_int_equal(answer(c, 2)->error_code, KERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(count_records(answer(c, 0), 0), 1);
	call_free(c);
	/* Nobody is left waiting: appends find no waiter of a request that is gone. */
	for (int32_t i = 0; i < PARTITIONS; i++) {
		assert_true(list_empty(&node_partition(n, ORDERS, i)->fetch_waiters));
		append(n, i, 1, 10);
	}
}

/* Records come while the parts of the first read are still under way. */
static void test_records_come_in_between(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	fetch_init(&f, 5000, 1);
	f.body.session_epoch = -1;
	for (int32_t i = 0; i < PARTITIONS; i++)
		fetch_add(&f, i, 0);
	c = call_begin(n, 0, API_FETCH, 12, &f.body);
	assert_false(c->is_done);
	append(n, 0, 1, 10); /* shard 1: before it was visited */
	assert_true(c->is_done);
	assert_int_equal(count_records(answer(c, 0), 0), 1);
	call_free(c);
	for (int32_t i = 1; i < PARTITIONS; i++) {
		fetch_init(&f, 5000, 1);
		f.body.session_epoch = -1;
		for (int32_t j = 0; j < PARTITIONS; j++)
			fetch_add(&f, j, j < i);
		/* Partition 2 is of this shard: its waiter is there before the others' parts are
		 * back. */
		c = call_begin(n, 0, API_FETCH, 12, &f.body);
		append(n, i, 1, 10);
		assert_true(c->is_done);
		assert_int_equal(count_records(answer(c, i), 0), 1);
		call_free(c);
	}
}

static void test_a_waiting_fetch_is_told_of_losses(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c, *d;

	fetch_init(&f, 5000, 1);
	f.body.session_epoch = -1;
	fetch_add(&f, 0, 0);
	fetch_add(&f, 1, 0);
	c = call_start(n, 2, API_FETCH, 10, &f.body);
	d = call_start(n, 0, API_FETCH, 16, &f.body);
	world_lead(&n->world, ORDERS, 1, -1);
	node_apply(n);
	node_run(n);
	assert_int_equal(answer(c, 1)->error_code, KERR_NOT_LEADER_OR_FOLLOWER);
	assert_int_equal(answer(c, 0)->error_code, KERR_NONE);
	call_free(c);
	assert_false(d->is_done); /* a consumer of that version may read from a follower */
	world_remove_topic(&n->world, ORDERS);
	node_apply(n);
	node_run(n);
	assert_int_equal(answer(d, 0)->error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	call_free(d);
}

static void test_waiting_at_the_end(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;
	bool clean[1];

	fetch_init(&f, 5000, 1);
	f.body.session_epoch = -1;
	for (int32_t i = 0; i < PARTITIONS; i++)
		fetch_add(&f, i, 0);
	c = call_start(n, 0, API_FETCH, 12, &f.body);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(replica_set_close(n->shards[i].shard.replicas, clean), 0);
	node_run(n);
	assert_int_equal(answer(c, 0)->error_code, KERR_NOT_LEADER_OR_FOLLOWER);
	call_free(c);
}

/* ---- Sessions ------------------------------------------------------------------------------ */

static void test_session_tells_only_what_is_new(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;
	int32_t id;

	append(n, 2, 1, 10);
	fetch_init(&f, 0, 1);
	f.body.session_epoch = 0;
	for (int32_t i = 0; i < PARTITIONS; i++)
		fetch_add(&f, i, 0);
	c = call_now(n, 1, API_FETCH, 12, &f.body);
	id = response(c)->session_id;
	assert_true(id > 0);
	assert_int_equal(partition_count(c), PARTITIONS);
	call_free(c);

	/* From another shard's connection: partition 2 moves on, nothing else is said. */
	fetch_init(&f, 0, 1);
	f.body.session_id = id;
	f.body.session_epoch = 1;
	fetch_add(&f, 2, 1);
	c = call_now(n, 2, API_FETCH, 12, &f.body);
	assert_int_equal(response(c)->session_id, id);
	assert_int_equal(partition_count(c), 0);
	call_free(c);

	append(n, 3, 2, 40000);
	fetch_init(&f, 0, 1);
	f.body.session_id = id;
	f.body.session_epoch = 2;
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	assert_int_equal(partition_count(c), 1);
	assert_int_equal(count_records(answer(c, 3), 0), 2);
	call_free(c);

	/* An error is said once more when it is over. */
	fetch_init(&f, 0, 1);
	f.body.session_id = id;
	f.body.session_epoch = 3;
	fetch_add(&f, 3, 99);
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	assert_int_equal(answer(c, 3)->error_code, KERR_OFFSET_OUT_OF_RANGE);
	call_free(c);
	f.body.session_epoch = 4;
	f.partitions[0].fetch_offset = 2;
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	assert_int_equal(partition_count(c), 1);
	assert_int_equal(answer(c, 3)->error_code, KERR_NONE);
	call_free(c);
}

static void test_session_forgets(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;
	int32_t id;

	fetch_init(&f, 0, 1);
	f.body.session_epoch = 0;
	fetch_add(&f, 0, 0);
	c = call_now(n, 0, API_FETCH, 13, &f.body);
	id = response(c)->session_id;
	call_free(c);
	fetch_init(&f, 0, 1);
	f.body.session_id = id;
	f.body.session_epoch = 1;
	f.body.forgotten_topics_data = &f.forgotten;
	f.body.forgotten_topics_data_count = 1;
	f.forgotten.topic_id = ORDERS;
	f.forgotten.partitions = &f.forgotten_index;
	f.forgotten.partitions_count = 1;
	c = call_now(n, 0, API_FETCH, 13, &f.body);
	assert_int_equal(response(c)->session_id, 0); /* it is empty: gone */
	call_free(c);
	f.body.session_epoch = 2;
	c = call_now(n, 0, API_FETCH, 13, &f.body);
	assert_int_equal(response(c)->error_code, KERR_FETCH_SESSION_ID_NOT_FOUND);
	call_free(c);
}

static void test_session_epochs(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c, *late;
	int32_t id;

	fetch_init(&f, 1000, 1);
	f.body.session_epoch = 0;
	fetch_add(&f, 0, 0);
	c = call_start(n, 0, API_FETCH, 12, &f.body);
	node_wait(n, 1100);
	id = response(c)->session_id;
	call_free(c);
	fetch_init(&f, 1000, 1);
	f.body.session_id = id;
	f.body.session_epoch = 5;
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	assert_int_equal(response(c)->error_code, KERR_INVALID_FETCH_SESSION_EPOCH);
	call_free(c);
	f.body.session_epoch = 1;
	c = call_now(n, 0, API_FETCH, 13, &f.body);
	assert_int_equal(response(c)->error_code, KERR_FETCH_SESSION_TOPIC_ID_ERROR);
	call_free(c);
	/* A second request of the session while the first waits makes that one void. */
	late = call_start(n, 0, API_FETCH, 12, &f.body);
	f.body.session_epoch = 2;
	c = call_start(n, 0, API_FETCH, 12, &f.body);
	append(n, 0, 1, 10);
	assert_int_equal(response(late)->error_code, KERR_INVALID_FETCH_SESSION_EPOCH);
	assert_int_equal(response(c)->error_code, KERR_NONE);
	assert_int_equal(count_records(answer(c, 0), 0), 1);
	call_free(late);
	call_free(c);
	/* Closed for good. */
	f.body.session_epoch = -1;
	c = call_start(n, 0, API_FETCH, 12, &f.body);
	node_wait(n, 1100);
	call_free(c);
	f.body.session_epoch = 3;
	c = call_now(n, 0, API_FETCH, 12, &f.body);
	assert_int_equal(response(c)->error_code, KERR_FETCH_SESSION_ID_NOT_FOUND);
	call_free(c);
}

/* ---- Followers ----------------------------------------------------------------------------- */

static void test_followers_move_the_high_watermark(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(2, 10, 1700000000000);
	struct append_result result;
	struct partition *p;
	struct fetch_call f;
	struct call *c;

	world_topic(&n->world, "shared", world_id(2));
	world_partition(&n->world, world_id(2), 0, 1, 2);
	node_register(n, 2, 9093);
	node_apply(n);
	p = node_partition(n, world_id(2), 0);
	partition_append(p, batch, APPEND_CLIENT, 1, &n->world.arena, &result);
	slice_unref(&batch);
	fetch_init(&f, 0, 1);
	f.body.session_epoch = -1;
	f.body.replica_state.replica_id = 2;
	f.body.replica_state.replica_epoch = 1;
	f.topic.topic_id = world_id(2);
	fetch_add(&f, 0, 0)->current_leader_epoch = 0;
	c = call_now(n, 0, API_FETCH, 15, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 2); /* beyond the high watermark */
	assert_int_equal(answer(c, 0)->high_watermark, 0);
	call_free(c);
	f.partitions[0].fetch_offset = 2;
	c = call_now(n, 0, API_FETCH, 15, &f.body);
	assert_int_equal(partition_high_watermark(p), 2);
	call_free(c);
	f.body.replica_state.replica_id = 3;
	c = call_now(n, 0, API_FETCH, 15, &f.body);
	assert_int_equal(answer(c, 0)->error_code, KERR_UNKNOWN_LEADER_EPOCH);
	call_free(c);
}

/* A follower in sync: "shared" has two records, and broker 2 fetches what comes after them. */
static struct partition *shared(struct node *n, struct fetch_call *f, int32_t max_wait_ms)
{
	struct slice batch = world_batch(2, 10, 1700000000000);
	struct append_result result;
	struct partition *p;

	world_topic(&n->world, "shared", world_id(2));
	world_partition(&n->world, world_id(2), 0, 1, 3);
	world_broker_in_rack(&n->world, 1, 1, 9092, STR_LIT("east"));
	world_broker_in_rack(&n->world, 2, 1, 9093, STR_LIT("west"));
	world_broker_in_rack(&n->world, 3, 1, 9094, STR_LIT("west"));
	node_apply(n);
	p = node_partition(n, world_id(2), 0);
	partition_append(p, batch, APPEND_CLIENT, 1, &n->world.arena, &result);
	slice_unref(&batch);
	fetch_init(f, max_wait_ms, 1);
	f->body.session_epoch = -1;
	f->topic.topic_id = world_id(2);
	return p;
}

static void as_follower(struct fetch_call *f, int32_t id, int64_t high_watermark)
{
	f->body.replica_state.replica_id = id;
	f->body.replica_state.replica_epoch = 1;
	fetch_add(f, 0, 2)->current_leader_epoch = 0;
	f->partitions[0].last_fetched_epoch = 0;
	f->partitions[0].high_watermark = high_watermark;
}

static void test_followers_learn_the_high_watermark_soon(void **state)
{
	struct node *n = *state;
	struct fetch_call f, other;
	struct partition *p = shared(n, &f, 500);
	struct call *c, *d;

	as_follower(&f, 2, 0);
	c = call_start(n, 0, API_FETCH, 18, &f.body);
	assert_false(c->is_done);
	other = f;
	other.topic.partitions = other.partitions;
	other.body.topics = &other.topic;
	other.body.replica_state.replica_id = 3;
	d = call_start(n, 1, API_FETCH, 18, &other.body);
	assert_int_equal(partition_high_watermark(p), 2);
	assert_false(c->is_done); /* records may come that bring it along */
	node_wait(n, 10);
	assert_true(c->is_done);
	assert_true(d->is_done); /* its own fetch was what was missing */
	assert_int_equal(answer(c, 0)->high_watermark, 2);
	assert_int_equal(answer(d, 0)->high_watermark, 2);
	assert_int_equal(count_records(answer(c, 0), 0), 0);
	call_free(c);
	call_free(d);
	/* Apache's followers do not care, nor does who knows it already. */
	f.partitions[0].high_watermark = INT64_MAX;
	c = call_start(n, 0, API_FETCH, 18, &f.body);
	assert_false(c->is_done);
	node_wait(n, 500);
	assert_true(c->is_done);
	call_free(c);
}

static int setup_racks(void **state)
{
	const char *override = "replica.selector.class="
			       "org.apache.kafka.common.replica.RackAwareReplicaSelector";

	*state = xcalloc(1, sizeof(struct node));
	node_init(*state, 1, 1, &override, 1);
	return 0;
}

static int32_t preferred_in(struct node *n, struct fetch_call *f, const char *rack)
{
	struct call *c;
	int32_t preferred;

	f->body.rack_id = str_of(rack);
	c = call_now(n, 0, API_FETCH, 13, &f->body);
	preferred = answer(c, 0)->preferred_read_replica;
	assert_int_equal(answer(c, 0)->error_code, KERR_NONE);
	if (preferred >= 0)
		assert_int_equal(count_records(answer(c, 0), 0), 0);
	call_free(c);
	return preferred;
}

static void test_consumers_are_sent_to_their_rack(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct partition *p = shared(n, &f, 0);

	fetch_add(&f, 0, 0);
	assert_int_equal(preferred_in(n, &f, "west"), -1); /* nothing is known of them yet */
	partition_follower_fetched(p, 2, true, 1, 0, 2, 1);
	assert_int_equal(preferred_in(n, &f, "west"), 2);
	partition_follower_fetched(p, 3, true, 2, 0, 2, 1);
	assert_int_equal(preferred_in(n, &f, "west"), 3);  /* it has more */
	assert_int_equal(preferred_in(n, &f, "east"), -1); /* that is here */
	assert_int_equal(preferred_in(n, &f, "north"), -1);
	f.partitions[0].fetch_offset = 2;
	partition_follower_fetched(p, 2, true, 2, 0, 2, 1);
	world_isr(&n->world, world_id(2), 0, (int32_t[]){1, 2}, 2);
	node_apply(n);
	assert_int_equal(preferred_in(n, &f, "west"), 2); /* 3 is not in sync any more */
}

static void test_throttled_followers_wait(void **state)
{
	struct node *n = *state;
	const struct config_entry rate = {STR_LIT("leader.replication.throttled.rate"),
					  STR_LIT("100")};
	struct fetch_call f;
	struct partition *p = shared(n, &f, 0);
	struct config *config = config_with_dynamic(n->world.config, &rate, 1, NULL, 0);
	struct call *c;

	for (unsigned i = 0; i < n->broker.shard_count; i++)
		replica_set_configure(n->shards[i].shard.replicas, config);
	config_unref(config);
	world_topic_config(&n->world, "shared", "leader.replication.throttled.replicas", "*");
	world_isr(&n->world, world_id(2), 0, (int32_t[]){1, 3}, 2);
	node_apply(n);
	assert_true(p->is_leader_throttled);
	as_follower(&f, 2, INT64_MAX);
	f.partitions[0].fetch_offset = 0;
	f.partitions[0].last_fetched_epoch = -1;
	c = call_now(n, shard_owner(&n->broker, world_id(2), 0)->index, API_FETCH, 18, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 2);
	call_free(c);
	c = call_now(n, shard_owner(&n->broker, world_id(2), 0)->index, API_FETCH, 18, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 0);
	call_free(c);
	/* A member of the ISR is never held up. */
	f.body.replica_state.replica_id = 3;
	c = call_now(n, shard_owner(&n->broker, world_id(2), 0)->index, API_FETCH, 18, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 2);
	call_free(c);
	node_wait(n, 10000);
	f.body.replica_state.replica_id = 2;
	c = call_now(n, shard_owner(&n->broker, world_id(2), 0)->index, API_FETCH, 18, &f.body);
	assert_int_equal(count_records(answer(c, 0), 0), 2);
	call_free(c);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_every_version_and_shard),
		ONE(test_errors_come_at_once),
		ONE(test_sizes),
		ONE(test_waits_for_records_of_any_shard),
		ONE(test_waits_no_longer_than_asked),
		ONE(test_min_bytes_are_summed_over_shards),
		ONE(test_enough_together_is_answered_at_once),
		ONE(test_records_come_in_between),
		ONE(test_a_waiting_fetch_is_told_of_losses),
		ONE(test_waiting_at_the_end),
		ONE(test_session_tells_only_what_is_new),
		ONE(test_session_forgets),
		ONE(test_session_epochs),
		ONE(test_followers_move_the_high_watermark),
		ONE(test_followers_learn_the_high_watermark_soon),
		cmocka_unit_test_setup_teardown(test_consumers_are_sent_to_their_rack, setup_racks,
						teardown),
		ONE(test_throttled_followers_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
