/* Inside `groups`: its options as parsed, and its parts. */
#ifndef KAVKA_CMD_GROUPS_INT_H
#define KAVKA_CMD_GROUPS_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/groups/groups_print.h"
#include "cmd/output.h"

#include "client/consumer.h"

struct groups_args {
	struct cluster_args cluster;
	struct output_args output;
	bool list, describe, delete, reset_offsets, delete_offsets;
	const char *validate_regex;
	struct opt_list groups, topics;
	bool all_groups, all_topics;
	bool members, offsets, verbose;
	const char *state, *type;
	bool to_earliest, to_latest, to_current;
	const char *to_datetime, *by_duration, *from_file;
	int64_t to_offset, shift_by;
	bool dry_run, execute, export;
	int64_t timeout_ms;
	bool lag_only;
	const char *watch;
};

struct groups {
	struct run *run;
	const struct groups_args *args;
	struct client *client;
	struct arena *arena;
	enum output_format format;
};

/* The groups that --group and --all-groups name, sorted. */
MUST_USE int groups_names(struct groups *g, struct str **out, size_t *count, struct err *err);

/* The groups of the cluster as ListGroups tells them: id, type, state. `types` (commas, any case):
 * of these; NULL: consumer groups of both protocols. */
MUST_USE int groups_list(struct groups *g, const char *types, struct group_view **out,
			 size_t *count, struct err *err);
/* Is `word` one of the words of a list with commas, in any case? */
bool groups_word_is_in(const char *list, struct str word);

/* One group with its members, without offsets. E_KAFKA with GROUP_ID_NOT_FOUND if there is none;
 * brokers before 4.0 say it with the state Dead. */
MUST_USE int groups_read(struct groups *g, struct str id, struct group_view *out, struct err *err);
/* Adds the partitions with committed and end offsets; with --lag-only those that lag. */
MUST_USE int groups_read_offsets(struct groups *g, struct group_view *view, struct err *err);

/* The partitions that --topic names ("t", "t:0,1"), sorted. A topic that cannot be looked up has
 * partition -1 and `error`. E_USAGE for a bad argument. */
MUST_USE int groups_topic_args(struct groups *g, struct position **out, size_t *count,
			       struct err *err);

/* The actions set *code to the exit code under kavka's name when something failed for some. */
MUST_USE int groups_run_list(struct groups *g, struct err *err);
MUST_USE int groups_run_describe(struct groups *g, int *code, struct err *err);
/* --describe --watch: until it is interrupted, or stdout is closed. */
MUST_USE int groups_run_watch(struct groups *g, struct err *err);
MUST_USE int groups_reset(struct groups *g, int *code, struct err *err);
MUST_USE int groups_delete(struct groups *g, int *code, struct err *err);
MUST_USE int groups_delete_offsets(struct groups *g, int *code, struct err *err);

int position_cmp(const void *a, const void *b); /* by topic, partition */

/* The lines of --from-file: "topic,partition,offset" (null group, with `one_group` only) or
 * "group,topic,partition,offset". 0, E_USAGE or -errno. */
MUST_USE int reset_file_read(struct groups *g, bool one_group, struct reset_row **out,
			     size_t *count, struct err *err);

#endif
