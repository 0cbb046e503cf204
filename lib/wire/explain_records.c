/* Record batches, field by field. */
#include "wire/batch.h"
#include "wire/explain_int.h"
#include "wire/varint.h"

#include <inttypes.h>
#include <stdio.h>

struct records_walk {
	struct explain *e;
	const char *path;
	const uint8_t *data;
	size_t pos, len;
	size_t base; /* of data[0] in the frame, or EXPLAIN_NO_POS */
	char name[EXPLAIN_VALUE_MAX + 64];
};

static const char *walk_name(struct records_walk *w, const char *field)
{
	snprintf(w->name, sizeof(w->name), "%s.%s", w->path, field);
	return w->name;
}

static void walk_emit(struct records_walk *w, size_t len, const char *field, const char *value)
{
	bool has_pos = w->base != EXPLAIN_NO_POS;

	explain_emit(w->e, has_pos ? w->base + w->pos : EXPLAIN_NO_POS,
		     has_pos ? w->data + w->pos : NULL, len, walk_name(w, field), "%s", value);
	w->pos += len;
}

static const char *codec_name(const struct batch *b)
{
	const char *name = compression_name(batch_codec(b));

	return name ? name : "unknown codec";
}

/* ---- The batch's header ---------------------------------------------------------------------- */

static void walk_number(struct records_walk *w, size_t len, const char *field)
{
	const uint8_t *at = w->data + w->pos;
	int64_t number = len == 8   ? (int64_t)be64(at)
			 : len == 4 ? (int32_t)be32(at)
			 : len == 2 ? (int16_t)be16(at)
				    : (int8_t)*at;
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	walk_emit(w, len, field, text);
}

static void walk_header(struct records_walk *w, const struct batch *b)
{
	char text[128];

	walk_number(w, 8, "baseOffset");
	walk_number(w, 4, "batchLength");
	walk_number(w, 4, "partitionLeaderEpoch");
	walk_number(w, 1, "magic");
	snprintf(text, sizeof(text), "0x%08" PRIx32 " (%s)", b->crc,
		 batch_crc_ok(b) ? "right" : "wrong");
	walk_emit(w, 4, "crc", text);
	snprintf(text, sizeof(text), "0x%04x (%s, %s%s%s)", (uint16_t)b->attributes, codec_name(b),
		 batch_is_log_append_time(b) ? "LogAppendTime" : "CreateTime",
		 batch_is_transactional(b) ? ", transactional" : "",
		 batch_is_control(b) ? ", control" : "");
	walk_emit(w, 2, "attributes", text);
	walk_number(w, 4, "lastOffsetDelta");
	walk_number(w, 8, "baseTimestamp");
	walk_number(w, 8, "maxTimestamp");
	walk_number(w, 8, "producerId");
	walk_number(w, 2, "producerEpoch");
	walk_number(w, 4, "baseSequence");
	walk_number(w, 4, "recordsCount");
}

/* ---- Records --------------------------------------------------------------------------------- */

static bool walk_varlong(struct records_walk *w, const char *field, int64_t *out)
{
	int used = varlong_read(out, w->data + w->pos, w->len - w->pos);
	char text[32];

	if (used <= 0)
		return false;
	snprintf(text, sizeof(text), "%" PRId64, *out);
	walk_emit(w, (size_t)used, field, text);
	return true;
}

/* Length and bytes; the length is -1 for null. */
static bool walk_bytes(struct records_walk *w, const char *length, const char *field)
{
	char text[EXPLAIN_VALUE_MAX];
	int64_t len;

	if (!walk_varlong(w, length, &len))
		return false;
	if (len <= 0)
		return true;
	if ((size_t)len > w->len - w->pos)
		return false;
	walk_emit(w, (size_t)len, field, explain_text(w->data + w->pos, (size_t)len, text));
	return true;
}

static bool walk_record(struct records_walk *w)
{
	int64_t length, number, headers;
	size_t end;

	if (!walk_varlong(w, "length", &length) || length < 1 || (size_t)length > w->len - w->pos)
		return false;
	end = w->pos + (size_t)length;
	walk_number(w, 1, "attributes");
	if (!walk_varlong(w, "timestampDelta", &number) ||
	    !walk_varlong(w, "offsetDelta", &number) || !walk_bytes(w, "keyLength", "key") ||
	    !walk_bytes(w, "valueLength", "value") || !walk_varlong(w, "headersCount", &headers))
		return false;
	for (int64_t i = 0; i < headers; i++) {
		if (!walk_bytes(w, "headerKeyLength", "headerKey") ||
		    !walk_bytes(w, "headerValueLength", "headerValue"))
			return false;
	}
	return w->pos == end;
}

static void walk_records(struct records_walk *w, int32_t count)
{
	const char *batch = w->path;
	char path[EXPLAIN_VALUE_MAX + 32];

	for (int32_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%.*s.record[%d]", EXPLAIN_VALUE_MAX - 1, batch, i);
		w->path = path;
		if (!walk_record(w))
			break;
	}
	if (w->pos < w->len)
		walk_emit(w, w->len - w->pos, "(damaged)", "no record");
	w->path = batch;
}

static void walk_compressed(struct records_walk *w, const struct batch *b)
{
	struct compressor *c = compressor_new();
	const char *codec = codec_name(b);
	size_t left = b->size_bytes - BATCH_HEADER_BYTES;
	struct slice plain = SLICE_NULL;
	struct records_walk inner = {.e = w->e, .path = w->path, .base = EXPLAIN_NO_POS};
	char text[128];
	int rc = decompress_bytes(c, batch_codec(b), b->data + BATCH_HEADER_BYTES, left,
				  BATCH_DECOMPRESSED_BYTES_MAX, &plain);

	if (rc < 0)
		snprintf(text, sizeof(text), "%s: %s", codec, err_text(rc));
	else
		snprintf(text, sizeof(text), "%s, %zu bytes when decompressed", codec, plain.len);
	walk_emit(w, left, "(compressed)", text);
	if (rc == 0) {
		inner.data = plain.data;
		inner.len = plain.len;
		walk_records(&inner, b->record_count);
	}
	compressor_free(c);
}

void explain_records(struct explain *e, struct slice records, size_t pos, const char *path)
{
	const uint8_t *data = records.data;
	size_t left = records.len;
	struct batch b;
	char name[EXPLAIN_VALUE_MAX];

	for (unsigned i = 0; left > 0; i++) {
		const uint8_t *start = data;
		size_t from = pos + (size_t)(start - records.data), rest = left;
		struct records_walk w = {.e = e, .path = name, .data = start, .base = from};

		snprintf(name, sizeof(name), "%.*s.batch[%u]", EXPLAIN_VALUE_MAX - 24, path, i);
		if (batch_next(&b, &data, &left) <= 0) {
			explain_emit(e, from, start, rest, path,
				     "no whole batch of version 2: %zu bytes", rest);
			break;
		}
		w.len = b.size_bytes;
		walk_header(&w, &b);
		if (batch_codec(&b))
			walk_compressed(&w, &b);
		else
			walk_records(&w, b.record_count);
	}
}
