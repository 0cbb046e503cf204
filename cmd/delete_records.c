/* delete-records: delete the records of partitions before an offset (kafka-delete-records). */
#include "cmd/connect.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int delete_records_run(struct run *run, void *args);

struct delete_records_args {
	struct cluster_args cluster;
	const char *file;
};

#define AT(field) offsetof(struct delete_records_args, field)

static const struct opt delete_records_opts[] = {
	OPTS_CLUSTER,
	{"offset-json-file", OPT_STRING, AT(file), .arg = "offset json file path",
	 .complete = COMPLETE_FILE,
	 .help = "{\"partitions\":[{\"topic\":\"a\",\"partition\":0,\"offset\":1}],\"version\":1}; "
		 "the offset -1 is the end of what consumers may read."},
	OPT_END,
};

const struct command cmd_delete_records = {
	.name = "delete-records", .alias = "kafka-delete-records", .dialect = JOPT,
	.summary = "delete the oldest records of partitions",
	.intro = "This tool helps to delete records of the given partitions down to the specified "
		 "offset.",
	.opts = delete_records_opts, .args_size = sizeof(struct delete_records_args),
	.run = delete_records_run,
};

/* ---- The file ----------------------------------------------------------------------------- */

static int file_item(struct arena *a, const json_t *json, struct position *out, struct err *err)
{
	const json_t *topic = json_object_get(json, "topic");
	const json_t *partition = json_object_get(json, "partition");
	const json_t *offset = json_object_get(json, "offset");

	if (!json_is_string(topic) || !json_is_integer(partition) || !json_is_integer(offset) ||
	    json_integer_value(partition) < 0 || json_integer_value(partition) > INT32_MAX)
		return err_set(err, E_INVALID,
			       "a partition needs \"topic\", \"partition\" and \"offset\"");
	*out = (struct position){.topic = str_of(arena_strdup(a, json_string_value(topic))),
				 .partition = (int32_t)json_integer_value(partition),
				 .offset = json_integer_value(offset)};
	return 0;
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
		for (size_t j = 0; j < i; j++) {
			if ((*out)[j].partition == (*out)[i].partition &&
			    str_eq((*out)[j].topic, (*out)[i].topic))
				return err_set(err, E_INVALID,
					       "Offset json file contains duplicate "
					       "topic partitions: %.*s-%d",
					       STR((*out)[i].topic), (*out)[i].partition);
		}
	}
	return 0;
}

static int file_read(struct arena *a, const char *path, struct position **out, size_t *count,
		     struct err *err)
{
	json_error_t why;
	json_t *json = json_load_file(path, 0, &why);
	int rc;

	if (!json)
		return err_set(err, E_INVALID, "The input string is not a valid JSON (%s:%d: %s)",
			       path, why.line, why.text);
	rc = file_items(a, json, out, count, err);
	json_decref(json);
	return rc;
}

/* ---- The requests ------------------------------------------------------------------------- */

static void delete_print(const struct position *p, int64_t low_watermark, const char *message)
{
	print_text("partition: %.*s-%d\t", STR(p->topic), p->partition);
	if (message)
		print_text("error: %s\n", message);
	else
		print_text("low_watermark: %" PRId64 "\n", low_watermark);
}

/* Each partition asks its own leader. Returns whether all went well. */
static bool delete_all(struct run *run, struct client *c, const struct position *items,
		       size_t count)
{
	bool all = true;

	print_text("Executing records delete operation\nRecords delete operation completed:\n");
	for (size_t i = 0; i < count; i++) {
		struct delete_records_request *request =
			WIRE_NEW(&run->arena, delete_records_request);
		struct delete_records_response *response;
		struct err err = {0};
		int rc;

		request->timeout_ms = 30000;
		request->topics = WIRE_ARRAY(&run->arena, delete_records_request_topic, 1);
		request->topics_count = 1;
		request->topics[0].name = items[i].topic;
		request->topics[0].partitions =
			WIRE_ARRAY(&run->arena, delete_records_request_partition, 1);
		request->topics[0].partitions_count = 1;
		request->topics[0].partitions[0].partition_index = items[i].partition;
		request->topics[0].partitions[0].offset = items[i].offset;
		rc = client_call(c, TO_LEADER(items[i].topic, items[i].partition),
				 API_DELETE_RECORDS, request, &run->arena, (void **)&response, NULL,
				 &err);
		if (rc == 0 && (response->topics_count != 1 ||
				response->topics[0].partitions_count != 1))
			rc = err_set(&err, E_MALFORMED, "the answer lacks the partition");
		if (rc == 0 && response->topics[0].partitions[0].error_code != KERR_NONE)
			rc = kafka_error_set(&err, response->topics[0].partitions[0].error_code,
					     STR_NULL);
		all &= rc == 0;
		delete_print(&items[i],
			     rc == 0 ? response->topics[0].partitions[0].low_watermark : 0,
			     rc == 0 ? NULL : err_message(&err));
	}
	return all;
}

static int delete_records_run(struct run *run, void *data)
{
	struct delete_records_args *args = data;
	struct connection connection;
	struct position *items = NULL;
	struct err err = {0};
	size_t count = 0;
	bool all;
	int rc = 0;

	if (!connect_has_server(run))
		rc = opt_require(run, "bootstrap-server", &err);
	if (rc == 0)
		rc = opt_require(run, "offset-json-file", &err);
	if (rc < 0)
		return help_usage(run, &err);
	rc = file_read(&run->arena, args->file, &items, &count, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return help_failure(run, &err);
	all = delete_all(run, connection.client, items, count);
	connect_close(&connection);
	return all || run->is_apache ? EXIT_OK : EXIT_PARTIAL;
}
