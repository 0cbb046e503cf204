#include "map.h"

#include "mem.h"
#include "rng.h"

#include <string.h>

#define MAP_BUCKETS_MIN 8

static uint64_t seed; /* 0: not drawn yet */

void hash_set_seed(uint64_t fixed)
{
	__atomic_store_n(&seed, fixed | 1, __ATOMIC_RELAXED);
}

static uint64_t hash_seed(void)
{
	uint64_t now = __atomic_load_n(&seed, __ATOMIC_RELAXED);
	uint64_t fresh;

	if (now)
		return now;
	rng_system(&fresh, sizeof(fresh));
	fresh |= 1;
	__atomic_compare_exchange_n(&seed, &now, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return __atomic_load_n(&seed, __ATOMIC_RELAXED);
}

static uint64_t hash_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Folded multiplication over 8-byte words. */
uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = hash_seed() ^ len;
	uint64_t word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = hash_mix(h ^ word, 0x9e3779b97f4a7c15u);
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	h = hash_mix(h ^ word, 0xd6e8feb86659fd93u);
	return hash_mix(h, 0xa0761d6478bd642fu);
}

void map_init(struct map *m)
{
	*m = (struct map){0};
}

void map_fini(struct map *m)
{
	free(m->buckets);
	map_init(m);
}

static struct map_node **map_bucket(const struct map *m, uint32_t hash)
{
	return &m->buckets[hash & (m->bucket_count - 1)];
}

struct map_node *map_get(const struct map *m, const void *key, size_t key_len)
{
	uint32_t hash;

	if (!m->count)
		return NULL;
	hash = (uint32_t)hash_bytes(key, key_len);
	for (struct map_node *n = *map_bucket(m, hash); n; n = n->next)
		if (n->hash == hash && n->key_len == key_len &&
		    (key_len == 0 || memcmp(n->key, key, key_len) == 0))
			return n;
	return NULL;
}

static void map_resize(struct map *m, size_t bucket_count)
{
	struct map bigger = {xcalloc(bucket_count, sizeof(*m->buckets)), bucket_count, m->count};

	for (size_t i = 0; i < m->bucket_count; i++) {
		struct map_node *next;

		for (struct map_node *n = m->buckets[i]; n; n = next) {
			struct map_node **bucket = map_bucket(&bigger, n->hash);

			next = n->next;
			n->next = *bucket;
			*bucket = n;
		}
	}
	free(m->buckets);
	*m = bigger;
}

void map_put(struct map *m, struct map_node *node, const void *key, size_t key_len)
{
	struct map_node **bucket;

	assert(key_len <= UINT32_MAX);
	assert(!map_get(m, key, key_len));
	if (m->count >= m->bucket_count)
		map_resize(m, MAX(m->bucket_count * 2, (size_t)MAP_BUCKETS_MIN));
	node->key = key;
	node->key_len = (uint32_t)key_len;
	node->hash = (uint32_t)hash_bytes(key, key_len);
	bucket = map_bucket(m, node->hash);
	node->next = *bucket;
	*bucket = node;
	m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
	struct map_node **at = map_bucket(m, node->hash);

	while (*at && *at != node)
		at = &(*at)->next;
	assert(*at == node);
	*at = node->next;
	node->next = NULL;
	m->count--;
}

struct map_iter map_iter_start(const struct map *m)
{
	struct map_iter it = {.map = m};

	map_iter_next(&it);
	return it;
}

void map_iter_next(struct map_iter *it)
{
	while (!it->next && it->bucket < it->map->bucket_count)
		it->next = it->map->buckets[it->bucket++];
	it->at = it->next;
	if (it->at)
		it->next = it->at->next;
}
