/* The requests of the metadata quorum on a controller listener: Vote, BeginQuorumEpoch,
 * EndQuorumEpoch, Fetch and FetchSnapshot of its log, AddRaftVoter, RemoveRaftVoter and
 * UpdateRaftVoter. Raft answers all of them (raft/raft.h), on shard 0. */
#include "api/handlers.h"
#include "controller/control_raft.h"

struct raft_trip {
	struct control_inbound inbound;
	struct request *request;
	bool is_done;
};

static void raft_trip_done(struct control_inbound *ci)
{
	struct raft_trip *trip = CONTAINER_OF(ci, struct raft_trip, inbound);
	struct request *r = trip->request;

	trip->is_done = true;
	arena_absorb(&r->arena, &ci->arena);
	if (ci->records)
		request_keep_buf(r, ci->records);
	if (ci->response)
		r->response = ci->response;
	else
		r->no_response = r->close_after = true;
	request_done(r);
}

static void raft_trip_forgotten(struct control_inbound *ci)
{
	request_done(CONTAINER_OF(ci, struct raft_trip, inbound)->request);
}

/* A fetch that waits for records would wait in vain. */
static void raft_trip_abandoned(struct request *r)
{
	struct raft_trip *trip = r->state;

	if (trip->is_done)
		return;
	request_hold(r);
	control_raft_forget(&trip->inbound, raft_trip_forgotten);
}

void handle_raft(struct request *r)
{
	struct raft_trip *trip = arena_zalloc(&r->arena, sizeof(*trip));

	r->state = trip;
	r->abandoned = raft_trip_abandoned;
	trip->request = r;
	trip->inbound.in.api = (enum api_key)r->api->key;
	trip->inbound.in.body = r->body;
	trip->inbound.in.listener = str_of(r->listener);
	trip->inbound.done = raft_trip_done;
	control_raft_receive(r->shard, &trip->inbound);
}
