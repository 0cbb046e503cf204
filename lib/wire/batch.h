/* Record batches, version 2 (magic 2): reading, checking, changing in place, building.
 *
 *	off len field				off len field
 *	  0   8 baseOffset			 27   8 baseTimestamp
 *	  8   4 batchLength (bytes after it)	 35   8 maxTimestamp
 *	 12   4 partitionLeaderEpoch		 43   8 producerId
 *	 16   1 magic = 2			 51   2 producerEpoch
 *	 17   4 crc (CRC-32C of 21..end)	 53   4 baseSequence
 *	 21   2 attributes			 57   4 recordsCount
 *	 23   4 lastOffsetDelta			 61     records, compressed together if at all
 *
 * The order of calls for foreign bytes: batch_parse (lengths), batch_check_crc, batch_check
 * (header fields), then record_iter_init and record_next (each record). Nothing here trusts a
 * byte; all lengths are checked against what is there. Versions 0 and 1 (message sets) are
 * recognised (batch_parse gives E_UNSUPPORTED with size and offset) and never read further.
 *
 * Everything read borrows from the given bytes (or the compressor's buffer); see each function.
 * Source: clients/.../record/internal/DefaultRecordBatch.java, DefaultRecord.java */
#ifndef KAVKA_WIRE_BATCH_H
#define KAVKA_WIRE_BATCH_H

#include "base/buf.h"
#include "base/limits.h"
#include "wire/compress.h"

#define BATCH_PREFIX_BYTES 17	/* up to and with magic: what a scan needs to go on */
#define BATCH_LOG_OVERHEAD 12	/* before what batchLength counts */
#define BATCH_HEADER_BYTES 61
#define BATCH_MAGIC 2
#define RECORD_OVERHEAD_MAX 21	/* of a record without its key, value, headers and their lengths */

#define BATCH_ATTR_CODEC 0x07
#define BATCH_ATTR_LOG_APPEND_TIME 0x08
#define BATCH_ATTR_TRANSACTIONAL 0x10
#define BATCH_ATTR_CONTROL 0x20
#define BATCH_ATTR_DELETE_HORIZON 0x40

#define NO_PRODUCER_ID (-1)
#define NO_PRODUCER_EPOCH (-1)
#define NO_SEQUENCE (-1)
#define NO_TIMESTAMP (-1)

/* The header of one batch, in host order. */
struct batch {
	int64_t base_offset;
	size_t size_bytes;		/* the whole batch */
	int32_t partition_leader_epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp;		/* the delete horizon if that attribute is set */
	int64_t max_timestamp;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence;
	int32_t record_count;
	const uint8_t *data;		/* borrowed: size_bytes; NULL: only the header */
};

/* Parses the batch at the start of the bytes. 0; E_SHORT: the bytes end inside it (size_bytes is
 * set when at least 12 bytes are there, else 0); E_CORRUPT: impossible length or magic;
 * E_UNSUPPORTED: magic 0 or 1 (base_offset, size_bytes and magic are set). */
MUST_USE int batch_parse(struct batch *out, const void *data, size_t len);

/* The same with only the header at hand (BATCH_HEADER_BYTES are enough); data becomes NULL. */
MUST_USE int batch_parse_header(struct batch *out, const void *data, size_t len);

/* Walks a record set: parses the batch at *data and moves on. 1; 0 at the end (a partial batch at
 * the end is normal in a fetched set and ends it: *len tells what is left); E_CORRUPT,
 * E_UNSUPPORTED (moved on, so the caller may skip it). */
MUST_USE int batch_next(struct batch *out, const uint8_t **data, size_t *len);

bool batch_crc_ok(const struct batch *b);

/* Header fields that cannot be: unknown codec, lastOffsetDelta < 0, recordsCount < 0 or more
 * records than offsets. 0 or E_MALFORMED. */
MUST_USE int batch_check(const struct batch *b);

