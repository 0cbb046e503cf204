/* An open file shared by several owners, also on several threads: closed when the last reference
 * goes. The log gives ranges of segment files to the network this way: a segment may be deleted
 * while a response is still being sent from it. */
#ifndef KAVKA_BASE_FILE_REF_H
#define KAVKA_BASE_FILE_REF_H

#include "check.h"

#include <stdatomic.h>

struct file_ref {
	atomic_uint ref_count;	/* any thread, atomic */
	int fd;			/* fixed after file_ref_new; a handle of the env that opened it */
	void (*release)(struct file_ref *f);	/* closes fd and frees f; any thread */
};

struct file_ref *file_ref_new(int fd);		/* a POSIX fd; released by close() and free() */
struct file_ref *file_ref(struct file_ref *f);	/* gives back `f` */
void file_unref(struct file_ref *f);		/* NULL is fine */

/* A range of bytes of such a file. Holds one reference when owned. */
struct file_range {
	struct file_ref *file;
	int64_t pos;
	size_t len;
};

#endif
