/* The leader's side of fetching: where the follower's log agrees with this one, what it gets, and
 * what its fetch offset says. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/raft"

/* ---- Who fetches ----------------------------------------------------------------------------- */

void raft_drop_observers(struct raft *r)
{
	free(r->observers);
	r->observers = NULL;
	r->observer_count = r->observer_cap = 0;
}

static struct raft_observer *observer_of(struct raft *r, int32_t node_id, struct uuid directory_id)
{
	int64_t now_ms = env_wall_ms(r->options.env);
	size_t oldest = 0;

	for (size_t i = 0; i < r->observer_count;) {
		struct raft_observer *o = &r->observers[i];

		if (o->node_id == node_id && uuid_eq(o->directory_id, directory_id))
			return o;
		if (now_ms - o->last_fetch_ms > OBSERVER_SESSION_MS)
			*o = r->observers[--r->observer_count];
		else
			i++;
	}
	for (size_t i = 1; i < r->observer_count; i++) {
		if (r->observers[i].last_fetch_ms < r->observers[oldest].last_fetch_ms)
			oldest = i;
	}
	if (r->observer_count == OBSERVERS_MAX)
		r->observers[oldest] = r->observers[--r->observer_count];
	r->observers = grow_array(r->observers, r->observer_count, &r->observer_cap,
				  sizeof(*r->observers));
	r->observers[r->observer_count] = (struct raft_observer){
		.node_id = node_id,
		.directory_id = directory_id,
		.end_offset = -1,
		.last_fetch_ms = -1,
		.last_caught_up_ms = -1,
	};
	return &r->observers[r->observer_count++];
}

/* Who has come as far as the log was when it fetched last, was at its end then. */
static int64_t caught_up_ms(const struct raft *r, int64_t offset, int64_t last_fetch_end,
			    int64_t last_fetch_ms, int64_t before_ms)
{
	if (offset >= raft_drained_end(r))
		return env_wall_ms(r->options.env);
	if (last_fetch_ms >= 0 && offset >= last_fetch_end)
		return MAX(last_fetch_ms, before_ms);
	return before_ms;
}

/* A valid fetch offset: what is before it is on that node's disk. */
static void note_fetch(struct raft *r, int32_t node_id, struct uuid directory_id, int64_t offset)
{
	struct raft_peer *peer = raft_peer_find(r, node_id, directory_id);
	int64_t now_ms = env_wall_ms(r->options.env);
	struct raft_observer *o;

	if (peer) {
		peer->end_offset = offset;
		peer->last_caught_up_ms =
			caught_up_ms(r, offset, peer->last_fetch_end, peer->last_fetch_ms,
				     peer->last_caught_up_ms);
		peer->last_fetch_ms = now_ms;
		peer->last_fetch_end = raft_drained_end(r);
		raft_heard_from(r, peer);
		raft_update_high_watermark(r);
		return;
	}
	if (node_id < 0 || node_id == r->options.node_id)
		return;
	o = observer_of(r, node_id, directory_id);
	o->end_offset = offset;
	o->last_caught_up_ms = caught_up_ms(r, offset, o->last_fetch_end, o->last_fetch_ms,
					    o->last_caught_up_ms);
	o->last_fetch_ms = now_ms;
	o->last_fetch_end = raft_drained_end(r);
}

bool raft_replica_at(const struct raft *r, size_t i, struct raft_replica *out)
{
	size_t count = (size_t)r->voters->voters_count;
	const struct voters_record_voter *v;
	const struct raft_peer *peer;

	if (i >= count) {
		const struct raft_observer *o = &r->observers[i - count];

		if (i - count >= r->observer_count)
			return false;
		*out = (struct raft_replica){o->node_id,    o->directory_id,  false,
					     o->end_offset, o->last_fetch_ms, o->last_caught_up_ms};
		return true;
	}
	v = &r->voters->voters[i];
	*out = (struct raft_replica){v->voter_id, v->voter_directory_id, true, -1, -1, -1};
	if (raft_is_self(r, v)) {
		out->end_offset = log_end_offset(r->log);
		out->last_fetch_ms = out->last_caught_up_ms = env_wall_ms(r->options.env);
		return true;
	}
	peer = raft_peer_find((struct raft *)(uintptr_t)r, v->voter_id, v->voter_directory_id);
	out->end_offset = peer->end_offset;
	out->last_fetch_ms = peer->last_fetch_ms;
	out->last_caught_up_ms = peer->last_caught_up_ms;
	return true;
}

/* ---- Where the logs agree -------------------------------------------------------------------- */

enum position {
	POSITION_VALID,
	POSITION_DIVERGES, /* `found` ends before the offset, or is another epoch */
	POSITION_SNAPSHOT, /* the log does not reach back so far */
};

