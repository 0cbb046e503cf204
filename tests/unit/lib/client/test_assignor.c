/* The leader of a group must share out every partition once, evenly, and move few. */
#include "client/assignor.h"

#include "base/mem.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MEMBERS_MAX 16

struct group {
	struct arena arena;
	struct assign_topic topics[8];
	size_t topic_count;
	struct assign_member members[MEMBERS_MAX];
	size_t member_count;
};

static void group_init(struct group *g)
{
	memset(g, 0, sizeof(*g));
	arena_init(&g->arena);
}

static void topic(struct group *g, const char *name, int32_t count)
{
	g->topics[g->topic_count++] = (struct assign_topic){str_of(name), count};
}

/* A member that subscribes to topics named with blanks between. */
static struct assign_member *member(struct group *g, const char *id, const char *topics)
{
	struct assign_member *m = &g->members[g->member_count++];
	char *copy = arena_strdup(&g->arena, topics), *word;

	*m = (struct assign_member){.id = str_of(id), .generation = -1};
	m->topics = arena_array(&g->arena, 8, sizeof(*m->topics));
	while ((word = strsep(&copy, " ")))
		if (*word)
			m->topics[m->topic_count++] = str_of(word);
	m->owned = arena_array(&g->arena, 1000, sizeof(*m->owned));
	return m;
}

static void own(struct assign_member *m, const char *name, int32_t partition, int32_t generation)
{
	m->owned[m->owned_count].topic = str_of(name);
	m->owned[m->owned_count++].partition = partition;
	m->generation = generation;
}

/* "id: t0-0 t0-1; id: ..." */
static const char *result(struct group *g, enum assignor a)
{
	struct out o;
	char *text;

	assignor_run(a, g->members, g->member_count, g->topics, g->topic_count, &g->arena);
	out_init(&o, 1 << 20);
	for (size_t i = 0; i < g->member_count; i++) {
		out_printf(&o, "%s%.*s:", i ? "; " : "", STR(g->members[i].id));
		for (size_t j = 0; j < g->members[i].assigned_count; j++)
			out_printf(&o, " %.*s-%d",
				   STR(g->topics[g->members[i].assigned[j].topic].name),
				   g->members[i].assigned[j].partition);
	}
	text = arena_strndup(&g->arena, (char *)o.data, o.len);
	out_fini(&o);
	return text;
}

static void range_gives_consecutive_partitions_of_each_topic(void **state)
{
	struct group g;

	(void)state;
	group_init(&g);
	topic(&g, "a", 3);
	topic(&g, "b", 4);
	member(&g, "m2", "a b");
	member(&g, "m1", "a b");
	member(&g, "m3", "b");
	assert_string_equal(result(&g, ASSIGNOR_RANGE),
			    "m1: a-0 a-1 b-0 b-1; m2: a-2 b-2; m3: b-3");
	arena_fini(&g.arena);
}

static void static_members_come_first_by_instance_id(void **state)
{
	struct group g;

	(void)state;
	group_init(&g);
	topic(&g, "a", 3);
	member(&g, "m1", "a");
	member(&g, "zz", "a")->instance_id = STR_LIT("i2");
	member(&g, "yy", "a")->instance_id = STR_LIT("i1");
	assert_string_equal(result(&g, ASSIGNOR_RANGE), "yy: a-0; zz: a-1; m1: a-2");
	arena_fini(&g.arena);
}

static void roundrobin_deals_in_turn_and_skips_who_is_not_subscribed(void **state)
{
	struct group g;

	(void)state;
	group_init(&g);
	topic(&g, "b", 2);
	topic(&g, "a", 3);
	member(&g, "m1", "a b");
	member(&g, "m2", "b");
	member(&g, "m3", "a b");
	assert_string_equal(result(&g, ASSIGNOR_ROUNDROBIN), "m1: a-0 a-2; m2: b-0; m3: b-1 a-1");
	arena_fini(&g.arena);
}

