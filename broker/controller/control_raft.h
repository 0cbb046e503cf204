/* The quorum on the network: what other nodes ask raft. Any shard; answers travel back as tasks.
 *
 *	control_raft_receive()	takes a request to shard 0
 *	  done ...		on the shard that it came from, always, exactly once
 *	control_raft_forget()	if nobody waits for the answer any more
 *
 * What raft asks other nodes goes over channels of its own (control_raft.c). */
#ifndef KAVKA_BROKER_CONTROLLER_CONTROL_RAFT_H
#define KAVKA_BROKER_CONTROLLER_CONTROL_RAFT_H

#include "raft/raft.h"
#include "shard/shard.h"

/* A request of another node on its way to raft. The caller owns it, and keeps it with the body
 * until `done`. */
struct control_inbound {
	/* The caller's: api, body, listener (borrowed until `done`). */
	struct raft_inbound in;
	void (*done)(struct control_inbound *ci);

	/* The answer, in `arena`; NULL: there is none, as the node ends. Records of a Fetch are in
	 * `records`, one reference, the caller's to drop; all else is in the arena. */
	void *response;
	struct buf *records;
	struct arena arena; /* the caller's from `done` on */

	/* control's own */
	struct task task;
	struct shard *home;
	struct list_node link;
	struct task forget_task;
	void (*forgotten)(struct control_inbound *ci);
};

void control_raft_receive(struct shard *from, struct control_inbound *ci);
/* The node that asked is gone: raft shall not keep the request any longer. `done` comes as ever,
 * and `forgotten` once, after it. At most once for a request, before `done`. */
void control_raft_forget(struct control_inbound *ci,
			 void (*forgotten)(struct control_inbound *ci));

#endif
