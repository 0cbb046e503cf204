/* The leader epochs of a log and where each began: leader-epoch-checkpoint. */
#include "base/err.h"
#include "base/mem.h"
#include "log/checkpoint.h"
#include "log/log_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define EPOCHS_FILE "leader-epoch-checkpoint"

void epochs_fini(struct epochs *e)
{
	free(e->entries);
	*e = (struct epochs){0};
}

static void epochs_push(struct epochs *e, int32_t leader_epoch, int64_t start_offset)
{
	e->entries = grow_array(e->entries, e->count, &e->cap, sizeof(*e->entries));
	e->entries[e->count++] = (struct epoch_entry){leader_epoch, start_offset};
}

static int epochs_line(void *ctx, const struct str *words)
{
	int64_t epoch, offset;

	if (checkpoint_number(words[0], &epoch) < 0 || checkpoint_number(words[1], &offset) < 0)
		return E_MALFORMED;
	if (epoch < 0 || epoch > INT32_MAX || offset < 0)
		return E_MALFORMED;
	(void)epochs_assign(ctx, (int32_t)epoch, offset);
	return 0;
}

int epochs_load(struct log *log, struct err *err)
{
	char *path = xasprintf("%s/" EPOCHS_FILE, log->path);
	int rc = checkpoint_read(log_env(log), path, 2, epochs_line, &log->epochs);

	if (rc == -ENOENT)
		rc = 0;
	/* A file that makes no sense counts as none: recovery and appends fill it again. */
	if (rc == E_MALFORMED) {
		epochs_fini(&log->epochs);
		rc = 0;
	}
	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	free(path);
	return rc;
}

int epochs_store(struct log *log)
{
	char *path = xasprintf("%s/" EPOCHS_FILE, log->path);
	const struct epochs *e = &log->epochs;
	struct out out;
	int rc;

	checkpoint_begin(&out, e->count);
	for (size_t i = 0; i < e->count; i++)
		out_printf(&out, "%" PRId32 " %" PRId64 "\n", e->entries[i].leader_epoch,
			   e->entries[i].start_offset);
	rc = env_write_file(log_env(log), path, out.data, out.len);
	if (rc == 0)
		log->epochs.is_unwritten = false;
	out_fini(&out);
	free(path);
	return rc;
}

bool epochs_assign(struct epochs *e, int32_t leader_epoch, int64_t start_offset)
{
	size_t kept = e->count;

	assert(leader_epoch >= 0 && start_offset >= 0);
	if (kept > 0 && e->entries[kept - 1].leader_epoch == leader_epoch &&
	    e->entries[kept - 1].start_offset <= start_offset)
		return false;
	while (kept > 0 && (e->entries[kept - 1].leader_epoch >= leader_epoch ||
			    e->entries[kept - 1].start_offset >= start_offset))
		kept--;
	e->count = kept;
	epochs_push(e, leader_epoch, start_offset);
	return true;
}

bool epochs_truncate_end(struct epochs *e, int64_t offset)
{
	size_t before = e->count;

	while (e->count > 0 && e->entries[e->count - 1].start_offset >= offset)
		e->count--;
	return e->count != before;
}

bool epochs_truncate_start(struct epochs *e, int64_t offset)
{
	size_t first = 0;

	while (first + 1 < e->count && e->entries[first + 1].start_offset <= offset)
		first++;
	if (e->count == 0 || (first == 0 && e->entries[0].start_offset >= offset))
		return false;
	memmove(e->entries, e->entries + first, (e->count - first) * sizeof(*e->entries));
	e->count -= first;
	if (e->entries[0].start_offset < offset)
		e->entries[0].start_offset = offset;
	return true;
}

int epochs_restore_start(struct log *log, bool *changed)
{
	struct epochs known = log->epochs, *e = &log->epochs;
	int64_t until = known.count ? known.entries[0].start_offset : log->end_offset;
	int rc = 0;

	if (until <= log->start_offset)
		return 0;
	*e = (struct epochs){.is_unwritten = known.is_unwritten};
	for (size_t i = 0; rc == 0 && i < log->segment_count; i++) {
		struct header_walk w = {.segment = log->segments[i]};
		struct batch b;

		while (w.segment->base_offset < until && (rc = header_walk_next(&w, &b)) == 1 &&
		       b.base_offset < until)
			if (b.partition_leader_epoch > log_latest_epoch(log) &&
			    batch_last_offset(&b) >= log->start_offset)
				*changed |= epochs_assign(e, b.partition_leader_epoch,
							  MAX(b.base_offset, log->start_offset));
		/* what is damaged is not looked for here */
		rc = rc == E_CORRUPT ? 0 : MIN(rc, 0);
	}
	for (size_t i = 0; i < known.count; i++)
		(void)epochs_assign(e, known.entries[i].leader_epoch,
				    known.entries[i].start_offset);
	epochs_fini(&known);
	return rc;
}

int32_t log_latest_epoch(const struct log *log)
{
	const struct epochs *e = &log->epochs;

	return e->count ? e->entries[e->count - 1].leader_epoch : -1;
}

int log_assign_epoch(struct log *log, int32_t leader_epoch, int64_t start_offset, struct err *err)
{
	int rc = log_usable(log, err);

	if (rc < 0)
		return rc;
	if (!epochs_assign(&log->epochs, leader_epoch, start_offset))
		return 0;
	/* The file can wait for the first flush behind it (see note_epochs): a broker that becomes
	 * leader of thousands of partitions at once is spared as many fsyncs. */
	if (start_offset == log->end_offset) {
		log->epochs.is_unwritten = true;
		return 0;
	}
	rc = epochs_store(log);
	return rc < 0 ? log_fail(log, rc, err, "writing leader epochs") : 0;
}

void log_epoch_end(const struct log *log, int32_t leader_epoch, int32_t *epoch_found,
		   int64_t *end_offset)
{
	const struct epochs *e = &log->epochs;
	size_t i = e->count;

	*epoch_found = -1;
	*end_offset = -1;
	if (leader_epoch < 0 || e->count == 0 || leader_epoch > log_latest_epoch(log))
		return;
	if (leader_epoch < e->entries[0].leader_epoch) {
		*epoch_found = leader_epoch;
		*end_offset = e->entries[0].start_offset;
		return;
	}
	while (e->entries[i - 1].leader_epoch > leader_epoch)
		i--;
	*epoch_found = e->entries[i - 1].leader_epoch;
	*end_offset = i < e->count ? e->entries[i].start_offset : log->end_offset;
}

int32_t log_epoch_at(const struct log *log, int64_t offset)
{
	const struct epochs *e = &log->epochs;

	for (size_t i = e->count; i > 0; i--)
		if (e->entries[i - 1].start_offset <= offset)
			return e->entries[i - 1].leader_epoch;
	return -1;
}

int64_t log_epoch_start(const struct log *log, int32_t leader_epoch)
{
	const struct epochs *e = &log->epochs;

	for (size_t i = e->count; i > 0; i--)
		if (e->entries[i - 1].leader_epoch == leader_epoch)
			return e->entries[i - 1].start_offset;
	return -1;
}
