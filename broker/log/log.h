/* The log of one partition: a directory of segments with their indexes, the producers' state, the
 * leader epochs; appending, reading, recovery, retention, truncation.
 *
 *	pool = log_pool_new(env, ...);			// once a shard
 *	rc = log_open(&log, pool, path, &config, &options, err);
 *	rc = log_append_leader(log, &request, &info, err);	// or log_append_follower
 *	rc = log_read(log, offset, ..., &result, err);
 *	wait_ms = log_tick(log);			// now and then
 *	rc = log_close(log, err);			// flushes; or log_delete
 *
 * What always holds: log start <= last stable <= high watermark <= log end; bytes below the log end
 * never change, except by truncation, retention and the cleaner. The high watermark is the owner's
 * (replica, raft): log_set_high_watermark(); the log only keeps it inside [log start, log end].
 *
 * Shard: a pool and its logs belong to one shard; no locks. File ranges that log_read gives may go
 * to other threads. All I/O goes through the pool's env and happens inside the call, but for
 * flushes after a roll and by time, and warming (log_warm), which are env_work: its run() calls the
 * env's fsync, fsync_dir, prefetch and pread on files that it owns, on whatever thread runs it; the
 * last reference to a file calls close() on any thread.
 *
 * Errors, for all functions that return int:
 *	E_OFFLINE	the disk failed, now or before; log_options.failed was called (once). The
 *			log takes no more calls but accessors, log_read of ranges given before, and
 *			log_close, which then only frees. fsync is never tried twice.
 *	-ENOSPC, -EDQUOT	(appends, log_roll, log_retain, log_flush) nothing was written, the
 *			log is as before and stays usable; whether the directory goes offline is
 *			the owner's choice.
 *	E_OFFSET_RANGE	as said at the function
 *	E_COLD		between log_pool_try() and log_pool_wait() only, see there
 * Refusals of a producer's records are not errors: they are a kafka_error in the result.
 *
 * Message sets of versions 0 and 1 (before Kafka 0.11) are read, sent and compacted as they lie on
 * the disk, and taken from a leader; a producer's are refused.
 *
 * Files are Apache Kafka's, byte for byte. Differences in use only: indexes are
 * not preallocated and are written late (they are complete after log_flush, a roll and log_close).
 * Source: UnifiedLog.java, LocalLog.java, LogSegment.java, LogValidator.java, LogLoader.java. */
#ifndef KAVKA_BROKER_LOG_LOG_H
#define KAVKA_BROKER_LOG_LOG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/err.h"
#include "base/file_ref.h"
#include "base/uuid.h"
#include "wire/compress.h"
#include "wire/errors.h"

struct log;
struct log_pool;

/* ---- What the logs of a shard share ---------------------------------------------------------- */

struct log_pool_options {
	unsigned open_files_max;	/* segment files kept open without a reader; 0: 1024 */
	int64_t producer_id_expiration_ms;		/* 0: 86400000 */
	int64_t producer_check_interval_ms;		/* 0: 600000 */
	int64_t retention_check_interval_ms;		/* 0: 300000 */
	int64_t flush_check_interval_ms;		/* log.flush.scheduler...; 0: 1000 */
	int64_t transaction_timeout_max_ms;		/* 0: 900000; for log_late_txn_count */
};

/* Borrows env for its life. */
struct log_pool *log_pool_new(struct env *env, const struct log_pool_options *options);
/* All logs were closed before, no flush is under way (see log_is_busy); NULL is fine. */
void log_pool_free(struct log_pool *pool);
struct env *log_pool_env(struct log_pool *pool);
/* The shard's codecs, for any use that ends before the next call of a log function. */
struct compressor *log_pool_compressor(struct log_pool *pool);

/* ---- Configuration --------------------------------------------------------------------------- */

#define LOG_COMPRESSION_PRODUCER (-1)	/* keep what the producer chose */

/* Topic configs as numbers; unlimited or never is -1 (or INT64_MAX where said). */
struct log_config {
	int32_t segment_bytes;
	int64_t segment_ms;
	int64_t segment_jitter_ms;
	int32_t segment_index_bytes;
	int32_t index_interval_bytes;
	int64_t retention_ms;			/* -1: unlimited */
	int64_t retention_bytes;		/* -1: unlimited */
	int64_t flush_messages;			/* INT64_MAX: never */
	int64_t flush_ms;			/* INT64_MAX: never */
	int32_t max_message_bytes;
	int compression;			/* enum compression, or LOG_COMPRESSION_PRODUCER */
	int gzip_level, lz4_level, zstd_level;
	bool log_append_time;			/* message.timestamp.type */
	int64_t timestamp_before_max_ms;	/* INT64_MAX: any */
	int64_t timestamp_after_max_ms;
	bool cleanup_delete, cleanup_compact;	/* cleanup.policy */
	int64_t min_compaction_lag_ms;
	int64_t max_compaction_lag_ms;		/* INT64_MAX: never */
	double min_cleanable_dirty_ratio;
	int64_t delete_retention_ms;
	bool preallocate;
	int64_t file_delete_delay_ms;
};

