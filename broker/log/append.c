/* Appending: one write, then the indexes, producers and epochs follow. */
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <errno.h>

static void info_init(const struct log *log, struct log_append_info *info)
{
	*info = (struct log_append_info){
		.first_offset = -1, .last_offset = -1, .max_timestamp = NO_TIMESTAMP,
		.log_append_time_ms = -1, .log_start_offset = log->start_offset,
		.last_leader_epoch = -1,
	};
}

/* What rolling needs to know of the bytes to come. */
struct incoming {
	size_t len;
	int64_t first_offset, last_offset, max_timestamp;
};

static int roll_is_due(struct log *log, const struct incoming *in, bool *due)
{
	struct segment *s = log_active(log);
	const struct log_config *config = &log->config;
	int64_t limit_ms = config->segment_ms, first_timestamp, waited_ms;
	int rc;

	*due = true;
	if (s->size_bytes > config->segment_bytes - (int64_t)in->len && s->size_bytes > 0)
		return 0;
	if (in->last_offset - s->base_offset > INT32_MAX || segment_index_is_full(s))
		return 0;
	*due = false;
	if (s->size_bytes == 0)
		return 0;
	if (config->cleanup_compact)
		limit_ms = MIN(limit_ms, config->max_compaction_lag_ms);
	rc = segment_first_timestamp(s, &first_timestamp);
	if (rc < 0)
		return rc;
	waited_ms = first_timestamp >= 0 ? in->max_timestamp - first_timestamp : -1;
	if (waited_ms < 0)
		waited_ms = env_wall_ms(log_env(log)) - s->created_ms;
	*due = waited_ms > limit_ms - log->roll_jitter_ms;
	return 0;
}

static int roll_if_due(struct log *log, const struct incoming *in, struct log_append_info *info,
		       struct err *err)
{
	bool due = false;
	int rc = segment_prepare(log_active(log));

	if (rc == 0)
		rc = roll_is_due(log, in, &due);
	if (rc < 0)
		return log_fail(log, rc, err, "reading the active segment");
	if (!due)
		return 0;
	/* Offsets inside a segment have 31 bits: a wide gap in a leader's log is left out. */
	rc = log_roll_to(log, in->last_offset - log->end_offset > INT32_MAX ? in->first_offset
									     : log->end_offset,
			 err);
	if (rc == 0)
		rc = segment_prepare(log_active(log));
	info->has_rolled = rc == 0;
	return rc;
}

/* Writes the bytes behind the active segment; what a failed write left is cut off again. */
static int write_bytes(struct log *log, const uint8_t *data, size_t len, struct err *err)
{
	struct segment *s = log_active(log);
	struct env *env = log_env(log);
	int fd, rc;

	segment_allocate(s, len);
	fd = segment_fd(s);
	if (fd < 0)
		return log_fail(log, fd, err, "opening the active segment");
	rc = env_write(env, fd, data, len, s->size_bytes);
	if (rc == 0)
		return 0;
	s->allocated_bytes = 0;
	if (log_no_space(rc) && env->ops->truncate(env, fd, s->size_bytes) == 0)
		return err_sys(err, rc, "%s: writing %zu bytes", log->path, len);
	return log_fail(log, rc, err, "writing %zu bytes", len);
}

static void note_recent(struct log *log, const struct batch *b, int64_t pos)
{
	log->recent[log->recent_next] = (struct recent_batch){
		.base_offset = b->base_offset, .last_offset = batch_last_offset(b), .pos = pos,
		.size_bytes = (uint32_t)b->size_bytes,
	};
	log->recent_next = (log->recent_next + 1) % LOG_RECENT;
	log->recent_count = MIN(log->recent_count + 1, (unsigned)LOG_RECENT);
}

/* The batches of `data` are in the active segment: everything else learns of them. */
static int note_written(struct log *log, const uint8_t *data, size_t len,
			struct log_append_info *info)
{
	struct segment *s = log_active(log);
	int64_t end_before = log->end_offset;
	struct batch b;
	int rc = 0;

