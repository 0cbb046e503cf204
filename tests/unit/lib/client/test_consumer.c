/* A consumer must hand out every record once and in order, skip what it must not show, and begin
 * where it was told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "unit/lib/client/mock.h"

#include "client/consumer.h"

struct fixture {
	struct mock m;
	struct client_config *cfg;
	struct client *c;
	struct consumer *k;
	int ends;
	int64_t end_offset;
	int assigned, revoked, lost;	/* partitions */
};

static void assigned(void *ctx, const struct position *partitions, size_t count)
{
	(void)partitions;
	((struct fixture *)ctx)->assigned += (int)count;
}

static void revoked(void *ctx, const struct position *partitions, size_t count)
{
	(void)partitions;
	((struct fixture *)ctx)->revoked += (int)count;
}

static void lost(void *ctx, const struct position *partitions, size_t count)
{
	(void)partitions;
	((struct fixture *)ctx)->lost += (int)count;
}

static void at_end(void *ctx, struct str topic, int32_t partition, int64_t offset)
{
	struct fixture *f = ctx;

	(void)topic;
	(void)partition;
	f->ends++;
	f->end_offset = offset;
}

static void setup_records(struct fixture *f, int32_t parts, const char *pairs, size_t records_max)
{
	struct consumer_options options = {
		.assigned = assigned,
		.revoked = revoked,
		.lost = lost,
		.at_end = at_end,
		.ctx = f,
		.records_max = records_max,
	};
	char all[512];

	memset(f, 0, sizeof(*f));
	mock_init(&f->m, 2, parts);
	snprintf(all, sizeof(all), "retry.backoff.ms=5 reconnect.backoff.ms=5 %s", pairs);
	f->c = mock_client(&f->m, CLIENT_CONSUMER, all, &f->cfg);
	assert_int_equal(consumer_new(&f->k, f->c, &options, NULL), 0);
}

static void setup(struct fixture *f, int32_t parts, const char *pairs)
{
	setup_records(f, parts, pairs, 0);
}

static void teardown(struct fixture *f)
{
	assert_int_equal(consumer_close(f->k, NULL), 0);
	consumer_free(f->k);
	client_free(f->c);
	client_config_free(f->cfg);
	mock_fini(&f->m);
}

/* A batch of `count` records whose values are their offsets. */
static void put(struct fixture *f, int32_t partition, int count, enum compression codec,
		int64_t producer_id, bool is_transactional)
{
	struct batch_options o = BATCH_OPTIONS_DEFAULT;
	struct compressor *c = compressor_new();
	struct batch_builder bb;
	struct slice data;
	int64_t offset;

	o.codec = codec;
	batch_builder_init(&bb, &o);
	for (int i = 0; i < count; i++) {
		char text[32];
		int len = snprintf(text, sizeof(text), "%lld",
				   (long long)f->m.parts[partition].end_offset + i);

		assert_int_equal(batch_builder_add(&bb, 1000 + i, SLICE_NULL,
						   (struct slice){NULL, (uint8_t *)text,
								  (size_t)len},
						   NULL, 0), 0);
	}
	assert_int_equal(batch_builder_finish(&bb, c, &data), 0);
	if (producer_id >= 0)
		batch_set_producer((uint8_t *)(uintptr_t)data.data, producer_id, 0,
				   f->m.parts[partition].producer_id == producer_id
					   ? f->m.parts[partition].next_sequence
					   : 0,
				   is_transactional);
	assert_int_equal(mock_append(&f->m, f->m.parts[partition].leader, partition, data, &offset),
			 0);
	slice_unref(&data);
	compressor_free(c);
}

static void put_marker(struct fixture *f, int64_t producer_id, bool is_commit)
{
	uint8_t marker[BATCH_MARKER_BYTES];
	struct mock_partition *p = &f->m.parts[0];

	batch_write_marker(marker, producer_id, 0, 0, is_commit, 1000, 0);
	batch_set_base_offset(marker, p->end_offset++);
	out_bytes(&p->log, marker, sizeof(marker));
}

static void assign(struct fixture *f, int32_t partition, int64_t offset)
{
	struct position p = {.topic = STR_LIT("t"), .partition = partition, .offset = offset};
	struct err err = {0};

	if (consumer_assign(f->k, &p, 1, &err) < 0)
		fail_msg("%s", err.text);
}

