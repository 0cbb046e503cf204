/* From a properties file and overrides to the first snapshot. */
#include "config_int.h"

#include "base/mem.h"
#include "base/near.h"
#include "base/props.h"
#include "base/say.h"

#include <stdio.h>
#include <strings.h>

#define SAY_PLACE "broker/config"

/* What stands in for a file: one node for this machine. */
static const char *const no_file_defaults[][2] = {
	{"node.id", "1"},
	{"process.roles", "broker,controller"},
	{"listeners", "PLAINTEXT://localhost:9092"},
	{"controller.listener.names", "CONTROLLER"},
	{"group.initial.rebalance.delay.ms", "0"},
	{"offsets.topic.replication.factor", "1"},
	{"share.coordinator.state.topic.min.isr", "1"},
	{"share.coordinator.state.topic.replication.factor", "1"},
	{"transaction.state.log.min.isr", "1"},
	{"transaction.state.log.replication.factor", "1"},
};
#define NO_FILE_CONTROLLER "CONTROLLER://localhost:9093"

/* Names that no row knows but that Kafka's own parts and plugins read: no warning. */
static const char *const known_prefixes[] = {
	"allow.everyone.if.no.acl.found", "config.providers.", "early.start.", "kafka.metrics.",
	"listener.name.", "rlmm.config.", "rsm.config.", "super.users",
};

struct config_loader {
	const struct config_load_options *options;
	struct config *config;
	struct props file, overrides;
	struct out inert;	/* names of configs without effect */
};

static void config_warn(struct config_loader *l, const char *text)
{
	if (l->options->warn)
		l->options->warn(l->options->ctx, text);
	else
		say_warn("%s", text);
}

static void config_warn_unknown(struct config_loader *l, const char *place, const char *name)
{
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);
	struct near near;
	char *text;

	for (size_t i = 0; i < ARRAY_LEN(known_prefixes); i++)
		if (strncmp(name, known_prefixes[i], strlen(known_prefixes[i])) == 0)
			return;
	near_init(&near, name);
	for (size_t i = 0; i < count; i++)
		near_offer(&near, defs[i].name);
	text = near.best ? xasprintf("%s: unknown config '%s' (did you mean '%s'?)", place, name,
				     near.best)
			 : xasprintf("%s: unknown config '%s'", place, name);
	config_warn(l, text);
	free(text);
}

/* One property: checked, noted, and put into the static layer. */
static int config_load_prop(struct config_loader *l, const char *file, const struct prop *prop,
			    struct err *err)
{
	const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, str_of(prop->key));
	char *place = file ? xasprintf("%s:%u", file, prop->line) : xstrdup("--override");
	struct arena arena;
	int rc = 0;

	arena_init(&arena);
	if (!def || (def->flags & CONFIG_DYNAMIC_ONLY)) {
		config_warn_unknown(l, place, prop->key);
	} else {
		const char *valid = config_valid_text(def, &arena);

		rc = config_check(CONFIG_RESOURCE_BROKER, str_of(prop->key), str_of(prop->value),
				  err);
		if (rc < 0 && *valid && err) {
			char *text = xstrdup(err->text);

			rc = err_set(err, rc, "%s (valid: %s)", text, valid);
			free(text);
		}
		if (rc < 0)
			rc = err_add(err, rc, "%s", place);
		if (def->flags & CONFIG_INERT)
			out_printf(&l->inert, "%s%s", l->inert.len ? ", " : "", prop->key);
	}
	if (rc == 0)
		config_layer_set(l->config, CONFIG_LAYER_STATIC, str_of(prop->key),
				 str_of(prop->value));
	arena_fini(&arena);
	free(place);
	return rc;
}

static int config_load_props(struct config_loader *l, const char *file, const struct props *props,
			     struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < props->count && rc == 0; i++)
		rc = config_load_prop(l, file, &props->items[i], err);
	return rc;
}

/* Where a broker without a file keeps its data. */
static const char *config_no_file_dir(struct arena *arena)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (data && data[0] == '/')
		return arena_printf(arena, "%s/kavka/data", data);
	if (home && home[0] == '/')
		return arena_printf(arena, "%s/.local/share/kavka/data", home);
	return "./kavka-data";
}

/* Does `listeners` name the controller listener, or does this node not need one? */
static bool config_no_file_complete(const struct config_layer *l)
{
	const char *roles = l->texts[CONFIG_PROCESS_ROLES];
	const char *name = l->texts[CONFIG_CONTROLLER_LISTENER_NAMES];
	char *prefix = xasprintf("%s://", name);
	bool found = strcasestr(l->texts[CONFIG_LISTENERS], prefix) != NULL;

	free(prefix);
	return found || strcmp(name, "CONTROLLER") != 0 || !strstr(roles, "controller");
}

