/* Broken here: clients of other brokers that get no answer, an answer meant for another, or one of
 * a controller that is none; requests that are carried out in the wrong name. The controller is the
 * test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"

#include "controller/control.h"
#include "controller/control_raft.h"
#include "wire/header.h"

static struct {
	int count;
	struct control_op seen;
	char principal[64], client_host[64], client_id[64];
	enum kafka_error error;
} submitted;

void control_auto_create(struct shard *from UNUSED, struct str topic_name UNUSED)
{
}

void control_raft_receive(struct shard *from UNUSED, struct control_inbound *ci UNUSED)
{
	fail();
}

void control_raft_forget(struct control_inbound *ci UNUSED,
			 void (*forgotten)(struct control_inbound *ci) UNUSED)
{
	fail();
}

static void control_back(struct task *task, struct shard *on)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	assert_ptr_equal(on, op->home);
	op->done(op);
}

static void control_run(struct task *task, struct shard *on UNUSED)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	submitted.count++;
	submitted.seen = *op;
	snprintf(submitted.principal, sizeof(submitted.principal), "%s", op->principal);
	snprintf(submitted.client_host, sizeof(submitted.client_host), "%s", op->client_host);
	snprintf(submitted.client_id, sizeof(submitted.client_id), "%.*s", STR(op->client_id));
	if (op->kind == CONTROL_CREATE_TOPICS) {
		const struct create_topics_request *r = op->request;
		struct create_topics_response *response = op->response;

		response->topics = WIRE_ARRAY(
			op->arena, create_topics_response_creatable_topic_result, r->topics_count);
		response->topics_count = r->topics_count;
		for (int32_t i = 0; i < r->topics_count; i++) {
			response->topics[i].name = r->topics[i].name;
			response->topics[i].num_partitions = 7;
			response->topics[i].error_code = (int16_t)submitted.error;
		}
	} else if (op->kind == CONTROL_DESCRIBE_QUORUM) {
		struct describe_quorum_response *response = op->response;

		response->topics = WIRE_NEW(op->arena, describe_quorum_response_topic_data);
		response->topics_count = 1;
		response->topics->partitions =
			WIRE_NEW(op->arena, describe_quorum_response_partition_data);
		response->topics->partitions_count = 1;
		response->topics->partitions->error_code = (int16_t)submitted.error;
	}
	op->task.run = control_back;
	shard_post(op->home, &op->task);
}

void control_submit(struct shard *from, struct control_op *op)
{
	op->home = from;
	op->task.run = control_run;
	shard_post(shard_control(from->broker), &op->task);
}

static int setup(void **state)
{
	struct node *n = xcalloc(1, sizeof(*n));

	memset(&submitted, 0, sizeof(submitted));
	node_init(n, 2, 1, NULL, 0);
	node_apply(n);
	n->asks_controller = true;
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	node_fini(*state);
	free(*state);
	return 0;
}

/* ---- Letters --------------------------------------------------------------------------------- */

static const uint8_t localhost[4] = {127, 0, 0, 1};
/* Version 0, "User", "alice", not by a token, no tags. */
static const char alice[] = "\0\0\5User\6alice\0\0";

struct letter {
	struct arena arena;
	struct envelope_request body;
};

/* The request of a client with the correlation id 77, as its broker would send it. */
static void letter_init(struct letter *l, enum api_key key, int16_t version, const void *request)
{
	struct err err = {0};
	struct out out;

	arena_init(&l->arena);
	WIRE_INIT(envelope_request, &l->body);
	out_init(&out, 1 << 20);
	if (request_encode(api_by_key((int)key), version, 77, STR_LIT("their-client"), request,
			   &out, NULL, &err) < 0)
		fail_msg("%s", err.text);
	l->body.request_data = (struct slice){
		.data = arena_memdup(&l->arena, out.data + 4, out.len - 4), .len = out.len - 4};
	l->body.request_principal =
		(struct slice){.data = (const uint8_t *)alice, .len = sizeof(alice) - 1};
	l->body.client_host_address = (struct slice){.data = localhost, .len = 4};
	out_fini(&out);
}

static void letter_create_topics(struct letter *l, int16_t version)
{
	struct create_topics_request r;
	struct create_topics_request_creatable_topic topic;

	WIRE_INIT(create_topics_request, &r);
	WIRE_INIT(create_topics_request_creatable_topic, &topic);
	topic.name = STR_LIT("theirs");
	topic.num_partitions = 3;
	topic.replication_factor = 1;
	r.topics = &topic;
	r.topics_count = 1;
	letter_init(l, API_CREATE_TOPICS, version, &r);
}

static enum kafka_error letter_error(struct node *n, struct letter *l)
{
	struct call *c = call_now(n, 1, API_ENVELOPE, 0, &l->body);
	const struct envelope_response *response = c->response;
	enum kafka_error error = response->error_code;

