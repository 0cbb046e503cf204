/* Segments and snapshots of the metadata log: a line for each batch, and one for each record. */
#include "cmd/dump/dump_int.h"
#include "cmd/print.h"
#include "wire/old_batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct log_dump {
	struct dump *d;
	struct segment_file file;
	struct batch batch;
	int64_t last_offset;
	bool has_last;
};

static void put(const char *text)
{
	print_bytes(text, strlen(text));
}

static void put_int(const char *label, int64_t value)
{
	put(label);
	print_int(value);
}

static void put_bool(const char *label, bool value)
{
	put(label);
	put(value ? "true" : "false");
}

static const char *timestamp_type(const struct batch *b)
{
	if (b->magic == 0)
		return "NoTimestampType";
	return batch_is_log_append_time(b) ? "LogAppendTime" : "CreateTime";
}

/* Java's arithmetic of sequences, for any numbers that may stand in the file. */
static int32_t sequence_after(int32_t sequence, int32_t increment)
{
	uint32_t s = (uint32_t)sequence, n = (uint32_t)increment;

	if (sequence > (int32_t)(INT32_MAX - n))
		return (int32_t)(n - (INT32_MAX - s) - 1);
	return (int32_t)(s + n);
}

/* ---- Batches -------------------------------------------------------------------------------- */

static int32_t last_sequence(const struct batch *b)
{
	return b->base_sequence == NO_SEQUENCE
		       ? NO_SEQUENCE
		       : sequence_after(b->base_sequence, b->last_offset_delta);
}

static void batch_print_head(const struct batch *b)
{
	put_int("baseOffset: ", b->base_offset);
	put_int(" lastOffset: ",
		(int64_t)((uint64_t)b->base_offset + (uint64_t)b->last_offset_delta));
	put_int(" count: ", b->record_count);
	put_int(" baseSequence: ", b->base_sequence);
	put_int(" lastSequence: ", last_sequence(b));
	put_int(" producerId: ", b->producer_id);
	put_int(" producerEpoch: ", b->producer_epoch);
	put_int(" partitionLeaderEpoch: ", b->partition_leader_epoch);
	put_bool(" isTransactional: ", batch_is_transactional(b));
	put_bool(" isControl: ", batch_is_control(b));
	put(" deleteHorizonMs: OptionalLong");
	if (b->attributes & BATCH_ATTR_DELETE_HORIZON) {
		put_int("[", b->base_timestamp);
		put("]");
	} else {
		put(".empty");
	}
}

static void batch_print(const struct log_dump *l, const char *codec, bool is_valid)
{
	const struct batch *b = &l->batch;

	if (b->magic >= BATCH_MAGIC)
		batch_print_head(b);
	else
		put_int("offset: ", b->base_offset);
	put_int(" position: ", l->file.batch_pos);
	put(" ");
	put(timestamp_type(b));
	put_int(": ", b->max_timestamp);
	put_int(" size: ", (int64_t)b->size_bytes);
	put_int(" magic: ", b->magic);
	put(" compresscodec: ");
	put(codec);
	put_int(" crc: ", b->crc);
	put_bool(" isvalid: ", is_valid);
	put("\n");
}

static void batch_json(const struct log_dump *l, const char *codec, bool is_valid)
{
	const struct batch *b = &l->batch;
	struct json_out j = {0};

	dump_json_open(l->d, &j, "batch");
	if (b->magic >= BATCH_MAGIC) {
		json_out_int(&j, "baseOffset", b->base_offset);
		json_out_int(&j, "lastOffset",
			     (int64_t)((uint64_t)b->base_offset + (uint64_t)b->last_offset_delta));
		json_out_int(&j, "count", b->record_count);
		json_out_int(&j, "baseSequence", b->base_sequence);
		json_out_int(&j, "lastSequence", last_sequence(b));
		json_out_int(&j, "producerId", b->producer_id);
		json_out_int(&j, "producerEpoch", b->producer_epoch);
		json_out_int(&j, "partitionLeaderEpoch", b->partition_leader_epoch);
		json_out_bool(&j, "isTransactional", batch_is_transactional(b));
		json_out_bool(&j, "isControl", batch_is_control(b));
		if (b->attributes & BATCH_ATTR_DELETE_HORIZON)
			json_out_int(&j, "deleteHorizonMs", b->base_timestamp);
		else
			json_out_null(&j, "deleteHorizonMs");
	} else {
		json_out_int(&j, "lastOffset", b->base_offset);
	}
	json_out_int(&j, "position", l->file.batch_pos);
	json_out_text(&j, "timestampType", timestamp_type(b));
	json_out_int(&j, "maxTimestamp", b->max_timestamp);
	json_out_int(&j, "size", (int64_t)b->size_bytes);
	json_out_int(&j, "magic", b->magic);
	json_out_text(&j, "codec", codec);
	json_out_int(&j, "crc", b->crc);
	json_out_bool(&j, "isValid", is_valid);
	dump_json_close(&j);
}

/* ---- Records -------------------------------------------------------------------------------- */

