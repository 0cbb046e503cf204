/* Reading: bytes go straight into the frame that is under way and, behind it, into a buffer that
 * all connections of a thread share. Whole frames are sliced off there; what is left of the last
 * one is copied to a buffer of its own, which grows with the bytes that arrive. So a connection
 * that waits for the rest of a frame holds no more than about what it has sent. */
#include "net/conn_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <sys/uio.h>

/* Room below which the thread's buffer is replaced. */
#define SHARED_MIN_BYTES (32 * 1024)
/* The buffer of a frame starts with this much room and doubles. */
#define FRAME_START_BYTES (16 * 1024)

static _Thread_local struct {
	struct buf *buf;
	size_t used;		/* bytes before belong to frames that were given out */
	unsigned conn_count;	/* of this thread: the last one frees the buffer */
} shared;

void conn_in_start(struct conn_impl *ci)
{
	(void)ci;
	shared.conn_count++;
}

void conn_in_stop(struct conn_impl *ci)
{
	buf_unref(ci->frame);
	ci->frame = NULL;
	if (--shared.conn_count > 0)
		return;
	buf_unref(shared.buf);
	shared.buf = NULL;
	shared.used = 0;
}

/* Makes sure there is room to read into. */
static void shared_prepare(void)
{
	if (shared.buf && atomic_load(&shared.buf->ref_count) == 1)
		shared.used = 0;
	if (shared.buf && shared.buf->size - shared.used >= SHARED_MIN_BYTES)
		return;
	buf_unref(shared.buf);
	shared.buf = buf_new(CONN_READ_BYTES);
	shared.used = 0;
}

/* One read into the room of the frame under way, then into the shared buffer. */
static ssize_t conn_in_bytes(struct conn_impl *ci, struct iovec iov[2], struct err *err)
{
	struct iovec *at = iov[0].iov_len ? iov : iov + 1;
	ssize_t n;

	if (ci->tls)
		return tls_read(ci->tls, at->iov_base, at->iov_len, err);
	if (at == iov)
		n = readv(ci->fd, iov, 2);
	else
		n = recv(ci->fd, at->iov_base, at->iov_len, 0);
	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EWOULDBLOCK)
		return -EAGAIN;
	return err_set(err, -errno, "%s", err_text(-errno));
}

/* Reads the size of a frame that starts in ci->head. */
static int conn_in_size(struct conn_impl *ci, const uint8_t *head, struct err *err)
{
	uint32_t size = be32(head);

	/* A TLS alert, or HTTP: no frame has such a size in practice. */
	if (memcmp(head, "HTTP", 4) == 0 || memcmp(head, "\x15\x03", 2) == 0)
		return err_set(err, E_MALFORMED, "the peer does not speak Kafka's protocol but %s",
			       head[0] == 'H' ? "HTTP"
					      : "TLS (see security.protocol)");
	if (size <= ci->conn->frame_bytes_max) {
		ci->frame_size = size;
		return 0;
	}
	if (size > INT32_MAX)
		return err_set(err, E_MALFORMED, "frame of negative size");
	if (isprint(head[0]) && isprint(head[1]) && isprint(head[2]) && isprint(head[3]))
		return err_set(err, E_MALFORMED, "the peer does not speak Kafka's protocol: it "
			       "begins with '%.4s'", (const char *)head);
	return err_set(err, E_TOO_LARGE, "frame of %u bytes, %zu are allowed", size,
		       ci->conn->frame_bytes_max);
}

static void conn_in_give(struct conn_impl *ci, struct slice frame)
{
	ci->conn->ops->frame(ci->conn, frame);
}

/* The frame under way is complete. */
static void conn_in_finish(struct conn_impl *ci)
{
	struct buf *frame = ci->frame;

	assert(ci->frame_len == ci->frame_size);
	ci->frame = NULL;
	ci->head_len = 0;
	ci->is_reserved = false;
	conn_in_give(ci, slice_of(frame, 0, ci->frame_size));
}

/* Room for more bytes of the frame under way. */
static struct iovec conn_in_room(struct conn_impl *ci)
{
	if (ci->head_len < 4)
		return (struct iovec){0};
	if (ci->frame_len == ci->frame->size) {
		size_t size = MIN(ci->frame_size, MAX(FRAME_START_BYTES, 2 * ci->frame->size));

		ci->frame = buf_resize(ci->frame, size);
	}
	return (struct iovec){ci->frame->data + ci->frame_len, ci->frame->size - ci->frame_len};
}

/* Size of the first buffer of a frame of which `len` bytes are there. A large frame gets no more
 * before it may have it (conn_ops.reserve). */
static size_t conn_in_first_room(const struct conn_impl *ci, size_t len)
{
	return ci->frame_size > CONN_RESERVE_BYTES ? len : MIN(ci->frame_size, 2 * len);
}

/* Keeps the start of a frame: its size and the bytes that are there. */
static void conn_in_keep(struct conn_impl *ci, const uint8_t *data, size_t len)
{
	size_t head_len = MIN(len, 4);

	memcpy(ci->head, data, head_len);
	ci->head_len = (unsigned)head_len;
	if (head_len < 4)
		return;
	ci->frame_len = len - 4;
	ci->frame = buf_new(conn_in_first_room(ci, ci->frame_len));
	memcpy(ci->frame->data, data + 4, ci->frame_len);
}

