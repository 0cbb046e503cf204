/* Between the messages of KRaft, each with one topic and one partition in its own words, and what
 * they say. */
#include "raft/raft_int.h"

/* ---- Responses that came --------------------------------------------------------------------- */

#define REPLY_NONE ((struct raft_reply){.leader_id = -1, .leader_epoch = -1})

/* The endpoint of the node that leads, among those of a response. */
#define REPLY_ENDPOINT(m, out) \
	do { \
		for (int32_t i = 0; i < (m)->node_endpoints_count; i++) { \
			if ((m)->node_endpoints[i].node_id != (out)->leader_id) \
				continue; \
			(out)->host = (m)->node_endpoints[i].host; \
			(out)->port = (uint16_t)(m)->node_endpoints[i].port; \
		} \
	} while (0)

/* For responses whose partition says the leader in two fields, and in a struct. */
#define REPLY_READ(m, topics, leader, out) \
	do { \
		*(out) = REPLY_NONE; \
		(out)->error = (enum kafka_error)(m)->error_code; \
		if ((m)->topics##_count == 1 && (m)->topics[0].partitions_count == 1) { \
			(out)->is_whole = (out)->error == KERR_NONE; \
			if ((out)->is_whole) \
				(out)->error = \
					(enum kafka_error)(m)->topics[0].partitions[0].error_code; \
			(out)->leader_id = (m)->topics[0].partitions[0].leader leader_id; \
			(out)->leader_epoch = (m)->topics[0].partitions[0].leader leader_epoch; \
		} \
		REPLY_ENDPOINT(m, out); \
	} while (0)

void raft_read_vote_response(const struct vote_response *m, struct raft_reply *out)
{
	REPLY_READ(m, topics, , out);
}

void raft_read_begin_response(const struct begin_quorum_epoch_response *m, struct raft_reply *out)
{
	REPLY_READ(m, topics, , out);
}

void raft_read_end_response(const struct end_quorum_epoch_response *m, struct raft_reply *out)
{
	REPLY_READ(m, topics, , out);
}

void raft_read_fetch_response(const struct fetch_response *m, struct raft_reply *out)
{
	REPLY_READ(m, responses, current_leader., out);
}

void raft_read_fetch_snapshot_response(const struct fetch_snapshot_response *m,
				       struct raft_reply *out)
{
	REPLY_READ(m, topics, current_leader., out);
}

int raft_weigh(struct raft *r, struct raft_link *link, const struct raft_reply *reply, bool *counts,
	       struct err *err)
{
	int rc = 0;

	*counts = false;
	/* A role taken up now makes all links ready again, but this one: it has just failed. */
	if (reply->error != KERR_NONE || !reply->is_whole)
		raft_link_back_off(r, link);
	if (!reply->is_whole || reply->error == KERR_UNKNOWN_LEADER_EPOCH ||
	    reply->leader_epoch < r->state.leader_epoch)
		return 0;
	rc = raft_learn(r, reply->leader_epoch, reply->leader_id, reply->host, reply->port, err);
	*counts = rc == 0 && reply->error == KERR_NONE &&
		  reply->leader_epoch == r->state.leader_epoch;
	return rc;
}

/* ---- Requests that came ---------------------------------------------------------------------- */

static enum kafka_error check_cluster(const struct raft *r, struct str cluster_id)
{
	if (str_is_null(cluster_id) || str_is_null(r->cluster_id) ||
	    str_eq(cluster_id, r->cluster_id))
		return KERR_NONE;
	return KERR_INCONSISTENT_CLUSTER_ID;
}

/* Gives the one partition of METADATA_TOPIC out of a request, or the error. */
#define REQUEST_READ(r, m, topic_fits, index, error) \
	do { \
		*(error) = check_cluster((r), (m)->cluster_id); \
		if (*(error) != KERR_NONE) \
			return NULL; \
		*(error) = KERR_INVALID_REQUEST; \
		if ((m)->topics_count != 1 || (m)->topics[0].partitions_count != 1 || \
		    !(topic_fits) || (m)->topics[0].partitions[0].index != 0) \
			return NULL; \
		*(error) = KERR_NONE; \
		return &(m)->topics[0].partitions[0]; \
	} while (0)

const struct vote_request_partition_data *
raft_read_vote(const struct raft *r, const struct vote_request *m, enum kafka_error *error)
{
	REQUEST_READ(r, m, str_is(m->topics[0].topic_name, METADATA_TOPIC), partition_index, error);
}

const struct begin_quorum_epoch_request_partition_data *
raft_read_begin(const struct raft *r, const struct begin_quorum_epoch_request *m,
		enum kafka_error *error)
{
	REQUEST_READ(r, m, str_is(m->topics[0].topic_name, METADATA_TOPIC), partition_index, error);
}

