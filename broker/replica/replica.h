/* Replicas: the partitions of one shard, opened, led, followed, closed and deleted as the metadata
 * image says.
 *
 * A shard has one `struct replica_set`. Order of calls: replica_set_new, then replica_set_apply
 * with each new image (the first opens what is assigned to this node), any of the
 * calls below, replica_set_tick as time goes by, replica_set_close (flushes), replica_set_free.
 *
 * A `struct partition` is one replica here. Pointers stay valid until the next replica_set_apply
 * only: keep topic id and index and look up again (waiters are told before a partition goes).
 *
 * Waiting. An append is answered at once; who needs it committed (acks=all, coordinators) adds a
 * commit waiter, who wants more records (fetch) a fetch waiter. Waiters are called from the shard's
 * thread at the end of the call that changed the partition (append, fetch progress, apply, tick,
 * dir failure), when all its state is consistent: they may call anything here, also append again
 * (calls nested that way queue their own waiters behind). On a single node the high watermark
 * follows the log end at once, so a commit waiter is called before partition_wait_committed
 * returns.
 *
 * Threads: everything belongs to the shard's thread. Nothing here blocks but files.
 * Source: core/.../cluster/Partition.scala, server/ReplicaManager.scala. */
#ifndef KAVKA_BROKER_REPLICA_REPLICA_H
#define KAVKA_BROKER_REPLICA_REPLICA_H

#include "base/buf.h"
#include "base/err.h"
#include "base/file_ref.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "config/config.h"
#include "log/log.h"
#include "log/log_dir.h"
#include "replica/isr.h"
#include "replica/throttle.h"
#include "wire/errors.h"

struct image;
struct partition;
struct shard;

/* ---- The set ------------------------------------------------------------------------------- */

struct replica_options {
	struct env *env;
	int32_t node_id;
	/* Fixed: the broker's log directories, open (locked, checkpoints read). Shared by shards:
	 * read only here. */
	struct log_dir *const *dirs;
	unsigned dir_count;
	const struct config *config; /* takes its own reference */
	/* How many sets share what the configs give to the log cleaner; 0: it is this one's. */
	unsigned set_count;
	/* How many new partitions an image or a tick opens; 0: as many as seems right. */
	unsigned opened_at_once;
	/* One shard removes the directories of deleted partitions when their delay is over. */
	bool sweeps_dirs;
	/* On whose loop followers fetch from their leaders; NULL: they do not. */
	struct shard *shard;
	/* What all shards of the broker together spend; NULL: this set has its own. */
	struct replica_throttles *throttles;
	void *ctx; /* of the callbacks below */
	/* Which partitions this shard owns. */
	bool (*owns)(void *ctx, struct uuid topic_id, int32_t partition);
	/* A file operation in dirs[dir] failed: the directory is offline on this shard already; all
	 * shards must get replica_set_dir_failed(). Called once per directory. NULL: not wanted. */
	void (*dir_failed)(void *ctx, unsigned dir, int rc, const char *text);
	/* The ISR of `p` should change: send p->isr.proposed to the controller; its answer goes to
	 * partition_isr_answered(). NULL: never proposed (no other nodes). */
	void (*propose_isr)(void *ctx, struct partition *p);
	/* `p` lies in another directory than the metadata says, or is about to: tell the controller
	 * (partition_wanted_dir()). A move is over only when an image says so. NULL: not wanted. */
	void (*dir_chosen)(void *ctx, struct partition *p);
	/* A log was cleaned: cleaner-offset-checkpoint should be written. NULL: not wanted. */
	void (*cleaned)(void *ctx);
};

struct replica_set;

struct replica_set *replica_set_new(const struct replica_options *options);
/* Closes without flushing what replica_set_close has not closed; NULL is fine. */
void replica_set_free(struct replica_set *set);

/* Brings the partitions to `image`: deletes (topic gone, id changed, or replica moved away), opens
 * or creates, becomes leader or follower, takes new topic configs. Topics with the same pointer in
 * both are skipped. `old_image` may be NULL or empty the first time; then directories in the log
 * dirs which belong to no partition of this node are set aside (renamed *-stray). Never fails as a
 * whole: a partition that cannot be opened is offline (KAFKA_STORAGE_ERROR).
 * When many partitions are new, the ticks after it open most of them: until then they are not
 * found, as if the image had not come yet, unless replica_set_open_now() asks for one. All
 * partitions of the first image, and those of internal topics, are there when it returns. */
