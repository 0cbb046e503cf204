/* ListOffsets and OffsetForLeaderEpoch: offsets by time, and the ends of leader epochs.
 * Source: ReplicaManager.fetchOffset, lastOffsetForLeaderEpoch. */
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/partitions.h"
#include "wire/codec.h"

#define REPLICA_CONSUMER (-1)
#define REPLICA_DEBUG (-2)

/* ---- ListOffsets --------------------------------------------------------------------------- */

/* The version that brought a special timestamp; -1: there is none of that number. */
static int list_offsets_since(int64_t timestamp)
{
	switch (timestamp) {
	case LIST_LATEST:
	case LIST_EARLIEST: return 1;
	case LIST_MAX_TIMESTAMP: return 7;
	case LIST_EARLIEST_LOCAL: return 8;
	case LIST_LATEST_TIERED: return 9;
	case LIST_EARLIEST_PENDING_UPLOAD: return 11;
	default: return timestamp >= 0 ? 1 : -1;
	}
}

static enum read_isolation list_offsets_isolation(const struct list_offsets_request *body)
{
	if (body->replica_id != REPLICA_CONSUMER)
		return READ_LOG_END;
	return body->isolation_level == 1 ? READ_COMMITTED : READ_UNCOMMITTED;
}

/* What is left of a visit while the disk reads what it needs. */
struct list_visit {
	struct log_warm warm;
	struct fanout_part *part;
	struct list_try {
		struct log_tries tries;
		bool is_answered;
	} *items; /* by place among the part's */
};

static void list_offsets_answer(const struct request *r, struct list_offset_result *result,
				struct list_offsets_response_partition_response *out)
{
	if (result->error == KERR_OFFSET_NOT_AVAILABLE && r->version < 5)
		result->error = KERR_LEADER_NOT_AVAILABLE;
	out->error_code = (int16_t)result->error;
	out->timestamp = result->timestamp;
	out->offset = result->offset;
	if (r->version >= 4)
		out->leader_epoch = result->leader_epoch;
}

/* Whether it is answered; else what it needs is among what is to be warmed. */
static bool list_offsets_try(struct list_visit *v, const struct fanout_item *item,
			     struct log_tries *tries)
{
	const struct request *r = v->part->fanout->request;
	const struct list_offsets_request *body = r->body;
	const struct list_offsets_request_partition *in = item->in;
	struct list_offset_result result = {.timestamp = -1, .offset = -1, .leader_epoch = -1};
	struct file_range cold = {0};
	struct list_offset_options options = {
		.timestamp = in->timestamp,
		.isolation = list_offsets_isolation(body),
		.leader_epoch = in->current_leader_epoch,
		.leader_only = body->replica_id != REPLICA_DEBUG,
		.cold = log_tries_left(tries) ? &cold : NULL,
	};
	struct partition *p =
		partition_find(v->part->on, item->topic_id, item->index, &result.error);

	if (p)
		partition_list_offset(p, &options, &result);
	if (cold.file) {
		log_tries_note(tries, &cold);
		log_warm_add(&v->warm, &cold, 0);
		return false;
	}
	list_offsets_answer(r, &result, item->out);
	return true;
}

static void list_offsets_warmed(struct log_warm *warm);

static void list_offsets_try_all(struct list_visit *v)
{
	unsigned i = 0;

	FANOUT_FOREACH(v->part, item)
	{
		struct list_try *t = &v->items[i++];

		if (!t->is_answered)
			t->is_answered = list_offsets_try(v, item, &t->tries);
	}
	if (v->warm.count == 0)
		return;
	fanout_hold(v->part);
	log_warm_start(&v->warm, v->part->on->env, list_offsets_warmed);
}

static void list_offsets_warmed(struct log_warm *warm)
{
	struct list_visit *v = CONTAINER_OF(warm, struct list_visit, warm);
	struct fanout_part *part = v->part;

	list_offsets_try_all(v);
	fanout_release(part);
}

static void list_offsets_visit(struct fanout_part *part)
{
	struct list_visit *v = arena_zalloc(part->arena, sizeof(*v));

	v->part = part;
	v->items = arena_array(part->arena, part->item_count, sizeof(*v->items));
	list_offsets_try_all(v);
}

/* Whether the partition is in the request before, or after, this place too. */
static bool list_offsets_is_twice(const struct list_offsets_request *body, int32_t topic,
				  int32_t partition)
{
	const struct list_offsets_request_topic *at = &body->topics[topic];

	for (int32_t i = 0; i < body->topics_count; i++) {
		const struct list_offsets_request_topic *t = &body->topics[i];

		if (!str_eq(t->name, at->name))
			continue;
		for (int32_t j = 0; j < t->partitions_count; j++)
			if ((i != topic || j != partition) &&
			    t->partitions[j].partition_index ==
				    at->partitions[partition].partition_index)
				return true;
	}
	return false;
}

