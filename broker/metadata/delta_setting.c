/* Configs, features, client quotas, producer ids. */
#include "metadata/delta.h"

#include "base/mem.h"

static void setting_destroy(struct image_item *item)
{
	free(item); /* one block; `item` is its first member */
}

/* ---- Configs --------------------------------------------------------------------------------- */

/* Place of `name` among the sorted entries; *found says whether it is there. */
static uint32_t entry_place(const struct image_config *c, struct str name, bool *found)
{
	uint32_t i = 0;

	*found = false;
	for (; c && i < c->entry_count; i++) {
		int order = str_cmp(name, c->entries[i].name);

		*found = order == 0;
		if (order <= 0)
			break;
	}
	return i;
}

static struct pmap_key config_key_of(const struct image_config *c)
{
	return key_of_str(((const struct config_item *)(const void *)c)->key);
}

/* A copy of `old` (NULL: empty) with one entry set (value not null) or removed. */
static struct config_item *config_with(uint64_t edit, const struct image_config *old,
				       const struct config_record *r)
{
	bool found;
	uint32_t place = entry_place(old, r->name, &found);
	uint32_t old_count = old ? old->entry_count : 0;
	uint32_t count = old_count + (r->value.data && !found) - (!r->value.data && found);
	size_t extra = PACKER_ROOM(count * sizeof(struct config_entry)) +
		       2 * PACKER_STR(r->resource_name) + 1 + PACKER_STR(r->name) +
		       PACKER_STR(r->value);
	struct packer p;
	struct config_item *c;
	struct config_entry *entries;
	uint32_t n = 0;

	for (uint32_t i = 0; i < old_count; i++)
		extra += PACKER_STR(old->entries[i].name) + PACKER_STR(old->entries[i].value);
	c = packer_alloc(&p, sizeof(*c), extra);
	item_init(&c->config.item, edit, setting_destroy);
	entries = packer_room(&p, count * sizeof(*entries));
	for (uint32_t i = 0; i <= old_count; i++) {
		if (i == place && r->value.data)
			entries[n++] = (struct config_entry){packer_str(&p, r->name),
							     packer_str(&p, r->value)};
		if (i < old_count && !(i == place && found))
			entries[n++] = (struct config_entry){packer_str(&p, old->entries[i].name),
							     packer_str(&p, old->entries[i].value)};
	}
	assert(n == count);
	c->config.type = (enum config_resource)r->resource_type;
	c->config.entries = entries;
	c->config.entry_count = count;
	c->config.name =
		packer_str(&p, (struct str){r->resource_name.data ? r->resource_name.data : "",
					    r->resource_name.len});
	c->key = (struct str){p.at, r->resource_name.len + 1};
	*p.at++ = (char)r->resource_type;
	packer_str(&p, c->config.name);
	return c;
}

static void config_set(struct image_delta *d, const struct config_record *r)
{
	const struct image_config *old =
		image_config(&d->image, (enum config_resource)r->resource_type, r->resource_name);
	struct config_item *c;
	bool found;

	entry_place(old, r->name, &found);
	if (!r->value.data && !found)
		return;
	c = config_with(d->edit, old, r);
	if (c->config.entry_count) {
		pmap_put(&d->image.configs, d->edit, config_key_of(&c->config), &c->config.item);
		return;
	}
	pmap_remove(&d->image.configs, d->edit, config_key_of(&c->config));
	item_unref(&c->config.item);
}

void delta_remove_config(struct image_delta *d, enum config_resource type, struct str name)
{
	const struct image_config *c = image_config(&d->image, type, name);

	if (!c)
		return;
	item_ref(&c->item);
	pmap_remove(&d->image.configs, d->edit, config_key_of(c));
	item_unref((struct image_item *)(uintptr_t)&c->item);
}

/* ---- Features -------------------------------------------------------------------------------- */

static int feature_set(struct image_delta *d, const struct feature_level_record *r, struct err *err)
{
	struct packer p;
	struct image_feature *f;

	if (str_is(r->name, "kraft.version"))
		return 0; /* lives in control records */
	if (r->feature_level < 0)
		return err_set(err, E_CORRUPT, "feature %.*s has level %d", STR(r->name),
			       r->feature_level);
	if (str_is(r->name, "metadata.version")) {
		d->image.metadata_version = r->feature_level;
		return 0;
	}
	if (r->feature_level == 0) {
		pmap_remove(&d->image.features, d->edit, key_of_str(r->name));
		return 0;
	}
	f = packer_alloc(&p, sizeof(*f), PACKER_STR(r->name));
	item_init(&f->item, d->edit, setting_destroy);
	f->name = packer_str(&p, r->name);
	f->level = r->feature_level;
	pmap_put(&d->image.features, d->edit, key_of_str(f->name), &f->item);
	return 0;
}

/* ---- Client quotas --------------------------------------------------------------------------- */

#define QUOTA_PARTS_MAX 8 /* of one entity: the protocol knows three types */

static int part_cmp(const void *a, const void *b)
{
	const struct image_quota_part *x = a, *y = b;

	return str_cmp(x->type, y->type);
}

