/* One connection, step by step, so that each step can be judged: name, addresses, TCP, what speaks
 * there, TLS, requests. Every step has a deadline; all of them wait. (client.h is what connects
 * when all is well, and tells less when it is not.) */
#ifndef KAVKA_CMD_DOCTOR_PROBE_H
#define KAVKA_CMD_DOCTOR_PROBE_H

#include "base/arena.h"
#include "base/err.h"
#include "net/tls.h"

#include <stdbool.h>
#include <sys/socket.h>

#define PROBE_ADDRS_MAX 16
/* An answer to the few small requests that are sent. */
#define PROBE_FRAME_BYTES_MAX (64 * 1024 * 1024)

struct probe_addr {
	struct sockaddr_storage addr;
	char text[64]; /* "127.0.0.1:9092" */
	int rc;        /* of connecting: 0, E_TIMEOUT, -errno */
	int64_t took_us;
};

/* Looks the name up. Gives each address once. 0; E_NOT_FOUND: the name is unknown; E_TIMEOUT;
 * libuv's codes of other failures. */
MUST_USE int probe_resolve(const char *host, int port, int64_t timeout_ms, struct probe_addr *addrs,
			   unsigned *count);

struct probe {
	int fd; /* -1: none */
	struct tls_session *tls;
	int64_t timeout_ms; /* of each step */
	int32_t correlation_id;
};

/* Connects; addr->rc and took_us are set. 0, E_TIMEOUT or -errno. */
MUST_USE int probe_connect(struct probe *p, struct probe_addr *addr, int64_t timeout_ms);
void probe_close(struct probe *p); /* fine if it is not connected */

/* TLS handshake, whatever certificate comes. 0 or what tls_handshake() gives, or E_TIMEOUT. */
MUST_USE int probe_tls(struct probe *p, struct tls_context *ctx, const char *name, struct err *err);

MUST_USE int probe_send(struct probe *p, const void *data, size_t len, struct err *err);
/* What comes next: bytes (at least 1), 0 at the end, E_TIMEOUT, -errno. */
MUST_USE ssize_t probe_receive(struct probe *p, void *data, size_t len, struct err *err);

/* Sends a request and reads its answer, which is in `arena`. E_CLOSED: the peer hung up instead;
 * E_TIMEOUT; E_MALFORMED: what came is no Kafka; -errno. */
MUST_USE int probe_call(struct probe *p, int16_t api_key, int16_t version, const void *request,
			struct arena *arena, void **response, struct err *err);

enum probe_speaks {
	SPEAKS_KAFKA,
	SPEAKS_TLS, /* Kafka or not: look inside */
	SPEAKS_HTTP,
	SPEAKS_OTHER,   /* `banner` has what it said */
	SPEAKS_NOTHING, /* takes connections and never answers */
	SPEAKS_CLOSED,  /* closes every connection */
};

/* What answers at the address without TLS, found out with a few connections of its own. */
enum probe_speaks probe_what(struct probe_addr *addr, int64_t timeout_ms, char *banner,
			     size_t size);

#endif
