#include "cmd/progress.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRESS_TEXT_MAX 160

void progress_start(struct progress *p, const char *what, const char *unit, int64_t total)
{
	*p = (struct progress){.what = what, .unit = unit, .total = total,
			       .is_on = !output_is_quiet() && isatty(STDERR_FILENO)};
	p->begun_ms = clock_mono_ms();
	p->redraw_ms = p->begun_ms + PROGRESS_DELAY_MS;
}

/* "1234567" as "1 234 567". */
static void progress_number(int64_t value, char text[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRId64, value), at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[at++] = ' ';
		text[at++] = digits[i];
	}
	text[at] = '\0';
}

int progress_text(const struct progress *p, int64_t done, int64_t now_ms, char *text, int size)
{
	int64_t spent_ms = now_ms > p->begun_ms ? now_ms - p->begun_ms : 1;
	char count[32], rate[32], percent[16] = "", left[48] = "";

	progress_number(done, count);
	progress_number((int64_t)((double)done * 1000 / (double)spent_ms), rate);
	if (p->total > 0 && done > 0) {
		double part = done < p->total ? (double)done / (double)p->total : 1;
		int64_t seconds = (int64_t)((1 - part) / part * (double)spent_ms / 1000 + 0.5);

		snprintf(percent, sizeof(percent), "%3d%%  ", (int)(part * 100));
		snprintf(left, sizeof(left), "  %" PRId64 ":%02d left", seconds / 60,
			 (int)(seconds % 60));
	}
	return snprintf(text, (size_t)size, "%s  %s%s %s  %s/s%s", p->what, percent, count, p->unit,
			rate, left);
}

void progress_at(struct progress *p, int64_t done)
{
	char text[PROGRESS_TEXT_MAX];
	int64_t now;

	if (!p->is_on)
		return;
	now = clock_mono_ms();
	if (now < p->redraw_ms)
		return;
	p->redraw_ms = now + PROGRESS_REDRAW_MS;
	p->is_drawn = true;
	progress_text(p, done, now, text, sizeof(text));
	print_error("\r\033[K%s", text);
}

void progress_hide(struct progress *p)
{
	if (p->is_drawn)
		print_error("\r\033[K");
	p->is_drawn = false;
}

void progress_end(struct progress *p)
{
	progress_hide(p);
	p->is_on = false;
}
