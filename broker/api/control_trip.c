#include "api/control_trip.h"

static void control_trip_done(struct control_op *op)
{
	struct control_trip *t = CONTAINER_OF(op, struct control_trip, op);

	arena_absorb(&t->request->arena, &t->arena);
	if (t->finish)
		t->finish(t);
	request_done(t->request);
}

struct control_trip *control_trip_new(struct request *r, enum control_op_kind kind,
				      void (*finish)(struct control_trip *t))
{
	struct control_trip *t = arena_zalloc(&r->arena, sizeof(*t));

	t->request = r;
	t->finish = finish;
	arena_init(&t->arena);
	t->op.kind = kind;
	t->op.version = r->version;
	t->op.request = r->body;
	t->op.response = r->response;
	t->op.arena = &t->arena;
	t->op.done = control_trip_done;
	return t;
}

void control_trip_go(struct control_trip *t)
{
	request_hold(t->request);
	control_submit(t->request->shard, &t->op);
}

void control_trip_send(struct request *r, enum control_op_kind kind)
{
	control_trip_go(control_trip_new(r, kind, NULL));
}
