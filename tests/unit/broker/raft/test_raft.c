/* A quorum that forgets its epoch can have two leaders in one; a record that is called agreed
 * before it is on the disk can vanish. */
#include "raft/quorum_state.h"
#include "raft/raft.h"
#include "wire/codec.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* One node's disk; flushes happen when they are told to. */
struct place {
	struct env env;
	struct env_ops ops;
	char dir[64];
	struct env_work *work;
	unsigned wake_count;
	int32_t segment_bytes;
	int64_t retention_bytes;
	int fsync_rc;
	int64_t append_linger_ms, now_us; /* now_us 0: the machine's clock */
};

static struct place *the_place;

static int64_t place_mono_us(struct env *env UNUSED)
{
	return the_place->now_us;
}

static void place_work(struct env *env UNUSED, struct env_work *work)
{
	assert_null(the_place->work);
	the_place->work = work;
}

static int place_fsync(struct env *env, int fd)
{
	return the_place->fsync_rc ? the_place->fsync_rc : env_posix_ops.fsync(env, fd);
}

static void place_wake(void *ctx)
{
	((struct place *)ctx)->wake_count++;
}

/* Lets the flush under way happen; false if there is none. */
static bool place_flush(struct place *p)
{
	struct env_work *work = p->work;

	if (!work)
		return false;
	p->work = NULL;
	work->run(work);
	work->done(work);
	return true;
}

static struct uuid dir_id(void)
{
	return (struct uuid){{7, 7, 7, [15] = 200}};
}

/* What format writes; `voter` NULL: a static quorum. */
static void place_format(struct place *p, const struct voters_record_voter *voter, int32_t count)
{
	char path[128];
	struct voters_record voters;
	struct snapshot_header header = {.now_ms = 1, .kraft_version = voter ? 1 : 0};
	struct snapshot_writer w;
	struct err err = {0};

	WIRE_INIT(voters_record, &voters);
	voters.voters = (struct voters_record_voter *)(uintptr_t)voter;
	voters.voters_count = count;
	header.voters = &voters;
	snprintf(path, sizeof(path), "%s/__cluster_metadata-0", p->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	if (snapshot_writer_open(&w, &p->env, path, SNAPSHOT_BOOTSTRAP, &header, &err) < 0 ||
	    snapshot_writer_finish(&w, &err) < 0)
		fail_msg("%s", err.text);
}

static struct voters_record_voter own_voter(void)
{
	struct voters_record_voter v;

	WIRE_INIT(voters_record_voter, &v);
	v.voter_id = 1;
	v.voter_directory_id = dir_id();
	return v;
}

static void place_init(struct place *p)
{
	*p = (struct place){.dir = "/tmp/kavka-test-XXXXXX",
			    .segment_bytes = 1 << 20,
			    .retention_bytes = 1 << 30};
	assert_non_null(mkdtemp(p->dir));
	env_posix_init(&p->env);
	p->ops = env_posix_ops;
	p->ops.work = place_work;
	p->ops.fsync = place_fsync;
	p->env.ops = &p->ops;
	the_place = p;
}

/* Closes when nothing is under way. */
static void place_close(struct place *p, struct raft *r)
{
	while (place_flush(p))
		;
	raft_close(r);
}

static void place_fini(struct place *p)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", p->dir);
	assert_int_equal(system(command), 0);
}

static int place_open(struct place *p, struct raft **out, struct err *err)
{
	struct raft_options options = {
		.env = &p->env,
		.metadata_dir = p->dir,
		.node_id = 1,
		.directory_id = dir_id(),
		.endpoint = {STR_LIT("CONTROLLER"), STR_LIT("localhost"), 9093, 0},
		.segment_bytes = p->segment_bytes,
		.segment_ms = 1 << 30,
		.retention_bytes = p->retention_bytes,
		.retention_ms = 1 << 30,
		.append_linger_ms = p->append_linger_ms,
		.wake = place_wake,
		.ctx = p,
	};

	return raft_open(out, &options, err);
}

static struct raft *place_lead(struct place *p)
{
	struct raft *r;
	struct err err = {0};

