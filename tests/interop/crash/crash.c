/* Kills a broker with SIGKILL again and again under load, and checks after each restart that every
 * acknowledged record is there once and in order. See run beside this.
 *
 *   crash CONTROL DIR BOOTSTRAP ROUNDS SEED
 *
 * CONTROL is tests/support/broker: `CONTROL kill DIR` and `CONTROL restart DIR` are called.
 *
 * Each of PRODUCERS idempotent producers (acks=all, each with a codec of its own) numbers its
 * records in each partition 0, 1, 2, ... What the partition then holds of one producer must be
 * that same sequence without a gap and without a repetition, at least as far as was acknowledged.
 * A reader follows all partitions over all rounds; two members of a group do the same with
 * committed offsets; at the end everything is read once more from the beginning. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

enum {
	PRODUCERS = 4,
	PARTITIONS = 6,
	MEMBERS = 2,
	ACKED_MIN = 100,     /* records that each producer gets through in a round */
	QUEUED_MAX = 2000,   /* records of one producer under way */
	LOAD_MS_MAX = 600,   /* a round's load before the kill: 0 to this */
	WAIT_MS = 60 * 1000, /* longest wait for anything to catch up */
	VALUE_MAX = 400,
	COMMAND_MAX = 1024,
};

/* What is known of one producer's records in one partition. */
struct sequence {
	int64_t sent;  /* next number to send */
	int64_t acked; /* next number to be acknowledged */
	int64_t read;  /* next number the reader shall see */
};

static const char topic[] = "crash";
static const char *const codecs[PRODUCERS] = {"none", "lz4", "zstd", "gzip"};
static const char *control, *dir, *bootstrap;
static rd_kafka_t *producers[PRODUCERS];
static rd_kafka_t *members[MEMBERS];
static struct sequence sequences[PRODUCERS][PARTITIONS];
static int64_t member_read[PARTITIONS]; /* offset after the last one the group saw */
static int64_t member_gaps;
static int64_t *restart_ms; /* of each round, the control script's own time included */
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

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *const *pairs, void *dr_opaque,
			      void (*dr)(rd_kafka_t *, const rd_kafka_message_t *, void *))
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256] = "";
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
	rd_kafka_conf_set(conf, "reconnect.backoff.ms", "20", NULL, 0);
	rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "100", NULL, 0);
	rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
	for (; *pairs; pairs += 2) {
		if (rd_kafka_conf_set(conf, pairs[0], pairs[1], text, sizeof text)) {
			fprintf(stderr, "%s\n", text);
			exit(1);
		}
	}
	if (dr)
		rd_kafka_conf_set_dr_msg_cb(conf, dr);
	rd_kafka_conf_set_opaque(conf, dr_opaque);
	rk = rd_kafka_new(type, conf, text, sizeof text);
	if (!rk) {
		fprintf(stderr, "%s\n", text);
		exit(1);
	}
	if (type == RD_KAFKA_CONSUMER)
		rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* _private carries the number of the record: acknowledgements must come in order. */
static void delivery_done(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct sequence *of = opaque;

	(void)rk;
	if (m->err) {
		check(false, "delivery", "%s", rd_kafka_err2str(m->err));
		return;
	}
	of += m->partition;
	if ((int64_t)(intptr_t)m->_private != of->acked)
		check(false, "order of acknowledgements", "%" PRIdPTR " after %" PRId64,
		      (intptr_t)m->_private, of->acked);
	of->acked++;
}

static void producers_open(void)
{
	for (int p = 0; p < PRODUCERS; p++) {
		const char *pairs[] = {"enable.idempotence",
				       "true",
				       "acks",
				       "all",
				       "compression.type",
				       codecs[p],
				       "linger.ms",
				       "2",
				       "message.timeout.ms",
				       "0",
				       "retry.backoff.ms",
				       "20",
				       "socket.timeout.ms",
				       "5000",
				       NULL};
		producers[p] = client_new(RD_KAFKA_PRODUCER, pairs, sequences[p], delivery_done);
	}
}

