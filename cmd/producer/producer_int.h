/* Inside `producer`: its options, their checks, and the configs that follow from them. */
#ifndef KAVKA_CMD_PRODUCER_INT_H
#define KAVKA_CMD_PRODUCER_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/output.h"
#include "cmd/producer/record_maker.h"
#include "cmd/registry/serde.h"

#include "client/producer.h"

struct producer_args {
	struct cluster_args cluster;
	struct output_args output;
	struct registry_args registry;
	const char *topic;
	bool sync;
	const char *compression;
	int64_t batch_size, retries, retry_backoff_ms, linger_ms;
	const char *acks;
	int64_t request_timeout_ms, metadata_expiry_ms, max_block_ms, max_memory_bytes;
	int64_t max_partition_memory_bytes, socket_buffer_size;
	const char *line_reader;
	struct opt_list reader_properties, old_reader_properties;
	const char *reader_config;
	struct opt_list properties, old_properties;
	const char *old_config;
	/* kavka's own */
	const char *key, *key_delimiter;
	struct opt_list headers;
	int64_t partition; /* -1: none */
	const char *timestamp, *input;
	struct opt_list files;
	bool tombstone, verbose;
	const char *null_marker, *partitioner;
};

#define PARTITIONER_WORDS "java sticky round-robin"

/* The rules between options, and the notices about old spellings; merges those into the new ones.
 * 0 or E_USAGE. */
MUST_USE int producer_check(const struct run *run, struct producer_args *args, struct err *err);

/* File, topic, --reader-property, --key-delimiter and --null-marker; in this order. */
MUST_USE int producer_reader_props(struct run *run, const struct producer_args *args,
				   struct props *props, struct err *err);

/* File < --command-property < options; defaults of options only where nothing is set. NULL with
 * `err` set. */
struct client_config *producer_config(const struct run *run, const struct producer_args *args,
				      struct err *err);

#endif
