/* Snapshots of the metadata log: DIR/OFFSET-EPOCH.checkpoint, an image as of an offset of the log.
 *
 *	control batch	SnapshotHeader [KRaftVersion [Voters]]
 *	data batches	metadata records, as image_write() gives them
 *	control batch	SnapshotFooter
 *
 * OFFSET is exclusive: the first one that is not in the snapshot; EPOCH that of the last record in
 * it. Offsets inside the file count from 0. A file without a footer was never finished.
 * Nothing here keeps state between calls but the writer. A writer may be used on a thread of its
 * own, as all it touches is its file.
 * Source: raft/src/main/java/org/apache/kafka/snapshot */
#ifndef KAVKA_BROKER_METADATA_SNAPSHOT_H
#define KAVKA_BROKER_METADATA_SNAPSHOT_H

#include "base/arena.h"
#include "base/env.h"
#include "base/err.h"
#include "metadata/image.h"
#include "wire/batch.h"
#include "wire/codec.h"

#define SNAPSHOT_SUFFIX ".checkpoint"
#define SNAPSHOT_NAME_MAX 64
/* Batches of the metadata log and of snapshots never get larger. */
#define METADATA_BATCH_BYTES_MAX (8 * 1024 * 1024)
/* A batch of a snapshot is written when it has grown to this. */
#define SNAPSHOT_BATCH_BYTES (256 * 1024)

struct snapshot_id {
	int64_t end_offset; /* exclusive; -1: no snapshot */
	int32_t epoch;
};
#define SNAPSHOT_NONE ((struct snapshot_id){-1, -1})
/* What `format` writes: not a state of the log, but what its first leader shall begin with. */
#define SNAPSHOT_BOOTSTRAP ((struct snapshot_id){0, 0})

static inline bool snapshot_id_eq(struct snapshot_id a, struct snapshot_id b)
{
	return a.end_offset == b.end_offset && a.epoch == b.epoch;
}

char *snapshot_name(struct snapshot_id id, char name[SNAPSHOT_NAME_MAX]);
/* False if it is no name of a finished snapshot. */
bool snapshot_parse_name(const char *name, struct snapshot_id *id);

/* ---- Writing --------------------------------------------------------------------------------- */

struct snapshot_header {
	int64_t last_timestamp_ms;          /* append time of the last record in it */
	int64_t now_ms;                     /* timestamp of the file's own records */
	int16_t kraft_version;              /* 0: written without these two */
	const struct voters_record *voters; /* NULL: not known */
};

struct snapshot_writer {
	struct env *env;
	char *part_path, *path, *dir; /* written as .part, renamed at the end */
	int fd;
	int64_t pos, next_offset, now_ms;
	int32_t epoch;
	struct batch_builder batch;
	struct out scratch;
};

/* Begins DIR/name. -errno. */
MUST_USE int snapshot_writer_open(struct snapshot_writer *w, struct env *env, const char *dir,
				  struct snapshot_id id, const struct snapshot_header *header,
				  struct err *err);
/* Adds a metadata record; fits image_write() with the writer as context. -errno, E_TOO_LARGE. */
MUST_USE int snapshot_writer_add(void *writer, const struct message_desc *desc, int16_t version,
				 const void *record, struct err *err);
/* Writes the footer, brings everything to the disk and gives the file its name. Ends the writer,
 * also on error. */
MUST_USE int snapshot_writer_finish(struct snapshot_writer *w, struct err *err);
/* Ends the writer and removes what it wrote. */
void snapshot_writer_abort(struct snapshot_writer *w);

/* The whole of it for an image. */
MUST_USE int snapshot_write_image(struct env *env, const char *dir, struct snapshot_id id,
				  const struct snapshot_header *header, const struct image *image,
				  struct err *err);

/* ---- Reading --------------------------------------------------------------------------------- */

struct snapshot_contents {
	int64_t last_timestamp_ms;
	int16_t kraft_version;        /* 0 if the file does not say */
	struct voters_record *voters; /* in the arena; NULL if the file does not say */
	int64_t record_count;         /* metadata records */
};

/* Called with the value of each metadata record, borrowed during the call; non-zero ends it. */
typedef int (*snapshot_record)(void *ctx, struct slice value, struct err *err);

/* Reads a snapshot file from begin to end; `each` may be NULL. -errno, E_CORRUPT (also without a
 * footer), or what `each` returned. */
MUST_USE int snapshot_read(struct env *env, const char *path, struct arena *arena,
			   struct snapshot_contents *out, snapshot_record each, void *ctx,
			   struct err *err);

/* Reads DIR/name into an image as of the snapshot's offset. */
MUST_USE int snapshot_read_image(struct env *env, const char *dir, struct snapshot_id id,
				 struct arena *arena, struct snapshot_contents *contents,
				 const struct image **out, struct err *err);

/* ---- Control records, also for the log ------------------------------------------------------- */

/* Adds a control record with the message as its value. */
MUST_USE int control_record_add(struct batch_builder *batch, enum control_type type,
				const struct message_desc *desc, const void *message,
				int64_t timestamp_ms, struct err *err);
/* Reads a control record of KRaft; *message is in the arena. E_UNSUPPORTED: another type. */
MUST_USE int control_record_decode(const struct record *record, struct arena *arena,
				   enum control_type *type, void **message, struct err *err);

#endif
