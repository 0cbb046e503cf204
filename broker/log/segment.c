/* One segment: its file, what its indexes know, and finding batches in it. */
#include "base/err.h"
#include "base/mem.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <errno.h>
#include <stdio.h>

/* A segment that has grown to this is one that goes on growing: it gets room ahead, an eighth of
 * its size, at most this. */
#define ALLOCATE_FROM_BYTES (1024 * 1024)
#define ALLOCATE_BYTES_MAX (8 * 1024 * 1024)

const char *segment_suffix(const struct segment *s, enum segment_file file)
{
	static const char *const suffixes[2][SEGMENT_FILES] = {
		{".log", ".index", ".timeindex", ".txnindex"},
		{".log.cleaned", ".index.cleaned", ".timeindex.cleaned", ".txnindex.cleaned"},
	};

	return suffixes[s->is_cleaned][file];
}

void segment_path(const struct segment *s, enum segment_file file, char path[LOG_PATH_MAX])
{
	file_path(path, s->log->path, s->base_offset, segment_suffix(s, file));
}

struct segment *segment_new(struct log *log, int64_t base_offset)
{
	struct segment *s = xcalloc(1, sizeof(*s));

	s->log = log;
	s->base_offset = base_offset;
	s->max_timestamp = NO_TIMESTAMP;
	s->max_timestamp_offset = base_offset;
	s->first_timestamp = INT64_MIN;
	index_init(&s->offsets, false);
	index_init(&s->times, true);
	return s;
}

void segment_free(struct segment *s)
{
	if (!s)
		return;
	file_drop(s->log->pool, &s->file);
	index_fini(s->log->pool, &s->offsets);
	index_fini(s->log->pool, &s->times);
	free(s);
}

int segment_fd(struct segment *s)
{
	int rc = file_use(s->log->pool, &s->file, s->log->path, s->base_offset,
			  segment_suffix(s, SEGMENT_LOG), 0);

	return rc < 0 ? rc : s->file.ref->fd;
}

int segment_create(struct segment *s)
{
	struct log *log = s->log;
	int rc = file_use(log->pool, &s->file, log->path, s->base_offset,
			  segment_suffix(s, SEGMENT_LOG), ENV_CREATE | ENV_TRUNCATE);

	if (rc < 0)
		return rc;
	if (log->config.preallocate && !s->is_cleaned &&
	    log_env(log)->ops->allocate(log_env(log), s->file.ref->fd, 0,
					log->config.segment_bytes) == 0)
		s->allocated_bytes = log->config.segment_bytes;
	s->created_ms = env_wall_ms(log_env(log));
	s->offsets.is_loaded = s->times.is_loaded = true;
	s->has_max_timestamp = true;
	s->first_timestamp = NO_TIMESTAMP;
	return 0;
}

/* ---- Walking headers ------------------------------------------------------------------------ */

static int header_walk_fill(struct header_walk *w)
{
	struct segment *s = w->segment;
	struct log_pool *pool = s->log->pool;
	size_t want = (size_t)MIN(s->size_bytes - w->pos, (int64_t)LOG_HEADERS_BYTES);
	int fd = segment_fd(s);
	ssize_t n;

	if (fd < 0)
		return fd;
	w->serial = 0;
	pool->headers_serial++;
	n = pool_read(pool, s->file.ref, pool->headers, want, w->pos);
	if (n < 0)
		return (int)n;
	w->window_pos = w->pos;
	w->window_len = (size_t)n;
	w->serial = pool->headers_serial;
	return 0;
}

int header_walk_next(struct header_walk *w, struct batch *out)
{
	struct log_pool *pool = w->segment->log->pool;
	int64_t left = w->segment->size_bytes - w->pos;
	size_t need = (size_t)MIN(left, (int64_t)BATCH_HEADER_BYTES);
	int rc;

	if (left < BATCH_PREFIX_BYTES)
		return 0;
	if (w->serial != pool->headers_serial || w->serial == 0 || w->pos < w->window_pos ||
	    w->pos + (int64_t)need > w->window_pos + (int64_t)w->window_len) {
		rc = header_walk_fill(w);
		if (rc < 0)
			return rc;
	}
	rc = batch_parse_header_any(out, pool->headers + (w->pos - w->window_pos),
				w->window_len - (size_t)(w->pos - w->window_pos));
	if (rc == E_SHORT || (rc == 0 && (int64_t)out->size_bytes > left))
		return E_CORRUPT;
	if (rc < 0)
		return rc;
	w->pos += (int64_t)out->size_bytes;
	return 1;
}

