/* The control plane of a node, on shard 0: the metadata log (raft), the controller that writes it
 * when this node leads the quorum, the loader that turns the log into images wherever it does not,
 * the way to the active controller when that is another node, and the registration of this node's
 * broker and controller with it.
 *
 *	control_start()		opens and replays the metadata log, takes part in the quorum
 *	  on_image ...		once per committed batch of records, also while replaying at start
 *	  on_caught_up		this broker is registered; the last image given has everything up to
 *that. Let the shards apply it, start to serve, then:
 *	control_unfence()	asks the controller to let clients in
 *	  on_ready		an image in which this broker is unfenced was given
 *	control_stop()		controlled shutdown: leaderships move away, the broker is fenced
 *	  on_stopped		then close the partitions and call
 *	control_close()
 *
 * Everything here belongs to shard 0, but control_submit() and control_auto_create(), which any
 * shard calls; results travel back as tasks. Callbacks run on shard 0, never from inside a call
 *made by the caller, so they may call anything here but control_close().
 *
 * Nothing is answered before the records it wrote are on disk (fsync) and committed; operations
 *that arrive while an fsync runs share the next one. Source:
 *core/src/main/scala/kafka/server/{ControllerServer,BrokerLifecycleManager}.scala,
 * metadata/src/main/java/org/apache/kafka/controller/QuorumController.java */
#ifndef KAVKA_BROKER_CONTROLLER_CONTROL_H
#define KAVKA_BROKER_CONTROLLER_CONTROL_H

#include "shard/shard.h"
#include "base/arena.h"
#include "base/err.h"
#include "metadata/image.h"
#include "shard/shard.h"
#include "wire/desc.h"
#include "wire/errors.h"
#include "wire/messages.h"

#include <stdatomic.h>

struct control;
struct config;

struct control_options {
	struct shard *shard; /* shard 0: timers, and the home of control's own tasks */
	struct env *env;
	const struct config *config; /* borrowed until control_set_config or control_close */

	int32_t node_id;
	struct str cluster_id; /* text, as in meta.properties */
	bool is_controller;    /* process.roles */
	bool is_broker;

	const char *metadata_dir;    /* metadata.log.dir: __cluster_metadata-0 is in it */
	struct uuid metadata_dir_id; /* its directory.id */

	/* What the broker registers with. Advertised listeners with the ports they really have. */
	const struct image_endpoint *endpoints;
	uint32_t endpoint_count;
	const struct uuid *log_dirs;      /* directory.id of each online log dir */
	const char *const *log_dir_paths; /* the same ones, as in log.dirs; NULL: not known */
	uint32_t log_dir_count;
	struct str rack;               /* null: none */
	int64_t previous_broker_epoch; /* from .kafka_cleanshutdown, -1: unclean or unknown */
	/* The controller listener, for the voter's entry; host null: not served. */
	struct image_endpoint controller_endpoint;

	void *ctx;
	/* Gives one reference. Offsets of images only grow. */
	void (*on_image)(void *ctx, const struct image *image);
	void (*on_caught_up)(void *ctx);
	void (*on_ready)(void *ctx);
	/* The metadata log cannot be written or read any more: the process must end. */
	void (*on_fatal)(void *ctx, const struct err *err);
	void (*on_stopped)(void *ctx);
};

/* Opens the metadata log; everything else happens by callbacks. Strings and arrays of the options
 * are copied. -errno, E_CORRUPT, E_INVALID (not formatted, other cluster, log of a newer format).
 */
MUST_USE int control_start(struct control **out, const struct control_options *options,
			   struct err *err);
void control_unfence(struct control *c);
/* on_stopped comes at the latest after `timeout_ms`, also when the controlled shutdown failed. */
void control_stop(struct control *c, int64_t timeout_ms);
/* After on_stopped: if this node leads the quorum, another voter shall. */
void control_leave_quorum(struct control *c);
/* Closes the files and frees. Operations under way were failed before on_stopped. */
void control_close(struct control *c);

/* The broker's configs changed (dynamic configs in an image). Borrows as control_options.config. */
void control_set_config(struct control *c, const struct config *config);

/* Log directories that went offline: told to the controller with the next heartbeat. */
void control_dir_offline(struct control *c, struct uuid directory);

/* The epoch this broker registered with, -1: not yet. For .kafka_cleanshutdown and AlterPartition.
 */
int64_t control_broker_epoch(const struct control *c);
/* Any shard: the versions of an API that the active controller has, where that is another node
 * which has said so; *max < 0: it does not have it. False: this node's own versions count. */
