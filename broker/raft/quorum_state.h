/* The file quorum-state: what a node must not forget of an election. One line of JSON, replaced as
 * a whole before anything that follows from it is done.
 * Source: raft/.../FileQuorumStateStore.java */
#ifndef KAVKA_BROKER_RAFT_QUORUM_STATE_H
#define KAVKA_BROKER_RAFT_QUORUM_STATE_H

#include "base/env.h"
#include "base/err.h"
#include "base/uuid.h"

struct voters_record;

struct quorum_state {
	int32_t leader_epoch;           /* 0 at first */
	int32_t leader_id;              /* -1: none known */
	int32_t voted_id;               /* -1: no vote given in this epoch */
	struct uuid voted_directory_id; /* zero: not known */
};
#define QUORUM_STATE_NONE ((struct quorum_state){.leader_id = -1, .voted_id = -1})

/* QUORUM_STATE_NONE if there is no file. -errno, E_MALFORMED. */
MUST_USE int quorum_state_read(struct env *env, const char *path, struct quorum_state *out,
			       struct err *err);
/* With kraft_version 0 in the older form, which lists the voters. -errno. */
MUST_USE int quorum_state_write(struct env *env, const char *path, const struct quorum_state *state,
				int16_t kraft_version, const struct voters_record *voters,
				struct err *err);

#endif
