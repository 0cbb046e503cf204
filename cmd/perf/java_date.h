/* Dates by the patterns of java.text.SimpleDateFormat, in English and the local time zone. */
#ifndef KAVKA_CMD_JAVA_DATE_H
#define KAVKA_CMD_JAVA_DATE_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the time. 0, or E_INVALID with Java's words: a letter that means nothing, or a quote
 * that does not end. `out` may be NULL: only the pattern is checked. */
MUST_USE int java_date(struct out *out, const char *pattern, int64_t time_ms, struct err *err);

#endif
