/* The inside of an image; metadata's own. */
#ifndef KAVKA_BROKER_METADATA_IMAGE_INT_H
#define KAVKA_BROKER_METADATA_IMAGE_INT_H

#include "metadata/pmap.h"

struct image {
	atomic_uint ref_count;
	int64_t offset, timestamp_ms;
	int32_t epoch;
	int16_t metadata_version;
	int16_t kraft_version; /* of the quorum's control records, not of a record here */
	int64_t next_producer_id;
	struct pmap topics_by_name, topics_by_id;
	struct pmap brokers, controllers;
	struct pmap features;
	struct pmap configs;
	struct pmap quotas;
	struct pmap acls, scrams, tokens;
};

/* The arrays of one partition, shared by the copies of its topic that did not change them. */
struct image_lists {
	atomic_uint ref_count;
	int32_t ids[];
};

/* Keys of the maps. The int32 and uuid forms point into the item. Those that are made of parts are
 * written into a buffer of the caller: a byte, then the name. */
#define IMAGE_KEY_MAX (1 + 32767)

static inline struct pmap_key key_of_str(struct str s)
{
	return (struct pmap_key){s.data ? s.data : "", s.len};
}
static inline struct pmap_key key_of_uuid(const struct uuid *u)
{
	return (struct pmap_key){u->bytes, sizeof(u->bytes)};
}

/* Ids sort as numbers. */
struct id_key {
	uint8_t bytes[4];
};
static inline struct id_key id_key_of(int32_t id)
{
	struct id_key k;

	put_be32(k.bytes, (uint32_t)id ^ 0x80000000u);
	return k;
}
static inline struct pmap_key key_of_id(const struct id_key *k)
{
	return (struct pmap_key){k->bytes, sizeof(k->bytes)};
}

/* Items of maps whose key is not one of their public fields: the key comes behind the public part.
 */
struct broker_item {
	struct image_broker broker;
	struct id_key key;
};
struct controller_item {
	struct image_controller controller;
	struct id_key key;
};
struct config_item {
	struct image_config config;
	struct str key; /* type, name */
};
struct quota_item {
	struct image_quota quota;
	struct str key; /* parts, each a type, 0, and a name behind 1, or 2 for null; 0 */
};
struct scram_item {
	struct image_scram scram;
	struct str key; /* mechanism, user */
};

/* The empty state; maps are taken over by assignment. */
void image_init(struct image *image);
/* Copies with one more reference of each map; the copy's count is 1. */
void image_copy(struct image *to, const struct image *from);
void image_fini(struct image *image);

#endif
