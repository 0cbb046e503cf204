/* The indexes of a segment, checked against it. */
#include "cmd/dump/dump_int.h"
#include "cmd/print.h"
#include "wire/old_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_ENTRY_BYTES 8
#define TIME_ENTRY_BYTES 12

/* Entries are read where they are wanted: an index may be as large as it likes. */
struct index_file {
	const char *path;
	int fd;
	size_t entry_bytes;
	int64_t size_bytes, base_offset;
	uint64_t count;
};

struct index_entry {
	int64_t timestamp; /* time index */
	int64_t offset;
	int64_t position; /* offset index */
};

static int index_open(struct index_file *f, const char *path, size_t entry_bytes, struct err *err)
{
	struct stat st;
	int rc;

	*f = (struct index_file){.path = path, .fd = -1, .entry_bytes = entry_bytes};
	rc = dump_base_offset(path, &f->base_offset, err);
	if (rc < 0)
		return rc;
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_sys(err, -EISDIR, "%s", path);
	f->size_bytes = st.st_size;
	f->count = (uint64_t)st.st_size / entry_bytes;
	return 0;
}

static void index_close(struct index_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
}

static int index_read(const struct index_file *f, uint64_t n, struct index_entry *out,
		      struct err *err)
{
	uint8_t data[TIME_ENTRY_BYTES], *p = data;
	ssize_t got = pread(f->fd, data, f->entry_bytes, (off_t)(n * f->entry_bytes));

	if (got != (ssize_t)f->entry_bytes)
		return err_sys(err, got < 0 ? -errno : E_SHORT, "%s", f->path);
	*out = (struct index_entry){.timestamp = NO_TIMESTAMP};
	if (f->entry_bytes == TIME_ENTRY_BYTES) {
		out->timestamp = (int64_t)be64(p);
		p += 8;
	}
	out->offset = (int64_t)((uint64_t)f->base_offset + (uint64_t)(int32_t)be32(p));
	if (f->entry_bytes == INDEX_ENTRY_BYTES)
		out->position = (int32_t)be32(p + 4);
	return 0;
}

/* Where to look for `offset` in the segment: the last entry that is not behind it. */
static int index_lookup(const struct index_file *f, int64_t offset, int64_t *position,
			struct err *err)
{
	uint64_t low = 0, high = f->count;
	struct index_entry entry;

	*position = 0;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int rc = index_read(f, middle, &entry, err);

