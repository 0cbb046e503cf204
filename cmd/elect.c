/* elect: have leaders of partitions elected (kafka-leader-election). */
#include "cmd/connect.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/env.h"
#include "client/client.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_BYTES_MAX (64 * 1024 * 1024)
#define ELECTION_MS 30000

static int elect_run(struct run *run, void *args);
static int elect_refuse(const struct run *run, const struct err *err);

struct elect_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *admin_config, *type, *topic, *file;
	int64_t partition;
	bool all;
};

#define AT(field) offsetof(struct elect_args, field)

static const struct opt elect_opts[] = {
	OPTS_CLUSTER,
	OPTS_OUTPUT,
	{"admin.config", OPT_STRING, AT(admin_config), .arg = "config file", .flags = OPT_OLD,
	 .complete = COMPLETE_FILE, .help = "The old name of --command-config."},
	{"election-type", OPT_STRING, AT(type), .arg = "type", .complete = COMPLETE_WORDS,
	 .words = "preferred unclean",
	 .help = "preferred: the first replica leads, if it is in sync; unclean: any replica, "
		 "where "
		 "there is no leader, even if records are lost by it."},
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic of a partition."},
	{"partition", OPT_INT, AT(partition), .arg = "partition", .min = 0, .max = INT32_MAX,
	 .help = "The partition of --topic."},
	{"all-topic-partitions", OPT_FLAG, AT(all),
	 .help = "Have leaders of all partitions elected where they are not as they should be."},
	{"path-to-json-file", OPT_STRING, AT(file), .arg = "file", .complete = COMPLETE_FILE,
	 .help = "The partitions: {\"partitions\":[{\"topic\":\"a\",\"partition\":0}]}."},
	OPT_END,
};

const struct command cmd_elect = {
	.name = "elect",
	.alias = "kafka-leader-election",
	.dialect = JOPT,
	.summary = "have leaders of partitions elected",
	.intro = "This tool attempts to elect a new leader for a set of topic partitions. The type "
		 "of elections supported are preferred replicas and unclean replicas.",
	.opts = elect_opts,
	.args_size = sizeof(struct elect_args),
	.run = elect_run,
	.refuse = elect_refuse,
};

struct elect_item {
	struct str topic;
	int32_t partition;
};

struct election {
	struct run *run;
	enum output_format format;
	bool is_unclean;
	struct elect_item *items; /* NULL: all */
	size_t count;
	struct grid grid;
};

/* ---- What is to be elected ---------------------------------------------------------------- */

static int item_cmp(const void *a, const void *b)
{
	const struct elect_item *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : x->partition < y->partition ? -1 : x->partition > y->partition;
}

static int file_items(struct election *e, const json_t *json, struct err *err)
{
	const json_t *list = json_object_get(json, "partitions");

	if (!json_is_array(list))
		return err_set(err, E_INVALID,
			       "Replica election data is missing \"partitions\" field");
	e->count = json_array_size(list);
	e->items = arena_array(&e->run->arena, e->count + 1, sizeof(*e->items));
	for (size_t i = 0; i < e->count; i++) {
		const json_t *item = json_array_get(list, i);
		const json_t *topic = json_object_get(item, "topic");
		const json_t *partition = json_object_get(item, "partition");
		const char *before =
			e->run->is_apache ? "com.fasterxml.jackson.databind.JsonMappingException: "
					  : "";

		if (!topic || !partition)
			return err_set(err, E_INVALID, "%sNo such field exists: `%s`", before,
				       topic ? "partition" : "topic");
		if (!json_is_string(topic) || !json_is_integer(partition) ||
		    json_integer_value(partition) < 0 || json_integer_value(partition) > INT32_MAX)
			return err_set(err, E_INVALID,
				       "\"topic\" is no text, or \"partition\" no number of one");
		e->items[i].topic = str_of(arena_strdup(&e->run->arena, json_string_value(topic)));
		e->items[i].partition = (int32_t)json_integer_value(partition);
	}
	qsort(e->items, e->count, sizeof(*e->items), item_cmp);
	for (size_t i = 1; i < e->count; i++) {
		if (item_cmp(&e->items[i - 1], &e->items[i]) == 0)
			return err_set(err, E_INVALID,
				       "Replica election data contains duplicate partitions: "
				       "[%.*s-%d]",
				       STR(e->items[i].topic), e->items[i].partition);
	}
	return 0;
}

