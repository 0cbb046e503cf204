/* Broken here: clients that take a version which nobody serves, or a controller that tells of a
 * cluster it does not know. No controller answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"

#include "controller/control.h"
#include "controller/control_raft.h"

void control_auto_create(struct shard *from UNUSED, struct str topic_name UNUSED)
{
	fail();
}

void control_raft_receive(struct shard *from UNUSED, struct control_inbound *ci UNUSED)
{
	fail();
}

void control_raft_forget(struct control_inbound *ci UNUSED,
			 void (*forgotten)(struct control_inbound *ci) UNUSED)
{
	fail();
}

void control_submit(struct shard *from UNUSED, struct control_op *op UNUSED)
{
	fail();
}

static int setup(void **state)
{
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 2, 1, NULL, 0);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	node_fini(*state);
	free(*state);
	return 0;
}

static const struct api_versions_response_api_version *
version_of(const struct api_versions_response *r, int16_t key)
{
	for (int32_t i = 0; i < r->api_keys_count; i++)
		if (r->api_keys[i].api_key == key)
			return &r->api_keys[i];
	return NULL;
}

/* A client that takes a version from the list must not be refused by an older controller. */
static void test_has_the_versions_of_its_controller(void **state)
{
	const struct api_versions_response *r;
	struct api_versions_request body;
	struct node *n = *state;
	int32_t count;
	struct call *c;

	WIRE_INIT(api_versions_request, &body);
	body.client_software_name = body.client_software_version = STR_LIT("test");
	c = call_now(n, 1, API_API_VERSIONS, 4, &body);
	r = c->response;
	count = r->api_keys_count;
	assert_int_equal(version_of(r, API_CREATE_TOPICS)->max_version, 7);
	assert_non_null(version_of(r, API_UNREGISTER_CONTROLLER));
	call_free(c);
	/* 2 to 5, 8 to 9, and not at all */
	n->broker.controller_versions[API_CREATE_TOPICS] = 2u << 16 | (5 + 2);
	n->broker.controller_versions[API_DELETE_TOPICS] = 8u << 16 | (9 + 2);
	n->broker.controller_versions[API_UNREGISTER_CONTROLLER] = 1;
	c = call_now(n, 1, API_API_VERSIONS, 4, &body);
	r = c->response;
	assert_int_equal(version_of(r, API_CREATE_TOPICS)->min_version, 2);
	assert_int_equal(version_of(r, API_CREATE_TOPICS)->max_version, 5);
	assert_null(version_of(r, API_DELETE_TOPICS));
	assert_null(version_of(r, API_UNREGISTER_CONTROLLER));
	assert_int_equal(r->api_keys_count, count - 2);
	call_free(c);
	n->asks_controller = true;
	c = call_now(n, 0, API_API_VERSIONS, 4, &body);
	assert_int_equal(version_of(c->response, API_CREATE_TOPICS)->max_version, 7);
	call_free(c);
}

/* A controller that knows nothing of its cluster yet says so before it judges the question. */
static void test_a_new_controller_has_no_cluster_to_describe(void **state)
{
	const struct describe_cluster_response *r;
	struct describe_cluster_request body;
	struct node *n = *state;
	struct call *c;

	WIRE_INIT(describe_cluster_request, &body);
	n->asks_controller = true;
	for (int8_t type = 1; type <= 2; type++) {
		body.endpoint_type = type;
		c = call_now(n, 0, API_DESCRIBE_CLUSTER, 2, &body);
		r = c->response;
		assert_int_equal(r->error_code, KERR_UNSUPPORTED_VERSION);
		assert_true(str_is(r->error_message,
				   "There is no finalized MetadataVersion, so direct-to-controller "
				   "communication is not supported."));
		call_free(c);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_has_the_versions_of_its_controller),
		TEST(test_a_new_controller_has_no_cluster_to_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
