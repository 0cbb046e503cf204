/* Inside `topics`: its options as parsed, and its parts. */
#ifndef KAVKA_CMD_TOPICS_INT_H
#define KAVKA_CMD_TOPICS_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"

struct topics_args {
	struct cluster_args cluster;
	bool create, list, describe, alter, delete;
	const char *topic, *topic_id;
	struct opt_list configs;
	const char *delete_config;
	int64_t partitions, replication_factor;
	const char *replica_assignment;
	bool under_replicated, unavailable, under_min_isr, at_min_isr, overrides_only;
	bool if_exists, if_not_exists, exclude_internal;
	int64_t partition_limit;
	bool json;
};

/* Names of topics in an arena, sorted. */
struct topic_names {
	struct str *items;
	size_t count;
};

/* The topics that --topic means: a pattern, or under kavka's name first of all a name. Without
 * --topic all of them. E_NOT_FOUND (unless --if-exists: then none) in Apache's words. */
MUST_USE int topics_match(struct run *run, const struct topics_args *args, struct client *c,
			  struct topic_names *out, struct err *err);

MUST_USE int topics_describe(struct run *run, const struct topics_args *args, struct client *c,
			     struct err *err);
MUST_USE int topics_create(struct run *run, const struct topics_args *args, struct client *c,
			   struct err *err);
MUST_USE int topics_alter(struct run *run, const struct topics_args *args, struct client *c,
			  struct err *err);

/* "1:2,2:3" -> replicas of each partition. 0 or E_INVALID. */
struct assignment {
	int32_t *ids;
	int32_t count;
};
MUST_USE int assignment_parse(struct arena *a, const char *text, struct assignment **out,
			      int32_t *count, struct err *err);

#endif
