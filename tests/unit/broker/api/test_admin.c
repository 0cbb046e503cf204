/* Broken here: tools show wrong configs and quotas, changes reach the wrong broker or get lost, or
 * producers share an id. The controller is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"

#include "api/broker_logger.h"
#include "base/say.h"
#include "controller/control.h"
#include "controller/control_raft.h"

#define ORDERS world_id(1)

/* ---- The controller -------------------------------------------------------------------------- */

static struct {
	int count;
	enum control_op_kind kind;
	void (*answer)(struct control_op *op);
} submitted;

void control_auto_create(struct shard *from UNUSED, struct str topic_name UNUSED)
{
}

static void control_back(struct task *task, struct shard *on)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	assert_ptr_equal(on, op->home);
	op->done(op);
}

static void control_run(struct task *task, struct shard *on)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	assert_int_equal(on->index, 0);
	submitted.count++;
	submitted.kind = op->kind;
	if (submitted.answer)
		submitted.answer(op);
	op->task.run = control_back;
	shard_post(op->home, &op->task);
}

/* The quorum is not of interest here. */
void control_raft_receive(struct shard *from UNUSED, struct control_inbound *ci UNUSED)
{
	fail();
}

void control_raft_forget(struct control_inbound *ci UNUSED,
			 void (*forgotten)(struct control_inbound *ci) UNUSED)
{
	fail();
}

void control_submit(struct shard *from, struct control_op *op)
{
	op->home = from;
	op->task.run = control_run;
	shard_post(shard_control(from->broker), &op->task);
}

static int setup(void **state)
{
	static const char *const overrides[] = {"log.retention.hours=48",
						"transaction.max.timeout.ms=60000"};
	struct node *n = xcalloc(1, sizeof(*n));

	memset(&submitted, 0, sizeof(submitted));
	node_init(n, 2, 1, overrides, ARRAY_LEN(overrides));
	world_topic(&n->world, "orders", ORDERS);
	world_partition(&n->world, ORDERS, 0, 1, 1);
	world_topic_config(&n->world, "orders", "cleanup.policy", "compact");
	node_apply(n);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	node_fini(*state);
	free(*state);
	return 0;
}

static void set_config(struct node *n, enum config_resource type, const char *resource,
		       const char *name, const char *value)
{
	struct config_record r;

	WIRE_INIT(config_record, &r);
	r.resource_type = (int8_t)type;
	r.resource_name = str_of(resource);
	r.name = str_of(name);
	r.value = str_of(value);
	world_replay(&n->world, CONFIG_RECORD, &r);
	node_apply(n);
}

/* ---- DescribeConfigs ------------------------------------------------------------------------- */

static struct call *describe(struct node *n, int16_t version, enum config_resource type,
			     const char *name, const char *key, bool with_all)
{
	struct describe_configs_request body;
	struct describe_configs_request_resource resource;
	struct str keys[1] = {str_of(key)};
	const struct describe_configs_response *r;
	struct call *c;

	WIRE_INIT(describe_configs_request, &body);
	WIRE_INIT(describe_configs_request_resource, &resource);
	body.resources = &resource;
	body.resources_count = 1;
	body.include_synonyms = with_all;
	body.include_documentation = with_all && version >= 3;
	resource.resource_type = (int8_t)type;
	resource.resource_name = str_of(name);
	resource.configuration_keys = keys;
	resource.configuration_keys_count = key ? 1 : -1;
	c = call_now(n, 1, API_DESCRIBE_CONFIGS, version, &body);
	r = c->response;
	assert_int_equal(r->results_count, 1);
	assert_int_equal(r->results[0].resource_type, type);
	assert_true(str_is(r->results[0].resource_name, name));
	return c;
}

static const struct describe_configs_response_result *result_of(const struct call *c)
{
	return ((const struct describe_configs_response *)c->response)->results;
}

static const struct describe_configs_response_resource_result *config_of(const struct call *c,
									  const char *name)
{
	const struct describe_configs_response_result *r = result_of(c);

	for (int32_t i = 0; i < r->configs_count; i++)
		if (str_is(r->configs[i].name, name))
			return &r->configs[i];
	return NULL;
}

