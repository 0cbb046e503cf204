/* reassign: move replicas of partitions to other brokers or directories
 * (kafka-reassign-partitions). */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

#include "base/env.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64 * 1024 * 1024)
#define ACTIONS "generate execute verify cancel list"

static int reassign_run(struct run *run, void *args);
static int reassign_refuse(const struct run *run, const struct err *err);

#define AT(field) offsetof(struct reassign_args, field)

static const struct opt reassign_opts[] = {
	OPTS_CLUSTER_EITHER(0, 0),
	OPTS_OUTPUT,
	{"verify", OPT_FLAG, AT(verify),
	 .help = "Show whether the reassignment of --reassignment-json-file has completed; if "
		 "so, remove its throttles."},
	{"generate", OPT_FLAG, AT(generate),
	 .help = "Propose how the topics could be spread over the brokers; nothing is changed."},
	{"execute", OPT_FLAG, AT(execute),
	 .help = "Start the reassignment of --reassignment-json-file."},
	{"cancel", OPT_FLAG, AT(cancel),
	 .help = "Cancel the reassignment of --reassignment-json-file."},
	{"list", OPT_FLAG, AT(list), .help = "List what is being reassigned in the cluster."},
	{"reassignment-json-file", OPT_STRING, AT(plan_file),
	 .arg = "manual assignment json file "
		"path",
	 .complete = COMPLETE_FILE,
	 .help = "Where partitions shall be: {\"partitions\":[{\"topic\":\"a\",\"partition\":0,"
		 "\"replicas\":[1,2],\"log_dirs\":[\"any\",\"/d\"]}]}; log_dirs may be left out."},
	{"topics-to-move-json-file", OPT_STRING, AT(topics_file),
	 .arg = "topics to reassign json file path", .complete = COMPLETE_FILE,
	 .help = "The topics for --generate: {\"topics\":[{\"topic\":\"a\"}]}."},
	{"broker-list", OPT_STRING, AT(brokers), .arg = "brokerlist",
	 .help = "The brokers for --generate: 0,1,2."},
	{"disable-rack-aware", OPT_FLAG, AT(disable_rack_aware),
	 .help = "Do not look at the racks of brokers."},
	{"throttle", OPT_INT, AT(throttle), .arg = "throttle", .value = "-1", .min = -1,
	 .max = INT64_MAX,
	 .help = "Limit movements between brokers to so many bytes per second; -1: no limit. "
		 "With --additional it can be changed while they go on."},
	{"replica-alter-log-dirs-throttle", OPT_INT, AT(dir_throttle),
	 .arg = "replicaAlterLogDirsThrottle", .value = "-1", .min = -1, .max = INT64_MAX,
	 .help = "The same for movements between directories of a broker."},
	{"timeout", OPT_INT, AT(timeout_ms), .arg = "timeout", .value = "10000", .min = 0,
	 .max = INT64_MAX / 4,
	 .help = "How many milliseconds a movement between directories may take to begin."},
	{"additional", OPT_FLAG, AT(additional),
	 .help = "Execute it in addition to what is under way."},
	{"preserve-throttles", OPT_FLAG, AT(preserve_throttles),
	 .help = "Do not touch the throttles of brokers and topics."},
	{"disallow-replication-factor-change", OPT_FLAG, AT(keep_factor),
	 .help = "Refuse to change how many replicas a partition has."},
	OPT_END,
};

const struct command cmd_reassign = {
	.name = "reassign",
	.alias = "kafka-reassign-partitions",
	.dialect = JOPT,
	.summary = "move partitions to other brokers or directories",
	.intro = "This tool helps to move topic partitions between replicas.",
	.opts = reassign_opts,
	.args_size = sizeof(struct reassign_args),
	.run = reassign_run,
	.refuse = reassign_refuse,
};

static const struct action {
	const char *name, *needs, *takes;
	int (*run)(struct reassign *r, struct err *err);
} actions[] = {
	{"generate", "topics-to-move-json-file broker-list", "disable-rack-aware",
	 reassign_generate},
	{"execute", "reassignment-json-file",
	 "additional throttle replica-alter-log-dirs-throttle timeout "
	 "disallow-replication-factor-change",
	 reassign_execute},
	{"verify", "reassignment-json-file", "preserve-throttles", reassign_verify},
	{"cancel", "reassignment-json-file", "preserve-throttles timeout bootstrap-controller",
	 reassign_cancel},
	{"list", "", "bootstrap-controller", reassign_list},
};

/* What only some actions take. */
static const char *const particular[] = {
	"reassignment-json-file",
	"topics-to-move-json-file",
	"broker-list",
	"disable-rack-aware",
	"throttle",
	"replica-alter-log-dirs-throttle",
	"timeout",
	"additional",
	"preserve-throttles",
	"disallow-replication-factor-change",
	"bootstrap-controller",
};

