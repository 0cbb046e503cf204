#include "cmd/top/snapshot.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void snapshot_init(struct snapshot *s)
{
	*s = (struct snapshot){.controller = -1, .quorum_leader = -1, .lag = NOT_KNOWN};
	arena_init(&s->arena);
}

void snapshot_fini(struct snapshot *s)
{
	arena_fini(&s->arena);
}

void snapshot_reset(struct snapshot *s)
{
	struct arena arena = s->arena;

	arena_reset(&arena);
	snapshot_init(s);
	s->arena = arena;
}

/* ---- Order and finding -------------------------------------------------------------------- */

static int broker_cmp(const void *a, const void *b)
{
	int32_t x = ((const struct top_broker *)a)->id, y = ((const struct top_broker *)b)->id;

	return (x > y) - (x < y);
}

static int topic_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct top_topic *)a)->name, ((const struct top_topic *)b)->name);
}

static int group_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct top_group *)a)->id, ((const struct top_group *)b)->id);
}

static int group_partition_cmp(const void *a, const void *b)
{
	const struct top_group_partition *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* qsort and bsearch want an array, also when it is empty. */
static void sort_items(void *items, int32_t count, size_t size,
		       int (*cmp)(const void *, const void *))
{
	if (count > 1)
		qsort(items, (size_t)count, size, cmp);
}

static void *find_item(const void *key, const void *items, int32_t count, size_t size,
		       int (*cmp)(const void *, const void *))
{
	return count > 0 ? bsearch(key, items, (size_t)count, size, cmp) : NULL;
}

void snapshot_sort(struct snapshot *s)
{
	sort_items(s->brokers, s->broker_count, sizeof(*s->brokers), broker_cmp);
	sort_items(s->topics, s->topic_count, sizeof(*s->topics), topic_cmp);
	sort_items(s->groups, s->group_count, sizeof(*s->groups), group_cmp);
}

struct top_broker *snapshot_broker(const struct snapshot *s, int32_t id)
{
	struct top_broker key = {.id = id};

	return find_item(&key, s->brokers, s->broker_count, sizeof(key), broker_cmp);
}

struct top_topic *snapshot_topic(const struct snapshot *s, struct str name)
{
	struct top_topic key = {.name = name};

	return find_item(&key, s->topics, s->topic_count, sizeof(key), topic_cmp);
}

struct top_group *snapshot_group(const struct snapshot *s, struct str id)
{
	struct top_group key = {.id = id};

	return find_item(&key, s->groups, s->group_count, sizeof(key), group_cmp);
}

struct top_partition *topic_partition(const struct top_topic *t, int32_t index)
{
	return index >= 0 && index < t->partition_count ? &t->partitions[index] : NULL;
}

bool id_is_among(const int32_t *ids, int32_t count, int32_t id)
{
	for (int32_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* a + b, when one of them may be unknown: what is known counts. */
static double sum_rate(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : a + b;
}

static int64_t sum_known(int64_t a, int64_t b)
{
	return a == NOT_KNOWN ? b : b == NOT_KNOWN ? a : a + b;
}

/* ---- Brokers ------------------------------------------------------------------------------ */

/* Room for the brokers of both moments and those that only replicas name. */
static struct top_broker *brokers_grow(struct snapshot *s)
{
	struct top_broker *grown =
		arena_array(&s->arena, (size_t)s->broker_count + 1, sizeof(*grown));

	if (s->broker_count > 0)
		memcpy(grown, s->brokers, (size_t)s->broker_count * sizeof(*grown));
	s->brokers = grown;
	return &grown[s->broker_count++];
}

static void brokers_add_gone(struct snapshot *now, const struct snapshot *before, int32_t id)
{
	const struct top_broker *was = snapshot_broker(before, id);
	struct top_broker *b = brokers_grow(now);

	*b = (struct top_broker){.id = id, .state = BROKER_GONE};
	if (was) {
		b->host = str_dup(&now->arena, was->host);
		b->rack = str_dup(&now->arena, was->rack);
		b->port = was->port;
	}
	b->log_bytes = b->disk_bytes = b->usable_bytes = NOT_KNOWN;
	sort_items(now->brokers, now->broker_count, sizeof(*b), broker_cmp);
}

static void brokers_carry(struct snapshot *now, const struct snapshot *before)
{
	bool is_quorum_known = now->quorum_leader >= 0;

	/* While a new one is elected nobody tells: the old one stands there until then. */
	if (!is_quorum_known)
		now->quorum_leader = before->quorum_leader;
	for (int32_t i = 0; i < before->broker_count; i++)
		if (!snapshot_broker(now, before->brokers[i].id))
			brokers_add_gone(now, before, before->brokers[i].id);
	for (int32_t t = 0; t < now->topic_count; t++) {
		for (int32_t i = 0; i < now->topics[t].partition_count; i++) {
			const struct top_partition *p = &now->topics[t].partitions[i];

			for (int32_t r = 0; r < p->replica_count; r++)
				if (!snapshot_broker(now, p->replicas[r]))
					brokers_add_gone(now, before, p->replicas[r]);
		}
	}
	for (int32_t i = 0; i < now->broker_count; i++) {
		struct top_broker *b = &now->brokers[i];
		const struct top_broker *was = snapshot_broker(before, b->id);

		if (was && b->log_bytes == NOT_KNOWN && b->state != BROKER_GONE) {
			b->log_bytes = was->log_bytes;
			b->disk_bytes = was->disk_bytes;
			b->usable_bytes = was->usable_bytes;
		}
		if (was && !is_quorum_known)
			b->is_voter = was->is_voter;
		b->rate = b->state == BROKER_UP && before->at_us ? 0 : NAN;
		now->up_count += b->state == BROKER_UP;
		now->gone_count += b->state == BROKER_GONE;
	}
}

/* ---- Topics ------------------------------------------------------------------------------- */

static void partition_settle(struct top_partition *p, const struct top_partition *was)
{
	p->rate = NAN;
	if (!was)
		return;
	if (p->start == NOT_KNOWN)
		p->start = was->start;
	if (p->bytes == NOT_KNOWN)
		p->bytes = was->bytes;
	if (p->all_bytes == NOT_KNOWN)
		p->all_bytes = was->all_bytes;
	if (p->end == NOT_KNOWN) {
		p->end = was->end;
		p->end_at_us = was->end_at_us;
		return;
	}
	if (was->end == NOT_KNOWN || p->end_at_us <= was->end_at_us)
		return;
	/* An end that went back was cut by a new leader: nothing came in that we know of. */
	p->rate = p->end < was->end ? 0
				    : (double)(p->end - was->end) * 1e6 /
					      (double)(p->end_at_us - was->end_at_us);
}

static void partition_count(struct snapshot *s, struct top_topic *t, const struct top_partition *p)
{
	bool is_under = partition_is_under_replicated(p), is_offline = partition_is_offline(p);
	struct top_broker *b;

	t->replication_factor = MAX(t->replication_factor, p->replica_count);
	t->under_replicated_count += is_under;
	t->offline_count += is_offline;
	t->bytes = sum_known(t->bytes, p->bytes);
	t->all_bytes = sum_known(t->all_bytes, p->all_bytes);
	t->rate = sum_rate(t->rate, p->rate);
	if (p->end != NOT_KNOWN && p->start != NOT_KNOWN)
		t->record_count = sum_known(t->record_count, MAX(p->end - p->start, 0));
	for (int32_t i = 0; i < p->replica_count; i++) {
		b = snapshot_broker(s, p->replicas[i]);
		b->replica_count++;
		b->in_sync_count += id_is_among(p->isr, p->isr_count, p->replicas[i]);
	}
	b = p->leader >= 0 ? snapshot_broker(s, p->leader) : NULL;
	if (b) {
		b->leader_count++;
		b->rate = sum_rate(b->rate, p->rate);
	}
}

static void topics_settle(struct snapshot *now, const struct snapshot *before)
{
	/* A partition that was not there before had nothing in it then. */
	struct top_partition began = {
		.start = NOT_KNOWN, .bytes = NOT_KNOWN, .all_bytes = NOT_KNOWN};

	for (int32_t i = 0; i < now->topic_count; i++) {
		struct top_topic *t = &now->topics[i];
		const struct top_topic *was = snapshot_topic(before, t->name);

		if (was && !uuid_eq(was->id, t->id))
			was = NULL; /* another one of the same name */
		began.end_at_us = before->at_us;
		t->rate = NAN;
		t->record_count = t->bytes = t->all_bytes = NOT_KNOWN;
		for (int32_t n = 0; n < t->partition_count; n++) {
			const struct top_partition *old = was ? topic_partition(was, n) : NULL;

			if (!old && before->at_us)
				old = &began;
			partition_settle(&t->partitions[n], old);
			partition_count(now, t, &t->partitions[n]);
		}
		now->partition_count += t->partition_count;
		now->under_replicated_count += t->under_replicated_count;
		now->offline_count += t->offline_count;
		now->rate = sum_rate(now->rate, t->rate);
	}
}

/* ---- Groups ------------------------------------------------------------------------------- */

static void group_copy(struct arena *a, struct top_group *to, const struct top_group *from)
{
	*to = *from;
	to->id = str_dup(a, from->id);
	to->type = str_dup(a, from->type);
	to->state = str_dup(a, from->state);
	to->is_carried = true;
	to->members = arena_array(a, (size_t)MAX(from->member_count, 0) + 1, sizeof(*to->members));
	for (int32_t i = 0; i < from->member_count; i++)
		to->members[i] =
			(struct top_member){.id = str_dup(a, from->members[i].id),
					    .client_id = str_dup(a, from->members[i].client_id),
					    .host = str_dup(a, from->members[i].host),
					    .partition_count = from->members[i].partition_count};
	to->partitions = arena_array(a, (size_t)from->partition_count + 1, sizeof(*to->partitions));
	for (int32_t i = 0; i < from->partition_count; i++) {
		to->partitions[i] = from->partitions[i];
		to->partitions[i].topic = str_dup(a, from->partitions[i].topic);
	}
}

static void groups_carry(struct snapshot *now, const struct snapshot *before)
{
	struct top_group *groups;
	int32_t count = now->group_count;

	if (now->has_all_groups)
		return;
	groups = arena_array(&now->arena, (size_t)(count + before->group_count) + 1,
			     sizeof(*groups));
	if (count > 0)
		memcpy(groups, now->groups, (size_t)count * sizeof(*groups));
	for (int32_t i = 0; i < before->group_count; i++)
		if (!snapshot_group(now, before->groups[i].id))
			group_copy(&now->arena, &groups[count++], &before->groups[i]);
	now->groups = groups;
	now->group_count = count;
	sort_items(groups, count, sizeof(*groups), group_cmp);
}

static void group_partition_settle(struct snapshot *now, struct top_group_partition *p,
				   const struct top_group_partition *was, double seconds)
{
	const struct top_topic *t = snapshot_topic(now, p->topic);
	const struct top_partition *at = t ? topic_partition(t, p->partition) : NULL;

	p->end = at ? at->end : NOT_KNOWN;
	p->lag = p->end == NOT_KNOWN || p->committed == NOT_KNOWN ? NOT_KNOWN
								  : MAX(p->end - p->committed, 0);
	p->read_rate = p->lag_rate = NAN;
	if (!was || !(seconds > 0))
		return;
	if (was->committed != NOT_KNOWN && p->committed != NOT_KNOWN)
		p->read_rate = (double)(p->committed - was->committed) / seconds;
	if (was->lag != NOT_KNOWN && p->lag != NOT_KNOWN)
		p->lag_rate = (double)(p->lag - was->lag) / seconds;
}

static void group_settle(struct snapshot *now, struct top_group *g, const struct top_group *was)
{
	double seconds =
		was && was->at_us && g->at_us ? (double)(g->at_us - was->at_us) / 1e6 : NAN;

	g->lag = NOT_KNOWN;
	g->read_rate = g->lag_rate = NAN;
	sort_items(g->partitions, g->partition_count, sizeof(*g->partitions), group_partition_cmp);
	for (int32_t i = 0; i < g->partition_count; i++) {
		struct top_group_partition *p = &g->partitions[i];

		group_partition_settle(now, p,
				       was ? find_item(p, was->partitions, was->partition_count,
						       sizeof(*p), group_partition_cmp)
					   : NULL,
				       seconds);
		g->lag = sum_known(g->lag, p->lag);
		g->read_rate = sum_rate(g->read_rate, p->read_rate);
		g->lag_rate = sum_rate(g->lag_rate, p->lag_rate);
	}
}

static void groups_settle(struct snapshot *now, const struct snapshot *before)
{
	groups_carry(now, before);
	for (int32_t i = 0; i < now->group_count; i++) {
		group_settle(now, &now->groups[i], snapshot_group(before, now->groups[i].id));
		now->lag = sum_known(now->lag, now->groups[i].lag);
	}
}

void snapshot_settle(struct snapshot *now, const struct snapshot *before)
{
	now->rate = NAN;
	now->lag = NOT_KNOWN;
	snapshot_sort(now);
	brokers_carry(now, before);
	topics_settle(now, before);
	groups_settle(now, before);
}
