/* The producers' state in a file: END.snapshot.
 *
 *	int16 version = 1, uint32 crc32c of all behind it, int32 count, then each 46 bytes:
 *	int64 producerId, int16 epoch, int32 lastSequence, int64 lastOffset, int32 offsetDelta,
 *	int64 timestamp, int32 coordinatorEpoch, int64 currentTxnFirstOffset */
#include "base/err.h"
#include "base/mem.h"
#include "log/log_int.h"
#include "wire/crc32c.h"

#include <errno.h>

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEAD_BYTES 10
#define SNAPSHOT_CRC_FROM 6
#define SNAPSHOT_ENTRY_BYTES 46
#define SNAPSHOT_BYTES_MAX ((size_t)1 << 30)

void snapshots_add(struct snapshots *list, int64_t offset)
{
	size_t at = list->count;

	while (at > 0 && list->offsets[at - 1] > offset)
		at--;
	if (at > 0 && list->offsets[at - 1] == offset)
		return;
	list->offsets = grow_array(list->offsets, list->count, &list->cap, sizeof(*list->offsets));
	memmove(list->offsets + at + 1, list->offsets + at,
		(list->count - at) * sizeof(*list->offsets));
	list->offsets[at] = offset;
	list->count++;
}

static int snapshot_drop(struct log *log, size_t index)
{
	struct snapshots *list = &log->snapshots;
	char path[LOG_PATH_MAX];
	int rc;

	file_path(path, log->path, list->offsets[index], ".snapshot");
	rc = log_env(log)->ops->unlink(log_env(log), path);
	list->count--;
	memmove(list->offsets + index, list->offsets + index + 1,
		(list->count - index) * sizeof(*list->offsets));
	return rc == -ENOENT ? 0 : rc;
}

