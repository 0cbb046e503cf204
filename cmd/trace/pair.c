/* A client's connection and the one to the broker: what comes from one goes to the other. */
#include "cmd/trace/trace_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "wire/errors.h"
#include "wire/header.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void pair_look(struct pair *p);
static void pair_connect(struct pair *p);

/* ---- Messages ----------------------------------------------------------------------------- */

static struct passage *passage_new(bool is_response, size_t bytes)
{
	struct passage *m = xcalloc(1, sizeof(*m));

	m->is_response = is_response;
	m->bytes = bytes;
	m->wall_ms = clock_wall_ms();
	m->at_ns = uv_hrtime();
	m->latency_us = -1;
	facts_init(&m->facts);
	return m;
}

void passage_free(struct passage *m)
{
	if (m->request)
		passage_free(m->request);
	facts_fini(&m->facts);
	slice_unref(&m->copy);
	free(m);
}

static struct passage *request_begin(struct pair *p, const uint8_t *head, size_t frame_len)
{
	int16_t key = (int16_t)be16(head + 4), version = (int16_t)be16(head + 6);
	const struct api *api = api_by_key(key);
	struct passage *m;

	if (p->tokens_left > 0 && !(api && api_has_version(api, version))) {
		p->tokens_left--;
		return NULL;
	}
	p->tokens_left = 0;
	m = passage_new(false, frame_len);
	m->api = api;
	m->key = key;
	m->version = version;
	m->correlation_id = (int32_t)be32(head + 8);
	m->is_understood = api && api_has_version(api, version);
	snprintf(m->client, sizeof(m->client), "%s", p->client_id);
	return m;
}

/* Answers come in the order of the requests; one that does not fit is looked for. */
static struct passage *pending_take(struct pair *p, int32_t correlation_id)
{
	struct passage *m;

	LIST_FOREACH (&p->pending, m, struct passage, link) {
		if (m->correlation_id == correlation_id) {
			list_remove(&m->link);
			p->pending_count--;
			return m;
		}
	}
	return NULL;
}

static struct passage *response_begin(struct pair *p, const uint8_t *head, size_t frame_len)
{
	int32_t correlation_id = (int32_t)be32(head + 4);
	struct passage *request = pending_take(p, correlation_id), *m;

	if (!request) {
		if (!p->had_tokens)
			show_note(p->trace, p, "an answer of %zu bytes to no request", frame_len);
		return NULL;
	}
	m = passage_new(true, frame_len);
	m->request = request;
	m->api = request->api;
	m->key = request->key;
	m->version = request->version;
	m->correlation_id = correlation_id;
	m->is_understood = request->is_understood;
	m->latency_us = (int64_t)((m->at_ns - request->at_ns) / 1000);
	snprintf(m->client, sizeof(m->client), "%s", request->client);
	return m;
}

struct passage *pair_begin(struct pair *p, bool is_response, const uint8_t *head, size_t len,
			   size_t frame_len)
{
	(void)len;
	return is_response ? response_begin(p, head, frame_len) : request_begin(p, head, frame_len);
}

void pair_header(struct pair *p, struct passage *m, const struct scan_item *item)
{
	if (m->is_response || !item->field || strcmp(item->field->name, "ClientId") != 0)
		return;
	snprintf(m->client, sizeof(m->client), "%.*s", STR(item->text));
	facts_plain(m->client);
	memcpy(p->client_id, m->client, sizeof(p->client_id));
}

/* ---- Whole frames ------------------------------------------------------------------------- */

/* Goes over header and body of a frame. */
static void frame_read(struct pair *p, struct passage *m, const uint8_t *data, size_t len)
{
	const struct message_desc *header =
		m->is_response ? &response_header_desc : &request_header_desc;
	int16_t version = m->is_response ? api_response_header_version(m->api, m->version)
					 : api_request_header_version(m->api, m->version);
	struct wire_scan s;
	struct scan_item item;
	int rc;

	wire_scan_init(&s, header, version, len);
	while ((rc = wire_scan_next(&s, data + s.pos, len - s.pos, &item)) > 0)
		pair_header(p, m, &item);
	if (rc == 0) {
		data += s.pos;
		len -= s.pos;
		wire_scan_init(&s, m->is_response ? m->api->response : m->api->request, m->version,
			       len);
		while ((rc = wire_scan_next(&s, data + s.pos, len - s.pos, &item)) > 0)
			facts_item(&m->facts, p->trace, m->api, &s, &item,
				   data + item.pos + item.len);
	}
	m->is_understood = rc == 0;
}

/* The request is on its way: its answer is waited for, unless there will be none. */
static void request_sent(struct pair *p, struct passage *m, struct slice frame)
{
	bool has_answer = !(m->key == API_PRODUCE && m->facts.acks == 0);

	m->at_ns = uv_hrtime();
	stats_request(p->trace->stats, m->key, m->bytes);
	show_message(p, m, frame);
	if (!has_answer) {
		passage_free(m);
		return;
	}
	list_push_back(&p->pending, &m->link);
	p->pending_count++;
}

