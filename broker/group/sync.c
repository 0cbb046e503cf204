/* SyncGroup, Heartbeat and LeaveGroup: the life of a generation. */
#include "group_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"

#define SAY_PLACE "broker/group"

/* ---- SyncGroup ---- */

void group_answer_sync(struct sync_call *s, enum kafka_error error, const struct group_member *m)
{
	struct sync_group_response *r = s->response;

	r->error_code = (int16_t)error;
	r->assignment = (struct slice){.data = (const uint8_t *)""};
	if (error == KERR_NONE) {
		const struct group *g = m->group;
		size_t len = m->assignment.len;

		r->protocol_type = str_dup(s->call.arena, str_of(g->protocol_type));
		r->protocol_name = str_dup(s->call.arena, str_of(g->protocol_name));
		if (len)
			r->assignment = (struct slice){
				.data = arena_memdup(s->call.arena, m->assignment.data, len),
				.len = len,
			};
	}
	s->call.done(&s->call);
}

void group_answer_all_syncs(struct group *g, enum kafka_error error)
{
	struct group_member *m;

	LIST_FOREACH(&g->members, m, struct group_member, link) {
		struct sync_call *s = m->sync;

		if (error != KERR_NONE) {
			slice_unref(&m->assignment);
			m->assignment = slice_copy("", 0);
		}
		m->sync = NULL;
		if (!s)
			continue;
		group_answer_sync(s, error, m);
		/* Its session begins when it is heard of no more. */
		group_session_restart(m);
	}
}

/* The leader's assignment on its way into the log. */
struct sync_write {
	struct group_coordinator *gc;
	int32_t partition, generation;
	char *group_id;
	size_t group_id_len;
};

static void sync_written(void *arg, enum kafka_error error)
{
	struct sync_write *s = arg;
	enum kafka_error lookup;
	struct group_partition *gp = group_partition_of(s->gc, s->partition, &lookup);
	struct group *g = gp ? group_find(gp, (struct str){s->group_id, s->group_id_len}) : NULL;
	bool is_current = g && g->state == GROUP_COMPLETING_REBALANCE &&
			  g->generation == s->generation;

	free(s->group_id);
	free(s);
	if (!is_current)
		return;
	group_answer_all_syncs(g, error);
	if (error != KERR_NONE) {
		group_rebalance(g);
		return;
	}
	group_move(g, GROUP_STABLE);
	say_info("group %.*s: stable, generation %d", STR(g->id), g->generation);
}

/* Every member gets what the leader gave it; nothing if it was forgotten. */
static void group_take_assignments(struct group *g, const struct sync_group_request *r)
{
	struct group_member *m;

	LIST_FOREACH(&g->members, m, struct group_member, link) {
		slice_unref(&m->assignment);
		m->assignment = slice_copy("", 0);
	}
	for (int32_t i = 0; i < r->assignments_count; i++) {
		struct slice given =
			r->assignments[FAULT(assignment_of_another) ? 0 : i].assignment;

		m = group_member(g, r->assignments[i].member_id);
		if (!m || !given.len)
			continue;
		slice_unref(&m->assignment);
		m->assignment = slice_copy(given.data, given.len);
	}
}

static void group_sync_leader(struct group *g, const struct sync_group_request *r)
{
	struct sync_write *s;
	struct group_write w;
	int64_t required_offset;
	enum kafka_error error;

	group_take_assignments(g, r);
	group_write_begin(&w, g->gp);
	group_write_group(&w, g);
	error = group_write_append(&w, &required_offset);
	if (error != KERR_NONE) {
		group_answer_all_syncs(g, error);
		group_rebalance(g);
		return;
	}
	g->assigned_generation = g->generation;
	s = xcalloc(1, sizeof(*s));
	*s = (struct sync_write){
		.gc = g->gp->gc,
		.partition = g->gp->index,
		.generation = g->generation,
		.group_id = xstrndup(g->id.data, g->id.len),
		.group_id_len = g->id.len,
	};
	if (FAULT(assignment_unreplicated))
		required_offset = 0;
	group_wait_committed(g->gp, required_offset, sync_written, s);
}

static bool group_text_differs(struct str given, const char *held)
{
	return !str_is_null(given) && held && !str_is(given, held);
}

/* NONE if the request belongs to the group's present generation. */
static enum kafka_error group_sync_error(const struct group *g, const struct sync_group_request *r)
{
	enum kafka_error error;

	if (!g || g->state == GROUP_EMPTY)
		return KERR_UNKNOWN_MEMBER_ID;
	error = group_validate(g, r->member_id, r->group_instance_id);
	if (error != KERR_NONE)
		return error;
	if (r->generation_id != g->generation)
		return KERR_ILLEGAL_GENERATION;
	if (group_text_differs(r->protocol_type, g->protocol_type) ||
	    group_text_differs(r->protocol_name, g->protocol_name))
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	return g->state == GROUP_PREPARING_REBALANCE ? KERR_REBALANCE_IN_PROGRESS : KERR_NONE;
}

