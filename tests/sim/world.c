#include "sim/world.h"

#include "base/mem.h"

#include <string.h>

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	rng_init(&w->rng, seed);
	heap_init(&w->events);
	w->faults.delay_us_max = 1000;
	w->now_us = 1000000;
}

void world_fini(struct world *w)
{
	struct heap_node *node;

	while ((node = heap_top(&w->events)) != NULL) {
		struct world_event *e = CONTAINER_OF(node, struct world_event, node);

		heap_remove(&w->events, node);
		if (e->drop)
			e->drop(e->ctx);
		free(e);
	}
	heap_fini(&w->events);
}

int64_t world_now_us(const struct world *w)
{
	return w->now_us;
}

uint64_t world_below(struct world *w, uint64_t bound)
{
	return rng_below(&w->rng, bound);
}

bool world_chance(struct world *w, uint32_t in_a_million)
{
	return in_a_million && rng_below(&w->rng, 1000000) < in_a_million;
}

void world_note(struct world *w, uint64_t what)
{
	w->trace = (w->trace ^ what ^ (uint64_t)w->now_us) * 0x9e3779b97f4a7c15u;
	w->trace ^= w->trace >> 29;
}

void world_at(struct world *w, int64_t at_us, void (*run)(void *ctx), void (*drop)(void *ctx),
	      void *ctx)
{
	struct world_event *e = xcalloc(1, sizeof(*e));

	e->run = run;
	e->drop = drop;
	e->ctx = ctx;
	heap_push(&w->events, &e->node, MAX(at_us, w->now_us));
}

bool world_step(struct world *w, int64_t end_us)
{
	struct heap_node *node = heap_top(&w->events);
	struct world_event *e = node ? CONTAINER_OF(node, struct world_event, node) : NULL;

	if (!e || node->when >= end_us) {
		w->now_us = MAX(w->now_us, end_us);
		return false;
	}
	heap_remove(&w->events, node);
	w->now_us = node->when;
	e->run(e->ctx);
	free(e);
	return true;
}

static int64_t delay_us(struct world *w)
{
	int64_t delay = 50 + (int64_t)rng_below(&w->rng, (uint64_t)w->faults.delay_us_max);

	return world_chance(w, w->faults.slow) ? delay * 100 : delay;
}

void world_send(struct world *w, unsigned from, unsigned to, void (*run)(void *ctx),
		void (*drop)(void *ctx), void *(*copy)(const void *ctx), void *ctx)
{
	if (w->is_cut[from][to] || world_chance(w, w->faults.loss)) {
		drop(ctx);
		return;
	}
	if (world_chance(w, w->faults.duplicate))
		world_at(w, w->now_us + delay_us(w), run, drop, copy(ctx));
	world_at(w, w->now_us + delay_us(w), run, drop, ctx);
}

void world_partition(struct world *w, unsigned mask, bool one_way)
{
	for (unsigned from = 0; from < WORLD_NODES_MAX; from++) {
		for (unsigned to = 0; to < WORLD_NODES_MAX; to++) {
			bool is_from = mask >> from & 1, is_to = mask >> to & 1;

			w->is_cut[from][to] = one_way ? is_from && !is_to : is_from != is_to;
		}
	}
}

void world_heal(struct world *w)
{
	memset(w->is_cut, 0, sizeof(w->is_cut));
}
