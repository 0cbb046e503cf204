/* Inside the simulated clusters: whole brokers and controllers of several nodes in one process. The
 * broker's own code runs from the handlers of requests downwards; what broker/server does around it
 * is done by these files:
 *
 *	shards.c	the shard's door (tasks, timers) and a node's env, on the world's clock
 *	links.c		the channel's door and the other end of it: connections, requests, answers
 *	servers.c	a node's life: formatting, start, images to the shards, checkpoints, ends
 *	clients.c	what clients have in common: finding leaders, asking
 *	producers.c	writing numbered records; consumers.c: reading them, committing; admin.c
 *	members.c	a group of several; team.c: what they may count on
 *	promises.c	what producers without sequences may count on
 *	committed.c	what is committed: the same everywhere, for ever
 *	checks.c	what else must hold after every step, and in the end
 *	cluster.c	what happens
 *
 * A life is one run of a process. When it is over nothing of it is freed, as nothing of it runs
 * again: each seed has a process of its own, whose end frees everything. */
#ifndef KAVKA_TESTS_SIM_CLUSTER_H
#define KAVKA_TESTS_SIM_CLUSTER_H

#include "sim/disk.h"
#include "sim/run.h"
#include "sim/world.h"

#include "api/request.h"
#include "base/list.h"
#include "base/mem.h"
#include "config/config.h"
#include "controller/control.h"
#include "group/group.h"
#include "log/log_dir.h"
#include "metadata/image.h"
#include "metrics/metrics.h"
#include "replica/replica.h"
#include "replica/throttle.h"
#include "shard/channel.h"
#include "shard/shard.h"

#define SIM_NODES_MAX 5
#define SIM_SHARDS_MAX 2
#define SIM_CLUSTER_ID "c2ltdWxhdGVkLWNsdXN0ZQ"
/* A listener's port: which of the two, and of which node. */
#define SIM_BROKER_PORT 9000
#define SIM_CONTROLLER_PORT 9500

/* What a seed's machines do when they fail, and so what is promised. */
enum sim_power {
	POWER_STAYS,   /* processes die, what they wrote stays */
	POWER_ONE,     /* one at a time loses power, once all were well: nothing is lost */
	POWER_FLUSHED, /* any of them at any time, each append is synced: nothing is lost */
	POWER_ANY,     /* any of them at any time: what is not synced may be lost */
};

struct sim;
struct life;

struct sim_shard {
	struct shard shard; /* first */
	struct life *life;
	struct task *first, **last; /* posted */
	bool is_posted;             /* a turn is planned */
	struct heap timers;
	int64_t armed_us; /* when they are looked at; INT64_MAX: not */
	struct timer tick_timer;
};

struct sim_node {
	struct sim *sim;
	unsigned index; /* in the world; its id is one more */
	struct env_ops ops;
	struct env env;
	struct sim_disk *disk;
	struct config *config;
	struct uuid directory_id;
	bool is_broker, is_controller;
	struct life *life;       /* NULL: down */
	int64_t clock_offset_us; /* of its wall clock */
	int64_t up_at_us;        /* when it is started again */
};

struct life {
	struct sim_node *node;
	bool is_over;
	bool is_doomed; /* ends after this event */
	const char *why;
	struct broker broker;
	struct shard *shard_list[SIM_SHARDS_MAX];
	struct sim_shard shards[SIM_SHARDS_MAX];
	struct replica_throttles throttles;
	struct log_dir *dir;
	struct control *control;
	const struct image *latest;
	bool is_caught_up, is_unfenced, is_open, is_running;
	bool is_stopping;
	unsigned applying;
	unsigned next_shard; /* for the next connection */
	struct timer checkpoint_timer;
};

