/* Fetch: records of many partitions, perhaps after waiting for them.
 * Source: FetchManager, DelayedFetch, ReplicaManager.fetchMessages. */
#include "api/fetch_int.h"
#include "api/handlers.h"
#include "api/quotas.h"
#include "config/config.h"
#include "wire/codec.h"

#include <stdlib.h>

static void fetch_begin(struct fetch *f);
static void fetch_start(struct fetch *f);
static void fetch_send_parts(struct fetch *f, enum fetch_phase phase);
static void fetch_end(struct fetch *f);

/* ---- To the home --------------------------------------------------------------------------- */

static void fetch_arrived(struct task *task, struct shard *on)
{
	struct fetch *f = CONTAINER_OF(task, struct fetch, task);

	assert(on == f->home);
	fetch_begin(f);
}

void handle_fetch(struct request *r)
{
	const struct fetch_request *body = r->body;
	struct broker *broker = r->shard->broker;
	struct fetch *f = arena_zalloc(&r->arena, sizeof(*f));

	f->request = r;
	f->body = body;
	f->home = r->shard;
	if (body->session_id > 0)
		f->home =
			broker->shards[fetch_session_shard(body->session_id, broker->shard_count)];
	arena_init(&f->own);
	f->arena = f->home == r->shard ? &r->arena : &f->own;
	WIRE_INIT(fetch_response, &f->response);
	if (f->home == r->shard) {
		fetch_begin(f);
		return;
	}
	f->task.run = fetch_arrived;
	shard_post(f->home, &f->task);
}

/* ---- The plan: sessions and partitions ----------------------------------------------------- */

/* What one answer to this consumer may have. */
static size_t fetch_limit(const struct fetch *f)
{
	const struct request *r = f->request;
	struct quotas *quotas = f->home->broker->quotas;
	size_t limit = (size_t)config_i64(f->home->config, CONFIG_FETCH_MAX_BYTES);
	struct quota quota;

	if (quotas &&
	    quota_find(f->home->image, quota_user(r->principal), r->client_id, QUOTA_FETCH, &quota))
		limit = MIN(limit, quotas_burst_bytes(quotas, &quota));
	return limit;
}

static void fetch_read_body(struct fetch *f)
{
	const struct fetch_request *body = f->body;
	int16_t version = f->request->version;

	f->replica_id = version >= 15 ? body->replica_state.replica_id : body->replica_id;
	f->replica_epoch = version >= 15 ? body->replica_state.replica_epoch : -1;
	f->leader_only = f->replica_id >= 0 || version < 11;
	if (f->replica_id >= 0)
		f->isolation = READ_LOG_END;
	else
		f->isolation = body->isolation_level == 1 ? READ_COMMITTED : READ_UNCOMMITTED;
	f->rack = f->replica_id < 0 && version >= 11 ? body->rack_id : STR_NULL;
	f->bytes_max = (size_t)MAX(body->max_bytes, 0);
	if (f->replica_id < 0)
		f->bytes_max = MIN(f->bytes_max, fetch_limit(f));
	f->bytes_min = MIN((size_t)MAX(body->min_bytes, 0), f->bytes_max);
}

/* Finds or leaves the session that the request names. */
static struct fetch_session *fetch_open_session(struct fetch *f)
{
	const struct fetch_request *body = f->body;
	struct fetch_sessions *sessions = fetch_sessions_of(f->home);
	struct fetch_session *s;

	if (body->session_epoch == FETCH_EPOCH_INITIAL ||
	    body->session_epoch == FETCH_EPOCH_FINAL) {
		s = body->session_id != FETCH_SESSION_NONE
			    ? fetch_sessions_find(sessions, body->session_id)
			    : NULL;
		if (s)
			fetch_sessions_remove(sessions, s);
		f->context = body->session_epoch == FETCH_EPOCH_INITIAL ? FETCH_NEW_SESSION
									: FETCH_SESSIONLESS;
		return NULL;
	}
	s = fetch_sessions_use(sessions, body->session_id, body->session_epoch,
			       f->request->version >= 13, env_mono_us(f->home->env) / 1000,
			       &f->error);
	if (!s)
		return NULL;
	f->context = FETCH_INCREMENTAL;
	f->session_id = s->id;
	f->session_epoch = s->epoch;
	return s;
}

