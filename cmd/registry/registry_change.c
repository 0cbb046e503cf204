/* registry: what changes a registry, and whether it would. */
#include "cmd/registry/registry_int.h"

#include "cmd/json_out.h"
#include "cmd/print.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- A schema from a file ----------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

static int file_kind(const struct session *s, const char *path, enum schema_kind *kind,
		     struct err *err)
{
	const char *type = s->args->type;

	if (!type)
		type = ends_with(path, ".proto")  ? "protobuf"
		       : ends_with(path, ".json") ? "json-schema"
						  : "avro";
	*kind = schema_kind_of(type);
	return *kind == SCHEMA_KIND_COUNT
		       ? err_set(err, E_USAGE,
				 "--type: '%s' is none of avro, json-schema, protobuf", type)
		       : 0;
}

/* NAME:SUBJECT:VERSION; names may have colons of their own, as Protobuf's paths do not. */
static int reference_add(json_t *references, const char *text, struct err *err)
{
	const char *version = strrchr(text, ':');
	const char *subject = version ? memrchr(text, ':', (size_t)(version - text)) : NULL;
	json_t *item;
	char *end;
	long number = version ? strtol(version + 1, &end, 10) : 0;

	if (!subject || subject == text || number <= 0 || *end)
		return err_set(err, E_USAGE, "--reference: '%s' is no NAME:SUBJECT:VERSION", text);
	item = json_object();
	json_object_set_new(item, "name", json_stringn(text, (size_t)(subject - text)));
	json_object_set_new(item, "subject",
			    json_stringn(subject + 1, (size_t)(version - subject - 1)));
	json_object_set_new(item, "version", json_integer(number));
	json_array_append_new(references, item);
	return 0;
}

/* A schema read from a file, with what it refers to. `text` is in the run's arena. */
struct given {
	enum schema_kind kind;
	const char *text;
	json_t *references; /* NULL: none */
};

static int given_read(struct session *s, struct given *given, struct err *err)
{
	const struct opt_list *list = &s->args->references;
	const char *path = s->run->words[1];
	int rc = file_kind(s, path, &given->kind, err);

	if (rc < 0)
		return rc;
	given->text = config_read_file(&s->run->arena, path, err);
	if (!given->text)
		return err_add(err, err->code, "%s", path);
	if (list->count > 0)
		given->references = json_array();
	for (unsigned i = 0; rc == 0 && i < list->count; i++)
		rc = reference_add(given->references, list->items[i], err);
	return rc;
}

/* ---- Register, check ---------------------------------------------------------------------- */

int registry_register(struct run *run, void *args)
{
	const struct schema *schema;
	struct given given = {0};
	struct json_out j = {0};
	struct err err = {0};
	struct session s;
	int rc = session_open(&s, run, args, 2, 2, &err);

	if (rc == 0)
		rc = given_read(&s, &given, &err);
	if (rc == 0)
		rc = schemas_register(s.schemas, run->words[0], given.kind, given.text,
				      given.references, &schema, &err);
	if (rc == 0 && s.format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "subject", run->words[0]);
		json_out_int(&j, "id", schema->id);
		json_out_text(&j, "type", schema_kind_word(schema->kind));
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (rc == 0) {
		print_text("%d\n", schema->id);
	}
	json_decref(given.references);
	return session_close(&s, rc, &err);
}

static void check_print(const struct session *s, const char *subject, const json_t *answer)
{
	bool is_good = json_is_true(json_object_get(answer, "is_compatible"));
	const json_t *messages = json_object_get(answer, "messages");
	struct json_out j = {0};
	size_t index;
	json_t *item;

	if (s->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "subject", subject);
		json_out_bool(&j, "compatible", is_good);
		json_out_open(&j, "messages", '[');
		json_array_foreach((json_t *)messages, index, item)
			json_out_text(&j, NULL, json_string_value(item));
		json_out_close(&j, ']');
		json_out_close(&j, '}');
		print_byte('\n');
		return;
	}
	print_text("%s\n", is_good ? "compatible" : "not compatible");
	json_array_foreach((json_t *)messages, index, item)
		print_text("%s\n", json_string_value(item) ? json_string_value(item) : "");
}

