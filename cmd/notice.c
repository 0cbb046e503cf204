#include "cmd/notice.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include <stdarg.h>
#include <stdio.h>

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
