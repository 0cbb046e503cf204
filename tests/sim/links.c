/* Connections between nodes: the channel's door, and what a server does with a request. As TCP has
 * it nothing on a connection is doubled or overtaken; what the network loses makes it silent. */
#include "sim/cluster.h"

#include "base/say.h"
#include "wire/header.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"
#define CONNECT_LIMIT_US (2 * 1000 * 1000)
#define RECONNECT_US (50 * 1000)

/* A request of a channel until `done`. */
struct pending {
	struct list_node link;
	struct channel *channel;
	struct channel_request *rq; /* NULL: over */
	const struct api *api;
	int16_t version;
	int32_t id;
	struct sim_conn *conn; /* NULL: not sent */
	struct slice bytes;    /* to be sent */
	int rc;                /* why there is no answer */
};

struct channel {
	struct life *life;
	struct sim_shard *shard;
	struct sim *sim;
	unsigned to; /* index of the node; beyond them all: nobody */
	bool is_controller;
	char client_id[64];
	struct sim_conn *conn; /* NULL: none */
	bool is_connecting;
	int64_t ready_us;          /* not before, after a failure */
	struct list_node pendings; /* in their order */
	struct list_node failed;   /* their `done` is on its way */
	int32_t last_id;
	bool is_freed;
};

/* A request at the server. */
struct sim_request {
	struct request r;
	struct list_node link;
	struct sim_conn *conn;
	bool is_finished;
	struct slice bytes; /* the answer, made when it was finished; null: it cannot be sent */
};

/* Something on its way. */
struct packet {
	struct sim_conn *conn;
	struct slice bytes; /* without the size in front */
	int32_t id;
	int rc;
};

static int64_t link_delay_us(struct sim *s)
{
	int64_t delay =
		50 + (int64_t)world_below(&s->world, (uint64_t)s->world.faults.delay_us_max);

	return world_chance(&s->world, s->world.faults.slow) ? delay * 100 : delay;
}

/* ---- Done ------------------------------------------------------------------------------------ */

/* Ends it; nothing of it is used afterwards, as the owner may have freed the channel. */
static void pending_done(struct pending *p, int rc, const void *response, struct slice frame)
{
	struct channel_request *rq = p->rq;
	struct err err = {0};

	list_remove(&p->link);
	slice_unref(&p->bytes);
	p->rq = NULL;
	if (!rq)
		return;
	if (rc < 0)
		err_set(&err, rc, "%s: %s", p->api->name, err_text(rc));
	rq->channel = NULL;
	rq->impl = NULL;
	rq->version = p->version;
	rq->response = response;
	rq->frame = frame;
	rq->done(rq, rc, &err);
}

static void pending_failed(void *ctx)
{
	struct pending *p = ctx;

	if (p->rq)
		pending_done(p, p->rc, NULL, SLICE_NULL);
}

