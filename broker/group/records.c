/* The records of __consumer_offsets as they are written. */
#include "group_int.h"

#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"
#include "wire/record_frame.h"

#define SAY_PLACE "broker/group"

/* What trunk writes. Version 1 is for offsets with a retention time of their own. */
#define OFFSET_VALUE_VERSION 4
#define OFFSET_VALUE_EXPIRING_VERSION 1
#define GROUP_VALUE_VERSION 3

#define GROUP_RECORD_BYTES_MAX (256 * 1024 * 1024)

void group_write_begin(struct group_write *w, struct group_partition *gp)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;

	*w = (struct group_write){.gp = gp};
	options.codec = gp->gc->settings.codec;
	options.max_bytes = gp->gc->settings.batch_bytes_max;
	batch_builder_init(&w->builder, &options);
	out_init(&w->key, GROUP_RECORD_BYTES_MAX);
	out_init(&w->value, GROUP_RECORD_BYTES_MAX);
	out_init(&w->batches, GROUP_RECORD_BYTES_MAX);
}

static void group_write_end(struct group_write *w)
{
	batch_builder_fini(&w->builder);
	out_fini(&w->key);
	out_fini(&w->value);
	out_fini(&w->batches);
}

/* Closes the batch at hand. */
static void group_write_batch(struct group_write *w)
{
	struct group_coordinator *gc = w->gp->gc;
	struct slice batch;

	if (w->builder.record_count == 0)
		return;
	if (gc->settings.codec != COMPRESSION_NONE && !gc->compressor)
		gc->compressor = compressor_new();
	if (batch_builder_finish(&w->builder, gc->compressor, &batch) < 0) {
		w->error = KERR_MESSAGE_TOO_LARGE;
		return;
	}
	out_bytes(&w->batches, batch.data, batch.len);
	slice_unref(&batch);
}

/* Adds the record in w->key and w->value. */
static void group_write_record(struct group_write *w, int rc, bool has_value)
{
	struct group_coordinator *gc = w->gp->gc;
	int64_t now_ms = gc->io.wall_ms(gc->io.ctx);
	struct slice key = {.data = w->key.data, .len = w->key.len};
	struct slice value = {.data = w->value.data, .len = w->value.len};

	if (rc < 0 || w->key.failed || w->value.failed) {
		/* A name too long for a record: the client's fault, and it learns no more. */
		w->error = KERR_UNKNOWN_SERVER_ERROR;
	} else {
		rc = batch_builder_add(&w->builder, now_ms, key, has_value ? value : SLICE_NULL,
				       NULL, 0);
		if (rc < 0 && w->builder.record_count > 0) {
			group_write_batch(w);
			rc = batch_builder_add(&w->builder, now_ms, key,
					       has_value ? value : SLICE_NULL, NULL, 0);
		}
		if (rc < 0)
			w->error = KERR_MESSAGE_TOO_LARGE;
		else
			w->record_count++;
	}
	out_reset(&w->key);
	out_reset(&w->value);
}

static int group_offset_key(struct group_write *w, struct str group_id, struct str topic,
			    int32_t partition)
{
	struct offset_commit_key key = {.group = group_id, .topic = topic, .partition = partition};

	return coordinator_key_encode(&offset_commit_key_desc, &key, &w->key, NULL);
}

void group_write_offset(struct group_write *w, struct str group_id, struct str topic,
			int32_t partition, const struct group_offset_value *value)
{
	bool expires = value->expire_timestamp_ms >= 0;
	struct offset_commit_value record = {
		.offset = value->offset,
		.leader_epoch = value->leader_epoch,
		.metadata = value->metadata,
		.commit_timestamp = value->commit_timestamp_ms,
		.expire_timestamp = value->expire_timestamp_ms,
		.topic_id = value->topic_id,
	};
	int rc = group_offset_key(w, group_id, topic, partition);

	if (rc == 0)
		rc = versioned_encode(&offset_commit_value_desc,
				      expires ? OFFSET_VALUE_EXPIRING_VERSION
					      : OFFSET_VALUE_VERSION,
				      &record, &w->value, NULL);
	group_write_record(w, rc, true);
}

void group_write_offset_tombstone(struct group_write *w, struct str group_id, struct str topic,
				  int32_t partition)
{
	group_write_record(w, group_offset_key(w, group_id, topic, partition), false);
}

void group_write_group(struct group_write *w, struct group *g)
{
	struct group_metadata_key key = {.group = g->id};
	struct group_metadata_value value = {
		.protocol_type = g->protocol_type ? str_of(g->protocol_type) : STR_LIT(""),
		.generation = g->generation,
		.protocol = str_of(g->protocol_name),
		.leader = g->leader_id,
		.current_state_timestamp = g->state_timestamp_ms,
	};
	struct group_member *m;
	int rc;

	value.members = xcalloc((size_t)g->member_count + 1, sizeof(*value.members));
	LIST_FOREACH(&g->members, m, struct group_member, link)
		value.members[value.members_count++] =
			(struct group_metadata_value_member_metadata){
				.member_id = m->id,
				.group_instance_id = m->instance_id,
				.client_id = m->client_id,
				.client_host = m->client_host,
				.rebalance_timeout = m->rebalance_timeout_ms,
				.session_timeout = m->session_timeout_ms,
				.subscription = group_member_metadata(m, g->protocol_name),
				.assignment = m->assignment,
			};
	rc = coordinator_key_encode(&group_metadata_key_desc, &key, &w->key, NULL);
	if (rc == 0)
		rc = versioned_encode(&group_metadata_value_desc, GROUP_VALUE_VERSION, &value,
				      &w->value, NULL);
	free(value.members);
	group_write_record(w, rc, true);
}

void group_write_group_tombstone(struct group_write *w, struct str group_id)
{
	struct group_metadata_key key = {.group = group_id};

	group_write_record(w, coordinator_key_encode(&group_metadata_key_desc, &key, &w->key, NULL),
			   false);
}

void group_write_raw_tombstone(struct group_write *w, struct slice key)
{
	out_bytes(&w->key, key.data, key.len);
	group_write_record(w, 0, false);
}

enum kafka_error group_write_append(struct group_write *w, int64_t *required_offset)
{
	struct group_coordinator *gc = w->gp->gc;

	*required_offset = 0;
	group_write_batch(w);
	if (w->error == KERR_NONE && w->record_count > 0) {
		struct buf *buf = out_to_buf(&w->batches);

		w->error = gc->io.append(gc->io.ctx, w->gp->index,
					 (struct slice){.data = buf->data, .len = buf->size},
					 required_offset);
		buf_unref(buf);
		if (w->error == KERR_NONE)
			w->gp->required_offset = *required_offset;
		if (w->error != KERR_NONE)
			say_warn("%s-%d: cannot write: %s", OFFSETS_TOPIC, w->gp->index,
				 kafka_error_name(w->error));
	}
	group_write_end(w);
	return group_error_sent(w->error);
}
