/* One partition: leadership, configs, appends, the high watermark, and who waits for it. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "replica/fetcher.h"

#include <errno.h>
#include <stdio.h>

struct partition *partition_new(struct replica_set *set, struct uuid topic_id, struct str topic,
				int32_t index)
{
	struct partition *p = xcalloc(1, sizeof(*p));

	p->set = set;
	p->topic_id = topic_id;
	p->topic = (struct str){xstrndup(topic.data, topic.len), topic.len};
	p->index = index;
	p->leader_id = -1;
	p->leader_epoch = -1;
	p->partition_epoch = -1;
	p->role = PARTITION_OFFLINE;
	p->epoch_start_offset = -1;
	p->follow.lag = -1;
	isr_init(&p->isr, set->options.node_id);
	list_init(&p->commit_waiters);
	list_init(&p->fetch_waiters);
	memcpy(p->key, topic_id.bytes, sizeof(topic_id.bytes));
	memcpy(p->key + sizeof(topic_id.bytes), &index, sizeof(index));
	return p;
}

void partition_free(struct partition *p)
{
	assert(!p->log);
	assert(!p->dead_log);
	assert(!p->future);
	assert(list_empty(&p->commit_waiters));
	assert(list_empty(&p->fetch_waiters));
	assert(!p->follow.fetcher);
	list_remove(&p->woken);
	free((void *)(uintptr_t)p->topic.data);
	free(p);
}

/* ---- Configs --------------------------------------------------------------------------------- */

void partition_log_config(const struct partition *p, struct log_config *out)
{
	const struct topic_config *c = &p->config;

	log_config_default(out);
	out->segment_bytes = c->segment_bytes;
	out->segment_ms = c->segment_ms;
	out->segment_jitter_ms = c->segment_jitter_ms;
	out->segment_index_bytes = c->segment_index_bytes;
	out->index_interval_bytes = c->index_interval_bytes;
	out->retention_ms = c->retention_ms;
	out->retention_bytes = c->retention_bytes;
	out->flush_messages = c->flush_messages;
	out->flush_ms = c->flush_ms;
	out->max_message_bytes = c->max_message_bytes;
	out->compression = c->compression == CONFIG_COMPRESSION_PRODUCER ? LOG_COMPRESSION_PRODUCER
									 : (int)c->compression;
	out->gzip_level = c->compression_gzip_level;
	out->lz4_level = c->compression_lz4_level;
	out->zstd_level = c->compression_zstd_level;
	out->log_append_time = c->log_append_time;
	out->timestamp_before_max_ms = c->message_timestamp_before_max_ms;
	out->timestamp_after_max_ms = c->message_timestamp_after_max_ms;
	out->cleanup_delete = c->cleanup_delete;
	out->cleanup_compact = c->cleanup_compact;
	out->min_compaction_lag_ms = c->min_compaction_lag_ms;
	out->max_compaction_lag_ms = c->max_compaction_lag_ms;
	out->min_cleanable_dirty_ratio = c->min_cleanable_dirty_ratio;
	out->delete_retention_ms = c->delete_retention_ms;
	out->preallocate = c->preallocate;
	out->file_delete_delay_ms = c->file_delete_delay_ms;
}

static void partition_set_min_insync(struct partition *p)
{
	unsigned configured = (unsigned)MAX(p->config.min_insync_replicas, 1);

	p->min_insync = MIN(configured, MAX(p->isr.replica_count, 1u));
}

/* "*", or "partition:broker" for this replica, is in the list. */
static bool partition_is_throttled(const struct partition *p, const struct image_config *overrides,
				   enum topic_config_key key)
{
	struct str text = config_topic_text(p->set->config, overrides ? overrides->entries : NULL,
					    overrides ? overrides->entry_count : 0, key);
	char self[32];
	size_t self_len =
		(size_t)snprintf(self, sizeof(self), "%d:%d", p->index, p->set->options.node_id);

