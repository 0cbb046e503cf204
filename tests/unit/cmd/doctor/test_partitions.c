/* If these fail, the doctor calls a cluster healthy that loses or refuses records. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "cmd/doctor/doctor_int.h"

#define REPLICAS_MAX 4

/* One topic of one partition. */
static void topic_fill(struct metadata_response_topic *t, struct arena *a, const char *name,
		       int32_t leader, int32_t replicas, int32_t in_sync)
{
	struct metadata_response_partition *p = WIRE_ARRAY(a, metadata_response_partition, 1);
	int32_t *ids = arena_array(a, REPLICAS_MAX, sizeof(*ids));

	for (int32_t i = 0; i < REPLICAS_MAX; i++)
		ids[i] = i + 1;
	p->leader_id = leader;
	p->replica_nodes = p->isr_nodes = ids;
	p->replica_nodes_count = replicas;
	p->isr_nodes_count = in_sync;
	t->name = str_of(name);
	t->partitions = p;
	t->partitions_count = 1;
}

/* Three brokers; what is said of such a partition. */
static void assert_finds(int32_t leader, int32_t replicas, int32_t in_sync, int64_t min_isr,
			 enum level level, const char *text)
{
	struct doctor_broker brokers[] = {{.id = 1}, {.id = 2}, {.id = 3}};
	struct run run = {.name = "kavka doctor"};
	struct doctor d = {.run = &run, .brokers = brokers, .broker_count = 3};
	struct metadata_response r;
	const char *printed;

	arena_init(&run.arena);
	capture_start();
	WIRE_INIT(metadata_response, &r);
	r.topics = WIRE_ARRAY(&run.arena, metadata_response_topic, 1);
	r.topics_count = 1;
	topic_fill(&r.topics[0], &run.arena, "orders", leader, replicas, in_sync);
	d.metadata = &r;
	doctor_partitions(&d, &min_isr);
	printed = capture_text(&captured);
	if (!strstr(printed, text))
		fail_msg("'%s' is not in: %s", text, printed);
	for (int i = LEVEL_OK; i < LEVEL_COUNT; i++)
		if (i > (int)level)
			assert_int_equal(d.counts[i], 0);
	assert_true(d.counts[level] > 0);
	capture_stop();
	arena_fini(&run.arena);
}

static void test_partitions(void **state)
{
	(void)state;
	assert_finds(1, 3, 3, 2, LEVEL_OK, "1 partitions, all with a leader and in sync");
	assert_finds(1, 1, 1, 1, LEVEL_OK, "all with a leader and in sync");
	assert_finds(1, 3, 2, 2, LEVEL_WARN, "replicas are not in sync: orders-0");
	assert_finds(
		1, 3, 1, 2, LEVEL_FAIL,
		"fewer replicas in sync than min.insync.replicas, so that acks=all is refused: "
		"orders-0");
	assert_finds(-1, 3, 0, 2, LEVEL_FAIL, "no leader: orders-0");
	assert_finds(1, 1, 1, 2, LEVEL_WARN, "min.insync.replicas is above the replication factor");
	assert_finds(1, 4, 3, 1, LEVEL_WARN,
		     "broker 4: it has replicas, but is not in the cluster now");
	/* Not known: nothing is said of it. */
	assert_finds(1, 3, 3, 0, LEVEL_OK, "in sync");
}

/* What a broker says cannot steer the terminal. */
static void test_texts_are_plain(void **state)
{
	struct run run = {.name = "kavka doctor"};
	struct doctor d = {.run = &run};

	(void)state;
	capture_start();
	finding(&d, LEVEL_WARN, "dns", "a\033[2Jb", "do", "c\r\nd");
	assert_printed("WARN  dns         a?[2Jb: c??d\n                  -> do\n");
	assert_int_equal(d.counts[LEVEL_WARN], 1);
	capture_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_texts_are_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
