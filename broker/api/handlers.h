/* The handlers of the broker's APIs, one file per family of requests. All have the same contract:
 * api/request.h. Each is called on the connection's shard. */
#ifndef KAVKA_BROKER_API_HANDLERS_H
#define KAVKA_BROKER_API_HANDLERS_H

#include "api/request.h"

/* The handlers that exist: API constant, function. Those of APIs that a controller listener serves
 * too are called for both. */
#define API_HANDLERS(X) \
	X(API_API_VERSIONS, handle_api_versions) \
	X(API_METADATA, handle_metadata) \
	X(API_DESCRIBE_CLUSTER, handle_describe_cluster) \
	X(API_DESCRIBE_TOPIC_PARTITIONS, handle_describe_topic_partitions) \
	X(API_CREATE_TOPICS, handle_create_topics) \
	X(API_DELETE_TOPICS, handle_delete_topics) \
	X(API_CREATE_PARTITIONS, handle_create_partitions) \
	X(API_DESCRIBE_CONFIGS, handle_describe_configs) \
	X(API_ALTER_CONFIGS, handle_alter_configs) \
	X(API_INCREMENTAL_ALTER_CONFIGS, handle_incremental_alter_configs) \
	X(API_LIST_CONFIG_RESOURCES, handle_list_config_resources) \
	X(API_ELECT_LEADERS, handle_elect_leaders) \
	X(API_ALTER_PARTITION_REASSIGNMENTS, handle_alter_partition_reassignments) \
	X(API_LIST_PARTITION_REASSIGNMENTS, handle_list_partition_reassignments) \
	X(API_DESCRIBE_QUORUM, handle_describe_quorum) \
	X(API_ADD_RAFT_VOTER, handle_add_raft_voter) \
	X(API_REMOVE_RAFT_VOTER, handle_remove_raft_voter) \
	X(API_UPDATE_FEATURES, handle_update_features) \
	X(API_ENVELOPE, handle_envelope) \
	X(API_BROKER_REGISTRATION, handle_broker_registration) \
	X(API_BROKER_HEARTBEAT, handle_broker_heartbeat) \
	X(API_CONTROLLER_REGISTRATION, handle_controller_registration) \
	X(API_ALTER_PARTITION, handle_alter_partition) \
	X(API_ASSIGN_REPLICAS_TO_DIRS, handle_assign_replicas_to_dirs) \
	X(API_ALLOCATE_PRODUCER_IDS, handle_allocate_producer_ids) \
	X(API_UNREGISTER_BROKER, handle_unregister_broker) \
	X(API_UNREGISTER_CONTROLLER, handle_unregister_controller) \
	X(API_DESCRIBE_CLIENT_QUOTAS, handle_describe_client_quotas) \
	X(API_ALTER_CLIENT_QUOTAS, handle_alter_client_quotas) \
	X(API_DESCRIBE_USER_SCRAM_CREDENTIALS, handle_describe_user_scram_credentials) \
	X(API_ALTER_USER_SCRAM_CREDENTIALS, handle_alter_user_scram_credentials) \
	X(API_DESCRIBE_ACLS, handle_describe_acls) \
	X(API_CREATE_ACLS, handle_create_acls) \
	X(API_DELETE_ACLS, handle_delete_acls) \
	X(API_INIT_PRODUCER_ID, handle_init_producer_id) \
	X(API_DESCRIBE_TRANSACTIONS, handle_describe_transactions) \
	X(API_LIST_TRANSACTIONS, handle_list_transactions) \
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
	X(API_WRITE_TXN_MARKERS, handle_write_txn_markers) \
	X(API_DESCRIBE_PRODUCERS, handle_describe_producers) \
	X(API_FETCH, handle_fetch) \
	X(API_DESCRIBE_LOG_DIRS, handle_describe_log_dirs) \
	X(API_ALTER_REPLICA_LOG_DIRS, handle_alter_replica_log_dirs) \
	X(API_GET_TELEMETRY_SUBSCRIPTIONS, handle_get_telemetry_subscriptions) \
	X(API_PUSH_TELEMETRY, handle_push_telemetry)

/* What is another thing on a controller listener than it is on a broker's. */
#define API_CONTROLLER_HANDLERS(X) \
	X(API_FETCH, handle_raft) \
	X(API_FETCH_SNAPSHOT, handle_raft) \
	X(API_VOTE, handle_raft) \
	X(API_BEGIN_QUORUM_EPOCH, handle_raft) \
	X(API_END_QUORUM_EPOCH, handle_raft) \
	X(API_ADD_RAFT_VOTER, handle_raft) \
	X(API_REMOVE_RAFT_VOTER, handle_raft) \
	X(API_UPDATE_RAFT_VOTER, handle_raft)

#define X(constant, handler) void handler(struct request *r);
API_HANDLERS(X)
#undef X
void handle_raft(struct request *r); /* api/raft_rpcs.c */

#endif
