/* Links: one connection of a node, from looking up its name to counting what is in flight. */
#define SAY_PLACE "client/link"
#include "client/client_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

static void link_connect(struct link *l);
static void link_setup_expired(struct client_timer *t);
static void link_addr_expired(struct client_timer *t);
static void link_retry_fire(struct client_timer *t);
static void link_unmute(struct client_timer *t);
static void link_let_go(struct link *l);
static void pending_free(struct pending *p);

/* ---- Nodes ----------------------------------------------------------------------------------- */

struct node *node_new(struct client *c, int32_t id, struct str host, int32_t port, struct str rack)
{
	struct node *n = xcalloc(1, sizeof(*n));

	(void)c;
	n->id = id;
	n->host = xstrndup(host.data, host.len);
	n->port = port;
	n->rack = rack.data ? xstrndup(rack.data, rack.len) : NULL;
	return n;
}

static void link_free(struct link *l)
{
	link_let_go(l);
	setup_fini(l);
	client_timer_stop(l->client, &l->setup_timer);
	client_timer_stop(l->client, &l->addr_timer);
	client_timer_stop(l->client, &l->retry_timer);
	client_timer_stop(l->client, &l->unmute_timer);
	l->magic = 0;
	out_fini(&l->tried);
	free(l);
}

void node_free(struct node *n)
{
	for (int i = 0; i < LANE_COUNT; i++)
		if (n->links[i])
			link_free(n->links[i]);
	free(n->host);
	free(n->rack);
	free(n);
}

/* The node is not of the cluster any more: its calls look for another, and it is freed later,
 * since one of its links may be calling. */
void node_retire(struct client *c, struct node *n)
{
	struct err err = {0};

	err_set(&err, E_CLOSED, "%s:%d: broker %d is not at this address any more", n->host,
		n->port, n->id);
	for (int i = 0; i < LANE_COUNT; i++)
		if (n->links[i])
			link_fail(n->links[i], E_CLOSED, &err);
	for (int i = 0; i < LANE_COUNT; i++)
		if (n->links[i])
			client_timer_stop(c, &n->links[i]->retry_timer);
	list_remove(&n->list_node);
	list_push_back(&c->graveyard, &n->list_node);
	client_timer_start(c, &c->bury_timer, 0);
}

struct link *node_link(struct client *c, struct node *n, enum lane lane)
{
	struct link *l = n->links[lane];

	if (l)
		return l;
	l = xcalloc(1, sizeof(*l));
	l->magic = LINK_MAGIC;
	l->client = c;
	l->node = n;
	l->lane = lane;
	l->state = LINK_DOWN;
	list_init(&l->queue);
	list_init(&l->in_flight);
	l->setup_timer.fire = link_setup_expired;
	l->addr_timer.fire = link_addr_expired;
	l->retry_timer.fire = link_retry_fire;
	l->unmute_timer.fire = link_unmute;
	l->in_flight_max = LINK_IN_FLIGHT_MAX;
	out_init(&l->tried, 2048);
	if (client_config_role(c->cfg) == CLIENT_PRODUCER)
		l->in_flight_max = (unsigned)client_config_int(c->cfg, CC_MAX_IN_FLIGHT);
	n->links[lane] = l;
	return l;
}

/* ---- The connection's callbacks -------------------------------------------------------------- */

static struct link *link_of(struct conn *c)
{
	struct link_conn *lc = c->owner;

	return lc->link ? CAST(link, lc->link, LINK_MAGIC) : NULL;
}

static void link_connected(struct conn *conn)
{
	struct link *l = link_of(conn);

	if (!l)
		return;
	client_timer_stop(l->client, &l->addr_timer);
	reach_connected(l->client, l->node);
	setup_start(l);
}

/* Remembers why an address failed. */
static void link_tried(struct link *l, const char *reason)
{
	char ip[CONN_ADDR_TEXT_MAX];
	char text[256];

	snprintf(text, sizeof(text), "%s", reason);
	/* The system's messages begin with a capital; names such as TLS stay. */
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
	if (l->tried.len == 0) {
		memcpy(l->first_reason, text, sizeof(text));
		l->is_same_reason = true;
	} else if (strcmp(text, l->first_reason) != 0) {
		l->is_same_reason = false;
	}
	out_printf(&l->tried, "%s%s (%s)", l->tried.len ? ", " : "", text,
		   conn_addr_format((struct sockaddr *)&l->addrs[l->addr_at], ip));
}

