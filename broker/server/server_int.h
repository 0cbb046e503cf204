/* Inside broker/server: the process as a whole. */
#ifndef KAVKA_BROKER_SERVER_SERVER_INT_H
#define KAVKA_BROKER_SERVER_SERVER_INT_H

#include "api/request.h"
#include "config/config.h"
#include "controller/control.h"
#include "log/log_dir.h"
#include "metadata/image.h"
#include "metrics/metrics.h"
#include "replica/throttle.h"
#include "server/listener.h"
#include "server/server.h"
#include "server/server_conn.h"
#include "server/shard_int.h"

#include <signal.h>

struct http;

#define SERVER_LISTENERS_MAX 16

enum server_state { /* BrokerState.java's numbers, for the metric */
		    SERVER_STARTING = 1,
		    SERVER_RECOVERY = 2,
		    SERVER_RUNNING = 3,
		    SERVER_CONTROLLED_SHUTDOWN = 6,
		    SERVER_SHUTTING_DOWN = 7,
};

struct server {
	/* fixed after start */
	struct broker broker;
	struct server_shard *shards;
	struct config *config; /* as loaded; shards have their current one */
	struct log_dir **dirs;
	unsigned dir_count;    /* of log.dirs */
	unsigned opened_count; /* and metadata.log.dir, if it is apart: the last */
	struct env env;        /* the main thread's */
	struct listener_ctx listeners[SERVER_LISTENERS_MAX];
	unsigned listener_count;
	struct image_endpoint endpoints[SERVER_LISTENERS_MAX]; /* advertised */
	unsigned endpoint_count;
	struct image_endpoint controller_endpoint;
	struct arena arena; /* what the fixed part points to */
	int64_t started_ms;
	int64_t memory_max; /* bytes of requests, all shards together */
	struct http *http;  /* NULL: no HTTP port */
	sigset_t signals;   /* that end the broker */

	/* any thread, atomic */
	_Atomic int64_t memory_bytes;
	_Atomic int state;             /* enum server_state */
	_Atomic unsigned dirs_offline; /* a bit for each log directory */
	_Atomic int64_t requests_live;
	struct replica_throttles throttles;

	/* shard 0 only */
	struct listener_set listener_set;   /* for clients and brokers: max.connections counts */
	struct listener_set controller_set; /* for the quorum, and for brokers of its cluster */
	unsigned next_shard; /* for the next connection */
	struct control *control;
	const struct image *latest; /* newest image given by control, before the shards */
	bool is_caught_up;          /* images go to the shards from here on */
	bool is_unfenced, is_open;  /* as the control plane says; connections are accepted */
	unsigned applying;          /* shards that have not applied `latest` yet */
	bool has_delivered;         /* an image to be applied */
	unsigned showing;           /* shards that do not have `shown` yet */
	const struct image *shown;  /* no reference: to be compared with `latest` */
	struct timer checkpoint_timer, high_watermark_timer;
	struct timer cleaner_timer;
	bool cleaner_is_wanted, cleaner_is_written; /* its file: to be written, being written */

	/* main thread waits on these */
	uv_sem_t ready;
	uv_sem_t control_stopped;
};

/* Request memory: what frames and requests hold, counted broker-wide. */
void server_memory_take(struct server_shard *s, size_t bytes);
void server_memory_give_back(struct server_shard *s, size_t bytes);
bool server_memory_is_short(struct server_shard *s);

size_t server_frame_bytes_max(struct server_shard *s);
void server_conn_count(struct server_shard *s, int change);
void server_request_metrics(struct server_shard *s, const struct request *r);

/* Takes a log directory offline on every shard, once; the last one ends the process. Any shard. */
void server_dir_failed(struct server_shard *s, unsigned dir, const char *why);

/* ---- shutdown.c: the ordered stop, on the main thread
 * -------------------------------------------- */

void server_stop(struct server *server);
/* After a start that failed: nothing was served, nothing is to be written. */
void server_abandon(struct server *server);

/* ---- images.c: metadata images on their way to the shards (shard 0) ---------------------------
 */

/* Once the control plane is there: opens the doors of the controllers, which everything else may
 * need; a node that is no broker is ready then. */
void images_begin(struct server *server);

/* control's callbacks. */
void server_on_image(void *ctx, const struct image *image);
void server_on_caught_up(void *ctx);
void server_on_ready(void *ctx);

/* ---- checkpoints.c -----------------------------------------------------------------------------
 */

enum { CHECKPOINT_OFFSETS = 1, CHECKPOINT_HIGH_WATERMARK = 2, CHECKPOINT_CLEANER = 4 };

/* Starts the timers that write the checkpoint files. Shard 0. */
void checkpoints_start(struct server *server);
void checkpoints_stop(struct server *server);
/* Any shard: a log was cleaned. The file is written soon, once for all that happens meanwhile. */
void checkpoints_cleaned(struct server *server);
/* Writes all of them now, from the main thread, when nothing else does any more. Returns 0 or the
 * first error; `ok[dir]` is cleared for a directory that failed. */
int checkpoints_write_all(struct server *server, bool *ok);

/* ---- http.c ------------------------------------------------------------------------------------
 */

MUST_USE int http_start(struct http **out, struct server *server, const char *listen,
			struct err *err);
void http_stop(struct http *h); /* NULL is fine */

#endif
