/* The client must find a broker, speak what it speaks, and say what is wrong when it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "unit/lib/client/mock.h"

#include "base/say.h"

static int call(struct client *c, struct target to, int16_t key, const void *request,
		struct arena *a, void **response, int16_t *version, struct err *err)
{
	return client_call(c, to, key, request, a, response, version, err);
}

static void every_address_is_named_with_its_reason(void **state)
{
	struct client_config *cfg = client_config_new(CLIENT_ADMIN);
	struct client_options options = {.unreachable_ms = 200};
	struct metadata_response *r;
	struct client *c;
	struct arena a;
	struct err err = {0};
	int64_t began = clock_mono_ms();

	(void)state;
	arena_init(&a);
	assert_int_equal(client_config_set(cfg, "bootstrap.servers", "127.0.0.1:1,[::1]:2", NULL),
			 0);
	assert_int_equal(client_new(&c, cfg, &options, &err), 0);
	assert_int_equal(call(c, TO_ANY, API_METADATA, WIRE_NEW(&a, metadata_request), &a,
			      (void **)&r, NULL, &err), E_UNREACHABLE);
	assert_non_null(strstr(err.text, "127.0.0.1:1: connection refused"));
	assert_non_null(strstr(err.text, "[::1]:2: "));
	assert_true(clock_mono_ms() - began < 3000);
	client_free(c);
	client_config_free(cfg);
	arena_fini(&a);
}

/* A port that connects and never answers: nobody accepts. */
static int silent_listener(uint16_t *port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

/* One address that is silent must not keep the others from being asked, wherever it stands. */
static void a_late_address_does_not_hold_up_the_others(void **state)
{
	struct mock m;
	struct client_config *cfg;
	uint16_t port;
	int fd = silent_listener(&port);

	(void)state;
	mock_init(&m, 1, 1);
	/* Which one comes first is drawn by lot. */
	for (int i = 0; i < 4; i++) {
		int64_t began = clock_mono_ms();
		char servers[128];
		struct client *c;
		struct arena a;
		struct err err = {0};
		void *r;

		arena_init(&a);
		snprintf(servers, sizeof(servers),
			 "bootstrap.servers=127.0.0.1:%u,127.0.0.1:%u", port, m.nodes[0].port);
		c = mock_client(&m, CLIENT_ADMIN, servers, &cfg);
		assert_int_equal(call(c, TO_ANY, API_METADATA, WIRE_NEW(&a, metadata_request), &a,
				      &r, NULL, &err), 0);
		assert_true(clock_mono_ms() - began < 3000);
		client_free(c);
		client_config_free(cfg);
		arena_fini(&a);
	}
	mock_fini(&m);
	close(fd);
}

/* Who was connected to may be slow: waited for as long as the setup may take, then told apart. */
static void a_silent_address_is_given_up_when_its_setup_takes_too_long(void **state)
{
	struct client_config *cfg = client_config_new(CLIENT_ADMIN);
	struct client_options options = {.unreachable_ms = 100};
	char servers[64];
	struct client *c;
	struct arena a;
	struct err err = {0};
	int64_t began = clock_mono_ms(), spent;
	uint16_t port;
	int fd = silent_listener(&port);
	void *r;

	(void)state;
	arena_init(&a);
	say_set_level(SAY_NONE);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", port);
	assert_int_equal(client_config_set(cfg, "bootstrap.servers", servers, NULL), 0);
	assert_int_equal(client_config_set(cfg, "socket.connection.setup.timeout.ms", "600", NULL),
			 0);
	assert_int_equal(client_new(&c, cfg, &options, &err), 0);
	assert_int_equal(call(c, TO_ANY, API_METADATA, WIRE_NEW(&a, metadata_request), &a, &r, NULL,
			      &err), E_UNREACHABLE);
	spent = clock_mono_ms() - began;
	assert_non_null(strstr(err.text, ": connected, but no answer in time"));
	assert_true(spent >= 600 && spent < 5000);
	client_free(c);
	client_config_free(cfg);
	arena_fini(&a);
	close(fd);
	say_set_level(SAY_WARN);
}

/* What brokers advertise and nobody can reach is told as that, not as a timeout a minute later. */
static void unreachable_advertised_addresses_are_named(void **state)
{
	struct mock m;
	struct client_config *cfg = client_config_new(CLIENT_ADMIN);
	struct client_options options = {.unreachable_ms = 200};
	char servers[64];
	struct client *c;
	struct arena a;
	struct err err = {0};
	uint16_t port;
	int fd = silent_listener(&port);
	void *r;

	(void)state;
	/* It listens where it always did, but tells a port that nobody has. */
	close(fd);
	mock_init(&m, 1, 1);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", m.nodes[0].port);
	m.nodes[0].port = port;
	arena_init(&a);
	options.loop = &m.loop;
	assert_int_equal(client_config_set(cfg, "bootstrap.servers", servers, NULL), 0);
	assert_int_equal(client_new(&c, cfg, &options, &err), 0);
	assert_int_equal(call(c, TO_NODE(1), API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a,
			      &r, NULL, &err), E_UNREACHABLE);
	assert_non_null(strstr(err.text, "answers, but what the brokers advertise cannot be"));
	assert_non_null(strstr(err.text, "check advertised.listeners"));
	/* What any broker can tell still works. */
	assert_int_equal(call(c, TO_ANY, API_METADATA, WIRE_NEW(&a, metadata_request), &a, &r, NULL,
			      &err), 0);
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

static void bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"localhost", "localhost:", "localhost:0",
					  "localhost:65536", ":9092", "::1:9092", "a:b"};
	struct client *c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct client_config *cfg = client_config_new(CLIENT_ADMIN);

		assert_int_equal(client_config_set(cfg, "bootstrap.servers", bad[i], NULL), 0);
		assert_int_equal(client_new(&c, cfg, NULL, &err), E_INVALID);
		client_config_free(cfg);
	}
}