/* "HOST:PORT: reason", with each address if their reasons differ. */
static void link_tried_text(struct link *l, int rc, struct err *err)
{
	bool is_v6 = strchr(l->node->host, ':') != NULL;

	err_set(err, rc, is_v6 ? "[%s]:%d: %.*s" : "%s:%d: %.*s", l->node->host, l->node->port,
		l->is_same_reason ? (int)strlen(l->first_reason) : (int)l->tried.len,
		l->is_same_reason ? l->first_reason : (const char *)l->tried.data);
}

static void link_closed(struct conn *conn, int rc, const struct err *err)
{
	struct link *l = link_of(conn);
	struct err named = {0};

	if (!l)
		return;
	if (rc == 0 && l->state == LINK_READY && !l->client->is_connected)
		link_tried(l, "closed by the broker at the first request (does it want SASL?)");
	else if ((rc == 0 || rc == -ECONNRESET) && l->state == LINK_SETUP)
		link_tried(l, l->client->use_tls
				      ? "closed at the first request (is it a Kafka broker?)"
				      : "closed at the first request (is it a Kafka broker, and "
					"does the listener want TLS?)");
	else
		link_tried(l, rc == 0 ? "closed by the broker"
				      : err->text[0] ? err->text : err_text(rc));
	if (l->state == LINK_CONNECTING && ++l->addr_at < l->addr_count && rc != E_AUTH) {
		/* The name has more addresses. */
		link_let_go(l);
		link_connect(l);
		return;
	}
	link_tried_text(l, rc ? rc : E_CLOSED, &named);
	link_fail(l, rc ? rc : E_CLOSED, &named);
}

static void link_freed(struct conn *conn)
{
	struct link_conn *lc = conn->owner;

	client_handle_gone(lc->client);
	free(lc);
}

static void link_frame(struct conn *conn, struct slice frame)
{
	struct link *l = link_of(conn);
	struct pending *p;
	struct call *call;
	const struct api *api;
	struct err err = {0};
	int16_t version;
	int32_t id;

	if (!l || l->state == LINK_SETUP) {
		if (l)
			setup_frame(l, frame);
		else
			slice_unref(&frame);
		return;
	}
	l->used_ms = client_now(l->client);
	reach_answered(l->client);
	p = LIST_FIRST(&l->in_flight, struct pending, link);
	if (!p || response_correlation_id(frame, &id) < 0 || id != p->correlation_id) {
		slice_unref(&frame);
		err_set(&err, E_MALFORMED, "%s:%d: an answer to nothing that was asked",
			l->node->host, l->node->port);
		link_fail(l, E_MALFORMED, &err);
		return;
	}
	list_remove(&p->link);
	l->in_flight_count--;
	p->is_waiting = false;
	call = p->call;
	p->call = NULL;
	api = p->api;
	version = p->version;
	if (!p->is_sending)
		pending_free(p);
	if (call) {
		call->pending = NULL;
		call_answered(call, api, version, frame);
	} else {
		slice_unref(&frame);
	}
	/* The callback may have ended the link (not freed it). */
	if (l->state == LINK_READY)
		link_pump(l);
}

static const struct conn_ops link_ops = {
	.connected = link_connected,
	.frame = link_frame,
	.closed = link_closed,
	.freed = link_freed,
};

/* ---- Connecting ------------------------------------------------------------------------------ */

struct resolving {
	uv_getaddrinfo_t req;
	struct link *link;		/* NULL: let go */
	struct client *client;
};

void link_address(const struct link *l, char *text, size_t size)
{
	char ip[CONN_ADDR_TEXT_MAX];
	const struct sockaddr *addr = (const struct sockaddr *)&l->addrs[l->addr_at];
	bool is_v6_text = strchr(l->node->host, ':') != NULL;
	int len = snprintf(text, size, is_v6_text ? "[%s]:%d" : "%s:%d", l->node->host,
			   l->node->port);

	/* With several addresses of one name, say which. */
	if (l->addr_count > 1 && l->addr_at < l->addr_count && len >= 0 && (size_t)len < size)
		snprintf(text + len, size - (size_t)len, " (%s)", conn_addr_format(addr, ip));
}

