/* Bytes to messages. Nothing here trusts a byte: see the rules in codec.h. */
#include "wire/codec_int.h"
#include "wire/varint.h"

struct reader {
	const uint8_t *data;
	size_t pos, len;	/* `len` is narrowed while inside a tagged field */
	struct buf *buf;
	struct arena *arena;
	size_t budget;		/* arena bytes that may still be used */
	int16_t version;
	bool is_flexible;
	struct wire_path path;
	struct err *err;
};

/* Bytes that an arena block may add to each allocation. */
#define ALLOC_OVERHEAD 16

/* Counts up to this are taken as they are; the budget covers what they make us allocate. */
#define COUNT_UNCHECKED 4

static int read_struct(struct reader *r, const struct wire_struct *s, void *ptr);

static int reader_fail(struct reader *r, int code, const char *what)
{
	return wire_path_fail(&r->path, r->pos, r->err, code, what);
}

static inline size_t reader_left(const struct reader *r)
{
	return r->len - r->pos;
}

static int reader_short(struct reader *r)
{
	return reader_fail(r, E_SHORT, "ends too early");
}

/* Gives `len` bytes and goes behind them; NULL if there are not as many. */
static inline const uint8_t *reader_take(struct reader *r, size_t len)
{
	const uint8_t *data = r->data + r->pos;

	if (len > reader_left(r))
		return NULL;
	r->pos += len;
	return data;
}

static int read_uvarint(struct reader *r, uint32_t *out)
{
	int used = uvarint_read(out, r->data + r->pos, reader_left(r));

	if (used == 0)
		return reader_short(r);
	if (used < 0)
		return reader_fail(r, E_MALFORMED, "length takes more than 5 bytes");
	r->pos += (size_t)used;
	return 0;
}

static int read_allocate(struct reader *r, size_t count, size_t size, void **out)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total) || total > r->budget ||
	    r->budget - total < ALLOC_OVERHEAD)
		return reader_fail(r, E_TOO_LARGE, "takes too much memory for its bytes");
	r->budget -= total + ALLOC_OVERHEAD;
	*out = arena_zalloc(r->arena, total);
	return 0;
}

/* Reads a length or count of either form; -1 is null. `narrow` is int16 for strings. */
static int read_length(struct reader *r, const struct wire_field *f, bool narrow, int64_t *out)
{
	const uint8_t *data;
	uint32_t value;
	int rc;

	if (r->is_flexible && !(f->flags & WIRE_INFLEXIBLE)) {
		rc = read_uvarint(r, &value);
		if (rc < 0)
			return rc;
		*out = (int64_t)value - 1;
	} else {
		data = reader_take(r, narrow ? 2 : 4);
		if (!data)
			return reader_short(r);
		*out = narrow ? (int16_t)be16(data) : (int32_t)be32(data);
	}
	if (*out < 0)
		*out = -1;
	if (*out > (narrow ? INT16_MAX : INT32_MAX))
		return reader_fail(r, E_MALFORMED, "length is too large");
	return 0;
}

/* `can_be_null` is false for elements of arrays. Gives data == NULL for null. */
static int read_bytes(struct reader *r, const struct wire_field *f, bool can_be_null,
		      const uint8_t **data, size_t *len)
{
	int64_t length;
	int rc = read_length(r, f, f->type == WIRE_STRING, &length);

	if (rc < 0)
		return rc;
	if (length < 0) {
		if (!can_be_null)
			return reader_fail(r, E_MALFORMED, "is null");
		*data = NULL;
		*len = 0;
		return 0;
	}
	*len = (size_t)length;
	*data = reader_take(r, *len);
	return *data ? 0 : reader_short(r);
}

