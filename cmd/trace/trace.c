/* trace: a proxy between any client and any cluster that tells each request and response. */
#include "cmd/trace/trace_int.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "base/near.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int trace_run(struct run *run, void *args);

#define AT(field) offsetof(struct trace_args, field)

static const struct opt trace_opts[] = {
	OPTS_CLUSTER,
	{"listen", OPT_STRING, AT(listen), .arg = "host:port", .value = "127.0.0.1:19092",
	 .help = "Where clients connect; brokers get the ports behind it. Port 0: any free ones."},
	{"advertise", OPT_STRING, AT(advertise), .arg = "host",
	 .help = "The host that clients are told; without it that of --listen."},
	{"api", OPT_STRING, AT(apis), .arg = "names", .complete = COMPLETE_REQUEST,
	 .help = "Show these requests only: names with commas."},
	{"topic", OPT_STRING, AT(topics), .arg = "topics", .complete = COMPLETE_TOPIC,
	 .help = "Show what is about these topics only: regular expressions with commas."},
	{"client", OPT_STRING, AT(clients), .arg = "client ids",
	 .help = "Show these clients only: regular expressions with commas."},
	{"errors", OPT_FLAG, AT(errors), .help = "Show what was answered with an error only."},
	{"slow", OPT_INT, AT(slow_ms), .arg = "ms", .value = "0", .min = 0, .max = INT32_MAX,
	 .help = "Show what took at least this long only."},
	{"full", OPT_FLAG, AT(full), .help = "Show the whole of each message, as JSON."},
	{"hex", OPT_FLAG, AT(hex), .help = "Show the bytes of each frame with their fields."},
	OPTS_OUTPUT,
	OPT_END,
};

const struct command cmd_trace = {
	.name = "trace",
	.dialect = JOPT,
	.summary = "show what a client and a cluster say to each other",
	.opts = trace_opts,
	.args_size = sizeof(struct trace_args),
	.run = trace_run,
};

/* ---- Options ------------------------------------------------------------------------------ */

static int parse_listen(struct trace *t, struct err *err)
{
	const char *text = t->args->listen, *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char *end = NULL, *host;
	long port = colon ? strtol(colon + 1, &end, 10) : -1;

	if (len == 0 || end == colon + 1 || *end || port < 0 || port > 65535)
		return err_set(err, E_USAGE, "--listen %s: want host:port, such as 127.0.0.1:19092",
			       text);
	host = arena_strndup(&t->run->arena, text, len);
	if (host[0] == '[' && len > 2 && host[len - 1] == ']') {
		host[len - 1] = '\0';
		host++;
	}
	t->listen_host = host;
	t->listen_port = (int)port;
	t->advertise_host = t->args->advertise ? t->args->advertise : host;
	if (!t->args->advertise && (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0))
		return err_set(err, E_USAGE,
			       "--listen %s is every address: say with --advertise by "
			       "which name clients reach it",
			       text);
	return 0;
}

static int parse_apis(struct trace *t, struct err *err)
{
	char *copy, *word;

	if (!t->args->apis)
		return 0;
	copy = arena_strdup(&t->run->arena, t->args->apis);
	while ((word = strsep(&copy, ", "))) {
		const struct api *api = api_by_name(str_of(word));
		struct near near;

		if (!*word)
			continue;
		if (api && (size_t)api->key < ARRAY_LEN(t->api_wanted)) {
			t->api_wanted[api->key] = true;
			continue;
		}
		near_init(&near, word);
		for (size_t i = 0; i < wire_api_count; i++)
			near_offer(&near, wire_apis[i].name);
		return near.best
			       ? err_set(err, E_USAGE,
					 "--api: there is no request %s, did you mean %s?", word,
					 near.best)
			       : err_set(err, E_USAGE,
					 "--api: there is no request %s (kavka api --list)", word);
	}
	return 0;
}

static int parse_filters(struct trace *t, struct err *err)
{
	int rc = parse_apis(t, err);

	if (rc == 0 && t->args->topics) {
		t->topic_filter = filter_new(t->args->topics, err);
		rc = t->topic_filter ? 0 : err_add(err, E_USAGE, "--topic");
	}
	if (rc == 0 && t->args->clients) {
		t->client_filter = filter_new(t->args->clients, err);
		rc = t->client_filter ? 0 : err_add(err, E_USAGE, "--client");
	}
	return rc;
}

