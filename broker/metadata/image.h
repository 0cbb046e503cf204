/* The metadata image: everything the controller's records say, as of one offset of the metadata
 * log.
 *
 * An image is immutable and refcounted; any thread may read it while it holds a reference. The
 * control plane (shard 0) makes the next one by replaying records (metadata/delta.h) and hands it
 * out; what did not change keeps its address: an `image_topic` with the same pointer in two images
 * has the same partitions, so a comparison of two images costs what changed (image_diff_topics).
 * Everything reached from an image is borrowed from it: keep the image as long as you use it.
 *
 * Strings are not terminated unless said so. Uuids, ids and epochs are Kafka's.
 * Source: metadata/src/main/java/org/apache/kafka/image, KIP-500, KIP-631 (records) */
#ifndef KAVKA_BROKER_METADATA_IMAGE_H
#define KAVKA_BROKER_METADATA_IMAGE_H

#include "base/buf.h"
#include "base/uuid.h"
#include "config/config.h"

#include <stdbool.h>

struct image;

#define NO_LEADER (-1)
#define NO_NODE (-1)

enum leader_recovery_state {
	LEADER_RECOVERED = 0,
	LEADER_RECOVERING = 1, /* after an unclean election */
};

/* Reserved directory ids: no real directory has one. */
#define DIRECTORY_MIGRATING ((struct uuid){{0}})
#define DIRECTORY_UNASSIGNED ((struct uuid){{[15] = 1}})
#define DIRECTORY_LOST ((struct uuid){{[15] = 2}})

/* What is shared between images begins with this. metadata's own. */
struct image_item {
	atomic_uint ref_count;
	uint64_t edit; /* the delta that may still change it */
	void (*destroy)(struct image_item *item);
};

/* Ids of nodes, in the order the controller gave. */
struct node_list {
	const int32_t *ids;
	uint32_t count;
};

static inline bool node_list_has(struct node_list list, int32_t id)
{
	for (uint32_t i = 0; i < list.count; i++)
		if (list.ids[i] == id)
			return true;
	return false;
}

struct image_partition {
	int32_t index;        /* equal to its place in `partitions` */
	int32_t leader;       /* NO_LEADER: none */
	int32_t leader_epoch; /* -1: a hole, no such partition (replicas.count is 0) */
	int32_t partition_epoch;
	enum leader_recovery_state recovery;
	struct node_list replicas, isr;
	struct node_list elr, last_known_elr; /* eligible leader replicas (KIP-966) */
	struct node_list adding, removing;    /* of a reassignment under way */
	const struct uuid *directories;       /* replicas.count of them, same order */
	struct image_lists *lists;            /* metadata's: owns the arrays above */
};

struct image_topic {
	struct image_item item;
	struct str name; /* terminated by '\0' as well */
	struct uuid id;
	int32_t partition_count;
	struct image_partition *partitions; /* constant once the image is published */
	uint32_t partition_cap;             /* metadata's */
};

struct image_endpoint {
	struct str name; /* of the listener, as the broker registered it */
	struct str host;
	uint16_t port;
	int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};

struct image_feature_range {
	struct str name;
	int16_t min, max;
};

struct image_broker {
	struct image_item item;
	int32_t id;
	int64_t epoch;
	struct uuid incarnation_id;
	bool fenced;
	bool in_controlled_shutdown;
	struct str rack; /* null: none */
	const struct image_endpoint *endpoints;
	uint32_t endpoint_count;
	const struct image_feature_range *features;
	uint32_t feature_count;
	const struct uuid *log_dirs; /* ids, ascending as registered */
	uint32_t log_dir_count;
	const struct uuid *cordoned_log_dirs; /* NULL: unknown */
	uint32_t cordoned_log_dir_count;
	int64_t registered_offset; /* of its RegisterBrokerRecord; snapshot offset - 1 */
	bool is_migrating_zk_broker;
};

struct image_controller {
	struct image_item item;
	int32_t id;
	struct uuid incarnation_id;
	bool zk_migration_ready;
	const struct image_endpoint *endpoints;
	uint32_t endpoint_count;
	const struct image_feature_range *features;
	uint32_t feature_count;
};

struct image_feature {
	struct image_item item;
	struct str name;
	int16_t level;
};

struct image_config {
	struct image_item item;
	enum config_resource type;
	struct str name;
	const struct config_entry *entries; /* sorted by name, terminated by '\0'; never empty */
	uint32_t entry_count;
};

struct image_quota_part {
	struct str type; /* "user", "client-id", "ip" */
	struct str name; /* null: the default entity */
};

struct image_quota_value {
	struct str key;
	double value;
};

struct image_quota {
	struct image_item item;
	const struct image_quota_part *parts; /* sorted by type */
	uint32_t part_count;
	const struct image_quota_value *values; /* sorted by key; never empty */
	uint32_t value_count;
};

struct image_scram {
	struct image_item item;
	struct str user;
	int8_t mechanism; /* 1 SHA-256, 2 SHA-512 */
	int32_t iterations;
	struct slice salt, stored_key, server_key; /* borrowed from the item */
};

