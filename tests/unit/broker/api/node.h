/* A broker of several shards in one thread, for tests of handlers: tasks and timers run when the
 * test says so, requests and responses pass through the codec. Include after cmocka.h. */
#ifndef KAVKA_TESTS_UNIT_API_NODE_H
#define KAVKA_TESTS_UNIT_API_NODE_H

#include "api/fetch_session.h"
#include "api/handlers.h"
#include "api/telemetry.h"
#include "metrics/metrics.h"
#define WORLD_HAS_SHARDS
#include "unit/broker/no_channels.h"
#include "unit/broker/replica/world.h"
#include "wire/codec.h"

#define NODE_SHARDS_MAX 4

struct fake_shard {
	struct shard shard;
	struct task *first, *last;
	struct heap timers;
	struct node *node;
};

struct node {
	struct world world; /* directories, configs, metadata */
	struct broker broker;
	struct fake_shard shards[NODE_SHARDS_MAX];
	struct shard *pointers[NODE_SHARDS_MAX];
	bool asks_controller; /* requests come in on the controllers' listener */
};

/* One request: made, handled, and answered when `is_done`. */
struct call {
	struct request request;
	struct arena arena; /* of what the test looks at */
	bool is_done;
	void *response; /* decoded from the wire; NULL: none was sent */
	size_t response_bytes;
};

/* ---- What the server gives ------------------------------------------------------------------- */

void shard_post(struct shard *to, struct task *task)
{
	struct fake_shard *s = CONTAINER_OF(to, struct fake_shard, shard);

	task->next = NULL;
	if (s->last)
		s->last->next = task;
	else
		s->first = task;
	s->last = task;
}

void shard_timer_start(struct shard *on, struct timer *timer, int64_t delay_ms)
{
	struct fake_shard *s = CONTAINER_OF(on, struct fake_shard, shard);

	heap_remove(&s->timers, &timer->node);
	heap_push(&s->timers, &timer->node, world_now_ms + delay_ms);
}

void shard_timer_stop(struct shard *on, struct timer *timer)
{
	heap_remove(&CONTAINER_OF(on, struct fake_shard, shard)->timers, &timer->node);
}

struct shard *shard_owner(struct broker *b, struct uuid topic_id, int32_t partition)
{
	return b->shards[(unsigned)(topic_id.bytes[0] + partition) % b->shard_count];
}

static bool node_owns(void *ctx, struct uuid id, int32_t partition)
{
	struct fake_shard *s = ctx;

	return shard_owner(&s->node->broker, id, partition) == &s->shard;
}

/* ---- Turns ----------------------------------------------------------------------------------- */

/* Runs tasks until there are none. */
static inline void node_run(struct node *n)
{
	bool ran;

	do {
		ran = false;
		for (unsigned i = 0; i < n->broker.shard_count; i++) {
			struct fake_shard *s = &n->shards[i];
			struct task *task = s->first;

			if (!task)
				continue;
			s->first = task->next;
			if (!s->first)
				s->last = NULL;
			task->run(task, &s->shard);
			ran = true;
		}
	} while (ran);
}

/* Lets time pass, firing what is due. */
static inline void node_wait(struct node *n, int64_t ms)
{
	int64_t end_ms = world_now_ms + ms;

	for (; world_now_ms <= end_ms; world_now_ms++) {
		for (unsigned i = 0; i < n->broker.shard_count; i++) {
			struct heap_node *top;

			while ((top = heap_top(&n->shards[i].timers)) &&
			       top->when <= world_now_ms) {
				struct timer *timer = CONTAINER_OF(top, struct timer, node);

				heap_remove(&n->shards[i].timers, top);
				timer->fire(timer, &n->shards[i].shard);
			}
		}
		node_run(n);
	}
	world_now_ms = end_ms;
}

static inline void node_apply(struct node *n)
{
	const struct image *next = delta_publish(&n->world.delta, n->world.offset, 1, 0);

	for (unsigned i = 0; i < n->broker.shard_count; i++) {
		struct shard *s = &n->shards[i].shard;

		replica_set_apply(s->replicas, s->image, next);
		image_unref(s->image);
		s->image = image_ref(next);
	}
	image_unref(next);
}

