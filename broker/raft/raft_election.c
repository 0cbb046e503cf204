/* Elections: asking whether one would win (pre-vote), standing, granting and counting votes. */
#include "base/fault.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/raft"

/* ---- Standing -------------------------------------------------------------------------------- */

static void open_ballots(struct raft *r)
{
	for (size_t i = 0; i < r->peer_count; i++)
		r->peers[i].ballot = BALLOT_OPEN;
}

static size_t count_ballots(const struct raft *r, enum raft_ballot ballot)
{
	size_t count = 0;

	for (size_t i = 0; i < r->peer_count; i++)
		count += r->peers[i].ballot == ballot;
	return count;
}

int raft_become_prospective(struct raft *r, struct err *err)
{
	int rc = raft_move(r, RAFT_PROSPECTIVE, r->state, err);

	if (rc < 0)
		return rc;
	open_ballots(r);
	return raft_count_votes(r, err);
}

int raft_become_candidate(struct raft *r, struct err *err)
{
	struct quorum_state state = {
		.leader_epoch = r->state.leader_epoch + 1,
		.leader_id = -1,
		.voted_id = r->options.node_id,
		.voted_directory_id = r->options.directory_id,
	};
	int rc = raft_move(r, RAFT_CANDIDATE, state, err);

	if (rc < 0)
		return rc;
	open_ballots(r);
	return raft_count_votes(r, err);
}

static int become_leader(struct raft *r, struct err *err)
{
	struct quorum_state state = {.leader_epoch = r->state.leader_epoch,
				     .leader_id = r->options.node_id,
				     .voted_id = -1};
	int rc = raft_move(r, RAFT_LEADER, state, err);

	if (rc < 0)
		return rc;
	r->begin_us = raft_now_us(r);
	for (size_t i = 0; i < r->peer_count; i++) {
		struct raft_peer *peer = &r->peers[i];

		peer->end_offset = -1;
		peer->last_fetch_us = INT64_MIN;
		peer->last_fetch_ms = peer->last_caught_up_ms = -1;
		peer->has_fetched = peer->has_ended = false;
	}
	return raft_begin_epoch(r, err);
}

/* The pre-vote is lost: back to the leader that is known, or to waiting for one. */
static int give_way(struct raft *r, struct err *err)
{
	bool has_leader = r->state.leader_id >= 0 && r->leader.node_id == r->state.leader_id;

	return raft_move(r, has_leader ? RAFT_FOLLOWER : RAFT_UNATTACHED, r->state, err);
}

