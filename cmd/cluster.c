/* cluster: the id of a cluster, its nodes, and forgetting one that is gone (kafka-cluster). */
#include "cmd/argparse.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "client/admin.h"

#include <stdlib.h>

struct cluster_tool_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *old_config;
	int64_t id;
	bool include_fenced;
};

#define AT(field) offsetof(struct cluster_tool_args, field)

#define OPTS_TOOL \
	OPTS_CLUSTER_EITHER('C', 'c'), OPTS_OUTPUT, \
	{ \
		"config", OPT_STRING, AT(old_config), .arg = "config file", .flags = OPT_OLD, \
						      .complete = COMPLETE_FILE, \
						      .help = "An old name of --command-config." \
	}

static int cluster_id_run(struct run *run, void *args);
static int cluster_unregister_run(struct run *run, void *args);
static int cluster_endpoints_run(struct run *run, void *args);

static const struct opt no_opts[] = {OPT_END};
static const struct opt id_opts[] = {OPTS_TOOL, OPT_END};
static const struct opt unregister_opts[] = {
	OPTS_TOOL,
	{"id", OPT_INT, AT(id), .arg = "broker id", .brief = 'i', .min = 0, .max = INT32_MAX,
	 .flags = OPT_REQUIRED, .help = "The broker that is gone for good."},
	OPT_END,
};
static const struct opt endpoints_opts[] = {
	OPTS_TOOL,
	{"include-fenced-brokers", OPT_FLAG, AT(include_fenced),
	 .help = "List brokers as well that are registered but do not take part."},
	OPT_END,
};

static const struct command cluster_id_command = {
	.name = "cluster-id",
	.also = "id",
	.dialect = ARGPARSE,
	.summary = "show the id of the cluster",
	.opts = id_opts,
	.args_size = sizeof(struct cluster_tool_args),
	.run = cluster_id_run,
	.refuse = argparse_refuse,
};
static const struct command cluster_endpoints_command = {
	.name = "list-endpoints",
	.dialect = ARGPARSE,
	.summary = "list the brokers, or the controllers, with their addresses",
	.opts = endpoints_opts,
	.args_size = sizeof(struct cluster_tool_args),
	.run = cluster_endpoints_run,
	.refuse = argparse_refuse,
};
static const struct command cluster_unregister_command = {
	.name = "unregister",
	.dialect = ARGPARSE,
	.summary = "forget a broker that will not come back",
	.opts = unregister_opts,
	.args_size = sizeof(struct cluster_tool_args),
	.run = cluster_unregister_run,
	.refuse = argparse_refuse,
};

static const struct command *const cluster_subs[] = {
	&cluster_id_command,
	&cluster_endpoints_command,
	&cluster_unregister_command,
	NULL,
};

const struct command cmd_cluster = {
	.name = "cluster",
	.alias = "kafka-cluster",
	.dialect = ARGPARSE,
	.summary = "show the id and the nodes of a cluster, or forget a broker",
	.opts = no_opts,
	.args_size = 1,
	.subs = cluster_subs,
	.refuse = argparse_refuse,
};

/* ---- What all begin with ------------------------------------------------------------------ */

/* Checks the options and connects. Returns false when the run has ended with *code. */
static bool cluster_open(struct run *run, struct cluster_tool_args *args,
			 struct connection *connection, enum output_format *format, int *code)
{
	static const char old[] = "Option --config has been deprecated and will be removed in a "
				  "future version. Use --command-config instead.";
	struct err err = {0};
	int rc = output_format(&args->output, format, &err);

	if (rc == 0)
		rc = argparse_server(run, &args->cluster, &err);
	if (rc == 0 && args->old_config && args->cluster.command_config)
		rc = notice_both(run, "config", "command-config", &err);
	if (rc < 0) {
		*code = argparse_usage(run, &err);
		return false;
	}
	if (args->old_config) {
		notice_old(run, "%s", old);
		args->cluster.command_config = args->old_config;
	}
	rc = connect_admin(connection, &args->cluster, &err);
	if (rc == 0)
		return true;
	*code = argparse_failure(run, &err);
	return false;
}

/* Forgets the connection; the exit code of what came of it. */
static int cluster_end(struct run *run, struct connection *connection, int rc,
		       const struct err *err)
{
	connect_close(connection);
	return rc < 0 ? argparse_failure(run, err) : EXIT_OK;
}

/* ---- cluster-id --------------------------------------------------------------------------- */

static void cluster_id_print(struct run *run, enum output_format format, struct str id)
{
	static const char *const titles[] = {"CLUSTER"};
	struct json_out j = {0};
	struct grid grid;

	if (format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "clusterId", id);
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (format == OUTPUT_TABLE) {
		grid_init(&grid, &run->arena, titles, ARRAY_LEN(titles));
		grid_add(&grid,
			 str_is_null(id) ? NULL : arena_strndup(&run->arena, id.data, id.len));
		grid_print(&grid);
	} else if (str_is_null(id)) {
		print_text("No cluster ID found. The Kafka version is probably too old.\n");
	} else {
		print_text("Cluster ID: %.*s\n", STR(id));
	}
}

static int cluster_id_run(struct run *run, void *data)
{
	struct cluster_tool_args *args = data;
	struct connection connection;
	enum output_format format;
	struct err err = {0};
	struct str id;
	int rc, code;

	if (!cluster_open(run, args, &connection, &format, &code))
		return code;
	rc = argparse_cluster_id(run, connection.client, &args->cluster, &id, &err);
	if (rc == 0)
		cluster_id_print(run, format, id);
	return cluster_end(run, &connection, rc, &err);
}

/* ---- list-endpoints ----------------------------------------------------------------------- */

