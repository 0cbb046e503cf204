/* What a leader says of its epoch to the other voters: that it has begun, and that it is over. */
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#define SAY_PLACE "broker/raft"

/* ---- Sending --------------------------------------------------------------------------------- */

static void send_begin(struct raft *r, struct raft_peer *peer)
{
	struct begin_quorum_epoch_request *m = WIRE_NEW(&r->scratch, begin_quorum_epoch_request);
	struct begin_quorum_epoch_request_partition_data *p;

	m->cluster_id = r->cluster_id;
	m->voter_id = peer->link.node_id;
	m->topics = WIRE_ARRAY(&r->scratch, begin_quorum_epoch_request_topic_data, 1);
	m->topics_count = 1;
	m->topics[0].topic_name = STR_LIT(METADATA_TOPIC);
	p = WIRE_ARRAY(&r->scratch, begin_quorum_epoch_request_partition_data, 1);
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->voter_directory_id = peer->directory_id;
	p->leader_id = r->options.node_id;
	p->leader_epoch = r->state.leader_epoch;
	if (!str_is_null(r->endpoint_host)) {
		m->leader_endpoints =
			WIRE_ARRAY(&r->scratch, begin_quorum_epoch_request_leader_endpoint, 1);
		m->leader_endpoints_count = 1;
		m->leader_endpoints[0].name = r->endpoint_name;
		m->leader_endpoints[0].host = r->endpoint_host;
		m->leader_endpoints[0].port = (uint16_t)r->options.endpoint.port;
	}
	raft_link_send(r, &peer->link, API_BEGIN_QUORUM_EPOCH, m);
}

static int peer_cmp(const void *a, const void *b)
{
	const struct raft_peer *x = *(struct raft_peer *const *)a;
	const struct raft_peer *y = *(struct raft_peer *const *)b;

	if (x->end_offset != y->end_offset)
		return x->end_offset > y->end_offset ? -1 : 1;
	return (x->link.node_id > y->link.node_id) - (x->link.node_id < y->link.node_id);
}

static void send_end(struct raft *r, struct raft_peer *peer)
{
	struct end_quorum_epoch_request *m = WIRE_NEW(&r->scratch, end_quorum_epoch_request);
	struct end_quorum_epoch_request_partition_data *p;
	struct raft_peer **order =
		arena_array(&r->scratch, r->peer_count, sizeof(struct raft_peer *));

	m->cluster_id = r->cluster_id;
	m->topics = WIRE_ARRAY(&r->scratch, end_quorum_epoch_request_topic_data, 1);
	m->topics_count = 1;
	m->topics[0].topic_name = STR_LIT(METADATA_TOPIC);
	p = WIRE_ARRAY(&r->scratch, end_quorum_epoch_request_partition_data, 1);
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->leader_id = r->options.node_id;
	p->leader_epoch = r->state.leader_epoch;
	p->preferred_candidates =
		WIRE_ARRAY(&r->scratch, end_quorum_epoch_request_replica_info, r->peer_count);
	p->preferred_successors = arena_array(&r->scratch, r->peer_count, sizeof(int32_t));
	p->preferred_candidates_count = p->preferred_successors_count = (int32_t)r->peer_count;
	for (size_t i = 0; i < r->peer_count; i++)
		order[i] = &r->peers[i];
	qsort(order, r->peer_count, sizeof(struct raft_peer *), peer_cmp);
	for (size_t i = 0; i < r->peer_count; i++) {
		p->preferred_successors[i] = order[i]->link.node_id;
		p->preferred_candidates[i].candidate_id = order[i]->link.node_id;
		p->preferred_candidates[i].candidate_directory_id = order[i]->directory_id;
	}
	raft_link_send(r, &peer->link, API_END_QUORUM_EPOCH, m);
}

static void announce_begin(struct raft *r)
{
	int64_t now_us = raft_now_us(r);
	int64_t period_us = r->options.fetch_timeout_ms * 500;

	if (now_us < r->begin_us)
		return;
	r->begin_us = r->peer_count ? now_us + period_us : INT64_MAX;
	for (size_t i = 0; i < r->peer_count; i++) {
		struct raft_peer *peer = &r->peers[i];
		bool is_silent = peer->last_fetch_us == INT64_MIN ||
				 now_us - peer->last_fetch_us > period_us;

		if (is_silent && raft_link_is_ready(r, &peer->link))
			send_begin(r, peer);
	}
}

void raft_announce(struct raft *r)
{
	if (r->role == RAFT_LEADER)
		announce_begin(r);
	for (size_t i = 0; r->role == RAFT_RESIGNED && i < r->peer_count; i++) {
		struct raft_peer *peer = &r->peers[i];

		if (!peer->has_ended && raft_link_is_ready(r, &peer->link))
			send_end(r, peer);
	}
}

