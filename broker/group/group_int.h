/* Inside broker/group: the state machine of the classic group coordinator.
 *
 *	group_coordinator	one per shard: partitions, timers, settings
 *	  group_partition	one partition of __consumer_offsets: loading, active or failed
 *	    group		members, generation, state; committed offsets
 *	      group_member	who, how, the parked JoinGroup or SyncGroup
 *	      group_offset	one committed offset
 *
 * A change is first appended to the log, then made in memory, then answered when the high watermark
 * has passed it. An append that fails changes nothing. What is parked (JoinGroup, SyncGroup) is
 * answered by the transition that it waits for. */
#ifndef KAVKA_BROKER_GROUP_GROUP_INT_H
#define KAVKA_BROKER_GROUP_GROUP_INT_H

#include "group/group.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "replica/replica.h"
#include "wire/batch.h"

struct group;
struct group_member;
struct group_partition;

/* ---- The world ---- */

/* Waiting for the high watermark. */
struct group_wait;

struct group_io {
	void *ctx;
	int64_t (*wall_ms)(void *ctx);
	int64_t (*mono_ms)(void *ctx);
	void (*random)(void *ctx, void *data, size_t len);
	/* Appends batches to the partition. `required_offset`: the high watermark that commits
	 * them. The bytes may be changed. */
	enum kafka_error (*append)(void *ctx, int32_t partition, struct slice batches,
				   int64_t *required_offset);
	int64_t (*high_watermark)(void *ctx, int32_t partition);
	/* Calls group_wait_done() once, perhaps at once, unless cancelled before. */
	void (*wait)(void *ctx, struct group_wait *w);
	void (*cancel)(void *ctx, struct group_wait *w);
	/* The next deadline is earlier than it was. */
	void (*changed)(void *ctx);
};

struct group_settings {
	int32_t session_timeout_min_ms, session_timeout_max_ms;
	int32_t initial_rebalance_delay_ms;
	int32_t group_size_max;
	int32_t offset_metadata_bytes_max;
	int32_t commit_timeout_ms;
	int64_t offsets_retention_ms, retention_check_ms;
	size_t batch_bytes_max;
	enum compression codec;
};

/* ---- Timers ---- */

/* On the monotonic clock. Zeroed: not armed. */
struct group_timer {
	struct heap_node node;
	void (*fire)(struct group_timer *timer);
};

/* ---- The coordinator ---- */

struct group_coordinator {
	struct group_io io;
	struct group_settings settings;
	struct group_partition **partitions;	/* by index; NULL: not here */
	int32_t partition_count;		/* of the array */
	struct heap timers;
	struct compressor *compressor;		/* made at first use */
	bool is_stopped;
	void *shell;				/* group_shard.c's */
};

struct group_coordinator *group_core_new(const struct group_io *io,
					 const struct group_settings *settings);
void group_core_free(struct group_coordinator *gc);
/* Fires what is due. */
void group_core_tick(struct group_coordinator *gc);
/* When the next timer is due (monotonic ms), INT64_MAX: never. */
int64_t group_core_deadline(const struct group_coordinator *gc);

void group_timer_start(struct group_coordinator *gc, struct group_timer *timer, int64_t delay_ms,
		       void (*fire)(struct group_timer *timer));
void group_timer_stop(struct group_coordinator *gc, struct group_timer *timer);

/* ---- A partition ---- */

enum group_partition_state { GROUPS_LOADING, GROUPS_ACTIVE, GROUPS_FAILED };

struct group_partition {
	struct group_coordinator *gc;
	int32_t index;
	int32_t leader_epoch;
	enum group_partition_state state;
	struct map groups;
	struct list_node waits;
	struct group_timer expiry_timer;
	int64_t required_offset; /* the high watermark that commits all that was written here */
	int64_t load_offset;	/* group_shard.c: next to read */
	/* Offsets in transactions that have not ended, by producer id: struct group_txn. */
	struct map txns;
	bool warned_unknown;	/* of record types that are not ours */
};

/* Starts the life of a partition: LOADING. It must not be there. */
struct group_partition *group_partition_add(struct group_coordinator *gc, int32_t index,
					    int32_t leader_epoch);
/* Answers what waits with NOT_COORDINATOR (or the coordinator's end) and forgets everything. */
void group_partition_remove(struct group_partition *gp);
/* Replays record batches, whole ones. `required_offset` is known to be durable. 0, or an error:
 * then the load has failed. */
MUST_USE int group_partition_load(struct group_partition *gp, const void *batches, size_t len,
				  struct err *err);
/* The log is read to its end: members get their session timers, requests are served. */
void group_partition_loaded(struct group_partition *gp);
void group_partition_fail(struct group_partition *gp);

/* The partition that serves a call, or NULL with the error to answer. */
struct group_partition *group_partition_of(struct group_coordinator *gc, int32_t index,
					   enum kafka_error *error);

/* ---- Writing ---- */

/* Records of one operation, built batch by batch. Begin, add, then group_write_append. */
struct group_write {
	struct group_partition *gp;
	struct batch_builder builder;
	struct out key, value, batches;
	int32_t record_count;
	enum kafka_error error;
};

