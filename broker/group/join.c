/* JoinGroup: who may come in, and as whom. */
#include "group_int.h"

#include "base/say.h"

#include <stdio.h>

#define SAY_PLACE "broker/group"

/* v0 has no rebalance timeout. */
int32_t group_rebalance_timeout_of(const struct join_call *j)
{
	return j->call.version == 0 ? j->request->session_timeout_ms
				    : j->request->rebalance_timeout_ms;
}

/* "<prefix>-<random UUID>" */
static struct str group_new_member_id(struct group *g, struct join_call *j, struct str prefix)
{
	struct group_coordinator *gc = g->gp->gc;
	uint8_t b[16];
	char *text;

	gc->io.random(gc->io.ctx, b, sizeof(b));
	b[6] = (uint8_t)(0x40 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	text = arena_printf(
		j->call.arena,
		"%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		STR(prefix), b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
		b[11], b[12], b[13], b[14], b[15]);
	return str_of(text);
}

/* group.max.size: members that are in keep their place. */
static bool group_accepts(const struct group *g, struct str member_id)
{
	const struct group_member *m = group_member(g, member_id);
	int32_t max = g->gp->gc->settings.group_size_max;

	switch (g->state) {
	case GROUP_EMPTY:
	case GROUP_DEAD: return true;
	case GROUP_PREPARING_REBALANCE: return (m && m->join) || g->joining_count < max;
	case GROUP_COMPLETING_REBALANCE:
	case GROUP_STABLE: break;
	}
	return m || g->member_count < max;
}

static void group_update_member(struct group_member *m, struct join_call *j)
{
	member_set_protocols(m, j->request->protocols, j->request->protocols_count);
	m->session_timeout_ms = j->request->session_timeout_ms;
	m->rebalance_timeout_ms = group_rebalance_timeout_of(j);
}

/* A known member joins again with what may be new. The call is parked in whatever state the
 * rebalance that follows brings. */
static void group_update_and_rebalance(struct group_member *m, struct join_call *j)
{
	struct group *g = m->group;

	group_update_member(m, j);
	group_park_join(m, j);
	group_rebalance_or_complete(g);
}

/* ---- Static members ---- */

struct static_join {
	struct join_call *join;
	struct str old_leader;	/* as it was before */
	struct group_partition *gp;
	struct str group_id, member_id;
};

/* The new incarnation is in the log: it gets the current generation without a rebalance. */
static void static_join_written(void *arg, enum kafka_error error)
{
	struct static_join *s = arg;
	struct join_call *j = s->join;
	enum kafka_error lookup;
	struct group_partition *gp = group_partition_of(s->gp->gc, j->call.partition, &lookup);
	struct group *g = gp ? group_find(gp, s->group_id) : NULL;
	struct group_member *m = g ? group_member(g, s->member_id) : NULL;
	bool is_leader;

	if (error == KERR_NONE && !m)
		error = gp ? KERR_UNKNOWN_MEMBER_ID : lookup;
	if (error != KERR_NONE) {
		group_answer_join(j, error, STR_LIT(""));
		return;
	}
	is_leader = g->leader_id.data == m->id.data;
	/* Before v9 a leader would assign again: it is told that the old one leads. */
	j->response->skip_assignment = is_leader && j->call.version >= 9;
	if (is_leader && j->call.version < 9) {
		struct str leader = g->leader_id;

		g->leader_id = s->old_leader;
		group_answer_member(m, j, false);
		g->leader_id = leader;
		return;
	}
	group_answer_member(m, j, is_leader);
}

/* Would the group choose another protocol now? */
static bool group_protocol_changes(const struct group *g)
{
	return !g->protocol_name || !str_is(group_select_protocol(g), g->protocol_name);
}

static void group_persist_replacement(struct group *g, struct group_member *m,
				      struct str old_leader, struct join_call *j)
{
	struct static_join *s = arena_zalloc(j->call.arena, sizeof(*s));
	struct group_write w;
	int64_t required_offset;
	enum kafka_error error;

