#include "compress.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <lz4frame.h>
#include <lz4hc.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

/* Kept between calls; what a large batch grew beyond it is given back at the next call. */
#define COMPRESS_SCRATCH_KEPT_BYTES (1024 * 1024)
#define COMPRESS_STEP_BYTES (16 * 1024)
/* The most that one byte of snappy can become is 64 bytes from a 3-byte copy. */
#define SNAPPY_RATIO_MAX 32
#define SNAPPY_BLOCK_BYTES (32 * 1024)
#define SNAPPY_HEADER_BYTES 16

static const uint8_t snappy_header[SNAPPY_HEADER_BYTES] = {
	0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
};

struct compressor {
	struct out scratch;
	z_stream deflate, inflate;
	int deflate_level;
	bool has_deflate, has_inflate;
	LZ4F_cctx *lz4_write;
	LZ4F_dctx *lz4_read;
	ZSTD_CCtx *zstd_write;
	ZSTD_DCtx *zstd_read;
};

static const struct {
	const char *name;
	int level_min, level_max, level_default;
} codecs[COMPRESSION_COUNT] = {
	[COMPRESSION_NONE] = {"none", 0, -1, 0},
	[COMPRESSION_GZIP] = {"gzip", 1, 9, -1},
	[COMPRESSION_SNAPPY] = {"snappy", 0, -1, 0},
	[COMPRESSION_LZ4] = {"lz4", 1, 17, 9},
	[COMPRESSION_ZSTD] = {"zstd", -131072, 22, 3},
};

struct compressor *compressor_new(void)
{
	struct compressor *c = xcalloc(1, sizeof(*c));

	out_init(&c->scratch, 0);
	return c;
}

void compressor_free(struct compressor *c)
{
	if (!c)
		return;
	out_fini(&c->scratch);
	if (c->has_deflate)
		deflateEnd(&c->deflate);
	if (c->has_inflate)
		inflateEnd(&c->inflate);
	LZ4F_freeCompressionContext(c->lz4_write);
	LZ4F_freeDecompressionContext(c->lz4_read);
	ZSTD_freeCCtx(c->zstd_write);
	ZSTD_freeDCtx(c->zstd_read);
	free(c);
}

const char *compression_name(int codec)
{
	return codec >= 0 && codec < COMPRESSION_COUNT ? codecs[codec].name : NULL;
}

int compression_parse(struct str name, enum compression *out)
{
	for (int i = 0; i < COMPRESSION_COUNT; i++) {
		if (str_is(name, codecs[i].name)) {
			*out = (enum compression)i;
			return 0;
		}
	}
	return E_INVALID;
}

bool compression_level_valid(enum compression codec, int level, int *min, int *max)
{
	assert(codec < COMPRESSION_COUNT);
	if (min)
		*min = codecs[codec].level_min;
	if (max)
		*max = codecs[codec].level_max;
	if (level == COMPRESSION_LEVEL_DEFAULT || level == codecs[codec].level_default)
		return true;
	return level >= codecs[codec].level_min && level <= codecs[codec].level_max;
}