static void members_open(void)
{
	const char *pairs[] = {"group.id",
			       "crash",
			       "auto.offset.reset",
			       "earliest",
			       "auto.commit.interval.ms",
			       "100",
			       "session.timeout.ms",
			       "10000",
			       "heartbeat.interval.ms",
			       "500",
			       NULL};
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
	for (int i = 0; i < MEMBERS; i++) {
		members[i] = client_new(RD_KAFKA_CONSUMER, pairs, NULL, NULL);
		rd_kafka_subscribe(members[i], list);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static rd_kafka_t *reader_open(void)
{
	const char *pairs[] = {
		"group.id", "reader", "enable.auto.commit", "false", "auto.offset.reset",
		"earliest", NULL};
	rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, pairs, NULL, NULL);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

	for (int p = 0; p < PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(list, topic, p)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

static void topic_create(void)
{
	const char *pairs[] = {NULL};
	rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, pairs, NULL, NULL);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewTopic_t *add = rd_kafka_NewTopic_new(topic, PARTITIONS, 1, NULL, 0);
	rd_kafka_event_t *event;

	rd_kafka_CreateTopics(rk, &add, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, WAIT_MS);
	if (!event || rd_kafka_event_error(event)) {
		check(false, "create", "%s",
		      event ? rd_kafka_event_error_string(event) : "no answer");
		exit(1);
	}
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(add);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

/* Sends one record of producer p; false when it has enough under way. */
static bool produce_one(int p)
{
	int partition = (int)(random() % PARTITIONS);
	struct sequence *of = &sequences[p][partition];
	char value[VALUE_MAX];
	int len = snprintf(value, sizeof value, "%d %" PRId64 " ", p, of->sent);
	int fill = (int)(random() % (VALUE_MAX - 40));
	rd_kafka_resp_err_t err;

	if (rd_kafka_outq_len(producers[p]) >= QUEUED_MAX)
		return false;
	memset(value + len, 'a' + p, (size_t)fill);
	err = rd_kafka_producev(producers[p], RD_KAFKA_V_TOPIC(topic),
				RD_KAFKA_V_PARTITION(partition),
				RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				RD_KAFKA_V_VALUE(value, (size_t)(len + fill)),
				RD_KAFKA_V_OPAQUE((void *)(intptr_t)of->sent), RD_KAFKA_V_END);
	if (err) {
		check(false, "produce", "%s", rd_kafka_err2str(err));
		exit(1);
	}
	of->sent++;
	return true;
}

/* Takes what the reader has; each record must be the next of its producer's sequence. */
static int reader_poll(rd_kafka_t *reader, struct sequence seen[PRODUCERS][PARTITIONS])
{
	int n = 0;

	for (; n < 5000; n++) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(reader, n ? 0 : 5);
		int p = -1;
		int64_t number = -1;

		if (!m)
			break;
		if (!m->err) {
			char head[40] = "";
			memcpy(head, m->payload, m->len < 39 ? m->len : 39);
			if (sscanf(head, "%d %" SCNd64, &p, &number) != 2 || p < 0 ||
			    p >= PRODUCERS || number != seen[p][m->partition].read) {
				check(false, "sequence",
				      "partition %d offset %" PRId64 ": producer %d number %" PRId64
				      ", want %" PRId64,
				      (int)m->partition, m->offset, p, number,
				      p < 0 || p >= PRODUCERS ? -1 : seen[p][m->partition].read);
				exit(1);
			}
			seen[p][m->partition].read++;
		}
		rd_kafka_message_destroy(m);
	}
	return n;
}

/* The group may see a record twice after a crash, but must not skip one. */
static void members_poll(void)
{
	for (int i = 0; i < MEMBERS; i++) {
		for (int n = 0; n < 2000; n++) {
			rd_kafka_message_t *m = rd_kafka_consumer_poll(members[i], 0);
			if (!m)
				break;
			if (!m->err) {
				if (m->offset > member_read[m->partition])
					member_gaps++;
				if (m->offset >= member_read[m->partition])
					member_read[m->partition] = m->offset + 1;
			}
			rd_kafka_message_destroy(m);
		}
	}
}

static void load(rd_kafka_t *reader, int64_t until_ms)
{
	do {
		for (int p = 0; p < PRODUCERS; p++) {
			for (int i = 0; i < 100 && produce_one(p); i++)
				;
			rd_kafka_poll(producers[p], 0);
		}
		reader_poll(reader, sequences);
		members_poll();
	} while (now_ms() < until_ms);
}

/* How many records lie between what was acknowledged (or sent) and what the reader saw. */
static int64_t reader_lag(bool of_sent)
{
	int64_t lag = 0;

	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = 0; i < PARTITIONS; i++) {
			struct sequence *s = &sequences[p][i];
			int64_t want = of_sent ? s->sent : s->acked;
			lag += want > s->read ? want - s->read : 0;
		}
	}
	return lag;
}

/* Until the reader has seen all that was acknowledged before the crash. */
static bool catch_up(rd_kafka_t *reader, bool of_sent)
{
	int64_t deadline = now_ms() + WAIT_MS;

	while (reader_lag(of_sent) > 0 && now_ms() < deadline) {
		for (int p = 0; p < PRODUCERS; p++)
			rd_kafka_poll(producers[p], 0);
		reader_poll(reader, sequences);
		members_poll();
	}
	return reader_lag(of_sent) == 0;
}

static bool control_run(const char *what)
{
	char command[COMMAND_MAX];

	snprintf(command, sizeof command, "'%s' %s '%s' >/dev/null", control, what, dir);
	return system(command) == 0;
}

static int64_t acked_of(int p)
{
	int64_t total = 0;

	for (int i = 0; i < PARTITIONS; i++)
		total += sequences[p][i].acked;
	return total;
}