void replica_set_apply(struct replica_set *set, const struct image *old_image,
		       const struct image *image);
/* Some are still to be opened: the next tick should come soon. */
bool replica_set_is_opening(const struct replica_set *set);
/* Opens that partition if it is one of them. */
void replica_set_open_now(struct replica_set *set, struct uuid topic_id, int32_t index);

/* New broker configs (dynamic changes). Takes its own reference. */
void replica_set_configure(struct replica_set *set, const struct config *config);

/* NULL: no replica here. A partition whose log dir failed is found (partition_error tells). */
struct partition *replica_set_find(struct replica_set *set, struct uuid topic_id, int32_t index);
struct partition *replica_set_find_name(struct replica_set *set, struct str topic, int32_t index);

/* Every partition, in no particular order:
 *	REPLICA_SET_FOREACH (set, p) { ... } */
struct partition *replica_set_first(struct replica_set *set);
struct partition *replica_set_next(struct replica_set *set, const struct partition *p);
#define REPLICA_SET_FOREACH(set, p) \
	for (struct partition *p = replica_set_first(set); p; p = replica_set_next(set, p))

/* Runs what is due: partitions to open, retention, flushes, compaction, producer id expiry, delayed
 * deletes, ISR shrinking. Returns the milliseconds until it wants to be called again (at most
 * 1000). */
int64_t replica_set_tick(struct replica_set *set);

/* dirs[dir] failed here or on another shard: its partitions go offline. */
void replica_set_dir_failed(struct replica_set *set, unsigned dir);
bool replica_set_dir_is_offline(const struct replica_set *set, unsigned dir);
/* Whether new replicas go elsewhere (cordoned.log.dirs), in a cluster of that image. */
bool replica_set_dir_is_cordoned(const struct replica_set *set, const struct image *image,
				 unsigned dir);
unsigned replica_set_dir_count(const struct replica_set *set);
const char *replica_set_dir_path(const struct replica_set *set, unsigned dir);
struct uuid replica_set_dir_id(const struct replica_set *set, unsigned dir);

/* Clean shutdown: flushes and closes every log, writes producer snapshots. Partitions stay findable
 * for replica_set_report(), but offline. Returns 0 or the first error; dirs with an error must not
 * be marked clean. `clean[dir]` is set for each directory. */
int replica_set_close(struct replica_set *set, bool *clean);

/* ---- Checkpoints --------------------------------------------------------------------------- */

/* One line per partition of this shard for the checkpoint files of a directory. The server asks
 * every shard when a file is due (recovery points and log starts each 60 s, high watermarks each
 * 5 s, cleaner offsets when a log was cleaned, all at shutdown) and writes the union. Partitions
 * that are offline are left out. */
struct replica_report {
	struct str topic; /* borrows; copy it before it crosses to another shard */
	int32_t index;
	unsigned dir;
	int64_t recovery_point;   /* recovery-point-offset-checkpoint */
	int64_t log_start_offset; /* log-start-offset-checkpoint, only if has_log_start */
	bool has_log_start;
	int64_t high_watermark; /* replication-offset-checkpoint */
	int64_t cleaner_offset; /* cleaner-offset-checkpoint; -1: none */
};
void replica_set_report(struct replica_set *set,
			void (*line)(void *ctx, const struct replica_report *report), void *ctx);

/* For metrics: since the start, and now. */
struct replica_stats {
	uint64_t isr_shrink_count, isr_expand_count;
	uint64_t fetched_bytes, served_bytes; /* by our followers, to others */
	int64_t lag_max;                      /* offsets that the slowest of our followers lacks */
};
void replica_set_stats(struct replica_set *set, struct replica_stats *out);

/* ---- A partition --------------------------------------------------------------------------- */

enum partition_role { PARTITION_OFFLINE, PARTITION_LEADER, PARTITION_FOLLOWER };

