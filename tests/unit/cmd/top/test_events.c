/* If this fails: what happens in a cluster is not told, told wrongly, or drowned. */
#include "unit/support.h"

#include "unit/cmd/top/made.h"

#include <stdio.h>

static struct top_model m;

/* The events since the last call, oldest first, a line each. */
static const char *told(void)
{
	static char text[8192];
	static uint64_t seen;
	size_t len = 0;

	if (m.events.total == 0)
		seen = 0;
	text[0] = '\0';
	for (uint64_t i = m.events.total - seen; i-- > 0;)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n",
					events_at(&m.events, (unsigned)i)->text);
	seen = m.events.total;
	return text;
}

static int start(void **state)
{
	(void)state;
	model_init(&m);
	told();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	model_fini(&m);
	return 0;
}

static struct snapshot *moment(enum broker_state second, const char *partitions)
{
	struct snapshot *s = made_moment(&m, 1);

	made_broker(s, 1, BROKER_UP);
	if (second != BROKER_GONE)
		made_broker(s, 2, second);
	made_topic(s, "t", partitions);
	return s;
}

static void test_a_broker_dies_and_comes_back(void **state)
{
	(void)state;
	moment(BROKER_UP, "1:1,2:1,2:0 2:2,1:2,1:0 2:2:2:0");
	model_take(&m);
	assert_string_equal(told(), ""); /* the first moment is no news */
	moment(BROKER_SILENT, "1:1,2:1,2:0 2:2,1:2,1: 2:2:2:")->brokers[1].reason =
		STR_LIT("host:9092: connection refused");
	model_take(&m);
	assert_string_equal(told(), "broker 2 does not answer: host:9092: connection refused\n");
	moment(BROKER_GONE, "1:1,2:1:0 1:2,1:1:0 -:2:2:");
	model_take(&m);
	assert_string_equal(told(), "broker 2 gone\n"
				    "t-2: offline, leader 2 -> none\n"
				    "t-1: leader 2 -> 1\n"
				    "t-0: isr 1,2 -> 1\n"
				    "t-1: isr 2,1 -> 1\n");
	moment(BROKER_UP, "1:1,2:1:0 1:2,1:1,2:0 2:2:2:0");
	model_take(&m);
	assert_string_equal(told(), "broker 2 is back\n"
				    "t-2: online again, leader 2\n"
				    "t-1: isr 1 -> 1,2, back in sync\n");
}

static void test_the_last_sample_is_shown_first_causes_before_effects(void **state)
{
	unsigned ages[EVENTS_MAX];

	(void)state;
	moment(BROKER_UP, "1:1,2:1,2:0");
	model_take(&m);
	moment(BROKER_SILENT, "1:1,2:1,2:0");
	model_take(&m);
	moment(BROKER_GONE, "1:1,2:1:0");
	model_take(&m);
	assert_int_equal(events_order(&m.events, ages), 3);
	assert_string_equal(events_at(&m.events, ages[0])->text, "broker 2 gone");
	assert_string_equal(events_at(&m.events, ages[1])->text, "t-0: isr 1,2 -> 1");
	assert_string_equal(events_at(&m.events, ages[2])->text, "broker 2 does not answer");
}

static void test_many_alike_are_counted(void **state)
{
	(void)state;
	moment(BROKER_UP, "2:1,2:1,2:0 2:1,2:1,2:0 2:1,2:1,2:0 2:1,2:1,2:0 2:1,2:1,2:0 "
			  "2:1,2:1,2:0 2:1,2:1,2:0 2:1,2:1,2:0 2:1,2:1,2:0 1:1,2:1,2:0");
	model_take(&m);
	moment(BROKER_GONE, "1:1,2:1:0 1:1,2:1:0 1:1,2:1:0 1:1,2:1:0 1:1,2:1:0 "
			    "1:1,2:1:0 1:1,2:1:0 1:1,2:1:0 1:1,2:1:0 1:1,2:1,2:0");
	model_take(&m);
	assert_string_equal(told(), "broker 2 gone\n"
				    "9 partitions have other leaders than 2\n"
				    "9 partitions: the isr lost 2\n");
	moment(BROKER_UP, "1:1,2:1,2:0 1:1,2:1,2:0 1:1,2:1,2:0 1:1,2:1,2:0 1:1,2:1,2:0 "
			  "1:1,2:1,2:0 1:1,2:1,2:0 1:1,2:1,2:0 1:1,2:1,2:0 1:1,2:1,2:0");
	model_take(&m);
	assert_string_equal(told(), "broker 2 is back\n"
				    "9 partitions: the isr gained 2, 9 back in sync\n");
}

