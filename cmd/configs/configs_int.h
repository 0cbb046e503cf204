/* Inside `configs`: what is to be described or changed. */
#ifndef KAVKA_CMD_CONFIGS_INT_H
#define KAVKA_CMD_CONFIGS_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/output.h"

#include "config/config.h"

struct configs_args {
	struct cluster_args cluster;
	struct output_args output;
	bool alter, describe, all, non_default;
	struct opt_list entity_types, entity_names;
	bool entity_default, broker_defaults, client_defaults, user_defaults, ip_defaults;
	const char *topic, *broker, *broker_logger, *group, *client_metrics, *client, *user, *ip;
	const char *add_config, *add_config_file, *password_file;
	struct opt_list delete_config;
};

/* A kind of thing with configs. */
struct entity_type {
	const char *plural; /* "topics", as --entity-type has it; without its s it is one */
	enum config_resource resource; /* 0: it has quotas instead */
	int8_t source;                 /* of its own values in DescribeConfigs */
	const char *quota;             /* its name in quotas ("user"), and how they are printed */
	const char *quota_text;
	bool has_default; /* --entity-default means something */
};

#define ENTITIES_MAX 8

/* Types and names as given; both lists are in the order of the command line and belong together by
 * position. The name "" is the default entity. */
struct entities {
	const struct entity_type *types[ENTITIES_MAX];
	struct str names[ENTITIES_MAX];
	unsigned type_count, name_count;
};

struct change {
	struct str name, value;
	bool is_delete;
};

struct changes {
	struct change *items; /* deletions first */
	size_t count;
};

struct configs {
	struct run *run;
	const struct configs_args *args;
	enum output_format format;
	struct client *client;
	struct arena *arena;
	struct entities entities;
	struct grid grid; /* --output table */
};

/* ---- configs_entity.c --------------------------------------------------------------------- */

/* Reads and checks which entities are meant. 0 or E_INVALID in Apache's words. */
MUST_USE int entities_read(const struct run *run, const struct configs_args *args,
			   struct entities *out, struct err *err);
/* "topics" -> "topic": how many bytes of the plural. */
static inline int entity_singular_len(const struct entity_type *t)
{
	return (int)strlen(t->plural) - 1;
}
bool entities_have_type(const struct entities *e, const char *plural);
/* Is there a name of that kind: an entity's own, or the default one? */
bool entities_have_name(const struct entities *e);
bool entities_have_default(const struct entities *e);

/* ---- configs_changes.c -------------------------------------------------------------------- */

/* "k1=v1,k2=[v2,v3]" and the files and lists of the other options, deletions first. 0 or E_INVALID
 * in Apache's words. */
MUST_USE int configs_changes(struct run *run, const struct configs_args *args, struct changes *out,
			     struct err *err);

/* ---- configs_resource.c, configs_quota.c, configs_scram.c ---------------------------------- */

/* The name of a config source in the protocol: "DYNAMIC_TOPIC_CONFIG". */
const char *config_source_name(int8_t source);

MUST_USE int resource_describe(struct configs *c, struct err *err);
MUST_USE int resource_alter(struct configs *c, const struct changes *changes, struct err *err);
MUST_USE int quota_describe(struct configs *c, struct err *err);
MUST_USE int quota_alter(struct configs *c, const struct changes *changes, struct err *err);
MUST_USE int scram_describe(struct configs *c, struct err *err);
MUST_USE int scram_alter(struct configs *c, const struct changes *changes, struct err *err);
bool scram_is_mechanism(struct str name);

#endif
