/* A world for one control plane: a shard without threads, a clock that moves when told, the disk of
 * the machine with faults on request. */
#ifndef KAVKA_TESTS_UNIT_BROKER_CONTROLLER_WORLD_H
#define KAVKA_TESTS_UNIT_BROKER_CONTROLLER_WORLD_H

#include "base/mem.h"
#include "config/config.h"
#include "controller/control.h"
#include "log/log_dir.h"
#include "metadata/storage_format.h"
#include "unit/broker/no_channels.h"
#include "wire/codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	struct env env;
	struct shard shard;
	struct shard *shards[1];
	struct broker broker;
	char dir[64];
	struct config *config;
	struct log_dir *log_dir;
	struct control *control;
	struct arena arena;
	const struct image *image;
	const char *cluster_id;

	struct task *first, **last; /* posted */
	struct heap timers;
	struct env_work *works[64];
	unsigned work_count;
	int64_t now_us;
	int64_t previous_broker_epoch;

	long writes_left; /* changes of the disk until it is gone; -1: never */
	bool caught_up, ready, stopped, fatal;
	unsigned image_count;
};

static struct world *the_world;

/* ---- The shard ------------------------------------------------------------------------------- */

void shard_post(struct shard *to, struct task *task)
{
	assert_ptr_equal(to, &the_world->shard);
	task->next = NULL;
	*the_world->last = task;
	the_world->last = &task->next;
}

void shard_timer_start(struct shard *s, struct timer *timer, int64_t delay_ms)
{
	assert_ptr_equal(s, &the_world->shard);
	heap_remove(&the_world->timers, &timer->node);
	heap_push(&the_world->timers, &timer->node, the_world->now_us + delay_ms * 1000);
}

void shard_timer_stop(struct shard *s UNUSED, struct timer *timer)
{
	heap_remove(&the_world->timers, &timer->node);
}

/* Runs everything that is posted and every work; false if there was nothing. */
static bool world_turn(struct world *w)
{
	struct task *task = w->first;
	bool any = task || w->work_count;

	w->first = NULL;
	w->last = &w->first;
	while (task) {
		struct task *next = task->next;

		task->run(task, &w->shard);
		task = next;
	}
	if (w->work_count) {
		struct env_work *work = w->works[0];

		memmove(w->works, w->works + 1, --w->work_count * sizeof(work));
		work->run(work);
		work->done(work);
	}
	return any;
}

/* Until `*flag`, at most an hour of the world's time. */
static void world_run_until(struct world *w, const bool *flag)
{
	int64_t end_us = w->now_us + 3600 * INT64_C(1000000);

	while (!*flag && w->now_us < end_us) {
		struct heap_node *top;

		if (world_turn(w))
			continue;
		top = heap_top(&w->timers);
		if (!top)
			break;
		w->now_us = MAX(w->now_us, top->when);
		heap_remove(&w->timers, top);
		struct timer *timer = CONTAINER_OF(top, struct timer, node);

		timer->fire(timer, &w->shard);
	}
}

static void UNUSED world_run_for(struct world *w, int64_t ms)
{
	int64_t end_us = w->now_us + ms * 1000;

	for (;;) {
		struct heap_node *top;

		if (world_turn(w))
			continue;
		top = heap_top(&w->timers);
		if (!top || top->when > end_us)
			break;
		w->now_us = MAX(w->now_us, top->when);
		heap_remove(&w->timers, top);
		struct timer *timer = CONTAINER_OF(top, struct timer, node);

		timer->fire(timer, &w->shard);
	}
	w->now_us = end_us;
}

/* ---- The disk -------------------------------------------------------------------------------- */

static bool disk_is_gone(void)
{
	if (the_world->writes_left < 0)
		return false;
	if (the_world->writes_left == 0)
		return true;
	the_world->writes_left--;
	return false;
}

