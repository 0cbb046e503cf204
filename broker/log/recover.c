/* Recovery: every batch from the recovery point on is read and checked; indexes, producers and
 * epochs are built again; the log ends before the first batch that is damaged or cut. */
#include "base/err.h"
#include "base/fault.h"
#include "base/say.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <inttypes.h>

#define SAY_PLACE "broker/log"

/* Offset and leader epoch are not in the checksum: only the cleaner leaves gaps between batches,
 * and no leader had an epoch that the metadata do not know. */
static bool header_fits(const struct log *log, const struct batch *b, int64_t next_offset)
{
	if (b->magic < 2) /* old sets know their last offset only */
		return b->base_offset >= next_offset;
	return (b->base_offset == next_offset ||
		(b->base_offset > next_offset &&
		 (log->config.cleanup_compact || log->options.cleaner_offset >= 0))) &&
	       b->partition_leader_epoch <= log->options.leader_epoch_max;
}

/* A whole, sound batch that may stand here. */
static bool batch_fits(const struct segment *s, const struct batch *b, int64_t next_offset)
{
	return batch_check(b) == 0 && (batch_any_crc_ok(b) || FAULT(crc_unchecked)) &&
	       header_fits(s->log, b, next_offset) &&
	       batch_last_offset(b) - s->base_offset <= INT32_MAX;
}

static int recover_note(struct log *log, struct segment *s, const struct batch *b, int64_t pos,
			bool *epochs_changed)
{
	struct aborted_txn aborted;
	int rc = segment_note(s, b, pos);

	if (b->partition_leader_epoch > log_latest_epoch(log))
		*epochs_changed |= epochs_assign(&log->epochs, b->partition_leader_epoch,
						 b->base_offset);
	if (rc == 0)
		(void)!producers_note(&log->producers, b, &aborted);
	if (rc == 0 && aborted.first_offset >= 0)
		rc = txn_index_add(s, &aborted);
	return rc;
}

/* Forgets what the indexes said. */
static int recover_reset(struct segment *s)
{
	int rc = index_load(s, &s->offsets);

	if (rc == 0 || rc == E_CORRUPT)
		rc = index_load(s, &s->times);
	if (rc == 0 || rc == E_CORRUPT)
		rc = index_truncate(s, &s->offsets, 0);
	if (rc == 0)
		rc = index_truncate(s, &s->times, 0);
	if (rc == 0)
		rc = txn_index_reset(s);
	s->size_bytes = 0;
	s->unindexed_bytes = 0;
	s->has_max_timestamp = true;
	s->max_timestamp = NO_TIMESTAMP;
	s->max_timestamp_offset = s->base_offset;
	s->first_timestamp = NO_TIMESTAMP;
	return rc;
}

/* Recovers one segment; *is_cut if it ended early. */
static int recover_segment(struct log *log, struct segment *s, int64_t limit_offset,
			   bool *epochs_changed, bool *is_cut, struct err *err)
{
	int64_t next_offset = s->base_offset, size_before = s->size_bytes;
	struct batch_scan scan;
	struct batch b;
	int rc;

	rc = batch_scan_start(&scan, s, 0);
	if (rc == 0)
		rc = recover_reset(s);
	while (rc == 0 && (rc = batch_scan_next(&scan, &b)) == 1) {
		if (!batch_fits(s, &b, next_offset) || batch_next_offset(&b) > limit_offset) {
			rc = E_CORRUPT;
			break;
		}
		rc = recover_note(log, s, &b, s->size_bytes, epochs_changed);
		next_offset = batch_next_offset(&b);
	}
	batch_scan_end(&scan);
	log->recovery.scanned_bytes += s->size_bytes;
	*is_cut = rc == E_CORRUPT || rc == E_SHORT;
	if (*is_cut) {
		say_warn("%s: segment %" PRId64 " is damaged at byte %" PRId64 ", cutting off %"
			 PRId64 " bytes", log->name, s->base_offset, s->size_bytes,
			 size_before - s->size_bytes);
		log->recovery.truncated_bytes += size_before - s->size_bytes;
		log->size_bytes -= size_before - s->size_bytes;
		rc = segment_fd(s);
		if (rc >= 0 && !FAULT(tail_kept))
			rc = log_env(log)->ops->truncate(log_env(log), rc, s->size_bytes);
		/* after another crash it must not stand behind what is written next */
		if (rc == 0)
			rc = log_env(log)->ops->fsync(log_env(log), segment_fd(s));
	}
	log->end_offset = next_offset;
	return rc < 0 ? log_fail(log, rc, err, "recovering segment %" PRId64, s->base_offset) : 0;
}

