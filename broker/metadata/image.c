#include "metadata/image.h"

#include "base/mem.h"
#include "metadata/image_int.h"

#include <strings.h>

void image_init(struct image *image)
{
	*image = (struct image){.offset = -1, .timestamp_ms = -1, .next_producer_id = -1};
	atomic_init(&image->ref_count, 1);
}

void image_copy(struct image *to, const struct image *from)
{
	*to = (struct image){
		.offset = from->offset,
		.timestamp_ms = from->timestamp_ms,
		.epoch = from->epoch,
		.metadata_version = from->metadata_version,
		.kraft_version = from->kraft_version,
		.next_producer_id = from->next_producer_id,
		.topics_by_name = pmap_ref(&from->topics_by_name),
		.topics_by_id = pmap_ref(&from->topics_by_id),
		.brokers = pmap_ref(&from->brokers),
		.controllers = pmap_ref(&from->controllers),
		.features = pmap_ref(&from->features),
		.configs = pmap_ref(&from->configs),
		.quotas = pmap_ref(&from->quotas),
		.acls = pmap_ref(&from->acls),
		.scrams = pmap_ref(&from->scrams),
		.tokens = pmap_ref(&from->tokens),
	};
	atomic_init(&to->ref_count, 1);
}

void image_fini(struct image *image)
{
	pmap_unref(&image->topics_by_name);
	pmap_unref(&image->topics_by_id);
	pmap_unref(&image->brokers);
	pmap_unref(&image->controllers);
	pmap_unref(&image->features);
	pmap_unref(&image->configs);
	pmap_unref(&image->quotas);
	pmap_unref(&image->acls);
	pmap_unref(&image->scrams);
	pmap_unref(&image->tokens);
}

const struct image *image_ref(const struct image *image)
{
	struct image *shared = (struct image *)(uintptr_t)image;
	unsigned before = atomic_fetch_add_explicit(&shared->ref_count, 1, memory_order_relaxed);

	assert(before > 0);
	return image;
}

void image_unref(const struct image *image)
{
	struct image *shared = (struct image *)(uintptr_t)image;
	unsigned before;

	if (!shared)
		return;
	before = atomic_fetch_sub_explicit(&shared->ref_count, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before > 1)
		return;
	image_fini(shared);
	free(shared);
}

const struct image *image_empty(void)
{
	struct image *image = xmalloc(sizeof(*image));

	image_init(image);
	return image;
}

int64_t image_offset(const struct image *image)
{
	return image->offset;
}

int32_t image_epoch(const struct image *image)
{
	return image->epoch;
}

int64_t image_timestamp_ms(const struct image *image)
{
	return image->timestamp_ms;
}

/* ---- Topics ---------------------------------------------------------------------------------- */

#define ITEM_OF(found, type) ((const struct type *)(const void *)(found))

bool topic_is_internal(struct str name)
{
	return str_is(name, "__consumer_offsets") || str_is(name, "__transaction_state") ||
	       str_is(name, "__share_group_state");
}

const struct image_topic *image_topic_by_name(const struct image *image, struct str name)
{
	return ITEM_OF(pmap_get(&image->topics_by_name, key_of_str(name)), image_topic);
}

const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id)
{
	return ITEM_OF(pmap_get(&image->topics_by_id, key_of_uuid(&id)), image_topic);
}

const struct image_partition *image_partition(const struct image_topic *topic, int32_t index)
{
	if (!topic || index < 0 || index >= topic->partition_count)
		return NULL;
	if (topic->partitions[index].leader_epoch < 0)
		return NULL;
	return &topic->partitions[index];
}

uint32_t image_topic_count(const struct image *image)
{
	return image->topics_by_name.count;
}

static struct pmap_key key_after(struct str s)
{
	return (struct pmap_key){s.data, s.len};
}

const struct image_topic *image_topic_next(const struct image *image, struct str after)
{
	return ITEM_OF(pmap_next(&image->topics_by_name, key_after(after), false), image_topic);
}

const struct image_topic *image_topic_from(const struct image *image, struct str from)
{
	return ITEM_OF(pmap_next(&image->topics_by_name, key_after(from), true), image_topic);
}

struct topic_diff {
	image_topic_changed changed;
	void *ctx;
	bool gone; /* report only those that are gone, or only the others */
};

static void topic_diff_one(void *ctx, const struct image_item *before,
			   const struct image_item *after)
{
	const struct topic_diff *d = ctx;

	if (d->gone == (after == NULL))
		d->changed(d->ctx, ITEM_OF(before, image_topic), ITEM_OF(after, image_topic));
}

