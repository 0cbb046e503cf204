/* A scripted cluster for the client's tests: brokers on loopback ports, on the same loop as the
 * client. It keeps what was produced, checks the sequences of idempotent producers as a broker
 * does, and does what a test tells it to do wrong. */
#ifndef KAVKA_TESTS_MOCK_H
#define KAVKA_TESTS_MOCK_H

#include "base/clock.h"
#include "base/mem.h"
#include "client/client.h"
#include "net/conn.h"
#include "wire/batch.h"
#include "wire/header.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#define MOCK_NODES_MAX 3
#define MOCK_PARTITIONS_MAX 4

struct mock;

struct mock_conn {
	struct conn conn;
	struct mock_node *node;
	struct list_node link;
};

struct mock_node {
	struct mock *mock;
	int32_t id;
	int fd;
	uint16_t port;
	uv_poll_t poll;
	struct list_node conns;
};

struct mock_partition {
	int32_t leader, leader_epoch;
	int64_t producer_id;
	int32_t next_sequence;
	struct out log;			/* batches as they came, with offsets */
	int64_t end_offset;
};

/* What goes wrong the next `count` times an API is asked. */
enum mock_wrong { MOCK_FINE, MOCK_ERROR, MOCK_CLOSE, MOCK_CLOSE_AFTER, MOCK_SILENT };
struct mock_script {
	enum mock_wrong wrong;
	int code;
	int count;
	int skip;			/* so many requests are fine before */
	int32_t node;			/* only where this one is asked; 0: any */
};

struct mock {
	uv_loop_t loop;
	struct mock_node nodes[MOCK_NODES_MAX];
	int node_count;
	struct mock_partition parts[MOCK_PARTITIONS_MAX];
	int32_t part_count;
	bool has_topic;
	int16_t versions_max[128];	/* -2: as we have it */
	struct mock_script scripts[128];
	int asked[128];
	int64_t next_producer_id;
	size_t batch_bytes_max;
	struct fetch_response_aborted_transaction *aborted;
	int32_t aborted_count;
	int session_fetches, full_fetches;
	int64_t sessions[MOCK_NODES_MAX][MOCK_PARTITIONS_MAX];	/* offsets; -1: not in it */
	/* the group: one member */
	int32_t generation;
	int64_t committed[MOCK_PARTITIONS_MAX];	/* -1: none */
	int32_t committed_epoch;		/* of all of them */
	int left_count;
	/* the new protocol: what the coordinator gives the member */
	int32_t target_count;			/* partitions 0 to this */
	bool target_changed;			/* to be said by the next heartbeat */
	int32_t reported_count;			/* partitions that the member says it has; -1 */
	int handle_count;
};

static struct uuid mock_topic_id = {{7, 7, 7}};

/* ---- Answers ---- */

static void mock_sent(struct frame_out *f, int rc)
{
	(void)rc;
	slice_unref(&f->pieces[0].bytes);
	free(f->pieces);
	free(f);
}

static void mock_answer(struct mock_conn *mc, const struct api *api, int16_t version,
			int32_t correlation_id, const void *body)
{
	struct frame_out *f = xcalloc(1, sizeof(*f));
	struct out out;
	struct err err = {0};

	out_init(&out, 1 << 28);
	if (response_encode(api, version, correlation_id, body, &out, NULL, &err) < 0)
		fail_msg("mock: %s", err.text);
	f->pieces = xcalloc(1, sizeof(*f->pieces));
	f->piece_count = 1;
	f->pieces[0].bytes = slice_copy(out.data, out.len);
	f->sent = mock_sent;
	out_fini(&out);
	conn_send(&mc->conn, f);
}

static int16_t mock_max(struct mock *m, const struct api *api)
{
	return m->versions_max[api->key] == -2 ? api_max_stable(api) : m->versions_max[api->key];
}

