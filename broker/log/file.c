/* The pool: what the logs of a shard share, above all their open files. */
#include "base/mem.h"
#include "log/log_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_OPEN_FILES 1024

struct pool_file {
	struct file_ref ref;
	struct env *env;
};

struct log_pool *log_pool_new(struct env *env, const struct log_pool_options *options)
{
	struct log_pool *pool = xcalloc(1, sizeof(*pool));
	struct log_pool_options *o = &pool->options;

	pool->env = env;
	if (options)
		*o = *options;
	o->open_files_max = o->open_files_max ? o->open_files_max : DEFAULT_OPEN_FILES;
	if (!o->producer_id_expiration_ms)
		o->producer_id_expiration_ms = 86400000;
	if (!o->producer_check_interval_ms)
		o->producer_check_interval_ms = 600000;
	if (!o->retention_check_interval_ms)
		o->retention_check_interval_ms = 300000;
	if (!o->flush_check_interval_ms)
		o->flush_check_interval_ms = 1000;
	if (!o->transaction_timeout_max_ms)
		o->transaction_timeout_max_ms = 900000;
	list_init(&pool->open_files);
	return pool;
}

void log_pool_free(struct log_pool *pool)
{
	if (!pool)
		return;
	assert(list_empty(&pool->open_files));
	assert(!pool->is_trying && !pool->cold.file);
	compressor_free(pool->codecs);
	free(pool->scratch);
	free(pool);
}

struct env *log_pool_env(struct log_pool *pool)
{
	return pool->env;
}

struct compressor *log_pool_compressor(struct log_pool *pool)
{
	if (!pool->codecs)
		pool->codecs = compressor_new();
	return pool->codecs;
}

uint8_t *pool_scratch(struct log_pool *pool, size_t len)
{
	if (pool->scratch_len < len) {
		pool->scratch_len = MAX(len, (size_t)LOG_SCAN_BYTES);
		free(pool->scratch);
		pool->scratch = xmalloc(pool->scratch_len);
	}
	return pool->scratch;
}

void file_path(char path[LOG_PATH_MAX], const char *dir, int64_t base, const char *suffix)
{
	int n = snprintf(path, LOG_PATH_MAX, "%s/%020" PRId64 "%s", dir, base, suffix);

	assert(n > 0 && n < LOG_PATH_MAX);	/* log_open refused longer directories */
}

/* On any thread: the env's close is. */
static void pool_file_release(struct file_ref *ref)
{
	struct pool_file *file = CONTAINER_OF(ref, struct pool_file, ref);

	file->env->ops->close(file->env, ref->fd);
	free(file);
}

struct file_ref *pool_file_new(struct env *env, int fd)
{
	struct pool_file *file = xmalloc(sizeof(*file));

	file->env = env;
	atomic_init(&file->ref.ref_count, 1);
	file->ref.fd = fd;
	file->ref.release = pool_file_release;
	return &file->ref;
}

ssize_t pool_read(struct log_pool *pool, struct file_ref *file, void *data, size_t len, int64_t pos)
{
	ssize_t n;

	if (!pool->is_trying)
		return env_read(pool->env, file->fd, data, len, pos);
	n = env_read_hot(pool->env, file->fd, data, len, pos);
	if (n == E_COLD) {
		file_unref(pool->cold.file);
		pool->cold = (struct file_range){.file = file_ref(file), .pos = pos, .len = len};
	}
	return n;
}

void log_pool_try(struct log_pool *pool)
{
	assert(!pool->is_trying);
	pool->is_trying = true;
}

void log_pool_wait(struct log_pool *pool, struct file_range *cold)
{
	assert(pool->is_trying);
	pool->is_trying = false;
	*cold = pool->cold;
	pool->cold = (struct file_range){0};
}

void file_drop(struct log_pool *pool, struct log_file *file)
{
	if (!file->ref)
		return;
	list_remove(&file->lru);
	pool->open_count--;
	file_unref(file->ref);
	file->ref = NULL;
}

int file_use(struct log_pool *pool, struct log_file *file, const char *dir, int64_t base,
	     const char *suffix, unsigned flags)
{
	char path[LOG_PATH_MAX];
	int fd;

	if (file->ref) {
		list_remove(&file->lru);
		list_push_back(&pool->open_files, &file->lru);
		return 0;
	}
	while (pool->open_count >= pool->options.open_files_max)
		file_drop(pool, LIST_FIRST(&pool->open_files, struct log_file, lru));
	file_path(path, dir, base, suffix);
	fd = pool->env->ops->open(pool->env, path, ENV_WRITE | flags);
	/* The process is at its limit: give back what is not in use. */
	while ((fd == -EMFILE || fd == -ENFILE) && pool->open_count > 0) {
		file_drop(pool, LIST_FIRST(&pool->open_files, struct log_file, lru));
		fd = pool->env->ops->open(pool->env, path, ENV_WRITE | flags);
	}
	if (fd < 0)
		return fd;
	file->ref = pool_file_new(pool->env, fd);
	list_push_back(&pool->open_files, &file->lru);
	pool->open_count++;
	return 0;
}
