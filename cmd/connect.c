#include "cmd/connect.h"
#include "cmd/profile.h"

#include "base/mem.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

#define COMPLETE_TIMEOUT_MS "800"

/* ---- Where the servers come from ---------------------------------------------------------- */

static const char *connect_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Reads the profile in effect into `out`; none is fine. `is_elsewhere`: the servers are named by
 * an option or a file. */
static int connect_profile(const struct cluster_args *args, bool is_elsewhere, struct props *out,
			   struct err *err)
{
	const char *name = args->profile;
	struct profiles *profiles;
	int rc;

	if (!name && (is_elsewhere || connect_variable(BOOTSTRAP_VARIABLE)))
		return 0;
	rc = profiles_open(&profiles, err);
	if (rc < 0)
		return rc;
	if (!name)
		name = connect_variable(PROFILE_VARIABLE);
	if (!name)
		name = profiles_current(profiles);
	if (name)
		rc = profiles_read(profiles, name, out, err);
	profiles_free(profiles);
	return rc;
}

/* The config file and the profile in effect. */
static int connect_read(const struct cluster_args *args, struct props *file, struct props *profile,
			struct err *err)
{
	int rc = 0;

	if (args->command_config)
		rc = props_read(file, args->command_config, err);
	if (rc == 0)
		rc = connect_profile(args,
				     args->bootstrap_server || args->bootstrap_controller ||
					     props_get(file, "bootstrap.servers") ||
					     props_get(file, "bootstrap.controllers"),
				     profile, err);
	return rc;
}

static int connect_bootstrap(const struct cluster_args *args, struct client_config *config,
			     struct err *err)
{
	const char *servers = args->bootstrap_server;

	if (args->bootstrap_controller)
		return client_config_set(config, "bootstrap.controllers",
					 args->bootstrap_controller, err);
	if (!servers && (client_config_is_set(config, CC_BOOTSTRAP_SERVERS) ||
			 client_config_is_set(config, CC_BOOTSTRAP_CONTROLLERS)))
		return 0;
	if (!servers)
		servers = connect_variable(BOOTSTRAP_VARIABLE);
	return client_config_set(config, "bootstrap.servers", servers ? servers : BOOTSTRAP_DEFAULT,
				 err);
}

static bool connect_given(const struct run *run, const char *name)
{
	const struct opt *rows = run->command->opts;

	for (unsigned i = 0; rows[i].name; i++)
		if (strcmp(rows[i].name, name) == 0)
			return run->given[i] > 0;
	return false;
}

bool connect_has_server(const struct run *run)
{
	struct profiles *profiles;
	bool has_profile;

	if (!run->is_apache || connect_given(run, "bootstrap-server") ||
	    connect_given(run, "profile") || connect_variable(BOOTSTRAP_VARIABLE) ||
	    connect_variable(PROFILE_VARIABLE))
		return true;
	if (profiles_open(&profiles, NULL) < 0)
		return true; /* what is wrong with them will be told */
	has_profile = profiles_current(profiles) != NULL;
	profiles_free(profiles);
	return has_profile;
}

static int connect_load_file(struct client_config *config, const struct cluster_args *args,
			     const struct props *file, struct err *err)
{
	int rc = 0;

	if (!args->is_node_config)
		return client_config_load(config, file, err);
	for (size_t i = 0; rc == 0 && i < file->count; i++)
		if (client_config_find(file->items[i].key) >= 0)
			rc = client_config_set(config, file->items[i].key, file->items[i].value,
					       err);
	return rc;
}

struct client_config *connect_config(const struct cluster_args *args, enum client_role role,
				     struct err *err)
{
	struct client_config *config = client_config_new(role);
	struct props file, profile;
	int rc;

	props_init(&file);
	props_init(&profile);
	rc = connect_read(args, &file, &profile, err);
	if (rc == 0)
		rc = client_config_load(config, &profile, err);
	if (rc == 0 && args->command_config) {
		rc = connect_load_file(config, args, &file, err);
		if (rc < 0)
			err_add(err, rc, "%s", args->command_config);
	}
	if (rc == 0)
		rc = connect_bootstrap(args, config, err);
	props_fini(&file);
	props_fini(&profile);
	if (rc == 0)
		return config;
	client_config_free(config);
	return NULL;
}

const char *connect_setting(const struct cluster_args *args, const char *key, struct arena *a)
{
	struct props file, profile;
	const char *value = NULL;

	props_init(&file);
	props_init(&profile);
	if (connect_read(args, &file, &profile, NULL) == 0) {
		value = props_get(&file, key);
		value = value ? value : props_get(&profile, key);
		value = value ? arena_strdup(a, value) : NULL;
	}
	props_fini(&file);
	props_fini(&profile);
	return value;
}

/* ---- Opening ------------------------------------------------------------------------------ */

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
			offer(ctx,
			      arena_strndup(a, response->groups[g].group_id.data,
					    response->groups[g].group_id.len),
			      NULL);
		call_fini(&calls[i]);
	}
}

static void complete_profiles(struct arena *a,
			      void (*offer)(void *ctx, const char *word, const char *text),
			      void *ctx)
{
	struct profiles *p;
	const char *name;

	if (profiles_open(&p, NULL) < 0)
		return;
	for (size_t i = 0; (name = profiles_name(p, i)); i++) {
		struct props props;
		const char *servers = NULL;

		props_init(&props);
		if (profiles_read(p, name, &props, NULL) == 0)
			servers = props_get(&props, "bootstrap.servers");
		offer(ctx, name, servers ? arena_strdup(a, servers) : NULL);
		props_fini(&props);
	}
	profiles_free(p);
}

void connect_complete(enum complete what, const struct cluster_args *args,
		      void (*offer)(void *ctx, const char *word, const char *text), void *ctx)
{
	struct client_config *config;
	struct connection c;
	struct err err = {0};
	struct arena a;

	if (what == COMPLETE_PROFILE) {
		arena_init(&a);
		complete_profiles(&a, offer, ctx);
		arena_fini(&a);
		return;
	}
	config = connect_config(args, CLIENT_ADMIN, &err);
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
