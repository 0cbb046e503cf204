/* Received bytes into records: batch by batch, without copies. Control batches, records before the
 * position, and (read_committed) aborted transactions are passed over.
 *
 * Aborted transactions come as a list of producer and first offset. From the first batch at or
 * behind that offset the producer's batches are dropped, until its abort marker. */
#define SAY_PLACE "client/decode"
#include "client/consumer_int.h"

#include "base/mem.h"

void fetched_free(struct consumer *k, struct fetched *f)
{
	list_remove(&f->link);
	k->fetched_bytes -= f->bytes;
	if (f->part)
		f->part->fetched_count--;
	slice_unref(&f->frame);
	free(f->aborted);
	free(f->aborted_ids);
	free(f);
}

void decode_drop(struct consumer *k, struct kpart *part)
{
	struct fetched *f;

	if (k->current && k->current->part == part) {
		f = k->current;
		k->current = NULL;
		k->in_batch = false;
		fetched_free(k, f);
	}
	LIST_FOREACH(&k->fetched, f, struct fetched, link)
		if (f->part == part)
			fetched_free(k, f);
}

/* ---- Aborted transactions -------------------------------------------------------------------- */

static void aborted_begin(struct fetched *f, int64_t last_offset)
{
	while (f->aborted_at < f->aborted_count &&
	       f->aborted[f->aborted_at].first_offset <= last_offset) {
		f->aborted_ids = grow_array(f->aborted_ids, f->aborted_id_count,
					    &f->aborted_id_cap, sizeof(*f->aborted_ids));
		f->aborted_ids[f->aborted_id_count++] = f->aborted[f->aborted_at++].producer_id;
	}
}

static bool aborted_has(const struct fetched *f, int64_t producer_id)
{
	for (size_t i = 0; i < f->aborted_id_count; i++)
		if (f->aborted_ids[i] == producer_id)
			return true;
	return false;
}

static void aborted_end(struct fetched *f, int64_t producer_id)
{
	for (size_t i = 0; i < f->aborted_id_count; i++) {
		if (f->aborted_ids[i] != producer_id)
			continue;
		f->aborted_ids[i] = f->aborted_ids[--f->aborted_id_count];
		return;
	}
}

/* A control batch: its record may end an aborted transaction. */
static void decode_control(struct consumer *k, struct fetched *f, const struct batch *b)
{
	struct record_iter it;
	struct record r;

	if (record_iter_init(&it, b, k->compressor, 0) == 0 && record_next(&it, &r) == 1 &&
	    control_record_type(&r) == CONTROL_ABORT)
		aborted_end(f, b->producer_id);
}

/* ---- Batches --------------------------------------------------------------------------------- */

static int decode_bad(struct kpart *part, int64_t offset, int rc, const char *what,
		      struct err *err)
{
	return err_set(err, rc, "%.*s-%d: the batch at offset %lld %s", STR(part->topic),
		       part->index, (long long)offset, what);
}

/* Opens the next batch that has something to hand out. 1; 0: no more here; < 0. */
static int decode_open(struct consumer *k, struct fetched *f, bool only_plain, struct err *err)
{
	struct kpart *part = f->part;
	struct batch b;
	int rc;

	for (;;) {
		const uint8_t *data = f->data;
		size_t len = f->len;

		rc = batch_next(&b, &data, &len);
		if (rc == 0)
			return 0;
		if (rc < 0)
			return decode_bad(part, part->position, rc,
					  rc == E_UNSUPPORTED ? "has an old format" : "is corrupt",
					  err);
		if (only_plain && batch_codec(&b) != COMPRESSION_NONE)
			return 0;
		if (batch_last_offset(&b) < part->position) {
			f->data = data;
			f->len = len;
			continue;
		}
		if ((k->check_crcs && !batch_crc_ok(&b)) || batch_check(&b) < 0)
			return decode_bad(part, b.base_offset, E_CORRUPT, "fails its checksum",
					  err);
		f->open_data = f->data;
		f->open_len = f->len;
		f->data = data;
		f->len = len;
		if (k->is_committed_only && batch_has_producer_id(&b))
			aborted_begin(f, batch_last_offset(&b));
		if (batch_is_control(&b)) {
			decode_control(k, f, &b);
		} else if (!k->is_committed_only || !batch_is_transactional(&b) ||
			   !aborted_has(f, b.producer_id)) {
			rc = record_iter_init(&k->iter, &b, k->compressor, 0);
			if (rc == 0) {
				k->in_batch = true;
				return 1;
			}
			part->position = batch_next_offset(&b);
			return decode_bad(part, b.base_offset, rc, "cannot be decompressed", err);
		}
		part->position = batch_next_offset(&b);
		part->position_epoch = b.partition_leader_epoch;
	}
}

