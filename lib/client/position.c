/* Where to begin: the group's committed offset, else what auto.offset.reset says, which ListOffsets
 * turns into an offset. */
#define SAY_PLACE "client/position"
#include "client/consumer_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"

struct offset_call *offset_call_new(struct consumer *k)
{
	struct offset_call *oc = xcalloc(1, sizeof(*oc));

	oc->consumer = k;
	arena_init(&oc->arena);
	list_push_back(&k->offset_calls, &oc->link);
	return oc;
}

void offset_call_free(struct offset_call *oc)
{
	list_remove(&oc->link);
	call_fini(&oc->call);
	arena_fini(&oc->arena);
	free(oc->parts);
	free(oc);
}

void position_fini(struct consumer *k)
{
	struct offset_call *oc;

	LIST_FOREACH(&k->offset_calls, oc, struct offset_call, link)
	{
		client_cancel(&oc->call);
		offset_call_free(oc);
	}
}

void offset_call_add(struct offset_call *oc, const struct kpart *part)
{
	oc->parts = grow_array(oc->parts, oc->part_count, &oc->part_cap, sizeof(*oc->parts));
	oc->parts[oc->part_count++] = (struct offset_part){
		.topic = str_dup(&oc->arena, part->topic),
		.index = part->index,
		.seek_count = part->seek_count,
		.timestamp = part->reset_timestamp,
	};
}

/* The partition that was asked about, if it still waits for this answer. */
static struct kpart *offset_call_part(struct offset_call *oc, size_t i)
{
	struct kpart *part = consumer_part(oc->consumer, oc->parts[i].topic, oc->parts[i].index);

	return part && part->seek_count == oc->parts[i].seek_count && part->state == PART_ASKING
		       ? part
		       : NULL;
}

static void part_retry(struct consumer *k, struct kpart *part, enum part_state state)
{
	part->state = state;
	part->not_before_ms = client_now(k->client) +
			      client_backoff_ms(k->client, ++part->fail_count);
}

static void part_begin(struct kpart *part, int64_t offset)
{
	part->state = PART_READY;
	part->position = part->fetch_offset = offset;
	part->position_epoch = part->fetched_epoch = part->checked_epoch = -1;
	part->fail_count = 0;
	part->not_before_ms = 0;
}

void position_reset(struct consumer *k, struct kpart *part)
{
	struct err err = {0};

	part->seek_count++;
	part->is_checking = false;
	decode_drop(k, part);
	if (k->reset_is_none) {
		part->state = PART_STUCK;
		err_set(&err, E_KAFKA, "%.*s-%d: there is no offset to begin at, and "
				       "auto.offset.reset is none",
			STR(part->topic), part->index);
		err.kafka_error = KERR_OFFSET_OUT_OF_RANGE;
		consumer_error(k, E_KAFKA, &err);
		return;
	}
	part->state = PART_RESET;
	part->reset_timestamp = k->reset_duration_ms > 0
					? MAX(clock_wall_ms() - k->reset_duration_ms, (int64_t)0)
					: k->reset_timestamp;
}

/* ---- ListOffsets ----------------------------------------------------------------------------- */

static void list_prepare(struct call *call, int16_t version)
{
	struct offset_call *oc = call->owner;
	struct list_offsets_request *req = WIRE_NEW(&oc->arena, list_offsets_request);

	(void)version;
	req->replica_id = -1;
	req->isolation_level = oc->consumer->is_committed_only;
	req->timeout_ms = (int32_t)client_config_int(oc->consumer->client->cfg,
						     CC_REQUEST_TIMEOUT_MS);
	req->topics = WIRE_ARRAY(&oc->arena, list_offsets_request_topic, oc->part_count);
	for (size_t i = 0; i < oc->part_count; i++) {
		struct list_offsets_request_topic *topic = NULL;
		struct list_offsets_request_partition *p;

		for (int32_t j = 0; j < req->topics_count && !topic; j++)
			if (str_eq(req->topics[j].name, oc->parts[i].topic))
				topic = &req->topics[j];
		if (!topic) {
			topic = &req->topics[req->topics_count++];
			topic->name = oc->parts[i].topic;
			topic->partitions = WIRE_ARRAY(&oc->arena, list_offsets_request_partition,
						       oc->part_count);
		}
		p = &topic->partitions[topic->partitions_count++];
		p->partition_index = oc->parts[i].index;
		p->timestamp = oc->parts[i].timestamp;
	}
	call->request = req;
}

