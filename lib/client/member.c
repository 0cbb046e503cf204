/* A member of a group by the classic protocol: JoinGroup, SyncGroup, then heartbeats, until the
 * group is reshuffled. Eager assignors give everything up before they join; the cooperative one
 * gives up only what goes elsewhere, and then joins once more. */
#define SAY_PLACE "client/member"
#include "client/consumer_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <strings.h>

/* How long the leader waits for metadata of topics that nobody knows. */
#define MEMBER_TOPICS_WAIT_MS 3000

static void member_join(struct consumer *k);
static void member_sync(struct consumer *k);
static void member_assign(struct consumer *k);
static void member_timer(struct client_timer *t);
static void member_rejoin(struct consumer *k);

static bool member_is_cooperative(const struct consumer *k)
{
	/* As Java: cooperative only if every offered assignor is. */
	for (size_t i = 0; i < k->member.assignor_count; i++)
		if (!assignor_is_cooperative(k->member.assignors[i]))
			return false;
	return true;
}

static void member_move(struct consumer *k, enum member_state state)
{
	static const char *const names[] = {
		"none", "start", "committing", "joining", "assigning",
		"syncing", "stable", "left", "fatal",
	};

	if (k->member.state != state)
		say_debug("group %.*s: %s -> %s", STR(k->member.group), names[k->member.state],
			  names[state]);
	k->member.state = state;
}

void member_init(struct consumer *k)
{
	struct member *m = &k->member;
	const char *group = client_config_str(k->client->cfg, CC_GROUP_ID);
	const char *list = client_config_str(k->client->cfg, CC_PARTITION_ASSIGNMENT_STRATEGY);
	char *copy = xstrdup(list ? list : "range"), *at = copy, *word;

	m->group = str_of(group);
	m->id = xstrdup("");
	m->instance_id = client_config_str(k->client->cfg, CC_GROUP_INSTANCE_ID);
	m->generation = -1;
	m->timer.fire = member_timer;
	arena_init(&m->arena);
	arena_init(&m->heartbeat_arena);
	arena_init(&m->assign_arena);
	while ((word = strsep(&at, ", \t"))) {
		int a = *word ? assignor_parse(str_of(word)) : -1;

		if (*word && a < 0)
			say_warn("partition.assignment.strategy: %s is not known (range, "
				 "roundrobin, sticky, cooperative-sticky are)",
				 word);
		if (a >= 0 && m->assignor_count < ASSIGNOR_COUNT)
			m->assignors[m->assignor_count++] = (enum assignor)a;
	}
	if (m->assignor_count == 0)
		m->assignors[m->assignor_count++] = ASSIGNOR_RANGE;
	free(copy);
	m->is_modern =
		strcasecmp(client_config_str(k->client->cfg, CC_GROUP_PROTOCOL), "consumer") == 0;
	if (m->is_modern)
		modern_init(k);
}

void member_fini(struct consumer *k)
{
	struct member *m = &k->member;

	client_timer_stop(k->client, &m->timer);
	if (m->in_call)
		client_cancel(&m->call);
	if (m->in_heartbeat)
		client_cancel(&m->heartbeat);
	m->in_call = m->in_heartbeat = false;
	arena_fini(&m->arena);
	arena_fini(&m->heartbeat_arena);
	arena_fini(&m->assign_arena);
	if (m->is_modern)
		modern_fini(k);
	free(m->id);
}

static void member_set_id(struct member *m, struct str id)
{
	char *copy = xstrndup(id.data ? id.data : "", id.len);

	free(m->id);
	m->id = copy;
}

static void member_again(struct consumer *k)
{
	struct member *m = &k->member;

	member_move(k, MEMBER_START);
	client_timer_start(k->client, &m->timer, client_backoff_ms(k->client, ++m->fail_count));
}

void member_fatal(struct consumer *k, int rc, int code, const struct err *why)
{
	struct err err = {0};

	if (why) {
		err = *why;
	} else {
		err_set(&err, E_KAFKA, "group %.*s: %s", STR(k->member.group),
			kafka_error_text(code));
		err.kafka_error = code;
	}
	member_move(k, MEMBER_FATAL);
	client_timer_stop(k->client, &k->member.timer);
	consumer_error(k, rc, &err);
}

/* ---- Partitions given and taken -------------------------------------------------------------- */

typedef void (*partitions_told)(void *ctx, const struct position *partitions, size_t count);

