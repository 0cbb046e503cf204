/* `kavka verify produce` (kafka-verifiable-producer): increasing numbers, and what became of each.
 */
#include "cmd/connect.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/perf/perf_int.h"
#include "cmd/print.h"
#include "cmd/signals.h"
#include "cmd/verify/verify_int.h"

#include "base/clock.h"
#include "client/producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_TEXT_MAX 48
/* The loop gets a turn after so many records at the latest. */
#define TURN_RECORDS 64

static int produce_run(struct run *run, void *data);

struct produce_args {
	struct cluster_args cluster;
	const char *topic, *acks, *old_config;
	int64_t max_messages, throughput, create_time, value_prefix, repeating_keys;
};

#define AT(field) offsetof(struct produce_args, field)

static const struct opt produce_opts[] = {
	OPTS_CLUSTER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .flags = OPT_REQUIRED,
	 .complete = COMPLETE_TOPIC, .help = "Produce records to this topic."},
	{"max-messages", OPT_INT, AT(max_messages), .arg = "count", .value = "-1", .min = INT32_MIN,
	 .max = INT32_MAX,
	 .help = "Produce so many records; -1: until the process is told to stop."},
	{"throughput", OPT_INT, AT(throughput), .arg = "records", .value = "-1", .min = INT32_MIN,
	 .max = INT32_MAX, .help = "At most about so many records a second; -1: no limit."},
	{"acks", OPT_STRING, AT(acks), .arg = "acks", .value = "-1", .complete = COMPLETE_WORDS,
	 .words = "-1 0 1",
	 .help = "Which replicas must have a record before it counts as sent: "
		 "-1 is all in-sync ones."},
	{"message-create-time", OPT_INT, AT(create_time), .arg = "ms", .value = "-1",
	 .min = INT64_MIN, .max = INT64_MAX,
	 .help = "Timestamps that begin here, in milliseconds since 1970."},
	{"value-prefix", OPT_INT, AT(value_prefix), .arg = "number", .min = INT32_MIN,
	 .max = INT32_MAX, .help = "Put this number and a dot in front of each value."},
	{"repeating-keys", OPT_INT, AT(repeating_keys), .arg = "count", .min = INT32_MIN,
	 .max = INT32_MAX, .help = "Keys from 0 up to this number, then from 0 again."},
	{"producer.config", OPT_STRING, AT(old_config), .arg = "config file", .flags = OPT_OLD,
	 .complete = COMPLETE_FILE, .help = "An old name of --command-config."},
	OPT_END,
};

const struct command cmd_verify_produce = {
	.name = "produce",
	.alias = "kafka-verifiable-producer",
	.dialect = ARGPARSE,
	.summary = "produce increasing numbers and tell which were acknowledged",
	.intro = "This tool produces increasing integers to the specified topic and prints JSON "
		 "metadata to stdout on each \"send\" request.",
	.opts = produce_opts,
	.args_size = sizeof(struct produce_args),
	.run = produce_run,
	.refuse = perf_refuse,
};

struct producing {
	struct run *run;
	const struct produce_args *args;
	struct connection connection;
	struct producer *producer;
	struct signals signals;
	int64_t start_ms, create_time;
	int64_t sent_count, acked_count, failed_count;
};

/* ---- Records ----------------------------------------------------------------------------------
 */

/* Record number `n`; the texts are made anew when the report comes. */
static struct str record_value(const struct producing *p, int64_t n, char text[VALUE_TEXT_MAX])
{
	int len = opt_given(p->run, "value-prefix")
			  ? snprintf(text, VALUE_TEXT_MAX, "%" PRId64 ".%" PRId64,
				     p->args->value_prefix, n)
			  : snprintf(text, VALUE_TEXT_MAX, "%" PRId64, n);

	return (struct str){text, (size_t)len};
}

static struct str record_key(const struct producing *p, int64_t n, char text[VALUE_TEXT_MAX])
{
	int64_t count = p->args->repeating_keys;

