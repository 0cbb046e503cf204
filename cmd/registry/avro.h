/* Avro: schemas, and values between their binary and their JSON encoding.
 *
 *	struct avro_schema *s = avro_schema_new();
 *	rc = avro_schema_add(s, reference_text, &err);	// what the schema refers to, first
 *	rc = avro_schema_add(s, text, &err);		// the schema itself, last
 *	rc = avro_read(s, bytes, &json, &err);
 *	rc = avro_write(s, json_text, &bytes, &err);
 *
 * JSON is Avro's JSON encoding, spelled as Java's JsonEncoder does: a value of a union is
 * {"BRANCH":value} or null, bytes and fixed are strings of U+0000..U+00FF, NaN and the infinities
 * are strings. The writer also takes plain JSON where one branch of a union fits alone, and puts
 * in the defaults of fields that are missing. Logical types are shown as the type below them.
 *
 * Binary comes from anywhere: every length and count is checked against what is left before
 * anything is allocated, and depth and number of values are bounded.
 * Source: Apache Avro 1.12 specification. */
#ifndef KAVKA_CMD_REGISTRY_AVRO_H
#define KAVKA_CMD_REGISTRY_AVRO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

#include <jansson.h>

#define AVRO_DEPTH_MAX 200             /* of types in a schema and of values in a value: stack */
#define AVRO_VALUES_FREE (1024 * 1024) /* values that may take no byte at all, in one datum */

enum avro_kind {
	AVRO_NULL,
	AVRO_BOOLEAN,
	AVRO_INT,
	AVRO_LONG,
	AVRO_FLOAT,
	AVRO_DOUBLE,
	AVRO_BYTES,
	AVRO_STRING,
	AVRO_RECORD,
	AVRO_ENUM,
	AVRO_FIXED,
	AVRO_ARRAY,
	AVRO_MAP,
	AVRO_UNION,
	AVRO_KIND_COUNT,
};

struct avro_field {
	const char *name;
	struct avro_type *type;
	const json_t *preset; /* the default, borrowed from the schema's text; NULL: none */
};

struct avro_type {
	enum avro_kind kind;
	const char *name;            /* in unions and messages: full name, or the kind's word */
	struct map_node node;        /* named types: in the schema's `names` */
	struct avro_field *fields;   /* record */
	struct avro_type **branches; /* union; array and map have one: the items */
	const char **symbols;        /* enum */
	size_t count;                /* of fields, branches or symbols; bytes of a fixed */
};

struct avro_schema {
	struct arena arena;
	struct map names;
	struct avro_type *root; /* of the text that was added last */
	json_t *texts;          /* array: what defaults are borrowed from */
};

struct avro_schema *avro_schema_new(void);
void avro_schema_free(struct avro_schema *s); /* NULL is fine */

/* Parses one schema; the names that it defines are known to those added after it. E_INVALID with
 * what is wrong. */
MUST_USE int avro_schema_add(struct avro_schema *s, struct str text, struct err *err);

/* The name of a record, enum or fixed at the root; NULL for other types. */
const char *avro_schema_name(const struct avro_schema *s);

/* Appends the JSON of one datum that fills `bytes`. E_MALFORMED: the bytes do not fit the schema;
 * E_TOO_LARGE. */
MUST_USE int avro_read(const struct avro_schema *s, struct slice bytes, struct out *json,
		       struct err *err);

/* Appends the binary form of a JSON text. E_MALFORMED with the place and what it wants. */
MUST_USE int avro_write(const struct avro_schema *s, struct str json, struct out *bytes,
			struct err *err);

#endif