static int file_read(struct election *e, const char *path, struct err *err)
{
	json_error_t why;
	struct env env;
	json_t *json;
	char *data;
	size_t len;
	int rc;

	env_posix_init(&env);
	rc = env_read_file(&env, path, FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return e->run->is_apache
			       ? err_set(err, rc, "java.io.IOException: Unable to read file %s",
					 path)
			       : err_sys(err, rc, "%s", path);
	json = json_loadb(data, len, 0, &why);
	free(data);
	if (!json && e->run->is_apache)
		return err_set(err, E_INVALID, "Replica election data is empty");
	if (!json)
		return err_set(err, E_INVALID, "%s:%d: no JSON: %s", path, why.line, why.text);
	rc = file_items(e, json, err);
	json_decref(json);
	return rc;
}

static int elect_check(struct run *run, const struct elect_args *args, struct election *e,
		       struct err *err)
{
	bool lacks_server = !connect_has_server(run), lacks_type = run->is_apache && !args->type;

	if (args->type && strcasecmp(args->type, "preferred") != 0 &&
	    strcasecmp(args->type, "unclean") != 0)
		return err_set(err, E_USAGE, "Cannot parse argument '%s' of option election-type",
			       args->type);
	e->is_unclean = args->type && strcasecmp(args->type, "unclean") == 0;
	if (run->is_apache && (lacks_server || lacks_type))
		return err_set(err, E_USAGE, "Missing required option(s): %s%s%s",
			       lacks_server ? "bootstrap-server" : "",
			       lacks_server && lacks_type ? ", " : "",
			       lacks_type ? "election-type" : "");
	if (opt_given_count(run, "topic all-topic-partitions path-to-json-file") != 1)
		return err_set(err, E_USAGE,
			       "One and only one of the following options is required: topic, "
			       "all-topic-partitions, path-to-json-file");
	if (args->topic && !opt_given(run, "partition"))
		return err_set(err, E_USAGE, "Missing required option(s): partition");
	if (!args->topic && opt_given(run, "partition"))
		return err_set(err, E_USAGE, "Option partition is only allowed if topic is used");
	return output_format(&args->output, &e->format, err);
}

/* ---- The request -------------------------------------------------------------------------- */

static int elect_ask(struct election *e, struct client *c, struct elect_leaders_response **out,
		     struct err *err)
{
	struct arena *a = &e->run->arena;
	struct elect_leaders_request *request = WIRE_NEW(a, elect_leaders_request);
	struct elect_leaders_request_topic_partitions *to = NULL;
	int rc;

	request->election_type = e->is_unclean;
	request->timeout_ms = ELECTION_MS;
	request->topic_partitions = WIRE_ARRAY(a, elect_leaders_request_topic_partitions, e->count);
	request->topic_partitions_count = e->items ? 0 : -1;
	for (size_t i = 0; i < e->count; i++) {
		if (!to || !str_eq(to->topic, e->items[i].topic)) {
			to = &request->topic_partitions[request->topic_partitions_count++];
			to->topic = e->items[i].topic;
			to->partitions = arena_array(a, e->count - i, sizeof(int32_t));
		}
		to->partitions[to->partitions_count++] = e->items[i].partition;
	}
	rc = client_call(c, TO_CONTROLLER, API_ELECT_LEADERS, request, a, (void **)out, NULL, err);
	if (rc == E_TIMEOUT && e->run->is_apache)
		print_text("Timeout waiting for election results\n");
	if (rc < 0 || (*out)->error_code == KERR_NONE)
		return rc;
	if ((*out)->error_code == KERR_CLUSTER_AUTHORIZATION_FAILED) {
		return kafka_error_set(err, (*out)->error_code,
				       str_of("Not authorized to perform leader election"));
	}
	return kafka_error_set(err, (*out)->error_code, STR_NULL);
}

/* ---- Printing ----------------------------------------------------------------------------- */

static const char *outcome_word(int16_t error)
{
	return error == KERR_NONE                  ? "elected"
	       : error == KERR_ELECTION_NOT_NEEDED ? "not-needed"
						   : "failed";
}

static const char *outcome_error(const struct election *e,
				 const struct elect_leaders_response_partition_result *p)
{
	struct err err = {0};

	if (p->error_code == KERR_NONE || p->error_code == KERR_ELECTION_NOT_NEEDED)
		return NULL;
	(void)!kafka_error_set(&err, p->error_code, p->error_message);
	return arena_strdup(&e->run->arena, err_message(&err));
}

static void outcome_print(struct election *e, struct str topic,
			  const struct elect_leaders_response_partition_result *p)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *error = outcome_error(e, p);
	struct json_out j = {0};

	if (e->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "topic", topic);
		json_out_int(&j, "partition", p->partition_id);
		json_out_text(&j, "result", outcome_word(p->error_code));
		json_out_text(&j, "error", error);
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (e->format == OUTPUT_TABLE) {
		grid_add(&e->grid, str_dup(&e->run->arena, topic).data,
			 grid_int(&e->grid, p->partition_id), outcome_word(p->error_code), error);
	} else if (error) {
		print_text("Error completing leader election (%s) for partition: %.*s-%d: %s: %s\n",
			   e->is_unclean ? "UNCLEAN" : "PREFERRED", STR(topic), p->partition_id,
			   kafka_exception(p->error_code, class), error);
	}
}

