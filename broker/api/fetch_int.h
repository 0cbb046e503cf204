/* A Fetch on its way: api/fetch.c (plan, wait, end), api/fetch_part.c (on the partitions' shards),
 * api/fetch_answer.c (the response).
 *
 * A fetch has a home, the shard where its session is (the connection's, unless the client came back
 * on a connection of another shard). The home plans it, splits it into a part for each shard that
 * owns some of its partitions, and waits. Each part first reads; if what it found cannot answer the
 * request, it leaves waiters at its partitions. When all parts are back the home answers, or starts
 * the timer: then a note of a part (there is enough now), or the timer, sends the parts out once
 * more, which take their waiters away and read again.
 *
 * A visit that would have to wait for the disk does not hold up the shard: what is cold is warmed
 * first, meanwhile the part stays there, and then it is read again.
 *
 * A fetch of a session that has watches (api/fetch_session.h) brings its parts to those: a part
 * then makes items only for what the request asks for and for what has changed since the last one,
 * and waits without waiters of its own, as the watch has them.
 *
 * A part's fields belong to its shard while it is out (between the two posts), else to the home.
 * Its note travels on its own, but never overtakes the part: tasks from one shard to another keep
 * their order, so when the last visit is back no note is under way. */
#ifndef KAVKA_BROKER_API_FETCH_INT_H
#define KAVKA_BROKER_API_FETCH_INT_H

#include "api/fetch_session.h"
#include "api/partitions.h"
#include "api/request.h"

/* Up to so many bytes of a partition are copied into the response: they go out with what is around
 * them, where a file range takes a system call of its own (7 us here, as much as copying 8 KiB). */
#define FETCH_COPY_BYTES_MAX (8 * 1024)

/* A cold range is warmed with as much behind it, up to this: a consumer asks for that next. */
#define FETCH_AHEAD_BYTES_MAX (2 * 1024 * 1024)

/* A follower that lacks nothing but a higher high watermark learns of it after so long at the
 * latest: until then records may come that bring it along. */
#define FETCH_BEHIND_MS 10

struct fetch_part;

struct fetch_item {
	/* the plan: fixed */
	struct session_partition *entry; /* of a watch; NULL: planned by the home */
	struct uuid topic_id;            /* in the image; zero: unknown */
	struct uuid asked_id;            /* as the request or session has it */
	struct str asked_name;
	int32_t index;
	int32_t leader_epoch, last_fetched_epoch;
	int64_t offset, follower_log_start_offset;
	int64_t follower_high_watermark; /* INT64_MAX: it does not care */
	size_t bytes_max;
	struct fetch_part *part; /* NULL: an error is known already */
	struct fetch_item *next; /* of the part */

	/* what was read: the part's while it is out */
	struct read_result result;
	bool is_cold; /* not read yet: it waits for the disk */
	struct log_tries tries;
	struct slice copy; /* the records, if they were copied; one reference */
	struct leader_hint leader;
	int32_t preferred_replica; /* the consumer had better ask that one; -1: nobody */
	bool is_throttled;         /* its bytes count for leader.replication.throttled.rate */

	/* waiting: the owner's shard */
	struct fetch_waiter waiter;
	size_t waiting_bytes; /* of its part's */
};

struct fetch_part {
	struct task task; /* out and back */
	struct task note; /* to the home: look again */
	struct fetch *fetch;
	struct shard *on;
	struct fetch_item *first, *last;
	unsigned item_count;
	struct arena own, *arena;
	bool waits; /* waiters are at its partitions */
	/* a session's: what the watch is told when the part comes first */
	struct fetch_watch *watch;
	struct list_node asked, released; /* session_partition.asked */
	bool looks_again;                 /* at all */
	/* the owner's shard only, during a visit */
	struct log_warm warm;
	bool reads_again;
	/* the owner's shard only, while waiting */
	size_t bytes; /* that could be answered now */
	bool is_note_out;
	bool is_urgent; /* an error, a divergence, a lost partition */
	bool is_behind; /* a follower that may know of a higher high watermark */
	/* carried by the note */
	size_t note_bytes;
	bool is_note_urgent, is_note_behind;
	/* the home's */
	size_t home_bytes;
	bool home_urgent, home_behind;
};

