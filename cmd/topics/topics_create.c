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
				return err_set(err, E_INVALID,
					       "Partition replica lists may not "
					       "contain duplicate entries: %d",
					       items[i].ids[j]);
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
		return kafka_error_set(err, KERR_INVALID_CONFIG,
				       str_of(arena_printf((struct arena *)&run->arena,
							   "Unknown topic config name: %s", text)));
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

static int create_fill(struct topics *t, const char *name,
		       struct create_topics_request_creatable_topic *to, struct err *err)
{
	const struct topics_args *args = t->args;
	struct arena *a = t->arena;
	struct assignment *assigned;
	int32_t count;
	int rc = 0;

	to->name = str_of(name);
	to->num_partitions = opt_given(t->run, "partitions") ? (int32_t)args->partitions : -1;
	to->replication_factor =
		opt_given(t->run, "replication-factor") ? (int16_t)args->replication_factor : -1;
	to->configs =
		WIRE_ARRAY(a, create_topics_request_creatable_topic_config, args->configs.count);
	to->configs_count = (int32_t)args->configs.count;
	for (unsigned i = 0; rc == 0 && i < args->configs.count; i++)
		rc = create_config(t->run, args->configs.items[i], &to->configs[i], err);
	if (rc < 0 || !args->replica_assignment)
		return rc;
	rc = assignment_parse(a, args->replica_assignment, &assigned, &count, err);
	if (rc < 0)
		return rc;
	to->num_partitions = -1;
	to->replication_factor = -1;
	to->assignments = WIRE_ARRAY(a, create_topics_request_creatable_replica_assignment, count);
	to->assignments_count = count;
	for (int32_t i = 0; i < count; i++) {
		to->assignments[i].partition_index = i;
		to->assignments[i].broker_ids = assigned[i].ids;
		to->assignments[i].broker_ids_count = assigned[i].count;
	}
	return 0;
}

/* Names that metrics cannot tell apart. Apache's tool says it into the data. */
static void create_warn(const struct topics *t)
{
	static const char text[] =
		"WARNING: Due to limitations in metric names, topics with a period ('.') or "
		"underscore ('_') could collide. To avoid issues it is best to use either, but not "
		"both.\n";
	bool has_period = false, has_underscore = false;

	for (unsigned i = 0; i < t->args->topics.count; i++) {
		has_period |= strchr(t->args->topics.items[i], '.') != NULL;
		has_underscore |= strchr(t->args->topics.items[i], '_') != NULL;
	}
	if (t->run->is_apache && (has_period || has_underscore))
		print_text("%s", text);
	else if (has_period && has_underscore)
		print_error("%s", text);
}

static void create_take(struct topics *t, const struct create_topics_response *response,
			struct topic_names *created)
{
	const char *verb = t->args->dry_run ? "Would create" : "Created";

	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct create_topics_response_creatable_topic_result *topic =
			&response->topics[i];
		struct err why = {0};

		if (topic->error_code == KERR_TOPIC_ALREADY_EXISTS && t->args->if_not_exists)
			continue;
		if (topic->error_code != KERR_NONE) {
			kafka_error_set(&why, topic->error_code, topic->error_message);
			topics_failed(t, topic->name, &why);
			continue;
		}
		created->items[created->count++] = topic->name;
		topics_done(t, topic->name,
			    arena_printf(t->arena, "%s topic %.*s.\n", verb, STR(topic->name)));
	}
}

int topics_create(struct topics *t, struct err *err)
{
	const struct topics_args *args = t->args;
	struct create_topics_request *request = WIRE_NEW(t->arena, create_topics_request);
	struct create_topics_response *response;
	struct topic_names created = {0};
	int rc = 0;

	create_warn(t);
	if (opt_given(t->run, "replication-factor") &&
	    (args->replication_factor < 1 || args->replication_factor > INT16_MAX))
		return err_set(err, E_INVALID,
			       "The replication factor must be between 1 and 32767 inclusive");
	if (opt_given(t->run, "partitions") && args->partitions < 1)
		return err_set(err, E_INVALID, "The partitions must be greater than 0");
	request->topics =
		WIRE_ARRAY(t->arena, create_topics_request_creatable_topic, args->topics.count);
	request->topics_count = (int32_t)args->topics.count;
	request->timeout_ms = 60000;
	request->validate_only = args->dry_run;
	for (unsigned i = 0; rc == 0 && i < args->topics.count; i++)
		rc = create_fill(t, args->topics.items[i], &request->topics[i], err);
	if (rc == 0)
		rc = client_call(t->client, TO_CONTROLLER, API_CREATE_TOPICS, request, t->arena,
				 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	created.items =
		arena_array(t->arena, (size_t)response->topics_count + 1, sizeof(*created.items));
	create_take(t, response, &created);
	rc = topics_settle(t, &created, err);
	return rc < 0 ? rc : topics_outcome(t, err);
}

/* ---- Alter -------------------------------------------------------------------------------- */

/* The assignment of the new partitions: those listed behind the ones that are there. */
static int alter_assignment(struct topics *t, struct create_partitions_request_topic *to,
			    struct err *err)
{
	struct metadata_response *response;
	struct assignment *assigned;
	int32_t count, there = 0;
	int rc = assignment_parse(t->arena, t->args->replica_assignment, &assigned, &count, err);

	if (rc == 0)
		rc = admin_metadata(t->client, &to->name, 1, t->arena, &response, err);
	if (rc < 0)
		return rc;
	if (response->topics_count == 1)
		there = response->topics[0].partitions_count;
	count = MAX(count - there, 0);
	to->assignments = WIRE_ARRAY(t->arena, create_partitions_request_assignment, count);
	to->assignments_count = count;
	for (int32_t i = 0; i < count; i++) {
		to->assignments[i].broker_ids = assigned[there + i].ids;
		to->assignments[i].broker_ids_count = assigned[there + i].count;
	}
	return 0;
}

int topics_alter(struct topics *t, struct err *err)
{
	struct create_partitions_request *request = WIRE_NEW(t->arena, create_partitions_request);
	struct create_partitions_response *response;
	struct topic_names names;
	int rc = topics_match(t, &names, NULL, err);

	if (rc < 0 || names.count == 0)
		return rc;
	request->topics = WIRE_ARRAY(t->arena, create_partitions_request_topic, names.count);
	request->topics_count = (int32_t)names.count;
	request->timeout_ms = 60000;
	request->validate_only = t->args->dry_run;
	for (size_t i = 0; i < names.count; i++) {
		request->topics[i].name = names.items[i];
		request->topics[i].count = (int32_t)t->args->partitions;
		request->topics[i].assignments = NULL;
		request->topics[i].assignments_count = -1;
		if (t->args->replica_assignment)
			rc = alter_assignment(t, &request->topics[i], err);
		if (rc < 0)
			return rc;
	}
	rc = client_call(t->client, TO_CONTROLLER, API_CREATE_PARTITIONS, request, t->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	for (int32_t i = 0; i < response->results_count; i++) {
		const struct create_partitions_response_topic_result *r = &response->results[i];
		struct err why = {0};

		if (r->error_code == KERR_NONE) {
			topics_done(t, r->name, NULL);
			continue;
		}
		kafka_error_set(&why, r->error_code, r->error_message);
		topics_failed(t, r->name, &why);
	}
	if (t->failed_count == 0)
		rc = topics_settle(t, &names, err);
	return rc < 0 ? rc : topics_outcome(t, err);
}
