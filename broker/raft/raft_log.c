/* The metadata log: opening, appending, flushing, the high watermark. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <errno.h>
#include <inttypes.h>

#define SAY_PLACE "broker/raft"
#define SCAN_BYTES (1024 * 1024) /* read at once when the log is searched for control records */
#define LINGER_BYTES_MAX (8 * 1024 * 1024) /* more does not linger: as Kafka's largest batch */

static void raft_log_failed(void *ctx, struct log *log UNUSED, int rc, const char *text)
{
	struct raft *r = ctx;
	struct err err;

	err_set(&err, rc, "%s", text);
	raft_fail(r, rc, &err);
}

static void raft_log_config(const struct raft *r, struct log_config *config)
{
	log_config_default(config);
	config->segment_bytes = r->options.segment_bytes;
	config->segment_ms = r->options.segment_ms;
	config->segment_jitter_ms = 0;
	config->retention_ms = -1;
	config->retention_bytes = -1;
	config->cleanup_delete = true; /* of what snapshots have put below the log start */
	config->max_message_bytes = METADATA_BATCH_BYTES_MAX;
	config->timestamp_before_max_ms = INT64_MAX;
	config->timestamp_after_max_ms = INT64_MAX;
	config->file_delete_delay_ms = 0;
}

/* Takes what a control batch of the log says about the quorum. */
static int raft_scan_batch(struct raft *r, const struct batch *b, struct arena *arena,
			   struct err *err)
{
	struct record_iter it;
	struct record record;
	int rc = record_iter_init(&it, b, NULL, METADATA_BATCH_BYTES_MAX);

	while (rc == 0) {
		enum control_type type;
		void *message;

		rc = record_next(&it, &record);
		if (rc <= 0)
			return rc < 0 ? err_sys(err, rc, "control batch at %" PRId64,
						b->base_offset)
				      : 0;
		rc = control_record_decode(&record, arena, &type, &message, err);
		if (rc == 0 && type == CONTROL_KRAFT_VERSION) {
			r->kraft_version = ((struct kraft_version_record *)message)->kraft_version;
			r->kraft_version_offset = record.offset;
		} else if (rc == 0 && type == CONTROL_KRAFT_VOTERS)
			raft_set_voters(r, message, record.offset);
		else if (rc == E_UNSUPPORTED)
			rc = 0;
	}
	return rc;
}

/* The same for all batches of some bytes; `end` gives the offset after the last whole one. */
static int raft_scan_batches(struct raft *r, struct slice bytes, int64_t *end, struct err *err)
{
	const uint8_t *data = bytes.data;
	size_t len = bytes.len;
	struct arena arena;
	struct batch b;
	int rc = 0;

	arena_init(&arena);
	while (rc == 0 && batch_next(&b, &data, &len) > 0) {
		if (batch_is_control(&b))
			rc = raft_scan_batch(r, &b, &arena, err);
		*end = batch_next_offset(&b);
		arena_reset(&arena);
	}
	arena_fini(&arena);
	return rc;
}

/* Reads the log from `offset` to its end for control records. */
static int raft_scan(struct raft *r, int64_t offset, struct err *err)
{
	int rc = 0;

	while (rc == 0 && offset < log_end_offset(r->log)) {
		struct slice bytes = SLICE_NULL;

		rc = log_read_copy(r->log, offset, SCAN_BYTES, log_end_offset(r->log), &bytes, err);
		if (rc < 0 || !bytes.data)
			break;
		rc = raft_scan_batches(r, bytes, &offset, err);
		slice_unref(&bytes);
	}
	return rc;
}

/* What a snapshot says about the quorum. */
static int raft_read_snapshot(struct raft *r, struct snapshot_id id, struct err *err)
{
	struct snapshot_contents contents;
	char *path = raft_snapshot_path(r, id);
	struct arena arena;
	int rc;

	arena_init(&arena);
	rc = snapshot_read(r->options.env, path, &arena, &contents, NULL, NULL, err);
	if (rc == 0) {
		r->kraft_version = contents.kraft_version;
		r->kraft_version_offset = id.end_offset - 1;
		if (contents.voters)
			raft_set_voters(r, contents.voters, id.end_offset - 1);
		else if (contents.kraft_version > 0)
			raft_set_voters(r, &(struct voters_record){0}, -1);
	}
	arena_fini(&arena);
	free(path);
	return rc;
}

