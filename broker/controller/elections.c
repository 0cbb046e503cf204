/* ElectLeaders; AlterPartition, which leaders send; reassignments; directories of replicas. */
#include "base/fault.h"
#include "controller/controller_int.h"

#define ELECTION_PREFERRED 0
#define ELECTION_UNCLEAN 1

/* ---- ElectLeaders ---------------------------------------------------------------------------- */

void elect_leaders_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct elect_leaders_request *r = op->request;
	struct elect_leaders_response *response = op->response;
	int32_t count = MAX(r->topic_partitions_count, 0);

	response->error_code = (int16_t)error;
	response->replica_election_results =
		WIRE_ARRAY(op->arena, elect_leaders_response_replica_election_result, count);
	response->replica_election_results_count = count;
	for (int32_t i = 0; i < count; i++) {
		const struct elect_leaders_request_topic_partitions *from = &r->topic_partitions[i];
		struct elect_leaders_response_replica_election_result *to =
			&response->replica_election_results[i];

		to->topic = from->topic;
		to->partition_result = WIRE_ARRAY(
			op->arena, elect_leaders_response_partition_result, from->partitions_count);
		to->partition_result_count = from->partitions_count;
		for (int32_t j = 0; j < from->partitions_count; j++) {
			to->partition_result[j].partition_id = from->partitions[j];
			to->partition_result[j].error_code = (int16_t)error;
			to->partition_result[j].error_message = text;
		}
	}
}

static enum kafka_error elect_one(struct change *ch, struct control_op *op, struct str topic,
				  int32_t index, int8_t type, struct str *text)
{
	const struct image_topic *t = image_topic_by_name(tip(ch), topic);
	const struct image_partition *p = image_partition(t, index);
	struct partition_change change;

	if (!p) {
		*text = t ? op_text(op, "No such partition as %.*s-%d", STR(topic), index)
			  : op_text(op, "No such topic as %.*s", STR(topic));
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	}
	if (type == ELECTION_PREFERRED ? p->replicas.count && p->leader == p->replicas.ids[0]
				       : p->leader != NO_LEADER) {
		*text = STR_LIT("Leader election not needed for topic partition.");
		return KERR_ELECTION_NOT_NEEDED;
	}
	partition_change_init(&change, ch, t, p);
	change.election = type == ELECTION_PREFERRED ? ELECT_PREFERRED : ELECT_UNCLEAN;
	if (partition_change_add(&change))
		return KERR_NONE;
	if (type == ELECTION_PREFERRED) {
		*text = STR_LIT("The preferred leader was not available.");
		return KERR_PREFERRED_LEADER_NOT_AVAILABLE;
	}
	*text = STR_LIT("Eligible topic partition leaders are not available.");
	return KERR_ELIGIBLE_LEADERS_NOT_AVAILABLE;
}

/* All partitions of the cluster; those that need no election are left out. */
static void elect_all(struct change *ch, struct control_op *op)
{
	const struct elect_leaders_request *r = op->request;
	struct elect_leaders_response *response = op->response;
	uint32_t topics = image_topic_count(tip(ch));
	int32_t used = 0;

	response->replica_election_results = WIRE_ARRAY(
		op->arena, elect_leaders_response_replica_election_result, (int32_t)topics);
	for (const struct image_topic *t = image_topic_next(tip(ch), STR_NULL); t;) {
		struct elect_leaders_response_replica_election_result *to =
			&response->replica_election_results[used];
		int32_t count = t->partition_count;

		to->topic = str_dup(op->arena, t->name);
		to->partition_result =
			WIRE_ARRAY(op->arena, elect_leaders_response_partition_result, count);
		for (int32_t i = 0; i < count; i++) {
			struct elect_leaders_response_partition_result *result =
				&to->partition_result[to->partition_result_count];
			struct str text = STR_NULL;
			enum kafka_error error =
				elect_one(ch, op, to->topic, i, r->election_type, &text);

			if (error == KERR_ELECTION_NOT_NEEDED)
				continue;
			result->partition_id = i;
			result->error_code = (int16_t)error;
			result->error_message = text;
			to->partition_result_count++;
		}
		used += to->partition_result_count > 0;
		t = image_topic_next(tip(ch), to->topic);
	}
	response->replica_election_results_count = used;
}

void elect_leaders_run(struct change *ch, struct control_op *op)
{
	const struct elect_leaders_request *r = op->request;
	struct elect_leaders_response *response = op->response;

	if (r->election_type != ELECTION_PREFERRED && r->election_type != ELECTION_UNCLEAN) {
		op->error = KERR_INVALID_REQUEST;
		elect_leaders_fail(op, op->error,
				   op_text(op, "Unknown election type %d", r->election_type));
		return;
	}
	if (r->topic_partitions_count < 0) {
		elect_all(ch, op);
		return;
	}
	elect_leaders_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < response->replica_election_results_count; i++) {
		struct elect_leaders_response_replica_election_result *to =
			&response->replica_election_results[i];

		for (int32_t j = 0; j < to->partition_result_count; j++) {
			struct elect_leaders_response_partition_result *result =
				&to->partition_result[j];

			result->error_code =
				(int16_t)elect_one(ch, op, to->topic, result->partition_id,
						   r->election_type, &result->error_message);
		}
	}
}

