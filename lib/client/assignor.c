#include "client/assignor.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const struct {
	const char *name, *class;
} assignors[ASSIGNOR_COUNT] = {
	[ASSIGNOR_RANGE] = {"range", "RangeAssignor"},
	[ASSIGNOR_ROUNDROBIN] = {"roundrobin", "RoundRobinAssignor"},
	[ASSIGNOR_STICKY] = {"sticky", "StickyAssignor"},
	[ASSIGNOR_COOPERATIVE_STICKY] = {"cooperative-sticky", "CooperativeStickyAssignor"},
};

/* The group's state while it is computed. Partitions are numbered through all topics. */
struct assigning {
	struct assign_member *members;
	size_t member_count;
	const struct assign_topic *topics;
	size_t topic_count;
	struct arena *arena;
	size_t *first;		/* number of partition 0 of each topic; [topic_count]: all */
	size_t count;
	int32_t *owner;			/* member index of each partition, -1: nobody yet */
	int32_t *claimed;		/* who has it now, -1: nobody */
	size_t *load;			/* partitions of each member */
	bool *subscribed;		/* [member * topic_count + topic] */
	bool is_equal;			/* all members subscribe to the same topics */
};

const char *assignor_name(enum assignor a)
{
	return assignors[a].name;
}

int assignor_parse(struct str text)
{
	for (int i = 0; i < ASSIGNOR_COUNT; i++) {
		size_t len = strlen(assignors[i].class);

		if (str_is(text, assignors[i].name))
			return i;
		if (text.len >= len &&
		    memcmp(text.data + text.len - len, assignors[i].class, len) == 0 &&
		    (text.len == len || text.data[text.len - len - 1] == '.'))
			return i;
	}
	return -1;
}

static int member_cmp(const void *a, const void *b)
{
	const struct assign_member *x = a, *y = b;

	if (!str_is_null(x->instance_id) && !str_is_null(y->instance_id))
		return str_cmp(x->instance_id, y->instance_id);
	if (!str_is_null(x->instance_id))
		return -1;
	if (!str_is_null(y->instance_id))
		return 1;
	return str_cmp(x->id, y->id);
}

/* Topic numbers in order of name. */
static int topic_cmp(const void *a, const void *b, void *topics)
{
	const struct assign_topic *t = topics;

	return str_cmp(t[*(const size_t *)a].name, t[*(const size_t *)b].name);
}

static size_t *assigning_topic_order(struct assigning *g)
{
	size_t *order = arena_array(g->arena, g->topic_count + 1, sizeof(*order));

	for (size_t i = 0; i < g->topic_count; i++)
		order[i] = i;
	qsort_r(order, g->topic_count, sizeof(*order), topic_cmp, (void *)(uintptr_t)g->topics);
	return order;
}

static bool is_subscribed(const struct assigning *g, size_t member, size_t topic)
{
	return g->subscribed[member * g->topic_count + topic];
}

