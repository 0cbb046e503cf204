/* Counters of one shard: what /metrics shows beside the gauges that are derived from its state.
 *
 * Each shard has its own and is the only one to touch it; the HTTP port asks every shard in turn
 * and adds up. Names follow the MBeans of Kafka as Strimzi's JMX exporter rules spell them.
 * Source: BrokerTopicMetrics, RequestMetrics, SocketServer (kafka.server, kafka.network). */
#ifndef KAVKA_BROKER_METRICS_METRICS_H
#define KAVKA_BROKER_METRICS_METRICS_H

#include "base/buf.h"
#include "base/map.h"

#define METRICS_API_COUNT 128
#define METRICS_ERROR_COUNT 160

/* Durations in powers of two of microseconds: bucket i counts d < 2^i. */
#define HISTOGRAM_BUCKETS 40

struct histogram {
	uint64_t buckets[HISTOGRAM_BUCKETS];
	uint64_t count;
	uint64_t sum_us;
};

void histogram_add(struct histogram *h, int64_t us);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The upper edge of the bucket that holds the quantile q (0..1), in milliseconds. */
double histogram_quantile_ms(const struct histogram *h, double q);

struct topic_metrics {
	struct map_node node;
	char *name;		/* NULL: all topics */
	uint64_t bytes_in, bytes_out, messages_in, bytes_rejected;
	uint64_t produce_requests, fetch_requests, failed_produce_requests, failed_fetch_requests;
};

struct metrics {
	struct topic_metrics all;
	struct map topics;	/* struct topic_metrics */
	struct histogram request_time[METRICS_API_COUNT];	/* received to response ready */
	uint64_t connections_created, connections_closed;
	uint64_t network_bytes_in, network_bytes_out;
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* The counters of a topic, made when missing. Borrowed until metrics_forget_topic. Count in `all`
 * as well. */
struct topic_metrics *metrics_topic(struct metrics *m, struct str name);
void metrics_forget_topic(struct metrics *m, struct str name);

/* Adds everything of `from` to `to` (a collector's own). */
void metrics_merge(struct metrics *to, const struct metrics *from);

/* Writes the counters in Prometheus' text format. `api_name` names an API key, NULL: skip it. */
void metrics_print(const struct metrics *m, struct out *out, const char *(*api_name)(int key));

/* For gauges: one line "NAME{LABELS} VALUE", with a TYPE line when `name` is new. `labels` may be
 * NULL. */
void metrics_line(struct out *out, const char *type, const char *name, const char *labels,
		  double value);

#endif
