/* Counts and latencies of records that were sent, in all and in the window since the last report,
 * in the figures and words of Apache Kafka's producer test. */
#ifndef KAVKA_CMD_LATENCIES_H
#define KAVKA_CMD_LATENCIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many latencies at most are kept for the percentiles: every n-th record's. */
#define LATENCY_SAMPLES_MAX 500000

struct latencies {
	int64_t start_ms;
	int32_t *samples; /* milliseconds */
	size_t sample_cap, sample_count;
	int64_t sampling; /* of so many records one is kept */
	int64_t count, bytes, total_ms, max_ms, seen_count;
	int64_t window_start_ms, window_count, window_bytes, window_total_ms, window_max_ms;
	int64_t interval_ms;
	bool is_steady; /* those behind the warm-up */
	bool is_silent; /* reports no windows */
	bool is_json;
};

/* For `record_count` records; the clock starts at `now_ms`. */
void latencies_init(struct latencies *l, int64_t record_count, int64_t interval_ms, int64_t now_ms);
void latencies_fini(struct latencies *l);
/* One record was acknowledged; prints a line when the window is over. */
void latencies_add(struct latencies *l, int64_t latency_ms, int64_t bytes, int64_t now_ms);
/* The last line. */
void latencies_print(struct latencies *l, int64_t now_ms);
/* The latency that `part` (0..1) of the samples, sorted, do not reach. */
int32_t latencies_percentile(const struct latencies *l, double part);

#endif