	if (!opt_given(p->run, "repeating-keys"))
		return STR_NULL;
	/* A number that is never reached is Apache's way of no end. */
	return (struct str){text, (size_t)snprintf(text, VALUE_TEXT_MAX, "%" PRId64,
						   count > 0 ? n % count : n)};
}

static void tell_sent(const struct producing *p, int64_t n, const struct producer_report *report,
		      uint32_t index)
{
	char key[VALUE_TEXT_MAX], value[VALUE_TEXT_MAX];
	struct json_out j;

	event_open(&j, "producer_send_success");
	json_out_str(&j, "key", record_key(p, n, key));
	json_out_str(&j, "value", record_value(p, n, value));
	json_out_int(&j, "offset", report->base_offset < 0 ? -1 : report->base_offset + index);
	json_out_str(&j, "topic", report->topic);
	json_out_int(&j, "partition", report->partition);
	event_close(&j);
}

static void tell_failed(const struct producing *p, int64_t n, const struct err *err)
{
	char key[VALUE_TEXT_MAX], value[VALUE_TEXT_MAX], class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, class);
	char text[EXCEPTION_TEXT_MAX + 8];
	struct json_out j;

	snprintf(text, sizeof(text), "class %s",
		 exception ? exception : "org.apache.kafka.common.KafkaException");
	event_open(&j, "producer_send_error");
	json_out_text(&j, "topic", p->args->topic);
	json_out_str(&j, "key", record_key(p, n, key));
	json_out_str(&j, "value", record_value(p, n, value));
	json_out_text(&j, "exception", text);
	json_out_text(&j, "message", err_message(err));
	event_close(&j);
}

static void produce_delivered(void *ctx, const struct producer_report *report)
{
	struct producing *p = ctx;

	for (uint32_t i = 0; i < report->record_count; i++) {
		if (report->rc < 0) {
			p->failed_count++;
			tell_failed(p, (int64_t)report->tags[i], report->err);
		} else {
			p->acked_count++;
			tell_sent(p, (int64_t)report->tags[i], report, i);
		}
	}
}

static void produce_one(struct producing *p, int64_t n)
{
	char key[VALUE_TEXT_MAX], value[VALUE_TEXT_MAX];
	struct str key_text = record_key(p, n, key), value_text = record_value(p, n, value);
	struct producer_record record = {
		.topic = str_of(p->args->topic),
		.partition = -1,
		.timestamp = -1,
		.key = {.data = (const uint8_t *)key_text.data, .len = key_text.len},
		.value = {.data = (const uint8_t *)value_text.data, .len = value_text.len},
		.tag = (uint64_t)n};
	struct err err = {0};
	int rc;

	if (p->args->create_time != -1) {
		record.timestamp = p->create_time;
		/* Each one moves on by the time since the start, as Apache's tool has it. */
		p->create_time += clock_wall_ms() - p->start_ms;
	}
	p->sent_count++;
	rc = producer_send(p->producer, &record, &err);
	if (rc == E_AGAIN)
		rc = producer_send_wait(p->producer, &record, &err);
	if (rc < 0) {
		p->failed_count++;
		tell_failed(p, n, &err);
	}
}

static void produce_throttle(struct producing *p)
{
	int64_t throughput = p->args->throughput;

	while (throughput >= 0 && !p->signals.caught) {
		int64_t elapsed_ms = clock_wall_ms() - p->start_ms;
		int64_t due_ms = throughput > 0 ? p->sent_count * 1000 / throughput : INT64_MAX;

		if (due_ms <= elapsed_ms)
			return;
		producer_poll(p->producer, MIN(due_ms - elapsed_ms, (int64_t)1000));
	}
}