static void test_describes_a_topic(void **state)
{
	for (int16_t version = 1; version <= 4; version++) {
		struct call *c = describe(*state, version, CONFIG_RESOURCE_TOPIC, "orders", NULL,
					  false);
		const struct describe_configs_response_resource_result *e;

		assert_int_equal(result_of(c)->error_code, KERR_NONE);
		assert_true(result_of(c)->configs_count > 30);
		e = config_of(c, "cleanup.policy");
		assert_true(str_is(e->value, "compact"));
		assert_int_equal(e->config_source, CONFIG_SOURCE_TOPIC);
		assert_int_equal(e->synonyms_count, 0);
		e = config_of(c, "retention.ms");
		assert_true(str_is(e->value, "172800000"));
		/* log.retention.hours does not count: the synonym is log.retention.ms. */
		assert_int_equal(e->config_source, CONFIG_SOURCE_DEFAULT);
		assert_false(e->read_only);
		if (version >= 3) {
			assert_int_equal(e->config_type, CONFIG_TYPE_LONG);
			assert_true(str_is_null(e->documentation));
		}
		call_free(c);
	}
}

static void test_describes_only_the_keys_asked_for(void **state)
{
	struct call *c =
		describe(*state, 4, CONFIG_RESOURCE_TOPIC, "orders", "cleanup.policy", true);
	const struct describe_configs_response_resource_result *e = result_of(c)->configs;

	assert_int_equal(result_of(c)->configs_count, 1);
	assert_true(str_is(e->name, "cleanup.policy"));
	assert_true(e->documentation.len > 0);
	assert_int_equal(e->synonyms_count, 2);
	assert_true(str_is(e->synonyms[0].name, "cleanup.policy"));
	assert_true(str_is(e->synonyms[0].value, "compact"));
	assert_int_equal(e->synonyms[0].source, CONFIG_SOURCE_TOPIC);
	assert_true(str_is(e->synonyms[1].name, "log.cleanup.policy"));
	assert_true(str_is(e->synonyms[1].value, "delete"));
	assert_int_equal(e->synonyms[1].source, CONFIG_SOURCE_DEFAULT);
	call_free(c);
}

