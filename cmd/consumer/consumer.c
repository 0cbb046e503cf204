/* consumer: records of topics become lines of standard output (kafka-console-consumer). */
#include "cmd/connect.h"
#include "cmd/consumer/consumer_int.h"
#include "cmd/consumer/formatter.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/signals.h"

#include "base/clock.h"
#include "client/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int consumer_run(struct run *run, void *args);

#define AT(field) offsetof(struct consumer_args, field)

static const struct opt consumer_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic to read."},
	{"include", OPT_STRING, AT(include), .arg = "Java regex (String)", .old = "whitelist",
	 .help = "A pattern of the topics to read, which must match whole names."},
	{"partition", OPT_INT, AT(partition), .arg = "partition", .min = 0, .max = INT32_MAX,
	 .help = "Read only this partition, from its end unless --offset says otherwise."},
	{"offset", OPT_STRING, AT(offset), .arg = "consume offset",
	 .help = "Where to begin in the partition: a number, earliest or latest."},
	{"from-beginning", OPT_FLAG, AT(from_beginning),
	 .help = "Begin with the oldest record if the group has no offset yet."},
	{"max-messages", OPT_INT, AT(max_messages), .arg = "num_messages", .min = -1,
	 .max = INT32_MAX, .help = "Stop after so many records."},
	{"timeout-ms", OPT_INT, AT(timeout_ms), .arg = "timeout_ms", .min = INT64_MIN,
	 .max = INT64_MAX, .help = "Stop when no record came for this time."},
	{"group", OPT_STRING, AT(group), .arg = "consumer group id", .complete = COMPLETE_GROUP,
	 .help = "Share the partitions with this group and commit its offsets."},
	{"isolation-level", OPT_STRING, AT(isolation_level), .arg = "isolation_level",
	 .complete = COMPLETE_WORDS, .words = "read_uncommitted read_committed",
	 .value = "read_uncommitted",
	 .help = "read_committed leaves out records of open and aborted transactions."},
	{"formatter", OPT_STRING, AT(formatter), .arg = "class", .complete = COMPLETE_WORDS,
	 .words = "json org.apache.kafka.tools.consumer.DefaultMessageFormatter "
		  "org.apache.kafka.tools.consumer.LoggingMessageFormatter "
		  "org.apache.kafka.tools.consumer.NoOpMessageFormatter "
		  "org.apache.kafka.tools.consumer.OffsetsMessageFormatter "
		  "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter "
		  "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter "
		  "org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter",
	 .value = "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
	 .help = "How to print records."},
	{"formatter-property", OPT_LIST, AT(formatter_properties), .arg = "prop",
	 .help = "A property of the formatter, key=value: print.timestamp, print.partition, "
		 "print.offset, print.headers, print.key, print.value, key.separator, "
		 "line.separator, "
		 "headers.separator, null.literal, key.deserializer, value.deserializer, "
		 "headers.deserializer; may be repeated."},
	{"property", OPT_LIST, AT(old_formatter_properties), .arg = "prop", .flags = OPT_OLD,
	 .help = "An old name of --formatter-property."},
	{"formatter-config", OPT_STRING, AT(formatter_config), .arg = "config file",
	 .complete = COMPLETE_FILE, .help = "A properties file for the formatter."},
	{"key-deserializer", OPT_STRING, AT(key_deserializer), .arg = "deserializer for key",
	 .help = "The class that makes text of keys."},
	{"value-deserializer", OPT_STRING, AT(value_deserializer), .arg = "deserializer for values",
	 .help = "The class that makes text of values."},
	{"command-property", OPT_LIST, AT(properties), .arg = "consumer_prop",
	 .help = "A config of the consumer, key=value; may be repeated."},
	{"consumer-property", OPT_LIST, AT(old_properties), .arg = "consumer_prop",
	 .flags = OPT_OLD, .help = "An old name of --command-property."},
	{"consumer.config", OPT_STRING, AT(old_config), .arg = "config file",
	 .complete = COMPLETE_FILE, .flags = OPT_OLD, .help = "An old name of --command-config."},
	{"skip-message-on-error", OPT_FLAG, AT(skip_on_error),
	 .help = "Go on behind a record that cannot be printed."},
	{"enable-systest-events", OPT_FLAG, AT(systest_events),
	 .help = "Print shutdown_complete at the end."},
	{"new-consumer", OPT_FLAG, AT(new_consumer), .flags = OPT_OLD,
	 .help = "Ignored, there is only one consumer now."},
	OPT_END,
};

