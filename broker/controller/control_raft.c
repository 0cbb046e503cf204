#include "controller/control_raft.h"

#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"
#include "shard/channel.h"

#include <stdio.h>

#define SAY_PLACE "broker/raft"

/* Connections that nobody has used for so long are closed when another one is opened. */
#define WAY_IDLE_US (60 * 1000 * 1000)

/* A node at an address, and the connection to it. */
struct raft_way {
	struct list_node link;
	int32_t node_id;
	char *host;
	uint16_t port;
	struct channel *channel;
	unsigned call_count; /* under way */
	int64_t used_us;
};

/* One request of raft, until its answer. */
struct raft_call {
	struct channel_request rq;
	struct control *control;
	struct raft_way *way;
	uint64_t id;
};

struct control_net {
	struct list_node ways;
	struct list_node inbound; /* control_inbound: raft has them */
	char *listener;           /* the first of controller.listener.names */
	int16_t security_protocol;
	char client_id[32];
	int64_t timeout_ms;
	bool is_closing;
};

/* ---- Out ------------------------------------------------------------------------------------- */

static void way_free(struct raft_way *way)
{
	list_remove(&way->link);
	channel_free(way->channel);
	free(way->host);
	free(way);
}

static struct raft_way *way_of(struct control *c, const struct raft_request *request)
{
	struct control_net *net = c->net;
	int64_t now_us = env_mono_us(c->env);
	struct raft_way *way;

	LIST_FOREACH (&net->ways, way, struct raft_way, link)
		if (way->node_id == request->node_id && way->port == request->port &&
		    str_is(request->host, way->host))
			return way;
	LIST_FOREACH (&net->ways, way, struct raft_way, link)
		if (way->call_count == 0 && now_us - way->used_us > WAY_IDLE_US)
			way_free(way);
	way = xcalloc(1, sizeof(*way));
	way->node_id = request->node_id;
	way->host = xstrndup(request->host.data, request->host.len);
	way->port = request->port;
	way->channel = channel_new(&(struct channel_options){
		.shard = c->shard,
		.host = request->host,
		.port = request->port,
		.listener = str_of(net->listener),
		.security_protocol = net->security_protocol,
		.client_id = net->client_id,
	});
	list_push_back(&net->ways, &way->link);
	return way;
}

static void raft_call_done(struct channel_request *rq, int rc, const struct err *err)
{
	struct raft_call *call = rq->owner;
	struct control *c = call->control;

	call->way->call_count--;
	if (rc < 0)
		say_debug("%s: %s", api_by_key((int)rq->api)->name, err_message(err));
	if (!c->net->is_closing) {
		raft_responded(c->raft, call->id, rc < 0 ? NULL : rq->response, rc);
		control_pump_soon(c);
	}
	free(call);
}

static void control_raft_send(void *ctx, const struct raft_request *request)
{
	struct control *c = ctx;
	struct raft_call *call = xcalloc(1, sizeof(*call));

	call->control = c;
	call->id = request->id;
	call->way = way_of(c, request);
	call->way->call_count++;
	call->way->used_us = env_mono_us(c->env);
	call->rq = (struct channel_request){
		.api = request->api,
		.body = request->body,
		/* the topic by its id, the replica by its state */
		.version_min = request->api == API_FETCH ? 15 : 0,
		.version_max = -1,
		.timeout_ms = c->net->timeout_ms,
		.done = raft_call_done,
		.owner = call,
	};
	channel_send(call->way->channel, &call->rq);
}

/* ---- In -------------------------------------------------------------------------------------- */

static void inbound_return(struct control_inbound *ci);

