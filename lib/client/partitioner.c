/* Which partition a record goes to: murmur2 of the key as Java has it; without a key the sticky
 * partition, which changes when a batch is full, and prefers brokers with short queues. */
#include "client/producer_int.h"

#include "base/mem.h"

#include <string.h>

uint32_t murmur2(const void *data, size_t len)
{
	const uint32_t m = 0x5bd1e995;
	const uint8_t *p = data;
	uint32_t h = 0x9747b28c ^ (uint32_t)len;

	for (; len >= 4; len -= 4, p += 4) {
		uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			     (uint32_t)p[3] << 24;

		k *= m;
		k ^= k >> 24;
		k *= m;
		h *= m;
		h ^= k;
	}
	switch (len) {
	case 3:
		h ^= (uint32_t)p[2] << 16;
		__attribute__((fallthrough));
	case 2:
		h ^= (uint32_t)p[1] << 8;
		__attribute__((fallthrough));
	case 1:
		h ^= p[0];
		h *= m;
	}
	h ^= h >> 13;
	h *= m;
	h ^= h >> 15;
	return h;
}

/* Whether the partition can take records now. */
static bool partition_is_available(struct producer *p, const struct client_topic *t, int32_t index)
{
	struct pnode *n;

	if (t->partitions[index].leader < 0)
		return false;
	if (p->availability_ms <= 0)
		return true;
	n = produce_node(p, t->partitions[index].leader);
	return !n->blocked_ms || client_now(p->client) - n->blocked_ms < p->availability_ms;
}

static bool partition_is_near(struct producer *p, const struct client_topic *t, int32_t index)
{
	const struct client_broker *b = client_broker(p->client, t->partitions[index].leader);
	const char *rack = client_config_str(p->client->cfg, CC_CLIENT_RACK);

	return b && b->rack && rack && strcmp(b->rack, rack) == 0;
}

static uint32_t partition_queue(const struct ptopic *t, int32_t index)
{
	return t->parts[index]->batch_count;
}

/* Draws among the partitions that `near`ness and availability leave, with weights by queue. */
static int32_t partition_draw(struct producer *p, struct ptopic *t, const struct client_topic *meta,
			      bool only_near)
{
	uint32_t longest = 0, total = 0;
	uint64_t at;

	for (int32_t i = 0; i < t->part_count; i++)
		if (partition_is_available(p, meta, i) &&
		    (!only_near || partition_is_near(p, meta, i)))
			longest = MAX(longest, partition_queue(t, i));
	for (int pass = 0; pass < 2; pass++) {
		at = pass && total ? rng_below(&p->client->rng, total) : 0;
		for (int32_t i = 0; i < t->part_count; i++) {
			uint32_t weight = p->adaptive ? longest + 1 - partition_queue(t, i) : 1;

			if (!partition_is_available(p, meta, i) ||
			    (only_near && !partition_is_near(p, meta, i)))
				continue;
			if (pass == 0) {
				total += weight;
				continue;
			}
			if (at < weight)
				return i;
			at -= weight;
		}
		if (total == 0)
			return -1;
	}
	return -1;
}

static int32_t partition_next(struct producer *p, struct ptopic *t)
{
	const struct client_topic *meta = client_topic(p->client, t->name);
	int32_t index = -1;

	if (!meta || meta->partition_count < t->part_count)
		return (int32_t)rng_below(&p->client->rng, (uint64_t)t->part_count);
	if (p->rack_aware)
		index = partition_draw(p, t, meta, true);
	if (index < 0)
		index = partition_draw(p, t, meta, false);
	if (index < 0)
		index = (int32_t)rng_below(&p->client->rng, (uint64_t)t->part_count);
	return index;
}

int32_t partition_choose(struct producer *p, struct ptopic *t, const struct producer_record *r)
{
	const struct client_topic *meta;

	if (r->partition >= 0)
		return r->partition < t->part_count ? r->partition : E_INVALID;
	if (p->round_robin) {
		meta = client_topic(p->client, t->name);
		for (int32_t i = 0; i < t->part_count; i++) {
			int32_t index = (int32_t)(t->round_robin++ % (uint32_t)t->part_count);

			if (!meta || index >= meta->partition_count ||
			    partition_is_available(p, meta, index))
				return index;
		}
		return (int32_t)(t->round_robin++ % (uint32_t)t->part_count);
	}
	if (r->key.data && !p->ignore_keys)
		return murmur2_partition(r->key.data, r->key.len, t->part_count);
	if (t->sticky < 0 || t->sticky >= t->part_count) {
		t->sticky = partition_next(p, t);
		t->sticky_bytes = 0;
	}
	return t->sticky;
}

void partition_used(struct producer *p, struct ptopic *t, int32_t partition, size_t bytes)
{
	struct ppart *part;
	struct pbatch *last;

	if (partition != t->sticky || t->part_count == 1)
		return;
	t->sticky_bytes += bytes;
	if (t->sticky_bytes < p->batch_bytes)
		return;
	part = t->parts[partition];
	last = LIST_LAST(&part->batches, struct pbatch, link);
	/* Not in the middle of a batch, if that can be. */
	if (t->sticky_bytes >= 2 * p->batch_bytes || !last || last->is_finished ||
	    batch_builder_bytes(&last->builder) >= p->batch_bytes)
		t->sticky = -1;
}
