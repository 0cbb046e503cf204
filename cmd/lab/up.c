/* up, add: have a lab run. */
#include "cmd/json_out.h"
#include "cmd/lab/lab_int.h"
#include "cmd/print.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_FILE "up.lock"

/* Two that start or change one lab at a time would each make half of it. Held until the process
 * ends. */
static int up_lock(const struct lab *lab, struct err *err)
{
	const char *path = lab_path(lab, LOCK_FILE);
	int rc = lab_make_dir(lab->dir, err), fd;

	if (rc < 0)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, -errno, "%s", path);
	return 0;
}

/* A lab that is there is taken as it is: does that fit what was asked for? */
static int up_check(const struct run *run, const struct lab *lab, const struct lab_args *args,
		    struct err *err)
{
	unsigned brokers = 0, controllers = 0;

	for (unsigned i = 0; i < lab->node_count; i++) {
		brokers += lab->nodes[i].is_broker;
		controllers += !lab->nodes[i].is_broker;
	}
	if ((opt_given(run, "brokers") || run->word_count > 0) && brokers != args->brokers)
		return err_set(err, E_EXISTS,
			       "the lab %s has %u brokers already (kavka lab add adds some, kavka "
			       "lab reset deletes it)",
			       lab->name, brokers);
	if (opt_given(run, "controllers") && controllers != args->controllers)
		return err_set(err, E_EXISTS,
			       "the lab %s has %u controllers of their own already (kavka lab "
			       "reset deletes it)",
			       lab->name, controllers);
	if (opt_given_count(run, "config racks port direct apache release-version") > 0)
		return err_set(err, E_EXISTS,
			       "the lab %s is there already, as it was made "
			       "(kavka lab reset deletes it)",
			       lab->name);
	return 0;
}

/* Starts those of `nodes` that do not run, and waits for all. */
static int up_start(const struct lab *lab, uint64_t nodes, struct err *err)
{
	struct lab_status status;
	uint64_t brokers = 0;
	int rc = ask_status(lab, &status, err);

	for (unsigned i = 0; i < lab->node_count && rc == 0; i++) {
		int id = lab->nodes[i].id;

		if (nodes & END_BIT(id) && status.nodes[id].pid <= 0)
			rc = ask(lab, NULL, err, "start %d", id);
		if (lab->nodes[i].is_broker &&
		    (nodes & END_BIT(id) || status.nodes[id].state == NODE_RUNNING))
			brokers |= END_BIT(id);
		if (status.nodes[id].state == NODE_PAUSED)
			nodes &= ~END_BIT(id);
	}
	/* With a cut network they cannot all see each other. */
	if (status.cuts.group_count > 0)
		brokers = 0;
	return rc < 0 ? rc : probe_until_ready(lab, nodes, brokers, err);
}

static void up_print_node(const struct lab *lab, const struct lab_node *node,
			  const struct lab_status *status, enum output_format format)
{
	int port = node->doors[node->is_broker ? DOOR_CLIENT : DOOR_CONTROLLER].port;
	const struct node_status *n = &status->nodes[node->id];
	struct json_out j = {0};

	if (format != OUTPUT_JSON) {
		output_say("node %d  " LAB_HOST ":%d  %s%s%s%s\n", node->id, port, lab_roles(node),
			   node->rack ? "  rack " : "", node->rack ? node->rack : "",
			   node->apache ? "  Apache Kafka" : "");
		return;
	}
	json_out_open(&j, NULL, '{');
	json_out_text(&j, "lab", lab->name);
	json_out_int(&j, "node", node->id);
	json_out_text(&j, "address", arena_printf(lab->arena, LAB_HOST ":%d", port));
	json_out_text(&j, "roles", lab_roles(node));
	json_out_text(&j, "rack", node->rack);
	json_out_text(&j, "apache", node->apache);
	json_out_text(&j, "state", node_state_names[n->state]);
	json_out_int(&j, "pid", n->pid);
	json_out_text(&j, "directory", arena_printf(lab->arena, "%s/node-%d", lab->dir, node->id));
	json_out_close(&j, '}');
	print_byte('\n');
}

static int up_print(struct lab *lab, uint64_t nodes, enum output_format format, int64_t begun_ms,
		    struct err *err)
{
	struct lab_status status;
	int rc = ask_status(lab, &status, err);

