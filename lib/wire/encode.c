/* Messages to bytes. One walk serves both writing and sizing: without an `out` it only counts. */
#include "wire/codec_int.h"
#include "wire/varint.h"

struct writer {
	struct out *out;		/* NULL: count only */
	struct wire_parts *parts;	/* NULL: records are copied */
	size_t count;			/* bytes so far, when counting */
	int16_t version;
	bool is_flexible;
	struct wire_path path;
	struct err *err;
	uint8_t scratch[16];		/* where small writes go when there is no room */
};

static int write_struct(struct writer *w, const struct wire_struct *s, const void *ptr);

static int writer_fail(struct writer *w, int code, const char *what)
{
	return wire_path_fail(&w->path, NO_POS, w->err, code, what);
}

/* Room for a small value, which counts as written. */
static inline uint8_t *writer_room(struct writer *w, size_t len)
{
	uint8_t *room;

	assert_slow(len <= sizeof(w->scratch));
	w->count += len;
	if (!w->out)
		return w->scratch;
	room = out_reserve(w->out, len);
	if (!room)
		return w->scratch;
	w->out->len += len;
	return room;
}

static void write_uvarint(struct writer *w, uint32_t value)
{
	uint8_t bytes[UVARINT_BYTES_MAX];
	size_t len = (size_t)uvarint_write(bytes, value);

	memcpy(writer_room(w, len), bytes, len);
}

/* A length or count of either form; -1 is null. `narrow` is int16 for strings. */
static void write_length(struct writer *w, const struct wire_field *f, bool narrow, int64_t length)
{
	if (w->is_flexible && !(f->flags & WIRE_INFLEXIBLE))
		write_uvarint(w, (uint32_t)(length + 1));
	else if (narrow)
		put_be16(writer_room(w, 2), (uint16_t)length);
	else
		put_be32(writer_room(w, 4), (uint32_t)length);
}

static void write_part(struct writer *w, struct slice records)
{
	struct wire_parts *parts = w->parts;
	struct wire_part *items;

	if (parts->count == parts->cap) {
		parts->cap = MAX(parts->cap * 2, (size_t)8);
		items = arena_array(parts->arena, parts->cap, sizeof(*items));
		if (parts->count)
			memcpy(items, parts->items, parts->count * sizeof(*items));
		parts->items = items;
	}
	parts->items[parts->count++] = (struct wire_part){w->out->len, records};
	parts->bytes += records.len;
	w->count += records.len;
}

/* Null where the version has no null: what never can be null is written as empty. */
static int check_null(struct writer *w, const struct wire_field *f, bool is_element, bool *as_empty)
{
	*as_empty = is_element || !wire_field_ever_null(f);
	if (*as_empty || wire_field_nullable(f, w->version))
		return 0;
	return writer_fail(w, E_UNSUPPORTED, "cannot be null in this version");
}

static int write_bytes(struct writer *w, const struct wire_field *f, bool is_element,
		       struct slice bytes)
{
	bool is_string = f->type == WIRE_STRING, as_empty = false;
	int rc;

	if (!bytes.data) {
		rc = check_null(w, f, is_element, &as_empty);
		if (rc < 0)
			return rc;
		write_length(w, f, is_string, as_empty ? 0 : -1);
		return 0;
	}
	if (bytes.len > (is_string ? INT16_MAX : INT32_MAX))
		return writer_fail(w, E_INVALID, "is too long");
	write_length(w, f, is_string, (int64_t)bytes.len);
	if (f->type == WIRE_RECORDS && w->parts && bytes.len) {
		write_part(w, bytes);
		return 0;
	}
	w->count += bytes.len;
	if (w->out)
		out_bytes(w->out, bytes.data, bytes.len);
	return 0;
}

static int write_value(struct writer *w, const struct wire_field *f, bool is_element,
		       const void *at)
{
	uint64_t bits;

	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: *writer_room(w, 1) = *(const bool *)at; return 0;
	case WIRE_INT8: *writer_room(w, 1) = *(const uint8_t *)at; return 0;
	case WIRE_INT16:
	case WIRE_UINT16: put_be16(writer_room(w, 2), *(const uint16_t *)at); return 0;
	case WIRE_INT32:
	case WIRE_UINT32: put_be32(writer_room(w, 4), *(const uint32_t *)at); return 0;
	case WIRE_INT64:
	case WIRE_FLOAT64:
		memcpy(&bits, at, sizeof(bits));
		put_be64(writer_room(w, 8), bits);
		return 0;
	case WIRE_UUID: memcpy(writer_room(w, 16), at, 16); return 0;
	case WIRE_STRING: {
		const struct str *s = at;
		return write_bytes(w, f, is_element,
				   (struct slice){NULL, (const uint8_t *)s->data, s->len});
	}
	case WIRE_BYTES:
	case WIRE_RECORDS: return write_bytes(w, f, is_element, *(const struct slice *)at);
	case WIRE_STRUCT: return write_struct(w, f->child, at);
	}
	return 0;
}