/* Reads until `until` or nothing comes; the values are the offsets, in order, from `next` on. */
static int64_t read_some(struct fixture *f, int64_t next, int64_t until, bool has_gaps)
{
	struct consumer_batch b;
	struct err err = {0};

	while (next < until) {
		int rc = consumer_poll(f->k, 1000, &b, &err);

		if (rc < 0)
			fail_msg("%s", err.text);
		if (rc == 0)
			return next;
		for (size_t i = 0; i < b.count; i++) {
			char text[32];

			snprintf(text, sizeof(text), "%.*s", (int)b.records[i].value.len,
				 (const char *)b.records[i].value.data);
			if (!has_gaps)
				assert_int_equal(b.records[i].offset, next);
			assert_true(b.records[i].offset >= next);
			assert_int_equal(strtoll(text, NULL, 10), b.records[i].offset);
			next = b.records[i].offset + 1;
		}
		assert_int_equal(consumer_position(f->k, b.topic, b.partition), b.next_offset);
	}
	return next;
}

static void records_come_once_and_in_order_from_all_codecs(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, "auto.offset.reset=earliest");
	for (int i = 0; i < 50; i++)
		put(&f, 0, 1 + i * 7 % 40, (enum compression)(i % COMPRESSION_COUNT), -1, false);
	assign(&f, 0, OFFSET_BEGINNING);
	assert_int_equal(read_some(&f, 0, f.m.parts[0].end_offset, false),
			 f.m.parts[0].end_offset);
	assert_int_equal(consumer_lag(f.k, STR_LIT("t"), 0), 0);
	/* And what comes later. */
	put(&f, 0, 10, COMPRESSION_LZ4, -1, false);
	assert_int_equal(read_some(&f, f.m.parts[0].end_offset - 10, f.m.parts[0].end_offset,
				   false), f.m.parts[0].end_offset);
	assert_true(f.ends >= 1);
	assert_int_equal(f.m.full_fetches, 1);
	assert_true(f.m.session_fetches > 0);
	teardown(&f);
}

static void a_seek_into_a_batch_begins_at_that_record(void **state)
{
	struct fixture f;

	(void)state;
	setup_records(&f, 1, "", 7);
	put(&f, 0, 100, COMPRESSION_ZSTD, -1, false);
	put(&f, 0, 100, COMPRESSION_NONE, -1, false);
	assign(&f, 0, 42);
	assert_int_equal(read_some(&f, 42, 130, false), 135);
	/* Back, with records of the old place already fetched. */
	assert_int_equal(consumer_seek(f.k, STR_LIT("t"), 0, 10), 0);
	assert_int_equal(read_some(&f, 10, 200, false), 200);
	assert_int_equal(consumer_seek(f.k, STR_LIT("t"), 0, OFFSET_BEGINNING), 0);
	assert_int_equal(read_some(&f, 0, 200, false), 200);
	assert_int_equal(consumer_seek(f.k, STR_LIT("t"), 3, 0), E_NOT_FOUND);
	teardown(&f);
}

static void a_pause_in_the_middle_of_a_batch_loses_nothing(void **state)
{
	struct consumer_batch b;
	struct err err = {0};
	struct fixture f;

	(void)state;
	setup_records(&f, 1, "", 10);
	put(&f, 0, 100, COMPRESSION_GZIP, -1, false);
	assign(&f, 0, 0);
	assert_int_equal(read_some(&f, 0, 30, false), 30);
	assert_int_equal(consumer_pause(f.k, STR_LIT("t"), 0, true), 0);
	assert_int_equal(consumer_poll(f.k, 50, &b, &err), 0);
	assert_int_equal(consumer_pause(f.k, STR_LIT("t"), 0, false), 0);
	assert_int_equal(read_some(&f, 30, 100, false), 100);
	teardown(&f);
}

