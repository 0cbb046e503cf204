#include "cmd/registry/schemas.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* An answer that is kept: a schema, or that there is none. */
struct answer {
	struct map_node node;
	char *key;     /* "id/7", "SUBJECT/VERSION", "SUBJECT\nTEXT" */
	char *subject; /* what `schema` borrows, NULL: nothing */
	struct schema schema;
	int rc;
	struct err why; /* rc < 0 */
	json_t *json;   /* what `schema` borrows from */
	struct avro_schema *avro;
	struct protobuf_schema *protobuf;
	const char *found_subject;
};

struct schemas {
	struct http *http;
	struct map answers;
};

static const char *const kind_words[] = {
	[SCHEMA_AVRO] = "AVRO", [SCHEMA_JSON] = "JSON", [SCHEMA_PROTOBUF] = "PROTOBUF"};

const char *schema_kind_word(enum schema_kind kind)
{
	return kind_words[kind];
}

enum schema_kind schema_kind_of(const char *word)
{
	enum schema_kind kind = 0;

	if (strcasecmp(word, "json-schema") == 0)
		return SCHEMA_JSON;
	while (kind < SCHEMA_KIND_COUNT && strcasecmp(word, kind_words[kind]) != 0)
		kind++;
	return kind;
}

int schemas_new(struct schemas **out, const struct http_config *config, struct err *err)
{
	struct schemas *r = xcalloc(1, sizeof(*r));
	int rc = http_new(&r->http, config, err);

	if (rc < 0) {
		free(r);
		return rc;
	}
	map_init(&r->answers);
	*out = r;
	return 0;
}

void schemas_free(struct schemas *r)
{
	struct answer *a;

	if (!r)
		return;
	MAP_FOREACH (&r->answers, a, struct answer, node) {
		map_remove(&r->answers, &a->node);
		avro_schema_free(a->avro);
		protobuf_schema_free(a->protobuf);
		json_decref(a->json);
		free(a->subject);
		free(a->key);
		free(a);
	}
	map_fini(&r->answers);
	http_free(r->http);
	free(r);
}

struct http *schemas_http(struct schemas *r)
{
	return r->http;
}

/* ---- Answers ------------------------------------------------------------------------------ */

static struct answer *answer_find(struct schemas *r, const char *key)
{
	struct map_node *node = map_get(&r->answers, key, strlen(key));

	return node ? CONTAINER_OF(node, struct answer, node) : NULL;
}

/* Takes `key`. */
static struct answer *answer_keep(struct schemas *r, char *key)
{
	struct answer *a = xcalloc(1, sizeof(*a));

	a->key = key;
	map_put(&r->answers, &a->node, key, strlen(key));
	return a;
}

static int answer_give(struct answer *a, const struct schema **out, struct err *err)
{
	if (a->rc < 0)
		return err_set(err, a->rc, "%s", a->why.text);
	*out = &a->schema;
	return 0;
}

/* Is this the registry's last word, or may the next try go better? */
static bool answer_lasts(int rc)
{
	return rc == E_NOT_FOUND || rc == E_INVALID || rc == E_AUTH || rc == E_MALFORMED;
}

/* Reads {"id":7,"version":1,"schemaType":"JSON","schema":"...","references":[]}. Takes `json`. */
static int answer_read(struct answer *a, json_t *json, struct err *err)
{
	const char *word = json_string_value(json_object_get(json, "schemaType"));
	const json_t *id = json_object_get(json, "id");
	const json_t *references = json_object_get(json, "references");

	a->json = json;
	a->schema.text = json_string_value(json_object_get(json, "schema"));
	a->schema.kind = word ? schema_kind_of(word) : SCHEMA_AVRO;
	a->schema.references = json_array_size(references) > 0 ? references : NULL;
	a->schema.version = (int)json_integer_value(json_object_get(json, "version"));
	if (json_is_integer(id))
		a->schema.id = (int32_t)json_integer_value(id);
	if (!a->schema.text)
		return err_set(err, E_MALFORMED,
			       "schema registry: an answer has no \"schema\": is it a registry?");
	if (a->schema.kind == SCHEMA_KIND_COUNT)
		return err_set(err, E_INVALID, "schema %d is of type %s, which is not known",
			       a->schema.id, word);
	return 0;
}

