/* An operator: makes the topic, and then has leaders elected, partitions moved and added, records
 * deleted, configs changed, and topics beside it created and deleted at any time. Another one adds
 * and removes voters of the quorum. */
#include "sim/clients.h"

#include "base/say.h"

#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"

struct admin {
	struct client client;
	bool is_for_voters;
	bool has_topic;
	unsigned side_topics;
	int32_t partitions; /* that the topic has, as was acknowledged */
	/* DeleteRecords under way */
	int32_t partition;
	int64_t offset;
	int64_t deleted[SIM_PARTITIONS]; /* the highest offset that records were deleted below */
};

static void admin_step(void *ctx);

static void admin_later(struct admin *a, int64_t delay_ms)
{
	client_at(&a->client, delay_ms, admin_step, a);
}

static void topic_created(void *owner, const void *response)
{
	const struct create_topics_response *m = response;
	struct admin *a = owner;

	if (m && m->topics_count == 1 &&
	    (m->topics[0].error_code == KERR_NONE ||
	     m->topics[0].error_code == KERR_TOPIC_ALREADY_EXISTS))
		a->has_topic = true;
	admin_later(a, 300);
}

static void done(void *owner, const void *response)
{
	struct admin *a = owner;
	struct sim *s = a->client.sim;

	s->changes += response != NULL;
	admin_later(a, 200 + (int64_t)world_below(&s->world, 2000));
}

static void create_topic(struct admin *a, struct str name, int32_t partitions,
			 void (*then)(void *owner, const void *response))
{
	struct create_topics_request m;
	struct create_topics_request_creatable_topic topic;
	struct create_topics_request_creatable_topic_config config;

	WIRE_INIT(create_topics_request, &m);
	WIRE_INIT(create_topics_request_creatable_topic, &topic);
	m.topics = &topic;
	m.topics_count = 1;
	m.timeout_ms = 3000;
	topic.name = name;
	topic.num_partitions = partitions;
	topic.replication_factor = 3;
	if (a->client.sim->has_small_segments && str_is(name, SIM_TOPIC)) {
		WIRE_INIT(create_topics_request_creatable_topic_config, &config);
		config.name = STR_LIT("internal.segment.bytes");
		config.value = STR_LIT("1200");
		topic.configs = &config;
		topic.configs_count = 1;
	}
	client_ask(&a->client, client_any_broker(&a->client), API_CREATE_TOPICS, 7, &m, then, a);
}

static void delete_topic(struct admin *a, struct str name)
{
	struct delete_topics_request m;
	struct delete_topics_request_delete_topic_state topic;

	WIRE_INIT(delete_topics_request, &m);
	WIRE_INIT(delete_topics_request_delete_topic_state, &topic);
	m.topics = &topic;
	m.topics_count = 1;
	m.timeout_ms = 3000;
	topic.name = name;
	client_ask(&a->client, client_any_broker(&a->client), API_DELETE_TOPICS, 6, &m, done, a);
}

static void elect(struct admin *a)
{
	struct elect_leaders_request m;

	WIRE_INIT(elect_leaders_request, &m);
	m.topic_partitions = NULL;
	m.topic_partitions_count = -1;
	m.timeout_ms = 3000;
	client_ask(&a->client, client_any_broker(&a->client), API_ELECT_LEADERS, 2, &m, done, a);
}

/* Three brokers, in any order. */
static void reassign(struct admin *a)
{
	struct sim *s = a->client.sim;
	struct alter_partition_reassignments_request m;
	struct alter_partition_reassignments_request_reassignable_topic topic;
	struct alter_partition_reassignments_request_reassignable_partition part;
	int32_t replicas[3];

	for (unsigned count = 0; count < 3;) {
		int32_t id = (int32_t)client_any_broker(&a->client) + 1;
		bool is_new = true;

		for (unsigned i = 0; i < count; i++)
			is_new = is_new && replicas[i] != id;
		if (is_new)
			replicas[count++] = id;
	}
	WIRE_INIT(alter_partition_reassignments_request, &m);
	WIRE_INIT(alter_partition_reassignments_request_reassignable_topic, &topic);
	WIRE_INIT(alter_partition_reassignments_request_reassignable_partition, &part);
	m.timeout_ms = 3000;
	m.topics = &topic;
	m.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partitions = &part;
	topic.partitions_count = 1;
	part.partition_index = (int32_t)world_below(&s->world, (uint64_t)s->partitions);
	part.replicas = replicas;
	part.replicas_count = 3;
	client_ask(&a->client, client_any_broker(&a->client), API_ALTER_PARTITION_REASSIGNMENTS, 0,
		   &m, done, a);
}

