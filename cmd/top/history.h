/* The last values of one figure, for a sparkline: of a broker, a topic, a group, the cluster.
 * A set of them owns its histories, by name; pointers into it stay until history_set_fini(). */
#ifndef KAVKA_CMD_TOP_HISTORY_H
#define KAVKA_CMD_TOP_HISTORY_H

#include "base/map.h"

#define HISTORY_LEN 120

struct history {
	struct map_node node;
	char *name;
	float values[HISTORY_LEN]; /* a ring; NaN: not known */
	unsigned count, next;
	uint64_t used; /* the round it was last asked for in */
};

struct history_set {
	struct map map;
	uint64_t round;
};

void history_push(struct history *h, double value);
/* The value `age` samples ago, 0 being the last one; NaN if there is none. */
double history_value(const struct history *h, unsigned age);

void history_set_init(struct history_set *s);
void history_set_fini(struct history_set *s);
/* The history of that name, made when it is new. */
struct history *history_get(struct history_set *s, const char *name);
/* A sample is over: what was not asked for in the last HISTORY_LEN rounds is freed. */
void history_set_round(struct history_set *s);

#endif
