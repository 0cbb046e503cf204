#define SAY_PLACE "client/admin"
#include "client/admin.h"
#include "client/client_int.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

int admin_error(struct err *err, int kafka_error, struct str message, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (message.len)
		err_set(err, E_KAFKA, "%s: %.*s", what, STR(message));
	else
		err_set(err, E_KAFKA, "%s: %s", what, kafka_error_text(kafka_error));
	if (err)
		err->kafka_error = kafka_error;
	return E_KAFKA;
}

int admin_metadata(struct client *c, const struct str *names, size_t count, struct arena *arena,
		   struct metadata_response **out, struct err *err)
{
	struct metadata_request *req = WIRE_NEW(arena, metadata_request);
	struct call call = {
		.target = TO_ANY,
		.api_key = API_METADATA,
		.version_min = 4,
		.request = req,
	};
	int32_t correlation_id;
	int rc;

	req->allow_auto_topic_creation = false;
	req->topics = WIRE_ARRAY(arena, metadata_request_topic, count);
	for (size_t i = 0; i < count; i++)
		req->topics[i].name = names[i];
	req->topics_count = names ? (int32_t)count : -1;
	rc = client_call_all(c, &call, 1, err);
	if (rc == 0)
		rc = call.rc;
	if (rc == 0) {
		struct slice copy = {NULL, arena_memdup(arena, call.frame.data, call.frame.len),
				     call.frame.len};

		rc = response_decode(api_by_key(API_METADATA), &call.version, copy, arena,
				     &correlation_id, (void **)out, &call.err);
	}
	if (rc < 0 && err && call.err.text[0])
		*err = call.err;
	call_fini(&call);
	if (rc == 0 && (*out)->error_code)
		return admin_error(err, (*out)->error_code, STR_NULL, "metadata");
	return rc;
}

int admin_every_broker(struct client *c, int16_t api_key, const void *request,
		       struct arena *arena, struct call **calls, size_t *count, struct err *err)
{
	const struct client_broker *brokers;
	int rc;

	*calls = NULL;
	*count = 0;
	if (client_brokers(c, &brokers) == 0) {
		rc = client_refresh_wait(c, err);
		if (rc < 0)
			return rc;
	}
	*count = client_brokers(c, &brokers);
	*calls = arena_array(arena, *count + 1, sizeof(**calls));
	for (size_t i = 0; i < *count; i++)
		(*calls)[i] = (struct call){
			.target = TO_NODE(brokers[i].id),
			.api_key = api_key,
			.request = request,
		};
	rc = client_call_all(c, *calls, *count, err);
	if (rc < 0) {
		for (size_t i = 0; i < *count; i++)
			call_fini(&(*calls)[i]);
		*count = 0;
	}
	return rc;
}

/* ---- Offsets of partitions ------------------------------------------------------------------- */

/* One ListOffsets request to a leader. */
struct offsets_part {
	struct client *client;
	struct arena *arena;
	struct position *positions;
	const int64_t *wanted;		/* timestamps, as given */
	size_t *indexes;
	size_t count;
	bool read_committed;
};

static struct list_offsets_request *offsets_request(struct offsets_part *part)
{
	struct list_offsets_request *req = WIRE_NEW(part->arena, list_offsets_request);

	req->replica_id = -1;
	req->isolation_level = part->read_committed;
	req->timeout_ms = (int32_t)client_config_int(part->client->cfg, CC_REQUEST_TIMEOUT_MS);
	req->topics = WIRE_ARRAY(part->arena, list_offsets_request_topic, part->count);
	for (size_t i = 0; i < part->count; i++) {
		const struct position *pos = &part->positions[part->indexes[i]];
		struct list_offsets_request_topic *topic = NULL;
		struct list_offsets_request_partition *p;

		for (int32_t j = 0; j < req->topics_count && !topic; j++)
			if (str_eq(req->topics[j].name, pos->topic))
				topic = &req->topics[j];
		if (!topic) {
			topic = &req->topics[req->topics_count++];
			topic->name = pos->topic;
			topic->partitions = WIRE_ARRAY(part->arena, list_offsets_request_partition,
						       part->count);
		}
		p = &topic->partitions[topic->partitions_count++];
		p->partition_index = pos->partition;
		p->timestamp = part->wanted[part->indexes[i]];
	}
	return req;
}

