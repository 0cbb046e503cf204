/* What a broker does to its directories before it opens them, and what `info` says of them. */
#include "base/mem.h"
#include "base/props.h"
#include "base/say.h"
#include "log/log_dir.h"
#include "metadata/features.h"
#include "metadata/storage_format.h"
#include "metadata/storage_int.h"

#include <stdio.h>
#include <sys/stat.h>

#define SAY_PLACE "broker/metadata"

/* ---- The broker's start ---------------------------------------------------------------------- */

static int check_dirs(const struct storage_ensure_options *o, const struct log_dir **formatted,
		      struct err *err)
{
	*formatted = NULL;
	for (unsigned i = 0; i < o->dir_count; i++) {
		const struct log_dir *d = o->dirs[i];

		if (!d->meta.exists)
			continue;
		if (d->meta.node_id >= 0 && d->meta.node_id != config_node_id(o->config))
			return err_set(err, E_INVALID,
				       "%s belongs to node %d, but node.id is %d (another log.dirs, or "
				       "the right node.id?)",
				       d->path, d->meta.node_id, config_node_id(o->config));
		if (!d->meta.cluster_id)
			return err_set(err, E_INVALID, "%s: meta.properties names no cluster.id",
				       d->path);
		if (*formatted && strcmp((*formatted)->meta.cluster_id, d->meta.cluster_id) != 0)
			return err_set(err, E_INVALID,
				       "%s is of cluster %s, but %s of cluster %s", d->path,
				       d->meta.cluster_id, (*formatted)->path,
				       (*formatted)->meta.cluster_id);
		for (unsigned j = 0; j < i; j++)
			if (!uuid_is_zero(d->meta.directory_id) &&
			    uuid_eq(d->meta.directory_id, o->dirs[j]->meta.directory_id))
				return err_set(err, E_INVALID,
					       "%s and %s have the same directory.id (is one a copy?)",
					       d->path, o->dirs[j]->path);
		*formatted = *formatted ? *formatted : d;
	}
	return 0;
}

/* Does the config leave the quorum to this node alone? */
static int plan_alone(struct format_plan *p, const struct config *config, struct err *err)
{
	size_t count;
	const struct quorum_voter *voters = config_quorum(config, &count);
	bool is_static = count > 0 && voters[0].id >= 0;

	if (!config_is_controller(config) || (is_static && count > 1) || (!is_static && count > 1))
		return err_set(err, E_INVALID,
			       "the data directories are not formatted (have you run kavka storage "
			       "format? every node of a cluster needs the same cluster id)");
	p->kraft_version = is_static ? 0 : 1;
	p->is_dynamic = !is_static;
	p->levels[0] = METADATA_VERSION_DEFAULT;
	for (size_t i = 1; i < feature_count; i++)
		p->levels[i] = feature_default_level(&features[i], p->levels[0]);
	return is_static ? 0 : format_standalone(p, config, err);
}

static int format_all(struct env *env, const struct storage_ensure_options *o,
		      const char *cluster_id, bool is_first, struct err *err)
{
	struct format_plan p = {.env = env};
	int rc = 0;

	arena_init(&p.arena);
	if (is_first)
		rc = plan_alone(&p, o->config, err);
	for (unsigned i = 0; i < o->dir_count && rc == 0; i++) {
		struct log_dir *d = o->dirs[i];

		if (d->meta.exists && !uuid_is_zero(d->meta.directory_id))
			continue;
		/* of old, directories had no id */
		say_info("formatting %s for cluster %s", d->path, cluster_id);
		if (is_first)
			rc = format_dir(env, &p, o->config, d, cluster_id, err);
		else
			rc = log_dir_write_meta(d, cluster_id, config_node_id(o->config),
						format_new_id(env), err);
	}
	arena_fini(&p.arena);
	return rc;
}

int storage_ensure(struct env *env, const struct storage_ensure_options *o, const char **cluster_id,
		   struct arena *arena, struct err *err)
{
	const struct log_dir *formatted;
	char text[UUID_TEXT_LEN + 1];
	int rc = check_dirs(o, &formatted, err);

	if (rc < 0)
		return rc;
	*cluster_id = arena_strdup(arena, formatted ? formatted->meta.cluster_id
						    : uuid_format(format_new_id(env), text));
	return format_all(env, o, *cluster_id, formatted == NULL, err);
}

