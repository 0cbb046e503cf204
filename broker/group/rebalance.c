/* The join phase: who is awaited, for how long, and what happens when all are there. */
#include "group_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"

#define SAY_PLACE "broker/group"

/* A new member is awaited for so long, whatever its session timeout says. */
#define NEW_MEMBER_JOIN_TIMEOUT_MS (5 * 60 * 1000)

static void group_complete_join(struct group *g);

/* ---- Answers ---- */

void group_answer_join(struct join_call *j, enum kafka_error error, struct str member_id)
{
	j->response->error_code = (int16_t)error;
	j->response->generation_id = -1;
	j->response->leader = STR_LIT("");
	j->response->member_id = str_dup(j->call.arena, member_id.data ? member_id : STR_LIT(""));
	/* v7 and above show "none" as null. */
	j->response->protocol_name = j->call.version >= 7 ? STR_NULL : STR_LIT("");
	j->call.done(&j->call);
}

static void group_answer_members(struct group *g, struct join_call *j)
{
	struct join_group_response *r = j->response;
	struct group_member *m;

	r->members = arena_array(j->call.arena, (size_t)g->member_count + 1, sizeof(*r->members));
	LIST_FOREACH(&g->members, m, struct group_member, link) {
		struct slice metadata = group_member_metadata(m, g->protocol_name);

		r->members[r->members_count++] = (struct join_group_response_member){
			.member_id = str_dup(j->call.arena, m->id),
			.group_instance_id = str_dup(j->call.arena, m->instance_id),
			.metadata = {.data = arena_memdup(j->call.arena, metadata.data,
							  metadata.len),
				     .len = metadata.len},
		};
	}
}

void group_answer_member(struct group_member *m, struct join_call *j, bool with_members)
{
	struct group *g = m->group;
	struct join_group_response *r = j->response;
	struct arena *arena = j->call.arena;

	r->error_code = KERR_NONE;
	r->generation_id = g->generation;
	r->protocol_type = str_dup(arena, str_of(g->protocol_type));
	r->protocol_name = str_dup(arena, str_of(g->protocol_name));
	r->leader = str_dup(arena, g->leader_id);
	r->member_id = str_dup(arena, m->id);
	if (with_members)
		group_answer_members(g, j);
	j->call.done(&j->call);
}

/* ---- Sessions ---- */

static void group_session_expire(struct group_timer *timer)
{
	struct group_member *m = CONTAINER_OF(timer, struct group_member, session_timer);

	/* Who waits for us cannot be blamed for silence; a new member may have gone meanwhile. */
	if (!m->is_new && (m->join || m->sync))
		return;
	say_info("group %.*s: member %.*s was not heard of for %d ms: removed", STR(m->group->id),
		 STR(m->id), m->session_timeout_ms);
	group_expel_member(m);
}

void group_session_restart(struct group_member *m)
{
	group_timer_start(m->group->gp->gc, &m->session_timer, m->session_timeout_ms,
			  group_session_expire);
}

/* Until its first join phase ends. */
static void group_session_await_join(struct group_member *m)
{
	m->is_new = true;
	group_timer_start(m->group->gp->gc, &m->session_timer, NEW_MEMBER_JOIN_TIMEOUT_MS,
			  group_session_expire);
}

/* ---- Members come and go ---- */

void group_admit_member(struct group *g, struct group_member *m, struct join_call *j)
{
	const struct join_group_request *r = j->request;

	m->session_timeout_ms = r->session_timeout_ms;
	m->rebalance_timeout_ms = group_rebalance_timeout_of(j);
	member_set_protocols(m, r->protocols, r->protocols_count);
	if (g->state == GROUP_PREPARING_REBALANCE && g->previous_state == GROUP_EMPTY)
		g->new_member_added = true;
	group_add_member(g, m, r->protocol_type);
	group_park_join(m, j);
	group_session_await_join(m);
	group_rebalance_or_complete(g);
}

void group_drop_member(struct group_member *m)
{
	struct group *g = m->group;

	if (m->join) {
		struct join_call *j = m->join;

		group_park_join(m, NULL);
		group_answer_join(j, KERR_UNKNOWN_MEMBER_ID, STR_LIT(""));
	}
	if (m->sync)
		group_answer_sync(m->sync, KERR_UNKNOWN_MEMBER_ID, NULL);
	m->sync = NULL;
	group_take_member(g, m);
	member_free(m);
}

void group_expel_member(struct group_member *m)
{
	struct group *g = m->group;

	group_drop_member(m);
	group_after_removal(g);
}

void group_after_removal(struct group *g)
{
	if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING_REBALANCE)
		group_rebalance(g);
	else
		group_complete_join_if_ready(g);
}

/* ---- The join phase ---- */

static bool group_all_joined(const struct group *g)
{
	return g->joining_count == g->member_count && g->pending.count == 0;
}

static void group_join_expire(struct group_timer *timer)
{
	group_complete_join(CONTAINER_OF(timer, struct group, join_timer));
}

/* The first rebalance of an empty group waits for more members, and again while some come. */
static void group_initial_expire(struct group_timer *timer)
{
	struct group *g = CONTAINER_OF(timer, struct group, join_timer);
	struct group_coordinator *gc = g->gp->gc;
	int64_t last_ms = g->initial_delay_ms;

	if (!g->new_member_added || g->initial_left_ms == 0) {
		group_complete_join(g);
		return;
	}
	g->new_member_added = false;
	g->initial_delay_ms = MIN(gc->settings.initial_rebalance_delay_ms, g->initial_left_ms);
	g->initial_left_ms = MAX(g->initial_left_ms - last_ms, 0);
	group_timer_start(gc, &g->join_timer, g->initial_delay_ms, group_initial_expire);
}

