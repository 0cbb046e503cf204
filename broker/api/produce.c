/* Produce: records into the logs of partitions, answered at once or when they are committed.
 *
 * The records of a partition are a slice of the received frame: they are checked, numbered and
 * written from there, without a copy.
 * Source: KafkaApis.handleProduceRequest, ReplicaManager.appendRecords.
 */
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/partitions.h"
#include "base/fault.h"
#include "base/say.h"
#include "metrics/metrics.h"
#include "wire/batch.h"
#include "wire/codec.h"

#define SAY_PLACE "broker/api"

#define CLIENT_ID_ADMIN "__admin_client"

/* What one partition of a request is going through. */
struct produce_item {
	const struct produce_request_partition_produce_data *in;
	struct produce_response_partition_produce_response *out;
	struct str topic;
	const struct fanout_item *at;
	struct commit_waiter waiter;
	bool waits;
	struct leader_hint leader; /* with NOT_LEADER_OR_FOLLOWER */
};

struct produce {
	struct request *request;
	const struct produce_request *body;
	struct produce_response *response;
	struct fanout *fanout;
};

static void produce_visit(struct fanout_part *part);
static void produce_answer(struct fanout *f);

/* ---- On the connection's shard ------------------------------------------------------------- */

static void produce_fail(struct produce_response_partition_produce_response *out,
			 enum kafka_error error, const char *text)
{
	out->error_code = (int16_t)error;
	out->base_offset = -1;
	if (text)
		out->error_message = str_of(text);
}

/* What can be said of the bytes without the partition: one batch, magic 2, a codec of the version.
 */
static enum kafka_error produce_check_records(int16_t version, struct slice records,
					      const char **text)
{
	struct batch batch;
	int rc;

	*text = NULL;
	if (!records.data || records.len == 0) {
		*text = "No batch was given for the partition";
		return KERR_INVALID_RECORD;
	}
	rc = batch_parse(&batch, records.data, records.len);
	if (rc == E_UNSUPPORTED) {
		*text = "Only record batches of magic 2 are accepted";
		return KERR_INVALID_RECORD;
	}
	if (rc < 0)
		return KERR_CORRUPT_MESSAGE;
	if (batch.size_bytes < records.len) {
		*text = "More than one record batch was given for the partition";
		return KERR_INVALID_RECORD;
	}
	if (version < 7 && batch_codec(&batch) == COMPRESSION_ZSTD)
		return KERR_UNSUPPORTED_COMPRESSION_TYPE;
	return KERR_NONE;
}

static const struct image_topic *
produce_find_topic(const struct request *r, const struct produce_request_topic_produce_data *topic)
{
	return r->version >= 13 ? image_topic_by_id(r->shard->image, topic->topic_id)
				: image_topic_by_name(r->shard->image, topic->name);
}

static enum kafka_error produce_check(const struct produce *pr, const struct image_topic *topic,
				      const struct produce_request_partition_produce_data *in,
				      const char **text)
{
	const struct request *r = pr->request;
	enum kafka_error error;

	*text = NULL;
	if (!topic)
		return r->version >= 13 ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (!image_partition(topic, in->index))
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	error = produce_check_records(r->version, in->records, text);
	if (error != KERR_NONE)
		return error;
	if (pr->body->acks < -1 || pr->body->acks > 1)
		return KERR_INVALID_REQUIRED_ACKS;
	if (topic_is_internal(topic->name) && !str_is(r->client_id, CLIENT_ID_ADMIN))
		return KERR_INVALID_TOPIC_EXCEPTION;
	return KERR_NONE;
}

static void produce_split_topic(struct produce *pr, int32_t topic_index)
{
	struct request *r = pr->request;
	const struct produce_request_topic_produce_data *in = &pr->body->topic_data[topic_index];
	struct produce_response_topic_produce_response *out = &pr->response->responses[topic_index];
	const struct image_topic *topic = produce_find_topic(r, in);
	/* The image may be gone when the partitions are visited. */
	struct str name = topic ? str_dup(&r->arena, topic->name) : STR_NULL;

	out->name = in->name;
	out->topic_id = in->topic_id;
	out->partition_responses = WIRE_ARRAY(
		&r->arena, produce_response_partition_produce_response, in->partition_data_count);
	out->partition_responses_count = in->partition_data_count;
	for (int32_t i = 0; i < in->partition_data_count; i++) {
		const struct produce_request_partition_produce_data *data = &in->partition_data[i];
		struct produce_item *item;
		const char *text;
		enum kafka_error error = produce_check(pr, topic, data, &text);

		out->partition_responses[i].index = data->index;
		if (error != KERR_NONE) {
			produce_fail(&out->partition_responses[i], error, text);
			continue;
		}
		item = arena_zalloc(&r->arena, sizeof(*item));
		item->in = data;
		item->out = &out->partition_responses[i];
		item->topic = name;
		item->leader = (struct leader_hint){-1, -1};
		fanout_add(pr->fanout, topic->id, data->index, NULL, item);
	}
}

