/* registry: look into a schema registry, and change it (rpk's registry, kafkactl's schemas). */
#include "cmd/registry/registry_int.h"

#include "cmd/connect.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct registry_command_args, field)

#define OPTS_WHERE                                                                                \
	OPTS_REGISTRY,                                                                            \
	{"command-config", OPT_STRING, AT(cluster.command_config), .arg = "config file",          \
	 .complete = COMPLETE_FILE,                                                               \
	 .help = "A properties file that may name the registry, as schema.registry.url."},        \
	{"profile", OPT_STRING, AT(cluster.profile), .arg = "name", .complete = COMPLETE_PROFILE, \
	 .help = "The registry of this profile (see kavka help profile)."},                       \
	OPTS_OUTPUT

#define OPT_TYPE                                                                                  \
	{"type", OPT_STRING, AT(type), .arg = "type", .complete = COMPLETE_WORDS,                 \
	 .words = "avro json-schema protobuf",                                                    \
	 .help = "What the schema is: avro, json-schema or protobuf; without it as the file's "   \
		 "name tells (.avsc, .json, .proto), else avro."},                                \
	{"reference", OPT_LIST, AT(references), .arg = "name:subject:version",                    \
	 .help = "A schema that this one refers to; may be repeated."}

#define OPT_DELETED(row_help)                                                                     \
	{"deleted", OPT_FLAG, AT(deleted), .help = row_help}

#define OPT_GLOBAL                                                                                \
	{"global", OPT_FLAG, AT(global),                                                          \
	 .help = "The level of all subjects that have none of their own."}

static const struct opt list_opts[] = {
	OPTS_WHERE, OPT_DELETED("Subjects that were deleted, but not for good, too."), OPT_END};
static const struct opt show_opts[] = {OPTS_WHERE, OPT_END};
static const struct opt versions_opts[] = {
	OPTS_WHERE, OPT_DELETED("Versions that were deleted, but not for good, too."), OPT_END};
static const struct opt register_opts[] = {OPTS_WHERE, OPT_TYPE, OPT_END};
static const struct opt compatibility_opts[] = {OPTS_WHERE, OPT_GLOBAL, OPT_END};
static const struct opt delete_opts[] = {
	OPTS_WHERE,
	{"permanent", OPT_FLAG, AT(permanent),
	 .help = "For good: what was deleted once before is forgotten, with its ids."},
	OPT_END,
};

#define REGISTRY_SUB(id, label, text, usage, rows, others)                                        \
	static const struct command registry_##id##_command = {                                   \
		.name = label, .also = others, .summary = text, .words = usage, .opts = rows,     \
		.args_size = sizeof(struct registry_command_args), .run = registry_##id,          \
	}

REGISTRY_SUB(list, "list", "show all subjects", NULL, list_opts, "ls subjects");
REGISTRY_SUB(versions, "versions", "show the versions of subjects", "subject ...", versions_opts,
	     NULL);
REGISTRY_SUB(show, "show", "print a schema: of an id, or the newest or one version of a subject",
	     "id | subject [version]", show_opts, "get cat describe");
REGISTRY_SUB(register, "register", "register a schema, print its id", "subject file",
	     register_opts, "create add");
REGISTRY_SUB(check, "check", "is a schema compatible with what the subject has?", "subject file",
	     register_opts, "test");
REGISTRY_SUB(compatibility, "compatibility", "show or set what changes a subject allows",
	     "[subject] [level]", compatibility_opts, "config");
REGISTRY_SUB(delete, "delete", "delete a subject, or one version of it", "subject [version]",
	     delete_opts, "rm remove");

static const struct command *const registry_subs[] = {
	&registry_list_command, &registry_versions_command, &registry_show_command,
	&registry_register_command, &registry_check_command, &registry_compatibility_command,
	&registry_delete_command, NULL,
};

static const struct opt registry_opts[] = {OPT_END};

const struct command cmd_registry = {
	.name = "registry", .summary = "list, show and register the schemas of a registry",
	.opts = registry_opts, .args_size = sizeof(struct registry_command_args),
	.subs = registry_subs,
};

/* ---- One run ------------------------------------------------------------------------------ */