/* Records of the open batch into the array, up to `max` in all. */
static int decode_records(struct consumer *k, struct kpart *part, size_t max,
			  struct consumer_batch *out, struct err *err)
{
	const struct batch *b = &k->iter.batch;

	while (out->count < max) {
		struct record *r;
		int rc;

		k->records = grow_array(k->records, out->count, &k->records_cap,
					sizeof(*k->records));
		r = &k->records[out->count];
		rc = record_next(&k->iter, r);
		if (rc < 0) {
			k->in_batch = false;
			part->position = batch_next_offset(b);
			return decode_bad(part, b->base_offset, E_CORRUPT, "has a broken record",
					  err);
		}
		if (rc == 0) {
			k->in_batch = false;
			part->position = batch_next_offset(b);
			break;
		}
		if (r->offset < part->position)
			continue;
		part->position = r->offset + 1;
		k->stats.record_bytes += r->key.len + r->value.len;
		out->count++;
	}
	part->position_epoch = b->partition_leader_epoch;
	out->leader_epoch = b->partition_leader_epoch;
	out->is_log_append_time = batch_is_log_append_time(b);
	return 0;
}

/* Fills `out` from the current answer. 1, 0 (nothing left in it), < 0. */
static int decode_current(struct consumer *k, struct consumer_batch *out, struct err *err)
{
	struct fetched *f = k->current;
	struct kpart *part = f->part;
	size_t max = k->records_max ? k->records_max : SIZE_MAX;
	int rc;

	*out = (struct consumer_batch){
		.topic = part->topic,
		.partition = part->index,
		.high_watermark = f->high_watermark,
		.log_start_offset = f->log_start_offset,
		.last_stable_offset = f->last_stable_offset,
	};
	for (;;) {
		if (!k->in_batch) {
			rc = decode_open(k, f, out->count > 0, err);
			if (rc < 0 && out->count > 0)
				break;		/* told by the next poll */
			if (rc < 0)
				return rc;
			if (rc == 0)
				break;
			if (out->count > 0 &&
			    batch_is_log_append_time(&k->iter.batch) != out->is_log_append_time)
				break;
		}
		rc = decode_records(k, part, max, out, err);
		if (rc < 0 && out->count == 0)
			return rc;
		/* A compressed batch fills the compressor's buffer: no second one. */
		if (rc < 0 || out->count >= MIN(max, (size_t)CONSUMER_BATCH_RECORDS) ||
		    (out->count > 0 && batch_codec(&k->iter.batch) != COMPRESSION_NONE))
			break;
	}
	out->records = k->records;
	out->next_offset = part->position;
	k->stats.record_count += out->count;
	return out->count > 0;
}

/* The next answer of a partition that may be handed out. */
static struct fetched *decode_pick(struct consumer *k)
{
	struct fetched *f;

	LIST_FOREACH(&k->fetched, f, struct fetched, link)
	{
		if (f->seek_count != f->part->seek_count) {
			fetched_free(k, f);
			continue;
		}
		if (!f->part->is_paused)
			return f;
	}
	return NULL;
}

/* The partition was paused in the middle: the answer waits in front of the others. */
static void decode_put_back(struct consumer *k)
{
	struct fetched *f = k->current;

	if (k->in_batch) {
		f->data = f->open_data;
		f->len = f->open_len;
	}
	k->in_batch = false;
	k->current = NULL;
	list_push_front(&k->fetched, &f->link);
}

int decode_next(struct consumer *k, struct consumer_batch *out, struct err *err)
{
	for (;;) {
		struct kpart *part;
		int rc = 0;

		if (!k->current) {
			k->current = decode_pick(k);
			if (!k->current)
				return 0;
			list_remove(&k->current->link);
			k->in_batch = false;
		}
		part = k->current->part;
		if (part->is_paused && k->current->seek_count == part->seek_count) {
			decode_put_back(k);
			continue;
		}
		if (k->current->seek_count == part->seek_count)
			rc = decode_current(k, out, err);
		if (rc > 0) {
			k->handed = part;
			return rc;
		}
		fetched_free(k, k->current);
		k->current = NULL;
		k->in_batch = false;
		if (rc < 0) {
			/* Fetched again, unless the caller seeks: nothing is passed over unseen. */
			part->fetch_offset = part->position;
			part->fetched_epoch = part->position_epoch;
			part->is_checking = false;
			part->seek_count++;
			return rc;
		}
	}
}
