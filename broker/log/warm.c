/* Reading on another thread what a shard will want to find in memory. */
#include "base/mem.h"
#include "log/log.h"

/* One read, into memory of the thread's own: what counts is that the kernel has it then. */
#define WARM_READ_BYTES (64 * 1024)
#define WARM_FIRST_BYTES ((size_t)16 * 1024)
#define WARM_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct log_warm_range {
	struct file_range range;
	size_t ahead_bytes;
};

/* In one file; and in all, as there may be many segments. */
#define TRIES_IN_FILE_MAX 16
#define TRIES_MAX 4096

bool log_tries_left(const struct log_tries *t)
{
	return t->in_file < TRIES_IN_FILE_MAX && t->total < TRIES_MAX;
}

void log_tries_note(struct log_tries *t, struct file_range *range)
{
	if (t->file != range->file)
		t->in_file = 0;
	t->file = range->file;
	range->len = MAX(range->len, MIN(WARM_FIRST_BYTES << t->in_file, WARM_BYTES_MAX));
	t->in_file++;
	t->total++;
}

void log_warm_add(struct log_warm *w, const struct file_range *range, size_t ahead_bytes)
{
	assert(range->file);
	w->ranges = grow_array(w->ranges, w->count, &w->cap, sizeof(*w->ranges));
	w->ranges[w->count++] = (struct log_warm_range){*range, ahead_bytes};
}

static void warm_range(struct env *env, const struct file_range *range)
{
	uint8_t bytes[WARM_READ_BYTES];

	for (size_t done = 0; done < range->len;) {
		ssize_t n = env->ops->pread(env, range->file->fd, bytes,
					    MIN(range->len - done, sizeof(bytes)),
					    range->pos + (int64_t)done);

		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

/* The disk gets all of the ranges to work on before the first is waited for. */
static void warm_run(struct env_work *work)
{
	struct log_warm *w = CONTAINER_OF(work, struct log_warm, work);
	struct env *env = w->env;

	for (size_t i = 0; env->ops->prefetch && i < w->count; i++) {
		const struct log_warm_range *r = &w->ranges[i];

		env->ops->prefetch(env, r->range.file->fd, r->range.pos,
				   (int64_t)(r->range.len + r->ahead_bytes));
	}
	for (size_t i = 0; i < w->count; i++)
		warm_range(env, &w->ranges[i].range);
}

static void warm_done(struct env_work *work)
{
	struct log_warm *w = CONTAINER_OF(work, struct log_warm, work);

	for (size_t i = 0; i < w->count; i++)
		file_unref(w->ranges[i].range.file);
	free(w->ranges);
	w->ranges = NULL;
	w->count = w->cap = 0;
	w->done(w);
}

void log_warm_start(struct log_warm *w, struct env *env, void (*done)(struct log_warm *w))
{
	assert(w->count > 0);
	w->env = env;
	w->done = done;
	w->work = (struct env_work){.run = warm_run, .done = warm_done};
	env->ops->work(env, &w->work);
}

/* ---- For work that goes on by itself --------------------------------------------------------- */

struct log_warmer {
	struct log_warm warm;
	size_t ahead_bytes;
	void (*done)(void *ctx);	/* NULL: its owner is gone, or does not want to know */
	void *ctx;
	struct file_range cold;
	struct log_tries tries;
	bool is_busy, is_trying, is_freed;
};

struct log_warmer *log_warmer_new(size_t ahead_bytes, void (*warm)(void *ctx), void *ctx)
{
	struct log_warmer *w = xcalloc(1, sizeof(*w));

	w->ahead_bytes = ahead_bytes;
	w->done = warm;
	w->ctx = ctx;
	return w;
}

void log_warmer_free(struct log_warmer *w)
{
	if (!w)
		return;
	w->is_freed = true;
	if (!w->is_busy)
		free(w);
}

bool log_warmer_is_busy(const struct log_warmer *w)
{
	return w->is_busy;
}

static void warmer_done(struct log_warm *warm)
{
	struct log_warmer *w = CONTAINER_OF(warm, struct log_warmer, warm);

	w->is_busy = false;
	if (w->is_freed)
		free(w);
	else if (w->done)
		w->done(w->ctx);
}

struct file_range *log_warmer_place(struct log_warmer *w)
{
	assert(!w->is_busy && !w->cold.file);
	return log_tries_left(&w->tries) ? &w->cold : NULL;
}

bool log_warmer_starts(struct log_warmer *w, struct env *env)
{
	struct file_range cold = w->cold;

	w->cold = (struct file_range){0};
	if (!cold.file) {
		w->tries = (struct log_tries){0};
		return false;
	}
	log_tries_note(&w->tries, &cold);
	w->is_busy = true;
	log_warm_add(&w->warm, &cold, w->ahead_bytes);
	log_warm_start(&w->warm, env, warmer_done);
	return true;
}

void log_warmer_try(struct log_warmer *w, struct log_pool *pool)
{
	assert(!w->is_trying);
	w->is_trying = log_warmer_place(w) != NULL;
	if (w->is_trying)
		log_pool_try(pool);
}

int log_warmer_tried(struct log_warmer *w, struct log_pool *pool, int rc)
{
	if (w->is_trying)
		log_pool_wait(pool, &w->cold);
	w->is_trying = false;
	(void)log_warmer_starts(w, log_pool_env(pool));
	return rc;
}
