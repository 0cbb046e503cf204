/* Numbers as people read them on a screen, in at most FIGURE_MAX bytes. */
#ifndef KAVKA_CMD_TOP_FIGURES_H
#define KAVKA_CMD_TOP_FIGURES_H

#include "cmd/top/history.h"

#include <stdbool.h>

#define FIGURE_MAX 32

/* "1,234,567"; "-" for a number below 0. */
void figure_count(char text[FIGURE_MAX], int64_t value);
/* "850", "12.3k", "4.56M"; with `has_sign` also "+0.5", "-3"; "-" for NaN. */
void figure_rate(char text[FIGURE_MAX], double value, bool has_sign);
/* "0", "512", "1.4K", "2.31G"; "-" below 0. */
void figure_bytes(char text[FIGURE_MAX], int64_t value);
/* "12s", "3m40s", "2h05m", "9d"; "-" below 0. */
void figure_duration(char text[FIGURE_MAX], int64_t seconds);

/* A picture of `width` characters into `text`, which has 4 * width + 1 bytes: the last values of a
 * history (the newest rightmost, the highest one full), or a share 0..1. `is_ascii`: without the
 * block characters of Unicode. */
void figure_spark(char *text, const struct history *h, unsigned width, bool is_ascii);
void figure_bar(char *text, double share, unsigned width, bool is_ascii);

#endif
