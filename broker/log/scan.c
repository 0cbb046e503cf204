/* Reading all batches of a segment, in large pieces. */
#include "base/err.h"
#include "base/mem.h"
#include "log/log_int.h"
#include "wire/old_batch.h"

#define SCRATCH_KEPT_BYTES (4 * 1024 * 1024)

int batch_scan_start(struct batch_scan *scan, struct segment *s, int64_t pos)
{
	int fd = segment_fd(s);

	*scan = (struct batch_scan){.segment = s, .pos = pos, .end_pos = s->size_bytes,
				    .window_pos = -1};
	if (fd >= 0)
		scan->file = file_ref(s->file.ref);
	return fd < 0 ? fd : 0;
}

void batch_scan_end(struct batch_scan *scan)
{
	struct log_pool *pool = scan->segment->log->pool;

	file_unref(scan->file);
	if (pool->scratch_len > SCRATCH_KEPT_BYTES) {	/* a damaged length may have asked for it */
		free(pool->scratch);
		pool->scratch = NULL;
		pool->scratch_len = 0;
	}
}

int batch_scan_next(struct batch_scan *scan, struct batch *out)
{
	struct log_pool *pool = scan->segment->log->pool;
	size_t need = BATCH_PREFIX_BYTES;

	if (scan->pos == scan->end_pos)
		return 0;
	for (;;) {
		size_t skip = (size_t)(scan->pos - scan->window_pos), want;
		bool known = scan->pos >= scan->window_pos && skip <= scan->window_len;
		int rc = known ? batch_parse_any(out, pool->scratch + skip, scan->window_len - skip)
			       : E_SHORT;
		ssize_t n;

		if (rc == 0) {
			scan->pos += (int64_t)out->size_bytes;
			return 1;
		}
		if (rc != E_SHORT)
			return rc;
		if (known && out->size_bytes)
			need = out->size_bytes;
		if ((int64_t)need > scan->end_pos - scan->pos)
			return E_SHORT;
		/* Nothing of this size was seen before: it is no more than the file has. */
		want = (size_t)MIN((int64_t)MAX(need, (size_t)LOG_SCAN_BYTES),
				   scan->end_pos - scan->pos);
		scan->window_pos = -1;
		scan->window_len = 0;
		n = pool_read(pool, scan->file, pool_scratch(pool, want), want, scan->pos);
		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			scan->end_pos = scan->pos + n;
		scan->window_pos = scan->pos;
		scan->window_len = (size_t)n;
		if ((size_t)n < need)
			return E_SHORT;
	}
}
