/* Inside of the consumer: consumer.c (life, subscriptions, poll), decode.c (received bytes into
 * records), fetch.c (fetch sessions), position.c (where to begin), epoch.c (is it still there after
 * a change of leaders), commit.c (offsets of the group),
 * member.c (the classic group protocol), modern.c (the new one), assignor.c (who gets what). */
#ifndef KAVKA_CLIENT_CONSUMER_INT_H
#define KAVKA_CLIENT_CONSUMER_INT_H

#include "client/assignor.h"
#include "client/client_int.h"
#include "client/consumer.h"

/* Answers of one partition that may wait to be handed out: one more is fetched meanwhile. */
#define PART_FETCHED_MAX 2
/* Small record batches are handed out together up to this many records. */
#define CONSUMER_BATCH_RECORDS 1024
/* How long consumer_close() waits for the commit and the leave. */
#define CONSUMER_CLOSE_MS 5000

enum part_state {
	PART_NEW,		/* needs the group's committed offset */
	PART_RESET,		/* needs an offset from ListOffsets: reset_timestamp */
	PART_ASKING,		/* one of both is on its way */
	PART_READY,		/* position is known */
	PART_STUCK,		/* no offset and auto.offset.reset=none, or not allowed: told */
};

/* A partition that is assigned. */
struct kpart {
	struct map_node map_node;	/* key: index, then the topic's name */
	struct list_node link;		/* of the consumer, in order of assignment */
	char *key;
	size_t key_len;
	struct str topic;		/* in key */
	int32_t index;
	enum part_state state;
	bool is_paused, is_at_end, is_kept;
	bool is_new;			/* not yet told as assigned */
	int64_t reset_timestamp;	/* PART_RESET: OFFSET_BEGINNING, OFFSET_END or a time */
	int64_t position;		/* of the next record to be handed out */
	int64_t fetch_offset;		/* behind what was fetched */
	int64_t committed;		/* as far as known to be committed; -1 */
	int32_t position_epoch;		/* leader epoch of the record before the position */
	int32_t fetched_epoch;		/* the same before fetch_offset */
	int32_t checked_epoch;		/* of the leader that has it all; -1 */
	bool is_checking;
	int64_t high_watermark, last_stable_offset, log_start_offset;
	unsigned fetched_count;		/* answers that wait */
	unsigned seek_count;		/* answers asked for before a seek are dropped */
	unsigned asked_seek_count;
	unsigned fail_count;
	int64_t not_before_ms;		/* backoff */
	int32_t preferred_node;		/* a follower to read from; -1 */
	int64_t preferred_until_ms;
	/* fetch session */
	struct fetcher *session;	/* whose session has it; NULL: none */
	int64_t session_offset;
	int32_t session_epoch;
	struct uuid session_topic_id;
	bool is_wanted, is_asked;
};

/* Records of one partition as they came. */
struct fetched {
	struct list_node link;
	struct kpart *part;
	unsigned seek_count;
	struct slice frame;		/* the reference */
	const uint8_t *data;
	size_t len;
	const uint8_t *open_data;	/* the batch being read */
	size_t open_len;
	size_t bytes;
	int64_t high_watermark, last_stable_offset, log_start_offset;
	struct fetch_response_aborted_transaction *aborted;	/* sorted by first offset */
	size_t aborted_count, aborted_at;
	int64_t *aborted_ids;		/* producers inside an aborted transaction */
	size_t aborted_id_count, aborted_id_cap;
};

struct fetcher {
	struct map_node map_node;
	int32_t node_id;
	struct consumer *consumer;
	struct call call;
	struct arena arena;
	bool in_flight;
	bool has_session_api;
	int32_t session_id, session_epoch;
	unsigned fail_count;
	int64_t not_before_ms;
	int64_t away_since_ms;		/* 0: it answers */
	bool is_away_told;
};

/* A question about offsets of partitions, on its way (position.c, epoch.c). */
struct offset_part {
	struct str topic;		/* in the arena */
	int32_t index;
	unsigned seek_count;
	int64_t timestamp;		/* epoch.c: the leader's epoch */
	int32_t epoch;			/* epoch.c: of the record before our position */
};

