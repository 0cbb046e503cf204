/* What a producer was given must be in the log once and in order, whatever brokers do meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "unit/lib/client/mock.h"

#include "client/producer.h"

struct fixture {
	struct mock m;
	struct client_config *cfg;
	struct client *c;
	struct producer *p;
	uint64_t acked, failed, tag_sum, reports;
	int failed_rc, failed_error;
	uint64_t sent;
};

static void delivered(void *ctx, const struct producer_report *r)
{
	struct fixture *f = ctx;

	f->reports++;
	if (r->rc < 0) {
		f->failed += r->record_count;
		f->failed_rc = r->rc;
		f->failed_error = r->kafka_error;
		assert_true(r->err->text[0]);
	} else {
		f->acked += r->record_count;
	}
	for (uint32_t i = 0; r->tags && i < r->record_count; i++)
		f->tag_sum += r->tags[i];
}

static void setup(struct fixture *f, int nodes, int32_t parts, const char *pairs)
{
	struct producer_options options = {.delivered = delivered, .ctx = f, .want_tags = true};
	char all[512];

	memset(f, 0, sizeof(*f));
	mock_init(&f->m, nodes, parts);
	snprintf(all, sizeof(all), "retry.backoff.ms=5 reconnect.backoff.ms=5 %s", pairs);
	f->c = mock_client(&f->m, CLIENT_PRODUCER, all, &f->cfg);
	assert_int_equal(producer_new(&f->p, f->c, &options, NULL), 0);
}

static void teardown(struct fixture *f)
{
	producer_free(f->p);
	client_free(f->c);
	client_config_free(f->cfg);
	mock_fini(&f->m);
}

/* Records "0", "1", ... to a partition (-1: the partitioner's). */
static void send_some(struct fixture *f, int count, int32_t partition)
{
	char text[32];
	struct err err = {0};

	for (int i = 0; i < count; i++) {
		int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)f->sent);
		struct producer_record r = {
			.topic = STR_LIT("t"),
			.partition = partition,
			.timestamp = 1000,
			.value = {NULL, (uint8_t *)text, (size_t)len},
			.tag = f->sent,
		};
		int rc = producer_send_wait(f->p, &r, &err);

		if (rc < 0)
			fail_msg("%s", err.text);
		f->sent++;
	}
}

/* The partition's log has 0 .. count-1, each once, in order. */
static void check_log(struct fixture *f, int32_t partition, uint64_t count)
{
	struct compressor *c = compressor_new();
	const uint8_t *data = f->m.parts[partition].log.data;
	size_t len = f->m.parts[partition].log.len;
	struct record_iter it;
	struct record r;
	struct batch b;
	uint64_t next = 0;

	while (batch_next(&b, &data, &len) == 1) {
		assert_true(batch_crc_ok(&b));
		assert_int_equal(record_iter_init(&it, &b, c, 0), 0);
		while (record_next(&it, &r) == 1) {
			char text[32];

			snprintf(text, sizeof(text), "%.*s", (int)r.value.len,
				 (const char *)r.value.data);
			assert_int_equal(strtoull(text, NULL, 10), next);
			assert_int_equal(r.offset, next);
			next++;
		}
	}
	assert_int_equal(next, count);
	compressor_free(c);
}

static void flush(struct fixture *f)
{
	struct err err = {0};

	if (producer_flush(f->p, 20000, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(f->acked, f->sent);
	assert_int_equal(f->failed, 0);
	assert_int_equal(producer_pending(f->p), 0);
	assert_int_equal(producer_stats(f->p)->buffered_bytes, 0);
}

static void records_arrive_in_order_with_every_codec(void **state)
{
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct fixture f;
		char pairs[128];

		snprintf(pairs, sizeof(pairs), "batch.size=500 compression.type=%s", codecs[i]);
		setup(&f, 1, 1, pairs);
		send_some(&f, 5000, 0);
		flush(&f);
		check_log(&f, 0, 5000);
		assert_int_equal(f.tag_sum, 5000ull * 4999 / 2);
		assert_true(f.reports > 10);
		teardown(&f);
	}
}

static void wrongs_in_the_middle_lose_and_double_nothing(void **state)
{
	static const struct mock_script scripts[] = {
		{.wrong = MOCK_CLOSE, .skip = 3, .count = 1},
		{.wrong = MOCK_CLOSE_AFTER, .skip = 2, .count = 2},
		{.wrong = MOCK_ERROR, .code = KERR_NOT_ENOUGH_REPLICAS, .skip = 1, .count = 3},
		{.wrong = MOCK_ERROR, .code = KERR_REQUEST_TIMED_OUT, .skip = 4, .count = 2},
		{.wrong = MOCK_ERROR, .code = KERR_LEADER_NOT_AVAILABLE, .skip = 0, .count = 2},
		{.wrong = MOCK_SILENT, .skip = 5, .count = 1},
		{.wrong = MOCK_ERROR, .code = KERR_CORRUPT_MESSAGE, .skip = 2, .count = 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct fixture f;

		setup(&f, 1, 1, "batch.size=200 linger.ms=0 request.timeout.ms=300");
		f.m.scripts[API_PRODUCE] = scripts[i];
		send_some(&f, 2000, 0);
		flush(&f);
		check_log(&f, 0, 2000);
		assert_true(producer_stats(f.p)->retry_count > 0);
		teardown(&f);
	}
}

/* Who led long ago and leads again may not know what was written meanwhile, for a moment. */
static void a_leader_that_lags_behind_is_asked_again(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, 1, "linger.ms=0");
	send_some(&f, 1, 0);
	assert_int_equal(producer_flush(f.p, 5000, NULL), 0);
	f.m.scripts[API_PRODUCE] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_OUT_OF_ORDER_SEQUENCE_NUMBER, .count = 3};
	send_some(&f, 3, 0);
	assert_int_equal(producer_flush(f.p, 5000, NULL), 0);
	assert_int_equal(f.acked, 4);
	assert_int_equal(f.m.asked[API_INIT_PRODUCER_ID], 1);
	check_log(&f, 0, 4);
	teardown(&f);
}

