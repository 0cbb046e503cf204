/* The broker of this node in the eyes of the controller, wherever that is: registration,
 * heartbeats, fencing, controlled shutdown. One request at a time.
 *
 *	starting	asks to be registered, again and again, until
 *			initial.broker.registration.timeout.ms
 *	catching up	registered (and fenced); the image here does not have the registration yet
 *	caught up	it has: the partitions are opened. Heartbeats ask to stay fenced
 *	unfencing	heartbeats ask to be let in
 *	running		likewise: a broker that was fenced meanwhile is let in again
 *	stopping	heartbeats ask to be let go
 *
 * A broker that the controller does not know any more (STALE_BROKER_EPOCH: it was unregistered)
 * registers anew and goes on as it was.
 * Source: server/.../BrokerLifecycleManager.java */
#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"
#include "controller/controller_int.h"
#include "metadata/features.h"

#include <inttypes.h>

#define SAY_PLACE "broker/lifecycle"
/* After a refused registration: as long as a dead process's session lasts that is normal. */
#define RETRY_US (500 * 1000)
#define REGISTER_ATTEMPT_US (10 * 1000 * 1000)
/* Between heartbeats that wait for something: of a controlled shutdown, or to be let in. */
#define STEP_HERE_US (10 * 1000)
#define STEP_US (50 * 1000)
/* A broker that stops does not wait for a controller that does not answer longer than an election
 * takes, in fetch timeouts: the whole cluster may be stopping. */
#define STOP_SILENCE_TIMEOUTS 2

#define TO(s) (1u << LIFE_##s)
static const struct {
	const char *name;
	unsigned next;
} lives[LIFE_STATES] = {
	[LIFE_STARTING] = {"starting", TO(CATCHING_UP) | TO(CAUGHT_UP) | TO(STOPPED)},
	[LIFE_CATCHING_UP] = {"catching up", TO(CAUGHT_UP) | TO(STOPPING) | TO(STOPPED)},
	[LIFE_CAUGHT_UP] = {"caught up", TO(UNFENCING) | TO(STOPPING) | TO(STOPPED)},
	[LIFE_UNFENCING] = {"unfencing", TO(RUNNING) | TO(STOPPING) | TO(STOPPED)},
	[LIFE_RUNNING] = {"running", TO(STOPPING) | TO(STOPPED)},
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
	c->life.register_until_us =
		env_mono_us(c->env) +
		config_i64(c->options.config, CONFIG_INITIAL_BROKER_REGISTRATION_TIMEOUT_MS) * 1000;
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
			void *response, int64_t timeout_us, void (*done)(struct control_op *op))
{
	struct lifecycle *l = &c->life;

	l->is_busy = true;
	l->op = (struct control_op){
		.kind = kind,
		.version = 4,
		.request = request,
		.response = response,
		.arena = &l->arena,
		.deadline_us = env_mono_us(c->env) + timeout_us,
		.done = done,
	};
	control_submit_own(c, &l->op);
}

/* What an image says of this process's registration; NULL: nothing. */
static const struct image_broker *life_registration(const struct control *c)
{
	const struct image_broker *b =
		c->latest ? image_broker(c->latest, c->options.node_id) : NULL;

	return b && b->epoch == c->life.broker_epoch ? b : NULL;
}

/* ---- Registration ---------------------------------------------------------------------------- */

static void life_refused(struct control *c, enum kafka_error error)
{
	struct lifecycle *l = &c->life;

	/* after a crash the session of the process before lasts a few seconds more */
	if (error != KERR_DUPLICATE_BROKER_REGISTRATION || l->refusals == 0)
		say_warn("the controller does not register this broker: %s%s",
			 kafka_error_name(error),
			 error == KERR_DUPLICATE_BROKER_REGISTRATION
				 ? " (a broker of this id has been there a moment ago)"
				 : "");
	l->refusals++;
	l->next_us = env_mono_us(c->env) + RETRY_US;
}