void handle_produce(struct request *r)
{
	struct produce *pr = arena_zalloc(&r->arena, sizeof(*pr));
	unsigned partition_count = 0;

	pr->request = r;
	pr->body = r->body;
	pr->response = r->response;
	r->no_response = pr->body->acks == 0;
	for (int32_t i = 0; i < pr->body->topic_data_count; i++)
		partition_count += (unsigned)pr->body->topic_data[i].partition_data_count;
	pr->fanout = fanout_new(r, partition_count, produce_visit, produce_answer);
	pr->fanout->state = pr;
	pr->response->responses = WIRE_ARRAY(&r->arena, produce_response_topic_produce_response,
					     pr->body->topic_data_count);
	pr->response->responses_count = pr->body->topic_data_count;
	for (int32_t i = 0; i < pr->body->topic_data_count; i++)
		produce_split_topic(pr, i);
	fanout_start(pr->fanout);
	request_done(r);
}

/* ---- On the partition's shard -------------------------------------------------------------- */

static void produce_count(struct shard *on, const struct produce_item *item,
			  const struct append_result *result)
{
	struct topic_metrics *of_topic = metrics_topic(on->metrics, item->topic);

	of_topic->produce_requests++;
	on->metrics->all.produce_requests++;
	if (result->error != KERR_NONE) {
		of_topic->failed_produce_requests++;
		on->metrics->all.failed_produce_requests++;
		if (result->error == KERR_MESSAGE_TOO_LARGE) {
			of_topic->bytes_rejected += item->in->records.len;
			on->metrics->all.bytes_rejected += item->in->records.len;
		}
		return;
	}
	of_topic->bytes_in += result->bytes;
	on->metrics->all.bytes_in += result->bytes;
	of_topic->messages_in += (uint64_t)result->record_count;
	on->metrics->all.messages_in += (uint64_t)result->record_count;
}

static void produce_set_result(struct produce_item *item, const struct append_result *result,
			       struct arena *arena)
{
	struct produce_response_partition_produce_response *out = item->out;

	out->error_code = (int16_t)result->error;
	out->base_offset = result->base_offset;
	out->log_append_time_ms = result->log_append_time_ms;
	out->log_start_offset = result->log_start_offset;
	out->error_message = str_of(result->error_text);
	if (result->record_error_count == 0)
		return;
	out->record_errors = WIRE_ARRAY(arena, produce_response_batch_index_and_error_message,
					result->record_error_count);
	out->record_errors_count = (int32_t)result->record_error_count;
	for (unsigned i = 0; i < result->record_error_count; i++) {
		out->record_errors[i].batch_index = result->record_errors[i].batch_index;
		out->record_errors[i].batch_index_error_message =
			str_of(result->record_errors[i].text);
	}
}

static void produce_committed(struct commit_waiter *w, enum kafka_error error)
{
	struct produce_item *item = CONTAINER_OF(w, struct produce_item, waiter);
	struct fanout_part *part = item->at->part;

	item->waits = false;
	if (error != KERR_NONE)
		produce_fail(item->out, error, NULL);
	if (error == KERR_NOT_LEADER_OR_FOLLOWER)
		item->leader = leader_hint_of(part->on, item->at->topic_id, item->at->index);
	if (part->hold_count == 1)
		shard_timer_stop(part->on, &part->timer);
	fanout_release(part);
}

