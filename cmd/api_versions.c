/* api-versions: which requests each broker takes, and in which versions
 * (kafka-broker-api-versions). */
#include "cmd/connect.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "client/admin.h"

#include <string.h>

static int api_versions_run(struct run *run, void *args);

struct api_versions_args {
	struct cluster_args cluster;
	struct output_args output;
};

#define AT(field) offsetof(struct api_versions_args, field)

static const struct opt api_versions_opts[] = {OPTS_CLUSTER, OPTS_OUTPUT, OPT_END};

const struct command cmd_api_versions = {
	.name = "api-versions",
	.alias = "kafka-broker-api-versions",
	.dialect = JOPT,
	.summary = "show the requests that brokers understand",
	.intro = "This tool helps to retrieve broker version information.",
	.opts = api_versions_opts,
	.args_size = sizeof(struct api_versions_args),
	.run = api_versions_run,
};

static const struct api_versions_response_api_version *
version_of(const struct api_versions_response *r, int16_t key)
{
	for (int32_t i = 0; i < r->api_keys_count; i++) {
		if (r->api_keys[i].api_key == key)
			return &r->api_keys[i];
	}
	return NULL;
}

/* What of an API this client can use with a broker: a version, or why none. */
struct usable {
	int version;     /* -1: none */
	const char *why; /* NULL unless -1 */
};

static struct usable usable_version(const struct api *api,
				    const struct api_versions_response_api_version *v)
{
	if (v->min_version > api_max_stable(api))
		return (struct usable){-1, "node too new"};
	if (v->max_version < api->min_version)
		return (struct usable){-1, "node too old"};
	return (struct usable){MIN(v->max_version, api_max_stable(api)), NULL};
}

static void print_known(const struct api *api, const struct api_versions_response_api_version *v)
{
	struct usable usable;

	print_text("\t%s(%d): ", api->name, api->key);
	if (!v) {
		print_text("UNSUPPORTED");
		return;
	}
	if (v->min_version == v->max_version)
		print_text("%d", v->min_version);
	else
		print_text("%d to %d", v->min_version, v->max_version);
	usable = usable_version(api, v);
	if (usable.version < 0)
		print_text(" [unusable: %s]", usable.why);
	else
		print_text(" [usable: %d]", usable.version);
}

/* Calls `each` by ascending keys: for APIs of ours that clients use (`v` NULL where the broker
 * lacks it), and for what only the broker knows (`api` NULL). */
static void each_api(const struct api_versions_response *r,
		     void (*each)(void *ctx, const struct api *api,
				  const struct api_versions_response_api_version *v),
		     void *ctx)
{
	for (int key = 0; key <= INT16_MAX; key++) {
		const struct api *api = api_by_key(key);
		const struct api_versions_response_api_version *v = version_of(r, (int16_t)key);

		if (v || (api && (api->listeners & LISTENER_BROKER)))
			each(ctx, api, v);
	}
}

/* ---- Text --------------------------------------------------------------------------------- */

static void text_api(void *ctx, const struct api *api,
		     const struct api_versions_response_api_version *v)
{
	bool *has_before = ctx;

	if (*has_before)
		print_text(",\n");
	*has_before = true;
	if (api)
		print_known(api, v);
	else if (v->min_version == v->max_version)
		print_text("\tUNKNOWN(%d): %d", v->api_key, v->min_version);
	else
		print_text("\tUNKNOWN(%d): %d to %d", v->api_key, v->min_version, v->max_version);
}

