/* `kavka perf consume` (kafka-consumer-perf-test). */
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/perf/java_date.h"
#include "cmd/perf/perf_int.h"
#include "cmd/print.h"
#include "cmd/signals.h"

#include "base/clock.h"
#include "base/rng.h"
#include "client/consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_ID "perf-consumer-client"
#define RANDOM_GROUPS 100000
#define POLL_MS 100

static int consume_run(struct run *run, void *data);

struct consume_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *topic, *include, *group, *date_format, *timeout;
	int64_t num_records, old_messages, fetch_size, socket_buffer_size, reporting_interval;
	bool from_latest, show_detailed_stats, hide_header, print_metrics;
	struct opt_list properties;
	const char *old_config;
	int64_t timeout_ms; /* of --timeout */
};

#define AT(field) offsetof(struct consume_args, field)

static const struct opt consume_opts[] = {
	OPTS_CLUSTER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic to consume."},
	{"include", OPT_STRING, AT(include), .arg = "Java regex (String)",
	 .help = "A pattern of the topics to consume, which must match whole names."},
	{"group", OPT_STRING, AT(group), .arg = "gid", .complete = COMPLETE_GROUP,
	 .help = "The group to consume in; a new one without it."},
	{"num-records", OPT_INT, AT(num_records), .arg = "count", .min = 0, .max = INT64_MAX,
	 .help = "How many records to consume."},
	{"messages", OPT_INT, AT(old_messages), .arg = "count", .min = 0, .max = INT64_MAX,
	 .flags = OPT_OLD, .help = "An old name of --num-records."},
	{"fetch-size", OPT_INT, AT(fetch_size), .arg = "size", .min = 0, .max = INT32_MAX,
	 .value = "1048576", .help = "Bytes of one partition in one answer, at most."},
	{"socket-buffer-size", OPT_INT, AT(socket_buffer_size), .arg = "size", .min = -1,
	 .max = INT32_MAX, .value = "2097152",
	 .help = "Accepted; the system sizes socket buffers."},
	{"from-latest", OPT_FLAG, AT(from_latest),
	 .help = "Begin at the end where the group has no offset yet, not with the oldest "
		 "record."},
	{"timeout", OPT_OPTIONAL, AT(timeout), .arg = "milliseconds", .value = "10000",
	 .help = "Stop when no record came for so long."},
	{"reporting-interval", OPT_INT, AT(reporting_interval), .arg = "interval_ms",
	 .value = "5000", .min = 1, .max = INT64_MAX,
	 .help = "Time between two lines of --show-detailed-stats."},
	{"show-detailed-stats", OPT_FLAG, AT(show_detailed_stats),
	 .help = "Print a line after each interval."},
	{"hide-header", OPT_FLAG, AT(hide_header), .help = "Leave out the titles."},
	{"date-format", OPT_STRING, AT(date_format), .arg = "date format",
	 .value = "yyyy-MM-dd HH:mm:ss:SSS",
	 .help = "How to print times, as java.text.SimpleDateFormat has it."},
	{"print-metrics", OPT_FLAG, AT(print_metrics),
	 .help = "Print the consumer's own figures at the end."},
	{"command-property", OPT_LIST, AT(properties), .arg = "prop1=val1",
	 .help = "A config of the consumer, key=value; may be repeated."},
	{"consumer.config", OPT_STRING, AT(old_config), .arg = "config file", .flags = OPT_OLD,
	 .complete = COMPLETE_FILE, .help = "An old name of --command-config."},
	{"threads", OPT_GONE, 0, .help = "leave it out, it has no effect since Kafka 4.0."},
	{"num-fetch-threads", OPT_GONE, 0,
	 .help = "leave it out, it has no effect since Kafka "
		 "4.0."},
	OPTS_ZOOKEEPER,
	OPTS_OUTPUT,
	OPT_END,
};

const struct command cmd_perf_consume = {
	.name = "consume",
	.alias = "kafka-consumer-perf-test",
	.dialect = JOPT,
	.summary = "consume records and tell how fast that went",
	.intro = "This tool is used to verify the consumer performance.",
	.opts = consume_opts,
	.args_size = sizeof(struct consume_args),
	.run = consume_run,
};

struct consuming {
	struct run *run;
	struct consume_args *args;
	bool is_json;
	struct connection connection;
	struct consumer *consumer;
	struct signals signals;
	int64_t count, bytes;
	int64_t last_count, last_bytes, last_report_ms;
	int64_t start_ms, join_start_ms, join_ms, round_join_ms;
	size_t assigned_count;
	struct out date[2];
};

/* ---- Options -----------------------------------------------------------------------------------
 */