int segment_header(struct segment *s, int64_t pos, struct batch *out)
{
	struct header_walk w = {.segment = s, .pos = pos};

	return header_walk_next(&w, out);
}

int segment_find(struct segment *s, int64_t offset, int64_t *pos, struct batch *out)
{
	struct header_walk w = {.segment = s};
	int64_t key = -1;
	uint32_t slot;
	int rc;

	/* What lies before the first entry needs no index at all. */
	rc = s->size_bytes > s->log->config.index_interval_bytes
		     ? index_floor(s, &s->offsets, false, offset, &slot, &key, &w.pos) : 0;
	if (rc < 0 && rc != E_CORRUPT)
		return rc;
	/* An entry that does not point at its batch is damaged: then without it. */
	if (rc == 1) {
		*pos = w.pos;
		rc = w.pos >= 0 && w.pos < s->size_bytes ? header_walk_next(&w, out) : 0;
		if (rc == E_COLD || (rc == 1 && batch_last_offset(out) == key && key >= offset))
			return rc;
		if (rc != 1 || batch_last_offset(out) != key)
			w.pos = 0;
	} else {
		w.pos = 0;
	}
	do {
		*pos = w.pos;
		rc = header_walk_next(&w, out);
	} while (rc == 1 && batch_last_offset(out) < offset);
	return rc;
}

/* ---- What is known about it ----------------------------------------------------------------- */

int segment_max_timestamp(struct segment *s)
{
	struct header_walk w = {.segment = s};
	struct batch b;
	uint32_t slot;
	int64_t key;
	int rc;

	if (s->has_max_timestamp)
		return 0;
	rc = index_load(s, &s->times);
	if (rc == 0)
		rc = index_load(s, &s->offsets);
	if (rc < 0)
		return rc;
	/* Appends go on from the last entry: not from a damaged one. */
	if (s->times.count > 0 && s == log_active(s->log) &&
	    (s->times.last_value >= s->log->end_offset || s->times.last_value < s->base_offset))
		rc = index_truncate(s, &s->times, 0);
	if (rc < 0)
		return rc;
	if (s->times.count > 0) {
		s->max_timestamp = s->times.last_key;
		s->max_timestamp_offset = s->times.last_value;
	}
	/* A closed segment's last entry is its maximum; behind the active one's may be more. */
	if (s == log_active(s->log)) {
		rc = index_floor(s, &s->offsets, false, s->max_timestamp_offset, &slot, &key,
				 &w.pos);
		if (rc < 0)
			return rc;
		if (rc == 0 || w.pos < 0 || w.pos > s->size_bytes)
			w.pos = 0;
		while ((rc = header_walk_next(&w, &b)) == 1) {
			if (b.max_timestamp <= s->max_timestamp)
				continue;
			s->max_timestamp = b.max_timestamp;
			s->max_timestamp_offset = batch_last_offset(&b);
		}
		if (rc < 0)
			return rc;
	}
	s->has_max_timestamp = true;
	return 0;
}

int segment_first_timestamp(struct segment *s, int64_t *out)
{
	struct batch b;
	int rc;

	if (s->first_timestamp == INT64_MIN) {
		rc = segment_header(s, 0, &b);
		if (rc < 0)
			return rc;
		s->first_timestamp = rc == 1 ? b.max_timestamp : NO_TIMESTAMP;
	}
	*out = s->first_timestamp;
	return 0;
}

int segment_prepare(struct segment *s)
{
	int rc = segment_max_timestamp(s);

	if (rc == 0)
		rc = index_load(s, &s->offsets);
	return rc;
}

/* The time index takes only what is later than its last entry. */
static int segment_note_time(struct segment *s)
{
	if (s->max_timestamp <= (s->times.count ? s->times.last_key : NO_TIMESTAMP))
		return 0;
	return index_add(s, &s->times, s->max_timestamp, s->max_timestamp_offset);
}

