/* A log directory: one entry of log.dirs, with its lock, identity, checkpoints and partitions.
 *
 *	log_dir_open()		locks it; makes it if missing
 *	meta = dir->meta	identity; written first by whoever formats
 *	log_dir_load()		checkpoints and the clean-shutdown marker, which is removed
 *	log_dir_list()		partition directories
 *	log_dir_write_*()	checkpoints, now and then
 *	log_dir_mark_clean()	after all logs were closed with success
 *	log_dir_close()
 *
 * Shard: opened, loaded, written and closed by one thread; between load and the first write other
 * shards may read the checkpoints (log_dir_*_offset).
 * Source: LogManager.java, CheckpointFile.java, MetaProperties.java. */
#ifndef KAVKA_BROKER_LOG_LOG_DIR_H
#define KAVKA_BROKER_LOG_LOG_DIR_H

#include "base/buf.h"
#include "base/env.h"
#include "base/err.h"
#include "base/map.h"
#include "base/uuid.h"

#include <stdbool.h>

/* meta.properties. */
struct log_dir_meta {
	bool exists;
	int32_t version;		/* 0 or 1 */
	int32_t node_id;		/* -1: not said (version 0 only) */
	char *cluster_id;		/* NULL: not said; owned */
	struct uuid directory_id;	/* zero: not said */
};

enum log_dir_checkpoint {
	LOG_DIR_RECOVERY_POINT,		/* recovery-point-offset-checkpoint */
	LOG_DIR_LOG_START,		/* log-start-offset-checkpoint */
	LOG_DIR_HIGH_WATERMARK,		/* replication-offset-checkpoint */
	LOG_DIR_CLEANER,		/* cleaner-offset-checkpoint */
	LOG_DIR_CHECKPOINTS,
};

/* One line of a checkpoint file. */
struct checkpoint_entry {
	struct str topic;
	int32_t partition;
	int64_t offset;
};

struct log_dir {
	/* fixed after log_dir_open */
	struct env *env;
	char *path;			/* as configured, without trailing slash */
	int lock_fd;
	struct log_dir_meta meta;
	/* fixed after log_dir_load */
	bool was_clean;
	int64_t broker_epoch;		/* in the clean-shutdown marker; -1: none */
	struct map checkpoints[LOG_DIR_CHECKPOINTS];
};

/* Makes the directory if it is missing, takes its lock, reads meta.properties.
 * -EAGAIN: another process has the lock; -errno; E_MALFORMED (meta.properties). */
MUST_USE int log_dir_open(struct log_dir **out, struct env *env, const char *path, struct err *err);
/* Releases the lock; NULL is fine. */
void log_dir_close(struct log_dir *dir);

/* Writes meta.properties (version 1) and keeps it in dir->meta. -errno. */
MUST_USE int log_dir_write_meta(struct log_dir *dir, const char *cluster_id, int32_t node_id,
				struct uuid directory_id, struct err *err);

/* Reads the checkpoints and the clean-shutdown marker, and removes the marker. Unreadable
 * checkpoints count as empty, with a warning. -errno. */
MUST_USE int log_dir_load(struct log_dir *dir, struct err *err);
/* The offset of a loaded checkpoint; `otherwise` if it has no line for the partition. */
int64_t log_dir_offset(const struct log_dir *dir, enum log_dir_checkpoint which, struct str topic,
		       int32_t partition, int64_t otherwise);

/* Replaces a checkpoint file atomically. Does not change what log_dir_offset() gives. -errno. */
MUST_USE int log_dir_write_checkpoint(struct log_dir *dir, enum log_dir_checkpoint which,
				      const struct checkpoint_entry *entries, size_t count,
				      struct err *err);
/* Writes the clean-shutdown marker; broker_epoch -1: unknown. -errno. */
MUST_USE int log_dir_mark_clean(struct log_dir *dir, int64_t broker_epoch, struct err *err);

/* ---- Partitions ------------------------------------------------------------------------------ */

enum log_dir_kind {
	LOG_DIR_PARTITION,	/* TOPIC-N */
	LOG_DIR_DELETED,	/* TOPIC-N.HEX-delete */
	LOG_DIR_STRAY,		/* TOPIC-N.HEX-stray */
	LOG_DIR_FUTURE,		/* TOPIC-N.HEX-future */
};

/* Longest name of a topic partition directory, with the '\0'. */
#define LOG_DIR_NAME_MAX 256

struct log_dir_entry {
	char name[LOG_DIR_NAME_MAX];	/* of the directory */
	enum log_dir_kind kind;
	struct str topic;		/* points into name */
	int32_t partition;
	struct uuid topic_id;		/* of partition.metadata; zero: none or unreadable */
};

/* Calls `each` for every partition directory, __cluster_metadata-0 included; a non-zero return ends
 * the walk and is returned. Plain files are ignored. E_MALFORMED: a directory that is no
 * partition's (its name is in err), -errno. */
MUST_USE int log_dir_list(struct log_dir *dir,
			  int (*each)(void *ctx, const struct log_dir_entry *entry), void *ctx,
			  struct err *err);

/* Parses the name of a directory; borrows it for entry->topic. 0 or E_MALFORMED. */
MUST_USE int log_dir_parse_name(struct log_dir_entry *entry, const char *name);

/* "TOPIC-N.HEX-delete" (or another suffix) with a random HEX; long topics are cut. */
void log_dir_suffixed_name(struct env *env, const char *name, const char *suffix,
			   char out[LOG_DIR_NAME_MAX]);

/* "DIR/TOPIC-N"; malloc'ed. */
char *log_dir_partition_path(const struct log_dir *dir, struct str topic, int32_t partition);

/* Renames TOPIC-N to TOPIC-N.HEX-stray (a partition that this node should not have); it is kept,
 * never served. -errno. */
MUST_USE int log_dir_set_aside(struct log_dir *dir, const char *name, struct err *err);
/* Renames TOPIC-N.HEX-future to TOPIC-N. -errno. */
MUST_USE int log_dir_promote(struct log_dir *dir, const char *name, struct err *err);
/* Renames it to TOPIC-N.HEX-delete. -errno. */
MUST_USE int log_dir_discard(struct log_dir *dir, const char *name, struct err *err);

/* Removes *-delete directories that have been there for `delay_ms` (by their own mtime), at most
 * `most` of them. Returns how many it removed, or -errno. */
MUST_USE int log_dir_sweep(struct log_dir *dir, int64_t delay_ms, int most, struct err *err);

/* ---- Files of one partition, also used without a log ----------------------------------------- */

/* Reads or writes PATH/partition.metadata. -ENOENT, E_MALFORMED, -errno. */
MUST_USE int partition_metadata_read(struct env *env, const char *path, struct uuid *topic_id,
				     struct err *err);
/* Sets the directory's own time to now: since when it waits for log_dir_sweep(). */
void partition_dir_touch(struct env *env, const char *path);
MUST_USE int partition_metadata_write(struct env *env, const char *path, struct uuid topic_id,
				      struct err *err);

#endif
