/* Offsets in open transactions. */
#include "group_int.h"

#include "base/mem.h"

struct txn_offset {
	struct list_node link;
	struct str group_id, topic;
	int32_t partition;
	struct group_offset_value value;
	int64_t record_offset;
	char text[];		/* group id, topic, metadata */
};

struct group_txn {
	struct map_node by_producer;
	int64_t producer_id;
	struct list_node offsets;
};

static struct group_txn *group_txn_find(const struct group_partition *gp, int64_t producer_id)
{
	struct map_node *n = map_get(&gp->txns, &producer_id, sizeof(producer_id));

	return n ? CONTAINER_OF(n, struct group_txn, by_producer) : NULL;
}

static void txn_offset_free(struct txn_offset *o)
{
	list_remove(&o->link);
	free(o);
}

static void group_txn_free(struct group_partition *gp, struct group_txn *txn)
{
	struct txn_offset *o;

	LIST_FOREACH(&txn->offsets, o, struct txn_offset, link)
		txn_offset_free(o);
	map_remove(&gp->txns, &txn->by_producer);
	free(txn);
}

static bool txn_offset_is_of(const struct txn_offset *o, struct str group_id, struct str topic,
			     int32_t partition)
{
	return str_eq(o->group_id, group_id) &&
	       (str_is_null(topic) || (o->partition == partition && str_eq(o->topic, topic)));
}

static char *text_append(char *to, struct str from)
{
	if (from.len)
		memcpy(to, from.data, from.len);
	return to + from.len;
}

void group_txn_put(struct group_partition *gp, int64_t producer_id, struct str group_id,
		   struct str topic, int32_t partition, const struct group_offset_value *value,
		   int64_t record_offset)
{
	struct group_txn *txn = group_txn_find(gp, producer_id);
	size_t len = group_id.len + topic.len + value->metadata.len;
	struct txn_offset *o, *old;
	char *text;

	if (!txn) {
		txn = xcalloc(1, sizeof(*txn));
		txn->producer_id = producer_id;
		list_init(&txn->offsets);
		map_put(&gp->txns, &txn->by_producer, &txn->producer_id, sizeof(producer_id));
	}
	LIST_FOREACH(&txn->offsets, old, struct txn_offset, link)
		if (txn_offset_is_of(old, group_id, topic, partition))
			txn_offset_free(old);
	o = xcalloc(1, sizeof(*o) + len + 1);
	o->partition = partition;
	o->value = *value;
	o->record_offset = record_offset;
	text = text_append(o->text, group_id);
	o->group_id = (struct str){o->text, group_id.len};
	o->topic = (struct str){text, topic.len};
	text = text_append(text, topic);
	o->value.metadata = (struct str){text, value->metadata.len};
	text_append(text, value->metadata);
	list_push_back(&txn->offsets, &o->link);
}

/* The offset counts now, unless a later record than its own says otherwise. */
static void txn_offset_commit(struct group_partition *gp, const struct txn_offset *o)
{
	struct group *g = group_find(gp, o->group_id);
	struct group_offset *current;

	if (!g)
		g = group_new(gp, o->group_id);
	current = group_offset(g, o->topic, o->partition);
	if (!current || current->record_offset < o->record_offset)
		group_offset_put(g, o->topic, o->partition, &o->value, 0, o->record_offset);
}

void group_txn_end(struct group_partition *gp, int64_t producer_id, bool is_commit)
{
	struct group_txn *txn = group_txn_find(gp, producer_id);
	struct txn_offset *o;

	if (!txn)
		return;
	LIST_FOREACH(&txn->offsets, o, struct txn_offset, link)
		if (is_commit)
			txn_offset_commit(gp, o);
	group_txn_free(gp, txn);
}

bool group_txn_is_pending(const struct group_partition *gp, struct str group_id, struct str topic,
			  int32_t partition)
{
	struct group_txn *txn;
	struct txn_offset *o;

	MAP_FOREACH(&gp->txns, txn, struct group_txn, by_producer)
		LIST_FOREACH(&txn->offsets, o, struct txn_offset, link)
			if (txn_offset_is_of(o, group_id, topic, partition))
				return true;
	return false;
}

void group_txn_forget(struct group_partition *gp, struct str group_id, struct str topic,
		      int32_t partition)
{
	struct group_txn *txn;
	struct txn_offset *o;

	MAP_FOREACH(&gp->txns, txn, struct group_txn, by_producer) {
		LIST_FOREACH(&txn->offsets, o, struct txn_offset, link)
			if (txn_offset_is_of(o, group_id, topic, partition))
				txn_offset_free(o);
		if (list_empty(&txn->offsets))
			group_txn_free(gp, txn);
	}
}

void group_txn_write_tombstones(struct group_write *w, const struct group *g)
{
	struct group_txn *txn;
	struct txn_offset *o;

	MAP_FOREACH(&g->gp->txns, txn, struct group_txn, by_producer)
		LIST_FOREACH(&txn->offsets, o, struct txn_offset, link)
			if (txn_offset_is_of(o, g->id, STR_NULL, 0) &&
			    !group_offset(g, o->topic, o->partition))
				group_write_offset_tombstone(w, g->id, o->topic, o->partition);
}

void group_txns_free(struct group_partition *gp)
{
	struct group_txn *txn;

	MAP_FOREACH(&gp->txns, txn, struct group_txn, by_producer)
		group_txn_free(gp, txn);
	map_fini(&gp->txns);
}
