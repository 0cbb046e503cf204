/* groups --delete and --delete-offsets, and the CSV files of --reset-offsets. */
#include "cmd/groups/groups_int.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/table.h"

#include "base/env.h"
#include "base/mem.h"
#include "client/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int delete_one(struct groups *g, struct str group, struct err *err)
{
	struct delete_groups_request *request = WIRE_NEW(g->arena, delete_groups_request);
	struct delete_groups_response *response;
	int rc;

	request->groups_names = &group;
	request->groups_names_count = 1;
	rc = client_call(g->client, TO_GROUP(group), API_DELETE_GROUPS, request, g->arena,
			 (void **)&response, NULL, err);
	if (rc == 0 && response->results_count != 1)
		return err_set(err, E_MALFORMED, "DeleteGroups answered without the group");
	if (rc == 0 && response->results[0].error_code != KERR_NONE)
		return kafka_error_set(err, response->results[0].error_code,
				       response->results[0].error_message);
	return rc;
}

static void print_names(const struct str *names, const struct err *errors, size_t count)
{
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		if (errors[i].code != 0)
			continue;
		print_text("%s'%.*s'", first ? "" : ", ", STR(names[i]));
		first = false;
	}
}

int groups_delete(struct groups *g, int *code, struct err *err)
{
	struct err *errors;
	struct str *names;
	size_t count, failed = 0;
	int rc = groups_names(g, &names, &count, err);

	if (rc < 0)
		return rc;
	errors = arena_array(g->arena, count + 1, sizeof(*errors));
	for (size_t i = 0; i < count; i++)
		failed += delete_one(g, names[i], &errors[i]) < 0;
	if (failed == 0) {
		print_text("Deletion of requested consumer groups (");
		print_names(names, errors, count);
		print_text(") was successful.\n");
		return 0;
	}
	print_text("\nError: Deletion of some consumer groups failed:\n");
	for (size_t i = 0; i < count; i++) {
		char text[EXCEPTION_TEXT_MAX];
		const char *exception = err_exception(&errors[i], text);

		if (errors[i].code != 0)
			print_text("* Group '%.*s' could not be deleted due to: %s%s%s\n",
				   STR(names[i]), exception ? exception : "", exception ? ": " : "",
				   err_message(&errors[i]));
	}
	if (failed < count) {
		print_text("\nThese consumer groups were deleted successfully: ");
		print_names(names, errors, count);
		print_byte('\n');
	}
	*code = failed < count ? EXIT_PARTIAL : help_exit_code(g->run, &errors[0]);
	return 0;
}

/* ---- Offsets ------------------------------------------------------------------------------ */

/* Positions (sorted by topic) into the request's topics; those that failed already stay out. */
static void delete_fill(struct groups *g, struct offset_delete_request *request,
			const struct position *items, size_t count)
{
	struct offset_delete_request_topic *topics =
		WIRE_ARRAY(g->arena, offset_delete_request_topic, count);
	struct offset_delete_request_topic *at = NULL;

	request->topics = topics;
	for (size_t i = 0; i < count; i++) {
		if (items[i].error != 0)
			continue;
		if (!at || !str_eq(at->name, items[i].topic)) {
			at = &topics[request->topics_count++];
			at->name = items[i].topic;
			at->partitions =
				WIRE_ARRAY(g->arena, offset_delete_request_partition, count);
		}
		at->partitions[at->partitions_count++].partition_index = items[i].partition;
	}
}

static void delete_take(const struct offset_delete_response *response, struct position *items,
			size_t count)
{
	for (int32_t t = 0; t < response->topics_count; t++) {
		const struct offset_delete_response_topic *topic = &response->topics[t];

		for (int32_t p = 0; p < topic->partitions_count; p++) {
			struct position wanted = {.topic = topic->name,
						  .partition =
							  topic->partitions[p].partition_index};
			struct position *found = bsearch(&wanted, items, count, sizeof(*items),
							 position_cmp);

			if (found)
				found->error = topic->partitions[p].error_code;
		}
	}
}

static void delete_print(struct groups *g, const struct position *items, size_t count)
{
	const struct column columns[] = {
		COLUMN_WIDE("TOPIC", 15), COLUMN("PARTITION", 10), COLUMN("STATUS", 15)};
	struct table t;

	table_init(&t, g->arena, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		const char *status = items[i].error == 0 ? "Successful"
			: arena_printf(g->arena, "Error: %s", kafka_error_sentence(items[i].error));

		table_add(&t, arena_strndup(g->arena, items[i].topic.data, items[i].topic.len),
			  items[i].partition < 0 ? "-"
						 : arena_printf(g->arena, "%d", items[i].partition),
			  status);
	}
	table_print(&t, TABLE_LINE_FIRST);
}

