/* configs: describe and change configs and quotas (kafka-configs). */
#include "cmd/configs/configs_int.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#include <errno.h>
#include <string.h>

static int configs_run(struct run *run, void *args);
static int configs_refuse(const struct run *run, const struct err *err);

#define AT(field) offsetof(struct configs_args, field)

static const struct opt configs_opts[] = {
	OPTS_CLUSTER,
	OPTS_ZOOKEEPER,
	OPTS_OUTPUT,
	{"bootstrap-controller", OPT_STRING, AT(cluster.bootstrap_controller),
	 .arg = "controller to connect to",
	 .help = "The controllers to begin with, host:port, instead of brokers."},
	{"alter", OPT_FLAG, AT(alter), .help = "Change configs."},
	{"describe", OPT_FLAG, AT(describe), .help = "Show configs."},
	{"all", OPT_FLAG, AT(all), .help = "Show static and default values as well."},
	{"non-default", OPT_FLAG, AT(non_default), .flags = OPT_OWN, .needs = "describe",
	 .help = "Show all values that are not defaults, wherever they were set."},
	{"entity-type", OPT_LIST, AT(entity_types), .arg = "type", .complete = COMPLETE_WORDS,
	 .words = "topics clients users brokers broker-loggers ips client-metrics groups",
	 .help = "Whose configs: topics, clients, users, brokers, broker-loggers, ips, "
		 "client-metrics or groups; users and clients may stand together."},
	{"entity-name", OPT_LIST, AT(entity_names), .arg = "name", .complete = COMPLETE_TOPIC,
	 .help = "The entity, one for each type in their order."},
	{"entity-default", OPT_FLAG, AT(entity_default),
	 .help = "The default of clients, users, brokers or ips, in the place of a name."},
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topic."},
	{"client", OPT_STRING, AT(client), .arg = "client id", .help = "The client id."},
	{"user", OPT_STRING, AT(user), .arg = "user", .help = "The user's principal name."},
	{"broker", OPT_STRING, AT(broker), .arg = "broker id", .help = "The broker."},
	{"broker-logger", OPT_STRING, AT(broker_logger), .arg = "broker id",
	 .help = "The broker whose loggers are meant."},
	{"ip", OPT_STRING, AT(ip), .arg = "address", .help = "The client's address."},
	{"group", OPT_STRING, AT(group), .arg = "group", .complete = COMPLETE_GROUP,
	 .help = "The group."},
	{"client-metrics", OPT_STRING, AT(client_metrics), .arg = "subscription",
	 .help = "The subscription of client metrics."},
	{"client-defaults", OPT_FLAG, AT(client_defaults), .help = "The default of client ids."},
	{"user-defaults", OPT_FLAG, AT(user_defaults), .help = "The default of users."},
	{"broker-defaults", OPT_FLAG, AT(broker_defaults), .help = "The defaults of all brokers."},
	{"ip-defaults", OPT_FLAG, AT(ip_defaults), .help = "The default of addresses."},
	{"add-config", OPT_STRING, AT(add_config), .arg = "k1=v1,k2=[v2,v3]",
	 .complete = COMPLETE_CONFIG,
	 .help = "Configs to set; a value with commas stands in brackets."},
	{"add-config-file", OPT_STRING, AT(add_config_file), .arg = "file",
	 .complete = COMPLETE_FILE, .help = "A properties file of configs to set."},
	{"delete-config", OPT_LIST, AT(delete_config), .arg = "k1,k2", .complete = COMPLETE_CONFIG,
	 .help = "Configs to take back to their defaults; may be repeated."},
	{"password-file", OPT_STRING, AT(password_file), .arg = "file", .flags = OPT_OWN,
	 .complete = COMPLETE_FILE, .needs = "add-config",
	 .help = "Take the password of SCRAM credentials from the first line of this file, or of "
		 "- for stdin."},
	OPT_END,
};

const struct command cmd_configs = {
	.name = "configs",
	.alias = "kafka-configs",
	.dialect = JOPT,
	.summary = "describe or change configs of topics, brokers and groups, quotas, passwords",
	.intro = "This tool helps to manipulate and describe entity config for a topic, client, "
		 "user, broker, ip, client-metrics or group",
	.opts = configs_opts,
	.args_size = sizeof(struct configs_args),
	.run = configs_run,
	.refuse = configs_refuse,
};

static int configs_check(const struct run *run, struct configs_args *args, struct err *err)
{
	if (args->alter == args->describe)
		return err_set(
			err, E_USAGE,
			run->is_apache
				? "Command must include exactly one action: --describe, --alter"
				: "say one of --describe, --alter");
	if (args->all && args->non_default)
		return opt_conflict(run, "all", "non-default", err);
	return opt_conflict(run, "describe", "add-config delete-config", err);
}

/* ---- Describe and alter ------------------------------------------------------------------- */