int session_open(struct session *s, struct run *run, void *args, unsigned min, unsigned max,
		 struct err *err)
{
	struct http_config config;
	int rc;

	*s = (struct session){.run = run, .args = args};
	rc = output_format(&s->args->output, &s->format, err);
	if (rc < 0)
		return rc;
	if (run->word_count < min)
		return err_set(err, E_USAGE, "say: %s %s", run->name, run->command->words);
	if (run->word_count > max)
		return err_set(err, E_USAGE, "'%s' is one word too many", run->words[max]);
	rc = config_read(&config, &s->args->registry, &s->args->cluster, NULL, &run->arena, err);
	if (rc == 0)
		rc = schemas_new(&s->schemas, &config, err);
	return rc;
}

int session_close(struct session *s, int rc, const struct err *err)
{
	for (unsigned i = 0; i < s->answer_count; i++)
		json_decref(s->answers[i]);
	schemas_free(s->schemas);
	if (rc == E_USAGE)
		return help_usage(s->run, err);
	return rc < 0 ? help_failure(s->run, err) : EXIT_OK;
}

int session_ask(struct session *s, const char *method, const char *path, const json_t *body,
		json_t **out, struct err *err)
{
	int rc;

	if (s->answer_count == SESSION_ANSWERS_MAX)
		json_decref(s->answers[--s->answer_count]);
	rc = http_ask(schemas_http(s->schemas), method, path, body, out, err);
	if (rc == 0)
		s->answers[s->answer_count++] = *out;
	return rc;
}

const char *session_path(struct session *s, const char *before, const char *name,
			 const char *behind)
{
	struct out path;
	const char *copy;

	out_init(&path, SIZE_MAX / 2);
	out_text(&path, before);
	http_escape(&path, name);
	out_text(&path, behind);
	copy = arena_strndup(&s->run->arena, (const char *)path.data, path.len);
	out_fini(&path);
	return copy;
}

/* ---- Subjects ----------------------------------------------------------------------------- */

/* Text: the names. Else each with its newest schema, which costs a request. */
static int list_subject(struct session *s, struct grid *g, const char *subject, struct err *err)
{
	struct json_out j = {0};
	const struct schema *schema;
	int rc;

	if (s->format == OUTPUT_TEXT) {
		print_text("%s\n", subject);
		return 0;
	}
	rc = schemas_by_subject(s->schemas, subject, "latest", &schema, err);
	if (rc == E_NOT_FOUND) {
		/* Deleted, or gone meanwhile. */
		*err = (struct err){0};
		schema = NULL;
	} else if (rc < 0) {
		return rc;
	}
	if (s->format == OUTPUT_TABLE) {
		grid_add(g, subject, schema ? grid_int(g, schema->version) : NULL,
			 schema ? grid_int(g, schema->id) : NULL,
			 schema ? schema_kind_word(schema->kind) : NULL);
		return 0;
	}
	json_out_open(&j, NULL, '{');
	json_out_text(&j, "subject", subject);
	if (schema) {
		json_out_int(&j, "version", schema->version);
		json_out_int(&j, "id", schema->id);
		json_out_text(&j, "type", schema_kind_word(schema->kind));
	}
	json_out_close(&j, '}');
	print_byte('\n');
	return 0;
}

int registry_list(struct run *run, void *args)
{
	static const char *const titles[] = {"SUBJECT", ">VERSION", ">ID", "TYPE"};
	struct err err = {0};
	struct session s;
	struct grid g;
	json_t *subjects = NULL, *item;
	size_t index;
	int rc = session_open(&s, run, args, 0, 0, &err);

	if (rc == 0)
		rc = session_ask(&s, "GET",
				 s.args->deleted ? "/subjects?deleted=true" : "/subjects", NULL,
				 &subjects, &err);
	grid_init(&g, &run->arena, titles, ARRAY_LEN(titles));
	json_array_foreach(subjects, index, item) {
		const char *subject = json_string_value(item);

		if (rc == 0 && subject)
			rc = list_subject(&s, &g, subject, &err);
	}
	if (rc == 0 && s.format == OUTPUT_TABLE)
		grid_print(&g);
	return session_close(&s, rc, &err);
}

