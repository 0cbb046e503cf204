/* AlterConfigs and IncrementalAlterConfigs. Each resource succeeds or fails by itself. */
#include "controller/controller_int.h"

#include <stdio.h>
#include <stdlib.h>

#define CONFIG_VALUE_BYTES_MAX 32767
#define MIN_ISR "min.insync.replicas"

enum alter { ALTER_SET, ALTER_DELETE, ALTER_APPEND, ALTER_SUBTRACT };

struct alteration {
	struct str name, value;
	int8_t op;
};

/* What is asked of one resource, in the common form of both APIs. */
struct resource {
	int8_t type;
	struct str name;
	struct alteration *items;
	int32_t count;
	bool replaces;                  /* AlterConfigs: what is not named goes */
	const struct image_config *old; /* NULL: it has none */
	/* results */
	enum kafka_error error;
	struct str text;
};

#define REFUSE(r, code, ...) ((r)->error = (code), (r)->text = op_text(op, __VA_ARGS__), false)

/* ---- Checks ---------------------------------------------------------------------------------- */

static bool parse_id(struct str text, int32_t *id)
{
	char copy[16], *end;
	long value;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	value = strtol(copy, &end, 10);
	*id = (int32_t)value;
	return *end == '\0' && value >= INT32_MIN && value <= INT32_MAX;
}

static bool check_broker_name(struct change *ch, struct control_op *op, struct resource *r)
{
	int32_t id;

	if (r->name.len == 0)
		return true;
	if (!parse_id(r->name, &id))
		return REFUSE(r, KERR_INVALID_REQUEST,
			      "Node id must be an integer, but it is: %.*s", STR(r->name));
	if (!image_broker(tip(ch), id) && id != ch->c->options.node_id &&
	    !image_controller(tip(ch), id))
		return REFUSE(r, KERR_BROKER_ID_NOT_REGISTERED,
			      "Broker ID %d is not currently registered", id);
	return true;
}

static bool check_resource_name(struct change *ch, struct control_op *op, struct resource *r)
{
	switch (r->type) {
	case CONFIG_RESOURCE_TOPIC:
		if (image_topic_by_name(tip(ch), r->name))
			return true;
		return REFUSE(r, KERR_UNKNOWN_TOPIC_OR_PARTITION,
			      "The topic '%.*s' does not exist.", STR(r->name));
	case CONFIG_RESOURCE_BROKER: return check_broker_name(ch, op, r);
	case CONFIG_RESOURCE_GROUP:
	case CONFIG_RESOURCE_CLIENT_METRICS:
		if (r->name.len)
			return true;
		return REFUSE(r, KERR_INVALID_REQUEST, "%s name cannot be empty",
			      r->type == CONFIG_RESOURCE_GROUP ? "Group" : "Subscription");
	default: return REFUSE(r, KERR_INVALID_REQUEST, "Unknown resource type %d", r->type);
	}
}

static bool check_items(struct control_op *op, struct resource *r)
{
	for (int32_t i = 0; i < r->count; i++) {
		const struct alteration *a = &r->items[i];

		for (int32_t j = 0; j < i; j++)
			if (str_eq(a->name, r->items[j].name))
				return REFUSE(r, KERR_INVALID_REQUEST,
					      "Error due to duplicate config keys");
		if (a->op < ALTER_SET || a->op > ALTER_SUBTRACT)
			return REFUSE(r, KERR_INVALID_REQUEST, "Unknown operation %d", a->op);
		if (a->op != ALTER_DELETE && str_is_null(a->value))
			return REFUSE(r, KERR_INVALID_REQUEST,
				      "Null value not supported for : %.*s", STR(a->name));
	}
	return true;
}

