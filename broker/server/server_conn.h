/* Connections of clients: frames in, requests dispatched, responses out in the order of the
 * requests. A connection belongs to one shard. */
#ifndef KAVKA_BROKER_SERVER_SERVER_CONN_H
#define KAVKA_BROKER_SERVER_SERVER_CONN_H

#include "api/request.h"
#include "net/conn.h"
#include "server/listener.h"
#include "server/shard_int.h"

/* Requests of one connection that may be under way; reading pauses above. Java clients have at most
 * 5, librdkafka a million in theory, a handful in practice. */
#define CONN_REQUESTS_MAX 64

/* Response bytes queued for a peer that does not read; no further request is read above. */
#define CONN_OUT_BYTES_MAX (64 * 1024 * 1024)

struct server_conn {
	struct conn conn;
	struct list_node link; /* the shard's conns, least recently active first */
	struct server_shard *shard;
	const struct listener_ctx *listener;
	struct admission *admission;
	struct list_node requests; /* struct server_request, in order of arrival */
	unsigned request_count;
	size_t reserved_bytes; /* request memory held for a large frame on its way */
	bool is_paused;
	bool is_throttled;           /* by a quota: nothing is read until the timer fires */
	struct timer throttle_timer;
	bool is_closed;                           /* conn_close() was called */
	bool close_when_sent;                     /* an answer said so: no more is read */
	char client_host[CONN_ADDR_TEXT_MAX + 1]; /* "/127.0.0.1" */
};

/* What connections of one listener share; made by the server, fixed. */
struct listener_ctx {
	const char *name;
	bool is_controller;
	struct tls_context *tls; /* NULL: plaintext */
};

/* On the shard. Takes `fd` and `admission` (NULL: it was not admitted by a listener). */
void server_conn_accept(struct server_shard *s, const struct listener_ctx *listener, int fd,
			struct admission *admission);

/* Closes the connection; requests under way live on until their parts are in. */
void server_conn_close(struct server_conn *sc);

/* Closes connections without activity for `idle_ms`. Returns the milliseconds until the next one
 * can be due. */
int64_t server_conn_close_idle(struct server_shard *s, int64_t idle_ms);

/* Goes on reading on connections that waited for request memory. */
void server_conn_memory_freed(struct server_shard *s);

#endif
