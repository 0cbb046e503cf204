/* Which partitions a run reads: taken by hand, or given by a group; where each begins, and whether
 * all of them have come to their end. */
#ifndef KAVKA_CMD_CONSUMER_TAKING_H
#define KAVKA_CMD_CONSUMER_TAKING_H

#include "cmd/consumer/consumer_int.h"

/* Subscribes, or takes the topic's partitions. By hand it waits for a topic that does not exist
 * yet. 0, E_NOT_FOUND: no such topic or partition, and nothing to wait for; errors of calls. */
MUST_USE int taking_begin(struct consuming *k, struct err *err);
/* Between polls: gives new partitions their range; sets k->is_done when all have ended. */
MUST_USE int taking_step(struct consuming *k, struct err *err);
void taking_fini(struct consuming *k);

/* struct consumer_options, ctx is the struct consuming */
void taking_assigned(void *ctx, const struct position *parts, size_t count);
void taking_revoked(void *ctx, const struct position *parts, size_t count);
void taking_at_end(void *ctx, struct str topic, int32_t partition, int64_t offset);

#endif
