/* The files: which partitions go where, and which topics. */
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_TEXT \
	"\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); " \
	"line: %d, column: %d]"
#define PARTITIONS_MAX 1000000 /* above what a cluster has */
#define REPLICAS_MAX 10000

/* ---- JSON --------------------------------------------------------------------------------- */

/* Why it is no JSON, in the words of Apache's parser where it is a word that JSON has not. */
static int text_refuse(struct run *run, const char *path, const char *data, size_t len,
		       const json_error_t *why, struct err *err)
{
	size_t begin = 0, end;

	if (!run->is_apache)
		return err_set(err, E_INVALID, "%s:%d: no JSON: %s", path, why->line, why->text);
	if (len == 0)
		return err_set(err, E_INVALID,
			       "The input string shouldn't be empty\n at [Source: UNKNOWN; byte "
			       "offset: #UNKNOWN]");
	while (begin < len && data[begin] == ' ')
		begin++;
	for (end = begin; end < len && (isalnum((unsigned char)data[end]) || data[end] == '_');)
		end++;
	if (end > begin && isalpha((unsigned char)data[begin]))
		return err_set(err, E_INVALID,
			       "Unrecognized token '%.*s': was expecting (JSON String, Number, "
			       "Array, Object or token 'null', 'true' or 'false')" SOURCE_TEXT,
			       (int)(end - begin), data + begin, 1, (int)begin + 1);
	return err_set(err, E_INVALID, "%s" SOURCE_TEXT, why->text, why->line, why->column);
}

static int type_refuse(struct run *run, const char *wanted, const json_t *json, struct err *err)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	int rc = err_set(err, E_INVALID, "%s%s%s, received %s", run->is_apache ? "E" : "e",
			 "xpected ", wanted, text ? text : "null");

	free(text);
	return rc;
}

static int field_get(const json_t *json, const char *name, const json_t **out, struct err *err)
{
	*out = json_object_get(json, name);
	if (*out)
		return 0;
	return err_set(err, E_INVALID, "No such field exists: `%s`", name);
}

static int int_of(struct run *run, const json_t *json, int64_t *out, struct err *err)
{
	if (!json_is_integer(json))
		return type_refuse(run, "`Integer` value", json, err);
	*out = json_integer_value(json);
	if (*out < 0 || *out > INT32_MAX)
		return type_refuse(run, "`Integer` value", json, err);
	return 0;
}

static int text_of(struct run *run, const json_t *json, const char **out, struct err *err)
{
	if (!json_is_string(json))
		return type_refuse(run, "`String` value", json, err);
	*out = arena_strdup(&run->arena, json_string_value(json));
	return 0;
}

/* The list `name` of a file of version 1; NULL if there is none. */
static int file_list(struct run *run, const json_t *json, const char *name, const json_t **out,
		     struct err *err)
{
	const json_t *version;
	int64_t number = 1;
	int rc = 0;

	if (!json_is_object(json))
		return type_refuse(run, "JSON object", json, err);
	version = json_object_get(json, "version");
	if (version)
		rc = int_of(run, version, &number, err);
	if (rc == 0 && number != 1)
		rc = err_set(err, E_INVALID, "Not supported version field value %d", (int)number);
	*out = json_object_get(json, name);
	if (rc == 0 && *out && !json_is_array(*out))
		rc = type_refuse(run, "JSON array", *out, err);
	if (rc == 0 && *out && json_array_size(*out) > PARTITIONS_MAX)
		rc = err_set(err, E_INVALID, "more than %d entries", PARTITIONS_MAX);
	return rc;
}

/* ---- A partition of a file ---------------------------------------------------------------- */

static int part_replicas(struct run *run, const json_t *json, struct ids *out, struct err *err)
{
	int rc = 0;

	if (!json_is_array(json) || json_array_size(json) > REPLICAS_MAX)
		return type_refuse(run, "JSON array", json, err);
	out->items = arena_array(&run->arena, json_array_size(json) + 1, sizeof(int32_t));
	for (size_t i = 0; rc == 0 && i < json_array_size(json); i++) {
		int64_t id = 0;

		rc = int_of(run, json_array_get(json, i), &id, err);
		out->items[out->count++] = (int32_t)id;
	}
	return rc;
}

