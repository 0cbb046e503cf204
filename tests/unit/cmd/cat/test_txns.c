/* If these fail: `kavka cat` shows records of aborted transactions as committed, or hides others.
 */
#include "unit/support.h"

#include "cmd/cat/cat_int.h"

#include "base/mem.h"

static struct batch data_of(int64_t producer_id, int64_t offset)
{
	return (struct batch){.magic = BATCH_MAGIC,
			      .attributes = BATCH_ATTR_TRANSACTIONAL,
			      .producer_id = producer_id,
			      .base_offset = offset};
}

static void add_data(struct cat_txns *t, int64_t producer_id, int64_t offset)
{
	struct batch b = data_of(producer_id, offset);

	cat_txns_add(t, &b);
}

static void add_marker(struct cat_txns *t, int64_t producer_id, int64_t offset, bool is_commit)
{
	uint8_t bytes[BATCH_MARKER_BYTES];
	struct batch b;

	batch_write_marker(bytes, producer_id, 0, 0, is_commit, 1000, 0);
	batch_set_base_offset(bytes, offset);
	assert_int_equal(batch_parse(&b, bytes, sizeof(bytes)), 0);
	cat_txns_add(t, &b);
}

static bool aborted(const struct cat_txns *t, int64_t producer_id, int64_t offset)
{
	struct batch b = data_of(producer_id, offset);

	return cat_txns_has_aborted(t, &b);
}

/* Two producers that take turns: each marker ends the transaction of its own producer only. */
static void test_turns(void **state)
{
	struct cat_txns t = {0};

	(void)state;
	add_data(&t, 1, 0);
	add_data(&t, 2, 10);
	add_data(&t, 1, 20);
	add_marker(&t, 1, 30, false);
	add_data(&t, 1, 31);
	add_marker(&t, 2, 40, true);
	add_data(&t, 2, 41);
	add_marker(&t, 2, 50, false);
	add_marker(&t, 1, 60, true);
	add_data(&t, 2, 61);
	add_data(&t, 1, 62);
	add_marker(&t, 1, 63, false);
	assert_int_equal(cat_txns_close(&t, 100), 61);
	assert_true(aborted(&t, 1, 0));
	assert_true(aborted(&t, 1, 20));
	assert_false(aborted(&t, 1, 31));
	assert_true(aborted(&t, 1, 62));
	assert_false(aborted(&t, 2, 10));
	assert_true(aborted(&t, 2, 41));
	assert_false(aborted(&t, 2, 61));
	assert_false(aborted(&t, 3, 20));
	cat_txns_fini(&t);
}

static void test_what_is_no_transaction(void **state)
{
	struct cat_txns t = {0};
	struct batch plain = data_of(1, 5), old = data_of(1, 5);

	(void)state;
	plain.attributes = 0;
	old.magic = 1;
	cat_txns_add(&t, &plain);
	cat_txns_add(&t, &old);
	add_marker(&t, 1, 6, false); /* of one that began before the log does */
	assert_int_equal(cat_txns_close(&t, 7), 7);
	assert_false(aborted(&t, 1, 5));
	cat_txns_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_what_is_no_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