static int32_t record_sequence(const struct batch *b, const struct record *r)
{
	return b->base_sequence >= 0 ? sequence_after(b->base_sequence, r->offset_delta)
				     : NO_SEQUENCE;
}

static void record_print_metadata(const struct log_dump *l, const struct record *r,
				  const struct old_record *old)
{
	struct record_header header;
	const uint8_t *pos = NULL;
	bool first = true;

	put_int("| offset: ", r->offset);
	put(" ");
	put(timestamp_type(&l->batch));
	put_int(": ", r->timestamp);
	put_int(" keySize: ", r->key.data ? (int64_t)r->key.len : -1);
	put_int(" valueSize: ", r->value.data ? (int64_t)r->value.len : -1);
	if (old) {
		put_bool(" isValid: ", old->is_valid);
		put_int(" crc: ", old->crc);
		return;
	}
	put_int(" sequence: ", record_sequence(&l->batch, r));
	put(" headerKeys: [");
	while (record_header_next(r, &pos, &header)) {
		if (!first)
			put(",");
		first = false;
		print_str(header.key);
	}
	put("]");
}

/* As Apache's tool: the line is begun before the record's contents are looked into. */
static int record_print(struct log_dump *l, const struct record *r, const struct old_record *old,
			struct err *err)
{
	struct dump *d = l->d;
	bool is_control = !old && batch_is_control(&l->batch), with_metadata = true;
	const char *prefix = " ";
	struct decoded text;
	struct str control;
	int rc;

	if (d->args->skip_record_metadata) {
		with_metadata = false;
		prefix = "| ";
	} else {
		record_print_metadata(l, r, old);
	}
	if (is_control && with_metadata) {
		rc = control_text(&d->decoder, r, &control, err);
		if (rc < 0)
			return rc;
		print_str(control);
	}
	if (d->contents && !is_control) {
		rc = decoder_decode(&d->decoder, r, &text, err);
		if (rc < 0)
			return rc;
		if (text.key.data) {
			put(prefix);
			put("key: ");
			print_str(text.key);
			prefix = " ";
		}
		if (text.value.data) {
			put(prefix);
			put("payload: ");
			print_str(text.value);
		}
	}
	put("\n");
	return 0;
}

static struct str slice_str(struct slice s)
{
	return (struct str){(const char *)s.data, s.len};
}