static int64_t world_mono_us(struct env *env UNUSED)
{
	return the_world->now_us;
}
static void world_work(struct env *env UNUSED, struct env_work *work)
{
	assert_true(the_world->work_count < ARRAY_LEN(the_world->works));
	the_world->works[the_world->work_count++] = work;
}
/* The write that dies leaves half of itself behind. */
static ssize_t world_pwrite(struct env *env, int fd, const void *data, size_t len, int64_t pos)
{
	if (!disk_is_gone())
		return env_posix_ops.pwrite(env, fd, data, len, pos);
	if (the_world->writes_left == 0 && len > 1)
		(void)env_posix_ops.pwrite(env, fd, data, len / 2, pos);
	return -EIO;
}
static int world_open(struct env *env, const char *path, unsigned flags)
{
	if ((flags & (ENV_CREATE | ENV_TRUNCATE)) && disk_is_gone())
		return -EIO;
	return env_posix_ops.open(env, path, flags);
}
static int world_truncate(struct env *env, int fd, int64_t size)
{
	return disk_is_gone() ? -EIO : env_posix_ops.truncate(env, fd, size);
}
static int world_fsync(struct env *env, int fd UNUSED)
{
	(void)env;
	return disk_is_gone() ? -EIO : 0;
}
static int world_fsync_dir(struct env *env UNUSED, const char *path UNUSED)
{
	return disk_is_gone() ? -EIO : 0;
}
static int world_rename(struct env *env, const char *from, const char *to)
{
	return disk_is_gone() ? -EIO : env_posix_ops.rename(env, from, to);
}
static int world_unlink(struct env *env, const char *path)
{
	return disk_is_gone() ? -EIO : env_posix_ops.unlink(env, path);
}
static int world_mkdir(struct env *env, const char *path)
{
	return disk_is_gone() ? -EIO : env_posix_ops.mkdir(env, path);
}

static struct env_ops world_ops;

/* ---- Callbacks ------------------------------------------------------------------------------- */