/* ---- AlterPartition -------------------------------------------------------------------------- */

void alter_partition_fail(struct control_op *op, enum kafka_error error, struct str text UNUSED)
{
	((struct alter_partition_response *)op->response)->error_code = (int16_t)error;
}

/* The ISR that the leader proposes; versions differ in how they say it. */
static struct node_list proposed_isr(struct change *ch, const struct control_op *op,
				     const struct alter_partition_request_partition_data *r)
{
	int32_t *ids;

	if (op->version < 3)
		return node_list_copy(ch->arena, r->new_isr, (uint32_t)MAX(r->new_isr_count, 0));
	ids = arena_array(ch->arena, (size_t)MAX(r->new_isr_with_epochs_count, 0) + 1,
			  sizeof(*ids));
	for (int32_t i = 0; i < r->new_isr_with_epochs_count; i++)
		ids[i] = r->new_isr_with_epochs[i].broker_id;
	return (struct node_list){ids, (uint32_t)MAX(r->new_isr_with_epochs_count, 0)};
}

static bool isr_is_eligible(const struct change *ch, const struct control_op *op,
			    const struct alter_partition_request_partition_data *r,
			    struct node_list isr)
{
	for (uint32_t i = 0; i < isr.count; i++) {
		const struct image_broker *b = image_broker(tip(ch), isr.ids[i]);

		if (!image_broker_is_active(b))
			return false;
		if (op->version >= 3 && r->new_isr_with_epochs[i].broker_epoch != -1 &&
		    r->new_isr_with_epochs[i].broker_epoch != b->epoch)
			return false;
	}
	return true;
}

static bool isr_is_valid(const struct image_partition *p, struct node_list isr)
{
	if (!node_list_has(isr, p->leader))
		return false;
	for (uint32_t i = 0; i < isr.count; i++) {
		if (!node_list_has(p->replicas, isr.ids[i]))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (isr.ids[i] == isr.ids[j])
				return false;
	}
	return true;
}

static enum kafka_error
check_alter_partition(const struct change *ch, const struct control_op *op,
		      const struct image_partition *p,
		      const struct alter_partition_request_partition_data *r, struct node_list isr)
{
	const struct alter_partition_request *request = op->request;

	if (FAULT(old_isr_taken) && r->leader_epoch <= p->leader_epoch && isr_is_valid(p, isr))
		return KERR_NONE;
	if (r->leader_epoch > p->leader_epoch || r->partition_epoch > p->partition_epoch)
		return KERR_NOT_CONTROLLER;
	if (r->leader_epoch < p->leader_epoch)
		return KERR_FENCED_LEADER_EPOCH;
	if (request->broker_id != p->leader)
		return KERR_INVALID_REQUEST;
	if (r->partition_epoch < p->partition_epoch)
		return KERR_INVALID_UPDATE_VERSION;
	if (!isr_is_valid(p, isr))
		return KERR_INVALID_REQUEST;
	if (r->leader_recovery_state == LEADER_RECOVERING &&
	    (isr.count > 1 || p->recovery == LEADER_RECOVERED))
		return KERR_INVALID_REQUEST;
	return isr_is_eligible(ch, op, r, isr) ? KERR_NONE : KERR_INELIGIBLE_REPLICA;
}

static void alter_one_partition(struct change *ch, struct control_op *op, struct uuid topic_id,
				const struct alter_partition_request_partition_data *r,
				struct alter_partition_response_partition_data *out)
{
	const struct image_topic *t = image_topic_by_id(tip(ch), topic_id);
	const struct image_partition *p = image_partition(t, r->partition_index);
	struct node_list isr = proposed_isr(ch, op, r);
	struct partition_change change;
	enum kafka_error error;
	int32_t leader;

	out->partition_index = r->partition_index;
	error = !t   ? KERR_UNKNOWN_TOPIC_ID
		: !p ? KERR_UNKNOWN_TOPIC_OR_PARTITION
		     : check_alter_partition(ch, op, p, r, isr);
	if (error) {
		out->error_code = (int16_t)error;
		return;
	}
	leader = p->leader;
	partition_change_init(&change, ch, t, p);
	change.isr = isr;
	change.recovery = r->leader_recovery_state;
	partition_change_add(&change);
	p = image_partition(image_topic_by_id(tip(ch), topic_id), r->partition_index);
	if (change.completes_reassignment && p->leader != leader) {
		out->error_code = KERR_NEW_LEADER_ELECTED;
		return;
	}
	isr = node_list_copy(op->arena, p->isr.ids, p->isr.count);
	out->leader_id = p->leader;
	out->leader_epoch = p->leader_epoch;
	out->isr = (int32_t *)(uintptr_t)isr.ids;
	out->isr_count = (int32_t)isr.count;
	out->leader_recovery_state = (int8_t)p->recovery;
	out->partition_epoch = p->partition_epoch;
}

