/* Brokers and controllers. */
#include "metadata/delta.h"

#include "base/mem.h"

static void node_destroy(struct image_item *item)
{
	free(item); /* one block; `item` is its first member */
}

/* What a broker shall be; everything is borrowed. */
static struct broker_item *broker_new(uint64_t edit, const struct image_broker *from)
{
	struct packer p;
	struct broker_item *b;
	struct image_endpoint *endpoints;
	struct image_feature_range *features;
	size_t extra = PACKER_STR(from->rack) +
		       PACKER_ROOM(from->endpoint_count * sizeof(*endpoints)) +
		       PACKER_ROOM(from->feature_count * sizeof(*features)) +
		       PACKER_ROOM(from->log_dir_count * sizeof(struct uuid)) +
		       PACKER_ROOM(from->cordoned_log_dir_count * sizeof(struct uuid) + 1);

	for (uint32_t i = 0; i < from->endpoint_count; i++)
		extra += PACKER_STR(from->endpoints[i].name) + PACKER_STR(from->endpoints[i].host);
	for (uint32_t i = 0; i < from->feature_count; i++)
		extra += PACKER_STR(from->features[i].name);
	b = packer_alloc(&p, sizeof(*b), extra);
	b->broker = *from;
	item_init(&b->broker.item, edit, node_destroy);
	b->key = id_key_of(from->id);
	endpoints = packer_room(&p, from->endpoint_count * sizeof(*endpoints));
	features = packer_room(&p, from->feature_count * sizeof(*features));
	b->broker.endpoints = endpoints;
	b->broker.features = features;
	b->broker.log_dirs = packer_room(&p, from->log_dir_count * sizeof(struct uuid));
	if (from->log_dir_count)
		memcpy((void *)(uintptr_t)b->broker.log_dirs, from->log_dirs,
		       from->log_dir_count * sizeof(struct uuid));
	if (from->cordoned_log_dirs) {
		/* one byte more: an empty list is not null */
		b->broker.cordoned_log_dirs =
			packer_room(&p, from->cordoned_log_dir_count * sizeof(struct uuid) + 1);
		memcpy((void *)(uintptr_t)b->broker.cordoned_log_dirs, from->cordoned_log_dirs,
		       from->cordoned_log_dir_count * sizeof(struct uuid));
	}
	for (uint32_t i = 0; i < from->endpoint_count; i++) {
		endpoints[i] = from->endpoints[i];
		endpoints[i].name = packer_str(&p, from->endpoints[i].name);
		endpoints[i].host = packer_str(&p, from->endpoints[i].host);
	}
	for (uint32_t i = 0; i < from->feature_count; i++) {
		features[i] = from->features[i];
		features[i].name = packer_str(&p, from->features[i].name);
	}
	b->broker.rack = packer_str(&p, from->rack);
	return b;
}

static void broker_put(struct image_delta *d, const struct image_broker *from)
{
	struct broker_item *b = broker_new(d->edit, from);

	pmap_put(&d->image.brokers, d->edit, key_of_id(&b->key), &b->broker.item);
}

static uint32_t count_of(int32_t count)
{
	return count > 0 ? (uint32_t)count : 0;
}

static void broker_register(struct image_delta *d, const struct register_broker_record *r,
			    int64_t offset)
{
	struct image_broker b = {
		.id = r->broker_id,
		.epoch = r->broker_epoch,
		.incarnation_id = r->incarnation_id,
		.fenced = r->fenced,
		.in_controlled_shutdown = r->in_controlled_shutdown,
		.rack = r->rack,
		.endpoint_count = count_of(r->end_points_count),
		.feature_count = count_of(r->features_count),
		.log_dirs = r->log_dirs,
		.log_dir_count = count_of(r->log_dirs_count),
		.cordoned_log_dirs = r->cordoned_log_dirs_count < 0 ? NULL : r->cordoned_log_dirs,
		.cordoned_log_dir_count = count_of(r->cordoned_log_dirs_count),
		.registered_offset = offset,
		.is_migrating_zk_broker = r->is_migrating_zk_broker,
	};
	static const struct uuid none;
	struct image_endpoint *endpoints = xcalloc(b.endpoint_count + 1, sizeof(*endpoints));
	struct image_feature_range *features = xcalloc(b.feature_count + 1, sizeof(*features));

	if (r->cordoned_log_dirs_count == 0)
		b.cordoned_log_dirs = &none;
	for (uint32_t i = 0; i < b.endpoint_count; i++)
		endpoints[i] = (struct image_endpoint){r->end_points[i].name, r->end_points[i].host,
						       r->end_points[i].port,
						       r->end_points[i].security_protocol};
	for (uint32_t i = 0; i < b.feature_count; i++)
		features[i] = (struct image_feature_range){r->features[i].name,
							   r->features[i].min_supported_version,
							   r->features[i].max_supported_version};
	b.endpoints = endpoints;
	b.features = features;
	broker_put(d, &b);
	free(endpoints);
	free(features);
}

/* The broker of that id and epoch, or NULL with the error set. */
static const struct image_broker *broker_find(struct image_delta *d, int32_t id, int64_t epoch,
					      struct err *err)
{
	const struct image_broker *b = image_broker(&d->image, id);

	if (!b)
		err_set(err, E_CORRUPT, "changes broker %d, which is not registered", id);
	else if (b->epoch != epoch)
		err_set(err, E_CORRUPT, "changes broker %d at epoch %lld, but it has %lld", id,
			(long long)epoch, (long long)b->epoch);
	else
		return b;
	return NULL;
}

static int broker_unregister(struct image_delta *d, const struct unregister_broker_record *r,
			     struct err *err)
{
	struct id_key key = id_key_of(r->broker_id);