	if (error)
		assert_null(response->response_data.data);
	call_free(c);
	arena_fini(&l->arena);
	return error;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_carries_a_request_and_its_answer(void **state)
{
	const struct api *api = api_by_key(API_CREATE_TOPICS);
	const struct envelope_response *response;
	const struct create_topics_response *inner;
	struct letter l;
	struct call *c;
	int32_t correlation_id;
	struct err err = {0};
	void *body;

	for (int16_t version = api->min_version; version <= api->max_version; version++) {
		int16_t answered = version;

		letter_create_topics(&l, version);
		c = call_now(*state, 1, API_ENVELOPE, 0, &l.body);
		response = c->response;
		assert_int_equal(response->error_code, 0);
		if (response_decode(api, &answered, response->response_data, &l.arena,
				    &correlation_id, &body, &err) < 0)
			fail_msg("%s", err.text);
		inner = body;
		assert_int_equal(correlation_id, 77);
		assert_int_equal(inner->topics_count, 1);
		assert_true(str_is(inner->topics[0].name, "theirs"));
		if (version >= 5)
			assert_int_equal(inner->topics[0].num_partitions, 7);
		call_free(c);
		arena_fini(&l.arena);
		assert_int_equal(submitted.seen.version, version);
	}
	assert_string_equal(submitted.principal, "User:alice");
	assert_string_equal(submitted.client_host, "/127.0.0.1");
	assert_string_equal(submitted.client_id, "their-client");
	/* and it goes no further, or two nodes could send it to and fro */
	assert_true(submitted.seen.stays_here);
}

static void test_says_that_it_is_no_controller(void **state)
{
	struct describe_quorum_request quorum;
	struct describe_quorum_request_topic_data topic;
	struct letter l;

	submitted.error = KERR_NOT_CONTROLLER;
	letter_create_topics(&l, 7);
	assert_int_equal(letter_error(*state, &l), KERR_NOT_CONTROLLER);
	submitted.error = KERR_TOPIC_ALREADY_EXISTS;
	letter_create_topics(&l, 7);
	assert_int_equal(letter_error(*state, &l), 0);

	WIRE_INIT(describe_quorum_request, &quorum);
	WIRE_INIT(describe_quorum_request_topic_data, &topic);
	quorum.topics = &topic;
	quorum.topics_count = 1;
	submitted.error = KERR_NOT_LEADER_OR_FOLLOWER;
	letter_init(&l, API_DESCRIBE_QUORUM, 2, &quorum);
	assert_int_equal(letter_error(*state, &l), KERR_NOT_CONTROLLER);
}

static void test_refuses_what_it_cannot_open(void **state)
{
	struct metadata_request metadata;
	struct alter_partition_request alter;
	struct letter l;
	uint8_t *bytes;

	/* no client's, or nobody may ask that for a client */
	WIRE_INIT(metadata_request, &metadata);
	letter_init(&l, API_METADATA, 12, &metadata);
	assert_int_equal(letter_error(*state, &l), KERR_INVALID_REQUEST);
	WIRE_INIT(alter_partition_request, &alter);
	letter_init(&l, API_ALTER_PARTITION, 3, &alter);
	assert_int_equal(letter_error(*state, &l), KERR_INVALID_REQUEST);

	letter_create_topics(&l, 7);
	l.body.client_host_address.len = 3;
	assert_int_equal(letter_error(*state, &l), KERR_INVALID_REQUEST);

	letter_create_topics(&l, 7);
	l.body.request_principal.len--;
	assert_int_equal(letter_error(*state, &l), KERR_PRINCIPAL_DESERIALIZATION_FAILURE);
	letter_create_topics(&l, 7);
	l.body.request_principal = SLICE_NULL;
	assert_int_equal(letter_error(*state, &l), KERR_PRINCIPAL_DESERIALIZATION_FAILURE);

	/* a version that is not known, and bytes that are no request */
	letter_create_topics(&l, 7);
	bytes = (uint8_t *)(uintptr_t)l.body.request_data.data;
	bytes[3] = 99;
	assert_int_equal(letter_error(*state, &l), KERR_UNSUPPORTED_VERSION);
	assert_int_equal(submitted.count, 0);
}

/* Cut anywhere, it is refused; nothing is read behind its end (the sanitizer looks). */
static void test_letters_cut_short(void **state)
{
	struct letter l;
	size_t len;

	letter_create_topics(&l, 7);
	len = l.body.request_data.len;
	arena_fini(&l.arena);
	for (size_t cut = 0; cut < len; cut++) {
		letter_create_topics(&l, 7);
		l.body.request_data.data = arena_memdup(&l.arena, l.body.request_data.data, cut);
		l.body.request_data.len = cut;
		assert_int_equal(letter_error(*state, &l), KERR_UNSUPPORTED_VERSION);
	}
	assert_int_equal(submitted.count, 0);
}

static void test_serves_what_nodes_ask(void **state)
{
	static const struct {
		enum api_key key;
		enum control_op_kind kind;
	} cases[] = {
		{API_BROKER_REGISTRATION, CONTROL_REGISTER_BROKER},
		{API_BROKER_HEARTBEAT, CONTROL_HEARTBEAT},
		{API_CONTROLLER_REGISTRATION, CONTROL_REGISTER_CONTROLLER},
		{API_ALTER_PARTITION, CONTROL_ALTER_PARTITION},
		{API_ASSIGN_REPLICAS_TO_DIRS, CONTROL_ASSIGN_DIRS},
		{API_ALLOCATE_PRODUCER_IDS, CONTROL_ALLOCATE_PRODUCER_IDS},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct api *api = api_by_key((int)cases[i].key);
		struct arena arena;

		assert_null(api_handler_of(api, LISTENER_BROKER));
		arena_init(&arena);
		call_free(call_now(*state, 0, api->key, api->max_version,
				   message_new(api->request, &arena)));
		arena_fini(&arena);
		assert_int_equal(submitted.count, (int)i + 1);
		assert_int_equal(submitted.seen.kind, cases[i].kind);
		assert_true(submitted.seen.stays_here);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_carries_a_request_and_its_answer),
		TEST(test_says_that_it_is_no_controller),
		TEST(test_refuses_what_it_cannot_open),
		TEST(test_letters_cut_short),
		TEST(test_serves_what_nodes_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
