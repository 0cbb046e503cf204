/* producer: lines of standard input become records (kafka-console-producer). */
#include "cmd/connect.h"
#include "cmd/kafka_error.h"
#include "cmd/line_reader.h"
#include "cmd/print.h"
#include "cmd/producer/producer_int.h"
#include "cmd/signals.h"
#include "cmd/utf8.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STDIN_PIPE_BYTES (1024 * 1024)

static int producer_run(struct run *run, void *args);

#define AT(field) offsetof(struct producer_args, field)
#define MS_RANGE .min = 0, .max = INT64_MAX

static const struct opt producer_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic to write to."},
	{"sync", OPT_FLAG, AT(sync), .help = "Wait for each record before the next line is read."},
	{"compression-codec", OPT_OPTIONAL, AT(compression), .arg = "compression-codec",
	 .complete = COMPLETE_WORDS, .words = "none gzip snappy lz4 zstd",
	 .help = "How to compress batches; gzip if no name follows."},
	{"batch-size", OPT_INT, AT(batch_size), .arg = "size", .min = 0, .max = INT32_MAX,
	 .value = "16384", .help = "Bytes of records to gather for one partition."},
	{"message-send-max-retries", OPT_INT, AT(retries), .arg = "retries", .min = 0,
	 .max = INT32_MAX, .value = "3", .help = "How often a batch is sent again."},
	{"retry-backoff-ms", OPT_INT, AT(retry_backoff_ms), .arg = "ms", MS_RANGE, .value = "100",
	 .help = "How long to wait before sending again."},
	{"timeout", OPT_INT, AT(linger_ms), .arg = "timeout_ms", MS_RANGE, .value = "1000",
	 .help = "How long records may wait for others to fill a batch; lines typed at a terminal "
		 "leave at once."},
	{"request-required-acks", OPT_STRING, AT(acks), .arg = "request required acks",
	 .value = "-1", .help = "Which replicas must have a record: 0, 1, or all, which is -1."},
	{"request-timeout-ms", OPT_INT, AT(request_timeout_ms), .arg = "request timeout ms",
	 .min = 0, .max = INT32_MAX, .value = "1500", .help = "How long one request may take."},
	{"metadata-expiry-ms", OPT_INT, AT(metadata_expiry_ms),
	 .arg = "metadata expiration interval", MS_RANGE, .value = "300000",
	 .help = "How long the picture of the cluster stays good."},
	{"max-block-ms", OPT_INT, AT(max_block_ms), .arg = "max block on send", MS_RANGE,
	 .value = "60000", .help = "How long a record may wait for metadata or memory."},
	{"max-memory-bytes", OPT_INT, AT(max_memory_bytes), .arg = "total memory in bytes",
	 MS_RANGE, .value = "33554432", .help = "Bytes of records that may wait to be sent."},
	{"max-partition-memory-bytes", OPT_INT, AT(max_partition_memory_bytes),
	 .arg = "memory in bytes per partition", .min = 0, .max = INT32_MAX, .flags = OPT_OLD,
	 .help = "An old name of --batch-size."},
	{"socket-buffer-size", OPT_INT, AT(socket_buffer_size), .arg = "size", .min = -1,
	 .max = INT32_MAX, .value = "102400", .help = "Accepted; the system sizes socket buffers."},
	{"line-reader", OPT_STRING, AT(line_reader), .arg = "reader_class",
	 .value = "org.apache.kafka.tools.LineMessageReader",
	 .help = "The class that reads records; only the default one is here."},
	{"reader-property", OPT_LIST, AT(reader_properties), .arg = "prop",
	 .help = "A property of the reader, key=value: parse.key, key.separator, parse.headers, "
		 "headers.delimiter, headers.separator, headers.key.separator, ignore.error, "
		 "null.marker; may be repeated."},
	{"property", OPT_LIST, AT(old_reader_properties), .arg = "prop", .flags = OPT_OLD,
	 .help = "An old name of --reader-property."},
	{"reader-config", OPT_STRING, AT(reader_config), .arg = "config file",
	 .complete = COMPLETE_FILE, .help = "A properties file for the reader."},
	{"command-property", OPT_LIST, AT(properties), .arg = "producer_prop",
	 .help = "A config of the producer, key=value; may be repeated."},
	{"producer-property", OPT_LIST, AT(old_properties), .arg = "producer_prop",
	 .flags = OPT_OLD, .help = "An old name of --command-property."},
	{"producer.config", OPT_STRING, AT(old_config), .arg = "config file",
	 .complete = COMPLETE_FILE, .flags = OPT_OLD, .help = "An old name of --command-config."},
	{"old-producer", OPT_GONE, 0, .help = "leave it out, there is only one producer now."},
	OPT_END,
};

const struct command cmd_producer = {
	.name = "producer", .alias = "kafka-console-producer", .dialect = JOPT,
	.summary = "write lines of standard input to a topic",
	.intro = "This tool helps to read data from standard input and publish it to Kafka.",
	.opts = producer_opts, .args_size = sizeof(struct producer_args), .run = producer_run,
};