/* Until every producer has got some records through, then a while more. */
static bool load_well(rd_kafka_t *reader)
{
	int64_t before[PRODUCERS], deadline = now_ms() + WAIT_MS;
	bool is_flowing = false;

	for (int p = 0; p < PRODUCERS; p++)
		before[p] = acked_of(p);
	while (!is_flowing && now_ms() < deadline) {
		load(reader, 0);
		is_flowing = true;
		for (int p = 0; p < PRODUCERS; p++)
			is_flowing &= acked_of(p) >= before[p] + ACKED_MIN;
	}
	load(reader, now_ms() + random() % (LOAD_MS_MAX + 1));
	return is_flowing;
}

static bool round_run(rd_kafka_t *reader, int64_t *took_ms)
{
	int64_t start_ms;

	if (!load_well(reader))
		return check(false, "load", "a producer does not get on");
	if (!control_run("kill"))
		return check(false, "kill", "the broker did not end");
	start_ms = now_ms();
	if (!control_run("restart"))
		return check(false, "restart", "the broker did not come back by itself");
	*took_ms = now_ms() - start_ms;
	return catch_up(reader, false) ||
	       check(false, "acknowledged", "%" PRId64 " acknowledged records are missing",
		     reader_lag(false));
}

static int64_t total_of(size_t field)
{
	int64_t total = 0;

	for (int p = 0; p < PRODUCERS; p++)
		for (int i = 0; i < PARTITIONS; i++)
			total += *(int64_t *)((char *)&sequences[p][i] + field);
	return total;
}

/* Everything once more, with a new reader and new eyes. */
static void reread_all(void)
{
	static struct sequence seen[PRODUCERS][PARTITIONS];
	int64_t got = 0, want = total_of(offsetof(struct sequence, sent));
	int64_t deadline = now_ms() + WAIT_MS;
	rd_kafka_t *reader = reader_open();

	while (got < want && now_ms() < deadline)
		got += reader_poll(reader, seen);
	check(got == want, "re-read", "%" PRId64 " records, want %" PRId64, got, want);
	rd_kafka_consumer_close(reader);
	rd_kafka_destroy(reader);
}

static bool members_are_done(void)
{
	int64_t sum = 0;

	for (int i = 0; i < PARTITIONS; i++)
		sum += member_read[i];
	return sum == total_of(offsetof(struct sequence, sent));
}

static void finish(rd_kafka_t *reader)
{
	int64_t deadline = now_ms() + WAIT_MS;
	int64_t sent;

	check(catch_up(reader, true), "all records arrived", "%" PRId64 " did not",
	      reader_lag(true));
	for (int p = 0; p < PRODUCERS; p++)
		rd_kafka_flush(producers[p], WAIT_MS);
	sent = total_of(offsetof(struct sequence, sent));
	check(total_of(offsetof(struct sequence, acked)) == sent, "all records acknowledged",
	      "%" PRId64 " of %" PRId64, total_of(offsetof(struct sequence, acked)), sent);
	while (!members_are_done() && now_ms() < deadline)
		members_poll();
	check(members_are_done() && !member_gaps, "the group read all", "%" PRId64 " gaps",
	      member_gaps);
	reread_all();
	printf("# %" PRId64 " records\n", sent);
	for (int i = 0; i < MEMBERS; i++) {
		rd_kafka_consumer_close(members[i]);
		rd_kafka_destroy(members[i]);
	}
	rd_kafka_consumer_close(reader);
	rd_kafka_destroy(reader);
	for (int p = 0; p < PRODUCERS; p++)
		rd_kafka_destroy(producers[p]);
}

static int compare_ms(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void restarts_print(long count)
{
	if (count == 0)
		return;
	qsort(restart_ms, (size_t)count, sizeof *restart_ms, compare_ms);
	printf("# ready again after a kill: median %" PRId64 " ms, worst %" PRId64 " ms\n",
	       restart_ms[count / 2], restart_ms[count - 1]);
}

int main(int argc, char **argv)
{
	long rounds, done = 0;
	rd_kafka_t *reader;

	if (argc != 6) {
		fprintf(stderr, "usage: crash CONTROL DIR BOOTSTRAP ROUNDS SEED\n");
		return 1;
	}
	control = argv[1];
	dir = argv[2];
	bootstrap = argv[3];
	rounds = strtol(argv[4], NULL, 10);
	srandom((unsigned)strtoul(argv[5], NULL, 10));
	topic_create();
	producers_open();
	members_open();
	reader = reader_open();
	restart_ms = calloc((size_t)rounds + 1, sizeof *restart_ms);
	if (!restart_ms)
		return 1;
	while (done < rounds && round_run(reader, &restart_ms[done])) {
		done++;
		if (done % 10 == 0 || done == rounds)
			printf("# %ld rounds, %" PRId64 " records\n", done,
			       total_of(offsetof(struct sequence, acked)));
		fflush(stdout);
	}
	check(done == rounds, "rounds", "%ld of %ld", done, rounds);
	load(reader, now_ms() + LOAD_MS_MAX);
	finish(reader);
	restarts_print(done);
	free(restart_ms);
	return failed ? 1 : 0;
}
