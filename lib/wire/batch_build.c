/* Building batches. */
#include "base/err.h"
#include "base/mem.h"
#include "batch.h"
#include "crc32c.h"
#include "varint.h"

#define BUILDER_BYTES_FIRST 512
#define BUILDER_BYTES_MAX ((size_t)1 << 30)

void batch_builder_init(struct batch_builder *bb, const struct batch_options *options)
{
	*bb = (struct batch_builder){
		.options = *options,
		.last_offset_delta = -1,
		.base_timestamp = NO_TIMESTAMP,
		.max_timestamp = NO_TIMESTAMP,
		.delete_horizon = NO_TIMESTAMP,
	};
	if (!bb->options.max_bytes || bb->options.max_bytes > BUILDER_BYTES_MAX)
		bb->options.max_bytes = BUILDER_BYTES_MAX;
}

void batch_builder_fini(struct batch_builder *bb)
{
	buf_unref(bb->buf);
	bb->buf = NULL;
}

static void batch_builder_reset(struct batch_builder *bb)
{
	struct batch_options options = bb->options;

	batch_builder_fini(bb);
	batch_builder_init(bb, &options);
}

size_t batch_builder_bytes(const struct batch_builder *bb)
{
	return bb->buf ? bb->len : BATCH_HEADER_BYTES;
}

size_t record_size_max(size_t key_len, size_t value_len, const struct record_header *headers,
		       size_t header_count)
{
	size_t size = RECORD_OVERHEAD_MAX + 2 * UVARINT_BYTES_MAX + key_len + value_len;

	for (size_t i = 0; i < header_count; i++)
		size += 2 * UVARINT_BYTES_MAX + headers[i].key.len + headers[i].value.len;
	return size;
}

/* Room for `len` more bytes; false beyond max_bytes. */
static bool batch_builder_reserve(struct batch_builder *bb, size_t len)
{
	size_t used = batch_builder_bytes(bb), cap;
	struct buf *grown;

	if (len > bb->options.max_bytes || used > bb->options.max_bytes - len)
		return false;
	if (bb->buf && bb->buf->size - used >= len)
		return true;
	cap = bb->buf ? bb->buf->size * 2 : MAX(bb->options.size_hint, (size_t)BUILDER_BYTES_FIRST);
	grown = buf_new(MAX(cap, used + len));
	if (bb->buf)
		memcpy(grown->data, bb->buf->data, used);
	buf_unref(bb->buf);
	bb->buf = grown;
	bb->len = used;
	return true;
}

static size_t bytes_size(const void *data, size_t len)
{
	return data ? (size_t)varint_len((int32_t)len) + len : 1;
}

static uint8_t *bytes_write(uint8_t *p, const void *data, size_t len)
{
	if (!data) {
		*p++ = 1;	/* -1 in zigzag */
		return p;
	}
	p += varint_write(p, (int32_t)len);
	if (len)
		memcpy(p, data, len);
	return p + len;
}

/* The parts of a record before it is written; headers come encoded or as a list. */
struct record_parts {
	int64_t timestamp;
	int32_t offset_delta;
	struct slice key, value;
	const struct record_header *headers;
	size_t header_count;
	struct str headers_raw;
};

static size_t record_parts_size(const struct record_parts *r, int64_t timestamp_delta)
{
	size_t size = 1 + (size_t)varlong_len(timestamp_delta);

	size += (size_t)varint_len(r->offset_delta);
	size += bytes_size(r->key.data, r->key.len) + bytes_size(r->value.data, r->value.len);
	size += (size_t)varint_len((int32_t)r->header_count) + r->headers_raw.len;
	for (size_t i = 0; r->headers && i < r->header_count; i++)
		size += bytes_size(r->headers[i].key.data ? r->headers[i].key.data : "",
				   r->headers[i].key.len) +
			bytes_size(r->headers[i].value.data, r->headers[i].value.len);
	return size;
}

