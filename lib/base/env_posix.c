#include "env.h"

#include "clock.h"
#include "rng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int64_t posix_wall_ms(struct env *env UNUSED)
{
	return clock_wall_ms();
}

static int64_t posix_mono_us(struct env *env UNUSED)
{
	return clock_mono_us();
}

static void posix_random(struct env *env UNUSED, void *data, size_t len)
{
	rng_system(data, len);
}

static void posix_work(struct env *env UNUSED, struct env_work *work)
{
	work->run(work);
	work->done(work);
}

static int posix_open(struct env *env UNUSED, const char *path, unsigned flags)
{
	int mode = O_CLOEXEC | (flags & ENV_WRITE ? O_RDWR : O_RDONLY);

	mode |= flags & ENV_CREATE ? O_CREAT : 0;
	mode |= flags & ENV_EXCLUSIVE ? O_EXCL : 0;
	mode |= flags & ENV_TRUNCATE ? O_TRUNC : 0;
	return result(open(path, mode, 0644));
}

static void posix_close(struct env *env UNUSED, int fd)
{
	close(fd);
}

static ssize_t posix_pread(struct env *env UNUSED, int fd, void *data, size_t len, int64_t pos)
{
	ssize_t n;

	do {
		n = pread(fd, data, len, pos);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Where RWF_NOWAIT is not known (tmpfs, old kernels) or not allowed, files are read as ever. */
static ssize_t posix_pread_hot(struct env *env, int fd, void *data, size_t len, int64_t pos)
{
	struct iovec iov = {.iov_base = data, .iov_len = len};
	ssize_t n;

	do {
		n = preadv2(fd, &iov, 1, pos, RWF_NOWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return posix_pread(env, fd, data, len, pos);
	return n < 0 ? -EAGAIN : n;
}

/* cachestat(2) of Linux 6.5, which older headers do not name. */
#define CACHESTAT_NUMBER 451

struct cache_range {
	uint64_t pos, len;
};

struct cache_stat {
	uint64_t cached, dirty, in_writeback, evicted, recently_evicted;
};

/* Without cachestat, one byte in so many is looked at: what the disk reads ahead at once. */
#define HOT_SAMPLE_BYTES (128 * 1024)

/* One look counts the pages; one at the last byte tells whether they have arrived, too. */
static bool posix_is_hot(struct env *env, int fd, int64_t pos, int64_t len)
{
	int64_t page_bytes = sysconf(_SC_PAGESIZE);
	struct cache_range range = {(uint64_t)pos, (uint64_t)len};
	struct cache_stat stat = {0};
	uint64_t pages;
	char byte;

	if (len <= 0)
		return true;
	if (posix_pread_hot(env, fd, &byte, 1, pos + len - 1) < 0)
		return false;
	pages = (uint64_t)((pos + len - 1) / page_bytes - pos / page_bytes + 1);
	if (syscall(CACHESTAT_NUMBER, fd, &range, &stat, 0) == 0)
		return stat.cached >= pages;
	for (int64_t at = 0; at < len; at += HOT_SAMPLE_BYTES)
		if (posix_pread_hot(env, fd, &byte, 1, pos + at) < 0)
			return false;
	return true;
}

static void posix_prefetch(struct env *env UNUSED, int fd, int64_t pos, int64_t len)
{
	(void)!posix_fadvise(fd, pos, len, POSIX_FADV_WILLNEED);
}

static ssize_t posix_pwrite(struct env *env UNUSED, int fd, const void *data, size_t len,
			    int64_t pos)
{
	ssize_t n;

	do {
		n = pwrite(fd, data, len, pos);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int posix_truncate(struct env *env UNUSED, int fd, int64_t size_bytes)
{
	return result(ftruncate(fd, size_bytes));
}

static int posix_allocate(struct env *env UNUSED, int fd, int64_t pos, int64_t len)
{
	return result(fallocate(fd, FALLOC_FL_KEEP_SIZE, pos, len));
}

static int posix_fsync(struct env *env UNUSED, int fd)
{
	return result(fdatasync(fd));
}

static void stat_convert(const struct stat *st, struct env_stat *out)
{
	out->size_bytes = st->st_size;
	out->mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
	out->is_dir = S_ISDIR(st->st_mode);
}

static int posix_fstat(struct env *env UNUSED, int fd, struct env_stat *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	stat_convert(&st, out);
	return 0;
}

static int posix_set_mtime(struct env *env UNUSED, int fd, int64_t mtime_ms)
{
	struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = mtime_ms / 1000, .tv_nsec = mtime_ms % 1000 * 1000000},
	};

	return result(futimens(fd, times));
}

static int posix_stat(struct env *env UNUSED, const char *path, struct env_stat *out)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	stat_convert(&st, out);
	return 0;
}

static int posix_rename(struct env *env UNUSED, const char *from, const char *to)
{
	return result(rename(from, to));
}

static int posix_unlink(struct env *env UNUSED, const char *path)
{
	return result(unlink(path));
}

static int posix_mkdir(struct env *env UNUSED, const char *path)
{
	return result(mkdir(path, 0755));
}

static int posix_rmdir(struct env *env UNUSED, const char *path)
{
	return result(rmdir(path));
}

static int posix_fsync_dir(struct env *env UNUSED, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = result(fsync(fd));
	close(fd);
	return rc;
}

/* Seen by processes that take the traditional lock (Java does), too. */
static int posix_lock(struct env *env UNUSED, int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

static int posix_list(struct env *env UNUSED, const char *path,
		      int (*entry)(void *ctx, const char *name, bool is_dir), void *ctx)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int rc = 0;

	if (!dir)
		return -errno;
	while (rc == 0) {
		bool is_dir;
		struct stat st;

		errno = 0;
		d = readdir(dir);
		if (!d) {
			rc = -errno;
			break;
		}
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		is_dir = d->d_type == DT_DIR;
		if ((d->d_type == DT_UNKNOWN || d->d_type == DT_LNK) &&
		    fstatat(dirfd(dir), d->d_name, &st, 0) == 0)
			is_dir = S_ISDIR(st.st_mode);
		rc = entry(ctx, d->d_name, is_dir);
	}
	closedir(dir);
	return rc;
}

const struct env_ops env_posix_ops = {
	.wall_ms = posix_wall_ms,
	.mono_us = posix_mono_us,
	.random = posix_random,
	.work = posix_work,
	.open = posix_open,
	.close = posix_close,
	.pread = posix_pread,
	.pread_hot = posix_pread_hot,
	.is_hot = posix_is_hot,
	.prefetch = posix_prefetch,
	.pwrite = posix_pwrite,
	.truncate = posix_truncate,
	.allocate = posix_allocate,
	.fsync = posix_fsync,
	.fstat = posix_fstat,
	.set_mtime = posix_set_mtime,
	.stat = posix_stat,
	.rename = posix_rename,
	.unlink = posix_unlink,
	.mkdir = posix_mkdir,
	.rmdir = posix_rmdir,
	.fsync_dir = posix_fsync_dir,
	.lock = posix_lock,
	.list = posix_list,
};

void env_posix_init(struct env *env)
{
	*env = (struct env){.ops = &env_posix_ops};
}
