/* Reading the records inside a batch. */
#include "base/err.h"
#include "batch.h"
#include "varint.h"

/* The smallest record: length, attributes, two deltas, two null lengths, header count. */
#define RECORD_BYTES_MIN 7

/* Most lengths and deltas fit in one byte. */
static inline bool read_int(const uint8_t **pos, const uint8_t *end, int32_t *out)
{
	int n;

	if (*pos < end && **pos < 0x80) {
		*out = unzigzag32(*(*pos)++);
		return true;
	}
	n = varint_read(out, *pos, (size_t)(end - *pos));
	if (n <= 0)
		return false;
	*pos += n;
	return true;
}

static inline bool read_long(const uint8_t **pos, const uint8_t *end, int64_t *out)
{
	int n = varlong_read(out, *pos, (size_t)(end - *pos));

	if (n <= 0)
		return false;
	*pos += n;
	return true;
}

/* A nullable byte string with its length in front. */
static inline bool read_bytes(const uint8_t **pos, const uint8_t *end, struct slice *out)
{
	int32_t len;

	if (!read_int(pos, end, &len))
		return false;
	*out = SLICE_NULL;
	if (len < 0)
		return len == -1;
	if (len > end - *pos)
		return false;
	out->data = *pos;
	out->len = (size_t)len;
	*pos += len;
	return true;
}

void record_iter_init_bytes(struct record_iter *it, const struct batch *b, const void *data,
			    size_t len)
{
	*it = (struct record_iter){
		.pos = data, .end = (const uint8_t *)data + len, .left_count = b->record_count,
		.batch = *b,
	};
}

int record_iter_init(struct record_iter *it, const struct batch *b, struct compressor *c,
		     size_t max_bytes)
{
	struct slice records;
	int rc = batch_check(b);

	assert(b->data != NULL);
	if (rc < 0)
		return rc;
	records = (struct slice){.data = b->data + BATCH_HEADER_BYTES,
				 .len = b->size_bytes - BATCH_HEADER_BYTES};
	if (batch_codec(b) != COMPRESSION_NONE && b->record_count > 0) {
		assert(c != NULL);
		rc = decompress_bytes(c, batch_codec(b), records.data, records.len,
				      max_bytes ? max_bytes : BATCH_DECOMPRESSED_BYTES_MAX,
				      &records);
		if (rc < 0)
			return rc;
	}
	record_iter_init_bytes(it, b, records.data, records.len);
	return 0;
}

static bool read_headers(const uint8_t *pos, const uint8_t *end, uint32_t count)
{
	struct slice part;

	for (uint32_t i = 0; i < count; i++) {
		if (!read_bytes(&pos, end, &part) || !part.data)
			return false;
		if (!read_bytes(&pos, end, &part))
			return false;
	}
	return pos == end;
}

int record_next(struct record_iter *it, struct record *out)
{
	const uint8_t *pos = it->pos, *end = it->end;
	int32_t len, header_count;

	if (it->left_count <= 0)
		return pos == end || it->batch.record_count == 0 ? 0 : E_MALFORMED;
	if (!read_int(&pos, end, &len) || len < RECORD_BYTES_MIN - 1 || len > end - pos)
		return E_MALFORMED;
	end = pos + len;
	pos++;	/* attributes: none are defined */
	if (!read_long(&pos, end, &out->timestamp_delta) ||
	    !read_int(&pos, end, &out->offset_delta) || !read_bytes(&pos, end, &out->key) ||
	    !read_bytes(&pos, end, &out->value) || !read_int(&pos, end, &header_count))
		return E_MALFORMED;
	if (header_count < 0 || out->offset_delta < 0)
		return E_MALFORMED;
	out->header_count = (uint32_t)header_count;
	out->headers = pos;
	out->headers_len = (size_t)(end - pos);
	if (header_count == 0 ? pos != end : !read_headers(pos, end, out->header_count))
		return E_MALFORMED;
	out->offset = (int64_t)((uint64_t)it->batch.base_offset + (uint64_t)out->offset_delta);
	out->timestamp = (int64_t)((uint64_t)it->batch.base_timestamp +
				   (uint64_t)out->timestamp_delta);
	if (batch_is_log_append_time(&it->batch))
		out->timestamp = it->batch.max_timestamp;
	out->size_bytes = (size_t)(end - it->pos);
	it->pos = end;
	it->left_count--;
	return 1;
}

bool record_header_next(const struct record *r, const uint8_t **pos, struct record_header *out)
{
	const uint8_t *end = r->headers + r->headers_len;
	struct slice key;
	bool ok;

	if (!*pos)
		*pos = r->headers;
	if (*pos == end || r->header_count == 0)
		return false;
	ok = read_bytes(pos, end, &key) && read_bytes(pos, end, &out->value);
	assert(ok && key.data);	/* record_next checked them */
	out->key = (struct str){(const char *)key.data, key.len};
	return true;
}

int control_record_type(const struct record *r)
{
	if (r->key.len < CONTROL_KEY_BYTES || (int16_t)be16(r->key.data) < 0)
		return -1;
	return be16(r->key.data + 2);
}

void control_key_write(uint8_t key[CONTROL_KEY_BYTES], enum control_type type)
{
	put_be16(key, 0);
	put_be16(key + 2, (uint16_t)type);
}

int control_marker_parse(const struct record *r, enum control_type *type,
			 int32_t *coordinator_epoch)
{
	int found = control_record_type(r);

	if (found != CONTROL_ABORT && found != CONTROL_COMMIT)
		return E_MALFORMED;
	if (r->value.len < 6 || (int16_t)be16(r->value.data) < 0)
		return E_MALFORMED;
	*type = (enum control_type)found;
	*coordinator_epoch = (int32_t)be32(r->value.data + 2);
	return 0;
}
