#include "cmd/dump/remote_text.h"

#include "base/uuid.h"

#include <inttypes.h>

static const char *const segment_states[] = {
	"COPY_SEGMENT_STARTED",
	"COPY_SEGMENT_FINISHED",
	"DELETE_SEGMENT_STARTED",
	"DELETE_SEGMENT_FINISHED",
};

static const char *const partition_states[] = {
	"DELETE_PARTITION_MARKED",
	"DELETE_PARTITION_STARTED",
	"DELETE_PARTITION_FINISHED",
};

static void remote_partition(struct out *out, struct uuid id, struct str name, int32_t partition)
{
	char text[UUID_TEXT_LEN + 1];

	out_printf(out, "%s:%.*s-%d", uuid_format(id, text), STR(name), partition);
}

static void remote_custom(struct out *out, struct slice custom)
{
	if (custom.data)
		out_printf(out, ", customMetadata=Optional[CustomMetadata{%zu bytes}]", custom.len);
	else
		out_text(out, ", customMetadata=Optional.empty");
}

static void remote_state(struct out *out, int8_t state)
{
	if (state >= 0 && state < (int8_t)ARRAY_LEN(segment_states))
		out_printf(out, ", state=%s", segment_states[state]);
	else
		out_printf(out, ", state=%d", state);
}

static void remote_segment(struct out *out, const struct remote_log_segment_metadata_record *r)
{
	char id[UUID_TEXT_LEN + 1];

	out_text(out, "RemoteLogSegmentMetadata{remoteLogSegmentId=RemoteLogSegmentId{"
		      "topicIdPartition=");
	remote_partition(out, r->remote_log_segment_id.topic_id_partition.id,
			 r->remote_log_segment_id.topic_id_partition.name,
			 r->remote_log_segment_id.topic_id_partition.partition);
	out_printf(out,
		   ", id=%s}, startOffset=%" PRId64 ", endOffset=%" PRId64
		   ", brokerId=%d, maxTimestampMs=%" PRId64 ", eventTimestampMs=%" PRId64
		   ", segmentLeaderEpochs={",
		   uuid_format(r->remote_log_segment_id.id, id), r->start_offset, r->end_offset,
		   r->broker_id, r->max_timestamp_ms, r->event_timestamp_ms);
	for (int32_t i = 0; i < r->segment_leader_epochs_count; i++)
		out_printf(out, "%s%d=%" PRId64, i ? ", " : "",
			   r->segment_leader_epochs[i].leader_epoch,
			   r->segment_leader_epochs[i].offset);
	out_printf(out, "}, segmentSizeInBytes=%d", r->segment_size_in_bytes);
	remote_custom(out, r->custom_metadata);
	remote_state(out, r->remote_log_segment_state);
	out_printf(out, ", txnIdxEmpty=%s}", r->txn_index_empty ? "true" : "false");
}

static void remote_snapshot(struct out *out,
			    const struct remote_log_segment_metadata_snapshot_record *r)
{
	char id[UUID_TEXT_LEN + 1];

	out_printf(out,
		   "RemoteLogSegmentMetadataSnapshot{segmentId=%s, startOffset=%" PRId64
		   ", endOffset=%" PRId64 ", maxTimestampMs=%" PRId64 ", segmentLeaderEpochs={",
		   uuid_format(r->segment_id, id), r->start_offset, r->end_offset,
		   r->max_timestamp_ms);
	for (int32_t i = 0; i < r->segment_leader_epochs_count; i++)
		out_printf(out, "%s%d=%" PRId64, i ? ", " : "",
			   r->segment_leader_epochs[i].leader_epoch,
			   r->segment_leader_epochs[i].offset);
	out_printf(out, "}, segmentSizeInBytes=%d", r->segment_size_in_bytes);
	remote_custom(out, r->custom_metadata);
	remote_state(out, r->remote_log_segment_state);
	out_printf(out, ", txnIdxEmpty=%s}", r->txn_index_empty ? "true" : "false");
}

static void remote_update(struct out *out,
			  const struct remote_log_segment_metadata_update_record *r)
{
	char id[UUID_TEXT_LEN + 1];

	out_text(out, "RemoteLogSegmentMetadataUpdate{remoteLogSegmentId=RemoteLogSegmentId{"
		      "topicIdPartition=");
	remote_partition(out, r->remote_log_segment_id.topic_id_partition.id,
			 r->remote_log_segment_id.topic_id_partition.name,
			 r->remote_log_segment_id.topic_id_partition.partition);
	out_printf(out, ", id=%s}", uuid_format(r->remote_log_segment_id.id, id));
	remote_custom(out, r->custom_metadata);
	remote_state(out, r->remote_log_segment_state);
	out_printf(out, ", eventTimestampMs=%" PRId64 ", brokerId=%d}", r->event_timestamp_ms,
		   r->broker_id);
}

static void remote_delete(struct out *out, const struct remote_partition_delete_metadata_record *r)
{
	int8_t state = r->remote_partition_delete_state;

	out_text(out, "RemotePartitionDeleteMetadata{topicPartition=");
	remote_partition(out, r->topic_id_partition.id, r->topic_id_partition.name,
			 r->topic_id_partition.partition);
	if (state >= 0 && state < (int8_t)ARRAY_LEN(partition_states))
		out_printf(out, ", state=%s", partition_states[state]);
	else
		out_printf(out, ", state=%d", state);
	out_printf(out, ", eventTimestampMs=%" PRId64 ", brokerId=%d}", r->event_timestamp_ms,
		   r->broker_id);
}

void remote_text(struct out *out, const struct message_desc *m, const void *msg)
{
	if (m == &remote_log_segment_metadata_record_desc)
		remote_segment(out, msg);
	else if (m == &remote_log_segment_metadata_snapshot_record_desc)
		remote_snapshot(out, msg);
	else if (m == &remote_log_segment_metadata_update_record_desc)
		remote_update(out, msg);
	else
		remote_delete(out, msg);
}
