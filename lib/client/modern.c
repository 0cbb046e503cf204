/* A member of a group by the new protocol (KIP-848, group.protocol=consumer): the coordinator
 * assigns, the member says by heartbeats what it wants and what it has, and moves towards the
 * answer: gives up what it is to lose, commits that, reports it, and takes what is free.
 *
 * The states of struct member: START (will join, after a backoff), JOINING (the first heartbeat,
 * epoch 0, is on its way), STABLE, and COMMITTING while offsets of what is given up are written.
 * `generation` is the member's epoch. */
#define SAY_PLACE "client/modern"
#include "client/consumer_int.h"

#include "base/mem.h"
#include "base/say.h"
#include "base/uuid.h"

static void modern_done(struct call *call);
static void modern_reconcile(struct consumer *k);

void modern_init(struct consumer *k)
{
	struct member *m = &k->member;
	char text[UUID_TEXT_LEN + 1];

	free(m->id);
	m->id = xstrdup(uuid_format(uuid_random(), text));
	m->modern.interval_ms = client_config_int(k->client->cfg, CC_HEARTBEAT_INTERVAL_MS);
	arena_init(&m->modern.arena);
}

void modern_fini(struct consumer *k)
{
	arena_fini(&k->member.modern.arena);
}

/* ---- What is said ------------------------------------------------------------------------------
 */

/* Partitions that we have, by topic. */
static void modern_owned(struct consumer *k, struct consumer_group_heartbeat_request *req,
			 struct arena *arena)
{
	size_t count = k->parts.count;
	struct kpart *part;

	req->topic_partitions =
		WIRE_ARRAY(arena, consumer_group_heartbeat_request_topic_partitions, count + 1);
	req->topic_partitions_count = 0;
	LIST_FOREACH (&k->part_list, part, struct kpart, link) {
		const struct client_topic *t = client_topic(k->client, part->topic);
		struct consumer_group_heartbeat_request_topic_partitions *topic = NULL;

		if (!t || uuid_is_zero(t->id))
			continue;
		for (int32_t i = 0; i < req->topic_partitions_count && !topic; i++)
			if (uuid_eq(req->topic_partitions[i].topic_id, t->id))
				topic = &req->topic_partitions[i];
		if (!topic) {
			topic = &req->topic_partitions[req->topic_partitions_count++];
			topic->topic_id = t->id;
			topic->partitions = arena_array(arena, count + 1, sizeof(int32_t));
		}
		topic->partitions[topic->partitions_count++] = part->index;
	}
}

static void modern_prepare(struct call *call, int16_t version)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	struct consumer_group_heartbeat_request *req;
	bool is_full = m->generation <= 0 || m->modern.wants_full;

	(void)version;
	arena_reset(&m->heartbeat_arena);
	req = WIRE_NEW(&m->heartbeat_arena, consumer_group_heartbeat_request);
	req->group_id = m->group;
	req->member_id = str_dup(&m->heartbeat_arena, str_of(m->id));
	req->member_epoch = MAX(m->generation, 0);
	req->instance_id = str_of(m->instance_id);
	req->subscribed_topic_names_count = req->topic_partitions_count = -1;
	if (is_full) {
		req->rebalance_timeout_ms =
			(int32_t)client_config_int(k->client->cfg, CC_MAX_POLL_INTERVAL_MS);
		req->rack_id = str_of(k->rack);
		req->subscribed_topic_names =
			arena_array(&m->heartbeat_arena, k->topic_count + 1, sizeof(struct str));
		for (size_t i = 0; i < k->topic_count; i++)
			req->subscribed_topic_names[i] = str_dup(&m->heartbeat_arena, k->topics[i]);
		req->subscribed_topic_names_count = (int32_t)k->topic_count;
		m->joined_subscription = k->subscription;
	}
	if (is_full || m->modern.owned_changed)
		modern_owned(k, req, &m->heartbeat_arena);
	m->modern.wants_full = m->modern.owned_changed = false;
	call->request = req;
}

