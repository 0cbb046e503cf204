/* Making the log shorter: truncation at the end, the start moving up, retention, deletes. */
#include "base/err.h"
#include "base/mem.h"
#include "base/say.h"
#include "log/cleaner.h"
#include "log/log_int.h"

#include <errno.h>
#include <inttypes.h>

#define SAY_PLACE "broker/log"
/* log_tick wants to be called at least this often. */
#define TICK_MS_MAX 60000

/* ---- The end --------------------------------------------------------------------------------- */

static int store_epochs(struct log *log, struct err *err)
{
	int rc = epochs_store(log);

	return rc < 0 ? log_fail(log, rc, err, "writing leader epochs") : 0;
}

/* The log ends at `offset` now: whatever knows better has to forget it. */
static int ended_at(struct log *log, int64_t offset, struct err *err)
{
	int rc = 0;

	log->end_offset = offset;
	log->start_offset = MIN(log->start_offset, offset);
	log->recovery_point = MIN(log->recovery_point, offset);
	log->high_watermark = MAX(MIN(log->high_watermark, offset), log->start_offset);
	log->cleaner_offset = MIN(log->cleaner_offset, log_active(log)->base_offset);
	log_recent_clear(log);
	if (epochs_truncate_end(&log->epochs, offset))
		rc = store_epochs(log, err);
	return rc < 0 ? rc : log_rebuild_producers(log, err);
}

static void truncation_begins(struct log *log)
{
	log->truncations++;
	if (log->cleaner)
		cleaner_forget(log->cleaner, log);
}

int log_truncate_fully(struct log *log, int64_t offset, struct err *err)
{
	struct segment *s;
	int rc = log_usable(log, err);

	if (rc < 0)
		return rc;
	say_info("%s: starting anew at offset %" PRId64, log->name, offset);
	truncation_begins(log);
	rc = log_segments_drop(log, 0, log->segment_count, false, err);
	if (rc < 0)
		return rc;
	rc = snapshot_remove(log, 0, INT64_MAX);
	s = segment_new(log, offset);
	if (rc == 0)
		rc = segment_create(s);
	if (rc < 0) {
		segment_free(s);
		return log_fail(log, rc, err, "making a segment");
	}
	log->has_new_files = true;
	log_segment_insert(log, s);
	log->start_offset = offset;
	log->recovery_point = offset;
	log->cleaner_offset = -1;
	epochs_fini(&log->epochs);
	rc = store_epochs(log, err);
	return rc < 0 ? rc : ended_at(log, offset, err);
}

int log_truncate_to(struct log *log, int64_t offset, struct err *err)
{
	struct segment *s;
	struct batch b;
	ssize_t index;
	int64_t pos;
	int rc = log_usable(log, err);

	if (rc < 0)
		return rc;
	if (offset >= log->end_offset)
		return epochs_truncate_end(&log->epochs, offset) ? store_epochs(log, err) : 0;
	index = log_segment_index(log, offset);
	if (index < 0)
		return log_truncate_fully(log, offset, err);
	say_info("%s: truncating to offset %" PRId64, log->name, offset);
	truncation_begins(log);
	rc = log_segments_drop(log, (size_t)index + 1, log->segment_count - (size_t)index - 1,
			       false, err);
	if (rc < 0)
		return rc;
	s = log->segments[index];
	log->size_bytes -= s->size_bytes;
	rc = segment_find(s, offset, &pos, &b);
	if (rc == 1) {
		offset = MIN(offset, b.base_offset);
		rc = segment_truncate(s, offset);
		/* or a crash could put old batches behind the ones that are written next */
		if (rc == 0)
			rc = log_env(log)->ops->fsync(log_env(log), segment_fd(s));
	}
	if (rc == 0)
		rc = snapshot_remove(log, offset + 1, INT64_MAX);
	if (rc < 0)
		return log_fail(log, rc, err, "truncating to offset %" PRId64, offset);
	log->size_bytes += s->size_bytes;
	rc = ended_at(log, offset, err);
	assert_slow((log_check(log), true));
	return rc;
}