struct offsets_run {
	struct client *client;
	struct position *positions;
	const int64_t *wanted;
	int64_t *timestamps;
	bool *is_done;
	size_t count;
	bool read_committed;
	struct arena arena;
};

static void offsets_set(struct offsets_run *run, size_t i, int code, int64_t offset, int32_t epoch,
			int64_t timestamp)
{
	run->is_done[i] = true;
	run->positions[i].error = (int16_t)code;
	run->positions[i].offset = code ? OFFSET_NONE : offset;
	run->positions[i].leader_epoch = epoch;
	if (run->timestamps)
		run->timestamps[i] = timestamp;
}

static void offsets_answer(struct offsets_run *run, const struct offsets_part *part,
			   const struct list_offsets_response *r)
{
	for (size_t n = 0; n < part->count; n++) {
		size_t i = part->indexes[n];

		for (int32_t t = 0; t < r->topics_count; t++) {
			if (!str_eq(r->topics[t].name, run->positions[i].topic))
				continue;
			for (int32_t j = 0; j < r->topics[t].partitions_count; j++) {
				const struct list_offsets_response_partition_response *p =
					&r->topics[t].partitions[j];

				if (p->partition_index != run->positions[i].partition)
					continue;
				if (p->error_code && kafka_error_is_retriable(p->error_code) &&
				    p->error_code != KERR_UNKNOWN_TOPIC_OR_PARTITION) {
					run->positions[i].error = p->error_code;
					continue;
				}
				offsets_set(run, i, p->error_code, p->offset, p->leader_epoch,
					    p->timestamp);
			}
		}
	}
}

/* What metadata says about a partition: its leader, or -1 and the error. */
static int32_t offsets_leader(struct offsets_run *run, size_t i, int *code)
{
	const struct client_topic *t = client_topic(run->client, run->positions[i].topic);

	*code = 0;
	if (!t || (!t->is_known && !t->error))
		return -1;
	if (!t->is_known || t->error) {
		*code = t->error;
		return -1;
	}
	if (run->positions[i].partition < 0 ||
	    run->positions[i].partition >= t->partition_count) {
		*code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return -1;
	}
	return t->partitions[run->positions[i].partition].leader;
}

/* One round: what is not done yet is asked of its leader. Returns how many are left, or < 0. */
static int offsets_round(struct offsets_run *run, struct err *err)
{
	struct call *calls = arena_array(&run->arena, run->count + 1, sizeof(*calls));
	struct offsets_part *parts = arena_array(&run->arena, run->count + 1, sizeof(*parts));
	size_t call_count = 0;
	int left = 0, code, rc;

	for (size_t i = 0; i < run->count; i++) {
		int32_t leader = run->is_done[i] ? -1 : offsets_leader(run, i, &code);
		size_t n = 0;

		if (run->is_done[i])
			continue;
		if (leader < 0) {
			if (code && !(kafka_error_is_retriable(code) &&
				      code != KERR_UNKNOWN_TOPIC_OR_PARTITION))
				offsets_set(run, i, code, OFFSET_NONE, -1, -1);
			continue;
		}
		while (n < call_count && calls[n].target.node_id != leader)
			n++;
		if (n == call_count) {
			parts[n] = (struct offsets_part){
				.client = run->client,
				.arena = &run->arena,
				.positions = run->positions,
				.wanted = run->wanted,
				.indexes = arena_array(&run->arena, run->count, sizeof(size_t)),
				.read_committed = run->read_committed,
			};
			calls[call_count++] = (struct call){
				.target = TO_NODE(leader),
				.api_key = API_LIST_OFFSETS,
				.version_min = 1,
			};
		}
		parts[n].indexes[parts[n].count++] = i;
		/* -3, -4, -5 came with versions 7, 8, 9; -6 with 11. */
		if (run->wanted[i] < OFFSET_BEGINNING)
			calls[n].version_min =
				MAX(calls[n].version_min,
				    (int16_t)(run->wanted[i] < -5 ? 11 : 4 - run->wanted[i]));
	}
	for (size_t n = 0; n < call_count; n++)
		calls[n].request = offsets_request(&parts[n]);
	rc = client_call_all(run->client, calls, call_count, err);
	for (size_t n = 0; n < call_count; n++) {
		if (calls[n].rc == 0 && rc == 0)
			offsets_answer(run, &parts[n], calls[n].response);
		else if (rc == 0) {
			rc = calls[n].rc;
			if (err)
				*err = calls[n].err;
		}
		call_fini(&calls[n]);
	}
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < run->count; i++)
		left += !run->is_done[i];
	return left;
}

