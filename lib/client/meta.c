/* Metadata: brokers, topics and who leads their partitions. */
#define SAY_PLACE "client/meta"
#include "client/client_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <stdio.h>

static void meta_ask(struct client *c);
static void meta_done(struct call *call);
static void meta_fire(struct client_timer *t);
static void meta_apply(struct client *c, const struct metadata_response *r);
static void meta_apply_brokers(struct client *c, const struct metadata_response_broker *brokers,
			       int32_t count);

void meta_init(struct client *c)
{
	struct meta *m = &c->meta;

	map_init(&m->topics);
	map_init(&m->topic_ids);
	arena_init(&m->arena);
	m->controller_id = -1;
	m->timer.fire = meta_fire;
}

static void topic_free(struct client *c, struct client_topic *t)
{
	map_remove(&c->meta.topics, &t->node);
	if (!uuid_is_zero(t->id))
		map_remove(&c->meta.topic_ids, &t->id_node);
	arena_fini(&t->arena);
	free((char *)(uintptr_t)t->name.data);
	free(t);
}

void meta_fini(struct client *c)
{
	struct client_topic *t;

	if (c->meta.is_asking)
		client_cancel(&c->meta.call);
	MAP_FOREACH(&c->meta.topics, t, struct client_topic, node)
		topic_free(c, t);
	map_fini(&c->meta.topics);
	map_fini(&c->meta.topic_ids);
	arena_fini(&c->meta.arena);
	free(c->meta.cluster_id);
}

/* ---- Topics ---------------------------------------------------------------------------------- */

static struct client_topic *topic_find(const struct client *c, struct str name)
{
	struct map_node *node = map_get(&c->meta.topics, name.data, name.len);

	return node ? CONTAINER_OF(node, struct client_topic, node) : NULL;
}

static struct client_topic *topic_make(struct client *c, struct str name)
{
	struct client_topic *t = xcalloc(1, sizeof(*t));

	t->name = (struct str){xstrndup(name.data, name.len), name.len};
	arena_init(&t->arena);
	map_put(&c->meta.topics, &t->node, t->name.data, t->name.len);
	return t;
}

const struct client_topic *client_topic(const struct client *c, struct str name)
{
	return topic_find(c, name);
}

const struct client_topic *client_topic_by_id(const struct client *c, struct uuid id)
{
	struct map_node *node = map_get(&c->meta.topic_ids, id.bytes, sizeof(id.bytes));

	return node ? CONTAINER_OF(node, struct client_topic, id_node) : NULL;
}

void client_each_topic(const struct client *c,
		       bool (*each)(void *ctx, const struct client_topic *t), void *ctx)
{
	struct client_topic *t;

	MAP_FOREACH(&c->meta.topics, t, struct client_topic, node)
		if (t->is_known && !each(ctx, t))
			return;
}

void client_want_topic(struct client *c, struct str name, bool allow_create)
{
	struct client_topic *t = topic_find(c, name);

	if (!t)
		t = topic_make(c, name);
	t->wanted_count++;
	if (allow_create)
		c->meta.allow_create = true;
	if (!t->is_known)
		client_refresh(c);
}

void client_unwant_topic(struct client *c, struct str name)
{
	struct client_topic *t = topic_find(c, name);

	if (!t || t->wanted_count == 0 || --t->wanted_count > 0 || c->meta.want_all)
		return;
	topic_free(c, t);
}

