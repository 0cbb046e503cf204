/* One run of the producer: input -> record_maker -> producer -> delivery, on one loop. */
#ifndef KAVKA_CMD_PRODUCING_H
#define KAVKA_CMD_PRODUCING_H

#include "cmd/line_reader.h"
#include "cmd/producer/completer.h"
#include "cmd/producer/delivery.h"
#include "cmd/producer/producer_int.h"
#include "cmd/prompt.h"
#include "cmd/signals.h"

struct producing {
	struct run *run;
	struct producer_args *args;
	enum output_format format;
	struct connection connection;
	struct record_maker maker;
	struct producer *producer;
	bool is_told; /* what ended the run was told already */
	struct delivery delivery;
	struct signals signals;
	/* Standard input */
	struct line_reader lines;
	uv_poll_t input; /* a pipe or terminal, waited for together with the network */
	bool input_polls, input_ready;
	bool prompts; /* somebody types */
	const char *prompt_text;
	struct prompt *prompt; /* NULL: a plain one */
	struct completer completer;
	/* Is the broker away? */
	struct client_timer watch;
	uint64_t watched_count; /* acknowledged when it was looked last */
	unsigned idle_count;    /* times nothing had come since */
};

/* How often it is looked whether records are acknowledged, and after how many times without one
 * it is told. */
#define PRODUCING_WATCH_MS 1000
#define PRODUCING_IDLE_MAX 2

/* The connection and the maker are there. Returns the exit code. */
int producing_run(struct producing *p);

/* typing.c: standard input. */
void typing_start(struct producing *p);
void typing_stop(struct producing *p);
/* The next line, waiting for it while the network goes on. 1, 0 at the end, E_INTERRUPTED, or an
 * error. */
MUST_USE int typing_line(struct producing *p, struct str *line, struct err *err);
/* All of a descriptor. */
MUST_USE int typing_whole(struct producing *p, int fd, const char *name, struct str *bytes,
			  struct err *err);
/* Asks for the topic: the answer lives in the run's arena. 1, 0: none was given, or an error. */
MUST_USE int typing_topic(struct producing *p, const char **topic, struct err *err);
/* From now on lines are records. */
void typing_records(struct producing *p);

#endif
