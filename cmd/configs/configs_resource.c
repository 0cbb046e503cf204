/* Configs of topics, brokers, loggers, groups and client-metrics subscriptions. */
#include "cmd/configs/configs_int.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "base/near.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

const char *config_source_name(int8_t source)
{
	static const char *const names[] = {
		"UNKNOWN",
		"DYNAMIC_TOPIC_CONFIG",
		"DYNAMIC_BROKER_CONFIG",
		"DYNAMIC_DEFAULT_BROKER_CONFIG",
		"STATIC_BROKER_CONFIG",
		"DEFAULT_CONFIG",
		"DYNAMIC_BROKER_LOGGER_CONFIG",
		"DYNAMIC_CLIENT_METRICS_CONFIG",
		"DYNAMIC_GROUP_CONFIG",
	};

	return source > 0 && (size_t)source < ARRAY_LEN(names) ? names[source] : names[0];
}

/* A broker answers for itself; anybody for the rest. */
static struct target resource_target(const struct entity_type *type, struct str name)
{
	bool is_broker = type->resource == CONFIG_RESOURCE_BROKER ||
			 type->resource == CONFIG_RESOURCE_BROKER_LOGGER;

	return is_broker && name.len > 0 ? TO_NODE((int32_t)strtol(name.data, NULL, 10)) : TO_ANY;
}

/* Among controllers only the active one changes anything, but for the loggers of a node. */
static struct target alter_target(const struct configs *c, const struct entity_type *type,
				  struct str name)
{
	if (c->args->cluster.bootstrap_controller &&
	    type->resource != CONFIG_RESOURCE_BROKER_LOGGER)
		return TO_CONTROLLER;
	return resource_target(type, name);
}

/* ---- Which there are ---------------------------------------------------------------------- */

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names of groups and subscriptions that have configs, added to `out`. */
static int list_configured(struct configs *c, const struct entity_type *type, struct str *out,
			   size_t max, size_t *count, struct err *err)
{
	struct list_config_resources_request *request =
		WIRE_NEW(c->arena, list_config_resources_request);
	struct list_config_resources_response *response;
	int8_t *resource = arena_alloc(c->arena, 1);
	int rc;

	*resource = (int8_t)type->resource;
	request->resource_types = resource;
	request->resource_types_count = 1;
	rc = client_call(c->client, TO_ANY, API_LIST_CONFIG_RESOURCES, request, c->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->error_code != KERR_NONE)
		return kafka_error_set(err, response->error_code, STR_NULL);
	for (int32_t i = 0; i < response->config_resources_count && *count < max; i++) {
		if (response->config_resources[i].resource_type == *resource)
			out[(*count)++] = response->config_resources[i].resource_name;
	}
	return 0;
}

static int list_groups(struct configs *c, struct str *out, size_t max, size_t *count,
		       struct err *err)
{
	struct list_groups_request *request = WIRE_NEW(c->arena, list_groups_request);
	struct call *calls;
	size_t call_count;
	int rc = admin_every_broker(c->client, API_LIST_GROUPS, request, c->arena, &calls,
				    &call_count, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < call_count; i++) {
		const struct list_groups_response *response = calls[i].response;

		for (int32_t n = 0; calls[i].rc == 0 && n < response->groups_count; n++) {
			if (*count < max)
				out[(*count)++] = str_dup(c->arena, response->groups[n].group_id);
		}
		call_fini(&calls[i]);
	}
	return 0;
}

#define NAMES_MAX 65536 /* groups that one run describes */

static int list_named(struct configs *c, const struct entity_type *type, struct str **out,
		      size_t *count, struct err *err)
{
	size_t kept = 0;
	int rc = 0;

	*out = arena_array(c->arena, NAMES_MAX, sizeof(**out));
	if (type->resource == CONFIG_RESOURCE_GROUP)
		rc = list_groups(c, *out, NAMES_MAX, count, err);
	if (rc == 0)
		rc = list_configured(c, type, *out, NAMES_MAX, count, err);
	if (rc < 0)
		return rc;
	qsort(*out, *count, sizeof(**out), name_cmp);
	for (size_t i = 0; i < *count; i++) {
		if (kept == 0 || !str_eq((*out)[kept - 1], (*out)[i]))
			(*out)[kept++] = (*out)[i];
	}
	*count = kept;
	return 0;
}

