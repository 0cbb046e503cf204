#include "clean_txns.h"

#include "base/mem.h"

struct open_txn {
	struct map_node node;
	int64_t producer_id;
	bool is_aborted;
	bool has_data;			/* of an aborted one was seen */
	struct aborted_txn txn;
};

static int by_first_offset(const void *a, const void *b)
{
	const struct aborted_txn *x = a, *y = b;

	return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

int clean_txns_init(struct clean_txns *t, struct log *log, size_t first, size_t limit)
{
	*t = (struct clean_txns){0};
	map_init(&t->open);
	for (size_t i = first; i < limit; i++) {
		struct aborted_txn *txns;
		size_t count;
		int rc = txn_index_read(log->segments[i], &txns, &count);

		if (rc < 0)
			return rc;
		if (count > 0) {
			t->aborted = xreallocarray(t->aborted, t->count + count, sizeof(*txns));
			memcpy(t->aborted + t->count, txns, count * sizeof(*txns));
			t->count += count;
		}
		free(txns);
	}
	if (t->count > 0)
		qsort(t->aborted, t->count, sizeof(*t->aborted), by_first_offset);
	return 0;
}

void clean_txns_fini(struct clean_txns *t)
{
	struct open_txn *open;

	MAP_FOREACH(&t->open, open, struct open_txn, node) {
		map_remove(&t->open, &open->node);
		free(open);
	}
	map_fini(&t->open);
	free(t->aborted);
	*t = (struct clean_txns){0};
}

static struct open_txn *open_get(struct clean_txns *t, int64_t producer_id, bool make)
{
	struct map_node *node = map_get(&t->open, &producer_id, sizeof(producer_id));
	struct open_txn *open;

	if (node || !make)
		return node ? CONTAINER_OF(node, struct open_txn, node) : NULL;
	open = xcalloc(1, sizeof(*open));
	open->producer_id = producer_id;
	map_put(&t->open, &open->node, &open->producer_id, sizeof(open->producer_id));
	return open;
}

/* The aborted transactions that have begun by `offset`. */
static void begin_until(struct clean_txns *t, int64_t offset)
{
	for (; t->next < t->count && t->aborted[t->next].first_offset <= offset; t->next++) {
		struct open_txn *open = open_get(t, t->aborted[t->next].producer_id, true);

		if (open->is_aborted)	/* the same one, listed twice */
			continue;
		open->is_aborted = true;
		open->has_data = false;
		open->txn = t->aborted[t->next];
	}
}

bool clean_txns_data(struct clean_txns *t, const struct batch *b)
{
	struct open_txn *open;

	begin_until(t, batch_last_offset(b));
	if (!batch_is_transactional(b))
		return false;
	open = open_get(t, b->producer_id, true);
	if (open->is_aborted)
		open->has_data = true;
	return open->is_aborted;
}

bool clean_txns_control(struct clean_txns *t, const struct batch *b, struct aborted_txn *kept)
{
	struct open_txn *open;
	enum control_type type;
	int32_t coordinator_epoch;
	struct record_iter it;
	struct record r;
	bool is_over;

	kept->first_offset = -1;
	begin_until(t, batch_last_offset(b));
	if (batch_codec(b) != COMPRESSION_NONE || record_iter_init(&it, b, NULL, 0) < 0)
		return false;
	if (record_next(&it, &r) != 1)
		return true;	/* an empty one already */
	if (control_marker_parse(&r, &type, &coordinator_epoch) < 0)
		return false;
	open = open_get(t, b->producer_id, false);
	if (!open)
		return true;
	is_over = open->is_aborted && !open->has_data;
	if (type == CONTROL_ABORT && open->is_aborted && open->has_data)
		*kept = open->txn;
	map_remove(&t->open, &open->node);
	free(open);
	return is_over;
}
