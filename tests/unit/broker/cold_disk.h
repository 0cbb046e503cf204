/* A disk whose pages are in memory or not, as the test says: for tests of what a shard does when it
 * would have to wait. cold_disk_start() takes over the reading operations of an env; pages become
 * hot when they are read or written, cold_disk_chill() forgets them all. Work that may block is
 * kept until cold_disk_work(). Include after cmocka.h; one disk in a test program. */
#ifndef KAVKA_TESTS_UNIT_BROKER_COLD_DISK_H
#define KAVKA_TESTS_UNIT_BROKER_COLD_DISK_H

#include "base/env.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define COLD_PAGE_BYTES 4096
#define COLD_FILES_MAX 1024
#define COLD_PAGES_MAX 2048

static struct cold_disk {
	ino_t inodes[COLD_FILES_MAX];
	bool is_hot[COLD_FILES_MAX][COLD_PAGES_MAX];
	unsigned file_count;
	struct env_work *works[64];
	unsigned work_count;
	bool is_working;	/* on "another thread" now */
	bool forgets;		/* memory is so short that nothing stays */
	unsigned blocked_count; /* reads on the shard that had to wait for the disk */
	unsigned prefetch_count;
} cold_disk;

static bool *cold_pages(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (unsigned i = 0; i < cold_disk.file_count; i++)
		if (cold_disk.inodes[i] == st.st_ino)
			return cold_disk.is_hot[i];
	assert_true(cold_disk.file_count < COLD_FILES_MAX);
	cold_disk.inodes[cold_disk.file_count] = st.st_ino;
	return cold_disk.is_hot[cold_disk.file_count++];
}

static bool cold_is_hot(struct env *env UNUSED, int fd, int64_t pos, int64_t len)
{
	const bool *pages = cold_pages(fd);

	for (int64_t page = pos / COLD_PAGE_BYTES; page * COLD_PAGE_BYTES < pos + len; page++)
		if (!pages[page])
			return false;
	return true;
}

static void cold_heat(int fd, int64_t pos, int64_t len)
{
	bool *pages = cold_pages(fd);

	assert_true((pos + len) / COLD_PAGE_BYTES < COLD_PAGES_MAX);
	for (int64_t page = pos / COLD_PAGE_BYTES; page * COLD_PAGE_BYTES < pos + len; page++)
		pages[page] = !cold_disk.forgets;
}

static ssize_t cold_pread(struct env *env, int fd, void *data, size_t len, int64_t pos)
{
	if (!cold_disk.is_working && !cold_is_hot(env, fd, pos, (int64_t)len))
		cold_disk.blocked_count++;
	cold_heat(fd, pos, (int64_t)len);
	return env_posix_ops.pread(env, fd, data, len, pos);
}

static ssize_t cold_pread_hot(struct env *env, int fd, void *data, size_t len, int64_t pos)
{
	size_t first = (size_t)(COLD_PAGE_BYTES - pos % COLD_PAGE_BYTES);

	if (!cold_is_hot(env, fd, pos, 1))
		return -EAGAIN;
	return env_posix_ops.pread(env, fd, data, len < first ? len : first, pos);
}

static void cold_prefetch(struct env *env UNUSED, int fd UNUSED, int64_t pos UNUSED,
			  int64_t len UNUSED)
{
	assert_true(cold_disk.is_working);
	cold_disk.prefetch_count++;
}

static ssize_t cold_pwrite(struct env *env, int fd, const void *data, size_t len, int64_t pos)
{
	cold_heat(fd, pos, (int64_t)len);
	return env_posix_ops.pwrite(env, fd, data, len, pos);
}

static void cold_work(struct env *env UNUSED, struct env_work *work)
{
	assert_true(cold_disk.work_count < 64);
	cold_disk.works[cold_disk.work_count++] = work;
}

/* Does what is waiting to be done (not what that brings up); whether there was something. */
static inline bool cold_disk_work(void)
{
	struct env_work *works[64];
	unsigned count = cold_disk.work_count;

	memcpy(works, cold_disk.works, sizeof(works));
	cold_disk.work_count = 0;
	for (unsigned i = 0; i < count; i++) {
		cold_disk.is_working = true;
		works[i]->run(works[i]);
		cold_disk.is_working = false;
		works[i]->done(works[i]);
	}
	return count > 0;
}

static inline void cold_disk_chill(void)
{
	memset(cold_disk.is_hot, 0, sizeof(cold_disk.is_hot));
	cold_disk.blocked_count = cold_disk.prefetch_count = 0;
}

static inline void cold_disk_start(struct env_ops *ops)
{
	memset(&cold_disk, 0, sizeof(cold_disk));
	ops->pread = cold_pread;
	ops->pread_hot = cold_pread_hot;
	ops->is_hot = cold_is_hot;
	ops->prefetch = cold_prefetch;
	ops->pwrite = cold_pwrite;
	ops->work = cold_work;
}

#endif