struct image_acl {
	struct image_item item;
	struct uuid id;
	int8_t resource_type, pattern_type, operation, permission_type;
	struct str resource_name, principal, host;
};

struct image_token {
	struct image_item item;
	struct str owner, requester, token_id;
	const struct str *renewers;
	uint32_t renewer_count;
	int64_t issue_timestamp, max_timestamp, expiration_timestamp;
};

/* ---- Life ------------------------------------------------------------------------------------ */

/* Any thread. image_ref gives back `image`. The empty image has offset -1, epoch 0, nothing in it.
 */
const struct image *image_ref(const struct image *image);
void image_unref(const struct image *image); /* NULL is fine */
const struct image *image_empty(void);       /* gives a new one */

/* ---- What it is the state of ----------------------------------------------------------------- */

int64_t image_offset(const struct image *image);       /* of the last record in it, -1: none */
int32_t image_epoch(const struct image *image);        /* leader epoch of that record */
int64_t image_timestamp_ms(const struct image *image); /* append time of that record */

/* ---- Topics ---------------------------------------------------------------------------------- */

const struct image_topic *image_topic_by_name(const struct image *image, struct str name);
const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id);
/* The partition, or NULL (unknown topic, index out of range, hole). `topic` may be NULL. */
const struct image_partition *image_partition(const struct image_topic *topic, int32_t index);
uint32_t image_topic_count(const struct image *image);
/* Names that belong to the broker: only its own tools write to them. */
bool topic_is_internal(struct str name);

/* In order of names: the first topic whose name is greater than `after` (null: the first of all),
 * or NULL. O(log n).
 *	for (t = image_topic_next(image, STR_NULL); t; t = image_topic_next(image, t->name)) */
const struct image_topic *image_topic_next(const struct image *image, struct str after);
/* The first whose name is equal to or greater than `from`. */
const struct image_topic *image_topic_from(const struct image *image, struct str from);

/* Calls `changed` for each topic id that differs: (NULL, t) is new, (t, NULL) is gone, (a, b) same
 * id, other content. A topic that was deleted and created again under its name has a new id: first
 * all that are gone are reported, then the rest. Images may be NULL (nothing in it). */
typedef void (*image_topic_changed)(void *ctx, const struct image_topic *before,
				    const struct image_topic *after);
void image_diff_topics(const struct image *before, const struct image *after,
		       image_topic_changed changed, void *ctx);

/* ---- Nodes ----------------------------------------------------------------------------------- */

const struct image_broker *image_broker(const struct image *image, int32_t id);
/* By ascending id: the first with an id greater than `after` (-1: the first of all), or NULL. */
const struct image_broker *image_broker_next(const struct image *image, int32_t after);
uint32_t image_broker_count(const struct image *image);
/* The endpoint of that listener (names compare without case), or NULL. */
const struct image_endpoint *image_broker_endpoint(const struct image_broker *broker,
						   struct str listener);
/* Registered, not fenced and not shutting down. NULL is not active. */
bool image_broker_is_active(const struct image_broker *broker);
/* Is that replica's directory usable on its broker? Reserved ids but LOST count as usable, as does
 * any id while the broker has registered none. */
bool image_broker_dir_online(const struct image_broker *broker, struct uuid directory);

const struct image_controller *image_controller(const struct image *image, int32_t id);
const struct image_controller *image_controller_next(const struct image *image, int32_t after);

/* ---- Features -------------------------------------------------------------------------------- */

/* The finalized metadata.version, 0 while none is known. */
int16_t image_metadata_version(const struct image *image);
/* The finalized level of any feature (also "metadata.version" and "kraft.version"), 0: none. */
int16_t image_feature_level(const struct image *image, struct str name);
/* Sorted by name, without metadata.version and kraft.version; `after` null: the first. */
const struct image_feature *image_feature_next(const struct image *image, struct str after);

/* ---- Configs --------------------------------------------------------------------------------- */

/* The dynamic configs of a resource, or NULL if it has none. */
const struct image_config *image_config(const struct image *image, enum config_resource type,
					struct str name);
/* The value, or null. `config` may be NULL. */
struct str image_config_value(const struct image_config *config, struct str key);
/* Sorted by type, then name. `after` NULL: the first. */
const struct image_config *image_config_next(const struct image *image,
					     const struct image_config *after);

/* ---- The rest -------------------------------------------------------------------------------- */

/* First producer id that was not given out in a block; -1: no block was ever given out. */
int64_t image_next_producer_id(const struct image *image);

/* Each in a fixed order of its own; `after` NULL: the first. */
const struct image_quota *image_quota_next(const struct image *image,
					   const struct image_quota *after);
const struct image_acl *image_acl(const struct image *image, struct uuid id);
const struct image_acl *image_acl_next(const struct image *image, const struct image_acl *after);
const struct image_scram *image_scram(const struct image *image, int8_t mechanism, struct str user);
const struct image_scram *image_scram_next(const struct image *image,
					   const struct image_scram *after);
const struct image_token *image_token(const struct image *image, struct str token_id);
const struct image_token *image_token_next(const struct image *image,
					   const struct image_token *after);

#endif
