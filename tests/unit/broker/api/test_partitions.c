/* Broken here: consumers start at wrong places, records that should go stay, tools see wrong disks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"

#define ORDERS world_id(1)
#define PARTITIONS 3

static int setup(void **state)
{
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 2, 2, NULL, 0);
	world_topic(&n->world, "orders", ORDERS);
	for (int32_t i = 0; i < PARTITIONS; i++)
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

static void append(struct node *n, struct uuid id, int32_t index, int count, int64_t timestamp)
{
	struct slice batch = world_batch(count, 10, timestamp);
	struct append_result result;

	partition_append(node_partition(n, id, index), batch, APPEND_CLIENT, 1, &n->world.arena,
			 &result);
	assert_int_equal(result.error, KERR_NONE);
	slice_unref(&batch);
	node_run(n);
}

/* ---- ListOffsets --------------------------------------------------------------------------- */

static struct list_offsets_response_partition_response
list_one(struct node *n, int16_t version, const char *name, int32_t index, int64_t timestamp)
{
	struct list_offsets_request body;
	struct list_offsets_request_topic topic;
	struct list_offsets_request_partition partition;
	struct list_offsets_response_partition_response result;
	const struct list_offsets_response *r;
	struct call *c;

	WIRE_INIT(list_offsets_request, &body);
	WIRE_INIT(list_offsets_request_topic, &topic);
	WIRE_INIT(list_offsets_request_partition, &partition);
	body.replica_id = -1;
	body.topics = &topic;
	body.topics_count = 1;
	topic.name = str_of(name);
	topic.partitions = &partition;
	topic.partitions_count = 1;
	partition.partition_index = index;
	partition.timestamp = timestamp;
	c = call_now(n, 0, API_LIST_OFFSETS, version, &body);
	r = c->response;
	result = r->topics[0].partitions[0];
	assert_true(str_is(r->topics[0].name, name));
	assert_int_equal(result.partition_index, index);
	call_free(c);
	return result;
}

