/* Broken here: consumers find no coordinator, or one version of a request gets another's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"
#include "unit/broker/cold_disk.h"

#include "group/group.h"

#define OFFSETS world_id(1)
#define ORDERS world_id(2)
#define OFFSETS_PARTITIONS 5

static void groups_apply(struct node *n)
{
	const struct image *next = delta_publish(&n->world.delta, n->world.offset, 1, 0);

	for (unsigned i = 0; i < n->broker.shard_count; i++) {
		struct shard *s = &n->shards[i].shard;

		replica_set_apply(s->replicas, s->image, next);
		group_coordinator_apply(s->groups, s->image, next);
		image_unref(s->image);
		s->image = image_ref(next);
	}
	image_unref(next);
}

static void groups_open(struct node *n)
{
	for (unsigned i = 0; i < n->broker.shard_count; i++)
		n->shards[i].shard.groups = group_coordinator_new(&n->shards[i].shard);
}

static void groups_close(struct node *n)
{
	for (unsigned i = 0; i < n->broker.shard_count; i++) {
		group_coordinator_free(n->shards[i].shard.groups);
		n->shards[i].shard.groups = NULL;
	}
}

static int setup(void **state)
{
	static const char *const overrides[] = {"group.initial.rebalance.delay.ms=100"};
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 3, 1, overrides, 1);
	groups_open(n);
	world_topic(&n->world, OFFSETS_TOPIC, OFFSETS);
	for (int32_t i = 0; i < OFFSETS_PARTITIONS; i++)
		world_partition(&n->world, OFFSETS, i, 1, 1);
	world_topic(&n->world, "orders", ORDERS);
	for (int32_t i = 0; i < 2; i++)
		world_partition(&n->world, ORDERS, i, 1, 1);
	groups_apply(n);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	struct node *n = *state;

	groups_close(n);
	node_fini(n);
	free(n);
	return 0;
}

/* Keeps what a call answered until the test ends. */
static const void *answer_of(struct call *c)
{
	assert_true(c->is_done);
	assert_non_null(c->response);
	return c->response;
}

/* ---- FindCoordinator ---- */

static void finds_the_leader(void **state)
{
	struct node *n = *state;
	struct str keys[] = {STR_LIT("one"), STR_LIT("two")};

	for (int16_t version = 0; version <= 6; version++) {
		struct find_coordinator_request in;
		const struct find_coordinator_response *out;
		struct call *c;

		WIRE_INIT(find_coordinator_request, &in);
		if (version < 4) {
			in.key = keys[0];
		} else {
			in.coordinator_keys = keys;
			in.coordinator_keys_count = 2;
		}
		c = call_now(n, 1, API_FIND_COORDINATOR, version, &in);
		out = answer_of(c);
		if (version < 4) {
			assert_int_equal(out->error_code, KERR_NONE);
			assert_int_equal(out->node_id, WORLD_NODE);
			assert_int_equal(out->port, 9092);
			assert_true(str_is(out->host, "localhost"));
		} else {
			assert_int_equal(out->coordinators_count, 2);
			assert_true(str_is(out->coordinators[1].key, "two"));
			assert_int_equal(out->coordinators[1].error_code, KERR_NONE);
			assert_int_equal(out->coordinators[1].port, 9092);
		}
		if (version > 0 && version < 4)
			assert_true(str_is(out->error_message, "NONE"));
		call_free(c);
	}
}

static void refuses_other_kinds(void **state)
{
	struct node *n = *state;
	struct str key = STR_LIT("not-a-share-key");
	struct find_coordinator_request in;
	const struct find_coordinator_response *out;

	WIRE_INIT(find_coordinator_request, &in);
	in.coordinator_keys = &key;
	in.coordinator_keys_count = 1;
	for (int8_t type = 2; type <= 3; type++) {
		struct call *c;

		in.key_type = type;
		c = call_now(n, 0, API_FIND_COORDINATOR, 6, &in);
		out = answer_of(c);
		assert_int_equal(out->coordinators[0].error_code, KERR_INVALID_REQUEST);
		assert_int_equal(out->coordinators[0].node_id, -1);
		call_free(c);
	}
}

/* ---- Membership ---- */

struct member {
	char id[64];
	int32_t generation;
};

