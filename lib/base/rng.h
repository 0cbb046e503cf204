/* Random numbers. `struct rng` is a seeded generator (xoshiro256**), the same numbers for the same
 * seed: what cores and the simulator use. rng_system() is the kernel's, for ids and secrets. */
#ifndef KAVKA_BASE_RNG_H
#define KAVKA_BASE_RNG_H

#include "check.h"

struct rng {
	uint64_t state[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound);	/* 0 <= n < bound, bound > 0 */
void rng_fill(struct rng *r, void *data, size_t len);
void rng_system(void *data, size_t len);

#endif
