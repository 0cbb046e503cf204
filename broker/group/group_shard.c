/* The coordinator's ground: the shard's clock, timers and partitions behind `struct group_io`, and
 * the loading of partitions as the metadata image says. */
#include "group_int.h"

#include "shard/shard.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/say.h"
#include "config/config.h"
#include "metadata/image.h"

#define SAY_PLACE "broker/group"

struct group_shell {
	struct shard *shard;
	struct group_coordinator *gc;
	struct timer timer;
	int64_t armed_ms;		/* INT64_MAX: not armed */
	struct timer load_timer;	/* the next piece of a load, in a turn of its own */
	struct log_warmer *load_warmer;	/* the disk reads the next piece */
	struct uuid topic_id;		/* of OFFSETS_TOPIC, zero: not there yet */
	size_t load_bytes;
};

static int64_t shell_mono_ms(void *ctx)
{
	struct group_shell *s = ctx;

	return env_mono_us(s->shard->env) / 1000;
}

/* ---- Timers ---- */

/* Runs the shard's timer for the first deadline. Called after whatever may have moved it. */
static void shell_arm(struct group_shell *s)
{
	int64_t deadline_ms = group_core_deadline(s->gc);

	if (deadline_ms == s->armed_ms)
		return;
	s->armed_ms = deadline_ms;
	if (deadline_ms == INT64_MAX)
		shard_timer_stop(s->shard, &s->timer);
	else
		shard_timer_start(s->shard, &s->timer, MAX(deadline_ms - shell_mono_ms(s), 0));
}

static void shell_changed(void *ctx)
{
	shell_arm(ctx);
}

static void shell_tick(struct timer *timer, struct shard *on)
{
	struct group_shell *s = CONTAINER_OF(timer, struct group_shell, timer);

	(void)on;
	s->armed_ms = INT64_MAX;
	group_core_tick(s->gc);
	shell_arm(s);
}

/* ---- The partitions ---- */

static struct partition *shell_partition(struct group_shell *s, int32_t index)
{
	return replica_set_find(s->shard->replicas, s->topic_id, index);
}

static int64_t shell_wall_ms(void *ctx)
{
	struct group_shell *s = ctx;

	return env_wall_ms(s->shard->env);
}

static void shell_random(void *ctx, void *data, size_t len)
{
	struct group_shell *s = ctx;

	s->shard->env->ops->random(s->shard->env, data, len);
}

static enum kafka_error shell_append(void *ctx, int32_t index, struct slice batches,
				     int64_t *required_offset)
{
	struct group_shell *s = ctx;
	struct partition *p = shell_partition(s, index);
	struct append_result result;
	struct arena arena;

	if (!p)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	arena_init(&arena);
	partition_append(p, batches, APPEND_COORDINATOR, -1, &arena, &result);
	if (result.error == KERR_NONE)
		*required_offset = result.last_offset + 1;
	arena_fini(&arena);
	return result.error;
}

static int64_t shell_high_watermark(void *ctx, int32_t index)
{
	struct group_shell *s = ctx;
	struct partition *p = shell_partition(s, index);

	return p ? partition_high_watermark(p) : -1;
}

static void shell_committed(struct commit_waiter *waiter, enum kafka_error error)
{
	struct group_wait *w = CONTAINER_OF(waiter, struct group_wait, waiter);
	struct group_shell *s = w->gp->gc->shell;

	group_wait_done(w, error);
	shell_arm(s);
}

static void shell_wait(void *ctx, struct group_wait *w)
{
	struct group_shell *s = ctx;
	struct partition *p = shell_partition(s, w->gp->index);

	if (!p) {
		group_wait_done(w, KERR_NOT_LEADER_OR_FOLLOWER);
		return;
	}
	w->waiter.done = shell_committed;
	partition_wait_committed(p, &w->waiter, w->required_offset);
}

static void shell_cancel(void *ctx, struct group_wait *w)
{
	(void)ctx;
	commit_waiter_cancel(&w->waiter);
}

/* ---- Settings ---- */

