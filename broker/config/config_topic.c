/* Topics and groups: overrides on top of the broker's values. */
#include "config_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <stdio.h>
#include <strings.h>

#define SAY_PLACE "broker/config"

static struct str override_of(const struct config_entry *overrides, size_t count, const char *name)
{
	for (size_t i = count; i-- > 0;)
		if (str_is(overrides[i].name, name))
			return overrides[i].value;
	return STR_NULL;
}

/* The value that holds without an override: the broker's, where there is a synonym. */
static const char *default_of(const struct config *c, const struct config_def *def)
{
	const char *text = def->synonyms ? config_str(c, (enum config_key)def->synonyms[0]) : NULL;

	return text ? text : def->default_text;
}

static struct str effective_text(const struct config *c, const struct config_entry *overrides,
				 size_t count, const struct config_def *def)
{
	struct str text = override_of(overrides, count, def->name);

	return str_is_null(text) ? str_of(default_of(c, def)) : text;
}

struct str config_topic_text(const struct config *c, const struct config_entry *overrides,
			     size_t count, enum topic_config_key key)
{
	size_t def_count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_TOPIC, &def_count);

	assert((size_t)key < def_count);
	return effective_text(c, overrides, count, &defs[key]);
}

/* An override that does not parse gives way to the broker's value. */
static struct config_value effective_value(const struct config *c, enum config_resource resource,
					   const struct config_entry *overrides, size_t count,
					   int key, struct arena *arena)
{
	size_t def_count;
	const struct config_def *def = &config_defs(resource, &def_count)[key];
	struct config_def loose = *def;
	struct str text = effective_text(c, overrides, count, def);
	struct config_value value = {0};
	struct err err;

	if (str_is_null(text))
		return value;
	if (config_value_parse(&value, def, text, arena, &err) == 0)
		return value;
	if (!str_is_null(override_of(overrides, count, def->name)))
		say_error("config ignored: %s", err.text);
	/* The broker's own range may be wider than the topic's: its value holds as it is. */
	loose.valid = (struct config_valid){.kind = CONFIG_VALID_ANY};
	if (!default_of(c, def) ||
	    config_value_parse(&value, &loose, str_of(default_of(c, def)), arena, &err) < 0)
		return (struct config_value){0};
	return value;
}

static bool list_value_has(const struct config_value *value, const char *word)
{
	for (size_t i = 0; i < value->list.count; i++)
		if (strcasecmp(value->list.items[i], word) == 0)
			return true;
	return false;
}

static enum config_compression compression_of(const char *name)
{
	static const struct {
		const char *name;
		enum config_compression compression;
	} names[] = {
		{"producer", CONFIG_COMPRESSION_PRODUCER},
		{"uncompressed", CONFIG_COMPRESSION_NONE},
		{"gzip", CONFIG_COMPRESSION_GZIP},
		{"snappy", CONFIG_COMPRESSION_SNAPPY},
		{"lz4", CONFIG_COMPRESSION_LZ4},
		{"zstd", CONFIG_COMPRESSION_ZSTD},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].compression;
	return CONFIG_COMPRESSION_PRODUCER;
}

/* Milliseconds and bytes below zero mean "unlimited". */
static int64_t or_unlimited(int64_t value)
{
	return value < 0 ? -1 : value;
}