	*s = (struct static_join){
		.join = j,
		.old_leader = str_dup(j->call.arena, old_leader),
		.gp = g->gp,
		.group_id = str_dup(j->call.arena, g->id),
		.member_id = str_dup(j->call.arena, m->id),
	};
	group_write_begin(&w, g->gp);
	group_write_group(&w, g);
	error = group_write_append(&w, &required_offset);
	if (error != KERR_NONE)
		group_answer_join(j, error, STR_LIT(""));
	else
		group_wait_committed(g->gp, required_offset, static_join_written, s);
}

/* A static member comes back under its instance id: a new member id takes the old one's place. */
static void group_replace_static(struct group *g, struct group_member *old, struct join_call *j)
{
	struct group_member *m =
		member_new(group_new_member_id(g, j, old->instance_id), old->instance_id,
			   j->client_id, j->client_host);
	bool was_leader = g->leader_id.data == old->id.data;
	struct str old_leader = str_dup(j->call.arena, g->leader_id);

	say_info("group %.*s: static member %.*s: %.*s in place of %.*s", STR(g->id),
		 STR(m->instance_id), STR(m->id), STR(old->id));
	if (old->join) {
		struct join_call *parked = old->join;

		group_park_join(old, NULL);
		group_answer_join(parked, KERR_FENCED_INSTANCE_ID, old->id);
	}
	if (old->sync)
		group_answer_sync(old->sync, KERR_FENCED_INSTANCE_ID, NULL);
	old->sync = NULL;
	slice_unref(&m->assignment);
	m->assignment = slice_ref(old->assignment);
	m->owes_sync = old->owes_sync;
	group_take_member(g, old);
	member_free(old);
	/* The last one to leave must not make the type of the group. */
	group_add_member(g, m, g->protocol_type ? str_of(g->protocol_type)
						: j->request->protocol_type);
	if (was_leader)
		g->leader_id = m->id;
	group_update_member(m, j);
	group_session_restart(m);
	if (g->state == GROUP_STABLE && !group_protocol_changes(g)) {
		group_persist_replacement(g, m, old_leader, j);
		return;
	}
	group_park_join(m, j);
	group_rebalance_or_complete(g);
}

/* ---- By member id ---- */

static void group_join_new(struct group *g, struct join_call *j)
{
	const struct join_group_request *r = j->request;
	struct group_member *known = group_static_member(g, r->group_instance_id);
	bool is_static = !str_is_null(r->group_instance_id);
	struct str id;

	if (known) {
		group_replace_static(g, known, j);
		return;
	}
	id = group_new_member_id(g, j, is_static ? r->group_instance_id : j->client_id);
	if (id.len > INT16_MAX) {	/* no message could carry it */
		group_answer_join(j, KERR_UNKNOWN_SERVER_ERROR, STR_LIT(""));
		return;
	}
	if (!is_static && j->call.version >= 4) {
		/* Joins for nothing leave no member behind (KIP-394). */
		group_pending_add(g, id, r->session_timeout_ms);
		group_answer_join(j, KERR_MEMBER_ID_REQUIRED, id);
		return;
	}
	group_admit_member(g, member_new(id, r->group_instance_id, j->client_id, j->client_host),
			   j);
}

static void group_join_known(struct group *g, struct group_member *m, struct join_call *j)
{
	bool unchanged =
		member_has_protocols(m, j->request->protocols, j->request->protocols_count);
	bool is_leader = g->leader_id.data == m->id.data;

	switch (g->state) {
	case GROUP_PREPARING_REBALANCE: break;
	case GROUP_COMPLETING_REBALANCE:
		if (!unchanged)
			break;
		group_answer_member(m, j, is_leader);
		return;
	case GROUP_STABLE:
		if (is_leader || !unchanged)
			break;
		group_answer_member(m, j, false);
		return;
	case GROUP_EMPTY:
	case GROUP_DEAD:
		group_answer_join(j, KERR_UNKNOWN_MEMBER_ID, j->request->member_id);
		return;
	}
	group_update_and_rebalance(m, j);
}

static void group_join_existing(struct group *g, struct join_call *j)
{
	const struct join_group_request *r = j->request;
	enum kafka_error error;

	if (group_pending(g, r->member_id)) {
		if (!str_is_null(r->group_instance_id))
			group_answer_join(j, KERR_UNKNOWN_SERVER_ERROR, r->member_id);
		else
			group_admit_member(g, member_new(r->member_id, STR_NULL, j->client_id,
							 j->client_host), j);
		return;
	}
	error = group_validate(g, r->member_id, r->group_instance_id);
	if (error != KERR_NONE)
		group_answer_join(j, error, r->member_id);
	else
		group_join_known(g, group_member(g, r->member_id), j);
}

/* ---- The door ---- */

/* A group begins with a record of its own, so that it is there after a restart. */
static struct group *group_begin(struct group_partition *gp, struct str id, enum kafka_error *error)
{
	struct group *g = group_new(gp, id);
	struct group_write w;
	int64_t required_offset;

