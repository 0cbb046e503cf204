#include "key_map.h"

#include "base/mem.h"

void key_map_init(struct key_map *m, size_t bytes, double load_factor, const uint64_t seed[4])
{
	*m = (struct key_map){.slot_count = MAX(bytes / sizeof(struct key_slot), (size_t)16)};
	m->count_max = MIN((size_t)((double)m->slot_count * load_factor), m->slot_count - 1);
	m->slots = xcalloc(m->slot_count, sizeof(*m->slots));
	memcpy(m->seed, seed, sizeof(m->seed));
}

void key_map_fini(struct key_map *m)
{
	free(m->slots);
	*m = (struct key_map){0};
}

/* Both halves of the 128-bit product, folded. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_lane(struct slice key, uint64_t seed_a, uint64_t seed_b)
{
	uint64_t state = mix(seed_a ^ key.len, seed_b | 1);
	size_t left = key.len;
	const uint8_t *p = key.data;
	uint64_t words[2];

	while (left > 0) {
		size_t part = MIN(left, sizeof(words));

		words[0] = words[1] = 0;
		memcpy(words, p, part);
		state = mix(words[0] ^ state ^ seed_b,
			    words[1] ^ seed_a ^ (state >> 32 | state << 32));
		p += part;
		left -= part;
	}
	return mix(state ^ seed_a, 0x9e3779b97f4a7c15 ^ seed_b);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct key_slot *key_map_slot(const struct key_map *m, struct slice key, uint64_t hash[2])
{
	size_t at;

	hash[0] = hash_lane(key, m->seed[0], m->seed[1]) | 1;	/* never 0 */
	hash[1] = hash_lane(key, m->seed[2], m->seed[3]);
	at = (size_t)(((__uint128_t)hash[1] * m->slot_count) >> 64);
	while (m->slots[at].hash[0] &&
	       (m->slots[at].hash[0] != hash[0] || m->slots[at].hash[1] != hash[1]))
		at = at + 1 == m->slot_count ? 0 : at + 1;
	return &m->slots[at];
}

bool key_map_put(struct key_map *m, struct slice key, int64_t offset)
{
	uint64_t hash[2];
	struct key_slot *slot = key_map_slot(m, key, hash);

	if (!slot->hash[0]) {
		if (m->count >= m->count_max)
			return false;
		m->count++;
		memcpy(slot->hash, hash, sizeof(hash));
	}
	slot->offset = offset;
	return true;
}

int64_t key_map_get(const struct key_map *m, struct slice key)
{
	uint64_t hash[2];
	struct key_slot *slot = key_map_slot(m, key, hash);

	return slot->hash[0] ? slot->offset : -1;
}
