/* From the options that all commands share to a client. The server is, in this order: the option
 * --bootstrap-server, bootstrap.servers of the config file, that of the profile named by --profile,
 * $KAVKA_BOOTSTRAP_SERVERS, the profile named by $KAVKA_PROFILE or the current one (profile.h),
 * localhost:9092; under Apache's names one of them must be there. Nothing connects before the first
 * request.
 *
 * The other keys of a profile go with its servers: the credentials of one cluster are not sent to
 * another. Only a profile named by --profile counts also when the servers are named elsewhere. The
 * config file wins over the profile, key by key. */
#ifndef KAVKA_CMD_CONNECT_H
#define KAVKA_CMD_CONNECT_H

#include "cmd/command.h"

#include "client/client.h"

#define BOOTSTRAP_DEFAULT "localhost:9092"
#define BOOTSTRAP_VARIABLE "KAVKA_BOOTSTRAP_SERVERS"
#define BOOTSTRAP_HELP                                                                           \
	"The brokers to begin with: host:port, separated by commas; without it "                  \
	"$KAVKA_BOOTSTRAP_SERVERS, else the current profile, else localhost:9092."

struct cluster_args {
	const char *bootstrap_server;
	const char *bootstrap_controller; /* instead of it, where a command has that option */
	const char *command_config;
	/* command_config is a node's own file: keys that are not for clients are its. */
	bool is_node_config;
	const char *profile;
};

/* The shared rows of a table whose AT() knows a field `cluster`. */
#define OPTS_CLUSTER \
	{"bootstrap-server", OPT_STRING, AT(cluster.bootstrap_server), \
	 .arg = "server to connect to", .brief = 'b', .old = "broker-list", \
	 .help = BOOTSTRAP_HELP}, \
	{"command-config", OPT_STRING, AT(cluster.command_config), .arg = "config file", \
	 .complete = COMPLETE_FILE, .help = "A properties file with configs of the client."}, \
	{"profile", OPT_STRING, AT(cluster.profile), .arg = "name", .flags = OPT_OWN, \
	 .complete = COMPLETE_PROFILE, \
	 .help = "The cluster of this profile (see kavka help profile)."}

/* The same for commands whose --broker-list is a list of brokers' ids. */
#define OPTS_CLUSTER_IDS \
	{"bootstrap-server", OPT_STRING, AT(cluster.bootstrap_server), \
	 .arg = "server to connect to", .brief = 'b', .help = BOOTSTRAP_HELP}, \
	{"command-config", OPT_STRING, AT(cluster.command_config), .arg = "config file", \
	 .complete = COMPLETE_FILE, .help = "A properties file with configs of the client."}, \
	{"profile", OPT_STRING, AT(cluster.profile), .arg = "name", .flags = OPT_OWN, \
	 .complete = COMPLETE_PROFILE, \
	 .help = "The cluster of this profile (see kavka help profile)."}

/* The option that every course of the last decade begins with. */
#define OPTS_ZOOKEEPER                                                                            \
	{"zookeeper", OPT_GONE, 0,                                                                \
	 .help = "ask a broker instead, --bootstrap-server localhost:9092."}

struct connection {
	struct client_config *config;
	struct client *client;
};

/* Is a server named by option, environment or profile? Apache's tools insist on it. */
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

/* A setting that is not of Kafka's clients, such as schema.registry.url: from the config file, else
 * from the profile in effect. NULL: there is none, or it cannot be read. */
const char *connect_setting(const struct cluster_args *args, const char *key, struct arena *a);

/* For the TAB key: offers the cluster's topics or groups; silent if that takes too long. */
void connect_complete(enum complete what, const struct cluster_args *args,
		      void (*offer)(void *ctx, const char *word, const char *text), void *ctx);

/* Apache's check of addresses: "" and entries without a port. 0 or E_USAGE with its text. */
MUST_USE int connect_check_bootstrap(const char *servers, struct err *err);

#endif
