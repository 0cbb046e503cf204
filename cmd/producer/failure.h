/* How a run of the producer that ended early is told: under kavka's name in one line; under
 * Apache's with the class of the exception that its tool dies of, in the words of its configs. */
#ifndef KAVKA_CMD_PRODUCER_FAILURE_H
#define KAVKA_CMD_PRODUCER_FAILURE_H

#include "cmd/command.h"

enum failure_stage {
	FAILURE_OPTIONS, /* before all else */
	FAILURE_READER,  /* properties of the reader */
	FAILURE_CONFIG,  /* configs of the producer */
	FAILURE_RUN,
	FAILURE_SYNC, /* of a record that --sync waited for */
};

struct line_record;

/* A record that could not be sent at all: `err` says so in the words and by the class of Apache's
 * client from now on. */
void failure_translate(struct err *err, const struct line_record *r);
/* Why the broker refused, without the partition in front. Borrowed. */
const char *failure_reason(const struct err *err);

/* Prints it; returns the exit code. */
int failure_print(const struct run *run, enum failure_stage stage, const struct err *err);

#endif
