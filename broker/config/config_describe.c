/* What DescribeConfigs answers (ConfigHelper.scala, KafkaConfig's synonyms). */
#include "config_int.h"

#include <stdlib.h>

static struct config_synonym *synonym_add(struct config_description *d, const char *name,
					  const char *text, enum config_source source)
{
	struct config_synonym *s = &d->synonyms[d->synonym_count++];

	*s = (struct config_synonym){
		.name = str_of(name),
		.value = d->is_sensitive ? STR_NULL : str_of(text),
		.source = source,
	};
	return s;
}

/* The chain of a broker config or of its family: each layer in order, in it the members in order,
 * at last the compiled defaults. What comes before the first that is called `named` does not say
 * where its value is from, and is left out. */
static void synonyms_of_broker(const struct config *c, struct config_description *d,
			       const int *keys, int named)
{
	size_t count, first = d->synonym_count, skip = first;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);

	for (int layer = 0; layer < CONFIG_LAYERS; layer++)
		for (const int *key = keys; *key >= 0; key++)
			if (c->layers[layer].texts[*key])
				synonym_add(d, defs[*key].name, c->layers[layer].texts[*key],
					    config_layer_source(layer));
	for (const int *key = keys; *key >= 0; key++)
		if (defs[*key].default_text)
			synonym_add(d, defs[*key].name, defs[*key].default_text,
				    CONFIG_SOURCE_DEFAULT);
	while (skip < d->synonym_count && !str_is(d->synonyms[skip].name, defs[named].name))
		skip++;
	memmove(d->synonyms + first, d->synonyms + skip,
		(d->synonym_count - skip) * sizeof(*d->synonyms));
	d->synonym_count -= skip - first;
}

static size_t keys_count(const int *keys)
{
	size_t count = 0;

	while (keys && keys[count] >= 0)
		count++;
	return count;
}

static void synonyms_alloc(struct config_description *d, struct arena *arena, size_t keys)
{
	d->synonyms = arena_array(arena, keys * (CONFIG_LAYERS + 1) + 2, sizeof(*d->synonyms));
}

/* ---- Topics, groups, client metrics ---- */

static enum config_source override_source(enum config_resource resource)
{
	switch (resource) {
	case CONFIG_RESOURCE_TOPIC: return CONFIG_SOURCE_TOPIC;
	case CONFIG_RESOURCE_GROUP: return CONFIG_SOURCE_GROUP;
	case CONFIG_RESOURCE_CLIENT_METRICS: return CONFIG_SOURCE_CLIENT_METRICS;
	case CONFIG_RESOURCE_BROKER:
	case CONFIG_RESOURCE_BROKER_LOGGER: break;
	}
	return CONFIG_SOURCE_UNKNOWN;
}

static const struct config_entry *override_find(const struct config_entry *overrides, size_t count,
						const char *name)
{
	for (size_t i = count; i-- > 0;)
		if (str_is(overrides[i].name, name))
			return &overrides[i];
	return NULL;
}

static struct config_description describe_row(const struct config *c, struct arena *arena,
					      enum config_resource resource,
					      const struct config_def *def,
					      const struct config_entry *override)
{
	struct config_description d = {
		.name = str_of(def->name),
		.type = def->type,
		.is_sensitive = config_def_is_sensitive(def),
		.doc = def->doc,
		.source = CONFIG_SOURCE_DEFAULT,
	};
	struct str value = str_of(def->default_text);

	synonyms_alloc(&d, arena, keys_count(def->synonyms));
	if (def->synonyms && config_str(c, (enum config_key)def->synonyms[0]))
		value = str_of(config_str(c, (enum config_key)def->synonyms[0]));
	if (override) {
		value = override->value;
		synonym_add(&d, def->name, NULL, override_source(resource))->value =
			str_dup(arena, override->value);
	}
	if (def->synonyms)
		synonyms_of_broker(c, &d, def->synonyms, def->synonyms[0]);
	else if (resource == CONFIG_RESOURCE_GROUP && def->default_text)
		synonym_add(&d, def->name, def->default_text, CONFIG_SOURCE_DEFAULT);
	if (d.synonym_count)
		d.source = d.synonyms[0].source;
	d.value = d.is_sensitive ? STR_NULL : str_dup(arena, value);
	return d;
}

/* ---- Brokers ---- */

/* The text that DescribeConfigs shows: as set, not as derived from the family. */
static const char *raw_text(const struct config *c, int key)
{
	size_t count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);

	for (int layer = 0; layer < CONFIG_LAYERS; layer++)
		if (c->layers[layer].texts[key])
			return c->layers[layer].texts[key];
	return defs[key].default_text;
}

/* Names that replace each other without being shown as synonyms are no family here. */
static const int *describe_family(int key)
{
	if (key == CONFIG_NODE_ID || key == CONFIG_BROKER_ID || key == CONFIG_LOG_DIRS ||
	    key == CONFIG_LOG_DIR)
		return NULL;
	return config_family((enum config_key)key);
}