/* Kafka's defaults (1 GiB segments, 7 days, ...). */
void log_config_default(struct log_config *config);

/* ---- Opening and closing --------------------------------------------------------------------- */

struct log_options {
	struct uuid topic_id;		/* zero: as partition.metadata has it, if there */
	int64_t recovery_point;		/* of the checkpoint file; 0 if it has no line */
	int64_t log_start_offset;	/* of the checkpoint file; 0 if it has no line */
	int64_t high_watermark;		/* of the checkpoint file; 0 if it has no line */
	int64_t cleaner_offset;		/* of the checkpoint file; -1 if it has no line */
	bool was_clean;			/* the directory's clean-shutdown marker was there */
	int32_t leader_epoch_max;	/* no batch has a later one */
	/* Called once in the life of the log, when its disk fails; inside any call or from a
	 * background flush. May not free the log. */
	void (*failed)(void *ctx, struct log *log, int rc, const char *text);
	void *ctx;
};

/* Nothing known: a new partition. */
#define LOG_OPTIONS_DEFAULT \
	((struct log_options){.cleaner_offset = -1, .leader_epoch_max = INT32_MAX})

/* Opens the partition directory `path`, or makes it. Recovers what an unclean end left: temporary
 * files, torn tails, indexes, producer state (was_clean skips the scan). The name of the log in
 * messages is the last part of the path. Copies config, options and path.
 * 0; -errno (the disk; `failed` is not called), E_CORRUPT (not one of the states that a crash or
 * Kafka leave), E_INVALID (partition.metadata names another topic id). */
MUST_USE int log_open(struct log **out, struct log_pool *pool, const char *path,
		      const struct log_config *config, const struct log_options *options,
		      struct err *err);

/* Flushes, writes the producer snapshot and frees the log (also on error). If a background flush is
 * under way, its memory is freed when that is done. After 0, log_recovery_point() was the log end:
 * take it before. */
MUST_USE int log_close(struct log *log, struct err *err);
/* Closes without flushing or writing anything. */
void log_abandon(struct log *log);

/* Renames the directory to TOPIC-N.HEX-delete and frees the log; the files go when
 * log_dir_sweep() is called after file.delete.delay.ms. 0 or E_OFFLINE (freed, too). */
MUST_USE int log_delete(struct log *log, struct err *err);
/* Renames the open log's directory to `new_name` in the same log dir (-stray, -future -> plain). */
MUST_USE int log_rename(struct log *log, const char *new_name, struct err *err);

void log_configure(struct log *log, const struct log_config *config);
const struct log_config *log_get_config(const struct log *log);
const char *log_path(const struct log *log);
const char *log_name(const struct log *log);	/* "orders-0" */
struct uuid log_topic_id(const struct log *log);
/* Writes partition.metadata for a log opened without an id. 0, E_INVALID (has another id),
 * E_OFFLINE. */
MUST_USE int log_set_topic_id(struct log *log, struct uuid topic_id, struct err *err);
bool log_is_offline(const struct log *log);
/* A background flush is under way. */
bool log_is_busy(const struct log *log);
/* What recovery did, for the one line at start. */
struct log_recovery {
	bool was_scanned;
	int64_t scanned_bytes, truncated_bytes;
	unsigned segment_count, deleted_segment_count;
};
const struct log_recovery *log_get_recovery(const struct log *log);

/* ---- Offsets --------------------------------------------------------------------------------- */

int64_t log_start_offset(const struct log *log);
int64_t log_end_offset(const struct log *log);
int64_t log_recovery_point(const struct log *log);	/* all before it is on the disk */
/* The same for recovery-point-offset-checkpoint. From now on the file may say so, also after the
 * log was cut below it: until its end is there again, what is appended is flushed at once, or
 * recovery would take it for what was there before. */
