/* Log lines to stderr: time, level, place, text. (The name `log_` belongs to the partition log.)
 *
 *	2026-08-22T10:00:00.123Z INFO broker/log orders-0: rolled to segment 1000
 *
 * With say_setup(.json = true): one JSON object a line. When stderr is the journal (JOURNAL_STREAM
 * set), lines start with "<N>" priorities and carry no time. Any thread may call; a line is one
 * write(). The place is a literal such as "broker/log". */
#ifndef KAVKA_BASE_SAY_H
#define KAVKA_BASE_SAY_H

#include "check.h"

#include <stdbool.h>

enum say_level { SAY_DEBUG, SAY_INFO, SAY_WARN, SAY_ERROR, SAY_NONE };

struct say_options {
	enum say_level level;	/* lower ones are dropped */
	bool json;
	bool plain;		/* commands: "kavka: text" without time and place */
};

void say_setup(const struct say_options *options);	/* before threads start */
/* The least level that is printed; any thread, at any time. */
void say_set_level(enum say_level level);
enum say_level say_level(void);
bool say_enabled(enum say_level level);
void say_line(enum say_level level, const char *place, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Each file that logs defines SAY_PLACE before its first use. */
#define say_debug(...) \
	(say_enabled(SAY_DEBUG) ? say_line(SAY_DEBUG, SAY_PLACE, __VA_ARGS__) : (void)0)
#define say_info(...) say_line(SAY_INFO, SAY_PLACE, __VA_ARGS__)
#define say_warn(...) say_line(SAY_WARN, SAY_PLACE, __VA_ARGS__)
#define say_error(...) say_line(SAY_ERROR, SAY_PLACE, __VA_ARGS__)

#endif