/* Tells about the partitions that `pick` says yes to, and removes them if wanted. */
static void member_tell(struct consumer *k, partitions_told tell, bool (*pick)(struct kpart *),
			bool remove)
{
	struct position *list = xcalloc(k->parts.count + 1, sizeof(*list));
	struct kpart *part;
	size_t count = 0;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		if (pick(part))
			list[count++] = (struct position){.topic = part->topic,
							  .partition = part->index,
							  .offset = part->position};
	if (count > 0 && tell)
		tell(k->options.ctx, list, count);
	free(list);
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		if (remove && pick(part))
			consumer_part_remove(k, part);
}

static bool pick_all(struct kpart *part)
{
	(void)part;
	return true;
}
static bool pick_unkept(struct kpart *part)
{
	return !part->is_kept;
}
static bool pick_new(struct kpart *part)
{
	return part->is_new;
}

/* The group threw the member out: others may have its partitions already. */
void member_lost(struct consumer *k)
{
	member_tell(k, k->options.lost ? k->options.lost : k->options.revoked, pick_all, true);
	k->member.generation = -1;
}

void member_tell_assigned(struct consumer *k)
{
	member_tell(k, k->options.assigned, pick_new, false);
}

void member_tell_revoked(struct consumer *k)
{
	member_tell(k, k->options.revoked, pick_unkept, true);
}

/* Takes over a new assignment. */
static void member_take(struct consumer *k, const struct consumer_protocol_assignment *a)
{
	struct member *m = &k->member;
	struct kpart *part;
	bool has_revoked = false;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		part->is_kept = part->is_new = false;
	for (int32_t i = 0; i < a->assigned_partitions_count; i++)
		for (int32_t j = 0; j < a->assigned_partitions[i].partitions_count; j++) {
			struct str topic = a->assigned_partitions[i].topic;
			int32_t index = a->assigned_partitions[i].partitions[j];

			part = consumer_part(k, topic, index);
			if (!part) {
				part = consumer_part_add(k, topic, index);
				part->is_new = true;
			}
			part->is_kept = true;
		}
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		has_revoked |= !part->is_kept;
	if (has_revoked)
		member_tell(k, k->options.revoked, pick_unkept, true);
	member_tell(k, k->options.assigned, pick_new, false);
	/* What we gave up can be given to others now. */
	if (has_revoked && member_is_cooperative(k))
		m->needs_rejoin = true;
}

/* ---- Joining --------------------------------------------------------------------------------- */

/* Begins a rebalance: commits, gives up (eager), joins. */
static void member_rejoin(struct consumer *k)
{
	struct member *m = &k->member;

	if (m->state == MEMBER_FATAL || m->state == MEMBER_NONE || k->is_closing)
		return;
	client_timer_stop(k->client, &m->timer);
	m->needs_rejoin = false;
	if (m->join_began_ms == 0)
		m->join_began_ms = client_now(k->client);
	member_move(k, MEMBER_COMMITTING);
	if (k->auto_commit && m->generation >= 0 && (k->in_commit || commit_all(k)))
		return;		/* member_committed() goes on */
	member_committed(k);
}

void member_committed(struct consumer *k)
{
	struct member *m = &k->member;

	if (m->is_modern) {
		modern_committed(k);
		return;
	}
	if (m->state != MEMBER_COMMITTING)
		return;
	if (!member_is_cooperative(k) && k->parts.count > 0) {
		/* The sticky assignor needs to know what we had: encoded before it is gone. */
		arena_reset(&m->arena);
		member_move(k, MEMBER_START);
		member_join(k);
		return;
	}
	member_join(k);
}

static void join_prepare(struct call *call, int16_t version);
static void join_done(struct call *call);

