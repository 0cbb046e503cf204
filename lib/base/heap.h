/* Intrusive binary heap of deadlines: the smallest `when` is on top. Push, remove and change are
 * O(log n); the caller embeds `struct heap_node`. For timers of cores and delayed requests. */
#ifndef KAVKA_BASE_HEAP_H
#define KAVKA_BASE_HEAP_H

#include "check.h"

#include <stdbool.h>

struct heap_node {
	int64_t when;
	size_t index;	/* 1-based position; 0: in no heap */
};

struct heap {
	struct heap_node **nodes;
	size_t count, cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h);			/* frees the array, never the elements */
void heap_push(struct heap *h, struct heap_node *node, int64_t when);
void heap_remove(struct heap *h, struct heap_node *node);	/* fine if it is in no heap */
struct heap_node *heap_top(const struct heap *h);		/* NULL if empty */
static inline bool heap_linked(const struct heap_node *node)
{
	return node->index != 0;
}

#endif
