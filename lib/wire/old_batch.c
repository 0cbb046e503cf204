#include "old_batch.h"

#include "base/err.h"

#include <zlib.h>

#define AT_CRC 12
#define AT_MAGIC 16
#define AT_ATTRIBUTES 17
#define AT_TIMESTAMP 18

/* With both lengths, but without key and value. */
static size_t old_head_bytes(int magic)
{
	return magic == 0 ? 26 : 34;
}

/* The fields of the message at `data`, whose size_bytes and magic are known. */
static int old_fields(struct batch *b, const uint8_t *data)
{
	if (b->size_bytes < old_head_bytes(b->magic))
		return E_CORRUPT;
	b->crc = be32(data + AT_CRC);
	b->attributes = data[AT_ATTRIBUTES];
	b->max_timestamp = b->magic == 0 ? NO_TIMESTAMP : (int64_t)be64(data + AT_TIMESTAMP);
	b->data = data;
	return 0;
}

int old_batch_parse(struct batch *b, const uint8_t *data)
{
	return old_fields(b, data);
}

int batch_parse_header_any(struct batch *out, const void *data, size_t len)
{
	int rc = batch_parse_header(out, data, len);

	if (rc != E_UNSUPPORTED)
		return rc;
	if (out->size_bytes < old_head_bytes(out->magic))
		return E_CORRUPT;
	if (len < old_head_bytes(out->magic))
		return E_SHORT;
	rc = old_fields(out, data);
	out->data = NULL;
	out->attributes &= BATCH_ATTR_CODEC | BATCH_ATTR_LOG_APPEND_TIME;
	out->partition_leader_epoch = -1;
	out->producer_id = NO_PRODUCER_ID;
	out->producer_epoch = NO_PRODUCER_EPOCH;
	out->base_sequence = NO_SEQUENCE;
	out->base_timestamp = out->max_timestamp;
	out->record_count = 1;
	return rc;
}

int batch_parse_any(struct batch *out, const void *data, size_t len)
{
	int rc = batch_parse_header_any(out, data, len);

	if (rc == 0 && len < out->size_bytes)
		return E_SHORT;
	if (rc == 0)
		out->data = data;
	return rc;
}

int batch_next_any(struct batch *out, const uint8_t **data, size_t *len)
{
	int rc = batch_parse_any(out, *data, *len);

	if (rc == E_SHORT)
		return 0;
	if (rc < 0)
		return rc;
	*data += out->size_bytes;
	*len -= out->size_bytes;
	return 1;
}

bool batch_any_crc_ok(const struct batch *b)
{
	return b->magic < BATCH_MAGIC ? old_batch_is_valid(b) : batch_crc_ok(b);
}

bool old_batch_is_valid(const struct batch *b)
{
	uLong crc = crc32_z(0, b->data + AT_MAGIC, b->size_bytes - AT_MAGIC);

	return (uint32_t)crc == b->crc;
}

/* A nullable byte string with an int32 in front. */
static bool old_bytes(const uint8_t **pos, const uint8_t *end, struct slice *out)
{
	int32_t len;

	*out = SLICE_NULL;
	if (end - *pos < 4)
		return false;
	len = (int32_t)be32(*pos);
	*pos += 4;
	if (len < 0)
		return true;
	if (len > end - *pos)
		return false;
	out->data = *pos;
	out->len = (size_t)len;
	*pos += len;
	return true;
}

static int old_record_read(const struct batch *b, struct old_record *out)
{
	const uint8_t *pos = b->data + old_head_bytes(b->magic) - 8;
	const uint8_t *end = b->data + b->size_bytes;

	*out = (struct old_record){.crc = b->crc, .is_valid = old_batch_is_valid(b)};
	if (!old_bytes(&pos, end, &out->record.key) || !old_bytes(&pos, end, &out->record.value))
		return E_MALFORMED;
	out->record.offset = b->base_offset;
	out->record.timestamp = b->max_timestamp;
	out->record.size_bytes = b->size_bytes;
	return 0;
}