static void test_describes_brokers(void **state)
{
	struct node *n = *state;
	struct call *c = describe(n, 4, CONFIG_RESOURCE_BROKER, "1", NULL, false);
	const struct describe_configs_response_resource_result *e;

	e = config_of(c, "log.retention.hours");
	assert_true(str_is(e->value, "48"));
	assert_int_equal(e->config_source, CONFIG_SOURCE_STATIC_BROKER);
	assert_true(config_of(c, "process.roles")->read_only);
	call_free(c);
	c = describe(n, 4, CONFIG_RESOURCE_BROKER, "", NULL, false);
	assert_int_equal(result_of(c)->configs_count, 0);
	call_free(c);
	set_config(n, CONFIG_RESOURCE_BROKER, "", "log.retention.ms", "1000");
	c = describe(n, 4, CONFIG_RESOURCE_BROKER, "", NULL, false);
	assert_int_equal(result_of(c)->configs_count, 1);
	e = config_of(c, "log.retention.ms");
	assert_true(str_is(e->value, "1000"));
	assert_int_equal(e->config_source, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
	call_free(c);
}

static void test_describes_groups_and_subscriptions(void **state)
{
	struct node *n = *state;
	struct call *c;

	set_config(n, CONFIG_RESOURCE_GROUP, "readers", "consumer.session.timeout.ms", "50000");
	c = describe(n, 4, CONFIG_RESOURCE_GROUP, "readers", "consumer.session.timeout.ms", false);
	assert_true(str_is(result_of(c)->configs[0].value, "50000"));
	assert_int_equal(result_of(c)->configs[0].config_source, CONFIG_SOURCE_GROUP);
	call_free(c);
	c = describe(n, 4, CONFIG_RESOURCE_CLIENT_METRICS, "nosuch", NULL, false);
	assert_int_equal(result_of(c)->error_code, KERR_NONE);
	assert_non_null(config_of(c, "interval.ms"));
	call_free(c);
}

static void test_refuses_to_describe_what_it_does_not_have(void **state)
{
	static const struct {
		int type;
		const char *name;
		enum kafka_error error;
		const char *text;
	} cases[] = {
		{CONFIG_RESOURCE_TOPIC, "nosuch", KERR_UNKNOWN_TOPIC_OR_PARTITION, NULL},
		{CONFIG_RESOURCE_TOPIC, "a/b", KERR_INVALID_TOPIC_EXCEPTION, NULL},
		{CONFIG_RESOURCE_BROKER, "2", KERR_INVALID_REQUEST,
		 "Unexpected broker id, expected 1 or empty string, but received 2"},
		{CONFIG_RESOURCE_BROKER, "one", KERR_INVALID_REQUEST,
		 "Broker id must be an integer, but it is: one"},
		{CONFIG_RESOURCE_BROKER, "4294967297", KERR_INVALID_REQUEST, NULL},
		{CONFIG_RESOURCE_BROKER_LOGGER, "", KERR_INVALID_REQUEST,
		 "Broker id must not be empty"},
		{CONFIG_RESOURCE_BROKER_LOGGER, "7", KERR_INVALID_REQUEST, NULL},
		{CONFIG_RESOURCE_GROUP, "", KERR_INVALID_REQUEST, NULL},
		{CONFIG_RESOURCE_CLIENT_METRICS, "", KERR_INVALID_REQUEST, NULL},
		{3, "x", KERR_INVALID_REQUEST, "Unsupported resource type: 3"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct call *c = describe(*state, 4, (enum config_resource)cases[i].type,
					  cases[i].name, NULL, false);

		assert_int_equal(result_of(c)->error_code, cases[i].error);
		assert_int_equal(result_of(c)->configs_count, 0);
		if (cases[i].text)
			assert_true(str_is(result_of(c)->error_message, cases[i].text));
		call_free(c);
	}
}

/* ---- Changing configs ------------------------------------------------------------------------ */

static void refuse_second(struct control_op *op)
{
	const struct incremental_alter_configs_request *r = op->request;
	struct incremental_alter_configs_response *response = op->response;

	assert_true(r->validate_only);
	assert_int_equal(r->resources_count, 2);
	assert_true(str_is(r->resources[0].resource_name, "orders"));
	assert_true(str_is(r->resources[1].resource_name, "1"));
	response->responses = WIRE_ARRAY(
		op->arena, incremental_alter_configs_response_alter_configs_resource_response, 2);
	response->responses_count = 2;
	/* another controller answers in an order of its own */
	for (int i = 0; i < 2; i++) {
		response->responses[i].resource_type = r->resources[1 - i].resource_type;
		response->responses[i].resource_name = r->resources[1 - i].resource_name;
	}
	response->responses[0].error_code = KERR_INVALID_CONFIG;
	response->responses[0].error_message = str_dup(op->arena, STR_LIT("no"));
}

static void test_sends_the_controller_what_is_its_to_judge(void **state)
{
	struct incremental_alter_configs_request body;
	struct incremental_alter_configs_request_alter_configs_resource *to;
	const struct incremental_alter_configs_response *r;
	struct arena arena;
	struct call *c;
	static const struct {
		int8_t type;
		const char *name, *key, *value;
		enum kafka_error error;
	} cases[] = {
		{CONFIG_RESOURCE_BROKER, "2", "log.retention.ms", "1", KERR_INVALID_REQUEST},
		{CONFIG_RESOURCE_TOPIC, "orders", "retention.ms", "1", KERR_NONE},
		{CONFIG_RESOURCE_TOPIC, "bills", "retention.ms", NULL, KERR_INVALID_REQUEST},
		{CONFIG_RESOURCE_BROKER, "1", "log.retention.ms", "1", KERR_INVALID_CONFIG},
		{CONFIG_RESOURCE_BROKER, "me", "log.retention.ms", "1", KERR_INVALID_REQUEST},
		{9, "x", "y", "z", KERR_INVALID_REQUEST},
	};

	arena_init(&arena);
	WIRE_INIT(incremental_alter_configs_request, &body);
	body.validate_only = true;
	body.resources = WIRE_ARRAY(
		&arena, incremental_alter_configs_request_alter_configs_resource, ARRAY_LEN(cases));
	body.resources_count = ARRAY_LEN(cases);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		to = &body.resources[i];
		to->resource_type = cases[i].type;
		to->resource_name = str_of(cases[i].name);
		to->configs = WIRE_ARRAY(&arena, incremental_alter_configs_request_alterable_config,
					 1);
		to->configs_count = 1;
		to->configs[0].name = str_of(cases[i].key);
		to->configs[0].value = str_of(cases[i].value);
	}
	submitted.answer = refuse_second;
	c = call_now(*state, 1, API_INCREMENTAL_ALTER_CONFIGS, 1, &body);
	assert_int_equal(submitted.count, 1);
	assert_int_equal(submitted.kind, CONTROL_INCREMENTAL_ALTER_CONFIGS);
	r = c->response;
	assert_int_equal(r->responses_count, ARRAY_LEN(cases));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(r->responses[i].error_code, cases[i].error);
		assert_int_equal(r->responses[i].resource_type, cases[i].type);
		assert_true(str_is(r->responses[i].resource_name, cases[i].name));
	}
	assert_true(str_is(r->responses[0].error_message,
			   "Unexpected broker id, expected 1, but received 2"));
	assert_true(str_is(r->responses[2].error_message,
			   "Null value not supported for : retention.ms"));
	assert_true(str_is(r->responses[3].error_message, "no"));
	assert_true(str_is(r->responses[4].error_message,
			   "Node id must be an integer, but it is: me"));
	call_free(c);
	arena_fini(&arena);
}

