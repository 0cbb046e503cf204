/* Broken here: clusters that stand still when a controller dies, nodes that miss what the others
 * know, operations that are lost on their way or done by nobody. */
#include "cluster.h"

static const char *const combined[] = {"broker,controller", "broker,controller",
				       "broker,controller", "broker"};

static struct node *leader(void)
{
	for (int i = 1; i <= the.count; i++) {
		struct node *n = &the.nodes[i];

		if (n->is_up && !n->is_cut && !n->is_paused &&
		    control_leader_id(n->control) == n->id)
			return n;
	}
	return NULL;
}

/* A node that does not lead, other than `but`. */
static struct node *follower(const struct node *but)
{
	for (int i = 1; i <= the.count; i++) {
		struct node *n = &the.nodes[i];

		if (n->is_up && !n->is_cut && n != but && n != leader())
			return n;
	}
	return NULL;
}

static bool all_ready(void)
{
	for (int i = 1; i <= the.count; i++)
		if (the.nodes[i].is_up && !the.nodes[i].ready)
			return false;
	return true;
}

static void cluster_start(int count, const char *const *overrides)
{
	cluster_init(count, combined, overrides);
	for (int i = 1; i <= count; i++)
		node_start(&the.nodes[i]);
	UNTIL(20000, all_ready());
}

