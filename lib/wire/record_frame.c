#include "wire/record_frame.h"

#include "wire/varint.h"

#define METADATA_FRAME_VERSION 1

const struct record_type *record_type_by_number(enum record_family family, int type)
{
	for (size_t i = 0; i < wire_record_type_count; i++) {
		const struct record_type *t = &wire_record_types[i];

		if (t->family == family && t->type == type)
			return t;
	}
	return NULL;
}

const struct record_type *record_type_by_constant(enum record_family family, struct str constant)
{
	for (size_t i = 0; i < wire_record_type_count; i++) {
		const struct record_type *t = &wire_record_types[i];

		if (t->family == family && str_is(constant, t->constant))
			return t;
	}
	return NULL;
}

static struct slice slice_skip(struct slice s, size_t len)
{
	assert(len <= s.len);
	return (struct slice){s.buf, s.data + len, s.len - len};
}

int metadata_record_encode(const struct message_desc *m, int16_t version, const void *record,
			   struct out *out, struct err *err)
{
	uint8_t frame[3 * UVARINT_BYTES_MAX];
	size_t len = 0;

	assert(m->key >= 0);
	len += (size_t)uvarint_write(frame + len, METADATA_FRAME_VERSION);
	len += (size_t)uvarint_write(frame + len, (uint32_t)m->key);
	len += (size_t)uvarint_write(frame + len, (uint32_t)version);
	out_bytes(out, frame, len);
	return message_encode(m, version, record, out, NULL, err);
}

/* Reads one of the varints in front of a metadata record, and goes behind it. */
static int frame_number(struct slice *bytes, uint32_t *number, const char *what, struct err *err)
{
	int used = uvarint_read(number, bytes->data, bytes->len);

	if (used <= 0)
		return err_set(err, used ? E_MALFORMED : E_SHORT, "metadata record: bad %s", what);
	*bytes = slice_skip(*bytes, (size_t)used);
	return 0;
}

int metadata_record_decode(enum record_family family, struct slice bytes, struct arena *arena,
			   const struct record_type **type, int16_t *version, void **record,
			   struct err *err)
{
	uint32_t frame, number, body_version;
	int rc;

	rc = frame_number(&bytes, &frame, "frame version", err);
	if (rc < 0)
		return rc;
	if (frame != METADATA_FRAME_VERSION)
		return err_set(err, E_UNSUPPORTED, "metadata record: frame version %u is unknown",
			       frame);
	rc = frame_number(&bytes, &number, "type", err);
	if (rc < 0)
		return rc;
	rc = frame_number(&bytes, &body_version, "version", err);
	if (rc < 0)
		return rc;
	*type = number <= INT16_MAX ? record_type_by_number(family, (int)number) : NULL;
	if (!*type)
		return err_set(err, E_UNSUPPORTED, "metadata record: type %u is unknown", number);
	if (body_version > INT16_MAX)
		return err_set(err, E_UNSUPPORTED, "%s: version %u is not supported",
			       (*type)->value->name, body_version);
	*version = (int16_t)body_version;
	*record = arena_alloc(arena, (*type)->value->body->size);
	return message_decode((*type)->value, *version, bytes, NULL, arena, *record, err);
}

int coordinator_key_encode(const struct message_desc *m, const void *key, struct out *out,
			   struct err *err)
{
	uint8_t type[2];

	assert(m->key >= 0);
	put_be16(type, (uint16_t)m->key);
	out_bytes(out, type, sizeof(type));
	return message_encode(m, 0, key, out, NULL, err);
}

int coordinator_key_decode(enum record_family family, struct slice bytes, struct arena *arena,
			   const struct record_type **type, void **key, struct err *err)
{
	int number;

	if (bytes.len < 2)
		return err_set(err, E_SHORT, "coordinator key: ends too early");
	number = (int16_t)be16(bytes.data);
	*type = record_type_by_number(family, number);
	if (!*type || !(*type)->key)
		return err_set(err, E_UNSUPPORTED, "coordinator key: type %d is unknown", number);
	*key = arena_alloc(arena, (*type)->key->body->size);
	return message_decode((*type)->key, 0, slice_skip(bytes, 2), NULL, arena, *key, err);
}

int versioned_encode(const struct message_desc *m, int16_t version, const void *msg,
		     struct out *out, struct err *err)
{
	uint8_t prefix[2];

	put_be16(prefix, (uint16_t)version);
	out_bytes(out, prefix, sizeof(prefix));
	return message_encode(m, version, msg, out, NULL, err);
}

int versioned_decode(const struct message_desc *m, struct slice bytes, struct arena *arena,
		     int16_t *version, void **msg, struct err *err)
{
	if (bytes.len < 2)
		return err_set(err, E_SHORT, "%s: ends too early", m->name);
	*version = (int16_t)be16(bytes.data);
	*msg = arena_alloc(arena, m->body->size);
	return message_decode(m, *version, slice_skip(bytes, 2), NULL, arena, *msg, err);
}

int versioned_decode_lenient(const struct message_desc *m, struct slice bytes, struct arena *arena,
			     int16_t *version, void **msg, struct err *err)
{
	size_t used;

	if (bytes.len < 2)
		return err_set(err, E_SHORT, "%s: ends too early", m->name);
	*version = (int16_t)be16(bytes.data);
	*msg = arena_alloc(arena, m->body->size);
	return message_decode(m, MIN(*version, m->max_version), slice_skip(bytes, 2), &used, arena,
			      *msg, err);
}
