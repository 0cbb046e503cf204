/* Offset and time indexes: sorted arrays of fixed entries in a file, the newest in memory. */
#include "base/mem.h"
#include "log/log_int.h"

#include "base/err.h"

#include <errno.h>

/* A search reads single entries until this many are left, then those at once. */
#define INDEX_BLOCK_ENTRIES 1024

void index_init(struct index *x, bool is_time)
{
	*x = (struct index){.is_time = is_time};
}

void index_fini(struct log_pool *pool, struct index *x)
{
	file_drop(pool, &x->file);
	free(x->waiting);
	x->waiting = NULL;
}

static void entry_decode(const struct segment *s, const struct index *x, const uint8_t *p,
			 int64_t *key, int64_t *value)
{
	if (x->is_time) {
		*key = (int64_t)be64(p);
		*value = s->base_offset + (int32_t)be32(p + 8);
	} else {
		*key = s->base_offset + (int32_t)be32(p);
		*value = (int32_t)be32(p + 4);
	}
}

static void entry_encode(const struct segment *s, const struct index *x, uint8_t *p, int64_t key,
			 int64_t value)
{
	if (x->is_time) {
		put_be64(p, (uint64_t)key);
		put_be32(p + 8, (uint32_t)(value - s->base_offset));
	} else {
		put_be32(p, (uint32_t)(key - s->base_offset));
		put_be32(p + 4, (uint32_t)value);
	}
}

static int index_use(struct segment *s, struct index *x, unsigned flags)
{
	const char *suffix = segment_suffix(s, x->is_time ? SEGMENT_TIMEINDEX : SEGMENT_INDEX);
	int rc = file_use(s->log->pool, &x->file, s->log->path, s->base_offset, suffix, flags);

	if (rc == 0)
		x->exists = true;
	return rc;
}

/* Reads entries [slot, slot + count), of those in the file. */
static int index_pread(struct segment *s, struct index *x, uint32_t slot, uint32_t count,
		       uint8_t *out)
{
	size_t len = index_entry_len(x);
	int rc = index_use(s, x, 0);
	ssize_t n;

	if (rc < 0)
		return rc;
	n = pool_read(s->log->pool, x->file.ref, out, count * len, (int64_t)(slot * len));
	if (n < 0)
		return (int)n;
	return (size_t)n == count * len ? 0 : E_CORRUPT;
}

int index_at(struct segment *s, struct index *x, uint32_t slot, int64_t *key, int64_t *value)
{
	uint8_t entry[INDEX_ENTRY_MAX];
	int rc;

	assert(slot < x->count);
	if (slot >= x->written_count) {
		entry_decode(s, x, x->waiting + (slot - x->written_count) * index_entry_len(x), key,
			     value);
		return 0;
	}
	rc = index_pread(s, x, slot, 1, entry);
	if (rc == 0)
		entry_decode(s, x, entry, key, value);
	return rc;
}

int index_load(struct segment *s, struct index *x)
{
	struct env_stat st;
	int rc;

	if (x->is_loaded)
		return 0;
	if (!x->exists) {
		x->is_loaded = true;
		return 0;
	}
	rc = index_use(s, x, 0);
	if (rc == 0)
		rc = log_env(s->log)->ops->fstat(log_env(s->log), x->file.ref->fd, &st);
	if (rc < 0)
		return rc;
	x->count = x->written_count =
		(uint32_t)MIN(st.size_bytes / (int64_t)index_entry_len(x), INT32_MAX / 12);
	if (x->count > 0)
		rc = index_at(s, x, x->count - 1, &x->last_key, &x->last_value);
	x->is_loaded = rc == 0;
	return rc;
}

int index_write(struct segment *s, struct index *x)
{
	uint32_t waiting_count = x->count - x->written_count;
	size_t len = index_entry_len(x);
	int rc;

	if (waiting_count == 0 && x->exists)
		return 0;
	rc = index_use(s, x, x->exists ? 0 : ENV_CREATE | ENV_TRUNCATE);
	if (rc == 0 && waiting_count > 0)
		rc = env_write(log_env(s->log), x->file.ref->fd, x->waiting, waiting_count * len,
			       (int64_t)(x->written_count * len));
	if (rc == 0)
		x->written_count = x->count;
	return rc;
}

int index_add(struct segment *s, struct index *x, int64_t key, int64_t value)
{
	int rc;

	assert(x->is_loaded);
	assert(x->count == 0 || key > x->last_key);
	if (x->count - x->written_count == INDEX_WAITING_MAX) {
		rc = index_write(s, x);
		if (rc < 0)
			return rc;
	}
	if (!x->waiting)
		x->waiting = xmalloc(INDEX_WAITING_MAX * INDEX_ENTRY_MAX);
	entry_encode(s, x, x->waiting + (x->count - x->written_count) * index_entry_len(x), key,
		     value);
	x->count++;
	x->last_key = key;
	x->last_value = value;
	return 0;
}

/* Searches what was read: the last of `count` entries with field <= target, -1 if none. */
static int64_t block_floor(struct segment *s, struct index *x, const uint8_t *block,
			   uint32_t count, bool by_value, int64_t target, int64_t *key,
			   int64_t *value)
{
	int64_t found = -1;
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int64_t k, v;

		entry_decode(s, x, block + middle * index_entry_len(x), &k, &v);
		if ((by_value ? v : k) <= target) {
			found = middle;
			*key = k;
			*value = v;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return found;
}

int index_floor(struct segment *s, struct index *x, bool by_value, int64_t target, uint32_t *slot,
		int64_t *key, int64_t *value)
{
	uint8_t block[INDEX_BLOCK_ENTRIES * INDEX_ENTRY_MAX];
	uint32_t low = 0, high;
	int64_t found;
	int rc = index_load(s, x);

	if (rc < 0)
		return rc;
	if (x->count > 0 && (by_value ? x->last_value : x->last_key) <= target) {
		*slot = x->count - 1;
		*key = x->last_key;
		*value = x->last_value;
		return 1;
	}
	found = block_floor(s, x, x->waiting, x->count - x->written_count, by_value, target, key,
			    value);
	if (found >= 0) {
		*slot = x->written_count + (uint32_t)found;
		return 1;
	}
	high = x->written_count;
	/* Entries before `low` are <= target; those from `high` on are above. */
	while (high - low > INDEX_BLOCK_ENTRIES) {
		uint32_t middle = low + (high - low) / 2;
		int64_t k, v;

		rc = index_at(s, x, middle, &k, &v);
		if (rc < 0)
			return rc;
		if ((by_value ? v : k) <= target)
			low = middle;
		else
			high = middle;
	}
	if (high == low)
		return 0;
	rc = index_pread(s, x, low, high - low, block);
	if (rc < 0)
		return rc;
	found = block_floor(s, x, block, high - low, by_value, target, key, value);
	*slot = low + (uint32_t)MAX(found, 0);
	return found >= 0;
}

int index_truncate(struct segment *s, struct index *x, uint32_t count)
{
	int rc = 0;

	assert(x->is_loaded && count <= x->count);
	x->count = count;
	if (count < x->written_count) {
		x->written_count = count;
		rc = index_use(s, x, 0);
		if (rc == 0)
			rc = log_env(s->log)->ops->truncate(log_env(s->log), x->file.ref->fd,
							    (int64_t)(count * index_entry_len(x)));
	}
	if (rc == 0 && count > 0)
		rc = index_at(s, x, count - 1, &x->last_key, &x->last_value);
	return rc;
}