static const char *dirs_text(struct arena *a, const json_t *list)
{
	const char *text = "";

	for (size_t i = 0; i < json_array_size(list); i++)
		text = arena_printf(a, "%s%s%s", text, i ? ", " : "",
				    json_string_value(json_array_get(list, i)));
	return text;
}

static int part_dirs(struct run *run, const json_t *list, struct part *p, struct err *err)
{
	size_t count = json_array_size(list);
	const char *text;
	int rc = 0;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return type_refuse(run, "JSON array", list, err);
	p->dirs = arena_array(&run->arena, count + 1, sizeof(*p->dirs));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = text_of(run, json_array_get(list, i), &text, err);
		if (rc == 0 && strcmp(text, "any") != 0)
			p->dirs[i] = text;
	}
	if (rc < 0 || count == (size_t)p->replicas.count)
		return rc;
	text = dirs_text(&run->arena, list);
	return err_set(err, E_INVALID,
		       "Size of replicas list [%s] is different from size of log dirs list [%s] "
		       "for partition %.*s-%d",
		       ids_text(&run->arena, p->replicas), text, STR(p->topic), p->partition);
}

static int part_parse(struct run *run, const json_t *json, struct part *p, struct err *err)
{
	const json_t *topic, *partition, *replicas;
	const char *name = NULL;
	int64_t number = 0;
	int rc;

	if (!json_is_object(json))
		return type_refuse(run, "JSON object", json, err);
	rc = field_get(json, "topic", &topic, err);
	if (rc == 0)
		rc = text_of(run, topic, &name, err);
	if (rc == 0)
		rc = field_get(json, "partition", &partition, err);
	if (rc == 0)
		rc = int_of(run, partition, &number, err);
	if (rc == 0)
		rc = field_get(json, "replicas", &replicas, err);
	if (rc < 0)
		return rc;
	p->topic = str_of(name);
	p->partition = (int32_t)number;
	rc = part_replicas(run, replicas, &p->replicas, err);
	return rc < 0 ? rc : part_dirs(run, json_object_get(json, "log_dirs"), p, err);
}

/* ---- The plan ----------------------------------------------------------------------------- */

static int part_cmp_place(const struct part *a, const struct part *b)
{
	int order = str_cmp(a->topic, b->topic);

	return order ? order : a->partition < b->partition ? -1 : a->partition > b->partition;
}

static int part_cmp(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	int order = part_cmp_place(x, y);

	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

void plan_sort(struct plan *plan)
{
	if (plan->part_count > 1)
		qsort(plan->parts, plan->part_count, sizeof(*plan->parts), part_cmp);
}

/* The replicas for which a directory is named. */
static void plan_moves(struct run *run, struct plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->part_count; i++)
		count += plan->parts[i].dirs ? (size_t)plan->parts[i].replicas.count : 0;
	plan->moves = arena_array(&run->arena, count + 1, sizeof(*plan->moves));
	for (size_t i = 0; i < plan->part_count; i++) {
		const struct part *p = &plan->parts[i];

		for (int32_t n = 0; p->dirs && n < p->replicas.count; n++) {
			if (p->dirs[n])
				plan->moves[plan->move_count++] = (struct replica_move){
					p->topic, p->partition, p->replicas.items[n], p->dirs[n]};
		}
	}
}

int plan_parse(struct run *run, const char *path, const char *data, size_t len, struct plan *out,
	       struct err *err)
{
	const json_t *list;
	json_error_t why;
	json_t *json = json_loadb(data, len, JSON_DECODE_ANY, &why);
	int rc;

	*out = (struct plan){0};
	if (!json)
		return text_refuse(run, path, data, len, &why, err);
	rc = file_list(run, json, "partitions", &list, err);
	out->parts = arena_array(&run->arena, rc < 0 ? 1 : json_array_size(list) + 1,
				 sizeof(*out->parts));
	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
		out->parts[i].order = i;
		rc = part_parse(run, json_array_get(list, i), &out->parts[i], err);
		out->part_count++;
	}
	json_decref(json);
	if (rc < 0 && !run->is_apache)
		err_add(err, rc, "%s", path);
	if (rc < 0)
		return rc;
	plan_sort(out);
	plan_moves(run, out);
	return 0;
}

