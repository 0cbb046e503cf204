/* Broken configs: values that are read wrong, defaults that are not Kafka's, silent typos. */
#include "config/config.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#undef assert
#include "base/check.h"

#define SERVER \
	"process.roles=broker,controller\nnode.id=7\n" \
	"controller.listener.names=CONTROLLER\n" \
	"controller.quorum.voters=7@localhost:9093\n" \
	"listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"

static char warnings[4096];

static void warn(void *ctx, const char *text)
{
	(void)ctx;
	snprintf(warnings + strlen(warnings), sizeof(warnings) - strlen(warnings), "%s\n", text);
}

static int load_with(struct config **out, const char *text, const char *override, struct err *err)
{
	char path[] = "/tmp/kavka-config-XXXXXX";
	int fd = mkstemp(path), rc;
	struct config_load_options options = {
		.path = path,
		.overrides = &override,
		.override_count = override != NULL,
		.warn = warn,
	};

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	warnings[0] = '\0';
	rc = config_load(out, &options, err);
	unlink(path);
	return rc;
}

static struct config *load(const char *text, const char *override)
{
	struct config *c = NULL;
	struct err err = {0};

	if (load_with(&c, text, override, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

/* The message must hold `needle`. */
static void refused(const char *text, const char *needle)
{
	struct config *c = NULL;
	struct err err = {0};

	assert_true(load_with(&c, text, NULL, &err) < 0);
	if (!strstr(err.text, needle))
		fail_msg("'%s' does not say '%s'", err.text, needle);
}

static void no_file(void **state)
{
	struct config_load_options options = {0};
	struct config *c = NULL;
	struct err err = {0};
	const struct listener *l;
	size_t count;

	(void)state;
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_int_equal(config_load(&c, &options, &err), 0);
	assert_int_equal(config_node_id(c), 1);
	assert_true(config_is_broker(c) && config_is_controller(c));
	l = config_listeners(c, &count);
	assert_int_equal(count, 2);
	assert_string_equal(l[0].name, "PLAINTEXT");
	assert_string_equal(l[0].host, "localhost");
	assert_int_equal(l[0].port, 9092);
	assert_false(l[0].port_optional);
	assert_true(l[1].is_controller && l[1].port_optional);
	config_advertised(c, &count);
	assert_int_equal(count, 1);
	assert_string_equal(config_list(c, CONFIG_LOG_DIRS, &count)[0], "/data/kavka/data");
	assert_string_equal(config_metadata_log_dir(c), "/data/kavka/data");
	assert_int_equal(config_i64(c, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
	assert_int_equal(config_i64(c, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS), 50);
	assert_string_equal(config_inter_broker_listener(c), "PLAINTEXT");
	config_unref(c);
}

static void no_file_with_listeners(void **state)
{
	const char *overrides[] = {"listeners=PLAINTEXT://:0", "log.dir=/x"};
	struct config_load_options options = {.overrides = overrides, .override_count = 2};
	struct config *c = NULL;
	struct err err = {0};
	size_t count;

	(void)state;
	assert_int_equal(config_load(&c, &options, &err), 0);
	config_listeners(c, &count);
	assert_int_equal(count, 2);
	assert_string_equal(config_listener(c, "controller")->host, "localhost");
	assert_string_equal(config_list(c, CONFIG_LOG_DIRS, &count)[0], "/x");
	config_unref(c);
}

static void file_and_overrides(void **state)
{
	struct config *c = load(SERVER "log.segment.bytes= 2097152 \nlog.dirs=/a, /b\n",
				"log.segment.bytes=3145728");
	size_t count;

	(void)state;
	assert_int_equal(config_node_id(c), 7);
	assert_int_equal(config_i64(c, CONFIG_BROKER_ID), 7);
	assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 3145728);
	assert_int_equal(config_source_of(c, CONFIG_LOG_SEGMENT_BYTES),
			 CONFIG_SOURCE_STATIC_BROKER);
	assert_string_equal(config_list(c, CONFIG_LOG_DIRS, &count)[1], "/b");
	assert_int_equal(count, 2);
	assert_int_equal(config_i64(c, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), 3);
	assert_int_equal(config_quorum(c, &count)[0].id, 7);
	config_unref(c);
}

static void families(void **state)
{
	struct config *c = load(SERVER, NULL);

	(void)state;
	assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), INT64_C(604800000));
	assert_int_equal(config_i64(c, CONFIG_LOG_ROLL_MS), INT64_C(604800000));
	assert_int_equal(config_i64(c, CONFIG_LOG_FLUSH_INTERVAL_MS), INT64_MAX);
	config_unref(c);
	c = load(SERVER "log.retention.minutes=2\nlog.retention.hours=5\n", NULL);
	assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), 120000);
	config_unref(c);
	c = load(SERVER "log.retention.hours=-5\n", NULL);
	assert_int_equal(config_i64(c, CONFIG_LOG_RETENTION_MS), -1);
	config_unref(c);
}

