/* This node's controller in the metadata. Each controller says to the active one who it is, where
 * it is and what it supports, until the image has it from this process: an upgrade of the cluster
 * asks whether every controller can follow.
 * Source: core/src/main/scala/kafka/server/ControllerRegistrationManager.scala */
#include "base/say.h"
#include "controller/control_int.h"
#include "controller/controller_int.h"

#define SAY_PLACE "broker/controller"
#define WAIT_MIN_US (100 * 1000)
#define WAIT_MAX_US (120 * 1000 * 1000)
#define ATTEMPT_US (10 * 1000 * 1000)

void enrolment_init(struct control *c)
{
	arena_init(&c->enrolment.arena);
	c->enrolment.wait_us = WAIT_MIN_US;
}

void enrolment_fini(struct control *c)
{
	arena_fini(&c->enrolment.arena);
}

static bool enrolment_is_wanted(const struct control *c)
{
	const struct image_controller *self;

	if (!c->options.is_controller || str_is_null(c->options.controller_endpoint.host) ||
	    !c->latest || image_metadata_version(c->latest) < METADATA_3_7_IV0 ||
	    c->life.state == LIFE_STOPPED)
		return false;
	self = image_controller(c->latest, c->options.node_id);
	return !self || !uuid_eq(self->incarnation_id, controller_incarnation_id(c->controller));
}

static void enrolment_done(struct control_op *op)
{
	struct control *c = CONTAINER_OF(op, struct control, enrolment.op);
	const struct controller_registration_response *response = op->response;
	struct enrolment *e = &c->enrolment;

	e->is_busy = false;
	if (response->error_code)
		say_warn("the active controller does not register this one: %s %.*s",
			 kafka_error_name(response->error_code), STR(response->error_message));
	/* also after success: the image that has it may take its time */
	e->next_us = env_mono_us(c->env) + e->wait_us;
	e->wait_us = MIN(e->wait_us * 2, WAIT_MAX_US);
	control_pump_soon(c);
}

static void enrolment_send(struct control *c)
{
	const struct image_endpoint *endpoint = &c->options.controller_endpoint;
	struct enrolment *e = &c->enrolment;
	struct controller_registration_request *r;
	struct arena *a = &e->arena;

	arena_reset(a);
	r = WIRE_NEW(a, controller_registration_request);
	r->controller_id = c->options.node_id;
	r->incarnation_id = controller_incarnation_id(c->controller);
	r->listeners = WIRE_ARRAY(a, controller_registration_request_listener, 1);
	r->listeners_count = 1;
	r->listeners[0].name = endpoint->name;
	r->listeners[0].host = endpoint->host;
	r->listeners[0].port = endpoint->port;
	r->listeners[0].security_protocol = endpoint->security_protocol;
	r->features = WIRE_ARRAY(a, controller_registration_request_feature, feature_count);
	r->features_count = (int32_t)feature_count;
	for (size_t i = 0; i < feature_count; i++) {
		r->features[i].name = str_of(features[i].name);
		r->features[i].min_supported_version = features[i].min;
		r->features[i].max_supported_version = features[i].max;
	}
	e->is_busy = true;
	e->op = (struct control_op){
		.kind = CONTROL_REGISTER_CONTROLLER,
		.request = r,
		.response = WIRE_NEW(a, controller_registration_response),
		.arena = a,
		.deadline_us = env_mono_us(c->env) + ATTEMPT_US,
		.done = enrolment_done,
	};
	control_submit_own(c, &e->op);
}

void enrolment_tick(struct control *c)
{
	struct enrolment *e = &c->enrolment;

	if (!enrolment_is_wanted(c)) {
		e->wait_us = WAIT_MIN_US;
		return;
	}
	if (!e->is_busy && env_mono_us(c->env) >= e->next_us)
		enrolment_send(c);
}

int64_t enrolment_deadline_us(const struct control *c)
{
	const struct enrolment *e = &c->enrolment;

	return e->is_busy || !enrolment_is_wanted(c) ? INT64_MAX : e->next_us;
}
