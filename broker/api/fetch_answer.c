/* The response of a fetch: how much of each partition goes out, and what its session leaves out. */
#include "api/fetch_int.h"
#include "config/config.h"
#include "metadata/image.h"
#include "metrics/metrics.h"
#include "wire/codec.h"

struct fetch_sessions *fetch_sessions_of(struct shard *home)
{
	int64_t slots = config_i64(home->config, CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);
	unsigned shard_count = home->broker->shard_count;

	if (!home->fetch_sessions)
		home->fetch_sessions =
			fetch_sessions_new((unsigned)((slots + shard_count - 1) / shard_count),
					   home->index, shard_count, fetch_watch_drop);
	return home->fetch_sessions;
}

/* ---- Sizes --------------------------------------------------------------------------------- */

static void item_cut(struct fetch_item *item, size_t len)
{
	if (len == 0) {
		file_unref(item->result.records.file);
		slice_unref(&item->copy);
		item->result.records = (struct file_range){0};
	} else if (item->copy.data) {
		item->copy.len = len;
	} else {
		item->result.records.len = len;
	}
}

/* Each part read as if it were alone: together they may be too much. In the order of the request,
 * the first records come whole, the others as long as there is room for at least a batch. */
static void fetch_cut(struct fetch *f)
{
	size_t used = 0;

	for (unsigned i = 0; i < f->item_count; i++) {
		struct fetch_item *item = f->items[i];
		size_t len = fetch_item_bytes(item);
		size_t room = f->bytes_max > used ? f->bytes_max - used : 0;

		if (used > 0 && len > 0) {
			room = MIN(room, item->bytes_max);
			if (item->result.first_batch_bytes > room)
				len = 0;
			len = MIN(len, room);
			item_cut(item, len);
		}
		used += len;
	}
}

/* ---- One partition ------------------------------------------------------------------------- */

static void item_fill_aborted(struct fetch *f, const struct fetch_item *item,
			      struct fetch_response_partition_data *out)
{
	out->aborted_transactions_count = -1;
	if (f->isolation != READ_COMMITTED || item->result.error != KERR_NONE)
		return;
	out->aborted_transactions = WIRE_ARRAY(f->arena, fetch_response_aborted_transaction,
					       item->result.aborted_count);
	out->aborted_transactions_count = (int32_t)item->result.aborted_count;
	for (unsigned i = 0; i < item->result.aborted_count; i++) {
		out->aborted_transactions[i].producer_id = item->result.aborted[i].producer_id;
		out->aborted_transactions[i].first_offset = item->result.aborted[i].first_offset;
	}
}

static enum kafka_error item_error(const struct fetch *f, const struct fetch_item *item)
{
	/* Clients that old do not know the error, but ask again for this one. */
	if (item->result.error == KERR_KAFKA_STORAGE_ERROR && f->request->version <= 5)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	return item->result.error;
}

static void fetch_add_node(struct fetch *f, int32_t node_id)
{
	struct fetch_response *response = &f->response;
	struct fetch_response_node_endpoint *node;
	const struct image_endpoint *endpoint;
	struct str rack;

	for (int32_t i = 0; i < response->node_endpoints_count; i++)
		if (response->node_endpoints[i].node_id == node_id)
			return;
	endpoint = request_endpoint(f->request, f->home->image, node_id, &rack);
	if (!endpoint)
		return;
	if (!response->node_endpoints)
		response->node_endpoints =
			WIRE_ARRAY(f->arena, fetch_response_node_endpoint, f->item_count);
	node = &response->node_endpoints[response->node_endpoints_count++];
	node->node_id = node_id;
	node->host = str_dup(f->arena, endpoint->host);
	node->port = endpoint->port;
	node->rack = str_dup(f->arena, rack);
}

static void item_fill(struct fetch *f, struct fetch_item *item,
		      struct fetch_response_partition_data *out)
{
	const struct read_result *result = &item->result;

	WIRE_INIT(fetch_response_partition_data, out);
	out->partition_index = item->index;
	out->error_code = (int16_t)item_error(f, item);
	out->records = (struct slice){.data = (const uint8_t *)"", .len = 0};
	out->high_watermark = -1;
	item_fill_aborted(f, item, out);
	if (result->error != KERR_NONE) {
		if (f->request->version < 16 || item->leader.epoch < 0)
			return;
		out->current_leader.leader_id = item->leader.id;
		out->current_leader.leader_epoch = item->leader.epoch;
		fetch_add_node(f, item->leader.id);
		return;
	}
	out->high_watermark = result->high_watermark;
	out->last_stable_offset = result->last_stable_offset;
	out->log_start_offset = result->log_start_offset;
	if (result->diverging_epoch >= 0) {
		out->diverging_epoch.epoch = result->diverging_epoch;
		out->diverging_epoch.end_offset = result->diverging_end_offset;
	}
	out->preferred_read_replica = item->preferred_replica;
	if (item->copy.data)
		out->records = item->copy;
	else if (result->records.len > 0)
		out->records = request_file_slice(f->arena, &result->records);
}

/* ---- Sessions ------------------------------------------------------------------------------ */

