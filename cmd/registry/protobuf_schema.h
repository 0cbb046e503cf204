/* Protobuf's messages, as a .proto text or a FileDescriptorProto in base64 describes them (Python's
 * serializer registers the latter). What cannot be understood is left out: its values are then
 * shown by number.
 *
 *	struct protobuf_schema *s = protobuf_schema_new();
 *	protobuf_schema_add(s, imported_text);		// what the schema refers to, first
 *	protobuf_schema_add(s, text);			// the schema itself, last
 *	protobuf_schema_link(s);
 *	message = protobuf_schema_find(s, indexes, count);
 *
 * Source: protobuf.dev language guides; google/protobuf/descriptor.proto. */
#ifndef KAVKA_CMD_REGISTRY_PROTOBUF_SCHEMA_H
#define KAVKA_CMD_REGISTRY_PROTOBUF_SCHEMA_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

#define PROTOBUF_NESTED_MAX 32 /* how deep messages are defined in messages: stack */

/* The numbers of FieldDescriptorProto.Type. */
enum protobuf_type {
	PROTOBUF_UNKNOWN = 0,
	PROTOBUF_DOUBLE = 1,
	PROTOBUF_FLOAT = 2,
	PROTOBUF_INT64 = 3,
	PROTOBUF_UINT64 = 4,
	PROTOBUF_INT32 = 5,
	PROTOBUF_FIXED64 = 6,
	PROTOBUF_FIXED32 = 7,
	PROTOBUF_BOOL = 8,
	PROTOBUF_STRING = 9,
	PROTOBUF_GROUP = 10,
	PROTOBUF_MESSAGE = 11,
	PROTOBUF_BYTES = 12,
	PROTOBUF_UINT32 = 13,
	PROTOBUF_ENUM = 14,
	PROTOBUF_SFIXED32 = 15,
	PROTOBUF_SFIXED64 = 16,
	PROTOBUF_SINT32 = 17,
	PROTOBUF_SINT64 = 18,
};

struct protobuf_field {
	uint32_t number;
	const char *name;
	enum protobuf_type type;      /* PROTOBUF_UNKNOWN: of a name that is not linked */
	const char *type_name;        /* of messages and enums, as it is written */
	struct protobuf_named *named; /* linked; NULL: not known */
	bool is_repeated;
};

struct protobuf_value {
	int32_t number;
	const char *name;
};

/* A message or an enum. */
struct protobuf_named {
	struct map_node node;
	const char *name; /* full */
	bool is_enum;
	bool is_map_entry;
	struct protobuf_field *fields;
	struct protobuf_value *values;  /* of enums */
	size_t count, cap;              /* of fields or values */
	struct protobuf_named **nested; /* messages within, in the order of the file */
	size_t nested_count, nested_cap;
	struct protobuf_named *next; /* all of the schema */
};

struct protobuf_schema;

struct protobuf_schema *protobuf_schema_new(void);
void protobuf_schema_free(struct protobuf_schema *s); /* NULL is fine */
void protobuf_schema_add(struct protobuf_schema *s, const char *text);
/* Types find each other; once, after the last was added. */
void protobuf_schema_link(struct protobuf_schema *s);

/* The message with these indexes in the text that was added last; NULL: there is none. */
const struct protobuf_named *protobuf_schema_find(const struct protobuf_schema *s,
						  const int32_t *indexes, size_t count);
/* By field number; NULL. */
const struct protobuf_field *protobuf_field_find(const struct protobuf_named *message,
						 uint32_t number);

#endif
