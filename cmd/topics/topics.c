/* topics: create, list, describe, change and delete topics (kafka-topics). */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/json_out.h"
#include "cmd/topics/topics_int.h"

#include "base/clock.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int topics_run(struct run *run, void *args);
static int topics_refuse(const struct run *run, const struct err *err);

#define AT(field) offsetof(struct topics_args, field)

static const struct opt topics_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	OPTS_OUTPUT,
	{"list", OPT_FLAG, AT(list), .help = "List all topics."},
	{"create", OPT_FLAG, AT(create), .help = "Create a topic."},
	{"delete", OPT_FLAG, AT(delete), .help = "Delete topics."},
	{"alter", OPT_FLAG, AT(alter), .help = "Add partitions to topics."},
	{"describe", OPT_FLAG, AT(describe), .help = "Show topics with their partitions."},
	{"topic", OPT_LIST, AT(topics), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic; a pattern of topics for all but --create."},
	{"topic-id", OPT_STRING, AT(topic_id), .arg = "topic-id",
	 .help = "The id of a topic to describe."},
	{"config", OPT_LIST, AT(configs), .arg = "name=value", .complete = COMPLETE_CONFIG,
	 .help = "A config of the topic to create; may be repeated."},
	{"delete-config", OPT_STRING, AT(delete_config), .arg = "name", .flags = OPT_OLD,
	 .help = "Ignored since 4.0."},
	{"partitions", OPT_INT, AT(partitions), .arg = "# of partitions", .min = 1,
	 .max = INT32_MAX, .help = "How many partitions to create, or to grow to."},
	{"replication-factor", OPT_INT, AT(replication_factor), .arg = "replication factor",
	 .min = -1, .max = INT16_MAX,
	 .help = "How many replicas each partition of a new topic has."},
	{"replica-assignment", OPT_STRING, AT(replica_assignment),
	 .arg = "broker_id_for_part1_replica1:...,...",
	 .help = "The brokers of each partition: replicas separated by :, partitions by commas."},
	{"under-replicated-partitions", OPT_FLAG, AT(under_replicated),
	 .help = "Show only partitions that lack in-sync replicas."},
	{"unavailable-partitions", OPT_FLAG, AT(unavailable),
	 .help = "Show only partitions whose leader is not available."},
	{"under-min-isr-partitions", OPT_FLAG, AT(under_min_isr),
	 .help = "Show only partitions with fewer in-sync replicas than min.insync.replicas."},
	{"at-min-isr-partitions", OPT_FLAG, AT(at_min_isr),
	 .help = "Show only partitions with exactly min.insync.replicas in-sync replicas."},
	{"topics-with-overrides", OPT_FLAG, AT(overrides_only),
	 .help = "Show only topics with configs of their own."},
	{"if-exists", OPT_FLAG, AT(if_exists), .help = "Do nothing if there is no such topic."},
	{"if-not-exists", OPT_FLAG, AT(if_not_exists),
	 .help = "Do nothing if the topic to create is there."},
	{"exclude-internal", OPT_FLAG, AT(exclude_internal), .help = "Leave out internal topics."},
	{"partition-size-limit-per-response", OPT_INT, AT(partition_limit),
	 .arg = "maximum number of partitions per response", .min = 1, .max = INT32_MAX,
	 .value = "2000", .help = "How many partitions one answer may describe."},
	{"sizes", OPT_FLAG, AT(sizes), .flags = OPT_OWN, .needs = "list describe",
	 .help = "Show how much the replicas take on the disks of all brokers."},
	{"dry-run", OPT_FLAG, AT(dry_run), .flags = OPT_OWN, .needs = "create alter delete",
	 .help = "Only check, or show, what would be done."},
	{"yes", OPT_FLAG, AT(yes), .flags = OPT_OWN, .needs = "delete",
	 .help = "Delete what a pattern matches without asking."},
	{"wait", OPT_FLAG, AT(wait), .flags = OPT_OWN, .needs = "create alter delete",
	 .help = "Wait until all partitions have leaders, or the deleted topics are gone."},
	OPT_END,
};

const struct command cmd_topics = {
	.name = "topics",
	.alias = "kafka-topics",
	.dialect = JOPT,
	.summary = "create, list, describe, change or delete topics",
	.intro = "This tool helps to create, delete, describe, or change a topic.",
	.intro_bare = "Create, delete, describe, or change a topic.",
	.opts = topics_opts,
	.args_size = sizeof(struct topics_args),
	.run = topics_run,
	.refuse = topics_refuse,
};

#define ACTIONS "list describe create alter delete"

/* Which actions an option may stand with. */
static const struct {
	const char *name, *conflicts;
} topics_rules[] = {
	{"config", "list delete describe"},
	{"partitions", "list delete describe"},
	{"replication-factor", "list delete describe alter"},
	{"replica-assignment", "list delete describe"},
	{"under-replicated-partitions", "list delete create alter topics-with-overrides"},
	{"under-min-isr-partitions", "list delete create alter topics-with-overrides"},
	{"at-min-isr-partitions", "list delete create alter topics-with-overrides"},
	{"unavailable-partitions", "list delete create alter topics-with-overrides"},
	{"topics-with-overrides", "list delete create alter"},
	{"if-exists", "list create"},
	{"if-not-exists", "list delete describe alter"},
	{"exclude-internal", "delete create alter"},
};

