/* A producer: records are copied into a batch per partition, batches go to the leaders.
 *
 *	rc = producer_new(&p, client, &options, &err);
 *	for each record:
 *		while ((rc = producer_send(p, &record, &err)) == E_AGAIN)
 *			producer_poll(p, -1);
 *	rc = producer_flush(p, -1, &err);
 *	producer_free(p);
 *
 * producer_send() costs a memcpy: batches are complete when batch.size is reached or linger.ms is
 * over, and leave from producer_send() itself or from the loop. Memory is bounded by
 * buffer.memory; when it is used up, or a topic's metadata is still on its way, producer_send()
 * gives E_AGAIN. The order of records of a partition is kept, also through retries, with
 * idempotence (the default) or with one request in flight.
 *
 * Delivery is told once for each batch, with the tags of its records. A batch that cannot be
 * delivered within delivery.timeout.ms, or that is refused for good, is reported with the error. */
#ifndef KAVKA_CLIENT_PRODUCER_H
#define KAVKA_CLIENT_PRODUCER_H

#include "client/client.h"
#include "wire/batch.h"

struct producer;

struct producer_record {
	struct str topic;
	int32_t partition;		/* < 0: the partitioner's choice */
	int64_t timestamp;		/* < 0: now */
	struct slice key, value;	/* borrowed; data == NULL: null */
	const struct record_header *headers;
	size_t header_count;
	uint64_t tag;			/* given back in the report (want_tags) */
};

/* What became of one batch. Everything is borrowed until the callback returns. */
struct producer_report {
	struct str topic;
	int32_t partition;
	int64_t base_offset;		/* of the first record; -1: not known (acks=0, errors) */
	int64_t log_append_time;	/* -1: the records keep theirs */
	uint32_t record_count;
	const uint64_t *tags;		/* one for each record, in order; NULL without want_tags */
	int rc;				/* 0, E_KAFKA, E_TIMEOUT, ... */
	int kafka_error;		/* with E_KAFKA */
	const struct err *err;
	int64_t latency_ms;		/* since the batch was begun */
};

struct producer_options {
	void (*delivered)(void *ctx, const struct producer_report *report);	/* may be NULL */
	void *ctx;
	bool want_tags;
};

struct producer_stats {
	uint64_t record_count, record_bytes;	/* accepted by producer_send */
	uint64_t acked_count, failed_count;	/* records */
	uint64_t batch_count, request_count, retry_count;
	size_t buffered_bytes;
	size_t in_flight_count;			/* requests */
	/* Round trips of Produce requests. */
	int64_t latency_sum_us, latency_max_us;
	uint64_t latency_count;
};

/* `client` (made with a config of role CLIENT_PRODUCER) is borrowed. */
MUST_USE int producer_new(struct producer **out, struct client *client,
			  const struct producer_options *options, struct err *err);
/* What is not delivered is dropped and reported with E_INTERRUPTED. NULL is fine. */
void producer_free(struct producer *p);

/* 0: taken. E_AGAIN: buffer full, or metadata missing: run the loop and try again. E_TOO_LARGE:
 * above max.request.size or buffer.memory. E_INVALID: no such partition. E_KAFKA: the topic cannot
 * be had (authorization, invalid name). E_TIMEOUT: the topic's metadata did not come within
 * max.block.ms of asking. A fatal error (fenced, authentication) is given for every record. */
MUST_USE int producer_send(struct producer *p, const struct producer_record *r, struct err *err);
/* producer_send(), waiting up to max.block.ms while it says E_AGAIN. Then E_TIMEOUT. */
MUST_USE int producer_send_wait(struct producer *p, const struct producer_record *r,
				struct err *err);
/* One turn of the loop: waits up to `timeout_ms` (0: not at all, < 0: until something happens). */
void producer_poll(struct producer *p, int64_t timeout_ms);
/* Sends all and waits until every record is reported; `timeout_ms` < 0: until delivery.timeout.ms
 * has decided about each. 0, E_TIMEOUT, E_INTERRUPTED; or, if a batch failed since the last flush,
 * its rc and message. */
MUST_USE int producer_flush(struct producer *p, int64_t timeout_ms, struct err *err);
/* Records taken and not yet reported. */
uint64_t producer_pending(const struct producer *p);
const struct producer_stats *producer_stats(struct producer *p);
/* Why an attempt failed that is being repeated; code 0: nothing is. Borrowed until the next
 * call. */
const struct err *producer_trouble(const struct producer *p);

/* Kafka's murmur2 and what the default partitioner makes of a key. */
uint32_t murmur2(const void *data, size_t len);
static inline int32_t murmur2_partition(const void *key, size_t len, int32_t partition_count)
{
	return (int32_t)((murmur2(key, len) & 0x7fffffff) % (uint32_t)partition_count);
}

#endif
