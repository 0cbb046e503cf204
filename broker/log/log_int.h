/* Inside broker/log: the structures behind log.h. */
#ifndef KAVKA_BROKER_LOG_LOG_INT_H
#define KAVKA_BROKER_LOG_LOG_INT_H

#include "base/list.h"
#include "base/map.h"
#include "log/log.h"
#include "wire/batch.h"

#define LOG_PATH_MAX 4096
/* One read of a scan: several batches, and small enough to stay in the second-level cache. */
#define LOG_SCAN_BYTES (256 * 1024)
/* One read of a walk over batch headers behind an index entry: two index intervals. */
#define LOG_HEADERS_BYTES 8192

/* ---- Files (file.c) -------------------------------------------------------------------------- */

/* A file that is opened when used and closed again when the pool has too many open. */
struct log_file {
	struct list_node lru;		/* in the pool while open */
	struct file_ref *ref;		/* NULL: closed */
};

struct cleaner;

struct log_pool {
	struct env *env;
	struct log_pool_options options;
	struct compressor *codecs;
	struct list_node open_files;	/* least recently used first */
	unsigned open_count;
	uint8_t *scratch;		/* LOG_SCAN_BYTES or more, for one call */
	size_t scratch_len;
	bool is_trying;			/* log_pool_try */
	struct file_range cold;		/* what the last E_COLD was about; file NULL: nothing */
	uint64_t headers_serial;	/* of the walk whose window `headers` is */
	uint8_t headers[LOG_HEADERS_BYTES];
};

/* Opens DIR/BASE SUFFIX if it is not open; -errno. */
MUST_USE int file_use(struct log_pool *pool, struct log_file *file, const char *dir, int64_t base,
		      const char *suffix, unsigned flags);
/* Forgets the open file; ranges of it keep it open. */
void file_drop(struct log_pool *pool, struct log_file *file);
/* "DIR/00000000000000000000SUFFIX" into `path`. */
void file_path(char path[LOG_PATH_MAX], const char *dir, int64_t base, const char *suffix);
uint8_t *pool_scratch(struct log_pool *pool, size_t len);
/* A reference that closes `fd` with the env. */
struct file_ref *pool_file_new(struct env *env, int fd);
/* env_read; while the pool is trying, E_COLD instead of waiting for the disk. */
MUST_USE ssize_t pool_read(struct log_pool *pool, struct file_ref *file, void *data, size_t len,
			   int64_t pos);

/* ---- Indexes (index.c) ----------------------------------------------------------------------- */

/* An offset index (key: offset, value: position, 8 bytes an entry) or a time index (key: timestamp,
 * value: offset, 12 bytes). Entries wait in memory and are written in groups. */
struct index {
	struct log_file file;
	uint32_t count;			/* with those that wait */
	uint32_t written_count;
	bool is_time;
	bool exists;			/* the file */
	bool is_loaded;			/* count and last entry are known */
	uint8_t *waiting;		/* INDEX_WAITING_MAX entries, or NULL */
	int64_t last_key, last_value;	/* if count > 0 */
};
#define INDEX_WAITING_MAX 32
#define INDEX_ENTRY_MAX 12

struct segment;

static inline size_t index_entry_len(const struct index *x)
{
	return x->is_time ? 12 : 8;
}
void index_init(struct index *x, bool is_time);
void index_fini(struct log_pool *pool, struct index *x);
MUST_USE int index_load(struct segment *s, struct index *x);
MUST_USE int index_add(struct segment *s, struct index *x, int64_t key, int64_t value);
/* Writes the entries that wait; makes the file if there is none. */
MUST_USE int index_write(struct segment *s, struct index *x);
/* The last entry whose key (or, by_value, value) is <= target: 1, or 0 if there is none. */
MUST_USE int index_floor(struct segment *s, struct index *x, bool by_value, int64_t target,
			 uint32_t *slot, int64_t *key, int64_t *value);
MUST_USE int index_truncate(struct segment *s, struct index *x, uint32_t count);
MUST_USE int index_at(struct segment *s, struct index *x, uint32_t slot, int64_t *key,
		      int64_t *value);

/* ---- Segments (segment.c) -------------------------------------------------------------------- */

