/* features: what the nodes of a cluster support, and which levels it uses (kafka-features). */
#include "cmd/argparse.h"
#include "cmd/feature_levels.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "client/client.h"
#include "metadata/features.h"

#include <stdlib.h>
#include <string.h>

struct features_args {
	struct cluster_args cluster;
	struct output_args output;
	int64_t node_id;
	struct opt_list features;
	const char *release_version, *metadata;
	bool unsafe, dry_run;
};

#define AT(field) offsetof(struct features_args, field)
#define OPTS_FEATURES OPTS_CLUSTER_EITHER(0, 0), OPTS_OUTPUT

#define OPT_FEATURE(what) \
	{ \
		"feature", OPT_LIST, AT(features), .arg = what, .brief = 'f', \
						   .help = "A feature; may be repeated." \
	}
#define OPT_DRY_RUN \
	{ \
		"dry-run", OPT_FLAG, AT(dry_run), \
			.help = "Ask whether it could be done, and do not do it." \
	}
#define OPT_UNSAFE \
	{ \
		"unsafe", OPT_FLAG, AT(unsafe), .help = "Do it even if metadata are lost by it." \
	}
#define OPT_RELEASE(text) \
	{ \
		"release-version", OPT_STRING, AT(release_version), .arg = "version", \
								    .brief = 'r', .help = text \
	}
#define OPT_METADATA \
	{ \
		"metadata", OPT_STRING, AT(metadata), \
			.arg = "version", .flags = OPT_OLD, \
			.help = "The level of metadata.version alone, by its release." \
	}

static int features_describe_run(struct run *run, void *args);
static int features_upgrade_run(struct run *run, void *args);
static int features_downgrade_run(struct run *run, void *args);
static int features_disable_run(struct run *run, void *args);
static int features_mapping_run(struct run *run, void *args);
static int features_depends_run(struct run *run, void *args);
static int features_refuse(const struct run *run, const struct err *err);

static const struct opt features_opts[] = {OPTS_FEATURES, OPT_END};
static const struct opt describe_opts[] = {
	OPTS_FEATURES,
	{"node-id", OPT_INT, AT(node_id), .arg = "id", .value = "-1", .min = -1, .max = INT32_MAX,
	 .help = "Ask this node; -1: any."},
	OPT_END,
};
static const struct opt upgrade_opts[] = {
	OPTS_FEATURES,
	OPT_FEATURE("name=level"),
	OPT_METADATA,
	OPT_DRY_RUN,
	OPT_RELEASE("The release whose levels the cluster shall have."),
	OPT_END,
};
static const struct opt downgrade_opts[] = {
	OPTS_FEATURES, OPT_FEATURE("name=level"),
	OPT_METADATA,  OPT_DRY_RUN,
	OPT_UNSAFE,    OPT_RELEASE("The release whose levels the cluster shall have."),
	OPT_END,
};
static const struct opt disable_opts[] = {
	OPTS_FEATURES, OPT_FEATURE("name"), OPT_DRY_RUN, OPT_UNSAFE, OPT_END,
};
static const struct opt mapping_opts[] = {
	OPTS_FEATURES,
	OPT_RELEASE("The release to show; the newest without it."),
	OPT_END,
};
static const struct opt depends_opts[] = {OPTS_FEATURES, OPT_FEATURE("name=level"), OPT_END};

#define SUB(id, called, text) \
	static const struct command features_##id##_command = { \
		.name = called, \
		.dialect = ARGPARSE, \
		.summary = text, \
		.opts = id##_opts, \
		.args_size = sizeof(struct features_args), \
		.run = features_##id##_run, \
		.refuse = features_refuse}

SUB(describe, "describe", "show what is supported, and what is used");
SUB(upgrade, "upgrade", "raise the levels of features");
SUB(downgrade, "downgrade", "lower the levels of features");
SUB(disable, "disable", "do without features");
SUB(mapping, "version-mapping", "show the levels of features that a release brings");
SUB(depends, "feature-dependencies", "show what levels of features need");

static const struct command *const features_subs[] = {
	&features_describe_command,
	&features_upgrade_command,
	&features_downgrade_command,
	&features_disable_command,
	&features_mapping_command,
	&features_depends_command,
	NULL,
};

