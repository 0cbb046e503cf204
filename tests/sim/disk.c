#include "sim/disk.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define SECTOR_BYTES 512
#define METADATA_DIR "__cluster_metadata-0" /* nothing is garbled there */
#define HANDLES_MAX 4096

struct content {
	uint8_t *data;
	size_t len;
};

struct inode;

struct name {
	char *text;
	struct inode *inode;
};

struct names {
	struct name *items;
	size_t count, cap;
};

struct inode {
	unsigned refs; /* names, durable names, handles, undone steps */
	bool is_dir;
	struct content seen, durable;
	struct content dropped; /* as it was when an fsync failed: counts as clean, and is not */
	struct names names, durable_names; /* of a directory */
	int64_t mtime_ms;
};

/* A change of a directory that is not durable yet: `name` is `inode` now, or nothing. */
struct step {
	struct inode *dir;
	char *name;
	struct inode *inode;
};

struct sim_disk {
	struct sim_disk_options options;
	struct inode *root;
	struct step *steps;
	size_t step_count, step_cap;
	struct inode *handles[HANDLES_MAX];
	bool is_off;
};

/* What becomes of unsynced writes. */
enum crash_kind { CRASH_TEARS, CRASH_LOSES_ALL };

static struct sim_disk *(*find_disk)(struct env *env);

/* ---- Inodes and names ------------------------------------------------------------------------ */

static void names_clear(struct names *n);

static struct inode *inode_ref(struct inode *i)
{
	i->refs++;
	return i;
}

static void inode_unref(struct inode *i)
{
	if (!i || --i->refs)
		return;
	names_clear(&i->names);
	names_clear(&i->durable_names);
	free(i->names.items);
	free(i->durable_names.items);
	free(i->seen.data);
	free(i->durable.data);
	free(i->dropped.data);
	free(i);
}

static struct name *names_find(struct names *n, const char *name, size_t len)
{
	for (size_t i = 0; i < n->count; i++) {
		if (strncmp(n->items[i].text, name, len) == 0 && n->items[i].text[len] == '\0')
			return &n->items[i];
	}
	return NULL;
}

/* `inode` NULL: the name goes. */
static void names_set(struct names *n, const char *text, struct inode *inode)
{
	struct name *name = names_find(n, text, strlen(text));

	if (inode)
		inode_ref(inode);
	if (name) {
		inode_unref(name->inode);
		name->inode = inode;
		if (!inode) {
			free(name->text);
			*name = n->items[--n->count];
		}
		return;
	}
	if (!inode)
		return;
	n->items = grow_array(n->items, n->count, &n->cap, sizeof(*n->items));
	n->items[n->count++] = (struct name){xstrdup(text), inode};
}

static void names_clear(struct names *n)
{
	while (n->count) {
		struct name last = n->items[--n->count];

		free(last.text);
		inode_unref(last.inode);
	}
}

/* Where a path leads: its directory and last part. -ENOENT. */
struct place {
	struct inode *dir;
	const char *name;
	struct inode *inode; /* NULL: no such name */
};

static int disk_find(struct sim_disk *d, const char *path, struct place *out)
{
	*out = (struct place){.dir = d->root, .name = "", .inode = d->root};
	while (*path == '/')
		path++;
	while (*path) {
		size_t len = strcspn(path, "/");
		struct name *name;

		if (!out->inode)
			return -ENOENT;
		if (!out->inode->is_dir)
			return -ENOTDIR;
		out->dir = out->inode;
		out->name = path;
		name = names_find(&out->dir->names, path, len);
		out->inode = name ? name->inode : NULL;
		path += len;
		while (*path == '/')
			path++;
	}
	return 0;
}

static void disk_step(struct sim_disk *d, struct inode *dir, const char *name, struct inode *inode)
{
	names_set(&dir->names, name, inode);
	d->steps = grow_array(d->steps, d->step_count, &d->step_cap, sizeof(*d->steps));
	d->steps[d->step_count++] =
		(struct step){inode_ref(dir), xstrdup(name), inode ? inode_ref(inode) : NULL};
}

static void step_free(struct step *s)
{
	inode_unref(s->dir);
	free(s->name);
	inode_unref(s->inode);
}

static void step_apply(struct step *s)
{
	names_set(&s->dir->durable_names, s->name, s->inode);
	step_free(s);
}

static struct inode *inode_new(bool is_dir, int64_t mtime_ms)
{
	struct inode *i = xcalloc(1, sizeof(*i));

	i->is_dir = is_dir;
	i->mtime_ms = mtime_ms;
	return i;
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct sim_disk *sim_disk_new(const struct sim_disk_options *options)
{
	struct sim_disk *d = xcalloc(1, sizeof(*d));

	d->options = *options;
	d->root = inode_ref(inode_new(true, 0));
	return d;
}

static void drop_steps(struct sim_disk *d, size_t from)
{
	for (size_t i = from; i < d->step_count; i++)
		step_free(&d->steps[i]);
	d->step_count = 0;
}

void sim_disk_wipe(struct sim_disk *d)
{
	drop_steps(d, 0);
	names_clear(&d->root->names);
	names_clear(&d->root->durable_names);
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
	inode_unref(d->root);
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

/* What was being written in [pos, end) comes out as anything. */
static void sector_garble(struct sim_disk *d, uint8_t *data, const struct content *seen,
			  const struct content *durable, size_t pos, size_t end)
{
	while (pos < end && pos < seen->len && pos < durable->len &&
	       seen->data[pos] == durable->data[pos])
		pos++;
	if (pos < MIN(end, seen->len))
		rng_fill(d->options.rng, data + pos, MIN(end, seen->len) - pos);
}

/* Of the changed sectors: any, all or none; and any length between the two. */
static void inode_tear(struct sim_disk *d, struct inode *i, enum crash_kind kind, uint32_t garbles)
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
		if (is_new && garbles && rng_below(d->options.rng, 1000000) < garbles)
			sector_garble(d, data, seen, durable, pos, MIN(len, pos + SECTOR_BYTES));
	}
	free(seen->data);
	*seen = (struct content){data, len};
	content_copy(durable, seen);
	free(i->dropped.data);
	i->dropped = (struct content){0};
}

