/* log-dirs: what lies in the directories of brokers (kafka-log-dirs). */
#include "cmd/connect.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/buf.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

static int log_dirs_run(struct run *run, void *args);

struct log_dirs_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *topics, *brokers;
	bool describe;
};

#define AT(field) offsetof(struct log_dirs_args, field)

static const struct opt log_dirs_opts[] = {
	OPTS_CLUSTER_IDS,
	OPTS_OUTPUT,
	{"describe", OPT_FLAG, AT(describe),
	 .help = "Describe the directories; there is nothing else that can be asked for."},
	{"topic-list", OPT_STRING, AT(topics), .arg = "topics", .complete = COMPLETE_TOPIC,
	 .help = "Only these topics, separated by commas; without it all."},
	{"broker-list", OPT_STRING, AT(brokers), .arg = "ids",
	 .help = "Only these brokers, such as 0,1,2; without it all."},
	OPT_END,
};

const struct command cmd_log_dirs = {
	.name = "log-dirs",
	.alias = "kafka-log-dirs",
	.dialect = JOPT,
	.summary = "show how much lies in the directories of brokers",
	.intro = "This tool helps to query log directory usage on the specified brokers.",
	.opts = log_dirs_opts,
	.args_size = sizeof(struct log_dirs_args),
	.run = log_dirs_run,
};

struct log_dirs {
	struct run *run;
	const char *topics; /* NULL: all */
	enum output_format format;
	struct json_out json;
	struct grid grid;
	size_t failed;
};

/* ---- Which brokers ------------------------------------------------------------------------ */

