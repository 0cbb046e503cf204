#include "cmd/dump/decoder.h"
#include "cmd/dump/json_text.h"
#include "cmd/dump/remote_text.h"
#include "cmd/utf8.h"

#include "wire/json.h"
#include "wire/record_frame.h"
#include "wire/varint.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_BYTES_MAX (SIZE_MAX / 2)

void decoder_init(struct decoder *d, enum decoder_kind kind)
{
	*d = (struct decoder){.kind = kind};
	arena_init(&d->scratch);
	out_init(&d->key, TEXT_BYTES_MAX);
	out_init(&d->value, TEXT_BYTES_MAX);
}

void decoder_fini(struct decoder *d)
{
	arena_fini(&d->scratch);
	out_fini(&d->key);
	out_fini(&d->value);
}

int decoder_class_parse(const char *name, enum decoder_class *out, struct err *err)
{
	static const char *const names[] = {[CLASS_STRING] = "StringDecoder",
					    [CLASS_DEFAULT] = "DefaultDecoder",
					    [CLASS_INTEGER] = "IntegerDecoder",
					    [CLASS_LONG] = "LongDecoder"};
	const char *dot = name ? strrchr(name, '.') : NULL;
	const char *simple = dot ? dot + 1 : name;

	*out = CLASS_STRING;
	for (unsigned i = 0; simple && i < ARRAY_LEN(names); i++) {
		if (strcmp(simple, names[i]) == 0) {
			*out = (enum decoder_class)i;
			return 0;
		}
	}
	return simple ? err_set(err, E_INVALID,
				"Failed to load decoder class %s (known: "
				"StringDecoder, DefaultDecoder, IntegerDecoder, LongDecoder)",
				name)
		      : 0;
}

static struct str out_str(const struct out *o)
{
	return (struct str){o->data ? (const char *)o->data : "", o->len};
}

/* ---- By class ------------------------------------------------------------------------------ */

static int class_decode(enum decoder_class as, struct slice bytes, struct out *text,
			struct err *err)
{
	size_t size = as == CLASS_INTEGER ? 4 : 8;

	if (as == CLASS_STRING || as == CLASS_DEFAULT) {
		utf8_repair(text, (struct str){(const char *)bytes.data, bytes.len});
		return 0;
	}
	/* Apache's decoders read the first bytes, however many there are. */
	if (bytes.len < size)
		return err_set(err, E_MALFORMED, "%zu bytes are too few for %sDecoder", bytes.len,
			       as == CLASS_INTEGER ? "Integer" : "Long");
	if (as == CLASS_INTEGER)
		out_printf(text, "%d", (int32_t)be32(bytes.data));
	else
		out_printf(text, "%" PRId64, (int64_t)be64(bytes.data));
	return 0;
}

/* ---- Coordinators' records ------------------------------------------------------------------ */

/* {"NAME":"NUMBER","data":{...}} */
static int framed_json(struct out *text, const char *name, int number, json_t *data)
{
	out_printf(text, "{\"%s\":\"%d\",\"data\":", name, number);
	json_text(text, data);
	out_byte(text, '}');
	json_decref(data);
	return 0;
}

/* What the members of a consumer group said, in place of the bytes of it. */
static void member_open(json_t *member, const char *field, struct slice bytes,
			const struct message_desc *m, struct arena *a)
{
	struct slice body = {.data = bytes.data + 2, .len = bytes.len - 2};
	int16_t version;
	size_t used;
	json_t *json;
	void *msg;

	if (bytes.len < 2)
		return;
	version = (int16_t)be16(bytes.data);
	msg = arena_alloc(a, m->body->size);
	if (message_decode(m, version, body, &used, a, msg, NULL) < 0)
		return;
	json = message_to_json(m, version, msg, 0, NULL);
	if (json)
		json_object_set_new(member, field, json);
}

static void group_open(json_t *json, const struct group_metadata_value *group, struct arena *a)
{
	json_t *members = json_object_get(json, "members");

	if (!str_is(group->protocol_type, "consumer"))
		return;
	for (int32_t i = 0; i < group->members_count; i++) {
		const struct group_metadata_value_member_metadata *m = &group->members[i];
		json_t *member = json_array_get(members, (size_t)i);

		member_open(member, "subscription", m->subscription,
			    &consumer_protocol_subscription_desc, a);
		member_open(member, "assignment", m->assignment, &consumer_protocol_assignment_desc,
			    a);
	}
}

