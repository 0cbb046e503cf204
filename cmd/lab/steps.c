/* start, stop, kill, restart, pause, resume: what happens to nodes. */
#include "cmd/lab/lab_int.h"

#include <string.h>

/* A broker that hands its partitions over may take its time. */
#define STOP_MS 30000
#define KILL_MS 5000

/* Asks for the same of each node; what each refuses is the error, the others go on. */
static int step_each(const struct lab *lab, uint64_t nodes, const char *verb, struct err *err)
{
	int rc = 0;

	for (int id = 1; id < LAB_ENDS_MAX; id++) {
		struct err own = {0};
		int one = nodes & END_BIT(id) ? ask(lab, NULL, &own, "%s %d", verb, id) : 0;

		if (one < 0 && rc == 0)
			rc = err_set(err, one, "%s", err_message(&own));
		if (one == E_NOT_FOUND)
			break;
	}
	return rc;
}

/* Waits for nodes that were started; where they cannot serve yet, says so. */
static int step_ready(struct run *run, const struct lab *lab, uint64_t nodes, struct err *err)
{
	struct lab_status status;
	int rc = ask_status(lab, &status, err);

	if (rc < 0)
		return rc;
	if (!lab_has_quorum(lab, status.nodes)) {
		output_note(run, "started, but too few controllers run for the cluster to work");
		return 0;
	}
	if (status.cuts.group_count > 0) {
		output_note(run, "started while the network is cut: %s (kavka lab heal ends it)",
			    cuts_text(&status.cuts, lab->arena));
		return 0;
	}
	for (unsigned i = 0; i < lab->node_count && rc == 0; i++) {
		uint64_t own = END_BIT(lab->nodes[i].id);

		if (nodes & own)
			rc = probe_until_ready(lab, own, lab->nodes[i].is_broker ? own : 0, err);
	}
	return rc;
}

/* The nodes in some state, for a verb without words. */
static uint64_t nodes_in(const struct lab *lab, const struct lab_status *status, bool has_process,
			 bool is_paused)
{
	uint64_t nodes = 0;

	for (unsigned i = 0; i < lab->node_count; i++) {
		const struct node_status *n = &status->nodes[lab->nodes[i].id];

		if ((n->pid > 0) == has_process && (n->state == NODE_PAUSED) == is_paused)
			nodes |= END_BIT(lab->nodes[i].id);
	}
	return nodes;
}

static int step_open(struct run *run, void *args, struct lab *lab, struct lab_status *status,
		     struct err *err)
{
	int rc = lab_open(lab, &run->arena, args, err);

	if (rc == 0)
		rc = ask_status(lab, status, err);
	if (rc == 0 && !status->is_up)
		rc = err_set(err, E_NOT_FOUND, "the lab %s is not up (kavka lab up starts it)",
			     lab->name);
	return rc;
}

static void step_say(const struct lab *lab, uint64_t nodes, const char *what)
{
	bool is_one = (nodes & (nodes - 1)) == 0;

	output_say("node%s %s %s %s\n", is_one ? "" : "s", lab_ids(lab->arena, nodes),
		   is_one ? "is" : "are", what);
}

/* ---- The verbs ---------------------------------------------------------------------------- */

/* A verb that does the same to each of some nodes. */
struct step {
	const char *verb;   /* the agent's */
	const char *what;   /* what the nodes are then */
	const char *nobody; /* there is none it could be done to; NULL: nodes must be named */
	bool has_process, is_paused; /* those it is done to when none is named */
	bool begins;                 /* nodes: wait until they serve */
	int64_t ends_ms;             /* nodes: wait so long until they have ended; 0: they do not */
};

static int step_nodes(struct run *run, const struct lab *lab, const struct lab_status *status,
		      const struct step *step, uint64_t *nodes, struct err *err)
{
	uint64_t unnamed = 0;

	if (step->nobody)
		unnamed = nodes_in(lab, status, step->has_process, step->is_paused);
	if (step->nobody && unnamed == 0 && run->word_count == 0)
		return err_set(err, E_USAGE, "%s", step->nobody);
	return lab_words(run, lab, unnamed, nodes, err);
}

