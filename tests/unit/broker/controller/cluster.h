/* Several control planes in one thread: shards without threads, a network of copied messages, one
 * clock that moves when told. Disks are the machine's. Include once, in one test program. */
#ifndef KAVKA_TESTS_UNIT_BROKER_CONTROLLER_CLUSTER_H
#define KAVKA_TESTS_UNIT_BROKER_CONTROLLER_CLUSTER_H

#include "base/mem.h"
#include "config/config.h"
#include "controller/control.h"
#include "controller/control_raft.h"
#include "log/log_dir.h"
#include "metadata/storage_format.h"
#include "shard/channel.h"
#include "wire/header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES_MAX 4
#define PORT_OF(id) (19000 + (id))
#define LATENCY_US 1000
#define CLUSTER_ID "AAAAAAAAQACAAAAAAAAAAA"

struct node {
	int32_t id;
	bool is_up;
	bool is_cut;    /* from all others */
	bool is_paused; /* does nothing; what is for it waits */
	bool is_full;   /* its disk */
	const char *roles;
	struct env env;
	struct shard shard, *shards[1];
	struct broker broker;
	char dir[80];
	struct config *config;
	struct log_dir *log_dir;
	struct control *control;
	const struct image *image;
	struct arena arena;
	bool caught_up, ready, stopped, fatal;
	unsigned image_count;

	struct task *first, **last;
	struct heap timers;
};

static struct {
	struct node nodes[NODES_MAX + 1]; /* by id */
	int count;
	int64_t now_us;
	char dir[64];
	struct list_node packets;
	struct env_work *works[64];
	unsigned work_count;
	const char *const *overrides;
} the;

/* ---- What the server gives ------------------------------------------------------------------- */

void shard_post(struct shard *to, struct task *task)
{
	struct node *n = CONTAINER_OF(to, struct node, shard);

	task->next = NULL;
	*n->last = task;
	n->last = &task->next;
}

void shard_timer_start(struct shard *s, struct timer *timer, int64_t delay_ms)
{
	struct node *n = CONTAINER_OF(s, struct node, shard);

	heap_remove(&n->timers, &timer->node);
	heap_push(&n->timers, &timer->node, the.now_us + delay_ms * 1000);
}

void shard_timer_stop(struct shard *s, struct timer *timer)
{
	heap_remove(&CONTAINER_OF(s, struct node, shard)->timers, &timer->node);
}

static int64_t cluster_mono_us(struct env *env UNUSED)
{
	return the.now_us;
}
static int64_t cluster_wall_ms(struct env *env UNUSED)
{
	return INT64_C(1700000000000) + the.now_us / 1000;
}
static void cluster_work(struct env *env UNUSED, struct env_work *work)
{
	assert_true(the.work_count < ARRAY_LEN(the.works));
	the.works[the.work_count++] = work;
}
static ssize_t cluster_pwrite(struct env *env, int fd, const void *data, size_t len, int64_t pos)
{
	if (CONTAINER_OF(env, struct node, env)->is_full)
		return -ENOSPC;
	return env_posix_ops.pwrite(env, fd, data, len, pos);
}
static int cluster_fsync(struct env *env UNUSED, int fd UNUSED)
{
	return 0;
}
static int cluster_fsync_dir(struct env *env UNUSED, const char *path UNUSED)
{
	return 0;
}
static struct env_ops cluster_ops;

/* ---- The network ----------------------------------------------------------------------------- */

struct channel {
	struct node *from, *to;
};

/* A request, then its answer. */
struct packet {
	struct list_node link;
	struct channel *channel;    /* NULL: the sender has given it up */
	struct channel_request *rq; /* likewise */
	struct node *from, *to;
	enum api_key api;
	int16_t version;
	struct arena arena;
	void *body;
	int64_t due_us, timeout_us;
	bool is_sent, is_answered;
	int rc;
	void *response;
	struct buf *records;
	struct control_inbound inbound;
	struct control_op op;
	/* of an envelope */
	struct request_header header;
	const struct api *inner;
};

