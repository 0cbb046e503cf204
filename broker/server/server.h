/* The broker as a process: `kavka broker` fills the options and calls server_run().
 *
 * Start: configs -> data directories (formatted on first start) -> shards -> control plane, with
 * the listeners of a controller -> registration of the broker -> its listeners -> one line on
 * stdout when ready. Stop at SIGTERM or SIGINT: listeners, controlled shutdown, leaving the quorum,
 * connections, flush, checkpoints, clean-shutdown mark; a second signal ends at once. */
#ifndef KAVKA_BROKER_SERVER_SERVER_H
#define KAVKA_BROKER_SERVER_SERVER_H

#include "base/err.h"

#include <stdbool.h>

struct server_options {
	const char *config_file; /* NULL: defaults for one node */
	const char **overrides;  /* "key=value", stronger than the file */
	unsigned override_count;
	const char *metrics_listen; /* "[host]:port" of the HTTP port, NULL: none */
	bool json_log;
};

/* Runs until it is told to stop: 0, or an error with its line before it was ready. */
MUST_USE int server_run(const struct server_options *options, struct err *err);

#endif
