/* The world of a simulated cluster: one clock, one queue of things to come, and a network between
 * nodes that is as bad as it is told to be. One seed, one history.
 *
 *	world_init(&w, seed);
 *	world_at(&w, world_now_us(&w) + 1000, run, ctx);
 *	while (world_step(&w, end_us)) ...
 *
 * Messages between nodes are events as well: world_send() decides whether one is lost, when it
 * comes, and whether it comes twice. */
#ifndef KAVKA_TESTS_SIM_WORLD_H
#define KAVKA_TESTS_SIM_WORLD_H

#include "base/heap.h"
#include "base/rng.h"

#include <stdbool.h>

#define WORLD_NODES_MAX 8

struct world_event {
	struct heap_node node;
	void (*run)(void *ctx);
	void (*drop)(void *ctx); /* frees ctx if the event never happens; may be NULL */
	void *ctx;
};

/* How bad the network is: chances in a million. */
struct world_faults {
	uint32_t loss, duplicate;
	int64_t delay_us_max;
	uint32_t slow; /* a message that takes a hundred times as long */
};

struct world {
	struct rng rng;
	uint64_t seed;
	int64_t now_us;
	struct heap events;
	struct world_faults faults;
	bool is_cut[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* from, to */
	uint64_t trace; /* sum over the history: equal for equal histories */
};

void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);
int64_t world_now_us(const struct world *w);
bool world_chance(struct world *w, uint32_t in_a_million);
uint64_t world_below(struct world *w, uint64_t bound);
/* Adds to the trace what happened. */
void world_note(struct world *w, uint64_t what);

void world_at(struct world *w, int64_t at_us, void (*run)(void *ctx), void (*drop)(void *ctx),
	      void *ctx);
/* Runs the next event if it comes before `end_us`; else the clock goes there, false. */
bool world_step(struct world *w, int64_t end_us);

/* Delivers once, twice or never; `copy` gives a second context for the second time. */
void world_send(struct world *w, unsigned from, unsigned to, void (*run)(void *ctx),
		void (*drop)(void *ctx), void *(*copy)(const void *ctx), void *ctx);
/* Cuts the network into two parts by a mask of nodes, both ways or only from the mask's nodes. */
void world_partition(struct world *w, unsigned mask, bool one_way);
void world_heal(struct world *w);

#endif
