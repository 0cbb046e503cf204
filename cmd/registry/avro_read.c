/* Avro binary into JSON, in one walk along the schema: nothing is built in between. */
#include "cmd/registry/avro.h"
#include "cmd/registry/json_text.h"

#include "cmd/number_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct reader {
	const uint8_t *start, *pos, *end;
	struct out *json;
	uint64_t values_left;
	unsigned depth;
	struct err *err;
};

static int read_value(struct reader *r, const struct avro_type *t);

static size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->pos);
}

static int reader_short(struct reader *r, const struct avro_type *t)
{
	return err_set(r->err, E_MALFORMED, "ends at byte %zu, in the middle of %s",
		       (size_t)(r->end - r->start), t->name);
}

/* ---- Scalars ------------------------------------------------------------------------------ */

/* Zigzag in groups of 7 bits; at most 10 bytes. */
static int read_long(struct reader *r, const struct avro_type *t, int64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (r->pos == r->end)
			return reader_short(r, t);
		byte = *r->pos++;
		v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80)) {
			*out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return 0;
		}
	}
	return err_set(r->err, E_MALFORMED, "has a number of more than 64 bits at byte %zu",
		       (size_t)(r->pos - r->start) - 10);
}

static int read_integer(struct reader *r, const struct avro_type *t)
{
	int64_t v = 0;
	int rc = read_long(r, t, &v);

	if (rc < 0)
		return rc;
	if (t->kind == AVRO_INT && (v < INT32_MIN || v > INT32_MAX))
		return err_set(r->err, E_MALFORMED, "has %" PRId64 " where an int should be", v);
	out_printf(r->json, "%" PRId64, v);
	return 0;
}

static void read_real_text(struct reader *r, double v, const char *text)
{
	bool is_number = isfinite(v);

	if (!is_number)
		out_byte(r->json, '"');
	out_text(r->json, text);
	if (!is_number)
		out_byte(r->json, '"');
}

/* Little-endian IEEE. */
static int read_real(struct reader *r, const struct avro_type *t)
{
	size_t size = t->kind == AVRO_FLOAT ? 4 : 8;
	char text[NUMBER_TEXT_MAX];
	uint64_t bits = 0;

	if (reader_left(r) < size)
		return reader_short(r, t);
	for (size_t i = 0; i < size; i++)
		bits |= (uint64_t)r->pos[i] << (8 * i);
	r->pos += size;
	if (t->kind == AVRO_FLOAT) {
		uint32_t bits32 = (uint32_t)bits;
		float v;

		memcpy(&v, &bits32, sizeof(v));
		read_real_text(r, (double)v, number_text_float(bits32, text));
	} else {
		double v;

		memcpy(&v, &bits, sizeof(v));
		read_real_text(r, v, number_text_double(bits, text));
	}
	return 0;
}

static int read_boolean(struct reader *r, const struct avro_type *t)
{
	if (r->pos == r->end)
		return reader_short(r, t);
	if (*r->pos > 1)
		return err_set(r->err, E_MALFORMED, "has byte %u where a boolean should be",
			       *r->pos);
	out_text(r->json, *r->pos++ ? "true" : "false");
	return 0;
}

/* Takes `len` bytes that were announced. */
static int read_bytes(struct reader *r, const struct avro_type *t, int64_t len, struct str *out)
{
	if (len < 0 || (uint64_t)len > reader_left(r))
		return err_set(r->err, E_MALFORMED,
			       "wants %" PRId64 " bytes for %s at byte %zu, %zu are left", len,
			       t->name, (size_t)(r->pos - r->start), reader_left(r));
	*out = (struct str){(const char *)r->pos, (size_t)len};
	r->pos += len;
	return 0;
}

static int read_string(struct reader *r, const struct avro_type *t)
{
	struct str s = STR_NULL;
	int64_t len = 0;
	int rc = read_long(r, t, &len);

	if (rc == 0)
		rc = read_bytes(r, t, len, &s);
	if (rc < 0)
		return rc;
	json_text_string(r->json, s);
	return 0;
}

/* Each byte is the character of that number. */
static int read_blob(struct reader *r, const struct avro_type *t)
{
	struct str s = STR_NULL;
	int64_t len = (int64_t)t->count;
	int rc = t->kind == AVRO_FIXED ? 0 : read_long(r, t, &len);

	if (rc == 0)
		rc = read_bytes(r, t, len, &s);
	if (rc < 0)
		return rc;
	json_text_latin1(r->json, s);
	return 0;
}

static int read_enum(struct reader *r, const struct avro_type *t)
{
	int64_t index = 0;
	int rc = read_long(r, t, &index);

	if (rc < 0)
		return rc;
	if (index < 0 || (uint64_t)index >= t->count)
		return err_set(r->err, E_MALFORMED, "has symbol %" PRId64 " of %s, which has %zu",
			       index, t->name, t->count);
	json_text_string(r->json, str_of(t->symbols[index]));
	return 0;
}

