#include "cmd/perf/latencies.h"
#include "cmd/json_out.h"
#include "cmd/perf/perf_int.h"
#include "cmd/print.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

void latencies_init(struct latencies *l, int64_t record_count, int64_t interval_ms, int64_t now_ms)
{
	*l = (struct latencies){
		.start_ms = now_ms, .window_start_ms = now_ms, .interval_ms = interval_ms};
	l->sampling = record_count / MIN(record_count, (int64_t)LATENCY_SAMPLES_MAX);
	l->sample_cap = (size_t)(record_count / l->sampling) + 1;
	l->samples = xcalloc(l->sample_cap, sizeof(*l->samples));
}

void latencies_fini(struct latencies *l)
{
	free(l->samples);
	l->samples = NULL;
}

static double per_second(double amount, int64_t elapsed_ms)
{
	return 1000.0 * amount / (double)elapsed_ms;
}

static void latencies_print_window(struct latencies *l, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms - l->window_start_ms;
	double count = (double)l->window_count;
	char n[4][PERF_NUMBER_MAX];
	struct json_out j = {0};

	if (!l->is_json) {
		print_text("%" PRId64 " records sent, %s records/sec (%s MB/sec), %s ms avg "
			   "latency, %s ms max latency.\n",
			   l->window_count, perf_number(n[0], per_second(count, elapsed_ms), 1),
			   perf_number(n[1],
				       per_second((double)l->window_bytes, elapsed_ms) / PERF_MB,
				       2),
			   perf_number(n[2], (double)l->window_total_ms / count, 1),
			   perf_number(n[3], (double)l->window_max_ms, 1));
		print_flush();
		return;
	}
	json_out_open(&j, NULL, '{');
	json_out_text(&j, "type", "window");
	json_out_int(&j, "records", l->window_count);
	json_out_int(&j, "elapsedMs", elapsed_ms);
	json_out_double(&j, "recordsPerSec", per_second(count, elapsed_ms));
	json_out_double(&j, "mbPerSec", per_second((double)l->window_bytes, elapsed_ms) / PERF_MB);
	json_out_double(&j, "avgLatencyMs", (double)l->window_total_ms / count);
	json_out_int(&j, "maxLatencyMs", l->window_max_ms);
	json_out_close(&j, '}');
	print_byte('\n');
	print_flush();
}

void latencies_add(struct latencies *l, int64_t latency_ms, int64_t bytes, int64_t now_ms)
{
	l->count++;
	l->bytes += bytes;
	l->total_ms += latency_ms;
	l->max_ms = MAX(l->max_ms, latency_ms);
	l->window_count++;
	l->window_bytes += bytes;
	l->window_total_ms += latency_ms;
	l->window_max_ms = MAX(l->window_max_ms, latency_ms);
	if (l->seen_count++ % l->sampling == 0 && l->sample_count < l->sample_cap)
		l->samples[l->sample_count++] = (int32_t)MIN(latency_ms, (int64_t)INT32_MAX);
	if (now_ms - l->window_start_ms < l->interval_ms)
		return;
	if (l->is_steady && l->count == l->window_count && !l->is_json)
		print_text("In steady state.\n");
	if (!l->is_silent)
		latencies_print_window(l, now_ms);
	l->window_start_ms = now_ms;
	l->window_count = l->window_bytes = l->window_total_ms = l->window_max_ms = 0;
}

static int sample_order(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int32_t latencies_percentile(const struct latencies *l, double part)
{
	return l->samples[MIN((size_t)(part * (double)l->sample_count), l->sample_cap - 1)];
}

static void latencies_json(const struct latencies *l, int64_t elapsed_ms)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "type", l->is_steady ? "steadyState" : "total");
	json_out_int(&j, "records", l->count);
	json_out_int(&j, "bytes", l->bytes);
	json_out_int(&j, "elapsedMs", elapsed_ms);
	json_out_double(&j, "recordsPerSec", per_second((double)l->count, elapsed_ms));
	json_out_double(&j, "mbPerSec", per_second((double)l->bytes, elapsed_ms) / PERF_MB);
	json_out_double(&j, "avgLatencyMs", (double)l->total_ms / (double)l->count);
	json_out_int(&j, "maxLatencyMs", l->max_ms);
	json_out_int(&j, "p50LatencyMs", latencies_percentile(l, 0.5));
	json_out_int(&j, "p95LatencyMs", latencies_percentile(l, 0.95));
	json_out_int(&j, "p99LatencyMs", latencies_percentile(l, 0.99));
	json_out_int(&j, "p999LatencyMs", latencies_percentile(l, 0.999));
	json_out_close(&j, '}');
	print_byte('\n');
}

void latencies_print(struct latencies *l, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms - l->start_ms;
	char n[4][PERF_NUMBER_MAX];

	qsort(l->samples, l->sample_count, sizeof(*l->samples), sample_order);
	if (l->is_json) {
		latencies_json(l, elapsed_ms);
		return;
	}
	print_text("%" PRId64 "%s records sent, %s records/sec (%s MB/sec), %s ms avg latency, "
		   "%s ms max latency, %d ms 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.\n",
		   l->count, l->is_steady ? " steady state" : "",
		   perf_number(n[0], per_second((double)l->count, elapsed_ms), 6),
		   perf_number(n[1], per_second((double)l->bytes, elapsed_ms) / PERF_MB, 2),
		   perf_number(n[2], (double)l->total_ms / (double)l->count, 2),
		   perf_number(n[3], (double)l->max_ms, 2), latencies_percentile(l, 0.5),
		   latencies_percentile(l, 0.95), latencies_percentile(l, 0.99),
		   latencies_percentile(l, 0.999));
}