	while (text.len > 0) {
		const char *comma = memchr(text.data, ',', text.len);
		struct str word = {text.data, comma ? (size_t)(comma - text.data) : text.len};

		while (word.len > 0 && word.data[0] == ' ') {
			word.data++;
			word.len--;
		}
		while (word.len > 0 && word.data[word.len - 1] == ' ')
			word.len--;
		if (str_is(word, "*") || str_eq(word, (struct str){self, self_len}))
			return true;
		if (!comma)
			break;
		text.len -= (size_t)(comma + 1 - text.data);
		text.data = comma + 1;
	}
	return false;
}

void partition_configure(struct partition *p, const struct image *image)
{
	const struct image_config *overrides =
		image ? image_config(image, CONFIG_RESOURCE_TOPIC, p->topic) : NULL;
	struct log_config config;

	config_topic(p->set->config, overrides ? overrides->entries : NULL,
		     overrides ? overrides->entry_count : 0, &p->config);
	p->is_leader_throttled = partition_is_throttled(
		p, overrides, TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS);
	p->is_follower_throttled = partition_is_throttled(
		p, overrides, TOPIC_CONFIG_FOLLOWER_REPLICATION_THROTTLED_REPLICAS);
	partition_set_min_insync(p);
	follow_touch(p);
	if (!p->log)
		return;
	partition_log_config(p, &config);
	if (p->future)
		log_configure(p->future, &config);
	log_configure(p->log, &config);
	p->tick_at_ms = 0;
}

/* ---- Role ------------------------------------------------------------------------------------ */

enum kafka_error partition_error(const struct partition *p, int32_t leader_epoch, bool leader_only)
{
	if (p->role == PARTITION_OFFLINE)
		return p->set->is_closed ? KERR_NOT_LEADER_OR_FOLLOWER : KERR_KAFKA_STORAGE_ERROR;
	if (leader_epoch >= 0 && leader_epoch < p->leader_epoch && !FAULT(epochs_unfenced))
		return KERR_FENCED_LEADER_EPOCH;
	if (leader_epoch >= 0 && leader_epoch > p->leader_epoch)
		return KERR_UNKNOWN_LEADER_EPOCH;
	if (leader_only && p->role != PARTITION_LEADER)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	return KERR_NONE;
}

void partition_set_offline(struct partition *p)
{
	if (p->role == PARTITION_OFFLINE)
		return;
	p->role = PARTITION_OFFLINE;
	follow_stop(p);
	assert(!p->dead_log);
	p->dead_log = p->log;
	p->log = NULL;
	partition_wake(p);
}

static void partition_lead(struct partition *p, bool is_new_epoch)
{
	struct err err = {0};

	p->role = PARTITION_LEADER;
	if (!is_new_epoch)
		return;
	p->epoch_start_offset = log_end_offset(p->log);
	if (log_latest_epoch(p->log) >= p->leader_epoch)
		return;
	/* The epoch exists from here on, also without a record: a follower that comes with a later
	 * one can be told where its log parts from ours. */
	if (log_assign_epoch(p->log, p->leader_epoch, p->epoch_start_offset, &err) < 0)
		say_error("%.*s-%d: cannot begin leader epoch %d: %s", STR(p->topic), p->index,
			  p->leader_epoch, err_message(&err));
}

/* Where the metadata now says that it is. Should an older answer of ours have come last, the
 * controller hears once more. */
static void partition_set_assigned(struct partition *p, struct uuid dir)
{
	const struct replica_options *options = &p->set->options;

	if (uuid_eq(dir, p->assigned_dir))
		return;
	p->assigned_dir = dir;
	if (p->has_dir && options->dir_chosen && !uuid_eq(dir, partition_wanted_dir(p)) &&
	    !uuid_eq(dir, DIRECTORY_UNASSIGNED) && !uuid_eq(dir, DIRECTORY_MIGRATING))
		options->dir_chosen(options->ctx, p);
}

