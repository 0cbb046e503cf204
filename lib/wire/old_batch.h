/* Message sets of versions 0 and 1 (magic), as logs of brokers before 0.11 still have them on disk.
 *
 *	off len field				off len field
 *	  0   8 offset (of the last one inside)	 17   1 attributes: codec, timestamp type (3)
 *	  8   4 size (bytes after it)		 18   8 timestamp, version 1 only
 *	 12   4 crc (CRC-32 of 16..end)		   ..4 key length, key
 *	 16   1 magic 0 or 1			   ..4 value length, value
 *
 * A compressed set is one such message, whose value is the set. `struct batch` stands for the
 * outer one.
 * Source: clients/.../record/internal/LegacyRecord.java, AbstractLegacyRecordBatch.java */
#ifndef KAVKA_WIRE_OLD_BATCH_H
#define KAVKA_WIRE_OLD_BATCH_H

#include "wire/batch.h"

/* Fills in crc, attributes and max_timestamp; size_bytes and magic are there, `data` has all the
 * bytes. 0, or E_CORRUPT: it is too short for its version. */
MUST_USE int old_batch_parse(struct batch *b, const uint8_t *data);
bool old_batch_is_valid(const struct batch *b);

/* For who takes batches of every version: as batch_parse(), batch_parse_header() and batch_next(),
 * but a set of version 0 or 1 is taken, too. It counts as one record at the last offset inside, of
 * no producer and no epoch; its attributes are the codec and the timestamp type. */
MUST_USE int batch_parse_any(struct batch *out, const void *data, size_t len);
MUST_USE int batch_parse_header_any(struct batch *out, const void *data, size_t len);
MUST_USE int batch_next_any(struct batch *out, const uint8_t **data, size_t *len);
/* The CRC of either kind. */
bool batch_any_crc_ok(const struct batch *b);

/* Gives the set as a batch of version 2, not compressed, with the same records at the same offsets
 * (one reference). E_MALFORMED, E_TOO_LARGE, E_UNSUPPORTED. */
MUST_USE int old_batch_upgrade(const struct batch *b, struct compressor *c, struct slice *out);

/* One message. */
struct old_record {
	struct record record;
	uint32_t crc;
	bool is_valid;
};

struct old_iter {
	struct batch batch;
	const uint8_t *pos, *end; /* of what is inside; NULL: it is not compressed */
	int64_t offset_base;      /* what offsets inside are relative to */
	bool is_done;
};

/* As record_iter_init(): 0, E_MALFORMED, E_TOO_LARGE, E_UNSUPPORTED. */
MUST_USE int old_iter_init(struct old_iter *it, const struct batch *b, struct compressor *c);
/* 1, 0 at the end, E_MALFORMED. */
MUST_USE int old_next(struct old_iter *it, struct old_record *out);

#endif