static int topics_check(const struct run *run, const struct topics_args *args, struct err *err)
{
	int rc = 0;

	if (opt_given_count(run, ACTIONS) != 1)
		return err_set(
			err, E_USAGE,
			run->is_apache
				? "Command must include exactly one action: --list, --describe, "
				  "--create, --alter or --delete"
				: "say one of --list, --describe, --create, --alter, --delete");
	if (args->delete_config)
		print_error(
			"delete-config option is no longer supported and deprecated since version "
			"4.0. The config will be fully removed in future releases.\n");
	if (!connect_has_server(run))
		return err_set(err, E_USAGE, "--bootstrap-server must be specified");
	if (args->describe && args->if_exists && args->topics.count == 0 && !args->topic_id)
		return err_set(err, E_USAGE,
			       "--topic or --topic-id is required to describe a topic");
	if (args->create || args->alter || args->delete)
		rc = opt_require(run, "topic", err);
	if (rc == 0 && args->alter && args->configs.count > 0)
		return err_set(
			err, E_USAGE,
			run->is_apache
				? "Option combination \"[[bootstrap-server], [config]]\" can't be "
				  "used "
				  "with option \"[alter]\" (To alter topic configurations, the "
				  "kafka-configs tool can be used.)"
				: "--alter does not change configs (kafka-configs does)");
	if (rc == 0 && args->alter)
		rc = opt_require(run, "partitions", err);
	for (unsigned i = 0; rc == 0 && i < ARRAY_LEN(topics_rules); i++)
		rc = opt_conflict(run, topics_rules[i].name, topics_rules[i].conflicts, err);
	if (rc == 0 && args->create)
		rc = opt_conflict(run, "replica-assignment", "partitions replication-factor", err);
	return rc;
}

/* ---- Outcomes ----------------------------------------------------------------------------- */

static void outcome_json(struct str name, const char *error)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", name);
	json_out_text(&j, "error", error);
	json_out_close(&j, '}');
	print_byte('\n');
}

void topics_done(struct topics *t, struct str name, const char *says)
{
	t->done_count++;
	if (t->format == OUTPUT_JSON)
		outcome_json(name, NULL);
	else if (says && !(t->run->is_apache && t->args->delete))
		output_say("%s", says);
}

void topics_failed(struct topics *t, struct str name, const struct err *why)
{
	if (t->failed_count++ == 0)
		t->failed = *why;
	if (t->format == OUTPUT_JSON)
		outcome_json(name, err_message(why));
	if (!t->run->is_apache && t->args->topics.count > 1)
		print_error("%s: %.*s: %s\n", t->run->name, STR(name), err_message(why));
}

int topics_outcome(struct topics *t, struct err *err)
{
	/* Of several topics each was told. */
	if (t->failed_count == 0 || (!t->run->is_apache && t->args->topics.count > 1))
		return 0;
	*err = t->failed;
	return err->code;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int topics_say(const struct run *run, bool is_creating, const struct err *err)
{
	struct arena *a = (struct arena *)&run->arena;
	char text[EXCEPTION_TEXT_MAX], when[40];
	const char *exception = err_exception(err, text), *message = err_message(err);
	time_t now = clock_wall_ms() / 1000;
	struct tm parts;

	if (err->code == E_UNREACHABLE || err->code == E_TIMEOUT)
		message = arena_printf(a, "Timed out waiting for a node assignment. Call: %s (%s)",
				       is_creating ? "createTopics" : "listTopics", message);
	print_text("Error while executing topic command : %s\n", message);
	/* Their log line with the class, without the Java stack below it. */
	localtime_r(&now, &parts);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
	print_error("[%s,%03d] ERROR %s: %s (org.apache.kafka.tools.TopicCommand)\n", when,
		    (int)(clock_wall_ms() % 1000),
		    exception ? exception : "java.lang.IllegalArgumentException", message);
	return EXIT_FAILED;
}

/* Apache's tool looks at values when it is at work already. */
static int topics_refuse(const struct run *run, const struct err *err)
{
	return run->is_bad_value ? topics_say(run, false, err) : help_usage(run, err);
}

static int topics_failure(const struct topics *t, const struct err *err)
{
	if (!t->run->is_apache)
		return help_failure(t->run, err);
	return topics_say(t->run, t->args->create, err);
}

static int topics_act(struct topics *t, struct err *err)
{
	const struct topics_args *args = t->args;

	return args->list     ? topics_list(t, err)
	       : args->create ? topics_create(t, err)
	       : args->alter  ? topics_alter(t, err)
	       : args->delete ? topics_delete(t, err)
			      : topics_describe(t, err);
}

static int topics_exit_code(const struct topics *t)
{
	if (t->failed_count == 0)
		return EXIT_OK;
	return t->done_count > 0 ? EXIT_PARTIAL : help_exit_code(t->run, &t->failed);
}

static int topics_run(struct run *run, void *data)
{
	struct topics_args *args = data;
	struct topics t = {.run = run, .args = args, .arena = &run->arena};
	struct connection connection;
	struct err err = {0};
	int rc = output_format(&args->output, &t.format, &err);

	if (rc < 0 || topics_check(run, args, &err) < 0)
		return help_usage(run, &err);
	if (run->is_apache && args->topics.count > 1) {
		err_set(&err, E_INVALID,
			"Found multiple arguments for option topic, but you asked for only one");
		return topics_failure(&t, &err);
	}
	if (run->is_apache && args->topics.count > 0 && args->topic_id)
		print_text(
			"Only topic id will be used when both --topic and --topic-id are specified "
			"and topicId is not Uuid.ZERO_UUID\n");
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return topics_failure(&t, &err);
	t.client = connection.client;
	rc = topics_act(&t, &err);
	connect_close(&connection);
	return rc < 0 ? topics_failure(&t, &err) : topics_exit_code(&t);
}