/* ---- The topic ------------------------------------------------------------------------------- */

static void grown(void *owner, const void *response)
{
	const struct create_partitions_response *m = response;
	struct admin *a = owner;
	enum kafka_error error = KERR_UNKNOWN_SERVER_ERROR;

	if (m && m->results_count == 1)
		error = (enum kafka_error)m->results[0].error_code;
	/* an earlier one without an answer may have done it */
	if (error == KERR_NONE || error == KERR_INVALID_PARTITIONS)
		a->partitions = a->client.sim->partitions;
	done(owner, response);
}

static void grow(struct admin *a)
{
	struct sim *s = a->client.sim;
	struct create_partitions_request m;
	struct create_partitions_request_topic topic;

	if (a->partitions == s->partitions && s->partitions < SIM_PARTITIONS)
		s->partitions++;
	WIRE_INIT(create_partitions_request, &m);
	WIRE_INIT(create_partitions_request_topic, &topic);
	m.topics = &topic;
	m.topics_count = 1;
	m.timeout_ms = 3000;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.count = s->partitions;
	topic.assignments_count = -1;
	client_ask(&a->client, client_any_broker(&a->client), API_CREATE_PARTITIONS, 3, &m, grown,
		   a);
}

static void configure(struct admin *a)
{
	static const char *const counts[] = {"1", "2", "2", "3"};
	struct incremental_alter_configs_request m;
	struct incremental_alter_configs_request_alter_configs_resource topic;
	struct incremental_alter_configs_request_alterable_config config;

	/* it makes the controller forget who is eligible when the last in sync loses its power */
	if (a->client.sim->power == POWER_ONE) {
		elect(a);
		return;
	}
	WIRE_INIT(incremental_alter_configs_request, &m);
	WIRE_INIT(incremental_alter_configs_request_alter_configs_resource, &topic);
	WIRE_INIT(incremental_alter_configs_request_alterable_config, &config);
	m.resources = &topic;
	m.resources_count = 1;
	topic.resource_type = 2;
	topic.resource_name = STR_LIT(SIM_TOPIC);
	topic.configs = &config;
	topic.configs_count = 1;
	config.name = STR_LIT("min.insync.replicas");
	config.value = str_of(counts[world_below(&a->client.sim->world, ARRAY_LEN(counts))]);
	client_ask(&a->client, client_any_broker(&a->client), API_INCREMENTAL_ALTER_CONFIGS, 1, &m,
		   done, a);
}

static void deleted(void *owner, const void *response)
{
	const struct delete_records_response *m = response;
	struct admin *a = owner;
	struct sim *s = a->client.sim;
	const struct delete_records_response_partition_result *r = NULL;

	if (m && m->topics_count == 1 && m->topics[0].partitions_count == 1)
		r = &m->topics[0].partitions[0];
	if (!r || r->error_code != KERR_NONE)
		client_refresh(&a->client);
	else if (r->low_watermark < a->offset || r->low_watermark > a->deleted[a->partition])
		sim_fail(s,
			 "partition %d: records below %" PRId64 " were deleted, and the log starts "
			 "at %" PRId64,
			 a->partition, a->offset, r->low_watermark);
	done(owner, response);
}

/* What all readers have behind them, and nothing that a producer may send again: with its records
 * a producer is forgotten, by those who get their log from others. */
static void delete_records(struct admin *a)
{
	struct sim *s = a->client.sim;
	struct delete_records_request m;
	struct delete_records_request_topic topic;
	struct delete_records_request_partition part;
	int32_t p = (int32_t)world_below(&s->world, (uint64_t)s->partitions);
	int64_t offset = MIN(MIN(consumer_acked(s, p), team_acked(s, p)), producers_acked(s, p));

	if (client_wait(&a->client, p) || offset <= 0) {
		admin_later(a, 300);
		return;
	}
	a->partition = p;
	a->offset = offset - (int64_t)world_below(&s->world, (uint64_t)MIN(offset, 20));
	a->deleted[p] = MAX(a->deleted[p], a->offset);
	WIRE_INIT(delete_records_request, &m);
	WIRE_INIT(delete_records_request_topic, &topic);
	WIRE_INIT(delete_records_request_partition, &part);
	m.topics = &topic;
	m.topics_count = 1;
	m.timeout_ms = 3000;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partitions = &part;
	topic.partitions_count = 1;
	part.partition_index = p;
	part.offset = a->offset;
	client_ask(&a->client, (unsigned)a->client.leader[p] - 1, API_DELETE_RECORDS, 2, &m,
		   deleted, a);
}