void modern_heartbeat(struct consumer *k)
{
	struct member *m = &k->member;

	if (m->in_heartbeat || k->is_closing || m->state == MEMBER_FATAL)
		return;
	client_timer_stop(k->client, &m->timer);
	if (m->generation <= 0) {
		m->state = MEMBER_JOINING;
		if (m->join_began_ms == 0)
			m->join_began_ms = client_now(k->client);
	}
	m->heartbeat = (struct call){
		.target = TO_GROUP(m->group),
		.api_key = API_CONSUMER_GROUP_HEARTBEAT,
		.timeout_ms = -1,
		.is_group = true,
		.prepare = modern_prepare,
		.done = modern_done,
		.owner = k,
	};
	m->in_heartbeat = true;
	client_request(k->client, &m->heartbeat);
}

/* What changed is said at once, or behind the heartbeat that is on its way. */
static void modern_say(struct consumer *k)
{
	if (k->member.in_heartbeat)
		k->member.modern.again = true;
	else
		modern_heartbeat(k);
}

void modern_subscribe(struct consumer *k)
{
	k->member.modern.wants_full = true;
	modern_say(k);
}

/* ---- What is answered --------------------------------------------------------------------------
 */

/* Thrown out: what we had belongs to others. */
static void modern_rejoin(struct consumer *k)
{
	struct member *m = &k->member;

	member_lost(k);
	m->generation = 0;
	m->modern.has_target = false;
	modern_heartbeat(k);
}

static void modern_error(struct consumer *k, int code, const struct err *err)
{
	struct member *m = &k->member;

	if (code == KERR_UNKNOWN_MEMBER_ID || code == KERR_FENCED_MEMBER_EPOCH) {
		modern_rejoin(k);
		return;
	}
	if (kafka_error_is_retriable(code)) {
		m->modern.wants_full = true;
		client_timer_start(k->client, &m->timer,
				   client_backoff_ms(k->client, ++m->fail_count));
		return;
	}
	member_fatal(k, E_KAFKA, code, err);
}

static void modern_keep_target(struct consumer *k,
			       const struct consumer_group_heartbeat_response_assignment *a)
{
	struct member *m = &k->member;
	struct modern *n = &m->modern;
	size_t count = 0;

	arena_reset(&n->arena);
	for (int32_t i = 0; i < a->topic_partitions_count; i++)
		count += (size_t)a->topic_partitions[i].partitions_count;
	n->target = arena_array(&n->arena, count + 1, sizeof(*n->target));
	n->target_count = 0;
	for (int32_t i = 0; i < a->topic_partitions_count; i++)
		for (int32_t j = 0; j < a->topic_partitions[i].partitions_count; j++)
			n->target[n->target_count++] =
				(struct modern_partition){a->topic_partitions[i].topic_id,
							  a->topic_partitions[i].partitions[j]};
	n->has_target = true;
}

static void modern_done(struct call *call)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	const struct consumer_group_heartbeat_response *r = call->response;
	struct err err = call->err;

	m->in_heartbeat = false;
	if (call->rc < 0) {
		call_fini(call);
		m->modern.wants_full = true;
		if (err.code == E_UNSUPPORTED)
			err_set(&err, E_UNSUPPORTED,
				"the coordinator of group %.*s does not know group.protocol="
				"consumer, group.protocol=classic would do",
				STR(m->group));
		if (err.code != E_UNREACHABLE && err.code != E_INTERRUPTED &&
		    err.code != E_TIMEOUT) {
			member_fatal(k, err.code, 0, &err);
			return;
		}
		consumer_error(k, err.code, &err);
		client_timer_start(k->client, &m->timer,
				   client_backoff_ms(k->client, ++m->fail_count));
		return;
	}
	if (r->error_code) {
		int code = r->error_code;

		/* Kept before the call is used again. */
		err_set(&err, E_KAFKA, "group %.*s: %.*s", STR(m->group), STR(r->error_message));
		if (str_is_null(r->error_message))
			err_set(&err, E_KAFKA, "group %.*s: %s", STR(m->group),
				kafka_error_text(code));
		err.kafka_error = code;
		call_fini(call);
		modern_error(k, code, &err);
		return;
	}
	m->fail_count = 0;
	m->generation = r->member_epoch;
	m->modern.interval_ms = r->heartbeat_interval_ms;
	if (m->state != MEMBER_COMMITTING)
		m->state = MEMBER_STABLE;
	if (r->assignment)
		modern_keep_target(k, r->assignment);
	call_fini(call);
	commit_start_timer(k);
	client_timer_start(k->client, &m->timer, m->modern.interval_ms);
	modern_reconcile(k);
	if (m->modern.again && !m->in_heartbeat) {
		m->modern.again = false;
		modern_heartbeat(k);
	}
}