/* The producers as they were at `offset`. */
static int recover_producers_to(struct log *log, int64_t offset, struct err *err)
{
	int rc = snapshot_load(log, offset);

	if (rc < 0)
		return log_fail(log, rc, err, "loading the producers' state");
	return log_replay(log, offset, err);
}

int log_recover(struct log *log, int64_t from_offset, struct err *err)
{
	size_t first = (size_t)MAX(log_segment_index(log, from_offset), 0);
	bool epochs_changed = false, is_cut = false;
	int rc;

	log->recovery.was_scanned = true;
	rc = recover_producers_to(log, log->segments[first]->base_offset, err);
	for (size_t i = first; rc == 0 && !is_cut && i < log->segment_count; i++) {
		bool is_last = i + 1 == log->segment_count;
		int64_t limit = is_last ? INT64_MAX : log->segments[i + 1]->base_offset;

		rc = recover_segment(log, log->segments[i], limit, &epochs_changed, &is_cut, err);
		/* The end of a segment can be lost although the next one was written: a roll does
		 * not wait for the disk. Behind the hole nothing counts; only the cleaner makes
		 * such ones on purpose. */
		if (rc == 0 && !is_last && !log->config.cleanup_compact && log->end_offset < limit)
			is_cut = true;
		if (rc == 0 && is_cut && !is_last) {
			unsigned count = (unsigned)(log->segment_count - i - 1);

			say_warn("%s: deleting the %u segments behind it", log->name, count);
			log->recovery.deleted_segment_count = count;
			rc = log_segments_drop(log, i + 1, count, false, err);
			is_last = true;
		}
		if (rc == 0 && !is_last) {
			rc = segment_seal(log->segments[i]);
			log->producers.end_offset = limit;
			if (rc == 0)
				rc = snapshot_write(log, false);
			if (rc < 0)
				rc = log_fail(log, rc, err, "closing a segment");
		}
	}
	if (rc == 0)
		log->producers.end_offset = log->end_offset;
	if (rc == 0 && epochs_changed) {
		rc = epochs_store(log);
		if (rc < 0)
			rc = log_fail(log, rc, err, "writing leader epochs");
	}
	return rc;
}

/* The part of one segment in [producers' end, end_offset). */
static int replay_segment(struct producers *p, struct segment *s, int64_t end_offset)
{
	struct batch_scan scan;
	struct batch b;
	int64_t pos;
	int rc = segment_find(s, p->end_offset, &pos, &b);

	if (rc <= 0)
		return rc;
	rc = batch_scan_start(&scan, s, pos);
	while (rc == 0 && (rc = batch_scan_next(&scan, &b)) == 1 && b.base_offset < end_offset) {
		struct aborted_txn aborted;

		if (batch_last_offset(&b) >= p->end_offset)
			(void)!producers_note(p, &b, &aborted);
		rc = 0;
	}
	batch_scan_end(&scan);
	return rc == E_SHORT ? E_CORRUPT : MIN(rc, 0);
}

int log_replay(struct log *log, int64_t end_offset, struct err *err)
{
	struct producers *p = &log->producers;
	size_t i = (size_t)MAX(log_segment_index(log, p->end_offset), 0);
	int rc = 0;

	for (; rc == 0 && i < log->segment_count; i++)
		if (log->segments[i]->base_offset < end_offset)
			rc = replay_segment(p, log->segments[i], end_offset);
	p->end_offset = MAX(p->end_offset, end_offset);
	return rc < 0 ? log_fail(log, rc, err, "reading what producers did") : 0;
}

int log_rebuild_producers(struct log *log, struct err *err)
{
	return recover_producers_to(log, log->end_offset, err);
}
