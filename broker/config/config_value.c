/* One value: parsing by type, checks by row (ConfigDef.java), and edits of lists. */
#include "config_int.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Kafka's ConfigException: also what its clients print, so the text is theirs. */
static int config_refuse(const struct config_def *def, const char *text, struct err *err,
			 const char *reason)
{
	return err_set(err, E_INVALID, "Invalid value %s for configuration %s: %s",
		       config_def_is_sensitive(def) ? "[hidden]" : text, def->name, reason);
}

static int config_refusef(const struct config_def *def, const char *text, struct err *err,
			  const char *fmt, ...) PRINTF_LIKE(4, 5);
static int config_refusef(const struct config_def *def, const char *text, struct err *err,
			  const char *fmt, ...)
{
	char reason[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	return config_refuse(def, text, err, reason);
}

/* Is `word` one of "a|b|c"? */
static bool config_is_choice(const char *choices, const char *word, bool any_case)
{
	size_t len = strlen(word);

	for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
		size_t choice_len = strcspn(p, "|");

		if (choice_len == len &&
		    (any_case ? strncasecmp(p, word, len) : strncmp(p, word, len)) == 0)
			return true;
	}
	return false;
}

static int config_check_word(const struct config_def *def, const char *word, struct err *err)
{
	const struct config_valid *valid = &def->valid;
	bool any_case = valid->kind == CONFIG_VALID_ONE_OF_ANY_CASE;
	struct arena arena;
	const char *choices;
	int rc;

	if (valid->kind != CONFIG_VALID_ONE_OF && !any_case)
		return 0;
	if (config_is_choice(valid->choices, word, any_case))
		return 0;
	arena_init(&arena);
	choices = config_valid_text(def, &arena);
	choices += strcspn(choices, "[") + 1;
	rc = config_refusef(def, word, err, "String must be one of%s: %.*s",
			    any_case ? " (case insensitive)" : "", (int)strlen(choices) - 1,
			    choices);
	arena_fini(&arena);
	return rc;
}

static int config_check_range(const struct config_def *def, int64_t i64, const char *text,
			      struct err *err)
{
	const struct config_valid *valid = &def->valid;

	if (valid->kind == CONFIG_VALID_RANGE_OR && i64 == valid->other)
		return 0;
	if (valid->kind != CONFIG_VALID_RANGE && valid->kind != CONFIG_VALID_RANGE_OR)
		return 0;
	if (i64 < valid->min)
		return config_refusef(def, text, err, "Value must be at least %lld",
				      (long long)valid->min);
	if (i64 > valid->max)
		return config_refusef(def, text, err, "Value must be no more than %lld",
				      (long long)valid->max);
	return 0;
}

static int config_parse_integer(struct config_value *out, const struct config_def *def,
				const char *text, struct err *err)
{
	static const char *const names[] = {[CONFIG_TYPE_INT] = "INT",
					    [CONFIG_TYPE_SHORT] = "SHORT",
					    [CONFIG_TYPE_LONG] = "LONG"};
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	errno = 0;
	out->i64 = strtoll(text, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || errno ||
	    (def->type == CONFIG_TYPE_INT && (out->i64 < INT32_MIN || out->i64 > INT32_MAX)) ||
	    (def->type == CONFIG_TYPE_SHORT && (out->i64 < INT16_MIN || out->i64 > INT16_MAX)))
		return config_refusef(def, text, err, "Not a number of type %s", names[def->type]);
	return config_check_range(def, out->i64, text, err);
}

static int config_parse_double(struct config_value *out, const struct config_def *def,
			       const char *text, struct err *err)
{
	const struct config_valid *valid = &def->valid;
	char *end;

	out->number = strtod(text, &end);
	if (end == text || *end || isnan(out->number))
		return config_refuse(def, text, err, "Not a number of type DOUBLE");
	if (valid->kind != CONFIG_VALID_DOUBLE)
		return 0;
	if (out->number < valid->min_double)
		return config_refusef(def, text, err, "Value must be at least %g",
				      valid->min_double);
	if (out->number > valid->max_double)
		return config_refusef(def, text, err, "Value must be no more than %g",
				      valid->max_double);
	return 0;
}

/* Splits at commas; each element trimmed. Repeated elements are dropped where the row has words to
 * choose from, as Kafka does. */