static void *mock_versions(struct mock *m, struct arena *a, int16_t version)
{
	struct api_versions_response *r = WIRE_NEW(a, api_versions_response);

	r->api_keys = WIRE_ARRAY(a, api_versions_response_api_version, wire_api_count);
	if (version > mock_max(m, api_by_key(API_API_VERSIONS)))
		r->error_code = KERR_UNSUPPORTED_VERSION;
	for (size_t i = 0; i < wire_api_count; i++) {
		const struct api *api = &wire_apis[i];

		if (mock_max(m, api) < 0 || (r->error_code && api->key != API_API_VERSIONS))
			continue;
		r->api_keys[r->api_keys_count++] = (struct api_versions_response_api_version){
			api->key, api->min_version, mock_max(m, api)};
	}
	return r;
}

static void *mock_metadata(struct mock *m, struct arena *a)
{
	struct metadata_response *r = WIRE_NEW(a, metadata_response);
	struct metadata_response_topic *t;

	r->brokers = WIRE_ARRAY(a, metadata_response_broker, m->node_count);
	r->brokers_count = m->node_count;
	for (int i = 0; i < m->node_count; i++) {
		r->brokers[i].node_id = m->nodes[i].id;
		r->brokers[i].host = STR_LIT("127.0.0.1");
		r->brokers[i].port = m->nodes[i].port;
	}
	r->cluster_id = STR_LIT("mock");
	r->controller_id = m->nodes[0].id;
	r->topics = t = WIRE_ARRAY(a, metadata_response_topic, 1);
	r->topics_count = 1;
	t->name = STR_LIT("t");
	if (!m->has_topic) {
		t->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return r;
	}
	t->topic_id = mock_topic_id;
	t->partitions = WIRE_ARRAY(a, metadata_response_partition, m->part_count);
	t->partitions_count = m->part_count;
	for (int32_t i = 0; i < m->part_count; i++) {
		t->partitions[i].partition_index = i;
		t->partitions[i].leader_id = m->parts[i].leader;
		t->partitions[i].leader_epoch = m->parts[i].leader_epoch;
		t->partitions[i].replica_nodes = &m->parts[i].leader;
		t->partitions[i].replica_nodes_count = 1;
	}
	return r;
}

static int mock_append(struct mock *m, int32_t node_id, int32_t index, struct slice records,
		       int64_t *offset)
{
	struct mock_partition *p = &m->parts[index];
	struct batch b;
	uint8_t *copy;

	if (p->leader != node_id)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	if (batch_parse(&b, records.data, records.len) < 0 || b.size_bytes != records.len ||
	    !batch_crc_ok(&b))
		return KERR_CORRUPT_MESSAGE;
	if (m->batch_bytes_max && records.len > m->batch_bytes_max)
		return KERR_MESSAGE_TOO_LARGE;
	if (batch_has_producer_id(&b)) {
		if (b.producer_id != p->producer_id) {
			/* One that is not known may have any number: it may have been forgotten. */
			p->producer_id = b.producer_id;
			p->next_sequence = b.base_sequence;
		}
		if (b.base_sequence < p->next_sequence)
			return KERR_DUPLICATE_SEQUENCE_NUMBER;
		if (b.base_sequence > p->next_sequence)
			return KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
		p->next_sequence = sequence_add(b.base_sequence, b.record_count);
	}
	*offset = p->end_offset;
	copy = out_reserve(&p->log, records.len);
	memcpy(copy, records.data, records.len);
	p->log.len += records.len;
	batch_set_base_offset(copy, p->end_offset);
	p->end_offset += b.last_offset_delta + 1;
	return 0;
}

static void *mock_produce(struct mock *m, int32_t node_id, struct arena *a, int16_t version,
			  const struct produce_request *q, int error)
{
	struct produce_response *r = WIRE_NEW(a, produce_response);

	r->responses = WIRE_ARRAY(a, produce_response_topic_produce_response, q->topic_data_count);
	r->responses_count = q->topic_data_count;
	for (int32_t i = 0; i < q->topic_data_count; i++) {
		struct produce_response_topic_produce_response *t = &r->responses[i];
		int32_t count = q->topic_data[i].partition_data_count;

		if (version >= 13)
			t->topic_id = q->topic_data[i].topic_id;
		else
			t->name = q->topic_data[i].name;
		t->partition_responses =
			WIRE_ARRAY(a, produce_response_partition_produce_response, count);
		t->partition_responses_count = count;
		for (int32_t j = 0; j < count; j++) {
			const struct produce_request_partition_produce_data *d =
				&q->topic_data[i].partition_data[j];

			t->partition_responses[j].index = d->index;
			t->partition_responses[j].base_offset = -1;
			t->partition_responses[j].error_code = (int16_t)(
				error ? error
				      : mock_append(m, node_id, d->index, d->records,
						    &t->partition_responses[j].base_offset));
		}
	}
	return r;
}

