/* If these fail, frames are cut or numbered wrongly and every exchange goes astray. */
#include "wire/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
	struct arena arena;
	struct out out;
	struct err err;
};

static int setup(void **state)
{
	static struct fixture f;

	arena_init(&f.arena);
	out_init(&f.out, 1 << 20);
	f.err = (struct err){0};
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_fini(&f->arena);
	out_fini(&f->out);
	return 0;
}

/* What follows the size of the frame in `out`. */
static struct slice frame_of(const struct fixture *f)
{
	assert_int_equal(be32(f->out.data), f->out.len - FRAME_SIZE_BYTES);
	return (struct slice){NULL, f->out.data + FRAME_SIZE_BYTES, f->out.len - FRAME_SIZE_BYTES};
}

static void test_request_bytes(void **state)
{
	struct fixture *f = *state;
	struct heartbeat_request req = {.generation_id = 3};
	static const uint8_t old[] = {0, 0, 0, 20, 0, 12, 0, 0, 0, 0, 0, 9, 0, 2, 'm', 'e',
				      0, 0, 0, 0, 0, 3, 0, 0};
	static const uint8_t flexible[] = {0, 0, 0, 19, 0, 12, 0, 4, 0, 0, 0, 9, 0xff, 0xff, 0,
					   1, 0, 0, 0, 3, 1, 0, 0};
	const struct api *api = api_by_key(API_HEARTBEAT);

	assert_int_equal(request_encode(api, 0, 9, STR_LIT("me"), &req, &f->out, NULL, &f->err), 0);
	assert_int_equal(f->out.len, sizeof(old));
	assert_memory_equal(f->out.data, old, sizeof(old));
	out_reset(&f->out);
	assert_int_equal(request_encode(api, 4, 9, STR_NULL, &req, &f->out, NULL, &f->err), 0);
	assert_int_equal(f->out.len, sizeof(flexible));
	assert_memory_equal(f->out.data, flexible, sizeof(flexible));
}

static void test_request_round_trip(void **state)
{
	struct fixture *f = *state;
	struct request_header header;
	const struct api *api;
	void *body;

	for (size_t i = 0; i < wire_api_count; i++) {
		const struct api *a = &wire_apis[i];
		void *msg = message_new(a->request, &f->arena);

		for (int16_t version = a->min_version; version <= a->max_version; version++) {
			out_reset(&f->out);
			if (request_encode(a, version, 1 << 30, STR_LIT("client"), msg, &f->out,
					   NULL, NULL) < 0)
				continue;	/* its defaults cannot be written in this version */
			assert_int_equal(request_decode(frame_of(f), &f->arena, &header, &api,
							&body, &f->err),
					 0);
			assert_ptr_equal(api, a);
			assert_int_equal(header.request_api_version, version);
			assert_int_equal(header.correlation_id, 1 << 30);
			assert_true(str_is(header.client_id, "client"));
			assert_true(message_equal(a->request, version, msg, body));
		}
	}
}

