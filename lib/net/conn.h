/* A framed connection on a libuv loop: Kafka's frames (int32 size, then that many bytes) in, frames
 * made of byte slices and file ranges out, in the order they were queued.
 *
 * Both sides use it: the client connects, the broker accepts. TLS, when set, is inside. One
 * connection belongs to the thread of its loop. Calls: conn_connect() or conn_accept(), then
 * callbacks come from the loop only (never from inside a call made by the owner), `closed` last and
 * exactly once, unless the owner closes it first: after conn_close() no callback comes, except
 * `freed`.
 *
 * Reading is bounded: no frame larger than `frame_bytes_max` is accepted, and the buffer of a large
 * frame grows as its bytes arrive, so that a peer that announces much and sends little costs
 * little. conn_pause() stops reading (back-pressure), conn_resume() goes on; frames that one read
 * brought together (CONN_READ_BYTES at most) still come after conn_pause().
 *
 * Frames sent from inside a callback of the same connection leave together when it returns.
 * After `closed` the connection is over: `freed` follows by itself, and conn_close() does
 * nothing more; conn_send() then gives the frame straight back to `sent`. */
#ifndef KAVKA_NET_CONN_H
#define KAVKA_NET_CONN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/file_ref.h"
#include "base/list.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

/* One read takes at most this much of small frames. */
#define CONN_READ_BYTES (128 * 1024)
/* A frame below this is given in a buffer of its own, not as a slice of the read buffer. */
#define CONN_COPY_BYTES 4096
/* A frame above this asks conn_ops.reserve first. */
#define CONN_RESERVE_BYTES (256 * 1024)

struct conn;
struct tls_context;

struct conn_ops {
	/* Connected (and TLS handshake done). Accepted connections get it too. NULL: not wanted. */
	void (*connected)(struct conn *c);
	/* A whole frame, without its size. Takes `frame` (one reference, written by nobody else:
	 * its bytes may be changed in place). */
	void (*frame)(struct conn *c, struct slice frame);
	/* A frame above CONN_RESERVE_BYTES has begun: may its memory be used? Called before its
	 * bytes are read; false: not now. Then the connection is paused, and asks again when it is
	 * resumed. NULL: always. */
	bool (*reserve)(struct conn *c, size_t frame_bytes);
	/* All queued frames have been handed to the kernel. NULL: not wanted. */
	void (*drained)(struct conn *c);
	/* The connection ended: 0 if the peer closed it cleanly between frames, else the reason
	 * (-errno, E_TIMEOUT, E_TOO_LARGE, E_MALFORMED, E_AUTH), with a line in `err`. */
	void (*closed)(struct conn *c, int rc, const struct err *err);
	/* The handles are gone: the memory around `c` may be freed now. */
	void (*freed)(struct conn *c);
};

/* A part of a frame to send. */
struct piece {
	struct slice bytes;		/* used if range.file is NULL */
	struct file_range range;
};

/* A frame to send: pieces go out one after the other. */
struct frame_out {
	struct list_node link;		/* conn's */
	/* 0: handed to the kernel; < 0: never will be. */
	void (*sent)(struct frame_out *f, int rc);
	struct piece *pieces;		/* the owner's, with their references, until `sent` */
	unsigned piece_count;
	unsigned piece_at;		/* conn's */
	size_t piece_pos;		/* conn's */
};

/* The owner embeds it; fields are the implementation's but for `owner` and the counters. */
struct conn {
	uint32_t magic;
	const struct conn_ops *ops;
	void *owner;
	size_t frame_bytes_max;
	struct sockaddr_storage local, peer;	/* fixed once connected */
	uint64_t bytes_in, bytes_out;
	int64_t last_active_ms;			/* monotonic clock */
	size_t out_bytes;			/* queued and not yet sent */
	struct conn_impl *impl;
};

/* `tls`: NULL for plaintext; `server_name` for TLS verification (may be NULL).
 * Prepares `c` (zeroed by the owner); returns 0 or -errno before anything is started. */
MUST_USE int conn_connect(struct conn *c, uv_loop_t *loop, const struct conn_ops *ops,
			  const struct sockaddr *addr, struct tls_context *tls,
			  const char *server_name, struct err *err);
/* Takes the accepted, non-blocking socket `fd` (closed by conn also when this fails). */
MUST_USE int conn_accept(struct conn *c, uv_loop_t *loop, const struct conn_ops *ops, int fd,
			 struct tls_context *tls, struct err *err);

/* Queues a frame; bytes leave at once if the socket takes them. The size prefix is the caller's
 * first piece. After an error `sent` comes with the error, from the loop. */
void conn_send(struct conn *c, struct frame_out *f);

void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Ends the connection at once; frames not yet sent get their `sent` with E_CLOSED before this
 * returns. Then `freed` comes from the loop. */
void conn_close(struct conn *c);

/* "127.0.0.1:9092" or "[::1]:9092" into `text`; returns it. */
#define CONN_ADDR_TEXT_MAX 64
char *conn_addr_format(const struct sockaddr *addr, char text[CONN_ADDR_TEXT_MAX]);

#endif
