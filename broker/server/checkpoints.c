/* The checkpoint files of the log directories: every shard reports its partitions, shard 0 puts the
 * lines together, a thread of the pool writes them. */
#include "server/server_int.h"

#include "base/mem.h"
#include "base/say.h"
#include "replica/replica.h"

#define SAY_PLACE "broker/checkpoints"
/* Rounds of small logs come in swarms. */
#define CLEANER_FILE_DELAY_MS 500

struct checkpoint_list {
	struct checkpoint_entry *items;
	size_t count, cap;
};

/* The lines of one round: a list for each directory and kind of file. */
struct checkpoint_round {
	struct server *server;
	unsigned kinds;     /* CHECKPOINT_* */
	struct arena arena; /* names of topics */
	struct checkpoint_list (*lists)[LOG_DIR_CHECKPOINTS];
	unsigned pending; /* shards that have not reported */
	struct env_work work;
	bool *failed; /* by directory */
};

struct checkpoint_part {
	struct task task;
	struct checkpoint_round *round;
	struct checkpoint_round lines; /* this shard's */
};

static const struct {
	enum log_dir_checkpoint file;
	unsigned kind;
} checkpoint_files[] = {
	{LOG_DIR_RECOVERY_POINT, CHECKPOINT_OFFSETS},
	{LOG_DIR_LOG_START, CHECKPOINT_OFFSETS},
	{LOG_DIR_CLEANER, CHECKPOINT_CLEANER},
	{LOG_DIR_HIGH_WATERMARK, CHECKPOINT_HIGH_WATERMARK},
};

/* ---- Lines ---------------------------------------------------------------------------------- */

static void round_init(struct checkpoint_round *round, struct server *server, unsigned kinds)
{
	*round = (struct checkpoint_round){.server = server, .kinds = kinds};
	arena_init(&round->arena);
	round->lists = xcalloc(server->dir_count, sizeof(*round->lists));
	round->failed = xcalloc(server->dir_count, sizeof(*round->failed));
}

static void round_fini(struct checkpoint_round *round)
{
	for (unsigned dir = 0; dir < round->server->dir_count; dir++)
		for (int which = 0; which < LOG_DIR_CHECKPOINTS; which++)
			free(round->lists[dir][which].items);
	free(round->lists);
	free(round->failed);
	arena_fini(&round->arena);
}

static void round_add(struct checkpoint_round *round, unsigned dir, enum log_dir_checkpoint which,
		      struct checkpoint_entry entry)
{
	struct checkpoint_list *list = &round->lists[dir][which];

	list->items = grow_array(list->items, list->count, &list->cap, sizeof(*list->items));
	list->items[list->count++] = entry;
}

static void round_line(void *ctx, const struct replica_report *report)
{
	struct checkpoint_round *round = ctx;
	struct checkpoint_entry entry = {str_dup(&round->arena, report->topic), report->index, 0};

	if (round->kinds & CHECKPOINT_HIGH_WATERMARK) {
		entry.offset = report->high_watermark;
		round_add(round, report->dir, LOG_DIR_HIGH_WATERMARK, entry);
	}
	if ((round->kinds & CHECKPOINT_CLEANER) && report->cleaner_offset >= 0) {
		entry.offset = report->cleaner_offset;
		round_add(round, report->dir, LOG_DIR_CLEANER, entry);
	}
	if (!(round->kinds & CHECKPOINT_OFFSETS))
		return;
	entry.offset = report->recovery_point;
	round_add(round, report->dir, LOG_DIR_RECOVERY_POINT, entry);
	if (report->has_log_start) {
		entry.offset = report->log_start_offset;
		round_add(round, report->dir, LOG_DIR_LOG_START, entry);
	}
}

/* Moves the lines of `from` over. */
static void round_merge(struct checkpoint_round *round, struct checkpoint_round *from)
{
	for (unsigned dir = 0; dir < round->server->dir_count; dir++) {
		for (int which = 0; which < LOG_DIR_CHECKPOINTS; which++) {
			struct checkpoint_list *list = &from->lists[dir][which];

			for (size_t i = 0; i < list->count; i++)
				round_add(round, dir, (enum log_dir_checkpoint)which,
					  list->items[i]);
		}
	}
	arena_absorb(&round->arena, &from->arena);
}

/* Writes the files; touches only the round and what of the directories is fixed. */
static int round_write(struct checkpoint_round *round)
{
	struct server *server = round->server;
	int first = 0;

	for (unsigned dir = 0; dir < server->dir_count; dir++) {
		if (atomic_load(&server->dirs_offline) & 1u << dir)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(checkpoint_files); i++) {
			enum log_dir_checkpoint which = checkpoint_files[i].file;
			struct checkpoint_list *list = &round->lists[dir][which];
			struct err err = {0};
			int rc;

			if (!(round->kinds & checkpoint_files[i].kind) || round->failed[dir])
				continue;
			if (which == LOG_DIR_CLEANER && list->count == 0)
				continue;
			rc = log_dir_write_checkpoint(server->dirs[dir], which, list->items,
						      list->count, &err);
			if (rc == 0)
				continue;
			say_error("%s", err_message(&err));
			round->failed[dir] = true;
			first = first ? first : rc;
		}
	}
	return first;
}

/* ---- When a log was cleaned ----------------------------------------------------------------- */

static void round_start(struct server *server, unsigned kinds);

static void cleaner_file_due(struct timer *timer, struct shard *on)
{
	struct server *server = shard_impl(on)->server;

	assert(timer == &server->cleaner_timer);
	server->cleaner_is_wanted = false;
	server->cleaner_is_written = true;
	round_start(server, CHECKPOINT_CLEANER);
}

