/* The handlers of the broker's APIs, one file per family of requests. All have the same contract:
 * api/request.h. Each is called on the connection's shard. */
#ifndef KAVKA_BROKER_API_HANDLERS_H
#define KAVKA_BROKER_API_HANDLERS_H

#include "api/request.h"

/* The handlers that exist: API constant, function. */
#define API_HANDLERS(X) \
	X(API_API_VERSIONS, handle_api_versions) \
	X(API_METADATA, handle_metadata) \
	X(API_DESCRIBE_CLUSTER, handle_describe_cluster) \
	X(API_DESCRIBE_TOPIC_PARTITIONS, handle_describe_topic_partitions) \
	X(API_FIND_COORDINATOR, handle_find_coordinator) \
	X(API_JOIN_GROUP, handle_join_group) \
	X(API_SYNC_GROUP, handle_sync_group) \
	X(API_HEARTBEAT, handle_heartbeat) \
	X(API_LEAVE_GROUP, handle_leave_group) \
	X(API_OFFSET_COMMIT, handle_offset_commit) \
	X(API_OFFSET_FETCH, handle_offset_fetch) \
	X(API_OFFSET_DELETE, handle_offset_delete) \
	X(API_LIST_GROUPS, handle_list_groups) \
	X(API_DESCRIBE_GROUPS, handle_describe_groups) \
	X(API_DELETE_GROUPS, handle_delete_groups) \
	X(API_PRODUCE, handle_produce) \
	X(API_LIST_OFFSETS, handle_list_offsets) \
	X(API_OFFSET_FOR_LEADER_EPOCH, handle_offset_for_leader_epoch) \
	X(API_DELETE_RECORDS, handle_delete_records) \
	X(API_DESCRIBE_PRODUCERS, handle_describe_producers) \
	X(API_FETCH, handle_fetch) \
	X(API_DESCRIBE_LOG_DIRS, handle_describe_log_dirs) \
	X(API_ALTER_REPLICA_LOG_DIRS, handle_alter_replica_log_dirs) \
	X(API_GET_TELEMETRY_SUBSCRIPTIONS, handle_get_telemetry_subscriptions) \
	X(API_PUSH_TELEMETRY, handle_push_telemetry)

#define X(constant, handler) void handler(struct request *r);
API_HANDLERS(X)
#undef X

#endif
