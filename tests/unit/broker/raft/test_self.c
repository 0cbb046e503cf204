/* Broken if this fails: a voter's new endpoint is never known, a quorum of fixed voters cannot be
 * upgraded, a node does not become a voter by itself, or all wait for a leader that has ended. The
 * other nodes are played by the test. */
#include "raft/raft.h"
#include "wire/codec.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What raft has sent to a node and what was not answered yet: the newest one of each node. */
struct sent {
	uint64_t id;
	enum api_key api;
	void *body;
};

static struct world {
	struct env env;
	struct env_ops ops;
	char dir[64];
	int64_t now_us;
	struct arena arena;
	struct sent sent[8]; /* by node */
	struct raft *raft;
} w;

static int64_t world_mono_us(struct env *env UNUSED)
{
	return w.now_us;
}

static void world_work(struct env *env UNUSED, struct env_work *work)
{
	work->run(work);
	work->done(work);
}

static void world_wake(void *ctx UNUSED)
{
}

static void world_send(void *ctx UNUSED, const struct raft_request *request)
{
	struct sent *s = &w.sent[request->node_id < 0 ? 0 : request->node_id];

	s->id = request->id;
	s->api = request->api;
	s->body = message_copy(api_by_key((int)request->api)->request, &w.arena, request->body);
}

static struct uuid dir_of(int32_t node_id)
{
	return (struct uuid){{7, 7, (uint8_t)node_id, [15] = 200}};
}

static const struct quorum_voter fixed[] = {
	{1, "localhost", 9093}, {2, "localhost", 9094}, {3, "localhost", 9095}};
static const struct raft_address bootstrap = {STR_LIT("localhost"), 9094};