/* ---- The quorum ------------------------------------------------------------------------------ */

static void voters_changed(void *owner, const void *response)
{
	const struct add_raft_voter_response *m = response; /* RemoveRaftVoter's is the same */
	struct admin *a = owner;
	struct sim *s = a->client.sim;

	if (m)
		say_debug("%.3f the voters: %s", (double)sim_now_us(s) / 1e6,
			  kafka_error_name((enum kafka_error)m->error_code));
	s->voter_changes += m && m->error_code == KERR_NONE;
	done(owner, response);
}

/* Some controller shall vote, or not any more; however the others are. */
static void change_voters(struct admin *a)
{
	struct sim *s = a->client.sim;
	struct remove_raft_voter_request removed;
	struct add_raft_voter_request added;
	struct add_raft_voter_request_listener listener;
	unsigned to = client_any_broker(&a->client);
	struct sim_node *n;
	char host[16];

	do {
		n = &s->node[world_below(&s->world, s->nodes)];
	} while (!n->is_controller);
	snprintf(host, sizeof(host), "n%u", n->index + 1);
	WIRE_INIT(remove_raft_voter_request, &removed);
	removed.cluster_id = STR_LIT(SIM_CLUSTER_ID);
	removed.voter_id = (int32_t)n->index + 1;
	removed.voter_directory_id = n->directory_id;
	WIRE_INIT(add_raft_voter_request, &added);
	WIRE_INIT(add_raft_voter_request_listener, &listener);
	added.cluster_id = STR_LIT(SIM_CLUSTER_ID);
	added.timeout_ms = 3000;
	added.voter_id = (int32_t)n->index + 1;
	added.voter_directory_id = n->directory_id;
	added.listeners = &listener;
	added.listeners_count = 1;
	added.ack_when_committed = world_below(&s->world, 2);
	listener.name = STR_LIT("CONTROLLER");
	listener.host = str_of(host);
	listener.port = (uint16_t)(SIM_CONTROLLER_PORT + n->index + 1);
	if (world_below(&s->world, 2))
		client_ask(&a->client, to, API_ADD_RAFT_VOTER, 1, &added, voters_changed, a);
	else
		client_ask(&a->client, to, API_REMOVE_RAFT_VOTER, 0, &removed, voters_changed, a);
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void admin_step(void *ctx)
{
	struct admin *a = ctx;
	struct sim *s = a->client.sim;
	char name[32];

	if (a->is_for_voters) {
		if (!s->is_peaceful)
			change_voters(a);
		return;
	}
	if (!a->has_topic) {
		s->partitions = a->partitions = SIM_PARTITIONS_FIRST;
		create_topic(a, STR_LIT(SIM_TOPIC), SIM_PARTITIONS_FIRST, topic_created);
		return;
	}
	if (a->partitions < s->partitions && (s->is_peaceful || world_below(&s->world, 2))) {
		grow(a);
		return;
	}
	if (s->is_peaceful)
		return;
	snprintf(name, sizeof(name), "side%u", a->side_topics);
	switch (world_below(&s->world, 8)) {
	case 0: elect(a); break;
	case 1: reassign(a); break;
	case 2:
		snprintf(name, sizeof(name), "side%u", ++a->side_topics);
		create_topic(a, str_of(name), 1, done);
		break;
	case 3: delete_topic(a, str_of(name)); break;
	case 4: grow(a); break;
	case 5: configure(a); break;
	default: delete_records(a); break;
	}
}

void admin_start(struct sim *s)
{
	struct admin *a = s->admin = xcalloc(2, sizeof(*a));

	client_init(&a[0].client, s);
	admin_later(&a[0], 500);
	if (!s->is_dynamic)
		return;
	client_init(&a[1].client, s);
	a[1].is_for_voters = true;
	admin_later(&a[1], 3000);
}

int64_t admin_deleted(const struct sim *s, int32_t partition)
{
	return s->admin->deleted[partition];
}
