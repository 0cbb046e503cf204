/* Quotas of users, client ids and addresses. */
#include "cmd/argparse.h"
#include "cmd/configs/configs_int.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/number_text.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };

static const char *const client_quotas[] = {
	"producer_byte_rate",
	"consumer_byte_rate",
	"request_percentage",
	"controller_mutation_rate",
	NULL,
};
static const char *const ip_quotas[] = {"connection_creation_rate", NULL};

static bool word_is_one(struct str word, const char *const *words)
{
	for (; *words; words++) {
		if (str_is(word, *words))
			return true;
	}
	return false;
}

/* ---- Describe ----------------------------------------------------------------------------- */

static int quota_read(struct configs *c, struct describe_client_quotas_response **out,
		      struct err *err)
{
	struct describe_client_quotas_request *request =
		WIRE_NEW(c->arena, describe_client_quotas_request);
	const struct entities *e = &c->entities;
	int rc;

	request->components =
		WIRE_ARRAY(c->arena, describe_client_quotas_request_component_data, e->type_count);
	request->components_count = (int32_t)e->type_count;
	request->strict = true;
	for (unsigned i = 0; i < e->type_count; i++) {
		struct describe_client_quotas_request_component_data *to = &request->components[i];

		to->entity_type = str_of(e->types[i]->quota);
		to->match = STR_NULL;
		to->match_type = MATCH_ANY;
		if (i < e->name_count && e->names[i].len == 0) {
			to->match_type = MATCH_DEFAULT;
		} else if (i < e->name_count) {
			to->match_type = MATCH_EXACT;
			to->match = e->names[i];
		}
	}
	rc = client_call(c->client, TO_ANY, API_DESCRIBE_CLIENT_QUOTAS, request, c->arena,
			 (void **)out, NULL, err);
	if (rc == 0 && (*out)->error_code != KERR_NONE)
		return kafka_error_set(err, (*out)->error_code, (*out)->error_message);
	return rc;
}

/* Its name among the entry's: *found tells whether it is there at all, null is the default. */
static struct str entry_name(const struct describe_client_quotas_response_entry_data *entry,
			     const char *quota, bool *found)
{
	for (int32_t i = 0; i < entry->entity_count; i++) {
		*found = str_is(entry->entity[i].entity_type, quota);
		if (*found)
			return entry->entity[i].entity_name;
	}
	*found = false;
	return STR_NULL;
}

static const struct {
	const char *quota, *text, *json;
} quota_kinds[] = {
	{"user", "user-principal", "user"},
	{"client-id", "client-id", "clientId"},
	{"ip", "ip", "ip"},
};

static const char *double_text(struct arena *a, double value)
{
	char text[NUMBER_TEXT_MAX];
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return arena_strdup(a, number_text_double(bits, text));
}

/* "user-principal 'alice', client-id 'c1'" */
static const char *entry_text(struct arena *a,
			      const struct describe_client_quotas_response_entry_data *entry)
{
	const char *text = "";

	for (unsigned k = 0; k < ARRAY_LEN(quota_kinds); k++) {
		bool found;
		struct str name = entry_name(entry, quota_kinds[k].quota, &found);
		const char *comma = *text ? ", " : "";

		if (!found)
			continue;
		if (str_is_null(name))
			text = arena_printf(a, "%s%sthe default %s", text, comma,
					    quota_kinds[k].text);
		else
			text = arena_printf(a, "%s%s%s '%.*s'", text, comma, quota_kinds[k].text,
					    STR(name));
	}
	return text;
}

static void quota_print(struct configs *c,
			const struct describe_client_quotas_response_entry_data *entry)
{
	print_text("Quota configs for %s are ", entry_text(c->arena, entry));
	for (int32_t i = 0; i < entry->values_count; i++)
		print_text("%s%.*s=%s", i ? ", " : "", STR(entry->values[i].key),
			   double_text(c->arena, entry->values[i].value));
	print_byte('\n');
}

static void quota_print_json(const struct describe_client_quotas_response_entry_data *entry)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "entityType", "quota");
	json_out_open(&j, "entity", '{');
	for (unsigned k = 0; k < ARRAY_LEN(quota_kinds); k++) {
		bool found;
		struct str name = entry_name(entry, quota_kinds[k].quota, &found);

		if (found)
			json_out_str(&j, quota_kinds[k].json, name);
	}
	json_out_close(&j, '}');
	json_out_open(&j, "quotas", '{');
	for (int32_t i = 0; i < entry->values_count; i++) {
		char key[128];

		snprintf(key, sizeof(key), "%.*s", STR(entry->values[i].key));
		json_out_double(&j, key, entry->values[i].value);
	}
	json_out_close(&j, '}');
	json_out_close(&j, '}');
	print_byte('\n');
}

static int value_cmp(const void *a, const void *b)
{
	const struct describe_client_quotas_response_value_data *x = a, *y = b;

	return str_cmp(x->key, y->key);
}

int quota_describe(struct configs *c, struct err *err)
{
	struct describe_client_quotas_response *response;
	int rc = quota_read(c, &response, err);

	for (int32_t i = 0; rc == 0 && i < response->entries_count; i++) {
		const struct describe_client_quotas_response_entry_data *entry =
			&response->entries[i];

		qsort(entry->values, (size_t)entry->values_count, sizeof(*entry->values),
		      value_cmp);
		if (c->format == OUTPUT_JSON)
			quota_print_json(entry);
		else if (c->format == OUTPUT_TEXT)
			quota_print(c, entry);
		for (int32_t v = 0; c->format == OUTPUT_TABLE && v < entry->values_count; v++)
			grid_add(&c->grid, "quota", entry_text(c->arena, entry),
				 str_dup(c->arena, entry->values[v].key).data,
				 double_text(c->arena, entry->values[v].value), "-");
	}
	return rc;
}

