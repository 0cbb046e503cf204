#include "sim/disk.h"

#include "base/mem.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>

#define SECTOR_BYTES 512
#define HANDLES_MAX 4096

struct content {
	uint8_t *data;
	size_t len;
};

struct inode {
	unsigned refs; /* names, durable names, handles, undone steps */
	bool is_dir;
	struct content seen, durable;
	struct content dropped; /* as it was when an fsync failed: counts as clean, and is not */
	int64_t mtime_ms;
};

struct name {
	char *path;
	struct inode *inode;
};

struct names {
	struct name *items;
	size_t count, cap;
};

/* A change of a directory that is not durable yet: `path` names `inode` now, or nothing. */
struct step {
	char *path;
	struct inode *inode;
};

struct sim_disk {
	struct sim_disk_options options;
	struct names seen, durable;
	struct step *steps;
	size_t step_count, step_cap;
	struct inode *handles[HANDLES_MAX];
	bool is_off;
};

/* What becomes of unsynced writes. */
enum crash_kind { CRASH_TEARS, CRASH_LOSES_ALL };

static struct sim_disk *(*find_disk)(struct env *env);

/* ---- Inodes and names ------------------------------------------------------------------------ */

static struct inode *inode_ref(struct inode *i)
{
	i->refs++;
	return i;
}

static void inode_unref(struct inode *i)
{
	if (!i || --i->refs)
		return;
	free(i->seen.data);
	free(i->durable.data);
	free(i->dropped.data);
	free(i);
}

static struct name *names_find(struct names *n, const char *path)
{
	for (size_t i = 0; i < n->count; i++) {
		if (strcmp(n->items[i].path, path) == 0)
			return &n->items[i];
	}
	return NULL;
}

/* `inode` NULL: the name goes. */
static void names_set(struct names *n, const char *path, struct inode *inode)
{
	struct name *name = names_find(n, path);

	if (inode)
		inode_ref(inode);
	if (name) {
		inode_unref(name->inode);
		name->inode = inode;
		if (!inode) {
			free(name->path);
			*name = n->items[--n->count];
		}
		return;
	}
	if (!inode)
		return;
	n->items = grow_array(n->items, n->count, &n->cap, sizeof(*n->items));
	n->items[n->count++] = (struct name){xstrdup(path), inode};
}

static void names_clear(struct names *n)
{
	for (size_t i = 0; i < n->count; i++) {
		free(n->items[i].path);
		inode_unref(n->items[i].inode);
	}
	n->count = 0;
}

static void disk_step(struct sim_disk *d, const char *path, struct inode *inode)
{
	names_set(&d->seen, path, inode);
	d->steps = grow_array(d->steps, d->step_count, &d->step_cap, sizeof(*d->steps));
	d->steps[d->step_count++] = (struct step){xstrdup(path), inode ? inode_ref(inode) : NULL};
}

static void step_apply(struct sim_disk *d, struct step *s)
{
	names_set(&d->durable, s->path, s->inode);
	free(s->path);
	inode_unref(s->inode);
}

static bool is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/');
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct sim_disk *sim_disk_new(const struct sim_disk_options *options)
{
	struct sim_disk *d = xcalloc(1, sizeof(*d));

	d->options = *options;
	return d;
}

static void drop_steps(struct sim_disk *d, size_t from)
{
	for (size_t i = from; i < d->step_count; i++) {
		free(d->steps[i].path);
		inode_unref(d->steps[i].inode);
	}
	d->step_count = 0;
}

void sim_disk_wipe(struct sim_disk *d)
{
	drop_steps(d, 0);
	names_clear(&d->seen);
	names_clear(&d->durable);
	for (size_t i = 0; i < HANDLES_MAX; i++) {
		inode_unref(d->handles[i]);
		d->handles[i] = NULL;
	}
}

void sim_disk_free(struct sim_disk *d)
{
	if (!d)
		return;
	sim_disk_wipe(d);
	free(d->seen.items);
	free(d->durable.items);
	free(d->steps);
	free(d);
}

