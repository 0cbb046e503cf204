#include "metrics/metrics.h"

#include "base/mem.h"

#include <stdio.h>

/* ---- Histograms ----------------------------------------------------------------------------- */

void histogram_add(struct histogram *h, int64_t us)
{
	uint64_t d = us > 0 ? (uint64_t)us : 0;
	unsigned bucket = d ? 64 - (unsigned)__builtin_clzll(d) : 0;

	h->buckets[MIN(bucket, (unsigned)HISTOGRAM_BUCKETS - 1)]++;
	h->count++;
	h->sum_us += d;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	to->count += from->count;
	to->sum_us += from->sum_us;
}

double histogram_quantile_ms(const struct histogram *h, double q)
{
	uint64_t wanted = (uint64_t)((double)h->count * q), seen = 0;

	for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > wanted || seen == h->count)
			return h->count ? (double)((uint64_t)1 << i) / 1000 : 0;
	}
	return 0;
}

/* ---- Counters ------------------------------------------------------------------------------- */

struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof(*m));

	map_init(&m->topics);
	return m;
}

static void metrics_drop_topic(struct metrics *m, struct topic_metrics *t)
{
	map_remove(&m->topics, &t->node);
	free(t->name);
	free(t);
}

void metrics_free(struct metrics *m)
{
	struct topic_metrics *t;

	if (!m)
		return;
	MAP_FOREACH (&m->topics, t, struct topic_metrics, node)
		metrics_drop_topic(m, t);
	map_fini(&m->topics);
	free(m);
}

struct topic_metrics *metrics_topic(struct metrics *m, struct str name)
{
	struct map_node *node = map_get(&m->topics, name.data, name.len);
	struct topic_metrics *t;

	if (node)
		return CONTAINER_OF(node, struct topic_metrics, node);
	t = xcalloc(1, sizeof(*t));
	t->name = xstrndup(name.data, name.len);
	map_put(&m->topics, &t->node, t->name, name.len);
	return t;
}

void metrics_forget_topic(struct metrics *m, struct str name)
{
	struct map_node *node = map_get(&m->topics, name.data, name.len);

	if (node)
		metrics_drop_topic(m, CONTAINER_OF(node, struct topic_metrics, node));
}

static void topic_metrics_merge(struct topic_metrics *to, const struct topic_metrics *from)
{
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	to->messages_in += from->messages_in;
	to->bytes_rejected += from->bytes_rejected;
	to->produce_requests += from->produce_requests;
	to->fetch_requests += from->fetch_requests;
	to->failed_produce_requests += from->failed_produce_requests;
	to->failed_fetch_requests += from->failed_fetch_requests;
}

void metrics_merge(struct metrics *to, const struct metrics *from)
{
	struct topic_metrics *t;

	topic_metrics_merge(&to->all, &from->all);
	MAP_FOREACH (&from->topics, t, struct topic_metrics, node)
		topic_metrics_merge(metrics_topic(to, str_of(t->name)), t);
	for (int i = 0; i < METRICS_API_COUNT; i++)
		histogram_merge(&to->request_time[i], &from->request_time[i]);
	to->connections_created += from->connections_created;
	to->connections_closed += from->connections_closed;
	to->network_bytes_in += from->network_bytes_in;
	to->network_bytes_out += from->network_bytes_out;
}

/* ---- Text ----------------------------------------------------------------------------------- */

void metrics_line(struct out *out, const char *type, const char *name, const char *labels,
		  double value)
{
	if (type)
		out_printf(out, "# TYPE %s %s\n", name, type);
	out_text(out, name);
	if (labels)
		out_printf(out, "{%s}", labels);
	out_printf(out, value == (double)(int64_t)value ? " %.0f\n" : " %.6g\n", value);
}

static const struct {
	const char *name;
	size_t at;
} topic_counters[] = {
#define COUNTER(label, field) \
	{ \
		"kafka_server_brokertopicmetrics_" label "_total", \
			offsetof(struct topic_metrics, field) \
	}
	COUNTER("bytesin", bytes_in),
	COUNTER("bytesout", bytes_out),
	COUNTER("messagesin", messages_in),
	COUNTER("bytesrejected", bytes_rejected),
	COUNTER("totalproducerequests", produce_requests),
	COUNTER("totalfetchrequests", fetch_requests),
	COUNTER("failedproducerequests", failed_produce_requests),
	COUNTER("failedfetchrequests", failed_fetch_requests),
#undef COUNTER
};

static double topic_counter(const struct topic_metrics *t, size_t at)
{
	return (double)*(const uint64_t *)(const void *)((const char *)t + at);
}

static void metrics_print_topics(const struct metrics *m, struct out *out)
{
	struct topic_metrics *t;
	char labels[300];

	for (size_t i = 0; i < ARRAY_LEN(topic_counters); i++) {
		size_t at = topic_counters[i].at;

		metrics_line(out, "counter", topic_counters[i].name, NULL,
			     topic_counter(&m->all, at));
		MAP_FOREACH (&m->topics, t, struct topic_metrics, node) {
			snprintf(labels, sizeof(labels), "topic=\"%s\"", t->name);
			metrics_line(out, NULL, topic_counters[i].name, labels,
				     topic_counter(t, at));
		}
	}
}

static void metrics_print_requests(const struct metrics *m, struct out *out,
				   const char *(*api_name)(int key))
{
	static const double quantiles[] = {0.5, 0.75, 0.95, 0.98, 0.99, 0.999};
	const char *type = "counter";
	char labels[120];

	for (int i = 0; i < METRICS_API_COUNT; i++) {
		if (!api_name(i) || !m->request_time[i].count)
			continue;
		snprintf(labels, sizeof(labels), "request=\"%s\"", api_name(i));
		metrics_line(out, type, "kafka_network_requestmetrics_requests_total", labels,
			     (double)m->request_time[i].count);
		type = NULL;
	}
	type = "gauge";
	for (int i = 0; i < METRICS_API_COUNT; i++) {
		if (!api_name(i) || !m->request_time[i].count)
			continue;
		for (size_t q = 0; q < ARRAY_LEN(quantiles); q++) {
			snprintf(labels, sizeof(labels), "request=\"%s\",quantile=\"%.*f\"",
				 api_name(i), q == ARRAY_LEN(quantiles) - 1 ? 3 : 2, quantiles[q]);
			metrics_line(out, type, "kafka_network_requestmetrics_totaltimems", labels,
				     histogram_quantile_ms(&m->request_time[i], quantiles[q]));
			type = NULL;
		}
	}
}

void metrics_print(const struct metrics *m, struct out *out, const char *(*api_name)(int key))
{
	metrics_print_topics(m, out);
	metrics_print_requests(m, out, api_name);
	metrics_line(out, "counter", "kafka_server_socket_server_metrics_connection_creation_total",
		     NULL, (double)m->connections_created);
	metrics_line(out, "counter", "kafka_server_socket_server_metrics_connection_close_total",
		     NULL, (double)m->connections_closed);
	metrics_line(out, "gauge", "kafka_server_socket_server_metrics_connection_count", NULL,
		     (double)(m->connections_created - m->connections_closed));
	metrics_line(out, "counter", "kafka_server_socket_server_metrics_incoming_byte_total", NULL,
		     (double)m->network_bytes_in);
	metrics_line(out, "counter", "kafka_server_socket_server_metrics_outgoing_byte_total", NULL,
		     (double)m->network_bytes_out);
}
