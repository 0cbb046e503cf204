/* A directory that is formatted wrongly, twice, or for another cluster loses what is in it. */
#include "log/log_dir.h"
#include "metadata/delta.h"
#include "metadata/features.h"
#include "metadata/snapshot.h"
#include "metadata/storage_format.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct env env;
static struct out printed;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kavka-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	env_posix_init(&env);
	out_init(&printed, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	out_fini(&printed);
	return system(command);
}

static void note(void *ctx, const char *line)
{
	out_printf(ctx, "%s\n", line);
}

static struct config *config_of(const char *dirs, const char *more)
{
	char log_dirs[256];
	const char *all[] = {log_dirs, more};
	struct config_load_options options = {.overrides = all, .override_count = more ? 2 : 1};
	struct config *config;
	struct err err = {0};
	char a[100], b[100];

	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(log_dirs, sizeof(log_dirs), "log.dirs=%s%s%s", a, strlen(dirs) > 1 ? "," : "",
		 strlen(dirs) > 1 ? b : "");
	if (config_load(&config, &options, &err) < 0)
		fail_msg("%s", err.text);
	return config;
}

static int format(const char *dirs, struct storage_format_options options, struct err *err)
{
	struct config *config = config_of(dirs, NULL);
	int rc;

	options.config = config;
	options.cluster_id = "lBp0ZwIrQwW6NvXuUEiP0A";
	options.print = note;
	options.ctx = &printed;
	rc = storage_format(&env, &options, err);
	config_unref(config);
	return rc;
}

/* ---- format ---------------------------------------------------------------------------------- */

static void test_standalone(void **state)
{
	struct err err = {0};
	struct arena arena;
	struct snapshot_contents contents;
	const struct image *image;
	struct log_dir *d;
	char path[128];

	(void)state;
	assert_int_equal(format("a", (struct storage_format_options){.standalone = true}, &err), 0);
	snprintf(path, sizeof(path), "%s/a/__cluster_metadata-0", dir);
	arena_init(&arena);
	assert_int_equal(snapshot_read_image(&env, path, SNAPSHOT_BOOTSTRAP, &arena, &contents,
					     &image, &err),
			 0);
	assert_int_equal(image_metadata_version(image), METADATA_VERSION_MAX);
	assert_int_equal(image_feature_level(image, STR_LIT("share.version")), 2);
	assert_int_equal(contents.kraft_version, 1);
	assert_int_equal(contents.voters->voters_count, 1);
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(log_dir_open(&d, &env, path, &err), 0);
	assert_string_equal(d->meta.cluster_id, "lBp0ZwIrQwW6NvXuUEiP0A");
	assert_int_equal(d->meta.node_id, 1);
	assert_true(uuid_eq(d->meta.directory_id, contents.voters->voters[0].voter_directory_id));
	log_dir_close(d);
	image_unref(image);
	arena_fini(&arena);

	assert_int_equal(format("a", (struct storage_format_options){.standalone = true}, &err),
			 E_EXISTS);
	out_reset(&printed);
	assert_int_equal(format("a",
				(struct storage_format_options){.standalone = true,
								.ignore_formatted = true},
				&err),
			 0);
	out_byte(&printed, '\0');
	assert_string_equal((const char *)printed.data,
			    "All of the log directories are already formatted.\n");
}

static void test_release_and_features(void **state)
{
	const char *features_given[] = {"group.version=0"};
	struct storage_format_options options = {.standalone = true,
						 .release_version = "4.0",
						 .features = features_given,
						 .feature_count = 1};
	struct err err = {0};
	struct arena arena;
	struct snapshot_contents contents;
	const struct image *image;
	char path[128];

	(void)state;
	assert_int_equal(format("a", options, &err), 0);
	snprintf(path, sizeof(path), "%s/a/__cluster_metadata-0", dir);
	arena_init(&arena);
	assert_int_equal(snapshot_read_image(&env, path, SNAPSHOT_BOOTSTRAP, &arena, &contents,
					     &image, &err),
			 0);
	assert_int_equal(image_metadata_version(image), 25);
	assert_int_equal(image_feature_level(image, STR_LIT("transaction.version")), 2);
	assert_int_equal(image_feature_level(image, STR_LIT("group.version")), 0);
	assert_int_equal(image_feature_level(image, STR_LIT("share.version")), 0);
	image_unref(image);
	arena_fini(&arena);
}

