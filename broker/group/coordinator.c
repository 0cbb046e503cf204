/* The coordinator of a shard: its partitions, its timers, and waiting for the high watermark. */
#include "group_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"

#define SAY_PLACE "broker/group"

struct group_coordinator *group_core_new(const struct group_io *io,
					 const struct group_settings *settings)
{
	struct group_coordinator *gc = xcalloc(1, sizeof(*gc));

	gc->io = *io;
	gc->settings = *settings;
	heap_init(&gc->timers);
	return gc;
}

void group_core_free(struct group_coordinator *gc)
{
	if (!gc)
		return;
	for (int32_t i = 0; i < gc->partition_count; i++)
		if (gc->partitions[i])
			group_partition_remove(gc->partitions[i]);
	free(gc->partitions);
	assert(!heap_top(&gc->timers));
	heap_fini(&gc->timers);
	compressor_free(gc->compressor);
	free(gc);
}

/* ---- Timers ---- */

void group_timer_start(struct group_coordinator *gc, struct group_timer *timer, int64_t delay_ms,
		       void (*fire)(struct group_timer *timer))
{
	heap_remove(&gc->timers, &timer->node);
	timer->fire = fire;
	heap_push(&gc->timers, &timer->node, gc->io.mono_ms(gc->io.ctx) + MAX(delay_ms, 0));
	if (heap_top(&gc->timers) == &timer->node)
		gc->io.changed(gc->io.ctx);
}

void group_timer_stop(struct group_coordinator *gc, struct group_timer *timer)
{
	heap_remove(&gc->timers, &timer->node);
}

void group_core_tick(struct group_coordinator *gc)
{
	int64_t now_ms = gc->io.mono_ms(gc->io.ctx);
	struct heap_node *top;

	for (top = heap_top(&gc->timers); top && top->when <= now_ms; top = heap_top(&gc->timers)) {
		struct group_timer *timer = CONTAINER_OF(top, struct group_timer, node);

		heap_remove(&gc->timers, top);
		timer->fire(timer);
		/* What a timer starts with no delay waits for the next tick: none can hold us. */
		if (heap_top(&gc->timers) && heap_top(&gc->timers)->when >= now_ms)
			break;
	}
}

int64_t group_core_deadline(const struct group_coordinator *gc)
{
	struct heap_node *top = heap_top(&gc->timers);

	return top ? top->when : INT64_MAX;
}

/* ---- Partitions ---- */

int32_t coordinator_partition(struct str id, int32_t count)
{
	uint32_t hash = 0;
	int32_t signed_hash;

	assert(count > 0);
	for (size_t i = 0; i < id.len;) {
		uint8_t byte = (uint8_t)id.data[i];
		size_t len = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
		uint32_t code = len == 1 ? byte : byte & (0x7fu >> len);

		for (size_t k = 1; k < len; k++)
			code = code << 6 | (i + k < id.len ? (uint8_t)id.data[i + k] & 0x3fu : 0);
		if (code >= 0x10000) {
			code -= 0x10000;
			hash = hash * 31 + (0xd800 | (code >> 10 & 0x3ff));
			code = 0xdc00 | (code & 0x3ff);
		}
		hash = hash * 31 + code;
		i += len;
	}
	signed_hash = (int32_t)hash;
	if (signed_hash == INT32_MIN)
		return 0;
	return (signed_hash < 0 ? -signed_hash : signed_hash) % count;
}

static void group_expiry_fire(struct group_timer *timer)
{
	struct group_partition *gp = CONTAINER_OF(timer, struct group_partition, expiry_timer);

	group_timer_start(gp->gc, timer, gp->gc->settings.retention_check_ms, group_expiry_fire);
	group_offsets_expire(gp);
}

struct group_partition *group_partition_add(struct group_coordinator *gc, int32_t index,
					    int32_t leader_epoch)
{
	struct group_partition *gp = xcalloc(1, sizeof(*gp));

	assert(index >= 0);
	if (index >= gc->partition_count) {
		int32_t count = index + 1;

		gc->partitions = xreallocarray(gc->partitions, (size_t)count,
					       sizeof(*gc->partitions));
		for (int32_t i = gc->partition_count; i < count; i++)
			gc->partitions[i] = NULL;
		gc->partition_count = count;
	}
	assert(!gc->partitions[index]);
	gc->partitions[index] = gp;
	gp->gc = gc;
	gp->index = index;
	gp->leader_epoch = leader_epoch;
	gp->state = GROUPS_LOADING;
	map_init(&gp->groups);
	map_init(&gp->txns);
	list_init(&gp->waits);
	return gp;
}

/* Answers what a group has parked and frees it. */
static void group_unload(struct group *g, enum kafka_error error)
{
	struct group_member *m;

	LIST_FOREACH(&g->members, m, struct group_member, link) {
		if (m->join) {
			struct join_call *j = m->join;

			group_park_join(m, NULL);
			group_answer_join(j, error, m->id);
		}
		if (m->sync)
			group_answer_sync(m->sync, error, NULL);
		m->sync = NULL;
	}
	group_move(g, GROUP_DEAD);
	group_free(g);
}