/* Remembers what is answered; says whether it is news. */
static bool session_note(struct fetch_session *s, const struct fetch_item *item)
{
	const struct read_result *result = &item->result;
	struct session_partition *p = item->entry;
	bool is_new = result->error != KERR_NONE || result->diverging_epoch >= 0;

	if (!p)
		p = fetch_session_get(s, item->asked_id, item->asked_name, item->index);
	if (fetch_item_bytes(item) > 0) {
		is_new = true;
		fetch_session_to_end(s, p);
	}
	is_new |= p->high_watermark != result->high_watermark ||
		  p->log_start_offset != result->log_start_offset ||
		  fetch_item_is_behind(item, result->high_watermark) ||
		  item->preferred_replica >= 0;
	p->high_watermark = result->error == KERR_NONE ? result->high_watermark : -1;
	p->log_start_offset = result->error == KERR_NONE ? result->log_start_offset : -1;
	return is_new;
}

static void fetch_create_session(struct fetch *f)
{
	struct fetch_sessions *sessions = fetch_sessions_of(f->home);
	struct fetch_session *s;
	uint32_t random;

	f->home->env->ops->random(f->home->env, &random, sizeof(random));
	if (f->item_count == 0 || f->item_count > FETCH_SESSION_PARTITIONS_MAX)
		return;
	s = fetch_sessions_create(sessions, random, f->replica_id >= 0, f->request->version >= 13,
				  f->item_count, env_mono_us(f->home->env) / 1000);
	if (!s)
		return;
	for (unsigned i = 0; i < f->item_count; i++) {
		const struct fetch_item *item = f->items[i];
		struct session_partition *p =
			fetch_session_put(s, item->asked_id, item->asked_name, item->index);

		p->leader_epoch = item->leader_epoch;
		p->last_fetched_epoch = item->last_fetched_epoch;
		p->fetch_offset = item->offset;
		p->follower_log_start_offset = item->follower_log_start_offset;
		p->follower_high_watermark = item->follower_high_watermark;
		p->bytes_max = (int32_t)item->bytes_max;
		fetch_session_ask(s, p);
		(void)session_note(s, item);
	}
	f->session_id = s->id;
}

/* ---- The whole ----------------------------------------------------------------------------- */

static bool item_same_topic(const struct fetch *f, const struct fetch_item *a,
			    const struct fetch_item *b)
{
	return f->request->version >= 13 ? uuid_eq(a->asked_id, b->asked_id)
					 : str_eq(a->asked_name, b->asked_name);
}

/* Puts the partition behind the last; a new topic entry whenever the topic changes. */
static void fetch_add_answer(struct fetch *f, struct fetch_item *item,
			     const struct fetch_item *previous,
			     struct fetch_response_partition_data *out)
{
	struct fetch_response *response = &f->response;
	struct fetch_response_fetchable_topic_response *topic;

	if (!previous || !item_same_topic(f, previous, item)) {
		topic = &response->responses[response->responses_count++];
		topic->topic = item->asked_name;
		topic->topic_id = item->asked_id;
		topic->partitions = out;
	}
	topic = &response->responses[response->responses_count - 1];
	topic->partitions_count++;
	item_fill(f, item, out);
}

static void fetch_count(struct fetch *f, const struct fetch_item *item)
{
	const struct image_topic *topic = image_topic_by_id(f->home->image, item->topic_id);
	struct topic_metrics *of_topic;
	size_t bytes = fetch_item_bytes(item);

	if (f->replica_id >= 0)
		replica_set_served(f->home->replicas, bytes, item->is_throttled);
	/* A topic that is gone has no counters any more. */
	if (f->replica_id >= 0 || !topic)
		return;
	of_topic = metrics_topic(f->home->metrics, topic->name);
	of_topic->fetch_requests++;
	of_topic->bytes_out += bytes;
	f->home->metrics->all.fetch_requests++;
	f->home->metrics->all.bytes_out += bytes;
	if (item->result.error == KERR_NONE)
		return;
	of_topic->failed_fetch_requests++;
	f->home->metrics->all.failed_fetch_requests++;
}

static void fetch_fill_partitions(struct fetch *f, struct fetch_session *s)
{
	struct fetch_response_partition_data *out =
		arena_array(f->arena, f->item_count, sizeof(*out));
	const struct fetch_item *previous = NULL;

	f->response.responses =
		WIRE_ARRAY(f->arena, fetch_response_fetchable_topic_response, f->item_count);
	for (unsigned i = 0; i < f->item_count; i++) {
		struct fetch_item *item = f->items[i];

		fetch_count(f, item);
		if (s && !session_note(s, item))
			continue;
		fetch_add_answer(f, item, previous, out++);
		previous = item;
	}
}

void fetch_fill_response(struct fetch *f)
{
	struct fetch_session *s = f->session;

	f->response.session_id = FETCH_SESSION_NONE;
	f->response.error_code = (int16_t)f->error;
	if (f->error != KERR_NONE)
		return;
	if (f->context == FETCH_INCREMENTAL) {
		f->response.session_id = f->session_id;
		if (s->epoch != f->session_epoch) {
			/* The client did not wait for this answer: the next one tells it. */
			s->looks_again = true;
			f->response.error_code = KERR_INVALID_FETCH_SESSION_EPOCH;
			return;
		}
	}
	fetch_cut(f);
	if (f->context == FETCH_NEW_SESSION) {
		fetch_create_session(f);
		f->response.session_id = f->session_id;
	}
	fetch_fill_partitions(f, s);
}
