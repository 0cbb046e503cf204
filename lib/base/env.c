#include "env.h"

#include "err.h"
#include "fault.h"
#include "mem.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>

ssize_t env_read(struct env *env, int fd, void *data, size_t len, int64_t pos)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = env->ops->pread(env, fd, (char *)data + done, len - done,
					    pos + (int64_t)done);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t env_read_hot(struct env *env, int fd, void *data, size_t len, int64_t pos)
{
	size_t done = 0;

	if (!env->ops->pread_hot)
		return env_read(env, fd, data, len, pos);
	while (done < len) {
		ssize_t n = env->ops->pread_hot(env, fd, (char *)data + done, len - done,
						pos + (int64_t)done);

		if (n < 0)
			return n == -EAGAIN ? E_COLD : n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

bool env_is_hot(struct env *env, int fd, int64_t pos, int64_t len)
{
	return !env->ops->is_hot || env->ops->is_hot(env, fd, pos, len);
}

int env_write(struct env *env, int fd, const void *data, size_t len, int64_t pos)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = env->ops->pwrite(env, fd, (const char *)data + done, len - done,
					     pos + (int64_t)done);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

int env_write_file(struct env *env, const char *path, const void *data, size_t len)
{
	char *temporary = xasprintf("%s.tmp", path);
	char *dir = xstrdup(path);
	int fd, rc;

	fd = env->ops->open(env, temporary, ENV_WRITE | ENV_CREATE | ENV_TRUNCATE);
	if (fd < 0) {
		rc = fd;
		goto done;
	}
	rc = env_write(env, fd, data, len, 0);
	if (rc == 0)
		rc = env->ops->fsync(env, fd);
	env->ops->close(env, fd);
	if (rc == 0)
		rc = env->ops->rename(env, temporary, path);
	if (rc == 0)
		rc = env->ops->fsync_dir(env, dirname(dir));
done:
	free(dir);
	free(temporary);
	return rc;
}

int env_make_dir(struct env *env, const char *path)
{
	char *parent = xstrdup(path);
	int rc = env->ops->mkdir(env, path);

	if (rc == 0 && !FAULT(name_unsynced)) {
		rc = env->ops->fsync_dir(env, dirname(parent));
		/* where one may write, but not look */
		if (rc == -EACCES)
			rc = 0;
	}
	free(parent);
	return rc;
}

int env_read_file(struct env *env, const char *path, size_t max, char **data, size_t *len)
{
	struct env_stat st;
	ssize_t n;
	int fd, rc;

	fd = env->ops->open(env, path, ENV_READ);
	if (fd < 0)
		return fd;
	rc = env->ops->fstat(env, fd, &st);
	if (rc == 0 && (uint64_t)st.size_bytes > max)
		rc = E_TOO_LARGE;
	if (rc == 0) {
		*data = xmalloc((size_t)st.size_bytes + 1);
		n = env_read(env, fd, *data, (size_t)st.size_bytes, 0);
		if (n < 0) {
			rc = (int)n;
			free(*data);
		} else {
			*len = (size_t)n;
			(*data)[n] = '\0';
		}
	}
	env->ops->close(env, fd);
	return rc;
}
