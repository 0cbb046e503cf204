/* What there is: the list of requests, the fields of one, a request to fill in. */
#include "cmd/api/api_int.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

#include "wire/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* ---- --list ------------------------------------------------------------------------------- */

static const char *range_text(struct run *run, int min, int max)
{
	return min == max ? arena_printf(&run->arena, "%d", min)
			  : arena_printf(&run->arena, "%d-%d", min, max);
}

static void list_json(const struct api *api, bool has_broker,
		      const struct api_versions_response_api_version *v)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_int(&j, "key", api->key);
	json_out_text(&j, "name", api->name);
	json_out_int(&j, "minVersion", api->min_version);
	json_out_int(&j, "maxVersion", api->max_version);
	json_out_bool(&j, "latestVersionUnstable", api->is_latest_unstable);
	json_out_bool(&j, "onBroker", api->listeners & LISTENER_BROKER);
	json_out_bool(&j, "onController", api->listeners & LISTENER_CONTROLLER);
	if (v) {
		json_out_open(&j, "supported", '{');
		json_out_int(&j, "minVersion", v->min_version);
		json_out_int(&j, "maxVersion", v->max_version);
		json_out_close(&j, '}');
	} else if (has_broker) {
		json_out_null(&j, "supported");
	}
	json_out_close(&j, '}');
	print_byte('\n');
}

static const char *list_where(const struct api *api)
{
	if (api->listeners == (LISTENER_BROKER | LISTENER_CONTROLLER))
		return "broker, controller";
	return api->listeners & LISTENER_BROKER ? "broker" : "controller";
}

static const struct api_versions_response_api_version *
supported_of(const struct api_versions_response *r, int16_t key)
{
	for (int32_t i = 0; r && i < r->api_keys_count; i++) {
		if (r->api_keys[i].api_key == key)
			return &r->api_keys[i];
	}
	return NULL;
}

void api_list_print(struct run *run, enum output_format format,
		    const struct api_versions_response *supported)
{
	static const char *const titles[] = {">KEY", "NAME", "VERSIONS", "LISTENERS", "SUPPORTED"};
	struct grid g;

	grid_init(&g, &run->arena, titles, ARRAY_LEN(titles) - (supported ? 0 : 1));
	for (size_t i = 0; i < wire_api_count; i++) {
		const struct api *api = &wire_apis[i];
		const struct api_versions_response_api_version *v =
			supported_of(supported, api->key);

		if (format == OUTPUT_JSON) {
			list_json(api, supported, v);
			continue;
		}
		grid_add(&g, grid_int(&g, api->key), api->name,
			 range_text(run, api->min_version, api->max_version), list_where(api),
			 v ? range_text(run, v->min_version, v->max_version) : NULL);
	}
	if (format != OUTPUT_JSON)
		grid_print(&g);
}

/* ---- --schema ----------------------------------------------------------------------------- */

struct schema {
	struct run *run;
	struct grid grid;
	int version; /* only what it has; -1: all */
};

static const char *type_name(const struct wire_field *f)
{
	static const char *const names[WIRE_TYPE_COUNT] = {
		"bool",    "int8", "int16",  "uint16", "int32",   "uint32", "int64",
		"float64", "uuid", "string", "bytes",  "records", "struct",
	};

	return names[f->type];
}

static const char *since_text(struct run *run, int since, int until)
{
	if (since > until)
		return NULL;
	return until == WIRE_VERSION_MAX ? arena_printf(&run->arena, "%d+", since)
					 : range_text(run, since, until);
}

static const char *default_text(struct run *run, const struct wire_field *f)
{
	if (f->flags & WIRE_PRESET_NULL)
		return "null";
	if (f->flags & WIRE_ARRAY)
		return "[]";
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: return f->preset ? "true" : "false";
	case WIRE_FLOAT64: return "0";
	case WIRE_UUID: return "zero";
	case WIRE_STRING:
	case WIRE_BYTES:
	case WIRE_RECORDS: return "\"\"";
	case WIRE_STRUCT: return NULL;
	default: return arena_printf(&run->arena, "%" PRId64, f->preset);
	}
}

static const char *field_name(struct run *run, const struct wire_field *f, int depth)
{
	char *name = arena_printf(&run->arena, "%*s%s", depth * 2, "", f->name);

	name[depth * 2] = (char)tolower((unsigned char)name[depth * 2]);
	return name;
}

static bool schema_shows(const struct schema *s, const struct wire_field *f)
{
	return s->version < 0 || wire_field_in(f, (int16_t)s->version);
}

static void schema_rows(struct schema *s, const struct wire_struct *w, int depth)
{
	struct run *run = s->run;

	for (uint16_t i = 0; i < w->field_count; i++) {
		const struct wire_field *f = &w->fields[i];
		const char *tag = NULL;

		if (!schema_shows(s, f))
			continue;
		if (f->tag >= 0)
			tag = f->tagged_since > f->since ? arena_printf(&run->arena, "%d (%d+)",
									f->tag, f->tagged_since)
							 : arena_printf(&run->arena, "%d", f->tag);
		grid_add(&s->grid, field_name(run, f, depth),
			 arena_printf(&run->arena, "%s%s", f->flags & WIRE_ARRAY ? "[]" : "",
				      type_name(f)),
			 since_text(run, f->since, f->until),
			 since_text(run, f->nullable_since, f->nullable_until), tag,
			 default_text(run, f), f->flags & WIRE_IGNORABLE ? "yes" : NULL);
		if (f->type == WIRE_STRUCT)
			schema_rows(s, f->child, depth + 1);
	}
}

