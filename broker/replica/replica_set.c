/* The set: finding partitions, what is due, failed directories, closing. */
#include "base/mem.h"
#include "base/say.h"
#include "metadata/features.h"
#include "replica/fetcher.h"

#define TICK_MS_MAX 1000
#define TICK_TOGETHER_MS 250
#define STALL_MS 200                  /* a tick that comes so late was held up */
#define CLEAN_STEP_BYTES (256 * 1024) /* between two looks at the clock */
#define CLEAN_TURN_MS 2               /* of a tick; then other work gets its turn */
#define SWEEP_INTERVAL_MS 5000
#define SWEPT_AT_ONCE 32
#define SWEEP_PAUSE_MS 20

struct replica_set *replica_set_new(const struct replica_options *options)
{
	struct replica_set *set = xcalloc(1, sizeof(*set));
	const struct config *c = options->config;
	struct log_pool_options pool = {
		.producer_id_expiration_ms = config_i64(c, CONFIG_PRODUCER_ID_EXPIRATION_MS),
		.producer_check_interval_ms =
			config_i64(c, CONFIG_PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS),
		.retention_check_interval_ms =
			config_i64(c, CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS),
		.flush_check_interval_ms = config_i64(c, CONFIG_LOG_FLUSH_SCHEDULER_INTERVAL_MS),
		.transaction_timeout_max_ms = config_i64(c, CONFIG_TRANSACTION_MAX_TIMEOUT_MS),
	};

	assert(options->dir_count > 0);
	set->options = *options;
	set->config = config_ref(c);
	set->ticked_at_ms = replica_now_ms(set);
	set->pool = log_pool_new(options->env, &pool);
	set->dirs = xcalloc(options->dir_count, sizeof(*set->dirs));
	set->dir_count = options->dir_count;
	for (unsigned i = 0; i < set->dir_count; i++) {
		set->dirs[i].log_dir = options->dirs[i];
		set->dirs[i].is_offline = options->dirs[i] == NULL;
		set->dirs[i].is_reported = set->dirs[i].is_offline;
	}
	map_init(&set->partitions);
	map_init(&set->topic_ids);
	list_init(&set->list);
	list_init(&set->woken);
	list_init(&set->opening);
	list_init(&set->fetchers);
	set->throttles = options->throttles ? options->throttles : &set->own_throttles;
	return set;
}

void replica_set_free(struct replica_set *set)
{
	struct partition *p;

	if (!set)
		return;
	cleaner_free(set->cleaner);
	fetchers_free(set);
	replica_set_stop_opening(set);
	while ((p = replica_set_first(set)) != NULL) {
		replica_set_remove(set, p);
		partition_drop_waiters(p, KERR_NOT_LEADER_OR_FOLLOWER);
		if (p->log)
			log_abandon(p->log);
		if (p->future)
			log_abandon(p->future);
		log_warmer_free(p->future_warmer);
		if (p->dead_log)
			log_abandon(p->dead_log);
		p->log = p->future = p->dead_log = NULL;
		partition_free(p);
	}
	map_fini(&set->partitions);
	map_fini(&set->topic_ids);
	for (unsigned i = 0; i < set->dir_count; i++)
		free(set->dirs[i].fail_text);
	free(set->dirs);
	log_pool_free(set->pool);
	image_unref(set->image);
	config_unref(set->config);
	free(set);
}

/* ---- Finding --------------------------------------------------------------------------------- */

void replica_set_add(struct replica_set *set, struct partition *p)
{
	struct map_node *node = map_get(&set->topic_ids, p->topic.data, p->topic.len);
	struct replica_topic *topic;

	if (node) {
		topic = CONTAINER_OF(node, struct replica_topic, node);
		assert(uuid_eq(topic->id, p->topic_id));
	} else {
		topic = xcalloc(1, sizeof(*topic) + p->topic.len + 1);
		memcpy(topic->name, p->topic.data, p->topic.len);
		topic->id = p->topic_id;
		map_put(&set->topic_ids, &topic->node, topic->name, p->topic.len);
	}
	topic->partition_count++;
	map_put(&set->partitions, &p->by_id, p->key, sizeof(p->key));
	list_push_back(&set->list, &p->link);
}