	if (place_open(p, &r, &err) < 0 || raft_tick(r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(raft_role(r), RAFT_LEADER);
	return r;
}

static int append(struct raft *r, int64_t *last_offset)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder batch;
	struct err err = {0};
	struct slice value = {.data = (const uint8_t *)"\1\24\0\0", .len = 4};
	int rc;

	batch_builder_init(&batch, &options);
	assert_int_equal(batch_builder_add(&batch, 5, SLICE_NULL, value, NULL, 0), 0);
	rc = raft_append(r, &batch, last_offset, &err);
	batch_builder_fini(&batch);
	return rc;
}

static void test_state_file(void **state)
{
	struct place p;
	struct quorum_state s, again;
	struct voters_record voters;
	struct voters_record_voter voter = own_voter();
	struct err err = {0};
	char path[128], *text;
	size_t len;

	(void)state;
	place_init(&p);
	snprintf(path, sizeof(path), "%s/quorum-state", p.dir);
	assert_int_equal(quorum_state_read(&p.env, path, &again, &err), 0);
	assert_int_equal(again.leader_epoch, 0);
	assert_int_equal(again.leader_id, -1);
	s = (struct quorum_state){.leader_epoch = 3, .leader_id = 1, .voted_id = -1};
	assert_int_equal(quorum_state_write(&p.env, path, &s, 1, NULL, &err), 0);
	assert_int_equal(env_read_file(&p.env, path, 4096, &text, &len), 0);
	assert_string_equal(text, "{\"leaderId\":1,\"leaderEpoch\":3,\"votedId\":-1,"
				  "\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\","
				  "\"data_version\":1}");
	free(text);
	WIRE_INIT(voters_record, &voters);
	voters.voters = &voter;
	voters.voters_count = 1;
	s.voted_id = 1;
	assert_int_equal(quorum_state_write(&p.env, path, &s, 0, &voters, &err), 0);
	assert_int_equal(env_read_file(&p.env, path, 4096, &text, &len), 0);
	assert_string_equal(text, "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":3,"
				  "\"votedId\":1,\"appliedOffset\":0,"
				  "\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}");
	free(text);
	assert_int_equal(quorum_state_read(&p.env, path, &again, &err), 0);
	assert_int_equal(again.leader_epoch, 3);
	assert_int_equal(again.voted_id, 1);
	assert_int_equal(env_write_file(&p.env, path, "{\"leaderId\":1", 13), 0);
	assert_int_equal(quorum_state_read(&p.env, path, &again, &err), E_MALFORMED);
	place_fini(&p);
}

/* Not agreed before it is on the disk; not agreed before a record of the epoch is. */
static void test_agreed_means_durable(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct raft *r;
	struct slice bytes;
	struct err err = {0};
	int64_t last;

	(void)state;
	place_init(&p);
	place_format(&p, &voter, 1);
	r = place_lead(&p);
	assert_int_equal(raft_epoch(r), 1);
	assert_int_equal(raft_leader_id(r), 1);
	/* LeaderChange, KRaftVersion, Voters */
	assert_int_equal(raft_log_end(r), 3);
	assert_int_equal(raft_high_watermark(r), -1);
	assert_int_equal(raft_voters(r)->voters[0].endpoints[0].port, 9093);
	raft_flush(r);
	assert_int_equal(raft_high_watermark(r), -1);
	assert_true(place_flush(&p));
	assert_int_equal(p.wake_count, 1);
	assert_int_equal(raft_high_watermark(r), 3);
	assert_int_equal(append(r, &last), 0);
	assert_int_equal(last, 3);
	raft_flush(r);
	/* comes while the flush is under way: the next one's */
	assert_int_equal(append(r, &last), 0);
	raft_flush(r);
	assert_true(place_flush(&p));
	assert_int_equal(raft_high_watermark(r), 4);
	assert_int_equal(raft_read(r, 4, 1000, &bytes, &err), 0);
	assert_null(bytes.data);
	raft_flush(r);
	assert_true(place_flush(&p));
	assert_int_equal(raft_high_watermark(r), 5);
	raft_flush(r);
	assert_false(place_flush(&p));
	assert_int_equal(raft_read(r, 4, 1000, &bytes, &err), 0);
	assert_int_equal(bytes.len, BATCH_HEADER_BYTES + 11);
	slice_unref(&bytes);
	raft_close(r);
	place_fini(&p);
}

/* What is appended within the time goes out together; but not behind a change of the quorum. */
static void test_records_linger(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct raft *r;
	struct err err = {0};
	int64_t last, due_us;

	(void)state;
	place_init(&p);
	p.append_linger_ms = 25;
	p.now_us = 1000000;
	p.ops.mono_us = place_mono_us;
	place_format(&p, &voter, 1);
	r = place_lead(&p);
	/* the records of the leader do not wait */
	raft_flush(r);
	assert_true(place_flush(&p));
	assert_int_equal(raft_high_watermark(r), 3);
	for (int i = 0; i < 2; i++) {
		due_us = p.now_us + (25 - i * 10) * 1000;
		assert_int_equal(append(r, &last), 0);
		assert_int_equal(raft_tick(r, &err), 0);
		raft_flush(r);
		assert_false(place_flush(&p));
		assert_int_equal(raft_log_end(r), 4 + i);
		assert_true(raft_deadline_us(r) <= due_us);
		p.now_us += 10000;
	}
	p.now_us += 5000;
	assert_int_equal(raft_tick(r, &err), 0);
	raft_flush(r);
	assert_true(place_flush(&p));
	assert_int_equal(raft_high_watermark(r), 5);
	/* the time begins anew with the next */
	assert_int_equal(append(r, &last), 0);
	assert_int_equal(raft_tick(r, &err), 0);
	raft_flush(r);
	assert_false(place_flush(&p));
	place_close(&p, r);
	place_fini(&p);
}

static void test_epochs_only_grow(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	char path[128];
	struct raft *r;
	int64_t last;

	(void)state;
	place_init(&p);
	place_format(&p, &voter, 1);
	snprintf(path, sizeof(path), "%s/__cluster_metadata-0/quorum-state", p.dir);
	for (int32_t epoch = 1; epoch <= 4; epoch++) {
		r = place_lead(&p);
		assert_int_equal(raft_epoch(r), epoch);
		assert_int_equal(append(r, &last), 0);
		/* the voters are in the log now: one control record an epoch */
		assert_int_equal(last, epoch == 1 ? 3 : 3 + 2 * (epoch - 1));
		raft_flush(r);
		place_flush(&p);
		raft_close(r);
		/* the log alone also knows */
		if (epoch == 2)
			assert_int_equal(unlink(path), 0);
	}
	place_fini(&p);
}

static void test_failed_flush_is_the_end(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct raft *r;
	struct err err = {0};
	int64_t last;

	(void)state;
	place_init(&p);
	place_format(&p, &voter, 1);
	r = place_lead(&p);
	raft_flush(r);
	place_flush(&p);
	assert_int_equal(append(r, &last), 0);
	p.fsync_rc = -EIO;
	raft_flush(r);
	assert_true(place_flush(&p));
	assert_int_equal(raft_failed(r, &err), -EIO);
	assert_int_equal(raft_high_watermark(r), 3);
	/* never a second time: the page may be gone although the next fsync says it is well */
	p.fsync_rc = 0;
	raft_flush(r);
	assert_false(place_flush(&p));
	assert_int_equal(append(r, &last), -EIO);
	assert_int_equal(raft_tick(r, &err), -EIO);
	raft_close(r);
	place_fini(&p);
}

static void test_closed_during_a_flush(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct raft *r;

	(void)state;
	place_init(&p);
	place_format(&p, &voter, 1);
	r = place_lead(&p);
	raft_flush(r);
	raft_close(r);
	assert_true(place_flush(&p));
	assert_int_equal(p.wake_count, 0);
	place_fini(&p);
}

static void test_other_quorums_are_refused(void **state)
{
	struct place p;
	struct voters_record_voter voters[2] = {own_voter(), own_voter()};
	struct raft *r;
	struct err err = {0};

	(void)state;
	voters[1].voter_id = 2;
	place_init(&p);
	place_format(&p, voters, 2);
	assert_int_equal(place_open(&p, &r, &err), E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "2 voters"));
	place_fini(&p);

