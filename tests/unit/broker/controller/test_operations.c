/* What the controller decides: a wrong answer here is a lost replica or two leaders. */
#include "world.h"

static struct world w;

static int setup(void **state)
{
	const char *overrides[] = {"broker.session.timeout.ms=9000",
				   "unclean.leader.election.interval.ms=2000", NULL};

	(void)state;
	world_init(&w, NULL, overrides);
	world_ready(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
	return 0;
}

/* ---- Other brokers, as their heartbeats show them -------------------------------------------- */

static int64_t epochs[10];
static uint8_t incarnation = 3; /* of the brokers' processes */

static int16_t add_broker(int32_t id, const char *rack)
{
	struct broker_registration_request *r = WIRE_NEW(&w.arena, broker_registration_request);
	struct broker_registration_response *response =
		WIRE_NEW(&w.arena, broker_registration_response);
	static const struct {
		const char *name;
		int16_t min, max;
	} ranges[] = {{"metadata.version", 7, 33},
		      {"kraft.version", 0, 1},
		      {"eligible.leader.replicas.version", 0, 1},
		      {"group.version", 0, 1},
		      {"share.version", 0, 2},
		      {"streams.version", 0, 1},
		      {"transaction.version", 0, 2}};
	struct call call;

	r->broker_id = id;
	r->cluster_id = str_of(w.cluster_id);
	r->incarnation_id = (struct uuid){{1, 2, incarnation, [15] = (uint8_t)id}};
	r->rack = str_of(rack);
	r->features = WIRE_ARRAY(&w.arena, broker_registration_request_feature, ARRAY_LEN(ranges));
	r->features_count = ARRAY_LEN(ranges);
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		r->features[i].name = str_of(ranges[i].name);
		r->features[i].min_supported_version = ranges[i].min;
		r->features[i].max_supported_version = ranges[i].max;
	}
	r->log_dirs = arena_zalloc(&w.arena, sizeof(*r->log_dirs));
	r->log_dirs[0] = (struct uuid){{9, 9, [15] = (uint8_t)id}};
	r->log_dirs_count = 1;
	call_run(&w, &call, CONTROL_REGISTER_BROKER, 4, r, response);
	if (response->error_code == 0)
		epochs[id] = response->broker_epoch;
	return response->error_code;
}

static struct broker_heartbeat_response *heartbeat(int32_t id, bool fence, bool shut_down)
{
	struct broker_heartbeat_request *r = WIRE_NEW(&w.arena, broker_heartbeat_request);
	struct broker_heartbeat_response *response = WIRE_NEW(&w.arena, broker_heartbeat_response);
	struct call call;

	r->broker_id = id;
	r->broker_epoch = epochs[id];
	r->current_metadata_offset = image_offset(w.image);
	r->want_fence = fence;
	r->want_shut_down = shut_down;
	call_run(&w, &call, CONTROL_HEARTBEAT, 1, r, response);
	return response;
}

static void three_brokers(void)
{
	assert_int_equal(add_broker(2, "b"), 0);
	assert_int_equal(add_broker(3, "c"), 0);
	assert_true(image_broker(w.image, 2)->fenced);
	assert_false(heartbeat(2, false, false)->is_fenced);
	assert_false(heartbeat(3, false, false)->is_fenced);
	assert_true(image_broker_is_active(image_broker(w.image, 3)));
}

static const struct image_partition *partition(const char *topic, int32_t index)
{
	return image_partition(image_topic_by_name(w.image, str_of(topic)), index);
}

