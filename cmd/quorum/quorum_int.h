/* Inside `quorum`: its options, and what the subcommands begin and end with. */
#ifndef KAVKA_CMD_QUORUM_INT_H
#define KAVKA_CMD_QUORUM_INT_H

#include "cmd/argparse.h"
#include "cmd/output.h"

struct quorum_args {
	struct cluster_args cluster;
	struct output_args output;
	bool status, replication, human_readable, dry_run;
	int64_t controller_id;
	const char *directory_id;
};

int quorum_add_run(struct run *run, void *args);
int quorum_remove_run(struct run *run, void *args);

/* Checks the shared options. 0, or E_USAGE. */
MUST_USE int quorum_check(const struct run *run, const struct quorum_args *args,
			  enum output_format *format, struct err *err);

/* DescribeQuorum: `out` has the one partition there is, without an error. In the run's arena. */
MUST_USE int quorum_partition(struct run *run, struct client *c, const struct cluster_args *args,
			      const struct describe_quorum_response **out, struct err *err);

#endif
