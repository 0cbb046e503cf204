/* WriteTxnMarkers: the coordinator of a transaction (on a broker of Apache's, in a cluster of both
 * kinds) has its end written to the partitions that this broker leads, and learns when it is
 * committed there.
 * Source: KafkaApis.handleWriteTxnMarkersRequest. */
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/partitions.h"
#include "group/group.h"
#include "base/clock.h"
#include "wire/batch.h"
#include "wire/codec.h"

/* request.timeout.ms of the coordinator: it asks again then. */
#define MARKER_WAIT_MS 30000

struct marker_item {
	const struct fanout_item *at;
	struct write_txn_markers_response_writable_txn_marker_partition_result *out;
	struct commit_waiter waiter;
	bool waits;
};

static void marker_end(struct marker_item *item, enum kafka_error error)
{
	struct fanout_part *part = item->at->part;

	item->out->error_code = (int16_t)error;
	item->waits = false;
	if (part->hold_count == 1)
		shard_timer_stop(part->on, &part->timer);
	fanout_release(part);
}

static void marker_committed(struct commit_waiter *w, enum kafka_error error)
{
	marker_end(CONTAINER_OF(w, struct marker_item, waiter), error);
}

static void marker_write(struct fanout_part *part, const struct fanout_item *at)
{
	const struct write_txn_markers_request_writable_txn_marker *in = at->in;
	struct marker_item *item = at->out;
	enum kafka_error error;
	struct partition *p = partition_find(part->on, at->topic_id, at->index, &error);
	uint8_t *data = arena_alloc(part->arena, BATCH_MARKER_BYTES);
	struct append_result result;

	item->at = at;
	item->out->error_code = (int16_t)error;
	if (!p)
		return;
	batch_write_marker(data, in->producer_id, in->producer_epoch, in->coordinator_epoch,
			   in->transaction_result, clock_wall_ms(), p->leader_epoch);
	partition_append(p, (struct slice){.data = data, .len = BATCH_MARKER_BYTES},
			 APPEND_COORDINATOR, -1, part->arena, &result);
	item->out->error_code = (int16_t)result.error;
	if (result.error != KERR_NONE)
		return;
	item->waits = true;
	item->waiter.done = marker_committed;
	fanout_hold(part);
	partition_wait_committed(p, &item->waiter, result.last_offset + 1);
}

static void markers_timed_out(struct timer *timer, struct shard *on UNUSED)
{
	struct fanout_part *part = CONTAINER_OF(timer, struct fanout_part, timer);

	fanout_hold(part);
	FANOUT_FOREACH(part, at)
	{
		struct marker_item *item = at->out;

		if (!item->waits)
			continue;
		commit_waiter_cancel(&item->waiter);
		marker_end(item, KERR_REQUEST_TIMED_OUT);
	}
	fanout_release(part);
}

static void markers_visit(struct fanout_part *part)
{
	part->timer.fire = markers_timed_out;
	FANOUT_FOREACH(part, at)
	marker_write(part, at);
	if (part->hold_count > 1)
		shard_timer_start(part->on, &part->timer, MARKER_WAIT_MS);
}

/* A marker of __consumer_offsets makes offsets of a group valid. This broker's groups take no
 * offsets of transactions: the coordinator tries again until a broker leads that does. */
static void marker_topic(struct request *r, struct fanout *f,
			 const struct write_txn_markers_request_writable_txn_marker *marker,
			 const struct write_txn_markers_request_writable_txn_marker_topic *in,
			 struct write_txn_markers_response_writable_txn_marker_topic_result *out)
{
	const struct image_topic *topic = image_topic_by_name(r->shard->image, in->name);

	out->name = in->name;
	out->partitions_count = in->partition_indexes_count;
	out->partitions = WIRE_ARRAY(
		&r->arena, write_txn_markers_response_writable_txn_marker_partition_result,
		in->partition_indexes_count);
	for (int32_t i = 0; i < in->partition_indexes_count; i++) {
		struct marker_item *item;

		out->partitions[i].partition_index = in->partition_indexes[i];
		if (!image_partition(topic, in->partition_indexes[i])) {
			out->partitions[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		} else if (str_is(in->name, OFFSETS_TOPIC)) {
			out->partitions[i].error_code = KERR_NOT_LEADER_OR_FOLLOWER;
		} else {
			item = arena_zalloc(&r->arena, sizeof(*item));
			item->out = &out->partitions[i];
			fanout_add(f, topic->id, in->partition_indexes[i], marker, item);
		}
	}
}

void handle_write_txn_markers(struct request *r)
{
	const struct write_txn_markers_request *in = r->body;
	struct write_txn_markers_response *out = r->response;
	unsigned count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < in->markers_count; i++)
		for (int32_t j = 0; j < in->markers[i].topics_count; j++)
			count += (unsigned)in->markers[i].topics[j].partition_indexes_count;
	f = fanout_new(r, count, markers_visit, NULL);
	out->markers_count = in->markers_count;
	out->markers = WIRE_ARRAY(&r->arena, write_txn_markers_response_writable_txn_marker_result,
				  in->markers_count);
	for (int32_t i = 0; i < in->markers_count; i++) {
		const struct write_txn_markers_request_writable_txn_marker *m = &in->markers[i];

		out->markers[i].producer_id = m->producer_id;
		out->markers[i].topics_count = m->topics_count;
		out->markers[i].topics = WIRE_ARRAY(
			&r->arena, write_txn_markers_response_writable_txn_marker_topic_result,
			m->topics_count);
		for (int32_t j = 0; j < m->topics_count; j++)
			marker_topic(r, f, m, &m->topics[j], &out->markers[i].topics[j]);
	}
	fanout_start(f);
	request_done(r);
}
