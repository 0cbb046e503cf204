/* Rules between configs that stop the start (KafkaConfig.validateValues and its parts). */
#include "config_int.h"

#include <stdio.h>

static const char *name_of(enum config_key key)
{
	size_t count;

	return config_defs(CONFIG_RESOURCE_BROKER, &count)[key].name;
}

/* The default of a group config lies between its bounds. */
static const struct {
	enum config_key min, value, max;
} group_bounds[] = {
#define BOUNDS(kind, what)                                                                         \
	{CONFIG_GROUP_##kind##_MIN_##what, CONFIG_GROUP_##kind##_##what,                           \
	 CONFIG_GROUP_##kind##_MAX_##what}
	BOUNDS(CONSUMER, ASSIGNMENT_INTERVAL_MS), BOUNDS(CONSUMER, HEARTBEAT_INTERVAL_MS),
	BOUNDS(CONSUMER, SESSION_TIMEOUT_MS),	  BOUNDS(SHARE, ASSIGNMENT_INTERVAL_MS),
	BOUNDS(SHARE, HEARTBEAT_INTERVAL_MS),	  BOUNDS(SHARE, SESSION_TIMEOUT_MS),
	BOUNDS(SHARE, DELIVERY_COUNT_LIMIT),	  BOUNDS(SHARE, PARTITION_MAX_RECORD_LOCKS),
	BOUNDS(SHARE, RECORD_LOCK_DURATION_MS),	  BOUNDS(STREAMS, ASSIGNMENT_INTERVAL_MS),
	BOUNDS(STREAMS, HEARTBEAT_INTERVAL_MS),	  BOUNDS(STREAMS, SESSION_TIMEOUT_MS),
};

static int check_group_bounds(const struct config *c, struct err *err)
{
	static const enum config_key sessions[][2] = {
		{CONFIG_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS,
		 CONFIG_GROUP_CONSUMER_SESSION_TIMEOUT_MS},
		{CONFIG_GROUP_SHARE_HEARTBEAT_INTERVAL_MS, CONFIG_GROUP_SHARE_SESSION_TIMEOUT_MS},
		{CONFIG_GROUP_STREAMS_HEARTBEAT_INTERVAL_MS,
		 CONFIG_GROUP_STREAMS_SESSION_TIMEOUT_MS},
	};

	for (size_t i = 0; i < ARRAY_LEN(group_bounds); i++) {
		int64_t value = config_i64(c, group_bounds[i].value);

		if (value < config_i64(c, group_bounds[i].min))
			return err_set(err, E_INVALID, "%s must be greater than or equal to %s",
				       name_of(group_bounds[i].value),
				       name_of(group_bounds[i].min));
		if (value > config_i64(c, group_bounds[i].max))
			return err_set(err, E_INVALID, "%s must be less than or equal to %s",
				       name_of(group_bounds[i].value),
				       name_of(group_bounds[i].max));
	}
	for (size_t i = 0; i < ARRAY_LEN(sessions); i++)
		if (config_i64(c, sessions[i][0]) >= config_i64(c, sessions[i][1]))
			return err_set(err, E_INVALID, "%s must be less than %s",
				       name_of(sessions[i][0]), name_of(sessions[i][1]));
	if (!config_list_has(c, CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS, "classic"))
		return err_set(err, E_INVALID,
			       "group.coordinator.rebalance.protocols must contain classic");
	return 0;
}

static int check_cordoned(const struct config *c, const char *const *dirs, size_t count,
			  struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (!config_list_has(c, CONFIG_LOG_DIRS, dirs[i]) &&
		    (count > 1 || strcmp(dirs[0], "*") != 0))
			return err_set(err, E_INVALID,
				       "cordoned.log.dirs: %s is not among the log directories",
				       dirs[i]);
	return 0;
}

int config_check_cordoned(const struct config *c, struct str value, struct err *err)
{
	const struct config_def *def =
		config_def_find(CONFIG_RESOURCE_BROKER, STR_LIT("cordoned.log.dirs"));
	struct config_value parsed;
	struct arena arena;
	int rc;

	arena_init(&arena);
	rc = config_value_parse(&parsed, def, value, &arena, err);
	if (rc == 0)
		rc = check_cordoned(c, parsed.list.items, parsed.list.count, err);
	arena_fini(&arena);
	return rc;
}

bool config_dir_is_cordoned(const struct config *c, const char *path)
{
	return config_list_has(c, CONFIG_CORDONED_LOG_DIRS, path) ||
	       config_list_has(c, CONFIG_CORDONED_LOG_DIRS, "*");
}

static int check_logs(const struct config *c, struct err *err)
{
	int64_t retention_ms = config_i64(c, CONFIG_LOG_RETENTION_MS);
	int64_t cleaner_threads = config_i64(c, CONFIG_LOG_CLEANER_THREADS);
	size_t dir_count, cordoned_count;
	const char *const *cordoned = config_list(c, CONFIG_CORDONED_LOG_DIRS, &cordoned_count);

	config_list(c, CONFIG_LOG_DIRS, &dir_count);
	if (dir_count == 0)
		return err_set(err, E_INVALID, "At least one log directory must be defined via "
			       "log.dirs or log.dir.");
	if (config_i64(c, CONFIG_LOG_ROLL_MS) < 1)
		return err_set(err, E_INVALID, "log.roll.ms must be greater than or equal to 1");
	if (config_i64(c, CONFIG_LOG_ROLL_JITTER_MS) < 0)
		return err_set(err, E_INVALID,
			       "log.roll.jitter.ms must be greater than or equal to 0");
	if (retention_ms == 0)
		return err_set(err, E_INVALID,
			       "log.retention.ms must be unlimited (-1) or, greater "
			       "than or equal to 1");
	if (config_bool(c, CONFIG_LOG_CLEANER_ENABLE) && cleaner_threads > 0 &&
	    config_i64(c, CONFIG_LOG_CLEANER_DEDUPE_BUFFER_SIZE) / cleaner_threads <= 1024 * 1024)
		return err_set(err, E_INVALID,
			       "log.cleaner.dedupe.buffer.size must be at least 1MB "
			       "per cleaner thread.");
	return check_cordoned(c, cordoned, cordoned_count, err);
}

static int check_sockets(const struct config *c, struct err *err)
{
	int64_t queued = config_i64(c, CONFIG_QUEUED_MAX_REQUEST_BYTES);
	int64_t idle_ms = config_i64(c, CONFIG_CONNECTIONS_MAX_IDLE_MS);
	int64_t wait_ms = config_i64(c, CONFIG_REPLICA_FETCH_WAIT_MAX_MS);

	if (wait_ms > config_i64(c, CONFIG_REPLICA_SOCKET_TIMEOUT_MS))
		return err_set(err, E_INVALID, "replica.socket.timeout.ms should be at least "
			       "replica.fetch.wait.max.ms");
	if (wait_ms > config_i64(c, CONFIG_REPLICA_LAG_TIME_MAX_MS))
		return err_set(err, E_INVALID, "replica.fetch.wait.max.ms should be at most "
			       "replica.lag.time.max.ms");
	if (queued > 0 && queued < config_i64(c, CONFIG_SOCKET_REQUEST_MAX_BYTES))
		return err_set(err, E_INVALID,
			       "queued.max.request.bytes must be larger or equal to "
			       "socket.request.max.bytes");
	if (config_i64(c, CONFIG_MAX_CONNECTIONS_PER_IP) == 0 &&
	    !*config_str(c, CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES))
		return err_set(err, E_INVALID, "max.connections.per.ip can be set to zero only if "
			       "max.connections.per.ip.overrides is set");
	if (idle_ms >= 0 &&
	    config_i64(c, CONFIG_CONNECTION_FAILED_AUTHENTICATION_DELAY_MS) >= idle_ms)
		return err_set(err, E_INVALID, "connection.failed.authentication.delay.ms must be "
			       "less than connections.max.idle.ms");
	return 0;
}

int config_check_rules(const struct config *c, struct err *err)
{
	int rc = check_logs(c, err);

	if (rc == 0)
		rc = check_sockets(c, err);
	if (rc == 0)
		rc = check_group_bounds(c, err);
	return rc;
}

/* ---- Dynamic changes ---- */

/* Pools of threads may at most double or halve at a time. */
static const enum config_key thread_pools[] = {
	CONFIG_NUM_IO_THREADS,
	CONFIG_NUM_NETWORK_THREADS,
	CONFIG_NUM_REPLICA_FETCHERS,
	CONFIG_NUM_RECOVERY_THREADS_PER_DATA_DIR,
	CONFIG_BACKGROUND_THREADS,
	CONFIG_LOG_CLEANER_THREADS,
	CONFIG_REMOTE_LOG_READER_THREADS,
	CONFIG_REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE,
	CONFIG_REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE,
	CONFIG_REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE,
};

static int check_pool(const struct config *c, enum config_key key, int64_t wanted, struct err *err)
{
	int64_t now = config_i64(c, key);

	for (size_t i = 0; i < ARRAY_LEN(thread_pools); i++) {
		if (thread_pools[i] != key)
			continue;
		if (wanted < 1)
			return err_set(err, E_INVALID,
				       "Dynamic thread count update validation failed "
				       "for %s=%lld: value should be at least 1",
				       name_of(key), (long long)wanted);
		if (wanted < now / 2)
			return err_set(
				err, E_INVALID,
				"Dynamic thread count update validation failed "
				"for %s=%lld: value should be at least half the current value "
				"%lld",
				name_of(key), (long long)wanted, (long long)now);
		if (wanted > now * 2)
			return err_set(err, E_INVALID,
				       "Dynamic thread count update validation failed "
				       "for %s=%lld: value should not be greater than double the "
				       "current value %lld",
				       name_of(key), (long long)wanted, (long long)now);
	}
	return 0;
}

int config_check_dynamic(const struct config *c, const struct config_entry *entries, size_t count,
			 bool cluster_default, struct err *err)
{
	size_t def_count;
	const struct config_def *defs = config_defs(CONFIG_RESOURCE_BROKER, &def_count);

	for (size_t i = 0; i < count; i++) {
		struct str name = entries[i].name;
		const struct config_def *def = config_def_find(CONFIG_RESOURCE_BROKER, name);
		bool is_plain = def && str_is(name, def->name);
		struct config_value value;
		struct arena arena;
		int rc;

		if (!def)
			continue;	/* kept as it is, for plugins */
		if (def->scope == CONFIG_READ_ONLY)
			return err_set(err, E_INVALID,
				       "Cannot update these configs dynamically: [%.*s]",
				       STR(name));
		if (is_plain && !cluster_default && strncmp(def->name, "ssl.", 4) == 0 &&
		    (strstr(def->name, "keystore") || strstr(def->name, "truststore") ||
		     strcmp(def->name, "ssl.key.password") == 0))
			return err_set(
				err, E_INVALID,
				"These security configs can be dynamically "
				"updated only per-listener using the listener prefix: [%.*s]",
				STR(name));
		if (cluster_default && (def->scope != CONFIG_CLUSTER_WIDE || !is_plain))
			return err_set(err, E_INVALID,
				       "Cannot update these configs at default cluster "
				       "level, broker id must be specified: [%.*s]",
				       STR(name));
		if (str_is_null(entries[i].value))
			continue;	/* deleted */
		arena_init(&arena);
		rc = config_value_parse(&value, def, entries[i].value, &arena, err);
		if (rc == 0 && is_plain && def->type == CONFIG_TYPE_INT)
			rc = check_pool(c, (enum config_key)(def - defs), value.i64, err);
		arena_fini(&arena);
		if (rc < 0)
			return rc;
	}
	return 0;
}
