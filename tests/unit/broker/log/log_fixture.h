/* For the tests of broker/log: a directory of its own, a clock that the test moves, and a disk that
 * fails when told to. Header only: each test program includes it once. */
#ifndef KAVKA_TESTS_LOG_FIXTURE_H
#define KAVKA_TESTS_LOG_FIXTURE_H

#include "base/env.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/log.h"
#include "log/log_dir.h"
#include "wire/batch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES(text) ((struct slice){.data = (const uint8_t *)(text), .len = sizeof(text) - 1})

enum fault { FAULT_NONE, FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME, FAULT_OPEN, FAULT_TRUNCATE,
	     FAULT_ANY };

/* A binding of env to the real disk, with faults: counts the calls of a kind and fails the n-th. */
struct fixture {
	struct env env;
	struct env_ops ops;
	int64_t now_ms;
	uint64_t random;
	enum fault fault;
	int fail_at;		/* 1-based; 0: never */
	int calls;
	int fail_code;
	bool fail_short;	/* a failing write leaves half of its bytes */
	bool defer_work;
	struct env_work *works[64];
	unsigned work_count;
	char root[64];
	char path[128];
	struct log_pool *pool;
	struct log_config config;
	struct log_options options;
	int failed_count;
	struct log *log;
};

static inline bool fixture_fails(struct env *env, enum fault fault)
{
	struct fixture *f = env->impl;

	if (f->fault != fault && f->fault != FAULT_ANY)
		return false;
	return ++f->calls == f->fail_at;
}

static inline int64_t fixture_now(struct env *env)
{
	return ((struct fixture *)env->impl)->now_ms;
}

static inline void fixture_random(struct env *env, void *data, size_t len)
{
	struct fixture *f = env->impl;
	uint8_t *p = data;

	while (len--) {
		f->random = f->random * 6364136223846793005u + 1442695040888963407u;
		*p++ = (uint8_t)(f->random >> 56);
	}
}

static inline void fixture_work(struct env *env, struct env_work *work)
{
	struct fixture *f = env->impl;

	if (f->defer_work) {
		assert_true(f->work_count < 64);
		f->works[f->work_count++] = work;
		return;
	}
	work->run(work);
	work->done(work);
}

static inline void fixture_run_works(struct fixture *f)
{
	for (unsigned i = 0; i < f->work_count; i++) {
		f->works[i]->run(f->works[i]);
		f->works[i]->done(f->works[i]);
	}
	f->work_count = 0;
}

static inline int fixture_open(struct env *env, const char *path, unsigned flags)
{
	if (fixture_fails(env, FAULT_OPEN))
		return ((struct fixture *)env->impl)->fail_code;
	return env_posix_ops.open(env, path, flags);
}

static inline ssize_t fixture_pwrite(struct env *env, int fd, const void *data, size_t len,
				     int64_t pos)
{
	struct fixture *f = env->impl;

	if (!fixture_fails(env, FAULT_WRITE))
		return env_posix_ops.pwrite(env, fd, data, len, pos);
	if (f->fail_short)
		assert_true(env_posix_ops.pwrite(env, fd, data, len / 2, pos) >= 0);
	return f->fail_code;
}

static inline int fixture_fsync(struct env *env, int fd)
{
	if (fixture_fails(env, FAULT_FSYNC))
		return ((struct fixture *)env->impl)->fail_code;
	return env_posix_ops.fsync(env, fd);
}

static inline int fixture_rename(struct env *env, const char *from, const char *to)
{
	if (fixture_fails(env, FAULT_RENAME))
		return ((struct fixture *)env->impl)->fail_code;
	return env_posix_ops.rename(env, from, to);
}

static inline int fixture_truncate(struct env *env, int fd, int64_t size_bytes)
{
	if (fixture_fails(env, FAULT_TRUNCATE))
		return ((struct fixture *)env->impl)->fail_code;
	return env_posix_ops.truncate(env, fd, size_bytes);
}

static inline int fixture_fsync_dir(struct env *env, const char *path UNUSED)
{
	return fixture_fails(env, FAULT_FSYNC) ? ((struct fixture *)env->impl)->fail_code : 0;
}

static inline void fixture_failed(void *ctx, struct log *log UNUSED, int rc UNUSED,
				  const char *text UNUSED)
{
	((struct fixture *)ctx)->failed_count++;
}