struct segment {
	struct log *log;
	int64_t base_offset;
	int64_t size_bytes;
	int64_t allocated_bytes;	/* of the disk, by us; 0: none beyond the size */
	struct log_file file;
	struct index offsets, times;
	bool has_txn_index;
	bool is_cleaned;		/* the cleaner's: files end in .cleaned */
	bool has_max_timestamp;		/* the three below are known */
	int64_t max_timestamp;		/* -1: none */
	int64_t max_timestamp_offset;	/* last offset of the batch that has it */
	int64_t first_timestamp;	/* of the first batch; INT64_MIN: not read yet; -1: none */
	int64_t created_ms;
	int64_t mtime_ms;		/* when closed; of the active one 0 */
	uint32_t unindexed_bytes;
};

/* The files of a segment, in the order in which they are flushed. */
enum segment_file {
	SEGMENT_LOG,
	SEGMENT_INDEX,
	SEGMENT_TIMEINDEX,
	SEGMENT_TXNINDEX,
	SEGMENT_FILES
};
const char *segment_suffix(const struct segment *s, enum segment_file file);
/* Its name now; the path of the file with this and perhaps another suffix behind. */
void segment_path(const struct segment *s, enum segment_file file, char path[LOG_PATH_MAX]);

struct segment *segment_new(struct log *log, int64_t base_offset);
void segment_free(struct segment *s);
/* The .log file's descriptor, or -errno. */
MUST_USE int segment_fd(struct segment *s);
/* Makes the files of a new segment. */
MUST_USE int segment_create(struct segment *s);
/* Loads what segment_note goes on from. */
MUST_USE int segment_prepare(struct segment *s);
/* Notes a batch that was written at `pos`: indexes, timestamps, size. */
MUST_USE int segment_note(struct segment *s, const struct batch *b, int64_t pos);
/* Loads max_timestamp and its offset. */
MUST_USE int segment_max_timestamp(struct segment *s);
MUST_USE int segment_first_timestamp(struct segment *s, int64_t *out);
/* Allocates ahead of the next `len` bytes: appends to allocated blocks cost much less. */
void segment_allocate(struct segment *s, size_t len);
/* Gives back what was allocated ahead. */
MUST_USE int segment_trim(struct segment *s);
/* The last entry of the time index, and all entries written. */
MUST_USE int segment_seal(struct segment *s);
bool segment_index_is_full(const struct segment *s);
/* Reads the header of the batch at `pos`. 1; 0 at the end; E_CORRUPT, -errno. */
MUST_USE int segment_header(struct segment *s, int64_t pos, struct batch *out);
/* The first batch with last offset >= `offset`: 1 with position and header; 0 if there is none. */
MUST_USE int segment_find(struct segment *s, int64_t offset, int64_t *pos, struct batch *out);
/* Walks headers with few reads. Set pos, then call until it is not 1. */
struct header_walk {
	struct segment *segment;
	int64_t pos;			/* of the next batch */
	int64_t window_pos;
	size_t window_len;
	uint64_t serial;
};
MUST_USE int header_walk_next(struct header_walk *w, struct batch *out);
/* Reads whole batches, in large pieces, through the pool's scratch. */
struct batch_scan {
	struct segment *segment;
	int64_t pos;		/* of the next batch */
	int64_t end_pos;
	int64_t window_pos;	/* -1: the scratch may hold something else by now */
	size_t window_len;
	struct file_ref *file;	/* kept open, whatever the pool closes meanwhile */
};
MUST_USE int batch_scan_start(struct batch_scan *scan, struct segment *s, int64_t pos);
void batch_scan_end(struct batch_scan *scan);
/* The next batch with its bytes (until the next call): 1; 0 at the end; E_SHORT: cut; E_CORRUPT,
 * -errno. */
MUST_USE int batch_scan_next(struct batch_scan *scan, struct batch *out);
/* Cuts the segment so that no batch holds `offset` or a later one. */
MUST_USE int segment_truncate(struct segment *s, int64_t offset);
/* Renames the files to *.deleted (they go later), or unlinks them now. */
MUST_USE int segment_delete(struct segment *s, bool delayed);

/* ---- Aborted transactions (txn_index.c) ------------------------------------------------------ */

struct aborted_txn {
	int64_t producer_id, first_offset, last_offset, last_stable_offset;
};
#define TXN_INDEX_ENTRY_BYTES 34
/* Appends; the file is made if missing. */
MUST_USE int txn_index_add(struct segment *s, const struct aborted_txn *txn);
/* Reads all entries; gives an array (free it). E_CORRUPT. */
MUST_USE int txn_index_read(struct segment *s, struct aborted_txn **out, size_t *count);
MUST_USE int txn_index_truncate(struct segment *s, int64_t offset);
/* Unlinks it. */
MUST_USE int txn_index_reset(struct segment *s);

