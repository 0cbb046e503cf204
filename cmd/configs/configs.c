/* configs: describe and change configs of topics, brokers, groups (kafka-configs). */
#include "cmd/configs/configs_int.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

static int configs_run(struct run *run, void *args);

#define AT(field) offsetof(struct configs_args, field)

static const struct opt configs_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	{"alter", OPT_FLAG, AT(alter), .help = "Change configs."},
	{"describe", OPT_FLAG, AT(describe), .help = "Show configs."},
	{"all", OPT_FLAG, AT(all), .help = "Show static and default values as well."},
	{"entity-type", OPT_LIST, AT(entity_types), .arg = "type", .complete = COMPLETE_WORDS,
	 .words = "topics brokers broker-loggers groups client-metrics",
	 .help = "Whose configs: topics, brokers, broker-loggers, groups or client-metrics."},
	{"entity-name", OPT_LIST, AT(entity_names), .arg = "name", .complete = COMPLETE_TOPIC,
	 .help = "The topic, broker id, group or subscription."},
	{"entity-default", OPT_FLAG, AT(entity_default), .help = "The defaults of all brokers."},
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic."},
	{"broker", OPT_STRING, AT(broker), .arg = "broker id", .help = "The broker."},
	{"broker-logger", OPT_STRING, AT(broker_logger), .arg = "broker id",
	 .help = "The broker whose loggers are meant."},
	{"group", OPT_STRING, AT(group), .arg = "group", .complete = COMPLETE_GROUP,
	 .help = "The group."},
	{"client-metrics", OPT_STRING, AT(client_metrics), .arg = "subscription",
	 .help = "The subscription of client metrics."},
	{"broker-defaults", OPT_FLAG, AT(broker_defaults), .help = "The defaults of all brokers."},
	{"add-config", OPT_STRING, AT(add_config), .arg = "k1=v1,k2=[v2,v3]",
	 .help = "Configs to set; a value with commas stands in brackets."},
	{"add-config-file", OPT_STRING, AT(add_config_file), .arg = "file",
	 .complete = COMPLETE_FILE, .help = "A properties file of configs to set."},
	{"delete-config", OPT_LIST, AT(delete_config), .arg = "k1,k2",
	 .help = "Configs to take back to their defaults; may be repeated."},
	OPT_END,
};

const struct command cmd_configs = {
	.name = "configs", .alias = "kafka-configs", .dialect = JOPT,
	.summary = "describe or change configs of topics, brokers and groups",
	.intro = "This tool helps to manipulate and describe entity config for a topic, client, "
		 "user, broker, ip, client-metrics or group",
	.opts = configs_opts, .args_size = sizeof(struct configs_args), .run = configs_run,
};

static const struct entity_type entity_types[] = {
	{"topics", CONFIG_RESOURCE_TOPIC, CONFIG_SOURCE_TOPIC},
	{"brokers", CONFIG_RESOURCE_BROKER, CONFIG_SOURCE_DYNAMIC_BROKER},
	{"broker-loggers", CONFIG_RESOURCE_BROKER_LOGGER, CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER},
	{"groups", CONFIG_RESOURCE_GROUP, CONFIG_SOURCE_GROUP},
	{"client-metrics", CONFIG_RESOURCE_CLIENT_METRICS, CONFIG_SOURCE_CLIENT_METRICS},
};

/* ---- Which entity ------------------------------------------------------------------------- */

static const struct entity_type *type_find(const char *plural)
{
	for (unsigned i = 0; i < ARRAY_LEN(entity_types); i++) {
		if (strcmp(entity_types[i].plural, plural) == 0)
			return &entity_types[i];
	}
	return NULL;
}

static int entity_flags(const struct configs_args *args, struct entity *out)
{
	const struct {
		const char *name, *plural;
	} flags[] = {{args->topic, "topics"}, {args->broker, "brokers"},
		     {args->broker_logger, "broker-loggers"}, {args->group, "groups"},
		     {args->client_metrics, "client-metrics"},
		     {args->broker_defaults ? "" : NULL, "brokers"}};
	int count = 0;

	for (unsigned i = 0; i < ARRAY_LEN(flags); i++) {
		if (!flags[i].name)
			continue;
		*out = (struct entity){type_find(flags[i].plural), str_of(flags[i].name)};
		count++;
	}
	return count;
}

