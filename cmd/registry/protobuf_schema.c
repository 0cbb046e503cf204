#include "cmd/registry/protobuf_schema.h"
#include "cmd/registry/plain.h"
#include "cmd/registry/protobuf_wire.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct protobuf_schema {
	struct arena arena;
	struct map names;
	struct protobuf_named *all; /* in no order */
	struct protobuf_named file; /* of the text added last: its messages are `nested` */
};

struct protobuf_schema *protobuf_schema_new(void)
{
	struct protobuf_schema *s = xcalloc(1, sizeof(*s));

	arena_init(&s->arena);
	map_init(&s->names);
	return s;
}

void protobuf_schema_free(struct protobuf_schema *s)
{
	if (!s)
		return;
	for (struct protobuf_named *n = s->all; n; n = n->next) {
		free(n->fields);
		free(n->values);
		free(n->nested);
	}
	free(s->file.nested);
	map_fini(&s->names);
	arena_fini(&s->arena);
	free(s);
}

/* ---- Building ----------------------------------------------------------------------------- */

/* A new type within `outer`; its full name is OUTER.NAME. */
static struct protobuf_named *named_new(struct protobuf_schema *s, struct protobuf_named *outer,
					const char *name, size_t len, bool is_enum)
{
	struct protobuf_named *n = arena_zalloc(&s->arena, sizeof(*n));

	n->name = arena_printf(&s->arena, "%s%s%.*s", outer->name, *outer->name ? "." : "",
			       (int)len, name);
	n->is_enum = is_enum;
	n->next = s->all;
	s->all = n;
	if (!map_get(&s->names, n->name, strlen(n->name)))
		map_put(&s->names, &n->node, n->name, strlen(n->name));
	if (!is_enum) {
		outer->nested = grow_array(outer->nested, outer->nested_count, &outer->nested_cap,
					   sizeof(struct protobuf_named *));
		outer->nested[outer->nested_count++] = n;
	}
	return n;
}

static struct protobuf_field *field_new(struct protobuf_named *n)
{
	n->fields = grow_array(n->fields, n->count, &n->cap, sizeof(*n->fields));
	n->fields[n->count] = (struct protobuf_field){.name = ""};
	return &n->fields[n->count++];
}

static struct protobuf_value *value_new(struct protobuf_named *n)
{
	n->values = grow_array(n->values, n->count, &n->cap, sizeof(*n->values));
	n->values[n->count] = (struct protobuf_value){.name = ""};
	return &n->values[n->count++];
}

/* ---- From text ---------------------------------------------------------------------------- */

/* A word or a single character; comments and strings are left out. */
struct token {
	const char *text;
	size_t len; /* 0: the end */
};

struct scanner {
	struct protobuf_schema *schema;
	const char *at;
	unsigned depth;
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

static struct token token_next(struct scanner *sc)
{
	const char *p = sc->at;
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
	sc->at = p;
	return t;
}

static bool token_is(struct token t, const char *text)
{
	return t.len == strlen(text) && memcmp(t.text, text, t.len) == 0;
}

/* Up to and with the end of a statement: ';', or the '}' of its block. False at the file's end. */
static bool skip_statement(struct scanner *sc, struct token t)
{
	unsigned depth = 0;

	for (;; t = token_next(sc)) {
		if (t.len == 0)
			return false;
		if (token_is(t, ";") && depth == 0)
			return true;
		if (token_is(t, "{"))
			depth++;
		/* `option (x) = {...};`: the ';' is an empty statement. */
		if (token_is(t, "}") && (depth == 0 || --depth == 0))
			return true;
	}
}

static enum protobuf_type type_of_word(struct token t)
{
	static const char *const words[] = {
		[PROTOBUF_DOUBLE] = "double",     [PROTOBUF_FLOAT] = "float",
		[PROTOBUF_INT64] = "int64",       [PROTOBUF_UINT64] = "uint64",
		[PROTOBUF_INT32] = "int32",       [PROTOBUF_FIXED64] = "fixed64",
		[PROTOBUF_FIXED32] = "fixed32",   [PROTOBUF_BOOL] = "bool",
		[PROTOBUF_STRING] = "string",     [PROTOBUF_BYTES] = "bytes",
		[PROTOBUF_UINT32] = "uint32",     [PROTOBUF_SFIXED32] = "sfixed32",
		[PROTOBUF_SFIXED64] = "sfixed64", [PROTOBUF_SINT32] = "sint32",
		[PROTOBUF_SINT64] = "sint64"};

	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i] && token_is(t, words[i]))
			return i;
	}
	return PROTOBUF_UNKNOWN;
}

