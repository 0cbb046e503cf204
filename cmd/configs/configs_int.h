/* Inside `configs`: what is to be described or changed. */
#ifndef KAVKA_CMD_CONFIGS_INT_H
#define KAVKA_CMD_CONFIGS_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"

#include "config/config.h"

struct configs_args {
	struct cluster_args cluster;
	bool alter, describe, all;
	struct opt_list entity_types, entity_names;
	bool entity_default, broker_defaults;
	const char *topic, *broker, *broker_logger, *group, *client_metrics;
	const char *add_config, *add_config_file;
	struct opt_list delete_config;
};

/* A kind of thing with configs. */
struct entity_type {
	const char *plural;	/* "topics", as --entity-type has it; without its s it is one */
	enum config_resource resource;
	int8_t source;		/* of its own values in DescribeConfigs */
};

struct entity {
	const struct entity_type *type;
	struct str name;	/* null: none given; "" the default of brokers */
};

struct change {
	struct str name, value;
	bool is_delete;
};

/* "k1=v1,k2=[v2,v3]" and the files and lists of the other options, deletions first. 0 or E_INVALID
 * in Apache's words. */
MUST_USE int configs_changes(struct run *run, const struct configs_args *args, struct change **out,
			     size_t *count, struct err *err);

#endif