void group_sync(struct group_coordinator *gc, struct sync_call *s)
{
	const struct sync_group_request *r = s->request;
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp;
	struct group_member *m;
	struct group *g = NULL;

	if (s->call.version >= 5 &&
	    (str_is_null(r->protocol_type) || str_is_null(r->protocol_name))) {
		group_answer_sync(s, KERR_INCONSISTENT_GROUP_PROTOCOL, NULL);
		return;
	}
	if (r->group_id.len == 0 && !gc->is_stopped) {
		group_answer_sync(s, KERR_INVALID_GROUP_ID, NULL);
		return;
	}
	gp = group_partition_of(gc, s->call.partition, &error);
	if (gp) {
		g = group_find(gp, r->group_id);
		error = group_sync_error(g, r);
	}
	if (error != KERR_NONE) {
		group_answer_sync(s, error, NULL);
		return;
	}
	m = group_member(g, r->member_id);
	group_sync_received(m);
	if (g->state == GROUP_STABLE) {
		group_session_restart(m);
		group_answer_sync(s, KERR_NONE, m);
		return;
	}
	assert(g->state == GROUP_COMPLETING_REBALANCE);
	if (m->sync)	/* asked again: nobody reads the first answer */
		group_answer_sync(m->sync, KERR_REBALANCE_IN_PROGRESS, NULL);
	m->sync = s;
	/* What is on its way into the log stays: a leader that had no answer, and asks again with
	 * something else, would give some of them what the log does not say. */
	if (g->leader_id.data == m->id.data && g->assigned_generation != g->generation)
		group_sync_leader(g, r);
}

/* ---- Heartbeat ---- */

static enum kafka_error group_beat(struct group *g, const struct heartbeat_request *r)
{
	enum kafka_error error;

	if (!g)
		return KERR_UNKNOWN_MEMBER_ID;
	error = group_validate(g, r->member_id, r->group_instance_id);
	if (error != KERR_NONE)
		return error;
	if (r->generation_id != g->generation)
		return KERR_ILLEGAL_GENERATION;
	group_session_restart(group_member(g, r->member_id));
	return g->state == GROUP_PREPARING_REBALANCE ? KERR_REBALANCE_IN_PROGRESS : KERR_NONE;
}

void group_heartbeat(struct group_coordinator *gc, struct heartbeat_call *h)
{
	const struct heartbeat_request *r = h->request;
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, h->call.partition, &error);

	if (!gc->is_stopped && r->group_id.len == 0)
		error = KERR_INVALID_GROUP_ID;
	else if (gp)
		error = group_beat(group_find(gp, r->group_id), r);
	else if (error == KERR_COORDINATOR_LOAD_IN_PROGRESS)
		error = KERR_NONE;	/* the member need not know */
	h->response->error_code = (int16_t)error;
	h->call.done(&h->call);
}

/* ---- LeaveGroup ---- */

static enum kafka_error group_leave_one(struct group *g,
					const struct leave_group_request_member_identity *who)
{
	struct group_pending *p = group_pending(g, who->member_id);
	enum kafka_error error;
	struct group_member *m;

	if (p && who->member_id.len) {
		group_pending_free(p);
		return KERR_NONE;
	}
	if (who->member_id.len == 0) {
		/* An administrator names the instance alone. */
		m = group_static_member(g, who->group_instance_id);
		if (!m)
			return KERR_UNKNOWN_MEMBER_ID;
	} else {
		error = group_validate(g, who->member_id, who->group_instance_id);
		if (error != KERR_NONE)
			return error;
		m = group_member(g, who->member_id);
	}
	say_info("group %.*s: member %.*s left%s%.*s", STR(g->id), STR(m->id),
		 who->reason.len ? ": " : "", STR(who->reason));
	group_drop_member(m);
	return KERR_NONE;
}

void group_leave(struct group_coordinator *gc, struct leave_call *l)
{
	const struct leave_group_request *r = l->request;
	struct leave_group_response *out = l->response;
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, l->call.partition, &error);
	struct group *g = gp ? group_find(gp, r->group_id) : NULL;
	bool any_left = false;

	if (!gc->is_stopped && r->group_id.len == 0)
		error = KERR_INVALID_GROUP_ID;
	out->error_code = (int16_t)error;
	if (error != KERR_NONE) {
		l->call.done(&l->call);
		return;
	}
	out->members = arena_array(l->call.arena, (size_t)MAX(r->members_count, 0) + 1,
				   sizeof(*out->members));
	for (int32_t i = 0; i < r->members_count; i++) {
		const struct leave_group_request_member_identity *who = &r->members[i];

		error = g ? group_leave_one(g, who) : KERR_UNKNOWN_MEMBER_ID;
		any_left = any_left || error == KERR_NONE;
		out->members[out->members_count++] = (struct leave_group_response_member_response){
			.member_id = who->member_id,
			.group_instance_id = who->group_instance_id,
			.error_code = (int16_t)error,
		};
	}
	if (any_left)
		group_after_removal(g);
	l->call.done(&l->call);
}