/* One partition makes the producer take a new id while a batch of another may be in the log: that
 * one is asked for by its old number first. */
static void a_new_id_doubles_nothing_of_other_partitions(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 2, 2, "linger.ms=0 reconnect.backoff.ms=300");
	f.m.parts[1].leader = 2;
	send_some(&f, 1, 0);
	send_some(&f, 1, 1);
	assert_int_equal(producer_flush(f.p, 5000, NULL), 0);
	f.m.parts[1].next_sequence = -1; /* as if it had lost what it was told */
	f.m.scripts[API_PRODUCE] = (struct mock_script){.wrong = MOCK_CLOSE_AFTER, .count = 1};
	send_some(&f, 1, 0);
	while (f.m.parts[0].end_offset < 2)
		uv_run(&f.m.loop, UV_RUN_ONCE);
	send_some(&f, 1, 1);
	assert_int_equal(producer_flush(f.p, 5000, NULL), 0);
	assert_int_equal(f.acked, 4);
	assert_int_equal(f.m.parts[0].end_offset, 2);
	assert_int_equal(f.m.parts[1].end_offset, 2);
	assert_int_equal(f.m.asked[API_INIT_PRODUCER_ID], 2);
	teardown(&f);
}

static void one_request_in_flight_keeps_order_without_idempotence(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, 1, "batch.size=200 enable.idempotence=false acks=1 "
			"max.in.flight.requests.per.connection=1");
	f.m.scripts[API_PRODUCE] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_LEADER_NOT_AVAILABLE, .skip = 3, .count = 3};
	send_some(&f, 1000, 0);
	flush(&f);
	check_log(&f, 0, 1000);
	assert_int_equal(f.m.asked[API_INIT_PRODUCER_ID], 0);
	teardown(&f);
}

static void the_new_leader_gets_what_the_old_one_refuses(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 2, 1, "batch.size=200 linger.ms=0");
	send_some(&f, 500, 0);
	f.m.parts[0].leader = 2;
	f.m.parts[0].leader_epoch = 1;
	send_some(&f, 500, 0);
	flush(&f);
	check_log(&f, 0, 1000);
	f.m.parts[0].leader = 1;
	f.m.parts[0].leader_epoch = 2;
	mock_kick(&f.m, 1);
	send_some(&f, 500, 0);
	flush(&f);
	check_log(&f, 0, 1500);
	teardown(&f);
}

static void a_batch_too_large_is_split(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, 1, "batch.size=8000 linger.ms=1000");
	f.m.batch_bytes_max = 400;
	send_some(&f, 1000, 0);
	flush(&f);
	check_log(&f, 0, 1000);
	teardown(&f);
}

static void what_is_refused_for_good_is_told_and_the_rest_goes_on(void **state)
{
	struct fixture f;
	struct err err = {0};

	(void)state;
	setup(&f, 1, 1, "batch.size=200 linger.ms=0");
	send_some(&f, 1, 0);
	flush(&f);
	f.m.scripts[API_PRODUCE] = (struct mock_script){
		.wrong = MOCK_ERROR, .code = KERR_INVALID_TIMESTAMP, .count = 1};
	send_some(&f, 1, 0);
	assert_int_equal(producer_flush(f.p, 5000, &err), E_KAFKA);
	assert_int_equal(f.failed, 1);
	assert_int_equal(f.failed_error, KERR_INVALID_TIMESTAMP);
	/* The next ones take over its sequence number. */
	f.sent = 1;
	send_some(&f, 100, 0);
	assert_int_equal(producer_flush(f.p, 5000, &err), 0);
	check_log(&f, 0, 101);
	teardown(&f);
}

static void what_is_not_delivered_in_time_fails(void **state)
{
	struct fixture f;
	struct err err = {0};

	(void)state;
	setup(&f, 1, 1, "linger.ms=0 request.timeout.ms=100 delivery.timeout.ms=400");
	f.m.scripts[API_PRODUCE] = (struct mock_script){.wrong = MOCK_CLOSE, .count = 100000};
	send_some(&f, 10, 0);
	assert_int_equal(producer_flush(f.p, 10000, &err), E_TIMEOUT);
	assert_int_equal(f.failed, 10);
	assert_int_equal(f.failed_rc, E_TIMEOUT);
	/* Whether they were written is not known: the producer goes on under another id. */
	f.m.scripts[API_PRODUCE].count = 0;
	f.sent = 0;
	send_some(&f, 10, 0);
	assert_int_equal(producer_flush(f.p, 10000, &err), 0);
	check_log(&f, 0, 10);
	assert_true(f.m.next_producer_id >= 102);
	teardown(&f);
}

