/* A persistent sorted map: versions share what they have in common. metadata's own.
 *
 * A treap whose priorities are hashes of the keys, so that its shape depends on its keys alone: two
 * versions are compared by walking only where their nodes differ. Keys are bytes in memcmp order
 * (a prefix first) and live in the items. Copying is O(1), a change O(log n): it copies the path to
 * the root, once per `edit`. Nodes and items that carry the edit of the running delta were never
 * published and are changed in place. */
#ifndef KAVKA_BROKER_METADATA_PMAP_H
#define KAVKA_BROKER_METADATA_PMAP_H

#include "metadata/image.h"

struct pmap_node;

struct pmap {
	struct pmap_node *root;
	uint32_t count;
};

struct pmap_key {
	const void *data;
	size_t len;
};

void item_init(struct image_item *item, uint64_t edit, void (*destroy)(struct image_item *item));
struct image_item *item_ref(const struct image_item *item);
void item_unref(struct image_item *item);

/* One more reference to the same version. */
struct pmap pmap_ref(const struct pmap *m);
void pmap_unref(struct pmap *m);

struct image_item *pmap_get(const struct pmap *m, struct pmap_key key);
/* The first with a key greater than `key`, or at least `key` with `or_equal`; data NULL: the first.
 */
struct image_item *pmap_next(const struct pmap *m, struct pmap_key key, bool or_equal);

/* Takes the reference of `item`; the key lives in it. Replaces an item with the same key. */
void pmap_put(struct pmap *m, uint64_t edit, struct pmap_key key, struct image_item *item);
/* Fine if it is not there. */
void pmap_remove(struct pmap *m, uint64_t edit, struct pmap_key key);

typedef void (*pmap_changed)(void *ctx, const struct image_item *before,
			     const struct image_item *after);
void pmap_diff(const struct pmap *before, const struct pmap *after, pmap_changed changed,
	       void *ctx);

#endif