	for (unsigned i = 0; i < lab->node_count && rc == 0; i++)
		if (nodes & END_BIT(lab->nodes[i].id))
			up_print_node(lab, &lab->nodes[i], &status, format);
	if (rc == 0 && format != OUTPUT_JSON)
		output_say("the lab %s is up after %.2f s%s%s\n", lab->name,
			   (double)(clock_mono_ms() - begun_ms) / 1000,
			   lab->profile ? "; commands ask it by its profile " : "",
			   lab->profile ? lab->profile : "");
	return rc;
}

static int up_do(struct run *run, struct lab *lab, const struct lab_args *args, struct err *err)
{
	struct lab_status status;
	bool is_new = !lab_exists(lab);
	int rc = is_new ? setup_lab(lab, args, err) : lab_load(lab, err);

	if (rc < 0 && is_new) {
		/* Directories that were made are gone again; others stay. */
		lab->node_count = 0;
		(void)!lab_remove(lab, NULL);
	}
	if (rc == 0 && !is_new)
		rc = up_check(run, lab, args, err);
	if (rc == 0)
		rc = ask_status(lab, &status, err);
	if (rc == 0 && !status.is_up)
		rc = agent_launch(lab, err);
	if (rc == 0)
		rc = up_start(lab, lab_node_mask(lab), err);
	if (rc == 0 && !args->no_profile)
		rc = listed_add(run, lab, err);
	return rc;
}

/* `lab up 5` is `lab up --brokers 5`. */
static int up_words(const struct run *run, struct lab_args *args, struct err *err)
{
	char *end;

	if (run->word_count == 0)
		return 0;
	args->brokers = strtol(run->words[0], &end, 10);
	if (*end || args->brokers < 1 || args->brokers >= LAB_ENDS_MAX)
		return err_set(err, E_USAGE, "'%s' is no number of brokers: want 1 to %d",
			       run->words[0], LAB_ENDS_MAX - 1);
	if (run->word_count > 1 || opt_given(run, "brokers"))
		return err_set(err, E_USAGE, "'%s': one number of brokers is enough",
			       run->words[run->word_count - 1]);
	return 0;
}

int lab_up_run(struct run *run, void *data)
{
	struct lab_args *args = data;
	int64_t begun_ms = clock_mono_ms();
	enum output_format format;
	struct lab lab;
	struct err err = {0};
	int rc = output_format(&args->output, &format, &err);

	if (!opt_given(run, "port"))
		args->port = -1;
	if (rc == 0)
		rc = up_words(run, args, &err);
	if (rc == 0)
		rc = lab_locate(&lab, &run->arena, args, &err);
	if (rc == 0)
		rc = up_lock(&lab, &err);
	if (rc == 0)
		rc = up_do(run, &lab, args, &err);
	if (rc == 0)
		rc = up_print(&lab, lab_node_mask(&lab), format, begun_ms, &err);
	return lab_end(run, rc, &err);
}

/* ---- add ---------------------------------------------------------------------------------- */

static int add_do(struct run *run, struct lab *lab, const struct lab_args *args, uint64_t *added,
		  struct err *err)
{
	struct lab_status status;
	uint64_t before;
	int rc = lab_load(lab, err);

	if (rc == 0)
		rc = ask_status(lab, &status, err);
	if (rc == 0 && !status.is_up)
		rc = err_set(err, E_NOT_FOUND, "the lab %s is not up (kavka lab up starts it)",
			     lab->name);
	if (rc < 0)
		return rc;
	before = lab_node_mask(lab);
	rc = setup_more(lab, args, err);
	*added = lab_node_mask(lab) & ~before;
	if (rc == 0)
		rc = ask(lab, NULL, err, "load");
	if (rc == 0)
		rc = up_start(lab, *added, err);
	if (rc == 0 && lab->profile)
		rc = listed_add(run, lab, err);
	return rc;
}

int lab_add_run(struct run *run, void *data)
{
	struct lab_args *args = data;
	int64_t begun_ms = clock_mono_ms();
	enum output_format format;
	uint64_t added;
	struct lab lab;
	struct err err = {0};
	int rc = output_format(&args->output, &format, &err);

	if (rc == 0 && run->word_count > 0)
		rc = err_set(&err, E_USAGE, "'%s' is one word too many (--brokers)", run->words[0]);
	if (rc == 0)
		rc = lab_locate(&lab, &run->arena, args, &err);
	if (rc == 0 && !lab_exists(&lab))
		rc = lab_load(&lab, &err);
	if (rc == 0)
		rc = up_lock(&lab, &err);
	if (rc == 0)
		rc = add_do(run, &lab, args, &added, &err);
	if (rc == 0)
		rc = up_print(&lab, added, format, begun_ms, &err);
	return lab_end(run, rc, &err);
}
