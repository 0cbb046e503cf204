/* The follower's side of fetching: the log as the leader has it, or a snapshot first. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <errno.h>
#include <inttypes.h>

#define SAY_PLACE "broker/raft"

/* ---- Asking ---------------------------------------------------------------------------------- */

static void send_fetch(struct raft *r, struct raft_link *link)
{
	struct fetch_request *m = WIRE_NEW(&r->scratch, fetch_request);
	struct fetch_request_partition *p;

	m->cluster_id = r->cluster_id;
	m->replica_state.replica_id = r->options.node_id;
	m->max_wait_ms = FETCH_WAIT_MAX_MS;
	m->max_bytes = r->options.fetch_max_bytes;
	m->topics = WIRE_ARRAY(&r->scratch, fetch_request_topic, 1);
	m->topics_count = 1;
	m->topics[0].topic_id = METADATA_TOPIC_ID;
	p = m->topics[0].partitions = WIRE_ARRAY(&r->scratch, fetch_request_partition, 1);
	m->topics[0].partitions_count = 1;
	p->current_leader_epoch = r->state.leader_epoch;
	p->fetch_offset = log_end_offset(r->log);
	p->last_fetched_epoch = raft_last_epoch(r);
	p->replica_directory_id = r->options.directory_id;
	p->high_watermark = r->high_watermark;
	raft_link_send(r, link, API_FETCH, m);
}

static void send_fetch_snapshot(struct raft *r, struct raft_link *link)
{
	struct fetch_snapshot_request *m = WIRE_NEW(&r->scratch, fetch_snapshot_request);
	struct fetch_snapshot_request_partition_snapshot *p;

	m->cluster_id = r->cluster_id;
	m->replica_id = r->options.node_id;
	m->max_bytes = r->options.fetch_snapshot_max_bytes;
	m->topics = WIRE_ARRAY(&r->scratch, fetch_snapshot_request_topic_snapshot, 1);
	m->topics_count = 1;
	m->topics[0].name = STR_LIT(METADATA_TOPIC);
	p = WIRE_ARRAY(&r->scratch, fetch_snapshot_request_partition_snapshot, 1);
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->current_leader_epoch = r->state.leader_epoch;
	p->snapshot_id.end_offset = r->download.id.end_offset;
	p->snapshot_id.epoch = r->download.id.epoch;
	p->position = r->download.position;
	p->replica_directory_id = r->options.directory_id;
	raft_link_send(r, link, API_FETCH_SNAPSHOT, m);
}

/* One of the addresses to ask for the leader, NULL: none is ready, or one was asked already. */
static struct raft_link *pick_bootstrap(struct raft *r)
{
	size_t ready = 0;
	uint32_t random;

	for (size_t i = 0; i < r->bootstrap_count; i++) {
		if (raft_link_is_ready(r, &r->bootstrap[i]))
			ready++;
		else if (r->bootstrap[i].request_id)
			return NULL;
	}
	if (ready == 0)
		return NULL;
	r->options.env->ops->random(r->options.env, &random, sizeof(random));
	ready = random % ready;
	for (size_t i = 0; i < r->bootstrap_count; i++) {
		if (raft_link_is_ready(r, &r->bootstrap[i]) && ready-- == 0)
			return &r->bootstrap[i];
	}
	return NULL;
}

