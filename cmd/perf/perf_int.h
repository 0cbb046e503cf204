/* Inside `perf`: what producing and consuming have in common. */
#ifndef KAVKA_CMD_PERF_INT_H
#define KAVKA_CMD_PERF_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/output.h"

extern const struct command cmd_perf_produce, cmd_perf_consume;

#define PERF_MB (1024.0 * 1024.0)

/* As Java's %.Nf: "NaN" and "Infinity" where a figure cannot be told. */
#define PERF_NUMBER_MAX 400
const char *perf_number(char text[PERF_NUMBER_MAX], double value, int digits);

/* --print-metrics: names as those of Java's clients, in a table. */
struct perf_metric {
	const char *name; /* "producer-metrics:record-send-total" */
	double value;
};
void perf_print_metrics(const struct perf_metric *metrics, size_t count, const char *client_id,
			bool is_json);

/* Under Apache's name: how its argparse tools tell what they refuse. */
int perf_refuse(const struct run *run, const struct err *err);

/* Where the properties of the command line go: the words between options belong to the list in
 * front of them ("--producer-props a=1 b=2"). E_INVALID, E_USAGE. */
MUST_USE int perf_properties(const struct run *run, struct client_config *config,
			     const struct opt_list *properties, struct err *err);

#endif
