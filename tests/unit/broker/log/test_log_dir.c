/* If these fail, a broker takes another's directory, or forgets what it knew about its own. */
#include "log_fixture.h"

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void check_text(const char *dir, const char *name, const char *expected)
{
	char path[256], text[1024] = {0};
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	(void)!fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_string_equal(text, expected);
}

static void test_lock(void **state UNUSED)
{
	struct fixture f;
	struct log_dir *dir, *other;
	struct err err = {0};

	fixture_init(&f);
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, &err), 0);
	assert_int_equal(log_dir_open(&other, &f.env, f.root, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "another process"));
	log_dir_close(dir);
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, &err), 0);
	log_dir_close(dir);
	fixture_fini(&f);
}

static void test_identity(void **state UNUSED)
{
	struct fixture f;
	struct log_dir *dir;
	struct uuid id = uuid_random();
	char path[128];

	fixture_init(&f);
	/* Made with what is above it, as on the first start of a machine. */
	snprintf(path, sizeof(path), "%s/deep/er/new/", f.root);
	assert_int_equal(log_dir_open(&dir, &f.env, path, NULL), 0);
	assert_false(dir->meta.exists);
	assert_int_equal(log_dir_write_meta(dir, "my cluster:1", 7, id, NULL), 0);
	log_dir_close(dir);
	assert_int_equal(log_dir_open(&dir, &f.env, path, NULL), 0);
	assert_true(dir->meta.exists);
	assert_int_equal(dir->meta.version, 1);
	assert_int_equal(dir->meta.node_id, 7);
	assert_string_equal(dir->meta.cluster_id, "my cluster:1");
	assert_true(uuid_eq(dir->meta.directory_id, id));
	log_dir_close(dir);
	/* As Apache Kafka writes it, and as it should not be. */
	write_text(f.root, "meta.properties", "#\n#Sat Aug 22 17:34:22 UTC 2026\n"
		   "cluster.id=MkU3OEVBNTcwNTJENDM2Qg\ndirectory.id=x5Fxk3wTQ3q0M1rVq0aPzw\n"
		   "node.id=1\nversion=1\n");
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, NULL), 0);
	assert_int_equal(dir->meta.node_id, 1);
	log_dir_close(dir);
	write_text(f.root, "meta.properties", "version=1\nnode.id=x\ncluster.id=a\n");
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, NULL), E_MALFORMED);
	write_text(f.root, "meta.properties", "version=2\nnode.id=1\ncluster.id=a\n");
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, NULL), E_MALFORMED);
	fixture_fini(&f);
}

static void test_checkpoints_and_marker(void **state UNUSED)
{
	struct fixture f;
	struct log_dir *dir;
	struct checkpoint_entry entries[] = {
		{STR_LIT("orders"), 0, 17},
		{STR_LIT("a-b"), 12, 5000000000},
	};

	fixture_init(&f);
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, NULL), 0);
	assert_int_equal(log_dir_load(dir, NULL), 0);
	assert_false(dir->was_clean);
	assert_int_equal(log_dir_write_checkpoint(dir, LOG_DIR_RECOVERY_POINT, entries, 2, NULL),
			 0);
	check_text(f.root, "recovery-point-offset-checkpoint",
		   "0\n2\norders 0 17\na-b 12 5000000000\n");
	assert_int_equal(log_dir_mark_clean(dir, 42, NULL), 0);
	check_text(f.root, ".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":42}");
	log_dir_close(dir);
	write_text(f.root, "log-start-offset-checkpoint", "");
	write_text(f.root, "replication-offset-checkpoint", "0\n3\norders 0 17\n");
	write_text(f.root, "cleaner-offset-checkpoint", "0\n1\norders\t0   9\n");
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, NULL), 0);
	assert_int_equal(log_dir_load(dir, NULL), 0);
	assert_true(dir->was_clean);
	assert_int_equal(dir->broker_epoch, 42);
	assert_int_equal(file_size(f.root, ".kafka_cleanshutdown"), -1);
	assert_int_equal(log_dir_offset(dir, LOG_DIR_RECOVERY_POINT, STR_LIT("a-b"), 12, -7),
			 5000000000);
	assert_int_equal(log_dir_offset(dir, LOG_DIR_RECOVERY_POINT, STR_LIT("a-b"), 1, -7), -7);
	assert_int_equal(log_dir_offset(dir, LOG_DIR_HIGH_WATERMARK, STR_LIT("orders"), 0, -7), -7);
	assert_int_equal(log_dir_offset(dir, LOG_DIR_CLEANER, STR_LIT("orders"), 0, -7), 9);
	log_dir_close(dir);
	fixture_fini(&f);
}