static void member_join(struct consumer *k)
{
	struct member *m = &k->member;
	const struct client_config *cfg = k->client->cfg;
	struct join_group_request *req;

	if (m->in_call)
		return;
	arena_reset(&m->arena);
	req = WIRE_NEW(&m->arena, join_group_request);
	req->group_id = m->group;
	req->session_timeout_ms = (int32_t)client_config_int(cfg, CC_SESSION_TIMEOUT_MS);
	req->rebalance_timeout_ms = (int32_t)client_config_int(cfg, CC_MAX_POLL_INTERVAL_MS);
	req->member_id = str_dup(&m->arena, str_of(m->id));
	req->protocol_type = STR_LIT("consumer");
	req->protocols = WIRE_ARRAY(&m->arena, join_group_request_protocol, m->assignor_count);
	req->protocols_count = (int32_t)m->assignor_count;
	for (size_t i = 0; i < m->assignor_count; i++) {
		req->protocols[i].name = str_of(assignor_name(m->assignors[i]));
		req->protocols[i].metadata = subscription_encode(k, m->assignors[i], &m->arena);
	}
	if (!member_is_cooperative(k) && k->parts.count > 0)
		member_tell(k, k->options.revoked, pick_all, true);
	m->joined_subscription = k->subscription;
	if (m->join_began_ms == 0)
		m->join_began_ms = client_now(k->client);
	m->call = (struct call){
		.target = TO_GROUP(m->group),
		.api_key = API_JOIN_GROUP,
		.request = req,
		.timeout_ms = -1,
		.attempt_ms = MAX(client_config_int(cfg, CC_MAX_POLL_INTERVAL_MS) + 5000,
				  client_config_int(cfg, CC_REQUEST_TIMEOUT_MS)),
		.is_group = true,
		.prepare = join_prepare,
		.done = join_done,
		.owner = k,
	};
	member_move(k, MEMBER_JOINING);
	m->in_call = true;
	client_request(k->client, &m->call);
}

/* A static member cannot be one below version 5. */
static void join_prepare(struct call *call, int16_t version)
{
	struct consumer *k = call->owner;
	struct join_group_request *req = (void *)(uintptr_t)call->request;

	if (version >= 5)
		req->group_instance_id = str_of(k->member.instance_id);
}

/* What an error of the group means for the member. Returns true if it was dealt with. */
static bool member_handle(struct consumer *k, int code)
{
	struct member *m = &k->member;

	switch (code) {
	case KERR_REBALANCE_IN_PROGRESS:
		member_rejoin(k);
		return true;
	case KERR_UNKNOWN_MEMBER_ID:
		member_set_id(m, STR_LIT(""));
		__attribute__((fallthrough));
	case KERR_ILLEGAL_GENERATION:
		member_lost(k);
		member_rejoin(k);
		return true;
	default:
		if (!kafka_error_is_retriable(code))
			return false;
		member_again(k);
		return true;
	}
}

void member_error(struct consumer *k, int code)
{
	struct member *m = &k->member;

	if (m->state == MEMBER_COMMITTING || m->state == MEMBER_NONE || k->is_closing)
		return;
	if (m->is_modern) {
		modern_commit_error(k, code);
		return;
	}
	if (m->state != MEMBER_STABLE)
		return;		/* a rebalance is under way already */
	if (code == KERR_REBALANCE_IN_PROGRESS || code == KERR_UNKNOWN_MEMBER_ID ||
	    code == KERR_ILLEGAL_GENERATION)
		member_handle(k, code);
	else if (code == KERR_FENCED_INSTANCE_ID)
		member_fatal(k, E_KAFKA, code, NULL);
}

/* Members of the group, as the leader sees them. */
static int join_members(struct consumer *k, const struct join_group_response *r)
{
	struct member *m = &k->member;

	arena_fini(&m->assign_arena);
	arena_init(&m->assign_arena);
	m->member_count = (size_t)r->members_count;
	m->members = arena_array(&m->assign_arena, m->member_count + 1, sizeof(*m->members));
	for (size_t i = 0; i < m->member_count; i++) {
		const struct join_group_response_member *from = &r->members[i];
		struct slice copy = {
			NULL,
			arena_memdup(&m->assign_arena, from->metadata.data, from->metadata.len),
			from->metadata.len};
		int rc;

		m->members[i].id = str_dup(&m->assign_arena, from->member_id);
		m->members[i].instance_id = str_dup(&m->assign_arena, from->group_instance_id);
		m->members[i].generation = -1;
		rc = subscription_decode(copy, m->assignor, &m->assign_arena, &m->members[i]);
		if (rc < 0) {
			say_warn("group %.*s: member %.*s: subscription: %s", STR(m->group),
				 STR(from->member_id), err_text(rc));
			m->members[i].topic_count = 0;
		}
	}
	return 0;
}