static enum position check_position(const struct raft *r, int64_t offset, int32_t last_epoch,
				    int32_t *found_epoch, int64_t *found_end)
{
	struct snapshot_id latest = raft_latest_snapshot(r), earliest = raft_earliest_snapshot(r);
	int64_t start = log_start_offset(r->log);

	if (offset == 0 && latest.end_offset > 0)
		return POSITION_SNAPSHOT;
	if (start == 0 && offset == 0)
		return POSITION_VALID;
	if (offset == start && FAULT(snapshot_epoch_unseen))
		return POSITION_VALID;
	if (earliest.end_offset >= 0 &&
	    (offset < start || (offset == start && last_epoch != earliest.epoch) ||
	     last_epoch < earliest.epoch))
		return POSITION_SNAPSHOT;
	if (offset == start && last_epoch == earliest.epoch)
		return POSITION_VALID;
	log_epoch_end(r->log, last_epoch, found_epoch, found_end);
	/* an epoch below all of the cache: it ends where the log, or the snapshot before it, does
	 */
	if (*found_epoch < 0) {
		*found_epoch = MAX(earliest.epoch, 0);
		*found_end = start;
	}
	if (FAULT(divergence_unseen) && offset <= log_end_offset(r->log))
		return POSITION_VALID;
	return *found_epoch == last_epoch && *found_end >= offset ? POSITION_VALID
								  : POSITION_DIVERGES;
}

/* ---- Fetch ----------------------------------------------------------------------------------- */

static enum kafka_error check_fetch(const struct raft *r, const struct fetch_request *m,
				    const struct fetch_request_partition *p)
{
	if (m->max_wait_ms < 0 || p->fetch_offset < 0 || p->last_fetched_epoch < 0 ||
	    p->last_fetched_epoch > p->current_leader_epoch)
		return KERR_INVALID_REQUEST;
	if (p->current_leader_epoch < r->state.leader_epoch)
		return KERR_FENCED_LEADER_EPOCH;
	if (p->current_leader_epoch > r->state.leader_epoch)
		return KERR_UNKNOWN_LEADER_EPOCH;
	return r->role == RAFT_LEADER ? KERR_NONE : KERR_NOT_LEADER_OR_FOLLOWER;
}

static int32_t fetcher_id(const struct fetch_request *m)
{
	return m->replica_state.replica_id >= 0 ? m->replica_state.replica_id : m->replica_id;
}

static bool answer_read_failed(struct raft *r, struct raft_inbound *in, const struct err *err)
{
	say_error("cannot read the metadata log: %s", err_message(err));
	in->answer(in, raft_new_fetch_response(r, in, KERR_UNKNOWN_SERVER_ERROR));
	return true;
}

/* Answers the fetch if there is anything to say, or `must` it; else false. */
static bool try_fetch(struct raft *r, struct raft_inbound *in, bool is_new, bool must)
{
	const struct fetch_request *m = in->body;
	const struct fetch_request_partition *p = &m->topics[0].partitions[0];
	enum kafka_error error = check_fetch(r, m, p);
	struct fetch_response *response;
	struct fetch_response_partition_data *out;
	struct slice records = SLICE_NULL;
	struct err err;
	int32_t epoch = -1;
	int64_t end = -1;
	enum position position;

	if (error != KERR_NONE) {
		raft_refuse(r, in, error, false);
		return true;
	}
	position = check_position(r, p->fetch_offset, p->last_fetched_epoch, &epoch, &end);
	if (position == POSITION_VALID) {
		if (is_new)
			note_fetch(r, fetcher_id(m), p->replica_directory_id, p->fetch_offset);
		if (log_read_copy(r->log, p->fetch_offset, (size_t)MAX(m->max_bytes, 0),
				  raft_drained_end(r), &records, &err) < 0)
			return answer_read_failed(r, in, &err);
		/* before version 18 the request does not say what the node knows to be agreed */
		if (!records.data && !must &&
		    MIN(p->high_watermark, in->high_watermark) >= r->high_watermark)
			return false;
	}
	response = raft_new_fetch_response(r, in, KERR_NONE);
	out = &response->responses[0].partitions[0];
	if (position == POSITION_DIVERGES) {
		out->diverging_epoch.epoch = epoch;
		out->diverging_epoch.end_offset = end;
	} else if (position == POSITION_SNAPSHOT) {
		out->snapshot_id.end_offset = raft_latest_snapshot(r).end_offset;
		out->snapshot_id.epoch = raft_latest_snapshot(r).epoch;
	} else if (records.data) {
		out->records = records;
	}
	in->answer(in, response);
	slice_unref(&records);
	return true;
}

