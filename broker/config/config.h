/* The configs of a broker, its topics, groups and client-metrics subscriptions.
 *
 * One table (the .def files beside this header) gives each config its name, type, default, valid
 * values, importance, scope of dynamic updates and one sentence. Everything else is read from it:
 * parsing, checks, DescribeConfigs, the manual.
 *
 * A `struct config` is an immutable snapshot of one broker's effective values, made of layers:
 *
 *	dynamic per broker > dynamic cluster default > file and overrides > compiled default
 *
 * config_load() makes the first one, config_with_dynamic() a new one on top whenever the broker's
 * configs in the metadata image change. Snapshots are shared by reference, on any thread.
 *
 * Families of synonyms (log.retention.ms > .minutes > .hours, log.roll.*, log.roll.jitter.*,
 * log.flush.*, log.dirs > log.dir, node.id = broker.id): the head, named first, holds the value
 * that results, so CONFIG_LOG_RETENTION_MS is in ms whichever of the three was set, CONFIG_LOG_DIRS
 * is never null, CONFIG_LOG_FLUSH_INTERVAL_MS and CONFIG_LOG_ROLL_MS neither.
 *
 * Source: AbstractKafkaConfig.java, DynamicBrokerConfig.java, LogConfig.java, ConfigDef.java. */
#ifndef KAVKA_BROKER_CONFIG_CONFIG_H
#define KAVKA_BROKER_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

/* ---- The table ---- */

/* Numbers of the protocol (ConfigResource, DescribeConfigs config_type and config_source). */
enum config_resource {
	CONFIG_RESOURCE_TOPIC = 2,
	CONFIG_RESOURCE_BROKER = 4,
	CONFIG_RESOURCE_BROKER_LOGGER = 8,
	CONFIG_RESOURCE_CLIENT_METRICS = 16,
	CONFIG_RESOURCE_GROUP = 32,
};

enum config_type {
	CONFIG_TYPE_UNKNOWN = 0,
	CONFIG_TYPE_BOOLEAN = 1,
	CONFIG_TYPE_STRING = 2,
	CONFIG_TYPE_INT = 3,
	CONFIG_TYPE_SHORT = 4,
	CONFIG_TYPE_LONG = 5,
	CONFIG_TYPE_DOUBLE = 6,
	CONFIG_TYPE_LIST = 7,
	CONFIG_TYPE_CLASS = 8,
	CONFIG_TYPE_PASSWORD = 9,
};

enum config_source {
	CONFIG_SOURCE_UNKNOWN = 0,
	CONFIG_SOURCE_TOPIC = 1,
	CONFIG_SOURCE_DYNAMIC_BROKER = 2,
	CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
	CONFIG_SOURCE_STATIC_BROKER = 4,
	CONFIG_SOURCE_DEFAULT = 5,
	CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER = 6,
	CONFIG_SOURCE_CLIENT_METRICS = 7,
	CONFIG_SOURCE_GROUP = 8,
};

enum config_importance { CONFIG_HIGH, CONFIG_MEDIUM, CONFIG_LOW };

/* When a broker config may change. */
enum config_scope {
	CONFIG_READ_ONLY,	/* at start only */
	CONFIG_PER_BROKER,	/* dynamically, for one broker */
	CONFIG_CLUSTER_WIDE,	/* dynamically, for one broker or as the cluster's default */
};

enum config_flag {
	CONFIG_INTERNAL = 1,	/* not described unless set */
	CONFIG_INERT = 2,	/* accepted, but has no effect in kavka */
	CONFIG_REQUIRED = 4,	/* no default */
	CONFIG_DYNAMIC_ONLY = 8, /* not legal in a properties file */
};

enum config_valid_kind {
	CONFIG_VALID_ANY,
	CONFIG_VALID_RANGE,		/* integers, min .. max */
	CONFIG_VALID_RANGE_OR,		/* the same, or `other` */
	CONFIG_VALID_DOUBLE,		/* min_double .. max_double */
	CONFIG_VALID_ONE_OF,		/* words of `choices`, "a|b|c"; for a list: each element */
	CONFIG_VALID_ONE_OF_ANY_CASE,
	CONFIG_VALID_NOT_EMPTY,		/* string or list */
	CONFIG_VALID_THROTTLED_REPLICAS, /* "*" or partition:broker,... */
	CONFIG_VALID_OFFSET_RESET,	/* latest, earliest, by_duration:PnDTnHnMn.nS */
};

