/* End-to-end latency: bench_latency HOST:PORT TOPIC RATE SECONDS RECORD_BYTES. One thread produces
 * (acks=1) on an open schedule of RATE records a second, another has a fetch waiting and notes when
 * each record arrives. Latency counts from the planned time of sending, so a stall is not hidden.
 * Prints one JSON line, microseconds. */
#include "peer.h"
#include "wire/batch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define PRODUCE_VERSION 9
#define FETCH_VERSION 12
#define WARM_UP_PART 5 /* the first fifth does not count */

struct run {
	const char *address, *topic;
	long count;
	double interval, start;
	size_t record_bytes;
	double *latency; /* by record, seconds */
	double *ack;
};

static double planned(const struct run *run, long i)
{
	return run->start + (double)i * run->interval;
}

static void produce_one(struct peer *p, const struct run *run, uint8_t *value)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder builder;
	struct produce_request request;
	struct produce_request_topic_produce_data data;
	struct produce_request_partition_produce_data partition;
	struct produce_response *response;
	struct slice batch;

	options.max_bytes = run->record_bytes + 1024;
	batch_builder_init(&builder, &options);
	if (batch_builder_add(&builder, clock_wall_ms(), SLICE_NULL,
			      (struct slice){NULL, value, run->record_bytes}, NULL, 0) < 0 ||
	    batch_builder_finish(&builder, NULL, &batch) < 0)
		bench_die("no batch could be made");
	WIRE_INIT(produce_request, &request);
	WIRE_INIT(produce_request_topic_produce_data, &data);
	WIRE_INIT(produce_request_partition_produce_data, &partition);
	partition.records = batch;
	data.name = str_of(run->topic);
	data.partition_data = &partition;
	data.partition_data_count = 1;
	request.acks = 1;
	request.timeout_ms = 30000;
	request.topic_data = &data;
	request.topic_data_count = 1;
	response = peer_call(p, API_PRODUCE, PRODUCE_VERSION, &request);
	if (response->responses[0].partition_responses[0].error_code)
		bench_die("produce: error %d",
			  response->responses[0].partition_responses[0].error_code);
	slice_unref(&batch);
	batch_builder_fini(&builder);
}

static void *produce_thread(void *arg)
{
	struct run *run = arg;
	uint8_t *value = xcalloc(1, run->record_bytes);
	struct peer p;

	peer_open(&p, run->address);
	for (long i = 0; i < run->count; i++) {
		double wait = planned(run, i) - bench_now();

		if (wait > 0)
			usleep((useconds_t)(wait * 1e6));
		produce_one(&p, run, value);
		run->ack[i] = bench_now() - planned(run, i);
	}
	peer_close(&p);
	free(value);
	return NULL;
}

static void consume(struct run *run)
{
	struct fetch_request request;
	struct fetch_request_topic asked;
	struct fetch_request_partition partition;
	struct peer p;
	int64_t offset = 0;

	peer_open(&p, run->address);
	WIRE_INIT(fetch_request, &request);
	WIRE_INIT(fetch_request_topic, &asked);
	WIRE_INIT(fetch_request_partition, &partition);
	partition.partition_max_bytes = 1 << 20;
	asked.topic = str_of(run->topic);
	asked.partitions = &partition;
	asked.partitions_count = 1;
	request.max_wait_ms = 1000;
	request.min_bytes = 1;
	request.max_bytes = 1 << 20;
	request.topics = &asked;
	request.topics_count = 1;
	while (offset < run->count) {
		struct fetch_response *response;
		struct slice found;
		struct batch batch;
		double now;

		partition.fetch_offset = offset;
		response = peer_call(&p, API_FETCH, FETCH_VERSION, &request);
		now = bench_now();
		found = response->responses[0].partitions[0].records;
		while (batch_next(&batch, &found.data, &found.len) == 1)
			for (; offset < batch_next_offset(&batch); offset++)
				run->latency[offset] = now - planned(run, offset);
	}
	peer_close(&p);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_quantiles(const char *name, double *values, long count, const char *end)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	printf("\"%s\": {\"p50\": %.0f, \"p99\": %.0f, \"p999\": %.0f, \"max\": %.0f}%s", name,
	       values[count / 2] * 1e6, values[count * 99 / 100] * 1e6,
	       values[count * 999 / 1000] * 1e6, values[count - 1] * 1e6, end);
}

int main(int argc, char **argv)
{
	struct run run;
	pthread_t thread;
	struct peer p;
	double rate;
	long skip;

	if (argc != 6)
		bench_die("usage: bench_latency HOST:PORT TOPIC RATE SECONDS RECORD_BYTES");
	rate = strtod(argv[3], NULL);
	run = (struct run){
		.address = argv[1],
		.topic = argv[2],
		.count = (long)(rate * strtod(argv[4], NULL)),
		.interval = 1 / rate,
		.record_bytes = strtoul(argv[5], NULL, 10),
	};
	if (run.count < 10)
		bench_die("too few records: RATE times SECONDS must be 10 or more");
	run.latency = xcalloc((size_t)run.count, sizeof(double));
	run.ack = xcalloc((size_t)run.count, sizeof(double));
	peer_open(&p, run.address);
	peer_create_topic(&p, run.topic, 1);
	peer_close(&p);
	run.start = bench_now() + 0.1;
	if (pthread_create(&thread, NULL, produce_thread, &run) != 0)
		bench_die("no thread");
	consume(&run);
	pthread_join(thread, NULL);
	skip = run.count / WARM_UP_PART;
	printf("{");
	print_quantiles("ack_us", run.ack + skip, run.count - skip, ", ");
	print_quantiles("end_to_end_us", run.latency + skip, run.count - skip, "}\n");
	free(run.latency);
	free(run.ack);
	return 0;
}