/* ---- One run ------------------------------------------------------------------------------ */

struct producing {
	struct run *run;
	struct producer_args *args;
	struct connection connection;
	struct producer *producer;
	struct signals signals;
	struct record_reader reader;
	struct line_reader lines;
	uv_poll_t input; /* a pipe or terminal that is waited for together with the network */
	bool input_polls, input_ready;
	bool prompts;
	struct out repaired;	/* a line that was no UTF-8, as Apache's tool sends it */
	uint64_t failed_count;
};

static void log_stamp(char *text, size_t size)
{
	int64_t now_ms = clock_wall_ms();
	time_t now = now_ms / 1000;
	struct tm parts;
	size_t len;

	localtime_r(&now, &parts);
	len = strftime(text, size, "%Y-%m-%d %H:%M:%S", &parts);
	snprintf(text + len, size - len, ",%03d", (int)(now_ms % 1000));
}

/* Lengths of key (+1, 0: null) and value (+1), for Apache's message about a lost record. */
static uint64_t record_tag(const struct line_record *r)
{
	uint64_t key = r->key.data ? r->key.len + 1 : 0,
		 value = r->value.data ? r->value.len + 1 : 0;

	return MIN(key, (uint64_t)UINT32_MAX) << 32 | MIN(value, (uint64_t)UINT32_MAX);
}

static const char *length_text(char text[40], uint64_t len)
{
	if (len == 0)
		return "null";
	snprintf(text, 40, "%llu bytes", (unsigned long long)len - 1);
	return text;
}

static void say_lost(struct producing *p, uint64_t tag, const struct err *err)
{
	char when[48], key[40], value[40], class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, class);

	log_stamp(when, sizeof(when));
	print_error(
		"[%s] ERROR Error when sending message to topic %s with key: %s, value: %s with "
		"error: (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)\n"
		"%s: %s\n",
		when, p->args->topic, length_text(key, tag >> 32),
		length_text(value, tag & UINT32_MAX),
		exception ? exception : "org.apache.kafka.common.KafkaException", err_message(err));
}

static void producing_delivered(void *ctx, const struct producer_report *report)
{
	struct producing *p = ctx;

	if (report->rc >= 0)
		return;
	p->failed_count += report->record_count;
	if (p->run->is_apache) {
		for (uint32_t i = 0; i < report->record_count; i++)
			say_lost(p, report->tags[i], report->err);
	} else {
		print_error("%s: %u record%s for %.*s-%d not delivered: %s\n", p->run->name,
			    report->record_count, report->record_count == 1 ? "" : "s",
			    STR(report->topic), report->partition, err_message(report->err));
	}
}

/* ---- Standard input ----------------------------------------------------------------------- */

static void input_polled(uv_poll_t *handle, int status, int events)
{
	struct producing *p = handle->data;

	(void)status;
	(void)events;
	p->input_ready = true;
	uv_poll_stop(handle);
}

/* A terminal or pipe is waited for on the loop, so that batches leave meanwhile; a file is always
 * ready (and epoll would refuse it). */
static void input_start(struct producing *p)
{
	struct stat st = {0};

	p->prompts = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		return;
	if (S_ISFIFO(st.st_mode) && fcntl(STDIN_FILENO, F_SETPIPE_SZ, STDIN_PIPE_BYTES) < 0)
		errno = 0;	/* a larger pipe is only a favour */
	if (uv_poll_init(client_loop(p->connection.client), &p->input, STDIN_FILENO) < 0)
		return;
	p->input.data = p;
	p->input_polls = true;
}