static void join_joined(struct consumer *k, const struct join_group_response *r)
{
	struct member *m = &k->member;
	int assignor = assignor_parse(r->protocol_name);

	if (assignor < 0) {
		member_fatal(k, E_KAFKA, KERR_INCONSISTENT_GROUP_PROTOCOL, NULL);
		return;
	}
	member_set_id(m, r->member_id);
	m->generation = r->generation_id;
	m->assignor = (enum assignor)assignor;
	m->is_leader = str_eq(r->leader, r->member_id);
	m->fail_count = 0;
	m->member_count = 0;
	if (!m->is_leader || r->skip_assignment) {
		member_sync(k);
		return;
	}
	(void)join_members(k, r);
	for (size_t i = 0; i < m->member_count; i++)
		for (size_t j = 0; j < m->members[i].topic_count; j++)
			if (!client_topic(k->client, m->members[i].topics[j]))
				client_want_topic(k->client, m->members[i].topics[j], false);
	m->topics_since_ms = client_now(k->client);
	member_move(k, MEMBER_ASSIGNING);
	member_assign(k);
}

static void join_done(struct call *call)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	const struct join_group_response *r = call->response;

	m->in_call = false;
	if (call->rc < 0) {
		struct err err = call->err;

		call_fini(call);
		if (err.code == E_UNREACHABLE || err.code == E_INTERRUPTED) {
			consumer_error(k, err.code, &err);
			member_again(k);
		} else {
			member_fatal(k, err.code, 0, &err);
		}
		return;
	}
	if (r->error_code == 0) {
		join_joined(k, r);
	} else if (r->error_code == KERR_MEMBER_ID_REQUIRED) {
		member_set_id(m, r->member_id);
		call_fini(call);
		member_join(k);
		return;
	} else if (!member_handle(k, r->error_code)) {
		member_fatal(k, E_KAFKA, r->error_code, NULL);
	}
	/* The call may be in use again. */
	if (!m->in_call)
		call_fini(call);
}

/* ---- Assigning ------------------------------------------------------------------------------- */

/* Topics that some member wants, each once, with their partition counts. */
static size_t assign_topics(struct consumer *k, struct assign_topic **out, bool *is_missing)
{
	struct member *m = &k->member;
	size_t count = 0, cap = 1;

	for (size_t i = 0; i < m->member_count; i++)
		cap += m->members[i].topic_count;
	*out = arena_array(&m->assign_arena, cap, sizeof(**out));
	*is_missing = false;
	for (size_t i = 0; i < m->member_count; i++)
		for (size_t j = 0; j < m->members[i].topic_count; j++) {
			struct str name = m->members[i].topics[j];
			const struct client_topic *t = client_topic(k->client, name);
			size_t n = 0;

			while (n < count && !str_eq((*out)[n].name, name))
				n++;
			if (n < count)
				continue;
			if (!t || !t->is_known) {
				*is_missing |= !t || !t->error;
				continue;
			}
			(*out)[count++] = (struct assign_topic){name, t->partition_count};
		}
	return count;
}

/* Numbers of partitions that the assignment was made from: a change calls for another. */
static uint64_t assign_hash(struct consumer *k)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < k->topic_count; i++) {
		const struct client_topic *t = client_topic(k->client, k->topics[i]);

		hash = (hash ^ (uint64_t)(t && t->is_known ? t->partition_count : 0)) *
		       1099511628211u;
	}
	return hash;
}

static void member_assign(struct consumer *k)
{
	struct member *m = &k->member;
	struct assign_topic *topics;
	struct sync_group_request *req;
	bool is_missing;
	size_t count;

	if (m->state != MEMBER_ASSIGNING)
		return;
	count = assign_topics(k, &topics, &is_missing);
	if (is_missing &&
	    client_now(k->client) - m->topics_since_ms < MEMBER_TOPICS_WAIT_MS) {
		client_refresh(k->client);
		client_timer_start(k->client, &m->timer, 100);
		return;
	}
	m->topics_hash = assign_hash(k);
	assignor_run(m->assignor, m->members, m->member_count, topics, count, &m->assign_arena);
	arena_reset(&m->arena);
	req = WIRE_NEW(&m->arena, sync_group_request);
	req->assignments = WIRE_ARRAY(&m->arena, sync_group_request_assignment, m->member_count);
	req->assignments_count = (int32_t)m->member_count;
	for (size_t i = 0; i < m->member_count; i++) {
		req->assignments[i].member_id = m->members[i].id;
		req->assignments[i].assignment =
			assignment_encode(&m->members[i], topics, &m->arena);
	}
	m->call.request = req;
	member_sync(k);
}

