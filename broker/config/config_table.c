/* The table: every config of broker.def, topic.def, group.def and client_metrics.def as a row.
 *
 *	CONFIG(id, name, type, default, valid values, importance, scope, flags, doc, defaults from)
*/
#include "config_int.h"

#include <float.h>
#include <stdio.h>

#define ANY {.kind = CONFIG_VALID_ANY}
#define AT_LEAST(low) {.kind = CONFIG_VALID_RANGE, .min = (low), .max = INT64_MAX}
#define RANGE(low, high) {.kind = CONFIG_VALID_RANGE, .min = (low), .max = (high)}
#define RANGE_OR(low, high, also) \
	{.kind = CONFIG_VALID_RANGE_OR, .min = (low), .max = (high), .other = (also)}
#define DOUBLE_RANGE(low, high) \
	{.kind = CONFIG_VALID_DOUBLE, .min_double = (low), .max_double = (high)}
#define ONE_OF(words) {.kind = CONFIG_VALID_ONE_OF, .choices = (words)}
#define ONE_OF_ANY_CASE(words) {.kind = CONFIG_VALID_ONE_OF_ANY_CASE, .choices = (words)}
#define NOT_EMPTY {.kind = CONFIG_VALID_NOT_EMPTY}
#define THROTTLED_REPLICAS {.kind = CONFIG_VALID_THROTTLED_REPLICAS}
#define OFFSET_RESET {.kind = CONFIG_VALID_OFFSET_RESET}
#define NONE NULL
#define BY(...) ((const int[]){__VA_ARGS__, -1})

/* Words of the flags column. */
#define INTERNAL CONFIG_INTERNAL
#define INERT CONFIG_INERT
#define REQUIRED CONFIG_REQUIRED
#define DYNAMIC_ONLY CONFIG_DYNAMIC_ONLY

#define CONFIG(id, name_, type_, default_, valid_, importance_, scope_, flags_, doc_, synonyms_) \
	{.name = name_, .type = CONFIG_TYPE_##type_, .default_text = default_, .valid = valid_,  \
	 .importance = CONFIG_##importance_, .scope = CONFIG_##scope_, .flags = flags_,          \
	 .doc = doc_, .synonyms = synonyms_},

static const struct config_def broker_defs[CONFIG_COUNT] = {
#include "config/broker.def"
};
static const struct config_def topic_defs[TOPIC_CONFIG_COUNT] = {
#include "config/topic.def"
};
static const struct config_def group_defs[GROUP_CONFIG_COUNT] = {
#include "config/group.def"
};
static const struct config_def client_metrics_defs[CLIENT_METRICS_CONFIG_COUNT] = {
#include "config/client_metrics.def"
};

static const int *const families[] = {
	BY(CONFIG_LOG_RETENTION_MS, CONFIG_LOG_RETENTION_MINUTES, CONFIG_LOG_RETENTION_HOURS),
	BY(CONFIG_LOG_ROLL_MS, CONFIG_LOG_ROLL_HOURS),
	BY(CONFIG_LOG_ROLL_JITTER_MS, CONFIG_LOG_ROLL_JITTER_HOURS),
	BY(CONFIG_LOG_FLUSH_INTERVAL_MS, CONFIG_LOG_FLUSH_SCHEDULER_INTERVAL_MS),
	BY(CONFIG_LOG_DIRS, CONFIG_LOG_DIR),
	BY(CONFIG_NODE_ID, CONFIG_BROKER_ID),
};

const int *config_family(enum config_key key)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		for (const int *member = families[i]; *member >= 0; member++)
			if (*member == (int)key)
				return families[i];
	return NULL;
}

const struct config_def *config_defs(enum config_resource resource, size_t *count)
{
	switch (resource) {
	case CONFIG_RESOURCE_BROKER: *count = CONFIG_COUNT; return broker_defs;
	case CONFIG_RESOURCE_TOPIC: *count = TOPIC_CONFIG_COUNT; return topic_defs;
	case CONFIG_RESOURCE_GROUP: *count = GROUP_CONFIG_COUNT; return group_defs;
	case CONFIG_RESOURCE_CLIENT_METRICS:
		*count = CLIENT_METRICS_CONFIG_COUNT;
		return client_metrics_defs;
	case CONFIG_RESOURCE_BROKER_LOGGER: break;
	}
	*count = 0;
	return NULL;
}

