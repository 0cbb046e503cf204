/* Broken here: a client takes more than its share, or is made to wait for what another did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/quotas.h"
#include "metadata/delta.h"
#include "metadata/image.h"
#include "wire/codec.h"

#define NONE "-" /* no part of that type */

/* Sets a quota; a NULL name is the default entity. */
static void set(struct image_delta *d, const char *user, const char *client_id, const char *key,
		double value)
{
	struct client_quota_record_entity_data parts[2];
	struct client_quota_record r;
	struct err err = {0};
	int32_t count = 0;

	if (!user || strcmp(user, NONE) != 0)
		parts[count++] = (struct client_quota_record_entity_data){
			.entity_type = STR_LIT("user"),
			.entity_name = user ? str_of(user) : STR_NULL};
	if (!client_id || strcmp(client_id, NONE) != 0)
		parts[count++] = (struct client_quota_record_entity_data){
			.entity_type = STR_LIT("client-id"),
			.entity_name = client_id ? str_of(client_id) : STR_NULL};
	WIRE_INIT(client_quota_record, &r);
	r.entity = parts;
	r.entity_count = count;
	r.key = str_of(key);
	r.value = value;
	if (delta_replay(d, CLIENT_QUOTA_RECORD, &r, 1, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_most_specific_quota_counts(void **state)
{
	/* From the least specific on: each next one beats all before it. */
	static const struct {
		const char *user, *client_id;
		bool tells_users, tells_clients;
	} quotas[] = {
		{NONE, NULL, false, true}, {NONE, "app", false, true}, {NULL, NONE, true, false},
		{NULL, NULL, true, true},  {NULL, "app", true, true},  {"alice", NONE, true, false},
		{"alice", NULL, true, true}, {"alice", "app", true, true},
	};
	const struct image *image = image_empty();
	struct image_delta d;
	struct quota q;

	(void)state;
	delta_init(&d, image);
	image_unref(image);
	set(&d, "bob", NONE, "producer_byte_rate", 7);
	set(&d, "alice", "app", "consumer_byte_rate", 8);
	set(&d, NONE, "other", "producer_byte_rate", 9);
	for (size_t i = 0; i < ARRAY_LEN(quotas); i++) {
		set(&d, quotas[i].user, quotas[i].client_id, "producer_byte_rate",
		    (double)(100 + i));
		image = delta_publish(&d, (int64_t)i + 1, 1, 0);
		assert_true(quota_find(image, STR_LIT("alice"), STR_LIT("app"), QUOTA_PRODUCE, &q));
		assert_int_equal(q.limit, 100 + i);
		assert_int_equal(!str_is_null(q.user), quotas[i].tells_users);
		assert_int_equal(!str_is_null(q.client_id), quotas[i].tells_clients);
		assert_false(
			quota_find(image, STR_LIT("alice"), STR_LIT("app"), QUOTA_REQUEST, &q));
		assert_true(quota_find(image, STR_LIT("alice"), STR_LIT("app"), QUOTA_FETCH, &q));
		assert_int_equal(q.limit, 8);
		assert_false(quota_find(image, STR_LIT("alice"), STR_LIT("x"), QUOTA_FETCH, &q));
		image_unref(image);
	}
	delta_fini(&d);
}

static struct quota limit_of(const char *user, const char *client_id, enum quota_kind kind,
			     double limit)
{
	return (struct quota){kind, limit, user ? str_of(user) : STR_NULL,
			      client_id ? str_of(client_id) : STR_NULL};
}

/* Who sends as fast as it may ends at the limit. */
static void test_rate_ends_at_the_limit(void **state)
{
	struct quota quota = limit_of("alice", NULL, QUOTA_PRODUCE, 10000);
	struct quotas *q = quotas_new(11, 1000);
	int64_t now_ms = 5, sent = 0, throttle_ms;

	(void)state;
	/* Ten windows' worth are free: the rate is over all samples. */
	assert_int_equal(quotas_note(q, &quota, 100000, now_ms), 0);
	/* A tenth too much: X = (O - T) / T * W. */
	throttle_ms = quotas_note(q, &quota, 10000, now_ms);
	assert_int_equal(throttle_ms, 1000);
	for (now_ms += 20000; now_ms < 200000; now_ms += 10 + throttle_ms) {
		throttle_ms = quotas_note(q, &quota, 5000, now_ms);
		sent += 5000;
	}
	/* 18 samples of a burst at the beginning, of 180 in all. */
	assert_in_range(sent, 180 * 10000 * 9 / 10, 180 * 10000 * 13 / 10);
	/* Rest makes good for it. */
	assert_int_equal(quotas_note(q, &quota, 1000, now_ms + 30000), 0);
	quotas_free(q);
}

static void test_clients_are_told_apart_as_the_quota_says(void **state)
{
	struct quota all_of_alice = limit_of("alice", NULL, QUOTA_FETCH, 10);
	struct quota bob_a = limit_of("bob", "a", QUOTA_FETCH, 10);
	struct quota bob_b = limit_of("bob", "b", QUOTA_FETCH, 10);
	struct quota boba = limit_of("boba", "", QUOTA_FETCH, 10);
	struct quota produce = limit_of("alice", NULL, QUOTA_PRODUCE, 10);
	struct quotas *q = quotas_new(11, 1000);

	(void)state;
	assert_true(quotas_note(q, &all_of_alice, 1000, 0) > 0);
	assert_true(quotas_note(q, &all_of_alice, 1, 0) > 0);
	assert_int_equal(quotas_note(q, &produce, 1, 0), 0);
	assert_true(quotas_note(q, &bob_a, 1000, 0) > 0);
	assert_int_equal(quotas_note(q, &bob_b, 1, 0), 0);
	assert_int_equal(quotas_note(q, &boba, 1, 0), 0);
	/* Hours later nothing is left of them. */
	assert_int_equal(quotas_note(q, &all_of_alice, 1, 4 * 3600 * 1000), 0);
	assert_int_equal(quotas_note(q, &bob_a, 1, 4 * 3600 * 1000), 0);
	quotas_free(q);
}

static void test_request_time_is_in_percent(void **state)
{
	struct quota quota = limit_of(NULL, "app", QUOTA_REQUEST, 50);
	struct quotas *q = quotas_new(11, 1000);

	(void)state;
	/* 4 s of a thread in 10 s are 40 %; one more is the limit; then at most one sample. */
	assert_int_equal(quotas_note(q, &quota, 4e6, 0), 0);
	assert_int_equal(quotas_note(q, &quota, 1e6, 0), 0);
	assert_int_equal(quotas_note(q, &quota, 1e5, 0), 200);
	assert_int_equal(quotas_note(q, &quota, 1e7, 0), 1000);
	quotas_free(q);
}

static void test_one_answer_is_never_too_much(void **state)
{
	struct quota quota = limit_of(NULL, "app", QUOTA_FETCH, 1000);
	struct quota none = limit_of(NULL, "app", QUOTA_FETCH, 0);
	struct quotas *q = quotas_new(11, 1000);

	(void)state;
	assert_int_equal(quotas_burst_bytes(q, &quota), 10000);
	assert_int_equal(quotas_note(q, &quota, 10000, 0), 0);
	assert_true(quotas_note(q, &none, 1, 20000) > 0);
	quota.limit = 1e300;
	assert_int_equal(quotas_burst_bytes(q, &quota), INT32_MAX);
	assert_true(str_is(quota_user("User:alice"), "alice"));
	quotas_free(q);
}

/* Memory ends somewhere, whatever ids clients think of. */
static void test_counts_are_bounded(void **state)
{
	struct quota first = limit_of("alice", "0", QUOTA_FETCH, 10);
	struct quotas *q = quotas_new(11, 1000);

	(void)state;
	assert_true(quotas_note(q, &first, 1000, 0) > 0);
	for (int i = 1; i <= 20000; i++) {
		char id[16];
		struct quota other = limit_of("alice", id, QUOTA_FETCH, 10);

		snprintf(id, sizeof(id), "%d", i);
		other.client_id = str_of(id);
		assert_int_equal(quotas_note(q, &other, 1, 0), 0);
	}
	assert_int_equal(quotas_note(q, &first, 1, 0), 0);
	quotas_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_most_specific_quota_counts),
		cmocka_unit_test(test_rate_ends_at_the_limit),
		cmocka_unit_test(test_clients_are_told_apart_as_the_quota_says),
		cmocka_unit_test(test_request_time_is_in_percent),
		cmocka_unit_test(test_one_answer_is_never_too_much),
		cmocka_unit_test(test_counts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