/* What the newest snapshot and the log behind it say about the quorum. */
static int raft_read_quorum(struct raft *r, struct err *err)
{
	struct snapshot_id id = raft_latest_snapshot(r);
	int rc = 0;

	r->kraft_version = 0;
	r->kraft_version_offset = -1;
	r->is_voter = false;
	raft_static_voters(r);
	if (id.end_offset >= 0)
		rc = raft_read_snapshot(r, id, err);
	if (rc == 0)
		rc = raft_scan(r, MAX(log_start_offset(r->log), id.end_offset), err);
	return rc;
}

/* Of a cleaning that did not come to its end: segments may have come back whose epochs are
 * forgotten. Nobody could be told where they part from another log, so they count no more. */
static int raft_log_drop_unknown(struct raft *r, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->snapshots.count; i++) {
		int64_t start = log_start_offset(r->log);
		int64_t end = r->snapshots.items[i].id.end_offset;

		if (start == log_end_offset(r->log) || log_epoch_at(r->log, start) >= 0)
			break;
		if (end > start)
			rc = log_follow_start(r->log, end, err);
	}
	raft_snapshots_drop_before(r, log_start_offset(r->log));
	return rc;
}

int raft_log_open(struct raft *r, struct err *err)
{
	struct log_pool_options pool = {0};
	struct log_options options = LOG_OPTIONS_DEFAULT;
	struct log_config config;
	struct snapshot_id id = raft_latest_snapshot(r);
	int rc;

	r->pool = log_pool_new(r->options.env, &pool);
	raft_log_config(r, &config);
	options.topic_id = METADATA_TOPIC_ID;
	options.failed = raft_log_failed;
	options.ctx = r;
	/* quorum-state goes there before anything of the log is synced */
	rc = env_make_dir(r->options.env, r->dir);
	if (rc < 0 && rc != -EEXIST)
		return err_sys(err, rc, "%s", r->dir);
	rc = log_open(&r->log, r->pool, r->dir, &config, &options, err);
	if (rc < 0)
		return rc;
	if (id.end_offset > log_end_offset(r->log)) {
		say_warn("the log ends at %" PRId64 ", the newest snapshot at %" PRId64
			 ": going on from the snapshot",
			 log_end_offset(r->log), id.end_offset);
		rc = log_truncate_fully(r->log, id.end_offset, err);
	}
	if (rc < 0)
		return rc;
	if (log_start_offset(r->log) > 0 && id.end_offset < log_start_offset(r->log))
		return err_set(err, E_CORRUPT,
			       "%s: the log starts at %" PRId64 ", but no snapshot reaches it",
			       r->dir, log_start_offset(r->log));
	rc = raft_log_drop_unknown(r, err);
	if (rc == 0)
		rc = raft_read_quorum(r, err);
	/* what recovery left, and the names of the files, are durable from here on */
	if (rc == 0)
		rc = log_flush(r->log, err);
	if (rc == 0)
		r->durable_end = log_end_offset(r->log);
	return rc;
}

/* ---- Appending ------------------------------------------------------------------------------- */

int raft_append_batch(struct raft *r, struct batch_builder *batch, int64_t *last_offset,
		      struct err *err)
{
	struct log_append request = {.leader_epoch = r->state.leader_epoch,
				     .origin = LOG_ORIGIN_RAFT};
	struct log_append_info info;
	struct slice bytes = SLICE_NULL;
	struct arena arena;
	int rc;

	r->drain_us = INT64_MAX;
	batch->options.partition_leader_epoch = r->state.leader_epoch;
	batch->options.base_offset = log_end_offset(r->log);
	rc = batch_builder_finish(batch, NULL, &bytes);
	if (rc < 0)
		return err_sys(err, rc, "metadata batch");
	arena_init(&arena);
	request.data = (uint8_t *)(uintptr_t)bytes.data;
	request.len = bytes.len;
	request.arena = &arena;
	rc = log_append_leader(r->log, &request, &info, err);
	if (rc == 0 && info.error != KERR_NONE)
		rc = err_set(err, E_INVALID, "the log refuses a batch: %s",
			     info.error_text ? info.error_text : kafka_error_name(info.error));
	if (rc == 0) {
		*last_offset = info.last_offset;
		/* A roll leaves the end of the old segment to somebody's flush: this one's. */
		if (info.has_rolled && !FAULT(roll_unsynced))
			rc = log_flush(r->log, err);
		if (rc == 0 && info.has_rolled)
			r->durable_end = log_end_offset(r->log);
	}
	arena_fini(&arena);
	slice_unref(&bytes);
	return rc;
}