struct offset_call {
	struct list_node link;
	struct call call;
	struct consumer *consumer;
	struct arena arena;
	struct offset_part *parts;
	size_t part_count, part_cap;
	int32_t node_id;
};

enum member_state {
	MEMBER_NONE,		/* no group, or not subscribed */
	MEMBER_START,		/* will join: waits for topics, for a commit, or for the backoff */
	MEMBER_COMMITTING,	/* before it gives up its partitions */
	MEMBER_JOINING,
	MEMBER_ASSIGNING,	/* leader: waits for metadata of the members' topics */
	MEMBER_SYNCING,
	MEMBER_STABLE,
	MEMBER_LEFT,		/* polled too rarely: joins again with the next poll */
	MEMBER_FATAL,
};

/* The new protocol (modern.c). */
struct modern_partition {
	struct uuid topic_id;
	int32_t index;
};

struct modern {
	int64_t interval_ms;		/* between heartbeats, as the coordinator wants it */
	bool wants_full;		/* the next heartbeat says all of it */
	bool owned_changed;		/* or what we have */
	bool again;			/* something changed while one was on its way */
	bool has_target;		/* not reached yet */
	struct modern_partition *target;	/* in arena */
	size_t target_count;
	struct arena arena;
};

struct member {
	enum member_state state;
	bool is_modern;			/* group.protocol=consumer */
	struct modern modern;
	struct str group;
	char *id;			/* "" at first */
	const char *instance_id;	/* NULL: dynamic */
	int32_t generation;
	bool is_leader, needs_rejoin;
	enum assignor assignors[ASSIGNOR_COUNT];
	size_t assignor_count;
	enum assignor assignor;		/* chosen by the group */
	struct call call;		/* join, sync or heartbeat */
	bool in_call;
	struct call heartbeat;
	bool in_heartbeat;
	struct arena arena;		/* of the requests */
	struct arena heartbeat_arena;
	struct client_timer timer;	/* heartbeat interval, backoff */
	unsigned fail_count;
	int64_t joined_ms, join_began_ms, last_poll_ms;
	/* leader */
	struct arena assign_arena;
	struct assign_member *members;
	size_t member_count;
	uint64_t topics_hash;		/* partition counts at the assignment */
	int64_t topics_since_ms;
	/* what the subscription was when it joined */
	uint64_t joined_subscription;
};

enum consumer_mode { CONSUME_NONE, CONSUME_ASSIGNED, CONSUME_TOPICS, CONSUME_PATTERN };

struct consumer {
	struct client *client;
	struct consumer_options options;
	struct consumer_stats stats;
	/* config */
	int32_t min_bytes, max_bytes, max_wait_ms, partition_bytes;
	bool is_committed_only, check_crcs, auto_commit, allow_create, exclude_internal;
	bool reset_is_none;
	int64_t reset_timestamp;	/* or OFFSET_BEGINNING, OFFSET_END */
	int64_t reset_duration_ms;	/* > 0: by_duration */
	size_t records_max;
	const char *rack;

	enum consumer_mode mode;
	struct str *topics;		/* sorted; owned */
	size_t topic_count;
	uint64_t subscription;		/* counts changes of it */
	void *pattern;			/* pcre2_code */

	struct map parts;
	struct list_node part_list;
	struct list_node fetched;	/* struct fetched, in order of arrival */
	size_t fetched_bytes;
	struct map fetchers;
	struct list_node offset_calls;
	struct client_timer pump_timer, commit_timer;
	struct client_watcher watcher;
	bool in_poll, is_closing, is_pumping, is_woken;

	/* what is being handed out */
	struct fetched *current;
	struct record_iter iter;
	bool in_batch;			/* iter has records left */
	bool batch_is_skipped;
	struct record *records;
	size_t records_cap;
	struct kpart *handed;		/* of the batch that the caller has */
	struct compressor *compressor;

	struct err err;			/* to be told by the next poll */
	struct member member;
	struct call commit_call;	/* automatic commits */
	struct arena commit_arena;
	bool in_commit;
	struct position *commit_positions;
	size_t commit_count;
};

