/* A request on its way through the broker, and the table of handlers.
 *
 * The connection's shard decodes a frame into a `struct request` and calls the handler of its API
 * there, with `pending_count` 1. The handler fills `response` (the API's generated response struct,
 * already initialised with its defaults) and calls request_done(). When the answer needs other
 * shards or has to wait, it calls request_hold() for each part that is still owed before it hands
 * the part on (a task in `arena`, a timer, a waiter of a partition), and request_done() on the
 * connection's shard as each part is in. At zero the response is encoded and leaves when it is its
 * turn: responses leave in the order of the requests.
 *
 * Threads: the request, its arena and its response belong to the connection's shard. A task that
 * visits another shard may read the decoded body (nobody changes it) and write only its own part,
 * which was allocated before it left; it then posts itself back to `shard`.
 *
 * Life: a request lives until its response has left, also when its connection is gone meanwhile:
 * parts always come back, the response is then dropped. */
#ifndef KAVKA_BROKER_API_REQUEST_H
#define KAVKA_BROKER_API_REQUEST_H

#include "shard/shard.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/file_ref.h"

#include "wire/api.h"
#include "wire/errors.h"
#include "wire/messages.h"

struct request {
	struct shard *shard;		/* the connection's */
	struct arena arena;
	struct slice frame; /* bytes as received: what is decoded points into it; ours to write */
	const struct api *api;
	int16_t version;
	int32_t correlation_id;
	struct str client_id;		/* "" if null */
	const char *listener;		/* name of the listener, upper case */
	uint8_t listener_type;		/* LISTENER_BROKER or LISTENER_CONTROLLER */
	const char *principal;		/* "User:ANONYMOUS" without authentication */
	const char *client_host;	/* "/127.0.0.1", as Kafka prints it */
	void *body;			/* the decoded request struct */
	void *response;			/* the response struct, in arena */
	unsigned pending_count;		/* parts still owed; the response leaves at 0 */
	bool no_response;		/* acks=0: nothing is sent */
	bool close_after;		/* close the connection instead of (or after) answering */
	int64_t received_us;		/* monotonic */
	struct request_keep *keeps;	/* released when the response has left */
	void (*finished)(struct request *r);	/* server's: nothing is owed any more */
	/* The handler's, NULL: not of interest. The connection is gone and nobody waits for the
	 * answer; what is owed is owed all the same. */
	void (*abandoned)(struct request *r);
	void *state;			/* the handler's */
};

typedef void (*api_handler)(struct request *r);

/* The handler of an API on a listener of this type (LISTENER_*); NULL: it is not served there.
 * Tables in api/handlers.h. */
api_handler api_handler_of(const struct api *api, uint8_t listener_type);

/* One more, one less part owed. At zero the response is encoded and queued. */
void request_hold(struct request *r);
void request_done(struct request *r);

/* Keeps `file` (takes one reference) until the response has left: for file ranges in it. */
void request_keep_file(struct request *r, struct file_ref *file);
/* Keeps a buffer (takes one reference) until the response has left. */
void request_keep_buf(struct request *r, struct buf *buf);

/* Drops what was kept. server's. */
void request_release_kept(struct request *r);

/* Records that stay in their file: gives a slice for a `records` field of the response, which the
 * codec takes for bytes elsewhere (wire/codec.h, struct wire_part). Copies `range` to the arena;
 * its file reference is the caller's to hand to request_keep_file(). A range of length 0 gives an
 * empty slice. */
struct slice request_file_slice(struct arena *arena, const struct file_range *range);
/* Whether the slice (also of a wire_part) is one: then *range borrows what it stands for. Who
 * encodes the response makes a conn piece of it. */
bool request_slice_is_file(struct slice slice, struct file_range *range);

#endif
