/* Simulated clusters: whole brokers and controllers, with clients that write, read and change
 * things. See README.md.
 *
 * What must hold after every step: an epoch of a partition has one leader, whose high watermark
 * never goes back; a reader is given every record once and in order; nobody is told two things of
 * one offset. In the end, when all faults stop: within the limit every node is up, every replica in
 * sync and equal, everything that was acknowledged was read. */
#include "sim/clients.h"

#include "base/map.h"
#include "base/say.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PEACE_LIMIT_US ((int64_t)180 * 1000 * 1000)
#define FENCE_LIMIT_US ((int64_t)30 * 1000 * 1000)

void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	run_fail(sim_now_us(s), fmt, args);
}

/* ---- What happens ---------------------------------------------------------------------------- */

/* One that dies without notice, with its process or its power; no more than the seed allows. */
static void sim_end(struct sim *s, struct sim_node *n, const char *why)
{
	bool keeps = s->power == POWER_STAYS || world_below(&s->world, 3) == 0;

	if (s->power == POWER_ONE) {
		/* Without ELR the last one in the ISR stays there, whatever it has lost; with it
		 * whoever is out of reach is waited for. */
		if (s->is_hurt || !(s->has_elr ? checks_are_up(s) : checks_are_whole(s)))
			return;
		s->is_hurt = true;
	}
	sim_node_crash(n, keeps, why);
}

static void sim_end_all(struct sim *s)
{
	if (s->power == POWER_ONE)
		return;
	for (unsigned i = 0; i < s->nodes; i++)
		sim_end(s, &s->node[i], "all at once");
}

/* Cuts the network in two, also one way; where one may lose power alone also two brokers from the
 * others, so that one is left in the ISR. */
static void sim_cut(struct sim *s)
{
	struct world *w = &s->world;
	unsigned mask = (unsigned)world_below(w, 1u << (s->nodes + 1));

	if (s->power == POWER_ONE && world_below(w, 2)) {
		mask = 0;
		while (__builtin_popcount(mask) < 2) {
			unsigned i = (unsigned)world_below(w, s->nodes);

			mask |= s->node[i].is_broker ? 1u << i : 0;
		}
	}
	world_partition(w, mask, world_below(w, 3) == 0);
}

static void sim_start_some(struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		if (!s->node[i].life && sim_now_us(s) >= s->node[i].up_at_us)
			sim_node_start(&s->node[i]);
	}
}

static void sim_act(struct sim *s)
{
	struct world *w = &s->world;
	struct sim_node *n = &s->node[world_below(w, s->nodes)];
	uint64_t dice = world_below(w, 1000);

	if (s->is_hurt)
		s->is_hurt = !checks_are_whole(s);
	if (s->is_hurt && !s->has_elr) {
		sim_start_some(s);
		return;
	}
	if (dice < 12) {
		sim_end(s, n, "by chance");
	} else if (dice >= 900 && s->power == POWER_ONE) {
		struct sim_node *last = s->has_elr ? checks_last_in_sync(s) : NULL;

		sim_end(s, last ? last : n, last ? "the last in sync" : "by chance");
	} else if (dice < 14) {
		sim_end_all(s);
	} else if (dice < 18) {
		sim_node_stop(n);
	} else if (dice < 26 && (s->power != POWER_ONE || s->has_elr)) {
		sim_cut(s);
	} else if (dice < 40) {
		world_heal(w);
	} else if (dice < 44) {
		w->faults.loss = (uint32_t)world_below(w, 3) * 100000;
	} else if (dice < 47) {
		n->clock_offset_us += (int64_t)world_below(w, 20000000) - 10000000;
	}
	sim_start_some(s);
}

/* What goes wrong in this seed besides. */
static void sim_choose_faults(struct sim *s)
{
	static const enum sim_power powers[] = {POWER_STAYS, POWER_STAYS,   POWER_ONE,
						POWER_ONE,   POWER_FLUSHED, POWER_ANY};
	struct world *w = &s->world;

	s->power = powers[world_below(w, ARRAY_LEN(powers))];
	s->has_elr = world_below(w, 2);
	s->has_small_segments = world_below(w, 2);
	s->opens_slowly = world_below(w, 2);
	s->disk_fault = world_below(w, 4) ? 0 : (uint32_t)world_below(w, 20);
	s->fsync_fault = world_below(w, 4) ? 0 : (uint32_t)world_below(w, 200);
	/* whoever dies of its disk is one more */
	if (s->power == POWER_ONE)
		s->disk_fault = 0;
	/* and what an fsync has failed for is not known to be lost until the power goes */
	if (s->power != POWER_STAYS)
		s->fsync_fault = 0;
}

