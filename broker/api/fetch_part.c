/* The part of a fetch that runs on the shard of its partitions: reading, and waiting for more. */
#include "api/fetch_int.h"

static struct read_options item_options(const struct fetch *f, const struct fetch_item *item,
					size_t bytes_max, bool whole_first)
{
	return (struct read_options){
		.offset = item->offset,
		.bytes_max = bytes_max,
		.whole_first_batch = whole_first,
		.isolation = f->isolation,
		.leader_epoch = item->leader_epoch,
		.leader_only = f->leader_only,
		.last_fetched_epoch = item->last_fetched_epoch,
	};
}

static bool result_is_urgent(const struct read_result *result)
{
	return result->error != KERR_NONE || result->diverging_epoch >= 0;
}

static void result_drop_records(struct fetch_item *item)
{
	file_unref(item->result.records.file);
	slice_unref(&item->copy);
	item->result.records = (struct file_range){0};
	item->result.first_batch_bytes = 0;
}

/* A follower tells by its fetch offset how far it is. */
static void item_note_follower(struct fetch_item *item, struct partition *p)
{
	const struct fetch *f = item->part->fetch;
	enum kafka_error error;

	if (f->replica_id < 0 || f->phase != FETCH_FIRST_READ || result_is_urgent(&item->result))
		return;
	error = partition_follower_fetched(p, f->replica_id, item->leader_epoch >= 0, item->offset,
					   item->follower_log_start_offset,
					   item->result.log_end_offset, f->replica_epoch);
	/* What it has may be what was missing: it learns at once. */
	if (error == KERR_NONE) {
		item->result.high_watermark = partition_high_watermark(p);
		return;
	}
	result_drop_records(item);
	item->result.error = error;
}

/* Data that a client of this version cannot read. */
static bool item_is_unreadable(const struct fetch_item *item, const struct partition *p)
{
	return item->part->fetch->request->version < 10 &&
	       p->config.compression == CONFIG_COMPRESSION_ZSTD;
}

/* What is cold is warmed, and perhaps what a reader wants next. */
static void item_warm(struct fetch_item *item, struct file_range *cold, size_t ahead_bytes)
{
	item->is_cold = true;
	log_tries_note(&item->tries, cold);
	log_warm_add(&item->part->warm, cold, ahead_bytes);
}

/* Small records go by copy, others by their file, if that keeps nobody waiting. */
static void item_take_records(struct fetch_item *item, struct partition *p, bool may_wait)
{
	struct fetch_part *part = item->part;
	struct read_result *result = &item->result;
	struct file_range *range = &result->records, cold = {0};
	int rc;

	if (range->len > FETCH_COPY_BYTES_MAX) {
		if (may_wait ||
		    env_is_hot(part->on->env, range->file->fd, range->pos, (int64_t)range->len))
			return;
		cold = *range;
		*range = (struct file_range){0};
		item_warm(item, &cold, MIN(cold.len, (size_t)FETCH_AHEAD_BYTES_MAX));
		return;
	}
	rc = partition_read_bytes(p, result, may_wait ? NULL : &cold, &item->copy);
	if (cold.file)
		item_warm(item, &cold, cold.len);
	if (rc < 0)
		result_drop_records(item);
	if (rc < 0 && rc != E_COLD)
		result->error = KERR_KAFKA_STORAGE_ERROR;
}

/* A consumer with a rack may be better off with a follower that is there, too: it gets no records
 * here, but that node's id. */
static bool item_is_sent_on(struct fetch_item *item, struct partition *p)
{
	const struct fetch *f = item->part->fetch;

	item->preferred_replica = -1;
	if (f->rack.len > 0 && partition_error(p, item->leader_epoch, true) == KERR_NONE)
		item->preferred_replica = partition_preferred_replica(p, f->rack, item->offset);
	return item->preferred_replica >= 0;
}

/* Whether a follower that is not in sync has had its share of the bandwidth. */
static bool item_is_held(struct fetch_item *item, const struct partition *p)
{
	const struct fetch *f = item->part->fetch;

	item->is_throttled = f->replica_id >= 0 && p->is_leader_throttled;
	return item->is_throttled && partition_holds_follower(p, f->replica_id);
}

/* The partition, NULL with *error if there is none. A session may name what is no topic (here). */
static struct partition *item_partition(const struct fetch_item *item, enum kafka_error *error)
{
	struct shard *on = item->part->on;
	struct partition *p = partition_find(on, item->topic_id, item->index, error);

