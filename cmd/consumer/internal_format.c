#include "cmd/consumer/internal_format.h"
#include "cmd/print.h"

#include "wire/json.h"

#include <stdlib.h>

static const struct internal_type {
	enum formatter_kind kind;
	int16_t type;
	const struct message_desc *key, *value;
} internal_types[] = {
	{FORMAT_OFFSETS, 0, &legacy_offset_commit_key_desc, &legacy_offset_commit_value_desc},
	{FORMAT_OFFSETS, 1, &offset_commit_key_desc, &offset_commit_value_desc},
	{FORMAT_GROUP_METADATA, 2, &group_metadata_key_desc, &group_metadata_value_desc},
	{FORMAT_SHARE_GROUP, 10, &share_group_member_metadata_key_desc,
	 &share_group_member_metadata_value_desc},
	{FORMAT_SHARE_GROUP, 11, &share_group_metadata_key_desc, &share_group_metadata_value_desc},
	{FORMAT_SHARE_GROUP, 12, &share_group_target_assignment_metadata_key_desc,
	 &share_group_target_assignment_metadata_value_desc},
	{FORMAT_SHARE_GROUP, 13, &share_group_target_assignment_member_key_desc,
	 &share_group_target_assignment_member_value_desc},
	{FORMAT_SHARE_GROUP, 14, &share_group_current_member_assignment_key_desc,
	 &share_group_current_member_assignment_value_desc},
	{FORMAT_SHARE_GROUP, 15, &share_group_state_partition_metadata_key_desc,
	 &share_group_state_partition_metadata_value_desc},
	{FORMAT_TRANSACTIONS, 0, &transaction_log_key_desc, &transaction_log_value_desc},
	{FORMAT_SHARE_STATE, 0, &share_snapshot_key_desc, &share_snapshot_value_desc},
	{FORMAT_SHARE_STATE, 1, &share_update_key_desc, &share_update_value_desc},
};

static const char *const transaction_states[] = {
	"Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
	"CompleteCommit", "CompleteAbort", "Dead",          "PrepareEpochFence",
};

/* Key or value: the int16 at its head is the type or version. NULL with `err` set. */
static json_t *internal_part(const struct message_desc *m, const char *label, int16_t type,
			     int16_t version, struct slice bytes, struct err *err)
{
	struct slice body = {.data = bytes.data + 2, .len = bytes.len - 2};
	struct arena a;
	json_t *json = NULL;
	void *msg;

	arena_init(&a);
	msg = message_new(m, &a);
	if (message_decode(m, version, body, NULL, &a, msg, err) == 0)
		json = message_to_json(m, version, msg, 0, err);
	arena_fini(&a);
	if (!json)
		return NULL;
	return json_pack("{s:i,s:o}", label, type, "data", json);
}

/* The number of a transaction's state becomes its name. */
static void internal_name_state(json_t *value)
{
	json_t *data = json_object_get(value, "data");
	json_int_t state = json_integer_value(json_object_get(data, "transactionStatus"));
	char number[16];

	if (state >= 0 && state < (json_int_t)ARRAY_LEN(transaction_states)) {
		json_object_set_new(data, "transactionStatus",
				    json_string(transaction_states[state]));
	} else {
		snprintf(number, sizeof(number), "%d", (int)state);
		json_object_set_new(data, "transactionStatus", json_string(number));
	}
}

static int internal_print(const struct internal_type *t, bool ends_line, const struct record *r,
			  struct err *err)
{
	json_t *key, *value, *whole;
	char *text;

	key = internal_part(t->key, "type", t->type, 0, r->key, err);
	if (!key)
		return err->code;
	if (!r->value.data) {
		value = json_null();
	} else if (r->value.len < 2) {
		json_decref(key);
		return err_set(err, E_MALFORMED, "value is too short");
	} else {
		int16_t version = (int16_t)be16(r->value.data);

		value = internal_part(t->value, "version", version, version, r->value, err);
		if (!value) {
			json_decref(key);
			return err->code;
		}
		if (t->kind == FORMAT_TRANSACTIONS && ends_line)
			internal_name_state(value);
	}
	whole = json_pack("{s:o,s:o}", "key", key, "value", value);
	text = json_dumps(whole, JSON_COMPACT);
	print_text(ends_line ? "%s\n" : "%s", text);
	free(text);
	json_decref(whole);
	return 0;
}

int internal_format(const struct formatter *f, const struct record *r, struct err *err)
{
	struct err why = {0};

	if (!r->key.data || r->key.len < 2)
		return 0;
	for (unsigned i = 0; i < ARRAY_LEN(internal_types); i++) {
		const struct internal_type *t = &internal_types[i];
		int rc;

		if (t->kind != f->kind || t->type != (int16_t)be16(r->key.data))
			continue;
		rc = internal_print(t, f->ends_lines, r, &why);
		if (rc < 0)
			return err_set(err, E_MALFORMED,
				       "Could not read record at offset %lld due to: %s",
				       (long long)r->offset, err_message(&why));
		return 0;
	}
	return 0;
}
