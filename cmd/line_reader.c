#include "cmd/line_reader.h"

#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

void line_reader_init(struct line_reader *r, int fd)
{
	*r = (struct line_reader){.fd = fd};
}

void line_reader_fini(struct line_reader *r)
{
	free(r->data);
	r->data = NULL;
}

static int line_give(struct line_reader *r, struct str *line, size_t len, size_t end_len)
{
	*line = (struct str){r->data + r->start, len};
	r->start += len + end_len;
	r->scanned = r->start;
	r->line_number++;
	return 1;
}

int line_reader_next(struct line_reader *r, struct str *line, struct err *err)
{
	const char *from, *newline, *carriage;
	size_t left;

	if (r->skip_newline && r->start < r->end) {
		r->skip_newline = false;
		r->start += r->data[r->start] == '\n';
		r->scanned = MAX(r->scanned, r->start);
	}
	from = r->data + r->scanned;
	left = r->end - r->scanned;
	newline = left ? memchr(from, '\n', left) : NULL;
	carriage = left ? memchr(from, '\r', newline ? (size_t)(newline - from) : left) : NULL;
	if (carriage) {
		size_t len = (size_t)(carriage - (r->data + r->start));
		bool is_last = r->start + len + 1 == r->end;

		r->skip_newline = is_last;
		return line_give(r, line, len, !is_last && carriage[1] == '\n' ? 2 : 1);
	}
	if (newline)
		return line_give(r, line, (size_t)(newline - (r->data + r->start)), 1);
	r->scanned = r->end;
	if (!r->at_end && r->end - r->start > LINE_BYTES_MAX)
		return err_set(err, E_TOO_LARGE, "line %lld is longer than %d bytes",
			       (long long)r->line_number + 1, LINE_BYTES_MAX);
	if (!r->at_end)
		return E_AGAIN;
	if (r->start == r->end)
		return 0;
	return line_give(r, line, r->end - r->start, 0);
}

int line_reader_fill(struct line_reader *r, struct err *err)
{
	size_t held = r->end - r->start;
	ssize_t n;

	if (r->start > 0) {
		memmove(r->data, r->data + r->start, held);
		r->scanned -= r->start;
		r->start = 0;
		r->end = held;
	}
	if (r->cap - r->end < LINE_BLOCK_BYTES / 2 || r->cap == 0) {
		r->cap = MAX(r->cap * 2, (size_t)LINE_BLOCK_BYTES);
		r->data = xrealloc(r->data, r->cap);
	}
	n = read(r->fd, r->data + r->end, r->cap - r->end);
	if (n < 0)
		return err_sys(err, -errno, "stdin");
	if (n == 0)
		r->at_end = true;
	r->end += (size_t)n;
	return 0;
}
