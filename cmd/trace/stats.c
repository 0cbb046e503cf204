/* Counts and latencies of each kind of request. */
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/trace/trace_int.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

/* Latencies in microseconds, in 16 steps for each power of two: 6 % exact, from 1 us to 70 min. */
#define STEPS 16
#define STEP_BITS 4
#define BUCKETS (29 * STEPS)

struct api_stats {
	uint64_t requests, responses, errors, bytes_out, bytes_in, timed;
	int64_t max_us;
	uint32_t buckets[BUCKETS];
};

struct stats {
	struct api_stats *of[INT8_MAX + 1]; /* of others: the last */
};

struct stats *stats_new(void)
{
	return xcalloc(1, sizeof(struct stats));
}

void stats_free(struct stats *s)
{
	for (size_t i = 0; s && i < ARRAY_LEN(s->of); i++)
		free(s->of[i]);
	free(s);
}

static struct api_stats *stats_of(struct stats *s, int16_t key)
{
	size_t at = key >= 0 && key < INT8_MAX ? (size_t)key : INT8_MAX;

	if (!s->of[at])
		s->of[at] = xcalloc(1, sizeof(*s->of[at]));
	return s->of[at];
}

static unsigned bucket_of(int64_t us)
{
	unsigned log, at;

	if (us < STEPS)
		return (unsigned)MAX(us, (int64_t)0);
	log = 63 - (unsigned)__builtin_clzll((uint64_t)us);
	at = (log - STEP_BITS + 1) * STEPS + ((unsigned)(us >> (log - STEP_BITS)) & (STEPS - 1));
	return MIN(at, (unsigned)BUCKETS - 1);
}

/* The largest latency of a bucket. */
static int64_t bucket_us(unsigned at)
{
	unsigned log;

	if (at < STEPS)
		return at;
	log = at / STEPS + STEP_BITS - 1;
	return ((int64_t)(STEPS + at % STEPS + 1) << (log - STEP_BITS)) - 1;
}

void stats_request(struct stats *s, int16_t key, size_t bytes)
{
	struct api_stats *a = stats_of(s, key);

	a->requests++;
	a->bytes_out += bytes;
}

void stats_response(struct stats *s, int16_t key, size_t bytes, int64_t latency_us, bool is_error)
{
	struct api_stats *a = stats_of(s, key);

	a->responses++;
	a->errors += is_error;
	a->bytes_in += bytes;
	if (latency_us < 0)
		return;
	a->timed++;
	a->max_us = MAX(a->max_us, latency_us);
	a->buckets[bucket_of(latency_us)]++;
}

static int64_t percentile_us(const struct api_stats *a, unsigned percent)
{
	uint64_t rank = (a->timed * percent + 99) / 100, seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += a->buckets[i];
		if (seen >= rank && seen > 0)
			return MIN(bucket_us(i), a->max_us);
	}
	return 0;
}

static void stats_json(const char *name, const struct api_stats *a)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "summary", name);
	json_out_int(&j, "requests", (int64_t)a->requests);
	json_out_int(&j, "responses", (int64_t)a->responses);
	json_out_int(&j, "errors", (int64_t)a->errors);
	json_out_int(&j, "requestBytes", (int64_t)a->bytes_out);
	json_out_int(&j, "responseBytes", (int64_t)a->bytes_in);
	json_out_int(&j, "p50Us", percentile_us(a, 50));
	json_out_int(&j, "p99Us", percentile_us(a, 99));
	json_out_int(&j, "maxUs", a->max_us);
	json_out_close(&j, '}');
	print_byte('\n');
}

static const char *ms_text(struct arena *a, int64_t us)
{
	return arena_printf(a, "%.1f", (double)us / 1000);
}

void stats_print(const struct stats *s, struct arena *arena, enum output_format format)
{
	static const char *const titles[] = {"REQUEST", ">COUNT",  ">ERRORS", ">KB OUT",
					     ">KB IN",  ">P50 MS", ">P99 MS", ">MAX MS"};
	struct grid g;

	grid_init(&g, arena, titles, ARRAY_LEN(titles));
	for (size_t key = 0; key < ARRAY_LEN(s->of); key++) {
		const struct api_stats *a = s->of[key];
		const struct api *api = api_by_key((int)key);
		const char *name = api ? api->name : "unknown";

		if (!a)
			continue;
		if (format == OUTPUT_JSON) {
			stats_json(name, a);
			continue;
		}
		grid_add(&g, name, grid_int(&g, (int64_t)a->requests),
			 grid_int(&g, (int64_t)a->errors),
			 grid_int(&g, (int64_t)((a->bytes_out + 999) / 1000)),
			 grid_int(&g, (int64_t)((a->bytes_in + 999) / 1000)),
			 ms_text(arena, percentile_us(a, 50)), ms_text(arena, percentile_us(a, 99)),
			 ms_text(arena, a->max_us));
		if (a->errors)
			grid_tone(&g, 2, TONE_RED);
	}
	if (format != OUTPUT_JSON && g.row_count) {
		print_byte('\n');
		grid_print(&g);
	}
}
