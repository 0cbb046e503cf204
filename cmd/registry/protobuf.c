#include "cmd/registry/protobuf.h"
#include "cmd/registry/json_text.h"
#include "cmd/registry/plain.h"
#include "cmd/registry/protobuf_wire.h"

#include "cmd/number_text.h"
#include "cmd/utf8.h"

#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void message_write(const struct protobuf_named *type, struct slice bytes, unsigned depth,
			  struct out *json);

/* ---- Values whose type is not known ------------------------------------------------------- */

static bool message_is_good(struct slice bytes, unsigned depth)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct wire_field f;

	if (depth >= PROTOBUF_DEPTH_MAX)
		return false;
	while (pos < end) {
		if (!wire_field(&pos, end, &f))
			return false;
	}
	return true;
}

/* Text has no control characters but those of lines. */
static bool bytes_are_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((s.data[i] < 0x20 && !memchr("\t\r\n", s.data[i], 3)) || s.data[i] == 0x7f)
			return false;
	}
	return utf8_is_valid((struct str){(const char *)s.data, s.len});
}

static void unknown_write(const struct wire_field *f, unsigned depth, struct out *json)
{
	if (f->type != WIRE_LEN) {
		out_printf(json, "%" PRId64, (int64_t)f->value);
	} else if (bytes_are_text(f->bytes)) {
		json_text_string(json, (struct str){(const char *)f->bytes.data, f->bytes.len});
	} else if (message_is_good(f->bytes, depth + 1)) {
		message_write(NULL, f->bytes, depth + 1, json);
	} else {
		out_text(json, "{\"base64\":\"");
		plain_base64(json, f->bytes);
		out_text(json, "\"}");
	}
}

/* ---- Values whose type is known ----------------------------------------------------------- */

static enum wire_type wire_of(enum protobuf_type type)
{
	switch (type) {
	case PROTOBUF_DOUBLE:
	case PROTOBUF_FIXED64:
	case PROTOBUF_SFIXED64: return WIRE_64;
	case PROTOBUF_FLOAT:
	case PROTOBUF_FIXED32:
	case PROTOBUF_SFIXED32: return WIRE_32;
	case PROTOBUF_STRING:
	case PROTOBUF_BYTES:
	case PROTOBUF_MESSAGE: return WIRE_LEN;
	default: return WIRE_VARINT;
	}
}

static void real_write(const char *text, struct out *json)
{
	bool is_number = isdigit((unsigned char)text[*text == '-']);

	out_printf(json, is_number ? "%s" : "\"%s\"", text);
}

static void enum_write(const struct protobuf_named *type, int32_t number, struct out *json)
{
	for (size_t i = 0; i < type->count; i++) {
		if (type->values[i].number == number) {
			json_text_string(json, str_of(type->values[i].name));
			return;
		}
	}
	out_printf(json, "%d", number);
}

/* Numbers that fit 64 bits without a sign only are strings: few readers of JSON keep them. */
static void number_write(const struct protobuf_field *field, uint64_t v, struct out *json)
{
	char text[NUMBER_TEXT_MAX];

	switch (field->type) {
	case PROTOBUF_DOUBLE: real_write(number_text_double(v, text), json); break;
	case PROTOBUF_FLOAT: real_write(number_text_float((uint32_t)v, text), json); break;
	case PROTOBUF_BOOL: out_text(json, v ? "true" : "false"); break;
	case PROTOBUF_ENUM: enum_write(field->named, (int32_t)v, json); break;
	case PROTOBUF_INT32:
	case PROTOBUF_SFIXED32: out_printf(json, "%d", (int32_t)v); break;
	case PROTOBUF_UINT32:
	case PROTOBUF_FIXED32: out_printf(json, "%u", (uint32_t)v); break;
	case PROTOBUF_SINT32:
	case PROTOBUF_SINT64:
		out_printf(json, "%" PRId64, (int64_t)(v >> 1) ^ -(int64_t)(v & 1));
		break;
	case PROTOBUF_UINT64:
	case PROTOBUF_FIXED64:
		out_printf(json, v > INT64_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, v);
		break;
	default: out_printf(json, "%" PRId64, (int64_t)v); break;
	}
}

/* A scalar field that is repeated may be packed: its values stand one after the other. */
static bool field_is_packed(const struct protobuf_field *field, const struct wire_field *f)
{
	return field->is_repeated && f->type == WIRE_LEN && wire_of(field->type) != WIRE_LEN;
}

/* The next value, and behind it. False: it is not whole. */
static bool packed_next(const struct protobuf_field *field, const uint8_t **pos, const uint8_t *end,
			uint64_t *v)
{
	enum wire_type type = wire_of(field->type);
	size_t size = type == WIRE_64 ? 8 : 4;

	if (type == WIRE_VARINT)
		return wire_varint(pos, end, v);
	if ((size_t)(end - *pos) < size)
		return false;
	*v = wire_fixed(*pos, size);
	*pos += size;
	return true;
}

