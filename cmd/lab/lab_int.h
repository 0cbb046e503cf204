/* Inside of `kavka lab`: a cluster of several nodes on this machine, to learn from and to break.
 *
 *	lab.c		the subcommands and their options
 *	state.c		where labs are kept, and the file of one: lab.properties
 *	setup.c		a new lab: its nodes, their ports, their files, formatted directories
 *	up.c		up, add: have it run, and wait until it serves
 *	down.c		down, reset
 *	steps.c		start, stop, kill, restart, pause, resume
 *	network.c	partition, heal, slow
 *	ps.c		ps, list
 *	follow.c	log
 *	listed.c	the lab's profile, by which other commands find it
 *	probing.c	what a node tells about the cluster
 *	ask.c		the way to the agent
 *	agent.c		the agent: it starts the nodes and stands between them
 *	agent_node.c	the nodes as processes
 *	relay.h		connections that pass through it, are cut or slow
 *	cuts.h		who is cut off from whom
 *	whose.h		which process a connection comes from
 *
 * A lab is a directory:
 *
 *	lab.properties		nodes, ports; written by `up` and `add`, read by all
 *	network.properties	cuts and delays; written and read by the agent
 *	agent.sock, agent.log	the agent's; it runs if somebody answers at the socket
 *	node-N/server.properties, node-N/data, node-N/log
 *
 * Other nodes reach a node at ports of the agent only, "doors": they stand in the node's
 * advertised.listeners and in the voters. Behind a door the agent connects to the port where the
 * node really listens. The agent is the parent of all nodes, and they die with it. */
#ifndef KAVKA_CMD_LAB_INT_H
#define KAVKA_CMD_LAB_INT_H

#include "cmd/lab/cuts.h"
#include "cmd/output.h"

#include "base/buf.h"

#include <sys/types.h>

#define LAB_NAME_DEFAULT "lab"
#define LAB_HOST "127.0.0.1"
/* In the directory of an Apache Kafka. */
#define APACHE_START "bin/kafka-server-start.sh"
#define LAB_DELAY_MS_MAX 600000

struct lab_args {
	struct output_args output;
	const char *name, *dir, *racks, *rack, *apache, *apache_nodes, *release_version;
	struct opt_list configs;
	int64_t brokers, controllers, port, lines;
	bool follow, no_profile, direct, kavka;
};

/* ---- state.c ---- */

enum lab_door_kind { DOOR_CLIENT, DOOR_INTERNAL, DOOR_CONTROLLER, DOOR_COUNT };

struct lab_door {
	int port;      /* that others are told; 0: the node has no such listener */
	int node_port; /* where the node listens; the same as `port`: nobody stands between */
};

struct lab_node {
	int id; /* 1 to LAB_ENDS_MAX - 1 */
	bool is_broker, is_controller;
	const char *rack; /* NULL: none */
	const char *apache; /* the directory of the Apache Kafka that it runs; NULL: kavka */
	struct lab_door doors[DOOR_COUNT];
};

struct lab {
	struct arena *arena; /* the run's: all of it is there */
	const char *name, *dir;
	const char *cluster_id;
	struct lab_node nodes[LAB_ENDS_MAX];
	unsigned node_count;
	const char **configs; /* "key=value", of --config */
	unsigned config_count;
	const char *profile;        /* that it wrote; NULL: none */
	const char *profile_before; /* the current one until then; NULL: none */
};

/* The directory that --name and --dir mean; nothing is read. E_USAGE for a bad name. */
MUST_USE int lab_locate(struct lab *lab, struct arena *arena, const struct lab_args *args,
			struct err *err);
bool lab_exists(const struct lab *lab);
/* E_NOT_FOUND with the near miss; E_MALFORMED; -errno. */
MUST_USE int lab_load(struct lab *lab, struct err *err);
MUST_USE int lab_save(const struct lab *lab, struct err *err);
/* lab_locate() and lab_load(). */
MUST_USE int lab_open(struct lab *lab, struct arena *arena, const struct lab_args *args,
		      struct err *err);
const struct lab_node *lab_node(const struct lab *lab, int id); /* NULL: none */
const char *lab_path(const struct lab *lab, const char *name);  /* "DIR/NAME" */
const char *lab_node_path(const struct lab *lab, int id, const char *name);
uint64_t lab_node_mask(const struct lab *lab);
/* "127.0.0.1:9092,...": where clients begin. */
const char *lab_bootstrap(const struct lab *lab);
/* "broker,controller" */
const char *lab_roles(const struct lab_node *node);
/* A value in a properties file, and the end of its line: a backslash would begin an escape. */
void lab_write_value(struct out *text, const char *value);
/* Calls `each` for the labs of the user, by name. */
void lab_every(struct arena *arena, void (*each)(void *ctx, struct lab *lab), void *ctx);
/* The directory with all labs that have no --dir. NULL: there is no home. */
const char *lab_home(struct arena *arena);
/* From the root: the agent and the nodes are not where we are. */
const char *lab_absolute(struct arena *arena, const char *dir);
/* mkdir -p */
MUST_USE int lab_make_dir(const char *path, struct err *err);