static inline void node_register(struct node *n, int32_t id, uint16_t port)
{
	world_broker(&n->world, id, 1, port);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static inline void node_init(struct node *n, unsigned shard_count, unsigned dir_count,
			     const char *const *overrides, size_t override_count)
{
	memset(n, 0, sizeof(*n));
	world_init(&n->world, dir_count, overrides, override_count);
	replica_set_free(n->world.set);
	n->world.set = NULL;
	n->broker = (struct broker){
		.shards = n->pointers, .shard_count = shard_count, .node_id = WORLD_NODE};
	for (unsigned i = 0; i < shard_count; i++) {
		struct fake_shard *s = &n->shards[i];
		struct replica_options options = {
			.env = &n->world.env,
			.node_id = WORLD_NODE,
			.dirs = n->world.dirs,
			.dir_count = dir_count,
			.config = n->world.config,
			.ctx = s,
			.owns = node_owns,
		};

		s->node = n;
		n->pointers[i] = &s->shard;
		heap_init(&s->timers);
		s->shard = (struct shard){.broker = &n->broker,
					  .index = i,
					  .env = &n->world.env,
					  .config = n->world.config};
		s->shard.metrics = metrics_new();
		s->shard.image = image_empty();
		s->shard.replicas = replica_set_new(&options);
	}
	node_register(n, WORLD_NODE, 9092);
	node_apply(n);
}

static inline void node_fini(struct node *n)
{
	for (unsigned i = 0; i < n->broker.shard_count; i++) {
		struct shard *s = &n->shards[i].shard;

		assert_null(n->shards[i].first);
		assert_null(heap_top(&n->shards[i].timers));
		heap_fini(&n->shards[i].timers);
		replica_set_free(s->replicas);
		fetch_sessions_free(s->fetch_sessions);
		telemetry_free(s->telemetry);
		metrics_free(s->metrics);
		image_unref(s->image);
	}
	for (unsigned i = 0; i < n->world.dir_count; i++)
		log_dir_close(n->world.dirs[i]);
	n->world.dir_count = 0;
	image_unref(n->world.image);
	world_fini(&n->world);
}

/* The partition, wherever it is. */
static inline struct partition *node_partition(struct node *n, struct uuid id, int32_t index)
{
	return replica_set_find(shard_owner(&n->broker, id, index)->replicas, id, index);
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* The frame as the connection would send it. */
static uint8_t *call_bytes(struct call *c, const struct out *out, const struct wire_parts *parts)
{
	uint8_t *bytes = arena_alloc(&c->arena, out->len + parts->bytes + 1);
	size_t from = 0, to = 0;

	for (size_t i = 0; i <= parts->count; i++) {
		size_t pos = i < parts->count ? parts->items[i].pos : out->len;
		struct file_range range;
		struct slice records;

		memcpy(bytes + to, out->data + from, pos - from);
		to += pos - from;
		from = pos;
		if (i == parts->count)
			break;
		records = parts->items[i].records;
		if (request_slice_is_file(records, &range))
			assert_int_equal(pread(range.file->fd, bytes + to, range.len, range.pos),
					 range.len);
		else
			memcpy(bytes + to, records.data, records.len);
		to += records.len;
	}
	c->response_bytes = to;
	return bytes;
}

static void call_finished(struct request *r)
{
	struct call *c = CONTAINER_OF(r, struct call, request);
	struct wire_parts parts = {.arena = &c->arena};
	struct err err = {0};
	struct out out;

	c->is_done = true;
	if (!r->no_response) {
		out_init(&out, 1 << 30);
		if (message_encode(r->api->response, r->version, r->response, &out, &parts, &err) <
		    0)
			fail_msg("%s", err.text);
		c->response = message_new(r->api->response, &c->arena);
		if (message_decode(r->api->response, r->version,
				   (struct slice){.data = call_bytes(c, &out, &parts),
						  .len = c->response_bytes},
				   NULL, &c->arena, c->response, &err) < 0)
			fail_msg("%s", err.text);
		out_fini(&out);
	}
	request_release_kept(r);
	slice_unref(&r->frame);
	arena_fini(&r->arena);
}

/* Starts a request on a connection of that shard. `body` is read only. Tasks do not run yet. */
static inline struct call *call_begin(struct node *n, unsigned shard, int16_t key, int16_t version,
				      const void *body)
{
	struct call *c = xcalloc(1, sizeof(*c));
	struct request *r = &c->request;
	struct err err = {0};
	struct buf *frame;
	struct out out;

	arena_init(&c->arena);
	arena_init(&r->arena);
	r->shard = &n->shards[shard].shard;
	r->api = api_by_key(key);
	r->version = version;
	r->client_id = STR_LIT("test");
	r->listener = n->asks_controller ? "CONTROLLER" : "PLAINTEXT";
	r->listener_type = n->asks_controller ? LISTENER_CONTROLLER : LISTENER_BROKER;
	r->principal = "User:ANONYMOUS";
	r->client_host = "/127.0.0.1";
	r->finished = call_finished;
	out_init(&out, 1 << 30);
	if (message_encode(r->api->request, version, body, &out, NULL, &err) < 0)
		fail_msg("%s", err.text);
	frame = out_to_buf(&out);
	out_fini(&out);
	r->frame = slice_of(frame, 0, frame->size);
	r->body = message_new(r->api->request, &r->arena);
	if (message_decode(r->api->request, version, r->frame, NULL, &r->arena, r->body, &err) < 0)
		fail_msg("%s", err.text);
	r->response = message_new(r->api->response, &r->arena);
	r->pending_count = 1;
	assert_non_null(api_handler_of(r->api, r->listener_type));
	api_handler_of(r->api, r->listener_type)(r);
	return c;
}

/* The same, and runs tasks until there are none. */
static inline struct call *call_start(struct node *n, unsigned shard, int16_t key, int16_t version,
				      const void *body)
{
	struct call *c = call_begin(n, shard, key, version, body);

	node_run(n);
	return c;
}

/* Starts it, and expects it done without waiting. */
static inline struct call *call_now(struct node *n, unsigned shard, int16_t key, int16_t version,
				    const void *body)
{
	struct call *c = call_start(n, shard, key, version, body);

	assert_true(c->is_done);
	return c;
}

static inline void call_free(struct call *c)
{
	assert_true(c->is_done);
	arena_fini(&c->arena);
	free(c);
}

#endif
