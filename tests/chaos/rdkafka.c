/* A client of the chaos test on librdkafka; what it does and writes: history.h. */
#include "chaos/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

static struct options options;
static rd_kafka_t *client;

/* ---- The client ------------------------------------------------------------------------------ */

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char text[256];

	if (rd_kafka_conf_set(conf, key, value, text, sizeof text)) {
		fprintf(stderr, "%s\n", text);
		exit(2);
	}
}

/* A setting that older versions do not have, whose default will do. */
static void set_if_known(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	rd_kafka_conf_set(conf, key, value, NULL, 0);
}

static void error_told(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	(void)opaque;
	history_complain("%s: %s", rd_kafka_err2name(code), reason);
	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		char text[256];

		code = rd_kafka_fatal_error(rk, text, sizeof text);
		history_complain("fatal: %s: %s", rd_kafka_err2name(code), text);
	}
}

static rd_kafka_conf_t *conf_new(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set(conf, "bootstrap.servers", options.bootstrap);
	set(conf, "client.id", options.role);
	set(conf, "socket.timeout.ms", REQUEST_TIMEOUT_MS);
	set(conf, "socket.connection.setup.timeout.ms", "2000");
	set(conf, "topic.metadata.refresh.interval.ms", METADATA_AGE_MS);
	set(conf, "reconnect.backoff.ms", BACKOFF_MS);
	set(conf, "reconnect.backoff.max.ms", BACKOFF_MAX_MS);
	set(conf, "log_level", "3");
	rd_kafka_conf_set_error_cb(conf, error_told);
	return conf;
}

/* Takes `conf`. */
static void client_open(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char text[256];

	client = rd_kafka_new(type, conf, text, sizeof text);
	if (!client) {
		fprintf(stderr, "%s\n", text);
		exit(2);
	}
	if (type == RD_KAFKA_CONSUMER)
		rd_kafka_poll_set_consumer(client);
}

static rd_kafka_topic_partition_list_t *all_partitions(int64_t offset)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new(options.partition_count);

	for (int i = 0; i < options.partition_count; i++)
		rd_kafka_topic_partition_list_add(list, options.topic, i)->offset = offset;
	return list;
}

/* ---- Producer -------------------------------------------------------------------------------- */

static int64_t sent_count[PARTITIONS_MAX];
static int64_t pending_count[PARTITIONS_MAX];

static void record_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	int64_t sequence = (int64_t)(intptr_t)m->_private;

	(void)rk;
	(void)opaque;
	pending_count[m->partition]--;
	if (!m->err)
		history_add("a", m->partition, " %d.%" PRId64 " %" PRId64, options.number, sequence,
			    m->offset < 0 ? -1 : m->offset);
	else
		history_add(rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ? "f"
											    : "i",
			    m->partition, " %d.%" PRId64 " %s", options.number, sequence,
			    rd_kafka_err2name(m->err));
}

/* One record to each partition that has room. */
static void produce_round(void)
{
	char value[VALUE_MAX];

	for (int i = 0; i < options.partition_count; i++) {
		rd_kafka_resp_err_t err;
		size_t len;

		if (pending_count[i] >= PENDING_MAX)
			continue;
		len = value_make(value, options.number, sent_count[i]);
		history_add("s", i, " %d.%" PRId64, options.number, sent_count[i]);
		err = rd_kafka_producev(
			client, RD_KAFKA_V_TOPIC(options.topic), RD_KAFKA_V_PARTITION(i),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, len),
			RD_KAFKA_V_OPAQUE((void *)(intptr_t)sent_count[i]), RD_KAFKA_V_END);
		if (err) /* not taken, and that is certain; its number is not used again */
			history_add("f", i, " %d.%" PRId64 " %s", options.number, sent_count[i],
				    rd_kafka_err2name(err));
		else
			pending_count[i]++;
		sent_count[i]++;
	}
}