/* Batches from the one with the offset on. */
static struct slice mock_read(struct mock_partition *p, int64_t offset)
{
	const uint8_t *data = p->log.data;
	size_t len = p->log.len;
	struct batch b;

	while (len > 0) {
		const uint8_t *at = data;
		size_t left = len;

		if (batch_next(&b, &data, &len) <= 0)
			return (struct slice){NULL, at, left};	/* for broken ones */
		if (batch_last_offset(&b) >= offset)
			return (struct slice){NULL, at, left};
	}
	return SLICE_NULL;
}

/* What the request changes in the node's one fetch session. */
static void mock_session(struct mock *m, int64_t *session, const struct fetch_request *q)
{
	for (int i = 0; i < MOCK_PARTITIONS_MAX && q->session_epoch <= 0; i++)
		session[i] = -1;
	for (int32_t i = 0; i < q->topics_count; i++)
		for (int32_t j = 0; j < q->topics[i].partitions_count; j++)
			session[q->topics[i].partitions[j].partition] =
				q->topics[i].partitions[j].fetch_offset;
	for (int32_t i = 0; i < q->forgotten_topics_data_count; i++)
		for (int32_t j = 0; j < q->forgotten_topics_data[i].partitions_count; j++)
			session[q->forgotten_topics_data[i].partitions[j]] = -1;
	if (q->session_epoch > 0)
		m->session_fetches++;
	else if (q->session_epoch == 0)
		m->full_fetches++;
}

static void *mock_fetch(struct mock *m, int32_t node_id, struct arena *a, int16_t version,
			const struct fetch_request *q)
{
	struct fetch_response *r = WIRE_NEW(a, fetch_response);
	struct fetch_response_fetchable_topic_response *t;
	int64_t *session = m->sessions[node_id % MOCK_NODES_MAX];

	mock_session(m, session, q);
	r->session_id = q->session_epoch == -1 ? 0 : 77;
	r->responses = t = WIRE_ARRAY(a, fetch_response_fetchable_topic_response, 1);
	if (version >= 13)
		t->topic_id = mock_topic_id;
	else
		t->topic = STR_LIT("t");
	t->partitions = WIRE_ARRAY(a, fetch_response_partition_data, MOCK_PARTITIONS_MAX);
	for (int32_t i = 0; i < m->part_count; i++) {
		struct mock_partition *p = &m->parts[i];
		struct fetch_response_partition_data *d = &t->partitions[t->partitions_count];

		if (session[i] < 0)
			continue;
		d->partition_index = i;
		d->high_watermark = d->last_stable_offset = p->end_offset;
		d->log_start_offset = 0;
		d->aborted_transactions = m->aborted;
		d->aborted_transactions_count = m->aborted_count;
		if (p->leader != node_id)
			d->error_code = KERR_NOT_LEADER_OR_FOLLOWER;
		else if (session[i] > p->end_offset)
			d->error_code = KERR_OFFSET_OUT_OF_RANGE;
		else
			d->records = mock_read(p, session[i]);
		if (q->session_epoch > 0 && !d->error_code && d->records.len == 0)
			continue;	/* no news */
		t->partitions_count++;
		r->responses_count = 1;
	}
	return r;
}

static void *mock_list_offsets(struct mock *m, struct arena *a,
			       const struct list_offsets_request *q)
{
	struct list_offsets_response *r = WIRE_NEW(a, list_offsets_response);
	struct list_offsets_response_topic_response *t;

	r->topics = t = WIRE_ARRAY(a, list_offsets_response_topic_response, 1);
	r->topics_count = 1;
	t->name = STR_LIT("t");
	t->partitions = WIRE_ARRAY(a, list_offsets_response_partition_response,
				   q->topics[0].partitions_count);
	t->partitions_count = q->topics[0].partitions_count;
	for (int32_t j = 0; j < t->partitions_count; j++) {
		const struct list_offsets_request_partition *p = &q->topics[0].partitions[j];

		t->partitions[j].partition_index = p->partition_index;
		t->partitions[j].offset =
			p->timestamp == -2 ? 0 : m->parts[p->partition_index].end_offset;
	}
	return r;
}