static void sim_init(struct sim *s, uint64_t seed)
{
	struct world *w = &s->world;
	bool is_combined;

	memset(s, 0, sizeof(*s));
	hash_set_seed(seed); /* of the whole process: it is this seed's */
	world_init(w, seed);
	list_init(&s->conns);
	checks_init(s);
	is_combined = world_below(w, 2);
	s->is_dynamic = world_below(w, 2);
	s->nodes = is_combined ? 3 + (unsigned)world_below(w, 2) : 5;
	s->shards = 1 + (unsigned)world_below(w, SIM_SHARDS_MAX);
	w->faults = (struct world_faults){.loss = (uint32_t)world_below(w, 50000),
					  .delay_us_max = 200 + (int64_t)world_below(w, 10000),
					  .slow = (uint32_t)world_below(w, 3000)};
	s->reset = (uint32_t)world_below(w, 3000);
	s->work_us_max = world_below(w, 3) ? 5000 : 100000;
	sim_choose_faults(s);
	for (unsigned i = 0; i < s->nodes; i++)
		sim_node_init(s, i, is_combined || i >= 2, is_combined ? i < 3 : i < 2 || i == 4);
	s->is_peaceful = true;
	for (unsigned i = 0; i < s->nodes; i++)
		sim_node_format(&s->node[i]);
	s->is_peaceful = false;
	for (unsigned i = 0; i < s->nodes; i++)
		sim_node_start(&s->node[i]);
	clients_start(s);
	if (run_is_verbose())
		printf("%10.3f %u nodes, power: %d, ELR: %d\n", (double)sim_now_us(s) / 1e6,
		       s->nodes, s->power, s->has_elr);
}

/* A broker that is down, and that the quorum can do without; NULL: none. */
static struct sim_node *sim_missing(struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		if (!s->node[i].life && !s->node[i].is_controller)
			return &s->node[i];
	}
	return NULL;
}

/* Whoever is gone must be fenced before long; only then the last one is started. */
static void sim_await_fence(struct sim *s, struct sim_node *missing)
{
	int64_t end_us = sim_now_us(s) + FENCE_LIMIT_US;

	while (!checks_are_fenced(s, missing)) {
		int64_t next_us = sim_now_us(s) + 200000;

		if (next_us > end_us)
			sim_fail(s, "node %u is gone, but not fenced after %d s",
				 missing->index + 1, (int)(FENCE_LIMIT_US / 1000000));
		for (unsigned i = 0; i < s->nodes; i++) {
			if (!s->node[i].life && &s->node[i] != missing)
				sim_node_start(&s->node[i]);
		}
		while (world_step(&s->world, next_us))
			;
	}
}

/* All faults stop: within the limit everything must be well again. */
static void sim_peace(struct sim *s)
{
	int64_t end_us;
	struct sim_node *missing = sim_missing(s);
	char why[256];

	s->is_peaceful = true;
	world_heal(&s->world);
	s->world.faults = (struct world_faults){.delay_us_max = 2000};
	if (missing)
		sim_await_fence(s, missing);
	end_us = sim_now_us(s) + PEACE_LIMIT_US;
	do {
		int64_t next_us = sim_now_us(s) + 200000;

		for (unsigned i = 0; i < s->nodes; i++) {
			if (!s->node[i].life)
				sim_node_start(&s->node[i]);
		}
		while (world_step(&s->world, next_us))
			;
		if (checks_settled(s, why, sizeof(why)))
			return;
	} while (sim_now_us(s) < end_us);
	sim_fail(s, "not well within %d s of peace: %s", (int)(PEACE_LIMIT_US / 1000000), why);
}

static void run_seed(uint64_t seed, int64_t seconds, uint64_t *trace)
{
	static struct sim s;
	int64_t end_us, peace_us;

	sim_init(&s, seed);
	end_us = sim_now_us(&s) + seconds * 1000000;
	while (sim_now_us(&s) < end_us) {
		int64_t next_us = sim_now_us(&s) + 20000 + (int64_t)world_below(&s.world, 100000);

		while (world_step(&s.world, next_us))
			;
		sim_act(&s);
	}
	peace_us = sim_now_us(&s);
	sim_peace(&s);
	checks_end(&s);
	*trace = s.world.trace;
	if (run_is_verbose())
		printf("seed %" PRIu64 ": %u nodes of %u shards: %" PRIu64 " written, %" PRIu64
		       " read, %" PRIu64 " by the group, %" PRIu64 " commits, %" PRIu64
		       " changes, %" PRIu64 " of voters, %" PRIu64 " leaders, %" PRIu64
		       " ends, %" PRIu64 " without power, %" PRIu64 " stops, well after %.1f s\n",
		       seed, s.nodes, s.shards, s.produced, s.consumed, s.delivered, s.commits,
		       s.changes, s.voter_changes, s.elections, s.crashes, s.losses, s.stops,
		       (double)(sim_now_us(&s) - peace_us) / 1e6);
}

int main(int argc, char **argv)
{
	return run_main(
		&(struct run_program){
			.name = "sim_cluster", .seconds = 20, .run = run_seed, .forks = true},
		argc, argv);
}
