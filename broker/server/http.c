/* The HTTP port: /metrics for Prometheus, /healthz (the process answers), /readyz (clients are
 * served). Its own thread asks the shards one after the other. */
#include "server/server_int.h"

#include "base/lazy.h"
#include "base/mem.h"
#include "base/say.h"
#include "group/group.h"
#include "log/log.h"
#include "replica/replica.h"
#include "wire/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>

#define SAY_PLACE "broker/http"

#define METRICS_BYTES_MAX (256 * 1024 * 1024)
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_TIMEOUT_S 30

/* libmicrohttpd brings a dozen libraries with it, which would double the start-up time of every
 * command. So it is loaded when an HTTP port is asked for. */
#define HTTP_FUNCTIONS(X) \
	X(MHD_start_daemon) \
	X(MHD_stop_daemon) \
	X(MHD_create_response_from_buffer) \
	X(MHD_add_response_header) \
	X(MHD_queue_response) \
	X(MHD_destroy_response)

struct http_library {
	HTTP_FUNCTIONS(LAZY_FIELD)
};

static const char *const http_names[] = {HTTP_FUNCTIONS(LAZY_NAME)};

struct http {
	struct server *server;
	struct http_library lib;
	struct MHD_Daemon *daemon;
};

/* What a scrape gathers from the shards. */
struct scrape {
	struct metrics *metrics;
	struct out partitions; /* lines of each partition */
	struct replica_stats replicas;
	unsigned partition_count, leader_count, offline_count, under_replicated, under_min_isr;
	struct group_counts groups;
	bool is_controller;
	const char *type; /* of the first line of a family, then NULL */
};

/* ---- /metrics ------------------------------------------------------------------------------- */

static int64_t partition_size_bytes(const struct partition *p)
{
	return log_size_bytes(p->log);
}

static const struct {
	const char *name;
	int64_t (*value)(const struct partition *p);
} partition_gauges[] = {
	{"kafka_topic_partition_current_offset", partition_log_end_offset},
	{"kafka_topic_partition_oldest_offset", partition_log_start_offset},
	{"kafka_topic_partition_high_watermark", partition_high_watermark},
	{"kafka_log_log_size", partition_size_bytes},
};

static void scrape_partition(struct scrape *scrape, struct partition *p, size_t gauge)
{
	char labels[320];

	snprintf(labels, sizeof(labels), "topic=\"%.*s\",partition=\"%d\"", STR(p->topic),
		 p->index);
	metrics_line(&scrape->partitions, scrape->type, partition_gauges[gauge].name, labels,
		     (double)partition_gauges[gauge].value(p));
	scrape->type = NULL;
}

struct scrape_gauge {
	struct scrape *scrape;
	size_t gauge;
};

static void scrape_gauge_shard(struct server_shard *s, void *arg)
{
	struct scrape_gauge *g = arg;

	REPLICA_SET_FOREACH (s->shard.replicas, p)
		if (p->role != PARTITION_OFFLINE)
			scrape_partition(g->scrape, p, g->gauge);
}

static void scrape_groups(struct scrape *scrape, struct group_coordinator *groups)
{
	struct group_counts counts = {0};

	group_count(groups, &counts);
	scrape->groups.groups += counts.groups;
	scrape->groups.offsets += counts.offsets;
	scrape->groups.preparing_rebalance += counts.preparing_rebalance;
	scrape->groups.completing_rebalance += counts.completing_rebalance;
	scrape->groups.stable += counts.stable;
	scrape->groups.empty += counts.empty;
	scrape->groups.dead += counts.dead;
}

static void scrape_replicas(struct scrape *scrape, struct replica_set *set)
{
	struct replica_stats stats;

	replica_set_stats(set, &stats);
	scrape->replicas.isr_shrink_count += stats.isr_shrink_count;
	scrape->replicas.isr_expand_count += stats.isr_expand_count;
	scrape->replicas.fetched_bytes += stats.fetched_bytes;
	scrape->replicas.served_bytes += stats.served_bytes;
	scrape->replicas.lag_max = MAX(scrape->replicas.lag_max, stats.lag_max);
}

