#include "heap.h"

#include "mem.h"

void heap_init(struct heap *h)
{
	*h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
	free(h->nodes);
	heap_init(h);
}

static void heap_set(struct heap *h, size_t index, struct heap_node *node)
{
	h->nodes[index - 1] = node;
	node->index = index;
}

static void heap_up(struct heap *h, struct heap_node *node)
{
	size_t index = node->index;

	while (index > 1 && h->nodes[index / 2 - 1]->when > node->when) {
		heap_set(h, index, h->nodes[index / 2 - 1]);
		index /= 2;
	}
	heap_set(h, index, node);
}

static void heap_down(struct heap *h, struct heap_node *node)
{
	size_t index = node->index;

	for (;;) {
		size_t child = index * 2;

		if (child > h->count)
			break;
		if (child < h->count && h->nodes[child]->when < h->nodes[child - 1]->when)
			child++;
		if (h->nodes[child - 1]->when >= node->when)
			break;
		heap_set(h, index, h->nodes[child - 1]);
		index = child;
	}
	heap_set(h, index, node);
}

void heap_push(struct heap *h, struct heap_node *node, int64_t when)
{
	assert(!heap_linked(node));
	h->nodes = grow_array(h->nodes, h->count, &h->cap, sizeof(*h->nodes));
	h->count++;
	node->when = when;
	heap_set(h, h->count, node);
	heap_up(h, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	struct heap_node *last;
	size_t index = node->index;

	if (!heap_linked(node))
		return;
	assert(index <= h->count && h->nodes[index - 1] == node);
	last = h->nodes[--h->count];
	node->index = 0;
	if (last == node)
		return;
	heap_set(h, index, last);
	heap_up(h, last);
	heap_down(h, last);
}

struct heap_node *heap_top(const struct heap *h)
{
	return h->count ? h->nodes[0] : NULL;
}