static struct group_settings settings_of(const struct config *c)
{
	struct group_settings settings = {
		.session_timeout_min_ms = config_i32(c, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS),
		.session_timeout_max_ms = config_i32(c, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS),
		.initial_rebalance_delay_ms =
			config_i32(c, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS),
		.group_size_max = config_i32(c, CONFIG_GROUP_MAX_SIZE),
		.offset_metadata_bytes_max = config_i32(c, CONFIG_OFFSET_METADATA_MAX_BYTES),
		.commit_timeout_ms = config_i32(c, CONFIG_OFFSETS_COMMIT_TIMEOUT_MS),
		.offsets_retention_ms = config_i64(c, CONFIG_OFFSETS_RETENTION_MINUTES) * 60 * 1000,
		.retention_check_ms = config_i64(c, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
		.batch_bytes_max = (size_t)config_i64(c, CONFIG_MESSAGE_MAX_BYTES),
		.codec = COMPRESSION_NONE,
	};
	int64_t codec = config_i64(c, CONFIG_OFFSETS_TOPIC_COMPRESSION_CODEC);

	if (codec > COMPRESSION_NONE && codec < COMPRESSION_COUNT)
		settings.codec = (enum compression)codec;
	return settings;
}

/* ---- Loading ---- */

/* Reads and replays one piece. 1: there may be more; 0: the end; or an error. */
static int load_piece(struct group_shell *s, struct group_partition *gp, struct err *err)
{
	struct partition *p = shell_partition(s, gp->index);
	struct read_options options = {
		.offset = gp->load_offset,
		.bytes_max = s->load_bytes,
		.whole_first_batch = true,
		.isolation = READ_LOG_END,
		.leader_epoch = -1,
		.leader_only = true,
		.last_fetched_epoch = -1,
		.cold = log_warmer_place(s->load_warmer),
	};
	struct read_result result;
	struct slice records = SLICE_NULL;
	struct arena arena;
	int64_t before = gp->load_offset;
	int rc = 0;

	if (!p || !partition_is_leader(p))
		return err_set(err, E_OFFLINE, "this broker does not lead it any more");
	if (gp->load_offset < partition_log_start_offset(p))
		options.offset = gp->load_offset = before = partition_log_start_offset(p);
	if (gp->load_offset >= partition_log_end_offset(p))
		return 0;
	arena_init(&arena);
	partition_read(p, &options, &arena, &result);
	arena_fini(&arena);
	if (result.error != KERR_NONE)
		return err_set(err, E_OFFLINE, "%s", kafka_error_name(result.error));
	if (!options.cold || !options.cold->file)
		rc = partition_read_bytes(p, &result, options.cold, &records);
	if (log_warmer_starts(s->load_warmer, s->shard->env)) {
		file_unref(result.records.file);
		return 1;
	}
	if (rc == 0)
		rc = group_partition_load(gp, records.data, records.len, err);
	else
		err_set(err, rc, "%s", err_text(rc));
	slice_unref(&records);
	if (rc < 0)
		return rc;
	return gp->load_offset > before && gp->load_offset < partition_log_end_offset(p);
}

static bool load_step(struct group_shell *s, struct group_partition *gp)
{
	struct err err = {0};
	int rc = load_piece(s, gp, &err);

	if (rc > 0)
		return true;
	if (rc < 0) {
		say_error("%s-%d: groups cannot be loaded: %s", OFFSETS_TOPIC, gp->index, err.text);
		group_partition_fail(gp);
	} else {
		group_partition_loaded(gp);
		if (gp->groups.count)
			say_info("%s-%d: loaded %zu groups", OFFSETS_TOPIC, gp->index,
				 gp->groups.count);
	}
	return false;
}

static void load_warm(void *ctx)
{
	struct group_shell *s = ctx;

	if (!s->gc->is_stopped)
		shard_timer_start(s->shard, &s->load_timer, 0);
}

/* One piece of one partition, then other work of the shard has its turn. */
static void load_turn(struct timer *timer, struct shard *on)
{
	struct group_shell *s = CONTAINER_OF(timer, struct group_shell, load_timer);
	struct group_coordinator *gc = s->gc;

	for (int32_t i = 0; i < gc->partition_count; i++) {
		struct group_partition *gp = gc->partitions[i];

		if (!gp || gp->state != GROUPS_LOADING)
			continue;
		if (log_warmer_is_busy(s->load_warmer))
			return;
		load_step(s, gp);
		if (!log_warmer_is_busy(s->load_warmer))
			shard_timer_start(on, timer, 0);
		break;
	}
	shell_arm(s);
}

static bool shell_leads(struct group_shell *s, const struct image_topic *topic, int32_t index)
{
	const struct image_partition *ip = image_partition(topic, index);
	struct partition *p;

	if (!ip || ip->leader != s->shard->broker->node_id ||
	    shard_owner(s->shard->broker, topic->id, index) != s->shard)
		return false;
	p = shell_partition(s, index);
	return p && partition_is_leader(p);
}

static void apply_partitions(struct group_shell *s, const struct image_topic *topic)
{
	struct group_coordinator *gc = s->gc;
	int32_t count = topic ? topic->partition_count : 0;

	for (int32_t i = 0; i < MAX(count, gc->partition_count); i++) {
		struct group_partition *gp = i < gc->partition_count ? gc->partitions[i] : NULL;
		bool leads = topic && shell_leads(s, topic, i);
		int32_t epoch = leads ? image_partition(topic, i)->leader_epoch : -1;

		if (gp && (!leads || epoch > gp->leader_epoch)) {
			if (gp->groups.count)
				say_info("%s-%d: unloaded %zu groups", OFFSETS_TOPIC, i,
					 gp->groups.count);
			group_partition_remove(gp);
			gp = NULL;
		}
		if (!leads || gp)
			continue;
		gp = group_partition_add(gc, i, epoch);
		/* What is small is there at once; the rest comes piece by piece. */
		if (log_warmer_is_busy(s->load_warmer) || load_step(s, gp))
			shard_timer_start(s->shard, &s->load_timer, 0);
	}
}

static void topic_changed(void *ctx, const struct image_topic *before,
			  const struct image_topic *after)
{
	struct group_coordinator *gc = ctx;

	for (int32_t i = 0; !after && i < gc->partition_count; i++)
		if (gc->partitions[i])
			group_topic_deleted(gc->partitions[i], before->name, before->id);
}

/* ---- The door ---- */

struct group_coordinator *group_coordinator_new(struct shard *shard)
{
	struct group_shell *s = xcalloc(1, sizeof(*s));
	struct group_io io = {
		.ctx = s,
		.wall_ms = shell_wall_ms,
		.mono_ms = shell_mono_ms,
		.random = shell_random,
		.append = shell_append,
		.high_watermark = shell_high_watermark,
		.wait = shell_wait,
		.cancel = shell_cancel,
		.changed = shell_changed,
	};
	struct group_settings settings = settings_of(shard->config);