static inline int64_t batch_last_offset(const struct batch *b)
{
	return b->base_offset + b->last_offset_delta;
}
static inline int64_t batch_next_offset(const struct batch *b)
{
	return batch_last_offset(b) + 1;
}
static inline int batch_codec(const struct batch *b)
{
	return b->attributes & BATCH_ATTR_CODEC;
}
static inline bool batch_is_transactional(const struct batch *b)
{
	return b->attributes & BATCH_ATTR_TRANSACTIONAL;
}
static inline bool batch_is_control(const struct batch *b)
{
	return b->attributes & BATCH_ATTR_CONTROL;
}
static inline bool batch_is_log_append_time(const struct batch *b)
{
	return b->attributes & BATCH_ATTR_LOG_APPEND_TIME;
}
static inline bool batch_has_producer_id(const struct batch *b)
{
	return b->producer_id >= 0;
}
/* Sequence numbers wrap from 2^31-1 to 0. */
static inline int32_t sequence_add(int32_t sequence, int32_t n)
{
	return (int32_t)(((uint32_t)sequence + (uint32_t)n) & 0x7fffffff);
}
static inline int32_t batch_last_sequence(const struct batch *b)
{
	return b->base_sequence < 0 ? NO_SEQUENCE
				    : sequence_add(b->base_sequence, b->last_offset_delta);
}

/* ---- Records -------------------------------------------------------------------------------- */

struct record_header {
	struct str key;
	struct slice value;	/* borrowed; data == NULL: null */
};

struct record {
	int64_t offset;
	int64_t timestamp;		/* maxTimestamp of the batch under LogAppendTime */
	struct slice key, value;	/* borrowed; data == NULL: null */
	int32_t offset_delta;
	uint32_t header_count;
	const uint8_t *headers;		/* borrowed, checked: read with record_header_next */
	size_t headers_len;
	size_t size_bytes;		/* encoded, with its length prefix */
	int64_t timestamp_delta;
};

struct record_iter {
	const uint8_t *pos, *end;
	int32_t left_count;
	struct batch batch;
};

/* Starts over the records of `b`, which has its data. Compressed records are decompressed by `c`
 * (at most `max_bytes`, 0 for BATCH_DECOMPRESSED_BYTES_MAX) and borrowed from it: keep `c` unused
 * for anything else while iterating. `c` may be NULL if the batch is not compressed.
 * 0; E_MALFORMED, E_TOO_LARGE, E_UNSUPPORTED. */
MUST_USE int record_iter_init(struct record_iter *it, const struct batch *b, struct compressor *c,
			      size_t max_bytes);
/* The same over record bytes that the caller decompressed before. */
void record_iter_init_bytes(struct record_iter *it, const struct batch *b, const void *data,
			    size_t len);

/* The next record. 1; 0 at the end; E_MALFORMED (also when bytes are left behind the last). */
MUST_USE int record_next(struct record_iter *it, struct record *out);

/* Header by header; false behind the last. *pos is NULL at first; it borrows from the record.
 *	const uint8_t *pos = NULL;
 *	while (record_header_next(&r, &pos, &header)) */
bool record_header_next(const struct record *r, const uint8_t **pos, struct record_header *out);

/* ---- Control records ------------------------------------------------------------------------ */

enum control_type {
	CONTROL_ABORT = 0,
	CONTROL_COMMIT = 1,
	CONTROL_LEADER_CHANGE = 2,
	CONTROL_SNAPSHOT_HEADER = 3,
	CONTROL_SNAPSHOT_FOOTER = 4,
	CONTROL_KRAFT_VERSION = 5,
	CONTROL_KRAFT_VOTERS = 6,
};
#define CONTROL_KEY_BYTES 4

/* The type in a control record's key, or -1 if it is not one (unknown types are given as is). */
int control_record_type(const struct record *r);
/* Writes the key of a control record. */
void control_key_write(uint8_t key[CONTROL_KEY_BYTES], enum control_type type);
/* The end-of-transaction marker of a control batch: 0 or E_MALFORMED (not a marker). */
MUST_USE int control_marker_parse(const struct record *r, enum control_type *type,
				  int32_t *coordinator_epoch);

/* ---- Changes in place ----------------------------------------------------------------------- */

/* Outside the CRC: nothing is computed. */
void batch_set_base_offset(uint8_t *batch, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *batch, int32_t partition_leader_epoch);
/* Inside: the CRC is computed again, but only if something changed. `batch` is whole and valid. */
void batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp, bool log_append_time);
void batch_set_producer(uint8_t *batch, int64_t producer_id, int16_t producer_epoch,
			int32_t base_sequence, bool is_transactional);
