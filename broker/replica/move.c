/* Moving a replica to another log directory of this node: a future log there is filled from the
 * current one, a piece per tick, and takes its place when it has everything.
 *
 * The order at the end is: close the gap, have the controller write down the new directory, close
 * the gap again, give the future directory its plain name, discard the old one. So the metadata
 * never names a directory from which the replica could be missing when its disk fails. A crash
 * before the new name leaves a -future directory: a start discards it, and tells the controller of
 * the old one; where that is gone with its disk, what the controller was told of is the replica. A
 * crash after it leaves two equal directories: a start keeps the one that the metadata names.
 * Source: ReplicaAlterLogDirsThread.scala, LogManager.recoverAbandonedFutureLogs */
#include "base/err.h"
#include "base/mem.h"
#include "base/say.h"
#include "metadata/features.h"
#include "replica/replica_int.h"

#include <stdio.h>

#define MOVE_STEP_BYTES (1024 * 1024)
#define MOVE_AHEAD_BYTES (4 * 1024 * 1024)
/* How often to look for what was appended while the controller is asked. */
#define MOVE_ASKED_MS 10

static int move_open_future(struct partition *p, unsigned dir, struct err *err)
{
	struct replica_set *set = p->set;
	struct log_options options = LOG_OPTIONS_DEFAULT;
	struct log_config config;
	uint8_t random[16];
	char hex[33];
	char *path;
	int rc;

	set->options.env->ops->random(set->options.env, random, sizeof(random));
	for (unsigned i = 0; i < sizeof(random); i++)
		snprintf(hex + 2 * i, 3, "%02x", random[i]);
	path = xasprintf("%s/%.*s-%d.%s-future", set->dirs[dir].log_dir->path, STR(p->topic),
			 p->index, hex);
	partition_log_config(p, &config);
	options.topic_id = p->topic_id;
	options.failed = replica_set_log_failed;
	options.ctx = p;
	rc = log_open(&p->future, set->pool, path, &config, &options, err);
	free(path);
	if (rc < 0)
		return rc;
	p->future_dir = dir;
	p->future_warmer = log_warmer_new(MOVE_AHEAD_BYTES, NULL, NULL);
	return log_truncate_fully(p->future, log_start_offset(p->log), err);
}

static void move_forget_future(struct partition *p)
{
	p->future = NULL;
	log_warmer_free(p->future_warmer);
	p->future_warmer = NULL;
}

void partition_cancel_move(struct partition *p)
{
	struct replica_set *set = p->set;
	struct log *future = p->future;
	struct err err = {0};

	if (!future)
		return;
	move_forget_future(p);
	if (log_delete(future, &err) < 0)
		say_warn("%.*s-%d: %s", STR(p->topic), p->index, err_message(&err));
	if (!p->is_move_asked)
		return;
	p->is_move_asked = false;
	set->options.dir_chosen(set->options.ctx, p);
}

void partition_leave_move(struct partition *p)
{
	struct log *future = p->future;
	struct err err = {0};

	if (!p->is_move_asked) {
		partition_cancel_move(p);
		return;
	}
	p->is_move_asked = false;
	move_forget_future(p);
	if (log_close(future, &err) < 0)
		say_warn("%.*s-%d: %s", STR(p->topic), p->index, err_message(&err));
}

struct uuid partition_wanted_dir(const struct partition *p)
{
	return replica_set_dir_id(p->set, p->is_move_asked ? p->future_dir : p->dir);
}

/* Whether the metadata names the new directory, or none at all, as before metadata.version 3.7. */
static bool move_is_granted(const struct partition *p)
{
	const struct replica_set *set = p->set;

	return !set->options.dir_chosen || !set->image ||
	       !metadata_has_directories(image_metadata_version(set->image)) ||
	       uuid_eq(p->assigned_dir, replica_set_dir_id(set, p->future_dir));
}

/* Whether the future log may take its place now; else the controller is asked. */
static bool move_ask(struct partition *p)
{
	struct replica_set *set = p->set;

	if (move_is_granted(p))
		return true;
	if (!p->is_move_asked) {
		p->is_move_asked = true;
		set->options.dir_chosen(set->options.ctx, p);
	}
	return false;
}

enum kafka_error partition_move(struct partition *p, unsigned dir)
{
	struct replica_set *set = p->set;
	struct err err = {0};
	enum kafka_error error = KERR_NONE;
	int rc;

