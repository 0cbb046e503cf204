/* Flushing: what is behind the recovery point goes to the disk, now or in the background. */
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "log/log_int.h"

#include <errno.h>

#define SAY_PLACE "broker/log"

/* A flush on another thread: it owns references to the files, and touches nothing else. */
struct flush_job {
	struct env_work work;
	struct env *env;
	struct log *log;
	int64_t target_offset;
	uint64_t truncations;		/* of the log, when it began */
	char *dir;			/* fsync it, too; NULL: no */
	char *parent;			/* likewise: where the directory's own name stands */
	size_t file_count;
	struct file_ref *files[];
};

/* The order of Kafka: log, offset index, time index; the directory at last. */
static void flush_run(struct env_work *work)
{
	struct flush_job *job = CONTAINER_OF(work, struct flush_job, work);
	int rc = 0;

	if (FAULT(flush_skipped))
		return;
	for (size_t i = 0; rc == 0 && i < job->file_count; i++)
		rc = job->env->ops->fsync(job->env, job->files[i]->fd);
	if (rc == 0 && job->dir)
		rc = job->env->ops->fsync_dir(job->env, job->dir);
	if (rc == 0 && job->parent)
		rc = job->env->ops->fsync_dir(job->env, job->parent);
	work->rc = rc;
}

static void flush_job_free(struct flush_job *job)
{
	for (size_t i = 0; i < job->file_count; i++)
		file_unref(job->files[i]);
	free(job->dir);
	free(job->parent);
	free(job);
}

static void flush_done(struct env_work *work)
{
	struct flush_job *job = CONTAINER_OF(work, struct flush_job, work);
	struct log *log = job->log;
	int64_t wanted = log->flush_wanted;

	log->flushing = NULL;
	log->flush_wanted = -1;
	if (log->is_closed) {
		flush_job_free(job);
		log_abandon(log);	/* frees it, now that nothing is under way */
		return;
	}
	if (work->rc < 0)
		(void)log_fail(log, work->rc, NULL, "flushing");
	else if (!log->is_offline && job->truncations == log->truncations)
		log->recovery_point = MAX(log->recovery_point, job->target_offset);
	flush_job_free(job);
	if (!log->is_offline && wanted > log->recovery_point)
		log_flush_later(log, wanted);
}

/* Opens a file and takes a reference for the job. */
static int flush_take(struct flush_job *job, struct log_file *file, struct segment *s,
		      enum segment_file which)
{
	int rc = file_use(s->log->pool, file, s->log->path, s->base_offset,
			  segment_suffix(s, which), 0);

	if (rc == 0)
		job->files[job->file_count++] = file_ref(file->ref);
	return rc;
}

static int flush_take_segment(struct flush_job *job, struct segment *s)
{
	int rc = index_write(s, &s->offsets);

	if (rc == 0)
		rc = index_write(s, &s->times);
	if (rc == 0)
		rc = flush_take(job, &s->file, s, SEGMENT_LOG);
	if (rc == 0)
		rc = flush_take(job, &s->offsets.file, s, SEGMENT_INDEX);
	if (rc == 0)
		rc = flush_take(job, &s->times.file, s, SEGMENT_TIMEINDEX);
	if (rc == 0 && s->has_txn_index) {
		struct log_file file = {0};

		rc = flush_take(job, &file, s, SEGMENT_TXNINDEX);
		file_drop(s->log->pool, &file);
	}
	return rc;
}

/* Everything in [recovery point, offset) as a job. */
static int flush_job_new(struct flush_job **out, struct log *log, int64_t offset)
{
	size_t first = (size_t)MAX(log_segment_index(log, log->recovery_point), 0);
	size_t limit = (size_t)MAX(log_segment_index(log, offset - 1), 0) + 1;
	size_t count = limit > first ? limit - first : 0;
	struct flush_job *job =
		xcalloc(1, sizeof(*job) + count * SEGMENT_FILES * sizeof(job->files[0]));
	int rc = 0;

	job->log = log;
	job->env = log_env(log);
	job->target_offset = offset;
	job->truncations = log->truncations;
	/* What recovery will not read any more must be in the file. */
	if (log->epochs.is_unwritten)
		rc = epochs_store(log);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = flush_take_segment(job, log->segments[first + i]);
	if (rc < 0) {
		flush_job_free(job);
		return rc;
	}
	/* a flush in the background that has them in its care may still fail */
	if (log->has_new_files || (log->flushing && log->flushing->dir))
		job->dir = xstrdup(log->path);
	if ((log->is_new_name || (log->flushing && log->flushing->parent)) && !FAULT(name_unsynced))
		job->parent = log->name > log->path
				      ? xstrndup(log->path, (size_t)(log->name - log->path))
				      : xstrdup(".");
	log->has_new_files = log->is_new_name = false;
	*out = job;
	return 0;
}

void log_flush_later(struct log *log, int64_t offset)
{
	struct flush_job *job;
	int rc;

	if (log->flushing) {
		log->flush_wanted = MAX(log->flush_wanted, offset);
		return;
	}
	rc = flush_job_new(&job, log, offset);
	if (log_no_space(rc)) {	/* the recovery point stays; a later flush covers this one */
		say_warn("%s: cannot be flushed: %s", log->name, err_text(rc));
		return;
	}
	if (rc < 0) {
		(void)log_fail(log, rc, NULL, "flushing");
		return;
	}
	log->flushed_ms = env_wall_ms(log_env(log));
	log->flushing = job;
	job->work.run = flush_run;
	job->work.done = flush_done;
	log_env(log)->ops->work(log_env(log), &job->work);
}

int log_flush(struct log *log, struct err *err)
{
	struct flush_job *job;
	int rc = log_usable(log, err);

	if (rc < 0 || (log->recovery_point == log->end_offset && !log->has_new_files))
		return rc;
	rc = flush_job_new(&job, log, log->end_offset);
	if (log_no_space(rc))
		return err_sys(err, rc, "%s: flushing", log->path);
	if (rc == 0) {
		flush_run(&job->work);
		rc = job->work.rc;
		flush_job_free(job);
	}
	if (rc < 0)
		return log_fail(log, rc, err, "flushing");
	log->recovery_point = log->end_offset;
	log->flushed_ms = env_wall_ms(log_env(log));
	return 0;
}

bool log_is_busy(const struct log *log)
{
	return log->flushing != NULL;
}
