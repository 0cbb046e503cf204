/* From the options that all commands share to a client. The server is, in this order: the option,
 * bootstrap.servers of the config file, $KAVKA_BOOTSTRAP_SERVERS, localhost:9092; under Apache's
 * names the option or the variable must be there. Nothing connects before the first request. */
#ifndef KAVKA_CMD_CONNECT_H
#define KAVKA_CMD_CONNECT_H

#include "cmd/command.h"

#include "client/client.h"

#define BOOTSTRAP_DEFAULT "localhost:9092"
#define BOOTSTRAP_VARIABLE "KAVKA_BOOTSTRAP_SERVERS"
#define BOOTSTRAP_HELP                                                                           \
	"The brokers to begin with: host:port, separated by commas; without it "                  \
	"$KAVKA_BOOTSTRAP_SERVERS, else localhost:9092."

struct cluster_args {
	const char *bootstrap_server;
	const char *command_config;
};

/* The shared rows of a table whose AT() knows a field `cluster`. */
#define OPTS_CLUSTER \
	{"bootstrap-server", OPT_STRING, AT(cluster.bootstrap_server), \
	 .arg = "server to connect to", .brief = 'b', .old = "broker-list", \
	 .help = BOOTSTRAP_HELP}, \
	{"command-config", OPT_STRING, AT(cluster.command_config), .arg = "config file", \
	 .complete = COMPLETE_FILE, .help = "A properties file with configs of the client."}

/* The option that every course of the last decade begins with. */
#define OPTS_ZOOKEEPER                                                                            \
	{"zookeeper", OPT_GONE, 0,                                                                \
	 .help = "ask a broker instead, --bootstrap-server localhost:9092."}

struct connection {
	struct client_config *config;
	struct client *client;
};

/* Is a server named by option, file or environment? Apache's tools insist on it. */
bool connect_has_server(const struct run *run);

/* A config with the file and the bootstrap servers put in; the caller adds to it before
 * connect_open(). NULL with `err` set. */
struct client_config *connect_config(const struct cluster_args *args, enum client_role role,
				     struct err *err);
/* Takes `config` (also when it fails). `name`: the client.id unless the config has one. */
MUST_USE int connect_open(struct connection *out, struct client_config *config, const char *name,
			  struct err *err);
/* Both in one, for the admin tools. */
MUST_USE int connect_admin(struct connection *out, const struct cluster_args *args,
			   struct err *err);
void connect_close(struct connection *c);

/* For the TAB key: offers the cluster's topics or groups; silent if that takes too long. */
void connect_complete(enum complete what, const char *bootstrap, const char *config_path,
		      void (*offer)(void *ctx, const char *word, const char *text), void *ctx);

/* Apache's check of addresses: "" and entries without a port. 0 or E_USAGE with its text. */
MUST_USE int connect_check_bootstrap(const char *servers, struct err *err);

#endif