static void session_take_partition(struct fetch_session *s, const struct fetch_request_topic *topic,
				   const struct fetch_request_partition *in)
{
	struct session_partition *p =
		fetch_session_put(s, topic->topic_id, topic->topic, in->partition);

	p->leader_epoch = in->current_leader_epoch;
	p->last_fetched_epoch = in->last_fetched_epoch;
	p->fetch_offset = in->fetch_offset;
	p->follower_log_start_offset = in->log_start_offset;
	p->follower_high_watermark = in->high_watermark;
	p->bytes_max = in->partition_max_bytes;
	fetch_session_ask(s, p);
}

static void fetch_update_session(const struct fetch_request *body, struct fetch_session *s)
{
	for (int32_t i = 0; i < body->topics_count; i++)
		for (int32_t j = 0; j < body->topics[i].partitions_count; j++)
			session_take_partition(s, &body->topics[i], &body->topics[i].partitions[j]);
	for (int32_t i = 0; i < body->forgotten_topics_data_count; i++) {
		const struct fetch_request_forgotten_topic *topic = &body->forgotten_topics_data[i];

		for (int32_t j = 0; j < topic->partitions_count; j++)
			fetch_session_forget(s, topic->topic_id, topic->topic,
					     topic->partitions[j]);
	}
}

static struct fetch_part *fetch_part_of(struct fetch *f, struct shard *owner)
{
	struct fetch_part *part = f->parts[owner->index];

	if (part)
		return part;
	part = arena_zalloc(f->arena, sizeof(*part));
	part->fetch = f;
	part->on = owner;
	arena_init(&part->own);
	part->arena = owner == f->home ? f->arena : &part->own;
	list_init(&part->asked);
	list_init(&part->released);
	f->parts[owner->index] = part;
	f->part_count++;
	return part;
}

static void fetch_add_to_part(struct fetch *f, struct fetch_item *item)
{
	struct fetch_part *part =
		fetch_part_of(f, shard_owner(f->home->broker, item->topic_id, item->index));

	fetch_part_add(part, item);
}

static void fetch_make_room(struct fetch *f, unsigned item_max)
{
	struct fetch_item *items = arena_array(f->arena, item_max, sizeof(*items));

	f->item_max = item_max;
	f->items = arena_array(f->arena, item_max, sizeof(struct fetch_item *));
	for (unsigned i = 0; i < item_max; i++)
		f->items[i] = &items[i];
}

