/* AlterPartitionReassignments, ListPartitionReassignments: replicas on their way to other brokers.
 */
#include "base/mem.h"
#include "controller/controller_int.h"

struct refusal {
	enum kafka_error error;
	struct str text;
};
#define REFUSED(code, ...) ((struct refusal){(code), op_text(op, __VA_ARGS__)})
#define ACCEPTED ((struct refusal){KERR_NONE, STR_NULL})

static int id_cmp(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Those of `a` that are not in `b`, ascending. */
static struct node_list difference(struct arena *arena, struct node_list a, struct node_list b)
{
	int32_t *ids = arena_array(arena, a.count + 1, sizeof(*ids));
	uint32_t count = 0;

	for (uint32_t i = 0; i < a.count; i++)
		if (!node_list_has(b, a.ids[i]))
			ids[count++] = a.ids[i];
	qsort(ids, count, sizeof(*ids), id_cmp);
	return (struct node_list){ids, count};
}

static struct node_list without_all(struct arena *arena, struct node_list list,
				    struct node_list gone)
{
	for (uint32_t i = 0; i < gone.count; i++)
		list = node_list_without(arena, list, gone.ids[i]);
	return list;
}

/* Back to the replicas before the reassignment. */
static struct refusal cancel(struct change *ch, struct control_op *op, const struct image_topic *t,
			     const struct image_partition *p)
{
	struct partition_change change;
	struct node_list none = {NULL, 0};

	if (p->adding.count == 0 && p->removing.count == 0)
		return REFUSED(KERR_NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in "
								 "progress.");
	partition_change_init(&change, ch, t, p);
	change.replicas = without_all(ch->arena, p->replicas, p->adding);
	change.isr = without_all(ch->arena, p->isr, p->adding);
	change.adding = change.removing = none;
	if (change.isr.count == 0) {
		if (!topic_unclean_election(ch, t->name))
			return REFUSED(
				KERR_INVALID_REPLICA_ASSIGNMENT,
				"Unable to revert partition assignment for %.*s:%d because it "
				"would require an unclean leader election.",
				STR(t->name), p->index);
		change.isr = node_list_copy(ch->arena, change.replicas.ids, 1);
	}
	partition_change_add(&change);
	return ACCEPTED;
}

static struct refusal check_target(struct change *ch, struct control_op *op,
				   struct node_list target)
{
	if (target.count == 0)
		return REFUSED(KERR_INVALID_REPLICA_ASSIGNMENT,
			       "The manual partition assignment includes an empty replica list.");
	for (uint32_t i = 0; i < target.count; i++) {
		for (uint32_t j = 0; j < i; j++)
			if (target.ids[i] == target.ids[j])
				return REFUSED(
					KERR_INVALID_REPLICA_ASSIGNMENT,
					"The manual partition assignment includes the broker %d "
					"more than once.",
					target.ids[i]);
		if (!image_broker(tip(ch), target.ids[i]))
			return REFUSED(
				KERR_INVALID_REPLICA_ASSIGNMENT,
				"The manual partition assignment includes broker %d, but no such "
				"broker is registered.",
				target.ids[i]);
	}
	return ACCEPTED;
}

static struct refusal reassign(struct change *ch, struct control_op *op, struct str topic,
			       int32_t index, const int32_t *ids, int32_t count, bool may_resize)
{
	const struct image_topic *t = image_topic_by_name(tip(ch), topic);
	const struct image_partition *p = image_partition(t, index);
	struct node_list target = {ids, (uint32_t)MAX(count, 0)}, current;
	struct partition_change change;
	struct refusal refusal;
	int32_t *all;

	if (!t)
		return REFUSED(KERR_UNKNOWN_TOPIC_OR_PARTITION,
			       "Unable to find a topic named %.*s.", STR(topic));
	if (!p)
		return REFUSED(KERR_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find partition %.*s:%d.",
			       STR(topic), index);
	if (count < 0)
		return cancel(ch, op, t, p);
	refusal = check_target(ch, op, target);
	if (refusal.error)
		return refusal;
	/* what was to come of a reassignment under way starts anew from where it began */
	current = without_all(ch->arena, p->replicas, p->adding);
	if (!may_resize && without_all(ch->arena, p->replicas, p->removing).count != target.count)
		return REFUSED(KERR_INVALID_REPLICATION_FACTOR,
			       "The replication factor is changed from %u to %u",
			       without_all(ch->arena, p->replicas, p->removing).count,
			       target.count);
	partition_change_init(&change, ch, t, p);
	change.removing = difference(ch->arena, current, target);
	change.adding = difference(ch->arena, target, current);
	all = arena_array(ch->arena, target.count + change.removing.count, sizeof(*all));
	memcpy(all, target.ids, target.count * sizeof(*all));
	if (change.removing.count)
		memcpy(all + target.count, change.removing.ids,
		       change.removing.count * sizeof(*all));
	change.replicas = (struct node_list){all, target.count + change.removing.count};
	/* who was on its way in and is not wanted any more also leaves the ISR */
	change.isr = without_all(ch->arena, p->isr, difference(ch->arena, p->isr, change.replicas));
	partition_change_add(&change);
	return ACCEPTED;
}

void alter_reassignments_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct alter_partition_reassignments_request *r = op->request;
	struct alter_partition_reassignments_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
	response->responses = WIRE_ARRAY(
		op->arena, alter_partition_reassignments_response_reassignable_topic_response,
		r->topics_count);
	response->responses_count = r->topics_count;
	for (int32_t i = 0; i < r->topics_count; i++) {
		struct alter_partition_reassignments_response_reassignable_topic_response *to =
			&response->responses[i];

		to->name = r->topics[i].name;
		to->partitions_count = r->topics[i].partitions_count;
		to->partitions = WIRE_ARRAY(
			op->arena,
			alter_partition_reassignments_response_reassignable_partition_response,
			to->partitions_count);
		for (int32_t j = 0; j < to->partitions_count; j++) {
			to->partitions[j].partition_index =
				r->topics[i].partitions[j].partition_index;
			to->partitions[j].error_code = (int16_t)error;
			to->partitions[j].error_message = text;
		}
	}
}

