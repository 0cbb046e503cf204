/* If this fails: rates, lag or counts of a cluster are wrong, or what a broker did not tell is
 * shown as if it were gone. */
#include "unit/support.h"

#include "unit/cmd/top/made.h"

#include <math.h>

static void test_rates_are_over_the_real_time(void **state)
{
	const struct snapshot *now;
	struct top_model m;
	struct snapshot *s;

	(void)state;
	model_init(&m);
	s = made_moment(&m, 0);
	made_broker(s, 1, BROKER_UP);
	made_broker(s, 2, BROKER_UP);
	made_topic(s, "t", "1:1,2:1,2:100 2:2,1:2,1:50");
	model_take(&m);
	now = model_now(&m);
	/* One moment tells no rate. */
	assert_true(isnan(now->rate) && isnan(now->topics[0].rate) && isnan(now->brokers[0].rate));
	assert_int_equal(now->topics[0].record_count, 150);

	s = made_moment(&m, 2.5);
	made_broker(s, 2, BROKER_UP);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1,2:1,2:350 2:2,1:2,1:50");
	model_take(&m);
	now = model_now(&m);
	assert_true(now->topics[0].partitions[0].rate == 100);
	assert_true(now->topics[0].partitions[1].rate == 0);
	assert_true(now->topics[0].rate == 100 && now->rate == 100);
	/* Of the broker that leads it. */
	assert_int_equal(now->brokers[0].id, 1);
	assert_true(now->brokers[0].rate == 100 && now->brokers[1].rate == 0);
	assert_int_equal(now->brokers[0].leader_count, 1);
	assert_int_equal(now->brokers[0].replica_count, 2);
	model_fini(&m);
}

static void test_a_leader_that_did_not_answer_leaves_its_offsets(void **state)
{
	const struct top_partition *p;
	struct top_model m;
	struct snapshot *s;

	(void)state;
	model_init(&m);
	s = made_moment(&m, 0);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:100");
	model_take(&m);
	s = made_moment(&m, 1);
	made_broker(s, 1, BROKER_SILENT);
	made_topic(s, "t", "1:1:1:");
	model_take(&m);
	p = &model_now(&m)->topics[0].partitions[0];
	assert_int_equal(p->end, 100);
	assert_true(isnan(p->rate));
	/* What came meanwhile came in both seconds. */
	s = made_moment(&m, 1);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:300");
	model_take(&m);
	p = &model_now(&m)->topics[0].partitions[0];
	assert_true(p->rate == 100);
	/* A log that was cut has no negative rate. */
	s = made_moment(&m, 1);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:250");
	model_take(&m);
	assert_true(model_now(&m)->topics[0].partitions[0].rate == 0);
	/* Another topic of the same name: all that is in it has come since. */
	s = made_moment(&m, 1);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:40 1:1:1:")->id = uuid_from_words(1, 2);
	model_take(&m);
	assert_true(model_now(&m)->topics[0].partitions[0].rate == 40);
	/* Nobody told how much is in the second one, but it began with nothing. */
	assert_true(isnan(model_now(&m)->topics[0].partitions[1].rate));
	s = made_moment(&m, 1);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:40 1:1:1:100")->id = uuid_from_words(1, 2);
	model_take(&m);
	assert_true(model_now(&m)->topics[0].partitions[1].rate == 50);
	model_fini(&m);
}