static void sync_prepare(struct call *call, int16_t version)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	struct sync_group_request *req = (void *)(uintptr_t)call->request;

	if (version >= 3)
		req->group_instance_id = str_of(m->instance_id);
	if (version >= 5) {
		req->protocol_type = STR_LIT("consumer");
		req->protocol_name = str_of(assignor_name(m->assignor));
	}
}

static void sync_done(struct call *call)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	const struct sync_group_response *r = call->response;
	struct consumer_protocol_assignment a;
	size_t used;
	int rc;

	m->in_call = false;
	if (call->rc < 0) {
		struct err err = call->err;

		call_fini(call);
		if (err.code == E_UNREACHABLE || err.code == E_INTERRUPTED)
			member_again(k);
		else
			member_fatal(k, err.code, 0, &err);
		return;
	}
	if (r->error_code) {
		int code = r->error_code;

		call_fini(call);
		if (!member_handle(k, code))
			member_fatal(k, E_KAFKA, code, NULL);
		return;
	}
	WIRE_INIT(consumer_protocol_assignment, &a);
	rc = 0;
	if (r->assignment.len >= 2)
		rc = message_decode(&consumer_protocol_assignment_desc,
				    MIN((int16_t)be16(r->assignment.data),
					(int16_t)3),
				    (struct slice){r->assignment.buf, r->assignment.data + 2,
						   r->assignment.len - 2},
				    &used, &call->arena, &a, NULL);
	if (rc < 0) {
		call_fini(call);
		member_fatal(k, E_KAFKA, KERR_INCONSISTENT_GROUP_PROTOCOL, NULL);
		return;
	}
	member_move(k, MEMBER_STABLE);
	m->fail_count = 0;
	k->stats.rebalance_count++;
	k->stats.join_ms += client_now(k->client) - m->join_began_ms;
	m->join_began_ms = 0;
	m->joined_ms = client_now(k->client);
	member_take(k, &a);
	call_fini(call);
	commit_start_timer(k);
	if (m->needs_rejoin || m->joined_subscription != k->subscription)
		member_rejoin(k);
	else
		client_timer_start(k->client, &m->timer,
				   client_config_int(k->client->cfg, CC_HEARTBEAT_INTERVAL_MS));
	consumer_pump(k);
}

static void member_sync(struct consumer *k)
{
	struct member *m = &k->member;
	struct sync_group_request *req;

	if (m->in_call)
		return;
	if (m->state != MEMBER_ASSIGNING) {
		arena_reset(&m->arena);
		req = WIRE_NEW(&m->arena, sync_group_request);
	} else {
		req = (void *)(uintptr_t)m->call.request;
	}
	req->group_id = m->group;
	req->generation_id = m->generation;
	req->member_id = str_dup(&m->arena, str_of(m->id));
	call_fini(&m->call);
	m->call = (struct call){
		.target = TO_GROUP(m->group),
		.api_key = API_SYNC_GROUP,
		.request = req,
		.timeout_ms = -1,
		.attempt_ms = client_config_int(k->client->cfg, CC_MAX_POLL_INTERVAL_MS) + 5000,
		.is_group = true,
		.prepare = sync_prepare,
		.done = sync_done,
		.owner = k,
	};
	member_move(k, MEMBER_SYNCING);
	m->in_call = true;
	client_request(k->client, &m->call);
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

static void heartbeat_prepare(struct call *call, int16_t version)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	struct heartbeat_request *req;

	arena_reset(&m->heartbeat_arena);
	req = WIRE_NEW(&m->heartbeat_arena, heartbeat_request);
	req->group_id = m->group;
	req->generation_id = m->generation;
	req->member_id = str_dup(&m->heartbeat_arena, str_of(m->id));
	if (version >= 3)
		req->group_instance_id = str_of(m->instance_id);
	call->request = req;
}

static void heartbeat_done(struct call *call)
{
	struct consumer *k = call->owner;
	struct member *m = &k->member;
	const struct heartbeat_response *r = call->response;
	int code = call->rc == 0 ? r->error_code : 0;
	int rc = call->rc;
	struct err err = call->err;

	m->in_heartbeat = false;
	call_fini(call);
	if (m->state != MEMBER_STABLE)
		return;
	if (rc == E_AUTH) {
		member_fatal(k, rc, 0, &err);
		return;
	}
	if (rc < 0)
		client_forget_coordinator(k->client, TARGET_GROUP, m->group);
	if (code && code != KERR_NONE && !member_handle(k, code)) {
		member_fatal(k, E_KAFKA, code, NULL);
		return;
	}
	if (m->state == MEMBER_STABLE)
		client_timer_start(k->client, &m->timer,
				   client_config_int(k->client->cfg, CC_HEARTBEAT_INTERVAL_MS));
}

