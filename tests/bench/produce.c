/* Produces as fast as the broker takes it: bench_produce HOST:PORT TOPIC MEGABYTES RECORD_BYTES
 * BATCH_BYTES ACKS. One connection, up to five requests in flight, one partition; the batch is made
 * once. Prints one JSON line. */
#include "peer.h"
#include "wire/batch.h"
#include "wire/errors.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define IN_FLIGHT 5
#define PRODUCE_VERSION 9

static struct slice make_batch(size_t record_bytes, size_t batch_bytes, int *records)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder builder;
	uint8_t *value = xcalloc(1, record_bytes);
	struct slice batch;

	for (size_t i = 0; i < record_bytes; i++)
		value[i] = (uint8_t)('a' + i % 26);
	options.max_bytes = batch_bytes;
	batch_builder_init(&builder, &options);
	*records = 0;
	while (batch_builder_add(&builder, clock_wall_ms(), SLICE_NULL,
				 (struct slice){NULL, value, record_bytes}, NULL, 0) == 0)
		(*records)++;
	if (batch_builder_finish(&builder, NULL, &batch) < 0)
		bench_die("no batch could be made");
	batch_builder_fini(&builder);
	free(value);
	return batch;
}

static void encode_request(struct out *out, const char *topic, struct slice batch, int16_t acks)
{
	struct produce_request request;
	struct produce_request_topic_produce_data data;
	struct produce_request_partition_produce_data partition;
	struct err err = {0};

	WIRE_INIT(produce_request, &request);
	WIRE_INIT(produce_request_topic_produce_data, &data);
	WIRE_INIT(produce_request_partition_produce_data, &partition);
	partition.records = batch;
	data.name = str_of(topic);
	data.partition_data = &partition;
	data.partition_data_count = 1;
	request.acks = acks;
	request.timeout_ms = 30000;
	request.topic_data = &data;
	request.topic_data_count = 1;
	if (request_encode(api_by_key(API_PRODUCE), PRODUCE_VERSION, 1, STR_LIT("bench"), &request,
			   out, NULL, &err) < 0)
		bench_die("%s", err_message(&err));
}

static int16_t response_error(struct peer *p)
{
	struct produce_response *response = peer_decode(p, API_PRODUCE, PRODUCE_VERSION);

	return response->responses[0].partition_responses[0].error_code;
}

/* A broker may say who leads a new topic a moment before it does so itself. */
static void warm_up(struct peer *p, const struct out *frame)
{
	int16_t error = KERR_NOT_LEADER_OR_FOLLOWER;

	for (double end = bench_now() + 10; error == KERR_NOT_LEADER_OR_FOLLOWER;) {
		if (bench_now() > end)
			bench_die("produce: the leader does not lead");
		peer_send_raw(p, frame->data, frame->len);
		peer_receive(p);
		error = response_error(p);
	}
	if (error)
		bench_die("produce: error %d", error);
}

int main(int argc, char **argv)
{
	struct slice batch;
	struct out frame;
	struct peer p;
	int16_t error;
	int records;
	long requests, sent = 0, received = 0;
	double start, seconds;

	if (argc != 7)
		bench_die("usage: bench_produce HOST:PORT TOPIC MEGABYTES RECORD_BYTES BATCH_BYTES "
			  "ACKS");
	peer_open(&p, argv[1]);
	peer_create_topic(&p, argv[2], 1);
	batch = make_batch(strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10), &records);
	out_init(&frame, (size_t)1 << 30);
	encode_request(&frame, argv[2], batch, (int16_t)strtol(argv[6], NULL, 10));
	requests = (long)(strtod(argv[3], NULL) * 1e6 / (double)batch.len) + 1;
	warm_up(&p, &frame);
	start = bench_now();
	while (received < requests) {
		for (; sent < requests && sent - received < IN_FLIGHT; sent++)
			peer_send_raw(&p, frame.data, frame.len);
		peer_receive(&p);
		error = response_error(&p);
		if (error)
			bench_die("produce: error %d", error);
		received++;
	}
	seconds = bench_now() - start;
	printf("{\"records_per_second\": %.0f, \"megabytes_per_second\": %.1f, \"seconds\": "
	       "%.3f}\n",
	       (double)requests * records / seconds,
	       (double)requests * (double)batch.len / 1e6 / seconds, seconds);
	slice_unref(&batch);
	out_fini(&frame);
	peer_close(&p);
	return 0;
}
