#include "arena.h"

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){0};
}

void arena_fini(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;
		free(a->blocks);
		a->blocks = next;
	}
	arena_init(a);
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	/* Keeps one block of the ordinary size, so that a reused arena stays off the heap. */
	if (keep && keep->size <= ARENA_BLOCK_BYTES_MAX) {
		a->blocks = keep->next;
		arena_fini(a);
		keep->next = NULL;
		a->blocks = keep;
		a->pos = keep->data;
		a->end = keep->data + keep->size;
		a->total_bytes = keep->size;
		return;
	}
	arena_fini(a);
}

void arena_absorb(struct arena *a, struct arena *from)
{
	struct arena_block *last = from->blocks;

	if (!last)
		return;
	if (!a->blocks) {
		*a = *from;
	} else {
		/* Behind the current block, which goes on being filled. */
		while (last->next)
			last = last->next;
		last->next = a->blocks->next;
		a->blocks->next = from->blocks;
		a->total_bytes += from->total_bytes;
	}
	arena_init(from);
}

static struct arena_block *arena_block_add(struct arena *a, size_t size)
{
	struct arena_block *block = xmalloc(sizeof(*block) + size);

	block->size = size;
	block->next = a->blocks;
	a->blocks = block;
	a->total_bytes += size;
	return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t need = (MAX(size, 1) + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	struct arena_block *block;
	size_t block_size;
	void *result;

	assert(need >= size);
	if (need > (size_t)(a->end - a->pos)) {
		block_size = MIN(MAX(a->total_bytes, ARENA_BLOCK_BYTES), ARENA_BLOCK_BYTES_MAX);
		if (need > block_size / 2) {
			/* A block of its own, behind the current one. */
			struct arena_block *current = a->blocks;
			block = arena_block_add(a, need);
			if (current) {
				a->blocks = current;
				block->next = current->next;
				current->next = block;
			} else {
				a->pos = a->end = block->data + need;
			}
			return block->data;
		}
		block = arena_block_add(a, block_size);
		a->pos = block->data;
		a->end = block->data + block_size;
	}
	result = a->pos;
	a->pos += need;
	return result;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		check_failed("array size overflows", __FILE__, __LINE__, __func__);
	return arena_zalloc(a, total);
}

char *arena_strdup(struct arena *a, const char *text)
{
	return arena_memdup(a, text, strlen(text) + 1);
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void *arena_memdup(struct arena *a, const void *data, size_t len)
{
	void *copy = arena_alloc(a, len);

	if (len)
		memcpy(copy, data, len);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;
	char *text;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	assert(len >= 0);
	text = arena_alloc(a, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	return text;
}