static int16_t create_manual(const char *name, const int32_t *ids, int32_t count)
{
	struct create_topics_request *r = WIRE_NEW(&w.arena, create_topics_request);
	struct create_topics_response *response = WIRE_NEW(&w.arena, create_topics_response);
	struct call call;

	r->topics = WIRE_ARRAY(&w.arena, create_topics_request_creatable_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = str_of(name);
	r->topics[0].num_partitions = -1;
	r->topics[0].replication_factor = -1;
	r->topics[0].assignments =
		WIRE_ARRAY(&w.arena, create_topics_request_creatable_replica_assignment, 1);
	r->topics[0].assignments_count = 1;
	r->topics[0].assignments[0].broker_ids = (int32_t *)(uintptr_t)ids;
	r->topics[0].assignments[0].broker_ids_count = count;
	call_run(&w, &call, CONTROL_CREATE_TOPICS, 7, r, response);
	return response->topics[0].error_code;
}

static void assert_list(struct node_list list, int count, ...)
{
	va_list args;

	assert_int_equal(list.count, count);
	va_start(args, count);
	for (int i = 0; i < count; i++)
		assert_int_equal(list.ids[i], va_arg(args, int));
	va_end(args);
}

/* ---- Registration ---------------------------------------------------------------------------- */

static void test_registration_is_checked(void **state)
{
	(void)state;
	assert_int_equal(add_broker(2, NULL), 0);
	heartbeat(2, false, false);
	/* the same incarnation may come again, another one not while the session lasts */
	assert_int_equal(add_broker(2, NULL), 0);
	assert_false(image_broker(w.image, 2)->fenced);
	epochs[3] = epochs[2] + 1;
	struct broker_heartbeat_request *r = WIRE_NEW(&w.arena, broker_heartbeat_request);
	struct broker_heartbeat_response *response = WIRE_NEW(&w.arena, broker_heartbeat_response);
	struct call call;

	r->broker_id = 2;
	r->broker_epoch = epochs[3];
	call_run(&w, &call, CONTROL_HEARTBEAT, 1, r, response);
	assert_int_equal(response->error_code, KERR_STALE_BROKER_EPOCH);
}

/* Two processes with one id: the second waits until the first is surely gone. */
static void test_second_process_waits_for_the_session(void **state)
{
	(void)state;
	three_brokers();
	incarnation = 4;
	world_run_for(&w, 8000);
	assert_int_equal(add_broker(2, NULL), KERR_DUPLICATE_BROKER_REGISTRATION);
	assert_int_equal(heartbeat(2, false, false)->error_code,
			 0); /* the first is not disturbed */
	world_run_for(&w, 8000);
	assert_int_equal(add_broker(2, NULL), KERR_DUPLICATE_BROKER_REGISTRATION);
	world_run_for(&w, 1500);
	assert_int_equal(add_broker(2, NULL), 0);
	assert_true(image_broker(w.image, 2)->fenced);
	assert_int_equal(heartbeat(2, false, false)->error_code, 0);
	/* one that was told to go is gone */
	assert_true(heartbeat(2, false, true)->should_shut_down);
	incarnation = 5;
	assert_int_equal(add_broker(2, NULL), 0);
	incarnation = 3;
}

static void test_silent_broker_is_fenced(void **state)
{
	const struct image_partition *p;

	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3, 1}, 3), 0);
	p = partition("t", 0);
	assert_int_equal(p->leader, 2);
	assert_list(p->isr, 3, 2, 3, 1);
	for (int i = 0; i < 8; i++) {
		world_run_for(&w, 2000);
		heartbeat(3, false, false);
	}
	assert_true(image_broker(w.image, 2)->fenced);
	assert_false(image_broker(w.image, 1)->fenced);
	assert_false(image_broker(w.image, 3)->fenced);
	p = partition("t", 0);
	assert_int_equal(p->leader, 3);
	assert_int_equal(p->leader_epoch, 1);
	assert_list(p->isr, 2, 3, 1);
	assert_list(p->elr, 0);
	/* it comes back, and does not lead without being asked to */
	heartbeat(2, false, false);
	assert_false(image_broker(w.image, 2)->fenced);
	assert_int_equal(partition("t", 0)->leader, 3);
}

static void test_controlled_shutdown_waits_for_the_others(void **state)
{
	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3}, 2), 0);
	assert_false(heartbeat(2, false, true)->should_shut_down);
	assert_int_equal(partition("t", 0)->leader, 3);
	assert_true(image_broker(w.image, 2)->in_controlled_shutdown);
	/* broker 3 has not read of it yet */
	assert_false(heartbeat(2, false, true)->should_shut_down);
	heartbeat(3, false, false);
	world_run_for(&w, 3000);
	assert_true(heartbeat(2, false, true)->should_shut_down);
	assert_true(image_broker(w.image, 2)->fenced);
}

/* ---- ELR ------------------------------------------------------------------------------------- */

/* With too few in sync, those that left hold what was acknowledged, and may lead again. */
static void test_eligible_leader_replicas(void **state)
{
	const struct image_partition *p;

	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3}, 2), 0);
	heartbeat(2, true, false);
	p = partition("t", 0);
	assert_int_equal(p->leader, 3);
	assert_list(p->isr, 1, 3);
	heartbeat(3, true, false);
	p = partition("t", 0);
	assert_int_equal(p->leader, NO_LEADER);
	assert_list(p->isr, 0);
	assert_list(p->elr, 1, 3);
	assert_list(p->last_known_elr, 1, 3);
	/* 2 may be behind */
	heartbeat(2, false, false);
	assert_int_equal(partition("t", 0)->leader, NO_LEADER);
	heartbeat(3, false, false);
	p = partition("t", 0);
	assert_int_equal(p->leader, 3);
	assert_list(p->isr, 1, 3);
	assert_list(p->elr, 0);
	assert_int_equal(p->recovery, LEADER_RECOVERED);
}

