/* A client of a Kafka cluster: connections, metadata, and requests to the broker they are for.
 *
 *	rc = client_new(&c, cfg, NULL, &err);
 *	struct list_groups_request *req = WIRE_NEW(&arena, list_groups_request);
 *	rc = client_call(c, TO_NODE(1), API_LIST_GROUPS, req, &arena, (void **)&resp, NULL, &err);
 *	client_free(c);
 *
 * Works with every broker since Kafka 2.1: each connection begins with ApiVersions, and a request
 * goes out in the highest version both sides have. Nothing connects before the first request.
 *
 * One thread: that of the loop. client_call() and the other waiting functions run the loop until
 * they are done; they must not be called from a callback. Everything a call can fail with:
 *	E_UNREACHABLE	no broker could be reached; the message names each address and why
 *	E_TIMEOUT	the time is over; the message has the last reason
 *	E_AUTH		TLS or SASL refused (never retried)
 *	E_UNSUPPORTED	the broker does not have the API, or no version of it that will do
 *	E_NOT_FOUND	TO_LEADER: no such topic or partition. TO_NODE: no such broker
 *	E_KAFKA		FindCoordinator or Metadata was answered with an error (err->kafka_error)
 *	E_INTERRUPTED	client_interrupt() was called
 *	E_CLOSED	the connection broke after a request that must not be sent twice was sent
 * Errors inside responses are the caller's, but those that say "wrong broker" or "not yet" (not
 * leader, not coordinator, not controller, loading) are retried here until the deadline; of what
 * went to any broker or a certain one only where the leader of the metadata's quorum answers. */
#ifndef KAVKA_CLIENT_CLIENT_H
#define KAVKA_CLIENT_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "client/config.h"
#include "wire/api.h"
#include "wire/codec.h"
#include "wire/errors.h"
#include "wire/messages.h"

#include <uv.h>

struct client;
struct tls_context;

/* Before a broker was ever reached, calls fail with E_UNREACHABLE after this time, if every
 * address was tried. Afterwards they go on trying until their own deadline. */
#define CLIENT_UNREACHABLE_MS 3000

struct client_options {
	uv_loop_t *loop;		/* NULL: its own */
	int64_t unreachable_ms;		/* 0: CLIENT_UNREACHABLE_MS; < 0: never give up */
	const char *name;		/* client.id when the config has none; NULL: none */
};

/* Takes nothing: `cfg` is borrowed until client_free(), and checked (client_config_check).
 * `options` may be NULL. 0, E_INVALID (bootstrap.servers and other configs), or what the TLS
 * stores give. Nothing is sent yet. */
MUST_USE int client_new(struct client **out, struct client_config *cfg,
			const struct client_options *options, struct err *err);
/* Calls that are still under way end with E_INTERRUPTED, connections are closed, and the client's
 * own loop ends. Not from a callback. NULL is fine. */
void client_free(struct client *c);
/* Was a client freed while the system was still looking up a name for it? That goes on in a thread,
 * which exit() would wait for: the process should end by _exit(). */
bool client_has_left(void);

/* The TLS context that the ssl.* configs ask for, for those who connect by themselves: gives one
 * reference. Errors: tls_context_new()'s. */
MUST_USE int client_tls_context(const struct client_config *cfg, struct tls_context **out,
				struct err *err);

uv_loop_t *client_loop(struct client *c);
struct client_config *client_config_of(struct client *c);

/* ---- Where a request goes -------------------------------------------------------------------- */

enum target_kind {
	TARGET_ANY,		/* the least busy broker that is connected, or any */
	TARGET_NODE,
	TARGET_CONTROLLER,	/* as Metadata tells it */
	TARGET_GROUP,		/* the coordinator of a group */
	TARGET_TXN,		/* the coordinator of a transactional id */
	TARGET_LEADER,		/* of a partition */
};