static void create_begin(struct node *n, struct call *call, const char *name, int32_t partitions,
			 int16_t factor)
{
	struct create_topics_request *r = WIRE_NEW(&n->arena, create_topics_request);

	r->timeout_ms = 30000;
	r->topics = WIRE_ARRAY(&n->arena, create_topics_request_creatable_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = str_of(name);
	r->topics[0].num_partitions = partitions;
	r->topics[0].replication_factor = factor;
	call_begin(n, call, CONTROL_CREATE_TOPICS, 7, r,
		   WIRE_NEW(&n->arena, create_topics_response));
}

static int16_t create_error(const struct call *call)
{
	const struct create_topics_response *response = call->op.response;

	assert_int_equal(response->topics_count, 1);
	return response->topics[0].error_code;
}

static void create(struct node *n, const char *name, int32_t partitions, int16_t factor)
{
	struct call call;

	create_begin(n, &call, name, partitions, factor);
	UNTIL(10000, call.done);
	assert_int_equal(create_error(&call), 0);
}

static const struct image_partition *partition_at(const struct node *n, const char *topic,
						  int32_t index)
{
	return image_partition(image_topic_by_name(n->image, str_of(topic)), index);
}

static bool all_have(const char *topic)
{
	for (int i = 1; i <= the.count; i++)
		if (the.nodes[i].is_up && !image_topic_by_name(the.nodes[i].image, str_of(topic)))
			return false;
	return true;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_every_node_takes_operations(void **state)
{
	(void)state;
	cluster_start(4, NULL);
	for (int i = 1; i <= 4; i++) {
		char name[32];

		snprintf(name, sizeof(name), "topic-%d", i);
		create(&the.nodes[i], name, 3, 3);
		UNTIL(2000, all_have(name));
	}
	for (int i = 1; i <= 4; i++) {
		struct node *n = &the.nodes[i];

		assert_int_equal(image_broker_count(n->image), 4);
		assert_int_equal(control_broker_epoch(n->control),
				 image_broker(n->image, i)->epoch);
		assert_int_equal(control_leader_id(n->control), leader()->id);
	}
	/* each controller has said who it is; the broker is none */
	UNTIL(5000, image_controller(leader()->image, 1) && image_controller(leader()->image, 2) &&
			    image_controller(leader()->image, 3));
	assert_null(image_controller(leader()->image, 4));
	cluster_fini();
}

/* To clients a broker has no version of what it passes on that its controller lacks. */
static void test_versions_of_the_controller_are_known(void **state)
{
	struct node *n, *old;
	int16_t min, max;

	(void)state;
	older_max = 5;
	cluster_start(3, NULL);
	old = leader();
	n = follower(NULL);
	create(n, "passed-on", 1, 1);
	assert_true(control_versions(&n->broker, API_CREATE_TOPICS, &min, &max));
	assert_int_equal(min, api_by_key(API_CREATE_TOPICS)->min_version);
	assert_int_equal(max, 5);
	assert_true(control_versions(&n->broker, API_ALTER_CONFIGS, &min, &max));
	assert_int_equal(max, api_max_stable(api_by_key(API_ALTER_CONFIGS)));
	assert_true(control_versions(&n->broker, API_UNREGISTER_CONTROLLER, &min, &max));
	assert_int_equal(max, -1);
	assert_false(control_versions(&n->broker, API_FETCH, &min, &max));
	assert_false(control_versions(&old->broker, API_CREATE_TOPICS, &min, &max));
	/* the next one has others */
	older_max = 6;
	node_kill(old);
	UNTIL(20000, leader() && leader() != old);
	for (int i = 1; i <= 3; i++) {
		struct node *next = &the.nodes[i];
		bool leads = next == leader();

		UNTIL(5000,
		      next == old || (leads ? !control_versions(&next->broker, API_CREATE_TOPICS,
								&min, &max)
					    : control_versions(&next->broker, API_CREATE_TOPICS,
							       &min, &max) &&
						      max == 6));
	}
	older_max = -1;
	cluster_fini();
}

static int64_t create_five_us(const char *prefix)
{
	int64_t began_us = the.now_us;

	for (int i = 0; i < 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s-%d", prefix, i);
		create(leader(), name, 1, 3);
	}
	return the.now_us - began_us;
}

/* controller.quorum.append.linger.ms: the leader keeps records back, from the others too. */
static void test_records_linger(void **state)
{
	static const char *const overrides[] = {"controller.quorum.append.linger.ms=100", NULL};
	int64_t quick_us;

	(void)state;
	cluster_start(3, NULL);
	quick_us = create_five_us("quick");
	assert_true(quick_us < 100 * 1000);
	cluster_fini();
	cluster_start(3, overrides);
	/* a record of somebody else's may have begun the time before the first */
	assert_true(create_five_us("slow") >= 400 * 1000);
	UNTIL(2000, all_have("slow-4"));
	cluster_fini();
}

static void test_operation_waits_for_a_controller(void **state)
{
	struct node *old, *n;
	struct call call, second;

	(void)state;
	cluster_start(3, NULL);
	old = leader();
	n = follower(NULL);
	node_kill(old);
	create_begin(n, &call, "late", 1, 2);
	UNTIL(20000, call.done);
	assert_int_equal(create_error(&call), 0);
	assert_true(leader() != old);
	/* and with no majority it is given up, in time */
	node_kill(follower(n) ? follower(n) : leader());
	if (!n->is_up)
		n = the.nodes[1].is_up   ? &the.nodes[1]
		    : the.nodes[2].is_up ? &the.nodes[2]
					 : &the.nodes[3];
	create_begin(n, &second, "never", 1, 1);
	second.op.deadline_us = the.now_us + 5000000;
	UNTIL(65000, second.done);
	assert_true(create_error(&second) == KERR_REQUEST_TIMED_OUT ||
		    create_error(&second) == KERR_NOT_CONTROLLER);
	cluster_fini();
}

/* To kraft.version 1, where voters may come and go, as soon as every voter has told of itself. */
static void voters_may_change(struct node *n)
{
	struct update_features_request *r = WIRE_NEW(&n->arena, update_features_request);
	struct update_features_response *response;
	struct call call;

	r->timeout_ms = 30000;
	r->feature_updates = WIRE_ARRAY(&n->arena, update_features_request_feature_update_key, 1);
	r->feature_updates_count = 1;
	r->feature_updates[0].feature = STR_LIT("kraft.version");
	r->feature_updates[0].max_version_level = 1;
	r->feature_updates[0].upgrade_type = 1;
	for (int tries = 0; tries < 100; tries++) {
		response = WIRE_NEW(&n->arena, update_features_response);
		call_begin(n, &call, CONTROL_UPDATE_FEATURES, 2, r, response);
		UNTIL(10000, call.done);
		if (response->error_code == 0)
			return;
		cluster_run_for(100);
	}
	fail_msg("%.*s", STR(response->error_message));
}

/* The leader dies at any moment of its removal: whoever asked for that is told that it is done. */
static void test_removal_of_a_leader_that_dies(void **state)
{
	(void)state;
	for (int ms = 0; ms < 12; ms++) {
		struct remove_raft_voter_request *r;
		struct remove_raft_voter_response *response;
		struct node *old, *n;
		struct call call;

		cluster_start(3, NULL);
		voters_may_change(leader());
		old = leader();
		n = follower(NULL);
		r = WIRE_NEW(&n->arena, remove_raft_voter_request);
		response = WIRE_NEW(&n->arena, remove_raft_voter_response);
		r->cluster_id = STR_NULL;
		r->voter_id = old->id;
		r->voter_directory_id = old->log_dir->meta.directory_id;
		call_begin(n, &call, CONTROL_REMOVE_VOTER, 0, r, response);
		cluster_run_for(ms);
		node_kill(old);
		UNTIL(30000, call.done);
		assert_int_equal(response->error_code, 0);
		cluster_fini();
	}
}

/* What the old leader had not agreed is forgotten, and its clients get an answer all the same. */
static void test_deposed_leader_forgets(void **state)
{
	struct node *old, *new;
	struct call call, hasty;

	(void)state;
	cluster_start(3, NULL);
	create(&the.nodes[1], "before", 1, 3);
	old = leader();
	old->is_cut = true;
	create_begin(old, &call, "lonely", 1, 1);
	create_begin(old, &hasty, "forgotten", 1, 1);
	hasty.op.deadline_us = the.now_us + 6000000;
	UNTIL(20000, leader());
	new = leader();
	UNTIL(20000, hasty.done);
	assert_int_equal(create_error(&hasty), KERR_REQUEST_TIMED_OUT);
	assert_false(call.done);
	assert_int_equal(image_topic_count(old->image), 1);
	create(new, "meanwhile", 2, 2);
	old->is_cut = false;
	UNTIL(20000, call.done);
	assert_int_equal(create_error(&call), 0);
	UNTIL(5000, all_have("lonely") && all_have("meanwhile"));
	assert_int_equal(control_leader_id(old->control), new->id);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(image_topic_count(the.nodes[i].image), 3);
	cluster_fini();
}

/* The world goes on while a node sleeps; awake, it must not act on what it was. */
static void test_paused_leader_wakes(void **state)
{
	struct node *old;
	struct call call;

	(void)state;
	cluster_start(3, NULL);
	create(&the.nodes[1], "before", 1, 3);
	old = leader();
	old->is_paused = true;
	UNTIL(20000, leader() && leader() != old);
	create(leader(), "meanwhile", 1, 2);
	create_begin(old, &call, "asked-in-its-sleep", 1, 1);
	cluster_run_for(12000);
	assert_true(image_broker(leader()->image, old->id)->fenced);
	old->is_paused = false;
	UNTIL(20000, call.done);
	assert_int_equal(create_error(&call), 0);
	UNTIL(5000, all_have("asked-in-its-sleep") && all_have("meanwhile"));
	UNTIL(5000, !image_broker(leader()->image, old->id)->fenced);
	for (int i = 1; i <= 3; i++)
		assert_false(image_broker(leader()->image, i)->fenced);
	cluster_fini();
}

/* A leader that cannot write is no leader: somebody else does what was asked. */
static void test_leader_with_a_full_disk_resigns(void **state)
{
	struct node *full, *n;
	struct call call;

	(void)state;
	cluster_start(3, NULL);
	full = leader();
	n = follower(NULL);
	full->is_full = true;
	create_begin(n, &call, "elsewhere", 1, 2);
	UNTIL(20000, call.done);
	assert_int_equal(create_error(&call), 0);
	assert_true(control_leader_id(n->control) != full->id);
	cluster_fini();
}

static void test_silent_broker_loses_its_leaderships(void **state)
{
	struct node *dead, *n;

	(void)state;
	cluster_start(4, NULL);
	create(&the.nodes[1], "t", 12, 3);
	UNTIL(2000, all_have("t"));
	dead = follower(NULL);
	node_kill(dead);
	n = leader();
	UNTIL(12000, image_broker(n->image, dead->id)->fenced);
	for (int i = 0; i < 12; i++) {
		const struct image_partition *p = partition_at(n, "t", i);

		assert_true(p->leader != dead->id && p->leader != NO_LEADER);
		assert_false(node_list_has(p->isr, dead->id));
	}
	/* back, with a new process */
	node_start(dead);
	UNTIL(20000, all_ready());
	assert_false(image_broker(n->image, dead->id)->fenced);
	cluster_fini();
}

/* The new controller has heard from nobody: it gives everybody a session before it fences. */
static void test_dead_controller_is_fenced_by_the_next(void **state)
{
	struct node *dead;
	int64_t began_us;

	(void)state;
	cluster_start(3, NULL);
	create(&the.nodes[1], "t", 6, 3);
	UNTIL(2000, all_have("t"));
	dead = leader();
	node_kill(dead);
	UNTIL(10000, leader());
	began_us = the.now_us;
	UNTIL(20000, leader() && image_broker(leader()->image, dead->id)->fenced);
	assert_true(the.now_us - began_us >= 8000000);
	for (int i = 1; i <= 3; i++)
		if (the.nodes[i].is_up)
			assert_false(image_broker(leader()->image, i)->fenced);
	for (int i = 0; i < 6; i++)
		assert_true(partition_at(leader(), "t", i)->leader != dead->id);
	cluster_fini();
}

static void test_controlled_shutdown(void **state)
{
	struct node *gone, *n;
	int64_t began_us;

	(void)state;
	cluster_start(4, NULL);
	create(&the.nodes[1], "t", 12, 3);
	UNTIL(2000, all_have("t"));
	gone = &the.nodes[4];
	began_us = the.now_us;
	node_stop(gone);
	assert_true(the.now_us - began_us < 5000000);
	n = leader();
	assert_true(image_broker(n->image, 4)->fenced);
	for (int i = 0; i < 12; i++)
		assert_true(partition_at(n, "t", i)->leader != 4);
	/* the next process of that id need not wait */
	began_us = the.now_us;
	node_start(gone);
	UNTIL(5000, gone->ready);
	assert_true(the.now_us - began_us < 2000000);
	/* the active controller too */
	gone = leader();
	node_stop(gone);
	UNTIL(1000, leader());
	assert_true(image_broker(leader()->image, gone->id)->fenced);
	cluster_fini();
}

static void test_unregistered_broker_comes_back(void **state)
{
	struct unregister_broker_request request;
	struct unregister_broker_response response;
	struct call call;
	int64_t epoch;

	(void)state;
	cluster_start(4, NULL);
	epoch = control_broker_epoch(the.nodes[4].control);
	WIRE_INIT(unregister_broker_request, &request);
	WIRE_INIT(unregister_broker_response, &response);
	request.broker_id = 4;
	call_begin(follower(&the.nodes[4]), &call, CONTROL_UNREGISTER_BROKER, 0, &request,
		   &response);
	UNTIL(5000, call.done);
	assert_int_equal(response.error_code, 0);
	UNTIL(10000, control_broker_epoch(the.nodes[4].control) > epoch &&
			     image_broker(leader()->image, 4) &&
			     !image_broker(leader()->image, 4)->fenced);
	assert_false(the.nodes[4].fatal);
	cluster_fini();
}

/* A node that was away for so long that the log it needs is gone: its image is replaced. */
static void test_snapshot_replaces_an_image(void **state)
{
	static const char *const overrides[] = {
		"metadata.log.max.record.bytes.between.snapshots=3000",
		"metadata.max.retention.bytes=1000", NULL};
	struct node *n = &the.nodes[4];
	char name[32];

	(void)state;
	cluster_start(4, overrides);
	create(&the.nodes[1], "first", 1, 3);
	UNTIL(2000, all_have("first"));
	n->is_cut = true;
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "topic-%d", i);
		create(leader(), name, 2, 2);
	}
	cluster_run_for(130000);
	assert_true(image_broker(leader()->image, 4)->fenced);
	assert_null(image_topic_by_name(n->image, STR_LIT("topic-59")));
	n->is_cut = false;
	UNTIL(20000, image_topic_by_name(n->image, STR_LIT("topic-59")));
	assert_int_equal(image_topic_count(n->image), 61);
	assert_non_null(image_topic_by_name(n->image, STR_LIT("first")));
	UNTIL(10000, !image_broker(leader()->image, 4)->fenced);
	/* on its own it writes snapshots as well */
	node_kill(n);
	node_start(n);
	UNTIL(20000, n->ready);
	assert_int_equal(image_topic_count(n->image), 61);
	cluster_fini();
}