static void versions_print(struct session *s, struct grid *g, const struct schema *schema)
{
	struct json_out j = {0};

	if (s->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "subject", schema->subject);
		json_out_int(&j, "version", schema->version);
		json_out_int(&j, "id", schema->id);
		json_out_text(&j, "type", schema_kind_word(schema->kind));
		json_out_close(&j, '}');
		print_byte('\n');
	} else {
		grid_add(g, schema->subject, grid_int(g, schema->version), grid_int(g, schema->id),
			 schema_kind_word(schema->kind));
	}
}

static int versions_subject(struct session *s, struct grid *g, const char *subject,
			    struct err *err)
{
	const char *path = session_path(s, "/subjects/", subject,
					s->args->deleted ? "/versions?deleted=true" : "/versions");
	json_t *versions, *item;
	size_t index;
	int rc = session_ask(s, "GET", path, NULL, &versions, err);

	if (rc < 0)
		return rc;
	json_array_foreach(versions, index, item) {
		const struct schema *schema;
		char number[32];

		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(item));
		rc = schemas_by_subject(s->schemas, subject, number, &schema, err);
		if (rc == E_NOT_FOUND && s->args->deleted) {
			*err = (struct err){0};
			grid_add(g, subject, arena_strdup(&s->run->arena, number), NULL, "deleted");
			continue;
		}
		if (rc < 0)
			return rc;
		versions_print(s, g, schema);
	}
	return 0;
}

int registry_versions(struct run *run, void *args)
{
	static const char *const titles[] = {"SUBJECT", ">VERSION", ">ID", "TYPE"};
	struct err err = {0};
	struct session s;
	struct grid g;
	int rc = session_open(&s, run, args, 1, UINT_MAX, &err);

	grid_init(&g, &run->arena, titles, ARRAY_LEN(titles));
	for (unsigned i = 0; rc == 0 && i < run->word_count; i++)
		rc = versions_subject(&s, &g, run->words[i], &err);
	if (rc == 0 && s.format != OUTPUT_JSON)
		grid_print(&g);
	return session_close(&s, rc, &err);
}

/* ---- One schema --------------------------------------------------------------------------- */

static void show_json(const struct schema *schema)
{
	struct json_out j = {0};
	size_t index;
	json_t *item;

	json_out_open(&j, NULL, '{');
	if (schema->subject) {
		json_out_text(&j, "subject", schema->subject);
		json_out_int(&j, "version", schema->version);
	}
	json_out_int(&j, "id", schema->id);
	json_out_text(&j, "type", schema_kind_word(schema->kind));
	json_out_text(&j, "schema", schema->text);
	json_out_open(&j, "references", '[');
	json_array_foreach((json_t *)schema->references, index, item) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "name", json_string_value(json_object_get(item, "name")));
		json_out_text(&j, "subject", json_string_value(json_object_get(item, "subject")));
		json_out_int(&j, "version", json_integer_value(json_object_get(item, "version")));
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	json_out_close(&j, '}');
	print_byte('\n');
}

/* As a person would write it into a file. */
static void show_text(const struct schema *schema)
{
	json_t *json = schema->kind == SCHEMA_PROTOBUF
		? NULL : json_loads(schema->text, JSON_DECODE_ANY, NULL);
	char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;

	print_text("%s\n", text ? text : schema->text);
	free(text);
	json_decref(json);
}

int registry_show(struct run *run, void *args)
{
	struct err err = {0};
	struct session s;
	const struct schema *schema = NULL;
	int rc = session_open(&s, run, args, 1, 2, &err);

	if (rc == 0) {
		const char *word = run->words[0];
		const char *version = run->word_count > 1 ? run->words[1] : "latest";

		if (run->word_count == 1 && word[strspn(word, "0123456789")] == '\0')
			rc = schemas_by_id(s.schemas, (int32_t)strtol(word, NULL, 10), &schema,
					   &err);
		else
			rc = schemas_by_subject(s.schemas, word, version, &schema, &err);
	}
	if (rc == 0 && s.format == OUTPUT_JSON)
		show_json(schema);
	else if (rc == 0)
		show_text(schema);
	return session_close(&s, rc, &err);
}