/* Where the epoch ended that is the last one not above the asked one. */
static void *mock_epochs(struct mock *m, int32_t node_id, struct arena *a,
			 const struct offset_for_leader_epoch_request *q)
{
	struct offset_for_leader_epoch_response *r = WIRE_NEW(a, offset_for_leader_epoch_response);
	struct offset_for_leader_epoch_response_offset_for_leader_topic_result *t;

	r->topics = t = WIRE_ARRAY(
		a, offset_for_leader_epoch_response_offset_for_leader_topic_result, 1);
	r->topics_count = 1;
	t->topic = STR_LIT("t");
	t->partitions = WIRE_ARRAY(a, offset_for_leader_epoch_response_epoch_end_offset,
				   q->topics[0].partitions_count);
	t->partitions_count = q->topics[0].partitions_count;
	for (int32_t j = 0; j < t->partitions_count; j++) {
		const struct offset_for_leader_epoch_request_offset_for_leader_partition *p =
			&q->topics[0].partitions[j];
		const struct mock_partition *part = &m->parts[p->partition];
		const uint8_t *data = part->log.data;
		size_t len = part->log.len;
		struct batch b;

		t->partitions[j].partition = p->partition;
		if (part->leader != node_id)
			t->partitions[j].error_code = KERR_NOT_LEADER_OR_FOLLOWER;
		else if (p->current_leader_epoch > part->leader_epoch)
			t->partitions[j].error_code = KERR_UNKNOWN_LEADER_EPOCH;
		else if (p->current_leader_epoch < part->leader_epoch)
			t->partitions[j].error_code = KERR_FENCED_LEADER_EPOCH;
		while (!t->partitions[j].error_code && batch_next(&b, &data, &len) > 0) {
			if (b.partition_leader_epoch > p->leader_epoch)
				continue;
			t->partitions[j].leader_epoch = b.partition_leader_epoch;
			t->partitions[j].end_offset = batch_next_offset(&b);
		}
	}
	return r;
}

static struct str mock_member = {"member-1", 8};

static void *mock_join(struct mock *m, struct arena *a, const struct join_group_request *q,
		       int error)
{
	struct join_group_response *r = WIRE_NEW(a, join_group_response);

	r->error_code = (int16_t)error;
	r->member_id = mock_member;
	if (!error && q->member_id.len == 0)
		r->error_code = KERR_MEMBER_ID_REQUIRED;
	if (r->error_code)
		return r;
	r->generation_id = ++m->generation;
	r->protocol_type = STR_LIT("consumer");
	r->protocol_name = q->protocols[0].name;
	r->leader = mock_member;
	r->members = WIRE_ARRAY(a, join_group_response_member, 1);
	r->members_count = 1;
	r->members[0].member_id = mock_member;
	r->members[0].metadata = q->protocols[0].metadata;
	return r;
}

static void *mock_sync(struct mock *m, struct arena *a, const struct sync_group_request *q)
{
	struct sync_group_response *r = WIRE_NEW(a, sync_group_response);

	if (q->generation_id != m->generation)
		r->error_code = KERR_ILLEGAL_GENERATION;
	else if (q->assignments_count > 0)
		r->assignment = q->assignments[0].assignment;
	return r;
}