	if (!p && item->entry && !image_topic_by_id(on->image, item->topic_id))
		*error = KERR_UNKNOWN_TOPIC_ID;
	return p;
}

static void item_read_of(struct fetch_item *item, struct partition *p, enum kafka_error error,
			 size_t bytes_max, bool whole_first)
{
	struct fetch_part *part = item->part;
	bool may_wait = !log_tries_left(&item->tries);
	struct read_options options = item_options(part->fetch, item, bytes_max, whole_first);
	struct read_result *result = &item->result;
	struct file_range cold = {0};

	*result = (struct read_result){.error = error, .diverging_epoch = -1};
	item->is_cold = false;
	if (!may_wait)
		options.cold = &cold;
	if (p && (item_is_sent_on(item, p) || item_is_held(item, p))) {
		options.bytes_max = 0;
		options.whole_first_batch = false;
	}
	if (p && item_is_unreadable(item, p))
		result->error = KERR_UNSUPPORTED_COMPRESSION_TYPE;
	else if (p)
		partition_read(p, &options, part->arena, result);
	if (cold.file) {
		item_warm(item, &cold, 0);
		return;
	}
	if (p && result->error == KERR_NONE && result->records.len > 0)
		item_take_records(item, p, may_wait);
	if (item->is_cold)
		return;
	if (p)
		item_note_follower(item, p);
	if (result->error == KERR_NOT_LEADER_OR_FOLLOWER ||
	    result->error == KERR_FENCED_LEADER_EPOCH)
		item->leader = leader_hint_of(part->on, item->topic_id, item->index);
}

static void item_read(struct fetch_item *item, size_t bytes_max, bool whole_first)
{
	enum kafka_error error;
	struct partition *p = item_partition(item, &error);

	if (item->entry)
		fetch_watch_join(item, p);
	item_read_of(item, p, error, bytes_max, whole_first);
	if (item->entry)
		fetch_watch_note(item, p);
}

static void part_read_done(struct fetch_part *part);
static void part_warmed(struct log_warm *warm);

/* Reads in order what has not been read, or had nothing when it was (there may be something by
 * now). */
static void part_read(struct fetch_part *part)
{
	const struct fetch *f = part->fetch;
	size_t bytes = 0;

	part->is_urgent = part->is_behind = false;
	if (part->watch)
		fetch_watch_take(part);
	for (struct fetch_item *item = part->first; item; item = item->next) {
		size_t left = f->bytes_max > bytes ? f->bytes_max - bytes : 0;

		if (!part->reads_again || item->is_cold ||
		    (fetch_item_bytes(item) == 0 && !fetch_item_is_urgent(item)))
			item_read(item, MIN(item->bytes_max, left), bytes == 0);
		item->waiting_bytes = fetch_item_bytes(item);
		bytes += item->waiting_bytes;
		part->is_urgent |= fetch_item_is_urgent(item);
		part->is_behind |= fetch_item_is_behind(item, item->result.high_watermark);
	}
	part->bytes = bytes;
	if (part->warm.count > 0)
		log_warm_start(&part->warm, part->on->env, part_warmed);
	else
		part_read_done(part);
}

static void part_warmed(struct log_warm *warm)
{
	struct fetch_part *part = CONTAINER_OF(warm, struct fetch_part, warm);

	part->reads_again = true;
	part_read(part);
}