static inline bool control_versions(const struct broker *b, enum api_key api, int16_t *min,
				    int16_t *max)
{
	uint32_t packed = atomic_load(&b->controller_versions[api]);

	*min = (int16_t)(packed >> 16);
	*max = (int16_t)((int)(packed & 0xffff) - 2);
	return packed != 0;
}
/* The active controller's node id, -1: none known. */
int32_t control_leader_id(const struct control *c);

/* ---- Operations ------------------------------------------------------------------------------ */

/* What the controller does for a request. Request and response are the generated structs of that
 * API; the response must be initialised. Meanings and errors are the API's. */
enum control_op_kind {
	CONTROL_CREATE_TOPICS,
	CONTROL_DELETE_TOPICS,
	CONTROL_CREATE_PARTITIONS,
	CONTROL_ALTER_CONFIGS,
	CONTROL_INCREMENTAL_ALTER_CONFIGS,
	CONTROL_ELECT_LEADERS,
	CONTROL_UPDATE_FEATURES,
	CONTROL_ALTER_CLIENT_QUOTAS,
	CONTROL_ALTER_SCRAM,         /* AlterUserScramCredentials */
	CONTROL_ALTER_REASSIGNMENTS, /* AlterPartitionReassignments */
	CONTROL_ALTER_PARTITION,
	CONTROL_ASSIGN_DIRS, /* AssignReplicasToDirs */
	CONTROL_REGISTER_BROKER,
	CONTROL_HEARTBEAT,
	CONTROL_UNREGISTER_BROKER,
	CONTROL_ALLOCATE_PRODUCER_IDS, /* a block of 1000 for a broker */
	CONTROL_DESCRIBE_QUORUM,
	CONTROL_LIST_REASSIGNMENTS,  /* ListPartitionReassignments */
	CONTROL_REGISTER_CONTROLLER, /* ControllerRegistration */
	CONTROL_UNREGISTER_CONTROLLER,
	CONTROL_ADD_VOTER,    /* AddRaftVoter */
	CONTROL_REMOVE_VOTER, /* RemoveRaftVoter */
	/* Not of an API: request and response are NULL. */
	CONTROL_PRODUCER_ID, /* one fresh id of this broker's block */
	CONTROL_LEADER,      /* who the active controller is, as far as this node knows */
	CONTROL_OP_COUNT,
};

/* One operation on its way. The caller owns it and keeps it, the request (read only meanwhile), the
 * response and the arena until `done`; the arena belongs to shard 0 meanwhile, and what the
 * response points to afterwards is in the arena or in the request. */
struct control_op {
	enum control_op_kind kind;
	int16_t version; /* of the API, decides some errors */
	const void *request;
	void *response;
	struct arena *arena;
	void (*done)(struct control_op *op); /* on the shard that submitted it */
	/* On env_mono_us(); 0: none. An operation that has not begun by then is not done at all:
	 * REQUEST_TIMED_OUT. One that has begun goes on until its records are committed. Where the
	 * controller is another node, 60 s are the end of all waiting. */
	int64_t deadline_us;

	/* Whose request it is: then it goes to another node in an Envelope, and is authorized
	 * there. principal NULL: this node's own. */
	const char *principal;   /* "User:alice" */
	const char *client_host; /* "/127.0.0.1" */
	struct str client_id;
	/* It came from another node, or to the controllers' listener: NOT_CONTROLLER, rather than
	 * to be passed on. */
	bool stays_here;

	/* Results beside the response. The error is for the whole operation; each kind has also put
	 * it into the response at every place where the API has one. */
	enum kafka_error error;
	int64_t producer_id; /* CONTROL_PRODUCER_ID */
	int32_t node_id;     /* CONTROL_LEADER; -1: none is known */

	/* control's own */
	struct task task;
	struct shard *home;
	struct control_op *next;
	int64_t commit_offset;
	int64_t until_us; /* end of the attempts to reach a controller; 0: not begun */
	bool is_doubtful; /* an attempt had no answer, but may have been carried out */
};

/* Any shard. `done` comes in a later turn of `from`, always, exactly once. */
void control_submit(struct shard *from, struct control_op *op);

/* Whether `error` is in any place of the response where the API has an error code. */
bool control_response_has_error(const struct message_desc *m, const void *response,
				enum kafka_error error);

/* Any shard: creates the topic with the broker's defaults (internal topics with theirs), unless it
 * exists, is being created, or its name is not allowed. No answer: look into a later image. */
void control_auto_create(struct shard *from, struct str topic_name);

#endif