static void aborted_transactions_are_left_out_for_those_who_want_it(void **state)
{
	static struct fetch_response_aborted_transaction aborted[] = {
		{.producer_id = 8, .first_offset = 10}, {.producer_id = 7, .first_offset = 0}};
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};
	int64_t expected[64];
	size_t count = 0, at = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		setup(&f, 1, round ? "isolation.level=read_committed" : "");
		put(&f, 0, 5, COMPRESSION_NONE, 7, true);	/* 0-4 aborted */
		put(&f, 0, 5, COMPRESSION_LZ4, 9, true);	/* 5-9 committed */
		put(&f, 0, 5, COMPRESSION_NONE, 8, true);	/* 10-14 aborted */
		put_marker(&f, 7, false);			/* 15 */
		put(&f, 0, 5, COMPRESSION_NONE, 7, true);	/* 16-20: the next one, committed */
		put_marker(&f, 9, true);			/* 21 */
		put_marker(&f, 8, false);			/* 22 */
		put(&f, 0, 3, COMPRESSION_NONE, -1, false);	/* 23-25 */
		put_marker(&f, 7, true);			/* 26 */
		count = at = 0;
		for (int64_t i = 0; i < 26; i++)
			if ((i < 5 && !round) || (i >= 5 && i < 10) ||
			    (i >= 10 && i < 15 && !round) || (i >= 16 && i < 21) || i >= 23)
				expected[count++] = i;
		f.m.aborted = aborted;
		f.m.aborted_count = 2;
		assign(&f, 0, 0);
		while (at < count) {
			int rc = consumer_poll(f.k, 1000, &b, &err);

			assert_int_equal(rc, 1);
			for (size_t i = 0; i < b.count; i++)
				assert_int_equal(b.records[i].offset, expected[at++]);
		}
		/* The last marker counts as read. */
		assert_int_equal(consumer_poll(f.k, 50, &b, &err), 0);
		assert_int_equal(consumer_position(f.k, STR_LIT("t"), 0), 27);
		assert_int_equal(f.ends, 1);
		assert_int_equal(f.end_offset, 27);
		teardown(&f);
	}
}

static void a_broken_batch_is_told_and_can_be_passed_over(void **state)
{
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};

	(void)state;
	setup(&f, 1, "");
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	f.m.parts[0].log.data[f.m.parts[0].log.len - 3] ^= 1;
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assign(&f, 0, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(consumer_poll(f.k, 2000, &b, &err), E_CORRUPT);
		assert_string_equal(err.text, "t-0: the batch at offset 0 fails its checksum");
	}
	assert_int_equal(consumer_seek(f.k, STR_LIT("t"), 0, 10), 0);
	assert_int_equal(read_some(&f, 10, 20, false), 20);
	teardown(&f);
}

static void an_offset_out_of_range_is_reset_as_configured(void **state)
{
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};

	(void)state;
	setup(&f, 1, "auto.offset.reset=earliest");
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assign(&f, 0, 1000);
	assert_int_equal(read_some(&f, 0, 10, false), 10);
	teardown(&f);

	setup(&f, 1, "auto.offset.reset=none");
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assign(&f, 0, 1000);
	assert_int_equal(consumer_poll(f.k, 2000, &b, &err), E_KAFKA);
	assert_int_equal(err.kafka_error, KERR_OFFSET_OUT_OF_RANGE);
	teardown(&f);

	setup(&f, 1, "");
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assign(&f, 0, OFFSET_COMMITTED);
	assert_int_equal(consumer_poll(f.k, 100, &b, &err), 0);
	assert_int_equal(consumer_position(f.k, STR_LIT("t"), 0), 10);
	teardown(&f);
}

static void a_moved_leader_and_a_lost_connection_are_followed(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, "");
	for (int i = 0; i < 5; i++)
		put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assign(&f, 0, 0);
	assert_int_equal(read_some(&f, 0, 50, false), 50);
	f.m.parts[0].leader = 2;
	f.m.parts[0].leader_epoch = 1;
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assert_int_equal(read_some(&f, 50, 60, false), 60);
	mock_kick(&f.m, 1);
	mock_kick(&f.m, 0);
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	assert_int_equal(read_some(&f, 60, 70, false), 70);
	teardown(&f);
}

static void subscribe(struct fixture *f)
{
	struct str topic = STR_LIT("t");
	struct err err = {0};

	if (consumer_subscribe(f->k, &topic, 1, &err) < 0)
		fail_msg("%s", err.text);
}

/* Batches say under which leader they were written. */
static void put_as_leader(struct fixture *f, int count)
{
	size_t len = f->m.parts[0].log.len;

	put(f, 0, count, COMPRESSION_NONE, -1, false);
	batch_set_leader_epoch(f->m.parts[0].log.data + len, f->m.parts[0].leader_epoch);
}

/* Another leader, whose log ends at `end_offset` and goes on from there. */
static void change_leader(struct fixture *f, int64_t end_offset)
{
	struct mock_partition *p = &f->m.parts[0];
	struct slice rest = mock_read(p, end_offset);

	if (rest.data)
		p->log.len -= rest.len;
	p->end_offset = end_offset;
	p->leader = p->leader == 1 ? 2 : 1;
	p->leader_epoch++;
}