int64_t log_report_recovery_point(struct log *log);
int64_t log_high_watermark(const struct log *log);
/* Kept inside [log start, log end]; may go down. Returns whether it or the last stable moved. */
bool log_set_high_watermark(struct log *log, int64_t offset);
/* min(high watermark, first offset of a transaction that is open, or whose marker is not below the
 * high watermark). */
int64_t log_last_stable_offset(const struct log *log);
int64_t log_first_unstable_offset(const struct log *log);	/* -1: none */
int64_t log_cleaner_offset(const struct log *log);		/* first dirty; -1: never cleaned */

int64_t log_size_bytes(const struct log *log);
unsigned log_segment_count(const struct log *log);
int64_t log_active_base_offset(const struct log *log);
/* log start > base of the first segment: wants a line in log-start-offset-checkpoint. */
bool log_wants_start_checkpoint(const struct log *log);
/* Bytes from `offset` to the end: what a follower lags behind (DescribeLogDirs offset_lag is in
 * offsets; this is for quotas and metrics). */
int64_t log_bytes_from(struct log *log, int64_t offset);

/* ---- Appending ------------------------------------------------------------------------------- */

enum log_origin {
	LOG_ORIGIN_CLIENT,	/* Produce: exactly one batch, everything is checked */
	LOG_ORIGIN_COORDINATOR,	/* our coordinators: one or more batches, may be control batches */
	LOG_ORIGIN_RAFT,	/* the metadata log: only offsets and epoch are set */
};

struct log_append {
	uint8_t *data;		/* the batches, changed in place: offsets, epoch, timestamps, CRC */
	size_t len;
	int32_t leader_epoch;
	enum log_origin origin;
	struct arena *arena;	/* texts and record errors of the result live there */
	/* Transactional batches of clients, KIP-890: refused (INVALID_TXN_STATE) unless the
	 * transaction is open here or `verification_guard` is log_txn_verify_start()'s. */
	bool verify_txn;
	uint64_t verification_guard;
	/* Markers: 0, 1, or 2 when the coordinator bumps the epoch with each transaction. */
	int8_t transaction_version;
};

struct log_record_error {
	int32_t batch_index;
	const char *text;
};

struct log_append_info {
	enum kafka_error error;		/* KERR_NONE, or why nothing was written */
	const char *error_text;		/* NULL: none; a literal or in the arena */
	struct log_record_error *record_errors;	/* in the arena */
	unsigned record_error_count;
	int64_t first_offset, last_offset;	/* -1: refused; duplicate: the first time's */
	int64_t max_timestamp;
	int64_t log_append_time_ms;	/* -1 unless LogAppendTime; duplicate: its timestamp */
	int64_t log_start_offset;
	int32_t last_leader_epoch;	/* of the last batch; -1: none */
	bool is_duplicate;		/* nothing was written */
	bool has_rolled;		/* a new segment was begun */
	bool was_rebuilt;		/* recompressed, or renumbered inside a compressed batch */
	unsigned batch_count;
	int64_t record_count;
	size_t written_bytes;
};

/* Checks the batches as their origin wants it, gives them offsets from the log end and appends
 * them with one write. 0: see info->error. E_OFFLINE, -ENOSPC, -EDQUOT. */
MUST_USE int log_append_leader(struct log *log, const struct log_append *request,
			       struct log_append_info *info, struct err *err);

/* Appends fetched batches as they are. Batches whose partition leader epoch is above `leader_epoch`
 * end the append there (what came before is kept); a partial batch at the end is ignored. An empty
 * log whose end lies inside the first batch starts again at that batch.
 * 0 (info->error NONE, possibly nothing appended: first_offset -1); E_OFFSET_RANGE: a batch below
 * the log end, or offsets that do not rise (nothing of it was written); E_CORRUPT: CRC or structure
 * (nothing was written); E_OFFLINE, -ENOSPC, -EDQUOT. The high watermark is not touched. */
MUST_USE int log_append_follower(struct log *log, uint8_t *data, size_t len, int32_t leader_epoch,
				 struct log_append_info *info, struct err *err);

/* Appends an end-of-transaction marker (leader, origin coordinator). */
struct log_marker {
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t coordinator_epoch;
	bool is_commit;
	int8_t transaction_version;
	int32_t leader_epoch;
};
MUST_USE int log_append_marker(struct log *log, const struct log_marker *marker,
			       struct log_append_info *info, struct err *err);

/* ---- Reading --------------------------------------------------------------------------------- */

struct log_read_result {
	struct file_range records;	/* gives one reference; file == NULL: no records */
	size_t first_batch_bytes;	/* whole size of the first batch; 0: none */
	int64_t first_offset;		/* base offset of that batch, may be below the one asked */
	int64_t segment_base_offset;
};