static void bad_values(void **state)
{
	(void)state;
	refused(SERVER "log.segment.bytes=5\n",
		":6: Invalid value 5 for configuration "
		"log.segment.bytes: Value must be at least 1048576 (valid: [1048576,...])");
	refused(SERVER "num.partitions=x\n", "Not a number of type INT");
	refused(SERVER "num.partitions=3000000000\n", "Not a number of type INT");
	refused(SERVER "auto.create.topics.enable=yes\n",
		"Expected value to be either true or false");
	refused(SERVER "compression.type=brotli\n",
		"String must be one of: uncompressed, zstd, lz4");
	refused(SERVER "log.cleanup.policy=delete,shred\n",
		"String must be one of: compact, delete");
	refused(SERVER "compression.gzip.level=0\n", "(valid: [1,...,9] or -1)");
	refused(SERVER "broker.id=8\n", "same value as `broker.id`");
	refused(SERVER "log.retention.ms=0\n", "log.retention.ms must be unlimited (-1)");
	refused("node.id=1\n", "Missing required configuration");
}

static void bad_listeners(void **state)
{
#define ROLES \
	"node.id=1\nprocess.roles=broker,controller\ncontroller.listener.names=C\n" \
	"controller.quorum.voters=1@h:1\n"
	(void)state;
	refused(ROLES "listeners=PLAINTEXT://h:1,C://h:1\n", "different port");
	refused(ROLES "listeners=PLAINTEXT://h:1,PLAINTEXT://h:2\n", "different name");
	refused(ROLES "listeners=PLAINTEXT://h:1\n", "controller.listener.names must only contain");
	refused(ROLES "listeners=X://h:1,C://h:2\n", "No security protocol defined for listener X");
	refused(ROLES "listeners=PLAINTEXT://0.0.0.0:1,C://h:2\n", "0.0.0.0");
	refused(ROLES "listeners=PLAINTEXT://h:70000,C://h:2\n", "[0,...,65535]");
	refused(ROLES "listeners=nonsense,C://h:2\n", "is not NAME://host:port");
	refused("node.id=2\nprocess.roles=controller\ncontroller.listener.names=C\n"
		"listeners=C://h:1\ncontroller.quorum.voters=1@h:1\n",
		"must be included in the set of voters");
	refused("node.id=1\nprocess.roles=controller\ncontroller.listener.names=C\n"
		"listeners=C://h:1\ncontroller.quorum.voters=1@h:1,1@i:1\n",
		"node 1 is there twice");
	refused("node.id=1\nprocess.roles=controller\ncontroller.listener.names=C\n"
		"listeners=C://h:1\ncontroller.quorum.voters=1@h:1\n"
		"inter.broker.listener.name=C\n",
		"explicitly set inter.broker.listener.name");
	refused("node.id=1\nprocess.roles=broker\ncontroller.listener.names=C\n"
		"listeners=I://h:1\ncontroller.quorum.voters=2@h:1\n"
		"inter.broker.listener.name=I\nlistener.security.protocol.map=I:PLAINTEXT\n",
		"Controller listener with name C");
	refused(ROLES "listeners=PLAINTEXT://h:1,C://h:2\n"
		      "advertised.listeners=PLAINTEXT://h:1,C://0.0.0.0:2\n",
		"0.0.0.0");
}

static void listener_forms(void **state)
{
	struct config *c =
		load(ROLES "listeners=a://[::1]:1,B://:0,C://h:2\n"
			   "listener.security.protocol.map=A:PLAINTEXT, B:SASL_SSL,C:SSL\n"
			   "inter.broker.listener.name=a\n"
			   "listener.name.b.ssl.keystore.location=/k\nssl.keystore.location=/j\n"
			   "advertised.listeners=A://x:9,C://z:8,B://y:9\n",
		     NULL);
	const struct listener *l;
	size_t count;

	(void)state;
	l = config_listeners(c, &count);
	assert_int_equal(count, 3);
	assert_string_equal(l[0].name, "A");
	assert_string_equal(l[0].host, "::1");
	assert_string_equal(l[1].host, "");
	assert_int_equal(l[1].protocol, SECURITY_SASL_SSL);
	assert_int_equal(l[2].protocol, SECURITY_SSL);
	assert_string_equal(config_advertised(c, &count)[1].host, "y");
	assert_string_equal(config_advertised_controller(c, "C")->host, "z");
	assert_string_equal(config_listener_text(c, "B", "ssl.keystore.location"), "/k");
	assert_string_equal(config_listener_text(c, "A", "ssl.keystore.location"), "/j");
	config_unref(c);
}

