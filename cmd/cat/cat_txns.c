/* Which records of transactions count: told by the markers in the log itself, so that it holds for
 * directories that lack their indexes as well. */
#include "cmd/cat/cat_int.h"

#include "base/mem.h"

#include <stdlib.h>

void cat_txns_fini(struct cat_txns *t)
{
	free(t->aborted);
	free(t->open);
}

/* NULL: this producer has none open. */
static struct cat_txn *txns_open(struct cat_txns *t, int64_t producer_id)
{
	for (size_t i = 0; i < t->open_count; i++) {
		if (t->open[i].producer_id == producer_id)
			return &t->open[i];
	}
	return NULL;
}

static void txns_end(struct cat_txns *t, const struct batch *b)
{
	struct cat_txn *txn = txns_open(t, b->producer_id);
	struct record_iter it;
	struct record marker;
	enum control_type type;
	int32_t coordinator_epoch;

	if (!txn || record_iter_init(&it, b, NULL, 0) < 0 || record_next(&it, &marker) <= 0 ||
	    control_marker_parse(&marker, &type, &coordinator_epoch) < 0)
		return;
	if (type == CONTROL_ABORT) {
		t->aborted = grow_array(t->aborted, t->aborted_count, &t->aborted_cap,
					sizeof(*t->aborted));
		txn->last_offset = b->base_offset;
		t->aborted[t->aborted_count++] = *txn;
	}
	*txn = t->open[--t->open_count];
}

void cat_txns_add(struct cat_txns *t, const struct batch *b)
{
	if (b->magic < BATCH_MAGIC || !batch_is_transactional(b))
		return;
	if (batch_is_control(b)) {
		if (b->data && batch_codec(b) == COMPRESSION_NONE)
			txns_end(t, b);
	} else if (!txns_open(t, b->producer_id)) {
		t->open = grow_array(t->open, t->open_count, &t->open_cap, sizeof(*t->open));
		t->open[t->open_count++] = (struct cat_txn){.producer_id = b->producer_id,
							    .first_offset = b->base_offset};
	}
}

static int txn_order(const void *a, const void *b)
{
	const struct cat_txn *x = a, *y = b;

	if (x->producer_id != y->producer_id)
		return x->producer_id < y->producer_id ? -1 : 1;
	return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

int64_t cat_txns_close(struct cat_txns *t, int64_t end_offset)
{
	if (t->aborted_count > 0)
		qsort(t->aborted, t->aborted_count, sizeof(*t->aborted), txn_order);
	for (size_t i = 0; i < t->open_count; i++)
		end_offset = MIN(end_offset, t->open[i].first_offset);
	return end_offset;
}

bool cat_txns_has_aborted(const struct cat_txns *t, const struct batch *b)
{
	struct cat_txn wanted = {.producer_id = b->producer_id, .first_offset = b->base_offset};
	size_t low = 0, high = t->aborted_count;

	if (b->magic < BATCH_MAGIC || !batch_is_transactional(b))
		return false;
	/* The last one of the producer that does not begin behind the batch. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (txn_order(&t->aborted[middle], &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && t->aborted[low - 1].producer_id == b->producer_id &&
	       t->aborted[low - 1].last_offset > b->base_offset;
}
