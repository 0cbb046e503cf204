/* What the handlers that describe the cluster share: Metadata, DescribeTopicPartitions,
 * DescribeCluster. Everything borrows from the request's image: encode in the same event. */
#ifndef KAVKA_BROKER_API_DESCRIBE_H
#define KAVKA_BROKER_API_DESCRIBE_H

#include "api/partitions.h"
#include "wire/codec.h"

/* Bit n is AclOperation n (AclOperation.java): what an unrestricted principal may do. */
#define TOPIC_OPERATIONS_ALL 0xdf8	/* read write create delete alter describe, configs both */
#define CLUSTER_OPERATIONS_ALL 0x1fa0	/* create alter describe action, configs both, idempotent */

/* A partition as clients of one listener see it. */
struct partition_view {
	enum kafka_error error;		/* NONE, LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND */
	int32_t leader_id;		/* -1: none that this client could reach */
	int32_t *replicas, *isr;	/* read only: the image's */
	int32_t replica_count, isr_count;
	int32_t *offline;		/* in the request's arena */
	int32_t offline_count;
};

void partition_view(struct request *r, const struct image_partition *p, struct partition_view *out);

/* A random broker that clients may ask, -1: none. What "controller id" means to clients. */
int32_t any_broker_id(const struct request *r);

/* A node's id in decimal; false if it is not a number of 32 bits. */
bool node_id_of(struct str text, int32_t *id);

/* Whether a name may be a topic's: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". */
bool topic_name_is_valid(struct str name);

#endif