static int write_array(struct writer *w, const struct wire_field *f, const void *ptr)
{
	int32_t count = wire_count(f, ptr);
	size_t size = wire_value_size(f);
	int step = w->path.depth - 1;
	bool as_empty = false;
	const char *items;
	int rc;

	memcpy(&items, wire_at(f, ptr), sizeof(items));
	if (count < -1 || (count > 0 && !items))
		return writer_fail(w, E_INVALID, "has a wrong count");
	if (count < 0) {
		rc = check_null(w, f, false, &as_empty);
		if (rc < 0)
			return rc;
		write_length(w, f, false, as_empty ? 0 : -1);
		return 0;
	}
	write_length(w, f, false, count);
	for (int32_t i = 0; i < count; i++) {
		w->path.steps[step].index = i;
		rc = write_value(w, f, true, items + (size_t)i * size);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_pointer(struct writer *w, const struct wire_field *f, bool is_tagged,
			 const void *ptr)
{
	const void *child;

	memcpy(&child, wire_at(f, ptr), sizeof(child));
	if (!wire_field_nullable(f, w->version)) {
		if (!child)
			return writer_fail(w, E_UNSUPPORTED, "cannot be null in this version");
		return write_struct(w, f->child, child);
	}
	if (is_tagged)
		write_uvarint(w, child ? 1 : 0);
	else
		*writer_room(w, 1) = child ? 1 : 0xff;
	return child ? write_struct(w, f->child, child) : 0;
}

static int write_field(struct writer *w, const struct wire_field *f, bool is_tagged,
		       const void *ptr)
{
	int rc;

	wire_path_enter(&w->path, f);
	if (f->flags & WIRE_ARRAY)
		rc = write_array(w, f, ptr);
	else if (f->flags & WIRE_POINTER)
		rc = write_pointer(w, f, is_tagged, ptr);
	else
		rc = write_value(w, f, false, wire_at(f, ptr));
	if (rc == 0)
		w->path.depth--;
	return rc;
}

/* A field that the version lacks may be left out only if nothing is lost that matters. */
static int check_absent(struct writer *w, const struct wire_field *f, const void *ptr)
{
	const void *child;

	if (f->flags & WIRE_IGNORABLE || wire_field_is_default(f, ptr))
		return 0;
	if (f->flags & WIRE_POINTER) {
		memcpy(&child, wire_at(f, ptr), sizeof(child));
		if (!child)
			return 0;
	}
	wire_path_enter(&w->path, f);
	return writer_fail(w, E_UNSUPPORTED, "is not in this version");
}

/* The size goes in front of what it measures: written first, then moved to make room. */
static int write_tagged(struct writer *w, const struct wire_field *f, const void *ptr)
{
	size_t start, len, prefix;
	uint8_t *content;
	int rc;

	write_uvarint(w, (uint32_t)f->tag);
	start = w->count;
	rc = write_field(w, f, true, ptr);
	if (rc < 0)
		return rc;
	len = w->count - start;
	if (len > INT32_MAX)
		return writer_fail(w, E_TOO_LARGE, "is too long");
	prefix = (size_t)uvarint_len((uint32_t)len);
	w->count += prefix;
	if (!w->out || !out_reserve(w->out, prefix))
		return 0;
	assert(len <= w->out->len);
	content = w->out->data + w->out->len - len;
	memmove(content + prefix, content, len);
	uvarint_write(content, (uint32_t)len);
	w->out->len += prefix;
	return 0;
}

static bool is_written_tagged(const struct writer *w, const struct wire_field *f, const void *ptr)
{
	return wire_field_in(f, w->version) && w->version >= f->tagged_since &&
	       !wire_field_is_default(f, ptr);
}

static int write_tags(struct writer *w, const struct wire_struct *s, const void *ptr)
{
	uint32_t count = 0;
	int rc;

	for (size_t i = 0; i < s->tagged_count; i++)
		count += is_written_tagged(w, &s->fields[s->tagged[i]], ptr);
	write_uvarint(w, count);
	for (size_t i = 0; count && i < s->tagged_count; i++) {
		const struct wire_field *f = &s->fields[s->tagged[i]];

		if (!is_written_tagged(w, f, ptr))
			continue;
		rc = write_tagged(w, f, ptr);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_struct(struct writer *w, const struct wire_struct *s, const void *ptr)
{
	int rc;

	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (!wire_field_in(f, w->version))
			rc = check_absent(w, f, ptr);
		else if (w->version >= f->tagged_since)
			rc = 0;
		else
			rc = write_field(w, f, false, ptr);
		if (rc < 0)
			return rc;
	}
	return w->is_flexible ? write_tags(w, s, ptr) : 0;
}

static int encode(struct writer *w, const struct message_desc *m, int16_t version, const void *msg,
		  struct err *err)
{
	w->version = version;
	w->is_flexible = wire_flexible(m, version);
	w->path.message = m;
	w->path.version = version;
	w->err = err;
	if (!message_has_version(m, version))
		return err_set(err, E_UNSUPPORTED, "%s: version %d is not supported", m->name,
			       version);
	return write_struct(w, m->body, msg);
}

int message_encode(const struct message_desc *m, int16_t version, const void *msg, struct out *out,
		   struct wire_parts *parts, struct err *err)
{
	struct writer w = {.out = out, .parts = parts};
	int rc;

	assert(!parts || parts->arena);
	rc = encode(&w, m, version, msg, err);
	if (rc < 0)
		return rc;
	if (out->failed)
		return err_set(err, E_TOO_LARGE, "%s: larger than %zu bytes", m->name, out->max);
	return 0;
}

int message_size(const struct message_desc *m, int16_t version, const void *msg, size_t *size,
		 struct err *err)
{
	struct writer w = {0};
	int rc = encode(&w, m, version, msg, err);

	if (rc < 0)
		return rc;
	*size = w.count;
	return 0;
}
