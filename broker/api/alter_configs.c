/* AlterConfigs, IncrementalAlterConfigs. This broker refuses what only it can judge (its own
 * loggers, and whether it is the broker that was meant), applies changes of loggers, and sends the
 * rest to the controller, whose answers are put at their places among its own.
 * Source: core/src/main/scala/kafka/server/ConfigAdminManager.scala */
#include "api/broker_logger.h"
#include "api/control_trip.h"
#include "api/describe.h"
#include "api/handlers.h"
#include "config/config.h"

/* One resource, in the common form of both APIs. */
struct change {
	struct str name, value;
	int8_t op;
};

struct resource {
	int8_t type;
	struct str name;
	struct change *changes;
	int32_t count;
	/* results */
	enum kafka_error error;
	struct str text;
	bool is_sent;			/* the controller's to judge */
};

struct alteration {
	struct resource *resources;
	int32_t count, sent_count;
	bool validate_only, is_incremental;
	void *sent_response;		/* the controller's, in the order of those sent */
};

#define REFUSE(r, to, code, ...)                                                       \
	((to)->error = (code), (to)->text = str_of(arena_printf(&(r)->arena, __VA_ARGS__)))

/* ---- What this broker judges ----------------------------------------------------------------- */

static bool is_named_twice(const struct alteration *a, int32_t index)
{
	for (int32_t i = 0; i < a->count; i++)
		if (i != index && a->resources[i].type == a->resources[index].type &&
		    str_eq(a->resources[i].name, a->resources[index].name))
			return true;
	return false;
}

static void check_changes(struct request *r, struct resource *to)
{
	struct str nulls = STR_NULL;

	for (int32_t i = 0; i < to->count; i++) {
		const struct change *change = &to->changes[i];

		for (int32_t j = 0; j < i; j++)
			if (str_eq(change->name, to->changes[j].name)) {
				REFUSE(r, to, KERR_INVALID_REQUEST,
				       "Error due to duplicate config keys");
				return;
			}
		if (change->op != LOGGER_DELETE && str_is_null(change->value))
			nulls = str_of(arena_printf(&r->arena, "%.*s%s%.*s", STR(nulls),
						    nulls.len ? "," : "", STR(change->name)));
	}
	if (nulls.len)
		REFUSE(r, to, KERR_INVALID_REQUEST, "Null value not supported for : %.*s",
		       STR(nulls));
}

static void check_is_this_node(struct request *r, struct resource *to)
{
	int32_t id;

	if (!node_id_of(to->name, &id))
		REFUSE(r, to, KERR_INVALID_REQUEST, "Node id must be an integer, but it is: %.*s",
		       STR(to->name));
	else if (id != r->shard->broker->node_id)
		REFUSE(r, to, KERR_INVALID_REQUEST,
		       "Unexpected broker id, expected %d, but received %.*s",
		       r->shard->broker->node_id, STR(to->name));
}

/* Which directories there are only this broker knows. */
static void check_cordoned(struct request *r, struct resource *to)
{
	struct err err = {0};

	for (int32_t i = 0; i < to->count && !to->error; i++) {
		const struct change *change = &to->changes[i];

		if (str_is(change->name, "cordoned.log.dirs") && !str_is_null(change->value) &&
		    config_check_cordoned(r->shard->config, change->value, &err) < 0)
			REFUSE(r, to, KERR_INVALID_REQUEST, "%s", err_message(&err));
	}
}

static void alter_loggers(struct request *r, struct resource *to, bool validate_only)
{
	struct err err = {0};
	int rc = 0;

	for (int32_t i = 0; i < to->count && rc == 0; i++)
		rc = broker_logger_check(to->changes[i].name, to->changes[i].op,
					 to->changes[i].value, &err);
	if (rc < 0) {
		REFUSE(r, to, rc == E_USAGE ? KERR_INVALID_REQUEST : KERR_INVALID_CONFIG, "%s",
		       err.text);
		return;
	}
	for (int32_t i = 0; i < to->count && !validate_only; i++)
		broker_logger_set(to->changes[i].name, to->changes[i].value);
}