/* ---- kavka storage info ---------------------------------------------------------------------- */

#define INFO_PROBLEMS_MAX 256

struct info {
	struct arena arena;
	const char *found[INFO_PROBLEMS_MAX];
	const char *problems[INFO_PROBLEMS_MAX];
	size_t found_count, problem_count;
	struct props first;		/* of the first formatted directory */
	bool has_first;
};

static void info_problem(struct info *i, const char *text)
{
	if (i->problem_count < INFO_PROBLEMS_MAX)
		i->problems[i->problem_count++] = text;
}

static void info_compare(struct info *i, const struct props *p)
{
	static const struct {
		const char *key, *text;
	} same[] = {
		{"cluster.id", "Mismatched cluster IDs between storage directories."},
		{"node.id", "Mismatched node IDs between storage directories."},
	};

	for (size_t k = 0; k < ARRAY_LEN(same); k++) {
		const char *a = props_get(&i->first, same[k].key), *b = props_get(p, same[k].key);

		if (a && b && strcmp(a, b) != 0)
			info_problem(i, same[k].text);
	}
}

static void info_dir(struct info *i, const char *path)
{
	char *file = arena_printf(&i->arena, "%s/meta.properties", path);
	struct props props;
	struct stat st;
	struct err err = {0};

	if (stat(path, &st) < 0) {
		info_problem(i, arena_printf(&i->arena, "%s does not exist", path));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		info_problem(i, arena_printf(&i->arena, "%s is not a directory", path));
		return;
	}
	if (i->found_count < INFO_PROBLEMS_MAX)
		i->found[i->found_count++] = path;
	if (stat(file, &st) < 0) {
		info_problem(i, arena_printf(&i->arena, "%s is not formatted.", path));
		return;
	}
	props_init(&props);
	if (props_read(&props, file, &err) < 0) {
		info_problem(i, arena_printf(&i->arena, "Error loading %s: %s", file, err.text));
		props_fini(&props);
	} else if (!i->has_first) {
		i->first = props;
		i->has_first = true;
	} else {
		info_compare(i, &props);
		props_fini(&props);
	}
}

static int prop_order(const void *a, const void *b)
{
	return strcmp(((const struct prop *)a)->key, ((const struct prop *)b)->key);
}

static void info_metadata(struct info *i, storage_print print, void *ctx)
{
	const char *text = "Found metadata: {";

	qsort(i->first.items, i->first.count, sizeof(*i->first.items), prop_order);
	for (size_t k = 0; k < i->first.count; k++)
		text = arena_printf(&i->arena, "%s%s%s=%s", text, k ? ", " : "",
				    i->first.items[k].key, i->first.items[k].value);
	print(ctx, arena_printf(&i->arena, "%s}", text));
	print(ctx, "");
}

size_t storage_info(struct env *env UNUSED, const struct config *config, storage_print print,
		    void *ctx)
{
	struct info *i = xcalloc(1, sizeof(*i));
	size_t count, problems;
	const char *const *paths = config_list(config, CONFIG_LOG_DIRS, &count);
	const char *metadata_dir = config_metadata_log_dir(config);
	bool has_metadata = false;

	arena_init(&i->arena);
	for (size_t k = 0; k < count; k++) {
		info_dir(i, paths[k]);
		has_metadata = has_metadata || strcmp(paths[k], metadata_dir) == 0;
	}
	if (!has_metadata)
		info_dir(i, metadata_dir);
	if (i->found_count) {
		print(ctx, i->found_count == 1 ? "Found log directory:" : "Found log directories:");
		for (size_t k = 0; k < i->found_count; k++)
			print(ctx, arena_printf(&i->arena, "  %s", i->found[k]));
		print(ctx, "");
	}
	if (i->has_first) {
		info_metadata(i, print, ctx);
		props_fini(&i->first);
	}
	if (i->problem_count) {
		print(ctx, i->problem_count == 1 ? "Found problem:" : "Found problems:");
		for (size_t k = 0; k < i->problem_count; k++)
			print(ctx, arena_printf(&i->arena, "  %s", i->problems[k]));
		print(ctx, "");
	}
	problems = i->problem_count;
	arena_fini(&i->arena);
	free(i);
	return problems;
}
