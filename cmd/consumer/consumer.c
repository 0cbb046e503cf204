/* consumer: records of topics become lines of standard output (kafka-console-consumer). */
#include "cmd/consumer/consumer_int.h"
#include "cmd/consumer/template.h"
#include "cmd/notice.h"

#include <stdlib.h>

static int consumer_run(struct run *run, void *args);

#define AT(field) offsetof(struct consumer_args, field)

static const struct opt consumer_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .brief = 't', .complete = COMPLETE_TOPIC,
	 .help = "The topic to read."},
	{"include", OPT_STRING, AT(include), .arg = "Java regex (String)", .old = "whitelist",
	 .help = "A pattern of the topics to read, which must match whole names."},
	{"partition", OPT_STRING, AT(partition), .arg = "partition", .brief = 'p',
	 .help = "Read only this partition, or these (0,2-4), from the end unless --offset says "
		 "otherwise."},
	{"offset", OPT_LIST, AT(offsets), .arg = "consume offset", .brief = 'o',
	 .complete = COMPLETE_WORDS, .words = "beginning end stored earliest latest",
	 .help = "Where to begin: an offset, beginning (earliest), end (latest), stored, -N "
		 "before the end, +N behind the beginning, or @TIME."},
	{"from-beginning", OPT_FLAG, AT(from_beginning),
	 .help = "Begin with the oldest record if the group has no offset yet."},
	{"until", OPT_STRING, AT(until), .arg = "offset", .flags = OPT_OWN,
	 .complete = COMPLETE_WORDS, .words = "end",
	 .help = "Stop before this place, in the forms of --offset; end is what is there now."},
	{"exit", OPT_FLAG, AT(exit_at_end), .brief = 'e', .flags = OPT_OWN,
	 .help = "Stop at the end of what is there now: short for --until end."},
	{"tail", OPT_INT, AT(tail), .arg = "count", .min = 0, .max = 1000000, .flags = OPT_OWN,
	 .help = "Print the newest records of all partitions in order of time, so many of them, "
		 "and stop."},
	{"max-messages", OPT_INT, AT(max_messages), .arg = "num_messages", .brief = 'c',
	 .old = "count", .min = -1, .max = INT32_MAX, .help = "Stop after so many records."},
	{"timeout-ms", OPT_INT, AT(timeout_ms), .arg = "timeout_ms", .min = INT64_MIN,
	 .max = INT64_MAX, .help = "Stop when no record came for this time."},
	{"group", OPT_STRING, AT(group), .arg = "consumer group id", .brief = 'G',
	 .complete = COMPLETE_GROUP,
	 .help = "Share the partitions with this group and commit its offsets."},
	{"isolation-level", OPT_STRING, AT(isolation_level), .arg = "isolation_level",
	 .complete = COMPLETE_WORDS, .words = "read_uncommitted read_committed",
	 .value = "read_uncommitted",
	 .help = "read_committed leaves out records of open and aborted transactions."},
	{"grep", OPT_STRING, AT(grep), .arg = "regex", .flags = OPT_OWN,
	 .help = "Print only records in whose value this regular expression (PCRE2) is found."},
	{"grep-key", OPT_STRING, AT(grep_key), .arg = "regex", .flags = OPT_OWN,
	 .help = "Print only records in whose key this regular expression is found."},
	{"output", OPT_STRING, AT(output.format), .arg = "form", .flags = OPT_OWN,
	 .complete = COMPLETE_WORDS, .words = "text json hex base64 hexdump none",
	 .help = "How to print records: text (as Apache's tool), json (one object a line), hex or "
		 "base64 (key, value, headers, timestamp), hexdump, none."},
	{"json", OPT_FLAG, AT(output.json), .brief = 'J', .flags = OPT_OWN,
	 .help = "Print one JSON object a line: short for --output json."},
	{"format", OPT_STRING, AT(format), .arg = "format", .brief = 'f', .flags = OPT_OWN,
	 .help = "Print records by a template: %s value, %k key, %t topic, %p partition, %o "
		 "offset, %T timestamp, %h headers, %S %K lengths, %R length in binary, \\n \\t "
		 "\\xHH."},
	{"pretty", OPT_FLAG, AT(is_pretty), .flags = OPT_OWN,
	 .help = "Print JSON indented, in many lines."},
	{"null", OPT_FLAG, AT(prints_null), .brief = 'Z', .flags = OPT_OWN,
	 .help = "Print NULL for null keys and values: short for null.literal=NULL."},
	{"quiet", OPT_FLAG, AT(output.quiet), .brief = 'q', .flags = OPT_OWN,
	 .help = "Print data and errors only, not how many records there were."},
	OPTS_FORMATS,
	OPTS_REGISTRY,
	{"formatter", OPT_STRING, AT(formatter), .arg = "class", .complete = COMPLETE_WORDS,
	 .words = "org.apache.kafka.tools.consumer.DefaultMessageFormatter "
		  "org.apache.kafka.tools.consumer.LoggingMessageFormatter "
		  "org.apache.kafka.tools.consumer.NoOpMessageFormatter "
		  "org.apache.kafka.tools.consumer.OffsetsMessageFormatter "
		  "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter "
		  "org.apache.kafka.tools.consumer.ShareGroupMessageFormatter "
		  "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter "
		  "org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter",
	 .value = "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
	 .help = "The class that prints records."},
	{"formatter-property", OPT_LIST, AT(formatter_properties), .arg = "prop",
	 .help = "A property of the formatter, key=value: print.timestamp, print.partition, "
		 "print.offset, print.delivery, print.epoch, print.headers, print.key, "
		 "print.value, key.separator, line.separator, headers.separator, null.literal, "
		 "key.deserializer, value.deserializer, headers.deserializer; may be repeated."},
	{"property", OPT_LIST, AT(old_formatter_properties), .arg = "prop", .flags = OPT_OLD,
	 .help = "An old name of --formatter-property."},
	{"formatter-config", OPT_STRING, AT(formatter_config), .arg = "config file",
	 .complete = COMPLETE_FILE, .help = "A properties file for the formatter."},
	{"key-deserializer", OPT_STRING, AT(key_deserializer), .arg = "deserializer for key",
	 .help = "The class that makes text of keys."},
	{"value-deserializer", OPT_STRING, AT(value_deserializer), .arg = "deserializer for values",
	 .help = "The class that makes text of values."},
	{"command-property", OPT_LIST, AT(properties), .arg = "consumer_prop",
	 .complete = COMPLETE_CLIENT_CONFIG,
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

/* What --output, --json and --format ask for, else --formatter. */
static int consumer_formatter(struct consuming *k, struct props *props, struct err *err)
{
	const struct consumer_args *args = k->args;
	const char *form = args->output.json ? "json" : args->output.format;
	int rc;

	if (form && strchr(form, '.'))
		return err_set(err, E_USAGE,
			       "--output: '%s' is none of text json hex base64 "
			       "hexdump none",
			       form);
	if (form && strcmp(form, "text") == 0)
		form = NULL;
	rc = formatter_init(&k->formatter, form ? form : args->formatter, props, err);
	if (rc < 0 && form)
		return err_set(err, E_USAGE,
			       "--output: '%s' is none of text json hex base64 "
			       "hexdump none",
			       form);
	if (rc < 0)
		return rc;
	k->formatter.ends_lines = !k->run->is_apache;
	k->formatter.decodes_null = k->run->is_apache;
	k->formatter.is_pretty = args->is_pretty;
	if (!args->format)
		return 0;
	k->template = template_new(args->format, err);
	if (!k->template)
		return err->code;
	k->formatter.kind = FORMAT_TEMPLATE;
	k->formatter.template = k->template;
	return 0;
}

static int consumer_filters(struct consuming *k, struct err *err)
{
	const struct consumer_args *args = k->args;

	if (args->grep) {
		k->grep = grep_new(args->grep, "grep", err);
		if (!k->grep)
			return err->code;
	}
	if (args->grep_key) {
		k->grep_key = grep_new(args->grep_key, "grep-key", err);
		if (!k->grep_key)
			return err->code;
	}
	if (opt_given(k->run, "tail"))
		k->tail = tail_new((size_t)args->tail);
	return 0;
}

static int consumer_prepare(struct consuming *k, struct props *props, struct client_config **config,
			    struct err *err)
{
	int rc = consumer_formatter_props(k->run, k->args, props, err);

	if (rc == 0)
		rc = consumer_formatter(k, props, err);
	if (rc == 0)
		rc = consumer_filters(k, err);
	if (rc < 0)
		return rc;
	*config = consumer_config(k->run, k->args, err);
	if (!*config)
		return err->code;
	rc = serde_new(&k->serde, &k->args->registry, &k->args->cluster, props, err);
	k->formatter.serde = k->serde;
	return rc;
}

static int consumer_run(struct run *run, void *data)
{
	struct consuming k = {.run = run, .args = data};
	struct client_config *config = NULL;
	struct props props;
	struct err err = {0};
	int rc, code;

	if (consumer_check(run, k.args, &err) < 0)
		return help_usage(run, &err);
	props_init(&props);
	arena_init(&k.formatter.scratch);
	rc = consumer_prepare(&k, &props, &config, &err);
	if (rc < 0) {
		code = err.code == E_USAGE || (run->is_apache && rc == E_INVALID && !config)
			       ? help_usage(run, &err)
			       : help_failure(run, &err);
		client_config_free(config);
	} else if (connect_open(&k.connection, config, "console-consumer", &err) < 0) {
		code = help_failure(run, &err);
	} else {
		code = consuming_run(&k);
		connect_close(&k.connection);
	}
	grep_free(k.grep);
	grep_free(k.grep_key);
	tail_free(k.tail);
	template_free(k.template);
	serde_free(k.serde);
	formatter_fini(&k.formatter);
	props_fini(&props);
	return code;
}