	assert(dir < set->dir_count);
	if (set->dirs[dir].is_offline || !p->log)
		return KERR_KAFKA_STORAGE_ERROR;
	replica_set_enter(set);
	if (p->future && p->future_dir != dir)
		partition_cancel_move(p);
	if (dir != p->dir && !p->future) {
		rc = move_open_future(p, dir, &err);
		if (rc < 0) {
			error = partition_log_error(p, rc, &err);
			partition_cancel_move(p);
		}
	}
	p->tick_at_ms = 0;
	replica_set_leave(set);
	return error;
}

/* Both logs are equal: the future one becomes the log. */
static int move_swap(struct partition *p, struct err *err)
{
	struct replica_set *set = p->set;
	struct log *old = p->log;
	char name[LOG_DIR_NAME_MAX];
	int rc;

	if (log_latest_epoch(p->future) < log_latest_epoch(old)) {
		rc = log_assign_epoch(p->future, log_latest_epoch(old), log_end_offset(old), err);
		if (rc < 0)
			return rc;
	}
	rc = log_follow_start(p->future, log_start_offset(old), err);
	if (rc == 0)
		rc = log_flush(p->future, err);
	snprintf(name, sizeof(name), "%.*s-%d", STR(p->topic), p->index);
	if (rc == 0)
		rc = log_rename(p->future, name, err);
	if (rc < 0)
		return rc;
	(void)log_set_high_watermark(p->future, log_high_watermark(old));
	if (set->cleaner)
		cleaner_forget(set->cleaner, old);
	p->log = p->future;
	move_forget_future(p);
	set->dirs[p->dir].partition_count--;
	p->dir = p->future_dir;
	set->dirs[p->dir].partition_count++;
	p->is_move_asked = false;
	say_info("%.*s-%d: moved to %s", STR(p->topic), p->index, set->dirs[p->dir].log_dir->path);
	/* The partition is whole without it: a directory that stays behind is only a warning. */
	if (log_delete(old, err) < 0)
		say_warn("%.*s-%d: %s", STR(p->topic), p->index, err_message(err));
	return 0;
}

static void move_pay(struct replica_set *set, size_t bytes)
{
	throttle_pay(&set->throttles->move, (int64_t)bytes,
		     config_i64(set->config, CONFIG_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND),
		     env_mono_us(set->options.env));
}

static int move_copy(struct partition *p, struct err *err)
{
	struct log_append_info info;
	struct slice records;
	int rc;

	/* Retention may have passed us by. */
	if (log_end_offset(p->future) < log_start_offset(p->log)) {
		rc = log_truncate_fully(p->future, log_start_offset(p->log), err);
		if (rc < 0)
			return rc;
	}
	log_warmer_try(p->future_warmer, p->set->pool);
	rc = log_read_copy(p->log, log_end_offset(p->future), MOVE_STEP_BYTES,
			   log_end_offset(p->log), &records, err);
	rc = log_warmer_tried(p->future_warmer, p->set->pool, rc);
	if (rc == E_COLD)
		return 0; /* at a later tick */
	if (rc < 0)
		return rc;
	if (!records.data)
		return err_set(err, E_CORRUPT, "nothing to copy at offset %lld",
			       (long long)log_end_offset(p->future));
	rc = log_append_follower(p->future, (uint8_t *)(uintptr_t)records.data, records.len,
				 INT32_MAX, &info, err);
	if (rc == 0)
		move_pay(p->set, records.len);
	slice_unref(&records);
	return rc;
}

static int64_t move_wait_ms(const struct partition *p)
{
	const struct replica_set *set = p->set;
	int64_t paid_ms =
		throttle_wait_us(&set->throttles->move, env_mono_us(set->options.env)) / 1000 + 1;

	return p->is_move_asked ? MAX(paid_ms, MOVE_ASKED_MS) : paid_ms;
}

int64_t partition_move_step(struct partition *p)
{
	struct replica_set *set = p->set;
	struct err err = {0};
	int rc = 0;

	if (!p->future)
		return -1;
	if (!p->log || set->dirs[p->future_dir].is_offline) {
		partition_cancel_move(p);
		return -1;
	}
	if (log_warmer_is_busy(p->future_warmer) ||
	    throttle_wait_us(&set->throttles->move, env_mono_us(set->options.env)) > 0)
		return move_wait_ms(p);
	if (log_end_offset(p->future) < log_end_offset(p->log))
		rc = move_copy(p, &err);
	/* Nothing is appended between the last piece and the swap. */
	if (rc == 0 && log_end_offset(p->future) == log_end_offset(p->log) && move_ask(p))
		rc = move_swap(p, &err);
	if (rc < 0) {
		(void)partition_log_error(p, rc, &err);
		partition_cancel_move(p);
	}
	return p->future ? move_wait_ms(p) : -1;
}
