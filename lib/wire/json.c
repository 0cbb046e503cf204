#include "wire/json.h"

#include "base/near.h"
#include "wire/base64.h"
#include "wire/codec_int.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

#define MEMBER_NAME_MAX 128

struct json_walk {
	struct arena *arena; /* reading: of the message; writing: for base64 texts */
	int16_t version;
	unsigned flags;
	bool is_typed; /* reading: by a person */
	struct wire_path path;
	struct err *err;
};

static int walk_fail(struct json_walk *w, int code, const char *what)
{
	return wire_path_fail(&w->path, NO_POS, w->err, code, what);
}

static const char *member_name(const struct wire_field *f, char name[MEMBER_NAME_MAX])
{
	size_t len = strlen(f->name);

	assert(len < MEMBER_NAME_MAX);
	memcpy(name, f->name, len + 1);
	name[0] = (char)tolower((unsigned char)name[0]);
	return name;
}

/* ---- Writing ---- */

static json_t *struct_to_json(struct json_walk *w, const struct wire_struct *s, const void *ptr);

/* Length of the UTF-8 character at the front, 0 if there is none. */
static size_t utf8_len(const uint8_t *s, size_t left)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;
	uint32_t code;

	if (len < 2 || len > left)
		return len > left ? 0 : len;
	code = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < lowest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

static json_t *text_to_json(struct json_walk *w, struct str text)
{
	json_t *json = json_stringn(text.data, text.len);
	struct arena *a = w->arena;
	size_t len = 0;
	char *mended;

	if (json)
		return json;
	mended = arena_alloc(a, text.len * 3 + 1);
	for (size_t i = 0; i < text.len;) {
		size_t n = utf8_len((const uint8_t *)text.data + i, text.len - i);

		memcpy(mended + len, n ? text.data + i : "\xef\xbf\xbd", n ? n : 3);
		len += n ? n : 3;
		i += n ? n : 1;
	}
	return json_stringn(mended, len);
}

static json_t *bytes_to_json(struct json_walk *w, struct slice bytes)
{
	size_t len;
	char *text;

	if (!bytes.data)
		return json_null();
	text = base64_encode(w->arena, bytes.data, bytes.len, &len);
	return json_stringn_nocheck(text, len);
}

static json_t *double_to_json(double value)
{
	if (isnan(value))
		return json_string("NaN");
	if (isinf(value))
		return json_string(value > 0 ? "Infinity" : "-Infinity");
	return json_real(value);
}

static json_t *value_to_json(struct json_walk *w, const struct wire_field *f, const void *at)
{
	char uuid_text[UUID_TEXT_LEN + 1];

	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: return json_boolean(*(const bool *)at);
	case WIRE_INT8: return json_integer(*(const int8_t *)at);
	case WIRE_INT16: return json_integer(*(const int16_t *)at);
	case WIRE_UINT16: return json_integer(*(const uint16_t *)at);
	case WIRE_INT32: return json_integer(*(const int32_t *)at);
	case WIRE_UINT32: return json_integer(*(const uint32_t *)at);
	case WIRE_INT64: return json_integer(*(const int64_t *)at);
	case WIRE_FLOAT64: return double_to_json(*(const double *)at);
	case WIRE_UUID: return json_string(uuid_format(*(const struct uuid *)at, uuid_text));
	case WIRE_STRING: {
		const struct str *s = at;
		if (!s->data && wire_field_nullable(f, w->version) && !(f->flags & WIRE_ARRAY))
			return json_null();
		return s->data ? text_to_json(w, *s) : json_string("");
	}
	case WIRE_BYTES:
	case WIRE_RECORDS: {
		const struct slice *s = at;
		if (!s->data && (f->flags & WIRE_ARRAY || !wire_field_ever_null(f)))
			return json_string("");
		return bytes_to_json(w, *s);
	}
	case WIRE_STRUCT: return struct_to_json(w, f->child, at);
	}
	return NULL;
}

static json_t *array_to_json(struct json_walk *w, const struct wire_field *f, const void *ptr)
{
	int32_t count = wire_count(f, ptr);
	size_t size = wire_value_size(f);
	int step = w->path.depth - 1;
	const char *items;
	json_t *array, *item;

	if (count < 0 && wire_field_nullable(f, w->version))
		return json_null();
	memcpy(&items, wire_at(f, ptr), sizeof(items));
	array = json_array();
	for (int32_t i = 0; i < count; i++) {
		w->path.steps[step].index = i;
		item = value_to_json(w, f, items + (size_t)i * size);
		if (!item) {
			json_decref(array);
			return NULL;
		}
		json_array_append_new(array, item);
	}
	return array;
}

