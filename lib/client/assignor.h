/* Who of a group gets which partitions: what the group's leader computes. Pure functions.
 *
 *	range		per topic, consecutive partitions to members in order
 *	roundrobin	all partitions in order, dealt out in turn
 *	sticky		even, with as few moves as can be
 *	cooperative-sticky	the same, but a partition that another member still has is left
 *			out until that one has given it up
 * Members are in the order Kafka has: those with an instance id first, by it; then by member id.
 * Source: clients/.../consumer/{Range,RoundRobin,Sticky,CooperativeSticky}Assignor.java */
#ifndef KAVKA_CLIENT_ASSIGNOR_H
#define KAVKA_CLIENT_ASSIGNOR_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

enum assignor {
	ASSIGNOR_RANGE,
	ASSIGNOR_ROUNDROBIN,
	ASSIGNOR_STICKY,
	ASSIGNOR_COOPERATIVE_STICKY,
};
#define ASSIGNOR_COUNT 4

struct assign_topic {
	struct str name;
	int32_t partition_count;
};

struct assign_partition {
	uint32_t topic;			/* index in the topics */
	int32_t partition;
};

struct assign_member {
	struct str id, instance_id;	/* instance_id: null for dynamic members */
	struct str *topics;		/* subscribed */
	size_t topic_count;
	struct {
		struct str topic;
		int32_t partition;
	} *owned;			/* as the member claims, at `generation` */
	size_t owned_count;
	int32_t generation;		/* -1: none */
	/* result, in the arena, ordered by topic and partition */
	struct assign_partition *assigned;
	size_t assigned_count;
};

const char *assignor_name(enum assignor a);
/* A name, or the Java class of the assignor; -1 if there is none such. */
int assignor_parse(struct str text);
static inline bool assignor_is_cooperative(enum assignor a)
{
	return a == ASSIGNOR_COOPERATIVE_STICKY;
}

/* Sorts members; fills their results. Topics that no member asks for are passed over. */
void assignor_run(enum assignor a, struct assign_member *members, size_t member_count,
		  const struct assign_topic *topics, size_t topic_count, struct arena *arena);

#endif
