/* Broken here: a session looks at everything each time, or does not see what has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/fetches.h"

#define SHARED world_id(2)

/* ---- Helpers --------------------------------------------------------------------------------- */

/* A session over all partitions of ORDERS from their ends, by a client of broker `replica_id` (-1:
 * a consumer). Gives its id. */
static int32_t begin(struct node *n, struct fetch_call *f, int32_t replica_id)
{
	struct call *c;
	int32_t id;

	fetch_init(f, 0, 1);
	f->body.session_epoch = 0;
	f->body.replica_state.replica_id = replica_id;
	f->body.replica_state.replica_epoch = replica_id < 0 ? -1 : 1;
	for (int32_t i = 0; i < PARTITIONS; i++)
		fetch_add(f, i, partition_log_end_offset(node_partition(n, ORDERS, i)));
	c = call_now(n, 1, API_FETCH, 17, &f->body);
	id = response(c)->session_id;
	assert_true(id > 0);
	assert_int_equal(partition_count(c), PARTITIONS);
	call_free(c);
	f->topic.partitions_count = 0;
	f->body.topics_count = 0;
	f->body.session_id = id;
	return id;
}

/* The session's next request: what was added to `f`, which is empty again afterwards. */
static struct call *next(struct node *n, struct fetch_call *f)
{
	struct call *c;

	f->body.session_epoch++;
	c = call_start(n, f->body.session_epoch % 3, API_FETCH, 17, &f->body);
	f->topic.partitions_count = 0;
	f->body.topics_count = 0;
	f->body.forgotten_topics_data_count = 0;
	return c;
}

/* How many partitions the next request names. */
static unsigned told(struct node *n, struct fetch_call *f)
{
	struct call *c = next(n, f);
	unsigned count;

	assert_int_equal(response(c)->error_code, KERR_NONE);
	count = partition_count(c);
	call_free(c);
	return count;
}

static enum kafka_error told_error(struct node *n, struct fetch_call *f, int32_t index)
{
	struct call *c = next(n, f);
	enum kafka_error error = answer(c, index)->error_code;

	assert_int_equal(partition_count(c), 1);
	call_free(c);
	return error;
}

static struct fetch_session *session(struct node *n, int32_t id)
{
	return fetch_sessions_find(n->shards[fetch_session_shard(id, 3)].shard.fetch_sessions, id);
}

/* How many partitions the next request will look at, if it asks for none. */
static unsigned changed_count(struct node *n, int32_t id)
{
	struct fetch_session *s = session(n, id);
	unsigned count = 0;

	for (unsigned i = 0; i < 3; i++) {
		const struct fetch_watch *w = s->watches[i];

		for (const struct list_node *at = w ? w->changed.next : NULL;
		     w && at != &w->changed; at = at->next)
			count++;
	}
	return count;
}

static int64_t now_ms(struct node *n)
{
	return env_mono_us(&n->world.env) / 1000;
}

/* ---- What is looked at ----------------------------------------------------------------------- */

static void test_only_what_changed_is_looked_at(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id = begin(n, &f, -1);

	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	append(n, 2, 1, 10);
	assert_int_equal(changed_count(n, id), 1);
	assert_int_equal(told(n, &f), 1);
	/* Records that the client did not take come again. */
	assert_int_equal(changed_count(n, id), 1);
	assert_int_equal(told(n, &f), 1);
	fetch_add(&f, 2, 1);
	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	append(n, 0, 1, 10);
	append(n, 3, 1, 10);
	assert_int_equal(told(n, &f), 2);
}

static void test_a_waiting_fetch_is_woken(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id = begin(n, &f, -1);

	f.body.max_wait_ms = 500;
	for (int32_t i = 0; i < PARTITIONS; i++) {
		struct call *c = next(n, &f);

		assert_false(c->is_done);
		append(n, i, 1, 10);
		assert_true(c->is_done);
		assert_int_equal(partition_count(c), 1);
		assert_int_equal(count_records(answer(c, i), 0), 1);
		call_free(c);
		fetch_add(&f, i, 1);
	}
	f.body.max_wait_ms = 0;
	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
}