	place_init(&p);
	voters[0].voter_directory_id.bytes[3]++;
	place_format(&p, voters, 1);
	assert_int_equal(place_open(&p, &r, &err), E_INVALID);
	place_fini(&p);

	/* no voters at all: somebody else's quorum */
	place_init(&p);
	place_format(&p, voters, 0);
	assert_int_equal(place_open(&p, &r, &err), E_UNSUPPORTED);
	place_fini(&p);
}

static void test_resigned_leader_begins_a_new_epoch(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct raft *r;
	struct err err = {0};

	(void)state;
	place_init(&p);
	place_format(&p, &voter, 1);
	r = place_lead(&p);
	assert_int_equal(raft_resign(r, &err), 0);
	assert_int_equal(raft_role(r), RAFT_RESIGNED);
	assert_int_equal(raft_leader_id(r), -1);
	raft_close(r);
	r = place_lead(&p);
	assert_int_equal(raft_epoch(r), 2);
	raft_close(r);
	place_fini(&p);
}

/* Segments roll, snapshots make the oldest ones superfluous, and what is left is a whole log. */
static void test_log_behind_a_snapshot_goes(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct snapshot_id id;
	struct snapshot_header header = {.now_ms = 1, .kraft_version = 1};
	const struct image *image = image_empty();
	struct raft *r;
	struct slice bytes;
	struct err err = {0};
	char path[128];
	struct env_stat st;
	int64_t last = -1;

	(void)state;
	place_init(&p);
	p.segment_bytes = 400;
	p.retention_bytes = 600;
	place_format(&p, &voter, 1);
	r = place_lead(&p);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(append(r, &last), 0);
		raft_flush(r);
		while (place_flush(&p))
			;
		assert_int_equal(raft_high_watermark(r), last + 1);
	}
	assert_int_equal(last, 22);
	assert_int_equal(raft_clean(r, &err), 0);
	assert_int_equal(raft_log_start(r), 0);
	id = (struct snapshot_id){20, 1};
	header.voters = raft_voters(r);
	assert_int_equal(snapshot_write_image(&p.env, raft_dir(r), id, &header, image, &err), 0);
	raft_snapshot_written(r, id);
	assert_true(snapshot_id_eq(raft_latest_snapshot(r), id));
	assert_int_equal(raft_clean(r, &err), 0);
	assert_int_equal(raft_log_start(r), 20);
	assert_int_equal(raft_read(r, 3, 1000, &bytes, &err), E_OFFSET_RANGE);
	assert_int_equal(raft_read(r, 20, 1000, &bytes, &err), 0);
	slice_unref(&bytes);
	snprintf(path, sizeof(path), "%s/%020d.log", raft_dir(r), 0);
	assert_int_equal(p.env.ops->stat(&p.env, path, &st), -ENOENT);
	place_close(&p, r);

	r = place_lead(&p);
	assert_int_equal(raft_epoch(r), 2);
	assert_true(raft_log_start(r) > 0);
	assert_int_equal(raft_log_end(r), 24);
	assert_int_equal(raft_voters(r)->voters_count, 1);
	assert_int_equal(raft_kraft_version(r), 1);
	snprintf(path, sizeof(path), "%s/00000000000000000020-0000000001.checkpoint", raft_dir(r));
	place_close(&p, r);

	/* without the snapshot the log has no beginning */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(place_open(&p, &r, &err), E_CORRUPT);
	image_unref(image);
	place_fini(&p);
}

