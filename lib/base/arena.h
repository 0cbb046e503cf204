/* An arena: memory that is freed all at once. One per request, one per command's run.
 *
 *	struct arena a;
 *	arena_init(&a);
 *	char *s = arena_printf(&a, "%d", 7);
 *	arena_fini(&a);			// or arena_reset() to use it again
 *
 * Small allocations share blocks of ARENA_BLOCK_BYTES (doubling); a large one gets its own block.
 * Nothing is allocated before the first use. Belongs to one thread at a time. */
#ifndef KAVKA_BASE_ARENA_H
#define KAVKA_BASE_ARENA_H

#include "check.h"

#define ARENA_BLOCK_BYTES 2048
#define ARENA_BLOCK_BYTES_MAX (256 * 1024)

struct arena_block;

struct arena {
	struct arena_block *blocks;
	char *pos, *end;
	size_t total_bytes;	/* of all blocks */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);

/* Takes over all memory of `from`, which is empty (initialised) afterwards. */
void arena_absorb(struct arena *a, struct arena *from);

/* Aligned for any type. arena_zalloc gives zeroes. Never NULL. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size);	/* zeroed; checks the product */
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *text, size_t len);	/* adds '\0' */
void *arena_memdup(struct arena *a, const void *data, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