const struct command cmd_consumer = {
	.name = "consumer",
	.alias = "kafka-console-consumer",
	.dialect = JOPT,
	.summary = "print the records of topics",
	.intro =
		"This tool helps to read data from Kafka topics and outputs it to standard output.",
	.opts = consumer_opts,
	.args_size = sizeof(struct consumer_args),
	.run = consumer_run,
};

#define HINT_MS 3000			/* without a record, before somebody wonders */
#define HINT_PARTITIONS_MAX 256

/* ---- One run ------------------------------------------------------------------------------ */

struct consuming {
	struct run *run;
	struct consumer_args *args;
	struct connection connection;
	struct consumer *consumer;
	struct signals signals;
	struct formatter formatter;
	uint64_t count;
	int64_t last_ms;	/* when the last record came, or the start */
	bool is_done;
	uv_poll_t output; /* stdout, to learn that its reader went away while nothing is written */
	bool watches_output, output_gone;
	bool hinted;
};

static void log_line(const char *level, const char *text, const char *detail)
{
	int64_t now_ms = clock_wall_ms();
	time_t now = now_ms / 1000;
	struct tm parts;
	char when[40];

	localtime_r(&now, &parts);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
	print_error("[%s,%03d] %s %s (org.apache.kafka.tools.consumer.ConsoleConsumer)\n%s%s", when,
		    (int)(now_ms % 1000), level, text, detail ? detail : "", detail ? "\n" : "");
}

static void output_polled(uv_poll_t *handle, int status, int events)
{
	struct consuming *k = handle->data;

	if (status == 0 && !(events & UV_DISCONNECT))
		return;
	k->output_gone = true;
	uv_poll_stop(handle);
	client_interrupt(k->connection.client);
}

/* Only pipes and the like can be watched, and only they lose their reader. */
static void output_watch(struct consuming *k)
{
	struct stat st = {0};

	if (fstat(STDOUT_FILENO, &st) < 0 || S_ISREG(st.st_mode) || print_to_terminal() ||
	    uv_poll_init(client_loop(k->connection.client), &k->output, STDOUT_FILENO) < 0)
		return;
	k->output.data = k;
	k->watches_output = true;
	uv_poll_start(&k->output, UV_DISCONNECT, output_polled);
	uv_unref((uv_handle_t *)&k->output);
}

static int consuming_begin(struct consuming *k, struct err *err)
{
	struct consumer_args *args = k->args;

	if (args->include)
		return consumer_subscribe_pattern(k->consumer, args->include, err);
	if (opt_given(k->run, "partition")) {
		struct position start = {.topic = str_of(args->topic),
					 .partition = (int32_t)args->partition,
					 .offset = args->start, .leader_epoch = -1};

		return consumer_assign(k->consumer, &start, 1, err);
	}
	return consumer_subscribe(k->consumer, &(struct str){args->topic, strlen(args->topic)}, 1,
				  err);
}

/* A record that cannot be printed ends the run, unless it may be skipped. */
static int consuming_bad(struct consuming *k, const struct err *why, struct err *err)
{
	if (!k->args->skip_on_error) {
		*err = *why;
		return why->code;
	}
	if (k->run->is_apache)
		log_line("ERROR", "Error processing message, skipping this message: ",
			 err_message(why));
	else
		print_error("%s: skipped: %s\n", k->run->name, err_message(why));
	return 0;
}

