/* The inside of the controller: what its files share. */
#ifndef KAVKA_BROKER_CONTROLLER_CONTROLLER_INT_H
#define KAVKA_BROKER_CONTROLLER_CONTROLLER_INT_H

#include "controller/controller.h"

#include "base/list.h"
#include "base/rng.h"
#include "metadata/delta.h"
#include "metadata/features.h"

/* One operation of the user makes no more records than this. */
#define RECORDS_PER_USER_OP_MAX 10000
/* A batch of an operation that need not be atomic is closed at this. */
#define RECORDS_PER_BATCH_MAX 10000
#define PARTITIONS_PER_REQUEST_MAX 10000

/* What is known of a broker beside its registration: never in a record. */
struct broker_track {
	int32_t id;
	int64_t contact_us;      /* last heartbeat */
	int64_t metadata_offset; /* that the broker has applied; -1 unknown */
	int64_t shutdown_offset; /* of the records that moved its leaderships away; -1 none */
};

/* An image whose last record is not committed yet. */
struct pending_image {
	struct list_node link;
	int64_t last_offset;
	const struct image *image;
};

struct op_queue {
	struct control_op *first, **end;
};

struct controller {
	struct controller_options options;
	struct env *env;
	struct raft *raft;
	const struct config *config;
	struct rng rng;
	struct uuid incarnation_id; /* of this process */

	bool is_active;
	int32_t active_epoch;
	struct image_delta tip;        /* everything appended */
	const struct image *last;      /* the tip as of the last append */
	const struct image *committed; /* newest committed outside of a metadata transaction */
	bool has_new_image;
	int64_t tip_end;      /* offset after what the tip has */
	int64_t record_bytes; /* loaded and appended so far */
	int32_t loaded_epoch; /* of the last batch that was loaded */
	int64_t loaded_ms;
	struct list_node pending; /* images, ascending offsets */
	struct op_queue waiting;  /* ascending commit_offset */
	struct op_queue done;

	struct broker_track *tracks;
	size_t track_count, track_cap;

	int64_t next_no_op_us, next_balance_us, next_unclean_us;
	int64_t last_tick_us; /* 0: none since it took over */
};

/* controller_load.c: replays what is committed and not loaded yet. */
MUST_USE int controller_load(struct controller *c, struct err *err);
/* Takes the image: it is the newest one that is committed. */
void controller_commit_image(struct controller *c, const struct image *image);

/* The records of one operation on their way into the log; each is replayed into the tip at once. */
struct change {
	struct controller *c;
	struct arena *arena; /* of the operation: for records and answers */
	bool is_atomic;
	bool is_discarded; /* validate only: nothing shall stay */
	struct batch_builder batch;
	struct out scratch;
	int64_t timestamp_ms;
	int32_t record_count;
	int64_t last_offset; /* of what was appended, -1 */
	int rc;              /* first failure */
	struct err err;
};

/* Runs `work` as a change of the controller's own. */
MUST_USE int controller_change(struct controller *c, bool is_atomic,
			       void (*work)(struct change *ch), struct err *err);
/* Adds a record (the generated struct). Failures are kept for the end. */
void change_add(struct change *ch, const struct message_desc *desc, int16_t version,
		const void *record);
/* The offset that the next record will have. */
int64_t change_next_offset(const struct change *ch);
static inline const struct image *tip(const struct change *ch)
{
	return delta_image(&ch->c->tip);
}
static inline int metadata_version(const struct change *ch)
{
	return image_metadata_version(tip(ch));
}
bool elr_enabled(const struct image *image);
/* A random id that is none of the reserved ones. */
struct uuid new_id(struct env *env);
/* A text in the operation's arena. */
#define op_text(op, ...) str_of(arena_printf((op)->arena, __VA_ARGS__))

/* ---- brokers.c ------------------------------------------------------------------------------- */

void brokers_register_controller(struct change *ch);
struct broker_track *track_of(struct controller *c, int32_t id);
void brokers_activate(struct controller *c);
/* Fences the brokers whose sessions have ended. */
void brokers_fence_stale(struct change *ch);
/* When the next session ends unless its broker is heard of; INT64_MAX: there is none. */
int64_t brokers_expiry_us(struct controller *c);
/* This node heard nobody for so long, by its own fault. */
void brokers_excuse(struct controller *c, int64_t silence_us);
/* A broker that may get new replicas: registered, not shutting down, with a directory for them. */
bool broker_takes_replicas(const struct image_broker *b);
/* The directory that a new replica on that broker gets in its record. */
struct uuid broker_new_dir(const struct image *image, int32_t broker_id);

/* ---- partitions.c ---------------------------------------------------------------------------- */

enum election {
	ELECT_PREFERRED,
	ELECT_ONLINE,
	ELECT_UNCLEAN,
};

