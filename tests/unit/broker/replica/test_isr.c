/* Wrong here means that records which a reader saw can be lost, or that acks=all waits for ever. */
#include "replica/isr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LAG_MS 30000
#define NOW 1000000

static struct isr three(void)
{
	const int32_t ids[] = {1, 2, 3};
	struct isr s;

	isr_init(&s, 1);
	isr_set(&s, ids, 3, ids, 3, true, true, NOW);
	return s;
}

static int64_t hw(const struct isr *s, int64_t current, int64_t end, unsigned min_insync)
{
	return isr_high_watermark(s, current, end, min_insync, LAG_MS, NOW);
}

static void fetched(struct isr *s, int32_t id, int64_t offset, int64_t leader_end, int64_t now_ms)
{
	isr_fetched(s, isr_follower(s, id), offset, 0, leader_end, 7, now_ms);
}

static void test_alone_is_committed_at_once(void **state)
{
	const int32_t self = 1;
	struct isr s;

	(void)state;
	isr_init(&s, 1);
	isr_set(&s, &self, 1, &self, 1, true, true, NOW);
	assert_int_equal(hw(&s, 0, 12, 1), 12);
	assert_int_equal(s.follower_count, 0);
}

static void test_waits_for_the_slowest_member(void **state)
{
	struct isr s = three();

	(void)state;
	assert_int_equal(hw(&s, 0, 10, 1), 0); /* nobody has told anything */
	fetched(&s, 2, 10, 10, NOW);
	assert_int_equal(hw(&s, 0, 10, 1), 0);
	fetched(&s, 3, 4, 10, NOW);
	assert_int_equal(hw(&s, 0, 10, 1), 4);
	assert_int_equal(hw(&s, 6, 10, 1), 6); /* never back */
}

static void test_stands_below_min_insync(void **state)
{
	const int32_t all[] = {1, 2, 3}, one[] = {1};
	struct isr s = three();

	(void)state;
	isr_set(&s, all, 3, one, 1, false, false, NOW);
	fetched(&s, 2, 0, 10, NOW - 2 * LAG_MS);
	assert_int_equal(hw(&s, 3, 10, 2), 3);
}

static void test_counts_who_is_about_to_join(void **state)
{
	const int32_t all[] = {1, 2, 3}, two[] = {1, 2};
	struct isr s = three();

	(void)state;
	isr_set(&s, all, 3, two, 2, true, true, NOW);
	fetched(&s, 2, 10, 10, NOW);
	assert_int_equal(hw(&s, 0, 10, 1), 10); /* 3 was never caught up */
	fetched(&s, 3, 8, 8, NOW - 1000);       /* caught up a second ago */
	assert_int_equal(hw(&s, 0, 10, 1), 8);
	assert_int_equal(isr_high_watermark(&s, 0, 10, 1, LAG_MS, NOW + LAG_MS + 1), 10);
}

static void test_maximal_isr_counts_while_changing(void **state)
{
	const int32_t all[] = {1, 2, 3}, two[] = {1, 2};
	const int32_t lagging[] = {3};
	struct isr s = three();

	(void)state;
	fetched(&s, 2, 10, 10, NOW);
	fetched(&s, 3, 5, 10, NOW);
	isr_shrink(&s, lagging, 1);
	assert_int_equal(s.proposed_count, 2);
	assert_int_equal(isr_maximal_count(&s), 3);
	assert_int_equal(hw(&s, 0, 10, 1), 5); /* it may still be a member */
	isr_set(&s, all, 3, two, 2, false, false, NOW);
	assert_int_equal(isr_high_watermark(&s, 0, 10, 1, LAG_MS, NOW + 2 * LAG_MS), 10);

	isr_expand(&s, 3);
	assert_int_equal(isr_maximal_count(&s), 3);
	assert_true(isr_is_maximal_member(&s, 3));
	assert_false(isr_is_member(&s, 3));
	assert_int_equal(isr_high_watermark(&s, 0, 10, 1, LAG_MS, NOW + 2 * LAG_MS), 5);
	isr_revert(&s);
	assert_int_equal(isr_high_watermark(&s, 0, 10, 1, LAG_MS, NOW + 2 * LAG_MS), 10);
}

static void test_expands_with_what_is_committed(void **state)
{
	const int32_t all[] = {1, 2, 3}, two[] = {1, 2};
	struct isr s = three();
	struct follower *f;

	(void)state;
	isr_set(&s, all, 3, two, 2, true, true, NOW);
	f = isr_follower(&s, 3);
	assert_false(isr_should_expand(&s, f, 0, 0)); /* unknown */
	fetched(&s, 3, 9, 20, NOW);
	assert_false(isr_should_expand(&s, f, 10, 0));
	assert_false(isr_should_expand(&s, f, 5, 10)); /* lacks the start of our epoch */
	assert_true(isr_should_expand(&s, f, 9, 9));
	isr_expand(&s, 3);
	assert_false(isr_should_expand(&s, f, 9, 9)); /* asked already */
}