static void life_registered(struct control_op *op)
{
	struct control *c = CONTAINER_OF(op, struct control, life.op);
	const struct broker_registration_response *response = op->response;
	struct lifecycle *l = &c->life;

	l->is_busy = false;
	if (l->state == LIFE_STOPPED)
		return;
	control_pump_soon(c);
	if (response->error_code) {
		life_refused(c, response->error_code);
		return;
	}
	l->last_answer_us = env_mono_us(c->env);
	l->refusals = 0;
	l->broker_epoch = response->broker_epoch;
	l->next_us = 0;
	if (l->state == LIFE_STARTING)
		life_move(c, LIFE_CATCHING_UP);
}

static int uuid_order(const void *a, const void *b)
{
	return uuid_cmp(*(const struct uuid *)a, *(const struct uuid *)b);
}

static bool dir_is_offline(const struct lifecycle *l, struct uuid id)
{
	for (size_t i = 0; i < l->offline_count; i++)
		if (uuid_eq(l->offline_dirs[i], id))
			return true;
	return false;
}

static void life_register_dirs(struct control *c, struct broker_registration_request *r)
{
	const struct control_options *o = &c->options;

	if (o->log_dir_count)
		r->log_dirs = arena_memdup(&c->life.arena, o->log_dirs,
					   o->log_dir_count * sizeof(*r->log_dirs));
	for (uint32_t i = 0; i < o->log_dir_count; i++)
		if (!dir_is_offline(&c->life, o->log_dirs[i]))
			r->log_dirs[r->log_dirs_count++] = o->log_dirs[i];
	if (r->log_dirs_count)
		qsort(r->log_dirs, (size_t)r->log_dirs_count, sizeof(*r->log_dirs), uuid_order);
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
	life_register_dirs(c, r);
	life_submit(c, CONTROL_REGISTER_BROKER, r, WIRE_NEW(a, broker_registration_response),
		    REGISTER_ATTEMPT_US, life_registered);
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

static void life_stopped(struct control *c)
{
	life_move(c, LIFE_STOPPED);
	c->life.next_us = INT64_MAX;
	controller_abandon(c->controller, KERR_NOT_CONTROLLER);
	voters_abandon(c, KERR_NOT_CONTROLLER);
	forward_abandon(c, KERR_NOT_CONTROLLER);
	producer_ids_abandon(c);
	c->options.on_stopped(c->options.ctx);
}

static int64_t stop_silence_us(const struct control *c)
{
	return config_i64(c->options.config, CONFIG_CONTROLLER_QUORUM_FETCH_TIMEOUT_MS) * 1000 *
	       STOP_SILENCE_TIMEOUTS;
}

/* When the next heartbeat is due although the interval is not over. */
static void life_hurry(struct control *c)
{
	int64_t step_us = controller_is_active(c->controller) ? STEP_HERE_US : STEP_US;

	c->life.next_us = MIN(c->life.next_us, env_mono_us(c->env) + step_us);
}

static void life_heartbeat_failed(struct control *c, enum kafka_error error)
{
	struct lifecycle *l = &c->life;

	if (error != KERR_STALE_BROKER_EPOCH) {
		if (error != KERR_REQUEST_TIMED_OUT)
			say_warn("a heartbeat was not accepted: %s", kafka_error_name(error));
		else if (!l->is_unheard)
			say_warn("no controller answers the heartbeats of this broker");
		l->is_unheard = error == KERR_REQUEST_TIMED_OUT;
		life_hurry(c);
		return;
	}
	if (l->state == LIFE_STOPPING) { /* nobody knows this broker any more: it may go */
		life_stopped(c);
		return;
	}
	say_warn("the controller does not know this broker (epoch %" PRId64 "): registering again",
		 l->broker_epoch);
	l->broker_epoch = -1;
	l->next_us = 0;
}

static void life_heartbeat_done(struct control_op *op)
{
	struct control *c = CONTAINER_OF(op, struct control, life.op);
	const struct broker_heartbeat_response *response = op->response;
	struct lifecycle *l = &c->life;

	l->is_busy = false;
	if (l->state == LIFE_STOPPED)
		return;
	control_pump_soon(c);
	if (response->error_code) {
		life_heartbeat_failed(c, response->error_code);
		return;
	}
	l->last_answer_us = env_mono_us(c->env);
	l->is_unheard = false;
	if (l->state == LIFE_STOPPING) {
		if (response->should_shut_down)
			life_stopped(c);
		else
			life_hurry(c);
		return;
	}
	if (l->state == LIFE_RUNNING && response->is_fenced)
		say_warn("this broker is fenced: asking to be let in again");
	if ((l->state == LIFE_UNFENCING || l->state == LIFE_RUNNING) && response->is_fenced)
		life_hurry(c);
}

static unsigned life_cordoned(const struct control *c)
{
	const struct control_options *o = &c->options;
	unsigned bits = 0;

	for (uint32_t i = 0; o->log_dir_paths && i < o->log_dir_count; i++)
		if (config_dir_is_cordoned(o->config, o->log_dir_paths[i]))
			bits |= 1u << i;
	return bits;
}

static void life_cordon_dirs(struct control *c, struct broker_heartbeat_request *r)
{
	const struct control_options *o = &c->options;

	c->life.cordoned_dirs = life_cordoned(c);
	if (!c->latest || !metadata_has_cordoned_dirs(image_metadata_version(c->latest)))
		return;
	r->cordoned_log_dirs =
		arena_array(&c->life.arena, o->log_dir_count + 1, sizeof(struct uuid));
	r->cordoned_log_dirs_count = 0;
	for (uint32_t i = 0; i < o->log_dir_count; i++)
		if (c->life.cordoned_dirs & (1u << i))
			r->cordoned_log_dirs[r->cordoned_log_dirs_count++] = o->log_dirs[i];
	if (r->cordoned_log_dirs_count)
		qsort(r->cordoned_log_dirs, (size_t)r->cordoned_log_dirs_count, sizeof(struct uuid),
		      uuid_order);
}

void lifecycle_configured(struct control *c)
{
	if (life_cordoned(c) == c->life.cordoned_dirs || c->life.next_us == INT64_MAX)
		return;
	c->life.next_us = 0;
	control_pump_soon(c);
}

static void life_heartbeat(struct control *c)
{
	struct lifecycle *l = &c->life;
	int64_t interval_us =
		config_i64(c->options.config, CONFIG_BROKER_HEARTBEAT_INTERVAL_MS) * 1000;
	int64_t session_us = config_i64(c->options.config, CONFIG_BROKER_SESSION_TIMEOUT_MS) * 1000;
	struct broker_heartbeat_request *r;

	arena_reset(&l->arena);
	r = WIRE_NEW(&l->arena, broker_heartbeat_request);
	r->broker_id = c->options.node_id;
	r->broker_epoch = l->broker_epoch;
	r->current_metadata_offset = c->latest ? image_offset(c->latest) : -1;
	r->want_fence = l->state == LIFE_CATCHING_UP || l->state == LIFE_CAUGHT_UP;
	r->want_shut_down = l->state == LIFE_STOPPING;
	r->offline_log_dirs_count = (int32_t)l->offline_count;
	if (l->offline_count) /* it may grow while the request is under way */
		r->offline_log_dirs = arena_memdup(&l->arena, l->offline_dirs,
						   l->offline_count * sizeof(*l->offline_dirs));
	life_cordon_dirs(c, r);
	l->next_us = env_mono_us(c->env) + interval_us;
	life_submit(c, CONTROL_HEARTBEAT, r, WIRE_NEW(&l->arena, broker_heartbeat_response),
		    MAX(interval_us, session_us / 2), life_heartbeat_done);
}

void control_dir_offline(struct control *c, struct uuid directory)
{
	struct lifecycle *l = &c->life;

	if (dir_is_offline(l, directory))
		return;
	l->offline_dirs = grow_array(l->offline_dirs, l->offline_count, &l->offline_cap,
				     sizeof(*l->offline_dirs));
	l->offline_dirs[l->offline_count++] = directory;
	if (l->next_us != INT64_MAX)
		l->next_us = 0;
	control_pump_soon(c);
}

/* ---- From one state to the next -------------------------------------------------------------- */

void control_unfence(struct control *c)
{
	life_move(c, LIFE_UNFENCING);
	c->life.next_us = 0;
	control_pump_soon(c);
}

void control_stop(struct control *c, int64_t timeout_ms)
{
	struct lifecycle *l = &c->life;
	int64_t now_us = env_mono_us(c->env);

	if (l->state == LIFE_STOPPING || l->state == LIFE_STOPPED)
		return;
	l->last_answer_us = now_us;
	l->stop_deadline_us = now_us + MAX(timeout_ms, 0) * 1000;
	l->next_us = 0;
	if (l->state == LIFE_STARTING || !c->options.is_broker || l->broker_epoch < 0)
		l->stop_deadline_us = now_us;
	else
		life_move(c, LIFE_STOPPING);
	control_pump_soon(c);
}

static void life_caught_up(struct control *c)
{
	life_move(c, LIFE_CAUGHT_UP);
	c->options.on_caught_up(c->options.ctx);
}

static void life_running(struct control *c)
{
	life_move(c, LIFE_RUNNING);
	c->options.on_ready(c->options.ctx);
}

/* What an image brings about. */
static void life_look(struct control *c)
{
	const struct image_broker *self = life_registration(c);

	if (c->life.state == LIFE_CATCHING_UP && self)
		life_caught_up(c);
	else if (c->life.state == LIFE_UNFENCING && self && !self->fenced)
		life_running(c);
}

/* A node that is a controller only registers no broker: it has caught up when it has the log. */
static void life_tick_controller(struct control *c)
{
	if (c->life.state == LIFE_STARTING && c->latest && raft_high_watermark(c->raft) >= 0)
		life_caught_up(c);
	else if (c->life.state == LIFE_UNFENCING)
		life_running(c);
}

static void life_tick_starting(struct control *c)
{
	struct err err;

	if (env_mono_us(c->env) < c->life.register_until_us)
		return;
	err_set(&err, E_TIMEOUT,
		"this broker was not registered within "
		"initial.broker.registration.timeout.ms (does a majority of the controllers run?)");
	control_fatal(c, &err);
}

void lifecycle_tick(struct control *c)
{
	struct lifecycle *l = &c->life;
	int64_t now_us = env_mono_us(c->env);

	if (l->state == LIFE_STOPPED)
		return;
	if (now_us >= l->stop_deadline_us ||
	    (l->state == LIFE_STOPPING &&
	     (c->is_fatal || now_us >= l->last_answer_us + stop_silence_us(c)))) {
		life_stopped(c);
		return;
	}
	if (!c->options.is_broker) {
		life_tick_controller(c);
		return;
	}
	life_look(c);
	if (l->state == LIFE_STARTING && !c->is_fatal)
		life_tick_starting(c);
	if (l->is_busy || now_us < l->next_us || c->is_fatal)
		return;
	if (l->broker_epoch < 0)
		life_register(c);
	else
		life_heartbeat(c);
}

int64_t lifecycle_deadline_us(const struct control *c)
{
	const struct lifecycle *l = &c->life;
	int64_t deadline_us = l->stop_deadline_us;

	if (l->state == LIFE_STOPPED)
		return INT64_MAX;
	if (!c->options.is_broker)
		return deadline_us;
	if (l->state == LIFE_STARTING)
		deadline_us = MIN(deadline_us, l->register_until_us);
	if (l->state == LIFE_STOPPING)
		deadline_us = MIN(deadline_us, l->last_answer_us + stop_silence_us(c));
	return l->is_busy ? deadline_us : MIN(deadline_us, l->next_us);
}