static struct call *join(struct node *n, int16_t version, const char *group, const char *id)
{
	struct join_group_request_protocol protocol = {STR_LIT("range"),
						       {.data = (const uint8_t *)"meta", .len = 4}};
	struct join_group_request in;

	WIRE_INIT(join_group_request, &in);
	in.group_id = str_of(group);
	in.session_timeout_ms = 10000;
	if (version >= 1)
		in.rebalance_timeout_ms = 20000;
	in.member_id = str_of(id);
	in.protocol_type = STR_LIT("consumer");
	in.protocols = &protocol;
	in.protocols_count = 1;
	return call_start(n, 2, API_JOIN_GROUP, version, &in);
}

/* Joins, as a client of that version does. */
static struct member join_alone(struct node *n, int16_t version, const char *group)
{
	struct call *c = join(n, version, group, "");
	const struct join_group_response *out;
	struct member m = {0};

	if (version >= 4) {
		out = answer_of(c);
		assert_int_equal(out->error_code, KERR_MEMBER_ID_REQUIRED);
		snprintf(m.id, sizeof(m.id), "%.*s", STR(out->member_id));
		call_free(c);
		c = join(n, version, group, m.id);
	}
	assert_false(c->is_done);
	node_wait(n, 200);
	out = answer_of(c);
	assert_int_equal(out->error_code, KERR_NONE);
	assert_int_equal(out->members_count, 1);
	assert_true(str_is(out->protocol_name, "range"));
	assert_true(str_eq(out->leader, out->member_id));
	snprintf(m.id, sizeof(m.id), "%.*s", STR(out->member_id));
	m.generation = out->generation_id;
	call_free(c);
	return m;
}

static void sync_alone(struct node *n, int16_t version, const char *group, const struct member *m)
{
	struct sync_group_request_assignment assignment = {
		str_of(m->id), {.data = (const uint8_t *)"mine", .len = 4}};
	const struct sync_group_response *out;
	struct sync_group_request in;
	struct call *c;

	WIRE_INIT(sync_group_request, &in);
	in.group_id = str_of(group);
	in.generation_id = m->generation;
	in.member_id = str_of(m->id);
	if (version >= 5) {
		in.protocol_type = STR_LIT("consumer");
		in.protocol_name = STR_LIT("range");
	}
	in.assignments = &assignment;
	in.assignments_count = 1;
	c = call_now(n, 0, API_SYNC_GROUP, version, &in);
	out = answer_of(c);
	assert_int_equal(out->error_code, KERR_NONE);
	assert_int_equal(out->assignment.len, 4);
	assert_memory_equal(out->assignment.data, "mine", 4);
	call_free(c);
}

static int heartbeat(struct node *n, int16_t version, const char *group, const struct member *m)
{
	struct heartbeat_request in;
	struct call *c;
	int error;

	WIRE_INIT(heartbeat_request, &in);
	in.group_id = str_of(group);
	in.generation_id = m->generation;
	in.member_id = str_of(m->id);
	c = call_now(n, 1, API_HEARTBEAT, version, &in);
	error = ((const struct heartbeat_response *)answer_of(c))->error_code;
	call_free(c);
	return error;
}

static int leave(struct node *n, int16_t version, const char *group, const struct member *m)
{
	struct leave_group_request_member_identity who = {.member_id = str_of(m->id)};
	const struct leave_group_response *out;
	struct leave_group_request in;
	struct call *c;
	int error;

	WIRE_INIT(leave_group_request, &in);
	in.group_id = str_of(group);
	if (version < 3) {
		in.member_id = str_of(m->id);
	} else {
		in.members = &who;
		in.members_count = 1;
	}
	c = call_now(n, 1, API_LEAVE_GROUP, version, &in);
	out = answer_of(c);
	error = out->error_code;
	if (version >= 3) {
		assert_int_equal(error, KERR_NONE);
		assert_int_equal(out->members_count, 1);
		error = out->members[0].error_code;
	}
	call_free(c);
	return error;
}

static void member_of_every_version(void **state)
{
	struct node *n = *state;

	for (int16_t version = 0; version <= 9; version++) {
		char group[32];
		struct member m;

		snprintf(group, sizeof(group), "group-%d", version);
		m = join_alone(n, version, group);
		sync_alone(n, MIN(version, 5), group, &m);
		assert_int_equal(heartbeat(n, MIN(version, 4), group, &m), KERR_NONE);
		assert_int_equal(leave(n, MIN(version, 5), group, &m), KERR_NONE);
		assert_int_equal(leave(n, MIN(version, 5), group, &m), KERR_UNKNOWN_MEMBER_ID);
		assert_int_equal(heartbeat(n, MIN(version, 4), group, &m), KERR_UNKNOWN_MEMBER_ID);
	}
}

