/* Broken loading: a new coordinator that does not know what the old one promised; records that are
 * not Kafka's. */
#include "world.h"

static void group_survives(void **state)
{
	struct world *w = world_new();
	const char *id = world_stable(w);
	const struct describe_groups_response_described_group *d;
	struct answer *sync;

	(void)state;
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .offset = 5});
	world_crash(w);
	assert_int_equal(world_group(w, "g")->state, GROUP_STABLE);
	assert_int_equal(world_fetch(w, "g", "t", 0), 5);
	assert_int_equal(world_beat(w, id, 1), KERR_NONE);
	sync = world_sync(w, id, 1, NULL, NULL);
	assert_memory_equal(sync->sync.response->assignment.data, "a", 1);
	d = world_describe(w, "g", 6);
	assert_true(str_is(d->group_state, "Stable"));
	assert_true(str_is(d->protocol_type, "consumer"));
	assert_true(str_is(d->protocol_data, "range"));
	assert_int_equal(d->members_count, 1);
	assert_true(str_is(d->members[0].client_host, "/127.0.0.1"));
	assert_memory_equal(d->members[0].member_metadata.data, "m", 1);
	/* Its session began anew with the load. */
	world_pass(w, 9000);
	assert_int_equal(world_beat(w, id, 1), KERR_NONE);
	world_pass(w, 10001);
	assert_int_equal(world_beat(w, id, 1), KERR_UNKNOWN_MEMBER_ID);
	world_crash(w);
	assert_int_equal(world_group(w, "g")->state, GROUP_EMPTY);
	assert_int_equal(generation_of(w), 2);
	world_free(w);
}

static void static_member_survives(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join(w, (struct who){.instance = "i"}), *again;

	(void)state;
	world_pass(w, 3000);
	world_sync(w, member_of(a), 1, NULL, NULL);
	world_crash(w);
	again = world_join(w, (struct who){.instance = "i"});
	assert_true(again->done);
	assert_int_equal(again->join.response->generation_id, 1);
	assert_true(again->join.response->skip_assignment);
	world_free(w);
}

static void rebalance_is_forgotten(void **state)
{
	struct world *w = world_new();
	struct answer *a = world_join_new(w, (struct who){0});

	(void)state;
	world_crash(w);
	assert_true(a->done);
	assert_int_equal(a->join.response->error_code, KERR_NOT_COORDINATOR);
	assert_int_equal(world_group(w, "g")->state, GROUP_EMPTY);
	assert_int_equal(world_join(w, (struct who){.member = member_of(a)})
				 ->join.response->error_code, KERR_UNKNOWN_MEMBER_ID);
	world_free(w);
}

static void deleted_group_stays_away(void **state)
{
	struct world *w = world_new();
	const char *id = world_stable(w);

	(void)state;
	world_commit_offset(w, (struct commit){.member = id, .generation = 1, .offset = 5});
	assert_int_equal(world_delete(w, "g"), KERR_NON_EMPTY_GROUP);
	world_leave(w, id, NULL);
	assert_int_equal(world_delete(w, "g"), KERR_NONE);
	assert_int_equal(world_delete(w, "g"), KERR_GROUP_ID_NOT_FOUND);
	assert_int_equal(world_fetch(w, "g", "t", 0), -1);
	world_crash(w);
	assert_null(world_group(w, "g"));
	world_free(w);
}

/* The value of the last record, as hexadecimal text with the key before it. */
static const char *last_record(struct world *w)
{
	const uint8_t *data = w->log.data;
	size_t len = w->log.len;
	struct record last = {0}, r;
	struct record_iter it;
	struct batch b;
	struct out o;

	while (batch_next(&b, &data, &len) == 1) {
		assert_int_equal(record_iter_init(&it, &b, NULL, 0), 0);
		while (record_next(&it, &r) == 1)
			last = r;
	}
	out_init(&o, 4096);
	for (size_t i = 0; i < last.key.len; i++)
		out_printf(&o, "%02x", last.key.data[i]);
	out_text(&o, " ");
	for (size_t i = 0; i < last.value.len; i++)
		out_printf(&o, "%02x", last.value.data[i]);
	data = arena_memdup(&w->arena, o.data, o.len + 1);
	((char *)(uintptr_t)data)[o.len] = '\0';
	out_fini(&o);
	return (const char *)data;
}

static void records_are_kafkas(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_commit_offset(w, (struct commit){.offset = 258, .metadata = "x"});
	/* key 1: group, topic, partition; value 4: offset, epoch, metadata, timestamp, no tags */
	assert_string_equal(last_record(w), "0001000167000174" "00000000 "
			    "0004" "0000000000000102" "ffffffff" "0278" "0000018bcfe56be8" "00");
	world_commit_offset(w, (struct commit){.offset = 1, .topic_id = {{0xab}}});
	assert_string_equal(last_record(w), "0001000167000174" "00000000 "
			    "0004" "0000000000000001" "ffffffff" "01" "0000018bcfe56be8"
			    "010010ab000000000000000000000000000000");
	world_commit_offset(w, (struct commit){.offset = 1, .retention_ms = 1000, .version = 4});
	/* value 1: offset, metadata, timestamp, expiry */
	assert_string_equal(last_record(w), "0001000167000174" "00000000 "
			    "0001" "0000000000000001" "0000" "0000018bcfe56be8" "0000018bcfe56fd0");
	/* key 2: group; value 3: type, generation, protocol, leader, timestamp, members */
	world_join(w, (struct who){.group = "h"});
	assert_string_equal(last_record(w), "0002" "000168 " "0003" "0000" "00000000" "ffff" "ffff"
			    "0000018bcfe56be8" "00000000");
	world_free(w);
}