/* Prints records until the batch or --max-messages ends. What was not printed is given back, so
 * that the group's offset is behind the last record printed. */
static int consuming_batch(struct consuming *k, const struct consumer_batch *b, struct err *err)
{
	struct record_view view = {.topic = b->topic, .partition = b->partition,
				   .is_log_append_time = b->is_log_append_time};
	uint64_t max = k->args->max_messages >= 0 && opt_given(k->run, "max-messages")
		? (uint64_t)k->args->max_messages : UINT64_MAX;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->count && k->count < max && print_failed() == 0; i++) {
		struct err why = {0};

		view.record = &b->records[i];
		k->count++;
		if (formatter_print(&k->formatter, &view, &why) < 0)
			rc = consuming_bad(k, &why, err);
	}
	k->is_done = k->count >= max;
	if (i < b->count) {
		int64_t next = b->records[i].offset;

		if (consumer_seek(k->consumer, b->topic, b->partition, next) < 0)
			return rc; /* not ours any more: its new owner starts where we committed */
	}
	return rc;
}

/* Whoever looks at a terminal and sees nothing wonders why: tells how many records lie before the
 * place where this run began. Once, and only if that is known. */
static void consuming_hint(struct consuming *k)
{
	struct position now[HINT_PARTITIONS_MAX], first[HINT_PARTITIONS_MAX];
	size_t count = consumer_assignment(k->consumer, now, HINT_PARTITIONS_MAX);
	int64_t before = 0;

	k->hinted = true;
	if (count == 0 || count > HINT_PARTITIONS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		first[i] = now[i];
		first[i].offset = OFFSET_BEGINNING;
		first[i].error = 0;
	}
	if (admin_offsets(k->connection.client, first, count, false, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (first[i].error == 0 && now[i].offset > first[i].offset && first[i].offset >= 0)
			before += now[i].offset - first[i].offset;
	}
	if (before > 0)
		print_error("%s: waiting for new records; %" PRId64 " older one%s: "
			    "--from-beginning shows them\n", k->run->name, before,
			    before == 1 ? " is there" : "s are there");
}

/* May the hint still come, and when? */
static int64_t consuming_hint_ms(const struct consuming *k)
{
	if (k->hinted || k->count > 0 || k->args->from_beginning || k->args->has_group ||
	    k->args->offset || !print_to_terminal())
		return -1;
	return MAX(k->last_ms + HINT_MS - clock_mono_ms(), 0);
}

static int consuming_wait_ms(const struct consuming *k, int64_t *wait_ms)
{
	int64_t left;

	*wait_ms = -1;
	if (!opt_given(k->run, "timeout-ms") || k->args->timeout_ms < 0)
		return 0;
	left = k->last_ms + k->args->timeout_ms - clock_mono_ms();
	*wait_ms = MAX(left, 0);
	return left <= 0 ? E_TIMEOUT : 0;
}

static int consuming_loop(struct consuming *k, struct err *err)
{
	struct consumer_batch batch;
	int rc;

	k->last_ms = clock_mono_ms();
	while (!k->is_done && print_failed() == 0) {
		int64_t wait_ms, hint_ms;
		int timed_out;

		/* Output leaves when nothing more is at hand, or the buffer is full. */
		rc = consumer_poll(k->consumer, 0, &batch, err);
		if (rc == 0) {
			print_flush();
			timed_out = consuming_wait_ms(k, &wait_ms);
			if (timed_out < 0)
				return err_set(err, E_TIMEOUT, "no record came for %" PRId64 " ms",
					       k->args->timeout_ms);
			hint_ms = consuming_hint_ms(k);
			if (hint_ms == 0)
				consuming_hint(k);
			else if (hint_ms > 0 && (wait_ms < 0 || hint_ms < wait_ms))
				wait_ms = hint_ms;
			rc = consumer_poll(k->consumer, wait_ms, &batch, err);
		}
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		rc = consuming_batch(k, &batch, err);
		k->last_ms = clock_mono_ms();
		if (rc < 0)
			return rc;
		if (print_to_terminal())
			print_flush();
	}
	return 0;
}

/* ---- The end ------------------------------------------------------------------------------ */

/* What ended the loop, told as the name that was called tells it. Returns the exit code. */
static int consuming_tell(struct consuming *k, int rc, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX], detail[ERR_TEXT_MAX + EXCEPTION_TEXT_MAX];
	const char *exception;

	if (rc >= 0 || rc == E_INTERRUPTED)
		return EXIT_OK;
	if (!k->run->is_apache)
		return rc == E_TIMEOUT ? EXIT_OK : help_failure(k->run, err);
	if (rc == E_AUTH) {
		log_line("ERROR", "Authentication failed: terminating consumer process",
			 err_message(err));
		return EXIT_FAILED;
	}
	exception = err_exception(err, class);
	snprintf(detail, sizeof(detail), "%s%s%s",
		 exception ? exception : "org.apache.kafka.common.KafkaException",
		 rc == E_TIMEOUT ? "" : ": ", rc == E_TIMEOUT ? "" : err_message(err));
	log_line("ERROR", "Error processing message, terminating consumer process: ", detail);
	return EXIT_OK;
}