static void *mock_modern(struct mock *m, struct arena *a,
			 const struct consumer_group_heartbeat_request *q, int error)
{
	struct consumer_group_heartbeat_response *r =
		WIRE_NEW(a, consumer_group_heartbeat_response);

	r->error_code = (int16_t)error;
	r->member_id = q->member_id;
	r->member_epoch = q->member_epoch;
	r->heartbeat_interval_ms = 20;
	if (error)
		return r;
	if (q->member_epoch == -1) {
		m->left_count++;
		return r;
	}
	if (q->member_epoch != 0 && q->member_epoch != m->generation)
		r->error_code = KERR_FENCED_MEMBER_EPOCH;
	if (q->topic_partitions_count >= 0)
		m->reported_count = q->topic_partitions_count == 0
			? 0 : q->topic_partitions[0].partitions_count;
	if (q->member_epoch != 0 && !m->target_changed)
		return r;
	m->target_changed = false;
	r->member_epoch = ++m->generation;
	r->assignment = WIRE_NEW(a, consumer_group_heartbeat_response_assignment);
	r->assignment->topic_partitions = WIRE_ARRAY(
		a, consumer_group_heartbeat_response_topic_partitions, 1);
	r->assignment->topic_partitions_count = 1;
	r->assignment->topic_partitions[0].topic_id = mock_topic_id;
	r->assignment->topic_partitions[0].partitions = arena_array(a, 8, sizeof(int32_t));
	r->assignment->topic_partitions[0].partitions_count = m->target_count;
	for (int32_t i = 0; i < m->target_count; i++)
		r->assignment->topic_partitions[0].partitions[i] = i;
	return r;
}