/* ---- Offsets ---- */

static int commit(struct node *n, int16_t version, const char *group, const char *topic,
		  struct uuid id, int32_t index, int64_t offset)
{
	struct offset_commit_request_partition partition = {
		.partition_index = index, .committed_offset = offset, .committed_leader_epoch = -1,
		.committed_metadata = STR_LIT("note")};
	struct offset_commit_request_topic one = {.name = str_of(version >= 10 ? "" : topic),
						  .partitions = &partition, .partitions_count = 1};
	const struct offset_commit_response *out;
	struct offset_commit_request in;
	struct call *c;
	int error;

	if (version >= 10)
		one.topic_id = id;
	WIRE_INIT(offset_commit_request, &in);
	in.group_id = str_of(group);
	in.topics = &one;
	in.topics_count = 1;
	c = call_now(n, 0, API_OFFSET_COMMIT, version, &in);
	out = answer_of(c);
	assert_int_equal(out->topics_count, 1);
	assert_int_equal(out->topics[0].partitions[0].partition_index, index);
	if (version >= 10)
		assert_true(uuid_eq(out->topics[0].topic_id, id));
	else
		assert_true(str_is(out->topics[0].name, topic));
	error = out->topics[0].partitions[0].error_code;
	call_free(c);
	return error;
}

static void commits_of_every_version(void **state)
{
	struct node *n = *state;

	for (int16_t version = 2; version <= 10; version++) {
		assert_int_equal(commit(n, version, "g", "orders", ORDERS, 1, version), KERR_NONE);
		assert_int_equal(commit(n, version, "g", "orders", ORDERS, 9, 1),
				 KERR_UNKNOWN_TOPIC_OR_PARTITION);
		assert_int_equal(commit(n, version, "g", "nope", world_id(9), 0, 1),
				 version >= 10 ? KERR_UNKNOWN_TOPIC_ID
					       : KERR_UNKNOWN_TOPIC_OR_PARTITION);
	}
}

/* Asks for orders-1 and orders-0, or all, of group "g" and "absent" where there may be several. */
static struct call *fetch(struct node *n, int16_t version, bool all)
{
	int32_t indexes[] = {1, 0};
	struct offset_fetch_request_topic old = {STR_LIT("orders"), indexes, 2};
	struct offset_fetch_request_topics topics = {.name = STR_LIT("orders"),
						     .partition_indexes = indexes,
						     .partition_indexes_count = 2};
	struct offset_fetch_request_group groups[2];
	struct offset_fetch_request in;

	WIRE_INIT(offset_fetch_request, &in);
	if (version >= 10) {
		topics.name = STR_LIT("");
		topics.topic_id = ORDERS;
	}
	if (version < 8) {
		in.group_id = STR_LIT("g");
		in.topics = &old;
		in.topics_count = all ? -1 : 1;
	}
	for (int i = 0; i < 2; i++) {
		WIRE_INIT(offset_fetch_request_group, &groups[i]);
		groups[i].group_id = i ? STR_LIT("absent") : STR_LIT("g");
		groups[i].topics = &topics;
		groups[i].topics_count = all ? -1 : 1;
	}
	if (version >= 8) {
		in.groups = groups;
		in.groups_count = 2;
	}
	in.require_stable = version >= 7;
	return call_now(n, 2, API_OFFSET_FETCH, version, &in);
}