/* Asks for one schema and keeps what is answered. Takes `key`. */
static int schemas_get(struct schemas *r, char *key, const char *path, int32_t id,
		       const char *subject, const struct schema **out, struct err *err)
{
	struct answer *a = answer_find(r, key);
	struct err why = {0};
	json_t *json;
	int rc;

	if (a) {
		free(key);
		return answer_give(a, out, err);
	}
	rc = http_ask(r->http, "GET", path, NULL, &json, &why);
	if (rc < 0 && !answer_lasts(rc)) {
		free(key);
		return err_set(err, rc, "%s", why.text);
	}
	a = answer_keep(r, key);
	a->subject = subject ? xstrdup(subject) : NULL;
	a->schema = (struct schema){.id = id, .subject = a->subject};
	if (rc == 0)
		rc = answer_read(a, json, &why);
	a->rc = rc;
	a->why = why;
	return answer_give(a, out, err);
}

int schemas_by_id(struct schemas *r, int32_t id, const struct schema **out, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/schemas/ids/%d", id);
	return schemas_get(r, xasprintf("id/%d", id), path, id, NULL, out, err);
}

int schemas_by_subject(struct schemas *r, const char *subject, const char *version,
		       const struct schema **out, struct err *err)
{
	struct out path;
	int rc;

	out_init(&path, SIZE_MAX / 2);
	out_text(&path, "/subjects/");
	http_escape(&path, subject);
	out_text(&path, "/versions/");
	http_escape(&path, version);
	out_byte(&path, '\0');
	rc = schemas_get(r, xasprintf("%s/%s", subject, version), (const char *)path.data, -1,
			 subject, out, err);
	out_fini(&path);
	return rc;
}

/* ---- Registering -------------------------------------------------------------------------- */

static json_t *register_body(enum schema_kind kind, const char *text, const json_t *references)
{
	json_t *body = json_object();

	json_object_set_new(body, "schema", json_string(text));
	if (kind != SCHEMA_AVRO)
		json_object_set_new(body, "schemaType", json_string(kind_words[kind]));
	if (references)
		json_object_set(body, "references", (json_t *)references);
	return body;
}

/* POSTs to /subjects/SUBJECT (look up) or /subjects/SUBJECT/versions (register). */
static int register_post(struct schemas *r, const char *subject, const char *rest,
			 const json_t *body, int32_t *id, int *version, struct err *err)
{
	struct out path;
	json_t *json;
	int rc;

	out_init(&path, SIZE_MAX / 2);
	out_text(&path, "/subjects/");
	http_escape(&path, subject);
	out_text(&path, rest);
	out_byte(&path, '\0');
	rc = http_ask(r->http, "POST", (const char *)path.data, body, &json, err);
	out_fini(&path);
	if (rc < 0)
		return rc;
	if (json_is_integer(json_object_get(json, "id"))) {
		*id = (int32_t)json_integer_value(json_object_get(json, "id"));
		*version = (int)json_integer_value(json_object_get(json, "version"));
	} else {
		rc = err_set(err, E_MALFORMED, "schema registry: no \"id\" for a schema of %s",
			     subject);
	}
	json_decref(json);
	return rc;
}

int schemas_register(struct schemas *r, const char *subject, enum schema_kind kind,
		     const char *text, const json_t *references, const struct schema **out,
		     struct err *err)
{
	char *key = xasprintf("%s\n%s", subject, text);
	struct answer *a = answer_find(r, key);
	json_t *body;
	int32_t id = -1;
	int version = 0, rc;

	if (a) {
		free(key);
		return answer_give(a, out, err);
	}
	body = register_body(kind, text, references);
	rc = register_post(r, subject, "", body, &id, &version, err);
	if (rc == E_NOT_FOUND) {
		if (err)
			*err = (struct err){0};
		rc = register_post(r, subject, "/versions", body, &id, &version, err);
	}
	json_decref(body);
	if (rc < 0) {
		free(key);
		return rc == E_INVALID ? err_add(err, rc, "subject %s", subject) : rc;
	}
	a = answer_keep(r, key);
	a->json = json_pack("[s,s]", text, subject);
	a->schema = (struct schema){.id = id,
				    .kind = kind,
				    .version = version,
				    .text = json_string_value(json_array_get(a->json, 0)),
				    .subject = json_string_value(json_array_get(a->json, 1))};
	if (references) {
		a->schema.references = json_deep_copy(references);
		json_array_append_new(a->json, (json_t *)a->schema.references);
	}
	return answer_give(a, out, err);
}