struct channel *channel_new(const struct channel_options *options)
{
	struct channel *c = xcalloc(1, sizeof(*c));
	int id = options->port - PORT_OF(0);

	assert_true(id >= 1 && id <= the.count);
	assert_true(str_is(options->listener, "CONTROLLER"));
	c->from = CONTAINER_OF(options->shard, struct node, shard);
	c->to = &the.nodes[id];
	return c;
}

static void packet_free(struct packet *p)
{
	list_remove(&p->link);
	buf_unref(p->records);
	arena_fini(&p->arena);
	free(p);
}

/* Hands the request back to who sent it. */
static void packet_end(struct packet *p, int rc)
{
	struct channel_request *rq = p->rq;
	struct err err = {0};

	if (!rq)
		return;
	p->rq = NULL;
	p->channel = NULL;
	rq->channel = NULL;
	rq->version = p->version;
	rq->response = rc == 0 ? p->response : NULL;
	err_set(&err, rc, "node %d", p->to->id);
	rq->done(rq, rc, &err);
}

void channel_free(struct channel *c)
{
	struct packet *p;

	if (!c)
		return;
	LIST_FOREACH (&the.packets, p, struct packet, link)
		if (p->channel == c)
			packet_end(p, E_CLOSED);
	free(c);
}

void channel_send(struct channel *c, struct channel_request *rq)
{
	const struct api *api = api_by_key((int)rq->api);
	struct packet *p = xcalloc(1, sizeof(*p));

	assert_null(rq->channel);
	rq->channel = c;
	p->channel = c;
	p->rq = rq;
	p->from = c->from;
	p->to = c->to;
	p->api = rq->api;
	p->version = rq->version_max >= 0 && (rq->version_min || rq->version_max)
			     ? MIN(rq->version_max, api_max_stable(api))
			     : api_max_stable(api);
	arena_init(&p->arena);
	p->body = message_copy(api->request, &p->arena, rq->body);
	p->due_us = the.now_us + LATENCY_US;
	p->timeout_us = the.now_us + rq->timeout_ms * 1000;
	list_push_back(&the.packets, &p->link);
}

void channel_cancel(struct channel_request *rq)
{
	struct packet *p;

	LIST_FOREACH (&the.packets, p, struct packet, link) {
		if (p->rq != rq)
			continue;
		p->rq = NULL;
		p->channel = NULL;
		rq->channel = NULL;
	}
}

bool channel_is_ready(const struct channel *c)
{
	return c->to->is_up;
}

/* Some controllers are older, some know nothing of an API. */
static int16_t older_max = -1;

bool channel_versions(const struct channel *c UNUSED, enum api_key api, int16_t *min, int16_t *max)
{
	if (older_max >= 0 && api == API_UNREGISTER_CONTROLLER)
		return false;
	*min = api_by_key((int)api)->min_version;
	*max = api_max_stable(api_by_key((int)api));
	if (older_max >= 0 && api == API_CREATE_TOPICS)
		*max = older_max;
	return true;
}

bool channel_feature(const struct channel *c UNUSED, struct str feature UNUSED, int16_t *min UNUSED,
		     int16_t *max UNUSED)
{
	return false;
}

static void packet_answer(struct packet *p, void *response)
{
	p->response = response;
	p->is_answered = true;
	p->rc = p->to->is_up ? 0 : E_CLOSED;
	p->due_us = the.now_us + LATENCY_US;
}

static void inbound_done(struct control_inbound *ci)
{
	struct packet *p = CONTAINER_OF(ci, struct packet, inbound);

	arena_absorb(&p->arena, &ci->arena);
	p->records = ci->records;
	packet_answer(p, ci->response);
	if (!ci->response)
		p->rc = E_CLOSED;
}

static void op_done(struct control_op *op)
{
	packet_answer(CONTAINER_OF(op, struct packet, op), (void *)op->response);
}

