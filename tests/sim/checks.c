/* What must hold: after every step, and in the end. */
#include "sim/clients.h"

#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>

#define EPOCHS_MAX 8192
#define KEYS_MAX 512

/* A record that somebody was told of. */
struct told {
	bool is_known;
	unsigned producer;
	int64_t number;
};

struct told_part {
	struct told *items; /* by offset */
	size_t count;
	int64_t read_end;                     /* everything below was read in order */
	int64_t floor;                        /* POWER_ANY: nothing below it may be lost */
	int64_t next_number[SIM_IDEMPOTENT];  /* to be read */
	int64_t acked_number[SIM_IDEMPOTENT]; /* all below were acknowledged */
};

/* What is known of a partition, of any topic. */
struct key {
	struct uuid topic_id;
	int32_t index;
	char name[32];
	int32_t newest;     /* epoch */
	uint8_t *leader_of; /* by epoch: node id; 0: none seen */
	struct life *life[SIM_NODES_MAX];
	int32_t epoch[SIM_NODES_MAX];
	int64_t high_watermark[SIM_NODES_MAX];
};

struct checks {
	struct told_part parts[SIM_PARTITIONS];
	struct key keys[KEYS_MAX];
	size_t key_count;
};

void checks_init(struct sim *s)
{
	s->checks = xcalloc(1, sizeof(*s->checks));
	committed_init(s);
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void told(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		 int64_t number)
{
	struct told_part *p = &s->checks->parts[partition];
	struct told *t;

	if ((size_t)offset >= p->count) {
		size_t count = (size_t)offset * 2 + 64;

		p->items = xrealloc(p->items, count * sizeof(*p->items));
		memset(p->items + p->count, 0, (count - p->count) * sizeof(*p->items));
		p->count = count;
	}
	t = &p->items[offset];
	if (t->is_known && (s->power != POWER_ANY || offset < p->floor) &&
	    (t->producer != producer || t->number != number))
		sim_fail(s,
			 "partition %d, offset %" PRId64 ": record %" PRId64
			 " of producer %u, but it was %" PRId64 " of %u",
			 partition, offset, number, producer, t->number, t->producer);
	*t = (struct told){true, producer, number};
}

void checks_acked(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		  int64_t number)
{
	struct told_part *p = &s->checks->parts[partition];

	if (offset >= 0)
		told(s, partition, offset, producer, number);
	world_note(&s->world, (uint64_t)offset << 8 ^ (uint64_t)partition);
	if (producer >= SIM_IDEMPOTENT)
		return;
	if (offset >= 0 && offset < p->read_end && number >= p->next_number[producer])
		sim_fail(s,
			 "partition %d: record %" PRId64 " of producer %u was not read at %" PRId64,
			 partition, number, producer, offset);
	p->acked_number[producer] = number + 1;
}

void checks_lost(struct sim *s, int32_t partition, int64_t floor)
{
	struct told_part *p = &s->checks->parts[partition];

	p->floor = floor;
	for (size_t i = (size_t)MIN(floor, (int64_t)p->count); i < p->count; i++)
		p->items[i].is_known = false;
}

void checks_read(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		 int64_t number)
{
	struct told_part *p = &s->checks->parts[partition];

	told(s, partition, offset, producer, number);
	if (offset < p->read_end)
		return;
	if (offset > p->read_end)
		sim_fail(s, "partition %d: read %" PRId64 " before %" PRId64, partition, offset,
			 p->read_end);
	p->read_end++;
	world_note(&s->world, (uint64_t)offset << 8 ^ (uint64_t)number);
	if (producer >= SIM_IDEMPOTENT) {
		promises_read(s, partition, offset, producer, number);
		return;
	}
	if (number != p->next_number[producer])
		sim_fail(s,
			 "partition %d, offset %" PRId64 ": record %" PRId64
			 " of producer %u where %" PRId64 " is next: %s",
			 partition, offset, number, producer, p->next_number[producer],
			 number < p->next_number[producer] ? "it is there twice" : "some are lost");
	p->next_number[producer]++;
}

/* ---- After every step ------------------------------------------------------------------------ */

static struct key *key_of(struct sim *s, const struct partition *p)
{
	struct checks *c = s->checks;

	for (size_t i = 0; i < c->key_count; i++) {
		if (c->keys[i].index == p->index && uuid_eq(c->keys[i].topic_id, p->topic_id))
			return &c->keys[i];
	}
	if (c->key_count == KEYS_MAX)
		sim_fail(s, "more partitions than the simulator can watch");
	c->keys[c->key_count] = (struct key){
		.topic_id = p->topic_id, .index = p->index, .leader_of = xcalloc(EPOCHS_MAX, 1)};
	snprintf(c->keys[c->key_count].name, sizeof(c->keys[0].name), "%.*s", STR(p->topic));
	return &c->keys[c->key_count++];
}

static struct partition *replica_of(struct life *l, struct uuid topic_id, int32_t index)
{
	struct replica_set *set = shard_owner(&l->broker, topic_id, index)->replicas;

	return set ? replica_set_find(set, topic_id, index) : NULL;
}

/* Whoever is in sync has all that is committed. */
static void check_in_sync(struct sim *s, const struct partition *leader, int64_t high_watermark)
{
	for (unsigned i = 0; i < leader->isr.member_count; i++) {
		int32_t id = leader->isr.members[i];
		struct life *l = s->node[id - 1].life;
		const struct partition *p =
			l ? replica_of(l, leader->topic_id, leader->index) : NULL;

		if (p && p->log && partition_log_end_offset(p) < high_watermark)
			sim_fail(s,
				 "%.*s-%d: node %d ends at %" PRId64
				 ", but is in sync, and committed is all below %" PRId64,
				 STR(leader->topic), leader->index, id, partition_log_end_offset(p),
				 high_watermark);
	}
}

static void check_replica(struct life *l, const struct partition *p)
{
	struct sim *s = l->node->sim;
	unsigned node = l->node->index;
	int64_t high_watermark = partition_high_watermark(p);
	struct key *key = key_of(s, p);

	if (high_watermark > partition_log_end_offset(p))
		sim_fail(s, "node %u, %.*s-%d: the high watermark is above the log end", node + 1,
			 STR(p->topic), p->index);
	if (p->role != PARTITION_LEADER) {
		key->life[node] = NULL;
		return;
	}
	if (p->leader_epoch >= EPOCHS_MAX)
		sim_fail(s, "%.*s-%d is in epoch %d: elections without end", STR(p->topic),
			 p->index, p->leader_epoch);
	key->newest = MAX(key->newest, p->leader_epoch);
	if (key->leader_of[p->leader_epoch] == 0) {
		key->leader_of[p->leader_epoch] = (uint8_t)(node + 1);
		s->elections++;
	}
	if (key->leader_of[p->leader_epoch] != node + 1)
		sim_fail(s, "%.*s-%d: epoch %d has two leaders: %u and %u", STR(p->topic), p->index,
			 p->leader_epoch, key->leader_of[p->leader_epoch], node + 1);
	if (key->life[node] == l && key->epoch[node] == p->leader_epoch &&
	    high_watermark < key->high_watermark[node])
		sim_fail(s,
			 "node %u, %.*s-%d: the high watermark went from %" PRId64
			 " back to %" PRId64,
			 node + 1, STR(p->topic), p->index, key->high_watermark[node],
			 high_watermark);
	key->life[node] = l;
	key->epoch[node] = p->leader_epoch;
	key->high_watermark[node] = high_watermark;
	if (s->power == POWER_STAYS && p->leader_epoch == key->newest)
		check_in_sync(s, p, high_watermark);
}

void checks_step(struct life *l)
{
	committed_step(l);
	for (unsigned i = 0; i < l->broker.shard_count; i++) {
		struct replica_set *set = l->shards[i].shard.replicas;

		if (!set)
			continue;
		REPLICA_SET_FOREACH (set, p) {
			if (!p->log)
				continue;
			check_replica(l, p);
			committed_look(l, p);
		}
	}
}

int32_t checks_epoch(const struct sim *s, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < s->checks->key_count; i++) {
		const struct key *key = &s->checks->keys[i];

		if (key->index == partition && strcmp(key->name, topic) == 0)
			return key->newest;
	}
	return 0;
}

