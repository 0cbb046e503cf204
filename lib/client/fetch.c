/* Fetching: one request for each broker at a time, with a fetch session (KIP-227): an incremental
 * request names only what changed. Partitions whose last answers wait to be handed out are left
 * out of it. */
#define SAY_PLACE "client/fetch"
#include "client/consumer_int.h"

#include "base/mem.h"
#include "base/say.h"

static void fetch_done(struct call *call);
static void fetch_prepare(struct call *call, int16_t version);

/* ---- Fetchers -------------------------------------------------------------------------------- */

static struct fetcher *fetcher_of(struct consumer *k, int32_t node_id)
{
	struct map_node *node = map_get(&k->fetchers, &node_id, sizeof(node_id));
	struct fetcher *f;

	if (node)
		return CONTAINER_OF(node, struct fetcher, map_node);
	f = xcalloc(1, sizeof(*f));
	f->node_id = node_id;
	f->consumer = k;
	arena_init(&f->arena);
	map_put(&k->fetchers, &f->map_node, &f->node_id, sizeof(f->node_id));
	return f;
}

void fetch_fini(struct consumer *k)
{
	struct fetcher *f;

	MAP_FOREACH(&k->fetchers, f, struct fetcher, map_node)
	{
		if (f->in_flight)
			client_cancel(&f->call);
		map_remove(&k->fetchers, &f->map_node);
		arena_fini(&f->arena);
		free(f);
	}
	map_fini(&k->fetchers);
}

/* The session is over: the next request is a full one. */
static void session_end(struct fetcher *f, int32_t id)
{
	struct kpart *part;

	f->session_id = id;
	f->session_epoch = 0;
	LIST_FOREACH(&f->consumer->part_list, part, struct kpart, link)
		if (part->session == f)
			part->session = NULL;
}

void fetch_part_gone(struct consumer *k, struct kpart *part)
{
	(void)k;
	/* The broker still has it in the session; simplest is another session. */
	if (part->session)
		session_end(part->session, part->session->session_id);
}

/* ---- Which partitions ------------------------------------------------------------------------ */

/* Where to read the partition now; -1: no leader is known. */
static int32_t node_of_part(struct consumer *k, struct kpart *part, int64_t now)
{
	const struct client_topic *t = client_topic(k->client, part->topic);

	if (part->preferred_node >= 0 && now < part->preferred_until_ms &&
	    client_broker(k->client, part->preferred_node))
		return part->preferred_node;
	part->preferred_node = -1;
	if (!t || part->index < 0 || part->index >= t->partition_count)
		return -1;
	return t->partitions[part->index].leader;
}

static bool part_is_fetchable(struct consumer *k, const struct kpart *part, int64_t now,
			      int64_t *wake_ms)
{
	if (part->state != PART_READY || part->is_paused || part->is_checking ||
	    epoch_is_open(k, part) ||
	    part->fetched_count >= PART_FETCHED_MAX ||
	    (k->fetched_bytes >= (size_t)k->max_bytes && part->fetched_count > 0))
		return false;
	if (part->not_before_ms > now) {
		*wake_ms = MIN(*wake_ms, part->not_before_ms);
		return false;
	}
	return true;
}

static const struct uuid *part_topic_id(struct consumer *k, const struct kpart *part)
{
	static const struct uuid none;
	const struct client_topic *t = client_topic(k->client, part->topic);

	return t ? &t->id : &none;
}

static void fetcher_send(struct consumer *k, struct fetcher *f)
{
	struct kpart *part;

	f->call = (struct call){
		.target = TO_NODE(f->node_id),
		.api_key = API_FETCH,
		.version_min = 4,
		.timeout_ms = -1,
		.attempt_ms = k->max_wait_ms +
			      client_config_int(k->client->cfg, CC_REQUEST_TIMEOUT_MS),
		.is_fetch = true,
		.no_retry = true,
		.prepare = fetch_prepare,
		.done = fetch_done,
		.owner = f,
	};
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		if (uuid_is_zero(*part_topic_id(k, part)))
			f->call.version_max = 12;	/* topics by name */
	f->in_flight = true;
	k->stats.fetch_count++;
	client_request(k->client, &f->call);
}