static void sticky_keeps_what_members_have(void **state)
{
	struct group g;
	struct assign_member *m;

	(void)state;
	group_init(&g);
	topic(&g, "a", 6);
	m = member(&g, "m1", "a");
	own(m, "a", 5, 3);
	own(m, "a", 3, 3);
	own(m, "a", 1, 3);
	m = member(&g, "m2", "a");
	own(m, "a", 0, 3);
	own(m, "a", 2, 3);
	own(m, "a", 4, 3);
	member(&g, "m3", "a");
	assert_string_equal(result(&g, ASSIGNOR_STICKY),
			    "m1: a-1 a-3; m2: a-0 a-2; m3: a-4 a-5");
	arena_fini(&g.arena);
}

static void of_two_claims_the_later_generation_wins(void **state)
{
	struct group g;
	struct assign_member *m;

	(void)state;
	group_init(&g);
	topic(&g, "a", 2);
	m = member(&g, "m1", "a");
	own(m, "a", 0, 2);
	m = member(&g, "m2", "a");
	own(m, "a", 0, 5);
	assert_string_equal(result(&g, ASSIGNOR_STICKY), "m1: a-1; m2: a-0");
	arena_fini(&g.arena);
}

static void cooperative_leaves_out_what_another_still_has(void **state)
{
	struct group g;
	struct assign_member *m;

	(void)state;
	group_init(&g);
	topic(&g, "a", 4);
	m = member(&g, "m1", "a");
	for (int i = 0; i < 4; i++)
		own(m, "a", i, 1);
	member(&g, "m2", "a");
	assert_string_equal(result(&g, ASSIGNOR_COOPERATIVE_STICKY), "m1: a-0 a-1; m2:");
	/* Then, with the rest given up. */
	g.members[0].owned_count = 2;
	g.members[0].generation = 2;
	assert_string_equal(result(&g, ASSIGNOR_COOPERATIVE_STICKY),
			    "m1: a-0 a-1; m2: a-2 a-3");
	arena_fini(&g.arena);
}

static void members_without_topics_and_topics_without_members_do_no_harm(void **state)
{
	struct group g;

	(void)state;
	for (int a = 0; a < ASSIGNOR_COUNT; a++) {
		group_init(&g);
		topic(&g, "a", 2);
		topic(&g, "unwanted", 3);
		member(&g, "m1", "a");
		member(&g, "m2", "");
		member(&g, "m3", "nosuch");
		assert_string_equal(result(&g, (enum assignor)a), "m1: a-0 a-1; m2:; m3:");
		arena_fini(&g.arena);
	}
}

/* Every partition of a subscribed topic has one owner, who subscribes to it. */
static void check_complete(struct group *g)
{
	for (size_t t = 0; t < g->topic_count; t++)
		for (int32_t p = 0; p < g->topics[t].partition_count; p++) {
			int owners = 0, wanted = 0;

			for (size_t m = 0; m < g->member_count; m++) {
				bool subscribed = false;

				for (size_t i = 0; i < g->members[m].topic_count; i++)
					subscribed |= str_eq(g->members[m].topics[i],
							     g->topics[t].name);
				wanted += subscribed;
				for (size_t i = 0; i < g->members[m].assigned_count; i++)
					if (g->members[m].assigned[i].topic == t &&
					    g->members[m].assigned[i].partition == p) {
						owners++;
						assert_true(subscribed);
					}
			}
			assert_int_equal(owners, wanted > 0);
		}
}