static const char *endpoint_state(const struct describe_cluster_response_broker *b)
{
	return b->is_fenced ? "fenced" : "unfenced";
}

static int endpoint_cmp(const void *a, const void *b)
{
	const struct describe_cluster_response_broker *x = a, *y = b;

	return (x->broker_id > y->broker_id) - (x->broker_id < y->broker_id);
}

static void endpoints_text(const struct describe_cluster_response *r, bool is_controllers)
{
	int host_width = 0, rack_width = 10;

	for (int32_t i = 0; i < r->brokers_count; i++) {
		host_width = MAX(host_width, (int)r->brokers[i].host.len);
		rack_width = MAX(rack_width, (int)r->brokers[i].rack.len);
	}
	print_text("%-10s %-*s %-10s %-*s ", "ID", host_width, "HOST", "PORT", rack_width, "RACK");
	if (!is_controllers)
		print_text("%-10s ", "STATE");
	print_text("%-15s\n", "ENDPOINT_TYPE");
	for (int32_t i = 0; i < r->brokers_count; i++) {
		const struct describe_cluster_response_broker *b = &r->brokers[i];
		struct str rack = str_is_null(b->rack) ? str_of("null") : b->rack;

		print_text("%-10d %-*.*s %-10d %-*.*s ", b->broker_id, host_width, STR(b->host),
			   b->port, rack_width, STR(rack));
		if (!is_controllers)
			print_text("%-10s ", endpoint_state(b));
		print_text("%-15s\n", is_controllers ? "controller" : "broker");
	}
}

static void endpoints_json(const struct describe_cluster_response *r, bool is_controllers)
{
	for (int32_t i = 0; i < r->brokers_count; i++) {
		const struct describe_cluster_response_broker *b = &r->brokers[i];
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_int(&j, "id", b->broker_id);
		json_out_str(&j, "host", b->host);
		json_out_int(&j, "port", b->port);
		json_out_str(&j, "rack", b->rack);
		json_out_text(&j, "state", is_controllers ? NULL : endpoint_state(b));
		json_out_text(&j, "endpointType", is_controllers ? "controller" : "broker");
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

static void endpoints_table(struct run *run, const struct describe_cluster_response *r,
			    bool is_controllers)
{
	static const char *const titles[] = {">ID", "HOST", ">PORT", "RACK", "STATE", "TYPE"};
	struct arena *a = &run->arena;
	struct grid grid;

	grid_init(&grid, a, titles, ARRAY_LEN(titles));
	for (int32_t i = 0; i < r->brokers_count; i++) {
		const struct describe_cluster_response_broker *b = &r->brokers[i];

		grid_add(&grid, grid_int(&grid, b->broker_id),
			 arena_strndup(a, b->host.data, b->host.len), grid_int(&grid, b->port),
			 str_is_null(b->rack) ? NULL : arena_strndup(a, b->rack.data, b->rack.len),
			 is_controllers ? NULL : endpoint_state(b),
			 is_controllers ? "controller" : "broker");
		if (b->is_fenced)
			grid_tone(&grid, 4, TONE_YELLOW);
	}
	grid_print(&grid);
}

static int cluster_endpoints_run(struct run *run, void *data)
{
	struct cluster_tool_args *args = data;
	bool is_controllers = args->cluster.bootstrap_controller;
	struct describe_cluster_response *response;
	struct connection connection;
	enum output_format format;
	struct err err = {0};
	int rc, code;

	if (!cluster_open(run, args, &connection, &format, &code))
		return code;
	if (is_controllers && args->include_fenced)
		rc = err_set(&err, E_INVALID,
			     "The option --include-fenced-brokers is only "
			     "supported with --bootstrap-server option");
	else
		rc = argparse_describe(run, connection.client, &args->cluster, args->include_fenced,
				       &response, &err);
	if (rc == 0) {
		if (response->brokers_count > 0)
			qsort(response->brokers, (size_t)response->brokers_count,
			      sizeof(*response->brokers), endpoint_cmp);
		if (format == OUTPUT_JSON)
			endpoints_json(response, is_controllers);
		else if (format == OUTPUT_TABLE)
			endpoints_table(run, response, is_controllers);
		else
			endpoints_text(response, is_controllers);
	}
	return cluster_end(run, &connection, rc, &err);
}

/* ---- unregister --------------------------------------------------------------------------- */

static int unregister(struct run *run, struct client *c, const struct cluster_tool_args *args,
		      struct err *err)
{
	struct unregister_broker_request *request =
		WIRE_NEW(&run->arena, unregister_broker_request);
	struct unregister_broker_response *response;
	int rc;

	request->broker_id = (int32_t)args->id;
	rc = client_call(c, argparse_target(&args->cluster), API_UNREGISTER_BROKER, request,
			 &run->arena, (void **)&response, NULL, err);
	if (rc == 0 && response->error_code != KERR_NONE)
		rc = kafka_error_set(err, response->error_code, response->error_message);
	return rc;
}

static int cluster_unregister_run(struct run *run, void *data)
{
	struct cluster_tool_args *args = data;
	struct connection connection;
	enum output_format format;
	struct json_out j = {0};
	struct err err = {0};
	int rc, code;

	if (!cluster_open(run, args, &connection, &format, &code))
		return code;
	rc = unregister(run, connection.client, args, &err);
	if (rc == E_UNSUPPORTED && run->is_apache) {
		print_text("The target cluster does not support the broker unregistration API.\n");
		rc = 0;
	} else if (rc == 0 && format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_int(&j, "unregistered", args->id);
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (rc == 0) {
		output_say("Broker %d is no longer registered.\n", (int)args->id);
	}
	return cluster_end(run, &connection, rc, &err);
}
