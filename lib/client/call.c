/* Requests: finding the node they are for, trying again, telling the result.
 *
 *	NEW -> WAITING		for metadata, a coordinator, a connection or the backoff
 *	    -> QUEUED		on a link that connects, or has enough in flight
 *	    -> SENT		-> DONE, or back to WAITING
 *	    -> FAILED		to be told from the loop -> DONE */
#define SAY_PLACE "client/call"
#include "client/client_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <stdio.h>

static void call_route(struct call *call);
static void call_fail_soon(struct call *call, int rc, const struct err *err);
static void call_fail_fire(struct client_timer *t);
static void call_route_fire(struct client_timer *t);

const char *call_target_text(const struct call *call, char text[256])
{
	const struct target *t = &call->target;

	switch (t->kind) {
	case TARGET_ANY: return "any broker";
	case TARGET_CONTROLLER: return "the controller";
	case TARGET_NODE: snprintf(text, 256, "broker %d", t->node_id); return text;
	case TARGET_GROUP:
		snprintf(text, 256, "the coordinator of group %.*s", STR(t->key));
		return text;
	case TARGET_TXN:
		snprintf(text, 256, "the coordinator of transactional id %.*s", STR(t->key));
		return text;
	case TARGET_LEADER:
		snprintf(text, 256, "the leader of %.*s-%d", STR(t->key), t->partition);
		return text;
	}
	return "";
}

/* ---- Life ------------------------------------------------------------------------------------ */

void client_request(struct client *c, struct call *call)
{
	int64_t timeout = call->timeout_ms;

	assert(call->state == CALL_NEW || call->state == CALL_DONE);
	assert(call->done);
	if (!timeout)
		timeout = client_config_int(c->cfg, client_config_role(c->cfg) == CLIENT_PRODUCER
							    ? CC_MAX_BLOCK_MS
							    : CC_DEFAULT_API_TIMEOUT_MS);
	call->client = c;
	call->rc = 0;
	call->err = (struct err){0};
	call->was_sent = false;
	call->response = NULL;
	call->frame = SLICE_NULL;
	call->node_id = -1;
	call->attempt_count = 0;
	call->refreshed = false;
	call->pending = NULL;
	call->on = NULL;
	call->link = (struct list_node){0};
	arena_init(&call->arena);
	if (timeout >= 0) {
		heap_push(&c->deadlines, &call->deadline, client_now(c) + timeout);
		client_update_timer(c);
	}
	call->state = CALL_WAITING;
	list_push_back(&c->waiting, &call->link);
	call_route(call);
}

/* Takes the call out of everything it is in. */
static void call_detach(struct call *call)
{
	struct client *c = call->client;

	list_remove(&call->link);
	heap_remove(&c->wakes, &call->wake);
	if (call->pending) {
		call->pending->call = NULL;
		call->pending = NULL;
	}
	call->on = NULL;
}

void client_cancel(struct call *call)
{
	if (call->state != CALL_NEW && call->state != CALL_DONE) {
		call_detach(call);
		heap_remove(&call->client->deadlines, &call->deadline);
		call->state = CALL_DONE;
	}
	call_fini(call);
}

void call_fini(struct call *call)
{
	arena_fini(&call->arena);
	slice_unref(&call->frame);
	call->response = NULL;
}

void call_finish(struct call *call, int rc, const struct err *err)
{
	call_detach(call);
	heap_remove(&call->client->deadlines, &call->deadline);
	call->rc = rc;
	if (rc < 0 && err && err != &call->err)
		call->err = *err;
	if (rc < 0)
		call->err.code = rc;
	call->state = CALL_DONE;
	call->done(call);
}

/* Finishes from the loop, never inside the owner's call. */
static void call_fail_soon(struct call *call, int rc, const struct err *err)
{
	struct client *c = call->client;

	call_detach(call);
	call->rc = rc;
	if (err != &call->err)
		call->err = *err;
	call->state = CALL_FAILED;
	list_push_back(&c->failed, &call->link);
	c->fail_timer.fire = call_fail_fire;
	client_timer_start(c, &c->fail_timer, 0);
}

static void call_fail_fire(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, fail_timer);
	struct list_node *node;

	while ((node = list_pop_front(&c->failed))) {
		struct call *call = LIST_ENTRY(node, struct call, link);

		call_finish(call, call->rc, NULL);
	}
}