/* The answer is raft's until this returns: all of it is copied, but for what is large. */
static void inbound_answer(struct raft_inbound *in, const void *response)
{
	struct control_inbound *ci = CONTAINER_OF(in, struct control_inbound, in);
	const struct message_desc *desc = api_by_key((int)in->api)->response;
	/* made in our arena, so ours to write */
	void *ours = (void *)(uintptr_t)response;
	struct fetch_response *fetch = in->api == API_FETCH ? ours : NULL;
	struct fetch_snapshot_response *snapshot = in->api == API_FETCH_SNAPSHOT ? ours : NULL;
	struct slice bytes = SLICE_NULL, *place = NULL;

	if (fetch && fetch->responses_count == 1)
		place = &fetch->responses[0].partitions[0].records;
	if (snapshot && snapshot->topics_count == 1)
		place = &snapshot->topics[0].partitions[0].unaligned_records;
	if (place) {
		bytes = *place;
		*place = SLICE_NULL;
	}
	ci->response = message_copy(desc, &ci->arena, response);
	if (fetch && place) {
		fetch = ci->response;
		fetch->responses[0].partitions[0].records = bytes;
		ci->records = bytes.buf ? buf_ref(bytes.buf) : NULL;
	} else if (place) {
		snapshot = ci->response;
		snapshot->topics[0].partitions[0].unaligned_records = bytes;
	}
	inbound_return(ci);
}

static void inbound_home(struct task *task, struct shard *on UNUSED)
{
	struct control_inbound *ci = CONTAINER_OF(task, struct control_inbound, task);

	ci->done(ci);
}

static void inbound_return(struct control_inbound *ci)
{
	list_remove(&ci->link);
	ci->task.run = inbound_home;
	shard_post(ci->home, &ci->task);
}

static void inbound_arrived(struct task *task, struct shard *on)
{
	struct control_inbound *ci = CONTAINER_OF(task, struct control_inbound, task);
	struct control *c = on->control;

	if (!c) {
		inbound_return(ci);
		return;
	}
	list_push_back(&c->net->inbound, &ci->link);
	raft_receive(c->raft, &ci->in);
	control_pump_soon(c);
}

void control_raft_receive(struct shard *from, struct control_inbound *ci)
{
	ci->home = from;
	ci->response = NULL;
	ci->records = NULL;
	arena_init(&ci->arena);
	ci->in.arena = &ci->arena;
	ci->in.answer = inbound_answer;
	ci->task.run = inbound_arrived;
	shard_post(shard_control(from->broker), &ci->task);
}

static void inbound_forgotten(struct task *task, struct shard *on UNUSED)
{
	struct control_inbound *ci = CONTAINER_OF(task, struct control_inbound, forget_task);

	ci->forgotten(ci);
}

static void inbound_forget(struct task *task, struct shard *on)
{
	struct control_inbound *ci = CONTAINER_OF(task, struct control_inbound, forget_task);

	if (list_linked(&ci->link)) {
		raft_forget(on->control->raft, &ci->in);
		inbound_return(ci);
	}
	task->run = inbound_forgotten;
	shard_post(ci->home, task);
}