	group_write_begin(&w, gp);
	group_write_group(&w, g);
	*error = group_write_append(&w, &required_offset);
	if (*error == KERR_NONE)
		return g;
	group_free(g);
	return NULL;
}

/* A classic group takes the name of one of another protocol: nothing of that may stay. */
static enum kafka_error group_replace_foreign(struct group *g)
{
	struct group_write w;
	int64_t required_offset;
	enum kafka_error error;

	if (group_foreign_is_share(g))
		return KERR_INCONSISTENT_GROUP_PROTOCOL;
	group_write_begin(&w, g->gp);
	group_foreign_write_tombstones(&w, g);
	group_write_group(&w, g);
	error = group_write_append(&w, &required_offset);
	if (error == KERR_NONE)
		group_foreign_free(g);
	return error;
}

void group_join(struct group_coordinator *gc, struct join_call *j)
{
	const struct join_group_request *r = j->request;
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp;
	struct group *g;

	if (gc->is_stopped || r->group_id.len == 0) {
		group_answer_join(j, gc->is_stopped ? KERR_COORDINATOR_NOT_AVAILABLE
						    : KERR_INVALID_GROUP_ID, r->member_id);
		return;
	}
	if (r->session_timeout_ms < gc->settings.session_timeout_min_ms ||
	    r->session_timeout_ms > gc->settings.session_timeout_max_ms) {
		group_answer_join(j, KERR_INVALID_SESSION_TIMEOUT, r->member_id);
		return;
	}
	gp = group_partition_of(gc, j->call.partition, &error);
	g = gp ? group_find(gp, r->group_id) : NULL;
	if (gp && !g) {
		if (r->member_id.len) {
			group_answer_join(j, KERR_UNKNOWN_MEMBER_ID, r->member_id);
			return;
		}
		g = group_begin(gp, r->group_id, &error);
	}
	if (g && g->foreign.count && r->member_id.len == 0)
		error = group_replace_foreign(g);
	if (error != KERR_NONE) {
		group_answer_join(j, error, STR_LIT(""));
		return;
	}
	if (!group_accepts(g, r->member_id)) {
		struct group_pending *p = group_pending(g, r->member_id);
		struct group_member *m = group_member(g, r->member_id);

		if (p)
			group_pending_free(p);
		if (m)
			group_drop_member(m);
		group_answer_join(j, KERR_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
		group_complete_join_if_ready(g);
		return;
	}
	if (!group_supports(g, r->protocol_type, r->protocols, r->protocols_count))
		group_answer_join(j, KERR_INCONSISTENT_GROUP_PROTOCOL, r->member_id);
	else if (r->member_id.len == 0)
		group_join_new(g, j);
	else
		group_join_existing(g, j);
}
