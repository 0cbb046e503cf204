/* Checkpoint files: "0", the number of entries, then one line for each. */
#ifndef KAVKA_BROKER_LOG_CHECKPOINT_H
#define KAVKA_BROKER_LOG_CHECKPOINT_H

#include "base/buf.h"
#include "base/env.h"

/* A checkpoint file is a few bytes a partition. */
#define CHECKPOINT_FILE_BYTES_MAX (256 * 1024 * 1024)

/* Reads the file and calls `line` with the words of each entry (exactly `words` of them, borrowed);
 * a negative return ends it. 0 (also for an empty file); -ENOENT, -errno, E_MALFORMED. */
MUST_USE int checkpoint_read(struct env *env, const char *path, unsigned words,
			     int (*line)(void *ctx, const struct str *words), void *ctx);

/* The head of a file with so many entries; lines go behind it, then env_write_file(). */
void checkpoint_begin(struct out *out, size_t count);

/* A decimal number; 0 or E_MALFORMED. */
MUST_USE int checkpoint_number(struct str word, int64_t *out);

#endif