		if (rc < 0)
			return rc;
		if (entry.offset <= offset) {
			*position = entry.position;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return 0;
}

static const char *absolute_path(const char *path, char *real)
{
	return realpath(path, real) ? real : path;
}

/* What a broker looks at when it starts. */
static int index_sanity(const struct index_file *f, struct err *err)
{
	bool is_time = f->entry_bytes == TIME_ENTRY_BYTES;
	struct index_entry first, last;
	char real[PATH_MAX];
	const char *path = absolute_path(f->path, real);
	int rc = 0;

	if (f->count > 0) {
		rc = index_read(f, 0, &first, err);
		if (rc == 0)
			rc = index_read(f, f->count - 1, &last, err);
		if (rc < 0)
			return rc;
		if (is_time && last.timestamp < first.timestamp)
			return err_set(err, E_CORRUPT,
				       "Corrupt time index found, time index file "
				       "(%s) has non-zero size but the last timestamp is %" PRId64
				       " which is less than the first timestamp %" PRId64,
				       path, last.timestamp, first.timestamp);
		if (last.offset < f->base_offset)
			return err_set(err, E_CORRUPT,
				       "Corrupt %s found, %s file (%s) has "
				       "non-zero size but the last offset is %" PRId64
				       " which is less than the %s offset %" PRId64,
				       is_time ? "time index" : "index",
				       is_time ? "time index" : "index", path, last.offset,
				       is_time ? "first" : "base", f->base_offset);
	}
	if (f->size_bytes % (int64_t)f->entry_bytes != 0)
		return err_set(err, E_CORRUPT,
			       "%s file %s is corrupt, found %" PRId64
			       " bytes which is neither positive nor a multiple of %zu",
			       is_time ? "Time index" : "Index", path, f->size_bytes,
			       f->entry_bytes);
	return 0;
}

static void sanity_print(struct dump *d)
{
	struct json_out j = {0};

	if (!d->json) {
		print_text("%s passed sanity check.\n", d->path);
		return;
	}
	dump_json_open(d, &j, "sanity");
	json_out_bool(&j, "isSane", true);
	dump_json_close(&j);
}

/* ---- The offset index ------------------------------------------------------------------------ */

static void index_print(struct dump *d, const struct index_entry *entry)
{
	struct json_out j = {0};

	if (d->args->verify_index_only)
		return;
	if (!d->json) {
		print_text("offset: %" PRId64 " position: %" PRId64 "\n", entry->offset,
			   entry->position);
		return;
	}
	dump_json_open(d, &j, "index");
	json_out_int(&j, "offset", entry->offset);
	json_out_int(&j, "position", entry->position);
	dump_json_close(&j);
}

static int64_t last_offset_of(const struct batch *b)
{
	return (int64_t)((uint64_t)b->base_offset + (uint64_t)b->last_offset_delta);
}

static int index_walk(struct dump *d, const struct index_file *f, struct segment_file *log,
		      struct err *err)
{
	struct index_entry entry;
	struct batch batch;
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < f->count; i++) {
		rc = index_read(f, i, &entry, err);
		/* Behind what was written an index file is all zeroes. */
		if (rc < 0 || (i > 0 && entry.offset == f->base_offset))
			return rc;
		rc = segment_file_seek(log, entry.position, d->args->max_message_size, err);
		if (rc == 0)
			rc = segment_file_next_header(log, &batch, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return err_set(err, E_SHORT,
				       "%s: no batch of at most %" PRId64
				       " bytes begins at position %" PRId64 " (--max-message-size)",
				       log->path, d->args->max_message_size, entry.position);
		if (last_offset_of(&batch) != entry.offset)
			dump_find(d, FINDING_INDEX, entry.offset, last_offset_of(&batch));
		index_print(d, &entry);
		rc = 0;
	}
	return rc;
}

int dump_index(struct dump *d, struct err *err)
{
	const char *log_path = dump_sibling(&d->run->arena, d->path, ".log");
	struct index_file f;
	struct segment_file log;
	int rc;

	rc = index_open(&f, d->path, INDEX_ENTRY_BYTES, err);
	if (rc == 0 && f.count == 0) {
		if (!d->json)
			print_text("%s is empty.\n", d->path);
	} else if (rc == 0 && d->args->index_sanity_check) {
		rc = index_sanity(&f, err);
		if (rc == 0)
			sanity_print(d);
	} else if (rc == 0) {
		rc = segment_file_open(&log, log_path, err);
		if (rc == 0) {
			rc = index_walk(d, &f, &log, err);
			segment_file_close(&log);
		}
	}
	index_close(&f);
	return rc;
}

/* ---- The time index -------------------------------------------------------------------------- */

/* The first batch from the indexed position on that reaches `offset`, whole. 1, 0 if none. */
static int time_find(const struct index_file *index, struct segment_file *log, int64_t offset,
		     struct batch *batch, struct err *err)
{
	int64_t position = 0;
	int rc = index_lookup(index, offset, &position, err);

