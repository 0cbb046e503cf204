/* The live view's picture: from the model and where one is in it, into a screen. Pure. */
#ifndef KAVKA_CMD_TOP_DRAW_H
#define KAVKA_CMD_TOP_DRAW_H

#include "cmd/top/screen.h"
#include "cmd/top/view.h"

/* `now_ms`: the wall clock; `waits_ms`: how long the sample that is under way takes already. Sets
 * view->page to the rows that fit and lists the rows for it. */
void draw_view(struct screen *s, struct view *v, int64_t now_ms, int64_t waits_ms);

#endif
