/* Which entities `configs` is about: --entity-type, --entity-name and their short forms. */
#include "cmd/configs/configs_int.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which Apache's tool names them. */
static const struct entity_type entity_types[] = {
	{"topics", CONFIG_RESOURCE_TOPIC, CONFIG_SOURCE_TOPIC, NULL, NULL, false},
	{"clients", 0, 0, "client-id", "client-id", true},
	{"users", 0, 0, "user", "user-principal", true},
	{"brokers", CONFIG_RESOURCE_BROKER, CONFIG_SOURCE_DYNAMIC_BROKER, NULL, NULL, true},
	{"ips", 0, 0, "ip", "ip", true},
	{"client-metrics", CONFIG_RESOURCE_CLIENT_METRICS, CONFIG_SOURCE_CLIENT_METRICS, NULL, NULL,
	 false},
	{"groups", CONFIG_RESOURCE_GROUP, CONFIG_SOURCE_GROUP, NULL, NULL, false},
	{"broker-loggers", CONFIG_RESOURCE_BROKER_LOGGER, CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER, NULL,
	 NULL, false},
};

static const struct entity_type *type_find(const char *plural)
{
	for (unsigned i = 0; i < ARRAY_LEN(entity_types); i++) {
		if (strcmp(entity_types[i].plural, plural) == 0)
			return &entity_types[i];
	}
	return NULL;
}

bool entities_have_type(const struct entities *e, const char *plural)
{
	for (unsigned i = 0; i < e->type_count; i++) {
		if (strcmp(e->types[i]->plural, plural) == 0)
			return true;
	}
	return false;
}

bool entities_have_name(const struct entities *e)
{
	for (unsigned i = 0; i < e->name_count; i++) {
		if (e->names[i].len > 0)
			return true;
	}
	return false;
}

bool entities_have_default(const struct entities *e)
{
	for (unsigned i = 0; i < e->name_count; i++) {
		if (e->names[i].len == 0)
			return true;
	}
	return false;
}

/* The types as one text, "users,clients". */
static const char *types_text(const struct entities *e, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < e->type_count && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? "," : "",
					e->types[i]->plural);
	return text;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static int entity_add_type(struct entities *e, const char *plural, struct err *err)
{
	const struct entity_type *type = type_find(plural);
	struct out names;

	if (!type) {
		out_init(&names, ERR_TEXT_MAX / 2);
		for (unsigned i = 0; i < ARRAY_LEN(entity_types); i++)
			out_printf(&names, "%s%s", i ? ", " : "", entity_types[i].plural);
		err_set(err, E_INVALID,
			"Invalid entity type %s, the entity type must be one of %.*s with a "
			"--bootstrap-server or --bootstrap-controller argument",
			plural, (int)names.len, (const char *)names.data);
		out_fini(&names);
		return E_INVALID;
	}
	if (entities_have_type(e, plural))
		return err_set(err, E_INVALID, "Duplicate entity type(s) specified: %s", plural);
	if (e->type_count == ENTITIES_MAX)
		return err_set(err, E_INVALID, "too many entity types");
	e->types[e->type_count++] = type;
	return 0;
}

static int entity_add_name(struct entities *e, const char *name, struct err *err)
{
	if (e->name_count == ENTITIES_MAX)
		return err_set(err, E_INVALID, "too many entity names");
	e->names[e->name_count++] = str_of(name);
	return 0;
}

/* --entity-name and --entity-default count by their places among each other. */
static int entities_read_names(const struct run *run, const struct configs_args *args,
			       struct entities *e, struct err *err)
{
	unsigned next = 0;
	int rc = 0;

	for (int i = 0; rc == 0 && i < run->argc; i++) {
		const char *token = run->argv[i];
		size_t dashes = strspn(token, "-");

		if (dashes == 0 || dashes > 2)
			continue;
		if (strncmp(token + dashes, "entity-default", 14) == 0) {
			rc = entity_add_name(e, "", err);
		} else if (strncmp(token + dashes, "entity-name", 11) == 0 &&
			   next < args->entity_names.count) {
			rc = entity_add_name(e, args->entity_names.items[next++], err);
			i += token[dashes + 11] != '=';
		}
	}
	return rc;
}