/* Looking for the same partition twice costs n^2: only for requests of a size that people send. A
 * larger one is answered for each place, which is the truth as well. */
#define LIST_OFFSETS_TWICE_MAX 4096

static void list_offsets_split_topic(struct request *r, struct fanout *f, int32_t index,
				     bool checks_twice)
{
	const struct list_offsets_request *body = r->body;
	struct list_offsets_response *response = r->response;
	const struct list_offsets_request_topic *in = &body->topics[index];
	struct list_offsets_response_topic_response *out = &response->topics[index];
	const struct image_topic *topic = image_topic_by_name(r->shard->image, in->name);

	out->name = in->name;
	out->partitions_count = in->partitions_count;
	out->partitions = WIRE_ARRAY(&r->arena, list_offsets_response_partition_response,
				     in->partitions_count);
	for (int32_t i = 0; i < in->partitions_count; i++) {
		const struct list_offsets_request_partition *asked = &in->partitions[i];
		int since = list_offsets_since(asked->timestamp);

		out->partitions[i].partition_index = asked->partition_index;
		if (checks_twice && list_offsets_is_twice(body, index, i))
			out->partitions[i].error_code = KERR_INVALID_REQUEST;
		else if (since < 0 || r->version < since)
			out->partitions[i].error_code = KERR_UNSUPPORTED_VERSION;
		else if (!topic)
			out->partitions[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else
			fanout_add(f, topic->id, asked->partition_index, asked,
				   &out->partitions[i]);
	}
}

void handle_list_offsets(struct request *r)
{
	const struct list_offsets_request *body = r->body;
	struct list_offsets_response *response = r->response;
	unsigned count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < body->topics_count; i++)
		count += (unsigned)body->topics[i].partitions_count;
	f = fanout_new(r, count, list_offsets_visit, NULL);
	response->topics_count = body->topics_count;
	response->topics =
		WIRE_ARRAY(&r->arena, list_offsets_response_topic_response, body->topics_count);
	for (int32_t i = 0; i < body->topics_count; i++)
		list_offsets_split_topic(r, f, i, count <= LIST_OFFSETS_TWICE_MAX);
	fanout_start(f);
	request_done(r);
}

/* ---- OffsetForLeaderEpoch ------------------------------------------------------------------ */

static void epoch_end_visit(struct fanout_part *part)
{
	FANOUT_FOREACH(part, item)
	{
		const struct offset_for_leader_epoch_request_offset_for_leader_partition *in =
			item->in;
		struct offset_for_leader_epoch_response_epoch_end_offset *out = item->out;
		enum kafka_error error;
		struct partition *p = partition_find(part->on, item->topic_id, item->index, &error);

		if (p)
			error = partition_error(p, in->current_leader_epoch, true);
		out->error_code = (int16_t)error;
		if (error == KERR_NONE)
			log_epoch_end(p->log, in->leader_epoch, &out->leader_epoch,
				      &out->end_offset);
	}
}

void handle_offset_for_leader_epoch(struct request *r)
{
	const struct offset_for_leader_epoch_request *body = r->body;
	struct offset_for_leader_epoch_response *response = r->response;
	unsigned count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < body->topics_count; i++)
		count += (unsigned)body->topics[i].partitions_count;
	f = fanout_new(r, count, epoch_end_visit, NULL);
	response->topics_count = body->topics_count;
	response->topics = WIRE_ARRAY(
		&r->arena, offset_for_leader_epoch_response_offset_for_leader_topic_result,
		body->topics_count);
	for (int32_t i = 0; i < body->topics_count; i++) {
		struct uuid id = topic_id_of(r->shard->image, body->topics[i].topic);
		int32_t partitions_count = body->topics[i].partitions_count;
		struct offset_for_leader_epoch_response_epoch_end_offset *out =
			WIRE_ARRAY(&r->arena, offset_for_leader_epoch_response_epoch_end_offset,
				   partitions_count);

		response->topics[i].topic = body->topics[i].topic;
		response->topics[i].partitions_count = partitions_count;
		response->topics[i].partitions = out;
		for (int32_t j = 0; j < partitions_count; j++) {
			out[j].partition = body->topics[i].partitions[j].partition;
			if (uuid_is_zero(id))
				out[j].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
			else
				fanout_add(f, id, out[j].partition, &body->topics[i].partitions[j],
					   &out[j]);
		}
	}
	fanout_start(f);
	request_done(r);
}
