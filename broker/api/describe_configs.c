/* DescribeConfigs, ListConfigResources.
 * Source: core/src/main/scala/kafka/server/{ConfigHelper,KafkaApis}.scala */
#include "api/broker_logger.h"
#include "api/describe.h"
#include "api/handlers.h"
#include "config/config.h"

/* ---- DescribeConfigs ------------------------------------------------------------------------- */

#define REFUSE(r, out, code, ...)                 \
	((out)->error_code = (int16_t)(code), \
	 (out)->error_message = str_of(arena_printf(&(r)->arena, __VA_ARGS__)))

static bool key_is_asked(const struct describe_configs_request_resource *asked, struct str name)
{
	if (asked->configuration_keys_count <= 0)
		return true;
	for (int32_t i = 0; i < asked->configuration_keys_count; i++)
		if (str_eq(asked->configuration_keys[i], name))
			return true;
	return false;
}

static void describe_synonyms(struct request *r, const struct config_description *row,
			      struct describe_configs_response_resource_result *to)
{
	to->synonyms = WIRE_ARRAY(&r->arena, describe_configs_response_synonym,
				  row->synonym_count);
	to->synonyms_count = (int32_t)row->synonym_count;
	for (size_t i = 0; i < row->synonym_count; i++) {
		to->synonyms[i].name = row->synonyms[i].name;
		to->synonyms[i].value = row->synonyms[i].value;
		to->synonyms[i].source = (int8_t)row->synonyms[i].source;
	}
}

static void describe_rows(struct request *r, const struct describe_configs_request_resource *asked,
			  struct describe_configs_response_result *out,
			  const struct config_description *rows, size_t count)
{
	const struct describe_configs_request *request = r->body;

	out->configs = WIRE_ARRAY(&r->arena,
				  describe_configs_response_resource_result, count);
	for (size_t i = 0; i < count; i++) {
		struct describe_configs_response_resource_result *to;

		if (!key_is_asked(asked, rows[i].name))
			continue;
		to = &out->configs[out->configs_count++];
		to->name = rows[i].name;
		to->value = rows[i].value;
		to->read_only = rows[i].read_only;
		to->config_source = (int8_t)rows[i].source;
		to->is_sensitive = rows[i].is_sensitive;
		to->config_type = (int8_t)rows[i].type;
		to->documentation =
			request->include_documentation ? str_of(rows[i].doc) : STR_NULL;
		if (request->include_synonyms)
			describe_synonyms(r, &rows[i], to);
	}
}

/* A resource whose configs are overrides in the image. */
static void describe_overrides(struct request *r,
			       const struct describe_configs_request_resource *asked,
			       struct describe_configs_response_result *out)
{
	enum config_resource type = (enum config_resource)asked->resource_type;
	const struct image_config *c = image_config(r->shard->image, type, asked->resource_name);
	struct config_description *rows;
	size_t count = config_describe(r->shard->config, &r->arena, type, c ? c->entries : NULL,
				       c ? c->entry_count : 0, &rows);

	describe_rows(r, asked, out, rows, count);
}

static void describe_topic(struct request *r, const struct describe_configs_request_resource *asked,
			   struct describe_configs_response_result *out)
{
	if (!topic_name_is_valid(asked->resource_name))
		REFUSE(r, out, KERR_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: '%.*s'",
		       STR(asked->resource_name));
	else if (!image_topic_by_name(r->shard->image, asked->resource_name))
		out->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	else
		describe_overrides(r, asked, out);
}

static void describe_cluster_default(struct request *r,
				     const struct describe_configs_request_resource *asked,
				     struct describe_configs_response_result *out)
{
	const struct image_config *c =
		image_config(r->shard->image, CONFIG_RESOURCE_BROKER, STR_LIT(""));
	struct config_description *rows;
	size_t count = config_describe_cluster(r->shard->config, &r->arena, c ? c->entries : NULL,
					       c ? c->entry_count : 0, &rows);

	describe_rows(r, asked, out, rows, count);
}

static void describe_broker(struct request *r,
			    const struct describe_configs_request_resource *asked,
			    struct describe_configs_response_result *out)
{
	struct config_description *rows;
	size_t count;
	int32_t id;

	if (asked->resource_name.len == 0) {
		describe_cluster_default(r, asked, out);
	} else if (!node_id_of(asked->resource_name, &id)) {
		REFUSE(r, out, KERR_INVALID_REQUEST,
		       "Broker id must be an integer, but it is: %.*s", STR(asked->resource_name));
	} else if (id != r->shard->broker->node_id) {
		REFUSE(r, out, KERR_INVALID_REQUEST,
		       "Unexpected broker id, expected %d or empty string, but received %.*s",
		       r->shard->broker->node_id, STR(asked->resource_name));
	} else {
		count = config_describe(r->shard->config, &r->arena, CONFIG_RESOURCE_BROKER, NULL,
					0, &rows);
		describe_rows(r, asked, out, rows, count);
	}
}

static void describe_loggers(struct request *r,
			     const struct describe_configs_request_resource *asked,
			     struct describe_configs_response_result *out)
{
	struct str name, level;
	int32_t id;

