/* topics --create and --alter. */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/topics/topics_int.h"

#include "base/mem.h"
#include "base/near.h"
#include "client/admin.h"
#include "config/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int assignment_partition(struct arena *a, char *text, struct assignment *out,
				struct err *err)
{
	out->ids = arena_array(a, strlen(text) / 2 + 1, sizeof(*out->ids));
	out->count = 0;
	for (char *part = text, *next; part; part = next) {
		char *end;
		long id;

		next = strchr(part, ':');
		if (next)
			*next++ = '\0';
		id = strtol(part, &end, 10);
		end += strspn(end, " ");
		if (end == part || *end || id < 0 || id > INT32_MAX)
			return err_set(err, E_INVALID, "For input string: \"%s\"", part);
		out->ids[out->count++] = (int32_t)id;
	}
	return 0;
}

static int assignment_check(const struct assignment *items, int32_t count, struct err *err)
{
	struct out text;

	for (int32_t i = 0; i < count; i++) {
		for (int32_t j = 0; j < items[i].count; j++) {
			for (int32_t k = 0; k < j; k++) {
				if (items[i].ids[j] != items[i].ids[k])
					continue;
				return err_set(err, E_INVALID, "Partition replica lists may not "
					       "contain duplicate entries: %d", items[i].ids[j]);
			}
		}
		if (items[i].count == items[0].count)
			continue;
		out_init(&text, 512);
		for (int32_t j = 0; j < items[i].count; j++)
			out_printf(&text, "%s%d", j ? ", " : "", items[i].ids[j]);
		err_set(err, E_INVALID, "Partition %d has different replication factor: [%.*s]", i,
			(int)text.len, (const char *)text.data);
		out_fini(&text);
		return E_INVALID;
	}
	return 0;
}

int assignment_parse(struct arena *a, const char *text, struct assignment **out, int32_t *count,
		     struct err *err)
{
	char *copy = arena_strdup(a, text);
	size_t max = 1;
	int32_t n = 0;

	for (const char *p = text; *p; p++)
		max += *p == ',';
	*out = arena_array(a, max, sizeof(**out));
	for (char *part = copy, *next; part; part = next) {
		int rc;

		next = strchr(part, ',');
		if (next)
			*next++ = '\0';
		rc = assignment_partition(a, part, &(*out)[n++], err);
		if (rc < 0)
			return rc;
	}
	*count = n;
	return assignment_check(*out, n, err);
}

/* A name that no topic config has is a slip of the fingers: the nearest one is named. */
static int create_unknown(const struct run *run, struct str name, struct err *err)
{
	struct near near;
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_TOPIC, &count);
	char text[256];

	snprintf(text, sizeof(text), "%.*s", STR(name));
	near_init(&near, text);
	for (size_t i = 0; i < count; i++)
		near_offer(&near, defs[i].name);
	if (run->is_apache || !near.best)
		return err_set(err, E_INVALID, "Unknown topic config name: %s", text);
	return err_set(err, E_INVALID, "unknown topic config '%s'; did you mean %s?", text,
		       near.best);
}

/* "name=value", blanks around both dropped. Apache's tool refuses a second '=', ours keeps it. */
static int create_config(struct run *run, const char *pair,
			 struct create_topics_request_creatable_topic_config *out, struct err *err)
{
	const char *equals = strchr(pair, '=');
	const char *end = pair + strlen(pair);
	const char *name_end = equals;

	if (!equals || equals == pair || (run->is_apache && strchr(equals + 1, '=')))
		return err_set(err, E_INVALID,
			       "requirement failed: Invalid topic config: all configs "
			       "to be added must be in the format \"key=val\".");
	while (pair < name_end && isspace((unsigned char)*pair))
		pair++;
	while (name_end > pair && isspace((unsigned char)name_end[-1]))
		name_end--;
	equals++;
	while (equals < end && isspace((unsigned char)*equals))
		equals++;
	while (end > equals && isspace((unsigned char)end[-1]))
		end--;
	if (run->is_apache && equals == end)
		return err_set(err, E_INVALID,
			       "requirement failed: Invalid topic config: all configs "
			       "to be added must be in the format \"key=val\".");
	out->name = (struct str){pair, (size_t)(name_end - pair)};
	out->value = (struct str){equals, (size_t)(end - equals)};
	if (!config_def_find(CONFIG_RESOURCE_TOPIC, out->name))
		return create_unknown(run, out->name, err);
	return config_check(CONFIG_RESOURCE_TOPIC, out->name, out->value, err);
}

static int create_fill(struct run *run, const struct topics_args *args,
		       struct create_topics_request_creatable_topic *t, struct err *err)
{
	struct arena *a = &run->arena;
	struct assignment *assigned;
	int32_t count;
	int rc = 0;

