#include "say.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAY_LINE_MAX 4096

static struct say_options say_now = {.level = SAY_INFO};
static atomic_int say_least = SAY_INFO; /* the level; may change while threads run */

static const struct {
	const char *name;
	int priority; /* syslog's, for the journal */
} say_levels[] = {
	[SAY_DEBUG] = {"DEBUG", 7},
	[SAY_INFO] = {"INFO", 6},
	[SAY_WARN] = {"WARN", 4},
	[SAY_ERROR] = {"ERROR", 3},
};

void say_setup(const struct say_options *options)
{
	say_now = *options;
	say_set_level(options->level);
}

void say_set_level(enum say_level level)
{
	atomic_store_explicit(&say_least, (int)level, memory_order_relaxed);
}

enum say_level say_level(void)
{
	return (enum say_level)atomic_load_explicit(&say_least, memory_order_relaxed);
}

bool say_enabled(enum say_level level)
{
	return level >= say_level();
}

static size_t say_time(char *text, size_t size)
{
	struct timespec now;
	struct tm parts;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	len = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &parts);
	return len + (size_t)snprintf(text + len, size - len, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Appends `text` as the inside of a JSON string. */
static size_t say_escape(char *line, size_t len, size_t max, const char *text)
{
	for (; *text && len + 7 < max; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			line[len++] = '\\';
			line[len++] = (char)c;
		} else if (c < 0x20) {
			len += (size_t)snprintf(line + len, max - len, "\\u%04x", c);
		} else {
			line[len++] = (char)c;
		}
	}
	return len;
}

void say_line(enum say_level level, const char *place, const char *fmt, ...)
{
	char text[SAY_LINE_MAX / 2], line[SAY_LINE_MAX], when[40];
	size_t len, max = sizeof(line) - 4;
	ssize_t written;
	va_list args;

	if (!say_enabled(level))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say_time(when, sizeof(when));
	if (say_now.json) {
		len = (size_t)snprintf(
			line, max, "{\"time\":\"%s\",\"level\":\"%s\",\"place\":\"%s\",\"text\":\"",
			when, say_levels[level].name, place);
		len = say_escape(line, len, max, text);
		line[len++] = '"';
		line[len++] = '}';
	} else if (say_now.plain) {
		len = (size_t)snprintf(line, max, "kavka: %s%s",
				       level == SAY_WARN ? "warning: " : "", text);
	} else if (getenv("JOURNAL_STREAM")) {
		len = (size_t)snprintf(line, max, "<%d>%s %s", say_levels[level].priority, place,
				       text);
	} else {
		len = (size_t)snprintf(line, max, "%s %s %s %s", when, say_levels[level].name,
				       place, text);
	}
	line[len++] = '\n';
	written = write(STDERR_FILENO, line, len);
	(void)written; /* nowhere left to report it */
}