static int consuming_end(struct consuming *k, int rc, const struct err *err)
{
	struct err close_err = {0};
	int code = consuming_tell(k, rc, err);

	if (print_flush() == -EPIPE || k->output_gone) {
		/* The reader of our output has enough, as `head` does. */
		if (k->run->is_apache)
			print_error("Unable to write to standard out, closing consumer.\n");
		print_forget();
	}
	if (consumer_close(k->consumer, &close_err) < 0 && code == EXIT_OK && rc >= 0) {
		print_error("%s: %s\n", k->run->name, err_message(&close_err));
		code = k->run->is_apache ? EXIT_OK : EXIT_FAILED;
	}
	print_error("Processed a total of %" PRIu64 " messages\n", k->count);
	if (k->args->systest_events)
		print_text("shutdown_complete\n");
	return signals_exit_code(&k->signals, code);
}

static int consuming_run(struct consuming *k)
{
	struct consumer_options options = {0};
	struct err err = {0};
	int rc, code;

	rc = consumer_new(&k->consumer, k->connection.client, &options, &err);
	if (rc < 0)
		return help_failure(k->run, &err);
	signals_start(&k->signals, k->connection.client);
	output_watch(k);
	rc = consuming_begin(k, &err);
	if (rc == 0)
		rc = consuming_loop(k, &err);
	code = consuming_end(k, rc, &err);
	if (k->watches_output)
		uv_close((uv_handle_t *)&k->output, NULL);
	signals_stop(&k->signals);
	consumer_free(k->consumer);
	return code;
}

static int consumer_run(struct run *run, void *data)
{
	struct consuming k = {.run = run, .args = data};
	struct client_config *config;
	struct props props;
	struct err err = {0};
	int rc, code;

	if (consumer_check(run, k.args, &err) < 0)
		return help_usage(run, &err);
	props_init(&props);
	rc = consumer_formatter_props(k.args, &props, &err);
	if (rc == 0)
		rc = formatter_init(&k.formatter, k.args->formatter, &props, &err);
	else
		arena_init(&k.formatter.scratch);
	k.formatter.ends_lines = !run->is_apache;
	config = rc == 0 ? consumer_config(run, k.args, &err) : NULL;
	if (!config) {
		code = err.code == E_USAGE || rc == E_INVALID ? help_usage(run, &err)
							      : help_failure(run, &err);
	} else if (connect_open(&k.connection, config, "console-consumer", &err) < 0) {
		code = help_failure(run, &err);
	} else {
		code = consuming_run(&k);
		connect_close(&k.connection);
	}
	formatter_fini(&k.formatter);
	props_fini(&props);
	return code;
}
