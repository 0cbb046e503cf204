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

void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	run_fail(sim_now_us(s), fmt, args);
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void sim_act(struct sim *s)
{
	struct world *w = &s->world;
	struct sim_node *n = &s->node[world_below(w, s->nodes)];
	uint64_t dice = world_below(w, 1000);

	if (dice < 12) {
		sim_node_crash(n, true, "by chance");
	} else if (dice < 14) {
		for (unsigned i = 0; i < s->nodes; i++)
			sim_node_crash(&s->node[i], true, "all at once");
	} else if (dice < 18) {
		sim_node_stop(n);
	} else if (dice < 26) {
		world_partition(w, (unsigned)world_below(w, 1u << (s->nodes + 1)),
				world_below(w, 3) == 0);
	} else if (dice < 40) {
		world_heal(w);
	} else if (dice < 44) {
		w->faults.loss = (uint32_t)world_below(w, 3) * 100000;
	} else if (dice < 47) {
		n->clock_offset_us += (int64_t)world_below(w, 20000000) - 10000000;
	}
	for (unsigned i = 0; i < s->nodes; i++) {
		if (!s->node[i].life && sim_now_us(s) >= s->node[i].up_at_us)
			sim_node_start(&s->node[i]);
	}
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
	s->nodes = is_combined ? 3 + (unsigned)world_below(w, 2) : 5;
	s->shards = 1 + (unsigned)world_below(w, SIM_SHARDS_MAX);
	w->faults = (struct world_faults){.loss = (uint32_t)world_below(w, 50000),
					  .delay_us_max = 200 + (int64_t)world_below(w, 10000),
					  .slow = (uint32_t)world_below(w, 3000)};
	s->reset = (uint32_t)world_below(w, 3000);
	s->work_us_max = world_below(w, 3) ? 5000 : 100000;
	s->disk_fault = world_below(w, 4) ? 0 : (uint32_t)world_below(w, 20);
	s->fsync_fault = world_below(w, 4) ? 0 : (uint32_t)world_below(w, 200);
	for (unsigned i = 0; i < s->nodes; i++)
		sim_node_init(s, i, is_combined || i >= 2, is_combined ? i < 3 : i < 2 || i == 4);
	s->is_peaceful = true;
	for (unsigned i = 0; i < s->nodes; i++)
		sim_node_format(&s->node[i]);
	s->is_peaceful = false;
	for (unsigned i = 0; i < s->nodes; i++)
		sim_node_start(&s->node[i]);
	clients_start(s);
}

/* All faults stop: within the limit everything must be well again. */
static void sim_peace(struct sim *s)
{
	int64_t end_us = sim_now_us(s) + PEACE_LIMIT_US;
	char why[256];

	s->is_peaceful = true;
	world_heal(&s->world);
	s->world.faults = (struct world_faults){.delay_us_max = 2000};
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
		       " changes, %" PRIu64 " leaders, %" PRIu64 " ends, %" PRIu64
		       " stops, well after %.1f s\n",
		       seed, s.nodes, s.shards, s.produced, s.consumed, s.delivered, s.commits,
		       s.changes, s.elections, s.crashes, s.stops,
		       (double)(sim_now_us(&s) - peace_us) / 1e6);
}

int main(int argc, char **argv)
{
	return run_main(
		&(struct run_program){
			.name = "sim_cluster", .seconds = 20, .run = run_seed, .forks = true},
		argc, argv);
}
