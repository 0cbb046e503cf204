/* Reads a topic's partition 0 from its start to its end: bench_fetch HOST:PORT TOPIC FETCH_BYTES.
 * One connection, one request after the other; batches are counted, not decoded. Prints one JSON
 * line. */
#include "peer.h"
#include "wire/batch.h"

#include <stdio.h>
#include <stdlib.h>

#define FETCH_VERSION 12
#define LIST_OFFSETS_VERSION 5

static int64_t end_offset(struct peer *p, const char *topic)
{
	struct list_offsets_request request;
	struct list_offsets_request_topic asked;
	struct list_offsets_request_partition partition;
	struct list_offsets_response *response;

	WIRE_INIT(list_offsets_request, &request);
	WIRE_INIT(list_offsets_request_topic, &asked);
	WIRE_INIT(list_offsets_request_partition, &partition);
	partition.timestamp = -1;
	asked.name = str_of(topic);
	asked.partitions = &partition;
	asked.partitions_count = 1;
	request.replica_id = -1;
	request.topics = &asked;
	request.topics_count = 1;
	response = peer_call(p, API_LIST_OFFSETS, LIST_OFFSETS_VERSION, &request);
	return response->topics[0].partitions[0].offset;
}

/* Fetches at `offset`; returns the next offset and adds to the counters. */
static int64_t fetch_once(struct peer *p, const char *topic, int64_t offset, int32_t bytes_max,
			  uint64_t *bytes, uint64_t *records)
{
	struct fetch_request request;
	struct fetch_request_topic asked;
	struct fetch_request_partition partition;
	struct fetch_response *response;
	struct slice found;
	struct batch batch;

	WIRE_INIT(fetch_request, &request);
	WIRE_INIT(fetch_request_topic, &asked);
	WIRE_INIT(fetch_request_partition, &partition);
	partition.fetch_offset = offset;
	partition.partition_max_bytes = bytes_max;
	asked.topic = str_of(topic);
	asked.partitions = &partition;
	asked.partitions_count = 1;
	request.max_wait_ms = 500;
	request.min_bytes = 1;
	request.max_bytes = bytes_max;
	request.topics = &asked;
	request.topics_count = 1;
	response = peer_call(p, API_FETCH, FETCH_VERSION, &request);
	if (response->error_code || response->responses[0].partitions[0].error_code)
		bench_die("fetch: error %d, %d", response->error_code,
			  response->responses[0].partitions[0].error_code);
	found = response->responses[0].partitions[0].records;
	*bytes += found.len;
	while (batch_next(&batch, &found.data, &found.len) == 1) {
		offset = batch_next_offset(&batch);
		*records += (uint64_t)batch.record_count;
	}
	return offset;
}

int main(int argc, char **argv)
{
	uint64_t bytes = 0, records = 0;
	int64_t offset = 0, end;
	double start, seconds;
	struct peer p;

	if (argc != 4)
		bench_die("usage: bench_fetch HOST:PORT TOPIC FETCH_BYTES");
	peer_open(&p, argv[1]);
	end = end_offset(&p, argv[2]);
	start = bench_now();
	while (offset < end)
		offset = fetch_once(&p, argv[2], offset, (int32_t)strtol(argv[3], NULL, 10), &bytes,
				    &records);
	seconds = bench_now() - start;
	printf("{\"records_per_second\": %.0f, \"megabytes_per_second\": %.1f, \"seconds\": "
	       "%.3f}\n",
	       (double)records / seconds, (double)bytes / 1e6 / seconds, seconds);
	peer_close(&p);
	return 0;
}
