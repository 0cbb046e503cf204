#include "file_ref.h"

#include "mem.h"

#include <unistd.h>

static void file_release(struct file_ref *f)
{
	close(f->fd);
	free(f);
}

struct file_ref *file_ref_new(int fd)
{
	struct file_ref *f = xmalloc(sizeof(*f));

	atomic_init(&f->ref_count, 1);
	f->fd = fd;
	f->release = file_release;
	return f;
}

struct file_ref *file_ref(struct file_ref *f)
{
	unsigned before = atomic_fetch_add_explicit(&f->ref_count, 1, memory_order_relaxed);

	assert(before > 0);
	return f;
}

void file_unref(struct file_ref *f)
{
	unsigned before;

	if (!f)
		return;
	before = atomic_fetch_sub_explicit(&f->ref_count, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		f->release(f);
}
