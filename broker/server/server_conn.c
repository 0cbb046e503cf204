#include "server_conn.h"

#include "api/quotas.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/say.h"
#include "server/server_int.h"
#include "wire/header.h"

#include <stdio.h>

#define SAY_PLACE "broker/conn"

struct server_request {
	struct request r;
	struct list_node link;    /* the connection's requests, until it is gone */
	struct server_conn *conn; /* NULL once the connection is gone */
	struct out out;           /* the encoded response, without the external parts */
	struct frame_out frame_out;
	size_t memory_bytes; /* what it holds of the broker's request memory */
	int64_t handler_us;  /* this thread's time for it */
	int64_t throttle_ms; /* what the answer says */
	bool is_finished;    /* encoded (or there is nothing to send) */
	bool is_sending;
};

static void request_finished(struct request *r);
static void server_conn_resume(struct server_conn *sc);

static struct server_request *request_impl(struct request *r)
{
	return CONTAINER_OF(r, struct server_request, r);
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void request_free(struct server_request *sr)
{
	struct server_conn *sc = sr->conn;

	list_remove(&sr->link);
	atomic_fetch_sub(&shard_impl(sr->r.shard)->server->requests_live, 1);
	server_memory_give_back(shard_impl(sr->r.shard), sr->memory_bytes);
	request_release_kept(&sr->r);
	out_fini(&sr->out);
	slice_unref(&sr->r.frame);
	arena_fini(&sr->r.arena);
	free(sr);
	if (!sc)
		return;
	sc->request_count--;
	server_conn_resume(sc);
}

static void request_sent(struct frame_out *f, int rc UNUSED)
{
	request_free(CONTAINER_OF(f, struct server_request, frame_out));
}

/* The pieces of the response: what was encoded, with the external parts put in. */
static void request_make_pieces(struct server_request *sr, const struct wire_parts *parts)
{
	struct piece *pieces = arena_array(&sr->r.arena, parts->count * 2 + 1, sizeof(*pieces));
	unsigned count = 0;
	size_t pos = 0;

	for (size_t i = 0; i <= parts->count; i++) {
		size_t end = i < parts->count ? parts->items[i].pos : sr->out.len;

		if (end > pos)
			pieces[count++].bytes = (struct slice){NULL, sr->out.data + pos, end - pos};
		pos = end;
		if (i == parts->count)
			break;
		if (!request_slice_is_file(parts->items[i].records, &pieces[count].range))
			pieces[count].bytes = parts->items[i].records;
		count++;
	}
	sr->frame_out.pieces = pieces;
	sr->frame_out.piece_count = count;
	sr->frame_out.sent = request_sent;
}

static void request_encode_response(struct server_request *sr)
{
	struct wire_parts parts = {.arena = &sr->r.arena};
	struct err err = {0};
	int rc;

	rc = response_encode(sr->r.api, sr->r.version, sr->r.correlation_id, sr->r.response,
			     &sr->out, &parts, &err);
	if (rc < 0) {
		/* Ours to mend, but the process and the other clients live on. */
		say_error("response to %s v%d of %s cannot be written: %s", sr->r.api->name,
			  sr->r.version, sr->r.client_host, err_message(&err));
		sr->r.no_response = sr->r.close_after = true;
		return;
	}
	request_make_pieces(sr, &parts);
}

/* ---- Quotas ---------------------------------------------------------------------------------- */

static void server_conn_throttled(struct timer *timer, struct shard *on UNUSED)
{
	struct server_conn *sc = CONTAINER_OF(timer, struct server_conn, throttle_timer);

	sc->is_throttled = false;
	server_conn_resume(sc);
}

/* The connection is quiet for so long, from now on. */
static void server_conn_throttle(struct server_conn *sc, int64_t throttle_ms)
{
	sc->throttle_timer.fire = server_conn_throttled;
	sc->is_throttled = true;
	shard_timer_start(&sc->shard->shard, &sc->throttle_timer, throttle_ms);
	if (!sc->is_paused)
		conn_pause(&sc->conn);
	sc->is_paused = true;
}

/* Bytes for the quota of that kind. */
static double request_quota_bytes(const struct server_request *sr, enum quota_kind kind)
{
	const struct request *r = &sr->r;
	size_t bytes = 0;

	if (kind == QUOTA_PRODUCE)
		return (double)r->frame.len;
	if (message_size(r->api->response, r->version, r->response, &bytes, NULL) < 0)
		return 0;
	return (double)bytes;
}

static bool request_is_of_replica(const struct request *r)
{
	const struct fetch_request *body = r->body;

	return (r->version >= 15 ? body->replica_state.replica_id : body->replica_id) >= 0;
}

static void request_set_throttle(struct request *r, int32_t throttle_ms)
{
	const struct wire_struct *body = r->api->response->body;

	for (unsigned i = 0; i < body->field_count; i++)
		if (strcmp(body->fields[i].name, "ThrottleTimeMs") == 0)
			memcpy((char *)r->response + body->fields[i].at, &throttle_ms,
			       sizeof(throttle_ms));
}

/* Counts what the request cost, and has its answer say how long the client is to be quiet. */
static void request_note_quotas(struct server_request *sr)
{
	struct request *r = &sr->r;
	struct quotas *quotas = r->shard->broker->quotas;
	struct str user = quota_user(r->principal);
	bool is_fetch = r->api->key == API_FETCH && !request_is_of_replica(r);
	struct quota quota;
	int64_t now_ms;

	if (!quotas || !image_quota_next(r->shard->image, NULL))
		return;
	if (r->api->key == API_FETCH && !is_fetch)
		return; /* a follower of ours: its throttles are others */
	if (r->listener_type == LISTENER_CONTROLLER)
		return; /* what the cluster lives by is not for quotas to slow down */
	now_ms = clock_mono_ms();
	if ((is_fetch || r->api->key == API_PRODUCE) &&
	    quota_find(r->shard->image, user, r->client_id, is_fetch ? QUOTA_FETCH : QUOTA_PRODUCE,
		       &quota))
		sr->throttle_ms = quotas_note(quotas, &quota, request_quota_bytes(sr, quota.kind),
					      now_ms);
	if (!r->no_response &&
	    quota_find(r->shard->image, user, r->client_id, QUOTA_REQUEST, &quota))
		sr->throttle_ms = MAX(sr->throttle_ms,
				      quotas_note(quotas, &quota, (double)sr->handler_us, now_ms));
	if (sr->throttle_ms > 0 && !r->no_response)
		request_set_throttle(r, (int32_t)sr->throttle_ms);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* Sends what is finished at the head of the queue, in order. */
static void server_conn_flush(struct server_conn *sc)
{
	struct server_request *sr;

	LIST_FOREACH (&sc->requests, sr, struct server_request, link) {
		if (sr->is_sending)
			continue;
		if (!sr->is_finished || sc->is_closed)
			return;
		if (sr->r.close_after)
			sc->close_when_sent = true;
		if (sr->r.no_response) {
			request_free(sr);
		} else {
			sr->is_sending = true;
			conn_send(&sc->conn, &sr->frame_out);
		}
		if (sc->close_when_sent)
			break;
	}
	/* conn_close() drops what is queued: it is for the peer's reading side to be patient, so a
	 * connection that ends after an answer ends when that answer has left (request_sent). */
	if (sc->close_when_sent && sc->conn.out_bytes == 0)
		server_conn_close(sc);
}

static void request_finished(struct request *r)
{
	struct server_request *sr = request_impl(r);

	sr->is_finished = true;
	server_request_metrics(shard_impl(r->shard), r);
	request_note_quotas(sr);
	if (!sr->conn) {
		request_free(sr);
		return;
	}
	if (!r->no_response)
		request_encode_response(sr);
	if (sr->throttle_ms > 0)
		server_conn_throttle(sr->conn, sr->throttle_ms);
	server_conn_flush(sr->conn);
}

/* ApiVersions is the one API that answers a version it does not know: as version 0, with the range
 * it does know, so that the client can come again. */
static void request_refuse_version(struct server_request *sr)
{
	struct api_versions_response *response;

	sr->r.version = 0;
	response = message_new(sr->r.api->response, &sr->r.arena);
	response->error_code = KERR_UNSUPPORTED_VERSION;
	response->api_keys = WIRE_ARRAY(&sr->r.arena, api_versions_response_api_version, 1);
	response->api_keys_count = 1;
	response->api_keys[0].api_key = sr->r.api->key;
	response->api_keys[0].min_version = sr->r.api->min_version;
	response->api_keys[0].max_version = api_max_stable(sr->r.api);
	sr->r.response = response;
	request_done(&sr->r);
}

/* Reads header and body and calls the handler. < 0: the connection must be closed. */
static int request_dispatch(struct server_request *sr, struct err *err)
{
	struct request *r = &sr->r;
	struct request_header header;
	api_handler handler;
	size_t used;
	int rc;

	rc = request_header_decode(r->frame, &header, &r->api, &used, err);
	if (rc < 0)
		return rc;
	r->version = header.request_api_version;
	r->correlation_id = header.correlation_id;
	r->client_id = str_is_null(header.client_id) ? STR_LIT("") : header.client_id;
	if (!api_has_version(r->api, r->version) && r->api->key == API_API_VERSIONS) {
		request_refuse_version(sr);
		return 0;
	}
	handler = api_handler_of(r->api, r->listener_type);
	if (!handler)
		return err_set(err, E_UNSUPPORTED, "%s is not served on this listener",
			       r->api->name);
	if (!api_has_version(r->api, r->version))
		return err_set(err, E_UNSUPPORTED, "%s has no version %d (%d to %d)", r->api->name,
			       r->version, r->api->min_version, r->api->max_version);
	r->body = message_new(r->api->request, &r->arena);
	/* Bytes after the body are let pass, as Kafka does. */
	rc = message_decode(r->api->request, r->version,
			    (struct slice){r->frame.buf, r->frame.data + used, r->frame.len - used},
			    &used, &r->arena, r->body, err);
	if (rc < 0)
		return rc;
	r->response = message_new(r->api->response, &r->arena);
	if (!image_quota_next(r->shard->image, NULL)) {
		handler(r);
		return 0;
	}
	request_hold(r); /* it must not be gone before its time is known */
	handler(r);
	sr->handler_us = clock_mono_us() - r->received_us;
	request_done(r);
	return 0;
}

static void server_conn_frame(struct conn *c, struct slice frame)
{
	struct server_conn *sc = c->owner;
	struct server_request *sr = xcalloc(1, sizeof(*sr));
	struct err err = {0};
	int rc;

	arena_init(&sr->r.arena);
	out_init(&sr->out, MESSAGE_BYTES_MAX);
	sr->r.shard = &sc->shard->shard;
	sr->r.frame = frame;
	sr->r.listener = sc->listener->name;
	sr->r.listener_type =
		sc->listener->is_controller ? LISTENER_CONTROLLER : LISTENER_BROKER;
	sr->r.principal = "User:ANONYMOUS";
	sr->r.client_host = sc->client_host;
	sr->r.pending_count = 1;
	sr->r.received_us = clock_mono_us();
	sr->conn = sc;
	sr->r.finished = request_finished;
	sr->memory_bytes = frame.len;
	atomic_fetch_add(&sc->shard->server->requests_live, 1);
	if (sc->reserved_bytes)
		sc->reserved_bytes = 0; /* this frame's: now the request holds it */
	else
		server_memory_take(sc->shard, frame.len);
	list_push_back(&sc->requests, &sr->link);
	sc->request_count++;
	list_remove(&sc->link);
	list_push_back(&sc->shard->conns, &sc->link);
	if (sc->request_count >= CONN_REQUESTS_MAX || c->out_bytes > CONN_OUT_BYTES_MAX ||
	    server_memory_is_short(sc->shard)) {
		sc->is_paused = true;
		conn_pause(c);
	}
	rc = request_dispatch(sr, &err);
	if (rc < 0) {
		say_warn("closing the connection of %s to %s: %s", sc->client_host,
			 sc->listener->name, err_message(&err));
		request_free(sr);
		server_conn_close(sc);
	}
}

/* ---- Connections ---------------------------------------------------------------------------- */

static void server_conn_resume(struct server_conn *sc)
{
	if (!sc->is_paused || sc->is_throttled || sc->is_closed || sc->close_when_sent)
		return;
	if (sc->request_count > CONN_REQUESTS_MAX / 2 ||
	    sc->conn.out_bytes > CONN_OUT_BYTES_MAX / 2 || server_memory_is_short(sc->shard))
		return;
	sc->is_paused = false;
	conn_resume(&sc->conn);
}

void server_conn_memory_freed(struct server_shard *s)
{
	struct server_conn *sc;

	LIST_FOREACH (&s->conns, sc, struct server_conn, link)
		server_conn_resume(sc);
}

static void server_conn_drained(struct conn *c)
{
	struct server_conn *sc = c->owner;

	if (sc->close_when_sent)
		server_conn_close(sc);
	else
		server_conn_resume(sc);
}

static void server_conn_closed(struct conn *c, int rc, const struct err *err)
{
	struct server_conn *sc = c->owner;

	if (rc == E_TOO_LARGE || rc == E_MALFORMED || rc == E_AUTH)
		say_warn("closing the connection of %s to %s: %s", sc->client_host,
			 sc->listener->name, err_message(err));
	else
		say_debug("connection of %s ended: %s", sc->client_host,
			  rc ? err_message(err) : "closed by the peer");
	server_conn_close(sc);
}

static void server_conn_freed(struct conn *c)
{
	struct server_conn *sc = c->owner;

	assert(list_empty(&sc->requests));
	listener_release(sc->admission);
	free(sc);
}

void server_conn_close(struct server_conn *sc)
{
	struct server_request *sr;

	if (sc->is_closed)
		return;
	sc->is_closed = true;
	shard_timer_stop(&sc->shard->shard, &sc->throttle_timer);
	/* Frames being sent are given back by conn_close() and freed there. */
	conn_close(&sc->conn);
	LIST_FOREACH (&sc->requests, sr, struct server_request, link) {
		list_remove(&sr->link);
		sr->conn = NULL;
		if (sr->is_finished)
			request_free(sr);
		else if (sr->r.abandoned)
			sr->r.abandoned(&sr->r);
	}
	server_memory_give_back(sc->shard, sc->reserved_bytes);
	sc->reserved_bytes = 0;
	list_remove(&sc->link);
	sc->shard->conn_count--;
	server_conn_count(sc->shard, -1);
}

static bool server_conn_reserve(struct conn *c, size_t frame_bytes)
{
	struct server_conn *sc = c->owner;

	if (server_memory_is_short(sc->shard)) {
		sc->is_paused = true;
		return false;
	}
	sc->reserved_bytes = frame_bytes;
	server_memory_take(sc->shard, frame_bytes);
	return true;
}

static const struct conn_ops server_conn_ops = {
	.frame = server_conn_frame,
	.reserve = server_conn_reserve,
	.drained = server_conn_drained,
	.closed = server_conn_closed,
	.freed = server_conn_freed,
};

void server_conn_accept(struct server_shard *s, const struct listener_ctx *listener, int fd,
			struct admission *admission)
{
	struct server_conn *sc = xcalloc(1, sizeof(*sc));
	char host[CONN_ADDR_TEXT_MAX];
	struct err err = {0};
	char *port;
	int rc;

	sc->shard = s;
	sc->listener = listener;
	sc->admission = admission;
	sc->conn.owner = sc;
	sc->conn.frame_bytes_max = server_frame_bytes_max(s);
	list_init(&sc->requests);
	rc = conn_accept(&sc->conn, &s->loop, &server_conn_ops, fd, listener->tls, &err);
	if (rc < 0) {
		say_warn("accepted connection failed: %s", err_message(&err));
		listener_release(admission);
		free(sc);
		return;
	}
	conn_addr_format((struct sockaddr *)&sc->conn.peer, host);
	port = strrchr(host, ':');
	if (port)
		*port = '\0';
	snprintf(sc->client_host, sizeof(sc->client_host), "/%s", host);
	list_push_back(&s->conns, &sc->link);
	s->conn_count++;
	server_conn_count(s, 1);
}

int64_t server_conn_close_idle(struct server_shard *s, int64_t idle_ms)
{
	int64_t now = clock_mono_ms();
	struct server_conn *sc;

	LIST_FOREACH (&s->conns, sc, struct server_conn, link) {
		int64_t left = sc->conn.last_active_ms + idle_ms - now;

		/* A long poll is activity too: the peer waits for us. */
		if (sc->request_count > 0)
			continue;
		if (left > 0)
			return left;
		say_debug("closing the idle connection of %s", sc->client_host);
		server_conn_close(sc);
	}
	return idle_ms;
}