/* ---- The start ------------------------------------------------------------------------------- */

int log_set_start(struct log *log, int64_t offset, struct err *err)
{
	if (offset <= log->start_offset)
		return 0;
	assert(offset <= log->end_offset);
	log->start_offset = offset;
	log->high_watermark = MAX(log->high_watermark, offset);
	producers_high_watermark(&log->producers, log->high_watermark);
	return epochs_truncate_start(&log->epochs, offset) ? store_epochs(log, err) : 0;
}

int log_move_start(struct log *log, int64_t offset, struct err *err)
{
	int rc = log_usable(log, err);

	if (rc < 0)
		return rc;
	if (offset > log->high_watermark)
		return err_set(err, E_OFFSET_RANGE, "%s: offset %" PRId64
			       " is above the high watermark %" PRId64, log->name, offset,
			       log->high_watermark);
	return log_set_start(log, offset, err);
}

int log_follow_start(struct log *log, int64_t offset, struct err *err)
{
	int rc = log_usable(log, err);

	return rc < 0 ? rc : log_set_start(log, MIN(offset, log->end_offset), err);
}

/* ---- Retention ------------------------------------------------------------------------------- */

/* What is true of the oldest segments that may go. */
struct retention {
	int64_t now_ms;
	int64_t surplus_bytes;	/* above retention.bytes; -1: no limit */
	bool by_size, by_time;
};

/* 1: segment `index` is to go. */
static int segment_has_expired(struct log *log, const struct retention *r, size_t index)
{
	struct segment *s = log->segments[index];
	int64_t end_offset = log_segment_end(log, index), newest_ms;
	int rc;

	if (end_offset > log->high_watermark)
		return 0;
	if (index + 1 == log->segment_count && s->size_bytes == 0)
		return 0;
	if (index + 1 < log->segment_count && end_offset <= log->start_offset)
		return 1;
	if (r->by_size && r->surplus_bytes >= s->size_bytes)
		return 1;
	if (!r->by_time)
		return 0;
	rc = segment_max_timestamp(s);
	if (rc < 0)
		return rc;
	newest_ms = s->max_timestamp >= 0 ? s->max_timestamp
		    : s->mtime_ms	  ? s->mtime_ms : s->created_ms;
	return r->now_ms - newest_ms > log->config.retention_ms;
}

/* How many segments go, oldest first. */
static int count_expired(struct log *log, size_t *count)
{
	const struct log_config *c = &log->config;
	struct retention r = {
		.now_ms = env_wall_ms(log_env(log)),
		.surplus_bytes = log->size_bytes - c->retention_bytes,
		.by_size = c->cleanup_delete && c->retention_bytes >= 0,
		.by_time = c->cleanup_delete && c->retention_ms >= 0,
	};

	for (*count = 0; *count < log->segment_count; (*count)++) {
		int rc = segment_has_expired(log, &r, *count);

		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		r.surplus_bytes -= log->segments[*count]->size_bytes;
	}
	return 0;
}

int log_retain(struct log *log, unsigned *deleted_count, struct err *err)
{
	int64_t before;
	size_t count;
	int rc = log_usable(log, err);

	if (deleted_count)
		*deleted_count = 0;
	if (rc < 0)
		return rc;
	log->retained_ms = env_wall_ms(log_env(log));
	rc = count_expired(log, &count);
	if (rc < 0)
		return log_fail(log, rc, err, "checking retention");
	if (count == 0)
		return 0;
	if (log->cleaner)
		cleaner_forget(log->cleaner, log);
	if (count == log->segment_count) {
		rc = log_roll_to(log, log->end_offset, err);
		if (rc < 0)
			return rc;
	}
	before = log->segments[0]->base_offset;
	rc = log_set_start(log, log->segments[count]->base_offset, err);
	if (rc == 0)
		rc = log_segments_drop(log, 0, count, true, err);
	if (rc < 0)
		return rc;
	rc = snapshot_remove(log, 0, log->segments[0]->base_offset);
	if (rc < 0)
		return log_fail(log, rc, err, "removing producer snapshots");
	say_info("%s: deleted %zu segments from offset %" PRId64 ", now starting at %" PRId64,
		 log->name, count, before, log->start_offset);
	if (deleted_count)
		*deleted_count = (unsigned)count;
	assert_slow((log_check(log), true));
	return 0;
}

