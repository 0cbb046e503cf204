/* What is committed stays: whatever a node calls committed, of the metadata or of a partition, is
 * the same batch that any other node has called so, before or after. Read piece by piece, as the
 * high watermarks move; a restarted node is read from the start.
 *
 * When several nodes lose their power at once (POWER_ANY) only what every replica had on its disk
 * is to survive: its end is the floor. Until a replica has heard of it, it may call committed what
 * is lost, so only who leads in the newest epoch is believed, and only below the floor. */
#include "sim/agreed.h"
#include "sim/clients.h"

#include "log/log.h"
#include "raft/raft.h"

#include <inttypes.h>

/* How far a node was read. */
struct reading {
	struct life *life[SIM_NODES_MAX + 1];
	int64_t at[SIM_NODES_MAX + 1];
};

struct part {
	struct map_node node;
	uint8_t key[20];
	struct uuid topic_id;
	int32_t index, newest_epoch;
	bool is_told; /* its records are SIM_TOPIC's */
	struct agreed agreed;
	struct reading reading;
	int64_t durable[SIM_NODES_MAX]; /* the end of what is on the disk */
};

struct committed {
	struct map parts;
	struct agreed metadata;
	struct reading reading;
};

void committed_init(struct sim *s)
{
	s->committed = xcalloc(1, sizeof(*s->committed));
	map_init(&s->committed->parts);
}

static struct part *part_of(struct sim *s, const struct partition *p)
{
	struct map_node *node = map_get(&s->committed->parts, p->key, sizeof(p->key));
	struct part *part;

	if (node)
		return CONTAINER_OF(node, struct part, node);
	part = xcalloc(1, sizeof(*part));
	_Static_assert(sizeof(part->key) == sizeof(p->key), "the same key");
	memcpy(part->key, p->key, sizeof(part->key));
	part->topic_id = p->topic_id;
	part->index = p->index;
	part->is_told = str_is(p->topic, SIM_TOPIC);
	map_put(&s->committed->parts, &part->node, part->key, sizeof(part->key));
	return part;
}

/* Where the node is to be read on from. */
static int64_t *reading_of(struct reading *r, struct life *l)
{
	unsigned node = l->node->index;

	if (r->life[node] != l)
		r->at[node] = 0; /* what was there before is to be there still */
	r->life[node] = l;
	return &r->at[node];
}

/* What all replicas have on their disks. */
static int64_t part_floor(const struct image *image, const struct part *part)
{
	const struct image_partition *p =
		image ? image_partition(image_topic_by_id(image, part->topic_id), part->index)
		      : NULL;
	int64_t floor = INT64_MAX;

	for (unsigned i = 0; p && i < p->replicas.count; i++)
		floor = MIN(floor, part->durable[p->replicas.ids[i] - 1]);
	return p ? floor : 0;
}

/* Notes the batches of `bytes` that are committed, the first of them at `offset`. Returns where
 * they end. */
static int64_t check_committed(struct life *l, struct agreed *agreed, struct str name,
			       int32_t index, struct slice bytes, int64_t offset,
			       int64_t high_watermark)
{
	struct sim *s = l->node->sim;
	const uint8_t *data = bytes.data;
	size_t len = bytes.len;
	struct batch b;

	while (batch_next(&b, &data, &len) > 0 && batch_next_offset(&b) <= high_watermark) {
		const struct agreed_batch *other;

		if (batch_next_offset(&b) <= offset)
			continue;
		if (b.base_offset > offset)
			sim_fail(s, "node %u, %.*s-%d: nothing from %" PRId64 " to %" PRId64,
				 l->node->index + 1, STR(name), index, offset, b.base_offset);
		if (!batch_crc_ok(&b))
			sim_fail(s, "node %u, %.*s-%d: a damaged batch at %" PRId64 " is committed",
				 l->node->index + 1, STR(name), index, offset);
		other = agreed_note(agreed, &b);
		if (other)
			sim_fail(s,
				 "node %u, %.*s-%d: %" PRId64 "..%" PRId64
				 " of epoch %d is committed, but was %" PRId64 "..%" PRId64
				 " of epoch %d",
				 l->node->index + 1, STR(name), index, b.base_offset,
				 batch_next_offset(&b), b.partition_leader_epoch,
				 other->base_offset, other->next_offset, other->leader_epoch);
		offset = batch_next_offset(&b);
	}
	return offset;
}

void committed_look(struct life *l, const struct partition *p)
{
	struct sim *s = l->node->sim;
	struct part *part = part_of(s, p);
	int64_t bound = partition_high_watermark(p), *at = reading_of(&part->reading, l);

	if (p->config.cleanup_compact)
		return; /* each replica is cleaned in its own time */
	part->durable[l->node->index] = log_recovery_point(p->log);
	if (p->role == PARTITION_LEADER)
		part->newest_epoch = MAX(part->newest_epoch, p->leader_epoch);
	*at = MIN(MAX(*at, log_start_offset(p->log)), log_end_offset(p->log));
	if (*at >= bound)
		return;
	if (s->power == POWER_ANY) {
		if (p->role != PARTITION_LEADER || p->leader_epoch < part->newest_epoch)
			return;
		bound = MIN(bound, part_floor(checks_newest_image(s), part));
	}
	while (*at < bound) {
		struct slice bytes;
		struct err err = {0};
		int64_t end;

		if (log_read_copy(p->log, *at, 64 * 1024, bound, &bytes, &err) < 0 || !bytes.data)
			return;
		end = check_committed(l, &part->agreed, p->topic, p->index, bytes, *at, bound);
		slice_unref(&bytes);
		if (end == *at)
			return;
		*at = end;
	}
}

void committed_step(struct life *l)
{
	struct committed *c = l->node->sim->committed;
	struct raft *raft = l->control ? agreed_raft(l->control) : NULL;
	int64_t *at = reading_of(&c->reading, l);

	if (!raft)
		return;
	*at = MAX(*at, raft_log_start(raft));
	while (*at < raft_high_watermark(raft)) {
		struct slice bytes;
		struct err err = {0};
		int64_t end;

		if (raft_read(raft, *at, 64 * 1024, &bytes, &err) < 0 || !bytes.data)
			return;
		end = check_committed(l, &c->metadata, STR_LIT("__cluster_metadata"), 0, bytes, *at,
				      raft_high_watermark(raft));
		slice_unref(&bytes);
		if (end == *at)
			return;
		*at = end;
	}
}

void committed_lose(struct sim *s)
{
	const struct image *newest = checks_newest_image(s);
	struct part *part;

	MAP_FOREACH (&s->committed->parts, part, struct part, node) {
		int64_t floor = part_floor(newest, part);

		while (agreed_end(&part->agreed) > floor)
			part->agreed.count--;
		for (unsigned i = 0; i < SIM_NODES_MAX; i++)
			part->reading.at[i] = MIN(part->reading.at[i], floor);
		if (part->is_told)
			checks_lost(s, part->index, floor);
	}
}