/* ---- What holds others -------------------------------------------------------------------- */

static int read_record(struct reader *r, const struct avro_type *t)
{
	out_byte(r->json, '{');
	for (size_t i = 0; i < t->count; i++) {
		int rc;

		if (i > 0)
			out_byte(r->json, ',');
		json_text_string(r->json, str_of(t->fields[i].name));
		out_byte(r->json, ':');
		rc = read_value(r, t->fields[i].type);
		if (rc < 0)
			return err_add(r->err, rc, "%s", t->fields[i].name);
	}
	out_byte(r->json, '}');
	return 0;
}

static int read_union(struct reader *r, const struct avro_type *t)
{
	const struct avro_type *branch;
	int64_t index = 0;
	int rc = read_long(r, t, &index);

	if (rc < 0)
		return rc;
	if (index < 0 || (uint64_t)index >= t->count)
		return err_set(r->err, E_MALFORMED, "has branch %" PRId64 " of a union of %zu",
			       index, t->count);
	branch = t->branches[index];
	if (branch->kind == AVRO_NULL)
		return read_value(r, branch);
	out_byte(r->json, '{');
	json_text_string(r->json, str_of(branch->name));
	out_byte(r->json, ':');
	rc = read_value(r, branch);
	out_byte(r->json, '}');
	return rc;
}

/* The count of the next block, 0 at the end. A negative count is followed by the block's bytes,
 * for readers that skip. */
static int read_block(struct reader *r, const struct avro_type *t, uint64_t *count)
{
	int64_t n = 0, size;
	int rc = read_long(r, t, &n);

	if (rc == 0 && n < 0)
		rc = read_long(r, t, &size);
	*count = n < 0 ? -(uint64_t)n : (uint64_t)n;
	return rc;
}

static int read_many(struct reader *r, const struct avro_type *t)
{
	bool is_map = t->kind == AVRO_MAP, is_first = true;
	static const struct avro_type key_type = {.kind = AVRO_STRING, .name = "the key of a map"};
	uint64_t count = 0;
	int rc;

	out_byte(r->json, is_map ? '{' : '[');
	rc = read_block(r, t, &count);
	while (rc == 0 && count > 0) {
		for (; rc == 0 && count > 0; count--) {
			if (!is_first)
				out_byte(r->json, ',');
			is_first = false;
			if (is_map) {
				rc = read_string(r, &key_type);
				out_byte(r->json, ':');
			}
			if (rc == 0)
				rc = read_value(r, t->branches[0]);
		}
		if (rc == 0)
			rc = read_block(r, t, &count);
	}
	out_byte(r->json, is_map ? '}' : ']');
	return rc;
}

static int read_any(struct reader *r, const struct avro_type *t)
{
	switch (t->kind) {
	case AVRO_NULL: out_text(r->json, "null"); return 0;
	case AVRO_BOOLEAN: return read_boolean(r, t);
	case AVRO_INT:
	case AVRO_LONG: return read_integer(r, t);
	case AVRO_FLOAT:
	case AVRO_DOUBLE: return read_real(r, t);
	case AVRO_STRING: return read_string(r, t);
	case AVRO_BYTES:
	case AVRO_FIXED: return read_blob(r, t);
	case AVRO_ENUM: return read_enum(r, t);
	case AVRO_RECORD: return read_record(r, t);
	case AVRO_UNION: return read_union(r, t);
	case AVRO_ARRAY:
	case AVRO_MAP: return read_many(r, t);
	case AVRO_KIND_COUNT: break;
	}
	return err_set(r->err, E_INVALID, "%s is no type", t->name);
}

static int read_value(struct reader *r, const struct avro_type *t)
{
	int rc;

	if (r->depth == AVRO_DEPTH_MAX)
		return err_set(r->err, E_MALFORMED, "is nested deeper than %d", AVRO_DEPTH_MAX);
	if (r->values_left == 0)
		return err_set(r->err, E_MALFORMED, "has more values than bytes");
	if (r->json->failed)
		return err_set(r->err, E_TOO_LARGE, "is too large as JSON");
	r->values_left--;
	r->depth++;
	rc = read_any(r, t);
	r->depth--;
	return rc;
}

int avro_read(const struct avro_schema *s, struct slice bytes, struct out *json, struct err *err)
{
	/* A value is a byte at least, or null; a null in a union has the byte of its branch. */
	struct reader r = {.start = bytes.data,
			   .pos = bytes.data,
			   .end = bytes.data + bytes.len,
			   .json = json,
			   .values_left = AVRO_VALUES_FREE + 4 * (uint64_t)bytes.len,
			   .err = err};
	int rc = read_value(&r, s->root);

	if (rc == 0 && r.pos != r.end)
		return err_set(err, E_MALFORMED, "goes on for %zu bytes behind its end",
			       reader_left(&r));
	if (rc == 0 && json->failed)
		return err_set(err, E_TOO_LARGE, "is too large as JSON");
	return rc;
}
