/* Finding records by timestamp. */
#include "base/err.h"
#include "base/mem.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <inttypes.h>

/* Reads the whole batch at `pos` into the pool's scratch. */
static int read_batch(struct segment *s, int64_t pos, size_t size_bytes, struct batch *out)
{
	struct log_pool *pool = s->log->pool;
	uint8_t *bytes = pool_scratch(pool, size_bytes);
	int fd = segment_fd(s);
	ssize_t n = fd < 0 ? fd : pool_read(pool, s->file.ref, bytes, size_bytes, pos);

	if (n < 0)
		return (int)n;
	if ((size_t)n < size_bytes || batch_parse_any(out, bytes, size_bytes) < 0)
		return E_CORRUPT;
	return 0;
}

/* The first record with timestamp >= `timestamp` and offset >= `from_offset`: 1; 0 if there is
 * none. */
static int find_record(struct segment *s, const struct batch *b, int64_t timestamp,
		       int64_t from_offset, struct log_timestamp *out)
{
	struct record_iter it;
	struct record r;
	int rc = record_iter_init(&it, b, log_pool_compressor(s->log->pool), 0);

	while (rc == 0 && (rc = record_next(&it, &r)) == 1) {
		if (r.timestamp >= timestamp && r.offset >= from_offset) {
			*out = (struct log_timestamp){r.timestamp, r.offset,
						      b->partition_leader_epoch};
			return 1;
		}
		rc = 0;
	}
	return rc;
}

static int find_in_batch(struct segment *s, int64_t pos, const struct batch *header,
			 int64_t timestamp, int64_t from_offset, struct log_timestamp *out)
{
	struct slice upgraded = SLICE_NULL;
	struct batch b;
	int rc = read_batch(s, pos, header->size_bytes, &b);

	if (rc == 0 && b.magic < BATCH_MAGIC) {
		rc = old_batch_upgrade(&b, log_pool_compressor(s->log->pool), &upgraded);
		if (rc == 0)
			rc = batch_parse(&b, upgraded.data, upgraded.len);
	}
	if (rc == 0)
		rc = find_record(s, &b, timestamp, from_offset, out);
	slice_unref(&upgraded);
	return rc == E_MALFORMED || rc == E_TOO_LARGE ? E_CORRUPT : rc;
}

/* The position from which batches may have `timestamp` or later. */
static int find_start(struct segment *s, int64_t timestamp, int64_t *pos)
{
	int64_t key, offset, last;
	uint32_t slot;
	int rc;

	*pos = 0;
	rc = index_floor(s, &s->times, false, timestamp, &slot, &key, &offset);
	if (rc == 1)
		rc = index_floor(s, &s->offsets, false, offset, &slot, &last, pos);
	if (rc == 0 || *pos < 0 || *pos > s->size_bytes)
		*pos = 0;
	return rc < 0 ? rc : 0;
}

static int find_in_segment(struct segment *s, int64_t timestamp, int64_t from_offset,
			   int64_t bound_offset, struct log_timestamp *out)
{
	struct header_walk w = {.segment = s};
	struct batch b;
	int rc = find_start(s, timestamp, &w.pos);

	while (rc == 0) {
		int64_t pos = w.pos;

		rc = header_walk_next(&w, &b);
		if (rc <= 0 || b.base_offset >= bound_offset)
			return MIN(rc, 0);
		rc = 0;
		if (b.max_timestamp >= timestamp && batch_last_offset(&b) >= from_offset)
			rc = find_in_batch(s, pos, &b, timestamp, from_offset, out);
	}
	if (rc == 1 && out->offset >= bound_offset)
		rc = 0;
	return rc;
}

static int find_failed(struct log *log, int rc, struct err *err)
{
	if (rc == E_CORRUPT || rc == E_UNSUPPORTED)
		return err_set(err, E_CORRUPT, "%s: a segment is damaged", log->name);
	return log_fail(log, rc, err, "looking up a timestamp");
}

int log_find_timestamp(struct log *log, int64_t timestamp, int64_t bound_offset,
		       struct log_timestamp *out, struct err *err)
{
	int rc = log_usable(log, err);

	*out = (struct log_timestamp){-1, -1, -1};
	if (rc < 0)
		return rc;
	for (size_t i = (size_t)log_segment_index(log, log->start_offset);
	     rc == 0 && i < log->segment_count; i++) {
		struct segment *s = log->segments[i];

		rc = segment_max_timestamp(s);
		if (rc == 0 && s->max_timestamp >= timestamp)
			rc = find_in_segment(s, timestamp, log->start_offset, bound_offset, out);
	}
	if (rc == 1)
		return 0;
	*out = (struct log_timestamp){-1, -1, -1};
	return rc < 0 ? find_failed(log, rc, err) : 0;
}

int log_find_max_timestamp(struct log *log, struct log_timestamp *out, struct err *err)
{
	struct segment *best = NULL;
	struct batch b;
	int64_t pos;
	int rc = log_usable(log, err);

	*out = (struct log_timestamp){-1, -1, -1};
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < log->segment_count; i++) {
		rc = segment_max_timestamp(log->segments[i]);
		if (rc < 0)
			return find_failed(log, rc, err);
		if (log->segments[i]->max_timestamp >= 0 &&
		    (!best || log->segments[i]->max_timestamp > best->max_timestamp))
			best = log->segments[i];
	}
	if (!best)
		return 0;
	rc = segment_find(best, best->max_timestamp_offset, &pos, &b);
	if (rc == 1)
		rc = find_in_batch(best, pos, &b, best->max_timestamp, log->start_offset, out);
	return rc < 0 ? find_failed(log, rc, err) : 0;
}
