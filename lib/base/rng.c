#include "rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* SplitMix64 spreads the seed over the state. */
void rng_init(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15u);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		r->state[i] = z ^ (z >> 31);
	}
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->state;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
	assert(bound > 0);
	return (uint64_t)(((__uint128_t)rng_next(r) * bound) >> 64);
}

void rng_fill(struct rng *r, void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		uint64_t word = rng_next(r);
		size_t n = MIN(len, sizeof(word));

		memcpy(p, &word, n);
		p += n;
		len -= n;
	}
}

void rng_system(void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0) {
			assert(errno == EINTR);
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}