/* `voters` NULL: those of the config. Else the log begins with them, and kraft.version is 1. */
static void world_begin(const struct voters_record *voters, bool auto_join)
{
	struct raft_options options = {
		.env = &w.env,
		.metadata_dir = w.dir,
		.node_id = 1,
		.directory_id = dir_of(1),
		.endpoint = {STR_LIT("CONTROLLER"), STR_LIT("localhost"), 9093, 0},
		.voters = voters ? NULL : fixed,
		.voter_count = voters ? 0 : 3,
		.bootstrap = &bootstrap,
		.bootstrap_count = voters ? 1 : 0,
		.auto_join = auto_join,
		.election_timeout_ms = 1000,
		.fetch_timeout_ms = 2000,
		.election_backoff_max_ms = 1000,
		.request_timeout_ms = 2000,
		.retry_backoff_ms = 20,
		.fetch_max_bytes = 1 << 20,
		.fetch_snapshot_max_bytes = 1 << 20,
		.segment_bytes = 1 << 20,
		.segment_ms = 1 << 30,
		.retention_bytes = 1 << 30,
		.retention_ms = 1 << 30,
		.wake = world_wake,
		.send = world_send,
	};
	struct snapshot_header header = {.now_ms = 1, .kraft_version = voters ? 1 : 0};
	struct snapshot_writer writer;
	struct err err = {0};
	char path[128];

	memset(&w, 0, sizeof(w));
	snprintf(w.dir, sizeof(w.dir), "/tmp/kavka-test-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	env_posix_init(&w.env);
	w.ops = env_posix_ops;
	w.ops.mono_us = world_mono_us;
	w.ops.work = world_work;
	w.env.ops = &w.ops;
	w.now_us = 1000000;
	arena_init(&w.arena);
	header.voters = voters;
	snprintf(path, sizeof(path), "%s/__cluster_metadata-0", w.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	if (snapshot_writer_open(&writer, &w.env, path, SNAPSHOT_BOOTSTRAP, &header, &err) < 0 ||
	    snapshot_writer_finish(&writer, &err) < 0 || raft_open(&w.raft, &options, &err) < 0 ||
	    raft_tick(w.raft, &err) < 0)
		fail_msg("%s", err.text);
}

static void world_end(void)
{
	char command[128];

	raft_close(w.raft);
	arena_fini(&w.arena);
	snprintf(command, sizeof(command), "rm -rf '%s'", w.dir);
	assert_int_equal(system(command), 0);
}

static void pass_ms(int64_t ms)
{
	struct err err = {0};

	w.now_us += ms * 1000;
	if (raft_tick(w.raft, &err) < 0)
		fail_msg("%s", err.text);
	raft_flush(w.raft);
}

/* ---- Answers of the others ------------------------------------------------------------------- */

static void answer(int32_t node, enum api_key api, const void *response)
{
	uint64_t id = w.sent[node].id;

	assert_int_equal(w.sent[node].api, api);
	assert_true(id > 0);
	w.sent[node].id = 0;
	raft_responded(w.raft, id, response, 0);
	raft_flush(w.raft);
}

static void answer_vote(int32_t node)
{
	const struct vote_request *asked = w.sent[node].body;
	struct vote_response *m = WIRE_NEW(&w.arena, vote_response);
	struct vote_response_partition_data *p =
		WIRE_ARRAY(&w.arena, vote_response_partition_data, 1);

	m->topics = WIRE_ARRAY(&w.arena, vote_response_topic_data, 1);
	m->topics_count = 1;
	m->topics[0].topic_name = STR_LIT(METADATA_TOPIC);
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->leader_id = -1;
	p->leader_epoch = asked->topics[0].partitions[0].replica_epoch;
	p->vote_granted = true;
	answer(node, API_VOTE, m);
}

/* An empty answer of a leader of epoch 1, or of who knows that node 2 is it. */
static void answer_fetch(int32_t node, enum kafka_error error)
{
	struct fetch_response *m = WIRE_NEW(&w.arena, fetch_response);
	struct fetch_response_partition_data *p =
		WIRE_ARRAY(&w.arena, fetch_response_partition_data, 1);

	m->responses = WIRE_ARRAY(&w.arena, fetch_response_fetchable_topic_response, 1);
	m->responses_count = 1;
	m->responses[0].topic_id = METADATA_TOPIC_ID;
	m->responses[0].partitions = p;
	m->responses[0].partitions_count = 1;
	p->error_code = (int16_t)error;
	p->current_leader.leader_id = 2;
	p->current_leader.leader_epoch = 1;
	p->high_watermark = 0;
	m->node_endpoints = WIRE_ARRAY(&w.arena, fetch_response_node_endpoint, 1);
	m->node_endpoints_count = 1;
	m->node_endpoints[0].node_id = 2;
	m->node_endpoints[0].host = STR_LIT("localhost");
	m->node_endpoints[0].port = 9094;
	answer(node, API_FETCH, m);
}

/* ---- Their requests -------------------------------------------------------------------------- */

static int last_error;
static bool was_answered;

static void update_answered(struct raft_inbound *in UNUSED, const void *response)
{
	last_error = ((const struct update_raft_voter_response *)response)->error_code;
	was_answered = true;
}

static struct raft_inbound inbound(enum api_key api, const void *body,
				   void (*answered)(struct raft_inbound *in, const void *response))
{
	was_answered = false;
	last_error = -2;
	return (struct raft_inbound){.api = api,
				     .body = body,
				     .listener = STR_LIT("CONTROLLER"),
				     .arena = &w.arena,
				     .answer = answered};
}

/* A voter says where it is, and supports what ApiVersions says that it does. */
static enum kafka_error told_by(int32_t node)
{
	struct update_raft_voter_request *m = WIRE_NEW(&w.arena, update_raft_voter_request);
	struct api_versions_response *versions = WIRE_NEW(&w.arena, api_versions_response);
	struct raft_inbound in = inbound(API_UPDATE_RAFT_VOTER, m, update_answered);

	m->current_leader_epoch = raft_epoch(w.raft);
	m->voter_id = node;
	m->voter_directory_id = dir_of(node);
	m->listeners = WIRE_ARRAY(&w.arena, update_raft_voter_request_listener, 1);
	m->listeners_count = 1;
	m->listeners[0].name = STR_LIT("CONTROLLER");
	m->listeners[0].host = STR_LIT("elsewhere");
	m->listeners[0].port = (uint16_t)(9090 + node);
	m->kraft_version_feature.max_supported_version = 1;
	raft_receive(w.raft, &in);
	if (was_answered)
		return (enum kafka_error)last_error;
	versions->supported_features =
		WIRE_ARRAY(&w.arena, api_versions_response_supported_feature_key, 1);
	versions->supported_features_count = 1;
	versions->supported_features[0].name = STR_LIT("kraft.version");
	versions->supported_features[0].max_version = 1;
	answer(node, API_API_VERSIONS, versions);
	assert_true(was_answered);
	return (enum kafka_error)last_error;
}

static void fetch_answered(struct raft_inbound *in UNUSED, const void *response UNUSED)
{
	was_answered = true;
}

/* A follower has everything up to the log's end. */
static void fetched_by(int32_t node)
{
	struct fetch_request *m = WIRE_NEW(&w.arena, fetch_request);
	struct fetch_request_partition *p = WIRE_ARRAY(&w.arena, fetch_request_partition, 1);
	struct raft_inbound in = inbound(API_FETCH, m, fetch_answered);

	m->replica_state.replica_id = node;
	m->topics = WIRE_ARRAY(&w.arena, fetch_request_topic, 1);
	m->topics_count = 1;
	m->topics[0].topic_id = METADATA_TOPIC_ID;
	m->topics[0].partitions = p;
	m->topics[0].partitions_count = 1;
	p->current_leader_epoch = raft_epoch(w.raft);
	p->last_fetched_epoch = raft_epoch(w.raft);
	p->fetch_offset = raft_log_end(w.raft);
	p->replica_directory_id = dir_of(node);
	raft_receive(w.raft, &in);
	assert_true(was_answered);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void lead(void)
{
	pass_ms(130); /* who comes up asks at once whether it would win */
	assert_int_equal(raft_role(w.raft), RAFT_PROSPECTIVE);
	answer_vote(2);
	assert_int_equal(raft_role(w.raft), RAFT_CANDIDATE);
	answer_vote(2);
	assert_int_equal(raft_role(w.raft), RAFT_LEADER);
	fetched_by(2);
	assert_int_equal(raft_high_watermark(w.raft), raft_log_end(w.raft));
}

static void test_upgrade(void **state)
{
	const struct voters_record *voters;
	struct err err = {0};

	(void)state;
	world_begin(NULL, false);
	lead();
	assert_int_equal(raft_kraft_version(w.raft), 0);
	assert_int_equal(raft_upgrade(w.raft, 1, false, &err), E_AGAIN);
	assert_int_equal(told_by(2), KERR_NONE);
	assert_int_equal(raft_upgrade(w.raft, 1, false, &err), E_AGAIN);
	assert_int_equal(told_by(3), KERR_NONE);
	assert_int_equal(told_by(4), KERR_VOTER_NOT_FOUND);
	assert_int_equal(raft_upgrade(w.raft, 2, false, &err), E_INVALID);
	assert_int_equal(raft_upgrade(w.raft, 1, true, &err), 0);
	assert_int_equal(raft_kraft_version(w.raft), 0);
	assert_int_equal(raft_upgrade(w.raft, 1, false, &err), 0);
	assert_int_equal(raft_kraft_version(w.raft), 1);
	voters = raft_voters(w.raft);
	assert_int_equal(voters->voters_count, 3);
	for (int32_t i = 0; i < 3; i++)
		assert_true(uuid_eq(voters->voters[i].voter_directory_id, dir_of(i + 1)));
	assert_true(str_is(voters->voters[1].endpoints[0].host, "elsewhere"));
	/* from here on the log has the voters, and what one says of itself is written there */
	pass_ms(1);
	fetched_by(2);
	assert_int_equal(raft_high_watermark(w.raft), raft_log_end(w.raft));
	assert_int_equal(raft_upgrade(w.raft, 0, false, &err), E_INVALID);
	assert_int_equal(told_by(3), KERR_NONE);
	assert_true(raft_log_end(w.raft) > raft_high_watermark(w.raft));
	world_end();
}

static void follow(void)
{
	pass_ms(1);
	answer_fetch(0, KERR_FENCED_LEADER_EPOCH);
	assert_int_equal(raft_role(w.raft), RAFT_FOLLOWER);
	assert_int_equal(raft_leader_id(w.raft), 2);
	pass_ms(20);
	answer_fetch(2, KERR_NONE);
}

static struct voters_record *voters_of(int32_t count, const int32_t *ids, struct uuid own)
{
	static struct voters_record_voter v[3];
	static struct voters_record_endpoint e[3];
	static struct voters_record voters;

	WIRE_INIT(voters_record, &voters);
	voters.voters = v;
	voters.voters_count = count;
	for (int32_t i = 0; i < count; i++) {
		WIRE_INIT(voters_record_voter, &v[i]);
		v[i].voter_id = ids[i];
		v[i].voter_directory_id = ids[i] == 1 ? own : dir_of(ids[i]);
		e[i].name = STR_LIT("CONTROLLER");
		e[i].host = STR_LIT("localhost");
		e[i].port = (uint16_t)(9092 + ids[i]);
		v[i].endpoints = &e[i];
		v[i].endpoints_count = 1;
		v[i].kraft_version_feature.max_supported_version = 1;
	}
	return &voters;
}

static void test_join(void **state)
{
	static const int32_t ids[] = {2, 1};
	struct remove_raft_voter_response *removed;
	const struct add_raft_voter_request *add;
	const struct remove_raft_voter_request *remove;

	(void)state;
	/* without the config it observes */
	world_begin(voters_of(1, ids, dir_of(1)), false);
	follow();
	assert_int_equal(w.sent[2].api, API_FETCH);
	world_end();
	world_begin(voters_of(1, ids, dir_of(1)), true);
	follow();
	assert_int_equal(w.sent[2].api, API_ADD_RAFT_VOTER);
	add = w.sent[2].body;
	assert_int_equal(add->voter_id, 1);
	assert_true(uuid_eq(add->voter_directory_id, dir_of(1)));
	assert_false(add->ack_when_committed);
	assert_int_equal(add->listeners[0].port, 9093);
	world_end();
	/* its old self, of a disk that is gone, has to go first */
	world_begin(voters_of(2, ids, dir_of(77)), true);
	follow();
	assert_int_equal(w.sent[2].api, API_REMOVE_RAFT_VOTER);
	remove = w.sent[2].body;
	assert_int_equal(remove->voter_id, 1);
	assert_true(uuid_eq(remove->voter_directory_id, dir_of(77)));
	removed = WIRE_NEW(&w.arena, remove_raft_voter_response);
	answer(2, API_REMOVE_RAFT_VOTER, removed);
	/* then it looks who the voters are now, and goes on from there */
	assert_int_equal(w.sent[2].api, API_FETCH);
	answer_fetch(2, KERR_NONE);
	assert_int_equal(w.sent[2].api, API_REMOVE_RAFT_VOTER);
	world_end();
}

/* Who is refused by the system of the leader's machine does not wait for fetch.timeout.ms; who gets
 * no answer does. */
static void test_leader_is_gone(void **state)
{
	static const int32_t ids[] = {1, 2, 3};

	(void)state;
	world_begin(voters_of(3, ids, dir_of(1)), false);
	follow();
	raft_responded(w.raft, w.sent[2].id, NULL, E_TIMEOUT);
	pass_ms(200);
	assert_int_equal(raft_role(w.raft), RAFT_FOLLOWER);
	raft_responded(w.raft, w.sent[2].id, NULL, -ECONNREFUSED);
	pass_ms(130);
	assert_int_equal(raft_role(w.raft), RAFT_PROSPECTIVE);
	assert_int_equal(raft_epoch(w.raft), 1);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_leader_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
