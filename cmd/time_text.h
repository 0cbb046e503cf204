/* Dates and durations as users type them. */
#ifndef KAVKA_CMD_TIME_TEXT_H
#define KAVKA_CMD_TIME_TEXT_H

#include "base/err.h"

/* ISO 8601 with a T: "2026-08-01T00:00:00.000", with Z, +02, +02:00 or +0200 behind it; without a
 * zone it is UTC, as Apache's tools have it. Parts of a second may be missing. Milliseconds since
 * 1970. 0 or E_INVALID with Apache's words. */
MUST_USE int time_parse(const char *text, int64_t *ms, struct err *err);

/* "PnDTnHnMnS" (each part may be missing, seconds may have a fraction), in milliseconds. */
MUST_USE int duration_parse(const char *text, int64_t *ms, struct err *err);

#endif
