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
	t->op.principal = r->principal;
	t->op.client_host = r->client_host;
	t->op.client_id = r->client_id;
	t->op.stays_here = r->listener_type == LISTENER_CONTROLLER;
	t->op.done = control_trip_done;
	return t;
}

/* How long the client gives the controller to begin, in milliseconds; -1: as long as it takes (0
 * and less in the request: no time at all). */
static int64_t trip_timeout_ms(const struct control_op *op)
{
	int32_t timeout_ms;

	switch (op->kind) {
	case CONTROL_CREATE_TOPICS:
		timeout_ms = ((const struct create_topics_request *)op->request)->timeout_ms;
		break;
	case CONTROL_DELETE_TOPICS:
		timeout_ms = ((const struct delete_topics_request *)op->request)->timeout_ms;
		break;
	case CONTROL_CREATE_PARTITIONS:
		timeout_ms = ((const struct create_partitions_request *)op->request)->timeout_ms;
		break;
	case CONTROL_ELECT_LEADERS:
		timeout_ms = ((const struct elect_leaders_request *)op->request)->timeout_ms;
		break;
	case CONTROL_ALTER_REASSIGNMENTS:
		timeout_ms = ((const struct alter_partition_reassignments_request *)op->request)
				     ->timeout_ms;
		break;
	default: return -1;
	}
	return MAX(timeout_ms, 0);
}

void control_trip_go(struct control_trip *t)
{
	int64_t timeout_ms = trip_timeout_ms(&t->op);

	if (timeout_ms >= 0)
		t->op.deadline_us = env_mono_us(t->request->shard->env) + timeout_ms * 1000;
	request_hold(t->request);
	control_submit(t->request->shard, &t->op);
}

void control_trip_send(struct request *r, enum control_op_kind kind)
{
	control_trip_go(control_trip_new(r, kind, NULL));
}
