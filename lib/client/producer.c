#define SAY_PLACE "client/producer"
#include "client/producer_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"

#include <strings.h>

/* ---- Making ---------------------------------------------------------------------------------- */

static void producer_configure(struct producer *p)
{
	const struct client_config *cfg = p->client->cfg;
	const char *acks = client_config_str(cfg, CC_ACKS);
	const char *partitioner = client_config_str(cfg, CC_PARTITIONER_CLASS);

	p->batch_bytes = (size_t)MAX(client_config_int(cfg, CC_BATCH_SIZE), 1);
	p->request_bytes = (size_t)client_config_int(cfg, CC_MAX_REQUEST_SIZE);
	p->grow_bytes = p->batch_bytes;
	if (!client_config_is_set(cfg, CC_BATCH_SIZE))
		p->grow_bytes = MAX(p->grow_bytes,
				    MIN(p->request_bytes, (size_t)PRODUCER_BATCH_GROW_BYTES));
	p->memory_bytes = (size_t)client_config_int(cfg, CC_BUFFER_MEMORY);
	p->linger_ms = client_config_int(cfg, CC_LINGER_MS);
	p->delivery_ms = client_config_int(cfg, CC_DELIVERY_TIMEOUT_MS);
	p->block_ms = client_config_int(cfg, CC_MAX_BLOCK_MS);
	p->in_flight_max = (unsigned)client_config_int(cfg, CC_MAX_IN_FLIGHT);
	p->acks = strcasecmp(acks, "all") == 0 ? -1 : (int16_t)strtol(acks, NULL, 10);
	p->is_idempotent = client_config_bool(cfg, CC_ENABLE_IDEMPOTENCE);
	p->ignore_keys = client_config_bool(cfg, CC_PARTITIONER_IGNORE_KEYS);
	p->adaptive = client_config_bool(cfg, CC_PARTITIONER_ADAPTIVE);
	p->rack_aware = client_config_bool(cfg, CC_PARTITIONER_RACK_AWARE);
	p->availability_ms = client_config_int(cfg, CC_PARTITIONER_AVAILABILITY_TIMEOUT_MS);
	p->round_robin = partitioner && strcasestr(partitioner, "roundrobin");
	p->level = COMPRESSION_LEVEL_DEFAULT;
	if (compression_parse(str_of(client_config_str(cfg, CC_COMPRESSION_TYPE)), &p->codec) < 0)
		p->codec = COMPRESSION_NONE;
	if (p->codec == COMPRESSION_GZIP)
		p->level = (int)client_config_int(cfg, CC_COMPRESSION_GZIP_LEVEL);
	else if (p->codec == COMPRESSION_LZ4)
		p->level = (int)client_config_int(cfg, CC_COMPRESSION_LZ4_LEVEL);
	else if (p->codec == COMPRESSION_ZSTD)
		p->level = (int)client_config_int(cfg, CC_COMPRESSION_ZSTD_LEVEL);
}

int producer_new(struct producer **out, struct client *client,
		 const struct producer_options *options, struct err *err)
{
	const char *partitioner = client_config_str(client->cfg, CC_PARTITIONER_CLASS);
	struct producer *p;

	assert(client_config_role(client->cfg) == CLIENT_PRODUCER);
	if (client_config_str(client->cfg, CC_TRANSACTIONAL_ID))
		return err_set(err, E_UNSUPPORTED, "transactional.id: transactions are not "
						   "supported by this producer");
	if (partitioner && *partitioner && !strcasestr(partitioner, "roundrobin") &&
	    !strcasestr(partitioner, "DefaultPartitioner") &&
	    !strcasestr(partitioner, "UniformStickyPartitioner"))
		return err_set(err, E_INVALID,
			       "partitioner.class=%s: only RoundRobinPartitioner, "
			       "DefaultPartitioner and UniformStickyPartitioner are known",
			       partitioner);
	p = xcalloc(1, sizeof(*p));
	p->client = client;
	if (options)
		p->options = *options;
	producer_configure(p);
	if (partitioner && strcasestr(partitioner, "UniformStickyPartitioner"))
		p->ignore_keys = true;
	p->compressor = p->codec == COMPRESSION_NONE ? NULL : compressor_new();
	map_init(&p->topics);
	map_init(&p->nodes);
	list_init(&p->active);
	list_init(&p->requests);
	p->linger_timer.fire = produce_linger;
	p->expire_timer.fire = produce_expire;
	p->watcher.metadata_changed = produce_metadata;
	p->producer_id = -1;
	client_watch(client, &p->watcher);
	*out = p;
	return 0;
}

