/* A node for tests of replicas and of what stands on them: temporary log directories, a clock of
 * its own, disks that can be told to fail, metadata made of records. Include after cmocka.h. */
#ifndef KAVKA_TESTS_UNIT_REPLICA_WORLD_H
#define KAVKA_TESTS_UNIT_REPLICA_WORLD_H

#include "base/env.h"
#include "base/mem.h"
#include "metadata/delta.h"
#include "replica/replica.h"
#include "shard/channel.h"
#include "wire/batch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the server gives to followers. Tests that have some of it say so before this file. */
#ifndef WORLD_HAS_CHANNELS
#include "unit/broker/no_channels.h"
#endif
#ifndef WORLD_HAS_SHARDS
void shard_timer_start(struct shard *on UNUSED, struct timer *timer UNUSED, int64_t ms UNUSED)
{
}
void shard_timer_stop(struct shard *on UNUSED, struct timer *timer UNUSED)
{
}
#endif

#define WORLD_NODE 1
#define WORLD_DIRS_MAX 2

struct world {
	char root[64];
	char paths[WORLD_DIRS_MAX][80];
	unsigned dir_count;
	struct env env;
	struct config *config;
	struct log_dir *dirs[WORLD_DIRS_MAX];
	struct replica_set *set;
	struct shard *shard; /* for followers; NULL: they do not fetch */
	struct image_delta delta;
	const struct image *image;
	int64_t offset; /* of the last metadata record */
	struct arena arena;
	/* what the set said */
	unsigned dir_failed_count, proposed_count, dir_chosen_count, cleaned_count;
	unsigned dir_failed;
};

/* The test's disks and clock: one at a time. */
static int64_t world_now_ms UNUSED;
static const char *world_broken UNUSED; /* writes below this path fail */
static int world_broken_errno UNUSED;
static char world_fd_paths[1024][160] UNUSED;
static struct env_ops world_ops UNUSED;

static int64_t world_wall_ms(struct env *env UNUSED)
{
	return 1700000000000 + world_now_ms;
}

static int64_t world_mono_us(struct env *env UNUSED)
{
	return (1000000 + world_now_ms) * 1000;
}

static int world_open(struct env *env, const char *path, unsigned flags)
{
	int fd = env_posix_ops.open(env, path, flags);

	if (fd >= 0 && fd < 1024)
		snprintf(world_fd_paths[fd], sizeof(world_fd_paths[fd]), "%s", path);
	return fd;
}

static bool world_is_broken(int fd)
{
	return world_broken && fd >= 0 && fd < 1024 &&
	       strncmp(world_fd_paths[fd], world_broken, strlen(world_broken)) == 0;
}

static ssize_t world_pwrite(struct env *env, int fd, const void *data, size_t len, int64_t pos)
{
	return world_is_broken(fd) ? -world_broken_errno
				   : env_posix_ops.pwrite(env, fd, data, len, pos);
}

static int world_fsync(struct env *env, int fd)
{
	return world_is_broken(fd) ? -world_broken_errno : env_posix_ops.fsync(env, fd);
}

static int world_unlink_one(const char *path, const struct stat *st UNUSED, int flag UNUSED,
			    struct FTW *ftw UNUSED)
{
	return remove(path);
}