static void test_names(void **state UNUSED)
{
	struct log_dir_entry entry;

	assert_int_equal(log_dir_parse_name(&entry, "a-b-12"), 0);
	assert_true(str_is(entry.topic, "a-b"));
	assert_int_equal(entry.partition, 12);
	assert_int_equal(entry.kind, LOG_DIR_PARTITION);
	assert_int_equal(log_dir_parse_name(&entry,
					    "t-3.0123456789abcdef0123456789abcdef-delete"), 0);
	assert_int_equal(entry.kind, LOG_DIR_DELETED);
	assert_true(str_is(entry.topic, "t"));
	assert_int_equal(log_dir_parse_name(&entry,
					    "t-3.0123456789abcdef0123456789abcdef-stray"), 0);
	assert_int_equal(entry.kind, LOG_DIR_STRAY);
	assert_int_equal(log_dir_parse_name(&entry, "t-delete"), E_MALFORMED);
	assert_int_equal(log_dir_parse_name(&entry, "t-3-delete"), E_MALFORMED);
	assert_int_equal(log_dir_parse_name(&entry, "nodash"), E_MALFORMED);
	assert_int_equal(log_dir_parse_name(&entry, "t-"), E_MALFORMED);
	assert_int_equal(log_dir_parse_name(&entry, "-1"), E_MALFORMED);
	assert_int_equal(log_dir_parse_name(&entry, "t-1x"), E_MALFORMED);
	assert_int_equal(log_dir_parse_name(&entry, "t-99999999999"), E_MALFORMED);
}

struct seen {
	unsigned count, deleted, stray;
	struct uuid id;
};

static int see(void *ctx, const struct log_dir_entry *entry)
{
	struct seen *seen = ctx;

	seen->count++;
	seen->deleted += entry->kind == LOG_DIR_DELETED;
	seen->stray += entry->kind == LOG_DIR_STRAY;
	if (entry->kind == LOG_DIR_PARTITION)
		seen->id = entry->topic_id;
	return 0;
}

static void test_partitions_come_and_go(void **state UNUSED)
{
	struct fixture f;
	struct log_dir *dir;
	struct seen seen = {0};
	struct err err = {0};
	struct uuid id = uuid_random();
	char name[LOG_DIR_NAME_MAX], long_name[LOG_DIR_NAME_MAX], path[128];
	struct log *log;

	fixture_init(&f);
	assert_int_equal(log_dir_open(&dir, &f.env, f.root, NULL), 0);
	f.options.topic_id = id;
	fixture_open_log(&f);
	append_ok(&f, (struct batch_spec){.count = 1});
	assert_int_equal(log_dir_list(dir, see, &seen, &err), 0);
	assert_int_equal(seen.count, 1);
	assert_true(uuid_eq(seen.id, id));
	/* Another id for the same directory. */
	fixture_close_log(&f);
	f.options.topic_id = uuid_random();
	assert_int_equal(fixture_try_open_log(&f), E_INVALID);
	f.options.topic_id = (struct uuid){0};
	fixture_open_log(&f);
	assert_true(uuid_eq(log_topic_id(f.log), id));
	log = f.log;
	f.log = NULL;
	assert_int_equal(log_delete(log, NULL), 0);
	seen = (struct seen){0};
	assert_int_equal(log_dir_list(dir, see, &seen, &err), 0);
	assert_int_equal(seen.deleted, 1);
	assert_int_equal(log_dir_sweep(dir, 60000, 10, NULL), 0);
	f.now_ms += 60000;
	assert_int_equal(log_dir_sweep(dir, 60000, 0, NULL), 0);
	seen = (struct seen){0};
	assert_int_equal(log_dir_list(dir, see, &seen, &err), 0);
	assert_int_equal(seen.deleted, 1);
	assert_int_equal(log_dir_sweep(dir, 60000, 10, NULL), 1);
	seen = (struct seen){0};
	assert_int_equal(log_dir_list(dir, see, &seen, &err), 0);
	assert_int_equal(seen.count, 0);
	/* Set aside, and a name so long that the topic is cut. */
	fixture_open_log(&f);
	fixture_close_log(&f);
	assert_int_equal(log_dir_set_aside(dir, "topic-0", NULL), 0);
	memset(long_name, 'x', 249);
	memcpy(long_name + 249, "-12", 4);
	log_dir_suffixed_name(&f.env, long_name, "delete", name);
	assert_int_equal(strlen(name), 255);
	seen = (struct seen){0};
	assert_int_equal(log_dir_list(dir, see, &seen, &err), 0);
	assert_int_equal(seen.stray, 1);
	/* Something else stops the start, with its name. */
	snprintf(path, sizeof(path), "%s/lost+found", f.root);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(log_dir_list(dir, see, &seen, &err), E_MALFORMED);
	assert_non_null(strstr(err.text, "lost+found"));
	log_dir_close(dir);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_checkpoints_and_marker),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_partitions_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