void fetch_pump(struct consumer *k, int64_t now, int64_t *wake_ms)
{
	struct kpart *part;
	bool is_missing = false;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		struct fetcher *f;
		int32_t node_id;

		if (!part_is_fetchable(k, part, now, wake_ms))
			continue;
		node_id = node_of_part(k, part, now);
		if (node_id < 0) {
			is_missing = true;
			continue;
		}
		f = fetcher_of(k, node_id);
		if (f->in_flight)
			continue;
		if (f->not_before_ms > now) {
			*wake_ms = MIN(*wake_ms, f->not_before_ms);
			continue;
		}
		fetcher_send(k, f);
	}
	if (is_missing)
		client_refresh(k->client);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static int32_t part_leader_epoch(struct consumer *k, const struct kpart *part)
{
	const struct client_topic *t = client_topic(k->client, part->topic);

	return t && part->index < t->partition_count ? t->partitions[part->index].leader_epoch
						      : -1;
}

static void request_add_part(struct consumer *k, struct fetcher *f, struct fetch_request *req,
			     struct kpart *part, int16_t version, size_t count)
{
	struct fetch_request_topic *topic = NULL;
	struct fetch_request_partition *p;
	const struct uuid *id = part_topic_id(k, part);

	for (int32_t i = 0; i < req->topics_count && !topic; i++)
		if (version >= 13 ? uuid_eq(req->topics[i].topic_id, *id)
				  : str_eq(req->topics[i].topic, part->topic))
			topic = &req->topics[i];
	if (!topic) {
		topic = &req->topics[req->topics_count++];
		if (version >= 13)
			topic->topic_id = *id;
		else
			topic->topic = part->topic;
		topic->partitions = WIRE_ARRAY(&f->arena, fetch_request_partition, count);
	}
	p = &topic->partitions[topic->partitions_count++];
	p->partition = part->index;
	p->current_leader_epoch = part_leader_epoch(k, part);
	p->fetch_offset = part->fetch_offset;
	p->last_fetched_epoch = -1;
	p->partition_max_bytes = k->partition_bytes;
	part->session_offset = part->fetch_offset;
	part->session_epoch = p->current_leader_epoch;
	part->session_topic_id = *id;
	part->session = f;
}

static void request_forget(struct consumer *k, struct fetcher *f, struct fetch_request *req,
			   struct kpart *part, int16_t version, size_t count)
{
	struct fetch_request_forgotten_topic *topic = NULL;

	(void)k;
	for (int32_t i = 0; i < req->forgotten_topics_data_count && !topic; i++)
	{
		struct fetch_request_forgotten_topic *at = &req->forgotten_topics_data[i];

		if (version >= 13 ? uuid_eq(at->topic_id, part->session_topic_id)
				  : str_eq(at->topic, part->topic))
			topic = at;
	}
	if (!topic) {
		topic = &req->forgotten_topics_data[req->forgotten_topics_data_count++];
		if (version >= 13)
			topic->topic_id = part->session_topic_id;
		else
			topic->topic = part->topic;
		topic->partitions = arena_array(&f->arena, count, sizeof(int32_t));
	}
	topic->partitions[topic->partitions_count++] = part->index;
	part->session = NULL;
}