void raft_heard_from(struct raft *r, struct raft_peer *peer)
{
	size_t count = r->is_voter ? 1 : 0;

	peer->has_fetched = true;
	peer->last_fetch_us = raft_now_us(r);
	for (size_t i = 0; i < r->peer_count; i++)
		count += r->peers[i].has_fetched;
	if (count < raft_majority(r))
		return;
	for (size_t i = 0; i < r->peer_count; i++)
		r->peers[i].has_fetched = false;
	r->deadline_us = peer->last_fetch_us + r->options.fetch_timeout_ms * 1500;
}

int raft_on_begin_response(struct raft *r, const struct begin_quorum_epoch_response *m,
			   struct raft_link *link, struct err *err)
{
	struct raft_reply reply;
	bool counts;

	raft_read_begin_response(m, &reply);
	return raft_weigh(r, link, &reply, &counts, err);
}

int raft_on_end_response(struct raft *r, const struct end_quorum_epoch_response *m,
			 struct raft_link *link, struct err *err)
{
	struct raft_reply reply;
	struct raft_peer *peer;
	bool counts;
	int rc;

	raft_read_end_response(m, &reply);
	rc = raft_weigh(r, link, &reply, &counts, err);
	peer = raft_peer_of(r, link);
	if (peer && counts)
		peer->has_ended = true;
	return rc;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Where the leader says it listens, by the name of this node's own controller listener. */
static struct str endpoint_of(const struct raft *r,
			      const struct begin_quorum_epoch_request_leader_endpoint *endpoints,
			      int32_t count, uint16_t *port)
{
	for (int32_t i = 0; i < count; i++) {
		if (!str_eq(endpoints[i].name, r->endpoint_name))
			continue;
		*port = endpoints[i].port;
		return endpoints[i].host;
	}
	return STR_NULL;
}

/* May that node speak as the leader of that epoch? */
static enum kafka_error check_leader(const struct raft *r, int32_t leader_id, int32_t leader_epoch)
{
	if (leader_id < 0 || leader_id == r->options.node_id)
		return KERR_INVALID_REQUEST;
	return leader_epoch < r->state.leader_epoch ? KERR_FENCED_LEADER_EPOCH : KERR_NONE;
}

int raft_on_begin(struct raft *r, struct raft_inbound *in, struct err *err)
{
	const struct begin_quorum_epoch_request *m = in->body;
	enum kafka_error error;
	const struct begin_quorum_epoch_request_partition_data *p = raft_read_begin(r, m, &error);
	bool is_for_us = m->voter_id < 0 || m->voter_id == r->options.node_id;
	uint16_t port = 0;
	struct str host;
	int rc;

	if (!p) {
		raft_refuse(r, in, error, true);
		return 0;
	}
	error = check_leader(r, p->leader_id, p->leader_epoch);
	if (error != KERR_NONE) {
		raft_refuse(r, in, error, false);
		return 0;
	}
	host = endpoint_of(r, m->leader_endpoints, m->leader_endpoints_count, &port);
	rc = raft_learn(r, p->leader_epoch, p->leader_id, host, port, err);
	if (rc < 0)
		return rc;
	if (!is_for_us || (!uuid_is_zero(p->voter_directory_id) &&
			   !uuid_eq(p->voter_directory_id, r->options.directory_id)))
		error = KERR_INVALID_VOTER_KEY;
	raft_refuse(r, in, error, false);
	return 0;
}

/* How long this node waits before it stands: the first of the list not at all, each later one
 * longer than the one before it. */
static int64_t end_backoff_ms(const struct raft *r,
			      const struct end_quorum_epoch_request_partition_data *p)
{
	int32_t count = p->preferred_candidates_count, position = -1;
	int64_t max_ms = r->options.election_backoff_max_ms;

	for (int32_t i = 0; i < count && position < 0; i++) {
		if (p->preferred_candidates[i].candidate_id == r->options.node_id)
			position = i;
	}
	if (count == 0) {
		count = p->preferred_successors_count;
		for (int32_t i = 0; i < count && position < 0; i++) {
			if (p->preferred_successors[i] == r->options.node_id)
				position = i;
		}
	}
	if (position < 0)
		return max_ms;
	if (position == 0)
		return 0;
	return MIN(max_ms, (max_ms >> MIN(count - 1, 30)) << MIN(position - 1, 30));
}

int raft_on_end(struct raft *r, struct raft_inbound *in, struct err *err)
{
	const struct end_quorum_epoch_request *m = in->body;
	enum kafka_error error;
	const struct end_quorum_epoch_request_partition_data *p = raft_read_end(r, m, &error);
	int rc;

	if (!p) {
		raft_refuse(r, in, error, true);
		return 0;
	}
	error = check_leader(r, p->leader_id, p->leader_epoch);
	if (error != KERR_NONE) {
		raft_refuse(r, in, error, false);
		return 0;
	}
	rc = raft_learn(r, p->leader_epoch, p->leader_id, STR_NULL, 0, err);
	if (rc < 0)
		return rc;
	if (r->role == RAFT_FOLLOWER && r->is_voter && r->state.leader_id == p->leader_id) {
		r->has_fetched = false;
		r->deadline_us = raft_now_us(r) + end_backoff_ms(r, p) * 1000;
	}
	raft_refuse(r, in, KERR_NONE, false);
	return 0;
}