static void test_brokers_that_are_gone_stay(void **state)
{
	const struct snapshot *now;
	const struct top_broker *b;
	struct top_model m;
	struct snapshot *s;

	(void)state;
	model_init(&m);
	s = made_moment(&m, 0);
	made_broker(s, 1, BROKER_UP);
	made_broker(s, 2, BROKER_UP);
	/* 7 is known from the replicas alone. */
	made_topic(s, "t", "1:1,2,7:1,2:1 -:2:2:1");
	model_take(&m);
	now = model_now(&m);
	assert_int_equal(now->broker_count, 3);
	assert_int_equal(now->brokers[2].id, 7);
	assert_int_equal(now->brokers[2].state, BROKER_GONE);
	assert_int_equal(now->under_replicated_count, 1);
	assert_int_equal(now->offline_count, 1);
	for (int i = 0; i < 3; i++) {
		s = made_moment(&m, 1);
		made_broker(s, 1, BROKER_UP);
		made_topic(s, "t", "1:1,2,7:1:1 -:2:2:1");
		model_take(&m);
	}
	now = model_now(&m);
	b = snapshot_broker(now, 2);
	assert_non_null(b);
	assert_int_equal(b->state, BROKER_GONE);
	assert_int_equal(b->port, 9092);
	assert_int_equal(b->replica_count, 2);
	assert_int_equal(b->in_sync_count, 1);
	assert_int_equal(now->up_count, 1);
	assert_int_equal(now->gone_count, 2);
	assert_null(snapshot_broker(now, 3));
	model_fini(&m);
}

static void test_groups_lag(void **state)
{
	const struct top_group *g;
	struct top_model m;
	struct snapshot *s;

	(void)state;
	model_init(&m);
	s = made_moment(&m, 0);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:100");
	made_group(s, "g", "Stable", 1, 40);
	made_group(s, "none", "Empty", 0, NOT_KNOWN);
	model_take(&m);
	g = snapshot_group(model_now(&m), STR_LIT("g"));
	assert_int_equal(g->lag, 60);
	assert_true(isnan(g->lag_rate));
	assert_int_equal(snapshot_group(model_now(&m), STR_LIT("none"))->lag, NOT_KNOWN);
	assert_int_equal(model_now(&m)->lag, 60);

	s = made_moment(&m, 2);
	made_broker(s, 1, BROKER_UP);
	made_topic(s, "t", "1:1:1:120");
	made_group(s, "g", "Stable", 1, 80);
	made_group(s, "none", "Empty", 0, NOT_KNOWN);
	model_take(&m);
	g = snapshot_group(model_now(&m), STR_LIT("g"));
	assert_int_equal(g->lag, 40);
	assert_true(g->lag_rate == -10 && g->read_rate == 20);

	/* A coordinator that does not tell its groups has not lost them. */
	s = made_moment(&m, 1);
	s->has_all_groups = false;
	made_broker(s, 1, BROKER_SILENT);
	made_topic(s, "t", "1:1:1:");
	model_take(&m);
	g = snapshot_group(model_now(&m), STR_LIT("g"));
	assert_non_null(g);
	assert_true(g->is_carried);
	assert_int_equal(g->lag, 40);
	assert_int_equal(model_now(&m)->group_count, 2);
	/* When it does, they are gone. */
	s = made_moment(&m, 1);
	made_broker(s, 1, BROKER_UP);
	model_take(&m);
	assert_int_equal(model_now(&m)->group_count, 0);
	model_fini(&m);
}

static void test_histories(void **state)
{
	struct history_set set;
	struct history *h;

	(void)state;
	history_set_init(&set);
	h = history_get(&set, "a");
	assert_true(isnan(history_value(h, 0)));
	for (int i = 0; i < HISTORY_LEN + 5; i++)
		history_push(h, i);
	assert_true(history_value(h, 0) == HISTORY_LEN + 4);
	assert_true(history_value(h, HISTORY_LEN - 1) == 5);
	assert_true(isnan(history_value(h, HISTORY_LEN)));
	assert_ptr_equal(history_get(&set, "a"), h);
	/* What is not asked for any more goes, in time. */
	for (int i = 0; i < HISTORY_LEN; i++) {
		history_get(&set, "b");
		history_set_round(&set);
	}
	assert_int_equal(set.map.count, 2);
	history_set_round(&set);
	assert_int_equal(set.map.count, 1);
	history_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_are_over_the_real_time),
		cmocka_unit_test(test_a_leader_that_did_not_answer_leaves_its_offsets),
		cmocka_unit_test(test_brokers_that_are_gone_stay),
		cmocka_unit_test(test_groups_lag),
		cmocka_unit_test(test_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