void control_raft_forget(struct control_inbound *ci, void (*forgotten)(struct control_inbound *ci))
{
	ci->forgotten = forgotten;
	ci->forget_task.run = inbound_forget;
	shard_post(shard_control(ci->home->broker), &ci->forget_task);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static struct control_net *net_new(const struct control *c)
{
	const struct config *config = c->options.config;
	struct control_net *net = xcalloc(1, sizeof(*net));
	enum security_protocol protocol = SECURITY_PLAINTEXT;
	int64_t timeout_ms = config_i64(config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS);
	size_t count;
	const char *const *names = config_list(config, CONFIG_CONTROLLER_LISTENER_NAMES, &count);

	list_init(&net->ways);
	list_init(&net->inbound);
	net->listener = xstrdup(count ? names[0] : "");
	if (config_listener_protocol(config, net->listener, &protocol))
		net->security_protocol = (int16_t)protocol;
	snprintf(net->client_id, sizeof(net->client_id), "raft-client-%d", c->options.node_id);
	/* Given up before raft asks again, or the next request would be lost with this one. */
	net->timeout_ms = MAX(timeout_ms - timeout_ms / 20, 1);
	return net;
}

/* controller.quorum.voters, or else controller.quorum.bootstrap.servers. */
static void net_quorum(struct control *c, struct raft_options *options)
{
	const struct quorum_voter *quorum = config_quorum(c->options.config, &options->voter_count);
	struct raft_address *bootstrap;

	options->voters = quorum;
	if (options->voter_count == 0 || quorum[0].id >= 0)
		return;
	bootstrap = arena_array(&c->fixed, options->voter_count, sizeof(*bootstrap));
	for (size_t i = 0; i < options->voter_count; i++) {
		bootstrap[i].host = str_of(quorum[i].host);
		bootstrap[i].port = (uint16_t)quorum[i].port;
	}
	options->bootstrap = bootstrap;
	options->bootstrap_count = options->voter_count;
	options->voter_count = 0;
}

/* Kafka's default of 25 ms spares it writes. Here what comes during a flush is flushed together by
 * the next, so that nobody waits for more unless it is asked for. */
static int64_t linger_ms(const struct config *config)
{
	enum config_key key = CONFIG_CONTROLLER_QUORUM_APPEND_LINGER_MS;

	return config_source_of(config, key) == CONFIG_SOURCE_DEFAULT ? 0 : config_i64(config, key);
}

int control_open_raft(struct control *c, struct err *err)
{
	const struct config *config = c->options.config;
	struct raft_options options = {
		.env = c->env,
		.metadata_dir = c->options.metadata_dir,
		.node_id = c->options.node_id,
		.directory_id = c->options.metadata_dir_id,
		.endpoint = c->options.controller_endpoint,
		.cluster_id = c->options.cluster_id,
		.auto_join = c->options.is_controller &&
			     config_bool(config, CONFIG_CONTROLLER_QUORUM_AUTO_JOIN_ENABLE),
		.election_timeout_ms =
			config_i64(config, CONFIG_CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS),
		.fetch_timeout_ms = config_i64(config, CONFIG_CONTROLLER_QUORUM_FETCH_TIMEOUT_MS),
		.election_backoff_max_ms =
			config_i64(config, CONFIG_CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS),
		.request_timeout_ms =
			config_i64(config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS),
		.retry_backoff_ms = config_i64(config, CONFIG_CONTROLLER_QUORUM_RETRY_BACKOFF_MS),
		.append_linger_ms = linger_ms(config),
		.fetch_max_bytes = config_i32(config, CONFIG_CONTROLLER_QUORUM_FETCH_MAX_BYTES),
		.fetch_snapshot_max_bytes =
			config_i32(config, CONFIG_CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES),
		.segment_bytes = config_i32(config, CONFIG_METADATA_LOG_SEGMENT_BYTES),
		.segment_ms = config_i64(config, CONFIG_METADATA_LOG_SEGMENT_MS),
		.retention_bytes = config_i64(config, CONFIG_METADATA_MAX_RETENTION_BYTES),
		.retention_ms = config_i64(config, CONFIG_METADATA_MAX_RETENTION_MS),
		.wake = control_wake,
		.send = control_raft_send,
		.ctx = c,
	};
	int rc;

	c->net = net_new(c);
	if (str_is_null(options.endpoint.name))
		options.endpoint.name = str_of(c->net->listener);
	net_quorum(c, &options);
	rc = raft_open(&c->raft, &options, err);
	if (rc < 0)
		control_close_raft(c);
	return rc;
}

void control_leave_quorum(struct control *c)
{
	struct err err = {0};

	if (raft_role(c->raft) != RAFT_LEADER || raft_failed(c->raft, NULL) < 0)
		return;
	if (raft_resign(c->raft, &err) < 0)
		say_warn("leaving the quorum: %s", err_message(&err));
	control_pump_soon(c);
}

void control_close_raft(struct control *c)
{
	struct control_net *net = c->net;
	struct control_inbound *ci;
	struct raft_way *way;

	if (!net)
		return;
	net->is_closing = true;
	LIST_FOREACH (&net->ways, way, struct raft_way, link)
		way_free(way);
	LIST_FOREACH (&net->inbound, ci, struct control_inbound, link) {
		raft_forget(c->raft, &ci->in);
		inbound_return(ci);
	}
	raft_close(c->raft);
	c->raft = NULL;
	free(net->listener);
	free(net);
	c->net = NULL;
}