/* What each got is what it has when the next round begins. */
static size_t keep(struct group *g, int32_t generation)
{
	size_t moved = 0;

	for (size_t m = 0; m < g->member_count; m++) {
		struct assign_member *a = &g->members[m];

		for (size_t i = 0; i < a->assigned_count; i++) {
			bool had = false;

			for (size_t j = 0; j < a->owned_count; j++)
				had |= a->owned[j].partition == a->assigned[i].partition &&
				       str_eq(a->owned[j].topic,
					      g->topics[a->assigned[i].topic].name);
			moved += !had;
		}
		a->owned_count = 0;
		for (size_t i = 0; i < a->assigned_count; i++) {
			a->owned[a->owned_count].topic = g->topics[a->assigned[i].topic].name;
			a->owned[a->owned_count++].partition = a->assigned[i].partition;
		}
		a->generation = generation;
	}
	return moved;
}

static void random_groups_are_complete_even_and_stable(void **state)
{
	static const char *const sets[] = {"a b c", "a b", "c", "b c", "a"};
	struct rng rng;

	(void)state;
	rng_init(&rng, 7);
	for (int round = 0; round < 500; round++) {
		struct group g;
		bool equal = rng_below(&rng, 2);
		size_t least = SIZE_MAX, most = 0;

		group_init(&g);
		topic(&g, "a", (int32_t)rng_below(&rng, 20));
		topic(&g, "b", (int32_t)rng_below(&rng, 20));
		topic(&g, "c", (int32_t)rng_below(&rng, 20));
		for (size_t i = 0, n = 1 + rng_below(&rng, 9); i < n; i++)
			member(&g, arena_printf(&g.arena, "m%zu", i),
			       sets[equal ? 0 : rng_below(&rng, ARRAY_LEN(sets))]);
		for (int a = 0; a < 3; a++) {
			(void)result(&g, (enum assignor)a);
			check_complete(&g);
		}
		for (size_t m = 0; m < g.member_count; m++) {
			least = MIN(least, g.members[m].assigned_count);
			most = MAX(most, g.members[m].assigned_count);
		}
		if (equal)
			assert_true(most - least <= 1);
		/* Nothing changed: nothing moves. */
		(void)keep(&g, 1);
		(void)result(&g, ASSIGNOR_STICKY);
		assert_int_equal(keep(&g, 2), 0);
		/* One more member, at most its share moves. */
		if (equal && g.member_count < MEMBERS_MAX) {
			size_t total = 0;

			for (size_t t = 0; t < g.topic_count; t++)
				total += (size_t)g.topics[t].partition_count;
			member(&g, "new", sets[0]);
			(void)result(&g, ASSIGNOR_STICKY);
			check_complete(&g);
			assert_true(keep(&g, 3) <= total / g.member_count + 1);
		}
		arena_fini(&g.arena);
	}
}

static void names_and_java_classes_are_known(void **state)
{
	(void)state;
	assert_int_equal(assignor_parse(STR_LIT("range")), ASSIGNOR_RANGE);
	assert_int_equal(
		assignor_parse(STR_LIT("org.apache.kafka.clients.consumer.CooperativeStickyAssignor")),
		ASSIGNOR_COOPERATIVE_STICKY);
	assert_int_equal(assignor_parse(STR_LIT("org.apache.kafka.clients.consumer.StickyAssignor")),
			 ASSIGNOR_STICKY);
	assert_int_equal(assignor_parse(STR_LIT("RoundRobinAssignor")), ASSIGNOR_ROUNDROBIN);
	assert_int_equal(assignor_parse(STR_LIT("nosuch")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_gives_consecutive_partitions_of_each_topic),
		cmocka_unit_test(static_members_come_first_by_instance_id),
		cmocka_unit_test(roundrobin_deals_in_turn_and_skips_who_is_not_subscribed),
		cmocka_unit_test(sticky_keeps_what_members_have),
		cmocka_unit_test(of_two_claims_the_later_generation_wins),
		cmocka_unit_test(cooperative_leaves_out_what_another_still_has),
		cmocka_unit_test(members_without_topics_and_topics_without_members_do_no_harm),
		cmocka_unit_test(random_groups_are_complete_even_and_stable),
		cmocka_unit_test(names_and_java_classes_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