static void test_unclean_election_on_request(void **state)
{
	struct elect_leaders_request *r = WIRE_NEW(&w.arena, elect_leaders_request);
	struct elect_leaders_response *response = WIRE_NEW(&w.arena, elect_leaders_response);
	int32_t index = 0;
	struct call call;

	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3}, 2), 0);
	heartbeat(2, true, false);
	heartbeat(3, true, false);
	heartbeat(2, false, false);
	r->election_type = 1;
	r->topic_partitions = WIRE_ARRAY(&w.arena, elect_leaders_request_topic_partitions, 1);
	r->topic_partitions_count = 1;
	r->topic_partitions[0].topic = STR_LIT("t");
	r->topic_partitions[0].partitions = &index;
	r->topic_partitions[0].partitions_count = 1;
	call_run(&w, &call, CONTROL_ELECT_LEADERS, 2, r, response);
	assert_int_equal(response->replica_election_results[0].partition_result[0].error_code, 0);
	assert_int_equal(partition("t", 0)->leader, 2);
	assert_list(partition("t", 0)->isr, 1, 2);
	assert_list(partition("t", 0)->elr, 0);
	assert_int_equal(partition("t", 0)->recovery, LEADER_RECOVERING);
	call_run(&w, &call, CONTROL_ELECT_LEADERS, 2, r, response);
	assert_int_equal(response->replica_election_results[0].partition_result[0].error_code,
			 KERR_ELECTION_NOT_NEEDED);
}

/* ---- AlterPartition -------------------------------------------------------------------------- */

static int16_t alter_isr(int32_t leader, int32_t epoch_off, const int32_t *isr, int32_t count)
{
	const struct image_topic *t = image_topic_by_name(w.image, STR_LIT("t"));
	struct alter_partition_request *r = WIRE_NEW(&w.arena, alter_partition_request);
	struct alter_partition_response *response = WIRE_NEW(&w.arena, alter_partition_response);
	struct call call;

	r->broker_id = leader;
	r->broker_epoch = leader == 1 ? control_broker_epoch(w.control) : epochs[leader];
	r->topics = WIRE_ARRAY(&w.arena, alter_partition_request_topic_data, 1);
	r->topics_count = 1;
	r->topics[0].topic_id = t->id;
	r->topics[0].partitions = WIRE_ARRAY(&w.arena, alter_partition_request_partition_data, 1);
	r->topics[0].partitions_count = 1;
	r->topics[0].partitions[0].leader_epoch = t->partitions[0].leader_epoch;
	r->topics[0].partitions[0].partition_epoch = t->partitions[0].partition_epoch + epoch_off;
	r->topics[0].partitions[0].new_isr_with_epochs =
		WIRE_ARRAY(&w.arena, alter_partition_request_broker_state, count);
	r->topics[0].partitions[0].new_isr_with_epochs_count = count;
	for (int32_t i = 0; i < count; i++)
		r->topics[0].partitions[0].new_isr_with_epochs[i].broker_id = isr[i];
	call_run(&w, &call, CONTROL_ALTER_PARTITION, 3, r, response);
	return response->topics_count ? response->topics[0].partitions[0].error_code
				      : response->error_code;
}

static void test_alter_partition(void **state)
{
	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3, 1}, 3), 0);
	assert_int_equal(alter_isr(2, 0, (int32_t[]){2, 1}, 2), 0);
	assert_list(partition("t", 0)->isr, 2, 2, 1);
	assert_int_equal(partition("t", 0)->partition_epoch, 1);
	assert_int_equal(partition("t", 0)->leader_epoch, 0);
	assert_int_equal(alter_isr(2, -1, (int32_t[]){2, 1}, 2), KERR_INVALID_UPDATE_VERSION);
	assert_int_equal(alter_isr(2, 1, (int32_t[]){2, 1}, 2), KERR_NOT_CONTROLLER);
	assert_int_equal(alter_isr(3, 0, (int32_t[]){3, 1}, 2), KERR_INVALID_REQUEST);
	assert_int_equal(alter_isr(2, 0, (int32_t[]){1}, 1), KERR_INVALID_REQUEST);
	assert_int_equal(alter_isr(2, 0, (int32_t[]){2, 2}, 2), KERR_INVALID_REQUEST);
	heartbeat(3, true, false);
	assert_int_equal(alter_isr(2, 0, (int32_t[]){2, 3, 1}, 3), KERR_INELIGIBLE_REPLICA);
}