/* Dynamic configs of brokers may break a running one: they have rules of their own. */
static bool check_broker_values(struct change *ch, struct control_op *op, struct resource *r,
				const struct config_entry *set, size_t count)
{
	struct err err = {0};
	int rc = config_check_dynamic(ch->c->config, set, count, r->name.len == 0, &err);

	for (size_t i = 0; rc == 0 && i < count; i++)
		if (config_def_find(CONFIG_RESOURCE_BROKER, set[i].name))
			rc = config_check(CONFIG_RESOURCE_BROKER, set[i].name, set[i].value, &err);
	if (rc < 0)
		return REFUSE(r, KERR_INVALID_REQUEST, "%s", err_message(&err));
	return true;
}

static bool check_values(struct change *ch, struct control_op *op, struct resource *r,
			 const struct config_entry *set, size_t set_count,
			 const struct config_entry *all, size_t all_count)
{
	struct err err = {0};
	int rc = 0;

	for (size_t i = 0; i < set_count; i++)
		if (set[i].value.len > CONFIG_VALUE_BYTES_MAX)
			return REFUSE(
				r, KERR_INVALID_CONFIG,
				"The configuration value cannot be added because it exceeds the "
				"maximum value size of %d bytes.",
				CONFIG_VALUE_BYTES_MAX);
	if (r->type == CONFIG_RESOURCE_BROKER)
		return check_broker_values(ch, op, r, set, set_count);
	if (r->type == CONFIG_RESOURCE_TOPIC)
		rc = config_check_topic(ch->c->config, all, all_count, &err);
	for (size_t i = 0; r->type != CONFIG_RESOURCE_TOPIC && rc == 0 && i < all_count; i++)
		rc = config_check((enum config_resource)r->type, all[i].name, all[i].value, &err);
	if (rc < 0)
		return REFUSE(r,
			      r->type == CONFIG_RESOURCE_CLIENT_METRICS ? KERR_INVALID_REQUEST
									: KERR_INVALID_CONFIG,
			      "%s", err_message(&err));
	return true;
}

/* Under ELR the ISR's least size is the cluster's or the topic's, and always known. */
static bool check_min_isr(struct change *ch, struct control_op *op, struct resource *r,
			  struct str name, struct str value)
{
	if (r->type != CONFIG_RESOURCE_BROKER || !elr_enabled(tip(ch)) || !str_is(name, MIN_ISR))
		return true;
	if (r->name.len)
		return REFUSE(r, KERR_INVALID_CONFIG,
			      "Broker-level min.insync.replicas cannot be altered while ELR is "
			      "enabled.");
	if (str_is_null(value))
		return REFUSE(r, KERR_INVALID_CONFIG,
			      "Cluster-level min.insync.replicas cannot be removed while ELR is "
			      "enabled.");
	return true;
}

/* Also to remove it: no broker would say so before. */
static bool check_cordoned(struct change *ch, struct control_op *op, struct resource *r,
			   struct str name)
{
	if (r->type != CONFIG_RESOURCE_BROKER || !str_is(name, "cordoned.log.dirs") ||
	    metadata_has_cordoned_dirs(metadata_version(ch)))
		return true;
	return REFUSE(r, KERR_INVALID_CONFIG,
		      "The cordoned.log.dirs configuration value cannot be set because it requires "
		      "metadata.version >= 4.3-IV0");
}

/* ---- New values ------------------------------------------------------------------------------ */

static bool new_value(struct change *ch, struct control_op *op, struct resource *r,
		      const struct alteration *a, struct str *out)
{
	struct str current = image_config_value(r->old, a->name);
	enum config_resource type = (enum config_resource)r->type;
	struct err err = {0};
	int rc = 0;

	*out = a->op == ALTER_DELETE ? STR_NULL : a->value;
	if (a->op == ALTER_APPEND)
		rc = config_list_append(ch->arena, type, a->name, current, a->value, out, &err);
	else if (a->op == ALTER_SUBTRACT)
		rc = config_list_subtract(ch->arena, type, a->name, current, a->value, out, &err);
	if (rc < 0)
		return REFUSE(r, KERR_INVALID_CONFIG, "%s", err_message(&err));
	return check_min_isr(ch, op, r, a->name, *out) && check_cordoned(ch, op, r, a->name);
}

