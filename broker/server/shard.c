#include "shard_int.h"

#include "base/clock.h"
#include "base/mem.h"

/* ---- Inbox ---------------------------------------------------------------------------------- */

void shard_post(struct shard *to, struct task *task)
{
	struct server_shard *s = shard_impl(to);
	struct task *head = atomic_load_explicit(&s->inbox, memory_order_relaxed);

	do {
		task->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->inbox, &head, task, memory_order_release, memory_order_relaxed));
	/* A non-empty inbox has been woken for already. */
	if (!head)
		uv_async_send(&s->wake);
}

static void shard_woken(uv_async_t *wake)
{
	struct server_shard *s = CONTAINER_OF(wake, struct server_shard, wake);
	struct task *stack = atomic_exchange_explicit(&s->inbox, NULL, memory_order_acquire);
	struct task *queue = NULL;

	while (stack) {
		struct task *next = stack->next;

		stack->next = queue;
		queue = stack;
		stack = next;
	}
	while (queue) {
		struct task *task = queue;

		queue = queue->next;
		task->next = NULL;
		task->run(task, &s->shard);
	}
}

/* ---- Timers --------------------------------------------------------------------------------- */

static void shard_timers_due(uv_timer_t *timer);

/* The loop's timer follows the earliest deadline. */
static void shard_timer_arm(struct server_shard *s)
{
	struct heap_node *top = heap_top(&s->timers);
	int64_t when = top ? top->when : INT64_MAX;
	int64_t now;

	if (when == s->timer_armed_for)
		return;
	s->timer_armed_for = when;
	if (!top) {
		uv_timer_stop(&s->timer);
		return;
	}
	now = clock_mono_ms();
	uv_update_time(&s->loop);
	uv_timer_start(&s->timer, shard_timers_due, when > now ? (uint64_t)(when - now) : 0, 0);
}

static void shard_timers_due(uv_timer_t *timer)
{
	struct server_shard *s = CONTAINER_OF(timer, struct server_shard, timer);
	int64_t now = clock_mono_ms();
	struct heap_node *top;

	s->timer_armed_for = INT64_MAX;
	while ((top = heap_top(&s->timers)) != NULL && top->when <= now) {
		struct timer *due = CONTAINER_OF(top, struct timer, node);

		heap_remove(&s->timers, top);
		due->fire(due, &s->shard);
	}
	shard_timer_arm(s);
}

void shard_timer_start(struct shard *shard, struct timer *timer, int64_t delay_ms)
{
	struct server_shard *s = shard_impl(shard);

	assert(delay_ms >= 0);
	heap_remove(&s->timers, &timer->node);
	heap_push(&s->timers, &timer->node, clock_mono_ms() + delay_ms);
	shard_timer_arm(s);
}

void shard_timer_stop(struct shard *shard, struct timer *timer)
{
	struct server_shard *s = shard_impl(shard);

	/* The loop's timer is left as it is: waking once in vain is cheaper than arming again. */
	heap_remove(&s->timers, &timer->node);
}

/* ---- The env: POSIX files, and the loop's thread pool for work that may block ---------------- */

struct shard_work {
	uv_work_t req;
	struct env_work *work;
	struct server_shard *shard;
};

static void shard_work_run(uv_work_t *req)
{
	struct shard_work *w = CONTAINER_OF(req, struct shard_work, req);

	w->work->run(w->work);
}

static void shard_work_done(uv_work_t *req, int status)
{
	struct shard_work *w = CONTAINER_OF(req, struct shard_work, req);
	struct env_work *work = w->work;

	assert(status == 0);
	w->shard->work_count--;
	free(w);
	work->done(work);
}

static void shard_env_work(struct env *env, struct env_work *work)
{
	struct server_shard *s = env->impl;
	struct shard_work *w = xmalloc(sizeof(*w));
	int rc;

	w->work = work;
	w->shard = s;
	s->work_count++;
	rc = uv_queue_work(&s->loop, &w->req, shard_work_run, shard_work_done);
	assert(rc == 0);
}

