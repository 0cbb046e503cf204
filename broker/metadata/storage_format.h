/* Formatting of log directories: what `kavka storage` does, and the broker at its first start.
 *
 * A formatted directory has meta.properties with the cluster's id, the node's and its own. The
 * metadata directory of a controller also has __cluster_metadata-0/...0-0.checkpoint: the feature
 * levels (and SCRAM credentials) that the first leader shall begin with and, for a dynamic quorum,
 * its voters.
 * Source: metadata/.../storage/Formatter.java, core/.../tools/StorageTool.scala
 */
#ifndef KAVKA_BROKER_METADATA_STORAGE_FORMAT_H
#define KAVKA_BROKER_METADATA_STORAGE_FORMAT_H

#include "base/arena.h"
#include "base/env.h"
#include "base/err.h"
#include "config/config.h"

struct log_dir;

/* ---- kavka storage --------------------------------------------------------------------------- */

/* One line for stdout, without newline. */
typedef void (*storage_print)(void *ctx, const char *line);

struct storage_format_options {
	const struct config *config;
	const char *cluster_id;
	bool ignore_formatted;           /* -g */
	bool standalone;                 /* -s */
	bool no_initial_controllers;     /* -N */
	const char *initial_controllers; /* -I id@host:port:dirId,...; NULL: not given */
	const char *release_version;     /* -r, "4.0"; NULL: the newest */
	const char *const *features;     /* -f, "name=level" each */
	size_t feature_count;
	const char *const *scram; /* -S, "SCRAM-SHA-256=[name=alice,password=x]" */
	size_t scram_count;
	storage_print print;
	void *ctx;
};

/* Formats the directories of the config. Apache's texts in `err` and by `print`. E_INVALID for what
 * the options or the config ask wrongly, E_EXISTS for a directory that is formatted already,
 * -errno. */
MUST_USE int storage_format(struct env *env, const struct storage_format_options *options,
			    struct err *err);

/* Prints what `info` says about the config's directories; gives the number of problems. */
size_t storage_info(struct env *env, const struct config *config, storage_print print, void *ctx);

/* ---- The broker's start ---------------------------------------------------------------------- */

struct storage_ensure_options {
	const struct config *config;
	const char *config_file; /* for what is said; NULL: not known */
	struct log_dir **dirs;   /* open; meta is written where it is missing */
	unsigned dir_count;
};

/* Checks that all directories are of one cluster and of this node, that their ids differ. If none
 * is formatted, and nobody else can be meant to be in this node's quorum (controller.quorum.voters
 * has this node alone, or controller.quorum.bootstrap.servers its own address alone), formats all
 * of them, with a new cluster id. A new directory beside formatted ones is formatted for their
 * cluster, but for the metadata directory of a controller: a voter that forgot its vote could
 * cost the quorum what it had agreed on. Gives the cluster's id in `arena`. E_INVALID with what to
 * do, -errno. */
MUST_USE int storage_ensure(struct env *env, const struct storage_ensure_options *options,
			    const char **cluster_id, struct arena *arena, struct err *err);

#endif
