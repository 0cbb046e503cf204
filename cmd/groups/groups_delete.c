/* groups --delete and --delete-offsets. */
#include "cmd/groups/groups_int.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/table.h"

#include "base/mem.h"
#include "client/admin.h"

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

static const char *error_text(struct groups *g, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = g->run->is_apache ? err_exception(err, text) : NULL;

	return arena_printf(g->arena, "%s%s%s", exception ? exception : "", exception ? ": " : "",
			    err_message(err));
}

static void delete_print_json(struct groups *g, const struct str *names, const struct err *errors,
			      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_str(&j, "group", names[i]);
		json_out_text(&j, "error", errors[i].code ? error_text(g, &errors[i]) : NULL);
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

static void delete_print_text(struct groups *g, const struct str *names, const struct err *errors,
			      size_t count, size_t failed)
{
	if (failed == 0 && (count > 0 || g->run->is_apache)) {
		print_text("Deletion of requested consumer groups (");
		print_names(names, errors, count);
		print_text(") was successful.\n");
	}
	if (failed == 0)
		return;
	print_text("\nError: Deletion of some consumer groups failed:\n");
	for (size_t i = 0; i < count; i++) {
		if (errors[i].code != 0)
			print_text("* Group '%.*s' could not be deleted due to: %s\n",
				   STR(names[i]), error_text(g, &errors[i]));
	}
	if (failed < count) {
		print_text("\nThese consumer groups were deleted successfully: ");
		print_names(names, errors, count);
		print_byte('\n');
	}
}

/* Under our own name each failure is a line on stderr, each success one on stdout. */
static void delete_print_own(struct groups *g, const struct str *names, const struct err *errors,
			     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (errors[i].code == 0)
			output_say("%s group %.*s.\n",
				   g->args->dry_run ? "Would delete" : "Deleted", STR(names[i]));
		else
			print_error("%s: group %.*s: %s%s\n", g->run->name, STR(names[i]),
				    err_message(&errors[i]),
				    errors[i].kafka_error == KERR_NON_EMPTY_GROUP
					    ? " (stop its members first: --describe --members)"
					    : "");
	}
}

int groups_delete(struct groups *g, int *code, struct err *err)
{
	struct err *errors;
	struct str *names;
	size_t count, failed = 0, first = 0;
	bool is_dry = g->args->dry_run && !g->run->is_apache;
	int rc = groups_names(g, &names, &count, err);

	if (rc < 0)
		return rc;
	errors = arena_array(g->arena, count + 1, sizeof(*errors));
	for (size_t i = count; i-- > 0 && !is_dry;) {
		if (delete_one(g, names[i], &errors[i]) < 0) {
			failed++;
			first = i;
		}
	}
	if (g->format == OUTPUT_JSON)
		delete_print_json(g, names, errors, count);
	else if (g->run->is_apache)
		delete_print_text(g, names, errors, count, failed);
	else
		delete_print_own(g, names, errors, count);
	if (failed > 0)
		*code = failed < count ? EXIT_PARTIAL : help_exit_code(g->run, &errors[first]);
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
			struct position *found =
				bsearch(&wanted, items, count, sizeof(*items), position_cmp);

			if (found)
				found->error = topic->partitions[p].error_code;
		}
	}
}

static const char *position_status(struct groups *g, const struct position *p)
{
	char text[EXCEPTION_TEXT_MAX];

	if (p->error == 0)
		return "Successful";
	if (!g->run->is_apache)
		return arena_printf(g->arena, "Error: %s", kafka_error_sentence(p->error));
	return arena_printf(g->arena, "Error: %s: %s", kafka_exception(p->error, text),
			    kafka_error_sentence(p->error));
}

static void offsets_print(struct groups *g, const struct position *items, size_t count)
{
	const struct column columns[] = {COLUMN_WIDE("TOPIC", 15), COLUMN("PARTITION", 10),
					 COLUMN("STATUS", 15)};
	struct table t;

	table_init(&t, g->arena, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++)
		table_add(&t, arena_strndup(g->arena, items[i].topic.data, items[i].topic.len),
			  items[i].partition < 0 ? "-"
						 : arena_printf(g->arena, "%d", items[i].partition),
			  position_status(g, &items[i]));
	table_print(&t, TABLE_LINE_FIRST);
}

static void offsets_print_json(struct str group, const struct position *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_str(&j, "group", group);
		json_out_str(&j, "topic", items[i].topic);
		if (items[i].partition < 0)
			json_out_null(&j, "partition");
		else
			json_out_int(&j, "partition", items[i].partition);
		json_out_text(&j, "error",
			      items[i].error ? kafka_error_sentence(items[i].error) : NULL);
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

/* What the answer says of the whole, in Apache's words. */
static void offsets_print_outcome(struct str group, int error, bool some_failed)
{
	switch (error) {
	case KERR_NONE:
		if (some_failed)
			break;
		output_say("Request succeeded for deleting offsets from group %.*s.\n", STR(group));
		return;
	case KERR_INVALID_GROUP_ID:
	case KERR_GROUP_ID_NOT_FOUND:
	case KERR_GROUP_AUTHORIZATION_FAILED:
	case KERR_NON_EMPTY_GROUP: print_text("\nError: %s\n", kafka_error_sentence(error)); return;
	default:
		print_text("\nError: Encountered some unknown error: %s\n",
			   kafka_error_name(error));
		return;
	}
	print_text("\nError: Encountered some partition-level error, see the follow-up "
		   "details.\n");
}

int groups_delete_offsets(struct groups *g, int *code, struct err *err)
{
	struct offset_delete_request *request = WIRE_NEW(g->arena, offset_delete_request);
	struct offset_delete_response *response;
	struct str group = str_of(g->args->groups.items[0]);
	struct position *items;
	size_t count;
	bool failed = false, done = false;
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
	if (response->error_code == KERR_NONE)
		delete_take(response, items, count);
	else if (!g->run->is_apache)
		return kafka_error_set(err, response->error_code, STR_NULL);
	for (size_t i = 0; i < count; i++) {
		if (items[i].error == 0)
			items[i].error = response->error_code;
		failed |= items[i].error != 0;
		done |= items[i].error == 0;
	}
	if (failed)
		*code = done ? EXIT_PARTIAL : EXIT_FAILED;
	if (g->format == OUTPUT_JSON) {
		offsets_print_json(group, items, count);
		return 0;
	}
	offsets_print_outcome(group, response->error_code, failed);
	offsets_print(g, items, count);
	return 0;
}