/* The nodes that words mean: "1 2", "1,2", "all". `if_none`: what no word at all means; 0: an
 * error. E_USAGE with which there are. */
MUST_USE int lab_words(const struct run *run, const struct lab *lab, uint64_t if_none,
		       uint64_t *out, struct err *err);

/* ---- setup.c ---- */

/* Fills in nodes and ports, makes and formats all directories, saves. */
MUST_USE int setup_lab(struct lab *lab, const struct lab_args *args, struct err *err);
/* Has `nodes` run what --apache and --kavka say, from their next start on. Changes nothing but
 * `lab`. */
MUST_USE int setup_apache(struct lab *lab, const struct lab_args *args, uint64_t nodes,
			  struct err *err);
/* Brokers more, behind those that are there. */
MUST_USE int setup_more(struct lab *lab, const struct lab_args *args, struct err *err);

/* ---- ask.c ---- */

enum node_state {
	NODE_STOPPED, /* not yet started, or ended as it was asked to */
	NODE_RUNNING,
	NODE_PAUSED,
	NODE_KILLED, /* by `lab kill` */
	NODE_DIED,   /* by itself */
	NODE_STATE_COUNT,
};
extern const char *const node_state_names[];

struct node_status {
	enum node_state state;
	pid_t pid;        /* 0: none */
	int64_t since_ms; /* when the state began, wall clock; 0: not known */
	int code;         /* NODE_DIED: its exit status, or minus the signal */
	int64_t delay_ms;
};

struct lab_status {
	bool is_up;                             /* is there an agent? */
	struct node_status nodes[LAB_ENDS_MAX]; /* by id */
	struct cuts cuts;
};

/* Do enough controllers run for the cluster to have a leader? `nodes`: by id. */
bool lab_has_quorum(const struct lab *lab, const struct node_status *nodes);

/* Sends a line to the agent; its answer, without the "ok", to `out` (NULL: not wanted).
 * E_NOT_FOUND: the lab is not up. What the agent refused comes as it said it. */
MUST_USE int ask(const struct lab *lab, struct out *out, struct err *err, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* A lab that is not up has all its nodes stopped: no error. */
MUST_USE int ask_status(const struct lab *lab, struct lab_status *out, struct err *err);
/* Waits until none of these nodes has a process any more. E_TIMEOUT names the first that has. */
MUST_USE int ask_until_ended(const struct lab *lab, uint64_t nodes, int64_t timeout_ms,
			     struct err *err);

/* ---- probing.c ---- */

struct node_view {
	bool has_answered; /* a broker, its client listener */
	uint64_t brokers;  /* that it sees alive */
	bool is_leader;    /* of the metadata quorum, as it says itself */
};

/* Asks a node directly, past the agent. */
void probe_node(const struct lab_node *node, int64_t timeout_ms, struct node_view *out);
/* Waits until each of `nodes` serves, and sees all brokers of `brokers`. E_TIMEOUT says what is
 * missing and where to look; E_CLOSED: a process ended. */
MUST_USE int probe_until_ready(const struct lab *lab, uint64_t nodes, uint64_t brokers,
			       struct err *err);

/* Waits until every partition has all its replicas in sync, as brokers of `nodes` tell it.
 * E_TIMEOUT. */
MUST_USE int probe_until_in_sync(const struct lab *lab, uint64_t nodes, struct err *err);

/* ---- listed.c ---- */

/* Makes the lab's profile the current one; says so, or why not. */
MUST_USE int listed_add(struct run *run, struct lab *lab, struct err *err);
/* Takes it away, if it is still the one that was written. */
MUST_USE int listed_remove(struct lab *lab, struct err *err);

/* ---- agent.c ---- */

/* Starts the agent in the background and waits until it answers. */
MUST_USE int agent_launch(const struct lab *lab, struct err *err);

/* ---- down.c ---- */

/* Deletes what belongs to the lab; a directory given by --dir may hold other things. */
MUST_USE int lab_remove(const struct lab *lab, struct err *err);
MUST_USE int lab_remove_node(const struct lab *lab, int id, struct err *err);

/* ---- The subcommands ---- */

int lab_up_run(struct run *run, void *args);
int lab_add_run(struct run *run, void *args);
int lab_down_run(struct run *run, void *args);
int lab_reset_run(struct run *run, void *args);
int lab_start_run(struct run *run, void *args);
int lab_stop_run(struct run *run, void *args);
int lab_kill_run(struct run *run, void *args);
int lab_restart_run(struct run *run, void *args);
int lab_pause_run(struct run *run, void *args);
int lab_resume_run(struct run *run, void *args);
int lab_partition_run(struct run *run, void *args);
int lab_heal_run(struct run *run, void *args);
int lab_slow_run(struct run *run, void *args);
int lab_ps_run(struct run *run, void *args);
int lab_list_run(struct run *run, void *args);
int lab_log_run(struct run *run, void *args);

/* The end of a subcommand: prints the error, if there is one. */
int lab_end(const struct run *run, int rc, const struct err *err);
/* "1, 2 and 3" */
const char *lab_ids(struct arena *arena, uint64_t mask);

#endif