static void scrape_shard(struct server_shard *s, void *arg)
{
	struct scrape *scrape = arg;

	metrics_merge(scrape->metrics, s->shard.metrics);
	REPLICA_SET_FOREACH (s->shard.replicas, p) {
		scrape->partition_count++;
		scrape->offline_count += p->role == PARTITION_OFFLINE;
		if (!partition_is_leader(p))
			continue;
		scrape->leader_count++;
		scrape->under_replicated += p->isr.member_count < p->isr.replica_count;
		scrape->under_min_isr += p->isr.member_count < p->min_insync;
	}
	scrape_replicas(scrape, s->shard.replicas);
	scrape_groups(scrape, s->shard.groups);
	if (s->shard.control)
		scrape->is_controller =
			control_leader_id(s->shard.control) == s->shard.broker->node_id;
}

static const char *api_name(int key)
{
	const struct api *api = api_by_key(key);

	return api ? api->name : NULL;
}

static void scrape_print(struct server *server, struct scrape *scrape, struct out *out)
{
	const struct {
		const char *name;
		double value;
	} gauges[] = {
		{"kafka_server_kafkaserver_brokerstate", atomic_load(&server->state)},
		{"kafka_server_replicamanager_partitioncount", scrape->partition_count},
		{"kafka_server_replicamanager_leadercount", scrape->leader_count},
		{"kafka_server_replicamanager_offlinereplicacount", scrape->offline_count},
		{"kafka_server_replicamanager_underreplicatedpartitions", scrape->under_replicated},
		{"kafka_server_replicamanager_underminisrpartitioncount", scrape->under_min_isr},
		{"kafka_server_replicafetchermanager_maxlag", (double)scrape->replicas.lag_max},
		{"kafka_controller_kafkacontroller_activecontrollercount", scrape->is_controller},
		{"kafka_log_logmanager_offlinelogdirectorycount",
		 __builtin_popcount(atomic_load(&server->dirs_offline))},
#define GROUPS(name) "kafka_coordinator_group_groupmetadatamanager_" name
		{GROUPS("numoffsets"), (double)scrape->groups.offsets},
		{GROUPS("numgroups"), (double)scrape->groups.groups},
		{GROUPS("numgroupspreparingrebalance"), (double)scrape->groups.preparing_rebalance},
		{GROUPS("numgroupscompletingrebalance"),
		 (double)scrape->groups.completing_rebalance},
		{GROUPS("numgroupsstable"), (double)scrape->groups.stable},
		{GROUPS("numgroupsempty"), (double)scrape->groups.empty},
		{GROUPS("numgroupsdead"), (double)scrape->groups.dead},
#undef GROUPS
		{"kafka_network_socketserver_memorypoolused",
		 (double)atomic_load(&server->memory_bytes)},
	};

	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{"kafka_server_replicamanager_isrshrinks_total", scrape->replicas.isr_shrink_count},
		{"kafka_server_replicamanager_isrexpands_total", scrape->replicas.isr_expand_count},
		{"kafka_server_brokertopicmetrics_replicationbytesin_total",
		 scrape->replicas.fetched_bytes},
		{"kafka_server_brokertopicmetrics_replicationbytesout_total",
		 scrape->replicas.served_bytes},
	};

	for (size_t i = 0; i < ARRAY_LEN(gauges); i++)
		metrics_line(out, "gauge", gauges[i].name, NULL, gauges[i].value);
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		metrics_line(out, "counter", counters[i].name, NULL, (double)counters[i].value);
	metrics_print(scrape->metrics, out, api_name);
	out_bytes(out, scrape->partitions.data, scrape->partitions.len);
}