static int coordinator_read(struct decoder *d, enum record_family family, const struct record *r,
			    struct err *err)
{
	const struct record_type *type;
	int16_t version;
	json_t *json;
	void *msg;
	int rc;

	rc = coordinator_key_decode(family, r->key, &d->scratch, &type, &msg, err);
	if (rc < 0)
		return rc;
	json = message_to_json(type->key, 0, msg, 0, err);
	if (!json)
		return err->code;
	framed_json(&d->key, "type", type->type, json);
	if (!r->value.data) {
		out_text(&d->value, "<DELETE>");
		return 0;
	}
	rc = versioned_decode(type->value, r->value, &d->scratch, &version, &msg, err);
	if (rc < 0)
		return rc;
	json = message_to_json(type->value, version, msg, 0, err);
	if (!json)
		return err->code;
	if (type->value == &group_metadata_value_desc)
		group_open(json, msg, &d->scratch);
	return framed_json(&d->value, "version", version, json);
}

static int coordinator_decode(struct decoder *d, enum record_family family, const struct record *r,
			      struct decoded *out, struct err *err)
{
	struct err why = {0};

	if (!r->key.data)
		return err_set(err, E_MALFORMED,
			       "Failed to decode message at offset %" PRId64
			       " using the specified decoder (message had a missing key)",
			       r->offset);
	if (coordinator_read(d, family, r, &why) < 0) {
		int type = r->key.len < 2 ? -1 : (int16_t)be16(r->key.data);

		out_reset(&d->key);
		if (r->key.len >= 2 && !record_type_by_number(family, type))
			out_printf(&d->key,
				   "Unknown record type %d at offset %" PRId64 ", skipping.", type,
				   r->offset);
		else
			out_printf(&d->key, "Error at offset %" PRId64 ", skipping. %s", r->offset,
				   err_message(&why));
		out->key = out_str(&d->key);
		return 0;
	}
	out->key = out_str(&d->key);
	out->value = out_str(&d->value);
	out->key_is_json = true;
	out->value_is_json = r->value.data != NULL;
	return 0;
}

/* ---- Records of the metadata logs ----------------------------------------------------------- */

static int metadata_read(struct decoder *d, enum record_family family, const struct record *r,
			 struct err *err)
{
	const struct record_type *type;
	uint32_t frame;
	int16_t version;
	json_t *json;
	void *msg;
	int rc;

	if (!r->value.data)
		return err_set(err, E_MALFORMED, "the record has no value");
	if (uvarint_read(&frame, r->value.data, r->value.len) > 0 && frame != 1)
		return err_set(err, E_MALFORMED,
			       "Could not deserialize metadata record due to "
			       "unknown frame version %u(only frame version 1 is supported)",
			       frame);
	rc = metadata_record_decode(family, r->value, &d->scratch, &type, &version, &msg, err);
	if (rc < 0)
		return rc;
	if (family == RECORDS_STORAGE) {
		remote_text(&d->value, type->value, msg);
		return 0;
	}
	json = message_to_json(type->value, version, msg, 0, err);
	if (!json)
		return err->code;
	out_printf(&d->value, "{\"type\":\"%s\",\"version\":%d,\"data\":", type->constant, version);
	json_text(&d->value, json);
	out_byte(&d->value, '}');
	json_decref(json);
	return 0;
}

static void metadata_decode(struct decoder *d, enum record_family family, const struct record *r,
			    struct decoded *out)
{
	struct err why = {0};

	out->value_is_json = family == RECORDS_METADATA;
	if (metadata_read(d, family, r, &why) < 0) {
		out_reset(&d->value);
		out_printf(&d->value, "Error at %s%" PRId64 ", skipping. %s",
			   family == RECORDS_STORAGE ? "offset " : "", r->offset,
			   err_message(&why));
		out->value_is_json = false;
	}
	out->value = out_str(&d->value);
}

static int bytes_decode(struct decoder *d, const struct record *r, struct decoded *out,
			struct err *err)
{
	int rc = 0;

