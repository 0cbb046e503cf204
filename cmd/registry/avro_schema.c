/* Avro schemas: from their JSON into types that point at each other. */
#include "cmd/registry/avro.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

static const char *const kind_words[AVRO_KIND_COUNT] = {
	[AVRO_NULL] = "null",   [AVRO_BOOLEAN] = "boolean", [AVRO_INT] = "int",
	[AVRO_LONG] = "long",   [AVRO_FLOAT] = "float",     [AVRO_DOUBLE] = "double",
	[AVRO_BYTES] = "bytes", [AVRO_STRING] = "string",   [AVRO_RECORD] = "record",
	[AVRO_ENUM] = "enum",   [AVRO_FIXED] = "fixed",     [AVRO_ARRAY] = "array",
	[AVRO_MAP] = "map",     [AVRO_UNION] = "union",
};

/* Where in the text the parser is. */
struct place {
	struct avro_schema *schema;
	const char *space; /* the namespace that encloses it, "" for none */
	unsigned depth;
};

static int type_parse(struct place at, const json_t *json, struct avro_type **out, struct err *err);

struct avro_schema *avro_schema_new(void)
{
	struct avro_schema *s = xcalloc(1, sizeof(*s));

	arena_init(&s->arena);
	map_init(&s->names);
	s->texts = json_array();
	return s;
}

void avro_schema_free(struct avro_schema *s)
{
	if (!s)
		return;
	map_fini(&s->names);
	arena_fini(&s->arena);
	json_decref(s->texts);
	free(s);
}

const char *avro_schema_name(const struct avro_schema *s)
{
	if (!s->root)
		return NULL;
	switch (s->root->kind) {
	case AVRO_RECORD:
	case AVRO_ENUM:
	case AVRO_FIXED: return s->root->name;
	default: return NULL;
	}
}

int avro_schema_add(struct avro_schema *s, struct str text, struct err *err)
{
	json_error_t why;
	json_t *json = json_loadb(text.data, text.len, JSON_DECODE_ANY, &why);

	if (!json)
		return err_set(err, E_INVALID, "is no JSON: line %d: %s", why.line, why.text);
	json_array_append_new(s->texts, json);
	return type_parse((struct place){s, "", 0}, json, &s->root, err);
}

/* ---- Names -------------------------------------------------------------------------------- */

/* Letters, digits and '_' between dots, no digit first. */
static bool name_is_good(const char *name, bool with_dots)
{
	bool is_first = true;

	for (; *name; name++) {
		if (*name == '.' && with_dots && !is_first) {
			is_first = true;
			continue;
		}
		if (!isalpha((unsigned char)*name) && *name != '_' &&
		    (is_first || !isdigit((unsigned char)*name)))
			return false;
		is_first = false;
	}
	return !is_first;
}

/* A name with dots is a full name; another is in `space`. */
static const char *name_full(struct avro_schema *s, const char *name, const char *space)
{
	if (strchr(name, '.') || !*space)
		return name;
	return arena_printf(&s->arena, "%s.%s", space, name);
}

static struct avro_type *name_find(struct avro_schema *s, const char *full)
{
	struct map_node *node = map_get(&s->names, full, strlen(full));

	return node ? CONTAINER_OF(node, struct avro_type, node) : NULL;
}

static struct avro_type *type_new(struct avro_schema *s, enum avro_kind kind)
{
	struct avro_type *t = arena_zalloc(&s->arena, sizeof(*t));

	t->kind = kind;
	t->name = kind_words[kind];
	return t;
}

/* Enters a named type; `at->space` becomes its namespace. */
static int type_name(struct place *at, struct avro_type *t, const json_t *json, struct err *err)
{
	struct avro_schema *s = at->schema;
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *space = json_string_value(json_object_get(json, "namespace"));
	const char *dot;

	if (!name || !name_is_good(name, true))
		return err_set(err, E_INVALID, "%s '%s' has no name that Avro allows", t->name,
			       name ? name : "");
	if (space && *space && !name_is_good(space, true))
		return err_set(err, E_INVALID, "%s %s: '%s' is no namespace", t->name, name, space);
	t->name = name_full(s, name, space ? space : at->space);
	dot = strrchr(t->name, '.');
	at->space = dot ? arena_strndup(&s->arena, t->name, (size_t)(dot - t->name)) : "";
	if (name_find(s, t->name))
		return err_set(err, E_INVALID, "%s is defined twice", t->name);
	map_put(&s->names, &t->node, t->name, strlen(t->name));
	return 0;
}

/* ---- Types -------------------------------------------------------------------------------- */

/* A primitive, or a type that was defined before. */
static int type_reference(struct place at, const char *word, struct avro_type **out,
			  struct err *err)
{
	const char *full;

	for (enum avro_kind kind = AVRO_NULL; kind <= AVRO_STRING; kind++) {
		if (strcmp(word, kind_words[kind]) == 0) {
			*out = type_new(at.schema, kind);
			return 0;
		}
	}
	full = name_full(at.schema, word, at.space);
	*out = name_find(at.schema, full);
	if (!*out && full != word)
		*out = name_find(at.schema, word);
	return *out ? 0
		    : err_set(err, E_INVALID, "no type '%s' is defined before it is used", full);
}