int32_t checks_epoch_on(const struct sim *s, unsigned node, const char *topic, int32_t partition)
{
	struct life *l = s->node[node].life;

	for (unsigned i = 0; l && i < l->broker.shard_count; i++) {
		REPLICA_SET_FOREACH (l->shards[i].shard.replicas, p) {
			if (p->role == PARTITION_LEADER && p->index == partition &&
			    str_is(p->topic, topic))
				return p->leader_epoch;
		}
	}
	return -1;
}

/* ---- In sync --------------------------------------------------------------------------------- */

static void topic_is_whole(void *ctx, const struct image_topic *before UNUSED,
			   const struct image_topic *topic)
{
	bool *whole = ctx;

	for (int32_t i = 0; i < topic->partition_count; i++)
		*whole = *whole && topic->partitions[i].leader >= 0 &&
			 topic->partitions[i].isr.count == topic->partitions[i].replicas.count;
}

const struct image *checks_newest_image(const struct sim *s)
{
	const struct image *newest = NULL;

	for (unsigned i = 0; i < s->nodes; i++) {
		struct life *l = s->node[i].life;

		if (l && l->latest && (!newest || image_offset(l->latest) > image_offset(newest)))
			newest = l->latest;
	}
	return newest;
}

bool checks_are_fenced(struct sim *s, const struct sim_node *n)
{
	const struct image *newest = checks_newest_image(s);
	const struct image_broker *b = newest ? image_broker(newest, (int32_t)n->index + 1) : NULL;

	return newest && (!b || b->fenced);
}