	while (rc == 0 && batch_next_any(&b, &data, &len) == 1) {
		struct aborted_txn aborted;

		note_recent(log, &b, s->size_bytes);
		rc = segment_note(s, &b, s->size_bytes);
		log->end_offset = batch_next_offset(&b);
		if (b.max_timestamp > info->max_timestamp)
			info->max_timestamp = b.max_timestamp;
		info->last_leader_epoch = b.partition_leader_epoch;
		log->size_bytes += (int64_t)b.size_bytes;
		info->written_bytes += b.size_bytes;
		/* A control batch that says nothing was checked where that matters. */
		(void)!producers_note(&log->producers, &b, &aborted);
		if (rc == 0 && aborted.first_offset >= 0)
			rc = txn_index_add(s, &aborted);
	}
	assert(len == 0 || rc < 0);
	assert(log->end_offset > end_before);
	return rc;
}

/* New epochs go into the file with the next flush; until then recovery finds them in batches. */
static void note_epochs(struct log *log, const uint8_t *data, size_t len)
{
	struct batch b;

	while (batch_next_any(&b, &data, &len) == 1) {
		if (b.partition_leader_epoch > log_latest_epoch(log))
			log->epochs.is_unwritten |= epochs_assign(
				&log->epochs, b.partition_leader_epoch, b.base_offset);
		/* Sets of old versions have no epoch: from here on nothing is known. */
		if (b.magic < BATCH_MAGIC && epochs_truncate_end(&log->epochs, 0))
			log->epochs.is_unwritten = true;
	}
}

static int write_and_note(struct log *log, const uint8_t *data, size_t len,
			  struct log_append_info *info, struct err *err)
{
	int rc = write_bytes(log, data, len, err);

	if (rc < 0)
		return rc;
	rc = note_written(log, data, len, info);
	if (rc < 0)
		return log_fail(log, rc, err, "writing an index");
	if (log->end_offset - log->recovery_point < log->config.flush_messages &&
	    log->recovery_point >= log->reported_point)
		return 0;
	rc = log_flush(log, err);
	/* The records are there: no way back to "nothing was written". */
	return log_no_space(rc) ? log_fail(log, rc, err, "flushing") : rc;
}

/* The producers' rules for each batch. *written is set when there is something to write. */
static enum kafka_error check_producers(struct log *log, const struct log_append *request,
					const uint8_t *data, size_t len,
					struct log_append_info *info)
{
	struct batch b;

	while (batch_next_any(&b, &data, &len) == 1) {
		const struct producer_batch *duplicate;

		info->error = producers_check(log, &b, request, &duplicate, &info->error_text);
		if (info->error != KERR_NONE)
			break;
		if (!duplicate)
			continue;
		info->is_duplicate = true;
		info->first_offset = duplicate->last_offset - duplicate->offset_delta;
		info->last_offset = duplicate->last_offset;
		info->log_append_time_ms = duplicate->timestamp;
		info->max_timestamp = duplicate->timestamp;
		break;
	}
	return info->error;
}

static struct incoming incoming_of(const uint8_t *data, size_t len)
{
	struct incoming in = {.len = len, .first_offset = -1, .max_timestamp = NO_TIMESTAMP};
	struct batch b;

	while (batch_next_any(&b, &data, &len) == 1) {
		if (in.first_offset < 0)
			in.first_offset = b.base_offset;
		in.last_offset = batch_last_offset(&b);
		in.max_timestamp = MAX(in.max_timestamp, b.max_timestamp);
	}
	return in;
}

static void info_refuse(struct log_append_info *info)
{
	info->first_offset = info->last_offset = -1;
	info->log_append_time_ms = -1;
}

int log_append_leader(struct log *log, const struct log_append *request,
		      struct log_append_info *info, struct err *err)
{
	struct slice owned = SLICE_NULL;
	struct incoming in;
	uint8_t *data;
	size_t len;
	int rc = log_usable(log, err);

