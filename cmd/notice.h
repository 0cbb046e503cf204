/* What Apache's console tools say beside their data: options under old names, lines of a log. */
#ifndef KAVKA_CMD_NOTICE_H
#define KAVKA_CMD_NOTICE_H

#include "cmd/command.h"

/* A line about an old spelling. Apache's tools print it to stdout, into the data; under kavka's own
 * names it goes to stderr. */
void notice_old(const struct run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* E_USAGE with Apache's words when both were given. */
MUST_USE int notice_both(const struct run *run, const char *first, const char *second,
			 struct err *err);

/* A line of the log that Apache's tools write to stderr: "[2026-08-22 17:34:22,123] ERROR TEXT
 * (CLASS)". */
void notice_log(const char *level, const char *class_name, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