void image_diff_topics(const struct image *before, const struct image *after,
		       image_topic_changed changed, void *ctx)
{
	static const struct pmap nothing;
	const struct pmap *a = before ? &before->topics_by_id : &nothing;
	const struct pmap *b = after ? &after->topics_by_id : &nothing;
	struct topic_diff d = {changed, ctx, true};

	pmap_diff(a, b, topic_diff_one, &d);
	d.gone = false;
	pmap_diff(a, b, topic_diff_one, &d);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static struct image_item *by_id(const struct pmap *m, int32_t id)
{
	struct id_key k = id_key_of(id);

	return pmap_get(m, key_of_id(&k));
}

static struct image_item *next_by_id(const struct pmap *m, int32_t after)
{
	struct id_key k = id_key_of(after);

	return pmap_next(m, key_of_id(&k), false);
}

const struct image_broker *image_broker(const struct image *image, int32_t id)
{
	return ITEM_OF(by_id(&image->brokers, id), image_broker);
}

const struct image_broker *image_broker_next(const struct image *image, int32_t after)
{
	return ITEM_OF(next_by_id(&image->brokers, after), image_broker);
}

uint32_t image_broker_count(const struct image *image)
{
	return image->brokers.count;
}

const struct image_endpoint *image_broker_endpoint(const struct image_broker *broker,
						   struct str listener)
{
	if (!broker)
		return NULL;
	for (uint32_t i = 0; i < broker->endpoint_count; i++) {
		struct str name = broker->endpoints[i].name;

		if (name.len == listener.len &&
		    strncasecmp(name.data, listener.data, name.len) == 0)
			return &broker->endpoints[i];
	}
	return NULL;
}

bool image_broker_is_active(const struct image_broker *broker)
{
	return broker && !broker->fenced && !broker->in_controlled_shutdown;
}

bool image_broker_dir_online(const struct image_broker *broker, struct uuid directory)
{
	if (uuid_eq(directory, DIRECTORY_LOST))
		return false;
	if (broker->log_dir_count == 0 || uuid_eq(directory, DIRECTORY_UNASSIGNED) ||
	    uuid_eq(directory, DIRECTORY_MIGRATING))
		return true;
	for (uint32_t i = 0; i < broker->log_dir_count; i++)
		if (uuid_eq(broker->log_dirs[i], directory))
			return true;
	return false;
}

const struct image_controller *image_controller(const struct image *image, int32_t id)
{
	return ITEM_OF(by_id(&image->controllers, id), image_controller);
}

const struct image_controller *image_controller_next(const struct image *image, int32_t after)
{
	return ITEM_OF(next_by_id(&image->controllers, after), image_controller);
}

/* ---- Features and configs -------------------------------------------------------------------- */

int16_t image_metadata_version(const struct image *image)
{
	return image->metadata_version;
}

int16_t image_feature_level(const struct image *image, struct str name)
{
	const struct image_feature *f;

	if (str_is(name, "metadata.version"))
		return image->metadata_version;
	if (str_is(name, "kraft.version"))
		return image->kraft_version;
	f = ITEM_OF(pmap_get(&image->features, key_of_str(name)), image_feature);
	return f ? f->level : 0;
}

const struct image_feature *image_feature_next(const struct image *image, struct str after)
{
	return ITEM_OF(pmap_next(&image->features, key_after(after), false), image_feature);
}

/* A byte and a name as a key; names longer than any in a record are not there. */
static struct image_item *by_byte_and_name(const struct pmap *m, uint8_t byte, struct str name)
{
	char small[256];
	char *key = small;
	struct image_item *found;

	if (name.len > IMAGE_KEY_MAX - 1)
		return NULL;
	if (name.len + 1 > sizeof(small))
		key = xmalloc(name.len + 1);
	key[0] = (char)byte;
	if (name.len)
		memcpy(key + 1, name.data, name.len);
	found = pmap_get(m, (struct pmap_key){key, name.len + 1});
	if (key != small)
		free(key);
	return found;
}

const struct image_config *image_config(const struct image *image, enum config_resource type,
					struct str name)
{
	return ITEM_OF(by_byte_and_name(&image->configs, (uint8_t)type, name), image_config);
}

struct str image_config_value(const struct image_config *config, struct str key)
{
	uint32_t low = 0, high = config ? config->entry_count : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int c = str_cmp(key, config->entries[middle].name);

		if (c == 0)
			return config->entries[middle].value;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return STR_NULL;
}

const struct image_config *image_config_next(const struct image *image,
					     const struct image_config *after)
{
	struct pmap_key key = {0};

	if (after)
		key = key_of_str(ITEM_OF(after, config_item)->key);
	return ITEM_OF(pmap_next(&image->configs, key, false), image_config);
}

/* ---- The rest -------------------------------------------------------------------------------- */

int64_t image_next_producer_id(const struct image *image)
{
	return image->next_producer_id;
}

const struct image_quota *image_quota_next(const struct image *image,
					   const struct image_quota *after)
{
	struct pmap_key key = {0};

	if (after)
		key = key_of_str(ITEM_OF(after, quota_item)->key);
	return ITEM_OF(pmap_next(&image->quotas, key, false), image_quota);
}

const struct image_acl *image_acl(const struct image *image, struct uuid id)
{
	return ITEM_OF(pmap_get(&image->acls, key_of_uuid(&id)), image_acl);
}

const struct image_acl *image_acl_next(const struct image *image, const struct image_acl *after)
{
	struct pmap_key key = {0};

	if (after)
		key = key_of_uuid(&after->id);
	return ITEM_OF(pmap_next(&image->acls, key, false), image_acl);
}

const struct image_scram *image_scram(const struct image *image, int8_t mechanism, struct str user)
{
	return ITEM_OF(by_byte_and_name(&image->scrams, (uint8_t)mechanism, user), image_scram);
}

const struct image_scram *image_scram_next(const struct image *image,
					   const struct image_scram *after)
{
	struct pmap_key key = {0};

	if (after)
		key = key_of_str(ITEM_OF(after, scram_item)->key);
	return ITEM_OF(pmap_next(&image->scrams, key, false), image_scram);
}

const struct image_token *image_token(const struct image *image, struct str token_id)
{
	return ITEM_OF(pmap_get(&image->tokens, key_of_str(token_id)), image_token);
}

const struct image_token *image_token_next(const struct image *image,
					   const struct image_token *after)
{
	return ITEM_OF(
		pmap_next(&image->tokens, key_after(after ? after->token_id : STR_NULL), false),
		image_token);
}