static void an_old_broker_is_spoken_to_in_its_versions(void **state)
{
	struct mock m;
	struct client_config *cfg;
	struct metadata_response *r;
	struct client *c;
	struct arena a;
	struct err err = {0};
	int16_t version;

	(void)state;
	/* Kafka 2.1. */
	mock_init(&m, 1, 1);
	m.versions_max[API_API_VERSIONS] = 2;
	m.versions_max[API_METADATA] = 7;
	m.versions_max[API_INCREMENTAL_ALTER_CONFIGS] = -1;
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "", &cfg);
	assert_int_equal(call(c, TO_ANY, API_METADATA, WIRE_NEW(&a, metadata_request), &a,
			      (void **)&r, &version, &err), 0);
	assert_int_equal(version, 7);
	assert_int_equal(m.asked[API_API_VERSIONS], 2);
	assert_int_equal(call(c, TO_ANY, API_INCREMENTAL_ALTER_CONFIGS,
			      WIRE_NEW(&a, incremental_alter_configs_request), &a, (void **)&r,
			      NULL, &err), E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "does not support IncrementalAlterConfigs"));
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

static void nodes_controllers_and_leaders_are_found(void **state)
{
	struct mock m;
	struct client_config *cfg;
	void *r;
	struct client *c;
	struct arena a;
	struct err err = {0};

	(void)state;
	mock_init(&m, 3, 2);
	m.parts[1].leader = 3;
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "", &cfg);
	assert_int_equal(call(c, TO_NODE(2), API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a,
			      &r, NULL, &err), 0);
	assert_int_equal(call(c, TO_NODE(9), API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a,
			      &r, NULL, &err), E_NOT_FOUND);
	assert_string_equal(err.text, "there is no broker 9 in the cluster");
	assert_int_equal(call(c, TO_LEADER(STR_LIT("t"), 1), API_DESCRIBE_PRODUCERS,
			      WIRE_NEW(&a, describe_producers_request), &a, &r, NULL, &err), 0);
	assert_false(list_empty(&m.nodes[2].conns));
	assert_int_equal(call(c, TO_LEADER(STR_LIT("t"), 2), API_DESCRIBE_PRODUCERS,
			      WIRE_NEW(&a, describe_producers_request), &a, &r, NULL, &err),
			 E_NOT_FOUND);
	assert_string_equal(err.text, "topic t has no partition 2");
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

