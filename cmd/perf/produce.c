/* `kavka perf produce` (kafka-producer-perf-test). */
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/perf/latencies.h"
#include "cmd/perf/payloads.h"
#include "cmd/perf/perf_int.h"
#include "cmd/print.h"
#include "cmd/signals.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "client/producer.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The loop gets a turn after so many records at the latest. */
#define TURN_RECORDS 64
#define CLIENT_ID "perf-producer-client"

static int produce_run(struct run *run, void *data);

struct produce_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *topic;
	int64_t num_records, record_size, warmup_records, reporting_interval, random_seed;
	int64_t record_key_range;
	const char *key_distribution;
	const char *payload_file, *payload_delimiter, *throughput;
	bool payload_monotonic, print_metrics;
	struct opt_list properties, old_properties;
	const char *old_config;
	const char *transactional_id;
	int64_t transaction_duration_ms;
};

#define AT(field) offsetof(struct produce_args, field)

static const struct opt produce_opts[] = {
	OPTS_CLUSTER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .flags = OPT_REQUIRED,
	 .complete = COMPLETE_TOPIC, .help = "Produce records to this topic."},
	{"num-records", OPT_INT, AT(num_records), .arg = "count", .min = 1, .max = INT64_MAX,
	 .flags = OPT_REQUIRED, .help = "How many records to produce."},
	{"record-size", OPT_INT, AT(record_size), .arg = "bytes", .min = 1, .max = INT32_MAX,
	 .help = "Values of so many random letters; 100 if no other payload is asked for."},
	{"payload-file", OPT_STRING, AT(payload_file), .arg = "file", .complete = COMPLETE_FILE,
	 .help = "Values out of this file, one at random for each record."},
	{"payload-delimiter", OPT_STRING, AT(payload_delimiter), .arg = "text", .value = "\\n",
	 .help = "What stands between the values in the file."},
	{"payload-monotonic", OPT_FLAG, AT(payload_monotonic), .help = "Values 0, 1, 2 and so on."},
	{"throughput", OPT_STRING, AT(throughput), .arg = "records",
	 .help = "At most about so many records a second; -1: as fast as they go, which is the "
		 "default."},
	{"command-property", OPT_LIST, AT(properties), .arg = "name=value",
	 .help = "A config of the producer, or several; may be repeated."},
	{"producer-props", OPT_LIST, AT(old_properties), .arg = "name=value", .flags = OPT_OLD,
	 .help = "An old name of --command-property."},
	{"producer.config", OPT_STRING, AT(old_config), .arg = "config file", .flags = OPT_OLD,
	 .complete = COMPLETE_FILE, .help = "An old name of --command-config."},
	{"print-metrics", OPT_FLAG, AT(print_metrics),
	 .help = "Print the producer's own figures at the end."},
	{"transactional-id", OPT_STRING, AT(transactional_id), .arg = "id",
	 .help = "Produce in transactions of this id."},
	{"transaction-duration-ms", OPT_INT, AT(transaction_duration_ms), .arg = "ms", .min = 1,
	 .max = INT64_MAX, .help = "Commit a transaction after this time."},
	{"warmup-records", OPT_INT, AT(warmup_records), .arg = "count", .value = "0", .min = 0,
	 .max = INT64_MAX,
	 .help = "Leave so many records out of a second summary, of the steady state."},
	{"reporting-interval", OPT_INT, AT(reporting_interval), .arg = "ms", .value = "5000",
	 .min = 1, .max = INT64_MAX, .help = "Time between two lines of progress."},
	{"record-key-range", OPT_INT, AT(record_key_range), .arg = "count", .min = 1,
	 .max = INT32_MAX, .help = "How many different keys there are, see --key-distribution."},
	{"key-distribution", OPT_STRING, AT(key_distribution), .arg = "kind", .value = "none",
	 .complete = COMPLETE_WORDS, .words = "none range random",
	 .help = "Records without keys, with keys 0, 1, 2 and so on, or random ones."},
	{"random-seed", OPT_INT, AT(random_seed), .arg = "number", .value = "0", .min = INT64_MIN,
	 .max = INT64_MAX, .help = "Another number makes other random values."},
	OPTS_OUTPUT,
	OPT_END,
};

