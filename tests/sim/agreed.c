#include "sim/agreed.h"

#include "base/mem.h"
#include "controller/control_int.h"

const struct agreed_batch *agreed_note(struct agreed *a, const struct batch *b)
{
	size_t low = 0, high = a->count;
	const struct agreed_batch *known;

	if (b->base_offset >= agreed_end(a)) {
		a->items = grow_array(a->items, a->count, &a->cap, sizeof(*a->items));
		a->items[a->count++] = (struct agreed_batch){b->base_offset, batch_next_offset(b),
							     b->crc, b->partition_leader_epoch};
		return NULL;
	}
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (a->items[middle].next_offset <= b->base_offset)
			low = middle + 1;
		else
			high = middle;
	}
	known = &a->items[low];
	return known->base_offset == b->base_offset && known->next_offset == batch_next_offset(b) &&
			       known->crc == b->crc &&
			       known->leader_epoch == b->partition_leader_epoch
		       ? NULL
		       : known;
}

int64_t agreed_end(const struct agreed *a)
{
	return a->count ? a->items[a->count - 1].next_offset : 0;
}

struct raft *agreed_raft(const struct control *c)
{
	return c->raft;
}