static int entity_find(const struct configs_args *args, struct entity *out, struct err *err)
{
	int flags = entity_flags(args, out);
	char *end;

	if (flags > 0 &&
	    (args->entity_types.count || args->entity_names.count || args->entity_default))
		return err_set(err, E_INVALID, "--entity-{type,name,default} should not be used in "
			       "conjunction with specific entity flags");
	if (flags == 0 && args->entity_types.count == 0)
		return err_set(err, E_INVALID, "At least one entity type must be specified");
	if (flags > 1 || args->entity_types.count > 1)
		return err_set(err, E_INVALID,
			       "Only 'users' and 'clients' entity types may be specified together");
	if (flags == 0) {
		out->type = type_find(args->entity_types.items[0]);
		if (!out->type)
			return err_set(err, E_INVALID,
				       "Invalid entity type %s, the entity type must "
				       "be one of topics, brokers, broker-loggers, groups, "
				       "client-metrics",
				       args->entity_types.items[0]);
		out->name = args->entity_default ? STR_LIT("")
			: args->entity_names.count ? str_of(args->entity_names.items[0]) : STR_NULL;
	}
	if ((out->type->resource == CONFIG_RESOURCE_BROKER ||
	     out->type->resource == CONFIG_RESOURCE_BROKER_LOGGER) && out->name.len > 0 &&
	    (strtol(out->name.data, &end, 10) < 0 || *end))
		return err_set(err, E_INVALID,
			       "The entity name for brokers must be a valid integer "
			       "broker id, but it is: %.*s",
			       STR(out->name));
	return 0;
}

static int configs_check(const struct configs_args *args, const struct entity *e, struct err *err)
{
	bool is_brokers = e->type->resource == CONFIG_RESOURCE_BROKER;

	if (args->describe && e->name.data && e->name.len == 0 && !is_brokers)
		return err_set(err, E_INVALID,
			       "--entity-default must not be specified with --describe of %s",
			       e->type->plural);
	if (args->describe && e->type->resource == CONFIG_RESOURCE_BROKER_LOGGER && !e->name.len)
		return err_set(
			err, E_INVALID,
			"An entity name must be specified with --describe of broker-loggers");
	if (args->describe)
		return 0;
	if (str_is_null(e->name) || (e->name.len == 0 && !is_brokers))
		return is_brokers ? err_set(err, E_INVALID,
					    "An entity-name or default entity must be specified "
					    "with --alter of users, clients, brokers or ips")
				  : err_set(err, E_INVALID,
					    "An entity name must be specified with --alter of %s",
					    e->type->plural);
	if (args->add_config && args->add_config_file)
		return err_set(err, E_INVALID,
			       "Only one of --add-config or --add-config-file must be specified");
	if (!args->add_config && !args->add_config_file && args->delete_config.count == 0)
		return err_set(err, E_INVALID,
			       "At least one of --add-config, --add-config-file, or "
			       "--delete-config must be specified with --alter");
	return 0;
}

/* "topics" -> "topic" */
static int singular_len(const struct entity *e)
{
	return (int)strlen(e->type->plural) - 1;
}

/* A broker answers for itself; anybody for the rest. */
static struct target entity_target(const struct entity *e)
{
	bool is_broker = e->type->resource == CONFIG_RESOURCE_BROKER ||
		e->type->resource == CONFIG_RESOURCE_BROKER_LOGGER;

	return is_broker && e->name.len > 0 ? TO_NODE((int32_t)strtol(e->name.data, NULL, 10))
					    : TO_ANY;
}

/* ---- Describe ----------------------------------------------------------------------------- */

static const char *source_name(int8_t source)
{
	static const char *const names[] = {
		"UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG",
		"DYNAMIC_DEFAULT_BROKER_CONFIG", "STATIC_BROKER_CONFIG", "DEFAULT_CONFIG",
		"DYNAMIC_BROKER_LOGGER_CONFIG", "DYNAMIC_CLIENT_METRICS_CONFIG",
		"DYNAMIC_GROUP_CONFIG"};

	return source > 0 && (size_t)source < ARRAY_LEN(names) ? names[source] : names[0];
}

