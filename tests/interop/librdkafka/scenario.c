/* The interop scenario (tests/interop/README.md) with librdkafka's C API.
 * Built by tests/interop/run; also run against a newer librdkafka through LD_LIBRARY_PATH. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

enum {
	PARTITIONS = 3,
	CODECS = 5,
	RECORDS_MAX = 5 * 1000 * 1000, /* of the whole run; bounds seen[] */
	VALUE_MAX = 512,
	WAIT_MS = 60 * 1000, /* longest wait for any one thing */
};

static const char *const codecs[CODECS] = {"none", "gzip", "snappy", "lz4", "zstd"};

static const char *bootstrap;
static int count; /* records per codec */
static int total;
static char topic[64];
static int64_t base_ms; /* timestamp of record 0 */
static bool seen[RECORDS_MAX];
static int seen_count;
static int bad_count;
static int acked_count;
static int acked_wrong;
static int failed;

static bool check(bool good, const char *name, const char *fmt, ...)
{
	va_list ap;

	printf("%s %s", good ? "ok" : "not ok", name);
	if (!good) {
		printf(": ");
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		failed++;
	}
	printf("\n");
	fflush(stdout);
	return good;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The value of record g: a readable head, then bytes of every kind. Returns its length. */
static size_t record_value(int g, char *out)
{
	int len = snprintf(out, VALUE_MAX, "%s:%d:", codecs[g / count], g);
	int fill = (int)((int64_t)g * 7919 % 257);

	for (int j = 0; j < fill; j++)
		out[len + j] = (char)((g + j) % 256);
	return (size_t)(len + fill);
}

static bool header_is(const rd_kafka_headers_t *headers, size_t index, const char *name,
		      const char *value)
{
	const char *got_name;
	const void *got;
	size_t len;

	if (rd_kafka_header_get_all(headers, index, &got_name, &got, &len))
		return false;
	return !strcmp(got_name, name) && len == strlen(value) && !memcmp(got, value, len);
}

/* Whether the record is, byte for byte, the one that belongs at its partition and offset. */
static bool record_is_right(const rd_kafka_message_t *m)
{
	int64_t g = m->offset * PARTITIONS + m->partition;
	char value[VALUE_MAX], text[32];
	rd_kafka_headers_t *headers;
	rd_kafka_timestamp_type_t type;

	if (g < 0 || g >= total)
		return false;
	snprintf(text, sizeof text, "key-%d", (int)g);
	if (g % 10 == 9 ? m->key != NULL
			: m->key_len != strlen(text) || memcmp(m->key, text, m->key_len))
		return false;
	if (m->len != record_value((int)g, value) || memcmp(m->payload, value, m->len))
		return false;
	if (rd_kafka_message_timestamp(m, &type) != base_ms + g)
		return false;
	snprintf(text, sizeof text, "%d", (int)g);
	return !rd_kafka_message_headers(m, &headers) && rd_kafka_header_cnt(headers) == 3 &&
	       header_is(headers, 0, "seq", text) &&
	       header_is(headers, 1, "codec", codecs[g / count]) &&
	       header_is(headers, 2, "empty", "");
}

static rd_kafka_conf_t *conf_new(const char *const *pairs)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];

	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
	for (; *pairs; pairs += 2) {
		if (rd_kafka_conf_set(conf, pairs[0], pairs[1], text, sizeof text)) {
			fprintf(stderr, "%s\n", text);
			exit(1);
		}
	}
	return conf;
}

static rd_kafka_t *handle_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char text[256];
	rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);

	if (!rk) {
		fprintf(stderr, "%s\n", text);
		exit(1);
	}
	return rk;
}

/* Creates or deletes the topic. Returns NULL, or what went wrong. */
static const char *topic_admin(rd_kafka_t *rk, bool create)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewTopic_t *add = rd_kafka_NewTopic_new(topic, PARTITIONS, 1, NULL, 0);
	rd_kafka_DeleteTopic_t *del = rd_kafka_DeleteTopic_new(topic);
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *event;
	rd_kafka_resp_err_t err;
	size_t n;

	if (create)
		rd_kafka_CreateTopics(rk, &add, 1, NULL, queue);
	else
		rd_kafka_DeleteTopics(rk, &del, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, WAIT_MS);
	err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (!err) {
		results = create ? rd_kafka_CreateTopics_result_topics(
					   rd_kafka_event_CreateTopics_result(event), &n)
				 : rd_kafka_DeleteTopics_result_topics(
					   rd_kafka_event_DeleteTopics_result(event), &n);
		err = rd_kafka_topic_result_error(results[0]);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(add);
	rd_kafka_DeleteTopic_destroy(del);
	rd_kafka_queue_destroy(queue);
	return err ? rd_kafka_err2str(err) : NULL;
}