int64_t raft_drained_end(const struct raft *r)
{
	return r->role == RAFT_LEADER && r->drain_us != INT64_MAX ? r->drained_end
								  : log_end_offset(r->log);
}

/* As Kafka's accumulator: the time begins with the first record. */
static void raft_linger(struct raft *r, int64_t from, size_t bytes)
{
	if (r->options.append_linger_ms <= 0)
		return;
	if (r->drain_us == INT64_MAX) {
		r->drain_us = raft_now_us(r) + r->options.append_linger_ms * 1000;
		r->drained_end = from;
		r->linger_bytes = 0;
	}
	r->linger_bytes += bytes;
	if (r->linger_bytes >= LINGER_BYTES_MAX)
		r->drain_us = INT64_MAX;
}

int raft_append(struct raft *r, struct batch_builder *batch, int64_t *last_offset, struct err *err)
{
	int64_t from = log_end_offset(r->log), drain_us = r->drain_us;
	size_t bytes = batch_builder_bytes(batch);
	int rc;

	assert(r->role == RAFT_LEADER);
	assert(batch->record_count > 0);
	rc = raft_failed(r, err);
	if (rc == 0)
		rc = raft_append_batch(r, batch, last_offset, err);
	r->drain_us = drain_us;
	batch_builder_fini(batch);
	if (rc == 0) {
		raft_linger(r, from, bytes);
		raft_update_high_watermark(r);
	} else if (rc == E_OFFLINE) {
		raft_fail(r, rc, err);
	}
	return rc;
}

bool raft_endpoint_is_current(const struct raft *r, const struct voters_record_voter *v)
{
	return v->endpoints_count == 1 && str_eq(v->endpoints[0].name, r->endpoint_name) &&
	       str_eq(v->endpoints[0].host, r->endpoint_host) &&
	       v->endpoints[0].port == r->options.endpoint.port &&
	       v->kraft_version_feature.min_supported_version == 0 &&
	       v->kraft_version_feature.max_supported_version == KRAFT_VERSION_MAX;
}

void raft_own_entry(const struct raft *r, struct arena *arena, struct voters_record_voter *v)
{
	v->endpoints = WIRE_ARRAY(arena, voters_record_endpoint, 1);
	v->endpoints_count = 1;
	v->endpoints[0].name = r->endpoint_name;
	v->endpoints[0].host = r->endpoint_host;
	v->endpoints[0].port = r->options.endpoint.port;
	v->kraft_version_feature.min_supported_version = 0;
	v->kraft_version_feature.max_supported_version = KRAFT_VERSION_MAX;
}

/* The voters with this node's own entry as it is now; false if the log has them like that. */
static bool raft_voters_renew(struct raft *r, struct arena *arena, struct voters_record **out)
{
	struct voters_record *voters = message_copy(&voters_record_desc, arena, r->voters);
	bool is_new = r->voters_offset < 0;

	for (int32_t i = 0; i < voters->voters_count; i++) {
		struct voters_record_voter *v = &voters->voters[i];

		if (!raft_is_self(r, v) || str_is_null(r->endpoint_host) ||
		    raft_endpoint_is_current(r, v))
			continue;
		raft_own_entry(r, arena, v);
		is_new = true;
	}
	*out = voters;
	return is_new;
}

static int raft_epoch_records(struct raft *r, struct batch_builder *batch, struct arena *arena,
			      struct voters_record **voters, struct err *err)
{
	int64_t now_ms = env_wall_ms(r->options.env);
	struct leader_change_message change;
	struct kraft_version_record version;
	int rc;

	WIRE_INIT(leader_change_message, &change);
	change.leader_id = r->options.node_id;
	change.voters_count = r->voters->voters_count;
	change.voters = WIRE_ARRAY(arena, leader_change_message_voter, change.voters_count);
	for (int32_t i = 0; i < change.voters_count; i++)
		change.voters[i].voter_id = r->voters->voters[i].voter_id;
	change.granting_voters = WIRE_ARRAY(arena, leader_change_message_voter, r->peer_count + 1);
	if (r->is_voter)
		change.granting_voters[change.granting_voters_count++].voter_id =
			r->options.node_id;
	for (size_t i = 0; i < r->peer_count; i++) {
		if (r->peers[i].ballot == BALLOT_GRANTED)
			change.granting_voters[change.granting_voters_count++].voter_id =
				r->peers[i].link.node_id;
	}
	rc = control_record_add(batch, CONTROL_LEADER_CHANGE, &leader_change_message_desc, &change,
				now_ms, err);
	*voters = NULL;
	if (rc < 0 || r->kraft_version == 0 || !raft_voters_renew(r, arena, voters)) {
		*voters = NULL;
		return rc;
	}
	WIRE_INIT(kraft_version_record, &version);
	version.kraft_version = r->kraft_version;
	rc = control_record_add(batch, CONTROL_KRAFT_VERSION, &kraft_version_record_desc, &version,
				now_ms, err);
	if (rc == 0)
		rc = control_record_add(batch, CONTROL_KRAFT_VOTERS, &voters_record_desc, *voters,
					now_ms, err);
	return rc;
}

