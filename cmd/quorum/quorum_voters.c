/* Voters that come and go: add-controller and remove-controller. */
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/quorum/quorum_int.h"

#include "base/props.h"
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#define VOTER_LISTENERS_MAX 16
#define VOTER_TIMEOUT_MS 60000
#define VOTER_HINT "Is this a valid controller configuration file?"

/* A controller as its own properties file and metadata directory tell of it. */
struct voter {
	int32_t id;
	struct uuid directory_id;
	struct add_raft_voter_request_listener listeners[VOTER_LISTENERS_MAX];
	int32_t listener_count;
};

/* ---- What the files say ------------------------------------------------------------------- */

static int voter_id(const struct props *props, struct voter *v, struct err *err)
{
	const char *id = props_get(props, "node.id");
	const char *roles = props_get(props, "process.roles");
	char *end;
	long number;

	if (!id)
		return err_set(err, E_INVALID,
			       "node.id not found in configuration file. " VOTER_HINT);
	number = strtol(id, &end, 10);
	if (end == id || *end || number < 0 || number > INT32_MAX)
		return err_set(err, E_INVALID,
			       "node.id was negative in configuration file. " VOTER_HINT);
	if (!roles)
		return err_set(err, E_INVALID,
			       "process.roles not found in configuration file. " VOTER_HINT);
	if (!strstr(roles, "controller"))
		return err_set(err, E_INVALID,
			       "process.roles did not contain 'controller' in configuration "
			       "file. " VOTER_HINT);
	v->id = (int32_t)number;
	return 0;
}

static int voter_directory(const struct props *props, struct voter *v, struct arena *a,
			   struct err *err)
{
	const char *dir = props_get(props, "metadata.log.dir"), *id;
	struct props meta;
	int rc;

	if (!dir)
		dir = props_get(props, "log.dirs");
	if (!dir)
		dir = props_get(props, "log.dir");
	if (!dir)
		return err_set(err, E_INVALID,
			       "Neither metadata.log.dir nor log.dirs were found. " VOTER_HINT);
	dir = arena_strndup(a, dir, strcspn(dir, ", "));
	props_init(&meta);
	rc = props_read(&meta, arena_printf(a, "%s/meta.properties", dir), err);
	if (rc == 0) {
		id = props_get(&meta, "directory.id");
		if (!id || uuid_parse(&v->directory_id, str_of(id)) < 0)
			rc = err_set(err, E_INVALID, "No directory id found in %s", dir);
	}
	props_fini(&meta);
	return rc;
}

/* "CONTROLLER://host:9093" */
static int voter_listener(struct voter *v, const char *text, size_t len, struct err *err)
{
	struct add_raft_voter_request_listener *l = &v->listeners[v->listener_count];
	const char *host = memmem(text, len, "://", 3), *colon;

	colon = memrchr(text, ':', len);
	if (!host || colon == host)
		return err_set(err, E_INVALID, "Unable to parse %.*s to a broker endpoint",
			       (int)len, text);
	l->name = (struct str){text, (size_t)(host - text)};
	host += strlen("://");
	l->host = (struct str){host, (size_t)(colon - host)};
	l->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	if (l->host.len >= 2 && host[0] == '[' && colon[-1] == ']')
		l->host = (struct str){host + 1, l->host.len - 2};
	if (l->host.len == 0)
		l->host = str_of("localhost");
	v->listener_count++;
	return 0;
}

/* Of the addresses in `list`, those of listeners that are controllers' (`names`, with commas). */
static int voter_listeners(struct voter *v, const char *list, const char *names, struct arena *a,
			   struct err *err)
{
	char *blanks = arena_strdup(a, names);
	int rc = 0;

	for (char *at = blanks; *at; at++)
		*at = *at == ',' ? ' ' : *at;
	for (size_t len; rc == 0 && list && *list; list += len) {
		list += strspn(list, ", ");
		len = strcspn(list, ", ");
		if (len > 0 && v->listener_count < VOTER_LISTENERS_MAX &&
		    word_in(blanks, list, strcspn(list, ":")))
			rc = voter_listener(v, list, len, err);
	}
	return rc;
}