void partition_set_metadata(struct partition *p, const struct image_partition *to)
{
	bool leads = to->leader == p->set->options.node_id;
	bool was_leader = p->role == PARTITION_LEADER;
	bool is_new_epoch = to->leader_epoch > p->leader_epoch;

	partition_set_assigned(p, partition_assigned_dir(p->set, to));
	/* Nothing new: another partition of the topic has changed. A change of the ISR that is with
	 * the controller still is. */
	if (!is_new_epoch && to->partition_epoch <= p->partition_epoch)
		return;
	if (to->replicas.count > REPLICAS_MAX || to->isr.count > REPLICAS_MAX) {
		say_error("%.*s-%d: %u replicas are more than the %d that are possible",
			  STR(p->topic), p->index, to->replicas.count, REPLICAS_MAX);
		partition_set_offline(p);
		return;
	}
	p->leader_id = to->leader;
	p->leader_epoch = to->leader_epoch;
	p->partition_epoch = to->partition_epoch;
	isr_set(&p->isr, to->replicas.ids, to->replicas.count, to->isr.ids, to->isr.count,
		is_new_epoch, leads && !was_leader, replica_now_ms(p->set));
	partition_set_min_insync(p);
	partition_wake(p);
	if (p->role == PARTITION_OFFLINE && !p->log)
		return;
	if (leads)
		partition_lead(p, is_new_epoch || !was_leader);
	else
		p->role = PARTITION_FOLLOWER;
	follow_update(p, is_new_epoch);
	partition_advance(p);
}

/* ---- Offsets --------------------------------------------------------------------------------- */

int64_t partition_log_start_offset(const struct partition *p)
{
	return p->log ? log_start_offset(p->log) : -1;
}

int64_t partition_log_end_offset(const struct partition *p)
{
	return p->log ? log_end_offset(p->log) : -1;
}

int64_t partition_high_watermark(const struct partition *p)
{
	return p->log ? log_high_watermark(p->log) : -1;
}

int64_t partition_last_stable_offset(const struct partition *p)
{
	return p->log ? log_last_stable_offset(p->log) : -1;
}

void partition_advance(struct partition *p)
{
	struct replica_set *set = p->set;
	int64_t to;

	if (p->role != PARTITION_LEADER)
		return;
	to = isr_high_watermark(
		&p->isr, log_high_watermark(p->log), log_end_offset(p->log), p->min_insync,
		config_i64(set->config, CONFIG_REPLICA_LAG_TIME_MAX_MS), replica_now_ms(set));
	if (log_set_high_watermark(p->log, to))
		partition_wake(p);
}

/* ---- Followers ------------------------------------------------------------------------------- */

static void follower_look_up(const struct replica_set *set, struct follower *f)
{
	const struct image_broker *broker = image_broker(set->image, f->id);

	f->is_barred = !image_broker_is_active(broker) ||
		       (f->broker_epoch != -1 && f->broker_epoch != broker->epoch);
}

void partition_brokers_changed(struct partition *p)
{
	if (p->role != PARTITION_LEADER)
		return;
	for (unsigned i = 0; i < p->isr.follower_count; i++)
		follower_look_up(p->set, &p->isr.followers[i]);
	partition_wake(p); /* who fetches may count now, or not any more */
	partition_advance(p);
}

/* An earlier life of that broker still fetches, or again. */
static bool follower_is_stale(const struct replica_set *set, const struct follower *f,
			      int64_t broker_epoch)
{
	const struct image_broker *broker = image_broker(set->image, f->id);

	return broker_epoch != -1 &&
	       (broker_epoch < f->broker_epoch || (broker && broker_epoch < broker->epoch));
}

