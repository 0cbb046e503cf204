/* What a cluster has called committed: the batches of one log, in their order. Whoever says that a
 * batch is committed, anywhere and at any time, must mean the one that is here.
 *
 *	const struct agreed_batch *other = agreed_note(&a, &b);
 *	if (other) ...		two of them disagree
 *
 * Batches are known by their offsets, checksum and epoch. */
#ifndef KAVKA_TESTS_SIM_AGREED_H
#define KAVKA_TESTS_SIM_AGREED_H

#include "wire/batch.h"

struct agreed_batch {
	int64_t base_offset, next_offset;
	uint32_t crc;
	int32_t leader_epoch;
};

struct agreed {
	struct agreed_batch *items;
	size_t count, cap;
};

/* Notes a batch that is committed. NULL, or the one that was committed in its place. A batch behind
 * all others is taken as it is: whether something is missing between them is the caller's. */
const struct agreed_batch *agreed_note(struct agreed *a, const struct batch *b);
int64_t agreed_end(const struct agreed *a);

/* The quorum of a node: it is not for others, but what it calls committed must be looked at. */
struct control;
struct raft;
struct raft *agreed_raft(const struct control *c);

#endif