bool checks_are_up(const struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		struct life *l = s->node[i].life;

		if (!l || !l->latest || l->is_stopping || (s->node[i].is_broker && !l->is_open))
			return false;
	}
	return true;
}

static void topic_last_in_sync(void *ctx, const struct image_topic *before UNUSED,
			       const struct image_topic *topic)
{
	int32_t *last = ctx;

	for (int32_t i = 0; i < topic->partition_count; i++) {
		const struct image_partition *p = &topic->partitions[i];

		if (p->isr.count == 1 && p->replicas.count > 1)
			*last = p->isr.ids[0];
	}
}

struct sim_node *checks_last_in_sync(struct sim *s)
{
	const struct image *none = image_empty(), *newest = checks_newest_image(s);
	int32_t last = 0;

	if (newest)
		image_diff_topics(none, newest, topic_last_in_sync, &last);
	image_unref(none);
	return last > 0 ? &s->node[last - 1] : NULL;
}

bool checks_are_whole(struct sim *s)
{
	const struct image *none;
	bool whole = true;

	if (!checks_are_up(s))
		return false;
	none = image_empty();
	image_diff_topics(none, checks_newest_image(s), topic_is_whole, &whole);
	image_unref(none);
	return whole;
}

/* ---- In the end ------------------------------------------------------------------------------ */

/* Every replica of it is in sync and ends where the leader does. */
static bool partition_settled(struct sim *s, const struct image_topic *topic,
			      const struct image_partition *from, char *why, size_t why_len)
{
	struct partition *leader;

	if (from->leader < 1 || from->isr.count != from->replicas.count ||
	    !s->node[from->leader - 1].life) {
		snprintf(why, why_len, "%.*s-%d: leader %d, %u of %u replicas in sync",
			 STR(topic->name), from->index, from->leader, from->isr.count,
			 from->replicas.count);
		return false;
	}
	leader = replica_of(s->node[from->leader - 1].life, topic->id, from->index);
	for (unsigned i = 0; i < from->replicas.count; i++) {
		struct life *l = s->node[from->replicas.ids[i] - 1].life;
		struct partition *p = l ? replica_of(l, topic->id, from->index) : NULL;

		if (leader && p &&
		    partition_log_end_offset(p) == partition_log_end_offset(leader) &&
		    partition_high_watermark(p) == partition_log_end_offset(leader))
			continue;
		snprintf(why, why_len,
			 "%.*s-%d: node %d is at %" PRId64 " (%" PRId64
			 "), the leader %d at %" PRId64,
			 STR(topic->name), from->index, from->replicas.ids[i],
			 p ? partition_log_end_offset(p) : -1, p ? partition_high_watermark(p) : -1,
			 from->leader, leader ? partition_log_end_offset(leader) : -1);
		return false;
	}
	if (str_is(topic->name, SIM_TOPIC) && s->power != POWER_ANY &&
	    consumer_position(s, from->index) != partition_log_end_offset(leader)) {
		snprintf(why, why_len, "partition %d: the reader is at %" PRId64 " of %" PRId64,
			 from->index, consumer_position(s, from->index),
			 partition_log_end_offset(leader));
		return false;
	}
	if (str_is(topic->name, SIM_TOPIC) && topic->partition_count != s->partitions) {
		snprintf(why, why_len, "%d partitions of %d", topic->partition_count,
			 s->partitions);
		return false;
	}
	if (str_is(topic->name, SIM_TOPIC) && s->power != POWER_ANY &&
	    team_delivered_end(s, from->index) != partition_log_end_offset(leader)) {
		snprintf(why, why_len, "partition %d: the group is at %" PRId64 " of %" PRId64,
			 from->index, team_delivered_end(s, from->index),
			 partition_log_end_offset(leader));
		return false;
	}
	return true;
}

struct settling {
	struct sim *sim;
	bool ok, has_topic;
	char *why;
	size_t why_len;
};