enum kafka_error partition_follower_fetched(struct partition *p, int32_t id, bool has_epoch,
					    int64_t fetch_offset, int64_t log_start_offset,
					    int64_t leader_end_offset, int64_t broker_epoch)
{
	struct replica_set *set = p->set;
	struct follower *f;

	if (p->role != PARTITION_LEADER)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	f = isr_follower(&p->isr, id);
	if (!f)
		return has_epoch ? KERR_UNKNOWN_LEADER_EPOCH : KERR_NOT_LEADER_OR_FOLLOWER;
	if (follower_is_stale(set, f, broker_epoch))
		return KERR_NOT_LEADER_OR_FOLLOWER;
	replica_set_enter(set);
	if (f->log_start_offset != log_start_offset)
		partition_wake(p); /* deletes wait for it */
	isr_fetched(&p->isr, f, fetch_offset, log_start_offset, leader_end_offset, broker_epoch,
		    replica_now_ms(set));
	follower_look_up(set, f);
	if (set->options.propose_isr &&
	    isr_should_expand(&p->isr, f, log_high_watermark(p->log), p->epoch_start_offset)) {
		isr_expand(&p->isr, id);
		say_info("%.*s-%d: broker %d has caught up and is to join the ISR", STR(p->topic),
			 p->index, id);
		set->options.propose_isr(set->options.ctx, p);
	}
	partition_advance(p);
	replica_set_leave(set);
	return KERR_NONE;
}

bool partition_follower_settle(struct partition *p, int32_t id, const int64_t *fetch_ms)
{
	struct follower *f = p->role == PARTITION_LEADER ? isr_follower(&p->isr, id) : NULL;

	return f &&
	       isr_settle(&p->isr, f, log_end_offset(p->log), log_high_watermark(p->log), fetch_ms);
}

void partition_follower_unsettle(struct partition *p, int32_t id, const int64_t *fetch_ms)
{
	struct follower *f = isr_follower(&p->isr, id);

	if (f && f->session_fetch_ms == fetch_ms)
		isr_unsettle(f);
}

void partition_check_isr(struct partition *p)
{
	struct replica_set *set = p->set;
	int32_t lagging[REPLICAS_MAX];
	unsigned count;

	if (p->role != PARTITION_LEADER || !set->options.propose_isr)
		return;
	count = isr_lagging(&p->isr, log_end_offset(p->log),
			    config_i64(set->config, CONFIG_REPLICA_LAG_TIME_MAX_MS),
			    replica_now_ms(set), lagging);
	if (count == 0)
		return;
	isr_shrink(&p->isr, lagging, count);
	say_info(
		"%.*s-%d: %u replicas lag and are to leave the ISR (broker %d first); its log ends "
		"at %lld",
		STR(p->topic), p->index, count, lagging[0], (long long)log_end_offset(p->log));
	set->options.propose_isr(set->options.ctx, p);
}

static void partition_count_isr_change(struct partition *p)
{
	if (p->isr.pending == ISR_EXPANDING)
		p->set->isr_expand_count++;
	else
		p->set->isr_shrink_count++;
}

void partition_isr_answered(struct partition *p, enum kafka_error error, int32_t partition_epoch)
{
	if (p->role != PARTITION_LEADER || p->isr.pending == ISR_COMMITTED)
		return;
	replica_set_enter(p->set);
	switch (error) {
	case KERR_NONE:
		partition_count_isr_change(p);
		/* The metadata brings it, in the order that the controller wrote it in: a
		 * min.insync.replicas that was raised before must hold before fewer are enough. */
		if (partition_epoch > p->partition_epoch)
			break;
		isr_revert(&p->isr);
		partition_advance(p);
		break;
	case KERR_OPERATION_NOT_ATTEMPTED:
	case KERR_INELIGIBLE_REPLICA:
		isr_revert(&p->isr);
		partition_advance(p);
		break;
	case KERR_UNKNOWN_TOPIC_OR_PARTITION:
	case KERR_UNKNOWN_TOPIC_ID:
	case KERR_FENCED_LEADER_EPOCH:
	case KERR_INVALID_UPDATE_VERSION:
	case KERR_INVALID_REQUEST:
	case KERR_NEW_LEADER_ELECTED: break; /* stays pending until the metadata says what holds */
	default: p->set->options.propose_isr(p->set->options.ctx, p);
	}
	replica_set_leave(p->set);
}

/* ---- Appending ------------------------------------------------------------------------------- */

enum kafka_error partition_log_error(struct partition *p, int rc, const struct err *err)
{
	struct replica_set *set = p->set;
	int64_t now_ms = replica_now_ms(set);

