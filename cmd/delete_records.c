/* delete-records: delete the records of partitions before an offset (kafka-delete-records). */
#include "cmd/connect.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "cmd/time_text.h"

#include "base/env.h"
#include "base/mem.h"
#include "client/admin.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64 * 1024 * 1024)
#define TO_HIGH_WATERMARK (-1) /* the broker's rule */

static int delete_records_run(struct run *run, void *args);

struct delete_records_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *file, *before;
	struct opt_list topics;
	bool dry_run;
};

#define AT(field) offsetof(struct delete_records_args, field)

static const struct opt delete_records_opts[] = {
	OPTS_CLUSTER,
	OPTS_OUTPUT,
	{"offset-json-file", OPT_STRING, AT(file), .arg = "offset json file path",
	 .complete = COMPLETE_FILE,
	 .help = "{\"partitions\":[{\"topic\":\"a\",\"partition\":0,\"offset\":1}],\"version\":1}; "
		 "the offset -1 is the end of what consumers may read."},
	{"topic", OPT_LIST, AT(topics), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .flags = OPT_OWN, .needs = "before",
	 .help = "A topic, or one partition of it as topic:0, instead of a file; may be repeated."},
	{"before", OPT_STRING, AT(before), .arg = "offset", .flags = OPT_OWN, .needs = "topic",
	 .help = "Delete what lies before this offset, before a time (YYYY-MM-DDTHH:mm:SS), or "
		 "everything: latest."},
	{"dry-run", OPT_FLAG, AT(dry_run), .flags = OPT_OWN,
	 .help = "Only show where partitions would begin."},
	OPT_END,
};

const struct command cmd_delete_records = {
	.name = "delete-records",
	.alias = "kafka-delete-records",
	.dialect = JOPT,
	.summary = "delete the oldest records of partitions",
	.intro = "This tool helps to delete records of the given partitions down to the specified "
		 "offset.",
	.opts = delete_records_opts,
	.args_size = sizeof(struct delete_records_args),
	.run = delete_records_run,
};

/* ---- The file ----------------------------------------------------------------------------- */

static int file_item(struct arena *a, const json_t *json, struct position *out, struct err *err)
{
	const json_t *topic = json_object_get(json, "topic");
	const json_t *partition = json_object_get(json, "partition");
	const json_t *offset = json_object_get(json, "offset");

	if (!topic || !partition || !offset)
		return err_set(err, E_INVALID, "No such field exists: `%s`",
			       !topic       ? "topic"
			       : !partition ? "partition"
					    : "offset");
	if (!json_is_string(topic) || !json_is_integer(partition) || !json_is_integer(offset) ||
	    json_integer_value(partition) < 0 || json_integer_value(partition) > INT32_MAX)
		return err_set(err, E_INVALID,
			       "\"topic\" is no text, or \"partition\" or "
			       "\"offset\" no whole number");
	*out = (struct position){.topic = str_of(arena_strdup(a, json_string_value(topic))),
				 .partition = (int32_t)json_integer_value(partition),
				 .offset = json_integer_value(offset)};
	return 0;
}

static int position_cmp(const void *a, const void *b)
{
	const struct position *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : x->partition < y->partition ? -1 : x->partition > y->partition;
}

static int file_items(struct arena *a, const json_t *json, struct position **out, size_t *count,
		      struct err *err)
{
	const json_t *version = json_object_get(json, "version");
	const json_t *partitions = json_object_get(json, "partitions");

	if (version && json_integer_value(version) != 1)
		return err_set(err, E_INVALID, "Not supported version field value %lld",
			       (long long)json_integer_value(version));
	if (!json_is_array(partitions))
		return err_set(err, E_INVALID, "Missing partitions field");
	*count = json_array_size(partitions);
	*out = arena_array(a, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++) {
		int rc = file_item(a, json_array_get(partitions, i), &(*out)[i], err);

		if (rc < 0)
			return rc;
	}
	qsort(*out, *count, sizeof(**out), position_cmp);
	for (size_t i = 1; i < *count; i++) {
		if (position_cmp(&(*out)[i - 1], &(*out)[i]) == 0)
			return err_set(err, E_INVALID,
				       "Offset json file contains duplicate topic partitions: "
				       "%.*s-%d",
				       STR((*out)[i].topic), (*out)[i].partition);
	}
	return 0;
}

static int file_read(const struct run *run, struct arena *a, const char *path,
		     struct position **out, size_t *count, struct err *err)
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
		return run->is_apache ? err_set(err, rc, "Unable to read file %s", path)
				      : err_sys(err, rc, "%s", path);
	json = json_loadb(data, len, 0, &why);
	free(data);
	if (!json && run->is_apache)
		return err_set(err, E_INVALID, "The input string is not a valid JSON");
	if (!json)
		return err_set(err, E_INVALID, "%s:%d: no JSON: %s", path, why.line, why.text);
	rc = file_items(a, json, out, count, err);
	json_decref(json);
	return rc;
}