static int config_cmp(const void *a, const void *b)
{
	const struct describe_configs_response_resource_result *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static void describe_print(const struct configs_args *args, const struct entity *e,
			   const struct describe_configs_response_result *r)
{
	bool is_default = e->name.len == 0;
	int8_t source = is_default ? CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER : e->type->source;

	if (is_default)
		print_text("Default configs for %s in the cluster are:\n", e->type->plural);
	else
		print_text("%s configs for %.*s %.*s are:\n", args->all ? "All" : "Dynamic",
			   singular_len(e), e->type->plural, STR(e->name));
	qsort(r->configs, (size_t)r->configs_count, sizeof(*r->configs), config_cmp);
	for (int32_t i = 0; i < r->configs_count; i++) {
		const struct describe_configs_response_resource_result *c = &r->configs[i];

		if (!args->all && c->config_source != source)
			continue;
		print_text("  %.*s=%.*s sensitive=%s synonyms={", STR(c->name),
			   str_is_null(c->value) ? 4 : (int)c->value.len,
			   str_is_null(c->value) ? "null" : c->value.data,
			   c->is_sensitive ? "true" : "false");
		for (int32_t s = 0; s < c->synonyms_count; s++)
			print_text("%s%s:%.*s=%.*s", s ? ", " : "",
				   source_name(c->synonyms[s].source), STR(c->synonyms[s].name),
				   str_is_null(c->synonyms[s].value)
					   ? 4
					   : (int)c->synonyms[s].value.len,
				   str_is_null(c->synonyms[s].value) ? "null"
								     : c->synonyms[s].value.data);
		print_text("}\n");
	}
}

static int describe_one(struct run *run, const struct configs_args *args, const struct entity *e,
			struct client *c, struct err *err)
{
	struct describe_configs_request *request = WIRE_NEW(&run->arena, describe_configs_request);
	struct describe_configs_response *response;
	int rc;

	request->resources = WIRE_ARRAY(&run->arena, describe_configs_request_resource, 1);
	request->resources_count = 1;
	request->resources[0].resource_type = (int8_t)e->type->resource;
	request->resources[0].resource_name = e->name;
	request->resources[0].configuration_keys = NULL;
	request->resources[0].configuration_keys_count = -1;
	request->include_synonyms = true;
	rc = client_call(c, entity_target(e), API_DESCRIBE_CONFIGS, request, &run->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->results_count != 1)
		return err_set(err, E_MALFORMED, "DescribeConfigs answered for %d resources",
			       response->results_count);
	if (response->results[0].error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION && !args->all) {
		print_text("The %.*s '%.*s' doesn't exist and doesn't have dynamic config.\n",
			   singular_len(e), e->type->plural, STR(e->name));
		return 0;
	}
	if (response->results[0].error_code != KERR_NONE)
		return kafka_error_set(err, response->results[0].error_code,
				       response->results[0].error_message);
	describe_print(args, e, &response->results[0]);
	return 0;
}

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names of groups and subscriptions that have configs. */
static int list_resources(struct run *run, const struct entity_type *type, struct client *c,
			  struct str **out, size_t *count, struct err *err)
{
	struct list_config_resources_request *request =
		WIRE_NEW(&run->arena, list_config_resources_request);
	struct list_config_resources_response *response;
	int8_t resource = (int8_t)type->resource;
	int rc;

	request->resource_types = &resource;
	request->resource_types_count = 1;
	rc = client_call(c, TO_ANY, API_LIST_CONFIG_RESOURCES, request, &run->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->error_code != KERR_NONE)
		return kafka_error_set(err, response->error_code, STR_NULL);
	*out = arena_array(&run->arena, (size_t)response->config_resources_count + 1,
			   sizeof(**out));
	for (int32_t i = 0; i < response->config_resources_count; i++) {
		if (response->config_resources[i].resource_type == resource)
			(*out)[(*count)++] = response->config_resources[i].resource_name;
	}
	return 0;
}

/* All entities of the type; of brokers also their defaults, last. */
static int list_entities(struct run *run, const struct entity_type *type, struct client *c,
			 struct str **out, size_t *count, struct err *err)
{
	struct metadata_response *metadata;
	int rc;

	*count = 0;
	if (type->resource != CONFIG_RESOURCE_TOPIC && type->resource != CONFIG_RESOURCE_BROKER)
		return list_resources(run, type, c, out, count, err);
	rc = admin_metadata(c, NULL, 0, &run->arena, &metadata, err);
	if (rc < 0)
		return rc;
	*out = arena_array(&run->arena,
			   (size_t)metadata->topics_count + (size_t)metadata->brokers_count + 1,
			   sizeof(**out));
	if (type->resource == CONFIG_RESOURCE_TOPIC) {
		for (int32_t i = 0; i < metadata->topics_count; i++)
			(*out)[(*count)++] = metadata->topics[i].name;
		qsort(*out, *count, sizeof(**out), name_cmp);
		return 0;
	}
	for (int32_t i = 0; i < metadata->brokers_count; i++)
		(*out)[(*count)++] = str_of(arena_printf(&run->arena, "%d",
							 metadata->brokers[i].node_id));
	(*out)[(*count)++] = STR_LIT("");
	return 0;
}

static int configs_describe(struct run *run, const struct configs_args *args, struct entity *e,
			    struct client *c, struct err *err)
{
	struct str *names;
	size_t count;
	int rc;

	if (!str_is_null(e->name))
		return describe_one(run, args, e, c, err);
	rc = list_entities(run, e->type, c, &names, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		e->name = names[i];
		rc = describe_one(run, args, e, c, err);
	}
	return rc;
}

/* ---- Alter -------------------------------------------------------------------------------- */

static int configs_alter(struct run *run, const struct configs_args *args, const struct entity *e,
			 struct client *c, struct err *err)
{
	struct incremental_alter_configs_request *request =
		WIRE_NEW(&run->arena, incremental_alter_configs_request);
	struct incremental_alter_configs_request_alter_configs_resource *to;
	struct incremental_alter_configs_response *response;
	struct change *changes;
	size_t count;
	int rc = configs_changes(run, args, &changes, &count, err);

	if (rc < 0)
		return rc;
	to = WIRE_ARRAY(&run->arena, incremental_alter_configs_request_alter_configs_resource, 1);
	request->resources = to;
	request->resources_count = 1;
	to->resource_type = (int8_t)e->type->resource;
	to->resource_name = e->name;
	to->configs = WIRE_ARRAY(&run->arena, incremental_alter_configs_request_alterable_config,
				 count);
	to->configs_count = (int32_t)count;
	for (size_t i = 0; i < count; i++) {
		to->configs[i].name = changes[i].name;
		to->configs[i].config_operation = changes[i].is_delete ? 1 : 0;
		to->configs[i].value = changes[i].is_delete ? STR_LIT("") : changes[i].value;
	}
	rc = client_call(c, entity_target(e), API_INCREMENTAL_ALTER_CONFIGS, request, &run->arena,
			 (void **)&response, NULL, err);
	for (int32_t i = 0; rc == 0 && i < response->responses_count; i++) {
		if (response->responses[i].error_code != KERR_NONE)
			rc = kafka_error_set(err, response->responses[i].error_code,
					     response->responses[i].error_message);
	}
	if (rc < 0)
		return rc;
	if (e->name.len == 0)
		print_text("Completed updating default config for %s in the cluster.\n",
			   e->type->plural);
	else
		print_text("Completed updating config for %.*s %.*s.\n", singular_len(e),
			   e->type->plural, STR(e->name));
	return 0;
}

static int configs_failure(const struct run *run, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, text);

	if (!run->is_apache)
		return help_failure(run, err);
	if (err->code == E_INVALID || err->kafka_error == KERR_INVALID_CONFIG)
		print_error("%s\n", err_message(err));
	else
		print_error("Error while executing config command\n%s%s%s\n",
			    exception ? exception : "", exception ? ": " : "", err_message(err));
	return EXIT_FAILED;
}

static int configs_run(struct run *run, void *data)
{
	struct configs_args *args = data;
	struct connection connection;
	struct entity entity = {0};
	struct err err = {0};
	int rc = 0;

	if (args->alter == args->describe)
		rc = err_set(&err, E_USAGE,
			     "Command must include exactly one action: --describe, --alter");
	if (rc == 0)
		rc = opt_conflict(run, "describe", "add-config delete-config", &err);
	if (rc < 0)
		return help_usage(run, &err);
	if (!connect_has_server(run))
		rc = err_set(
			&err, E_INVALID,
			"Either --bootstrap-server or --bootstrap-controller must be specified.");
	if (rc == 0)
		rc = entity_find(args, &entity, &err);
	if (rc == 0)
		rc = configs_check(args, &entity, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return configs_failure(run, &err);
	rc = args->describe ? configs_describe(run, args, &entity, connection.client, &err)
			    : configs_alter(run, args, &entity, connection.client, &err);
	connect_close(&connection);
	return rc < 0 ? configs_failure(run, &err) : EXIT_OK;
}