struct group_offset_value {
	int64_t offset;
	int32_t leader_epoch;		/* -1: none */
	struct str metadata; /* never null; behind the struct that holds it, or borrowed */
	int64_t commit_timestamp_ms;
	int64_t expire_timestamp_ms;	/* -1: by the retention */
	struct uuid topic_id;		/* zero: unknown */
};

void group_write_begin(struct group_write *w, struct group_partition *gp);
void group_write_offset(struct group_write *w, struct str group_id, struct str topic,
			int32_t partition, const struct group_offset_value *value);
void group_write_offset_tombstone(struct group_write *w, struct str group_id, struct str topic,
				  int32_t partition);
/* The group as it is, with the members' assignments. */
void group_write_group(struct group_write *w, struct group *g);
void group_write_group_tombstone(struct group_write *w, struct str group_id);
void group_write_raw_tombstone(struct group_write *w, struct slice key);
/* Appends; mapped as the coordinator's clients expect. Nothing to write: NONE, and
 * *required_offset is 0. Ends the write. */
enum kafka_error group_write_append(struct group_write *w, int64_t *required_offset);

/* A raised error as it is sent (CoordinatorOperationExceptionHelper.java). */
enum kafka_error group_error_sent(enum kafka_error error);

typedef void (*group_committed)(void *arg, enum kafka_error error);

struct group_wait {
	struct commit_waiter waiter;	/* the io's */
	struct list_node link;
	struct group_partition *gp;
	int64_t required_offset;
	struct group_timer timer;
	group_committed committed;
	void *arg;
};

/* Calls `committed` once the high watermark is there, with the mapped error otherwise
 * (offsets.commit.timeout.ms, leadership lost). Perhaps at once. */
void group_wait_committed(struct group_partition *gp, int64_t required_offset,
			  group_committed committed, void *arg);
/* The io's answer: the raised error. */
void group_wait_done(struct group_wait *w, enum kafka_error error);

/* ---- Groups ---- */

enum group_state {
	GROUP_EMPTY,
	GROUP_PREPARING_REBALANCE,
	GROUP_COMPLETING_REBALANCE,
	GROUP_STABLE,
	GROUP_DEAD,
};

struct group_protocol {
	struct str name;
	struct slice metadata;
};

struct group_member {
	struct map_node by_id;
	struct map_node by_instance;	/* linked if instance_id is not null */
	struct list_node link;		/* of group.members, in order of arrival */
	struct group *group;
	struct arena identity;		/* of the strings below */
	struct str id, instance_id, client_id, client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct arena protocol_arena;
	struct group_protocol *protocols;	/* the member's order of preference */
	int32_t protocol_count;
	struct slice assignment;	/* owns a reference */
	struct join_call *join;		/* parked */
	struct sync_call *sync;		/* parked */
	bool is_new;			/* has not seen the end of a join phase */
	bool owes_sync;			/* has not sent SyncGroup in this generation */
	struct group_timer session_timer;
};

/* An id that was handed out with MEMBER_ID_REQUIRED and has not come back. */
struct group_pending {
	struct map_node by_id;
	struct group *group;
	struct group_timer timer;
	char id[];
};

struct group_offset {
	struct map_node node;
	struct str topic;
	int32_t partition;
	/* `latest` is what was appended last; `stable` what was there before, shown while the high
	 * watermark has not passed `latest`. */
	struct group_offset_value latest, stable;
	int64_t required_offset;	/* the high watermark that commits `latest` */
	int64_t record_offset;		/* of the record of `latest`; the later one wins */
	bool has_stable;
	char *latest_metadata, *stable_metadata;
	uint8_t key[];			/* partition, topic */
};

struct group {
	struct map_node by_id;
	struct group_partition *gp;
	struct str id;			/* its own */
	enum group_state state, previous_state;
	int64_t state_timestamp_ms;
	int32_t generation;
	int32_t assigned_generation;	/* the last one whose assignment was written */
	char *protocol_type;		/* NULL: never had a member */
	char *protocol_name;		/* NULL: none chosen */
	struct str leader_id;		/* the leader's own string, null: none */
	struct list_node members;
	struct map members_by_id, members_by_instance;
	int32_t member_count, joining_count;	/* joining: with a parked JoinGroup */
	struct map pending;
	struct map offsets;
	struct map foreign;		/* foreign.c: keys of another protocol's records */
	bool is_recorded;		/* its GroupMetadata record is in the log */
	bool new_member_added;
	int64_t initial_delay_ms, initial_left_ms;	/* of the first rebalance */
	struct group_timer join_timer, sync_timer;
};

struct group *group_find(const struct group_partition *gp, struct str id);
struct group *group_new(struct group_partition *gp, struct str id);
/* Nothing may be parked in it. Takes it out of its partition. */
void group_free(struct group *g);
void group_move(struct group *g, enum group_state to);
const char *group_state_name(enum group_state state);
void group_check(const struct group *g);

/* Copies the identity; joins nothing yet. */
struct group_member *member_new(struct str id, struct str instance_id, struct str client_id,
				struct str client_host);
