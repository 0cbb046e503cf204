/* A group and its members: who is there, what they have in common. */
#include "group_int.h"

#include "base/mem.h"
#include "base/say.h"

#define SAY_PLACE "broker/group"

#define TO(s) (1u << GROUP_##s)
static const struct {
	const char *name;
	unsigned next;
} group_states[] = {	/* ClassicGroupState.java */
	[GROUP_EMPTY] = {"Empty", TO(PREPARING_REBALANCE) | TO(DEAD)},
	[GROUP_PREPARING_REBALANCE] = {"PreparingRebalance",
				       TO(COMPLETING_REBALANCE) | TO(EMPTY) | TO(DEAD)},
	[GROUP_COMPLETING_REBALANCE] = {"CompletingRebalance",
					TO(STABLE) | TO(PREPARING_REBALANCE) | TO(DEAD)},
	[GROUP_STABLE] = {"Stable", TO(PREPARING_REBALANCE) | TO(DEAD)},
	[GROUP_DEAD] = {"Dead", TO(DEAD)},
};

const char *group_state_name(enum group_state state)
{
	return group_states[state].name;
}

void group_move(struct group *g, enum group_state to)
{
	struct group_coordinator *gc = g->gp->gc;

	assert(group_states[g->state].next & (1u << to));
	say_debug("group %.*s: %s -> %s, generation %d", STR(g->id), group_states[g->state].name,
		  group_states[to].name, g->generation);
	g->previous_state = g->state;
	g->state = to;
	g->state_timestamp_ms = gc->io.wall_ms(gc->io.ctx);
}

static struct str text_of(const char *text, size_t len)
{
	return (struct str){xstrndup(text ? text : "", len), len};
}

static void text_free(struct str *s)
{
	free((char *)(uintptr_t)s->data);
	*s = STR_NULL;
}

void group_set_text(char **field, struct str text)
{
	char *copy = text.data ? xstrndup(text.data, text.len) : NULL;

	free(*field);	/* last: `text` may be of it */
	*field = copy;
}

/* ---- Group ---- */

struct group *group_find(const struct group_partition *gp, struct str id)
{
	struct map_node *n = map_get(&gp->groups, id.data ? id.data : "", id.len);

	return n ? CONTAINER_OF(n, struct group, by_id) : NULL;
}

struct group *group_new(struct group_partition *gp, struct str id)
{
	struct group *g = xcalloc(1, sizeof(*g));

	g->gp = gp;
	g->id = text_of(id.data, id.len);
	g->state = g->previous_state = GROUP_EMPTY;
	g->state_timestamp_ms = gp->gc->io.wall_ms(gp->gc->io.ctx);
	list_init(&g->members);
	map_init(&g->members_by_id);
	map_init(&g->members_by_instance);
	map_init(&g->pending);
	map_init(&g->offsets);
	map_init(&g->foreign);
	map_put(&gp->groups, &g->by_id, g->id.data, g->id.len);
	return g;
}

void group_free(struct group *g)
{
	struct group_coordinator *gc = g->gp->gc;
	struct group_member *m;
	struct group_pending *p;
	struct group_offset *o;

	LIST_FOREACH(&g->members, m, struct group_member, link) {
		group_take_member(g, m);
		member_free(m);
	}
	MAP_FOREACH(&g->pending, p, struct group_pending, by_id)
		group_pending_free(p);
	MAP_FOREACH(&g->offsets, o, struct group_offset, node)
		group_offset_remove(g, o);
	group_timer_stop(gc, &g->join_timer);
	group_timer_stop(gc, &g->sync_timer);
	map_remove(&g->gp->groups, &g->by_id);
	map_fini(&g->members_by_id);
	map_fini(&g->members_by_instance);
	map_fini(&g->pending);
	map_fini(&g->offsets);
	group_foreign_free(g);
	map_fini(&g->foreign);
	free(g->protocol_type);
	free(g->protocol_name);
	text_free(&g->id);
	free(g);
}

void group_check(const struct group *g)
{
	assert(g->member_count == (int32_t)g->members_by_id.count);
	assert(g->joining_count >= 0 && g->joining_count <= g->member_count);
	assert(g->joining_count == 0 || g->state == GROUP_PREPARING_REBALANCE);
	assert((g->member_count == 0) == str_is_null(g->leader_id));
	assert(g->state != GROUP_EMPTY || g->member_count == 0);
	assert(g->state != GROUP_STABLE || g->member_count > 0 || g->pending.count > 0);
}

