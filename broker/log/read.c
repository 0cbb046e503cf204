/* Reading: from an offset to a range of a segment's file, without touching the records. */
#include "base/err.h"
#include "base/mem.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <inttypes.h>

/* The newest batch that holds `offset` (or the first behind it), if it is one of those in mind. */
static bool recent_find(const struct log *log, int64_t offset, int64_t *pos, struct batch *b)
{
	const struct recent_batch *best = NULL;
	bool knows_before = false;

	for (unsigned i = 0; i < log->recent_count; i++) {
		const struct recent_batch *r = &log->recent[i];

		if (r->last_offset < offset)
			knows_before = true;
		else if (!best || r->base_offset < best->base_offset)
			best = r;
	}
	/* The oldest one in mind need not be the first that qualifies, unless it has the offset. */
	if (!best || (!knows_before && best->base_offset > offset))
		return false;
	*pos = best->pos;
	*b = (struct batch){.base_offset = best->base_offset, .size_bytes = best->size_bytes,
			    .last_offset_delta = (int32_t)(best->last_offset - best->base_offset)};
	return true;
}

static int read_find(struct log *log, struct segment *s, int64_t offset, int64_t *pos,
		     struct batch *b)
{
	if (s == log_active(log) && recent_find(log, offset, pos, b))
		return 1;
	return segment_find(s, offset, pos, b);
}

/* Where reading of this segment has to end for the bound. */
static int read_limit(struct log *log, size_t index, int64_t bound_offset, int64_t *limit)
{
	struct segment *s = log->segments[index];
	struct batch b;
	int rc;

	*limit = s->size_bytes;
	if (bound_offset >= log_segment_end(log, index))
		return 0;
	rc = read_find(log, s, bound_offset, limit, &b);
	if (rc == 0)
		*limit = s->size_bytes;
	return rc < 0 ? rc : 0;
}

int log_read(struct log *log, int64_t offset, size_t bytes_max, bool whole_first,
	     int64_t bound_offset, struct log_read_result *out, struct err *err)
{
	struct segment *s = NULL;
	int64_t pos, limit;
	struct batch b;
	ssize_t index;
	int rc = log_usable(log, err);

	*out = (struct log_read_result){.first_offset = -1, .segment_base_offset = -1};
	if (rc < 0)
		return rc;
	if (offset < log->start_offset || offset > log->end_offset)
		return err_set(err, E_OFFSET_RANGE, "%s: offset %" PRId64 " is not in [%" PRId64
			       ", %" PRId64 "]", log->name, offset, log->start_offset,
			       log->end_offset);
	if (offset >= bound_offset)
		return 0;
	index = log_segment_index(log, offset);
	assert(index >= 0);
	for (rc = 0; rc == 0 && index < (ssize_t)log->segment_count; index++) {
		s = log->segments[index];
		if (s->base_offset >= bound_offset)
			return 0;
		rc = read_find(log, s, offset, &pos, &b);
	}
	if (rc == 0)
		return 0;
	if (rc == 1)
		rc = read_limit(log, (size_t)index - 1, bound_offset, &limit);
	if (rc == 0)
		rc = segment_fd(s);
	if (rc == E_CORRUPT)
		return err_set(err, E_CORRUPT, "%s: segment %" PRId64 " is damaged", log->name,
			       s->base_offset);
	if (rc < 0)
		return log_fail(log, rc, err, "reading at offset %" PRId64, offset);
	if (pos >= limit || (!whole_first && b.size_bytes > bytes_max))
		return 0;
	out->first_batch_bytes = b.size_bytes;
	out->first_offset = b.base_offset;
	out->segment_base_offset = s->base_offset;
	out->records = (struct file_range){
		.file = file_ref(s->file.ref), .pos = pos,
		.len = (size_t)MIN((int64_t)MAX(bytes_max, b.size_bytes), limit - pos),
	};
	return 0;
}

int log_read_range(struct log *log, struct file_range *range, struct slice *out, struct err *err)
{
	struct buf *buf;
	ssize_t n;

	*out = SLICE_NULL;
	if (!range->file)
		return 0;
	buf = buf_new(range->len);
	n = pool_read(log->pool, range->file, buf->data, range->len, range->pos);
	if (n != E_COLD) {
		file_unref(range->file);
		range->file = NULL;
	}
	if (n < 0) {
		buf_unref(buf);
		return log_fail(log, (int)n, err, "reading");
	}
	*out = slice_of(buf, 0, (size_t)n);
	return 0;
}

