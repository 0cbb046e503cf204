/* Roles, and the elections between them. */
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

/* Enters a role with what the node then knows. The state is on the disk before it is believed. */
static int raft_move(struct raft *r, enum raft_role to, struct quorum_state state, struct err *err)
{
	int rc = 0;

	assert(roles[r->role].next & (1u << to));
	assert(state.leader_epoch >= r->state.leader_epoch);
	/* a candidate that has won at once comes to the disk as leader */
	if (roles[to].is_durable && !(to == RAFT_CANDIDATE && raft_is_majority(r)))
		rc = quorum_state_write(r->options.env, r->state_path, &state, r->kraft_version,
					r->voters, err);
	if (rc < 0)
		return rc;
	say_debug("epoch %d: %s -> %s", state.leader_epoch, roles[r->role].name, roles[to].name);
	r->role = to;
	r->state = state;
	if (to != RAFT_LEADER)
		r->epoch_start = -1;
	return 0;
}

bool raft_is_voter(const struct raft *r, const struct voters_record_voter *v)
{
	return v->voter_id == r->options.node_id &&
	       (uuid_is_zero(v->voter_directory_id) ||
		uuid_eq(v->voter_directory_id, r->options.directory_id));
}

bool raft_is_majority(const struct raft *r)
{
	int32_t own = 0;

	for (int32_t i = 0; i < r->voters->voters_count; i++)
		own += raft_is_voter(r, &r->voters->voters[i]);
	return own >= r->voters->voters_count / 2 + 1;
}

void raft_set_voters(struct raft *r, const struct voters_record *voters, int64_t offset)
{
	struct arena old = r->voters_arena;

	/* `voters` may be what the old arena holds */
	arena_init(&r->voters_arena);
	r->voters = message_copy(&voters_record_desc, &r->voters_arena, voters);
	r->voters_offset = offset;
	arena_fini(&old);
}

/* The election timer of a voter ran out. Its own vote is all it needs when it is the majority. */
int raft_start_election(struct raft *r, struct err *err)
{
	struct quorum_state state = r->state;
	int rc;

	if (r->role == RAFT_LEADER)
		return 0;
	rc = raft_move(r, RAFT_PROSPECTIVE, state, err);
	assert(raft_is_majority(r));
	if (rc == 0) {
		state.leader_epoch++;
		state.leader_id = -1;
		state.voted_id = r->options.node_id;
		state.voted_directory_id = r->options.directory_id;
		rc = raft_move(r, RAFT_CANDIDATE, state, err);
	}
	if (rc == 0) {
		state.leader_id = r->options.node_id;
		state.voted_id = -1;
		state.voted_directory_id = (struct uuid){0};
		rc = raft_move(r, RAFT_LEADER, state, err);
	}
	if (rc == 0)
		rc = raft_begin_epoch(r, err);
	return rc;
}

int raft_resign(struct raft *r, struct err *err)
{
	if (r->role != RAFT_LEADER)
		return 0;
	return raft_move(r, RAFT_RESIGNED, r->state, err);
}