static int produce(void)
{
	rd_kafka_conf_t *conf = conf_new();
	struct pace pace;

	set(conf, "enable.idempotence", strcmp(options.acks, "all") ? "false" : "true");
	set(conf, "acks", options.acks);
	set(conf, "message.timeout.ms", DELIVERY_TIMEOUT_MS);
	set(conf, "request.timeout.ms", REQUEST_TIMEOUT_MS);
	set(conf, "retry.backoff.ms", BACKOFF_MS);
	set_if_known(conf, "retry.backoff.max.ms", BACKOFF_MAX_MS);
	set(conf, "linger.ms", "2");
	set(conf, "compression.type", codec_of(options.number));
	rd_kafka_conf_set_dr_msg_cb(conf, record_delivered);
	client_open(RD_KAFKA_PRODUCER, conf);
	pace_start(&pace, options.rate);
	while (!is_told_to_end() && !rd_kafka_fatal_error(client, NULL, 0)) {
		if (pace_is_due(&pace))
			produce_round();
		rd_kafka_poll(client,
			      1000 / options.rate < TURN_MS ? 1000 / options.rate : TURN_MS);
	}
	if (rd_kafka_fatal_error(client, NULL, 0))
		return 3;
	if (rd_kafka_flush(client, FLUSH_MS))
		history_complain("flush: %d records are left", rd_kafka_outq_len(client));
	rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_poll(client, 0);
	rd_kafka_destroy(client);
	return 0;
}

/* ---- Consumers ------------------------------------------------------------------------------- */

static int64_t next_offset[PARTITIONS_MAX]; /* behind the last record; -1: nothing to commit */
static int64_t committed[PARTITIONS_MAX];

/* Commits what was read since the last time. */
static void member_commit(void)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new(options.partition_count);
	rd_kafka_resp_err_t err;

	for (int i = 0; i < options.partition_count; i++) {
		if (next_offset[i] < 0 || next_offset[i] == committed[i])
			continue;
		rd_kafka_topic_partition_list_add(list, options.topic, i)->offset = next_offset[i];
		history_add("c", i, " %" PRId64, next_offset[i]);
	}
	history_flush();
	err = list->cnt > 0 ? rd_kafka_commit(client, list, 0) : RD_KAFKA_RESP_ERR_NO_ERROR;
	for (int i = 0; i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *at = &list->elems[i];

		if (err || at->err) {
			history_add("x", at->partition, " %" PRId64 " %s", at->offset,
				    rd_kafka_err2name(err ? err : at->err));
			continue;
		}
		history_add("k", at->partition, " %" PRId64, at->offset);
		committed[at->partition] = at->offset;
	}
	history_flush();
	rd_kafka_topic_partition_list_destroy(list);
}