static bool offsets_never(void *ctx)
{
	(void)ctx;
	return false;
}

int admin_offsets(struct client *c, struct position *positions, size_t count, bool read_committed,
		  int64_t *timestamps, struct err *err)
{
	int64_t until = client_now(c) + client_config_int(c->cfg, CC_DEFAULT_API_TIMEOUT_MS);
	struct offsets_run run = {
		.client = c,
		.positions = positions,
		.timestamps = timestamps,
		.count = count,
		.read_committed = read_committed,
	};
	int64_t *wanted;
	unsigned attempt = 0;
	int rc = 0;

	arena_init(&run.arena);
	wanted = arena_array(&run.arena, count + 1, sizeof(*wanted));
	run.is_done = arena_array(&run.arena, count + 1, sizeof(bool));
	for (size_t i = 0; i < count; i++) {
		wanted[i] = positions[i].offset;
		positions[i].error = 0;
		client_want_topic(c, positions[i].topic, false);
	}
	run.wanted = wanted;
	while (count > 0) {
		if (attempt > 0 || !c->meta.is_known || heap_linked(&c->meta.timer.node) ||
		    c->meta.is_asking)
			rc = client_refresh_wait(c, err);
		if (rc == 0)
			rc = offsets_round(&run, err);
		if (rc <= 0)
			break;
		if (client_now(c) >= until) {
			/* Those keep their last error. */
			for (size_t i = 0; i < count; i++)
				if (!run.is_done[i])
					offsets_set(&run, i,
						    positions[i].error ? positions[i].error
								       : KERR_LEADER_NOT_AVAILABLE,
						    OFFSET_NONE, -1, -1);
			rc = 0;
			break;
		}
		rc = client_wait(c, offsets_never, NULL, client_backoff_ms(c, ++attempt));
		if (rc == E_INTERRUPTED)
			break;
		rc = 0;
	}
	for (size_t i = 0; i < count; i++)
		client_unwant_topic(c, positions[i].topic);
	arena_fini(&run.arena);
	return rc;
}

/* ---- Offsets of groups ----------------------------------------------------------------------- */

struct group_fetch {
	struct arena *arena;
	struct str group;
	const struct position *wanted;
	size_t wanted_count;
	struct call call;
};

static void group_fetch_prepare(struct call *call, int16_t version)
{
	struct group_fetch *g = call->owner;
	struct offset_fetch_request *req = WIRE_NEW(g->arena, offset_fetch_request);
	struct offset_fetch_request_topics *topics =
		WIRE_ARRAY(g->arena, offset_fetch_request_topics, g->wanted_count);
	int32_t count = 0;

	for (size_t i = 0; i < g->wanted_count; i++) {
		int32_t n = 0;

		while (n < count && !str_eq(topics[n].name, g->wanted[i].topic))
			n++;
		if (n == count) {
			topics[count++].name = g->wanted[i].topic;
			topics[n].partition_indexes =
				arena_array(g->arena, g->wanted_count, sizeof(int32_t));
		}
		topics[n].partition_indexes[topics[n].partition_indexes_count++] =
			g->wanted[i].partition;
	}
	if (version >= 8) {
		req->groups = WIRE_ARRAY(g->arena, offset_fetch_request_group, 1);
		req->groups_count = 1;
		req->groups[0].group_id = g->group;
		req->groups[0].topics = topics;
		req->groups[0].topics_count = g->wanted ? count : -1;
	} else {
		req->group_id = g->group;
		req->topics = WIRE_ARRAY(g->arena, offset_fetch_request_topic, count);
		req->topics_count = g->wanted ? count : -1;
		for (int32_t i = 0; i < count; i++) {
			req->topics[i].name = topics[i].name;
			req->topics[i].partition_indexes = topics[i].partition_indexes;
			req->topics[i].partition_indexes_count = topics[i].partition_indexes_count;
		}
	}
	call->request = req;
}

struct group_offsets {
	struct arena *arena;
	struct position *items;
	size_t count, cap;
};

