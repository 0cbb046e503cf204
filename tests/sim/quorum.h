/* Inside the simulated quorums: what a node and a cluster of them are, and the doors between the
 * files: nodes.c (life, disk, clock), packets.c (messages), quorum.c (what happens, what must
 * hold). */
#ifndef KAVKA_TESTS_SIM_QUORUM_H
#define KAVKA_TESTS_SIM_QUORUM_H

#include "sim/disk.h"
#include "sim/run.h"
#include "sim/world.h"

#include "config/config.h"
#include "raft/raft.h"

#define EPOCHS_MAX 4096

struct cluster;

struct node {
	struct cluster *cluster;
	unsigned index;
	struct env env;
	struct env_ops ops;
	struct sim_disk *disk;
	struct raft *raft;    /* NULL: down */
	unsigned incarnation; /* of the process: older messages and works are void */
	int64_t tick_us;      /* of the tick that is planned */
	int64_t last_tick_us;
	unsigned spins;            /* ticks since the last one that waited */
	int64_t applied;           /* next offset to read */
	int64_t high_watermark;    /* last seen in this life */
	int32_t applied_epoch;     /* of the last batch read */
	struct list_node inbounds; /* that are not answered yet */
	struct work *works;        /* under way */
	int64_t up_at_us;          /* when it is started again */
	bool is_doomed;            /* loses power at the end of this event */
};

/* One of the batches that some node called agreed. */
struct agreed {
	int64_t base_offset, next_offset;
	uint32_t crc;
	int32_t epoch;
};

struct cluster {
	struct world world;
	unsigned voters, nodes; /* the rest observes */
	bool is_static;         /* kraft.version 0 */
	bool knows_pre_vote;
	bool is_peaceful;
	uint32_t disk_fault, fsync_fault;
	uint32_t vote_crash; /* power goes right after a vote */
	int64_t election_timeout_ms;
	uint64_t work_us_max; /* how long an fsync takes */
	struct quorum_voter static_voters[WORLD_NODES_MAX];
	struct node node[WORLD_NODES_MAX];
	int32_t leader_of[EPOCHS_MAX];
	struct agreed *agreed;
	size_t agreed_count, agreed_cap;
	uint64_t appended, crashes, elections, snapshots, downloads, voter_changes;
};

/* A request at the node that it is for. */
struct inbound {
	struct raft_inbound in;
	struct packet *packet; /* NULL: an operator's, nobody carries the answer back */
	struct node *node;
	struct list_node link; /* of the node's inbounds */
	struct arena arena;
	void *body;
};

/* Ends the run of this seed: something does not hold. */
void fail(struct cluster *c, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* nodes.c */
void node_init(struct node *n, struct cluster *c, unsigned index);
void node_format(struct node *n); /* what `kavka storage format` leaves */
void node_start(struct node *n);
void node_crash(struct node *n, const char *why); /* the power goes */
void node_plan(struct node *n);                   /* the next tick */
void node_snapshot(struct node *n);
int64_t node_wall_ms(struct env *env);
struct uuid directory_of(unsigned index);

/* packets.c */
void node_send(void *ctx, const struct raft_request *request);
/* A request that comes from no node; its body is made in i->arena. */
struct inbound *inbound_new(struct node *n, enum api_key api);
void inbound_deliver(struct inbound *i);
/* The node is gone, and with it whatever it was asked. */
void inbounds_drop(struct node *n);

/* quorum.c: after each event of a node. */
void node_look(struct node *n);

#endif
