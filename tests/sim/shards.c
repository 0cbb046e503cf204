/* A node's shards and its env, on the world's clock. */
#include "sim/cluster.h"

#include <errno.h>

/* ---- Events of a life ------------------------------------------------------------------------ */

struct life_event {
	struct life *life;
	void (*run)(void *ctx);
	void *ctx;
};

static void life_event_run(void *ctx)
{
	struct life_event *e = ctx;
	struct life *l = e->life;

	if (!l->is_over) {
		e->run(e->ctx);
		if (!l->is_over)
			checks_step(l);
		if (!l->is_over && l->is_doomed)
			sim_node_crash(l->node, true, l->why);
	}
	free(e);
}

void life_at(struct life *l, int64_t at_us, void (*run)(void *ctx), void *ctx)
{
	struct life_event *e = xcalloc(1, sizeof(*e));

	*e = (struct life_event){l, run, ctx};
	world_at(&l->node->sim->world, at_us, life_event_run, free, e);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static void shard_turn(void *ctx)
{
	struct sim_shard *s = ctx;
	struct task *task = s->first;

	s->first = NULL;
	s->last = &s->first;
	s->is_posted = false;
	while (task && !s->life->is_over) {
		struct task *next = task->next;

		task->next = NULL;
		task->run(task, &s->shard);
		task = next;
	}
}

void shard_post(struct shard *to, struct task *task)
{
	struct sim_shard *s = sim_shard(to);
	struct sim *sim = s->life->node->sim;

	task->next = NULL;
	*s->last = task;
	s->last = &task->next;
	if (s->is_posted)
		return;
	s->is_posted = true;
	life_at(s->life, sim_now_us(sim) + 1 + (int64_t)world_below(&sim->world, 40), shard_turn,
		s);
}

struct shard *shard_owner(struct broker *b, struct uuid topic_id, int32_t partition)
{
	return b->shards[(topic_id.bytes[9] + (unsigned)partition) % b->shard_count];
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static void shard_arm(struct sim_shard *s);

static void shard_timers_due(void *ctx)
{
	struct sim_shard *s = ctx;
	int64_t now_us = sim_now_us(s->life->node->sim);
	struct heap_node *top;

	if (now_us != s->armed_us)
		return; /* armed for another time since */
	s->armed_us = INT64_MAX;
	while (!s->life->is_over && (top = heap_top(&s->timers)) != NULL && top->when <= now_us) {
		struct timer *timer = CONTAINER_OF(top, struct timer, node);

		heap_remove(&s->timers, top);
		timer->fire(timer, &s->shard);
	}
	shard_arm(s);
}

static void shard_arm(struct sim_shard *s)
{
	struct heap_node *top = heap_top(&s->timers);
	int64_t now_us = sim_now_us(s->life->node->sim);

	if (!top || top->when >= s->armed_us)
		return;
	s->armed_us = MAX(top->when, now_us + 1);
	life_at(s->life, s->armed_us, shard_timers_due, s);
}

void shard_timer_start(struct shard *shard, struct timer *timer, int64_t delay_ms)
{
	struct sim_shard *s = sim_shard(shard);

	assert(delay_ms >= 0);
	heap_remove(&s->timers, &timer->node);
	heap_push(&s->timers, &timer->node, sim_now_us(s->life->node->sim) + delay_ms * 1000);
	shard_arm(s);
}

void shard_timer_stop(struct shard *shard, struct timer *timer)
{
	heap_remove(&sim_shard(shard)->timers, &timer->node);
}

void sim_shard_init(struct sim_shard *s, struct life *l, unsigned index)
{
	*s = (struct sim_shard){.life = l, .armed_us = INT64_MAX};
	s->last = &s->first;
	heap_init(&s->timers);
	s->shard.broker = &l->broker;
	s->shard.index = index;
	s->shard.env = &l->node->env;
	s->shard.config = config_ref(l->node->config);
	s->shard.metrics = metrics_new();
	s->shard.image = image_empty();
	l->shard_list[index] = &s->shard;
	l->broker.shards = l->shard_list;
	l->broker.shard_count = index + 1;
}

/* ---- The env --------------------------------------------------------------------------------- */

static struct sim_node *env_node(struct env *env)
{
	return env->impl;
}

static struct sim_disk *env_disk(struct env *env)
{
	return env_node(env)->disk;
}

static int64_t node_wall_ms(struct env *env)
{
	struct sim_node *n = env_node(env);

	return 1700000000000 + (sim_now_us(n->sim) + n->clock_offset_us) / 1000;
}

static int64_t node_mono_us(struct env *env)
{
	return sim_now_us(env_node(env)->sim);
}

static void node_random(struct env *env, void *data, size_t len)
{
	rng_fill(&env_node(env)->sim->world.rng, data, len);
}

static void work_run(void *ctx)
{
	struct env_work *work = ctx;

	work->run(work);
	work->done(work);
}

static void node_work(struct env *env, struct env_work *work)
{
	struct sim_node *n = env_node(env);

	life_at(n->life,
		sim_now_us(n->sim) + 50 + (int64_t)world_below(&n->sim->world, n->sim->work_us_max),
		work_run, work);
}

static int node_fault(void *ctx, enum sim_fault what)
{
	struct sim_node *n = ctx;
	struct sim *s = n->sim;

	if (s->is_peaceful || !n->life || what == SIM_READ)
		return 0;
	if (what == SIM_FSYNC)
		return world_chance(&s->world, s->fsync_fault) ? -EIO : 0;
	if (!world_chance(&s->world, s->disk_fault))
		return 0;
	return world_below(&s->world, 2) ? -EIO : -ENOSPC;
}

void sim_node_env(struct sim_node *n)
{
	struct sim_disk_options disk = {&n->sim->world.rng, node_fault, n, 200000};

	n->ops = (struct env_ops){.wall_ms = node_wall_ms,
				  .mono_us = node_mono_us,
				  .random = node_random,
				  .work = node_work};
	sim_disk_ops(&n->ops, env_disk);
	n->env = (struct env){&n->ops, n};
	n->disk = sim_disk_new(&disk);
}
