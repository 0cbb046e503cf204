#include "metadata/storage_format.h"

#include "base/mem.h"
#include "base/say.h"
#include "log/log_dir.h"
#include "metadata/features.h"
#include "metadata/scram_arg.h"
#include "metadata/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SAY_PLACE "broker/storage"

#define METADATA_LOG_DIR "__cluster_metadata-0"
#define FEATURES_MAX 32

/* One run of format. */
struct formatter {
	struct env *env;
	const struct storage_format_options *options;
	struct arena arena;
	struct log_dir **dirs; /* open; those of the config and the metadata's */
	size_t dir_count;
	struct log_dir *metadata_dir;
	int metadata_version;
	int16_t levels[FEATURES_MAX]; /* by place in features[] */
	bool dynamic;                 /* kraft.version 1 */
	struct voters_record *voters; /* NULL: none are written */
	struct uuid own_directory_id; /* of this node's voter; zero: any */
	struct user_scram_credential_record *scram;
};

static void format_print(const struct formatter *f, const char *line)
{
	if (f->options->print)
		f->options->print(f->options->ctx, line);
}

/* ---- Features ------------------------------------------------------------------------------- */

static size_t feature_index(const char *name)
{
	for (size_t i = 0; i < feature_count; i++)
		if (strcmp(features[i].name, name) == 0)
			return i;
	return feature_count;
}

static int format_feature(struct formatter *f, const char *text, struct err *err)
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
	index = feature_index(name);
	if (index == feature_count)
		return err_set(err, E_INVALID,
			       "Unsupported feature: %s. Supported features are: "
			       "eligible.leader.replicas.version, group.version, "
			       "kraft.version, share.version, streams.version, "
			       "transaction.version",
			       name);
	if (strcmp(name, METADATA_VERSION_FEATURE) == 0)
		return err_set(err, E_INVALID,
			       "Use --release-version instead of --feature "
			       "metadata.version=X to avoid ambiguity.");
	level = strtol(equals + 1, &end, 10);
	if (*end || end == equals + 1 || level < features[index].min || level > features[index].max)
		return err_set(err, E_INVALID, "Feature level %s is not supported for feature %s",
			       equals + 1, name);
	f->levels[index] = (int16_t)level;
	return feature_check_depends(&features[index], (int16_t)level, f->metadata_version, err);
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

static int format_features(struct formatter *f, struct err *err)
{
	const struct storage_format_options *o = f->options;
	const char *release = o->release_version;

	assert(feature_count <= FEATURES_MAX);
	f->metadata_version = METADATA_VERSION_DEFAULT;
	if (release)
		f->metadata_version = metadata_version_by_name(str_of(release));
	if (f->metadata_version < 0)
		return format_unknown_release(release, err);
	for (size_t i = 0; i < feature_count; i++)
		f->levels[i] = feature_default_level(&features[i], f->metadata_version);
	f->levels[feature_index(METADATA_VERSION_FEATURE)] = (int16_t)f->metadata_version;
	f->levels[feature_index(KRAFT_VERSION_FEATURE)] = f->dynamic ? 1 : 0;
	for (size_t i = 0; i < o->feature_count; i++) {
		int rc = format_feature(f, o->features[i], err);

		if (rc < 0)
			return rc;
	}
	if (f->dynamic && f->levels[feature_index(KRAFT_VERSION_FEATURE)] == 0)
		return err_set(
			err, E_INVALID,
			"Cannot set kraft.version to 0 if controller.quorum.voters is empty "
			"and one of the flags --standalone, --initial-controllers, or "
			"--no-initial-controllers is used. For dynamic controllers support, try "
			"removing the --feature flag for kraft.version.");
	if (!f->dynamic && f->levels[feature_index(KRAFT_VERSION_FEATURE)] > 0)
		return err_set(
			err, E_INVALID,
			"Cannot set kraft.version to 1 unless controller.quorum.voters is empty "
			"and one of the flags --standalone, --initial-controllers, or "
			"--no-initial-controllers is used. For dynamic controllers support, try "
			"using one of --standalone, --initial-controllers, or "
			"--no-initial-controllers and removing controller.quorum.voters.");
	return 0;
}

/* ---- Voters --------------------------------------------------------------------------------- */

static const struct listener *first_controller_listener(const struct config *config)
{
	size_t count;
	const struct listener *listeners = config_listeners(config, &count);

	for (size_t i = 0; i < count; i++)
		if (listeners[i].is_controller)
			return &listeners[i];
	return NULL;
}

