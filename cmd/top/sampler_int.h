/* Inside the sampler: sampler.c (rounds, metadata), sampler_offsets.c (partitions, log
 * directories), sampler_groups.c. */
#ifndef KAVKA_CMD_TOP_SAMPLER_INT_H
#define KAVKA_CMD_TOP_SAMPLER_INT_H

#include "cmd/top/sampler.h"

/* One request on its way; in the sampler's arena. */
struct ask {
	struct list_node link;
	struct call call;
	struct sampler *sampler;
	/* rc < 0 in ask->call: no answer. May ask for more. */
	void (*answer)(struct sampler *s, struct ask *ask);
	int32_t node_id; /* -1: any broker */
	/* of sampler_groups.c: those that it is about */
	const size_t *groups;
	size_t group_count;
	bool is_first_offsets;
};

/* A committed offset of a group, or that one of its members reads the partition. */
struct sampler_point {
	size_t group;
	struct top_group_partition at;
};

/* A request that sampler_send() will send; node_id -1: to any broker. */
struct ask *sampler_ask(struct sampler *s, int32_t node_id, int16_t api_key, const void *request,
			void (*answer)(struct sampler *s, struct ask *ask));
void sampler_send(struct sampler *s, struct ask *ask);

/* sampler_offsets.c */
void sampler_ask_offsets(struct sampler *s, int32_t node_id, bool is_first);
void sampler_ask_log_dirs(struct sampler *s, int32_t node_id);
void sampler_ask_detail(struct sampler *s);

/* sampler_groups.c */
void sampler_ask_groups(struct sampler *s, int32_t node_id);
/* All is told: the groups go into the snapshot. */
void sampler_take_groups(struct sampler *s);

#endif