static struct uuid world_id(uint8_t n)
{
	return (struct uuid){{n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, n}};
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static void world_replay(struct world *w, enum metadata_record_type type, const void *record)
{
	struct err err = {0};

	if (delta_replay(&w->delta, type, record, ++w->offset, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void world_topic(struct world *w, const char *name, struct uuid id)
{
	struct topic_record r;

	WIRE_INIT(topic_record, &r);
	r.name = str_of(name);
	r.topic_id = id;
	world_replay(w, TOPIC_RECORD, &r);
}

/* Replicas 1 .. replica_count, all in sync. */
static inline void world_partition(struct world *w, struct uuid id, int32_t index, int32_t leader,
				   int replica_count)
{
	int32_t replicas[] = {1, 2, 3};
	struct uuid dirs[3] = {DIRECTORY_UNASSIGNED, DIRECTORY_UNASSIGNED, DIRECTORY_UNASSIGNED};
	struct partition_record r;

	WIRE_INIT(partition_record, &r);
	r.topic_id = id;
	r.partition_id = index;
	r.replicas = r.isr = replicas;
	r.replicas_count = r.isr_count = replica_count;
	r.leader = leader;
	r.leader_epoch = 0;
	r.partition_epoch = 0;
	r.directories = dirs;
	r.directories_count = replica_count;
	world_replay(w, PARTITION_RECORD, &r);
}

/* Registers a broker, or another life of it. */
static inline void world_broker_in_rack(struct world *w, int32_t id, int64_t epoch, uint16_t port,
					struct str rack)
{
	struct register_broker_record_broker_endpoint endpoint = {STR_LIT("PLAINTEXT"),
								  STR_LIT("localhost"), port, 0};
	struct register_broker_record r;

	WIRE_INIT(register_broker_record, &r);
	r.broker_id = id;
	r.broker_epoch = epoch;
	r.incarnation_id = world_id((uint8_t)(50 + id));
	r.end_points = &endpoint;
	r.end_points_count = 1;
	r.fenced = false;
	r.rack = rack;
	world_replay(w, REGISTER_BROKER_RECORD, &r);
}

static inline void world_broker(struct world *w, int32_t id, int64_t epoch, uint16_t port)
{
	world_broker_in_rack(w, id, epoch, port, STR_NULL);
}

static inline void world_lead(struct world *w, struct uuid id, int32_t index, int32_t leader)
{
	struct partition_change_record r;

	WIRE_INIT(partition_change_record, &r);
	r.topic_id = id;
	r.partition_id = index;
	r.leader = leader;
	world_replay(w, PARTITION_CHANGE_RECORD, &r);
}

static inline void world_isr(struct world *w, struct uuid id, int32_t index, int32_t *isr,
			     int count)
{
	struct partition_change_record r;

	WIRE_INIT(partition_change_record, &r);
	r.topic_id = id;
	r.partition_id = index;
	r.isr = isr;
	r.isr_count = count;
	world_replay(w, PARTITION_CHANGE_RECORD, &r);
}

/* The controller writes down where this node's replica, which is the only one, is. */
static inline void world_assign(struct world *w, struct uuid id, int32_t index, unsigned dir)
{
	struct uuid dir_id = world_id((uint8_t)(200 + dir));
	struct partition_change_record r;

	WIRE_INIT(partition_change_record, &r);
	r.topic_id = id;
	r.partition_id = index;
	r.directories = &dir_id;
	r.directories_count = 1;
	world_replay(w, PARTITION_CHANGE_RECORD, &r);
}

static inline void world_metadata_version(struct world *w, int16_t level)
{
	struct feature_level_record r;

	WIRE_INIT(feature_level_record, &r);
	r.name = STR_LIT("metadata.version");
	r.feature_level = level;
	world_replay(w, FEATURE_LEVEL_RECORD, &r);
}

static inline void world_remove_topic(struct world *w, struct uuid id)
{
	struct remove_topic_record r;

	WIRE_INIT(remove_topic_record, &r);
	r.topic_id = id;
	world_replay(w, REMOVE_TOPIC_RECORD, &r);
}

static inline void world_topic_config(struct world *w, const char *topic, const char *name,
				      const char *value)
{
	struct config_record r;

	WIRE_INIT(config_record, &r);
	r.resource_type = CONFIG_RESOURCE_TOPIC;
	r.resource_name = str_of(topic);
	r.name = str_of(name);
	r.value = str_of(value);
	world_replay(w, CONFIG_RECORD, &r);
}

/* Makes an image of what was replayed and applies it. */
static inline void world_apply(struct world *w)
{
	const struct image *next = delta_publish(&w->delta, w->offset, 1, 0);

	replica_set_apply(w->set, w->image, next);
	image_unref(w->image);
	w->image = next;
}

/* ---- The node -------------------------------------------------------------------------------- */

static bool world_owns(void *ctx UNUSED, struct uuid id UNUSED, int32_t partition UNUSED)
{
	return true;
}

static void world_dir_failed(void *ctx, unsigned dir, int rc UNUSED, const char *text UNUSED)
{
	struct world *w = ctx;

	w->dir_failed_count++;
	w->dir_failed = dir;
}

static void world_propose(void *ctx, struct partition *p UNUSED)
{
	((struct world *)ctx)->proposed_count++;
}

static void world_cleaned(void *ctx)
{
	((struct world *)ctx)->cleaned_count++;
}

static void world_dir_chosen(void *ctx, struct partition *p UNUSED)
{
	((struct world *)ctx)->dir_chosen_count++;
}

/* Starts the node: opens the directories and applies the metadata there is. */
static inline void world_start(struct world *w)
{
	struct replica_options options = {
		.env = &w->env,
		.node_id = WORLD_NODE,
		.dirs = w->dirs,
		.dir_count = w->dir_count,
		.config = w->config,
		.sweeps_dirs = true,
		.ctx = w,
		.owns = world_owns,
		.dir_failed = world_dir_failed,
		.propose_isr = world_propose,
		.dir_chosen = world_dir_chosen,
		.cleaned = world_cleaned,
		.shard = w->shard,
	};
	struct err err = {0};

	for (unsigned i = 0; i < w->dir_count; i++) {
		if (log_dir_open(&w->dirs[i], &w->env, w->paths[i], &err) < 0 ||
		    log_dir_load(w->dirs[i], &err) < 0)
			fail_msg("%s", err.text);
		if (!w->dirs[i]->meta.exists &&
		    log_dir_write_meta(w->dirs[i], "cluster", WORLD_NODE,
				       world_id((uint8_t)(200 + i)), &err) < 0)
			fail_msg("%s", err.text);
	}
	w->set = replica_set_new(&options);
	w->image = NULL;
	world_apply(w);
}

struct world_lines {
	struct checkpoint_entry entries[3][64];
	size_t count[3];
	unsigned dir;
	struct arena *arena;
};

static inline void world_line(void *ctx, const struct replica_report *r)
{
	struct world_lines *lines = ctx;
	struct str topic = str_dup(lines->arena, r->topic);

	if (r->dir != lines->dir)
		return;
	lines->entries[0][lines->count[0]++] =
		(struct checkpoint_entry){topic, r->index, r->recovery_point};
	lines->entries[1][lines->count[1]++] =
		(struct checkpoint_entry){topic, r->index, r->high_watermark};
	if (r->has_log_start)
		lines->entries[2][lines->count[2]++] =
			(struct checkpoint_entry){topic, r->index, r->log_start_offset};
}

/* Stops it; `clean` false: as a crash does, but for what the kernel has. */
static inline void world_stop(struct world *w, bool clean)
{
	bool ok[WORLD_DIRS_MAX];
	struct err err;

	if (clean)
		assert_int_equal(replica_set_close(w->set, ok), 0);
	for (unsigned i = 0; clean && i < w->dir_count; i++) {
		static struct world_lines lines;

		lines = (struct world_lines){.dir = i, .arena = &w->arena};
		replica_set_report(w->set, world_line, &lines);
		assert_true(ok[i]);
		assert_int_equal(log_dir_write_checkpoint(w->dirs[i], LOG_DIR_RECOVERY_POINT,
							  lines.entries[0], lines.count[0], &err),
				 0);
		assert_int_equal(log_dir_write_checkpoint(w->dirs[i], LOG_DIR_HIGH_WATERMARK,
							  lines.entries[1], lines.count[1], &err),
				 0);
		assert_int_equal(log_dir_write_checkpoint(w->dirs[i], LOG_DIR_LOG_START,
							  lines.entries[2], lines.count[2], &err),
				 0);
		assert_int_equal(log_dir_mark_clean(w->dirs[i], 5, &err), 0);
	}
	replica_set_free(w->set);
	w->set = NULL;
	image_unref(w->image);
	w->image = NULL;
	for (unsigned i = 0; i < w->dir_count; i++)
		log_dir_close(w->dirs[i]);
}

static inline void world_init(struct world *w, unsigned dir_count, const char *const *overrides,
			      size_t override_count)
{
	struct config_load_options load = {.overrides = overrides,
					   .override_count = override_count};
	const struct image *empty = image_empty();
	struct err err = {0};

	*w = (struct world){.dir_count = dir_count};
	world_now_ms = 0;
	world_broken = NULL;
	snprintf(w->root, sizeof(w->root), "/tmp/kavka-test-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	for (unsigned i = 0; i < dir_count; i++)
		snprintf(w->paths[i], sizeof(w->paths[i]), "%s/d%u", w->root, i);
	env_posix_init(&w->env);
	world_ops = *w->env.ops;
	world_ops.wall_ms = world_wall_ms;
	world_ops.mono_us = world_mono_us;
	world_ops.open = world_open;
	world_ops.pwrite = world_pwrite;
	world_ops.fsync = world_fsync;
	w->env.ops = &world_ops;
	if (config_load(&w->config, &load, &err) < 0)
		fail_msg("%s", err.text);
	delta_init(&w->delta, empty);
	image_unref(empty);
	arena_init(&w->arena);
	world_start(w);
}

static inline void world_fini(struct world *w)
{
	if (w->set)
		world_stop(w, false);
	delta_fini(&w->delta);
	config_unref(w->config);
	arena_fini(&w->arena);
	nftw(w->root, world_unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* A batch of `count` records with values of `value_len` bytes; the caller unrefs it. */
static inline struct slice world_batch(int count, size_t value_len, int64_t timestamp)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct slice out, value = {.data = xcalloc(1, value_len + 1), .len = value_len};

	batch_builder_init(&bb, &options);
	for (int i = 0; i < count; i++) {
		char key[16];
		int len = snprintf(key, sizeof(key), "k%d", i);

		assert_int_equal(batch_builder_add(
					 &bb, timestamp + i,
					 (struct slice){.data = (uint8_t *)key, .len = (size_t)len},
					 value, NULL, 0),
				 0);
	}
	assert_int_equal(batch_builder_finish(&bb, NULL, &out), 0);
	batch_builder_fini(&bb);
	free((void *)(uintptr_t)value.data);
	return out;
}

static inline struct append_result world_append(struct world *w, struct partition *p, int count,
						int16_t acks)
{
	struct slice batch = world_batch(count, 10, 1700000000000);
	struct append_result result;

	partition_append(p, batch, APPEND_CLIENT, acks, &w->arena, &result);
	slice_unref(&batch);
	return result;
}

static inline bool world_has_dir(const struct world *w, unsigned dir, const char *prefix)
{
	struct world_find {
		const char *prefix;
		bool found;
	} find = {prefix, false};
	char command[256];

	snprintf(command, sizeof(command), "ls %s | grep -q '^%s'", w->paths[dir], prefix);
	find.found = system(command) == 0;
	return find.found;
}

/* The state of a test: a world with so many directories. */
static inline int world_setup(void **state, unsigned dir_count)
{
	struct world *w = xcalloc(1, sizeof(*w));

	world_init(w, dir_count, NULL, 0);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	world_fini(w);
	free(w);
	return 0;
}

#endif
