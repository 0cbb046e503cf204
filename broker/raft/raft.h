/* KRaft: the log that the metadata quorum agrees on. A state machine without I/O of its own: it
 *acts on events (the functions below), writes through its env and its log, sends through its
 *options, and changes what the accessors give.
 *
 *	raft_open()		reads quorum-state, snapshots and log; changes nothing agreed
 *	raft_tick()		at raft_deadline_us(): elections, repeated requests, parked fetches
 *	raft_receive()		a request of another node; raft_responded(): an answer to ours
 *	raft_append()		leader: adds a batch
 *	raft_flush()		at the end of a turn: brings what was added to the disk
 *	options.wake		something changed meanwhile: look at the accessors
 *	raft_close()
 *
 * What always holds: log start <= high watermark <= log end; records below the high watermark are
 * on the disks of a majority and never change; an epoch has at most one leader; nothing is done in
 * an epoch before quorum-state says so on the disk; a fetch offset is sent (it is the
 * acknowledgement) only when everything before it is on the disk.
 *
 * A leader begins its epoch with a LeaderChange control batch (and, under kraft.version 1, the
 * voters if they changed); the high watermark moves when a record of its own epoch is on the disks
 * of a majority. A node that is no voter observes: it fetches, and never stands for election.
 * The owner applies what raft_read() gives; when that says E_OFFSET_RANGE the log starts later now,
 * and raft_latest_snapshot() is to be loaded instead.
 *
 * Belongs to shard 0.
 * Source: raft/.../KafkaRaftClient.java, QuorumState.java, LeaderState.java; KIP-595, KIP-853,
 * KIP-996 */
#ifndef KAVKA_BROKER_RAFT_RAFT_H
#define KAVKA_BROKER_RAFT_RAFT_H

#include "base/env.h"
#include "base/err.h"
#include "base/list.h"
#include "log/log.h"
#include "metadata/snapshot.h"
#include "wire/api.h"

struct raft;

enum raft_role {
	RAFT_UNATTACHED,  /* knows no leader */
	RAFT_PROSPECTIVE, /* asks whether it would win */
	RAFT_CANDIDATE,   /* asks for votes in a new epoch */
	RAFT_LEADER,
	RAFT_FOLLOWER,
	RAFT_RESIGNED, /* was leader of this epoch and will not be again */
	RAFT_ROLES,
};
const char *raft_role_name(enum raft_role role);

#define METADATA_TOPIC "__cluster_metadata"
#define METADATA_TOPIC_ID ((struct uuid){{[15] = 1}})

/* What raft sends to another node. */
struct raft_request {
	uint64_t id;     /* given back with the answer */
	int32_t node_id; /* -1: whoever answers at that address */
	struct str host;
	uint16_t port;
	enum api_key api;
	const void *body; /* the generated struct of that API; borrowed until send() returns */
};

struct raft_address {
	struct str host;
	uint16_t port;
};

struct raft_options {
	struct env *env;          /* borrowed until raft_close() */
	const char *metadata_dir; /* METADATA_TOPIC-0 is in it */
	int32_t node_id;
	struct uuid directory_id;
	/* Static voters (controller.quorum.voters): used while the log says nothing (kraft.version
	 * 0). */
	const struct quorum_voter *voters;
	size_t voter_count;
	/* This node's endpoint for the voters record: listener name, host, port. host null: none.
	 */
	struct image_endpoint endpoint;

	struct str cluster_id; /* null: requests of any cluster are welcome */
	/* Who to ask for the leader (controller.quorum.bootstrap.servers). */
	const struct raft_address *bootstrap;
	size_t bootstrap_count;
	/* controller.quorum.auto.join.enable: this node shall become a voter by itself. */
	bool auto_join;
	int64_t election_timeout_ms; /* controller.quorum.election.timeout.ms, and so on */
	int64_t fetch_timeout_ms;
	int64_t election_backoff_max_ms;
	int64_t request_timeout_ms;
	int64_t retry_backoff_ms;
	/* controller.quorum.append.linger.ms: how long the leader keeps what is appended before it
	 * begins to flush it and lets others fetch it, unless it is much, or a control record comes
	 * behind it. */
	int64_t append_linger_ms;
	int32_t fetch_max_bytes;
	int32_t fetch_snapshot_max_bytes;

	int32_t segment_bytes;   /* metadata.log.segment.bytes */
	int64_t segment_ms;      /* metadata.log.segment.ms */
	int64_t retention_bytes; /* metadata.max.retention.bytes, of log and snapshots */
	int64_t retention_ms;    /* metadata.max.retention.ms, of snapshots */

	/* Called from the loop when a flush is done, or within raft_flush() if the env works at
	 * once; never otherwise. */
	void (*wake)(void *ctx);
	/* Sends at the highest version that both know. Never calls back into raft; the answer, or
	 * why there is none, comes with raft_responded(). NULL: this node alone is the quorum. */
	void (*send)(void *ctx, const struct raft_request *request);
	void *ctx;
};

