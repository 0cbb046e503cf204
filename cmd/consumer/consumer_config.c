/* The console consumer's options: rules, formatter properties, consumer configs. */
#include "cmd/consumer/consumer_int.h"
#include "cmd/notice.h"

#include "base/clock.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RANDOM_GROUPS 100000

/* ---- Where to begin and to end ------------------------------------------------------------ */

/* The forms that Apache's tool takes; the rest is told in its words. */
static bool offset_is_apache(const char *text)
{
	return strcasecmp(text, "earliest") == 0 || strcasecmp(text, "latest") == 0 ||
	       (*text && text[strspn(text, "0123456789")] == '\0');
}

static int check_offset(const struct run *run, struct consumer_args *args, const char *text,
			struct err *err)
{
	struct place place;
	struct err why = {0};

	if (run->is_apache && !offset_is_apache(text))
		return err_set(err, E_USAGE,
			       "The provided offset value '%s' is incorrect. Valid values are "
			       "'earliest', 'latest', or a non-negative long.",
			       text);
	if (place_parse(text, clock_wall_ms(), &place, &why) < 0)
		return err_set(err, E_USAGE, "--offset: %s", err_message(&why));
	if (place.kind == PLACE_STOP_TIME && args->stop_ms < 0) {
		args->stop_ms = place.value;
		return 0;
	}
	if (place.kind == PLACE_STOP_TIME || args->from.kind != PLACE_NONE)
		return err_set(err, E_USAGE, "--offset is given twice");
	args->from = place;
	return 0;
}

static int check_until(const struct run *run, struct consumer_args *args, struct err *err)
{
	struct err why = {0};

	if (opt_given_count(run, "until exit tail") > 1)
		return err_set(err, E_USAGE, "one end is enough: --until, --exit or --tail");
	if (args->exit_at_end || opt_given(run, "tail"))
		args->end = (struct place){.kind = PLACE_END};
	if (!args->until)
		return 0;
	if (place_parse(args->until, clock_wall_ms(), &args->end, &why) < 0)
		return err_set(err, E_USAGE, "--until: %s", err_message(&why));
	if (args->end.kind == PLACE_STORED || args->end.kind == PLACE_BEGINNING ||
	    args->end.kind == PLACE_STOP_TIME)
		return err_set(err, E_USAGE,
			       "--until: '%s' is no end: end, an offset, -N, +N or "
			       "@TIME",
			       args->until);
	return 0;
}

static int check_range(const struct run *run, struct consumer_args *args, struct err *err)
{
	bool is_tail = opt_given(run, "tail");
	int rc = 0;

	args->stop_ms = -1;
	if (run->is_apache && args->offsets.count > 1)
		return err_set(err, E_USAGE,
			       "Found multiple arguments for option offset, but you "
			       "asked for only one");
	for (unsigned i = 0; rc == 0 && i < args->offsets.count; i++)
		rc = check_offset(run, args, args->offsets.items[i], err);
	if (rc == 0)
		rc = check_until(run, args, err);
	if (rc < 0)
		return rc;
	if (is_tail && (args->from.kind != PLACE_NONE || args->from_beginning || args->group))
		return err_set(err, E_USAGE,
			       "--tail goes without --offset, --from-beginning and "
			       "--group");
	if (is_tail)
		args->from = (struct place){.kind = PLACE_BEFORE_END, .value = args->tail};
	/* Apache's tool does not ask auto.offset.reset then. */
	if (run->is_apache && args->partition && args->from.kind == PLACE_NONE)
		args->from.kind = args->from_beginning ? PLACE_BEGINNING : PLACE_END;
	return 0;
}

static int check_partition(struct run *run, struct consumer_args *args, struct err *err)
{
	struct err why = {0};
	int32_t *list;

	if (!args->partition)
		return 0;
	if (place_parse_partitions(args->partition, &list, &args->partition_count, &why) < 0)
		return run->is_apache ? err_set(err, E_USAGE,
						"Cannot parse argument '%s' of option partition",
						args->partition)
				      : err_set(err, E_USAGE, "--partition: %s", err_message(&why));
	args->partitions = arena_memdup(&run->arena, list, args->partition_count * sizeof(*list));
	free(list);
	return 0;
}

/* ---- Rules -------------------------------------------------------------------------------- */

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

static int check_apache(const struct run *run, const struct consumer_args *args, struct err *err)
{
	if (opt_given_count(run, "topic include") != 1)
		return err_set(
			err, E_USAGE,
			run->is_apache
				? "Exactly one of the following arguments is required: [topic], "
				  "[include]"
				: "say --topic or --include");
	if (args->partition && !args->topic)
		return err_set(err, E_USAGE, "The topic is required when partition is specified.");
	if (args->from_beginning && args->offsets.count > 0)
		return err_set(err, E_USAGE,
			       "Options from-beginning and offset cannot be specified together.");
	if (run->is_apache && args->offsets.count > 0 && !args->partition)
		return err_set(err, E_USAGE, "The partition is required when offset is specified.");
	return 0;
}