static void test_wrong_options(void **state)
{
	const char *unknown[] = {"no.such=1"}, *kraft[] = {"kraft.version=0"};
	const char *elr[] = {"eligible.leader.replicas.version=1"};
	const char *scram[] = {"SCRAM-SHA-256=[name=alice]"};
	const char *good_scram[] = {"SCRAM-SHA-256=[name=alice,password=x]"};
	const char *twice[] = {"metadata.version=25"};
	struct storage_format_options wrong[] = {
		{0},
		{.standalone = true, .release_version = "9.9"},
		{.standalone = true, .features = unknown, .feature_count = 1},
		{.standalone = true, .features = kraft, .feature_count = 1},
		{.standalone = true, .release_version = "3.9", .features = elr, .feature_count = 1},
		{.standalone = true, .scram = scram, .scram_count = 1},
		{.standalone = true,
		 .release_version = "3.4",
		 .scram = good_scram,
		 .scram_count = 1},
		{.standalone = true,
		 .release_version = "4.0",
		 .features = twice,
		 .feature_count = 1},
		{.initial_controllers = ""},
		{.initial_controllers = "1@localhost:9093"},
		{.initial_controllers = "1@localhost:9093:AdvamAeKTH6lHo5WMJHr5g,"
					"1@localhost:9094:BdvamAeKTH6lHo5WMJHr5g"},
		{.initial_controllers = "1@localhost:65536:AdvamAeKTH6lHo5WMJHr5g"},
	};
	struct err err;
	char path[128];
	struct env_stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(format("a", wrong[i], &err), E_INVALID);
		assert_true(err.text[0]);
	}
	snprintf(path, sizeof(path), "%s/a/meta.properties", dir);
	assert_int_equal(env.ops->stat(&env, path, &st), -ENOENT);
}

/* What others are told of this controller is where it is advertised, by the name they know. */
static void test_voter_of_standalone(void **state)
{
	static const struct {
		const char *listeners, *advertised, *name, *host;
		int port;
	} cases[] = {
		{"CONTROLLER://127.0.0.1:19093", "CONTROLLER://c1.example:29093", "CONTROLLER",
		 "c1.example", 29093},
		{"CONTROLLER://0.0.0.0:19093", NULL, "CONTROLLER", "localhost", 19093},
		{"CONTROLLER://[::1]:19093", NULL, "CONTROLLER", "::1", 19093},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char log_dirs[128], listeners[128], advertised[128], path[128];
		const char *all[] = {log_dirs, "process.roles=controller", listeners, advertised};
		struct config_load_options load = {.overrides = all,
						   .override_count = cases[i].advertised ? 4 : 3};
		struct storage_format_options options = {.standalone = true, .cluster_id = "x"};
		const struct voters_record_endpoint *at;
		struct snapshot_contents contents;
		const struct image *image;
		struct config *config;
		struct arena arena;
		struct err err = {0};

		snprintf(log_dirs, sizeof(log_dirs), "log.dirs=%s/v%zu", dir, i);
		snprintf(listeners, sizeof(listeners), "listeners=%s", cases[i].listeners);
		snprintf(advertised, sizeof(advertised), "advertised.listeners=%s",
			 cases[i].advertised ? cases[i].advertised : "");
		assert_int_equal(config_load(&config, &load, &err), 0);
		options.config = config;
		assert_int_equal(storage_format(&env, &options, &err), 0);
		snprintf(path, sizeof(path), "%s/v%zu/__cluster_metadata-0", dir, i);
		arena_init(&arena);
		assert_int_equal(snapshot_read_image(&env, path, SNAPSHOT_BOOTSTRAP, &arena,
						     &contents, &image, &err),
				 0);
		at = &contents.voters->voters[0].endpoints[0];
		assert_true(str_is(at->name, cases[i].name));
		assert_true(str_is(at->host, cases[i].host));
		assert_int_equal(at->port, cases[i].port);
		image_unref(image);
		arena_fini(&arena);
		config_unref(config);
	}
}

