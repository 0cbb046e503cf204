/* Broken here: producers get wrong offsets, wrong errors, or no answer at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"

#define ORDERS world_id(1)

static int setup(void **state)
{
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 3, 1, NULL, 0);
	world_topic(&n->world, "orders", ORDERS);
	for (int32_t i = 0; i < 4; i++)
		world_partition(&n->world, ORDERS, i, 1, 1);
	node_apply(n);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	node_fini(*state);
	free(*state);
	return 0;
}

/* One partition's records into one request. */
struct produce_call {
	struct produce_request body;
	struct produce_request_topic_produce_data topic;
	struct produce_request_partition_produce_data partitions[8];
};

static void produce_init(struct produce_call *p, const char *topic, int16_t acks)
{
	memset(p, 0, sizeof(*p));
	WIRE_INIT(produce_request, &p->body);
	p->body.acks = acks;
	p->body.timeout_ms = 1000;
	p->body.topic_data = &p->topic;
	p->body.topic_data_count = 1;
	p->topic.name = str_of(topic);
	p->topic.topic_id = ORDERS;
	p->topic.partition_data = p->partitions;
}

static void produce_add(struct produce_call *p, int32_t index, struct slice records)
{
	struct produce_request_partition_produce_data *data =
		&p->partitions[p->topic.partition_data_count++];

	data->index = index;
	data->records = records;
}

static const struct produce_response_partition_produce_response *answer(const struct call *c,
									int32_t index)
{
	const struct produce_response *r = c->response;

	assert_non_null(r);
	assert_int_equal(r->responses_count, 1);
	assert_true(index < r->responses[0].partition_responses_count);
	return &r->responses[0].partition_responses[index];
}

/* Produces one record to orders-INDEX; gives the error. */
static int produce_one(struct node *n, const char *topic, int32_t index, struct slice records,
		       int16_t acks, int16_t version)
{
	struct produce_call p;
	struct call *c;
	int error;

	produce_init(&p, topic, acks);
	produce_add(&p, index, records);
	c = call_now(n, 0, API_PRODUCE, version, &p.body);
	error = answer(c, 0)->error_code;
	call_free(c);
	return error;
}

static void test_every_version_and_shard(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(2, 10, 1700000000000);

	for (int16_t version = 3; version <= 13; version++) {
		struct produce_call p;
		struct call *c;

		produce_init(&p, "orders", -1);
		for (int32_t i = 0; i < 4; i++)
			produce_add(&p, i, batch);
		c = call_now(n, (unsigned)version % 3, API_PRODUCE, version, &p.body);
		for (int32_t i = 0; i < 4; i++) {
			assert_int_equal(answer(c, i)->index, i);
			assert_int_equal(answer(c, i)->error_code, KERR_NONE);
			assert_int_equal(answer(c, i)->base_offset, 2 * (version - 3));
			assert_int_equal(answer(c, i)->log_append_time_ms, -1);
			if (version >= 5)
				assert_int_equal(answer(c, i)->log_start_offset, 0);
		}
		call_free(c);
	}
	slice_unref(&batch);
	assert_int_equal(partition_high_watermark(node_partition(n, ORDERS, 3)), 22);
}