/* Slices whole frames off the shared buffer at `used`, where `len` bytes have arrived. */
static int conn_in_slice(struct conn_impl *ci, size_t len, struct err *err)
{
	struct buf *buf = buf_ref(shared.buf);	/* a callback may end the last connection */
	const uint8_t *data = buf->data + shared.used;
	int rc = 0;

	while (len >= 4) {
		size_t size;

		rc = conn_in_size(ci, data, err);
		if (rc < 0)
			break;
		size = ci->frame_size;
		if (len - 4 < size)
			break;
		if (size < CONN_COPY_BYTES) {
			conn_in_give(ci, slice_copy(data + 4, size));
		} else {
			/* Bytes behind it may be read over later, these not. */
			shared.used = (size_t)(data - buf->data) + 4 + size;
			conn_in_give(ci, slice_of(buf_ref(buf), (size_t)(data - buf->data) + 4,
						  size));
		}
		data += 4 + size;
		len -= 4 + size;
		if (ci->state == CONN_CLOSING)
			break;
	}
	if (rc == 0 && ci->state != CONN_CLOSING && len > 0)
		conn_in_keep(ci, data, len);
	buf_unref(buf);
	return rc;
}

/* `len` bytes arrived at the start of the shared room while a size was incomplete. */
static int conn_in_head(struct conn_impl *ci, const uint8_t **data, size_t *len, struct err *err)
{
	size_t part = MIN(*len, 4 - ci->head_len);
	int rc;

	memcpy(ci->head + ci->head_len, *data, part);
	ci->head_len += (unsigned)part;
	*data += part;
	*len -= part;
	if (ci->head_len < 4)
		return 0;
	rc = conn_in_size(ci, ci->head, err);
	if (rc < 0)
		return rc;
	part = MIN(*len, ci->frame_size);
	ci->frame = buf_new(conn_in_first_room(ci, part));
	memcpy(ci->frame->data, *data, part);
	ci->frame_len = part;
	*data += part;
	*len -= part;
	if (ci->frame_len == ci->frame_size)
		conn_in_finish(ci);
	return 0;
}

/* What one read brought: `n` bytes, first into `room`, the rest into the shared buffer. */
static int conn_in_take(struct conn_impl *ci, size_t n, size_t room, struct err *err)
{
	size_t into_frame = MIN(n, room);
	const uint8_t *start = shared.buf->data + shared.used;
	const uint8_t *data = start;
	size_t len = n - into_frame;
	int rc;

	ci->conn->bytes_in += n;
	if (room) {
		ci->frame_len += into_frame;
		if (ci->frame_len < ci->frame_size) {
			/* The room was less than the frame, so the rest is the frame's, too. */
			size_t part = MIN(len, ci->frame_size - ci->frame_len);

			if (part) {
				size_t need = ci->frame_len + part;

				ci->frame = buf_resize(ci->frame, MIN(ci->frame_size, 2 * need));
				memcpy(ci->frame->data + ci->frame_len, data, part);
				ci->frame_len = need;
				data += part;
				len -= part;
			}
		}
		if (ci->frame_len == ci->frame_size)
			conn_in_finish(ci);
	} else if (ci->head_len > 0) {
		rc = conn_in_head(ci, &data, &len, err);
		if (rc < 0)
			return rc;
	}
	if (ci->state == CONN_CLOSING || len == 0)
		return 0;
	/* A callback may have closed the last connection of the thread, but not this one: the
	 * buffer is still there, and `used` has not moved since the read. */
	shared.used += (size_t)(data - start);
	return conn_in_slice(ci, len, err);
}

/* Whether the frame under way may take the memory it needs; pauses the connection if not. */
static bool conn_in_reserve(struct conn_impl *ci)
{
	const struct conn_ops *ops = ci->conn->ops;

	if (!ops->reserve || ci->is_reserved || ci->head_len < 4 ||
	    ci->frame_size <= CONN_RESERVE_BYTES)
		return true;
	ci->is_reserved = ops->reserve(ci->conn, ci->frame_size);
	if (!ci->is_reserved)
		conn_pause(ci->conn);
	return ci->is_reserved;
}

int conn_in_read(struct conn_impl *ci, struct err *err)
{
	size_t turn = 0;

	while (turn < CONN_TURN_BYTES) {
		struct iovec iov[2];
		ssize_t n;
		size_t asked;
		int rc;

		if (!conn_in_reserve(ci))
			break;
		iov[0] = conn_in_room(ci);
		shared_prepare();
		iov[1] = (struct iovec){shared.buf->data + shared.used,
					shared.buf->size - shared.used};
		asked = iov[0].iov_len + (ci->tls && iov[0].iov_len ? 0 : iov[1].iov_len);
		n = conn_in_bytes(ci, iov, err);
		if (n == -EAGAIN)
			return 0;
		if (n == 0 && ci->head_len == 0)
			return 1;
		if (n == 0)
			return err_set(err, -ECONNRESET, "closed by the peer inside a frame");
		if (n < 0)
			return (int)n;
		ci->conn->last_active_ms = clock_mono_ms();
		turn += (size_t)n;
		rc = conn_in_take(ci, (size_t)n, iov[0].iov_len, err);
		if (rc < 0 || ci->state == CONN_CLOSING)
			return rc;
		if (ci->is_paused)
			break;
		/* The kernel had less than asked: no need to ask again (TLS gives one record). */
		if (!ci->tls && (size_t)n < asked)
			return 0;
	}
	ci->want_read = true;
	if (!ci->is_paused)
		conn_next_turn(ci);
	return 0;
}
