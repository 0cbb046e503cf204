/* If these fail, clients get a wrong code, or retry what they must not. */
#include "wire/errors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_codes(void **state)
{
	(void)state;
	assert_int_equal(KERR_UNKNOWN_SERVER_ERROR, -1);
	assert_int_equal(KERR_NONE, 0);
	assert_int_equal(KERR_UNSUPPORTED_VERSION, 35);
	assert_int_equal(KERR_CONTROLLER_ID_NOT_REGISTERED, 136);
}

/* Codes are contiguous, names lead back to them, texts are sentences. */
static void test_every_row(void **state)
{
	(void)state;
	for (int code = -1; code <= 136; code++) {
		const char *text = kafka_error_text(code);

		assert_true(kafka_error_is_known(code));
		assert_int_equal(kafka_error_by_name(str_of(kafka_error_name(code))), code);
		assert_true(text[0] >= 'A' && text[0] <= 'Z');
		assert_int_equal(text[strlen(text) - 1], '.');
		assert_false(kafka_error_is_fatal(code) && kafka_error_is_retriable(code));
	}
}

static void test_unknown(void **state)
{
	(void)state;
	assert_false(kafka_error_is_known(-2));
	assert_false(kafka_error_is_known(137));
	assert_string_equal(kafka_error_name(30000), "UNKNOWN_SERVER_ERROR");
	assert_string_equal(kafka_error_name(-30000), "UNKNOWN_SERVER_ERROR");
	assert_false(kafka_error_is_retriable(30000));
	assert_int_equal(kafka_error_by_name(STR_LIT("NO_SUCH_ERROR")), -1);
}

static void test_kinds(void **state)
{
	(void)state;
	assert_true(kafka_error_is_retriable(KERR_NOT_LEADER_OR_FOLLOWER));
	assert_true(kafka_error_wants_metadata(KERR_NOT_LEADER_OR_FOLLOWER));
	assert_true(kafka_error_is_retriable(KERR_NOT_COORDINATOR));
	assert_true(kafka_error_wants_coordinator(KERR_NOT_COORDINATOR));
	assert_false(kafka_error_wants_metadata(KERR_NOT_COORDINATOR));
	assert_true(kafka_error_is_retriable(KERR_REQUEST_TIMED_OUT));
	assert_false(kafka_error_wants_metadata(KERR_REQUEST_TIMED_OUT));
	assert_true(kafka_error_is_fatal(KERR_TOPIC_AUTHORIZATION_FAILED));
	assert_false(kafka_error_is_retriable(KERR_MESSAGE_TOO_LARGE));
	assert_false(kafka_error_is_retriable(KERR_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