static int batch_builder_write(struct batch_builder *bb, const struct record_parts *r)
{
	int64_t base = bb->record_count ? bb->base_timestamp : r->timestamp, timestamp_delta;
	size_t size;
	uint8_t *p, *start;

	if (bb->delete_horizon != NO_TIMESTAMP)
		base = bb->delete_horizon;
	timestamp_delta = (int64_t)((uint64_t)r->timestamp - (uint64_t)base);
	if (r->key.len > INT32_MAX / 2 || r->value.len > INT32_MAX / 2 ||
	    r->headers_raw.len > INT32_MAX / 2 || r->header_count > INT32_MAX / 2)
		return E_TOO_LARGE;
	for (size_t i = 0; r->headers && i < r->header_count; i++)
		if (r->headers[i].key.len > INT32_MAX / 2 ||
		    r->headers[i].value.len > INT32_MAX / 2)
			return E_TOO_LARGE;
	if (bb->record_count == INT32_MAX || r->offset_delta <= bb->last_offset_delta)
		return E_TOO_LARGE;
	size = record_parts_size(r, timestamp_delta);
	if (size > INT32_MAX / 2 || !batch_builder_reserve(bb, size + UVARINT_BYTES_MAX))
		return E_TOO_LARGE;
	start = p = bb->buf->data + bb->len;
	p += varint_write(p, (int32_t)size);
	*p++ = 0;
	p += varlong_write(p, timestamp_delta);
	p += varint_write(p, r->offset_delta);
	p = bytes_write(p, r->key.data, r->key.len);
	p = bytes_write(p, r->value.data, r->value.len);
	p += varint_write(p, (int32_t)r->header_count);
	for (size_t i = 0; r->headers && i < r->header_count; i++) {
		p = bytes_write(p, r->headers[i].key.data ? r->headers[i].key.data : "",
				r->headers[i].key.len);
		p = bytes_write(p, r->headers[i].value.data, r->headers[i].value.len);
	}
	if (r->headers_raw.len) {
		memcpy(p, r->headers_raw.data, r->headers_raw.len);
		p += r->headers_raw.len;
	}
	assert((size_t)(p - start) == size + (size_t)varint_len((int32_t)size));
	bb->len += (size_t)(p - start);
	bb->base_timestamp = base;
	if (bb->record_count == 0 || r->timestamp > bb->max_timestamp)
		bb->max_timestamp = r->timestamp;
	bb->last_offset_delta = r->offset_delta;
	bb->record_count++;
	return 0;
}

int batch_builder_add(struct batch_builder *bb, int64_t timestamp, struct slice key,
		      struct slice value, const struct record_header *headers,
		      size_t header_count)
{
	struct record_parts parts = {
		.timestamp = timestamp, .offset_delta = bb->last_offset_delta + 1,
		.key = key, .value = value,
		.headers = header_count ? headers : NULL, .header_count = header_count,
	};

	return batch_builder_write(bb, &parts);
}

int batch_builder_add_at(struct batch_builder *bb, int32_t offset_delta, const struct record *r)
{
	struct record_parts parts = {
		.timestamp = r->timestamp, .offset_delta = offset_delta,
		.key = r->key, .value = r->value, .header_count = r->header_count,
		.headers_raw = {(const char *)r->headers, r->headers_len},
	};

	return batch_builder_write(bb, &parts);
}

int batch_builder_add_control(struct batch_builder *bb, enum control_type type,
			      int64_t timestamp, struct slice value)
{
	uint8_t key[CONTROL_KEY_BYTES];

	assert(bb->options.is_control);
	control_key_write(key, type);
	return batch_builder_add(bb, timestamp, (struct slice){.data = key, .len = sizeof(key)},
				 value, NULL, 0);
}

static void header_write(const struct batch_builder *bb, uint8_t *p, size_t size_bytes)
{
	const struct batch_options *o = &bb->options;
	bool is_empty = bb->record_count == 0;
	int64_t max_timestamp = o->log_append_time ? o->append_timestamp : bb->max_timestamp;
	int64_t base_timestamp = bb->base_timestamp;
	uint16_t attributes = (uint16_t)(is_empty ? 0 : o->codec);

	if (bb->delete_horizon != NO_TIMESTAMP) {
		attributes |= BATCH_ATTR_DELETE_HORIZON;
		base_timestamp = bb->delete_horizon;
	}
	attributes |= o->log_append_time ? BATCH_ATTR_LOG_APPEND_TIME : 0;
	attributes |= o->is_transactional ? BATCH_ATTR_TRANSACTIONAL : 0;
	attributes |= o->is_control ? BATCH_ATTR_CONTROL : 0;
	put_be64(p, (uint64_t)o->base_offset);
	put_be32(p + 8, (uint32_t)(size_bytes - BATCH_LOG_OVERHEAD));
	put_be32(p + 12, (uint32_t)o->partition_leader_epoch);
	p[16] = BATCH_MAGIC;
	put_be16(p + 21, attributes);
	put_be32(p + 23, (uint32_t)MAX(bb->last_offset_delta, bb->last_offset_delta_min));
	put_be64(p + 27, (uint64_t)base_timestamp);
	put_be64(p + 35, (uint64_t)max_timestamp);
	put_be64(p + 43, (uint64_t)o->producer_id);
	put_be16(p + 51, (uint16_t)o->producer_epoch);
	put_be32(p + 53, (uint32_t)o->base_sequence);
	put_be32(p + 57, (uint32_t)bb->record_count);
	batch_update_crc(p);
}

