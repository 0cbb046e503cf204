/* storage: format and inspect a broker's directories (kafka-storage). */
#include "cmd/command.h"
#include "cmd/feature_levels.h"
#include "cmd/print.h"

#include "base/env.h"
#include "base/uuid.h"
#include "config/config.h"
#include "metadata/storage_format.h"

#include <stdlib.h>
#include <string.h>

struct storage_args {
	const char *config, *cluster_id, *release_version, *initial_controllers;
	struct opt_list scram, features;
	bool ignore_formatted, standalone, no_initial_controllers;
};

#define AT(field) offsetof(struct storage_args, field)

#define OPT_CONFIG                                                                               \
	{"config", OPT_STRING, AT(config), .arg = "file", .brief = 'c', .flags = OPT_REQUIRED,   \
	 .complete = COMPLETE_FILE, .help = "The broker's properties file."}

static int storage_format_run(struct run *run, void *args);
static int storage_info_run(struct run *run, void *args);
static int storage_random_run(struct run *run, void *args);
static int storage_mapping_run(struct run *run, void *args);
static int storage_depends_run(struct run *run, void *args);

static const struct opt format_opts[] = {
	OPT_CONFIG,
	{"cluster-id", OPT_STRING, AT(cluster_id), .arg = "id", .brief = 't', .flags = OPT_REQUIRED,
	 .help = "The cluster's id, as kafka-storage random-uuid makes one."},
	{"add-scram", OPT_LIST, AT(scram), .arg = "credential", .brief = 'S',
	 .help = "A SCRAM credential to begin with: SCRAM-SHA-256=[name=alice,password=x]; may be "
		 "repeated."},
	{"ignore-formatted", OPT_FLAG, AT(ignore_formatted), .brief = 'g',
	 .help = "Leave directories that are formatted already as they are."},
	{"release-version", OPT_STRING, AT(release_version), .arg = "version", .brief = 'r',
	 .help = "The release whose features the cluster shall have."},
	{"feature", OPT_LIST, AT(features), .arg = "name=level", .brief = 'f',
	 .help = "The level of one feature; may be repeated."},
	{"standalone", OPT_FLAG, AT(standalone), .brief = 's',
	 .help = "This controller is the whole quorum at first."},
	{"no-initial-controllers", OPT_FLAG, AT(no_initial_controllers), .brief = 'N',
	 .help = "This node joins a quorum that is there."},
	{"initial-controllers", OPT_STRING, AT(initial_controllers), .arg = "controllers",
	 .brief = 'I', .help = "The quorum to begin with: id@host:port:directory-id, with commas."},
	OPT_END,
};

static const struct opt info_opts[] = {OPT_CONFIG, OPT_END};
static const struct opt mapping_opts[] = {
	{"release-version", OPT_STRING, AT(release_version), .arg = "version", .brief = 'r',
	 .help = "The release to show; the newest without it."},
	OPT_END,
};
static const struct opt depends_opts[] = {
	{"feature", OPT_LIST, AT(features), .arg = "name=level", .brief = 'f',
	 .flags = OPT_REQUIRED, .help = "A level of a feature; may be repeated."},
	OPT_END,
};
static const struct opt no_opts[] = {OPT_END};

static const struct command storage_info_command = {
	.name = "info", .dialect = ARGPARSE, .summary = "show the directories and what they hold",
	.opts = info_opts, .args_size = sizeof(struct storage_args), .run = storage_info_run,
};
static const struct command storage_format_command = {
	.name = "format", .dialect = ARGPARSE, .summary = "prepare the directories for a broker",
	.opts = format_opts, .args_size = sizeof(struct storage_args), .run = storage_format_run,
};
static const struct command storage_random_command = {
	.name = "random-uuid", .dialect = ARGPARSE, .summary = "print a random id",
	.opts = no_opts, .args_size = 1, .run = storage_random_run,
};
static const struct command storage_mapping_command = {
	.name = "version-mapping", .dialect = ARGPARSE,
	.summary = "show the levels of features that a release brings",
	.opts = mapping_opts, .args_size = sizeof(struct storage_args), .run = storage_mapping_run,
};
static const struct command storage_depends_command = {
	.name = "feature-dependencies", .dialect = ARGPARSE,
	.summary = "show what levels of features need",
	.opts = depends_opts, .args_size = sizeof(struct storage_args), .run = storage_depends_run,
};

