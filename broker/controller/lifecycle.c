/* The broker of this node in the eyes of the controller: registration, heartbeats, shutdown. */
#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"
#include "controller/controller_int.h"
#include "metadata/features.h"

#include <inttypes.h>

#define SAY_PLACE "broker/lifecycle"
#define RETRY_US (1000 * 1000)       /* after a refused registration */
#define SHUTDOWN_STEP_US (10 * 1000) /* between heartbeats of a controlled shutdown */

#define TO(s) (1u << LIFE_##s)
static const struct {
	const char *name;
	unsigned next;
} lives[LIFE_STATES] = {
	[LIFE_STARTING] = {"starting", TO(REGISTERING) | TO(CAUGHT_UP) | TO(STOPPED)},
	[LIFE_REGISTERING] = {"registering", TO(STARTING) | TO(CAUGHT_UP) | TO(STOPPED)},
	[LIFE_CAUGHT_UP] = {"caught up", TO(UNFENCING) | TO(STOPPING)},
	[LIFE_UNFENCING] = {"unfencing", TO(RUNNING) | TO(STOPPING)},
	[LIFE_RUNNING] = {"running", TO(STOPPING)},
	[LIFE_STOPPING] = {"stopping", TO(STOPPED)},
	[LIFE_STOPPED] = {"stopped", 0},
};

static void life_move(struct control *c, enum life to)
{
	assert(lives[c->life.state].next & (1u << to));
	say_debug("%s -> %s", lives[c->life.state].name, lives[to].name);
	c->life.state = to;
}

void lifecycle_init(struct control *c)
{
	c->life.broker_epoch = -1;
	c->life.next_us = 0;
	c->life.stop_deadline_us = INT64_MAX;
	arena_init(&c->life.arena);
	c->life.incarnation_id = new_id(c->env);
}

void lifecycle_fini(struct control *c)
{
	arena_fini(&c->life.arena);
	free(c->life.offline_dirs);
}

int64_t control_broker_epoch(const struct control *c)
{
	return c ? c->life.broker_epoch : -1;
}

static void life_submit(struct control *c, enum control_op_kind kind, const void *request,
			void *response, void (*done)(struct control_op *op))
{
	struct lifecycle *l = &c->life;

	l->is_busy = true;
	l->op = (struct control_op){
		.kind = kind,
		.version = 4,
		.request = request,
		.response = response,
		.arena = &l->arena,
		.done = done,
	};
	control_submit_own(c, &l->op);
}

/* ---- Registration ---------------------------------------------------------------------------- */

static void life_caught_up(struct control *c)
{
	life_move(c, LIFE_CAUGHT_UP);
	c->life.next_us = INT64_MAX;
	c->options.on_caught_up(c->options.ctx);
}

static void life_registered(struct control_op *op)
{
	struct control *c = CONTAINER_OF(op, struct control, life.op);
	struct broker_registration_response *response = op->response;

	c->life.is_busy = false;
	if (c->life.state != LIFE_REGISTERING)
		return;
	if (response->error_code) {
		say_warn("the controller refuses this broker: %s",
			 kafka_error_name(response->error_code));
		life_move(c, LIFE_STARTING);
		c->life.next_us = env_mono_us(c->env) + RETRY_US;
		return;
	}
	c->life.broker_epoch = response->broker_epoch;
	life_caught_up(c);
}

static int uuid_order(const void *a, const void *b)
{
	return uuid_cmp(*(const struct uuid *)a, *(const struct uuid *)b);
}