/* One TCP connection. */
struct sim_conn {
	struct list_node link;   /* of the sim's */
	struct channel *channel; /* NULL: the asker has given it up */
	struct life *client, *server;
	struct sim_shard *on; /* the server's shard */
	bool is_controller;   /* the listener */
	bool is_stuck;        /* something was lost: nothing more comes through */
	bool is_dead;
	int64_t to_us, back_us;    /* when the last one arrives, each way */
	struct list_node requests; /* at the server, in their order */
};

struct producer;
struct consumer;
struct admin;
struct checks;
struct promises;
struct member;
struct team;

struct sim {
	struct world world;
	unsigned nodes, brokers, controllers;
	unsigned shards;                         /* of each node */
	struct sim_node node[SIM_NODES_MAX + 1]; /* the last one: where the clients are */
	struct list_node conns;
	bool is_peaceful;
	bool is_dynamic; /* the quorum: its voters can be changed */
	enum sim_power power;
	bool has_small_segments; /* of the topic that is written */
	bool opens_slowly;       /* new partitions, one at a time */
	bool has_elr;            /* eligible leader replicas */
	bool is_hurt;            /* POWER_ONE: one has died, and not all are well again */
	uint32_t disk_fault, fsync_fault, reset; /* chances in a million */
	uint64_t work_us_max;
	int32_t partitions; /* that the operator wants SIM_TOPIC to have, by now */
	struct producer *producers;
	struct consumer *consumers;
	struct admin *admin;
	struct checks *checks;
	struct committed *committed;
	struct promises *promises;
	struct member *members;
	struct team *team;
	uint64_t crashes, losses, stops, elections, produced, consumed, delivered, commits, changes,
		voter_changes;
};

void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
/* Runs later, unless the life is over by then. After it the life is looked at. */
void life_at(struct life *l, int64_t at_us, void (*run)(void *ctx), void *ctx);
static inline int64_t sim_now_us(const struct sim *s)
{
	return world_now_us(&s->world);
}
static inline struct sim_shard *sim_shard(struct shard *s)
{
	return CONTAINER_OF(s, struct sim_shard, shard);
}

/* shards.c */
void sim_shard_init(struct sim_shard *s, struct life *l, unsigned index);
void sim_node_env(struct sim_node *n);

/* links.c */
void links_end(struct life *l, bool is_silent); /* the process is gone */

/* servers.c */
void sim_node_init(struct sim *s, unsigned index, bool is_broker, bool is_controller);
void sim_node_format(struct sim_node *n);
void sim_node_start(struct sim_node *n);
void sim_node_stop(struct sim_node *n); /* in good order; takes a while */
/* The process dies; with `has_power` the disk keeps what it was given. */
void sim_node_crash(struct sim_node *n, bool has_power, const char *why);
void life_doom(struct life *l, const char *why);

/* clients.c and the others: on the last node */
void clients_start(struct sim *s);

/* committed.c: what any node calls committed is the same everywhere, for ever */
void committed_init(struct sim *s);
void committed_step(struct life *l); /* metadata */
void committed_look(struct life *l, const struct partition *p);
/* Nodes lose their power: what not all replicas have on the disk may be lost. */
void committed_lose(struct sim *s);

/* checks.c */
/* The newest that a node has; NULL: none has any. */
const struct image *checks_newest_image(const struct sim *s);
void checks_init(struct sim *s);
void checks_step(struct life *l);
/* Whether all nodes are up and all replicas in sync, as far as the newest metadata say. */
bool checks_are_whole(struct sim *s);
/* Whoever is alone in the ISR of a partition; NULL: nobody. */
struct sim_node *checks_last_in_sync(struct sim *s);
/* Whether all nodes are up. */
bool checks_are_up(const struct sim *s);
/* Whether the newest metadata have it fenced, or do not know it. */
bool checks_are_fenced(struct sim *s, const struct sim_node *n);
/* Whether everything is as it should be when nothing fails. */
bool checks_settled(struct sim *s, char *why, size_t why_len);
void checks_end(struct sim *s);

#endif