static int configs_describe(struct configs *c, struct err *err)
{
	static const char *const titles[] = {"TYPE", "ENTITY", "CONFIG", "VALUE", "SOURCE"};
	const struct entities *e = &c->entities;
	int rc;

	grid_init(&c->grid, c->arena, titles, ARRAY_LEN(titles));
	if (e->types[0]->resource)
		rc = resource_describe(c, err);
	else
		rc = quota_describe(c, err);
	if (rc == 0 && entities_have_type(e, "users") && !entities_have_type(e, "clients") &&
	    !entities_have_default(e))
		rc = scram_describe(c, err);
	if (c->format == OUTPUT_TABLE && rc == 0)
		grid_print(&c->grid);
	return rc;
}

static void configs_said(const struct configs *c, const struct changes *changes)
{
	const struct entity_type *type = c->entities.types[0];
	struct str name = c->entities.names[0];
	int singular = entity_singular_len(type);
	struct json_out j = {0};

	if (c->format == OUTPUT_TEXT && name.len == 0) {
		output_say("Completed updating default config for %s in the cluster.\n",
			   type->plural);
	} else if (c->format == OUTPUT_TEXT) {
		output_say("Completed updating config for %.*s %.*s.\n", singular, type->plural,
			   STR(name));
	} else if (c->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "entityType", (struct str){type->plural, (size_t)singular});
		json_out_str(&j, "entityName", name.len ? name : STR_NULL);
		for (int deleted = 0; deleted < 2; deleted++) {
			json_out_open(&j, deleted ? "deleted" : "set", '[');
			for (size_t i = 0; i < changes->count; i++) {
				if (changes->items[i].is_delete == deleted)
					json_out_str(&j, NULL, changes->items[i].name);
			}
			json_out_close(&j, ']');
		}
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

static int configs_alter(struct configs *c, struct err *err)
{
	struct changes changes;
	int rc = configs_changes(c->run, c->args, &changes, err);

	if (rc == 0 && c->entities.type_count > c->entities.name_count)
		rc = err_set(err, E_INVALID,
			     "An entity name must be specified for every entity type");
	if (rc < 0)
		return rc;
	if (c->entities.types[0]->resource)
		rc = resource_alter(c, &changes, err);
	else
		rc = quota_alter(c, &changes, err);
	if (rc == 0)
		configs_said(c, &changes);
	return rc;
}

/* ---- The run ------------------------------------------------------------------------------ */

static int configs_refuse(const struct run *run, const struct err *err)
{
	(void)run;
	/* Their language's words for an assertion that does not hold. */
	if (strncmp(err->text, "Invalid entity config:", 22) == 0)
		print_error("requirement failed: ");
	print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

/* Apache's tool repeats the command line, with all that is secret in it: a fault that has become
 * an interface as far as the text goes, so passwords are left out of it. */
static const char *configs_command_line(const struct run *run)
{
	struct out line;
	char *text, *secret;

	out_init(&line, ERR_TEXT_MAX * 16);
	for (int i = 0; i < run->argc; i++)
		out_printf(&line, "%s%s", i ? " " : "", run->argv[i]);
	text = arena_strndup((struct arena *)&run->arena, (const char *)line.data, line.len);
	out_fini(&line);
	for (secret = strstr(text, "password="); secret; secret = strstr(secret, "password=")) {
		secret += strlen("password=");
		for (; *secret && !strchr(",] ", *secret); secret++)
			*secret = '*';
	}
	return text;
}

static int configs_failure(const struct run *run, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, text);

	if (!run->is_apache)
		return help_failure(run, err);
	if (err->code == E_INVALID || err->code == E_UNSUPPORTED)
		return configs_refuse(run, err);
	if (err->code == -ENOENT)
		exception = "java.nio.file.NoSuchFileException";
	print_error("Error while executing config command with args '%s'\n%s%s%s%.*s\n",
		    configs_command_line(run),
		    err->code == E_KAFKA ? "java.util.concurrent.ExecutionException: " : "",
		    exception ? exception : "", exception ? ": " : "",
		    (int)(err->code == -ENOENT ? strcspn(err_message(err), ":")
					       : strlen(err_message(err))),
		    err_message(err));
	return EXIT_FAILED;
}

static int configs_run(struct run *run, void *data)
{
	struct configs_args *args = data;
	struct configs c = {.run = run, .args = args, .arena = &run->arena};
	struct connection connection;
	struct err err = {0};
	int rc = configs_check(run, args, &err);

	if (rc == 0)
		rc = output_format(&args->output, &c.format, &err);
	if (rc < 0)
		return help_usage(run, &err);
	if (!connect_has_server(run) && !args->cluster.bootstrap_controller)
		rc = err_set(
			&err, E_INVALID,
			"Either --bootstrap-server or --bootstrap-controller must be specified.");
	if (rc == 0)
		rc = entities_read(run, args, &c.entities, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return configs_failure(run, &err);
	c.client = connection.client;
	rc = args->describe ? configs_describe(&c, &err) : configs_alter(&c, &err);
	connect_close(&connection);
	return rc < 0 ? configs_failure(run, &err) : EXIT_OK;
}
