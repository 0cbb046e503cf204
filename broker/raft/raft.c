#include "raft/raft.h"

#include "base/mem.h"
#include "raft/raft_int.h"

static struct str keep(struct raft *r, struct str s)
{
	return str_dup(&r->fixed, s);
}

/* The voters of controller.quorum.voters. */
static void raft_static_voters(struct raft *r)
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

static int raft_check_voters(struct raft *r, struct err *err)
{
	bool is_here = false;

	for (int32_t i = 0; i < r->voters->voters_count; i++)
		is_here = is_here || raft_is_voter(r, &r->voters->voters[i]);
	if (raft_is_majority(r) && r->voters->voters_count == 1)
		return 0;
	if (r->voters->voters_count == 0)
		return err_set(
			err, E_UNSUPPORTED,
			"%s: the log names no voter: joining a quorum that others lead is not "
			"supported (format with --standalone)",
			r->dir);
	if (!is_here)
		return err_set(
			err, E_INVALID,
			"%s: this node (%d) with this directory is none of the quorum's voters",
			r->dir, r->options.node_id);
	return err_set(err, E_UNSUPPORTED,
		       "the metadata quorum has %d voters, but only a quorum of one is supported",
		       r->voters->voters_count);
}

/* The newest epoch that a record of the log, or of the snapshot before it, is of. */
static int32_t raft_last_epoch(const struct raft *r)
{
	return MAX(log_latest_epoch(r->log), raft_latest_snapshot(r).epoch);
}

int raft_open(struct raft **out, const struct raft_options *options, struct err *err)
{
	struct raft *r = xcalloc(1, sizeof(*r));
	int rc;

	r->options = *options;
	arena_init(&r->fixed);
	arena_init(&r->voters_arena);
	r->dir = xasprintf("%s/" METADATA_TOPIC "-0", options->metadata_dir);
	r->state_path = xasprintf("%s/quorum-state", r->dir);
	r->endpoint_name = keep(r, options->endpoint.name);
	r->endpoint_host = keep(r, options->endpoint.host);
	r->role = RAFT_UNATTACHED;
	r->state = QUORUM_STATE_NONE;
	r->high_watermark = -1;
	r->epoch_start = -1;
	r->deadline_us = INT64_MAX;
	raft_static_voters(r);
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
	if (r->state.leader_epoch < raft_last_epoch(r))
		r->state = (struct quorum_state){
			.leader_epoch = raft_last_epoch(r), .leader_id = -1, .voted_id = -1};
	else if (r->state.leader_id == options->node_id)
		r->role = RAFT_RESIGNED;
	r->deadline_us = 0;
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
	free(r->snapshots.items);
	free(r->dir);
	free(r->state_path);
	arena_fini(&r->fixed);
	arena_fini(&r->voters_arena);
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

int raft_tick(struct raft *r, struct err *err)
{
	int rc = 0;

	if (r->failed < 0)
		return raft_failed(r, err);
	if (env_mono_us(r->options.env) >= r->deadline_us) {
		r->deadline_us = INT64_MAX;
		rc = raft_start_election(r, err);
	}
	log_tick(r->log);
	return rc < 0 ? raft_fail(r, rc, err) : raft_failed(r, err);
}

int64_t raft_deadline_us(const struct raft *r)
{
	return r->deadline_us;
}

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
	return r->role == RAFT_RESIGNED ? -1 : r->state.leader_id;
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

const char *raft_dir(const struct raft *r)
{
	return r->dir;
}
