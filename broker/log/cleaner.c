#include "log/cleaner.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/say.h"
#include "log/clean_txns.h"
#include "log/key_map.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "broker/log"
#define DEFAULT_DEDUPE_BYTES (8 * 1024 * 1024)
#define DEFAULT_LOAD_FACTOR 0.9
/* Kept batches are written in pieces of this size. */
#define WRITE_BYTES (256 * 1024)
/* What is cold comes into memory with as much behind it. */
#define WARM_AHEAD_BYTES (1024 * 1024)

enum cleaner_phase { CLEANER_IDLE, CLEANER_MAPPING, CLEANER_COPYING };

struct cleaner {
	struct log_pool *pool;
	struct cleaner_options options;
	struct cleaner_stats stats;
	enum cleaner_phase phase;
	struct log *log;
	struct key_map map;
	struct clean_txns txns;
	bool has_txns;
	int64_t now_ms;			/* of the round's start */
	int64_t first_dirty, first_uncleanable;
	int64_t mapped_end;		/* offsets below are in the map */
	/* walking */
	struct batch_scan scan;
	struct log_warmer *warmer;
	bool is_scanning;
	size_t index;			/* of the segment at hand */
	/* copying */
	size_t group_first, group_limit;	/* the segments that become one */
	struct segment *out;
	struct out pending;		/* batches to be written */
	int64_t pending_pos;
	int64_t source_mtime_ms;
};

struct cleaner *cleaner_new(struct log_pool *pool, const struct cleaner_options *options)
{
	struct cleaner *c = xcalloc(1, sizeof(*c));

	c->pool = pool;
	c->warmer = log_warmer_new(WARM_AHEAD_BYTES, NULL, NULL);
	if (options)
		c->options = *options;
	if (!c->options.dedupe_bytes)
		c->options.dedupe_bytes = DEFAULT_DEDUPE_BYTES;
	if (c->options.load_factor <= 0)
		c->options.load_factor = DEFAULT_LOAD_FACTOR;
	return c;
}

static void round_end(struct cleaner *c)
{
	if (c->is_scanning)
		batch_scan_end(&c->scan);
	c->is_scanning = false;
	if (c->out) {	/* given up half-way: the next start would remove it, too */
		(void)!segment_delete(c->out, false);
		segment_free(c->out);
	}
	c->out = NULL;
	out_fini(&c->pending);
	key_map_fini(&c->map);
	if (c->has_txns)
		clean_txns_fini(&c->txns);
	c->has_txns = false;
	if (c->log)
		c->log->cleaner = NULL;
	c->log = NULL;
	c->phase = CLEANER_IDLE;
}

void cleaner_free(struct cleaner *c)
{
	if (!c)
		return;
	round_end(c);
	log_warmer_free(c->warmer);
	free(c);
}

bool cleaner_is_idle(const struct cleaner *c)
{
	return c->phase == CLEANER_IDLE;
}

void cleaner_forget(struct cleaner *c, const struct log *log)
{
	if (c->log == log)
		round_end(c);
}

const struct cleaner_stats *cleaner_get_stats(const struct cleaner *c)
{
	return &c->stats;
}

/* ---- What wants cleaning --------------------------------------------------------------------- */

static int64_t first_dirty_of(const struct log *log)
{
	int64_t offset = log->cleaner_offset;

	return offset < log->start_offset || offset > log->end_offset ? log->start_offset : offset;
}

/* Records from here on stay as they are: not stable, active, or too young. */
static int64_t first_uncleanable_of(struct log *log, int64_t first_dirty, int64_t now_ms)
{
	int64_t limit = MIN(log_last_stable_offset(log), log_active(log)->base_offset);
	ssize_t first = MAX(log_segment_index(log, first_dirty), 0);

	if (log->config.min_compaction_lag_ms <= 0)
		return limit;
	for (size_t i = (size_t)first; i + 1 < log->segment_count; i++) {
		struct segment *s = log->segments[i];

		if (segment_max_timestamp(s) < 0 ||
		    s->max_timestamp > now_ms - log->config.min_compaction_lag_ms)
			return MIN(limit, s->base_offset);
	}
	return limit;
}