static void field_type(struct protobuf_schema *s, struct protobuf_field *f, struct token t)
{
	f->type = type_of_word(t);
	if (f->type == PROTOBUF_UNKNOWN)
		f->type_name = arena_strndup(&s->arena, t.text, t.len);
}

/* map<K, V> is a repeated message of key and value. `t`: behind "map". */
static bool scan_map(struct scanner *sc, struct protobuf_named *message, struct protobuf_field *f)
{
	struct token key = token_next(sc), comma = token_next(sc), value = token_next(sc);
	struct protobuf_named *entry;
	struct protobuf_field *part;

	if (!token_is(comma, ",") || !token_is(token_next(sc), ">"))
		return false;
	entry = arena_zalloc(&sc->schema->arena, sizeof(*entry));
	entry->name = message->name;
	entry->is_map_entry = true;
	entry->next = sc->schema->all;
	sc->schema->all = entry;
	part = field_new(entry);
	part->name = "key";
	part->number = 1;
	field_type(sc->schema, part, key);
	part = field_new(entry);
	part->name = "value";
	part->number = 2;
	field_type(sc->schema, part, value);
	f->type = PROTOBUF_MESSAGE;
	f->named = entry;
	f->is_repeated = true;
	return true;
}

/* [repeated] TYPE NAME = NUMBER ...; */
static bool scan_field(struct scanner *sc, struct protobuf_named *message, struct token t)
{
	struct protobuf_field f = {0};
	struct scanner ahead;
	struct token name;

	f.is_repeated = token_is(t, "repeated");
	if (f.is_repeated || token_is(t, "optional") || token_is(t, "required"))
		t = token_next(sc);
	ahead = *sc;
	if (token_is(t, "map") && token_is(token_next(&ahead), "<")) {
		*sc = ahead;
		if (!scan_map(sc, message, &f))
			return skip_statement(sc, token_next(sc));
	} else {
		field_type(sc->schema, &f, t);
	}
	name = token_next(sc);
	if (!token_is(name, ";") && token_is(token_next(sc), "=")) {
		f.name = arena_strndup(&sc->schema->arena, name.text, name.len);
		f.number = (uint32_t)strtoul(token_next(sc).text, NULL, 0);
		*field_new(message) = f;
	}
	return skip_statement(sc, token_next(sc));
}

static bool scan_enum(struct scanner *sc, struct protobuf_named *outer)
{
	struct token name = token_next(sc), t;
	struct protobuf_named *n = named_new(sc->schema, outer, name.text, name.len, true);

	if (!token_is(token_next(sc), "{"))
		return false;
	for (;;) {
		struct protobuf_value *v;
		bool is_negative;

		name = token_next(sc);
		if (name.len == 0 || token_is(name, "}"))
			return name.len > 0;
		t = token_next(sc);
		if (!token_is(t, "=")) {
			if (!skip_statement(sc, t))
				return false;
			continue;
		}
		t = token_next(sc);
		is_negative = token_is(t, "-");
		if (is_negative)
			t = token_next(sc);
		v = value_new(n);
		v->name = arena_strndup(&sc->schema->arena, name.text, name.len);
		v->number = (int32_t)strtol(t.text, NULL, 0) * (is_negative ? -1 : 1);
		if (!skip_statement(sc, token_next(sc)))
			return false;
	}
}

static bool scan_message(struct scanner *sc, struct protobuf_named *outer);