bool link_may_start(const struct link *l)
{
	return l->state == LINK_DOWN && !heap_linked(&l->retry_timer.node) &&
	       !l->client->is_freeing;
}

static void link_add_addr(struct link *l, const struct sockaddr *addr)
{
	size_t len = addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
	struct sockaddr_in *out = (struct sockaddr_in *)&l->addrs[l->addr_count];

	if (l->addr_count == LINK_ADDRS_MAX ||
	    (addr->sa_family != AF_INET && addr->sa_family != AF_INET6))
		return;
	memcpy(out, addr, len);
	/* The port is at the same place in both families. */
	out->sin_port = htons((uint16_t)l->node->port);
	l->addr_count++;
}

static void link_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct resolving *r = CONTAINER_OF(req, struct resolving, req);
	struct link *l = r->link;
	struct err err = {0};

	client_handle_gone(r->client);
	r->client->lookup_count--;
	free(r);
	if (!l) {
		uv_freeaddrinfo(list);
		return;
	}
	l->resolving = NULL;
	if (status < 0) {
		err_set(&err, status, "%s:%d: %s", l->node->host, l->node->port,
			status == UV_EAI_NONAME	 ? "unknown host name"
			: status == UV_EAI_NODATA ? "the name has no address"
			: status == UV_EAI_AGAIN ? "the name cannot be looked up now"
						 : uv_strerror(status));
		link_fail(l, status, &err);
		return;
	}
	for (struct addrinfo *at = list; at; at = at->ai_next)
		link_add_addr(l, at->ai_addr);
	uv_freeaddrinfo(list);
	link_connect(l);
}

/* Addresses that need no lookup: numbers, and "localhost" (RFC 6761). */
static bool link_known_address(struct link *l)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, l->node->host, &in.sin_addr) == 1) {
		link_add_addr(l, (struct sockaddr *)&in);
	} else if (inet_pton(AF_INET6, l->node->host, &in6.sin6_addr) == 1) {
		link_add_addr(l, (struct sockaddr *)&in6);
	} else if (strcasecmp(l->node->host, "localhost") == 0) {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in6.sin6_addr = in6addr_loopback;
		link_add_addr(l, (struct sockaddr *)&in);
		link_add_addr(l, (struct sockaddr *)&in6);
	}
	return l->addr_count > 0;
}

static void link_resolve(struct link *l)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct resolving *r = xcalloc(1, sizeof(*r));
	int rc;

	r->link = l;
	r->client = l->client;
	l->state = LINK_RESOLVING;
	rc = uv_getaddrinfo(l->client->loop, &r->req, link_resolved, l->node->host, NULL, &hints);
	if (rc < 0) {
		free(r);
		err_sys(&l->err, rc, "%s", l->node->host);
		client_timer_start(l->client, &l->retry_timer, 0);
		return;
	}
	l->client->handle_count++;
	l->client->lookup_count++;
	l->resolving = r;
}

void link_start(struct link *l)
{
	struct client *c = l->client;
	int64_t ms = client_config_int(c->cfg, CC_SOCKET_CONNECTION_SETUP_TIMEOUT_MS);
	int64_t max = client_config_int(c->cfg, CC_SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS);

	if (!link_may_start(l))
		return;
	for (unsigned i = 0; i < l->fail_count && ms < max; i++)
		ms *= 2;
	l->addr_count = l->addr_at = 0;
	l->is_late = false;
	out_reset(&l->tried);
	client_timer_start(c, &l->setup_timer, MIN(ms, MAX(max, ms / 2)));
	if (link_known_address(l)) {
		l->state = LINK_CONNECTING;
		link_connect(l);
	} else {
		link_resolve(l);
	}
}