static void fetch_prepare(struct call *call, int16_t version)
{
	struct fetcher *f = call->owner;
	struct consumer *k = f->consumer;
	struct fetch_request *req;
	struct kpart *part;
	int64_t now = client_now(k->client), wake_ms = INT64_MAX;
	size_t count = k->parts.count + 1;

	arena_reset(&f->arena);
	f->has_session_api = version >= 7;
	req = WIRE_NEW(&f->arena, fetch_request);
	req->max_wait_ms = k->max_wait_ms;
	req->min_bytes = k->min_bytes;
	req->max_bytes = k->max_bytes;
	req->isolation_level = k->is_committed_only;
	req->session_id = f->session_id;
	req->session_epoch = f->has_session_api ? f->session_epoch : -1;
	if (version >= 11 && k->rack)
		req->rack_id = str_of(k->rack);
	req->topics = WIRE_ARRAY(&f->arena, fetch_request_topic, count);
	req->forgotten_topics_data = WIRE_ARRAY(&f->arena, fetch_request_forgotten_topic, count);
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		bool wanted = part_is_fetchable(k, part, now, &wake_ms) &&
			      node_of_part(k, part, now) == f->node_id;

		part->is_asked = part->is_asked && part->session != f;
		if (!wanted) {
			if (part->session == f && f->session_epoch > 0)
				request_forget(k, f, req, part, version, count);
			continue;
		}
		part->is_asked = true;
		part->asked_seek_count = part->seek_count;
		/* A session remembers what did not change. */
		if (part->session == f && f->session_epoch > 0 &&
		    part->session_offset == part->fetch_offset &&
		    part->session_epoch == part_leader_epoch(k, part) &&
		    (version < 13 || uuid_eq(part->session_topic_id, *part_topic_id(k, part))))
			continue;
		request_add_part(k, f, req, part, version, count);
	}
	call->request = req;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void part_backoff(struct consumer *k, struct kpart *part)
{
	part->not_before_ms = client_now(k->client) +
			      client_backoff_ms(k->client, ++part->fail_count);
}

static int aborted_cmp(const void *a, const void *b)
{
	int64_t x = ((const struct fetch_response_aborted_transaction *)a)->first_offset;
	int64_t y = ((const struct fetch_response_aborted_transaction *)b)->first_offset;

	return (x > y) - (x < y);
}

/* Whole batches of the records: where the next fetch begins. Returns whether there are any. */
static bool part_scan(struct kpart *part, struct slice records)
{
	const uint8_t *data = records.data;
	size_t len = records.len;
	struct batch b;
	bool has_any = false;
	int rc;

	while ((rc = batch_next(&b, &data, &len)) != 0) {
		has_any = true;
		if (rc < 0)
			break;	/* decoding will tell */
		if (batch_next_offset(&b) > part->fetch_offset) {
			part->fetch_offset = batch_next_offset(&b);
			part->fetched_epoch = b.partition_leader_epoch;
		}
	}
	return has_any;
}

static void part_data(struct consumer *k, struct kpart *part, const struct call *call,
		      const struct fetch_response_partition_data *d)
{
	struct fetched *f;
	int64_t end = k->is_committed_only && d->last_stable_offset >= 0 ? d->last_stable_offset
									  : d->high_watermark;

	part->fail_count = 0;
	part->high_watermark = d->high_watermark;
	part->last_stable_offset = d->last_stable_offset;
	part->log_start_offset = d->log_start_offset;
	if (d->records.len == 0 || !part_scan(part, d->records)) {
		if (d->records.len > 0) {
			struct err err = {0};

			err_set(&err, E_TOO_LARGE,
				"%.*s-%d: the record at offset %lld is larger than "
				"max.partition.fetch.bytes",
				STR(part->topic), part->index, (long long)part->fetch_offset);
			consumer_error(k, E_TOO_LARGE, &err);
			part_backoff(k, part);
		}
		if (part->fetched_count == 0 && part->fetch_offset >= end && !part->is_at_end &&
		    part->position >= end) {
			part->is_at_end = true;
			if (k->options.at_end)
				k->options.at_end(k->options.ctx, part->topic, part->index,
						  part->position);
		}
		return;
	}
	f = xcalloc(1, sizeof(*f));
	f->part = part;
	f->seek_count = part->seek_count;
	f->frame = slice_ref(call->frame);
	f->data = d->records.data;
	f->len = f->bytes = d->records.len;
	f->high_watermark = d->high_watermark;
	f->last_stable_offset = d->last_stable_offset;
	f->log_start_offset = d->log_start_offset;
	if (k->is_committed_only && d->aborted_transactions_count > 0) {
		f->aborted_count = (size_t)d->aborted_transactions_count;
		f->aborted = xmemdup(d->aborted_transactions,
				     f->aborted_count * sizeof(*f->aborted));
		qsort(f->aborted, f->aborted_count, sizeof(*f->aborted), aborted_cmp);
	}
	part->is_at_end = false;
	part->fetched_count++;
	k->fetched_bytes += f->bytes;
	k->stats.fetch_bytes += f->bytes;
	list_push_back(&k->fetched, &f->link);
}

