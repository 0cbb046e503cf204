#include "raft/raft.h"

#include "base/fault.h"
#include "base/mem.h"
#include "raft/raft_int.h"

#include <errno.h>

static struct str keep(struct raft *r, struct str s)
{
	return str_dup(&r->fixed, s);
}

void raft_static_voters(struct raft *r)
{
	struct voters_record record;

	WIRE_INIT(voters_record, &record);
	record.voters_count = (int32_t)r->options.voter_count;
	record.voters = WIRE_ARRAY(&r->fixed, voters_record_voter, r->options.voter_count);
	for (size_t i = 0; i < r->options.voter_count; i++) {
		const struct quorum_voter *from = &r->options.voters[i];
		struct voters_record_endpoint *e = WIRE_ARRAY(&r->fixed, voters_record_endpoint, 1);

		e->name = r->endpoint_name;
		e->host = keep(r, str_of(from->host));
		e->port = (uint16_t)from->port;
		record.voters[i].voter_id = from->id;
		record.voters[i].endpoints = e;
		record.voters[i].endpoints_count = 1;
	}
	raft_set_voters(r, &record, -1);
}

/* Who to ask for the leader: the option's addresses, or else the static voters. */
static void keep_bootstrap(struct raft *r)
{
	size_t count = r->options.bootstrap_count;

	r->bootstrap = arena_zalloc(&r->fixed, (count + r->peer_count + 1) * sizeof(*r->bootstrap));
	for (size_t i = 0; i < count; i++)
		r->bootstrap[i] = (struct raft_link){
			.node_id = -1,
			.host = keep(r, r->options.bootstrap[i].host),
			.port = r->options.bootstrap[i].port,
		};
	for (size_t i = 0; count == 0 && i < r->peer_count; i++) {
		r->bootstrap[i] = r->peers[i].link;
		r->bootstrap[i].host = keep(r, r->peers[i].link.host);
	}
	r->bootstrap_count = count ? count : r->peer_count;
}

static int raft_check_voters(struct raft *r, struct err *err)
{
	if (r->options.send || raft_is_alone(r))
		return 0;
	if (r->voters->voters_count == 0)
		return err_set(
			err, E_UNSUPPORTED,
			"%s: the log names no voter: joining a quorum that others lead is not "
			"supported (format with --standalone)",
			r->dir);
	if (!r->is_voter)
		return err_set(
			err, E_INVALID,
			"%s: this node (%d) with this directory is none of the quorum's voters",
			r->dir, r->options.node_id);
	return err_set(err, E_UNSUPPORTED,
		       "the metadata quorum has %d voters, but only a quorum of one is supported",
		       r->voters->voters_count);
}

int32_t raft_last_epoch(const struct raft *r)
{
	int32_t epoch = log_latest_epoch(r->log);
	struct snapshot_id id = raft_latest_snapshot(r);

	if (epoch >= 0)
		return epoch;
	return id.end_offset == log_end_offset(r->log) ? id.epoch : 0;
}

int64_t raft_now_us(const struct raft *r)
{
	return env_mono_us(r->options.env);
}

/* The role to begin with, by what the node knew when it ended. Nobody votes twice in an epoch, and
 * a leader does not lead the same epoch again: its last offsets may be others now. */
static int raft_first_role(struct raft *r, struct err *err)
{
	struct quorum_state state = r->state;
	struct str host;
	uint16_t port;

	if (state.leader_epoch < raft_last_epoch(r)) {
		r->state = (struct quorum_state){
			.leader_epoch = raft_last_epoch(r), .leader_id = -1, .voted_id = -1};
	} else if (state.leader_id == r->options.node_id && FAULT(leader_again)) {
		r->role = RAFT_LEADER;
		r->epoch_start = log_end_offset(r->log);
	} else if (state.leader_id == r->options.node_id) {
		r->role = RAFT_RESIGNED;
	} else if (state.leader_id >= 0 && raft_voter_address(r, state.leader_id, &host, &port)) {
		int32_t leader_id = state.leader_id;

		r->state.leader_id = -1;
		return raft_learn(r, state.leader_epoch, leader_id, host, port, err);
	}
	/* after a vote for itself it may stand again only in another epoch */
	raft_start_waiting(r);
	return 0;
}