static void pending_fail_soon(struct pending *p, int rc)
{
	p->rc = rc;
	p->conn = NULL;
	list_remove(&p->link);
	list_push_back(&p->channel->failed, &p->link);
	life_at(p->channel->life, sim_now_us(p->channel->sim) + 1, pending_failed, p);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void channel_transmit(struct channel *c);

/* What was sent on it has no answer any more. */
static void conn_lost(struct sim_conn *conn, int rc)
{
	struct channel *c = conn->channel;
	struct list_node *node, *next;

	conn->is_dead = true;
	if (!c)
		return;
	conn->channel = NULL;
	if (c->conn == conn)
		c->conn = NULL;
	c->ready_us = sim_now_us(c->sim) + RECONNECT_US;
	for (node = c->pendings.next; node != &c->pendings; node = next) {
		struct pending *p = CONTAINER_OF(node, struct pending, link);

		next = node->next;
		if (p->conn == conn)
			pending_fail_soon(p, rc);
	}
	if (!c->is_freed && !list_empty(&c->pendings))
		channel_transmit(c);
}

static void conn_reset_arrives(void *ctx)
{
	conn_lost(ctx, E_CLOSED);
}

void links_end(struct life *l, bool is_silent)
{
	struct sim *s = l->node->sim;

	for (struct list_node *node = s->conns.next; node != &s->conns; node = node->next) {
		struct sim_conn *conn = CONTAINER_OF(node, struct sim_conn, link);

		if (conn->is_dead)
			continue;
		if (conn->client == l)
			conn->is_dead = true;
		if (conn->server != l || conn->is_dead)
			continue;
		conn->is_stuck = true;
		if (!is_silent && !s->world.is_cut[l->node->index][conn->client->node->index])
			life_at(conn->client, sim_now_us(s) + link_delay_us(s), conn_reset_arrives,
				conn);
	}
}

static void connect_ends(void *ctx)
{
	struct channel *c = ctx;
	struct sim *s = c->sim;
	struct sim_node *to = c->to < s->nodes ? &s->node[c->to] : NULL;
	struct life *server = to ? to->life : NULL;
	bool is_open = server && (c->is_controller ? server->control != NULL : server->is_open);
	struct list_node *node, *next;
	struct sim_conn *conn;

	if (c->is_freed)
		return;
	c->is_connecting = false;
	if (is_open && !server->is_stopping && !s->world.is_cut[c->life->node->index][c->to] &&
	    !s->world.is_cut[c->to][c->life->node->index]) {
		conn = xcalloc(1, sizeof(*conn));
		*conn = (struct sim_conn){.channel = c,
					  .client = c->life,
					  .server = server,
					  .is_controller = c->is_controller};
		conn->on = &server->shards[server->next_shard++ % server->broker.shard_count];
		list_init(&conn->requests);
		list_push_back(&s->conns, &conn->link);
		c->conn = conn;
		channel_transmit(c);
		return;
	}
	c->ready_us = sim_now_us(s) + RECONNECT_US;
	for (node = c->pendings.next; node != &c->pendings; node = next) {
		next = node->next;
		pending_fail_soon(CONTAINER_OF(node, struct pending, link), -ECONNREFUSED);
	}
}

static void channel_connect(struct channel *c)
{
	struct sim *s = c->sim;
	bool is_cut = c->to < s->nodes && (s->world.is_cut[c->life->node->index][c->to] ||
					   s->world.is_cut[c->to][c->life->node->index]);
	int64_t at_us = MAX(sim_now_us(s), c->ready_us);

	if (c->is_connecting)
		return;
	c->is_connecting = true;
	life_at(c->life, at_us + (is_cut ? CONNECT_LIMIT_US : link_delay_us(s)), connect_ends, c);
}

/* ---- Requests to the server ------------------------------------------------------------------ */

static void packet_free(struct packet *p)
{
	slice_unref(&p->bytes);
	free(p);
}

/* True: it will arrive at *at_us. */
static bool conn_carries(struct sim_conn *conn, struct life *from, struct life *to,
			 int64_t *last_us, int64_t *at_us)
{
	struct sim *s = from->node->sim;

	if (conn->is_stuck || conn->is_dead)
		return false;
	if (s->world.is_cut[from->node->index][to->node->index] ||
	    world_chance(&s->world, s->world.faults.loss / 100)) {
		conn->is_stuck = true;
		return false;
	}
	*at_us = *last_us = MAX(sim_now_us(s) + link_delay_us(s), *last_us + 1);
	return true;
}

static void answer_arrives(void *ctx)
{
	struct packet *packet = ctx;
	struct sim_conn *conn = packet->conn;
	struct channel *c = conn->channel;
	struct pending *p = NULL;
	struct list_node *node;
	struct arena arena;
	struct err err = {0};
	int32_t id;
	void *body;
	int rc;

	if (conn->is_dead || !c || c->is_freed)
		goto out;
	for (node = c->pendings.next; node != &c->pendings; node = node->next) {
		struct pending *at = CONTAINER_OF(node, struct pending, link);

		if (at->conn == conn && at->id == packet->id)
			p = at;
	}
	if (!p)
		goto out;
	arena_init(&arena);
	rc = response_decode(p->api, &p->version, packet->bytes, &arena, &id, &body, &err);
	if (rc < 0)
		sim_fail(c->sim, "%s: the answer cannot be read: %s", p->api->name, err.text);
	pending_done(p, 0, body, packet->bytes);
	arena_fini(&arena);
out:
	packet_free(packet);
}

/* The bytes of a response, with the records of files in their places. */
static struct slice response_bytes(struct sim_request *sr)
{
	struct request *r = &sr->r;
	struct wire_parts parts = {.arena = &r->arena};
	struct sim *s = sr->conn->server->node->sim;
	struct err err = {0};
	struct out out, whole;
	struct slice bytes;
	size_t pos = FRAME_SIZE_BYTES;

	out_init(&out, 64 * 1024 * 1024);
	out_init(&whole, 64 * 1024 * 1024);
	if (response_encode(r->api, r->version, r->correlation_id, r->response, &out, &parts,
			    &err) < 0)
		sim_fail(s, "%s: the response cannot be written: %s", r->api->name, err.text);
	for (size_t i = 0; i <= parts.count; i++) {
		size_t end = i < parts.count ? parts.items[i].pos : out.len;
		struct file_range range;

		out_bytes(&whole, out.data + pos, end - pos);
		pos = end;
		if (i == parts.count)
			break;
		if (request_slice_is_file(parts.items[i].records, &range)) {
			uint8_t *data = arena_alloc(&r->arena, range.len);
			struct env *env = &sr->conn->server->node->env;

			if (env_read(env, range.file->fd, data, range.len, range.pos) !=
			    (ssize_t)range.len) {
				out_fini(&out);
				out_fini(&whole);
				return SLICE_NULL;
			}
			out_bytes(&whole, data, range.len);
		} else {
			out_bytes(&whole, parts.items[i].records.data, parts.items[i].records.len);
		}
	}
	bytes = slice_copy(whole.data, whole.len);
	out_fini(&out);
	out_fini(&whole);
	return bytes;
}

static void request_free(struct sim_request *sr)
{
	list_remove(&sr->link);
	request_release_kept(&sr->r);
	slice_unref(&sr->r.frame);
	slice_unref(&sr->bytes);
	arena_fini(&sr->r.arena);
	free(sr);
}

/* Answers leave in the order of the requests. */
static void conn_flush(struct sim_conn *conn)
{
	while (!list_empty(&conn->requests)) {
		struct sim_request *sr =
			CONTAINER_OF(conn->requests.next, struct sim_request, link);
		struct packet *packet;
		int64_t at_us;

		if (!sr->is_finished)
			return;
		if (sr->r.close_after) {
			conn->is_stuck = true;
			life_at(conn->client, sim_now_us(conn->server->node->sim) + 1000,
				conn_reset_arrives, conn);
		} else if (!sr->r.no_response &&
			   conn_carries(conn, conn->server, conn->client, &conn->back_us, &at_us)) {
			packet = xcalloc(1, sizeof(*packet));
			packet->conn = conn;
			packet->id = sr->r.correlation_id;
			packet->bytes = sr->bytes;
			sr->bytes = SLICE_NULL;
			if (packet->bytes.data) {
				life_at(conn->client, at_us, answer_arrives, packet);
			} else {
				conn->is_stuck = true;
				packet_free(packet);
			}
		}
		request_free(sr);
	}
}

static void request_finished(struct request *r)
{
	struct sim_request *sr = CONTAINER_OF(r, struct sim_request, r);

	sr->is_finished = true;
	/* now: it may point to what is gone in a moment */
	if (!r->no_response && !r->close_after)
		sr->bytes = response_bytes(sr);
	conn_flush(sr->conn);
}

static void request_arrives(void *ctx)
{
	struct packet *packet = ctx;
	struct sim_conn *conn = packet->conn;
	struct sim *s = conn->server->node->sim;
	struct sim_request *sr;
	struct request_header header;
	struct request *r;
	struct err err = {0};
	api_handler handler;

	if (conn->is_dead)
		return;
	sr = xcalloc(1, sizeof(*sr));
	r = &sr->r;
	sr->conn = conn;
	arena_init(&r->arena);
	r->frame = packet->bytes;
	packet->bytes = SLICE_NULL;
	packet_free(packet);
	r->shard = &conn->on->shard;
	if (request_decode(r->frame, &r->arena, &header, &r->api, &r->body, &err) < 0)
		sim_fail(s, "a request cannot be read: %s", err.text);
	r->version = header.request_api_version;
	r->correlation_id = header.correlation_id;
	r->client_id = header.client_id;
	r->listener = conn->is_controller ? "CONTROLLER" : "PLAINTEXT";
	r->listener_type = conn->is_controller ? LISTENER_CONTROLLER : LISTENER_BROKER;
	r->principal = "User:ANONYMOUS";
	r->client_host = "/sim";
	r->pending_count = 1;
	r->received_us = sim_now_us(s);
	r->finished = request_finished;
	r->response = message_new(r->api->response, &r->arena);
	list_push_back(&conn->requests, &sr->link);
	handler = api_handler_of(r->api, r->listener_type);
	if (!handler)
		sim_fail(s, "%s is not served on this listener", r->api->name);
	handler(r);
}

static void pending_send(struct pending *p, struct sim_conn *conn)
{
	struct packet *packet;
	int64_t at_us;

	p->conn = conn;
	if (!conn_carries(conn, conn->client, conn->server, &conn->to_us, &at_us))
		return;
	packet = xcalloc(1, sizeof(*packet));
	packet->conn = conn;
	packet->id = p->id;
	packet->bytes =
		slice_copy(p->bytes.data + FRAME_SIZE_BYTES, p->bytes.len - FRAME_SIZE_BYTES);
	life_at(conn->server, at_us, request_arrives, packet);
}

static void channel_transmit(struct channel *c)
{
	struct sim *s = c->sim;

	if (!c->conn) {
		channel_connect(c);
		return;
	}
	for (struct list_node *node = c->pendings.next; node != &c->pendings; node = node->next) {
		struct pending *p = CONTAINER_OF(node, struct pending, link);

		if (!p->conn)
			pending_send(p, c->conn);
	}
	if (!s->is_peaceful && world_chance(&s->world, s->reset))
		life_at(c->life, sim_now_us(s) + link_delay_us(s), conn_reset_arrives, c->conn);
}

/* ---- The door -------------------------------------------------------------------------------- */

struct channel *channel_new(const struct channel_options *options)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	c->shard = sim_shard(options->shard);
	c->life = c->shard->life;
	c->sim = c->life->node->sim;
	c->is_controller = options->port > SIM_CONTROLLER_PORT;
	c->to = options->port - 1u - (c->is_controller ? SIM_CONTROLLER_PORT : SIM_BROKER_PORT);
	snprintf(c->client_id, sizeof(c->client_id), "%s",
		 options->client_id ? options->client_id : "");
	list_init(&c->pendings);
	list_init(&c->failed);
	return c;
}