/* ---- --topic and --before ----------------------------------------------------------------- */

/* The offsets of --before: a number as it is, the others looked up. */
static int topics_before(struct client *c, const char *before, struct position *items, size_t count,
			 struct err *err)
{
	int64_t time = TO_HIGH_WATERMARK;
	char *end;
	int64_t offset = strtoll(before, &end, 10);
	int rc = 0;

	if (*end != '\0' && strcmp(before, "latest") != 0) {
		rc = time_parse(before, &time, err);
		if (rc < 0)
			return err_set(err, E_INVALID,
				       "--before: '%s' is no offset, no date with a "
				       "time, and not latest",
				       before);
		offset = MAX(time, 0);
	} else if (*end == '\0') {
		for (size_t i = 0; i < count; i++)
			items[i].offset = offset;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		items[i].offset = time == TO_HIGH_WATERMARK ? OFFSET_END : offset;
	rc = admin_offsets(c, items, count, false, NULL, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].error != 0)
			return kafka_error_set(err, items[i].error, STR_NULL);
		if (items[i].offset < 0)
			items[i].offset = TO_HIGH_WATERMARK; /* nothing is as young as that */
	}
	return rc;
}

static int topics_read(struct run *run, const struct delete_records_args *args, struct client *c,
		       struct position **out, size_t *count, struct err *err)
{
	struct arena *a = &run->arena;
	struct str *names = arena_array(a, args->topics.count, sizeof(*names));
	long *wanted = arena_array(a, args->topics.count, sizeof(*wanted));
	struct metadata_response *metadata;
	size_t max = 0;
	int rc;

	for (unsigned i = 0; i < args->topics.count; i++) {
		const char *text = args->topics.items[i], *colon = strrchr(text, ':');
		char *end = "";

		wanted[i] = colon ? strtol(colon + 1, &end, 10) : -1;
		if (colon && (*end || end == colon + 1 || wanted[i] < 0))
			return err_set(err, E_INVALID, "--topic %s: want topic or topic:partition",
				       text);
		names[i] = (struct str){text, colon ? (size_t)(colon - text) : strlen(text)};
	}
	rc = admin_metadata(c, names, args->topics.count, a, &metadata, err);
	for (int32_t t = 0; rc == 0 && t < metadata->topics_count; t++) {
		if (metadata->topics[t].error_code != KERR_NONE)
			return err_set(err, E_NOT_FOUND, "%.*s: %s", STR(metadata->topics[t].name),
				       kafka_error_text(metadata->topics[t].error_code));
		max += (size_t)metadata->topics[t].partitions_count;
	}
	if (rc < 0)
		return rc;
	*out = arena_array(a, max * args->topics.count + 1, sizeof(**out));
	*count = 0;
	for (unsigned i = 0; i < args->topics.count; i++) {
		for (int32_t t = 0; t < metadata->topics_count; t++) {
			const struct metadata_response_topic *topic = &metadata->topics[t];

			for (int32_t p = 0;
			     str_eq(topic->name, names[i]) && p < topic->partitions_count; p++) {
				int32_t index = topic->partitions[p].partition_index;

				if (wanted[i] < 0 || index == wanted[i])
					(*out)[(*count)++] = (struct position){.topic = topic->name,
									       .partition = index,
									       .leader_epoch = -1};
			}
		}
	}
	if (*count == 0)
		return err_set(err, E_NOT_FOUND, "there is no such partition");
	qsort(*out, *count, sizeof(**out), position_cmp);
	return topics_before(c, args->before, *out, *count, err);
}

/* ---- The requests ------------------------------------------------------------------------- */

struct deletion {
	struct run *run;
	enum output_format format;
	bool is_dry;
	struct grid grid;
};

static void delete_print(struct deletion *d, const struct position *p, int64_t low_watermark,
			 const struct err *failed)
{
	char exception[EXCEPTION_TEXT_MAX];
	const char *class = d->run->is_apache && failed ? err_exception(failed, exception) : NULL;
	const char *message = !failed ? NULL
				      : arena_printf(&d->run->arena, "%s%s%s", class ? class : "",
						     class ? ": " : "", err_message(failed));
	struct json_out j = {0};

	if (d->format == OUTPUT_TABLE) {
		grid_add(&d->grid, str_dup(&d->run->arena, p->topic).data,
			 grid_int(&d->grid, p->partition),
			 failed ? NULL : grid_int(&d->grid, low_watermark), message);
	} else if (d->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "topic", p->topic);
		json_out_int(&j, "partition", p->partition);
		if (failed)
			json_out_null(&j, "lowWatermark");
		else
			json_out_int(&j, "lowWatermark", low_watermark);
		json_out_text(&j, "error", message);
		json_out_close(&j, '}');
		print_byte('\n');
	} else {
		print_text("partition: %.*s-%d\t", STR(p->topic), p->partition);
		if (message)
			print_text("error: %s\n", message);
		else
			print_text("low_watermark: %" PRId64 "\n", low_watermark);
	}
}