static void producer_drop(struct producer *p)
{
	struct err err = {0};
	struct ppart *part;

	err_set(&err, E_INTERRUPTED, "the producer was closed");
	LIST_FOREACH(&p->active, part, struct ppart, active)
	{
		struct pbatch *b;

		LIST_FOREACH(&part->batches, b, struct pbatch, link)
			produce_report(b, E_INTERRUPTED, &err, -1, -1);
	}
}

void producer_free(struct producer *p)
{
	struct ptopic *t;
	struct pnode *n;
	struct prequest *r;

	if (!p)
		return;
	client_unwatch(&p->watcher);
	client_timer_stop(p->client, &p->linger_timer);
	client_timer_stop(p->client, &p->expire_timer);
	client_timer_stop(p->client, &p->pid_timer);
	if (p->pid_state == PID_ASKING)
		client_cancel(&p->pid_call);
	LIST_FOREACH(&p->requests, r, struct prequest, link)
	{
		client_cancel(&r->call);
		for (size_t i = 0; i < r->batch_count; i++)
			r->batches[i]->in_flight = false;
		arena_fini(&r->arena);
		free(r->batches);
		free(r);
	}
	p->is_idempotent = false;	/* no more numbers are needed */
	producer_drop(p);
	MAP_FOREACH(&p->topics, t, struct ptopic, node)
	{
		map_remove(&p->topics, &t->node);
		client_unwant_topic(p->client, t->name);
		for (int32_t i = 0; i < t->part_count; i++)
			free(t->parts[i]);
		free(t->parts);
		free((char *)(uintptr_t)t->name.data);
		free(t);
	}
	MAP_FOREACH(&p->nodes, n, struct pnode, map_node)
	{
		map_remove(&p->nodes, &n->map_node);
		free(n);
	}
	map_fini(&p->topics);
	map_fini(&p->nodes);
	compressor_free(p->compressor);
	free(p);
}

/* ---- Topics ---------------------------------------------------------------------------------- */

static struct ptopic *producer_topic(struct producer *p, struct str name)
{
	struct map_node *node;
	struct ptopic *t;

	if (p->last_topic && str_eq(p->last_topic->name, name))
		return p->last_topic;
	node = map_get(&p->topics, name.data, name.len);
	if (node) {
		p->last_topic = CONTAINER_OF(node, struct ptopic, node);
		return p->last_topic;
	}
	t = xcalloc(1, sizeof(*t));
	t->producer = p;
	t->name = (struct str){xstrndup(name.data, name.len), name.len};
	t->sticky = -1;
	t->asked_ms = client_now(p->client);
	map_put(&p->topics, &t->node, t->name.data, t->name.len);
	client_want_topic(p->client, t->name, true);
	(void)idempotence_is_ready(p);
	p->last_topic = t;
	return t;
}

/* Takes over how many partitions metadata knows; they never get fewer. */
static void producer_grow(struct ptopic *t, int32_t count)
{
	if (count <= t->part_count)
		return;
	t->parts = xreallocarray(t->parts, (size_t)count, sizeof(*t->parts));
	for (int32_t i = t->part_count; i < count; i++) {
		struct ppart *part = xcalloc(1, sizeof(*part));

		part->topic = t;
		part->index = i;
		list_init(&part->batches);
		t->parts[i] = part;
	}
	t->part_count = count;
}