int raft_count_votes(struct raft *r, struct err *err)
{
	size_t granted = count_ballots(r, BALLOT_GRANTED) + (r->is_voter ? 1 : 0);
	size_t refused = count_ballots(r, BALLOT_REFUSED);
	size_t voters = r->peer_count + (r->is_voter ? 1 : 0);
	bool is_over = r->role == RAFT_PROSPECTIVE && raft_now_us(r) >= r->deadline_us;

	if (r->role != RAFT_PROSPECTIVE && r->role != RAFT_CANDIDATE)
		return 0;
	if (granted >= raft_majority(r))
		return r->role == RAFT_PROSPECTIVE ? raft_become_candidate(r, err)
						   : become_leader(r, err);
	/* A candidate that lost waits until its time is over: others may stand meanwhile. */
	if (r->role == RAFT_PROSPECTIVE &&
	    (is_over || r->deadline_us == INT64_MAX || voters - refused < raft_majority(r)))
		return give_way(r, err);
	return 0;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static void ask_vote(struct raft *r, struct raft_peer *peer)
{
	struct vote_request *m = WIRE_NEW(&r->scratch, vote_request);
	struct vote_request_partition_data *p;

	m->cluster_id = r->cluster_id;
	m->voter_id = peer->link.node_id;
	m->topics = WIRE_ARRAY(&r->scratch, vote_request_topic_data, 1);
	m->topics_count = 1;
	m->topics[0].topic_name = STR_LIT(METADATA_TOPIC);
	p = m->topics[0].partitions = WIRE_ARRAY(&r->scratch, vote_request_partition_data, 1);
	m->topics[0].partitions_count = 1;
	p->replica_epoch = r->state.leader_epoch;
	p->replica_id = r->options.node_id;
	p->replica_directory_id = r->options.directory_id;
	p->voter_directory_id = peer->directory_id;
	p->last_offset_epoch = raft_last_epoch(r);
	p->last_offset = log_end_offset(r->log);
	p->pre_vote = r->role == RAFT_PROSPECTIVE;
	raft_link_send(r, &peer->link, API_VOTE, m);
}

void raft_ask_votes(struct raft *r)
{
	for (size_t i = 0; i < r->peer_count; i++) {
		struct raft_peer *peer = &r->peers[i];

		if (peer->ballot == BALLOT_OPEN && raft_link_is_ready(r, &peer->link))
			ask_vote(r, peer);
	}
}

int raft_on_vote_response(struct raft *r, struct raft_link *link, const struct vote_response *m,
			  struct err *err)
{
	enum raft_role role = r->role;
	struct raft_peer *peer;
	struct raft_reply reply;
	bool counts;
	int rc;

	raft_read_vote_response(m, &reply);
	if (role == RAFT_PROSPECTIVE && !reply.is_whole && reply.error == KERR_UNSUPPORTED_VERSION)
		return raft_become_candidate(r, err);
	rc = raft_weigh(r, link, &reply, &counts, err);
	peer = raft_peer_of(r, link);
	if (rc < 0 || !counts || r->role != role || !peer ||
	    (role != RAFT_PROSPECTIVE && role != RAFT_CANDIDATE))
		return rc;
	peer->ballot = m->topics[0].partitions[0].vote_granted ? BALLOT_GRANTED : BALLOT_REFUSED;
	return raft_count_votes(r, err);
}

/* ---- Granting -------------------------------------------------------------------------------- */

static bool is_up_to_date(const struct raft *r, const struct vote_request_partition_data *p)
{
	int32_t own_epoch = raft_last_epoch(r);

	if (FAULT(vote_for_any_log))
		return true;
	if (p->last_offset_epoch != own_epoch)
		return p->last_offset_epoch > own_epoch;
	return p->last_offset >= log_end_offset(r->log);
}

static bool may_grant(const struct raft *r, const struct vote_request_partition_data *p)
{
	bool is_waiting = r->role == RAFT_UNATTACHED || r->role == RAFT_PROSPECTIVE;

	if (r->role == RAFT_LEADER)
		return false;
	if (p->pre_vote) {
		/* who hears from a leader sees no need for another one */
		if ((r->role == RAFT_FOLLOWER && r->has_fetched) || FAULT(pre_vote_refused))
			return false;
		return is_up_to_date(r, p);
	}
	if (!is_waiting)
		return false;
	if (r->state.voted_id >= 0 && !FAULT(vote_twice))
		return r->state.voted_id == p->replica_id &&
		       (uuid_is_zero(r->state.voted_directory_id) ||
			uuid_eq(r->state.voted_directory_id, p->replica_directory_id));
	return r->state.leader_id < 0 && is_up_to_date(r, p);
}

int raft_on_vote(struct raft *r, struct raft_inbound *in, struct err *err)
{
	const struct vote_request *m = in->body;
	enum kafka_error error;
	const struct vote_request_partition_data *p = raft_read_vote(r, m, &error);
	bool is_granted;
	int rc = 0;

	if (!p) {
		raft_refuse(r, in, error, true);
		return 0;
	}
	if (p->last_offset < 0 || p->last_offset_epoch < 0 || p->replica_id < 0 ||
	    p->replica_id == r->options.node_id ||
	    p->last_offset_epoch > p->replica_epoch - (p->pre_vote ? 0 : 1)) {
		raft_refuse(r, in, KERR_INVALID_REQUEST, false);
		return 0;
	}
	if (p->replica_epoch < r->state.leader_epoch) {
		raft_refuse(r, in, KERR_FENCED_LEADER_EPOCH, false);
		return 0;
	}
	rc = raft_learn(r, p->replica_epoch, -1, STR_NULL, 0, err);
	if (rc < 0)
		return rc;
	if (m->voter_id >= 0 && (m->voter_id != r->options.node_id ||
				 (!uuid_is_zero(p->voter_directory_id) &&
				  !uuid_eq(p->voter_directory_id, r->options.directory_id)))) {
		raft_refuse(r, in, KERR_INVALID_VOTER_KEY, false);
		return 0;
	}
	is_granted = may_grant(r, p);
	if (is_granted && !p->pre_vote)
		rc = raft_keep_vote(r, p->replica_id, p->replica_directory_id, err);
	if (rc < 0)
		return rc;
	say_debug("epoch %d: %s for node %d %s", p->replica_epoch,
		  p->pre_vote ? "pre-vote" : "vote", p->replica_id,
		  is_granted ? "granted" : "refused");
	raft_answer_vote(r, in, is_granted);
	return 0;
}
