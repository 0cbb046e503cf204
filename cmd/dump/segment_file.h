/* Reads the batches of a segment (or of a snapshot of the metadata log) one after the other, with
 * memory bounded by one batch. Works on files that a broker appends to: what is there when the
 * file is opened is read.
 *
 *	rc = segment_file_open(&f, path, &err);
 *	while ((rc = segment_file_next(&f, &batch, &err)) > 0)
 *		...f.batch_pos is where it begins...
 *	segment_file_close(&f);
 *
 * A batch of version 0 or 1 (magic) is given as well: base_offset is what stands in front of it,
 * crc, attributes and max_timestamp are filled in, all else is zero; wire/old_batch.h reads it. */
#ifndef KAVKA_CMD_SEGMENT_FILE_H
#define KAVKA_CMD_SEGMENT_FILE_H

#include "base/err.h"
#include "wire/batch.h"

struct segment_file {
	const char *path; /* borrowed */
	int fd;
	int64_t size_bytes; /* when it was opened */
	int64_t pos, end;   /* the next batch; where reading ends */
	int64_t batch_pos;  /* the batch given last */
	uint8_t *window;    /* bytes of the file from window_pos */
	size_t cap, len;
	int64_t window_pos;
};

/* -errno. */
MUST_USE int segment_file_open(struct segment_file *f, const char *path, struct err *err);
void segment_file_close(struct segment_file *f);

/* Goes on at `pos`; reads `len` bytes from there at most (< 0: to the end). E_OFFSET_RANGE: the
 * file is shorter. */
MUST_USE int segment_file_seek(struct segment_file *f, int64_t pos, int64_t len, struct err *err);

/* 1: a batch, with its bytes, borrowed until the next call. 0: no whole batch is left. E_CORRUPT:
 * what stands at f->pos is none. -errno. */
MUST_USE int segment_file_next(struct segment_file *f, struct batch *out, struct err *err);
/* The same without the records: data is NULL, only the header was read. */
MUST_USE int segment_file_next_header(struct segment_file *f, struct batch *out, struct err *err);

/* Does the batch have its length and checksum right? */
bool segment_batch_is_valid(const struct batch *b);

#endif