static void unknown_names(void **state)
{
	struct config *c = load(SERVER "log.retention.hour=1\nsuper.users=User:a\nssl.provider=x\n"
				       "remote.log.storage.manager.class.path=y\n",
				NULL);

	(void)state;
	assert_non_null(strstr(warnings, ":6: unknown config 'log.retention.hour' (did you mean "
					 "'log.retention.hours'?)"));
	assert_null(strstr(warnings, "super.users"));
	assert_non_null(
		strstr(warnings, "without effect in kavka: ssl.provider, remote.log.storage"));
	assert_string_equal(config_text(c, "super.users"), "User:a");
	config_unref(c);
}

#define E(n, v) \
	{ \
		STR_LIT(n), STR_LIT(v) \
	}

static void topics(void **state)
{
	struct config *c = load(SERVER "log.retention.minutes=2\nmin.insync.replicas=2\n", NULL);
	const struct config_entry overrides[] = {
		E("cleanup.policy", "compact"),
		E("segment.bytes", "1048576"),
		E("max.message.bytes", "junk"),
		E("compression.type", "zstd"),
	};
	const struct config_entry tiered[] = {E("remote.storage.enable", "true")};
	const struct config_entry lags[] = {
		E("min.compaction.lag.ms", "5"),
		E("max.compaction.lag.ms", "4"),
	};
	struct topic_config t;
	struct err err = {0};

	(void)state;
	config_topic(c, overrides, 4, &t);
	assert_true(t.cleanup_compact && !t.cleanup_delete);
	assert_int_equal(t.segment_bytes, 1048576);
	assert_int_equal(t.max_message_bytes, 1048588);
	assert_int_equal(t.retention_ms, 120000);
	assert_int_equal(t.min_insync_replicas, 2);
	assert_int_equal(t.compression, CONFIG_COMPRESSION_ZSTD);
	assert_int_equal(t.flush_ms, INT64_MAX);
	assert_int_equal(config_check_topic(c, overrides, 4, &err), E_INVALID);
	assert_int_equal(config_check_topic(c, overrides, 2, &err), 0);
	assert_int_equal(config_check_topic(c, lags, 2, &err), E_INVALID);
	assert_int_equal(config_check(CONFIG_RESOURCE_TOPIC, STR_LIT("nope"), STR_LIT(""), &err),
			 E_NOT_FOUND);
	assert_string_equal(err.text, "Unknown topic config name: nope");
	assert_int_equal(config_check(CONFIG_RESOURCE_TOPIC,
				      STR_LIT("leader.replication.throttled.replicas"),
				      STR_LIT("0:1,1:x"), &err),
			 E_INVALID);
	assert_non_null(strstr(err.text, "Invalid value [0:1, 1:x] for"));
	assert_int_equal(config_check_topic(c, tiered, 1, &err), E_INVALID);
	assert_int_equal(
		config_check(CONFIG_RESOURCE_TOPIC, STR_LIT("cleanup.policy"), STR_LIT(""), &err),
		0);
	config_unref(c);
}

static const struct config_description *find(const struct config_description *all, size_t n,
					     const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_is(all[i].name, name))
			return &all[i];
	fail_msg("%s is not described", name);
	return NULL;
}