int log_read_copy(struct log *log, int64_t offset, size_t bytes_max, int64_t bound_offset,
		  struct slice *out, struct err *err)
{
	struct log_read_result result;
	const uint8_t *at;
	struct batch b;
	size_t left;
	int rc;

	*out = SLICE_NULL;
	rc = log_read(log, offset, bytes_max, true, bound_offset, &result, err);
	if (rc < 0)
		return rc;
	rc = log_read_range(log, &result.records, out, err);
	if (rc == E_COLD)
		file_unref(result.records.file);
	if (rc < 0 || !out->data)
		return rc;
	at = out->data;
	left = out->len;
	while ((rc = batch_next_any(&b, &at, &left)) == 1)
		;
	out->len -= left;
	if (rc == 0 && out->len > 0)
		return 0;
	slice_unref(out);
	return err_set(err, E_CORRUPT, "%s: the segment at offset %" PRId64 " is damaged",
		       log->name, offset);
}

int64_t log_bytes_from(struct log *log, int64_t offset)
{
	ssize_t index = log_segment_index(log, offset);
	int64_t bytes = 0, pos = 0;
	struct batch b;

	if (log->is_offline || offset >= log->end_offset)
		return 0;
	for (size_t i = (size_t)(index + 1); i < log->segment_count; i++)
		bytes += log->segments[i]->size_bytes;
	if (index >= 0 && read_find(log, log->segments[index], offset, &pos, &b) == 1)
		bytes += log->segments[index]->size_bytes - pos;
	return bytes;
}

/* ---- Aborted transactions -------------------------------------------------------------------- */

/* An offset that is certainly behind the bytes read: of the next index entry, or the segment's
 * end. */
static int range_end(struct log *log, const struct log_read_result *read, int64_t *end_offset)
{
	ssize_t index = log_segment_index(log, read->segment_base_offset);
	int64_t end_pos = read->records.pos + (int64_t)read->records.len, key, value;
	struct segment *s;
	uint32_t slot;
	int rc;

	assert(index >= 0);
	s = log->segments[index];
	*end_offset = log_segment_end(log, (size_t)index);
	if (s->base_offset != read->segment_base_offset || end_pos >= s->size_bytes)
		return 0;
	rc = index_floor(s, &s->offsets, true, end_pos - 1, &slot, &key, &value);
	if (rc < 0)
		return rc;
	slot = rc == 1 ? slot + 1 : 0;
	if (slot >= s->offsets.count)
		return 0;
	return index_at(s, &s->offsets, slot, end_offset, &value);
}

int log_aborted_txns(struct log *log, int64_t offset, const struct log_read_result *read,
		     struct arena *arena, struct log_aborted_txn **out, unsigned *count,
		     struct err *err)
{
	int64_t end_offset;
	bool is_done = false;
	size_t cap = 0;
	int rc = log_usable(log, err);

	*out = NULL;
	*count = 0;
	if (rc < 0 || read->segment_base_offset < 0)
		return rc;
	rc = range_end(log, read, &end_offset);
	for (ssize_t i = MAX(log_segment_index(log, offset), 0);
	     rc == 0 && !is_done && i < (ssize_t)log->segment_count; i++) {
		struct aborted_txn *txns;
		size_t found;

		rc = txn_index_read(log->segments[i], &txns, &found);
		for (size_t t = 0; rc == 0 && !is_done && t < found; t++) {
			is_done = txns[t].last_stable_offset >= end_offset;
			if (txns[t].last_offset < offset || txns[t].first_offset >= end_offset)
				continue;
			if (*count == cap) {
				struct log_aborted_txn *more;

				cap = cap ? cap * 2 : 8;
				more = arena_array(arena, cap, sizeof(*more));
				if (*count)
					memcpy(more, *out, *count * sizeof(*more));
				*out = more;
			}
			(*out)[(*count)++] = (struct log_aborted_txn){txns[t].producer_id,
								      txns[t].first_offset};
		}
		free(txns);
	}
	return rc < 0 ? log_fail(log, rc, err, "reading aborted transactions") : 0;
}
