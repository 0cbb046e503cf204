/* A request about many partitions, taken to the shards that own them and back.
 *
 *	struct fanout *f = fanout_new(r, item_count, visit, done);
 *	fanout_add(f, topic_id, index, in, out);	// once per partition
 *	fanout_start(f);
 *
 * `visit` runs once per shard that owns some of the items, on that shard, with those items, in the
 * order they were added. It reads `in` (part of the decoded request) and writes `out` (this item's
 * place in the response); what it allocates comes from part->arena. A visit that must wait (for the
 * high watermark, say) calls fanout_hold() for each thing it waits for and fanout_release() when
 *that has come. When all parts are back, `done` runs on the connection's shard; the request is held
 * from fanout_start() until `done` has returned. */
#ifndef KAVKA_BROKER_API_FANOUT_H
#define KAVKA_BROKER_API_FANOUT_H

#include "api/request.h"

struct fanout;
struct fanout_part;
struct fanout_item;

typedef void (*fanout_visit)(struct fanout_part *part);
typedef void (*fanout_done)(struct fanout *f);

struct fanout_item {
	struct uuid topic_id;
	int32_t index;
	const void *in;
	void *out;
	struct fanout_part *part;
	struct fanout_item *next; /* of the same part */
};

struct fanout_part {
	struct task task; /* first: it travels */
	struct fanout *fanout;
	struct shard *on; /* the owner of the items */
	struct fanout_item *first, *last;
	unsigned item_count;
	struct arena *arena; /* the request's on its own shard, else `own` */
	struct arena own;
	unsigned hold_count;
	struct timer timer; /* the visit's, on its shard */
	void *state;        /* the visit's */
};

struct fanout {
	struct request *request;
	fanout_visit visit;
	fanout_done done; /* NULL: nothing to do */
	struct fanout_item *items;
	unsigned item_count, item_max;
	struct fanout_part **parts; /* by shard index; NULL: none of its items */
	unsigned parts_out;         /* not yet back */
	void *state;                /* the handler's */
};

struct fanout *fanout_new(struct request *r, unsigned item_max, fanout_visit visit,
			  fanout_done done);
void fanout_add(struct fanout *f, struct uuid topic_id, int32_t index, const void *in, void *out);
void fanout_start(struct fanout *f);

/* On the part's shard, inside the visit or later. After the last release the part is gone. */
void fanout_hold(struct fanout_part *part);
void fanout_release(struct fanout_part *part);

#define FANOUT_FOREACH(part, item) \
	for (struct fanout_item *item = (part)->first; item; item = item->next)

#endif