static void *mock_commit(struct mock *m, struct arena *a, const struct offset_commit_request *q)
{
	struct offset_commit_response *r = WIRE_NEW(a, offset_commit_response);

	r->topics = WIRE_ARRAY(a, offset_commit_response_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = STR_LIT("t");
	r->topics[0].partitions =
		WIRE_ARRAY(a, offset_commit_response_partition, q->topics[0].partitions_count);
	r->topics[0].partitions_count = q->topics[0].partitions_count;
	for (int32_t i = 0; i < q->topics[0].partitions_count; i++) {
		const struct offset_commit_request_partition *p = &q->topics[0].partitions[i];

		r->topics[0].partitions[i].partition_index = p->partition_index;
		if (q->generation_id_or_member_epoch != m->generation)
			r->topics[0].partitions[i].error_code = KERR_ILLEGAL_GENERATION;
		else
			m->committed[p->partition_index] = p->committed_offset;
	}
	return r;
}

static void *mock_committed(struct mock *m, struct arena *a)
{
	struct offset_fetch_response *r = WIRE_NEW(a, offset_fetch_response);
	struct offset_fetch_response_topics *t = WIRE_ARRAY(a, offset_fetch_response_topics, 1);

	r->groups = WIRE_ARRAY(a, offset_fetch_response_group, 1);
	r->groups_count = 1;
	r->groups[0].group_id = STR_LIT("g");
	r->groups[0].topics = t;
	r->groups[0].topics_count = 1;
	t->name = STR_LIT("t");
	t->partitions = WIRE_ARRAY(a, offset_fetch_response_partitions, m->part_count);
	t->partitions_count = m->part_count;
	for (int32_t i = 0; i < m->part_count; i++) {
		t->partitions[i].partition_index = i;
		t->partitions[i].committed_offset = m->committed[i];
		t->partitions[i].committed_leader_epoch = m->committed_epoch;
	}
	return r;
}

static void *mock_coordinator(struct mock *m, struct arena *a)
{
	struct find_coordinator_response *r = WIRE_NEW(a, find_coordinator_response);

	r->coordinators = WIRE_ARRAY(a, find_coordinator_response_coordinator, 1);
	r->coordinators_count = 1;
	r->coordinators[0].node_id = m->nodes[m->node_count - 1].id;
	r->coordinators[0].host = STR_LIT("127.0.0.1");
	r->coordinators[0].port = m->nodes[m->node_count - 1].port;
	return r;
}

static void *mock_quorum(struct arena *a, int error)
{
	struct describe_quorum_response *r = WIRE_NEW(a, describe_quorum_response);

	r->topics = WIRE_ARRAY(a, describe_quorum_response_topic_data, 1);
	r->topics_count = 1;
	r->topics[0].partitions = WIRE_ARRAY(a, describe_quorum_response_partition_data, 1);
	r->topics[0].partitions_count = 1;
	r->topics[0].partitions[0].error_code = (int16_t)error;
	return r;
}

/* NULL: the mock has no such API; the test is wrong. */
static void *mock_body(struct mock *m, struct mock_conn *mc, struct arena *a, const struct api *api,
		       int16_t version, const void *body, int error)
{
	struct init_producer_id_response *pid;
	struct create_topics_response *ct;
	struct heartbeat_response *hb;
	struct remove_raft_voter_response *removed;
	void *r;

	switch (api->key) {
	case API_API_VERSIONS:
		return mock_versions(m, a, version);
	case API_METADATA:
		return mock_metadata(m, a);
	case API_PRODUCE:
		return mock_produce(m, mc->node->id, a, version, body, error);
	case API_FETCH:
		return mock_fetch(m, mc->node->id, a, version, body);
	case API_LIST_OFFSETS:
		return mock_list_offsets(m, a, body);
	case API_OFFSET_FOR_LEADER_EPOCH:
		return mock_epochs(m, mc->node->id, a, body);
	case API_INIT_PRODUCER_ID:
		pid = WIRE_NEW(a, init_producer_id_response);
		pid->error_code = (int16_t)error;
		pid->producer_id = error ? -1 : m->next_producer_id++;
		return pid;
	case API_FIND_COORDINATOR:
		return mock_coordinator(m, a);
	case API_JOIN_GROUP:
		return mock_join(m, a, body, error);
	case API_SYNC_GROUP:
		return mock_sync(m, a, body);
	case API_HEARTBEAT:
		hb = WIRE_NEW(a, heartbeat_response);
		hb->error_code = (int16_t)error;
		return hb;
	case API_OFFSET_COMMIT:
		return mock_commit(m, a, body);
	case API_OFFSET_FETCH:
		return mock_committed(m, a);
	case API_CONSUMER_GROUP_HEARTBEAT:
		return mock_modern(m, a, body, error);
	case API_REMOVE_RAFT_VOTER:
		removed = WIRE_NEW(a, remove_raft_voter_response);
		removed->error_code = (int16_t)error;
		return removed;
	case API_DESCRIBE_QUORUM:
		return mock_quorum(a, error);
	case API_LEAVE_GROUP:
		m->left_count++;
		return message_new(api->response, a);
	case API_CREATE_TOPICS:
		ct = WIRE_NEW(a, create_topics_response);
		ct->topics = WIRE_ARRAY(a, create_topics_response_creatable_topic_result, 1);
		ct->topics_count = 1;
		ct->topics[0].name = STR_LIT("x");
		ct->topics[0].error_code = (int16_t)error;
		return ct;
	default:
		/* An answer of defaults. */
		r = message_new(api->response, a);
		return r;
	}
}

static void mock_frame(struct conn *c, struct slice frame)
{
	struct mock_conn *mc = c->owner;
	struct mock *m = mc->node->mock;
	struct request_header header;
	const struct api *api;
	struct mock_script *s;
	enum mock_wrong wrong = MOCK_FINE;
	struct arena a;
	struct err err = {0};
	void *body = NULL, *answer;
	size_t used;

	arena_init(&a);
	if (request_header_decode(frame, &header, &api, &used, &err) < 0)
		fail_msg("mock: %s", err.text);
	/* As a broker: an ApiVersions of the future is answered without being read. */
	if (header.request_api_version <= api_max_stable(api) &&
	    request_decode(frame, &a, &header, &api, &body, &err) < 0)
		fail_msg("mock: %s", err.text);
	s = &m->scripts[api->key];
	m->asked[api->key]++;
	if (s->node && s->node != mc->node->id) {
		;
	} else if (s->skip > 0) {
		s->skip--;
	} else if (s->count > 0) {
		s->count--;
		wrong = s->wrong;
	}
	if (wrong == MOCK_CLOSE || wrong == MOCK_SILENT) {
		if (wrong == MOCK_CLOSE)
			conn_close(c);
	} else {
		int16_t version = header.request_api_version;

		answer = mock_body(m, mc, &a, api, version, body,
				   wrong == MOCK_ERROR ? s->code : 0);
		if (api->key == API_API_VERSIONS && version > mock_max(m, api))
			version = 0;
		if (wrong == MOCK_CLOSE_AFTER)
			conn_close(c);
		else
			mock_answer(mc, api, version, header.correlation_id, answer);
	}
	arena_fini(&a);
	slice_unref(&frame);
}

/* ---- Connections ---- */

static void mock_closed(struct conn *c, int rc, const struct err *err)
{
	(void)c;
	(void)rc;
	(void)err;
}

static void mock_freed(struct conn *c)
{
	struct mock_conn *mc = c->owner;

	list_remove(&mc->link);
	mc->node->mock->handle_count--;
	free(mc);
}

static const struct conn_ops mock_ops = {
	.frame = mock_frame, .closed = mock_closed, .freed = mock_freed};

static void mock_accept(uv_poll_t *poll, int status, int events)
{
	struct mock_node *n = poll->data;
	int fd = accept4(n->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct mock_conn *mc;

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	mc = xcalloc(1, sizeof(*mc));
	mc->node = n;
	mc->conn.owner = mc;
	mc->conn.frame_bytes_max = 1 << 28;
	assert_int_equal(conn_accept(&mc->conn, &n->mock->loop, &mock_ops, fd, NULL, NULL), 0);
	n->mock->handle_count++;
	list_push_back(&n->conns, &mc->link);
}

static void mock_node_start(struct mock *m, int i)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(m->nodes[i].port)};
	socklen_t len = sizeof(in);
	struct mock_node *n = &m->nodes[i];
	int one = 1;

	n->mock = m;
	n->id = i + 1;
	n->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(n->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(n->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(n->fd, 16), 0);
	getsockname(n->fd, (struct sockaddr *)&in, &len);
	n->port = ntohs(in.sin_port);
	list_init(&n->conns);
	uv_poll_init(&m->loop, &n->poll, n->fd);
	n->poll.data = n;
	uv_poll_start(&n->poll, UV_READABLE, mock_accept);
}

static void mock_init(struct mock *m, int node_count, int32_t part_count)
{
	memset(m, 0, sizeof(*m));
	uv_loop_init(&m->loop);
	m->node_count = node_count;
	m->part_count = part_count;
	m->has_topic = true;
	m->next_producer_id = 100;
	m->committed_epoch = -1;
	for (int i = 0; i < MOCK_PARTITIONS_MAX; i++)
		m->committed[i] = -1;
	for (size_t i = 0; i < ARRAY_LEN(m->versions_max); i++)
		m->versions_max[i] = -2;
	for (int i = 0; i < node_count; i++)
		mock_node_start(m, i);
	for (int32_t i = 0; i < part_count; i++) {
		m->parts[i].leader = 1;
		m->parts[i].producer_id = -1;
		out_init(&m->parts[i].log, 1 << 28);
	}
}

static void mock_fini(struct mock *m)
{
	for (int i = 0; i < m->node_count; i++) {
		struct mock_conn *mc;

		uv_close((uv_handle_t *)&m->nodes[i].poll, NULL);
		close(m->nodes[i].fd);
		LIST_FOREACH(&m->nodes[i].conns, mc, struct mock_conn, link)
			conn_close(&mc->conn);
	}
	uv_run(&m->loop, UV_RUN_DEFAULT);
	assert_int_equal(m->handle_count, 0);
	assert_int_equal(uv_loop_close(&m->loop), 0);
	for (int32_t i = 0; i < m->part_count; i++)
		out_fini(&m->parts[i].log);
}

/* Closes all connections of a node. */
static inline void mock_kick(struct mock *m, int i)
{
	struct mock_conn *mc;

	LIST_FOREACH(&m->nodes[i].conns, mc, struct mock_conn, link)
		conn_close(&mc->conn);
}

/* A client of the mock; `pairs`: configs with blanks between. */
static struct client *mock_client(struct mock *m, enum client_role role, const char *pairs,
				  struct client_config **cfg)
{
	struct client_options options = {.loop = &m->loop};
	char copy[1024], address[64], *at = copy, *pair;
	struct client *c = NULL;
	struct err err = {0};

	*cfg = client_config_new(role);
	snprintf(address, sizeof(address), "127.0.0.1:%u", m->nodes[0].port);
	assert_int_equal(client_config_set(*cfg, "bootstrap.servers", address, NULL), 0);
	snprintf(copy, sizeof(copy), "%s", pairs);
	while ((pair = strsep(&at, " ")))
		if (*pair && client_config_set_pair(*cfg, pair, &err) < 0)
			fail_msg("%s", err.text);
	if (client_new(&c, *cfg, &options, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

#endif