/* ---- Alter -------------------------------------------------------------------------------- */

/* How a list begins: in Apache's messages as its tool's language prints it. */
static const char *quota_list(const struct configs *c, bool deletes)
{
	if (!c->run->is_apache)
		return "(";
	return deletes ? "ArrayBuffer(" : "Set(";
}

/* Names that are no quotas of this kind of entity, "[a, b]". */
static int quota_check_names(const struct configs *c, const struct changes *changes, bool deletes,
			     struct err *err)
{
	bool is_ip = entities_have_type(&c->entities, "ips");
	bool is_client = entities_have_type(&c->entities, "clients");
	const char *const *known = is_ip ? ip_quotas : client_quotas;
	struct out names;
	int rc = 0;

	out_init(&names, ERR_TEXT_MAX / 2);
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];

		if ((is_ip || change->is_delete == deletes) && !word_is_one(change->name, known) &&
		    (is_ip || is_client || !scram_is_mechanism(change->name)))
			out_printf(&names, "%s%.*s", names.len ? is_ip ? "," : ", " : "",
				   STR(change->name));
	}
	if (names.len > 0)
		rc = err_set(err, E_INVALID,
			     "Only %s configs can be %s for '%s' using --bootstrap-server. "
			     "Unexpected config names: %s%.*s%s",
			     is_ip       ? "connection quota"
			     : is_client ? "quota"
					 : "quota and SCRAM credential",
			     deletes ? "deleted" : "added",
			     is_ip       ? "ips"
			     : is_client ? "clients"
					 : "users",
			     is_ip ? "" : quota_list(c, deletes), (int)names.len,
			     (const char *)names.data, is_ip ? "" : ")");
	out_fini(&names);
	return rc;
}

/* A quota that is not there cannot be deleted. */
static int quota_check_deletions(struct configs *c, const struct changes *changes, struct err *err)
{
	struct describe_client_quotas_response *response;
	struct out missing;
	int rc = quota_read(c, &response, err);

	if (rc < 0)
		return rc;
	out_init(&missing, ERR_TEXT_MAX / 2);
	for (size_t i = 0; i < changes->count; i++) {
		bool found = !changes->items[i].is_delete;

		for (int32_t v = 0;
		     !found && response->entries_count > 0 && v < response->entries[0].values_count;
		     v++)
			found = str_eq(response->entries[0].values[v].key, changes->items[i].name);
		if (!found)
			out_printf(&missing, "%s%.*s", missing.len ? "," : "",
				   STR(changes->items[i].name));
	}
	if (missing.len > 0)
		rc = err_set(err, E_INVALID, "Invalid config(s): %.*s", (int)missing.len,
			     (const char *)missing.data);
	out_fini(&missing);
	return rc;
}

static int quota_op(struct configs *c, const struct change *change,
		    struct alter_client_quotas_request_op_data *op, struct err *err)
{
	char *text = arena_strndup(c->arena, change->value.data, change->value.len), *end;

	op->key = change->name;
	op->remove = change->is_delete;
	if (change->is_delete)
		return 0;
	op->value = strtod(text, &end);
	while (isspace((unsigned char)*end))
		end++;
	if (end == text || *end)
		return err_set(err, E_INVALID,
			       "Cannot parse quota configuration value for %.*s: %s",
			       STR(change->name), text);
	return 0;
}

int quota_alter(struct configs *c, const struct changes *changes, struct err *err)
{
	struct alter_client_quotas_request *request =
		WIRE_NEW(c->arena, alter_client_quotas_request);
	struct alter_client_quotas_request_entry_data *entry =
		WIRE_ARRAY(c->arena, alter_client_quotas_request_entry_data, 1);
	struct alter_client_quotas_response *response;
	const struct entities *e = &c->entities;
	int rc = quota_check_names(c, changes, false, err);

	if (rc == 0)
		rc = quota_check_names(c, changes, true, err);
	if (rc == 0 && e->type_count == 1 && entities_have_type(e, "users")) {
		for (size_t i = 0; i < changes->count; i++) {
			if (scram_is_mechanism(changes->items[i].name))
				return scram_alter(c, changes, err);
		}
	}
	if (rc == 0 && e->type_count != e->name_count)
		rc = err_set(err, E_INVALID,
			     "Exactly one entity name must be specified for every entity type");
	if (rc == 0)
		rc = quota_check_deletions(c, changes, err);
	if (rc < 0)
		return rc;
	request->entries = entry;
	request->entries_count = 1;
	entry->entity =
		WIRE_ARRAY(c->arena, alter_client_quotas_request_entity_data, e->type_count);
	entry->entity_count = (int32_t)e->type_count;
	for (unsigned i = 0; i < e->type_count; i++) {
		entry->entity[i].entity_type = str_of(e->types[i]->quota);
		entry->entity[i].entity_name = e->names[i].len ? e->names[i] : STR_NULL;
	}
	entry->ops = WIRE_ARRAY(c->arena, alter_client_quotas_request_op_data, changes->count);
	entry->ops_count = (int32_t)changes->count;
	for (size_t i = 0; rc == 0 && i < changes->count; i++)
		rc = quota_op(c, &changes->items[i], &entry->ops[i], err);
	if (rc == 0)
		rc = client_call(c->client, argparse_target(&c->args->cluster),
				 API_ALTER_CLIENT_QUOTAS, request, c->arena,
				 (void **)&response, NULL, err);
	for (int32_t i = 0; rc == 0 && i < response->entries_count; i++) {
		if (response->entries[i].error_code != KERR_NONE)
			rc = kafka_error_set(err, response->entries[i].error_code,
					     response->entries[i].error_message);
	}
	return rc;
}