const struct command cmd_perf_produce = {
	.name = "produce",
	.alias = "kafka-producer-perf-test",
	.dialect = ARGPARSE,
	.summary = "produce records and tell how fast that went",
	.intro = "This tool is used to verify the producer performance.",
	.words = "[name=value ...]",
	.opts = produce_opts,
	.args_size = sizeof(struct produce_args),
	.run = produce_run,
	.refuse = perf_refuse,
};

struct producing {
	struct run *run;
	struct produce_args *args;
	bool is_json;
	double throughput; /* records a second, < 0: no bound */
	struct connection connection;
	struct producer *producer;
	struct signals signals;
	struct payloads payloads;
	struct rng keys;
	struct latencies all, steady;
	bool is_steady;
	uint64_t failed_count;
};

/* ---- Options ----------------------------------------------------------------------------------
 */

static int check_numbers(const struct run *run, const struct produce_args *args, struct err *err)
{
	static const struct {
		const char *name;
		size_t at;
	} positive[] = {{"num-records", AT(num_records)},
			{"record-size", AT(record_size)},
			{"transaction-duration-ms", AT(transaction_duration_ms)},
			{"reporting-interval", AT(reporting_interval)}};

	for (unsigned i = 0; i < ARRAY_LEN(positive); i++) {
		int64_t value;

		memcpy(&value, (const char *)args + positive[i].at, sizeof(value));
		if (opt_given(run, positive[i].name) && value <= 0)
			return err_set(err, E_USAGE, "--%s should be greater than zero.",
				       positive[i].name);
	}
	if (args->warmup_records >= args->num_records)
		return err_set(err, E_USAGE,
			       "The value for --warmup-records must be strictly fewer than the "
			       "number of records in the test, --num-records.");
	if (strcmp(args->key_distribution, "none") != 0 && args->record_key_range == 0)
		return err_set(err, E_USAGE,
			       "--key-distribution goes only with "
			       "--record-key-range");
	return 0;
}

static int check_payload(const struct run *run, struct produce_args *args, struct err *err)
{
	static const char *const names[] = {"record-size", "payload-file", "payload-monotonic"};
	const char *first = NULL;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!opt_given(run, names[i]))
			continue;
		if (first)
			return err_set(err, E_USAGE,
				       "argument --%s: not allowed with argument --%s", names[i],
				       first);
		first = names[i];
	}
	if (first)
		return 0;
	if (run->is_apache)
		return err_set(err, E_USAGE,
			       "one of the arguments --record-size --payload-file "
			       "--payload-monotonic is required");
	args->record_size = 100;
	return 0;
}

static int check_old(const struct run *run, struct produce_args *args, struct err *err)
{
	static const char both[] = "--%s and --%s cannot be specified together.";
	static const char old[] = "Option --%s has been deprecated and will be removed in a future "
				  "version. Use --%s instead.";

	if (args->properties.count > 0 && args->old_properties.count > 0)
		return err_set(err, E_USAGE, both, "command-property", "producer-props");
	if (args->cluster.command_config && args->old_config)
		return err_set(err, E_USAGE, both, "command-config", "producer.config");
	if (args->old_properties.count > 0) {
		notice_old(run, old, "producer-props", "command-property");
		args->properties = args->old_properties;
	}
	if (args->old_config) {
		notice_old(run, old, "producer.config", "command-config");
		args->cluster.command_config = args->old_config;
	}
	return 0;
}

static int check_throughput(struct producing *p, struct err *err)
{
	const char *text = p->args->throughput;
	char *end;

	p->throughput = -1;
	if (!text)
		return p->run->is_apache
			       ? err_set(err, E_USAGE, "argument --throughput is required")
			       : 0;
	p->throughput = strtod(text, &end);
	if (*text == '\0' || *end != '\0')
		return err_set(err, E_USAGE,
			       "argument --throughput: could not convert '%s' to "
			       "Double (For input string: \"%s\")",
			       text, text);
	return 0;
}