/* How a follower comes by its records: fetcher.h. */
enum follow_state {
	FOLLOW_FETCHES,
	FOLLOW_ASKS_END,   /* its offset is out of the leader's range: where does that end? */
	FOLLOW_ASKS_START, /* and where does it begin? */
	FOLLOW_FAILED,     /* not fetched until there is a new leader epoch */
};

struct follow {
	struct fetcher *fetcher;        /* NULL: follows nobody */
	struct list_node link, changed; /* of the fetcher */
	enum follow_state state;
	int64_t delayed_until_ms; /* nothing is sent for it before; 0: at once */
	unsigned failure_count;   /* in a row */
	int64_t lag;              /* offsets below the leader's high watermark; -1: not known */
	/* what the last request with it said, which the leader's session remembers */
	bool is_asked;
	int64_t asked_offset, asked_log_start_offset, asked_high_watermark;
	int32_t asked_leader_epoch, asked_last_epoch;
};

struct partition {
	/* fixed */
	struct replica_set *set;
	struct uuid topic_id;
	struct str topic; /* its own, '\0' behind it */
	int32_t index;

	/* of the metadata */
	int32_t leader_id; /* -1: none */
	int32_t leader_epoch;
	int32_t partition_epoch;
	struct isr isr;
	bool is_isr_queued; /* api/alter_isr.h: its proposal waits to be sent */

	/* here */
	enum partition_role role; /* PARTITION_OFFLINE: no usable log */
	unsigned dir;             /* of the set's dirs */
	struct log *log;          /* NULL when offline */
	struct log *future;       /* while it moves to another directory; else NULL */
	unsigned future_dir;
	struct log_warmer *future_warmer;
	bool is_move_asked;         /* the controller is to know of future_dir, and does perhaps */
	bool has_dir;               /* `dir` is where its log is, or was when its disk failed */
	struct uuid assigned_dir;   /* as the metadata says */
	int64_t epoch_start_offset; /* of this leader's epoch; leader only */
	unsigned min_insync;        /* effective: min(min.insync.replicas, replicas) */
	struct topic_config config;
	bool is_leader_throttled, is_follower_throttled; /* *.replication.throttled.replicas */
	struct list_node commit_waiters, fetch_waiters;

	/* replica_set's */
	struct follow follow;
	struct map_node by_id;
	struct list_node link, woken;
	struct log *dead_log; /* of a failed disk, freed at the next tick */
	int64_t tick_at_ms;
	bool has_last_report;
	struct replica_report last_report; /* of a closed partition */
	uint8_t key[20];
};

static inline bool partition_is_leader(const struct partition *p)
{
	return p->role == PARTITION_LEADER;
}

/* Why this replica cannot do what only a leader may: NONE, NOT_LEADER_OR_FOLLOWER,
 * KAFKA_STORAGE_ERROR; with an epoch given (-1: not), FENCED_LEADER_EPOCH (it is older than ours)
 * or UNKNOWN_LEADER_EPOCH. `leader_only` false: any replica with a log. */
enum kafka_error partition_error(const struct partition *p, int32_t leader_epoch, bool leader_only);

/* Offsets; all -1 when offline. log start <= last stable <= high watermark <= log end. */
int64_t partition_log_start_offset(const struct partition *p);
int64_t partition_log_end_offset(const struct partition *p);
int64_t partition_high_watermark(const struct partition *p);
int64_t partition_last_stable_offset(const struct partition *p);

/* ---- Appending (leader) -------------------------------------------------------------------- */

struct append_result {
	enum kafka_error error;
	int64_t base_offset;        /* -1 on error */
	int64_t last_offset;        /* -1 on error */
	int64_t log_append_time_ms; /* -1 unless the topic has LogAppendTime, or a duplicate */
	int64_t log_start_offset;   /* -1: unknown */
	bool is_duplicate;          /* was there already; nothing was written */
	int64_t record_count;
	size_t bytes;
	/* Records refused one by one, in the arena given: */
	struct log_record_error *record_errors;
	unsigned record_error_count;
	const char *error_text; /* NULL: none; in the arena or a literal */
};

