/* Inside `consumer`: its options, their checks, and the configs that follow from them. */
#ifndef KAVKA_CMD_CONSUMER_INT_H
#define KAVKA_CMD_CONSUMER_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"

#include "client/consumer.h"

struct consumer_args {
	struct cluster_args cluster;
	const char *topic, *include;
	int64_t partition;
	const char *offset;
	bool from_beginning;
	int64_t max_messages, timeout_ms;
	const char *group, *isolation_level;
	const char *formatter;
	struct opt_list formatter_properties, old_formatter_properties;
	const char *formatter_config, *key_deserializer, *value_deserializer;
	struct opt_list properties, old_properties;
	const char *old_config;
	bool skip_on_error, systest_events, new_consumer;

	int64_t start;		/* of --partition: OFFSET_BEGINNING, OFFSET_END or an offset */
	bool has_group;		/* the user named one */
};

/* The rules between options; merges old spellings into the new ones. 0 or E_USAGE. */
MUST_USE int consumer_check(const struct run *run, struct consumer_args *args, struct err *err);

/* File, --formatter-property, deserializers; in this order. */
MUST_USE int consumer_formatter_props(const struct consumer_args *args, struct props *props,
				      struct err *err);

/* NULL with `err` set: E_USAGE for what should be printed with the help. */
struct client_config *consumer_config(const struct run *run, struct consumer_args *args,
				      struct err *err);

#endif