static void test_lists_offsets_in_every_version(void **state)
{
	struct node *n = *state;

	append(n, ORDERS, 1, 3, 1700000000000);
	append(n, ORDERS, 1, 3, 1700000001000);
	for (int16_t version = 1; version <= 11; version++) {
		struct list_offsets_response_partition_response r;

		r = list_one(n, version, "orders", 1, -1);
		assert_int_equal(r.error_code, KERR_NONE);
		assert_int_equal(r.offset, 6);
		r = list_one(n, version, "orders", 1, -2);
		assert_int_equal(r.offset, 0);
		r = list_one(n, version, "orders", 1, 1700000000500);
		assert_int_equal(r.offset, 3);
		assert_int_equal(r.timestamp, 1700000001000);
		r = list_one(n, version, "orders", 1, -3);
		assert_int_equal(r.error_code, version < 7 ? KERR_UNSUPPORTED_VERSION : KERR_NONE);
		assert_int_equal(r.offset, version < 7 ? -1 : 5);
		r = list_one(n, version, "orders", 1, -6);
		assert_int_equal(r.error_code, version < 11 ? KERR_UNSUPPORTED_VERSION : KERR_NONE);
		r = list_one(n, version, "orders", 1, -9);
		assert_int_equal(r.error_code, KERR_UNSUPPORTED_VERSION);
		r = list_one(n, version, "orders", 8, -1);
		assert_int_equal(r.error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
		r = list_one(n, version, "nosuch", 0, -1);
		assert_int_equal(r.error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	}
}

static void test_refuses_the_same_partition_twice(void **state)
{
	struct node *n = *state;
	struct list_offsets_request body;
	struct list_offsets_request_topic topic;
	struct list_offsets_request_partition partitions[3];
	const struct list_offsets_response *r;
	struct call *c;

	WIRE_INIT(list_offsets_request, &body);
	WIRE_INIT(list_offsets_request_topic, &topic);
	body.replica_id = -1;
	body.topics = &topic;
	body.topics_count = 1;
	topic.name = STR_LIT("orders");
	topic.partitions = partitions;
	topic.partitions_count = 3;
	for (int i = 0; i < 3; i++) {
		WIRE_INIT(list_offsets_request_partition, &partitions[i]);
		partitions[i].partition_index = i == 2 ? 0 : i;
		partitions[i].timestamp = -1;
	}
	c = call_now(n, 0, API_LIST_OFFSETS, 5, &body);
	r = c->response;
	assert_int_equal(r->topics[0].partitions[0].error_code, KERR_INVALID_REQUEST);
	assert_int_equal(r->topics[0].partitions[1].error_code, KERR_NONE);
	assert_int_equal(r->topics[0].partitions[2].error_code, KERR_INVALID_REQUEST);
	call_free(c);
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------------------------ */

static struct offset_for_leader_epoch_response_epoch_end_offset
epoch_end(struct node *n, int16_t version, int32_t index, int32_t leader_epoch)
{
	struct offset_for_leader_epoch_request body;
	struct offset_for_leader_epoch_request_offset_for_leader_topic topic;
	struct offset_for_leader_epoch_request_offset_for_leader_partition partition;
	struct offset_for_leader_epoch_response_epoch_end_offset result;
	const struct offset_for_leader_epoch_response *r;
	struct call *c;

	WIRE_INIT(offset_for_leader_epoch_request, &body);
	WIRE_INIT(offset_for_leader_epoch_request_offset_for_leader_topic, &topic);
	WIRE_INIT(offset_for_leader_epoch_request_offset_for_leader_partition, &partition);
	body.topics = &topic;
	body.topics_count = 1;
	topic.topic = STR_LIT("orders");
	topic.partitions = &partition;
	topic.partitions_count = 1;
	partition.partition = index;
	partition.leader_epoch = leader_epoch;
	c = call_now(n, 0, API_OFFSET_FOR_LEADER_EPOCH, version, &body);
	r = c->response;
	result = r->topics[0].partitions[0];
	call_free(c);
	return result;
}

static void test_tells_where_epochs_end(void **state)
{
	struct node *n = *state;
	struct offset_for_leader_epoch_response_epoch_end_offset e;

	append(n, ORDERS, 0, 3, 1700000000000);
	world_lead(&n->world, ORDERS, 0, 1);
	node_apply(n);
	append(n, ORDERS, 0, 4, 1700000000000);
	for (int16_t version = 2; version <= 4; version++) {
		e = epoch_end(n, version, 0, 0);
		assert_int_equal(e.error_code, KERR_NONE);
		assert_int_equal(e.leader_epoch, 0);
		assert_int_equal(e.end_offset, 3);
		e = epoch_end(n, version, 0, 1);
		assert_int_equal(e.leader_epoch, 1);
		assert_int_equal(e.end_offset, 7);
		e = epoch_end(n, version, 0, 5);
		assert_int_equal(e.leader_epoch, -1);
		assert_int_equal(e.end_offset, -1);
		assert_int_equal(epoch_end(n, version, 7, 0).error_code,
				 KERR_UNKNOWN_TOPIC_OR_PARTITION);
	}
}

/* ---- DeleteRecords ------------------------------------------------------------------------- */

static struct call *delete_start(struct node *n, const char *name, int32_t index, int64_t offset)
{
	struct delete_records_request body;
	struct delete_records_request_topic topic;
	struct delete_records_request_partition partition;

	WIRE_INIT(delete_records_request, &body);
	WIRE_INIT(delete_records_request_topic, &topic);
	WIRE_INIT(delete_records_request_partition, &partition);
	body.topics = &topic;
	body.topics_count = 1;
	body.timeout_ms = 1000;
	topic.name = str_of(name);
	topic.partitions = &partition;
	topic.partitions_count = 1;
	partition.partition_index = index;
	partition.offset = offset;
	return call_start(n, 0, API_DELETE_RECORDS, 2, &body);
}

static struct delete_records_response_partition_result deleted(struct call *c)
{
	const struct delete_records_response *r = c->response;
	struct delete_records_response_partition_result result;

	assert_true(c->is_done);
	result = r->topics[0].partitions[0];
	call_free(c);
	return result;
}

static void test_deletes_records(void **state)
{
	struct node *n = *state;

	append(n, ORDERS, 0, 10, 1700000000000);
	assert_int_equal(deleted(delete_start(n, "orders", 0, 4)).low_watermark, 4);
	assert_int_equal(deleted(delete_start(n, "orders", 0, 11)).error_code,
			 KERR_OFFSET_OUT_OF_RANGE);
	assert_int_equal(deleted(delete_start(n, "orders", 0, -1)).low_watermark, 10);
	assert_int_equal(list_one(n, 5, "orders", 0, -2).offset, 10);
	assert_int_equal(deleted(delete_start(n, "orders", 5, 0)).error_code,
			 KERR_UNKNOWN_TOPIC_OR_PARTITION);
	world_topic(&n->world, "__consumer_offsets", world_id(7));
	world_partition(&n->world, world_id(7), 0, 1, 1);
	node_apply(n);
	assert_int_equal(deleted(delete_start(n, "__consumer_offsets", 0, 0)).error_code,
			 KERR_INVALID_TOPIC_EXCEPTION);
}

static void test_deletes_wait_for_replicas(void **state)
{
	struct node *n = *state;
	struct delete_records_response_partition_result r;
	struct partition *p;
	struct call *c;

	world_topic(&n->world, "shared", world_id(2));
	world_partition(&n->world, world_id(2), 0, 1, 2);
	node_register(n, 2, 9093);
	node_apply(n);
	p = node_partition(n, world_id(2), 0);
	append(n, world_id(2), 0, 10, 1700000000000);
	partition_follower_fetched(p, 2, true, 10, 0, 10, 1);
	c = delete_start(n, "shared", 0, 6);
	assert_false(c->is_done);
	partition_follower_fetched(p, 2, true, 10, 6, 10, 1);
	node_run(n);
	r = deleted(c);
	assert_int_equal(r.error_code, KERR_NONE);
	assert_int_equal(r.low_watermark, 6);
	c = delete_start(n, "shared", 0, 8);
	node_wait(n, 1100);
	r = deleted(c);
	assert_int_equal(r.error_code, KERR_REQUEST_TIMED_OUT);
	assert_int_equal(r.low_watermark, -1);
}

/* ---- WriteTxnMarkers ---- */

static struct call *marker_start(struct node *n, const char *name, int32_t index)
{
	struct write_txn_markers_request body;
	struct write_txn_markers_request_writable_txn_marker marker;
	struct write_txn_markers_request_writable_txn_marker_topic topic;

	WIRE_INIT(write_txn_markers_request, &body);
	WIRE_INIT(write_txn_markers_request_writable_txn_marker, &marker);
	WIRE_INIT(write_txn_markers_request_writable_txn_marker_topic, &topic);
	body.markers = &marker;
	body.markers_count = 1;
	marker.producer_id = 7;
	marker.transaction_result = true;
	marker.topics = &topic;
	marker.topics_count = 1;
	topic.name = str_of(name);
	topic.partition_indexes = &index;
	topic.partition_indexes_count = 1;
	return call_start(n, 0, API_WRITE_TXN_MARKERS, 1, &body);
}

static int16_t marked(struct call *c)
{
	const struct write_txn_markers_response *r = c->response;
	int16_t error;

	assert_true(c->is_done);
	assert_int_equal(r->markers[0].producer_id, 7);
	error = r->markers[0].topics[0].partitions[0].error_code;
	call_free(c);
	return error;
}

/* A coordinator that is told too early that its marker is written takes the transaction as done. */
static void test_markers_wait_for_replicas(void **state)
{
	struct node *n = *state;
	struct partition *p;
	struct call *c;

	assert_int_equal(marked(marker_start(n, "orders", 0)), KERR_NONE);
	assert_int_equal(list_one(n, 5, "orders", 0, -1).offset, 1);
	assert_int_equal(marked(marker_start(n, "nosuch", 0)), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	world_topic(&n->world, "shared", world_id(2));
	world_partition(&n->world, world_id(2), 0, 1, 2);
	world_topic(&n->world, "__consumer_offsets", world_id(7));
	world_partition(&n->world, world_id(7), 0, 1, 1);
	node_register(n, 2, 9093);
	node_apply(n);
	assert_int_equal(marked(marker_start(n, "__consumer_offsets", 0)),
			 KERR_NOT_LEADER_OR_FOLLOWER);
	p = node_partition(n, world_id(2), 0);
	c = marker_start(n, "shared", 0);
	assert_false(c->is_done);
	partition_follower_fetched(p, 2, true, 1, 0, 1, 1);
	node_run(n);
	assert_int_equal(marked(c), KERR_NONE);
}

/* ---- DescribeProducers --------------------------------------------------------------------- */

static void test_describes_producers(void **state)
{
	struct node *n = *state;
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct describe_producers_request body;
	struct describe_producers_request_topic_request topics[2];
	int32_t indexes[] = {0, 1, 9};
	const struct describe_producers_response_partition_response *p;
	const struct describe_producers_response *r;
	struct append_result result;
	struct batch_builder bb;
	struct slice batch, value = {.data = (const uint8_t *)"v", .len = 1};
	struct call *c;

	options.producer_id = 4711;
	options.producer_epoch = 2;
	options.base_sequence = 0;
	batch_builder_init(&bb, &options);
	for (int i = 0; i < 3; i++)
		assert_int_equal(batch_builder_add(&bb, 1700000000000, value, value, NULL, 0), 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	batch_builder_fini(&bb);
	partition_append(node_partition(n, ORDERS, 0), batch, APPEND_CLIENT, 1, &n->world.arena,
			 &result);
	assert_int_equal(result.error, KERR_NONE);
	slice_unref(&batch);

	WIRE_INIT(describe_producers_request, &body);
	WIRE_INIT(describe_producers_request_topic_request, &topics[0]);
	WIRE_INIT(describe_producers_request_topic_request, &topics[1]);
	body.topics = topics;
	body.topics_count = 2;
	topics[0].name = STR_LIT("orders");
	topics[1].name = STR_LIT("bad/name");
	topics[0].partition_indexes = topics[1].partition_indexes = indexes;
	topics[0].partition_indexes_count = topics[1].partition_indexes_count = 3;
	c = call_now(n, 1, API_DESCRIBE_PRODUCERS, 0, &body);
	r = c->response;
	p = r->topics[0].partitions;
	assert_int_equal(p[0].error_code, KERR_NONE);
	assert_int_equal(p[0].active_producers_count, 1);
	assert_int_equal(p[0].active_producers[0].producer_id, 4711);
	assert_int_equal(p[0].active_producers[0].producer_epoch, 2);
	assert_int_equal(p[0].active_producers[0].last_sequence, 2);
	assert_int_equal(p[0].active_producers[0].current_txn_start_offset, -1);
	assert_int_equal(p[1].error_code, KERR_NONE);
	assert_int_equal(p[1].active_producers_count, 0);
	assert_int_equal(p[2].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(r->topics[1].partitions[0].error_code, KERR_INVALID_TOPIC_EXCEPTION);
	call_free(c);
}

/* ---- Log directories ----------------------------------------------------------------------- */

static struct call *describe_dirs(struct node *n, int16_t version, bool all)
{
	struct describe_log_dirs_request body;
	struct describe_log_dirs_request_describable_log_dir_topic topic;
	int32_t indexes[] = {1};

	WIRE_INIT(describe_log_dirs_request, &body);
	WIRE_INIT(describe_log_dirs_request_describable_log_dir_topic, &topic);
	body.topics = all ? NULL : &topic;
	body.topics_count = all ? -1 : 1;
	topic.topic = STR_LIT("orders");
	topic.partitions = indexes;
	topic.partitions_count = 1;
	return call_now(n, 0, API_DESCRIBE_LOG_DIRS, version, &body);
}

static void test_describes_log_dirs(void **state)
{
	struct node *n = *state;

	append(n, ORDERS, 1, 3, 1700000000000);
	for (int16_t version = 1; version <= 5; version++) {
		struct call *c = describe_dirs(n, version, true);
		const struct describe_log_dirs_response *r = c->response;
		unsigned count = 0;

		assert_int_equal(r->results_count, 2);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(r->results[i].error_code, KERR_NONE);
			assert_true(str_is(r->results[i].log_dir, n->world.paths[i]));
			if (version >= 4)
				assert_true(r->results[i].usable_bytes > 0);
			for (int32_t j = 0; j < r->results[i].topics_count; j++)
				count += (unsigned)r->results[i].topics[j].partitions_count;
		}
		assert_int_equal(count, PARTITIONS);
		call_free(c);
		c = describe_dirs(n, version, false);
		r = c->response;
		assert_int_equal(r->results[0].topics_count + r->results[1].topics_count, 1);
		call_free(c);
	}
}

static int move(struct node *n, const char *path, const char *name, int32_t index)
{
	struct alter_replica_log_dirs_request body;
	struct alter_replica_log_dirs_request_alter_replica_log_dir dir;
	struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topic;
	const struct alter_replica_log_dirs_response *r;
	struct call *c;
	int error;

	WIRE_INIT(alter_replica_log_dirs_request, &body);
	WIRE_INIT(alter_replica_log_dirs_request_alter_replica_log_dir, &dir);
	WIRE_INIT(alter_replica_log_dirs_request_alter_replica_log_dir_topic, &topic);
	body.dirs = &dir;
	body.dirs_count = 1;
	dir.path = str_of(path);
	dir.topics = &topic;
	dir.topics_count = 1;
	topic.name = str_of(name);
	topic.partitions = &index;
	topic.partitions_count = 1;
	c = call_now(n, 0, API_ALTER_REPLICA_LOG_DIRS, 2, &body);
	r = c->response;
	error = r->results[0].partitions[0].error_code;
	call_free(c);
	return error;
}

static void test_moves_replicas(void **state)
{
	struct node *n = *state;
	struct partition *p = node_partition(n, ORDERS, 1);
	const char *to = n->world.paths[1 - p->dir];
	struct call *c;
	const struct describe_log_dirs_response *r;

	append(n, ORDERS, 1, 5, 1700000000000);
	assert_int_equal(move(n, "/no/such/dir", "orders", 1), KERR_LOG_DIR_NOT_FOUND);
	assert_int_equal(move(n, to, "orders", 17), KERR_REPLICA_NOT_AVAILABLE);
	assert_int_equal(move(n, to, "nosuch", 0), KERR_REPLICA_NOT_AVAILABLE);
	assert_int_equal(move(n, n->world.paths[p->dir], "orders", 1), KERR_NONE);
	assert_null(p->future);
	assert_int_equal(move(n, to, "orders", 1), KERR_NONE);
	c = describe_dirs(n, 5, false);
	r = c->response;
	assert_int_equal(r->results[1 - p->dir].topics[0].partitions[0].is_future_key, true);
	assert_int_equal(r->results[1 - p->dir].topics[0].partitions[0].offset_lag, 5);
	call_free(c);
	for (unsigned i = 0; i < 2; i++)
		replica_set_tick(n->shards[i].shard.replicas);
	assert_null(p->future);
	assert_string_equal(n->world.paths[p->dir], to);
	assert_int_equal(list_one(n, 5, "orders", 1, -1).offset, 5);
}

/* ---- Telemetry ----------------------------------------------------------------------------- */

static int push(struct node *n, unsigned shard, struct uuid id, int32_t subscription, bool last)
{
	struct push_telemetry_request body;
	struct call *c;
	int error;

	WIRE_INIT(push_telemetry_request, &body);
	body.client_instance_id = id;
	body.subscription_id = subscription;
	body.terminating = last;
	body.metrics = (struct slice){.data = (const uint8_t *)"", .len = 0};
	c = call_now(n, shard, API_PUSH_TELEMETRY, 0, &body);
	error = ((const struct push_telemetry_response *)c->response)->error_code;
	call_free(c);
	return error;
}

static void test_telemetry_asks_for_nothing(void **state)
{
	struct node *n = *state;
	struct get_telemetry_subscriptions_request body;
	const struct get_telemetry_subscriptions_response *r;
	struct uuid id;
	int32_t subscription;
	struct call *c;

	WIRE_INIT(get_telemetry_subscriptions_request, &body);
	c = call_now(n, 0, API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &body);
	r = c->response;
	assert_int_equal(r->error_code, KERR_NONE);
	assert_false(uuid_is_zero(r->client_instance_id));
	assert_int_equal(r->requested_metrics_count, 0);
	assert_int_equal(r->push_interval_ms, 300000);
	id = r->client_instance_id;
	subscription = r->subscription_id;
	call_free(c);

	body.client_instance_id = id;
	c = call_now(n, 1, API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &body);
	r = c->response;
	assert_int_equal(r->error_code, KERR_THROTTLING_QUOTA_EXCEEDED);
	call_free(c);

	assert_int_equal(push(n, 1, (struct uuid){0}, 1, false), KERR_INVALID_REQUEST);
	assert_int_equal(push(n, 1, id, subscription, false), KERR_NONE);
	assert_int_equal(push(n, 0, id, subscription, false), KERR_THROTTLING_QUOTA_EXCEEDED);
	world_now_ms += 300001;
	assert_int_equal(push(n, 0, id, subscription + 1, false), KERR_UNKNOWN_SUBSCRIPTION_ID);
	assert_int_equal(push(n, 0, id, subscription, true), KERR_NONE);
	assert_int_equal(push(n, 1, id, subscription, true), KERR_INVALID_REQUEST);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_lists_offsets_in_every_version),
		ONE(test_refuses_the_same_partition_twice),
		ONE(test_tells_where_epochs_end),
		ONE(test_deletes_records),
		ONE(test_deletes_wait_for_replicas),
		ONE(test_markers_wait_for_replicas),
		ONE(test_describes_producers),
		ONE(test_describes_log_dirs),
		ONE(test_moves_replicas),
		ONE(test_telemetry_asks_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