/* After the handshake of old, tokens come without a header: as many as the mechanism has. */
static void pair_tokens(struct pair *p, const struct passage *handshake)
{
	const char *mechanism = handshake->facts.key ? handshake->facts.key : "";

	p->had_tokens = true;
	p->tokens_left = strncmp(mechanism, "SCRAM", 5) == 0 ? 2
			 : strcmp(mechanism, "GSSAPI") == 0  ? 3
							     : 1;
}

static void response_sent(struct pair *p, struct passage *m, struct slice frame)
{
	stats_response(p->trace->stats, m->key, m->bytes, m->latency_us, m->facts.error_count > 0);
	if (m->key == API_SASL_HANDSHAKE && m->version == 0 && m->facts.error_count == 0)
		pair_tokens(p, m->request);
	show_message(p, m, frame);
	passage_free(m);
}

static void response_frame(struct pair *p, struct passage *m, uint8_t *frame, size_t len)
{
	struct slice inner = {NULL, frame + FRAME_SIZE_BYTES, len - FRAME_SIZE_BYTES};
	struct err err = {0};
	struct out changed;
	int rc = 0;

	/* A broker that lacks the version answers ApiVersions in version 0. */
	if (m->key == API_API_VERSIONS && len >= 10 &&
	    be16(frame + 8) == (uint16_t)KERR_UNSUPPORTED_VERSION)
		m->version = 0;
	out_init(&changed, REWRITE_BYTES_MAX * 2);
	if (m->is_understood) {
		frame_read(p, m, inner.data, inner.len);
		rc = rewrite_response(p->trace, m->api, m->version, inner, &changed, &err);
		if (rc < 0)
			show_note(p->trace, p, "%s v%d passes unchanged: %s", m->api->name,
				  m->version, err_message(&err));
	}
	if (rc > 0)
		side_send(&p->client, changed.data, changed.len);
	else
		side_send(&p->client, frame, len);
	response_sent(p, m, (struct slice){NULL, frame, len});
	out_fini(&changed);
}

void pair_frame(struct pair *p, struct passage *m, uint8_t *frame, size_t len)
{
	if (m->is_response) {
		response_frame(p, m, frame, len);
		return;
	}
	if (m->is_understood)
		frame_read(p, m, frame + FRAME_SIZE_BYTES, len - FRAME_SIZE_BYTES);
	side_send(&p->broker, frame, len);
	request_sent(p, m, (struct slice){NULL, frame, len});
}

void pair_passed(struct pair *p, struct passage *m)
{
	if (m->is_response)
		response_sent(p, m, SLICE_NULL);
	else
		request_sent(p, m, SLICE_NULL);
}

/* ---- The two sides ------------------------------------------------------------------------ */

static void pair_free(struct pair *p)
{
	struct list_node *node;

	while ((node = list_pop_front(&p->pending)))
		passage_free(LIST_ENTRY(node, struct passage, link));
	flow_fini(&p->requests);
	flow_fini(&p->responses);
	uv_freeaddrinfo(p->addrs);
	list_remove(&p->link);
	free(p);
}

static void pair_maybe_free(struct pair *p)
{
	if (p->is_over && !p->client.is_active && !p->broker.is_active && !p->is_looking)
		pair_free(p);
}

/* Requests without an answer are worth a line: this is how a broker refuses. */
static void pair_tell_end(struct pair *p, int rc, const struct err *err)
{
	const struct passage *first = LIST_FIRST(&p->pending, struct passage, link);

	if (!first || p->trace->is_ending)
		return;
	show_note(p->trace, p,
		  "closed by the broker%s%s with %u request%s unanswered, the first is %s v%d",
		  rc < 0 ? ": " : "", rc < 0 ? err_message(err) : "", p->pending_count,
		  p->pending_count == 1 ? "" : "s", first->api ? first->api->name : "unknown",
		  first->version);
}

void pair_close(struct pair *p)
{
	if (!p->is_over && p->is_looking)
		uv_cancel((uv_req_t *)&p->lookup);
	p->is_over = true;
	side_close(&p->client);
	side_close(&p->broker);
}

static void client_opened(struct side *s)
{
	(void)s;
}

static void client_bytes(struct side *s, uint8_t *data, size_t len)
{
	struct pair *p = s->owner;

	flow_bytes(&p->requests, data, len);
	side_flush(&p->broker);
	if (side_queued(&p->broker) > SIDE_QUEUE_BYTES || p->pending_count > PENDING_MAX)
		side_pause(s, true);
}

static void client_drained(struct side *s)
{
	struct pair *p = s->owner;

	side_pause(&p->broker, false);
}

static void client_closed(struct side *s, int rc, const struct err *err)
{
	struct pair *p = s->owner;

	(void)rc;
	(void)err;
	p->is_over = true;
	side_close(&p->client);
	side_finish(&p->broker);
	if (p->is_looking)
		uv_cancel((uv_req_t *)&p->lookup);
}

static void side_is_gone(struct side *s)
{
	pair_maybe_free(s->owner);
}

static const struct side_ops client_ops = {client_opened, client_bytes, client_drained,
					   client_closed};