void group_rebalance(struct group *g)
{
	struct group_coordinator *gc = g->gp->gc;
	bool is_initial = g->state == GROUP_EMPTY;

	if (g->state == GROUP_COMPLETING_REBALANCE)
		group_answer_all_syncs(g, KERR_REBALANCE_IN_PROGRESS);
	group_timer_stop(gc, &g->sync_timer);
	group_move(g, GROUP_PREPARING_REBALANCE);
	if (is_initial) {
		g->new_member_added = false;
		g->initial_delay_ms = gc->settings.initial_rebalance_delay_ms;
		g->initial_left_ms = MAX(group_rebalance_timeout_ms(g) - g->initial_delay_ms, 0);
		group_timer_start(gc, &g->join_timer, g->initial_delay_ms, group_initial_expire);
		return;
	}
	group_timer_start(gc, &g->join_timer, group_rebalance_timeout_ms(g), group_join_expire);
	group_complete_join_if_ready(g);
}

void group_rebalance_if_settled(struct group *g)
{
	if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING_REBALANCE ||
	    g->state == GROUP_EMPTY)
		group_rebalance(g);
}

void group_complete_join_if_ready(struct group *g)
{
	if (g->state == GROUP_PREPARING_REBALANCE && g->previous_state != GROUP_EMPTY &&
	    group_all_joined(g))
		group_complete_join(g);
}

void group_rebalance_or_complete(struct group *g)
{
	if (g->state == GROUP_PREPARING_REBALANCE)
		group_complete_join_if_ready(g);
	else
		group_rebalance(g);
	group_check(g);
}

static void group_drop_absent(struct group *g)
{
	struct group_member *m;

	LIST_FOREACH(&g->members, m, struct group_member, link)
		if (!m->join && !group_is_static(m)) {
			say_info("group %.*s: member %.*s did not join again: removed", STR(g->id),
				 STR(m->id));
			group_drop_member(m);
		}
}

/* Keeps a leader that joined, or takes another; false if nobody did. */
static bool group_elect_leader(struct group *g)
{
	struct group_member *leader = group_member(g, g->leader_id), *m;

	if (leader->join)
		return true;
	LIST_FOREACH(&g->members, m, struct group_member, link)
		if (m->join) {
			g->leader_id = m->id;
			return true;
		}
	return false;
}

/* The sync phase took too long: who owes a SyncGroup is gone. */
static void group_sync_expire(struct group_timer *timer)
{
	struct group *g = CONTAINER_OF(timer, struct group, sync_timer);
	struct group_member *m;
	bool dropped = false;

	if (g->state != GROUP_COMPLETING_REBALANCE && g->state != GROUP_STABLE)
		return;
	LIST_FOREACH(&g->members, m, struct group_member, link)
		if (m->owes_sync) {
			say_info("group %.*s: member %.*s did not sync in time: removed",
				 STR(g->id), STR(m->id));
			group_drop_member(m);
			dropped = true;
		}
	if (dropped)
		group_rebalance(g);
}

void group_sync_received(struct group_member *m)
{
	struct group *g = m->group;
	struct group_member *other;

	m->owes_sync = false;
	LIST_FOREACH(&g->members, other, struct group_member, link)
		if (other->owes_sync)
			return;
	group_timer_stop(g->gp->gc, &g->sync_timer);
}

/* Nobody is left: the group goes on without members, and the log says so. */
static void group_becomes_empty(struct group *g)
{
	struct group_write w;
	int64_t required_offset;
	enum kafka_error error;

	group_set_text(&g->protocol_name, STR_NULL);
	group_move(g, GROUP_EMPTY);
	say_info("group %.*s: empty, generation %d", STR(g->id), g->generation);
	group_write_begin(&w, g->gp);
	group_write_group(&w, g);
	error = group_write_append(&w, &required_offset);
	if (error != KERR_NONE)
		say_warn("group %.*s: cannot write that it is empty: %s", STR(g->id),
			 kafka_error_name(error));
}

static void group_complete_join(struct group *g)
{
	struct group_coordinator *gc = g->gp->gc;
	struct group_member *m;

	assert(g->state == GROUP_PREPARING_REBALANCE);
	group_timer_stop(gc, &g->join_timer);
	group_drop_absent(g);
	if (g->member_count > 0 && !group_elect_leader(g)) {
		/* Only static members, all away: their sessions decide. */
		group_timer_start(gc, &g->join_timer, group_rebalance_timeout_ms(g),
				  group_join_expire);
		return;
	}
	if (FAULT(generation_kept))
		g->assigned_generation = -1;
	else
		g->generation++;
	if (g->member_count == 0) {
		group_becomes_empty(g);
		return;
	}
	group_set_text(&g->protocol_name, group_select_protocol(g));
	group_move(g, GROUP_COMPLETING_REBALANCE);
	say_info("group %.*s: generation %d with %d members", STR(g->id), g->generation,
		 g->member_count);
	LIST_FOREACH(&g->members, m, struct group_member, link) {
		struct join_call *j = m->join;

		if (j) {
			group_park_join(m, NULL);
			group_answer_member(m, j, g->leader_id.data == m->id.data);
		}
		group_session_restart(m);
		m->is_new = false;
		m->owes_sync = true;
	}
	group_timer_start(gc, &g->sync_timer, group_rebalance_timeout_ms(g), group_sync_expire);
	group_check(g);
}
