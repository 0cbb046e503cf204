/* Broken here: one consumer that reads old records holds up everybody on its shard, for as long as
 * the disk takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"
#include "unit/broker/cold_disk.h"

#define ORDERS world_id(1)
#define START_MS 1700000000000
#define BATCHES 400

/* One shard; partition 0 has batches of 5 KB, each a second later, in several segments. */
static int setup(void **state)
{
	static const char *const overrides[] = {"log.segment.bytes=1048576"};
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 1, 1, overrides, 1);
	cold_disk_start(&world_ops);
	world_topic(&n->world, "orders", ORDERS);
	for (int32_t i = 0; i < 2; i++)
		world_partition(&n->world, ORDERS, i, 1, 1);
	node_apply(n);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	cold_disk.forgets = false;
	while (cold_disk_work())
		node_run(*state);
	node_fini(*state);
	free(*state);
	return 0;
}

static void append(struct node *n, int32_t index, size_t value_len, int64_t timestamp)
{
	struct slice batch = world_batch(1, value_len, timestamp);
	struct append_result result;

	partition_append(node_partition(n, ORDERS, index), batch, APPEND_CLIENT, 1, &n->world.arena,
			 &result);
	assert_int_equal(result.error, KERR_NONE);
	slice_unref(&batch);
	node_run(n);
}

static void fill(struct node *n)
{
	for (int i = 0; i < BATCHES; i++)
		append(n, 0, 5000, START_MS + i * 1000);
	while (cold_disk_work())
		;
	assert_true(log_segment_count(node_partition(n, ORDERS, 0)->log) > 1);
	cold_disk_chill();
}

struct fetch_call {
	struct fetch_request body;
	struct fetch_request_topic topic;
	struct fetch_request_partition partitions[2];
};

static struct call *fetch(struct node *n, struct fetch_call *f, int64_t offset, int32_t bytes_max,
			  int32_t min_bytes, int count)
{
	memset(f, 0, sizeof(*f));
	WIRE_INIT(fetch_request, &f->body);
	f->body.max_wait_ms = 60000;
	f->body.min_bytes = min_bytes;
	f->body.max_bytes = 1 << 26;
	f->body.session_epoch = -1;
	f->body.topics = &f->topic;
	f->body.topics_count = 1;
	f->topic.topic = STR_LIT("orders");
	f->topic.partitions = f->partitions;
	f->topic.partitions_count = count;
	for (int i = 0; i < count; i++) {
		WIRE_INIT(fetch_request_partition, &f->partitions[i]);
		f->partitions[i].partition = i;
		f->partitions[i].fetch_offset = i == 0 ? offset : 0;
		f->partitions[i].partition_max_bytes = bytes_max;
	}
	return call_start(n, 0, API_FETCH, 12, &f->body);
}

/* Lets the disk and the shard take turns until the call is answered. */
static void finish(struct node *n, struct call *c)
{
	while (!c->is_done) {
		assert_true(cold_disk_work());
		node_run(n);
	}
}

/* How many whole batches came, from `offset` on. */
static int count_batches(const struct call *c, int partition, int64_t offset)
{
	const struct fetch_response *r = c->response;
	const uint8_t *data;
	struct batch b;
	size_t len;
	int count = 0;

	assert_int_equal(r->responses_count, 1);
	assert_int_equal(r->responses[0].partitions[partition].error_code, KERR_NONE);
	data = r->responses[0].partitions[partition].records.data;
	len = r->responses[0].partitions[partition].records.len;
	for (; batch_next(&b, &data, &len) == 1; count++)
		assert_int_equal(b.base_offset, offset + count);
	return count;
}

