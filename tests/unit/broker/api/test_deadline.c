/* Broken here: the controller works for clients that have given up, or refuses those who wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/broker/api/node.h"

#include "controller/control.h"
#include "controller/control_raft.h"

static struct control_op *submitted;

void control_auto_create(struct shard *from UNUSED, struct str topic_name UNUSED)
{
}

static void control_back(struct task *task, struct shard *on UNUSED)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	op->done(op);
}

/* The quorum is not of interest here. */
void control_raft_receive(struct shard *from UNUSED, struct control_inbound *ci UNUSED)
{
	fail();
}

void control_raft_forget(struct control_inbound *ci UNUSED,
			 void (*forgotten)(struct control_inbound *ci) UNUSED)
{
	fail();
}

void control_submit(struct shard *from, struct control_op *op)
{
	submitted = op;
	op->task.run = control_back;
	shard_post(from, &op->task);
}

/* When the operation that the request becomes has to begin; 0: whenever. */
static int64_t deadline_us(struct node *n, int16_t key, int16_t version, const void *body)
{
	struct call *c;
	int64_t deadline;

	submitted = NULL;
	c = call_begin(n, 0, key, version, body);
	assert_non_null(submitted);
	deadline = submitted->deadline_us;
	node_run(n);
	call_free(c);
	return deadline;
}

static void test_deadline_of_each_operation(void **state UNUSED)
{
	static const int32_t timeouts_ms[] = {1500, 0, -1, INT32_MIN};
	struct alter_partition_reassignments_request reassign;
	struct create_partitions_request grow;
	struct create_topics_request create;
	struct delete_topics_request delete;
	struct elect_leaders_request elect;
	struct update_features_request features;
	struct node *n = xcalloc(1, sizeof(*n));

	node_init(n, 1, 1, NULL, 0);
	WIRE_INIT(alter_partition_reassignments_request, &reassign);
	WIRE_INIT(create_partitions_request, &grow);
	WIRE_INIT(create_topics_request, &create);
	WIRE_INIT(delete_topics_request, &delete);
	WIRE_INIT(elect_leaders_request, &elect);
	WIRE_INIT(update_features_request, &features);
	for (size_t i = 0; i < ARRAY_LEN(timeouts_ms); i++) {
		int64_t now_us = env_mono_us(&n->world.env);
		int64_t expected_us = now_us + (i == 0 ? 1500000 : 0);

		reassign.timeout_ms = grow.timeout_ms = create.timeout_ms = timeouts_ms[i];
		delete.timeout_ms = elect.timeout_ms = timeouts_ms[i];
		assert_int_equal(deadline_us(n, API_CREATE_TOPICS, 7, &create), expected_us);
		assert_int_equal(deadline_us(n, API_DELETE_TOPICS, 6, &delete), expected_us);
		assert_int_equal(deadline_us(n, API_CREATE_PARTITIONS, 3, &grow), expected_us);
		assert_int_equal(deadline_us(n, API_ELECT_LEADERS, 2, &elect), expected_us);
		assert_int_equal(deadline_us(n, API_ALTER_PARTITION_REASSIGNMENTS, 0, &reassign),
				 expected_us);
	}
	/* As Kafka does, although the request has a timeout. */
	features.timeout_ms = 0;
	assert_int_equal(deadline_us(n, API_UPDATE_FEATURES, 1, &features), 0);
	node_fini(n);
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline_of_each_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