static bool packed_is_good(const struct protobuf_field *field, struct slice bytes)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	uint64_t v;

	while (pos < end)
		if (!packed_next(field, &pos, end, &v))
			return false;
	return true;
}

/* With commas between. */
static void packed_write(const struct protobuf_field *field, struct slice bytes, struct out *json)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	uint64_t v;

	while (pos < end && packed_next(field, &pos, end, &v)) {
		number_write(field, v, json);
		if (pos < end)
			out_byte(json, ',');
	}
}

/* Does the value fit the type that the schema says? */
static bool field_fits(const struct protobuf_field *field, const struct wire_field *f,
		       unsigned depth)
{
	if (!field || field->type == PROTOBUF_UNKNOWN || field->type == PROTOBUF_GROUP)
		return false;
	if (field->type == PROTOBUF_MESSAGE)
		return f->type == WIRE_LEN && message_is_good(f->bytes, depth + 1);
	if (field_is_packed(field, f))
		return packed_is_good(field, f->bytes);
	return f->type == wire_of(field->type);
}

static void known_write(const struct protobuf_field *field, const struct wire_field *f,
			unsigned depth, struct out *json)
{
	if (field->type == PROTOBUF_STRING) {
		json_text_string(json, (struct str){(const char *)f->bytes.data, f->bytes.len});
	} else if (field->type == PROTOBUF_BYTES) {
		out_byte(json, '"');
		plain_base64(json, f->bytes);
		out_byte(json, '"');
	} else if (field->type == PROTOBUF_MESSAGE) {
		message_write(field->named, f->bytes, depth + 1, json);
	} else if (field_is_packed(field, f)) {
		packed_write(field, f->bytes, json);
	} else {
		number_write(field, f->value, json);
	}
}

/* ---- Messages ----------------------------------------------------------------------------- */

/* Key and value of an entry of a map; number 0 where one is missing. */
static void entry_read(struct slice bytes, struct wire_field *key, struct wire_field *value)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct wire_field f;

	*key = *value = (struct wire_field){0};
	while (pos < end && wire_field(&pos, end, &f)) {
		if (f.number == 1)
			*key = f;
		else if (f.number == 2)
			*value = f;
	}
}

/* Many readers of JSON take no NUL in a name: a map with such a key is shown as its entries. */
static bool entries_have_names(const struct wire_field *f, size_t count)
{
	struct wire_field key, value;

	for (size_t i = 0; i < count; i++) {
		entry_read(f[i].bytes, &key, &value);
		if (key.type == WIRE_LEN && key.bytes.len > 0 &&
		    memchr(key.bytes.data, '\0', key.bytes.len))
			return false;
	}
	return true;
}

/* "KEY":VALUE of an entry of a map; what is missing in it is empty. */
static void entry_write(const struct protobuf_named *entry, struct slice bytes, unsigned depth,
			struct out *json)
{
	const struct protobuf_field *key = protobuf_field_find(entry, 1);
	const struct protobuf_field *value = protobuf_field_find(entry, 2);
	struct wire_field k, v;
	struct out text;

	entry_read(bytes, &k, &v);
	out_init(&text, SIZE_MAX / 2);
	if (k.number && key->type != PROTOBUF_MESSAGE && field_fits(key, &k, depth))
		known_write(key, &k, depth, &text);
	if (text.len > 0 && text.data[0] == '"')
		out_bytes(json, text.data, text.len);
	else
		out_printf(json, "\"%.*s\"", (int)text.len, (const char *)text.data);
	out_fini(&text);
	out_byte(json, ':');
	if (v.number && field_fits(value, &v, depth))
		known_write(value, &v, depth, json);
	else if (v.number)
		unknown_write(&v, depth, json);
	else
		out_text(json, "null");
}