/* ---- Members ---- */

struct group_member *member_new(struct str id, struct str instance_id, struct str client_id,
				struct str client_host)
{
	struct group_member *m = xcalloc(1, sizeof(*m));

	arena_init(&m->identity);
	arena_init(&m->protocol_arena);
	m->id = str_dup(&m->identity, id);
	m->instance_id = str_dup(&m->identity, instance_id);
	m->client_id = str_dup(&m->identity, client_id);
	m->client_host = str_dup(&m->identity, client_host);
	m->assignment = slice_copy("", 0);
	return m;
}

void member_free(struct group_member *m)
{
	assert(!m->join && !m->sync && !list_linked(&m->link));
	arena_fini(&m->identity);
	arena_fini(&m->protocol_arena);
	slice_unref(&m->assignment);
	free(m);
}

bool group_is_static(const struct group_member *m)
{
	return !str_is_null(m->instance_id);
}

void member_set_protocols(struct group_member *m,
			  const struct join_group_request_protocol *protocols, int32_t count)
{
	arena_reset(&m->protocol_arena);
	m->protocols =
		arena_array(&m->protocol_arena, (size_t)MAX(count, 1), sizeof(*m->protocols));
	m->protocol_count = MAX(count, 0);
	for (int32_t i = 0; i < count; i++) {
		struct slice metadata = protocols[i].metadata;

		m->protocols[i].name = str_dup(&m->protocol_arena, protocols[i].name);
		m->protocols[i].metadata = (struct slice){
			.data = arena_memdup(&m->protocol_arena,
					     metadata.data ? metadata.data : (const uint8_t *)"",
					     metadata.len),
			.len = metadata.len,
		};
	}
}

bool member_has_protocols(const struct group_member *m,
			  const struct join_group_request_protocol *protocols, int32_t count)
{
	if (m->protocol_count != count)
		return false;
	for (int32_t i = 0; i < count; i++) {
		const struct slice *a = &m->protocols[i].metadata, *b = &protocols[i].metadata;

		if (!str_eq(m->protocols[i].name, protocols[i].name) || a->len != b->len ||
		    (a->len && memcmp(a->data, b->data, a->len) != 0))
			return false;
	}
	return true;
}

struct slice group_member_metadata(const struct group_member *m, const char *protocol_name)
{
	for (int32_t i = 0; protocol_name && i < m->protocol_count; i++)
		if (str_is(m->protocols[i].name, protocol_name))
			return m->protocols[i].metadata;
	return (struct slice){.data = (const uint8_t *)""};
}

struct group_member *group_member(const struct group *g, struct str id)
{
	struct map_node *n = map_get(&g->members_by_id, id.data ? id.data : "", id.len);

	return n ? CONTAINER_OF(n, struct group_member, by_id) : NULL;
}

struct group_member *group_static_member(const struct group *g, struct str instance_id)
{
	struct map_node *n;

	if (str_is_null(instance_id))
		return NULL;
	n = map_get(&g->members_by_instance, instance_id.data, instance_id.len);
	return n ? CONTAINER_OF(n, struct group_member, by_instance) : NULL;
}

void group_add_member(struct group *g, struct group_member *m, struct str protocol_type)
{
	struct group_pending *p = group_pending(g, m->id);

	if (p)
		group_pending_free(p);
	if (g->member_count == 0)
		group_set_text(&g->protocol_type, protocol_type);
	if (str_is_null(g->leader_id))
		g->leader_id = m->id;
	m->group = g;
	map_put(&g->members_by_id, &m->by_id, m->id.data, m->id.len);
	if (group_is_static(m))
		map_put(&g->members_by_instance, &m->by_instance, m->instance_id.data,
			m->instance_id.len);
	list_push_back(&g->members, &m->link);
	g->member_count++;
}

void group_take_member(struct group *g, struct group_member *m)
{
	struct group_member *first;

	assert(m->group == g && !m->join && !m->sync);
	group_timer_stop(g->gp->gc, &m->session_timer);
	map_remove(&g->members_by_id, &m->by_id);
	if (group_is_static(m))
		map_remove(&g->members_by_instance, &m->by_instance);
	list_remove(&m->link);
	g->member_count--;
	m->group = NULL;
	if (g->leader_id.data != m->id.data)
		return;
	first = LIST_FIRST(&g->members, struct group_member, link);
	g->leader_id = first ? first->id : STR_NULL;
}

