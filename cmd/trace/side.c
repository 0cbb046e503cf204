#include "cmd/trace/trace_int.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that one event may read before others get their turn. */
#define SIDE_TURN_BYTES (4 * SIDE_READ_BYTES)

static void side_event(uv_poll_t *poll, int status, int events);

/* What the poll handle should watch now. */
static void side_watch(struct side *s)
{
	int events = 0;

	if (s->is_closing)
		return;
	if (s->is_handshake)
		events = tls_wants_write(s->tls) ? UV_WRITABLE : UV_READABLE;
	else if (!s->is_open)
		events = UV_WRITABLE; /* connecting */
	else
		events = (s->is_paused || s->has_ended ? 0 : UV_READABLE) |
			 (side_queued(s) > 0 ? UV_WRITABLE : 0);
	if (events == s->events)
		return;
	s->events = events;
	if (events)
		uv_poll_start(&s->poll, events, side_event);
	else
		uv_poll_stop(&s->poll);
}

int side_start(struct side *s, struct trace *t, int fd, bool is_connecting, const char *tls_name,
	       struct err *err)
{
	int one = 1, rc;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->trace = t;
	s->fd = fd;
	s->events = -1;
	s->is_open = !is_connecting && !tls_name;
	s->is_handshake = s->is_paused = s->has_ended = s->is_closing = false;
	out_init(&s->queue, SIZE_MAX / 2);
	s->queue_pos = 0;
	if (tls_name) {
		rc = tls_session_new(&s->tls, t->tls, fd, tls_name, err);
		if (rc < 0)
			goto fail;
	}
	rc = uv_poll_init(&t->loop, &s->poll, fd);
	if (rc < 0)
		goto fail;
	s->poll.data = s;
	s->is_active = true;
	side_watch(s);
	return 0;
fail:
	tls_session_free(s->tls);
	s->tls = NULL;
	close(fd);
	return rc;
}

size_t side_queued(const struct side *s)
{
	return s->queue.len - s->queue_pos;
}

static void side_failed(struct side *s, int rc, const struct err *err)
{
	s->has_ended = true;
	side_watch(s);
	s->ops->closed(s, rc, err);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static ssize_t side_write(struct side *s, const void *data, size_t len, struct err *err)
{
	ssize_t n;

	if (s->tls)
		return tls_write(s->tls, data, len, err);
	n = send(s->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? err_sys(err, -errno, "sending") : n;
}

void side_flush(struct side *s)
{
	struct err err = {0};
	bool had = side_queued(s) > 0;

	if (!s->is_open || s->is_closing)
		return;
	while (side_queued(s) > 0) {
		ssize_t n = side_write(s, s->queue.data + s->queue_pos, side_queued(s), &err);

		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n < 0) {
			out_reset(&s->queue);
			s->queue_pos = 0;
			side_failed(s, (int)n, &err);
			return;
		}
		s->queue_pos += (size_t)n;
	}
	if (side_queued(s) == 0 && had) {
		/* The memory of a burst is given back. */
		if (s->queue.cap > SIDE_QUEUE_BYTES) {
			out_fini(&s->queue);
			out_init(&s->queue, SIZE_MAX / 2);
		}
		out_reset(&s->queue);
		s->queue_pos = 0;
	}
	side_watch(s);
	if (side_queued(s) == 0 && s->close_when_sent)
		side_close(s);
	else if (had && side_queued(s) < SIDE_QUEUE_BYTES / 2)
		s->ops->drained(s);
}

void side_send(struct side *s, const void *data, size_t len)
{
	if (s->is_closing || s->has_ended)
		return;
	/* What was sent makes room before the buffer grows. */
	if (s->queue_pos > SIDE_READ_BYTES && s->queue_pos * 2 > s->queue.len) {
		memmove(s->queue.data, s->queue.data + s->queue_pos, side_queued(s));
		s->queue.len -= s->queue_pos;
		s->queue_pos = 0;
	}
	out_bytes(&s->queue, data, len);
}

/* ---- Reading ------------------------------------------------------------------------------ */

static ssize_t side_read(struct side *s, void *data, size_t len, struct err *err)
{
	ssize_t n;

	if (s->tls)
		return tls_read(s->tls, data, len, err);
	n = recv(s->fd, data, len, 0);
	return n < 0 ? err_sys(err, -errno, "receiving") : n;
}

static void side_readable(struct side *s)
{
	struct err err = {0};
	size_t total = 0;

	while (!s->is_paused && !s->is_closing && !s->has_ended &&
	       (total < SIDE_TURN_BYTES || (s->tls && tls_has_pending(s->tls)))) {
		ssize_t n = side_read(s, s->trace->buffer, SIDE_READ_BYTES, &err);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n <= 0) {
			side_failed(s, (int)n, &err);
			return;
		}
		total += (size_t)n;
		s->ops->bytes(s, s->trace->buffer, (size_t)n);
	}
}

static void side_opening(struct side *s)
{
	struct err err = {0};
	int failure = 0, rc;
	socklen_t len = sizeof(failure);

	if (!s->is_handshake) {
		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 && failure) {
			err_sys(&err, -failure, "connecting");
			side_failed(s, -failure, &err);
			return;
		}
		s->is_handshake = s->tls != NULL;
	}
	if (s->is_handshake) {
		rc = tls_handshake(s->tls, &err);
		if (rc == -EAGAIN) {
			side_watch(s);
			return;
		}
		if (rc < 0) {
			side_failed(s, rc, &err);
			return;
		}
		s->is_handshake = false;
	}
	s->is_open = true;
	s->ops->opened(s);
	side_flush(s);
}

static void side_event(uv_poll_t *poll, int status, int events)
{
	struct side *s = poll->data;
	struct err err = {0};

	if (s->is_closing)
		return;
	if (!s->is_open) {
		side_opening(s);
		return;
	}
	if (status < 0) {
		err_sys(&err, status, "watching a socket");
		side_failed(s, status, &err);
		return;
	}
	if (events & UV_WRITABLE)
		side_flush(s);
	if (events & UV_READABLE)
		side_readable(s);
	side_watch(s);
}

void side_pause(struct side *s, bool is_paused)
{
	bool goes_on = s->is_paused && !is_paused;

	s->is_paused = is_paused;
	if (!s->is_active || s->is_closing)
		return;
	side_watch(s);
	/* Bytes inside of TLS do not wake the socket. */
	if (goes_on && s->tls && s->is_open && tls_has_pending(s->tls))
		side_readable(s);
}

/* ---- The end ------------------------------------------------------------------------------ */

static void side_gone(uv_handle_t *handle)
{
	struct side *s = handle->data;

	tls_session_free(s->tls);
	s->tls = NULL;
	close(s->fd);
	out_fini(&s->queue);
	s->is_active = false;
	s->freed(s);
}

void side_close(struct side *s)
{
	if (!s->is_active || s->is_closing)
		return;
	s->is_closing = true;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, side_gone);
}

void side_finish(struct side *s)
{
	if (!s->is_active || s->is_closing)
		return;
	if (!s->is_open || side_queued(s) == 0) {
		side_close(s);
		return;
	}
	s->close_when_sent = true;
	side_flush(s);
}
