#include "cmd/connect.h"

#include "base/mem.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

#define COMPLETE_TIMEOUT_MS "800"

static const char *connect_bootstrap(const struct cluster_args *args,
				     const struct client_config *config)
{
	const char *variable = getenv(BOOTSTRAP_VARIABLE);

	if (args->bootstrap_server)
		return args->bootstrap_server;
	if (client_config_is_set(config, CC_BOOTSTRAP_SERVERS))
		return NULL;	/* the file's stays */
	return variable && *variable ? variable : BOOTSTRAP_DEFAULT;
}

bool connect_has_server(const struct run *run)
{
	const char *variable = getenv(BOOTSTRAP_VARIABLE);

	return !run->is_apache || opt_given(run, "bootstrap-server") || (variable && *variable);
}

struct client_config *connect_config(const struct cluster_args *args, enum client_role role,
				     struct err *err)
{
	struct client_config *config = client_config_new(role);
	const char *servers;
	int rc = 0;

	if (args->command_config)
		rc = client_config_read(config, args->command_config, err);
	servers = rc == 0 ? connect_bootstrap(args, config) : NULL;
	if (servers)
		rc = client_config_set(config, "bootstrap.servers", servers, err);
	if (rc == 0)
		return config;
	client_config_free(config);
	return NULL;
}

int connect_open(struct connection *out, struct client_config *config, const char *name,
		 struct err *err)
{
	struct client_options options = {.name = name};
	int rc = client_new(&out->client, config, &options, err);

	if (rc < 0) {
		client_config_free(config);
		*out = (struct connection){0};
		return rc;
	}
	out->config = config;
	return 0;
}

int connect_admin(struct connection *out, const struct cluster_args *args, struct err *err)
{
	struct client_config *config = connect_config(args, CLIENT_ADMIN, err);

	*out = (struct connection){0};
	if (!config)
		return err->code;
	return connect_open(out, config, NULL, err);
}

void connect_close(struct connection *c)
{
	client_free(c->client);
	client_config_free(c->config);
	*c = (struct connection){0};
}

int connect_check_bootstrap(const char *servers, struct err *err)
{
	if (!servers || servers[strspn(servers, " ,")] == '\0')
		return err_set(err, E_USAGE, "Error while validating the bootstrap address\n");
	while (*servers) {
		size_t len = strcspn(servers, ",");
		size_t digits = 0;

		while (digits < len && servers[len - digits - 1] >= '0' &&
		       servers[len - digits - 1] <= '9')
			digits++;
		if (digits == 0 || digits == len || servers[len - digits - 1] != ':')
			return err_set(
				err, E_USAGE,
				"Please provide valid host:port like host1:9091,host2:9092\n");
		servers += len;
		servers += *servers == ',';
	}
	return 0;
}

/* ---- The TAB key -------------------------------------------------------------------------- */

static void complete_topics(struct client *c, struct arena *a,
			    void (*offer)(void *ctx, const char *word, const char *text), void *ctx)
{
	struct metadata_response *response;
	struct err err = {0};

	if (admin_metadata(c, NULL, 0, a, &response, &err) < 0)
		return;
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct metadata_response_topic *t = &response->topics[i];

		offer(ctx, arena_strndup(a, t->name.data, t->name.len),
		      arena_printf(a, "%d partition%s", t->partitions_count,
				   t->partitions_count == 1 ? "" : "s"));
	}
}

static void complete_groups(struct client *c, struct arena *a,
			    void (*offer)(void *ctx, const char *word, const char *text), void *ctx)
{
	struct list_groups_request *request = WIRE_NEW(a, list_groups_request);
	struct call *calls;
	struct err err = {0};
	size_t count;

	if (admin_every_broker(c, API_LIST_GROUPS, request, a, &calls, &count, &err) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct list_groups_response *response = calls[i].response;

		for (int32_t g = 0; calls[i].rc == 0 && g < response->groups_count; g++)
			offer(ctx, arena_strndup(a, response->groups[g].group_id.data,
						 response->groups[g].group_id.len), NULL);
		call_fini(&calls[i]);
	}
}

void connect_complete(enum complete what, const char *bootstrap, const char *config_path,
		      void (*offer)(void *ctx, const char *word, const char *text), void *ctx)
{
	struct cluster_args args = {bootstrap, config_path};
	struct client_config *config;
	struct connection c;
	struct err err = {0};
	struct arena a;

	config = connect_config(&args, CLIENT_ADMIN, &err);
	if (!config)
		return;
	if (client_config_set(config, "default.api.timeout.ms", COMPLETE_TIMEOUT_MS, &err) < 0 ||
	    client_config_set(config, "request.timeout.ms", COMPLETE_TIMEOUT_MS, &err) < 0) {
		client_config_free(config);
		return;
	}
	if (connect_open(&c, config, NULL, &err) < 0)
		return;
	arena_init(&a);
	if (what == COMPLETE_TOPIC)
		complete_topics(c.client, &a, offer, ctx);
	else
		complete_groups(c.client, &a, offer, ctx);
	arena_fini(&a);
	connect_close(&c);
}
