/* A shard as the rest of the broker sees it: one thread, one loop, its connections and partitions.
 *
 * Everything a shard owns is touched by its thread only. Other shards send it a task; the answer is
 * a task back. broker/server makes the shards; handlers, replicas and coordinators use this door.
 *
 * Ownership of a partition is fixed: shard_owner() is a function of topic id and partition index.
 * Shard 0 has none, nor clients: it runs the control plane (raft, controller, metadata loader,
 * producer id blocks), accepts connections, and serves those of the controllers' listeners. A
 * thousand partitions that are opened at once must not keep the quorum waiting. */
#ifndef KAVKA_BROKER_SHARD_SHARD_H
#define KAVKA_BROKER_SHARD_SHARD_H

#include "base/env.h"
#include "base/heap.h"
#include "base/uuid.h"

struct shard;
struct image;			/* metadata/image.h: immutable, replaced as a whole */
struct replica_set;		/* replica/replica.h: the partitions of this shard */
struct group_coordinator;	/* group/group.h: the groups whose partitions this shard owns */
struct control;			/* controller/control.h: the control plane, shard 0 only */
struct config;			/* config/config.h: the broker's configs, immutable snapshot */
struct metrics;
struct fetch_sessions;		/* api/fetch_session.h */
struct telemetry;		/* api/telemetry.h */
struct dir_batch;		/* api/assign_dirs.h */
struct alter_isr;		/* api/alter_isr.h */
struct quotas;			/* api/quotas.h */

/* Keys of APIs are below. */
#define SHARD_APIS 128

/* A message to a shard. The sender owns the memory; `run` is called once on the target's thread. */
struct task {
	struct task *next;	/* the queue's */
	void (*run)(struct task *task, struct shard *on);
};

/* A one-shot timer of a shard. May be started again while pending (it is moved) and stopped. */
struct timer {
	struct heap_node node;
	void (*fire)(struct timer *timer, struct shard *on);
};

/* Fixed after start, except where said. */
struct broker {
	struct shard **shards;
	unsigned shard_count;
	int32_t node_id;
	struct uuid cluster_id;
	const char *cluster_id_text;
	int64_t started_ms;
	struct quotas *quotas;	/* any thread; NULL: nobody is throttled */
	/* any thread, atomic: what is finalized of kraft.version, which is not in the metadata */
	_Atomic int16_t kraft_version;
	/* any thread, atomic: what the active controller supports, see control_versions() */
	_Atomic uint32_t controller_versions[SHARD_APIS];
};

struct shard {
	struct broker *broker;		/* any thread: see there */
	unsigned index;			/* fixed */
	/* shard only from here */
	struct env *env;
	const struct image *image;	/* current metadata; same from begin to end of an event */
	const struct config *config;	/* current broker configs */
	struct metrics *metrics;	/* metrics/metrics.h: this shard's counters */
	struct replica_set *replicas;
	struct group_coordinator *groups;
	struct control *control;	/* NULL but on shard 0 */
	/* made when first used; the server frees them */
	struct fetch_sessions *fetch_sessions;
	struct telemetry *telemetry;
	struct dir_batch *dir_batch;	/* api/assign_dirs.h: being gathered in this turn */
	struct alter_isr *alter_isr;
};

/* Any thread. Tasks from one sender run in the order they were posted. A task posted by a shard to
 * itself runs in a later turn of its loop. */
void shard_post(struct shard *to, struct task *task);

/* Shard only. `delay_ms` >= 0, on the monotonic clock. */
void shard_timer_start(struct shard *s, struct timer *timer, int64_t delay_ms);
void shard_timer_stop(struct shard *s, struct timer *timer);

/* Any thread. */
struct shard *shard_owner(struct broker *b, struct uuid topic_id, int32_t partition);
static inline struct shard *shard_control(struct broker *b)
{
	return b->shards[0];
}

#endif