static void topic_config_fill(struct topic_config *out, const struct config_value *v)
{
	*out = (struct topic_config){
		.cleanup_delete = list_value_has(&v[TOPIC_CONFIG_CLEANUP_POLICY], "delete"),
		.cleanup_compact = list_value_has(&v[TOPIC_CONFIG_CLEANUP_POLICY], "compact"),
		.compression = compression_of(v[TOPIC_CONFIG_COMPRESSION_TYPE].text),
		.compression_gzip_level = (int)v[TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL].i64,
		.compression_lz4_level = (int)v[TOPIC_CONFIG_COMPRESSION_LZ4_LEVEL].i64,
		.compression_zstd_level = (int)v[TOPIC_CONFIG_COMPRESSION_ZSTD_LEVEL].i64,
		.delete_retention_ms = v[TOPIC_CONFIG_DELETE_RETENTION_MS].i64,
		.file_delete_delay_ms = v[TOPIC_CONFIG_FILE_DELETE_DELAY_MS].i64,
		.flush_messages = v[TOPIC_CONFIG_FLUSH_MESSAGES].i64,
		.flush_ms = v[TOPIC_CONFIG_FLUSH_MS].i64,
		.index_interval_bytes = (int32_t)v[TOPIC_CONFIG_INDEX_INTERVAL_BYTES].i64,
		.local_retention_bytes = v[TOPIC_CONFIG_LOCAL_RETENTION_BYTES].i64,
		.local_retention_ms = v[TOPIC_CONFIG_LOCAL_RETENTION_MS].i64,
		.max_compaction_lag_ms = v[TOPIC_CONFIG_MAX_COMPACTION_LAG_MS].i64,
		.min_compaction_lag_ms = v[TOPIC_CONFIG_MIN_COMPACTION_LAG_MS].i64,
		.max_message_bytes = (int32_t)v[TOPIC_CONFIG_MAX_MESSAGE_BYTES].i64,
		.message_timestamp_after_max_ms =
			v[TOPIC_CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS].i64,
		.message_timestamp_before_max_ms =
			v[TOPIC_CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS].i64,
		.log_append_time =
			strcmp(v[TOPIC_CONFIG_MESSAGE_TIMESTAMP_TYPE].text, "LogAppendTime") == 0,
		.min_cleanable_dirty_ratio = v[TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO].number,
		.min_insync_replicas = (int32_t)v[TOPIC_CONFIG_MIN_INSYNC_REPLICAS].i64,
		.preallocate = v[TOPIC_CONFIG_PREALLOCATE].boolean,
		.remote_storage_enable = v[TOPIC_CONFIG_REMOTE_STORAGE_ENABLE].boolean,
		.retention_bytes = or_unlimited(v[TOPIC_CONFIG_RETENTION_BYTES].i64),
		.retention_ms = or_unlimited(v[TOPIC_CONFIG_RETENTION_MS].i64),
		.segment_bytes = (int32_t)v[TOPIC_CONFIG_SEGMENT_BYTES].i64,
		.segment_index_bytes = (int32_t)v[TOPIC_CONFIG_SEGMENT_INDEX_BYTES].i64,
		.segment_jitter_ms = v[TOPIC_CONFIG_SEGMENT_JITTER_MS].i64,
		.segment_ms = v[TOPIC_CONFIG_SEGMENT_MS].i64,
		.unclean_leader_election_enable =
			v[TOPIC_CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE].boolean,
	};
	if (v[TOPIC_CONFIG_INTERNAL_SEGMENT_BYTES].text)
		out->segment_bytes = (int32_t)v[TOPIC_CONFIG_INTERNAL_SEGMENT_BYTES].i64;
}

void config_topic(const struct config *c, const struct config_entry *overrides, size_t count,
		  struct topic_config *out)
{
	struct config_value values[TOPIC_CONFIG_COUNT];
	struct arena arena;

	arena_init(&arena);
	for (int key = 0; key < TOPIC_CONFIG_COUNT; key++)
		values[key] = effective_value(c, CONFIG_RESOURCE_TOPIC, overrides, count, key,
					      &arena);
	topic_config_fill(out, values);
	arena_fini(&arena);
}

int config_check_topic(const struct config *c, const struct config_entry *overrides, size_t count,
		       struct err *err)
{
	struct topic_config topic;

	for (size_t i = 0; i < count; i++) {
		int rc = config_check(CONFIG_RESOURCE_TOPIC, overrides[i].name, overrides[i].value,
				      err);

		if (rc < 0)
			return rc;
	}
	config_topic(c, overrides, count, &topic);
	if (topic.remote_storage_enable)
		return err_set(err, E_INVALID, "Tiered Storage functionality is disabled in the "
					       "broker. Topic cannot be configured with remote log "
					       "storage.");
	if (topic.min_compaction_lag_ms > topic.max_compaction_lag_ms)
		return err_set(err, E_INVALID,
			       "conflict topic config setting min.compaction.lag.ms "
			       "(%lld) > max.compaction.lag.ms (%lld)",
			       (long long)topic.min_compaction_lag_ms,
			       (long long)topic.max_compaction_lag_ms);
	return 0;
}

int64_t config_group_i64(const struct config *c, const struct config_entry *overrides, size_t count,
			 enum group_config_key key)
{
	struct arena arena;
	int64_t value;

	assert(key < GROUP_CONFIG_COUNT);
	arena_init(&arena);
	value = effective_value(c, CONFIG_RESOURCE_GROUP, overrides, count, (int)key, &arena).i64;
	arena_fini(&arena);
	return value;
}
