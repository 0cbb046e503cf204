/* The inside of the control plane's shell. */
#ifndef KAVKA_BROKER_CONTROLLER_CONTROL_INT_H
#define KAVKA_BROKER_CONTROLLER_CONTROL_INT_H

#include "controller/control.h"
#include "controller/controller.h"
#include "shard/channel.h"
#include "wire/codec.h"

#include "base/list.h"

enum life {
	LIFE_STARTING,    /* not registered yet */
	LIFE_CATCHING_UP, /* registered; the image does not say so yet */
	LIFE_CAUGHT_UP,   /* on_caught_up was called */
	LIFE_UNFENCING,   /* control_unfence was called */
	LIFE_RUNNING,
	LIFE_STOPPING,
	LIFE_STOPPED,
	LIFE_STATES,
};

/* The broker of this node, as it speaks to the controller. One request at a time. */
struct lifecycle {
	enum life state;
	struct uuid incarnation_id;
	int64_t broker_epoch; /* -1: not registered, or not any more */
	struct control_op op;
	struct arena arena; /* of the request under way */
	bool is_busy;
	bool is_unheard;           /* the last heartbeat had no answer */
	int64_t next_us;           /* when the next request is due */
	int64_t register_until_us; /* the first registration must have succeeded by then */
	int64_t last_answer_us;    /* of a controller, or when the stop began */
	int64_t stop_deadline_us;
	int refusals;           /* of registrations, one after the other */
	unsigned cordoned_dirs; /* bits by options.log_dirs: as last told, or about to be */
	struct uuid *offline_dirs;
	size_t offline_count, offline_cap;
};

/* Ids for producers, out of a block that the controller gave this broker. */
struct producer_ids {
	int64_t next, end;    /* end is exclusive */
	struct control_op op; /* the request for the next block */
	struct allocate_producer_ids_request request;
	struct allocate_producer_ids_response response;
	struct arena arena;
	bool is_busy;
	struct control_op *first, **last; /* who waits for it */
};

/* This node's controller in the metadata: said to the active one until the image has it. */
struct enrolment {
	struct control_op op;
	struct arena arena;
	bool is_busy;
	int64_t next_us, wait_us;
};

enum forward_way { WAY_LIFE, WAY_PARTITIONS, WAY_CLIENTS, WAY_COUNT };

/* What goes to the active controller, which is another node. */
struct forward {
	struct channel *channels[WAY_COUNT]; /* NULL: not needed yet */
	int32_t node_id;                     /* where they lead; -1: nowhere */
	char *host;
	uint16_t port;
	struct list_node waiting; /* to be sent, perhaps again */
	struct list_node sent;
	int32_t correlation_id; /* of what is in envelopes */
	int64_t answered_us;    /* when there was an answer */
	int32_t told_id;        /* whose versions the shards know; -1: nobody's, -2: to be asked */
};

struct snapshots {
	struct env_work work;
	bool is_running;
	struct control *control;
	struct env *env;
	char *dir;
	struct snapshot_id id;
	struct snapshot_header header;
	struct arena arena;
	const struct image *image;
	struct err err;
	int64_t bytes_before; /* controller_record_bytes() at the last one */
	int64_t last_us;      /* when the last one was begun, or the log loaded */
	int64_t next_clean_us;
};

struct control {
	struct control_options options; /* copied; strings in `fixed` */
	struct arena fixed;
	struct env *env;
	struct shard *shard;
	struct raft *raft;
	struct control_net *net;
	struct controller *controller;
	const struct image *latest; /* newest one given out; NULL: none yet */
	struct timer timer;
	struct task pump_task;
	bool pump_posted, is_closed, is_fatal;
	struct lifecycle life;
	struct enrolment enrolment;
	struct forward forward;
	struct producer_ids ids;
	struct list_node auto_creates; /* under way */
	struct list_node voter_trips;  /* AddRaftVoter, RemoveRaftVoter */
	struct snapshots *snapshots;   /* outlives control while its work runs */
	struct slice *bootstrap;
	size_t bootstrap_count;
};

/* Lets everything that is due happen in a later turn of shard 0. */
void control_pump_soon(struct control *c);
/* An operation of control's own: `done` is called from the pump, on shard 0. */
void control_submit_own(struct control *c, struct control_op *op);

/* For raft: control_pump_soon(). */
void control_wake(void *ctx);

/* control_raft.c: raft, and its way to the other nodes and back. */
MUST_USE int control_open_raft(struct control *c, struct err *err);
void control_close_raft(struct control *c);

/* The process must end; operations under way fail. */
void control_fatal(struct control *c, const struct err *err);
/* Runs an operation if this node is the active controller; else it fails, or waits for whoever is.
 */
void control_run_here(struct control *c, struct control_op *op);
/* The controllers' listener (the first of controller.listener.names), and what is spoken there. */
struct str control_listener_name(const struct control *c);
int16_t control_listener_protocol(const struct control *c);

/* control_forward.c */
void forward_init(struct control *c);
void forward_submit(struct control *c, struct control_op *op); /* takes it until it has an answer */
#define FORWARD_RETRY_US (50 * 1000)
/* The same, but not before that time is over. */
void forward_submit_later(struct control *c, struct control_op *op, int64_t wait_us);
void forward_tick(struct control *c);
int64_t forward_deadline_us(const struct control *c);
/* Fails all of it, and closes the connections. */
void forward_abandon(struct control *c, enum kafka_error error);

/* control_voters.c: AddRaftVoter and RemoveRaftVoter, which raft itself answers. */
void voters_submit(struct control *c, struct control_op *op);
void voters_abandon(struct control *c, enum kafka_error error);
/* The answer that says that an attempt before it did what was asked for, though nobody said so,
 * becomes one of success. */
void voters_settle(const struct control *c, struct control_op *op);
/* Whether a new leader does not know yet what an attempt under the last one has done. */
bool voters_are_unsettled(const struct control_op *op, const void *response);

/* enrolment.c */
void enrolment_init(struct control *c);
void enrolment_fini(struct control *c);
void enrolment_tick(struct control *c);
int64_t enrolment_deadline_us(const struct control *c);

/* lifecycle.c */
void lifecycle_init(struct control *c);
void lifecycle_fini(struct control *c);
void lifecycle_tick(struct control *c);
/* The configs have changed: which directories are cordoned is told at once. */
void lifecycle_configured(struct control *c);
int64_t lifecycle_deadline_us(const struct control *c);

/* producer_ids.c */
void producer_ids_init(struct control *c);
void producer_ids_fini(struct control *c);
void producer_ids_take(struct control *c, struct control_op *op);
void producer_ids_abandon(struct control *c);
/* Hands an operation back to the shard that it came from. */
void control_return(struct control *c, struct control_op *op);

/* control_snapshots.c */
void snapshots_init(struct control *c);
void snapshots_fini(struct control *c);
void snapshots_tick(struct control *c);
int64_t snapshots_deadline_us(const struct control *c);

/* bootstrap.c: what the first leader begins with. */
MUST_USE int bootstrap_load(struct control *c, struct snapshot_id latest, const char *dir,
			    int16_t *metadata_version, struct err *err);

#endif
