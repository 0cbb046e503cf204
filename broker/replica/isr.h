/* What a leader knows of its followers, and what follows from it: the in-sync replicas (ISR) and
 * the high watermark. Pure state: time and ends of logs are arguments, nothing is called.
 *
 * The committed ISR is the one of the metadata image. While a change is with the controller
 * (`pending`), the maximal ISR counts for the high watermark: it holds everybody who may be in the
 * ISR by now (the old one while shrinking, the new one while expanding), so that no record is
 * called committed which a member could lack. A set of one replica is the same with ISR = {self}.
 *
 * Source: cluster/Partition.scala (maybeIncrementLeaderHW, updateFollowerFetchState,
 * maybeExpandIsr, getOutOfSyncReplicas), server/.../replica/Replica.java */
#ifndef KAVKA_BROKER_REPLICA_ISR_H
#define KAVKA_BROKER_REPLICA_ISR_H

#include "base/check.h"

#include <stdbool.h>

#define REPLICAS_MAX 64 /* of one partition; an assignment beyond it is refused */

struct follower {
	int32_t id;
	/* The controller would not let it into the ISR: its broker is fenced, is shutting down, or
	 * has registered anew since it fetched. */
	bool is_barred;
	int64_t log_end_offset;   /* -1: unknown */
	int64_t log_start_offset; /* -1: unknown */
	int64_t last_fetch_ms;    /* 0: never */
	int64_t last_fetch_leader_end_offset;
	int64_t last_caught_up_ms; /* 0: never */
	int64_t broker_epoch;      /* -1: not told */
	/* Settled: it fetches on, with nothing new, and did so last at *session_fetch_ms
	 * (borrowed); what is above of its times is older. Else NULL. */
	const int64_t *session_fetch_ms;
};

enum isr_pending { ISR_COMMITTED, ISR_EXPANDING, ISR_SHRINKING };

struct isr {
	int32_t self;
	int32_t replicas[REPLICAS_MAX]; /* the assignment, preferred leader first */
	unsigned replica_count;
	int32_t members[REPLICAS_MAX]; /* the committed ISR */
	unsigned member_count;
	enum isr_pending pending;
	int32_t proposed[REPLICAS_MAX]; /* with the controller, unless ISR_COMMITTED */
	unsigned proposed_count;
	struct follower followers[REPLICAS_MAX]; /* replicas but self */
	unsigned follower_count;
};

/* No replicas, nobody in sync. */
void isr_init(struct isr *s, int32_t self);

/* Takes assignment and ISR of the metadata. As leader, followers that stay keep what is known of
 * them; with `new_epoch` (a new leader epoch) their clocks start again: members count as caught up
 * at `now_ms`; with `newly_leader` also their offsets are forgotten. Ends a pending change. */
void isr_set(struct isr *s, const int32_t *replicas, unsigned replica_count, const int32_t *members,
	     unsigned member_count, bool new_epoch, bool newly_leader, int64_t now_ms);

bool isr_is_replica(const struct isr *s, int32_t id);
bool isr_is_member(const struct isr *s, int32_t id); /* of the committed ISR */
bool isr_is_maximal_member(const struct isr *s, int32_t id);
unsigned isr_maximal_count(const struct isr *s);
struct follower *isr_follower(struct isr *s, int32_t id); /* NULL: not a replica, or self */

/* A follower fetched from `fetch_offset`: it has all before it. `leader_end_offset` is the end of
 * our log before the read. */
void isr_fetched(struct isr *s, struct follower *f, int64_t fetch_offset, int64_t log_start_offset,
		 int64_t leader_end_offset, int64_t broker_epoch, int64_t now_ms);

/* A follower in sync that has all there is, and all of it committed, stays caught up as long as it
 * goes on fetching: who looks after its fetches writes their time to one place for all partitions
 * (*session_fetch_ms), instead of telling each. It ends with the next isr_fetched() or leader
 * epoch, or with isr_unsettle(), which must come before the place goes. False: it is to be told
 * each time. */
bool isr_settle(const struct isr *s, struct follower *f, int64_t leader_end_offset,
		int64_t high_watermark, const int64_t *session_fetch_ms);
void isr_unsettle(struct follower *f);
int64_t follower_caught_up_ms(const struct follower *f);

/* The high watermark that follows, never below `current`. `leader_end_offset` is our own end;
 * `min_insync` the effective one: below it nothing moves. Followers that are not members but
 * caught up within `lag_max_ms` count as well, as they are about to join, unless they are barred.
 */
int64_t isr_high_watermark(const struct isr *s, int64_t current, int64_t leader_end_offset,
			   unsigned min_insync, int64_t lag_max_ms, int64_t now_ms);

/* Whether `f` should be proposed for the ISR: not in it, not barred, nothing pending, and it has
 * everything that is committed and all before the start of this leader's epoch. */
bool isr_should_expand(const struct isr *s, const struct follower *f, int64_t high_watermark,
		       int64_t epoch_start_offset);
/* Writes the members that lag for more than `lag_max_ms`; returns how many. */
unsigned isr_lagging(const struct isr *s, int64_t leader_end_offset, int64_t lag_max_ms,
		     int64_t now_ms, int32_t out[REPLICAS_MAX]);

/* Proposes a change: the caller sends `proposed` to the controller. */
void isr_expand(struct isr *s, int32_t id);
void isr_shrink(struct isr *s, const int32_t *lagging, unsigned lagging_count);
/* The change was refused for good. One that was taken ends with isr_set(). */
void isr_revert(struct isr *s);

void isr_check(const struct isr *s);

#endif
