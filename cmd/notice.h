/* Options under their old names: notices, and merging into the new ones. Shared by the console
 * tools. */
#ifndef KAVKA_CMD_NOTICE_H
#define KAVKA_CMD_NOTICE_H

#include "cmd/command.h"

/* A line about an old spelling. Apache's tools print it to stdout, into the data; under kavka's own
 * names it goes to stderr. */
void notice_old(const struct run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* E_USAGE with Apache's words when both were given. */
MUST_USE int notice_both(const struct run *run, const char *first, const char *second,
			 struct err *err);

#endif
