/* Writing: pieces of all queued frames are gathered into one sendmsg(), up to the first file
 * range, which goes by sendfile(); MSG_MORE joins what is before it to it. With TLS, pieces pass
 * through a buffer of one record. */
#include "net/conn_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOV_MAX_COUNT 64
#define TLS_RECORD_BYTES (16 * 1024)

static struct frame_out *out_first(struct conn_impl *ci)
{
	return LIST_FIRST(&ci->out, struct frame_out, link);
}

static size_t piece_len(const struct piece *p)
{
	return p->range.file ? p->range.len : p->bytes.len;
}

/* Moves on by `n` bytes; frames that are complete go to the done list. */
static void out_advance(struct conn_impl *ci, size_t n)
{
	ci->conn->bytes_out += n;
	ci->conn->out_bytes -= n;
	for (;;) {
		struct frame_out *f = out_first(ci);

		if (!f)
			break;
		while (f->piece_at < f->piece_count) {
			size_t part = MIN(n, piece_len(&f->pieces[f->piece_at]) - f->piece_pos);

			f->piece_pos += part;
			n -= part;
			if (f->piece_pos < piece_len(&f->pieces[f->piece_at]))
				return;
			f->piece_at++;
			f->piece_pos = 0;
		}
		list_remove(&f->link);
		list_push_back(&ci->done, &f->link);
	}
	assert(n == 0);
}

/* Gathers bytes up to the first file range; *more: a file range follows. */
static int out_gather(struct conn_impl *ci, struct iovec *iov, bool *more)
{
	struct frame_out *f;
	int count = 0;

	*more = false;
	LIST_FOREACH(&ci->out, f, struct frame_out, link)
	{
		size_t pos = f->piece_pos;

		for (unsigned i = f->piece_at; i < f->piece_count; i++, pos = 0) {
			const struct piece *p = &f->pieces[i];

			if (p->range.file) {
				*more = true;
				return count;
			}
			if (p->bytes.len == pos)
				continue;
			iov[count].iov_base = (void *)(uintptr_t)(p->bytes.data + pos);
			iov[count++].iov_len = p->bytes.len - pos;
			if (count == IOV_MAX_COUNT)
				return count;
		}
	}
	return count;
}

/* Bytes written, or -errno. */
static ssize_t out_plain(struct conn_impl *ci)
{
	struct iovec iov[IOV_MAX_COUNT];
	bool more;
	int count = out_gather(ci, iov, &more);
	struct frame_out *f = out_first(ci);
	const struct piece *p;
	ssize_t n;
	off_t pos;

	if (count > 0) {
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};

		n = sendmsg(ci->fd, &msg, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
		return n < 0 ? -errno : n;
	}
	p = &f->pieces[f->piece_at];
	if (!p->range.file || p->range.len == f->piece_pos)
		return 0;		/* nothing but empty pieces */
	pos = p->range.pos + (off_t)f->piece_pos;
	n = sendfile(ci->fd, p->range.file->fd, &pos,
		     MIN(p->range.len - f->piece_pos, (size_t)CONN_TURN_BYTES));
	if (n == 0)
		return E_SHORT;		/* the file is shorter than what was promised */
	return n < 0 ? -errno : n;
}

/* Fills one TLS record from the queue; < 0 when the file cannot be read. */
static ssize_t out_record(struct conn_impl *ci, uint8_t *record)
{
	struct frame_out *f;
	size_t len = 0;

	LIST_FOREACH(&ci->out, f, struct frame_out, link)
	{
		size_t pos = f->piece_pos;

		for (unsigned i = f->piece_at; i < f->piece_count; i++, pos = 0) {
			const struct piece *p = &f->pieces[i];
			size_t part = MIN(piece_len(p) - pos, TLS_RECORD_BYTES - len);
			ssize_t n = (ssize_t)part;

			if (part > 0 && p->range.file)
				n = pread(p->range.file->fd, record + len, part,
					  p->range.pos + (off_t)pos);
			else if (part > 0)
				memcpy(record + len, p->bytes.data + pos, part);
			if (n < 0)
				return -errno;
			if (n == 0 && part > 0)
				return E_SHORT;
			len += (size_t)n;
			if (len == TLS_RECORD_BYTES || (size_t)n < part)
				return (ssize_t)len;
		}
	}
	return (ssize_t)len;
}

static ssize_t out_tls(struct conn_impl *ci, struct err *err)
{
	uint8_t record[TLS_RECORD_BYTES];
	ssize_t len = out_record(ci, record);

	if (len <= 0)
		return len;
	return tls_write(ci->tls, record, (size_t)len, err);
}

int conn_out_write(struct conn_impl *ci, struct err *err)
{
	size_t turn = 0;

	err->text[0] = '\0';
	while (!list_empty(&ci->out)) {
		ssize_t n = ci->tls ? out_tls(ci, err) : out_plain(ci);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN || n == -EWOULDBLOCK)
			return 1;
		if (n < 0) {
			if (!err->text[0])
				err_set(err, (int)n, "%s",
					n == -EPIPE ? "closed by the peer" : err_text((int)n));
			return (int)n;
		}
		out_advance(ci, (size_t)n);
		turn += (size_t)n;
		if (turn >= CONN_TURN_BYTES)
			return list_empty(&ci->out) ? 0 : 1;
	}
	ci->conn->last_active_ms = clock_mono_ms();
	return 0;
}

void conn_out_report(struct conn_impl *ci, int rc)
{
	struct list_node *node;

	for (;;) {
		node = list_pop_front(&ci->done);
		if (!node)
			break;
		LIST_ENTRY(node, struct frame_out, link)->sent(
			LIST_ENTRY(node, struct frame_out, link), 0);
	}
	if (rc == 0)
		return;
	for (;;) {
		node = list_pop_front(&ci->out);
		if (!node)
			break;
		LIST_ENTRY(node, struct frame_out, link)->sent(
			LIST_ENTRY(node, struct frame_out, link), rc);
	}
	ci->conn->out_bytes = 0;
}