void raft_on_fetch(struct raft *r, struct raft_inbound *in)
{
	const struct fetch_request *m = in->body;
	enum kafka_error error;

	if (!raft_read_fetch(r, m, &error)) {
		raft_refuse(r, in, error, true);
		return;
	}
	in->high_watermark = r->high_watermark;
	if (try_fetch(r, in, true, m->max_wait_ms == 0))
		return;
	in->deadline_us = raft_now_us(r) + (int64_t)m->max_wait_ms * 1000;
	list_push_back(&r->parked, &in->node);
}

void raft_serve_parked(struct raft *r)
{
	int64_t now_us = raft_now_us(r);
	struct list_node waiting;

	/* An answer may bring the next request of that node: it waits for the next time. */
	list_init(&waiting);
	while (!list_empty(&r->parked))
		list_push_back(&waiting, list_pop_front(&r->parked));
	while (!list_empty(&waiting)) {
		struct raft_inbound *in =
			CONTAINER_OF(list_pop_front(&waiting), struct raft_inbound, node);

		if (!try_fetch(r, in, false, now_us >= in->deadline_us))
			list_push_back(&r->parked, &in->node);
	}
}

void raft_forget(struct raft *r, struct raft_inbound *in)
{
	list_remove(&in->node);
	raft_forget_change(r, in);
}

/* ---- FetchSnapshot --------------------------------------------------------------------------- */

static enum kafka_error check_snapshot(const struct raft *r,
				       const struct fetch_snapshot_request_partition_snapshot *p,
				       struct snapshot_id *id, int64_t *size)
{
	*id = (struct snapshot_id){p->snapshot_id.end_offset, p->snapshot_id.epoch};
	*size = -1;
	if (p->current_leader_epoch < r->state.leader_epoch)
		return KERR_FENCED_LEADER_EPOCH;
	if (p->current_leader_epoch > r->state.leader_epoch)
		return KERR_UNKNOWN_LEADER_EPOCH;
	if (r->role != RAFT_LEADER)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	for (size_t i = 0; i < r->snapshots.count; i++) {
		if (snapshot_id_eq(r->snapshots.items[i].id, *id) && id->end_offset > 0)
			*size = r->snapshots.items[i].size_bytes;
	}
	if (*size < 0)
		return KERR_SNAPSHOT_NOT_FOUND;
	return p->position < 0 || p->position >= *size ? KERR_POSITION_OUT_OF_RANGE : KERR_NONE;
}

/* Reads a piece of the file into the arena. -errno. */
static ssize_t read_piece(struct raft *r, struct snapshot_id id, int64_t position, uint8_t *data,
			  size_t len)
{
	struct env *env = r->options.env;
	char *path = raft_snapshot_path(r, id);
	int fd = env->ops->open(env, path, ENV_READ);
	ssize_t n = fd;

	if (fd >= 0) {
		n = env_read(env, fd, data, len, position);
		env->ops->close(env, fd);
	}
	free(path);
	return n;
}

void raft_on_fetch_snapshot(struct raft *r, struct raft_inbound *in)
{
	const struct fetch_snapshot_request *m = in->body;
	const struct fetch_snapshot_request_partition_snapshot *p;
	struct fetch_snapshot_response_partition_snapshot *out;
	struct fetch_snapshot_response *response;
	struct raft_peer *peer;
	struct snapshot_id id;
	enum kafka_error error;
	uint8_t *data;
	int64_t size;
	ssize_t n;

	p = raft_read_fetch_snapshot(r, m, &error);
	if (!p) {
		raft_refuse(r, in, error, true);
		return;
	}
	error = check_snapshot(r, p, &id, &size);
	if (error != KERR_NONE) {
		raft_refuse(r, in, error, false);
		return;
	}
	peer = raft_peer_find(r, m->replica_id, p->replica_directory_id);
	if (peer)
		raft_heard_from(r, peer);
	n = MIN(MIN(size - p->position, (int64_t)MAX(m->max_bytes, 1)),
		(int64_t)r->options.fetch_snapshot_max_bytes);
	data = arena_alloc(in->arena, (size_t)n);
	n = read_piece(r, id, p->position, data, (size_t)n);
	if (n <= 0) {
		say_error("cannot read snapshot %" PRId64 "-%d: %s", id.end_offset, id.epoch,
			  n < 0 ? err_text((int)n) : "it is shorter than it was");
		raft_refuse(r, in, KERR_UNKNOWN_SERVER_ERROR, false);
		return;
	}
	response = raft_new_fetch_snapshot_response(r, in, KERR_NONE);
	out = &response->topics[0].partitions[0];
	out->snapshot_id.end_offset = id.end_offset;
	out->snapshot_id.epoch = id.epoch;
	out->size = size;
	out->position = p->position;
	out->unaligned_records = (struct slice){.data = data, .len = (size_t)n};
	in->answer(in, response);
}
