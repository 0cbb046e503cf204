/* Offsets of the group: automatic commits, commits before a rebalance, commits on demand. */
#define SAY_PLACE "client/commit"
#include "client/consumer_int.h"

#include "base/mem.h"
#include "base/say.h"

static void commit_prepare(struct call *call, int16_t version);
static void commit_done(struct call *call);

struct offset_commit_request *commit_request(struct consumer *k, struct arena *arena,
					     int16_t version, const struct position *positions,
					     size_t count)
{
	struct offset_commit_request *req = WIRE_NEW(arena, offset_commit_request);
	const struct member *m = &k->member;

	req->group_id = m->group;
	if (k->mode == CONSUME_TOPICS || k->mode == CONSUME_PATTERN) {
		req->generation_id_or_member_epoch = m->generation;
		req->member_id = str_of(m->id);
		if (version >= 7)
			req->group_instance_id = str_of(m->instance_id);
	}
	req->topics = WIRE_ARRAY(arena, offset_commit_request_topic, count);
	for (size_t i = 0; i < count; i++) {
		struct offset_commit_request_topic *topic = NULL;
		struct offset_commit_request_partition *p;

		for (int32_t j = 0; j < req->topics_count && !topic; j++)
			if (str_eq(req->topics[j].name, positions[i].topic))
				topic = &req->topics[j];
		if (!topic) {
			topic = &req->topics[req->topics_count++];
			topic->name = positions[i].topic;
			topic->partitions =
				WIRE_ARRAY(arena, offset_commit_request_partition, count);
		}
		p = &topic->partitions[topic->partitions_count++];
		p->partition_index = positions[i].partition;
		p->committed_offset = positions[i].offset;
		if (version >= 6)
			p->committed_leader_epoch = positions[i].leader_epoch;
		p->committed_metadata = str_is_null(positions[i].metadata) ? STR_LIT("")
									    : positions[i].metadata;
	}
	return req;
}

void commit_start_timer(struct consumer *k)
{
	if (k->auto_commit && !heap_linked(&k->commit_timer.node))
		client_timer_start(k->client, &k->commit_timer,
				   client_config_int(k->client->cfg, CC_AUTO_COMMIT_INTERVAL_MS));
}

void commit_timer_fire(struct client_timer *t)
{
	struct consumer *k = CONTAINER_OF(t, struct consumer, commit_timer);

	/* What the caller has in hand is not done with: only positions before it count. That is
	 * seen to by consumer_poll(), which is the one to move positions. */
	(void)commit_all(k);
	commit_start_timer(k);
}

bool commit_all(struct consumer *k)
{
	struct kpart *part;
	size_t count = 0;

	if (k->in_commit || str_is_null(k->member.group))
		return false;
	if (k->mode != CONSUME_ASSIGNED && k->member.generation < 0)
		return false;
	arena_reset(&k->commit_arena);
	k->commit_positions =
		arena_array(&k->commit_arena, k->parts.count + 1, sizeof(*k->commit_positions));
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		if (part->state != PART_READY || part->position == part->committed ||
		    part->position < 0)
			continue;
		k->commit_positions[count++] = (struct position){
			.topic = str_dup(&k->commit_arena, part->topic),
			.partition = part->index,
			.offset = part->position,
			.leader_epoch = part->position_epoch,
		};
	}
	k->commit_count = count;
	if (count == 0)
		return false;
	k->commit_call = (struct call){
		.target = TO_GROUP(k->member.group),
		.api_key = API_OFFSET_COMMIT,
		.version_min = 2,
		.version_max = 9,	/* topics by name */
		.prepare = commit_prepare,
		.done = commit_done,
		.owner = k,
	};
	k->in_commit = true;
	client_request(k->client, &k->commit_call);
	return true;
}

static void commit_prepare(struct call *call, int16_t version)
{
	struct consumer *k = call->owner;

	call->request = commit_request(k, &k->commit_arena, version, k->commit_positions,
				       k->commit_count);
}