static void test_topics_and_groups_come_and_go(void **state)
{
	struct snapshot *s;

	(void)state;
	s = moment(BROKER_UP, "1:1:1:0");
	made_group(s, "g", "Stable", 2, 0);
	s->quorum_leader = 1;
	model_take(&m);
	s = moment(BROKER_UP, "1:1:1:0 2:2:2:0");
	made_topic(s, "u", "1:1:1:0");
	made_group(s, "g", "PreparingRebalance", 1, 0)->coordinator = 2;
	made_group(s, "h", "Stable", 1, 0);
	s->quorum_leader = 2;
	model_take(&m);
	assert_string_equal(told(), "quorum leader 1 -> 2\n"
				    "topic t: 1 -> 2 partitions\n"
				    "topic u created, 1 partition\n"
				    "group g: 2 -> 1 members, PreparingRebalance\n"
				    "group g: coordinator 1 -> 2\n"
				    "group h is new\n");
	s = moment(BROKER_UP, "1:1,2:1,2:0 2:2:2:0");
	made_group(s, "g", "Stable", 1, 0)->coordinator = 2;
	/* Nobody tells now: the old leader stands until there is another. */
	s->quorum_leader = -1;
	model_take(&m);
	assert_int_equal(model_now(&m)->quorum_leader, 2);
	assert_string_equal(told(), "topic u deleted\n"
				    "t-0: isr 1 -> 1,2, back in sync\n"
				    "t-0: replicas 1 -> 1,2\n"
				    "group g: PreparingRebalance -> Stable\n"
				    "group h gone\n");
}

static void test_the_cluster_goes_and_comes_back(void **state)
{
	struct err err = {0};

	(void)state;
	moment(BROKER_UP, "1:1:1:0");
	model_take(&m);
	err_set(&err, E_TIMEOUT, "timed out: host:9091: connection refused");
	model_failed(&m, &err, model_now(&m)->wall_ms + 1000);
	model_failed(&m, &err, model_now(&m)->wall_ms + 2000);
	assert_string_equal(told(), "cluster unreachable\n");
	assert_true(m.is_unreachable);
	assert_string_equal(m.err.text, "host:9091: connection refused");
	assert_int_equal(model_now(&m)->brokers[0].state, BROKER_SILENT);
	assert_int_equal(model_now(&m)->up_count, 0);
	made_moment(&m, 5);
	moment(BROKER_UP, "1:1:1:0")->wall_ms += 4000;
	model_take(&m);
	assert_false(m.is_unreachable);
	assert_string_equal(told(), "the cluster is there again, after 4s\n"
				    "broker 1 answers again\n"
				    "broker 2 answers again\n");
}

static void test_old_events_are_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < EVENTS_MAX + 3; i++)
		events_add(&m.events, i, TONE_PLAIN, "%d", i);
	assert_int_equal(events_count(&m.events), EVENTS_MAX);
	assert_string_equal(events_at(&m.events, 0)->text, "502");
	assert_string_equal(events_at(&m.events, EVENTS_MAX - 1)->text, "3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_broker_dies_and_comes_back, start, stop),
		cmocka_unit_test_setup_teardown(
			test_the_last_sample_is_shown_first_causes_before_effects, start, stop),
		cmocka_unit_test_setup_teardown(test_many_alike_are_counted, start, stop),
		cmocka_unit_test_setup_teardown(test_topics_and_groups_come_and_go, start, stop),
		cmocka_unit_test_setup_teardown(test_the_cluster_goes_and_comes_back, start, stop),
		cmocka_unit_test_setup_teardown(test_old_events_are_forgotten, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