/* A directory as it is on the platter, and all that is below it. */
static void dir_crash(struct sim_disk *d, struct inode *dir, enum crash_kind kind, uint32_t garbles)
{
	names_clear(&dir->names);
	for (size_t i = 0; i < dir->durable_names.count; i++) {
		struct name *name = &dir->durable_names.items[i];

		names_set(&dir->names, name->text, name->inode);
		if (name->inode->is_dir)
			dir_crash(d, name->inode, kind,
				  strcmp(name->text, METADATA_DIR) == 0 ? 0 : garbles);
		else
			inode_tear(d, name->inode, kind, garbles);
	}
}

void sim_disk_kill(struct sim_disk *d)
{
	for (size_t i = 0; i < HANDLES_MAX; i++) {
		inode_unref(d->handles[i]);
		d->handles[i] = NULL;
	}
}

void sim_disk_crash(struct sim_disk *d)
{
	enum crash_kind kind = rng_below(d->options.rng, 3) ? CRASH_TEARS : CRASH_LOSES_ALL;
	size_t kept = kind == CRASH_TEARS ? rng_below(d->options.rng, d->step_count + 1) : 0;

	for (size_t i = 0; i < kept; i++)
		step_apply(&d->steps[i]);
	drop_steps(d, kept);
	sim_disk_kill(d);
	dir_crash(d, d->root, kind, d->options.garbles);
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

static int op_open(struct env *env, const char *path, unsigned flags)
{
	struct sim_disk *d = find_disk(env);
	struct place p;
	int fd = 0, rc;

	if (d->is_off)
		return -EIO;
	rc = disk_find(d, path, &p);
	if (rc < 0)
		return rc;
	if (p.inode && (flags & ENV_EXCLUSIVE))
		return -EEXIST;
	if (p.inode && p.inode->is_dir && (flags & ENV_WRITE))
		return -EISDIR;
	if (!p.inode && !(flags & ENV_CREATE))
		return -ENOENT;
	while (fd < HANDLES_MAX && d->handles[fd])
		fd++;
	if (fd == HANDLES_MAX)
		return -EMFILE;
	if (!p.inode) {
		p.inode = inode_new(false, env_wall_ms(env));
		disk_step(d, p.dir, p.name, p.inode);
	} else if (flags & ENV_TRUNCATE) {
		p.inode->seen.len = 0;
	}
	d->handles[fd] = inode_ref(p.inode);
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
	struct place p;
	int rc = d->is_off ? -EIO : disk_find(d, path, &p);

	if (rc < 0 || !p.inode)
		return rc < 0 ? rc : -ENOENT;
	inode_stat(p.inode, out);
	return 0;
}

static int op_rename(struct env *env, const char *from, const char *to)
{
	struct sim_disk *d = find_disk(env);
	struct place source, target;
	int rc = d->is_off ? -EIO : disk_find(d, from, &source);

	if (rc == 0)
		rc = disk_find(d, to, &target);
	if (rc < 0 || !source.inode)
		return rc < 0 ? rc : -ENOENT;
	if (target.inode && target.inode->is_dir && target.inode->names.count)
		return -ENOTEMPTY;
	inode_ref(source.inode);
	/* in this order: a crash between the two leaves both names, never none */
	disk_step(d, target.dir, target.name, source.inode);
	disk_step(d, source.dir, source.name, NULL);
	inode_unref(source.inode);
	return 0;
}

static int op_unlink(struct env *env, const char *path)
{
	struct sim_disk *d = find_disk(env);
	struct place p;
	int rc = d->is_off ? -EIO : disk_find(d, path, &p);

	if (rc < 0 || !p.inode)
		return rc < 0 ? rc : -ENOENT;
	if (p.inode->is_dir && p.inode->names.count)
		return -ENOTEMPTY;
	disk_step(d, p.dir, p.name, NULL);
	return 0;
}

static int op_mkdir(struct env *env, const char *path)
{
	struct sim_disk *d = find_disk(env);
	struct place p;
	int rc = d->is_off ? -EIO : disk_find(d, path, &p);

	if (rc < 0 || p.inode)
		return rc < 0 ? rc : -EEXIST;
	disk_step(d, p.dir, p.name, inode_new(true, env_wall_ms(env)));
	return 0;
}

static int op_fsync_dir(struct env *env, const char *path)
{
	struct sim_disk *d = find_disk(env);
	struct place p;
	int rc = disk_fault(d, SIM_FSYNC);
	size_t kept = 0;

	if (rc == 0)
		rc = disk_find(d, path, &p);
	if (rc < 0 || !p.inode)
		return rc < 0 ? rc : -ENOENT;
	for (size_t i = 0; i < d->step_count; i++) {
		if (d->steps[i].dir == p.inode)
			step_apply(&d->steps[i]);
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
	struct place p;
	struct name *copy;
	size_t count;
	int rc = d->is_off ? -EIO : disk_find(d, path, &p);

	if (rc < 0 || !p.inode)
		return rc < 0 ? rc : -ENOENT;
	/* entries come and go meanwhile */
	count = p.inode->names.count;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = (struct name){xstrdup(p.inode->names.items[i].text),
					inode_ref(p.inode->names.items[i].inode)};
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			rc = entry(ctx, copy[i].text, copy[i].inode->is_dir);
		free(copy[i].text);
		inode_unref(copy[i].inode);
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
