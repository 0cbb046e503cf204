/* Base64 of RFC 4648 section 4, with padding: what JSON and SASL write bytes in. */
#ifndef KAVKA_WIRE_BASE64_H
#define KAVKA_WIRE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"

#define BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)

/* Gives a terminated text in `arena`; `*text_len` may be NULL. */
char *base64_encode(struct arena *arena, const void *data, size_t len, size_t *text_len);

/* Gives bytes in `arena` (not null, even if empty). Padding may be absent.
 * Returns 0 or E_MALFORMED. */
MUST_USE int base64_decode(struct arena *arena, struct str text, struct slice *out);

#endif
