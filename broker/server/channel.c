#include "shard/channel.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/say.h"
#include "net/tls.h"
#include "server/channel_int.h"

#include <stdio.h>

#define SAY_PLACE "broker/channel"

static void channel_expired(struct timer *timer, struct shard *on);
static void channel_failed_due(struct timer *timer, struct shard *on);

/* ---- Life ------------------------------------------------------------------------------------ */

struct channel *channel_new(const struct channel_options *options)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	c->magic = CHANNEL_MAGIC;
	c->shard = shard_impl(options->shard);
	c->host = xstrndup(options->host.data, options->host.len);
	c->port = options->port;
	c->listener = xstrndup(options->listener.data ? options->listener.data : "",
			       options->listener.len);
	c->security_protocol = options->security_protocol;
	c->client_id = xstrdup(options->client_id ? options->client_id : "kavka");
	list_init(&c->queue);
	list_init(&c->in_flight);
	list_init(&c->failed);
	c->expire_timer.fire = channel_expired;
	c->failed_timer.fire = channel_failed_due;
	c->expire_ms = INT64_MAX;
	c->setup_version = CHANNEL_VERSIONS_VERSION;
	arena_init(&c->known);
	return c;
}

static void channel_destroy(struct channel *c)
{
	tls_context_unref(c->tls);
	arena_fini(&c->known);
	free(c->host);
	free(c->listener);
	free(c->client_id);
	c->magic = 0;
	free(c);
}

/* ---- A request inside ------------------------------------------------------------------------ */

static void pending_free(struct channel_pending *p)
{
	if (p->is_sending || p->is_waiting)
		return;
	out_fini(&p->out);
	arena_fini(&p->arena);
	free(p->why);
	free(p);
}

static void pending_sent(struct frame_out *f, int rc UNUSED)
{
	struct channel_pending *p = CONTAINER_OF(f, struct channel_pending, frame);

	p->is_sending = false;
	pending_free(p);
}

/* No list has it any more; gives the caller's part, which is free for its next use. */
static struct channel_request *pending_take(struct channel *c, struct channel_pending *p)
{
	struct channel_request *rq = p->rq;

	list_remove(&p->link);
	p->is_waiting = false;
	p->rq = NULL;
	c->request_count--;
	if (rq) {
		rq->channel = NULL;
		rq->impl = NULL;
	}
	return rq;
}

