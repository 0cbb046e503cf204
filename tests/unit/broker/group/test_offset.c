/* Broken offsets: consumers that start in the wrong place. */
#include "world.h"

static const struct uuid ID_A = {{1}}, ID_B = {{2}};

static void simple_consumer(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){.offset = 7})), 0);
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){.partition = 1,
									     .offset = 8})), 0);
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){.offset = 9})), 0);
	assert_int_equal(world_fetch(w, "g", "t", 0), 9);
	assert_int_equal(world_fetch(w, "g", "t", 1), 8);
	assert_int_equal(world_fetch(w, "g", "t", 2), -1);
	/* The empty group id is a name like others. */
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){.group = "",
									     .offset = 3})), 0);
	assert_int_equal(world_fetch(w, "", "t", 0), 3);
	assert_int_equal(commit_error(world_commit_offset(
		w, (struct commit){.group = "h", .generation = 1})), KERR_GROUP_ID_NOT_FOUND);
	assert_int_equal(commit_error(world_commit_offset(
		w, (struct commit){.group = "h", .generation = 1, .version = 8})),
		KERR_ILLEGAL_GENERATION);
	world_free(w);
}

static void members_only(void **state)
{
	struct world *w = world_new();
	const char *id = world_stable(w);

	(void)state;
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){0})),
			 KERR_UNKNOWN_MEMBER_ID);
	assert_int_equal(commit_error(world_commit_offset(
		w, (struct commit){.member = id, .generation = 2})), KERR_ILLEGAL_GENERATION);
	assert_int_equal(commit_error(world_commit_offset(
		w, (struct commit){.member = id, .generation = 1, .offset = 5})), KERR_NONE);
	assert_int_equal(world_fetch(w, "g", "t", 0), 5);
	/* A commit counts as a sign of life. */
	world_pass(w, 9000);
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .offset = 6});
	world_pass(w, 9000);
	assert_int_equal(world_beat(w, id, 1), KERR_NONE);
	/* While others join it may still commit, before it joins itself. */
	world_join_new(w, (struct who){0});
	assert_int_equal(commit_error(world_commit_offset(
		w, (struct commit){.member = id, .generation = 1, .offset = 7})), KERR_NONE);
	world_join(w, (struct who){.member = id});
	assert_int_equal(commit_error(world_commit_offset(
		w, (struct commit){.member = id, .generation = 2})), KERR_REBALANCE_IN_PROGRESS);
	world_free(w);
}

static void metadata_has_a_limit(void **state)
{
	struct world *w = world_new();
	char text[4098];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[4097] = '\0';
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){.metadata = text})),
			 KERR_OFFSET_METADATA_TOO_LARGE);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	assert_int_equal(
		commit_error(world_commit_offset(w, (struct commit){.metadata = text + 1})),
		KERR_NONE);
	world_free(w);
}

static void not_yet_committed(void **state)
{
	struct world *w = world_new();
	struct answer *a, *f;

	(void)state;
	world_commit_offset(w, (struct commit){.offset = 1});
	w->holds_back = true;
	a = world_commit_offset(w, (struct commit){.offset = 2});
	assert_false(a->done);
	world_commit_offset(w, (struct commit){.offset = 3});
	/* Readers see what is durable. */
	assert_int_equal(world_fetch(w, "g", "t", 0), 1);
	f = world_call(w, 9);
	f->fetch.group_id = STR_LIT("g");
	f->fetch.require_stable = true;
	f->fetch.wants_all = true;
	f->fetch.response = WIRE_NEW(&w->arena, offset_fetch_response_group);
	group_offset_fetch(w->gc, &f->fetch);
	assert_false(f->done);
	world_commit(w);
	assert_true(a->done && f->done);
	assert_int_equal(commit_error(a), KERR_NONE);
	assert_int_equal(world_fetch(w, "g", "t", 0), 3);
	assert_int_equal(f->fetch.response->topics_count, 1);
	assert_int_equal(f->fetch.response->topics[0].partitions[0].committed_offset, 3);

	/* Time out. */
	w->holds_back = true;
	a = world_commit_offset(w, (struct commit){.offset = 4});
	world_pass(w, 5000);
	assert_int_equal(commit_error(a), KERR_COORDINATOR_NOT_AVAILABLE);
	/* A disk that refuses. */
	w->append_error = KERR_KAFKA_STORAGE_ERROR;
	assert_int_equal(commit_error(world_commit_offset(w, (struct commit){.offset = 5})),
			 KERR_NOT_COORDINATOR);
	world_free(w);
}

static void all_offsets_in_order(void **state)
{
	struct world *w = world_new();
	struct answer *f = world_call(w, 10);

	(void)state;
	world_commit_offset(w, (struct commit){.topic = "b", .partition = 10, .offset = 1});
	world_commit_offset(w, (struct commit){.topic = "a", .partition = 2, .offset = 2});
	world_commit_offset(w, (struct commit){.topic = "b", .partition = 9, .offset = 3,
					       .metadata = "note"});
	f->fetch.group_id = STR_LIT("g");
	f->fetch.wants_all = true;
	f->fetch.response = WIRE_NEW(&w->arena, offset_fetch_response_group);
	group_offset_fetch(w->gc, &f->fetch);
	assert_true(f->done);
	assert_int_equal(f->fetch.response->topics_count, 2);
	assert_true(str_is(f->fetch.response->topics[0].name, "a"));
	assert_int_equal(f->fetch.response->topics[1].partitions_count, 2);
	assert_int_equal(f->fetch.response->topics[1].partitions[0].partition_index, 9);
	assert_true(str_is(f->fetch.response->topics[1].partitions[0].metadata, "note"));
	world_free(w);
}