enum fetch_phase {
	FETCH_FIRST_READ,
	FETCH_WAITING,
	FETCH_LAST_READ,
	FETCH_CANCEL, /* the first read answers; take the waiters away */
};

enum fetch_context { FETCH_SESSIONLESS, FETCH_NEW_SESSION, FETCH_INCREMENTAL };

struct fetch {
	struct request *request;
	const struct fetch_request *body;
	struct shard *home;
	struct task task;         /* from the connection's shard to the home and back */
	struct list_node queued;  /* of the session: another fetch has it */
	struct arena own, *arena; /* the home's: the plan and the response */

	enum fetch_context context;
	struct fetch_session *session;     /* FETCH_INCREMENTAL: which it holds or waits for */
	bool has_watches;                  /* items are made by the parts */
	int32_t session_id, session_epoch; /* FETCH_INCREMENTAL: epoch of the next request */
	enum kafka_error error;            /* of the whole */
	int32_t replica_id;
	int64_t replica_epoch;
	enum read_isolation isolation;
	bool leader_only;
	struct str rack; /* of the consumer; "": unknown */
	size_t bytes_max, bytes_min;

	struct fetch_item **items; /* in the order of fetching */
	unsigned item_count, item_max;
	struct fetch_part **parts; /* by shard */
	unsigned part_count, parts_out;
	enum fetch_phase phase;
	bool has_note;   /* came before the first read was merged */
	bool is_void;    /* the session has gone on without its answer: it ends soon */
	bool is_hurried; /* waits FETCH_BEHIND_MS only */
	struct timer timer;
	struct fetch_response response;
};

/* fetch.c */
void fetch_part_visited(struct fetch_part *part); /* the part's shard: the visit is over */
void fetch_part_noted(struct fetch_part *part);   /* home */

/* A follower that has all up to `offset` learns of a higher high watermark. */
static inline bool fetch_item_is_behind(const struct fetch_item *item, int64_t high_watermark)
{
	return MIN(high_watermark, item->offset) > item->follower_high_watermark;
}

static inline void fetch_part_add(struct fetch_part *part, struct fetch_item *item)
{
	item->part = part;
	if (part->last)
		part->last->next = item;
	else
		part->first = item;
	part->last = item;
	part->item_count++;
}

/* fetch_part.c: on the part's shard. The visit ends with fetch_part_visited(), perhaps later. */
void fetch_part_visit(struct fetch_part *part);
void fetch_part_rearm(struct fetch_part *part);
/* Something happened to the item's partition while the part waits; `gone`: it went. */
void fetch_item_woken(struct fetch_item *item, bool gone);

static inline bool fetch_item_is_urgent(const struct fetch_item *item)
{
	return item->result.error != KERR_NONE || item->result.diverging_epoch >= 0 ||
	       item->preferred_replica >= 0;
}

static inline size_t fetch_item_bytes(const struct fetch_item *item)
{
	return item->copy.data ? item->copy.len : item->result.records.len;
}

/* fetch_watch.c: on the part's shard. */
/* The fetch comes here first. */
void fetch_watch_visit(struct fetch_part *part);
/* Makes items of what changed, behind those that are there. */
void fetch_watch_take(struct fetch_part *part);
/* The part waits, or waits no longer. What changed is looked at. */
void fetch_watch_wait(struct fetch_part *part);
void fetch_watch_stop(struct fetch_part *part);
/* The item was read: what happens to the partition (NULL: there is none) is told. */
void fetch_watch_join(struct fetch_item *item, struct partition *p);
/* Whether the next visit looks at it, too. */
void fetch_watch_note(struct fetch_item *item, struct partition *p);
/* For fetch_sessions_new(). */
void fetch_watch_drop(struct fetch_watch *w);

/* fetch_answer.c: on the home */
void fetch_fill_response(struct fetch *f);
struct fetch_sessions *fetch_sessions_of(struct shard *home);

#endif
