/* The snapshots beside the log, and the parts of the log that they make superfluous. */
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <errno.h>
#include <inttypes.h>

#define SAY_PLACE "broker/raft"

static int entry_cmp(const void *a, const void *b)
{
	const struct snapshot_entry *x = a, *y = b;

	if (x->id.end_offset != y->id.end_offset)
		return x->id.end_offset < y->id.end_offset ? -1 : 1;
	return (x->id.epoch > y->id.epoch) - (x->id.epoch < y->id.epoch);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

char *raft_snapshot_path(const struct raft *r, struct snapshot_id id)
{
	char name[SNAPSHOT_NAME_MAX];

	return xasprintf("%s/%s", r->dir, snapshot_name(id, name));
}

static void snapshot_list_add(struct raft *r, struct snapshot_id id)
{
	struct snapshot_list *list = &r->snapshots;
	char *path = raft_snapshot_path(r, id);
	struct env_stat stat = {0};

	if (r->options.env->ops->stat(r->options.env, path, &stat) < 0)
		stat.mtime_ms = env_wall_ms(r->options.env);
	free(path);
	list->items = grow_array(list->items, list->count, &list->cap, sizeof(*list->items));
	list->items[list->count++] = (struct snapshot_entry){id, stat.size_bytes, stat.mtime_ms};
	qsort(list->items, list->count, sizeof(*list->items), entry_cmp);
}

static int snapshot_found(void *ctx, const char *name, bool is_dir)
{
	struct raft *r = ctx;
	struct snapshot_id id;
	char *path;

	if (is_dir)
		return 0;
	if (snapshot_parse_name(name, &id)) {
		snapshot_list_add(r, id);
	} else if (ends_with(name, ".checkpoint.part") || ends_with(name, ".checkpoint.deleted")) {
		path = xasprintf("%s/%s", r->dir, name);
		(void)r->options.env->ops->unlink(r->options.env, path);
		free(path);
	}
	return 0;
}

int raft_snapshots_load(struct raft *r, struct err *err)
{
	int rc = r->options.env->ops->list(r->options.env, r->dir, snapshot_found, r);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? err_sys(err, rc, "%s", r->dir) : 0;
}

struct snapshot_id raft_latest_snapshot(const struct raft *r)
{
	const struct snapshot_list *list = &r->snapshots;

	return list->count ? list->items[list->count - 1].id : SNAPSHOT_NONE;
}

struct snapshot_id raft_earliest_snapshot(const struct raft *r)
{
	return r->snapshots.count ? r->snapshots.items[0].id : SNAPSHOT_NONE;
}

void raft_snapshot_written(struct raft *r, struct snapshot_id id)
{
	snapshot_list_add(r, id);
}

/* Removes the oldest one from the list and the disk. */
static void snapshot_list_drop_first(struct raft *r)
{
	struct snapshot_list *list = &r->snapshots;
	char *path = raft_snapshot_path(r, list->items[0].id);
	int rc = r->options.env->ops->unlink(r->options.env, path);

	if (rc < 0 && rc != -ENOENT)
		say_warn("cannot remove %s: %s", path, err_text(rc));
	free(path);
	memmove(list->items, list->items + 1, (list->count - 1) * sizeof(*list->items));
	list->count--;
}

void raft_snapshots_drop_before(struct raft *r, int64_t offset)
{
	while (r->snapshots.count && r->snapshots.items[0].id.end_offset < offset)
		snapshot_list_drop_first(r);
}

static bool snapshot_list_wants_drop(const struct raft *r)
{
	const struct snapshot_list *list = &r->snapshots;
	int64_t total = log_size_bytes(r->log);

	if (list->count < 2)
		return false;
	for (size_t i = 0; i < list->count; i++)
		total += list->items[i].size_bytes;
	if (r->options.retention_bytes >= 0 && total > r->options.retention_bytes)
		return true;
	return r->options.retention_ms >= 0 &&
	       env_wall_ms(r->options.env) - list->items[0].timestamp_ms > r->options.retention_ms;
}

int raft_clean(struct raft *r, struct err *err)
{
	int rc = 0;

	while (rc == 0 && snapshot_list_wants_drop(r)) {
		int64_t start = r->snapshots.items[1].id.end_offset;

		if (start > r->high_watermark)
			break;
		rc = log_follow_start(r->log, start, err);
		if (rc == 0)
			rc = log_retain(r->log, NULL, err);
		if (rc == 0)
			snapshot_list_drop_first(r);
	}
	return rc < 0 ? raft_fail(r, rc, err) : 0;
}