static int16_t reassign(const int32_t *ids, int32_t count)
{
	struct alter_partition_reassignments_request *r =
		WIRE_NEW(&w.arena, alter_partition_reassignments_request);
	struct alter_partition_reassignments_response *response =
		WIRE_NEW(&w.arena, alter_partition_reassignments_response);
	struct call call;

	r->topics =
		WIRE_ARRAY(&w.arena, alter_partition_reassignments_request_reassignable_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = STR_LIT("t");
	r->topics[0].partitions = WIRE_ARRAY(
		&w.arena, alter_partition_reassignments_request_reassignable_partition, 1);
	r->topics[0].partitions_count = 1;
	r->topics[0].partitions[0].replicas = (int32_t *)(uintptr_t)ids;
	r->topics[0].partitions[0].replicas_count = count;
	call_run(&w, &call, CONTROL_ALTER_REASSIGNMENTS, 1, r, response);
	return response->responses[0].partitions[0].error_code;
}

static void test_reassignment(void **state)
{
	const struct image_partition *p;

	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){1, 2}, 2), 0);
	assert_int_equal(reassign((int32_t[]){3, 2}, 2), 0);
	p = partition("t", 0);
	assert_list(p->replicas, 3, 3, 2, 1);
	assert_list(p->adding, 1, 3);
	assert_list(p->removing, 1, 1);
	assert_int_equal(p->leader, 1);
	/* the new replica has caught up: the old one goes, and with it its leadership */
	assert_int_equal(alter_isr(1, 0, (int32_t[]){1, 2, 3}, 3), KERR_NEW_LEADER_ELECTED);
	p = partition("t", 0);
	assert_list(p->replicas, 2, 3, 2);
	assert_list(p->adding, 0);
	assert_list(p->removing, 0);
	assert_int_equal(p->leader, 3);
	assert_true(uuid_eq(p->directories[0], image_broker(w.image, 3)->log_dirs[0]));
	assert_int_equal(reassign(NULL, -1), KERR_NO_REASSIGNMENT_IN_PROGRESS);
	assert_int_equal(reassign((int32_t[]){1, 2}, 2), 0);
	assert_int_equal(reassign(NULL, -1), 0);
	assert_list(partition("t", 0)->replicas, 2, 2, 3);
	assert_list(partition("t", 0)->adding, 0);
	assert_int_equal(reassign((int32_t[]){7}, 1), KERR_INVALID_REPLICA_ASSIGNMENT);
}

/* ---- Topics ---------------------------------------------------------------------------------- */

static void assert_refused(const char *name, int32_t partitions, int16_t factor, int error,
			   const char *text)
{
	struct create_topics_response *response = create_topic(&w, name, partitions, factor);

	assert_int_equal(response->topics[0].error_code, error);
	if (!str_is(response->topics[0].error_message, text))
		fail_msg("%.*s", STR(response->topics[0].error_message));
	assert_null(image_topic_by_name(w.image, STR_LIT("bad")));
}

static void test_create_topics_refusals(void **state)
{
	char name[252];

	(void)state;
	assert_refused("", 1, 1, KERR_INVALID_TOPIC_EXCEPTION,
		       "Topic name is invalid: the empty string is not allowed");
	assert_refused("..", 1, 1, KERR_INVALID_TOPIC_EXCEPTION,
		       "Topic name is invalid: '..' is not allowed");
	memset(name, 'x', 250);
	name[250] = '\0';
	assert_int_equal(create_topic(&w, name, 1, 1)->topics[0].error_code,
			 KERR_INVALID_TOPIC_EXCEPTION);
	name[249] = '\0';
	assert_int_equal(create_topic(&w, name, 1, 1)->topics[0].error_code, 0);
	assert_refused("__cluster_metadata", 1, 1, KERR_INVALID_REQUEST,
		       "Creation of internal topic __cluster_metadata is prohibited.");
	assert_int_equal(create_topic(&w, "a.b", 1, 1)->topics[0].error_code, 0);
	assert_refused("a_b", 1, 1, KERR_INVALID_TOPIC_EXCEPTION,
		       "Topic 'a_b' collides with existing topic: a.b");
	assert_refused("a.b", 1, 1, KERR_TOPIC_ALREADY_EXISTS, "Topic 'a.b' already exists.");
	assert_refused("bad", 0, 1, KERR_INVALID_PARTITIONS,
		       "Number of partitions was set to an invalid non-positive value.");
	assert_refused("bad", 1, 0, KERR_INVALID_REPLICATION_FACTOR,
		       "Replication factor must be larger than 0, or -1 to use the default value.");
	assert_refused("bad", 1, 2, KERR_INVALID_REPLICATION_FACTOR,
		       "Unable to replicate the partition 2 time(s): The target replication factor "
		       "of 2 cannot be reached because only 1 broker(s) are registered or some "
		       "brokers have all their log directories cordoned.");
	assert_refused("bad", 10001, 1, KERR_POLICY_VIOLATION,
		       "Excessively large number of partitions per request.");
	assert_int_equal(create_manual("bad", (int32_t[]){1, 1}, 2),
			 KERR_INVALID_REPLICA_ASSIGNMENT);
	assert_int_equal(create_manual("bad", (int32_t[]){4}, 1), KERR_INVALID_REPLICA_ASSIGNMENT);
	assert_int_equal(create_manual("bad", NULL, 0), KERR_INVALID_REPLICA_ASSIGNMENT);
	/* more records than one operation may make: nothing of it stays */
	assert_int_equal(create_topic(&w, "bad", 10000, 1)->topics[0].error_code,
			 KERR_POLICY_VIOLATION);
	assert_null(image_topic_by_name(w.image, STR_LIT("bad")));
	assert_int_equal(create_topic(&w, "good", -1, -1)->topics[0].error_code, 0);
}