/* The partition's leader does it. Returns the new start of the log through `low_watermark`. */
static int delete_one(struct run *run, struct client *c, const struct position *item,
		      int64_t *low_watermark, struct err *err)
{
	struct delete_records_request *request = WIRE_NEW(&run->arena, delete_records_request);
	struct delete_records_response *response;
	int rc;

	request->timeout_ms = 30000;
	request->topics = WIRE_ARRAY(&run->arena, delete_records_request_topic, 1);
	request->topics_count = 1;
	request->topics[0].name = item->topic;
	request->topics[0].partitions =
		WIRE_ARRAY(&run->arena, delete_records_request_partition, 1);
	request->topics[0].partitions_count = 1;
	request->topics[0].partitions[0].partition_index = item->partition;
	request->topics[0].partitions[0].offset = item->offset;
	rc = client_call(c, TO_LEADER(item->topic, item->partition), API_DELETE_RECORDS, request,
			 &run->arena, (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->topics_count != 1 || response->topics[0].partitions_count != 1)
		return err_set(err, E_MALFORMED, "the answer lacks the partition");
	*low_watermark = response->topics[0].partitions[0].low_watermark;
	if (response->topics[0].partitions[0].error_code != KERR_NONE)
		return kafka_error_set(err, response->topics[0].partitions[0].error_code, STR_NULL);
	return 0;
}

/* Where the partition would begin: not before it does now, not behind its end. */
static int delete_dry(struct client *c, const struct position *item, int64_t *low_watermark,
		      struct err *err)
{
	struct position ends[] = {*item, *item};
	int rc;

	ends[0].offset = OFFSET_BEGINNING;
	ends[1].offset = OFFSET_END;
	rc = admin_offsets(c, &ends[0], 1, false, NULL, err);
	if (rc == 0)
		rc = admin_offsets(c, &ends[1], 1, false, NULL, err);
	if (rc == 0 && (ends[0].error || ends[1].error))
		return kafka_error_set(err, ends[0].error ? ends[0].error : ends[1].error,
				       STR_NULL);
	if (rc == 0 && item->offset > ends[1].offset)
		return kafka_error_set(err, KERR_OFFSET_OUT_OF_RANGE, STR_NULL);
	*low_watermark = item->offset == TO_HIGH_WATERMARK ? ends[1].offset
							   : MAX(item->offset, ends[0].offset);
	return rc;
}

/* Returns how many failed. */
static size_t delete_all(struct deletion *d, struct client *c, const struct position *items,
			 size_t count)
{
	static const char *const titles[] = {"TOPIC", ">PARTITION", ">LOW-WATERMARK", "ERROR"};
	size_t failed = 0;

	grid_init(&d->grid, &d->run->arena, titles, ARRAY_LEN(titles));
	if (d->format == OUTPUT_TEXT && !d->is_dry)
		output_say("Executing records delete operation\n"
			   "Records delete operation completed:\n");
	for (size_t i = 0; i < count; i++) {
		int64_t low_watermark = -1;
		struct err err = {0};
		int rc = d->is_dry ? delete_dry(c, &items[i], &low_watermark, &err)
				   : delete_one(d->run, c, &items[i], &low_watermark, &err);

		failed += rc < 0;
		delete_print(d, &items[i], low_watermark, rc < 0 ? &err : NULL);
	}
	if (d->format == OUTPUT_TABLE)
		grid_print(&d->grid);
	return failed;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int delete_records_failure(const struct run *run, const struct err *err)
{
	if (!run->is_apache)
		return help_failure(run, err);
	print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

static int delete_records_run(struct run *run, void *data)
{
	struct delete_records_args *args = data;
	struct deletion d = {.run = run, .is_dry = args->dry_run};
	struct connection connection = {0};
	struct position *items = NULL;
	struct err err = {0};
	size_t count = 0, failed;
	int rc = output_format(&args->output, &d.format, &err);

	if (rc == 0 && !connect_has_server(run))
		rc = opt_require(run, "bootstrap-server", &err);
	if (rc == 0 && args->topics.count == 0)
		rc = opt_require(run, "offset-json-file", &err);
	if (rc == 0)
		rc = opt_conflict(run, "offset-json-file", "topic", &err);
	if (rc < 0)
		return help_usage(run, &err);
	if (args->file)
		rc = file_read(run, &run->arena, args->file, &items, &count, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc == 0 && !args->file)
		rc = topics_read(run, args, connection.client, &items, &count, &err);
	if (rc < 0) {
		connect_close(&connection);
		return delete_records_failure(run, &err);
	}
	failed = delete_all(&d, connection.client, items, count);
	connect_close(&connection);
	return failed == 0 || run->is_apache ? EXIT_OK
	       : failed < count              ? EXIT_PARTIAL
					     : EXIT_FAILED;
}