/* Room for the next piece of a stream whose length is not known; *room_len > 0, or NULL. */
static uint8_t *out_room(struct out *o, size_t *room_len)
{
	size_t wanted = o->cap > o->len ? o->cap - o->len
					: MAX(o->cap, (size_t)COMPRESS_STEP_BYTES);

	*room_len = MIN(wanted, o->max - o->len);
	return *room_len ? out_reserve(o, *room_len) : NULL;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static int gzip_write(struct compressor *c, int level, const uint8_t *data, size_t len,
		      struct out *out)
{
	z_stream *z = &c->deflate;
	int rc = Z_OK;

	if (c->has_deflate && c->deflate_level != level) {
		deflateEnd(z);
		c->has_deflate = false;
	}
	if (!c->has_deflate) {
		*z = (z_stream){0};
		rc = deflateInit2(z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
		assert(rc == Z_OK);
		c->has_deflate = true;
		c->deflate_level = level;
	}
	while (rc != Z_STREAM_END) {
		size_t in = MIN(len, (size_t)1 << 30), out_len;
		uint8_t *room = out_room(out, &out_len);

		if (!room)
			break;
		out_len = MIN(out_len, (size_t)1 << 30);
		z->next_in = (Bytef *)(uintptr_t)data;
		z->avail_in = (uInt)in;
		z->next_out = room;
		z->avail_out = (uInt)out_len;
		rc = deflate(z, in == len ? Z_FINISH : Z_NO_FLUSH);
		assert(rc != Z_STREAM_ERROR);
		data += in - z->avail_in;
		len -= in - z->avail_in;
		out->len += out_len - z->avail_out;
	}
	deflateReset(z);
	return rc == Z_STREAM_END ? 0 : E_TOO_LARGE;
}

static int snappy_write(const uint8_t *data, size_t len, struct out *out)
{
	out_bytes(out, snappy_header, sizeof(snappy_header));
	while (len > 0) {
		size_t part = MIN(len, (size_t)SNAPPY_BLOCK_BYTES);
		size_t room_len = snappy_max_compressed_length(part);
		uint8_t *room = out_reserve(out, 4 + room_len);
		snappy_status rc;

		if (!room)
			return E_TOO_LARGE;
		rc = snappy_compress((const char *)data, part, (char *)room + 4, &room_len);
		assert(rc == SNAPPY_OK);
		put_be32(room, (uint32_t)room_len);
		out->len += 4 + room_len;
		data += part;
		len -= part;
	}
	return out->failed ? E_TOO_LARGE : 0;
}

/* Java takes its fast compressor at the default level and the HC one at every other. */
static int lz4_level(int level)
{
	if (level == codecs[COMPRESSION_LZ4].level_default)
		return 0;
	return MIN(MAX(level, 3), LZ4HC_CLEVEL_MAX);
}

static int lz4_write(struct compressor *c, int level, const uint8_t *data, size_t len,
		     struct out *out)
{
	LZ4F_preferences_t prefs = {
		.frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
		.compressionLevel = lz4_level(level),
		.autoFlush = 1,
	};
	uint8_t *room;
	size_t n, cap;

	if (!c->lz4_write) {
		n = LZ4F_createCompressionContext(&c->lz4_write, LZ4F_VERSION);
		assert(!LZ4F_isError(n));
	}
	room = out_reserve(out, LZ4F_HEADER_SIZE_MAX);
	if (!room)
		return E_TOO_LARGE;
	n = LZ4F_compressBegin(c->lz4_write, room, LZ4F_HEADER_SIZE_MAX, &prefs);
	assert(!LZ4F_isError(n));
	out->len += n;
	while (len > 0) {
		size_t part = MIN(len, (size_t)64 * 1024);

		cap = LZ4F_compressBound(part, &prefs);
		room = out_reserve(out, cap);
		if (!room)
			return E_TOO_LARGE;
		n = LZ4F_compressUpdate(c->lz4_write, room, cap, data, part, NULL);
		assert(!LZ4F_isError(n));
		out->len += n;
		data += part;
		len -= part;
	}
	cap = LZ4F_compressBound(0, &prefs);
	room = out_reserve(out, cap);
	if (!room)
		return E_TOO_LARGE;
	n = LZ4F_compressEnd(c->lz4_write, room, cap, NULL);
	assert(!LZ4F_isError(n));
	out->len += n;
	return 0;
}

static int zstd_write(struct compressor *c, int level, const uint8_t *data, size_t len,
		      struct out *out)
{
	size_t cap = ZSTD_compressBound(len), n;
	uint8_t *room = out_reserve(out, cap);

	if (!room)
		return E_TOO_LARGE;
	if (!c->zstd_write)
		c->zstd_write = ZSTD_createCCtx();
	assert(c->zstd_write != NULL);
	n = ZSTD_compressCCtx(c->zstd_write, room, cap, data, len, level);
	assert(!ZSTD_isError(n));
	out->len += n;
	return 0;
}

int compress_bytes(struct compressor *c, enum compression codec, int level, const void *data,
		   size_t len, struct out *out)
{
	assert(codec < COMPRESSION_COUNT);
	if (level == COMPRESSION_LEVEL_DEFAULT ||
	    !compression_level_valid(codec, level, NULL, NULL))
		level = codecs[codec].level_default;
	switch (codec) {
	case COMPRESSION_NONE:
		out_bytes(out, data, len);
		return out->failed ? E_TOO_LARGE : 0;
	case COMPRESSION_GZIP: return gzip_write(c, level, data, len, out);
	case COMPRESSION_SNAPPY: return snappy_write(data, len, out);
	case COMPRESSION_LZ4: return lz4_write(c, level, data, len, out);
	case COMPRESSION_ZSTD: return zstd_write(c, level, data, len, out);
	}
	return E_UNSUPPORTED;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int gzip_read(struct compressor *c, const uint8_t *data, size_t len)
{
	z_stream *z = &c->inflate;
	int rc = Z_OK;

	if (!c->has_inflate) {
		*z = (z_stream){0};
		rc = inflateInit2(z, 15 + 16);
		assert(rc == Z_OK);
		c->has_inflate = true;
	}
	inflateReset(z);
	for (;;) {
		size_t in = MIN(len, (size_t)1 << 30), room_len;
		uint8_t *room = out_room(&c->scratch, &room_len);

		if (!room)
			return E_TOO_LARGE;
		room_len = MIN(room_len, (size_t)1 << 30);
		z->next_in = (Bytef *)(uintptr_t)data;
		z->avail_in = (uInt)in;
		z->next_out = room;
		z->avail_out = (uInt)room_len;
		rc = inflate(z, Z_NO_FLUSH);
		data += in - z->avail_in;
		len -= in - z->avail_in;
		c->scratch.len += room_len - z->avail_out;
		if (rc == Z_STREAM_END && len == 0)
			return 0;
		if (rc == Z_STREAM_END)
			inflateReset(z);	/* the next member */
		else if (rc != Z_OK || (len == 0 && z->avail_out > 0))
			return E_MALFORMED;
	}
}

static int snappy_read_block(struct compressor *c, const uint8_t *data, size_t len)
{
	size_t size;
	uint8_t *room;

	if (snappy_uncompressed_length((const char *)data, len, &size) != SNAPPY_OK)
		return E_MALFORMED;
	if (size / SNAPPY_RATIO_MAX > len)
		return E_MALFORMED;
	room = out_reserve(&c->scratch, MAX(size, (size_t)1));
	if (!room)
		return E_TOO_LARGE;
	if (snappy_uncompress((const char *)data, len, (char *)room, &size) != SNAPPY_OK)
		return E_MALFORMED;
	c->scratch.len += size;
	return 0;
}

static int snappy_read(struct compressor *c, const uint8_t *data, size_t len)
{
	int rc = 0;

	if (len < SNAPPY_HEADER_BYTES || memcmp(data, snappy_header, 8) != 0)
		return snappy_read_block(c, data, len);
	if (be32(data + 12) > 1)
		return E_UNSUPPORTED;	/* needs a newer reader */
	data += SNAPPY_HEADER_BYTES;
	len -= SNAPPY_HEADER_BYTES;
	while (rc == 0 && len > 0) {
		uint32_t block_len;

		if (len >= SNAPPY_HEADER_BYTES && memcmp(data, snappy_header, 8) == 0) {
			data += SNAPPY_HEADER_BYTES;	/* streams put behind each other */
			len -= SNAPPY_HEADER_BYTES;
			continue;
		}
		if (len < 4)
			return E_MALFORMED;
		block_len = be32(data);
		if (block_len > len - 4)
			return E_MALFORMED;
		rc = snappy_read_block(c, data + 4, block_len);
		data += 4 + block_len;
		len -= 4 + block_len;
	}
	return rc;
}

static int lz4_read(struct compressor *c, const uint8_t *data, size_t len)
{
	static const uint8_t magic[4] = {0x04, 0x22, 0x4d, 0x18};
	size_t left = 1;

	/* FLG: version 1, independent blocks, no dictionary, reserved bit 0. */
	if (len < 7 || memcmp(data, magic, 4) != 0 || (data[4] & 0xe3) != 0x60)
		return E_MALFORMED;
	if (!c->lz4_read) {
		size_t n = LZ4F_createDecompressionContext(&c->lz4_read, LZ4F_VERSION);

		assert(!LZ4F_isError(n));
	}
	LZ4F_resetDecompressionContext(c->lz4_read);
	while (left != 0) {
		size_t room_len, in = len;
		uint8_t *room = out_room(&c->scratch, &room_len);

		if (!room)
			return E_TOO_LARGE;
		left = LZ4F_decompress(c->lz4_read, room, &room_len, data, &in, NULL);
		if (LZ4F_isError(left))
			return E_MALFORMED;
		if (left != 0 && in == 0 && room_len == 0)
			return E_MALFORMED;	/* the bytes end inside the frame */
		data += in;
		len -= in;
		c->scratch.len += room_len;
	}
	return len == 0 ? 0 : E_MALFORMED;
}

static int zstd_read(struct compressor *c, const uint8_t *data, size_t len)
{
	ZSTD_inBuffer in = {data, len, 0};
	size_t left = 1;

	if (!c->zstd_read)
		c->zstd_read = ZSTD_createDCtx();
	assert(c->zstd_read != NULL);
	ZSTD_DCtx_reset(c->zstd_read, ZSTD_reset_session_only);
	while (in.pos < in.size || left != 0) {
		size_t room_len, in_before = in.pos;
		uint8_t *room = out_room(&c->scratch, &room_len);
		ZSTD_outBuffer out = {room, room_len, 0};

		if (!room)
			return E_TOO_LARGE;
		left = ZSTD_decompressStream(c->zstd_read, &out, &in);
		if (ZSTD_isError(left))
			return E_MALFORMED;
		c->scratch.len += out.pos;
		if (left != 0 && out.pos == 0 && in.pos == in_before)
			return E_MALFORMED;
	}
	return 0;
}

/* A frame that says its size, believably: one call, no window buffer. 1 when it was not that. */
static int zstd_read_known(struct compressor *c, const uint8_t *data, size_t len)
{
	unsigned long long size = ZSTD_getFrameContentSize(data, len);
	uint8_t *room;
	size_t n;

	if (size == ZSTD_CONTENTSIZE_ERROR)
		return E_MALFORMED;
	if (size == ZSTD_CONTENTSIZE_UNKNOWN ||
	    size > MAX((size_t)COMPRESS_SCRATCH_KEPT_BYTES, len * 64))
		return 1;
	n = ZSTD_findFrameCompressedSize(data, len);
	if (ZSTD_isError(n) || n != len)
		return 1;
	if (!c->zstd_read)
		c->zstd_read = ZSTD_createDCtx();
	assert(c->zstd_read != NULL);
	room = out_reserve(&c->scratch, MAX((size_t)size, (size_t)1));
	if (!room)
		return E_TOO_LARGE;
	n = ZSTD_decompressDCtx(c->zstd_read, room, (size_t)size, data, len);
	if (ZSTD_isError(n))
		return E_MALFORMED;
	c->scratch.len += n;
	return 0;
}

static int decompress_zstd(struct compressor *c, const uint8_t *data, size_t len)
{
	int rc = zstd_read_known(c, data, len);

	if (rc == 1)
		rc = zstd_read(c, data, len);
	if (c->zstd_read && ZSTD_sizeof_DCtx(c->zstd_read) > 4 * COMPRESS_SCRATCH_KEPT_BYTES) {
		ZSTD_freeDCtx(c->zstd_read);	/* a peer chose its window */
		c->zstd_read = NULL;
	}
	return rc;
}

int decompress_bytes(struct compressor *c, int codec, const void *data, size_t len,
		     size_t max_bytes, struct slice *out)
{
	int rc;

	if (codec == COMPRESSION_NONE) {
		*out = (struct slice){.data = data, .len = len};
		return len > max_bytes ? E_TOO_LARGE : 0;
	}
	if (c->scratch.cap > COMPRESS_SCRATCH_KEPT_BYTES)
		out_fini(&c->scratch);
	out_reset(&c->scratch);
	c->scratch.max = max_bytes < SIZE_MAX ? max_bytes + 1 : max_bytes;
	switch (codec) {
	case COMPRESSION_GZIP: rc = gzip_read(c, data, len); break;
	case COMPRESSION_SNAPPY: rc = snappy_read(c, data, len); break;
	case COMPRESSION_LZ4: rc = lz4_read(c, data, len); break;
	case COMPRESSION_ZSTD: rc = decompress_zstd(c, data, len); break;
	default: return E_UNSUPPORTED;
	}
	if (rc == 0 && c->scratch.len > max_bytes)
		rc = E_TOO_LARGE;
	if (rc == 0)
		*out = (struct slice){.data = c->scratch.data, .len = c->scratch.len};
	if (rc == 0 && !out->data)
		out->data = (const uint8_t *)"";
	return rc;
}
