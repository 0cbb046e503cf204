#include "cmd/registry/protobuf.h"
#include "cmd/registry/json_text.h"
#include "cmd/registry/plain.h"

#include "cmd/utf8.h"

#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* ---- The name of a message ---------------------------------------------------------------- */

/* Words and single characters of a .proto file; comments and strings are left out. */
struct token {
	const char *text;
	size_t len; /* 0: the end */
};

static const char *skip_comment(const char *p)
{
	const char *end;

	if (p[1] == '/')
		return p + strcspn(p, "\n");
	end = strstr(p + 2, "*/");
	return end ? end + 2 : p + strlen(p);
}

static const char *skip_quoted(const char *p)
{
	char quote = *p++;

	while (*p && *p != quote)
		p += *p == '\\' && p[1] ? 2 : 1;
	return *p ? p + 1 : p;
}

static struct token token_next(const char **at)
{
	const char *p = *at;
	struct token t = {0};

	for (;;) {
		if (isspace((unsigned char)*p))
			p++;
		else if (*p == '/' && (p[1] == '/' || p[1] == '*'))
			p = skip_comment(p);
		else if (*p == '"' || *p == '\'')
			p = skip_quoted(p);
		else
			break;
	}
	t.text = p;
	while (isalnum((unsigned char)*p) || *p == '_' || *p == '.')
		p++;
	if (p == t.text && *p)
		p++;
	t.len = (size_t)(p - t.text);
	*at = p;
	return t;
}

static bool token_is(struct token t, const char *text)
{
	return t.len == strlen(text) && memcmp(t.text, text, t.len) == 0;
}

/* The text behind '{' of message number `index` among those at this level. NULL: there is none. */
static const char *message_find(const char *at, int32_t index, struct token *name)
{
	unsigned depth = 0;
	bool starts = true; /* a statement: `message` may also be the name of a field */
	int32_t count = 0;

	for (;;) {
		struct token t = token_next(&at);

		if (t.len == 0 || (depth == 0 && token_is(t, "}")))
			return NULL;
		if (depth == 0 && starts && token_is(t, "message")) {
			struct token word = token_next(&at), brace = token_next(&at);

			if (!token_is(brace, "{"))
				return NULL;
			if (count++ == index) {
				*name = word;
				return at;
			}
			depth++;
			continue;
		}
		starts = t.len == 1 && strchr(";{}", *t.text);
		if (token_is(t, "{"))
			depth++;
		else if (token_is(t, "}"))
			depth--;
	}
}

static struct token package_find(const char *at)
{
	bool starts = true;

	for (;;) {
		struct token t = token_next(&at);

		if (t.len == 0)
			return t;
		if (starts && token_is(t, "package"))
			return token_next(&at);
		starts = t.len == 1 && strchr(";{}", *t.text);
	}
}

/* ---- Bytes into JSON ---------------------------------------------------------------------- */

enum wire_type { WIRE_VARINT, WIRE_64, WIRE_LEN, WIRE_GROUP, WIRE_GROUP_END, WIRE_32 };

struct field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;     /* varint, 64, 32 */
	struct slice bytes; /* len */
	size_t order;
};

static bool varint_read(const uint8_t **pos, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && *pos < end; shift += 7) {
		uint8_t byte = *(*pos)++;

		v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80)) {
			*out = v;
			return true;
		}
	}
	return false;
}