void client_want_all(struct client *c)
{
	if (c->meta.want_all)
		return;
	c->meta.want_all = true;
	client_refresh(c);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

struct node *meta_node(struct client *c, int32_t id)
{
	struct map_node *node;

	if (id < 0)
		return -id <= (int32_t)c->bootstrap_count ? c->bootstrap[-id - 1] : NULL;
	node = map_get(&c->nodes, &id, sizeof(id));
	return node ? CONTAINER_OF(node, struct node, map_node) : NULL;
}

size_t client_brokers(const struct client *c, const struct client_broker **out)
{
	*out = c->brokers;
	return c->broker_count;
}

const struct client_broker *client_broker(const struct client *c, int32_t id)
{
	for (size_t i = 0; i < c->broker_count; i++)
		if (c->brokers[i].id == id)
			return &c->brokers[i];
	return NULL;
}

const char *client_cluster_id(const struct client *c)
{
	return c->meta.cluster_id;
}

int32_t client_controller_id(const struct client *c)
{
	return c->meta.controller_id;
}

/* A connection to an address of bootstrap.servers is the broker's that turned out to be there. */
static void meta_adopt(struct client *c, struct node *n)
{
	for (unsigned i = 0; i < c->bootstrap_count; i++) {
		struct node *b = c->bootstrap[i];
		struct link *l = b->links[LANE_MAIN];

		if (!l || l->state != LINK_READY || n->links[LANE_MAIN] || b->port != n->port ||
		    strcmp(b->host, n->host) != 0)
			continue;
		b->links[LANE_MAIN] = NULL;
		n->links[LANE_MAIN] = l;
		l->node = n;
		reach_connected(c, n);
	}
}

static int broker_cmp(const void *a, const void *b)
{
	int32_t x = ((const struct client_broker *)a)->id;
	int32_t y = ((const struct client_broker *)b)->id;

	return (x > y) - (x < y);
}

static void meta_node_add(struct client *c, const struct metadata_response_broker *b)
{
	struct node *n = meta_node(c, b->node_id);

	if (n && n->port == b->port && str_is(b->host, n->host)) {
		list_remove(&n->list_node);
		list_push_back(&c->node_list, &n->list_node);
		return;
	}
	if (n) {
		map_remove(&c->nodes, &n->map_node);
		node_retire(c, n);
	}
	n = node_new(c, b->node_id, b->host, b->port, b->rack);
	map_put(&c->nodes, &n->map_node, &n->id, sizeof(n->id));
	list_push_back(&c->node_list, &n->list_node);
	meta_adopt(c, n);
}

static void meta_apply_brokers(struct client *c, const struct metadata_response_broker *brokers,
			       int32_t count)
{
	struct list_node old, *node;

	/* Those still there go back to the list, the rest is retired. */
	list_init(&old);
	while ((node = list_pop_front(&c->node_list)))
		list_push_back(&old, node);
	free(c->brokers);
	c->brokers = xcalloc((size_t)count + 1, sizeof(*c->brokers));
	c->broker_count = 0;
	for (int32_t i = 0; i < count; i++) {
		if (brokers[i].node_id < 0)
			continue;
		meta_node_add(c, &brokers[i]);
	}
	while ((node = list_pop_front(&old))) {
		struct node *n = LIST_ENTRY(node, struct node, list_node);

		map_remove(&c->nodes, &n->map_node);
		node_retire(c, n);
	}
	for (node = c->node_list.next; node != &c->node_list; node = node->next) {
		struct node *n = LIST_ENTRY(node, struct node, list_node);

		c->brokers[c->broker_count++] =
			(struct client_broker){n->id, n->host, n->port, n->rack};
	}
	qsort(c->brokers, c->broker_count, sizeof(*c->brokers), broker_cmp);
}

void meta_forget_nodes(struct client *c)
{
	if (strcmp(client_config_str(c->cfg, CC_METADATA_RECOVERY_STRATEGY), "none") == 0)
		return;
	say_info("beginning again with bootstrap.servers");
	meta_apply_brokers(c, NULL, 0);
	free(c->meta.cluster_id);
	c->meta.cluster_id = NULL;
	c->meta.controller_id = -1;
	client_refresh(c);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

void client_refresh(struct client *c)
{
	struct meta *m = &c->meta;
	int64_t now = client_now(c);

	if (m->is_asking) {
		m->again = true;
		return;
	}
	if (heap_linked(&m->timer.node))
		return;
	client_timer_start(c, &m->timer, MAX(m->not_before_ms - now, 0));
}

static void meta_fire(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, meta.timer);

	if (!c->meta.is_asking)
		meta_ask(c);
}

/* The topics of the request: NULL is all of them; version 0 has an empty list for that. */
static void meta_prepare(struct call *call, int16_t version)
{
	struct client *c = call->owner;
	struct meta *m = &c->meta;
	struct metadata_request *r;
	struct client_topic *t;
	int32_t i = 0;

	arena_reset(&m->arena);
	r = WIRE_NEW(&m->arena, metadata_request);
	r->allow_auto_topic_creation = m->allow_create;
	r->topics = WIRE_ARRAY(&m->arena, metadata_request_topic, m->topics.count + 1);
	MAP_FOREACH(&m->topics, t, struct client_topic, node)
		if (t->wanted_count > 0)
			r->topics[i++].name = t->name;
	r->topics_count = m->want_all ? -1 : i;
	if (m->want_all && version == 0)
		r->topics_count = 0;
	call->request = r;
}

static void meta_ask_controllers(struct client *c)
{
	struct describe_cluster_request *r;

	arena_reset(&c->meta.arena);
	r = WIRE_NEW(&c->meta.arena, describe_cluster_request);
	r->endpoint_type = 2;
	c->meta.call.api_key = API_DESCRIBE_CLUSTER;
	c->meta.call.version_min = 1;
	c->meta.call.request = r;
	c->meta.call.prepare = NULL;
}

static void meta_ask(struct client *c)
{
	struct meta *m = &c->meta;

	m->call = (struct call){
		.target = TO_ANY,
		.api_key = API_METADATA,
		.version_min = 1,
		.timeout_ms = -1,
		.prepare = meta_prepare,
		.done = meta_done,
		.owner = c,
	};
	if (c->is_controllers)
		meta_ask_controllers(c);
	m->is_asking = true;
	m->again = false;
	m->begun_count++;
	client_request(c, &m->call);
}

static void meta_failed(struct client *c, const struct err *err)
{
	struct meta *m = &c->meta;

	m->err = *err;
	m->fail_count++;
	m->not_before_ms = client_now(c) + client_backoff_ms(c, m->fail_count);
	say_debug("metadata: %s", err->text);
	/* Nobody there, or not allowed: what waits has been told. Otherwise once more. */
	if (err->code == E_UNREACHABLE || err->code == E_AUTH || err->code == E_INTERRUPTED ||
	    err->code == E_UNSUPPORTED)
		call_fail_all(c, err->code, err);
	else
		client_refresh(c);
}

static void meta_controllers(struct client *c, const struct describe_cluster_response *r,
			     struct metadata_response *out, struct arena *arena)
{
	(void)c;
	WIRE_INIT(metadata_response, out);
	out->error_code = r->error_code;
	out->cluster_id = r->cluster_id;
	out->controller_id = r->controller_id;
	out->brokers = WIRE_ARRAY(arena, metadata_response_broker, r->brokers_count);
	out->brokers_count = r->brokers_count;
	for (int32_t i = 0; i < r->brokers_count; i++) {
		out->brokers[i].node_id = r->brokers[i].broker_id;
		out->brokers[i].host = r->brokers[i].host;
		out->brokers[i].port = r->brokers[i].port;
		out->brokers[i].rack = r->brokers[i].rack;
	}
}

static void meta_done(struct call *call)
{
	struct client *c = call->owner;
	struct meta *m = &c->meta;
	struct client_watcher *w;
	struct metadata_response converted;
	const struct metadata_response *r = call->response;
	struct err err = {0};

	m->is_asking = false;
	if (call->rc == 0 && c->is_controllers) {
		meta_controllers(c, call->response, &converted, &call->arena);
		r = &converted;
	}
	if (call->rc == 0 && r->error_code) {
		err_set(&err, E_KAFKA, "metadata: %s", kafka_error_text(r->error_code));
		err.kafka_error = r->error_code;
		if (r->error_code == KERR_REBOOTSTRAP_REQUIRED)
			meta_forget_nodes(c);
	} else if (call->rc < 0) {
		err = call->err;
	}
	if (err.code) {
		call_fini(call);
		meta_failed(c, &err);
		return;
	}
	m->answered = m->begun_count;
	m->updated_ms = client_now(c);
	m->is_known = true;
	m->fail_count = 0;
	m->not_before_ms = 0;
	meta_apply(c, r);
	m->version++;
	call_fini(call);
	if (m->again)
		client_refresh(c);
	LIST_FOREACH(&c->watchers, w, struct client_watcher, link)
		w->metadata_changed(w);
	call_route_all(c);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* An older epoch is older news, except of another topic of the same name. */
static bool partition_is_newer(const struct client_topic *t,
			       const struct metadata_response_topic *r,
			       const struct metadata_response_partition *p)
{
	if (!uuid_eq(t->id, r->topic_id) || p->partition_index >= t->partition_count)
		return true;
	return p->leader_epoch < 0 ||
	       p->leader_epoch >= t->partitions[p->partition_index].leader_epoch;
}

static void partition_fill(struct arena *arena, struct client_partition *p,
			   const struct metadata_response_partition *r)
{
	p->error = r->error_code;
	p->leader = r->error_code == KERR_LEADER_NOT_AVAILABLE ? -1 : r->leader_id;
	p->leader_epoch = r->leader_epoch;
	p->replica_count = MAX(r->replica_nodes_count, 0);
	p->isr_count = MAX(r->isr_nodes_count, 0);
	p->replicas = arena_memdup(arena, r->replica_nodes,
				   (size_t)p->replica_count * sizeof(int32_t));
	p->isr = arena_memdup(arena, r->isr_nodes, (size_t)p->isr_count * sizeof(int32_t));
}

/* A topic that the first record makes is not there yet in so many answers; then it is told. */
#define META_PRODUCER_PATIENCE 5

/* Returns whether something is still missing. */
static bool topic_apply(struct client *c, struct client_topic *t,
			const struct metadata_response_topic *r)
{
	struct client_partition *partitions;
	struct arena arena;
	bool is_missing = false, is_producer = client_config_role(c->cfg) == CLIENT_PRODUCER;
	int32_t count = 0;

	t->error_count = r->error_code ? t->error_count + 1 : 0;
	if (t->error_count == (is_producer ? META_PRODUCER_PATIENCE : 1) && t->wanted_count > 0 &&
	    client_config_role(c->cfg) != CLIENT_ADMIN)
		say_warn("topic %.*s: %s", STR(t->name), kafka_error_text(r->error_code));
	t->error = r->error_code;
	t->updated_ms = client_now(c);
	if (r->error_code) {
		/* What was known stays, unless the topic is gone. */
		if (r->error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION) {
			t->is_known = false;
			t->partition_count = 0;
		}
		return kafka_error_is_retriable(r->error_code);
	}
	for (int32_t i = 0; i < r->partitions_count; i++)
		count = MAX(count, r->partitions[i].partition_index + 1);
	if (count > r->partitions_count)
		count = r->partitions_count;	/* indexes have no gaps */
	arena_init(&arena);
	partitions = arena_array(&arena, (size_t)count + 1, sizeof(*partitions));
	for (int32_t i = 0; i < count; i++)
		partitions[i].leader = partitions[i].leader_epoch = -1;
	for (int32_t i = 0; i < r->partitions_count; i++) {
		const struct metadata_response_partition *p = &r->partitions[i];

		if (p->partition_index < 0 || p->partition_index >= count)
			continue;
		partition_fill(&arena, &partitions[p->partition_index], p);
		if (!partition_is_newer(t, r, p)) {
			partitions[p->partition_index].leader =
				t->partitions[p->partition_index].leader;
			partitions[p->partition_index].leader_epoch =
				t->partitions[p->partition_index].leader_epoch;
		}
		is_missing |= partitions[p->partition_index].leader < 0;
	}
	if (!uuid_eq(t->id, r->topic_id)) {
		if (!uuid_is_zero(t->id))
			map_remove(&c->meta.topic_ids, &t->id_node);
		t->id = r->topic_id;
		if (!uuid_is_zero(t->id) &&
		    !map_get(&c->meta.topic_ids, t->id.bytes, sizeof(t->id.bytes)))
			map_put(&c->meta.topic_ids, &t->id_node, t->id.bytes, sizeof(t->id.bytes));
		else
			t->id = (struct uuid){0};
	}
	arena_fini(&t->arena);
	t->arena = arena;
	t->partitions = partitions;
	t->partition_count = count;
	t->is_internal = r->is_internal;
	t->is_known = true;
	return is_missing;
}

static void meta_apply(struct client *c, const struct metadata_response *r)
{
	struct meta *m = &c->meta;
	struct client_topic *t;
	bool is_missing = false;
	int64_t began = client_now(c);

	if (r->brokers_count > 0)
		meta_apply_brokers(c, r->brokers, r->brokers_count);
	m->controller_id = r->controller_id;
	if (r->cluster_id.data) {
		free(m->cluster_id);
		m->cluster_id = xstrndup(r->cluster_id.data, r->cluster_id.len);
	}
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *rt = &r->topics[i];

		if (!rt->name.data)
			continue;
		t = topic_find(c, rt->name);
		if (!t && m->want_all)
			t = topic_make(c, rt->name);
		if (t && topic_apply(c, t, rt) && t->wanted_count > 0)
			is_missing = true;
	}
	/* With all asked for, a topic that is not in the answer is gone. */
	if (m->want_all) {
		MAP_FOREACH(&m->topics, t, struct client_topic, node)
		{
			if (t->updated_ms >= began)
				continue;
			t->is_known = false;
			t->partition_count = 0;
			if (t->wanted_count == 0)
				topic_free(c, t);
		}
	}
	if (is_missing) {
		m->fail_count = MAX(m->fail_count, 1u);
		m->not_before_ms = client_now(c) + client_backoff_ms(c, 3);
		m->again = true;
	}
}

void client_set_leader(struct client *c, struct str topic, int32_t partition, int32_t leader,
		       int32_t leader_epoch)
{
	struct client_topic *t = topic_find(c, topic);

	if (!t || partition < 0 || partition >= t->partition_count ||
	    leader_epoch < t->partitions[partition].leader_epoch || leader < 0)
		return;
	t->partitions[partition].leader = leader;
	t->partitions[partition].leader_epoch = leader_epoch;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

struct refresh_wait {
	struct client *client;
	uint64_t number;
	unsigned fail_count;
};

static bool refresh_is_done(void *ctx)
{
	struct refresh_wait *w = ctx;
	struct meta *m = &w->client->meta;

	return m->answered >= w->number ||
	       (m->fail_count > w->fail_count && m->err.code);
}

int client_refresh_wait(struct client *c, struct err *err)
{
	struct refresh_wait w = {c, c->meta.begun_count + 1, c->meta.fail_count};
	int rc;

	c->meta.err = (struct err){0};
	client_refresh(c);
	rc = client_wait(c, refresh_is_done, &w,
			 client_config_int(c->cfg, CC_DEFAULT_API_TIMEOUT_MS));
	if (rc == 0 && c->meta.err.code) {
		if (err)
			*err = c->meta.err;
		return c->meta.err.code;
	}
	return rc < 0 ? err_set(err, rc, "waiting for metadata: %s", err_text(rc)) : 0;
}