int batch_builder_finish(struct batch_builder *bb, struct compressor *c, struct slice *out)
{
	struct buf *b;
	size_t size_bytes = batch_builder_bytes(bb);
	bool is_compressed = bb->options.codec != COMPRESSION_NONE && bb->record_count > 0;

	if (is_compressed) {
		struct out packed;
		int rc;

		assert(c != NULL);
		/* Incompressible records grow a little. */
		out_init(&packed, BUILDER_BYTES_MAX + BUILDER_BYTES_MAX / 8);
		(void)out_reserve(&packed, BATCH_HEADER_BYTES);
		packed.len = BATCH_HEADER_BYTES;
		rc = compress_bytes(c, bb->options.codec, bb->options.level,
				    bb->buf->data + BATCH_HEADER_BYTES,
				    size_bytes - BATCH_HEADER_BYTES, &packed);
		if (rc < 0) {
			out_fini(&packed);
			return rc;
		}
		size_bytes = packed.len;
		b = out_to_buf(&packed);
		out_fini(&packed);
	} else if (bb->buf) {
		b = buf_ref(bb->buf);
	} else {
		b = buf_new(BATCH_HEADER_BYTES);
	}
	header_write(bb, b->data, size_bytes);
	*out = slice_of(b, 0, size_bytes);
	batch_builder_reset(bb);
	return 0;
}

void batch_write_marker(uint8_t out[BATCH_MARKER_BYTES], int64_t producer_id,
			int16_t producer_epoch, int32_t coordinator_epoch, bool is_commit,
			int64_t timestamp, int32_t partition_leader_epoch)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder bb;
	uint8_t value[6] = {0};
	struct slice batch;
	int rc;

	options.partition_leader_epoch = partition_leader_epoch;
	options.producer_id = producer_id;
	options.producer_epoch = producer_epoch;
	options.is_transactional = true;
	options.is_control = true;
	put_be32(value + 2, (uint32_t)coordinator_epoch);
	batch_builder_init(&bb, &options);
	rc = batch_builder_add_control(&bb, is_commit ? CONTROL_COMMIT : CONTROL_ABORT, timestamp,
				       (struct slice){.data = value, .len = sizeof(value)});
	assert(rc == 0);
	rc = batch_builder_finish(&bb, NULL, &batch);
	assert(rc == 0);
	assert(batch.len == BATCH_MARKER_BYTES);
	memcpy(out, batch.data, batch.len);
	slice_unref(&batch);
	batch_builder_fini(&bb);
}

int batch_recompress(const struct batch *b, enum compression codec, int level,
		     struct compressor *c, size_t max_bytes, struct slice *out)
{
	struct batch_options options = {
		.base_offset = b->base_offset,
		.partition_leader_epoch = b->partition_leader_epoch,
		.codec = codec,
		.level = level,
		.producer_id = b->producer_id,
		.producer_epoch = b->producer_epoch,
		.base_sequence = b->base_sequence,
		.is_transactional = batch_is_transactional(b),
		.is_control = batch_is_control(b),
		.log_append_time = batch_is_log_append_time(b),
		.append_timestamp = b->max_timestamp,
		.max_bytes = max_bytes,
	};
	struct batch_builder bb;
	struct record_iter it;
	struct record r;
	int rc;

	batch_builder_init(&bb, &options);
	rc = record_iter_init(&it, b, c, max_bytes);
	if (rc < 0)
		goto done;
	for (rc = record_next(&it, &r); rc > 0; rc = record_next(&it, &r)) {
		/* Not r.timestamp: under LogAppendTime that is the batch's. */
		r.timestamp = (int64_t)((uint64_t)b->base_timestamp + (uint64_t)r.timestamp_delta);
		rc = batch_builder_add_at(&bb, bb.last_offset_delta + 1, &r);
		if (rc < 0)
			goto done;
	}
	if (rc == 0)
		rc = batch_builder_finish(&bb, c, out);
done:
	batch_builder_fini(&bb);
	return rc;
}