static void describe(void **state)
{
	struct config *base =
		load(SERVER "log.retention.minutes=2\nssl.key.password=secret\n", NULL);
	const struct config_entry cluster[] = {E("log.segment.bytes", "2097152"), E("x", "y"),
					       E("num.io.threads", "none"), E("node.id", "9")};
	const struct config_entry broker[] = {E("log.segment.bytes", "4194304")};
	struct config *c = config_with_dynamic(base, broker, 1, cluster, 4);
	const struct config_entry overrides[] = {E("retention.ms", "9")};
	struct config_description *all;
	const struct config_description *d;
	struct arena arena;
	size_t n;

	(void)state;
	arena_init(&arena);
	assert_int_equal(config_i64(base, CONFIG_LOG_SEGMENT_BYTES), 1073741824);
	assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 4194304);
	assert_int_equal(config_i64(c, CONFIG_NUM_IO_THREADS), 8);
	assert_int_equal(config_node_id(c), 7);
	n = config_describe(c, &arena, CONFIG_RESOURCE_BROKER, NULL, 0, &all);
	d = find(all, n, "log.segment.bytes");
	assert_int_equal(d->synonym_count, 3);
	assert_int_equal(d->source, CONFIG_SOURCE_DYNAMIC_BROKER);
	assert_false(d->read_only);
	assert_true(find(all, n, "node.id")->read_only);
	assert_true(str_is_null(find(all, n, "ssl.key.password")->value));
	assert_true(find(all, n, "x")->is_sensitive);
	n = config_describe(c, &arena, CONFIG_RESOURCE_TOPIC, overrides, 1, &all);
	assert_int_equal(n, TOPIC_CONFIG_COUNT - 1);
	d = find(all, n, "retention.ms");
	assert_true(str_is(d->value, "9"));
	assert_int_equal(d->source, CONFIG_SOURCE_TOPIC);
	/* Those of log.retention.ms, which is not set. */
	assert_int_equal(d->synonym_count, 1);
	d = find(all, n, "segment.bytes");
	assert_int_equal(d->synonym_count, 3);
	assert_true(str_is(d->synonyms[1].name, "log.segment.bytes"));
	assert_int_equal(find(all, n, "segment.bytes")->source, CONFIG_SOURCE_DYNAMIC_BROKER);
	assert_int_equal(find(all, n, "preallocate")->source, CONFIG_SOURCE_DEFAULT);
	n = config_describe(c, &arena, CONFIG_RESOURCE_GROUP, NULL, 0, &all);
	assert_int_equal(n, GROUP_CONFIG_COUNT);
	arena_fini(&arena);
	config_unref(c);
	config_unref(base);
}

static void lists(void **state)
{
	struct arena arena;
	struct str out;
	struct err err = {0};

	(void)state;
	arena_init(&arena);
	assert_int_equal(config_list_append(&arena, CONFIG_RESOURCE_TOPIC,
					    STR_LIT("cleanup.policy"), STR_NULL,
					    STR_LIT("compact, delete"), &out, &err),
			 0);
	assert_true(str_is(out, "delete,compact"));
	assert_int_equal(config_list_subtract(&arena, CONFIG_RESOURCE_TOPIC,
					      STR_LIT("cleanup.policy"), out, STR_LIT("delete"),
					      &out, &err),
			 0);
	assert_true(str_is(out, "compact"));
	assert_int_equal(config_list_append(&arena, CONFIG_RESOURCE_TOPIC, STR_LIT("segment.bytes"),
					    STR_NULL, STR_LIT("1"), &out, &err),
			 E_INVALID);
	arena_fini(&arena);
}

static void dynamic_checks(void **state)
{
	struct config *c = load(SERVER, NULL);
	const struct config_entry fixed[] = {E("node.id", "2")};
	const struct config_entry pool[] = {E("num.io.threads", "17")};
	const struct config_entry fine[] = {E("num.io.threads", "16"), E("log.retention.ms", "9")};
	const struct config_entry per_broker[] = {E("listeners", "PLAINTEXT://h:1")};
	struct err err = {0};

	(void)state;
	assert_int_equal(config_check_dynamic(c, fixed, 1, false, &err), E_INVALID);
	assert_string_equal(err.text, "Cannot update these configs dynamically: [node.id]");
	assert_int_equal(config_check_dynamic(c, pool, 1, false, &err), E_INVALID);
	assert_int_equal(config_check_dynamic(c, fine, 2, true, &err), 0);
	assert_int_equal(config_check_dynamic(c, per_broker, 1, true, &err), E_INVALID);
	config_unref(c);
}

/* Every row is usable: unique, described, its default valid. */
static void table(void **state)
{
	static const enum config_resource resources[] = {
		CONFIG_RESOURCE_BROKER, CONFIG_RESOURCE_TOPIC, CONFIG_RESOURCE_GROUP,
		CONFIG_RESOURCE_CLIENT_METRICS};

	(void)state;
	for (size_t r = 0; r < ARRAY_LEN(resources); r++) {
		size_t count;
		const struct config_def *defs = config_defs(resources[r], &count);

		for (size_t i = 0; i < count; i++) {
			struct err err = {0};

			assert_ptr_equal(config_def_find(resources[r], str_of(defs[i].name)),
					 &defs[i]);
			assert_true(strlen(defs[i].doc) > 10);
			if (defs[i].default_text && *defs[i].default_text &&
			    config_check(resources[r], str_of(defs[i].name),
					 str_of(defs[i].default_text), &err) < 0)
				fail_msg("%s", err.text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(no_file),
		cmocka_unit_test(no_file_with_listeners),
		cmocka_unit_test(file_and_overrides),
		cmocka_unit_test(families),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(bad_listeners),
		cmocka_unit_test(listener_forms),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(topics),
		cmocka_unit_test(describe),
		cmocka_unit_test(lists),
		cmocka_unit_test(dynamic_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
