/* Broken if this fails: whatever is kept in maps, heaps and lists, that is nearly everything. */
#include "unit/support.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"

#include <stdio.h>

struct item {
	struct map_node node;
	struct heap_node heap;
	struct list_node link;
	char key[16];
	bool in;
};

#define ITEMS 1000

static void map_agrees_with_a_flag(void **state)
{
	static struct item items[ITEMS];
	struct map map;
	struct rng rng;
	size_t count = 0;

	(void)state;
	memset(items, 0, sizeof(items));
	map_init(&map);
	rng_init(&rng, 1);
	for (int i = 0; i < ITEMS; i++)
		snprintf(items[i].key, sizeof(items[i].key), "key-%d", i);
	for (int step = 0; step < 20000; step++) {
		struct item *item = &items[rng_below(&rng, ITEMS)];

		if (item->in)
			map_remove(&map, &item->node);
		else
			map_put(&map, &item->node, item->key, strlen(item->key));
		item->in = !item->in;
		count += item->in ? 1 : (size_t)-1;
		assert_int_equal(map.count, count);
	}
	for (int i = 0; i < ITEMS; i++) {
		struct map_node *found = map_get(&map, items[i].key, strlen(items[i].key));

		assert_ptr_equal(found, items[i].in ? &items[i].node : NULL);
	}
	map_fini(&map);
}

static void map_iteration_survives_removal(void **state)
{
	static struct item items[100];
	struct map map;
	struct item *item;
	unsigned seen = 0;

	(void)state;
	memset(items, 0, sizeof(items));
	map_init(&map);
	for (int i = 0; i < 100; i++) {
		snprintf(items[i].key, sizeof(items[i].key), "%d", i);
		map_put(&map, &items[i].node, items[i].key, strlen(items[i].key));
	}
	MAP_FOREACH(&map, item, struct item, node)
	{
		map_remove(&map, &item->node);
		assert_false(item->in);
		item->in = true;
		seen++;
	}
	assert_int_equal(seen, 100);
	assert_int_equal(map.count, 0);
	map_fini(&map);
}

static void heap_gives_the_smallest_first(void **state)
{
	static struct item items[ITEMS];
	struct heap heap;
	struct rng rng;
	int64_t last = INT64_MIN;
	unsigned seen = 0, removed = 0;
	struct heap_node *top;

	(void)state;
	memset(items, 0, sizeof(items));
	heap_init(&heap);
	rng_init(&rng, 7);
	for (int i = 0; i < ITEMS; i++)
		heap_push(&heap, &items[i].heap, (int64_t)rng_below(&rng, 500) - 250);
	for (int i = 0; i < ITEMS; i += 3, removed++) {
		heap_remove(&heap, &items[i].heap);
		assert_false(heap_linked(&items[i].heap));
	}
	heap_remove(&heap, &items[0].heap);	/* twice is fine */
	while ((top = heap_top(&heap)) != NULL) {
		assert_true(top->when >= last);
		last = top->when;
		heap_remove(&heap, top);
		seen++;
	}
	assert_int_equal(seen, ITEMS - removed);
	heap_fini(&heap);
}

static void list_keeps_order(void **state)
{
	struct item items[5] = {0};
	struct list_node head;
	struct item *item;
	int next = 0;

	(void)state;
	list_init(&head);
	for (int i = 0; i < 5; i++)
		list_push_back(&head, &items[i].link);
	list_remove(&items[2].link);
	list_remove(&items[2].link);
	LIST_FOREACH(&head, item, struct item, link)
	{
		if (next == 2)
			next++;
		assert_ptr_equal(item, &items[next++]);
		list_remove(&item->link);
	}
	assert_true(list_empty(&head));
	assert_null(LIST_FIRST(&head, struct item, link));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_agrees_with_a_flag),
		cmocka_unit_test(map_iteration_survives_removal),
		cmocka_unit_test(heap_gives_the_smallest_first),
		cmocka_unit_test(list_keeps_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