/* Finds the batches from the one that holds `offset` (or the next one, when offsets are missing),
 * that end below `bound_offset` (high watermark, last stable offset or log end), at most
 * `bytes_max`, in one segment. The range starts with a batch; its last batch may be cut.
 * `whole_first`: the first batch comes whole even if it is larger than bytes_max; otherwise such a
 * batch gives no records. 0; E_OFFSET_RANGE (below log start or above log end); E_CORRUPT;
 * E_OFFLINE. */
MUST_USE int log_read(struct log *log, int64_t offset, size_t bytes_max, bool whole_first,
		      int64_t bound_offset, struct log_read_result *out, struct err *err);

/* Reads a range into a new buffer (gives a reference) and drops the range's. The bytes may end in
 * the middle of a batch, as ranges do. */
MUST_USE int log_read_range(struct log *log, struct file_range *range, struct slice *out,
			    struct err *err);

/* Both at once, cut to whole batches: for loading, raft, tools. SLICE_NULL: no records. */
MUST_USE int log_read_copy(struct log *log, int64_t offset, size_t bytes_max, int64_t bound_offset,
			   struct slice *out, struct err *err);

struct log_aborted_txn {
	int64_t producer_id, first_offset;
};
/* The aborted transactions that overlap [offset, end of the `range_bytes` read there), for
 * read_committed; in the arena. */
MUST_USE int log_aborted_txns(struct log *log, int64_t offset, const struct log_read_result *read,
			      struct arena *arena, struct log_aborted_txn **out, unsigned *count,
			      struct err *err);

struct log_timestamp {
	int64_t timestamp, offset;	/* -1: none */
	int32_t leader_epoch;		/* -1: unknown */
};
/* The first record at or after log start, below `bound_offset`, with timestamp >= `timestamp`. */
MUST_USE int log_find_timestamp(struct log *log, int64_t timestamp, int64_t bound_offset,
				struct log_timestamp *out, struct err *err);
/* The record with the largest timestamp; the first of them. */
MUST_USE int log_find_max_timestamp(struct log *log, struct log_timestamp *out, struct err *err);

/* ---- Not waiting for the disk ---------------------------------------------------------------- */

/* Between log_pool_try() and log_pool_wait() the functions above that read, and cleaner_step(), do
 * not wait for the disk: what they need and is not in memory makes them return E_COLD, with nothing
 * changed, and log_pool_wait() then gives the range (one reference; file NULL: nothing was cold).
 * Have it warmed and try again; the next try may be stopped by another range. */
void log_pool_try(struct log_pool *pool);
void log_pool_wait(struct log_pool *pool, struct file_range *cold);

/* Warms ranges off the shard: reads them, so that a try that follows finds them in memory.
 *
 *	log_warm_add(w, range, ahead_bytes);	// once per range
 *	log_warm_start(w, env, done);		// done(w) comes later, on the shard
 *
 * The owner's memory, zeroed before first use, kept until `done`; then it may be used again. A
 * range that cannot be read is passed over: the try that follows has the error. */
struct log_warm {
	struct env_work work;
	struct env *env;
	struct log_warm_range *ranges;
	size_t count, cap;
	void (*done)(struct log_warm *w);
};
/* Takes the range's reference. `ahead_bytes` behind it are asked for as well, without waiting. */
void log_warm_add(struct log_warm *w, const struct file_range *range, size_t ahead_bytes);
void log_warm_start(struct log_warm *w, struct env *env, void (*done)(struct log_warm *w));

/* How often one read was tried. Memory may be so short that what was warmed is gone again: at last
 * a read has to wait. What is warmed doubles with each try that the same file stops, as a search
 * that goes on and on is a scan. Zeroed before the first try. */
struct log_tries {
	unsigned total, in_file;
	const struct file_ref *file;	/* not a reference: only compared */
};
bool log_tries_left(const struct log_tries *t);
/* Notes that `range` stopped a try, and makes it as long as is to be warmed. */
void log_tries_note(struct log_tries *t, struct file_range *range);

/* For work that goes on by itself (cleaning, moving, loading): one piece is read between
 *
 *	log_warmer_try(w, pool);
 *	rc = log_read_copy(...);		// or another function that reads
 *	rc = log_warmer_tried(w, pool, rc);
 *
 * E_COLD: what was missing is on its way, `ahead_bytes` behind it as well; `warm(ctx)` tells when
 * it is there (perhaps before log_warmer_tried returns). Until then the warmer is busy: do not try
 * again. Freed while busy, it goes when the disk is done, without a word. */