static int produce_check(struct producing *p, struct err *err)
{
	struct produce_args *args = p->args;
	enum output_format format = OUTPUT_TEXT;
	int rc = check_throughput(p, err);

	if (rc == 0)
		rc = check_payload(p->run, args, err);
	if (rc == 0)
		rc = check_numbers(p->run, args, err);
	if (rc == 0 && p->run->is_apache && !connect_has_server(p->run) &&
	    opt_given_count(p->run, "command-property producer-props producer.config "
				    "command-config") == 0)
		rc = err_set(err, E_USAGE,
			     "At least one of --bootstrap-server, --command-property, "
			     "--producer-props, --producer.config or --command-config must be "
			     "specified.");
	if (rc == 0)
		rc = check_old(p->run, args, err);
	if (rc == 0)
		rc = output_format(&args->output, &format, err);
	p->is_json = format == OUTPUT_JSON;
	return rc;
}

/* Also of a file that is not there. */
static const char *absolute_path(const char *path, char text[PATH_MAX * 2])
{
	char directory[PATH_MAX];

	if (path[0] == '/' || !getcwd(directory, sizeof(directory)))
		return path;
	snprintf(text, PATH_MAX * 2, "%s/%s", directory, path);
	return text;
}

static int payloads_open(struct producing *p, struct err *err)
{
	const struct produce_args *args = p->args;
	const char *path = args->payload_file;
	char text[PATH_MAX * 2];
	struct stat st;
	int rc;

	rng_init(&p->keys, (uint64_t)args->random_seed + 1);
	if (args->payload_monotonic) {
		payloads_counter(&p->payloads);
		return 0;
	}
	if (!path) {
		payloads_random(&p->payloads, (size_t)args->record_size,
				(uint64_t)args->random_seed);
		return 0;
	}
	if (!p->is_json)
		output_say("Reading payloads from: %s\n", absolute_path(path, text));
	if (p->run->is_apache && (stat(path, &st) < 0 || st.st_size == 0))
		return err_set(err, E_INVALID, "File does not exist or empty file provided.");
	rc = payloads_file(&p->payloads, path,
			   strcmp(args->payload_delimiter, "\\n") == 0 ? "\n"
								       : args->payload_delimiter,
			   (uint64_t)args->random_seed, err);
	if (rc == 0 && !p->is_json)
		output_say("Number of records read: %zu\n", p->payloads.count);
	return rc;
}

static int config_fill(struct producing *p, struct client_config *config, struct err *err)
{
	const struct produce_args *args = p->args;
	const char *id = args->transactional_id;
	char made[sizeof("performance-producer-") + UUID_TEXT_LEN];
	char uuid[UUID_TEXT_LEN + 1];
	int rc = perf_properties(p->run, config, &args->properties, err);

	if (rc == 0 && args->cluster.bootstrap_server)
		rc = client_config_set(config, "bootstrap.servers", args->cluster.bootstrap_server,
				       err);
	if (!id && args->transaction_duration_ms > 0) {
		snprintf(made, sizeof(made), "performance-producer-%s",
			 uuid_format(uuid_random(), uuid));
		id = made;
	}
	if (rc == 0 && id)
		rc = client_config_set(config, "transactional.id", id, err);
	return rc;
}

/* ---- Delivery ---------------------------------------------------------------------------------
 */

/* When the record was sent, and its length: what its tag remembers. */
static uint64_t record_tag(int64_t sent_ms, size_t len, bool is_steady)
{
	return (uint64_t)(sent_ms & 0xffffffff) << 32 | (uint64_t)is_steady << 31 |
	       (len & 0x7fffffff);
}

static void produce_failed(struct producing *p, const struct producer_report *report)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(report->err, class);

	p->failed_count += report->record_count;
	if (!p->run->is_apache) {
		print_error("%s: %u record%s for %.*s-%d not delivered: %s\n", p->run->name,
			    report->record_count, report->record_count == 1 ? "" : "s",
			    STR(report->topic), report->partition, err_message(report->err));
		return;
	}
	for (uint32_t i = 0; i < report->record_count; i++)
		print_error("%s: %s\n",
			    exception ? exception : "org.apache.kafka.common.KafkaException",
			    err_message(report->err));
}

