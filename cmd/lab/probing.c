/* What a node tells about the cluster, asked at its own port: the agent's cuts and delays are
 * passed by. */
#include "cmd/doctor/probe.h"
#include "cmd/lab/lab_int.h"

#include "base/clock.h"
#include "wire/api.h"
#include "wire/codec.h"
#include "wire/errors.h"
#include "wire/messages.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#define POLL_MS 10
#define ATTEMPT_MS 500
#define READY_MS 30000
/* A JVM takes its time, several take more. */
#define READY_APACHE_MS 120000
#define IN_SYNC_MS 10000
#define METADATA_VERSION 9
#define QUORUM_VERSION 2

static int probe_port(struct probe *p, int port, int64_t timeout_ms)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct probe_addr addr = {0};

	memcpy(&addr.addr, &in, sizeof(in));
	return probe_connect(p, &addr, timeout_ms);
}

static void probe_brokers(struct probe *p, struct arena *a, struct node_view *out)
{
	struct metadata_request *request = WIRE_NEW(a, metadata_request);
	struct metadata_response *response;

	/* No topics: an empty list, not all of them. */
	request->topics = WIRE_ARRAY(a, metadata_request_topic, 1);
	request->topics_count = 0;
	request->allow_auto_topic_creation = false;
	if (probe_call(p, API_METADATA, METADATA_VERSION, request, a, (void **)&response, NULL) < 0)
		return;
	out->has_answered = true;
	for (int32_t i = 0; i < response->brokers_count; i++) {
		int32_t id = response->brokers[i].node_id;

		if (id >= 0 && id < LAB_ENDS_MAX)
			out->brokers |= END_BIT(id);
	}
}

static void probe_quorum(struct probe *p, struct arena *a, int id, struct node_view *out)
{
	struct describe_quorum_request *request = WIRE_NEW(a, describe_quorum_request);
	struct describe_quorum_response *response;
	const struct describe_quorum_response_partition_data *part;

	request->topics = WIRE_ARRAY(a, describe_quorum_request_topic_data, 1);
	request->topics_count = 1;
	request->topics[0].topic_name = str_of("__cluster_metadata");
	request->topics[0].partitions = WIRE_ARRAY(a, describe_quorum_request_partition_data, 1);
	request->topics[0].partitions_count = 1;
	if (probe_call(p, API_DESCRIBE_QUORUM, QUORUM_VERSION, request, a, (void **)&response,
		       NULL) < 0 ||
	    response->error_code != KERR_NONE || response->topics_count < 1 ||
	    response->topics[0].partitions_count < 1)
		return;
	part = &response->topics[0].partitions[0];
	out->is_leader = part->error_code == KERR_NONE && part->leader_id == id;
}

void probe_node(const struct lab_node *node, int64_t timeout_ms, struct node_view *out)
{
	struct arena a;
	struct probe p;

	*out = (struct node_view){0};
	arena_init(&a);
	if (node->is_broker &&
	    probe_port(&p, node->doors[DOOR_CLIENT].node_port, timeout_ms) == 0) {
		probe_brokers(&p, &a, out);
		probe_close(&p);
	}
	if (node->is_controller &&
	    probe_port(&p, node->doors[DOOR_CONTROLLER].node_port, timeout_ms) == 0) {
		out->has_answered = out->has_answered || !node->is_broker;
		probe_quorum(&p, &a, node->id, out);
		probe_close(&p);
	}
	arena_fini(&a);
}

/* Does it serve, and see those that it shall? */
static bool node_is_ready(const struct lab_node *node, uint64_t brokers)
{
	struct node_view view;

	probe_node(node, ATTEMPT_MS, &view);
	return view.has_answered && (!node->is_broker || (view.brokers & brokers) == brokers);
}

static int64_t ready_ms(const struct lab *lab)
{
	for (unsigned i = 0; i < lab->node_count; i++)
		if (lab->nodes[i].apache)
			return READY_APACHE_MS;
	return READY_MS;
}

static int ready_failed(const struct lab *lab, int id, const struct node_status *n, struct err *err)
{
	const char *log = lab_node_path(lab, id, "log");

	if (n->pid <= 0)
		return err_set(err, E_CLOSED, "node %d ended as it started: see %s", id, log);
	return err_set(err, E_TIMEOUT,
		       "node %d runs, but does not see the whole cluster after %d s: see %s", id,
		       (int)(ready_ms(lab) / 1000), log);
}

int probe_until_ready(const struct lab *lab, uint64_t nodes, uint64_t brokers, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + ready_ms(lab);

	for (unsigned i = 0; i < lab->node_count; i++) {
		const struct lab_node *node = &lab->nodes[i];

		if (!(nodes & END_BIT(node->id)))
			continue;
		while (!node_is_ready(node, brokers)) {
			struct lab_status status;
			int rc = ask_status(lab, &status, err);

			if (rc < 0)
				return rc;
			if (status.nodes[node->id].pid <= 0 || clock_mono_ms() >= until_ms)
				return ready_failed(lab, node->id, &status.nodes[node->id], err);
			poll(NULL, 0, POLL_MS);
		}
	}
	return 0;
}

/* How many partitions lack a replica; -1: no answer. */
static int32_t node_lacking(const struct lab_node *node)
{
	struct metadata_response *response;
	struct metadata_request *request;
	int32_t lacking = -1;
	struct arena a;
	struct probe p;

	arena_init(&a);
	request = WIRE_NEW(&a, metadata_request);
	request->topics_count = -1;
	request->allow_auto_topic_creation = false;
	if (probe_port(&p, node->doors[DOOR_CLIENT].node_port, ATTEMPT_MS) == 0) {
		if (probe_call(&p, API_METADATA, METADATA_VERSION, request, &a, (void **)&response,
			       NULL) == 0) {
			lacking = 0;
			for (int32_t t = 0; t < response->topics_count; t++) {
				const struct metadata_response_topic *topic = &response->topics[t];

				for (int32_t i = 0; i < topic->partitions_count; i++)
					lacking += topic->partitions[i].isr_nodes_count <
						   topic->partitions[i].replica_nodes_count;
			}
		}
		probe_close(&p);
	}
	arena_fini(&a);
	return lacking;
}

int probe_until_in_sync(const struct lab *lab, uint64_t nodes, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + IN_SYNC_MS;
	int32_t lacking = 0;

	for (unsigned i = 0; i < lab->node_count; i++) {
		if (!(nodes & END_BIT(lab->nodes[i].id)) || !lab->nodes[i].is_broker)
			continue;
		while ((lacking = node_lacking(&lab->nodes[i])) != 0) {
			if (clock_mono_ms() >= until_ms)
				return err_set(err, E_TIMEOUT,
					       "%d partitions lack replicas after %d s (kavka "
					       "topics --describe --under-replicated-partitions)",
					       MAX(lacking, 0), IN_SYNC_MS / 1000);
			poll(NULL, 0, POLL_MS);
		}
	}
	return 0;
}
