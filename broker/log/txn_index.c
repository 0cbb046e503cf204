/* The aborted transactions of a segment: BASE.txnindex. */
#include "base/err.h"
#include "base/mem.h"
#include "log/log_int.h"

#include <errno.h>

static int txn_index_open(struct segment *s, unsigned flags, int *fd, int64_t *size_bytes)
{
	struct env *env = log_env(s->log);
	char path[LOG_PATH_MAX];
	struct env_stat st;
	int rc;

	segment_path(s, SEGMENT_TXNINDEX, path);
	*fd = env->ops->open(env, path, ENV_WRITE | flags);
	if (*fd < 0)
		return *fd;
	rc = env->ops->fstat(env, *fd, &st);
	if (rc < 0) {
		env->ops->close(env, *fd);
		return rc;
	}
	*size_bytes = st.size_bytes / TXN_INDEX_ENTRY_BYTES * TXN_INDEX_ENTRY_BYTES;
	return 0;
}

int txn_index_add(struct segment *s, const struct aborted_txn *txn)
{
	uint8_t entry[TXN_INDEX_ENTRY_BYTES];
	int64_t size_bytes;
	int fd, rc;

	put_be16(entry, 0);
	put_be64(entry + 2, (uint64_t)txn->producer_id);
	put_be64(entry + 10, (uint64_t)txn->first_offset);
	put_be64(entry + 18, (uint64_t)txn->last_offset);
	put_be64(entry + 26, (uint64_t)txn->last_stable_offset);
	rc = txn_index_open(s, ENV_CREATE | (s->has_txn_index ? 0 : ENV_TRUNCATE), &fd,
			    &size_bytes);
	if (rc < 0)
		return rc;
	s->has_txn_index = true;
	rc = env_write(log_env(s->log), fd, entry, sizeof(entry), size_bytes);
	log_env(s->log)->ops->close(log_env(s->log), fd);
	return rc;
}

int txn_index_read(struct segment *s, struct aborted_txn **out, size_t *count)
{
	uint8_t *bytes = NULL;
	struct file_ref *file;
	int64_t size_bytes;
	int fd, rc = 0;
	ssize_t n;

	*out = NULL;
	*count = 0;
	if (!s->has_txn_index)
		return 0;
	rc = txn_index_open(s, 0, &fd, &size_bytes);
	if (rc < 0)
		return rc;
	bytes = xmalloc((size_t)size_bytes);
	file = pool_file_new(log_env(s->log), fd);
	n = pool_read(s->log->pool, file, bytes, (size_t)size_bytes, 0);
	file_unref(file);
	if (n < 0)
		rc = (int)n;
	else
		*count = (size_t)n / TXN_INDEX_ENTRY_BYTES;
	if (rc == 0)
		*out = xcalloc(*count, sizeof(**out));
	for (size_t i = 0; rc == 0 && i < *count; i++) {
		const uint8_t *p = bytes + i * TXN_INDEX_ENTRY_BYTES;

		(*out)[i] = (struct aborted_txn){
			.producer_id = (int64_t)be64(p + 2),
			.first_offset = (int64_t)be64(p + 10),
			.last_offset = (int64_t)be64(p + 18),
			.last_stable_offset = (int64_t)be64(p + 26),
		};
		if (be16(p) != 0 || (*out)[i].last_offset < s->base_offset ||
		    (*out)[i].first_offset > (*out)[i].last_offset)
			rc = E_CORRUPT;
	}
	free(bytes);
	if (rc < 0) {
		free(*out);
		*out = NULL;
		*count = 0;
	}
	return rc;
}

int txn_index_truncate(struct segment *s, int64_t offset)
{
	struct aborted_txn *txns;
	int64_t size_bytes;
	size_t count, kept = 0;
	int fd, rc = txn_index_read(s, &txns, &count);

	if (rc < 0)
		return rc;
	while (kept < count && txns[kept].last_offset < offset)
		kept++;
	free(txns);
	rc = txn_index_open(s, 0, &fd, &size_bytes);
	if (rc < 0)
		return rc;
	rc = log_env(s->log)->ops->truncate(log_env(s->log), fd,
					    (int64_t)(kept * TXN_INDEX_ENTRY_BYTES));
	log_env(s->log)->ops->close(log_env(s->log), fd);
	return rc;
}

int txn_index_reset(struct segment *s)
{
	char path[LOG_PATH_MAX];
	int rc;

	if (!s->has_txn_index)
		return 0;
	segment_path(s, SEGMENT_TXNINDEX, path);
	rc = log_env(s->log)->ops->unlink(log_env(s->log), path);
	s->has_txn_index = false;
	return rc == -ENOENT ? 0 : rc;
}
