/* Inside `reassign`: the plan that a file holds, what the cluster tells, and what is printed.
 *
 * Partitions and replicas that move are in the order of topic and partition everywhere, which is
 * the order in which they are printed. Everything lives in the run's arena. */
#ifndef KAVKA_CMD_REASSIGN_INT_H
#define KAVKA_CMD_REASSIGN_INT_H

#include "cmd/argparse.h"
#include "cmd/json_out.h"
#include "cmd/output.h"

#include "base/rng.h"
#include "client/client.h"
#include "config/config.h"

struct reassign_args {
	struct cluster_args cluster;
	struct output_args output;
	bool verify, generate, execute, cancel, list;
	bool additional, preserve_throttles, disable_rack_aware, keep_factor;
	const char *plan_file, *topics_file, *brokers;
	int64_t throttle, dir_throttle; /* bytes per second, -1: none */
	int64_t timeout_ms;
};

struct ids {
	int32_t *items;
	int32_t count;
};

/* A partition and where its replicas shall be. */
struct part {
	struct str topic;
	int32_t partition;
	size_t order; /* in the file */
	struct ids replicas;
	const char **dirs; /* for each replica, NULL: any; NULL altogether: all any */
};

/* A replica and the directory where it shall be. */
struct replica_move {
	struct str topic;
	int32_t partition, broker;
	const char *dir;
};

struct plan {
	struct part *parts;
	size_t part_count;
	struct replica_move *moves;
	size_t move_count;
};

struct reassign {
	struct run *run;
	struct arena *arena; /* the run's */
	const struct reassign_args *args;
	enum output_format format;
	struct client *client;
	struct plan plan;
	struct ids live;  /* brokers that the last metadata named */
	struct grid grid; /* OUTPUT_TABLE */
	bool is_terse;    /* Apache's tool prints the failure without "Error: " */
	size_t failed_count, done_count;
	size_t unfinished_count; /* --verify: not where they shall be */
};

/* ---- reassign_ids.c ----------------------------------------------------------------------- */

bool ids_have(struct ids ids, int32_t id);
bool ids_same(struct ids a, struct ids b); /* in the same order */
/* Adds it to `ids`, which has room, unless it is there. */
void ids_add(struct ids *ids, int32_t id);
void ids_sort(struct ids ids);
/* Those of `a` that are not in `b`. */
struct ids ids_without(struct arena *arena, struct ids a, struct ids b);
/* "1,2,3" */
const char *ids_text(struct arena *arena, struct ids ids);
/* The first that is in there twice, or -1. */
int32_t ids_twice(struct ids ids);
/* "1,2,3" as numbers. 0, or E_USAGE for what is no number or is there twice. */
MUST_USE int ids_parse(struct arena *arena, const char *text, struct ids *out, struct err *err);

/* ---- reassign_plan.c ---------------------------------------------------------------------- */

/* Reads `data`, the contents of a file called `path`. 0, or E_INVALID in Apache's words under its
 * name. */
MUST_USE int plan_parse(struct run *run, const char *path, const char *data, size_t len,
			struct plan *out, struct err *err);
/* The same of a list of topics. */
MUST_USE int plan_topics(struct run *run, const char *path, const char *data, size_t len,
			 struct str **out, size_t *count, struct err *err);
/* Can it be executed? 0 or E_INVALID. */
MUST_USE int plan_check(struct run *run, const struct plan *plan, struct err *err);
void plan_sort(struct plan *plan);
/* The names of its topics, each once. */
struct str *plan_names(struct arena *arena, const struct plan *plan, size_t *count);
/* As a file that could be executed, on one line. `key`: within an object, or NULL. */
void plan_print(struct json_out *j, const char *key, const struct plan *plan);

/* ---- reassign_place.c --------------------------------------------------------------------- */

struct place_broker {
	int32_t id;
	struct str rack; /* null: none */
};

/* Spreads `count` partitions of `factor` replicas evenly over the brokers, with the replicas of
 * each over as many racks as there are. `out` has room for count * factor ids. 0, or E_INVALID when
 * there are too few brokers. */
