/* Calls that a command needs and that go to several brokers, or differ between versions. All of
 * them wait; results are in `arena`. Requests to one place are made with client_call() itself. */
#ifndef KAVKA_CLIENT_ADMIN_H
#define KAVKA_CLIENT_ADMIN_H

#include "client/client.h"
#include "client/consumer.h"

/* Metadata of the topics (count 0 with names NULL: of all), fresh, without creating any. At
 * version 4 or above. Topic errors are in the response. */
MUST_USE int admin_metadata(struct client *c, const struct str *names, size_t count,
			    struct arena *arena, struct metadata_response **out, struct err *err);

/* Calls one API on every broker of the cluster at once. `calls` (*count of them, in `arena`, each
 * with its rc) must be given to call_fini() one by one. */
MUST_USE int admin_every_broker(struct client *c, int16_t api_key, const void *request,
				struct arena *arena, struct call **calls, size_t *count,
				struct err *err);

/* ListOffsets for many partitions, by their leaders, with retries. positions[i].offset: a
 * timestamp in ms, or OFFSET_BEGINNING, OFFSET_END, or another special timestamp (-3 the record
 * with the highest timestamp, -4 earliest local, -5 latest tiered). On return: the offset (-1: no
 * record at or after that time) and leader_epoch; `error` for what failed for good (offset
 * OFFSET_NONE). `timestamps` (may be NULL) gets those of the records found, or -1. */
MUST_USE int admin_offsets(struct client *c, struct position *positions, size_t count,
			   bool read_committed, int64_t *timestamps, struct err *err);

/* Committed offsets of a group: of the given partitions, or (NULL) of all that it has.
 * Partitions without one are left out (all), or have OFFSET_NONE. E_KAFKA for the group's error. */
MUST_USE int admin_group_offsets(struct client *c, struct str group, const struct position *wanted,
				 size_t wanted_count, struct arena *arena, struct position **out,
				 size_t *count, struct err *err);
/* Sets offsets of a group that has no members (or fails with its error); `error` in each. */
MUST_USE int admin_group_commit(struct client *c, struct str group, struct position *positions,
				size_t count, struct err *err);

/* The members' assignments in DescribeGroups, as partitions; 0 or E_MALFORMED. Offsets are
 * OFFSET_NONE. */
MUST_USE int admin_assignment_parse(struct slice assignment, struct arena *arena,
				    struct position **out, size_t *count);
/* The topics of a member's subscription (DescribeGroups' member_metadata). */
MUST_USE int admin_subscription_parse(struct slice subscription, struct arena *arena,
				      struct str **topics, size_t *count);

/* Sets "DOING: NAME: text" for a code from a response, E_KAFKA, err->kafka_error. `message` is the
 * broker's own text (null: the table's). */
int admin_error(struct err *err, int kafka_error, struct str message, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

#endif