double cleaner_ratio(struct log *log)
{
	int64_t first_dirty, first_uncleanable, clean = 0, cleanable = 0, now_ms;
	int64_t oldest_ms = INT64_MAX, timestamp;
	bool must_clean;
	double ratio;

	if (!log->config.cleanup_compact || log->is_offline || log->is_uncleanable || log->cleaner)
		return -1;
	now_ms = env_wall_ms(log_env(log));
	first_dirty = first_dirty_of(log);
	first_uncleanable = first_uncleanable_of(log, first_dirty, now_ms);
	for (size_t i = 0; i < log->segment_count; i++) {
		struct segment *s = log->segments[i];

		if (log_segment_end(log, i) <= first_dirty)
			clean += s->size_bytes;
		else if (s->base_offset < first_uncleanable)
			cleanable += s->size_bytes;
		if (s->base_offset >= first_dirty && i + 1 < log->segment_count &&
		    log->config.max_compaction_lag_ms != INT64_MAX &&
		    segment_first_timestamp(s, &timestamp) == 0 && timestamp > 0)
			oldest_ms = MIN(oldest_ms, timestamp);
	}
	if (cleanable == 0)
		return -1;
	ratio = (double)cleanable / (double)(clean + cleanable);
	must_clean = oldest_ms != INT64_MAX &&
		     oldest_ms < now_ms - log->config.max_compaction_lag_ms;
	if (must_clean)
		return 2;
	return ratio > log->config.min_cleanable_dirty_ratio ? ratio : -1;
}

/* ---- Mapping --------------------------------------------------------------------------------- */

static int scan_begin(struct cleaner *c, size_t index)
{
	int rc;

	if (c->is_scanning)
		batch_scan_end(&c->scan);
	c->index = index;
	rc = batch_scan_start(&c->scan, c->log->segments[index], 0);
	c->is_scanning = rc == 0;
	return rc;
}

/* The next batch, or E_COLD: the disk has been asked for it. */
static int scan_next(struct cleaner *c, struct batch *b)
{
	log_warmer_try(c->warmer, c->pool);
	return log_warmer_tried(c->warmer, c->pool, batch_scan_next(&c->scan, b));
}

static int txns_begin(struct cleaner *c, size_t first)
{
	if (c->has_txns)
		clean_txns_fini(&c->txns);
	c->has_txns = true;
	/* Also of later segments: a transaction may begin below them. */
	return clean_txns_init(&c->txns, c->log, first, c->log->segment_count);
}

void cleaner_start(struct cleaner *c, struct log *log)
{
	uint64_t seed[4];
	size_t first;

	assert(c->phase == CLEANER_IDLE && !log->cleaner);
	log_env(log)->ops->random(log_env(log), seed, sizeof(seed));
	c->log = log;
	log->cleaner = c;
	c->phase = CLEANER_MAPPING;
	c->now_ms = env_wall_ms(log_env(log));
	c->first_dirty = first_dirty_of(log);
	c->first_uncleanable = first_uncleanable_of(log, c->first_dirty, c->now_ms);
	c->mapped_end = c->first_dirty;
	key_map_init(&c->map, c->options.dedupe_bytes, c->options.load_factor, seed);
	out_init(&c->pending, SIZE_MAX / 2);
	first = (size_t)MAX(log_segment_index(log, c->first_dirty), 0);
	c->index = first;
	say_debug("%s: cleaning from offset %" PRId64 " to %" PRId64, log->name, c->first_dirty,
		  c->first_uncleanable);
}

/* Its records as a batch of version 2: `b` itself, or *out with *upgraded behind it. */
static int upgrade(struct cleaner *c, const struct batch *b, struct batch *out,
		   struct slice *upgraded)
{
	int rc;

	*out = *b;
	*upgraded = SLICE_NULL;
	if (b->magic == BATCH_MAGIC)
		return 0;
	rc = old_batch_upgrade(b, log_pool_compressor(c->pool), upgraded);
	return rc < 0 ? rc : batch_parse(out, upgraded->data, upgraded->len);
}

/* Notes the keys of one batch. 1: the map is full, this batch is not in it (wholly). */
static int map_batch(struct cleaner *c, const struct batch *b)
{
	struct record_iter it;
	struct record r;
	int rc = record_iter_init(&it, b, log_pool_compressor(c->pool), 0);

	if (rc < 0)
		return rc;
	while ((rc = record_next(&it, &r)) == 1) {
		if (r.offset < c->first_dirty || !r.key.data)
			continue;
		if (!key_map_put(&c->map, r.key, r.offset))
			return 1;
		c->mapped_end = r.offset + 1;
	}
	if (rc == 0)
		c->mapped_end = MAX(c->mapped_end, batch_next_offset(b));
	return rc;
}