static void judge(struct request *r, struct alteration *a, int32_t index)
{
	struct resource *to = &a->resources[index];

	if (is_named_twice(a, index))
		REFUSE(r, to, KERR_INVALID_REQUEST, "Each resource must appear at most once.");
	else
		check_changes(r, to);
	if (to->error)
		return;
	switch (to->type) {
	case CONFIG_RESOURCE_TOPIC:
	case CONFIG_RESOURCE_CLIENT_METRICS:
	case CONFIG_RESOURCE_GROUP: break;
	case CONFIG_RESOURCE_BROKER:
		/* a broker judges its own configs; the controller takes those of all */
		if (to->name.len && r->listener_type == LISTENER_BROKER)
			check_is_this_node(r, to);
		if (to->name.len && r->listener_type == LISTENER_BROKER && !to->error)
			check_cordoned(r, to);
		break;
	case CONFIG_RESOURCE_BROKER_LOGGER:
		if (!a->is_incremental) {
			REFUSE(r, to, KERR_INVALID_REQUEST, "Unknown resource type %d", to->type);
			return;
		}
		check_is_this_node(r, to);
		if (!to->error)
			alter_loggers(r, to, a->validate_only);
		return;
	default: REFUSE(r, to, KERR_INVALID_REQUEST, "Unknown resource type %d", to->type);
	}
	to->is_sent = !to->error;
}

/* ---- To the controller and back -------------------------------------------------------------- */

static void answer_incremental(struct request *r, const struct alteration *a)
{
	struct incremental_alter_configs_response *response = r->response;
	const struct incremental_alter_configs_response *sent = a->sent_response;

	response->responses = WIRE_ARRAY(
		&r->arena, incremental_alter_configs_response_alter_configs_resource_response,
		a->count);
	response->responses_count = a->count;
	for (int32_t i = 0; i < a->count; i++) {
		const struct resource *resource = &a->resources[i];
		struct incremental_alter_configs_response_alter_configs_resource_response *to =
			&response->responses[i];

		to->error_code = resource->is_sent ? KERR_UNKNOWN_SERVER_ERROR
						   : (int16_t)resource->error;
		to->error_message = resource->text;
		/* controllers answer in an order of their own */
		for (int32_t j = 0; resource->is_sent && j < sent->responses_count; j++)
			if (sent->responses[j].resource_type == resource->type &&
			    str_eq(sent->responses[j].resource_name, resource->name))
				*to = sent->responses[j];
		to->resource_type = resource->type;
		to->resource_name = resource->name;
	}
}

static void answer_full(struct request *r, const struct alteration *a)
{
	struct alter_configs_response *response = r->response;
	const struct alter_configs_response *sent = a->sent_response;

	response->responses =
		WIRE_ARRAY(&r->arena, alter_configs_response_resource_response, a->count);
	response->responses_count = a->count;
	for (int32_t i = 0; i < a->count; i++) {
		const struct resource *resource = &a->resources[i];
		struct alter_configs_response_resource_response *to = &response->responses[i];

		to->error_code = resource->is_sent ? KERR_UNKNOWN_SERVER_ERROR
						   : (int16_t)resource->error;
		to->error_message = resource->text;
		/* controllers answer in an order of their own */
		for (int32_t j = 0; resource->is_sent && j < sent->responses_count; j++)
			if (sent->responses[j].resource_type == resource->type &&
			    str_eq(sent->responses[j].resource_name, resource->name))
				*to = sent->responses[j];
		to->resource_type = resource->type;
		to->resource_name = resource->name;
	}
}

static void answer(struct request *r, const struct alteration *a)
{
	if (a->is_incremental)
		answer_incremental(r, a);
	else
		answer_full(r, a);
}

static void alter_finish(struct control_trip *t)
{
	answer(t->request, t->state);
}