static int voter_endpoints(const struct props *props, struct voter *v, struct arena *a,
			   struct err *err)
{
	const char *names = props_get(props, "controller.listener.names");
	int rc;

	if (!names)
		return err_set(err, E_INVALID,
			       "controller.listener.names was not found in configuration "
			       "file. " VOTER_HINT);
	rc = voter_listeners(v, props_get(props, "advertised.listeners"), names, a, err);
	if (rc == 0 && v->listener_count == 0)
		rc = voter_listeners(v, props_get(props, "listeners"), names, a, err);
	if (rc == 0 && v->listener_count == 0)
		rc = err_set(err, E_INVALID,
			     "No controller listeners found in configuration file. " VOTER_HINT);
	return rc;
}

/* ---- add-controller ----------------------------------------------------------------------- */

static void voter_print(const struct voter *v, bool is_dry, enum output_format format)
{
	char id[UUID_TEXT_LEN + 1];
	struct json_out j = {0};

	uuid_format(v->directory_id, id);
	if (format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_int(&j, "added", v->id);
		json_out_text(&j, "directoryId", id);
		json_out_bool(&j, "dryRun", is_dry);
		json_out_close(&j, '}');
		print_byte('\n');
		return;
	}
	if (output_is_quiet())
		return;
	print_text("%s controller %d with directory id %s and endpoints: ",
		   is_dry ? "DRY RUN of adding" : "Added", v->id, id);
	for (int32_t i = 0; i < v->listener_count; i++)
		print_text("%s%.*s://%.*s:%d", i ? ", " : "", STR(v->listeners[i].name),
			   STR(v->listeners[i].host), v->listeners[i].port);
	print_byte('\n');
}

/* Whether the quorum has the voter, with that directory. */
static bool voter_is_there(struct run *run, struct client *c, const struct cluster_args *args,
			   const struct voter *v)
{
	const struct describe_quorum_response_partition_data *p;
	const struct describe_quorum_response *response;

	if (quorum_partition(run, c, args, &response, NULL) < 0)
		return false;
	p = &response->topics[0].partitions[0];
	for (int32_t i = 0; i < p->current_voters_count; i++)
		if (p->current_voters[i].replica_id == v->id &&
		    uuid_eq(p->current_voters[i].replica_directory_id, v->directory_id))
			return true;
	return false;
}

/* Sends one of the two requests, and again where the leader is not there or ends meanwhile. That
 * one may have carried it out all the same: then the next answer is an error that says so. */
static int voter_call(struct run *run, const struct cluster_args *args, struct client *c,
		      const struct voter *v, int16_t api_key, const void *request, struct err *err)
{
	struct call call = {
		.target = argparse_target(args), .api_key = api_key, .request = request};
	const struct remove_raft_voter_response *removed;
	const struct add_raft_voter_response *added;
	int16_t code = KERR_NONE;
	int rc = client_call_all(c, &call, 1, err);

	if (rc == 0)
		rc = call.rc;
	if (rc == 0 && api_key == API_ADD_RAFT_VOTER) {
		added = call.response;
		code = added->error_code;
		if (code == KERR_DUPLICATE_VOTER && call.was_sent &&
		    voter_is_there(run, c, args, v))
			code = KERR_NONE;
		if (code != KERR_NONE)
			rc = kafka_error_set(err, code, added->error_message);
	} else if (rc == 0) {
		removed = call.response;
		code = removed->error_code;
		if (code == KERR_VOTER_NOT_FOUND && call.was_sent)
			code = KERR_NONE;
		if (code != KERR_NONE)
			rc = kafka_error_set(err, code, removed->error_message);
	} else if (call.err.text[0]) {
		*err = call.err;
	}
	call_fini(&call);
	return rc;
}

