/* An image as the records that make it again, in the order of Kafka's snapshots. */
#ifndef KAVKA_BROKER_METADATA_IMAGE_WRITE_H
#define KAVKA_BROKER_METADATA_IMAGE_WRITE_H

#include "base/err.h"
#include "metadata/image.h"
#include "wire/desc.h"

/* Gets one record at a time, borrowed during the call. Non-zero ends the writing. */
typedef int (*image_write_record)(void *ctx, const struct message_desc *desc, int16_t version,
				  const void *record, struct err *err);

/* 0, or what `write` returned. The versions are those of the image's metadata.version. */
MUST_USE int image_write(const struct image *image, image_write_record write, void *ctx,
			 struct err *err);

/* The record that says what is known of a broker, a partition: also what the controller writes.
 * Arrays of the record are borrowed from the image; those of structs are in `arena`. */
struct arena;
struct register_broker_record;
struct partition_record;
void image_broker_record(const struct image_broker *b, struct arena *arena,
			 struct register_broker_record *out);
void image_partition_record(struct uuid topic_id, const struct image_partition *p,
			    struct partition_record *out);

#endif
