/* A client of the chaos test on libkavka; what it does and writes: history.h. */
#include "chaos/history.h"

#include "base/arena.h"
#include "base/say.h"
#include "client/admin.h"
#include "client/consumer.h"
#include "client/producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct options options;
static struct client_config *config;
static struct client *client;

/* ---- The client ------------------------------------------------------------------------------ */

static void set(const char *key, const char *value)
{
	struct err err = {0};

	if (client_config_set(config, key, value, &err) < 0) {
		fprintf(stderr, "%s\n", err_message(&err));
		exit(2);
	}
}

static void client_open(enum client_role role)
{
	struct client_options with = {.unreachable_ms = -1, .name = options.role};
	struct err err = {0};

	config = client_config_new(role);
	set("bootstrap.servers", options.bootstrap);
	set("request.timeout.ms", REQUEST_TIMEOUT_MS);
	set("metadata.max.age.ms", METADATA_AGE_MS);
	set("retry.backoff.ms", BACKOFF_MS);
	set("retry.backoff.max.ms", BACKOFF_MAX_MS);
	set("reconnect.backoff.ms", BACKOFF_MS);
	set("reconnect.backoff.max.ms", BACKOFF_MAX_MS);
	set("socket.connection.setup.timeout.ms", "2000");
	if (role == CLIENT_PRODUCER) {
		set("acks", options.acks);
		set("enable.idempotence", strcmp(options.acks, "all") ? "false" : "true");
		set("delivery.timeout.ms", DELIVERY_TIMEOUT_MS);
		set("linger.ms", "2");
		set("compression.type", codec_of(options.number));
	} else if (role == CLIENT_CONSUMER) {
		set("enable.auto.commit", "false");
		set("auto.offset.reset", "earliest");
		set("fetch.max.wait.ms", "100");
	}
	if (!strcmp(options.role, "member")) {
		set("group.id", GROUP);
		set("group.protocol", options.group_protocol);
		if (!strcmp(options.group_protocol, "classic")) {
			set("session.timeout.ms", SESSION_TIMEOUT_MS);
			set("heartbeat.interval.ms", HEARTBEAT_MS);
		}
	}
	if (client_new(&client, config, &with, &err) < 0) {
		fprintf(stderr, "%s\n", err_message(&err));
		exit(2);
	}
}

static void client_close(void)
{
	client_free(client);
	client_config_free(config);
}

static void pause_ms(int64_t ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- Producer -------------------------------------------------------------------------------- */

static int64_t sent_count[PARTITIONS_MAX];
static int64_t pending_count[PARTITIONS_MAX];

static void batch_delivered(void *ctx, const struct producer_report *report)
{
	(void)ctx;
	for (uint32_t i = 0; i < report->record_count; i++) {
		int64_t offset = report->base_offset < 0 ? -1 : report->base_offset + i;

		pending_count[report->partition]--;
		if (report->rc == 0)
			history_add("a", report->partition, " %d.%" PRIu64 " %" PRId64,
				    options.number, report->tags[i], offset);
		else
			history_add("i", report->partition, " %d.%" PRIu64 " %s", options.number,
				    report->tags[i], err_message(report->err));
	}
}

/* One record to each partition that has room. */
static void produce_round(struct producer *p)
{
	char value[VALUE_MAX];
	struct err err = {0};

	for (int i = 0; i < options.partition_count; i++) {
		struct producer_record record = {
			.topic = str_of(options.topic),
			.partition = i,
			.timestamp = -1,
			.value = {.data = (const uint8_t *)value},
			.tag = (uint64_t)sent_count[i],
		};
		int rc;

		if (pending_count[i] >= PENDING_MAX)
			continue;
		record.value.len = value_make(value, options.number, sent_count[i]);
		history_add("s", i, " %d.%" PRId64, options.number, sent_count[i]);
		rc = producer_send(p, &record, &err);
		if (rc == 0) {
			pending_count[i]++;
		} else {
			/* Not taken, and that is certain; its number is not used again. */
			history_add("f", i, " %d.%" PRId64 " %s", options.number, sent_count[i],
				    rc == E_AGAIN ? "not taken" : err_message(&err));
			if (rc != E_AGAIN)
				history_complain("send: %s", err_message(&err));
		}
		sent_count[i]++;
	}
}

static int produce(void)
{
	struct producer_options with = {.delivered = batch_delivered, .want_tags = true};
	struct producer *p;
	struct pace pace;
	struct err err = {0};

	client_open(CLIENT_PRODUCER);
	if (producer_new(&p, client, &with, &err) < 0) {
		fprintf(stderr, "%s\n", err_message(&err));
		return 2;
	}
	client_want_topic(client, str_of(options.topic), false);
	if (client_refresh_wait(client, &err) < 0)
		history_complain("metadata: %s", err_message(&err));
	pace_start(&pace, options.rate);
	while (!is_told_to_end()) {
		if (pace_is_due(&pace))
			produce_round(p);
		producer_poll(p, MIN(TURN_MS, 1000 / options.rate));
	}
	if (producer_flush(p, FLUSH_MS, &err) < 0)
		history_complain("flush: %s", err_message(&err));
	producer_free(p);
	client_unwant_topic(client, str_of(options.topic));
	client_close();
	return 0;
}

/* ---- Consumers ------------------------------------------------------------------------------- */

static int64_t next_offset[PARTITIONS_MAX]; /* behind the last record; -1: nothing to commit */
static int64_t committed[PARTITIONS_MAX];

static void partitions_assigned(void *ctx, const struct position *partitions, size_t count)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++) {
		next_offset[partitions[i].partition] = -1;
		committed[partitions[i].partition] = -1;
		history_add("+", partitions[i].partition, "%s", "");
	}
	history_flush();
}

