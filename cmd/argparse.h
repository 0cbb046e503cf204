/* What the tools have in common that ask brokers or controllers about the cluster: the options that
 * name either, and how Apache's tools of that family tell what they refuse. */
#ifndef KAVKA_CMD_ARGPARSE_H
#define KAVKA_CMD_ARGPARSE_H

#include "cmd/connect.h"

/* OPTS_CLUSTER with --bootstrap-controller, and one-letter names (0: none) for that and for
 * --command-config. */
#define OPTS_CLUSTER_EITHER(controller_brief, config_brief) \
	{"bootstrap-server", \
	 OPT_STRING, \
	 AT(cluster.bootstrap_server), \
	 .arg = "server to connect to", \
	 .brief = 'b', \
	 .help = BOOTSTRAP_HELP}, \
		{"bootstrap-controller", \
		 OPT_STRING, \
		 AT(cluster.bootstrap_controller), \
		 .arg = "controller to connect to", \
		 .brief = (controller_brief), \
		 .help = "The controllers to begin with, host:port, instead of brokers."}, \
		{"command-config", \
		 OPT_STRING, \
		 AT(cluster.command_config), \
		 .arg = "config file", \
		 .brief = (config_brief), \
		 .complete = COMPLETE_FILE, \
		 .help = "A properties file with configs of the client."}, \
	{ \
		"profile", OPT_STRING, AT(cluster.profile), \
			.arg = "name", .flags = OPT_OWN, .complete = COMPLETE_PROFILE, \
			.help = "The cluster of this profile (see kavka help profile)." \
	}

/* Under Apache's name: a line of usage and "NAME: error: MESSAGE" on stderr. */
int argparse_refuse(const struct run *run, const struct err *err);

/* Prints what is wrong with the command line, under either name. Returns the exit code. */
int argparse_usage(const struct run *run, const struct err *err);

/* Exactly one of servers and controllers: E_USAGE otherwise. */
MUST_USE int argparse_server(const struct run *run, const struct cluster_args *args,
			     struct err *err);

/* Prints the failure of a run: under Apache's name with Java's exceptions. Returns the exit code.
 */
int argparse_failure(const struct run *run, const struct err *err);

/* Where a request goes that only the controller answers: brokers forward it. */
struct target argparse_target(const struct cluster_args *args);

/* DescribeCluster, of whom was named: brokers, or controllers. */
MUST_USE int argparse_describe(struct run *run, struct client *c, const struct cluster_args *args,
			       bool include_fenced, struct describe_cluster_response **out,
			       struct err *err);

/* The cluster's id, which brokers of any age tell; null from very old ones. */
MUST_USE int argparse_cluster_id(struct run *run, struct client *c, const struct cluster_args *args,
				 struct str *out, struct err *err);

#endif