static int check_old(struct consuming *c, struct err *err)
{
	static const char old[] = "Warning: --%s is deprecated. Use --%s instead.";
	struct consume_args *args = c->args;

	if (args->cluster.command_config && args->old_config)
		return notice_both(c->run, "consumer.config", "command-config", err);
	if (args->old_config) {
		notice_old(c->run, old, "consumer.config", "command-config");
		args->cluster.command_config = args->old_config;
	}
	if (opt_given(c->run, "messages")) {
		notice_old(c->run, old, "messages", "num-records");
		args->num_records = args->old_messages;
	}
	return 0;
}

static int consume_check(struct consuming *c, struct err *err)
{
	struct consume_args *args = c->args;
	enum output_format format = OUTPUT_TEXT;
	char *end;
	int rc;

	if (!connect_has_server(c->run))
		return opt_require(c->run, "bootstrap-server", err);
	if (opt_given_count(c->run, "messages num-records") != 1)
		return err_set(
			err, E_USAGE,
			c->run->is_apache
				? "Exactly one of the following arguments is required: [messages], "
				  "[num-records]"
				: "say how many: --num-records");
	if (opt_given_count(c->run, "topic include") != 1)
		return err_set(
			err, E_USAGE,
			c->run->is_apache
				? "Exactly one of the following arguments is required: [topic], "
				  "[include]"
				: "say --topic or --include");
	errno = 0;
	args->timeout_ms = strtoll(args->timeout ? args->timeout : "10000", &end, 10);
	if (*end != '\0' || errno)
		return err_set(err, E_USAGE, "Cannot parse argument '%s' of option timeout",
			       args->timeout);
	rc = check_old(c, err);
	if (rc == 0)
		rc = output_format(&args->output, &format, err);
	c->is_json = format == OUTPUT_JSON;
	return rc;
}

static int config_fill(struct consuming *c, struct client_config *config, struct err *err)
{
	const struct consume_args *args = c->args;
	char group[32], number[24];
	uint32_t random;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < args->properties.count; i++)
		rc = client_config_set_pair(config, args->properties.items[i], err);
	rng_system(&random, sizeof(random));
	snprintf(group, sizeof(group), "perf-consumer-%u", random % RANDOM_GROUPS);
	if (rc == 0 && args->cluster.bootstrap_server)
		rc = client_config_set(config, "bootstrap.servers", args->cluster.bootstrap_server,
				       err);
	if (rc == 0)
		rc = client_config_set(config, "group.id", args->group ? args->group : group, err);
	snprintf(number, sizeof(number), "%" PRId64, args->fetch_size);
	if (rc == 0)
		rc = client_config_set(config, "max.partition.fetch.bytes", number, err);
	if (rc == 0)
		rc = client_config_set(config, "auto.offset.reset",
				       args->from_latest ? "latest" : "earliest", err);
	if (rc == 0)
		rc = client_config_set(config, "check.crcs", "false", err);
	return rc;
}

/* ---- The group
 * ----------------------------------------------------------------------------------- */

static void consume_assigned(void *ctx, const struct position *partitions, size_t count)
{
	struct consuming *c = ctx;

	(void)partitions;
	if (c->assigned_count == 0) {
		int64_t elapsed_ms = clock_wall_ms() - c->join_start_ms;

		c->join_ms += elapsed_ms;
		c->round_join_ms += elapsed_ms;
	}
	c->assigned_count += count;
}

static void consume_revoked(void *ctx, const struct position *partitions, size_t count)
{
	struct consuming *c = ctx;

	(void)partitions;
	c->assigned_count -= MIN(count, c->assigned_count);
	if (c->assigned_count == 0)
		c->join_start_ms = clock_wall_ms();
}

static int consume_subscribe(struct consuming *c, struct err *err)
{
	struct str topic = str_of(c->args->topic);

	if (c->args->include)
		return consumer_subscribe_pattern(c->consumer, c->args->include, err);
	return consumer_subscribe(c->consumer, &topic, 1, err);
}

/* ---- Lines
 * --------------------------------------------------------------------------------------- */

static void print_header(const struct consuming *c)
{
	print_text("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
		   "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n",
		   c->args->show_detailed_stats ? "time, threadId" : "start.time, end.time");
	print_flush();
}

/* One of the two texts is made anew. */
static const char *date_text(struct consuming *c, unsigned which, int64_t time_ms)
{
	struct out *out = &c->date[which];

	out_reset(out);
	if (java_date(out, c->args->date_format, time_ms, NULL) < 0)
		return "";
	out_byte(out, '\0');
	return (const char *)out->data;
}

struct figures {
	double mb, mb_per_s, records_per_s, fetch_mb_per_s, fetch_records_per_s;
	int64_t records, join_ms, fetch_ms;
};