/* What is between the braces of a message, or of a oneof in it. */
static bool scan_body(struct scanner *sc, struct protobuf_named *message)
{
	for (;;) {
		struct token t = token_next(sc);
		bool is_good;

		if (t.len == 0 || token_is(t, "}"))
			return t.len > 0;
		if (token_is(t, ";"))
			continue;
		if (token_is(t, "message"))
			is_good = scan_message(sc, message);
		else if (token_is(t, "enum"))
			is_good = scan_enum(sc, message);
		else if (token_is(t, "oneof"))
			is_good = token_next(sc).len > 0 && token_is(token_next(sc), "{") &&
				  sc->depth++ < PROTOBUF_NESTED_MAX && scan_body(sc, message) &&
				  sc->depth-- > 0;
		else if (token_is(t, "option") || token_is(t, "reserved") ||
			 token_is(t, "extensions") || token_is(t, "extend"))
			is_good = skip_statement(sc, t);
		else
			is_good = scan_field(sc, message, t);
		if (!is_good)
			return false;
	}
}

static bool scan_message(struct scanner *sc, struct protobuf_named *outer)
{
	struct token name = token_next(sc);
	bool is_good;

	if (!token_is(token_next(sc), "{") || sc->depth == PROTOBUF_NESTED_MAX)
		return false;
	sc->depth++;
	is_good = scan_body(sc, named_new(sc->schema, outer, name.text, name.len, false));
	sc->depth--;
	return is_good;
}

static void scan_file(struct protobuf_schema *s, const char *text)
{
	struct scanner sc = {.schema = s, .at = text};
	bool is_good = true;

	while (is_good) {
		struct token t = token_next(&sc), name;

		if (t.len == 0)
			return;
		if (token_is(t, "message")) {
			is_good = scan_message(&sc, &s->file);
		} else if (token_is(t, "enum")) {
			is_good = scan_enum(&sc, &s->file);
		} else if (token_is(t, "package")) {
			name = token_next(&sc);
			s->file.name = arena_strndup(&s->arena, name.text, name.len);
		} else if (!token_is(t, ";") && !token_is(t, "}")) {
			is_good = skip_statement(&sc, t);
		}
	}
}

/* ---- From a descriptor -------------------------------------------------------------------- */

static const char *copy_bytes(struct protobuf_schema *s, struct slice bytes)
{
	return arena_strndup(&s->arena, (const char *)bytes.data, bytes.len);
}

/* The last text field `number`; "" if there is none. */
static const char *text_of(struct protobuf_schema *s, struct slice message, uint32_t number)
{
	const uint8_t *pos = message.data, *end = pos + message.len;
	struct wire_field f;
	const char *text = "";

	while (pos < end && wire_field(&pos, end, &f)) {
		if (f.number == number && f.type == WIRE_LEN)
			text = copy_bytes(s, f.bytes);
	}
	return text;
}

/* FieldDescriptorProto: name = 1, number = 3, label = 4 (3: repeated), type = 5, type_name = 6. */
static void describe_field(struct protobuf_schema *s, struct slice bytes,
			   struct protobuf_field *out)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct wire_field f;

	out->name = text_of(s, bytes, 1);
	while (pos < end && wire_field(&pos, end, &f)) {
		if (f.number == 3)
			out->number = (uint32_t)f.value;
		else if (f.number == 4)
			out->is_repeated = f.value == 3;
		else if (f.number == 5 && f.value <= PROTOBUF_SINT64)
			out->type = (enum protobuf_type)f.value;
		else if (f.number == 6 && f.type == WIRE_LEN)
			out->type_name = copy_bytes(s, f.bytes);
	}
	if (out->type == PROTOBUF_MESSAGE || out->type == PROTOBUF_ENUM)
		out->type = PROTOBUF_UNKNOWN; /* until it is linked */
}

/* EnumDescriptorProto: name = 1, value = 2 (EnumValueDescriptorProto: name = 1, number = 2). */
static void describe_enum(struct protobuf_schema *s, struct protobuf_named *outer,
			  struct slice bytes)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	const char *name = text_of(s, bytes, 1);
	struct protobuf_named *n = named_new(s, outer, name, strlen(name), true);
	struct wire_field f, part;

	while (pos < end && wire_field(&pos, end, &f)) {
		const uint8_t *p = f.bytes.data;
		struct protobuf_value *v;

		if (f.number != 2 || f.type != WIRE_LEN)
			continue;
		v = value_new(n);
		v->name = text_of(s, f.bytes, 1);
		while (p < f.bytes.data + f.bytes.len &&
		       wire_field(&p, f.bytes.data + f.bytes.len, &part)) {
			if (part.number == 2)
				v->number = (int32_t)part.value;
		}
	}
}