static int check_forms(const struct run *run, const struct consumer_args *args, struct err *err)
{
	if (args->output.json && args->output.format && strcmp(args->output.format, "json") != 0)
		return err_set(err, E_USAGE, "--json cannot be used with --output %s",
			       args->output.format);
	if (args->format && opt_given_count(run, "output json formatter") > 0)
		return err_set(err, E_USAGE,
			       "--format goes without --output, --json and --formatter");
	if (opt_given(run, "formatter") && opt_given_count(run, "output json") > 0)
		return err_set(err, E_USAGE, "--formatter goes without --output and --json");
	return 0;
}

int consumer_check(struct run *run, struct consumer_args *args, struct err *err)
{
	int rc = check_apache(run, args, err);

	if (rc < 0)
		return rc;
	if (!connect_has_server(run))
		return opt_require(run, "bootstrap-server", err);
	rc = check_pairs(run, err);
	if (rc == 0 && args->group && args->partition && run->is_apache)
		rc = err_set(err, E_USAGE,
			     "Options group and partition cannot be specified together.");
	if (rc == 0)
		rc = check_partition(run, args, err);
	if (rc == 0)
		rc = check_range(run, args, err);
	if (rc == 0)
		rc = check_forms(run, args, err);
	if (rc == 0)
		check_old(run, args);
	return rc;
}

/* ---- Properties --------------------------------------------------------------------------- */

/* Apache's tools take "key" for "key=". */
static int set_pair(const struct run *run, struct props *props, const char *pair, struct err *err)
{
	const char *equals = strchr(pair, '=');

	if (!run->is_apache || (equals && equals != pair))
		return props_set_pair(props, pair, err);
	if (!equals)
		props_set(props, pair, "");
	return 0;
}

int consumer_formatter_props(const struct run *run, const struct consumer_args *args,
			     struct props *props, struct err *err)
{
	int rc = args->formatter_config ? props_read(props, args->formatter_config, err) : 0;

	if (args->prints_null)
		props_set(props, "null.literal", "NULL");
	for (unsigned i = 0; rc == 0 && i < args->formatter_properties.count; i++)
		rc = set_pair(run, props, args->formatter_properties.items[i], err);
	if (args->key_deserializer)
		props_set(props, "key.deserializer", args->key_deserializer);
	if (args->value_deserializer)
		props_set(props, "value.deserializer", args->value_deserializer);
	return rc;
}

/* ---- Configs ------------------------------------------------------------------------------ */

/* group.id can be named in three places, which must agree. */
static int config_named_group(const struct run *run, struct consumer_args *args,
			      struct client_config *config, const char *of_file, const char **group,
			      struct err *err)
{
	const char *of_properties = client_config_is_set(config, CC_GROUP_ID)
					    ? client_config_str(config, CC_GROUP_ID)
					    : NULL;
	const char *names[] = {args->group, of_properties, of_file};

	*group = NULL;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!names[i])
			continue;
		if (*group && strcmp(*group, names[i]) != 0)
			return err_set(
				err, E_USAGE,
				"The group ids provided in different places "
				"(directly using '--group', via '--consumer-property', or via "
				"'--consumer.config') do not match. Detected group ids: '%s', '%s'",
				*group, names[i]);
		*group = names[i];
	}
	if (*group && args->partition && run->is_apache)
		return err_set(err, E_USAGE,
			       "Options group and partition cannot be specified together.");
	return 0;
}

static int config_group(const struct run *run, struct consumer_args *args,
			struct client_config *config, const char *of_file, struct err *err)
{
	const char *group;
	char text[64];
	uint32_t random;
	int rc = config_named_group(run, args, config, of_file, &group, err);

	if (rc < 0)
		return rc;
	args->has_group = group != NULL;
	/* Without a group there is nothing to share: under our own name the partitions are taken
	 * at once, while Apache's tool makes up a group and waits for its rebalance. */
	args->assigns = args->partition || (!run->is_apache && !group && args->topic);
	if (args->from.kind == PLACE_STORED && !group)
		return err_set(err, E_USAGE, "--offset stored needs a --group");
	if (args->group)
		return client_config_set(config, "group.id", args->group, err);
	if (group)
		return 0;
	if (!client_config_is_set(config, CC_ENABLE_AUTO_COMMIT) || args->assigns)
		rc = client_config_set(config, "enable.auto.commit", "false", err);
	if (rc < 0 || args->assigns)
		return rc;
	/* A group of this run only: nobody would ever use its offsets. */
	rng_system(&random, sizeof(random));
	snprintf(text, sizeof(text), "console-consumer-%u", random % RANDOM_GROUPS);
	return client_config_set(config, "group.id", text, err);
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
		if (!run->is_apache || strchr(args->properties.items[i], '='))
			rc = client_config_set_pair(config, args->properties.items[i], err);
	if (rc == 0)
		rc = config_group(run, args, config, of_file, err);
	if (rc < 0)
		return rc;
	reset = client_config_is_set(config, CC_AUTO_OFFSET_RESET)
			? client_config_str(config, CC_AUTO_OFFSET_RESET)
			: NULL;
	if (args->from_beginning && reset && strcmp(reset, "latest") == 0)
		return err_set(err, E_INVALID,
			       "Can't simultaneously specify --from-beginning and "
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
