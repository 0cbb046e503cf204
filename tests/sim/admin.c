/* An operator: makes the topic, and then has leaders elected, partitions moved, and topics beside
 * it created and deleted at any time. */
#include "sim/clients.h"

#include <stdio.h>

struct admin {
	struct client client;
	bool has_topic;
	unsigned side_topics;
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
	admin_later(a, 200 + (int64_t)world_below(&s->world, 3000));
}

static void create_topic(struct admin *a, struct str name, int32_t partitions,
			 void (*then)(void *owner, const void *response))
{
	struct create_topics_request m;
	struct create_topics_request_creatable_topic topic;

	WIRE_INIT(create_topics_request, &m);
	WIRE_INIT(create_topics_request_creatable_topic, &topic);
	m.topics = &topic;
	m.topics_count = 1;
	m.timeout_ms = 4000;
	topic.name = name;
	topic.num_partitions = partitions;
	topic.replication_factor = 3;
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
	m.timeout_ms = 4000;
	topic.name = name;
	client_ask(&a->client, client_any_broker(&a->client), API_DELETE_TOPICS, 6, &m, done, a);
}

static void elect(struct admin *a)
{
	struct elect_leaders_request m;

	WIRE_INIT(elect_leaders_request, &m);
	m.topic_partitions = NULL;
	m.topic_partitions_count = -1;
	m.timeout_ms = 4000;
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
	m.timeout_ms = 4000;
	m.topics = &topic;
	m.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partitions = &part;
	topic.partitions_count = 1;
	part.partition_index = (int32_t)world_below(&s->world, SIM_PARTITIONS_FIRST);
	part.replicas = replicas;
	part.replicas_count = 3;
	client_ask(&a->client, client_any_broker(&a->client), API_ALTER_PARTITION_REASSIGNMENTS, 0,
		   &m, done, a);
}

static void admin_step(void *ctx)
{
	struct admin *a = ctx;
	struct sim *s = a->client.sim;
	char name[32];

	if (!a->has_topic) {
		s->partitions = SIM_PARTITIONS_FIRST;
		create_topic(a, STR_LIT(SIM_TOPIC), SIM_PARTITIONS_FIRST, topic_created);
		return;
	}
	if (s->is_peaceful)
		return;
	snprintf(name, sizeof(name), "side%u", a->side_topics);
	switch (world_below(&s->world, 4)) {
	case 0: elect(a); break;
	case 1: reassign(a); break;
	case 2:
		snprintf(name, sizeof(name), "side%u", ++a->side_topics);
		create_topic(a, str_of(name), 1, done);
		break;
	default: delete_topic(a, str_of(name)); break;
	}
}

void admin_start(struct sim *s)
{
	s->admin = xcalloc(1, sizeof(*s->admin));
	client_init(&s->admin->client, s);
	admin_later(s->admin, 500);
}
