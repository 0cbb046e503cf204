/* Batches out: which are ready, one Produce request for each broker that has room, and what the
 * answers say about each batch. */
#define SAY_PLACE "client/produce"
#include "client/producer_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"

static void produce_done(struct call *call);
static void produce_prepare(struct call *call, int16_t version);

struct pnode *produce_node(struct producer *p, int32_t id)
{
	struct map_node *node = map_get(&p->nodes, &id, sizeof(id));
	struct pnode *n;

	if (node)
		return CONTAINER_OF(node, struct pnode, map_node);
	n = xcalloc(1, sizeof(*n));
	n->id = id;
	map_put(&p->nodes, &n->map_node, &n->id, sizeof(n->id));
	return n;
}

void produce_wake(struct producer *p, int64_t delay_ms)
{
	int64_t when = client_now(p->client) + delay_ms;

	if (!heap_linked(&p->linger_timer.node) || p->linger_timer.node.when > when)
		client_timer_start(p->client, &p->linger_timer, delay_ms);
}

/* ---- What is ready --------------------------------------------------------------------------- */

/* The oldest that is not on its way. */
static struct pbatch *part_unsent(struct ppart *part)
{
	struct pbatch *b;

	LIST_FOREACH(&part->batches, b, struct pbatch, link)
		if (!b->in_flight)
			return b;
	return NULL;
}

/* The batch of the partition that may be sent now, or NULL; *wake_ms: when to look again. */
static struct pbatch *part_ready(struct producer *p, struct ppart *part, int64_t now,
				 int64_t *wake_ms)
{
	struct pbatch *b;
	int64_t linger_end;

	if (part->in_flight_count > 0 && (part->is_retrying || p->pid_state == PID_WAIT))
		return NULL;
	/* Brokers take any number from a producer that they do not know: if the first batch is
	 * refused while others are on their way behind it, it would come after them. */
	if (p->is_idempotent &&
	    part->in_flight_count >= (part->is_numbered ? PRODUCER_IN_FLIGHT_MAX : 1))
		return NULL;
	b = part_unsent(part);
	if (!b || (p->pid_state == PID_WAIT && !idempotence_is_open(p, b)))
		return NULL;
	if (b->not_before_ms > now) {
		*wake_ms = MIN(*wake_ms, b->not_before_ms);
		return NULL;
	}
	if (b->is_finished || b->is_closed || b->link.next != &part->batches || p->is_flushing ||
	    batch_builder_bytes(&b->builder) >= p->batch_bytes ||
	    p->stats.buffered_bytes > p->memory_bytes / 2)
		return b;
	linger_end = b->begun_ms + p->linger_ms;
	if (linger_end <= now)
		return b;
	*wake_ms = MIN(*wake_ms, linger_end);
	return NULL;
}