static int field_compare(const void *a, const void *b)
{
	const struct wire_field *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* All values of one field: `count` of them. */
static void field_write(const struct protobuf_field *field, const struct wire_field *f,
			size_t count, unsigned depth, struct out *json)
{
	bool is_map = field && field->type == PROTOBUF_MESSAGE && field->named->is_map_entry;
	bool is_known = true, is_many;
	size_t start;

	for (size_t i = 0; i < count; i++)
		is_known = is_known && field_fits(field, &f[i], depth);
	is_map = is_map && is_known && entries_have_names(f, count);
	is_many = is_known ? field->is_repeated && !is_map : count > 1;
	if (is_known)
		json_text_string(json, str_of(field->name));
	else
		out_printf(json, "\"%u\"", f->number);
	out_text(json, is_map ? ":{" : is_many ? ":[" : ":");
	start = json->len;
	/* Of a field that is not repeated the last value counts. */
	for (size_t i = is_known && !is_many && !is_map ? count - 1 : 0; i < count; i++) {
		if (is_known && field_is_packed(field, &f[i]) && f[i].bytes.len == 0)
			continue;
		if (json->len > start)
			out_byte(json, ',');
		if (is_map)
			entry_write(field->named, f[i].bytes, depth + 1, json);
		else if (is_known)
			known_write(field, &f[i], depth, json);
		else
			unknown_write(&f[i], depth, json);
	}
	if (is_map || is_many)
		out_byte(json, is_map ? '}' : ']');
}

/* By number of the fields; `type` is NULL if it is not known. */
static void message_write(const struct protobuf_named *type, struct slice bytes, unsigned depth,
			  struct out *json)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct wire_field *fields = NULL;
	size_t count = 0, cap = 0;

	while (pos < end) {
		fields = grow_array(fields, count, &cap, sizeof(*fields));
		if (!wire_field(&pos, end, &fields[count]))
			break;
		fields[count].order = count;
		count++;
	}
	if (count > 1)
		qsort(fields, count, sizeof(*fields), field_compare);
	out_byte(json, '{');
	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count && fields[next].number == fields[i].number;)
			next++;
		if (i > 0)
			out_byte(json, ',');
		field_write(type ? protobuf_field_find(type, fields[i].number) : NULL, &fields[i],
			    next - i, depth, json);
	}
	out_byte(json, '}');
	free(fields);
}

/* ---- Records ------------------------------------------------------------------------------ */

/* Zigzag; none at all stands for [0]. Gives how many, or -1. */
static int indexes_read(const uint8_t **pos, const uint8_t *end, int32_t *indexes)
{
	uint64_t count, v;

	if (!wire_varint(pos, end, &count))
		return -1;
	count = (count >> 1) ^ -(count & 1);
	if (count > PROTOBUF_INDEXES_MAX)
		return -1;
	for (uint64_t i = 0; i < count; i++) {
		if (!wire_varint(pos, end, &v) || v & 1 || v >> 1 > INT32_MAX)
			return -1;
		indexes[i] = (int32_t)(v >> 1);
	}
	if (count == 0)
		indexes[count++] = 0;
	return (int)count;
}

int protobuf_read(const struct protobuf_schema *schema, const char *subject, struct slice bytes,
		  struct out *json, struct err *err)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	int32_t indexes[PROTOBUF_INDEXES_MAX];
	int count = indexes_read(&pos, end, indexes);
	const struct protobuf_named *type;
	struct slice payload;

	if (count < 0)
		return err_set(err, E_MALFORMED, "has no good message indexes behind its id");
	payload = (struct slice){.data = pos, .len = (size_t)(end - pos)};
	type = protobuf_schema_find(schema, indexes, (size_t)count);
	out_text(json, "{\"message\":");
	json_text_string(json, str_of(type ? type->name : ""));
	if (subject) {
		out_text(json, ",\"subject\":");
		json_text_string(json, str_of(subject));
	}
	if (message_is_good(payload, 0)) {
		out_text(json, ",\"fields\":");
		message_write(type, payload, 0, json);
	}
	out_text(json, ",\"indexes\":[");
	for (int i = 0; i < count; i++)
		out_printf(json, "%s%d", i ? "," : "", indexes[i]);
	out_text(json, "],\"data\":\"");
	plain_base64(json, payload);
	out_text(json, "\"}");
	return 0;
}

/* ---- JSON into bytes ---------------------------------------------------------------------- */

static void varint_write(struct out *bytes, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		out_byte(bytes, (uint8_t)(v | 0x80));
	out_byte(bytes, (uint8_t)v);
}

static int indexes_write(const json_t *indexes, struct out *bytes, struct err *err)
{
	size_t count = json_array_size(indexes);

	if (count == 0 || (count == 1 && json_integer_value(json_array_get(indexes, 0)) == 0)) {
		varint_write(bytes, 0);
		return 0;
	}
	varint_write(bytes, count << 1);
	for (size_t i = 0; i < count; i++) {
		const json_t *index = json_array_get(indexes, i);

		if (!json_is_integer(index) || json_integer_value(index) < 0 ||
		    json_integer_value(index) > INT32_MAX)
			return err_set(err, E_MALFORMED, "\"indexes\" are not whole numbers");
		varint_write(bytes, (uint64_t)json_integer_value(index) << 1);
	}
	return 0;
}

int protobuf_write(struct str text, struct out *bytes, struct err *err)
{
	json_t *json = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
	const char *data = json_string_value(json_object_get(json, "data"));
	int rc;

	if (data) {
		rc = indexes_write(json_object_get(json, "indexes"), bytes, err);
		if (rc == 0)
			rc = plain_unbase64(str_of(data), bytes, err);
	} else {
		rc = err_set(err, E_MALFORMED,
			     "Protobuf is written from its bytes: "
			     "{\"indexes\":[0],\"data\":\"BASE64\"}");
	}
	json_decref(json);
	return rc;
}