static void test_placement_spreads(void **state)
{
	unsigned leads[4] = {0}, holds[4] = {0};

	(void)state;
	three_brokers();
	assert_int_equal(create_topic(&w, "t", 30, 2)->topics[0].error_code, 0);
	for (int32_t i = 0; i < 30; i++) {
		const struct image_partition *p = partition("t", i);

		assert_int_equal(p->replicas.count, 2);
		assert_int_not_equal(p->replicas.ids[0], p->replicas.ids[1]);
		leads[p->leader]++;
		holds[p->replicas.ids[0]]++;
		holds[p->replicas.ids[1]]++;
	}
	for (int id = 1; id <= 3; id++) {
		assert_int_equal(leads[id], 10);
		assert_true(holds[id] >= 15 && holds[id] <= 25);
	}
	/* a fenced broker may follow, not lead */
	heartbeat(3, true, false);
	assert_int_equal(create_topic(&w, "u", 6, 3)->topics[0].error_code, 0);
	for (int32_t i = 0; i < 6; i++) {
		assert_int_not_equal(partition("u", i)->leader, 3);
		assert_false(node_list_has(partition("u", i)->isr, 3));
		assert_true(node_list_has(partition("u", i)->replicas, 3));
	}
}

static void test_delete_and_grow(void **state)
{
	struct create_partitions_request *grow = WIRE_NEW(&w.arena, create_partitions_request);
	struct create_partitions_response *grown = WIRE_NEW(&w.arena, create_partitions_response);
	struct delete_topics_request *r = WIRE_NEW(&w.arena, delete_topics_request);
	struct delete_topics_response *response = WIRE_NEW(&w.arena, delete_topics_response);
	struct call call;
	struct uuid id;

	(void)state;
	assert_int_equal(create_topic(&w, "t", 2, 1)->topics[0].error_code, 0);
	grow->topics = WIRE_ARRAY(&w.arena, create_partitions_request_topic, 1);
	grow->topics_count = 1;
	grow->topics[0].name = STR_LIT("t");
	grow->topics[0].count = 2;
	grow->topics[0].assignments_count = -1;
	call_run(&w, &call, CONTROL_CREATE_PARTITIONS, 3, grow, grown);
	assert_int_equal(grown->results[0].error_code, KERR_INVALID_PARTITIONS);
	assert_true(str_is(grown->results[0].error_message, "Topic already has 2 partition(s)."));
	grow->topics[0].count = 5;
	grow->validate_only = true;
	call_run(&w, &call, CONTROL_CREATE_PARTITIONS, 3, grow, grown);
	assert_int_equal(grown->results[0].error_code, 0);
	assert_int_equal(image_topic_by_name(w.image, STR_LIT("t"))->partition_count, 2);
	grow->validate_only = false;
	call_run(&w, &call, CONTROL_CREATE_PARTITIONS, 3, grow, grown);
	assert_int_equal(image_topic_by_name(w.image, STR_LIT("t"))->partition_count, 5);
	assert_int_equal(partition("t", 4)->leader, 1);

	id = image_topic_by_name(w.image, STR_LIT("t"))->id;
	r->topics = WIRE_ARRAY(&w.arena, delete_topics_request_delete_topic_state, 3);
	r->topics_count = 3;
	r->topics[0].name = STR_LIT("nosuch");
	r->topics[1].topic_id = (struct uuid){{1, [15] = 7}};
	r->topics[2].topic_id = id;
	call_run(&w, &call, CONTROL_DELETE_TOPICS, 6, r, response);
	assert_int_equal(response->responses[0].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(response->responses[1].error_code, KERR_UNKNOWN_TOPIC_ID);
	assert_int_equal(response->responses[2].error_code, 0);
	assert_true(str_is(response->responses[2].name, "t"));
	assert_null(image_topic_by_id(w.image, id));
}

/* ---- Settings -------------------------------------------------------------------------------- */

static struct incremental_alter_configs_response *
alter(int8_t type, const char *name, const char *key, int8_t op, const char *value)
{
	struct incremental_alter_configs_request *r =
		WIRE_NEW(&w.arena, incremental_alter_configs_request);
	struct incremental_alter_configs_response *response =
		WIRE_NEW(&w.arena, incremental_alter_configs_response);
	struct call call;

	r->resources =
		WIRE_ARRAY(&w.arena, incremental_alter_configs_request_alter_configs_resource, 1);
	r->resources_count = 1;
	r->resources[0].resource_type = type;
	r->resources[0].resource_name = str_of(name);
	r->resources[0].configs =
		WIRE_ARRAY(&w.arena, incremental_alter_configs_request_alterable_config, 1);
	r->resources[0].configs_count = 1;
	r->resources[0].configs[0].name = str_of(key);
	r->resources[0].configs[0].config_operation = op;
	r->resources[0].configs[0].value = str_of(value);
	call_run(&w, &call, CONTROL_INCREMENTAL_ALTER_CONFIGS, 1, r, response);
	return response;
}

static struct str topic_config_of(const char *key)
{
	return image_config_value(image_config(w.image, CONFIG_RESOURCE_TOPIC, STR_LIT("t")),
				  str_of(key));
}

static void test_configs(void **state)
{
	(void)state;
	assert_int_equal(create_topic(&w, "t", 1, 1)->topics[0].error_code, 0);
	assert_int_equal(alter(2, "t", "cleanup.policy", 2, "compact")->responses[0].error_code, 0);
	assert_true(str_is(topic_config_of("cleanup.policy"), "delete,compact"));
	assert_int_equal(alter(2, "t", "cleanup.policy", 3, "delete")->responses[0].error_code, 0);
	assert_true(str_is(topic_config_of("cleanup.policy"), "compact"));
	assert_int_equal(alter(2, "t", "retention.ms", 2, "7")->responses[0].error_code,
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter(2, "t", "retention.ms", 0, "seven")->responses[0].error_code,
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter(2, "t", "no.such", 0, "1")->responses[0].error_code,
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter(2, "x", "retention.ms", 0, "7")->responses[0].error_code,
			 KERR_UNKNOWN_TOPIC_OR_PARTITION);
	assert_int_equal(alter(2, "t", "cleanup.policy", 1, NULL)->responses[0].error_code, 0);
	assert_true(str_is_null(topic_config_of("cleanup.policy")));
	assert_int_equal(alter(4, "1", "log.dirs", 0, "/x")->responses[0].error_code,
			 KERR_INVALID_REQUEST);
	assert_int_equal(alter(4, "77", "log.cleaner.threads", 0, "2")->responses[0].error_code,
			 KERR_BROKER_ID_NOT_REGISTERED);
	assert_int_equal(alter(4, "", "min.insync.replicas", 1, NULL)->responses[0].error_code,
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter(4, "1", "min.insync.replicas", 0, "1")->responses[0].error_code,
			 KERR_INVALID_CONFIG);
	assert_int_equal(alter(4, "", "min.insync.replicas", 0, "2")->responses[0].error_code, 0);
	assert_int_equal(alter(9, "t", "a", 0, "1")->responses[0].error_code, KERR_INVALID_REQUEST);
}

/* Nobody would lead a partition again if its eligible replicas were forgotten. */
static void test_min_isr_keeps_those_who_can_lead(void **state)
{
	const struct image_partition *p;

	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3}, 2), 0);
	assert_int_equal(alter(2, "t", "min.insync.replicas", 0, "2")->responses[0].error_code, 0);
	heartbeat(2, true, false);
	assert_list(partition("t", 0)->elr, 1, 2);
	assert_int_equal(alter(2, "t", "min.insync.replicas", 0, "3")->responses[0].error_code, 0);
	p = partition("t", 0);
	assert_list(p->isr, 1, 3);
	assert_list(p->elr, 0);
	heartbeat(2, false, false);
	assert_int_equal(alter_isr(3, 0, (int32_t[]){3, 2}, 2), 0);
	heartbeat(2, true, false);
	heartbeat(3, true, false);
	assert_list(partition("t", 0)->elr, 2, 2, 3);
	assert_int_equal(alter(2, "t", "min.insync.replicas", 0, "1")->responses[0].error_code, 0);
	p = partition("t", 0);
	assert_list(p->isr, 0);
	assert_list(p->elr, 2, 2, 3);
	/* who leads now acknowledges alone: the other one is eligible no more */
	heartbeat(2, false, false);
	p = partition("t", 0);
	assert_int_equal(p->leader, 2);
	assert_int_equal(p->recovery, LEADER_RECOVERED);
	assert_list(p->isr, 1, 2);
	assert_list(p->elr, 0);
}