/* Who appends: what is checked depends on it. */
enum append_origin {
	APPEND_CLIENT,      /* a Produce request */
	APPEND_COORDINATOR, /* our own coordinators: trusted records, may hold control batches */
};

/* Checks the one batch (coordinators: one or more) in `records` and appends it: offsets, leader
 * epoch and timestamps are written into the bytes, which must be the caller's to change.
 * `acks` -1 refuses when the ISR is too small. Borrows records; `arena` holds texts of `out`.
 * Wakes fetch waiters and moves the high watermark. */
void partition_append(struct partition *p, struct slice records, enum append_origin origin,
		      int16_t acks, struct arena *arena, struct append_result *out);

/* Waits until the high watermark is `required_offset` (last offset + 1) or more. `done` comes
 * exactly once, perhaps before the call returns: NONE; NOT_ENOUGH_REPLICAS_AFTER_APPEND (committed,
 * but the ISR is too small by now); NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR,
 * UNKNOWN_TOPIC_OR_PARTITION (lost meanwhile). Cancelled: `done` never comes. The waiter is the
 * caller's memory (zeroed before first use) until then. */
struct commit_waiter {
	struct list_node link;
	int64_t required_offset;
	enum kafka_error error;
	void (*done)(struct commit_waiter *w, enum kafka_error error);
};
void partition_wait_committed(struct partition *p, struct commit_waiter *w,
			      int64_t required_offset);
void commit_waiter_cancel(struct commit_waiter *w);

/* ---- Reading ------------------------------------------------------------------------------- */

enum read_isolation {
	READ_UNCOMMITTED, /* up to the high watermark */
	READ_COMMITTED,   /* up to the last stable offset, with aborted transactions */
	READ_LOG_END,     /* up to the end: followers, coordinators that load */
};

struct read_options {
	int64_t offset;
	size_t bytes_max;
	bool whole_first_batch; /* the first batch comes even if larger than bytes_max */
	enum read_isolation isolation;
	int32_t leader_epoch; /* the reader's; -1: not checked */
	bool leader_only;
	int32_t last_fetched_epoch; /* -1: not checked */
	/* Not NULL: the read does not wait for the disk. Where it would have to, there are no
	 * records, and *cold gives what is to be warmed (log_warm) before the next try; else its
	 * file is NULL. The records themselves may be cold all the same. */
	struct file_range *cold;
};

struct read_result {
	enum kafka_error error; /* with all below unknown (-1) but log_start_offset etc. */
	int64_t high_watermark, last_stable_offset, log_start_offset, log_end_offset;
	struct file_range records; /* gives one reference; len 0: none (file may be NULL) */
	size_t first_batch_bytes;  /* of the first batch in it; 0: none */
	/* diverging epoch: then no records; epoch -1: none */
	int32_t diverging_epoch;
	int64_t diverging_end_offset;
	/* READ_COMMITTED: overlapping aborted transactions, in the arena */
	struct log_aborted_txn *aborted;
	unsigned aborted_count;
};

void partition_read(struct partition *p, const struct read_options *options, struct arena *arena,
		    struct read_result *out);

/* Where reading ends now; -1 when offline. */
int64_t partition_read_bound(const struct partition *p, enum read_isolation isolation);

/* Copies the records of a result into a new buffer (gives a reference; SLICE_NULL if there are
 * none) and drops the file range. `cold` as in read_options: then E_COLD, and the result is as
 * before. 0 or -errno (then also the log dir failed). */
MUST_USE int partition_read_bytes(struct partition *p, struct read_result *result,
				  struct file_range *cold, struct slice *out);

/* Told when anything changed that a fetch may see: records were appended, the log start, the high
 * watermark or the last stable offset moved, a follower moved its log start, the partition changed
 * leader or ISR, its configs or the brokers did, it went offline or away. Stays registered until
 * removed (fetch_waiter_remove), but is unlinked already when `gone`. May be called more often than
 * needed. The caller's memory, zeroed before first use. */
struct fetch_waiter {
	struct list_node link;
	void (*wake)(struct fetch_waiter *w, bool gone);
};
void partition_wait_records(struct partition *p, struct fetch_waiter *w);
void fetch_waiter_remove(struct fetch_waiter *w); /* fine if it is not registered */