static int type_union(struct place at, const json_t *json, struct avro_type **out, struct err *err)
{
	struct avro_type *t = type_new(at.schema, AVRO_UNION);

	t->count = json_array_size(json);
	t->branches = arena_array(&at.schema->arena, t->count + 1, sizeof(struct avro_type *));
	for (size_t i = 0; i < t->count; i++) {
		int rc = type_parse(at, json_array_get(json, i), &t->branches[i], err);

		if (rc < 0)
			return rc;
		if (t->branches[i]->kind == AVRO_UNION)
			return err_set(err, E_INVALID, "a union stands directly in a union");
		for (size_t j = 0; j < i; j++) {
			if (strcmp(t->branches[j]->name, t->branches[i]->name) == 0)
				return err_set(err, E_INVALID, "a union has %s twice",
					       t->branches[i]->name);
		}
	}
	*out = t;
	return t->count > 0 ? 0 : err_set(err, E_INVALID, "a union is empty");
}

static int type_record(struct place at, const json_t *json, struct avro_type **out, struct err *err)
{
	struct avro_type *t = type_new(at.schema, AVRO_RECORD);
	const json_t *fields = json_object_get(json, "fields");
	int rc = type_name(&at, t, json, err);

	if (rc < 0)
		return rc;
	if (!json_is_array(fields))
		return err_set(err, E_INVALID, "record %s has no \"fields\"", t->name);
	t->count = json_array_size(fields);
	t->fields = arena_array(&at.schema->arena, t->count + 1, sizeof(*t->fields));
	*out = t;
	for (size_t i = 0; i < t->count; i++) {
		const json_t *field = json_array_get(fields, i);
		const char *name = json_string_value(json_object_get(field, "name"));

		if (!name || !name_is_good(name, false))
			return err_set(err, E_INVALID, "record %s: field %zu has no good \"name\"",
				       t->name, i);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(t->fields[j].name, name) == 0)
				return err_set(err, E_INVALID, "record %s has field %s twice",
					       t->name, name);
		}
		t->fields[i].name = name;
		t->fields[i].preset = json_object_get(field, "default");
		rc = type_parse(at, json_object_get(field, "type"), &t->fields[i].type, err);
		if (rc < 0)
			return err_add(err, rc, "%s.%s", t->name, name);
	}
	return 0;
}

static int type_enum(struct place at, const json_t *json, struct avro_type **out, struct err *err)
{
	struct avro_type *t = type_new(at.schema, AVRO_ENUM);
	const json_t *symbols = json_object_get(json, "symbols");
	int rc = type_name(&at, t, json, err);

	if (rc < 0)
		return rc;
	if (!json_is_array(symbols))
		return err_set(err, E_INVALID, "enum %s has no \"symbols\"", t->name);
	t->count = json_array_size(symbols);
	t->symbols = arena_array(&at.schema->arena, t->count + 1, sizeof(*t->symbols));
	for (size_t i = 0; i < t->count; i++) {
		t->symbols[i] = json_string_value(json_array_get(symbols, i));
		if (!t->symbols[i] || !name_is_good(t->symbols[i], false))
			return err_set(err, E_INVALID, "enum %s: symbol %zu is no name", t->name,
				       i);
	}
	*out = t;
	return 0;
}

static int type_fixed(struct place at, const json_t *json, struct avro_type **out, struct err *err)
{
	struct avro_type *t = type_new(at.schema, AVRO_FIXED);
	const json_t *size = json_object_get(json, "size");
	int rc = type_name(&at, t, json, err);

	if (rc < 0)
		return rc;
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
	    json_integer_value(size) > INT32_MAX)
		return err_set(err, E_INVALID, "fixed %s has no good \"size\"", t->name);
	t->count = (size_t)json_integer_value(size);
	*out = t;
	return 0;
}

/* Arrays and maps. */
static int type_many(struct place at, enum avro_kind kind, const json_t *items,
		     struct avro_type **out, struct err *err)
{
	struct avro_type *t = type_new(at.schema, kind);

	t->branches = arena_array(&at.schema->arena, 1, sizeof(struct avro_type *));
	*out = t;
	return type_parse(at, items, &t->branches[0], err);
}

static int type_parse(struct place at, const json_t *json, struct avro_type **out, struct err *err)
{
	const json_t *type = json_object_get(json, "type");
	const char *word = json_string_value(type);

	if (++at.depth > AVRO_DEPTH_MAX)
		return err_set(err, E_INVALID, "types are nested deeper than %d", AVRO_DEPTH_MAX);
	if (json_is_string(json))
		return type_reference(at, json_string_value(json), out, err);
	if (json_is_array(json))
		return type_union(at, json, out, err);
	if (!type)
		return err_set(err, E_INVALID, "has no \"type\"");
	if (!word)
		return type_parse(at, type, out, err);
	if (strcmp(word, "record") == 0 || strcmp(word, "error") == 0)
		return type_record(at, json, out, err);
	if (strcmp(word, "enum") == 0)
		return type_enum(at, json, out, err);
	if (strcmp(word, "fixed") == 0)
		return type_fixed(at, json, out, err);
	if (strcmp(word, "array") == 0)
		return type_many(at, AVRO_ARRAY, json_object_get(json, "items"), out, err);
	if (strcmp(word, "map") == 0)
		return type_many(at, AVRO_MAP, json_object_get(json, "values"), out, err);
	return type_reference(at, word, out, err);
}