/* Moves what is on `from` to a list of its own, so that callbacks may add to `from`. */
static void call_take_all(struct list_node *from, struct list_node *to)
{
	struct list_node *node;

	list_init(to);
	while ((node = list_pop_front(from)))
		list_push_back(to, node);
}

void call_fail_all(struct client *c, int rc, const struct err *err)
{
	struct list_node all, *node;
	struct err copy = *err;

	call_take_all(&c->waiting, &all);
	while ((node = list_pop_front(&all)))
		call_finish(LIST_ENTRY(node, struct call, link), rc, &copy);
	call_take_all(&c->failed, &all);
	while ((node = list_pop_front(&all)))
		call_finish(LIST_ENTRY(node, struct call, link), rc, &copy);
}

void call_fail_target(struct client *c, enum target_kind kind, struct str key, int rc,
		      const struct err *err)
{
	struct list_node all, *node;
	struct err copy = *err;

	call_take_all(&c->waiting, &all);
	while ((node = list_pop_front(&all))) {
		struct call *call = LIST_ENTRY(node, struct call, link);

		if (call->target.kind == kind && str_eq(call->target.key, key))
			call_finish(call, rc, &copy);
		else
			list_push_back(&c->waiting, &call->link);
	}
}

void call_fail_routed(struct client *c, int rc, const struct err *err)
{
	struct list_node all, *node;
	struct err copy = *err;

	call_take_all(&c->waiting, &all);
	while ((node = list_pop_front(&all))) {
		struct call *call = LIST_ENTRY(node, struct call, link);

		if (call->target.kind == TARGET_ANY)
			list_push_back(&c->waiting, &call->link);
		else
			call_finish(call, rc, &copy);
	}
}

void call_unqueue(struct call *call)
{
	call->on = NULL;
	call->state = CALL_WAITING;
	list_push_back(&call->client->waiting, &call->link);
}

/* ---- Routing --------------------------------------------------------------------------------- */

#define RANK_NOT_FAILING 100

/* Of the nodes: one that is ready, with the least in flight; else one that connects; else one that
 * may, and those that sent calls elsewhere after those; last, what failed. */
static struct node *pick_from(struct client *c, struct node *n, struct node *best, int *rank)
{
	struct link *l = node_link(c, n, LANE_MAIN);
	int r = -1;

	if (l->state == LINK_READY)
		r = 1000000 - (int)MIN(l->in_flight_count, 1000u);
	else if (l->state != LINK_DOWN)
		r = l->is_late ? 0 : 2000;
	else if (link_may_start(l))
		r = l->fail_count ? RANK_NOT_FAILING - (int)MIN(l->fail_count, 99u) : 1000;
	if (r >= RANK_NOT_FAILING && n->elsewhere_count > 0)
		r = 999 - (int)MIN(n->elsewhere_count, 899u);
	if (r > *rank) {
		*rank = r;
		return n;
	}
	return best;
}

/* NULL: all are failing and wait for their backoff. */
static struct node *call_pick_any(struct client *c)
{
	struct node *best = NULL, *n;
	bool use_bootstrap = c->node_list.next == &c->node_list;
	int rank = -1;

	LIST_FOREACH (&c->node_list, n, struct node, list_node)
		best = pick_from(c, n, best, &rank);
	/* Nobody that is known answers: begin again with the addresses of old. */
	if (rank < RANK_NOT_FAILING &&
	    strcmp(client_config_str(c->cfg, CC_METADATA_RECOVERY_STRATEGY), "none") != 0)
		use_bootstrap = true;
	if (c->meta.is_known &&
	    client_now(c) - c->meta.updated_ms >
		    client_config_int(c->cfg, CC_METADATA_MAX_AGE_MS) +
			    client_config_int(c->cfg, CC_METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS))
		use_bootstrap = true;
	for (unsigned i = 0; i < c->bootstrap_count && use_bootstrap; i++)
		best = pick_from(c, c->bootstrap[(c->bootstrap_at + i) % c->bootstrap_count], best,
				 &rank);
	return best;
}

/* What the call waits for was not in metadata: asks once for new metadata. Returns true while an
 * answer newer than the call's question is still to come. */
static bool call_wants_metadata(struct call *call)
{
	struct client *c = call->client;

	if (!call->refreshed) {
		call->refreshed = true;
		call->refresh_number = c->meta.begun_count + 1;
		client_refresh(c);
		return true;
	}
	return c->meta.answered < call->refresh_number;
}

static struct node *call_node_by_id(struct call *call, int32_t id, struct err *err, int *rc)
{
	struct node *n = meta_node(call->client, id);