/* Tries the addresses from addr_at on. Never fails inside the caller's call: the retry timer. */
static void link_connect(struct link *l)
{
	struct client *c = l->client;

	l->state = LINK_CONNECTING;
	for (; l->addr_at < l->addr_count; l->addr_at++) {
		struct link_conn *lc = xcalloc(1, sizeof(*lc));
		struct err err = {0};
		int rc;

		lc->link = l;
		lc->client = c;
		lc->conn.owner = lc;
		lc->conn.frame_bytes_max = RESPONSE_FRAME_BYTES_MAX;
		rc = conn_connect(&lc->conn, c->loop, &link_ops,
				  (struct sockaddr *)&l->addrs[l->addr_at], c->tls, l->node->host,
				  &err);
		if (rc == 0) {
			c->handle_count++;
			l->lc = lc;
			if (l->addr_at + 1 < l->addr_count)
				client_timer_start(c, &l->addr_timer,
						   LINK_ADDR_MS << MIN(l->fail_count, 3u));
			return;
		}
		free(lc);
		link_tried(l, err_message(&err));
		l->err.code = rc;
	}
	if (l->addr_count == 0)
		err_set(&l->err, E_UNREACHABLE, "%s:%d: the name has no address", l->node->host,
			l->node->port);
	else
		link_tried_text(l, l->err.code ? l->err.code : E_UNREACHABLE, &l->err);
	client_timer_start(c, &l->retry_timer, 0);
}

/* The next address of the name may do better. */
static void link_addr_expired(struct client_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, addr_timer);

	if (l->state != LINK_CONNECTING || l->addr_at + 1 >= l->addr_count)
		return;
	link_tried(l, "no connection in time");
	l->addr_at++;
	link_let_go(l);
	link_connect(l);
}

const char *link_waits_for(const struct link *l)
{
	switch (l->state) {
	case LINK_RESOLVING:
		return "looking up the name takes too long";
	case LINK_CONNECTING:
		return "no connection in time";
	case LINK_SETUP:
		return "connected, but no answer in time (is it a Kafka broker?)";
	case LINK_DOWN:
	case LINK_READY:
		break;
	}
	return "no answer yet";
}

static void link_setup_expired(struct client_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, setup_timer);
	struct err err = {0};
	char address[300];

	link_address(l, address, sizeof(address));
	err_set(&err, l->state == LINK_SETUP ? E_CLOSED : E_TIMEOUT, "%s: %s", address,
		link_waits_for(l));
	link_fail(l, err.code, &err);
}

/* Either an attempt failed inside link_start(), or the backoff is over. */
static void link_retry_fire(struct client_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, retry_timer);
	struct err err = l->err;

	if (l->state != LINK_DOWN) {
		link_fail(l, l->err.code, &err);
		return;
	}
	call_route_all(l->client);
}

