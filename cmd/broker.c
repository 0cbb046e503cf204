/* broker: run a broker (kafka-server-start). */
#include "cmd/command.h"
#include "cmd/print.h"

#include "base/say.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int broker_run(struct run *run, void *args);

struct broker_args {
	struct opt_list overrides;
	const char *listen, *advertise, *data, *node_id, *metrics, *log_format;
	bool daemon;
};

#define AT(field) offsetof(struct broker_args, field)

static const struct opt broker_opts[] = {
	{"override", OPT_LIST, AT(overrides), .arg = "property=value",
	 .help = "A config of the broker, stronger than the file; may be repeated."},
	{"listen", OPT_STRING, AT(listen), .arg = "[host]:port", .flags = OPT_OWN,
	 .help = "Where to listen: the config listeners; NAME://host:port and lists work too."},
	{"advertise", OPT_STRING, AT(advertise), .arg = "host:port", .flags = OPT_OWN,
	 .help = "The address that clients are told: the config advertised.listeners."},
	{"data", OPT_STRING, AT(data), .arg = "directory", .complete = COMPLETE_FILE,
	 .flags = OPT_OWN, .help = "Where to keep the data: the config log.dirs."},
	{"node-id", OPT_STRING, AT(node_id), .arg = "number", .flags = OPT_OWN,
	 .help = "The number of this node: the config node.id."},
	{"metrics", OPT_STRING, AT(metrics), .arg = "[host]:port", .flags = OPT_OWN,
	 .help = "Serve /metrics, /healthz and /readyz by HTTP there."},
	{"log-format", OPT_STRING, AT(log_format), .arg = "format", .complete = COMPLETE_WORDS,
	 .words = "text json", .value = "text", .flags = OPT_OWN,
	 .help = "How to write log lines."},
	{"daemon", OPT_FLAG, AT(daemon),
	 .help = "Go to the background; output goes to $LOG_DIR/kafkaServer.out."},
	OPT_END,
};

const struct command cmd_broker = {
	.name = "broker", .alias = "kafka-server-start", .dialect = JOPT,
	.summary = "run a broker", .words = "[server.properties]",
	.complete_words = COMPLETE_FILE, .opts = broker_opts,
	.args_size = sizeof(struct broker_args), .run = broker_run,
};

#define OVERRIDES_OWN_MAX 4

/* ":9092" or "host:9092" -> "PLAINTEXT://host:9092"; what names a listener stays. */
static const char *broker_listener(struct run *run, const char *text)
{
	if (strstr(text, "://"))
		return text;
	return arena_printf(&run->arena, "PLAINTEXT://%s", text);
}

/* The short options are overrides too, weaker than those spelled out. */
static void broker_overrides(struct run *run, const struct broker_args *args,
			     struct server_options *options)
{
	struct arena *a = &run->arena;
	const char **items = arena_array(a, args->overrides.count + OVERRIDES_OWN_MAX,
					 sizeof(*items));
	unsigned count = 0;

	if (args->listen)
		items[count++] =
			arena_printf(a, "listeners=%s", broker_listener(run, args->listen));
	if (args->advertise)
		items[count++] = arena_printf(a, "advertised.listeners=%s",
					      broker_listener(run, args->advertise));
	if (args->data)
		items[count++] = arena_printf(a, "log.dirs=%s", args->data);
	if (args->node_id)
		items[count++] = arena_printf(a, "node.id=%s", args->node_id);
	assert(count <= OVERRIDES_OWN_MAX);
	for (unsigned i = 0; i < args->overrides.count; i++)
		items[count++] = args->overrides.items[i];
	options->overrides = items;
	options->override_count = count;
}

/* Leaves the terminal. The parent ends at once with 0. */
static int broker_daemonize(struct run *run, struct err *err)
{
	const char *dir = getenv("LOG_DIR");
	const char *path = arena_printf(&run->arena, "%s/kafkaServer.out", dir ? dir : "logs");
	int fd;

	if (mkdir(dir ? dir : "logs", 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "%s", dir ? dir : "logs");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	switch (fork()) {
	case -1:
		close(fd);
		return err_sys(err, -errno, "fork");
	case 0:
		break;
	default:
		_exit(EXIT_OK);
	}
	setsid();
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		return err_sys(err, -errno, "%s", path);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		dup2(fd, STDIN_FILENO);
	return 0;
}

static int broker_check(struct run *run, const struct broker_args *args, struct err *err)
{
	if (run->word_count > 1)
		return err_set(err, E_USAGE, run->is_apache ? "Found non argument parameters: %s"
							    : "one file is enough: '%s'",
			       run->words[1]);
	if (strcmp(args->log_format, "text") != 0 && strcmp(args->log_format, "json") != 0)
		return err_set(err, E_USAGE, "--log-format is text or json, not '%s'",
			       args->log_format);
	for (unsigned i = 0; i < args->overrides.count; i++) {
		if (!strchr(args->overrides.items[i], '='))
			return err_set(err, E_USAGE, "--override %s: there is no '='",
				       args->overrides.items[i]);
	}
	return 0;
}

static int broker_run(struct run *run, void *data)
{
	struct broker_args *args = data;
	struct server_options options = {0};
	struct err err = {0};
	int rc;

	if (run->is_apache && run->word_count == 0) {
		print_error("USAGE: %s [-daemon] server.properties [--override property=value]*\n",
			    run->name);
		return EXIT_FAILED;
	}
	rc = broker_check(run, args, &err);
	if (rc < 0)
		return help_usage(run, &err);
	options.config_file = run->word_count > 0 ? run->words[0] : NULL;
	options.metrics_listen = args->metrics;
	options.json_log = strcmp(args->log_format, "json") == 0;
	broker_overrides(run, args, &options);
	say_setup(&(struct say_options){.level = SAY_INFO, .json = options.json_log});
	rc = args->daemon ? broker_daemonize(run, &err) : 0;
	if (rc == 0)
		rc = server_run(&options, &err);
	return rc < 0 ? help_failure(run, &err) : EXIT_OK;
}