static void group_offset_add(struct group_offsets *g, struct str topic, int32_t partition,
			     int64_t offset, int32_t epoch, struct str metadata, int code,
			     bool want_none)
{
	if (offset < 0 && !code && !want_none)
		return;
	g->items = grow_array(g->items, g->count, &g->cap, sizeof(*g->items));
	g->items[g->count++] = (struct position){
		.topic = str_dup(g->arena, topic),
		.partition = partition,
		.offset = offset < 0 ? OFFSET_NONE : offset,
		.leader_epoch = epoch,
		.metadata = str_dup(g->arena, metadata),
		.error = (int16_t)code,
	};
}

static int group_offsets_read(struct group_offsets *g, const struct call *call, bool want_none)
{
	const struct offset_fetch_response *r = call->response;

	if (call->version < 8) {
		for (int32_t i = 0; i < r->topics_count; i++)
			for (int32_t j = 0; j < r->topics[i].partitions_count; j++) {
				const struct offset_fetch_response_partition *p =
					&r->topics[i].partitions[j];

				group_offset_add(g, r->topics[i].name, p->partition_index,
						 p->committed_offset, p->committed_leader_epoch,
						 p->metadata, p->error_code, want_none);
			}
		return r->error_code;
	}
	if (r->groups_count < 1)
		return KERR_UNKNOWN_SERVER_ERROR;
	for (int32_t i = 0; i < r->groups[0].topics_count; i++)
		for (int32_t j = 0; j < r->groups[0].topics[i].partitions_count; j++) {
			const struct offset_fetch_response_partitions *p =
				&r->groups[0].topics[i].partitions[j];

			group_offset_add(g, r->groups[0].topics[i].name, p->partition_index,
					 p->committed_offset, p->committed_leader_epoch,
					 p->metadata, p->error_code, want_none);
		}
	return r->groups[0].error_code;
}

static void owner_done(struct call *call)
{
	(void)call;
}

static bool call_is_over(void *ctx)
{
	return ((struct call *)ctx)->state == CALL_DONE;
}

/* A call with an owner of its own, waited for. */
static int admin_run(struct client *c, struct call *call, struct err *err)
{
	int rc;

	call->done = owner_done;
	client_request(c, call);
	rc = client_wait(c, call_is_over, call, -1);
	if (rc < 0) {
		client_cancel(call);
		return err_set(err, rc, "%s", err_text(rc));
	}
	if (call->rc < 0 && err)
		*err = call->err;
	return call->rc;
}

int admin_group_offsets(struct client *c, struct str group, const struct position *wanted,
			size_t wanted_count, struct arena *arena, struct position **out,
			size_t *count, struct err *err)
{
	struct group_fetch g = {
		.arena = arena,
		.group = group,
		.wanted = wanted,
		.wanted_count = wanted_count,
	};
	struct group_offsets found = {.arena = arena};
	int code, rc;

	*count = 0;
	*out = NULL;
	g.call = (struct call){
		.target = TO_GROUP(group),
		.api_key = API_OFFSET_FETCH,
		.version_min = wanted ? 1 : 2,	/* all partitions: since version 2 */
		.version_max = 9,		/* topics by name */
		.prepare = group_fetch_prepare,
		.owner = &g,
	};
	rc = admin_run(c, &g.call, err);
	if (rc < 0) {
		call_fini(&g.call);
		return rc;
	}
	code = group_offsets_read(&found, &g.call, wanted != NULL);
	call_fini(&g.call);
	if (code) {
		free(found.items);
		return admin_error(err, code, STR_NULL, "offsets of group %.*s", STR(group));
	}
	*out = arena_memdup(arena, found.items, found.count * sizeof(*found.items));
	*count = found.count;
	free(found.items);
	return 0;
}

struct group_commit {
	struct call call;
	struct arena arena;
	struct str group;
	struct position *positions;
	size_t count;
};