static void delivery_done(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	intptr_t g = (intptr_t)m->_private;

	(void)rk;
	(void)opaque;
	acked_count++;
	if (m->err || m->offset != g / PARTITIONS || m->partition != g % PARTITIONS)
		acked_wrong++;
}

static void produce_one(rd_kafka_t *rk, int g)
{
	char value[VALUE_MAX], key[32], seq[32];
	size_t len = record_value(g, value);
	bool has_key = g % 10 != 9;
	rd_kafka_resp_err_t err;

	snprintf(key, sizeof key, "key-%d", g);
	snprintf(seq, sizeof seq, "%d", g);
	do {
		err = rd_kafka_producev(
			rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((g) % PARTITIONS),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, len),
			RD_KAFKA_V_KEY(has_key ? key : NULL, has_key ? strlen(key) : 0),
			RD_KAFKA_V_HEADER("seq", seq, -1),
			RD_KAFKA_V_HEADER("codec", codecs[g / count], -1),
			RD_KAFKA_V_HEADER("empty", "", 0), RD_KAFKA_V_TIMESTAMP(base_ms + (g)),
			RD_KAFKA_V_OPAQUE((void *)(intptr_t)g), RD_KAFKA_V_END);
		rd_kafka_poll(rk, err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 100 : 0);
	} while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
	if (err) {
		check(false, "produce", "%s", rd_kafka_err2str(err));
		exit(1);
	}
}

static void produce(int codec)
{
	const char *pairs[] = {"compression.type",   codecs[codec], "linger.ms", "5",
			       "enable.idempotence", "true",        NULL};
	rd_kafka_conf_t *conf = conf_new(pairs);
	rd_kafka_t *rk;
	char name[64];

	rd_kafka_conf_set_dr_msg_cb(conf, delivery_done);
	rk = handle_new(RD_KAFKA_PRODUCER, conf);
	acked_count = 0;
	acked_wrong = 0;
	for (int i = 0; i < count; i++)
		produce_one(rk, codec * count + i);
	rd_kafka_flush(rk, WAIT_MS);
	snprintf(name, sizeof name, "produce %s", codecs[codec]);
	check(acked_count == count && acked_wrong == 0, name,
	      "%d of %d acknowledged, %d with an error or a wrong offset", acked_count, count,
	      acked_wrong);
	rd_kafka_destroy(rk);
}

static void check_watermarks(rd_kafka_t *rk)
{
	int64_t low, high, sum = 0;

	for (int p = 0; p < PARTITIONS; p++) {
		if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, WAIT_MS))
			break;
		sum += high - low;
	}
	check(sum == total, "watermarks", "%" PRId64 " records, want %d", sum, total);
}

static rd_kafka_t *member_new(void)
{
	const char *pairs[] = {"group.id",
			       topic,
			       "auto.offset.reset",
			       "earliest",
			       "partition.assignment.strategy",
			       "range,roundrobin",
			       "session.timeout.ms",
			       "10000",
			       "heartbeat.interval.ms",
			       "300",
			       NULL};
	rd_kafka_t *rk = handle_new(RD_KAFKA_CONSUMER, conf_new(pairs));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_subscribe(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

/* Takes up to 500 records from the member; returns how many, and the highest offset of them. */
static int member_poll(rd_kafka_t *rk, int64_t *highest)
{
	int n = 0;

	for (; n < 500; n++) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, n ? 0 : 10);
		if (!m)
			break;
		if (!m->err) {
			int64_t g = m->offset * PARTITIONS + m->partition;
			if (!record_is_right(m))
				bad_count++;
			else if (!seen[g]) {
				seen[g] = true;
				seen_count++;
			}
			if (m->offset > *highest)
				*highest = m->offset;
		}
		rd_kafka_message_destroy(m);
	}
	return n;
}