/* ---- Leader epochs (epochs.c) ---------------------------------------------------------------- */

struct epoch_entry {
	int32_t leader_epoch;
	int64_t start_offset;
};
struct epochs {
	struct epoch_entry *entries;
	size_t count, cap;
	bool is_unwritten;	/* the file misses some, all of them behind the recovery point */
};
void epochs_fini(struct epochs *e);
MUST_USE int epochs_load(struct log *log, struct err *err);
MUST_USE int epochs_store(struct log *log);
/* Whether it changed anything. */
bool epochs_assign(struct epochs *e, int32_t leader_epoch, int64_t start_offset);
bool epochs_truncate_end(struct epochs *e, int64_t offset);
bool epochs_truncate_start(struct epochs *e, int64_t offset);
/* After a crash the file may know of a later log start than the checkpoint of those: the epochs of
 * what is before are found in the batches again. */
MUST_USE int epochs_restore_start(struct log *log, bool *changed);

/* ---- Producers (producers.c, snapshot.c) ----------------------------------------------------- */

#define PRODUCER_BATCHES 5

struct producer_batch {
	int32_t last_sequence;
	int32_t offset_delta;
	int64_t last_offset;
	int64_t timestamp;
};

struct producer {
	struct map_node node;		/* by producer_id */
	int64_t producer_id;
	int16_t producer_epoch;		/* -1: none seen */
	uint8_t batch_count;
	int32_t coordinator_epoch;
	int64_t last_timestamp;
	int64_t txn_first_offset;	/* -1: none open */
	struct list_node ongoing;	/* by txn_first_offset */
	struct producer_batch batches[PRODUCER_BATCHES];	/* oldest first */
};

/* A transaction that has ended, by a marker that is not below the high watermark yet. */
struct ended_txn {
	struct list_node link;		/* by first_offset */
	int64_t first_offset, last_offset;
};

struct txn_verification {
	struct map_node node;
	int64_t producer_id;
	uint64_t guard;
	int64_t created_ms;
	int32_t lowest_sequence;
	int16_t producer_epoch;
	bool supports_epoch_bump;
};

struct producers {
	struct map by_id;
	struct map verifications;
	struct list_node ongoing;
	struct list_node ended;
	int64_t end_offset;		/* what it knows: all below */
	uint64_t last_guard;
};

void producers_init(struct producers *p);
void producers_clear(struct producers *p);		/* also what producers_init made */
struct producer *producers_get(const struct producers *p, int64_t producer_id);
/* Checks a batch of a producer before it is written. KERR_NONE; *duplicate is set if it is there
 * already. */
enum kafka_error producers_check(struct log *log, const struct batch *b,
				 const struct log_append *request,
				 const struct producer_batch **duplicate, const char **text);
/* Takes note of a batch that was written (or replayed). *aborted is set when it ended a transaction
 * with an abort (first_offset >= 0). E_MALFORMED: a control batch that is none. */
MUST_USE int producers_note(struct producers *p, const struct batch *b,
			    struct aborted_txn *aborted);
int64_t producers_first_unstable(const struct producers *p);	/* -1: none */
/* Forgets ended transactions whose marker is below the high watermark. */
void producers_high_watermark(struct producers *p, int64_t high_watermark);
void producers_expire(struct producers *p, int64_t now_ms, int64_t expiration_ms);
/* Adds a producer as a snapshot has it. */
void producers_restore(struct producers *p, const struct producer *from);

/* The producer snapshots in the directory, ascending. */
struct snapshots {
	int64_t *offsets;
	size_t count, cap;
};
void snapshots_add(struct snapshots *list, int64_t offset);	/* found in the directory */
/* Writes END.snapshot, if the state has moved since the newest one. */
MUST_USE int snapshot_write(struct log *log, bool sync);
/* Loads the newest good snapshot with log start <= offset <= `end_offset`; bad ones are removed.
 * The producers' end becomes its offset, or the log start. */