static void envelope_done(struct control_op *op)
{
	struct packet *p = CONTAINER_OF(op, struct packet, op);
	struct envelope_response *response = WIRE_NEW(&p->arena, envelope_response);
	struct err err;
	struct out out;

	if (control_response_has_error(p->inner->response, op->response, KERR_NOT_CONTROLLER)) {
		response->error_code = KERR_NOT_CONTROLLER;
	} else {
		out_init(&out, 1 << 24);
		assert_int_equal(response_encode(p->inner, p->header.request_api_version,
						 p->header.correlation_id, op->response, &out, NULL,
						 &err),
				 0);
		response->response_data =
			(struct slice){.data = arena_memdup(&p->arena, out.data + 4, out.len - 4),
				       .len = out.len - 4};
		out_fini(&out);
	}
	packet_answer(p, response);
}

static enum control_op_kind kind_of(enum api_key api)
{
	switch (api) {
	case API_CREATE_TOPICS: return CONTROL_CREATE_TOPICS;
	case API_DELETE_TOPICS: return CONTROL_DELETE_TOPICS;
	case API_ALTER_PARTITION: return CONTROL_ALTER_PARTITION;
	case API_BROKER_REGISTRATION: return CONTROL_REGISTER_BROKER;
	case API_BROKER_HEARTBEAT: return CONTROL_HEARTBEAT;
	case API_ALLOCATE_PRODUCER_IDS: return CONTROL_ALLOCATE_PRODUCER_IDS;
	case API_UPDATE_FEATURES: return CONTROL_UPDATE_FEATURES;
	case API_UNREGISTER_BROKER: return CONTROL_UNREGISTER_BROKER;
	case API_LIST_PARTITION_REASSIGNMENTS: return CONTROL_LIST_REASSIGNMENTS;
	case API_DESCRIBE_QUORUM: return CONTROL_DESCRIBE_QUORUM;
	case API_REMOVE_RAFT_VOTER: return CONTROL_REMOVE_VOTER;
	default: assert_int_equal(api, API_CONTROLLER_REGISTRATION);
	}
	return CONTROL_REGISTER_CONTROLLER;
}

/* What a voter is asked for before it is believed. */
static struct api_versions_response *versions_of(struct packet *p)
{
	struct api_versions_response *response = WIRE_NEW(&p->arena, api_versions_response);

	response->supported_features =
		WIRE_ARRAY(&p->arena, api_versions_response_supported_feature_key, 1);
	response->supported_features_count = 1;
	response->supported_features[0].name = STR_LIT("kraft.version");
	response->supported_features[0].max_version = 1;
	return response;
}

static void packet_dispatch(struct packet *p)
{
	const struct envelope_request *envelope = p->body;
	struct err err;

	p->is_sent = true;
	p->op = (struct control_op){.arena = &p->arena, .stays_here = true, .done = op_done};
	switch (p->api) {
	case API_VOTE:
	case API_BEGIN_QUORUM_EPOCH:
	case API_END_QUORUM_EPOCH:
	case API_FETCH:
	case API_FETCH_SNAPSHOT:
	case API_UPDATE_RAFT_VOTER:
		p->inbound.in.api = p->api;
		p->inbound.in.body = p->body;
		p->inbound.in.listener = STR_LIT("CONTROLLER");
		p->inbound.done = inbound_done;
		control_raft_receive(&p->to->shard, &p->inbound);
		return;
	case API_API_VERSIONS: packet_answer(p, versions_of(p)); return;
	case API_ENVELOPE:
		assert_int_equal(request_decode(envelope->request_data, &p->arena, &p->header,
						&p->inner, &p->body, &err),
				 0);
		assert_true(p->inner->is_forwardable);
		assert_int_equal(envelope->client_host_address.len, 4);
		p->op.done = envelope_done;
		p->op.version = p->header.request_api_version;
		break;
	default:
		p->inner = api_by_key((int)p->api);
		p->op.version = p->version;
		break;
	}
	p->op.kind = kind_of((enum api_key)p->inner->key);
	p->op.request = p->body;
	p->op.response = message_new(p->inner->response, &p->arena);
	control_submit(&p->to->shard, &p->op);
}

