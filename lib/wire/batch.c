#include "batch.h"

#include "base/err.h"
#include "crc32c.h"

#define AT_LENGTH 8
#define AT_LEADER_EPOCH 12
#define AT_MAGIC 16
#define AT_CRC 17
#define AT_ATTRIBUTES 21
#define AT_LAST_OFFSET_DELTA 23
#define AT_BASE_TIMESTAMP 27
#define AT_MAX_TIMESTAMP 35
#define AT_PRODUCER_ID 43
#define AT_PRODUCER_EPOCH 51
#define AT_BASE_SEQUENCE 53
#define AT_RECORD_COUNT 57

#define OLD_LENGTH_MIN 14	/* of batchLength: the smallest message of version 0 */

int batch_parse_header(struct batch *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t length;

	*out = (struct batch){0};
	if (len < BATCH_LOG_OVERHEAD)
		return E_SHORT;
	length = be32(p + AT_LENGTH);
	if (length < OLD_LENGTH_MIN || length > INT32_MAX - BATCH_LOG_OVERHEAD)
		return E_CORRUPT;
	out->base_offset = (int64_t)be64(p);
	out->size_bytes = (size_t)length + BATCH_LOG_OVERHEAD;
	if (len < BATCH_PREFIX_BYTES)
		return E_SHORT;
	out->magic = (int8_t)p[AT_MAGIC];
	if (out->magic == 0 || out->magic == 1)
		return E_UNSUPPORTED;
	if (out->magic != BATCH_MAGIC || out->size_bytes < BATCH_HEADER_BYTES)
		return E_CORRUPT;
	if (len < BATCH_HEADER_BYTES)
		return E_SHORT;
	out->partition_leader_epoch = (int32_t)be32(p + AT_LEADER_EPOCH);
	out->crc = be32(p + AT_CRC);
	out->attributes = (int16_t)be16(p + AT_ATTRIBUTES);
	out->last_offset_delta = (int32_t)be32(p + AT_LAST_OFFSET_DELTA);
	out->base_timestamp = (int64_t)be64(p + AT_BASE_TIMESTAMP);
	out->max_timestamp = (int64_t)be64(p + AT_MAX_TIMESTAMP);
	out->producer_id = (int64_t)be64(p + AT_PRODUCER_ID);
	out->producer_epoch = (int16_t)be16(p + AT_PRODUCER_EPOCH);
	out->base_sequence = (int32_t)be32(p + AT_BASE_SEQUENCE);
	out->record_count = (int32_t)be32(p + AT_RECORD_COUNT);
	return 0;
}

int batch_parse(struct batch *out, const void *data, size_t len)
{
	int rc = batch_parse_header(out, data, len);

	if ((rc == 0 || rc == E_UNSUPPORTED) && len < out->size_bytes)
		return E_SHORT;
	if (rc == 0)
		out->data = data;
	return rc;
}

int batch_next(struct batch *out, const uint8_t **data, size_t *len)
{
	int rc = batch_parse(out, *data, *len);

	if (rc == E_SHORT)
		return 0;
	if (rc == E_CORRUPT)
		return rc;
	*data += out->size_bytes;
	*len -= out->size_bytes;
	return rc == 0 ? 1 : rc;
}

bool batch_crc_ok(const struct batch *b)
{
	assert(b->data != NULL);
	return crc32c(b->data + AT_ATTRIBUTES, b->size_bytes - AT_ATTRIBUTES) == b->crc;
}

int batch_check(const struct batch *b)
{
	if (batch_codec(b) >= COMPRESSION_COUNT)
		return E_MALFORMED;
	if (b->last_offset_delta < 0 || b->record_count < 0)
		return E_MALFORMED;
	if ((int64_t)b->record_count > (int64_t)b->last_offset_delta + 1)
		return E_MALFORMED;
	if (b->base_offset < 0 || b->base_offset > INT64_MAX - b->last_offset_delta - 1)
		return E_MALFORMED;
	return 0;
}

/* ---- Changes in place ----------------------------------------------------------------------- */

void batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
	put_be64(batch, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *batch, int32_t partition_leader_epoch)
{
	put_be32(batch + AT_LEADER_EPOCH, (uint32_t)partition_leader_epoch);
}

void batch_update_crc(uint8_t *batch)
{
	size_t size_bytes = (size_t)be32(batch + AT_LENGTH) + BATCH_LOG_OVERHEAD;

	assert(size_bytes >= BATCH_HEADER_BYTES);
	put_be32(batch + AT_CRC, crc32c(batch + AT_ATTRIBUTES, size_bytes - AT_ATTRIBUTES));
}

void batch_set_max_timestamp(uint8_t *batch, int64_t max_timestamp, bool log_append_time)
{
	uint16_t before = be16(batch + AT_ATTRIBUTES);
	uint16_t after = log_append_time ? before | BATCH_ATTR_LOG_APPEND_TIME
					 : before & (uint16_t)~BATCH_ATTR_LOG_APPEND_TIME;

	if (before == after && (int64_t)be64(batch + AT_MAX_TIMESTAMP) == max_timestamp)
		return;
	put_be16(batch + AT_ATTRIBUTES, after);
	put_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
	batch_update_crc(batch);
}

void batch_set_producer(uint8_t *batch, int64_t producer_id, int16_t producer_epoch,
			int32_t base_sequence, bool is_transactional)
{
	uint16_t attributes = be16(batch + AT_ATTRIBUTES);

	attributes = is_transactional ? attributes | BATCH_ATTR_TRANSACTIONAL
				      : attributes & (uint16_t)~BATCH_ATTR_TRANSACTIONAL;
	put_be16(batch + AT_ATTRIBUTES, attributes);
	put_be64(batch + AT_PRODUCER_ID, (uint64_t)producer_id);
	put_be16(batch + AT_PRODUCER_EPOCH, (uint16_t)producer_epoch);
	put_be32(batch + AT_BASE_SEQUENCE, (uint32_t)base_sequence);
	batch_update_crc(batch);
}
