/* The bytes of a frame, each named: which field it belongs to and what it says. A walk of the
 * descriptors (scan.h), down to the fields of each record in a record set.
 *
 *	explain_request(frame, line_print, ctx, &err);
 *
 * Bytes that cannot be what they should be end it with an error; the lines before stand. */
#ifndef KAVKA_WIRE_EXPLAIN_H
#define KAVKA_WIRE_EXPLAIN_H

#include "wire/api.h"
#include "wire/codec.h"

#define EXPLAIN_NO_POS SIZE_MAX

struct explain_line {
	size_t pos;           /* in the frame; EXPLAIN_NO_POS: inside of compressed records */
	const uint8_t *bytes; /* NULL with EXPLAIN_NO_POS */
	size_t len;
	const char *field; /* "Topics[0].Partitions[0].Index"; "" for what has no name */
	const char *value; /* one line */
};

typedef void (*explain_fn)(void *ctx, const struct explain_line *line);

/* `frame` begins with its size. A request names its API and version itself. After the body, bytes
 * that are left are given as one line.
 * 0; E_SHORT, E_MALFORMED, E_UNSUPPORTED (API or version that is not known). */
MUST_USE int explain_request(struct slice frame, explain_fn line, void *ctx, struct err *err);
MUST_USE int explain_response(const struct api *api, int16_t version, struct slice frame,
			      explain_fn line, void *ctx, struct err *err);

/* One message without header; its first byte is number `base` of the frame. `used` (may be NULL)
 * gets its length. */
MUST_USE int explain_message(const struct message_desc *m, int16_t version, struct slice bytes,
			     size_t base, explain_fn line, void *ctx, size_t *used,
			     struct err *err);

#endif