static void part_error(struct consumer *k, struct kpart *part,
		       const struct fetch_response_partition_data *d)
{
	int code = d->error_code;
	struct err err = {0};

	if (d->current_leader.leader_id >= 0)
		client_set_leader(k->client, part->topic, part->index, d->current_leader.leader_id,
				  d->current_leader.leader_epoch);
	part->preferred_node = -1;
	if (code == KERR_OFFSET_OUT_OF_RANGE) {
		/* What waits to be handed out is in range; look again behind it. */
		if (part->fetched_count == 0)
			position_reset(k, part);
		return;
	}
	if (kafka_error_wants_metadata(code))
		client_refresh(k->client);
	if (kafka_error_is_retriable(code) || code == KERR_UNKNOWN_SERVER_ERROR) {
		part_backoff(k, part);
		return;
	}
	err_set(&err, E_KAFKA, "%.*s-%d: %s", STR(part->topic), part->index,
		kafka_error_text(code));
	err.kafka_error = code;
	consumer_error(k, E_KAFKA, &err);
	part_backoff(k, part);
}

static void part_answered(struct consumer *k, struct kpart *part, const struct call *call,
			  const struct fetch_response_partition_data *d)
{
	/* Asked before a seek, or not asked at all. */
	if (!part->is_asked || part->asked_seek_count != part->seek_count ||
	    part->state != PART_READY)
		return;
	part->is_asked = false;
	/* The leader changed meanwhile: whose records these are is not certain. */
	if (part->is_checking || epoch_is_open(k, part))
		return;
	if (d->error_code) {
		part_error(k, part, d);
		return;
	}
	if (d->preferred_read_replica >= 0) {
		part->preferred_node = d->preferred_read_replica;
		part->preferred_until_ms = client_now(k->client) +
					   client_config_int(k->client->cfg,
							     CC_METADATA_MAX_AGE_MS);
	}
	if (d->diverging_epoch.end_offset >= 0 && part->fetched_count == 0) {
		/* The log was cut behind us: go on at the end of what both have. */
		part->position = MIN(part->position, d->diverging_epoch.end_offset);
		part->fetch_offset = part->position;
		return;
	}
	part_data(k, part, call, d);
}

/* A broker that goes away is waited for; whoever waits wants to know why nothing comes. */
static void fetcher_away(struct fetcher *f, const struct call *call)
{
	struct consumer *k = f->consumer;
	int64_t now = client_now(k->client);
	struct err err = {0};

	if (!f->away_since_ms)
		f->away_since_ms = now;
	/* Not one of the brokers was ever reached where they say that they are. */
	if (reach_is_astray(k->client, &err)) {
		consumer_error(k, E_UNREACHABLE, &err);
		return;
	}
	if (f->is_away_told || k->client->unreachable_ms <= 0 ||
	    now - f->away_since_ms < k->client->unreachable_ms)
		return;
	f->is_away_told = true;
	say_warn("broker %d is away: %s; waiting for it", f->node_id, call->err.text);
}

static void fetcher_back(struct fetcher *f)
{
	if (f->is_away_told)
		say_warn("broker %d is back", f->node_id);
	f->is_away_told = false;
	f->away_since_ms = 0;
}