static int config_parse_list(struct config_value *out, const struct config_def *def,
			     const char *text, struct arena *arena, struct err *err)
{
	bool has_words = def->valid.kind == CONFIG_VALID_ONE_OF;
	const char **items = NULL;
	size_t count = 0, cap = 0;
	int rc = 0;

	for (const char *p = text; *text && p && rc == 0;) {
		const char *comma = strchr(p, ',');
		struct str part = str_trim(
			(struct str){p, comma ? (size_t)(comma - p) : strlen(p)});
		const char *item = arena_strndup(arena, part.data, part.len);
		bool seen = false;

		p = comma ? comma + 1 : NULL;
		if (has_words && part.len == 0)
			rc = config_refuse(def, text, err, "values must not be empty");
		else
			rc = config_check_word(def, item, err);
		for (size_t i = 0; i < count; i++)
			seen = seen || strcmp(items[i], item) == 0;
		if (rc < 0 || (has_words && seen))
			continue;
		items = grow_array(items, count, &cap, sizeof(*items));
		items[count++] = item;
	}
	if (rc == 0 && count == 0 && def->valid.kind == CONFIG_VALID_NOT_EMPTY)
		rc = config_refuse(def, text, err, "must not be empty");
	out->list.items = count ? arena_memdup(arena, items, count * sizeof(*items)) : NULL;
	out->list.count = count;
	free(items);
	return rc;
}

/* A list as messages have it: "[a, b]". */
static const char *config_list_text(const struct config_value *value, struct arena *arena)
{
	size_t size = sizeof("[]"), pos = 1;
	char *text;

	for (size_t i = 0; i < value->list.count; i++)
		size += strlen(value->list.items[i]) + 2;
	text = arena_alloc(arena, size);
	text[0] = '[';
	for (size_t i = 0; i < value->list.count; i++)
		pos += (size_t)snprintf(text + pos, size - pos, "%s%s", i ? ", " : "",
					value->list.items[i]);
	snprintf(text + pos, size - pos, "]");
	return text;
}

/* "*", or elements of the form partition:broker. */
static int config_check_throttled(const struct config_value *value, const struct config_def *def,
				  struct arena *arena, struct err *err)
{
	if (value->list.count == 1 && strcmp(value->list.items[0], "*") == 0)
		return 0;
	for (size_t i = 0; i < value->list.count; i++) {
		const char *item = value->list.items[i];
		size_t partition = strspn(item, "0123456789"), broker = 0;

		if (item[partition] == ':')
			broker = strspn(item + partition + 1, "0123456789");
		if (partition == 0 || broker == 0 || item[partition + 1 + broker])
			return config_refusef(
				def, config_list_text(value, arena), err,
				"%s must be the literal '*' or a list of replicas in "
				"the following format: "
				"[partitionId]:[brokerId],[partitionId]:[brokerId],...",
				def->name);
	}
	return 0;
}

static int config_check_string(const struct config_def *def, const char *text, struct err *err)
{
	if (def->valid.kind == CONFIG_VALID_NOT_EMPTY && !*text)
		return config_refuse(def, text, err, "String must be non-empty");
	if (def->valid.kind == CONFIG_VALID_OFFSET_RESET && strcasecmp(text, "latest") != 0 &&
	    strcasecmp(text, "earliest") != 0 &&
	    (strncasecmp(text, "by_duration:P", 13) != 0 || !text[13]))
		return config_refuse(def, text, err,
				     "must be latest, earliest or by_duration:PnDTnHnMn.nS");
	return config_check_word(def, text, err);
}

int config_value_parse(struct config_value *out, const struct config_def *def, struct str text,
		       struct arena *arena, struct err *err)
{
	struct str trimmed = str_trim(text);
	char *copy = arena_strndup(arena, trimmed.data ? trimmed.data : "", trimmed.len);
	int rc;