static void group_commit_prepare(struct call *call, int16_t version)
{
	struct group_commit *g = call->owner;
	struct offset_commit_request *req = WIRE_NEW(&g->arena, offset_commit_request);

	req->group_id = g->group;
	req->topics = WIRE_ARRAY(&g->arena, offset_commit_request_topic, g->count);
	for (size_t i = 0; i < g->count; i++) {
		struct offset_commit_request_partition *p;
		int32_t n = 0;

		while (n < req->topics_count &&
		       !str_eq(req->topics[n].name, g->positions[i].topic))
			n++;
		if (n == req->topics_count) {
			req->topics[req->topics_count++].name = g->positions[i].topic;
			req->topics[n].partitions = WIRE_ARRAY(
				&g->arena, offset_commit_request_partition, g->count);
		}
		p = &req->topics[n].partitions[req->topics[n].partitions_count++];
		p->partition_index = g->positions[i].partition;
		p->committed_offset = g->positions[i].offset;
		if (version >= 6)
			p->committed_leader_epoch = g->positions[i].leader_epoch;
		p->committed_metadata = str_is_null(g->positions[i].metadata)
						? STR_LIT("")
						: g->positions[i].metadata;
	}
	call->request = req;
}

int admin_group_commit(struct client *c, struct str group, struct position *positions,
		       size_t count, struct err *err)
{
	struct group_commit g = {.group = group, .positions = positions, .count = count};
	const struct offset_commit_response *r;
	int rc;

	arena_init(&g.arena);
	g.call = (struct call){
		.target = TO_GROUP(group),
		.api_key = API_OFFSET_COMMIT,
		.version_min = 2,
		.version_max = 9,
		.prepare = group_commit_prepare,
		.owner = &g,
	};
	rc = admin_run(c, &g.call, err);
	r = g.call.response;
	for (int32_t i = 0; rc == 0 && i < r->topics_count; i++)
		for (int32_t j = 0; j < r->topics[i].partitions_count; j++)
			for (size_t n = 0; n < count; n++)
				if (positions[n].partition ==
					    r->topics[i].partitions[j].partition_index &&
				    str_eq(positions[n].topic, r->topics[i].name))
					positions[n].error =
						r->topics[i].partitions[j].error_code;
	call_fini(&g.call);
	arena_fini(&g.arena);
	return rc;
}

/* ---- What members said ----------------------------------------------------------------------- */

int admin_assignment_parse(struct slice bytes, struct arena *arena, struct position **out,
			   size_t *count)
{
	struct consumer_protocol_assignment *a = WIRE_NEW(arena, consumer_protocol_assignment);
	size_t used, total = 0;
	int16_t version;
	int rc;

	*count = 0;
	*out = NULL;
	if (bytes.len == 0)
		return 0;
	if (bytes.len < 2)
		return E_MALFORMED;
	version = (int16_t)be16(bytes.data);
	if (version < 0)
		return E_MALFORMED;
	rc = message_decode(&consumer_protocol_assignment_desc, MIN(version, (int16_t)3),
			    (struct slice){bytes.buf, bytes.data + 2, bytes.len - 2}, &used, arena,
			    a, NULL);
	if (rc < 0)
		return E_MALFORMED;
	for (int32_t i = 0; i < a->assigned_partitions_count; i++)
		total += (size_t)a->assigned_partitions[i].partitions_count;
	*out = arena_array(arena, total + 1, sizeof(**out));
	for (int32_t i = 0; i < a->assigned_partitions_count; i++)
		for (int32_t j = 0; j < a->assigned_partitions[i].partitions_count; j++)
			(*out)[(*count)++] = (struct position){
				.topic = a->assigned_partitions[i].topic,
				.partition = a->assigned_partitions[i].partitions[j],
				.offset = OFFSET_NONE,
				.leader_epoch = -1,
			};
	return 0;
}

int admin_subscription_parse(struct slice bytes, struct arena *arena, struct str **topics,
			     size_t *count)
{
	struct consumer_protocol_subscription *s =
		WIRE_NEW(arena, consumer_protocol_subscription);
	size_t used;
	int16_t version;
	int rc;

	*count = 0;
	*topics = NULL;
	if (bytes.len < 2)
		return bytes.len == 0 ? 0 : E_MALFORMED;
	version = (int16_t)be16(bytes.data);
	if (version < 0)
		return E_MALFORMED;
	rc = message_decode(&consumer_protocol_subscription_desc, MIN(version, (int16_t)3),
			    (struct slice){bytes.buf, bytes.data + 2, bytes.len - 2}, &used, arena,
			    s, NULL);
	if (rc < 0)
		return E_MALFORMED;
	*topics = s->topics;
	*count = (size_t)s->topics_count;
	return 0;
}