static const struct command *const storage_subs[] = {
	&storage_info_command, &storage_format_command, &storage_mapping_command,
	&storage_depends_command, &storage_random_command, NULL,
};

const struct command cmd_storage = {
	.name = "storage", .alias = "kafka-storage", .dialect = ARGPARSE,
	.summary = "format and inspect the directories of a broker",
	.opts = no_opts, .args_size = 1, .subs = storage_subs,
};

static void storage_print_line(void *ctx, const char *line)
{
	(void)ctx;
	print_text("%s\n", line);
}

static int storage_failure(const struct run *run, const struct err *err)
{
	if (!run->is_apache)
		return help_failure(run, err);
	print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

static int storage_load(const struct storage_args *args, struct config **config, struct err *err)
{
	struct config_load_options options = {.path = args->config};

	return config_load(config, &options, err);
}

static int storage_format_run(struct run *run, void *data)
{
	struct storage_args *args = data;
	struct config *config;
	struct err err = {0};
	struct env env;
	int rc;

	if (opt_given_count(run, "standalone no-initial-controllers initial-controllers") > 1) {
		err_set(&err, E_USAGE, "only one of --standalone, --no-initial-controllers and "
			"--initial-controllers is allowed");
		return help_usage(run, &err);
	}
	env_posix_init(&env);
	rc = storage_load(args, &config, &err);
	if (rc == 0) {
		struct storage_format_options options = {
			.config = config, .cluster_id = args->cluster_id,
			.ignore_formatted = args->ignore_formatted,
			.standalone = args->standalone,
			.no_initial_controllers = args->no_initial_controllers,
			.initial_controllers = args->initial_controllers,
			.release_version = args->release_version,
			.features = args->features.items, .feature_count = args->features.count,
			.scram = args->scram.items, .scram_count = args->scram.count,
			.print = storage_print_line};

		rc = storage_format(&env, &options, &err);
		config_unref(config);
	}
	return rc < 0 ? storage_failure(run, &err) : EXIT_OK;
}

static int storage_info_run(struct run *run, void *data)
{
	struct config *config;
	struct err err = {0};
	struct env env;
	size_t problems;

	env_posix_init(&env);
	if (storage_load(data, &config, &err) < 0)
		return storage_failure(run, &err);
	problems = storage_info(&env, config, storage_print_line, NULL);
	config_unref(config);
	return problems > 0 ? EXIT_FAILED : EXIT_OK;
}

static int storage_random_run(struct run *run, void *data)
{
	char text[UUID_TEXT_LEN + 1];

	(void)run;
	(void)data;
	/* One with a dash could look like an option where it is used. */
	do
		uuid_format(uuid_random(), text);
	while (strchr(text, '-'));
	print_text("%s\n", text);
	return EXIT_OK;
}

/* ---- Features ----------------------------------------------------------------------------- */

static int storage_mapping_run(struct run *run, void *data)
{
	struct storage_args *args = data;
	struct err err = {0};

	if (feature_levels_mapping(args->release_version, &err) < 0)
		return storage_failure(run, &err);
	return EXIT_OK;
}

static int storage_depends_run(struct run *run, void *data)
{
	struct storage_args *args = data;
	struct err err = {0};

	for (unsigned i = 0; i < args->features.count; i++) {
		if (feature_levels_depends(args->features.items[i], &err) < 0)
			return storage_failure(run, &err);
	}
	return EXIT_OK;
}
