/* The cleaner's map from keys to their newest offsets, in fixed memory: keys are kept as 128-bit
 * hashes (seeded, so that nobody can aim two keys at one slot), 24 bytes each, open addressing. */
#ifndef KAVKA_BROKER_LOG_KEY_MAP_H
#define KAVKA_BROKER_LOG_KEY_MAP_H

#include "base/buf.h"

struct key_slot {
	uint64_t hash[2];	/* 0, 0: free */
	int64_t offset;
};

struct key_map {
	struct key_slot *slots;
	size_t slot_count;
	size_t count, count_max;
	uint64_t seed[4];
};

/* `load_factor` of the slots that fit in `bytes` are used. */
void key_map_init(struct key_map *m, size_t bytes, double load_factor, const uint64_t seed[4]);
void key_map_fini(struct key_map *m);
/* False: full, and the key is new. */
bool key_map_put(struct key_map *m, struct slice key, int64_t offset);
/* -1: not there. */
int64_t key_map_get(const struct key_map *m, struct slice key);

#endif