static int map_records(struct cleaner *c, const struct batch *b)
{
	struct slice upgraded;
	struct batch v2;
	int rc = upgrade(c, b, &v2, &upgraded);

	if (rc == 0)
		rc = map_batch(c, &v2);
	slice_unref(&upgraded);
	return rc;
}

static int copy_begin(struct cleaner *c);

/* Small things first that the round needs of all segments. */
static int map_prepare(struct cleaner *c)
{
	const struct log *log = c->log;
	int rc = 0;

	log_warmer_try(c->warmer, c->pool);
	for (size_t i = 0; rc == 0 && i + 1 < log->segment_count; i++) {
		rc = index_load(log->segments[i], &log->segments[i]->offsets);
		if (rc == 0)
			rc = index_load(log->segments[i], &log->segments[i]->times);
	}
	if (rc == 0)
		rc = txns_begin(c, c->index);
	return log_warmer_tried(c->warmer, c->pool, rc);
}

/* Reads on until about `bytes_max`; goes over to copying at the end. */
static int step_map(struct cleaner *c, size_t bytes_max)
{
	struct aborted_txn kept;
	size_t done = 0;
	struct batch b;
	int rc = 0;

	if (!c->is_scanning) {
		rc = map_prepare(c);
		if (rc == 0)
			rc = scan_begin(c, c->index);
	}
	while (rc == 0 && done < bytes_max) {
		rc = scan_next(c, &b);
		if (rc == 0) {
			if (c->index + 1 >= c->log->segment_count ||
			    c->log->segments[c->index + 1]->base_offset >= c->first_uncleanable)
				return copy_begin(c);
			rc = scan_begin(c, c->index + 1);
			continue;
		}
		if (rc < 0)
			return rc;
		if (b.base_offset >= c->first_uncleanable)
			return copy_begin(c);
		done += b.size_bytes;
		rc = 0;
		if (batch_is_control(&b))
			(void)clean_txns_control(&c->txns, &b, &kept);
		else if (!clean_txns_data(&c->txns, &b))
			rc = map_records(c, &b);
		if (rc == 1)
			return copy_begin(c);
		if (rc == 0)
			c->mapped_end = MAX(c->mapped_end, batch_next_offset(&b));
	}
	c->stats.read_bytes += (int64_t)done;
	return rc;
}

/* ---- Copying --------------------------------------------------------------------------------- */

/* As many segments from `first` on as one segment may hold. */
static size_t group_end(const struct log *log, size_t first, int64_t end_offset)
{
	int64_t bytes = 0, index_bytes = 0, time_bytes = 0;
	size_t i;

	for (i = first; i + 1 < log->segment_count; i++) {
		const struct segment *s = log->segments[i];

		if (s->base_offset >= end_offset)
			break;
		bytes += s->size_bytes;
		index_bytes += (int64_t)s->offsets.count * 8;
		time_bytes += (int64_t)s->times.count * 12;
		if (i > first && (bytes > log->config.segment_bytes ||
				  index_bytes > log->config.segment_index_bytes ||
				  time_bytes > log->config.segment_index_bytes ||
				  log_segment_end(log, i) - 1 - log->segments[first]->base_offset >
					  INT32_MAX))
			break;
	}
	return i;
}

/* Opens the output for the segments from group_first on; 0 goes to rc when there are none left. */
static int group_begin(struct cleaner *c)
{
	struct log *log = c->log;
	int rc;

	for (size_t i = c->group_first; i + 1 < log->segment_count; i++) {
		rc = index_load(log->segments[i], &log->segments[i]->offsets);
		if (rc == 0)
			rc = index_load(log->segments[i], &log->segments[i]->times);
		if (rc < 0)
			return rc;
	}
	c->group_limit = group_end(log, c->group_first, c->mapped_end);
	c->source_mtime_ms = 0;
	c->out = segment_new(log, log->segments[c->group_first]->base_offset);
	c->out->is_cleaned = true;
	c->pending_pos = 0;
	out_reset(&c->pending);
	rc = segment_create(c->out);
	return rc < 0 ? rc : scan_begin(c, c->group_first);
}

