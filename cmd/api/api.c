/* api: any request of the protocol as JSON, the answer as JSON. */
#include "cmd/api/api_int.h"
#include "cmd/hex_dump.h"
#include "cmd/print.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/near.h"
#include "wire/errors.h"
#include "wire/header.h"
#include "wire/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A request typed or piped in. */
#define REQUEST_TEXT_BYTES_MAX (256 * 1024 * 1024)
/* How long --list waits for a broker that was not named. */
#define LIST_UNREACHABLE_MS 300
#define CLIENT_NAME "kavka-api"

static int api_run(struct run *run, void *args);

#define AT(field) offsetof(struct api_args, field)

static const struct opt api_opts[] = {
	OPTS_CLUSTER,
	{"version", OPT_INT, AT(version), .arg = "version", .min = 0, .max = INT16_MAX,
	 .help = "The version of the request; without it the highest that both sides have."},
	{"broker", OPT_STRING, AT(broker), .arg = "id or host:port",
	 .help = "Ask this broker; without it any."},
	{"controller", OPT_FLAG, AT(controller),
	 .help = "Ask the broker that Metadata names as the controller."},
	{"coordinator", OPT_STRING, AT(coordinator), .arg = "group", .complete = COMPLETE_GROUP,
	 .help = "Ask the coordinator of this group."},
	{"transaction-coordinator", OPT_STRING, AT(txn_coordinator), .arg = "transactional id",
	 .help = "Ask the coordinator of this transactional id."},
	{"leader", OPT_STRING, AT(leader), .arg = "topic:partition",
	 .help = "Ask the leader of this partition."},
	{"hex", OPT_FLAG, AT(hex),
	 .help = "Show the bytes of request and response, each with the field it belongs to."},
	{"list", OPT_FLAG, AT(list),
	 .help = "List all requests: key, name, versions known here and supported by the broker."},
	{"schema", OPT_FLAG, AT(schema),
	 .help = "Show the fields of request and response with types and versions."},
	{"template", OPT_FLAG, AT(template),
	 .help = "Print a request with every field at its default, to be filled in."},
	{"decode", OPT_STRING, AT(decode), .arg = "hex or file", .complete = COMPLETE_FILE,
	 .help = "Decode captured bytes of a request; of a response with --response."},
	{"response", OPT_FLAG, AT(response), .needs = "decode",
	 .help = "The bytes are a response to the request and version named."},
	OPTS_OUTPUT,
	OPT_END,
};

const struct command cmd_api = {
	.name = "api",
	.dialect = JOPT,
	.summary = "send any request of the protocol, written as JSON",
	.opts = api_opts,
	.args_size = sizeof(struct api_args),
	.run = api_run,
	.words = "[request [json | -]]",
	.complete_words = COMPLETE_REQUEST,
};

/* ---- What is asked ------------------------------------------------------------------------ */

const struct api *api_find(const char *name, struct err *err)
{
	const struct api *api = api_by_name(str_of(name));
	struct near near;
	char *end;
	long key;

	if (api)
		return api;
	key = strtol(name, &end, 10);
	if (end > name && *end == '\0') {
		api = api_by_key((int)MIN(MAX(key, -1L), (long)INT16_MAX));
		if (!api)
			err_set(err, E_USAGE, "there is no request with key %s (see --list)", name);
		return api;
	}
	near_init(&near, name);
	for (size_t i = 0; i < wire_api_count; i++)
		near_offer(&near, wire_apis[i].name);
	if (near.best)
		err_set(err, E_USAGE, "there is no request %s, did you mean %s?", name, near.best);
	else
		err_set(err, E_USAGE, "there is no request %s (see --list)", name);
	return NULL;
}

int api_version_of(const struct api_args *args, const struct api *api, int16_t preset,
		   int16_t *version, struct err *err)
{
	*version = args->version == VERSION_NOT_GIVEN ? preset : (int16_t)args->version;
	if (api_has_version(api, *version))
		return 0;
	return err_set(err, E_USAGE, "%s has no version %d (it has %d to %d)", api->name, *version,
		       api->min_version, api->max_version);
}

static int read_stdin(struct out *text, struct err *err)
{
	for (;;) {
		uint8_t *room = out_reserve(text, 65536);
		ssize_t n;

		if (!room)
			return err_set(err, E_TOO_LARGE, "the request is too large");
		n = read(STDIN_FILENO, room, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "stdin");
		if (n == 0)
			return 0;
		text->len += (size_t)n;
	}
}