int groups_delete_offsets(struct groups *g, int *code, struct err *err)
{
	struct offset_delete_request *request = WIRE_NEW(g->arena, offset_delete_request);
	struct offset_delete_response *response;
	struct str group = str_of(g->args->groups.items[0]);
	struct position *items;
	size_t count;
	bool failed = false;
	int rc;

	if (g->args->groups.count != 1)
		return err_set(err, E_USAGE,
			       "Found multiple arguments for option group, but you asked "
			       "for only one");
	rc = groups_topic_args(g, &items, &count, err);
	if (rc < 0)
		return rc;
	request->group_id = group;
	delete_fill(g, request, items, count);
	rc = client_call(g->client, TO_GROUP(group), API_OFFSET_DELETE, request, g->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->error_code != KERR_NONE) {
		print_text("\nError: %s\n", kafka_error_sentence(response->error_code));
		kafka_error_set(err, response->error_code, STR_NULL);
		*code = help_exit_code(g->run, err);
		return 0;
	}
	delete_take(response, items, count);
	for (size_t i = 0; i < count; i++)
		failed |= items[i].error != 0;
	if (failed) {
		print_text("\nError: Encountered some partition-level error, see the follow-up "
			   "details.\n");
		*code = EXIT_PARTIAL;
	} else {
		print_text("Request succeeded for deleting offsets from group %.*s.\n", STR(group));
	}
	delete_print(g, items, count);
	return 0;
}

/* ---- CSV ---------------------------------------------------------------------------------- */

#define RESET_FILE_BYTES_MAX (64 * 1024 * 1024)
#define RESET_FILE_COLUMNS 4

/* Splits one line at its commas, quotes taken off; returns how many columns. */
static unsigned csv_split(char *line, char *columns[RESET_FILE_COLUMNS + 1])
{
	unsigned count = 0;

	for (char *p = line; p && count <= RESET_FILE_COLUMNS;) {
		char *next;

		if (*p == '"') {
			next = strchr(++p, '"');
			if (next)
				*next++ = '\0';
			if (next)
				next = *next == ',' ? next + 1 : NULL;
		} else {
			next = strchr(p, ',');
			if (next)
				*next++ = '\0';
		}
		columns[count++] = p;
		p = next;
	}
	return count;
}

static int csv_row(char *line, unsigned number, const char *path, bool one_group,
		   struct reset_row *out, struct err *err)
{
	char *columns[RESET_FILE_COLUMNS + 1], *end, *partition_end;
	unsigned count = csv_split(line, columns);
	unsigned at = count - 3;
	long partition;

	if (count < 3 || count > 4 || (count == 3 && !one_group))
		return err_set(
			err, E_USAGE, "%s:%u: %s", path, number,
			one_group ? "not topic,partition,offset or group,topic,partition,offset"
				  : "not group,topic,partition,offset");
	*out = (struct reset_row){.group = count == 4 ? str_of(columns[0]) : STR_NULL,
				  .topic = str_of(columns[at])};
	partition = strtol(columns[at + 1], &partition_end, 10);
	out->offset = strtoll(columns[at + 2], &end, 10);
	if (partition_end == columns[at + 1] || *partition_end || partition < 0 ||
	    partition > INT32_MAX || end == columns[at + 2] || *end)
		return err_set(err, E_USAGE, "%s:%u: partition or offset is no number", path,
			       number);
	out->partition = (int32_t)partition;
	return 0;
}

int reset_file_read(struct arena *a, const char *path, bool one_group, struct reset_row **out,
		    size_t *count, struct err *err)
{
	struct reset_row *rows = NULL;
	size_t len, cap = 0;
	unsigned number = 0;
	struct env env;
	char *data, *text;
	int rc;

	*count = 0;
	env_posix_init(&env);
	rc = env_read_file(&env, path, RESET_FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	text = arena_strndup(a, data, len);
	free(data);
	for (char *line = text, *next; rc == 0 && line; line = next) {
		size_t end;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		end = strlen(line);
		if (end > 0 && line[end - 1] == '\r')
			line[end - 1] = '\0';
		if (*line == '\0')
			continue;
		if (*count == cap)
			rows = grow_array(rows, *count, &cap, sizeof(*rows));
		rc = csv_row(line, number, path, one_group, &rows[*count], err);
		*count += rc == 0;
	}
	*out = arena_memdup(a, rows, *count * sizeof(*rows));
	free(rows);
	return rc;
}