struct config_valid {
	enum config_valid_kind kind;
	int64_t min, max, other;
	double min_double, max_double;
	const char *choices;
};

struct config_def {
	const char *name;
	enum config_type type;
	const char *default_text;	/* NULL: null (or CONFIG_REQUIRED) */
	struct config_valid valid;
	enum config_importance importance;
	enum config_scope scope;	/* broker configs */
	unsigned flags;			/* enum config_flag */
	const char *doc;		/* one sentence */
	/* Topic and group configs: the broker configs that give the default, first set one wins;
	 * ends with -1. Broker configs: the family, head first, if it has one. */
	const int *synonyms;
};

/* Broker configs: CONFIG_LOG_SEGMENT_BYTES for "log.segment.bytes". */
enum config_key {
#define CONFIG(id, ...) CONFIG_##id,
#include "config/broker.def"
#undef CONFIG
	CONFIG_COUNT
};

/* Topic configs: TOPIC_CONFIG_SEGMENT_BYTES for "segment.bytes". */
enum topic_config_key {
#define CONFIG(id, ...) TOPIC_CONFIG_##id,
#include "config/topic.def"
#undef CONFIG
	TOPIC_CONFIG_COUNT
};

enum group_config_key {
#define CONFIG(id, ...) GROUP_CONFIG_##id,
#include "config/group.def"
#undef CONFIG
	GROUP_CONFIG_COUNT
};

enum client_metrics_config_key {
#define CONFIG(id, ...) CLIENT_METRICS_CONFIG_##id,
#include "config/client_metrics.def"
#undef CONFIG
	CLIENT_METRICS_CONFIG_COUNT
};

/* All rows of a resource type, indexed by its enum; NULL and 0 for BROKER_LOGGER. */
const struct config_def *config_defs(enum config_resource resource, size_t *count);
/* The row of a name, or NULL. For brokers also "listener.name.L.NAME": the row of NAME. */
const struct config_def *config_def_find(enum config_resource resource, struct str name);
bool config_def_is_sensitive(const struct config_def *def);
/* The valid values in words, as Kafka prints them: "[1048576,...]", "" if any. */
const char *config_valid_text(const struct config_def *def, struct arena *arena);
/* "int", "boolean", ... */
const char *config_type_name(enum config_type type);

/* ---- Checking and changing values (AlterConfigs, CreateTopics) ---- */

/* A name and its value, as the metadata records have them. */
struct config_entry {
	struct str name, value;
};

/* Checks one value of a resource. Errors, with the text that Kafka puts into its answer:
 * E_NOT_FOUND (unknown name), E_INVALID. A null value is E_INVALID. */
MUST_USE int config_check(enum config_resource resource, struct str name, struct str value,
			  struct err *err);
/* Checks the overrides of a topic together: each one, and rules between them with the broker's
 * values as defaults. E_NOT_FOUND or E_INVALID. */
struct config;
MUST_USE int config_check_topic(const struct config *c, const struct config_entry *overrides,
				size_t count, struct err *err);
/* IncrementalAlterConfigs APPEND and SUBTRACT on list configs: `current` (null: the compiled
 * default) with the elements of `value` appended, those already there skipped, or taken away.
 * E_INVALID if the config is no list, E_NOT_FOUND if it is unknown. The result is in `arena`. */
MUST_USE int config_list_append(struct arena *arena, enum config_resource resource, struct str name,
				struct str current, struct str value, struct str *out,
				struct err *err);
MUST_USE int config_list_subtract(struct arena *arena, enum config_resource resource,
				  struct str name, struct str current, struct str value,
				  struct str *out, struct err *err);
/* May this broker config change at run time, at this level (`broker_id` given or "" for the
 * cluster's default)? E_INVALID with Kafka's text if not. */
MUST_USE int config_check_dynamic(const struct config *c, const struct config_entry *entries,
				  size_t count, bool cluster_default, struct err *err);

/* ---- A broker's snapshot ---- */

struct config;