/* Copies the options. E_CORRUPT, E_INVALID, E_UNSUPPORTED (other voters, but no `send`), -errno. */
MUST_USE int raft_open(struct raft **out, const struct raft_options *options, struct err *err);
/* Waits for nothing: a flush under way ends by itself. NULL is fine. */
void raft_close(struct raft *r);

/* Does what is due; call it once after raft_open(). 0, or the disk's error: then raft is of no more
 * use (raft_failed()). */
MUST_USE int raft_tick(struct raft *r, struct err *err);
/* When raft_tick() is wanted next, on env_mono_us(); INT64_MAX: never. */
int64_t raft_deadline_us(const struct raft *r);

/* Leader only: appends one batch of the builder's records, in this epoch, and gives the offset of
 * the last one. The builder is empty afterwards, also on error. -ENOSPC (nothing was written),
 * E_OFFLINE, E_TOO_LARGE. */
MUST_USE int raft_append(struct raft *r, struct batch_builder *batch, int64_t *last_offset,
			 struct err *err);
/* Begins to bring the log to the disk, unless that is under way or not needed, or lingers. */
void raft_flush(struct raft *r);
/* Leader only: gives up leading, and tells the other voters, the one most up to date first. */
MUST_USE int raft_resign(struct raft *r, struct err *err);

/* Leader only: brings the quorum to this kraft.version, from which on the log says who the voters
 * are. E_AGAIN: a voter has not said yet what it supports, or another change is under way;
 * E_UNSUPPORTED (a voter), E_INVALID, E_CLOSED (not the leader), or the disk's error. */
MUST_USE int raft_upgrade(struct raft *r, int16_t version, bool only_check, struct err *err);

/* ---- Messages -------------------------------------------------------------------------------- */

/* The answer to a request that was sent, decoded (borrowed); or NULL and why there is none:
 * E_UNSUPPORTED if the other node lacks a version that can say it. Unknown ids are dropped. */
void raft_responded(struct raft *r, uint64_t id, const void *response, int rc);

/* A request of another node: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch or FetchSnapshot of
 * METADATA_TOPIC-0; AddRaftVoter, RemoveRaftVoter or UpdateRaftVoter. The caller owns it and keeps
 * it with its body until `answer`, which must not call raft. */
struct raft_inbound {
	enum api_key api;
	const void *body;
	struct str listener; /* name of the listener that it came in on */
	struct arena *arena; /* the response is made in it */
	/* Called once, within raft_receive() or, for what has to wait, in a later event; not
	 * after raft_forget(). The response is borrowed until it returns. */
	void (*answer)(struct raft_inbound *in, const void *response);

	/* raft's own */
	struct list_node node;
	int64_t deadline_us;
	int64_t high_watermark; /* when it was parked */
};
void raft_receive(struct raft *r, struct raft_inbound *in);
/* The node that asked is gone: the request is not answered. */
void raft_forget(struct raft *r, struct raft_inbound *in);

/* What the leader knows of a voter, or of an observer that fetched lately. */
struct raft_replica {
	int32_t node_id;
	struct uuid directory_id;
	bool is_voter;
	int64_t end_offset;        /* -1: unknown */
	int64_t last_fetch_ms;     /* -1: never */
	int64_t last_caught_up_ms; /* -1: never */
};
/* The i-th one, this node among them; false: there are not so many. */
bool raft_replica_at(const struct raft *r, size_t i, struct raft_replica *out);

/* 0, or why the metadata log is lost (disk); the text is in `err`. */
int raft_failed(const struct raft *r, struct err *err);
enum raft_role raft_role(const struct raft *r);
int32_t raft_epoch(const struct raft *r);
int32_t raft_leader_id(const struct raft *r);      /* -1: none known */
int64_t raft_epoch_start(const struct raft *r);    /* leader only */
int64_t raft_high_watermark(const struct raft *r); /* -1: not known yet */
int64_t raft_log_start(const struct raft *r);
int64_t raft_log_end(const struct raft *r); /* where the next record goes */
int16_t raft_kraft_version(const struct raft *r);
/* Borrowed until the next event. */
const struct voters_record *raft_voters(const struct raft *r);
/* Those that count before `end_offset`, which is at or below the high watermark: what a snapshot of
 * that offset says. Borrowed until the next event. */
const struct voters_record *raft_voters_at(const struct raft *r, int64_t end_offset);
const char *raft_dir(const struct raft *r);

/* Reads whole batches from `offset` on, below the high watermark: about `bytes_max`, at least one.
 * SLICE_NULL: there is no more. E_OFFSET_RANGE below the log start, E_CORRUPT, E_OFFLINE. */
MUST_USE int raft_read(struct raft *r, int64_t offset, size_t bytes_max, struct slice *out,
		       struct err *err);

/* ---- Snapshots ------------------------------------------------------------------------------- */

/* The newest one, SNAPSHOT_NONE without; the (0,0) of `format` counts. */
struct snapshot_id raft_latest_snapshot(const struct raft *r);
/* A snapshot with this id was written into raft_dir(). */
void raft_snapshot_written(struct raft *r, struct snapshot_id id);
/* Deletes snapshots that are too old or too large together, and the log before those that stay. The
 * newest one stays. */
MUST_USE int raft_clean(struct raft *r, struct err *err);

#endif
