/* The compression codecs of record batches (and of telemetry): gzip, snappy, lz4, zstd.
 *
 * A `struct compressor` holds the contexts of all codecs and one output buffer; each is made at
 * first use and reused. It belongs to one thread at a time; a shard or a client has one.
 * What is read back is foreign bytes: decompression never gives more than the caller's bound, and
 * never allocates on the word of a header alone.
 *
 * Formats, as Kafka's Java and C clients write and read them:
 *	gzip	RFC 1952, concatenated members accepted
 *	snappy	written as snappy-java's stream (16-byte header, blocks of 32 KiB); read as that or,
 *		without the header, as one raw block
 *	lz4	LZ4 frame, independent blocks of 64 KiB, no checksums; linked blocks, skippable and
 *		concatenated frames are refused, as Java does
 *	zstd	standard frames, no dictionary */
#ifndef KAVKA_WIRE_COMPRESS_H
#define KAVKA_WIRE_COMPRESS_H

#include "base/buf.h"
#include "base/check.h"

enum compression {
	COMPRESSION_NONE = 0,	/* numbers of the attributes of a batch */
	COMPRESSION_GZIP = 1,
	COMPRESSION_SNAPPY = 2,
	COMPRESSION_LZ4 = 3,
	COMPRESSION_ZSTD = 4,
};
#define COMPRESSION_COUNT 5

/* "The codec's own default": gzip -1, lz4 9, zstd 3. */
#define COMPRESSION_LEVEL_DEFAULT INT32_MIN

struct compressor;

struct compressor *compressor_new(void);
void compressor_free(struct compressor *c);

/* "none", "gzip", ...; NULL for other numbers. */
const char *compression_name(int codec);
/* 0 or E_INVALID. Knows the five names (not "producer", "uncompressed": those are configs). */
MUST_USE int compression_parse(struct str name, enum compression *out);
/* Whether `level` is one the codec has; the bounds go to *min and *max (NULL allowed).
 * none and snappy have no levels: only the default is valid. */
bool compression_level_valid(enum compression codec, int level, int *min, int *max);

/* Appends the compressed bytes to `out`, which must have room for the worst case. A level outside
 * the codec's range counts as the default.
 * Returns 0; E_TOO_LARGE (the contents of `out` are then undefined). */
MUST_USE int compress_bytes(struct compressor *c, enum compression codec, int level,
			    const void *data, size_t len, struct out *out);

/* Gives in *out the decompressed bytes, borrowed from the compressor until the next call on it;
 * COMPRESSION_NONE gives `data` itself. At most `max_bytes`.
 * Returns 0, E_TOO_LARGE (more than max_bytes), E_MALFORMED, E_UNSUPPORTED (codec > 4). */
MUST_USE int decompress_bytes(struct compressor *c, int codec, const void *data, size_t len,
			      size_t max_bytes, struct slice *out);

#endif