static json_t *field_to_json(struct json_walk *w, const struct wire_field *f, const void *ptr)
{
	const void *child;

	if (f->flags & WIRE_ARRAY)
		return array_to_json(w, f, ptr);
	if (f->flags & WIRE_POINTER) {
		memcpy(&child, wire_at(f, ptr), sizeof(child));
		return child ? struct_to_json(w, f->child, child) : json_null();
	}
	return value_to_json(w, f, wire_at(f, ptr));
}

/* Records without their bytes go by another name, unless they are null. */
static const char *member_to_json(struct json_walk *w, const struct wire_field *f, const void *ptr,
				  char name[MEMBER_NAME_MAX], json_t **value)
{
	const struct slice *records = wire_at(f, ptr);
	size_t len;

	member_name(f, name);
	if (f->type == WIRE_RECORDS && w->flags & WIRE_JSON_BATCHES && records->data) {
		*value = records_to_json(*records);
		return name;
	}
	if (f->type != WIRE_RECORDS || w->flags & WIRE_JSON_RECORDS || !records->data) {
		*value = field_to_json(w, f, ptr);
		return name;
	}
	*value = json_integer((json_int_t)records->len);
	len = strlen(name);
	assert(len + sizeof("SizeInBytes") <= MEMBER_NAME_MAX);
	memcpy(name + len, "SizeInBytes", sizeof("SizeInBytes"));
	return name;
}

static bool loses_value(const struct wire_field *f, const void *ptr)
{
	const void *child;

	if (f->flags & WIRE_IGNORABLE || wire_field_is_default(f, ptr))
		return false;
	if (!(f->flags & WIRE_POINTER))
		return true;
	memcpy(&child, wire_at(f, ptr), sizeof(child));
	return child;
}

static json_t *struct_to_json(struct json_walk *w, const struct wire_struct *s, const void *ptr)
{
	json_t *object = json_object(), *value;
	char name[MEMBER_NAME_MAX];

	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		const char *key;

		wire_path_enter(&w->path, f);
		if (!wire_field_in(f, w->version)) {
			if (loses_value(f, ptr)) {
				walk_fail(w, E_UNSUPPORTED, "is not in this version");
				goto fail;
			}
		} else if (w->version < f->tagged_since || !wire_field_is_default(f, ptr)) {
			key = member_to_json(w, f, ptr, name, &value);
			if (!value)
				goto fail;
			json_object_set_new_nocheck(object, key, value);
		}
		w->path.depth--;
	}
	return object;
fail:
	json_decref(object);
	return NULL;
}

json_t *message_to_json(const struct message_desc *m, int16_t version, const void *msg,
			unsigned flags, struct err *err)
{
	struct json_walk w = {
		.version = version,
		.flags = flags,
		.path = {.message = m, .version = version},
		.err = err,
	};
	struct arena texts;
	json_t *json;

	if (!message_has_version(m, version)) {
		err_set(err, E_UNSUPPORTED, "%s: version %d is not supported", m->name, version);
		return NULL;
	}
	arena_init(&texts);
	w.arena = &texts;
	json = struct_to_json(&w, m->body, msg);
	arena_fini(&texts);
	return json;
}

/* ---- Reading ---- */

static int struct_from_json(struct json_walk *w, const struct wire_struct *s, const json_t *json,
			    void *ptr);

static int integer_from_json(struct json_walk *w, const struct wire_field *f, const json_t *json,
			     void *at)
{
	static const struct {
		int64_t min, max;
	} ranges[WIRE_TYPE_COUNT] = {
		[WIRE_INT8] = {INT8_MIN, INT8_MAX}, [WIRE_INT16] = {INT16_MIN, INT16_MAX},
		[WIRE_UINT16] = {0, UINT16_MAX},    [WIRE_INT32] = {INT32_MIN, INT32_MAX},
		[WIRE_UINT32] = {0, UINT32_MAX},    [WIRE_INT64] = {INT64_MIN, INT64_MAX},
	};
	int64_t value = json_integer_value(json);

	if (!json_is_integer(json))
		return walk_fail(w, E_INVALID, "is not an integer");
	if (value < ranges[f->type].min || value > ranges[f->type].max)
		return walk_fail(w, E_INVALID, "is out of range");
	switch ((enum wire_type)f->type) {
	case WIRE_INT8: *(int8_t *)at = (int8_t)value; break;
	case WIRE_INT16:
	case WIRE_UINT16: *(uint16_t *)at = (uint16_t)value; break;
	case WIRE_INT32:
	case WIRE_UINT32: *(uint32_t *)at = (uint32_t)value; break;
	default: *(int64_t *)at = value; break;
	}
	return 0;
}