static struct config_description describe_broker_row(const struct config *c, struct arena *arena,
						     int key)
{
	size_t count;
	const struct config_def *def = &config_defs(CONFIG_RESOURCE_BROKER, &count)[key];
	const int alone[] = {key, -1}, *family = describe_family(key);
	const int *keys = family ? family : alone;
	const char *text = raw_text(c, key);
	struct config_description d = {
		.name = str_of(def->name),
		.type = def->type,
		.is_sensitive = config_def_is_sensitive(def),
		.read_only = def->scope == CONFIG_READ_ONLY,
		.doc = def->doc,
		.source = CONFIG_SOURCE_DEFAULT,
	};

	synonyms_alloc(&d, arena, keys_count(keys));
	synonyms_of_broker(c, &d, keys, key);
	if (d.synonym_count)
		d.source = d.synonyms[0].source;
	d.value = d.is_sensitive || !text ? STR_NULL : str_dup(arena, str_of(text));
	return d;
}

/* A name that is no row of its own: a listener's, a plugin's. */
static struct config_description describe_extra(struct arena *arena, const char *name,
						const char *text, enum config_source source)
{
	const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, str_of(name));
	struct config_description d = {
		.name = str_dup(arena, str_of(name)),
		.type = def ? def->type : CONFIG_TYPE_UNKNOWN,
		.is_sensitive = config_def_is_sensitive(def),
		.read_only = true,
		.doc = def ? def->doc : NULL,
		.source = source,
	};

	synonyms_alloc(&d, arena, 0);
	d.value = d.is_sensitive ? STR_NULL : str_dup(arena, str_of(text));
	synonym_add(&d, d.name.data, NULL, source)->value = d.value;
	return d;
}

static int description_order(const void *a, const void *b)
{
	return str_cmp(((const struct config_description *)a)->name,
		       ((const struct config_description *)b)->name);
}

static bool is_set(const struct config *c, int key)
{
	for (int layer = 0; layer < CONFIG_LAYERS; layer++)
		if (c->layers[layer].texts[key])
			return true;
	return false;
}

static size_t describe_broker(const struct config *c, struct arena *arena,
			      struct config_description **out)
{
	size_t count, extras = 0, n = 0;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &count);
	struct config_description *all;

	for (int layer = 0; layer < CONFIG_LAYERS; layer++)
		extras += c->layers[layer].extra_count;
	all = arena_array(arena, count + extras, sizeof(*all));
	for (size_t key = 0; key < count; key++)
		if (!(defs[key].flags & (CONFIG_INTERNAL | CONFIG_DYNAMIC_ONLY)) ||
		    is_set(c, (int)key))
			all[n++] = describe_broker_row(c, arena, (int)key);
	for (int layer = 0; layer < CONFIG_LAYERS; layer++)
		for (size_t i = 0; i < c->layers[layer].extra_count; i++) {
			const struct config_extra *extra = &c->layers[layer].extras[i];
			bool seen = false;

			for (size_t j = 0; j < n && !seen; j++)
				seen = str_is(all[j].name, extra->name);
			if (!seen)
				all[n++] = describe_extra(arena, extra->name, extra->text,
							  config_layer_source(layer));
		}
	*out = all;
	return n;
}

size_t config_describe(const struct config *c, struct arena *arena, enum config_resource resource,
		       const struct config_entry *overrides, size_t count,
		       struct config_description **out)
{
	size_t def_count, n = 0;
	const struct config_def *defs = config_defs(resource, &def_count);

	*out = NULL;
	if (resource == CONFIG_RESOURCE_BROKER) {
		n = describe_broker(c, arena, out);
	} else if (defs) {
		*out = arena_array(arena, def_count, sizeof(**out));
		for (size_t i = 0; i < def_count; i++) {
			const struct config_entry *override =
				override_find(overrides, count, defs[i].name);

			if (override || !(defs[i].flags & CONFIG_INTERNAL))
				(*out)[n++] = describe_row(c, arena, resource, &defs[i], override);
		}
	}
	if (n)
		qsort(*out, n, sizeof(**out), description_order);
	return n;
}

size_t config_describe_cluster(const struct config *c, struct arena *arena,
			       const struct config_entry *entries, size_t count,
			       struct config_description **out)
{
	struct config_description *all = arena_array(arena, count + 1, sizeof(*all));

	(void)c;
	for (size_t i = 0; i < count; i++) {
		const struct config_def *def =
			config_def_find(CONFIG_RESOURCE_BROKER, entries[i].name);
		struct str name = str_dup(arena, entries[i].name);

		all[i] = describe_extra(arena, name.data, entries[i].value.data ?
					str_dup(arena, entries[i].value).data : NULL,
					CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
		all[i].read_only = !def || def->scope == CONFIG_READ_ONLY;
	}
	if (count)
		qsort(all, count, sizeof(*all), description_order);
	*out = all;
	return count;
}