/* Nor if the last one that led it were, where nobody is eligible any more. */
static void test_min_isr_keeps_who_led_last(void **state)
{
	const struct image_partition *p;

	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3}, 2), 0);
	heartbeat(2, true, false);
	heartbeat(3, true, false);
	assert_list(partition("t", 0)->elr, 1, 3);
	world_run_for(&w, 10000);
	incarnation = 9; /* it died: what it had may be gone */
	assert_int_equal(add_broker(3, "c"), 0);
	p = partition("t", 0);
	assert_list(p->isr, 0);
	assert_list(p->elr, 0);
	assert_list(p->last_known_elr, 1, 3);
	assert_int_equal(alter(2, "t", "min.insync.replicas", 0, "2")->responses[0].error_code, 0);
	assert_list(partition("t", 0)->last_known_elr, 1, 3);
	heartbeat(3, false, false);
	p = partition("t", 0);
	assert_int_equal(p->leader, 3);
	assert_list(p->last_known_elr, 0);
}

/* Allowed only afterwards: the periodic look finds the partition. */
static void test_unclean_election_by_the_clock(void **state)
{
	(void)state;
	three_brokers();
	assert_int_equal(create_manual("t", (int32_t[]){2, 3}, 2), 0);
	heartbeat(2, true, false);
	heartbeat(3, true, false);
	heartbeat(2, false, false);
	world_run_for(&w, 4000);
	assert_int_equal(partition("t", 0)->leader, NO_LEADER);
	assert_int_equal(
		alter(2, "t", "unclean.leader.election.enable", 0, "true")->responses[0].error_code,
		0);
	world_run_for(&w, 4000);
	assert_int_equal(partition("t", 0)->leader, 2);
	assert_int_equal(partition("t", 0)->recovery, LEADER_RECOVERING);
	assert_list(partition("t", 0)->isr, 1, 2);
}

