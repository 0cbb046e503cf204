/* groups: list, describe, delete consumer groups and move their offsets (kafka-consumer-groups). */
#include "cmd/groups/groups_int.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int groups_run(struct run *run, void *args);

#define AT(field) offsetof(struct groups_args, field)

static const struct opt groups_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
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
	 .help = "With --list show types, of these only: classic, consumer."},
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
	{"json", OPT_FLAG, AT(json), .flags = OPT_OWN,
	 .help = "Print one JSON object a line for --list and --describe."},
	OPT_END,
};

const struct command cmd_groups = {
	.name = "groups", .alias = "kafka-consumer-groups", .dialect = JOPT,
	.summary = "list, describe, delete or reset consumer groups",
	.intro = "This tool helps to list, describe, delete and manage the offsets of consumer "
		 "groups.",
	.opts = groups_opts, .args_size = sizeof(struct groups_args), .run = groups_run,
};

#define ACTIONS "list describe delete reset-offsets delete-offsets validate-regex"
#define DRY_RUN_WARNING                                                                          \
	"WARN: No action will be performed as the --execute option is missing. In version 5.0, "  \
	"this command will require either --dry-run or --execute to be specified. You should "    \
	"add the --dry-run option explicitly if you are scripting this command and want to keep " \
	"the current default behavior without prompting.\n"

/* ---- Rules -------------------------------------------------------------------------------- */

static int check_describe(const struct run *run, const struct groups_args *args, struct err *err)
{
	if (args->groups.count == 0 && !args->all_groups)
		return err_set(
			err, E_USAGE,
			"Option [describe] takes one of these options: [group], [all-groups]");
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
	static const char *const scenarios[] = {"to-offset", "to-datetime", "by-duration",
		"to-earliest", "to-latest", "shift-by", "from-file", "to-current"};

	if (args->dry_run && args->execute)
		return err_set(
			err, E_USAGE,
			"Option [reset-offsets] only accepts one of [execute] and [dry-run]");
	if (args->groups.count == 0 && !args->all_groups)
		return err_set(err, E_USAGE, "Option [reset-offsets] takes one of these options: "
			       "[group], [all-groups]");
	for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++) {
		for (unsigned j = 0; j < ARRAY_LEN(scenarios); j++) {
			int rc = i == j ? 0 : opt_conflict(run, scenarios[i], scenarios[j], err);

			if (rc < 0)
				return rc;
		}
	}
	if (!args->dry_run && !args->execute)
		print_error(DRY_RUN_WARNING);
	return 0;
}

static int groups_check(const struct run *run, const struct groups_args *args, struct err *err)
{
	int rc = 0;

	if (!args->validate_regex && !connect_has_server(run))
		return opt_require(run, "bootstrap-server", err);
	if (opt_given_count(run, ACTIONS) != 1)
		return err_set(err, E_USAGE, "Command must include exactly one action: --list, "
			       "--describe, --delete, --reset-offsets, --delete-offsets, "
			       "--validate-regex");
	if (args->describe)
		rc = check_describe(run, args, err);
	if (args->delete && args->groups.count == 0 && !args->all_groups)
		rc = err_set(err, E_USAGE,
			     "Option [delete] takes one of these options: [group], [all-groups]");
	if (args->delete && args->topics.count > 0)
		rc = err_set(err, E_USAGE, "The consumer does not support topic-specific offset "
			     "deletion from a consumer group.");
	if (args->delete_offsets && (args->groups.count == 0 || args->topics.count == 0))
		rc = err_set(
			err, E_USAGE,
			"Option [delete-offsets] takes the following options: [group], [topic]");
	if (rc == 0 && args->reset_offsets)
		rc = check_reset(run, args, err);
	if (rc == 0)
		rc = opt_conflict(run, "group", "all-groups list", err);
	if (rc == 0)
		rc = opt_conflict(run, "all-groups", "list delete-offsets", err);
	if (rc == 0)
		rc = opt_conflict(run, "topic", "list describe", err);
	return rc;
}

/* ---- list --------------------------------------------------------------------------------- */

static bool word_matches(const char *list, struct str word)
{
	while (*list) {
		size_t len = strcspn(list, ",");
		const char *from = list;
		size_t n = len;

		while (n > 0 && *from == ' ')
			from++, n--;
		while (n > 0 && from[n - 1] == ' ')
			n--;
		if (n == word.len && strncasecmp(from, word.data, n) == 0)
			return true;
		list += len;
		list += *list == ',';
	}
	return false;
}

/* Each word of the list must be one of `valid`. */
static int check_words(struct arena *a, const char *list, const char *kind, const char *valid,
		       struct err *err)
{
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");
		const char *from = p + strspn(p, " ");
		const char *end = p + len;
		const char *names = valid;
		bool found = false;