	s->shard = shard;
	s->timer.fire = shell_tick;
	s->load_timer.fire = load_turn;
	s->load_warmer = log_warmer_new(0, load_warm, s);
	s->armed_ms = INT64_MAX;
	s->load_bytes = (size_t)config_i64(shard->config, CONFIG_OFFSETS_LOAD_BUFFER_SIZE);
	s->gc = group_core_new(&io, &settings);
	s->gc->shell = s;
	return s->gc;
}

void group_coordinator_free(struct group_coordinator *gc)
{
	struct group_shell *s;

	if (!gc)
		return;
	s = gc->shell;
	group_coordinator_stop(gc);
	group_core_free(gc);
	log_warmer_free(s->load_warmer);
	free(s);
}

void group_coordinator_stop(struct group_coordinator *gc)
{
	struct group_shell *s = gc->shell;

	gc->is_stopped = true;
	for (int32_t i = 0; i < gc->partition_count; i++)
		if (gc->partitions[i])
			group_partition_remove(gc->partitions[i]);
	shard_timer_stop(s->shard, &s->timer);
	shard_timer_stop(s->shard, &s->load_timer);
	s->armed_ms = INT64_MAX;
}

void group_coordinator_configure(struct group_coordinator *gc, const struct config *config)
{
	gc->settings = settings_of(config);
}

void group_coordinator_apply(struct group_coordinator *gc, const struct image *before,
			     const struct image *after)
{
	struct group_shell *s = gc->shell;
	const struct image_topic *topic = image_topic_by_name(after, STR_LIT(OFFSETS_TOPIC));
	const struct image_topic *old =
		before ? image_topic_by_name(before, STR_LIT(OFFSETS_TOPIC)) : NULL;

	if (gc->is_stopped)
		return;
	if (old && (!topic || !uuid_eq(old->id, topic->id)))
		apply_partitions(s, NULL);
	s->topic_id = topic ? topic->id : (struct uuid){0};
	if (topic != old)
		apply_partitions(s, topic);
	if (before)
		image_diff_topics(before, after, topic_changed, gc);
	shell_arm(s);
}
