/* What the TAB key offers: labs, and the nodes of one. */
#ifndef KAVKA_CMD_LAB_OFFERED_H
#define KAVKA_CMD_LAB_OFFERED_H

#include "base/arena.h"

/* `offer` gets each word with a few words about it. */
void offered_labs(struct arena *arena, void (*offer)(void *ctx, const char *word, const char *text),
		  void *ctx);
/* `name` and `dir` as given on the line, or NULL. */
void offered_nodes(struct arena *arena, const char *name, const char *dir,
		   void (*offer)(void *ctx, const char *word, const char *text), void *ctx);

#endif
