/* What this program knows of features: which levels a release brings, and what a level needs. */
#ifndef KAVKA_CMD_FEATURE_LEVELS_H
#define KAVKA_CMD_FEATURE_LEVELS_H

#include "base/err.h"

/* Prints the levels that go with a release, the newest for NULL. E_INVALID: there is none. */
MUST_USE int feature_levels_mapping(const char *release, struct err *err);
/* Prints what "name=level" needs. E_INVALID: not of that form, or unknown. */
MUST_USE int feature_levels_depends(const char *text, struct err *err);

#endif
