#include "cmd/notice.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void notice_old(const struct run *run, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (run->is_apache)
		print_text("%s\n", text);
	else
		output_note(run, "%s", text);
}

int notice_both(const struct run *run, const char *first, const char *second, struct err *err)
{
	if (!opt_given(run, first) || !opt_given(run, second))
		return 0;
	return err_set(err, E_USAGE, "Options --%s and --%s cannot be specified together.", first,
		       second);
}

void notice_log(const char *level, const char *class_name, const char *fmt, ...)
{
	int64_t now_ms = clock_wall_ms();
	time_t now = now_ms / 1000;
	struct tm parts;
	char when[40], text[2048];
	va_list args;

	localtime_r(&now, &parts);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	print_error("[%s,%03d] %s %s (%s)\n", when, (int)(now_ms % 1000), level, text, class_name);
}