static void rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err,
		       rd_kafka_topic_partition_list_t *list, void *opaque)
{
	bool is_assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	(void)opaque;
	if (!is_assign && !rd_kafka_assignment_lost(rk))
		member_commit();
	for (int i = 0; i < list->cnt; i++) {
		next_offset[list->elems[i].partition] = -1;
		committed[list->elems[i].partition] = -1;
		history_add(is_assign ? "+" : "-", list->elems[i].partition, "%s", "");
	}
	history_flush();
	if (!strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE"))
		rd_kafka_error_destroy(is_assign ? rd_kafka_incremental_assign(rk, list)
						 : rd_kafka_incremental_unassign(rk, list));
	else
		rd_kafka_assign(rk, is_assign ? list : NULL);
}

/* What one poll gave is written down, and what is there besides. */
static void consume_turn(void)
{
	rd_kafka_message_t *m = rd_kafka_consumer_poll(client, TURN_MS);

	for (int n = 0; m; n++) {
		if (m->err) {
			history_complain("poll: %s", rd_kafka_message_errstr(m));
		} else {
			history_read(m->partition, m->offset, m->payload, m->len);
			next_offset[m->partition] = m->offset + 1;
		}
		rd_kafka_message_destroy(m);
		m = n < 500 ? rd_kafka_consumer_poll(client, 0) : NULL;
	}
}

static rd_kafka_conf_t *consumer_conf(const char *group)
{
	rd_kafka_conf_t *conf = conf_new();

	set(conf, "group.id", group);
	set(conf, "enable.auto.commit", "false");
	set(conf, "auto.offset.reset", "earliest");
	set(conf, "fetch.wait.max.ms", "100");
	set(conf, "fetch.error.backoff.ms", BACKOFF_MS);
	return conf;
}

static int member(void)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_conf_t *conf = consumer_conf(GROUP);
	int64_t commit_ms = now_ms();

	if (strcmp(options.group_protocol, "classic") != 0) {
		set(conf, "group.protocol", options.group_protocol);
	} else {
		set(conf, "session.timeout.ms", SESSION_TIMEOUT_MS);
		set(conf, "heartbeat.interval.ms", HEARTBEAT_MS);
		set(conf, "partition.assignment.strategy", "cooperative-sticky");
	}
	rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
	client_open(RD_KAFKA_CONSUMER, conf);
	rd_kafka_topic_partition_list_add(topics, options.topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_subscribe(client, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	while (!is_told_to_end()) {
		consume_turn();
		if (now_ms() - commit_ms >= COMMIT_INTERVAL_MS) {
			member_commit();
			commit_ms = now_ms();
		}
	}
	rd_kafka_consumer_close(client);
	rd_kafka_destroy(client);
	return 0;
}

/* The ends of all partitions; waits until all are known, at most until `deadline_ms`. */
static bool ends_find(int64_t *ends, int64_t deadline_ms)
{
	for (int i = 0; i < options.partition_count; i++) {
		rd_kafka_resp_err_t err;
		int64_t low;

		do {
			err = rd_kafka_query_watermark_offsets(client, options.topic, i, &low,
							       &ends[i], 2000);
			if (err)
				history_complain("ends: %s", rd_kafka_err2name(err));
		} while (err && now_ms() < deadline_ms && !is_told_to_end());
		if (err)
			return false;
		history_add("h", i, " %" PRId64, ends[i]);
	}
	return true;
}

/* Reads all partitions from their beginning: until told to end, or (final) to their ends. */
static int read_all(bool is_final)
{
	int64_t ends[PARTITIONS_MAX], deadline_ms = now_ms() + FINAL_MS;
	rd_kafka_topic_partition_list_t *list;
	bool is_done = false;

	client_open(RD_KAFKA_CONSUMER, consumer_conf("chaos-reader"));
	if (is_final && !ends_find(ends, deadline_ms))
		return 1;
	list = all_partitions(RD_KAFKA_OFFSET_BEGINNING);
	rd_kafka_assign(client, list);
	rd_kafka_topic_partition_list_destroy(list);
	for (int i = 0; i < options.partition_count; i++)
		history_add("+", i, "%s", "");
	while (!is_told_to_end() && !is_done) {
		consume_turn();
		if (!is_final) {
			history_flush();
			continue;
		}
		is_done = true;
		for (int i = 0; i < options.partition_count; i++)
			is_done &= next_offset[i] >= ends[i];
		if (!is_done && now_ms() > deadline_ms)
			return 1;
	}
	rd_kafka_consumer_close(client);
	rd_kafka_destroy(client);
	return 0;
}

/* ---- Observer -------------------------------------------------------------------------------- */

static bool observe(void)
{
	rd_kafka_topic_partition_list_t *list = all_partitions(RD_KAFKA_OFFSET_INVALID);
	rd_kafka_resp_err_t err;

	history_add("q", 0, "%s", "");
	err = rd_kafka_committed(client, list, 5000);
	if (err)
		history_complain("offsets: %s", rd_kafka_err2name(err));
	for (int i = 0; !err && i < list->cnt; i++)
		if (!list->elems[i].err && list->elems[i].offset >= 0)
			history_add("o", list->elems[i].partition, " %" PRId64,
				    list->elems[i].offset);
	history_flush();
	rd_kafka_topic_partition_list_destroy(list);
	return !err;
}

static int observer(void)
{
	int64_t deadline_ms;
	rd_kafka_message_t *m;

	client_open(RD_KAFKA_CONSUMER, consumer_conf(GROUP));
	while (!is_told_to_end()) {
		observe();
		m = rd_kafka_consumer_poll(client, OBSERVE_INTERVAL_MS);
		if (m)
			rd_kafka_message_destroy(m);
	}
	deadline_ms = now_ms() + FLUSH_MS;
	while (!observe() && now_ms() < deadline_ms)
		;
	rd_kafka_destroy(client);
	return 0;
}

int main(int argc, char **argv)
{
	int rc = 2;

	history_open(&options, argc, argv);
	if (!strcmp(options.role, "producer"))
		rc = produce();
	else if (!strcmp(options.role, "member"))
		rc = member();
	else if (!strcmp(options.role, "reader"))
		rc = read_all(false);
	else if (!strcmp(options.role, "final"))
		rc = read_all(true);
	else if (!strcmp(options.role, "observer"))
		rc = observer();
	if (rc == 0)
		history_close();
	return rc;
}
