/* What producers without sequences may count on.
 *
 * acks=all: a record may be there twice, and one that was given up may be there or not; but what
 * was acknowledged is there, behind everything that was acknowledged before it was sent. acks=1:
 * what was acknowledged may be lost, but not if whoever acknowledged it has led the partition ever
 * since. acks=0: nothing. None of them finds what it did not send (checked where it is read). */
#include "sim/clients.h"

#include <inttypes.h>

struct promise {
	bool is_acked, is_read;
	int32_t epoch; /* of the leader it was sent to; -1: it led no more */
};

struct promise_part {
	struct promise *items; /* by number */
	size_t count;
	int64_t read_end;   /* of offsets */
	int64_t next_first; /* every record below it was there once, or will never be asked for */
};

struct promises {
	struct promise_part parts[SIM_PRODUCERS][SIM_PARTITIONS];
};

void promises_start(struct sim *s)
{
	s->promises = xcalloc(1, sizeof(*s->promises));
}

static struct promise *promise_of(struct promise_part *p, int64_t number)
{
	if ((size_t)number >= p->count) {
		size_t count = (size_t)number * 2 + 64;

		p->items = xrealloc(p->items, count * sizeof(*p->items));
		memset(p->items + p->count, 0, (count - p->count) * sizeof(*p->items));
		p->count = count;
	}
	return &p->items[number];
}

void promises_acked(struct sim *s, int32_t partition, unsigned producer, int64_t number,
		    int32_t epoch)
{
	struct promise *r = promise_of(&s->promises->parts[producer][partition], number);

	r->is_acked = true;
	r->epoch = epoch;
}

void promises_read(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		   int64_t number)
{
	struct promise_part *p = &s->promises->parts[producer][partition];
	struct promise *r;

	if (offset < p->read_end)
		return;
	p->read_end = offset + 1;
	r = promise_of(p, number);
	r->is_read = true;
	if (producer != SIM_PLAIN)
		return;
	/* whoever sends one batch at a time knew that these are there already */
	for (int64_t i = p->next_first; i < number; i++) {
		if (p->items[i].is_acked && !p->items[i].is_read)
			sim_fail(s,
				 "partition %d, offset %" PRId64 ": record %" PRId64
				 " of producer %u, but %" PRId64
				 " was acknowledged before, and is not there",
				 partition, offset, number, producer, i);
	}
	p->next_first = MAX(p->next_first, number);
}

void promises_end(struct sim *s)
{
	for (unsigned producer = SIM_PLAIN; producer < SIM_PRODUCERS; producer++) {
		for (int32_t part = 0; part < SIM_PARTITIONS; part++) {
			struct promise_part *p = &s->promises->parts[producer][part];

			for (size_t i = 0; i < p->count; i++) {
				const struct promise *r = &p->items[i];

				if (!r->is_acked || r->is_read ||
				    (producer != SIM_PLAIN &&
				     checks_epoch(s, SIM_TOPIC, part) != r->epoch))
					continue;
				sim_fail(s,
					 "partition %d: record %zu of producer %u was "
					 "acknowledged, but is not there",
					 part, i, producer);
			}
		}
	}
}