/* One that is removed meanwhile would be told as not found. */
static void a_leader_of_the_quorum_that_ends_leaves_a_doubt(void **state)
{
	struct call calls[] = {
		{.target = TO_ANY, .api_key = API_REMOVE_RAFT_VOTER},
		{.target = TO_ANY, .api_key = API_REMOVE_RAFT_VOTER},
		{.target = TO_ANY, .api_key = API_DESCRIBE_QUORUM},
		{.target = TO_NODE(1), .api_key = API_REMOVE_RAFT_VOTER},
	};
	static const struct mock_script scripts[] = {
		{MOCK_ERROR, KERR_NOT_LEADER_OR_FOLLOWER, 2, 0, 0},
		{MOCK_ERROR, KERR_NOT_CONTROLLER, 1, 0, 0},
		{MOCK_ERROR, KERR_NOT_LEADER_OR_FOLLOWER, 1, 0, 0},
		{MOCK_ERROR, KERR_NOT_LEADER_OR_FOLLOWER, 1, 0, 0},
	};
	struct remove_raft_voter_response *removed;
	struct client_config *cfg;
	struct err err = {0};
	struct client *c;
	struct arena a;
	struct mock m;

	(void)state;
	mock_init(&m, 1, 1);
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "retry.backoff.ms=10", &cfg);
	for (size_t i = 0; i < 4; i++) {
		m.scripts[calls[i].api_key] = scripts[i];
		calls[i].request = message_new(api_by_key(calls[i].api_key)->request, &a);
		assert_int_equal(client_call_all(c, &calls[i], 1, &err), 0);
		assert_int_equal(calls[i].rc, 0);
	}
	assert_int_equal(m.asked[API_REMOVE_RAFT_VOTER], 3 + 2 + 1);
	assert_int_equal(m.asked[API_DESCRIBE_QUORUM], 2);
	assert_true(calls[0].was_sent);
	assert_false(calls[1].was_sent);
	/* whoever asks one broker gets its answer */
	removed = calls[3].response;
	assert_int_equal(removed->error_code, KERR_NOT_LEADER_OR_FOLLOWER);
	for (size_t i = 0; i < 4; i++)
		call_fini(&calls[i]);
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

/* A broker that holds on to a controller of old is not asked again and again. */
static void another_broker_is_asked_for_the_quorums_leader(void **state)
{
	struct call call = {.target = TO_ANY, .api_key = API_DESCRIBE_QUORUM};
	struct client_config *cfg;
	struct err err = {0};
	struct client *c;
	struct arena a;
	struct mock m;

	(void)state;
	mock_init(&m, 3, 1);
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "retry.backoff.ms=10", &cfg);
	assert_int_equal(client_refresh_wait(c, &err), 0);
	call.request = message_new(api_by_key(API_DESCRIBE_QUORUM)->request, &a);
	for (int i = 0; i < 3; i++) {
		int32_t first;

		assert_int_equal(client_call_all(c, &call, 1, &err), 0);
		assert_int_equal(call.rc, 0);
		first = call.node_id;
		call_fini(&call);
		m.scripts[API_DESCRIBE_QUORUM] = (struct mock_script){
			MOCK_ERROR, KERR_NOT_LEADER_OR_FOLLOWER, 1000, 0, first};
		assert_int_equal(client_call_all(c, &call, 1, &err), 0);
		assert_int_equal(call.rc, 0);
		assert_int_not_equal(call.node_id, first);
		call_fini(&call);
		assert_int_equal(m.scripts[API_DESCRIBE_QUORUM].count, 999);
		m.scripts[API_DESCRIBE_QUORUM] = (struct mock_script){0};
	}
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

static void broken_connections_are_tried_again_but_nothing_is_created_twice(void **state)
{
	struct mock m;
	struct client_config *cfg;
	void *r;
	struct client *c;
	struct arena a;
	struct err err = {0};
	struct create_topics_request *q;

	(void)state;
	mock_init(&m, 1, 1);
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "retry.backoff.ms=10", &cfg);
	m.scripts[API_LIST_GROUPS] = (struct mock_script){.wrong = MOCK_CLOSE, .count = 2};
	assert_int_equal(call(c, TO_ANY, API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a, &r,
			      NULL, &err), 0);
	assert_int_equal(m.asked[API_LIST_GROUPS], 3);
	m.scripts[API_CREATE_TOPICS] = (struct mock_script){.wrong = MOCK_CLOSE_AFTER, .count = 1};
	q = WIRE_NEW(&a, create_topics_request);
	assert_int_equal(call(c, TO_CONTROLLER, API_CREATE_TOPICS, q, &a, &r, NULL, &err),
			 E_CLOSED);
	assert_int_equal(m.asked[API_CREATE_TOPICS], 1);
	assert_non_null(strstr(err.text, "it is not known whether this was done"));
	/* A refusal is another thing: it was not done. */
	m.scripts[API_CREATE_TOPICS] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_NOT_CONTROLLER, .count = 2};
	assert_int_equal(call(c, TO_CONTROLLER, API_CREATE_TOPICS, q, &a, &r, NULL, &err), 0);
	assert_int_equal(m.asked[API_CREATE_TOPICS], 4);
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