static void content_copy(struct content *to, const struct content *from)
{
	free(to->data);
	to->data = from->len ? xmemdup(from->data, from->len) : NULL;
	to->len = from->len;
}

static bool sector_eq(const struct content *a, const struct content *b, size_t pos, size_t end)
{
	size_t a_len = MIN(a->len, end), b_len = MIN(b->len, end);

	if (a_len <= pos || b_len <= pos)
		return a_len <= pos && b_len <= pos;
	return a_len == b_len && memcmp(a->data + pos, b->data + pos, a_len - pos) == 0;
}

/* What an fsync brings to the platter after one that failed: sectors written since. */
static void content_sync_rest(struct inode *i)
{
	struct content now = {0};

	content_copy(&now, &i->seen);
	for (size_t pos = 0; pos < now.len; pos += SECTOR_BYTES) {
		size_t end = MIN(now.len, pos + SECTOR_BYTES);
		size_t old = i->durable.len > pos ? MIN(i->durable.len, end) - pos : 0;

		if (!sector_eq(&i->seen, &i->dropped, pos, end))
			continue;
		memset(now.data + pos, 0, end - pos);
		if (old)
			memcpy(now.data + pos, i->durable.data + pos, old);
	}
	free(i->durable.data);
	i->durable = now;
}

/* Of the changed sectors: any, all or none; and any length between the two. */
static void inode_tear(struct sim_disk *d, struct inode *i, enum crash_kind kind)
{
	struct content *seen = &i->seen, *durable = &i->durable;
	size_t low = MIN(seen->len, durable->len), high = MAX(seen->len, durable->len), len = low;
	uint8_t *data = xcalloc(high + 1, 1);

	if (kind == CRASH_LOSES_ALL) {
		len = durable->len;
	} else if (high > low) {
		uint64_t choice = rng_below(d->options.rng, 3);

		len = choice == 0   ? seen->len
		      : choice == 1 ? durable->len
				    : low + rng_below(d->options.rng, high - low + 1);
	}
	for (size_t pos = 0; pos < len; pos += SECTOR_BYTES) {
		bool is_new = kind == CRASH_TEARS && rng_below(d->options.rng, 2);
		const struct content *from = is_new ? seen : durable;

		if (pos < from->len)
			memcpy(data + pos, from->data + pos,
			       MIN(MIN((size_t)SECTOR_BYTES, from->len - pos), len - pos));
	}
	free(seen->data);
	*seen = (struct content){data, len};
	content_copy(durable, seen);
	free(i->dropped.data);
	i->dropped = (struct content){0};
}

void sim_disk_crash(struct sim_disk *d)
{
	enum crash_kind kind = rng_below(d->options.rng, 3) ? CRASH_TEARS : CRASH_LOSES_ALL;
	size_t kept = kind == CRASH_TEARS ? rng_below(d->options.rng, d->step_count + 1) : 0;

	for (size_t i = 0; i < kept; i++)
		step_apply(d, &d->steps[i]);
	drop_steps(d, kept);
	names_clear(&d->seen);
	for (size_t i = 0; i < d->durable.count; i++)
		names_set(&d->seen, d->durable.items[i].path, d->durable.items[i].inode);
	for (size_t i = 0; i < HANDLES_MAX; i++) {
		inode_unref(d->handles[i]);
		d->handles[i] = NULL;
	}
	for (size_t i = 0; i < d->seen.count; i++) {
		if (!d->seen.items[i].inode->is_dir)
			inode_tear(d, d->seen.items[i].inode, kind);
	}
	d->is_off = true;
}

void sim_disk_power_on(struct sim_disk *d)
{
	d->is_off = false;
}

/* ---- Operations ------------------------------------------------------------------------------ */

static int disk_fault(struct sim_disk *d, enum sim_fault what)
{
	if (d->is_off)
		return -EIO;
	return d->options.fault ? d->options.fault(d->options.ctx, what) : 0;
}

static struct inode *handle_inode(struct sim_disk *d, int fd)
{
	return fd >= 0 && fd < HANDLES_MAX && !d->is_off ? d->handles[fd] : NULL;
}

