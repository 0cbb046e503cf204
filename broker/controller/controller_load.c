/* What others wrote, or an earlier life of this node: the committed log, replayed into the tip. */
#include "base/say.h"
#include "controller/controller_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/controller"
#define LOAD_BYTES (1024 * 1024) /* of the log, read at once */

static int load_batch(struct controller *c, const struct batch *b, struct arena *scratch,
		      struct err *err)
{
	struct record_iter it;
	struct record record;
	int rc;

	if (batch_is_control(b))
		return 0;
	rc = record_iter_init(&it, b, NULL, METADATA_BATCH_BYTES_MAX);
	while (rc == 0) {
		rc = record_next(&it, &record);
		if (rc <= 0)
			break;
		rc = delta_replay_bytes(&c->tip, record.value, record.offset, scratch, err);
		arena_reset(scratch);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? err_sys(err, rc, "metadata batch at %" PRId64, b->base_offset) : 0;
}

/* The log begins later than what is loaded: what was before it is in a snapshot, which replaces the
 * whole image. Who compares it with the one before sees what changed. */
static int load_snapshot(struct controller *c, struct err *err)
{
	struct snapshot_id id = raft_latest_snapshot(c->raft);
	struct snapshot_contents contents;
	const struct image *image;
	struct arena arena;
	int rc;

	if (id.end_offset <= c->tip_end)
		return err_set(err, E_CORRUPT,
			       "the metadata log has no offset %" PRId64
			       " and no snapshot beyond it",
			       c->tip_end);
	arena_init(&arena);
	rc = snapshot_read_image(c->env, raft_dir(c->raft), id, &arena, &contents, &image, err);
	arena_fini(&arena);
	if (rc < 0)
		return rc;
	delta_reset(&c->tip, image);
	c->loaded_epoch = id.epoch;
	c->loaded_ms = image_timestamp_ms(image);
	image_unref(image);
	c->tip_end = id.end_offset;
	say_info("the metadata was loaded from the snapshot of offset %" PRId64, id.end_offset);
	return 0;
}

/* The batches that raft has at the tip's end; `more` false: there are none. */
static int load_some(struct controller *c, struct arena *scratch, bool *more, struct err *err)
{
	struct slice bytes;
	const uint8_t *data;
	struct batch b;
	size_t len;
	int rc = raft_read(c->raft, c->tip_end, LOAD_BYTES, &bytes, err);

	*more = rc == 0 && bytes.data;
	if (rc == E_OFFSET_RANGE) {
		*more = true;
		return load_snapshot(c, err);
	}
	if (!*more)
		return rc;
	data = bytes.data;
	len = bytes.len;
	while (rc == 0 && batch_next(&b, &data, &len) > 0) {
		rc = load_batch(c, &b, scratch, err);
		c->tip_end = batch_next_offset(&b);
		c->record_bytes += (int64_t)b.size_bytes;
		c->loaded_epoch = b.partition_leader_epoch;
		c->loaded_ms = b.max_timestamp;
	}
	slice_unref(&bytes);
	return rc;
}

int controller_load(struct controller *c, struct err *err)
{
	struct arena scratch;
	int64_t loaded = c->tip_end;
	bool more = true;
	int rc = 0;

	arena_init(&scratch);
	while (rc == 0 && more && c->tip_end < raft_high_watermark(c->raft))
		rc = load_some(c, &scratch, &more, err);
	arena_fini(&scratch);
	if (rc < 0 || c->tip_end == loaded || delta_in_transaction(&c->tip))
		return rc;
	delta_set_kraft_version(&c->tip, raft_kraft_version(c->raft));
	image_unref(c->last);
	c->last = delta_publish(&c->tip, c->tip_end - 1, c->loaded_epoch, c->loaded_ms);
	controller_commit_image(c, image_ref(c->last));
	return 0;
}
