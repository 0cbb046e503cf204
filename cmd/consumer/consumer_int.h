/* Inside `consumer`: its options, their checks, the configs that follow from them
 * (consumer_config.c) and one run (consuming.c). */
#ifndef KAVKA_CMD_CONSUMER_INT_H
#define KAVKA_CMD_CONSUMER_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/consumer/formatter.h"
#include "cmd/consumer/grep.h"
#include "cmd/consumer/place.h"
#include "cmd/consumer/printed.h"
#include "cmd/consumer/range.h"
#include "cmd/consumer/tail.h"
#include "cmd/output.h"
#include "cmd/signals.h"

#include "client/consumer.h"

#define CONSUMER_CLASS "org.apache.kafka.tools.consumer.ConsoleConsumer"

struct consumer_args {
	struct cluster_args cluster;
	struct output_args output;
	struct registry_args registry;
	const char *topic, *include, *partition;
	struct opt_list offsets;
	bool from_beginning, exit_at_end;
	const char *until;
	int64_t tail, max_messages, timeout_ms;
	const char *group, *isolation_level;
	const char *formatter, *format;
	bool is_pretty, prints_null;
	const char *grep, *grep_key;
	struct opt_list formatter_properties, old_formatter_properties;
	const char *formatter_config, *key_deserializer, *value_deserializer;
	struct opt_list properties, old_properties;
	const char *old_config;
	bool skip_on_error, systest_events, new_consumer;

	/* what follows from them */
	struct place from, end; /* of --offset, --tail; of --until, --exit */
	int64_t stop_ms;        /* of -o e@TIME; -1 */
	int32_t *partitions;    /* in the run's arena */
	size_t partition_count; /* 0: all */
	bool has_group;         /* the user named one */
	bool assigns;           /* takes the partitions itself, joins no group */
};

/* The rules between options; merges old spellings into the new ones. 0 or E_USAGE. */
MUST_USE int consumer_check(struct run *run, struct consumer_args *args, struct err *err);

/* File, --formatter-property, deserializers; in this order. */
MUST_USE int consumer_formatter_props(const struct run *run, const struct consumer_args *args,
				      struct props *props, struct err *err);

/* NULL with `err` set: E_USAGE for what should be printed with the help. */
struct client_config *consumer_config(const struct run *run, struct consumer_args *args,
				      struct err *err);

/* ---- One run ------------------------------------------------------------------------------ */

struct consuming {
	struct run *run;
	struct consumer_args *args;
	struct connection connection;
	struct consumer *consumer;
	struct signals signals;
	struct formatter formatter;
	struct template *template;
	struct serde *serde;
	struct grep *grep, *grep_key;
	struct range range;
	struct tail *tail; /* NULL: records are printed as they come */
	struct printed printed;
	uint64_t count, count_max;
	int64_t last_ms; /* when the last record came, or the start */
	bool has_begun, is_done;
	bool was_there;   /* a broker gave us something */
	bool is_away;     /* no broker answers; told */
	uv_poll_t output; /* stdout, to learn that its reader went away while nothing is written */
	bool watches_output, output_gone;
	bool hinted;
	const char *exception; /* Java's class of what ended the run, if it has one */
	/* By hand: the partitions that we took. */
	int32_t part_count;
	struct client_watcher watcher; /* of the topic */
	bool is_watching;
	/* By a group: partitions that were given to us and wait for their range. */
	struct position *fresh; /* topics owned */
	size_t fresh_count, fresh_cap;
};

/* The whole run, from connecting to the last words. Returns the exit code. */
int consuming_run(struct consuming *k);

#endif