/* Calls `done`. False: the channel is gone. */
static bool channel_call(struct channel *c, struct channel_request *rq, int rc,
			 const struct err *err)
{
	static const struct err none;

	c->calling++;
	rq->done(rq, rc, err ? err : &none);
	c->calling--;
	if (!c->is_freed)
		return true;
	if (c->calling == 0)
		channel_destroy(c);
	return false;
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* `done` will come from the loop. */
static void pending_fail(struct channel *c, struct channel_pending *p, int rc, const char *why)
{
	list_remove(&p->link);
	p->rc = rc;
	free(p->why);
	p->why = why ? xstrdup(why) : NULL;
	list_push_back(&c->failed, &p->link);
	shard_timer_start(&c->shard->shard, &c->failed_timer, 0);
}

/* False: the channel is gone. */
static bool channel_tell_failed(struct channel *c)
{
	size_t count = 0;

	/* What fails meanwhile is told in another turn. */
	for (struct list_node *n = c->failed.next; n != &c->failed; n = n->next)
		count++;
	for (; count > 0 && !list_empty(&c->failed); count--) {
		struct channel_pending *p = LIST_FIRST(&c->failed, struct channel_pending, link);
		struct channel_request *rq;
		struct err err = {0};
		int rc = p->rc;

		err_set(&err, rc, "%s:%d: %s", c->host, c->port, p->why ? p->why : err_text(rc));
		rq = pending_take(c, p);
		pending_free(p);
		if (rq && !channel_call(c, rq, rc, &err))
			return false;
	}
	return true;
}

static void channel_failed_due(struct timer *timer, struct shard *on UNUSED)
{
	(void)channel_tell_failed(CONTAINER_OF(timer, struct channel, failed_timer));
}

static void channel_fail_list(struct channel *c, struct list_node *list, int rc, const char *why)
{
	struct channel_pending *p;

	LIST_FOREACH (list, p, struct channel_pending, link)
		pending_fail(c, p, rc, why);
}

void channel_fail_all(struct channel *c, int rc, const struct err *err)
{
	/* Whether these were carried out, nobody knows. */
	channel_fail_list(c, &c->in_flight, E_CLOSED, err_message(err));
	channel_fail_list(c, &c->queue, rc, err_message(err));
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	c = CAST(channel, c, CHANNEL_MAGIC);
	assert(!c->is_freed);
	shard_timer_stop(&c->shard->shard, &c->expire_timer);
	shard_timer_stop(&c->shard->shard, &c->setup_timer);
	shard_timer_stop(&c->shard->shard, &c->retry_timer);
	channel_link_close(c);
	channel_fail_list(c, &c->failed, E_CLOSED, NULL);
	channel_fail_list(c, &c->in_flight, E_CLOSED, NULL);
	channel_fail_list(c, &c->queue, E_CLOSED, NULL);
	c->calling++;
	c->is_freed = true;
	while (!list_empty(&c->failed)) {
		struct channel_pending *p = LIST_FIRST(&c->failed, struct channel_pending, link);
		struct channel_request *rq = pending_take(c, p);
		struct err err = {0};

		err_set(&err, E_CLOSED, "%s:%d: %s", c->host, c->port, err_text(E_CLOSED));
		pending_free(p);
		if (rq)
			rq->done(rq, E_CLOSED, &err);
	}
	shard_timer_stop(&c->shard->shard, &c->failed_timer);
	if (--c->calling == 0)
		channel_destroy(c);
}

/* ---- Deadlines ------------------------------------------------------------------------------- */

static void channel_arm(struct channel *c, int64_t deadline_ms)
{
	if (deadline_ms >= c->expire_ms)
		return;
	c->expire_ms = deadline_ms;
	shard_timer_start(&c->shard->shard, &c->expire_timer,
			  MAX(deadline_ms - channel_now_ms(c), 0));
}

static const char *channel_waits_for(const struct channel *c)
{
	switch (c->state) {
	case CHANNEL_RESOLVING: return "looking up the name takes too long";
	case CHANNEL_CONNECTING: return "no connection in time";
	case CHANNEL_SETUP: return "connected, but no answer in time (is it a Kafka broker?)";
	default: return "no connection yet";
	}
}

/* Answers come in order: when one does not come, those behind it do not either. */
static void channel_expired(struct timer *timer, struct shard *on UNUSED)
{
	struct channel *c = CONTAINER_OF(timer, struct channel, expire_timer);
	int64_t now_ms = channel_now_ms(c), next_ms = INT64_MAX;
	struct channel_pending *p;
	struct err err = {0};
	bool is_lost = false;

	c->expire_ms = INT64_MAX;
	LIST_FOREACH (&c->in_flight, p, struct channel_pending, link) {
		if (p->deadline_ms > now_ms) {
			next_ms = MIN(next_ms, p->deadline_ms);
			continue;
		}
		is_lost = true;
		pending_fail(c, p, E_TIMEOUT, "no answer in time");
	}
	LIST_FOREACH (&c->queue, p, struct channel_pending, link) {
		if (p->deadline_ms <= now_ms)
			pending_fail(c, p, E_TIMEOUT, channel_waits_for(c));
		else
			next_ms = MIN(next_ms, p->deadline_ms);
	}
	if (next_ms != INT64_MAX)
		channel_arm(c, next_ms);
	if (!is_lost)
		return;
	err_set(&err, E_CLOSED, "an earlier request was not answered in time");
	channel_link_fail(c, E_CLOSED, &err);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* The version to speak: the highest that both sides have and the caller accepts; < 0: none. */
static int pending_version(const struct channel *c, const struct channel_pending *p,
			   struct err *err)
{
	int16_t theirs_min = 0, theirs_max = -1;
	int min, max;

	if (!channel_versions(c, p->api->key, &theirs_min, &theirs_max)) {
		err_set(err, E_UNSUPPORTED, "the node does not support %s", p->api->name);
		return E_UNSUPPORTED;
	}
	min = MAX(MAX(p->api->min_version, theirs_min), p->version_min);
	max = MIN(api_max_stable(p->api), theirs_max);
	if (p->version_max >= 0)
		max = MIN(max, p->version_max);
	if (max >= min)
		return max;
	return err_set(err, E_UNSUPPORTED, "the node supports %s in versions %d to %d only",
		       p->api->name, theirs_min, theirs_max);
}

static int pending_send(struct channel *c, struct channel_pending *p, const void *body,
			struct err *err)
{
	int rc;

	p->correlation_id = c->correlation_id;
	rc = request_encode(p->api, p->version, p->correlation_id, str_of(c->client_id), body,
			    &p->out, NULL, err);
	if (rc < 0)
		return rc;
	c->correlation_id = c->correlation_id == INT32_MAX ? 0 : c->correlation_id + 1;
	p->piece.bytes = (struct slice){NULL, p->out.data, p->out.len};
	p->frame.pieces = &p->piece;
	p->frame.piece_count = 1;
	p->frame.sent = pending_sent;
	p->is_sending = true;
	list_remove(&p->link);
	list_push_back(&c->in_flight, &p->link);
	conn_send(&c->cc->conn, &p->frame);
	return 0;
}

static void pending_go(struct channel *c, struct channel_pending *p, const void *body)
{
	struct err err = {0};
	int version = pending_version(c, p, &err);
	int rc = version;

	if (version >= 0) {
		p->version = p->rq->version = (int16_t)version;
		rc = pending_send(c, p, body, &err);
	}
	if (rc < 0)
		pending_fail(c, p, rc, err_message(&err));
}

static struct channel_pending *pending_new(struct channel *c, const struct api *api)
{
	struct channel_pending *p = xcalloc(1, sizeof(*p));

	p->api = api;
	p->version_max = -1;
	arena_init(&p->arena);
	out_init(&p->out, MESSAGE_BYTES_MAX);
	p->is_waiting = true;
	c->request_count++;
	return p;
}

void channel_send(struct channel *c, struct channel_request *rq)
{
	struct channel_pending *p;

	c = CAST(channel, c, CHANNEL_MAGIC);
	assert(!c->is_freed);
	assert(!rq->channel);
	assert(rq->timeout_ms > 0);
	p = pending_new(c, api_by_key((int)rq->api));
	assert(p->api);
	p->rq = rq;
	p->version_min = rq->version_min;
	p->version_max = rq->version_min == 0 && rq->version_max == 0 ? -1 : rq->version_max;
	p->deadline_ms = channel_now_ms(c) + rq->timeout_ms;
	rq->channel = c;
	rq->impl = p;
	rq->version = -1;
	rq->response = NULL;
	rq->frame = SLICE_NULL;
	list_push_back(&c->queue, &p->link);
	if (c->request_count > CHANNEL_REQUESTS_MAX) {
		pending_fail(c, p, E_AGAIN, "too many requests are under way");
		return;
	}
	channel_arm(c, p->deadline_ms);
	if (c->state == CHANNEL_READY) {
		pending_go(c, p, rq->body);
		return;
	}
	p->body = message_copy(p->api->request, &p->arena, rq->body);
	channel_link_start(c);
}

int channel_send_own(struct channel *c, enum api_key api, int16_t version, const void *body,
		     struct err *err)
{
	struct channel_pending *p = pending_new(c, api_by_key((int)api));
	int rc;

	p->version = version;
	p->deadline_ms = INT64_MAX; /* the setup timer's */
	rc = pending_send(c, p, body, err);
	if (rc < 0) {
		(void)pending_take(c, p);
		pending_free(p);
	}
	return rc;
}

void channel_flush(struct channel *c)
{
	struct channel_pending *p;

	LIST_FOREACH (&c->queue, p, struct channel_pending, link)
		pending_go(c, p, p->body);
}

void channel_cancel(struct channel_request *rq)
{
	struct channel *c = rq->channel;
	struct channel_pending *p = rq->impl;

	if (!c)
		return;
	c = CAST(channel, c, CHANNEL_MAGIC);
	rq->channel = NULL;
	rq->impl = NULL;
	p->rq = NULL;
	/* One that was sent stays, as its answer comes all the same. */
	if (p->is_sending || p->out.len > 0)
		return;
	(void)pending_take(c, p);
	pending_free(p);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void channel_strange(struct channel *c, const char *what)
{
	struct err err = {0};

	err_set(&err, E_MALFORMED, "%s", what);
	channel_link_fail(c, E_MALFORMED, &err);
}

/* Decodes the answer and hands it to the caller. */
static void channel_deliver(struct channel *c, struct channel_pending *p, struct slice frame)
{
	bool is_own = c->state == CHANNEL_SETUP;
	struct channel_request *rq = pending_take(c, p);
	const struct api *api = p->api;
	int16_t version = p->version;
	struct arena arena;
	struct err err = {0};
	int32_t correlation_id;
	void *body;
	int rc;

	pending_free(p);
	if (!rq && !is_own)
		return;
	arena_init(&arena);
	rc = response_decode(api, &version, frame, &arena, &correlation_id, &body, &err);
	if (rc < 0) {
		char text[ERR_TEXT_MAX / 2];

		snprintf(text, sizeof(text), "the answer makes no sense: %s", err_message(&err));
		err_set(&err, E_MALFORMED, "%s:%d: %s", c->host, c->port, text);
		if (!rq || channel_call(c, rq, E_MALFORMED, &err))
			channel_strange(c, text);
	} else if (rq) {
		rq->version = version;
		rq->response = body;
		rq->frame = frame;
		(void)channel_call(c, rq, 0, NULL);
	} else {
		channel_link_versions(c, body);
	}
	arena_fini(&arena);
}

void channel_answered(struct channel *c, struct slice frame)
{
	struct channel_pending *p = LIST_FIRST(&c->in_flight, struct channel_pending, link);
	int32_t correlation_id;

	if (!p || response_correlation_id(frame, &correlation_id) < 0 ||
	    correlation_id != p->correlation_id)
		channel_strange(c, "an answer to nothing that was asked");
	else
		channel_deliver(c, p, frame);
	slice_unref(&frame);
}

/* ---- What is known --------------------------------------------------------------------------- */

bool channel_is_ready(const struct channel *c)
{
	return c->state == CHANNEL_READY;
}

bool channel_versions(const struct channel *c, enum api_key api, int16_t *min, int16_t *max)
{
	if (c->state != CHANNEL_READY || (int)api < 0 || (int)api >= CHANNEL_APIS ||
	    c->versions[api].max < 0)
		return false;
	*min = c->versions[api].min;
	*max = c->versions[api].max;
	return true;
}

bool channel_feature(const struct channel *c, struct str feature, int16_t *min, int16_t *max)
{
	if (c->state != CHANNEL_READY)
		return false;
	for (unsigned i = 0; i < c->feature_count; i++) {
		if (!str_eq(c->features[i].name, feature))
			continue;
		*min = c->features[i].min;
		*max = c->features[i].max;
		return true;
	}
	return false;
}
