/* Messages as values: defaults, comparison, copies; and the names of places in them. */
#include "wire/codec_int.h"

#include <stdio.h>

const uint8_t wire_empty[1];

static const uint8_t value_sizes[WIRE_TYPE_COUNT] = {
	[WIRE_BOOL] = sizeof(bool),
	[WIRE_INT8] = sizeof(int8_t),
	[WIRE_INT16] = sizeof(int16_t),
	[WIRE_UINT16] = sizeof(uint16_t),
	[WIRE_INT32] = sizeof(int32_t),
	[WIRE_UINT32] = sizeof(uint32_t),
	[WIRE_INT64] = sizeof(int64_t),
	[WIRE_FLOAT64] = sizeof(double),
	[WIRE_UUID] = sizeof(struct uuid),
	[WIRE_STRING] = sizeof(struct str),
	[WIRE_BYTES] = sizeof(struct slice),
	[WIRE_RECORDS] = sizeof(struct slice),
};

size_t wire_value_size(const struct wire_field *f)
{
	return f->type == WIRE_STRUCT ? f->child->size : value_sizes[f->type];
}

static inline void *field_at(const struct wire_field *f, void *ptr)
{
	return (char *)ptr + f->at;
}
static inline void *field_pointer(const struct wire_field *f, const void *ptr)
{
	void *p;

	memcpy(&p, wire_at(f, ptr), sizeof(p));
	return p;
}
static inline void field_set_pointer(const struct wire_field *f, void *ptr, void *value)
{
	memcpy(field_at(f, ptr), &value, sizeof(value));
}
static inline void field_set_count(const struct wire_field *f, void *ptr, int32_t count)
{
	memcpy((char *)ptr + f->count_at, &count, sizeof(count));
}

/* ---- Defaults ---- */

static void preset_scalar(const struct wire_field *f, void *at)
{
	bool is_null = f->flags & WIRE_PRESET_NULL;

	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: *(bool *)at = f->preset; break;
	case WIRE_INT8: *(int8_t *)at = (int8_t)f->preset; break;
	case WIRE_INT16:
	case WIRE_UINT16: *(uint16_t *)at = (uint16_t)f->preset; break;
	case WIRE_INT32:
	case WIRE_UINT32: *(uint32_t *)at = (uint32_t)f->preset; break;
	case WIRE_INT64: *(int64_t *)at = f->preset; break;
	case WIRE_FLOAT64: *(double *)at = 0; break;
	case WIRE_UUID: *(struct uuid *)at = (struct uuid){0}; break;
	case WIRE_STRING:
		*(struct str *)at = is_null ? STR_NULL : (struct str){(const char *)wire_empty, 0};
		break;
	case WIRE_BYTES:
	case WIRE_RECORDS:
		*(struct slice *)at = is_null ? SLICE_NULL : (struct slice){NULL, wire_empty, 0};
		break;
	case WIRE_STRUCT: wire_init(f->child, at); break;
	}
}

void wire_preset(const struct wire_field *f, void *ptr)
{
	if (f->flags & WIRE_ARRAY) {
		field_set_pointer(f, ptr, NULL);
		field_set_count(f, ptr, f->flags & WIRE_PRESET_NULL ? -1 : 0);
	} else if (f->flags & WIRE_POINTER) {
		field_set_pointer(f, ptr, NULL);
	} else {
		preset_scalar(f, field_at(f, ptr));
	}
}

void wire_init(const struct wire_struct *s, void *ptr)
{
	memset(ptr, 0, s->size);
	for (size_t i = 0; i < s->field_count; i++)
		wire_preset(&s->fields[i], ptr);
}

void *wire_array_new(const struct wire_struct *s, struct arena *arena, size_t count)
{
	char *items;

	assert(count <= INT32_MAX);
	items = arena_array(arena, count, s->size);
	for (size_t i = 0; i < count; i++)
		wire_init(s, items + i * s->size);
	return items;
}

static bool bytes_are_default(const struct wire_field *f, const void *data, size_t len)
{
	if (f->flags & WIRE_PRESET_NULL)
		return !data;
	return len == 0 && (data || !wire_field_ever_null(f));
}

bool wire_field_is_default(const struct wire_field *f, const void *ptr)
{
	const void *at = wire_at(f, ptr);
	int32_t count;

	if (f->flags & WIRE_ARRAY) {
		count = wire_count(f, ptr);
		if (f->flags & WIRE_PRESET_NULL)
			return count < 0;
		return count == 0 || (count < 0 && !wire_field_ever_null(f));
	}
	if (f->flags & WIRE_POINTER) {
		const void *child = field_pointer(f, ptr);

		if (!child || f->flags & WIRE_PRESET_NULL)
			return !child && f->flags & WIRE_PRESET_NULL;
		return wire_is_default(f->child, child);
	}
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: return *(const bool *)at == (bool)f->preset;
	case WIRE_INT8: return *(const int8_t *)at == (int8_t)f->preset;
	case WIRE_INT16:
	case WIRE_UINT16: return *(const uint16_t *)at == (uint16_t)f->preset;
	case WIRE_INT32:
	case WIRE_UINT32: return *(const uint32_t *)at == (uint32_t)f->preset;
	case WIRE_INT64: return *(const int64_t *)at == f->preset;
	case WIRE_FLOAT64: return *(const double *)at == 0;
	case WIRE_UUID: return uuid_is_zero(*(const struct uuid *)at);
	case WIRE_STRING: {
		const struct str *s = at;
		return bytes_are_default(f, s->data, s->len);
	}
	case WIRE_BYTES:
	case WIRE_RECORDS: {
		const struct slice *s = at;
		return bytes_are_default(f, s->data, s->len);
	}
	case WIRE_STRUCT: return wire_is_default(f->child, at);
	}
	return false;
}

