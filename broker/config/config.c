/* Snapshots: layers of texts, the values that result, and how the outside reads them. */
#include "config_int.h"

#include "base/mem.h"
#include "base/say.h"

#define SAY_PLACE "broker/config"

static struct config *config_new(void)
{
	struct config *c = xcalloc(1, sizeof(*c));

	atomic_init(&c->ref_count, 1);
	arena_init(&c->arena);
	return c;
}

struct config *config_ref(const struct config *c)
{
	struct config *shared = (struct config *)(uintptr_t)c;

	atomic_fetch_add_explicit(&shared->ref_count, 1, memory_order_relaxed);
	return shared;
}

void config_unref(const struct config *c)
{
	struct config *shared = (struct config *)(uintptr_t)c;

	if (!shared ||
	    atomic_fetch_sub_explicit(&shared->ref_count, 1, memory_order_acq_rel) != 1)
		return;
	arena_fini(&shared->arena);
	free(shared);
}

struct config *config_new_copy(const struct config *from)
{
	struct config *c = config_new();

	if (!from)
		return c;
	c->has_file = from->has_file;
	for (int layer = 0; layer < CONFIG_LAYERS; layer++)
		config_layer_copy(c, layer, &from->layers[layer]);
	return c;
}

/* ---- Layers ---- */

enum config_source config_layer_source(int layer)
{
	switch (layer) {
	case CONFIG_LAYER_BROKER: return CONFIG_SOURCE_DYNAMIC_BROKER;
	case CONFIG_LAYER_CLUSTER: return CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER;
	default: return CONFIG_SOURCE_STATIC_BROKER;
	}
}

void config_layer_set(struct config *c, int layer, struct str name, struct str text)
{
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);
	const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, name);
	struct config_layer *l = &c->layers[layer];
	const char *copy = arena_strndup(&c->arena, text.data ? text.data : "", text.len);
	struct config_extra *extras;

	if (def && str_is(name, def->name)) {
		l->texts[def - defs] = copy;
		return;
	}
	for (size_t i = 0; i < l->extra_count; i++)
		if (str_is(name, l->extras[i].name)) {
			l->extras[i].text = copy;
			return;
		}
	extras = arena_array(&c->arena, l->extra_count + 1, sizeof(*extras));
	if (l->extra_count)
		memcpy(extras, l->extras, l->extra_count * sizeof(*extras));
	extras[l->extra_count].name = arena_strndup(&c->arena, name.data, name.len);
	extras[l->extra_count++].text = copy;
	l->extras = extras;
}

void config_layer_copy(struct config *c, int layer, const struct config_layer *from)
{
	struct config_layer *l = &c->layers[layer];

	for (int key = 0; key < CONFIG_COUNT; key++)
		if (from->texts[key])
			l->texts[key] = arena_strdup(&c->arena, from->texts[key]);
	for (size_t i = 0; i < from->extra_count; i++)
		config_layer_set(c, layer, str_of(from->extras[i].name),
				 str_of(from->extras[i].text));
}

/* ---- Values ---- */

/* Parses what was checked when it came into its layer, or is the table's. */
static void config_value_of(struct config *c, int key, const char *text, enum config_source source)
{
	size_t count;
	const struct config_def *def = &config_defs(CONFIG_RESOURCE_BROKER, &count)[key];
	struct config_def loose = *def;
	struct err err;

	if (text) {
		/* Defaults need not be valid ("controller.quorum.voters" may not be empty if set).
		 */
		if (source == CONFIG_SOURCE_DEFAULT)
			loose.valid = (struct config_valid){.kind = CONFIG_VALID_ANY};
		if (config_value_parse(&c->values[key], &loose, str_of(text), &c->arena, &err) < 0)
			check_failed(err.text, __FILE__, __LINE__, def->name);
	} else {
		c->values[key] = (struct config_value){0};
	}
	c->values[key].source = source;
}

/* The text of the first member of a family that is set in `texts`, in the head's unit. */
static const char *config_family_text(struct config *c, const int *family, const char *const *texts)
{
	for (const int *member = family; *member >= 0; member++) {
		const char *text = texts[*member];
		int64_t factor = 1, number;

		if (!text)
			continue;
		if (*member == CONFIG_LOG_RETENTION_MINUTES)
			factor = 60 * 1000;
		if (*member == CONFIG_LOG_RETENTION_HOURS || *member == CONFIG_LOG_ROLL_HOURS ||
		    *member == CONFIG_LOG_ROLL_JITTER_HOURS)
			factor = 60 * 60 * 1000;
		if (family[0] != CONFIG_LOG_RETENTION_MS && factor == 1)
			return text;
		number = strtoll(text, NULL, 10);
		if (family[0] == CONFIG_LOG_RETENTION_MS && number < 0)
			return "-1";
		return arena_printf(&c->arena, "%lld", (long long)(number * factor));
	}
	return NULL;
}

static void config_resolve_family(struct config *c, const int *family)
{
	const char *defaults[CONFIG_COUNT];
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);
	const char *text;

	for (int layer = 0; layer < CONFIG_LAYERS; layer++) {
		text = config_family_text(c, family, c->layers[layer].texts);
		if (text) {
			config_value_of(c, family[0], text, config_layer_source(layer));
			return;
		}
	}
	for (size_t key = 0; key < count; key++)
		defaults[key] = defs[key].default_text;
	text = config_family_text(c, family, defaults);
	config_value_of(c, family[0], text, CONFIG_SOURCE_DEFAULT);
}