	*out = (struct config_value){.text = copy};
	switch (def->type) {
	case CONFIG_TYPE_BOOLEAN:
		out->boolean = strcasecmp(copy, "true") == 0;
		if (!out->boolean && strcasecmp(copy, "false") != 0)
			return config_refuse(def, copy, err,
					     "Expected value to be either true or false");
		return 0;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_SHORT:
	case CONFIG_TYPE_LONG: return config_parse_integer(out, def, copy, err);
	case CONFIG_TYPE_DOUBLE: return config_parse_double(out, def, copy, err);
	case CONFIG_TYPE_LIST:
		rc = config_parse_list(out, def, copy, arena, err);
		if (rc == 0 && def->valid.kind == CONFIG_VALID_THROTTLED_REPLICAS)
			rc = config_check_throttled(out, def, arena, err);
		return rc;
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_CLASS:
	case CONFIG_TYPE_PASSWORD:
	case CONFIG_TYPE_UNKNOWN: break;
	}
	return config_check_string(def, copy, err);
}

static const char *config_resource_word(enum config_resource resource)
{
	switch (resource) {
	case CONFIG_RESOURCE_TOPIC: return "topic";
	case CONFIG_RESOURCE_GROUP: return "group";
	case CONFIG_RESOURCE_CLIENT_METRICS: return "client metrics";
	case CONFIG_RESOURCE_BROKER:
	case CONFIG_RESOURCE_BROKER_LOGGER: break;
	}
	return "broker";
}

static int config_unknown(enum config_resource resource, struct str name, struct err *err)
{
	if (resource == CONFIG_RESOURCE_CLIENT_METRICS)
		return err_set(err, E_NOT_FOUND, "Unknown client metrics configuration: %.*s",
			       STR(name));
	return err_set(err, E_NOT_FOUND, "Unknown %s config name: %.*s",
		       config_resource_word(resource), STR(name));
}

int config_check(enum config_resource resource, struct str name, struct str value, struct err *err)
{
	const struct config_def *def = config_def_find(resource, name);
	struct config_value parsed;
	struct arena arena;
	int rc;

	if (!def)
		return config_unknown(resource, name, err);
	if (str_is_null(value))
		return err_set(err, E_INVALID, "Null value not supported for %s configs: %.*s",
			       config_resource_word(resource), STR(name));
	arena_init(&arena);
	rc = config_value_parse(&parsed, def, value, &arena, err);
	arena_fini(&arena);
	return rc;
}

static int config_list_edit(struct arena *arena, enum config_resource resource, struct str name,
			    struct str current, struct str value, bool append, struct str *out,
			    struct err *err)
{
	const struct config_def *def = config_def_find(resource, name);
	struct config_def loose;
	struct config_value before, change;
	struct out o;
	int rc;

	if (!def)
		return config_unknown(resource, name, err);
	if (def->type != CONFIG_TYPE_LIST)
		return err_set(err, E_INVALID,
			       "Config value %s is not allowed for config key: %.*s",
			       append ? "append" : "subtract", STR(name));
	/* What is there, and what is taken away, need not be valid: the result is checked later. */
	loose = *def;
	loose.valid = (struct config_valid){.kind = CONFIG_VALID_ANY};
	if (str_is_null(current))
		current = str_of(def->default_text ? def->default_text : "");
	rc = config_value_parse(&before, &loose, current, arena, err);
	if (rc == 0)
		rc = config_value_parse(&change, &loose, value, arena, err);
	if (rc < 0)
		return rc;
	out_init(&o, before.list.count + change.list.count + current.len + value.len + 2);
	for (size_t i = 0; i < before.list.count + (append ? change.list.count : 0); i++) {
		bool is_old = i < before.list.count, skip = false;
		const char *item = is_old ? before.list.items[i]
					  : change.list.items[i - before.list.count];
		const struct config_value *other = append ? &before : &change;

		for (size_t j = 0; j < other->list.count && !(append && is_old); j++)
			skip = skip || strcmp(other->list.items[j], item) == 0;
		if (!skip)
			out_printf(&o, "%s%s", o.len ? "," : "", item);
	}
	*out = (struct str){arena_strndup(arena, o.data ? (char *)o.data : "", o.len), o.len};
	out_fini(&o);
	return 0;
}

int config_list_append(struct arena *arena, enum config_resource resource, struct str name,
		       struct str current, struct str value, struct str *out, struct err *err)
{
	return config_list_edit(arena, resource, name, current, value, true, out, err);
}

int config_list_subtract(struct arena *arena, enum config_resource resource, struct str name,
			 struct str current, struct str value, struct str *out, struct err *err)
{
	return config_list_edit(arena, resource, name, current, value, false, out, err);
}