static int read_value(struct reader *r, const struct wire_field *f, bool can_be_null, void *at)
{
	static const uint8_t sizes[WIRE_TYPE_COUNT] = {
		[WIRE_BOOL] = 1,   [WIRE_INT8] = 1,  [WIRE_INT16] = 2,   [WIRE_UINT16] = 2,
		[WIRE_INT32] = 4,  [WIRE_UINT32] = 4, [WIRE_INT64] = 8, [WIRE_FLOAT64] = 8,
		[WIRE_UUID] = 16,
	};
	const uint8_t *data;
	uint64_t bits;
	size_t len = 0;
	int rc;

	if (f->type == WIRE_STRUCT)
		return read_struct(r, f->child, at);
	if (f->type == WIRE_STRING || f->type == WIRE_BYTES || f->type == WIRE_RECORDS) {
		rc = read_bytes(r, f, can_be_null, &data, &len);
		if (rc < 0)
			return rc;
		if (f->type == WIRE_STRING)
			*(struct str *)at = (struct str){(const char *)data, len};
		else
			*(struct slice *)at = (struct slice){data ? r->buf : NULL, data, len};
		return 0;
	}
	data = reader_take(r, sizes[f->type]);
	if (!data)
		return reader_short(r);
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: *(bool *)at = *data != 0; break;
	case WIRE_INT8: *(int8_t *)at = (int8_t)*data; break;
	case WIRE_INT16:
	case WIRE_UINT16: *(uint16_t *)at = be16(data); break;
	case WIRE_INT32:
	case WIRE_UINT32: *(uint32_t *)at = be32(data); break;
	case WIRE_INT64: *(int64_t *)at = (int64_t)be64(data); break;
	case WIRE_FLOAT64:
		bits = be64(data);
		memcpy(at, &bits, sizeof(bits));
		break;
	default: memcpy(at, data, sizeof(struct uuid)); break;
	}
	return 0;
}

/* The fewest bytes that a value can take; arrays and strings count their length only. */
static size_t struct_bytes_min(const struct wire_struct *s, int16_t version, bool is_flexible);

static size_t value_bytes_min(const struct wire_field *f, int16_t version, bool is_flexible,
			      bool is_element)
{
	if (f->flags & WIRE_ARRAY && !is_element)
		return is_flexible ? 1 : 4;
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL:
	case WIRE_INT8: return 1;
	case WIRE_INT16:
	case WIRE_UINT16: return 2;
	case WIRE_INT32:
	case WIRE_UINT32: return 4;
	case WIRE_INT64:
	case WIRE_FLOAT64: return 8;
	case WIRE_UUID: return 16;
	case WIRE_STRING: return is_flexible ? 1 : 2;
	case WIRE_BYTES:
	case WIRE_RECORDS: return is_flexible ? 1 : 4;
	case WIRE_STRUCT:
		if (f->flags & WIRE_POINTER && wire_field_nullable(f, version))
			return 1;
		return struct_bytes_min(f->child, version, is_flexible);
	}
	return 1;
}

static size_t struct_bytes_min(const struct wire_struct *s, int16_t version, bool is_flexible)
{
	size_t total = is_flexible ? 1 : 0;

	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (wire_field_in(f, version) && version < f->tagged_since)
			total += value_bytes_min(f, version, is_flexible, false);
	}
	return total;
}

/* Refuses a count that cannot fit into what is left, before anything is allocated. */
static int check_count(struct reader *r, const struct wire_field *f, int64_t count)
{
	size_t min;

	if (count > (int64_t)reader_left(r))
		return reader_short(r);
	if (count <= COUNT_UNCHECKED)
		return 0;
	min = MAX(value_bytes_min(f, r->version, r->is_flexible, true), (size_t)1);
	if ((size_t)count > reader_left(r) / min)
		return reader_short(r);
	return 0;
}

static int read_array(struct reader *r, const struct wire_field *f, void *ptr)
{
	size_t size = wire_value_size(f);
	int step = r->path.depth - 1;
	void *items = NULL;
	int64_t count;
	int32_t stored;
	int rc;

	rc = read_length(r, f, false, &count);
	if (rc < 0)
		return rc;
	if (count < 0 && !wire_field_nullable(f, r->version))
		return reader_fail(r, E_MALFORMED, "is null");
	if (count > 0) {
		rc = check_count(r, f, count);
		if (rc < 0)
			return rc;
		rc = read_allocate(r, (size_t)count, size, &items);
		if (rc < 0)
			return rc;
	}
	for (int32_t i = 0; i < count; i++) {
		r->path.steps[step].index = i;
		rc = read_value(r, f, false, (char *)items + (size_t)i * size);
		if (rc < 0)
			return rc;
	}
	stored = (int32_t)count;
	memcpy((char *)ptr + f->at, &items, sizeof(items));
	memcpy((char *)ptr + f->count_at, &stored, sizeof(stored));
	return 0;
}