static void produce_one(struct fanout_part *part, const struct fanout_item *at)
{
	const struct produce *pr = part->fanout->state;
	struct produce_item *item = at->out;
	struct append_result result = {
		.base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1};
	struct partition *p;

	/* A producer may count its attempts; readers ask again. */
	replica_set_open_now(part->on->replicas, at->topic_id, at->index);
	p = partition_find(part->on, at->topic_id, at->index, &result.error);
	if (p && pr->body->acks == 1 && FAULT(acks_one_unwritten))
		result = (struct append_result){.base_offset = partition_log_end_offset(p)};
	else if (p)
		partition_append(p, item->in->records, APPEND_CLIENT, pr->body->acks, part->arena,
				 &result);
	produce_set_result(item, &result, part->arena);
	produce_count(part->on, item, &result);
	if (result.error == KERR_NOT_LEADER_OR_FOLLOWER)
		item->leader = leader_hint_of(part->on, at->topic_id, at->index);
	if (result.error != KERR_NONE || pr->body->acks != -1)
		return;
	item->at = at;
	item->waits = true;
	item->waiter.done = produce_committed;
	fanout_hold(part);
	partition_wait_committed(p, &item->waiter, result.last_offset + 1);
}

static void produce_timed_out(struct timer *timer, struct shard *on)
{
	struct fanout_part *part = CONTAINER_OF(timer, struct fanout_part, timer);
	unsigned late_count = 0;

	(void)on;
	/* Held while looking at its items: the last release lets the part go. */
	fanout_hold(part);
	FANOUT_FOREACH(part, at)
	{
		struct produce_item *item = at->out;

		if (!item->waits)
			continue;
		commit_waiter_cancel(&item->waiter);
		item->waits = false;
		produce_fail(item->out, KERR_REQUEST_TIMED_OUT, NULL);
		late_count++;
	}
	while (late_count-- > 0)
		fanout_release(part);
	fanout_release(part);
}

static void produce_visit(struct fanout_part *part)
{
	const struct produce *pr = part->fanout->state;

	part->timer.fire = produce_timed_out;
	FANOUT_FOREACH(part, at)
	produce_one(part, at);
	/* Held by the visit itself, so more than that means that something waits. */
	if (part->hold_count > 1)
		shard_timer_start(part->on, &part->timer, MAX(pr->body->timeout_ms, 0));
}

/* ---- Back on the connection's shard -------------------------------------------------------- */

static void produce_add_node(struct produce *pr, int32_t node_id)
{
	struct request *r = pr->request;
	struct produce_response *response = pr->response;
	const struct image_endpoint *endpoint;
	struct produce_response_node_endpoint *node;
	struct str rack;

	for (int32_t i = 0; i < response->node_endpoints_count; i++)
		if (response->node_endpoints[i].node_id == node_id)
			return;
	endpoint = request_endpoint(r, r->shard->image, node_id, &rack);
	if (!endpoint)
		return;
	if (!response->node_endpoints)
		response->node_endpoints = WIRE_ARRAY(&r->arena, produce_response_node_endpoint,
						      pr->fanout->item_count);
	node = &response->node_endpoints[response->node_endpoints_count++];
	node->node_id = node_id;
	node->host = str_dup(&r->arena, endpoint->host);
	node->port = endpoint->port;
	node->rack = str_dup(&r->arena, rack);
}

static void produce_say_closing(const struct request *r, const struct produce_response *response)
{
	for (int32_t i = 0; i < response->responses_count; i++) {
		const struct produce_response_topic_produce_response *t = &response->responses[i];

		for (int32_t j = 0; j < t->partition_responses_count; j++) {
			int error = t->partition_responses[j].error_code;

			if (error == KERR_NONE)
				continue;
			say_info("closing the connection of %s (client id %.*s): produce request "
				 "with acks=0 failed for %.*s-%d: %s",
				 r->client_host, STR(r->client_id), STR(t->name),
				 t->partition_responses[j].index, kafka_error_name(error));
			return;
		}
	}
}

static bool produce_has_error(const struct produce_response *response)
{
	for (int32_t i = 0; i < response->responses_count; i++)
		for (int32_t j = 0; j < response->responses[i].partition_responses_count; j++)
			if (response->responses[i].partition_responses[j].error_code != KERR_NONE)
				return true;
	return false;
}

static void produce_answer(struct fanout *f)
{
	struct produce *pr = f->state;
	struct request *r = pr->request;

	if (r->no_response) {
		r->close_after = produce_has_error(pr->response);
		if (r->close_after)
			produce_say_closing(r, pr->response);
		return;
	}
	if (r->version < 10)
		return;
	for (unsigned i = 0; i < f->item_count; i++) {
		struct produce_item *item = f->items[i].out;

		if (item->out->error_code != KERR_NOT_LEADER_OR_FOLLOWER)
			continue;
		item->out->current_leader.leader_id = item->leader.id;
		item->out->current_leader.leader_epoch = item->leader.epoch;
		produce_add_node(pr, item->leader.id);
	}
}
