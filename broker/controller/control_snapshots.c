/* Snapshots of the metadata: when enough has been written, or enough time has gone by. They are
 * written beside the shard, out of an image that nobody changes. */
#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/metadata"
#define CLEAN_INTERVAL_US (60 * 1000 * 1000)

void snapshots_init(struct control *c)
{
	struct snapshots *s = xcalloc(1, sizeof(*s));

	c->snapshots = s;
	s->control = c;
	s->env = c->env;
	s->last_us = env_mono_us(c->env);
	s->next_clean_us = s->last_us + CLEAN_INTERVAL_US;
}

static void snapshots_drop(struct snapshots *s)
{
	image_unref(s->image);
	s->image = NULL;
	free(s->dir);
	s->dir = NULL;
	arena_fini(&s->arena);
	s->is_running = false;
}

void snapshots_fini(struct control *c)
{
	struct snapshots *s = c->snapshots;

	s->control = NULL;
	if (!s->is_running)
		free(s);
}

static void snapshots_run(struct env_work *work)
{
	struct snapshots *s = CONTAINER_OF(work, struct snapshots, work);

	work->rc = snapshot_write_image(s->env, s->dir, s->id, &s->header, s->image, &s->err);
}

static void snapshots_done(struct env_work *work)
{
	struct snapshots *s = CONTAINER_OF(work, struct snapshots, work);
	struct control *c = s->control;

	if (c && work->rc == 0) {
		say_info("snapshot of the metadata up to offset %" PRId64, s->id.end_offset);
		raft_snapshot_written(c->raft, s->id);
		s->next_clean_us = 0;
	} else if (work->rc < 0) {
		say_error("snapshot of the metadata: %s", err_message(&s->err));
	}
	snapshots_drop(s);
	if (!c)
		free(s);
	else
		control_pump_soon(c);
}

static void snapshots_begin(struct control *c)
{
	struct snapshots *s = c->snapshots;

	arena_init(&s->arena);
	s->id = (struct snapshot_id){image_offset(c->latest) + 1, image_epoch(c->latest)};
	s->header = (struct snapshot_header){
		.last_timestamp_ms = image_timestamp_ms(c->latest),
		.now_ms = env_wall_ms(c->env),
		.kraft_version = raft_kraft_version(c->raft),
		.voters = message_copy(&voters_record_desc, &s->arena,
				       raft_voters_at(c->raft, s->id.end_offset)),
	};
	s->image = image_ref(c->latest);
	s->dir = xstrdup(raft_dir(c->raft));
	s->bytes_before = controller_record_bytes(c->controller);
	s->last_us = env_mono_us(c->env);
	s->is_running = true;
	s->work = (struct env_work){.run = snapshots_run, .done = snapshots_done};
	c->env->ops->work(c->env, &s->work);
}

static int64_t interval_us(const struct control *c)
{
	int64_t ms = config_i64(c->options.config, CONFIG_METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS);

	return ms > 0 ? ms * 1000 : INT64_MAX;
}

static bool snapshots_is_due(const struct control *c)
{
	const struct snapshots *s = c->snapshots;
	int64_t bytes = controller_record_bytes(c->controller) - s->bytes_before;

	if (s->is_running || !c->latest || c->is_fatal ||
	    image_offset(c->latest) + 1 <= raft_latest_snapshot(c->raft).end_offset)
		return false;
	return bytes >= config_i64(c->options.config,
				   CONFIG_METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS) ||
	       (bytes > 0 && env_mono_us(c->env) - s->last_us >= interval_us(c));
}

void snapshots_tick(struct control *c)
{
	struct snapshots *s = c->snapshots;
	struct err err = {0};

	if (snapshots_is_due(c))
		snapshots_begin(c);
	if (env_mono_us(c->env) < s->next_clean_us || c->is_fatal)
		return;
	s->next_clean_us = env_mono_us(c->env) + CLEAN_INTERVAL_US;
	if (raft_clean(c->raft, &err) < 0)
		say_error("cleaning the metadata log: %s", err_message(&err));
}

int64_t snapshots_deadline_us(const struct control *c)
{
	return c->snapshots->next_clean_us;
}
