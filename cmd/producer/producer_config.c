/* The console producer's options: rules, reader properties, producer configs. */
#include "cmd/notice.h"
#include "cmd/print.h"
#include "cmd/producer/producer_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Readers that others wrote in Java are not here. */
static int check_line_reader(const struct run *run, const char *name, struct err *err)
{
	const char *dot = strrchr(name, '.'), *dollar = strrchr(name, '$');
	const char *simple = dollar ? dollar + 1 : dot ? dot + 1 : name;

	if (strcmp(simple, "LineMessageReader") == 0)
		return 0;
	if (!run->is_apache)
		return err_set(err, E_USAGE,
			       "--line-reader %s: there is only LineMessageReader "
			       "(see --input)",
			       name);
	if (strncmp(name, "java.", 5) == 0)
		return err_set(err, E_INVALID,
			       "java.lang.IllegalArgumentException: The reader must "
			       "implement org.apache.kafka.tools.api.RecordReader interface");
	return err_set(err, E_INVALID, "java.lang.ClassNotFoundException: %s", name);
}

/* Somebody who types is asked for the topic; lines of JSON may name their own. */
static int check_topic(const struct run *run, const struct producer_args *args, struct err *err)
{
	bool may_ask = !run->is_apache && args->files.count == 0 && isatty(STDIN_FILENO) &&
		       (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO));

	if (may_ask || (args->input && strcmp(args->input, "json") == 0))
		return 0;
	return opt_require(run, "topic", err);
}

/* The rules between kavka's own options. */
static int check_own(const struct run *run, struct producer_args *args, struct err *err)
{
	int rc = opt_conflict(run, "file", "input tombstone key-delimiter", err);

	if (!opt_given(run, "partition"))
		args->partition = -1;
	if (rc == 0)
		rc = opt_conflict(run, "partition", "partitioner", err);
	if (rc == 0 && args->key_delimiter && args->input && strcmp(args->input, "text") != 0)
		rc = err_set(err, E_USAGE,
			     "--key-delimiter goes with --input text; lines of %s "
			     "have a place for the key",
			     args->input);
	if (rc == 0 && args->key_delimiter && !*args->key_delimiter)
		rc = err_set(err, E_USAGE, "--key-delimiter needs a text");
	return rc;
}

int producer_check(const struct run *run, struct producer_args *args, struct err *err)
{
	int rc = check_topic(run, args, err);

	if (rc == 0)
		rc = check_own(run, args, err);
	if (rc == 0)
		rc = notice_both(run, "command-config", "producer.config", err);
	if (rc == 0)
		rc = notice_both(run, "command-property", "producer-property", err);
	if (rc == 0)
		rc = notice_both(run, "reader-property", "property", err);
	if (rc < 0)
		return rc;
	if (args->old_properties.count > 0) {
		notice_old(run,
			   "Warning: --producer-property is deprecated and will be removed in a "
			   "future version. Use --command-property instead.");
		args->properties = args->old_properties;
	}
	if (args->old_config) {
		notice_old(run, "Warning: --producer.config is deprecated and will be removed in a "
				"future version. Use --command-config instead.");
		args->cluster.command_config = args->old_config;
	}
	if (args->old_reader_properties.count > 0) {
		notice_old(run, "Warning: --property is deprecated and will be removed in a future "
				"version. Use --reader-property instead.");
		args->reader_properties = args->old_reader_properties;
	}
	if (opt_given(run, "max-partition-memory-bytes"))
		notice_old(run, "Warning: --max-partition-memory-bytes is deprecated and will be "
				"removed in Apache Kafka 5.0. Use --batch-size instead.");
	if (args->cluster.bootstrap_server || !connect_has_server(run))
		rc = connect_check_bootstrap(args->cluster.bootstrap_server, err);
	return rc < 0 ? rc : check_line_reader(run, args->line_reader, err);
}

/* "a\\tb" -> a, TAB, b: in the arena. */
static const char *unescaped(struct arena *a, const char *text)
{
	char *out = arena_strdup(a, text), *to = out;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] == 't')
			*to++ = '\t';
		else if (text[0] == '\\' && text[1] == '\\')
			*to++ = '\\';
		else {
			*to++ = *text;
			continue;
		}
		text++;
	}
	*to = '\0';
	return out;
}

int producer_reader_props(struct run *run, const struct producer_args *args, struct props *props,
			  struct err *err)
{
	int rc = args->reader_config ? props_read(props, args->reader_config, err) : 0;