static bool input_is_ready(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

/* Waits for input and reads a block of it. 0, E_INTERRUPTED, or an error. */
static int input_fill(struct producing *p, struct err *err)
{
	int rc;

	producer_poll(p->producer, 0);
	if (p->input_polls && !input_is_ready()) {
		p->input_ready = false;
		uv_poll_start(&p->input, UV_READABLE, input_polled);
		while (!p->input_ready && !p->signals.caught)
			producer_poll(p->producer, -1);
		uv_poll_stop(&p->input);
	}
	if (p->signals.caught)
		return E_INTERRUPTED;
	rc = line_reader_fill(&p->lines, err);
	return rc == -EAGAIN || rc == -EINTR ? 0 : rc;
}

static int producing_line(struct producing *p, struct str *line, struct err *err)
{
	for (;;) {
		int rc = line_reader_next(&p->lines, line, err);

		if (rc != E_AGAIN)
			return rc;
		rc = input_fill(p, err);
		if (rc < 0)
			return rc;
	}
}

/* ---- Records ------------------------------------------------------------------------------ */

/* A record that cannot be sent at all: the next one may be better if it was only too large; the
 * rest would fail as this one did. */
static int producing_refused(struct producing *p, const struct line_record *r, int rc,
			     const struct err *err)
{
	p->failed_count++;
	if (p->run->is_apache) {
		say_lost(p, record_tag(r), err);
		return 0;
	}
	if (rc != E_TOO_LARGE)
		return rc;
	print_error("%s: line %lld: %s\n", p->run->name, (long long)p->reader.line_number,
		    err_message(err));
	return 0;
}

static int producing_send(struct producing *p, const struct line_record *r, struct err *err)
{
	struct producer_record record = {
		.topic = str_of(p->args->topic), .partition = -1, .timestamp = -1, .key = r->key,
		.value = r->value, .headers = r->headers, .header_count = r->header_count,
		.tag = p->run->is_apache ? record_tag(r) : 0};
	int rc = producer_send(p->producer, &record, err);

	if (rc == E_AGAIN)
		rc = producer_send_wait(p->producer, &record, err);
	if (rc == E_INTERRUPTED)
		return rc;
	if (rc < 0)
		return producing_refused(p, r, rc, err);
	if (p->args->sync)
		return producer_flush(p->producer, -1, err);
	return 0;
}

static int producing_loop(struct producing *p, struct err *err)
{
	for (;;) {
		struct line_record record;
		struct str line;
		int rc;

		if (p->prompts) {
			print_byte('>');
			print_flush();
		}
		rc = producing_line(p, &line, err);
		if (rc <= 0)
			return rc;
		/* Apache's tool reads text: other bytes do not survive it. Ours sends them as they
		 * are. */
		if (p->run->is_apache && !utf8_is_valid(line)) {
			out_reset(&p->repaired);
			utf8_repair(&p->repaired, line);
			line = (struct str){(const char *)p->repaired.data, p->repaired.len};
		}
		rc = record_reader_parse(&p->reader, line, &record, err);
		if (rc == 0)
			rc = producing_send(p, &record, err);
		if (rc < 0)
			return rc;
	}
}

/* ---- Start and end ------------------------------------------------------------------------ */

static int producing_failure(struct producing *p, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception = err->code == E_MALFORMED ? NULL : err_exception(err, class);

	if (!p->run->is_apache)
		return help_failure(p->run, err);
	print_error("%s%s: %s\n", p->args->sync && exception
		    ? "java.util.concurrent.ExecutionException: " : "",
		    exception ? exception : "org.apache.kafka.common.KafkaException",
		    err_message(err));
	return EXIT_FAILED;
}

/* Flushes what was taken and tells how it went. */
static int producing_end(struct producing *p, int rc, const struct err *err)
{
	struct err flush_err = {0};
	int flush_rc = producer_flush(p->producer, -1, &flush_err);
	int code = EXIT_OK;

	if (rc < 0 && rc != E_INTERRUPTED)
		code = producing_failure(p, err);
	else if (p->failed_count > 0 && !p->run->is_apache)
		code = producer_stats(p->producer)->acked_count > 0
			? EXIT_PARTIAL : help_exit_code(p->run, &flush_err);
	else if (flush_rc < 0 && p->failed_count == 0 && flush_rc != E_INTERRUPTED)
		code = producing_failure(p, &flush_err);
	if (p->failed_count > 0 && code == EXIT_OK && !p->run->is_apache)
		code = EXIT_FAILED;
	return signals_exit_code(&p->signals, code);
}

static int producing_run(struct producing *p)
{
	struct producer_options options = {.delivered = producing_delivered, .ctx = p,
					   .want_tags = p->run->is_apache};
	struct err err = {0};
	int rc, code;

	rc = producer_new(&p->producer, p->connection.client, &options, &err);
	if (rc < 0)
		return producing_failure(p, &err);
	signals_start(&p->signals, p->connection.client);
	input_start(p);
	line_reader_init(&p->lines, STDIN_FILENO);
	out_init(&p->repaired, SIZE_MAX / 2);
	rc = producing_loop(p, &err);
	code = producing_end(p, rc, &err);
	line_reader_fini(&p->lines);
	out_fini(&p->repaired);
	if (p->input_polls)
		uv_close((uv_handle_t *)&p->input, NULL);
	signals_stop(&p->signals);
	producer_free(p->producer);
	return code;
}

static int producer_run(struct run *run, void *data)
{
	struct producing p = {.run = run, .args = data};
	struct client_config *config;
	struct props reader_props;
	struct err err = {0};
	int rc, code;

	if (producer_check(run, p.args, &err) < 0)
		return help_usage(run, &err);
	props_init(&reader_props);
	rc = producer_reader_props(p.args, &reader_props, &err);
	if (rc == 0)
		rc = record_reader_init(&p.reader, &reader_props, &err);
	config = rc == 0 ? producer_config(run, p.args, &err) : NULL;
	if (config && connect_open(&p.connection, config, "console-producer", &err) == 0) {
		code = producing_run(&p);
		connect_close(&p.connection);
	} else {
		code = producing_failure(&p, &err);
	}
	record_reader_fini(&p.reader);
	props_fini(&reader_props);
	return code;
}
