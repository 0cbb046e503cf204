/* A blocking connection to any Kafka broker, for the benchmark programs: requests out, responses
 * in, nothing of lib/client in between, so that both brokers see the same bytes. Errors end the
 * program with a line. */
#ifndef KAVKA_TESTS_BENCH_PEER_H
#define KAVKA_TESTS_BENCH_PEER_H

#include "wire/header.h"

struct peer {
	int fd;
	int32_t correlation_id;
	struct out out;
	uint8_t *frame;		/* the last response, without its size */
	size_t frame_len, frame_cap;
	struct arena arena;	/* of the last decoded response */
};

/* "host:port" */
void peer_open(struct peer *p, const char *address);
void peer_close(struct peer *p);

/* Sends without waiting; `raw` sends bytes made before (a whole frame). */
void peer_send(struct peer *p, int16_t api_key, int16_t version, const void *body);
void peer_send_raw(struct peer *p, const void *data, size_t len);
/* Waits for the next response frame. */
void peer_receive(struct peer *p);
/* The same, decoded. */
void *peer_decode(struct peer *p, int16_t api_key, int16_t version);
/* Sends and waits. */
void *peer_call(struct peer *p, int16_t api_key, int16_t version, const void *body);

/* Makes the topic (deleting nothing) and waits until all its partitions have a leader. */
void peer_create_topic(struct peer *p, const char *topic, int32_t partitions);

__attribute__((noreturn)) void bench_die(const char *fmt, ...);
double bench_now(void);		/* seconds, monotonic */

#endif