/* The message at *pos inside a compressed set. 1, 0 at the end, E_MALFORMED. */
static int old_inner(const struct batch *outer, const uint8_t **pos, const uint8_t *end,
		     struct batch *out)
{
	uint32_t size;

	if (*pos == end)
		return 0;
	if (end - *pos < BATCH_PREFIX_BYTES)
		return E_MALFORMED;
	size = be32(*pos + 8);
	*out = (struct batch){.base_offset = (int64_t)be64(*pos),
			      .size_bytes = (size_t)size + BATCH_LOG_OVERHEAD,
			      .magic = (int8_t)(*pos)[AT_MAGIC]};
	if (out->magic != outer->magic || out->size_bytes > (size_t)(end - *pos) ||
	    old_fields(out, *pos) < 0 || batch_codec(out) != COMPRESSION_NONE)
		return E_MALFORMED;
	*pos += out->size_bytes;
	return 1;
}

int old_iter_init(struct old_iter *it, const struct batch *b, struct compressor *c)
{
	struct old_record whole;
	struct slice inside;
	struct batch last = {0}, message;
	const uint8_t *pos;
	int rc;

	*it = (struct old_iter){.batch = *b};
	if (batch_codec(b) == COMPRESSION_NONE)
		return 0;
	rc = old_record_read(b, &whole);
	if (rc < 0 || !whole.record.value.data)
		return E_MALFORMED;
	rc = decompress_bytes(c, batch_codec(b), whole.record.value.data, whole.record.value.len,
			      BATCH_DECOMPRESSED_BYTES_MAX, &inside);
	if (rc < 0)
		return rc;
	pos = it->pos = inside.data;
	it->end = inside.data + inside.len;
	if (b->magic == 0)
		return 0;
	/* Version 1 counts from 0 inside; the offset outside is the last one's. */
	while ((rc = old_inner(b, &pos, it->end, &message)) > 0)
		last = message;
	it->offset_base = (int64_t)((uint64_t)b->base_offset - (uint64_t)last.base_offset);
	return rc;
}

int old_next(struct old_iter *it, struct old_record *out)
{
	struct batch message = it->batch;
	int rc;

	if (!it->pos) {
		if (it->is_done)
			return 0;
		it->is_done = true;
	} else {
		rc = old_inner(&it->batch, &it->pos, it->end, &message);
		if (rc <= 0)
			return rc;
		message.base_offset =
			(int64_t)((uint64_t)message.base_offset + (uint64_t)it->offset_base);
	}
	rc = old_record_read(&message, out);
	if (rc < 0)
		return rc;
	if (batch_is_log_append_time(&it->batch))
		out->record.timestamp = it->batch.max_timestamp;
	return 1;
}

int old_batch_upgrade(const struct batch *b, struct compressor *c, struct slice *out)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	struct old_record old;
	struct old_iter it;
	int rc = old_iter_init(&it, b, c);

	*out = SLICE_NULL;
	options.log_append_time = batch_is_log_append_time(b);
	options.append_timestamp = b->max_timestamp;
	options.base_offset = -1;
	batch_builder_init(&bb, &options);
	while (rc == 0 && (rc = old_next(&it, &old)) == 1) {
		int64_t delta;

		if (bb.options.base_offset < 0)
			bb.options.base_offset = old.record.offset;
		delta = old.record.offset - bb.options.base_offset;
		rc = old.is_valid && old.record.offset >= 0 && delta > bb.last_offset_delta &&
				     delta <= INT32_MAX
			     ? batch_builder_add_at(&bb, (int32_t)delta, &old.record)
			     : E_MALFORMED;
	}
	if (rc == 0 && bb.record_count == 0)
		rc = E_MALFORMED;
	if (rc == 0)
		rc = batch_builder_finish(&bb, NULL, out);
	batch_builder_fini(&bb);
	return rc;
}
