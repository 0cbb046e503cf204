#include "api/partitions.h"

struct partition *partition_find(struct shard *on, struct uuid topic_id, int32_t index,
				 enum kafka_error *error)
{
	struct partition *p = replica_set_find(on->replicas, topic_id, index);

	*error = KERR_NONE;
	if (p)
		return p;
	if (image_partition(image_topic_by_id(on->image, topic_id), index))
		*error = KERR_NOT_LEADER_OR_FOLLOWER;
	else
		*error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	return NULL;
}

struct uuid topic_id_of(const struct image *image, struct str name)
{
	const struct image_topic *topic = image_topic_by_name(image, name);

	return topic ? topic->id : (struct uuid){0};
}

const struct image_endpoint *request_endpoint(const struct request *r, const struct image *image,
					      int32_t node_id, struct str *rack)
{
	const struct image_broker *broker = image_broker(image, node_id);

	if (!broker)
		return NULL;
	*rack = broker->rack;
	return image_broker_endpoint(broker, str_of(r->listener));
}

struct leader_hint leader_hint_of(struct shard *on, struct uuid topic_id, int32_t index)
{
	struct partition *p = replica_set_find(on->replicas, topic_id, index);
	const struct image_partition *known;

	if (p)
		return (struct leader_hint){p->leader_id, p->leader_epoch};
	known = image_partition(image_topic_by_id(on->image, topic_id), index);
	return known ? (struct leader_hint){known->leader, known->leader_epoch}
		     : (struct leader_hint){-1, -1};
}
