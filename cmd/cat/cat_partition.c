/* The records of one partition: its segments one after the other, up to what is whole. */
#include "cmd/cat/cat_int.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "wire/old_batch.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_NAME_LEN 24 /* 00000000000000000000.log */

struct cat_segments {
	const char **paths; /* in the order of their offsets */
	size_t count, cap;
};

struct cat_read {
	struct cat *c;
	const struct cat_partition *p;
	struct cat_segments segments;
	struct cat_txns txns;
	int64_t from, end; /* offsets to print: from <= offset < end */
	int64_t from_time; /* NO_TIMESTAMP: the record was found */
	int64_t until_time;
	bool is_done;
};

/* ---- Segments ---------------------------------------------------------------------------------
 */

static int path_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int segments_list(struct cat_read *r, struct err *err)
{
	struct cat_segments *s = &r->segments;
	DIR *dir = opendir(r->p->path);
	struct dirent *entry;

	if (!dir)
		return err_sys(err, -errno, "%s", r->p->path);
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strlen(name) != SEGMENT_NAME_LEN || strcmp(name + 20, ".log") != 0 ||
		    strspn(name, "0123456789") != 20)
			continue;
		s->paths = grow_array(s->paths, s->count, &s->cap, sizeof(*s->paths));
		s->paths[s->count++] = arena_printf(&r->c->run->arena, "%s/%s", r->p->path, name);
	}
	closedir(dir);
	if (s->count > 0)
		qsort(s->paths, s->count, sizeof(*s->paths), path_order);
	return 0;
}

static int64_t segment_base(const char *path)
{
	return strtoll(strrchr(path, '/') + 1, NULL, 10);
}

static int64_t next_offset(const struct batch *b)
{
	return (int64_t)((uint64_t)b->base_offset + (uint64_t)b->last_offset_delta + 1);
}

/* A broker may be writing behind the end: what is not whole there yet, or was only set aside for
 * later (zeroes), is no fault. */
static bool is_tail(const struct cat_read *r, size_t index, const struct segment_file *f)
{
	uint8_t head[BATCH_PREFIX_BYTES] = {0};

	if (index + 1 < r->segments.count)
		return false;
	if (pread(f->fd, head, sizeof(head), f->pos) < 0)
		return false;
	return be64(head) == 0 && be32(head + 8) == 0;
}

static void tell(struct cat_read *r, const struct err *err)
{
	r->c->problem = err->code;
	print_flush();
	print_error("%s: %s\n", r->c->run->name, err_message(err));
}

/* ---- A look ahead: where the log ends, and its transactions
 * -------------------------------------- */

static int look_segment(struct cat_read *r, size_t index, struct err *err)
{
	struct segment_file f;
	struct batch b;
	int rc = segment_file_open(&f, r->segments.paths[index], err);

	while (rc == 0) {
		rc = segment_file_next_header(&f, &b, err);
		if (rc <= 0)
			break;
		if (b.magic == BATCH_MAGIC && batch_is_control(&b) && r->c->is_committed) {
			rc = segment_file_seek(&f, f.batch_pos, -1, err);
			if (rc == 0)
				rc = segment_file_next(&f, &b, err);
			if (rc <= 0)
				break;
		}
		if (r->c->is_committed)
			cat_txns_add(&r->txns, &b);
		r->end = MAX(r->end, next_offset(&b));
		rc = 0;
	}
	if (f.fd >= 0)
		segment_file_close(&f);
	return rc;
}

static void look_ahead(struct cat_read *r)
{
	const struct cat *c = r->c;
	bool needs_end = c->is_committed || c->from.kind == PLACE_BEFORE_END ||
			 c->until.kind == PLACE_BEFORE_END;
	/* The end alone is in the last segment. */
	size_t index = c->is_committed || r->segments.count == 0 ? 0 : r->segments.count - 1;
	struct err err = {0};
	int64_t end;

	r->end = INT64_MAX;
	if (!needs_end)
		return;
	r->end = r->segments.count > 0 ? segment_base(r->segments.paths[index]) : 0;
	/* What cannot be read here is told when it is read. */
	for (; index < r->segments.count; index++) {
		if (look_segment(r, index, &err) < 0)
			continue;
	}
	end = r->end;
	if (c->is_committed)
		r->end = cat_txns_close(&r->txns, r->end);
	if (c->from.kind == PLACE_BEFORE_END)
		r->from = MAX(r->p->log_start, end - c->from.value);
	if (c->until.kind == PLACE_BEFORE_END)
		r->end = MIN(r->end, end - c->until.value);
}

/* ---- Records ----------------------------------------------------------------------------------
 */

static bool is_found(struct grep *grep, struct slice text)
{
	return !grep || grep_finds(grep, (struct str){(const char *)text.data, text.len});
}

static int read_record(struct cat_read *r, const struct batch *b, const struct record *record,
		       struct err *err)
{
	struct cat *c = r->c;
	struct record_view view = {.topic = str_of(r->p->topic),
				   .partition = r->p->number,
				   .is_log_append_time = batch_is_log_append_time(b),
				   .record = record};
	int rc;