/* ---- info ------------------------------------------------------------------------------------ */

static void test_info(void **state)
{
	struct config *config = config_of("ab", NULL);
	struct err err = {0};

	(void)state;
	assert_int_equal(storage_info(&env, config, note, &printed), 2);
	assert_int_equal(format("a", (struct storage_format_options){.standalone = true}, &err), 0);
	out_reset(&printed);
	assert_int_equal(storage_info(&env, config, note, &printed), 1);
	out_byte(&printed, '\0');
	assert_non_null(strstr((const char *)printed.data, "Found log directory:\n  "));
	assert_non_null(
		strstr((const char *)printed.data,
		       "Found metadata: {cluster.id=lBp0ZwIrQwW6NvXuUEiP0A, directory.id="));
	assert_non_null(strstr((const char *)printed.data, "/b does not exist\n"));
	config_unref(config);
}

/* ---- The broker's start ---------------------------------------------------------------------- */

static int ensure(const struct config *config, const char **cluster_id, struct arena *arena,
		  struct uuid ids[2], struct err *err)
{
	size_t count;
	const char *const *paths = config_list(config, CONFIG_LOG_DIRS, &count);
	struct log_dir *dirs[2] = {NULL, NULL};
	struct storage_ensure_options options = {
		.config = config, .dirs = dirs, .dir_count = (unsigned)count};
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = log_dir_open(&dirs[i], &env, paths[i], err);
	if (rc == 0)
		rc = storage_ensure(&env, &options, cluster_id, arena, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		ids[i] = dirs[i]->meta.directory_id;
	for (size_t i = 0; i < count; i++)
		log_dir_close(dirs[i]);
	return rc;
}

static void test_first_start_and_new_directory(void **state)
{
	struct config *one = config_of("a", NULL), *two = config_of("ab", NULL);
	struct config *other = config_of("a", "node.id=2");
	struct config *several =
		config_of("a", "controller.quorum.voters=1@localhost:9093,2@h:9093");
	struct arena arena;
	struct uuid first[2], again[2];
	const char *cluster_id, *same;
	struct err err = {0};
	char command[256];

	(void)state;
	arena_init(&arena);
	assert_int_equal(ensure(several, &cluster_id, &arena, first, &err), E_INVALID);
	assert_int_equal(ensure(one, &cluster_id, &arena, first, &err), 0);
	assert_int_equal(strlen(cluster_id), UUID_TEXT_LEN);
	assert_int_equal(ensure(one, &same, &arena, again, &err), 0);
	assert_string_equal(same, cluster_id);
	assert_true(uuid_eq(first[0], again[0]));
	assert_int_equal(ensure(two, &same, &arena, again, &err), 0);
	assert_string_equal(same, cluster_id);
	assert_true(uuid_eq(first[0], again[0]));
	assert_false(uuid_is_zero(again[1]));
	assert_int_equal(ensure(other, &same, &arena, again, &err), E_INVALID);
	/* a directory of old times gets its id now, and keeps it */
	snprintf(command, sizeof(command), "sed -i /directory.id/d %s/a/meta.properties", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ensure(one, &same, &arena, first, &err), 0);
	assert_false(uuid_is_zero(first[0]));
	assert_int_equal(ensure(one, &same, &arena, again, &err), 0);
	assert_true(uuid_eq(first[0], again[0]));
	arena_fini(&arena);
	config_unref(one);
	config_unref(two);
	config_unref(other);
	config_unref(several);
}

/* A node that forms a quorum by itself beside the one it should join would be a second cluster. */
static void test_who_may_begin(void **state)
{
	static const struct {
		const char *quorum;
		bool may;
	} cases[] = {
		{"controller.quorum.bootstrap.servers=localhost:9093", true},
		{"controller.quorum.bootstrap.servers=127.0.0.1:9093", true},
		{"controller.quorum.voters=1@localhost:9093", true},
		{"controller.quorum.bootstrap.servers=localhost:9094", false},
		{"controller.quorum.bootstrap.servers=other.example:9093", false},
		{"controller.quorum.bootstrap.servers=localhost:9093,localhost:9094", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *config = config_of("a", cases[i].quorum);
		const char *cluster_id;
		struct arena arena;
		struct uuid ids[2];
		struct err err = {0};
		char command[128];

		arena_init(&arena);
		assert_int_equal(ensure(config, &cluster_id, &arena, ids, &err),
				 cases[i].may ? 0 : E_INVALID);
		if (!cases[i].may)
			assert_non_null(strstr(err.text, "run kavka storage format --config FILE"));
		arena_fini(&arena);
		config_unref(config);
		snprintf(command, sizeof(command), "rm -rf %s/a", dir);
		assert_int_equal(system(command), 0);
	}
}

/* An empty metadata directory is a voter that forgot its vote. */
static void test_lost_metadata_directory(void **state)
{
	struct config *two = config_of("ab", NULL);
	const char *cluster_id;
	struct arena arena;
	struct uuid ids[2];
	struct err err = {0};
	char command[128];

	(void)state;
	arena_init(&arena);
	assert_int_equal(ensure(two, &cluster_id, &arena, ids, &err), 0);
	snprintf(command, sizeof(command), "rm -rf %s/a", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ensure(two, &cluster_id, &arena, ids, &err), E_INVALID);
	assert_non_null(strstr(err.text, cluster_id));
	assert_non_null(strstr(err.text, "--ignore-formatted --no-initial-controllers"));
	arena_fini(&arena);
	config_unref(two);
}

static void test_mixed_directories_are_refused(void **state)
{
	struct config *two = config_of("ab", NULL);
	struct arena arena;
	struct uuid ids[2];
	const char *cluster_id;
	struct err err = {0};
	char command[256];

	(void)state;
	arena_init(&arena);
	assert_int_equal(ensure(two, &cluster_id, &arena, ids, &err), 0);
	snprintf(command, sizeof(command), "cp %s/b/meta.properties %s/keep", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "cp %s/a/meta.properties %s/b/", dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ensure(two, &cluster_id, &arena, ids, &err), E_INVALID);
	snprintf(command, sizeof(command),
		 "sed 's/cluster.id=.*/cluster.id=other/' %s/keep >%s/b/meta.properties", dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ensure(two, &cluster_id, &arena, ids, &err), E_INVALID);
	arena_fini(&arena);
	config_unref(two);
}

static void test_versions(void **state)
{
	(void)state;
	assert_int_equal(metadata_version_by_name(STR_LIT("4.4-IV2")), 33);
	assert_int_equal(metadata_version_by_name(STR_LIT("4.4")), 33);
	assert_int_equal(metadata_version_by_name(STR_LIT("4.3.1")), 30);
	assert_int_equal(metadata_version_by_name(STR_LIT("3.7")), 19);
	assert_int_equal(metadata_version_by_name(STR_LIT("3.2")), -1);
	assert_int_equal(metadata_version_by_name(STR_LIT("")), -1);
	assert_string_equal(metadata_version_name(25), "4.0-IV3");
	assert_null(metadata_version_name(34));
	assert_int_equal(register_broker_record_version(33), 4);
	assert_int_equal(register_broker_record_version(16), 2);
	assert_int_equal(partition_record_version(22), 1);
	assert_int_equal(partition_record_version(23), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_standalone),
		TEST(test_release_and_features),
		TEST(test_wrong_options),
		TEST(test_voter_of_standalone),
		TEST(test_info),
		TEST(test_first_start_and_new_directory),
		TEST(test_who_may_begin),
		TEST(test_lost_metadata_directory),
		TEST(test_mixed_directories_are_refused),
		TEST(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
