/* The group coordinator of a shard: classic groups and committed offsets, kept in the partitions of
 * __consumer_offsets that this shard owns and leads.
 *
 * Order of calls: group_coordinator_new; group_coordinator_apply with each new image (after
 * replica_set_apply with the same); operations; group_coordinator_stop (before the partitions
 * close: whatever waits is answered); group_coordinator_free.
 *
 * An operation is a `struct group_call` inside the struct of its kind. The caller owns it and
 * everything it points to until `done`, which comes exactly once, on this shard, perhaps before the
 * operation returns: when the answer is known and what it rests on is committed. What the response
 * points to is in the call's arena or in the request.
 *
 * The state machine itself never calls the system: time, random bytes, appends and waiting for the
 * high watermark come through `struct group_io` (group_int.h), so that tests drive it with a clock
 * of their own.
 * Source: GroupMetadataManager.java, OffsetMetadataManager.java, classic/ClassicGroup.java,
 * GroupCoordinatorService.java; KIP-62, KIP-134, KIP-345, KIP-394, KIP-814 */
#ifndef KAVKA_BROKER_GROUP_GROUP_H
#define KAVKA_BROKER_GROUP_GROUP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"
#include "wire/errors.h"
#include "wire/messages.h"

struct config;
struct group_coordinator;
struct image;
struct shard;

#define OFFSETS_TOPIC "__consumer_offsets"

/* ---- Life ---- */

struct group_coordinator *group_coordinator_new(struct shard *shard);
/* NULL is fine. */
void group_coordinator_free(struct group_coordinator *gc);
/* Answers everything that waits; operations get COORDINATOR_NOT_AVAILABLE from now on. */
void group_coordinator_stop(struct group_coordinator *gc);
/* New broker configs. Borrows. */
void group_coordinator_configure(struct group_coordinator *gc, const struct config *config);
/* Loads partitions that this shard now owns and leads, unloads those it does not any more, forgets
 * offsets of deleted topics. Borrows both images; `before` may be NULL. */
void group_coordinator_apply(struct group_coordinator *gc, const struct image *before,
			     const struct image *after);

/* The partition of an internal topic with `count` partitions that an id belongs to: Java's hash of
 * the id's UTF-16 code units. */
int32_t coordinator_partition(struct str id, int32_t count);

/* ---- Operations ---- */

struct group_call {
	int32_t partition;	/* of OFFSETS_TOPIC: coordinator_partition(group id) */
	int16_t version;	/* of the API */
	struct arena *arena;
	void (*done)(struct group_call *call);
	void *arg;		/* the caller's */
};

struct join_call {
	struct group_call call;
	struct str client_id, client_host;
	const struct join_group_request *request;
	struct join_group_response *response;
};
void group_join(struct group_coordinator *gc, struct join_call *j);

struct sync_call {
	struct group_call call;
	const struct sync_group_request *request;
	struct sync_group_response *response;
};
void group_sync(struct group_coordinator *gc, struct sync_call *s);

struct heartbeat_call {
	struct group_call call;
	const struct heartbeat_request *request;
	struct heartbeat_response *response;
};
void group_heartbeat(struct group_coordinator *gc, struct heartbeat_call *h);

/* Members as in v3 and above, also for older versions. */
struct leave_call {
	struct group_call call;
	const struct leave_group_request *request;
	struct leave_group_response *response;	/* error_code, members */
};
void group_leave(struct group_coordinator *gc, struct leave_call *l);

/* Partitions that exist and may be read; the answer of each goes to `error_code`. */
struct offset_commit_item {
	struct str topic;
	struct uuid topic_id;
	const struct offset_commit_request_partition *in;
	int16_t *error_code;
};
struct offset_commit_call {
	struct group_call call;
	const struct offset_commit_request *request;	/* all but the topics */
	struct offset_commit_item *items;
	size_t item_count;
};
void group_offset_commit(struct group_coordinator *gc, struct offset_commit_call *c);

/* One group. With `items`: fills `out` of each (partition_index is there already). Without, for
 * all offsets of the group: fills `response->topics`, names and ids, in order. */
struct offset_fetch_item {
	struct str topic;
	struct uuid topic_id;
	struct offset_fetch_response_partitions *out;
};
struct offset_fetch_call {
	struct group_call call;
	struct str group_id;
	bool require_stable;
	bool wants_all;
	struct offset_fetch_item *items;
	size_t item_count;
	struct offset_fetch_response_group *response;	/* error_code, and topics if wants_all */
};
void group_offset_fetch(struct group_coordinator *gc, struct offset_fetch_call *f);

/* Partitions that exist and may be read. `error_code` is for the whole. */
struct offset_delete_item {
	struct str topic;
	int32_t partition;
	int16_t *error_code;
};
struct offset_delete_call {
	struct group_call call;
	struct str group_id;
	struct offset_delete_item *items;
	size_t item_count;
	int16_t *error_code;
};
void group_offset_delete(struct group_coordinator *gc, struct offset_delete_call *d);

struct describe_call {
	struct group_call call;
	struct str group_id;
	struct describe_groups_response_described_group *response;
};
void group_describe(struct group_coordinator *gc, struct describe_call *d);

struct delete_call {
	struct group_call call;
	struct str group_id;
	struct delete_groups_response_deletable_group_result *response;
};
void group_delete(struct group_coordinator *gc, struct delete_call *d);

/* The groups of this shard that pass the filters, in `arena`; at once. NONE, or
 * COORDINATOR_LOAD_IN_PROGRESS while a partition is loading. */
enum kafka_error group_list(struct group_coordinator *gc, const struct list_groups_request *request,
			    struct arena *arena,
			    struct list_groups_response_listed_group **groups, size_t *count);

/* For metrics: groups by state (enum group_state of group_int.h) and offsets. */
struct group_counts {
	size_t groups, offsets;
	size_t preparing_rebalance, completing_rebalance, stable, empty, dead;
};
void group_count(const struct group_coordinator *gc, struct group_counts *out);

#endif