void replica_set_remove(struct replica_set *set, struct partition *p)
{
	struct map_node *node = map_get(&set->topic_ids, p->topic.data, p->topic.len);
	struct replica_topic *topic = CONTAINER_OF(node, struct replica_topic, node);

	assert(node);
	map_remove(&set->partitions, &p->by_id);
	list_remove(&p->link);
	list_remove(&p->woken);
	if (--topic->partition_count > 0)
		return;
	map_remove(&set->topic_ids, &topic->node);
	free(topic);
}

struct partition *replica_set_find(struct replica_set *set, struct uuid topic_id, int32_t index)
{
	uint8_t key[sizeof(topic_id.bytes) + sizeof(index)];
	struct map_node *node;

	memcpy(key, topic_id.bytes, sizeof(topic_id.bytes));
	memcpy(key + sizeof(topic_id.bytes), &index, sizeof(index));
	node = map_get(&set->partitions, key, sizeof(key));
	return node ? CONTAINER_OF(node, struct partition, by_id) : NULL;
}

struct partition *replica_set_find_name(struct replica_set *set, struct str topic, int32_t index)
{
	struct map_node *node = map_get(&set->topic_ids, topic.data, topic.len);

	if (!node)
		return NULL;
	return replica_set_find(set, CONTAINER_OF(node, struct replica_topic, node)->id, index);
}

struct partition *replica_set_first(struct replica_set *set)
{
	return LIST_FIRST(&set->list, struct partition, link);
}

struct partition *replica_set_next(struct replica_set *set, const struct partition *p)
{
	return p->link.next == &set->list ? NULL : LIST_ENTRY(p->link.next, struct partition, link);
}

/* ---- Changes, failures, waiters -------------------------------------------------------------- */

void replica_set_enter(struct replica_set *set)
{
	set->depth++;
}

static void replica_set_run_woken(struct replica_set *set)
{
	struct list_node *node;

	if (set->is_waking)
		return;
	set->is_waking = true;
	while ((node = list_pop_front(&set->woken)) != NULL)
		partition_run_waiters(LIST_ENTRY(node, struct partition, woken));
	set->is_waking = false;
}

static void replica_set_report_failures(struct replica_set *set)
{
	for (unsigned i = 0; i < set->dir_count; i++) {
		struct replica_dir *dir = &set->dirs[i];

		if (!dir->is_offline || dir->is_reported)
			continue;
		dir->is_reported = true;
		if (set->options.dir_failed)
			set->options.dir_failed(set->options.ctx, i, dir->fail_rc,
						dir->fail_text ? dir->fail_text : "");
	}
}

void replica_set_leave(struct replica_set *set)
{
	assert(set->depth > 0);
	if (--set->depth > 0)
		return;
	replica_set_report_failures(set);
	replica_set_run_woken(set);
}

static void replica_set_dir_offline(struct replica_set *set, unsigned dir)
{
	if (set->dirs[dir].is_offline)
		return;
	set->dirs[dir].is_offline = true;
	REPLICA_SET_FOREACH (set, p)
		if (p->dir == dir)
			partition_set_offline(p);
}

void replica_set_log_failed(void *ctx, struct log *log, int rc, const char *text)
{
	struct partition *p = ctx;
	struct replica_set *set = p->set;
	unsigned index = log == p->future ? p->future_dir : p->dir;
	struct replica_dir *dir = &set->dirs[index];

	replica_set_enter(set);
	if (!dir->is_offline) {
		dir->fail_rc = rc;
		free(dir->fail_text);
		dir->fail_text = xstrdup(text);
	}
	replica_set_dir_offline(set, index);
	/* Inside a call of ours the waiters come at its end; a background flush is a call alone. */
	replica_set_leave(set);
}

void replica_set_dir_failed(struct replica_set *set, unsigned dir)
{
	assert(dir < set->dir_count);
	replica_set_enter(set);
	set->dirs[dir].is_reported = true;
	replica_set_dir_offline(set, dir);
	replica_set_leave(set);
}