int raft_begin_epoch(struct raft *r, struct err *err)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder batch;
	struct arena arena;
	struct voters_record *voters;
	int64_t last_offset;
	int rc;

	r->high_watermark = -1;
	r->epoch_start = log_end_offset(r->log);
	rc = log_assign_epoch(r->log, r->state.leader_epoch, r->epoch_start, err);
	if (rc < 0)
		return rc;
	options.is_control = true;
	batch_builder_init(&batch, &options);
	arena_init(&arena);
	rc = raft_epoch_records(r, &batch, &arena, &voters, err);
	if (rc == 0)
		rc = raft_append_batch(r, &batch, &last_offset, err);
	if (rc == 0 && voters)
		raft_set_voters(r, voters, last_offset);
	/* after a roll it is on the disk already: no flush will come to say so */
	if (rc == 0)
		raft_update_high_watermark(r);
	batch_builder_fini(&batch);
	arena_fini(&arena);
	if (rc == 0)
		say_info("node %d leads epoch %d from offset %" PRId64, r->options.node_id,
			 r->state.leader_epoch, r->epoch_start);
	return rc;
}

/* ---- Following ------------------------------------------------------------------------------- */

int raft_append_fetched(struct raft *r, struct slice records, struct err *err)
{
	struct log_append_info info;
	int64_t end;
	int rc;

	/* a follower changes nothing in the batches */
	rc = log_append_follower(r->log, (uint8_t *)(uintptr_t)records.data, records.len,
				 r->state.leader_epoch, &info, err);
	if (rc == 0 && info.error != KERR_NONE)
		return err_set(err, E_CORRUPT, "the log refuses a batch: %s",
			       info.error_text ? info.error_text : kafka_error_name(info.error));
	if (rc == 0 && info.first_offset >= 0)
		rc = raft_scan_batches(r, records, &end, err);
	if (rc == 0 && info.has_rolled) {
		rc = FAULT(roll_unsynced) ? 0 : log_flush(r->log, err);
		if (rc == 0)
			r->durable_end = log_end_offset(r->log);
	}
	return rc;
}

/* The log ends earlier now: what a flush under way says about more does not count, nor does its
 * file, which may be gone. */
static void raft_flush_cut(struct raft *r)
{
	struct raft_flush *f = r->flush;

	r->durable_end = MIN(r->durable_end, log_end_offset(r->log));
	if (!f)
		return;
	f->end_offset = MIN(f->end_offset, log_end_offset(r->log));
	if (f->is_running) {
		f->is_stale = true;
	} else if (f->fd >= 0) {
		f->env->ops->close(f->env, f->fd);
		f->fd = -1;
	}
}

int raft_truncate(struct raft *r, int64_t offset, struct err *err)
{
	int rc = log_truncate_to(r->log, offset, err);

	if (rc < 0)
		return rc;
	raft_flush_cut(r);
	if ((r->voters_offset >= offset || r->kraft_version_offset >= offset) &&
	    !FAULT(truncation_keeps_voters))
		rc = raft_read_quorum(r, err);
	return rc;
}

int raft_use_fetched_snapshot(struct raft *r, struct snapshot_id id, struct err *err)
{
	int rc;

	raft_snapshot_written(r, id);
	rc = log_truncate_fully(r->log, id.end_offset, err);
	if (rc < 0)
		return rc;
	raft_flush_cut(r);
	r->durable_end = id.end_offset;
	r->high_watermark = id.end_offset;
	log_set_high_watermark(r->log, id.end_offset);
	raft_snapshots_drop_before(r, id.end_offset);
	say_info("epoch %d: going on from snapshot %" PRId64 "-%d", r->state.leader_epoch,
		 id.end_offset, id.epoch);
	return raft_read_quorum(r, err);
}

