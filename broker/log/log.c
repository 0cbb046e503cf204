/* The log as a whole: opening, closing, rolling, failing, and its numbers. */
#include "log/log.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/say.h"
#include "log/cleaner.h"
#include "log/log_dir.h"
#include "log/log_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SAY_PLACE "broker/log"

void log_config_default(struct log_config *config)
{
	*config = (struct log_config){
		.segment_bytes = 1 << 30,
		.segment_ms = 7LL * 24 * 3600 * 1000,
		.segment_index_bytes = 10 * 1024 * 1024,
		.index_interval_bytes = 4096,
		.retention_ms = 7LL * 24 * 3600 * 1000,
		.retention_bytes = -1,
		.flush_messages = INT64_MAX,
		.flush_ms = INT64_MAX,
		.max_message_bytes = 1048588,
		.compression = LOG_COMPRESSION_PRODUCER,
		.gzip_level = COMPRESSION_LEVEL_DEFAULT,
		.lz4_level = COMPRESSION_LEVEL_DEFAULT,
		.zstd_level = COMPRESSION_LEVEL_DEFAULT,
		.timestamp_before_max_ms = INT64_MAX,
		.timestamp_after_max_ms = 3600 * 1000,
		.cleanup_delete = true,
		.max_compaction_lag_ms = INT64_MAX,
		.min_cleanable_dirty_ratio = 0.5,
		.delete_retention_ms = 24 * 3600 * 1000,
		.file_delete_delay_ms = 60000,
	};
}

/* ---- Failing --------------------------------------------------------------------------------- */

int log_fail(struct log *log, int rc, struct err *err, const char *fmt, ...)
{
	char what[256];
	va_list args;
	struct err mine;

	if (rc == E_COLD)
		return rc;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	err_sys(&mine, rc, "%s: %s", log->path, what);
	if (!log->is_open)
		return err_set(err, rc, "%s", mine.text);
	if (!log->is_offline) {
		log->is_offline = true;
		if (log->options.failed)
			log->options.failed(log->options.ctx, log, rc, mine.text);
	}
	return err_set(err, E_OFFLINE, "%s", mine.text);
}

int log_usable(const struct log *log, struct err *err)
{
	if (!log->is_offline)
		return 0;
	return err_set(err, E_OFFLINE, "%s: its log directory is offline", log->name);
}

bool log_is_offline(const struct log *log)
{
	return log->is_offline;
}

/* ---- Segments -------------------------------------------------------------------------------- */

