/* Broken if this fails: messages between shards get lost or out of order, timers fire wrongly. */
#include "unit/support.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/server_int.h"

#define SHARDS 3
#define TASKS 20000

static struct server server;
static struct server_shard shards[SHARDS];
static struct shard *shard_list[SHARDS];

static int start_shards(void **state)
{
	struct err err = {0};

	(void)state;
	server.broker.shards = shard_list;
	server.broker.shard_count = SHARDS;
	for (unsigned i = 0; i < SHARDS; i++) {
		shard_list[i] = &shards[i].shard;
		if (shard_init(&shards[i], &server, &server.broker, i, &err) < 0 ||
		    shard_start(&shards[i], &err) < 0)
			return -1;
	}
	return 0;
}

static int stop_shards(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SHARDS; i++) {
		shard_stop(&shards[i]);
		shard_join(&shards[i]);
		shard_fini(&shards[i]);
	}
	return 0;
}

/* ---- Tasks ---- */

struct hop {
	struct task task;
	unsigned from, to;
	int64_t number;
};

static struct hop hops[SHARDS][TASKS];
static int64_t seen[SHARDS][SHARDS];	/* [on][from]: the last number */
static unsigned disorder[SHARDS];
static _Atomic unsigned landed;
static uv_sem_t all_landed;

static void hop_run(struct task *task, struct shard *on)
{
	struct hop *hop = CONTAINER_OF(task, struct hop, task);

	if (hop->number <= seen[on->index][hop->from])
		disorder[on->index]++;
	seen[on->index][hop->from] = hop->number;
	if (atomic_fetch_add(&landed, 1) + 1 == SHARDS * TASKS)
		uv_sem_post(&all_landed);
}

static void send_hops(struct server_shard *s, void *arg)
{
	unsigned from = s->shard.index;

	(void)arg;
	for (int i = 0; i < TASKS; i++) {
		struct hop *hop = &hops[from][i];

		*hop = (struct hop){.task.run = hop_run, .from = from, .to = (unsigned)i % SHARDS,
				    .number = i + 1};
		shard_post(shard_list[hop->to], &hop->task);
	}
}

static void tasks_arrive_once_and_in_order(void **state)
{
	(void)state;
	atomic_store(&landed, 0);
	uv_sem_init(&all_landed, 0);
	for (unsigned i = 0; i < SHARDS; i++)
		shard_call(&shards[i], send_hops, NULL);
	uv_sem_wait(&all_landed);
	assert_int_equal(atomic_load(&landed), SHARDS * TASKS);
	for (unsigned i = 0; i < SHARDS; i++)
		assert_int_equal(disorder[i], 0);
	uv_sem_destroy(&all_landed);
}

/* ---- Timers ---- */

struct alarm {
	struct timer timer;
	int64_t delay_ms, fired_ms;
	unsigned fired;
};

static struct alarm alarms[4];
static int64_t alarms_set_ms;
static uv_sem_t last_alarm;

static void alarm_fire(struct timer *timer, struct shard *on)
{
	struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);

	(void)on;
	alarm->fired++;
	alarm->fired_ms = clock_mono_ms();
	if (alarm == &alarms[2])
		uv_sem_post(&last_alarm);
}

static void set_alarms(struct server_shard *s, void *arg)
{
	static const int64_t delays[] = {30, 10, 60, 20};

	(void)arg;
	alarms_set_ms = clock_mono_ms();
	for (int i = 0; i < 4; i++) {
		alarms[i] = (struct alarm){.timer.fire = alarm_fire, .delay_ms = delays[i]};
		shard_timer_start(&s->shard, &alarms[i].timer, delays[i]);
	}
	shard_timer_stop(&s->shard, &alarms[3].timer);
	shard_timer_start(&s->shard, &alarms[0].timer, 40);	/* moved */
	alarms[0].delay_ms = 40;
}

static void timers_fire_once_not_before_their_time(void **state)
{
	(void)state;
	uv_sem_init(&last_alarm, 0);
	shard_call(&shards[1], set_alarms, NULL);
	uv_sem_wait(&last_alarm);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(alarms[i].fired, 1);
		assert_true(alarms[i].fired_ms >= alarms_set_ms + alarms[i].delay_ms);
	}
	assert_int_equal(alarms[3].fired, 0);
	uv_sem_destroy(&last_alarm);
}

/* ---- Work ---- */

struct slow {
	struct env_work work;
	uv_thread_t ran_on, done_on;
	uv_sem_t done;
};

static void slow_run(struct env_work *work)
{
	struct slow *slow = CONTAINER_OF(work, struct slow, work);

	slow->ran_on = uv_thread_self();
	work->rc = 42;
}

static void slow_done(struct env_work *work)
{
	struct slow *slow = CONTAINER_OF(work, struct slow, work);

	slow->done_on = uv_thread_self();
	uv_sem_post(&slow->done);
}

static void start_slow(struct server_shard *s, void *arg)
{
	struct slow *slow = arg;

	s->env.ops->work(&s->env, &slow->work);
}

static void work_runs_elsewhere_and_comes_home(void **state)
{
	struct slow slow = {.work = {.run = slow_run, .done = slow_done}};

	(void)state;
	uv_sem_init(&slow.done, 0);
	shard_call(&shards[2], start_slow, &slow);
	uv_sem_wait(&slow.done);
	assert_int_equal(slow.work.rc, 42);
	assert_true(uv_thread_equal(&slow.done_on, &shards[2].thread));
	assert_false(uv_thread_equal(&slow.ran_on, &shards[2].thread));
	uv_sem_destroy(&slow.done);
}

static void partitions_are_spread_over_the_shards(void **state)
{
	struct uuid id = uuid_random();
	unsigned counts[SHARDS] = {0};

	(void)state;
	for (int32_t i = 0; i < 30; i++)
		counts[shard_owner(&server.broker, id, i)->index]++;
	/* the first one is the control plane's */
	assert_int_equal(counts[0], 0);
	for (unsigned i = 1; i < SHARDS; i++)
		assert_int_equal(counts[i], 30 / (SHARDS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_arrive_once_and_in_order),
		cmocka_unit_test(timers_fire_once_not_before_their_time),
		cmocka_unit_test(work_runs_elsewhere_and_comes_home),
		cmocka_unit_test(partitions_are_spread_over_the_shards),
	};

	return cmocka_run_group_tests(tests, start_shards, stop_shards);
}