static int16_t set_feature(const char *name, int16_t level, int8_t type)
{
	struct update_features_request *r = WIRE_NEW(&w.arena, update_features_request);
	struct update_features_response *response = WIRE_NEW(&w.arena, update_features_response);
	struct call call;

	r->feature_updates = WIRE_ARRAY(&w.arena, update_features_request_feature_update_key, 1);
	r->feature_updates_count = 1;
	r->feature_updates[0].feature = str_of(name);
	r->feature_updates[0].max_version_level = level;
	r->feature_updates[0].upgrade_type = type;
	call_run(&w, &call, CONTROL_UPDATE_FEATURES, 2, r, response);
	return response->error_code;
}

static void test_features(void **state)
{
	(void)state;
	assert_int_equal(set_feature("group.version", 0, 1), KERR_INVALID_UPDATE_VERSION);
	assert_int_equal(set_feature("group.version", 0, 2), 0);
	assert_int_equal(image_feature_level(w.image, STR_LIT("group.version")), 0);
	assert_int_equal(set_feature("group.version", 1, 1), 0);
	assert_int_equal(set_feature("group.version", 2, 1), KERR_INVALID_UPDATE_VERSION);
	assert_int_equal(set_feature("metadata.version", 32, 2), KERR_INVALID_UPDATE_VERSION);
	assert_int_equal(set_feature("no.such", 1, 1), KERR_INVALID_UPDATE_VERSION);
	assert_int_equal(image_feature_level(w.image, STR_LIT("kraft.version")), 1);
}

