/* The watch of a fetch session on the shard of its partitions: it knows which of them the next
 * fetch has to look at. */
#include "api/fetch_int.h"

#include <stdlib.h>

static void watch_mark(struct fetch_watch *w, struct session_partition *entry)
{
	if (!list_linked(&entry->changed))
		list_push_back(&w->changed, &entry->changed);
}

/* Its partition hears of each fetch of the follower again. */
static void watch_unsettle(struct fetch_watch *w, struct session_partition *entry)
{
	struct partition *p;

	if (!entry->is_settled)
		return;
	entry->is_settled = false;
	p = replica_set_find(w->on->replicas, entry->topic_id, entry->index);
	if (p)
		partition_follower_unsettle(p, w->replica_id, &w->fetched_ms);
}

/* ---- Items ----------------------------------------------------------------------------------- */

static struct fetch_item *watch_item(struct fetch_part *part, struct session_partition *entry)
{
	struct fetch_item *item;

	if (entry->visit == part->watch->visit)
		return entry->item;
	item = arena_zalloc(part->arena, sizeof(*item));
	*item = (struct fetch_item){
		.entry = entry,
		.topic_id = entry->topic_id,
		.asked_id = entry->topic_id,
		.index = entry->index,
		.leader_epoch = entry->leader_epoch,
		.last_fetched_epoch = entry->last_fetched_epoch,
		.offset = entry->fetch_offset,
		.follower_log_start_offset = entry->follower_log_start_offset,
		.follower_high_watermark = entry->follower_high_watermark,
		.bytes_max = (size_t)MAX(entry->bytes_max, 0),
		.leader = {-1, -1},
		.preferred_replica = -1,
		.result = {.diverging_epoch = -1},
	};
	entry->item = item;
	entry->visit = part->watch->visit;
	fetch_part_add(part, item);
	return item;
}

static int entry_compare(const void *a, const void *b)
{
	uint64_t turn_a = (*(struct session_partition *const *)a)->turn;
	uint64_t turn_b = (*(struct session_partition *const *)b)->turn;

	return (turn_a > turn_b) - (turn_a < turn_b);
}

void fetch_watch_take(struct fetch_part *part)
{
	struct fetch_watch *w = part->watch;
	struct session_partition *entry, **entries;
	size_t count = 0, at = 0;

	LIST_FOREACH (&w->changed, entry, struct session_partition, changed)
		count += entry->visit != w->visit;
	if (count == 0)
		return;
	entries = arena_array(part->arena, count, sizeof(struct session_partition *));
	LIST_FOREACH (&w->changed, entry, struct session_partition, changed)
		if (entry->visit != w->visit)
			entries[at++] = entry;
	qsort(entries, count, sizeof(struct session_partition *), entry_compare);
	for (size_t i = 0; i < count; i++)
		watch_item(part, entries[i]);
}

/* ---- What happens to partitions -------------------------------------------------------------- */

static void watch_woken(struct fetch_waiter *waiter, bool gone)
{
	struct session_partition *entry = CONTAINER_OF(waiter, struct session_partition, waiter);
	struct fetch_watch *w = entry->watch;

	watch_unsettle(w, entry);
	watch_mark(w, entry);
	if (w->part)
		fetch_item_woken(watch_item(w->part, entry), gone);
}

void fetch_watch_join(struct fetch_item *item, struct partition *p)
{
	struct session_partition *entry = item->entry;

	if (!p || list_linked(&entry->waiter.link))
		return;
	entry->waiter = (struct fetch_waiter){.wake = watch_woken};
	partition_wait_records(p, &entry->waiter);
}

/* Nothing to say of it, and that stays so until its partition wakes its waiters. */
static bool item_settles(const struct fetch_item *item, struct partition *p)
{
	const struct fetch *f = item->part->fetch;

	if (!p || item->is_cold || fetch_item_is_urgent(item) || fetch_item_bytes(item) > 0 ||
	    partition_read_bound(p, f->isolation) > item->offset ||
	    fetch_item_is_behind(item, item->result.high_watermark))
		return false;
	if (f->replica_id < 0)
		return !replica_set_sends_on(item->part->on->replicas, f->rack);
	return partition_follower_settle(p, f->replica_id, &item->part->watch->fetched_ms);
}

void fetch_watch_note(struct fetch_item *item, struct partition *p)
{
	struct session_partition *entry = item->entry;
	struct fetch_watch *w = item->part->watch;

	if (item_settles(item, p)) {
		entry->is_settled = w->replica_id >= 0;
		list_remove(&entry->changed);
	} else {
		watch_unsettle(w, entry);
		watch_mark(w, entry);
	}
}

/* ---- Visits ---------------------------------------------------------------------------------- */

static void watch_release(struct fetch_watch *w, struct session_partition *entry)
{
	watch_unsettle(w, entry);
	fetch_waiter_remove(&entry->waiter);
	list_remove(&entry->asked);
	list_remove(&entry->joined);
	list_remove(&entry->changed);
	free(entry);
}

void fetch_watch_visit(struct fetch_part *part)
{
	struct fetch_watch *w = part->watch;
	struct session_partition *entry;

	assert(!w->part);
	w->visit++;
	LIST_FOREACH (&part->released, entry, struct session_partition, asked)
		watch_release(w, entry);
	LIST_FOREACH (&part->asked, entry, struct session_partition, asked) {
		list_remove(&entry->asked);
		if (!list_linked(&entry->joined))
			list_push_back(&w->joined, &entry->joined);
		watch_mark(w, entry);
	}
	if (part->looks_again)
		LIST_FOREACH (&w->joined, entry, struct session_partition, joined) {
			watch_unsettle(w, entry);
			watch_mark(w, entry);
		}
	w->replica_id = part->fetch->replica_id;
	/* Whoever is settled was at the end of our log, and is. */
	w->fetched_ms = env_mono_us(part->on->env) / 1000;
}

void fetch_watch_wait(struct fetch_part *part)
{
	struct fetch_watch *w = part->watch;
	struct session_partition *entry;

	w->part = part;
	LIST_FOREACH (&w->changed, entry, struct session_partition, changed)
		fetch_item_woken(watch_item(part, entry), !list_linked(&entry->waiter.link));
}

void fetch_watch_stop(struct fetch_part *part)
{
	part->watch->part = NULL;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void watch_leave(struct task *task, struct shard *on)
{
	struct fetch_watch *w = CONTAINER_OF(task, struct fetch_watch, task);
	struct session_partition *entry;

	assert(on == w->on);
	LIST_FOREACH (&w->joined, entry, struct session_partition, joined)
		watch_unsettle(w, entry);
	fetch_watch_free(w);
}

void fetch_watch_drop(struct fetch_watch *w)
{
	w->task.run = watch_leave;
	shard_post(w->on, &w->task);
}
