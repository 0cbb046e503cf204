/* Loading a partition directory: which files are there, and what an unclean end left behind.
 *
 *	X.deleted	was to be removed: removed now
 *	X.cleaned	the cleaner had not finished writing: removed
 *	X.swap		the cleaner had finished: what it replaces goes, and it gets its name; but
 *			not those at or above the smallest .cleaned: their group was unfinished
 * Source: LogLoader.java. */
#include "base/err.h"
#include "base/mem.h"
#include "base/say.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "broker/log"
#define BASE_DIGITS 20

enum file_kind { FILE_LOG, FILE_INDEX, FILE_TIMEINDEX, FILE_TXNINDEX, FILE_SNAPSHOT, FILE_KINDS };
enum file_state { FILE_PLAIN, FILE_DELETED, FILE_CLEANED, FILE_SWAP, FILE_STATES };

static const char *const kind_suffixes[FILE_KINDS] = {
	".log", ".index", ".timeindex", ".txnindex", ".snapshot",
};
static const char *const state_suffixes[FILE_STATES] = {"", ".deleted", ".cleaned", ".swap"};

struct found {
	int64_t base;
	enum file_kind kind;
	enum file_state state;
	bool is_gone;
};

struct found_list {
	struct found *items;
	size_t count, cap;
};

static bool found_parse(const char *name, struct found *out)
{
	uint64_t base = 0;

	for (int i = 0; i < BASE_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		base = base * 10 + (uint64_t)(name[i] - '0');
	}
	if (base > INT64_MAX)
		return false;
	name += BASE_DIGITS;
	for (int kind = 0; kind < FILE_KINDS; kind++) {
		size_t len = strlen(kind_suffixes[kind]);

		if (strncmp(name, kind_suffixes[kind], len) != 0)
			continue;
		for (int state = 0; state < FILE_STATES; state++) {
			if (strcmp(name + len, state_suffixes[state]) != 0)
				continue;
			*out = (struct found){.base = (int64_t)base, .kind = (enum file_kind)kind,
					      .state = (enum file_state)state};
			return true;
		}
	}
	return false;
}

static int found_entry(void *ctx, const char *name, bool is_dir)
{
	struct found_list *list = ctx;
	struct found found;

	if (is_dir || !found_parse(name, &found))
		return 0;
	list->items = grow_array(list->items, list->count, &list->cap, sizeof(found));
	list->items[list->count++] = found;
	return 0;
}

static void found_path(const struct log *log, const struct found *f, char path[LOG_PATH_MAX])
{
	char suffix[32];

	snprintf(suffix, sizeof(suffix), "%s%s", kind_suffixes[f->kind], state_suffixes[f->state]);
	file_path(path, log->path, f->base, suffix);
}

static int found_remove(struct log *log, struct found *f)
{
	char path[LOG_PATH_MAX];
	int rc;

	found_path(log, f, path);
	rc = log_env(log)->ops->unlink(log_env(log), path);
	f->is_gone = true;
	return rc == -ENOENT ? 0 : rc;
}

/* Where the offsets in a .swap file end. */
static int swap_end(struct log *log, const struct found *f, int64_t *end_offset)
{
	struct env *env = log_env(log);
	uint8_t header[BATCH_HEADER_BYTES];
	char path[LOG_PATH_MAX];
	int64_t pos = 0;
	int fd;

	found_path(log, f, path);
	fd = env->ops->open(env, path, ENV_READ);
	if (fd < 0)
		return fd;
	*end_offset = f->base;
	for (;;) {
		ssize_t n = env_read(env, fd, header, sizeof(header), pos);
		struct batch b;

		if (n < 0 || batch_parse_header_any(&b, header, (size_t)n) < 0) {
			env->ops->close(env, fd);
			return n < 0 ? (int)n : 0;
		}
		*end_offset = batch_next_offset(&b);
		pos += (int64_t)b.size_bytes;
	}
}

/* What the .swap logs replace: plain files with a base in [low, high). */
static int swap_range(struct log *log, const struct found_list *list, int64_t *low, int64_t *high)
{
	*low = INT64_MAX;
	*high = -1;
	for (size_t i = 0; i < list->count; i++) {
		const struct found *f = &list->items[i];
		int64_t end_offset;
		int rc;

		if (f->is_gone || f->state != FILE_SWAP || f->kind != FILE_LOG)
			continue;
		rc = swap_end(log, f, &end_offset);
		if (rc < 0)
			return rc;
		*low = MIN(*low, f->base);
		*high = MAX(*high, MAX(end_offset, f->base + 1));
	}
	return 0;
}