static int round_done(struct cleaner *c)
{
	c->log->cleaner_offset = c->mapped_end;
	c->stats.rounds++;
	say_info("%s: cleaned up to offset %" PRId64, c->log->name, c->mapped_end);
	round_end(c);
	return 0;
}

static int copy_begin(struct cleaner *c)
{
	int rc;

	c->group_first = (size_t)MAX(log_segment_index(c->log, c->log->start_offset), 0);
	if (c->mapped_end <= c->first_dirty ||
	    c->log->segments[c->group_first]->base_offset >= c->mapped_end ||
	    c->group_first + 1 >= c->log->segment_count)
		return round_done(c);
	c->phase = CLEANER_COPYING;
	rc = txns_begin(c, c->group_first);
	return rc < 0 ? rc : group_begin(c);
}

static int write_pending(struct cleaner *c)
{
	int fd, rc;

	if (c->pending.len == 0)
		return 0;
	fd = segment_fd(c->out);
	if (fd < 0)
		return fd;
	rc = env_write(c->pool->env, fd, c->pending.data, c->pending.len, c->pending_pos);
	c->pending_pos += (int64_t)c->pending.len;
	c->stats.written_bytes += (int64_t)c->pending.len;
	out_reset(&c->pending);
	return rc;
}

static int keep_batch(struct cleaner *c, const uint8_t *data, size_t len)
{
	struct batch b;
	int rc = batch_parse_any(&b, data, len);

	assert(rc == 0 && b.size_bytes == len);
	rc = segment_note(c->out, &b, c->out->size_bytes);
	out_bytes(&c->pending, data, len);
	if (rc == 0 && c->pending.len >= WRITE_BYTES)
		rc = write_pending(c);
	return rc;
}

/* The batch that the producer's state rests on stays, if only as a header: sequences go on from
 * there. */
static bool is_last_of_producer(const struct log *log, const struct batch *b)
{
	const struct producer *p = producers_get(&log->producers, b->producer_id);

	if (!batch_has_producer_id(b) || !p)
		return false;
	if (p->batch_count > 0)
		return p->batches[p->batch_count - 1].last_offset == batch_last_offset(b);
	return batch_is_control(b) && p->producer_epoch == b->producer_epoch;
}

static bool horizon_passed(const struct cleaner *c, const struct batch *b)
{
	return (b->attributes & BATCH_ATTR_DELETE_HORIZON) && b->base_timestamp <= c->now_ms;
}

static bool keeps_record(const struct cleaner *c, const struct batch *b, const struct record *r)
{
	if (r->offset >= c->mapped_end || batch_is_control(b))
		return true;
	if (!r->key.data || r->offset < key_map_get(&c->map, r->key))
		return false;
	return r->value.data || !horizon_passed(c, b);
}

/* What becomes of a batch. */
struct verdict {
	bool drops_records;	/* all of them */
	bool wants_horizon;	/* the marker of a transaction that is gone */
	bool keeps_empty;
	enum compression codec;	/* of what is rebuilt */
};

static struct verdict judge(struct cleaner *c, const struct batch *b, int *rc)
{
	struct verdict v = {0};
	struct aborted_txn kept;

	if (batch_is_control(b)) {
		bool is_over = clean_txns_control(&c->txns, b, &kept);

		if (kept.first_offset >= 0)
			*rc = txn_index_add(c->out, &kept);
		v.drops_records = is_over && batch_has_producer_id(b) && horizon_passed(c, b);
		v.wants_horizon = is_over && batch_has_producer_id(b);
	} else {
		v.drops_records = clean_txns_data(&c->txns, b);
	}
	v.keeps_empty = is_last_of_producer(c->log, b) ||
			batch_next_offset(b) == c->log->high_watermark;
	return v;
}

static struct batch_options rebuilt_options(const struct batch *b)
{
	struct batch_options o = BATCH_OPTIONS_DEFAULT;

	o.base_offset = b->base_offset;
	o.partition_leader_epoch = b->partition_leader_epoch;
	o.producer_id = b->producer_id;
	o.producer_epoch = b->producer_epoch;
	o.base_sequence = b->base_sequence;
	o.is_transactional = batch_is_transactional(b);
	o.is_control = batch_is_control(b);
	o.log_append_time = batch_is_log_append_time(b);
	o.append_timestamp = b->max_timestamp;
	return o;
}