static void records_that_a_new_leader_lacks_are_read_anew(void **state)
{
	struct fixture f;
	struct position at;

	(void)state;
	setup(&f, 1, "");
	for (int i = 0; i < 5; i++)
		put_as_leader(&f, 10);
	assign(&f, 0, 0);
	assert_int_equal(read_some(&f, 0, 50, false), 50);
	assert_int_equal(f.m.asked[API_OFFSET_FOR_LEADER_EPOCH], 0);
	/* A leader that has all of it: asked, and nothing is read twice. */
	change_leader(&f, 50);
	put_as_leader(&f, 10);
	assert_int_equal(read_some(&f, 50, 60, false), 60);
	assert_int_equal(f.m.asked[API_OFFSET_FOR_LEADER_EPOCH], 1);
	/* One that has not, and got others in their place. */
	change_leader(&f, 30);
	for (int i = 0; i < 4; i++)
		put_as_leader(&f, 10);
	assert_int_equal(read_some(&f, 30, 70, false), 70);
	assert_int_equal(consumer_assignment(f.k, &at, 1), 1);
	assert_int_equal(at.leader_epoch, 2);
	/* The same while it does not answer at first. */
	f.m.scripts[API_OFFSET_FOR_LEADER_EPOCH] =
		(struct mock_script){.wrong = MOCK_CLOSE, .count = 2};
	change_leader(&f, 40);
	put_as_leader(&f, 10);
	assert_int_equal(read_some(&f, 40, 50, false), 50);
	teardown(&f);
}

static void records_that_were_cut_off_are_told_where_no_reset_is_wanted(void **state)
{
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};

	(void)state;
	setup(&f, 1, "auto.offset.reset=none");
	for (int i = 0; i < 5; i++)
		put_as_leader(&f, 10);
	assign(&f, 0, 0);
	assert_int_equal(read_some(&f, 0, 50, false), 50);
	change_leader(&f, 30);
	put_as_leader(&f, 10);
	assert_int_equal(consumer_poll(f.k, 5000, &b, &err), E_KAFKA);
	assert_int_equal(err.kafka_error, KERR_OFFSET_OUT_OF_RANGE);
	assert_non_null(strstr(err.text, "records from offset 30 on were cut off"));
	teardown(&f);
}

static void a_committed_offset_is_checked_against_the_leader_of_now(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, "group.id=g auto.offset.reset=earliest");
	put_as_leader(&f, 10);
	put_as_leader(&f, 10);
	/* Committed at 20 in epoch 0; the leader of epoch 1 has only 10 of these. */
	f.m.committed[0] = 20;
	f.m.committed_epoch = 0;
	change_leader(&f, 10);
	put_as_leader(&f, 15);
	subscribe(&f);
	assert_int_equal(read_some(&f, 10, 25, false), 25);
	teardown(&f);
}

static void several_partitions_share_a_session(void **state)
{
	struct position p[4];
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};
	int64_t next[4] = {0};
	int total = 0;

	(void)state;
	setup(&f, 4, "");
	for (int i = 0; i < 400; i++)
		put(&f, i % 4, 5, COMPRESSION_NONE, -1, false);
	for (int i = 0; i < 4; i++)
		p[i] = (struct position){.topic = STR_LIT("t"), .partition = i};
	assert_int_equal(consumer_assign(f.k, p, 4, &err), 0);
	while (total < 2000) {
		assert_int_equal(consumer_poll(f.k, 1000, &b, &err), 1);
		for (size_t i = 0; i < b.count; i++)
			assert_int_equal(b.records[i].offset, next[b.partition]++);
		total += (int)b.count;
	}
	assert_int_equal(f.m.full_fetches, 1);
	teardown(&f);
}

/* Reads `count` records of any partition. */
static void read_count(struct fixture *f, size_t count)
{
	struct consumer_batch b;
	struct err err = {0};
	size_t got = 0;

	while (got < count) {
		int rc = consumer_poll(f->k, 5000, &b, &err);

		if (rc <= 0)
			fail_msg("%d: %s", rc, err.text);
		got += b.count;
	}
	assert_int_equal(got, count);
}