/* Controllers tell nodes by other means than brokers: the client has asked. */
static int list_nodes(struct configs *c, struct str **out, size_t *count, struct err *err)
{
	const struct client_broker *nodes;
	int rc = client_refresh_wait(c->client, err);
	size_t n = rc == 0 ? client_brokers(c->client, &nodes) : 0;

	*out = arena_array(c->arena, n + 1, sizeof(**out));
	for (size_t i = 0; i < n; i++)
		(*out)[(*count)++] = str_of(arena_printf(c->arena, "%d", nodes[i].id));
	(*out)[(*count)++] = STR_LIT("");
	return rc;
}

/* All entities of the type; of brokers also their defaults, last. */
static int list_entities(struct configs *c, const struct entity_type *type, struct str **out,
			 size_t *count, struct err *err)
{
	struct metadata_response *metadata;
	int rc;

	*count = 0;
	if (type->resource == CONFIG_RESOURCE_GROUP ||
	    type->resource == CONFIG_RESOURCE_CLIENT_METRICS)
		return list_named(c, type, out, count, err);
	if (type->resource == CONFIG_RESOURCE_BROKER && c->args->cluster.bootstrap_controller)
		return list_nodes(c, out, count, err);
	rc = admin_metadata(c->client, NULL, 0, c->arena, &metadata, err);
	if (rc < 0)
		return rc;
	*out = arena_array(c->arena,
			   (size_t)metadata->topics_count + (size_t)metadata->brokers_count + 1,
			   sizeof(**out));
	if (type->resource == CONFIG_RESOURCE_TOPIC) {
		for (int32_t i = 0; i < metadata->topics_count; i++)
			(*out)[(*count)++] = metadata->topics[i].name;
		qsort(*out, *count, sizeof(**out), name_cmp);
		return 0;
	}
	for (int32_t i = 0; i < metadata->brokers_count; i++)
		(*out)[(*count)++] =
			str_of(arena_printf(c->arena, "%d", metadata->brokers[i].node_id));
	if (type->resource == CONFIG_RESOURCE_BROKER)
		(*out)[(*count)++] = STR_LIT("");
	return 0;
}

/* ---- Describe ----------------------------------------------------------------------------- */