/* A log that ends before its newest snapshot goes on from the snapshot. */
static void test_snapshot_beyond_the_log(void **state)
{
	struct place p;
	struct voters_record_voter voter = own_voter();
	struct voters_record voters;
	struct snapshot_header header = {.now_ms = 1, .kraft_version = 1, .voters = &voters};
	const struct image *image = image_empty();
	struct raft *r;
	struct err err = {0};
	char path[128];

	(void)state;
	WIRE_INIT(voters_record, &voters);
	voters.voters = &voter;
	voters.voters_count = 1;
	place_init(&p);
	place_format(&p, &voter, 1);
	raft_close(place_lead(&p));
	snprintf(path, sizeof(path), "%s/__cluster_metadata-0", p.dir);
	assert_int_equal(snapshot_write_image(&p.env, path, (struct snapshot_id){100, 5}, &header,
					      image, &err),
			 0);
	r = place_lead(&p);
	assert_int_equal(raft_log_start(r), 100);
	assert_int_equal(raft_epoch_start(r), 100);
	/* its records are of epoch 5: nobody may lead a lower one, or the same one, again */
	assert_true(raft_epoch(r) > 5);
	raft_close(r);
	image_unref(image);
	place_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_file),
		cmocka_unit_test(test_agreed_means_durable),
		cmocka_unit_test(test_records_linger),
		cmocka_unit_test(test_epochs_only_grow),
		cmocka_unit_test(test_failed_flush_is_the_end),
		cmocka_unit_test(test_closed_during_a_flush),
		cmocka_unit_test(test_other_quorums_are_refused),
		cmocka_unit_test(test_log_behind_a_snapshot_goes),
		cmocka_unit_test(test_snapshot_beyond_the_log),
		cmocka_unit_test(test_resigned_leader_begins_a_new_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