bool wire_is_default(const struct wire_struct *s, const void *ptr)
{
	for (size_t i = 0; i < s->field_count; i++) {
		if (!wire_field_is_default(&s->fields[i], ptr))
			return false;
	}
	return true;
}

/* ---- Comparison ---- */

static bool bytes_equal(const struct wire_field *f, const void *a, size_t a_len, const void *b,
			size_t b_len)
{
	bool can_be_null = wire_field_ever_null(f) && !(f->flags & WIRE_ARRAY);

	if (a_len != b_len || (can_be_null && !a != !b))
		return false;
	return a_len == 0 || memcmp(a, b, a_len) == 0;
}

static bool value_equal(const struct wire_field *f, int16_t version, const void *a, const void *b)
{
	switch ((enum wire_type)f->type) {
	case WIRE_STRING: {
		const struct str *x = a, *y = b;
		return bytes_equal(f, x->data, x->len, y->data, y->len);
	}
	case WIRE_BYTES:
	case WIRE_RECORDS: {
		const struct slice *x = a, *y = b;
		return bytes_equal(f, x->data, x->len, y->data, y->len);
	}
	case WIRE_STRUCT: return wire_equal(f->child, version, a, b);
	default: return memcmp(a, b, value_sizes[f->type]) == 0;
	}
}

static bool array_equal(const struct wire_field *f, int16_t version, const void *a, const void *b)
{
	int32_t count = wire_count(f, a), other = wire_count(f, b);
	const char *x = field_pointer(f, a), *y = field_pointer(f, b);
	size_t size = wire_value_size(f);

	if (!wire_field_ever_null(f)) {
		count = MAX(count, 0);
		other = MAX(other, 0);
	}
	if (count != other)
		return false;
	for (int32_t i = 0; i < count; i++) {
		if (!value_equal(f, version, x + (size_t)i * size, y + (size_t)i * size))
			return false;
	}
	return true;
}

bool wire_equal(const struct wire_struct *s, int16_t version, const void *a, const void *b)
{
	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		bool same;

		if (version >= 0 && !wire_field_in(f, version))
			continue;
		if (f->flags & WIRE_ARRAY) {
			same = array_equal(f, version, a, b);
		} else if (f->flags & WIRE_POINTER) {
			const void *x = field_pointer(f, a), *y = field_pointer(f, b);
			same = x && y ? wire_equal(f->child, version, x, y) : x == y;
		} else {
			same = value_equal(f, version, wire_at(f, a), wire_at(f, b));
		}
		if (!same)
			return false;
	}
	return true;
}

bool message_equal(const struct message_desc *m, int16_t version, const void *a, const void *b)
{
	return wire_equal(m->body, version, a, b);
}

/* ---- Copies ---- */

static void value_copy(const struct wire_field *f, struct arena *arena, void *to, const void *from)
{
	if (f->type == WIRE_STRING) {
		*(struct str *)to = str_dup(arena, *(const struct str *)from);
	} else if (f->type == WIRE_BYTES || f->type == WIRE_RECORDS) {
		const struct slice *s = from;
		const uint8_t *data = s->data ? arena_memdup(arena, s->data, s->len) : NULL;
		*(struct slice *)to = (struct slice){NULL, data, s->len};
	} else if (f->type == WIRE_STRUCT) {
		wire_copy(f->child, arena, to, from);
	} else {
		memcpy(to, from, value_sizes[f->type]);
	}
}

static void array_copy(const struct wire_field *f, struct arena *arena, void *to, const void *from)
{
	int32_t count = wire_count(f, from);
	const char *items = field_pointer(f, from);
	size_t size = wire_value_size(f);
	char *copy = count > 0 ? arena_array(arena, (size_t)count, size) : NULL;

	for (int32_t i = 0; i < count; i++)
		value_copy(f, arena, copy + (size_t)i * size, items + (size_t)i * size);
	field_set_pointer(f, to, copy);
	field_set_count(f, to, count);
}

void wire_copy(const struct wire_struct *s, struct arena *arena, void *to, const void *from)
{
	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (f->flags & WIRE_ARRAY) {
			array_copy(f, arena, to, from);
		} else if (f->flags & WIRE_POINTER) {
			const void *child = field_pointer(f, from);
			void *copy = child ? arena_zalloc(arena, f->child->size) : NULL;

			if (child)
				wire_copy(f->child, arena, copy, child);
			field_set_pointer(f, to, copy);
		} else {
			value_copy(f, arena, field_at(f, to), wire_at(f, from));
		}
	}
}

void *message_copy(const struct message_desc *m, struct arena *arena, const void *msg)
{
	void *copy = arena_zalloc(arena, m->body->size);

	wire_copy(m->body, arena, copy, msg);
	return copy;
}

/* ---- Places ---- */

int wire_path_fail(const struct wire_path *path, size_t pos, struct err *err, int code,
		   const char *what)
{
	char place[512];
	size_t len = 0;

	if (!err)
		return code;
	place[0] = '\0';
	for (int i = 0; i < path->depth && len < sizeof(place); i++) {
		len += (size_t)snprintf(place + len, sizeof(place) - len, "%s%s", i ? "." : ": ",
					path->steps[i].field->name);
		if (path->steps[i].index >= 0 && len < sizeof(place))
			len += (size_t)snprintf(place + len, sizeof(place) - len, "[%d]",
						path->steps[i].index);
	}
	if (pos == NO_POS)
		return err_set(err, code, "%s v%d%s: %s", path->message->name, path->version,
			       place, what);
	return err_set(err, code, "%s v%d%s at byte %zu: %s", path->message->name, path->version,
		       place, pos, what);
}