static void test_producer_ids_are_different_everywhere(void **state)
{
	int64_t ids[4];

	(void)state;
	cluster_start(4, NULL);
	for (int i = 0; i < 4; i++) {
		struct call call;

		call_begin(&the.nodes[i + 1], &call, CONTROL_PRODUCER_ID, 0, NULL, NULL);
		UNTIL(5000, call.done);
		assert_int_equal(call.op.error, 0);
		ids[i] = call.op.producer_id;
		for (int j = 0; j < i; j++)
			assert_true(ids[j] / 1000 != ids[i] / 1000);
	}
	cluster_fini();
}

static int16_t set_share_version(struct node *n, int16_t level)
{
	struct update_features_request *r = WIRE_NEW(&n->arena, update_features_request);
	struct update_features_response *response = WIRE_NEW(&n->arena, update_features_response);
	struct call call;

	r->feature_updates = WIRE_ARRAY(&n->arena, update_features_request_feature_update_key, 1);
	r->feature_updates_count = 1;
	r->feature_updates[0].feature = STR_LIT("share.version");
	r->feature_updates[0].max_version_level = level;
	r->feature_updates[0].upgrade_type = level == 0 ? 2 : 1;
	call_begin(n, &call, CONTROL_UPDATE_FEATURES, 2, r, response);
	UNTIL(5000, call.done);
	return response->error_code;
}