ssize_t log_segment_index(const struct log *log, int64_t offset)
{
	size_t low = 0, high = log->segment_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (log->segments[middle]->base_offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return (ssize_t)low - 1;
}

int64_t log_segment_end(const struct log *log, size_t index)
{
	return index + 1 < log->segment_count ? log->segments[index + 1]->base_offset
					      : log->end_offset;
}

void log_segment_insert(struct log *log, struct segment *s)
{
	size_t at = (size_t)(log_segment_index(log, s->base_offset) + 1);

	log->segments = grow_array(log->segments, log->segment_count, &log->segment_cap,
				   sizeof(struct segment *));
	memmove(log->segments + at + 1, log->segments + at,
		(log->segment_count - at) * sizeof(struct segment *));
	log->segments[at] = s;
	log->segment_count++;
}

int log_segments_drop(struct log *log, size_t first, size_t count, bool delayed, struct err *err)
{
	int rc = 0;

	assert(first + count <= log->segment_count);
	/* Retention takes the oldest first, truncation the newest: a crash leaves no hole. */
	for (size_t i = 0; i < count; i++) {
		struct segment *s = log->segments[delayed ? first + i : first + count - 1 - i];

		log->size_bytes -= s->size_bytes;
		if (rc == 0)
			rc = segment_delete(s, delayed);
		segment_free(s);
	}
	/* A segment that was cut off and comes back after a crash would follow other records. */
	if (rc == 0 && count && !delayed)
		rc = log_env(log)->ops->fsync_dir(log_env(log), log->path);
	memmove(log->segments + first, log->segments + first + count,
		(log->segment_count - first - count) * sizeof(struct segment *));
	log->segment_count -= count;
	return rc < 0 ? log_fail(log, rc, err, "deleting segments") : 0;
}

bool log_no_space(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT;
}

/* A full disk leaves everything as it is; any other failure takes the log offline. */
static int roll_failed(struct log *log, int rc, struct err *err)
{
	if (log_no_space(rc))
		return err_sys(err, rc, "%s: beginning a segment", log->path);
	return log_fail(log, rc, err, "beginning a segment");
}

int log_roll_to(struct log *log, int64_t base_offset, struct err *err)
{
	struct segment *old = log_active(log), *s;
	int64_t end_before = log->producers.end_offset;
	int rc;

	assert(base_offset >= log->end_offset);
	if (old->base_offset == base_offset) {
		assert(old->size_bytes == 0);
		return 0;
	}
	rc = segment_seal(old);
	if (rc < 0)
		return roll_failed(log, rc, err);
	log->producers.end_offset = base_offset;
	rc = snapshot_write(log, false);
	s = segment_new(log, base_offset);
	if (rc == 0)
		rc = segment_create(s);
	if (rc < 0) {
		log->producers.end_offset = end_before;
		segment_free(s);
		return roll_failed(log, rc, err);
	}
	old->mtime_ms = env_wall_ms(log_env(log));
	log->end_offset = base_offset;
	log->has_new_files = true;
	log_segment_insert(log, s);
	log_recent_clear(log);
	say_debug("%s: rolled to segment %" PRId64, log->name, base_offset);
	log_flush_later(log, base_offset);
	return log_usable(log, err);
}

int log_roll(struct log *log, struct err *err)
{
	int rc = log_usable(log, err);

	if (rc < 0 || log_active(log)->size_bytes == 0)
		return rc;
	return log_roll_to(log, log->end_offset, err);
}

void log_recent_clear(struct log *log)
{
	log->recent_count = log->recent_next = 0;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void log_free(struct log *log)
{
	struct list_node *node;

	if (log->cleaner)
		cleaner_forget(log->cleaner, log);
	for (size_t i = 0; i < log->segment_count; i++)
		segment_free(log->segments[i]);
	free(log->segments);
	epochs_fini(&log->epochs);
	producers_clear(&log->producers);
	free(log->snapshots.offsets);
	while ((node = list_pop_front(&log->doomed)))
		free(LIST_ENTRY(node, struct doomed_file, link));
	free(log->path);
	free(log);
}

/* The directory itself; made if it is missing. */
static int open_directory(struct log *log, struct err *err)
{
	struct env *env = log_env(log);
	struct env_stat st;
	int rc = env->ops->stat(env, log->path, &st);

	/* After a crash nobody knows which names are on the disk, but that they are not all. */
	log->has_new_files = log->is_new_name = rc < 0 || !log->options.was_clean;
	if (rc == -ENOENT) {
		rc = env->ops->mkdir(env, log->path);
	} else if (rc == 0 && !st.is_dir) {
		rc = -ENOTDIR;
	}
	return rc < 0 ? err_sys(err, rc, "%s", log->path) : 0;
}

static int open_topic_id(struct log *log, struct err *err)
{
	struct uuid found;
	int rc = partition_metadata_read(log_env(log), log->path, &found, err);

	if (rc == -ENOENT)
		return uuid_is_zero(log->topic_id)
			       ? 0 : partition_metadata_write(log_env(log), log->path,
							      log->topic_id, err);
	if (rc < 0)
		return rc;
	if (uuid_is_zero(log->topic_id))
		log->topic_id = found;
	if (!uuid_eq(log->topic_id, found))
		return err_set(err, E_INVALID, "%s: belongs to another topic id", log->path);
	return 0;
}

static int create_first(struct log *log, int64_t base_offset, struct err *err)
{
	struct segment *s = segment_new(log, base_offset);
	int rc = segment_create(s);

	if (rc < 0) {
		segment_free(s);
		return log_fail(log, rc, err, "making a segment");
	}
	log->has_new_files = true;
	log_segment_insert(log, s);
	return 0;
}

/* The log end of a directory that needs no recovery: behind the last batch. */
static int find_end(struct log *log, struct err *err)
{
	struct segment *s = log_active(log);
	int64_t key, pos, end_offset = s->base_offset;
	struct header_walk w = {.segment = s};
	struct batch b;
	uint32_t slot;
	int rc = index_floor(s, &s->offsets, false, INT64_MAX, &slot, &key, &pos);

	if (rc == 1 && pos >= 0 && pos < s->size_bytes)
		w.pos = pos;
	while (rc >= 0 && (rc = header_walk_next(&w, &b)) == 1 && batch_check(&b) == 0)
		end_offset = batch_next_offset(&b);
	if (rc == 1 || (rc == 0 && w.pos != s->size_bytes) || end_offset < s->base_offset)
		rc = E_CORRUPT;
	/* Appends go on from the last entries. */
	if (rc == 0 && s->offsets.count > 0 &&
	    (s->offsets.last_key >= end_offset || s->offsets.last_value >= s->size_bytes))
		rc = E_CORRUPT;
	log->end_offset = end_offset;
	return rc < 0 ? err_sys(err, rc, "%s: segment %" PRId64, log->path, s->base_offset) : 0;
}

/* Where the log begins and ends, by its files, once these are known to be sound. */
static int open_offsets(struct log *log, int64_t recover_from, struct err *err)
{
	int64_t wanted_start = log->options.log_start_offset;
	int rc;

	log->start_offset = MAX(wanted_start, log->segments[0]->base_offset);
	if (recover_from != INT64_MAX) {
		rc = log_recover(log, recover_from, err);
	} else {
		rc = find_end(log, err);
		/* A last segment that does not end with a batch was not closed cleanly. */
		if (rc == E_CORRUPT)
			rc = log_recover(log, log_active(log)->base_offset, err);
	}
	if (rc < 0)
		return rc;
	if (log->end_offset < log->start_offset) {
		say_warn("%s: ends at %" PRId64 ", below its start %" PRId64 ": starting anew",
			 log->name, log->end_offset, log->start_offset);
		rc = log_segments_drop(log, 0, log->segment_count, false, err);
		if (rc == 0)
			rc = create_first(log, log->start_offset, err);
		log->end_offset = log->start_offset;
		producers_clear(&log->producers);
		log->producers.end_offset = log->start_offset;
	}
	return rc;
}

static int open_state(struct log *log, struct err *err)
{
	bool changed;
	int rc;

	changed = epochs_truncate_end(&log->epochs, log->end_offset);
	changed |= epochs_truncate_start(&log->epochs, log->start_offset);
	rc = log->options.was_clean ? 0 : epochs_restore_start(log, &changed);
	if (rc < 0)
		return log_fail(log, rc, err, "reading leader epochs");
	rc = changed ? epochs_store(log) : 0;
	if (rc < 0)
		return log_fail(log, rc, err, "writing leader epochs");
	if (log->producers.end_offset != log->end_offset) {
		rc = log_rebuild_producers(log, err);
		if (rc < 0)
			return rc;
	}
	rc = snapshot_remove_strays(log);
	if (rc < 0)
		return log_fail(log, rc, err, "removing producer snapshots");
	log->recovery_point = log->options.was_clean
				      ? log->end_offset
				      : MIN(log->options.recovery_point, log->end_offset);
	log->reported_point = log->options.recovery_point;
	log->cleaner_offset = log->options.cleaner_offset;
	log_set_high_watermark(log, log->options.high_watermark);
	return 0;
}

int log_open(struct log **out, struct log_pool *pool, const char *path,
	     const struct log_config *config, const struct log_options *options, struct err *err)
{
	struct log *log = xcalloc(1, sizeof(*log));
	int64_t recover_from;
	int rc;

	log->pool = pool;
	log->path = xstrdup(path);
	log->name = strrchr(log->path, '/') ? strrchr(log->path, '/') + 1 : log->path;
	log->topic_id = options->topic_id;
	log->options = *options;
	log->flush_wanted = -1;
	list_init(&log->doomed);
	producers_init(&log->producers);
	log_configure(log, config);
	log->flushed_ms = log->retained_ms = log->expired_ms = env_wall_ms(pool->env);
	if (strlen(path) + 64 > LOG_PATH_MAX) {
		rc = err_set(err, -ENAMETOOLONG, "%.64s...: path too long", path);
		goto fail;
	}
	rc = open_directory(log, err);
	if (rc == 0)
		rc = open_topic_id(log, err);
	if (rc == 0)
		rc = epochs_load(log, err);
	if (rc == 0)
		rc = log_load_segments(log, &recover_from, err);
	if (rc == 0 && log->segment_count == 0)
		rc = create_first(log, MAX(options->log_start_offset, (int64_t)0), err);
	if (rc == 0)
		rc = open_offsets(log, recover_from, err);
	if (rc == 0)
		rc = open_state(log, err);
	if (rc < 0)
		goto fail;
	log->recovery.segment_count = (unsigned)log->segment_count;
	log->is_open = true;
	log_check(log);
	*out = log;
	return 0;
fail:
	log_free(log);
	return rc;
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void log_close_now(struct log *log)
{
	log->is_closed = true;
	if (log->cleaner)
		cleaner_forget(log->cleaner, log);
	if (!log->flushing)	/* else its end frees the log */
		log_free(log);
}

int log_close(struct log *log, struct err *err)
{
	int rc = 0;

	if (!log->is_offline) {
		rc = segment_seal(log_active(log));
		if (rc < 0)
			rc = log_fail(log, rc, err, "closing a segment");
	} else {
		rc = log_usable(log, err);
	}
	if (rc == 0)
		rc = log_flush(log, err);
	if (rc == 0) {
		rc = snapshot_write(log, true);
		if (rc < 0)
			rc = log_fail(log, rc, err, "writing the producers' state");
	}
	log_close_now(log);
	return rc;
}

void log_abandon(struct log *log)
{
	log_close_now(log);
}

static int rename_directory(struct log *log, const char *new_name, struct err *err)
{
	struct env *env = log_env(log);
	char *parent = xstrndup(log->path, (size_t)(log->name - log->path));
	char *path = xasprintf("%s%s", parent, new_name);
	int rc = env->ops->rename(env, log->path, path);

	if (rc == 0)
		rc = env->ops->fsync_dir(env, *parent ? parent : ".");
	if (rc == 0) {
		struct doomed_file *file;

		/* Nobody looks for them here any more; the next start does. */
		LIST_FOREACH(&log->doomed, file, struct doomed_file, link) {
			list_remove(&file->link);
			free(file);
		}
		free(log->path);
		log->path = path;
		log->name = log->path + strlen(parent);
		path = NULL;
	}
	free(path);
	free(parent);
	return rc < 0 ? log_fail(log, rc, err, "renaming it to %s", new_name) : 0;
}

int log_rename(struct log *log, const char *new_name, struct err *err)
{
	int rc = log_usable(log, err);

	return rc < 0 ? rc : rename_directory(log, new_name, err);
}

int log_delete(struct log *log, struct err *err)
{
	char name[LOG_DIR_NAME_MAX];
	int rc = log_usable(log, err);

	if (rc == 0) {
		log_dir_suffixed_name(log_env(log), log->name, "delete", name);
		partition_dir_touch(log_env(log), log->path);
		rc = rename_directory(log, name, err);
	}
	log_close_now(log);
	return rc;
}

/* ---- Numbers and names ----------------------------------------------------------------------- */

void log_configure(struct log *log, const struct log_config *config)
{
	uint64_t random = 0;

	log->config = *config;
	log->roll_jitter_ms = 0;
	if (config->segment_jitter_ms > 0) {
		log_env(log)->ops->random(log_env(log), &random, sizeof(random));
		log->roll_jitter_ms = (int64_t)(random % (uint64_t)config->segment_jitter_ms);
	}
}

const struct log_config *log_get_config(const struct log *log)
{
	return &log->config;
}

const char *log_path(const struct log *log)
{
	return log->path;
}

const char *log_name(const struct log *log)
{
	return log->name;
}

struct uuid log_topic_id(const struct log *log)
{
	return log->topic_id;
}

int log_set_topic_id(struct log *log, struct uuid topic_id, struct err *err)
{
	int rc = log_usable(log, err);

	if (rc < 0 || uuid_eq(log->topic_id, topic_id))
		return rc;
	if (!uuid_is_zero(log->topic_id))
		return err_set(err, E_INVALID, "%s: belongs to another topic id", log->path);
	rc = partition_metadata_write(log_env(log), log->path, topic_id, err);
	if (rc < 0)
		return log_fail(log, rc, err, "writing partition.metadata");
	log->topic_id = topic_id;
	return 0;
}

const struct log_recovery *log_get_recovery(const struct log *log)
{
	return &log->recovery;
}

int64_t log_start_offset(const struct log *log)
{
	return log->start_offset;
}

int64_t log_end_offset(const struct log *log)
{
	return log->end_offset;
}

int64_t log_recovery_point(const struct log *log)
{
	return log->recovery_point;
}

int64_t log_report_recovery_point(struct log *log)
{
	log->reported_point = MAX(log->reported_point, log->recovery_point);
	return log->recovery_point;
}

int64_t log_high_watermark(const struct log *log)
{
	return log->high_watermark;
}

int64_t log_first_unstable_offset(const struct log *log)
{
	return producers_first_unstable(&log->producers);
}

int64_t log_last_stable_offset(const struct log *log)
{
	int64_t unstable = producers_first_unstable(&log->producers);

	if (unstable < 0 || unstable > log->high_watermark)
		return log->high_watermark;
	return MAX(unstable, log->start_offset);
}

bool log_set_high_watermark(struct log *log, int64_t offset)
{
	int64_t before = log->high_watermark, stable_before = log_last_stable_offset(log);

	log->high_watermark = MAX(MIN(offset, log->end_offset), log->start_offset);
	producers_high_watermark(&log->producers, log->high_watermark);
	return log->high_watermark != before || log_last_stable_offset(log) != stable_before;
}

int64_t log_cleaner_offset(const struct log *log)
{
	return log->cleaner_offset;
}

int64_t log_size_bytes(const struct log *log)
{
	return log->size_bytes;
}

unsigned log_segment_count(const struct log *log)
{
	return (unsigned)log->segment_count;
}

int64_t log_active_base_offset(const struct log *log)
{
	return log_active(log)->base_offset;
}

bool log_wants_start_checkpoint(const struct log *log)
{
	return log->segment_count > 0 && log->start_offset > log->segments[0]->base_offset;
}

void log_check(const struct log *log)
{
	int64_t bytes = 0;

	if (log->is_offline)
		return;
	assert(log->segment_count > 0);
	assert(log->segments[0]->base_offset <= log->start_offset);
	assert(log->start_offset <= log->high_watermark);
	assert(log->high_watermark <= log->end_offset);
	assert(log->recovery_point <= log->end_offset);
	assert(log->producers.end_offset == log->end_offset);
	for (size_t i = 0; i < log->segment_count; i++) {
		const struct segment *s = log->segments[i];

		bytes += s->size_bytes;
		assert(s->size_bytes >= 0);
		assert(s->base_offset <= log_segment_end(log, i));
		assert(i == 0 || s->base_offset > log->segments[i - 1]->base_offset);
	}
	assert(bytes == log->size_bytes);
	for (size_t i = 1; i < log->epochs.count; i++) {
		const struct epoch_entry *e = &log->epochs.entries[i];

		assert(e[0].leader_epoch > e[-1].leader_epoch);
		assert(e[0].start_offset > e[-1].start_offset);
	}
}
