/* Listeners, roles and the metadata quorum: parsed forms and Kafka's rules for them
 * (AbstractKafkaConfig.java, QuorumConfig.java). */
#include "config_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <strings.h>

static const char *const protocol_names[] = {
	[SECURITY_PLAINTEXT] = "PLAINTEXT",
	[SECURITY_SSL] = "SSL",
	[SECURITY_SASL_PLAINTEXT] = "SASL_PLAINTEXT",
	[SECURITY_SASL_SSL] = "SASL_SSL",
};

const char *security_protocol_name(enum security_protocol p)
{
	assert((size_t)p < ARRAY_LEN(protocol_names));
	return protocol_names[p];
}

static bool protocol_of(const char *name, size_t len, enum security_protocol *out)
{
	for (size_t i = 0; i < ARRAY_LEN(protocol_names); i++)
		if (strlen(protocol_names[i]) == len &&
		    strncasecmp(protocol_names[i], name, len) == 0) {
			*out = (enum security_protocol)i;
			return true;
		}
	return false;
}

static char *upper(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_strndup(arena, text, len);

	for (char *p = copy; *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	return copy;
}

/* ---- host:port ---- */

/* "[::1]:9092", "host:9092", ":9092". */
static int host_port_parse(struct arena *arena, const char *text, const char **host, int32_t *port,
			   struct err *err)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char *end;
	long number;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return err_set(err, E_INVALID, "'%s' is not host:port", text);
	number = strtol(colon + 1, &end, 10);
	if (*end || number > 65535)
		return err_set(err, E_INVALID, "'%s' has no port in [0,...,65535]", text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-%._:",
			    text[i]))
			return err_set(err, E_INVALID, "'%s' is not host:port", text);
	*host = arena_strndup(arena, text, len);
	*port = (int32_t)number;
	return 0;
}

/* ---- Security map ---- */

/* Looks up NAME in "NAME:PROTO,...". */
static bool protocol_map_get(const struct config *c, const char *name, enum security_protocol *out)
{
	const char *p = config_str(c, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP);

	while (p && *p) {
		size_t len = strcspn(p, ","), colon = len;

		while (colon > 0 && p[colon] != ':')
			colon--;
		while (*p == ' ') {
			p++;
			len--;
			colon--;
		}
		if (colon == strlen(name) && strncasecmp(p, name, colon) == 0) {
			size_t end = len;

			while (end > colon + 1 && p[end - 1] == ' ')
				end--;
			return protocol_of(p + colon + 1, end - colon - 1, out);
		}
		p += len;
		p += *p == ',';
	}
	return false;
}

