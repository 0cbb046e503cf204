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

static bool voters_have(const struct control *c, const struct add_raft_voter_request *r)
{
	const struct voters_record *voters = raft_voters(c->raft);

	for (int32_t i = 0; i < voters->voters_count; i++)
		if (voters->voters[i].voter_id == r->voter_id &&
		    uuid_eq(voters->voters[i].voter_directory_id, r->voter_directory_id))
			return true;
	return false;
}

void voters_settle(const struct control *c, struct control_op *op)
{
	struct remove_raft_voter_response *removed = op->response;
	struct add_raft_voter_response *added = op->response;

	if (!op->is_doubtful)
		return;
	if (op->kind == CONTROL_REMOVE_VOTER && removed->error_code == KERR_VOTER_NOT_FOUND) {
		removed->error_code = KERR_NONE;
		removed->error_message = STR_NULL;
	} else if (op->kind == CONTROL_ADD_VOTER && added->error_code == KERR_DUPLICATE_VOTER &&
		   voters_have(c, op->request)) {
		added->error_code = KERR_NONE;
		added->error_message = STR_NULL;
	}
}

bool voters_are_unsettled(const struct control_op *op, const void *response)
{
	const struct remove_raft_voter_response *removed = response;
	const struct add_raft_voter_response *added = response;

	if (!op->is_doubtful)
		return false;
	return op->kind == CONTROL_REMOVE_VOTER
		       ? removed->error_code == KERR_REQUEST_TIMED_OUT
		       : op->kind == CONTROL_ADD_VOTER &&
				 added->error_code == KERR_REQUEST_TIMED_OUT;
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
	voters_settle(t->control, op);
	if (voters_are_unsettled(op, op->response) && !op->stays_here) {
		forward_submit_later(t->control, op, FORWARD_RETRY_US);
		list_remove(&t->link);
		free(t);
		return;
	}
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
