/* Hash map from strings (or any bytes) to elements that embed a `struct map_node`.
 * The element owns its key, which must stay unchanged while it is in the map. Keys are unique.
 *
 *	struct topic { struct map_node node; ... };
 *	map_put(&topics, &t->node, t->name.data, t->name.len);
 *	struct map_node *n = map_get(&topics, name, len);
 *	struct topic *t = n ? CONTAINER_OF(n, struct topic, node) : NULL;
 *
 * Hashes are seeded per process, so that peers cannot aim at one bucket. One thread at a time. */
#ifndef KAVKA_BASE_MAP_H
#define KAVKA_BASE_MAP_H

#include "check.h"

#include <stdbool.h>

struct map_node {
	struct map_node *next;
	const void *key;
	uint32_t key_len;
	uint32_t hash;
};

struct map {
	struct map_node **buckets;	/* NULL until the first element */
	size_t bucket_count;		/* a power of two */
	size_t count;
};

void map_init(struct map *m);
void map_fini(struct map *m);	/* frees the buckets, never the elements */
struct map_node *map_get(const struct map *m, const void *key, size_t key_len);
/* The key must not be in the map. */
void map_put(struct map *m, struct map_node *node, const void *key, size_t key_len);
void map_remove(struct map *m, struct map_node *node);

/* Iteration in no particular order. The element at hand may be removed and freed. */
struct map_iter {
	const struct map *map;
	size_t bucket;
	struct map_node *at;	/* the element at hand, NULL at the end */
	struct map_node *next;
};
struct map_iter map_iter_start(const struct map *m);
void map_iter_next(struct map_iter *it);

#define MAP_FOREACH(m, item, type, member)                                             \
	for (struct map_iter item##_it = map_iter_start(m);                            \
	     item##_it.at && ((item = CONTAINER_OF(item##_it.at, type, member)), true); \
	     map_iter_next(&item##_it))

/* 64-bit hash of bytes with the process's seed. */
uint64_t hash_bytes(const void *data, size_t len);
/* Takes this seed instead of a random one, before the first hash: for simulators, whose runs are to
 * be the same each time. */
void hash_set_seed(uint64_t fixed);

#endif
