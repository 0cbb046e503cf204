/* What a new cluster begins with: the levels of its features, and its voters. */
#include "metadata/storage_format_int.h"

#include "base/mem.h"
#include "wire/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- Features ------------------------------------------------------------------------------- */

size_t storage_formatter_feature_index(const char *name)
{
	for (size_t i = 0; i < feature_count; i++)
		if (strcmp(features[i].name, name) == 0)
			return i;
	return feature_count;
}

static int format_feature(struct storage_formatter *f, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	char *name, *end;
	size_t index;
	long level;

	if (!equals)
		return err_set(err, E_INVALID,
			       "Invalid feature format: %s. Expected format: "
			       "'feature=version' (e.g. 'group.version=1')",
			       text);
	name = arena_strndup(&f->arena, text, (size_t)(equals - text));
	index = storage_formatter_feature_index(name);
	if (index == feature_count)
		return err_set(err, E_INVALID,
			       "Unsupported feature: %s. Supported features are: "
			       "eligible.leader.replicas.version, group.version, "
			       "kraft.version, share.version, streams.version, "
			       "transaction.version",
			       name);
	level = strtol(equals + 1, &end, 10);
	if (*end || end == equals + 1 || level < features[index].min || level > features[index].max)
		return err_set(err, E_INVALID,
			       "Feature level %s is not supported for feature %s (valid: %d to %d)",
			       equals + 1, name, features[index].min, features[index].max);
	f->levels[index] = (int16_t)level;
	return 0;
}

/* The level of -f metadata.version=N, or 0. */
static int format_version_given(const struct storage_formatter *f)
{
	const struct storage_format_options *o = f->options;
	const size_t len = strlen(METADATA_VERSION_FEATURE "=");
	int level = 0;

	for (size_t i = 0; i < o->feature_count; i++)
		if (strncmp(o->features[i], METADATA_VERSION_FEATURE "=", len) == 0)
			level = (int)strtol(o->features[i] + len, NULL, 10);
	return level;
}

static int format_unknown_release(const char *release, struct err *err)
{
	struct out names;
	int rc;

	out_init(&names, 4096);
	for (int level = METADATA_VERSION_MIN; level <= METADATA_VERSION_MAX; level++)
		out_printf(&names, "%s%s", names.len ? ", " : "", metadata_version_name(level));
	rc = err_set(err, E_INVALID,
		     "Unknown metadata.version '%s'. Supported metadata.version are: %.*s", release,
		     (int)names.len, (const char *)names.data);
	out_fini(&names);
	return rc;
}