	if (n || call_wants_metadata(call))
		return n;
	*rc = err_set(err, E_NOT_FOUND, "there is no broker %d in the cluster", id);
	return NULL;
}

static struct node *call_leader(struct call *call, struct err *err, int *rc)
{
	struct client *c = call->client;
	const struct client_topic *t = client_topic(c, call->target.key);
	const struct client_partition *p;

	if (!t || !t->is_known) {
		if (!t)
			client_want_topic(c, call->target.key, false);
		if (call_wants_metadata(call))
			return NULL;
		*rc = err_set(err, E_NOT_FOUND, "topic %.*s does not exist", STR(call->target.key));
		return NULL;
	}
	if (call->target.partition < 0 || call->target.partition >= t->partition_count) {
		if (call_wants_metadata(call))
			return NULL;
		if (kafka_error_is_fatal(t->error)) {
			err_set(err, E_KAFKA, "topic %.*s: %s", STR(t->name),
				kafka_error_text(t->error));
			err->kafka_error = t->error;
			*rc = E_KAFKA;
			return NULL;
		}
		*rc = t->partition_count == 0
			      ? err_set(err, E_NOT_FOUND, "topic %.*s does not exist", STR(t->name))
			      : err_set(err, E_NOT_FOUND, "topic %.*s has no partition %d",
					STR(t->name), call->target.partition);
		return NULL;
	}
	p = &t->partitions[call->target.partition];
	if (p->leader < 0) {
		client_refresh(c);
		err_set(&call->err, E_TIMEOUT, "%.*s-%d has no leader", STR(t->name),
			call->target.partition);
		return NULL;
	}
	return meta_node(c, p->leader);
}

/* The node to send to, or NULL: wait (*rc 0) or fail (*rc < 0). */
static struct node *call_target_node(struct call *call, struct err *err, int *rc)
{
	struct client *c = call->client;

	switch (call->target.kind) {
	case TARGET_ANY: return call_pick_any(c);
	case TARGET_NODE: return call_node_by_id(call, call->target.node_id, err, rc);
	case TARGET_CONTROLLER:
		if (c->meta.controller_id >= 0)
			return call_node_by_id(call, c->meta.controller_id, err, rc);
		if (call_wants_metadata(call))
			return NULL;
		return call_pick_any(c);
	case TARGET_GROUP:
	case TARGET_TXN: return coord_node(c, call->target.kind, call->target.key);
	case TARGET_LEADER: return call_leader(call, err, rc);
	}
	return NULL;
}

/* Gives a waiting call to a link, if it can be told which. */
static void call_route(struct call *call)
{
	struct client *c = call->client;
	struct err err = {0};
	struct node *n;
	struct link *l;
	int rc = 0;

	assert(call->state == CALL_WAITING);
	if (heap_linked(&call->wake))
		return; /* backing off */
	reach_begin(c);
	n = call_target_node(call, &err, &rc);
	if (rc < 0) {
		call_fail_soon(call, rc, &err);
		return;
	}
	if (!n)
		return;
	reach_begin_node(c, n);
	l = node_link(c, n, call->is_fetch ? LANE_FETCH : call->is_group ? LANE_GROUP : LANE_MAIN);
	link_start(l);
	if (l->state == LINK_DOWN)
		return; /* its timer routes again */
	list_remove(&call->link);
	call->state = CALL_QUEUED;
	call->on = l;
	call->node_id = n->id;
	link_enqueue(l, call);
}

void call_route_all(struct client *c)
{
	c->route_timer.fire = call_route_fire;
	if (!heap_linked(&c->route_timer.node))
		client_timer_start(c, &c->route_timer, 0);
}

static void call_route_fire(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, route_timer);
	struct list_node all, *node;

	call_take_all(&c->waiting, &all);
	while ((node = list_pop_front(&all))) {
		struct call *call = LIST_ENTRY(node, struct call, link);

		list_push_back(&c->waiting, &call->link);
		call_route(call);
	}
}

/* ---- Trying again ---------------------------------------------------------------------------- */

/* Requests that do something else when they are done twice, and cannot be told apart by the
 * broker: not sent again when it is not known what became of them. */
static bool call_is_once(const struct call *call)
{
	switch (call->api_key) {
	case API_CREATE_TOPICS:
	case API_CREATE_PARTITIONS:
	case API_DELETE_TOPICS:
	case API_CREATE_DELEGATION_TOKEN:
	case API_CREATE_ACLS:
	case API_DELETE_ACLS: return true;
	default: return false;
	}
}