static void no_answer_ends_at_the_deadline_with_the_reason(void **state)
{
	struct mock m;
	struct client_config *cfg;
	void *r;
	struct client *c;
	struct arena a;
	struct err err = {0};

	(void)state;
	mock_init(&m, 1, 1);
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "request.timeout.ms=50 default.api.timeout.ms=300", &cfg);
	m.scripts[API_LIST_GROUPS] = (struct mock_script){.wrong = MOCK_SILENT, .count = 1000};
	/* One answer first, so that the broker counts as reached. */
	assert_int_equal(call(c, TO_ANY, API_METADATA, WIRE_NEW(&a, metadata_request), &a, &r, NULL,
			      &err), 0);
	assert_int_equal(call(c, TO_ANY, API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a, &r,
			      NULL, &err), E_TIMEOUT);
	assert_non_null(strstr(err.text, "no answer to ListGroups within 50 ms"));
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

static void interrupt_now(uv_timer_t *t)
{
	client_interrupt(t->data);
}

static void an_interrupt_ends_the_wait(void **state)
{
	struct mock m;
	struct client_config *cfg;
	void *r;
	struct client *c;
	struct arena a;
	struct err err = {0};
	uv_timer_t timer;

	(void)state;
	mock_init(&m, 1, 1);
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "", &cfg);
	m.scripts[API_LIST_GROUPS] = (struct mock_script){.wrong = MOCK_SILENT, .count = 1000};
	uv_timer_init(&m.loop, &timer);
	timer.data = c;
	uv_timer_start(&timer, interrupt_now, 50, 0);
	assert_int_equal(call(c, TO_ANY, API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a, &r,
			      NULL, &err), E_INTERRUPTED);
	uv_close((uv_handle_t *)&timer, NULL);
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

static void bootstrap_is_used_again_when_known_brokers_are_gone(void **state)
{
	struct mock m;
	struct client_config *cfg;
	void *r;
	struct client *c;
	struct arena a;
	struct err err = {0};

	(void)state;
	mock_init(&m, 2, 1);
	arena_init(&a);
	c = mock_client(&m, CLIENT_ADMIN, "reconnect.backoff.ms=10", &cfg);
	assert_int_equal(client_refresh_wait(c, &err), 0);
	/* The cluster now is node 2 alone, at an address nobody answers; node 1 is asked as the
	 * address of old. */
	m.nodes[0].id = 5;
	assert_int_equal(client_refresh_wait(c, &err), 0);
	assert_non_null(client_broker(c, 5));
	assert_null(client_broker(c, 1));
	mock_kick(&m, 0);
	mock_kick(&m, 1);
	assert_int_equal(call(c, TO_ANY, API_LIST_GROUPS, WIRE_NEW(&a, list_groups_request), &a, &r,
			      NULL, &err), 0);
	client_free(c);
	client_config_free(cfg);
	mock_fini(&m);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_is_named_with_its_reason),
		cmocka_unit_test(a_late_address_does_not_hold_up_the_others),
		cmocka_unit_test(a_silent_address_is_given_up_when_its_setup_takes_too_long),
		cmocka_unit_test(unreachable_advertised_addresses_are_named),
		cmocka_unit_test(bad_addresses_are_refused),
		cmocka_unit_test(an_old_broker_is_spoken_to_in_its_versions),
		cmocka_unit_test(nodes_controllers_and_leaders_are_found),
		cmocka_unit_test(a_leader_of_the_quorum_that_ends_leaves_a_doubt),
		cmocka_unit_test(another_broker_is_asked_for_the_quorums_leader),
		cmocka_unit_test(broken_connections_are_tried_again_but_nothing_is_created_twice),
		cmocka_unit_test(no_answer_ends_at_the_deadline_with_the_reason),
		cmocka_unit_test(an_interrupt_ends_the_wait),
		cmocka_unit_test(bootstrap_is_used_again_when_known_brokers_are_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
