/* If these fail, requests go to listeners or in versions that Kafka would not take. */
#include "wire/api.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_table(void **state)
{
	int forwardable = 0, unstable = 0;

	(void)state;
	assert_int_equal(wire_api_count, 91);
	for (size_t i = 0; i < wire_api_count; i++) {
		const struct api *api = &wire_apis[i];

		assert_true(i == 0 || wire_apis[i - 1].key < api->key);
		assert_ptr_equal(api_by_key(api->key), api);
		assert_ptr_equal(api_by_name(str_of(api->name)), api);
		assert_true(api->listeners);
		assert_int_equal(api->request->key, api->key);
		assert_int_equal(api->response->max_version, api->max_version);
		forwardable += api->is_forwardable;
		unstable += api->is_latest_unstable;
	}
	assert_int_equal(forwardable, 22);
	assert_int_equal(unstable, 1);
}

static void test_lookup(void **state)
{
	(void)state;
	assert_null(api_by_key(-1));
	assert_null(api_by_key(4));
	assert_null(api_by_key(7));
	assert_null(api_by_key(95));
	assert_null(api_by_key(32767));
	assert_string_equal(api_by_key(API_UNREGISTER_CONTROLLER)->name, "UnregisterController");
	assert_string_equal(api_by_name(STR_LIT("describelogdirs"))->constant, "DESCRIBE_LOG_DIRS");
	assert_null(api_by_name(STR_LIT("Fetc")));
	assert_null(api_by_name(STR_NULL));
	assert_ptr_equal(message_by_name(STR_LIT("TopicRecord")), &topic_record_desc);
	assert_null(message_by_name(STR_LIT("topicrecord")));
}

static void test_rows(void **state)
{
	const struct api *init = api_by_key(API_INIT_PRODUCER_ID), *fetch = api_by_key(API_FETCH);

	(void)state;
	assert_int_equal(init->max_version, 6);
	assert_int_equal(api_max_stable(init), 5);
	assert_int_equal(api_max_stable(fetch), 18);
	assert_int_equal(fetch->listeners, LISTENER_BROKER | LISTENER_CONTROLLER);
	assert_int_equal(api_by_key(API_ENVELOPE)->listeners, LISTENER_CONTROLLER);
	assert_int_equal(api_by_key(API_PRODUCE)->listeners, LISTENER_BROKER);
	assert_true(api_by_key(API_CREATE_TOPICS)->is_forwardable);
	assert_false(fetch->is_forwardable);
	assert_false(api_has_version(fetch, 3));
	assert_true(api_has_version(fetch, 4));
	assert_false(api_has_version(fetch, 19));
}

static void test_header_versions(void **state)
{
	const struct api *fetch = api_by_key(API_FETCH), *versions = api_by_key(API_API_VERSIONS);
	const struct api *sasl = api_by_key(API_SASL_HANDSHAKE);

	(void)state;
	assert_int_equal(api_request_header_version(fetch, 11), 1);
	assert_int_equal(api_request_header_version(fetch, 12), 2);
	assert_int_equal(api_response_header_version(fetch, 11), 0);
	assert_int_equal(api_response_header_version(fetch, 12), 1);
	assert_int_equal(api_request_header_version(versions, 3), 2);
	assert_int_equal(api_request_header_version(versions, 99), 2);
	assert_int_equal(api_response_header_version(versions, 3), 0);
	assert_int_equal(api_request_header_version(sasl, 32767), 1);
	assert_int_equal(api_response_header_version(sasl, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_header_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
