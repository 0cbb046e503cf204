/* groups: list, describe, delete consumer groups and move their offsets (kafka-consumer-groups). */
#include "cmd/groups/groups_int.h"
#include "cmd/groups/groups_regex.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#include <stdio.h>

static int groups_run(struct run *run, void *args);
static int groups_refuse(const struct run *run, const struct err *err);

#define AT(field) offsetof(struct groups_args, field)

static const struct opt groups_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	OPTS_OUTPUT,
	{"new-consumer", OPT_GONE, 0, .help = "it is the only kind now, leave it out."},
	{"list", OPT_FLAG, AT(list), .help = "List all consumer groups."},
	{"describe", OPT_FLAG, AT(describe),
	 .help = "Show groups with their offsets, members or state."},
	{"delete", OPT_FLAG, AT(delete), .help = "Delete groups that have no members."},
	{"reset-offsets", OPT_FLAG, AT(reset_offsets),
	 .help = "Set the offsets of groups that have no members."},
	{"delete-offsets", OPT_FLAG, AT(delete_offsets), .help = "Delete offsets of one group."},
	{"validate-regex", OPT_STRING, AT(validate_regex), .arg = "regex",
	 .help = "Say whether this is a regular expression for topics."},
	{"group", OPT_LIST, AT(groups), .arg = "consumer group", .complete = COMPLETE_GROUP,
	 .help = "The group; may be repeated."},
	{"all-groups", OPT_FLAG, AT(all_groups), .help = "All consumer groups."},
	{"topic", OPT_LIST, AT(topics), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "A topic, or some of its partitions as topic:0,1; may be repeated."},
	{"all-topics", OPT_FLAG, AT(all_topics),
	 .help = "All topics for which the group has offsets."},
	{"members", OPT_FLAG, AT(members), .needs = "describe",
	 .help = "Describe the members of the group."},
	{"offsets", OPT_FLAG, AT(offsets), .needs = "describe",
	 .help = "Describe the partitions with their offsets, which is the default."},
	{"verbose", OPT_FLAG, AT(verbose), .needs = "describe", .help = "Show more columns."},
	{"state", OPT_OPTIONAL, AT(state), .arg = "state", .needs = "describe list",
	 .help = "Describe the state of the group; with --list show states, of these only."},
	{"type", OPT_OPTIONAL, AT(type), .arg = "type", .needs = "list",
	 .help = "With --list show types, of these only: classic, consumer; kavka's own name also "
		 "takes share and streams."},
	{"to-earliest", OPT_FLAG, AT(to_earliest), .help = "Set offsets to the beginning."},
	{"to-latest", OPT_FLAG, AT(to_latest), .help = "Set offsets to the end."},
	{"to-current", OPT_FLAG, AT(to_current), .help = "Set offsets to what they are."},
	{"to-offset", OPT_INT, AT(to_offset), .arg = "offset", .min = INT64_MIN, .max = INT64_MAX,
	 .help = "Set offsets to this one."},
	{"shift-by", OPT_INT, AT(shift_by), .arg = "number of offsets", .min = INT64_MIN,
	 .max = INT64_MAX, .help = "Move offsets by so many records, back if negative."},
	{"to-datetime", OPT_STRING, AT(to_datetime), .arg = "datetime",
	 .help = "Set offsets to a time, YYYY-MM-DDTHH:mm:SS.sss and perhaps a zone."},
	{"by-duration", OPT_STRING, AT(by_duration), .arg = "duration",
	 .help = "Set offsets to a time before now, PnDTnHnMnS."},
	{"from-file", OPT_STRING, AT(from_file), .arg = "path to CSV file",
	 .complete = COMPLETE_FILE, .help = "Set offsets to those of a file made by --export."},
	{"dry-run", OPT_FLAG, AT(dry_run), .help = "Only show what would be done."},
	{"execute", OPT_FLAG, AT(execute), .help = "Do it."},
	{"export", OPT_FLAG, AT(export), .help = "Print the new offsets as CSV."},
	{"timeout", OPT_INT, AT(timeout_ms), .arg = "timeout (ms)", .min = 1, .max = INT32_MAX,
	 .value = "30000", .help = "How long each request to the cluster may take."},
	{"lag-only", OPT_FLAG, AT(lag_only), .flags = OPT_OWN, .needs = "describe",
	 .help = "Show only partitions whose records were not all read."},
	{"watch", OPT_OPTIONAL, AT(watch), .arg = "seconds", .flags = OPT_OWN, .needs = "describe",
	 .help = "Show the lag with its trend again and again, every 2 seconds or as said."},
	OPT_END,
};

