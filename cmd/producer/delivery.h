/* What became of records, as it is told: under Apache's name as its ErrorLoggingCallback does,
 * under kavka's by line (or file) and reason on stderr, and with --verbose one line on stdout for
 * each record, TOPIC-PARTITION@OFFSET or JSON. Messages go above the prompt, if there is one. */
#ifndef KAVKA_CMD_DELIVERY_H
#define KAVKA_CMD_DELIVERY_H

#include "cmd/command.h"
#include "cmd/producer/record_reader.h"

#include "client/producer.h"

struct prompt;

struct delivery {
	const struct run *run;
	struct str topic;             /* null: the lines name their own */
	const struct opt_list *files; /* records are files: their names */
	bool verbose, json;
	bool silent;           /* --sync as Apache has it: the exception tells all */
	bool at_once;          /* somebody looks at stdout, or waits for it */
	struct prompt *prompt; /* NULL: none */
	uint64_t failed_count;
	bool is_waiting; /* it was told that the broker is away */
};

/* What the producer gives back with a record: its line; under Apache's name the lengths that its
 * message tells. */
uint64_t delivery_tag(const struct delivery *d, const struct line_record *r, int64_t line);

/* For producer_options: `ctx` is the struct delivery. */
void delivery_reported(void *ctx, const struct producer_report *report);
/* A record that could not be sent at all. */
void delivery_refused(struct delivery *d, const struct line_record *r, int64_t line,
		      const struct err *err);
/* Nothing was acknowledged for a while: why, once. */
void delivery_waits(struct delivery *d, uint64_t record_count, const struct err *why);

#endif