static int plan_check_replicas(struct run *run, const struct plan *plan, struct err *err)
{
	const char *text = NULL;

	for (size_t i = 0; i < plan->part_count; i++) {
		const struct part *p = &plan->parts[i];
		int32_t twice = ids_twice(p->replicas);

		if (p->replicas.count == 0)
			return err_set(err, E_INVALID, "Partition replica list cannot be empty");
		if (twice >= 0)
			text = arena_printf(&run->arena,
					    "%s%s%.*s-%d contains multiple entries for %d",
					    text ? text : "", text ? ". " : "", STR(p->topic),
					    p->partition, twice);
	}
	return !text ? 0
		     : err_set(err, E_INVALID,
			       "Partition replica lists may not contain duplicate entries: %s",
			       text);
}

int plan_check(struct run *run, const struct plan *plan, struct err *err)
{
	const char *text = NULL;

	if (plan->part_count == 0)
		return err_set(err, E_INVALID, "Partition reassignment list cannot be empty");
	for (size_t i = 1; i < plan->part_count; i++) {
		const struct part *p = &plan->parts[i];

		if (part_cmp_place(p - 1, p) == 0)
			text = arena_printf(&run->arena, "%s%s%.*s-%d", text ? text : "",
					    text ? "," : "", STR(p->topic), p->partition);
	}
	if (text)
		return err_set(err, E_INVALID,
			       "Partition reassignment contains duplicate topic partitions: %s",
			       text);
	return plan_check_replicas(run, plan, err);
}

struct str *plan_names(struct arena *arena, const struct plan *plan, size_t *count)
{
	struct str *names = arena_array(arena, plan->part_count + 1, sizeof(*names));

	*count = 0;
	for (size_t i = 0; i < plan->part_count; i++)
		if (*count == 0 || !str_eq(names[*count - 1], plan->parts[i].topic))
			names[(*count)++] = plan->parts[i].topic;
	return names;
}

void plan_print(struct json_out *j, const char *key, const struct plan *plan)
{
	json_out_open(j, key, '{');
	json_out_int(j, "version", 1);
	json_out_open(j, "partitions", '[');
	for (size_t i = 0; i < plan->part_count; i++) {
		const struct part *p = &plan->parts[i];

		json_out_open(j, NULL, '{');
		json_out_str(j, "topic", p->topic);
		json_out_int(j, "partition", p->partition);
		json_out_open(j, "replicas", '[');
		for (int32_t n = 0; n < p->replicas.count; n++)
			json_out_int(j, NULL, p->replicas.items[n]);
		json_out_close(j, ']');
		json_out_open(j, "log_dirs", '[');
		for (int32_t n = 0; n < p->replicas.count; n++)
			json_out_text(j, NULL, p->dirs && p->dirs[n] ? p->dirs[n] : "any");
		json_out_close(j, ']');
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
	json_out_close(j, '}');
}

/* ---- Topics ------------------------------------------------------------------------------- */

static int topic_add(struct run *run, const json_t *json, struct str *names, size_t *count,
		     struct err *err)
{
	const json_t *topic;
	const char *name = NULL;
	int rc;

	if (!json_is_object(json))
		return type_refuse(run, "JSON object", json, err);
	rc = field_get(json, "topic", &topic, err);
	if (rc == 0)
		rc = text_of(run, topic, &name, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < *count; i++)
		if (str_eq(names[i], str_of(name)))
			return err_set(err, E_INVALID,
				       "List of topics to reassign contains duplicate entries: "
				       "[%s]",
				       name);
	names[(*count)++] = str_of(name);
	return 0;
}

int plan_topics(struct run *run, const char *path, const char *data, size_t len, struct str **out,
		size_t *count, struct err *err)
{
	const json_t *list;
	json_error_t why;
	json_t *json = json_loadb(data, len, JSON_DECODE_ANY, &why);
	int rc;

	*count = 0;
	if (!json && run->is_apache)
		return err_set(err, E_INVALID, "The input string is not a valid JSON");
	if (!json)
		return text_refuse(run, path, data, len, &why, err);
	rc = file_list(run, json, "topics", &list, err);
	*out = arena_array(&run->arena, rc < 0 ? 1 : json_array_size(list) + 1, sizeof(**out));
	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
		rc = topic_add(run, json_array_get(list, i), *out, count, err);
	json_decref(json);
	if (rc < 0 && !run->is_apache)
		err_add(err, rc, "%s", path);
	return rc;
}