static int voter_add(struct run *run, const struct quorum_args *args, struct voter *v,
		     struct err *err)
{
	struct add_raft_voter_request *request = WIRE_NEW(&run->arena, add_raft_voter_request);
	struct connection connection;
	int rc = connect_admin(&connection, &args->cluster, err);

	if (rc < 0)
		return rc;
	request->timeout_ms = VOTER_TIMEOUT_MS;
	request->cluster_id = STR_NULL;
	request->voter_id = v->id;
	request->voter_directory_id = v->directory_id;
	request->listeners = v->listeners;
	request->listeners_count = v->listener_count;
	rc = voter_call(run, &args->cluster, connection.client, v, API_ADD_RAFT_VOTER, request,
			err);
	connect_close(&connection);
	return rc;
}

int quorum_add_run(struct run *run, void *data)
{
	struct quorum_args *args = data;
	struct voter voter = {0};
	enum output_format format;
	struct err err = {0};
	struct props props;
	int rc = quorum_check(run, args, &format, &err);

	if (rc < 0)
		return argparse_usage(run, &err);
	args->cluster.is_node_config = true;
	props_init(&props);
	if (!args->cluster.command_config)
		rc = err_set(&err, E_INVALID,
			     "You must supply the configuration file of the "
			     "controller you are adding when using add-controller.");
	else
		rc = props_read(&props, args->cluster.command_config, &err);
	if (rc == 0)
		rc = voter_id(&props, &voter, &err);
	if (rc == 0)
		rc = voter_directory(&props, &voter, &run->arena, &err);
	if (rc == 0)
		rc = voter_endpoints(&props, &voter, &run->arena, &err);
	if (rc == 0 && !args->dry_run)
		rc = voter_add(run, args, &voter, &err);
	if (rc == 0)
		voter_print(&voter, args->dry_run, format);
	props_fini(&props);
	return rc < 0 ? argparse_failure(run, &err) : EXIT_OK;
}

/* ---- remove-controller -------------------------------------------------------------------- */

static int voter_remove(struct run *run, const struct quorum_args *args, const struct voter *v,
			struct err *err)
{
	struct remove_raft_voter_request *request =
		WIRE_NEW(&run->arena, remove_raft_voter_request);
	struct connection connection;
	int rc = connect_admin(&connection, &args->cluster, err);

	if (rc < 0)
		return rc;
	request->cluster_id = STR_NULL;
	request->voter_id = v->id;
	request->voter_directory_id = v->directory_id;
	rc = voter_call(run, &args->cluster, connection.client, v, API_REMOVE_RAFT_VOTER, request,
			err);
	connect_close(&connection);
	return rc;
}

int quorum_remove_run(struct run *run, void *data)
{
	struct quorum_args *args = data;
	struct voter voter = {.id = (int32_t)args->controller_id};
	enum output_format format;
	struct json_out j = {0};
	struct err err = {0};
	int rc = quorum_check(run, args, &format, &err);

	if (rc < 0)
		return argparse_usage(run, &err);
	if (uuid_parse(&voter.directory_id, str_of(args->directory_id)) < 0)
		rc = err_set(&err, E_INVALID,
			     "Failed to parse --controller-directory-id: `%s` is not a "
			     "base64-encoded UUID",
			     args->directory_id);
	else if (!args->dry_run)
		rc = voter_remove(run, args, &voter, &err);
	if (rc < 0)
		return argparse_failure(run, &err);
	if (format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_int(&j, "removed", voter.id);
		json_out_text(&j, "directoryId", args->directory_id);
		json_out_bool(&j, "dryRun", args->dry_run);
		json_out_close(&j, '}');
		print_byte('\n');
	} else {
		/* Two blanks: as Apache's tool has it. */
		output_say("%s KRaft controller %d with directory id %s\n",
			   args->dry_run ? "DRY RUN of removing " : "Removed", voter.id,
			   args->directory_id);
	}
	return EXIT_OK;
}