/* ---- Moving towards the target -----------------------------------------------------------------
 */

/* Marks what of ours is in the target; false if a topic's name is not known yet. */
static bool modern_mark(struct consumer *k)
{
	struct modern *n = &k->member.modern;
	struct kpart *part;
	bool is_whole = true;

	LIST_FOREACH (&k->part_list, part, struct kpart, link)
		part->is_kept = part->is_new = false;
	for (size_t i = 0; i < n->target_count; i++) {
		const struct client_topic *t = client_topic_by_id(k->client, n->target[i].topic_id);

		part = t ? consumer_part(k, t->name, n->target[i].index) : NULL;
		if (part)
			part->is_kept = true;
		is_whole &= t != NULL;
	}
	return is_whole;
}

static bool modern_must_revoke(struct consumer *k)
{
	struct kpart *part;

	LIST_FOREACH (&k->part_list, part, struct kpart, link)
		if (!part->is_kept)
			return true;
	return false;
}

static bool modern_take(struct consumer *k)
{
	struct modern *n = &k->member.modern;
	bool has_new = false;

	for (size_t i = 0; i < n->target_count; i++) {
		const struct client_topic *t = client_topic_by_id(k->client, n->target[i].topic_id);
		struct kpart *part;

		if (!t || consumer_part(k, t->name, n->target[i].index))
			continue;
		part = consumer_part_add(k, t->name, n->target[i].index);
		part->is_new = has_new = true;
	}
	if (has_new)
		member_tell_assigned(k);
	return has_new;
}

/* With the offsets of what goes committed, or without auto commits. */
static void modern_finish(struct consumer *k)
{
	struct member *m = &k->member;
	bool is_whole, changed;

	m->state = MEMBER_STABLE;
	is_whole = modern_mark(k);
	changed = modern_must_revoke(k);
	if (changed)
		member_tell_revoked(k);
	changed |= modern_take(k);
	m->modern.has_target = !is_whole;
	if (!is_whole)
		client_refresh(k->client);
	if (!changed)
		return;
	if (m->join_began_ms) {
		k->stats.rebalance_count++;
		k->stats.join_ms += client_now(k->client) - m->join_began_ms;
		m->join_began_ms = 0;
	}
	m->modern.owned_changed = true;
	consumer_pump(k);
	modern_say(k);
}

static void modern_reconcile(struct consumer *k)
{
	struct member *m = &k->member;

	if (!m->modern.has_target || m->state != MEMBER_STABLE)
		return;
	(void)modern_mark(k);
	if (modern_must_revoke(k) && k->auto_commit) {
		m->state = MEMBER_COMMITTING;
		if (k->in_commit || commit_all(k))
			return; /* modern_committed() goes on */
	}
	modern_finish(k);
}

void modern_committed(struct consumer *k)
{
	if (k->member.state == MEMBER_COMMITTING)
		modern_finish(k);
}

void modern_metadata(struct consumer *k)
{
	modern_reconcile(k);
}

/* A commit was refused: the next heartbeat brings what is true. */
void modern_commit_error(struct consumer *k, int code)
{
	if (k->member.state != MEMBER_STABLE || k->is_closing)
		return;
	if (code == KERR_UNKNOWN_MEMBER_ID || code == KERR_FENCED_MEMBER_EPOCH)
		modern_rejoin(k);
	else
		modern_say(k);
}