static struct inode *disk_create(struct sim_disk *d, struct env *env, const char *path, bool is_dir)
{
	struct inode *i = xcalloc(1, sizeof(*i));

	i->is_dir = is_dir;
	i->mtime_ms = env_wall_ms(env);
	disk_step(d, path, i);
	return i;
}

static int op_open(struct env *env, const char *path, unsigned flags)
{
	struct sim_disk *d = find_disk(env);
	struct name *name = names_find(&d->seen, path);
	struct inode *i = name ? name->inode : NULL;
	int fd = 0;

	if (d->is_off)
		return -EIO;
	if (i && (flags & ENV_EXCLUSIVE))
		return -EEXIST;
	if (i && i->is_dir)
		return -EISDIR;
	if (!i && !(flags & ENV_CREATE))
		return -ENOENT;
	while (fd < HANDLES_MAX && d->handles[fd])
		fd++;
	if (fd == HANDLES_MAX)
		return -EMFILE;
	if (!i)
		i = disk_create(d, env, path, false);
	else if (flags & ENV_TRUNCATE)
		i->seen.len = 0;
	d->handles[fd] = inode_ref(i);
	return fd;
}

static void op_close(struct env *env, int fd)
{
	struct sim_disk *d = find_disk(env);

	if (!handle_inode(d, fd))
		return;
	inode_unref(d->handles[fd]);
	d->handles[fd] = NULL;
}

static ssize_t op_pread(struct env *env, int fd, void *data, size_t len, int64_t pos)
{
	struct sim_disk *d = find_disk(env);
	struct inode *i = handle_inode(d, fd);
	int rc = disk_fault(d, SIM_READ);

	if (rc < 0 || !i)
		return rc < 0 ? rc : -EBADF;
	if ((size_t)pos >= i->seen.len)
		return 0;
	len = MIN(len, i->seen.len - (size_t)pos);
	memcpy(data, i->seen.data + pos, len);
	return (ssize_t)len;
}

static void content_resize(struct content *c, size_t len)
{
	c->data = xrealloc(c->data, len + 1);
	if (len > c->len)
		memset(c->data + c->len, 0, len - c->len);
	c->len = len;
}

static ssize_t op_pwrite(struct env *env, int fd, const void *data, size_t len, int64_t pos)
{
	struct sim_disk *d = find_disk(env);
	struct inode *i = handle_inode(d, fd);
	int rc = disk_fault(d, SIM_WRITE);

	if (rc < 0 || !i)
		return rc < 0 ? rc : -EBADF;
	if ((size_t)pos + len > i->seen.len)
		content_resize(&i->seen, (size_t)pos + len);
	memcpy(i->seen.data + pos, data, len);
	i->mtime_ms = env_wall_ms(env);
	return (ssize_t)len;
}

static int op_truncate(struct env *env, int fd, int64_t size_bytes)
{
	struct sim_disk *d = find_disk(env);
	struct inode *i = handle_inode(d, fd);

	if (!i)
		return d->is_off ? -EIO : -EBADF;
	content_resize(&i->seen, (size_t)size_bytes);
	return 0;
}

static int op_allocate(struct env *env, int fd, int64_t pos, int64_t len)
{
	struct sim_disk *d = find_disk(env);
	struct inode *i = handle_inode(d, fd);

	if (!i)
		return d->is_off ? -EIO : -EBADF;
	if ((size_t)(pos + len) > i->seen.len)
		content_resize(&i->seen, (size_t)(pos + len));
	return 0;
}

static int op_fsync(struct env *env, int fd)
{
	struct sim_disk *d = find_disk(env);
	struct inode *i = handle_inode(d, fd);
	int rc = disk_fault(d, SIM_FSYNC);

	if (!i)
		return d->is_off ? -EIO : -EBADF;
	if (rc < 0)
		content_copy(&i->dropped, &i->seen);
	else if (i->dropped.data)
		content_sync_rest(i);
	else
		content_copy(&i->durable, &i->seen);
	return rc;
}

static void inode_stat(const struct inode *i, struct env_stat *out)
{
	*out = (struct env_stat){(int64_t)i->seen.len, i->mtime_ms, i->is_dir};
}

