/* Who is cut off from whom: groups of ends, where an end is a node (its id) or all clients together
 * (0). Ends of two different groups cannot reach each other; an end that is in no group reaches
 * everybody. Pure. */
#ifndef KAVKA_CMD_LAB_CUTS_H
#define KAVKA_CMD_LAB_CUTS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Ends: clients, and nodes 1 to 63, so that a set of them is one word. */
#define LAB_ENDS_MAX 64
#define END_CLIENTS 0
#define END_BIT(id) (1ull << (id))

struct cuts {
	uint64_t groups[LAB_ENDS_MAX];
	unsigned group_count; /* 0: nobody is cut off */
};

/* Reads groups: "1 2,3" and "1 | 2 3" (or with '/') are the groups {1} and {2, 3}. One group alone
 * is cut off from all other nodes. `nodes`: those that there are. E_USAGE. */
MUST_USE int cuts_parse(struct cuts *out, const char *text, uint64_t nodes, struct err *err);
bool cuts_between(const struct cuts *c, int a, int b);
/* "1 | 2 3", which cuts_parse() reads; "" without groups. */
const char *cuts_text(const struct cuts *c, struct arena *arena);
/* Those whom `end` cannot reach. */
uint64_t cuts_of(const struct cuts *c, int end);

/* A set of nodes: "1,2", "1 2", "all". Adds to *out. E_USAGE. */
MUST_USE int ends_parse(uint64_t *out, const char *text, uint64_t nodes, struct err *err);
/* "200ms", "1.5s", "2m", "300" (ms), "0", "off". E_USAGE. */
MUST_USE int delay_parse(int64_t *out_ms, const char *text, int64_t max_ms, struct err *err);

#endif
