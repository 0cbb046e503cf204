#include "api/request.h"

struct request_keep {
	struct request_keep *next;
	struct file_ref *file;
	struct buf *buf;
};

/* Marks a slice whose `data` is a struct file_range; no bytes of it are ever read. */
static struct buf file_records_marker;

void request_hold(struct request *r)
{
	assert(r->pending_count > 0);
	r->pending_count++;
}

void request_done(struct request *r)
{
	assert(r->pending_count > 0);
	if (--r->pending_count == 0)
		r->finished(r);
}

static struct request_keep *request_keep(struct request *r)
{
	struct request_keep *keep = arena_zalloc(&r->arena, sizeof(*keep));

	keep->next = r->keeps;
	r->keeps = keep;
	return keep;
}

void request_keep_file(struct request *r, struct file_ref *file)
{
	request_keep(r)->file = file;
}

void request_keep_buf(struct request *r, struct buf *buf)
{
	request_keep(r)->buf = buf;
}

void request_release_kept(struct request *r)
{
	for (struct request_keep *keep = r->keeps; keep; keep = keep->next) {
		file_unref(keep->file);
		buf_unref(keep->buf);
	}
	r->keeps = NULL;
}

struct slice request_file_records(struct request *r, struct file_range range)
{
	struct file_range *kept;

	request_keep_file(r, range.file);
	if (range.len == 0)
		return (struct slice){.data = (const uint8_t *)""};
	kept = arena_memdup(&r->arena, &range, sizeof(range));
	return (struct slice){&file_records_marker, (const uint8_t *)kept, range.len};
}

const struct file_range *request_file_range(struct slice records)
{
	return records.buf == &file_records_marker ? (const void *)records.data : NULL;
}