static int id_cmp(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

static bool id_in(const int32_t *ids, size_t count, int32_t id)
{
	return count > 0 && bsearch(&id, ids, count, sizeof(id), id_cmp);
}

static const char *ids_text(struct arena *a, const int32_t *ids, size_t count)
{
	const char *text = "";

	for (size_t i = 0; i < count; i++)
		text = arena_printf(a, "%s%s%d", text, i ? "," : "", ids[i]);
	return text;
}

static void ids_sort(int32_t *ids, size_t *count)
{
	size_t kept = 0;

	qsort(ids, *count, sizeof(*ids), id_cmp);
	for (size_t i = 0; i < *count; i++) {
		if (kept == 0 || ids[kept - 1] != ids[i])
			ids[kept++] = ids[i];
	}
	*count = kept;
}

/* The numbers of --broker-list, sorted. */
static int ids_parse(struct arena *a, const char *list, int32_t **out, size_t *count,
		     struct err *err)
{
	*out = arena_array(a, strlen(list) + 1, sizeof(**out));
	*count = 0;
	while (*list) {
		size_t len = strcspn(list, ",");
		char *end;
		long id = strtol(list, &end, 10);

		if (end != list + len || len == 0 || id < INT32_MIN || id > INT32_MAX)
			return err_set(err, E_USAGE, "For input string: \"%.*s\"", (int)len, list);
		(*out)[(*count)++] = (int32_t)id;
		list += len + (list[len] == ',');
	}
	ids_sort(*out, count);
	return 0;
}

/* The cluster's brokers, or those of `list`, which must be there. */
static int brokers_find(struct run *run, struct client *c, const char *list, int32_t **out,
			size_t *count, struct err *err)
{
	static const struct str none[1];
	struct arena *a = &run->arena;
	struct metadata_response *metadata;
	int32_t *ids, *wanted, *lacking;
	size_t id_count, wanted_count, lacking_count = 0;
	int rc = ids_parse(a, list, &wanted, &wanted_count, err);

	if (rc < 0)
		return rc;
	rc = admin_metadata(c, none, 0, a, &metadata, err);
	if (rc < 0)
		return rc;
	id_count = (size_t)metadata->brokers_count;
	ids = arena_array(a, id_count + 1, sizeof(*ids));
	for (size_t i = 0; i < id_count; i++)
		ids[i] = metadata->brokers[i].node_id;
	ids_sort(ids, &id_count);
	lacking = arena_array(a, wanted_count + 1, sizeof(*lacking));
	for (size_t i = 0; i < wanted_count; i++) {
		if (!id_in(ids, id_count, wanted[i]))
			lacking[lacking_count++] = wanted[i];
	}
	if (lacking_count)
		return err_set(err, E_NOT_FOUND,
			       "%she given brokers do not exist from --broker-list: %s. "
			       "Current existent brokers: %s",
			       run->is_apache ? "ERROR: T" : "t",
			       ids_text(a, lacking, lacking_count), ids_text(a, ids, id_count));
	*out = wanted_count ? wanted : ids;
	*count = wanted_count ? wanted_count : id_count;
	return 0;
}

/* ---- Printing ----------------------------------------------------------------------------- */

static bool topic_wanted(const struct log_dirs *d, struct str name)
{
	for (const char *at = d->topics; at && *at;) {
		size_t len = strcspn(at, ",");

		if (str_eq(name, (struct str){at, len}))
			return true;
		at += len + (at[len] == ',');
	}
	return !d->topics;
}

static void json_partitions(struct log_dirs *d, const struct describe_log_dirs_response_result *dir)
{
	struct json_out *j = &d->json;

	json_out_open(j, "partitions", '[');
	for (int32_t t = 0; t < dir->topics_count; t++) {
		struct str topic = dir->topics[t].name;

		for (int32_t p = 0; p < dir->topics[t].partitions_count; p++) {
			const struct describe_log_dirs_response_partition *partition =
				&dir->topics[t].partitions[p];
			int32_t index = partition->partition_index;

			if (!topic_wanted(d, topic))
				break;
			json_out_open(j, NULL, '{');
			if (d->format == OUTPUT_TEXT) {
				json_out_text(
					j, "partition",
					arena_printf(&d->run->arena, "%.*s-%d", STR(topic), index));
			} else {
				json_out_str(j, "topic", topic);
				json_out_int(j, "partition", index);
			}
			json_out_int(j, "size", partition->partition_size);
			json_out_int(j, "offsetLag", partition->offset_lag);
			json_out_bool(j, "isFuture", partition->is_future_key);
			json_out_close(j, '}');
		}
	}
	json_out_close(j, ']');
}

static const char *dir_error(struct log_dirs *d,
			     const struct describe_log_dirs_response_result *dir)
{
	char *text = arena_alloc(&d->run->arena, EXCEPTION_TEXT_MAX);

	if (dir->error_code == KERR_NONE)
		return NULL;
	return d->format == OUTPUT_TEXT ? kafka_exception(dir->error_code, text)
					: kafka_error_text(dir->error_code);
}

/* A directory within Apache's one object. */
static void text_dir(struct log_dirs *d, const struct describe_log_dirs_response_result *dir)
{
	json_out_open(&d->json, NULL, '{');
	json_partitions(d, dir);
	json_out_text(&d->json, "error", dir_error(d, dir));
	json_out_str(&d->json, "logDir", dir->log_dir);
	json_out_close(&d->json, '}');
}

/* A directory on a line of its own. */
static void json_dir(struct log_dirs *d, int32_t broker,
		     const struct describe_log_dirs_response_result *dir)
{
	struct json_out *j = &d->json;

	*j = (struct json_out){0};
	json_out_open(j, NULL, '{');
	json_out_int(j, "broker", broker);
	json_out_str(j, "logDir", dir->log_dir);
	json_out_text(j, "error", dir_error(d, dir));
	if (dir->total_bytes >= 0)
		json_out_int(j, "totalBytes", dir->total_bytes);
	if (dir->usable_bytes >= 0)
		json_out_int(j, "usableBytes", dir->usable_bytes);
	json_out_bool(j, "isCordoned", dir->is_cordoned);
	json_partitions(d, dir);
	json_out_close(j, '}');
	print_byte('\n');
}

static void table_dir(struct log_dirs *d, int32_t broker,
		      const struct describe_log_dirs_response_result *dir)
{
	const char *path = str_dup(&d->run->arena, dir->log_dir).data;
	const char *error = dir_error(d, dir);

	if (error) {
		grid_add(&d->grid, grid_int(&d->grid, broker), path, NULL, NULL, NULL, NULL, error);
		grid_tone(&d->grid, 6, TONE_RED);
	}
	for (int32_t t = 0; t < dir->topics_count; t++) {
		const char *topic = str_dup(&d->run->arena, dir->topics[t].name).data;

		for (int32_t p = 0; p < dir->topics[t].partitions_count; p++) {
			const struct describe_log_dirs_response_partition *partition =
				&dir->topics[t].partitions[p];

			if (!topic_wanted(d, dir->topics[t].name))
				break;
			grid_add(&d->grid, grid_int(&d->grid, broker), path, topic,
				 grid_int(&d->grid, partition->partition_index),
				 grid_int(&d->grid, partition->partition_size),
				 grid_int(&d->grid, partition->offset_lag),
				 partition->is_future_key ? "moves here" : NULL);
		}
	}
}

static void broker_print(struct log_dirs *d, int32_t broker,
			 const struct describe_log_dirs_response *r)
{
	if (d->format == OUTPUT_TEXT) {
		json_out_open(&d->json, NULL, '{');
		json_out_int(&d->json, "broker", broker);
		json_out_open(&d->json, "logDirs", '[');
	}
	for (int32_t i = 0; i < r->results_count; i++) {
		d->failed += r->results[i].error_code != KERR_NONE;
		if (d->format == OUTPUT_JSON)
			json_dir(d, broker, &r->results[i]);
		else if (d->format == OUTPUT_TABLE)
			table_dir(d, broker, &r->results[i]);
		else
			text_dir(d, &r->results[i]);
	}
	if (d->format == OUTPUT_TEXT) {
		json_out_close(&d->json, ']');
		json_out_close(&d->json, '}');
	}
}

/* ---- The run ------------------------------------------------------------------------------ */

/* The first of the failures: of the calls, or told in a response. */
static int calls_check(const struct call *calls, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct describe_log_dirs_response *r = calls[i].response;

		if (calls[i].rc < 0) {
			*err = calls[i].err;
			return calls[i].rc;
		}
		/* Before version 3 the answer of a broker that denies it is empty. */
		if (r->error_code != KERR_NONE || (calls[i].version < 3 && r->results_count == 0))
			return kafka_error_set(err,
					       r->error_code ? r->error_code
							     : KERR_CLUSTER_AUTHORIZATION_FAILED,
					       STR_NULL);
	}
	return 0;
}