static void commit_done(struct call *call)
{
	struct consumer *k = call->owner;
	const struct offset_commit_response *r = call->response;
	int code = 0;

	k->in_commit = false;
	for (int32_t i = 0; call->rc == 0 && i < r->topics_count; i++)
		for (int32_t j = 0; j < r->topics[i].partitions_count; j++)
			if (r->topics[i].partitions[j].error_code)
				code = r->topics[i].partitions[j].error_code;
	for (size_t i = 0; call->rc == 0 && !code && i < k->commit_count; i++) {
		const struct position *p = &k->commit_positions[i];
		struct kpart *part = consumer_part(k, p->topic, p->partition);

		if (part)
			part->committed = p->offset;
	}
	if (call->rc < 0)
		say_warn("committing offsets of group %.*s: %s", STR(k->member.group),
			 call->err.text);
	else if (code)
		say_debug("committing offsets of group %.*s: %s", STR(k->member.group),
			  kafka_error_text(code));
	call_fini(call);
	if (code)
		member_error(k, code);
	member_committed(k);
}

void commit_fini(struct consumer *k)
{
	if (k->in_commit)
		client_cancel(&k->commit_call);
	k->in_commit = false;
	arena_fini(&k->commit_arena);
}

/* ---- On demand ------------------------------------------------------------------------------- */

struct commit_wait {
	struct call call;
	struct consumer *consumer;
	struct arena arena;
	const struct position *positions;
	size_t count;
	bool is_done;
};

static void wait_prepare(struct call *call, int16_t version)
{
	struct commit_wait *w = call->owner;

	call->request =
		commit_request(w->consumer, &w->arena, version, w->positions, w->count);
}

static void wait_done(struct call *call)
{
	((struct commit_wait *)call->owner)->is_done = true;
}

static bool wait_is_done(void *ctx)
{
	return ((struct commit_wait *)ctx)->is_done;
}

static int wait_result(struct consumer *k, struct commit_wait *w, struct err *err)
{
	const struct offset_commit_response *r = w->call.response;

	for (int32_t i = 0; i < r->topics_count; i++)
		for (int32_t j = 0; j < r->topics[i].partitions_count; j++) {
			int code = r->topics[i].partitions[j].error_code;

			if (!code)
				continue;
			member_error(k, code);
			err_set(err, E_KAFKA, "committing %.*s-%d of group %.*s: %s",
				STR(r->topics[i].name), r->topics[i].partitions[j].partition_index,
				STR(k->member.group), kafka_error_text(code));
			if (err)
				err->kafka_error = code;
			return E_KAFKA;
		}
	for (size_t i = 0; i < w->count; i++) {
		struct kpart *part =
			consumer_part(k, w->positions[i].topic, w->positions[i].partition);

		if (part)
			part->committed = w->positions[i].offset;
	}
	return 0;
}

int consumer_commit_positions(struct consumer *k, const struct position *positions, size_t count,
			      struct err *err)
{
	struct commit_wait w = {.consumer = k, .count = count};
	struct position *copy;
	int rc;

	if (str_is_null(k->member.group))
		return err_set(err, E_INVALID, "committing offsets needs a group.id");
	if (count == 0)
		return 0;
	arena_init(&w.arena);
	/* The partitions may be taken away while we wait. */
	copy = arena_array(&w.arena, count, sizeof(*copy));
	for (size_t i = 0; i < count; i++) {
		copy[i] = positions[i];
		copy[i].topic = str_dup(&w.arena, positions[i].topic);
		copy[i].metadata = str_dup(&w.arena, positions[i].metadata);
	}
	w.positions = copy;
	w.call = (struct call){
		.target = TO_GROUP(k->member.group),
		.api_key = API_OFFSET_COMMIT,
		.version_min = 2,
		.version_max = 9,
		.prepare = wait_prepare,
		.done = wait_done,
		.owner = &w,
	};
	if (k->is_closing)
		w.call.timeout_ms = CONSUMER_CLOSE_MS;
	client_request(k->client, &w.call);
	rc = client_wait(k->client, wait_is_done, &w, -1);
	if (rc < 0) {
		client_cancel(&w.call);
		err_set(err, rc, "%s", err_text(rc));
	} else {
		rc = w.call.rc;
		if (rc < 0 && err)
			*err = w.call.err;
		if (rc == 0)
			rc = wait_result(k, &w, err);
		call_fini(&w.call);
	}
	arena_fini(&w.arena);
	return rc;
}

int consumer_commit(struct consumer *k, struct err *err)
{
	struct position *positions = xcalloc(k->parts.count + 1, sizeof(*positions));
	struct kpart *part;
	size_t count = 0;
	int rc;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		if (part->state == PART_READY && part->position >= 0)
			positions[count++] = (struct position){
				.topic = part->topic,
				.partition = part->index,
				.offset = part->position,
				.leader_epoch = part->position_epoch,
			};
	rc = consumer_commit_positions(k, positions, count, err);
	free(positions);
	return rc;
}