	if (r->key.data) {
		rc = class_decode(d->key_class, r->key, &d->key, err);
		out->key = out_str(&d->key);
	}
	if (rc == 0 && r->value.data) {
		rc = class_decode(d->value_class, r->value, &d->value, err);
		out->value = out_str(&d->value);
	}
	return rc;
}

int decoder_decode(struct decoder *d, const struct record *r, struct decoded *out, struct err *err)
{
	*out = (struct decoded){0};
	out_reset(&d->key);
	out_reset(&d->value);
	if (d->scratch.total_bytes > 0)
		arena_reset(&d->scratch);
	switch (d->kind) {
	case DECODE_BYTES: return bytes_decode(d, r, out, err);
	case DECODE_OFFSETS: return coordinator_decode(d, RECORDS_GROUP, r, out, err);
	case DECODE_TRANSACTIONS: return coordinator_decode(d, RECORDS_TXN, r, out, err);
	case DECODE_SHARE: return coordinator_decode(d, RECORDS_SHARE, r, out, err);
	case DECODE_METADATA: metadata_decode(d, RECORDS_METADATA, r, out); return 0;
	case DECODE_REMOTE: metadata_decode(d, RECORDS_STORAGE, r, out); return 0;
	}
	return 0;
}

/* ---- Control records ------------------------------------------------------------------------ */

static const struct {
	enum control_type type;
	const char *title;
	const struct message_desc *desc;
} control_messages[] = {
	{CONTROL_LEADER_CHANGE, "LeaderChange:", &leader_change_message_desc},
	{CONTROL_SNAPSHOT_HEADER, "SnapshotHeader", &snapshot_header_record_desc},
	{CONTROL_SNAPSHOT_FOOTER, "SnapshotFooter", &snapshot_footer_record_desc},
	{CONTROL_KRAFT_VERSION, "KRaftVersion", &kraft_version_record_desc},
	{CONTROL_KRAFT_VOTERS, "KRaftVoters", &voters_record_desc},
};

/* All of them begin with the version that they are printed in; they are read as version 0. */
static int control_message(struct decoder *d, const char *title, const struct message_desc *m,
			   struct slice value, struct err *err)
{
	int16_t version = value.len >= 2 ? (int16_t)be16(value.data) : 0;
	void *msg = arena_alloc(&d->scratch, m->body->size);
	json_t *json;
	size_t used;
	int rc;

	rc = message_decode(m, 0, value, &used, &d->scratch, msg, err);
	if (rc < 0)
		return rc;
	json = message_to_json(m, message_has_version(m, version) ? version : 0, msg, 0, err);
	if (!json)
		return err->code;
	out_printf(&d->value, " %s ", title);
	json_text(&d->value, json);
	json_decref(json);
	return 0;
}

int control_text(struct decoder *d, const struct record *r, struct str *out, struct err *err)
{
	int type = control_record_type(r), rc = 0;
	enum control_type marker;
	int32_t coordinator_epoch;
	bool is_known = false;

	out_reset(&d->value);
	if (d->scratch.total_bytes > 0)
		arena_reset(&d->scratch);
	if (type < 0)
		return err_set(err, E_MALFORMED,
			       "the key of the control record at offset %" PRId64 " is malformed",
			       r->offset);
	if (type == CONTROL_ABORT || type == CONTROL_COMMIT) {
		rc = control_marker_parse(r, &marker, &coordinator_epoch);
		if (rc < 0)
			return err_set(err, rc, "the marker at offset %" PRId64 " is malformed",
				       r->offset);
		out_printf(&d->value, " endTxnMarker: %s coordinatorEpoch: %d",
			   marker == CONTROL_COMMIT ? "COMMIT" : "ABORT", coordinator_epoch);
		is_known = true;
	}
	for (unsigned i = 0; i < ARRAY_LEN(control_messages); i++) {
		if (control_messages[i].type != (enum control_type)type)
			continue;
		rc = control_message(d, control_messages[i].title, control_messages[i].desc,
				     r->value, err);
		is_known = true;
	}
	if (!is_known)
		out_printf(&d->value, " controlType: UNKNOWN(%d)", type);
	*out = out_str(&d->value);
	return rc;
}
