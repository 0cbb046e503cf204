/* lab: a cluster of several nodes on this machine, to learn from and to break. */
#include "cmd/lab/lab_int.h"

#include <stdlib.h>

#define AT(field) offsetof(struct lab_args, field)

#define OPTS_LAB \
	{"name", OPT_STRING, AT(name), .arg = "name", .complete = COMPLETE_LAB, \
	 .help = "Which lab, where there are several; without it the lab is called lab."}, \
	{"dir", OPT_STRING, AT(dir), .arg = "directory", .complete = COMPLETE_FILE, \
	 .help = "Where the lab is kept; without it below $XDG_STATE_HOME/kavka/labs or " \
		 "~/.local/state/kavka/labs."}

#define OPT_QUIET \
	{"quiet", OPT_FLAG, AT(output.quiet), .help = "Print data and errors only."}

static const struct opt up_opts[] = {
	OPTS_LAB,
	OPTS_OUTPUT,
	{"brokers", OPT_INT, AT(brokers), .arg = "count", .brief = 'n', .value = "3", .min = 1,
	 .max = LAB_ENDS_MAX - 1, .help = "How many brokers."},
	{"controllers", OPT_INT, AT(controllers), .arg = "count", .value = "0", .min = 0,
	 .max = LAB_ENDS_MAX - 2,
	 .help = "How many nodes that are controllers only; without them each broker is a "
		 "controller too."},
	{"racks", OPT_STRING, AT(racks), .arg = "names",
	 .help = "The racks of the brokers, with commas, round and round: a,b,c."},
	{"config", OPT_LIST, AT(configs), .arg = "key=value",
	 .help = "A config of all nodes; may be repeated."},
	{"port", OPT_INT, AT(port), .arg = "port", .min = 0, .max = 65535,
	 .help = "The port of the first broker, the others follow; 0: any that are free. Without "
		 "it 9092, 9192 and so on, the first where all are free."},
	{"release-version", OPT_STRING, AT(release_version), .arg = "version",
	 .help = "The release whose features the cluster shall have; the newest without it."},
	{"apache", OPT_STRING, AT(apache), .arg = "directory", .complete = COMPLETE_FILE,
	 .help = "An installation of Apache Kafka: nodes run it instead of kavka."},
	{"apache-nodes", OPT_STRING, AT(apache_nodes), .arg = "nodes", .needs = "apache",
	 .help = "Which nodes run it, such as 2,3; without it all."},
	{"direct", OPT_FLAG, AT(direct),
	 .help = "Clients connect to the brokers themselves, at full speed: they cannot be slowed "
		 "or cut off."},
	{"no-profile", OPT_FLAG, AT(no_profile), .help = "Leave the profiles as they are."},
	OPT_END,
};

static const struct opt add_opts[] = {
	OPTS_LAB,
	OPTS_OUTPUT,
	{"brokers", OPT_INT, AT(brokers), .arg = "count", .brief = 'n', .value = "1", .min = 1,
	 .max = LAB_ENDS_MAX - 2, .help = "How many brokers."},
	{"rack", OPT_STRING, AT(rack), .arg = "name", .help = "Their rack."},
	OPT_END,
};

static const struct opt quiet_opts[] = {OPTS_LAB, OPT_QUIET, OPT_END};
static const struct opt restart_opts[] = {
	OPTS_LAB,
	OPT_QUIET,
	{"apache", OPT_STRING, AT(apache), .arg = "directory", .complete = COMPLETE_FILE,
	 .help = "They run the Apache Kafka installed there from now on, on the same data."},
	{"kavka", OPT_FLAG, AT(kavka), .help = "They run kavka from now on, on the same data."},
	OPT_END,
};
static const struct opt output_opts[] = {OPTS_LAB, OPTS_OUTPUT, OPT_END};
static const struct opt list_opts[] = {OPTS_OUTPUT, OPT_END};

static const struct opt log_opts[] = {
	OPTS_LAB,
	{"follow", OPT_FLAG, AT(follow), .brief = 'f', .help = "Go on with what comes."},
	{"lines", OPT_INT, AT(lines), .arg = "count", .brief = 'n', .value = "50", .min = 0,
	 .max = INT32_MAX, .help = "How many lines of what is there already."},
	OPT_END,
};

#define LAB_SUB(id, text, usage, what, rows, others) \
	static const struct command lab_##id##_command = { \
		.name = #id, .also = others, .summary = text, .words = usage, \
		.complete_words = COMPLETE_##what, .opts = rows, \
		.args_size = sizeof(struct lab_args), .run = lab_##id##_run, \
	}

LAB_SUB(up, "start a lab; the first time, make it", "[brokers]", NONE, up_opts, "create new");
LAB_SUB(ps, "show the nodes, who leads, and who sees whom", NULL, NONE, output_opts,
	"status describe");
LAB_SUB(stop, "end nodes in good order (SIGTERM)", "node ...", NODE, quiet_opts, NULL);
LAB_SUB(kill, "end nodes at once (SIGKILL)", "node ...", NODE, quiet_opts, NULL);
LAB_SUB(start, "start nodes that ended", "[node ...]", NODE, quiet_opts, NULL);
LAB_SUB(restart, "stop and start nodes one after the other", "[node ...]", NODE, restart_opts,
	NULL);
LAB_SUB(pause, "have nodes stand still (SIGSTOP)", "node ...", NODE, quiet_opts, "freeze");
LAB_SUB(resume, "have them go on (SIGCONT)", "[node ...]", NODE, quiet_opts, "unpause continue");
LAB_SUB(partition, "cut the network between groups of nodes", "group [group ...]", NODE, quiet_opts,
	"cut split");
LAB_SUB(heal, "mend the network: no cuts, no delays", NULL, NONE, quiet_opts, NULL);
LAB_SUB(slow, "delay what nodes send and receive", "node ... time", NODE, quiet_opts, "delay");
LAB_SUB(log, "show what nodes said", "[node ...]", NODE, log_opts, "logs");
LAB_SUB(add, "add brokers", NULL, NONE, add_opts, NULL);
LAB_SUB(down, "end all nodes, keep their data", NULL, NONE, quiet_opts, NULL);
LAB_SUB(reset, "end all nodes and delete the lab", NULL, NONE, quiet_opts, "delete destroy rm");
LAB_SUB(list, "show all labs", NULL, NONE, list_opts, "ls");

static const struct command *const lab_subs[] = {
	&lab_up_command, &lab_ps_command, &lab_stop_command, &lab_kill_command,
	&lab_start_command, &lab_restart_command, &lab_pause_command, &lab_resume_command,
	&lab_partition_command, &lab_heal_command, &lab_slow_command, &lab_log_command,
	&lab_add_command, &lab_down_command, &lab_reset_command, &lab_list_command, NULL,
};

static const struct opt lab_opts[] = {OPT_END};

const struct command cmd_lab = {
	.name = "lab",
	.summary = "run a cluster on this machine, and break it",
	.opts = lab_opts,
	.args_size = sizeof(struct lab_args),
	.subs = lab_subs,
};

int lab_end(const struct run *run, int rc, const struct err *err)
{
	if (rc == E_USAGE)
		return help_usage(run, err);
	return rc < 0 ? help_failure(run, err) : EXIT_OK;
}