static void broken_record_fails_the_load(void **state)
{
	struct world *w = world_new();
	struct batch_builder bb;
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct slice batch;
	struct err err = {0};
	struct group_partition *gp;

	(void)state;
	batch_builder_init(&bb, &options);
	/* An unknown type is skipped; a known one that cannot be read is not. */
	assert_int_equal(
		batch_builder_add(&bb, 0,
				  (struct slice){.data = (const uint8_t *)"\0\x63", .len = 2},
				  SLICE_NULL, NULL, 0),
		0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	group_partition_remove(w->gc->partitions[0]);
	gp = group_partition_add(w->gc, 0, 2);
	assert_int_equal(group_partition_load(gp, batch.data, batch.len, &err), 0);
	slice_unref(&batch);
	assert_int_equal(
		batch_builder_add(
			&bb, 0, (struct slice){.data = (const uint8_t *)"\0\2\0\1g", .len = 5},
			(struct slice){.data = (const uint8_t *)"\0\3\0", .len = 3}, NULL, 0),
		0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	assert_true(group_partition_load(gp, batch.data, batch.len, &err) < 0);
	group_partition_fail(gp);
	assert_int_equal(world_beat(w, "x", 1), KERR_NOT_COORDINATOR);
	slice_unref(&batch);
	batch_builder_fini(&bb);
	world_free(w);
}

static void write_record(struct world *w, const char *key, size_t key_len, const char *value,
			 size_t value_len)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct slice batch;
	int64_t required_offset;

	batch_builder_init(&bb, &options);
	assert_int_equal(
		batch_builder_add(
			&bb, 0, (struct slice){.data = (const uint8_t *)key, .len = key_len},
			(struct slice){.data = (const uint8_t *)value, .len = value_len}, NULL, 0),
		0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	world_append(w, 0, batch, &required_offset);
	slice_unref(&batch);
	batch_builder_fini(&bb);
}

/* A group of the consumer protocol, left by another broker, makes way for a classic one. */
static void other_protocols(void **state)
{
	struct world *w = world_new();
	size_t before;

	(void)state;
	write_record(w, "\0\3\0\1g", 5, "\0\0\0\0\0\7\0", 7);
	write_record(w, "\0\6\0\1g", 5, "\0\0\0\0\0\7\0", 7);
	write_record(w, "\0\13\0\1s", 5, "\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0", 15);
	world_crash(w);
	assert_int_equal(world_group(w, "g")->foreign.count, 2);
	before = world_records(w);
	world_join(w, (struct who){0});
	assert_int_equal(world_records(w), before + 3);
	assert_int_equal(world_join(w, (struct who){.group = "s"})->join.response->error_code,
			 KERR_INCONSISTENT_GROUP_PROTOCOL);
	world_crash(w);
	assert_int_equal(world_group(w, "g")->foreign.count, 0);
	assert_int_equal(world_delete(w, "s"), KERR_NONE);
	world_crash(w);
	assert_null(world_group(w, "s"));
	world_free(w);
}

/* One offset of group "g" in a transaction, and the marker of its end, as the log has them. */
static void write_txn(struct world *w, int64_t producer_id, uint8_t offset, bool is_commit)
{
	uint8_t key[] = "\0\1\0\1g\0\1t\0\0\0", value[35] = {[1] = 3, [9] = offset};
	uint8_t marker[BATCH_MARKER_BYTES];
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct slice batch;
	int64_t required_offset;

	options.producer_id = producer_id;
	options.producer_epoch = 0;
	options.base_sequence = 0;
	options.is_transactional = true;
	batch_builder_init(&bb, &options);
	/* offset, leader epoch, metadata "", timestamp */
	assert_int_equal(batch_builder_add(&bb, 0, (struct slice){.data = key, .len = sizeof(key)},
					   (struct slice){.data = value, .len = 2 + 8 + 4 + 2 + 8},
					   NULL, 0), 0);
	assert_int_equal(batch_builder_finish(&bb, NULL, &batch), 0);
	world_append(w, 0, batch, &required_offset);
	slice_unref(&batch);
	batch_builder_fini(&bb);
	if (offset == 99)
		return;		/* it stays open */
	batch_write_marker(marker, producer_id, 0, 0, is_commit, 0, 0);
	world_append(w, 0, (struct slice){.data = marker, .len = sizeof(marker)}, &required_offset);
}

static void transactions(void **state)
{
	struct world *w = world_new();
	struct answer *f;

	(void)state;
	write_txn(w, 7, 5, true);
	world_crash(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), 5);
	write_txn(w, 7, 6, false);
	world_crash(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), 5);
	/* An open one: the last committed value, but not for who wants a stable one. */
	write_txn(w, 8, 99, false);
	world_crash(w);
	assert_int_equal(world_fetch(w, "g", "t", 0), 5);
	f = world_call(w, 9);
	f->fetch.group_id = STR_LIT("g");
	f->fetch.require_stable = f->fetch.wants_all = true;
	f->fetch.response = WIRE_NEW(&w->arena, offset_fetch_response_group);
	group_offset_fetch(w->gc, &f->fetch);
	assert_int_equal(f->fetch.response->topics[0].partitions[0].error_code,
			 KERR_UNSTABLE_OFFSET_COMMIT);
	/* It holds the group, until somebody deletes it. */
	world_pass(w, INT64_C(8) * 24 * 3600 * 1000);
	assert_non_null(world_group(w, "g"));
	assert_int_equal(world_delete(w, "g"), KERR_NONE);
	world_crash(w);
	assert_null(world_group(w, "g"));
	world_free(w);
}

