/* What stands on a terminal's screen: a grid of characters with styles, drawn into as often as one
 * likes; screen_emit() gives the bytes that change the screen from what it shows to that.
 *
 * It is our own, not ncurses: what is needed is this file (a third of a thousand lines with keys.c,
 * which reads the keyboard), and ncursesw would bring a terminal database that a static binary
 * cannot count on, signal handlers and a locale for the whole process, which the event loop has
 * already or must not have, and no synchronised updates. All terminals of the last decades
 * understand the few sequences used here (ECMA-48 and xterm's alternate screen); the rest of
 * kavka's live views write the same ones. */
#ifndef KAVKA_CMD_TOP_SCREEN_H
#define KAVKA_CMD_TOP_SCREEN_H

#include "base/buf.h"
#include "cmd/output.h"

#define SCREEN_SIDE_MAX 1000

struct style {
	uint8_t tone; /* enum tone */
	bool is_bold, is_reversed;
};

#define STYLE(t) ((struct style){.tone = (t)})

struct screen_cell {
	char text[4]; /* UTF-8, no terminator */
	uint8_t len;  /* 0: the right half of a wide character */
	struct style style;
};

struct screen {
	unsigned width, height;
	struct screen_cell *next, *shown;
	bool is_unknown; /* what is shown: all is to be written */
	bool is_ascii;   /* other characters become '?' */
};

void screen_init(struct screen *s, bool is_ascii);
void screen_fini(struct screen *s);
/* Also empties it. At least 1 by 1, at most SCREEN_SIDE_MAX. */
void screen_resize(struct screen *s, unsigned width, unsigned height);
/* The next picture begins empty. */
void screen_clear(struct screen *s);
/* The terminal may show anything. */
void screen_forget(struct screen *s);

/* Writes up to `width` columns of the text at x, y; what is outside is cut. Control characters,
 * and what is no UTF-8, are replaced: nothing that a peer chose reaches the terminal as a command.
 * Returns how many columns it took. */
unsigned screen_put(struct screen *s, unsigned x, unsigned y, unsigned width, struct str text,
		    struct style style);
/* The same with blanks up to `width`. */
void screen_fill(struct screen *s, unsigned x, unsigned y, unsigned width, struct style style);
/* How many columns the text takes. */
unsigned screen_text_width(struct str text);

/* The bytes that bring the terminal there; nothing if nothing changed. */
void screen_emit(struct screen *s, struct out *to, bool has_color);

#endif
