/* The next image in the making: replays the controller's records, one by one, on top of an image.
 *
 *	delta_init(&d, image)
 *	delta_replay(&d, ...)		any number
 *	delta_image(&d)			to look at what there is so far (shard 0 only)
 *	delta_publish(&d, ...)		gives an image of that, and goes on from there
 *
 * Publishing is O(1). A metadata transaction (BeginTransactionRecord ... EndTransactionRecord) is
 * replayed like everything else; delta_in_transaction() says that it is open: publish only outside,
 * since AbortTransactionRecord takes everything back to before its begin.
 *
 * Records are what the controller wrote, so a bad one is an error of the log (E_CORRUPT), after
 * which the delta must not be used any more. One thread.
 * Source: metadata/src/main/java/org/apache/kafka/image/MetadataDelta.java */
#ifndef KAVKA_BROKER_METADATA_DELTA_H
#define KAVKA_BROKER_METADATA_DELTA_H

#include "metadata/image_int.h"
#include "wire/record_frame.h"

struct image_delta {
	struct image image;           /* what there is so far */
	uint64_t edit;                /* marks what this delta may change in place */
	const struct image *rollback; /* before the open transaction, NULL: none is open */
};

void delta_init(struct image_delta *d, const struct image *from); /* borrows `from` */
void delta_fini(struct image_delta *d);
/* Starts over from `from`. */
void delta_reset(struct image_delta *d, const struct image *from);

/* Replays one record (the generated struct of `type`), which was at `offset` of the log.
 * 0 or E_CORRUPT. Borrows the record. */
MUST_USE int delta_replay(struct image_delta *d, enum metadata_record_type type, const void *record,
			  int64_t offset, struct err *err);
/* The same from the value of a log record. Also E_UNSUPPORTED (unknown type or version). */
MUST_USE int delta_replay_bytes(struct image_delta *d, struct slice value, int64_t offset,
				struct arena *scratch, struct err *err);

/* The quorum's version, which no metadata record says. */
static inline void delta_set_kraft_version(struct image_delta *d, int16_t level)
{
	d->image.kraft_version = level;
}

static inline bool delta_in_transaction(const struct image_delta *d)
{
	return d->rollback != NULL;
}
static inline const struct image *delta_image(const struct image_delta *d)
{
	return &d->image;
}

/* Gives an image of what was replayed, as of the record at `offset`. */
const struct image *delta_publish(struct image_delta *d, int64_t offset, int32_t epoch,
				  int64_t timestamp_ms);

/* ---- Inside the folder: one function per family of records --------------------------------- */

MUST_USE int delta_topic_record(struct image_delta *d, enum metadata_record_type type,
				const void *record, struct err *err);
MUST_USE int delta_node_record(struct image_delta *d, enum metadata_record_type type,
			       const void *record, int64_t offset, struct err *err);
MUST_USE int delta_setting_record(struct image_delta *d, enum metadata_record_type type,
				  const void *record, struct err *err);
MUST_USE int delta_security_record(struct image_delta *d, enum metadata_record_type type,
				   const void *record, struct err *err);

/* One block of memory for a struct and the bytes it points to. */
struct packer {
	char *at, *end;
};
void *packer_alloc(struct packer *p, size_t struct_size, size_t extra_bytes);
/* Room for an array, aligned to 8; NULL for none. */
void *packer_room(struct packer *p, size_t bytes);
#define PACKER_ROOM(bytes) ((bytes) + 8)
/* A copy with '\0' behind it; null stays null. */
struct str packer_str(struct packer *p, struct str s);
#define PACKER_STR(s) ((s).len + 1)

/* Removes the configs of a resource, if it has any. */
void delta_remove_config(struct image_delta *d, enum config_resource type, struct str name);

#endif