static int finish_swaps(struct log *log, struct found_list *list)
{
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX];
	int64_t low, high;
	int rc = swap_range(log, list, &low, &high);

	for (size_t i = 0; rc == 0 && i < list->count; i++) {
		struct found *f = &list->items[i];

		if (!f->is_gone && f->state == FILE_PLAIN && f->kind != FILE_SNAPSHOT &&
		    f->base >= low && f->base < high)
			rc = found_remove(log, f);
	}
	for (size_t i = 0; rc == 0 && i < list->count; i++) {
		struct found *f = &list->items[i];

		if (f->is_gone || f->state != FILE_SWAP)
			continue;
		found_path(log, f, from);
		f->state = FILE_PLAIN;
		found_path(log, f, to);
		rc = log_env(log)->ops->rename(log_env(log), from, to);
	}
	if (rc == 0 && high >= 0)
		rc = log_env(log)->ops->fsync_dir(log_env(log), log->path);
	return rc;
}

static int remove_leftovers(struct log *log, struct found_list *list)
{
	int64_t cleaned = INT64_MAX;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].state == FILE_CLEANED)
			cleaned = MIN(cleaned, list->items[i].base);
	for (size_t i = 0; i < list->count; i++) {
		struct found *f = &list->items[i];
		int rc = 0;

		if (f->state == FILE_DELETED || f->state == FILE_CLEANED ||
		    (f->state == FILE_SWAP && f->base >= cleaned))
			rc = found_remove(log, f);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static struct segment *segment_by_base(const struct log *log, int64_t base)
{
	ssize_t at = log_segment_index(log, base);

	return at >= 0 && log->segments[at]->base_offset == base ? log->segments[at] : NULL;
}

/* Segments for the .log files, then what belongs to them. */
static int make_segments(struct log *log, struct found_list *list)
{
	struct env *env = log_env(log);
	char path[LOG_PATH_MAX];

	for (size_t i = 0; i < list->count; i++) {
		struct found *f = &list->items[i];
		struct segment *s;
		struct env_stat st;
		int rc;

		if (f->is_gone || f->kind != FILE_LOG || segment_by_base(log, f->base))
			continue;
		found_path(log, f, path);
		rc = env->ops->stat(env, path, &st);
		if (rc < 0)
			return rc;
		s = segment_new(log, f->base);
		s->size_bytes = st.size_bytes;
		s->mtime_ms = s->created_ms = st.mtime_ms;
		log->size_bytes += st.size_bytes;
		log_segment_insert(log, s);
	}
	for (size_t i = 0; i < list->count; i++) {
		struct found *f = &list->items[i];
		struct segment *s = segment_by_base(log, f->base);
		int rc;

		if (f->is_gone || f->kind == FILE_LOG)
			continue;
		if (f->kind == FILE_SNAPSHOT) {
			snapshots_add(&log->snapshots, f->base);
			continue;
		}
		if (!s) {
			found_path(log, f, path);
			say_warn("%s: removing an index without its log", path);
			rc = found_remove(log, f);
			if (rc < 0)
				return rc;
			continue;
		}
		s->offsets.exists |= f->kind == FILE_INDEX;
		s->times.exists |= f->kind == FILE_TIMEINDEX;
		s->has_txn_index |= f->kind == FILE_TXNINDEX;
	}
	return 0;
}

/* The offset to recover from, INT64_MAX: nothing to do. */
static int recovery_need(struct log *log, int64_t *recover_from)
{
	*recover_from = log->options.was_clean ? INT64_MAX : log->options.recovery_point;
	for (size_t i = 0; i < log->segment_count; i++) {
		struct segment *s = log->segments[i];
		struct aborted_txn *txns;
		size_t count;
		int rc;

		if (s->base_offset >= *recover_from)
			return 0;
		rc = txn_index_read(s, &txns, &count);
		free(txns);
		if (rc < 0 && rc != E_CORRUPT)
			return rc;
		if (!s->offsets.exists || !s->times.exists || rc == E_CORRUPT) {
			say_warn("%s: segment %" PRId64 " has no sound index, rebuilding it",
				 log->name, s->base_offset);
			*recover_from = s->base_offset;
		}
	}
	return 0;
}

int log_load_segments(struct log *log, int64_t *recover_from, struct err *err)
{
	struct found_list list = {0};
	int rc = log_env(log)->ops->list(log_env(log), log->path, found_entry, &list);

	if (rc == 0)
		rc = remove_leftovers(log, &list);
	if (rc == 0)
		rc = finish_swaps(log, &list);
	if (rc == 0)
		rc = make_segments(log, &list);
	if (rc == 0)
		rc = recovery_need(log, recover_from);
	if (log->segment_count == 0)
		*recover_from = INT64_MAX;
	free(list.items);
	return rc < 0 ? err_sys(err, rc, "%s", log->path) : 0;
}