void config_resolve(struct config *c)
{
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);

	for (int key = 0; key < CONFIG_COUNT; key++) {
		const int *family = config_family(key);
		const char *text = NULL;
		int layer;

		if (family && family[0] == key) {
			config_resolve_family(c, family);
			continue;
		}
		for (layer = 0; layer < CONFIG_LAYERS && !text; layer++)
			text = c->layers[layer].texts[key];
		if (text)
			config_value_of(c, key, text, config_layer_source(layer - 1));
		else
			config_value_of(c, key, defs[key].default_text, CONFIG_SOURCE_DEFAULT);
	}
}

static void config_set_dynamic(struct config *c, int layer, const struct config_entry *entries,
			       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct str name = entries[i].name;
		const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, name);
		struct err err;

		if (def && def->scope == CONFIG_READ_ONLY && str_is(name, def->name)) {
			say_error("dynamic config ignored: %s changes at a start only", def->name);
			continue;
		}
		if (def && config_check(CONFIG_RESOURCE_BROKER, name, entries[i].value, &err) < 0) {
			say_error("dynamic config ignored: %s", err.text);
			continue;
		}
		config_layer_set(c, layer, name, entries[i].value);
	}
}

struct config *config_with_dynamic(const struct config *c, const struct config_entry *broker,
				   size_t broker_count, const struct config_entry *cluster,
				   size_t cluster_count)
{
	struct config *next = config_new_copy(NULL);
	struct err err;

	next->has_file = c->has_file;
	config_layer_copy(next, CONFIG_LAYER_STATIC, &c->layers[CONFIG_LAYER_STATIC]);
	config_set_dynamic(next, CONFIG_LAYER_BROKER, broker, broker_count);
	config_set_dynamic(next, CONFIG_LAYER_CLUSTER, cluster, cluster_count);
	config_resolve(next);
	if (config_derive_listeners(next, &err) == 0)
		return next;
	/* Listeners that do not fit together: the rest applies. */
	say_error("dynamic listeners ignored: %s", err.text);
	for (int layer = CONFIG_LAYER_BROKER; layer <= CONFIG_LAYER_CLUSTER; layer++) {
		next->layers[layer].texts[CONFIG_LISTENERS] = NULL;
		next->layers[layer].texts[CONFIG_LISTENER_SECURITY_PROTOCOL_MAP] = NULL;
	}
	config_resolve(next);
	if (config_derive_listeners(next, &err) < 0)
		check_failed(err.text, __FILE__, __LINE__, __func__);
	return next;
}

/* ---- Reading ---- */

static enum config_type config_type_of(enum config_key key)
{
	size_t count;

	assert(key < CONFIG_COUNT);
	return config_defs(CONFIG_RESOURCE_BROKER, &count)[key].type;
}

int64_t config_i64(const struct config *c, enum config_key key)
{
	enum config_type type = config_type_of(key);

	assert(type == CONFIG_TYPE_INT || type == CONFIG_TYPE_LONG || type == CONFIG_TYPE_SHORT);
	return c->values[key].i64;
}

bool config_bool(const struct config *c, enum config_key key)
{
	assert(config_type_of(key) == CONFIG_TYPE_BOOLEAN);
	return c->values[key].boolean;
}

double config_double(const struct config *c, enum config_key key)
{
	assert(config_type_of(key) == CONFIG_TYPE_DOUBLE);
	return c->values[key].number;
}

const char *config_str(const struct config *c, enum config_key key)
{
	assert(key < CONFIG_COUNT);
	return c->values[key].text;
}

const char *const *config_list(const struct config *c, enum config_key key, size_t *count)
{
	assert(config_type_of(key) == CONFIG_TYPE_LIST);
	*count = c->values[key].list.count;
	return c->values[key].list.items;
}

bool config_list_has(const struct config *c, enum config_key key, const char *element)
{
	size_t count;
	const char *const *items = config_list(c, key, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(items[i], element) == 0)
			return true;
	return false;
}

bool config_is_null(const struct config *c, enum config_key key)
{
	assert(key < CONFIG_COUNT);
	return !c->values[key].text;
}

enum config_source config_source_of(const struct config *c, enum config_key key)
{
	assert(key < CONFIG_COUNT);
	return c->values[key].source;
}

const char *config_text(const struct config *c, const char *name)
{
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);
	const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, str_of(name));
	bool has_row = def && strcmp(def->name, name) == 0;

	for (int layer = 0; layer < CONFIG_LAYERS; layer++) {
		const struct config_layer *l = &c->layers[layer];

		if (has_row && l->texts[def - defs])
			return l->texts[def - defs];
		for (size_t i = 0; i < l->extra_count; i++)
			if (strcmp(l->extras[i].name, name) == 0)
				return l->extras[i].text;
	}
	return NULL;
}

const char *config_listener_text(const struct config *c, const char *listener, const char *name)
{
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);
	const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, str_of(name));
	char *prefixed = xasprintf("listener.name.%s.%s", listener, name);
	const char *text;

	for (char *p = prefixed + strlen("listener.name."); *p && *p != '.'; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
	text = config_text(c, prefixed);
	free(prefixed);
	if (text)
		return text;
	return def && strcmp(def->name, name) == 0 ? c->values[def - defs].text
						   : config_text(c, name);
}