	if (args->topic)
		props_set(props, "topic", args->topic);
	for (unsigned i = 0; rc == 0 && i < args->reader_properties.count; i++) {
		const char *pair = args->reader_properties.items[i];

		/* Apache's tool takes a name alone for one without a value. */
		if (run->is_apache && !strchr(pair, '='))
			props_set(props, pair, "");
		else
			rc = props_set_pair(props, pair, err);
	}
	if (args->key_delimiter) {
		props_set(props, "parse.key", "true");
		props_set(props, "key.separator", unescaped(&run->arena, args->key_delimiter));
	}
	if (args->null_marker)
		props_set(props, "null.marker", args->null_marker);
	return rc;
}

struct option_config {
	const char *option;
	enum client_config_key key;
	int64_t number;
};

static int config_number(struct client_config *config, enum client_config_key key, int64_t number,
			 struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return client_config_set(config, client_config_rows[key].name, text, err);
}

/* An option that was given wins; its default counts only where nothing else was said. */
static int config_options(const struct run *run, const struct producer_args *args,
			  struct client_config *config, struct err *err)
{
	const struct option_config options[] = {
		{"message-send-max-retries", CC_RETRIES, args->retries},
		{"retry-backoff-ms", CC_RETRY_BACKOFF_MS, args->retry_backoff_ms},
		{"timeout", CC_LINGER_MS, args->linger_ms},
		{"request-timeout-ms", CC_REQUEST_TIMEOUT_MS, args->request_timeout_ms},
		{"metadata-expiry-ms", CC_METADATA_MAX_AGE_MS, args->metadata_expiry_ms},
		{"max-block-ms", CC_MAX_BLOCK_MS, args->max_block_ms},
		{"max-memory-bytes", CC_BUFFER_MEMORY, args->max_memory_bytes},
		{"batch-size", CC_BATCH_SIZE, args->batch_size},
		{"socket-buffer-size", CC_SEND_BUFFER_BYTES, args->socket_buffer_size},
	};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < ARRAY_LEN(options); i++) {
		int64_t number = options[i].number;
		bool given = opt_given(run, options[i].option);

		if (!given && client_config_is_set(config, options[i].key))
			continue;
		/* Somebody who types wants to see the record now, not in a second. */
		if (!given && options[i].key == CC_LINGER_MS && isatty(STDIN_FILENO))
			number = 0;
		rc = config_number(config, options[i].key, number, err);
	}
	if (rc == 0 && opt_given(run, "max-partition-memory-bytes"))
		rc = config_number(config, CC_BATCH_SIZE, args->max_partition_memory_bytes, err);
	if (rc == 0 &&
	    (opt_given(run, "request-required-acks") || !client_config_is_set(config, CC_ACKS)))
		rc = client_config_set(config, "acks", args->acks, err);
	/* Apache's tool always writes this one, so that a property of that name has no effect. */
	if (rc == 0 && opt_given(run, "compression-codec"))
		rc = client_config_set(config, "compression.type",
				       args->compression ? args->compression : "gzip", err);
	else if (rc == 0 && run->is_apache)
		rc = client_config_set(config, "compression.type", "none", err);
	return rc;
}

/* --partitioner in the words of the configs. */
static int config_partitioner(const char *name, struct client_config *config, struct err *err)
{
	static const struct {
		const char *name, *class, *ignore_keys;
	} rows[] = {
		{"java", "", "false"},
		{"sticky", "", "true"},
		{"round-robin", "org.apache.kafka.clients.producer.RoundRobinPartitioner", "false"},
	};

	for (unsigned i = 0; name && i < ARRAY_LEN(rows); i++) {
		int rc;

		if (strcmp(name, rows[i].name) != 0)
			continue;
		rc = client_config_set(config, "partitioner.class", rows[i].class, err);
		return rc < 0 ? rc
			      : client_config_set(config, "partitioner.ignore.keys",
						  rows[i].ignore_keys, err);
	}
	return name ? err_set(err, E_USAGE, "--partitioner is java, sticky or round-robin, not %s",
			      name)
		    : 0;
}

struct client_config *producer_config(const struct run *run, const struct producer_args *args,
				      struct err *err)
{
	struct client_config *config = connect_config(&args->cluster, CLIENT_PRODUCER, err);
	int rc = 0;

	if (!config)
		return NULL;
	for (unsigned i = 0; rc == 0 && i < args->properties.count; i++) {
		const char *pair = args->properties.items[i];

		if (!run->is_apache || strchr(pair, '='))
			rc = client_config_set_pair(config, pair, err);
	}
	if (rc == 0)
		rc = config_options(run, args, config, err);
	if (rc == 0)
		rc = config_partitioner(args->partitioner, config, err);
	/* It belongs to the option, whatever the properties say. */
	if (rc == 0 && args->cluster.bootstrap_server)
		rc = client_config_set(config, "bootstrap.servers", args->cluster.bootstrap_server,
				       err);
	if (rc == 0)
		return config;
	client_config_free(config);
	return NULL;
}