static void member_heartbeat(struct consumer *k)
{
	struct member *m = &k->member;

	if (m->in_heartbeat)
		return;
	m->heartbeat = (struct call){
		.target = TO_GROUP(m->group),
		.api_key = API_HEARTBEAT,
		.timeout_ms = client_config_int(k->client->cfg, CC_SESSION_TIMEOUT_MS),
		.is_group = true,
		.prepare = heartbeat_prepare,
		.done = heartbeat_done,
		.owner = k,
	};
	m->in_heartbeat = true;
	client_request(k->client, &m->heartbeat);
}

static void member_timer(struct client_timer *t)
{
	struct consumer *k = CONTAINER_OF(t, struct consumer, member.timer);
	struct member *m = &k->member;
	struct err err = {0};

	switch (m->state) {
	case MEMBER_START:
		if (m->is_modern)
			modern_heartbeat(k);
		else
			member_join(k);
		return;
	case MEMBER_JOINING:
		if (m->is_modern)	/* again, after a backoff */
			modern_heartbeat(k);
		return;
	case MEMBER_ASSIGNING:
		member_assign(k);
		return;
	case MEMBER_STABLE:
		break;
	default:
		return;
	}
	if (!k->in_poll && client_now(k->client) - m->last_poll_ms >
				   client_config_int(k->client->cfg, CC_MAX_POLL_INTERVAL_MS)) {
		say_warn("group %.*s: polled too rarely (max.poll.interval.ms), leaving",
			 STR(m->group));
		if (member_leave(k, &err) < 0)
			say_debug("%s", err.text);
		return;
	}
	if (m->is_modern)
		modern_heartbeat(k);
	else
		member_heartbeat(k);
}

/* ---- From outside ---------------------------------------------------------------------------- */

void member_subscribe(struct consumer *k)
{
	struct member *m = &k->member;

	if (str_is_null(m->group))
		return;
	if (m->state == MEMBER_NONE || m->state == MEMBER_FATAL) {
		member_move(k, MEMBER_START);
		m->last_poll_ms = client_now(k->client);
		client_timer_start(k->client, &m->timer, 0);
	} else if (m->is_modern) {
		modern_subscribe(k);
	} else if (m->state == MEMBER_STABLE) {
		member_rejoin(k);
	}
}

void member_metadata(struct consumer *k)
{
	struct member *m = &k->member;

	if (m->is_modern)
		modern_metadata(k);
	else if (m->state == MEMBER_ASSIGNING)
		member_assign(k);
	else if (m->state == MEMBER_STABLE && m->is_leader && m->topics_hash &&
		 m->topics_hash != assign_hash(k))
		member_rejoin(k);
}

void member_poll(struct consumer *k)
{
	struct member *m = &k->member;

	m->last_poll_ms = client_now(k->client);
	if (m->state == MEMBER_LEFT) {
		member_move(k, MEMBER_START);
		client_timer_start(k->client, &m->timer, 0);
	}
}

/* ---- Leaving --------------------------------------------------------------------------------- */

int member_leave(struct consumer *k, struct err *err)
{
	struct member *m = &k->member;
	bool is_dynamic = *m->id && m->state != MEMBER_FATAL && m->state != MEMBER_NONE &&
			  (m->is_modern ? m->generation > 0 : !m->instance_id);
	int rc = 0;

	client_timer_stop(k->client, &m->timer);
	if (m->in_call)
		client_cancel(&m->call);
	if (m->in_heartbeat)
		client_cancel(&m->heartbeat);
	m->in_call = m->in_heartbeat = false;
	if (is_dynamic)
		rc = leave_send(k, k->is_closing, err);
	if (k->is_closing) {
		member_tell(k, k->options.revoked, pick_all, true);
	} else {
		member_lost(k);
		if (!m->is_modern)
			member_set_id(m, STR_LIT(""));
	}
	m->generation = -1;
	member_move(k, k->is_closing ? MEMBER_NONE : MEMBER_LEFT);
	return rc;
}
