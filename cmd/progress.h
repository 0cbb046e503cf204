/* How far long work is: one line on stderr, redrawn in place, when stderr is a terminal, --quiet
 * was not given and the work takes longer than PROGRESS_DELAY_MS. Elsewhere nothing is printed.
 *
 *	progress_start(&p, "reading", "records", total);	// total 0: not known
 *	progress_at(&p, done);					// cheap: after each record
 *	progress_end(&p);					// the line is gone again
 *
 * Before other lines are printed to the same terminal: progress_hide(). One thread. */
#ifndef KAVKA_CMD_PROGRESS_H
#define KAVKA_CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_DELAY_MS 1000
#define PROGRESS_REDRAW_MS 200

struct progress {
	const char *what, *unit;	/* borrowed */
	int64_t total;			/* 0: not known */
	int64_t begun_ms, redraw_ms;
	bool is_on, is_drawn;
};

void progress_start(struct progress *p, const char *what, const char *unit, int64_t total);
void progress_at(struct progress *p, int64_t done);
void progress_hide(struct progress *p);
void progress_end(struct progress *p);

/* The line for a moment, without the codes that redraw it; returns its length. */
int progress_text(const struct progress *p, int64_t done, int64_t now_ms, char *text, int size);

#endif
