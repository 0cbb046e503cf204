/* A consumer: partitions assigned by hand or by a group, fetched ahead, handed out in bulk.
 *
 *	rc = consumer_new(&k, client, &options, &err);
 *	rc = consumer_subscribe(k, topics, count, &err);	// or _subscribe_pattern, _assign
 *	for (;;) {
 *		rc = consumer_poll(k, 1000, &batch, &err);
 *		if (rc <= 0) ...				// 0: nothing came in time
 *		for (size_t i = 0; i < batch.count; i++)
 *			print(&batch.records[i]);
 *	}
 *	rc = consumer_close(k, &err);				// commits, leaves the group
 *	consumer_free(k);
 *
 * Nothing is copied: the records of a batch borrow the received bytes until the next
 * consumer_poll(), consumer_close() or consumer_free(). The group's heartbeats come from the loop,
 * so the loop must run: consumer_poll() within max.poll.interval.ms, or the member leaves.
 * Config role: CLIENT_CONSUMER. One thread, as the client. */
#ifndef KAVKA_CLIENT_CONSUMER_H
#define KAVKA_CLIENT_CONSUMER_H

#include "client/client.h"
#include "wire/batch.h"

struct consumer;

/* A place in a partition. */
struct position {
	struct str topic;
	int32_t partition;
	int64_t offset;			/* OFFSET_* below, or >= 0 */
	int32_t leader_epoch;		/* -1: not known */
	struct str metadata;		/* of a committed offset */
	int16_t error;			/* kafka error, where a function says so */
};

#define OFFSET_BEGINNING (-2)		/* as ListOffsets has them */
#define OFFSET_END (-1)
#define OFFSET_COMMITTED (-1000)	/* the group's, else auto.offset.reset */
#define OFFSET_NONE (-1001)		/* there is none */

struct consumer_batch {
	struct str topic;
	int32_t partition;
	struct record *records;		/* in offset order */
	size_t count;
	int64_t next_offset;		/* behind the last record, gaps included */
	int64_t high_watermark, log_start_offset, last_stable_offset;
	int32_t leader_epoch;
	bool is_log_append_time;	/* what the timestamps are */
};

struct consumer_options {
	/* The group's decisions, from the loop. Positions are the partitions only. `revoked` comes
	 * before the partitions are given up (offsets may be committed); `lost` after the group
	 * threw the member out. Any may be NULL. */
	void (*assigned)(void *ctx, const struct position *partitions, size_t count);
	void (*revoked)(void *ctx, const struct position *partitions, size_t count);
	void (*lost)(void *ctx, const struct position *partitions, size_t count);
	/* A partition was fetched to its end (high watermark, or last stable offset). Once each
	 * time it is reached. */
	void (*at_end)(void *ctx, struct str topic, int32_t partition, int64_t offset);
	/* A poll is about to run the loop, which may commit: what was handed out before counts as
	 * done with from here on. consumer_seek() takes some of it back. */
	void (*before_wait)(void *ctx);
	void *ctx;
	/* Records of one batch at most; 0: max.poll.records if that was set, else as many as the
	 * record batch has. */
	size_t records_max;
};

MUST_USE int consumer_new(struct consumer **out, struct client *client,
			  const struct consumer_options *options, struct err *err);
/* Commits (enable.auto.commit), leaves the group (dynamic members), closes fetch sessions; waits
 * for at most a few seconds. */
MUST_USE int consumer_close(struct consumer *k, struct err *err);
void consumer_free(struct consumer *k);		/* NULL is fine */

/* Each of the three replaces what was before. Topics that do not exist yet are waited for. */
MUST_USE int consumer_subscribe(struct consumer *k, const struct str *topics, size_t count,
				struct err *err);
/* PCRE2, must match the whole name; internal topics are left out (exclude.internal.topics).
 * E_INVALID with the place of the mistake. */
MUST_USE int consumer_subscribe_pattern(struct consumer *k, const char *pattern, struct err *err);
/* By hand; start where `offset` says. */
MUST_USE int consumer_assign(struct consumer *k, const struct position *positions, size_t count,
			     struct err *err);

/* 1: a batch. 0: none within `timeout_ms` (< 0: no end). < 0: E_KAFKA (authorization; no offset and
 * auto.offset.reset=none; fenced), E_INTERRUPTED, E_CORRUPT
 * (a batch fails its checksum or cannot be read; seek beyond it to go on), and a call's errors.
 * Errors are told once; polling again goes on where that makes sense. A topic that does not exist
 * is warned of (say_warn) and waited for. */
MUST_USE int consumer_poll(struct consumer *k, int64_t timeout_ms, struct consumer_batch *out,
			   struct err *err);

/* Makes the poll that waits, or the next one that would, return 0. From callbacks of the loop. */
void consumer_wake(struct consumer *k);

/* Partitions it has now: count, and up to `max` into `out` (offset: position of the next record
 * to be handed out, OFFSET_NONE if not known yet). Strings are borrowed until the next poll. */
size_t consumer_assignment(const struct consumer *k, struct position *out, size_t max);
int64_t consumer_position(const struct consumer *k, struct str topic, int32_t partition);
/* Next poll continues there; OFFSET_BEGINNING and OFFSET_END too. E_NOT_FOUND: not assigned. */
MUST_USE int consumer_seek(struct consumer *k, struct str topic, int32_t partition, int64_t offset);
MUST_USE int consumer_pause(struct consumer *k, struct str topic, int32_t partition,
			    bool is_paused);
/* Records between position and end, as far as known from fetches; -1 if not. */
int64_t consumer_lag(const struct consumer *k, struct str topic, int32_t partition);

/* Commits the positions (what was handed out by polls before), or the given ones; waits. */
MUST_USE int consumer_commit(struct consumer *k, struct err *err);
MUST_USE int consumer_commit_positions(struct consumer *k, const struct position *positions,
				       size_t count, struct err *err);

struct consumer_stats {
	uint64_t record_count, record_bytes;	/* handed out: keys and values */
	uint64_t fetch_count, fetch_bytes;
	uint64_t rebalance_count;
	int64_t join_ms;			/* spent in joining and syncing */
};
const struct consumer_stats *consumer_stats(struct consumer *k);

/* What the group knows of this member; "" and -1 before it joined. */
const char *consumer_member_id(const struct consumer *k);
int32_t consumer_generation(const struct consumer *k);

#endif