struct config_load_options {
	const char *path;		/* server.properties; NULL: none, see below */
	const char *const *overrides;	/* "key=value", later ones win */
	size_t override_count;
	/* Called with each warning, one line; NULL: say_warn(). */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

/* Reads and checks file and overrides. Gives a snapshot. Errors are one line with file and line:
 * -errno, E_MALFORMED, E_INVALID (value, with its valid range; or a rule between configs).
 * Unknown names warn with the near miss; configs without effect warn once, together.
 *
 * Without a file, kavka's own defaults for one node that serves this machine stand in for it:
 * node.id=1, process.roles=broker,controller, listeners PLAINTEXT://localhost:9092 and
 * CONTROLLER://localhost:9093 (a listener with `port_optional`: when the port is taken, any
 * free one will do, as nobody else is in this quorum), log.dirs in the user's data directory
 * ($XDG_DATA_HOME or ~/.local/share, kavka/data; ./kavka-data without a home), replication
 * factors of internal topics 1, no initial rebalance delay. An override of `listeners` that does
 * not name the controller listener keeps it. */
MUST_USE int config_load(struct config **out, const struct config_load_options *options,
			 struct err *err);

/* Gives a new snapshot with these dynamic values in place of those of `c`. Bad values are dropped
 * key by key with an error line (they were checked when they were set: the log is what it is). */
struct config *config_with_dynamic(const struct config *c, const struct config_entry *broker,
				   size_t broker_count, const struct config_entry *cluster,
				   size_t cluster_count);

struct config *config_ref(const struct config *c);	/* any thread */
void config_unref(const struct config *c);		/* NULL is fine */

/* Effective values. The accessor must fit the type: i64 for INT, SHORT and LONG (0 if null: ask
 * config_is_null() where null is possible), str for STRING, CLASS and PASSWORD (NULL if null).
 * Lists: *count elements, trimmed, none if null. */
int64_t config_i64(const struct config *c, enum config_key key);
static inline int32_t config_i32(const struct config *c, enum config_key key)
{
	return (int32_t)config_i64(c, key);
}
bool config_bool(const struct config *c, enum config_key key);
double config_double(const struct config *c, enum config_key key);
const char *config_str(const struct config *c, enum config_key key);
const char *const *config_list(const struct config *c, enum config_key key, size_t *count);
bool config_list_has(const struct config *c, enum config_key key, const char *element);
/* Whether cordoned.log.dirs has the directory, an element of log.dirs. */
bool config_dir_is_cordoned(const struct config *c, const char *path);
/* Whether a new value of cordoned.log.dirs is one for this broker: 0 or E_INVALID. */
MUST_USE int config_check_cordoned(const struct config *c, struct str value, struct err *err);
bool config_is_null(const struct config *c, enum config_key key);
/* Where the effective value comes from. */
enum config_source config_source_of(const struct config *c, enum config_key key);
/* The text of any name as set in file, override or dynamically, also names that no row knows
 * ("listener.name.x.y", "super.users", plugins' keys); NULL if not set. */
const char *config_text(const struct config *c, const char *name);
/* `listener.name.L.NAME` for this listener, or else the effective text of NAME; NULL if null. */
const char *config_listener_text(const struct config *c, const char *listener, const char *name);

/* ---- What follows from several configs ---- */

enum security_protocol {	/* numbers of the protocol */
	SECURITY_PLAINTEXT = 0,
	SECURITY_SSL = 1,
	SECURITY_SASL_PLAINTEXT = 2,
	SECURITY_SASL_SSL = 3,
};
const char *security_protocol_name(enum security_protocol p);

struct listener {
	const char *name;	/* upper case */
	const char *host;	/* "" : all addresses; IPv6 without brackets */
	int32_t port;		/* 0: any free one */
	enum security_protocol protocol;
	bool is_controller;	/* in controller.listener.names */
	bool port_optional;	/* when the port is taken, any free one will do */
};

struct quorum_voter {
	int32_t id;		/* -1: from controller.quorum.bootstrap.servers */
	const char *host;
	int32_t port;
};

int32_t config_node_id(const struct config *c);
bool config_is_broker(const struct config *c);		/* process.roles */
bool config_is_controller(const struct config *c);
bool config_has_file(const struct config *c);		/* false: kavka's own defaults */
const struct listener *config_listeners(const struct config *c, size_t *count);
const struct listener *config_listener(const struct config *c, const char *name); /* or NULL */
/* advertised.listeners, or else `listeners`; without controller listeners on a broker. A host ""
 * is for the server to fill (name of the machine), a port 0 too (the bound one). */
const struct listener *config_advertised(const struct config *c, size_t *count);
/* Where the other nodes reach this controller listener: as advertised.listeners has it, else as
 * `listeners` has. */
const struct listener *config_advertised_controller(const struct config *c, const char *name);
const char *config_inter_broker_listener(const struct config *c);
/* controller.quorum.voters (ids), or else controller.quorum.bootstrap.servers (id -1). */
const struct quorum_voter *config_quorum(const struct config *c, size_t *count);
const char *config_metadata_log_dir(const struct config *c);
/* Protocol of a listener's name by listener.security.protocol.map; false if it is not there. */
bool config_listener_protocol(const struct config *c, const char *name,
			      enum security_protocol *out);

/* ---- Topics ---- */

enum config_compression {
	CONFIG_COMPRESSION_NONE = 0,	/* as in a batch's attributes */
	CONFIG_COMPRESSION_GZIP = 1,
	CONFIG_COMPRESSION_SNAPPY = 2,
	CONFIG_COMPRESSION_LZ4 = 3,
	CONFIG_COMPRESSION_ZSTD = 4,
	CONFIG_COMPRESSION_PRODUCER = -1,	/* as the producer chose */
};

/* The effective configs of a topic. */
struct topic_config {
	bool cleanup_delete, cleanup_compact;	/* neither: kept for ever */
	enum config_compression compression;
	int compression_gzip_level, compression_lz4_level, compression_zstd_level;
	int64_t delete_retention_ms;
	int64_t file_delete_delay_ms;
	int64_t flush_messages;
	int64_t flush_ms;
	int32_t index_interval_bytes;
	int64_t local_retention_bytes, local_retention_ms;
	int64_t max_compaction_lag_ms, min_compaction_lag_ms;
	int32_t max_message_bytes;
	int64_t message_timestamp_after_max_ms, message_timestamp_before_max_ms;
	bool log_append_time;			/* message.timestamp.type */
	double min_cleanable_dirty_ratio;
	int32_t min_insync_replicas;
	bool preallocate;
	bool remote_storage_enable;
	int64_t retention_bytes, retention_ms;	/* -1: unlimited */
	int32_t segment_bytes;			/* internal.segment.bytes if that is set */
	int32_t segment_index_bytes;
	int64_t segment_jitter_ms, segment_ms;
	bool unclean_leader_election_enable;
};

/* The broker's values under the topic's overrides. Overrides that do not parse are ignored with an
 * error line: they were checked when they were set. `overrides` is borrowed during the call. */
void config_topic(const struct config *c, const struct config_entry *overrides, size_t count,
		  struct topic_config *out);
/* One effective value, as text, or NULL for null. Borrows from `c`, `overrides`, or the table. */
struct str config_topic_text(const struct config *c, const struct config_entry *overrides,
			     size_t count, enum topic_config_key key);

/* ---- Groups ---- */

int64_t config_group_i64(const struct config *c, const struct config_entry *overrides, size_t count,
			 enum group_config_key key);

/* ---- DescribeConfigs and the manual ---- */

struct config_synonym {
	struct str name, value;		/* value null for sensitive ones */
	enum config_source source;
};

struct config_description {
	struct str name, value;		/* value null: null or sensitive */
	enum config_source source;
	enum config_type type;
	bool read_only, is_sensitive;
	const char *doc;		/* NULL if there is none */
	struct config_synonym *synonyms;
	size_t synonym_count;
};

/* What DescribeConfigs answers for a resource, in order of name, allocated in `arena`.
 * TOPIC, GROUP, CLIENT_METRICS: every row under `overrides`. BROKER: this broker's snapshot
 * (`overrides` unused). Gives the count. */
size_t config_describe(const struct config *c, struct arena *arena, enum config_resource resource,
		       const struct config_entry *overrides, size_t count,
		       struct config_description **out);
/* The same for the cluster's default (BROKER with name ""): only what is set dynamically there. */
size_t config_describe_cluster(const struct config *c, struct arena *arena,
			       const struct config_entry *entries, size_t count,
			       struct config_description **out);

#endif
