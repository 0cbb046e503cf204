/* Roles: what each is on the disk, how long it lasts, and what ends it. */
#include "base/fault.h"
#include "base/say.h"
#include "raft/raft_int.h"

#define SAY_PLACE "broker/raft"

#define TO(role) (1u << RAFT_##role)
static const struct {
	const char *name;
	unsigned next;
	bool is_durable; /* quorum-state is written when it is entered */
} roles[RAFT_ROLES] = {
	[RAFT_UNATTACHED] = {"Unattached", TO(UNATTACHED) | TO(PROSPECTIVE) | TO(FOLLOWER), true},
	[RAFT_PROSPECTIVE] = {"Prospective", TO(CANDIDATE) | TO(FOLLOWER) | TO(UNATTACHED), false},
	[RAFT_CANDIDATE] = {"Candidate",
			    TO(LEADER) | TO(PROSPECTIVE) | TO(FOLLOWER) | TO(UNATTACHED), true},
	[RAFT_LEADER] = {"Leader", TO(RESIGNED) | TO(FOLLOWER) | TO(UNATTACHED), true},
	[RAFT_FOLLOWER] = {"Follower", TO(PROSPECTIVE) | TO(FOLLOWER) | TO(UNATTACHED), true},
	[RAFT_RESIGNED] = {"Resigned", TO(PROSPECTIVE) | TO(FOLLOWER) | TO(UNATTACHED), false},
};

const char *raft_role_name(enum raft_role role)
{
	return roles[role].name;
}

/* election.timeout.ms and as much again at most, so that rarely two stand at the same time. */
static int64_t election_timeout_us(struct raft *r)
{
	uint64_t random, timeout_us = (uint64_t)r->options.election_timeout_ms * 1000;

	r->options.env->ops->random(r->options.env, &random, sizeof(random));
	return (int64_t)(timeout_us + (timeout_us ? random % timeout_us : 0));
}

/* How long the role lasts if nothing happens. */
static int64_t role_deadline_us(struct raft *r, enum raft_role from)
{
	int64_t now_us = raft_now_us(r);
	bool is_waiting = from == RAFT_UNATTACHED || from == RAFT_CANDIDATE ||
			  from == RAFT_PROSPECTIVE || from == RAFT_RESIGNED;

	switch (r->role) {
	case RAFT_FOLLOWER: return now_us + r->options.fetch_timeout_ms * 1000;
	case RAFT_LEADER:
		return raft_is_alone(r) ? INT64_MAX : now_us + r->options.fetch_timeout_ms * 1500;
	case RAFT_UNATTACHED:
		if (!raft_may_stand(r))
			return INT64_MAX;
		/* who begins a higher epoch must not keep others from ever standing */
		if (is_waiting && r->deadline_us > now_us && r->deadline_us != INT64_MAX)
			return r->deadline_us;
		return now_us + election_timeout_us(r);
	case RAFT_RESIGNED: return now_us + election_timeout_us(r);
	default: return raft_may_stand(r) ? now_us + election_timeout_us(r) : INT64_MAX;
	}
}

/* A node that comes up and knows of no leader asks soon whether it would win: that costs others
 * nothing, and tells it who leads, if anybody does. */
void raft_start_waiting(struct raft *r)
{
	int64_t wait_us = election_timeout_us(r);

	if (r->role == RAFT_UNATTACHED)
		wait_us = (wait_us - r->options.election_timeout_ms * 1000) / 8;
	/* who led and votes no more has to look for the leader: nobody tells it */
	r->deadline_us = raft_is_alone(r)                                ? 0
			 : raft_may_stand(r) || r->role == RAFT_RESIGNED ? raft_now_us(r) + wait_us
									 : INT64_MAX;
}

void raft_leader_is_gone(struct raft *r)
{
	int64_t wait_us = election_timeout_us(r) - r->options.election_timeout_ms * 1000;

	if (r->role != RAFT_FOLLOWER || !r->has_fetched || !raft_may_stand(r))
		return;
	say_info("epoch %d: node %d does not listen any more", r->state.leader_epoch,
		 r->state.leader_id);
	r->has_fetched = false;
	r->deadline_us = MIN(r->deadline_us, raft_now_us(r) + wait_us / 8);
}

static int persist(struct raft *r, const struct quorum_state *state, struct err *err)
{
	return quorum_state_write(r->options.env, r->state_path, state, r->kraft_version, r->voters,
				  err);
}

int raft_move(struct raft *r, enum raft_role to, struct quorum_state state, struct err *err)
{
	enum raft_role from = r->role;
	int rc = 0;

	assert(roles[from].next & (1u << to));
	assert(state.leader_epoch >= r->state.leader_epoch);
	assert(from != RAFT_LEADER || to == RAFT_RESIGNED ||
	       state.leader_epoch > r->state.leader_epoch);
	/* a candidate that has won at once comes to the disk as leader */
	if (roles[to].is_durable && !(to == RAFT_CANDIDATE && raft_is_alone(r)) &&
	    !FAULT(epoch_unsaved))
		rc = persist(r, &state, err);
	if (rc < 0)
		return rc;
	say_debug("epoch %d: %s -> %s", state.leader_epoch, roles[from].name, roles[to].name);
	r->role = to;
	r->state = state;
	r->has_fetched = false;
	r->drain_us = INT64_MAX;
	r->deadline_us = role_deadline_us(r, from);
	if (to != RAFT_LEADER)
		r->epoch_start = -1;
	raft_links_reset(r);
	raft_download_drop(r);
	r->update_us = 0;
	r->has_told = false;
	raft_forget_told(r);
	if (from == RAFT_LEADER) {
		raft_drop_change(r, KERR_NOT_LEADER_OR_FOLLOWER);
		raft_drop_observers(r);
		raft_serve_parked(r);
	}
	return 0;
}