/* ---- Flushing -------------------------------------------------------------------------------- */

/* Descending. */
static int offset_cmp(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x < y) - (x > y);
}

/* Records count as agreed once they are on the disks of a majority; and only when one of this epoch
 * is among them. A smaller quorum than before may agree on less: what was said stays said. */
void raft_update_high_watermark(struct raft *r)
{
	int64_t *ends, agreed;
	size_t count = 0;

	if (r->role != RAFT_LEADER || r->voters->voters_count == 0)
		return;
	ends = xcalloc(r->peer_count + 1, sizeof(*ends));
	if (r->is_voter)
		ends[count++] =
			FAULT(agreed_before_flush) ? log_end_offset(r->log) : r->durable_end;
	for (size_t i = 0; i < r->peer_count; i++)
		ends[count++] = r->peers[i].end_offset;
	qsort(ends, count, sizeof(*ends), offset_cmp);
	agreed = ends[FAULT(agreed_by_one) ? 0 : raft_majority(r) - 1];
	free(ends);
	if ((agreed <= r->epoch_start && !FAULT(old_epoch_agreed)) || agreed <= r->high_watermark)
		return;
	r->high_watermark = agreed;
	log_set_high_watermark(r->log, agreed);
}

void raft_follow_high_watermark(struct raft *r, int64_t offset)
{
	if (!FAULT(high_watermark_unbounded))
		offset = MIN(offset, log_end_offset(r->log));
	if (offset <= r->high_watermark)
		return;
	r->high_watermark = offset;
	log_set_high_watermark(r->log, offset);
}

static void raft_flush_run(struct env_work *work)
{
	struct raft_flush *f = CONTAINER_OF(work, struct raft_flush, work);

	work->rc = f->env->ops->fsync(f->env, f->fd);
}

static void raft_flush_done(struct env_work *work)
{
	struct raft_flush *f = CONTAINER_OF(work, struct raft_flush, work);
	struct raft *r = f->raft;
	struct err err;

	f->is_running = false;
	if (!r) {
		f->env->ops->close(f->env, f->fd);
		free(f);
		return;
	}
	if (work->rc < 0 && !FAULT(flush_error_ignored)) {
		err_sys(&err, work->rc, "cannot flush %s", r->dir);
		raft_fail(r, work->rc, &err);
	} else {
		r->durable_end = MAX(r->durable_end, f->end_offset);
		raft_update_high_watermark(r);
	}
	if (f->is_stale) {
		f->env->ops->close(f->env, f->fd);
		f->fd = -1;
		f->is_stale = false;
	}
	raft_settle(r);
	r->options.wake(r->options.ctx);
}

/* The flush has its own handle of the active segment, as the log's belongs to the shard. */
static int raft_flush_file(struct raft *r)
{
	struct raft_flush *f = r->flush;
	int64_t base = log_active_base_offset(r->log);
	char *path;

	if (f->fd >= 0 && f->segment_base == base)
		return 0;
	if (f->fd >= 0)
		f->env->ops->close(f->env, f->fd);
	path = xasprintf("%s/%020" PRId64 ".log", r->dir, base);
	f->fd = f->env->ops->open(f->env, path, ENV_WRITE);
	f->segment_base = base;
	free(path);
	return f->fd < 0 ? f->fd : 0;
}

void raft_flush(struct raft *r)
{
	struct err err;
	int rc;

	if (r->failed < 0 || raft_drained_end(r) <= r->durable_end)
		return;
	if (!r->flush) {
		r->flush = xcalloc(1, sizeof(*r->flush));
		r->flush->env = r->options.env;
		r->flush->raft = r;
		r->flush->fd = -1;
		r->flush->work.run = raft_flush_run;
		r->flush->work.done = raft_flush_done;
	}
	if (r->flush->is_running)
		return;
	rc = raft_flush_file(r);
	if (rc < 0) {
		err_sys(&err, rc, "cannot flush %s", r->dir);
		raft_fail(r, rc, &err);
		return;
	}
	r->flush->is_running = true;
	r->flush->end_offset = raft_drained_end(r);
	r->options.env->ops->work(r->options.env, &r->flush->work);
}

/* ---- Reading --------------------------------------------------------------------------------- */

int raft_read(struct raft *r, int64_t offset, size_t bytes_max, struct slice *out, struct err *err)
{
	*out = SLICE_NULL;
	if (offset >= r->high_watermark)
		return 0;
	return log_read_copy(r->log, offset, bytes_max, r->high_watermark, out, err);
}
