/* TCP connections that pass through: accepted at a door, and connected on to the port behind it.
 * What passes can be held up (a cut network: nothing is delivered, nothing is closed) or delayed,
 * depending on where a connection comes from and where it goes.
 *
 *	relay_new(&r, loop, &ops, ctx);
 *	rc = relay_open(r, end, port, port_behind, &err);	// a door of that end
 *	relay_changed(r);					// ops would answer otherwise now
 *	relay_close(r, end);		// nobody can connect any more; what is connected stays
 *	relay_free(r);			// then run the loop until it ends
 *
 * A cut keeps bytes and ends of streams where they are, in the system's buffers, as a network that
 * loses packets would: senders notice by their timeouts only, and when the cut is over, what was
 * sent arrives. A connection that is begun meanwhile is accepted, but not connected on; if whoever
 * began it gives up, it is forgotten.
 *
 * A delay is that of one direction: an answer comes twice that later. The order of bytes stays.
 *
 * One thread, that of the loop. */
#ifndef KAVKA_CMD_LAB_RELAY_H
#define KAVKA_CMD_LAB_RELAY_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <uv.h>

/* Connections at once; more are refused. Each costs two descriptors. */
#define RELAY_PAIRS_MAX 4096
/* What one direction of a connection holds: a delay of 200 ms lets 80 MB/s pass. */
#define RELAY_QUEUE_BYTES_MAX (16 * 1024 * 1024)

struct relay;

struct relay_ops {
	/* Which end a connection comes from: `from` connected to `to`, our door. */
	int (*source)(void *ctx, const struct sockaddr_in *from, const struct sockaddr_in *to);
	bool (*is_cut)(void *ctx, int from, int to);
	int64_t (*delay_ms)(void *ctx, int from, int to);
};

void relay_new(struct relay **out, uv_loop_t *loop, const struct relay_ops *ops, void *ctx);
/* Ends all connections. Its memory is freed by the loop. */
void relay_free(struct relay *r);
/* Opens a door on 127.0.0.1. -EADDRINUSE and others, with the port. */
MUST_USE int relay_open(struct relay *r, int end, int port, int port_behind, struct err *err);
void relay_close(struct relay *r, int end);
void relay_changed(struct relay *r);
unsigned relay_pair_count(const struct relay *r);

#endif
