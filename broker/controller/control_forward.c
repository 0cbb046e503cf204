/* The way to the active controller when that is another node. What is this node's own goes there as
 * the API that it is; what a client asked for goes in an Envelope with the client's name, so that
 * the controller can judge it.
 *
 * An operation stays here until it has an answer that counts: with no controller, with one that is
 * none any more or that went away, it waits and is sent again. Nobody knows then whether it was
 * carried out; as in Kafka, that shows in the answer of the repetition (TOPIC_ALREADY_EXISTS), but
 * for changes of the voters (voters_settle()).
 * Source: server/.../NodeToControllerRequestThread.java, ForwardingManagerImpl.java */
#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"
#include "controller/controller_int.h"
#include "wire/header.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>

#define SAY_PLACE "broker/forward"

/* How long an operation may take in all, and one attempt. */
#define FORWARD_TIMEOUT_US (60 * 1000 * 1000)
#define ATTEMPT_TIMEOUT_MS 30000
/* How often to look whether a controller is known by now. */
#define LOOK_AGAIN_US (20 * 1000)

struct forwarded {
	struct list_node link;
	struct control *control;
	struct control_op *op;
	struct channel_request rq;
	struct arena arena; /* of one attempt */
	bool is_enveloped;
	int16_t inner_version; /* of what is in the envelope */
	int64_t retry_us;      /* not before; waiting only */
};

/* One connection each, so that no heartbeat waits behind somebody's thousand topics. */
static const struct {
	enum api_key api;
	enum forward_way way;
} kinds[CONTROL_OP_COUNT] = {
	[CONTROL_CREATE_TOPICS] = {API_CREATE_TOPICS, WAY_CLIENTS},
	[CONTROL_DELETE_TOPICS] = {API_DELETE_TOPICS, WAY_CLIENTS},
	[CONTROL_CREATE_PARTITIONS] = {API_CREATE_PARTITIONS, WAY_CLIENTS},
	[CONTROL_ALTER_CONFIGS] = {API_ALTER_CONFIGS, WAY_CLIENTS},
	[CONTROL_INCREMENTAL_ALTER_CONFIGS] = {API_INCREMENTAL_ALTER_CONFIGS, WAY_CLIENTS},
	[CONTROL_ELECT_LEADERS] = {API_ELECT_LEADERS, WAY_CLIENTS},
	[CONTROL_UPDATE_FEATURES] = {API_UPDATE_FEATURES, WAY_CLIENTS},
	[CONTROL_ALTER_CLIENT_QUOTAS] = {API_ALTER_CLIENT_QUOTAS, WAY_CLIENTS},
	[CONTROL_ALTER_SCRAM] = {API_ALTER_USER_SCRAM_CREDENTIALS, WAY_CLIENTS},
	[CONTROL_ALTER_REASSIGNMENTS] = {API_ALTER_PARTITION_REASSIGNMENTS, WAY_CLIENTS},
	[CONTROL_ALTER_PARTITION] = {API_ALTER_PARTITION, WAY_PARTITIONS},
	[CONTROL_ASSIGN_DIRS] = {API_ASSIGN_REPLICAS_TO_DIRS, WAY_PARTITIONS},
	[CONTROL_REGISTER_BROKER] = {API_BROKER_REGISTRATION, WAY_LIFE},
	[CONTROL_HEARTBEAT] = {API_BROKER_HEARTBEAT, WAY_LIFE},
	[CONTROL_UNREGISTER_BROKER] = {API_UNREGISTER_BROKER, WAY_CLIENTS},
	[CONTROL_ALLOCATE_PRODUCER_IDS] = {API_ALLOCATE_PRODUCER_IDS, WAY_PARTITIONS},
	[CONTROL_DESCRIBE_QUORUM] = {API_DESCRIBE_QUORUM, WAY_CLIENTS},
	[CONTROL_LIST_REASSIGNMENTS] = {API_LIST_PARTITION_REASSIGNMENTS, WAY_CLIENTS},
	[CONTROL_REGISTER_CONTROLLER] = {API_CONTROLLER_REGISTRATION, WAY_LIFE},
	[CONTROL_UNREGISTER_CONTROLLER] = {API_UNREGISTER_CONTROLLER, WAY_CLIENTS},
	[CONTROL_ADD_VOTER] = {API_ADD_RAFT_VOTER, WAY_CLIENTS},
	[CONTROL_REMOVE_VOTER] = {API_REMOVE_RAFT_VOTER, WAY_CLIENTS},
};

