/* The handlers of the broker's APIs, one file per family of requests. All have the same contract:
 * api/request.h. Each is called on the connection's shard. */
#ifndef KAVKA_BROKER_API_HANDLERS_H
#define KAVKA_BROKER_API_HANDLERS_H

#include "api/request.h"

/* The handlers that exist: API constant, function. */
#define API_HANDLERS(X) \
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