/* DescriptorProto: name = 1, field = 2, nested_type = 3, enum_type = 4, options = 7
 * (MessageOptions: map_entry = 7). */
static void describe_message(struct protobuf_schema *s, struct protobuf_named *outer,
			     struct slice bytes, unsigned depth)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	const char *name = text_of(s, bytes, 1);
	struct protobuf_named *n;
	struct wire_field f, part;

	if (depth == PROTOBUF_NESTED_MAX)
		return;
	n = named_new(s, outer, name, strlen(name), false);
	while (pos < end && wire_field(&pos, end, &f)) {
		const uint8_t *p = f.bytes.data;

		if (f.type != WIRE_LEN)
			continue;
		if (f.number == 2)
			describe_field(s, f.bytes, field_new(n));
		else if (f.number == 3)
			describe_message(s, n, f.bytes, depth + 1);
		else if (f.number == 4)
			describe_enum(s, n, f.bytes);
		while (f.number == 7 && p < f.bytes.data + f.bytes.len &&
		       wire_field(&p, f.bytes.data + f.bytes.len, &part))
			n->is_map_entry |= part.number == 7 && part.value == 1;
	}
}

/* FileDescriptorProto: package = 2, message_type = 4, enum_type = 5. */
static void describe_file(struct protobuf_schema *s, struct slice bytes)
{
	const uint8_t *pos = bytes.data, *end = pos + bytes.len;
	struct wire_field f;

	s->file.name = text_of(s, bytes, 2);
	while (pos < end && wire_field(&pos, end, &f)) {
		if (f.type == WIRE_LEN && f.number == 4)
			describe_message(s, &s->file, f.bytes, 0);
		else if (f.type == WIRE_LEN && f.number == 5)
			describe_enum(s, &s->file, f.bytes);
	}
}

void protobuf_schema_add(struct protobuf_schema *s, const char *text)
{
	struct out bytes;

	free(s->file.nested);
	s->file = (struct protobuf_named){.name = ""};
	out_init(&bytes, SIZE_MAX / 2);
	if (plain_unbase64(str_of(text), &bytes, NULL) == 0 && bytes.len > 0)
		describe_file(s, (struct slice){.data = bytes.data, .len = bytes.len});
	else
		scan_file(s, text);
	out_fini(&bytes);
}

/* ---- Links -------------------------------------------------------------------------------- */

/* From the innermost scope outwards; a name that begins with '.' is full. */
static struct protobuf_named *name_resolve(struct protobuf_schema *s, const char *scope,
					   const char *name)
{
	size_t len = strlen(scope);

	for (;;) {
		const char *full =
			*name == '.' ? name + 1
			: len == 0   ? name
				     : arena_printf(&s->arena, "%.*s.%s", (int)len, scope, name);
		struct map_node *node = map_get(&s->names, full, strlen(full));

		if (node)
			return CONTAINER_OF(node, struct protobuf_named, node);
		if (len == 0 || *name == '.')
			return NULL;
		while (len > 0 && scope[len - 1] != '.')
			len--;
		len -= len > 0;
	}
}

void protobuf_schema_link(struct protobuf_schema *s)
{
	for (struct protobuf_named *n = s->all; n; n = n->next) {
		for (size_t i = 0; !n->is_enum && i < n->count; i++) {
			struct protobuf_field *f = &n->fields[i];

			if (!f->type_name || f->named)
				continue;
			f->named = name_resolve(s, n->name, f->type_name);
			if (f->named)
				f->type = f->named->is_enum ? PROTOBUF_ENUM : PROTOBUF_MESSAGE;
		}
	}
}

const struct protobuf_named *protobuf_schema_find(const struct protobuf_schema *s,
						  const int32_t *indexes, size_t count)
{
	const struct protobuf_named *at = &s->file;

	for (size_t i = 0; i < count; i++) {
		if (indexes[i] < 0 || (size_t)indexes[i] >= at->nested_count)
			return NULL;
		at = at->nested[indexes[i]];
	}
	return at;
}

const struct protobuf_field *protobuf_field_find(const struct protobuf_named *message,
						 uint32_t number)
{
	for (size_t i = 0; i < message->count; i++) {
		if (message->fields[i].number == number)
			return &message->fields[i];
	}
	return NULL;
}
