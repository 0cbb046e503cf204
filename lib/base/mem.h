/* Allocation that cannot fail: out of memory ends the process (a peer never chooses a size before
 * it was checked, so running out is our fault or the machine's). Plain malloc is banned. */
#ifndef KAVKA_BASE_MEM_H
#define KAVKA_BASE_MEM_H

#include "check.h"

#include <stdlib.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);	/* zeroed; checks the product */
void *xrealloc(void *ptr, size_t size);
void *xreallocarray(void *ptr, size_t count, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void *xmemdup(const void *data, size_t len);

/* Makes room for one more element in a growing array: doubles `*cap` (from 8).
 * Use: items = grow_array(items, count, &cap, sizeof(*items)); items[count++] = x; */
void *grow_array(void *items, size_t count, size_t *cap, size_t size);

#endif