void call_retry(struct call *call, int rc, const struct err *err, bool was_sent)
{
	struct client *c = call->client;
	int64_t backoff;

	call_detach(call);
	call->was_sent |= was_sent;
	if (err != &call->err)
		call->err = *err;
	if (c->is_freeing || rc == E_AUTH || rc == E_UNSUPPORTED || rc == E_INTERRUPTED ||
	    call->no_retry) {
		call_finish(call, rc, NULL);
		return;
	}
	if (was_sent && call_is_once(call)) {
		err_add(&call->err, E_CLOSED, "it is not known whether this was done");
		call_finish(call, E_CLOSED, NULL);
		return;
	}
	/* Another broker may be the coordinator by now. */
	if (call->target.kind == TARGET_GROUP || call->target.kind == TARGET_TXN)
		client_forget_coordinator(c, call->target.kind, call->target.key);
	call->state = CALL_WAITING;
	list_push_back(&c->waiting, &call->link);
	if (!was_sent) {
		/* The node could not be reached: another may do, at once. */
		call_route_all(c);
		return;
	}
	call->attempt_count++;
	call->refreshed = false;
	backoff = client_backoff_ms(c, call->attempt_count);
	heap_push(&c->wakes, &call->wake, client_now(c) + backoff);
	client_update_timer(c);
}

/* The end of the backoff, or of the time for an answer. */
void call_wake(struct call *call)
{
	struct err err = {0};
	struct link *l;

	if (call->state == CALL_WAITING) {
		call_route(call);
		return;
	}
	assert(call->state == CALL_SENT);
	l = call->on;
	err_set(&err, E_TIMEOUT, "%s:%d: no answer to %s within %lld ms", l->node->host,
		l->node->port, api_by_key(call->api_key)->name,
		(long long)(call->attempt_ms
				    ? call->attempt_ms
				    : client_config_int(call->client->cfg, CC_REQUEST_TIMEOUT_MS)));
	/* What comes later on this connection would be behind it: begin a new one. */
	link_fail(l, E_TIMEOUT, &err);
}

