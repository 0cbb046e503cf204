/* api-versions: which requests each broker takes, and in which versions
 * (kafka-broker-api-versions). */
#include "cmd/connect.h"
#include "cmd/print.h"

#include "client/admin.h"

#include <string.h>

static int api_versions_run(struct run *run, void *args);

struct api_versions_args {
	struct cluster_args cluster;
};

#define AT(field) offsetof(struct api_versions_args, field)

static const struct opt api_versions_opts[] = {OPTS_CLUSTER, OPT_END};

const struct command cmd_api_versions = {
	.name = "api-versions", .alias = "kafka-broker-api-versions", .dialect = JOPT,
	.summary = "show the requests that brokers understand",
	.intro = "This tool helps to retrieve broker version information.",
	.opts = api_versions_opts, .args_size = sizeof(struct api_versions_args),
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

static void print_known(const struct api *api, const struct api_versions_response_api_version *v)
{
	print_text("\t%s(%d): ", api->name, api->key);
	if (!v) {
		print_text("UNSUPPORTED");
		return;
	}
	if (v->min_version == v->max_version)
		print_text("%d", v->min_version);
	else
		print_text("%d to %d", v->min_version, v->max_version);
	if (v->min_version > api_max_stable(api))
		print_text(" [unusable: node too new]");
	else if (v->max_version < api->min_version)
		print_text(" [unusable: node too old]");
	else
		print_text(" [usable: %d]", MIN(v->max_version, api_max_stable(api)));
}

/* Ascending keys: ours that clients use, and what only the broker knows. */
static void print_versions(const struct api_versions_response *r)
{
	bool first = true;

	for (int key = 0; key <= INT16_MAX; key++) {
		const struct api *api = api_by_key(key);
		const struct api_versions_response_api_version *v = version_of(r, (int16_t)key);

		if (api && !v && !(api->listeners & LISTENER_BROKER))
			continue;
		if (!api && !v)
			continue;
		if (!first)
			print_text(",\n");
		first = false;
		if (api)
			print_known(api, v);
		else
			print_text("\tUNKNOWN(%d): %d to %d", key, v->min_version, v->max_version);
	}
	print_byte('\n');
}

static int api_versions_print(struct run *run, struct client *c, struct err *err)
{
	struct metadata_response *metadata;
	int rc = admin_metadata(c, NULL, 0, &run->arena, &metadata, err);

	for (int32_t i = 0; rc == 0 && i < metadata->brokers_count; i++) {
		const struct metadata_response_broker *b = &metadata->brokers[i];
		struct api_versions_response *response;
		struct err why = {0};

		print_text("%.*s:%d (id: %d rack: %.*s isFenced: false) -> ", STR(b->host), b->port,
			   b->node_id, str_is_null(b->rack) ? 4 : (int)b->rack.len,
			   str_is_null(b->rack) ? "null" : b->rack.data);
		if (client_api_versions(c, b->node_id, &run->arena, &response, &why) < 0) {
			print_text("ERROR: %s\n", err_message(&why));
			continue;
		}
		print_text("(\n");
		print_versions(response);
		print_text(")\n");
	}
	return rc;
}

static int api_versions_run(struct run *run, void *data)
{
	struct api_versions_args *args = data;
	struct connection connection;
	struct err err = {0};
	int rc;

	if (!connect_has_server(run)) {
		rc = opt_require(run, "bootstrap-server", &err);
		return rc < 0 ? help_usage(run, &err) : EXIT_FAILED;
	}
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return help_failure(run, &err);
	rc = api_versions_print(run, connection.client, &err);
	connect_close(&connection);
	return rc < 0 ? help_failure(run, &err) : EXIT_OK;
}
