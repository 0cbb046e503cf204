/* A group operation, taken to the shard whose coordinator serves the group, and back.
 *
 *	struct group_trip *t = group_trip_new(r, group_id, start, finish);
 *	t->state = ...;			// what start and finish need; arena: of the request
 *	group_trip_go(t);
 *
 * `start` runs on the owner's shard and begins one operation of group/group.h with
 * group_trip_call(t, &op->call). When it is done, `finish` (NULL: nothing to do) runs on the
 * connection's shard. The request is held from group_trip_go() until `finish` has returned. What
 *the operation allocates is in an arena of the trip, which the request's takes over. */
#ifndef KAVKA_BROKER_API_GROUP_TRIP_H
#define KAVKA_BROKER_API_GROUP_TRIP_H

#include "api/request.h"
#include "group/group.h"

struct group_trip {
	struct task task;
	struct request *request;
	struct shard *owner;
	int32_t partition;	/* of OFFSETS_TOPIC; -1: nobody's, refused by the coordinator */
	struct arena arena;	/* the operation's */
	void (*start)(struct group_trip *t, struct group_coordinator *gc);
	void (*finish)(struct group_trip *t);
	void *state;		/* the handler's */
};

struct group_trip *group_trip_new(struct request *r, struct str group_id,
				  void (*start)(struct group_trip *t, struct group_coordinator *gc),
				  void (*finish)(struct group_trip *t));
void group_trip_go(struct group_trip *t);

/* Fills `call` for the operation of the trip. On the owner's shard. */
void group_trip_call(struct group_trip *t, struct group_call *call);

#endif
