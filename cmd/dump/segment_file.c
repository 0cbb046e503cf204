#include "cmd/dump/segment_file.h"

#include "base/mem.h"
#include "wire/old_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES (1024 * 1024)
/* Both of its own words, as Apache Kafka says them where such a file is read. */
#define SIZE_MIN 14

int segment_file_open(struct segment_file *f, const char *path, struct err *err)
{
	struct stat st;
	int rc;

	*f = (struct segment_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
	if (f->fd < 0)
		return err_sys(err, -errno, "%s", path);
	if (fstat(f->fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -errno;
		segment_file_close(f);
		return err_sys(err, rc, "%s", path);
	}
	f->size_bytes = f->end = st.st_size;
	return 0;
}

void segment_file_close(struct segment_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->window);
	*f = (struct segment_file){.fd = -1};
}

int segment_file_seek(struct segment_file *f, int64_t pos, int64_t len, struct err *err)
{
	if (pos < 0 || pos > f->size_bytes)
		return err_set(err, E_OFFSET_RANGE,
			       "position %" PRId64 " is behind the end of %s, which has %" PRId64
			       " bytes",
			       pos, f->path, f->size_bytes);
	f->pos = pos;
	f->end = len < 0 || len > f->size_bytes - pos ? f->size_bytes : pos + len;
	return 0;
}

/* Makes `len` bytes from `pos` on be in the window, which may be read ahead. */
static int segment_file_fill(struct segment_file *f, int64_t pos, size_t len, bool ahead,
			     struct err *err)
{
	size_t have = 0;

	if (pos >= f->window_pos && pos + (int64_t)len <= f->window_pos + (int64_t)f->len)
		return 0;
	if (pos >= f->window_pos && pos < f->window_pos + (int64_t)f->len) {
		have = (size_t)(f->window_pos + (int64_t)f->len - pos);
		memmove(f->window, f->window + (pos - f->window_pos), have);
	}
	f->window_pos = pos;
	f->len = have;
	if (f->cap < len || !f->window) {
		f->cap = MAX(len, (size_t)WINDOW_BYTES);
		f->window = xrealloc(f->window, f->cap);
	}
	while (f->len < len) {
		size_t room = (ahead ? f->cap : MAX(len, (size_t)4096)) - f->len;
		ssize_t n = pread(f->fd, f->window + f->len, room, pos + (int64_t)f->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "%s", f->path);
		if (n == 0)
			return err_set(err, E_SHORT, "%s was truncated meanwhile", f->path);
		f->len += (size_t)n;
	}
	return 0;
}

static const uint8_t *segment_file_at(const struct segment_file *f, int64_t pos)
{
	return f->window + (pos - f->window_pos);
}

/* Is there a batch at f->pos, and how large? The rules are those of Apache Kafka's reader. */
static int segment_file_look(struct segment_file *f, bool ahead, int64_t *size, struct err *err)
{
	const uint8_t *p;
	int32_t length;
	int rc;

	if (f->pos >= f->end - BATCH_PREFIX_BYTES)
		return 0;
	rc = segment_file_fill(f, f->pos, BATCH_PREFIX_BYTES, ahead, err);
	if (rc < 0)
		return rc;
	p = segment_file_at(f, f->pos);
	length = (int32_t)be32(p + 8);
	if (length < SIZE_MIN)
		return err_set(err, E_CORRUPT,
			       "Found record size %d smaller than minimum record overhead (%d) in "
			       "file %s.",
			       length, SIZE_MIN, f->path);
	*size = (int64_t)length + BATCH_LOG_OVERHEAD;
	return f->pos > f->end - *size ? 0 : 1;
}

static int segment_file_read(struct segment_file *f, struct batch *out, bool is_whole,
			     struct err *err)
{
	int64_t size = 0;
	size_t len;
	int rc;

	*out = (struct batch){0};
	rc = segment_file_look(f, is_whole, &size, err);
	if (rc <= 0)
		return rc;
	len = is_whole ? (size_t)size : (size_t)MIN(size, (int64_t)BATCH_HEADER_BYTES);
	rc = segment_file_fill(f, f->pos, len, is_whole, err);
	if (rc < 0)
		return rc;
	rc = batch_parse_header(out, segment_file_at(f, f->pos), len);
	if (rc == E_UNSUPPORTED) {
		out->size_bytes = (size_t)size;
		rc = is_whole ? old_batch_parse(out, segment_file_at(f, f->pos)) : 0;
	}
	if (rc < 0)
		return err_set(err, E_CORRUPT,
			       "%s: what stands at position %" PRId64
			       " is no record batch (magic %d, %" PRId64 " bytes)",
			       f->path, f->pos, out->magic, size);
	if (is_whole)
		out->data = segment_file_at(f, f->pos);
	f->batch_pos = f->pos;
	f->pos += size;
	return 1;
}

int segment_file_next(struct segment_file *f, struct batch *out, struct err *err)
{
	return segment_file_read(f, out, true, err);
}

int segment_file_next_header(struct segment_file *f, struct batch *out, struct err *err)
{
	return segment_file_read(f, out, false, err);
}

bool segment_batch_is_valid(const struct batch *b)
{
	return b->magic < BATCH_MAGIC ? old_batch_is_valid(b) : batch_crc_ok(b);
}
