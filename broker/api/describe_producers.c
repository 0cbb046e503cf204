/* DescribeProducers: which producers a partition's log knows, and their open transactions.
 * Source: ReplicaManager.activeProducerState. */
#include "api/describe.h"
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/partitions.h"
#include "wire/codec.h"

static void producer_add(void *ctx, const struct log_producer *p)
{
	struct describe_producers_response_partition_response *out = ctx;
	struct describe_producers_response_producer_state *state =
		&out->active_producers[out->active_producers_count++];

	state->producer_id = p->producer_id;
	state->producer_epoch = p->producer_epoch;
	state->last_sequence = p->last_sequence;
	state->last_timestamp = p->last_timestamp;
	state->coordinator_epoch = p->coordinator_epoch;
	state->current_txn_start_offset = p->txn_start_offset;
}

static void producers_visit(struct fanout_part *part)
{
	FANOUT_FOREACH(part, item)
	{
		struct describe_producers_response_partition_response *out = item->out;
		enum kafka_error error;
		struct partition *p = partition_find(part->on, item->topic_id, item->index, &error);

		/* Any replica that has the log knows. */
		if (p)
			error = partition_error(p, -1, false);
		out->error_code = (int16_t)error;
		if (error != KERR_NONE)
			continue;
		out->active_producers =
			WIRE_ARRAY(part->arena, describe_producers_response_producer_state,
				   log_producer_count(p->log));
		log_producers(p->log, producer_add, out);
	}
}

static void producers_split_topic(struct request *r, struct fanout *f, int32_t index)
{
	const struct describe_producers_request *body = r->body;
	struct describe_producers_response *response = r->response;
	const struct describe_producers_request_topic_request *in = &body->topics[index];
	struct describe_producers_response_topic_response *out = &response->topics[index];
	const struct image_topic *topic = image_topic_by_name(r->shard->image, in->name);

	out->name = in->name;
	out->partitions_count = in->partition_indexes_count;
	out->partitions = WIRE_ARRAY(&r->arena, describe_producers_response_partition_response,
				     in->partition_indexes_count);
	for (int32_t i = 0; i < in->partition_indexes_count; i++) {
		out->partitions[i].partition_index = in->partition_indexes[i];
		if (!topic_name_is_valid(in->name))
			out->partitions[i].error_code = KERR_INVALID_TOPIC_EXCEPTION;
		else if (!image_partition(topic, in->partition_indexes[i]))
			out->partitions[i].error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else
			fanout_add(f, topic->id, in->partition_indexes[i], NULL,
				   &out->partitions[i]);
		if (out->partitions[i].error_code != KERR_NONE)
			out->partitions[i].error_message =
				str_of(kafka_error_text(out->partitions[i].error_code));
	}
}

void handle_describe_producers(struct request *r)
{
	const struct describe_producers_request *body = r->body;
	struct describe_producers_response *response = r->response;
	unsigned count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < body->topics_count; i++)
		count += (unsigned)body->topics[i].partition_indexes_count;
	f = fanout_new(r, count, producers_visit, NULL);
	response->topics_count = body->topics_count;
	response->topics = WIRE_ARRAY(&r->arena, describe_producers_response_topic_response,
				      body->topics_count);
	for (int32_t i = 0; i < body->topics_count; i++)
		producers_split_topic(r, f, i);
	fanout_start(f);
	request_done(r);
}