static int double_from_json(struct json_walk *w, const json_t *json, double *at)
{
	const char *text = json_string_value(json);

	if (json_is_number(json))
		*at = json_number_value(json);
	else if (text && strcmp(text, "NaN") == 0)
		*at = NAN;
	else if (text && strcmp(text, "Infinity") == 0)
		*at = INFINITY;
	else if (text && strcmp(text, "-Infinity") == 0)
		*at = -INFINITY;
	else
		return walk_fail(w, E_INVALID, "is not a number");
	return 0;
}

/* Strings, bytes, records, ids: all are text in JSON. */
static int text_from_json(struct json_walk *w, const struct wire_field *f, bool can_be_null,
			  const json_t *json, void *at)
{
	struct str text = {json_string_value(json), json_string_length(json)};

	if (json_is_null(json) && can_be_null) {
		if (f->type == WIRE_STRING)
			*(struct str *)at = STR_NULL;
		else
			*(struct slice *)at = SLICE_NULL;
		return 0;
	}
	if (f->type == WIRE_RECORDS && w->is_typed && json_is_array(json)) {
		struct err why = {0};
		int rc = records_from_json(json, w->arena, at, &why);

		return rc < 0 ? walk_fail(w, rc, why.text) : 0;
	}
	if (!text.data)
		return walk_fail(w, E_INVALID, "is not a text");
	if (f->type == WIRE_STRING)
		*(struct str *)at = str_dup(w->arena, text);
	else if (f->type == WIRE_UUID && uuid_parse(at, text) < 0)
		return walk_fail(w, E_INVALID, "is not an id");
	else if (f->type != WIRE_UUID && base64_decode(w->arena, text, at) < 0)
		return walk_fail(w, E_INVALID, "is not base64");
	return 0;
}

static int value_from_json(struct json_walk *w, const struct wire_field *f, bool can_be_null,
			   const json_t *json, void *at)
{
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL:
		if (!json_is_boolean(json))
			return walk_fail(w, E_INVALID, "is neither true nor false");
		*(bool *)at = json_is_true(json);
		return 0;
	case WIRE_FLOAT64: return double_from_json(w, json, at);
	case WIRE_UUID: return text_from_json(w, f, false, json, at);
	case WIRE_STRING:
	case WIRE_BYTES:
	case WIRE_RECORDS: return text_from_json(w, f, can_be_null, json, at);
	case WIRE_STRUCT: return struct_from_json(w, f->child, json, at);
	default: return integer_from_json(w, f, json, at);
	}
}

static int array_from_json(struct json_walk *w, const struct wire_field *f, const json_t *json,
			   void *ptr)
{
	size_t size = wire_value_size(f), length = json_array_size(json);
	int step = w->path.depth - 1;
	int32_t count = (int32_t)length;
	char *items = NULL;
	int rc;

	if (json_is_null(json) && wire_field_nullable(f, w->version))
		count = -1;
	else if (!json_is_array(json))
		return walk_fail(w, E_INVALID, "is not an array");
	if (length > INT32_MAX)
		return walk_fail(w, E_INVALID, "is too long");
	if (count > 0)
		items = arena_array(w->arena, length, size);
	for (int32_t i = 0; i < count; i++) {
		w->path.steps[step].index = i;
		rc = value_from_json(w, f, false, json_array_get(json, (size_t)i),
				     items + (size_t)i * size);
		if (rc < 0)
			return rc;
	}
	memcpy((char *)ptr + f->at, &items, sizeof(items));
	memcpy((char *)ptr + f->count_at, &count, sizeof(count));
	return 0;
}

static int field_from_json(struct json_walk *w, const struct wire_field *f, const json_t *json,
			   void *ptr)
{
	void *child = NULL;
	int rc;

	if (f->flags & WIRE_ARRAY)
		return array_from_json(w, f, json, ptr);
	if (!(f->flags & WIRE_POINTER))
		return value_from_json(w, f, wire_field_nullable(f, w->version), json,
				       (char *)ptr + f->at);
	if (!json_is_null(json) || !wire_field_nullable(f, w->version)) {
		child = arena_zalloc(w->arena, f->child->size);
		rc = struct_from_json(w, f->child, json, child);
		if (rc < 0)
			return rc;
	}
	memcpy((char *)ptr + f->at, &child, sizeof(child));
	return 0;
}