static int step_run(struct run *run, void *args, const struct step *step)
{
	struct lab_status status;
	struct lab lab;
	struct err err = {0};
	uint64_t nodes = 0;
	int rc = step_open(run, args, &lab, &status, &err);

	if (rc == 0)
		rc = step_nodes(run, &lab, &status, step, &nodes, &err);
	if (rc == 0)
		rc = step_each(&lab, nodes, step->verb, &err);
	if (rc == 0 && step->begins)
		rc = step_ready(run, &lab, nodes, &err);
	if (rc == 0 && step->ends_ms)
		rc = ask_until_ended(&lab, nodes, step->ends_ms, &err);
	if (rc == 0)
		step_say(&lab, nodes, step->what);
	return lab_end(run, rc, &err);
}

int lab_start_run(struct run *run, void *args)
{
	static const struct step start = {.verb = "start",
					  .what = "running",
					  .nobody = "all nodes run already",
					  .begins = true};

	return step_run(run, args, &start);
}

int lab_stop_run(struct run *run, void *args)
{
	static const struct step stop = {.verb = "stop", .what = "stopped", .ends_ms = STOP_MS};

	return step_run(run, args, &stop);
}

int lab_kill_run(struct run *run, void *args)
{
	static const struct step kill = {.verb = "kill", .what = "killed", .ends_ms = KILL_MS};

	return step_run(run, args, &kill);
}

int lab_pause_run(struct run *run, void *args)
{
	static const struct step pause = {.verb = "pause", .what = "paused"};

	return step_run(run, args, &pause);
}

int lab_resume_run(struct run *run, void *args)
{
	static const struct step resume = {.verb = "resume",
					   .what = "running again",
					   .nobody = "no node is paused",
					   .has_process = true,
					   .is_paused = true};

	return step_run(run, args, &resume);
}

static int restart_one(struct run *run, const struct lab *lab, int id, bool runs, struct err *err)
{
	int rc = 0;

	if (runs) {
		rc = ask(lab, NULL, err, "stop %d", id);
		if (rc == 0)
			rc = ask_until_ended(lab, END_BIT(id), STOP_MS, err);
	}
	if (rc == 0)
		rc = ask(lab, NULL, err, "start %d", id);
	return rc < 0 ? rc : step_ready(run, lab, END_BIT(id), err);
}

/* --apache and --kavka: nodes run another program from their next start on. */
static int restart_change(const struct run *run, struct lab *lab, const struct lab_args *args,
			  uint64_t nodes, struct err *err)
{
	int rc;

	if (opt_given_count(run, "apache kavka") == 0)
		return 0;
	if (opt_given_count(run, "apache kavka") > 1)
		return err_set(err, E_USAGE, "--apache or --kavka, not both");
	rc = setup_apache(lab, args, nodes, err);
	if (rc == 0)
		rc = lab_save(lab, err);
	return rc < 0 ? rc : ask(lab, NULL, err, "load");
}

/* One after the other, so that the cluster serves all the time: where all nodes run,
 * every partition has all its replicas in sync again before the next one goes. */
int lab_restart_run(struct run *run, void *args)
{
	struct lab_status status;
	struct lab lab;
	struct err err = {0};
	uint64_t nodes = 0;
	bool is_whole;
	int rc = step_open(run, args, &lab, &status, &err);

	if (rc == 0)
		rc = lab_words(run, &lab, lab_node_mask(&lab), &nodes, &err);
	if (rc == 0)
		rc = restart_change(run, &lab, args, nodes, &err);
	is_whole = rc == 0 && status.cuts.group_count == 0 &&
		   nodes_in(&lab, &status, true, false) == lab_node_mask(&lab);
	for (unsigned i = 0; i < lab.node_count && rc == 0; i++) {
		int id = lab.nodes[i].id;

		if (!(nodes & END_BIT(id)))
			continue;
		rc = restart_one(run, &lab, id, status.nodes[id].pid > 0, &err);
		if (rc == 0 && is_whole)
			rc = probe_until_in_sync(&lab, lab_node_mask(&lab), &err);
		if (rc == 0)
			step_say(&lab, END_BIT(id), "restarted");
	}
	return lab_end(run, rc, &err);
}