static void fetch_add_item(struct fetch *f, struct uuid asked_id, struct str asked_name,
			   const struct fetch_request_partition *in)
{
	bool by_id = f->request->version >= 13;
	const struct image_topic *topic = by_id ? image_topic_by_id(f->home->image, asked_id)
						: image_topic_by_name(f->home->image, asked_name);
	struct fetch_item *item;

	assert(f->item_count < f->item_max);
	item = f->items[f->item_count++];
	*item = (struct fetch_item){
		.asked_id = asked_id,
		.asked_name = asked_name,
		.index = in->partition,
		.leader_epoch = in->current_leader_epoch,
		.last_fetched_epoch = in->last_fetched_epoch,
		.offset = in->fetch_offset,
		.follower_log_start_offset = in->log_start_offset,
		.follower_high_watermark = in->high_watermark,
		.bytes_max = (size_t)MAX(in->partition_max_bytes, 0),
		.leader = {-1, -1},
		.preferred_replica = -1,
		.result = {.diverging_epoch = -1},
	};
	if (!topic) {
		item->result.error =
			by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	item->topic_id = topic->id;
	if (!image_partition(topic, item->index)) {
		item->result.error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	fetch_add_to_part(f, item);
}

static void fetch_plan_session(struct fetch *f, struct fetch_session *s)
{
	struct session_partition *p;
	struct str name = STR_NULL;

	fetch_make_room(f, (unsigned)s->partitions.count);
	LIST_FOREACH (&s->order, p, struct session_partition, link) {
		struct fetch_request_partition in = {
			.partition = p->index,
			.current_leader_epoch = p->leader_epoch,
			.last_fetched_epoch = p->last_fetched_epoch,
			.fetch_offset = p->fetch_offset,
			.log_start_offset = p->follower_log_start_offset,
			.high_watermark = p->follower_high_watermark,
			.partition_max_bytes = p->bytes_max,
		};

		/* The session may be gone before the answer has left: its names are copied. */
		if (!str_eq(name, p->topic) || str_is_null(name))
			name = str_dup(f->arena, p->topic);
		fetch_add_item(f, p->topic_id, name, &in);
	}
}

static void fetch_plan_full(struct fetch *f)
{
	const struct fetch_request *body = f->body;
	unsigned count = 0;

	for (int32_t i = 0; i < body->topics_count; i++)
		count += (unsigned)body->topics[i].partitions_count;
	fetch_make_room(f, count);
	for (int32_t i = 0; i < body->topics_count; i++)
		for (int32_t j = 0; j < body->topics[i].partitions_count; j++)
			fetch_add_item(f, body->topics[i].topic_id, body->topics[i].topic,
				       &body->topics[i].partitions[j]);
}

/* What was learnt of partitions holds for one way of fetching. */
static void session_take_terms(struct fetch_session *s, const struct fetch *f)
{
	struct session_terms was = s->terms;

	s->terms = (struct session_terms){
		.replica_id = f->replica_id,
		.replica_epoch = f->replica_epoch,
		.isolation = (int)f->isolation,
		.rack_hash = f->rack.len > 0 ? hash_bytes(f->rack.data, f->rack.len) : 0,
	};
	s->looks_again |= was.replica_id != s->terms.replica_id ||
			  was.replica_epoch != s->terms.replica_epoch ||
			  was.isolation != s->terms.isolation ||
			  was.rack_hash != s->terms.rack_hash;
}

/* A part for each watch that has something, with the news for it. */
static void fetch_plan_watches(struct fetch *f, struct fetch_session *s)
{
	struct session_partition *p;

	f->has_watches = true;
	session_take_terms(s, f);
	LIST_FOREACH (&s->asked, p, struct session_partition, asked) {
		struct shard *owner = shard_owner(f->home->broker, p->topic_id, p->index);

		if (!p->watch) {
			p->watch = fetch_session_watch(s, owner);
			p->watch->count++;
		}
		list_remove(&p->asked);
		list_push_back(&fetch_part_of(f, owner)->asked, &p->asked);
	}
	LIST_FOREACH (&s->released, p, struct session_partition, asked) {
		list_remove(&p->asked);
		list_push_back(&fetch_part_of(f, p->watch->on)->released, &p->asked);
	}
	for (unsigned i = 0; s->watches && i < f->home->broker->shard_count; i++) {
		struct fetch_watch *w = s->watches[i];

		if (!w || (w->count == 0 && !f->parts[i]))
			continue;
		fetch_part_of(f, w->on)->watch = w;
		f->parts[i]->looks_again = s->looks_again;
	}
	s->looks_again = false;
}

static void fetch_plan_incremental(struct fetch *f, struct fetch_session *s)
{
	fetch_update_session(f->body, s);
	if (s->epoch != f->session_epoch) {
		/* The client did not wait for this answer. */
		f->error = KERR_INVALID_FETCH_SESSION_EPOCH;
	} else if (s->partitions.count > FETCH_SESSION_PARTITIONS_MAX) {
		fetch_sessions_remove(fetch_sessions_of(f->home), s);
		f->error = KERR_FETCH_SESSION_ID_NOT_FOUND;
	} else if (s->partitions.count == 0) {
		/* Nothing left to fetch: the session ends. */
		fetch_sessions_remove(fetch_sessions_of(f->home), s);
		f->context = FETCH_SESSIONLESS;
		f->session_id = FETCH_SESSION_NONE;
	} else if (s->uses_topic_ids) {
		fetch_plan_watches(f, s);
	} else {
		fetch_plan_session(f, s);
	}
}

static void fetch_plan(struct fetch *f)
{
	f->parts = arena_array(f->arena, f->home->broker->shard_count, sizeof(struct fetch_part *));
	if (f->session)
		fetch_plan_incremental(f, f->session);
	else
		fetch_plan_full(f);
}

/* ---- Reading, waiting, reading ------------------------------------------------------------- */

static void fetch_timed_out(struct timer *timer, struct shard *on)
{
	struct fetch *f = CONTAINER_OF(timer, struct fetch, timer);

	assert(on == f->home);
	fetch_send_parts(f, FETCH_LAST_READ);
}

/* Nobody waits for its answer any more, but for the session. */
static void fetch_hurry(struct fetch *f)
{
	f->is_void = true;
	if (f->phase == FETCH_WAITING)
		fetch_send_parts(f, FETCH_CANCEL);
}

static void fetch_begin(struct fetch *f)
{
	struct fetch_session *s;

	fetch_read_body(f);
	f->timer.fire = fetch_timed_out;
	s = f->session = fetch_open_session(f);
	if (f->error != KERR_NONE) {
		fetch_end(f);
	} else if (s && s->holder) {
		list_push_back(&s->queue, &f->queued);
		fetch_hurry(s->holder);
	} else {
		fetch_start(f);
	}
}

static void fetch_start(struct fetch *f)
{
	if (f->session)
		f->session->holder = f;
	fetch_plan(f);
	if (f->error != KERR_NONE)
		fetch_end(f);
	else
		fetch_send_parts(f, FETCH_FIRST_READ);
}

static void fetch_has_session(struct task *task, struct shard *on)
{
	struct fetch *f = CONTAINER_OF(task, struct fetch, task);

	assert(on == f->home);
	fetch_start(f);
}

static void fetch_leave_session(struct fetch *f)
{
	struct fetch_session *s = f->session;
	struct fetch *next;

	f->session = NULL;
	if (!s)
		return;
	assert(s->holder == f);
	next = LIST_FIRST(&s->queue, struct fetch, queued);
	if (!next) {
		fetch_session_let_go(s);
		return;
	}
	list_remove(&next->queued);
	s->holder = next;
	next->task.run = fetch_has_session;
	shard_post(f->home, &next->task);
}

static bool fetch_has_enough(const struct fetch *f)
{
	size_t bytes = 0;

	if (f->body->max_wait_ms <= 0 || f->is_void || (f->item_count == 0 && !f->has_watches))
		return true;
	for (unsigned i = 0; i < f->item_count; i++)
		if (!f->items[i]->part)
			return true; /* an error that is known without a visit */
	for (unsigned i = 0; i < f->home->broker->shard_count; i++) {
		if (!f->parts[i])
			continue;
		if (f->parts[i]->home_urgent)
			return true;
		bytes += f->parts[i]->home_bytes;
	}
	return bytes >= f->bytes_min;
}

/* Waits for records as long as the client allows, for what else it should know not as long. */
static void fetch_wait(struct fetch *f)
{
	bool is_behind = false;

	for (unsigned i = 0; i < f->home->broker->shard_count; i++)
		is_behind |= f->parts[i] && f->parts[i]->home_behind;
	if (f->phase == FETCH_WAITING && (f->is_hurried || !is_behind))
		return;
	f->phase = FETCH_WAITING;
	f->is_hurried = is_behind;
	shard_timer_start(f->home, &f->timer,
			  is_behind ? MIN(f->body->max_wait_ms, FETCH_BEHIND_MS)
				    : f->body->max_wait_ms);
}

static bool fetch_has_waiters(const struct fetch *f)
{
	for (unsigned i = 0; i < f->home->broker->shard_count; i++)
		if (f->parts[i] && f->parts[i]->waits)
			return true;
	return false;
}

/* Every part is home. */
static void fetch_parts_are_back(struct fetch *f)
{
	if (f->phase != FETCH_FIRST_READ) {
		fetch_end(f);
	} else if (f->has_note) {
		fetch_send_parts(f, FETCH_LAST_READ); /* more came while parts were out */
	} else if (fetch_has_enough(f)) {
		if (fetch_has_waiters(f))
			fetch_send_parts(f, FETCH_CANCEL);
		else
			fetch_end(f);
	} else {
		fetch_wait(f);
	}
}

static void fetch_one_back(struct fetch *f)
{
	assert(f->parts_out > 0);
	if (--f->parts_out == 0)
		fetch_parts_are_back(f);
}

static void fetch_part_returned(struct task *task, struct shard *on)
{
	struct fetch_part *part = CONTAINER_OF(task, struct fetch_part, task);

	assert(on == part->fetch->home);
	fetch_one_back(part->fetch);
}

static void fetch_part_arrived(struct task *task, struct shard *on)
{
	struct fetch_part *part = CONTAINER_OF(task, struct fetch_part, task);

	assert(on == part->on);
	fetch_part_visit(part);
}

void fetch_part_visited(struct fetch_part *part)
{
	struct shard *home = part->fetch->home;

	if (part->on == home) {
		fetch_one_back(part->fetch);
		return;
	}
	part->task.run = fetch_part_returned;
	shard_post(home, &part->task);
}

static void fetch_send_parts(struct fetch *f, enum fetch_phase phase)
{
	struct fetch_part *here = f->parts[f->home->index];

	shard_timer_stop(f->home, &f->timer);
	f->phase = phase;
	assert(f->parts_out == 0);
	f->parts_out = f->part_count + 1;
	for (unsigned i = 0; i < f->home->broker->shard_count; i++) {
		struct fetch_part *part = f->parts[i];

		if (!part || part == here)
			continue;
		part->task.run = fetch_part_arrived;
		shard_post(part->on, &part->task);
	}
	if (here)
		fetch_part_visit(here);
	fetch_one_back(f);
}

static void fetch_part_rearmed(struct task *task, struct shard *on)
{
	struct fetch_part *part = CONTAINER_OF(task, struct fetch_part, note);

	assert(on == part->on);
	fetch_part_rearm(part);
}

void fetch_part_noted(struct fetch_part *part)
{
	struct fetch *f = part->fetch;

	part->home_bytes = part->note_bytes;
	part->home_urgent |= part->is_note_urgent;
	part->home_behind |= part->is_note_behind;
	if (f->phase == FETCH_FIRST_READ)
		f->has_note = true;
	if (f->phase != FETCH_WAITING)
		return;
	if (fetch_has_enough(f)) {
		fetch_send_parts(f, FETCH_LAST_READ);
		return;
	}
	fetch_wait(f);
	if (part->on == f->home) {
		part->is_note_out = false;
		return;
	}
	part->note.run = fetch_part_rearmed;
	shard_post(part->on, &part->note);
}

/* ---- The end ------------------------------------------------------------------------------- */

/* On the connection's shard: what the response points to stays until it has left. */
static void fetch_finish(struct fetch *f)
{
	struct request *r = f->request;

	*(struct fetch_response *)r->response = f->response;
	for (unsigned i = 0; i < f->item_count; i++) {
		struct fetch_item *item = f->items[i];

		if (item->result.records.file)
			request_keep_file(r, item->result.records.file);
		if (item->copy.buf)
			request_keep_buf(r, item->copy.buf);
	}
	arena_absorb(&r->arena, &f->own);
	request_done(r);
}

static void fetch_came_home(struct task *task, struct shard *on)
{
	struct fetch *f = CONTAINER_OF(task, struct fetch, task);

	assert(on == f->request->shard);
	fetch_finish(f);
}

static int item_compare(const void *a, const void *b)
{
	uint64_t turn_a = (*(struct fetch_item *const *)a)->entry->turn;
	uint64_t turn_b = (*(struct fetch_item *const *)b)->entry->turn;

	return (turn_a > turn_b) - (turn_a < turn_b);
}

/* Takes the items that the parts made, in the order of the session. */
static void fetch_gather(struct fetch *f)
{
	unsigned shard_count = f->home->broker->shard_count;

	for (unsigned i = 0; i < shard_count; i++)
		f->item_max += f->parts[i] ? f->parts[i]->item_count : 0;
	f->items = arena_array(f->arena, f->item_max, sizeof(struct fetch_item *));
	for (unsigned i = 0; i < shard_count; i++)
		for (struct fetch_item *item = f->parts[i] ? f->parts[i]->first : NULL; item;
		     item = item->next)
			f->items[f->item_count++] = item;
	assert(f->item_count == f->item_max);
	if (f->item_count > 1)
		qsort(f->items, f->item_count, sizeof(struct fetch_item *), item_compare);
}

static void fetch_end(struct fetch *f)
{
	if (f->has_watches)
		fetch_gather(f);
	fetch_fill_response(f);
	fetch_leave_session(f);
	for (unsigned i = 0; f->parts && i < f->home->broker->shard_count; i++)
		if (f->parts[i])
			arena_absorb(f->arena, &f->parts[i]->own);
	if (f->home == f->request->shard) {
		fetch_finish(f);
		return;
	}
	f->task.run = fetch_came_home;
	shard_post(f->request->shard, &f->task);
}