/* The bootstrap servers, and TLS if the configs want it. */
static int trace_config(struct trace *t, struct err *err)
{
	const char *protocol, *list;
	char *copy, *word;

	t->config = connect_config(&t->args->cluster, CLIENT_ADMIN, err);
	if (!t->config)
		return err->code;
	list = client_config_str(t->config, CC_BOOTSTRAP_SERVERS);
	copy = arena_strdup(&t->run->arena, list ? list : "");
	t->servers = arena_array(&t->run->arena, strlen(copy) + 1, sizeof(*t->servers));
	while ((word = strsep(&copy, ", \t"))) {
		if (!*word)
			continue;
		if (!strrchr(word, ':'))
			return err_set(err, E_USAGE, "bootstrap server %s: want host:port", word);
		t->servers[t->server_count++] = word;
	}
	if (t->server_count == 0)
		return err_set(err, E_USAGE, "there is no bootstrap server");
	protocol = client_config_str(t->config, CC_SECURITY_PROTOCOL);
	if (strcasecmp(protocol, "SSL") == 0 || strcasecmp(protocol, "SASL_SSL") == 0)
		return client_tls_context(t->config, &t->tls, err);
	return 0;
}

/* ---- Life --------------------------------------------------------------------------------- */

static void trace_end(struct trace *t)
{
	struct pair *p;

	if (t->is_ending)
		return;
	t->is_ending = true;
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&t->signals[i], NULL);
	uv_prepare_stop(&t->flush);
	uv_close((uv_handle_t *)&t->flush, NULL);
	port_close_all(t);
	LIST_FOREACH (&t->pairs, p, struct pair, link) {
		pair_close(p);
	}
}

static void trace_signal(uv_signal_t *handle, int number)
{
	(void)number;
	trace_end(handle->data);
}

/* Before the loop waits, what was printed leaves; a reader that has gone ends it. */
static void trace_flush(uv_prepare_t *handle)
{
	struct trace *t = handle->data;

	if (print_flush() < 0)
		trace_end(t);
}

static void trace_loop(struct trace *t)
{
	static const int numbers[] = {SIGINT, SIGTERM};

	for (int i = 0; i < 2; i++) {
		uv_signal_init(&t->loop, &t->signals[i]);
		t->signals[i].data = t;
		uv_signal_start_oneshot(&t->signals[i], trace_signal, numbers[i]);
	}
	uv_prepare_init(&t->loop, &t->flush);
	t->flush.data = t;
	uv_prepare_start(&t->flush, trace_flush);
	uv_run(&t->loop, UV_RUN_DEFAULT);
}

static int trace_start(struct trace *t, struct err *err)
{
	int rc = output_format(&t->args->output, &t->format, err);

	if (rc == 0)
		rc = parse_listen(t, err);
	if (rc == 0)
		rc = parse_filters(t, err);
	if (rc == 0)
		rc = trace_config(t, err);
	if (rc < 0)
		return rc;
	return port_open(t, NULL, 0, -1, err) ? 0 : err->code;
}

static void trace_free(struct trace *t)
{
	topic_ids_free(t);
	stats_free(t->stats);
	filter_free(t->topic_filter);
	filter_free(t->client_filter);
	tls_context_unref(t->tls);
	client_config_free(t->config);
	free(t->buffer);
}

static int trace_run(struct run *run, void *data)
{
	struct trace *t = arena_zalloc(&run->arena, sizeof(*t));
	struct err err = {0};
	int rc;

	t->run = run;
	t->args = data;
	t->buffer = xmalloc(SIDE_READ_BYTES);
	t->stats = stats_new();
	list_init(&t->ports);
	list_init(&t->pairs);
	map_init(&t->topic_ids);
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&t->loop);
	rc = trace_start(t, &err);
	if (rc == 0) {
		trace_loop(t);
		stats_print(t->stats, &run->arena, t->format);
	} else {
		port_close_all(t);
		uv_run(&t->loop, UV_RUN_DEFAULT);
	}
	uv_loop_close(&t->loop);
	trace_free(t);
	if (rc == E_USAGE)
		return help_usage(run, &err);
	return rc < 0 ? help_failure(run, &err) : EXIT_OK;
}
