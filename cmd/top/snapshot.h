/* The cluster at one moment, as plain data: what its brokers, topics and groups are, and what
 * follows from that and from the moment before. Pure: knows no client, no terminal.
 *
 *	snapshot_init(&s);
 *	... brokers, topics, groups are put into s.arena by whoever asked the cluster ...
 *	snapshot_settle(&s, &before);		// order, rates, totals; `before` may be empty
 *
 * What a moment did not tell is carried over from the one before: offsets of a leader that did not
 * answer, groups of a coordinator that is loading, brokers that are gone. Rates are differences of
 * end offsets over the time that really passed between the two answers. Everything that a snapshot
 * points to is in its own arena, but for the histories, which are the model's. */
#ifndef KAVKA_CMD_TOP_SNAPSHOT_H
#define KAVKA_CMD_TOP_SNAPSHOT_H

#include "cmd/top/history.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"

/* An offset, size or time that nobody told. Rates that are not known are NaN. */
#define NOT_KNOWN (-1)

enum broker_state {
	BROKER_UP,
	BROKER_SILENT, /* the cluster counts on it, but it did not answer us */
	BROKER_GONE,   /* the cluster does without it */
};

struct top_broker {
	int32_t id, port;
	struct str host, rack; /* null: not known */
	enum broker_state state;
	struct str reason; /* BROKER_SILENT: why; null else */
	bool is_fenced;    /* registered, but not counted on */
	bool is_voter;
	int64_t log_bytes;                /* of all its replicas */
	int64_t disk_bytes, usable_bytes; /* of the file systems they are on */
	/* settled */
	int32_t leader_count, replica_count, in_sync_count;
	double rate; /* records per second into the partitions that it leads */
	struct history *history;
};

struct top_partition {
	int32_t index;
	int32_t leader, leader_epoch; /* -1: none, not known */
	int32_t *replicas, *isr, *elr;
	int32_t replica_count, isr_count, elr_count; /* elr_count -1: not asked */
	int64_t start, end;                          /* offsets */
	int64_t end_at_us;                           /* monotonic, when `end` was told */
	int64_t bytes;                               /* of the leader's replica */
	int64_t all_bytes;                           /* of all replicas */
	/* settled */
	double rate;
	struct history *history;
};

struct top_topic {
	struct str name;
	struct uuid id;
	bool is_internal;
	struct top_partition *partitions; /* by index */
	int32_t partition_count;
	/* settled */
	int32_t replication_factor, under_replicated_count, offline_count;
	int64_t record_count, bytes, all_bytes;
	double rate;
	struct history *history;
};

struct top_member {
	struct str id, client_id, host;
	int32_t partition_count;
};

struct top_group_partition {
	struct str topic;
	int32_t partition;
	int64_t committed;
	int32_t member; /* index of the member that reads it, -1: none */
	/* settled */
	int64_t end, lag;
	double read_rate, lag_rate;
};

struct top_group {
	struct str id, type, state;
	int32_t coordinator;
	struct top_member *members;
	int32_t member_count; /* -1: not known */
	struct top_group_partition *partitions;
	int32_t partition_count;
	int64_t at_us;   /* monotonic, when the offsets were told; 0: they were not */
	bool is_carried; /* as it was before: nobody told of it now */
	/* settled */
	int64_t lag; /* NOT_KNOWN: no partition has one */
	double read_rate, lag_rate;
	struct history *history;
};

struct snapshot {
	struct arena arena;
	int64_t at_us, wall_ms; /* when it was begun; at_us 0: empty */
	struct str cluster_id;
	int32_t controller;    /* as Metadata tells it; -1: none */
	int32_t quorum_leader; /* -1: not known; carried over */
	bool has_all_groups;   /* each broker told its groups */
	struct top_broker *brokers;
	int32_t broker_count;
	struct top_topic *topics;
	int32_t topic_count;
	struct top_group *groups;
	int32_t group_count;
	/* what it took */
	unsigned request_count;
	int64_t took_us;
	/* settled */
	int32_t up_count, gone_count;
	int64_t partition_count, under_replicated_count, offline_count;
	int64_t lag;
	double rate;
};

void snapshot_init(struct snapshot *s);
void snapshot_fini(struct snapshot *s);
void snapshot_reset(struct snapshot *s);

/* Puts brokers, topics and groups in order, so that they can be found. */
void snapshot_sort(struct snapshot *s);
void snapshot_settle(struct snapshot *now, const struct snapshot *before);

/* In an ordered snapshot; NULL if there is none. */
struct top_broker *snapshot_broker(const struct snapshot *s, int32_t id);
struct top_topic *snapshot_topic(const struct snapshot *s, struct str name);
struct top_group *snapshot_group(const struct snapshot *s, struct str id);
struct top_partition *topic_partition(const struct top_topic *t, int32_t index);

bool id_is_among(const int32_t *ids, int32_t count, int32_t id);
static inline bool partition_is_offline(const struct top_partition *p)
{
	return p->leader < 0;
}
static inline bool partition_is_under_replicated(const struct top_partition *p)
{
	return p->isr_count < p->replica_count;
}

#endif
