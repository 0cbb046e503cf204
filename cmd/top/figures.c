#include "cmd/top/figures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void figure_count(char text[FIGURE_MAX], int64_t value)
{
	char digits[FIGURE_MAX];
	size_t len, at = 0;

	if (value < 0) {
		snprintf(text, FIGURE_MAX, "-");
		return;
	}
	snprintf(digits, sizeof(digits), "%" PRId64, value);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
}

/* Three digits that count. */
static void figure_scaled(char text[FIGURE_MAX], double value, double base, const char *units,
			  const char *sign)
{
	unsigned unit = 0;

	/* 999.6 would be printed as 1000. */
	while (value >= base - 0.5 && units[unit + 1]) {
		value /= base;
		unit++;
	}
	if (unit == 0)
		snprintf(text, FIGURE_MAX, "%s%.*f", sign, value > 0 && value < 9.95 ? 1 : 0,
			 value);
	else
		snprintf(text, FIGURE_MAX, "%s%.*f%c", sign,
			 value < 9.995   ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[unit]);
}

void figure_rate(char text[FIGURE_MAX], double value, bool has_sign)
{
	if (isnan(value))
		snprintf(text, FIGURE_MAX, "-");
	else if (fabs(value) < 0.05)
		snprintf(text, FIGURE_MAX, "0");
	else
		figure_scaled(text, fabs(value), 1000, " kMGT",
			      value < 0  ? "-"
			      : has_sign ? "+"
					 : "");
}

void figure_bytes(char text[FIGURE_MAX], int64_t value)
{
	if (value < 0)
		snprintf(text, FIGURE_MAX, "-");
	else if (value < 1000)
		snprintf(text, FIGURE_MAX, "%" PRId64, value);
	else
		figure_scaled(text, (double)value, 1024, " KMGTP", "");
}

void figure_duration(char text[FIGURE_MAX], int64_t s)
{
	if (s < 0)
		snprintf(text, FIGURE_MAX, "-");
	else if (s < 60)
		snprintf(text, FIGURE_MAX, "%ds", (int)s);
	else if (s < 3600)
		snprintf(text, FIGURE_MAX, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(text, FIGURE_MAX, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(text, FIGURE_MAX, "%" PRId64 "d", s / 86400);
}

/* ---- Pictures ----------------------------------------------------------------------------- */

static const char *const spark_blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const spark_ascii[] = {"_", ".", "-", "=", "+", "*", "%", "#"};

static char *figure_put(char *at, const char *piece)
{
	size_t len = strlen(piece);

	memcpy(at, piece, len);
	return at + len;
}

void figure_spark(char *text, const struct history *h, unsigned width, bool is_ascii)
{
	const char *const *blocks = is_ascii ? spark_ascii : spark_blocks;
	double highest = 0;

	for (unsigned i = 0; h && i < width; i++)
		highest = fmax(highest, history_value(h, i)); /* fmax passes NaN over */
	for (unsigned i = width; i-- > 0;) {
		double value = h ? history_value(h, i) : NAN;
		unsigned step = 0;

		if (isnan(value)) {
			text = figure_put(text, " ");
			continue;
		}
		if (value > 0 && highest > 0)
			step = (unsigned)fmin(ceil(value / highest * 7), 7);
		text = figure_put(text, blocks[step]);
	}
	*text = '\0';
}

void figure_bar(char *text, double share, unsigned width, bool is_ascii)
{
	static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned eighths, full;

	share = isnan(share) ? 0 : fmin(fmax(share, 0), 1);
	eighths = (unsigned)(share * width * 8 + 0.5);
	/* Something is never drawn as nothing. */
	if (share > 0 && eighths == 0)
		eighths = 1;
	full = is_ascii ? (eighths + 7) / 8 : eighths / 8;
	for (unsigned i = 0; i < width; i++) {
		if (i < full)
			text = figure_put(text, is_ascii ? "#" : "█");
		else if (i == full && !is_ascii && eighths % 8)
			text = figure_put(text, parts[eighths % 8]);
		else
			text = figure_put(text, " ");
	}
	*text = '\0';
}