void channel_free(struct channel *c)
{
	if (!c || c->is_freed)
		return;
	c->is_freed = true;
	if (c->conn) {
		c->conn->is_dead = true;
		c->conn->channel = NULL;
	}
	while (!list_empty(&c->pendings))
		pending_done(CONTAINER_OF(c->pendings.next, struct pending, link), E_CLOSED, NULL,
			     SLICE_NULL);
	while (!list_empty(&c->failed))
		pending_done(CONTAINER_OF(c->failed.next, struct pending, link), E_CLOSED, NULL,
			     SLICE_NULL);
}

static void pending_late(void *ctx)
{
	struct pending *p = ctx;
	struct sim_conn *conn = p->conn;

	if (!p->rq)
		return;
	/* its answers come in order: behind this one nothing would */
	if (conn) {
		p->conn = NULL;
		conn_lost(conn, E_CLOSED);
	}
	pending_done(p, E_TIMEOUT, NULL, SLICE_NULL);
}

void channel_send(struct channel *c, struct channel_request *rq)
{
	struct pending *p = xcalloc(1, sizeof(*p));
	struct err err = {0};
	int16_t max;
	struct out out;
	int rc;

	assert(!rq->channel && !c->is_freed);
	p->channel = c;
	p->rq = rq;
	p->api = api_by_key((int)rq->api);
	p->id = ++c->last_id;
	max = api_max_stable(p->api);
	if (rq->version_max > 0 || (rq->version_max == 0 && rq->version_min > 0))
		max = MIN(max, rq->version_max);
	p->version = max;
	rq->channel = c;
	rq->impl = p;
	rq->version = -1;
	out_init(&out, 64 * 1024 * 1024);
	rc = max < rq->version_min ? E_UNSUPPORTED
				   : request_encode(p->api, max, p->id, str_of(c->client_id),
						    rq->body, &out, NULL, &err);
	if (rc == 0)
		p->bytes = slice_copy(out.data, out.len);
	out_fini(&out);
	if (rc < 0) {
		pending_fail_soon(p, rc);
		return;
	}
	list_push_back(&c->pendings, &p->link);
	life_at(c->life, sim_now_us(c->sim) + rq->timeout_ms * 1000, pending_late, p);
	channel_transmit(c);
}

void channel_cancel(struct channel_request *rq)
{
	struct pending *p = rq->impl;

	if (!rq->channel)
		return;
	rq->channel = NULL;
	rq->impl = NULL;
	p->rq = NULL;
	list_remove(&p->link);
}

bool channel_is_ready(const struct channel *c)
{
	return c->conn != NULL;
}

bool channel_versions(const struct channel *c, enum api_key api, int16_t *min, int16_t *max)
{
	const struct api *a = api_by_key((int)api);

	*min = a->min_version;
	*max = api_max_stable(a);
	return c->conn != NULL;
}

bool channel_feature(const struct channel *c, struct str feature, int16_t *min, int16_t *max)
{
	*min = 0;
	*max = 1;
	return c->conn && str_is(feature, "kraft.version");
}