static void test_bytes_are_summed_over_a_session(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	begin(n, &f, -1);
	f.body.max_wait_ms = 5000;
	f.body.min_bytes = 3500;
	c = next(n, &f);
	for (int32_t i = 0; i < PARTITIONS; i++) {
		assert_false(c->is_done);
		append(n, i, 1, 900);
	}
	assert_int_equal(partition_count(c), PARTITIONS);
	call_free(c);
}

/* The partition that had data is behind the others next time. */
static void test_partitions_take_turns(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	begin(n, &f, -1);
	for (int i = 0; i < 2; i++)
		for (int32_t j = 0; j < PARTITIONS; j++)
			append(n, j, 1, 1000);
	f.body.max_bytes = 100;
	for (int32_t i = 0; i < PARTITIONS; i++) {
		c = next(n, &f);
		assert_int_equal(count_records(answer(c, i), 0), 1);
		call_free(c);
		fetch_add(&f, i, 1);
	}
	c = next(n, &f);
	assert_int_equal(count_records(answer(c, 0), 1), 1);
	call_free(c);
}

/* ---- What changes ---------------------------------------------------------------------------- */

static void test_the_log_start_is_told(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;
	int64_t low;

	append(n, 1, 4, 10);
	begin(n, &f, -1);
	assert_int_equal(told(n, &f), 0);
	assert_int_equal(partition_delete_records(node_partition(n, ORDERS, 1), 3, &low),
			 KERR_NONE);
	c = next(n, &f);
	assert_int_equal(partition_count(c), 1);
	assert_int_equal(answer(c, 1)->log_start_offset, 3);
	call_free(c);
	assert_int_equal(told(n, &f), 0);
}

static void test_retention_is_told(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;
	unsigned shard = shard_owner(&n->broker, ORDERS, 1)->index;

	world_topic_config(&n->world, "orders", "retention.ms", "1000");
	node_apply(n);
	append(n, 1, 4, 10); /* of the year 2023 */
	begin(n, &f, -1);
	assert_int_equal(told(n, &f), 0);
	for (int i = 0; i < 700; i++) {
		world_now_ms += 1000;
		replica_set_tick(n->shards[shard].shard.replicas);
	}
	assert_int_equal(partition_log_start_offset(node_partition(n, ORDERS, 1)), 4);
	c = next(n, &f);
	assert_int_equal(partition_count(c), 1);
	assert_int_equal(answer(c, 1)->log_start_offset, 4);
	call_free(c);
}

static void test_leaders_come_and_go(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id;

	world_topic(&n->world, "shared", SHARED);
	world_partition(&n->world, SHARED, 0, 1, 2);
	node_register(n, 2, 9093);
	node_apply(n);
	id = begin(n, &f, -1);
	f.topic.topic_id = SHARED;
	fetch_add(&f, 0, 0)->current_leader_epoch = 0;
	assert_int_equal(told(n, &f), 1); /* new in the session */
	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	world_lead(&n->world, SHARED, 0, 2);
	node_apply(n);
	assert_int_equal(told_error(n, &f, 0), KERR_FENCED_LEADER_EPOCH);
	assert_int_equal(told_error(n, &f, 0), KERR_FENCED_LEADER_EPOCH); /* as long as it is so */
	assert_int_equal(changed_count(n, id), 1);
	fetch_add(&f, 0, 0)->current_leader_epoch = 1;
	assert_int_equal(told_error(n, &f, 0), KERR_NONE); /* a consumer may read from followers */
	assert_int_equal(told(n, &f), 0);
	world_remove_topic(&n->world, SHARED);
	node_apply(n);
	assert_int_equal(told_error(n, &f, 0), KERR_UNKNOWN_TOPIC_ID);
	assert_int_equal(told_error(n, &f, 0), KERR_UNKNOWN_TOPIC_ID);
}