/* ---- The command line --------------------------------------------------------------------- */

static int check_server(const struct run *run, const struct reassign_args *args, struct err *err)
{
	const struct cluster_args *cluster = &args->cluster;

	if (cluster->bootstrap_server && cluster->bootstrap_controller)
		return err_set(err, E_USAGE,
			       "Please don't specify both --bootstrap-server and "
			       "--bootstrap-controller");
	if (!cluster->bootstrap_controller && !connect_has_server(run))
		return err_set(err, E_USAGE,
			       "Please specify either --bootstrap-server or "
			       "--bootstrap-controller");
	return 0;
}

static int check_needs(const struct run *run, const struct action *action, struct err *err)
{
	char name[64];

	for (const char *at = action->needs; *at;) {
		size_t len = strcspn(at, " ");

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		if (!opt_given(run, name))
			return opt_require(run, name, err);
		at += len + (at[len] == ' ');
	}
	return 0;
}

static int check_options(const struct run *run, const struct reassign_args *args,
			 const struct action **out, struct err *err)
{
	const struct action *action = NULL;
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (opt_given(run, actions[i].name))
			action = &actions[i];
	if (opt_given_count(run, ACTIONS) != 1)
		return err_set(err, E_USAGE,
			       "Command must include exactly one action: --generate, --execute, "
			       "--verify, --cancel, --list");
	rc = check_server(run, args, err);
	if (rc == 0)
		rc = check_needs(run, action, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(particular); i++) {
		size_t len = strlen(particular[i]);

		if (opt_given(run, particular[i]) && !word_in(action->needs, particular[i], len) &&
		    !word_in(action->takes, particular[i], len))
			rc = err_set(err, E_USAGE,
				     "Option \"[%s]\" can't be used with action \"[%s]\"",
				     particular[i], action->name);
	}
	*out = action;
	return rc;
}

/* A number that is none is told by Apache's tool like a failure of the run. */
static int reassign_refuse(const struct run *run, const struct err *err)
{
	if (!run->is_bad_value)
		return help_usage(run, err);
	print_text("Error: %s\n", err_message(err));
	return EXIT_FAILED;
}

/* ---- The files ---------------------------------------------------------------------------- */

static int read_topics(struct reassign *r, const char *data, size_t len, struct err *err)
{
	struct plan *plan = &r->plan;
	struct str *names;
	int rc = plan_topics(r->run, r->args->topics_file, data, len, &names, &plan->part_count,
			     err);

	if (rc < 0)
		return rc;
	plan->parts = arena_array(r->arena, plan->part_count + 1, sizeof(*plan->parts));
	for (size_t i = 0; i < plan->part_count; i++)
		plan->parts[i].topic = names[i];
	plan_sort(plan);
	return 0;
}

static int read_file(struct reassign *r, struct err *err)
{
	const char *path = r->args->generate ? r->args->topics_file : r->args->plan_file;
	struct env env;
	char *data;
	size_t len;
	int rc;

	if (!path)
		return 0;
	env_posix_init(&env);
	rc = env_read_file(&env, path, FILE_BYTES_MAX, &data, &len);
	if (rc < 0 && r->run->is_apache)
		return err_set(err, rc, "Unable to read file %s", path);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	rc = r->args->generate ? read_topics(r, data, len, err)
			       : plan_parse(r->run, path, data, len, &r->plan, err);
	free(data);
	return rc;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int reassign_failure(const struct reassign *r, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, text);

	if (!r->run->is_apache)
		return help_failure(r->run, err);
	if (r->is_terse)
		print_text("%s\n", err_message(err));
	else if (exception && err->code != E_INVALID)
		print_text("Error: %s: %s\n", exception, err_message(err));
	else
		print_text("Error: %s\n", err_message(err));
	return EXIT_FAILED;
}

static int reassign_result(const struct reassign *r)
{
	if (r->run->is_apache || r->failed_count + r->unfinished_count == 0)
		return EXIT_OK;
	return r->failed_count && r->done_count == 0 ? EXIT_FAILED : EXIT_PARTIAL;
}

static int reassign_run(struct run *run, void *data)
{
	const struct reassign_args *args = data;
	struct reassign r = {.run = run, .arena = &run->arena, .args = args};
	struct connection connection = {0};
	const struct action *action;
	struct err err = {0};
	int rc = check_options(run, args, &action, &err);

	if (rc == 0)
		rc = output_format(&args->output, &r.format, &err);
	if (rc < 0)
		return help_usage(run, &err);
	row_init(&r);
	rc = read_file(&r, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	r.client = connection.client;
	if (rc == 0)
		rc = action->run(&r, &err);
	row_end(&r);
	connect_close(&connection);
	return rc < 0 ? reassign_failure(&r, &err) : reassign_result(&r);
}
