/* Records of groups of other protocols (consumer, streams, share), written by another broker. They
 * are kept by key: a classic group that takes the name, or the name's deletion, must leave none of
 * them behind, or that broker could not load the partition again. */
#include "group_int.h"

#include "base/mem.h"

struct group_foreign {
	struct map_node by_key;
	size_t len;
	int16_t type;
	uint8_t key[];
};

#define SHARE_TYPE_MIN 10
#define SHARE_TYPE_MAX 15

static struct group_foreign *foreign_find(const struct group *g, struct slice key)
{
	struct map_node *n = map_get(&g->foreign, key.data, key.len);

	return n ? CONTAINER_OF(n, struct group_foreign, by_key) : NULL;
}

static void foreign_remove(struct group *g, struct group_foreign *f)
{
	map_remove(&g->foreign, &f->by_key);
	free(f);
}

void group_foreign_put(struct group *g, struct slice key, bool is_tombstone)
{
	struct group_foreign *f = foreign_find(g, key);

	assert(key.len >= 2);
	if (f && is_tombstone)
		foreign_remove(g, f);
	if (f || is_tombstone)
		return;
	f = xcalloc(1, sizeof(*f) + key.len);
	f->len = key.len;
	f->type = (int16_t)be16(key.data);
	memcpy(f->key, key.data, key.len);
	map_put(&g->foreign, &f->by_key, f->key, f->len);
}

bool group_foreign_is_share(const struct group *g)
{
	struct group_foreign *f;

	MAP_FOREACH(&g->foreign, f, struct group_foreign, by_key)
		if (f->type >= SHARE_TYPE_MIN && f->type <= SHARE_TYPE_MAX)
			return true;
	return false;
}

void group_foreign_write_tombstones(struct group_write *w, const struct group *g)
{
	struct group_foreign *f;

	MAP_FOREACH(&g->foreign, f, struct group_foreign, by_key)
		group_write_raw_tombstone(w, (struct slice){.data = f->key, .len = f->len});
}

void group_foreign_free(struct group *g)
{
	struct group_foreign *f;

	MAP_FOREACH(&g->foreign, f, struct group_foreign, by_key)
		foreign_remove(g, f);
}