/* What is due with that packet; false: nothing. */
static bool packet_step(struct packet *p)
{
	bool is_lost = p->from->is_cut || p->to->is_cut;

	if (p->rq && p->from->is_paused)
		return false;
	if (p->rq && the.now_us >= p->timeout_us) {
		packet_end(p, E_TIMEOUT);
		return true;
	}
	if (the.now_us < p->due_us || (p->is_sent && !p->is_answered))
		return false;
	if (!p->is_sent && !p->to->is_up) {
		p->is_sent = p->is_answered = true;
		p->rc = E_CLOSED;
	}
	if (is_lost) {
		if (p->rq || (p->is_sent && !p->is_answered))
			return false;
		packet_free(p);
		return true;
	}
	if (!p->is_sent) {
		packet_dispatch(p);
		return true;
	}
	packet_end(p, p->rc);
	packet_free(p);
	return true;
}

/* ---- Time ------------------------------------------------------------------------------------ */

static bool cluster_turn(void)
{
	bool any = false;
	struct packet *p;

	for (int i = 1; i <= the.count; i++) {
		struct node *n = &the.nodes[i];
		struct task *task = n->is_paused ? NULL : n->first;

		if (n->is_paused)
			continue;
		n->first = NULL;
		n->last = &n->first;
		any = any || task;
		while (task) {
			struct task *next = task->next;

			task->run(task, &n->shard);
			task = next;
		}
	}
	if (the.work_count) {
		struct env_work *work = the.works[0];

		memmove(the.works, the.works + 1, --the.work_count * sizeof(work));
		work->run(work);
		work->done(work);
		return true;
	}
	LIST_FOREACH (&the.packets, p, struct packet, link)
		if (packet_step(p))
			return true;
	return any;
}

/* To the next event; false: there is none before `end_us`. */
static bool cluster_advance(int64_t end_us)
{
	struct node *first = NULL;
	int64_t next_us = end_us + 1;
	struct packet *p;

	LIST_FOREACH (&the.packets, p, struct packet, link) {
		bool is_waiting = p->is_sent && !p->is_answered;

		if (!is_waiting && p->due_us > the.now_us)
			next_us = MIN(next_us, p->due_us);
		if (p->rq && !p->from->is_paused)
			next_us = MIN(next_us, MAX(p->timeout_us, the.now_us));
	}
	for (int i = 1; i <= the.count; i++) {
		struct heap_node *top = heap_top(&the.nodes[i].timers);

		if (!top || top->when >= next_us || the.nodes[i].is_paused)
			continue;
		next_us = top->when;
		first = &the.nodes[i];
	}
	if (next_us > end_us)
		return false;
	the.now_us = MAX(the.now_us, next_us);
	if (first) {
		struct heap_node *top = heap_top(&first->timers);
		struct timer *timer = CONTAINER_OF(top, struct timer, node);

		heap_remove(&first->timers, top);
		timer->fire(timer, &first->shard);
	}
	return true;
}

static void UNUSED cluster_run_for(int64_t ms)
{
	int64_t end_us = the.now_us + ms * 1000;

	while (cluster_turn() || cluster_advance(end_us))
		;
	the.now_us = end_us;
}

