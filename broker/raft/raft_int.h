/* The inside of raft. */
#ifndef KAVKA_BROKER_RAFT_RAFT_INT_H
#define KAVKA_BROKER_RAFT_RAFT_INT_H

#include "raft/quorum_state.h"
#include "raft/raft.h"
#include "wire/codec.h"
#include "wire/errors.h"

/* A way to another node: one request at a time. */
struct raft_link {
	int32_t node_id; /* -1: not known, an address of the options */
	struct str host;
	uint16_t port;
	uint64_t request_id; /* 0: none under way */
	enum api_key api;    /* of that request */
	int64_t sent_us;     /* when it was sent */
	int64_t ready_us;    /* not before, after a failure */
};

enum raft_ballot { BALLOT_OPEN, BALLOT_GRANTED, BALLOT_REFUSED };

/* Another voter. */
struct raft_peer {
	struct raft_link link;
	struct uuid directory_id; /* zero: the voters do not say */
	enum raft_ballot ballot;  /* prospective, candidate */

	/* leader, and resigned for has_ended */
	int64_t end_offset;    /* below it everything is on that node's disk; -1: unknown */
	int64_t last_fetch_us; /* INT64_MIN: not in this epoch */
	int64_t last_fetch_ms, last_caught_up_ms; /* -1: never */
	int64_t last_fetch_end;                   /* where this log ended then */
	bool has_fetched;                         /* since the quorum was last checked */
	bool has_ended;                           /* knows that this epoch is over */
	/* Under kraft.version 0: what it said of itself in this epoch, in told_arena; or NULL. */
	const struct voters_record_voter *told;
};

/* A node that fetches and is no voter, as the leader sees it. */
struct raft_observer {
	int32_t node_id;
	struct uuid directory_id;
	int64_t end_offset;
	int64_t last_fetch_ms, last_caught_up_ms;
	int64_t last_fetch_end;
};
#define OBSERVERS_MAX 1024 /* the one not heard from for longest makes room */
#define OBSERVER_SESSION_MS (300 * 1000)
#define FETCH_WAIT_MAX_MS 500

#define KRAFT_VERSION_MAX 1

/* A change of the voters, from the request to the answer (leader). */
struct raft_change {
	enum api_key api;        /* 0: none is under way */
	struct raft_inbound *in; /* who waits; NULL: gone, or answered */
	struct arena arena;
	struct voters_record_voter voter; /* as it shall be; not for removals */
	struct raft_link probe;           /* to the voter itself */
	bool ack_when_agreed;
	int64_t offset; /* of the voters record; -1: not appended */
	int64_t deadline_us;
};

/* A snapshot on its way from the leader. */
struct raft_download {
	struct snapshot_id id; /* SNAPSHOT_NONE: none */
	char *part_path;
	int fd;
	int64_t position, size;
};

/* A flush on its way: outlives its raft if that is closed meanwhile. */
struct raft_flush {
	struct env_work work;
	struct raft *raft; /* NULL: closed meanwhile */
	struct env *env;
	int fd; /* of the segment, the flush's own */
	int64_t segment_base;
	int64_t end_offset; /* what is durable once it is done */
	bool is_running;
	bool is_stale; /* the log was cut: the file may be another one */
};

struct raft {
	/* fixed after raft_open */
	struct raft_options options;
	char *dir, *state_path;
	struct str endpoint_name, endpoint_host, cluster_id;
	struct raft_link *bootstrap;
	size_t bootstrap_count;
	struct arena fixed;

	/* the election */
	enum raft_role role;
	struct quorum_state state; /* as it is on the disk */
	int64_t deadline_us;       /* of the role; INT64_MAX: none */
	bool is_voter;             /* by the newest voters */
	bool was_voter;            /* by those before them */
	bool has_fetched;          /* follower: from the leader, in this epoch */

	/* messages */
	uint64_t last_request_id;
	struct raft_peer *peers; /* the other voters */
	size_t peer_count;
	struct raft_link leader; /* follower: where the leader is; its host is in leader_arena */
	struct arena leader_arena;
	struct arena scratch;    /* of the request or response at hand */
	struct list_node parked; /* raft_inbound: fetches that wait for records */
	struct raft_observer *observers;
	size_t observer_count, observer_cap;
	int64_t begin_us; /* leader: when to look for voters that do not fetch */
	struct raft_download download;
	struct raft_change change;
	int64_t update_us; /* follower: when to look whether its own entry is true */
	bool has_told;     /* follower under kraft.version 0: the leader knows of this node */
	struct arena told_arena;

