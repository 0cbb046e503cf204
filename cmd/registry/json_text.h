/* JSON as text: strings as Java's libraries spell them, and a check that also takes out the space
 * between tokens. Numbers keep every digit, which a tree of doubles would not. */
#ifndef KAVKA_CMD_REGISTRY_JSON_TEXT_H
#define KAVKA_CMD_REGISTRY_JSON_TEXT_H

#include "base/buf.h"
#include "base/err.h"

#define JSON_TEXT_DEPTH_MAX 512

/* Appends a quoted string; bytes that are no UTF-8 become U+FFFD. */
void json_text_string(struct out *out, struct str s);
/* The same with each byte as the character of that number (ISO-8859-1). */
void json_text_latin1(struct out *out, struct str bytes);

/* Appends one JSON value without space between its tokens. E_MALFORMED with the place; then
 * `out` holds a part. */
MUST_USE int json_text_compact(struct out *out, struct str text, struct err *err);

#endif