struct log_warmer;
struct log_warmer *log_warmer_new(size_t ahead_bytes, void (*warm)(void *ctx), void *ctx);
void log_warmer_free(struct log_warmer *w);	/* NULL is fine */
bool log_warmer_is_busy(const struct log_warmer *w);
void log_warmer_try(struct log_warmer *w, struct log_pool *pool);
MUST_USE int log_warmer_tried(struct log_warmer *w, struct log_pool *pool, int rc);
/* The same around a function that takes a place for what is cold: the place (NULL: wait for the
 * disk), then whether something was left there and is on its way. */
struct file_range *log_warmer_place(struct log_warmer *w);
bool log_warmer_starts(struct log_warmer *w, struct env *env);

/* ---- Leader epochs --------------------------------------------------------------------------- */

int32_t log_latest_epoch(const struct log *log);	/* -1: none */
/* A leader's first deed: its epoch begins at the log end. 0 or E_OFFLINE. */
MUST_USE int log_assign_epoch(struct log *log, int32_t leader_epoch, int64_t start_offset,
			      struct err *err);
/* Answers OffsetsForLeaderEpoch: the largest epoch <= `leader_epoch` and where it ends (-1, -1 if
 * undefined; for the current latest epoch the log end). */
void log_epoch_end(const struct log *log, int32_t leader_epoch, int32_t *epoch_found,
		   int64_t *end_offset);
/* The epoch of the record at `offset`; -1 unknown. */
int32_t log_epoch_at(const struct log *log, int64_t offset);
/* The start of the given epoch; -1 if it is not in the cache. */
int64_t log_epoch_start(const struct log *log, int32_t leader_epoch);

/* ---- Cutting --------------------------------------------------------------------------------- */

/* Cuts off everything from `offset` on (at the batch that holds it; also when it is beyond the end:
 * then only later epochs go). Below the first segment: starts anew there. */
MUST_USE int log_truncate_to(struct log *log, int64_t offset, struct err *err);
/* Deletes all records; log start and end become `offset`. */
MUST_USE int log_truncate_fully(struct log *log, int64_t offset, struct err *err);
/* Moves the log start up (DeleteRecords, leader's value on a follower, snapshots of raft); lower
 * offsets are ignored. Segments below it go with the next retention run.
 * E_OFFSET_RANGE above the high watermark. */
MUST_USE int log_move_start(struct log *log, int64_t offset, struct err *err);
/* The same for a follower or raft: only bounded by the log end. */
MUST_USE int log_follow_start(struct log *log, int64_t offset, struct err *err);

/* ---- Upkeep ---------------------------------------------------------------------------------- */

/* Writes and fsyncs everything up to the log end, inside the call. -ENOSPC, -EDQUOT: the indexes
 * could not be written, nothing was flushed; the log stays usable. */
MUST_USE int log_flush(struct log *log, struct err *err);
/* Begins a new segment at the log end (if the active one is not empty). */
MUST_USE int log_roll(struct log *log, struct err *err);
/* Deletes segments by start offset, size and time as cleanup.policy says; how many goes to
 * *deleted_count (may be NULL). */
MUST_USE int log_retain(struct log *log, unsigned *deleted_count, struct err *err);
/* Does what is due: delayed deletes, flush.ms, retention, producer expiry. Returns milliseconds
 * until it has something to do again. Errors go to log_options.failed. */
int64_t log_tick(struct log *log);

/* ---- Producers ------------------------------------------------------------------------------- */

struct log_producer {
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t last_sequence;		/* -1: none */
	int64_t last_timestamp;
	int32_t coordinator_epoch;	/* -1: none */
	int64_t txn_start_offset;	/* -1: no open transaction */
};
unsigned log_producer_count(const struct log *log);
/* Calls `each` for every producer, in no particular order. */
void log_producers(const struct log *log, void (*each)(void *ctx, const struct log_producer *p),
		   void *ctx);
/* Begins the check with the coordinator that this producer's transaction includes the partition.
 * 0: not needed, the transaction is open here; else the guard for log_append.verification_guard. */
uint64_t log_txn_verify_start(struct log *log, int64_t producer_id, int16_t producer_epoch,
			      int32_t base_sequence, bool supports_epoch_bump);
/* Open transactions older than the longest timeout and 5 minutes. */
unsigned log_late_txn_count(const struct log *log);

/* Checks everything the log believes about itself (test builds call it after each event). */
void log_check(const struct log *log);

#endif