/* What a partition shall become; `targets` start as what it is. */
struct partition_change {
	struct change *ch;
	const struct image_topic *topic;
	const struct image_partition *partition;
	enum election election;
	struct node_list isr, replicas, adding, removing;
	const struct uuid *directories; /* NULL: unchanged; else as many as replicas */
	int8_t recovery;                /* -1: unchanged */
	/* Who may lead beside the active brokers, and who not although active. NO_NODE: nobody. */
	int32_t extra_leader, barred_leader, unclean_broker;
	/* results */
	bool completes_reassignment;
};

void partition_change_init(struct partition_change *p, struct change *ch,
			   const struct image_topic *topic,
			   const struct image_partition *partition);
/* Works out leader, ISR and ELR and adds the record; false if nothing changes. */
bool partition_change_add(struct partition_change *p);

struct node_list node_list_without(struct arena *a, struct node_list list, int32_t id);
struct node_list node_list_copy(struct arena *a, const int32_t *ids, uint32_t count);

/* Takes `remove` out of ISRs and leaderships (fencing, shutdown; NO_NODE: nobody), lets `add` lead
 * what has no leader, and with `unclean` takes that one out of the ELRs as well. */
void partitions_move_leaders(struct change *ch, int32_t remove, int32_t add, int32_t unclean);
/* Those with a replica of that broker in that directory. */
void partitions_leave_dir(struct change *ch, int32_t broker_id, struct uuid dir);
/* Moves leaderships back to the preferred replicas, at most `max`; true if there are more. */
bool partitions_balance(struct change *ch, int max);
/* Elects whoever is there for partitions without a leader whose topic allows unclean elections. */
bool partitions_elect_unclean(struct change *ch, int max);
/* min.insync.replicas of a topic ("": of all) is another one: nobody is eligible any more, but
 * where nobody is in sync. There the eligible ones, or who led last, are the only ones that can
 * lead, nothing was acknowledged since, and Apache's ClearElrRecord alone would leave the partition
 * without a leader for good. */
void partitions_clear_elr(struct change *ch, struct str topic);
bool partitions_lead_any(const struct image *image, int32_t broker_id);
/* The effective min.insync.replicas and unclean.leader.election.enable of a topic. */
int32_t topic_min_isr(const struct change *ch, const struct image_topic *topic);
bool topic_unclean_election(const struct change *ch, struct str topic);

/* ---- placement.c ----------------------------------------------------------------------------- */

/* Places `count` partitions of `factor` replicas, starting with partition `first`: gives
 * count * factor ids in `out`. Fails with Kafka's text. */
MUST_USE int placement_place(struct change *ch, int32_t count, int32_t factor, int32_t *out,
			     struct err *err);

/* ---- Operations: run fills the response, fail puts one error everywhere ---------------------- */

typedef void (*op_run)(struct change *ch, struct control_op *op);
typedef void (*op_fail)(struct control_op *op, enum kafka_error error, struct str text);

#define CONTROLLER_OPS(X) \
	X(CONTROL_CREATE_TOPICS, create_topics, true) \
	X(CONTROL_DELETE_TOPICS, delete_topics, true) \
	X(CONTROL_CREATE_PARTITIONS, create_partitions, true) \
	X(CONTROL_ALTER_CONFIGS, alter_configs, true) \
	X(CONTROL_INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, true) \
	X(CONTROL_ELECT_LEADERS, elect_leaders, false) \
	X(CONTROL_UPDATE_FEATURES, update_features, true) \
	X(CONTROL_ALTER_CLIENT_QUOTAS, alter_client_quotas, true) \
	X(CONTROL_ALTER_SCRAM, alter_scram, true) \
	X(CONTROL_ALTER_REASSIGNMENTS, alter_reassignments, true) \
	X(CONTROL_ALTER_PARTITION, alter_partition, false) \
	X(CONTROL_ASSIGN_DIRS, assign_dirs, false) \
	X(CONTROL_REGISTER_BROKER, register_broker, false) \
	X(CONTROL_HEARTBEAT, heartbeat, false) \
	X(CONTROL_UNREGISTER_BROKER, unregister_broker, false) \
	X(CONTROL_ALLOCATE_PRODUCER_IDS, allocate_producer_ids, true) \
	X(CONTROL_DESCRIBE_QUORUM, describe_quorum, true) \
	X(CONTROL_LIST_REASSIGNMENTS, list_reassignments, true) \
	X(CONTROL_REGISTER_CONTROLLER, register_controller, true) \
	X(CONTROL_UNREGISTER_CONTROLLER, unregister_controller, true)

#define X(kind, name, atomic) \
	void name##_run(struct change *ch, struct control_op *op); \
	void name##_fail(struct control_op *op, enum kafka_error error, struct str text);
CONTROLLER_OPS(X)
#undef X

/* Those that raft runs (control_voters.c). */
void add_voter_fail(struct control_op *op, enum kafka_error error, struct str text);
void remove_voter_fail(struct control_op *op, enum kafka_error error, struct str text);

#endif