/* Writes the records that stay into a new batch; *any tells whether there are some. */
static int rebuild(struct cleaner *c, const struct batch *b, const struct verdict *v,
		   int64_t horizon, bool *any, struct slice *out)
{
	struct batch_options options = rebuilt_options(b);
	struct batch_builder bb;
	struct record_iter it;
	struct record r;
	int rc = record_iter_init(&it, b, log_pool_compressor(c->pool), 0);

	options.codec = v->codec;
	batch_builder_init(&bb, &options);
	bb.last_offset_delta_min = b->last_offset_delta;
	bb.delete_horizon = horizon;
	while (rc == 0 && (rc = record_next(&it, &r)) == 1) {
		rc = 0;
		if (v->drops_records || !keeps_record(c, b, &r))
			continue;
		/* Under LogAppendTime the record's own time is in its delta. */
		r.timestamp = (int64_t)((uint64_t)b->base_timestamp + (uint64_t)r.timestamp_delta);
		rc = batch_builder_add_at(&bb, r.offset_delta, &r);
	}
	*any = bb.record_count > 0;
	if (!*any) {
		bb.max_timestamp = b->max_timestamp;
		bb.delete_horizon = NO_TIMESTAMP;
	}
	if (rc == 0)
		rc = batch_builder_finish(&bb, log_pool_compressor(c->pool), out);
	batch_builder_fini(&bb);
	return rc;
}

/* How many records stay, and whether a tombstone is among them. */
static int count_kept(struct cleaner *c, const struct batch *b, int32_t *kept, bool *has_tombstone)
{
	struct record_iter it;
	struct record r;
	int rc = record_iter_init(&it, b, log_pool_compressor(c->pool), 0);

	*kept = 0;
	*has_tombstone = false;
	while (rc == 0 && (rc = record_next(&it, &r)) == 1) {
		rc = 0;
		if (!keeps_record(c, b, &r))
			continue;
		(*kept)++;
		*has_tombstone |= !r.value.data && !batch_is_control(b);
	}
	return rc;
}

/* `original`: what stays as it is if all its records do. */
static int copy_batch(struct cleaner *c, const struct batch *b, const struct batch *original)
{
	int64_t horizon = b->attributes & BATCH_ATTR_DELETE_HORIZON ? b->base_timestamp
								     : NO_TIMESTAMP;
	bool has_tombstone = false, any;
	int32_t kept = 0;
	struct slice again;
	struct verdict v;
	int rc = 0;

	v = judge(c, b, &rc);
	v.codec = (enum compression)batch_codec(original);
	if (rc == 0 && !v.drops_records)
		rc = count_kept(c, b, &kept, &has_tombstone);
	if (rc < 0)
		return rc;
	c->stats.dropped_records += b->record_count - kept;
	if (kept == 0 && !v.keeps_empty &&
	    !(b->record_count == 0 && b->base_offset >= c->mapped_end))
		return 0;
	if ((has_tombstone || v.wants_horizon) && horizon == NO_TIMESTAMP && kept > 0)
		horizon = c->now_ms + c->log->config.delete_retention_ms;
	else if (kept == b->record_count)
		return keep_batch(c, original->data, original->size_bytes);
	rc = rebuild(c, b, &v, horizon, &any, &again);
	if (rc < 0)
		return rc;
	rc = keep_batch(c, again.data, again.len);
	slice_unref(&again);
	return rc;
}

static int copy_any(struct cleaner *c, const struct batch *b)
{
	struct slice upgraded;
	struct batch v2;
	int rc = upgrade(c, b, &v2, &upgraded);

	if (rc == 0)
		rc = copy_batch(c, &v2, b);
	slice_unref(&upgraded);
	return rc;
}

/* ---- Swapping -------------------------------------------------------------------------------- */

static int sync_file(struct env *env, const char *path, int64_t mtime_ms)
{
	int fd = env->ops->open(env, path, ENV_WRITE), rc;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = env->ops->fsync(env, fd);
	if (rc == 0 && mtime_ms)
		rc = env->ops->set_mtime(env, fd, mtime_ms);
	env->ops->close(env, fd);
	return rc;
}