static void test_lagging_by_time_not_by_offset(void **state)
{
	struct isr s = three();
	int32_t out[REPLICAS_MAX];

	(void)state;
	/* Not at the end, but it had at each fetch what there was at the fetch before. */
	fetched(&s, 2, 10, 15, NOW);
	fetched(&s, 2, 15, 20, NOW + 20000);
	fetched(&s, 2, 20, 25, NOW + 40000);
	fetched(&s, 3, 10, 10, NOW);
	assert_int_equal(isr_lagging(&s, 25, LAG_MS, NOW + 40000, out), 1);
	assert_int_equal(out[0], 3);
	assert_int_equal(isr_lagging(&s, 25, LAG_MS, NOW + 29000, out), 0);
	/* At the end: never lagging, however long nothing came. */
	assert_int_equal(isr_lagging(&s, 10, LAG_MS, NOW + 90000, out), 1);
	assert_int_equal(out[0], 2);
}

static void test_new_epoch_starts_the_clocks_again(void **state)
{
	const int32_t all[] = {1, 2, 3}, two[] = {1, 2};
	struct isr s = three();

	(void)state;
	fetched(&s, 2, 10, 10, NOW);
	isr_set(&s, all, 3, two, 2, true, false, NOW + 50);
	assert_int_equal(isr_follower(&s, 2)->log_end_offset, 10); /* led before: known still */
	assert_int_equal(isr_follower(&s, 2)->last_caught_up_ms, NOW + 50);
	assert_int_equal(isr_follower(&s, 3)->last_caught_up_ms, 0);
	isr_set(&s, all, 3, two, 2, true, true, NOW + 60);
	assert_int_equal(isr_follower(&s, 2)->log_end_offset, -1); /* led by another meanwhile */
	assert_null(isr_follower(&s, 1));
	assert_null(isr_follower(&s, 4));
}

/* Settled: fetches with nothing new move its clock without being told one by one. */
static void test_settles_who_has_everything(void **state)
{
	const int32_t all[] = {1, 2, 3};
	struct isr s = three();
	struct follower *f = isr_follower(&s, 2);
	int64_t fetch_ms = NOW;
	int32_t out[REPLICAS_MAX];

	(void)state;
	assert_false(isr_settle(&s, f, 10, 10, &fetch_ms)); /* has told nothing yet */
	fetched(&s, 2, 9, 10, NOW);
	assert_false(isr_settle(&s, f, 10, 9, &fetch_ms)); /* lacks a record */
	fetched(&s, 2, 10, 10, NOW);
	assert_false(isr_settle(&s, f, 10, 9, &fetch_ms)); /* another does */
	f->is_barred = true;
	assert_false(isr_settle(&s, f, 10, 10, &fetch_ms));
	f->is_barred = false;
	isr_shrink(&s, (int32_t[]){3}, 1);
	assert_false(isr_settle(&s, f, 10, 10, &fetch_ms));
	isr_set(&s, all, 3, (int32_t[]){1, 3}, 2, false, false, NOW);
	assert_false(isr_settle(&s, f, 10, 10, &fetch_ms)); /* is to join */
	isr_set(&s, all, 3, all, 3, false, false, NOW);
	assert_true(isr_settle(&s, f, 10, 10, &fetch_ms));
	fetch_ms = NOW + 90000;
	assert_int_equal(follower_caught_up_ms(f), NOW + 90000);
	fetched(&s, 3, 12, 12, NOW + 90000);
	assert_int_equal(isr_lagging(&s, 12, LAG_MS, NOW + 100000, out), 0);
	/* What it asks for next shows that it had all there was at that time. */
	fetched(&s, 2, 10, 12, NOW + 95000);
	fetch_ms = NOW + 900000;
	assert_int_equal(follower_caught_up_ms(f), NOW + 90000);
	fetched(&s, 2, 12, 12, NOW + 95000);
	assert_true(isr_settle(&s, f, 12, 12, &fetch_ms));
	isr_unsettle(f);
	fetch_ms = NOW + 2000000;
	assert_int_equal(follower_caught_up_ms(f), NOW + 900000);
	assert_true(isr_settle(&s, f, 12, 12, &fetch_ms));
	isr_set(&s, all, 3, all, 3, true, false, NOW + 900001);
	assert_int_equal(follower_caught_up_ms(isr_follower(&s, 2)), NOW + 900001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone_is_committed_at_once),
		cmocka_unit_test(test_waits_for_the_slowest_member),
		cmocka_unit_test(test_stands_below_min_insync),
		cmocka_unit_test(test_counts_who_is_about_to_join),
		cmocka_unit_test(test_maximal_isr_counts_while_changing),
		cmocka_unit_test(test_expands_with_what_is_committed),
		cmocka_unit_test(test_lagging_by_time_not_by_offset),
		cmocka_unit_test(test_new_epoch_starts_the_clocks_again),
		cmocka_unit_test(test_settles_who_has_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