const struct end_quorum_epoch_request_partition_data *
raft_read_end(const struct raft *r, const struct end_quorum_epoch_request *m,
	      enum kafka_error *error)
{
	REQUEST_READ(r, m, str_is(m->topics[0].topic_name, METADATA_TOPIC), partition_index, error);
}

/* Fetch names the topic by its id from version 13 on, by its name before. */
static bool is_metadata_topic(const struct fetch_request_topic *topic)
{
	return uuid_eq(topic->topic_id, METADATA_TOPIC_ID) ||
	       (uuid_is_zero(topic->topic_id) && str_is(topic->topic, METADATA_TOPIC));
}

const struct fetch_request_partition *
raft_read_fetch(const struct raft *r, const struct fetch_request *m, enum kafka_error *error)
{
	REQUEST_READ(r, m, is_metadata_topic(&m->topics[0]), partition, error);
}

const struct fetch_snapshot_request_partition_snapshot *
raft_read_fetch_snapshot(const struct raft *r, const struct fetch_snapshot_request *m,
			 enum kafka_error *error)
{
	REQUEST_READ(r, m, str_is(m->topics[0].name, METADATA_TOPIC), partition, error);
}

/* ---- Responses to them ----------------------------------------------------------------------- */

bool raft_leader_address(const struct raft *r, struct str listener, struct str *host,
			 uint16_t *port)
{
	int32_t leader_id = raft_leader_id(r);

	if (leader_id < 0)
		return false;
	for (int32_t i = 0; i < r->voters->voters_count; i++) {
		const struct voters_record_voter *v = &r->voters->voters[i];

		for (int32_t j = 0; v->voter_id == leader_id && j < v->endpoints_count; j++) {
			if (!str_eq(v->endpoints[j].name, listener))
				continue;
			*host = v->endpoints[j].host;
			*port = v->endpoints[j].port;
			return true;
		}
	}
	if (!str_eq(listener, r->endpoint_name))
		return false;
	if (leader_id == r->options.node_id) {
		*host = r->endpoint_host;
		*port = (uint16_t)r->options.endpoint.port;
	} else if (r->role == RAFT_FOLLOWER) {
		*host = r->leader.host;
		*port = r->leader.port;
	} else {
		return false;
	}
	return !str_is_null(*host);
}