static void schema_text(struct run *run, const struct message_desc *m, int version)
{
	static const char *const titles[] = {"FIELD", "TYPE",    "VERSIONS", "NULLABLE",
					     "TAG",   "DEFAULT", "IGNORABLE"};
	struct schema s = {.run = run, .version = version};

	print_text("%s (key %d), versions %s", m->name, m->key,
		   range_text(run, m->min_version, m->max_version));
	if (m->flexible_since != WIRE_VERSION_MAX)
		print_text(", flexible from %d", m->flexible_since);
	if (version >= 0)
		print_text("; version %d", version);
	print_byte('\n');
	grid_init(&s.grid, &run->arena, titles, ARRAY_LEN(titles));
	schema_rows(&s, m->body, 0);
	if (s.grid.row_count)
		grid_print(&s.grid);
	else
		print_text("no fields\n");
}

static void schema_json_fields(struct run *run, struct json_out *j, const struct wire_struct *w,
			       int version)
{
	json_out_open(j, "fields", '[');
	for (uint16_t i = 0; i < w->field_count; i++) {
		const struct wire_field *f = &w->fields[i];

		if (version >= 0 && !wire_field_in(f, (int16_t)version))
			continue;
		json_out_open(j, NULL, '{');
		json_out_text(j, "name", field_name(run, f, 0));
		json_out_text(j, "type",
			      arena_printf(&run->arena, "%s%s", f->flags & WIRE_ARRAY ? "[]" : "",
					   type_name(f)));
		json_out_text(j, "versions", since_text(run, f->since, f->until));
		if (wire_field_ever_null(f))
			json_out_text(j, "nullableVersions",
				      since_text(run, f->nullable_since, f->nullable_until));
		if (f->tag >= 0) {
			json_out_int(j, "tag", f->tag);
			json_out_text(j, "taggedVersions",
				      arena_printf(&run->arena, "%d+", f->tagged_since));
		}
		json_out_text(j, "default", default_text(run, f));
		json_out_bool(j, "ignorable", f->flags & WIRE_IGNORABLE);
		if (f->type == WIRE_STRUCT)
			schema_json_fields(run, j, f->child, version);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void schema_json(struct run *run, const struct message_desc *m, int version)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "name", m->name);
	json_out_int(&j, "key", m->key);
	json_out_int(&j, "minVersion", m->min_version);
	json_out_int(&j, "maxVersion", m->max_version);
	if (m->flexible_since == WIRE_VERSION_MAX)
		json_out_null(&j, "flexibleSince");
	else
		json_out_int(&j, "flexibleSince", m->flexible_since);
	schema_json_fields(run, &j, m->body, version);
	json_out_close(&j, '}');
	print_byte('\n');
}

void api_schema_print(struct run *run, const struct api *api, int version,
		      enum output_format format)
{
	if (format == OUTPUT_JSON) {
		schema_json(run, api->request, version);
		schema_json(run, api->response, version);
		return;
	}
	schema_text(run, api->request, version);
	print_byte('\n');
	schema_text(run, api->response, version);
}

/* ---- --template --------------------------------------------------------------------------- */

/* One element in every array, so that its fields are seen. */
static void template_fill(struct arena *a, const struct wire_struct *w, int16_t version, void *ptr)
{
	for (uint16_t i = 0; i < w->field_count; i++) {
		const struct wire_field *f = &w->fields[i];
		char *at = (char *)ptr + f->at;
		void *child;
		int32_t one = 1;

		if (!wire_field_in(f, version))
			continue;
		if (f->type == WIRE_STRUCT && !(f->flags & (WIRE_ARRAY | WIRE_POINTER))) {
			template_fill(a, f->child, version, at);
			continue;
		}
		if (!(f->flags & (WIRE_ARRAY | WIRE_POINTER)))
			continue;
		child = f->type == WIRE_STRUCT ? wire_array_new(f->child, a, 1)
					       : arena_zalloc(a, wire_value_size(f));
		if (f->type == WIRE_STRUCT)
			template_fill(a, f->child, version, child);
		memcpy(at, &child, sizeof(child));
		if (f->flags & WIRE_ARRAY)
			memcpy((char *)ptr + f->count_at, &one, sizeof(one));
	}
}

int api_template_print(struct run *run, const struct api *api, int16_t version,
		       enum output_format format, struct err *err)
{
	void *request = message_new(api->request, &run->arena);
	json_t *json;

	template_fill(&run->arena, api->request->body, version, request);
	json = message_to_json(api->request, version, request, WIRE_JSON_RECORDS, err);
	if (!json)
		return err->code;
	api_print_json(json, format);
	return 0;
}
