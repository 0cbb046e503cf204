#include "net/conn_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

static void conn_poll_event(uv_poll_t *poll, int status, int events);
static void conn_idle_event(uv_idle_t *idle);
static void conn_handle_closed(uv_handle_t *handle);

/* ---- Life ------------------------------------------------------------------------------------ */

/* Makes impl and handles around the socket, which it takes, also when it fails. */
static int conn_init(struct conn *c, uv_loop_t *loop, const struct conn_ops *ops, int fd,
		     struct tls_context *tls, const char *server_name, struct err *err)
{
	struct conn_impl *ci;
	int one = 1;
	int rc;

	assert(ops->frame && ops->closed && ops->freed);
	assert(c->frame_bytes_max > 0);
	/* Both fail on sockets that are not TCP, which is fine. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));

	ci = xcalloc(1, sizeof(*ci));
	ci->conn = c;
	ci->loop = loop;
	ci->fd = fd;
	list_init(&ci->out);
	list_init(&ci->done);
	if (tls) {
		rc = tls_session_new(&ci->tls, tls, fd, server_name, err);
		if (rc < 0)
			goto fail;
	}
	rc = uv_poll_init(loop, &ci->poll, fd);
	if (rc < 0) {
		err_sys(err, rc, "watching a socket");
		goto fail;
	}
	rc = uv_idle_init(loop, &ci->idle);
	assert(rc == 0);
	ci->poll.data = ci;
	ci->idle.data = ci;
	ci->handle_count = 2;
	conn_in_start(ci);

	c->magic = CONN_MAGIC;
	c->ops = ops;
	c->impl = ci;
	c->bytes_in = c->bytes_out = 0;
	c->out_bytes = 0;
	c->last_active_ms = clock_mono_ms();
	return 0;
fail:
	tls_session_free(ci->tls);
	free(ci);
	close(fd);
	return rc;
}

static void conn_watch(struct conn_impl *ci)
{
	int events = 0;

	if (ci->state == CONN_CLOSING)
		return;
	if (ci->state == CONN_CONNECTING) {
		events = UV_WRITABLE;
	} else if (ci->state == CONN_HANDSHAKE) {
		events = tls_wants_write(ci->tls) ? UV_WRITABLE : UV_READABLE;
	} else {
		if (!ci->is_paused)
			events |= UV_READABLE;
		if (!list_empty(&ci->out))
			events |= UV_WRITABLE;
	}
	if (events == ci->events)
		return;
	ci->events = events;
	if (events)
		uv_poll_start(&ci->poll, events, conn_poll_event);
	else
		uv_poll_stop(&ci->poll);
}

void conn_next_turn(struct conn_impl *ci)
{
	if (ci->state != CONN_CLOSING)
		uv_idle_start(&ci->idle, conn_idle_event);
}

static void conn_addresses(struct conn *c)
{
	socklen_t len = sizeof(c->local);

	if (getsockname(c->impl->fd, (struct sockaddr *)&c->local, &len) < 0)
		c->local.ss_family = AF_UNSPEC;
	len = sizeof(c->peer);
	if (getpeername(c->impl->fd, (struct sockaddr *)&c->peer, &len) < 0)
		c->peer.ss_family = AF_UNSPEC;
}

int conn_connect(struct conn *c, uv_loop_t *loop, const struct conn_ops *ops,
		 const struct sockaddr *addr, struct tls_context *tls, const char *server_name,
		 struct err *err)
{
	socklen_t len = addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						   : sizeof(struct sockaddr_in6);
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return err_sys(err, -errno, "making a socket");
	if (connect(fd, addr, len) < 0 && errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return err_set(err, rc, "%s", err_text(rc));
	}
	rc = conn_init(c, loop, ops, fd, tls, server_name, err);
	if (rc < 0)
		return rc;
	memcpy(&c->peer, addr, len);
	c->impl->state = CONN_CONNECTING;
	conn_watch(c->impl);
	return 0;
}

int conn_accept(struct conn *c, uv_loop_t *loop, const struct conn_ops *ops, int fd,
		struct tls_context *tls, struct err *err)
{
	struct conn_impl *ci;
	int rc = conn_init(c, loop, ops, fd, tls, NULL, err);

	if (rc < 0)
		return rc;
	ci = c->impl;
	conn_addresses(c);
	ci->state = ci->tls ? CONN_HANDSHAKE : CONN_OPEN;
	if (!ci->tls) {
		ci->want_connected = true;
		conn_next_turn(ci);
	}
	conn_watch(ci);
	return 0;
}

/* Ends it all but for the handles, whose memory libuv still needs. */
static void conn_shut(struct conn_impl *ci, int rc)
{
	assert(ci->state != CONN_CLOSING);
	ci->state = CONN_CLOSING;
	conn_out_report(ci, rc);
	conn_in_stop(ci);
	tls_session_free(ci->tls);
	ci->tls = NULL;
	uv_close((uv_handle_t *)&ci->poll, conn_handle_closed);
	uv_close((uv_handle_t *)&ci->idle, conn_handle_closed);
	close(ci->fd);
	ci->fd = -1;
}

void conn_close(struct conn *c)
{
	struct conn_impl *ci = CAST(conn, c, CONN_MAGIC)->impl;

	if (ci->state != CONN_CLOSING)
		conn_shut(ci, E_CLOSED);
}

static void conn_handle_closed(uv_handle_t *handle)
{
	struct conn_impl *ci = handle->data;
	struct conn *c = ci->conn;

	if (--ci->handle_count > 0)
		return;
	free(ci);
	c->impl = NULL;
	c->magic = 0;
	c->ops->freed(c);
}

/* The connection ended by itself; `rc` is 0 when the peer closed it between frames. */
static void conn_ended(struct conn_impl *ci, int rc, const struct err *err)
{
	struct conn *c = ci->conn;
	struct err copy = {0};

	if (rc < 0)
		copy = *err;
	conn_shut(ci, rc < 0 ? rc : E_CLOSED);
	c->ops->closed(c, rc, &copy);
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* Writes and reports; the last thing done in each event. */
static void conn_flush(struct conn_impl *ci)
{
	struct conn *c = ci->conn;
	int rc = 0;

	ci->in_event = false;
	if (ci->state == CONN_CLOSING)
		return;
	if (ci->state == CONN_OPEN && !list_empty(&ci->out)) {
		rc = conn_out_write(ci, &ci->err);
		if (rc == 0)
			ci->want_drained = true;
	}
	if (rc < 0) {
		conn_ended(ci, rc, &ci->err);
		return;
	}
	if (!list_empty(&ci->done) || ci->want_drained) {
		ci->in_event = true;
		conn_out_report(ci, 0);
		if (ci->state != CONN_CLOSING && ci->want_drained && list_empty(&ci->out)) {
			ci->want_drained = false;
			if (c->ops->drained)
				c->ops->drained(c);
		}
		ci->in_event = false;
		if (ci->state == CONN_CLOSING)
			return;
		/* What the callbacks queued leaves in the next turn. */
		if (!list_empty(&ci->out) || !list_empty(&ci->done))
			conn_next_turn(ci);
	}
	conn_watch(ci);
}

static void conn_read(struct conn_impl *ci)
{
	struct err err = {0};
	int rc;

	ci->want_read = false;
	rc = conn_in_read(ci, &err);
	if (ci->state == CONN_CLOSING || rc == 0)
		return;
	conn_ended(ci, rc == 1 ? 0 : rc, &err);
}

static void conn_is_open(struct conn_impl *ci)
{
	struct conn *c = ci->conn;

	ci->state = CONN_OPEN;
	ci->want_connected = false;
	c->last_active_ms = clock_mono_ms();
	if (c->ops->connected)
		c->ops->connected(c);
	/* TLS may have read more than its handshake. */
	if (ci->state != CONN_CLOSING && ci->tls && tls_has_pending(ci->tls))
		conn_read(ci);
}

static void conn_handshake(struct conn_impl *ci)
{
	struct err err = {0};
	int rc = tls_handshake(ci->tls, &err);

	if (rc == -EAGAIN)
		return;
	if (rc < 0)
		conn_ended(ci, rc, &err);
	else
		conn_is_open(ci);
}

/* What is wrong with the socket: 0 or -errno. */
static int conn_error(struct conn_impl *ci)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(ci->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	return -error;
}

static void conn_failed(struct conn_impl *ci)
{
	struct err err = {0};
	int rc = conn_error(ci);

	if (rc == 0)
		rc = -ECONNRESET;
	err_set(&err, rc, "%s", err_text(rc));
	conn_ended(ci, rc, &err);
}

static void conn_connected(struct conn_impl *ci)
{
	struct err err = {0};
	int rc = conn_error(ci);

	if (rc < 0) {
		err_set(&err, rc, "%s", err_text(rc));
		conn_ended(ci, rc, &err);
		return;
	}
	conn_addresses(ci->conn);
	if (ci->tls) {
		ci->state = CONN_HANDSHAKE;
		conn_handshake(ci);
	} else {
		conn_is_open(ci);
	}
}

static void conn_poll_event(uv_poll_t *poll, int status, int events)
{
	struct conn_impl *ci = poll->data;

	ci->in_event = true;
	if (status < 0)
		ci->events = 0;		/* libuv stops watching a socket that has an error */
	if (ci->state == CONN_CONNECTING) {
		conn_connected(ci);
	} else if (ci->state == CONN_HANDSHAKE) {
		conn_handshake(ci);
	} else if (ci->want_connected) {
		conn_is_open(ci);
	} else if (status < 0 && ci->is_paused) {
		conn_failed(ci);
	} else if (!ci->is_paused && (status < 0 || (events & UV_READABLE))) {
		conn_read(ci);
	}
	conn_flush(ci);
}

/* The next turn of the loop: what could not be told or done inside a call of the owner. */
static void conn_idle_event(uv_idle_t *idle)
{
	struct conn_impl *ci = idle->data;

	uv_idle_stop(&ci->idle);
	ci->in_event = true;
	if (ci->rc < 0) {
		conn_ended(ci, ci->rc, &ci->err);
		return;
	}
	if (ci->want_connected)
		conn_is_open(ci);
	if (ci->state == CONN_OPEN && ci->want_read && !ci->is_paused)
		conn_read(ci);
	conn_flush(ci);
}

/* ---- Calls of the owner ---------------------------------------------------------------------- */

void conn_send(struct conn *c, struct frame_out *f)
{
	struct conn_impl *ci = CAST(conn, c, CONN_MAGIC)->impl;
	int rc;

	f->piece_at = 0;
	f->piece_pos = 0;
	f->link = (struct list_node){0};
	if (ci->state == CONN_CLOSING) {
		f->sent(f, E_CLOSED);
		return;
	}
	for (unsigned i = 0; i < f->piece_count; i++)
		c->out_bytes += f->pieces[i].range.file ? f->pieces[i].range.len
							: f->pieces[i].bytes.len;
	list_push_back(&ci->out, &f->link);
	if (ci->in_event || ci->rc < 0 || ci->state != CONN_OPEN || ci->out.next != &f->link)
		return;
	rc = conn_out_write(ci, &ci->err);
	if (rc < 0)
		ci->rc = rc;
	if (rc == 0)
		ci->want_drained = true;
	if (rc < 0 || !list_empty(&ci->done))
		conn_next_turn(ci);
	conn_watch(ci);
}

void conn_pause(struct conn *c)
{
	struct conn_impl *ci = CAST(conn, c, CONN_MAGIC)->impl;

	ci->is_paused = true;
	if (!ci->in_event)
		conn_watch(ci);
}

void conn_resume(struct conn *c)
{
	struct conn_impl *ci = CAST(conn, c, CONN_MAGIC)->impl;

	if (!ci->is_paused)
		return;
	ci->is_paused = false;
	if (ci->state == CONN_OPEN && (ci->want_read || (ci->tls && tls_has_pending(ci->tls)))) {
		ci->want_read = true;
		conn_next_turn(ci);
	}
	if (!ci->in_event)
		conn_watch(ci);
}

char *conn_addr_format(const struct sockaddr *addr, char text[CONN_ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)addr;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, CONN_ADDR_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
	} else if (addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)addr;

		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
		snprintf(text, CONN_ADDR_TEXT_MAX, "[%s]:%u", host, ntohs(in->sin6_port));
	} else {
		snprintf(text, CONN_ADDR_TEXT_MAX, "(unknown address)");
	}
	return text;
}