static void http_metrics(struct server *server, struct out *out)
{
	struct scrape scrape = {.metrics = metrics_new()};

	out_init(&scrape.partitions, METRICS_BYTES_MAX / 2);
	for (unsigned i = 0; i < server->broker.shard_count; i++)
		shard_call(&server->shards[i], scrape_shard, &scrape);
	for (size_t gauge = 0; gauge < ARRAY_LEN(partition_gauges); gauge++) {
		struct scrape_gauge g = {&scrape, gauge};

		scrape.type = "gauge";
		for (unsigned i = 0; i < server->broker.shard_count; i++)
			shard_call(&server->shards[i], scrape_gauge_shard, &g);
	}
	scrape_print(server, &scrape, out);
	out_fini(&scrape.partitions);
	metrics_free(scrape.metrics);
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

static unsigned http_page(struct server *server, const char *url, struct out *out)
{
	if (strcmp(url, "/metrics") == 0) {
		http_metrics(server, out);
		return MHD_HTTP_OK;
	}
	if (strcmp(url, "/healthz") == 0) {
		out_text(out, "ok\n");
		return MHD_HTTP_OK;
	}
	if (strcmp(url, "/readyz") == 0) {
		bool is_ready = atomic_load(&server->state) == SERVER_RUNNING;

		out_text(out, is_ready ? "ready\n" : "not ready\n");
		return is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	out_text(out, "kavka has /metrics, /healthz and /readyz here\n");
	return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result http_answer(void *ctx, struct MHD_Connection *connection, const char *url,
				   const char *method, const char *version UNUSED,
				   const char *upload UNUSED, size_t *upload_size, void **state)
{
	static int seen;
	struct http *h = ctx;
	struct MHD_Response *response;
	enum MHD_Result result;
	unsigned status = MHD_HTTP_METHOD_NOT_ALLOWED;
	struct out out;

	/* The first call has the headers only; a body, if any, is ignored. */
	if (!*state || *upload_size > 0) {
		*state = &seen;
		*upload_size = 0;
		return MHD_YES;
	}
	out_init(&out, METRICS_BYTES_MAX);
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		status = http_page(h->server, url, &out);
	response = h->lib.MHD_create_response_from_buffer(out.len, out.data ? (void *)out.data : "",
							  MHD_RESPMEM_MUST_COPY);
	out_fini(&out);
	if (!response)
		return MHD_NO;
	h->lib.MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	result = h->lib.MHD_queue_response(connection, status, response);
	h->lib.MHD_destroy_response(response);
	return result;
}

int http_start(struct http **out, struct server *server, const char *listen, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(listen, ':');
	struct addrinfo *found = NULL;
	struct http *h;
	char *host;
	int rc;

	if (!colon || !colon[1])
		return err_set(err, E_USAGE, "--metrics %s: say [HOST]:PORT, such as :9644",
			       listen);
	host = xstrndup(listen, (size_t)(colon - listen));
	rc = getaddrinfo(host[0] ? host : "127.0.0.1", colon + 1, &hints, &found);
	free(host);
	if (rc != 0)
		return err_set(err, E_USAGE, "--metrics %s: %s", listen, gai_strerror(rc));
	h = xcalloc(1, sizeof(*h));
	h->server = server;
	rc = lazy_load("libmicrohttpd.so.12", "libmicrohttpd12", http_names, ARRAY_LEN(http_names),
		       &h->lib, err);
	if (rc < 0) {
		rc = err_add(err, rc, "--metrics");
		freeaddrinfo(found);
		free(h);
		return rc;
	}
	h->daemon = h->lib.MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO |
			(found->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0),
		0, NULL, NULL, http_answer, h, MHD_OPTION_SOCK_ADDR, found->ai_addr,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_TIMEOUT_S, MHD_OPTION_END);
	freeaddrinfo(found);
	if (!h->daemon) {
		free(h);
		return err_sys(err, errno ? -errno : -EADDRINUSE, "--metrics %s", listen);
	}
	say_info("metrics on http://%s%s/metrics", colon == listen ? "localhost" : "", listen);
	*out = h;
	return 0;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	h->lib.MHD_stop_daemon(h->daemon);
	free(h);
}
