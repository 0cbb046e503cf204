/* Producer ids of this broker: blocks from the controller, handed out one by one. */
#include "controller/control_int.h"

void producer_ids_init(struct control *c)
{
	arena_init(&c->ids.arena);
	c->ids.first = NULL;
	c->ids.last = &c->ids.first;
}

/* Serves who waits while there are ids; with an error, everybody. */
static void ids_serve(struct control *c, enum kafka_error error)
{
	struct producer_ids *ids = &c->ids;

	while (ids->first && (error || ids->next < ids->end)) {
		struct control_op *op = ids->first;

		ids->first = op->next;
		if (!ids->first)
			ids->last = &ids->first;
		op->error = error;
		op->producer_id = error ? -1 : ids->next++;
		control_return(c, op);
	}
}

void producer_ids_abandon(struct control *c)
{
	ids_serve(c, KERR_COORDINATOR_NOT_AVAILABLE);
}

void producer_ids_fini(struct control *c)
{
	producer_ids_abandon(c);
	arena_fini(&c->ids.arena);
}

static void ids_request(struct control *c);

static void ids_arrived(struct control_op *op)
{
	struct control *c = CONTAINER_OF(op, struct control, ids.op);
	struct producer_ids *ids = &c->ids;

	ids->is_busy = false;
	if (ids->response.error_code) {
		/* Kafka's brokers answer this while their block is not there. */
		ids_serve(c, KERR_COORDINATOR_LOAD_IN_PROGRESS);
		return;
	}
	ids->next = ids->response.producer_id_start;
	ids->end = ids->next + ids->response.producer_id_len;
	ids_serve(c, KERR_NONE);
	if (ids->first)
		ids_request(c);
}

static void ids_request(struct control *c)
{
	struct producer_ids *ids = &c->ids;

	if (ids->is_busy)
		return;
	ids->is_busy = true;
	arena_reset(&ids->arena);
	WIRE_INIT(allocate_producer_ids_request, &ids->request);
	WIRE_INIT(allocate_producer_ids_response, &ids->response);
	ids->request.broker_id = c->options.node_id;
	ids->request.broker_epoch = c->life.broker_epoch;
	ids->op = (struct control_op){
		.kind = CONTROL_ALLOCATE_PRODUCER_IDS,
		.request = &ids->request,
		.response = &ids->response,
		.arena = &ids->arena,
		.done = ids_arrived,
	};
	control_submit_own(c, &ids->op);
}

void producer_ids_take(struct control *c, struct control_op *op)
{
	struct producer_ids *ids = &c->ids;

	op->next = NULL;
	*ids->last = op;
	ids->last = &op->next;
	ids_serve(c, c->life.state == LIFE_STOPPED ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_NONE);
	if (ids->first)
		ids_request(c);
}
