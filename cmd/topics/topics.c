/* topics: create, list, describe, change and delete topics (kafka-topics). */
#include "cmd/filter.h"
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

#define AT(field) offsetof(struct topics_args, field)

static const struct opt topics_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	{"list", OPT_FLAG, AT(list), .help = "List all topics."},
	{"create", OPT_FLAG, AT(create), .help = "Create a topic."},
	{"delete", OPT_FLAG, AT(delete), .help = "Delete topics."},
	{"alter", OPT_FLAG, AT(alter), .help = "Add partitions to topics."},
	{"describe", OPT_FLAG, AT(describe), .help = "Show topics with their partitions."},
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic; a pattern of topics for all but --create."},
	{"topic-id", OPT_STRING, AT(topic_id), .arg = "topic-id",
	 .help = "The id of a topic to describe."},
	{"config", OPT_LIST, AT(configs), .arg = "name=value",
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
	{"json", OPT_FLAG, AT(json), .flags = OPT_OWN,
	 .help = "Print one JSON object a line for --list and --describe."},
	OPT_END,
};

const struct command cmd_topics = {
	.name = "topics", .alias = "kafka-topics", .dialect = JOPT,
	.summary = "create, list, describe, change or delete topics",
	.intro = "This tool helps to create, delete, describe, or change a topic.",
	.intro_bare = "Create, delete, describe, or change a topic.",
	.opts = topics_opts, .args_size = sizeof(struct topics_args), .run = topics_run,
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
		return err_set(err, E_USAGE, run->is_apache
			       ? "Command must include exactly one action: --list, --describe, "
				 "--create, --alter or --delete"
			       : "say one of --list, --describe, --create, --alter, --delete");
	if (args->delete_config)
		print_error(
			"delete-config option is no longer supported and deprecated since version "
			"4.0. The config will be fully removed in future releases.\n");
	if (!connect_has_server(run))
		return err_set(err, E_USAGE, "--bootstrap-server must be specified");
	if (args->describe && args->if_exists && !args->topic && !args->topic_id)
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

/* ---- Names -------------------------------------------------------------------------------- */

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int topics_none(const struct topics_args *args, struct topic_names *out, struct err *err)
{
	out->count = 0;
	if (args->if_exists || !args->topic)
		return 0;
	return err_set(err, E_NOT_FOUND, "Topic '%s' does not exist as expected", args->topic);
}

/* Has the cluster a topic of exactly this name? 1, 0 or an error. */
static int topics_exists(struct client *c, struct arena *a, struct str name, struct err *err)
{
	struct metadata_response *response;
	int rc = admin_metadata(c, &name, 1, a, &response, err);

	if (rc < 0)
		return rc;
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct metadata_response_topic *t = &response->topics[i];

		if (!str_eq(t->name, name))
			continue;
		if (t->error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION ||
		    t->error_code == KERR_INVALID_TOPIC_EXCEPTION)
			return 0;
		if (t->error_code == KERR_TOPIC_AUTHORIZATION_FAILED)
			return kafka_error_set(err, t->error_code, STR_NULL);
		return 1;
	}
	return 0;
}

int topics_match(struct run *run, const struct topics_args *args, struct client *c,
		 struct topic_names *out, struct err *err)
{
	struct filter *filter = args->topic ? filter_new(args->topic, err) : NULL;
	struct metadata_response *response;
	const char *literal;
	int rc;

	*out = (struct topic_names){0};
	if (args->topic && !filter)
		return E_INVALID;
	/* "a.b" is a pattern, but under our own name a topic called so comes first: deleting it
	 * does not delete "axb". */
	literal = filter ? filter_literal(filter) : NULL;
	if (!literal && args->topic && !run->is_apache)
		literal = args->topic;
	if (literal) {
		struct str name = str_dup(&run->arena, str_of(literal));

		rc = topics_exists(c, &run->arena, name, err);
		if (rc != 0 || filter_literal(filter)) {
			bool keep = rc > 0 && !(args->exclude_internal && filter_is_internal(name));

			filter_free(filter);
			if (rc < 0)
				return rc;
			if (!keep)
				return topics_none(args, out, err);
			out->items = arena_array(&run->arena, 1, sizeof(*out->items));
			out->items[0] = name;
			out->count = 1;
			return 0;
		}
	}
	rc = admin_metadata(c, NULL, 0, &run->arena, &response, err);
	if (rc < 0) {
		filter_free(filter);
		return rc;
	}
	out->items = arena_array(&run->arena, (size_t)response->topics_count, sizeof(*out->items));
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct metadata_response_topic *t = &response->topics[i];

		if (args->exclude_internal && (t->is_internal || filter_is_internal(t->name)))
			continue;
		if (!filter || filter_matches(filter, t->name))
			out->items[out->count++] = t->name;
	}
	filter_free(filter);
	if (out->count == 0)
		return topics_none(args, out, err);
	qsort(out->items, out->count, sizeof(*out->items), name_cmp);
	return 0;
}

