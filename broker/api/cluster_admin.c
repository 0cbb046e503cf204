/* What the controller does as asked: topics made, deleted and grown, leaders elected, replicas
 * moved, features raised, brokers forgotten, the quorum described and changed. Checks and answers
 * are the controller's (broker/controller), wherever that is. */
#include "api/control_trip.h"
#include "api/handlers.h"

/* ---- Topics ---------------------------------------------------------------------------------- */

void handle_create_topics(struct request *r)
{
	control_trip_send(r, CONTROL_CREATE_TOPICS);
	request_done(r);
}

void handle_delete_topics(struct request *r)
{
	control_trip_send(r, CONTROL_DELETE_TOPICS);
	request_done(r);
}

void handle_create_partitions(struct request *r)
{
	control_trip_send(r, CONTROL_CREATE_PARTITIONS);
	request_done(r);
}

/* ---- Partitions ------------------------------------------------------------------------------ */

void handle_elect_leaders(struct request *r)
{
	control_trip_send(r, CONTROL_ELECT_LEADERS);
	request_done(r);
}

void handle_alter_partition_reassignments(struct request *r)
{
	control_trip_send(r, CONTROL_ALTER_REASSIGNMENTS);
	request_done(r);
}

void handle_list_partition_reassignments(struct request *r)
{
	control_trip_send(r, CONTROL_LIST_REASSIGNMENTS);
	request_done(r);
}

/* ---- The cluster ----------------------------------------------------------------------------- */

static void replicas_without_ids(struct describe_quorum_response_replica_state *replicas,
				 int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		replicas[i].replica_directory_id = (struct uuid){0};
}

/* Directory ids and endpoints came with version 2: an older answer has no place for them. */
static void describe_quorum_done(struct control_trip *t)
{
	struct describe_quorum_response *response = t->op.response;

	if (t->request->version >= 2)
		return;
	response->nodes_count = 0;
	for (int32_t i = 0; i < response->topics_count; i++)
		for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
			struct describe_quorum_response_partition_data *p =
				&response->topics[i].partitions[j];

			replicas_without_ids(p->current_voters, p->current_voters_count);
			replicas_without_ids(p->observers, p->observers_count);
		}
}

void handle_describe_quorum(struct request *r)
{
	struct control_trip *t = control_trip_new(r, CONTROL_DESCRIBE_QUORUM, describe_quorum_done);

	control_trip_go(t);
	request_done(r);
}

void handle_update_features(struct request *r)
{
	control_trip_send(r, CONTROL_UPDATE_FEATURES);
	request_done(r);
}

void handle_unregister_broker(struct request *r)
{
	control_trip_send(r, CONTROL_UNREGISTER_BROKER);
	request_done(r);
}

void handle_add_raft_voter(struct request *r)
{
	control_trip_send(r, CONTROL_ADD_VOTER);
	request_done(r);
}

void handle_remove_raft_voter(struct request *r)
{
	control_trip_send(r, CONTROL_REMOVE_VOTER);
	request_done(r);
}

void handle_unregister_controller(struct request *r)
{
	control_trip_send(r, CONTROL_UNREGISTER_CONTROLLER);
	request_done(r);
}