static void print_figures(const struct figures *f)
{
	char n[5][PERF_NUMBER_MAX];

	print_text("%s, %s, %" PRId64 ", %s, %" PRId64 ", %" PRId64 ", %s, %s\n",
		   perf_number(n[0], f->mb, 4), perf_number(n[1], f->mb_per_s, 4), f->records,
		   perf_number(n[2], f->records_per_s, 4), f->join_ms, f->fetch_ms,
		   perf_number(n[3], f->fetch_mb_per_s, 4),
		   perf_number(n[4], f->fetch_records_per_s, 4));
}

static void json_figures(const struct figures *f, const char *type, int64_t start_ms,
			 int64_t end_ms)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "type", type);
	json_out_int(&j, "startMs", start_ms);
	json_out_int(&j, "endMs", end_ms);
	json_out_int(&j, "records", f->records);
	json_out_double(&j, "mb", f->mb);
	json_out_double(&j, "mbPerSec", f->mb_per_s);
	json_out_double(&j, "recordsPerSec", f->records_per_s);
	json_out_int(&j, "rebalanceMs", f->join_ms);
	json_out_int(&j, "fetchMs", f->fetch_ms);
	json_out_double(&j, "fetchMbPerSec", f->fetch_mb_per_s);
	json_out_double(&j, "fetchRecordsPerSec", f->fetch_records_per_s);
	json_out_close(&j, '}');
	print_byte('\n');
}

static void print_progress(struct consuming *c, int64_t now_ms)
{
	double elapsed_ms = (double)(now_ms - c->last_report_ms);
	double mb = (double)(c->bytes - c->last_bytes) / PERF_MB;
	double records = (double)(c->count - c->last_count);
	struct figures f = {.mb = (double)c->bytes / PERF_MB,
			    .records = c->count,
			    .mb_per_s = 1000.0 * mb / elapsed_ms,
			    .records_per_s = 1000.0 * records / elapsed_ms,
			    .join_ms = c->round_join_ms,
			    .fetch_ms = now_ms - c->last_report_ms - c->round_join_ms};

	if (f.fetch_ms > 0) {
		f.fetch_mb_per_s = 1000.0 * mb / (double)f.fetch_ms;
		f.fetch_records_per_s = 1000.0 * records / (double)f.fetch_ms;
	}
	if (c->is_json) {
		json_figures(&f, "window", c->last_report_ms, now_ms);
	} else {
		print_text("%s, 0, ", date_text(c, 0, now_ms));
		print_figures(&f);
	}
	print_flush();
}

static void print_total(struct consuming *c, int64_t end_ms)
{
	double elapsed_s = (double)(end_ms - c->start_ms) / 1000.0;
	struct figures f = {.mb = (double)c->bytes / PERF_MB,
			    .records = c->count,
			    .join_ms = c->join_ms,
			    .fetch_ms = end_ms - c->start_ms - c->join_ms};
	double fetch_s = (double)f.fetch_ms / 1000.0;

	f.mb_per_s = f.mb / elapsed_s;
	f.records_per_s = (double)f.records / elapsed_s;
	f.fetch_mb_per_s = f.mb / fetch_s;
	f.fetch_records_per_s = (double)f.records / fetch_s;
	if (c->is_json) {
		json_figures(&f, "total", c->start_ms, end_ms);
	} else if (!c->args->show_detailed_stats) {
		print_text("%s, %s, ", date_text(c, 0, c->start_ms), date_text(c, 1, end_ms));
		print_figures(&f);
	}
}

static void consume_metrics(struct consuming *c)
{
	const struct consumer_stats *s = consumer_stats(c->consumer);
	const char *id = client_config_str(c->connection.config, CC_CLIENT_ID);
	const struct perf_metric metrics[] = {
		{"consumer-coordinator-metrics:rebalance-total", (double)s->rebalance_count},
		{"consumer-fetch-manager-metrics:bytes-consumed-total", (double)s->fetch_bytes},
		{"consumer-fetch-manager-metrics:fetch-size-avg",
		 (double)s->fetch_bytes / (double)s->fetch_count},
		{"consumer-fetch-manager-metrics:fetch-total", (double)s->fetch_count},
		{"consumer-fetch-manager-metrics:records-consumed-total", (double)s->record_count},
		{"consumer-fetch-manager-metrics:records-per-request-avg",
		 (double)s->record_count / (double)s->fetch_count},
	};

	perf_print_metrics(metrics, ARRAY_LEN(metrics), id && *id ? id : CLIENT_ID, c->is_json);
}

/* ---- The run
 * ------------------------------------------------------------------------------------- */