static void topic_settled(void *ctx, const struct image_topic *before UNUSED,
			  const struct image_topic *topic)
{
	struct settling *t = ctx;

	if (str_is(topic->name, SIM_TOPIC))
		t->has_topic = true;
	for (int32_t i = 0; t->ok && i < topic->partition_count; i++)
		t->ok = partition_settled(t->sim, topic, &topic->partitions[i], t->why, t->why_len);
}

bool checks_settled(struct sim *s, char *why, size_t why_len)
{
	struct settling t = {.sim = s, .ok = true, .why = why, .why_len = why_len};
	const struct image *image = NULL, *none = image_empty();

	snprintf(why, why_len, "no topic");
	for (unsigned i = 0; i < s->nodes; i++) {
		struct life *l = s->node[i].life;

		if (!l || (s->node[i].is_broker && !l->is_open)) {
			snprintf(why, why_len, "node %u is not up", i + 1);
			return false;
		}
		if (!s->node[i].is_broker)
			continue;
		if (image && image_offset(image) != image_offset(l->shards[0].shard.image)) {
			snprintf(why, why_len, "node %u has older metadata, or newer", i + 1);
			return false;
		}
		image = l->shards[0].shard.image;
	}
	if (!producers_are_idle(s)) {
		snprintf(why, why_len, "a producer has no answer");
		return false;
	}
	image_diff_topics(none, image, topic_settled, &t);
	image_unref(none);
	if (t.ok)
		t.ok = s->power == POWER_ANY || members_are_settled(s, why, why_len);
	return t.ok && t.has_topic;
}

static void compare_logs(struct sim *s, struct partition *a, struct partition *b)
{
	int64_t offset = MAX(log_start_offset(a->log), log_start_offset(b->log));

	if (a->config.cleanup_compact)
		return; /* each replica is cleaned in its own time */

	while (offset < log_end_offset(a->log)) {
		struct slice x = SLICE_NULL, y = SLICE_NULL;
		const uint8_t *x_data, *y_data;
		size_t x_len, y_len;
		struct batch p, q;
		struct err err = {0};

		if (log_read_copy(a->log, offset, 64 * 1024, INT64_MAX, &x, &err) < 0 ||
		    log_read_copy(b->log, offset, 64 * 1024, INT64_MAX, &y, &err) < 0 || !x.data ||
		    !y.data)
			sim_fail(s, "%.*s-%d cannot be read at %" PRId64 ": %s", STR(a->topic),
				 a->index, offset, err.text);
		x_data = x.data;
		y_data = y.data;
		x_len = x.len;
		y_len = y.len;
		while (batch_next(&p, &x_data, &x_len) > 0 && batch_next(&q, &y_data, &y_len) > 0) {
			if (p.base_offset != q.base_offset || p.crc != q.crc ||
			    p.partition_leader_epoch != q.partition_leader_epoch)
				sim_fail(s, "%.*s-%d: two replicas differ at %" PRId64,
					 STR(a->topic), a->index, p.base_offset);
			offset = batch_next_offset(&p);
		}
		slice_unref(&x);
		slice_unref(&y);
	}
}

static void topic_ends(void *ctx, const struct image_topic *before UNUSED,
		       const struct image_topic *topic)
{
	struct sim *s = ctx;

	for (int32_t i = 0; i < topic->partition_count; i++) {
		const struct image_partition *from = &topic->partitions[i];
		struct partition *leader = replica_of(s->node[from->leader - 1].life, topic->id, i);

		if (str_is(topic->name, SIM_TOPIC) &&
		    log_start_offset(leader->log) > admin_deleted(s, i))
			sim_fail(s,
				 "partition %d starts at %" PRId64
				 ", but records were deleted only "
				 "below %" PRId64,
				 i, log_start_offset(leader->log), admin_deleted(s, i));
		for (unsigned k = 0; k < from->replicas.count; k++)
			compare_logs(
				s, leader,
				replica_of(s->node[from->replicas.ids[k] - 1].life, topic->id, i));
	}
}

void checks_end(struct sim *s)
{
	const struct image *none = image_empty(), *image = NULL;

	for (unsigned i = 0; i < s->nodes; i++) {
		if (s->node[i].is_broker)
			image = s->node[i].life->shards[0].shard.image;
	}
	image_diff_topics(none, image, topic_ends, s);
	image_unref(none);
	if (s->power == POWER_ANY)
		return;
	promises_end(s);
	for (int32_t i = 0; i < SIM_PARTITIONS; i++) {
		const struct told_part *p = &s->checks->parts[i];

		for (unsigned k = 0; k < SIM_IDEMPOTENT; k++) {
			if (p->next_number[k] < p->acked_number[k])
				sim_fail(s,
					 "partition %d: record %" PRId64
					 " of producer %u was acknowledged, but is not there",
					 i, p->next_number[k], k);
		}
	}
}
