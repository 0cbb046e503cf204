/* A broken session makes a consumer miss records, or fetch everything anew with each request. */
#include "api/fetch_session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define T0 1000000

static const struct uuid id_a = {{1, 2, 3}};

static struct fetch_session *add(struct fetch_sessions *c, bool is_privileged, unsigned partitions,
				 int64_t now_ms)
{
	static uint32_t random = 12345;
	struct fetch_session *s =
		fetch_sessions_create(c, random += 10, is_privileged, true, partitions, now_ms);

	for (unsigned i = 0; s && i < partitions; i++)
		fetch_session_put(s, id_a, STR_NULL, (int32_t)i);
	return s;
}

static void test_ids_name_their_shard(void **state)
{
	(void)state;
	for (unsigned shard = 0; shard < 3; shard++) {
		struct fetch_sessions *c = fetch_sessions_new(10, shard, 3, fetch_watch_free);
		struct fetch_session *a = fetch_sessions_create(c, UINT32_MAX, false, true, 1, T0);
		struct fetch_session *b = fetch_sessions_create(c, UINT32_MAX, false, true, 1, T0);

		assert_true(a->id > 0);
		assert_true(b->id > 0);
		assert_int_not_equal(a->id, b->id);
		assert_int_equal(fetch_session_shard(a->id, 3), shard);
		assert_int_equal(fetch_session_shard(b->id, 3), shard);
		assert_ptr_equal(fetch_sessions_find(c, a->id), a);
		fetch_sessions_free(c);
	}
}

static void test_epochs_must_follow(void **state)
{
	struct fetch_sessions *c = fetch_sessions_new(10, 0, 1, fetch_watch_free);
	struct fetch_session *s = add(c, false, 1, T0);
	enum kafka_error error;
	int32_t id = s->id;

	(void)state;
	assert_ptr_equal(fetch_sessions_use(c, id, 1, true, T0, &error), s);
	assert_int_equal(s->epoch, 2);
	assert_null(fetch_sessions_use(c, id, 1, true, T0, &error));
	assert_int_equal(error, KERR_INVALID_FETCH_SESSION_EPOCH);
	assert_null(fetch_sessions_use(c, id, 2, false, T0, &error));
	assert_int_equal(error, KERR_FETCH_SESSION_TOPIC_ID_ERROR);
	assert_null(fetch_sessions_use(c, id + 1, 2, true, T0, &error));
	assert_int_equal(error, KERR_FETCH_SESSION_ID_NOT_FOUND);
	s->epoch = INT32_MAX;
	assert_non_null(fetch_sessions_use(c, id, INT32_MAX, true, T0, &error));
	assert_int_equal(s->epoch, 1);
	fetch_sessions_free(c);
}

static void test_keeps_the_order_of_fetching(void **state)
{
	struct fetch_sessions *c = fetch_sessions_new(10, 0, 1, fetch_watch_free);
	struct fetch_session *s = add(c, false, 3, T0);
	struct session_partition *p;
	int32_t expected[] = {1, 2, 0};
	unsigned n = 0;

	(void)state;
	fetch_session_to_end(s, fetch_session_get(s, id_a, STR_NULL, 0));
	assert_ptr_equal(fetch_session_put(s, id_a, STR_NULL, 1),
			 fetch_session_get(s, id_a, STR_NULL, 1));
	LIST_FOREACH (&s->order, p, struct session_partition, link)
		assert_int_equal(p->index, expected[n++]);
	assert_int_equal(n, 3);
	fetch_session_forget(s, id_a, STR_NULL, 2);
	fetch_session_forget(s, id_a, STR_NULL, 9);
	assert_null(fetch_session_get(s, id_a, STR_NULL, 2));
	assert_int_equal(s->partitions.count, 2);
	fetch_sessions_free(c);
}

static void test_names_are_keys_too(void **state)
{
	struct fetch_sessions *c = fetch_sessions_new(10, 0, 1, fetch_watch_free);
	struct fetch_session *s = fetch_sessions_create(c, 1, false, false, 1, T0);

	(void)state;
	fetch_session_put(s, (struct uuid){0}, STR_LIT("orders"), 0);
	fetch_session_put(s, (struct uuid){0}, STR_LIT("orders"), 1);
	fetch_session_put(s, (struct uuid){0}, STR_LIT("order"), 0);
	assert_int_equal(s->partitions.count, 3);
	assert_true(str_is(fetch_session_get(s, (struct uuid){0}, STR_LIT("order"), 0)->topic,
			   "order"));
	fetch_sessions_free(c);
}

static void test_full_cache_gives_way_by_rank(void **state)
{
	struct fetch_sessions *c = fetch_sessions_new(2, 0, 1, fetch_watch_free);
	struct fetch_session *big = add(c, false, 5, T0), *small = add(c, false, 2, T0 + 1);
	int32_t big_id = big->id, small_id = small->id;
	enum kafka_error error;

	(void)state;
	/* Young sessions of consumers do not give way to a consumer, only to a follower. */
	assert_null(add(c, false, 50, T0 + 10));
	assert_non_null(add(c, true, 1, T0 + 10));
	assert_null(fetch_sessions_find(c, small_id));
	assert_non_null(fetch_sessions_find(c, big_id));
	/* Whoever is idle for two minutes gives way to anybody. */
	assert_non_null(add(c, false, 1, T0 + FETCH_SESSION_EVICTION_MS + 1));
	assert_null(fetch_sessions_find(c, big_id));
	assert_int_equal(fetch_sessions_count(c), 2);
	assert_null(fetch_sessions_use(c, big_id, 1, true, T0, &error));
	fetch_sessions_free(c);
}

static void test_old_but_busy_gives_way_to_larger(void **state)
{
	struct fetch_sessions *c = fetch_sessions_new(1, 0, 1, fetch_watch_free);
	int64_t later = T0 + FETCH_SESSION_EVICTION_MS + 1;
	struct fetch_session *s = add(c, false, 3, T0);
	enum kafka_error error;

	(void)state;
	assert_non_null(fetch_sessions_use(c, s->id, 1, true, later, &error));
	assert_null(add(c, false, 3, later));
	assert_non_null(add(c, false, 4, later));
	fetch_sessions_free(c);
}

static void test_no_slots_no_sessions(void **state)
{
	struct fetch_sessions *c = fetch_sessions_new(0, 0, 1, fetch_watch_free);

	(void)state;
	assert_null(add(c, true, 1, T0));
	fetch_sessions_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_name_their_shard),
		cmocka_unit_test(test_epochs_must_follow),
		cmocka_unit_test(test_keeps_the_order_of_fetching),
		cmocka_unit_test(test_names_are_keys_too),
		cmocka_unit_test(test_full_cache_gives_way_by_rank),
		cmocka_unit_test(test_old_but_busy_gives_way_to_larger),
		cmocka_unit_test(test_no_slots_no_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
