/* A request taken to the control plane and back.
 *
 *	control_trip_send(r, CONTROL_CREATE_TOPICS);	// all that many handlers need
 *	request_done(r);
 *
 * or, where the handler asks for something else than it was asked, or looks at the result:
 *
 *	struct control_trip *t = control_trip_new(r, kind, finish);
 *	t->op.request = ...;		// the request's body and response, unless set
 *	control_trip_go(t);
 *
 * The controller fills the response; what came to the controllers' listener it refuses where it is
 * not the active one, all else goes to whoever is. `finish` (NULL: nothing to do) runs on the
 * connection's shard. The request is held from control_trip_go() until `finish` has returned. What
 * the controller allocates is in an arena of the trip, which the request's takes over. */
#ifndef KAVKA_BROKER_API_CONTROL_TRIP_H
#define KAVKA_BROKER_API_CONTROL_TRIP_H

#include "api/request.h"
#include "controller/control.h"

struct control_trip {
	struct control_op op;
	struct request *request;
	struct arena arena;		/* the operation's */
	void (*finish)(struct control_trip *t);
	void *state;			/* the handler's */
};

struct control_trip *control_trip_new(struct request *r, enum control_op_kind kind,
				      void (*finish)(struct control_trip *t));
void control_trip_go(struct control_trip *t);

/* Both, with the request as it is. */
void control_trip_send(struct request *r, enum control_op_kind kind);

#endif