/* ---- list, delete ------------------------------------------------------------------------- */

static int topics_list(struct run *run, const struct topics_args *args, struct client *c,
		       struct err *err)
{
	struct topics_args all = *args;
	struct topic_names names;
	int rc;

	all.if_exists = true;	/* nothing to list is no mistake */
	rc = topics_match(run, &all, c, &names, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count; i++) {
		if (args->json) {
			struct json_out j = {0};

			json_out_open(&j, NULL, '{');
			json_out_str(&j, "topic", names.items[i]);
			json_out_close(&j, '}');
			print_byte('\n');
		} else {
			print_text("%.*s\n", STR(names.items[i]));
		}
	}
	/* Apache's tool prints the empty list as one empty line. */
	if (names.count == 0 && run->is_apache)
		print_byte('\n');
	return 0;
}

struct delete_call {
	struct call call;
	struct delete_topics_request request;
	struct topic_names names;
	struct arena *arena;
};

/* Names moved into structs with version 6. */
static void delete_prepare(struct call *call, int16_t version)
{
	struct delete_call *d = CONTAINER_OF(call, struct delete_call, call);
	struct delete_topics_request *r = &d->request;

	WIRE_INIT(delete_topics_request, r);
	r->timeout_ms = 60000;
	if (version < 6) {
		r->topic_names = d->names.items;
		r->topic_names_count = (int32_t)d->names.count;
		return;
	}
	r->topics = WIRE_ARRAY(d->arena, delete_topics_request_delete_topic_state, d->names.count);
	r->topics_count = (int32_t)d->names.count;
	for (size_t i = 0; i < d->names.count; i++)
		r->topics[i].name = d->names.items[i];
}

static int topics_delete(struct run *run, const struct topics_args *args, struct client *c,
			 struct err *err)
{
	struct delete_call d = {.arena = &run->arena};
	int rc = topics_match(run, args, c, &d.names, err);

	if (rc < 0 || d.names.count == 0)
		return rc;
	d.call = (struct call){.target = TO_CONTROLLER, .api_key = API_DELETE_TOPICS,
			       .request = &d.request, .prepare = delete_prepare};
	rc = client_call_all(c, &d.call, 1, err);
	if (rc == 0 && d.call.rc < 0) {
		*err = d.call.err;
		rc = d.call.rc;
	}
	if (rc == 0) {
		const struct delete_topics_response *response = d.call.response;

		for (int32_t i = 0; i < response->responses_count; i++) {
			const struct delete_topics_response_deletable_topic_result *t =
				&response->responses[i];

			if (t->error_code != KERR_NONE)
				rc = kafka_error_set(err, t->error_code, t->error_message);
			else if (!run->is_apache)
				print_text("Deleted topic %.*s.\n", STR(t->name));
		}
	}
	call_fini(&d.call);
	return rc;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int topics_failure(struct run *run, const struct topics_args *args,
			  const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX], when[40];
	const char *exception = err_exception(err, text), *message = err_message(err);
	time_t now = clock_wall_ms() / 1000;
	struct tm parts;

	if (!run->is_apache)
		return help_failure(run, err);
	if (err->code == E_UNREACHABLE || err->code == E_TIMEOUT)
		message = arena_printf(&run->arena, "Timed out waiting for a node "
				       "assignment. Call: %s (%s)",
				       args->create ? "createTopics" : "listTopics", message);
	print_text("Error while executing topic command : %s\n", message);
	/* Their log line with the class, without the Java stack below it. */
	localtime_r(&now, &parts);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
	print_error("[%s,%03d] ERROR %s: %s (org.apache.kafka.tools.TopicCommand)\n", when,
		    (int)(clock_wall_ms() % 1000),
		    exception ? exception : "org.apache.kafka.common.KafkaException", message);
	return EXIT_FAILED;
}

static int topics_run(struct run *run, void *data)
{
	struct topics_args *args = data;
	struct connection connection;
	struct err err = {0};
	int rc;

	if (topics_check(run, args, &err) < 0)
		return help_usage(run, &err);
	if (args->topic && args->topic_id)
		print_text(
			"Only topic id will be used when both --topic and --topic-id are specified "
			"and topicId is not Uuid.ZERO_UUID\n");
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return topics_failure(run, args, &err);
	if (args->list)
		rc = topics_list(run, args, connection.client, &err);
	else if (args->create)
		rc = topics_create(run, args, connection.client, &err);
	else if (args->alter)
		rc = topics_alter(run, args, connection.client, &err);
	else if (args->delete)
		rc = topics_delete(run, args, connection.client, &err);
	else
		rc = topics_describe(run, args, connection.client, &err);
	connect_close(&connection);
	return rc < 0 ? topics_failure(run, args, &err) : EXIT_OK;
}