static struct env_ops shard_env_ops;

static void shard_env_init(struct server_shard *s)
{
	shard_env_ops = env_posix_ops;
	shard_env_ops.work = shard_env_work;
	s->env = (struct env){.ops = &shard_env_ops, .impl = s};
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct shard *shard_owner(struct broker *b, struct uuid topic_id, int32_t partition)
{
	unsigned count = b->shard_count - 1;
	uint64_t word;

	/* Topic ids are random, so their bits spread topics; partitions go round. */
	memcpy(&word, topic_id.bytes + 8, sizeof(word));
	return b->shards[1 + (word % count + (uint64_t)(uint32_t)partition) % count];
}

int shard_init(struct server_shard *s, struct server *server, struct broker *broker, unsigned index,
	       struct err *err)
{
	int rc;

	*s = (struct server_shard){.server = server};
	s->shard.broker = broker;
	s->shard.index = index;
	s->shard.env = &s->env;
	s->timer_armed_for = INT64_MAX;
	list_init(&s->conns);
	heap_init(&s->timers);
	if (index == 0)
		shard_env_init(s);
	s->env = (struct env){.ops = &shard_env_ops, .impl = s};
	rc = uv_loop_init(&s->loop);
	if (rc == 0)
		rc = uv_async_init(&s->loop, &s->wake, shard_woken);
	if (rc == 0)
		rc = uv_timer_init(&s->loop, &s->timer);
	if (rc < 0)
		return err_sys(err, rc, "event loop of shard %u", index);
	return 0;
}

static void shard_thread(void *arg)
{
	struct server_shard *s = arg;

	uv_run(&s->loop, UV_RUN_DEFAULT);
}

int shard_start(struct server_shard *s, struct err *err)
{
	int rc = uv_thread_create(&s->thread, shard_thread, s);

	if (rc < 0)
		return err_sys(err, rc, "thread of shard %u", s->shard.index);
	s->is_started = true;
	return 0;
}

struct shard_stop_task {
	struct task task;
};

static void shard_stop_run(struct task *task, struct shard *on)
{
	struct server_shard *s = shard_impl(on);

	free(CONTAINER_OF(task, struct shard_stop_task, task));
	assert(list_empty(&s->conns));
	uv_close((uv_handle_t *)&s->timer, NULL);
	uv_close((uv_handle_t *)&s->wake, NULL);
}

void shard_stop(struct server_shard *s)
{
	struct shard_stop_task *stop = xcalloc(1, sizeof(*stop));

	stop->task.run = shard_stop_run;
	shard_post(&s->shard, &stop->task);
}

void shard_join(struct server_shard *s)
{
	if (s->is_started)
		uv_thread_join(&s->thread);
	else
		uv_run(&s->loop, UV_RUN_DEFAULT);
	s->is_started = false;
}

void shard_fini(struct server_shard *s)
{
	int rc = uv_loop_close(&s->loop);

	assert(rc == 0);
	heap_fini(&s->timers);
}

struct shard_call {
	struct task task;
	void (*run)(struct server_shard *s, void *arg);
	void *arg;
	uv_sem_t done;
};

static void shard_call_run(struct task *task, struct shard *on)
{
	struct shard_call *call = CONTAINER_OF(task, struct shard_call, task);

	call->run(shard_impl(on), call->arg);
	uv_sem_post(&call->done);
}

void shard_call(struct server_shard *s, void (*run)(struct server_shard *s, void *arg), void *arg)
{
	struct shard_call call = {.task.run = shard_call_run, .run = run, .arg = arg};
	int rc = uv_sem_init(&call.done, 0);

	assert(rc == 0);
	shard_post(&s->shard, &call.task);
	uv_sem_wait(&call.done);
	uv_sem_destroy(&call.done);
}