static void a_member_joins_commits_leaves_and_resumes(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 2, "group.id=g auto.offset.reset=earliest");
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	put(&f, 1, 7, COMPRESSION_NONE, -1, false);
	subscribe(&f);
	read_count(&f, 17);
	assert_string_equal(consumer_member_id(f.k), "member-1");
	assert_int_equal(f.assigned, 2);
	assert_int_equal(f.m.asked[API_JOIN_GROUP], 2);		/* the first one gave the id */
	assert_int_equal(consumer_close(f.k, NULL), 0);
	assert_int_equal(f.m.committed[0], 10);
	assert_int_equal(f.m.committed[1], 7);
	assert_int_equal(f.m.left_count, 1);
	assert_int_equal(f.revoked, 2);
	consumer_free(f.k);
	/* Another one begins where it ended. */
	assert_int_equal(consumer_new(&f.k, f.c, NULL, NULL), 0);
	put(&f, 1, 5, COMPRESSION_NONE, -1, false);
	subscribe(&f);
	read_count(&f, 5);
	teardown(&f);
	assert_int_equal(f.m.committed[1], 12);
}

static bool has_joined(struct fixture *f, int32_t generation)
{
	struct consumer_batch b;
	struct err err = {0};
	int64_t until = clock_mono_ms() + 5000;

	while (f->m.generation < generation && clock_mono_ms() < until)
		assert_int_equal(consumer_poll(f->k, 10, &b, &err), 0);
	return f->m.generation >= generation;
}

static void a_rebalance_gives_up_joins_again_and_repeats_nothing(void **state)
{
	static const char *const strategies[] = {"range", "cooperative-sticky"};
	struct fixture f;
	char pairs[256];

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(pairs, sizeof(pairs),
			 "group.id=g auto.offset.reset=earliest heartbeat.interval.ms=20 "
			 "partition.assignment.strategy=%s",
			 strategies[i]);
		setup(&f, 2, pairs);
		put(&f, 0, 10, COMPRESSION_NONE, -1, false);
		subscribe(&f);
		read_count(&f, 10);
		f.m.scripts[API_HEARTBEAT] = (struct mock_script){
			.wrong = MOCK_ERROR, .code = KERR_REBALANCE_IN_PROGRESS, .count = 1};
		assert_true(has_joined(&f, 2));
		assert_int_equal(f.m.committed[0], 10);	/* before it joined again */
		put(&f, 0, 5, COMPRESSION_NONE, -1, false);
		read_count(&f, 5);
		/* Cooperative members keep what they had. */
		assert_int_equal(f.revoked, i == 0 ? 2 : 0);
		assert_int_equal(f.assigned, i == 0 ? 4 : 2);
		teardown(&f);
	}
}

/* Polls until the coordinator was told of so many partitions. */
static bool has_reported(struct fixture *f, int32_t count)
{
	struct consumer_batch b;
	struct err err = {0};
	int64_t until = clock_mono_ms() + 5000;

	while (f->m.reported_count != count && clock_mono_ms() < until)
		assert_int_equal(consumer_poll(f->k, 10, &b, &err), 0);
	return f->m.reported_count == count;
}

static void a_member_of_the_new_protocol_moves_to_what_it_is_given(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 2, "group.id=g auto.offset.reset=earliest group.protocol=consumer");
	f.m.target_count = 2;
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	put(&f, 1, 7, COMPRESSION_NONE, -1, false);
	subscribe(&f);
	read_count(&f, 17);
	assert_int_equal(f.m.asked[API_JOIN_GROUP], 0);
	assert_int_equal(f.assigned, 2);
	assert_true(has_reported(&f, 2));
	/* One goes: committed before it is given up, and that is said. */
	f.m.target_count = 1;
	f.m.target_changed = true;
	assert_true(has_reported(&f, 1));
	assert_int_equal(f.m.committed[1], 7);
	assert_int_equal(f.revoked, 1);
	put(&f, 0, 5, COMPRESSION_NONE, -1, false);
	put(&f, 1, 5, COMPRESSION_NONE, -1, false);
	read_count(&f, 5);
	/* And comes back. */
	f.m.target_count = 2;
	f.m.target_changed = true;
	read_count(&f, 5);
	/* Thrown out: joins again, with what it has committed. */
	assert_int_equal(consumer_commit(f.k, NULL), 0);
	f.m.scripts[API_CONSUMER_GROUP_HEARTBEAT] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_FENCED_MEMBER_EPOCH, .count = 1};
	assert_true(has_joined(&f, f.m.generation + 1));
	assert_int_equal(f.lost, 2);
	put(&f, 1, 5, COMPRESSION_NONE, -1, false);
	read_count(&f, 5);
	assert_int_equal(consumer_close(f.k, NULL), 0);
	assert_int_equal(f.m.left_count, 1);
	assert_int_equal(f.m.committed[0], 15);
	assert_int_equal(f.m.committed[1], 17);
	teardown(&f);
}

