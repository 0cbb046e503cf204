/* A new lab: which nodes, at which ports, with what in their files. */
#include "cmd/lab/lab_int.h"

#include "base/env.h"
#include "base/props.h"
#include "base/rng.h"
#include "base/uuid.h"
#include "config/config.h"
#include "metadata/storage_format.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The ports that every course begins with; if they are taken, the hundreds behind. */
#define CLIENT_PORT_FIRST 9092
#define CLIENT_PORT_STEP 100
#define CLIENT_PORT_TRIES 50
/* The others are below what systems hand out for outgoing connections. */
#define PORT_LOW 20000
#define PORT_HIGH 30000
#define PORT_TRIES 20000
#define FILE_BYTES_MAX (1 << 20)

/* ---- Ports -------------------------------------------------------------------------------- */

static bool port_is_free(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	bool is_free;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	is_free = fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		  listen(fd, 1) == 0;
	if (fd >= 0)
		close(fd);
	return is_free;
}

static bool port_is_ours(const struct lab *lab, int port)
{
	for (unsigned i = 0; i < lab->node_count; i++)
		for (int d = 0; d < DOOR_COUNT; d++)
			if (lab->nodes[i].doors[d].port == port ||
			    lab->nodes[i].doors[d].node_port == port)
				return true;
	return false;
}

/* A free port that nobody is told but machines. 0: there is none. */
static int port_any(const struct lab *lab)
{
	uint8_t random[2];
	int port;

	rng_system(random, sizeof(random));
	port = PORT_LOW + (random[0] << 8 | random[1]) % (PORT_HIGH - PORT_LOW);
	for (int i = 0; i < PORT_TRIES; i++) {
		if (!port_is_ours(lab, port) && port_is_free(port))
			return port;
		port = port + 1 < PORT_HIGH ? port + 1 : PORT_LOW;
	}
	return 0;
}

static bool ports_are_free(int first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (first + (int)i > 65535 || !port_is_free(first + (int)i))
			return false;
	return true;
}

/* The first of `count` ports in a row for clients; 0: any. */
static int port_first(const struct lab_args *args, unsigned count, int *out, struct err *err)
{
	*out = (int)args->port;
	if (args->port == 0)
		return 0;
	if (args->port > 0)
		return ports_are_free(*out, count)
			       ? 0
			       : err_set(err, -EADDRINUSE,
					 "of the %u ports from %d on some are taken (--port says "
					 "others, --port 0 takes any)",
					 count, *out);
	for (int i = 0; i < CLIENT_PORT_TRIES; i++) {
		*out = CLIENT_PORT_FIRST + i * CLIENT_PORT_STEP;
		if (ports_are_free(*out, count))
			return 0;
	}
	*out = 0;
	return 0;
}

static int door_choose(const struct lab *lab, struct lab_door *door, int port, bool is_direct,
		       struct err *err)
{
	door->port = port ? port : port_any(lab);
	door->node_port = is_direct ? door->port : port_any(lab);
	if (!door->port || !door->node_port)
		return err_set(err, -EADDRINUSE, "no free ports between %d and %d", PORT_LOW,
			       PORT_HIGH);
	return 0;
}

static int node_choose_ports(const struct lab *lab, struct lab_node *node, int client_port,
			     bool is_direct, struct err *err)
{
	int rc = 0;

	if (node->is_broker)
		rc = door_choose(lab, &node->doors[DOOR_CLIENT], client_port, is_direct, err);
	if (rc == 0 && node->is_broker)
		rc = door_choose(lab, &node->doors[DOOR_INTERNAL], 0, false, err);
	if (rc == 0 && node->is_controller)
		rc = door_choose(lab, &node->doors[DOOR_CONTROLLER], 0, false, err);
	return rc;
}

/* ---- The file of a node ------------------------------------------------------------------- */

static const char *node_listeners(const struct lab *lab, const struct lab_node *node, bool is_told)
{
	static const char *const names[DOOR_COUNT] = {[DOOR_CLIENT] = "PLAINTEXT",
						      [DOOR_INTERNAL] = "INTERNAL",
						      [DOOR_CONTROLLER] = "CONTROLLER"};
	const char *text = "";

	for (int d = 0; d < DOOR_COUNT; d++) {
		const struct lab_door *door = &node->doors[d];

		if (door->port)
			text = arena_printf(lab->arena, "%s%s%s://" LAB_HOST ":%d", text,
					    *text ? "," : "", names[d],
					    is_told ? door->port : door->node_port);
	}
	return text;
}