static void test_bad_headers(void **state)
{
	struct fixture *f = *state;
	static const uint8_t gone[] = {0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
	static const uint8_t cut[] = {0, 12, 0, 0, 0, 0, 0, 1, 0, 4, 'a'};
	static const uint8_t newer[] = {0, 18, 0, 77, 0, 0, 0, 1, 0, 1, 'a', 0, 9, 9, 9};
	struct request_header header;
	const struct api *api;
	size_t used;

	assert_int_equal(request_header_decode((struct slice){NULL, gone, sizeof(gone)}, &header,
					       &api, &used, &f->err),
			 E_UNSUPPORTED);
	assert_int_equal(request_header_decode((struct slice){NULL, cut, sizeof(cut)}, &header,
					       &api, &used, &f->err),
			 E_SHORT);
	assert_int_equal(request_header_decode((struct slice){NULL, cut, 3}, &header, &api, &used,
					       &f->err),
			 E_SHORT);
	/* ApiVersions of the future: its header can be read, to be answered. */
	assert_int_equal(request_header_decode((struct slice){NULL, newer, sizeof(newer)}, &header,
					       &api, &used, &f->err),
			 0);
	assert_int_equal(used, 12);
	assert_int_equal(header.correlation_id, 1);
	assert_false(api_has_version(api, header.request_api_version));
}

static void test_response_round_trip(void **state)
{
	struct fixture *f = *state;
	const struct api *api = api_by_key(API_HEARTBEAT);
	struct heartbeat_response res = {.error_code = 27}, *got;
	int16_t version = 4;
	int32_t id;
	void *body;

	assert_int_equal(response_encode(api, 4, 5, &res, &f->out, NULL, &f->err), 0);
	assert_int_equal(f->out.len, 4 + 5 + 7);
	assert_int_equal(response_correlation_id(frame_of(f), &id), 0);
	assert_int_equal(id, 5);
	id = 0;
	assert_int_equal(
		response_decode(api, &version, frame_of(f), &f->arena, &id, &body, &f->err), 0);
	got = body;
	assert_int_equal(id, 5);
	assert_int_equal(got->error_code, 27);
	assert_int_equal(response_correlation_id((struct slice){NULL, f->out.data, 3}, &id),
			 E_SHORT);
}

/* A broker that does not know the version of our ApiVersions answers in version 0. */
static void test_old_api_versions_response(void **state)
{
	struct fixture *f = *state;
	const struct api *api = api_by_key(API_API_VERSIONS);
	struct api_versions_response *res = WIRE_NEW(&f->arena, api_versions_response), *got;
	int16_t version = 5;
	int32_t id;
	void *body;

	res->error_code = 35;
	res->api_keys = WIRE_ARRAY(&f->arena, api_versions_response_api_version, 1);
	res->api_keys_count = 1;
	res->api_keys[0].api_key = 18;
	res->api_keys[0].max_version = 3;
	assert_int_equal(response_encode(api, 0, 1, res, &f->out, NULL, &f->err), 0);
	assert_int_equal(
		response_decode(api, &version, frame_of(f), &f->arena, &id, &body, &f->err), 0);
	got = body;
	assert_int_equal(version, 0);
	assert_int_equal(got->error_code, 35);
	assert_int_equal(got->api_keys_count, 1);
	assert_int_equal(got->api_keys[0].max_version, 3);
}

static void test_parts_count_in_size(void **state)
{
	struct fixture *f = *state;
	struct wire_parts parts = {.arena = &f->arena};
	struct fetch_response *res = WIRE_NEW(&f->arena, fetch_response);

	res->responses = WIRE_ARRAY(&f->arena, fetch_response_fetchable_topic_response, 1);
	res->responses_count = 1;
	res->responses->partitions = WIRE_ARRAY(&f->arena, fetch_response_partition_data, 1);
	res->responses->partitions_count = 1;
	res->responses->partitions->records = (struct slice){NULL, (const uint8_t *)"x", 1000000};
	assert_int_equal(
		response_encode(api_by_key(API_FETCH), 12, 1, res, &f->out, &parts, &f->err), 0);
	assert_int_equal(be32(f->out.data), f->out.len - 4 + 1000000);
	assert_int_equal(parts.count, 1);
}

/* Several frames go into one buffer; one that fails leaves the others as they are. */
static void test_failed_frame_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	const struct api *api = api_by_key(API_HEARTBEAT);
	struct heartbeat_request good = {0}, bad = {.group_instance_id = STR_LIT("me")};
	size_t len;

	assert_int_equal(request_encode(api, 1, 1, STR_NULL, &good, &f->out, NULL, &f->err), 0);
	len = f->out.len;
	assert_int_equal(request_encode(api, 1, 2, STR_NULL, &bad, &f->out, NULL, &f->err),
			 E_UNSUPPORTED);
	assert_int_equal(f->out.len, len);
	f->out.max = len + 20;
	assert_int_equal(request_encode(api, 1, 2, STR_NULL, &good, &f->out, NULL, &f->err),
			 E_TOO_LARGE);
	assert_int_equal(f->out.len, len);
	assert_false(f->out.failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request_bytes),
		TEST(test_request_round_trip),
		TEST(test_bad_headers),
		TEST(test_response_round_trip),
		TEST(test_old_api_versions_response),
		TEST(test_parts_count_in_size),
		TEST(test_failed_frame_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
