/* Lines of a file descriptor, read in big blocks. Memory is bounded by one block or the longest
 * line. Lines end at "\n", "\r\n" or a lone "\r", as Java's readers have it; the last one may lack
 * its end. A line is borrowed until the next call. */
#ifndef KAVKA_CMD_LINE_READER_H
#define KAVKA_CMD_LINE_READER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

#define LINE_BLOCK_BYTES (256 * 1024)
/* A line longer than this is an error: no broker would take the record. */
#define LINE_BYTES_MAX (1024 * 1024 * 1024)

struct line_reader {
	int fd;
	char *data;
	size_t cap;
	size_t start, end;	/* bytes not given out yet */
	size_t scanned;		/* start..scanned holds no line end */
	bool skip_newline;	/* the last line ended with "\r" at the end of what was read */
	bool at_end;
	int64_t line_number;	/* of the line given last, from 1 */
};

void line_reader_init(struct line_reader *r, int fd);
void line_reader_fini(struct line_reader *r);

/* The next line. 1; 0 at the end of the input; E_AGAIN when line_reader_fill() is needed first;
 * E_TOO_LARGE. Never blocks. */
MUST_USE int line_reader_next(struct line_reader *r, struct str *line, struct err *err);

/* Reads once; blocks if the descriptor does. 0, or -errno (-EINTR, -EAGAIN as they come). */
MUST_USE int line_reader_fill(struct line_reader *r, struct err *err);

#endif