/* ---- Later ----------------------------------------------------------------------------------- */

int log_doom_file(struct log *log, const char *path)
{
	size_t len = strlen(path) + sizeof(".deleted");
	struct doomed_file *file = xmalloc(sizeof(*file) + len);
	int rc;

	*file = (struct doomed_file){
		.due_ms = env_wall_ms(log_env(log)) + log->config.file_delete_delay_ms,
	};
	memcpy(file->path, path, strlen(path));
	memcpy(file->path + strlen(path), ".deleted", sizeof(".deleted"));
	rc = log_env(log)->ops->rename(log_env(log), path, file->path);
	if (rc < 0)
		free(file);
	else
		list_push_back(&log->doomed, &file->link);
	return rc;
}

static int64_t tick_doomed(struct log *log, int64_t now_ms)
{
	struct doomed_file *file;

	LIST_FOREACH(&log->doomed, file, struct doomed_file, link) {
		int rc;

		if (file->due_ms > now_ms)
			return file->due_ms - now_ms;
		rc = log_env(log)->ops->unlink(log_env(log), file->path);
		list_remove(&file->link);
		free(file);
		if (rc < 0 && rc != -ENOENT) {
			(void)log_fail(log, rc, NULL, "deleting a file");
			break;
		}
	}
	return TICK_MS_MAX;
}

/* Runs at intervals: the milliseconds that are left, 0: it is due (and noted as run). */
static int64_t interval_left(int64_t *last_ms, int64_t interval_ms, int64_t now_ms)
{
	if (interval_ms > INT64_MAX - *last_ms)
		return TICK_MS_MAX;
	if (now_ms < *last_ms)	/* the clock was set back */
		*last_ms = now_ms;
	if (now_ms - *last_ms < interval_ms)
		return interval_ms - (now_ms - *last_ms);
	*last_ms = now_ms;
	return 0;
}

int64_t log_tick(struct log *log)
{
	const struct log_pool_options *o = &log->pool->options;
	int64_t now_ms = env_wall_ms(log_env(log)), wait_ms, left;

	if (log->is_offline)
		return TICK_MS_MAX;
	wait_ms = tick_doomed(log, now_ms);
	if (!log->is_offline && log->config.flush_ms != INT64_MAX &&
	    log->recovery_point < log->end_offset && !log->flushing) {
		left = interval_left(&log->flushed_ms,
				     MAX(log->config.flush_ms, o->flush_check_interval_ms), now_ms);
		wait_ms = MIN(wait_ms, left ? left : o->flush_check_interval_ms);
		if (left == 0)
			log_flush_later(log, log->end_offset);
	}
	if (log->is_offline)
		return TICK_MS_MAX;
	left = interval_left(&log->retained_ms, o->retention_check_interval_ms, now_ms);
	wait_ms = MIN(wait_ms, left ? left : o->retention_check_interval_ms);
	if (left == 0 && log_retain(log, NULL, NULL) < 0)
		return TICK_MS_MAX;
	left = interval_left(&log->expired_ms, o->producer_check_interval_ms, now_ms);
	wait_ms = MIN(wait_ms, left ? left : o->producer_check_interval_ms);
	if (left == 0)
		producers_expire(&log->producers, now_ms, o->producer_id_expiration_ms);
	return MAX(wait_ms, (int64_t)1);
}