static void consume_batch(struct consuming *c, const struct consumer_batch *batch, int64_t now_ms)
{
	size_t count = (size_t)MIN((int64_t)batch->count, c->args->num_records - c->count);

	for (size_t i = 0; i < count; i++)
		c->bytes += (int64_t)(batch->records[i].key.len + batch->records[i].value.len);
	c->count += (int64_t)count;
	if (now_ms - c->last_report_ms < c->args->reporting_interval)
		return;
	if (c->args->show_detailed_stats)
		print_progress(c, now_ms);
	c->round_join_ms = 0;
	c->last_report_ms = now_ms;
	c->last_count = c->count;
	c->last_bytes = c->bytes;
}

static int consume_records(struct consuming *c, struct err *err)
{
	int64_t now_ms = clock_wall_ms(), last_ms = now_ms;
	struct consumer_batch batch;
	int rc;

	c->last_report_ms = now_ms;
	while (c->count < c->args->num_records && now_ms - last_ms <= c->args->timeout_ms) {
		rc = consumer_poll(c->consumer, POLL_MS, &batch, err);
		if (rc < 0)
			return rc;
		now_ms = clock_wall_ms();
		if (rc == 0)
			continue;
		last_ms = now_ms;
		consume_batch(c, &batch, now_ms);
	}
	return 0;
}

static int consume_failure(struct consuming *c, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, class);

	if (!c->run->is_apache)
		return help_failure(c->run, err);
	print_error("%s\n%s: %s\n", err_message(err),
		    exception ? exception : "org.apache.kafka.common.KafkaException",
		    err_message(err));
	return EXIT_FAILED;
}

static int consume_all(struct consuming *c)
{
	struct err err = {0}, close_err = {0};
	int code = EXIT_OK, rc;
	int64_t end_ms;

	c->start_ms = c->join_start_ms = clock_wall_ms();
	rc = consume_subscribe(c, &err);
	if (rc == 0)
		rc = consume_records(c, &err);
	end_ms = clock_wall_ms();
	if (rc < 0 && rc != E_INTERRUPTED)
		return consume_failure(c, &err);
	if (c->count < c->args->num_records && rc == 0) {
		static const char text[] =
			"Exiting before consuming the expected number of records: timeout (%" PRId64
			" ms) exceeded. You can use the --timeout option to increase the timeout.";

		if (c->run->is_apache) {
			print_text("WARNING: ");
			print_text(text, c->args->timeout_ms);
			print_byte('\n');
		} else {
			output_note(c->run, text, c->args->timeout_ms);
			code = EXIT_TIMED_OUT;
		}
	}
	if (consumer_close(c->consumer, &close_err) < 0 && !c->run->is_apache)
		output_note(c->run, "%s", err_message(&close_err));
	print_total(c, end_ms);
	if (c->args->print_metrics)
		consume_metrics(c);
	return signals_exit_code(&c->signals, code);
}

static int consume_open(struct consuming *c, struct err *err)
{
	struct consumer_options options = {.assigned = consume_assigned,
					   .revoked = consume_revoked,
					   .lost = consume_revoked,
					   .ctx = c};
	struct client_config *config = connect_config(&c->args->cluster, CLIENT_CONSUMER, err);
	int rc;

	if (!config)
		return err->code;
	rc = config_fill(c, config, err);
	if (rc < 0) {
		client_config_free(config);
		return rc;
	}
	rc = connect_open(&c->connection, config, CLIENT_ID, err);
	if (rc < 0)
		return rc;
	rc = consumer_new(&c->consumer, c->connection.client, &options, err);
	if (rc < 0)
		connect_close(&c->connection);
	return rc;
}

static int consume_run(struct run *run, void *data)
{
	struct consuming c = {.run = run, .args = data};
	struct err err = {0};
	int rc, code;

	rc = consume_check(&c, &err);
	if (rc < 0)
		return help_usage(run, &err);
	if (!c.args->hide_header && !c.is_json)
		print_header(&c);
	if (c.args->reporting_interval <= 0)
		rc = err_set(&err, E_INVALID, "Reporting interval must be greater than 0.");
	if (rc == 0)
		rc = java_date(NULL, c.args->date_format, 0, &err);
	if (rc == 0)
		rc = consume_open(&c, &err);
	if (rc < 0)
		return rc == E_INVALID ? help_failure(run, &err) : consume_failure(&c, &err);
	out_init(&c.date[0], 4096);
	out_init(&c.date[1], 4096);
	signals_start(&c.signals, c.connection.client);
	code = consume_all(&c);
	signals_stop(&c.signals);
	consumer_free(c.consumer);
	connect_close(&c.connection);
	out_fini(&c.date[0]);
	out_fini(&c.date[1]);
	return code;
}