static const char *lab_controllers(const struct lab *lab)
{
	const char *text = "";

	for (unsigned i = 0; i < lab->node_count; i++)
		if (lab->nodes[i].is_controller)
			text = arena_printf(lab->arena, "%s%s" LAB_HOST ":%d", text,
					    *text ? "," : "",
					    lab->nodes[i].doors[DOOR_CONTROLLER].port);
	return text;
}

static unsigned lab_broker_count(const struct lab *lab)
{
	unsigned count = 0;

	for (unsigned i = 0; i < lab->node_count; i++)
		count += lab->nodes[i].is_broker;
	return count;
}

/* What the defaults are too slow for, where somebody is watching: a node that is gone is noticed
 * within one to two seconds. */
static const char *const fast_configs[] = {
	"controller.quorum.election.timeout.ms=200",
	"controller.quorum.election.backoff.max.ms=200",
	"controller.quorum.fetch.timeout.ms=1000",
	"controller.quorum.request.timeout.ms=1000",
	"broker.heartbeat.interval.ms=200",
	"broker.session.timeout.ms=1000",
	"replica.lag.time.max.ms=2000",
	"replica.fetch.backoff.ms=100",
	"replica.socket.timeout.ms=2000",
	"leader.imbalance.check.interval.seconds=5",
	"group.initial.rebalance.delay.ms=0",
};

static void node_props(const struct lab *lab, const struct lab_node *node, struct props *p)
{
	unsigned count = lab_broker_count(lab), copies = MIN(count, 3u), least = MIN(copies, 2u);
	struct arena *a = lab->arena;

	props_set(p, "node.id", arena_printf(a, "%d", node->id));
	props_set(p, "process.roles", lab_roles(node));
	props_set(p, "listeners", node_listeners(lab, node, false));
	props_set(p, "advertised.listeners", node_listeners(lab, node, true));
	props_set(p, "listener.security.protocol.map",
		  "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT");
	if (node->is_broker)
		props_set(p, "inter.broker.listener.name", "INTERNAL");
	props_set(p, "controller.listener.names", "CONTROLLER");
	props_set(p, "controller.quorum.bootstrap.servers", lab_controllers(lab));
	props_set(p, "log.dirs", lab_node_path(lab, node->id, "data"));
	if (node->rack)
		props_set(p, "broker.rack", node->rack);
	props_set(p, "default.replication.factor", arena_printf(a, "%u", copies));
	props_set(p, "offsets.topic.replication.factor", arena_printf(a, "%u", copies));
	props_set(p, "offsets.topic.num.partitions", "5");
	props_set(p, "transaction.state.log.replication.factor", arena_printf(a, "%u", copies));
	props_set(p, "transaction.state.log.min.isr", arena_printf(a, "%u", least));
	props_set(p, "transaction.state.log.num.partitions", "5");
	props_set(p, "share.coordinator.state.topic.replication.factor",
		  arena_printf(a, "%u", copies));
	props_set(p, "share.coordinator.state.topic.min.isr", arena_printf(a, "%u", least));
	props_set(p, "share.coordinator.state.topic.num.partitions", "5");
	for (unsigned i = 0; i < ARRAY_LEN(fast_configs); i++) {
		int rc = props_set_pair(p, fast_configs[i], NULL);

		assert(rc == 0);
	}
}

static int node_write(const struct lab *lab, const struct lab_node *node, struct err *err)
{
	const char *path = lab_node_path(lab, node->id, "server.properties");
	struct props p;
	struct out text;
	struct env env;
	int rc = 0;

	env_posix_init(&env);
	props_init(&p);
	out_init(&text, FILE_BYTES_MAX);
	node_props(lab, node, &p);
	for (unsigned i = 0; i < lab->config_count && rc == 0; i++)
		rc = props_set_pair(&p, lab->configs[i], err);
	out_printf(&text, "# Node %d of the lab %s. `kavka lab restart` reads changes.\n", node->id,
		   lab->name);
	for (size_t i = 0; i < p.count; i++) {
		out_printf(&text, "%s=", p.items[i].key);
		lab_write_value(&text, p.items[i].value);
	}
	if (rc == 0) {
		rc = env_write_file(&env, path, text.data, text.len);
		if (rc < 0)
			err_sys(err, rc, "%s", path);
	}
	out_fini(&text);
	props_fini(&p);
	return rc;
}

