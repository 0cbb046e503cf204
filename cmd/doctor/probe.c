#include "cmd/doctor/probe.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/conn.h"
#include "wire/header.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* ---- Names -------------------------------------------------------------------------------- */

struct resolving {
	uv_loop_t loop;
	uv_getaddrinfo_t request;
	uv_timer_t timer;
	struct addrinfo *list;
	int rc;
	bool is_late;
};

static void resolve_done(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct resolving *r = request->data;

	r->rc = status;
	r->list = list;
	uv_close((uv_handle_t *)&r->timer, NULL);
}

static void resolve_late(uv_timer_t *timer)
{
	struct resolving *r = timer->data;

	r->is_late = true;
	uv_cancel((uv_req_t *)&r->request);
	uv_stop(&r->loop);
}

static void resolve_add(struct probe_addr *addrs, unsigned *count, const struct sockaddr *from,
			int port)
{
	size_t len = from->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
	struct probe_addr *to = &addrs[*count];

	if (*count == PROBE_ADDRS_MAX ||
	    (from->sa_family != AF_INET && from->sa_family != AF_INET6))
		return;
	*to = (struct probe_addr){0};
	memcpy(&to->addr, from, len);
	((struct sockaddr_in *)&to->addr)->sin_port = htons((uint16_t)port);
	conn_addr_format((struct sockaddr *)&to->addr, to->text);
	for (unsigned i = 0; i < *count; i++) {
		if (strcmp(addrs[i].text, to->text) == 0)
			return;
	}
	++*count;
}

int probe_resolve(const char *host, int port, int64_t timeout_ms, struct probe_addr *addrs,
		  unsigned *count)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct resolving *r = xcalloc(1, sizeof(*r));
	int rc;

	*count = 0;
	uv_loop_init(&r->loop);
	uv_timer_init(&r->loop, &r->timer);
	r->timer.data = r->request.data = r;
	rc = uv_getaddrinfo(&r->loop, &r->request, resolve_done, host, NULL, &hints);
	if (rc == 0) {
		uv_timer_start(&r->timer, resolve_late, (uint64_t)timeout_ms, 0);
		uv_run(&r->loop, UV_RUN_DEFAULT);
		if (r->is_late)
			return E_TIMEOUT; /* the lookup still uses *r: it stays */
		rc = r->rc;
	} else {
		uv_close((uv_handle_t *)&r->timer, NULL);
		uv_run(&r->loop, UV_RUN_DEFAULT);
	}
	for (struct addrinfo *at = r->list; at; at = at->ai_next)
		resolve_add(addrs, count, at->ai_addr, port);
	uv_freeaddrinfo(r->list);
	uv_loop_close(&r->loop);
	free(r);
	if (rc == UV_EAI_NONAME || rc == UV_EAI_NODATA || (rc == 0 && *count == 0))
		return E_NOT_FOUND;
	return rc;
}

/* ---- Bytes -------------------------------------------------------------------------------- */

