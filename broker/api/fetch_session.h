/* Fetch sessions (KIP-227): what a client fetches is remembered between its requests, which then
 * name only what changes, and are answered only with what is new.
 *
 * Each shard has a cache of its own; a session id says by its remainder which shard's it is, so
 * that a client may come back on a connection of any shard. Sessions are touched on their shard
 * only.
 *
 * Pure state: time and random numbers are arguments.
 * Source: server/.../FetchSession.java, FetchSessionCacheShard.java */
#ifndef KAVKA_BROKER_API_FETCH_SESSION_H
#define KAVKA_BROKER_API_FETCH_SESSION_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "wire/errors.h"

#include <stdbool.h>

#define FETCH_SESSION_NONE 0
#define FETCH_EPOCH_INITIAL 0
#define FETCH_EPOCH_FINAL (-1)
/* Idle for so long, a session gives way to any new one. */
#define FETCH_SESSION_EVICTION_MS 120000

/* A client that wants more in one session goes without. */
#define FETCH_SESSION_PARTITIONS_MAX (1 << 17)

/* One partition of a session. */
struct session_partition {
	struct map_node node;
	struct list_node link; /* of the session, in the order of fetching */
	struct uuid topic_id;  /* sessions by id; else zero */
	struct str topic;      /* sessions by name; else null */
	int32_t index;
	/* as the client asked last */
	int32_t leader_epoch;
	int32_t last_fetched_epoch;
	int64_t fetch_offset;
	int64_t follower_log_start_offset;
	int64_t follower_high_watermark; /* INT64_MAX: does not care */
	int32_t bytes_max;
	/* as answered last; -1: not yet, or an error */
	int64_t high_watermark;
	int64_t log_start_offset;
	size_t key_len;
	char key[]; /* topic id or name, then the index */
};

struct fetch_session {
	struct map_node node;  /* of the cache, by id */
	struct list_node link; /* of the cache, least recently used first */
	int32_t id;
	int32_t epoch;      /* that the next request must have */
	bool is_privileged; /* a follower's */
	bool uses_topic_ids;
	int64_t created_ms, last_used_ms;
	struct map partitions;
	struct list_node order;
};

struct fetch_sessions;

/* `slot_max` of this shard; ids are remainder `shard` of `shard_count`. */
struct fetch_sessions *fetch_sessions_new(unsigned slot_max, unsigned shard, unsigned shard_count);
void fetch_sessions_free(struct fetch_sessions *c); /* NULL is fine */
unsigned fetch_sessions_count(const struct fetch_sessions *c);

/* Whose cache an id is in. */
static inline unsigned fetch_session_shard(int32_t id, unsigned shard_count)
{
	return (uint32_t)id % shard_count;
}

/* A new session with epoch 1 for the next request, or NULL if the cache is full of better ones.
 * `random` chooses the id; `partition_count` is what it will be worth. */
struct fetch_session *fetch_sessions_create(struct fetch_sessions *c, uint32_t random,
					    bool is_privileged, bool uses_topic_ids,
					    unsigned partition_count, int64_t now_ms);
struct fetch_session *fetch_sessions_find(struct fetch_sessions *c, int32_t id);
void fetch_sessions_remove(struct fetch_sessions *c, struct fetch_session *s);

/* An incremental request: the session, with its epoch moved on, or NULL with *error:
 * FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR. */
struct fetch_session *fetch_sessions_use(struct fetch_sessions *c, int32_t id, int32_t epoch,
					 bool uses_topic_ids, int64_t now_ms,
					 enum kafka_error *error);

/* The partition, made (at the end of the order) if it is missing. */
struct session_partition *fetch_session_put(struct fetch_session *s, struct uuid topic_id,
					    struct str topic, int32_t index);
struct session_partition *fetch_session_get(struct fetch_session *s, struct uuid topic_id,
					    struct str topic, int32_t index);
void fetch_session_forget(struct fetch_session *s, struct uuid topic_id, struct str topic,
			  int32_t index);
/* It had data: others get their turn first next time. */
void fetch_session_to_end(struct fetch_session *s, struct session_partition *p);

static inline int32_t fetch_session_next_epoch(int32_t epoch)
{
	return epoch == INT32_MAX ? 1 : epoch + 1;
}

#endif
