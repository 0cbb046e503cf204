/* What `kavka storage info` says about directories, without opening (and locking) them. */
#include "base/mem.h"
#include "base/props.h"
#include "metadata/storage_format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define META_FILE "meta.properties"
#define PROBLEMS_MAX 256

struct info {
	struct env *env;
	struct arena arena;
	const char *found[PROBLEMS_MAX], *metadata[PROBLEMS_MAX], *problems[PROBLEMS_MAX];
	size_t found_count, metadata_count, problem_count;
	const char *cluster_id, *node_id; /* of the first directory that says */
	bool other_cluster, other_node;
};

static void info_problem(struct info *info, const char *text)
{
	if (info->problem_count < PROBLEMS_MAX)
		info->problems[info->problem_count++] = text;
}

static int prop_compare(const void *a, const void *b)
{
	return strcmp(((const struct prop *)a)->key, ((const struct prop *)b)->key);
}

/* "{cluster.id=X, node.id=1, version=1}", keys sorted. */
static const char *info_map(struct info *info, struct props *props)
{
	const char *text = "{";

	qsort(props->items, props->count, sizeof(*props->items), prop_compare);
	for (size_t i = 0; i < props->count; i++)
		text = arena_printf(&info->arena, "%s%s%s=%s", text, i ? ", " : "",
				    props->items[i].key, props->items[i].value);
	return arena_printf(&info->arena, "%s}", text);
}

static void info_compare(struct info *info, const char *text, const char **first, bool *other)
{
	if (!text)
		return;
	if (!*first)
		*first = arena_strdup(&info->arena, text);
	else if (strcmp(*first, text) != 0)
		*other = true;
}

static void info_dir(struct info *info, const char *path)
{
	char *file = arena_printf(&info->arena, "%s/" META_FILE, path);
	struct env_stat st;
	struct props props;
	struct err err = {0};
	int rc = info->env->ops->stat(info->env, path, &st);

	if (rc < 0) {
		info_problem(info, arena_printf(&info->arena, "%s does not exist", path));
		return;
	}
	if (!st.is_dir) {
		info_problem(info, arena_printf(&info->arena, "%s is not a directory", path));
		return;
	}
	if (info->found_count < PROBLEMS_MAX)
		info->found[info->found_count++] = path;
	if (info->env->ops->stat(info->env, file, &st) == -ENOENT) {
		info_problem(info, arena_printf(&info->arena, "%s is not formatted.", path));
		return;
	}
	props_init(&props);
	rc = props_read(&props, file, &err);
	if (rc < 0) {
		info_problem(info, arena_printf(&info->arena, "Error loading %s: %s", file,
						err_message(&err)));
	} else if (info->metadata_count < PROBLEMS_MAX) {
		info->metadata[info->metadata_count++] = info_map(info, &props);
		info_compare(info, props_get(&props, "cluster.id"), &info->cluster_id,
			     &info->other_cluster);
		info_compare(info, props_get(&props, "node.id"), &info->node_id, &info->other_node);
	}
	props_fini(&props);
}

static void info_list(storage_print print, void *ctx, const char *title, const char *const *lines,
		      size_t count, struct arena *arena)
{
	if (count == 0)
		return;
	print(ctx, title);
	for (size_t i = 0; i < count; i++)
		print(ctx, arena_printf(arena, "  %s", lines[i]));
	print(ctx, "");
}

size_t storage_info(struct env *env, const struct config *config, storage_print print, void *ctx)
{
	struct info *info = xcalloc(1, sizeof(*info));
	const char *metadata_dir = config_metadata_log_dir(config);
	size_t count, problems;
	const char *const *paths = config_list(config, CONFIG_LOG_DIRS, &count);
	bool has_metadata_dir = false;

	info->env = env;
	arena_init(&info->arena);
	for (size_t i = 0; i < count; i++) {
		has_metadata_dir |= strcmp(paths[i], metadata_dir) == 0;
		info_dir(info, paths[i]);
	}
	if (!has_metadata_dir)
		info_dir(info, metadata_dir);
	if (info->other_cluster)
		info_problem(info, "Mismatched cluster IDs between storage directories.");
	if (info->other_node)
		info_problem(info, "Mismatched node IDs between storage directories.");
	if (info->found_count == 0)
		print(ctx, "No directories specified.");
	info_list(print, ctx,
		  info->found_count == 1 ? "Found log directory:" : "Found log directories:",
		  info->found, info->found_count, &info->arena);
	for (size_t i = 0; i < info->metadata_count; i++) {
		print(ctx, arena_printf(&info->arena, "Found metadata: %s", info->metadata[i]));
		print(ctx, "");
	}
	info_list(print, ctx,
		  info->problem_count == 1 ? "Found problem:" : "Found problems:", info->problems,
		  info->problem_count, &info->arena);
	problems = info->problem_count;
	arena_fini(&info->arena);
	free(info);
	return problems;
}