static void produce_delivered(void *ctx, const struct producer_report *report)
{
	struct producing *p = ctx;
	int64_t now_ms = clock_mono_ms();

	if (report->rc == E_INTERRUPTED)
		return;
	if (report->rc < 0) {
		produce_failed(p, report);
		return;
	}
	for (uint32_t i = 0; i < report->record_count; i++) {
		uint64_t tag = report->tags[i];
		int64_t latency_ms = (int64_t)(uint32_t)((uint64_t)now_ms - (tag >> 32));
		int64_t len = (int64_t)(tag & 0x7fffffff);

		latencies_add(&p->all, latency_ms, len, now_ms);
		if (tag & 1u << 31)
			latencies_add(&p->steady, latency_ms, len, now_ms);
	}
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

/* Waits while more was sent than the time that has passed allows. */
static void produce_throttle(struct producing *p, int64_t sent_count)
{
	while (p->throughput >= 0 && !p->signals.caught) {
		int64_t elapsed_ms = clock_mono_ms() - p->all.start_ms;
		double due_ms =
			p->throughput > 0 ? (double)sent_count / p->throughput * 1000.0 : 1e15;

		if (due_ms <= (double)elapsed_ms)
			return;
		producer_poll(p->producer,
			      MIN((int64_t)(due_ms - (double)elapsed_ms) + 1, (int64_t)1000));
	}
}

static void warm_up_ends(struct producing *p, int64_t now_ms)
{
	const struct produce_args *args = p->args;

	latencies_init(&p->steady, args->num_records - args->warmup_records,
		       args->reporting_interval, now_ms);
	p->steady.is_steady = true;
	p->steady.is_json = p->is_json;
	p->all.is_silent = true;
	p->is_steady = true;
}

static struct slice produce_key(struct producing *p, int64_t n, char text[24])
{
	int64_t range = p->args->record_key_range;
	int64_t key;

	if (range == 0 || strcmp(p->args->key_distribution, "none") == 0)
		return SLICE_NULL;
	key = strcmp(p->args->key_distribution, "range") == 0
		      ? n % range
		      : (int64_t)rng_below(&p->keys, (uint64_t)range);
	return (struct slice){.data = (uint8_t *)text,
			      .len = (size_t)snprintf(text, 24, "%" PRId64, key)};
}

static int produce_records(struct producing *p, struct err *err)
{
	const struct produce_args *args = p->args;
	struct producer_record record = {
		.topic = str_of(args->topic), .partition = -1, .timestamp = -1};
	char key[24];
	int rc;

	for (int64_t i = 0; i < args->num_records && !p->signals.caught; i++) {
		int64_t now_ms = clock_mono_ms();

		if (args->warmup_records > 0 && i == args->warmup_records)
			warm_up_ends(p, now_ms);
		record.value = payloads_next(&p->payloads, i);
		record.key = produce_key(p, i, key);
		record.tag = record_tag(now_ms, record.value.len, p->is_steady);
		rc = producer_send(p->producer, &record, err);
		if (rc == E_AGAIN)
			rc = producer_send_wait(p->producer, &record, err);
		if (rc < 0)
			return rc;
		if (i % TURN_RECORDS == 0)
			producer_poll(p->producer, 0);
		produce_throttle(p, i + 1);
	}
	return 0;
}

/* ---- The run ----------------------------------------------------------------------------------
 */

static double ratio(double a, double b)
{
	return a / b;
}

static void produce_metrics(struct producing *p)
{
	const struct producer_stats *s = producer_stats(p->producer);
	const char *id = client_config_str(p->connection.config, CC_CLIENT_ID);
	const struct perf_metric metrics[] = {
		{"producer-metrics:batch-size-avg",
		 ratio((double)s->record_bytes, (double)s->batch_count)},
		{"producer-metrics:record-error-total", (double)s->failed_count},
		{"producer-metrics:record-retry-total", (double)s->retry_count},
		{"producer-metrics:record-send-total", (double)s->acked_count},
		{"producer-metrics:record-size-avg",
		 ratio((double)s->record_bytes, (double)s->record_count)},
		{"producer-metrics:records-per-request-avg",
		 ratio((double)s->record_count, (double)s->request_count)},
		{"producer-metrics:request-latency-avg",
		 ratio((double)s->latency_sum_us, (double)s->latency_count) / 1000.0},
		{"producer-metrics:request-latency-max", (double)s->latency_max_us / 1000.0},
		{"producer-metrics:request-total", (double)s->request_count},
	};

	perf_print_metrics(metrics, ARRAY_LEN(metrics), id && *id ? id : CLIENT_ID, p->is_json);
}

static int produce_failure(struct producing *p, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, class);

	if (!p->run->is_apache || err->code == E_INVALID)
		return help_failure(p->run, err);
	print_error("%s: %s\n", exception ? exception : "org.apache.kafka.common.KafkaException",
		    err_message(err));
	return EXIT_FAILED;
}