static void fetches_of_every_version(void **state)
{
	struct node *n = *state;

	commit(n, 9, "g", "orders", ORDERS, 1, 42);
	for (int16_t version = 1; version <= 10; version++) {
		for (int all = 0; all <= (version >= 2); all++) {
			struct call *c = fetch(n, version, all);
			const struct offset_fetch_response *out = answer_of(c);

			if (version < 8) {
				assert_int_equal(out->error_code, KERR_NONE);
				assert_int_equal(out->topics_count, 1);
				assert_true(str_is(out->topics[0].name, "orders"));
				assert_int_equal(out->topics[0].partitions_count, all ? 1 : 2);
				assert_int_equal(out->topics[0].partitions[0].committed_offset, 42);
				assert_true(str_is(out->topics[0].partitions[0].metadata, "note"));
				if (!all)
					assert_int_equal(
						out->topics[0].partitions[1].committed_offset, -1);
			} else {
				assert_int_equal(out->groups_count, 2);
				assert_int_equal(out->groups[0].topics_count, 1);
				assert_int_equal(
					out->groups[0].topics[0].partitions[0].committed_offset,
					42);
				if (version >= 10)
					assert_true(uuid_eq(out->groups[0].topics[0].topic_id,
							    ORDERS));
				assert_int_equal(out->groups[1].error_code, KERR_NONE);
				assert_int_equal(out->groups[1].topics_count, all ? 0 : 1);
			}
			call_free(c);
		}
	}
}

static void deletes_offsets(void **state)
{
	struct node *n = *state;
	struct offset_delete_request_partition partitions[] = {{1}, {7}};
	struct offset_delete_request_topic topic = {STR_LIT("orders"), partitions, 2};
	const struct offset_delete_response *out;
	struct offset_delete_request in;
	struct call *c;

	WIRE_INIT(offset_delete_request, &in);
	in.group_id = STR_LIT("g");
	in.topics = &topic;
	in.topics_count = 1;
	c = call_now(n, 0, API_OFFSET_DELETE, 0, &in);
	out = answer_of(c);
	assert_int_equal(out->error_code, KERR_GROUP_ID_NOT_FOUND);
	assert_int_equal(out->topics_count, 0);
	call_free(c);
	commit(n, 9, "g", "orders", ORDERS, 1, 42);
	c = call_now(n, 0, API_OFFSET_DELETE, 0, &in);
	out = answer_of(c);
	assert_int_equal(out->error_code, KERR_NONE);
	assert_int_equal(out->topics[0].partitions[0].error_code, KERR_NONE);
	assert_int_equal(out->topics[0].partitions[1].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	call_free(c);
	c = fetch(n, 7, true);
	assert_int_equal(((const struct offset_fetch_response *)answer_of(c))->topics_count, 0);
	call_free(c);
}

/* ---- Administration ---- */

static void lists_all_shards(void **state)
{
	struct node *n = *state;
	char names[20][32];

	for (int i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "simple-%d", i);
		commit(n, 8, names[i], "orders", ORDERS, 0, i);
	}
	for (int16_t version = 0; version <= 5; version++) {
		struct list_groups_request in;
		struct call *c;

		WIRE_INIT(list_groups_request, &in);
		c = call_now(n, 1, API_LIST_GROUPS, version, &in);
		assert_int_equal(((const struct list_groups_response *)answer_of(c))->groups_count,
				 20);
		call_free(c);
	}
}

static void describes_and_deletes(void **state)
{
	struct node *n = *state;
	struct str names[] = {STR_LIT("g"), STR_LIT("absent"), STR_LIT("g")};
	struct member m = join_alone(n, 9, "g");

	sync_alone(n, 5, "g", &m);
	for (int16_t version = 0; version <= 6; version++) {
		const struct describe_groups_response *out;
		struct describe_groups_request in;
		struct call *c;

		WIRE_INIT(describe_groups_request, &in);
		in.groups = names;
		in.groups_count = 2;
		in.include_authorized_operations = version >= 3;
		c = call_now(n, 2, API_DESCRIBE_GROUPS, version, &in);
		out = answer_of(c);
		assert_int_equal(out->groups_count, 2);
		assert_true(str_is(out->groups[0].group_state, "Stable"));
		assert_int_equal(out->groups[0].members_count, 1);
		assert_true(str_is(out->groups[0].members[0].client_host, "/127.0.0.1"));
		if (version >= 3)
			assert_int_equal(out->groups[0].authorized_operations, 3400);
		assert_true(str_is(out->groups[1].group_state, "Dead"));
		assert_int_equal(out->groups[1].error_code,
				 version >= 6 ? KERR_GROUP_ID_NOT_FOUND : KERR_NONE);
		call_free(c);
	}
	for (int16_t version = 0; version <= 3; version++) {
		const struct delete_groups_response *out;
		struct delete_groups_request in;
		struct call *c;

		WIRE_INIT(delete_groups_request, &in);
		in.groups_names = names;
		in.groups_names_count = 3;
		if (version == 3)
			leave(n, 5, "g", &m);
		c = call_now(n, 2, API_DELETE_GROUPS, version, &in);
		out = answer_of(c);
		assert_int_equal(out->results_count, 2);
		assert_int_equal(out->results[0].error_code,
				 version == 3 ? KERR_NONE : KERR_NON_EMPTY_GROUP);
		assert_int_equal(out->results[1].error_code, KERR_GROUP_ID_NOT_FOUND);
		call_free(c);
	}
}