static size_t topic_of(const struct assigning *g, size_t number)
{
	size_t low = 0, high = g->topic_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (g->first[middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void give(struct assigning *g, size_t number, size_t member)
{
	if (g->owner[number] >= 0)
		g->load[g->owner[number]]--;
	g->owner[number] = (int32_t)member;
	g->load[member]++;
}

static void take(struct assigning *g, size_t number)
{
	if (g->owner[number] >= 0)
		g->load[g->owner[number]]--;
	g->owner[number] = -1;
}

static void assigning_init(struct assigning *g)
{
	g->first = arena_array(g->arena, g->topic_count + 1, sizeof(*g->first));
	for (size_t i = 0; i < g->topic_count; i++)
		g->first[i + 1] = g->first[i] + (size_t)MAX(g->topics[i].partition_count, 0);
	g->count = g->first[g->topic_count];
	g->owner = arena_array(g->arena, g->count + 1, sizeof(*g->owner));
	g->claimed = arena_array(g->arena, g->count + 1, sizeof(*g->claimed));
	g->load = arena_array(g->arena, g->member_count + 1, sizeof(*g->load));
	g->subscribed = arena_array(g->arena, g->member_count * g->topic_count + 1, 1);
	for (size_t i = 0; i < g->count; i++)
		g->owner[i] = g->claimed[i] = -1;
	for (size_t m = 0; m < g->member_count; m++)
		for (size_t i = 0; i < g->members[m].topic_count; i++)
			for (size_t t = 0; t < g->topic_count; t++)
				if (str_eq(g->members[m].topics[i], g->topics[t].name))
					g->subscribed[m * g->topic_count + t] = true;
	g->is_equal = true;
	for (size_t m = 1; m < g->member_count; m++)
		if (memcmp(g->subscribed, g->subscribed + m * g->topic_count, g->topic_count) != 0)
			g->is_equal = false;
}

/* ---- Range, round robin ---------------------------------------------------------------------- */

static void assign_range(struct assigning *g)
{
	for (size_t t = 0; t < g->topic_count; t++) {
		size_t count = g->first[t + 1] - g->first[t];
		size_t subscribers = 0, seen = 0, next = g->first[t];

		for (size_t m = 0; m < g->member_count; m++)
			subscribers += is_subscribed(g, m, t);
		for (size_t m = 0; m < g->member_count; m++) {
			size_t share;

			if (!is_subscribed(g, m, t))
				continue;
			share = count / subscribers + (seen++ < count % subscribers);
			for (; share > 0; share--)
				give(g, next++, m);
		}
	}
}

static void assign_roundrobin(struct assigning *g)
{
	size_t *order = assigning_topic_order(g);
	size_t at = 0;

	for (size_t i = 0; i < g->topic_count; i++) {
		size_t t = order[i];
		bool has_any = false;

		for (size_t m = 0; m < g->member_count; m++)
			has_any |= is_subscribed(g, m, t);
		for (size_t n = g->first[t]; has_any && n < g->first[t + 1]; n++) {
			while (!is_subscribed(g, at % g->member_count, t))
				at++;
			give(g, n, at++ % g->member_count);
		}
	}
}

/* ---- Sticky ---------------------------------------------------------------------------------- */

/* Number of an owned partition, or -1 when it does not exist or is not subscribed any more. */
static ssize_t owned_number(const struct assigning *g, size_t m, size_t i)
{
	for (size_t t = 0; t < g->topic_count; t++) {
		if (!str_eq(g->topics[t].name, g->members[m].owned[i].topic))
			continue;
		if (g->members[m].owned[i].partition < 0 ||
		    g->members[m].owned[i].partition >= g->topics[t].partition_count ||
		    !is_subscribed(g, m, t))
			return -1;
		return (ssize_t)(g->first[t] + (size_t)g->members[m].owned[i].partition);
	}
	return -1;
}

/* Who has what: of two that claim the same, the one of the later generation; at the same one,
 * neither. */
static void assigning_claims(struct assigning *g)
{
	bool *is_contested = arena_array(g->arena, g->count + 1, sizeof(bool));

	for (size_t m = 0; m < g->member_count; m++) {
		for (size_t i = 0; i < g->members[m].owned_count; i++) {
			ssize_t n = owned_number(g, m, i);
			int32_t other;

			if (n < 0)
				continue;
			other = g->claimed[n];
			if (other < 0 ||
			    g->members[m].generation > g->members[other].generation) {
				g->claimed[n] = (int32_t)m;
				is_contested[n] = false;
			} else if (g->members[m].generation == g->members[other].generation &&
				   other != (int32_t)m) {
				is_contested[n] = true;
			}
		}
	}
	for (size_t n = 0; n < g->count; n++) {
		if (g->claimed[n] >= 0 && !is_contested[n])
			give(g, n, (size_t)g->claimed[n]);
	}
}

/* All subscribe to the same: everyone ends with the same number, or one more. */
static void assign_sticky_equal(struct assigning *g)
{
	size_t total = 0, low, extra;

	for (size_t t = 0; t < g->topic_count; t++)
		if (g->member_count && is_subscribed(g, 0, t))
			total += g->first[t + 1] - g->first[t];
	low = total / g->member_count;
	extra = total % g->member_count;	/* so many members have low + 1 */
	for (size_t m = 0; m < g->member_count; m++) {
		size_t allowed = low;

		if (g->load[m] > low && extra > 0) {
			allowed++;
			extra--;
		}
		/* The last ones go. */
		for (size_t n = g->count; n-- > 0 && g->load[m] > allowed;)
			if (g->owner[n] == (int32_t)m)
				take(g, n);
	}
	for (size_t n = 0, m = 0; n < g->count; n++) {
		size_t tries = 0;

		if (g->owner[n] >= 0 || !is_subscribed(g, 0, topic_of(g, n)))
			continue;
		while (g->load[m] >= low && tries++ < g->member_count)
			m = (m + 1) % g->member_count;
		if (g->load[m] < low) {
			give(g, n, m);
			continue;
		}
		/* Everyone has `low`: one more each. */
		while (g->load[m] > low)
			m = (m + 1) % g->member_count;
		give(g, n, m);
	}
}

/* The subscribed member with the least, or -1. */
static ssize_t least_loaded(const struct assigning *g, size_t topic)
{
	ssize_t best = -1;

	for (size_t m = 0; m < g->member_count; m++)
		if (is_subscribed(g, m, topic) && (best < 0 || g->load[m] < g->load[best]))
			best = (ssize_t)m;
	return best;
}

/* Subscriptions differ: what nobody has goes to who has least; then partitions move from those
 * with more to those with less, as long as that makes it more even. */
static void assign_sticky_general(struct assigning *g)
{
	bool has_moved = true;

	for (size_t n = 0; n < g->count; n++) {
		ssize_t m = g->owner[n] < 0 ? least_loaded(g, topic_of(g, n)) : -1;

		if (m >= 0)
			give(g, n, (size_t)m);
	}
	/* Each move lowers the sum of squares, so this ends; the bound is for safety. */
	for (size_t round = 0; has_moved && round < g->count + 1; round++) {
		has_moved = false;
		for (size_t n = 0; n < g->count; n++) {
			ssize_t m = g->owner[n] < 0 ? -1 : least_loaded(g, topic_of(g, n));

			if (m < 0 || g->load[m] + 1 >= g->load[g->owner[n]])
				continue;
			give(g, n, (size_t)m);
			has_moved = true;
		}
	}
}

static void assign_sticky(struct assigning *g, bool is_cooperative)
{
	assigning_claims(g);
	if (g->is_equal)
		assign_sticky_equal(g);
	else
		assign_sticky_general(g);
	if (!is_cooperative)
		return;
	for (size_t n = 0; n < g->count; n++)
		if (g->claimed[n] >= 0 && g->owner[n] >= 0 && g->claimed[n] != g->owner[n])
			take(g, n);
}

/* ---- All ------------------------------------------------------------------------------------- */

void assignor_run(enum assignor a, struct assign_member *members, size_t member_count,
		  const struct assign_topic *topics, size_t topic_count, struct arena *arena)
{
	struct assigning g = {
		.members = members,
		.member_count = member_count,
		.topics = topics,
		.topic_count = topic_count,
		.arena = arena,
	};

	if (member_count == 0)
		return;
	qsort(members, member_count, sizeof(*members), member_cmp);
	assigning_init(&g);
	switch (a) {
	case ASSIGNOR_RANGE:
		assign_range(&g);
		break;
	case ASSIGNOR_ROUNDROBIN:
		assign_roundrobin(&g);
		break;
	case ASSIGNOR_STICKY:
	case ASSIGNOR_COOPERATIVE_STICKY:
		assign_sticky(&g, a == ASSIGNOR_COOPERATIVE_STICKY);
		break;
	}
	for (size_t m = 0; m < member_count; m++) {
		members[m].assigned =
			arena_array(arena, g.load[m] + 1, sizeof(*members[m].assigned));
		members[m].assigned_count = 0;
	}
	for (size_t n = 0; n < g.count; n++) {
		struct assign_member *m;
		size_t t;

		if (g.owner[n] < 0)
			continue;
		m = &members[g.owner[n]];
		t = topic_of(&g, n);
		m->assigned[m->assigned_count++] =
			(struct assign_partition){(uint32_t)t, (int32_t)(n - g.first[t])};
	}
}