static int produce_all(struct producing *p)
{
	struct err err = {0}, flush_err = {0};
	int code = EXIT_OK, flush_rc;
	int rc = produce_records(p, &err);

	flush_rc = signals_flush(p->producer, &flush_err);
	if (rc < 0 && rc != E_INTERRUPTED)
		code = produce_failure(p, &err);
	if (p->all.count > 0 || code == EXIT_OK || p->run->is_apache)
		latencies_print(&p->all, clock_mono_ms());
	if (p->is_steady)
		latencies_print(&p->steady, clock_mono_ms());
	if (p->args->print_metrics)
		produce_metrics(p);
	if (p->failed_count > 0 && code == EXIT_OK && !p->run->is_apache)
		code = p->all.count > 0 ? EXIT_PARTIAL : help_exit_code(p->run, &flush_err);
	else if (flush_rc < 0 && flush_rc != E_INTERRUPTED && p->failed_count == 0 &&
		 code == EXIT_OK)
		code = produce_failure(p, &flush_err);
	return signals_exit_code(&p->signals, code);
}

static int produce_open(struct producing *p, struct err *err)
{
	struct producer_options options = {
		.delivered = produce_delivered, .ctx = p, .want_tags = true};
	struct client_config *config;
	int rc = payloads_open(p, err);

	if (rc < 0)
		return rc;
	config = connect_config(&p->args->cluster, CLIENT_PRODUCER, err);
	if (!config)
		return err->code;
	rc = config_fill(p, config, err);
	if (rc < 0) {
		client_config_free(config);
		return rc;
	}
	rc = connect_open(&p->connection, config, CLIENT_ID, err);
	if (rc < 0)
		return rc;
	rc = producer_new(&p->producer, p->connection.client, &options, err);
	if (rc < 0)
		connect_close(&p->connection);
	return rc;
}

static int produce_run(struct run *run, void *data)
{
	struct producing p = {.run = run, .args = data};
	struct err err = {0};
	int rc, code;

	rc = produce_check(&p, &err);
	if (rc < 0)
		return run->is_apache ? perf_refuse(run, &err) : help_usage(run, &err);
	rc = produce_open(&p, &err);
	if (rc < 0) {
		payloads_fini(&p.payloads);
		return rc == E_USAGE ? help_usage(run, &err) : produce_failure(&p, &err);
	}
	if (p.args->warmup_records > 0 && !p.is_json)
		output_say("Warmup first %" PRId64 " records. Steady state results will print "
			   "after the complete test summary.\n",
			   p.args->warmup_records);
	latencies_init(&p.all, p.args->num_records, p.args->reporting_interval, clock_mono_ms());
	p.all.is_json = p.is_json;
	signals_start(&p.signals, p.connection.client);
	code = produce_all(&p);
	signals_stop(&p.signals);
	producer_free(p.producer);
	connect_close(&p.connection);
	payloads_fini(&p.payloads);
	latencies_fini(&p.all);
	latencies_fini(&p.steady);
	return code;
}