/* consumer.c */
struct kpart *consumer_part(const struct consumer *k, struct str topic, int32_t index);
struct kpart *consumer_part_add(struct consumer *k, struct str topic, int32_t index);
void consumer_part_remove(struct consumer *k, struct kpart *part);
void consumer_part_seek(struct consumer *k, struct kpart *part, int64_t offset);
void consumer_error(struct consumer *k, int rc, const struct err *err);	/* for the next poll */
/* Sends what is to be sent: committed offsets, list offsets, fetches. Soon, from the loop. */
void consumer_pump(struct consumer *k);
bool consumer_topics_known(struct consumer *k);

/* decode.c: 1: `out` has records; 0: nothing there; < 0: an error (*err). */
int decode_next(struct consumer *k, struct consumer_batch *out, struct err *err);
void decode_drop(struct consumer *k, struct kpart *part);	/* what was fetched of it */
void fetched_free(struct consumer *k, struct fetched *f);

/* fetch.c */
void fetch_pump(struct consumer *k, int64_t now, int64_t *wake_ms);
void fetch_close(struct consumer *k);	/* ends the sessions; waits for at most half a second */
void fetch_fini(struct consumer *k);
void fetch_part_gone(struct consumer *k, struct kpart *part);

/* position.c */
void position_pump(struct consumer *k, int64_t now, int64_t *wake_ms);
void position_fini(struct consumer *k);
void position_reset(struct consumer *k, struct kpart *part);	/* by auto.offset.reset */
struct offset_call *offset_call_new(struct consumer *k);
void offset_call_add(struct offset_call *oc, const struct kpart *part);
void offset_call_free(struct offset_call *oc);

/* epoch.c */
/* Must the leader be asked whether it has all that we read? Nothing is fetched before. */
bool epoch_is_open(struct consumer *k, const struct kpart *part);
void epoch_pump(struct consumer *k, int64_t now, int64_t *wake_ms);

/* commit.c */
void commit_timer_fire(struct client_timer *t);
void commit_start_timer(struct consumer *k);
/* Commits all positions; `done` (member.c) when the answer is there. False: nothing to commit. */
bool commit_all(struct consumer *k);
void commit_fini(struct consumer *k);
/* Builds the request for positions at a version. */
struct offset_commit_request *commit_request(struct consumer *k, struct arena *arena,
					     int16_t version, const struct position *positions,
					     size_t count);

/* modern.c */
void modern_init(struct consumer *k);
void modern_fini(struct consumer *k);
void modern_heartbeat(struct consumer *k);	/* the first one joins */
void modern_subscribe(struct consumer *k);
void modern_metadata(struct consumer *k);
void modern_committed(struct consumer *k);
void modern_commit_error(struct consumer *k, int code);

/* member.c */
void member_init(struct consumer *k);
void member_fini(struct consumer *k);
void member_subscribe(struct consumer *k);	/* the subscription changed */
void member_fatal(struct consumer *k, int rc, int code, const struct err *why);
void member_lost(struct consumer *k);		/* thrown out: gives everything up */
void member_tell_assigned(struct consumer *k);	/* parts that are new */
void member_tell_revoked(struct consumer *k);	/* removes parts that are not kept */
void member_metadata(struct consumer *k);
void member_poll(struct consumer *k);
void member_committed(struct consumer *k);	/* the commit before a rebalance is answered */
/* The coordinator answered a commit with an error about the member. */
void member_error(struct consumer *k, int code);
/* Gives everything up; waits for the answer if the consumer closes. */
int member_leave(struct consumer *k, struct err *err);

/* leave.c: tells the group that the member is gone, as classic or modern as it is. Not waited for:
 * 0 at once. Else the answer's error, or that of its way, within CONSUMER_CLOSE_MS. */
MUST_USE int leave_send(struct consumer *k, bool is_waited, struct err *err);

/* subscription.c */
/* Metadata of one assignor for JoinGroup, in arena. */
struct slice subscription_encode(struct consumer *k, enum assignor assignor, struct arena *arena);
MUST_USE int subscription_decode(struct slice bytes, enum assignor assignor, struct arena *arena,
				 struct assign_member *out);
struct slice assignment_encode(const struct assign_member *m, const struct assign_topic *topics,
			       struct arena *arena);

#endif
