/* The console consumer's options: rules, formatter properties, consumer configs. */
#include "cmd/consumer/consumer_int.h"
#include "cmd/notice.h"
#include "cmd/print.h"

#include "base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RANDOM_GROUPS 100000

static int check_offset(struct consumer_args *args, struct err *err)
{
	char *end;

	args->start = args->from_beginning ? OFFSET_BEGINNING : OFFSET_END;
	if (!args->offset)
		return 0;
	if (strcasecmp(args->offset, "earliest") == 0) {
		args->start = OFFSET_BEGINNING;
		return 0;
	}
	if (strcasecmp(args->offset, "latest") == 0) {
		args->start = OFFSET_END;
		return 0;
	}
	errno = 0;
	args->start = strtoll(args->offset, &end, 10);
	if (end != args->offset && *end == '\0' && errno == 0 && args->start >= 0)
		return 0;
	return err_set(err, E_USAGE,
		       "The provided offset value '%s' is incorrect. Valid values are "
		       "'earliest', 'latest', or a non-negative long.",
		       args->offset);
}

static int check_pairs(const struct run *run, struct err *err)
{
	int rc = notice_both(run, "consumer-property", "command-property", err);

	if (rc == 0)
		rc = notice_both(run, "consumer.config", "command-config", err);
	if (rc == 0)
		rc = notice_both(run, "property", "formatter-property", err);
	return rc;
}

static void check_old(const struct run *run, struct consumer_args *args)
{
	static const char text[] = "Option --%s is deprecated and will be removed in a future "
				   "version. Use --%s instead.";

	if (args->old_properties.count > 0) {
		notice_old(run, text, "consumer-property", "command-property");
		args->properties = args->old_properties;
	}
	if (args->old_config) {
		notice_old(run, text, "consumer.config", "command-config");
		args->cluster.command_config = args->old_config;
	}
	if (args->old_formatter_properties.count > 0) {
		notice_old(run, text, "property", "formatter-property");
		args->formatter_properties = args->old_formatter_properties;
	}
}

int consumer_check(const struct run *run, struct consumer_args *args, struct err *err)
{
	int rc;

	if (opt_given_count(run, "topic include") != 1)
		return err_set(err, E_USAGE, run->is_apache
			       ? "Exactly one of the following arguments is required: [topic], "
				 "[include]"
			       : "say --topic or --include");
	if (opt_given(run, "partition") && !args->topic)
		return err_set(err, E_USAGE, "The topic is required when partition is specified.");
	if (args->from_beginning && args->offset)
		return err_set(err, E_USAGE,
			       "Options from-beginning and offset cannot be specified together.");
	if (args->offset && !opt_given(run, "partition"))
		return err_set(err, E_USAGE, "The partition is required when offset is specified.");
	if (!connect_has_server(run))
		return opt_require(run, "bootstrap-server", err);
	rc = check_pairs(run, err);
	if (rc == 0 && args->group && opt_given(run, "partition"))
		rc = err_set(err, E_USAGE,
			     "Options group and partition cannot be specified together.");
	if (rc == 0)
		rc = check_offset(args, err);
	if (rc == 0)
		check_old(run, args);
	return rc;
}

int consumer_formatter_props(const struct consumer_args *args, struct props *props, struct err *err)
{
	int rc = args->formatter_config ? props_read(props, args->formatter_config, err) : 0;

	for (unsigned i = 0; rc == 0 && i < args->formatter_properties.count; i++)
		rc = props_set_pair(props, args->formatter_properties.items[i], err);
	if (args->key_deserializer)
		props_set(props, "key.deserializer", args->key_deserializer);
	if (args->value_deserializer)
		props_set(props, "value.deserializer", args->value_deserializer);
	return rc;
}

/* group.id can be named in three places, which must agree. */
static int config_group(const struct run *run, struct consumer_args *args,
			struct client_config *config, const char *of_file, struct err *err)
{
	const char *of_properties = client_config_is_set(config, CC_GROUP_ID)
		? client_config_str(config, CC_GROUP_ID) : NULL;
	const char *names[] = {args->group, of_properties, of_file};
	const char *first = NULL;
	char text[64];
	uint32_t random;
	int rc;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!names[i])
			continue;
		if (first && strcmp(first, names[i]) != 0)
			return err_set(
				err, E_USAGE,
				"The group ids provided in different places "
				"(directly using '--group', via '--consumer-property', or via "
				"'--consumer.config') do not match. Detected group ids: '%s', '%s'",
				first, names[i]);
		first = names[i];
	}
	if (first && opt_given(run, "partition"))
		return err_set(err, E_USAGE,
			       "Options group and partition cannot be specified together.");
	args->has_group = first != NULL;
	if (args->group)
		return client_config_set(config, "group.id", args->group, err);
	if (first)
		return 0;
	/* A group of this run only: nobody would ever use its offsets. */
	rng_system(&random, sizeof(random));
	snprintf(text, sizeof(text), "console-consumer-%u", random % RANDOM_GROUPS);
	rc = client_config_set(config, "group.id", text, err);
	if (rc == 0 && !client_config_is_set(config, CC_ENABLE_AUTO_COMMIT))
		rc = client_config_set(config, "enable.auto.commit", "false", err);
	return rc;
}

static int config_fill(const struct run *run, struct consumer_args *args,
		       struct client_config *config, struct err *err)
{
	const char *reset, *of_file = NULL;
	int rc = 0;

	if (client_config_is_set(config, CC_GROUP_ID))
		of_file = arena_strdup((struct arena *)&run->arena,
				       client_config_str(config, CC_GROUP_ID));
	for (unsigned i = 0; rc == 0 && i < args->properties.count; i++)
		rc = client_config_set_pair(config, args->properties.items[i], err);
	if (rc == 0)
		rc = config_group(run, args, config, of_file, err);
	if (rc < 0)
		return rc;
	reset = client_config_is_set(config, CC_AUTO_OFFSET_RESET)
		? client_config_str(config, CC_AUTO_OFFSET_RESET) : NULL;
	if (args->from_beginning && reset && strcmp(reset, "latest") == 0)
		return err_set(err, E_INVALID, "Can't simultaneously specify --from-beginning and "
			       "'auto.offset.reset=latest', please remove one option");
	if (!reset)
		rc = client_config_set(config, "auto.offset.reset",
				       args->from_beginning ? "earliest" : "latest", err);
	if (rc == 0 && (opt_given(run, "isolation-level") ||
			!client_config_is_set(config, CC_ISOLATION_LEVEL)))
		rc = client_config_set(config, "isolation.level", args->isolation_level, err);
	if (rc == 0 && args->cluster.bootstrap_server)
		rc = client_config_set(config, "bootstrap.servers", args->cluster.bootstrap_server,
				       err);
	return rc;
}

struct client_config *consumer_config(const struct run *run, struct consumer_args *args,
				      struct err *err)
{
	struct client_config *config = connect_config(&args->cluster, CLIENT_CONSUMER, err);

	if (!config)
		return NULL;
	if (config_fill(run, args, config, err) == 0)
		return config;
	client_config_free(config);
	return NULL;
}