	if (asked->resource_name.len == 0) {
		REFUSE(r, out, KERR_INVALID_REQUEST, "Broker id must not be empty");
		return;
	}
	if (!node_id_of(asked->resource_name, &id)) {
		REFUSE(r, out, KERR_INVALID_REQUEST,
		       "Broker id must be an integer, but it is: %.*s", STR(asked->resource_name));
		return;
	}
	if (id != r->shard->broker->node_id) {
		REFUSE(r, out, KERR_INVALID_REQUEST,
		       "Unexpected broker id, expected %d but received %.*s",
		       r->shard->broker->node_id, STR(asked->resource_name));
		return;
	}
	out->configs =
		WIRE_ARRAY(&r->arena, describe_configs_response_resource_result,
			   BROKER_LOGGER_COUNT);
	for (unsigned i = 0; i < BROKER_LOGGER_COUNT; i++) {
		struct describe_configs_response_resource_result *to;

		broker_logger_get(i, &name, &level);
		if (!key_is_asked(asked, name))
			continue;
		to = &out->configs[out->configs_count++];
		to->name = name;
		to->value = level;
		to->config_source = CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER;
		to->documentation = STR_NULL;
	}
}

static void describe_resource(struct request *r,
			      const struct describe_configs_request_resource *asked,
			      struct describe_configs_response_result *out)
{
	out->resource_type = asked->resource_type;
	out->resource_name = asked->resource_name;
	switch (asked->resource_type) {
	case CONFIG_RESOURCE_TOPIC: describe_topic(r, asked, out); break;
	case CONFIG_RESOURCE_BROKER: describe_broker(r, asked, out); break;
	case CONFIG_RESOURCE_BROKER_LOGGER: describe_loggers(r, asked, out); break;
	case CONFIG_RESOURCE_CLIENT_METRICS:
		if (asked->resource_name.len == 0)
			REFUSE(r, out, KERR_INVALID_REQUEST,
			       "Client metrics subscription name must not be empty");
		else
			describe_overrides(r, asked, out);
		break;
	case CONFIG_RESOURCE_GROUP:
		if (asked->resource_name.len == 0)
			REFUSE(r, out, KERR_INVALID_REQUEST, "Group name must not be empty");
		else
			describe_overrides(r, asked, out);
		break;
	default:
		REFUSE(r, out, KERR_INVALID_REQUEST, "Unsupported resource type: %d",
		       asked->resource_type);
	}
}

void handle_describe_configs(struct request *r)
{
	const struct describe_configs_request *request = r->body;
	struct describe_configs_response *response = r->response;

	response->results = WIRE_ARRAY(&r->arena, describe_configs_response_result,
				       request->resources_count);
	response->results_count = request->resources_count;
	for (int32_t i = 0; i < request->resources_count; i++)
		describe_resource(r, &request->resources[i], &response->results[i]);
	request_done(r);
}

/* ---- ListConfigResources --------------------------------------------------------------------- */

static bool type_is_asked(const struct request *r, enum config_resource type)
{
	const struct list_config_resources_request *request = r->body;

	/* Version 0 was about client metrics only. */
	if (r->version == 0)
		return type == CONFIG_RESOURCE_CLIENT_METRICS;
	if (request->resource_types_count == 0)
		return true;
	for (int32_t i = 0; i < request->resource_types_count; i++)
		if (request->resource_types[i] == (int8_t)type)
			return true;
	return false;
}

static bool types_are_known(const struct list_config_resources_request *request)
{
	for (int32_t i = 0; i < request->resource_types_count; i++) {
		switch (request->resource_types[i]) {
		case CONFIG_RESOURCE_TOPIC:
		case CONFIG_RESOURCE_BROKER:
		case CONFIG_RESOURCE_BROKER_LOGGER:
		case CONFIG_RESOURCE_CLIENT_METRICS:
		case CONFIG_RESOURCE_GROUP: break;
		default: return false;
		}
	}
	return true;
}

static void resource_add(struct list_config_resources_response *response, enum config_resource type,
			 struct str name)
{
	struct list_config_resources_response_config_resource *to =
		&response->config_resources[response->config_resources_count++];

	to->resource_type = (int8_t)type;
	to->resource_name = name;
}

static void add_configured(struct request *r, enum config_resource type)
{
	const struct image *image = r->shard->image;

	if (!type_is_asked(r, type))
		return;
	for (const struct image_config *c = image_config_next(image, NULL); c;
	     c = image_config_next(image, c))
		if (c->type == type)
			resource_add(r->response, type, c->name);
}

static void add_brokers(struct request *r, enum config_resource type)
{
	const struct image *image = r->shard->image;

	if (!type_is_asked(r, type))
		return;
	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id))
		if (!b->fenced && image_broker_endpoint(b, str_of(r->listener)))
			resource_add(r->response, type,
				     str_of(arena_printf(&r->arena, "%d", b->id)));
}

static void add_topics(struct request *r)
{
	const struct image *image = r->shard->image;

	if (!type_is_asked(r, CONFIG_RESOURCE_TOPIC))
		return;
	for (const struct image_topic *t = image_topic_next(image, STR_NULL); t;
	     t = image_topic_next(image, t->name))
		resource_add(r->response, CONFIG_RESOURCE_TOPIC, t->name);
}

void handle_list_config_resources(struct request *r)
{
	struct list_config_resources_response *response = r->response;
	const struct image *image = r->shard->image;
	uint32_t max = image_topic_count(image) + 2 * image_broker_count(image);

	if (!types_are_known(r->body)) {
		response->error_code = KERR_UNSUPPORTED_VERSION;
		request_done(r);
		return;
	}
	for (const struct image_config *c = image_config_next(image, NULL); c;
	     c = image_config_next(image, c))
		max++;
	response->config_resources =
		WIRE_ARRAY(&r->arena, list_config_resources_response_config_resource, max);
	add_configured(r, CONFIG_RESOURCE_GROUP);
	add_configured(r, CONFIG_RESOURCE_CLIENT_METRICS);
	add_brokers(r, CONFIG_RESOURCE_BROKER_LOGGER);
	add_brokers(r, CONFIG_RESOURCE_BROKER);
	add_topics(r);
	request_done(r);
}