unsigned replica_set_dir_count(const struct replica_set *set)
{
	return set->dir_count;
}

const char *replica_set_dir_path(const struct replica_set *set, unsigned dir)
{
	assert(dir < set->dir_count);
	return set->dirs[dir].log_dir ? set->dirs[dir].log_dir->path : "";
}

struct uuid replica_set_dir_id(const struct replica_set *set, unsigned dir)
{
	assert(dir < set->dir_count);
	return set->dirs[dir].log_dir ? set->dirs[dir].log_dir->meta.directory_id
				      : (struct uuid){0};
}

bool replica_set_dir_is_offline(const struct replica_set *set, unsigned dir)
{
	assert(dir < set->dir_count);
	return set->dirs[dir].is_offline;
}

bool replica_set_dir_is_cordoned(const struct replica_set *set, const struct image *image,
				 unsigned dir)
{
	assert(dir < set->dir_count);
	return metadata_has_cordoned_dirs(image_metadata_version(image)) &&
	       config_dir_is_cordoned(set->config, replica_set_dir_path(set, dir));
}

/* ---- Upkeep ---------------------------------------------------------------------------------- */

static void replica_set_free_dead(struct partition *p)
{
	if (!p->dead_log)
		return;
	log_abandon(p->dead_log);
	p->dead_log = NULL;
}

static struct log *replica_set_dirtiest(struct replica_set *set)
{
	struct log *best = NULL;
	double best_ratio = -1;

	REPLICA_SET_FOREACH (set, p) {
		double ratio;

		if (!p->log || !p->config.cleanup_compact)
			continue;
		ratio = cleaner_ratio(p->log);
		if (ratio >= 0 && ratio > best_ratio) {
			best = p->log;
			best_ratio = ratio;
		}
	}
	return best;
}

static void replica_set_make_cleaner(struct replica_set *set)
{
	const struct config *c = set->config;
	struct cleaner_options options = {
		.load_factor = config_double(c, CONFIG_LOG_CLEANER_IO_BUFFER_LOAD_FACTOR),
		.io_bytes = (size_t)config_i64(c, CONFIG_LOG_CLEANER_IO_BUFFER_SIZE),
	};

	/* Kafka's default of 128 MiB is for one cleaner of a large broker; ours takes more rounds.
	 */
	if (config_source_of(c, CONFIG_LOG_CLEANER_DEDUPE_BUFFER_SIZE) != CONFIG_SOURCE_DEFAULT)
		options.dedupe_bytes = (size_t)config_i64(c, CONFIG_LOG_CLEANER_DEDUPE_BUFFER_SIZE);
	set->cleaner = cleaner_new(set->pool, &options);
}

static int64_t cleaner_bytes(const struct replica_set *set)
{
	const struct cleaner_stats *stats = cleaner_get_stats(set->cleaner);

	return stats->read_bytes + stats->written_bytes;
}

/* Each byte read or written costs its share of a second; what is not paid yet is waited for. */
static void replica_set_pay(struct replica_set *set, int64_t bytes)
{
	double rate = config_double(set->config, CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND) /
		      (double)MAX(set->options.set_count, 1u);
	int64_t now_us = env_mono_us(set->options.env);
	double cost_us = (double)bytes * 1e6 / MAX(rate, 1);

	set->clean_paid_us = MAX(set->clean_paid_us, now_us) + (int64_t)MIN(cost_us, 3600e6);
}