/* Waits until the socket is ready. 0 or E_TIMEOUT. */
static int probe_wait(const struct probe *p, short events, int64_t until_ms)
{
	struct pollfd fd = {.fd = p->fd, .events = events};
	int64_t left;
	int n;

	do {
		left = until_ms - clock_mono_ms();
		if (left <= 0)
			return E_TIMEOUT;
		n = poll(&fd, 1, (int)MIN(left, (int64_t)INT32_MAX));
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

int probe_connect(struct probe *p, struct probe_addr *addr, int64_t timeout_ms)
{
	bool is_v6 = addr->addr.ss_family == AF_INET6;
	socklen_t len = is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int64_t start_us = clock_mono_us();
	int failure = 0;
	socklen_t failure_len = sizeof(failure);

	*p = (struct probe){.timeout_ms = timeout_ms};
	p->fd = socket(addr->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return addr->rc = -errno;
	addr->rc = 0;
	if (connect(p->fd, (struct sockaddr *)&addr->addr, len) < 0) {
		addr->rc = -errno;
		if (errno == EINPROGRESS) {
			addr->rc = probe_wait(p, POLLOUT, clock_mono_ms() + timeout_ms);
			if (addr->rc == 0 &&
			    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failure, &failure_len) == 0)
				addr->rc = -failure;
		}
	}
	addr->took_us = clock_mono_us() - start_us;
	if (addr->rc < 0)
		probe_close(p);
	return addr->rc;
}

void probe_close(struct probe *p)
{
	tls_session_free(p->tls);
	p->tls = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

int probe_tls(struct probe *p, struct tls_context *ctx, const char *name, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + p->timeout_ms;
	int rc = tls_session_new(&p->tls, ctx, p->fd, name, err);

	if (rc < 0)
		return rc;
	tls_session_accept_any(p->tls);
	while ((rc = tls_handshake(p->tls, err)) == -EAGAIN) {
		rc = probe_wait(p, tls_wants_write(p->tls) ? POLLOUT : POLLIN, until_ms);
		if (rc < 0)
			return err_set(err, rc, "no answer to the TLS handshake");
	}
	return rc;
}

static ssize_t probe_write(struct probe *p, const void *data, size_t len, struct err *err)
{
	ssize_t n;

	if (p->tls)
		return tls_write(p->tls, data, len, err);
	n = send(p->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

int probe_send(struct probe *p, const void *data, size_t len, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + p->timeout_ms;

	while (len > 0) {
		ssize_t n = probe_write(p, data, len, err);

		if (n == -EAGAIN)
			n = probe_wait(p, POLLOUT, until_ms);
		if (n < 0)
			return err_sys(err, (int)n, "sending");
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

static ssize_t probe_read(struct probe *p, void *data, size_t len, struct err *err)
{
	ssize_t n;

	if (p->tls)
		return tls_read(p->tls, data, len, err);
	n = recv(p->fd, data, len, 0);
	return n < 0 ? -errno : n;
}

ssize_t probe_receive(struct probe *p, void *data, size_t len, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + p->timeout_ms;
	ssize_t n;

	for (;;) {
		int rc;

		n = probe_read(p, data, len, err);
		if (n != -EAGAIN)
			return n;
		rc = probe_wait(p, p->tls && tls_wants_write(p->tls) ? POLLOUT : POLLIN, until_ms);
		if (rc < 0)
			return rc;
	}
}

static int probe_receive_all(struct probe *p, uint8_t *data, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t n = probe_receive(p, data, len, err);

		if (n == 0 || n == -ECONNRESET)
			return err_set(err, E_CLOSED,
				       "the connection was closed instead of an "
				       "answer");
		if (n < 0)
			return err_sys(err, (int)n, "waiting for an answer");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- Requests ----------------------------------------------------------------------------- */

int probe_call(struct probe *p, int16_t api_key, int16_t version, const void *request,
	       struct arena *arena, void **response, struct err *err)
{
	const struct api *api = api_by_key(api_key);
	struct slice frame = {0};
	struct out out;
	uint8_t size[FRAME_SIZE_BYTES];
	uint8_t *bytes;
	int32_t id;
	int rc;

	out_init(&out, MESSAGE_BYTES_MAX);
	rc = request_encode(api, version, ++p->correlation_id, STR_LIT("kavka-doctor"), request,
			    &out, NULL, err);
	if (rc == 0)
		rc = probe_send(p, out.data, out.len, err);
	out_fini(&out);
	if (rc == 0)
		rc = probe_receive_all(p, size, sizeof(size), err);
	if (rc < 0)
		return rc;
	frame.len = be32(size);
	if (frame.len < 4 || frame.len > PROBE_FRAME_BYTES_MAX)
		return err_set(err, E_MALFORMED, "the answer is not of Kafka's form");
	frame.data = bytes = arena_alloc(arena, frame.len);
	rc = probe_receive_all(p, bytes, frame.len, err);
	if (rc == 0)
		rc = response_decode(api, &version, frame, arena, &id, response, err);
	if (rc == 0 && id != p->correlation_id)
		rc = err_set(err, E_MALFORMED, "an answer to something else");
	return rc;
}

/* ---- What is it --------------------------------------------------------------------------- */

static void banner_set(char *banner, size_t size, const uint8_t *data, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len && i < 60 && to + 8 < size; i++) {
		if (isprint(data[i]))
			banner[to++] = (char)data[i];
		else if (data[i] == '\r' || data[i] == '\n')
			break;
		else
			to += (size_t)snprintf(banner + to, size - to, "\\x%02x", data[i]);
	}
	banner[to] = '\0';
}

/* Sends some bytes and judges what comes back. */
static enum probe_speaks what_answers(struct probe_addr *addr, int64_t timeout_ms, const void *data,
				      size_t len, char *banner, size_t size)
{
	enum probe_speaks speaks = SPEAKS_NOTHING;
	struct probe p;
	uint8_t answer[256];
	ssize_t n;

	if (probe_connect(&p, addr, timeout_ms) < 0)
		return SPEAKS_CLOSED;
	n = probe_send(&p, data, len, NULL);
	if (n == 0)
		n = probe_receive(&p, answer, sizeof(answer), NULL);
	if (n == 0 || (n < 0 && n != E_TIMEOUT))
		speaks = SPEAKS_CLOSED;
	if (n >= 2 && (answer[0] == 0x15 || answer[0] == 0x16) && answer[1] == 3)
		speaks = SPEAKS_TLS;
	else if (n >= 5 && memcmp(answer, "HTTP/", 5) == 0)
		speaks = SPEAKS_HTTP;
	else if (n >= 8 && be32(answer) < PROBE_FRAME_BYTES_MAX && be32(answer + 4) == 0x6b61766b)
		speaks = SPEAKS_KAFKA;
	else if (n > 0)
		speaks = SPEAKS_OTHER;
	if (n > 0)
		banner_set(banner, size, answer, (size_t)n);
	probe_close(&p);
	return speaks;
}

/* A TLS 1.2 and 1.3 server answers any ClientHello, be it with an alert. */
static bool what_is_tls(struct probe_addr *addr, int64_t timeout_ms)
{
	struct tls_options o = {0};
	struct tls_context *ctx;
	struct err err = {0};
	struct probe p;
	bool is_tls = false;

	if (tls_context_new(&ctx, &o, NULL) < 0)
		return false;
	if (probe_connect(&p, addr, timeout_ms) == 0) {
		is_tls = probe_tls(&p, ctx, NULL, &err) == 0 || strstr(err.text, "alert");
		probe_close(&p);
	}
	tls_context_unref(ctx);
	return is_tls;
}

enum probe_speaks probe_what(struct probe_addr *addr, int64_t timeout_ms, char *banner, size_t size)
{
	/* ApiVersions version 0, which every Kafka since 0.10 answers; its number is "kavk". */
	static const uint8_t api_versions[] = {0, 0,    0,    10,   0,    18,   0,
					       0, 0x6b, 0x61, 0x76, 0x6b, 0xff, 0xff};
	static const char http[] = "GET / HTTP/1.0\r\n\r\n";
	char other_banner[256];
	enum probe_speaks speaks, other;

	banner[0] = '\0';
	speaks = what_answers(addr, timeout_ms, api_versions, sizeof(api_versions), banner, size);
	if (speaks == SPEAKS_KAFKA || speaks == SPEAKS_TLS || speaks == SPEAKS_HTTP)
		return speaks;
	if (speaks != SPEAKS_OTHER && what_is_tls(addr, timeout_ms))
		return SPEAKS_TLS;
	/* Some web servers say HTTP only when they are asked in HTTP. */
	other = what_answers(addr, timeout_ms, http, sizeof(http) - 1, other_banner,
			     sizeof(other_banner));
	if (other == SPEAKS_HTTP || (other == SPEAKS_OTHER && speaks != SPEAKS_OTHER)) {
		snprintf(banner, size, "%s", other_banner);
		return other;
	}
	return speaks;
}