void alter_reassignments_run(struct change *ch, struct control_op *op)
{
	const struct alter_partition_reassignments_request *r = op->request;
	struct alter_partition_reassignments_response *response = op->response;

	alter_reassignments_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	response->allow_replication_factor_change = r->allow_replication_factor_change;
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct alter_partition_reassignments_request_reassignable_topic *topic =
			&r->topics[i];

		for (int32_t j = 0; j < topic->partitions_count; j++) {
			struct refusal refusal = reassign(
				ch, op, topic->name, topic->partitions[j].partition_index,
				topic->partitions[j].replicas, topic->partitions[j].replicas_count,
				r->allow_replication_factor_change);

			response->responses[i].partitions[j].error_code = (int16_t)refusal.error;
			response->responses[i].partitions[j].error_message = refusal.text;
		}
	}
}

/* ---- ListPartitionReassignments -------------------------------------------------------------- */

void list_reassignments_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct list_partition_reassignments_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

static bool is_ongoing(const struct image_partition *p)
{
	return p && (p->adding.count > 0 || p->removing.count > 0);
}

static int32_t *ids_in(struct arena *arena, struct node_list list, int32_t *count)
{
	*count = (int32_t)list.count;
	return (int32_t *)(uintptr_t)node_list_copy(arena, list.ids, list.count).ids;
}

static void
list_fill(struct arena *arena, const struct image_partition *p,
	  struct list_partition_reassignments_response_ongoing_partition_reassignment *to)
{
	to->partition_index = p->index;
	to->replicas = ids_in(arena, p->replicas, &to->replicas_count);
	to->adding_replicas = ids_in(arena, p->adding, &to->adding_replicas_count);
	to->removing_replicas = ids_in(arena, p->removing, &to->removing_replicas_count);
}

/* One topic: the partitions asked for (NULL: all) that are on their way. Topics without one are not
 * in the answer. */
static void list_topic(struct control_op *op, const struct image_topic *topic,
		       const int32_t *indexes, int32_t count)
{
	struct list_partition_reassignments_response *response = op->response;
	struct list_partition_reassignments_response_ongoing_topic_reassignment *to =
		&response->topics[response->topics_count];
	int32_t ongoing = 0;

	if (!topic)
		return;
	if (!indexes)
		count = topic->partition_count;
	for (int32_t i = 0; i < count; i++)
		ongoing += is_ongoing(image_partition(topic, indexes ? indexes[i] : i));
	if (ongoing == 0)
		return;
	to->name = str_dup(op->arena, topic->name);
	to->partitions = WIRE_ARRAY(
		op->arena, list_partition_reassignments_response_ongoing_partition_reassignment,
		ongoing);
	for (int32_t i = 0; i < count; i++) {
		const struct image_partition *p = image_partition(topic, indexes ? indexes[i] : i);

		if (is_ongoing(p))
			list_fill(op->arena, p, &to->partitions[to->partitions_count++]);
	}
	response->topics_count++;
}

void list_reassignments_run(struct change *ch, struct control_op *op)
{
	const struct list_partition_reassignments_request *request = op->request;
	struct list_partition_reassignments_response *response = op->response;
	int32_t count = request->topics_count >= 0 ? request->topics_count
						   : (int32_t)image_topic_count(tip(ch));

	response->topics = WIRE_ARRAY(
		op->arena, list_partition_reassignments_response_ongoing_topic_reassignment, count);
	for (int32_t i = 0; i < request->topics_count; i++)
		list_topic(op, image_topic_by_name(tip(ch), request->topics[i].name),
			   request->topics[i].partition_indexes,
			   request->topics[i].partition_indexes_count);
	if (request->topics_count >= 0)
		return;
	for (const struct image_topic *t = image_topic_next(tip(ch), STR_NULL); t;
	     t = image_topic_next(tip(ch), t->name))
		list_topic(op, t, NULL, 0);
}