static void test_quotas_and_credentials(void **state)
{
	struct alter_client_quotas_request *q = WIRE_NEW(&w.arena, alter_client_quotas_request);
	struct alter_client_quotas_response *quotas =
		WIRE_NEW(&w.arena, alter_client_quotas_response);
	struct alter_user_scram_credentials_request *s =
		WIRE_NEW(&w.arena, alter_user_scram_credentials_request);
	struct alter_user_scram_credentials_response *scrams =
		WIRE_NEW(&w.arena, alter_user_scram_credentials_response);
	struct call call;

	(void)state;
	q->entries = WIRE_ARRAY(&w.arena, alter_client_quotas_request_entry_data, 1);
	q->entries_count = 1;
	q->entries[0].entity = WIRE_ARRAY(&w.arena, alter_client_quotas_request_entity_data, 1);
	q->entries[0].entity_count = 1;
	q->entries[0].entity[0].entity_type = STR_LIT("user");
	q->entries[0].ops = WIRE_ARRAY(&w.arena, alter_client_quotas_request_op_data, 1);
	q->entries[0].ops_count = 1;
	q->entries[0].ops[0].key = STR_LIT("producer_byte_rate");
	q->entries[0].ops[0].value = 1.5;
	call_run(&w, &call, CONTROL_ALTER_CLIENT_QUOTAS, 1, q, quotas);
	assert_int_equal(quotas->entries[0].error_code, KERR_INVALID_REQUEST);
	q->entries[0].ops[0].value = 1024;
	call_run(&w, &call, CONTROL_ALTER_CLIENT_QUOTAS, 1, q, quotas);
	assert_int_equal(quotas->entries[0].error_code, 0);
	assert_true(image_quota_next(w.image, NULL)->values[0].value == 1024);

	/* the client's message of RFC 7677's example: salted password of "pencil" */
	static const uint8_t salted[] = {0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9,
					 0x52, 0xca, 0xc1, 0xfa, 0x99, 0x44, 0x19, 0x39,
					 0xe7, 0x8e, 0xa7, 0x4d, 0x6b, 0xe8, 0x1d, 0xdf,
					 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d};
	static const uint8_t server_key[] = {0xc1, 0xf3, 0xcb, 0xc1};

	s->upsertions = WIRE_ARRAY(
		&w.arena, alter_user_scram_credentials_request_scram_credential_upsertion, 1);
	s->upsertions_count = 1;
	s->upsertions[0].name = STR_LIT("user");
	s->upsertions[0].mechanism = 1;
	s->upsertions[0].iterations = 4095;
	s->upsertions[0].salt = (struct slice){.data = salted, .len = 16};
	s->upsertions[0].salted_password = (struct slice){.data = salted, .len = sizeof(salted)};
	call_run(&w, &call, CONTROL_ALTER_SCRAM, 0, s, scrams);
	assert_int_equal(scrams->results[0].error_code, KERR_UNACCEPTABLE_CREDENTIAL);
	s->upsertions[0].iterations = 4096;
	call_run(&w, &call, CONTROL_ALTER_SCRAM, 0, s, scrams);
	assert_int_equal(scrams->results[0].error_code, 0);
	assert_int_equal(image_scram(w.image, 1, STR_LIT("user"))->stored_key.len, 32);
	assert_memory_equal(image_scram(w.image, 1, STR_LIT("user"))->server_key.data, server_key,
			    4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The error stands at each partition, too. */
static void test_late_reassignment(void)
{
	struct alter_partition_reassignments_request_reassignable_partition partition = {
		.partition_index = 3};
	struct alter_partition_reassignments_request_reassignable_topic topic = {
		.name = STR_LIT("late"), .partitions = &partition, .partitions_count = 1};
	struct alter_partition_reassignments_request r = {.topics = &topic, .topics_count = 1};
	struct alter_partition_reassignments_response *response =
		WIRE_NEW(&w.arena, alter_partition_reassignments_response);
	struct call call;

	call_begin(&w, &call, CONTROL_ALTER_REASSIGNMENTS, 0, &r, response);
	call.op.deadline_us = 1;
	world_run_until(&w, &call.done);
	assert_int_equal(response->error_code, KERR_REQUEST_TIMED_OUT);
	assert_int_equal(response->responses[0].partitions[0].partition_index, 3);
	assert_int_equal(response->responses[0].partitions[0].error_code, KERR_REQUEST_TIMED_OUT);
}

/* What comes too late is refused as a whole, and not done. */
static void test_deadlines(void **state)
{
	struct create_topics_request *r = WIRE_NEW(&w.arena, create_topics_request);
	struct create_topics_response *response = WIRE_NEW(&w.arena, create_topics_response);
	struct call call;

	(void)state;
	r->topics = WIRE_ARRAY(&w.arena, create_topics_request_creatable_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = STR_LIT("late");
	r->topics[0].num_partitions = 1;
	r->topics[0].replication_factor = 1;
	call_begin(&w, &call, CONTROL_CREATE_TOPICS, 7, r, response);
	call.op.deadline_us = env_mono_us(w.shard.env);
	world_run_until(&w, &call.done);
	assert_int_equal(call.op.error, KERR_REQUEST_TIMED_OUT);
	assert_int_equal(response->topics[0].error_code, KERR_REQUEST_TIMED_OUT);
	assert_true(str_is_null(response->topics[0].error_message));
	assert_null(image_topic_by_name(w.image, STR_LIT("late")));
	test_late_reassignment();
	call_begin(&w, &call, CONTROL_CREATE_TOPICS, 7, r, response);
	call.op.deadline_us = env_mono_us(w.shard.env) + 1000000;
	world_run_until(&w, &call.done);
	assert_int_equal(response->topics[0].error_code, KERR_NONE);
	assert_non_null(image_topic_by_name(w.image, STR_LIT("late")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_registration_is_checked),
		TEST(test_second_process_waits_for_the_session),
		TEST(test_silent_broker_is_fenced),
		TEST(test_controlled_shutdown_waits_for_the_others),
		TEST(test_eligible_leader_replicas),
		TEST(test_unclean_election_on_request),
		TEST(test_alter_partition),
		TEST(test_reassignment),
		TEST(test_create_topics_refusals),
		TEST(test_placement_spreads),
		TEST(test_delete_and_grow),
		TEST(test_deadlines),
		TEST(test_configs),
		TEST(test_min_isr_keeps_those_who_can_lead),
		TEST(test_min_isr_keeps_who_led_last),
		TEST(test_unclean_election_by_the_clock),
		TEST(test_features),
		TEST(test_quotas_and_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
