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

size_t log_warm_bytes(unsigned tries)
{
	return tries < 10 ? WARM_FIRST_BYTES << tries : WARM_BYTES_MAX;
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