/* Works on the log that wants it most, for a few milliseconds. Returns when to come again. */
static int64_t replica_set_clean(struct replica_set *set, int64_t now_ms)
{
	int64_t backoff_ms = config_i64(set->config, CONFIG_LOG_CLEANER_BACKOFF_MS), rounds;
	int rc = 1;

	if (!config_bool(set->config, CONFIG_LOG_CLEANER_ENABLE))
		return TICK_MS_MAX;
	if (set->clean_paid_us > env_mono_us(set->options.env) + 999)
		return MIN((set->clean_paid_us - env_mono_us(set->options.env)) / 1000,
			   TICK_MS_MAX);
	if (!set->cleaner || cleaner_is_idle(set->cleaner)) {
		struct log *log;

		if (now_ms < set->clean_scan_at_ms)
			return set->clean_scan_at_ms - now_ms;
		log = replica_set_dirtiest(set);
		set->clean_scan_at_ms = now_ms + (log ? 0 : backoff_ms);
		if (!log)
			return backoff_ms;
		if (!set->cleaner)
			replica_set_make_cleaner(set);
		cleaner_start(set->cleaner, log);
	}
	rounds = cleaner_get_stats(set->cleaner)->rounds;
	while (rc == 1 && replica_now_ms(set) - now_ms < CLEAN_TURN_MS &&
	       set->clean_paid_us <= env_mono_us(set->options.env) + 999) {
		int64_t bytes = cleaner_bytes(set);

		rc = cleaner_step(set->cleaner, CLEAN_STEP_BYTES);
		replica_set_pay(set, cleaner_bytes(set) - bytes);
	}
	if (set->options.cleaned && cleaner_get_stats(set->cleaner)->rounds > rounds)
		set->options.cleaned(set->options.ctx);
	return rc > 0 ? CLEAN_TURN_MS : 0;
}

/* Returns the milliseconds until the next look. */
static int64_t replica_set_sweep(struct replica_set *set)
{
	int64_t delay_ms = config_i64(set->config, CONFIG_LOG_SEGMENT_DELETE_DELAY_MS);
	int64_t wait_ms = SWEEP_INTERVAL_MS;

	for (unsigned i = 0; i < set->dir_count; i++) {
		struct err err = {0};
		int count;

		if (set->dirs[i].is_offline)
			continue;
		count = log_dir_sweep(set->dirs[i].log_dir, delay_ms, SWEPT_AT_ONCE, &err);
		if (count < 0)
			say_warn("%s: %s", set->dirs[i].log_dir->path, err_message(&err));
		else if (count == SWEPT_AT_ONCE)
			wait_ms = SWEEP_PAUSE_MS;
	}
	return wait_ms;
}

/* Retention may move the log start. */
static void partition_tick_log(struct partition *p, int64_t now_ms)
{
	int64_t start_offset = log_start_offset(p->log);
	int64_t wait_ms = log_tick(p->log);

	/* Thousands that each wait a while wait together: a tick looks at all of them. */
	if (wait_ms >= TICK_TOGETHER_MS)
		wait_ms += TICK_TOGETHER_MS - 1 - (now_ms + wait_ms - 1) % TICK_TOGETHER_MS;
	p->tick_at_ms = now_ms + wait_ms;
	if (partition_log_start_offset(p) == start_offset)
		return;
	partition_wake(p);
	follow_touch(p);
}

int64_t replica_set_tick(struct replica_set *set)
{
	int64_t now_ms = replica_now_ms(set);
	int64_t wait_ms = TICK_MS_MAX;
	int64_t lag_max_ms = config_i64(set->config, CONFIG_REPLICA_LAG_TIME_MAX_MS);
	bool checks_isr;

	if (set->is_closed)
		return wait_ms;
	/* Whoever slept (a stopped process, a thousand partitions opened at once) has heard nobody:
	 * what followers sent meanwhile is read first. Only once: some are always late. */
	if (now_ms - set->ticked_at_ms > TICK_MS_MAX + STALL_MS && !set->isr_check_waited) {
		set->isr_check_at_ms = now_ms + MAX(lag_max_ms / 2, 1);
		set->isr_check_waited = true;
	}
	set->ticked_at_ms = now_ms;
	checks_isr = now_ms >= set->isr_check_at_ms;
	replica_set_enter(set);
	if (replica_set_is_opening(set)) {
		replica_set_open_more(set);
		wait_ms = 0;
	}
	REPLICA_SET_FOREACH (set, p) {
		int64_t move_ms;

		replica_set_free_dead(p);
		if (p->log && now_ms >= p->tick_at_ms)
			partition_tick_log(p, now_ms);
		move_ms = partition_move_step(p);
		if (move_ms >= 0)
			wait_ms = MIN(wait_ms, move_ms);
		if (p->log)
			wait_ms = MIN(wait_ms, p->tick_at_ms - now_ms);
		if (checks_isr)
			partition_check_isr(p);
	}
	if (checks_isr) {
		set->isr_check_at_ms = now_ms + MAX(lag_max_ms / 2, 1);
		set->isr_check_waited = false;
	}
	wait_ms = MIN(wait_ms, replica_set_clean(set, now_ms));
	if (set->options.sweeps_dirs && now_ms >= set->sweep_at_ms)
		set->sweep_at_ms = now_ms + replica_set_sweep(set);
	if (set->options.sweeps_dirs)
		wait_ms = MIN(wait_ms, set->sweep_at_ms - now_ms);
	replica_set_leave(set);
	return MAX(wait_ms, 1);
}