int segment_note(struct segment *s, const struct batch *b, int64_t pos)
{
	int rc;

	assert(pos == s->size_bytes);
	assert(s->has_max_timestamp && s->offsets.is_loaded);
	if (pos == 0)
		s->first_timestamp = b->max_timestamp;
	if (b->max_timestamp > s->max_timestamp) {
		s->max_timestamp = b->max_timestamp;
		s->max_timestamp_offset = batch_last_offset(b);
	}
	if (s->unindexed_bytes > (uint32_t)s->log->config.index_interval_bytes &&
	    !segment_index_is_full(s)) {
		rc = index_add(s, &s->offsets, batch_last_offset(b), pos);
		if (rc == 0)
			rc = segment_note_time(s);
		if (rc < 0)
			return rc;
		s->unindexed_bytes = 0;
	}
	s->unindexed_bytes += (uint32_t)b->size_bytes;
	s->size_bytes = pos + (int64_t)b->size_bytes;
	return 0;
}

bool segment_index_is_full(const struct segment *s)
{
	uint32_t bytes = (uint32_t)s->log->config.segment_index_bytes;

	return s->offsets.count >= bytes / 8 || s->times.count + 1 >= bytes / 12;
}

void segment_allocate(struct segment *s, size_t len)
{
	struct env *env = log_env(s->log);
	int64_t end = s->size_bytes + (int64_t)len;
	int64_t ahead = MIN(s->size_bytes / 8, (int64_t)ALLOCATE_BYTES_MAX);
	int fd;

	if (end <= s->allocated_bytes || s->size_bytes < ALLOCATE_FROM_BYTES)
		return;
	fd = segment_fd(s);
	if (fd >= 0 && env->ops->allocate(env, fd, s->size_bytes, (int64_t)len + ahead) == 0)
		s->allocated_bytes = end + ahead;
	else	/* a file system without it is no worse off */
		s->allocated_bytes = INT64_MAX;
}

int segment_trim(struct segment *s)
{
	int fd;

	if (s->allocated_bytes <= s->size_bytes || s->allocated_bytes == INT64_MAX)
		return 0;
	fd = segment_fd(s);
	if (fd < 0)
		return fd;
	s->allocated_bytes = 0;
	return log_env(s->log)->ops->truncate(log_env(s->log), fd, s->size_bytes);
}

int segment_seal(struct segment *s)
{
	int rc = segment_prepare(s);

	if (rc == 0)
		rc = segment_note_time(s);
	if (rc == 0)
		rc = index_write(s, &s->offsets);
	if (rc == 0)
		rc = index_write(s, &s->times);
	return rc < 0 ? rc : segment_trim(s);
}

/* ---- Cutting and deleting ------------------------------------------------------------------- */

/* Keeps the entries whose value is below `limit`. */
static int index_cut(struct segment *s, struct index *x, int64_t limit)
{
	int64_t key, value;
	uint32_t slot;
	int rc = index_floor(s, x, true, limit - 1, &slot, &key, &value);

	if (rc < 0)
		return rc;
	return index_truncate(s, x, rc == 1 ? slot + 1 : 0);
}

int segment_truncate(struct segment *s, int64_t offset)
{
	struct batch b;
	int64_t pos;
	int fd, rc = segment_find(s, offset, &pos, &b);

	if (rc <= 0)
		return rc;
	rc = index_cut(s, &s->offsets, pos);
	if (rc == 0)
		rc = index_cut(s, &s->times, offset);
	if (rc == 0 && s->has_txn_index)
		rc = txn_index_truncate(s, offset);
	if (rc < 0)
		return rc;
	fd = segment_fd(s);
	rc = fd < 0 ? fd : log_env(s->log)->ops->truncate(log_env(s->log), fd, pos);
	if (rc < 0)
		return rc;
	s->size_bytes = pos;
	s->allocated_bytes = 0;
	s->unindexed_bytes = 0;
	s->has_max_timestamp = false;
	s->max_timestamp = NO_TIMESTAMP;
	s->max_timestamp_offset = s->base_offset;
	if (pos == 0)
		s->first_timestamp = NO_TIMESTAMP;
	return 0;
}

int segment_delete(struct segment *s, bool delayed)
{
	struct env *env = log_env(s->log);
	char path[LOG_PATH_MAX];

	file_drop(s->log->pool, &s->file);
	index_fini(s->log->pool, &s->offsets);
	index_fini(s->log->pool, &s->times);
	for (int i = 0; i < SEGMENT_FILES; i++) {
		int rc;

		segment_path(s, (enum segment_file)i, path);
		rc = delayed ? log_doom_file(s->log, path) : env->ops->unlink(env, path);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return 0;
}
