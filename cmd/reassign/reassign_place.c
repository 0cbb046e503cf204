/* Where new replicas go: the brokers take turns, those of different racks one after the other. */
#include "cmd/reassign/reassign_int.h"

#include <stdlib.h>

struct placing {
	const struct place_broker *brokers;
	uint32_t *turns; /* indexes of brokers, a rack never twice in a row if that can be */
	uint32_t count, rack_count;
	uint32_t *racks; /* each broker's */
};

static void placing_shuffle(uint32_t *items, uint32_t count, struct rng *rng)
{
	for (uint32_t i = count; i > 1; i--) {
		uint32_t j = (uint32_t)rng_below(rng, i), swapped = items[i - 1];

		items[i - 1] = items[j];
		items[j] = swapped;
	}
}

/* Numbers the racks. Brokers without one are all in the same. */
static void placing_racks(struct placing *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		uint32_t at = 0;

		while (at < i && !str_eq(p->brokers[at].rack, p->brokers[i].rack))
			at++;
		p->racks[i] = at < i ? p->racks[at] : p->rack_count++;
	}
}

static void placing_init(struct placing *p, struct arena *arena, struct rng *rng)
{
	uint32_t *order = arena_array(arena, p->count, sizeof(*order));
	bool *used = arena_array(arena, p->count, sizeof(*used));

	p->turns = arena_array(arena, p->count, sizeof(*p->turns));
	p->racks = arena_array(arena, p->count, sizeof(*p->racks));
	placing_racks(p);
	for (uint32_t i = 0; i < p->count; i++)
		order[i] = i;
	placing_shuffle(order, p->count, rng);
	for (uint32_t taken = 0, rack = 0; taken < p->count; rack = (rack + 1) % p->rack_count) {
		for (uint32_t i = 0; i < p->count; i++) {
			if (used[order[i]] || p->racks[order[i]] != rack)
				continue;
			used[order[i]] = true;
			p->turns[taken++] = order[i];
			break;
		}
	}
}

/* The replicas of one partition: the leader is the broker whose turn it is, the others follow from
 * `shift` brokers further on. */
static void placing_one(const struct placing *p, uint32_t first, uint32_t shift, uint32_t factor,
			bool *has_rack, bool *has_broker, int32_t *out)
{
	uint32_t racks_left = p->rack_count - 1, placed = 1;

	for (uint32_t i = 0; i < p->count; i++)
		has_rack[i] = has_broker[i] = false;
	has_broker[p->turns[first]] = has_rack[p->racks[p->turns[first]]] = true;
	out[0] = p->brokers[p->turns[first]].id;
	for (uint32_t step = shift; placed < factor; step++) {
		uint32_t at = p->turns[(first + 1 + step % (p->count - 1)) % p->count];

		if (has_broker[at] || (racks_left > 0 && has_rack[p->racks[at]]))
			continue;
		racks_left -= !has_rack[p->racks[at]];
		has_broker[at] = has_rack[p->racks[at]] = true;
		out[placed++] = p->brokers[at].id;
	}
}

int place_replicas(struct arena *arena, const struct place_broker *brokers, uint32_t broker_count,
		   uint32_t count, uint32_t factor, struct rng *rng, int32_t *out, struct err *err)
{
	struct placing p = {.brokers = brokers, .count = broker_count};
	bool *has_rack, *has_broker;
	uint32_t start, shift = 0;

	if (broker_count == 0)
		return err_set(err, E_INVALID,
			       "All brokers are currently fenced, or have all their log "
			       "directories cordoned.");
	if (factor > broker_count)
		return err_set(err, E_INVALID,
			       "The target replication factor of %u cannot be reached because "
			       "only %u broker(s) are registered or some brokers have all their "
			       "log directories cordoned.",
			       factor, broker_count);
	placing_init(&p, arena, rng);
	has_rack = arena_array(arena, broker_count, sizeof(*has_rack));
	has_broker = arena_array(arena, broker_count, sizeof(*has_broker));
	start = (uint32_t)rng_below(rng, broker_count);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && i % broker_count == 0)
			shift++;
		placing_one(&p, (start + i) % broker_count, shift, factor, has_rack, has_broker,
			    out + (size_t)i * factor);
	}
	return 0;
}