	if (rc == 0)
		rc = segment_file_seek(log, position, -1, err);
	while (rc == 0) {
		rc = segment_file_next_header(log, batch, err);
		if (rc <= 0)
			return rc;
		if (last_offset_of(batch) >= offset) {
			rc = segment_file_seek(log, log->batch_pos, -1, err);
			return rc < 0 ? rc : segment_file_next(log, batch, err);
		}
		rc = 0;
	}
	return rc;
}

static int time_newest(struct dump *d, const struct batch *batch, int64_t *newest)
{
	struct record_iter it;
	struct old_iter old_it;
	struct old_record old;
	struct record record;
	int rc;

	*newest = NO_TIMESTAMP;
	if (batch->magic < BATCH_MAGIC) {
		rc = old_iter_init(&old_it, batch, d->compressor);
		while (rc == 0 && (rc = old_next(&old_it, &old)) > 0) {
			*newest = MAX(*newest, old.record.timestamp);
			rc = 0;
		}
		return rc;
	}
	rc = record_iter_init(&it, batch, d->compressor, 0);
	while (rc == 0 && batch->record_count > 0 && (rc = record_next(&it, &record)) > 0) {
		*newest = MAX(*newest, record.timestamp);
		rc = 0;
	}
	return rc;
}

static int time_check(struct dump *d, const struct index_entry *entry, int64_t before,
		      const struct index_file *index, struct segment_file *log, struct err *err)
{
	struct batch batch;
	int64_t newest;
	int rc = time_find(index, log, entry->offset, &batch, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || last_offset_of(&batch) != entry->offset) {
		dump_find(d, FINDING_OFFSET, entry->offset, rc ? last_offset_of(&batch) : -1);
		return 0;
	}
	rc = time_newest(d, &batch, &newest);
	if (rc < 0)
		return err_set(err, rc,
			       "%s: the records of the batch at position %" PRId64
			       " cannot be read: %s",
			       log->path, log->batch_pos, err_text(rc));
	if (newest != entry->timestamp)
		dump_find(d, FINDING_TIMESTAMP, entry->timestamp, newest);
	if (before >= entry->timestamp)
		dump_find(d, FINDING_ORDER, entry->timestamp, before);
	return 0;
}

static void time_print(struct dump *d, const struct index_entry *entry)
{
	struct json_out j = {0};

	if (d->args->verify_index_only)
		return;
	if (!d->json) {
		print_text("timestamp: %" PRId64 " offset: %" PRId64 "\n", entry->timestamp,
			   entry->offset);
		return;
	}
	dump_json_open(d, &j, "timeindex");
	json_out_int(&j, "timestamp", entry->timestamp);
	json_out_int(&j, "offset", entry->offset);
	dump_json_close(&j);
}

static int time_walk(struct dump *d, const struct index_file *f, const struct index_file *index,
		     struct segment_file *log, struct err *err)
{
	int64_t before = NO_TIMESTAMP;
	struct index_entry entry;
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < f->count; i++) {
		rc = index_read(f, i, &entry, err);
		if (rc < 0 || (i > 0 && entry.offset == f->base_offset))
			return rc;
		rc = time_check(d, &entry, before, index, log, err);
		if (rc == 0)
			time_print(d, &entry);
		before = entry.timestamp;
	}
	return rc;
}

int dump_time_index(struct dump *d, struct err *err)
{
	struct arena *a = &d->run->arena;
	struct index_file f, index = {.fd = -1};
	struct segment_file log = {.fd = -1};
	int rc;

	rc = index_open(&f, d->path, TIME_ENTRY_BYTES, err);
	if (rc == 0 && d->args->index_sanity_check) {
		rc = index_sanity(&f, err);
		if (rc == 0)
			sanity_print(d);
		index_close(&f);
		return rc;
	}
	if (rc == 0)
		rc = index_open(&index, dump_sibling(a, d->path, ".index"), INDEX_ENTRY_BYTES, err);
	if (rc == 0)
		rc = segment_file_open(&log, dump_sibling(a, d->path, ".log"), err);
	if (rc == 0)
		rc = time_walk(d, &f, &index, &log, err);
	segment_file_close(&log);
	index_close(&index);
	index_close(&f);
	return rc;
}