static void test_refusals(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(2, 10, 1700000000000);
	struct buf *two = buf_new(2 * batch.len);
	struct slice twice = {.buf = two, .data = two->data, .len = two->size};
	struct slice bad = slice_copy(batch.data, batch.len);
	struct slice old = slice_copy(batch.data, batch.len);

	memcpy(two->data, batch.data, batch.len);
	memcpy(two->data + batch.len, batch.data, batch.len);
	((uint8_t *)(uintptr_t)bad.data)[bad.len - 1] ^= 1;
	((uint8_t *)(uintptr_t)old.data)[16] = 1; /* magic */
	assert_int_equal(produce_one(n, "nosuch", 0, batch, 1, 9), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(produce_one(n, "orders", 4, batch, 1, 9), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(produce_one(n, "orders", -1, batch, 1, 9),
			 KERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(produce_one(n, "orders", 0, batch, 2, 9), KERR_INVALID_REQUIRED_ACKS);
	assert_int_equal(produce_one(n, "orders", 0, SLICE_NULL, 1, 9), KERR_INVALID_RECORD);
	assert_int_equal(produce_one(n, "orders", 0, twice, 1, 9), KERR_INVALID_RECORD);
	assert_int_equal(produce_one(n, "orders", 0, old, 1, 9), KERR_INVALID_RECORD);
	assert_int_equal(produce_one(n, "orders", 0, bad, 1, 9), KERR_CORRUPT_MESSAGE);
	assert_int_equal(partition_log_end_offset(node_partition(n, ORDERS, 0)), 0);
	slice_unref(&bad);
	slice_unref(&old);
	slice_unref(&batch);
	buf_unref(two);
}

static void test_unknown_ids_and_internal_topics(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(1, 10, 1700000000000);
	struct produce_call p;
	struct call *c;

	produce_init(&p, "", 1);
	p.topic.topic_id = world_id(99);
	produce_add(&p, 0, batch);
	c = call_now(n, 0, API_PRODUCE, 13, &p.body);
	assert_int_equal(answer(c, 0)->error_code, KERR_UNKNOWN_TOPIC_ID);
	assert_int_equal(answer(c, 0)->base_offset, -1);
	call_free(c);
	world_topic(&n->world, "__consumer_offsets", world_id(7));
	world_partition(&n->world, world_id(7), 0, 1, 1);
	node_apply(n);
	assert_int_equal(produce_one(n, "__consumer_offsets", 0, batch, 1, 9),
			 KERR_INVALID_TOPIC_EXCEPTION);
	slice_unref(&batch);
}

static void test_record_errors_name_the_records(void **state)
{
	struct node *n = *state;
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct slice batch, value = {.data = (const uint8_t *)"v", .len = 1};
	struct produce_call p;
	struct call *c;

	world_topic_config(&n->world, "orders", "cleanup.policy", "compact");
	node_apply(n);
	batch_builder_init(&bb, &options);
	assert_int_equal(batch_builder_add(&bb, 5, value, value, NULL, 0), 0);
	assert_int_equal(batch_builder_add(&bb, 5, SLICE_NULL, value, NULL, 0), 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	batch_builder_fini(&bb);
	produce_init(&p, "orders", 1);
	produce_add(&p, 0, batch);
	c = call_now(n, 0, API_PRODUCE, 9, &p.body);
	assert_int_equal(answer(c, 0)->error_code, KERR_INVALID_RECORD);
	assert_int_equal(answer(c, 0)->record_errors_count, 1);
	assert_int_equal(answer(c, 0)->record_errors[0].batch_index, 1);
	assert_false(str_is_null(answer(c, 0)->error_message));
	call_free(c);
	slice_unref(&batch);
}

static void test_without_acks_nothing_is_sent(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(1, 10, 1700000000000);
	struct produce_call p;
	struct call *c;

	produce_init(&p, "orders", 0);
	produce_add(&p, 1, batch);
	c = call_now(n, 0, API_PRODUCE, 9, &p.body);
	assert_null(c->response);
	assert_false(c->request.close_after);
	assert_int_equal(partition_log_end_offset(node_partition(n, ORDERS, 1)), 1);
	call_free(c);
	produce_add(&p, 17, batch);
	c = call_now(n, 0, API_PRODUCE, 9, &p.body);
	assert_null(c->response);
	assert_true(c->request.close_after); /* the only way to tell the client */
	call_free(c);
	slice_unref(&batch);
}

static void test_metadata_may_change_on_the_way(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(1, 10, 1700000000000);

	for (int16_t version = 12; version <= 13; version++) {
		struct produce_call p;
		struct call *c;

		produce_init(&p, "orders", -1);
		for (int32_t i = 0; i < 4; i++)
			produce_add(&p, i, batch);
		c = call_begin(n, 0, API_PRODUCE, version, &p.body);
		world_lead(&n->world, ORDERS, 0, 1); /* frees the topic that was looked up */
		node_apply(n);
		node_run(n);
		for (int32_t i = 0; i < 4; i++)
			assert_int_equal(answer(c, i)->error_code, KERR_NONE);
		call_free(c);
	}
	slice_unref(&batch);
}

/* ---- With followers ------------------------------------------------------------------------ */

#define SHARED world_id(2)

static void add_shared(struct node *n)
{
	world_topic(&n->world, "shared", SHARED);
	for (int32_t i = 0; i < 3; i++)
		world_partition(&n->world, SHARED, i, 1, 2);
	node_register(n, 2, 9093);
	node_apply(n);
}

static struct call *produce_shared(struct node *n, struct slice batch)
{
	struct produce_call p;

	produce_init(&p, "shared", -1);
	for (int32_t i = 0; i < 3; i++)
		produce_add(&p, i, batch);
	return call_start(n, 0, API_PRODUCE, 10, &p.body);
}

static void test_waits_for_all(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(2, 10, 1700000000000);
	struct call *c;

	add_shared(n);
	c = produce_shared(n, batch);
	for (int32_t i = 0; i < 3; i++) {
		assert_false(c->is_done);
		partition_follower_fetched(node_partition(n, SHARED, i), 2, true, 2, 0, 2, 1);
		node_run(n);
	}
	assert_true(c->is_done);
	for (int32_t i = 0; i < 3; i++)
		assert_int_equal(answer(c, i)->error_code, KERR_NONE);
	call_free(c);
	slice_unref(&batch);
}

static void test_times_out_where_it_waits(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(2, 10, 1700000000000);
	struct call *c;

	add_shared(n);
	c = produce_shared(n, batch);
	partition_follower_fetched(node_partition(n, SHARED, 1), 2, true, 2, 0, 2, 1);
	node_wait(n, 900);
	assert_false(c->is_done);
	node_wait(n, 200);
	assert_true(c->is_done);
	assert_int_equal(answer(c, 0)->error_code, KERR_REQUEST_TIMED_OUT);
	assert_int_equal(answer(c, 1)->error_code, KERR_NONE);
	assert_int_equal(answer(c, 2)->error_code, KERR_REQUEST_TIMED_OUT);
	assert_int_equal(answer(c, 2)->base_offset, -1);
	call_free(c);
	slice_unref(&batch);
}

static void test_says_who_leads_now(void **state)
{
	struct node *n = *state;
	struct slice batch = world_batch(2, 10, 1700000000000);
	const struct produce_response *r;
	struct call *c;

	add_shared(n);
	c = produce_shared(n, batch);
	for (int32_t i = 0; i < 3; i++)
		world_lead(&n->world, SHARED, i, 2);
	node_apply(n);
	node_run(n);
	assert_true(c->is_done);
	r = c->response;
	assert_int_equal(answer(c, 0)->error_code, KERR_NOT_LEADER_OR_FOLLOWER);
	assert_int_equal(answer(c, 0)->current_leader.leader_id, 2);
	assert_int_equal(answer(c, 0)->current_leader.leader_epoch, 1);
	assert_int_equal(r->node_endpoints_count, 1);
	assert_int_equal(r->node_endpoints[0].port, 9093);
	call_free(c);
	slice_unref(&batch);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_every_version_and_shard),
		ONE(test_refusals),
		ONE(test_unknown_ids_and_internal_topics),
		ONE(test_record_errors_name_the_records),
		ONE(test_without_acks_nothing_is_sent),
		ONE(test_metadata_may_change_on_the_way),
		ONE(test_waits_for_all),
		ONE(test_times_out_where_it_waits),
		ONE(test_says_who_leads_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