/* Each level must fit the metadata.version, whatever their order was. */
static int format_depends(struct storage_formatter *f, struct err *err)
{
	for (size_t i = 0; i < feature_count; i++) {
		int rc =
			feature_check_depends(&features[i], f->levels[i], f->metadata_version, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int format_kraft_version(const struct storage_formatter *f, struct err *err)
{
	int16_t level = f->levels[storage_formatter_feature_index(KRAFT_VERSION_FEATURE)];

	if (f->dynamic && level == 0)
		return err_set(
			err, E_INVALID,
			"Cannot set kraft.version to 0 if controller.quorum.voters is empty "
			"and one of the flags --standalone, --initial-controllers, or "
			"--no-initial-controllers is used. For dynamic controllers support, try "
			"removing the --feature flag for kraft.version.");
	if (!f->dynamic && level > 0)
		return err_set(
			err, E_INVALID,
			"Cannot set kraft.version to 1 unless controller.quorum.voters is empty "
			"and one of the flags --standalone, --initial-controllers, or "
			"--no-initial-controllers is used. For dynamic controllers support, try "
			"using one of --standalone, --initial-controllers, or "
			"--no-initial-controllers and removing controller.quorum.voters.");
	return 0;
}

int storage_formatter_features(struct storage_formatter *f, struct err *err)
{
	const struct storage_format_options *o = f->options;
	const char *release = o->release_version;
	int given = format_version_given(f), rc = 0;

	assert(feature_count <= FEATURES_MAX);
	if (given && release)
		return err_set(err, E_INVALID,
			       "Use --release-version instead of --feature "
			       "metadata.version=X to avoid ambiguity.");
	f->metadata_version = METADATA_VERSION_DEFAULT;
	if (release)
		f->metadata_version = metadata_version_by_name(str_of(release));
	else if (metadata_version_name(given))
		f->metadata_version = given;
	if (f->metadata_version < 0)
		return format_unknown_release(release, err);
	for (size_t i = 0; i < feature_count; i++)
		f->levels[i] = feature_default_level(&features[i], f->metadata_version);
	f->levels[storage_formatter_feature_index(METADATA_VERSION_FEATURE)] =
		(int16_t)f->metadata_version;
	f->levels[storage_formatter_feature_index(KRAFT_VERSION_FEATURE)] = f->dynamic ? 1 : 0;
	for (size_t i = 0; i < o->feature_count && rc == 0; i++)
		rc = format_feature(f, o->features[i], err);
	if (rc == 0)
		rc = format_depends(f, err);
	return rc < 0 ? rc : format_kraft_version(f, err);
}

/* ---- Voters --------------------------------------------------------------------------------- */

/* The listener by which controllers find each other: the first of controller.listener.names. */
static const char *controller_listener_name(const struct config *config)
{
	size_t count;
	const char *const *names = config_list(config, CONFIG_CONTROLLER_LISTENER_NAMES, &count);
	const struct listener *l = count > 0 ? config_listener(config, names[0]) : NULL;

	if (l)
		return l->name;
	return count > 0 ? names[0] : "CONTROLLER";
}

static void voter_set(struct storage_formatter *f, struct voters_record_voter *voter, int32_t id,
		      struct uuid directory_id, struct str host, uint16_t port)
{
	voter->voter_id = id;
	voter->voter_directory_id = directory_id;
	voter->endpoints = WIRE_ARRAY(&f->arena, voters_record_endpoint, 1);
	voter->endpoints_count = 1;
	voter->endpoints[0].name = str_of(controller_listener_name(f->options->config));
	voter->endpoints[0].host = host;
	voter->endpoints[0].port = port;
	voter->kraft_version_feature.max_supported_version = 1;
	if (id == config_node_id(f->options->config))
		f->own_directory_id = directory_id;
}

/* "[::1]" -> "::1" */
static struct str host_of(const char *text)
{
	size_t len = strlen(text);

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
		return (struct str){text + 1, len - 2};
	return str_of(text);
}

/* "id@host:port:directoryId" */
static int voter_parse(struct storage_formatter *f, struct voters_record_voter *voter,
		       struct str text, struct err *err)
{
	char *copy = arena_strndup(&f->arena, text.data, text.len);
	char *at = strchr(copy, '@'), *id_end, *port_end;
	char *directory = at ? strrchr(at, ':') : NULL, *port;
	struct uuid directory_id;
	long id, number;

	if (!directory)
		return err_set(err, E_INVALID,
			       "No @ or directory id found in voter '%s': say "
			       "id@host:port:directoryId",
			       copy);
	*at = *directory = '\0';
	port = strrchr(at + 1, ':');
	if (!port)
		return err_set(err, E_INVALID, "No port found in voter '%.*s'", STR(text));
	*port++ = '\0';
	id = strtol(copy, &id_end, 10);
	number = strtol(port, &port_end, 10);
	if (*id_end || id_end == copy || id < 0 || id > INT32_MAX || *port_end || number < 0 ||
	    number > UINT16_MAX)
		return err_set(err, E_INVALID, "Bad id or port in voter '%.*s'", STR(text));
	if (uuid_parse(&directory_id, str_of(directory + 1)) < 0)
		return err_set(err, E_INVALID, "Bad directory id in voter '%.*s'", STR(text));
	for (const struct voters_record_voter *v = f->voters->voters; v < voter; v++)
		if (v->voter_id == id)
			return err_set(err, E_INVALID, "Node id %ld was specified more than once.",
				       id);
	voter_set(f, voter, (int32_t)id, directory_id, host_of(at + 1), (uint16_t)number);
	return 0;
}

static int voters_parse(struct storage_formatter *f, const char *text, struct err *err)
{
	size_t count = 1;

	if (!*text)
		return err_set(err, E_INVALID, "No voters given.");
	for (const char *p = text; *p; p++)
		count += *p == ',';
	f->voters->voters = WIRE_ARRAY(&f->arena, voters_record_voter, count);
	for (const char *p = text; *p;) {
		const char *end = strchrnul(p, ',');
		int rc = voter_parse(f, &f->voters->voters[f->voters->voters_count++],
				     (struct str){p, (size_t)(end - p)}, err);

		if (rc < 0)
			return rc;
		p = *end ? end + 1 : end;
	}
	return 0;
}

/* Where the others reach this controller: its advertised address, unless that is any address. */
static void voters_standalone(struct storage_formatter *f)
{
	const struct config *config = f->options->config;
	const struct listener *l =
		config_advertised_controller(config, controller_listener_name(config));
	const char *host = l ? l->host : "";

	if (!*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		host = "localhost";
	f->voters->voters = WIRE_ARRAY(&f->arena, voters_record_voter, 1);
	f->voters->voters_count = 1;
	voter_set(f, f->voters->voters, config_node_id(config), uuid_random(), str_of(host),
		  (uint16_t)(l ? l->port : 0));
}

int storage_formatter_quorum(struct storage_formatter *f, struct err *err)
{
	const struct storage_format_options *o = f->options;
	bool is_static = !config_is_null(o->config, CONFIG_CONTROLLER_QUORUM_VOTERS) &&
			 config_str(o->config, CONFIG_CONTROLLER_QUORUM_VOTERS)[0];

	if (is_static && (o->standalone || o->initial_controllers))
		return err_set(
			err, E_INVALID,
			"You cannot specify controller.quorum.voters and format the node with "
			"--initial-controllers or --standalone. If you want to use dynamic "
			"quorum, please remove controller.quorum.voters and specify "
			"controller.quorum.bootstrap.servers instead.");
	if (!config_is_controller(o->config) && o->standalone)
		return err_set(err, E_INVALID, "You can only use --standalone on a controller.");
	if (!is_static && config_is_controller(o->config) && !o->standalone &&
	    !o->initial_controllers && !o->no_initial_controllers)
		return err_set(
			err, E_INVALID,
			"Because controller.quorum.voters is not set on this controller, you "
			"must specify one of the following: --standalone, "
			"--initial-controllers, or --no-initial-controllers.");
	f->dynamic = !is_static;
	if (!o->standalone && !o->initial_controllers)
		return 0;
	f->voters = WIRE_NEW(&f->arena, voters_record);
	if (o->initial_controllers)
		return voters_parse(f, o->initial_controllers, err);
	voters_standalone(f);
	return 0;
}