int registry_check(struct run *run, void *args)
{
	struct given given = {0};
	struct err err = {0};
	struct session s;
	json_t *body, *answer = NULL;
	int rc = session_open(&s, run, args, 2, 2, &err), code;

	if (rc == 0)
		rc = given_read(&s, &given, &err);
	if (rc == 0) {
		body = json_pack("{s:s,s:s}", "schema", given.text, "schemaType",
				 schema_kind_word(given.kind));
		if (given.references)
			json_object_set(body, "references", given.references);
		rc = session_ask(&s, "POST",
				 session_path(&s, "/compatibility/subjects/", run->words[0],
					      "/versions/latest?verbose=true"),
				 body, &answer, &err);
		json_decref(body);
	}
	if (rc == 0)
		check_print(&s, run->words[0], answer);
	code = rc == 0 && !json_is_true(json_object_get(answer, "is_compatible")) ? EXIT_FAILED
										  : EXIT_OK;
	json_decref(given.references);
	rc = session_close(&s, rc, &err);
	return rc != EXIT_OK ? rc : code;
}

/* ---- Compatibility ------------------------------------------------------------------------ */

static bool word_is_level(const char *word)
{
	static const char *const levels[] = {
		"NONE", "BACKWARD",       "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE",
		"FULL", "FULL_TRANSITIVE"};

	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcasecmp(word, levels[i]) == 0)
			return true;
	}
	return false;
}

static void compatibility_print(const struct session *s, const char *subject, const char *level,
				bool is_global)
{
	struct json_out j = {0};

	if (s->format != OUTPUT_JSON) {
		print_text("%s\n", level ? level : "");
		return;
	}
	json_out_open(&j, NULL, '{');
	json_out_text(&j, "subject", subject);
	json_out_text(&j, "compatibility", level);
	json_out_bool(&j, "default", is_global);
	json_out_close(&j, '}');
	print_byte('\n');
}

static int compatibility_set(struct session *s, const char *subject, const char *level,
			     struct err *err)
{
	char upper[32];
	size_t len = 0;
	json_t *body, *answer;
	int rc;

	if (!word_is_level(level))
		return err_set(err, E_USAGE,
			       "'%s' is no level: NONE, BACKWARD, FORWARD or FULL, "
			       "the last three also with _TRANSITIVE",
			       level);
	for (; level[len] && len < sizeof(upper) - 1; len++)
		upper[len] = (char)toupper((unsigned char)level[len]);
	upper[len] = '\0';
	body = json_pack("{s:s}", "compatibility", upper);
	rc = session_ask(s, "PUT", subject ? session_path(s, "/config/", subject, "") : "/config",
			 body, &answer, err);
	json_decref(body);
	if (rc == 0)
		compatibility_print(s, subject, upper, !subject);
	return rc;
}

/* A subject without a level of its own has the one of all. */
static int compatibility_get(struct session *s, const char *subject, struct err *err)
{
	bool is_global = !subject;
	json_t *answer;
	int rc = E_NOT_FOUND;

	if (subject)
		rc = session_ask(s, "GET", session_path(s, "/config/", subject, ""), NULL, &answer,
				 err);
	if (rc == E_NOT_FOUND) {
		*err = (struct err){0};
		is_global = true;
		rc = session_ask(s, "GET", "/config", NULL, &answer, err);
	}
	if (rc == 0)
		compatibility_print(
			s, subject,
			json_string_value(json_object_get(answer, "compatibilityLevel")),
			is_global);
	return rc;
}

int registry_compatibility(struct run *run, void *args)
{
	struct err err = {0};
	struct session s;
	int rc = session_open(&s, run, args, 0, 2, &err);
	unsigned words = run->word_count;

	if (rc == 0 && s.args->global && words == 1)
		rc = compatibility_set(&s, NULL, run->words[0], &err);
	else if (rc == 0 && s.args->global && words == 2)
		rc = err_set(&err, E_USAGE, "--global concerns no subject");
	else if (rc == 0 && words == 2)
		rc = compatibility_set(&s, run->words[0], run->words[1], &err);
	else if (rc == 0)
		rc = compatibility_get(&s, words > 0 ? run->words[0] : NULL, &err);
	return session_close(&s, rc, &err);
}

/* ---- Delete ------------------------------------------------------------------------------- */

int registry_delete(struct run *run, void *args)
{
	struct err err = {0};
	struct session s;
	json_t *answer = NULL;
	int rc = session_open(&s, run, args, 1, 2, &err);

	if (rc == 0) {
		const char *behind = s.args->permanent ? "?permanent=true" : "";
		const char *path = session_path(&s, "/subjects/", run->words[0], "");

		path = run->word_count == 1
			       ? arena_printf(&run->arena, "%s%s", path, behind)
			       : arena_printf(&run->arena, "%s%s%s", path,
					      session_path(&s, "/versions/", run->words[1], ""),
					      behind);
		rc = session_ask(&s, "DELETE", path, NULL, &answer, &err);
	}
	if (rc == 0)
		output_say("Deleted %s%s%s.\n", run->words[0],
			   run->word_count > 1 ? " version " : "",
			   run->word_count > 1 ? run->words[1] : "");
	return session_close(&s, rc, &err);
}
