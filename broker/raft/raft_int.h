/* The inside of raft. */
#ifndef KAVKA_BROKER_RAFT_RAFT_INT_H
#define KAVKA_BROKER_RAFT_RAFT_INT_H

#include "raft/quorum_state.h"
#include "raft/raft.h"
#include "wire/codec.h"

/* A flush on its way: outlives its raft if that is closed meanwhile. */
struct raft_flush {
	struct env_work work;
	struct raft *raft; /* NULL: closed meanwhile */
	struct env *env;
	int fd; /* of the segment, the flush's own */
	int64_t segment_base;
	int64_t end_offset; /* what is durable once it is done */
	bool is_running;
};

struct raft {
	/* fixed after raft_open */
	struct raft_options options;
	char *dir, *state_path;
	struct str endpoint_name, endpoint_host;
	struct arena fixed;

	/* the election */
	enum raft_role role;
	struct quorum_state state; /* as it is on the disk, but for RAFT_PROSPECTIVE's nothing */
	int64_t deadline_us;

	/* the voters: of the newest control record, or of the snapshot, or of the config */
	struct arena voters_arena;
	struct voters_record *voters; /* never NULL, maybe empty */
	int64_t voters_offset;        /* of that record; -1: not of the log */
	int16_t kraft_version;

	/* the log */
	struct log_pool *pool;
	struct log *log;
	int64_t epoch_start;    /* leader: first offset of its epoch */
	int64_t high_watermark; /* -1: unknown */
	int64_t durable_end;    /* below it everything is on this disk */
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

/* raft_state.c: the one function that moves between roles, and what each move writes. */
MUST_USE int raft_start_election(struct raft *r, struct err *err);
bool raft_is_voter(const struct raft *r, const struct voters_record_voter *v);
/* Whether a majority of the voters is this node alone. */
bool raft_is_majority(const struct raft *r);
/* Takes the voters of a control record, or of a snapshot (offset -1 or its last). */
void raft_set_voters(struct raft *r, const struct voters_record *voters, int64_t offset);

/* raft_log.c */
MUST_USE int raft_log_open(struct raft *r, struct err *err);
MUST_USE int raft_begin_epoch(struct raft *r, struct err *err);
MUST_USE int raft_append_batch(struct raft *r, struct batch_builder *batch, int64_t *last_offset,
			       struct err *err);
/* The high watermark as far as what is known allows. */
void raft_update_high_watermark(struct raft *r);

/* raft_snapshot.c */
MUST_USE int raft_snapshots_load(struct raft *r, struct err *err);

#endif