void member_free(struct group_member *m);
void member_set_protocols(struct group_member *m,
			  const struct join_group_request_protocol *protocols, int32_t count);
bool member_has_protocols(const struct group_member *m,
			  const struct join_group_request_protocol *protocols, int32_t count);
/* The metadata for a protocol, empty if the member does not know it. */
struct slice group_member_metadata(const struct group_member *m, const char *protocol_name);

struct group_member *group_member(const struct group *g, struct str id);
struct group_member *group_static_member(const struct group *g, struct str instance_id);
void group_add_member(struct group *g, struct group_member *m, struct str protocol_type);
/* Takes the member out of the group, without freeing it. Nothing may be parked. */
void group_take_member(struct group *g, struct group_member *m);
void group_park_join(struct group_member *m, struct join_call *j); /* NULL: not parked any more */
bool group_supports(const struct group *g, struct str protocol_type,
		    const struct join_group_request_protocol *protocols, int32_t count);
/* The protocol that most members prefer among those all know. Borrowed from a member. */
struct str group_select_protocol(const struct group *g);
int32_t group_rebalance_timeout_ms(const struct group *g);
struct group_pending *group_pending(const struct group *g, struct str id);
void group_pending_add(struct group *g, struct str id, int32_t timeout_ms);
void group_pending_free(struct group_pending *p);
bool group_is_static(const struct group_member *m);
void group_set_text(char **field, struct str text);	/* null: NULL */

/* NONE, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
enum kafka_error group_validate(const struct group *g, struct str member_id,
				struct str instance_id);

/* ---- Rebalancing: rebalance.c ---- */

void group_session_restart(struct group_member *m);
int32_t group_rebalance_timeout_of(const struct join_call *j);
/* Adds a new member with its JoinGroup parked, and moves on. */
void group_admit_member(struct group *g, struct group_member *m, struct join_call *j);
void group_rebalance(struct group *g);			/* the group is not rebalancing yet */
void group_rebalance_if_settled(struct group *g);	/* ... or it is: nothing */
void group_complete_join_if_ready(struct group *g);
/* After a join: starts a rebalance, or ends the join phase if all are there. */
void group_rebalance_or_complete(struct group *g);
/* Removes and frees a member that failed or left, and moves on; answers what it had parked. */
void group_drop_member(struct group_member *m);		/* without moving on */
void group_expel_member(struct group_member *m);
void group_after_removal(struct group *g);
void group_answer_join(struct join_call *j, enum kafka_error error, struct str member_id);
/* The current generation, to one member. */
void group_answer_member(struct group_member *m, struct join_call *j, bool with_members);
void group_answer_sync(struct sync_call *s, enum kafka_error error, const struct group_member *m);
void group_answer_all_syncs(struct group *g, enum kafka_error error);
void group_sync_received(struct group_member *m);	/* it owes no sync any more */

/* ---- Offsets: offset.c ---- */

struct group_offset *group_offset(const struct group *g, struct str topic, int32_t partition);
/* Puts or replaces. `required_offset` as appended, 0: committed long ago. `record_offset`: where
 * its record is. */
void group_offset_put(struct group *g, struct str topic, int32_t partition,
		      const struct group_offset_value *value, int64_t required_offset,
		      int64_t record_offset);
void group_offset_remove(struct group *g, struct group_offset *o);
void group_offsets_expire(struct group_partition *gp);
/* Topics of the members' subscriptions, sorted, in `arena`; false: unknown, which means all. */
bool group_subscriptions(const struct group *g, struct arena *arena, struct str **topics,
			 size_t *count);
bool group_is_subscribed(const struct str *topics, size_t count, struct str topic);
/* ---- Transactions: txn.c ---- */

/* Offsets that a transaction has written. They count when it commits: its marker is a control
 * batch in the same partition. */
void group_txn_put(struct group_partition *gp, int64_t producer_id, struct str group_id,
		   struct str topic, int32_t partition, const struct group_offset_value *value,
		   int64_t record_offset);
void group_txn_end(struct group_partition *gp, int64_t producer_id, bool is_commit);
/* Is there an open one with an offset for it? Null topic: for any of the group. */
bool group_txn_is_pending(const struct group_partition *gp, struct str group_id, struct str topic,
			  int32_t partition);
/* Forgets what is pending for it (a tombstone, or the group is gone: null topic). */
void group_txn_forget(struct group_partition *gp, struct str group_id, struct str topic,
		      int32_t partition);
/* Tombstones for what is pending for the group and nowhere else. */
void group_txn_write_tombstones(struct group_write *w, const struct group *g);
void group_txns_free(struct group_partition *gp);

/* ---- Records of other protocols: foreign.c ---- */

void group_foreign_put(struct group *g, struct slice key, bool is_tombstone);
bool group_foreign_is_share(const struct group *g);
void group_foreign_write_tombstones(struct group_write *w, const struct group *g);
void group_foreign_free(struct group *g);

/* A topic is gone: its offsets go too. `id` may be zero. */
void group_topic_deleted(struct group_partition *gp, struct str name, struct uuid id);

#endif
