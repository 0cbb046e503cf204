/* DeleteRecords: moves the start of partitions' logs up, and waits until every replica followed.
 * Source: ReplicaManager.deleteRecords, DelayedDeleteRecords. */
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/partitions.h"
#include "wire/codec.h"

struct delete_item {
	const struct fanout_item *at;
	struct delete_records_response_partition_result *out;
	int64_t offset; /* where the log shall start */
	struct fetch_waiter waiter;
	bool waits;
};

static void delete_item_end(struct delete_item *item, enum kafka_error error, int64_t low_watermark)
{
	struct fanout_part *part = item->at->part;

	item->out->error_code = (int16_t)error;
	item->out->low_watermark = low_watermark;
	fetch_waiter_remove(&item->waiter);
	item->waits = false;
	if (part->hold_count == 1)
		shard_timer_stop(part->on, &part->timer);
	fanout_release(part);
}

static void delete_item_woken(struct fetch_waiter *w, bool gone)
{
	struct delete_item *item = CONTAINER_OF(w, struct delete_item, waiter);
	enum kafka_error error = KERR_NOT_LEADER_OR_FOLLOWER;
	struct partition *p = NULL;

	if (!gone)
		p = partition_find(item->at->part->on, item->at->topic_id, item->at->index, &error);
	if (p)
		error = partition_error(p, -1, true);
	if (error != KERR_NONE)
		delete_item_end(item, error, -1);
	else if (partition_low_watermark(p) >= item->offset)
		delete_item_end(item, KERR_NONE, partition_low_watermark(p));
}

static void delete_one(struct fanout_part *part, const struct fanout_item *at)
{
	const struct delete_records_request_partition *in = at->in;
	struct delete_item *item = at->out;
	enum kafka_error error;
	struct partition *p = partition_find(part->on, at->topic_id, at->index, &error);
	int64_t low_watermark = -1;

	item->at = at;
	if (p) {
		item->offset = in->offset == -1 ? partition_high_watermark(p) : in->offset;
		error = partition_delete_records(p, item->offset, &low_watermark);
	}
	item->out->error_code = (int16_t)error;
	item->out->low_watermark = low_watermark;
	if (error != KERR_NONE || low_watermark >= item->offset)
		return;
	item->waits = true;
	item->waiter.wake = delete_item_woken;
	fanout_hold(part);
	partition_wait_records(p, &item->waiter);
}

static void delete_timed_out(struct timer *timer, struct shard *on UNUSED)
{
	struct fanout_part *part = CONTAINER_OF(timer, struct fanout_part, timer);

	fanout_hold(part);
	FANOUT_FOREACH(part, at)
	{
		struct delete_item *item = at->out;

		if (item->waits)
			delete_item_end(item, KERR_REQUEST_TIMED_OUT, -1);
	}
	fanout_release(part);
}

static void delete_visit(struct fanout_part *part)
{
	const struct delete_records_request *body = part->fanout->request->body;

	part->timer.fire = delete_timed_out;
	FANOUT_FOREACH(part, at)
	delete_one(part, at);
	if (part->hold_count > 1)
		shard_timer_start(part->on, &part->timer, MAX(body->timeout_ms, 0));
}

void handle_delete_records(struct request *r)
{
	const struct delete_records_request *body = r->body;
	struct delete_records_response *response = r->response;
	unsigned count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < body->topics_count; i++)
		count += (unsigned)body->topics[i].partitions_count;
	f = fanout_new(r, count, delete_visit, NULL);
	response->topics_count = body->topics_count;
	response->topics =
		WIRE_ARRAY(&r->arena, delete_records_response_topic_result, body->topics_count);
	for (int32_t i = 0; i < body->topics_count; i++) {
		const struct delete_records_request_topic *in = &body->topics[i];
		const struct image_topic *topic = image_topic_by_name(r->shard->image, in->name);
		struct delete_records_response_partition_result *out = WIRE_ARRAY(
			&r->arena, delete_records_response_partition_result, in->partitions_count);

		response->topics[i].name = in->name;
		response->topics[i].partitions_count = in->partitions_count;
		response->topics[i].partitions = out;
		for (int32_t j = 0; j < in->partitions_count; j++) {
			struct delete_item *item;

			out[j].partition_index = in->partitions[j].partition_index;
			out[j].low_watermark = -1;
			if (!image_partition(topic, out[j].partition_index)) {
				out[j].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
			} else if (topic_is_internal(in->name)) {
				out[j].error_code = KERR_INVALID_TOPIC_EXCEPTION;
			} else {
				item = arena_zalloc(&r->arena, sizeof(*item));
				item->out = &out[j];
				fanout_add(f, topic->id, out[j].partition_index, &in->partitions[j],
					   item);
			}
		}
	}
	fanout_start(f);
	request_done(r);
}