static void compressed_and_large(void **state)
{
	struct world *w = world_new();
	char topic[32];

	(void)state;
	w->gc->settings.codec = COMPRESSION_ZSTD;
	w->gc->settings.batch_bytes_max = 4096;
	for (int i = 0; i < 1000; i++) {
		snprintf(topic, sizeof(topic), "topic-%d", i);
		world_commit_offset(
			w, (struct commit){.offset = i, .topic = arena_strdup(&w->arena, topic)});
	}
	world_crash(w);
	assert_int_equal(world_group(w, "g")->offsets.count, 1000);
	assert_int_equal(world_fetch(w, "g", "topic-999", 0), 999);
	/* The tombstones of all need several batches. */
	w->gc->settings.batch_bytes_max = 4096;
	assert_int_equal(world_delete(w, "g"), KERR_NONE);
	world_crash(w);
	assert_null(world_group(w, "g"));
	world_free(w);
}

static void described_and_listed(void **state)
{
	struct world *w = world_new();
	struct list_groups_request request = {0};
	struct list_groups_response_listed_group *groups;
	struct str filter[] = {STR_LIT(" stable "), STR_LIT("Dead")};
	size_t count;

	(void)state;
	world_stable(w);
	world_commit_offset(w, (struct commit){.group = "simple"});
	assert_int_equal(group_list(w->gc, &request, &w->arena, &groups, &count), KERR_NONE);
	assert_int_equal(count, 2);
	request.states_filter = filter;
	request.states_filter_count = 2;
	assert_int_equal(group_list(w->gc, &request, &w->arena, &groups, &count), KERR_NONE);
	assert_int_equal(count, 1);
	assert_true(str_is(groups[0].group_id, "g"));
	assert_true(str_is(groups[0].group_type, "classic"));
	request.types_filter = filter;
	request.types_filter_count = 1;
	assert_int_equal(group_list(w->gc, &request, &w->arena, &groups, &count), KERR_NONE);
	assert_int_equal(count, 0);
	assert_true(str_is(world_describe(w, "nope", 5)->group_state, "Dead"));
	assert_int_equal(world_describe(w, "nope", 5)->error_code, KERR_NONE);
	assert_int_equal(world_describe(w, "nope", 6)->error_code, KERR_GROUP_ID_NOT_FOUND);
	world_free(w);
}

/* Values of java.lang.String.hashCode. */
static void partition_of_a_group(void **state)
{
	(void)state;
	assert_int_equal(coordinator_partition(STR_LIT(""), 50), 0);
	assert_int_equal(coordinator_partition(STR_LIT("g"), 50), 103 % 50);
	assert_int_equal(coordinator_partition(STR_LIT("hello"), 1000000000), 99162322);
	/* "polygenelubricants" hashes to the smallest int, whose absolute value there is none of.
	 */
	assert_int_equal(coordinator_partition(STR_LIT("polygenelubricants"), 50), 0);
	/* One code point beyond the basic plane counts as two units: 0xd83d * 31 + 0xde00. */
	assert_int_equal(coordinator_partition(STR_LIT("\xf0\x9f\x98\x80"), 1000000000), 1772899);
	assert_int_equal(coordinator_partition(STR_LIT("\xc3\xa9"), 1000), 233);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_survives),
		cmocka_unit_test(static_member_survives),
		cmocka_unit_test(rebalance_is_forgotten),
		cmocka_unit_test(deleted_group_stays_away),
		cmocka_unit_test(records_are_kafkas),
		cmocka_unit_test(broken_record_fails_the_load),
		cmocka_unit_test(transactions),
		cmocka_unit_test(other_protocols),
		cmocka_unit_test(compressed_and_large),
		cmocka_unit_test(described_and_listed),
		cmocka_unit_test(partition_of_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