struct target {
	enum target_kind kind;
	int32_t node_id;	/* TARGET_NODE */
	struct str key;		/* group, transactional id or topic; borrowed until done */
	int32_t partition;	/* TARGET_LEADER */
};

#define TO_ANY ((struct target){.kind = TARGET_ANY})
#define TO_NODE(id) ((struct target){.kind = TARGET_NODE, .node_id = (id)})
#define TO_CONTROLLER ((struct target){.kind = TARGET_CONTROLLER})
#define TO_GROUP(group) ((struct target){.kind = TARGET_GROUP, .key = (group)})
#define TO_TXN(id) ((struct target){.kind = TARGET_TXN, .key = (id)})
#define TO_LEADER(topic, index) \
	((struct target){.kind = TARGET_LEADER, .key = (topic), .partition = (index)})

/* ---- Requests -------------------------------------------------------------------------------- */

/* One request. The caller zeroes it, fills the first part and keeps it until `done`, which comes
 * from the loop, once; `request` and what it refers to are borrowed until then. */
struct call {
	struct target target;
	int16_t api_key;
	const void *request;
	/* Versions that will do, both inclusive; max 0: no bound. */
	int16_t version_min, version_max;
	int64_t timeout_ms;		/* in all; 0: default.api.timeout.ms; < 0: no end */
	int64_t attempt_ms;		/* one answer; 0: request.timeout.ms */
	bool is_fetch, is_group;	/* on the connection for long polls, or a group's calls */
	bool no_retry;			/* one attempt; the first failure ends it */
	bool no_response;		/* Produce with acks=0: done when sent */
	bool is_exact;			/* in version_max, whatever the broker says it supports */
	/* Called before each attempt with the version, when the request depends on it. May change
	 * `request`. NULL: not needed. */
	void (*prepare)(struct call *call, int16_t version);
	void (*done)(struct call *call);
	void *owner;

	/* The result. `response` is in `arena` and borrows `frame`. */
	int rc;
	struct err err;
	/* It had left, at least in part, and it is not known what became of it: with rc < 0, this
	 * attempt; with rc 0, one before the one that was answered. */
	bool was_sent;
	int16_t version;
	int32_t node_id;		/* who answered, or was tried last */
	int32_t correlation_id;		/* of the last attempt that was sent */
	void *response;
	struct arena arena;
	struct slice frame;

	/* the client's */
	struct list_node link;
	struct heap_node deadline;
	struct heap_node wake;		/* end of the attempt, or of the backoff before the next */
	struct client *client;
	struct pending *pending;	/* on its way */
	struct link *on;
	unsigned attempt_count;
	int state;
	bool refreshed;			/* metadata was asked for on its behalf */
	uint64_t refresh_number;	/* of the metadata request that will tell */
};

void client_request(struct client *c, struct call *call);
/* Forgets it: `done` will not come. Fine for a call that is done. Frees as call_fini(). */
void client_cancel(struct call *call);
/* Frees the response. */
void call_fini(struct call *call);

/* Sends and waits. The response goes to *response, in `arena`, with all its bytes; its version to
 * *version (NULL: not wanted). Time: default.api.timeout.ms. */
MUST_USE int client_call(struct client *c, struct target target, int16_t api_key,
			 const void *request, struct arena *arena, void **response,
			 int16_t *version, struct err *err);
/* Sends `count` calls (filled in as above, without `done`) at once and waits for all of them; each
 * has its own rc and err. Returns 0, or E_INTERRUPTED. The caller does call_fini(). */
MUST_USE int client_call_all(struct client *c, struct call *calls, size_t count, struct err *err);

/* Runs the loop until `done(ctx)` or `timeout_ms` (< 0: no end) is over.
 * 0, E_TIMEOUT, E_INTERRUPTED. */
MUST_USE int client_wait(struct client *c, bool (*done)(void *ctx), void *ctx,
			 int64_t timeout_ms);
/* Makes the waiting function that runs, or the next one, return E_INTERRUPTED. From callbacks of
 * the loop (a signal's). */
void client_interrupt(struct client *c);

