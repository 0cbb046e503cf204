/* DescribeQuorum: what the leader knows of the voters. How AddRaftVoter and RemoveRaftVoter fail.
 */
#include "controller/controller_int.h"

/* A place for each partition asked for. */
static void topics_of(struct arena *arena, const struct describe_quorum_request *r,
		      struct describe_quorum_response *response)
{
	response->topics = WIRE_ARRAY(arena, describe_quorum_response_topic_data, r->topics_count);
	response->topics_count = r->topics_count;
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct describe_quorum_request_topic_data *from = &r->topics[i];
		struct describe_quorum_response_topic_data *to = &response->topics[i];

		to->topic_name = from->topic_name;
		to->partitions_count = from->partitions_count;
		to->partitions = WIRE_ARRAY(arena, describe_quorum_response_partition_data,
					    from->partitions_count);
		for (int32_t j = 0; j < from->partitions_count; j++)
			to->partitions[j].partition_index = from->partitions[j].partition_index;
	}
}

static void partition_fail(struct describe_quorum_response_partition_data *p,
			   enum kafka_error error)
{
	p->error_code = (int16_t)error;
	p->error_message = str_of(kafka_error_text(error));
}

void describe_quorum_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct describe_quorum_request *r = op->request;
	struct describe_quorum_response *response = op->response;

	if (error != KERR_NOT_CONTROLLER) {
		response->error_code = (int16_t)error;
		response->error_message = text;
		return;
	}
	/* It is the quorum's leader that answers, and where that is not, partitions say so. */
	topics_of(op->arena, r, response);
	for (int32_t i = 0; i < response->topics_count; i++)
		for (int32_t j = 0; j < response->topics[i].partitions_count; j++)
			partition_fail(&response->topics[i].partitions[j],
				       KERR_NOT_LEADER_OR_FOLLOWER);
}

/* Fills in the voters, or the observers, as the leader sees them; gives how many there are. `out`
 * NULL: only that. */
static int32_t replicas_of(struct change *ch, bool is_voter,
			   struct describe_quorum_response_replica_state *out)
{
	struct raft_replica replica;
	int32_t count = 0;

	for (size_t i = 0; raft_replica_at(ch->c->raft, i, &replica); i++) {
		if (replica.is_voter != is_voter)
			continue;
		if (out) {
			out[count].replica_id = replica.node_id;
			out[count].replica_directory_id = replica.directory_id;
			out[count].log_end_offset = replica.end_offset;
			out[count].last_fetch_timestamp = replica.last_fetch_ms;
			out[count].last_caught_up_timestamp = replica.last_caught_up_ms;
		}
		count++;
	}
	return count;
}

static void quorum_of(struct change *ch, struct describe_quorum_response_partition_data *out)
{
	out->current_voters_count = replicas_of(ch, true, NULL);
	out->current_voters = WIRE_ARRAY(ch->arena, describe_quorum_response_replica_state,
					 out->current_voters_count);
	replicas_of(ch, true, out->current_voters);
	out->observers_count = replicas_of(ch, false, NULL);
	out->observers =
		WIRE_ARRAY(ch->arena, describe_quorum_response_replica_state, out->observers_count);
	replicas_of(ch, false, out->observers);
}

static void nodes_of(struct change *ch, struct describe_quorum_response *response)
{
	const struct voters_record *voters = raft_voters(ch->c->raft);

	response->nodes =
		WIRE_ARRAY(ch->arena, describe_quorum_response_node, voters->voters_count);
	response->nodes_count = voters->voters_count;
	for (int32_t i = 0; i < voters->voters_count; i++) {
		const struct voters_record_voter *from = &voters->voters[i];
		struct describe_quorum_response_node *to = &response->nodes[i];

		to->node_id = from->voter_id;
		to->listeners_count = from->endpoints_count;
		to->listeners = WIRE_ARRAY(ch->arena, describe_quorum_response_listener,
					   from->endpoints_count);
		for (int32_t j = 0; j < from->endpoints_count; j++) {
			to->listeners[j].name = str_dup(ch->arena, from->endpoints[j].name);
			to->listeners[j].host = str_dup(ch->arena, from->endpoints[j].host);
			to->listeners[j].port = from->endpoints[j].port;
		}
	}
}

void describe_quorum_run(struct change *ch, struct control_op *op)
{
	const struct describe_quorum_request *r = op->request;
	struct describe_quorum_response *response = op->response;

	topics_of(op->arena, r, response);
	for (int32_t i = 0; i < response->topics_count; i++) {
		struct describe_quorum_response_topic_data *to = &response->topics[i];

		for (int32_t j = 0; j < to->partitions_count; j++) {
			struct describe_quorum_response_partition_data *p = &to->partitions[j];

			if (!str_is(to->topic_name, METADATA_TOPIC) || p->partition_index != 0) {
				partition_fail(p, KERR_UNKNOWN_TOPIC_OR_PARTITION);
				continue;
			}
			p->leader_id = raft_leader_id(ch->c->raft);
			p->leader_epoch = raft_epoch(ch->c->raft);
			p->high_watermark = raft_high_watermark(ch->c->raft);
			quorum_of(ch, p);
		}
	}
	nodes_of(ch, response);
}

void add_voter_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct add_raft_voter_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

void remove_voter_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct remove_raft_voter_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}