static void voter_set(struct formatter *f, struct voters_record_voter *voter, int32_t id,
		      struct uuid directory_id, struct str host, uint16_t port)
{
	const struct listener *l = first_controller_listener(f->options->config);

	voter->voter_id = id;
	voter->voter_directory_id = directory_id;
	voter->endpoints = WIRE_ARRAY(&f->arena, voters_record_endpoint, 1);
	voter->endpoints_count = 1;
	voter->endpoints[0].name = str_of(l ? l->name : "CONTROLLER");
	voter->endpoints[0].host = host;
	voter->endpoints[0].port = port;
	voter->kraft_version_feature.max_supported_version = 1;
	if (id == config_node_id(f->options->config))
		f->own_directory_id = directory_id;
}

/* "id@host:port:directoryId" */
static int voter_parse(struct formatter *f, struct voters_record_voter *voter, struct str text,
		       struct err *err)
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
	voter_set(f, voter, (int32_t)id, directory_id, str_of(at + 1), (uint16_t)number);
	return 0;
}

static int voters_parse(struct formatter *f, const char *text, struct err *err)
{
	size_t count = 1;

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

static void voters_standalone(struct formatter *f)
{
	const struct listener *l = first_controller_listener(f->options->config);

	f->voters->voters = WIRE_ARRAY(&f->arena, voters_record_voter, 1);
	f->voters->voters_count = 1;
	voter_set(f, f->voters->voters, config_node_id(f->options->config), uuid_random(),
		  str_of(l && l->host[0] ? l->host : "localhost"), (uint16_t)(l ? l->port : 0));
}

static int format_quorum(struct formatter *f, struct err *err)
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

/* ---- Directories ---------------------------------------------------------------------------- */

static int format_open_dir(struct formatter *f, const char *path, struct err *err)
{
	int rc;

	for (size_t i = 0; i < f->dir_count; i++)
		if (strcmp(f->dirs[i]->path, path) == 0)
			return 0;
	rc = log_dir_open(&f->dirs[f->dir_count], f->env, path, err);
	if (rc == 0)
		f->dir_count++;
	return rc;
}

static int format_open_dirs(struct formatter *f, struct err *err)
{
	const struct config *config = f->options->config;
	const char *metadata_path = config_metadata_log_dir(config);
	size_t count;
	const char *const *paths = config_list(config, CONFIG_LOG_DIRS, &count);
	int rc = 0;

	f->dirs = arena_array(&f->arena, count + 1, sizeof(*f->dirs));
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = format_open_dir(f, paths[i], err);
	if (rc == 0)
		rc = format_open_dir(f, metadata_path, err);
	for (size_t i = 0; i < f->dir_count; i++)
		if (strcmp(f->dirs[i]->path, metadata_path) == 0)
			f->metadata_dir = f->dirs[i];
	return rc;
}

/* Writes the records that the first leader shall begin with. */
static int checkpoint_records(struct formatter *f, struct snapshot_writer *w, struct err *err)
{
	struct feature_level_record level;
	int rc = 0;

	for (size_t i = 0; i < feature_count && rc == 0; i++) {
		/* metadata.version is the first of the table; kraft.version is no record. */
		if (f->levels[i] <= 0 || strcmp(features[i].name, KRAFT_VERSION_FEATURE) == 0)
			continue;
		WIRE_INIT(feature_level_record, &level);
		level.name = str_of(features[i].name);
		level.feature_level = f->levels[i];
		rc = snapshot_writer_add(w, &feature_level_record_desc, 0, &level, err);
	}
	for (size_t i = 0; i < f->options->scram_count && rc == 0; i++)
		rc = snapshot_writer_add(w, &user_scram_credential_record_desc, 0, &f->scram[i],
					 err);
	return rc;
}

static int format_checkpoint(struct formatter *f, struct err *err)
{
	char *dir = arena_printf(&f->arena, "%s/" METADATA_LOG_DIR, f->metadata_dir->path);
	int64_t now_ms = env_wall_ms(f->env);
	struct snapshot_header header = {
		.last_timestamp_ms = now_ms,
		.now_ms = now_ms,
		.kraft_version = f->levels[feature_index(KRAFT_VERSION_FEATURE)],
		.voters = f->voters,
	};
	struct snapshot_writer w;
	int rc = f->env->ops->mkdir(f->env, dir);

	if (rc < 0 && rc != -EEXIST)
		return err_sys(err, rc, "%s", dir);
	rc = snapshot_writer_open(&w, f->env, dir, SNAPSHOT_BOOTSTRAP, &header, err);
	if (rc < 0)
		return rc;
	rc = checkpoint_records(f, &w, err);
	if (rc < 0) {
		snapshot_writer_abort(&w);
		return rc;
	}
	return snapshot_writer_finish(&w, err);
}

static const char *format_kind(const struct formatter *f, const struct log_dir *dir)
{
	if (dir != f->metadata_dir || !config_is_controller(f->options->config))
		return "data directory";
	if (!f->dynamic)
		return "metadata directory";
	return uuid_is_zero(f->own_directory_id) ? "dynamic metadata directory"
						 : "dynamic metadata voter directory";
}

/* The checkpoint comes before meta.properties, so that a crash between them leaves a directory that
 * counts as not formatted. */
static int format_dir(struct formatter *f, struct log_dir *dir, struct err *err)
{
	bool is_metadata = dir == f->metadata_dir && config_is_controller(f->options->config);
	struct uuid id = is_metadata && !uuid_is_zero(f->own_directory_id) ? f->own_directory_id
									   : uuid_random();
	int rc = 0;

	format_print(f, arena_printf(&f->arena, "Formatting %s %s with metadata.version %s.",
				     format_kind(f, dir), dir->path,
				     metadata_version_name(f->metadata_version)));
	if (is_metadata)
		rc = format_checkpoint(f, err);
	if (rc == 0)
		rc = log_dir_write_meta(dir, f->options->cluster_id,
					config_node_id(f->options->config), id, err);
	return rc;
}

static void format_print_bootstrap(struct formatter *f)
{
	struct out line;

	out_init(&line, 64 * 1024);
	out_text(&line, "Bootstrap metadata: BootstrapMetadata(records=[");
	for (size_t i = 0, first = true; i < feature_count; i++) {
		if (f->levels[i] <= 0 || strcmp(features[i].name, KRAFT_VERSION_FEATURE) == 0)
			continue;
		out_printf(&line,
			   "%sApiMessageAndVersion(FeatureLevelRecord(name='%s', "
			   "featureLevel=%d) at version 0)",
			   first ? "" : ", ", features[i].name, f->levels[i]);
		first = false;
	}
	out_printf(&line, "], metadataVersionLevel=%d, source=format command)",
		   f->metadata_version);
	format_print(f, (const char *)line.data);
	out_fini(&line);
}

static int format_all(struct formatter *f, struct err *err)
{
	size_t todo = 0;

	for (size_t i = 0; i < f->dir_count; i++) {
		if (!f->dirs[i]->meta.exists)
			todo++;
		else if (!f->options->ignore_formatted)
			return err_set(err, E_EXISTS,
				       "Log directory %s is already formatted. Use "
				       "--ignore-formatted to ignore this directory and format the "
				       "others.",
				       f->dirs[i]->path);
	}
	if (todo == 0) {
		format_print(f, "All of the log directories are already formatted.");
		return 0;
	}
	format_print_bootstrap(f);
	for (size_t i = 0; i < f->dir_count; i++) {
		int rc = f->dirs[i]->meta.exists ? 0 : format_dir(f, f->dirs[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int format_scram(struct formatter *f, struct err *err)
{
	const struct storage_format_options *o = f->options;

	f->scram = arena_array(&f->arena, o->scram_count, sizeof(*f->scram));
	for (size_t i = 0; i < o->scram_count; i++) {
		int rc = scram_arg_parse(f->env, &f->arena, o->scram[i], &f->scram[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int formatter_prepare(struct formatter *f, struct env *env,
			     const struct storage_format_options *options, struct err *err)
{
	int rc;

	*f = (struct formatter){.env = env, .options = options};
	arena_init(&f->arena);
	rc = format_quorum(f, err);
	if (rc == 0)
		rc = format_features(f, err);
	if (rc == 0)
		rc = format_scram(f, err);
	return rc;
}

int storage_format(struct env *env, const struct storage_format_options *options, struct err *err)
{
	struct formatter f;
	int rc;

	rc = formatter_prepare(&f, env, options, err);
	if (rc == 0)
		rc = format_open_dirs(&f, err);
	if (rc == 0)
		rc = format_all(&f, err);
	for (size_t i = 0; i < f.dir_count; i++)
		log_dir_close(f.dirs[i]);
	arena_fini(&f.arena);
	return rc;
}

/* ---- The broker's start --------------------------------------------------------------------- */

static int ensure_same(const struct storage_ensure_options *o, const char **cluster_id,
		       struct err *err)
{
	int32_t node_id = config_node_id(o->config);

	*cluster_id = NULL;
	for (unsigned i = 0; i < o->dir_count; i++) {
		const struct log_dir_meta *meta = &o->dirs[i]->meta;

		if (!meta->exists)
			continue;
		if (!meta->cluster_id)
			return err_set(err, E_INVALID, "%s/meta.properties has no cluster.id",
				       o->dirs[i]->path);
		if (meta->node_id >= 0 && meta->node_id != node_id)
			return err_set(err, E_INVALID,
				       "%s belongs to node %d, but node.id is %d (mend node.id, or "
				       "choose another directory)",
				       o->dirs[i]->path, meta->node_id, node_id);
		if (*cluster_id && strcmp(*cluster_id, meta->cluster_id) != 0)
			return err_set(
				err, E_INVALID,
				"the log directories are of different clusters: %s and %s (%s)",
				*cluster_id, meta->cluster_id, o->dirs[i]->path);
		for (unsigned j = 0; j < i; j++)
			if (o->dirs[j]->meta.exists && !uuid_is_zero(meta->directory_id) &&
			    uuid_eq(o->dirs[j]->meta.directory_id, meta->directory_id))
				return err_set(err, E_INVALID,
					       "%s is a copy of %s: both have the same "
					       "directory.id",
					       o->dirs[i]->path, o->dirs[j]->path);
		*cluster_id = meta->cluster_id;
	}
	return 0;
}

/* May this node start a cluster of its own? */
static int ensure_alone(const struct config *config, bool *is_static, struct err *err)
{
	const char *voters = config_str(config, CONFIG_CONTROLLER_QUORUM_VOTERS);
	size_t count;
	const struct quorum_voter *quorum = config_quorum(config, &count);

	*is_static = voters && voters[0];
	if (config_is_controller(config) &&
	    (count == 0 || (*is_static && count == 1 && quorum[0].id == config_node_id(config)) ||
	     (!*is_static && count == 1)))
		return 0;
	return err_set(
		err, E_INVALID,
		"the log directories are not formatted, and this node is not a quorum by itself: "
		"format each node with the same cluster id first (kavka storage format "
		"--cluster-id ID --config FILE)");
}

static int ensure_format_new(struct formatter *f, struct env *env,
			     const struct storage_ensure_options *o, struct arena *arena,
			     const char **cluster_id, struct err *err)
{
	struct storage_format_options format = {.config = o->config, .cluster_id = *cluster_id};
	char text[UUID_TEXT_LEN + 1];
	bool is_static;
	int rc;

	if (!format.cluster_id) {
		rc = ensure_alone(o->config, &is_static, err);
		if (rc < 0)
			return rc;
		format.cluster_id = arena_strdup(arena, uuid_format(uuid_random(), text));
		format.standalone = !is_static;
	} else {
		format.no_initial_controllers = true;
	}
	*cluster_id = format.cluster_id;
	rc = formatter_prepare(f, env, &format, err);
	f->dirs = o->dirs;
	for (unsigned i = 0; i < o->dir_count && rc == 0; i++) {
		if (strcmp(o->dirs[i]->path, config_metadata_log_dir(o->config)) == 0)
			f->metadata_dir = o->dirs[i];
		if (o->dirs[i]->meta.exists)
			continue;
		say_info("formatting %s for cluster %s", o->dirs[i]->path, *cluster_id);
		rc = format_dir(f, o->dirs[i], err);
	}
	arena_fini(&f->arena);
	return rc;
}

/* Directories had no ids before 3.7. */
static int ensure_ids(struct env *env, const struct storage_ensure_options *o,
		      const char *cluster_id, struct err *err)
{
	struct uuid id;
	uint8_t random[16];
	int rc = 0;

	for (unsigned i = 0; i < o->dir_count && rc == 0; i++) {
		if (!o->dirs[i]->meta.exists || !uuid_is_zero(o->dirs[i]->meta.directory_id))
			continue;
		do
			env->ops->random(env, random, sizeof(random));
		while (!uuid_from_random(&id, random));
		rc = log_dir_write_meta(o->dirs[i], cluster_id, config_node_id(o->config), id, err);
	}
	return rc;
}

int storage_ensure(struct env *env, const struct storage_ensure_options *options,
		   const char **cluster_id, struct arena *arena, struct err *err)
{
	struct formatter f;
	int rc;

	rc = ensure_same(options, cluster_id, err);
	if (rc < 0)
		return rc;
	if (*cluster_id) {
		*cluster_id = arena_strdup(arena, *cluster_id);
		rc = ensure_ids(env, options, *cluster_id, err);
	}
	for (unsigned i = 0; i < options->dir_count && rc == 0; i++)
		if (!options->dirs[i]->meta.exists)
			return ensure_format_new(&f, env, options, arena, cluster_id, err);
	return rc;
}