/* The parts of an entity in order, and their text as a key. */
struct quota_entity {
	struct image_quota_part parts[QUOTA_PARTS_MAX];
	uint32_t count;
	struct out key;
};

static int quota_entity_of(struct quota_entity *e, const struct client_quota_record *r,
			   struct err *err)
{
	out_init(&e->key, IMAGE_KEY_MAX * 4);
	e->count = 0;
	if (r->entity_count < 1 || r->entity_count > QUOTA_PARTS_MAX)
		return err_set(err, E_CORRUPT, "a quota of %d entities", r->entity_count);
	for (int32_t i = 0; i < r->entity_count; i++)
		e->parts[e->count++] = (struct image_quota_part){r->entity[i].entity_type,
								 r->entity[i].entity_name};
	qsort(e->parts, e->count, sizeof(e->parts[0]), part_cmp);
	for (uint32_t i = 0; i < e->count; i++) {
		struct str name = e->parts[i].name;

		out_bytes(&e->key, e->parts[i].type.data, e->parts[i].type.len);
		out_byte(&e->key, 0);
		out_byte(&e->key, name.data ? 1 : 2);
		if (name.len)
			out_bytes(&e->key, name.data, name.len);
		out_byte(&e->key, 0);
	}
	return e->key.failed ? err_set(err, E_CORRUPT, "a quota's entity is too long") : 0;
}

static struct quota_item *quota_with(uint64_t edit, const struct quota_entity *e,
				     const struct image_quota *old,
				     const struct client_quota_record *r)
{
	uint32_t old_count = old ? old->value_count : 0;
	size_t extra = PACKER_ROOM(e->count * sizeof(struct image_quota_part)) +
		       PACKER_ROOM((old_count + 1) * sizeof(struct image_quota_value)) +
		       e->key.len + 1 + PACKER_STR(r->key);
	struct packer p;
	struct quota_item *q;
	struct image_quota_part *parts;
	struct image_quota_value *values;
	uint32_t n = 0;
	bool placed = r->remove;

	for (uint32_t i = 0; i < e->count; i++)
		extra += PACKER_STR(e->parts[i].type) + PACKER_STR(e->parts[i].name);
	for (uint32_t i = 0; i < old_count; i++)
		extra += PACKER_STR(old->values[i].key);
	q = packer_alloc(&p, sizeof(*q), extra);
	item_init(&q->quota.item, edit, setting_destroy);
	parts = packer_room(&p, e->count * sizeof(*parts));
	values = packer_room(&p, (old_count + 1) * sizeof(*values));
	for (uint32_t i = 0; i < e->count; i++)
		parts[i] = (struct image_quota_part){packer_str(&p, e->parts[i].type),
						     packer_str(&p, e->parts[i].name)};
	for (uint32_t i = 0; i <= old_count; i++) {
		int order = i < old_count ? str_cmp(r->key, old->values[i].key) : -1;

		if (!placed && order <= 0) {
			values[n++] = (struct image_quota_value){packer_str(&p, r->key), r->value};
			placed = true;
		}
		if (i < old_count && order != 0)
			values[n++] = (struct image_quota_value){packer_str(&p, old->values[i].key),
								 old->values[i].value};
	}
	q->quota.parts = parts;
	q->quota.part_count = e->count;
	q->quota.values = values;
	q->quota.value_count = n;
	q->key = packer_str(&p, (struct str){(const char *)e->key.data, e->key.len});
	return q;
}

static int quota_set(struct image_delta *d, const struct client_quota_record *r, struct err *err)
{
	struct quota_entity e;
	struct quota_item *q;
	struct image_item *old;
	int rc = quota_entity_of(&e, r, err);

	if (rc == 0) {
		old = pmap_get(&d->image.quotas, (struct pmap_key){e.key.data, e.key.len});
		q = quota_with(d->edit, &e, (const struct image_quota *)(const void *)old, r);
		if (q->quota.value_count) {
			pmap_put(&d->image.quotas, d->edit, key_of_str(q->key), &q->quota.item);
		} else {
			pmap_remove(&d->image.quotas, d->edit, key_of_str(q->key));
			item_unref(&q->quota.item);
		}
	}
	out_fini(&e.key);
	return rc;
}

/* ---------------------------------------------------------------------------------------------- */

static int producer_ids_set(struct image_delta *d, const struct producer_ids_record *r,
			    struct err *err)
{
	if (r->next_producer_id <= d->image.next_producer_id || r->next_producer_id < 0)
		return err_set(err, E_CORRUPT, "next producer id %lld, but it was %lld already",
			       (long long)r->next_producer_id,
			       (long long)d->image.next_producer_id);
	d->image.next_producer_id = r->next_producer_id;
	return 0;
}

int delta_setting_record(struct image_delta *d, enum metadata_record_type type, const void *record,
			 struct err *err)
{
	switch (type) {
	case CONFIG_RECORD: config_set(d, record); return 0;
	case FEATURE_LEVEL_RECORD: return feature_set(d, record, err);
	case CLIENT_QUOTA_RECORD: return quota_set(d, record, err);
	default: assert(type == PRODUCER_IDS_RECORD); return producer_ids_set(d, record, err);
	}
}