static const char *const client_ids[WAY_COUNT] = {
	[WAY_LIFE] = "heartbeat",
	[WAY_PARTITIONS] = "alter-partition",
	[WAY_CLIENTS] = "forwarding",
};

void forward_init(struct control *c)
{
	list_init(&c->forward.waiting);
	list_init(&c->forward.sent);
	c->forward.node_id = -1;
	c->forward.told_id = -1;
}

/* ---- The end of an operation ----------------------------------------------------------------- */

static struct control_op *forwarded_free(struct forwarded *f)
{
	struct control_op *op = f->op;

	assert(!f->rq.channel);
	list_remove(&f->link);
	arena_fini(&f->arena);
	free(f);
	return op;
}

static void forwarded_fail(struct forwarded *f, enum kafka_error error, struct str text)
{
	struct control *c = f->control;
	struct control_op *op = forwarded_free(f);

	control_op_fail(op, error, text);
	control_return(c, op);
}

static void forwarded_retry(struct forwarded *f, int64_t wait_us)
{
	struct control *c = f->control;

	list_remove(&f->link);
	list_push_back(&c->forward.waiting, &f->link);
	f->retry_us = env_mono_us(c->env) + wait_us;
	control_pump_soon(c);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static enum kafka_error whole_error(const struct message_desc *m, const void *response)
{
	for (unsigned i = 0; i < m->body->field_count; i++) {
		const struct wire_field *f = &m->body->fields[i];

		if (strcmp(f->name, "ErrorCode") == 0)
			return (enum kafka_error) * (const int16_t *)wire_at(f, response);
	}
	return KERR_NONE;
}

/* The node that answered is not the active controller (any more). */
static bool is_no_controller(const struct control_op *op, const struct message_desc *m,
			     const void *response)
{
	bool is_of_raft = op->kind == CONTROL_DESCRIBE_QUORUM || op->kind == CONTROL_ADD_VOTER ||
			  op->kind == CONTROL_REMOVE_VOTER;

	return control_response_has_error(m, response, KERR_NOT_CONTROLLER) ||
	       (is_of_raft &&
		control_response_has_error(m, response, KERR_NOT_LEADER_OR_FOLLOWER)) ||
	       voters_are_unsettled(op, response);
}

static void forwarded_answer(struct forwarded *f, const void *response)
{
	const struct message_desc *m = api_by_key(kinds[f->op->kind].api)->response;
	struct control *c = f->control;
	struct control_op *op = f->op;

	if (is_no_controller(op, m, response)) {
		op->is_doubtful |=
			control_response_has_error(m, response, KERR_NOT_LEADER_OR_FOLLOWER);
		forwarded_retry(f, FORWARD_RETRY_US);
		return;
	}
	memcpy(op->response, message_copy(m, op->arena, response), m->body->size);
	voters_settle(c, op);
	op->error = whole_error(m, op->response);
	forwarded_free(f);
	control_return(c, op);
}

static void envelope_answer(struct forwarded *f, const struct envelope_response *response)
{
	const struct api *api = api_by_key(kinds[f->op->kind].api);
	struct err err = {0};
	int32_t correlation_id;
	int16_t min, max;
	void *body;
	int rc;

	switch (response->error_code) {
	case KERR_NONE: break;
	case KERR_NOT_CONTROLLER: forwarded_retry(f, FORWARD_RETRY_US); return;
	case KERR_UNSUPPORTED_VERSION:
		/* It was sent before the controller had told its versions. */
		if (channel_versions(f->control->forward.channels[WAY_CLIENTS], api->key, &min,
				     &max) &&
		    max < f->inner_version && max >= api->min_version)
			forwarded_retry(f, 0);
		else
			forwarded_fail(f, KERR_UNSUPPORTED_VERSION, STR_NULL);
		return;
	default:
		say_warn("%s could not be passed on: the controller answers %s", api->name,
			 kafka_error_name(response->error_code));
		forwarded_fail(f, KERR_UNKNOWN_SERVER_ERROR, STR_NULL);
		return;
	}
	rc = response_decode(api, &f->inner_version, response->response_data, &f->arena,
			     &correlation_id, &body, &err);
	if (rc < 0) {
		say_error("the controller's answer to %s cannot be read: %s", api->name,
			  err_message(&err));
		forwarded_fail(f, KERR_UNKNOWN_SERVER_ERROR, STR_NULL);
		return;
	}
	forwarded_answer(f, body);
}

static void forwarded_done(struct channel_request *rq, int rc, const struct err *err)
{
	struct forwarded *f = CONTAINER_OF(rq, struct forwarded, rq);
	struct control *c = f->control;

	if (rc == 0) {
		c->forward.answered_us = env_mono_us(c->env);
		if (f->is_enveloped)
			envelope_answer(f, rq->response);
		else
			forwarded_answer(f, rq->response);
	} else if (rc == E_UNSUPPORTED) {
		forwarded_fail(f, KERR_UNSUPPORTED_VERSION, STR_NULL);
	} else {
		say_debug("node %d, the controller: %s", c->forward.node_id,
			  err ? err_message(err) : err_text(rc));
		f->op->is_doubtful = true;
		forwarded_retry(f, FORWARD_RETRY_US);
	}
	control_pump_soon(c);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* The address as bytes, 4 or 16; "/[::1]" and "/127.0.0.1" are how it is written. */
static struct slice client_address(struct arena *arena, const char *host)
{
	uint8_t *bytes = arena_zalloc(arena, 16);
	char text[INET6_ADDRSTRLEN + 2];
	size_t len = 0;

	for (; host && *host && len + 1 < sizeof(text); host++)
		if (*host != '/' && *host != '[' && *host != ']')
			text[len++] = *host;
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return (struct slice){.data = bytes, .len = 16};
	if (inet_pton(AF_INET, text, bytes) != 1)
		memset(bytes, 0, 4);
	return (struct slice){.data = bytes, .len = 4};
}

/* Version 0 of DefaultPrincipalData behind its number. */
static int principal_encode(const char *principal, struct out *out, struct err *err)
{
	const char *colon = strchr(principal, ':');
	struct default_principal_data data;

	WIRE_INIT(default_principal_data, &data);
	data.type = colon ? (struct str){principal, (size_t)(colon - principal)} : STR_LIT("User");
	data.name = str_of(colon ? colon + 1 : principal);
	out_bytes(out, (const uint8_t[2]){0, 0}, 2);
	return message_encode(&default_principal_data_desc, 0, &data, out, NULL, err);
}

static struct slice arena_slice(struct arena *arena, const struct out *out, size_t from)
{
	return (struct slice){.data = arena_memdup(arena, out->data + from, out->len - from),
			      .len = out->len - from};
}

/* The request as the client's would be, at a version that the controller knows. */
static int envelope_make(struct forwarded *f, struct channel *channel, struct envelope_request *r,
			 struct err *err)
{
	const struct api *api = api_by_key(kinds[f->op->kind].api);
	struct out out;
	int16_t min, max;
	int rc;

	f->inner_version = f->op->version;
	if (channel_versions(channel, api->key, &min, &max)) {
		f->inner_version = MIN(f->inner_version, max);
		if (f->inner_version < min || f->inner_version < api->min_version)
			return err_set(err, E_UNSUPPORTED, "no version of %s in common", api->name);
	}
	out_init(&out, MESSAGE_BYTES_MAX);
	rc = request_encode(api, f->inner_version, ++f->control->forward.correlation_id,
			    f->op->client_id, f->op->request, &out, NULL, err);
	if (rc == 0)
		r->request_data = arena_slice(&f->arena, &out, FRAME_SIZE_BYTES);
	out_reset(&out);
	if (rc == 0)
		rc = principal_encode(f->op->principal, &out, err);
	if (rc == 0)
		r->request_principal = arena_slice(&f->arena, &out, 0);
	out_fini(&out);
	r->client_host_address = client_address(&f->arena, f->op->client_host);
	return rc;
}

static struct channel *forward_channel(struct control *c, enum forward_way way)
{
	struct forward *fw = &c->forward;
	char client_id[48];

	if (!fw->channels[way]) {
		struct channel_options options = {
			.shard = c->shard,
			.host = str_of(fw->host),
			.port = fw->port,
			.listener = control_listener_name(c),
			.security_protocol = control_listener_protocol(c),
			.client_id = client_id,
		};

		snprintf(client_id, sizeof(client_id), "broker-%d-%s", c->options.node_id,
			 client_ids[way]);
		fw->channels[way] = channel_new(&options);
	}
	return fw->channels[way];
}

static void forwarded_send(struct forwarded *f)
{
	struct control *c = f->control;
	struct control_op *op = f->op;
	const struct api *api = api_by_key(kinds[op->kind].api);
	struct channel *channel = forward_channel(c, kinds[op->kind].way);
	int64_t left_ms = (op->until_us - env_mono_us(c->env)) / 1000;
	struct envelope_request envelope;
	struct err err = {0};

	arena_reset(&f->arena);
	message_init(api->response, op->response);
	f->is_enveloped = op->principal && api->is_forwardable;
	f->rq = (struct channel_request){
		.api = api->key,
		.body = op->request,
		.version_min = api->min_version,
		.version_max = MIN(op->version, api_max_stable(api)),
		.timeout_ms = MIN(MAX(left_ms, 1), ATTEMPT_TIMEOUT_MS),
		.done = forwarded_done,
		.owner = f,
	};
	if (f->is_enveloped) {
		WIRE_INIT(envelope_request, &envelope);
		if (envelope_make(f, channel, &envelope, &err) < 0) {
			say_warn("%s cannot be passed on: %s", api->name, err_message(&err));
			forwarded_fail(f, KERR_UNSUPPORTED_VERSION, STR_NULL);
			return;
		}
		f->rq.api = API_ENVELOPE;
		f->rq.body = &envelope;
		f->rq.version_min = f->rq.version_max = 0;
	}
	list_remove(&f->link);
	list_push_back(&c->forward.sent, &f->link);
	channel_send(channel, &f->rq);
}

/* ---- Who the controller is ------------------------------------------------------------------- */

static bool voter_address(const struct control *c, int32_t id, struct str *host, uint16_t *port)
{
	const struct voters_record *voters = raft_voters(c->raft);

	for (int32_t i = 0; i < voters->voters_count; i++) {
		const struct voters_record_voter *v = &voters->voters[i];

		for (int32_t j = 0; v->voter_id == id && j < v->endpoints_count; j++) {
			bool is_the_one = str_eq(v->endpoints[j].name, control_listener_name(c));

			/* a static voter has one, perhaps without a name */
			if (!is_the_one && v->endpoints_count > 1)
				continue;
			*host = v->endpoints[j].host;
			*port = v->endpoints[j].port;
			return true;
		}
	}
	return false;
}

static bool controller_address(const struct control *c, int32_t id, struct str *host,
			       uint16_t *port)
{
	const struct image_controller *node = c->latest ? image_controller(c->latest, id) : NULL;

	for (uint32_t i = 0; node && i < node->endpoint_count; i++) {
		if (!str_eq(node->endpoints[i].name, control_listener_name(c)))
			continue;
		*host = node->endpoints[i].host;
		*port = node->endpoints[i].port;
		return true;
	}
	return false;
}

/* Frees the connections: what was under way comes back to be sent again. */
static void forward_disconnect(struct control *c)
{
	struct forward *fw = &c->forward;

	for (int way = 0; way < WAY_COUNT; way++) {
		channel_free(fw->channels[way]);
		fw->channels[way] = NULL;
	}
	free(fw->host);
	fw->host = NULL;
	fw->node_id = -1;
}

/* Whether there is another node to send to now. While none is known, answers of the last one may
 * still come. */
static bool forward_aim(struct control *c)
{
	struct forward *fw = &c->forward;
	int32_t leader_id = raft_leader_id(c->raft);
	struct str host = STR_NULL;
	uint16_t port = 0;

	if (leader_id < 0)
		return false;
	if (leader_id == c->options.node_id) {
		forward_disconnect(c);
		return false;
	}
	if (!voter_address(c, leader_id, &host, &port) &&
	    !controller_address(c, leader_id, &host, &port))
		return false;
	if (fw->node_id == leader_id && fw->port == port && str_is(host, fw->host))
		return true;
	forward_disconnect(c);
	fw->node_id = leader_id;
	fw->host = xstrndup(host.data, host.len);
	fw->port = port;
	say_debug("the active controller is node %d at %s:%u", leader_id, fw->host, port);
	return true;
}

/* ---- What clients may send ------------------------------------------------------------------- */

/* The versions that the controller named when one of the connections began. */
static void forward_tell(struct control *c, const struct channel *channel)
{
	for (size_t i = 0; i < wire_api_count; i++) {
		enum api_key api = (enum api_key)wire_apis[i].key;
		int16_t min = 0, max = -1;
		uint32_t packed = 0;

		if (!wire_apis[i].is_forwardable)
			continue;
		assert(api < SHARD_APIS);
		if (channel) {
			if (!channel_versions(channel, api, &min, &max))
				max = -1;
			packed = (uint32_t)(uint16_t)min << 16 | (uint16_t)(max + 2);
		}
		atomic_store(&c->shard->broker->controller_versions[api], packed);
	}
}

/* What is known of the last controller holds until there is another, or a new connection to it. */
static void forward_learn(struct control *c, bool is_here)
{
	struct forward *fw = &c->forward;
	const struct channel *ready = NULL;

	for (int way = 0; way < WAY_COUNT && !is_here; way++)
		if (fw->channels[way] && channel_is_ready(fw->channels[way]))
			ready = fw->channels[way];
	if (ready && fw->told_id != fw->node_id) {
		forward_tell(c, ready);
		fw->told_id = fw->node_id;
	} else if (is_here && fw->told_id != -1) {
		forward_tell(c, NULL);
		fw->told_id = -1;
	} else if (!ready && fw->told_id >= 0) {
		fw->told_id = -2;
	}
}

/* ---- The door -------------------------------------------------------------------------------- */

void forward_submit(struct control *c, struct control_op *op)
{
	forward_submit_later(c, op, 0);
}

void forward_submit_later(struct control *c, struct control_op *op, int64_t wait_us)
{
	int64_t now_us = env_mono_us(c->env);
	struct forwarded *f = xcalloc(1, sizeof(*f));

	if (op->until_us == 0) {
		op->until_us = now_us + FORWARD_TIMEOUT_US;
		/* no time at all is for the controller to judge */
		if (op->deadline_us > now_us)
			op->until_us = MIN(op->until_us, op->deadline_us);
	}
	f->control = c;
	f->op = op;
	f->retry_us = now_us + wait_us;
	arena_init(&f->arena);
	list_push_back(&c->forward.waiting, &f->link);
	control_pump_soon(c);
}

void forward_tick(struct control *c)
{
	bool is_here = controller_is_active(c->controller);
	bool is_aimed = forward_aim(c);
	int64_t now_us = env_mono_us(c->env);
	struct list_node todo;
	struct list_node *node;

	forward_learn(c, is_here);
	/* what comes back meanwhile is for the next time */
	list_init(&todo);
	while ((node = list_pop_front(&c->forward.waiting)) != NULL)
		list_push_back(&todo, node);
	while ((node = list_pop_front(&todo)) != NULL) {
		struct forwarded *f = CONTAINER_OF(node, struct forwarded, link);

		if (now_us >= f->op->until_us)
			forwarded_fail(f, KERR_REQUEST_TIMED_OUT,
				       STR_LIT("No controller answered in time."));
		else if (is_here && now_us >= f->retry_us)
			control_run_here(c, forwarded_free(f));
		else if (is_aimed && now_us >= f->retry_us)
			forwarded_send(f);
		else
			list_push_back(&c->forward.waiting, &f->link);
	}
}

int64_t forward_deadline_us(const struct control *c)
{
	int64_t deadline_us = INT64_MAX;
	const struct forwarded *f;

	LIST_FOREACH (&c->forward.waiting, f, struct forwarded, link)
		deadline_us =
			MIN(deadline_us, MAX(f->retry_us, env_mono_us(c->env) + LOOK_AGAIN_US));
	return deadline_us;
}

void forward_abandon(struct control *c, enum kafka_error error)
{
	struct list_node *node;

	forward_disconnect(c);
	while ((node = list_pop_front(&c->forward.waiting)) != NULL)
		forwarded_fail(CONTAINER_OF(node, struct forwarded, link), error, STR_NULL);
	assert(list_empty(&c->forward.sent));
}