/* The request without what this broker has judged. */
static void *sent_incremental(struct request *r, const struct alteration *a)
{
	const struct incremental_alter_configs_request *all = r->body;
	struct incremental_alter_configs_request *sent =
		WIRE_NEW(&r->arena, incremental_alter_configs_request);

	sent->validate_only = all->validate_only;
	sent->resources =
		WIRE_ARRAY(&r->arena, incremental_alter_configs_request_alter_configs_resource,
			   a->sent_count);
	for (int32_t i = 0; i < a->count; i++)
		if (a->resources[i].is_sent)
			sent->resources[sent->resources_count++] = all->resources[i];
	return sent;
}

static void *sent_full(struct request *r, const struct alteration *a)
{
	const struct alter_configs_request *all = r->body;
	struct alter_configs_request *sent = WIRE_NEW(&r->arena, alter_configs_request);

	sent->validate_only = all->validate_only;
	sent->resources = WIRE_ARRAY(&r->arena, alter_configs_request_resource, a->sent_count);
	for (int32_t i = 0; i < a->count; i++)
		if (a->resources[i].is_sent)
			sent->resources[sent->resources_count++] = all->resources[i];
	return sent;
}

static void alter(struct request *r, struct alteration *a)
{
	struct control_trip *t;

	for (int32_t i = 0; i < a->count; i++) {
		judge(r, a, i);
		a->sent_count += a->resources[i].is_sent;
	}
	if (a->sent_count == 0) {
		answer(r, a);
		request_done(r);
		return;
	}
	t = control_trip_new(r,
			     a->is_incremental ? CONTROL_INCREMENTAL_ALTER_CONFIGS
					       : CONTROL_ALTER_CONFIGS,
			     alter_finish);
	a->sent_response = a->is_incremental
				   ? (void *)WIRE_NEW(&r->arena, incremental_alter_configs_response)
				   : (void *)WIRE_NEW(&r->arena, alter_configs_response);
	t->op.request = a->is_incremental ? sent_incremental(r, a) : sent_full(r, a);
	t->op.response = a->sent_response;
	t->state = a;
	control_trip_go(t);
	request_done(r);
}

/* ---- The two APIs ---------------------------------------------------------------------------- */

static struct alteration *alteration_new(struct request *r, int32_t count, bool validate_only,
					 bool is_incremental)
{
	struct alteration *a = arena_zalloc(&r->arena, sizeof(*a));

	a->resources = arena_array(&r->arena, (size_t)count + 1, sizeof(*a->resources));
	a->count = count;
	a->validate_only = validate_only;
	a->is_incremental = is_incremental;
	return a;
}

static struct resource *resource_init(struct request *r, struct resource *to, int8_t type,
				      struct str name, int32_t count)
{
	*to = (struct resource){
		.type = type,
		.name = name,
		.changes = arena_array(&r->arena, (size_t)count + 1, sizeof(*to->changes)),
		.count = count,
	};
	return to;
}

void handle_incremental_alter_configs(struct request *r)
{
	const struct incremental_alter_configs_request *request = r->body;
	struct alteration *a =
		alteration_new(r, request->resources_count, request->validate_only, true);

	for (int32_t i = 0; i < a->count; i++) {
		const struct incremental_alter_configs_request_alter_configs_resource *from =
			&request->resources[i];
		struct resource *to =
			resource_init(r, &a->resources[i], from->resource_type,
				      from->resource_name, from->configs_count);

		for (int32_t j = 0; j < from->configs_count; j++)
			to->changes[j] = (struct change){from->configs[j].name,
							 from->configs[j].value,
							 from->configs[j].config_operation};
	}
	alter(r, a);
}

void handle_alter_configs(struct request *r)
{
	const struct alter_configs_request *request = r->body;
	struct alteration *a =
		alteration_new(r, request->resources_count, request->validate_only, false);

	for (int32_t i = 0; i < a->count; i++) {
		const struct alter_configs_request_resource *from = &request->resources[i];
		struct resource *to =
			resource_init(r, &a->resources[i], from->resource_type,
				      from->resource_name, from->configs_count);

		for (int32_t j = 0; j < from->configs_count; j++)
			to->changes[j] = (struct change){from->configs[j].name,
							 from->configs[j].value, LOGGER_SET};
	}
	alter(r, a);
}