static void list_part_done(struct consumer *k, struct kpart *part,
			   const struct list_offsets_response_partition_response *r)
{
	struct err err = {0};

	if (r->error_code == 0 && r->offset >= 0) {
		part_begin(part, r->offset);
		return;
	}
	if (r->error_code == 0) {
		/* No record at or after that time: what comes next. */
		part->state = PART_RESET;
		part->reset_timestamp = OFFSET_END;
		return;
	}
	if (kafka_error_is_retriable(r->error_code)) {
		client_refresh(k->client);
		part_retry(k, part, PART_RESET);
		return;
	}
	part->state = PART_STUCK;
	err_set(&err, E_KAFKA, "%.*s-%d: %s", STR(part->topic), part->index,
		kafka_error_text(r->error_code));
	err.kafka_error = r->error_code;
	consumer_error(k, E_KAFKA, &err);
}

static void list_done(struct call *call)
{
	struct offset_call *oc = call->owner;
	struct consumer *k = oc->consumer;
	const struct list_offsets_response *r = call->response;
	struct err err = {0};

	for (int32_t i = 0; call->rc == 0 && i < r->topics_count; i++)
		for (int32_t j = 0; j < r->topics[i].partitions_count; j++)
			for (size_t n = 0; n < oc->part_count; n++) {
				struct kpart *part;

				if (oc->parts[n].index !=
					    r->topics[i].partitions[j].partition_index ||
				    !str_eq(oc->parts[n].topic, r->topics[i].name))
					continue;
				part = offset_call_part(oc, n);
				if (part)
					list_part_done(k, part, &r->topics[i].partitions[j]);
			}
	/* What was not answered is asked once more. */
	for (size_t n = 0; n < oc->part_count; n++) {
		struct kpart *part = offset_call_part(oc, n);

		if (part)
			part_retry(k, part, PART_RESET);
	}
	if (call->rc == E_AUTH || call->rc == E_UNSUPPORTED)
		consumer_error(k, call->rc, &call->err);
	else if (call->rc < 0 && reach_is_astray(k->client, &err))
		consumer_error(k, E_UNREACHABLE, &err);
	else if (call->rc < 0)
		client_refresh(k->client);
	offset_call_free(oc);
	consumer_pump(k);
}

static void list_pump(struct consumer *k, int64_t now, int64_t *wake_ms)
{
	struct kpart *part;
	struct offset_call *oc;
	struct list_node fresh;

	list_init(&fresh);
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		const struct client_topic *t = client_topic(k->client, part->topic);
		struct offset_call *at, *mine = NULL;
		int32_t leader = t && part->index >= 0 && part->index < t->partition_count
					 ? t->partitions[part->index].leader
					 : -1;

		if (part->state != PART_RESET)
			continue;
		if (part->not_before_ms > now) {
			*wake_ms = MIN(*wake_ms, part->not_before_ms);
			continue;
		}
		if (leader < 0) {
			client_refresh(k->client);
			continue;
		}
		LIST_FOREACH(&fresh, at, struct offset_call, link)
			if (at->node_id == leader)
				mine = at;
		if (!mine) {
			mine = offset_call_new(k);
			mine->node_id = leader;
			list_remove(&mine->link);
			list_push_back(&fresh, &mine->link);
		}
		offset_call_add(mine, part);
		part->state = PART_ASKING;
	}
	LIST_FOREACH(&fresh, oc, struct offset_call, link)
	{
		list_remove(&oc->link);
		list_push_back(&k->offset_calls, &oc->link);
		oc->call = (struct call){
			.target = TO_NODE(oc->node_id),
			.api_key = API_LIST_OFFSETS,
			.version_min = 1,
			.timeout_ms = -1,
			.no_retry = true,
			.prepare = list_prepare,
			.done = list_done,
			.owner = oc,
		};
		client_request(k->client, &oc->call);
	}
}

/* ---- Committed offsets ----------------------------------------------------------------------- */

static void committed_prepare(struct call *call, int16_t version)
{
	struct offset_call *oc = call->owner;
	struct consumer *k = oc->consumer;
	struct offset_fetch_request *req = WIRE_NEW(&oc->arena, offset_fetch_request);
	struct offset_fetch_request_topics *topics =
		WIRE_ARRAY(&oc->arena, offset_fetch_request_topics, oc->part_count);
	int32_t count = 0;

	for (size_t i = 0; i < oc->part_count; i++) {
		struct offset_fetch_request_topics *topic = NULL;

		for (int32_t j = 0; j < count && !topic; j++)
			if (str_eq(topics[j].name, oc->parts[i].topic))
				topic = &topics[j];
		if (!topic) {
			topic = &topics[count++];
			topic->name = oc->parts[i].topic;
			topic->partition_indexes =
				arena_array(&oc->arena, oc->part_count, sizeof(int32_t));
		}
		topic->partition_indexes[topic->partition_indexes_count++] = oc->parts[i].index;
	}
	req->require_stable = version >= 7;
	if (version >= 8) {
		req->groups = WIRE_ARRAY(&oc->arena, offset_fetch_request_group, 1);
		req->groups_count = 1;
		req->groups[0].group_id = k->member.group;
		req->groups[0].topics = topics;
		req->groups[0].topics_count = count;
	} else {
		req->group_id = k->member.group;
		req->topics = WIRE_ARRAY(&oc->arena, offset_fetch_request_topic, count);
		req->topics_count = count;
		for (int32_t i = 0; i < count; i++) {
			req->topics[i].name = topics[i].name;
			req->topics[i].partition_indexes = topics[i].partition_indexes;
			req->topics[i].partition_indexes_count = topics[i].partition_indexes_count;
		}
	}
	call->request = req;
}

