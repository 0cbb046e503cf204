/* doctor: why a client cannot connect or produce. */
#include "cmd/doctor/doctor_int.h"
#include "cmd/print.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int doctor_run(struct run *run, void *args);

#define AT(field) offsetof(struct doctor_args, field)

static const struct opt doctor_opts[] = {
	OPTS_CLUSTER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "Look whether this topic can be written and read."},
	{"group", OPT_STRING, AT(group), .arg = "group", .complete = COMPLETE_GROUP,
	 .help = "Look at this consumer group."},
	{"probe", OPT_FLAG, AT(probe), .needs = "topic",
	 .help = "Write one record to the topic and read it back: it stays there."},
	{"timeout", OPT_INT, AT(timeout_ms), .arg = "ms", .value = "3000", .min = 1, .max = 600000,
	 .help = "How long each step may take."},
	OPTS_OUTPUT,
	OPT_END,
};

const struct command cmd_doctor = {
	.name = "doctor",
	.dialect = JOPT,
	.summary = "find out why a client cannot connect or produce",
	.opts = doctor_opts,
	.args_size = sizeof(struct doctor_args),
	.run = doctor_run,
};

/* ---- Shared ------------------------------------------------------------------------------- */

struct doctor_broker *doctor_broker(struct doctor *d, int32_t id)
{
	for (unsigned i = 0; i < d->broker_count; i++) {
		if (d->brokers[i].id == id)
			return &d->brokers[i];
	}
	return NULL;
}

const char *doctor_ids(struct doctor *d, const int32_t *ids, int32_t count)
{
	const char *text = "";

	for (int32_t i = 0; i < count; i++)
		text = arena_printf(&d->run->arena, "%s%s%d", text, i ? ", " : "", ids[i]);
	return count > 0 ? text : "none";
}

/* ---- The steps ---------------------------------------------------------------------------- */

/* "host:port", "[::1]:port", "SSL://host:port". Gives the host in the arena, or NULL. */
static const char *server_parse(struct doctor *d, const char *text, int *port)
{
	const char *scheme = strstr(text, "://");
	const char *host = scheme ? scheme + 3 : text;
	const char *colon = strrchr(host, ':');
	size_t len = colon ? (size_t)(colon - host) : 0;
	char *end;
	long number = colon ? strtol(colon + 1, &end, 10) : 0;

	if (len == 0 || end == colon + 1 || *end || number < 1 || number > 65535) {
		finding(d, LEVEL_FAIL, "bootstrap", text,
			"write it as host:port, for instance "
			"localhost:9092",
			"this is no address of a server");
		return NULL;
	}
	if (host[0] == '[' && len > 2 && host[len - 1] == ']')
		host++, len -= 2;
	*port = (int)number;
	return arena_strndup(&d->run->arena, host, len);
}

/* Looks at each bootstrap server; gives how many of them will do. */
static unsigned check_bootstrap(struct doctor *d)
{
	const char *list = client_config_str(d->config, CC_BOOTSTRAP_SERVERS);
	char *copy = arena_strdup(&d->run->arena, list ? list : ""), *word;
	unsigned count = 0, good = 0;

	while ((word = strsep(&copy, ", \t"))) {
		const char *host;
		int port;

		if (!*word)
			continue;
		finding_section(d, "bootstrap server %s", word);
		host = server_parse(d, word, &port);
		good += host && doctor_server(d, host, port, NULL);
		count++;
	}
	if (good > 0 && good < count)
		finding(d, LEVEL_INFO, "bootstrap", list, NULL,
			"%u of %u servers will do; clients need one", good, count);
	return good;
}

static int doctor_security(struct doctor *d, struct err *err)
{
	d->protocol = client_config_str(d->config, CC_SECURITY_PROTOCOL);
	d->use_sasl = strncasecmp(d->protocol, "SASL", 4) == 0;
	d->use_tls =
		strcasecmp(d->protocol, "SSL") == 0 || strcasecmp(d->protocol, "SASL_SSL") == 0;
	return d->use_tls ? client_tls_context(d->config, &d->tls, err) : 0;
}

static int doctor_client(struct doctor *d, struct err *err)
{
	struct client_options options = {.name = "kavka-doctor"};
	char ms[32];
	int rc;

	snprintf(ms, sizeof(ms), "%lld", (long long)d->args->timeout_ms * 3);
	rc = client_config_set(d->config, "default.api.timeout.ms", ms, err);
	if (rc == 0)
		rc = client_config_set(d->config, "request.timeout.ms", ms, err);
	return rc < 0 ? rc : client_new(&d->client, d->config, &options, err);
}

static int doctor_check(struct doctor *d, struct err *err)
{
	int rc = doctor_security(d, err);

	if (rc < 0) {
		finding(d, LEVEL_FAIL, "config",
			d->args->cluster.command_config ? d->args->cluster.command_config : "ssl",
			"mend the ssl.* configs", "%s", err_message(err));
		return 0;
	}
	if (check_bootstrap(d) == 0)
		return 0;
	rc = doctor_client(d, err);
	if (rc < 0)
		return rc;
	finding_section(d, "cluster");
	if (!doctor_metadata(d))
		return 0;
	doctor_listeners(d);
	doctor_cluster(d);
	if (d->args->topic)
		doctor_topic(d, d->args->topic);
	if (d->args->group)
		doctor_group(d, d->args->group);
	return 0;
}

static int doctor_run(struct run *run, void *data)
{
	const struct doctor_args *args = data;
	struct doctor d = {.run = run, .args = args};
	struct err err = {0};
	int rc = output_format(&args->output, &d.format, &err);

	if (rc < 0)
		return help_usage(run, &err);
	d.config = connect_config(&args->cluster, CLIENT_ADMIN, &err);
	if (!d.config)
		return help_failure(run, &err);
	rc = doctor_check(&d, &err);
	client_free(d.client);
	tls_context_unref(d.tls);
	client_config_free(d.config);
	if (rc < 0)
		return help_failure(run, &err);
	finding_summary(&d);
	return d.counts[LEVEL_FAIL] ? EXIT_FAILED : EXIT_OK;
}