/* From one suffix behind the plain name to another. */
static int rename_files(struct log *log, const struct segment *s, const char *from, const char *to)
{
	static const char *const plain[SEGMENT_FILES] = {".log", ".index", ".timeindex",
							 ".txnindex"};
	struct env *env = log_env(log);

	for (int i = 0; i < SEGMENT_FILES; i++) {
		char old_path[LOG_PATH_MAX], new_path[LOG_PATH_MAX], suffix[32];
		int rc;

		snprintf(suffix, sizeof(suffix), "%s%s", plain[i], from);
		file_path(old_path, log->path, s->base_offset, suffix);
		snprintf(suffix, sizeof(suffix), "%s%s", plain[i], to);
		file_path(new_path, log->path, s->base_offset, suffix);
		rc = env->ops->rename(env, old_path, new_path);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return env->ops->fsync_dir(env, log->path);
}

/* The output is complete: it takes the place of its group. */
static int group_swap(struct cleaner *c)
{
	struct log *log = c->log;
	struct segment *s = c->out;
	int64_t end_offset = log_segment_end(log, c->group_limit - 1);
	char path[LOG_PATH_MAX];
	int rc = write_pending(c);

	if (rc == 0)
		rc = segment_seal(s);
	for (int i = 0; rc == 0 && i < SEGMENT_FILES; i++) {
		segment_path(s, (enum segment_file)i, path);
		rc = sync_file(log_env(log), path, c->source_mtime_ms);
	}
	file_drop(c->pool, &s->file);
	file_drop(c->pool, &s->offsets.file);
	file_drop(c->pool, &s->times.file);
	if (rc == 0)
		rc = rename_files(log, s, ".cleaned", ".swap");
	if (rc < 0)
		return rc;
	c->out = NULL;	/* from here on it is the log's */
	s->is_cleaned = false;
	s->mtime_ms = s->created_ms = c->source_mtime_ms;
	rc = log_segments_drop(log, c->group_first, c->group_limit - c->group_first, true, NULL);
	if (rc == 0)
		rc = rename_files(log, s, ".swap", "");
	if (rc == 0)	/* those of segments that are no more */
		rc = snapshot_remove(log, s->base_offset + 1, end_offset);
	log_segment_insert(log, s);
	log->size_bytes += s->size_bytes;
	return rc;
}

static int group_done(struct cleaner *c)
{
	int rc;

	batch_scan_end(&c->scan);
	c->is_scanning = false;
	rc = group_swap(c);
	if (rc < 0)
		return rc;
	c->group_first++;
	if (c->group_first + 1 >= c->log->segment_count ||
	    c->log->segments[c->group_first]->base_offset >= c->mapped_end)
		return round_done(c);
	return group_begin(c);
}

static int step_copy(struct cleaner *c, size_t bytes_max)
{
	size_t done = 0;
	struct batch b;
	int rc = 0;

	while (rc == 0 && done < bytes_max && c->phase == CLEANER_COPYING) {
		rc = scan_next(c, &b);
		if (rc == 1) {
			done += b.size_bytes;
			rc = batch_last_offset(&b) < c->log->start_offset ? 0 : copy_any(c, &b);
		} else if (rc == 0) {
			struct segment *s = c->log->segments[c->index];

			c->source_mtime_ms = s->mtime_ms ? s->mtime_ms : s->created_ms;
			rc = c->index + 1 < c->group_limit ? scan_begin(c, c->index + 1)
							   : group_done(c);
		}
	}
	c->stats.read_bytes += (int64_t)done;
	return rc;
}

int cleaner_step(struct cleaner *c, size_t bytes_max)
{
	struct log *log = c->log;
	int rc;

	if (c->phase == CLEANER_IDLE)
		return 0;
	if (log_warmer_is_busy(c->warmer))
		return CLEANER_WAITS;
	c->scan.window_pos = -1;	/* others used the scratch meanwhile */
	c->scan.window_len = 0;
	rc = c->phase == CLEANER_MAPPING ? step_map(c, bytes_max) : step_copy(c, bytes_max);
	assert_slow((log_check(log), true));
	if (rc == E_COLD)
		return CLEANER_WAITS;
	if (rc >= 0)
		return c->phase != CLEANER_IDLE;
	round_end(c);
	if (rc == E_CORRUPT || rc == E_MALFORMED || rc == E_SHORT || rc == E_UNSUPPORTED ||
	    rc == E_TOO_LARGE) {
		say_error("%s: cannot be cleaned (%s), left alone from now on", log->name,
			  err_text(rc));
		log->is_uncleanable = true;
		c->stats.uncleanable_logs++;
		return 0;
	}
	return log_fail(log, rc, NULL, "cleaning");
}