int raft_open(struct raft **out, const struct raft_options *options, struct err *err)
{
	struct raft *r = xcalloc(1, sizeof(*r));
	int rc;

	r->options = *options;
	arena_init(&r->fixed);
	arena_init(&r->voters_arena);
	arena_init(&r->old_voters_arena);
	arena_init(&r->leader_arena);
	arena_init(&r->scratch);
	arena_init(&r->told_arena);
	list_init(&r->parked);
	r->download = (struct raft_download){.id = SNAPSHOT_NONE, .fd = -1};
	r->leader.node_id = -1;
	r->dir = xasprintf("%s/" METADATA_TOPIC "-0", options->metadata_dir);
	r->state_path = xasprintf("%s/quorum-state", r->dir);
	r->endpoint_name = keep(r, options->endpoint.name);
	r->endpoint_host = keep(r, options->endpoint.host);
	r->cluster_id = keep(r, options->cluster_id);
	r->role = RAFT_UNATTACHED;
	r->state = QUORUM_STATE_NONE;
	r->high_watermark = -1;
	r->epoch_start = -1;
	r->deadline_us = r->drain_us = INT64_MAX;
	raft_static_voters(r);
	keep_bootstrap(r);
	rc = quorum_state_read(options->env, r->state_path, &r->state, err);
	if (rc == 0)
		rc = raft_snapshots_load(r, err);
	if (rc == 0)
		rc = raft_log_open(r, err);
	if (rc == 0)
		rc = raft_check_voters(r, err);
	if (rc < 0) {
		raft_close(r);
		return err_add(err, rc, "metadata log");
	}
	rc = raft_first_role(r, err);
	if (rc < 0) {
		raft_close(r);
		return err_add(err, rc, "metadata log");
	}
	*out = r;
	return 0;
}

void raft_close(struct raft *r)
{
	struct err err;
	bool is_busy;

	if (!r)
		return;
	is_busy = r->log && log_is_busy(r->log);
	if (r->flush) {
		r->flush->raft = NULL;
		if (!r->flush->is_running) {
			if (r->flush->fd >= 0)
				r->flush->env->ops->close(r->flush->env, r->flush->fd);
			free(r->flush);
		}
	}
	/* after a failed fsync there must be no other one */
	if (r->log && r->failed < 0)
		log_abandon(r->log);
	else if (r->log && log_close(r->log, &err) < 0)
		raft_fail(r, err.code, &err);
	/* after a roll the log flushes by itself, and frees itself out of the pool when that ends
	 */
	if (!is_busy)
		log_pool_free(r->pool);
	raft_download_drop(r);
	raft_drop_observers(r);
	if (r->change.api)
		arena_fini(&r->change.arena);
	free(r->peers);
	free(r->snapshots.items);
	free(r->dir);
	free(r->state_path);
	arena_fini(&r->fixed);
	arena_fini(&r->voters_arena);
	arena_fini(&r->old_voters_arena);
	arena_fini(&r->leader_arena);
	arena_fini(&r->scratch);
	arena_fini(&r->told_arena);
	free(r);
}

int raft_fail(struct raft *r, int rc, struct err *err)
{
	if (r->failed == 0) {
		r->failed = rc;
		err_set(&r->failure, rc, "%s", err_message(err));
	}
	return rc;
}

int raft_failed(const struct raft *r, struct err *err)
{
	if (r->failed < 0)
		err_set(err, r->failed, "%s", r->failure.text);
	return r->failed;
}

/* ---- Events ---------------------------------------------------------------------------------- */

void raft_settle(struct raft *r)
{
	struct err err;
	int rc = r->failed;

	if (rc == 0)
		rc = raft_step_change(r, &err);
	if (rc < 0) {
		raft_fail(r, rc, &err);
		return;
	}
	if (r->role == RAFT_PROSPECTIVE || r->role == RAFT_CANDIDATE)
		raft_ask_votes(r);
	raft_announce(r);
	raft_follow(r);
	if (!list_empty(&r->parked))
		raft_serve_parked(r);
	arena_reset(&r->scratch);
}

int raft_tick(struct raft *r, struct err *err)
{
	int rc;

	if (r->failed < 0)
		return raft_failed(r, err);
	if (raft_now_us(r) >= r->drain_us)
		r->drain_us = INT64_MAX;
	rc = raft_run_timers(r, err);
	if (rc < 0)
		return raft_fail(r, rc, err);
	raft_settle(r);
	log_tick(r->log);
	return raft_failed(r, err);
}

int64_t raft_deadline_us(const struct raft *r)
{
	int64_t deadline_us = MIN(r->deadline_us, raft_links_deadline_us(r));

	deadline_us = MIN(deadline_us, r->drain_us);
	for (const struct list_node *n = r->parked.next; n != &r->parked; n = n->next)
		deadline_us =
			MIN(deadline_us, CONTAINER_OF(n, struct raft_inbound, node)->deadline_us);
	return deadline_us;
}