	/* the voters: of the newest control record, or of the snapshot, or of the config */
	struct arena voters_arena, old_voters_arena;
	struct voters_record *voters; /* never NULL, maybe empty */
	struct voters_record *old_voters; /* those before them; NULL: not known */
	int64_t voters_offset;        /* of that record; -1: not of the log */
	int16_t kraft_version;
	int64_t kraft_version_offset; /* of its record; -1: not of the log */

	/* the log */
	struct log_pool *pool;
	struct log *log;
	int64_t epoch_start;    /* leader: first offset of its epoch */
	int64_t high_watermark; /* -1: unknown */
	int64_t durable_end;    /* below it everything is on this disk; <= log end */
	int64_t drain_us;       /* leader: when what lingers goes out; INT64_MAX: nothing does */
	int64_t drained_end;    /* what is below does not linger; unless there is nothing else */
	size_t linger_bytes;
	struct raft_flush *flush;
	int failed;
	struct err failure;

	struct snapshot_list {
		struct snapshot_entry {
			struct snapshot_id id;
			int64_t size_bytes, timestamp_ms;
		} * items; /* ascending */
		size_t count, cap;
	} snapshots;
};

/* Remembers the first failure; gives `rc`. */
int raft_fail(struct raft *r, int rc, struct err *err);

/* ---- raft.c ---------------------------------------------------------------------------------- */

/* The newest epoch that a record of the log, or of the snapshot before it, is of; 0: no record. */
int32_t raft_last_epoch(const struct raft *r);
int64_t raft_now_us(const struct raft *r);
/* The end of each event: what follows from it, and what is to be sent now. */
void raft_settle(struct raft *r);

/* Takes the voters of controller.quorum.voters. */
void raft_static_voters(struct raft *r);

/* ---- raft_state.c: the one function that moves between roles, and what each move writes -------
 */

/* Enters a role with what the node then knows: state on the disk first, then timers, links, votes
 * and parked fetches as the role wants them. -errno. */
MUST_USE int raft_move(struct raft *r, enum raft_role to, struct quorum_state state,
		       struct err *err);
/* Writes a vote given in the present role. */
MUST_USE int raft_keep_vote(struct raft *r, int32_t node_id, struct uuid directory_id,
			    struct err *err);
/* Somebody speaks of this epoch, and perhaps of its leader and where that is (host null: look among
 * the voters). Believes it if it is news. */
MUST_USE int raft_learn(struct raft *r, int32_t leader_epoch, int32_t leader_id, struct str host,
			uint16_t port, struct err *err);
/* Follower: nobody listens where the leader was, so its process has ended and will not lead this
 * epoch again. To wait for it as long as for one that is slow is of no use; the pre-vote sees to it
 * that this is not the opinion of one node alone. */
void raft_leader_is_gone(struct raft *r);
/* At start: how long to wait for others before standing. */
void raft_start_waiting(struct raft *r);
/* Does what the role's timer asks for, as long as it does. */
MUST_USE int raft_run_timers(struct raft *r, struct err *err);

/* ---- raft_election.c --------------------------------------------------------------------------
 */

MUST_USE int raft_become_prospective(struct raft *r, struct err *err);
/* Prospective: stands in the next epoch. Own vote included, the rest is asked for by raft_ask(). */
MUST_USE int raft_become_candidate(struct raft *r, struct err *err);
/* Counts the ballots, moves on if they decide. */
MUST_USE int raft_count_votes(struct raft *r, struct err *err);
MUST_USE int raft_on_vote(struct raft *r, struct raft_inbound *in, struct err *err);
MUST_USE int raft_on_vote_response(struct raft *r, struct raft_link *link,
				   const struct vote_response *response, struct err *err);
/* Prospective, candidate: asks the voters that have not said. */
void raft_ask_votes(struct raft *r);

/* ---- raft_quorum.c: what a leader says of its epoch -------------------------------------------
 */

/* Leader: tells the voters that do not fetch. Resigned: tells those that do not know. */
void raft_announce(struct raft *r);
MUST_USE int raft_on_begin(struct raft *r, struct raft_inbound *in, struct err *err);
MUST_USE int raft_on_end(struct raft *r, struct raft_inbound *in, struct err *err);
MUST_USE int raft_on_begin_response(struct raft *r, const struct begin_quorum_epoch_response *m,
				    struct raft_link *link, struct err *err);
MUST_USE int raft_on_end_response(struct raft *r, const struct end_quorum_epoch_response *m,
				  struct raft_link *link, struct err *err);
/* Leader: a voter was heard from. */
void raft_heard_from(struct raft *r, struct raft_peer *peer);

