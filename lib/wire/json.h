/* Messages as JSON, as Kafka's own converters write them: field names with a small first letter,
 * only the fields of the version, tagged fields only if they differ from their default, bytes in
 * base64, ids as 22 characters, null as null. */
#ifndef KAVKA_WIRE_JSON_H
#define KAVKA_WIRE_JSON_H

#include "wire/codec.h"

#include <jansson.h>

enum wire_json_flag {
	WIRE_JSON_RECORDS = 1,	/* records in base64; without: "recordsSizeInBytes" */
	WIRE_JSON_BATCHES = 2,	/* records read: see records_to_json() */
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

/* The same for what people type: absent members take their defaults, names count in any case, and
 * records may be in base64 or as records_from_json() has them. A member that the message or the
 * version does not have is E_INVALID with the nearest that it has. */
MUST_USE int message_from_json_typed(const struct message_desc *m, int16_t version,
				     const json_t *json, struct arena *arena, void *msg,
				     struct err *err);

/* ---- Records --------------------------------------------------------------------------------- */

/* A record set as an array of batches, each with "records" of the form
 *	{"offset":0,"timestamp":1760000000000,"key":"k","value":"v","headers":[{"key":..,"value":..}]}
 * Bytes that are not UTF-8 are in base64, with "keyEncoding":"base64" beside them. What cannot be
 * read is an object with "error". Never NULL. */
json_t *records_to_json(struct slice records);

/* From such batches, or from records alone, which become one batch. Of a batch count "compression",
 * "baseOffset", "partitionLeaderEpoch", "producerId", "producerEpoch", "baseSequence",
 * "isTransactional"; a record may lack all of its members. Gives the bytes in `arena`.
 * 0 or E_INVALID. */
MUST_USE int records_from_json(const json_t *json, struct arena *arena, struct slice *out,
			       struct err *err);

#endif
