/* A JSON tree as Jackson writes it: compact, other numbers than jansson for floating point. */
#ifndef KAVKA_CMD_JSON_TEXT_H
#define KAVKA_CMD_JSON_TEXT_H

#include "base/buf.h"

#include <jansson.h>

/* Appends it. */
void json_text(struct out *out, const json_t *json);

#endif