	if (record->offset < r->from)
		return 0;
	if (r->from_time != NO_TIMESTAMP) {
		if (record->timestamp < r->from_time)
			return 0;
		r->from_time = NO_TIMESTAMP;
	}
	if (record->offset >= r->end || c->left_count == 0 ||
	    (r->until_time != NO_TIMESTAMP && record->timestamp >= r->until_time)) {
		r->is_done = true;
		return 0;
	}
	if (!is_found(c->grep, record->value) || !is_found(c->grep_key, record->key))
		return 0;
	rc = formatter_print(&c->formatter, &view, err);
	if (rc < 0)
		return err_add(err, rc, "%s: offset %" PRId64, r->p->path, record->offset);
	c->printed_count++;
	if (c->left_count > 0 && --c->left_count == 0)
		r->is_done = true;
	if (print_failed())
		r->is_done = true;
	return 0;
}

static int read_batch(struct cat_read *r, const struct batch *b, struct err *err)
{
	struct record_iter it;
	struct old_iter old_it;
	struct old_record old;
	struct record record;
	int rc;

	if (b->magic < BATCH_MAGIC) {
		rc = old_iter_init(&old_it, b, r->c->compressor);
		while (rc == 0 && !r->is_done && (rc = old_next(&old_it, &old)) > 0)
			rc = read_record(r, b, &old.record, err);
		return rc;
	}
	rc = record_iter_init(&it, b, r->c->compressor, 0);
	while (rc == 0 && !r->is_done && b->record_count > 0 &&
	       (rc = record_next(&it, &record)) > 0)
		rc = read_record(r, b, &record, err);
	return rc;
}

static bool is_wanted(const struct cat_read *r, const struct batch *b)
{
	/* An old batch tells only of its end, so it is looked into. */
	if (next_offset(b) <= r->from)
		return false;
	if (b->magic == BATCH_MAGIC && batch_is_control(b))
		return false;
	if (r->from_time != NO_TIMESTAMP && b->max_timestamp < r->from_time)
		return false;
	return !r->c->is_committed || !cat_txns_has_aborted(&r->txns, b);
}

static int read_next(struct cat_read *r, struct segment_file *f, struct err *err)
{
	struct batch b;
	int rc = segment_file_next_header(f, &b, err);

	if (rc <= 0)
		return rc;
	if (b.magic == BATCH_MAGIC && b.base_offset >= r->end) {
		r->is_done = true;
		return 0;
	}
	if (!is_wanted(r, &b))
		return 1;
	rc = segment_file_seek(f, f->batch_pos, -1, err);
	if (rc == 0)
		rc = segment_file_next(f, &b, err);
	if (rc <= 0)
		return rc;
	if (!segment_batch_is_valid(&b))
		return err_set(err, E_CORRUPT,
			       "%s: the checksum of the batch at position %" PRId64
			       " (base offset %" PRId64 ") is wrong",
			       f->path, f->batch_pos, b.base_offset);
	rc = read_batch(r, &b, err);
	if (rc < 0 && !err->text[0])
		err_set(err, rc,
			"%s: the records of the batch at position %" PRId64 " (base offset %" PRId64
			") cannot be read: %s",
			f->path, f->batch_pos, b.base_offset, err_text(rc));
	return rc < 0 ? rc : 1;
}

static void read_segment(struct cat_read *r, size_t index)
{
	struct segment_file f;
	struct err err = {0};
	int rc = segment_file_open(&f, r->segments.paths[index], &err);

	if (rc < 0) {
		/* Removed by the broker since the directory was listed. */
		if (rc != -ENOENT)
			tell(r, &err);
		return;
	}
	do {
		int64_t pos = f.pos;

		err = (struct err){0};
		rc = read_next(r, &f, &err);
		if (rc >= 0)
			continue;
		if (rc == E_SHORT || (f.pos == pos && is_tail(r, index, &f)))
			break;
		tell(r, &err);
		/* A batch that has its length right can be left out; else where the next begins
		 * cannot be known. */
		rc = f.pos > pos ? 1 : rc;
	} while (rc > 0 && !r->is_done);
	if (rc == 0 && !r->is_done && f.pos < f.end && index + 1 < r->segments.count) {
		err_set(&err, E_CORRUPT, "%s: %" PRId64 " bytes at its end are no batch", f.path,
			f.end - f.pos);
		tell(r, &err);
	}
	segment_file_close(&f);
}

/* The first segment that may have what is wanted. */
static size_t first_segment(const struct cat_read *r)
{
	size_t index = 0;

	while (index + 1 < r->segments.count &&
	       segment_base(r->segments.paths[index + 1]) <= r->from)
		index++;
	return index;
}

void cat_partition(struct cat *c, const struct cat_partition *p)
{
	struct cat_read r = {.c = c,
			     .p = p,
			     .from = p->log_start,
			     .from_time = NO_TIMESTAMP,
			     .until_time = NO_TIMESTAMP};
	struct err err = {0};

	if (segments_list(&r, &err) < 0) {
		tell(&r, &err);
		return;
	}
	if (c->from.kind == PLACE_OFFSET)
		r.from = c->from.value;
	else if (c->from.kind == PLACE_TIME)
		r.from_time = c->from.value;
	if (c->until.kind == PLACE_TIME)
		r.until_time = c->until.value;
	look_ahead(&r);
	if (c->until.kind == PLACE_OFFSET)
		r.end = MIN(r.end, c->until.value);
	for (size_t i = first_segment(&r); i < r.segments.count && !r.is_done; i++)
		read_segment(&r, i);
	free(r.segments.paths);
	cat_txns_fini(&r.txns);
}
