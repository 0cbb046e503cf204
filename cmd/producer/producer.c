/* producer: lines of standard input, or files, become records (kafka-console-producer). */
#include "cmd/connect.h"
#include "cmd/producer/failure.h"
#include "cmd/producer/producing.h"

static int producer_run(struct run *run, void *args);

#define AT(field) offsetof(struct producer_args, field)
#define MS_RANGE .min = 0, .max = INT64_MAX

static const struct opt producer_opts[] = {
	OPTS_CLUSTER,
	OPTS_OUTPUT,
	OPTS_FORMATS,
	OPTS_REGISTRY,
	OPTS_SCHEMAS,
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
	 .complete = COMPLETE_CLIENT_CONFIG,
	 .help = "A config of the producer, key=value; may be repeated."},
	{"producer-property", OPT_LIST, AT(old_properties), .arg = "producer_prop",
	 .flags = OPT_OLD, .help = "An old name of --command-property."},
	{"producer.config", OPT_STRING, AT(old_config), .arg = "config file",
	 .complete = COMPLETE_FILE, .flags = OPT_OLD, .help = "An old name of --command-config."},
	{"key", OPT_STRING, AT(key), .arg = "key", .brief = 'k', .flags = OPT_OWN,
	 .help = "The key of each record that brings none of its own."},
	{"key-delimiter", OPT_STRING, AT(key_delimiter), .arg = "text", .brief = 'K',
	 .flags = OPT_OWN,
	 .help = "Lines are KEY, this text, VALUE: short for the properties parse.key and "
		 "key.separator; \\t is a TAB."},
	{"header", OPT_LIST, AT(headers), .arg = "name=value", .brief = 'H', .flags = OPT_OWN,
	 .help = "A header of each record; may be repeated."},
	{"partition", OPT_INT, AT(partition), .arg = "partition", .brief = 'p', .min = 0,
	 .max = INT32_MAX, .value = NULL, .flags = OPT_OWN,
	 .help = "The partition of each record that names none of its own."},
	{"timestamp", OPT_STRING, AT(timestamp), .arg = "time", .brief = 'T', .flags = OPT_OWN,
	 .help = "The time of each record that brings none: milliseconds since 1970, or a date as "
		 "2026-08-01T12:00:00Z; without it the time when it is sent."},
	{"input", OPT_STRING, AT(input), .arg = "format", .complete = COMPLETE_WORDS,
	 .words = INPUT_WORDS, .flags = OPT_OWN,
	 .help = "What standard input has: lines of text, of JSON, hex or base64 as the consumer "
		 "prints them, or file: one record, its bytes as they are."},
	{"file", OPT_LIST, AT(files), .arg = "file", .complete = COMPLETE_FILE, .brief = 'f',
	 .flags = OPT_OWN,
	 .help = "Send this file as one record, and read no standard input; may be repeated."},
	{"tombstone", OPT_FLAG, AT(tombstone), .brief = 'Z', .flags = OPT_OWN,
	 .help = "Values are null: one record with --key, or one for each line, which is a key."},
	{"null-marker", OPT_STRING, AT(null_marker), .arg = "text", .flags = OPT_OWN,
	 .help = "A key or value equal to this is null: short for the property null.marker."},
	{"partitioner", OPT_STRING, AT(partitioner), .arg = "name", .complete = COMPLETE_WORDS,
	 .words = PARTITIONER_WORDS, .flags = OPT_OWN,
	 .help = "Who chooses partitions, also of records that name one: java (murmur2 of the "
		 "key), sticky (keys do not count) or round-robin."},
	{"verbose", OPT_FLAG, AT(verbose), .brief = 'v', .flags = OPT_OWN,
	 .help = "Print TOPIC-PARTITION@OFFSET for each record that was acknowledged; with "
		 "--output json "
		 "an object, also for those that were not."},
	{"key-serializer", OPT_GONE, 0,
	 .help = "leave it out, text is sent as it is; --key-format knows numbers."},
	{"value-serializer", OPT_GONE, 0,
	 .help = "leave it out, text is sent as it is; --value-format knows numbers."},
	{"queue-size", OPT_GONE, 0, .help = "write --max-memory-bytes BYTES instead."},
	{"queue-enqueuetimeout-ms", OPT_GONE, 0, .help = "write --max-block-ms MS instead."},
	{"old-producer", OPT_GONE, 0, .help = "leave it out, there is only one producer now."},
	OPT_END,
};

const struct command cmd_producer = {
	.name = "producer",
	.alias = "kafka-console-producer",
	.dialect = JOPT,
	.summary = "write lines of standard input, or files, to a topic",
	.intro = "This tool helps to read data from standard input and publish it to Kafka.",
	.opts = producer_opts,
	.args_size = sizeof(struct producer_args),
	.run = producer_run,
};

/* ---- One run ------------------------------------------------------------------------------ */

static int producer_run(struct run *run, void *data)
{
	struct producing p = {.run = run, .args = data};
	enum failure_stage stage = FAILURE_OPTIONS;
	struct client_config *config = NULL;
	struct props reader_props;
	struct err err = {0};
	int rc, code;

	if (producer_check(run, p.args, &err) < 0 ||
	    output_format(&p.args->output, &p.format, &err) < 0)
		return failure_print(run, stage, &err);
	stage = FAILURE_READER;
	props_init(&reader_props);
	rc = producer_reader_props(run, p.args, &reader_props, &err);
	if (rc == 0)
		rc = record_maker_init(&p.maker, p.args, &reader_props, run->is_apache, &err);
	if (rc == 0)
		rc = serde_new(&p.maker.serde, &p.args->registry, &p.args->cluster, &reader_props,
			       &err);
	if (rc == 0) {
		stage = FAILURE_CONFIG;
		config = producer_config(run, p.args, &err);
	}
	if (config && connect_open(&p.connection, config, "console-producer", &err) == 0) {
		code = producing_run(&p);
		connect_close(&p.connection);
	} else {
		code = failure_print(run, stage, &err);
	}
	serde_free(p.maker.serde);
	record_maker_fini(&p.maker);
	props_fini(&reader_props);
	return code;
}