static int32_t part_leader(struct producer *p, const struct ppart *part)
{
	const struct client_topic *t = client_topic(p->client, part->topic->name);

	if (!t || part->index >= t->partition_count)
		return -1;
	return t->partitions[part->index].leader;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Compresses and numbers the batch, if that was not done before. */
static int produce_finish(struct producer *p, struct pbatch *b)
{
	int rc = 0;

	idempotence_assign(p, b);
	if (b->is_finished)
		return 0;
	rc = batch_builder_finish(&b->builder, p->compressor, &b->data);
	if (rc == 0)
		b->is_finished = true;
	return rc;
}

static void request_add(struct prequest *r, struct pbatch *b)
{
	r->batches = grow_array(r->batches, r->batch_count, &r->batch_cap, sizeof(*r->batches));
	r->batches[r->batch_count++] = b;
	r->bytes += b->data.len;
	b->in_flight = true;
	b->attempt_count++;
	b->part->in_flight_count++;
	/* Others first the next time. */
	list_remove(&b->part->active);
	list_push_back(&r->producer->active, &b->part->active);
}

static void request_free(struct prequest *r)
{
	list_remove(&r->link);
	call_fini(&r->call);
	arena_fini(&r->arena);
	free(r->batches);
	free(r);
}

static void request_send(struct producer *p, struct prequest *r, int32_t node_id)
{
	r->call.target = TO_NODE(node_id);
	r->call.api_key = API_PRODUCE;
	r->call.version_min = p->codec == COMPRESSION_ZSTD ? 7 : 3;
	for (size_t i = 0; i < r->batch_count; i++) {
		const struct client_topic *t =
			client_topic(p->client, r->batches[i]->part->topic->name);

		if (!t || uuid_is_zero(t->id))
			r->call.version_max = 12;	/* topics by name */
	}
	r->call.timeout_ms = -1;
	r->call.no_retry = true;
	r->call.no_response = p->acks == 0;
	r->call.prepare = produce_prepare;
	r->call.done = produce_done;
	r->call.owner = r;
	r->sent_us = clock_mono_us();
	list_push_back(&p->requests, &r->link);
	r->node->in_flight_count++;
	p->request_count++;
	p->stats.request_count++;
	client_request(p->client, &r->call);
}

/* Gathers for one broker the first ready batch of each partition it leads, and sends them.
 * Returns false if there is none. */
static bool produce_to(struct producer *p, int32_t node_id, int64_t now)
{
	struct prequest *r = NULL;
	struct list_node *at = p->active.next, *next;
	size_t left = 0;
	int64_t wake_ms = INT64_MAX;

	for (struct list_node *i = at; i != &p->active; i = i->next)
		left++;
	for (; left > 0; left--, at = next) {
		struct ppart *part = LIST_ENTRY(at, struct ppart, active);
		struct pbatch *b;
		struct err err = {0};
		int rc;

		next = at->next;
		if (part_leader(p, part) != node_id)
			continue;
		b = part_ready(p, part, now, &wake_ms);
		if (!b)
			continue;
		if (r && r->bytes + (b->is_finished ? b->data.len
						    : batch_builder_bytes(&b->builder)) >
				 p->request_bytes)
			break;
		rc = produce_finish(p, b);
		if (rc < 0) {
			err_set(&err, rc, "compressing a batch: %s", err_text(rc));
			produce_report(b, rc, &err, -1, -1);
			continue;
		}
		if (!r) {
			r = xcalloc(1, sizeof(*r));
			r->producer = p;
			r->node = produce_node(p, node_id);
			arena_init(&r->arena);
		}
		request_add(r, b);
	}
	if (!r)
		return false;
	request_send(p, r, node_id);
	return true;
}

static void produce_fail_all(struct producer *p)
{
	struct ppart *part;
	struct pbatch *b;

	LIST_FOREACH(&p->active, part, struct ppart, active)
		LIST_FOREACH(&part->batches, b, struct pbatch, link)
			if (!b->in_flight)
				produce_report(b, p->fatal.code, &p->fatal, -1, -1);
}

void produce_pump(struct producer *p)
{
	int64_t now = client_now(p->client), wake_ms = INT64_MAX;
	struct ppart *part;
	bool is_missing = false, again;

	if (p->is_pumping)
		return;
	p->is_pumping = true;
	if (p->fatal.code)
		produce_fail_all(p);
	do {
		again = false;
		LIST_FOREACH(&p->active, part, struct ppart, active)
		{
			int32_t leader;
			struct pnode *n;

			if (!part_ready(p, part, now, &wake_ms) || !idempotence_is_ready(p))
				continue;
			leader = part_leader(p, part);
			if (leader < 0) {
				is_missing = true;
				continue;
			}
			n = produce_node(p, leader);
			if (n->in_flight_count >= p->in_flight_max) {
				if (!n->blocked_ms)
					n->blocked_ms = now;
				continue;
			}
			n->blocked_ms = 0;
			/* The list changes: begin again. */
			again = produce_to(p, leader, now);
			if (again)
				break;
		}
	} while (again);
	p->is_pumping = false;
	if (is_missing)
		client_refresh(p->client);
	if (wake_ms != INT64_MAX)
		produce_wake(p, MAX(wake_ms - now, 1));
}

void produce_metadata(struct client_watcher *w)
{
	produce_pump(CONTAINER_OF(w, struct producer, watcher));
}

void produce_linger(struct client_timer *t)
{
	produce_pump(CONTAINER_OF(t, struct producer, linger_timer));
}

/* Builds the request once the version is known: topics by id from version 13 on. */
static void produce_prepare(struct call *call, int16_t version)
{
	struct prequest *r = call->owner;
	struct producer *p = r->producer;
	struct produce_request *req;
	struct produce_request_topic_produce_data *topic = NULL;

	arena_reset(&r->arena);
	req = WIRE_NEW(&r->arena, produce_request);
	req->acks = p->acks;
	req->timeout_ms = (int32_t)client_config_int(p->client->cfg, CC_REQUEST_TIMEOUT_MS);
	req->topic_data =
		WIRE_ARRAY(&r->arena, produce_request_topic_produce_data, r->batch_count);
	for (size_t i = 0; i < r->batch_count; i++) {
		struct pbatch *b = r->batches[i];
		const struct client_topic *t = client_topic(p->client, b->part->topic->name);

		topic = NULL;
		for (int32_t j = 0; j < req->topic_data_count && !topic; j++)
			if (version >= 13 ? t && uuid_eq(req->topic_data[j].topic_id, t->id)
					  : str_eq(req->topic_data[j].name, b->part->topic->name))
				topic = &req->topic_data[j];
		if (!topic) {
			topic = &req->topic_data[req->topic_data_count++];
			if (version >= 13)
				topic->topic_id = t ? t->id : (struct uuid){0};
			else
				topic->name = b->part->topic->name;
			topic->partition_data = WIRE_ARRAY(
				&r->arena, produce_request_partition_produce_data, r->batch_count);
		}
		topic->partition_data[topic->partition_data_count].index = b->part->index;
		topic->partition_data[topic->partition_data_count++].records = b->data;
	}
	call->request = req;
}

/* ---- Results --------------------------------------------------------------------------------- */

static void batch_free(struct pbatch *b)
{
	list_remove(&b->link);
	batch_builder_fini(&b->builder);
	slice_unref(&b->data);
	free(b->tags);
	free(b);
}

void produce_report(struct pbatch *b, int rc, const struct err *err, int64_t base_offset,
		    int64_t log_append_time)
{
	struct ppart *part = b->part;
	struct producer *p = part->topic->producer;
	struct producer_report report = {
		.topic = part->topic->name,
		.partition = part->index,
		.base_offset = base_offset,
		.log_append_time = log_append_time,
		.record_count = b->record_count,
		.tags = b->tags,
		.rc = rc,
		.kafka_error = err ? err->kafka_error : 0,
		.err = err,
		.latency_ms = client_now(p->client) - b->begun_ms,
	};

	assert(!b->in_flight);
	if (rc < 0) {
		idempotence_gave_up(p, b);
		p->stats.failed_count += b->record_count;
		if (!p->failed.code) {
			p->failed = *err;
			p->failed.code = rc;
		}
	} else {
		p->stats.acked_count += b->record_count;
		p->trouble.code = 0;
	}
	p->pending_count -= b->record_count;
	p->stats.buffered_bytes -= b->raw_bytes;
	part->batch_count--;
	list_remove(&b->link);
	if (list_empty(&part->batches)) {
		list_remove(&part->active);
		part->is_retrying = false;
	}
	if (p->options.delivered)
		p->options.delivered(p->options.ctx, &report);
	batch_free(b);
}

/* One of two halves of a batch that was too large. */
static struct pbatch *split_half(struct pbatch *b, uint32_t first, uint32_t count)
{
	struct pbatch *half = xcalloc(1, sizeof(*half));
	struct batch_options options = b->builder.options;

	options.max_bytes = b->raw_bytes + BATCH_HEADER_BYTES + 1024;
	batch_builder_init(&half->builder, &options);
	half->part = b->part;
	half->begun_ms = b->begun_ms;
	half->is_closed = true;
	half->record_count = count;
	half->has_sequence = b->has_sequence;
	half->producer_id = b->producer_id;
	half->producer_epoch = b->producer_epoch;
	half->base_sequence = b->has_sequence ? sequence_add(b->base_sequence, (int32_t)first) : 0;
	if (b->tags)
		half->tags = xmemdup(b->tags + first, count * sizeof(*b->tags));
	half->tags_cap = count;
	return half;
}

/* The broker finds the batch too large: two of half its records take its place. */
static int produce_split(struct producer *p, struct pbatch *b)
{
	uint32_t first = b->record_count / 2;
	struct pbatch *halves[2] = {split_half(b, 0, first),
				    split_half(b, first, b->record_count - first)};
	struct record_iter it;
	struct batch batch;
	struct record r;
	uint32_t at = 0;
	int rc = batch_parse(&batch, b->data.data, b->data.len);

	if (rc == 0)
		rc = record_iter_init(&it, &batch, p->compressor, 0);
	while (rc == 0 && record_next(&it, &r) == 1) {
		struct pbatch *half = halves[at++ >= first];

		rc = batch_builder_add_at(&half->builder, half->builder.last_offset_delta + 1, &r);
	}
	if (rc < 0 || at != b->record_count) {
		batch_free(halves[0]);
		batch_free(halves[1]);
		return E_CORRUPT;
	}
	halves[0]->raw_bytes = b->raw_bytes / 2;
	halves[1]->raw_bytes = b->raw_bytes - halves[0]->raw_bytes;
	list_insert(&halves[0]->link, &b->link);
	list_insert(&halves[1]->link, &halves[0]->link);
	b->part->batch_count++;
	batch_free(b);
	return 0;
}

static void produce_again(struct producer *p, struct pbatch *b)
{
	b->not_before_ms = client_now(p->client) +
			   client_backoff_ms(p->client, MAX(b->attempt_count, 1u));
	b->part->is_retrying = true;
	p->stats.retry_count++;
	produce_wake(p, b->not_before_ms - client_now(p->client));
}

static bool produce_may_retry(struct producer *p, const struct pbatch *b)
{
	return !p->client->is_freeing &&
	       (int64_t)b->attempt_count <= client_config_int(p->client->cfg, CC_RETRIES) &&
	       client_now(p->client) - b->begun_ms < p->delivery_ms;
}

/* No answer: the connection broke, or there was none. */
static void produce_broken(struct producer *p, struct pbatch *b, const struct call *call)
{
	struct err err = call->err;

	if (call->was_sent)
		b->may_be_written = true;
	/* `retries` counts what was sent: a batch waits for a broker that is away until
	 * delivery.timeout.ms is over. */
	else
		b->attempt_count--;
	p->trouble = err;
	p->trouble.code = call->rc;
	if (call->rc == E_NOT_FOUND)
		client_refresh(p->client);
	if (call->rc == E_AUTH || call->rc == E_UNSUPPORTED || call->rc == E_INVALID ||
	    p->client->is_freeing || reach_is_astray(p->client, &err)) {
		produce_report(b, call->rc, &err, -1, -1);
		return;
	}
	if (produce_may_retry(p, b)) {
		produce_again(p, b);
		return;
	}
	err_add(&err, E_TIMEOUT, "%.*s-%d: %u records were not delivered in time",
		STR(b->part->topic->name), b->part->index, b->record_count);
	produce_report(b, E_TIMEOUT, &err, -1, -1);
}

static void produce_refused(struct producer *p, struct pbatch *b,
			    const struct produce_response_partition_produce_response *r)
{
	int code = r->error_code;
	struct err err = {0};
	bool is_first = LIST_FIRST(&b->part->batches, struct pbatch, link) == b;

	err_set(&p->trouble, E_KAFKA, "%.*s-%d: %s", STR(b->part->topic->name), b->part->index,
		kafka_error_text(code));
	if (r->current_leader.leader_id >= 0)
		client_set_leader(p->client, b->part->topic->name, b->part->index,
				  r->current_leader.leader_id, r->current_leader.leader_epoch);
	if (kafka_error_wants_metadata(code))
		client_refresh(p->client);
	if (code == KERR_MESSAGE_TOO_LARGE && b->record_count > 1 && produce_split(p, b) == 0)
		return;
	if (p->is_idempotent && produce_may_retry(p, b)) {
		/* One before it is missing: that comes first. Else who answers led long ago and
		 * does not know better yet, or the broker knows the producer no more. */
		if (code == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER &&
		    (!is_first || b->missed_count++ < PRODUCER_MISSED_MAX)) {
			client_refresh(p->client);
			produce_again(p, b);
			return;
		}
		if (code == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER || code == KERR_UNKNOWN_PRODUCER_ID ||
		    code == KERR_INVALID_PRODUCER_EPOCH) {
			idempotence_not_there(b->part);
			produce_again(p, b);
			idempotence_renew(p);
			return;
		}
	}
	if (kafka_error_is_retriable(code) && produce_may_retry(p, b)) {
		/* After these it may be in the leader's log. */
		if (code == KERR_REQUEST_TIMED_OUT || code == KERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND)
			b->may_be_written = true;
		produce_again(p, b);
		return;
	}
	err_set(&err, E_KAFKA, "%.*s-%d: %s", STR(b->part->topic->name), b->part->index,
		kafka_error_text(code));
	if (r->error_message.len)
		err_set(&err, E_KAFKA, "%.*s-%d: %.*s", STR(b->part->topic->name), b->part->index,
			STR(r->error_message));
	err.kafka_error = code;
	produce_report(b, E_KAFKA, &err, -1, -1);
}

static const struct produce_response_partition_produce_response *
produce_find(struct producer *p, const struct call *call, const struct pbatch *b)
{
	const struct produce_response *r = call->response;
	const struct client_topic *t = client_topic(p->client, b->part->topic->name);

	for (int32_t i = 0; i < r->responses_count; i++) {
		const struct produce_response_topic_produce_response *rt = &r->responses[i];

		if (call->version >= 13 ? !t || !uuid_eq(rt->topic_id, t->id)
					: !str_eq(rt->name, b->part->topic->name))
			continue;
		for (int32_t j = 0; j < rt->partition_responses_count; j++)
			if (rt->partition_responses[j].index == b->part->index)
				return &rt->partition_responses[j];
	}
	return NULL;
}

static void produce_answered(struct producer *p, struct pbatch *b, const struct call *call)
{
	static const struct produce_response_partition_produce_response missing = {
		.error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION, .current_leader = {-1, -1}};
	const struct produce_response_partition_produce_response *r;

	if (call->rc < 0) {
		produce_broken(p, b, call);
		return;
	}
	if (p->acks == 0) {
		produce_report(b, 0, NULL, -1, -1);
		return;
	}
	r = produce_find(p, call, b);
	if (!r)
		r = &missing;
	if (r->error_code && r->error_code != KERR_DUPLICATE_SEQUENCE_NUMBER) {
		produce_refused(p, b, r);
		return;
	}
	b->part->is_retrying = b->part->in_flight_count > 0 && b->part->is_retrying;
	b->part->is_numbered |= b->producer_id == p->producer_id;
	produce_report(b, 0, NULL, r->error_code ? -1 : r->base_offset, r->log_append_time_ms);
}

static void produce_done(struct call *call)
{
	struct prequest *r = call->owner;
	struct producer *p = r->producer;
	int64_t us = clock_mono_us() - r->sent_us;

	r->node->in_flight_count--;
	p->request_count--;
	if (call->rc == 0) {
		p->stats.latency_sum_us += us;
		p->stats.latency_count++;
		p->stats.latency_max_us = MAX(p->stats.latency_max_us, us);
	}
	for (size_t i = 0; i < r->batch_count; i++) {
		r->batches[i]->in_flight = false;
		r->batches[i]->part->in_flight_count--;
	}
	for (size_t i = 0; i < r->batch_count; i++)
		produce_answered(p, r->batches[i], call);
	request_free(r);
	idempotence_settled(p);
	produce_pump(p);
}

/* ---- Too late -------------------------------------------------------------------------------- */

void produce_start_expire(struct producer *p)
{
	if (!heap_linked(&p->expire_timer.node))
		client_timer_start(p->client, &p->expire_timer, PRODUCER_EXPIRE_MS);
}

void produce_expire(struct client_timer *t)
{
	struct producer *p = CONTAINER_OF(t, struct producer, expire_timer);
	int64_t now = client_now(p->client);
	struct ppart *part;
	struct pbatch *b;
	struct err err = {0};

	LIST_FOREACH(&p->active, part, struct ppart, active)
		LIST_FOREACH(&part->batches, b, struct pbatch, link)
		{
			if (now - b->begun_ms < p->delivery_ms)
				break;
			if (b->in_flight)
				continue;
			err_set(&err, E_TIMEOUT,
				"%u records for %.*s-%d were not delivered within %lld ms%s%s",
				b->record_count, STR(part->topic->name), part->index,
				(long long)p->delivery_ms, p->client->meta.err.text[0] ? ": " : "",
				p->client->meta.err.text);
			produce_report(b, E_TIMEOUT, &err, -1, -1);
		}
	idempotence_settled(p);
	if (!list_empty(&p->active))
		produce_start_expire(p);
}
