/* Messages as JSON, as Kafka's own converters write them: field names with a small first letter,
 * only the fields of the version, tagged fields only if they differ from their default, bytes in
 * base64, ids as 22 characters, null as null. */
#ifndef KAVKA_WIRE_JSON_H
#define KAVKA_WIRE_JSON_H

#include "wire/codec.h"

#include <jansson.h>

enum wire_json_flag {
	WIRE_JSON_RECORDS = 1,	/* records in base64; without: "recordsSizeInBytes" */
};

/* Gives a new JSON object, or NULL with `err` set: the version lacks a field that is not ignorable
 * and has a value (E_UNSUPPORTED). Bytes of strings that are not UTF-8 become U+FFFD. */
json_t *message_to_json(const struct message_desc *m, int16_t version, const void *msg,
			unsigned flags, struct err *err);

/* Fills `msg`; strings and all else are copied into `arena`. Members that are not in the schema
 * are ignored; an absent one is E_INVALID, unless it is a tagged field (default).
 * Returns 0, E_INVALID, or E_UNSUPPORTED (version). */
MUST_USE int message_from_json(const struct message_desc *m, int16_t version, const json_t *json,
			       struct arena *arena, void *msg, struct err *err);

#endif