static void life_register(struct control *c)
{
	const struct control_options *o = &c->options;
	struct arena *a = &c->life.arena;
	struct broker_registration_request *r;

	arena_reset(a);
	r = WIRE_NEW(a, broker_registration_request);
	r->broker_id = o->node_id;
	r->cluster_id = o->cluster_id;
	r->incarnation_id = c->life.incarnation_id;
	r->rack = o->rack;
	r->previous_broker_epoch = o->previous_broker_epoch;
	r->listeners = WIRE_ARRAY(a, broker_registration_request_listener, o->endpoint_count);
	r->listeners_count = (int32_t)o->endpoint_count;
	for (uint32_t i = 0; i < o->endpoint_count; i++) {
		r->listeners[i].name = o->endpoints[i].name;
		r->listeners[i].host = o->endpoints[i].host;
		r->listeners[i].port = o->endpoints[i].port;
		r->listeners[i].security_protocol = o->endpoints[i].security_protocol;
	}
	r->features = WIRE_ARRAY(a, broker_registration_request_feature, feature_count);
	r->features_count = (int32_t)feature_count;
	for (size_t i = 0; i < feature_count; i++) {
		r->features[i].name = str_of(features[i].name);
		r->features[i].min_supported_version = features[i].min;
		r->features[i].max_supported_version = features[i].max;
	}
	r->log_dirs_count = (int32_t)o->log_dir_count;
	if (o->log_dir_count) {
		r->log_dirs = arena_memdup(a, o->log_dirs, o->log_dir_count * sizeof(*r->log_dirs));
		qsort(r->log_dirs, o->log_dir_count, sizeof(*r->log_dirs), uuid_order);
	}
	life_move(c, LIFE_REGISTERING);
	life_submit(c, CONTROL_REGISTER_BROKER, r, WIRE_NEW(a, broker_registration_response),
		    life_registered);
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

static void life_stopped(struct control *c)
{
	life_move(c, LIFE_STOPPED);
	c->life.next_us = INT64_MAX;
	controller_abandon(c->controller, KERR_NOT_CONTROLLER);
	producer_ids_abandon(c);
	c->options.on_stopped(c->options.ctx);
}

static void life_heartbeat_done(struct control_op *op)
{
	struct control *c = CONTAINER_OF(op, struct control, life.op);
	struct broker_heartbeat_response *response = op->response;
	struct lifecycle *l = &c->life;

	l->is_busy = false;
	if (response->error_code)
		say_warn("a heartbeat was refused: %s", kafka_error_name(response->error_code));
	if (l->state == LIFE_STOPPING) {
		if (response->error_code || response->should_shut_down)
			life_stopped(c);
		else
			l->next_us = MIN(l->next_us, env_mono_us(c->env) + SHUTDOWN_STEP_US);
	} else if (l->state == LIFE_UNFENCING && !response->error_code && !response->is_fenced) {
		life_move(c, LIFE_RUNNING);
		c->options.on_ready(c->options.ctx);
	}
}

static void life_heartbeat(struct control *c)
{
	struct lifecycle *l = &c->life;
	struct broker_heartbeat_request *r;
	size_t cordoned;

	arena_reset(&l->arena);
	r = WIRE_NEW(&l->arena, broker_heartbeat_request);
	r->broker_id = c->options.node_id;
	r->broker_epoch = l->broker_epoch;
	r->current_metadata_offset = c->latest ? image_offset(c->latest) : -1;
	r->want_shut_down = l->state == LIFE_STOPPING;
	r->offline_log_dirs = l->offline_dirs;
	r->offline_log_dirs_count = (int32_t)l->offline_count;
	/* none is cordoned; which ones are is not known here when the config names some */
	config_list(c->options.config, CONFIG_CORDONED_LOG_DIRS, &cordoned);
	if (cordoned == 0)
		r->cordoned_log_dirs_count = 0;
	l->next_us = env_mono_us(c->env) +
		     config_i64(c->options.config, CONFIG_BROKER_HEARTBEAT_INTERVAL_MS) * 1000;
	life_submit(c, CONTROL_HEARTBEAT, r, WIRE_NEW(&l->arena, broker_heartbeat_response),
		    life_heartbeat_done);
}

void control_dir_offline(struct control *c, struct uuid directory)
{
	struct lifecycle *l = &c->life;

	for (size_t i = 0; i < l->offline_count; i++)
		if (uuid_eq(l->offline_dirs[i], directory))
			return;
	/* a request under way borrows the array */
	struct uuid *grown = xmalloc((l->offline_count + 1) * sizeof(*grown));

	if (l->offline_count)
		memcpy(grown, l->offline_dirs, l->offline_count * sizeof(*grown));
	grown[l->offline_count++] = directory;
	free(l->offline_dirs);
	l->offline_dirs = grown;
	if (l->next_us != INT64_MAX)
		l->next_us = 0;
	control_pump_soon(c);
}

void control_unfence(struct control *c)
{
	life_move(c, LIFE_UNFENCING);
	c->life.next_us = 0;
	control_pump_soon(c);
}

void control_stop(struct control *c, int64_t timeout_ms)
{
	int64_t now_us = env_mono_us(c->env);

	if (c->life.state == LIFE_STOPPING || c->life.state == LIFE_STOPPED)
		return;
	c->life.stop_deadline_us = now_us + MAX(timeout_ms, 0) * 1000;
	c->life.next_us = 0;
	if (c->life.state == LIFE_STARTING || c->life.state == LIFE_REGISTERING ||
	    !c->options.is_broker)
		c->life.stop_deadline_us = now_us;
	else
		life_move(c, LIFE_STOPPING);
	control_pump_soon(c);
}

/* ---------------------------------------------------------------------------------------------- */

void lifecycle_tick(struct control *c)
{
	struct lifecycle *l = &c->life;
	int64_t now_us = env_mono_us(c->env);

	if (l->state == LIFE_STOPPED)
		return;
	if (now_us >= l->stop_deadline_us || (c->is_fatal && l->state == LIFE_STOPPING)) {
		if (l->state != LIFE_STOPPING && (lives[l->state].next & TO(STOPPING)))
			life_move(c, LIFE_STOPPING);
		life_stopped(c);
		return;
	}
	if (l->is_busy || now_us < l->next_us || !controller_is_active(c->controller))
		return;
	if (l->state == LIFE_STARTING && c->options.is_broker) {
		life_register(c);
	} else if (l->state == LIFE_STARTING) {
		life_caught_up(c);
	} else if (l->state == LIFE_UNFENCING && !c->options.is_broker) {
		life_move(c, LIFE_RUNNING);
		l->next_us = INT64_MAX;
		c->options.on_ready(c->options.ctx);
	} else if (c->options.is_broker) {
		life_heartbeat(c);
	}
}

int64_t lifecycle_deadline_us(const struct control *c)
{
	const struct lifecycle *l = &c->life;
	bool waits = l->is_busy || !controller_is_active(c->controller);

	if (l->state == LIFE_STOPPED)
		return INT64_MAX;
	return MIN(waits ? INT64_MAX : l->next_us, l->stop_deadline_us);
}
