/* Followers: how the replicas of a shard that others lead get their records.
 *
 * A fetcher asks one leader for all the partitions of this shard that it leads, with one Fetch
 * under way at a time, in an incremental fetch session (KIP-227): a request names what changed
 * since the last one. A partition fetches from its log end with the leader epoch it knows and the
 * epoch of its last record. What comes back:
 *
 *	records			are appended byte for byte; high watermark and log start follow the
 *				leader's
 *	a diverging epoch	the log is cut where the two histories part (never at the high
 *				watermark: what a leader acknowledged may lie above ours)
 *	OFFSET_OUT_OF_RANGE	the leader is asked where its log ends (a shorter one: ours is cut)
 *				and starts (a later one: ours starts anew there)
 *	FENCED_LEADER_EPOCH	waits for newer metadata
 *	other errors		are tried again after a while
 *
 * Answers count only if the partition still is where it was when it was asked.
 *
 * Inside broker/replica. Runs on its shard: sends through shard/channel.h, waits by shard timers.
 * Source: server/{AbstractFetcherThread,ReplicaFetcherThread,RemoteLeaderEndPoint}.scala,
 * clients/.../FetchSessionHandler.java */
#ifndef KAVKA_BROKER_REPLICA_FETCHER_H
#define KAVKA_BROKER_REPLICA_FETCHER_H

#include "base/arena.h"
#include "replica/replica_int.h"
#include "shard/channel.h"

/* A partition that the leader's session has and that is not fetched there any more. */
struct fetcher_forgotten {
	struct uuid topic_id;
	int32_t index;
};

struct fetcher {
	struct replica_set *set;
	struct list_node link; /* of the set */
	int32_t leader_id;
	unsigned number; /* of the fetchers of this leader */
	struct list_node partitions;
	unsigned partition_count;
	/* What the next request looks at: whatever it may have to say something new about. The
	 * others are asked for as they were before. */
	struct list_node changed;
	unsigned asked_count; /* partitions that the leader's session has */

	/* where the leader is */
	struct channel *channel; /* NULL: not known */
	char *host;
	uint16_t port;
	int16_t security_protocol;

	/* the request under way */
	struct channel_request request;
	bool is_busy;
	struct arena arena; /* of its body */
	int64_t sent_ms;
	bool has_news;       /* partitions came that it does not ask for */
	int64_t replaced_ms; /* when one was given up for their sake */

	struct timer timer;
	int64_t quiet_until_ms; /* after a failure of the whole request */
	unsigned failure_count; /* in a row */

	/* the session at the leader; 0, 0: the next request begins one */
	int32_t session_id, session_epoch;
	struct fetcher_forgotten *forgotten;
	size_t forgotten_count, forgotten_cap;
};

/* ---- fetcher.c: who fetches where ------------------------------------------------------------ */

/* The role, leader or leader epoch (`is_new_epoch`) of `p` may have changed. */
void follow_update(struct partition *p, bool is_new_epoch);
void follow_stop(struct partition *p);
/* Something of `p` may be news to its leader: the next request looks at it. */
void follow_touch(struct partition *p);
/* After all that an image brings: endpoints are looked up in set->image, requests leave. */
void fetchers_apply(struct replica_set *set);
/* Nothing is fetched any more. */
void fetchers_free(struct replica_set *set);

/* Milliseconds to wait before the next try: more with each failure in a row, up to
 * replica.fetch.backoff.ms. */
int64_t fetcher_backoff_ms(const struct fetcher *f, unsigned failure_count);
/* `p` is not asked for before some time has passed. */
void follow_delay(struct partition *p);

/* ---- fetcher_request.c: what is asked -------------------------------------------------------- */

/* The body of the next Fetch in f->arena, or NULL if there is nothing to ask; then *wait_ms is set
 * to when there may be (INT64_MAX: when somebody says so). */
struct fetch_request *fetcher_fetch(struct fetcher *f, int64_t *wait_ms);
/* ListOffsets for those out of range, or NULL: there are none. */
struct list_offsets_request *fetcher_list_offsets(struct fetcher *f);
/* The versions that the finalized metadata.version allows. */
int16_t fetcher_fetch_version(int metadata_version);
int16_t fetcher_list_offsets_version(int metadata_version);
/* The next Fetch begins a new session; `is_lost`: the leader does not know the old one any more. */
void fetcher_end_session(struct fetcher *f, bool is_lost);

/* ---- fetcher_answer.c: what comes back ------------------------------------------------------- */

/* Whether the answer was good; else the fetcher should wait before it asks again. */
bool fetcher_take_fetch(struct fetcher *f, const struct fetch_response *response);
void fetcher_take_list_offsets(struct fetcher *f, const struct list_offsets_response *response);

#endif