static void json_contents(struct json_out *j, const struct record *r, const struct decoded *text,
			  bool is_bytes)
{
	struct record_header header;
	const uint8_t *pos = NULL;

	json_out_open(j, "headers", '[');
	while (r->headers && record_header_next(r, &pos, &header)) {
		json_out_open(j, NULL, '{');
		json_out_str(j, "key", header.key);
		json_out_bytes(j, "value", slice_str(header.value));
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
	if (is_bytes)
		json_out_bytes(j, "key", slice_str(r->key));
	else if (text->key_is_json)
		json_out_raw(j, "key", text->key);
	else
		json_out_str(j, "key", text->key);
	if (is_bytes)
		json_out_bytes(j, "value", slice_str(r->value));
	else if (text->value_is_json)
		json_out_raw(j, "value", text->value);
	else
		json_out_str(j, "value", r->value.data ? text->value : STR_NULL);
}

static int record_json(struct log_dump *l, const struct record *r, const struct old_record *old,
		       struct err *err)
{
	struct dump *d = l->d;
	bool is_control = !old && batch_is_control(&l->batch);
	bool is_bytes = d->decoder.kind == DECODE_BYTES && d->decoder.key_class < CLASS_INTEGER &&
			d->decoder.value_class < CLASS_INTEGER;
	struct decoded text = {0};
	struct str control = STR_NULL;
	struct json_out j = {0};
	int rc = 0;

	if (is_control)
		rc = control_text(&d->decoder, r, &control, err);
	else if (d->contents && !is_bytes)
		rc = decoder_decode(&d->decoder, r, &text, err);
	if (rc < 0)
		return rc;
	dump_json_open(d, &j, is_control ? "control" : "record");
	json_out_int(&j, "offset", r->offset);
	json_out_int(&j, "timestamp", r->timestamp);
	json_out_text(&j, "timestampType", timestamp_type(&l->batch));
	if (old)
		json_out_bool(&j, "isValid", old->is_valid);
	else
		json_out_int(&j, "sequence", record_sequence(&l->batch, r));
	if (is_control) {
		json_out_str(&j, "control", (struct str){control.data + 1, control.len - 1});
	} else if (d->contents) {
		json_contents(&j, r, &text, is_bytes);
	} else {
		json_out_int(&j, "keySize", r->key.data ? (int64_t)r->key.len : -1);
		json_out_int(&j, "valueSize", r->value.data ? (int64_t)r->value.len : -1);
	}
	dump_json_close(&j);
	return 0;
}

static int log_record(struct log_dump *l, const struct record *r, const struct old_record *old,
		      struct err *err)
{
	/* Apache's tool begins each file with the expectation of offset 0. */
	if (l->has_last ? r->offset != l->last_offset + 1 : l->d->run->is_apache && r->offset != 0)
		dump_find(l->d, FINDING_GAP, l->last_offset, r->offset);
	l->last_offset = r->offset;
	l->has_last = true;
	if (l->d->json)
		return record_json(l, r, old, err);
	return record_print(l, r, old, err);
}

static int log_records(struct log_dump *l, struct err *err)
{
	struct record_iter it;
	struct record record;
	int rc = record_iter_init(&it, &l->batch, l->d->compressor, 0);

	/* A batch that lost all of its records to compaction is one in which nothing is read. */
	while (rc == 0 && l->batch.record_count > 0) {
		rc = record_next(&it, &record);
		if (rc <= 0)
			break;
		rc = log_record(l, &record, NULL, err);
	}
	return rc;
}

static int log_old_records(struct log_dump *l, struct err *err)
{
	struct old_iter it;
	struct old_record old;
	int rc = old_iter_init(&it, &l->batch, l->d->compressor);

	while (rc == 0) {
		rc = old_next(&it, &old);
		if (rc <= 0)
			break;
		rc = log_record(l, &old.record, &old, err);
	}
	return rc;
}

/* ---- The file -------------------------------------------------------------------------------- */

static int log_batch(struct log_dump *l, struct err *err)
{
	const char *codec = compression_name(batch_codec(&l->batch));
	bool is_valid = segment_batch_is_valid(&l->batch);
	struct err why = {0};
	int rc;

	if (!codec)
		return err_set(err, E_CORRUPT,
			       "Unknown compression type id: %d (the batch at "
			       "position %" PRId64 " of %s)",
			       batch_codec(&l->batch), l->file.batch_pos, l->d->path);
	if (!is_valid)
		l->d->problem_count++;
	if (l->d->json)
		batch_json(l, codec, is_valid);
	else
		batch_print(l, codec, is_valid);
	if (!l->d->deep)
		return 0;
	rc = l->batch.magic < BATCH_MAGIC ? log_old_records(l, &why) : log_records(l, &why);
	if (rc == 0)
		return 0;
	if (!l->d->json)
		put("\n"); /* of the record that was begun */
	if (why.code == E_MALFORMED && why.text[0])
		return err_set(err, rc, "%s", why.text);
	return err_set(err, rc,
		       "%s: the records of the batch at position %" PRId64 " (base offset %" PRId64
		       ") cannot be read: %s",
		       l->d->path, l->file.batch_pos, l->batch.base_offset,
		       why.text[0] ? why.text : err_text(rc));
}

static int log_title(struct dump *d, struct err *err)
{
	const char *slash = strrchr(d->path, '/'), *name = slash ? slash + 1 : d->path;
	long long offset;
	int64_t base_offset;
	int epoch, used = 0, rc;

	if (!strstr(name, ".checkpoint")) {
		rc = dump_base_offset(d->path, &base_offset, err);
		if (rc == 0 && !d->json)
			print_text("Log starting offset: %" PRId64 "\n", base_offset);
		return rc;
	}
	if (d->json)
		return 0;
	if (strcmp(name, "bootstrap.checkpoint") == 0) {
		print_text("KRaft bootstrap snapshot\n");
	} else if (sscanf(name, "%20lld-%10d.checkpoint%n", &offset, &epoch, &used) == 2 &&
		   used > 0) {
		print_text("Snapshot end offset: %lld, epoch: %d\n", offset, epoch);
	} else {
		return err_set(err, E_INVALID,
			       "%s: this is not how snapshots are named "
			       "(00000000000000000000-0000000000.checkpoint)",
			       d->path);
	}
	return 0;
}

static void log_trailing(struct log_dump *l)
{
	const char *slash = strrchr(l->d->path, '/');
	int64_t left = l->file.end - l->file.pos;
	struct json_out j = {0};

	if (left <= 0 || l->d->args->max_bytes != INT32_MAX)
		return;
	l->d->problem_count++;
	if (!l->d->json) {
		print_text("Found %" PRId64 " invalid bytes at the end of %s\n", left,
			   slash ? slash + 1 : l->d->path);
		return;
	}
	dump_json_open(l->d, &j, "trailing");
	json_out_int(&j, "position", l->file.pos);
	json_out_int(&j, "size", left);
	dump_json_close(&j);
}

int dump_log(struct dump *d, struct err *err)
{
	struct log_dump l = {.d = d, .last_offset = -1};
	int rc;

	rc = log_title(d, err);
	if (rc == 0)
		rc = segment_file_open(&l.file, d->path, err);
	if (rc < 0)
		return rc;
	rc = segment_file_seek(&l.file, 0,
			       d->args->max_bytes == INT32_MAX ? -1 : d->args->max_bytes, err);
	while (rc == 0) {
		rc = segment_file_next(&l.file, &l.batch, err);
		if (rc <= 0)
			break;
		rc = log_batch(&l, err);
		if (print_failed())
			break;
	}
	if (rc == 0)
		log_trailing(&l);
	segment_file_close(&l.file);
	return rc;
}