/* ---- raft_fetch.c: the leader's side of fetching ----------------------------------------------
 */

void raft_on_fetch(struct raft *r, struct raft_inbound *in);
void raft_on_fetch_snapshot(struct raft *r, struct raft_inbound *in);
/* Looks at the parked fetches again, as the log, the high watermark, the role or the time moved. */
void raft_serve_parked(struct raft *r);
void raft_drop_observers(struct raft *r);

/* ---- raft_follow.c: the follower's side -------------------------------------------------------
 */

/* Sends the next Fetch or FetchSnapshot, if it is time. */
void raft_follow(struct raft *r);
MUST_USE int raft_on_fetch_response(struct raft *r, struct raft_link *link,
				    const struct fetch_response *m, struct err *err);
MUST_USE int raft_on_fetch_snapshot_response(struct raft *r, struct raft_link *link,
					     const struct fetch_snapshot_response *m,
					     struct err *err);
void raft_download_drop(struct raft *r);

/* ---- raft_voters.c: changes of the voters ------------------------------------------------------
 */

void raft_on_add_voter(struct raft *r, struct raft_inbound *in);
void raft_on_remove_voter(struct raft *r, struct raft_inbound *in);
void raft_on_update_voter(struct raft *r, struct raft_inbound *in);
void raft_refuse_change(struct raft *r, struct raft_inbound *in, enum kafka_error error);
/* The voter's own answer; NULL: it cannot be reached. */
MUST_USE int raft_on_probe(struct raft *r, const struct api_versions_response *m, struct err *err);
/* Answers what is agreed, or too late; a leader that is no voter any more resigns. */
MUST_USE int raft_step_change(struct raft *r, struct err *err);
/* No leader any more: whoever waits is told. */
void raft_drop_change(struct raft *r, enum kafka_error error);
void raft_forget_change(struct raft *r, const struct raft_inbound *in);
/* The entry of this id, whatever its directory is; NULL: there is none. */
const struct voters_record_voter *raft_voter_find(const struct raft *r, int32_t node_id);

/* ---- raft_self.c: what a node tells the leader of itself ---------------------------------------
 */

/* Follower: tells the leader what is true of this node, if the voters say otherwise; asks to become
 * one of them, if it shall. False: nothing was sent. */
bool raft_send_update(struct raft *r);
/* NULL: the leader does not know the request. */
void raft_on_update_response(struct raft *r, const struct update_raft_voter_response *m);
void raft_on_join_response(struct raft *r, enum api_key api, enum kafka_error error,
			   struct str text);
/* Leader under kraft.version 0: keeps what a voter said of itself. */
void raft_keep_told(struct raft *r, const struct voters_record_voter *voter);
void raft_forget_told(struct raft *r);

/* ---- raft_peers.c -----------------------------------------------------------------------------
 */

bool raft_is_self(const struct raft *r, const struct voters_record_voter *v);
/* How many voters make a majority. */
size_t raft_majority(const struct raft *r);
/* Whether a majority of the voters is this node alone. */
bool raft_is_alone(const struct raft *r);
/* May this node stand for election? Also if it was taken out by a record that is not agreed yet: it
 * may be the only one that has it. */
bool raft_may_stand(const struct raft *r);
/* Takes the voters of a control record, or of a snapshot (offset -1 or its last). */
void raft_set_voters(struct raft *r, const struct voters_record *voters, int64_t offset);
/* The voter with this key, NULL if it is none (or this node). A directory id that the voters or the
 * other node do not say fits any. */
struct raft_peer *raft_peer_find(struct raft *r, int32_t node_id, struct uuid directory_id);
/* Where the voter listens; false if it is none. */
bool raft_voter_address(const struct raft *r, int32_t node_id, struct str *host, uint16_t *port);
/* Whether a request may go out there now. */
bool raft_link_is_ready(const struct raft *r, const struct raft_link *link);
void raft_link_send(struct raft *r, struct raft_link *link, enum api_key api, const void *body);
void raft_link_back_off(struct raft *r, struct raft_link *link);
/* A new role: nothing that is under way matters any more. */
void raft_links_reset(struct raft *r);
/* The link that this request went out on; NULL: none, or it is not of interest any more. */
struct raft_link *raft_link_of(struct raft *r, uint64_t id);
struct raft_peer *raft_peer_of(struct raft *r, const struct raft_link *link);
/* When something is to be sent again; INT64_MAX: nothing. */
int64_t raft_links_deadline_us(const struct raft *r);

/* ---- raft_wire.c: between the messages and what they say --------------------------------------
 */