const struct command cmd_features = {
	.name = "features",
	.alias = "kafka-features",
	.dialect = ARGPARSE,
	.summary = "show, raise and lower the levels of a cluster's features",
	.opts = features_opts,
	.args_size = sizeof(struct features_args),
	.subs = features_subs,
	.refuse = features_refuse,
};

static int features_refuse(const struct run *run, const struct err *err)
{
	if (!run->is_apache)
		return help_usage(run, err);
	print_error("Command line error: %s. Type --help for help.", err_message(err));
	return EXIT_FAILED;
}

static int features_failure(const struct run *run, const struct err *err)
{
	if (!run->is_apache)
		return help_failure(run, err);
	print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

static int features_check(const struct run *run, const struct features_args *args,
			  enum output_format *format, struct err *err)
{
	int rc = output_format(&args->output, format, err);

	if (rc == 0 && !args->cluster.bootstrap_controller && !connect_has_server(run))
		rc = err_set(err, E_USAGE,
			     "You must specify either --bootstrap-controller or "
			     "--bootstrap-server.");
	return rc < 0 ? rc : argparse_server(run, &args->cluster, err);
}

/* ---- describe ----------------------------------------------------------------------------- */

static int supported_cmp(const void *a, const void *b)
{
	const struct api_versions_response_supported_feature_key *x = a, *y = b;
	int order = memcmp(x->name.data, y->name.data, MIN(x->name.len, y->name.len));

	return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static int16_t finalized_level(const struct api_versions_response *r, struct str name)
{
	for (int32_t i = 0; i < r->finalized_features_count; i++)
		if (str_eq(r->finalized_features[i].name, name))
			return r->finalized_features[i].max_version_level;
	return 0;
}

/* Levels of metadata.version are known by their names. */
static const char *level_text(struct arena *a, struct str feature, int level)
{
	const char *name;

	if (!str_is(feature, METADATA_VERSION_FEATURE))
		return arena_printf(a, "%d", level);
	name = metadata_version_name(level);
	return name ? name : arena_printf(a, "UNKNOWN %d", level);
}

static void describe_print(struct run *run, const struct api_versions_response *r,
			   enum output_format format)
{
	static const char *const titles[] = {"FEATURE", ">MIN", ">MAX", ">LEVEL"};
	struct arena *a = &run->arena;
	const char *epoch =
		r->finalized_features_epoch < 0
			? "-"
			: arena_printf(a, "%lld", (long long)r->finalized_features_epoch);
	struct grid grid;

	grid_init(&grid, a, titles, ARRAY_LEN(titles));
	for (int32_t i = 0; i < r->supported_features_count; i++) {
		const struct api_versions_response_supported_feature_key *f =
			&r->supported_features[i];
		const char *name = arena_strndup(a, f->name.data, f->name.len);
		int level = finalized_level(r, f->name);
		const char *min = level_text(a, f->name, f->min_version);
		const char *max = level_text(a, f->name, f->max_version);
		const char *now = level_text(a, f->name, level);
		struct json_out j = {0};

		if (format == OUTPUT_TABLE) {
			grid_add(&grid, name, min, max, now);
		} else if (format == OUTPUT_TEXT) {
			print_text("Feature: %-40s  SupportedMinVersion: %-15s  "
				   "SupportedMaxVersion: %-15s  FinalizedVersionLevel: %-15s  "
				   "Epoch: %s\n",
				   name, min, max, now, epoch);
		} else {
			json_out_open(&j, NULL, '{');
			json_out_text(&j, "feature", name);
			json_out_int(&j, "supportedMinVersion", f->min_version);
			json_out_int(&j, "supportedMaxVersion", f->max_version);
			json_out_int(&j, "finalizedVersionLevel", level);
			json_out_int(&j, "epoch", r->finalized_features_epoch);
			json_out_close(&j, '}');
			print_byte('\n');
		}
	}
	if (format == OUTPUT_TABLE)
		grid_print(&grid);
}

static int features_describe_run(struct run *run, void *data)
{
	struct features_args *args = data;
	struct api_versions_response *response;
	struct connection connection;
	enum output_format format;
	struct err err = {0};
	int rc = features_check(run, args, &format, &err);

	if (rc < 0)
		return features_refuse(run, &err);
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return features_failure(run, &err);
	rc = client_api_versions(connection.client, (int32_t)args->node_id, &run->arena, &response,
				 &err);
	if (rc == 0) {
		if (response->supported_features_count > 0)
			qsort(response->supported_features,
			      (size_t)response->supported_features_count,
			      sizeof(*response->supported_features), supported_cmp);
		describe_print(run, response, format);
	}
	connect_close(&connection);
	return rc < 0 ? features_failure(run, &err) : EXIT_OK;
}

/* ---- upgrade, downgrade, disable ---------------------------------------------------------- */

enum update { UPDATE_UPGRADE, UPDATE_DOWNGRADE, UPDATE_DISABLE };

static const char *const update_verbs[] = {"upgrade", "downgrade", "disable"};
static const char *const update_done[] = {"upgraded", "downgraded", "disabled"};

struct updating {
	struct run *run;
	const struct features_args *args;
	enum update update;
	enum output_format format;
	struct update_features_request *request;
};

static void updating_add(struct updating *u, struct str name, int level)
{
	struct update_features_request_feature_update_key *key =
		&u->request->feature_updates[u->request->feature_updates_count++];

	key->feature = name;
	key->max_version_level = (int16_t)level;
	key->upgrade_type = u->update == UPDATE_UPGRADE ? 1 : u->args->unsafe ? 3 : 2;
}

static int updating_release(struct updating *u, const char *release, bool is_all, struct err *err)
{
	int version = metadata_version_by_name(str_of(release));

	if (version < 0)
		return err_set(err, E_INVALID,
			       "Unknown metadata.version '%s'. Supported metadata.version are: "
			       "%s to %s",
			       release, metadata_version_name(METADATA_VERSION_MIN),
			       metadata_version_name(METADATA_VERSION_MAX));
	updating_add(u, str_of(METADATA_VERSION_FEATURE), version);
	for (size_t i = 0; is_all && i < feature_count; i++) {
		int level = feature_default_level(&features[i], version);

		/* Nothing is raised to 0. */
		if (strcmp(features[i].name, METADATA_VERSION_FEATURE) != 0 &&
		    (u->update != UPDATE_UPGRADE || level > 0))
			updating_add(u, str_of(features[i].name), level);
	}
	return 0;
}

static int updating_feature(struct updating *u, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	char *end;
	long level;

	if (u->update == UPDATE_DISABLE) {
		updating_add(u, str_of(text), 0);
		return 0;
	}
	if (!equals)
		return err_set(err, E_INVALID,
			       "Can't parse feature=level string %s: equals sign not found.", text);
	level = strtol(equals + 1, &end, 10);
	if (end == equals + 1 || *end || level < INT16_MIN || level > INT16_MAX)
		return err_set(
			err, E_INVALID,
			"Can't parse feature=level string %s: unable to parse %s as a short.", text,
			equals + 1);
	updating_add(u, (struct str){text, (size_t)(equals - text)}, (int)level);
	return 0;
}

static int key_cmp(const void *a, const void *b)
{
	const struct update_features_request_feature_update_key *x = a, *y = b;
	int order = memcmp(x->feature.data, y->feature.data, MIN(x->feature.len, y->feature.len));

	return order ? order
		     : (x->feature.len > y->feature.len) - (x->feature.len < y->feature.len);
}

static int updating_fill(struct updating *u, struct err *err)
{
	const struct features_args *args = u->args;
	struct arena *a = &u->run->arena;
	int rc = 0;

	u->request = WIRE_NEW(a, update_features_request);
	u->request->validate_only = args->dry_run;
	u->request->feature_updates = WIRE_ARRAY(a, update_features_request_feature_update_key,
						 args->features.count + feature_count + 2);
	if (args->release_version && (args->metadata || args->features.count > 0))
		return err_set(err, E_INVALID,
			       "Can not specify `release-version` with other feature flags.");
	if (args->metadata)
		output_say(" `metadata` flag is deprecated and may be removed in a future "
			   "release.\n");
	if (args->release_version)
		rc = updating_release(u, args->release_version, true, err);
	if (rc == 0 && args->metadata)
		rc = updating_release(u, args->metadata, false, err);
	for (unsigned i = 0; rc == 0 && i < args->features.count; i++)
		rc = updating_feature(u, args->features.items[i], err);
	if (rc == 0 && u->request->feature_updates_count == 0)
		rc = err_set(err, E_INVALID, "You must specify at least one feature to %s",
			     update_verbs[u->update]);
	if (rc == 0)
		qsort(u->request->feature_updates, (size_t)u->request->feature_updates_count,
		      sizeof(*u->request->feature_updates), key_cmp);
	return rc;
}

/* `why` NULL: it went well. */
static void updating_say(const struct updating *u, struct str name, int level, const char *why)
{
	bool is_dry = u->args->dry_run, has_level = u->update != UPDATE_DISABLE;
	const char *to = has_level ? arena_printf(&u->run->arena, " to %d", level) : "";
	struct json_out j = {0};

	if (u->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "feature", name);
		json_out_int(&j, "level", level);
		json_out_bool(&j, "dryRun", is_dry);
		json_out_text(&j, "error", why);
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (!why) {
		output_say("%.*s %s %s%s.\n", STR(name), is_dry ? "can be" : "was",
			   update_done[u->update], to);
	} else if (u->run->is_apache) {
		print_text("%s not %s %.*s%s. %s\n", is_dry ? "Can" : "Could",
			   update_verbs[u->update], STR(name), to, why);
	} else {
		print_error("%s: %.*s%s: %s\n", u->run->name, STR(name), to, why);
	}
}

/* How many failed. Older brokers tell of each feature, newer ones of all at once. */
static int updating_tell(const struct updating *u, const struct update_features_response *r)
{
	int failed = 0;

	for (int32_t i = 0; i < u->request->feature_updates_count; i++) {
		const struct update_features_request_feature_update_key *key =
			&u->request->feature_updates[i];
		int code = r->error_code;
		struct str message = r->error_message;
		struct err why = {0};

		for (int32_t n = 0; code == KERR_NONE && n < r->results_count; n++) {
			if (!str_eq(r->results[n].feature, key->feature))
				continue;
			code = r->results[n].error_code;
			message = r->results[n].error_message;
		}
		if (code != KERR_NONE && kafka_error_set(&why, code, message) < 0)
			failed++;
		updating_say(u, key->feature, key->max_version_level,
			     code == KERR_NONE ? NULL : err_message(&why));
	}
	return failed;
}

static int features_update(struct run *run, const struct features_args *args, enum update update)
{
	struct updating u = {.run = run, .args = args, .update = update};
	struct update_features_response *response;
	struct connection connection;
	struct err err = {0};
	int rc = features_check(run, args, &u.format, &err), failed, count;

	if (rc < 0)
		return features_refuse(run, &err);
	rc = updating_fill(&u, &err);
	if (rc < 0)
		return run->is_apache ? features_failure(run, &err) : help_usage(run, &err);
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return features_failure(run, &err);
	rc = client_call(connection.client, argparse_target(&args->cluster), API_UPDATE_FEATURES,
			 u.request, &run->arena, (void **)&response, NULL, &err);
	failed = rc < 0 ? 0 : updating_tell(&u, response);
	connect_close(&connection);
	if (rc < 0)
		return features_failure(run, &err);
	count = u.request->feature_updates_count;
	if (failed == 0)
		return EXIT_OK;
	if (run->is_apache)
		print_error("%d out of %d operation(s) failed.\n", failed, count);
	return run->is_apache || failed == count ? EXIT_FAILED : EXIT_PARTIAL;
}

static int features_upgrade_run(struct run *run, void *args)
{
	return features_update(run, args, UPDATE_UPGRADE);
}

static int features_downgrade_run(struct run *run, void *args)
{
	return features_update(run, args, UPDATE_DOWNGRADE);
}

static int features_disable_run(struct run *run, void *args)
{
	return features_update(run, args, UPDATE_DISABLE);
}

/* ---- What this program knows of releases -------------------------------------------------- */

static int features_mapping_run(struct run *run, void *data)
{
	const struct features_args *args = data;
	struct err err = {0};

	if (feature_levels_mapping(args->release_version, &err) < 0)
		return features_failure(run, &err);
	return EXIT_OK;
}

static int features_depends_run(struct run *run, void *data)
{
	const struct features_args *args = data;
	struct err err = {0};

	for (unsigned i = 0; i < args->features.count; i++) {
		if (feature_levels_depends(args->features.items[i], &err) < 0)
			return features_failure(run, &err);
	}
	return EXIT_OK;
}