static void committed_part(struct offset_call *oc, struct str topic, int32_t index, int64_t offset,
			   int32_t epoch, int code)
{
	struct consumer *k = oc->consumer;
	struct err err = {0};

	for (size_t i = 0; i < oc->part_count; i++) {
		struct kpart *part;

		if (oc->parts[i].index != index || !str_eq(oc->parts[i].topic, topic))
			continue;
		part = offset_call_part(oc, i);
		if (!part)
			return;
		if (code == 0 && offset >= 0) {
			part_begin(part, offset);
			part->committed = offset;
			part->position_epoch = part->fetched_epoch = epoch;
		} else if (code == 0) {
			position_reset(k, part);
		} else if (kafka_error_is_retriable(code)) {
			part_retry(k, part, PART_NEW);
		} else {
			part->state = PART_STUCK;
			err_set(&err, E_KAFKA, "%.*s-%d: %s", STR(topic), index,
				kafka_error_text(code));
			err.kafka_error = code;
			consumer_error(k, E_KAFKA, &err);
		}
		return;
	}
}

static int committed_answers(struct offset_call *oc, const struct call *call)
{
	const struct offset_fetch_response *r = call->response;

	if (call->version < 8) {
		for (int32_t i = 0; !r->error_code && i < r->topics_count; i++)
			for (int32_t j = 0; j < r->topics[i].partitions_count; j++) {
				const struct offset_fetch_response_partition *p =
					&r->topics[i].partitions[j];

				committed_part(oc, r->topics[i].name, p->partition_index,
					       p->committed_offset, p->committed_leader_epoch,
					       p->error_code);
			}
		return r->error_code;
	}
	for (int32_t g = 0; g < r->groups_count; g++) {
		if (r->groups[g].error_code)
			return r->groups[g].error_code;
		for (int32_t i = 0; i < r->groups[g].topics_count; i++)
			for (int32_t j = 0; j < r->groups[g].topics[i].partitions_count; j++) {
				const struct offset_fetch_response_partitions *p =
					&r->groups[g].topics[i].partitions[j];

				committed_part(oc, r->groups[g].topics[i].name, p->partition_index,
					       p->committed_offset, p->committed_leader_epoch,
					       p->error_code);
			}
	}
	return 0;
}

static void committed_done(struct call *call)
{
	struct offset_call *oc = call->owner;
	struct consumer *k = oc->consumer;
	struct err err = call->err;
	int code = 0;

	if (call->rc == 0)
		code = committed_answers(oc, call);
	for (size_t i = 0; i < oc->part_count; i++) {
		struct kpart *part = offset_call_part(oc, i);

		if (part)
			part_retry(k, part, PART_NEW);
	}
	if (code && !kafka_error_is_retriable(code)) {
		err_set(&err, E_KAFKA, "group %.*s: %s", STR(k->member.group),
			kafka_error_text(code));
		err.kafka_error = code;
		consumer_error(k, E_KAFKA, &err);
	} else if (call->rc < 0) {
		consumer_error(k, call->rc, &err);
	}
	offset_call_free(oc);
	consumer_pump(k);
}

static void committed_pump(struct consumer *k, int64_t now, int64_t *wake_ms)
{
	struct offset_call *oc = NULL;
	struct kpart *part;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		if (part->state != PART_NEW)
			continue;
		if (str_is_null(k->member.group)) {
			position_reset(k, part);
			continue;
		}
		if (part->not_before_ms > now) {
			*wake_ms = MIN(*wake_ms, part->not_before_ms);
			continue;
		}
		if (!oc)
			oc = offset_call_new(k);
		offset_call_add(oc, part);
		part->state = PART_ASKING;
	}
	if (!oc)
		return;
	oc->call = (struct call){
		.target = TO_GROUP(k->member.group),
		.api_key = API_OFFSET_FETCH,
		.version_min = 1,
		.version_max = 9,	/* topics by name */
		.prepare = committed_prepare,
		.done = committed_done,
		.owner = oc,
	};
	client_request(k->client, &oc->call);
}

void position_pump(struct consumer *k, int64_t now, int64_t *wake_ms)
{
	committed_pump(k, now, wake_ms);
	list_pump(k, now, wake_ms);
	epoch_pump(k, now, wake_ms);
}
