#include "near.h"

#include <string.h>

#define NEAR_LEN_MAX 80 /* longer names are compared by their first bytes */

void near_init(struct near *n, const char *wanted)
{
	*n = (struct near){.wanted = wanted};
}

unsigned near_distance(const char *a, const char *b)
{
	size_t a_len = MIN(strlen(a), (size_t)NEAR_LEN_MAX),
	       b_len = MIN(strlen(b), (size_t)NEAR_LEN_MAX);
	unsigned rows[3][NEAR_LEN_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *recycled = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, MIN(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, before[j - 2] + 1);
			row[j] = best;
		}
		before = last;
		last = row;
		row = recycled;
	}
	return last[b_len];
}

void near_offer(struct near *n, const char *candidate)
{
	unsigned distance = near_distance(n->wanted, candidate);
	unsigned limit = (unsigned)MAX(strlen(n->wanted) / 3, (size_t)1);

	if (distance <= limit && (!n->best || distance < n->best_distance)) {
		n->best = candidate;
		n->best_distance = distance;
	}
}
