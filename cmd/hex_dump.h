/* A frame on stdout, each byte with its offset, field and value. */
#ifndef KAVKA_CMD_HEX_DUMP_H
#define KAVKA_CMD_HEX_DUMP_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/api.h"

#include <stdbool.h>

/* `frame` begins with its size. `title`: "request" or "response". `response_of`: NULL for a request
 * (which says itself what it is). With `as_json` one object a line. Texts go to `arena`.
 * Prints what it can; errors: explain_request()'s. */
MUST_USE int hex_dump_frame(struct arena *arena, const char *title, const struct api *response_of,
			    int16_t version, struct slice frame, bool as_json, struct err *err);

#endif
