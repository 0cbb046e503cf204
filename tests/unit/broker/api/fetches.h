/* Fetch requests for tests: "orders" with a few partitions over three shards. After cmocka.h. */
#ifndef KAVKA_TESTS_UNIT_API_FETCHES_H
#define KAVKA_TESTS_UNIT_API_FETCHES_H

#include "unit/broker/api/node.h"

#define ORDERS world_id(1)
#define PARTITIONS 4

static inline int setup(void **state)
{
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 3, 1, NULL, 0);
	world_topic(&n->world, "orders", ORDERS);
	for (int32_t i = 0; i < PARTITIONS; i++)
		world_partition(&n->world, ORDERS, i, 1, 1);
	node_apply(n);
	*state = n;
	return 0;
}

static inline int teardown(void **state)
{
	node_fini(*state);
	free(*state);
	return 0;
}

static inline void append(struct node *n, int32_t index, int count, size_t value_len)
{
	struct partition *p = node_partition(n, ORDERS, index);
	struct slice batch = world_batch(count, value_len, 1700000000000);
	struct append_result result;

	partition_append(p, batch, APPEND_CLIENT, 1, &n->world.arena, &result);
	assert_int_equal(result.error, KERR_NONE);
	slice_unref(&batch);
	node_run(n);
}

struct fetch_call {
	struct fetch_request body;
	struct fetch_request_topic topic;
	struct fetch_request_partition partitions[8];
	struct fetch_request_forgotten_topic forgotten;
	int32_t forgotten_index;
};

static inline void fetch_init(struct fetch_call *f, int32_t max_wait_ms, int32_t min_bytes)
{
	memset(f, 0, sizeof(*f));
	WIRE_INIT(fetch_request, &f->body);
	f->body.max_wait_ms = max_wait_ms;
	f->body.min_bytes = min_bytes;
	f->body.max_bytes = 1 << 26;
	f->body.topics = &f->topic;
	f->topic.topic = STR_LIT("orders");
	f->topic.topic_id = ORDERS;
	f->topic.partitions = f->partitions;
}

static inline struct fetch_request_partition *fetch_add(struct fetch_call *f, int32_t index,
							int64_t offset)
{
	struct fetch_request_partition *p = &f->partitions[f->topic.partitions_count++];

	f->body.topics_count = 1;
	WIRE_INIT(fetch_request_partition, p);
	p->partition = index;
	p->fetch_offset = offset;
	p->partition_max_bytes = 1 << 20;
	return p;
}

static inline const struct fetch_response *response(const struct call *c)
{
	assert_true(c->is_done);
	return c->response;
}

static inline unsigned partition_count(const struct call *c)
{
	const struct fetch_response *r = response(c);
	unsigned count = 0;

	for (int32_t i = 0; i < r->responses_count; i++)
		count += (unsigned)r->responses[i].partitions_count;
	return count;
}

static inline const struct fetch_response_partition_data *answer(const struct call *c,
								 int32_t index)
{
	const struct fetch_response *r = response(c);

	for (int32_t i = 0; i < r->responses_count; i++)
		for (int32_t j = 0; j < r->responses[i].partitions_count; j++)
			if (r->responses[i].partitions[j].partition_index == index)
				return &r->responses[i].partitions[j];
	fail_msg("no answer for partition %d", index);
	return NULL;
}

/* The records are whole batches from `offset` on; gives how many records. */
static inline int count_records(const struct fetch_response_partition_data *p, int64_t offset)
{
	const uint8_t *data = p->records.data;
	size_t len = p->records.len;
	struct batch batch;
	int count = 0;

	while (batch_next(&batch, &data, &len) == 1) {
		assert_true(batch_crc_ok(&batch));
		assert_int_equal(batch.base_offset, offset);
		offset = batch_next_offset(&batch);
		count += batch.record_count;
	}
	return count;
}

#endif