/* Puts the leader's endpoint into a response of `type`. */
#define ANSWER_ENDPOINT(r, in, m, type) \
	do { \
		struct str host; \
		uint16_t port; \
\
		if (!raft_leader_address((r), (in)->listener, &host, &port)) \
			break; \
		(m)->node_endpoints = WIRE_ARRAY((in)->arena, type##_node_endpoint, 1); \
		(m)->node_endpoints_count = 1; \
		(m)->node_endpoints[0].node_id = raft_leader_id(r); \
		(m)->node_endpoints[0].host = host; \
		(m)->node_endpoints[0].port = port; \
	} while (0)

static struct vote_response *new_vote_response(struct raft *r, struct raft_inbound *in,
					       enum kafka_error error)
{
	struct vote_response *m = WIRE_NEW(in->arena, vote_response);
	struct vote_response_partition_data *p =
		WIRE_ARRAY(in->arena, vote_response_partition_data, 1);

	m->topics = WIRE_ARRAY(in->arena, vote_response_topic_data, 1);
	m->topics_count = 1;
	m->topics[0].topic_name = STR_LIT(METADATA_TOPIC);
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->error_code = (int16_t)error;
	p->leader_id = raft_leader_id(r);
	p->leader_epoch = r->state.leader_epoch;
	ANSWER_ENDPOINT(r, in, m, vote_response);
	return m;
}

void raft_answer_vote(struct raft *r, struct raft_inbound *in, bool is_granted)
{
	struct vote_response *m = new_vote_response(r, in, KERR_NONE);

	m->topics[0].partitions[0].vote_granted = is_granted;
	in->answer(in, m);
}

#define NEW_EPOCH_RESPONSE(r, in, error, type, m) \
	do { \
		struct type##_partition_data *p = \
			WIRE_ARRAY((in)->arena, type##_partition_data, 1); \
\
		(m)->topics = WIRE_ARRAY((in)->arena, type##_topic_data, 1); \
		(m)->topics_count = 1; \
		(m)->topics[0].topic_name = STR_LIT(METADATA_TOPIC); \
		(m)->topics[0].partitions = p; \
		(m)->topics[0].partitions_count = 1; \
		p->error_code = (int16_t)(error); \
		p->leader_id = raft_leader_id(r); \
		p->leader_epoch = (r)->state.leader_epoch; \
		ANSWER_ENDPOINT(r, in, m, type); \
	} while (0)

struct fetch_response *raft_new_fetch_response(struct raft *r, struct raft_inbound *in,
					       enum kafka_error error)
{
	struct fetch_response *m = WIRE_NEW(in->arena, fetch_response);
	struct fetch_response_partition_data *p =
		WIRE_ARRAY(in->arena, fetch_response_partition_data, 1);

	m->responses = WIRE_ARRAY(in->arena, fetch_response_fetchable_topic_response, 1);
	m->responses_count = 1;
	m->responses[0].topic = STR_LIT(METADATA_TOPIC);
	m->responses[0].topic_id = METADATA_TOPIC_ID;
	m->responses[0].partitions = p;
	m->responses[0].partitions_count = 1;
	p->error_code = (int16_t)error;
	p->current_leader.leader_id = raft_leader_id(r);
	p->current_leader.leader_epoch = r->state.leader_epoch;
	p->high_watermark = r->role == RAFT_LEADER ? r->high_watermark : -1;
	p->log_start_offset = log_start_offset(r->log);
	p->records = (struct slice){.data = (const uint8_t *)"", .len = 0};
	ANSWER_ENDPOINT(r, in, m, fetch_response);
	return m;
}

struct fetch_snapshot_response *
raft_new_fetch_snapshot_response(struct raft *r, struct raft_inbound *in, enum kafka_error error)
{
	struct fetch_snapshot_response *m = WIRE_NEW(in->arena, fetch_snapshot_response);
	struct fetch_snapshot_response_partition_snapshot *p =
		WIRE_ARRAY(in->arena, fetch_snapshot_response_partition_snapshot, 1);

	m->topics = WIRE_ARRAY(in->arena, fetch_snapshot_response_topic_snapshot, 1);
	m->topics_count = 1;
	m->topics[0].name = STR_LIT(METADATA_TOPIC);
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->error_code = (int16_t)error;
	p->current_leader.leader_id = raft_leader_id(r);
	p->current_leader.leader_epoch = r->state.leader_epoch;
	p->unaligned_records = (struct slice){.data = (const uint8_t *)"", .len = 0};
	ANSWER_ENDPOINT(r, in, m, fetch_snapshot_response);
	return m;
}

/* The response with nothing but an error for all of it. */
#define REFUSE_WHOLE(in, type, error) \
	do { \
		struct type *whole = WIRE_NEW((in)->arena, type); \
\
		whole->error_code = (int16_t)(error); \
		(in)->answer((in), whole); \
	} while (0)

static void refuse_whole(struct raft *r, struct raft_inbound *in, enum kafka_error error)
{
	switch (in->api) {
	case API_VOTE: REFUSE_WHOLE(in, vote_response, error); break;
	case API_BEGIN_QUORUM_EPOCH: REFUSE_WHOLE(in, begin_quorum_epoch_response, error); break;
	case API_END_QUORUM_EPOCH: REFUSE_WHOLE(in, end_quorum_epoch_response, error); break;
	case API_FETCH: REFUSE_WHOLE(in, fetch_response, error); break;
	case API_FETCH_SNAPSHOT: REFUSE_WHOLE(in, fetch_snapshot_response, error); break;
	default: raft_refuse_change(r, in, error); break;
	}
}

void raft_refuse(struct raft *r, struct raft_inbound *in, enum kafka_error error, bool is_whole)
{
	struct begin_quorum_epoch_response *begin;
	struct end_quorum_epoch_response *end;

	if (is_whole) {
		refuse_whole(r, in, error);
		return;
	}
	switch (in->api) {
	case API_VOTE: in->answer(in, new_vote_response(r, in, error)); break;
	case API_BEGIN_QUORUM_EPOCH:
		begin = WIRE_NEW(in->arena, begin_quorum_epoch_response);
		NEW_EPOCH_RESPONSE(r, in, error, begin_quorum_epoch_response, begin);
		in->answer(in, begin);
		break;
	case API_END_QUORUM_EPOCH:
		end = WIRE_NEW(in->arena, end_quorum_epoch_response);
		NEW_EPOCH_RESPONSE(r, in, error, end_quorum_epoch_response, end);
		in->answer(in, end);
		break;
	case API_FETCH: in->answer(in, raft_new_fetch_response(r, in, error)); break;
	default:
		assert(in->api == API_FETCH_SNAPSHOT);
		in->answer(in, raft_new_fetch_snapshot_response(r, in, error));
		break;
	}
}