static void test_cold_fetch_leaves_the_shard(void **state)
{
	static const struct {
		int64_t offset;
		int32_t bytes_max;
		int batches;
	} reads[] = {
		{0, 100000, 19},    /* a range of the file, at the start of a segment */
		{77, 100000, 19},   /* inside one: by the index */
		{150, 1, 1},        /* small: by copy */
		{390, 1 << 20, 10}, /* up to the end */
	};
	struct node *n = *state;

	fill(n);
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		struct fetch_call f, hot;
		struct call *c, *h;

		cold_disk_chill();
		c = fetch(n, &f, reads[i].offset, reads[i].bytes_max, 1, 1);
		assert_false(c->is_done);
		/* The shard is free for others meanwhile. */
		append(n, 1, 10, START_MS);
		h = fetch(n, &hot, BATCHES, 1000, 1, 2);
		assert_true(h->is_done);
		call_free(h);
		finish(n, c);
		assert_int_equal(count_batches(c, 0, reads[i].offset), reads[i].batches);
		assert_int_equal(cold_disk.blocked_count, 0);
		assert_true(cold_disk.prefetch_count > 0);
		call_free(c);
		/* What was warmed is answered at once. */
		c = fetch(n, &f, reads[i].offset, reads[i].bytes_max, 1, 1);
		assert_true(c->is_done);
		call_free(c);
	}
}

/* Records of another partition arrive while the disk reads: they count towards min_bytes. */
static void test_records_meanwhile_are_seen(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	fill(n);
	c = fetch(n, &f, 399, 100000, 6000, 2);
	assert_false(c->is_done);
	append(n, 1, 2000, START_MS);
	finish(n, c);
	assert_int_equal(count_batches(c, 0, 399), 1);
	assert_int_equal(count_batches(c, 1, 0), 1);
	call_free(c);
}

/* What is warmed is gone before it can be read: at last the read waits. */
static void test_short_memory_does_not_stop_a_fetch(void **state)
{
	struct node *n = *state;
	struct fetch_call f;
	struct call *c;

	fill(n);
	cold_disk.forgets = true;
	c = fetch(n, &f, 77, 100000, 1, 1);
	finish(n, c);
	assert_int_equal(count_batches(c, 0, 77), 19);
	assert_true(cold_disk.blocked_count > 0);
	call_free(c);
}

static void test_partition_goes_while_the_disk_reads(void **state)
{
	struct node *n = *state;
	struct remove_topic_record r;
	struct fetch_call f;
	struct call *c;
	const struct fetch_response *response;

	fill(n);
	c = fetch(n, &f, 77, 100000, 1, 1);
	assert_false(c->is_done);
	WIRE_INIT(remove_topic_record, &r);
	r.topic_id = ORDERS;
	world_replay(&n->world, REMOVE_TOPIC_RECORD, &r);
	node_apply(n);
	finish(n, c);
	response = c->response;
	assert_int_equal(response->responses[0].partitions[0].error_code,
			 KERR_UNKNOWN_TOPIC_OR_PARTITION);
	call_free(c);
}

static void test_cold_timestamp_leaves_the_shard(void **state)
{
	static const struct {
		int64_t timestamp, offset;
	} looks[] = {
		{START_MS + 77 * 1000, 77},
		{START_MS + 300 * 1000 - 1, 300},
		{START_MS + BATCHES * 1000, -1},
		{LIST_MAX_TIMESTAMP, BATCHES - 1},
	};
	struct node *n = *state;

	fill(n);
	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		const struct list_offsets_response *response;
		struct list_offsets_request_partition partition;
		struct list_offsets_request_topic topic;
		struct list_offsets_request body;
		struct call *c;

		cold_disk_chill();
		WIRE_INIT(list_offsets_request, &body);
		WIRE_INIT(list_offsets_request_topic, &topic);
		WIRE_INIT(list_offsets_request_partition, &partition);
		body.replica_id = -1;
		body.topics = &topic;
		body.topics_count = 1;
		topic.name = STR_LIT("orders");
		topic.partitions = &partition;
		topic.partitions_count = 1;
		partition.timestamp = looks[i].timestamp;
		c = call_start(n, 0, API_LIST_OFFSETS, 7, &body);
		finish(n, c);
		response = c->response;
		assert_int_equal(response->topics[0].partitions[0].error_code, KERR_NONE);
		assert_int_equal(response->topics[0].partitions[0].offset, looks[i].offset);
		assert_int_equal(cold_disk.blocked_count, 0);
		call_free(c);
	}
	assert_true(cold_disk.prefetch_count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cold_fetch_leaves_the_shard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_meanwhile_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_memory_does_not_stop_a_fetch, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_partition_goes_while_the_disk_reads, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_cold_timestamp_leaves_the_shard, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
