/* A filter of topic names as Apache's tools take it: a list of Java regular expressions, separated
 * by commas, that must match the whole name. Blanks are dropped, quotes around it too. */
#ifndef KAVKA_CMD_FILTER_H
#define KAVKA_CMD_FILTER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

struct filter;

/* Gives a filter, or NULL with E_INVALID in `err`. filter_free(NULL) is fine. */
struct filter *filter_new(const char *text, struct err *err);
void filter_free(struct filter *f);
bool filter_matches(const struct filter *f, struct str name);
/* The one name that this filter can match, or NULL: the cluster must be asked for all names. */
const char *filter_literal(const struct filter *f);

bool filter_is_internal(struct str name);

#endif