int raft_keep_vote(struct raft *r, int32_t node_id, struct uuid directory_id, struct err *err)
{
	struct quorum_state state = r->state;
	int rc;

	state.voted_id = node_id;
	state.voted_directory_id = directory_id;
	rc = FAULT(vote_unsaved) ? 0 : persist(r, &state, err);
	if (rc < 0)
		return rc;
	r->state = state;
	r->deadline_us = raft_now_us(r) + election_timeout_us(r);
	return 0;
}

/* ---- Learning -------------------------------------------------------------------------------- */

static int follow(struct raft *r, struct quorum_state state, struct str host, uint16_t port,
		  struct err *err)
{
	bool is_new = r->role != RAFT_FOLLOWER || r->state.leader_epoch != state.leader_epoch;
	int rc = raft_move(r, RAFT_FOLLOWER, state, err);

	if (rc < 0)
		return rc;
	arena_reset(&r->leader_arena);
	r->leader = (struct raft_link){
		.node_id = state.leader_id, .host = str_dup(&r->leader_arena, host), .port = port};
	if (is_new)
		say_info("node %d leads epoch %d at %.*s:%d", state.leader_id, state.leader_epoch,
			 STR(host), port);
	return 0;
}

int raft_learn(struct raft *r, int32_t leader_epoch, int32_t leader_id, struct str host,
	       uint16_t port, struct err *err)
{
	bool is_newer = leader_epoch > r->state.leader_epoch;
	struct quorum_state state = {
		.leader_epoch = leader_epoch, .leader_id = leader_id, .voted_id = -1};

	if (leader_epoch < r->state.leader_epoch)
		return 0;
	if (leader_id == r->options.node_id) {
		/* An epoch of its own that it does not lead any more: nobody else can, either. */
		if (!is_newer)
			return 0;
		state.leader_id = leader_id = -1;
	}
	if (!is_newer) {
		if (leader_id < 0 || r->role == RAFT_LEADER || r->role == RAFT_RESIGNED)
			return 0;
		if (r->state.leader_id >= 0 && r->state.leader_id != leader_id) {
			say_error("epoch %d: node %d is said to lead, but node %d does",
				  leader_epoch, leader_id, r->state.leader_id);
			return 0;
		}
		/* who looks for another leader is not told by those who still follow this one */
		if (r->leader.node_id == leader_id && r->state.leader_id == leader_id)
			return 0;
		state.voted_id = r->state.voted_id;
		state.voted_directory_id = r->state.voted_directory_id;
	}
	if (leader_id >= 0 && str_is_null(host) && !raft_voter_address(r, leader_id, &host, &port))
		host = STR_NULL;
	if (leader_id >= 0 && !str_is_null(host))
		return follow(r, state, host, port, err);
	if (is_newer)
		return raft_move(r, RAFT_UNATTACHED, state, err);
	return 0;
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static int timer_expired(struct raft *r, struct err *err)
{
	struct quorum_state state = r->state;

	switch (r->role) {
	case RAFT_LEADER:
		say_warn("epoch %d: no majority of the voters fetches any more: resigning",
			 state.leader_epoch);
		return raft_move(r, RAFT_RESIGNED, state, err);
	case RAFT_RESIGNED:
		if (raft_is_alone(r))
			return raft_become_prospective(r, err);
		/* who observes now looks for the leader, and disturbs nobody with a new epoch */
		if (!raft_may_stand(r))
			return raft_move(r, RAFT_UNATTACHED, state, err);
		state = (struct quorum_state){
			.leader_epoch = state.leader_epoch + 1, .leader_id = -1, .voted_id = -1};
		return raft_move(r, RAFT_UNATTACHED, state, err);
	case RAFT_PROSPECTIVE: return raft_count_votes(r, err);
	case RAFT_FOLLOWER:
		if (!raft_may_stand(r)) {
			/* it goes on asking, also others (raft_follow) */
			r->deadline_us = raft_now_us(r) + r->options.fetch_timeout_ms * 1000;
			return 0;
		}
		return raft_become_prospective(r, err);
	default: return raft_become_prospective(r, err);
	}
}

int raft_run_timers(struct raft *r, struct err *err)
{
	int rc = 0;

	while (rc == 0 && raft_now_us(r) >= r->deadline_us) {
		r->deadline_us = INT64_MAX;
		rc = timer_expired(r, err);
	}
	return rc;
}

int raft_resign(struct raft *r, struct err *err)
{
	int rc;

	if (r->role != RAFT_LEADER)
		return 0;
	rc = raft_move(r, RAFT_RESIGNED, r->state, err);
	if (rc == 0)
		raft_announce(r);
	return rc < 0 ? raft_fail(r, rc, err) : 0;
}