int snapshot_remove(struct log *log, int64_t from, int64_t to)
{
	for (size_t i = log->snapshots.count; i > 0; i--) {
		int64_t offset = log->snapshots.offsets[i - 1];
		int rc = offset >= from && offset < to ? snapshot_drop(log, i - 1) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

int snapshot_remove_strays(struct log *log)
{
	for (size_t i = log->snapshots.count; i > 0; i--) {
		int64_t offset = log->snapshots.offsets[i - 1];
		ssize_t at = log_segment_index(log, offset);
		int rc;

		if (i == log->snapshots.count && offset > log_active(log)->base_offset)
			continue;
		if (at >= 0 && log->segments[at]->base_offset == offset)
			continue;
		rc = snapshot_drop(log, i - 1);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int producer_order(const void *a, const void *b)
{
	const struct producer *const *x = a, *const *y = b;

	return ((*x)->producer_id > (*y)->producer_id) - ((*x)->producer_id < (*y)->producer_id);
}

static void entry_encode(uint8_t *p, const struct producer *producer)
{
	const struct producer_batch *last =
		producer->batch_count ? &producer->batches[producer->batch_count - 1] : NULL;

	put_be64(p, (uint64_t)producer->producer_id);
	put_be16(p + 8, (uint16_t)producer->producer_epoch);
	put_be32(p + 10, (uint32_t)(last ? last->last_sequence : NO_SEQUENCE));
	put_be64(p + 14, (uint64_t)(last ? last->last_offset : -1));
	put_be32(p + 22, (uint32_t)(last ? last->offset_delta : 0));
	put_be64(p + 26, (uint64_t)producer->last_timestamp);
	put_be32(p + 34, (uint32_t)producer->coordinator_epoch);
	put_be64(p + 38, (uint64_t)producer->txn_first_offset);
}

static void entry_decode(const uint8_t *p, struct producer *producer)
{
	int64_t last_offset = (int64_t)be64(p + 14);

	*producer = (struct producer){
		.producer_id = (int64_t)be64(p),
		.producer_epoch = (int16_t)be16(p + 8),
		.last_timestamp = (int64_t)be64(p + 26),
		.coordinator_epoch = (int32_t)be32(p + 34),
		.txn_first_offset = (int64_t)be64(p + 38),
	};
	if (last_offset < 0)
		return;
	producer->batch_count = 1;
	producer->batches[0] = (struct producer_batch){
		.last_sequence = (int32_t)be32(p + 10),
		.offset_delta = (int32_t)be32(p + 22),
		.last_offset = last_offset,
		.timestamp = producer->last_timestamp,
	};
}

/* All producers, by id so that equal states give equal files. */
static uint8_t *snapshot_encode(const struct producers *p, size_t *len)
{
	struct producer **sorted = xcalloc(p->by_id.count, sizeof(struct producer *));
	struct producer *producer;
	size_t count = 0;
	uint8_t *data;

	MAP_FOREACH(&p->by_id, producer, struct producer, node)
		sorted[count++] = producer;
	qsort(sorted, count, sizeof(sorted[0]), producer_order);
	*len = SNAPSHOT_HEAD_BYTES + count * SNAPSHOT_ENTRY_BYTES;
	data = xmalloc(*len);
	put_be16(data, SNAPSHOT_VERSION);
	put_be32(data + 6, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		entry_encode(data + SNAPSHOT_HEAD_BYTES + i * SNAPSHOT_ENTRY_BYTES, sorted[i]);
	put_be32(data + 2, crc32c(data + SNAPSHOT_CRC_FROM, *len - SNAPSHOT_CRC_FROM));
	free(sorted);
	return data;
}

int snapshot_write(struct log *log, bool sync)
{
	struct env *env = log_env(log);
	char path[LOG_PATH_MAX];
	uint8_t *data;
	size_t len;
	int fd, rc;

	if (log->snapshots.count > 0 &&
	    log->snapshots.offsets[log->snapshots.count - 1] >= log->producers.end_offset)
		return 0;
	file_path(path, log->path, log->producers.end_offset, ".snapshot");
	fd = env->ops->open(env, path, ENV_WRITE | ENV_CREATE | ENV_TRUNCATE);
	if (fd < 0)
		return fd;
	data = snapshot_encode(&log->producers, &len);
	rc = env_write(env, fd, data, len, 0);
	free(data);
	if (rc == 0 && sync)
		rc = env->ops->fsync(env, fd);
	env->ops->close(env, fd);
	if (rc == 0)
		snapshots_add(&log->snapshots, log->producers.end_offset);
	else	/* half of one helps nobody */
		(void)env->ops->unlink(env, path);
	return rc;
}

/* E_CORRUPT: not a snapshot, or a damaged one. */
static int snapshot_decode(struct log *log, const uint8_t *data, size_t len)
{
	int64_t now_ms = env_wall_ms(log_env(log));
	size_t count;

	if (len < SNAPSHOT_HEAD_BYTES || be16(data) != SNAPSHOT_VERSION)
		return E_CORRUPT;
	count = be32(data + 6);
	if (count != (len - SNAPSHOT_HEAD_BYTES) / SNAPSHOT_ENTRY_BYTES ||
	    (len - SNAPSHOT_HEAD_BYTES) % SNAPSHOT_ENTRY_BYTES != 0)
		return E_CORRUPT;
	if (crc32c(data + SNAPSHOT_CRC_FROM, len - SNAPSHOT_CRC_FROM) != be32(data + 2))
		return E_CORRUPT;
	for (size_t i = 0; i < count; i++) {
		struct producer producer;

		entry_decode(data + SNAPSHOT_HEAD_BYTES + i * SNAPSHOT_ENTRY_BYTES, &producer);
		if (producer.txn_first_offset < 0 &&
		    now_ms - producer.last_timestamp >=
			    log->pool->options.producer_id_expiration_ms)
			continue;
		producers_restore(&log->producers, &producer);
	}
	return 0;
}

int snapshot_load(struct log *log, int64_t end_offset)
{
	int rc = snapshot_remove(log, end_offset + 1, INT64_MAX);

	if (rc == 0)
		rc = snapshot_remove(log, 0, log->start_offset);
	producers_clear(&log->producers);
	log->producers.end_offset = log->start_offset;
	while (rc == 0 && log->snapshots.count > 0) {
		size_t newest = log->snapshots.count - 1, len;
		int64_t offset = log->snapshots.offsets[newest];
		char path[LOG_PATH_MAX];
		char *data;

		file_path(path, log->path, offset, ".snapshot");
		rc = env_read_file(log_env(log), path, SNAPSHOT_BYTES_MAX, &data, &len);
		if (rc == 0) {
			rc = snapshot_decode(log, (uint8_t *)data, len);
			free(data);
		}
		if (rc == 0) {
			log->producers.end_offset = offset;
			return 0;
		}
		if (rc == E_CORRUPT || rc == E_TOO_LARGE || rc == -ENOENT)
			rc = snapshot_drop(log, newest);
	}
	return rc;
}