void batch_update_crc(uint8_t *batch);

/* ---- Building ------------------------------------------------------------------------------- */

struct batch_options {
	int64_t base_offset;
	int32_t partition_leader_epoch;
	enum compression codec;
	int level;			/* COMPRESSION_LEVEL_DEFAULT or the codec's */
	int64_t producer_id;		/* the three -1 for none */
	int16_t producer_epoch;
	int32_t base_sequence;
	bool is_transactional;
	bool is_control;
	bool log_append_time;		/* then maxTimestamp is append_timestamp */
	int64_t append_timestamp;
	size_t max_bytes;		/* of the batch, uncompressed; 0: 1 GiB */
	size_t size_hint;		/* bytes to allocate at first; 0: small */
};

/* Offsets from 0, no producer, no compression, epoch -1. */
#define BATCH_OPTIONS_DEFAULT                                                                \
	((struct batch_options){.partition_leader_epoch = -1,                                \
				.level = COMPRESSION_LEVEL_DEFAULT,                          \
				.producer_id = NO_PRODUCER_ID,                               \
				.producer_epoch = NO_PRODUCER_EPOCH,                         \
				.base_sequence = NO_SEQUENCE})

/* Records are copied in as they come, encoded at once. The options may be changed until
 * batch_builder_finish (producer ids are often known late), but for max_bytes. */
struct batch_builder {
	struct batch_options options;
	struct buf *buf;		/* header gap, then records; NULL before the first record */
	size_t len;
	int32_t record_count;
	int32_t last_offset_delta;	/* -1: empty */
	int64_t base_timestamp, max_timestamp;
	/* The cleaner's, set before the first record: */
	int64_t delete_horizon;		/* NO_TIMESTAMP: none */
	int32_t last_offset_delta_min;	/* lastOffsetDelta if no record has that much */
};

void batch_builder_init(struct batch_builder *bb, const struct batch_options *options);
void batch_builder_fini(struct batch_builder *bb);

/* Adds a record with the next offset (or with `offset_delta` > the last one's). Borrows the bytes
 * until it returns. 0; E_TOO_LARGE: it does not fit in max_bytes; nothing changed. */
MUST_USE int batch_builder_add(struct batch_builder *bb, int64_t timestamp, struct slice key,
			       struct slice value, const struct record_header *headers,
			       size_t header_count);
MUST_USE int batch_builder_add_at(struct batch_builder *bb, int32_t offset_delta,
				  const struct record *r);
/* A control record: key of `type`, the given value. */
MUST_USE int batch_builder_add_control(struct batch_builder *bb, enum control_type type,
				       int64_t timestamp, struct slice value);

/* Bytes of the batch so far (uncompressed; the header alone when empty). */
size_t batch_builder_bytes(const struct batch_builder *bb);
/* Upper bound of what one more record adds. */
size_t record_size_max(size_t key_len, size_t value_len, const struct record_header *headers,
		       size_t header_count);

/* Writes the header, compresses, and gives the batch in *out (with a reference); the builder is
 * empty again, options kept. `c` may be NULL without compression. Incompressible data is kept
 * compressed, as Kafka does. 0, E_TOO_LARGE. */
MUST_USE int batch_builder_finish(struct batch_builder *bb, struct compressor *c,
				  struct slice *out);

/* A whole end-of-transaction marker: BATCH_MARKER_BYTES into `out`. */
#define BATCH_MARKER_BYTES 78
void batch_write_marker(uint8_t out[BATCH_MARKER_BYTES], int64_t producer_id,
			int16_t producer_epoch, int32_t coordinator_epoch, bool is_commit,
			int64_t timestamp, int32_t partition_leader_epoch);

/* Builds the same records again with another codec: ids, sequence, attributes, timestamps and
 * leader epoch stay, offset deltas become 0, 1, 2, ... Gives the batch with a reference.
 * 0, E_MALFORMED, E_TOO_LARGE, E_UNSUPPORTED. */
MUST_USE int batch_recompress(const struct batch *b, enum compression codec, int level,
			      struct compressor *c, size_t max_bytes, struct slice *out);

#endif