static void cleaner_want(struct server *server)
{
	server->cleaner_is_wanted = true;
	if (!server->cleaner_is_written && atomic_load(&server->state) == SERVER_RUNNING)
		shard_timer_start(&server->shards[0].shard, &server->cleaner_timer,
				  CLEANER_FILE_DELAY_MS);
}

static void cleaner_round_ended(struct server *server)
{
	server->cleaner_is_written = false;
	if (server->cleaner_is_wanted)
		cleaner_want(server);
}

static void cleaned_arrived(struct task *task, struct shard *on)
{
	free(task);
	cleaner_want(shard_impl(on)->server);
}

void checkpoints_cleaned(struct server *server)
{
	struct task *task = xcalloc(1, sizeof(*task));

	task->run = cleaned_arrived;
	shard_post(&server->shards[0].shard, task);
}

/* ---- In the background ---------------------------------------------------------------------- */

static struct timer *round_timer(struct checkpoint_round *round)
{
	return round->kinds & CHECKPOINT_OFFSETS ? &round->server->checkpoint_timer
						 : &round->server->high_watermark_timer;
}

static int64_t round_interval_ms(struct checkpoint_round *round)
{
	const struct config *config = round->server->shards[0].shard.config;

	return round->kinds & CHECKPOINT_OFFSETS
		       ? config_i64(config, CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS)
		       : config_i64(config, CONFIG_REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS);
}

static void round_end(struct checkpoint_round *round)
{
	struct server *server = round->server;

	if (round->kinds & CHECKPOINT_CLEANER)
		cleaner_round_ended(server);
	else if (atomic_load(&server->state) == SERVER_RUNNING)
		shard_timer_start(&server->shards[0].shard, round_timer(round),
				  round_interval_ms(round));
	for (unsigned dir = 0; dir < server->dir_count; dir++)
		if (round->failed[dir])
			server_dir_failed(&server->shards[0], dir,
					  "a checkpoint could not be written");
	round_fini(round);
	free(round);
}

static void round_run(struct env_work *work)
{
	work->rc = round_write(CONTAINER_OF(work, struct checkpoint_round, work));
}

static void round_written(struct env_work *work)
{
	round_end(CONTAINER_OF(work, struct checkpoint_round, work));
}

static void part_back(struct task *task, struct shard *on)
{
	struct checkpoint_part *part = CONTAINER_OF(task, struct checkpoint_part, task);
	struct checkpoint_round *round = part->round;

	round_merge(round, &part->lines);
	round_fini(&part->lines);
	free(part);
	if (--round->pending > 0)
		return;
	if (atomic_load(&round->server->state) != SERVER_RUNNING) {
		round_end(round); /* the stop writes them all */
		return;
	}
	round->work = (struct env_work){.run = round_run, .done = round_written};
	on->env->ops->work(on->env, &round->work);
}

static void part_visit(struct task *task, struct shard *on)
{
	struct checkpoint_part *part = CONTAINER_OF(task, struct checkpoint_part, task);

	replica_set_report(on->replicas, round_line, &part->lines);
	task->run = part_back;
	shard_post(shard_control(on->broker), task);
}

static void round_start(struct server *server, unsigned kinds)
{
	struct checkpoint_round *round = xcalloc(1, sizeof(*round));

	round_init(round, server, kinds);
	round->pending = server->broker.shard_count;
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		struct checkpoint_part *part = xcalloc(1, sizeof(*part));

		part->task.run = part_visit;
		part->round = round;
		round_init(&part->lines, server, kinds);
		shard_post(server->broker.shards[i], &part->task);
	}
}

static void checkpoint_due(struct timer *timer, struct shard *on)
{
	struct server *server = shard_impl(on)->server;

	round_start(server, timer == &server->checkpoint_timer ? CHECKPOINT_OFFSETS
							       : CHECKPOINT_HIGH_WATERMARK);
}

void checkpoints_start(struct server *server)
{
	struct shard *shard = &server->shards[0].shard;

	server->checkpoint_timer.fire = checkpoint_due;
	server->high_watermark_timer.fire = checkpoint_due;
	server->cleaner_timer.fire = cleaner_file_due;
	shard_timer_start(
		shard, &server->checkpoint_timer,
		config_i64(shard->config, CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS));
	shard_timer_start(
		shard, &server->high_watermark_timer,
		config_i64(shard->config, CONFIG_REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS));
}

void checkpoints_stop(struct server *server)
{
	shard_timer_stop(&server->shards[0].shard, &server->checkpoint_timer);
	shard_timer_stop(&server->shards[0].shard, &server->high_watermark_timer);
	shard_timer_stop(&server->shards[0].shard, &server->cleaner_timer);
}

/* ---- At the stop ---------------------------------------------------------------------------- */

static void report_now(struct server_shard *s, void *arg)
{
	replica_set_report(s->shard.replicas, round_line, arg);
}

int checkpoints_write_all(struct server *server, bool *ok)
{
	struct checkpoint_round round;
	int rc;

	round_init(&round, server,
		   CHECKPOINT_OFFSETS | CHECKPOINT_HIGH_WATERMARK | CHECKPOINT_CLEANER);
	for (unsigned i = 0; i < server->broker.shard_count; i++)
		shard_call(&server->shards[i], report_now, &round);
	rc = round_write(&round);
	for (unsigned dir = 0; dir < server->dir_count; dir++)
		if (round.failed[dir])
			ok[dir] = false;
	round_fini(&round);
	return rc;
}