/* A topic that is asked for before it is here. */
static void test_what_is_missing_is_found_later(void **state)
{
	struct node *n = *state;
	struct fetch_call f;

	begin(n, &f, -1);
	f.topic.topic_id = SHARED;
	fetch_add(&f, 0, 0);
	assert_int_equal(told_error(n, &f, 0), KERR_UNKNOWN_TOPIC_ID);
	world_topic(&n->world, "shared", SHARED);
	world_partition(&n->world, SHARED, 0, 1, 1);
	node_apply(n);
	assert_int_equal(told_error(n, &f, 0), KERR_NONE);
	assert_int_equal(told(n, &f), 0);
	f.topic.topic_id = ORDERS;
	fetch_add(&f, 77, 0);
	assert_int_equal(told_error(n, &f, 77), KERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void test_forgotten_ones_are_let_alone(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;
	int32_t id = begin(n, &f, -1);

	assert_int_equal(told(n, &f), 0);
	f.body.forgotten_topics_data = &f.forgotten;
	f.body.forgotten_topics_data_count = 1;
	f.forgotten.topic_id = ORDERS;
	f.forgotten.partitions = &f.forgotten_index;
	f.forgotten.partitions_count = 1;
	f.forgotten_index = 2;
	fetch_add(&f, 2, 0); /* asked for and forgotten at once */
	assert_int_equal(told(n, &f), 0);
	assert_true(list_empty(&node_partition(n, ORDERS, 2)->fetch_waiters));
	append(n, 2, 1, 10);
	assert_int_equal(changed_count(n, id), 0);
	assert_int_equal(told(n, &f), 0);
	fetch_add(&f, 2, 0);
	c = next(n, &f);
	assert_int_equal(count_records(answer(c, 2), 0), 1);
	call_free(c);
}

static void test_another_way_of_fetching_looks_again(void **state)
{
	struct node *n = *state;
	struct partition *p = node_partition(n, ORDERS, 1);
	struct fetch_call f;
	int32_t id = begin(n, &f, -1);

	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	/* Behind its back: only a look at everything would see it. */
	list_remove(p->fetch_waiters.next);
	append(n, 1, 1, 10);
	assert_int_equal(told(n, &f), 0);
	f.body.isolation_level = 1;
	assert_int_equal(told(n, &f), 1);
}

/* ---- Requests that overtake ------------------------------------------------------------------ */

/* The first of two requests has read the news already when the second makes it void. */
static void test_no_news_goes_with_a_void_answer(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *first, *second;
	int32_t id, index = 0;
	int64_t low;

	while (shard_owner(&n->broker, ORDERS, index)->index != 1)
		index++;
	append(n, index, 4, 10);
	id = begin(n, &f, -1); /* at home on shard 1 */
	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	assert_int_equal(partition_delete_records(node_partition(n, ORDERS, index), 2, &low),
			 KERR_NONE);
	assert_int_equal(changed_count(n, id), 1);
	f.body.session_epoch++;
	first = call_begin(n, 1, API_FETCH, 17, &f.body);
	assert_int_equal(changed_count(n, id), 0);
	f.body.session_epoch++;
	second = call_start(n, 1, API_FETCH, 17, &f.body);
	assert_int_equal(response(first)->error_code, KERR_INVALID_FETCH_SESSION_EPOCH);
	assert_int_equal(response(second)->error_code, KERR_NONE);
	assert_int_equal(partition_count(second), 1);
	assert_int_equal(answer(second, index)->log_start_offset, 2);
	call_free(first);
	call_free(second);
}

/* Many at once: each is answered, the last one with what there is. */
static void test_requests_queue_for_their_session(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *calls[5];

	begin(n, &f, -1);
	f.body.max_wait_ms = 500;
	for (int i = 0; i < 5; i++) {
		f.body.session_epoch++;
		calls[i] = call_begin(n, 1, API_FETCH, 17, &f.body);
	}
	node_run(n);
	append(n, 3, 1, 10);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(response(calls[i])->error_code,
				 i < 4 ? KERR_INVALID_FETCH_SESSION_EPOCH : KERR_NONE);
		if (i == 4)
			assert_int_equal(count_records(answer(calls[i], 3), 0), 1);
		call_free(calls[i]);
	}
}

/* A session that ends while a request of it waits. */
static void test_a_session_goes_with_its_last_request(void **state)
{
	struct node *n = *state;
	struct fetch_call f, end;
	struct call *c, *d;
	int32_t id = begin(n, &f, -1);

	f.body.max_wait_ms = 500;
	c = next(n, &f);
	assert_false(c->is_done);
	fetch_init(&end, 0, 1);
	end.body.session_id = id;
	end.body.session_epoch = -1;
	d = call_now(n, 2, API_FETCH, 17, &end.body);
	call_free(d);
	assert_null(session(n, id));
	append(n, 0, 1, 10);
	assert_int_equal(count_records(answer(c, 0), 0), 1);
	assert_int_equal(partition_count(c), 1);
	call_free(c);
	for (int32_t i = 0; i < PARTITIONS; i++)
		assert_true(list_empty(&node_partition(n, ORDERS, i)->fetch_waiters));
	d = next(n, &f);
	assert_int_equal(response(d)->error_code, KERR_FETCH_SESSION_ID_NOT_FOUND);
	call_free(d);
}

/* ---- Followers ------------------------------------------------------------------------------- */

/* "shared": one partition on brokers 1 and 2, both in sync; 2 has fetched all of its two records,
 * and knows it. Its session asks for this one only. */
static struct partition *follow(struct node *n, struct fetch_call *f, int32_t *id)
{
	struct slice batch = world_batch(2, 10, 1700000000000);
	struct append_result result;
	struct partition *p;
	struct call *c;

	world_topic(&n->world, "shared", SHARED);
	world_partition(&n->world, SHARED, 0, 1, 2);
	node_register(n, 2, 9093);
	node_apply(n);
	p = node_partition(n, SHARED, 0);
	partition_append(p, batch, APPEND_CLIENT, 1, &n->world.arena, &result);
	slice_unref(&batch);
	fetch_init(f, 0, 1);
	f->body.session_epoch = 0;
	f->body.replica_state.replica_id = 2;
	f->body.replica_state.replica_epoch = 1;
	f->topic.topic_id = SHARED;
	fetch_add(f, 0, 2)->current_leader_epoch = 0;
	f->partitions[0].high_watermark = 2;
	c = call_now(n, 1, API_FETCH, 17, &f->body);
	*id = f->body.session_id = response(c)->session_id;
	call_free(c);
	f->topic.partitions_count = 0;
	f->body.topics_count = 0;
	assert_int_equal(partition_high_watermark(p), 2);
	return p;
}

static void test_a_quiet_follower_stays_caught_up(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id, lagging[REPLICAS_MAX];
	struct partition *p = follow(n, &f, &id);
	const struct follower *follower = isr_follower(&p->isr, 2);

	for (int i = 0; i < 100; i++) {
		world_now_ms += 500;
		assert_int_equal(told(n, &f), 0);
		assert_int_equal(changed_count(n, id), 0);
		assert_int_equal(follower_caught_up_ms(follower), now_ms(n));
	}
	/* Records come: it had everything until then. */
	world_now_ms += 500;
	world_append(&n->world, p, 1, 1);
	assert_int_equal(follower_caught_up_ms(follower), now_ms(n) - 500);
	assert_int_equal(partition_high_watermark(p), 2);
	assert_int_equal(isr_lagging(&p->isr, 3, 1000, now_ms(n), lagging), 0);
	assert_int_equal(isr_lagging(&p->isr, 3, 1000, now_ms(n) + 1000, lagging), 1);
	assert_int_equal(told(n, &f), 1);
	fetch_add(&f, 0, 3)->current_leader_epoch = 0;
	f.partitions[0].high_watermark = 2;
	assert_int_equal(told(n, &f), 1); /* the new high watermark */
	assert_int_equal(partition_high_watermark(p), 3);
	assert_int_equal(follower_caught_up_ms(follower), now_ms(n));
}

/* A follower that does not fetch any more is not caught up because it once was. */
static void test_a_silent_follower_falls_behind(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id, lagging[REPLICAS_MAX];
	struct partition *p = follow(n, &f, &id);

	assert_int_equal(told(n, &f), 0);
	world_now_ms += 60000;
	world_append(&n->world, p, 1, 1);
	assert_int_equal(isr_lagging(&p->isr, 3, 30000, now_ms(n), lagging), 1);
}

/* Who is not in sync (yet), or lacks what others have, is heard at each fetch. */
static void test_who_is_to_join_is_looked_at(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id, alone[] = {1}, both[] = {1, 2};
	struct partition *p = follow(n, &f, &id);

	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	world_isr(&n->world, SHARED, 0, alone, 1);
	node_apply(n);
	for (int i = 0; i < 3; i++) {
		world_now_ms += 500;
		assert_int_equal(told(n, &f), 0);
		assert_int_equal(changed_count(n, id), 1);
		assert_int_equal(isr_follower(&p->isr, 2)->last_fetch_ms, now_ms(n));
	}
	world_isr(&n->world, SHARED, 0, both, 2);
	node_apply(n);
	assert_int_equal(told(n, &f), 0);
	assert_int_equal(changed_count(n, id), 0);
	/* Its next life: what the last one asks for is refused from then on. */
	world_broker(&n->world, 2, 2, 9093);
	node_apply(n);
	assert_int_equal(changed_count(n, id), 1);
	assert_int_equal(told_error(n, &f, 0), KERR_NOT_LEADER_OR_FOLLOWER);
	f.body.replica_state.replica_epoch = 2;
	assert_int_equal(told_error(n, &f, 0), KERR_NONE);
	assert_int_equal(isr_follower(&p->isr, 2)->broker_epoch, 2);
}

/* A session that goes leaves the time of its last fetch behind. */
static void test_a_follower_begins_anew(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	int32_t id, old;
	struct partition *p = follow(n, &f, &old);
	struct call *c;

	assert_int_equal(told(n, &f), 0);
	world_now_ms += 500;
	assert_int_equal(told(n, &f), 0);
	world_now_ms += 500;
	f.body.session_epoch = 0; /* with the id of the old one */
	fetch_add(&f, 0, 99)->current_leader_epoch = 0;
	c = call_now(n, 1, API_FETCH, 17, &f.body);
	id = response(c)->session_id;
	assert_int_equal(answer(c, 0)->error_code, KERR_OFFSET_OUT_OF_RANGE);
	call_free(c);
	assert_int_not_equal(id, old);
	assert_null(session(n, old));
	assert_null(isr_follower(&p->isr, 2)->session_fetch_ms);
	assert_int_equal(isr_follower(&p->isr, 2)->last_caught_up_ms, now_ms(n) - 500);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_only_what_changed_is_looked_at),
		ONE(test_a_waiting_fetch_is_woken),
		ONE(test_bytes_are_summed_over_a_session),
		ONE(test_partitions_take_turns),
		ONE(test_the_log_start_is_told),
		ONE(test_retention_is_told),
		ONE(test_leaders_come_and_go),
		ONE(test_what_is_missing_is_found_later),
		ONE(test_forgotten_ones_are_let_alone),
		ONE(test_another_way_of_fetching_looks_again),
		ONE(test_no_news_goes_with_a_void_answer),
		ONE(test_requests_queue_for_their_session),
		ONE(test_a_session_goes_with_its_last_request),
		ONE(test_a_quiet_follower_stays_caught_up),
		ONE(test_a_silent_follower_falls_behind),
		ONE(test_who_is_to_join_is_looked_at),
		ONE(test_a_follower_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