/* Highest version of the API that both sides have, on the connection to the node (-1: any broker
 * connected); -1 if not known yet or not supported. */
int client_api_version(struct client *c, int32_t node_id, int16_t api_key);
/* Connects to the node (or any, -1) and gives its ApiVersions response, in `arena`. */
MUST_USE int client_api_versions(struct client *c, int32_t node_id, struct arena *arena,
				 struct api_versions_response **out, struct err *err);

/* ---- Metadata -------------------------------------------------------------------------------- */

struct client_partition {
	int32_t leader;			/* -1: none */
	int32_t leader_epoch;		/* -1: not known */
	int16_t error;
	int32_t *replicas, replica_count;
	int32_t *isr, isr_count;
};

struct client_topic {
	struct map_node node;
	struct map_node id_node;
	struct str name;
	struct uuid id;			/* zero before Metadata v10 */
	int16_t error;			/* of the last answer */
	unsigned error_count;		/* answers in a row with an error */
	bool is_internal;
	bool is_known;			/* an answer had it */
	int32_t partition_count;
	struct client_partition *partitions;
	unsigned wanted_count;		/* who keeps it fresh */
	int64_t updated_ms;		/* of the last answer, monotonic */
	struct arena arena;		/* of the partitions */
};

struct client_broker {
	int32_t id;
	const char *host;
	int32_t port;
	const char *rack;		/* NULL: none */
};

/* Have metadata kept up to date for a topic (counted), or for all topics; `allow_create` lets the
 * broker create it by its config. The answer comes as an event (client_watch) or is waited for. */
void client_want_topic(struct client *c, struct str name, bool allow_create);
void client_unwant_topic(struct client *c, struct str name);
void client_want_all(struct client *c);
/* Asks for metadata as soon as the backoff allows. */
void client_refresh(struct client *c);
/* Metadata of the wanted topics, now. 0 or an error of a call. */
MUST_USE int client_refresh_wait(struct client *c, struct err *err);

/* NULL if it is not wanted; see is_known. Changes when metadata is updated. */
const struct client_topic *client_topic(const struct client *c, struct str name);
const struct client_topic *client_topic_by_id(const struct client *c, struct uuid id);
/* All known topics, in no order: ctx gets each; stops when it returns false. */
void client_each_topic(const struct client *c,
		       bool (*each)(void *ctx, const struct client_topic *t), void *ctx);
size_t client_brokers(const struct client *c, const struct client_broker **out); /* sorted by id */
const struct client_broker *client_broker(const struct client *c, int32_t id);
const char *client_cluster_id(const struct client *c);	/* NULL: not known */
int32_t client_controller_id(const struct client *c);	/* -1: not known */
/* A response said who leads now: taken over if the epoch is not older. */
void client_set_leader(struct client *c, struct str topic, int32_t partition, int32_t leader,
		       int32_t leader_epoch);
/* The answer to the cached coordinator was "not me": looked up again at the next call. */
void client_forget_coordinator(struct client *c, enum target_kind kind, struct str key);
/* -1: not known now. */
int32_t client_coordinator(const struct client *c, enum target_kind kind, struct str key);

/* Events. The watcher is the caller's; called from the loop. */
struct client_watcher {
	struct list_node link;
	void (*metadata_changed)(struct client_watcher *w);
};
void client_watch(struct client *c, struct client_watcher *w);
void client_unwatch(struct client_watcher *w);

/* One-shot timers on the client's loop (monotonic milliseconds from now). Starting a pending one
 * moves it. */
struct client_timer {
	struct heap_node node;
	void (*fire)(struct client_timer *t);
};
void client_timer_start(struct client *c, struct client_timer *t, int64_t delay_ms);
void client_timer_stop(struct client *c, struct client_timer *t);

/* Backoff before attempt number `attempt` (from 1) by retry.backoff.ms, with jitter. */
int64_t client_backoff_ms(struct client *c, unsigned attempt);

#endif