static void part_read_start(struct fetch_part *part)
{
	for (struct fetch_item *item = part->first; item; item = item->next) {
		result_drop_records(item);
		item->copy = SLICE_NULL;
		item->tries = (struct log_tries){0};
	}
	part->reads_again = false;
	part_read(part);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void part_note_arrived(struct task *task, struct shard *on)
{
	struct fetch_part *part = CONTAINER_OF(task, struct fetch_part, note);

	assert(on == part->fetch->home);
	fetch_part_noted(part);
}

static void part_send_note(struct fetch_part *part)
{
	struct fetch *f = part->fetch;

	if (part->is_note_out)
		return;
	part->is_note_out = true;
	part->note_bytes = part->bytes;
	part->is_note_urgent = part->is_urgent;
	part->is_note_behind = part->is_behind;
	if (part->on == f->home) {
		fetch_part_noted(part);
		return;
	}
	part->note.run = part_note_arrived;
	shard_post(f->home, &part->note);
}

/* Whether the home should hear of it: alone, only when it is enough; else each time there is more,
 * as others may have the rest. */
static bool part_wants_note(const struct fetch_part *part)
{
	const struct fetch *f = part->fetch;

	if (part->is_urgent || (part->is_behind && !part->is_note_behind))
		return true;
	return f->part_count == 1 ? part->bytes >= f->bytes_min : part->bytes > part->note_bytes;
}

/* How much there is now; a look without copying anything. */
static void item_look(struct fetch_item *item, struct partition *p)
{
	struct fetch_part *part = item->part;
	struct read_options options = item_options(part->fetch, item, item->bytes_max, true);
	struct file_range cold = {0};
	struct read_result result;

	part->is_behind |= fetch_item_is_behind(item, partition_high_watermark(p));
	if (item_is_held(item, p))
		return; /* until its time is over */
	/* Nearly every fetch is content with anything; followers were compared by the first read.
	 */
	if (part->fetch->bytes_min <= 1 &&
	    (item->last_fetched_epoch < 0 || part->fetch->replica_id >= 0) &&
	    partition_error(p, options.leader_epoch, options.leader_only) == KERR_NONE &&
	    partition_read_bound(p, options.isolation) > item->offset) {
		part->bytes += 1 - item->waiting_bytes;
		item->waiting_bytes = 1;
		return;
	}
	options.cold = &cold;
	partition_read(p, &options, part->arena, &result);
	file_unref(result.records.file);
	/* Who must warm it to know how much it is had better answer with it. */
	part->is_urgent |= result_is_urgent(&result) || cold.file;
	file_unref(cold.file);
	part->bytes += result.records.len - item->waiting_bytes;
	item->waiting_bytes = result.records.len;
}

void fetch_item_woken(struct fetch_item *item, bool gone)
{
	struct fetch_part *part = item->part;
	enum kafka_error error;
	struct partition *p = NULL;

	if (!gone)
		p = partition_find(part->on, item->topic_id, item->index, &error);
	if (p)
		item_look(item, p);
	else
		part->is_urgent = true;
	if (part_wants_note(part))
		part_send_note(part);
}

static void item_woken(struct fetch_waiter *w, bool gone)
{
	fetch_item_woken(CONTAINER_OF(w, struct fetch_item, waiter), gone);
}

static void part_wait(struct fetch_part *part)
{
	part->waits = true;
	part->is_note_out = false;
	part->is_urgent = false;
	part->note_bytes = part->bytes;
	part->is_note_behind = part->is_behind;
	if (part->watch) {
		fetch_watch_wait(part);
		return;
	}
	for (struct fetch_item *item = part->first; item; item = item->next) {
		enum kafka_error error;
		struct partition *p = partition_find(part->on, item->topic_id, item->index, &error);

		item->waiter = (struct fetch_waiter){.wake = item_woken};
		if (p)
			partition_wait_records(p, &item->waiter);
	}
}

static void part_stop_waiting(struct fetch_part *part)
{
	if (!part->waits)
		return;
	part->waits = false;
	if (part->watch) {
		fetch_watch_stop(part);
		return;
	}
	for (struct fetch_item *item = part->first; item; item = item->next)
		fetch_waiter_remove(&item->waiter);
}

void fetch_part_rearm(struct fetch_part *part)
{
	part->is_note_out = false;
	if (part->waits && part_wants_note(part))
		part_send_note(part);
}

/* ---- Visits ---------------------------------------------------------------------------------- */

static void part_read_done(struct fetch_part *part)
{
	const struct fetch *f = part->fetch;

	if (f->phase == FETCH_FIRST_READ) {
		part->home_bytes = part->bytes;
		part->home_urgent = part->is_urgent;
		part->home_behind = part->is_behind;
		if (f->body->max_wait_ms > 0 && !part->is_urgent && part->bytes < f->bytes_min)
			part_wait(part);
	}
	fetch_part_visited(part);
}

void fetch_part_visit(struct fetch_part *part)
{
	switch (part->fetch->phase) {
	case FETCH_FIRST_READ:
		if (part->watch)
			fetch_watch_visit(part);
		part_read_start(part);
		return;
	case FETCH_LAST_READ:
		part_stop_waiting(part);
		part_read_start(part);
		return;
	case FETCH_CANCEL: part_stop_waiting(part); break;
	case FETCH_WAITING: assert(!"a part is out while the fetch waits");
	}
	fetch_part_visited(part);
}
