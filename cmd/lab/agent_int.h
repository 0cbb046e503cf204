/* The agent of a lab: a process in the background, the parent of the lab's nodes, through which
 * they reach each other. It does what it is asked by lines at its socket:
 *
 *	status				the states of all nodes, and the network's
 *	start|stop|kill|pause|resume N	one node; does not wait until it has happened
 *	cut GROUPS, heal		as cuts_parse() reads them
 *	slow N MS			each message to or from the node comes that much later
 *	load				nodes were added to lab.properties
 *	down				ends all nodes, then the agent; the answer comes at the end
 *
 * The answer ends with a line "ok", or "error" and why. */
#ifndef KAVKA_CMD_LAB_AGENT_INT_H
#define KAVKA_CMD_LAB_AGENT_INT_H

#include "cmd/lab/lab_int.h"
#include "cmd/lab/relay.h"

#include "base/list.h"

#include <sys/un.h>

#define AGENT_SOCKET "agent.sock"
#define AGENT_LOG "agent.log"

struct agent {
	struct lab lab; /* its texts are in `kept`, what is made of them in `scratch` */
	struct arena kept, scratch;
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_poll_t door; /* the socket */
	int door_fd, dir_fd;
	uv_timer_t patience;     /* with nodes that shall end */
	struct list_node asking; /* connections at the socket */
	struct relay *relay;
	struct node_status nodes[LAB_ENDS_MAX]; /* by id */
	bool is_stopped_by_us[LAB_ENDS_MAX];    /* asked to end: stop, or kill */
	bool is_killed_by_us[LAB_ENDS_MAX];
	struct cuts cuts;
	bool is_ending;
};

/* The lab's directory as a descriptor, by which the socket is reached however long its path. */
MUST_USE int agent_dir(const struct lab *lab, struct err *err);
void agent_address(int dir_fd, struct sockaddr_un *out);

/* ---- agent_node.c: the nodes as processes ---- */

MUST_USE int agent_node_start(struct agent *a, int id, struct err *err);
/* E_INVALID: it has no process, or is in the wrong state. */
MUST_USE int agent_node_signal(struct agent *a, int id, const char *verb, struct err *err);
/* After SIGCHLD: notes who ended and why. */
void agent_node_reap(struct agent *a);
/* Is there a process among the nodes? Only the brokers? */
bool agent_node_any(const struct agent *a, bool of_brokers);
void agent_node_signal_all(struct agent *a, bool of_brokers, int number);

#endif