MUST_USE int snapshot_load(struct log *log, int64_t end_offset);
/* Removes the snapshots in [from, to). */
MUST_USE int snapshot_remove(struct log *log, int64_t from, int64_t to);
/* Removes those that belong to no segment, but for the newest. */
MUST_USE int snapshot_remove_strays(struct log *log);

/* ---- The log --------------------------------------------------------------------------------- */

/* Where the newest batches are: followers and tailing consumers ask for these. */
struct recent_batch {
	int64_t base_offset, last_offset, pos;
	uint32_t size_bytes;
};
#define LOG_RECENT 8

struct doomed_file {
	struct list_node link;
	int64_t due_ms;
	char path[];
};

struct flush_job;

struct log {
	struct log_pool *pool;
	char *path;
	const char *name;		/* in path */
	struct uuid topic_id;
	struct log_config config;
	struct log_options options;
	bool is_open, is_offline, is_closed;
	bool has_new_files;		/* the directory wants an fsync */
	bool is_new_name;		/* and so does the one above it */
	struct segment **segments;	/* by base offset; at least one when open */
	size_t segment_count, segment_cap;
	int64_t start_offset, end_offset, recovery_point, high_watermark;
	int64_t reported_point;		/* what the checkpoint file may say of recovery_point */
	int64_t cleaner_offset;
	int64_t size_bytes;
	struct epochs epochs;
	struct producers producers;
	struct snapshots snapshots;
	struct recent_batch recent[LOG_RECENT];
	unsigned recent_next, recent_count;
	struct list_node doomed;
	struct flush_job *flushing;
	int64_t flush_wanted;		/* flush to here when the running one is done; -1: no */
	int64_t flushed_ms, retained_ms, expired_ms;	/* when that ran last */
	int64_t roll_jitter_ms;
	struct cleaner *cleaner;	/* while it works on this log */
	bool is_uncleanable;
	uint64_t truncations;		/* counts; for the cleaner's view */
	struct log_recovery recovery;
};

static inline struct env *log_env(const struct log *log)
{
	return log->pool->env;
}
static inline struct segment *log_active(const struct log *log)
{
	assert(log->segment_count > 0);
	return log->segments[log->segment_count - 1];
}
/* Marks the log offline and says why: returns E_OFFLINE; before log_open is done just the error.
 * E_COLD is no failure and goes through. */
int log_fail(struct log *log, int rc, struct err *err, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* E_OFFLINE with its words, or 0. */
MUST_USE int log_usable(const struct log *log, struct err *err);
/* The index of the segment that holds `offset`: the last with base <= offset, -1 if none. */
ssize_t log_segment_index(const struct log *log, int64_t offset);
/* Where the segment's offsets end: the next one's base, or the log end. */
int64_t log_segment_end(const struct log *log, size_t index);
void log_segment_insert(struct log *log, struct segment *s);
/* Takes the segments [first, first + count) out of the log and deletes their files. */
MUST_USE int log_segments_drop(struct log *log, size_t first, size_t count, bool delayed,
			       struct err *err);
/* Begins a segment at `base_offset` >= log end, which becomes the log end. E_OFFLINE; -ENOSPC,
 * -EDQUOT: nothing has changed. */
MUST_USE int log_roll_to(struct log *log, int64_t base_offset, struct err *err);
bool log_no_space(int rc);
void log_recent_clear(struct log *log);
/* Begins a background flush up to `offset`. */
void log_flush_later(struct log *log, int64_t offset);
MUST_USE int log_rebuild_producers(struct log *log, struct err *err);
/* Replays the batches [producers' end, end_offset) into the producers' state. */
MUST_USE int log_replay(struct log *log, int64_t end_offset, struct err *err);
MUST_USE int log_recover(struct log *log, int64_t from_offset, struct err *err);
MUST_USE int log_load_segments(struct log *log, int64_t *recover_from, struct err *err);
MUST_USE int log_set_start(struct log *log, int64_t offset, struct err *err);
/* Renames a file to *.deleted and notes it for log_tick. -errno. */
MUST_USE int log_doom_file(struct log *log, const char *path);

/* ---- Checking what a leader appends (validate.c) --------------------------------------------- */

/* Checks and numbers the batches of the request; *data and *len become what is to be written
 * (rebuilt: `owned` then holds them). 0: see info->error. */
MUST_USE int validate_append(struct log *log, const struct log_append *request,
			     struct log_append_info *info, uint8_t **data, size_t *len,
			     struct slice *owned);

#endif