static void partitions_revoked(void *ctx, const struct position *partitions, size_t count)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++) {
		next_offset[partitions[i].partition] = -1;
		history_add("-", partitions[i].partition, "%s", "");
	}
	history_flush();
}

/* Commits what was read since the last time. */
static void member_commit(struct consumer *k)
{
	struct position positions[PARTITIONS_MAX];
	struct err err = {0};
	size_t count = 0;
	int rc;

	for (int i = 0; i < options.partition_count; i++) {
		if (next_offset[i] < 0 || next_offset[i] == committed[i])
			continue;
		positions[count++] = (struct position){.topic = str_of(options.topic),
						       .partition = i,
						       .offset = next_offset[i],
						       .leader_epoch = -1};
		history_add("c", i, " %" PRId64, next_offset[i]);
	}
	if (count == 0)
		return;
	history_flush();
	rc = consumer_commit_positions(k, positions, count, &err);
	for (size_t i = 0; i < count; i++) {
		if (rc < 0) {
			history_add("x", positions[i].partition, " %" PRId64 " %s",
				    positions[i].offset, err_message(&err));
			continue;
		}
		history_add("k", positions[i].partition, " %" PRId64, positions[i].offset);
		committed[positions[i].partition] = positions[i].offset;
	}
	history_flush();
}

/* One poll; what it gave is written down. */
static void consume_turn(struct consumer *k)
{
	struct consumer_batch batch;
	struct err err = {0};
	int rc = consumer_poll(k, TURN_MS, &batch, &err);

	if (rc < 0) {
		history_complain("poll: %s", err_message(&err));
		pause_ms(TURN_MS);
	}
	if (rc <= 0)
		return;
	for (size_t i = 0; i < batch.count; i++) {
		const struct record *r = &batch.records[i];

		history_read(batch.partition, r->offset, r->value.data, r->value.len);
		next_offset[batch.partition] = r->offset + 1;
	}
}

static struct consumer *consumer_open(void)
{
	struct consumer_options with = {.assigned = partitions_assigned,
					.revoked = partitions_revoked,
					.lost = partitions_revoked};
	struct consumer *k;
	struct err err = {0};

	client_open(CLIENT_CONSUMER);
	if (consumer_new(&k, client, &with, &err) < 0) {
		fprintf(stderr, "%s\n", err_message(&err));
		exit(2);
	}
	return k;
}