/* The short forms; returns how many were given. */
static int entities_read_flags(const struct configs_args *args, struct entities *e, struct err *err)
{
	const struct {
		const char *name, *plural;
	} flags[] = {
		{args->topic, "topics"},
		{args->client, "clients"},
		{args->user, "users"},
		{args->broker, "brokers"},
		{args->broker_logger, "broker-loggers"},
		{args->ip, "ips"},
		{args->group, "groups"},
		{args->client_metrics, "client-metrics"},
		{args->client_defaults ? "" : NULL, "clients"},
		{args->user_defaults ? "" : NULL, "users"},
		{args->broker_defaults ? "" : NULL, "brokers"},
		{args->ip_defaults ? "" : NULL, "ips"},
	};
	int count = 0;

	for (unsigned i = 0; i < ARRAY_LEN(flags); i++) {
		int rc;

		if (!flags[i].name)
			continue;
		rc = entity_add_type(e, flags[i].plural, err);
		if (rc == 0)
			rc = entity_add_name(e, flags[i].name, err);
		if (rc < 0)
			return rc;
		count++;
	}
	return count;
}

/* ---- Rules -------------------------------------------------------------------------------- */

static bool ip_is_valid(const char *text)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC}, *found = NULL;
	uint8_t bytes[16];
	bool is_valid;

	if (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1)
		return true;
	is_valid = getaddrinfo(text, NULL, &hints, &found) == 0;
	if (found)
		freeaddrinfo(found);
	return is_valid;
}

static int entities_check_names(const struct entities *e, struct err *err)
{
	bool is_broker =
		entities_have_type(e, "brokers") || entities_have_type(e, "broker-loggers");
	bool is_ip = entities_have_type(e, "ips");

	for (unsigned i = 0; i < e->name_count; i++) {
		const char *name = e->names[i].data;
		char *end;
		long id;

		if (*name == '\0')
			continue;
		id = strtol(name, &end, 10);
		if (is_broker && (*end || id < INT32_MIN || id > INT32_MAX))
			return err_set(err, E_INVALID,
				       "The entity name for %s must be a valid integer broker id, "
				       "but it is: %s",
				       e->types[0]->plural, name);
		if (is_ip && !ip_is_valid(name))
			return err_set(err, E_INVALID,
				       "The entity name for %s must be a valid IP or resolvable "
				       "host, but it is: %s",
				       e->types[0]->plural, name);
	}
	return 0;
}

static int entities_check_action(const struct configs_args *args, const struct entities *e,
				 struct err *err)
{
	bool has_defaults = e->types[0]->has_default;
	char text[256];

	if (args->describe && !has_defaults && entities_have_default(e))
		return err_set(err, E_INVALID,
			       "--entity-default must not be specified with --describe of %s",
			       types_text(e, text, sizeof(text)));
	if (args->describe && entities_have_type(e, "broker-loggers") && !entities_have_name(e))
		return err_set(err, E_INVALID,
			       "An entity name must be specified with --describe of %s",
			       types_text(e, text, sizeof(text)));
	if (args->describe)
		return 0;
	if (has_defaults && e->name_count == 0)
		return err_set(err, E_INVALID,
			       "An entity-name or default entity must be specified with --alter of "
			       "users, clients, brokers or ips");
	if (!has_defaults && !entities_have_name(e))
		return err_set(err, E_INVALID,
			       "An entity name must be specified with --alter of %s",
			       types_text(e, text, sizeof(text)));
	if (args->add_config && args->add_config_file)
		return err_set(err, E_INVALID,
			       "Only one of --add-config or --add-config-file must be specified");
	if (!args->add_config && !args->add_config_file && args->delete_config.count == 0)
		return err_set(err, E_INVALID,
			       "At least one of --add-config, --add-config-file, or "
			       "--delete-config must be specified with --alter");
	return 0;
}

int entities_read(const struct run *run, const struct configs_args *args, struct entities *out,
		  struct err *err)
{
	int rc = 0, flags;

	*out = (struct entities){0};
	for (unsigned i = 0; rc == 0 && i < args->entity_types.count; i++)
		rc = entity_add_type(out, args->entity_types.items[i], err);
	if (rc == 0)
		rc = entities_read_names(run, args, out, err);
	if (rc < 0)
		return rc;
	flags = entities_read_flags(args, out, err);
	if (flags < 0)
		return flags;
	if (out->type_count == 0)
		return err_set(err, E_INVALID, "At least one entity type must be specified");
	if (out->type_count > 1 && !(out->type_count == 2 && entities_have_type(out, "users") &&
				     entities_have_type(out, "clients")))
		return err_set(err, E_INVALID,
			       "Only 'users' and 'clients' entity types may be specified together");
	if (flags > 0 &&
	    (args->entity_types.count || args->entity_names.count || args->entity_default))
		return err_set(err, E_INVALID,
			       "--entity-{type,name,default} should not be used in "
			       "conjunction with specific entity flags");
	if (args->cluster.bootstrap_server && args->cluster.bootstrap_controller)
		return err_set(err, E_INVALID,
			       "Only one of --bootstrap-server or "
			       "--bootstrap-controller can be specified");
	rc = entities_check_names(out, err);
	return rc < 0 ? rc : entities_check_action(args, out, err);
}
