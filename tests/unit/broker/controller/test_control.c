/* A control plane that forgets, double-answers or does not come back is a broker that is lost. */
#include "world.h"

static struct world w;

static void test_first_start(void **state)
{
	const struct image_broker *b;

	(void)state;
	world_init(&w, NULL, NULL);
	world_ready(&w);
	assert_int_equal(control_leader_id(w.control), 1);
	assert_int_equal(image_metadata_version(w.image), 33);
	assert_int_equal(image_feature_level(w.image, STR_LIT("group.version")), 1);
	b = image_broker(w.image, 1);
	assert_true(image_broker_is_active(b));
	assert_int_equal(b->epoch, control_broker_epoch(w.control));
	assert_int_equal(b->registered_offset, b->epoch);
	assert_true(uuid_eq(b->log_dirs[0], w.log_dir->meta.directory_id));
	assert_int_equal(image_broker_endpoint(b, STR_LIT("PLAINTEXT"))->port, 9092);
	assert_true(str_is(
		image_config_value(image_config(w.image, CONFIG_RESOURCE_BROKER, STR_LIT("")),
				   STR_LIT("min.insync.replicas")),
		"1"));
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

/* After a crash everything that was answered is there, and the partitions have a leader again. */
static void test_restart(void **state)
{
	const struct image_partition *p;
	struct uuid id;
	char dir[64];
	bool is_clean = *(bool *)*state;
	int64_t epoch;

	world_init(&w, NULL, NULL);
	world_ready(&w);
	assert_int_equal(create_topic(&w, "orders", 3, 1)->topics[0].error_code, 0);
	id = image_topic_by_name(w.image, STR_LIT("orders"))->id;
	p = image_partition(image_topic_by_id(w.image, id), 2);
	assert_int_equal(p->leader, 1);
	assert_int_equal(p->leader_epoch, 0);
	assert_true(uuid_eq(p->directories[0], w.log_dir->meta.directory_id));
	snprintf(dir, sizeof(dir), "%s", w.dir);
	epoch = control_broker_epoch(w.control);
	if (is_clean) {
		world_stop(&w);
		p = image_partition(image_topic_by_id(w.image, id), 2);
		assert_int_equal(p->leader, NO_LEADER);
		assert_true(image_broker(w.image, 1)->fenced);
		world_fini(&w);
	} else {
		world_crash(&w);
	}

	world_init(&w, dir, NULL);
	w.previous_broker_epoch = is_clean ? epoch : -1;
	world_ready(&w);
	p = image_partition(image_topic_by_id(w.image, id), 2);
	assert_int_equal(p->leader, 1);
	assert_int_equal(p->isr.count, 1);
	assert_int_equal(p->elr.count, 0);
	assert_int_equal(p->last_known_elr.count, 0);
	assert_true(p->leader_epoch > 0);
	assert_int_equal(p->recovery, is_clean ? LEADER_RECOVERED : LEADER_RECOVERING);
	assert_true(control_broker_epoch(w.control) > epoch);
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

/* Many at once share an fsync, and each is answered only when it is durable. */
static void test_operations_share_a_flush(void **state)
{
	struct call calls[20];
	struct create_topics_response *responses[20];
	unsigned images;

	(void)state;
	world_init(&w, NULL, NULL);
	world_ready(&w);
	images = w.image_count;
	for (int i = 0; i < 20; i++) {
		struct create_topics_request *r = WIRE_NEW(&w.arena, create_topics_request);

		r->topics = WIRE_ARRAY(&w.arena, create_topics_request_creatable_topic, 1);
		r->topics_count = 1;
		r->topics[0].name = str_of(arena_printf(&w.arena, "t%d", i));
		r->topics[0].num_partitions = 1;
		r->topics[0].replication_factor = 1;
		responses[i] = WIRE_NEW(&w.arena, create_topics_response);
		call_begin(&w, &calls[i], CONTROL_CREATE_TOPICS, 7, r, responses[i]);
	}
	world_run_until(&w, &calls[19].done);
	for (int i = 0; i < 20; i++) {
		assert_true(calls[i].done);
		assert_int_equal(responses[i]->topics[0].error_code, 0);
	}
	assert_int_equal(image_topic_count(w.image), 20);
	assert_true(w.image_count - images <= 3);
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

static void test_producer_ids(void **state)
{
	struct call call;
	char dir[64];

	(void)state;
	world_init(&w, NULL, NULL);
	world_ready(&w);
	for (int64_t i = 0; i < 1005; i++) {
		call_run(&w, &call, CONTROL_PRODUCER_ID, 0, NULL, NULL);
		assert_int_equal(call.op.error, 0);
		assert_int_equal(call.op.producer_id, i);
	}
	assert_int_equal(image_next_producer_id(w.image), 2000);
	snprintf(dir, sizeof(dir), "%s", w.dir);
	world_crash(&w);
	world_init(&w, dir, NULL);
	world_ready(&w);
	call_run(&w, &call, CONTROL_PRODUCER_ID, 0, NULL, NULL);
	assert_int_equal(call.op.producer_id, 2000);
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

static void test_auto_create(void **state)
{
	const struct image_topic *t;
	const char *overrides[] = {"offsets.topic.num.partitions=7",
				   "offsets.topic.replication.factor=1", NULL};

	(void)state;
	world_init(&w, NULL, overrides);
	world_ready(&w);
	control_auto_create(&w.shard, STR_LIT("__consumer_offsets"));
	control_auto_create(&w.shard, STR_LIT("__consumer_offsets"));
	control_auto_create(&w.shard, STR_LIT("clicks"));
	control_auto_create(&w.shard, STR_LIT("no/such"));
	world_run_for(&w, 1000);
	t = image_topic_by_name(w.image, STR_LIT("__consumer_offsets"));
	assert_non_null(t);
	assert_int_equal(t->partition_count, 7);
	assert_true(str_is(image_config_value(image_config(w.image, CONFIG_RESOURCE_TOPIC, t->name),
					      STR_LIT("cleanup.policy")),
			   "compact"));
	assert_int_equal(image_topic_by_name(w.image, STR_LIT("clicks"))->partition_count, 1);
	assert_int_equal(image_topic_count(w.image), 2);
	control_auto_create(&w.shard, STR_LIT("clicks"));
	world_run_for(&w, 1000);
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

static void test_snapshots(void **state)
{
	const char *overrides[] = {"metadata.log.max.record.bytes.between.snapshots=2000",
				   "metadata.max.retention.bytes=1000", NULL};
	char dir[64], command[256];

	(void)state;
	world_init(&w, NULL, overrides);
	world_ready(&w);
	for (int i = 0; i < 60; i++) {
		char name[32];

		snprintf(name, sizeof(name), "topic-%d", i);
		assert_int_equal(create_topic(&w, name, 2, 1)->topics[0].error_code, 0);
	}
	world_run_for(&w, 100000);
	snprintf(dir, sizeof(dir), "%s", w.dir);
	/* only the newest is left, and the (0,0) of format is gone with the log before it */
	snprintf(command, sizeof(command),
		 "test $(ls %s/__cluster_metadata-0/*.checkpoint | wc -l) -eq 1", dir);
	assert_int_equal(system(command), 0);
	world_crash(&w);
	world_init(&w, dir, overrides);
	world_ready(&w);
	assert_int_equal(image_topic_count(w.image), 60);
	assert_int_equal(image_topic_by_name(w.image, STR_LIT("topic-59"))->partition_count, 2);
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

/* The disk dies at the n-th write, for every n: what was answered before is there after a restart
 * on a healthy disk, and nothing is answered with success after the death. With snapshots on the
 * way
 * (`state`), too. */
static void test_disk_dies_at_every_write(void **state)
{
	static const char *const often[] = {"metadata.log.max.record.bytes.between.snapshots=600",
					    "metadata.max.retention.bytes=1000", NULL};
	bool snapshots = *(bool *)*state;
	int topics = snapshots ? 8 : 3;
	bool finished = false;

	for (long n = 0; !finished; n++) {
		struct create_topics_response *response = NULL;
		struct err err = {0};
		char dir[64], name[16];
		int created = 0;

		assert_true(n < 500);
		world_init(&w, NULL, snapshots ? often : NULL);
		snprintf(dir, sizeof(dir), "%s", w.dir);
		w.writes_left = n;
		if (world_start(&w, &err) == 0) {
			world_run_until(&w, &w.caught_up);
			if (w.caught_up) {
				control_unfence(w.control);
				world_run_until(&w, &w.ready);
			}
		}
		for (int i = 0; i < topics && w.ready && !w.fatal; i++) {
			snprintf(name, sizeof(name), "t%d", i);
			response = create_topic(&w, name, 1, 1);
			if (response->topics[0].error_code)
				break;
			created++;
			if (snapshots)
				world_run_for(&w, 61000);
		}
		finished = created == topics && w.writes_left > 0;
		assert_true(finished || w.writes_left == 0);
		world_crash(&w);

		world_init(&w, dir, snapshots ? often : NULL);
		world_ready(&w);
		for (int i = 0; i < created; i++) {
			snprintf(name, sizeof(name), "t%d", i);
			assert_non_null(image_topic_by_name(w.image, str_of(name)));
		}
		assert_int_equal(create_topic(&w, "after", 1, 1)->topics[0].error_code, 0);
		world_stop(&w);
		world_fini(&w);
		world_remove(&w);
	}
}

static void test_not_controller_after_stop(void **state)
{
	(void)state;
	world_init(&w, NULL, NULL);
	world_ready(&w);
	w.writes_left = 0;
	assert_int_equal(create_topic(&w, "t", 1, 1)->topics[0].error_code,
			 KERR_KAFKA_STORAGE_ERROR);
	assert_true(w.fatal);
	assert_null(image_topic_by_name(w.image, STR_LIT("t")));
	world_stop(&w);
	world_fini(&w);
	world_remove(&w);
}

int main(void)
{
	static bool yes = true, no = false;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_start),
		{"test_clean_restart", test_restart, NULL, NULL, &yes},
		{"test_restart_after_crash", test_restart, NULL, NULL, &no},
		cmocka_unit_test(test_operations_share_a_flush),
		cmocka_unit_test(test_producer_ids),
		cmocka_unit_test(test_auto_create),
		cmocka_unit_test(test_snapshots),
		{"test_disk_dies_at_every_write", test_disk_dies_at_every_write, NULL, NULL, &no},
		{"test_disk_dies_amid_snapshots", test_disk_dies_at_every_write, NULL, NULL, &yes},
		cmocka_unit_test(test_not_controller_after_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
