/* What ends by time, or with its topic: offsets and the groups that held them. */
#include "group_int.h"

#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"
#include "wire/record_frame.h"

#include <stdlib.h>

#define SAY_PLACE "broker/group"

/* ---- Subscriptions ---- */

static int topic_order(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool is_consumer(const struct group *g)
{
	return g->protocol_type && strcmp(g->protocol_type, "consumer") == 0;
}

bool group_subscriptions(const struct group *g, struct arena *arena, struct str **topics,
			 size_t *count)
{
	size_t cap = 0;
	struct group_member *m;
	struct str *all = NULL;

	*topics = NULL;
	*count = 0;
	if (g->member_count == 0 || !is_consumer(g))
		return true;
	LIST_FOREACH(&g->members, m, struct group_member, link) {
		struct slice metadata = group_member_metadata(m, g->protocol_name);
		struct consumer_protocol_subscription *s;
		int16_t version;
		void *decoded;

		if (versioned_decode_lenient(&consumer_protocol_subscription_desc, metadata, arena,
					     &version, &decoded, NULL) < 0) {
			free(all);
			return false;
		}
		s = decoded;
		for (int32_t i = 0; i < s->topics_count; i++) {
			all = grow_array(all, *count, &cap, sizeof(*all));
			all[(*count)++] = s->topics[i];
		}
	}
	if (*count) {
		qsort(all, *count, sizeof(*all), topic_order);
		*topics = arena_memdup(arena, all, *count * sizeof(*all));
	}
	free(all);
	return true;
}

bool group_is_subscribed(const struct str *topics, size_t count, struct str topic)
{
	return count && bsearch(&topic, topics, count, sizeof(*topics), topic_order);
}

/* ---- Retention ---- */

struct expiry {
	int64_t now_ms, retention_ms;
	struct str *topics;	/* subscribed */
	size_t topic_count;
	bool topics_known;
};

static bool offset_is_due(const struct group *g, const struct group_offset *o,
			  const struct expiry *e)
{
	int64_t base_ms = o->latest.commit_timestamp_ms;

	if (group_txn_is_pending(g->gp, g->id, o->topic, o->partition))
		return false;
	if (o->latest.expire_timestamp_ms >= 0)
		return e->now_ms >= o->latest.expire_timestamp_ms;
	if (g->protocol_type && g->state == GROUP_EMPTY) {
		if (g->state_timestamp_ms >= 0)
			base_ms = g->state_timestamp_ms;
	} else if (g->protocol_type) {
		if (!is_consumer(g) || g->state != GROUP_STABLE || !e->topics_known ||
		    group_is_subscribed(e->topics, e->topic_count, o->topic))
			return false;
	}
	return e->now_ms - base_ms >= e->retention_ms;
}

/* Appends tombstones for what is due, then forgets it. */
static void group_expire(struct group *g, struct expiry *e)
{
	struct group_offset *o;
	struct group_write w;
	struct arena arena;
	int64_t required_offset;
	size_t due = 0, left;
	bool ends;

	arena_init(&arena);
	e->topics_known = group_subscriptions(g, &arena, &e->topics, &e->topic_count);
	group_write_begin(&w, g->gp);
	MAP_FOREACH(&g->offsets, o, struct group_offset, node)
		if (offset_is_due(g, o, e)) {
			due++;
			group_write_offset_tombstone(&w, g->id, o->topic, o->partition);
		}
	left = g->offsets.count - due;
	ends = left == 0 && g->state == GROUP_EMPTY && g->pending.count == 0 &&
	       !group_txn_is_pending(g->gp, g->id, STR_NULL, 0);
	if (ends) {
		group_foreign_write_tombstones(&w, g);
		group_write_group_tombstone(&w, g->id);
	}
	if (group_write_append(&w, &required_offset) != KERR_NONE) {
		arena_fini(&arena);
		return;	/* the next check tries again */
	}
	if (due)
		say_info("group %.*s: %zu offsets expired", STR(g->id), due);
	MAP_FOREACH(&g->offsets, o, struct group_offset, node)
		if (offset_is_due(g, o, e))
			group_offset_remove(g, o);
	arena_fini(&arena);
	if (ends) {
		say_info("group %.*s: expired", STR(g->id));
		group_free(g);
	}
}

void group_offsets_expire(struct group_partition *gp)
{
	struct group_coordinator *gc = gp->gc;
	struct expiry e = {
		.now_ms = gc->io.wall_ms(gc->io.ctx),
		.retention_ms = gc->settings.offsets_retention_ms,
	};
	struct group *g;

	MAP_FOREACH(&gp->groups, g, struct group, by_id)
		group_expire(g, &e);
}

/* ---- Deleted topics ---- */

static bool offset_is_of(const struct group_offset *o, struct str name, struct uuid id)
{
	return str_eq(o->topic, name) &&
	       (uuid_is_zero(o->latest.topic_id) || uuid_eq(o->latest.topic_id, id));
}

void group_topic_deleted(struct group_partition *gp, struct str name, struct uuid id)
{
	struct group *g;

	if (gp->state != GROUPS_ACTIVE)
		return;
	MAP_FOREACH(&gp->groups, g, struct group, by_id) {
		struct group_offset *o;
		struct group_write w;
		int64_t required_offset;

		group_write_begin(&w, gp);
		MAP_FOREACH(&g->offsets, o, struct group_offset, node)
			if (offset_is_of(o, name, id))
				group_write_offset_tombstone(&w, g->id, o->topic, o->partition);
		if (group_write_append(&w, &required_offset) != KERR_NONE)
			continue;
		MAP_FOREACH(&g->offsets, o, struct group_offset, node)
			if (offset_is_of(o, name, id))
				group_offset_remove(g, o);
	}
}
