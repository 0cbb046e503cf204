/* The nearest of a list of names, for "did you mean" (optimal string alignment distance). */
#ifndef KAVKA_BASE_NEAR_H
#define KAVKA_BASE_NEAR_H

#include "check.h"

/* Offers candidates one by one; keeps the best. */
struct near {
	const char *wanted;
	const char *best;	/* NULL while none is near enough */
	unsigned best_distance;
};

void near_init(struct near *n, const char *wanted);
void near_offer(struct near *n, const char *candidate);	/* borrows for as long as `n` is used */
unsigned near_distance(const char *a, const char *b);

#endif
