/* Asks a cluster how it is: fills a snapshot, from the client's loop, without waiting.
 *
 *	sampler_init(&s, client);
 *	s.done = ...;
 *	sampler_start(&s, model_next(&m));	// s.done comes once, from the loop
 *
 * Only with requests that any client may send, three rounds of them, each round at once to all
 * brokers: (1) Metadata, DescribeCluster (who is fenced), DescribeQuorum; (2) to each broker
 * ListOffsets for what it leads, ListGroups, and, no more often than SAMPLER_SLOW_MS,
 * DescribeLogDirs and the first offsets; (3) to each coordinator DescribeGroups,
 * ConsumerGroupDescribe and OffsetFetch for all its groups together. That is some seven requests
 * per broker, however many topics, partitions and groups there are.
 *
 * Only Metadata must be answered. A broker that answers nothing within SAMPLER_NODE_MS is
 * BROKER_SILENT in the snapshot, and what it would have told is missing. What a cluster does not
 * have (DescribeQuorum before Kafka 3.0) is not asked for again. */
#ifndef KAVKA_CMD_TOP_SAMPLER_H
#define KAVKA_CMD_TOP_SAMPLER_H

#include "cmd/top/snapshot.h"

#include "client/client.h"

/* How long a broker may take. One that was silent the last time gets less, so that it does not
 * hold up the others. */
#define SAMPLER_NODE_MS 3000
#define SAMPLER_SILENT_MS 700
/* Metadata: of one broker, and of any, once the cluster was reached. */
#define SAMPLER_METADATA_MS 2000
#define SAMPLER_CLUSTER_MS 3000
/* DescribeQuorum is passed on to the leader of the quorum, which may be gone. */
#define SAMPLER_QUORUM_MS 1000
#define SAMPLER_SLOW_MS 5000

struct sampler_point;

struct sampler {
	struct client *client;
	/* Has the snapshot been filled (rc 0)? Else s->err tells why. */
	void (*done)(struct sampler *s, int rc);
	void *ctx;
	struct str detail; /* a topic whose eligible leaders are wanted too; null: none */
	struct err err;

	/* inside */
	struct arena arena; /* of the requests */
	struct snapshot *into;
	struct list_node asks; /* that are on their way */
	bool is_running, was_reached, is_slow, is_failed;
	bool lacks_cluster, lacks_quorum, lacks_detail, lacks_log_dirs;
	int64_t slow_at_us;
	/* Who is asked for metadata first: the leader of the quorum, if it is a broker. One that is
	 * cut off from the others would tell of a cluster of the past. -1: any. */
	int32_t preferred_id;
	int32_t *silent; /* ids of the brokers that were silent the last time */
	size_t silent_count, silent_cap;
	const struct top_broker *fenced; /* in the snapshot's arena */
	int32_t fenced_count;
	const int32_t *voters;
	int32_t voter_count;
	struct top_group *groups;
	size_t group_count, group_cap;
	struct sampler_point *points;
	size_t point_count, point_cap;
};

void sampler_init(struct sampler *s, struct client *client);
/* Before client_free(): what is on its way is forgotten, `done` does not come. */
void sampler_fini(struct sampler *s);
/* None may be running. Borrows `into` until done. */
void sampler_start(struct sampler *s, struct snapshot *into);

#endif