/* ---- Followers (leader) -------------------------------------------------------------------- */

/* Replica `id` fetched from `fetch_offset` with our log ending at `leader_end_offset` before the
 * read. May move the high watermark and propose a larger ISR. NOT_LEADER_OR_FOLLOWER or
 * UNKNOWN_LEADER_EPOCH (`has_epoch`) if it is no replica. */
enum kafka_error partition_follower_fetched(struct partition *p, int32_t id, bool has_epoch,
					    int64_t fetch_offset, int64_t log_start_offset,
					    int64_t leader_end_offset, int64_t broker_epoch);
/* Replica `id` goes on fetching from our log end: instead of being told of each fetch with nothing
 * new, the partition may look up its time in *fetch_ms (isr_settle), until it is unsettled; that
 * must be when the partition wakes its fetch waiters at the latest. False: tell it each time. */
bool partition_follower_settle(struct partition *p, int32_t id, const int64_t *fetch_ms);
void partition_follower_unsettle(struct partition *p, int32_t id, const int64_t *fetch_ms);
/* Whether replica `id`, not in sync and throttled here, has to wait for its share of
 * leader.replication.throttled.rate. */
bool partition_holds_follower(const struct partition *p, int32_t id);
/* Bytes went to followers; `is_throttled`: of replicas throttled here. Any shard's set. */
void replica_set_served(struct replica_set *set, size_t bytes, bool is_throttled);
/* Whether consumers in that rack may be sent to followers at all. */
bool replica_set_sends_on(const struct replica_set *set, struct str rack);
/* Who a consumer in that rack should read from, as replica.selector.class says: a follower in sync
 * that has `offset`; -1: this leader. */
int32_t partition_preferred_replica(const struct partition *p, struct str rack, int64_t offset);

/* The controller's answer to a proposed ISR: NONE with the partition epoch that it has by now, or
 * its error. The ISR itself comes with the metadata, and only from there. */
void partition_isr_answered(struct partition *p, enum kafka_error error, int32_t partition_epoch);

/* ---- Other things a leader answers --------------------------------------------------------- */

/* Moves the log start up to `offset` (-1: the high watermark). NONE, OFFSET_OUT_OF_RANGE,
 * POLICY_VIOLATION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR. `low_watermark`: the smallest log
 * start of the replicas. */
enum kafka_error partition_delete_records(struct partition *p, int64_t offset,
					  int64_t *low_watermark);
int64_t partition_low_watermark(const struct partition *p);

/* Moves the replica to another directory of this node, in the background (ticks); to the one where
 * it is: ends a move. NONE or KAFKA_STORAGE_ERROR. */
enum kafka_error partition_move(struct partition *p, unsigned dir);
/* The directory that the metadata should name for it. */
struct uuid partition_wanted_dir(const struct partition *p);

/* Special timestamps of ListOffsets; >= 0: the first record that is not older. */
enum list_offset {
	LIST_LATEST = -1,
	LIST_EARLIEST = -2,
	LIST_MAX_TIMESTAMP = -3,
	LIST_EARLIEST_LOCAL = -4,
	LIST_LATEST_TIERED = -5,
	LIST_EARLIEST_PENDING_UPLOAD = -6,
};

struct list_offset_result {
	enum kafka_error error;
	int64_t timestamp, offset; /* -1: none */
	int32_t leader_epoch;      /* -1: unknown */
};

struct list_offset_options {
	int64_t timestamp;
	enum read_isolation isolation; /* READ_LOG_END for followers and debugging consumers */
	int32_t leader_epoch;          /* the asker's; -1: not checked */
	bool leader_only;
	struct file_range *cold; /* as in read_options; what is found is not the answer then */
};

/* OFFSET_NOT_AVAILABLE while a new leader's high watermark is not yet known to hold (clients only),
 * else as partition_error(). */
void partition_list_offset(struct partition *p, const struct list_offset_options *options,
			   struct list_offset_result *out);

/* A disk error that a file operation on behalf of the partition returned, as the protocol's error.
 * The log has reported a failed disk itself by then. Logs one line. */
enum kafka_error partition_log_error(struct partition *p, int rc, const struct err *err);

#endif