/* Until it is so; it must be within so much time. */
#define UNTIL(ms, condition) \
	do { \
		int64_t until_us = the.now_us + (ms)*INT64_C(1000); \
		while (!(condition) && (cluster_turn() || cluster_advance(until_us))) \
			; \
		if (!(condition)) \
			fail_msg("not within %d ms: %s", (int)(ms), #condition); \
	} while (0)

/* ---- Nodes ----------------------------------------------------------------------------------- */

static void node_on_image(void *ctx, const struct image *image)
{
	struct node *n = ctx;

	assert_true(!n->image || image_offset(image) > image_offset(n->image));
	image_unref(n->image);
	n->image = image;
	n->image_count++;
}
static void node_on_caught_up(void *ctx)
{
	struct node *n = ctx;

	n->caught_up = true;
	control_unfence(n->control);
}
static void node_on_ready(void *ctx)
{
	((struct node *)ctx)->ready = true;
}
static void node_on_fatal(void *ctx, const struct err *err)
{
	fprintf(stderr, "node %d: %s\n", ((struct node *)ctx)->id, err_message(err));
	((struct node *)ctx)->fatal = true;
}
static void node_on_stopped(void *ctx)
{
	((struct node *)ctx)->stopped = true;
}

/* Nodes 1 to 3 are the voters, if they are controllers at all. */
static void node_config(struct node *n)
{
	char text[8][160];
	const char *all[24];
	struct config_load_options options = {.overrides = all};
	struct err err = {0};
	bool is_broker = strstr(n->roles, "broker") != NULL;
	bool is_controller = strstr(n->roles, "controller") != NULL;
	size_t count = 0;

	snprintf(text[count++], 160, "node.id=%d", n->id);
	snprintf(text[count++], 160, "process.roles=%s", n->roles);
	snprintf(text[count++], 160, "log.dirs=%s", n->dir);
	snprintf(text[count++], 160,
		 "controller.quorum.voters=1@localhost:%d,2@localhost:%d,3@localhost:%d",
		 PORT_OF(1), PORT_OF(2), PORT_OF(3));
	snprintf(text[count++], 160, "controller.listener.names=CONTROLLER");
	snprintf(text[count++], 160, "listeners=%s%s%s",
		 is_broker ? "PLAINTEXT://localhost:9092" : "",
		 is_broker && is_controller ? "," : "",
		 is_controller ? "CONTROLLER://localhost:9093" : "");
	for (size_t i = 0; i < count; i++)
		all[options.override_count++] = text[i];
	for (const char *const *o = the.overrides; o && *o; o++)
		all[options.override_count++] = *o;
	if (config_load(&n->config, &options, &err) < 0)
		fail_msg("%s", err.text);
}

static void node_start(struct node *n)
{
	struct image_endpoint endpoint = {STR_LIT("PLAINTEXT"), STR_LIT("localhost"),
					  (uint16_t)(9000 + n->id), 0};
	struct control_options options = {
		.shard = &n->shard,
		.env = &n->env,
		.node_id = n->id,
		.cluster_id = STR_LIT(CLUSTER_ID),
		.metadata_dir = n->dir,
		.endpoints = &endpoint,
		.endpoint_count = 1,
		.log_dir_count = 1,
		.previous_broker_epoch = -1,
		.ctx = n,
		.on_image = node_on_image,
		.on_caught_up = node_on_caught_up,
		.on_ready = node_on_ready,
		.on_fatal = node_on_fatal,
		.on_stopped = node_on_stopped,
	};
	struct err err = {0};

	node_config(n);
	n->ready = n->caught_up = n->stopped = n->fatal = false;
	if (log_dir_open(&n->log_dir, &n->env, n->dir, &err) < 0 ||
	    log_dir_load(n->log_dir, &err) < 0)
		fail_msg("%s", err.text);
	options.config = n->config;
	options.is_broker = config_is_broker(n->config);
	options.is_controller = config_is_controller(n->config);
	if (options.is_controller)
		options.controller_endpoint = (struct image_endpoint){
			STR_LIT("CONTROLLER"), STR_LIT("localhost"), (uint16_t)PORT_OF(n->id), 0};
	options.metadata_dir_id = n->log_dir->meta.directory_id;
	options.log_dirs = &n->log_dir->meta.directory_id;
	n->shard.config = n->config;
	if (control_start(&n->control, &options, &err) < 0)
		fail_msg("%s", err.text);
	n->shard.control = n->control;
	n->is_up = true;
}

/* Ends at once, as a crash does; the disk keeps what it has. */
static void node_kill(struct node *n)
{
	struct packet *p;

	if (!n->is_up)
		return;
	n->is_up = false;
	n->shard.control = NULL;
	control_close(n->control);
	n->control = NULL;
	LIST_FOREACH (&the.packets, p, struct packet, link)
		if (p->from == n)
			packet_end(p, E_CLOSED);
	while (n->first || the.work_count)
		cluster_turn();
	image_unref(n->image);
	n->image = NULL;
	log_dir_close(n->log_dir);
	config_unref(n->config);
}

static void UNUSED node_stop(struct node *n)
{
	control_stop(n->control, 30000);
	UNTIL(31000, n->stopped);
	control_leave_quorum(n->control);
	cluster_run_for(100);
	node_kill(n);
}

static void node_init(struct node *n, int32_t id, const char *roles)
{
	struct storage_format_options format = {.cluster_id = CLUSTER_ID};
	struct err err = {0};

	memset(n, 0, sizeof(*n));
	n->id = id;
	n->roles = roles;
	env_posix_init(&n->env);
	n->env.ops = &cluster_ops;
	n->last = &n->first;
	heap_init(&n->timers);
	arena_init(&n->arena);
	n->shards[0] = &n->shard;
	n->broker = (struct broker){.shards = n->shards, .shard_count = 1, .node_id = id};
	n->shard.broker = &n->broker;
	n->shard.env = &n->env;
	snprintf(n->dir, sizeof(n->dir), "%s/%d", the.dir, id);
	assert_int_equal(mkdir(n->dir, 0700), 0);
	node_config(n);
	format.config = n->config;
	if (storage_format(&n->env, &format, &err) < 0)
		fail_msg("%s", err.text);
	config_unref(n->config);
}

/* Roles of the nodes 1, 2, ...; `overrides` for all of them end with NULL and must stay. */
static void cluster_init(int count, const char *const *roles, const char *const *overrides)
{
	memset(&the, 0, sizeof(the));
	cluster_ops = env_posix_ops;
	cluster_ops.mono_us = cluster_mono_us;
	cluster_ops.wall_ms = cluster_wall_ms;
	cluster_ops.work = cluster_work;
	cluster_ops.pwrite = cluster_pwrite;
	cluster_ops.fsync = cluster_fsync;
	cluster_ops.fsync_dir = cluster_fsync_dir;
	the.now_us = 1000000;
	the.count = count;
	the.overrides = overrides;
	list_init(&the.packets);
	snprintf(the.dir, sizeof(the.dir), "/tmp/kavka-test-XXXXXX");
	assert_non_null(mkdtemp(the.dir));
	for (int i = 1; i <= count; i++)
		node_init(&the.nodes[i], i, roles[i - 1]);
}

static void cluster_fini(void)
{
	char command[128];
	struct packet *p;

	for (int i = 1; i <= the.count; i++)
		node_kill(&the.nodes[i]);
	while (cluster_turn())
		;
	LIST_FOREACH (&the.packets, p, struct packet, link)
		packet_free(p);
	for (int i = 1; i <= the.count; i++) {
		heap_fini(&the.nodes[i].timers);
		arena_fini(&the.nodes[i].arena);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", the.dir);
	assert_int_equal(system(command), 0);
}

/* ---- Operations ------------------------------------------------------------------------------ */

struct call {
	struct control_op op;
	bool done;
};

static void call_done(struct control_op *op)
{
	CONTAINER_OF(op, struct call, op)->done = true;
}

/* As a client of that node. */
static void call_begin(struct node *n, struct call *call, enum control_op_kind kind,
		       int16_t version, const void *request, void *response)
{
	*call = (struct call){.op = {.kind = kind,
				     .version = version,
				     .request = request,
				     .response = response,
				     .arena = &n->arena,
				     .principal = "User:alice",
				     .client_host = "/127.0.0.1",
				     .client_id = STR_LIT("test"),
				     .done = call_done}};
	control_submit(&n->shard, &call->op);
}

#endif