	if (rc == -ENOSPC || rc == -EDQUOT) {
		/* Nothing was written: the partition goes on once there is room again. */
		if (now_ms - set->no_space_said_ms >= 1000) {
			set->no_space_said_ms = now_ms;
			say_error("%.*s-%d: %s", STR(p->topic), p->index, err_message(err));
		}
		return KERR_KAFKA_STORAGE_ERROR;
	}
	if (rc == E_OFFSET_RANGE)
		return KERR_OFFSET_OUT_OF_RANGE;
	if (rc != E_OFFLINE)
		say_error("%.*s-%d: %s", STR(p->topic), p->index, err_message(err));
	return rc == E_CORRUPT ? KERR_CORRUPT_MESSAGE : KERR_KAFKA_STORAGE_ERROR;
}

static void partition_append_log(struct partition *p, struct slice records,
				 enum append_origin origin, struct arena *arena,
				 struct append_result *out)
{
	struct log_append request = {
		.data = (uint8_t *)(uintptr_t)records.data,
		.len = records.len,
		.leader_epoch = p->leader_epoch,
		.origin = origin == APPEND_CLIENT ? LOG_ORIGIN_CLIENT : LOG_ORIGIN_COORDINATOR,
		.arena = arena,
		.verify_txn = origin == APPEND_CLIENT,
	};
	struct log_append_info info;
	struct err err = {0};
	int rc = log_append_leader(p->log, &request, &info, &err);

	if (rc < 0) {
		out->error = partition_log_error(p, rc, &err);
		return;
	}
	out->error = info.error;
	out->error_text = info.error_text;
	out->record_errors = info.record_errors;
	out->record_error_count = info.record_error_count;
	if (info.error != KERR_NONE) {
		if (info.record_error_count > 0)
			out->log_start_offset = partition_log_start_offset(p);
		return;
	}
	out->base_offset = info.first_offset;
	out->last_offset = info.last_offset;
	out->log_append_time_ms = info.log_append_time_ms;
	out->log_start_offset = info.log_start_offset;
	out->is_duplicate = info.is_duplicate;
	out->record_count = info.record_count;
	out->bytes = info.written_bytes;
	if (!info.is_duplicate)
		partition_wake(p);
	partition_advance(p);
}

void partition_append(struct partition *p, struct slice records, enum append_origin origin,
		      int16_t acks, struct arena *arena, struct append_result *out)
{
	*out = (struct append_result){.base_offset = -1,
				      .last_offset = -1,
				      .log_append_time_ms = -1,
				      .log_start_offset = -1};
	out->error = partition_error(p, -1, true);
	if (out->error != KERR_NONE)
		return;
	if (acks == -1 && p->isr.member_count < p->min_insync) {
		out->error = KERR_NOT_ENOUGH_REPLICAS;
		return;
	}
	replica_set_enter(p->set);
	partition_append_log(p, records, origin, arena, out);
	replica_set_leave(p->set);
}

enum kafka_error partition_delete_records(struct partition *p, int64_t offset,
					  int64_t *low_watermark)
{
	enum kafka_error error = partition_error(p, -1, true);
	struct err err = {0};
	int rc;

	*low_watermark = -1;
	if (error != KERR_NONE)
		return error;
	if (p->config.cleanup_compact && !p->config.cleanup_delete)
		return KERR_POLICY_VIOLATION;
	if (offset == -1)
		offset = log_high_watermark(p->log);
	if (offset < 0 || offset > log_high_watermark(p->log))
		return KERR_OFFSET_OUT_OF_RANGE;
	replica_set_enter(p->set);
	rc = log_move_start(p->log, offset, &err);
	error = rc < 0 ? partition_log_error(p, rc, &err) : KERR_NONE;
	p->tick_at_ms = 0;
	partition_wake(p);
	replica_set_leave(p->set);
	if (error == KERR_NONE)
		*low_watermark = partition_low_watermark(p);
	return error;
}

