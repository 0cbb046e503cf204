/* Which records of each partition a run shows: --offset, --until, --exit, --tail turned into
 * offsets, by asking the brokers. */
#ifndef KAVKA_CMD_CONSUMER_RANGE_H
#define KAVKA_CMD_CONSUMER_RANGE_H

#include "cmd/consumer/place.h"

#include "client/consumer.h"

struct range_part {
	char *topic; /* owned */
	int32_t partition;
	int64_t end_offset; /* records from here on are not shown; -1: no such bound */
	bool is_done;       /* that end is reached */
	bool is_paused;     /* and it is not fetched any more */
};

struct range {
	struct place from, until; /* PLACE_NONE: not said */
	bool read_committed;
	int64_t end_ms; /* records of this time and later are not shown; -1 */
	/* Told of an offset in `from` that is not there, which is then moved to where records are;
	 * NULL: left as it is. */
	void (*missing)(void *ctx, const struct position *at, int64_t first, int64_t end);
	void *ctx;
	struct range_part *parts;
	size_t count, cap, last;
};

/* stop_ms: see end_ms. */
void range_init(struct range *r, struct place from, struct place until, int64_t stop_ms,
		bool read_committed);
void range_fini(struct range *r);

/* Does anything have to be asked before a partition is read? */
static inline bool range_is_asking(const struct range *r)
{
	return r->from.kind != PLACE_NONE || r->until.kind != PLACE_NONE || r->end_ms >= 0;
}
static inline bool range_has_end(const struct range *r)
{
	return r->until.kind != PLACE_NONE || r->end_ms >= 0;
}

/* Fills in where to begin in each of the partitions, as consumer_assign() and consumer_seek() take
 * it (OFFSET_COMMITTED if nothing was said), and remembers where each ends. Waits for the brokers.
 * 0, E_KAFKA for what a broker refused, or an error of a call. */
MUST_USE int range_resolve(struct range *r, struct client *client, struct position *parts,
			   size_t count, int64_t now_ms, struct err *err);

/* NULL: it has no end, or is not known. Borrowed until the next change. */
struct range_part *range_part(struct range *r, struct str topic, int32_t partition);
/* The partition belongs to another member now. */
void range_forget(struct range *r, struct str topic, int32_t partition);

#endif