/* 0, E_AGAIN while metadata is on its way, or why it will not come. */
static int producer_topic_ready(struct producer *p, struct ptopic *t, struct err *err)
{
	const struct client_topic *meta = client_topic(p->client, t->name);
	const struct err *why = &p->client->meta.err;

	if (meta && meta->is_known && meta->partition_count > 0) {
		producer_grow(t, meta->partition_count);
		t->asked_ms = 0;
		return 0;
	}
	if (!t->asked_ms)
		t->asked_ms = client_now(p->client);
	if (meta && meta->error && !kafka_error_is_retriable(meta->error)) {
		err_set(err, E_KAFKA, "topic %.*s: %s", STR(t->name),
			kafka_error_text(meta->error));
		if (err)
			err->kafka_error = meta->error;
		return E_KAFKA;
	}
	if (why->code == E_UNREACHABLE || why->code == E_AUTH || why->code == E_UNSUPPORTED) {
		int rc = why->code;

		if (err)
			*err = *why;
		p->client->meta.err = (struct err){0};
		client_refresh(p->client);
		return rc;
	}
	if (client_now(p->client) - t->asked_ms >= p->block_ms) {
		t->asked_ms = 0;
		return err_set(err, E_TIMEOUT,
			       "topic %.*s not present in metadata after %lld ms%s%s",
			       STR(t->name), (long long)p->block_ms,
			       meta && meta->error ? ": " : "",
			       meta && meta->error ? kafka_error_text(meta->error) : "");
	}
	client_refresh(p->client);
	return err_set(err, E_AGAIN, "topic %.*s not present in metadata", STR(t->name));
}

/* ---- Records --------------------------------------------------------------------------------- */

static struct pbatch *producer_batch(struct producer *p, struct ppart *part, size_t size)
{
	struct pbatch *b = xcalloc(1, sizeof(*b));
	struct batch_options options = BATCH_OPTIONS_DEFAULT;

	options.codec = p->codec;
	options.level = p->level;
	options.max_bytes = MAX(p->grow_bytes, size) + BATCH_HEADER_BYTES;
	options.size_hint = MIN(MAX(p->batch_bytes, size), (size_t)65536) + BATCH_HEADER_BYTES;
	batch_builder_init(&b->builder, &options);
	b->part = part;
	b->begun_ms = client_now(p->client);
	list_push_back(&part->batches, &b->link);
	part->batch_count++;
	if (!list_linked(&part->active))
		list_push_back(&p->active, &part->active);
	produce_start_expire(p);
	produce_wake(p, p->linger_ms);
	p->stats.batch_count++;
	return b;
}

static void producer_tag(struct pbatch *b, uint64_t tag)
{
	b->tags = grow_array(b->tags, b->record_count, &b->tags_cap, sizeof(*b->tags));
	b->tags[b->record_count] = tag;
}

/* Copies the record into the partition's batch. */
static int producer_append(struct producer *p, struct ppart *part, const struct producer_record *r,
			   size_t size, struct err *err)
{
	int64_t timestamp = r->timestamp >= 0 ? r->timestamp : clock_wall_ms();
	struct pbatch *b = LIST_LAST(&part->batches, struct pbatch, link);
	size_t before, after;
	bool is_next = false;
	int rc;

	/* A batch that could not leave at batch.size goes on growing until it can. */
	if (b && (b->is_finished || b->is_closed ||
		  (batch_builder_bytes(&b->builder) + size > p->grow_bytes && b->record_count > 0)))
		b = NULL;
	if (!b) {
		is_next = !list_empty(&part->batches);
		b = producer_batch(p, part, size);
	}
	before = batch_builder_bytes(&b->builder);
	rc = batch_builder_add(&b->builder, timestamp, r->key, r->value, r->headers,
			       r->header_count);
	if (rc < 0)
		return err_set(err, rc, "the record: %s", err_text(rc));
	if (p->options.want_tags)
		producer_tag(b, r->tag);
	b->record_count++;
	after = batch_builder_bytes(&b->builder);
	b->raw_bytes += after - before;
	p->stats.buffered_bytes += after - before;
	p->stats.record_count++;
	p->stats.record_bytes += r->key.len + r->value.len;
	p->pending_count++;
	if (is_next || p->linger_ms == 0 || p->is_flushing ||
	    (after >= p->batch_bytes && before < p->batch_bytes))
		produce_pump(p);
	return 0;
}

