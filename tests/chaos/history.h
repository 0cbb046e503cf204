/* What a client of the chaos test did and saw, as lines of a file, and how the records look.
 *
 *	MICROSECONDS KIND PARTITION ...		clock of the machine, the same for all processes
 *
 *	s P VALUE		a record is about to be sent
 *	a P VALUE OFFSET	it was acknowledged (offset -1: it was not told)
 *	f P VALUE WHY		it was certainly not written
 *	i P VALUE WHY		nobody knows
 *	+ P			the partition is this consumer's from here on
 *	- P			it is no more
 *	r P OFFSET VALUE	a record was read
 *	c P OFFSET		a commit begins; k: it was acknowledged, x P OFFSET WHY: it was not
 *	h P OFFSET		the end of the partition, before the last reading began
 *	q -			the offsets that the group has committed are asked for; o P OFFSET:
 *one e TEXT			what the client complained about z			the client
 *ended as it was told to
 *
 * A value is NUMBER.SEQUENCE, the producer's number and how many it sent before to that partition,
 * then a blank and filling that follows from both. Each value of a partition is sent once. */
#ifndef KAVKA_TESTS_CHAOS_HISTORY_H
#define KAVKA_TESTS_CHAOS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PARTITIONS_MAX = 64,
	VALUE_MAX = 256,
	PENDING_MAX = 400,        /* records of one partition under way, at most */
	TURN_MS = 20,             /* a signal is seen after so long */
	COMMIT_INTERVAL_MS = 200, /* of a member */
	OBSERVE_INTERVAL_MS = 500,
	FLUSH_MS = 60 * 1000, /* what is under way at the end is waited for so long */
	FINAL_MS = 120 * 1000 /* the last reading takes no longer */
};

#define GROUP "chaos"
/* Settings that both clients have under one name or another. */
#define DELIVERY_TIMEOUT_MS "120000"
#define REQUEST_TIMEOUT_MS "5000"
#define METADATA_AGE_MS "2000"
#define BACKOFF_MS "50"
#define BACKOFF_MAX_MS "500"
#define SESSION_TIMEOUT_MS "6000"
#define HEARTBEAT_MS "500"

struct options {
	const char *role; /* producer, member, reader, observer, final */
	int number;
	const char *bootstrap, *topic;
	int partition_count;
	int rate; /* records a second that a producer sends to each partition */
	const char *group_protocol;
	const char *acks; /* all: with idempotence */
};

/* The codec that producer `number` uses. */
const char *codec_of(int number);

/* ROLE NUMBER BOOTSTRAP TOPIC PARTITIONS RATE PROTOCOL ACKS FILE: opens the file, and lets SIGTERM
 * set `is_told_to_end`. Ends the process if they are no such arguments. */
void history_open(struct options *o, int argc, char **argv);
bool is_told_to_end(void);
/* The orderly end. */
void history_close(void);

int64_t now_ms(void);
void history_add(const char *kind, int partition, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void history_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void history_flush(void);
/* A record that was read: says so, and whether its bytes are those that were sent. */
void history_read(int partition, int64_t offset, const void *value, size_t len);

/* The value of a record, at most VALUE_MAX bytes; returns its length. */
size_t value_make(char *out, int number, int64_t sequence);

/* Paces a producer: true when a record for each partition is due. */
struct pace {
	int64_t next_us;
	int64_t step_us;
};
void pace_start(struct pace *p, int rate);
bool pace_is_due(struct pace *p);

#endif