static void produce_all(struct producing *p)
{
	int64_t max = p->args->max_messages < 0 ? INT64_MAX : p->args->max_messages;

	for (int64_t i = 0; i < max && !p->signals.caught && !print_failed(); i++) {
		produce_one(p, i);
		if (i % TURN_RECORDS == 0)
			producer_poll(p->producer, 0);
		produce_throttle(p);
	}
}

/* ---- The run ----------------------------------------------------------------------------------
 */

static void tell_end(const struct producing *p)
{
	int64_t elapsed_ms = MAX(clock_wall_ms() - p->start_ms, (int64_t)1);
	struct json_out j;

	event("shutdown_complete");
	event_open(&j, "tool_data");
	json_out_int(&j, "sent", p->sent_count);
	json_out_int(&j, "acked", p->acked_count);
	json_out_int(&j, "target_throughput", p->args->throughput);
	json_out_double(&j, "avg_throughput", 1000 * ((double)p->acked_count / (double)elapsed_ms));
	event_close(&j);
}

static int produce_check(const struct run *run, struct produce_args *args, struct err *err)
{
	if (strcmp(args->acks, "-1") != 0 && strcmp(args->acks, "0") != 0 &&
	    strcmp(args->acks, "1") != 0)
		return err_set(err, E_USAGE,
			       "argument --acks: invalid choice: '%s' (choose from "
			       "{0,1,-1})",
			       args->acks);
	if (!connect_has_server(run))
		return err_set(err, E_USAGE, "one of the arguments --bootstrap-server is required");
	if (args->old_config && args->cluster.command_config)
		return err_set(err, E_USAGE,
			       "Options --producer.config and --command-config are "
			       "mutually exclusive.");
	if (args->old_config) {
		notice_old(run, "Option --producer.config has been deprecated and will be removed "
				"in a future version. Use --command-config instead.");
		args->cluster.command_config = args->old_config;
	}
	return 0;
}

/* The file has the last word about acks and retries. */
static struct client_config *produce_config(const struct produce_args *args, struct err *err)
{
	struct client_config *config = connect_config(&args->cluster, CLIENT_PRODUCER, err);
	int rc = 0;

	if (!config)
		return NULL;
	if (!client_config_is_set(config, CC_ACKS))
		rc = client_config_set(config, "acks", args->acks, err);
	if (rc == 0 && !client_config_is_set(config, CC_RETRIES))
		rc = client_config_set(config, "retries", "0", err);
	if (rc == 0)
		return config;
	client_config_free(config);
	return NULL;
}

static int produce_run(struct run *run, void *data)
{
	struct producing p = {.run = run, .args = data};
	struct producer_options options = {
		.delivered = produce_delivered, .ctx = &p, .want_tags = true};
	struct client_config *config;
	struct err err = {0};
	int rc, code;

	rc = produce_check(run, data, &err);
	if (rc < 0)
		return run->is_apache ? perf_refuse(run, &err) : help_usage(run, &err);
	config = produce_config(p.args, &err);
	if (!config)
		return help_failure(run, &err);
	if (connect_open(&p.connection, config, "producer-1", &err) < 0)
		return help_failure(run, &err);
	rc = producer_new(&p.producer, p.connection.client, &options, &err);
	if (rc < 0) {
		connect_close(&p.connection);
		return help_failure(run, &err);
	}
	p.start_ms = clock_wall_ms();
	p.create_time = p.args->create_time;
	signals_start(&p.signals, p.connection.client);
	event("startup_complete");
	produce_all(&p);
	/* Each record that fails is told by its own event. */
	rc = signals_flush(p.producer, &err);
	tell_end(&p);
	code = p.failed_count == 0 || run->is_apache ? EXIT_OK
	       : p.acked_count > 0                   ? EXIT_PARTIAL
	       : rc < 0                              ? help_exit_code(run, &err)
						     : EXIT_FAILED;
	code = signals_exit_code(&p.signals, code);
	signals_stop(&p.signals);
	producer_free(p.producer);
	connect_close(&p.connection);
	return code;
}