/* Fills what the overrides left open. */
/* This node's own controller listener is the quorum. */
static const char *config_no_file_quorum(struct arena *arena, const struct config_layer *l)
{
	char *prefix = xasprintf("%s://", l->texts[CONFIG_CONTROLLER_LISTENER_NAMES]);
	const char *at = strcasestr(l->texts[CONFIG_LISTENERS], prefix);

	at = at ? at + strlen(prefix) : "localhost:9093";
	free(prefix);
	return arena_printf(arena, "%s%.*s", *at == ':' ? "localhost" : "", (int)strcspn(at, ", "),
			    at);
}

static void config_no_file(struct config *c)
{
	struct config_layer *l = &c->layers[CONFIG_LAYER_STATIC];
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);

	for (size_t i = 0; i < ARRAY_LEN(no_file_defaults); i++) {
		struct str name = str_of(no_file_defaults[i][0]);
		const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, name);

		assert(def);
		if (def - defs == CONFIG_NODE_ID && l->texts[CONFIG_BROKER_ID])
			continue;
		if (!l->texts[def - defs])
			config_layer_set(c, CONFIG_LAYER_STATIC, name,
					 str_of(no_file_defaults[i][1]));
	}
	if (!config_no_file_complete(l))
		l->texts[CONFIG_LISTENERS] = arena_printf(&c->arena, "%s,%s",
							  l->texts[CONFIG_LISTENERS],
							  NO_FILE_CONTROLLER);
	if (!l->texts[CONFIG_LOG_DIRS] && !l->texts[CONFIG_LOG_DIR])
		l->texts[CONFIG_LOG_DIRS] = config_no_file_dir(&c->arena);
	if (!l->texts[CONFIG_CONTROLLER_QUORUM_VOTERS] &&
	    !l->texts[CONFIG_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS])
		l->texts[CONFIG_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS] =
			config_no_file_quorum(&c->arena, l);
}

/* node.id and broker.id stand for each other; required configs must be there. */
static int config_check_required(struct config *c, struct err *err)
{
	struct config_layer *l = &c->layers[CONFIG_LAYER_STATIC];
	const char *node = l->texts[CONFIG_NODE_ID], *old = l->texts[CONFIG_BROKER_ID];
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);

	if (node && old && strtoll(node, NULL, 10) != strtoll(old, NULL, 10))
		return err_set(err, E_INVALID,
			       "You must set `node.id` to the same value as `broker.id`");
	if (!node && old) {
		int rc = config_check(CONFIG_RESOURCE_BROKER, STR_LIT("node.id"), str_of(old), err);

		if (rc < 0)
			return rc;
		l->texts[CONFIG_NODE_ID] = old;
	}
	if (!old && node)
		l->texts[CONFIG_BROKER_ID] = node;
	for (size_t key = 0; key < count; key++)
		if ((defs[key].flags & CONFIG_REQUIRED) && !l->texts[key])
			return err_set(err, E_INVALID,
				       "Missing required configuration \"%s\" which has no default "
				       "value.", defs[key].name);
	return 0;
}

static int config_load_all(struct config_loader *l, struct err *err)
{
	const struct config_load_options *options = l->options;
	struct config *c = l->config;
	int rc = 0;

	if (options->path)
		rc = props_read(&l->file, options->path, err);
	for (size_t i = 0; i < options->override_count && rc == 0; i++) {
		/* Kafka takes a missing value for an empty one. */
		if (!strchr(options->overrides[i], '=')) {
			props_set(&l->overrides, options->overrides[i], "");
			continue;
		}
		rc = props_set_pair(&l->overrides, options->overrides[i], err);
		if (rc < 0)
			rc = err_add(err, rc, "--override");
	}
	if (rc == 0)
		rc = config_load_props(l, options->path, &l->file, err);
	if (rc == 0)
		rc = config_load_props(l, NULL, &l->overrides, err);
	if (rc < 0)
		return rc;
	c->has_file = options->path != NULL;
	if (!c->has_file)
		config_no_file(c);
	rc = config_check_required(c, err);
	if (rc == 0) {
		config_resolve(c);
		rc = config_derive_listeners(c, err);
	}
	if (rc == 0)
		rc = config_check_rules(c, err);
	if (rc < 0 && options->path)
		rc = err_add(err, rc, "%s", options->path);
	return rc;
}

int config_load(struct config **out, const struct config_load_options *options, struct err *err)
{
	struct config_loader l = {.options = options, .config = config_new_copy(NULL)};
	int rc;

	props_init(&l.file);
	props_init(&l.overrides);
	out_init(&l.inert, 64 * 1024);
	rc = config_load_all(&l, err);
	if (rc == 0 && l.inert.len) {
		char *text = xasprintf("accepted, but without effect in kavka: %.*s",
				       (int)l.inert.len, (const char *)l.inert.data);

		config_warn(&l, text);
		free(text);
	}
	if (rc == 0)
		*out = l.config;
	else
		config_unref(l.config);
	props_fini(&l.file);
	props_fini(&l.overrides);
	out_fini(&l.inert);
	return rc;
}