static inline void fixture_init(struct fixture *f)
{
	*f = (struct fixture){.now_ms = 1700000000000, .fail_code = -EIO, .random = 1};
	f->ops = env_posix_ops;
	f->ops.wall_ms = fixture_now;
	f->ops.random = fixture_random;
	f->ops.work = fixture_work;
	f->ops.open = fixture_open;
	f->ops.pwrite = fixture_pwrite;
	f->ops.fsync = fixture_fsync;
	f->ops.rename = fixture_rename;
	f->ops.truncate = fixture_truncate;
	f->ops.fsync_dir = fixture_fsync_dir;
	f->env = (struct env){.ops = &f->ops, .impl = f};
	snprintf(f->root, sizeof(f->root), "/tmp/kavka-log-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->path, sizeof(f->path), "%s/topic-0", f->root);
	f->pool = log_pool_new(&f->env, NULL);
	log_config_default(&f->config);
	f->config.segment_bytes = 64 * 1024;
	f->config.index_interval_bytes = 512;
	f->options = LOG_OPTIONS_DEFAULT;
	f->options.failed = fixture_failed;
	f->options.ctx = f;
}

static inline void fixture_remove(const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static inline void fixture_fini(struct fixture *f)
{
	if (f->log)
		log_abandon(f->log);
	log_pool_free(f->pool);
	fixture_remove(f->root);
}

static inline int fixture_try_open_log(struct fixture *f)
{
	struct err err = {0};

	return log_open(&f->log, f->pool, f->path, &f->config, &f->options, &err);
}

static inline void fixture_open_log(struct fixture *f)
{
	assert_int_equal(fixture_try_open_log(f), 0);
}

static inline void fixture_close_log(struct fixture *f)
{
	struct log *log = f->log;

	f->log = NULL;
	assert_int_equal(log_close(log, NULL), 0);
}

/* As after kill -9: what was written is there, nothing else. */
static inline void fixture_crash(struct fixture *f)
{
	log_abandon(f->log);
	f->log = NULL;
}

/* ---- Batches --------------------------------------------------------------------------------- */

struct batch_spec {
	int count;
	size_t value_len;
	int64_t timestamp;
	int64_t producer_id;	/* 0: none */
	int16_t producer_epoch;
	int32_t base_sequence;
	bool is_transactional;
	enum compression codec;
	const char *key;	/* NULL: no key */
};

static inline uint8_t *spec_build(struct fixture *f, const struct batch_spec *spec, size_t *len)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct slice out;
	uint8_t *value = xcalloc(1, spec->value_len + 1), *bytes;

	options.codec = spec->codec;
	if (spec->producer_id) {
		options.producer_id = spec->producer_id;
		options.producer_epoch = spec->producer_epoch;
		options.base_sequence = spec->base_sequence;
		options.is_transactional = spec->is_transactional;
	}
	memset(value, 'v', spec->value_len);
	batch_builder_init(&bb, &options);
	for (int i = 0; i < MAX(spec->count, 1); i++) {
		struct slice v = {.data = value, .len = spec->value_len};
		struct slice k = {.data = (const uint8_t *)spec->key,
				  .len = spec->key ? strlen(spec->key) : 0};

		assert_int_equal(batch_builder_add(&bb,
						   spec->timestamp ? spec->timestamp : f->now_ms,
						   k, v, NULL, 0), 0);
	}
	assert_int_equal(batch_builder_finish(&bb, log_pool_compressor(f->pool), &out), 0);
	bytes = xmemdup(out.data, out.len);
	*len = out.len;
	slice_unref(&out);
	batch_builder_fini(&bb);
	free(value);
	return bytes;
}

static inline int append_as(struct fixture *f, const struct batch_spec *spec, int32_t epoch,
			    enum log_origin origin, struct log_append_info *info)
{
	struct arena arena;
	struct log_append request = {.leader_epoch = epoch, .origin = origin, .arena = &arena};
	int rc;

	arena_init(&arena);
	request.data = spec_build(f, spec, &request.len);
	rc = log_append_leader(f->log, &request, info, NULL);
	free(request.data);
	info->error_text = NULL;
	info->record_errors = NULL;
	arena_fini(&arena);
	return rc;
}

static inline struct log_append_info append(struct fixture *f, struct batch_spec spec)
{
	struct log_append_info info;

	assert_int_equal(append_as(f, &spec, 1, LOG_ORIGIN_CLIENT, &info), 0);
	return info;
}

static inline struct log_append_info append_ok(struct fixture *f, struct batch_spec spec)
{
	struct log_append_info info = append(f, spec);

	assert_int_equal(info.error, KERR_NONE);
	return info;
}

static inline void end_txn(struct fixture *f, int64_t producer_id, int16_t epoch, bool commit)
{
	struct log_append_info info;
	struct log_marker marker = {.producer_id = producer_id, .producer_epoch = epoch,
				    .coordinator_epoch = 3, .is_commit = commit, .leader_epoch = 1};

	assert_int_equal(log_append_marker(f->log, &marker, &info, NULL), 0);
	assert_int_equal(info.error, KERR_NONE);
}

/* Reads everything from `offset` to the end; gives the number of records and checks their order. */
static inline int64_t read_all(struct fixture *f, int64_t offset)
{
	int64_t count = 0, next = offset;

	while (next < log_end_offset(f->log)) {
		struct slice bytes;
		const uint8_t *at;
		struct batch b;
		size_t left;

		assert_int_equal(log_read_copy(f->log, next, 4000, log_end_offset(f->log), &bytes,
					       NULL), 0);
		if (!bytes.data)
			break;
		at = bytes.data;
		left = bytes.len;
		while (batch_next(&b, &at, &left) == 1) {
			assert_true(batch_crc_ok(&b));
			assert_true(batch_last_offset(&b) >= next);
			count += b.record_count;
			next = batch_next_offset(&b);
		}
		assert_int_equal(left, 0);
		slice_unref(&bytes);
	}
	return count;
}

static inline int64_t file_size(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

#endif
