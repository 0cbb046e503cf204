#include "cmd/top/sampler_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void sampler_finish(struct sampler *s);
static void metadata_answer(struct sampler *s, struct ask *ask);
static void cluster_answer(struct sampler *s, struct ask *ask);
static void quorum_answer(struct sampler *s, struct ask *ask);

void sampler_init(struct sampler *s, struct client *client)
{
	*s = (struct sampler){.client = client, .preferred_id = -1};
	arena_init(&s->arena);
	list_init(&s->asks);
}

void sampler_fini(struct sampler *s)
{
	struct list_node *node;

	while ((node = list_pop_front(&s->asks)))
		client_cancel(&LIST_ENTRY(node, struct ask, link)->call);
	arena_fini(&s->arena);
	free(s->silent);
	free(s->groups);
	free(s->points);
}

/* ---- Requests ----------------------------------------------------------------------------- */

static bool sampler_was_silent(const struct sampler *s, int32_t id)
{
	for (size_t i = 0; i < s->silent_count; i++)
		if (s->silent[i] == id)
			return true;
	return false;
}

/* What an answer, or its absence, says of the broker itself: the last one counts. */
static void ask_judge(struct sampler *s, const struct ask *ask)
{
	struct top_broker *b = ask->node_id >= 0 ? snapshot_broker(s->into, ask->node_id) : NULL;

	if (!b)
		return;
	/* Not to have an API is an answer. */
	b->state = ask->call.rc == 0 || ask->call.rc == E_UNSUPPORTED ? BROKER_UP : BROKER_SILENT;
	/* That it took too long is no reason, but the same said again. */
	if (b->state == BROKER_SILENT && ask->call.rc != E_TIMEOUT && !b->reason.data)
		b->reason = str_dup(&s->into->arena, str_of(ask->call.err.text));
}

static void ask_done(struct call *call)
{
	struct ask *ask = CONTAINER_OF(call, struct ask, call);
	struct sampler *s = ask->sampler;

	list_remove(&ask->link);
	ask_judge(s, ask);
	ask->answer(s, ask);
	call_fini(call);
	if (list_empty(&s->asks))
		sampler_finish(s);
}

struct ask *sampler_ask(struct sampler *s, int32_t node_id, int16_t api_key, const void *request,
			void (*answer)(struct sampler *s, struct ask *ask))
{
	struct ask *ask = arena_zalloc(&s->arena, sizeof(*ask));
	int64_t ms = sampler_was_silent(s, node_id) ? SAMPLER_SILENT_MS : SAMPLER_NODE_MS;

	ask->sampler = s;
	ask->answer = answer;
	ask->node_id = node_id;
	ask->call = (struct call){.target = node_id < 0 ? TO_ANY : TO_NODE(node_id),
				  .api_key = api_key,
				  .request = request,
				  .timeout_ms = ms + 100,
				  .attempt_ms = ms,
				  .no_retry = true,
				  .done = ask_done,
				  .owner = ask};
	return ask;
}

void sampler_send(struct sampler *s, struct ask *ask)
{
	list_push_back(&s->asks, &ask->link);
	s->into->request_count++;
	client_request(s->client, &ask->call);
}

/* ---- The first round ---------------------------------------------------------------------- */

static void cluster_prepare(struct call *call, int16_t version)
{
	const struct ask *ask = call->owner;
	struct describe_cluster_request *request =
		WIRE_NEW(&ask->sampler->arena, describe_cluster_request);

	request->include_fenced_brokers = version >= 2;
	call->request = request;
}

static void sampler_ask_cluster(struct sampler *s)
{
	struct ask *ask =
		sampler_ask(s, s->preferred_id, API_DESCRIBE_CLUSTER, NULL, cluster_answer);

	ask->call.prepare = cluster_prepare;
	sampler_send(s, ask);
}

static void sampler_ask_quorum(struct sampler *s)
{
	struct describe_quorum_request *request = WIRE_NEW(&s->arena, describe_quorum_request);
	struct ask *ask =
		sampler_ask(s, s->preferred_id, API_DESCRIBE_QUORUM, request, quorum_answer);

	request->topics = WIRE_ARRAY(&s->arena, describe_quorum_request_topic_data, 1);
	request->topics_count = 1;
	request->topics[0].topic_name = str_of("__cluster_metadata");
	request->topics[0].partitions =
		WIRE_ARRAY(&s->arena, describe_quorum_request_partition_data, 1);
	request->topics[0].partitions_count = 1;
	/* On a connection of its own: it may hang while there is no leader. */
	ask->call.is_group = true;
	ask->call.attempt_ms = SAMPLER_QUORUM_MS;
	ask->call.timeout_ms = SAMPLER_QUORUM_MS + 100;
	sampler_send(s, ask);
}