/* A voter that was never there may not know the level. */
static void test_features_wait_for_every_controller(void **state)
{
	(void)state;
	cluster_init(3, combined, NULL);
	node_start(&the.nodes[1]);
	node_start(&the.nodes[2]);
	UNTIL(20000, all_ready());
	assert_int_equal(set_share_version(&the.nodes[1], 0), KERR_INVALID_UPDATE_VERSION);
	node_start(&the.nodes[3]);
	UNTIL(20000, all_ready() && image_controller(leader()->image, 3));
	assert_int_equal(set_share_version(&the.nodes[3], 0), 0);
	assert_int_equal(set_share_version(&the.nodes[2], 2), 0);
	UNTIL(2000, image_feature_level(the.nodes[3].image, STR_LIT("share.version")) == 2);
	cluster_fini();
}

static void test_registration_gives_up(void **state)
{
	(void)state;
	cluster_init(4, combined, NULL);
	node_start(&the.nodes[4]);
	UNTIL(70000, the.nodes[4].fatal);
	assert_true(the.now_us >= 60000000);
	cluster_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_node_takes_operations),
		cmocka_unit_test(test_versions_of_the_controller_are_known),
		cmocka_unit_test(test_records_linger),
		cmocka_unit_test(test_operation_waits_for_a_controller),
		cmocka_unit_test(test_removal_of_a_leader_that_dies),
		cmocka_unit_test(test_deposed_leader_forgets),
		cmocka_unit_test(test_paused_leader_wakes),
		cmocka_unit_test(test_leader_with_a_full_disk_resigns),
		cmocka_unit_test(test_silent_broker_loses_its_leaderships),
		cmocka_unit_test(test_dead_controller_is_fenced_by_the_next),
		cmocka_unit_test(test_controlled_shutdown),
		cmocka_unit_test(test_unregistered_broker_comes_back),
		cmocka_unit_test(test_snapshot_replaces_an_image),
		cmocka_unit_test(test_producer_ids_are_different_everywhere),
		cmocka_unit_test(test_features_wait_for_every_controller),
		cmocka_unit_test(test_registration_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
