/* Scripts cut these lines at their TABs and columns: a changed blank breaks them. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "cmd/groups/groups_print.h"
#include "cmd/json_out.h"
#include "cmd/topics/topics_print.h"

static int setup(void **state)
{
	(void)state;
	capture_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	capture_stop();
	return 0;
}

static const int32_t ids[] = {1, 2, 3};

static void test_describe_topic(void **state)
{
	const struct config_view configs[] = {{STR_LIT("cleanup.policy"), STR_LIT("compact")},
					      {STR_LIT("segment.bytes"), STR_LIT("1000")}};
	const struct partition_view partitions[] = {
		{.index = 0, .leader = 1, .replicas = {ids, 3, false}, .isr = {ids, 3, false}},
		{.index = 1, .leader = -1, .replicas = {ids, 3, false}, .isr = {ids, 1, false},
		 .adding = {ids + 2, 1, false}, .removing = {ids, 1, false}, .is_reassigned = true,
		 .elr.is_unknown = true, .last_known_elr.is_unknown = true},
	};
	struct topic_view t = {.name = STR_LIT("foo"), .partitions = partitions,
			       .partition_count = 2, .configs = configs, .config_count = 2,
			       .min_insync_replicas = 2};
	struct topics_report report = {.live_brokers = ids, .live_broker_count = 3};

	(void)state;
	topics_print_description(&t, &report);
	assert_printed("Topic: foo\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: "
		       "cleanup.policy=compact,segment.bytes=1000\n"
		       "\tTopic: foo\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2,3\tElr: "
		       "\tLastKnownElr: \n"
		       "\tTopic: foo\tPartition: 1\tLeader: none\tReplicas: 1,2,3\tIsr: 1\tAdding "
		       "Replicas: 3\tRemoving Replicas: 1\tElr: N/A\tLastKnownElr: N/A\n");
	report.unavailable = true;
	topics_print_description(&t, &report);
	assert_printed("\tTopic: foo\tPartition: 1\tLeader: none\tReplicas: 1,2,3\tIsr: 1\tAdding "
		       "Replicas: 3\tRemoving Replicas: 1\tElr: N/A\tLastKnownElr: N/A\n");
	report.unavailable = false;
	report.at_min_isr = true;
	topics_print_description(&t, &report);
	assert_printed("");
	report.at_min_isr = false;
	report.overrides_only = true;
	topics_print_description(&t, &report);
	assert_printed("Topic: foo\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: "
		       "cleanup.policy=compact,segment.bytes=1000\n");
	t.config_count = 0;
	topics_print_description(&t, &report);
	assert_printed("");
}

static void test_under_replicated(void **state)
{
	/* While replicas are added, only those meant to stay count. */
	const struct partition_view partition = {
		.leader = 1, .replicas = {ids, 3, false}, .isr = {ids, 2, false},
		.adding = {ids + 2, 1, false}, .is_reassigned = true};
	struct topic_view t = {.name = STR_LIT("t"), .partitions = &partition,
			       .partition_count = 1, .min_insync_replicas = 3};
	struct topics_report report = {.under_replicated = true, .live_brokers = ids,
				       .live_broker_count = 3};

	(void)state;
	topics_print_description(&t, &report);
	assert_printed("");
	report.under_replicated = false;
	report.under_min_isr = true;
	topics_print_description(&t, &report);
	assert_printed("\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2\tAdding "
		       "Replicas: 3\tRemoving Replicas: \tElr: \tLastKnownElr: \n");
}

