/* What a leader checks and changes in the batches that it is given, before they are written.
 * Source: LogValidator.java, UnifiedLog.analyzeAndValidateRecords. */
#include "base/err.h"
#include "log/log_int.h"

#include <inttypes.h>

/* Refused records are listed one by one up to here: a batch may hold millions. */
#define RECORD_ERRORS_MAX 1000

/* One batch under examination. */
struct examined {
	int64_t max_timestamp;
	bool wants_rebuild;	/* offset deltas are not 0, 1, 2, ... */
	bool has_bad_timestamp;
	unsigned error_count, error_cap;
};

static int refuse(struct log_append_info *info, enum kafka_error error, const char *text)
{
	info->error = error;
	info->error_text = text;
	return 0;
}

static void record_error(const struct log_append *request, struct log_append_info *info,
			 struct examined *x, int32_t index, const char *text)
{
	x->error_count++;
	if (info->record_error_count == RECORD_ERRORS_MAX || !request->arena)
		return;
	if (info->record_error_count == x->error_cap) {
		unsigned cap = x->error_cap ? x->error_cap * 2 : 4;
		struct log_record_error *more =
			arena_array(request->arena, cap, sizeof(*more));

		if (info->record_error_count)
			memcpy(more, info->record_errors,
			       info->record_error_count * sizeof(*more));
		info->record_errors = more;
		x->error_cap = cap;
	}
	info->record_errors[info->record_error_count++] =
		(struct log_record_error){.batch_index = index, .text = text};
}

static bool timestamp_is_out(const struct log_config *config, int64_t timestamp, int64_t now_ms)
{
	if (timestamp == NO_TIMESTAMP)
		return false;
	if (timestamp < now_ms)
		return (uint64_t)now_ms - (uint64_t)timestamp >
		       (uint64_t)config->timestamp_before_max_ms;
	return (uint64_t)timestamp - (uint64_t)now_ms > (uint64_t)config->timestamp_after_max_ms;
}

static void examine_record(struct log *log, const struct log_append *request,
			   struct log_append_info *info, const struct batch *b,
			   const struct record *r, int32_t index, int64_t now_ms,
			   struct examined *x)
{
	const struct log_config *config = &log->config;

	if (r->offset_delta != index)
		x->wants_rebuild = true;
	if (r->timestamp > x->max_timestamp)
		x->max_timestamp = r->timestamp;
	if (batch_is_control(b))
		return;
	if (config->cleanup_compact && !r->key.data)
		record_error(request, info, x, index,
			     "a compacted topic takes no record without a key");
	if (request->origin != LOG_ORIGIN_CLIENT)
		return;
	if (batch_is_log_append_time(b) &&
	    (config->log_append_time || r->timestamp == NO_TIMESTAMP)) {
		x->has_bad_timestamp = true;
		record_error(request, info, x, index,
			     "the producer may not set the timestamp type LogAppendTime");
	} else if (!config->log_append_time && timestamp_is_out(config, r->timestamp, now_ms)) {
		x->has_bad_timestamp = true;
		record_error(request, info, x, index,
			     "the record's timestamp is too far from the broker's time");
	}
}

/* Every record of the batch. 0 also when it was refused: see info->error. */
static int examine_records(struct log *log, const struct log_append *request,
			   struct log_append_info *info, const struct batch *b, int64_t now_ms,
			   struct examined *x)
{
	struct record_iter it;
	struct record r;
	int32_t index = 0;
	int rc = record_iter_init(&it, b, log_pool_compressor(log->pool), 0);

	*x = (struct examined){.max_timestamp = NO_TIMESTAMP};
	if (rc == 0)
		while ((rc = record_next(&it, &r)) == 1)
			examine_record(log, request, info, b, &r, index++, now_ms, x);
	if (rc == E_TOO_LARGE)
		return refuse(info, KERR_MESSAGE_TOO_LARGE,
			      "the batch is too large when decompressed");
	if (rc < 0)
		return refuse(info, batch_codec(b) ? KERR_CORRUPT_MESSAGE : KERR_INVALID_RECORD,
			      "the records of the batch are malformed");
	if (x->error_count == 0)
		return 0;
	info->error = x->has_bad_timestamp ? KERR_INVALID_TIMESTAMP : KERR_INVALID_RECORD;
	info->error_text = "one or more records were refused";
	if (request->arena)
		info->error_text = arena_printf(
			request->arena,
			"%u of %" PRId32 " records were refused; record %" PRId32 ": %s",
			x->error_count, b->record_count, info->record_errors[0].batch_index,
			info->record_errors[0].text);
	return 0;
}

/* The header of one batch. */
static int check_header(struct log *log, const struct log_append *request,
			struct log_append_info *info, const struct batch *b)
{
	if (request->origin == LOG_ORIGIN_CLIENT && b->base_offset != 0)
		return refuse(info, KERR_INVALID_RECORD, "the base offset of the batch is not 0");
	if (request->origin != LOG_ORIGIN_RAFT &&
	    b->size_bytes > (size_t)log->config.max_message_bytes)
		return refuse(info, KERR_MESSAGE_TOO_LARGE,
			      "the batch is larger than max.message.bytes");
	if (!batch_crc_ok(b))
		return refuse(info, KERR_CORRUPT_MESSAGE, "the checksum of the batch is wrong");
	if (batch_codec(b) >= COMPRESSION_COUNT)
		return refuse(info, KERR_CORRUPT_MESSAGE, "the batch has an unknown codec");
	if (b->record_count <= 0 || b->last_offset_delta < 0 ||
	    (int64_t)b->last_offset_delta + 1 != b->record_count)
		return refuse(info, KERR_INVALID_RECORD,
			      "the batch's count of records and its offsets disagree");
	if (request->origin == LOG_ORIGIN_CLIENT && batch_is_control(b))
		return refuse(info, KERR_INVALID_RECORD, "clients may not write control records");
	if (batch_has_producer_id(b) && b->base_sequence < 0 && !batch_is_control(b))
		return refuse(info, KERR_INVALID_RECORD,
			      "the batch has a producer id but no sequence number");
	return 0;
}

