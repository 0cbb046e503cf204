/* What must hold of the team, the group of members.c: in a generation a partition has one owner;
 * who is of an older generation commits nothing; what was committed stays and does not go back; no
 * record is passed over. */
#include "sim/clients.h"

#include <inttypes.h>
#include <stdio.h>

/* Who was given what in a generation. */
struct generation {
	char owner[SIM_PARTITIONS][TEAM_NAME_MAX];
};

struct team_part {
	int64_t acked;         /* the highest offset whose commit was acknowledged; -1: none */
	int64_t tried;         /* the highest that was sent */
	int64_t delivered_end; /* every record below it was given to some member */
};

struct team {
	struct generation *generations;
	size_t count;
	int32_t newest; /* generation that some member knows to be in */
	struct team_part parts[SIM_PARTITIONS];
};

void team_start(struct sim *s)
{
	s->team = xcalloc(1, sizeof(*s->team));
	for (int32_t i = 0; i < SIM_PARTITIONS; i++)
		s->team->parts[i] = (struct team_part){.acked = -1, .tried = -1};
}

void team_assigned(struct sim *s, int32_t generation, const char *who, unsigned owned)
{
	struct team *t = s->team;
	size_t index = (size_t)generation;
	struct generation *g;

	if (index >= t->count) {
		size_t count = index * 2 + 16;

		t->generations = xrealloc(t->generations, count * sizeof(*t->generations));
		memset(t->generations + t->count, 0, (count - t->count) * sizeof(*t->generations));
		t->count = count;
	}
	g = &t->generations[index];
	for (int32_t i = 0; i < SIM_PARTITIONS; i++) {
		bool is_given = owned & 1u << i;

		if (is_given && g->owner[i][0] && strcmp(g->owner[i], who) != 0)
			sim_fail(s, "generation %d: partition %d is given to %s, but %s has it",
				 generation, i, who, g->owner[i]);
		if (!is_given && strcmp(g->owner[i], who) == 0)
			sim_fail(s, "generation %d: partition %d was given to %s, and then not",
				 generation, i, who);
		if (is_given)
			snprintf(g->owner[i], sizeof(g->owner[i]), "%s", who);
	}
	t->newest = MAX(t->newest, generation);
}

void team_asks(struct sim *s, struct team_asked *asked)
{
	asked->newest = s->team->newest;
	for (int32_t i = 0; i < SIM_PARTITIONS; i++)
		asked->acked[i] = s->team->parts[i].acked;
}

void team_commits(struct sim *s, int32_t partition, int64_t offset)
{
	struct team_part *p = &s->team->parts[partition];

	p->tried = MAX(p->tried, offset);
}

void team_committed(struct sim *s, const struct team_asked *asked, int32_t generation,
		    int32_t partition, int64_t offset)
{
	struct team_part *p = &s->team->parts[partition];

	if (generation < asked->newest)
		sim_fail(s,
			 "partition %d: generation %d has committed %" PRId64
			 ", but the group was in generation %d",
			 partition, generation, offset, asked->newest);
	if (offset < asked->acked[partition])
		sim_fail(s,
			 "partition %d: the committed offset goes from %" PRId64
			 " back to %" PRId64,
			 partition, asked->acked[partition], offset);
	p->acked = MAX(p->acked, offset);
	s->commits++;
}

void team_begins(struct sim *s, const struct team_asked *asked, int32_t partition, int64_t offset)
{
	struct team_part *p = &s->team->parts[partition];

	if (offset < asked->acked[partition])
		sim_fail(s,
			 "partition %d: the group's offset is %" PRId64 ", but %" PRId64
			 " was acknowledged",
			 partition, offset, asked->acked[partition]);
	if (offset > p->tried)
		sim_fail(s, "partition %d: the group's offset is %" PRId64 ", which nobody sent",
			 partition, offset);
}

void team_delivered(struct sim *s, int32_t partition, int64_t offset)
{
	struct team_part *p = &s->team->parts[partition];

	if (offset > p->delivered_end)
		sim_fail(s,
			 "partition %d: a member is given %" PRId64
			 ", but nobody was given %" PRId64,
			 partition, offset, p->delivered_end);
	p->delivered_end = MAX(p->delivered_end, offset + 1);
	s->delivered++;
	world_note(&s->world, (uint64_t)offset << 16 ^ (uint64_t)partition);
}

int64_t team_delivered_end(const struct sim *s, int32_t partition)
{
	return s->team->parts[partition].delivered_end;
}

int64_t team_acked(const struct sim *s, int32_t partition)
{
	return s->team ? s->team->parts[partition].acked : -1;
}