static const struct config_def *config_def_named(enum config_resource resource, struct str name)
{
	size_t count;
	const struct config_def *defs = config_defs(resource, &count);

	for (size_t i = 0; i < count; i++)
		if (str_is(name, defs[i].name))
			return &defs[i];
	return NULL;
}

const struct config_def *config_def_find(enum config_resource resource, struct str name)
{
	static const char prefix[] = "listener.name.";
	const struct config_def *def = config_def_named(resource, name);
	size_t pos = sizeof(prefix) - 1;

	if (def || resource != CONFIG_RESOURCE_BROKER || name.len <= pos ||
	    memcmp(name.data, prefix, pos) != 0)
		return def;
	/* After the listener's name may come a SASL mechanism's. */
	for (int part = 0; part < 2 && !def; part++) {
		const char *dot = memchr(name.data + pos, '.', name.len - pos);

		if (!dot)
			return NULL;
		pos = (size_t)(dot - name.data) + 1;
		def = config_def_named(resource, (struct str){name.data + pos, name.len - pos});
	}
	return def;
}

bool config_def_is_sensitive(const struct config_def *def)
{
	return !def || def->type == CONFIG_TYPE_PASSWORD || def->type == CONFIG_TYPE_UNKNOWN;
}

const char *config_type_name(enum config_type type)
{
	static const char *const names[] = {"unknown", "boolean", "string", "int",   "short",
					    "long",    "double",  "list",   "class", "password"};

	return (size_t)type < ARRAY_LEN(names) ? names[type] : names[0];
}

/* "a|b" as "[a, b]". */
static const char *config_choices_text(const char *choices, struct arena *arena)
{
	struct out o;
	const char *text;

	out_init(&o, 64 * 1024);
	out_byte(&o, '[');
	for (const char *p = choices; *p; p++) {
		if (*p == '|')
			out_text(&o, ", ");
		else
			out_byte(&o, (uint8_t)*p);
	}
	out_byte(&o, ']');
	text = arena_strndup(arena, (const char *)o.data, o.len);
	out_fini(&o);
	return text;
}

const char *config_valid_text(const struct config_def *def, struct arena *arena)
{
	const struct config_valid *valid = &def->valid;
	const char *text;

	switch (valid->kind) {
	case CONFIG_VALID_ANY: return "";
	case CONFIG_VALID_RANGE:
	case CONFIG_VALID_RANGE_OR:
		if (valid->max == INT64_MAX)
			text = arena_printf(arena, "[%lld,...]", (long long)valid->min);
		else
			text = arena_printf(arena, "[%lld,...,%lld]", (long long)valid->min,
					    (long long)valid->max);
		if (valid->kind == CONFIG_VALID_RANGE_OR)
			text = arena_printf(arena, "%s or %lld", text, (long long)valid->other);
		return text;
	case CONFIG_VALID_DOUBLE:
		if (valid->max_double == DBL_MAX)
			return arena_printf(arena, "[%g,...]", valid->min_double);
		return arena_printf(arena, "[%g,...,%g]", valid->min_double, valid->max_double);
	case CONFIG_VALID_ONE_OF: return config_choices_text(valid->choices, arena);
	case CONFIG_VALID_ONE_OF_ANY_CASE:
		return arena_printf(arena, "(case insensitive) %s",
				    config_choices_text(valid->choices, arena));
	case CONFIG_VALID_NOT_EMPTY:
		return def->type == CONFIG_TYPE_LIST ? "non-empty list" : "non-empty string";
	case CONFIG_VALID_THROTTLED_REPLICAS:
		return "[partitionId]:[brokerId],[partitionId]:[brokerId],...";
	case CONFIG_VALID_OFFSET_RESET:
		return "[latest, earliest, by_duration:PnDTnHnMn.nS]";
	}
	return "";
}