static void test_refuses_the_same_resource_or_key_twice(void **state)
{
	struct alter_configs_request body;
	struct alter_configs_request_resource resources[3];
	struct alter_configs_request_alterable_config configs[2];
	const struct alter_configs_response *r;
	struct call *c;

	WIRE_INIT(alter_configs_request, &body);
	for (int i = 0; i < 2; i++) {
		WIRE_INIT(alter_configs_request_alterable_config, &configs[i]);
		configs[i].name = STR_LIT("retention.ms");
		configs[i].value = STR_LIT("1");
	}
	for (int i = 0; i < 3; i++) {
		WIRE_INIT(alter_configs_request_resource, &resources[i]);
		resources[i].resource_type = CONFIG_RESOURCE_TOPIC;
		resources[i].resource_name = i == 2 ? STR_LIT("bills") : STR_LIT("orders");
		resources[i].configs = configs;
		resources[i].configs_count = i == 2 ? 2 : 1;
	}
	body.resources = resources;
	body.resources_count = 3;
	for (int16_t version = 0; version <= 2; version++) {
		c = call_now(*state, 0, API_ALTER_CONFIGS, version, &body);
		r = c->response;
		assert_int_equal(submitted.count, 0);
		assert_int_equal(r->responses_count, 3);
		assert_true(str_is(r->responses[0].error_message,
				   "Each resource must appear at most once."));
		assert_true(str_is(r->responses[1].error_message,
				   "Each resource must appear at most once."));
		assert_true(str_is(r->responses[2].error_message,
				   "Error due to duplicate config keys"));
		assert_int_equal(r->responses[2].error_code, KERR_INVALID_REQUEST);
		call_free(c);
	}
}

static enum kafka_error alter_logger(struct node *n, const char *logger, int8_t op,
				     const char *level, bool validate_only)
{
	struct incremental_alter_configs_request body;
	struct incremental_alter_configs_request_alter_configs_resource resource;
	struct incremental_alter_configs_request_alterable_config config;
	enum kafka_error error;
	struct call *c;

	WIRE_INIT(incremental_alter_configs_request, &body);
	WIRE_INIT(incremental_alter_configs_request_alter_configs_resource, &resource);
	WIRE_INIT(incremental_alter_configs_request_alterable_config, &config);
	body.resources = &resource;
	body.resources_count = 1;
	body.validate_only = validate_only;
	resource.resource_type = CONFIG_RESOURCE_BROKER_LOGGER;
	resource.resource_name = STR_LIT("1");
	resource.configs = &config;
	resource.configs_count = 1;
	config.name = str_of(logger);
	config.config_operation = op;
	config.value = str_of(level);
	c = call_now(n, 0, API_INCREMENTAL_ALTER_CONFIGS, 1, &body);
	error = (enum kafka_error)((const struct incremental_alter_configs_response *)c->response)
			->responses[0]
			.error_code;
	call_free(c);
	assert_int_equal(submitted.count, 0);
	return error;
}

static void test_changes_the_level_of_log_lines(void **state)
{
	enum say_level before = say_level();
	struct call *c;

	assert_int_equal(alter_logger(*state, "root", LOGGER_SET, "WARN", true), KERR_NONE);
	assert_int_equal(say_level(), before);
	assert_int_equal(alter_logger(*state, "root", LOGGER_SET, "WARN", false), KERR_NONE);
	assert_int_equal(say_level(), SAY_WARN);
	c = describe(*state, 4, CONFIG_RESOURCE_BROKER_LOGGER, "1", NULL, false);
	assert_int_equal(result_of(c)->configs_count, BROKER_LOGGER_COUNT);
	assert_true(str_is(config_of(c, "root")->value, "WARN"));
	assert_int_equal(config_of(c, "root")->config_source, CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER);
	call_free(c);
	assert_int_equal(alter_logger(*state, "root", LOGGER_SET, "LOUD", false),
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter_logger(*state, "kafka", LOGGER_SET, "INFO", false),
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter_logger(*state, "root", LOGGER_DELETE, NULL, false),
			 KERR_INVALID_REQUEST);
	assert_int_equal(alter_logger(*state, "root", LOGGER_APPEND, "INFO", false),
			 KERR_INVALID_REQUEST);
	assert_int_equal(say_level(), SAY_WARN);
	say_set_level(before);
}