static void calls_print(struct log_dirs *d, const struct call *calls, const int32_t *ids,
			size_t count)
{
	static const char *const titles[] = {"BROKER", "LOG-DIR",     "TOPIC", ">PARTITION",
					     ">SIZE",  ">OFFSET-LAG", "STATE"};
	bool is_text = d->format == OUTPUT_TEXT;

	grid_init(&d->grid, &d->run->arena, titles, ARRAY_LEN(titles));
	if (is_text) {
		output_say("Received log directory information from brokers %s\n",
			   ids_text(&d->run->arena, ids, count));
		json_out_open(&d->json, NULL, '{');
		json_out_open(&d->json, "brokers", '[');
	}
	for (size_t i = 0; i < count; i++)
		broker_print(d, ids[i], calls[i].response);
	if (is_text) {
		json_out_close(&d->json, ']');
		json_out_int(&d->json, "version", 1);
		json_out_close(&d->json, '}');
		print_byte('\n');
	} else if (d->format == OUTPUT_TABLE) {
		grid_print(&d->grid);
	}
}

static int log_dirs_ask(struct log_dirs *d, struct client *c, const int32_t *ids, size_t count,
			struct err *err)
{
	struct describe_log_dirs_request *request =
		WIRE_NEW(&d->run->arena, describe_log_dirs_request);
	struct call *calls = arena_array(&d->run->arena, count + 1, sizeof(*calls));
	int rc;

	request->topics_count = -1;
	for (size_t i = 0; i < count; i++)
		calls[i] = (struct call){.target = TO_NODE(ids[i]),
					 .api_key = API_DESCRIBE_LOG_DIRS,
					 .request = request};
	if (d->format == OUTPUT_TEXT)
		output_say("Querying brokers for log directories information\n");
	rc = client_call_all(c, calls, count, err);
	if (rc == 0)
		rc = calls_check(calls, count, err);
	if (rc == 0)
		calls_print(d, calls, ids, count);
	for (size_t i = 0; i < count; i++)
		call_fini(&calls[i]);
	return rc;
}

static int log_dirs_failure(const struct run *run, const struct err *err)
{
	if (!run->is_apache)
		return help_failure(run, err);
	print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

static int log_dirs_run(struct run *run, void *data)
{
	struct log_dirs_args *args = data;
	struct log_dirs d = {.run = run};
	struct connection connection = {0};
	struct err err = {0};
	int32_t *ids = NULL;
	size_t count = 0;
	int rc = output_format(&args->output, &d.format, &err);

	if (rc == 0 && !connect_has_server(run))
		rc = opt_require(run, "bootstrap-server", &err);
	if (rc == 0 && run->is_apache)
		rc = opt_require(run, "describe", &err);
	if (rc < 0)
		return help_usage(run, &err);
	d.topics = args->topics && *args->topics ? args->topics : NULL;
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc == 0)
		rc = brokers_find(run, connection.client, args->brokers ? args->brokers : "", &ids,
				  &count, &err);
	if (rc == 0)
		rc = log_dirs_ask(&d, connection.client, ids, count, &err);
	connect_close(&connection);
	if (rc < 0)
		return log_dirs_failure(run, &err);
	return d.failed && !run->is_apache ? EXIT_PARTIAL : EXIT_OK;
}