/* ---- Parsed ------------------------------------------------------------------------------- */

/* One of both is being made. */
struct referring {
	struct schemas *schemas;
	struct avro_schema *avro;
	struct protobuf_schema *protobuf;
	json_t *seen; /* object: "SUBJECT/VERSION" */
};

static int refer_add(struct referring *w, const struct schema *schema, struct err *err)
{
	if (w->avro)
		return avro_schema_add(w->avro, str_of(schema->text), err);
	protobuf_schema_add(w->protobuf, schema->text);
	return 0;
}

static int refer_all(struct referring *w, const json_t *references, struct err *err);

static int refer_one(struct referring *w, const char *subject, const char *version, struct err *err)
{
	const struct schema *schema;
	char *key = xasprintf("%s/%s", subject, version);
	bool was_seen = json_object_get(w->seen, key);
	int rc;

	json_object_set_new(w->seen, key, json_true());
	free(key);
	if (was_seen)
		return 0;
	if (json_object_size(w->seen) > SCHEMAS_REFERENCES_MAX)
		return err_set(err, E_INVALID, "more than %d references", SCHEMAS_REFERENCES_MAX);
	rc = schemas_by_subject(w->schemas, subject, version, &schema, err);
	if (rc == 0)
		rc = refer_all(w, schema->references, err);
	if (rc == 0)
		rc = refer_add(w, schema, err);
	return rc < 0 ? err_add(err, rc, "its reference %s version %s", subject, version) : 0;
}

/* What a schema refers to comes before it, each once. */
static int refer_all(struct referring *w, const json_t *references, struct err *err)
{
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)references, index, item)
	{
		const char *subject = json_string_value(json_object_get(item, "subject"));
		char version[24];
		int rc;

		snprintf(version, sizeof(version), "%lld",
			 (long long)json_integer_value(json_object_get(item, "version")));
		rc = subject ? refer_one(w, subject, version, err)
			     : err_set(err, E_INVALID, "a reference names no subject");
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int refer(struct referring *w, const struct schema *schema, struct err *err)
{
	int rc;

	w->seen = json_object();
	rc = refer_all(w, schema->references, err);
	if (rc == 0)
		rc = refer_add(w, schema, err);
	json_decref(w->seen);
	return rc < 0 ? err_add(err, rc, "schema %d", schema->id) : 0;
}

int schemas_avro(struct schemas *r, const struct schema *schema, const struct avro_schema **out,
		 struct err *err)
{
	struct answer *a = CONTAINER_OF(schema, struct answer, schema);
	struct referring w = {.schemas = r};
	int rc;

	if (!a->avro) {
		w.avro = avro_schema_new();
		rc = refer(&w, schema, err);
		if (rc < 0) {
			avro_schema_free(w.avro);
			return rc;
		}
		a->avro = w.avro;
	}
	*out = a->avro;
	return 0;
}

int schemas_protobuf(struct schemas *r, const struct schema *schema,
		     const struct protobuf_schema **out, struct err *err)
{
	struct answer *a = CONTAINER_OF(schema, struct answer, schema);
	struct referring w = {.schemas = r};
	int rc;

	if (!a->protobuf) {
		w.protobuf = protobuf_schema_new();
		rc = refer(&w, schema, err);
		if (rc < 0) {
			protobuf_schema_free(w.protobuf);
			return rc;
		}
		protobuf_schema_link(w.protobuf);
		a->protobuf = w.protobuf;
	}
	*out = a->protobuf;
	return 0;
}

const char *schemas_subject_of(struct schemas *r, const struct schema *schema)
{
	struct answer *a = CONTAINER_OF(schema, struct answer, schema);
	char path[64];
	json_t *json;

	if (schema->subject)
		return schema->subject;
	if (!a->found_subject) {
		snprintf(path, sizeof(path), "/schemas/ids/%d/versions", schema->id);
		a->found_subject = "";
		if (http_ask(r->http, "GET", path, NULL, &json, NULL) == 0) {
			const json_t *first = json_array_get(json, 0);

			json_object_set_new(a->json, "kavka.versions", json);
			a->found_subject = json_string_value(json_object_get(first, "subject"));
		}
	}
	return a->found_subject && *a->found_subject ? a->found_subject : NULL;
}