void alter_partition_run(struct change *ch, struct control_op *op)
{
	const struct alter_partition_request *r = op->request;
	struct alter_partition_response *response = op->response;
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);

	if (!b || b->epoch != r->broker_epoch) {
		op->error = KERR_STALE_BROKER_EPOCH;
		alter_partition_fail(op, op->error, STR_NULL);
		return;
	}
	response->topics =
		WIRE_ARRAY(op->arena, alter_partition_response_topic_data, r->topics_count);
	response->topics_count = r->topics_count;
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct alter_partition_request_topic_data *from = &r->topics[i];
		struct alter_partition_response_topic_data *to = &response->topics[i];

		to->topic_id = from->topic_id;
		to->partitions = WIRE_ARRAY(op->arena, alter_partition_response_partition_data,
					    from->partitions_count);
		to->partitions_count = from->partitions_count;
		for (int32_t j = 0; j < from->partitions_count; j++)
			alter_one_partition(ch, op, from->topic_id, &from->partitions[j],
					    &to->partitions[j]);
	}
}

/* ---- AssignReplicasToDirs -------------------------------------------------------------------- */

void assign_dirs_fail(struct control_op *op, enum kafka_error error, struct str text UNUSED)
{
	((struct assign_replicas_to_dirs_response *)op->response)->error_code = (int16_t)error;
}

static enum kafka_error assign_one(struct change *ch, const struct image_broker *b,
				   struct uuid topic_id, int32_t index, struct uuid dir)
{
	const struct image_topic *t = image_topic_by_id(tip(ch), topic_id);
	const struct image_partition *p = image_partition(t, index);
	struct partition_change change;
	struct uuid *dirs;

	if (!t)
		return KERR_UNKNOWN_TOPIC_ID;
	if (!p)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (!node_list_has(p->replicas, b->id))
		return KERR_NOT_LEADER_OR_FOLLOWER;
	partition_change_init(&change, ch, t, p);
	dirs = arena_memdup(ch->arena, p->directories, p->replicas.count * sizeof(*dirs));
	for (uint32_t i = 0; i < p->replicas.count; i++)
		if (p->replicas.ids[i] == b->id)
			dirs[i] = dir;
	change.directories = dirs;
	if (!image_broker_dir_online(b, dir) || uuid_eq(dir, DIRECTORY_LOST)) {
		change.isr = node_list_without(ch->arena, p->isr, b->id);
		change.barred_leader = b->id;
	}
	partition_change_add(&change);
	return KERR_NONE;
}

void assign_dirs_run(struct change *ch, struct control_op *op)
{
	const struct assign_replicas_to_dirs_request *r = op->request;
	struct assign_replicas_to_dirs_response *response = op->response;
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);

	if (!b || b->epoch != r->broker_epoch) {
		op->error = KERR_STALE_BROKER_EPOCH;
		assign_dirs_fail(op, op->error, STR_NULL);
		return;
	}
	response->directories_count = r->directories_count;
	response->directories = WIRE_ARRAY(
		op->arena, assign_replicas_to_dirs_response_directory_data, r->directories_count);
	for (int32_t i = 0; i < r->directories_count; i++) {
		const struct assign_replicas_to_dirs_request_directory_data *from =
			&r->directories[i];
		struct assign_replicas_to_dirs_response_directory_data *to =
			&response->directories[i];

		to->id = from->id;
		to->topics_count = from->topics_count;
		to->topics = WIRE_ARRAY(op->arena, assign_replicas_to_dirs_response_topic_data,
					from->topics_count);
		for (int32_t j = 0; j < from->topics_count; j++) {
			const struct assign_replicas_to_dirs_request_topic_data *ft =
				&from->topics[j];
			struct assign_replicas_to_dirs_response_topic_data *tt = &to->topics[j];

			tt->topic_id = ft->topic_id;
			tt->partitions_count = ft->partitions_count;
			tt->partitions = WIRE_ARRAY(op->arena,
						    assign_replicas_to_dirs_response_partition_data,
						    ft->partitions_count);
			for (int32_t k = 0; k < ft->partitions_count; k++) {
				tt->partitions[k].partition_index =
					ft->partitions[k].partition_index;
				tt->partitions[k].error_code = (int16_t)assign_one(
					ch, b, ft->topic_id, ft->partitions[k].partition_index,
					from->id);
			}
		}
	}
}