/* A struct that can be null: int8, or in a tagged field a varint, says whether it follows. */
static int read_pointer(struct reader *r, const struct wire_field *f, bool is_tagged, void *ptr)
{
	bool is_null = false;
	void *child = NULL;
	uint32_t present;
	int rc;

	if (wire_field_nullable(f, r->version)) {
		if (is_tagged) {
			rc = read_uvarint(r, &present);
			if (rc < 0)
				return rc;
			is_null = present == 0;
		} else {
			const uint8_t *mark = reader_take(r, 1);
			if (!mark)
				return reader_short(r);
			is_null = (int8_t)*mark < 0;
		}
	}
	if (!is_null) {
		rc = read_allocate(r, 1, f->child->size, &child);
		if (rc < 0)
			return rc;
		rc = read_struct(r, f->child, child);
		if (rc < 0)
			return rc;
	}
	memcpy((char *)ptr + f->at, &child, sizeof(child));
	return 0;
}

static int read_field(struct reader *r, const struct wire_field *f, bool is_tagged, void *ptr)
{
	int rc;

	wire_path_enter(&r->path, f);
	if (f->flags & WIRE_ARRAY)
		rc = read_array(r, f, ptr);
	else if (f->flags & WIRE_POINTER)
		rc = read_pointer(r, f, is_tagged, ptr);
	else
		rc = read_value(r, f, wire_field_nullable(f, r->version), (char *)ptr + f->at);
	if (rc == 0)
		r->path.depth--;
	return rc;
}

static int read_tagged(struct reader *r, const struct wire_struct *s, void *ptr)
{
	const struct wire_field *f;
	uint32_t tag, size;
	size_t outer, end;
	int rc;

	rc = read_uvarint(r, &tag);
	if (rc < 0)
		return rc;
	rc = read_uvarint(r, &size);
	if (rc < 0)
		return rc;
	if (size > reader_left(r))
		return reader_short(r);
	end = r->pos + size;
	f = tag < s->tagged_count ? &s->fields[s->tagged[tag]] : NULL;
	if (!f || !wire_field_in(f, r->version) || r->version < f->tagged_since) {
		/* Unknown here: not ours to judge. (Apache refuses a tag of a later version; others
		 * send such.) */
		r->pos = end;
		return 0;
	}
	outer = r->len;
	r->len = end;
	rc = read_field(r, f, true, ptr);
	r->len = outer;
	if (rc < 0)
		return rc;
	if (r->pos != end)
		return reader_fail(r, E_MALFORMED, "has a tagged field of the wrong size");
	return 0;
}

/* A field that the bytes do not have. */
static int read_absent(struct reader *r, const struct wire_field *f, void *ptr)
{
	void *child;
	int rc;

	wire_preset(f, ptr);
	if (!(f->flags & WIRE_POINTER) || f->flags & WIRE_PRESET_NULL ||
	    !wire_field_in(f, r->version))
		return 0;
	/* Its default is a struct of defaults, while null would have been written. */
	rc = read_allocate(r, 1, f->child->size, &child);
	if (rc < 0)
		return rc;
	wire_init(f->child, child);
	memcpy((char *)ptr + f->at, &child, sizeof(child));
	return 0;
}

static int read_struct(struct reader *r, const struct wire_struct *s, void *ptr)
{
	uint32_t count;
	int rc;

	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (!wire_field_in(f, r->version) || r->version >= f->tagged_since)
			rc = read_absent(r, f, ptr);
		else
			rc = read_field(r, f, false, ptr);
		if (rc < 0)
			return rc;
	}
	if (!r->is_flexible)
		return 0;
	rc = read_uvarint(r, &count);
	if (rc < 0)
		return rc;
	while (count-- > 0) {
		rc = read_tagged(r, s, ptr);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int message_decode(const struct message_desc *m, int16_t version, struct slice bytes, size_t *used,
		   struct arena *arena, void *msg, struct err *err)
{
	struct reader r = {
		.data = bytes.data ? bytes.data : wire_empty,
		.len = bytes.len,
		.buf = bytes.buf,
		.arena = arena,
		.budget = DECODE_BYTES_MAX(bytes.len),
		.version = version,
		.is_flexible = wire_flexible(m, version),
		.path = {.message = m, .version = version},
		.err = err,
	};
	int rc;

	if (!message_has_version(m, version))
		return err_set(err, E_UNSUPPORTED, "%s: version %d is not supported", m->name,
			       version);
	rc = read_struct(&r, m->body, msg);
	if (rc < 0)
		return rc;
	assert(r.pos <= bytes.len);
	if (used)
		*used = r.pos;
	else if (r.pos < bytes.len)
		return reader_fail(&r, E_MALFORMED, "bytes are left over");
	return 0;
}
