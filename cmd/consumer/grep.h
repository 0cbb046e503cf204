/* --grep and --grep-key: records whose value or key a regular expression (PCRE2) finds. */
#ifndef KAVKA_CMD_CONSUMER_GREP_H
#define KAVKA_CMD_CONSUMER_GREP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

struct grep;

/* `option` names it in the error. NULL with E_USAGE in `err`: where the expression goes wrong. */
struct grep *grep_new(const char *pattern, const char *option, struct err *err);
void grep_free(struct grep *g); /* NULL is fine */

/* Is it found anywhere in the bytes? Bytes need not be UTF-8. Null has nothing to be found in. */
bool grep_finds(struct grep *g, struct str text);

#endif