int producer_send(struct producer *p, const struct producer_record *r, struct err *err)
{
	struct ptopic *t = producer_topic(p, r->topic);
	size_t size = record_size_max(r->key.len, r->value.len, r->headers, r->header_count);
	int32_t partition;
	int rc;

	if (p->fatal.code) {
		if (err)
			*err = p->fatal;
		return p->fatal.code;
	}
	/* Size as Kafka counts it: the record with the batch around it. */
	if (r->key.len + r->value.len + BATCH_HEADER_BYTES > p->request_bytes ||
	    size > p->memory_bytes)
		return err_set(err, E_TOO_LARGE,
			       "a record of %zu bytes is above %s=%zu", size,
			       size > p->memory_bytes ? "buffer.memory" : "max.request.size",
			       size > p->memory_bytes ? p->memory_bytes : p->request_bytes);
	if (t->part_count == 0 || t->asked_ms) {
		rc = producer_topic_ready(p, t, err);
		if (rc < 0)
			return rc;
	}
	if (p->stats.buffered_bytes + size > p->memory_bytes) {
		produce_pump(p);
		return err_set(err, E_AGAIN, "no room in buffer.memory");
	}
	partition = partition_choose(p, t, r);
	if (partition == E_INVALID) {
		/* It may have been added since. */
		rc = producer_topic_ready(p, t, err);
		if (rc < 0)
			return rc;
		partition = partition_choose(p, t, r);
	}
	if (partition < 0)
		return err_set(err, E_INVALID, "topic %.*s has no partition %d (it has %d)",
			       STR(t->name), r->partition, t->part_count);
	rc = producer_append(p, t->parts[partition], r, size, err);
	if (rc == 0)
		partition_used(p, t, partition, size);
	return rc;
}

int producer_send_wait(struct producer *p, const struct producer_record *r, struct err *err)
{
	int64_t until = client_now(p->client) + p->block_ms;
	struct err why = {0};
	int rc;

	for (;;) {
		rc = producer_send(p, r, &why);
		if (rc < 0 && err)
			*err = why;
		if (rc != E_AGAIN)
			return rc;
		if (p->client->is_interrupted) {
			p->client->is_interrupted = false;
			return err_set(err, E_INTERRUPTED, "%s", err_text(E_INTERRUPTED));
		}
		if (client_now(p->client) >= until)
			return err_set(err, E_TIMEOUT, "%s after %lld ms", why.text,
				       (long long)p->block_ms);
		producer_poll(p, MIN(until - client_now(p->client), (int64_t)1000));
	}
}

struct poll_once {
	struct client_timer timer;
	bool is_over;
};

static void poll_fire(struct client_timer *t)
{
	CONTAINER_OF(t, struct poll_once, timer)->is_over = true;
}

void producer_poll(struct producer *p, int64_t timeout_ms)
{
	struct poll_once poll = {.timer.fire = poll_fire};

	if (timeout_ms == 0) {
		uv_run(p->client->loop, UV_RUN_NOWAIT);
		return;
	}
	if (timeout_ms > 0)
		client_timer_start(p->client, &poll.timer, timeout_ms);
	uv_run(p->client->loop, UV_RUN_ONCE);
	client_timer_stop(p->client, &poll.timer);
}

static bool producer_is_flushed(void *ctx)
{
	return ((struct producer *)ctx)->pending_count == 0;
}

int producer_flush(struct producer *p, int64_t timeout_ms, struct err *err)
{
	int rc;

	p->is_flushing = true;
	produce_pump(p);
	rc = client_wait(p->client, producer_is_flushed, p, timeout_ms);
	p->is_flushing = false;
	if (rc < 0)
		return err_set(err, rc, "%llu records are not delivered yet: %s",
			       (unsigned long long)p->pending_count, err_text(rc));
	if (!p->failed.code)
		return 0;
	rc = p->failed.code;
	if (err)
		*err = p->failed;
	p->failed = (struct err){0};
	return rc;
}

uint64_t producer_pending(const struct producer *p)
{
	return p->pending_count;
}

const struct producer_stats *producer_stats(struct producer *p)
{
	p->stats.in_flight_count = p->request_count;
	return &p->stats;
}

const struct err *producer_trouble(const struct producer *p)
{
	return &p->trouble;
}