static int level_of(const struct log_config *config, int codec)
{
	switch (codec) {
	case COMPRESSION_GZIP: return config->gzip_level;
	case COMPRESSION_LZ4: return config->lz4_level;
	case COMPRESSION_ZSTD: return config->zstd_level;
	default: return COMPRESSION_LEVEL_DEFAULT;
	}
}

/* Writes the batch anew, into *owned. */
static int rebuild(struct log *log, struct log_append_info *info, const struct batch *b, int codec,
		   struct slice *owned)
{
	int rc = batch_recompress(b, (enum compression)codec, level_of(&log->config, codec),
				  log_pool_compressor(log->pool), BATCH_DECOMPRESSED_BYTES_MAX,
				  owned);

	if (rc < 0)
		return refuse(info, KERR_CORRUPT_MESSAGE, "the batch cannot be recompressed");
	info->was_rebuilt = true;
	if (owned->len > (size_t)log->config.max_message_bytes)
		return refuse(info, KERR_MESSAGE_TOO_LARGE,
			      "the batch is larger than max.message.bytes when recompressed");
	return 0;
}

/* Checks a client's or coordinator's batch; sets offsets, epoch and timestamps in its bytes. */
static int validate_batch(struct log *log, const struct log_append *request,
			  struct log_append_info *info, struct batch *b, uint8_t **data,
			  struct slice *owned)
{
	const struct log_config *config = &log->config;
	int64_t now_ms = env_wall_ms(log_env(log));
	int codec = config->compression == LOG_COMPRESSION_PRODUCER || batch_is_control(b)
			    ? batch_codec(b) : config->compression;
	struct examined x;
	int rc = check_header(log, request, info, b);

	if (rc == 0 && info->error == KERR_NONE)
		rc = examine_records(log, request, info, b, now_ms, &x);
	if (rc < 0 || info->error != KERR_NONE)
		return rc;
	if (request->origin == LOG_ORIGIN_CLIENT && (codec != batch_codec(b) || x.wants_rebuild)) {
		rc = rebuild(log, info, b, codec, owned);
		if (rc < 0 || info->error != KERR_NONE)
			return rc;
		*data = (uint8_t *)(uintptr_t)owned->data;	/* nobody else has it yet */
	}
	if (config->log_append_time && !batch_is_control(b)) {
		batch_set_max_timestamp(*data, now_ms, true);
		info->log_append_time_ms = now_ms;
	} else {
		batch_set_max_timestamp(*data, x.max_timestamp, false);
	}
	return 0;
}

/* Gives the batch at `data` its place; returns the offset behind it. */
static int64_t number_batch(uint8_t *data, const struct batch *b, int64_t next_offset,
			    int32_t leader_epoch)
{
	batch_set_base_offset(data, next_offset);
	batch_set_leader_epoch(data, leader_epoch);
	return next_offset + b->last_offset_delta + 1;
}

int validate_append(struct log *log, const struct log_append *request,
		    struct log_append_info *info, uint8_t **data, size_t *len, struct slice *owned)
{
	int64_t next_offset = log->end_offset;
	const uint8_t *at = request->data;
	size_t left = request->len;
	struct batch b;
	int rc;

	*data = request->data;
	while ((rc = batch_next(&b, &at, &left)) == 1) {
		uint8_t *bytes = (uint8_t *)(uintptr_t)b.data;

		if (request->origin == LOG_ORIGIN_CLIENT && info->batch_count == 1)
			return refuse(info, KERR_INVALID_RECORD, "more than one batch");
		if (request->origin != LOG_ORIGIN_RAFT) {
			rc = validate_batch(log, request, info, &b, &bytes, owned);
			if (rc < 0 || info->error != KERR_NONE)
				return rc;
		} else if (batch_check(&b) < 0) {
			return refuse(info, KERR_CORRUPT_MESSAGE, "the batch is malformed");
		}
		if (owned->data)
			*data = bytes;
		next_offset = number_batch(bytes, &b, next_offset, request->leader_epoch);
		info->batch_count++;
		info->record_count += b.record_count;
	}
	if (rc == E_UNSUPPORTED)
		return refuse(info, KERR_INVALID_RECORD,
			      "message formats before version 2 are not accepted");
	if (rc < 0)
		return refuse(info, KERR_CORRUPT_MESSAGE, "the batch is malformed");
	if (left > 0 && info->batch_count == 0)
		return refuse(info, KERR_CORRUPT_MESSAGE, "the batch is cut short");
	if (info->batch_count == 0)
		return refuse(info, KERR_INVALID_RECORD, "no batch");
	*len = owned->data ? owned->len : request->len - left;
	info->first_offset = log->end_offset;
	info->last_offset = next_offset - 1;
	if (request->origin != LOG_ORIGIN_RAFT && *len > (size_t)log->config.segment_bytes)
		return refuse(info, KERR_RECORD_LIST_TOO_LARGE,
			      "the batch is larger than segment.bytes");
	return 0;
}