MUST_USE int place_replicas(struct arena *arena, const struct place_broker *brokers,
			    uint32_t broker_count, uint32_t count, uint32_t factor, struct rng *rng,
			    int32_t *out, struct err *err);

/* ---- reassign_ask.c ----------------------------------------------------------------------- */

/* The brokers of the cluster and the given topics. */
MUST_USE int ask_metadata(struct reassign *r, const struct str *names, size_t count,
			  struct metadata_response **out, struct err *err);
/* The nodes of the cluster: of whom was named, brokers or controllers. */
MUST_USE int ask_nodes(struct reassign *r, struct ids *out, struct err *err);
/* NULL: there is no such partition. */
const struct metadata_response_partition *metadata_partition(const struct metadata_response *m,
							     struct str topic, int32_t partition);
bool metadata_has_topic(const struct metadata_response *m, struct str topic);

/* What is under way in the whole cluster. */
MUST_USE int ask_current(struct reassign *r, struct list_partition_reassignments_response **out,
			 struct err *err);
/* NULL: nothing of this partition. */
const struct list_partition_reassignments_response_ongoing_partition_reassignment *
current_partition(const struct list_partition_reassignments_response *current, struct str topic,
		  int32_t partition);

/* Starts the reassignment of `parts`, or cancels it. `out`: for each why not, or NULL. */
MUST_USE int ask_alter(struct reassign *r, const struct part *parts, size_t count, bool is_cancel,
		       const char ***out, struct err *err);

/* Where replicas lie. Brokers that do not answer have none. */
struct dirs {
	struct call *calls;
	size_t count;
};
MUST_USE int ask_dirs(struct reassign *r, struct ids brokers, struct dirs *out, struct err *err);
void dirs_fini(struct dirs *dirs);
/* The directory of a replica, or of the one that takes its place (is_future); NULL: none. */
const char *dirs_find(struct reassign *r, const struct dirs *dirs, struct str topic,
		      int32_t partition, int32_t broker, bool is_future);
/* Fills in where the replicas of `parts` are now. */
MUST_USE int ask_part_dirs(struct reassign *r, struct plan *plan, struct err *err);

/* Changes of the configs of one broker or topic. */
#define CHANGES_EACH_MAX 3
struct config_change {
	int8_t type; /* enum config_resource: a topic or a broker */
	struct str resource;
	int32_t broker;
	struct {
		const char *name, *value; /* value NULL: deleted */
	} items[CHANGES_EACH_MAX];
	int32_t count;
};
MUST_USE int ask_configs(struct reassign *r, const struct config_change *changes, size_t count,
			 struct err *err);

/* ---- reassign_throttle.c ------------------------------------------------------------------ */

/* Limits what moves: what is under way, and the plan. */
MUST_USE int throttle_set(struct reassign *r, const struct metadata_response *metadata,
			  const struct list_partition_reassignments_response *current,
			  struct err *err);
/* Takes the limits away, from all brokers and the topics of the plan. */
MUST_USE int throttle_clear(struct reassign *r, struct err *err);

/* ---- reassign_moves.c --------------------------------------------------------------------- */

/* Starts the moves between directories; waits for replicas that are not there yet. */
MUST_USE int moves_start(struct reassign *r, struct replica_move *moves, size_t count,
			 struct err *err);

/* ---- The actions -------------------------------------------------------------------------- */

MUST_USE int reassign_generate(struct reassign *r, struct err *err);
MUST_USE int reassign_execute(struct reassign *r, struct err *err);
MUST_USE int reassign_verify(struct reassign *r, struct err *err);
MUST_USE int reassign_cancel(struct reassign *r, struct err *err);
MUST_USE int reassign_list(struct reassign *r, struct err *err);

/* ---- reassign_print.c --------------------------------------------------------------------- */

/* A line of JSON, or of a table, about a partition, or (broker >= 0) about one of its replicas. */
struct row {
	struct str topic;
	int32_t partition, broker;
	const char *state;
	struct ids now, wanted;           /* a partition's replicas */
	const char *dir_now, *dir_wanted; /* a replica's directory */
	const char *error;
};
void row_init(struct reassign *r);
void row_print(struct reassign *r, const struct row *row);
void row_end(struct reassign *r);

#endif
