/* What may be read of a partition: records up to a bound, offsets by time, ends of epochs. */
#include "replica/replica_int.h"

#include "base/fault.h"

int64_t partition_read_bound(const struct partition *p, enum read_isolation isolation)
{
	if (!p->log)
		return -1;
	switch (isolation) {
	case READ_UNCOMMITTED: return log_high_watermark(p->log);
	case READ_COMMITTED: return log_last_stable_offset(p->log);
	case READ_LOG_END: break;
	}
	return log_end_offset(p->log);
}

/* Where the reader's log parts from ours, by the epoch of its last record. Returns an error, or
 * NONE with out->diverging_epoch set if it does. */
static enum kafka_error read_check_divergence(const struct partition *p,
					      const struct read_options *options,
					      struct read_result *out)
{
	int32_t epoch;
	int64_t end_offset;

	if (options->last_fetched_epoch < 0 || FAULT(fetch_epoch_unseen))
		return KERR_NONE;
	log_epoch_end(p->log, options->last_fetched_epoch, &epoch, &end_offset);
	if (end_offset < 0)
		return KERR_OFFSET_OUT_OF_RANGE; /* older than all that we know */
	if (options->offset < log_start_offset(p->log))
		return KERR_OFFSET_OUT_OF_RANGE;
	if (epoch < options->last_fetched_epoch || end_offset < options->offset) {
		out->diverging_epoch = epoch;
		out->diverging_end_offset = end_offset;
	}
	return KERR_NONE;
}

/* Reading without waiting for the disk, if the caller gave a place for what is cold. */
static void read_try(struct partition *p, struct file_range *cold)
{
	if (cold)
		log_pool_try(p->set->pool);
}

static void read_tried(struct partition *p, struct file_range *cold)
{
	if (cold)
		log_pool_wait(p->set->pool, cold);
}

static enum kafka_error read_records(struct partition *p, const struct read_options *options,
				     struct arena *arena, struct read_result *out)
{
	int64_t bound = partition_read_bound(p, options->isolation);
	struct log_read_result read = {0};
	struct log_aborted_txn *aborted = NULL;
	struct err err = {0};
	int rc;

	if (options->offset < log_start_offset(p->log) || options->offset > log_end_offset(p->log))
		return KERR_OFFSET_OUT_OF_RANGE;
	if (options->offset >= bound)
		return KERR_NONE;
	read_try(p, options->cold);
	rc = log_read(p->log, options->offset, options->bytes_max, options->whole_first_batch,
		      bound, &read, &err);
	if (rc == 0 && read.records.file && options->isolation == READ_COMMITTED)
		rc = log_aborted_txns(p->log, options->offset, &read, arena, &aborted,
				      &out->aborted_count, &err);
	read_tried(p, options->cold);
	if (rc < 0) {
		file_unref(read.records.file);
		out->aborted_count = 0;
		return rc == E_COLD ? KERR_NONE : partition_log_error(p, rc, &err);
	}
	out->aborted = aborted;
	out->records = read.records;
	out->first_batch_bytes = read.first_batch_bytes;
	return KERR_NONE;
}

void partition_read(struct partition *p, const struct read_options *options, struct arena *arena,
		    struct read_result *out)
{
	*out = (struct read_result){.high_watermark = -1,
				    .last_stable_offset = -1,
				    .log_start_offset = -1,
				    .log_end_offset = -1,
				    .diverging_epoch = -1,
				    .diverging_end_offset = -1};
	if (options->cold)
		*options->cold = (struct file_range){0};
	out->error = partition_error(p, options->leader_epoch, options->leader_only);
	if (out->error != KERR_NONE)
		return;
	replica_set_enter(p->set);
	out->high_watermark = log_high_watermark(p->log);
	out->last_stable_offset = log_last_stable_offset(p->log);
	out->log_start_offset = log_start_offset(p->log);
	out->log_end_offset = log_end_offset(p->log);
	out->error = read_check_divergence(p, options, out);
	if (out->error == KERR_NONE && out->diverging_epoch < 0)
		out->error = read_records(p, options, arena, out);
	replica_set_leave(p->set);
}

