#include "metadata/storage_format_int.h"

#include "base/mem.h"
#include "log/log_dir.h"
#include "metadata/scram_arg.h"
#include "metadata/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define METADATA_LOG_DIR "__cluster_metadata-0"

static void format_print(const struct storage_formatter *f, const char *line)
{
	if (f->options->print)
		f->options->print(f->options->ctx, line);
}

/* ---- Which directories ---------------------------------------------------------------------- */

static int format_open_dir(struct storage_formatter *f, const char *path, struct err *err)
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

/* A data directory that cannot be read is left out; one that another process holds is not. */
static int format_open_dirs(struct storage_formatter *f, struct err *err)
{
	const struct config *config = f->options->config;
	const char *metadata_path = config_metadata_log_dir(config);
	size_t count;
	const char *const *paths = config_list(config, CONFIG_LOG_DIRS, &count);
	int rc;

	f->dirs = arena_array(&f->arena, count + 1, sizeof(*f->dirs));
	for (size_t i = 0; i < count; i++) {
		bool is_metadata = strcmp(paths[i], metadata_path) == 0;

		rc = format_open_dir(f, paths[i], err);
		if (rc < 0 && (rc == -EAGAIN || is_metadata))
			return rc;
		if (rc < 0)
			format_print(f, arena_printf(&f->arena,
						     "I/O error trying to read log directory %s. "
						     "Ignoring...",
						     paths[i]));
	}
	rc = format_open_dir(f, metadata_path, err);
	for (size_t i = 0; i < f->dir_count; i++)
		if (strcmp(f->dirs[i]->path, metadata_path) == 0)
			f->metadata_dir = f->dirs[i];
	return rc;
}

/* ---- One directory -------------------------------------------------------------------------- */

/* Writes the records that the first leader shall begin with. */
static int checkpoint_records(struct storage_formatter *f, struct snapshot_writer *w,
			      struct err *err)
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

static int format_checkpoint(struct storage_formatter *f, struct err *err)
{
	char *dir = arena_printf(&f->arena, "%s/" METADATA_LOG_DIR, f->metadata_dir->path);
	int64_t now_ms = env_wall_ms(f->env);
	struct snapshot_header header = {
		.last_timestamp_ms = now_ms,
		.now_ms = now_ms,
		.kraft_version = f->levels[storage_formatter_feature_index(KRAFT_VERSION_FEATURE)],
		.voters = f->voters,
	};
	struct snapshot_writer w;
	int rc = env_make_dir(f->env, dir);

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

static const char *format_kind(const struct storage_formatter *f, const struct log_dir *dir)
{
	if (dir != f->metadata_dir)
		return "data directory";
	if (!f->voters)
		return "metadata directory";
	return uuid_is_zero(f->own_directory_id) ? "dynamic metadata directory"
						 : "dynamic metadata voter directory";
}

int storage_formatter_dir(struct storage_formatter *f, struct log_dir *dir, struct err *err)
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

/* ---- All of them ---------------------------------------------------------------------------- */

/* Of credentials nothing is printed. */
static void format_print_bootstrap(struct storage_formatter *f)
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
	out_byte(&line, '\0');
	format_print(f, (const char *)line.data);
	out_fini(&line);
}

static int format_all(struct storage_formatter *f, struct err *err)
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
		int rc = f->dirs[i]->meta.exists ? 0 : storage_formatter_dir(f, f->dirs[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int format_scram(struct storage_formatter *f, struct err *err)
{
	const struct storage_format_options *o = f->options;

	if (o->scram_count > 0 && f->metadata_version < METADATA_3_5_IV2)
		return err_set(err, E_INVALID,
			       "SCRAM is only supported in metadata.version "
			       "3.5-IV2 or later.");
	f->scram = arena_array(&f->arena, o->scram_count, sizeof(*f->scram));
	for (size_t i = 0; i < o->scram_count; i++) {
		int rc = scram_arg_parse(f->env, &f->arena, o->scram[i], &f->scram[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int storage_formatter_init(struct storage_formatter *f, struct env *env,
			   const struct storage_format_options *options, struct err *err)
{
	int rc;

	*f = (struct storage_formatter){.env = env, .options = options};
	arena_init(&f->arena);
	rc = storage_formatter_quorum(f, err);
	if (rc == 0)
		rc = storage_formatter_features(f, err);
	if (rc == 0)
		rc = format_scram(f, err);
	return rc;
}

void storage_formatter_fini(struct storage_formatter *f)
{
	arena_fini(&f->arena);
}

int storage_format(struct env *env, const struct storage_format_options *options, struct err *err)
{
	struct storage_formatter f;
	int rc;

	rc = storage_formatter_init(&f, env, options, err);
	if (rc == 0)
		rc = format_open_dirs(&f, err);
	if (rc == 0)
		rc = format_all(&f, err);
	for (size_t i = 0; i < f.dir_count; i++)
		log_dir_close(f.dirs[i]);
	storage_formatter_fini(&f);
	return rc;
}