/* Apache's line for the partitions that ended with `error`. */
static void text_of_all(const struct election *e, const struct elect_leaders_response *r,
			int16_t error)
{
	const char *text = NULL;

	for (int32_t t = 0; t < r->replica_election_results_count; t++) {
		for (int32_t i = 0; i < r->replica_election_results[t].partition_result_count;
		     i++) {
			const struct elect_leaders_response_partition_result *p =
				&r->replica_election_results[t].partition_result[i];

			if (p->error_code == error)
				text = arena_printf(&e->run->arena, "%s%s%.*s-%d", text ? text : "",
						    text ? ", " : "",
						    STR(r->replica_election_results[t].topic),
						    p->partition_id);
		}
	}
	if (text && error == KERR_NONE)
		output_say("Successfully completed leader election (%s) for partitions %s\n",
			   e->is_unclean ? "UNCLEAN" : "PREFERRED", text);
	else if (text)
		output_say("Valid replica already elected for partitions %s\n", text);
}

/* Returns the exit code. */
static int elect_print(struct election *e, const struct elect_leaders_response *r)
{
	static const char *const titles[] = {"TOPIC", ">PARTITION", "RESULT", "ERROR"};
	size_t count = 0, failed = 0;

	grid_init(&e->grid, &e->run->arena, titles, ARRAY_LEN(titles));
	if (e->format == OUTPUT_TEXT) {
		text_of_all(e, r, KERR_NONE);
		text_of_all(e, r, KERR_ELECTION_NOT_NEEDED);
	}
	for (int32_t t = 0; t < r->replica_election_results_count; t++) {
		for (int32_t i = 0; i < r->replica_election_results[t].partition_result_count;
		     i++) {
			const struct elect_leaders_response_partition_result *p =
				&r->replica_election_results[t].partition_result[i];

			count++;
			failed += outcome_error(e, p) != NULL;
			outcome_print(e, r->replica_election_results[t].topic, p);
		}
	}
	if (e->format == OUTPUT_TABLE)
		grid_print(&e->grid);
	if (failed == 0)
		return EXIT_OK;
	print_error("%s%s%zu replica(s) could not be elected\n",
		    e->run->is_apache ? "" : e->run->name, e->run->is_apache ? "" : ": ", failed);
	return failed < count && !e->run->is_apache ? EXIT_PARTIAL : EXIT_FAILED;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int elect_refuse(const struct run *run, const struct err *err)
{
	(void)run;
	print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

static int elect_run(struct run *run, void *data)
{
	struct elect_args *args = data;
	struct election e = {.run = run};
	struct elect_leaders_response *response = NULL;
	struct connection connection = {0};
	struct err err = {0};
	int rc = elect_check(run, args, &e, &err);

	if (rc < 0)
		return run->is_apache ? elect_refuse(run, &err) : help_usage(run, &err);
	if (args->admin_config) {
		output_say("Option --admin.config has been deprecated and will be removed in a "
			   "future version. Use --command-config instead.\n");
		args->cluster.command_config = args->admin_config;
	}
	if (args->file) {
		rc = file_read(&e, args->file, &err);
	} else if (args->topic) {
		e.items = arena_array(&run->arena, 1, sizeof(*e.items));
		e.items[0] = (struct elect_item){str_of(args->topic), (int32_t)args->partition};
		e.count = 1;
	}
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc == 0)
		rc = elect_ask(&e, connection.client, &response, &err);
	connect_close(&connection);
	if (rc < 0)
		return run->is_apache ? elect_refuse(run, &err) : help_failure(run, &err);
	return elect_print(&e, response);
}