static void text_broker(const struct metadata_response_broker *b,
			const struct api_versions_response *r, const struct err *failed)
{
	bool has_before = false;

	print_text("%.*s:%d (id: %d rack: %.*s isFenced: false) -> ", STR(b->host), b->port,
		   b->node_id, str_is_null(b->rack) ? 4 : (int)b->rack.len,
		   str_is_null(b->rack) ? "null" : b->rack.data);
	if (!r) {
		print_text("ERROR: %s\n", err_message(failed));
		return;
	}
	print_text("(\n");
	each_api(r, text_api, &has_before);
	print_text("\n)\n");
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void json_api(void *ctx, const struct api *api,
		     const struct api_versions_response_api_version *v)
{
	struct json_out *j = ctx;

	json_out_open(j, NULL, '{');
	json_out_int(j, "key", api ? api->key : v->api_key);
	json_out_text(j, "name", api ? api->name : NULL);
	if (v) {
		json_out_int(j, "minVersion", v->min_version);
		json_out_int(j, "maxVersion", v->max_version);
	} else {
		json_out_null(j, "minVersion");
		json_out_null(j, "maxVersion");
	}
	if (api && v && usable_version(api, v).version >= 0)
		json_out_int(j, "usableVersion", usable_version(api, v).version);
	else
		json_out_null(j, "usableVersion");
	json_out_close(j, '}');
}

static void json_broker(const struct metadata_response_broker *b,
			const struct api_versions_response *r, const struct err *failed)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_int(&j, "broker", b->node_id);
	json_out_str(&j, "host", b->host);
	json_out_int(&j, "port", b->port);
	json_out_str(&j, "rack", b->rack);
	json_out_text(&j, "error", r ? NULL : err_message(failed));
	json_out_open(&j, "apis", '[');
	if (r)
		each_api(r, json_api, &j);
	json_out_close(&j, ']');
	json_out_close(&j, '}');
	print_byte('\n');
}

/* ---- Table -------------------------------------------------------------------------------- */

struct versions_table {
	struct grid grid;
	const struct metadata_response_broker *broker;
};

static void table_api(void *ctx, const struct api *api,
		      const struct api_versions_response_api_version *v)
{
	struct versions_table *t = ctx;
	bool is_usable = api && v && usable_version(api, v).version >= 0;

	grid_add(&t->grid, grid_int(&t->grid, t->broker->node_id),
		 grid_int(&t->grid, api ? api->key : v->api_key), api ? api->name : "?",
		 v ? grid_int(&t->grid, v->min_version) : NULL,
		 v ? grid_int(&t->grid, v->max_version) : NULL,
		 is_usable ? grid_int(&t->grid, usable_version(api, v).version) : NULL);
}

/* ---- The run ------------------------------------------------------------------------------ */

/* Returns an exit code, or an error. */
static int api_versions_print(struct run *run, struct client *c, enum output_format format,
			      struct err *err)
{
	static const char *const titles[] = {">BROKER", ">KEY", "API", ">MIN", ">MAX", ">USABLE"};
	struct metadata_response *metadata;
	struct versions_table table;
	int rc = admin_metadata(c, NULL, 0, &run->arena, &metadata, err), failed = 0;

	if (rc < 0)
		return rc;
	grid_init(&table.grid, &run->arena, titles, ARRAY_LEN(titles));
	for (int32_t i = 0; i < metadata->brokers_count; i++) {
		const struct metadata_response_broker *b = &metadata->brokers[i];
		struct api_versions_response *response = NULL;
		struct err why = {0};

		if (client_api_versions(c, b->node_id, &run->arena, &response, &why) < 0) {
			response = NULL;
			failed++;
		}
		if (format == OUTPUT_JSON) {
			json_broker(b, response, &why);
		} else if (format == OUTPUT_TEXT) {
			text_broker(b, response, &why);
		} else if (response) {
			table.broker = b;
			each_api(response, table_api, &table);
		} else {
			print_error("%s: broker %d: %s\n", run->name, b->node_id,
				    err_message(&why));
		}
	}
	if (format == OUTPUT_TABLE)
		grid_print(&table.grid);
	if (failed == 0 || run->is_apache)
		return EXIT_OK;
	return failed < metadata->brokers_count ? EXIT_PARTIAL : EXIT_UNREACHABLE;
}

static int api_versions_failure(const struct run *run, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, text);

	if (!run->is_apache)
		return help_failure(run, err);
	print_error("%s%s%s\n", exception ? exception : "", exception ? ": " : "",
		    err_message(err));
	return EXIT_FAILED;
}

static int api_versions_run(struct run *run, void *data)
{
	struct api_versions_args *args = data;
	struct connection connection;
	enum output_format format;
	struct err err = {0};
	int rc = output_format(&args->output, &format, &err);

	if (rc == 0 && !connect_has_server(run))
		rc = opt_require(run, "bootstrap-server", &err);
	if (rc < 0)
		return help_usage(run, &err);
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return api_versions_failure(run, &err);
	rc = api_versions_print(run, connection.client, format, &err);
	connect_close(&connection);
	return rc < 0 ? api_versions_failure(run, &err) : rc;
}
