/* What handlers about partitions share: finding them in image and replica set, errors, hints. */
#ifndef KAVKA_BROKER_API_PARTITIONS_H
#define KAVKA_BROKER_API_PARTITIONS_H

#include "api/request.h"
#include "metadata/image.h"
#include "replica/replica.h"

/* On the owner's shard. The partition, or NULL with *error: UNKNOWN_TOPIC_OR_PARTITION if the
 * shard's image has none, NOT_LEADER_OR_FOLLOWER if it is on other nodes (or not opened yet). */
struct partition *partition_find(struct shard *on, struct uuid topic_id, int32_t index,
				 enum kafka_error *error);

/* The id of a topic named in a request on this shard; zero if there is none. */
struct uuid topic_id_of(const struct image *image, struct str name);

/* The node's endpoint on the listener the request came in by, NULL: none. */
const struct image_endpoint *request_endpoint(const struct request *r, const struct image *image,
					      int32_t node_id, struct str *rack);

/* For a client that holds an old picture: who leads. From the replica here, else the image. */
struct leader_hint {
	int32_t id, epoch;
};
struct leader_hint leader_hint_of(struct shard *on, struct uuid topic_id, int32_t index);

#endif