static void recreated_topic(void **state)
{
	struct world *w = world_new();
	struct answer *f = world_call(w, 10);

	(void)state;
	world_commit_offset(w, (struct commit){.offset = 5, .topic_id = ID_A});
	f->fetch.group_id = STR_LIT("g");
	f->fetch.items = arena_zalloc(&w->arena, 2 * sizeof(*f->fetch.items));
	for (int i = 0; i < 2; i++)
		f->fetch.items[i] = (struct offset_fetch_item){
			.topic = STR_LIT("t"), .topic_id = i ? ID_B : ID_A,
			.out = WIRE_NEW(&w->arena, offset_fetch_response_partitions)};
	f->fetch.item_count = 2;
	f->fetch.response = WIRE_NEW(&w->arena, offset_fetch_response_group);
	group_offset_fetch(w->gc, &f->fetch);
	assert_int_equal(f->fetch.items[0].out->committed_offset, 5);
	assert_int_equal(f->fetch.items[1].out->committed_offset, -1);
	group_topic_deleted(w->gc->partitions[0], STR_LIT("t"), ID_B);
	assert_int_equal(world_fetch(w, "g", "t", 0), 5);
	group_topic_deleted(w->gc->partitions[0], STR_LIT("t"), ID_A);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	world_crash(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	world_free(w);
}

static struct answer *offset_delete(struct world *w, const char *topic, int16_t *top)
{
	struct answer *a = world_call(w, 0);

	a->offset_delete.group_id = STR_LIT("g");
	a->offset_delete.error_code = top;
	a->offset_delete.items = arena_zalloc(&w->arena, sizeof(*a->offset_delete.items));
	a->offset_delete.items[0].topic = str_of(topic);
	a->offset_delete.items[0].error_code = arena_zalloc(&w->arena, sizeof(int16_t));
	a->offset_delete.item_count = 1;
	group_offset_delete(w->gc, &a->offset_delete);
	assert_true(a->done);
	return a;
}

static void delete_offsets(void **state)
{
	struct world *w = world_new();
	struct join_group_request_protocol p = {.name = STR_LIT("range")};
	const char subscription[] = "\0\0" "\0\0\0\1" "\0\1" "t" "\377\377\377\377";
	struct group *g;
	const char *id;
	int16_t top = 0;

	(void)state;
	offset_delete(w, "t", &top);
	assert_int_equal(top, KERR_GROUP_ID_NOT_FOUND);
	id = world_stable(w);
	g = world_group(w, "g");
	p.metadata = (struct slice){.data = (const uint8_t *)subscription,
				    .len = sizeof(subscription) - 1};
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .topic = "t"});
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .topic = "u"});
	/* What cannot be read may be a subscription to everything. */
	assert_int_equal(*offset_delete(w, "u", &top)->offset_delete.items[0].error_code,
			 KERR_GROUP_SUBSCRIBED_TO_TOPIC);
	member_set_protocols(group_member(g, str_of(id)), &p, 1);
	assert_int_equal(*offset_delete(w, "t", &top)->offset_delete.items[0].error_code,
			 KERR_GROUP_SUBSCRIBED_TO_TOPIC);
	assert_int_equal(*offset_delete(w, "u", &top)->offset_delete.items[0].error_code,
			 KERR_NONE);
	assert_int_equal(top, KERR_NONE);
	assert_int_equal(world_fetch(w, "g", "t", 0), 0);
	assert_int_equal(world_fetch(w, "g", "u", 0), -1);
	world_free(w);
}

#define DAY_MS (24 * 3600 * 1000)

static void retention(void **state)
{
	struct world *w = world_new();
	const char *id = world_stable(w);

	(void)state;
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .offset = 1});
	world_commit_offset(w, (struct commit){.group = "simple", .offset = 2});
	world_commit_offset(w, (struct commit){.group = "short", .offset = 3,
					       .retention_ms = DAY_MS, .version = 4});
	world_leave(w, id, NULL);
	world_pass(w, DAY_MS + 600000);
	assert_null(world_group(w, "short"));
	assert_int_equal(world_fetch(w, "g", "t", 0), 1);
	/* A commit renews a simple group; a member's offsets count from when the group was empty.
	 */
	world_commit_offset(w, (struct commit){.group = "simple", .offset = 4});
	world_pass(w, INT64_C(6) * DAY_MS);
	assert_null(world_group(w, "g"));
	assert_int_equal(world_fetch(w, "simple", "t", 0), 4);
	world_pass(w, DAY_MS + 600000);
	assert_null(world_group(w, "simple"));
	world_crash(w);
	assert_int_equal(w->gc->partitions[0]->groups.count, 0);
	world_free(w);
}

static void members_keep_their_offsets(void **state)
{
	struct world *w = world_new();
	const char *id = world_stable(w);

	(void)state;
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .offset = 1});
	for (int i = 0; i < 8 * 24 * 60 * 10; i++) {
		world_pass(w, 6000);
		if (world_beat(w, id, 1) != KERR_NONE)
			fail_msg("thrown out at beat %d", i);
	}
	assert_int_equal(world_fetch(w, "g", "t", 0), 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_consumer),	cmocka_unit_test(members_only),
		cmocka_unit_test(metadata_has_a_limit),	cmocka_unit_test(not_yet_committed),
		cmocka_unit_test(all_offsets_in_order), cmocka_unit_test(recreated_topic),
		cmocka_unit_test(delete_offsets),	cmocka_unit_test(retention),
		cmocka_unit_test(members_keep_their_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