/* The request as JSON: the argument, stdin, or an empty object. Gives a value, or NULL. */
static json_t *request_json(const struct run *run, struct err *err)
{
	const char *word = run->word_count > 1 ? run->words[1] : "{}";
	json_error_t why;
	struct out text;
	json_t *json = NULL;

	out_init(&text, REQUEST_TEXT_BYTES_MAX);
	if (strcmp(word, "-") != 0)
		out_text(&text, word);
	else if (read_stdin(&text, err) < 0)
		goto done;
	json = json_loadb((char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		err_set(err, E_USAGE, "the request is not JSON: line %d: %s", why.line, why.text);
done:
	out_fini(&text);
	return json;
}

/* ---- Whom to ask -------------------------------------------------------------------------- */

static int target_leader(struct run *run, const char *text, struct target *out, struct err *err)
{
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	long partition = colon ? strtol(colon + 1, &end, 10) : -1;

	if (!colon || colon == text || end == colon + 1 || *end || partition < 0 ||
	    partition > INT32_MAX)
		return err_set(err, E_USAGE, "--leader %s: want topic:partition, such as orders:0",
			       text);
	*out = TO_LEADER(str_of(arena_strndup(&run->arena, text, (size_t)(colon - text))),
			 (int32_t)partition);
	return 0;
}

/* Where the request goes. *server is set when it is an address. */
static int api_target(struct run *run, const struct api_args *args, struct target *out,
		      const char **server, struct err *err)
{
	char *end;
	long id;

	*out = TO_ANY;
	*server = NULL;
	if (opt_given_count(run, "broker controller coordinator transaction-coordinator leader") >
	    1)
		return err_set(err, E_USAGE,
			       "--broker, --controller, --coordinator, "
			       "--transaction-coordinator and --leader exclude each "
			       "other");
	if (args->controller)
		*out = TO_CONTROLLER;
	if (args->coordinator)
		*out = TO_GROUP(str_of(args->coordinator));
	if (args->txn_coordinator)
		*out = TO_TXN(str_of(args->txn_coordinator));
	if (args->leader)
		return target_leader(run, args->leader, out, err);
	if (!args->broker)
		return 0;
	id = strtol(args->broker, &end, 10);
	if (end > args->broker && *end == '\0' && id >= 0 && id <= INT32_MAX)
		*out = TO_NODE((int32_t)id);
	else if (strchr(args->broker, ':'))
		*server = args->broker;
	else
		return err_set(err, E_USAGE, "--broker %s: want a broker's id or host:port",
			       args->broker);
	return 0;
}

/* ---- Asking ------------------------------------------------------------------------------- */

struct asking {
	struct run *run;
	const struct api_args *args;
	const struct api *api;
	struct client *client;
	struct target target;
	enum output_format format;
	const json_t *json;
	int16_t version;
	void *request;
};

static const struct api_versions_response_api_version *
find_supported(const struct api_versions_response *r, int16_t key)
{
	for (int32_t i = 0; i < r->api_keys_count; i++) {
		if (r->api_keys[i].api_key == key)
			return &r->api_keys[i];
	}
	return NULL;
}

/* The highest version of both, unless one is asked for. Connects to whom we ask. */
static int asking_version(struct asking *k, struct err *err)
{
	struct api_versions_request *request = WIRE_NEW(&k->run->arena, api_versions_request);
	const struct api_versions_response_api_version *theirs;
	struct api_versions_response *response;
	int rc;

	request->client_software_name = STR_LIT("kavka");
	request->client_software_version = STR_LIT(KAVKA_VERSION);
	rc = client_call(k->client, k->target, API_API_VERSIONS, request, &k->run->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (k->args->version != VERSION_NOT_GIVEN)
		return 0;
	theirs = find_supported(response, k->api->key);
	if (!theirs)
		return err_set(err, E_UNSUPPORTED,
			       "this broker does not support %s (--version sends it all the same)",
			       k->api->name);
	k->version = MIN(theirs->max_version, api_max_stable(k->api));
	if (k->version < MAX(theirs->min_version, k->api->min_version))
		return err_set(err, E_UNSUPPORTED,
			       "this broker supports %s in versions %d to %d, known here are %d to "
			       "%d",
			       k->api->name, theirs->min_version, theirs->max_version,
			       k->api->min_version, k->api->max_version);
	return 0;
}

static int asking_parse(struct asking *k, struct err *err)
{
	const struct message_desc *m = k->api->request;
	int rc;

	k->request = arena_zalloc(&k->run->arena, m->body->size);
	rc = message_from_json_typed(m, k->version, k->json, &k->run->arena, k->request, err);
	return rc == E_INVALID ? err_add(err, E_USAGE, "the request") : rc;
}

/* Says what error codes of a response mean, on stderr; gives the first. */
static int note_errors(const struct run *run, const json_t *json, const char *path, unsigned *left)
{
	char name[512];
	const char *key;
	json_t *member;
	size_t i;
	int first = 0, code;

	if (json_is_array(json)) {
		json_array_foreach(json, i, member)
		{
			snprintf(name, sizeof(name), "%s[%zu]", path, i);
			code = note_errors(run, member, name, left);
			first = first ? first : code;
		}
		return first;
	}
	json_object_foreach((json_t *)(uintptr_t)json, key, member)
	{
		snprintf(name, sizeof(name), "%s%s%s", path, path[0] ? "." : "", key);
		code = (int)json_integer_value(member);
		if (!json_is_integer(member))
			code = note_errors(run, member, name, left);
		else if (!code ||
			 (strcasecmp(key, "errorCode") != 0 && !strcasestr(key, "errorCode")))
			code = 0;
		else if (*left > 0 && (*left)--)
			print_error("%s: %s %d is %s: %s\n", run->name, name, code,
				    kafka_error_name(code), kafka_error_text(code));
		first = first ? first : code;
	}
	return first;
}

static int asking_hex(struct asking *k, const struct call *call, struct err *err)
{
	const struct client_config *cfg = client_config_of(k->client);
	const char *client_id = client_config_str(cfg, CC_CLIENT_ID);
	struct out frame;
	int rc;

	out_init(&frame, MESSAGE_BYTES_MAX);
	rc = request_encode(k->api, k->version, call->correlation_id,
			    str_of(client_id && *client_id ? client_id : CLIENT_NAME), k->request,
			    &frame, NULL, err);
	if (rc == 0)
		rc = hex_dump_frame(&k->run->arena, "request", NULL, 0,
				    (struct slice){NULL, frame.data, frame.len},
				    k->format == OUTPUT_JSON, err);
	if (rc == 0 && call->frame.data) {
		out_reset(&frame);
		if (out_reserve(&frame, FRAME_SIZE_BYTES)) {
			put_be32(frame.data, (uint32_t)call->frame.len);
			frame.len = FRAME_SIZE_BYTES;
		}
		out_bytes(&frame, call->frame.data, call->frame.len);
		rc = hex_dump_frame(&k->run->arena, "response", k->api, call->version,
				    (struct slice){NULL, frame.data, frame.len},
				    k->format == OUTPUT_JSON, err);
	}
	out_fini(&frame);
	return rc;
}

/* Prints the answer; *code gets the first Kafka error in it. */
static int asking_answer(struct asking *k, const struct call *call, int *code, struct err *err)
{
	unsigned notes = 5;
	json_t *json;
	int rc = 0;

	if (k->args->hex)
		rc = asking_hex(k, call, err);
	if (rc < 0 || !call->response)
		return rc;
	json = message_to_json(k->api->response, call->version, call->response, WIRE_JSON_BATCHES,
			       err);
	if (!json)
		return err->code;
	print_flush();
	*code = note_errors(k->run, json, "", &notes);
	if (k->args->hex)
		json_decref(json);
	else
		api_print_json(json, k->format);
	return 0;
}

static int asking_send(struct asking *k, int *code, struct err *err)
{
	struct call call = {
		.target = k->target,
		.api_key = k->api->key,
		.request = k->request,
		.version_max = k->version,
		.is_exact = true,
		.no_retry = true,
	};
	int rc;

	if (k->api->key == API_PRODUCE && ((struct produce_request *)k->request)->acks == 0)
		call.no_response = true;
	rc = client_call_all(k->client, &call, 1, err);
	if (rc == 0 && call.rc < 0) {
		rc = call.rc;
		*err = call.err;
		if (rc == E_CLOSED)
			err_set(err, rc,
				"the broker closed the connection instead of answering %s "
				"version %d (its log says why)",
				k->api->name, k->version);
	}
	if (rc == 0)
		rc = asking_answer(k, &call, code, err);
	call_fini(&call);
	return rc;
}

static int asking_run(struct asking *k, int *code, struct err *err)
{
	int rc = asking_version(k, err);

	if (rc == 0)
		rc = asking_parse(k, err);
	return rc < 0 ? rc : asking_send(k, code, err);
}

static int api_ask(struct run *run, const struct api_args *args, const struct api *api,
		   enum output_format format, struct err *err)
{
	struct asking k = {.run = run, .args = args, .api = api, .format = format};
	struct cluster_args cluster = args->cluster;
	struct connection connection = {0};
	struct client_config *config;
	const char *server;
	json_t *json;
	int code = 0;
	int rc = api_target(run, args, &k.target, &server, err);

	if (rc == 0)
		rc = api_version_of(args, api, api_max_stable(api), &k.version, err);
	if (rc < 0)
		return rc;
	json = request_json(run, err);
	if (!json)
		return err->code;
	k.json = json;
	/* A mistake in the request is told before anybody is asked. */
	rc = args->version == VERSION_NOT_GIVEN ? 0 : asking_parse(&k, err);
	if (server)
		cluster.bootstrap_server = server;
	config = rc == 0 ? connect_config(&cluster, CLIENT_ADMIN, err) : NULL;
	if (!config)
		rc = err->code;
	else
		rc = connect_open(&connection, config, CLIENT_NAME, err);
	if (rc == 0) {
		k.client = connection.client;
		rc = asking_run(&k, &code, err);
	}
	connect_close(&connection);
	json_decref(json);
	if (rc == 0 && code) {
		err->code = E_KAFKA;
		err->kafka_error = code;
		return E_EXISTS; /* told already: only the exit code is left */
	}
	return rc;
}

/* ---- The command -------------------------------------------------------------------------- */

void api_print_json(json_t *json, enum output_format format)
{
	char *text = json_dumps(json, (format == OUTPUT_JSON ? JSON_COMPACT : JSON_INDENT(2)) |
					      JSON_ENCODE_ANY);

	print_text("%s\n", text);
	free(text);
	json_decref(json);
}

/* What the broker supports, or NULL: then it is said on stderr why not. */
static const struct api_versions_response *list_supported(struct run *run,
							  const struct api_args *args)
{
	struct client_options options = {
		.name = CLIENT_NAME,
		.unreachable_ms = opt_given(run, "bootstrap-server") ? 0 : LIST_UNREACHABLE_MS};
	struct client_config *config;
	struct api_versions_response *response = NULL;
	struct client *client = NULL;
	struct err err = {0};

	config = connect_config(&args->cluster, CLIENT_ADMIN, &err);
	if (config && client_new(&client, config, &options, &err) == 0 &&
	    client_api_versions(client, -1, &run->arena, &response, &err) < 0)
		response = NULL;
	client_free(client);
	client_config_free(config);
	if (!response)
		output_note(run, "what the broker supports is not shown: %s", err_message(&err));
	return response;
}

static int api_dispatch(struct run *run, const struct api_args *args, struct err *err)
{
	const struct api *api = NULL;
	enum output_format format;
	int16_t version;
	int rc = output_format(&args->output, &format, err);

	if (rc == 0 && opt_given_count(run, "list schema template decode") > 1)
		rc = err_set(err, E_USAGE,
			     "--list, --schema, --template and --decode exclude each "
			     "other");
	if (rc < 0)
		return rc;
	if (args->list) {
		api_list_print(run, format, list_supported(run, args));
		return 0;
	}
	if (run->word_count > 0) {
		api = api_find(run->words[0], err);
		if (!api)
			return err->code;
	}
	if (args->decode)
		return api_decode(run, args, api, format, err);
	if (!api)
		return err_set(err, E_USAGE,
			       "which request? (kavka api Metadata '{}'; --list shows "
			       "all)");
	rc = api_version_of(args, api, api_max_stable(api), &version, err);
	if (rc < 0)
		return rc;
	if (args->schema) {
		api_schema_print(run, api, args->version == VERSION_NOT_GIVEN ? -1 : version,
				 format);
		return 0;
	}
	if (args->template)
		return api_template_print(run, api, version, format, err);
	return api_ask(run, args, api, format, err);
}

static int api_run(struct run *run, void *data)
{
	struct api_args *args = data;
	struct err err = {0};
	int rc;

	if (!opt_given(run, "version"))
		args->version = VERSION_NOT_GIVEN;
	rc = api_dispatch(run, args, &err);

	if (rc == E_USAGE)
		return help_usage(run, &err);
	if (rc == E_EXISTS)
		return help_exit_code(run, &err);
	return rc < 0 ? help_failure(run, &err) : EXIT_OK;
}