/* Everything the resource will have: what it has, with the changes in it. */
static size_t merge(const struct resource *r, const struct config_entry *changed, size_t count,
		    struct config_entry *all)
{
	size_t n = 0;

	for (uint32_t i = 0; r->old && i < r->old->entry_count; i++) {
		bool is_changed = false;

		for (size_t j = 0; j < count; j++)
			is_changed = is_changed || str_eq(changed[j].name, r->old->entries[i].name);
		if (!is_changed)
			all[n++] = r->old->entries[i];
	}
	for (size_t j = 0; j < count; j++)
		if (!str_is_null(changed[j].value))
			all[n++] = changed[j];
	return n;
}

static void write_value(struct change *ch, const struct resource *r, struct str name,
			struct str value)
{
	struct config_record record;

	WIRE_INIT(config_record, &record);
	record.resource_type = r->type;
	record.resource_name = r->name;
	record.name = name;
	record.value = value;
	change_add(ch, &config_record_desc, 0, &record);
	if (str_is(name, MIN_ISR) && elr_enabled(tip(ch)))
		partitions_clear_elr(ch, r->type == CONFIG_RESOURCE_TOPIC ? r->name : STR_LIT(""));
}

static bool is_unchanged(struct str a, struct str b)
{
	return str_is_null(a) == str_is_null(b) && str_eq(a, b);
}

/* Done before the first record takes the old values away. Values are written for brokers even if
 * they stay: a broker takes it as "read your key stores again". */
static void drop_unchanged(const struct resource *r, struct config_entry *changed, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++)
		if (r->type == CONFIG_RESOURCE_BROKER ||
		    !is_unchanged(changed[i].value, image_config_value(r->old, changed[i].name)))
			changed[kept++] = changed[i];
	*count = kept;
}

/* What AlterConfigs does not name goes. */
static bool add_deletions(struct change *ch, struct control_op *op, struct resource *r,
			  struct config_entry *changed, size_t *count)
{
	for (uint32_t i = 0; r->replaces && r->old && i < r->old->entry_count; i++) {
		struct str name = r->old->entries[i].name;
		bool is_named = false;

		for (int32_t j = 0; j < r->count; j++)
			is_named = is_named || str_eq(r->items[j].name, name);
		if (is_named)
			continue;
		if (!check_min_isr(ch, op, r, name, STR_NULL))
			return false;
		changed[(*count)++] = (struct config_entry){str_dup(ch->arena, name), STR_NULL};
	}
	return true;
}

/* Works out one resource and writes what changes. */
static bool alter_resource(struct change *ch, struct control_op *op, struct resource *r)
{
	size_t old_count, count = 0, set_count = 0, all_count;
	struct config_entry *changed, *set, *all;

	if (!check_resource_name(ch, op, r) || !check_items(op, r))
		return false;
	r->old = image_config(tip(ch), (enum config_resource)r->type, r->name);
	old_count = r->old ? r->old->entry_count : 0;
	changed = arena_array(ch->arena, old_count + (size_t)r->count + 1, sizeof(*changed));
	set = arena_array(ch->arena, (size_t)r->count + 1, sizeof(*set));
	all = arena_array(ch->arena, old_count + (size_t)r->count + 1, sizeof(*all));
	for (int32_t i = 0; i < r->count; i++) {
		changed[count].name = r->items[i].name;
		if (!new_value(ch, op, r, &r->items[i], &changed[count].value))
			return false;
		if (!str_is_null(changed[count].value))
			set[set_count++] = changed[count];
		count++;
	}
	if (!add_deletions(ch, op, r, changed, &count))
		return false;
	all_count = merge(r, changed, count, all);
	if (!check_values(ch, op, r, set, set_count, all, all_count))
		return false;
	drop_unchanged(r, changed, &count);
	for (size_t i = 0; i < count; i++)
		write_value(ch, r, changed[i].name, changed[i].value);
	return true;
}