	if (!broker_find(d, r->broker_id, r->broker_epoch, err))
		return E_CORRUPT;
	pmap_remove(&d->image.brokers, d->edit, key_of_id(&key));
	return 0;
}

/* All but what counts the references, which any thread may be changing. */
static void broker_copy(struct image_broker *to, const struct image_broker *from)
{
	const size_t head = sizeof(from->item);

	_Static_assert(offsetof(struct image_broker, item) == 0, "it is in front");
	to->item = (struct image_item){0};
	memcpy((uint8_t *)to + head, (const uint8_t *)from + head, sizeof(*to) - head);
}

static int broker_change(struct image_delta *d, const struct broker_registration_change_record *r,
			 struct err *err)
{
	static const struct uuid none;
	const struct image_broker *old = broker_find(d, r->broker_id, r->broker_epoch, err);
	struct image_broker b;

	if (!old)
		return E_CORRUPT;
	broker_copy(&b, old);
	if (r->fenced < -1 || r->fenced > 1 || r->in_controlled_shutdown < 0 ||
	    r->in_controlled_shutdown > 1)
		return err_set(err, E_CORRUPT, "impossible change of broker %d", r->broker_id);
	if (r->fenced)
		b.fenced = r->fenced > 0;
	if (r->in_controlled_shutdown)
		b.in_controlled_shutdown = true;
	if (r->log_dirs_count > 0) {
		b.log_dirs = r->log_dirs;
		b.log_dir_count = (uint32_t)r->log_dirs_count;
	}
	if (r->cordoned_log_dirs_count >= 0) {
		b.cordoned_log_dirs = r->cordoned_log_dirs_count ? r->cordoned_log_dirs : &none;
		b.cordoned_log_dir_count = (uint32_t)r->cordoned_log_dirs_count;
	}
	broker_put(d, &b);
	return 0;
}

static int broker_fence(struct image_delta *d, int32_t id, int64_t epoch, bool fenced,
			struct err *err)
{
	struct broker_registration_change_record r = {
		.broker_id = id,
		.broker_epoch = epoch,
		.fenced = fenced ? 1 : -1,
		.cordoned_log_dirs_count = -1,
	};

	return broker_change(d, &r, err);
}

static void controller_register(struct image_delta *d, const struct register_controller_record *r)
{
	struct packer p;
	struct controller_item *c;
	struct image_endpoint *endpoints;
	struct image_feature_range *features;
	uint32_t endpoint_count = count_of(r->end_points_count);
	uint32_t feature_count = count_of(r->features_count);
	size_t extra = PACKER_ROOM(endpoint_count * sizeof(*endpoints)) +
		       PACKER_ROOM(feature_count * sizeof(*features));

	for (uint32_t i = 0; i < endpoint_count; i++)
		extra += PACKER_STR(r->end_points[i].name) + PACKER_STR(r->end_points[i].host);
	for (uint32_t i = 0; i < feature_count; i++)
		extra += PACKER_STR(r->features[i].name);
	c = packer_alloc(&p, sizeof(*c), extra);
	item_init(&c->controller.item, d->edit, node_destroy);
	endpoints = packer_room(&p, endpoint_count * sizeof(*endpoints));
	features = packer_room(&p, feature_count * sizeof(*features));
	for (uint32_t i = 0; i < endpoint_count; i++)
		endpoints[i] = (struct image_endpoint){packer_str(&p, r->end_points[i].name),
						       packer_str(&p, r->end_points[i].host),
						       r->end_points[i].port,
						       r->end_points[i].security_protocol};
	for (uint32_t i = 0; i < feature_count; i++)
		features[i] = (struct image_feature_range){packer_str(&p, r->features[i].name),
							   r->features[i].min_supported_version,
							   r->features[i].max_supported_version};
	c->controller.id = r->controller_id;
	c->controller.incarnation_id = r->incarnation_id;
	c->controller.zk_migration_ready = r->zk_migration_ready;
	c->controller.endpoints = endpoints;
	c->controller.endpoint_count = endpoint_count;
	c->controller.features = features;
	c->controller.feature_count = feature_count;
	c->key = id_key_of(r->controller_id);
	pmap_put(&d->image.controllers, d->edit, key_of_id(&c->key), &c->controller.item);
}

static int controller_unregister(struct image_delta *d,
				 const struct unregister_controller_record *r, struct err *err)
{
	struct id_key key = id_key_of(r->controller_id);

	if (!image_controller(&d->image, r->controller_id))
		return err_set(err, E_CORRUPT, "removes controller %d, which is not registered",
			       r->controller_id);
	pmap_remove(&d->image.controllers, d->edit, key_of_id(&key));
	return 0;
}

int delta_node_record(struct image_delta *d, enum metadata_record_type type, const void *record,
		      int64_t offset, struct err *err)
{
	const struct fence_broker_record *fence = record;
	const struct unfence_broker_record *unfence = record;

	switch (type) {
	case REGISTER_BROKER_RECORD: broker_register(d, record, offset); return 0;
	case UNREGISTER_BROKER_RECORD: return broker_unregister(d, record, err);
	case BROKER_REGISTRATION_CHANGE_RECORD: return broker_change(d, record, err);
	case FENCE_BROKER_RECORD: return broker_fence(d, fence->id, fence->epoch, true, err);
	case UNFENCE_BROKER_RECORD: return broker_fence(d, unfence->id, unfence->epoch, false, err);
	case REGISTER_CONTROLLER_RECORD: controller_register(d, record); return 0;
	default:
		assert(type == UNREGISTER_CONTROLLER_RECORD);
		return controller_unregister(d, record, err);
	}
}
