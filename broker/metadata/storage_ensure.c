/* The broker's start: directories that are formatted, or that may be formatted now. */
#include "metadata/storage_format_int.h"

#include "base/mem.h"
#include "base/say.h"
#include "log/log_dir.h"

#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define SAY_PLACE "broker/storage"

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

static bool is_this_machine(const char *host)
{
	char name[HOST_NAME_MAX + 1];

	if (strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
	    strcmp(host, "::1") == 0)
		return true;
	return gethostname(name, sizeof(name)) == 0 && strcasecmp(host, name) == 0;
}

/* Is this the address of this node's own controller listener? */
static bool is_own_address(const struct config *config, const struct quorum_voter *at)
{
	size_t count;
	const struct listener *all = config_listeners(config, &count);

	for (size_t i = 0; i < count; i++) {
		const struct listener *l = &all[i], *told;

		if (!l->is_controller)
			continue;
		told = config_advertised_controller(config, l->name);
		if (told->port == at->port && strcasecmp(told->host, at->host) == 0)
			return true;
		if (l->port == at->port &&
		    (strcasecmp(l->host, at->host) == 0 ||
		     ((!*l->host || strcmp(l->host, "0.0.0.0") == 0 ||
		       strcmp(l->host, "::") == 0) &&
		      is_this_machine(at->host)) ||
		     (is_this_machine(l->host) && is_this_machine(at->host))))
			return true;
	}
	return false;
}

static bool quorum_is_static(const struct config *config)
{
	const char *voters = config_str(config, CONFIG_CONTROLLER_QUORUM_VOTERS);

	return voters && voters[0];
}

/* May this node start a cluster of its own? Only if nobody else can be meant to be in its quorum:
 * one that formats itself beside an existing quorum would be a second cluster. */
static int ensure_alone(const struct storage_ensure_options *o, struct err *err)
{
	const struct config *config = o->config;
	const char *file = o->config_file ? o->config_file : "FILE", *more = "", *hint = "";
	size_t count;
	const struct quorum_voter *quorum = config_quorum(config, &count);

	if (config_is_controller(config) && count == 1) {
		if (quorum_is_static(config) ? quorum[0].id == config_node_id(config)
					     : is_own_address(config, &quorum[0]))
			return 0;
	}
	if (config_is_controller(config) && !quorum_is_static(config)) {
		more = " --no-initial-controllers";
		hint = " to join a quorum, or --standalone to begin one";
	}
	return err_set(err, E_INVALID,
		       "%s is not formatted, and this node is not a quorum by itself: run "
		       "kavka storage format --config %s --cluster-id ID%s%s (the same ID on all "
		       "nodes; kavka storage random-uuid makes one)",
		       o->dirs[0]->path, file, more, hint);
}

static struct log_dir *ensure_find_metadata(const struct storage_ensure_options *o)
{
	for (unsigned i = 0; i < o->dir_count; i++)
		if (strcmp(o->dirs[i]->path, config_metadata_log_dir(o->config)) == 0)
			return o->dirs[i];
	return NULL;
}

/* A controller's metadata directory is its vote: with it gone, others decide what the node may
 * do, so a person has to. */
static int ensure_metadata_dir(const struct storage_ensure_options *o, const char *cluster_id,
			       struct err *err)
{
	const struct log_dir *metadata_dir = ensure_find_metadata(o);

	if (!metadata_dir || !config_is_controller(o->config) || metadata_dir->meta.exists)
		return 0;
	return err_set(err, E_INVALID,
		       "the metadata directory %s is not formatted, but others are: if its disk "
		       "was replaced, run kavka storage format --config %s --cluster-id %s "
		       "--ignore-formatted%s",
		       metadata_dir->path, o->config_file ? o->config_file : "FILE", cluster_id,
		       quorum_is_static(o->config) ? "" : " --no-initial-controllers");
}

static int ensure_format_new(struct storage_formatter *f, struct env *env,
			     const struct storage_ensure_options *o, struct arena *arena,
			     const char **cluster_id, struct err *err)
{
	struct storage_format_options format = {.config = o->config, .cluster_id = *cluster_id};
	char text[UUID_TEXT_LEN + 1];
	int rc;

	if (format.cluster_id) {
		format.no_initial_controllers = true;
	} else {
		format.cluster_id = arena_strdup(arena, uuid_format(uuid_random(), text));
		format.standalone = !quorum_is_static(o->config);
	}
	*cluster_id = format.cluster_id;
	rc = storage_formatter_init(f, env, &format, err);
	f->dirs = o->dirs;
	f->metadata_dir = ensure_find_metadata(o);
	for (unsigned i = 0; i < o->dir_count && rc == 0; i++) {
		if (o->dirs[i]->meta.exists)
			continue;
		say_info("formatting %s for cluster %s", o->dirs[i]->path, *cluster_id);
		rc = storage_formatter_dir(f, o->dirs[i], err);
	}
	storage_formatter_fini(f);
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
	struct storage_formatter f;
	bool missing = false;
	int rc;

	rc = ensure_same(options, cluster_id, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < options->dir_count; i++)
		missing = missing || !options->dirs[i]->meta.exists;
	if (*cluster_id) {
		*cluster_id = arena_strdup(arena, *cluster_id);
		rc = ensure_metadata_dir(options, *cluster_id, err);
		if (rc == 0)
			rc = ensure_ids(env, options, *cluster_id, err);
	} else {
		rc = ensure_alone(options, err);
	}
	if (rc == 0 && missing)
		rc = ensure_format_new(&f, env, options, arena, cluster_id, err);
	return rc;
}