static void sampler_ask_metadata(struct sampler *s, int32_t node_id)
{
	struct metadata_request *request = WIRE_NEW(&s->arena, metadata_request);
	struct ask *ask = sampler_ask(s, node_id, API_METADATA, request, metadata_answer);

	request->topics_count = -1;
	request->allow_auto_topic_creation = false;
	ask->call.version_min = 4;
	ask->call.no_retry = node_id >= 0;
	/* The first time is for finding the cluster: with the client's own patience and words. */
	ask->call.attempt_ms = s->was_reached ? SAMPLER_METADATA_MS : 0;
	ask->call.timeout_ms = s->was_reached ? SAMPLER_CLUSTER_MS : 0;
	sampler_send(s, ask);
}

void sampler_start(struct sampler *s, struct snapshot *into)
{
	assert(!s->is_running);
	arena_reset(&s->arena);
	s->into = into;
	s->is_running = true;
	s->is_failed = false;
	s->fenced_count = s->voter_count = 0;
	s->group_count = s->point_count = 0;
	into->at_us = clock_mono_us();
	into->wall_ms = clock_wall_ms();
	into->has_all_groups = true;
	s->is_slow = !s->slow_at_us || into->at_us - s->slow_at_us >= SAMPLER_SLOW_MS * 1000;
	sampler_ask_metadata(s, s->preferred_id);
	if (!s->was_reached)
		return; /* the rest follows when somebody has answered */
	if (!s->lacks_cluster)
		sampler_ask_cluster(s);
	if (!s->lacks_quorum)
		sampler_ask_quorum(s);
}

static void cluster_answer(struct sampler *s, struct ask *ask)
{
	const struct describe_cluster_response *r = ask->call.response;
	struct arena *a = &s->into->arena;
	struct top_broker *fenced;

	/* Before version 2 it tells no more than Metadata. */
	if (ask->call.rc == E_UNSUPPORTED || (ask->call.rc == 0 && ask->call.version < 2))
		s->lacks_cluster = true;
	if (ask->call.rc < 0 || r->error_code)
		return;
	fenced = arena_array(a, (size_t)r->brokers_count + 1, sizeof(*fenced));
	for (int32_t i = 0; i < r->brokers_count; i++) {
		const struct describe_cluster_response_broker *b = &r->brokers[i];

		if (b->is_fenced)
			fenced[s->fenced_count++] = (struct top_broker){.id = b->broker_id,
									.host = str_dup(a, b->host),
									.port = b->port,
									.rack = str_dup(a, b->rack),
									.state = BROKER_GONE,
									.is_fenced = true,
									.log_bytes = NOT_KNOWN,
									.disk_bytes = NOT_KNOWN,
									.usable_bytes = NOT_KNOWN};
	}
	s->fenced = fenced;
}

static void quorum_answer(struct sampler *s, struct ask *ask)
{
	const struct describe_quorum_response *r = ask->call.response;
	const struct describe_quorum_response_partition_data *p;
	int32_t *voters;

	if (ask->call.rc == E_UNSUPPORTED)
		s->lacks_quorum = true;
	if (ask->call.rc < 0 || r->error_code || r->topics_count != 1 ||
	    r->topics[0].partitions_count != 1)
		return;
	p = &r->topics[0].partitions[0];
	if (p->error_code)
		return;
	s->into->quorum_leader = p->leader_id;
	voters = arena_array(&s->arena, (size_t)p->current_voters_count + 1, sizeof(*voters));
	for (int32_t i = 0; i < p->current_voters_count; i++)
		voters[i] = p->current_voters[i].replica_id;
	s->voters = voters;
	s->voter_count = p->current_voters_count;
}

/* ---- Metadata ----------------------------------------------------------------------------- */

static void metadata_partition(struct arena *a, struct top_partition *p,
			       const struct metadata_response_partition *from)
{
	p->leader = from->error_code == KERR_LEADER_NOT_AVAILABLE ? -1 : from->leader_id;
	p->leader_epoch = from->leader_epoch;
	p->replica_count = MAX(from->replica_nodes_count, 0);
	p->isr_count = MAX(from->isr_nodes_count, 0);
	p->replicas =
		arena_memdup(a, from->replica_nodes, (size_t)p->replica_count * sizeof(int32_t));
	p->isr = arena_memdup(a, from->isr_nodes, (size_t)p->isr_count * sizeof(int32_t));
}

static void metadata_topic(struct arena *a, struct top_topic *t,
			   const struct metadata_response_topic *from)
{
	int32_t count = 0;

	for (int32_t i = 0; i < from->partitions_count; i++)
		count = MAX(count, from->partitions[i].partition_index + 1);
	/* Indexes have no gaps: a higher one is not to be believed. */
	count = MIN(count, from->partitions_count);
	*t = (struct top_topic){.name = str_dup(a, from->name),
				.id = from->topic_id,
				.is_internal = from->is_internal,
				.partition_count = count};
	t->partitions = arena_array(a, (size_t)count + 1, sizeof(*t->partitions));
	for (int32_t i = 0; i < count; i++)
		t->partitions[i] = (struct top_partition){.index = i,
							  .leader = -1,
							  .leader_epoch = -1,
							  .elr_count = -1,
							  .start = NOT_KNOWN,
							  .end = NOT_KNOWN,
							  .bytes = NOT_KNOWN,
							  .all_bytes = NOT_KNOWN};
	for (int32_t i = 0; i < from->partitions_count; i++) {
		struct top_partition *p = topic_partition(t, from->partitions[i].partition_index);

		if (p)
			metadata_partition(a, p, &from->partitions[i]);
	}
}