/* ---- Restart and loss ---- */

static void groups_are_loaded_again(void **state)
{
	struct node *n = *state;
	struct member m = join_alone(n, 9, "g");
	struct call *parked;

	sync_alone(n, 5, "g", &m);
	commit(n, 9, "other", "orders", ORDERS, 0, 7);
	parked = join(n, 9, "g", "");
	call_free(parked);
	groups_close(n);
	groups_open(n);
	for (unsigned i = 0; i < n->broker.shard_count; i++)
		group_coordinator_apply(n->shards[i].shard.groups, NULL, n->shards[i].shard.image);
	node_run(n);
	assert_int_equal(heartbeat(n, 4, "g", &m), KERR_NONE);
	assert_int_equal(commit(n, 9, "other", "orders", ORDERS, 0, 8), KERR_NONE);
}

/* Loading from a cold disk: no shard waits for it; the groups are there in the end. */
static void cold_groups_are_loaded(void **state)
{
	struct node *n = *state;
	unsigned waits = 0;

	cold_disk_start(&world_ops);
	commit(n, 9, "other", "orders", ORDERS, 0, 7);
	groups_close(n);
	while (cold_disk_work())
		;
	cold_disk_chill();
	groups_open(n);
	for (unsigned i = 0; i < n->broker.shard_count; i++)
		group_coordinator_apply(n->shards[i].shard.groups, NULL, n->shards[i].shard.image);
	node_run(n);
	assert_int_equal(commit(n, 9, "other", "orders", ORDERS, 0, 8),
			 KERR_COORDINATOR_LOAD_IN_PROGRESS);
	for (; cold_disk_work(); waits++)
		node_wait(n, 1);
	assert_true(waits > 0);
	assert_int_equal(cold_disk.blocked_count, 0);
	assert_int_equal(commit(n, 9, "other", "orders", ORDERS, 0, 8), KERR_NONE);
	/* Coordinators that go while the disk reads. */
	groups_close(n);
	cold_disk_chill();
	groups_open(n);
	for (unsigned i = 0; i < n->broker.shard_count; i++)
		group_coordinator_apply(n->shards[i].shard.groups, NULL, n->shards[i].shard.image);
	groups_close(n);
	while (cold_disk_work())
		node_run(n);
	groups_open(n);
}

static void stopping_answers_who_waits(void **state)
{
	struct node *n = *state;
	struct member m = join_alone(n, 9, "g");
	struct call *second, *parked;
	char id[64];

	second = join(n, 9, "g", "");
	snprintf(id, sizeof(id), "%.*s",
		 STR(((const struct join_group_response *)answer_of(second))->member_id));
	call_free(second);
	parked = join(n, 9, "g", id);
	assert_false(parked->is_done);
	for (unsigned i = 0; i < n->broker.shard_count; i++)
		group_coordinator_stop(n->shards[i].shard.groups);
	node_run(n);
	assert_int_equal(((const struct join_group_response *)answer_of(parked))->error_code,
			 KERR_COORDINATOR_NOT_AVAILABLE);
	call_free(parked);
	assert_int_equal(heartbeat(n, 4, "g", &m), KERR_COORDINATOR_NOT_AVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_the_leader, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_other_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(member_of_every_version, setup, teardown),
		cmocka_unit_test_setup_teardown(commits_of_every_version, setup, teardown),
		cmocka_unit_test_setup_teardown(fetches_of_every_version, setup, teardown),
		cmocka_unit_test_setup_teardown(deletes_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_all_shards, setup, teardown),
		cmocka_unit_test_setup_teardown(describes_and_deletes, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_are_loaded_again, setup, teardown),
		cmocka_unit_test_setup_teardown(cold_groups_are_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(stopping_answers_who_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