static int member(void)
{
	struct consumer *k = consumer_open();
	struct str topic = str_of(options.topic);
	int64_t commit_ms = now_ms();
	struct err err = {0};

	if (consumer_subscribe(k, &topic, 1, &err) < 0)
		history_complain("subscribe: %s", err_message(&err));
	while (!is_told_to_end()) {
		consume_turn(k);
		if (now_ms() - commit_ms >= COMMIT_INTERVAL_MS) {
			member_commit(k);
			commit_ms = now_ms();
		}
	}
	member_commit(k);
	if (consumer_close(k, &err) < 0)
		history_complain("close: %s", err_message(&err));
	consumer_free(k);
	client_close();
	return 0;
}

static void assign_all(struct consumer *k)
{
	struct position positions[PARTITIONS_MAX];
	struct err err = {0};

	for (int i = 0; i < options.partition_count; i++) {
		positions[i] = (struct position){.topic = str_of(options.topic),
						 .partition = i,
						 .offset = OFFSET_BEGINNING,
						 .leader_epoch = -1};
		history_add("+", i, "%s", "");
	}
	if (consumer_assign(k, positions, (size_t)options.partition_count, &err) < 0) {
		fprintf(stderr, "%s\n", err_message(&err));
		exit(2);
	}
}

/* The ends of all partitions; waits until all are known, at most until `deadline_ms`. */
static bool ends_find(int64_t *ends, int64_t deadline_ms)
{
	struct position positions[PARTITIONS_MAX];
	struct err err = {0};
	int rc, missing;

	do {
		for (int i = 0; i < options.partition_count; i++)
			positions[i] = (struct position){.topic = str_of(options.topic),
							 .partition = i,
							 .offset = OFFSET_END,
							 .leader_epoch = -1};
		rc = admin_offsets(client, positions, (size_t)options.partition_count, false, NULL,
				   &err);
		missing = 0;
		for (int i = 0; i < options.partition_count; i++)
			missing += positions[i].error != 0 || positions[i].offset < 0;
		if (rc == 0 && missing == 0)
			break;
		history_complain("ends: %s", rc < 0 ? err_message(&err) : "some are not known");
		pause_ms(TURN_MS);
	} while (now_ms() < deadline_ms && !is_told_to_end());
	for (int i = 0; rc == 0 && missing == 0 && i < options.partition_count; i++) {
		ends[i] = positions[i].offset;
		history_add("h", i, " %" PRId64, ends[i]);
	}
	return rc == 0 && missing == 0;
}

/* Reads all partitions from their beginning: until told to end, or (final) to their ends. */
static int read_all(bool is_final)
{
	struct consumer *k = consumer_open();
	int64_t ends[PARTITIONS_MAX], deadline_ms = now_ms() + FINAL_MS;
	bool is_done = false;
	struct err err = {0};

	if (is_final && !ends_find(ends, deadline_ms))
		return 1;
	assign_all(k);
	while (!is_told_to_end() && !is_done) {
		consume_turn(k);
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
	if (consumer_close(k, &err) < 0)
		history_complain("close: %s", err_message(&err));
	consumer_free(k);
	client_close();
	return 0;
}

/* ---- Observer -------------------------------------------------------------------------------- */

static bool observe(void)
{
	struct position wanted[PARTITIONS_MAX], *found;
	struct err err = {0};
	struct arena arena;
	size_t count = 0;
	int rc;

	for (int i = 0; i < options.partition_count; i++)
		wanted[i] = (struct position){.topic = str_of(options.topic), .partition = i};
	arena_init(&arena);
	history_add("q", 0, "%s", "");
	rc = admin_group_offsets(client, STR_LIT(GROUP), wanted, (size_t)options.partition_count,
				 &arena, &found, &count, &err);
	if (rc < 0)
		history_complain("offsets: %s", err_message(&err));
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (found[i].offset >= 0)
			history_add("o", found[i].partition, " %" PRId64, found[i].offset);
	history_flush();
	arena_fini(&arena);
	return rc == 0;
}

static int observer(void)
{
	int64_t deadline_ms;

	client_open(CLIENT_ADMIN);
	while (!is_told_to_end()) {
		observe();
		pause_ms(OBSERVE_INTERVAL_MS);
	}
	deadline_ms = now_ms() + FLUSH_MS;
	while (!observe() && now_ms() < deadline_ms)
		pause_ms(TURN_MS);
	client_close();
	return 0;
}

int main(int argc, char **argv)
{
	struct say_options say = {.level = SAY_WARN};
	int rc = 2;

	say_setup(&say);
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
