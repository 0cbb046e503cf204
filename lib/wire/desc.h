/* Descriptors: what the generator says of each message, and what the codec walks.
 *
 * `wire/messages.h` (generated from lib/wire/schema) declares for every message `struct X`, its
 * `X_struct` (fields) and `X_desc` (versions, key); for every struct inside it `struct X_y` and
 * `X_y_struct`. All of them are constant. README.md in this folder shows the conventions. */
#ifndef KAVKA_WIRE_DESC_H
#define KAVKA_WIRE_DESC_H

#include "base/check.h"

#include <stdbool.h>

enum wire_type {
	WIRE_BOOL,	/* bool */
	WIRE_INT8,	/* int8_t */
	WIRE_INT16,
	WIRE_UINT16,
	WIRE_INT32,
	WIRE_UINT32,
	WIRE_INT64,
	WIRE_FLOAT64,	/* double */
	WIRE_UUID,	/* struct uuid */
	WIRE_STRING,	/* struct str */
	WIRE_BYTES,	/* struct slice */
	WIRE_RECORDS,	/* struct slice: record batches */
	WIRE_STRUCT,	/* the struct itself; a pointer to it with WIRE_POINTER */
};

#define WIRE_TYPE_COUNT (WIRE_STRUCT + 1)

enum wire_flag {
	WIRE_ARRAY = 1,		/* pointer at `at`, int32_t count (-1: null) at `count_at` */
	WIRE_IGNORABLE = 2,	/* may be dropped when the version lacks the field */
	WIRE_PRESET_NULL = 4,	/* its default is null */
	WIRE_POINTER = 8,	/* a struct that can be null in some version */
	WIRE_INFLEXIBLE = 16,	/* never in compact form (the client id of request headers) */
};

#define WIRE_VERSION_MAX 32767
#define WIRE_DEPTH_MAX 12	/* structs in structs; the generator refuses deeper schemas */

struct wire_struct;

struct wire_field {
	const char *name;			/* the schema's */
	const struct wire_struct *child;	/* WIRE_STRUCT only */
	int64_t preset;				/* default of bool and integers */
	uint16_t at, count_at;			/* offsets in the C struct */
	uint8_t type, flags;
	int16_t since, until;			/* versions that have it, both inclusive */
	int16_t nullable_since, nullable_until;	/* since > until: never null */
	int16_t tag;				/* -1: none */
	int16_t tagged_since;			/* from this version on it is a tagged field */
};

struct wire_struct {
	const char *name;
	const struct wire_field *fields;
	const uint8_t *tagged;			/* index of the field with tag 0, 1, 2, ... */
	uint16_t field_count, tagged_count;
	uint16_t size;				/* of the C struct */
};

/* One message: a request, a response, a record, a key. */
struct message_desc {
	const char *name;			/* "FetchRequest", "TopicRecord" */
	const struct wire_struct *body;
	int16_t key;				/* API key or record type, -1: none */
	int16_t min_version, max_version;
	int16_t flexible_since;			/* WIRE_VERSION_MAX: never */
};

static inline bool wire_field_in(const struct wire_field *f, int16_t version)
{
	return version >= f->since && version <= f->until;
}
static inline bool wire_field_nullable(const struct wire_field *f, int16_t version)
{
	return version >= f->nullable_since && version <= f->nullable_until;
}
static inline bool wire_field_ever_null(const struct wire_field *f)
{
	return f->nullable_since <= f->nullable_until;
}
static inline bool message_has_version(const struct message_desc *m, int16_t version)
{
	return version >= m->min_version && version <= m->max_version;
}

#endif
