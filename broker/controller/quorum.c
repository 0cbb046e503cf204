/* DescribeQuorum: what the leader knows of the voters. */
#include "controller/controller_int.h"

void describe_quorum_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct describe_quorum_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

static void voters_of(struct change *ch, struct describe_quorum_response_partition_data *out)
{
	struct raft *raft = ch->c->raft;
	const struct voters_record *voters = raft_voters(raft);

	out->current_voters =
		WIRE_ARRAY(ch->arena, describe_quorum_response_replica_state, voters->voters_count);
	out->current_voters_count = voters->voters_count;
	for (int32_t i = 0; i < voters->voters_count; i++) {
		struct describe_quorum_response_replica_state *state = &out->current_voters[i];

		state->replica_id = voters->voters[i].voter_id;
		state->replica_directory_id = voters->voters[i].voter_directory_id;
		state->log_end_offset = -1;
		if (state->replica_id != ch->c->options.node_id)
			continue;
		state->log_end_offset = raft_log_end(raft);
		state->last_fetch_timestamp = state->last_caught_up_timestamp = ch->timestamp_ms;
	}
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

	response->topics =
		WIRE_ARRAY(op->arena, describe_quorum_response_topic_data, r->topics_count);
	response->topics_count = r->topics_count;
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct describe_quorum_request_topic_data *from = &r->topics[i];
		struct describe_quorum_response_topic_data *to = &response->topics[i];

		to->topic_name = from->topic_name;
		to->partitions_count = from->partitions_count;
		to->partitions = WIRE_ARRAY(op->arena, describe_quorum_response_partition_data,
					    from->partitions_count);
		for (int32_t j = 0; j < from->partitions_count; j++) {
			struct describe_quorum_response_partition_data *p = &to->partitions[j];

			p->partition_index = from->partitions[j].partition_index;
			if (!str_is(from->topic_name, METADATA_TOPIC) || p->partition_index != 0) {
				p->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
				continue;
			}
			p->leader_id = raft_leader_id(ch->c->raft);
			p->leader_epoch = raft_epoch(ch->c->raft);
			p->high_watermark = raft_high_watermark(ch->c->raft);
			voters_of(ch, p);
		}
	}
	nodes_of(ch, response);
}