void raft_follow(struct raft *r)
{
	struct raft_link *link;

	if (!r->options.send || (r->role != RAFT_FOLLOWER && r->role != RAFT_UNATTACHED))
		return;
	/* The offset is the acknowledgement: first the disk. */
	if (r->durable_end < log_end_offset(r->log) && !FAULT(fetch_before_flush))
		return;
	if (r->role == RAFT_FOLLOWER && raft_link_is_ready(r, &r->leader)) {
		bool has_timed_out = r->leader.request_id != 0;

		if (!has_timed_out && r->download.id.end_offset >= 0) {
			send_fetch_snapshot(r, &r->leader);
			return;
		}
		if (!has_timed_out) {
			if (!raft_send_update(r))
				send_fetch(r, &r->leader);
			return;
		}
		r->leader.request_id = 0;
		raft_link_back_off(r, &r->leader);
	} else if (r->role == RAFT_FOLLOWER && r->leader.request_id) {
		return;
	}
	/* no leader, or one that does not answer: perhaps somebody knows a newer one */
	link = pick_bootstrap(r);
	if (link)
		send_fetch(r, link);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* The leader's log and this one agree only before that: the rest goes. */
static int follow_divergence(struct raft *r, const struct fetch_response_epoch_end_offset *from,
			     struct err *err)
{
	int64_t end = log_end_offset(r->log), own_end, offset;
	int32_t own_epoch;

	if (FAULT(truncation_skipped)) {
		raft_link_back_off(r, &r->leader);
		return 0;
	}
	log_epoch_end(r->log, from->epoch, &own_epoch, &own_end);
	if (own_epoch < 0)
		offset = MAX(log_start_offset(r->log), MIN(from->end_offset, end));
	else
		offset = own_epoch == from->epoch ? MIN(own_end, from->end_offset) : own_end;
	offset = MIN(offset, end);
	if (offset < r->high_watermark)
		return err_set(err, E_CORRUPT,
			       "the leader of epoch %d wants %" PRId64
			       " records cut off that were agreed: offset %" PRId64
			       ", high watermark %" PRId64,
			       r->state.leader_epoch, r->high_watermark - offset, offset,
			       r->high_watermark);
	say_info("epoch %d: cutting the log from %" PRId64 " back to %" PRId64,
		 r->state.leader_epoch, end, offset);
	return raft_truncate(r, offset, err);
}

static int follow_records(struct raft *r, const struct fetch_response_partition_data *p,
			  struct err *err)
{
	int rc;

	if (p->records.len) {
		rc = raft_append_fetched(r, p->records, err);
		if (rc == E_CORRUPT || rc == E_OFFSET_RANGE) {
			say_warn("records of the leader refused: %s", err_message(err));
			raft_link_back_off(r, &r->leader);
			return 0;
		}
		if (rc < 0)
			return rc;
	}
	raft_follow_high_watermark(r, p->high_watermark);
	return 0;
}

static int download_begin(struct raft *r, struct snapshot_id id, struct err *err)
{
	struct env *env = r->options.env;
	struct raft_download *d = &r->download;
	char *path;

	raft_download_drop(r);
	if (id.end_offset <= log_start_offset(r->log) || id.end_offset <= r->high_watermark)
		return err_set(err, E_INVALID, "snapshot %" PRId64 "-%d is older than the log",
			       id.end_offset, id.epoch);
	path = raft_snapshot_path(r, id);
	d->part_path = xasprintf("%s.part", path);
	free(path);
	d->fd = env->ops->open(env, d->part_path, ENV_WRITE | ENV_CREATE | ENV_TRUNCATE);
	if (d->fd < 0) {
		int rc = err_sys(err, d->fd, "%s", d->part_path);

		free(d->part_path);
		d->part_path = NULL;
		return rc;
	}
	d->id = id;
	d->position = d->size = 0;
	say_info("epoch %d: fetching snapshot %" PRId64 "-%d", r->state.leader_epoch, id.end_offset,
		 id.epoch);
	return 0;
}

int raft_on_fetch_response(struct raft *r, struct raft_link *link, const struct fetch_response *m,
			   struct err *err)
{
	const struct fetch_response_partition_data *p;
	bool is_leader = link == &r->leader && r->role == RAFT_FOLLOWER;
	struct raft_reply reply;
	bool counts;
	int rc;

	raft_read_fetch_response(m, &reply);
	rc = raft_weigh(r, link, &reply, &counts, err);
	/* an address without a name that turns out to be the leader's is asked again as such */
	if (rc < 0 || !counts || !is_leader || r->role != RAFT_FOLLOWER)
		return rc;
	r->has_fetched = true;
	r->deadline_us = raft_now_us(r) + r->options.fetch_timeout_ms * 1000;
	p = &m->responses[0].partitions[0];
	if (p->diverging_epoch.epoch >= 0 && p->diverging_epoch.end_offset >= 0)
		return follow_divergence(r, &p->diverging_epoch, err);
	if (p->snapshot_id.end_offset >= 0 && p->snapshot_id.epoch >= 0) {
		rc = download_begin(
			r, (struct snapshot_id){p->snapshot_id.end_offset, p->snapshot_id.epoch},
			err);
		if (rc != E_INVALID)
			return rc;
		say_warn("%s", err_message(err));
		raft_link_back_off(r, link);
		return 0;
	}
	return follow_records(r, p, err);
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

void raft_download_drop(struct raft *r)
{
	struct raft_download *d = &r->download;
	struct env *env = r->options.env;

	if (!d->part_path)
		return;
	if (d->fd >= 0)
		env->ops->close(env, d->fd);
	(void)env->ops->unlink(env, d->part_path);
	free(d->part_path);
	*d = (struct raft_download){.id = SNAPSHOT_NONE, .fd = -1};
}

/* All of it is there: on the disk, under its own name, and read once to see that it is whole. */
static int download_finish(struct raft *r, struct err *err)
{
	struct raft_download *d = &r->download;
	struct env *env = r->options.env;
	struct snapshot_contents contents;
	struct snapshot_id id = d->id;
	struct arena arena;
	char *path;
	int rc = env->ops->fsync(env, d->fd);

	if (rc < 0)
		return err_sys(err, rc, "%s", d->part_path);
	arena_init(&arena);
	rc = snapshot_read(env, d->part_path, &arena, &contents, NULL, NULL, err);
	arena_fini(&arena);
	if (rc < 0) {
		say_warn("the leader's snapshot is of no use: %s", err_message(err));
		raft_download_drop(r);
		raft_link_back_off(r, &r->leader);
		return 0;
	}
	path = raft_snapshot_path(r, id);
	rc = env->ops->rename(env, d->part_path, path);
	if (rc == 0)
		rc = env->ops->fsync_dir(env, r->dir);
	if (rc < 0)
		err_sys(err, rc, "%s", path);
	free(path);
	if (rc < 0)
		return rc;
	env->ops->close(env, d->fd);
	free(d->part_path);
	*d = (struct raft_download){.id = SNAPSHOT_NONE, .fd = -1};
	return raft_use_fetched_snapshot(r, id, err);
}

int raft_on_fetch_snapshot_response(struct raft *r, struct raft_link *link,
				    const struct fetch_snapshot_response *m, struct err *err)
{
	struct raft_download *d = &r->download;
	const struct fetch_snapshot_response_partition_snapshot *p;
	struct raft_reply reply;
	bool counts;
	int rc;

	raft_read_fetch_snapshot_response(m, &reply);
	rc = raft_weigh(r, link, &reply, &counts, err);
	if (rc < 0)
		return rc;
	if (!counts) {
		if (reply.error == KERR_SNAPSHOT_NOT_FOUND ||
		    reply.error == KERR_POSITION_OUT_OF_RANGE)
			raft_download_drop(r);
		return 0;
	}
	if (d->id.end_offset < 0 || link != &r->leader)
		return 0;
	p = &m->topics[0].partitions[0];
	r->has_fetched = true;
	r->deadline_us = raft_now_us(r) + r->options.fetch_timeout_ms * 1000;
	if (p->snapshot_id.end_offset != d->id.end_offset || p->snapshot_id.epoch != d->id.epoch ||
	    p->position != d->position || p->size <= 0 || p->unaligned_records.len == 0 ||
	    (int64_t)p->unaligned_records.len > p->size - p->position) {
		say_warn("the leader sends another snapshot than was asked for: beginning again");
		raft_download_drop(r);
		raft_link_back_off(r, link);
		return 0;
	}
	rc = env_write(r->options.env, d->fd, p->unaligned_records.data, p->unaligned_records.len,
		       d->position);
	if (rc < 0)
		return err_sys(err, rc, "%s", d->part_path);
	d->position += (int64_t)p->unaligned_records.len;
	d->size = p->size;
	return d->position == d->size ? download_finish(r, err) : 0;
}