void call_deadline(struct call *call)
{
	char text[256];
	struct err err = {0};

	if (call->err.text[0]) {
		err = call->err;
		err_add(&err, E_TIMEOUT, "timed out");
	} else if (!call->client->is_connected) {
		client_unreachable(call->client, &err);
		err_add(&err, E_TIMEOUT, "timed out");
	} else {
		err_set(&err, E_TIMEOUT, "timed out waiting for %s", call_target_text(call, text));
	}
	call_finish(call, E_TIMEOUT, &err);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* Requests that the leader of the metadata's quorum answers, to whom brokers pass them on. Apache's
 * pass on also that it is none any more. */
static bool call_is_of_quorum(const struct call *call)
{
	return call->api_key == API_DESCRIBE_QUORUM || call->api_key == API_ADD_RAFT_VOTER ||
	       call->api_key == API_REMOVE_RAFT_VOTER;
}

/* Whether an error code says that this was the wrong place or the wrong moment. */
static bool call_is_elsewhere(const struct call *call, int code)
{
	/* A new leader takes no changes before it knows what was agreed under the last one. */
	if (call_is_of_quorum(call) && call->target.kind != TARGET_NODE)
		return code == KERR_NOT_CONTROLLER || code == KERR_NOT_LEADER_OR_FOLLOWER ||
		       (code == KERR_REQUEST_TIMED_OUT && call->was_sent);
	switch (call->target.kind) {
	case TARGET_CONTROLLER: return code == KERR_NOT_CONTROLLER;
	case TARGET_GROUP:
	case TARGET_TXN:
		return kafka_error_wants_coordinator(code) ||
		       code == KERR_COORDINATOR_LOAD_IN_PROGRESS ||
		       code == KERR_CONCURRENT_TRANSACTIONS;
	case TARGET_LEADER:
		return code != KERR_UNKNOWN_TOPIC_OR_PARTITION && code != KERR_UNKNOWN_TOPIC_ID &&
		       (kafka_error_wants_metadata(code) || code == KERR_UNKNOWN_LEADER_EPOCH ||
			code == KERR_OFFSET_NOT_AVAILABLE);
	case TARGET_ANY:
	case TARGET_NODE: return false;
	}
	return false;
}

/* Looks for such a code in fields named ErrorCode, to the depth of partitions in topics. */
static int call_find_error(const struct call *call, const struct wire_struct *s, const void *ptr,
			   unsigned depth)
{
	for (unsigned i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		const char *at = wire_at(f, ptr);
		int code;

		if (f->type == WIRE_INT16 && !(f->flags & WIRE_ARRAY) &&
		    strcmp(f->name, "ErrorCode") == 0) {
			code = *(const int16_t *)(const void *)at;
			if (code && call_is_elsewhere(call, code))
				return code;
		}
		if (f->type != WIRE_STRUCT || !(f->flags & WIRE_ARRAY) || depth == 0)
			continue;
		for (int32_t j = 0; j < wire_count(f, ptr); j++) {
			code = call_find_error(call, f->child,
					       *(const char *const *)(const void *)at +
						       (size_t)j * f->child->size,
					       depth - 1);
			if (code)
				return code;
		}
	}
	return 0;
}

/* Takes frame. */
void call_answered(struct call *call, const struct api *api, int16_t version, struct slice frame)
{
	struct client *c = call->client;
	struct link *l = call->on;
	char text[256];
	int32_t correlation_id;
	int code = 0;
	int rc;

	call_detach(call);
	call->frame = frame;
	call->version = version;
	rc = response_decode(api, &call->version, frame, &call->arena, &correlation_id,
			     &call->response, &call->err);
	if (rc < 0) {
		call_finish(call, rc, NULL);
		return;
	}
	link_throttle(l, api, call);
	if (!call->no_retry)
		code = call_find_error(call, api->response->body, call->response, 2);
	if (!code) {
		call->err = (struct err){0};
		call_finish(call, 0, NULL);
		return;
	}
	if (call->target.kind == TARGET_CONTROLLER)
		c->meta.controller_id = -1;
	if (call->target.kind == TARGET_ANY)
		l->node->elsewhere_count++;
	if (kafka_error_wants_coordinator(code))
		client_forget_coordinator(c, call->target.kind, call->target.key);
	if (call->target.kind == TARGET_LEADER)
		client_refresh(c);
	err_set(&call->err, E_KAFKA, "%s: %s", call_target_text(call, text),
		kafka_error_text(code));
	call->err.kafka_error = code;
	call_fini(call);
	arena_init(&call->arena);
	/* It was answered, so nothing was done: also what must not be sent twice may be. Only a
	 * leader of the quorum says so too when it loses its place with a change under way. */
	call->was_sent |= call_is_of_quorum(call) && code == KERR_NOT_LEADER_OR_FOLLOWER;
	call->state = CALL_WAITING;
	list_push_back(&c->waiting, &call->link);
	call->attempt_count++;
	call->refreshed = false;
	heap_push(&c->wakes, &call->wake,
		  client_now(c) + client_backoff_ms(c, call->attempt_count));
	client_update_timer(c);
}

/* ---- Waiting for answers --------------------------------------------------------------------- */

static void call_count_down(struct call *call)
{
	--*(size_t *)call->owner;
}

static bool call_is_zero(void *ctx)
{
	return *(size_t *)ctx == 0;
}

int client_call_all(struct client *c, struct call *calls, size_t count, struct err *err)
{
	size_t left = count;
	int rc;

	for (size_t i = 0; i < count; i++) {
		calls[i].done = call_count_down;
		calls[i].owner = &left;
		client_request(c, &calls[i]);
	}
	rc = client_wait(c, call_is_zero, &left, -1);
	if (rc == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (calls[i].state == CALL_DONE)
			continue;
		client_cancel(&calls[i]);
		calls[i].rc = rc;
	}
	return err_set(err, rc, "%s", err_text(rc));
}

int client_call(struct client *c, struct target target, int16_t api_key, const void *request,
		struct arena *arena, void **response, int16_t *version, struct err *err)
{
	struct call call = {.target = target, .api_key = api_key, .request = request};
	int rc = client_call_all(c, &call, 1, err);

	if (rc == 0)
		rc = call.rc;
	if (rc == 0) {
		/* Decoded once more over bytes that live as long as the arena. */
		struct slice copy = {NULL, arena_memdup(arena, call.frame.data, call.frame.len),
				     call.frame.len};
		int32_t correlation_id;

		rc = response_decode(api_by_key(api_key), &call.version, copy, arena,
				     &correlation_id, response, &call.err);
		if (version)
			*version = call.version;
	}
	if (rc < 0 && err)
		*err = call.err.text[0] ? call.err : *err;
	call_fini(&call);
	return rc;
}