/* A field without its member in the object. */
static int absent_from_json(struct json_walk *w, const struct wire_field *f, void *ptr)
{
	void *child;

	if (wire_field_in(f, w->version) && w->version < f->tagged_since && !w->is_typed)
		return walk_fail(w, E_INVALID, "is missing");
	wire_preset(f, ptr);
	if (f->flags & WIRE_POINTER && !(f->flags & WIRE_PRESET_NULL) &&
	    wire_field_in(f, w->version)) {
		child = wire_array_new(f->child, w->arena, 1);
		memcpy((char *)ptr + f->at, &child, sizeof(child));
	}
	return 0;
}

static const json_t *member_get(const struct json_walk *w, const struct wire_field *f,
				const json_t *json)
{
	char name[MEMBER_NAME_MAX];
	const json_t *value = json_object_get(json, member_name(f, name));
	const char *key;
	json_t *other;

	if (value || !w->is_typed)
		return value;
	json_object_foreach((json_t *)(uintptr_t)json, key, other)
	{
		if (strcasecmp(key, name) == 0)
			return other;
	}
	return NULL;
}

/* A member that this version does not have: says which versions do, or what was meant. */
static int member_check(struct json_walk *w, const struct wire_struct *s, const char *key)
{
	char wanted[MEMBER_NAME_MAX], name[MEMBER_NAME_MAX], text[4 * MEMBER_NAME_MAX];
	struct near near;

	snprintf(wanted, sizeof(wanted), "%s", key);
	wanted[0] = (char)toupper((unsigned char)wanted[0]);
	near_init(&near, wanted);
	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (strcasecmp(key, f->name) != 0) {
			if (wire_field_in(f, w->version))
				near_offer(&near, f->name);
			continue;
		}
		if (wire_field_in(f, w->version))
			return 0;
		snprintf(text, sizeof(text),
			 f->until == WIRE_VERSION_MAX
				 ? "'%s' is not in this version (%d and above have it)"
				 : "'%s' is not in this version (%d to %d have it)",
			 f->name, f->since, f->until);
		return walk_fail(w, E_INVALID, text);
	}
	if (!near.best) {
		snprintf(text, sizeof(text), "there is no field '%.*s'", MEMBER_NAME_MAX, key);
		return walk_fail(w, E_INVALID, text);
	}
	snprintf(name, sizeof(name), "%s", near.best);
	name[0] = (char)tolower((unsigned char)name[0]);
	snprintf(text, sizeof(text), "there is no field '%.*s', did you mean %s?", MEMBER_NAME_MAX,
		 key, name);
	return walk_fail(w, E_INVALID, text);
}

static int struct_from_json(struct json_walk *w, const struct wire_struct *s, const json_t *json,
			    void *ptr)
{
	const char *key;
	json_t *member;
	int rc;

	if (!json_is_object(json))
		return walk_fail(w, E_INVALID, "is not an object");
	if (w->is_typed) {
		json_object_foreach((json_t *)(uintptr_t)json, key, member)
		{
			rc = member_check(w, s, key);
			if (rc < 0)
				return rc;
		}
	}
	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		const json_t *value = NULL;

		wire_path_enter(&w->path, f);
		if (wire_field_in(f, w->version))
			value = member_get(w, f, json);
		rc = value ? field_from_json(w, f, value, ptr) : absent_from_json(w, f, ptr);
		if (rc < 0)
			return rc;
		w->path.depth--;
	}
	return 0;
}

static int message_read(const struct message_desc *m, int16_t version, const json_t *json,
			bool is_typed, struct arena *arena, void *msg, struct err *err)
{
	struct json_walk w = {
		.arena = arena,
		.version = version,
		.is_typed = is_typed,
		.path = {.message = m, .version = version},
		.err = err,
	};

	if (!message_has_version(m, version))
		return err_set(err, E_UNSUPPORTED, "%s: version %d is not supported", m->name,
			       version);
	memset(msg, 0, m->body->size);
	return struct_from_json(&w, m->body, json, msg);
}

int message_from_json(const struct message_desc *m, int16_t version, const json_t *json,
		      struct arena *arena, void *msg, struct err *err)
{
	return message_read(m, version, json, false, arena, msg, err);
}

int message_from_json_typed(const struct message_desc *m, int16_t version, const json_t *json,
			    struct arena *arena, void *msg, struct err *err)
{
	return message_read(m, version, json, true, arena, msg, err);
}
