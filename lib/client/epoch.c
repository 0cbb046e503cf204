/* Is what we read still in the log? When a partition gets another leader, the new one may lack the
 * end of what the old one gave us. Before anything is fetched from it, it is asked where the epoch
 * of our last record ended (KIP-320): before our position means that records were cut off. */
#define SAY_PLACE "client/epoch"
#include "client/consumer_int.h"

#include "base/mem.h"
#include "base/say.h"

/* Consumers may ask from this version on. */
#define EPOCH_VERSION_MIN 3

static int32_t leader_of(struct consumer *k, const struct kpart *part, int32_t *epoch)
{
	const struct client_topic *t = client_topic(k->client, part->topic);

	*epoch = -1;
	if (!t || part->index < 0 || part->index >= t->partition_count)
		return -1;
	*epoch = t->partitions[part->index].leader_epoch;
	return t->partitions[part->index].leader;
}

bool epoch_is_open(struct consumer *k, const struct kpart *part)
{
	int32_t epoch;

	if (part->state != PART_READY || part->fetched_epoch < 0)
		return false;
	(void)leader_of(k, part, &epoch);
	/* Within one epoch nothing is ever cut off. */
	return epoch > part->fetched_epoch && epoch > part->checked_epoch;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void epoch_retry(struct consumer *k, struct kpart *part)
{
	part->not_before_ms =
		client_now(k->client) + client_backoff_ms(k->client, ++part->fail_count);
	client_refresh(k->client);
}

static void epoch_truncated(struct consumer *k, struct kpart *part, int64_t end_offset,
			    int32_t end_epoch)
{
	int64_t position = MIN(part->position, end_offset);
	struct err err = {0};

	if (k->reset_is_none) {
		part->state = PART_STUCK;
		err_set(&err, E_KAFKA,
			"%.*s-%d: records from offset %lld on were cut off, and "
			"auto.offset.reset is none",
			STR(part->topic), part->index, (long long)end_offset);
		err.kafka_error = KERR_OFFSET_OUT_OF_RANGE;
		consumer_error(k, E_KAFKA, &err);
		return;
	}
	if (end_offset < part->position)
		say_warn("%.*s-%d: records from offset %lld on were cut off after a change of the "
			 "leader: going on there, %lld had been read",
			 STR(part->topic), part->index, (long long)end_offset,
			 (long long)(part->position - end_offset));
	consumer_part_seek(k, part, position);
	if (position == end_offset)
		part->position_epoch = part->fetched_epoch = end_epoch;
}

static void epoch_part_done(struct consumer *k, struct kpart *part, int32_t asked_epoch,
			    const struct offset_for_leader_epoch_response_epoch_end_offset *r)
{
	struct err err = {0};

	part->is_checking = false;
	if (r->error_code && kafka_error_is_retriable(r->error_code)) {
		epoch_retry(k, part);
		return;
	}
	part->checked_epoch = asked_epoch;
	part->fail_count = 0;
	if (r->error_code) {
		part->state = PART_STUCK;
		err_set(&err, E_KAFKA, "%.*s-%d: %s", STR(part->topic), part->index,
			kafka_error_text(r->error_code));
		err.kafka_error = r->error_code;
		consumer_error(k, E_KAFKA, &err);
	} else if (r->end_offset < 0 || r->leader_epoch < 0) {
		/* The leader knows no epoch as old as ours. */
		position_reset(k, part);
	} else if (r->end_offset < part->fetch_offset) {
		epoch_truncated(k, part, r->end_offset, r->leader_epoch);
	}
}

static void epoch_done(struct call *call)
{
	struct offset_call *oc = call->owner;
	struct consumer *k = oc->consumer;
	const struct offset_for_leader_epoch_response *r = call->response;

	for (size_t n = 0; n < oc->part_count; n++) {
		struct kpart *part = consumer_part(k, oc->parts[n].topic, oc->parts[n].index);

		if (!part || !part->is_checking || part->seek_count != oc->parts[n].seek_count)
			continue;
		for (int32_t i = 0; call->rc == 0 && i < r->topics_count; i++)
			for (int32_t j = 0; j < r->topics[i].partitions_count; j++)
				if (part->is_checking &&
				    r->topics[i].partitions[j].partition == part->index &&
				    str_eq(r->topics[i].topic, part->topic))
					epoch_part_done(k, part, (int32_t)oc->parts[n].timestamp,
							&r->topics[i].partitions[j]);
		if (!part->is_checking)
			continue;
		/* Not answered: again, or never by a broker that cannot tell. */
		part->is_checking = false;
		if (call->rc == E_UNSUPPORTED)
			part->checked_epoch = (int32_t)oc->parts[n].timestamp;
		else
			epoch_retry(k, part);
	}
	offset_call_free(oc);
	consumer_pump(k);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static void epoch_prepare(struct call *call, int16_t version)
{
	struct offset_call *oc = call->owner;
	struct offset_for_leader_epoch_request *req =
		WIRE_NEW(&oc->arena, offset_for_leader_epoch_request);

	(void)version;
	req->replica_id = -1;
	req->topics =
		WIRE_ARRAY(&oc->arena, offset_for_leader_epoch_request_offset_for_leader_topic,
			   oc->part_count);
	for (size_t i = 0; i < oc->part_count; i++) {
		struct offset_for_leader_epoch_request_offset_for_leader_topic *topic = NULL;
		struct offset_for_leader_epoch_request_offset_for_leader_partition *p;

		for (int32_t j = 0; j < req->topics_count && !topic; j++)
			if (str_eq(req->topics[j].topic, oc->parts[i].topic))
				topic = &req->topics[j];
		if (!topic) {
			topic = &req->topics[req->topics_count++];
			topic->topic = oc->parts[i].topic;
			topic->partitions = WIRE_ARRAY(
				&oc->arena,
				offset_for_leader_epoch_request_offset_for_leader_partition,
				oc->part_count);
		}
		p = &topic->partitions[topic->partitions_count++];
		p->partition = oc->parts[i].index;
		p->current_leader_epoch = (int32_t)oc->parts[i].timestamp;
		p->leader_epoch = oc->parts[i].epoch;
	}
	call->request = req;
}

static void epoch_send(struct consumer *k, struct kpart *part, int32_t leader, int32_t epoch)
{
	struct offset_call *oc = offset_call_new(k);

	part->is_checking = true;
	/* A seek meanwhile makes the answer worthless. */
	offset_call_add(oc, part);
	oc->parts[0].timestamp = epoch;
	oc->parts[0].epoch = part->fetched_epoch;
	oc->call = (struct call){
		.target = TO_NODE(leader),
		.api_key = API_OFFSET_FOR_LEADER_EPOCH,
		.version_min = EPOCH_VERSION_MIN,
		.timeout_ms = -1,
		.no_retry = true,
		.prepare = epoch_prepare,
		.done = epoch_done,
		.owner = oc,
	};
	client_request(k->client, &oc->call);
}

void epoch_pump(struct consumer *k, int64_t now, int64_t *wake_ms)
{
	struct kpart *part;

	LIST_FOREACH (&k->part_list, part, struct kpart, link) {
		int32_t leader, epoch;

		if (part->is_checking || !epoch_is_open(k, part))
			continue;
		if (part->not_before_ms > now) {
			*wake_ms = MIN(*wake_ms, part->not_before_ms);
			continue;
		}
		leader = leader_of(k, part, &epoch);
		if (leader < 0)
			client_refresh(k->client);
		else
			epoch_send(k, part, leader, epoch);
	}
}