static bool is_controller_name(const struct config *c, const char *name)
{
	size_t count;
	const char *const *names = config_list(c, CONFIG_CONTROLLER_LISTENER_NAMES, &count);

	for (size_t i = 0; i < count; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

/* Without a map, controller listeners are plain text as long as nothing else asks for security. */
static bool controllers_are_plain(const struct config *c)
{
	size_t count;
	const char *const *items;
	enum security_protocol p;

	if (config_source_of(c, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP) != CONFIG_SOURCE_DEFAULT)
		return false;
	items = config_list(c, CONFIG_CONTROLLER_LISTENER_NAMES, &count);
	for (size_t i = 0; i < count; i++)
		if (protocol_of(items[i], strlen(items[i]), &p) && p != SECURITY_PLAINTEXT)
			return false;
	items = config_list(c, CONFIG_LISTENERS, &count);
	for (size_t i = 0; i < count; i++) {
		const char *end = strstr(items[i], "://");

		if (end && protocol_of(items[i], (size_t)(end - items[i]), &p) &&
		    p != SECURITY_PLAINTEXT)
			return false;
	}
	return true;
}

bool config_listener_protocol(const struct config *c, const char *name, enum security_protocol *out)
{
	if (is_controller_name(c, name) && controllers_are_plain(c)) {
		*out = SECURITY_PLAINTEXT;
		return true;
	}
	return protocol_map_get(c, name, out);
}

/* ---- Listeners ---- */

static int listener_parse(struct config *c, const char *text, struct listener *out, struct err *err)
{
	const char *sep = NULL;
	int rc;

	for (const char *p = strstr(text, "://"); p; p = strstr(p + 1, "://"))
		sep = p;
	if (!sep || sep == text)
		return err_set(err, E_INVALID, "'%s' is not NAME://host:port", text);
	*out = (struct listener){.name = upper(&c->arena, text, (size_t)(sep - text))};
	rc = host_port_parse(&c->arena, sep + 3, &out->host, &out->port, err);
	if (rc < 0)
		return rc;
	if (!config_listener_protocol(c, out->name, &out->protocol))
		return err_set(err, E_INVALID,
			       "No security protocol defined for listener %s (see "
			       "listener.security.protocol.map)", out->name);
	out->is_controller = is_controller_name(c, out->name);
	out->port_optional = !c->has_file && out->is_controller;
	return 0;
}

static bool is_ipv6(const char *host)
{
	return strchr(host, ':') != NULL;
}

static bool is_ipv4(const char *host)
{
	return *host && host[strspn(host, "0123456789.")] == '\0';
}

static int listeners_check_pair(const struct listener *a, const struct listener *b,
				bool same_ports_allowed, const char *key, struct err *err)
{
	if (strcmp(a->name, b->name) == 0)
		return err_set(err, E_INVALID,
			       "%s: each listener must have a different name, %s is "
			       "there twice",
			       key, a->name);
	if (same_ports_allowed || a->port != b->port || a->port == 0)
		return 0;
	if ((is_ipv4(a->host) && is_ipv6(b->host)) || (is_ipv6(a->host) && is_ipv4(b->host)))
		return 0;
	return err_set(err, E_INVALID,
		       "%s: each listener must have a different port, %s and %s have "
		       "%d",
		       key, a->name, b->name, a->port);
}

static int listeners_parse(struct config *c, enum config_key key, struct listener **out,
			   size_t *out_count, struct err *err)
{
	bool advertised = key == CONFIG_ADVERTISED_LISTENERS;
	const char *name = advertised ? "advertised.listeners" : "listeners";
	size_t count;
	const char *const *items = config_list(c, key, &count);
	struct listener *all = arena_array(&c->arena, count + 1, sizeof(*all));

	for (size_t i = 0; i < count; i++) {
		int rc = listener_parse(c, items[i], &all[i], err);

		if (rc < 0)
			return err_add(err, rc, "%s", name);
		for (size_t j = 0; j < i && rc == 0; j++)
			rc = listeners_check_pair(&all[j], &all[i], advertised, name, err);
		if (rc < 0)
			return rc;
	}
	*out = all;
	*out_count = count;
	return 0;
}

static const struct listener *listeners_find(const struct listener *all, size_t count,
					     const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

/* What clients and brokers are told: without controller listeners, with a host to go to. */
static int advertised_derive(struct config *c, struct err *err)
{
	size_t kept = 0;
	int rc;

	if (config_is_null(c, CONFIG_ADVERTISED_LISTENERS)) {
		c->advertised_count = c->listener_count;
		c->advertised = arena_array(&c->arena, c->listener_count + 1,
					    sizeof(*c->advertised));
		memcpy(c->advertised, c->listeners, c->listener_count * sizeof(*c->listeners));
	} else {
		rc = listeners_parse(c, CONFIG_ADVERTISED_LISTENERS, &c->advertised,
				     &c->advertised_count, err);
		if (rc < 0)
			return rc;
	}
	c->advertised_controllers =
		arena_array(&c->arena, c->advertised_count + 1, sizeof(*c->advertised_controllers));
	for (size_t i = 0; i < c->advertised_count; i++) {
		const struct listener *l = &c->advertised[i];

		if (l->is_controller)
			c->advertised_controllers[c->advertised_controller_count++] = *l;
		/* Of listeners that are not advertised by name, controllers are reached at an
		 * address of the machine. */
		if (l->is_controller && config_is_null(c, CONFIG_ADVERTISED_LISTENERS))
			continue;
		if (strcmp(l->host, "0.0.0.0") == 0)
			return err_set(
				err, E_INVALID,
				"advertised.listeners cannot use the nonroutable meta-address "
				"0.0.0.0. Use a routable IP address.");
		if (!listeners_find(c->listeners, c->listener_count, l->name))
			return err_set(err, E_INVALID,
				       "advertised.listeners: %s is not among the listeners",
				       l->name);
		if (!l->is_controller)
			c->advertised[kept++] = *l;
	}
	c->advertised_count = kept;
	if (config_is_broker(c) && kept == 0)
		return err_set(err, E_INVALID, "a broker needs a listener that is no controller "
			       "listener: see listeners and controller.listener.names");
	return 0;
}

static int inter_broker_derive(struct config *c, struct err *err)
{
	const char *name = config_str(c, CONFIG_INTER_BROKER_LISTENER_NAME);
	enum security_protocol wanted;

	if (!config_is_broker(c)) {
		if (name && is_controller_name(c, name))
			return err_set(err, E_INVALID, "controller.listener.names must not contain "
				       "an explicitly set inter.broker.listener.name configuration "
				       "value when process.roles=controller");
		return 0;
	}
	if (name && config_source_of(c, CONFIG_SECURITY_INTER_BROKER_PROTOCOL) !=
			    CONFIG_SOURCE_DEFAULT)
		return err_set(err, E_INVALID, "Only one of inter.broker.listener.name and "
			       "security.inter.broker.protocol should be set.");
	if (!name)
		name = config_str(c, CONFIG_SECURITY_INTER_BROKER_PROTOCOL);
	c->inter_broker_listener = upper(&c->arena, name, strlen(name));
	if (!config_listener_protocol(c, c->inter_broker_listener, &wanted))
		return err_set(err, E_INVALID, "Listener with name %s defined in "
			       "inter.broker.listener.name not found in "
			       "listener.security.protocol.map.", c->inter_broker_listener);
	if (!listeners_find(c->advertised, c->advertised_count, c->inter_broker_listener))
		return err_set(err, E_INVALID,
			       "inter.broker.listener.name must be a listener name "
			       "defined in advertised.listeners, %s is not",
			       c->inter_broker_listener);
	return 0;
}

static int controller_listeners_check(const struct config *c, struct err *err)
{
	size_t count;
	const char *const *names = config_list(c, CONFIG_CONTROLLER_LISTENER_NAMES, &count);

	if (count == 0)
		return err_set(err, E_INVALID,
			       "controller.listener.names must contain at least one "
			       "value when running KRaft");
	for (size_t i = 0; i < count; i++) {
		bool listens = listeners_find(c->listeners, c->listener_count, names[i]) != NULL;
		enum security_protocol protocol;

		if (!config_listener_protocol(c, names[i], &protocol))
			return err_set(err, E_INVALID, "Controller listener with name %s defined "
				       "in controller.listener.names not found in "
				       "listener.security.protocol.map", names[i]);

		if (config_is_controller(c) && !listens)
			return err_set(err, E_INVALID,
				       "controller.listener.names must only contain "
				       "names of listeners when running the controller role, %s is "
				       "not among them",
				       names[i]);
		if (!config_is_controller(c) && listens)
			return err_set(
				err, E_INVALID,
				"controller.listener.names must not contain a "
				"name of a listener when running only the broker role, %s is "
				"one",
				names[i]);
	}
	if (config_is_broker(c))
		return 0;
	for (size_t i = 0; i < c->listener_count; i++)
		if (!c->listeners[i].is_controller)
			return err_set(
				err, E_INVALID,
				"listeners must only contain controller "
				"listeners when running only the controller role, %s is none",
				c->listeners[i].name);
	return 0;
}

/* ---- Quorum ---- */

/* "id@host:port", or "host:port" (id -1). */
static int voter_parse(struct config *c, const char *text, bool with_id, struct quorum_voter *out,
		       struct err *err)
{
	char *end;

	out->id = -1;
	if (with_id) {
		long id = strtol(text, &end, 10);

		if (end == text || *end != '@' || id < 0 || id > INT32_MAX)
			return err_set(err, E_INVALID, "'%s' is not id@host:port", text);
		out->id = (int32_t)id;
		text = end + 1;
	}
	return host_port_parse(&c->arena, text, &out->host, &out->port, err);
}

static int quorum_derive(struct config *c, struct err *err)
{
	size_t count;
	const char *const *items = config_list(c, CONFIG_CONTROLLER_QUORUM_VOTERS, &count);
	bool with_ids = count > 0, is_voter = false;

	if (!with_ids)
		items = config_list(c, CONFIG_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS, &count);
	if (count == 0)
		return err_set(err, E_INVALID, "Either controller.quorum.voters "
			       "(id@host:port,...) or controller.quorum.bootstrap.servers "
			       "(host:port,...) must be set");
	c->voters = arena_array(&c->arena, count, sizeof(*c->voters));
	c->voter_count = count;
	for (size_t i = 0; i < count; i++) {
		int rc = voter_parse(c, items[i], with_ids, &c->voters[i], err);

		if (rc < 0)
			return err_add(err, rc, "controller.quorum.%s",
				       with_ids ? "voters" : "bootstrap.servers");
		is_voter = is_voter || c->voters[i].id == config_node_id(c);
		for (size_t j = 0; j < i; j++)
			if (with_ids && c->voters[j].id == c->voters[i].id)
				return err_set(err, E_INVALID, "controller.quorum.voters: node %d "
					       "is there twice", c->voters[i].id);
	}
	if (with_ids && config_is_controller(c) && !is_voter)
		return err_set(err, E_INVALID,
			       "If process.roles contains the 'controller' role, the "
			       "node id %d must be included in the set of voters "
			       "controller.quorum.voters",
			       config_node_id(c));
	if (with_ids && !config_is_controller(c) && is_voter)
		return err_set(err, E_INVALID,
			       "If process.roles contains just the 'broker' role, the "
			       "node id %d must not be included in the set of voters "
			       "controller.quorum.voters",
			       config_node_id(c));
	if (config_bool(c, CONFIG_CONTROLLER_QUORUM_AUTO_JOIN_ENABLE) && !config_is_controller(c))
		return err_set(err, E_INVALID,
			       "controller.quorum.auto.join.enable is only supported "
			       "for the controller role");
	return 0;
}

int config_derive_listeners(struct config *c, struct err *err)
{
	int rc;

	if (!config_is_broker(c) && !config_is_controller(c))
		return err_set(err, E_INVALID,
			       "process.roles must contain broker, controller or both");
	rc = listeners_parse(c, CONFIG_LISTENERS, &c->listeners, &c->listener_count, err);
	if (rc == 0 && c->listener_count == 0)
		rc = err_set(err, E_INVALID, "listeners must not be empty");
	if (rc == 0)
		rc = controller_listeners_check(c, err);
	if (rc == 0)
		rc = advertised_derive(c, err);
	if (rc == 0)
		rc = inter_broker_derive(c, err);
	if (rc == 0)
		rc = quorum_derive(c, err);
	return rc;
}

/* ---- Reading ---- */

int32_t config_node_id(const struct config *c)
{
	return config_i32(c, CONFIG_NODE_ID);
}

bool config_is_broker(const struct config *c)
{
	return config_list_has(c, CONFIG_PROCESS_ROLES, "broker");
}

bool config_is_controller(const struct config *c)
{
	return config_list_has(c, CONFIG_PROCESS_ROLES, "controller");
}

bool config_has_file(const struct config *c)
{
	return c->has_file;
}

const struct listener *config_listeners(const struct config *c, size_t *count)
{
	*count = c->listener_count;
	return c->listeners;
}

const struct listener *config_listener(const struct config *c, const char *name)
{
	return listeners_find(c->listeners, c->listener_count, name);
}

const struct listener *config_advertised(const struct config *c, size_t *count)
{
	*count = c->advertised_count;
	return c->advertised;
}

const struct listener *config_advertised_controller(const struct config *c, const char *name)
{
	const struct listener *l = listeners_find(c->advertised_controllers,
						  c->advertised_controller_count, name);

	return l ? l : config_listener(c, name);
}

const char *config_inter_broker_listener(const struct config *c)
{
	return c->inter_broker_listener;
}

const struct quorum_voter *config_quorum(const struct config *c, size_t *count)
{
	*count = c->voter_count;
	return c->voters;
}

const char *config_metadata_log_dir(const struct config *c)
{
	const char *dir = config_str(c, CONFIG_METADATA_LOG_DIR);
	size_t count;
	const char *const *dirs = config_list(c, CONFIG_LOG_DIRS, &count);

	return dir ? dir : dirs[0];
}