	t->name = str_of(args->topic);
	t->num_partitions = opt_given(run, "partitions") ? (int32_t)args->partitions : -1;
	t->replication_factor = opt_given(run, "replication-factor")
		? (int16_t)args->replication_factor : -1;
	t->configs =
		WIRE_ARRAY(a, create_topics_request_creatable_topic_config, args->configs.count);
	t->configs_count = (int32_t)args->configs.count;
	for (unsigned i = 0; rc == 0 && i < args->configs.count; i++)
		rc = create_config(run, args->configs.items[i], &t->configs[i], err);
	if (rc < 0 || !args->replica_assignment)
		return rc;
	rc = assignment_parse(a, args->replica_assignment, &assigned, &count, err);
	if (rc < 0)
		return rc;
	t->num_partitions = -1;
	t->replication_factor = -1;
	t->assignments = WIRE_ARRAY(a, create_topics_request_creatable_replica_assignment, count);
	t->assignments_count = count;
	for (int32_t i = 0; i < count; i++) {
		t->assignments[i].partition_index = i;
		t->assignments[i].broker_ids = assigned[i].ids;
		t->assignments[i].broker_ids_count = assigned[i].count;
	}
	return 0;
}

int topics_create(struct run *run, const struct topics_args *args, struct client *c,
		  struct err *err)
{
	struct create_topics_request *request = WIRE_NEW(&run->arena, create_topics_request);
	struct create_topics_response *response;
	int rc;

	if (strpbrk(args->topic, "._"))
		print_text(
			"WARNING: Due to limitations in metric names, topics with a period ('.') "
			"or "
			"underscore ('_') could collide. To avoid issues it is best to use either, "
			"but not both.\n");
	if (opt_given(run, "replication-factor") &&
	    (args->replication_factor < 1 || args->replication_factor > INT16_MAX))
		return err_set(err, E_INVALID,
			       "The replication factor must be between 1 and 32767 inclusive");
	if (opt_given(run, "partitions") && args->partitions < 1)
		return err_set(err, E_INVALID, "The partitions must be greater than 0");
	request->topics = WIRE_ARRAY(&run->arena, create_topics_request_creatable_topic, 1);
	request->topics_count = 1;
	request->timeout_ms = 60000;
	rc = create_fill(run, args, &request->topics[0], err);
	if (rc == 0)
		rc = client_call(c, TO_CONTROLLER, API_CREATE_TOPICS, request, &run->arena,
				 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct create_topics_response_creatable_topic_result *t =
			&response->topics[i];

		if (t->error_code == KERR_TOPIC_ALREADY_EXISTS && args->if_not_exists)
			continue;
		if (t->error_code != KERR_NONE)
			return kafka_error_set(err, t->error_code, t->error_message);
		print_text("Created topic %.*s.\n", STR(t->name));
	}
	return 0;
}

/* The assignment of the new partitions: those listed behind the ones that are there. */
static int alter_assignment(struct run *run, const struct topics_args *args, struct client *c,
			    struct create_partitions_request_topic *t, struct err *err)
{
	struct metadata_response *response;
	struct assignment *assigned;
	int32_t count, there = 0;
	int rc = assignment_parse(&run->arena, args->replica_assignment, &assigned, &count, err);

	if (rc == 0)
		rc = admin_metadata(c, &t->name, 1, &run->arena, &response, err);
	if (rc < 0)
		return rc;
	if (response->topics_count == 1)
		there = response->topics[0].partitions_count;
	count = MAX(count - there, 0);
	t->assignments = WIRE_ARRAY(&run->arena, create_partitions_request_assignment, count);
	t->assignments_count = count;
	for (int32_t i = 0; i < count; i++) {
		t->assignments[i].broker_ids = assigned[there + i].ids;
		t->assignments[i].broker_ids_count = assigned[there + i].count;
	}
	return 0;
}

int topics_alter(struct run *run, const struct topics_args *args, struct client *c, struct err *err)
{
	struct create_partitions_request *request =
		WIRE_NEW(&run->arena, create_partitions_request);
	struct create_partitions_response *response;
	struct topic_names names;
	int rc = topics_match(run, args, c, &names, err);

	if (rc < 0 || names.count == 0)
		return rc;
	request->topics = WIRE_ARRAY(&run->arena, create_partitions_request_topic, names.count);
	request->topics_count = (int32_t)names.count;
	request->timeout_ms = 60000;
	for (size_t i = 0; i < names.count; i++) {
		request->topics[i].name = names.items[i];
		request->topics[i].count = (int32_t)args->partitions;
		request->topics[i].assignments = NULL;
		request->topics[i].assignments_count = -1;
		if (args->replica_assignment)
			rc = alter_assignment(run, args, c, &request->topics[i], err);
		if (rc < 0)
			return rc;
	}
	rc = client_call(c, TO_CONTROLLER, API_CREATE_PARTITIONS, request, &run->arena,
			 (void **)&response, NULL, err);
	for (int32_t i = 0; rc == 0 && i < response->results_count; i++) {
		if (response->results[i].error_code != KERR_NONE)
			rc = kafka_error_set(err, response->results[i].error_code,
					     response->results[i].error_message);
	}
	return rc;
}