/* ---- Reports and the end --------------------------------------------------------------------- */

void replica_set_stats(struct replica_set *set, struct replica_stats *out)
{
	*out = (struct replica_stats){
		.isr_shrink_count = set->isr_shrink_count,
		.isr_expand_count = set->isr_expand_count,
		.fetched_bytes = set->fetched_bytes,
		.served_bytes = set->served_bytes,
	};
	REPLICA_SET_FOREACH (set, p)
		if (p->follow.fetcher)
			out->lag_max = MAX(out->lag_max, p->follow.lag);
}

void replica_set_report(struct replica_set *set,
			void (*line)(void *ctx, const struct replica_report *report), void *ctx)
{
	REPLICA_SET_FOREACH (set, p) {
		struct replica_report report;

		if (partition_report(p, &report))
			line(ctx, &report);
	}
}

static int partition_close(struct partition *p)
{
	struct log *log = p->log;
	int64_t end_offset = partition_log_end_offset(p);
	struct err err = {0};
	int rc;

	replica_set_free_dead(p);
	partition_leave_move(p);
	if (!log)
		return E_OFFLINE;
	p->has_last_report = partition_report(p, &p->last_report);
	p->log = NULL;
	p->role = PARTITION_OFFLINE;
	rc = log_close(log, &err);
	if (rc < 0) {
		say_error("%.*s-%d: cannot close: %s", STR(p->topic), p->index, err_message(&err));
		return rc;
	}
	p->last_report.recovery_point = end_offset;
	return 0;
}

int replica_set_close(struct replica_set *set, bool *clean)
{
	int result = 0;

	replica_set_enter(set);
	set->is_closed = true;
	fetchers_free(set);
	cleaner_free(set->cleaner);
	set->cleaner = NULL;
	for (unsigned i = 0; i < set->dir_count; i++)
		clean[i] = !set->dirs[i].is_offline;
	REPLICA_SET_FOREACH (set, p) {
		int rc;

		partition_drop_waiters(p, KERR_NOT_LEADER_OR_FOLLOWER);
		rc = partition_close(p);
		if (rc < 0) {
			clean[p->dir] = false;
			result = result < 0 ? result : rc;
		}
	}
	replica_set_leave(set);
	return result;
}

/* What was paid for at another rate is forgiven. */
static void replica_set_change_rate(const struct config *old, const struct config *new,
				    enum config_key key, struct throttle *throttle)
{
	if (config_i64(old, key) != config_i64(new, key))
		throttle_forgive(throttle);
}

void replica_set_configure(struct replica_set *set, const struct config *config)
{
	const struct config *old = set->config;

	replica_set_change_rate(old, config, CONFIG_LEADER_REPLICATION_THROTTLED_RATE,
				&set->throttles->leader);
	replica_set_change_rate(old, config, CONFIG_FOLLOWER_REPLICATION_THROTTLED_RATE,
				&set->throttles->follower);
	replica_set_change_rate(old, config, CONFIG_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND,
				&set->throttles->move);
	set->config = config_ref(config);
	config_unref(old);
	set->clean_scan_at_ms = 0;
	REPLICA_SET_FOREACH (set, p)
		partition_configure(p, set->image);
}