void group_park_join(struct group_member *m, struct join_call *j)
{
	struct join_call *before = m->join;

	m->group->joining_count += (j != NULL) - (before != NULL);
	m->join = j;
	/* The client asked again: nobody reads the first answer. */
	if (before && j)
		group_answer_join(before, KERR_REBALANCE_IN_PROGRESS, m->id);
}

/* ---- Pending ids ---- */

struct group_pending *group_pending(const struct group *g, struct str id)
{
	struct map_node *n = map_get(&g->pending, id.data ? id.data : "", id.len);

	return n ? CONTAINER_OF(n, struct group_pending, by_id) : NULL;
}

static void group_pending_expire(struct group_timer *timer)
{
	struct group_pending *p = CONTAINER_OF(timer, struct group_pending, timer);
	struct group *g = p->group;

	say_info("group %.*s: member id %s was not used in time", STR(g->id), p->id);
	group_pending_free(p);
	group_complete_join_if_ready(g);
}

void group_pending_add(struct group *g, struct str id, int32_t timeout_ms)
{
	struct group_pending *p = xcalloc(1, sizeof(*p) + id.len + 1);

	memcpy(p->id, id.data, id.len);
	p->group = g;
	map_put(&g->pending, &p->by_id, p->id, id.len);
	group_timer_start(g->gp->gc, &p->timer, timeout_ms, group_pending_expire);
}

void group_pending_free(struct group_pending *p)
{
	group_timer_stop(p->group->gp->gc, &p->timer);
	map_remove(&p->group->pending, &p->by_id);
	free(p);
}

/* ---- Protocols ---- */

static bool group_all_know(const struct group *g, struct str protocol)
{
	struct group_member *m;

	LIST_FOREACH(&g->members, m, struct group_member, link) {
		bool knows = false;

		for (int32_t i = 0; i < m->protocol_count; i++)
			knows = knows || str_eq(m->protocols[i].name, protocol);
		if (!knows)
			return false;
	}
	return true;
}

bool group_supports(const struct group *g, struct str protocol_type,
		    const struct join_group_request_protocol *protocols, int32_t count)
{
	if (g->state == GROUP_EMPTY || g->member_count == 0)
		return protocol_type.len > 0 && count > 0;
	if (!g->protocol_type || !str_is(protocol_type, g->protocol_type))
		return false;
	for (int32_t i = 0; i < count; i++)
		if (group_all_know(g, protocols[i].name))
			return true;
	return false;
}

/* Of the candidates, the one that comes first in the member's list. */
static size_t member_vote(const struct group_member *m, const struct str *candidates, size_t count)
{
	for (int32_t i = 0; i < m->protocol_count; i++)
		for (size_t c = 0; c < count; c++)
			if (str_eq(m->protocols[i].name, candidates[c]))
				return c;
	return count;
}

struct str group_select_protocol(const struct group *g)
{
	struct group_member *m = LIST_FIRST(&g->members, struct group_member, link);
	struct str *candidates, best = STR_NULL;
	int32_t *votes;
	size_t count = 0;

	assert(m);
	candidates = xcalloc((size_t)m->protocol_count + 1, sizeof(*candidates));
	votes = xcalloc((size_t)m->protocol_count + 1, sizeof(*votes));
	for (int32_t i = 0; i < m->protocol_count; i++)
		if (group_all_know(g, m->protocols[i].name))
			candidates[count++] = m->protocols[i].name;
	LIST_FOREACH(&g->members, m, struct group_member, link)
		votes[member_vote(m, candidates, count)]++;
	for (size_t c = 0, most = 0; c < count; c++)
		if (c == 0 || votes[c] > votes[most])
			best = candidates[most = c];
	free(candidates);
	free(votes);
	return best;
}

int32_t group_rebalance_timeout_ms(const struct group *g)
{
	struct group_member *m;
	int32_t timeout_ms = 0;

	LIST_FOREACH(&g->members, m, struct group_member, link)
		timeout_ms = MAX(timeout_ms, m->rebalance_timeout_ms);
	return timeout_ms;
}

enum kafka_error group_validate(const struct group *g, struct str member_id, struct str instance_id)
{
	if (!str_is_null(instance_id)) {
		struct group_member *m = group_static_member(g, instance_id);

		if (!m)
			return KERR_UNKNOWN_MEMBER_ID;
		if (!str_eq(m->id, member_id))
			return KERR_FENCED_INSTANCE_ID;
	}
	return group_member(g, member_id) ? KERR_NONE : KERR_UNKNOWN_MEMBER_ID;
}