static void memory_is_bounded(void **state)
{
	struct fixture f;
	struct producer_record r = {.topic = STR_LIT("t"), .partition = 0, .timestamp = -1};
	char value[1000];
	struct err err = {0};
	int rc = 0, count = 0;

	(void)state;
	memset(value, 'v', sizeof(value));
	r.value = (struct slice){NULL, (uint8_t *)value, sizeof(value)};
	setup(&f, 1, 1, "buffer.memory=20000 linger.ms=0");
	send_some(&f, 1, 0);
	flush(&f);
	f.m.scripts[API_PRODUCE] = (struct mock_script){.wrong = MOCK_SILENT, .count = 100000};
	while (rc == 0 && count < 100) {
		rc = producer_send(f.p, &r, &err);
		count += rc == 0;
	}
	assert_int_equal(rc, E_AGAIN);
	assert_in_range(count, 15, 20);
	r.value.len = 30000;
	assert_int_equal(producer_send(f.p, &r, &err), E_TOO_LARGE);
	teardown(&f);
	assert_int_equal(f.failed_rc, E_INTERRUPTED);
	assert_int_equal(f.failed, (uint64_t)count);
}

static void keys_and_partitioners_choose_as_java_does(void **state)
{
	struct fixture f;
	struct producer_record r = {.topic = STR_LIT("t"), .partition = -1, .timestamp = -1};
	uint64_t most = 0, least = UINT64_MAX;

	(void)state;
	setup(&f, 1, 4, "batch.size=100 linger.ms=0");
	r.key = (struct slice){NULL, (const uint8_t *)"foobar", 6};
	assert_int_equal(producer_send_wait(f.p, &r, NULL), 0);
	assert_int_equal(producer_flush(f.p, 5000, NULL), 0);
	assert_int_equal(f.m.parts[1357151166 % 4].end_offset, 1);
	/* Without keys all partitions get their share, a batch at a time. */
	send_some(&f, 4000, -1);
	assert_int_equal(producer_flush(f.p, 5000, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_true(f.m.parts[i].end_offset > 300);
	r.partition = 4;
	assert_int_equal(producer_send_wait(f.p, &r, NULL), E_INVALID);
	teardown(&f);

	setup(&f, 1, 4,
	      "partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner");
	send_some(&f, 4000, -1);
	flush(&f);
	for (int i = 0; i < 4; i++) {
		most = MAX(most, (uint64_t)f.m.parts[i].end_offset);
		least = MIN(least, (uint64_t)f.m.parts[i].end_offset);
	}
	assert_int_equal(most, 1000);
	assert_int_equal(least, 1000);
	teardown(&f);
}

static void a_topic_that_does_not_come_is_named(void **state)
{
	struct fixture f;
	struct producer_record r = {.topic = STR_LIT("t"), .timestamp = -1};
	struct err err = {0};

	(void)state;
	setup(&f, 1, 1, "max.block.ms=300");
	f.m.has_topic = false;
	assert_int_equal(producer_send_wait(f.p, &r, &err), E_TIMEOUT);
	assert_non_null(strstr(err.text, "topic t not present in metadata after 300 ms"));
	f.m.has_topic = true;
	assert_int_equal(producer_send_wait(f.p, &r, &err), 0);
	assert_int_equal(producer_flush(f.p, 5000, &err), 0);
	teardown(&f);
}

static void acks_0_is_done_when_sent(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 1, 1, "acks=0 batch.size=500");
	/* The mock answers nevertheless, as no broker does: so it must not. */
	f.m.scripts[API_PRODUCE] = (struct mock_script){.wrong = MOCK_SILENT, .count = 100000};
	send_some(&f, 1000, 0);
	flush(&f);
	assert_true(f.m.asked[API_PRODUCE] > 5);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_arrive_in_order_with_every_codec),
		cmocka_unit_test(wrongs_in_the_middle_lose_and_double_nothing),
		cmocka_unit_test(a_leader_that_lags_behind_is_asked_again),
		cmocka_unit_test(a_new_id_doubles_nothing_of_other_partitions),
		cmocka_unit_test(one_request_in_flight_keeps_order_without_idempotence),
		cmocka_unit_test(the_new_leader_gets_what_the_old_one_refuses),
		cmocka_unit_test(a_batch_too_large_is_split),
		cmocka_unit_test(what_is_refused_for_good_is_told_and_the_rest_goes_on),
		cmocka_unit_test(what_is_not_delivered_in_time_fails),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(keys_and_partitioners_choose_as_java_does),
		cmocka_unit_test(a_topic_that_does_not_come_is_named),
		cmocka_unit_test(acks_0_is_done_when_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