void raft_receive(struct raft *r, struct raft_inbound *in)
{
	struct err err = {0};
	int rc = 0;

	in->node = (struct list_node){0};
	if (r->failed < 0) {
		raft_refuse(r, in, KERR_BROKER_NOT_AVAILABLE, true);
		return;
	}
	switch (in->api) {
	case API_VOTE: rc = raft_on_vote(r, in, &err); break;
	case API_BEGIN_QUORUM_EPOCH: rc = raft_on_begin(r, in, &err); break;
	case API_END_QUORUM_EPOCH: rc = raft_on_end(r, in, &err); break;
	case API_FETCH: raft_on_fetch(r, in); break;
	case API_FETCH_SNAPSHOT: raft_on_fetch_snapshot(r, in); break;
	case API_ADD_RAFT_VOTER: raft_on_add_voter(r, in); break;
	case API_UPDATE_RAFT_VOTER: raft_on_update_voter(r, in); break;
	default:
		assert(in->api == API_REMOVE_RAFT_VOTER);
		raft_on_remove_voter(r, in);
		break;
	}
	if (rc < 0) {
		/* what it would have said is not on the disk */
		raft_fail(r, rc, &err);
		raft_refuse(r, in, KERR_BROKER_NOT_AVAILABLE, true);
	}
	raft_settle(r);
}

static int raft_answered(struct raft *r, struct raft_link *link, const void *response,
			 struct err *err)
{
	const struct add_raft_voter_response *add;
	const struct remove_raft_voter_response *removed;

	switch (link->api) {
	case API_VOTE: return raft_on_vote_response(r, link, response, err);
	case API_BEGIN_QUORUM_EPOCH: return raft_on_begin_response(r, response, link, err);
	case API_END_QUORUM_EPOCH: return raft_on_end_response(r, response, link, err);
	case API_FETCH: return raft_on_fetch_response(r, link, response, err);
	case API_API_VERSIONS: return raft_on_probe(r, response, err);
	case API_UPDATE_RAFT_VOTER: raft_on_update_response(r, response); return 0;
	case API_ADD_RAFT_VOTER:
		add = response;
		raft_on_join_response(r, link->api, (enum kafka_error)add->error_code,
				      add->error_message);
		return 0;
	case API_REMOVE_RAFT_VOTER:
		removed = response;
		raft_on_join_response(r, link->api, (enum kafka_error)removed->error_code,
				      removed->error_message);
		return 0;
	default:
		assert(link->api == API_FETCH_SNAPSHOT);
		return raft_on_fetch_snapshot_response(r, link, response, err);
	}
}

void raft_responded(struct raft *r, uint64_t id, const void *response, int rc)
{
	struct raft_link *link = raft_link_of(r, id);
	struct err err = {0};

	if (!link || r->failed < 0)
		return;
	link->request_id = 0;
	link->ready_us = 0;
	if (response) {
		rc = raft_answered(r, link, response, &err);
	} else {
		raft_link_back_off(r, link);
		if (link == &r->leader && rc == -ECONNREFUSED)
			raft_leader_is_gone(r);
		if (link->api == API_UPDATE_RAFT_VOTER && rc == E_UNSUPPORTED)
			raft_on_update_response(r, NULL);
		/* a voter of an older release does not know the question */
		if (link->api == API_VOTE && r->role == RAFT_PROSPECTIVE && rc == E_UNSUPPORTED)
			rc = raft_become_candidate(r, &err);
		else
			rc = link == &r->change.probe ? raft_on_probe(r, NULL, &err) : 0;
	}
	if (rc < 0)
		raft_fail(r, rc, &err);
	raft_settle(r);
}

/* ---- Accessors ------------------------------------------------------------------------------- */

int raft_epoch(const struct raft *r)
{
	return r->state.leader_epoch;
}

enum raft_role raft_role(const struct raft *r)
{
	return r->role;
}

int32_t raft_leader_id(const struct raft *r)
{
	bool was_leader = r->role != RAFT_LEADER && r->state.leader_id == r->options.node_id;

	return was_leader ? -1 : r->state.leader_id;
}

int64_t raft_epoch_start(const struct raft *r)
{
	return r->epoch_start;
}

int64_t raft_high_watermark(const struct raft *r)
{
	return r->high_watermark;
}

int64_t raft_log_start(const struct raft *r)
{
	return log_start_offset(r->log);
}

int64_t raft_log_end(const struct raft *r)
{
	return log_end_offset(r->log);
}

int16_t raft_kraft_version(const struct raft *r)
{
	return r->kraft_version;
}

const struct voters_record *raft_voters(const struct raft *r)
{
	return r->voters;
}

const struct voters_record *raft_voters_at(const struct raft *r, int64_t end_offset)
{
	return r->voters_offset < end_offset || !r->old_voters ? r->voters : r->old_voters;
}

const char *raft_dir(const struct raft *r)
{
	return r->dir;
}
