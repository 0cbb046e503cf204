/* Clusters made by hand: a moment of two or three brokers, written as text.
 *
 *	made_topic(s, "t", "1:1,2:1,2:100 2:2,1:2:5 -:1,2::7");
 *
 * has three partitions, each leader:replicas:isr:end; '-' is no leader, an empty end not known. */
#ifndef KAVKA_TESTS_UNIT_CMD_TOP_MADE_H
#define KAVKA_TESTS_UNIT_CMD_TOP_MADE_H

#include "cmd/top/model.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MADE_SECOND 1000000

static inline void made_broker(struct snapshot *s, int32_t id, enum broker_state state)
{
	struct top_broker *grown =
		arena_array(&s->arena, (size_t)s->broker_count + 1, sizeof(*grown));

	if (s->broker_count > 0)
		memcpy(grown, s->brokers, (size_t)s->broker_count * sizeof(*grown));
	grown[s->broker_count++] = (struct top_broker){.id = id,
						       .host = STR_LIT("host"),
						       .port = 9090 + id,
						       .state = state,
						       .log_bytes = NOT_KNOWN,
						       .disk_bytes = NOT_KNOWN,
						       .usable_bytes = NOT_KNOWN};
	s->brokers = grown;
}

static inline int32_t *made_ids(struct snapshot *s, const char *text, int32_t *count)
{
	int32_t *ids = arena_array(&s->arena, 16, sizeof(*ids));
	char *end;

	for (*count = 0; *text; text = *end == ',' ? end + 1 : end)
		ids[(*count)++] = (int32_t)strtol(text, &end, 10);
	return ids;
}

static inline void made_partition(struct snapshot *s, struct top_topic *t, char *text)
{
	struct top_partition *p = &t->partitions[t->partition_count];
	char *leader = strsep(&text, ":"), *replicas = strsep(&text, ":"),
	     *isr = strsep(&text, ":");

	*p = (struct top_partition){.index = t->partition_count++,
				    .leader =
					    *leader == '-' ? -1 : (int32_t)strtol(leader, NULL, 10),
				    .leader_epoch = -1,
				    .elr_count = -1,
				    .start = 0,
				    .end = text && *text ? strtol(text, NULL, 10) : NOT_KNOWN,
				    .end_at_us = s->at_us,
				    .bytes = NOT_KNOWN,
				    .all_bytes = NOT_KNOWN};
	p->replicas = made_ids(s, replicas, &p->replica_count);
	p->isr = made_ids(s, isr, &p->isr_count);
}

static inline struct top_topic *made_topic(struct snapshot *s, const char *name,
					   const char *partitions)
{
	struct top_topic *grown =
		arena_array(&s->arena, (size_t)s->topic_count + 1, sizeof(*grown));
	char *text = arena_strdup(&s->arena, partitions), *word;
	struct top_topic *t;

	if (s->topic_count > 0)
		memcpy(grown, s->topics, (size_t)s->topic_count * sizeof(*grown));
	t = &grown[s->topic_count++];
	*t = (struct top_topic){.name = str_of(name)};
	t->partitions = arena_array(&s->arena, 32, sizeof(*t->partitions));
	while ((word = strsep(&text, " ")))
		made_partition(s, t, word);
	s->topics = grown;
	return t;
}

/* With one committed offset of partition 0 of "t". */
static inline struct top_group *made_group(struct snapshot *s, const char *id, const char *state,
					   int32_t members, int64_t committed)
{
	struct top_group *grown =
		arena_array(&s->arena, (size_t)s->group_count + 1, sizeof(*grown));
	struct top_group *g;

	if (s->group_count > 0)
		memcpy(grown, s->groups, (size_t)s->group_count * sizeof(*grown));
	g = &grown[s->group_count++];
	*g = (struct top_group){.id = str_of(id),
				.type = STR_LIT("classic"),
				.state = str_of(state),
				.coordinator = 1,
				.member_count = members,
				.at_us = s->at_us};
	g->members = arena_array(&s->arena, (size_t)members + 1, sizeof(*g->members));
	g->partitions = arena_array(&s->arena, 1, sizeof(*g->partitions));
	g->partitions[g->partition_count++] = (struct top_group_partition){
		.topic = STR_LIT("t"), .committed = committed, .member = -1};
	s->groups = grown;
	return g;
}

/* The next moment of a model, so many seconds after the one before. */
static inline struct snapshot *made_moment(struct top_model *m, double seconds)
{
	int64_t before_us = model_now(m)->at_us, before_ms = model_now(m)->wall_ms;
	struct snapshot *s = model_next(m);

	s->at_us = (before_us ? before_us : MADE_SECOND) + (int64_t)(seconds * MADE_SECOND);
	s->wall_ms = before_ms + (int64_t)(seconds * 1000);
	s->cluster_id = STR_LIT("cluster");
	s->has_all_groups = true;
	return s;
}

#endif