const struct command cmd_groups = {
	.name = "groups",
	.alias = "kafka-consumer-groups",
	.dialect = JOPT,
	.summary = "list, describe, delete or reset consumer groups",
	.intro = "This tool helps to list all consumer groups, describe a consumer group, delete "
		 "consumer group info, or reset consumer group offsets.",
	.opts = groups_opts,
	.args_size = sizeof(struct groups_args),
	.run = groups_run,
	.refuse = groups_refuse,
};

#define WATCH_TIMEOUT_MS 5000LL
#define ACTIONS "list describe delete reset-offsets delete-offsets validate-regex"
#define DRY_RUN_WARNING \
	"WARN: No action will be performed as the --execute option is missing. In version 5.0, " \
	"this command will require either --dry-run or --execute to be specified. You should " \
	"add the --dry-run option explicitly if you are scripting this command and want to keep " \
	"the current default behavior without prompting.\n"

/* ---- Rules -------------------------------------------------------------------------------- */

static int check_scope(const struct run *run, const char *action, struct err *err)
{
	if (!run->is_apache)
		return err_set(err, E_USAGE, "--%s: of which group? --group GROUP, or --all-groups",
			       action);
	return err_set(err, E_USAGE,
		       "Option [%s] takes one of these options: [group], [all-groups]", action);
}

static int check_describe(const struct run *run, const struct groups_args *args, struct err *err)
{
	if (args->groups.count == 0 && !args->all_groups)
		return check_scope(run, "describe", err);
	if (opt_given_count(run, "members offsets state") > 1)
		return err_set(err, E_USAGE,
			       "Option [describe] takes at most one of these options: "
			       "[members], [offsets], [state]");
	if (args->state)
		return err_set(err, E_USAGE, "Option [describe] does not take a value for [state]");
	return 0;
}

