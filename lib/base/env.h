/* The world as a core sees it: time, randomness, files, and work that may block.
 *
 * Cores (log, raft, controller, groups, replica state) never call the system; they are given a
 * `struct env` and call it through the env_*() functions below. broker/server binds it to POSIX and
 * the shard's loop (env_posix_init() gives the file part), tests/sim to a virtual clock and faulty
 * disks. One env belongs to one shard; no function here may be called from another thread.
 *
 * Errors: 0 or more on success, -errno on failure. */
#ifndef KAVKA_BASE_ENV_H
#define KAVKA_BASE_ENV_H

#include "check.h"

#include <stdbool.h>
#include <sys/types.h>

struct env;

enum env_open_flag {
	ENV_READ = 0,
	ENV_WRITE = 1,		/* read and write */
	ENV_CREATE = 2,		/* make it if missing */
	ENV_EXCLUSIVE = 4,	/* with ENV_CREATE: fail if it exists */
	ENV_TRUNCATE = 8,
};

struct env_stat {
	int64_t size_bytes;
	int64_t mtime_ms;
	bool is_dir;
};

/* A piece of work that may block. `run` is called once, on another thread: it may touch only what
 * the work itself owns; its result goes to `rc`. Then `done` is called on the shard. The caller
 * owns the struct and keeps it until `done`. In the simulator both happen as later events. */
struct env_work {
	void (*run)(struct env_work *work);
	void (*done)(struct env_work *work);
	int rc;
	void *impl;	/* the binding's */
};

struct env_ops {
	int64_t (*wall_ms)(struct env *env);
	int64_t (*mono_us)(struct env *env);
	void (*random)(struct env *env, void *data, size_t len);
	void (*work)(struct env *env, struct env_work *work);

	int (*open)(struct env *env, const char *path, unsigned flags);	/* a handle >= 0 */
	void (*close)(struct env *env, int fd);
	ssize_t (*pread)(struct env *env, int fd, void *data, size_t len, int64_t pos);
	/* pread that does not wait for the disk: -EAGAIN if the first byte is not in memory, and
	 * perhaps fewer bytes than are. NULL: this env's disks never keep anybody waiting. */
	ssize_t (*pread_hot)(struct env *env, int fd, void *data, size_t len, int64_t pos);
	/* Whether all of the range is in memory, as far as can be told cheaply. NULL as above. */
	bool (*is_hot)(struct env *env, int fd, int64_t pos, int64_t len);
	/* Has the disk begin to read the range. Any thread; a hint. NULL as above. */
	void (*prefetch)(struct env *env, int fd, int64_t pos, int64_t len);
	ssize_t (*pwrite)(struct env *env, int fd, const void *data, size_t len, int64_t pos);
	int (*truncate)(struct env *env, int fd, int64_t size_bytes);
	int (*allocate)(struct env *env, int fd, int64_t pos, int64_t len);
	int (*fsync)(struct env *env, int fd);
	int (*fstat)(struct env *env, int fd, struct env_stat *out);
	int (*set_mtime)(struct env *env, int fd, int64_t mtime_ms);
	int (*stat)(struct env *env, const char *path, struct env_stat *out);
	int (*rename)(struct env *env, const char *from, const char *to);
	int (*unlink)(struct env *env, const char *path);
	int (*mkdir)(struct env *env, const char *path);
	int (*rmdir)(struct env *env, const char *path);
	int (*fsync_dir)(struct env *env, const char *path);
	/* An exclusive lock of the file until it is closed; -EAGAIN if somebody else has it. NULL:
	 * this env has no locks. */
	int (*lock)(struct env *env, int fd);
	/* Calls `entry` for each name but "." and ".."; stops when it returns non-zero. */
	int (*list)(struct env *env, const char *path,
		    int (*entry)(void *ctx, const char *name, bool is_dir), void *ctx);
};

struct env {
	const struct env_ops *ops;
	void *impl;
};

static inline int64_t env_wall_ms(struct env *env)
{
	return env->ops->wall_ms(env);
}
static inline int64_t env_mono_us(struct env *env)
{
	return env->ops->mono_us(env);
}

/* Whole-length forms. env_read: returns bytes read, less than `len` only at the end of the file.
 * env_read_hot: the same, or E_COLD if some of it is not in memory (then *data is undefined).
 * env_write: 0, or -errno; a short write goes on until all is written or an error comes. */
MUST_USE ssize_t env_read(struct env *env, int fd, void *data, size_t len, int64_t pos);
MUST_USE ssize_t env_read_hot(struct env *env, int fd, void *data, size_t len, int64_t pos);
bool env_is_hot(struct env *env, int fd, int64_t pos, int64_t len);
MUST_USE int env_write(struct env *env, int fd, const void *data, size_t len, int64_t pos);

/* Writes a small file so that it is either the old or the new one after a crash: PATH.tmp, fsync,
 * rename, fsync of the directory. */
MUST_USE int env_write_file(struct env *env, const char *path, const void *data, size_t len);
/* Makes a directory, whose name is on the disk when this returns. -EEXIST, -errno. */
MUST_USE int env_make_dir(struct env *env, const char *path);

/* Reads a whole file of at most `max` bytes; gives malloc'ed bytes with a '\0' behind them.
 * -errno (-ENOENT), E_TOO_LARGE. */
MUST_USE int env_read_file(struct env *env, const char *path, size_t max, char **data, size_t *len);

/* The file operations, clocks and random numbers of the machine; `work` runs at once, on the
 * caller's thread (for tools and tests; the server replaces it). */
extern const struct env_ops env_posix_ops;
void env_posix_init(struct env *env);

#endif