static int config_cmp(const void *a, const void *b)
{
	const struct describe_configs_response_resource_result *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

/* Is this one of those that are asked for? */
static bool config_is_wanted(const struct configs *c, const struct entity_type *type,
			     struct str name, int8_t source)
{
	if (c->args->all)
		return true;
	if (c->args->non_default)
		return source != CONFIG_SOURCE_DEFAULT;
	return source == (name.len ? type->source : CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
}

static struct str value_text(struct str value)
{
	return str_is_null(value) ? STR_LIT("null") : value;
}

static void print_config(const struct describe_configs_response_resource_result *c)
{
	print_text("  %.*s=%.*s sensitive=%s synonyms={", STR(c->name), STR(value_text(c->value)),
		   c->is_sensitive ? "true" : "false");
	for (int32_t s = 0; s < c->synonyms_count; s++)
		print_text("%s%s:%.*s=%.*s", s ? ", " : "",
			   config_source_name(c->synonyms[s].source), STR(c->synonyms[s].name),
			   STR(value_text(c->synonyms[s].value)));
	print_text("}\n");
}

static void json_config(struct json_out *j,
			const struct describe_configs_response_resource_result *c)
{
	json_out_open(j, NULL, '{');
	json_out_str(j, "name", c->name);
	json_out_str(j, "value", c->value);
	json_out_text(j, "source", config_source_name(c->config_source));
	json_out_bool(j, "sensitive", c->is_sensitive);
	json_out_bool(j, "readOnly", c->read_only);
	json_out_open(j, "synonyms", '[');
	for (int32_t s = 0; s < c->synonyms_count; s++) {
		json_out_open(j, NULL, '{');
		json_out_str(j, "name", c->synonyms[s].name);
		json_out_str(j, "value", c->synonyms[s].value);
		json_out_text(j, "source", config_source_name(c->synonyms[s].source));
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
	json_out_close(j, '}');
}

static void describe_begin(const struct configs *c, struct json_out *j,
			   const struct entity_type *type, struct str name)
{
	int singular = entity_singular_len(type);
	const char *which = c->args->all ? "All" : c->args->non_default ? "Non-default" : "Dynamic";

	if (c->format == OUTPUT_JSON) {
		json_out_open(j, NULL, '{');
		json_out_str(j, "entityType", (struct str){type->plural, (size_t)singular});
		json_out_str(j, "entityName", name.len ? name : STR_NULL);
		json_out_open(j, "configs", '[');
	} else if (c->format == OUTPUT_TEXT && name.len == 0) {
		print_text("Default configs for %s in the cluster are:\n", type->plural);
	} else if (c->format == OUTPUT_TEXT) {
		print_text("%s configs for %.*s %.*s are:\n", which, singular, type->plural,
			   STR(name));
	}
}

static void describe_print(struct configs *c, const struct entity_type *type, struct str name,
			   const struct describe_configs_response_result *r)
{
	struct json_out j = {0};

	describe_begin(c, &j, type, name);
	qsort(r->configs, (size_t)r->configs_count, sizeof(*r->configs), config_cmp);
	for (int32_t i = 0; i < r->configs_count; i++) {
		const struct describe_configs_response_resource_result *config = &r->configs[i];

		if (!config_is_wanted(c, type, name, config->config_source))
			continue;
		if (c->format == OUTPUT_JSON)
			json_config(&j, config);
		else if (c->format == OUTPUT_TEXT)
			print_config(config);
		else
			grid_add(&c->grid,
				 arena_printf(c->arena, "%.*s", entity_singular_len(type),
					      type->plural),
				 name.len ? name.data : "(default)",
				 str_dup(c->arena, config->name).data,
				 str_dup(c->arena, value_text(config->value)).data,
				 config_source_name(config->config_source));
	}
	if (c->format == OUTPUT_JSON) {
		json_out_close(&j, ']');
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

static int describe_none(const struct configs *c, const struct entity_type *type, struct str name,
			 struct err *err)
{
	int singular = entity_singular_len(type);

	if (!c->run->is_apache)
		return err_set(err, E_NOT_FOUND, "there is no %.*s '%.*s'", singular, type->plural,
			       STR(name));
	print_text("The %.*s '%.*s' doesn't exist and doesn't have dynamic config.\n", singular,
		   type->plural, STR(name));
	return 0;
}

/* A group or subscription that is unknown is described as well, with defaults: who asks for its
 * own configs wants to hear that it has none. 1, 0 or an error. */
static int describe_is_known(struct configs *c, const struct entity_type *type, struct str name,
			     struct err *err)
{
	struct str *names;
	size_t count;
	int rc;

	if (type->resource != CONFIG_RESOURCE_GROUP &&
	    type->resource != CONFIG_RESOURCE_CLIENT_METRICS)
		return 1;
	rc = list_entities(c, type, &names, &count, err);
	if (rc < 0)
		return rc;
	return bsearch(&name, names, count, sizeof(*names), name_cmp) != NULL;
}

static int describe_one(struct configs *c, const struct entity_type *type, struct str name,
			bool is_asked_for, struct err *err)
{
	struct describe_configs_request *request = WIRE_NEW(c->arena, describe_configs_request);
	struct describe_configs_response *response;
	int rc = is_asked_for && !c->args->all ? describe_is_known(c, type, name, err) : 1;

	if (rc <= 0)
		return rc < 0 ? rc : describe_none(c, type, name, err);
	request->resources = WIRE_ARRAY(c->arena, describe_configs_request_resource, 1);
	request->resources_count = 1;
	request->resources[0].resource_type = (int8_t)type->resource;
	request->resources[0].resource_name = name;
	request->resources[0].configuration_keys = NULL;
	request->resources[0].configuration_keys_count = -1;
	request->include_synonyms = true;
	rc = client_call(c->client, resource_target(type, name), API_DESCRIBE_CONFIGS, request,
			 c->arena, (void **)&response, NULL, err);
	if (rc == E_NOT_FOUND && !c->args->all)
		return describe_none(c, type, name, err);
	if (rc < 0)
		return rc;
	if (response->results_count != 1)
		return err_set(err, E_MALFORMED, "DescribeConfigs answered for %d resources",
			       response->results_count);
	if (response->results[0].error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION &&
	    (!c->args->all || !c->run->is_apache))
		return describe_none(c, type, name, err);
	if (response->results[0].error_code != KERR_NONE)
		return kafka_error_set(err, response->results[0].error_code,
				       response->results[0].error_message);
	describe_print(c, type, name, &response->results[0]);
	return 0;
}

int resource_describe(struct configs *c, struct err *err)
{
	const struct entity_type *type = c->entities.types[0];
	struct str *names;
	size_t count;
	int rc;

	if (c->entities.name_count > 0)
		return describe_one(c, type, c->entities.names[0], true, err);
	rc = list_entities(c, type, &names, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = describe_one(c, type, names[i], false, err);
	return rc;
}

/* ---- Alter -------------------------------------------------------------------------------- */

#define NO_INCREMENTAL \
	"The INCREMENTAL_ALTER_CONFIGS API is not supported by the cluster. The API is supported " \
	"starting from version 2.3.0. You may want to use an older version of this tool to " \
	"interact with your cluster, or upgrade your brokers to version 2.3.0 or newer to avoid " \
	"this error."

/* The config that is nearest to one that the broker does not know, or NULL. */
static const char *change_near(const struct entity_type *type, const struct changes *changes)
{
	size_t count;
	const struct config_def *defs;
	struct near near;
	char name[128];

	if (type->resource == CONFIG_RESOURCE_BROKER_LOGGER)
		return NULL;
	defs = config_defs(type->resource, &count);
	for (size_t i = 0; i < changes->count; i++) {
		if (config_def_find(type->resource, changes->items[i].name))
			continue;
		snprintf(name, sizeof(name), "%.*s", STR(changes->items[i].name));
		near_init(&near, name);
		for (size_t n = 0; n < count; n++)
			near_offer(&near, defs[n].name);
		if (near.best)
			return near.best;
	}
	return NULL;
}

/* Loggers that the broker does not have are refused before anything is sent. */
static int alter_check_loggers(struct configs *c, const struct entity_type *type, struct str name,
			       const struct changes *changes, struct err *err)
{
	struct describe_configs_request *request = WIRE_NEW(c->arena, describe_configs_request);
	struct describe_configs_response *response;
	struct out unknown;
	int rc;

	request->resources = WIRE_ARRAY(c->arena, describe_configs_request_resource, 1);
	request->resources_count = 1;
	request->resources[0].resource_type = (int8_t)type->resource;
	request->resources[0].resource_name = name;
	request->resources[0].configuration_keys = NULL;
	request->resources[0].configuration_keys_count = -1;
	rc = client_call(c->client, resource_target(type, name), API_DESCRIBE_CONFIGS, request,
			 c->arena, (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->results_count != 1 || response->results[0].error_code != KERR_NONE)
		return kafka_error_set(err,
				       response->results_count ? response->results[0].error_code
							       : KERR_UNKNOWN_SERVER_ERROR,
				       STR_NULL);
	out_init(&unknown, ERR_TEXT_MAX / 2);
	for (size_t i = 0; i < changes->count; i++) {
		bool found = false;

		for (int32_t n = 0; !found && n < response->results[0].configs_count; n++)
			found = str_eq(response->results[0].configs[n].name,
				       changes->items[i].name);
		if (!found)
			out_printf(&unknown, "%s%.*s", unknown.len ? "," : "",
				   STR(changes->items[i].name));
	}
	if (unknown.len > 0)
		rc = err_set(err, E_INVALID, "Invalid broker logger(s): %.*s", (int)unknown.len,
			     (const char *)unknown.data);
	out_fini(&unknown);
	return rc;
}

int resource_alter(struct configs *c, const struct changes *changes, struct err *err)
{
	struct incremental_alter_configs_request *request =
		WIRE_NEW(c->arena, incremental_alter_configs_request);
	struct incremental_alter_configs_request_alter_configs_resource *to;
	struct incremental_alter_configs_response *response;
	const struct entity_type *type = c->entities.types[0];
	struct str name = c->entities.names[0];
	const char *near;
	int rc = 0;

	if (type->resource == CONFIG_RESOURCE_BROKER_LOGGER)
		rc = alter_check_loggers(c, type, name, changes, err);
	if (rc < 0)
		return rc;
	to = WIRE_ARRAY(c->arena, incremental_alter_configs_request_alter_configs_resource, 1);
	request->resources = to;
	request->resources_count = 1;
	to->resource_type = (int8_t)type->resource;
	to->resource_name = name;
	to->configs = WIRE_ARRAY(c->arena, incremental_alter_configs_request_alterable_config,
				 changes->count);
	to->configs_count = (int32_t)changes->count;
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];

		to->configs[i].name = change->name;
		to->configs[i].config_operation = change->is_delete ? 1 : 0;
		to->configs[i].value = change->is_delete ? STR_LIT("") : change->value;
	}
	rc = client_call(c->client, alter_target(c, type, name), API_INCREMENTAL_ALTER_CONFIGS,
			 request, c->arena, (void **)&response, NULL, err);
	if (rc == E_UNSUPPORTED)
		return err_set(err, rc, "%s", NO_INCREMENTAL);
	for (int32_t i = 0; rc == 0 && i < response->responses_count; i++) {
		if (response->responses[i].error_code != KERR_NONE)
			rc = kafka_error_set(err, response->responses[i].error_code,
					     response->responses[i].error_message);
	}
	near = rc < 0 && !c->run->is_apache ? change_near(type, changes) : NULL;
	if (near) {
		size_t len = strlen(err->text);

		snprintf(err->text + len, sizeof(err->text) - len, "; did you mean %s?", near);
	}
	return rc;
}
