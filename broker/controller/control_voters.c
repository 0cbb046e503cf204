/* AddRaftVoter and RemoveRaftVoter: the leader of the quorum decides, not the controller's log. */
#include "base/mem.h"
#include "controller/control_int.h"
#include "controller/controller_int.h"

struct voter_trip {
	struct list_node link;
	struct raft_inbound in;
	struct control *control;
	struct control_op *op;
	const struct message_desc *response;
};

static void voter_trip_end(struct voter_trip *t)
{
	struct control *c = t->control;
	struct control_op *op = t->op;

	list_remove(&t->link);
	free(t);
	control_return(c, op);
}

/* Within raft: the answer is only kept, and travels on as a task. */
static void voter_answer(struct raft_inbound *in, const void *response)
{
	struct voter_trip *t = CONTAINER_OF(in, struct voter_trip, in);
	struct control_op *op = t->op;

	if (response != op->response)
		memcpy(op->response, message_copy(t->response, op->arena, response),
		       t->response->body->size);
	if (control_response_has_error(t->response, op->response, KERR_NOT_LEADER_OR_FOLLOWER))
		op->error = KERR_NOT_LEADER_OR_FOLLOWER;
	voter_trip_end(t);
}

void voters_submit(struct control *c, struct control_op *op)
{
	enum api_key key =
		op->kind == CONTROL_ADD_VOTER ? API_ADD_RAFT_VOTER : API_REMOVE_RAFT_VOTER;
	struct voter_trip *t = xcalloc(1, sizeof(*t));

	t->control = c;
	t->op = op;
	t->response = api_by_key(key)->response;
	t->in = (struct raft_inbound){
		.api = key,
		.body = op->request,
		.listener = control_listener_name(c),
		.arena = op->arena,
		.answer = voter_answer,
	};
	op->error = KERR_NONE;
	list_push_back(&c->voter_trips, &t->link);
	raft_receive(c->raft, &t->in);
}

void voters_abandon(struct control *c, enum kafka_error error)
{
	struct voter_trip *t;

	LIST_FOREACH (&c->voter_trips, t, struct voter_trip, link) {
		raft_forget(c->raft, &t->in);
		control_op_fail(t->op, error, STR_NULL);
		voter_trip_end(t);
	}
}