static void member_close(rd_kafka_t *rk)
{
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

/* The first member reads a sixth and waits for the second to get its share; then it reads on
 * until a partition is at two thirds and leaves; the second one reads the rest. */
static void consume_in_group(void)
{
	int64_t deadline = now_ms() + 4 * WAIT_MS, first_highest = -1, second_highest = -1;
	rd_kafka_t *first = member_new(), *second = NULL;
	int first_count = 0, second_count = 0, last_count = 0;

	while (seen_count < total && now_ms() < deadline) {
		bool is_waiting = first_count >= total / 6 && second_count == 0;
		if (is_waiting && !second)
			second = member_new();
		if (first && !is_waiting)
			first_count += member_poll(first, &first_highest);
		if (second)
			second_count += member_poll(second, &second_highest);
		if (first && second_count && first_highest >= total / PARTITIONS * 2 / 3) {
			member_close(first);
			first = NULL;
			last_count = second_count;
		}
	}
	check(seen_count == total && !bad_count, "group read",
	      "%d of %d records seen, %d of them wrong", seen_count, total, bad_count);
	check(!first && second_count > last_count, "rebalance",
	      "first read %d, second %d (%d before the first left)", first_count, second_count,
	      last_count);
	if (first)
		member_close(first);
	if (second)
		member_close(second);
}

static rd_kafka_topic_partition_list_t *all_partitions(int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

	for (int p = 0; p < PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(list, topic, p)->offset = offset;
	return list;
}

static void check_committed(rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *list = all_partitions(RD_KAFKA_OFFSET_INVALID);
	int64_t sum = 0;

	rd_kafka_committed(rk, list, WAIT_MS);
	for (int p = 0; p < PARTITIONS; p++)
		sum += list->elems[p].offset;
	check(sum == total, "committed", "sum of offsets %" PRId64 ", want %d", sum, total);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Looks up the offsets of the middle record's time, commits them, and reads from there again. */
static void reread_by_time(rd_kafka_t *rk)
{
	int from = total / 2, want = total - from, got = 0;
	int64_t highest = -1, deadline = now_ms() + WAIT_MS;
	rd_kafka_topic_partition_list_t *list = all_partitions(base_ms + from);
	bool is_right = !rd_kafka_offsets_for_times(rk, list, WAIT_MS);

	for (int p = 0; p < PARTITIONS; p++)
		is_right &= list->elems[p].offset == (from - p + PARTITIONS - 1) / PARTITIONS;
	check(is_right, "offsets for times", "partition 0: %" PRId64, list->elems[0].offset);
	check(!rd_kafka_commit(rk, list, 0), "reset", "commit refused");
	for (int p = 0; p < PARTITIONS; p++)
		list->elems[p].offset = RD_KAFKA_OFFSET_STORED;
	rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	bad_count = 0;
	while (got < want && now_ms() < deadline)
		got += member_poll(rk, &highest);
	check(got == want && !bad_count, "re-read", "%d of %d records, %d wrong", got, want,
	      bad_count);
}

static bool topic_is_gone(rd_kafka_t *rk)
{
	const struct rd_kafka_metadata *md;
	bool is_there = true;

	for (int tries = 0; is_there && tries < 100; tries++) {
		if (tries)
			usleep(100 * 1000);
		if (rd_kafka_metadata(rk, 1, NULL, &md, WAIT_MS))
			continue;
		is_there = false;
		for (int i = 0; i < md->topic_cnt; i++)
			is_there |= !strcmp(md->topics[i].topic, topic);
		rd_kafka_metadata_destroy(md);
	}
	return !is_there;
}

int main(int argc, char **argv)
{
	const char *pairs[] = {
		"group.id", topic, "enable.auto.commit", "false", "auto.offset.reset",
		"error",    NULL};
	const char *none[] = {NULL};
	rd_kafka_t *rk;
	const char *text;

	count = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
	if (argc != 3 || count < 1 || count * CODECS > RECORDS_MAX) {
		fprintf(stderr, "usage: scenario BOOTSTRAP COUNT\n");
		return 1;
	}
	bootstrap = argv[1];
	total = count * CODECS;
	base_ms = now_ms() - total;
	snprintf(topic, sizeof topic, "interop-librdkafka-%d", (int)getpid());
	printf("# librdkafka %s\n", rd_kafka_version_str());
	rk = handle_new(RD_KAFKA_CONSUMER, conf_new(pairs));
	rd_kafka_poll_set_consumer(rk);
	text = topic_admin(rk, true);
	if (!check(!text, "create", "%s", text))
		return 1;
	for (int codec = 0; codec < CODECS; codec++)
		produce(codec);
	check_watermarks(rk);
	consume_in_group();
	check_committed(rk);
	reread_by_time(rk);
	/* Deleted through a handle that never read it: librdkafka 2.0.2 now and then hangs at its
	 * end when a topic goes whose partitions it knows. */
	member_close(rk);
	rk = handle_new(RD_KAFKA_PRODUCER, conf_new(none));
	text = topic_admin(rk, false);
	check(!text && topic_is_gone(rk), "delete", "%s", text ? text : "the topic is still there");
	rd_kafka_destroy(rk);
	return failed ? 1 : 0;
}
