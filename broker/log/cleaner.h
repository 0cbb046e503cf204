/* The log cleaner: compaction of logs whose cleanup.policy has `compact`. Of each key only the
 * newest value stays; offsets keep their numbers.
 *
 * One cleaner belongs to a shard and works on one of the shard's logs at a time, in bounded steps:
 *
 *	if (cleaner_is_idle(c) && (log = the one with the highest cleaner_ratio()))
 *		cleaner_start(c, log);
 *	while (time is left && cleaner_step(c, bytes) > 0)
 *		;
 *
 * A log that is truncated, closed or deleted during its round ends the round by itself
 * (cleaner_forget is called by the log). Reads and appends go on between steps.
 * Source: Cleaner.java, LogCleanerManager.java, SkimpyOffsetMap.java. */
#ifndef KAVKA_BROKER_LOG_CLEANER_H
#define KAVKA_BROKER_LOG_CLEANER_H

#include "base/err.h"

#include <stdbool.h>

struct cleaner;
struct log;
struct log_pool;

struct cleaner_options {
	size_t dedupe_bytes;	/* memory of the key map, kept during a round only; 0: 8 MiB */
	double load_factor;	/* of it; 0: 0.9 */
	size_t io_bytes;	/* first size of read buffers; 0: 512 KiB */
};

struct cleaner *cleaner_new(struct log_pool *pool, const struct cleaner_options *options);
void cleaner_free(struct cleaner *c);	/* ends a round; NULL is fine */

/* How badly a log wants to be cleaned: its dirty ratio, 2 if it must be cleaned now
 * (max.compaction.lag.ms), or -1 if there is nothing to do (also: not compacted, or set aside after
 * an error). */
double cleaner_ratio(struct log *log);

bool cleaner_is_idle(const struct cleaner *c);
/* Begins a round. The cleaner is idle. */
void cleaner_start(struct cleaner *c, struct log *log);
/* Works through about `bytes_max` of log. 1: more to do; CLEANER_WAITS: the same, but the disk is
 * reading what comes next, so let a moment pass; 0: the round is over (the log's cleaner
 * offset moved, or it was given up); E_OFFLINE: the disk failed (log_options.failed was called). */
#define CLEANER_WAITS 2
MUST_USE int cleaner_step(struct cleaner *c, size_t bytes_max);
/* Gives up the round if it is this log's. */
void cleaner_forget(struct cleaner *c, const struct log *log);

struct cleaner_stats {
	int64_t rounds, read_bytes, written_bytes, dropped_records, uncleanable_logs;
};
const struct cleaner_stats *cleaner_get_stats(const struct cleaner *c);

#endif