static void alter_resources(struct change *ch, struct control_op *op, struct resource *items,
			    int32_t count)
{
	for (int32_t i = 0; i < count; i++) {
		for (int32_t j = 0; j < count; j++)
			if (i != j && items[i].type == items[j].type &&
			    str_eq(items[i].name, items[j].name))
				(void)REFUSE(&items[i], KERR_INVALID_REQUEST,
					     "Each resource must appear at most once.");
		if (!items[i].error)
			alter_resource(ch, op, &items[i]);
	}
}

/* ---- The two APIs ---------------------------------------------------------------------------- */

void incremental_alter_configs_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct incremental_alter_configs_request *r = op->request;
	struct incremental_alter_configs_response *response = op->response;

	response->responses = WIRE_ARRAY(
		op->arena, incremental_alter_configs_response_alter_configs_resource_response,
		r->resources_count);
	response->responses_count = r->resources_count;
	for (int32_t i = 0; i < r->resources_count; i++) {
		response->responses[i].error_code = (int16_t)error;
		response->responses[i].error_message = text;
		response->responses[i].resource_type = r->resources[i].resource_type;
		response->responses[i].resource_name = r->resources[i].resource_name;
	}
}

void incremental_alter_configs_run(struct change *ch, struct control_op *op)
{
	const struct incremental_alter_configs_request *r = op->request;
	struct incremental_alter_configs_response *response = op->response;
	struct resource *items =
		arena_array(op->arena, (size_t)r->resources_count + 1, sizeof(*items));

	incremental_alter_configs_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < r->resources_count; i++) {
		const struct incremental_alter_configs_request_alter_configs_resource *from =
			&r->resources[i];

		items[i].type = from->resource_type;
		items[i].name = from->resource_name;
		items[i].count = from->configs_count;
		items[i].items = arena_array(op->arena, (size_t)from->configs_count + 1,
					     sizeof(*items[i].items));
		for (int32_t j = 0; j < from->configs_count; j++)
			items[i].items[j] =
				(struct alteration){from->configs[j].name, from->configs[j].value,
						    from->configs[j].config_operation};
	}
	alter_resources(ch, op, items, r->resources_count);
	for (int32_t i = 0; i < r->resources_count; i++) {
		response->responses[i].error_code = (int16_t)items[i].error;
		response->responses[i].error_message = items[i].text;
	}
	ch->is_discarded = r->validate_only;
}

void alter_configs_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct alter_configs_request *r = op->request;
	struct alter_configs_response *response = op->response;

	response->responses =
		WIRE_ARRAY(op->arena, alter_configs_response_resource_response, r->resources_count);
	response->responses_count = r->resources_count;
	for (int32_t i = 0; i < r->resources_count; i++) {
		response->responses[i].error_code = (int16_t)error;
		response->responses[i].error_message = text;
		response->responses[i].resource_type = r->resources[i].resource_type;
		response->responses[i].resource_name = r->resources[i].resource_name;
	}
}

void alter_configs_run(struct change *ch, struct control_op *op)
{
	const struct alter_configs_request *r = op->request;
	struct alter_configs_response *response = op->response;
	struct resource *items =
		arena_array(op->arena, (size_t)r->resources_count + 1, sizeof(*items));

	alter_configs_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < r->resources_count; i++) {
		const struct alter_configs_request_resource *from = &r->resources[i];

		items[i].type = from->resource_type;
		items[i].name = from->resource_name;
		items[i].replaces = true;
		items[i].count = from->configs_count;
		items[i].items = arena_array(op->arena, (size_t)from->configs_count + 1,
					     sizeof(*items[i].items));
		for (int32_t j = 0; j < from->configs_count; j++)
			items[i].items[j] = (struct alteration){from->configs[j].name,
								from->configs[j].value, ALTER_SET};
	}
	alter_resources(ch, op, items, r->resources_count);
	for (int32_t i = 0; i < r->resources_count; i++) {
		response->responses[i].error_code = (int16_t)items[i].error;
		response->responses[i].error_message = items[i].text;
	}
	ch->is_discarded = r->validate_only;
}