void link_ready(struct link *l)
{
	struct client *c = l->client;

	client_timer_stop(c, &l->setup_timer);
	l->state = LINK_READY;
	l->fail_count = 0;
	out_reset(&l->tried);
	l->used_ms = client_now(c);
	link_pump(l);
	reach_ready(c);
	call_route_all(c);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Lets go of the connection and the lookup; they end by themselves. */
static void link_let_go(struct link *l)
{
	if (l->resolving) {
		l->resolving->link = NULL;
		uv_cancel((uv_req_t *)&l->resolving->req);
		l->resolving = NULL;
	}
	if (l->lc) {
		struct link_conn *lc = l->lc;

		l->lc = NULL;
		lc->link = NULL;
		conn_close(&lc->conn);
	}
}

bool link_is_fatal(int rc)
{
	return rc == E_AUTH || rc == E_UNSUPPORTED || rc == E_MALFORMED;
}

static void link_back_off(struct link *l)
{
	struct client *c = l->client;
	int64_t ms = client_config_int(c->cfg, CC_RECONNECT_BACKOFF_MS);
	int64_t max = client_config_int(c->cfg, CC_RECONNECT_BACKOFF_MAX_MS);

	for (unsigned i = 1; i < l->fail_count && ms < max; i++)
		ms *= 2;
	ms = MIN(ms, max);
	ms = ms * 4 / 5 + (int64_t)rng_below(&c->rng, (uint64_t)(ms * 2 / 5) + 1);
	client_timer_start(c, &l->retry_timer, ms);
}

void link_fail(struct link *l, int rc, const struct err *err)
{
	struct client *c = l->client;
	bool was_ready = l->state == LINK_READY;
	struct list_node *node;
	struct pending *p;
	struct list_node queue, in_flight;

	l->err = *err;
	l->err.code = rc;
	say_debug("%s", l->err.text);
	client_timer_stop(c, &l->setup_timer);
	client_timer_stop(c, &l->addr_timer);
	client_timer_stop(c, &l->unmute_timer);
	l->is_muted = false;
	l->state = LINK_DOWN;
	l->fail_count++;
	setup_fini(l);
	list_init(&queue);
	list_init(&in_flight);
	while ((node = list_pop_front(&l->queue)))
		list_push_back(&queue, node);
	while ((node = list_pop_front(&l->in_flight)))
		list_push_back(&in_flight, node);
	l->in_flight_count = 0;
	link_let_go(l);		/* tells `sent` of what was still being sent */
	link_back_off(l);
	while ((node = list_pop_front(&in_flight))) {
		struct call *call;

		p = LIST_ENTRY(node, struct pending, link);
		call = p->call;
		p->call = NULL;
		pending_free(p);
		if (call) {
			call->pending = NULL;
			call_retry(call, rc, err, true);
		}
	}
	while ((node = list_pop_front(&queue)))
		call_retry(LIST_ENTRY(node, struct call, link), rc, err, false);
	if (link_is_fatal(rc) && !was_ready)
		reach_refused(c, rc, err);
	reach_failed(c, l->node, err);
	/* It may have moved, and others lead what it led. */
	if (l->node->id >= 0 && !c->is_freeing)
		client_refresh(c);
	call_route_all(c);
}

void link_close_idle(struct link *l, int64_t now, int64_t idle_ms)
{
	if (l->state != LINK_READY || l->in_flight_count || !list_empty(&l->queue))
		return;
	if ((idle_ms > 0 && now - l->used_ms > idle_ms) ||
	    (l->sasl_until_ms && now >= l->sasl_until_ms)) {
		link_let_go(l);
		l->state = LINK_DOWN;
	}
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void pending_free(struct pending *p)
{
	for (unsigned i = 0; i < p->frame.piece_count; i++)
		slice_unref(&p->pieces[i].bytes);
	free(p->pieces);
	out_fini(&p->out);
	free(p);
}

static void pending_sent(struct frame_out *f, int rc)
{
	struct pending *p = CONTAINER_OF(f, struct pending, frame);
	struct call *call = p->call;

	p->is_sending = false;
	if (p->is_waiting)
		return;
	p->call = NULL;
	if (call) {
		/* No answer will come (acks=0): sent is done. */
		call->pending = NULL;
		if (rc < 0) {
			err_set(&call->err, rc, "the connection broke before it was sent");
			call_retry(call, rc, &call->err, true);
		} else {
			call_finish(call, 0, NULL);
		}
	}
	pending_free(p);
}

/* Pieces of the encoded request: its bytes, with the records between them, each referenced. */
static void pending_pieces(struct pending *p, const struct wire_parts *parts)
{
	size_t pos = 0;
	unsigned count = 0;

	p->pieces = xcalloc(2 * parts->count + 1, sizeof(*p->pieces));
	for (size_t i = 0; i < parts->count; i++) {
		p->pieces[count++].bytes =
			(struct slice){NULL, p->out.data + pos, parts->items[i].pos - pos};
		pos = parts->items[i].pos;
		p->pieces[count++].bytes = slice_ref(parts->items[i].records);
	}
	p->pieces[count++].bytes = (struct slice){NULL, p->out.data + pos, p->out.len - pos};
	p->frame.pieces = p->pieces;
	p->frame.piece_count = count;
	p->frame.sent = pending_sent;
}

struct pending *link_send(struct link *l, const struct api *api, int16_t version, const void *body,
			  struct err *err)
{
	struct client *c = l->client;
	struct pending *p = xcalloc(1, sizeof(*p));
	struct arena arena;
	struct wire_parts parts = {.arena = &arena};
	int rc;

	arena_init(&arena);
	out_init(&p->out, MESSAGE_BYTES_MAX);
	p->on = l;
	p->api = api;
	p->version = version;
	p->correlation_id = l->correlation_id;
	rc = request_encode(api, version, p->correlation_id, str_of(c->client_id), body, &p->out,
			    &parts, err);
	if (rc < 0) {
		out_fini(&p->out);
		free(p);
		arena_fini(&arena);
		return NULL;
	}
	/* The highest numbers are SASL's. */
	l->correlation_id = l->correlation_id >= INT32_MAX - 16 ? 0 : l->correlation_id + 1;
	pending_pieces(p, &parts);
	arena_fini(&arena);
	p->is_sending = true;
	p->sent_ms = l->used_ms = client_now(c);
	return p;
}

/* The version to speak: the highest that both have and the call accepts; -1: none. */
static int link_version(const struct link *l, const struct api *api, const struct call *call,
			struct err *err)
{
	struct version_range theirs = {0, -1};
	int max = api_max_stable(api), min = api->min_version;

	if (call->is_exact)
		return call->version_max;
	if (api->key < API_KEYS_MAX)
		theirs = l->versions[api->key];
	if (theirs.max < 0) {
		err_set(err, E_UNSUPPORTED, "%s:%d: the broker does not support %s", l->node->host,
			l->node->port, api->name);
		return -1;
	}
	max = MIN(max, theirs.max);
	min = MAX(min, theirs.min);
	min = MAX(min, call->version_min);
	if (call->version_max > 0)
		max = MIN(max, call->version_max);
	if (max >= min)
		return max;
	err_set(err, E_UNSUPPORTED, "%s:%d: the broker supports %s in versions %d to %d only",
		l->node->host, l->node->port, api->name, theirs.min, theirs.max);
	return -1;
}

static void link_send_call(struct link *l, struct call *call)
{
	struct client *c = l->client;
	const struct api *api = api_by_key(call->api_key);
	int64_t attempt_ms = call->attempt_ms;
	struct err err = {0};
	struct pending *p = NULL;
	int version = link_version(l, api, call, &err);

	if (version < 0) {
		call_finish(call, E_UNSUPPORTED, &err);
		return;
	}
	if (call->prepare)
		call->prepare(call, (int16_t)version);
	p = link_send(l, api, (int16_t)version, call->request, &err);
	if (!p) {
		call_finish(call, err.code, &err);
		return;
	}
	p->call = call;
	call->pending = p;
	call->version = (int16_t)version;
	call->correlation_id = p->correlation_id;
	call->state = CALL_SENT;
	if (!call->no_response) {
		p->is_waiting = true;
		list_push_back(&l->in_flight, &p->link);
		l->in_flight_count++;
		if (!attempt_ms)
			attempt_ms = client_config_int(c->cfg, CC_REQUEST_TIMEOUT_MS);
		heap_push(&c->wakes, &call->wake, client_now(c) + attempt_ms);
		client_update_timer(c);
	}
	conn_send(&l->lc->conn, &p->frame);
}

void link_enqueue(struct link *l, struct call *call)
{
	list_push_back(&l->queue, &call->link);
	link_pump(l);
}

void link_pump(struct link *l)
{
	/* SASL wants to begin anew: no more requests until those on the way are answered. */
	if (l->state == LINK_READY && l->sasl_until_ms &&
	    client_now(l->client) >= l->sasl_until_ms) {
		if (l->in_flight_count > 0)
			return;
		link_let_go(l);
		l->state = LINK_DOWN;
		link_start(l);
	}
	while (l->state == LINK_READY && !l->is_muted && l->in_flight_count < l->in_flight_max) {
		struct list_node *node = list_pop_front(&l->queue);

		if (!node)
			return;
		link_send_call(l, LIST_ENTRY(node, struct call, link));
	}
}

static void link_unmute(struct client_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, unmute_timer);

	l->is_muted = false;
	link_pump(l);
}

/* The broker asks for a pause: nothing is sent on this link before it is over. */
void link_throttle(struct link *l, const struct api *api, const struct call *call)
{
	const struct wire_struct *s = api->response->body;

	for (unsigned i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		int32_t ms;

		if (f->type != WIRE_INT32 || strcmp(f->name, "ThrottleTimeMs") != 0)
			continue;
		ms = *(const int32_t *)wire_at(f, call->response);
		if (ms <= 0)
			return;
		l->is_muted = true;
		client_timer_start(l->client, &l->unmute_timer, ms);
		return;
	}
}