		while (end > from && end[-1] == ' ')
			end--;
		while (*names && !found) {
			size_t n = strcspn(names, " ");

			found = n == (size_t)(end - from) && strncasecmp(names, from, n) == 0;
			names += n;
			names += strspn(names, " ");
		}
		if (!found) {
			char *text = arena_strdup(a, valid);
			struct out joined;

			out_init(&joined, 1024);
			for (char *w = text; *w; w++) {
				if (*w == ' ')
					out_byte(&joined, ',');
				out_byte(&joined, (uint8_t)*w);
			}
			err_set(err, E_USAGE, "Invalid %s list '%s'. Valid %s are: %.*s", kind,
				list, *kind == 's' ? "states" : "types", (int)joined.len,
				(const char *)joined.data);
			out_fini(&joined);
			return E_USAGE;
		}
		p += len;
		p += *p == ',';
	}
	return 0;
}

static int run_list(struct groups *g, struct err *err)
{
	const struct groups_args *args = g->args;
	struct groups_list_columns columns = {.type = opt_given(g->run, "type"),
					      .state = opt_given(g->run, "state")};
	struct group_view *all;
	size_t count, kept = 0;
	int rc = 0;

	if (args->state && *args->state)
		rc = check_words(g->arena, args->state, "state",
				 "PreparingRebalance "
				 "CompletingRebalance Stable Dead Empty Assigning Reconciling",
				 err);
	if (rc == 0 && args->type && *args->type)
		rc = check_words(g->arena, args->type, "types", "Classic Consumer", err);
	if (rc == 0)
		rc = groups_list(g, &all, &count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (args->state && *args->state && !word_matches(args->state, all[i].state))
			continue;
		if (args->type && *args->type && !word_matches(args->type, all[i].type))
			continue;
		all[kept++] = all[i];
	}
	if (args->json)
		groups_print_list_json(all, (unsigned)kept);
	else
		groups_print_list(g->arena, all, (unsigned)kept, columns);
	return 0;
}

/* ---- describe ----------------------------------------------------------------------------- */

static int describe_one(struct groups *g, struct str id, int *code, struct err *err)
{
	const struct groups_args *args = g->args;
	bool wants_state = opt_given(g->run, "state");
	struct group_view view;
	int rc = groups_read(g, id, &view, err);

	if (rc == 0 && (args->json || (!args->members && !wants_state)))
		rc = groups_read_offsets(g, &view, err);
	if (rc < 0)
		return rc;
	if (args->json) {
		groups_print_json(&view);
		return 0;
	}
	if (!groups_print_status(&view)) {
		*code = EXIT_NOT_FOUND;
		return 0;
	}
	if (args->members)
		groups_print_members(g->arena, &view, args->verbose);
	else if (wants_state)
		groups_print_state(g->arena, &view, args->verbose);
	else
		groups_print_offsets(g->arena, &view, args->verbose);
	return 0;
}

static int run_describe(struct groups *g, int *code, struct err *err)
{
	struct str *names;
	size_t count;
	int rc = groups_names(g, &names, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = describe_one(g, names[i], code, err);
	return rc;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int run_validate_regex(const char *text)
{
	PCRE2_SIZE at;
	int error;
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
	PCRE2_UCHAR why[256];

	if (code) {
		print_text("The regular expression `%s` is valid.\n", text);
		pcre2_code_free(code);
		return EXIT_OK;
	}
	/* RE2's words for the commonest mistake, as brokers and Apache's tool have them. */
	if (error == PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS)
		snprintf((char *)why, sizeof(why), "missing closing )");
	else
		pcre2_get_error_message(error, why, sizeof(why));
	print_text("The regular expression `%s` is invalid: %s.\n", text, (const char *)why);
	return EXIT_FAILED;
}

/* Apache's tool ends with 0 after every failure of this kind; scripts look for "Error:". */
static int groups_failure(const struct run *run, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception;

	if (err->code == E_USAGE)
		return help_usage(run, err);
	if (!run->is_apache)
		return help_failure(run, err);
	exception = err_exception(err, text);
	print_text("\nError: Executing consumer group command failed due to %s%s%s\n",
		   exception ? exception : "", exception ? ": " : "", err_message(err));
	return EXIT_OK;
}

static int groups_open(const struct groups_args *args, struct connection *c, struct err *err)
{
	struct client_config *config = connect_config(&args->cluster, CLIENT_ADMIN, err);
	char timeout[24];
	int rc;

	if (!config)
		return err->code;
	snprintf(timeout, sizeof(timeout), "%lld", (long long)args->timeout_ms);
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

	if (groups_check(run, args, &err) < 0)
		return help_usage(run, &err);
	if (args->validate_regex) {
		code = run_validate_regex(args->validate_regex);
		return run->is_apache ? EXIT_OK : code;
	}
	rc = groups_open(args, &connection, &err);
	if (rc < 0)
		return groups_failure(run, &err);
	g.client = connection.client;
	if (args->list)
		rc = run_list(&g, &err);
	else if (args->describe)
		rc = run_describe(&g, &code, &err);
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