static int check_reset(const struct run *run, const struct groups_args *args, struct err *err)
{
	static const char *const scenarios[] = {"to-offset",   "to-datetime", "by-duration",
						"to-earliest", "to-latest",   "shift-by",
						"from-file",   "to-current"};

	if (args->dry_run && args->execute)
		return err_set(
			err, E_USAGE,
			"Option [reset-offsets] only accepts one of [execute] and [dry-run]");
	if (!args->dry_run && !args->execute)
		print_error("%s",
			    run->is_apache
				    ? DRY_RUN_WARNING
				    : "kavka groups: a dry run, nothing changes; add --execute\n");
	if (args->groups.count == 0 && !args->all_groups)
		return err_set(err, E_USAGE,
			       "Option [reset-offsets] takes one of these options: "
			       "[group], [all-groups]");
	for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++) {
		for (unsigned j = 0; j < ARRAY_LEN(scenarios); j++) {
			int rc = i == j ? 0 : opt_conflict(run, scenarios[i], scenarios[j], err);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int groups_check(const struct run *run, const struct groups_args *args, struct err *err)
{
	int rc = 0;

	if (!args->validate_regex && !connect_has_server(run))
		return opt_require(run, "bootstrap-server", err);
	if (opt_given_count(run, ACTIONS) != 1)
		return err_set(err, E_USAGE,
			       "Command must include exactly one action: --list, "
			       "--describe, --delete, --reset-offsets, --delete-offsets, "
			       "--validate-regex");
	if (args->describe)
		rc = check_describe(run, args, err);
	if (args->delete &&args->groups.count == 0 && !args->all_groups)
		rc = check_scope(run, "delete", err);
	if (args->delete &&args->topics.count > 0)
		rc = err_set(err, E_USAGE,
			     "The consumer does not support topic-specific offset "
			     "deletion from a consumer group.");
	if (args->delete_offsets && (args->groups.count == 0 || args->topics.count == 0))
		rc = err_set(
			err, E_USAGE,
			"Option [delete-offsets] takes the following options: [group], [topic]");
	if (rc == 0 && args->reset_offsets)
		rc = check_reset(run, args, err);
	if (rc == 0)
		rc = opt_conflict(run, "watch", "members state", err);
	if (rc == 0)
		rc = opt_conflict(run, "group", "all-groups list", err);
	if (rc == 0)
		rc = run->is_apache ? 0
				    : opt_conflict(run, "all-groups", "list delete-offsets", err);
	if (rc == 0)
		rc = opt_conflict(run, "topic", "list describe", err);
	return rc;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int run_validate_regex(const struct groups_args *args, enum output_format format)
{
	const char *fault = regex_fault(args->validate_regex);
	struct json_out j = {0};

	if (format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "regex", args->validate_regex);
		json_out_text(&j, "error", fault);
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (fault) {
		print_text("The regular expression `%s` is invalid: %s.\n", args->validate_regex,
			   fault);
	} else {
		print_text("The regular expression `%s` is valid.\n", args->validate_regex);
	}
	return fault ? EXIT_FAILED : EXIT_OK;
}

/* Apache's tool ends with 0 after every failure of this kind; scripts look for "Error:". */
static int groups_say(const char *class, const char *text)
{
	print_text("\nError: Executing consumer group command failed due to %s%s%s\n",
		   class ? class : "", class ? ": " : "", text);
	return EXIT_OK;
}

/* Apache's tool looks at values when it is at work already. */
static int groups_refuse(const struct run *run, const struct err *err)
{
	return run->is_bad_value ? groups_say(NULL, err_message(err)) : help_usage(run, err);
}

static int groups_failure(const struct run *run, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = NULL;

	if (err->code == E_USAGE)
		return help_usage(run, err);
	if (!run->is_apache)
		return help_failure(run, err);
	/* Errors that its client wraps are told with their class, its own without. */
	if (err->code != E_NOT_FOUND && err->code != E_INVALID)
		exception = err_exception(err, text);
	return groups_say(exception, err_message(err));
}

static int groups_open(const struct run *run, const struct groups_args *args, struct connection *c,
		       struct err *err)
{
	struct client_config *config = connect_config(&args->cluster, CLIENT_ADMIN, err);
	/* Who watches wants to hear soon that the cluster is away. */
	bool is_short = opt_given(run, "watch") && !opt_given(run, "timeout");
	char timeout[24];
	int rc;

	if (!config)
		return err->code;
	snprintf(timeout, sizeof(timeout), "%lld",
		 is_short ? WATCH_TIMEOUT_MS : (long long)args->timeout_ms);
	rc = client_config_set(config, "default.api.timeout.ms", timeout, err);
	if (rc == 0)
		rc = client_config_set(config, "request.timeout.ms", timeout, err);
	if (rc < 0) {
		client_config_free(config);
		return rc;
	}
	return connect_open(c, config, NULL, err);
}

static int groups_run(struct run *run, void *data)
{
	struct groups_args *args = data;
	struct groups g = {.run = run, .args = args, .arena = &run->arena};
	struct connection connection;
	struct err err = {0};
	int rc, code = EXIT_OK;

	if (output_format(&args->output, &g.format, &err) < 0 || groups_check(run, args, &err) < 0)
		return help_usage(run, &err);
	if (args->validate_regex) {
		code = run_validate_regex(args, g.format);
		return run->is_apache ? EXIT_OK : code;
	}
	rc = groups_open(run, args, &connection, &err);
	if (rc < 0)
		return groups_failure(run, &err);
	g.client = connection.client;
	if (args->list)
		rc = groups_run_list(&g, &err);
	else if (opt_given(run, "watch"))
		rc = groups_run_watch(&g, &err);
	else if (args->describe)
		rc = groups_run_describe(&g, &code, &err);
	else if (args->delete)
		rc = groups_delete(&g, &code, &err);
	else if (args->reset_offsets)
		rc = groups_reset(&g, &code, &err);
	else
		rc = groups_delete_offsets(&g, &code, &err);
	connect_close(&connection);
	if (rc < 0)
		return groups_failure(run, &err);
	return run->is_apache ? EXIT_OK : code;
}