	info_init(log, info);
	if (rc < 0)
		return rc;
	assert(request->leader_epoch >= 0);
	rc = validate_append(log, request, info, &data, &len, &owned);
	if (rc < 0 || info->error != KERR_NONE)
		goto done;
	if (check_producers(log, request, data, len, info) != KERR_NONE || info->is_duplicate)
		goto done;
	note_epochs(log, data, len);
	in = incoming_of(data, len);
	rc = roll_if_due(log, &in, info, err);
	if (rc == 0)
		rc = write_and_note(log, data, len, info, err);
done:
	slice_unref(&owned);
	if (rc < 0 || info->error != KERR_NONE)
		info_refuse(info);
	assert_slow((log_check(log), true));
	return rc;
}

int log_append_marker(struct log *log, const struct log_marker *marker,
		      struct log_append_info *info, struct err *err)
{
	uint8_t data[BATCH_MARKER_BYTES];
	struct log_append request = {
		.data = data,
		.len = sizeof(data),
		.leader_epoch = marker->leader_epoch,
		.origin = LOG_ORIGIN_COORDINATOR,
		.transaction_version = marker->transaction_version,
	};

	batch_write_marker(data, marker->producer_id, marker->producer_epoch,
			   marker->coordinator_epoch, marker->is_commit,
			   env_wall_ms(log_env(log)), marker->leader_epoch);
	return log_append_leader(log, &request, info, err);
}

/* How much of the fetched bytes may be appended: whole, sound, in order, of known epochs. */
static int check_fetched(const struct log *log, const uint8_t *data, size_t *len,
			 int32_t leader_epoch, struct log_append_info *info, struct err *err)
{
	int64_t next_offset = log->end_offset;
	const uint8_t *at = data;
	size_t left = *len, usable = 0;
	struct batch b;
	int rc;

	while ((rc = batch_next_any(&b, &at, &left)) == 1) {
		if (batch_check(&b) < 0 || !batch_any_crc_ok(&b))
			return err_set(err, E_CORRUPT, "%s: a fetched batch is damaged", log->name);
		if (b.partition_leader_epoch > leader_epoch)
			break;
		if (b.base_offset < next_offset)
			return err_set(err, E_OFFSET_RANGE,
				       "%s: fetched offset %lld where %lld or more is next",
				       log->name, (long long)b.base_offset, (long long)next_offset);
		next_offset = batch_next_offset(&b);
		if (info->first_offset < 0)
			info->first_offset = b.base_offset;
		info->last_offset = batch_last_offset(&b);
		info->batch_count++;
		info->record_count += b.record_count;
		usable += b.size_bytes;
	}
	if (rc < 0)
		return err_set(err, rc, "%s: a fetched batch is malformed", log->name);
	*len = usable;
	return 0;
}

int log_append_follower(struct log *log, uint8_t *data, size_t len, int32_t leader_epoch,
			struct log_append_info *info, struct err *err)
{
	struct incoming in;
	struct batch b;
	int rc = log_usable(log, err);

	info_init(log, info);
	if (rc < 0)
		return rc;
	/* An empty log whose end lies inside the leader's first batch. */
	if (log->start_offset == log->end_offset && batch_parse_any(&b, data, len) == 0 &&
	    batch_check(&b) == 0 && b.base_offset < log->end_offset &&
	    batch_last_offset(&b) >= log->end_offset) {
		rc = log_truncate_fully(log, b.base_offset, err);
		if (rc < 0)
			return rc;
	}
	rc = check_fetched(log, data, &len, leader_epoch, info, err);
	if (rc < 0) {
		info_refuse(info);
		return rc;
	}
	if (len == 0)
		return 0;
	note_epochs(log, data, len);
	in = incoming_of(data, len);
	rc = roll_if_due(log, &in, info, err);
	if (rc == 0)
		rc = write_and_note(log, data, len, info, err);
	if (FAULT(producers_forgotten))
		producers_clear(&log->producers);
	if (rc < 0)
		info_refuse(info);
	assert_slow((log_check(log), true));
	return rc;
}
