/* Inside broker/server: the shard's thread, loop, inbox and timers behind shard/shard.h. */
#ifndef KAVKA_BROKER_SERVER_SHARD_INT_H
#define KAVKA_BROKER_SERVER_SHARD_INT_H

#include "shard/shard.h"
#include "base/err.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct server;

struct server_shard {
	struct shard shard;    /* first: the door's view */
	struct server *server; /* fixed */
	struct env env;
	uv_loop_t loop;
	uv_thread_t thread;
	bool is_started; /* main thread: `thread` is there */

	/* any thread, atomic: tasks posted, newest first */
	_Atomic(struct task *) inbox;
	uv_async_t wake;

	/* shard only */
	struct heap timers;
	uv_timer_t timer;
	int64_t timer_armed_for; /* INT64_MAX: not armed */
	struct list_node conns;  /* server_conn.link, least recently active first */
	unsigned conn_count;
	unsigned work_count;     /* env_work items under way */
	struct timer idle_timer; /* closes idle connections */
	struct timer tick_timer; /* replica_set_tick, ... */
};

static inline struct server_shard *shard_impl(struct shard *s)
{
	return CONTAINER_OF(s, struct server_shard, shard);
}

/* Prepares loop, inbox and timers; the thread is started by shard_start. */
MUST_USE int shard_init(struct server_shard *s, struct server *server, struct broker *broker,
			unsigned index, struct err *err);
MUST_USE int shard_start(struct server_shard *s, struct err *err);

/* From any thread: the loop ends once its handles are closed and its work is done; then
 * shard_join() returns. The shard's own part (connections, replicas) was closed before. */
void shard_stop(struct server_shard *s);
/* Also for a shard that was never started: its loop is then run to its end here. */
void shard_join(struct server_shard *s);
void shard_fini(struct server_shard *s);

/* Runs `run(arg)` on the shard's thread and waits until it is done. Not from a shard's thread. */
void shard_call(struct server_shard *s, void (*run)(struct server_shard *s, void *arg), void *arg);

#endif