/* What every response of KRaft says about the quorum. */
struct raft_reply {
	enum kafka_error error; /* the one of the partition, or else of the whole response */
	bool is_whole;          /* there is a partition in it */
	int32_t leader_id, leader_epoch;
	struct str host; /* of the leader; null: not said */
	uint16_t port;
};
void raft_read_vote_response(const struct vote_response *m, struct raft_reply *out);
void raft_read_begin_response(const struct begin_quorum_epoch_response *m, struct raft_reply *out);
void raft_read_end_response(const struct end_quorum_epoch_response *m, struct raft_reply *out);
void raft_read_fetch_response(const struct fetch_response *m, struct raft_reply *out);
void raft_read_fetch_snapshot_response(const struct fetch_snapshot_response *m,
				       struct raft_reply *out);
/* Believes what a response says about the quorum; then whether the rest of it counts: it is of this
 * epoch and without error. If not, the link backs off. */
MUST_USE int raft_weigh(struct raft *r, struct raft_link *link, const struct raft_reply *reply,
			bool *counts, struct err *err);
/* The one partition of a request, NULL with the error that answers the whole request. */
const struct vote_request_partition_data *
raft_read_vote(const struct raft *r, const struct vote_request *m, enum kafka_error *error);
const struct begin_quorum_epoch_request_partition_data *
raft_read_begin(const struct raft *r, const struct begin_quorum_epoch_request *m,
		enum kafka_error *error);
const struct end_quorum_epoch_request_partition_data *
raft_read_end(const struct raft *r, const struct end_quorum_epoch_request *m,
	      enum kafka_error *error);
const struct fetch_request_partition *
raft_read_fetch(const struct raft *r, const struct fetch_request *m, enum kafka_error *error);
const struct fetch_snapshot_request_partition_snapshot *
raft_read_fetch_snapshot(const struct raft *r, const struct fetch_snapshot_request *m,
			 enum kafka_error *error);
/* Answers the request with the error, for the whole of it or for its partition. */
void raft_refuse(struct raft *r, struct raft_inbound *in, enum kafka_error error, bool is_whole);
void raft_answer_vote(struct raft *r, struct raft_inbound *in, bool is_granted);
/* Where the leader is, for the listener that the request came in on; false: not known. */
bool raft_leader_address(const struct raft *r, struct str listener, struct str *host,
			 uint16_t *port);
/* A response to a Fetch with its one partition, filled but for records. */
struct fetch_response *raft_new_fetch_response(struct raft *r, struct raft_inbound *in,
					       enum kafka_error error);
struct fetch_snapshot_response *
raft_new_fetch_snapshot_response(struct raft *r, struct raft_inbound *in, enum kafka_error error);

/* ---- raft_log.c -------------------------------------------------------------------------------
 */

MUST_USE int raft_log_open(struct raft *r, struct err *err);
MUST_USE int raft_begin_epoch(struct raft *r, struct err *err);
/* Where what may be flushed and fetched ends. */
int64_t raft_drained_end(const struct raft *r);
MUST_USE int raft_append_batch(struct raft *r, struct batch_builder *batch, int64_t *last_offset,
			       struct err *err);
/* Appends what the leader sent. E_CORRUPT, E_OFFSET_RANGE: refused, nothing was written. */
MUST_USE int raft_append_fetched(struct raft *r, struct slice records, struct err *err);
/* Cuts the log; what it said about the voters behind there is undone. */
MUST_USE int raft_truncate(struct raft *r, int64_t offset, struct err *err);
/* Goes on from a snapshot that was fetched: nothing before it is kept. */
MUST_USE int raft_use_fetched_snapshot(struct raft *r, struct snapshot_id id, struct err *err);
/* Do the voters say where this node listens, and what it supports? */
/* Fills in endpoint and versions of this node. */
void raft_own_entry(const struct raft *r, struct arena *arena, struct voters_record_voter *v);
bool raft_endpoint_is_current(const struct raft *r, const struct voters_record_voter *v);
/* The high watermark as far as what is known allows (leader). */
void raft_update_high_watermark(struct raft *r);
/* Follower: what the leader says. */
void raft_follow_high_watermark(struct raft *r, int64_t offset);

/* ---- raft_snapshot.c --------------------------------------------------------------------------
 */

MUST_USE int raft_snapshots_load(struct raft *r, struct err *err);
/* The oldest one, SNAPSHOT_NONE without. */
struct snapshot_id raft_earliest_snapshot(const struct raft *r);
/* Forgets and removes those that end before `offset`. */
void raft_snapshots_drop_before(struct raft *r, int64_t offset);
char *raft_snapshot_path(const struct raft *r, struct snapshot_id id);

#endif