static int op_fstat(struct env *env, int fd, struct env_stat *out)
{
	struct sim_disk *d = find_disk(env);
	struct inode *i = handle_inode(d, fd);

	if (!i)
		return d->is_off ? -EIO : -EBADF;
	inode_stat(i, out);
	return 0;
}

static int op_set_mtime(struct env *env, int fd, int64_t mtime_ms)
{
	struct inode *i = handle_inode(find_disk(env), fd);

	if (!i)
		return -EBADF;
	i->mtime_ms = mtime_ms;
	return 0;
}

static int op_stat(struct env *env, const char *path, struct env_stat *out)
{
	struct sim_disk *d = find_disk(env);
	struct name *name = names_find(&d->seen, path);

	if (d->is_off || !name)
		return d->is_off ? -EIO : -ENOENT;
	inode_stat(name->inode, out);
	return 0;
}

static int op_rename(struct env *env, const char *from, const char *to)
{
	struct sim_disk *d = find_disk(env);
	struct name *name = names_find(&d->seen, from);
	struct inode *i = name ? name->inode : NULL;

	if (d->is_off || !i)
		return d->is_off ? -EIO : -ENOENT;
	inode_ref(i);
	/* in this order: a crash between the two leaves both names, never none */
	disk_step(d, to, i);
	disk_step(d, from, NULL);
	inode_unref(i);
	return 0;
}

static int op_unlink(struct env *env, const char *path)
{
	struct sim_disk *d = find_disk(env);

	if (d->is_off || !names_find(&d->seen, path))
		return d->is_off ? -EIO : -ENOENT;
	disk_step(d, path, NULL);
	return 0;
}

static int op_mkdir(struct env *env, const char *path)
{
	struct sim_disk *d = find_disk(env);

	if (d->is_off)
		return -EIO;
	if (names_find(&d->seen, path))
		return -EEXIST;
	disk_create(d, env, path, true);
	return 0;
}

static int op_fsync_dir(struct env *env, const char *path)
{
	struct sim_disk *d = find_disk(env);
	int rc = disk_fault(d, SIM_FSYNC);
	size_t kept = 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < d->step_count; i++) {
		if (is_in(d->steps[i].path, path))
			step_apply(d, &d->steps[i]);
		else
			d->steps[kept++] = d->steps[i];
	}
	d->step_count = kept;
	return 0;
}

static int op_list(struct env *env, const char *path,
		   int (*entry)(void *ctx, const char *name, bool is_dir), void *ctx)
{
	struct sim_disk *d = find_disk(env);
	struct name *copy;
	size_t count = 0;
	int rc = 0;

	if (d->is_off || !names_find(&d->seen, path))
		return d->is_off ? -EIO : -ENOENT;
	/* the callback may change the directory */
	copy = xcalloc(d->seen.count + 1, sizeof(*copy));
	for (size_t i = 0; i < d->seen.count; i++) {
		if (is_in(d->seen.items[i].path, path))
			copy[count++] = (struct name){xstrdup(d->seen.items[i].path),
						      d->seen.items[i].inode};
	}
	for (size_t i = 0; i < count; i++) {
		bool is_dir = copy[i].inode->is_dir;

		if (rc == 0)
			rc = entry(ctx, copy[i].path + strlen(path) + 1, is_dir);
		free(copy[i].path);
	}
	free(copy);
	return rc;
}

void sim_disk_ops(struct env_ops *ops, struct sim_disk *(*get)(struct env *env))
{
	find_disk = get;
	ops->open = op_open;
	ops->close = op_close;
	ops->pread = op_pread;
	ops->pwrite = op_pwrite;
	ops->truncate = op_truncate;
	ops->allocate = op_allocate;
	ops->fsync = op_fsync;
	ops->fstat = op_fstat;
	ops->set_mtime = op_set_mtime;
	ops->stat = op_stat;
	ops->rename = op_rename;
	ops->unlink = op_unlink;
	ops->mkdir = op_mkdir;
	ops->rmdir = op_unlink;
	ops->fsync_dir = op_fsync_dir;
	ops->list = op_list;
}