/* Little-endian. */
static uint64_t fixed_read(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* The field at *pos. Groups, gone since proto2, are not told apart: they make a message unreadable,
 * and it is shown as bytes. */
static bool field_read(const uint8_t **pos, const uint8_t *end, struct field *f)
{
	uint64_t tag, len;
	size_t size;

	if (!varint_read(pos, end, &tag) || tag >> 3 == 0 || tag >> 3 > PROTOBUF_FIELD_MAX)
		return false;
	*f = (struct field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
	switch (f->type) {
	case WIRE_VARINT: return varint_read(pos, end, &f->value);
	case WIRE_64:
	case WIRE_32:
		size = f->type == WIRE_64 ? 8 : 4;
		if ((size_t)(end - *pos) < size)
			return false;
		f->value = fixed_read(*pos, size);
		*pos += size;
		return true;
	case WIRE_LEN:
		if (!varint_read(pos, end, &len) || len > (size_t)(end - *pos))
			return false;
		f->bytes = (struct slice){.data = *pos, .len = (size_t)len};
		*pos += len;
		return true;
	default: return false;
	}
}

static bool message_is_good(struct slice bytes, unsigned depth)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct field f;

	if (depth == PROTOBUF_DEPTH_MAX)
		return false;
	while (pos < end) {
		if (!field_read(&pos, end, &f))
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

static void message_write(struct slice bytes, unsigned depth, struct out *json);

static void field_write(const struct field *f, unsigned depth, struct out *json)
{
	struct str text = {(const char *)f->bytes.data, f->bytes.len};

	if (f->type != WIRE_LEN) {
		out_printf(json, "%" PRId64, (int64_t)f->value);
	} else if (bytes_are_text(f->bytes)) {
		json_text_string(json, text);
	} else if (message_is_good(f->bytes, depth + 1)) {
		message_write(f->bytes, depth + 1, json);
	} else {
		out_text(json, "{\"base64\":\"");
		plain_base64(json, f->bytes);
		out_text(json, "\"}");
	}
}

static int field_compare(const void *a, const void *b)
{
	const struct field *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* By number; a field that occurs more than once is an array. */
static void message_write(struct slice bytes, unsigned depth, struct out *json)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct field *fields = NULL;
	size_t count = 0, cap = 0;

	while (pos < end) {
		fields = grow_array(fields, count, &cap, sizeof(*fields));
		if (!field_read(&pos, end, &fields[count]))
			break;
		fields[count].order = count;
		count++;
	}
	if (count > 1)
		qsort(fields, count, sizeof(*fields), field_compare);
	out_byte(json, '{');
	for (size_t i = 0; i < count; i++) {
		bool same = i > 0 && fields[i - 1].number == fields[i].number;
		bool more = i + 1 < count && fields[i + 1].number == fields[i].number;

		if (i > 0)
			out_byte(json, ',');
		if (!same)
			out_printf(json, "\"%u\":%s", fields[i].number, more ? "[" : "");
		field_write(&fields[i], depth, json);
		if (same && !more)
			out_byte(json, ']');
	}
	out_byte(json, '}');
	free(fields);
}

/* Zigzag; none at all stands for [0]. Gives how many, or -1. */
static int indexes_read(const uint8_t **pos, const uint8_t *end, int32_t *indexes)
{
	uint64_t count, v;

	if (!varint_read(pos, end, &count))
		return -1;
	count = (count >> 1) ^ -(count & 1);
	if (count > PROTOBUF_INDEXES_MAX)
		return -1;
	for (uint64_t i = 0; i < count; i++) {
		if (!varint_read(pos, end, &v) || v & 1 || v >> 1 > INT32_MAX)
			return -1;
		indexes[i] = (int32_t)(v >> 1);
	}
	if (count == 0)
		indexes[count++] = 0;
	return (int)count;
}

int protobuf_read(const char *schema_text, const char *subject, struct slice bytes,
		  struct out *json, struct err *err)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	int32_t indexes[PROTOBUF_INDEXES_MAX];
	int count = indexes_read(&pos, end, indexes);
	struct slice payload;
	struct out name;

	if (count < 0)
		return err_set(err, E_MALFORMED, "has no good message indexes behind its id");
	payload = (struct slice){.data = pos, .len = (size_t)(end - pos)};
	out_init(&name, SIZE_MAX / 2);
	protobuf_name(schema_text, indexes, (size_t)count, &name);
	out_text(json, "{\"message\":");
	json_text_string(json, (struct str){(const char *)name.data, name.len});
	out_fini(&name);
	if (subject) {
		out_text(json, ",\"subject\":");
		json_text_string(json, str_of(subject));
	}
	if (message_is_good(payload, 0)) {
		out_text(json, ",\"fields\":");
		message_write(payload, 0, json);
	}
	out_text(json, ",\"indexes\":[");
	for (int i = 0; i < count; i++)
		out_printf(json, "%s%d", i ? "," : "", indexes[i]);
	out_text(json, "],\"data\":\"");
	plain_base64(json, payload);
	out_text(json, "\"}");
	return 0;
}

/* ---- The name of a message, whichever form the schema has ---------------------------------- */

static void name_of_text(const char *text, const int32_t *indexes, size_t count, struct out *name)
{
	struct token package = package_find(text), word = {0};

	out_bytes(name, package.text, package.len);
	for (size_t i = 0; i < count; i++) {
		text = message_find(text, indexes[i], &word);
		if (!text) {
			out_reset(name);
			return;
		}
		if (name->len > 0)
			out_byte(name, '.');
		out_bytes(name, word.text, word.len);
	}
}

/* The bytes of field `number`, the one of those that is `index`; null: there is none. */
static struct slice field_find(struct slice message, uint32_t number, int32_t index)
{
	const uint8_t *pos = message.data, *end = pos + message.len;
	struct field f;

	while (pos < end && field_read(&pos, end, &f)) {
		if (f.number == number && f.type == WIRE_LEN && index-- == 0)
			return f.bytes;
	}
	return SLICE_NULL;
}

/* A FileDescriptorProto (google/protobuf/descriptor.proto) in base64, as Python's serializer
 * registers it: package = 2, message_type = 4; DescriptorProto: name = 1, nested_type = 3. */
static void name_of_descriptor(const char *text, const int32_t *indexes, size_t count,
			       struct out *name)
{
	struct slice at, part;
	struct out bytes;

	out_init(&bytes, SIZE_MAX / 2);
	if (plain_unbase64(str_of(text), &bytes, NULL) == 0 && bytes.len > 0) {
		at = (struct slice){.data = bytes.data, .len = bytes.len};
		part = field_find(at, 2, 0);
		out_bytes(name, part.data, part.len);
		for (size_t i = 0; i < count && at.data; i++) {
			at = field_find(at, i == 0 ? 4 : 3, indexes[i]);
			part = at.data ? field_find(at, 1, 0) : SLICE_NULL;
			if (name->len > 0)
				out_byte(name, '.');
			out_bytes(name, part.data, part.len);
		}
		if (!at.data)
			out_reset(name);
	}
	out_fini(&bytes);
}

void protobuf_name(const char *text, const int32_t *indexes, size_t count, struct out *name)
{
	out_reset(name);
	name_of_text(text, indexes, count, name);
	if (name->len == 0)
		name_of_descriptor(text, indexes, count, name);
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
	json_t *json = json_loadb(text.data, text.len, 0, NULL);
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
