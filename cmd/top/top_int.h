/* Inside `top`: its options as parsed, and its two ways to run. */
#ifndef KAVKA_CMD_TOP_INT_H
#define KAVKA_CMD_TOP_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/output.h"

#include "client/client.h"

#define TOP_INTERVAL_MS 2000
#define TOP_INTERVAL_MS_MIN 100
#define TOP_INTERVAL_S_MAX 86400

struct top_args {
	struct cluster_args cluster;
	struct output_args output;
	bool once, internal, ascii;
	const char *interval, *topic;
	int64_t samples;
};

struct top {
	struct run *run;
	const struct top_args *args;
	struct client *client;
	enum output_format format;
	int64_t interval_ms;
	uint64_t sample_max; /* 0: no end */
};

/* live.c: full screen, until it is left. */
MUST_USE int top_live(struct top *t, int *code, struct err *err);
/* stream.c: sample after sample to stdout. */
MUST_USE int top_stream(struct top *t, int *code, struct err *err);

#endif