static void a_refused_member_of_the_new_protocol_is_told(void **state)
{
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};

	(void)state;
	setup(&f, 1, "group.id=g group.protocol=consumer");
	f.m.scripts[API_CONSUMER_GROUP_HEARTBEAT] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_GROUP_MAX_SIZE_REACHED, .count = 1};
	subscribe(&f);
	assert_int_equal(consumer_poll(f.k, 5000, &b, &err), E_KAFKA);
	assert_int_equal(err.kafka_error, KERR_GROUP_MAX_SIZE_REACHED);
	teardown(&f);

	setup(&f, 1, "group.id=g group.protocol=consumer");
	f.m.versions_max[API_CONSUMER_GROUP_HEARTBEAT] = -1;
	subscribe(&f);
	assert_int_equal(consumer_poll(f.k, 5000, &b, &err), E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "group.protocol=classic"));
	teardown(&f);
}

static void a_member_that_was_thrown_out_comes_back(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, "group.id=g auto.offset.reset=earliest heartbeat.interval.ms=20");
	put(&f, 0, 10, COMPRESSION_NONE, -1, false);
	subscribe(&f);
	read_count(&f, 10);
	assert_int_equal(consumer_commit(f.k, NULL), 0);
	f.m.scripts[API_HEARTBEAT] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_UNKNOWN_MEMBER_ID, .count = 1};
	assert_true(has_joined(&f, 2));
	assert_int_equal(f.lost, 1);
	put(&f, 0, 5, COMPRESSION_NONE, -1, false);
	read_count(&f, 5);
	/* And when the connection to the coordinator breaks, nothing is lost. */
	mock_kick(&f.m, 1);
	put(&f, 0, 5, COMPRESSION_NONE, -1, false);
	read_count(&f, 5);
	assert_int_equal(f.lost, 1);
	teardown(&f);
}

static void a_group_that_refuses_the_member_is_told(void **state)
{
	struct fixture f;
	struct consumer_batch b;
	struct err err = {0};

	(void)state;
	setup(&f, 1, "group.id=g");
	f.m.scripts[API_JOIN_GROUP] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_GROUP_AUTHORIZATION_FAILED, .count = 1};
	subscribe(&f);
	assert_int_equal(consumer_poll(f.k, 5000, &b, &err), E_KAFKA);
	assert_int_equal(err.kafka_error, KERR_GROUP_AUTHORIZATION_FAILED);
	teardown(&f);
}

static void bad_patterns_and_missing_groups_are_refused(void **state)
{
	struct fixture f;
	struct str topic = STR_LIT("t");
	struct err err = {0};

	(void)state;
	setup(&f, 1, "");
	assert_int_equal(consumer_subscribe(f.k, &topic, 1, &err), E_INVALID);
	assert_int_equal(consumer_subscribe_pattern(f.k, "a(b", &err), E_INVALID);
	assert_non_null(strstr(err.text, "at character"));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_once_and_in_order_from_all_codecs),
		cmocka_unit_test(a_seek_into_a_batch_begins_at_that_record),
		cmocka_unit_test(a_pause_in_the_middle_of_a_batch_loses_nothing),
		cmocka_unit_test(aborted_transactions_are_left_out_for_those_who_want_it),
		cmocka_unit_test(a_broken_batch_is_told_and_can_be_passed_over),
		cmocka_unit_test(an_offset_out_of_range_is_reset_as_configured),
		cmocka_unit_test(a_moved_leader_and_a_lost_connection_are_followed),
		cmocka_unit_test(records_that_a_new_leader_lacks_are_read_anew),
		cmocka_unit_test(records_that_were_cut_off_are_told_where_no_reset_is_wanted),
		cmocka_unit_test(a_committed_offset_is_checked_against_the_leader_of_now),
		cmocka_unit_test(several_partitions_share_a_session),
		cmocka_unit_test(a_member_joins_commits_leaves_and_resumes),
		cmocka_unit_test(a_rebalance_gives_up_joins_again_and_repeats_nothing),
		cmocka_unit_test(a_member_of_the_new_protocol_moves_to_what_it_is_given),
		cmocka_unit_test(a_refused_member_of_the_new_protocol_is_told),
		cmocka_unit_test(a_member_that_was_thrown_out_comes_back),
		cmocka_unit_test(a_group_that_refuses_the_member_is_told),
		cmocka_unit_test(bad_patterns_and_missing_groups_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
