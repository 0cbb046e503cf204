/* Fetch sessions (KIP-227): what a client fetches is remembered between its requests, which then
 * name only what changes, and are answered only with what is new.
 *
 * Each shard has a cache of its own; a session id says by its remainder which shard's it is, so
 * that a client may come back on a connection of any shard. Sessions are touched on their shard
 * only, their home.
 *
 * So that a request costs what changed, not what the session has, a session by topic id leaves a
 * watch on each shard that owns some of its partitions. A partition is handed to the watch when it
 * is first asked for (`asked`), and called away again (`released`). There it waits for whatever may
 * happen to it, also between requests, and is looked at by the next one only if something did, if
 * it was asked for anew, or if there was more to say than nothing when it was looked at last
 * (fetch_part.c). Sessions by name look at everything each time.
 *
 * One fetch at a time has the session (`holder`), the next ones queue; a session that is removed
 * meanwhile goes with the last of them.
 *
 * Pure state: time and random numbers are arguments.
 * Source: server/.../FetchSession.java, FetchSessionCacheShard.java */
#ifndef KAVKA_BROKER_API_FETCH_SESSION_H
#define KAVKA_BROKER_API_FETCH_SESSION_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "replica/replica.h"
#include "shard/shard.h"
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
	/* the home's */
	struct map_node node;
	struct list_node link; /* of the session, in the order of fetching */
	/* as answered last; -1: not yet, or an error */
	int64_t high_watermark;
	int64_t log_start_offset;

	/* the home's; read on the owner's shard while a fetch of the session is out */
	struct list_node asked;    /* of the session, or on its way to the owner */
	struct fetch_watch *watch; /* that has it; NULL: none yet */
	uint64_t turn;             /* grows in the order of fetching */
	struct uuid topic_id;      /* sessions by id; else zero */
	struct str topic;          /* sessions by name; else null */
	int32_t index;
	/* as the client asked last */
	int32_t leader_epoch;
	int32_t last_fetched_epoch;
	int64_t fetch_offset;
	int64_t follower_log_start_offset;
	int64_t follower_high_watermark; /* INT64_MAX: does not care */
	int32_t bytes_max;

	/* the owner's shard only, once the watch has it */
	struct list_node joined, changed; /* of the watch */
	struct fetch_waiter waiter;       /* at the partition, whenever there is one */
	bool is_settled;                  /* partition_follower_settle() */
	struct fetch_item *item;          /* of the fetch at hand, if `visit` is the watch's */
	uint64_t visit;

	/* fixed */
	size_t key_len;
	char key[]; /* topic id or name, then the index */
};

/* What a session looks after on one shard. */
struct fetch_watch {
	struct shard *on; /* fixed */
	struct task task; /* when it leaves */

	/* the home's */
	unsigned count; /* of partitions, without those that were released */

	/* the owner's */
	struct list_node joined;  /* all partitions */
	struct list_node changed; /* which the next visit looks at */
	struct fetch_part *part;  /* that waits here; NULL: none */
	uint64_t visit;           /* counts fetches */
	int32_t replica_id;       /* the follower that fetches, or < 0 */
	int64_t fetched_ms;       /* and when it did last */
};

/* How a session fetches; when it changes, all is looked at anew. */
struct session_terms {
	int32_t replica_id;
	int64_t replica_epoch;
	int isolation;
	uint64_t rack_hash;
};

struct fetch_session {
	struct map_node node;  /* of the cache, by id */
	struct list_node link; /* of the cache, least recently used first */
	int32_t id;
	int32_t epoch;      /* that the next request must have */
	bool is_privileged; /* a follower's */
	bool uses_topic_ids;
	bool is_removed;  /* from the cache: goes with its holder */
	bool looks_again; /* at all partitions, next time */
	struct session_terms terms;
	int64_t created_ms, last_used_ms;
	struct map partitions;
	struct list_node order;
	uint64_t turn;                    /* the last given */
	struct list_node asked, released; /* the owners have not heard of it yet */
	struct fetch_watch **watches;     /* by shard; NULL: none */
	struct fetch_sessions *cache;
	void *holder;           /* the fetch that has it; NULL: none */
	struct list_node queue; /* the fetches that want it */
};

struct fetch_sessions;

/* `slot_max` of this shard; ids are remainder `shard` of `shard_count`. `drop` sees to it that a
 * watch whose session is gone leaves its shard (fetch_watch_free() in the end). */
struct fetch_sessions *fetch_sessions_new(unsigned slot_max, unsigned shard, unsigned shard_count,
					  void (*drop)(struct fetch_watch *w));
/* When no request is under way any more, and the partitions of all shards are closed: watches are
 * freed from here. NULL is fine. */
void fetch_sessions_free(struct fetch_sessions *c);
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
/* Also one that was removed already, while it is held. */
void fetch_sessions_remove(struct fetch_sessions *c, struct fetch_session *s);

/* An incremental request: the session, with its epoch moved on, or NULL with *error:
 * FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR. */
struct fetch_session *fetch_sessions_use(struct fetch_sessions *c, int32_t id, int32_t epoch,
					 bool uses_topic_ids, int64_t now_ms,
					 enum kafka_error *error);

/* The holder goes. Frees a session that was removed, if nobody waits for it. */
void fetch_session_let_go(struct fetch_session *s);
/* The session's watch on that shard, made if it is missing. */
struct fetch_watch *fetch_session_watch(struct fetch_session *s, struct shard *on);
/* Frees the watch with its partitions, which must not be settled (but see fetch_sessions_free). */
void fetch_watch_free(struct fetch_watch *w);

/* The partition, made (at the end of the order) if it is missing. */
struct session_partition *fetch_session_put(struct fetch_session *s, struct uuid topic_id,
					    struct str topic, int32_t index);
struct session_partition *fetch_session_get(struct fetch_session *s, struct uuid topic_id,
					    struct str topic, int32_t index);
void fetch_session_forget(struct fetch_session *s, struct uuid topic_id, struct str topic,
			  int32_t index);
/* The client said something of it: its owner is to hear of it. */
void fetch_session_ask(struct fetch_session *s, struct session_partition *p);
/* It had data: others get their turn first next time. */
void fetch_session_to_end(struct fetch_session *s, struct session_partition *p);

static inline int32_t fetch_session_next_epoch(int32_t epoch)
{
	return epoch == INT32_MAX ? 1 : epoch + 1;
}

#endif
