/* Placement of new replicas: striped over racks, then over the brokers of a rack.
 * Source: metadata/.../placement/StripedReplicaPlacer.java */
#include "base/mem.h"
#include "controller/controller_int.h"

/* Brokers that take turns. In each epoch of the placer the turn begins one further. */
struct ring {
	int32_t *ids;
	uint32_t count;
	uint32_t at, offset;
	int64_t epoch;
};

struct rack {
	struct str name; /* null: without one */
	struct ring unfenced, fenced;
};

struct placer {
	struct rng *rng;
	struct rack *racks; /* sorted by name, null first */
	uint32_t rack_count, rack_cap;
	uint32_t broker_count, unfenced_count;
	uint32_t offset;
	int64_t epoch; /* partitions placed since the last shuffle, for the rings' turns */
	uint32_t since_shuffle;
};

static int32_t ring_next(struct ring *r, int64_t epoch)
{
	if (r->count == 0)
		return -1;
	if (r->epoch != epoch) {
		r->epoch = epoch;
		r->at = 0;
		r->offset = (r->offset + 1) % r->count;
	}
	if (r->at >= r->count)
		return -1;
	return r->ids[(r->at++ + r->offset) % r->count];
}

static void ring_shuffle(struct ring *r, struct rng *rng)
{
	for (uint32_t i = r->count; i > 1; i--) {
		uint32_t j = (uint32_t)rng_below(rng, i);
		int32_t swapped = r->ids[i - 1];

		r->ids[i - 1] = r->ids[j];
		r->ids[j] = swapped;
	}
}

static void ring_add(struct ring *r, struct arena *a, uint32_t cap, int32_t id)
{
	if (!r->ids)
		r->ids = arena_array(a, cap, sizeof(*r->ids));
	r->ids[r->count++] = id;
}

static int rack_cmp(struct str a, struct str b)
{
	if (!a.data || !b.data)
		return (a.data != NULL) - (b.data != NULL);
	return str_cmp(a, b);
}

static struct rack *placer_rack(struct placer *p, struct str name)
{
	uint32_t at = 0;

	while (at < p->rack_count && rack_cmp(p->racks[at].name, name) < 0)
		at++;
	if (at < p->rack_count && rack_cmp(p->racks[at].name, name) == 0)
		return &p->racks[at];
	assert(p->rack_count < p->rack_cap);
	memmove(&p->racks[at + 1], &p->racks[at], (p->rack_count - at) * sizeof(*p->racks));
	p->racks[at] = (struct rack){.name = name};
	p->rack_count++;
	return &p->racks[at];
}

static void placer_init(struct placer *p, struct change *ch)
{
	uint32_t total = image_broker_count(tip(ch));

	*p = (struct placer){.rng = &ch->c->rng, .rack_cap = total + 1};
	p->racks = arena_array(ch->arena, p->rack_cap, sizeof(*p->racks));
	for (const struct image_broker *b = image_broker_next(tip(ch), -1); b;
	     b = image_broker_next(tip(ch), b->id)) {
		struct rack *rack;

		if (!broker_takes_replicas(b))
			continue;
		rack = placer_rack(p, b->rack);
		p->broker_count++;
		p->unfenced_count += !b->fenced;
		ring_add(b->fenced ? &rack->fenced : &rack->unfenced, ch->arena, total, b->id);
	}
	for (uint32_t i = 0; i < p->rack_count; i++) {
		struct rack *rack = &p->racks[i];

		rack->unfenced.epoch = rack->fenced.epoch = -1;
		if (rack->unfenced.count)
			rack->unfenced.offset = (uint32_t)rng_below(p->rng, rack->unfenced.count);
		if (rack->fenced.count)
			rack->fenced.offset = (uint32_t)rng_below(p->rng, rack->fenced.count);
	}
	if (p->rack_count)
		p->offset = (uint32_t)rng_below(p->rng, p->rack_count);
}

static void placer_shuffle(struct placer *p)
{
	for (uint32_t i = p->rack_count; i > 1; i--) {
		uint32_t j = (uint32_t)rng_below(p->rng, i);
		struct rack swapped = p->racks[i - 1];

		p->racks[i - 1] = p->racks[j];
		p->racks[j] = swapped;
	}
	for (uint32_t i = 0; i < p->rack_count; i++) {
		ring_shuffle(&p->racks[i].unfenced, p->rng);
		ring_shuffle(&p->racks[i].fenced, p->rng);
	}
	p->since_shuffle = 0;
}

static int32_t rack_next(struct rack *rack, int64_t epoch)
{
	int32_t id = ring_next(&rack->unfenced, epoch);

	return id >= 0 ? id : ring_next(&rack->fenced, epoch);
}

/* The replicas of one partition: the leader unfenced, the others from one rack after the other. */
static void placer_partition(struct placer *p, int32_t factor, int32_t *out)
{
	uint32_t rack, first_rack = 0;
	bool skips_first = true;
	int32_t placed = 0;

	if (p->since_shuffle == p->unfenced_count && p->unfenced_count > 1)
		placer_shuffle(p);
	if (p->offset >= p->rack_count)
		p->offset = 0;
	for (uint32_t i = 0; i < p->rack_count && placed == 0; i++) {
		int32_t id;

		first_rack = (p->offset + i) % p->rack_count;
		id = ring_next(&p->racks[first_rack].unfenced, p->epoch);
		if (id >= 0)
			out[placed++] = id;
	}
	assert(placed == 1);
	for (rack = p->offset; placed < factor; rack = (rack + 1) % p->rack_count) {
		int32_t id;

		if (rack == first_rack && skips_first) {
			skips_first = false;
			if (p->rack_count > 1)
				continue;
		}
		id = rack_next(&p->racks[rack], p->epoch);
		if (id >= 0)
			out[placed++] = id;
	}
	p->epoch++;
	p->since_shuffle++;
	p->offset++;
}

int placement_place(struct change *ch, int32_t count, int32_t factor, int32_t *out, struct err *err)
{
	struct placer p;

	placer_init(&p, ch);
	if (factor <= 0)
		return err_set(err, E_INVALID,
			       "Invalid replication factor %d: the replication factor must be "
			       "positive.",
			       factor);
	if (p.unfenced_count == 0)
		return err_set(
			err, E_INVALID,
			"All brokers are currently fenced, or have all their log directories "
			"cordoned.");
	if ((uint32_t)factor > p.broker_count)
		return err_set(
			err, E_INVALID,
			"The target replication factor of %d cannot be reached because only %u "
			"broker(s) are registered or some brokers have all their log "
			"directories cordoned.",
			factor, p.broker_count);
	for (int32_t i = 0; i < count; i++)
		placer_partition(&p, factor, out + (size_t)i * (size_t)factor);
	return 0;
}