static void test_group_offsets(void **state)
{
	const struct group_assignment assignment[] = {{STR_LIT("foo"), 0}};
	const struct group_member member = {
		.id = STR_LIT("console-consumer-1234"), .client_id = STR_LIT("console-consumer"),
		.host = STR_LIT("/127.0.0.1"), .assignment = assignment, .assignment_count = 1,
		.current_epoch = -1, .target_epoch = -1, .is_classic = true};
	const struct group_partition rows[] = {
		{STR_LIT("foo"), 0, 5, 7, -1, &member},
		{STR_LIT("foo"), 1, OFFSET_UNKNOWN, 9, 4, NULL},
	};
	struct group_view g = {.id = STR_LIT("g1"), .state = STR_LIT("Stable"), .partitions = rows,
			       .partition_count = 2, .members = &member, .member_count = 1,
			       .strategy = STR_LIT("range"), .coordinator_host = STR_LIT("h"),
			       .coordinator_port = 9092, .coordinator_id = 1, .epoch = -1,
			       .assignment_epoch = -1};
	struct arena a;

	(void)state;
	arena_init(&a);
	groups_print_offsets(&a, &g, false);
	assert_printed(
		"\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  "
		"LAG             CONSUMER-ID           HOST            CLIENT-ID"
		"\ng1              foo             0          5               7               "
		"2               console-consumer-1234 /127.0.0.1      console-consumer"
		"\ng1              foo             1          -               9               "
		"-               -                     -               -\n");
	groups_print_members(&a, &g, false);
	assert_printed("\nGROUP           CONSUMER-ID           HOST            CLIENT-ID        "
		       "#PARTITIONS     \n"
		       "g1              console-consumer-1234 /127.0.0.1      console-consumer "
		       "1               \n");
	groups_print_members(&a, &g, true);
	assert_printed("\nGROUP           CONSUMER-ID           HOST            CLIENT-ID        "
		       "#PARTITIONS     CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH    "
		       "TARGET-ASSIGNMENT   \n"
		       "g1              console-consumer-1234 /127.0.0.1      console-consumer "
		       "1               -               foo:0                -               "
		       "-                   \n");
	groups_print_state(&a, &g, false);
	assert_printed("\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE"
		       "                #MEMBERS"
		       "\ng1              h:9092  (1)               range                Stable"
		       "               1\n");
	arena_fini(&a);
}

static void test_group_status(void **state)
{
	struct group_view g = {.id = STR_LIT("g1"), .state = STR_LIT("Stable")};

	(void)state;
	assert_true(groups_print_status(&g));
	g.state = STR_LIT("Empty");
	assert_true(groups_print_status(&g));
	assert_said("\nConsumer group 'g1' has no active members.\n");
	g.state = STR_LIT("PreparingRebalance");
	assert_true(groups_print_status(&g));
	assert_said("\nWarning: Consumer group 'g1' is rebalancing.\n");
	g.state = STR_LIT("Dead");
	assert_false(groups_print_status(&g));
	assert_printed("\nError: Consumer group 'g1' does not exist.\n");
}

static void test_group_list(void **state)
{
	const struct group_view groups[] = {
		{.id = STR_LIT("g"), .type = STR_LIT("Classic"), .state = STR_LIT("Empty")}};
	struct arena a;

	(void)state;
	arena_init(&a);
	groups_print_list(&a, groups, 1, (struct groups_list_columns){0});
	assert_printed("g\n");
	groups_print_list(&a, groups, 1, (struct groups_list_columns){.type = true, .state = true});
	assert_printed("GROUP                     TYPE                 STATE               \n"
		       "g                         Classic              Empty               \n");
	arena_fini(&a);
}

static void test_reset(void **state)
{
	const struct reset_row rows[] = {{STR_LIT("g1"), STR_LIT("foo"), 0, 3}};
	struct arena a;

	(void)state;
	arena_init(&a);
	groups_print_reset(&a, rows, 1);
	assert_printed("\nGROUP           TOPIC           PARTITION  NEW-OFFSET"
		       "\ng1              foo             0          3\n");
	groups_print_csv(rows, 1, false);
	assert_printed("foo,0,3\n\n");
	groups_print_csv(rows, 1, true);
	assert_printed("g1,foo,0,3\n\n");
	arena_fini(&a);
}

static void test_assignment_text(void **state)
{
	const struct group_assignment items[] = {
		{STR_LIT("a"), 0}, {STR_LIT("a"), 1}, {STR_LIT("b"), 2}};
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_string_equal(group_assignment_text(&a, items, 3), "a:0,1;b:2");
	assert_string_equal(group_assignment_text(&a, items, 0), "-");
	arena_fini(&a);
}

static void test_json(void **state)
{
	struct json_out j = {0};

	(void)state;
	json_out_open(&j, NULL, '{');
	json_out_text(&j, "a", "q\"\\\n\x01z");
	json_out_null(&j, "n");
	json_out_open(&j, "list", '[');
	json_out_int(&j, NULL, -5);
	json_out_bool(&j, NULL, true);
	json_out_close(&j, ']');
	json_out_bytes(&j, "k", STR_LIT("\xff\x00\x01"));
	json_out_bytes(&j, "u", STR_LIT("\xc3\xa4"));
	json_out_close(&j, '}');
	assert_printed("{\"a\":\"q\\\"\\\\\\n\\u0001z\",\"n\":null,\"list\":[-5,true],"
		       "\"k\":\"/wAB\",\"kEncoding\":\"base64\",\"u\":\"\xc3\xa4\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe_topic),
		cmocka_unit_test(test_under_replicated),
		cmocka_unit_test(test_group_offsets),
		cmocka_unit_test(test_group_status),
		cmocka_unit_test(test_group_list),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_assignment_text),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