static void broker_opened(struct side *s)
{
	struct pair *p = s->owner;

	side_pause(&p->client, false);
}

static void broker_bytes(struct side *s, uint8_t *data, size_t len)
{
	struct pair *p = s->owner;

	flow_bytes(&p->responses, data, len);
	side_flush(&p->client);
	if (side_queued(&p->client) > SIDE_QUEUE_BYTES)
		side_pause(s, true);
	if (p->pending_count <= PENDING_MAX / 2 && p->client.is_paused &&
	    side_queued(&p->broker) < SIDE_QUEUE_BYTES / 2)
		side_pause(&p->client, false);
}

static void broker_drained(struct side *s)
{
	struct pair *p = s->owner;

	if (p->pending_count <= PENDING_MAX)
		side_pause(&p->client, false);
}

static void broker_closed(struct side *s, int rc, const struct err *err)
{
	struct pair *p = s->owner;

	if (!s->is_open && !p->is_over) {
		/* Not this address: the next one, when the handle is gone. */
		p->err = *err;
		side_close(s);
		return;
	}
	pair_tell_end(p, rc, err);
	p->is_over = true;
	side_close(&p->broker);
	side_finish(&p->client);
}

static void broker_is_gone(struct side *s)
{
	struct pair *p = s->owner;

	if (!p->is_over && !s->is_open)
		pair_connect(p);
	else
		pair_maybe_free(p);
}

static const struct side_ops broker_ops = {broker_opened, broker_bytes, broker_drained,
					   broker_closed};

/* ---- Connecting --------------------------------------------------------------------------- */

static void pair_unreachable(struct pair *p)
{
	show_note(p->trace, p, "%s cannot be reached: %s", p->host, err_message(&p->err));
	p->is_over = true;
	side_close(&p->client);
	pair_maybe_free(p);
}

/* The next address of the name; behind the last, the next bootstrap server. */
static void pair_connect(struct pair *p)
{
	struct trace *t = p->trace;

	while (p->addr_at) {
		const struct addrinfo *a = p->addr_at;
		int fd, rc;

		p->addr_at = a->ai_next;
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		rc = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -errno : 0;
		if (rc < 0 && rc != -EINPROGRESS) {
			err_sys(&p->err, rc, "connecting");
			close(fd);
			continue;
		}
		p->broker.ops = &broker_ops;
		p->broker.owner = p;
		p->broker.freed = broker_is_gone;
		if (side_start(&p->broker, t, fd, true, t->tls ? p->host : NULL, &p->err) == 0)
			return;
	}
	if (!p->port->host && p->server_at < t->server_count)
		pair_look(p);
	else
		pair_unreachable(p);
}

static void pair_found(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct pair *p = CONTAINER_OF(request, struct pair, lookup);

	p->is_looking = false;
	uv_freeaddrinfo(p->addrs);
	p->addrs = p->addr_at = list;
	if (p->is_over) {
		pair_maybe_free(p);
		return;
	}
	if (status < 0)
		err_set(&p->err, status, "%s", uv_strerror(status));
	pair_connect(p);
}

/* Looks up the broker's name, or that of the next bootstrap server. */
static void pair_look(struct pair *p)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *server, *colon;
	char port[16];
	int rc;

	if (p->port->host) {
		snprintf(p->host, sizeof(p->host), "%s", p->port->host);
		snprintf(port, sizeof(port), "%d", p->port->broker_port);
	} else {
		server = p->trace->servers[p->server_at++];
		colon = strrchr(server, ':');
		snprintf(p->host, sizeof(p->host), "%.*s", (int)(colon - server), server);
		snprintf(port, sizeof(port), "%s", colon + 1);
		if (p->host[0] == '[') {
			memmove(p->host, p->host + 1, strlen(p->host));
			p->host[strcspn(p->host, "]")] = '\0';
		}
	}
	rc = uv_getaddrinfo(&p->trace->loop, &p->lookup, pair_found, p->host, port, &hints);
	if (rc < 0) {
		err_sys(&p->err, rc, "%s", p->host);
		pair_unreachable(p);
		return;
	}
	p->is_looking = true;
}

void pair_new(struct trace *t, struct port *port, int fd, const char *peer)
{
	struct pair *p = xcalloc(1, sizeof(*p));
	struct err err = {0};

	p->trace = t;
	p->port = port;
	p->number = ++t->pair_count;
	snprintf(p->peer, sizeof(p->peer), "%s", peer);
	snprintf(p->client_id, sizeof(p->client_id), "%s", peer);
	list_init(&p->pending);
	flow_init(&p->requests, p, false);
	flow_init(&p->responses, p, true);
	list_push_back(&t->pairs, &p->link);
	p->client.ops = &client_ops;
	p->client.owner = p;
	p->client.freed = side_is_gone;
	if (side_start(&p->client, t, fd, false, NULL, &err) < 0) {
		pair_free(p);
		return;
	}
	/* Nothing is read before it can be sent on. */
	side_pause(&p->client, true);
	pair_look(p);
}
