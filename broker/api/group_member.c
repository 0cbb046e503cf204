/* JoinGroup, SyncGroup, Heartbeat, LeaveGroup. */
#include "api/group_trip.h"
#include "api/handlers.h"
#include "wire/codec.h"

/* ---- JoinGroup ---- */

static void join_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct join_call *j = t->state;

	group_trip_call(t, &j->call);
	group_join(gc, j);
}

void handle_join_group(struct request *r)
{
	const struct join_group_request *in = r->body;
	struct group_trip *t = group_trip_new(r, in->group_id, join_start, NULL);
	struct join_call *j = arena_zalloc(&r->arena, sizeof(*j));

	j->client_id = r->client_id;
	j->client_host = str_of(r->client_host);
	j->request = in;
	j->response = r->response;
	t->state = j;
	group_trip_go(t);
	request_done(r);
}

/* ---- SyncGroup ---- */

static void sync_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct sync_call *s = t->state;

	group_trip_call(t, &s->call);
	group_sync(gc, s);
}

void handle_sync_group(struct request *r)
{
	const struct sync_group_request *in = r->body;
	struct group_trip *t = group_trip_new(r, in->group_id, sync_start, NULL);
	struct sync_call *s = arena_zalloc(&r->arena, sizeof(*s));

	s->request = in;
	s->response = r->response;
	t->state = s;
	group_trip_go(t);
	request_done(r);
}

/* ---- Heartbeat ---- */

static void heartbeat_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct heartbeat_call *h = t->state;

	group_trip_call(t, &h->call);
	group_heartbeat(gc, h);
}

void handle_heartbeat(struct request *r)
{
	const struct heartbeat_request *in = r->body;
	struct group_trip *t = group_trip_new(r, in->group_id, heartbeat_start, NULL);
	struct heartbeat_call *h = arena_zalloc(&r->arena, sizeof(*h));

	h->request = in;
	h->response = r->response;
	t->state = h;
	group_trip_go(t);
	request_done(r);
}

/* ---- LeaveGroup ---- */

static void leave_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct leave_call *l = t->state;

	group_trip_call(t, &l->call);
	group_leave(gc, l);
}

/* Before v3 there is one member, and its error is the request's. */
static void leave_finish(struct group_trip *t)
{
	struct leave_group_response *out = t->request->response;

	if (t->request->version >= 3)
		return;
	if (out->error_code == KERR_NONE && out->members_count > 0)
		out->error_code = out->members[0].error_code;
	out->members = NULL;
	out->members_count = 0;
}

void handle_leave_group(struct request *r)
{
	const struct leave_group_request *in = r->body;
	struct group_trip *t = group_trip_new(r, in->group_id, leave_start, leave_finish);
	struct leave_call *l = arena_zalloc(&r->arena, sizeof(*l));

	l->request = in;
	l->response = r->response;
	if (r->version < 3) {
		struct leave_group_request *one = WIRE_NEW(&r->arena, leave_group_request);

		one->group_id = in->group_id;
		one->members = WIRE_ARRAY(&r->arena, leave_group_request_member_identity, 1);
		one->members_count = 1;
		one->members[0].member_id = in->member_id;
		l->request = one;
	}
	t->state = l;
	group_trip_go(t);
	request_done(r);
}