/* ---- ListConfigResources --------------------------------------------------------------------- */

static void test_lists_resources(void **state)
{
	static const int8_t order[] = {CONFIG_RESOURCE_GROUP, CONFIG_RESOURCE_CLIENT_METRICS,
				       CONFIG_RESOURCE_BROKER_LOGGER, CONFIG_RESOURCE_BROKER,
				       CONFIG_RESOURCE_TOPIC};
	struct node *n = *state;
	struct list_config_resources_request body;
	const struct list_config_resources_response *r;
	int8_t types[] = {CONFIG_RESOURCE_BROKER, 5};
	struct call *c;

	set_config(n, CONFIG_RESOURCE_GROUP, "readers", "consumer.session.timeout.ms", "50000");
	set_config(n, CONFIG_RESOURCE_CLIENT_METRICS, "all", "interval.ms", "5000");
	WIRE_INIT(list_config_resources_request, &body);
	c = call_now(n, 0, API_LIST_CONFIG_RESOURCES, 0, &body);
	r = c->response;
	assert_int_equal(r->config_resources_count, 1);
	assert_true(str_is(r->config_resources[0].resource_name, "all"));
	call_free(c);
	c = call_now(n, 0, API_LIST_CONFIG_RESOURCES, 1, &body);
	r = c->response;
	assert_int_equal(r->config_resources_count, ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		assert_int_equal(r->config_resources[i].resource_type, order[i]);
	assert_true(str_is(r->config_resources[3].resource_name, "1"));
	assert_true(str_is(r->config_resources[4].resource_name, "orders"));
	call_free(c);
	body.resource_types = types;
	for (body.resource_types_count = 1; body.resource_types_count <= 2;
	     body.resource_types_count++) {
		c = call_now(n, 0, API_LIST_CONFIG_RESOURCES, 1, &body);
		r = c->response;
		assert_int_equal(r->error_code, body.resource_types_count == 1
							? KERR_NONE
							: KERR_UNSUPPORTED_VERSION);
		assert_int_equal(r->config_resources_count, body.resource_types_count == 1);
		call_free(c);
	}
}

/* ---- InitProducerId -------------------------------------------------------------------------- */

static void next_id(struct control_op *op)
{
	static int64_t next = 1000;

	op->producer_id = next++;
}

static void no_id(struct control_op *op)
{
	op->error = KERR_COORDINATOR_LOAD_IN_PROGRESS;
}

static struct init_producer_id_response init_producer(struct node *n, int16_t version,
						      const char *transactional_id, int64_t id,
						      int16_t epoch, int32_t timeout_ms)
{
	struct init_producer_id_request body;
	struct init_producer_id_response response;
	struct call *c;

	WIRE_INIT(init_producer_id_request, &body);
	body.transactional_id = str_of(transactional_id);
	body.transaction_timeout_ms = timeout_ms;
	body.producer_id = id;
	body.producer_epoch = epoch;
	c = call_now(n, 1, API_INIT_PRODUCER_ID, version, &body);
	response = *(const struct init_producer_id_response *)c->response;
	call_free(c);
	return response;
}

static void test_gives_each_producer_its_own_id(void **state)
{
	struct init_producer_id_response r;

	submitted.answer = next_id;
	for (int16_t version = 0; version <= 5; version++) {
		r = init_producer(*state, version, NULL, -1, -1, 0);
		assert_int_equal(submitted.kind, CONTROL_PRODUCER_ID);
		assert_int_equal(r.error_code, KERR_NONE);
		assert_int_equal(r.producer_id, 1000 + version);
		assert_int_equal(r.producer_epoch, 0);
	}
	r = init_producer(*state, 5, NULL, 1003, 7, 0);
	assert_int_equal(r.producer_id, 1006);
	assert_int_equal(r.producer_epoch, 0);
	assert_int_equal(submitted.count, 7);
	submitted.answer = no_id;
	r = init_producer(*state, 5, NULL, -1, -1, 0);
	assert_int_equal(r.error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
	assert_int_equal(r.producer_id, -1);
}

static void test_refuses_producers_it_cannot_serve(void **state)
{
	struct node *n = *state;

	assert_int_equal(init_producer(n, 5, NULL, 4, -1, 0).error_code, KERR_INVALID_REQUEST);
	assert_int_equal(init_producer(n, 5, NULL, -1, 4, 0).error_code, KERR_INVALID_REQUEST);
	assert_int_equal(init_producer(n, 5, "", -1, -1, 1).error_code, KERR_INVALID_REQUEST);
	assert_int_equal(init_producer(n, 5, "t", -1, -1, 0).error_code,
			 KERR_INVALID_TRANSACTION_TIMEOUT);
	assert_int_equal(init_producer(n, 5, "t", -1, -1, 60001).error_code,
			 KERR_INVALID_TRANSACTION_TIMEOUT);
	assert_int_equal(init_producer(n, 5, "t", -1, -1, 60000).error_code,
			 KERR_COORDINATOR_NOT_AVAILABLE);
	assert_int_equal(submitted.count, 0);
}

/* ---- What is passed on ----------------------------------------------------------------------- */

static void created(struct control_op *op)
{
	const struct create_topics_request *request = op->request;
	struct create_topics_response *response = op->response;

	response->topics = WIRE_ARRAY(op->arena, create_topics_response_creatable_topic_result,
				      request->topics_count);
	response->topics_count = request->topics_count;
	for (int32_t i = 0; i < request->topics_count; i++) {
		response->topics[i].name = request->topics[i].name;
		response->topics[i].error_code = KERR_POLICY_VIOLATION;
		response->topics[i].error_message =
			str_of(arena_printf(op->arena, "version %d", op->version));
	}
}

static void test_brings_the_controllers_answer(void **state)
{
	struct create_topics_request body;
	struct create_topics_request_creatable_topic topic;

	WIRE_INIT(create_topics_request, &body);
	WIRE_INIT(create_topics_request_creatable_topic, &topic);
	topic.name = STR_LIT("bills");
	body.topics = &topic;
	body.topics_count = 1;
	submitted.answer = created;
	for (unsigned shard = 0; shard < 2; shard++) {
		struct call *c = call_now(*state, shard, API_CREATE_TOPICS, 7, &body);
		const struct create_topics_response *r = c->response;

		assert_int_equal(r->topics_count, 1);
		assert_true(str_is(r->topics[0].name, "bills"));
		assert_int_equal(r->topics[0].error_code, KERR_POLICY_VIOLATION);
		assert_true(str_is(r->topics[0].error_message, "version 7"));
		call_free(c);
	}
}

static void test_passes_on_in_every_version(void **state)
{
	static const struct {
		int16_t key;
		enum control_op_kind kind;
	} cases[] = {
		{API_CREATE_TOPICS, CONTROL_CREATE_TOPICS},
		{API_DELETE_TOPICS, CONTROL_DELETE_TOPICS},
		{API_CREATE_PARTITIONS, CONTROL_CREATE_PARTITIONS},
		{API_ELECT_LEADERS, CONTROL_ELECT_LEADERS},
		{API_ALTER_PARTITION_REASSIGNMENTS, CONTROL_ALTER_REASSIGNMENTS},
		{API_DESCRIBE_QUORUM, CONTROL_DESCRIBE_QUORUM},
		{API_UPDATE_FEATURES, CONTROL_UPDATE_FEATURES},
		{API_UNREGISTER_BROKER, CONTROL_UNREGISTER_BROKER},
		{API_ALTER_CLIENT_QUOTAS, CONTROL_ALTER_CLIENT_QUOTAS},
		{API_ALTER_USER_SCRAM_CREDENTIALS, CONTROL_ALTER_SCRAM},
	};
	struct arena arena;
	int count = 0;

	arena_init(&arena);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct api *api = api_by_key(cases[i].key);
		void *body = message_new(api->request, &arena);

		for (int16_t v = api->min_version; v <= api->max_version; v++) {
			call_free(call_now(*state, 1, cases[i].key, v, body));
			assert_int_equal(submitted.count, ++count);
			assert_int_equal(submitted.kind, cases[i].kind);
		}
	}
	arena_fini(&arena);
}

/* ---- What is read from the image ------------------------------------------------------------- */

static void set_quota(struct node *n, const char *user, const char *client, double value)
{
	struct client_quota_record_entity_data entity[2];
	struct client_quota_record r;

	WIRE_INIT(client_quota_record, &r);
	r.entity = entity;
	WIRE_INIT(client_quota_record_entity_data, &entity[0]);
	entity[0].entity_type = STR_LIT("user");
	entity[0].entity_name = str_of(user);
	WIRE_INIT(client_quota_record_entity_data, &entity[1]);
	entity[1].entity_type = STR_LIT("client-id");
	entity[1].entity_name = str_of(client);
	r.entity_count = client ? 2 : 1;
	r.key = STR_LIT("producer_byte_rate");
	r.value = value;
	world_replay(&n->world, CLIENT_QUOTA_RECORD, &r);
	node_apply(n);
}

/* Gives the sum of the values that are in the answer, -1 when it was refused. */
static double sum_quotas(struct node *n, const char *type, int8_t match_type, const char *match,
			 bool strict, enum kafka_error error)
{
	struct describe_client_quotas_request body;
	struct describe_client_quotas_request_component_data component;
	const struct describe_client_quotas_response *r;
	struct call *c;
	double sum = 0;

	WIRE_INIT(describe_client_quotas_request, &body);
	WIRE_INIT(describe_client_quotas_request_component_data, &component);
	body.strict = strict;
	body.components = &component;
	body.components_count = type ? 1 : 0;
	component.entity_type = str_of(type ? type : "");
	component.match_type = match_type;
	component.match = str_of(match);
	c = call_now(n, 0, API_DESCRIBE_CLIENT_QUOTAS, 1, &body);
	r = c->response;
	assert_int_equal(r->error_code, error);
	if (error)
		assert_int_equal(r->entries_count, -1);
	for (int32_t i = 0; i < r->entries_count; i++)
		sum += r->entries[i].values[0].value;
	call_free(c);
	return error ? -1 : sum;
}

static void test_finds_quotas(void **state)
{
	struct node *n = *state;

	set_quota(n, "ann", NULL, 1);
	set_quota(n, "ann", "app", 10);
	set_quota(n, NULL, NULL, 100);
	assert_true(sum_quotas(n, NULL, 0, NULL, false, KERR_NONE) == 111);
	assert_true(sum_quotas(n, "user", 0, "ann", false, KERR_NONE) == 11);
	assert_true(sum_quotas(n, "user", 0, "ann", true, KERR_NONE) == 1);
	assert_true(sum_quotas(n, "user", 1, NULL, false, KERR_NONE) == 100);
	assert_true(sum_quotas(n, "user", 2, NULL, false, KERR_NONE) == 111);
	assert_true(sum_quotas(n, "client-id", 2, NULL, false, KERR_NONE) == 10);
	assert_true(sum_quotas(n, "ip", 2, NULL, false, KERR_NONE) == 0);
	sum_quotas(n, "planet", 2, NULL, false, KERR_UNSUPPORTED_VERSION);
	sum_quotas(n, "user", 0, NULL, false, KERR_INVALID_REQUEST);
	sum_quotas(n, "user", 1, "ann", false, KERR_INVALID_REQUEST);
	sum_quotas(n, "user", 2, "ann", false, KERR_INVALID_REQUEST);
	sum_quotas(n, "user", 3, NULL, false, KERR_INVALID_REQUEST);
}

static void test_describes_credentials(void **state)
{
	static uint8_t secret[] = "12345678";
	struct slice bytes = {.data = secret, .len = sizeof(secret)};
	struct node *n = *state;
	struct user_scram_credential_record record;
	struct describe_user_scram_credentials_request body;
	struct describe_user_scram_credentials_request_user_name users[4];
	const struct describe_user_scram_credentials_response *r;
	struct call *c;

	WIRE_INIT(user_scram_credential_record, &record);
	record.name = STR_LIT("ann");
	record.salt = record.stored_key = record.server_key = bytes;
	for (record.mechanism = 1; record.mechanism <= 2; record.mechanism++) {
		record.iterations = 4096 * record.mechanism;
		world_replay(&n->world, USER_SCRAM_CREDENTIAL_RECORD, &record);
	}
	node_apply(n);
	WIRE_INIT(describe_user_scram_credentials_request, &body);
	c = call_now(n, 0, API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &body);
	r = c->response;
	assert_int_equal(r->results_count, 1);
	assert_int_equal(r->results[0].credential_infos_count, 2);
	assert_int_equal(r->results[0].credential_infos[1].iterations, 8192);
	call_free(c);
	for (int i = 0; i < 4; i++) {
		WIRE_INIT(describe_user_scram_credentials_request_user_name, &users[i]);
		users[i].name = i == 0 ? STR_LIT("ann") : i == 1 ? STR_LIT("bob") : STR_LIT("eve");
	}
	body.users = users;
	body.users_count = 4;
	c = call_now(n, 0, API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &body);
	r = c->response;
	assert_int_equal(r->results_count, 3);
	assert_int_equal(r->results[0].error_code, KERR_NONE);
	assert_int_equal(r->results[1].error_code, KERR_RESOURCE_NOT_FOUND);
	assert_int_equal(r->results[2].error_code, KERR_DUPLICATE_RESOURCE);
	call_free(c);
}

/* ---- What this cluster does not do ----------------------------------------------------------- */

static void test_has_no_acls(void **state)
{
	struct describe_acls_request describe_body;
	struct create_acls_request create_body;
	struct create_acls_request_acl_creation creation;
	struct delete_acls_request delete_body;
	struct delete_acls_request_filter filter;

	WIRE_INIT(describe_acls_request, &describe_body);
	describe_body.pattern_type_filter = 3;
	WIRE_INIT(create_acls_request, &create_body);
	WIRE_INIT(create_acls_request_acl_creation, &creation);
	create_body.creations = &creation;
	create_body.creations_count = 1;
	WIRE_INIT(delete_acls_request, &delete_body);
	WIRE_INIT(delete_acls_request_filter, &filter);
	delete_body.filters = &filter;
	delete_body.filters_count = 1;
	for (int16_t version = 1; version <= 3; version++) {
		struct call *c = call_now(*state, 0, API_DESCRIBE_ACLS, version, &describe_body);
		const struct describe_acls_response *described = c->response;
		const struct create_acls_response *made;
		const struct delete_acls_response *gone;

		assert_int_equal(described->error_code, KERR_SECURITY_DISABLED);
		call_free(c);
		c = call_now(*state, 0, API_CREATE_ACLS, version, &create_body);
		made = c->response;
		assert_int_equal(made->results_count, 1);
		assert_int_equal(made->results[0].error_code, KERR_SECURITY_DISABLED);
		call_free(c);
		c = call_now(*state, 0, API_DELETE_ACLS, version, &delete_body);
		gone = c->response;
		assert_int_equal(gone->filter_results[0].error_code, KERR_SECURITY_DISABLED);
		call_free(c);
	}
}

static void test_knows_no_transactions(void **state)
{
	struct str ids[] = {STR_LIT("t"), STR_LIT("")};
	struct str states[] = {STR_LIT("Ongoing"), STR_LIT("Asleep")};
	struct describe_transactions_request describe_body;
	struct list_transactions_request list_body;
	const struct describe_transactions_response *described;
	const struct list_transactions_response *listed;
	struct call *c;

	WIRE_INIT(describe_transactions_request, &describe_body);
	describe_body.transactional_ids = ids;
	describe_body.transactional_ids_count = 2;
	c = call_now(*state, 0, API_DESCRIBE_TRANSACTIONS, 0, &describe_body);
	described = c->response;
	assert_int_equal(described->transaction_states[0].error_code,
			 KERR_TRANSACTIONAL_ID_NOT_FOUND);
	assert_int_equal(described->transaction_states[1].error_code, KERR_INVALID_REQUEST);
	call_free(c);
	WIRE_INIT(list_transactions_request, &list_body);
	list_body.state_filters = states;
	list_body.state_filters_count = 2;
	for (int16_t version = 0; version <= 2; version++) {
		c = call_now(*state, 0, API_LIST_TRANSACTIONS, version, &list_body);
		listed = c->response;
		assert_int_equal(listed->error_code, KERR_NONE);
		assert_int_equal(listed->transaction_states_count, 0);
		assert_int_equal(listed->unknown_state_filters_count, 1);
		assert_true(str_is(listed->unknown_state_filters[0], "Asleep"));
		call_free(c);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_describes_a_topic),
		TEST(test_describes_only_the_keys_asked_for),
		TEST(test_describes_brokers),
		TEST(test_describes_groups_and_subscriptions),
		TEST(test_refuses_to_describe_what_it_does_not_have),
		TEST(test_sends_the_controller_what_is_its_to_judge),
		TEST(test_refuses_the_same_resource_or_key_twice),
		TEST(test_changes_the_level_of_log_lines),
		TEST(test_lists_resources),
		TEST(test_gives_each_producer_its_own_id),
		TEST(test_refuses_producers_it_cannot_serve),
		TEST(test_brings_the_controllers_answer),
		TEST(test_passes_on_in_every_version),
		TEST(test_finds_quotas),
		TEST(test_describes_credentials),
		TEST(test_has_no_acls),
		TEST(test_knows_no_transactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