/* Returns false if the answer has no partitions to look at. */
static bool session_answered(struct fetcher *f, const struct fetch_response *r)
{
	switch (r->error_code) {
	case 0:
		break;
	case KERR_FETCH_SESSION_ID_NOT_FOUND:
		session_end(f, 0);
		return false;
	case KERR_INVALID_FETCH_SESSION_EPOCH:
	case KERR_FETCH_SESSION_TOPIC_ID_ERROR:
		session_end(f, f->session_id);
		return false;
	default:
		session_end(f, 0);
		f->not_before_ms = client_now(f->consumer->client) +
				   client_backoff_ms(f->consumer->client, ++f->fail_count);
		client_refresh(f->consumer->client);
		return false;
	}
	if (!f->has_session_api || r->session_id == 0) {
		session_end(f, 0);
		return true;
	}
	f->session_id = r->session_id;
	f->session_epoch = f->session_epoch == INT32_MAX ? 1 : f->session_epoch + 1;
	return true;
}

static void fetch_done(struct call *call)
{
	struct fetcher *f = call->owner;
	struct consumer *k = f->consumer;
	const struct fetch_response *r = call->response;

	f->in_flight = false;
	if (call->rc < 0) {
		/* The session may be gone with the connection, or not. */
		session_end(f, f->session_id);
		f->not_before_ms = client_now(k->client) +
				   client_backoff_ms(k->client, ++f->fail_count);
		if (call->rc == E_AUTH || call->rc == E_UNSUPPORTED)
			consumer_error(k, call->rc, &call->err);
		else
			client_refresh(k->client);
		fetcher_away(f, call);
		call_fini(call);
		consumer_pump(k);
		return;
	}
	fetcher_back(f);
	if (session_answered(f, r)) {
		f->fail_count = 0;
		for (int32_t i = 0; i < r->responses_count; i++) {
			const struct fetch_response_fetchable_topic_response *rt = &r->responses[i];
			struct str topic = rt->topic;

			if (call->version >= 13) {
				const struct client_topic *t =
					client_topic_by_id(k->client, rt->topic_id);

				topic = t ? t->name : STR_NULL;
			}
			for (int32_t j = 0; j < rt->partitions_count; j++) {
				struct kpart *part = consumer_part(
					k, topic, rt->partitions[j].partition_index);

				if (part)
					part_answered(k, part, call, &rt->partitions[j]);
			}
		}
	}
	call_fini(call);
	consumer_pump(k);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Tells each broker that keeps a session that it is over. Not behind the fetch that waits there
 * for records: over the other connection. */
void fetch_close(struct consumer *k)
{
	struct fetcher *f;
	struct arena arena;
	struct call *calls;
	size_t count = 0;
	struct err err = {0};

	arena_init(&arena);
	calls = arena_array(&arena, k->fetchers.count + 1, sizeof(*calls));
	MAP_FOREACH(&k->fetchers, f, struct fetcher, map_node)
	{
		struct fetch_request *req;

		if (f->in_flight)
			client_cancel(&f->call);
		f->in_flight = false;
		/* Only where that costs no connecting. */
		if (f->session_id == 0 || client_api_version(k->client, f->node_id, API_FETCH) < 7)
			continue;
		req = WIRE_NEW(&arena, fetch_request);
		req->session_id = f->session_id;
		req->session_epoch = -1;
		calls[count++] = (struct call){
			.target = TO_NODE(f->node_id),
			.api_key = API_FETCH,
			.request = req,
			.version_min = 7,
			.timeout_ms = CONSUMER_CLOSE_MS / 10,
			.no_retry = true,
		};
		session_end(f, 0);
	}
	if (client_call_all(k->client, calls, count, &err) < 0)
		say_debug("closing fetch sessions: %s", err.text);
	for (size_t i = 0; i < count; i++)
		call_fini(&calls[i]);
	arena_fini(&arena);
}