int partition_read_bytes(struct partition *p, struct read_result *result, struct file_range *cold,
			 struct slice *out)
{
	struct err err = {0};
	int rc;

	*out = SLICE_NULL;
	if (cold)
		*cold = (struct file_range){0};
	if (!result->records.file)
		return 0;
	if (!p->log) {
		file_unref(result->records.file);
		result->records = (struct file_range){0};
		return E_OFFLINE;
	}
	replica_set_enter(p->set);
	read_try(p, cold);
	rc = log_read_range(p->log, &result->records, out, &err);
	read_tried(p, cold);
	if (rc < 0 && rc != E_COLD)
		(void)partition_log_error(p, rc, &err);
	replica_set_leave(p->set);
	if (rc != E_COLD)
		result->records = (struct file_range){0};
	return rc;
}

/* ---- Offsets by time ------------------------------------------------------------------------- */

static enum kafka_error list_by_timestamp(struct partition *p,
					  const struct list_offset_options *options, int64_t bound,
					  struct log_timestamp *found)
{
	int64_t timestamp = options->timestamp;
	struct err err = {0};
	int rc;

	read_try(p, options->cold);
	if (timestamp == LIST_MAX_TIMESTAMP)
		rc = log_find_max_timestamp(p->log, found, &err);
	else
		rc = log_find_timestamp(p->log, timestamp, log_end_offset(p->log), found, &err);
	read_tried(p, options->cold);
	if (rc < 0 && rc != E_COLD)
		return partition_log_error(p, rc, &err);
	if (found->offset >= bound)
		*found = (struct log_timestamp){-1, -1, -1};
	return KERR_NONE;
}

/* A new leader does not know yet what was committed before it: its high watermark is still below
 * where its epoch began. */
static bool list_is_behind(const struct partition *p, enum read_isolation isolation)
{
	return isolation != READ_LOG_END && p->role == PARTITION_LEADER &&
	       log_high_watermark(p->log) < p->epoch_start_offset;
}

static void list_offset(struct partition *p, const struct list_offset_options *options,
			struct list_offset_result *out)
{
	enum read_isolation isolation = options->isolation;
	int64_t timestamp = options->timestamp;
	int64_t bound = partition_read_bound(p, isolation);
	struct log_timestamp found = {-1, -1, -1};

	switch (timestamp) {
	case LIST_LATEST:
		if (list_is_behind(p, isolation)) {
			out->error = KERR_OFFSET_NOT_AVAILABLE;
			return;
		}
		out->offset = bound;
		out->leader_epoch = p->leader_epoch;
		return;
	case LIST_EARLIEST:
	case LIST_EARLIEST_LOCAL:
		out->offset = log_start_offset(p->log);
		out->leader_epoch = log_epoch_at(p->log, out->offset);
		return;
	case LIST_LATEST_TIERED:
	case LIST_EARLIEST_PENDING_UPLOAD: return; /* nothing is tiered */
	default: break;
	}
	if (timestamp < 0 && timestamp != LIST_MAX_TIMESTAMP) {
		out->error = KERR_UNSUPPORTED_VERSION;
		return;
	}
	out->error = list_by_timestamp(p, options, bound, &found);
	if (out->error == KERR_NONE && found.offset < 0 && list_is_behind(p, isolation))
		out->error = KERR_OFFSET_NOT_AVAILABLE;
	if (out->error != KERR_NONE)
		return;
	out->offset = found.offset;
	out->timestamp = found.timestamp;
	out->leader_epoch = found.leader_epoch;
}

void partition_list_offset(struct partition *p, const struct list_offset_options *options,
			   struct list_offset_result *out)
{
	*out = (struct list_offset_result){.timestamp = -1, .offset = -1, .leader_epoch = -1};
	if (options->cold)
		*options->cold = (struct file_range){0};
	out->error = partition_error(p, options->leader_epoch, options->leader_only);
	if (out->error != KERR_NONE)
		return;
	replica_set_enter(p->set);
	list_offset(p, options, out);
	replica_set_leave(p->set);
}
