#include "api/request.h"

struct request_keep {
	struct request_keep *next;
	struct file_ref *file;
	struct buf *buf;
};

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
