/* The last word of a member to its group: LeaveGroup, or a heartbeat with the epoch that says so.
 */
#include "base/mem.h"
#include "client/client_int.h"
#include "client/consumer_int.h"

#include <stdlib.h>

struct leave {
	struct call call;
	struct arena arena;
	struct str group, id, instance_id;
	bool is_done;
	bool is_alone; /* nobody waits: frees itself */
};

static void leave_prepare(struct call *call, int16_t version)
{
	struct leave *l = call->owner;
	struct leave_group_request *req = WIRE_NEW(&l->arena, leave_group_request);

	req->group_id = l->group;
	if (version < 3) {
		req->member_id = l->id;
	} else {
		req->members = WIRE_ARRAY(&l->arena, leave_group_request_member_identity, 1);
		req->members_count = 1;
		req->members[0].member_id = l->id;
		if (version >= 5)
			req->members[0].reason =
				l->is_alone ? STR_LIT("max.poll.interval.ms was exceeded")
					    : STR_LIT("the consumer is being closed");
	}
	call->request = req;
}

/* Epoch -1; a static member says that it will be back. */
static void leave_prepare_modern(struct call *call, int16_t version)
{
	struct leave *l = call->owner;
	struct consumer_group_heartbeat_request *req =
		WIRE_NEW(&l->arena, consumer_group_heartbeat_request);

	(void)version;
	req->group_id = l->group;
	req->member_id = l->id;
	req->instance_id = l->instance_id;
	req->member_epoch = str_is_null(l->instance_id) ? -1 : -2;
	req->subscribed_topic_names_count = req->topic_partitions_count = -1;
	call->request = req;
}

static void leave_free(struct leave *l)
{
	client_cancel(&l->call);
	arena_fini(&l->arena);
	free(l);
}

static void leave_done(struct call *call)
{
	struct leave *l = call->owner;

	l->is_done = true;
	if (l->is_alone)
		leave_free(l);
}

static bool leave_is_done(void *ctx)
{
	return ((struct leave *)ctx)->is_done;
}

int leave_send(struct consumer *k, bool is_waited, struct err *err)
{
	struct member *m = &k->member;
	struct leave *l = xcalloc(1, sizeof(*l));
	int rc;

	arena_init(&l->arena);
	l->group = str_dup(&l->arena, m->group);
	l->id = str_dup(&l->arena, str_of(m->id));
	l->instance_id = str_dup(&l->arena, str_of(m->instance_id));
	l->is_alone = !is_waited;
	l->call = (struct call){
		.target = TO_GROUP(l->group),
		.api_key = m->is_modern ? API_CONSUMER_GROUP_HEARTBEAT : API_LEAVE_GROUP,
		.timeout_ms = CONSUMER_CLOSE_MS,
		.prepare = m->is_modern ? leave_prepare_modern : leave_prepare,
		.done = leave_done,
		.owner = l,
	};
	client_request(k->client, &l->call);
	if (!is_waited)
		return 0;
	rc = client_wait(k->client, leave_is_done, l, CONSUMER_CLOSE_MS);
	if (rc == 0)
		rc = l->call.rc;
	if (rc < 0 && err)
		*err = l->call.err;
	leave_free(l);
	return rc;
}