static void world_on_image(void *ctx, const struct image *image)
{
	struct world *w = ctx;

	assert_true(!w->image || image_offset(image) > image_offset(w->image));
	image_unref(w->image);
	w->image = image;
	w->image_count++;
}
static void world_on_caught_up(void *ctx)
{
	((struct world *)ctx)->caught_up = true;
}
static void world_on_ready(void *ctx)
{
	((struct world *)ctx)->ready = true;
}
static void world_on_fatal(void *ctx, const struct err *err UNUSED)
{
	((struct world *)ctx)->fatal = true;
}
static void world_on_stopped(void *ctx)
{
	((struct world *)ctx)->stopped = true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* `dir` NULL: a new one. `overrides` end with NULL. */
static void world_init(struct world *w, const char *dir, const char *const *overrides)
{
	const char *all[16];
	struct config_load_options options = {.overrides = all};
	char log_dirs[128];
	struct err err = {0};

	memset(w, 0, sizeof(*w));
	the_world = w;
	world_ops = env_posix_ops;
	world_ops.mono_us = world_mono_us;
	world_ops.work = world_work;
	world_ops.pwrite = world_pwrite;
	world_ops.open = world_open;
	world_ops.truncate = world_truncate;
	world_ops.fsync = world_fsync;
	world_ops.fsync_dir = world_fsync_dir;
	world_ops.rename = world_rename;
	world_ops.unlink = world_unlink;
	world_ops.mkdir = world_mkdir;
	env_posix_init(&w->env);
	w->env.ops = &world_ops;
	w->last = &w->first;
	heap_init(&w->timers);
	arena_init(&w->arena);
	w->writes_left = -1;
	w->now_us = 1000000;
	w->previous_broker_epoch = -1;
	if (dir) {
		snprintf(w->dir, sizeof(w->dir), "%s", dir);
	} else {
		snprintf(w->dir, sizeof(w->dir), "/tmp/kavka-test-XXXXXX");
		assert_non_null(mkdtemp(w->dir));
	}
	snprintf(log_dirs, sizeof(log_dirs), "log.dirs=%s", w->dir);
	all[options.override_count++] = log_dirs;
	for (; overrides && *overrides; overrides++)
		all[options.override_count++] = *overrides;
	if (config_load(&w->config, &options, &err) < 0)
		fail_msg("%s", err.text);
	w->shards[0] = &w->shard;
	w->broker = (struct broker){.shards = w->shards, .shard_count = 1, .node_id = 1};
	w->shard = (struct shard){.broker = &w->broker, .env = &w->env, .config = w->config};
}

/* Directory, format, control. */
static int world_start(struct world *w, struct err *err)
{
	struct image_endpoint endpoint = {STR_LIT("PLAINTEXT"), STR_LIT("localhost"), 9092, 0};
	struct control_options options = {
		.shard = &w->shard,
		.env = &w->env,
		.config = w->config,
		.node_id = 1,
		.is_controller = true,
		.is_broker = true,
		.metadata_dir = w->dir,
		.endpoints = &endpoint,
		.endpoint_count = 1,
		.log_dir_count = 1,
		.previous_broker_epoch = w->previous_broker_epoch,
		.controller_endpoint = {STR_LIT("CONTROLLER"), STR_LIT("localhost"), 9093, 0},
		.ctx = w,
		.on_image = world_on_image,
		.on_caught_up = world_on_caught_up,
		.on_ready = world_on_ready,
		.on_fatal = world_on_fatal,
		.on_stopped = world_on_stopped,
	};
	struct storage_ensure_options ensure = {
		.config = w->config, .dirs = &w->log_dir, .dir_count = 1};
	int rc = log_dir_open(&w->log_dir, &w->env, w->dir, err);

	if (rc == 0)
		rc = storage_ensure(&w->env, &ensure, &w->cluster_id, &w->arena, err);
	if (rc == 0)
		rc = log_dir_load(w->log_dir, err);
	if (rc < 0)
		return rc;
	options.cluster_id = str_of(w->cluster_id);
	options.metadata_dir_id = w->log_dir->meta.directory_id;
	options.log_dirs = &w->log_dir->meta.directory_id;
	rc = control_start(&w->control, &options, err);
	w->shard.control = w->control;
	return rc;
}

/* Until clients would be let in. */
static void world_ready(struct world *w)
{
	struct err err = {0};

	if (world_start(w, &err) < 0)
		fail_msg("%s", err.text);
	world_run_until(w, &w->caught_up);
	assert_true(w->caught_up);
	control_unfence(w->control);
	world_run_until(w, &w->ready);
	assert_true(w->ready);
}

/* Ends as a crash does: nothing more reaches the disk. */
static void world_fini(struct world *w)
{
	control_close(w->control);
	w->control = NULL;
	w->shard.control = NULL;
	while (world_turn(w))
		;
	heap_fini(&w->timers);
	image_unref(w->image);
	w->image = NULL;
	log_dir_close(w->log_dir);
	config_unref(w->config);
	arena_fini(&w->arena);
}

static void UNUSED world_crash(struct world *w)
{
	w->writes_left = 0;
	world_fini(w);
}

static void UNUSED world_stop(struct world *w)
{
	control_stop(w->control, 30000);
	world_run_until(w, &w->stopped);
	assert_true(w->stopped);
}

static void world_remove(struct world *w)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	assert_int_equal(system(command), 0);
}

/* ---- Operations ------------------------------------------------------------------------------ */

struct call {
	struct control_op op;
	bool done;
};

static void call_done(struct control_op *op)
{
	CONTAINER_OF(op, struct call, op)->done = true;
}

static void call_begin(struct world *w, struct call *call, enum control_op_kind kind,
		       int16_t version, const void *request, void *response)
{
	*call = (struct call){.op = {.kind = kind,
				     .version = version,
				     .request = request,
				     .response = response,
				     .arena = &w->arena,
				     .done = call_done}};
	control_submit(&w->shard, &call->op);
}

static void UNUSED call_run(struct world *w, struct call *call, enum control_op_kind kind,
			    int16_t version, const void *request, void *response)
{
	call_begin(w, call, kind, version, request, response);
	world_run_until(w, &call->done);
	assert_true(call->done);
}

static struct create_topics_response *UNUSED create_topic(struct world *w, const char *name,
							  int32_t partitions, int16_t factor)
{
	struct create_topics_request *r = WIRE_NEW(&w->arena, create_topics_request);
	struct create_topics_response *response = WIRE_NEW(&w->arena, create_topics_response);
	struct call call;

	r->topics = WIRE_ARRAY(&w->arena, create_topics_request_creatable_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = str_of(name);
	r->topics[0].num_partitions = partitions;
	r->topics[0].replication_factor = factor;
	call_run(w, &call, CONTROL_CREATE_TOPICS, 7, r, response);
	assert_int_equal(response->topics_count, 1);
	return response;
}

#endif
