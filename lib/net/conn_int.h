/* Inside of connections: shared by conn.c (life, events), conn_in.c (reading), conn_out.c
 * (writing). */
#ifndef KAVKA_NET_CONN_INT_H
#define KAVKA_NET_CONN_INT_H

#include "net/conn.h"
#include "net/tls.h"

#include <stdbool.h>

#define CONN_MAGIC 0x636f6e6eu

/* Bytes that one event may read or write before other connections get their turn. */
#define CONN_TURN_BYTES (4 * 1024 * 1024)

enum conn_state {
	CONN_CONNECTING,
	CONN_HANDSHAKE,	/* TLS */
	CONN_OPEN,
	CONN_CLOSING,	/* no callback but `freed` any more */
};

struct conn_impl {
	struct conn *conn;
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_idle_t idle;			/* active while something waits for the next turn */
	int fd;
	int events;			/* what `poll` watches */
	unsigned handle_count;		/* not yet closed */
	enum conn_state state;
	bool is_paused;
	bool in_event;			/* callbacks run: sends are collected until they end */
	bool want_connected;		/* tell the owner in the next turn */
	bool want_read;			/* bytes may wait inside TLS or the turn was over */
	bool want_drained;
	struct tls_session *tls;	/* NULL: plaintext */

	/* reading: a frame that has not arrived in full */
	uint8_t head[4];
	unsigned head_len;		/* of its size; 4: `frame` is in use */
	struct buf *frame;		/* grows with what arrives */
	size_t frame_len, frame_size;
	bool is_reserved;		/* conn_ops.reserve allowed this frame */

	/* writing */
	struct list_node out;		/* struct frame_out, in order */
	struct list_node done;		/* sent, owner not yet told */
	int rc;				/* < 0: failed, owner not yet told */
	struct err err;
};

/* Has the idle handle fire in the next turn of the loop. */
void conn_next_turn(struct conn_impl *ci);

/* Reads what is there and calls `frame`. 0; < 0: the connection is over (*err); 1: the peer
 * closed it between frames. Stops early when the owner closes the connection. */
MUST_USE int conn_in_read(struct conn_impl *ci, struct err *err);
void conn_in_start(struct conn_impl *ci);	/* once for each connection: the thread's buffer */
void conn_in_stop(struct conn_impl *ci);

/* Writes what the socket takes. 0 all is written, 1 more waits, < 0 failed. */
MUST_USE int conn_out_write(struct conn_impl *ci, struct err *err);
/* Calls `sent` for frames on the done list; with rc < 0 for all that is queued, too. */
void conn_out_report(struct conn_impl *ci, int rc);

#endif