int64_t partition_low_watermark(const struct partition *p)
{
	int64_t low = partition_log_start_offset(p);

	for (unsigned i = 0; i < p->isr.follower_count; i++)
		low = MIN(low, p->isr.followers[i].log_start_offset);
	return low;
}

/* ---- Waiters --------------------------------------------------------------------------------- */

void partition_wake(struct partition *p)
{
	if (!list_linked(&p->woken))
		list_push_back(&p->set->woken, &p->woken);
}

/* What a commit waiter gets now; -2: it has to go on waiting. */
#define COMMIT_WAITS (-2)
static int partition_commit_state(const struct partition *p, int64_t required_offset)
{
	enum kafka_error error = partition_error(p, -1, true);

	if (error != KERR_NONE)
		return error;
	if (log_high_watermark(p->log) < required_offset && !FAULT(ack_at_once))
		return COMMIT_WAITS;
	return isr_maximal_count(&p->isr) < p->min_insync ? KERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
							  : KERR_NONE;
}

void partition_wait_committed(struct partition *p, struct commit_waiter *w, int64_t required_offset)
{
	int state = partition_commit_state(p, required_offset);

	assert(!list_linked(&w->link));
	w->required_offset = required_offset;
	if (state == COMMIT_WAITS)
		list_push_back(&p->commit_waiters, &w->link);
	else
		w->done(w, (enum kafka_error)state);
}

void commit_waiter_cancel(struct commit_waiter *w)
{
	list_remove(&w->link);
}

void partition_wait_records(struct partition *p, struct fetch_waiter *w)
{
	assert(!list_linked(&w->link));
	list_push_back(&p->fetch_waiters, &w->link);
}

void fetch_waiter_remove(struct fetch_waiter *w)
{
	list_remove(&w->link);
}

/* Moves all nodes to the empty list `to`. */
static void list_take_all(struct list_node *from, struct list_node *to)
{
	struct list_node *node;

	list_init(to);
	while ((node = list_pop_front(from)) != NULL)
		list_push_back(to, node);
}

void partition_run_waiters(struct partition *p)
{
	struct list_node todo, *node;

	/* A waiter that is called may cancel any other, also one of `todo`: lists allow it. */
	list_take_all(&p->commit_waiters, &todo);
	while ((node = list_pop_front(&todo)) != NULL) {
		struct commit_waiter *w = LIST_ENTRY(node, struct commit_waiter, link);
		int state = partition_commit_state(p, w->required_offset);

		if (state == COMMIT_WAITS)
			list_push_back(&p->commit_waiters, node);
		else
			w->done(w, (enum kafka_error)state);
	}
	list_take_all(&p->fetch_waiters, &todo);
	while ((node = list_pop_front(&todo)) != NULL) {
		struct fetch_waiter *w = LIST_ENTRY(node, struct fetch_waiter, link);

		list_push_back(&p->fetch_waiters, node);
		w->wake(w, false);
	}
}

void partition_drop_waiters(struct partition *p, enum kafka_error error)
{
	struct list_node *node;

	while ((node = list_pop_front(&p->commit_waiters)) != NULL) {
		struct commit_waiter *w = LIST_ENTRY(node, struct commit_waiter, link);

		w->done(w, error);
	}
	while ((node = list_pop_front(&p->fetch_waiters)) != NULL) {
		struct fetch_waiter *w = LIST_ENTRY(node, struct fetch_waiter, link);

		w->wake(w, true);
	}
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

bool partition_report(const struct partition *p, struct replica_report *out)
{
	if (!p->log) {
		*out = p->last_report;
		return p->has_last_report;
	}
	*out = (struct replica_report){
		.topic = p->topic,
		.index = p->index,
		.dir = p->dir,
		.recovery_point = log_report_recovery_point(p->log),
		.log_start_offset = log_start_offset(p->log),
		.has_log_start = log_wants_start_checkpoint(p->log),
		.high_watermark = log_high_watermark(p->log),
		.cleaner_offset = log_cleaner_offset(p->log),
	};
	return true;
}