void group_partition_remove(struct group_partition *gp)
{
	struct group_coordinator *gc = gp->gc;
	enum kafka_error error = gc->is_stopped ? KERR_COORDINATOR_NOT_AVAILABLE
						: KERR_NOT_COORDINATOR;
	struct group_wait *w;
	struct group *g;

	/* Nothing may find the partition while its calls are answered. */
	gc->partitions[gp->index] = NULL;
	group_timer_stop(gc, &gp->expiry_timer);
	LIST_FOREACH(&gp->waits, w, struct group_wait, link) {
		gc->io.cancel(gc->io.ctx, w);
		group_wait_done(w, error);
	}
	MAP_FOREACH(&gp->groups, g, struct group, by_id)
		group_unload(g, error);
	assert(gp->groups.count == 0);
	map_fini(&gp->groups);
	group_txns_free(gp);
	free(gp);
}

void group_partition_loaded(struct group_partition *gp)
{
	struct group *g;

	assert(gp->state == GROUPS_LOADING);
	gp->state = GROUPS_ACTIVE;
	group_timer_start(gp->gc, &gp->expiry_timer, gp->gc->settings.retention_check_ms,
			  group_expiry_fire);
	MAP_FOREACH(&gp->groups, g, struct group, by_id) {
		struct group_member *m;

		LIST_FOREACH(&g->members, m, struct group_member, link)
			group_session_restart(m);
		if (g->member_count > gp->gc->settings.group_size_max)
			group_rebalance_if_settled(g);
	}
}

void group_partition_fail(struct group_partition *gp)
{
	gp->state = GROUPS_FAILED;
}

struct group_partition *group_partition_of(struct group_coordinator *gc, int32_t index,
					   enum kafka_error *error)
{
	struct group_partition *gp = NULL;

	if (index >= 0 && index < gc->partition_count)
		gp = gc->partitions[index];
	if (gc->is_stopped)
		*error = KERR_COORDINATOR_NOT_AVAILABLE;
	else if (!gp || gp->state == GROUPS_FAILED)
		*error = KERR_NOT_COORDINATOR;
	else if (gp->state == GROUPS_LOADING)
		*error = KERR_COORDINATOR_LOAD_IN_PROGRESS;
	else
		return gp;
	return NULL;
}

/* ---- Waiting ---- */

enum kafka_error group_error_sent(enum kafka_error error)
{
	switch ((int)error) {
	case KERR_UNKNOWN_TOPIC_OR_PARTITION:
	case KERR_NOT_ENOUGH_REPLICAS:
	case KERR_REQUEST_TIMED_OUT: return KERR_COORDINATOR_NOT_AVAILABLE;
	case KERR_NOT_LEADER_OR_FOLLOWER:
	case KERR_KAFKA_STORAGE_ERROR: return KERR_NOT_COORDINATOR;
	case KERR_MESSAGE_TOO_LARGE:
	case KERR_RECORD_LIST_TOO_LARGE:
	case KERR_INVALID_FETCH_SIZE: return KERR_UNKNOWN_SERVER_ERROR;
	case KERR_NETWORK_EXCEPTION: return KERR_COORDINATOR_LOAD_IN_PROGRESS;
	/* It is committed; that the ISR has shrunk since is not for a group to know. */
	case KERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND: return KERR_NONE;
	default: return error;
	}
}

static void group_wait_expire(struct group_timer *timer)
{
	struct group_wait *w = CONTAINER_OF(timer, struct group_wait, timer);
	struct group_coordinator *gc = w->gp->gc;

	gc->io.cancel(gc->io.ctx, w);
	group_wait_done(w, KERR_REQUEST_TIMED_OUT);
}

void group_wait_committed(struct group_partition *gp, int64_t required_offset,
			  group_committed committed, void *arg)
{
	struct group_coordinator *gc = gp->gc;
	struct group_wait *w;

	if (required_offset <= gc->io.high_watermark(gc->io.ctx, gp->index) ||
	    FAULT(offsets_unreplicated)) {
		committed(arg, KERR_NONE);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->gp = gp;
	w->required_offset = required_offset;
	w->committed = committed;
	w->arg = arg;
	list_push_back(&gp->waits, &w->link);
	group_timer_start(gc, &w->timer, gc->settings.commit_timeout_ms, group_wait_expire);
	gc->io.wait(gc->io.ctx, w);
}

void group_wait_done(struct group_wait *w, enum kafka_error error)
{
	group_committed committed = w->committed;
	void *arg = w->arg;

	list_remove(&w->link);
	group_timer_stop(w->gp->gc, &w->timer);
	free(w);
	committed(arg, group_error_sent(error));
}