static void metadata_take(struct snapshot *into, const struct metadata_response *r)
{
	struct arena *a = &into->arena;

	into->cluster_id = str_dup(a, r->cluster_id);
	into->controller = r->controller_id;
	into->brokers = arena_array(a, (size_t)r->brokers_count + 1, sizeof(*into->brokers));
	for (int32_t i = 0; i < r->brokers_count; i++) {
		const struct metadata_response_broker *b = &r->brokers[i];

		into->brokers[into->broker_count++] =
			(struct top_broker){.id = b->node_id,
					    .host = str_dup(a, b->host),
					    .port = b->port,
					    .rack = str_dup(a, b->rack),
					    .state = BROKER_SILENT,
					    .log_bytes = NOT_KNOWN,
					    .disk_bytes = NOT_KNOWN,
					    .usable_bytes = NOT_KNOWN};
	}
	into->topics = arena_array(a, (size_t)r->topics_count + 1, sizeof(*into->topics));
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *t = &r->topics[i];

		if (t->name.data && (!t->error_code || t->partitions_count > 0))
			metadata_topic(a, &into->topics[into->topic_count++], t);
	}
	snapshot_sort(into);
}

static void metadata_answer(struct sampler *s, struct ask *ask)
{
	const struct metadata_response *r = ask->call.response;

	if (ask->call.rc < 0 && ask->node_id >= 0) {
		s->preferred_id = -1;
		sampler_ask_metadata(s, -1);
		return;
	}
	if (ask->call.rc < 0) {
		s->err = ask->call.err;
		s->is_failed = true;
		return;
	}
	s->into->wall_ms = clock_wall_ms(); /* of what has happened */
	if (r->error_code) {
		err_set(&s->err, E_KAFKA, "metadata: %s", kafka_error_text(r->error_code));
		s->err.kafka_error = r->error_code;
		s->is_failed = true;
		return;
	}
	metadata_take(s->into, r);
	if (!s->was_reached) {
		s->was_reached = true;
		sampler_ask_cluster(s);
		sampler_ask_quorum(s);
	}
	for (int32_t i = 0; i < s->into->broker_count; i++) {
		int32_t id = s->into->brokers[i].id;

		sampler_ask_offsets(s, id, false);
		/* Also without groups: a broker shall show that it is there. */
		sampler_ask_groups(s, id);
		if (s->is_slow)
			sampler_ask_offsets(s, id, true);
		if (s->is_slow && !s->lacks_log_dirs)
			sampler_ask_log_dirs(s, id);
	}
	if (s->detail.data && !s->lacks_detail)
		sampler_ask_detail(s);
}

/* ---- The end ------------------------------------------------------------------------------ */

/* The fenced brokers join the others, and voters are marked. */
static void sampler_take_brokers(struct sampler *s)
{
	struct snapshot *into = s->into;
	struct top_broker *all = arena_array(
		&into->arena, (size_t)(into->broker_count + s->fenced_count) + 1, sizeof(*all));
	int32_t count = into->broker_count;

	if (count > 0)
		memcpy(all, into->brokers, (size_t)count * sizeof(*all));
	for (int32_t i = 0; i < s->fenced_count; i++)
		if (!snapshot_broker(into, s->fenced[i].id))
			all[count++] = s->fenced[i];
	into->brokers = all;
	into->broker_count = count;
	s->silent_count = 0;
	s->preferred_id = -1;
	for (int32_t i = 0; i < count; i++) {
		if (all[i].id == into->quorum_leader && all[i].state == BROKER_UP)
			s->preferred_id = all[i].id;
		all[i].is_voter = id_is_among(s->voters, s->voter_count, all[i].id);
		if (all[i].state != BROKER_SILENT)
			continue;
		s->silent =
			grow_array(s->silent, s->silent_count, &s->silent_cap, sizeof(*s->silent));
		s->silent[s->silent_count++] = all[i].id;
	}
}

static void sampler_finish(struct sampler *s)
{
	s->is_running = false;
	if (!s->is_failed) {
		sampler_take_brokers(s);
		sampler_take_groups(s);
		if (s->is_slow)
			s->slow_at_us = s->into->at_us;
		s->into->took_us = clock_mono_us() - s->into->at_us;
	}
	s->done(s, s->is_failed ? s->err.code : 0);
}
