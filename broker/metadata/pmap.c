#include "metadata/pmap.h"

#include "base/map.h"
#include "base/mem.h"

struct pmap_node {
	atomic_uint ref_count;
	uint64_t edit;
	uint64_t priority;
	struct pmap_node *left, *right;
	struct image_item *item;
	struct pmap_key key;
};

void item_init(struct image_item *item, uint64_t edit, void (*destroy)(struct image_item *item))
{
	atomic_init(&item->ref_count, 1);
	item->edit = edit;
	item->destroy = destroy;
}

struct image_item *item_ref(const struct image_item *item)
{
	struct image_item *shared = (struct image_item *)(uintptr_t)item;
	unsigned before = atomic_fetch_add_explicit(&shared->ref_count, 1, memory_order_relaxed);

	assert(before > 0);
	return shared;
}

void item_unref(struct image_item *item)
{
	unsigned before;

	if (!item)
		return;
	before = atomic_fetch_sub_explicit(&item->ref_count, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		item->destroy(item);
}

static struct pmap_node *node_ref(struct pmap_node *n)
{
	if (n)
		atomic_fetch_add_explicit(&n->ref_count, 1, memory_order_relaxed);
	return n;
}

/* Recursion is as deep as the treap: about 2 log2(n). */
static void node_unref(struct pmap_node *n)
{
	if (!n || atomic_fetch_sub_explicit(&n->ref_count, 1, memory_order_acq_rel) != 1)
		return;
	node_unref(n->left);
	node_unref(n->right);
	item_unref(n->item);
	free(n);
}

static struct pmap_node *node_new(uint64_t edit, uint64_t priority, struct pmap_key key,
				  struct image_item *item)
{
	struct pmap_node *n = xcalloc(1, sizeof(*n));

	atomic_init(&n->ref_count, 1);
	n->edit = edit;
	n->priority = priority;
	n->key = key;
	n->item = item;
	return n;
}

/* Takes `n`, gives the same or a copy that this edit may change. */
static struct pmap_node *node_own(struct pmap_node *n, uint64_t edit)
{
	struct pmap_node *copy;

	if (n->edit == edit)
		return n;
	copy = node_new(edit, n->priority, n->key, item_ref(n->item));
	copy->left = node_ref(n->left);
	copy->right = node_ref(n->right);
	node_unref(n);
	return copy;
}

static int key_cmp(struct pmap_key a, struct pmap_key b)
{
	return str_cmp((struct str){a.data, a.len}, (struct str){b.data, b.len});
}

static bool node_above(const struct pmap_node *a, const struct pmap_node *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return key_cmp(a->key, b->key) < 0;
}

struct pmap pmap_ref(const struct pmap *m)
{
	node_ref(m->root);
	return *m;
}

void pmap_unref(struct pmap *m)
{
	node_unref(m->root);
	*m = (struct pmap){0};
}

struct image_item *pmap_get(const struct pmap *m, struct pmap_key key)
{
	const struct pmap_node *n = m->root;

	while (n) {
		int c = key_cmp(key, n->key);

		if (c == 0)
			return n->item;
		n = c < 0 ? n->left : n->right;
	}
	return NULL;
}

struct image_item *pmap_next(const struct pmap *m, struct pmap_key key, bool or_equal)
{
	const struct pmap_node *n = m->root;
	const struct pmap_node *best = NULL;

	while (n) {
		int c = key.data ? key_cmp(key, n->key) : -1;

		if (c == 0 && or_equal)
			return n->item;
		if (c < 0) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best ? best->item : NULL;
}

static struct pmap_node *rotate_right(struct pmap_node *n)
{
	struct pmap_node *top = n->left;

	n->left = top->right;
	top->right = n;
	return top;
}

static struct pmap_node *rotate_left(struct pmap_node *n)
{
	struct pmap_node *top = n->right;

	n->right = top->left;
	top->left = n;
	return top;
}

static struct pmap_node *node_put(struct pmap_node *n, struct pmap_node *fresh, bool *added)
{
	int c;

	if (!n) {
		*added = true;
		return fresh;
	}
	n = node_own(n, fresh->edit);
	c = key_cmp(fresh->key, n->key);
	if (c == 0) {
		item_unref(n->item);
		n->item = item_ref(fresh->item);
		n->key = fresh->key;
		node_unref(fresh);
		return n;
	}
	if (c < 0) {
		n->left = node_put(n->left, fresh, added);
		return node_above(n->left, n) ? rotate_right(n) : n;
	}
	n->right = node_put(n->right, fresh, added);
	return node_above(n->right, n) ? rotate_left(n) : n;
}

void pmap_put(struct pmap *m, uint64_t edit, struct pmap_key key, struct image_item *item)
{
	bool added = false;

	m->root =
		node_put(m->root, node_new(edit, hash_bytes(key.data, key.len), key, item), &added);
	if (added)
		m->count++;
}

/* Both trees are taken; every key of `a` is less than every key of `b`. */
static struct pmap_node *node_merge(struct pmap_node *a, struct pmap_node *b, uint64_t edit)
{
	if (!a)
		return b;
	if (!b)
		return a;
	if (node_above(a, b)) {
		a = node_own(a, edit);
		a->right = node_merge(a->right, b, edit);
		return a;
	}
	b = node_own(b, edit);
	b->left = node_merge(a, b->left, edit);
	return b;
}

static struct pmap_node *node_remove(struct pmap_node *n, uint64_t edit, struct pmap_key key)
{
	int c = key_cmp(key, n->key);

	n = node_own(n, edit);
	if (c < 0) {
		n->left = node_remove(n->left, edit, key);
		return n;
	}
	if (c > 0) {
		n->right = node_remove(n->right, edit, key);
		return n;
	}
	struct pmap_node *rest = node_merge(n->left, n->right, edit);

	n->left = n->right = NULL;
	node_unref(n);
	return rest;
}

void pmap_remove(struct pmap *m, uint64_t edit, struct pmap_key key)
{
	if (!pmap_get(m, key))
		return;
	m->root = node_remove(m->root, edit, key);
	m->count--;
}

/* ---- Differences ----------------------------------------------------------------------------- */

struct diff {
	pmap_changed changed;
	void *ctx;
};

/* The topmost node of `n` with a key between the two (exclusive; NULL: unbounded). */
static const struct pmap_node *node_clip(const struct pmap_node *n, const struct pmap_key *low,
					 const struct pmap_key *high)
{
	while (n) {
		if (low && key_cmp(n->key, *low) <= 0)
			n = n->right;
		else if (high && key_cmp(n->key, *high) >= 0)
			n = n->left;
		else
			break;
	}
	return n;
}

/* As the shape follows from the keys, the higher one of two different tops in the same range of
 * keys is missing in the other tree. */
static void node_diff(const struct diff *d, const struct pmap_node *a, const struct pmap_node *b,
		      const struct pmap_key *low, const struct pmap_key *high)
{
	const struct pmap_node *top;
	bool same;

	a = node_clip(a, low, high);
	b = node_clip(b, low, high);
	if (a == b)
		return;
	same = a && b && key_cmp(a->key, b->key) == 0;
	if (same && a->item != b->item)
		d->changed(d->ctx, a->item, b->item);
	top = !a || (b && !same && node_above(b, a)) ? b : a;
	if (!same)
		d->changed(d->ctx, top == a ? a->item : NULL, top == b ? b->item : NULL);
	node_diff(d, top == a || same ? (a ? a->left : NULL) : a,
		  top == b || same ? (b ? b->left : NULL) : b, low, &top->key);
	node_diff(d, top == a || same ? (a ? a->right : NULL) : a,
		  top == b || same ? (b ? b->right : NULL) : b, &top->key, high);
}

void pmap_diff(const struct pmap *before, const struct pmap *after, pmap_changed changed, void *ctx)
{
	struct diff d = {changed, ctx};

	node_diff(&d, before->root, after->root, NULL, NULL);
}