/* ---- Formatting --------------------------------------------------------------------------- */

/* The node says it itself, in its log. */
static void warn_nobody(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

/* `voters`: "1@host:port:directory-id,..."; the one of this node becomes its directory's id. */
static int node_format(const struct lab *lab, const struct lab_node *node, const char *voters,
		       const char *release, struct err *err)
{
	const char *path = lab_node_path(lab, node->id, "server.properties");
	struct config_load_options load = {.path = path, .warn = warn_nobody};
	struct config *config;
	struct env env;
	int rc = config_load(&config, &load, err);

	if (rc == 0) {
		struct storage_format_options options = {
			.release_version = release,
			.config = config,
			.cluster_id = lab->cluster_id,
			.initial_controllers = node->is_controller ? voters : NULL};

		env_posix_init(&env);
		rc = storage_format(&env, &options, err);
		config_unref(config);
	}
	return rc < 0 ? err_add(err, rc, "node %d", node->id) : 0;
}

static const char *lab_voters(const struct lab *lab)
{
	char id[UUID_TEXT_LEN + 1];
	const char *text = "";

	for (unsigned i = 0; i < lab->node_count; i++) {
		const struct lab_node *node = &lab->nodes[i];

		if (node->is_controller)
			text = arena_printf(lab->arena, "%s%s%d@" LAB_HOST ":%d:%s", text,
					    *text ? "," : "", node->id,
					    node->doors[DOOR_CONTROLLER].port,
					    uuid_format(uuid_random(), id));
	}
	return text;
}

static int node_make(const struct lab *lab, const struct lab_node *node, const char *voters,
		     const char *release, struct err *err)
{
	int rc = lab_make_dir(lab_node_path(lab, node->id, "data"), err);

	if (rc == 0)
		rc = node_write(lab, node, err);
	return rc < 0 ? rc : node_format(lab, node, voters, release, err);
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static struct lab_node *node_add(struct lab *lab, bool is_broker, bool is_controller)
{
	struct lab_node *node = &lab->nodes[lab->node_count];
	int id = 1;

	while (lab_node(lab, id))
		id++;
	*node = (struct lab_node){.id = id, .is_broker = is_broker, .is_controller = is_controller};
	lab->node_count++;
	return node;
}

/* The rack at `index` of "a,b,c", round and round. */
static const char *rack_at(const struct lab *lab, const char *racks, unsigned index)
{
	unsigned count = 1;
	const char *at = racks;

	if (!racks || !*racks)
		return NULL;
	for (const char *p = racks; *p; p++)
		count += *p == ',';
	for (index %= count; index > 0; index--)
		at = strchr(at, ',') + 1;
	return arena_strndup(lab->arena, at, strcspn(at, ","));
}

static int configs_check(const struct lab_args *args, struct err *err)
{
	/* Those that hold the lab together. */
	static const char own[] = "node.id process.roles listeners advertised.listeners log.dirs "
				  "log.dir metadata.log.dir controller.quorum.bootstrap.servers "
				  "controller.quorum.voters controller.listener.names "
				  "inter.broker.listener.name";

	for (unsigned i = 0; i < args->configs.count; i++) {
		const char *text = args->configs.items[i];
		size_t len = strcspn(text, "=");

		if (!text[len] || len == 0)
			return err_set(err, E_USAGE, "--config %s: want key=value", text);
		if (word_in(own, text, len))
			return err_set(err, E_USAGE, "--config %s: the lab sets %.*s itself", text,
				       (int)len, text);
		if (!config_def_find(CONFIG_RESOURCE_BROKER, (struct str){text, len}))
			return err_set(err, E_USAGE,
				       "--config %s: there is no config %.*s of brokers", text,
				       (int)len, text);
	}
	return 0;
}

int setup_apache(struct lab *lab, const struct lab_args *args, uint64_t nodes, struct err *err)
{
	const char *dir = args->apache ? lab_absolute(lab->arena, args->apache) : NULL, *start;

	if (dir) {
		start = arena_printf(lab->arena, "%s/" APACHE_START, dir);
		if (access(start, X_OK) < 0)
			return err_sys(err, -errno, "--apache: %s", start);
	}
	for (unsigned i = 0; i < lab->node_count; i++)
		if (nodes & END_BIT(lab->nodes[i].id) && (dir || args->kavka))
			lab->nodes[i].apache = dir;
	return 0;
}

/* The nodes of --apache-nodes, or all. */
static int apache_choose(struct lab *lab, const struct lab_args *args, struct err *err)
{
	uint64_t nodes = args->apache_nodes ? 0 : lab_node_mask(lab);
	int rc = 0;

	if (args->apache_nodes)
		rc = ends_parse(&nodes, args->apache_nodes, lab_node_mask(lab), err);
	if (rc < 0)
		return err_add(err, rc, "--apache-nodes");
	return setup_apache(lab, args, nodes, err);
}

/* Makes the nodes from `first` on, all or none. */
static int nodes_make(const struct lab *lab, unsigned first, const char *release, struct err *err)
{
	const char *voters = lab_voters(lab);
	int rc = 0;

	for (unsigned i = first; i < lab->node_count; i++) {
		const char *dir = lab_node_path(lab, lab->nodes[i].id, "data");

		if (access(dir, F_OK) == 0)
			return err_set(err, E_EXISTS, "%s is there already, of no lab: delete it",
				       dir);
	}
	for (unsigned i = first; i < lab->node_count && rc == 0; i++)
		rc = node_make(lab, &lab->nodes[i], voters, release, err);
	if (rc == 0)
		rc = lab_save(lab, err);
	for (unsigned i = first; i < lab->node_count && rc < 0; i++)
		(void)!lab_remove_node(lab, lab->nodes[i].id, NULL);
	return rc;
}

int setup_lab(struct lab *lab, const struct lab_args *args, struct err *err)
{
	unsigned brokers = (unsigned)args->brokers, controllers = (unsigned)args->controllers;
	int port, rc = configs_check(args, err);
	char id[UUID_TEXT_LEN + 1];

	if (rc == 0 && brokers + controllers >= LAB_ENDS_MAX)
		rc = err_set(err, E_USAGE, "%u nodes: %d at most", brokers + controllers,
			     LAB_ENDS_MAX - 1);
	if (rc == 0)
		rc = port_first(args, brokers, &port, err);
	if (rc < 0)
		return rc;
	lab->configs = args->configs.items;
	lab->config_count = args->configs.count;
	lab->cluster_id = arena_strdup(lab->arena, uuid_format(uuid_random(), id));
	for (unsigned i = 0; i < brokers + controllers && rc == 0; i++) {
		bool is_broker = i < brokers;
		struct lab_node *node = node_add(lab, is_broker, !is_broker || controllers == 0);

		node->rack = is_broker ? rack_at(lab, args->racks, i) : NULL;
		rc = node_choose_ports(lab, node, port && is_broker ? port + (int)i : 0,
				       args->direct, err);
	}
	if (rc == 0)
		rc = apache_choose(lab, args, err);
	return rc < 0 ? rc : nodes_make(lab, 0, args->release_version, err);
}

int setup_more(struct lab *lab, const struct lab_args *args, struct err *err)
{
	const struct lab_door *door = &lab->nodes[0].doors[DOOR_CLIENT];
	bool is_direct = door->port == door->node_port;
	unsigned first = lab->node_count;
	int rc = 0, port = 0;

	if (lab->node_count + args->brokers >= LAB_ENDS_MAX)
		return err_set(err, E_USAGE, "%u nodes: %d at most",
			       lab->node_count + (unsigned)args->brokers, LAB_ENDS_MAX - 1);
	for (unsigned i = 0; i < lab->node_count; i++)
		port = MAX(port, lab->nodes[i].doors[DOOR_CLIENT].port);
	for (unsigned i = 0; i < (unsigned)args->brokers && rc == 0; i++) {
		struct lab_node *node = node_add(lab, true, false);

		port++;
		node->rack = rack_at(lab, args->rack, i);
		rc = node_choose_ports(lab, node, port_is_free(port) ? port : 0, is_direct, err);
	}
	return rc < 0 ? rc : nodes_make(lab, first, NULL, err);
}
