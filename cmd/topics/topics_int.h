/* Inside `topics`: its options as parsed, and its parts. */
#ifndef KAVKA_CMD_TOPICS_INT_H
#define KAVKA_CMD_TOPICS_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/output.h"

#include <stdbool.h>

struct topics_args {
	struct cluster_args cluster;
	struct output_args output;
	bool create, list, describe, alter, delete;
	struct opt_list topics; /* --topic; Apache's tool takes one */
	const char *topic_id;
	struct opt_list configs;
	const char *delete_config;
	int64_t partitions, replication_factor;
	const char *replica_assignment;
	bool under_replicated, unavailable, under_min_isr, at_min_isr, overrides_only;
	bool if_exists, if_not_exists, exclude_internal;
	int64_t partition_limit;
	bool sizes, dry_run, yes, wait;
};

struct topics {
	struct run *run;
	const struct topics_args *args;
	struct client *client;
	struct arena *arena;
	enum output_format format;
	/* Actions on several topics: how many went well, how many did not and why the first. */
	unsigned done_count, failed_count;
	struct err failed;
};

/* Names of topics in an arena, sorted. */
struct topic_names {
	struct str *items;
	size_t count;
};

/* ---- topics_match.c ----------------------------------------------------------------------- */

/* The topics that --topic means: patterns, or under kavka's name first of all names. Without
 * --topic all of them. E_NOT_FOUND (unless --if-exists: then none) in Apache's words.
 * *by_pattern (may be NULL): some were found by a pattern only. */
MUST_USE int topics_match(struct topics *t, struct topic_names *out, bool *by_pattern,
			  struct err *err);
/* The same when nothing that fits is no mistake. */
MUST_USE int topics_match_any(struct topics *t, struct topic_names *out, struct err *err);
/* Waits until each topic has leaders for all partitions, or (`gone`) is no longer there.
 * E_TIMEOUT. */
MUST_USE int topics_wait(struct topics *t, const struct topic_names *names, bool gone,
			 int64_t limit_ms, struct err *err);
/* After topics were created or grew: waits as --wait says, and in any case for a moment, so that
 * the next command of a script finds them. */
MUST_USE int topics_settle(struct topics *t, const struct topic_names *names, struct err *err);
#define TOPICS_WAIT_MS 60000
#define TOPICS_SETTLE_MS 3000

/* ---- The actions -------------------------------------------------------------------------- */

MUST_USE int topics_list(struct topics *t, struct err *err);
MUST_USE int topics_describe(struct topics *t, struct err *err);
MUST_USE int topics_create(struct topics *t, struct err *err);
MUST_USE int topics_alter(struct topics *t, struct err *err);
MUST_USE int topics_delete(struct topics *t, struct err *err);

/* What happened to one topic of an action: counts it, and tells it under kavka's name. `says` is
 * printed where it went well ("Created topic a.\n", NULL: nothing). */
void topics_done(struct topics *t, struct str name, const char *says);
void topics_failed(struct topics *t, struct str name, const struct err *why);
/* At the end of an action under Apache's name, or on one topic: the first failure is the whole's.
 */
MUST_USE int topics_outcome(struct topics *t, struct err *err);

/* ---- topics_sizes.c ----------------------------------------------------------------------- */

struct topic_sizes;

/* What partitions take on the disks of all brokers together. E_* when no broker could tell. */
MUST_USE int topics_sizes_read(struct topics *t, struct topic_sizes **out, struct err *err);
/* -1: not known. `partition` -1: of the whole topic. */
int64_t topics_sizes_of(const struct topic_sizes *s, struct str topic, int32_t partition);
/* "1.5 MiB" */
const char *topics_size_text(struct arena *a, int64_t bytes);

/* ---- topics_create.c ---------------------------------------------------------------------- */

/* "1:2,2:3" -> replicas of each partition. 0 or E_INVALID. */
struct assignment {
	int32_t *ids;
	int32_t count;
};
MUST_USE int assignment_parse(struct arena *a, const char *text, struct assignment **out,
			      int32_t *count, struct err *err);

#endif
