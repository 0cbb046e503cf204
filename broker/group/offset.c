/* Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete. */
#include "group_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"

#define SAY_PLACE "broker/group"

/* ---- The map of a group ---- */

/* Partition number, then topic: fixed part first, so that no two pairs share a key. */
static size_t offset_key(uint8_t *key, struct str topic, int32_t partition)
{
	put_be32(key, (uint32_t)partition);
	if (topic.len)
		memcpy(key + 4, topic.data, topic.len);
	return topic.len + 4;
}

struct group_offset *group_offset(const struct group *g, struct str topic, int32_t partition)
{
	uint8_t small[4 + 256], *key = topic.len <= 256 ? small : xmalloc(topic.len + 4);
	struct map_node *n = map_get(&g->offsets, key, offset_key(key, topic, partition));

	if (key != small)
		free(key);
	return n ? CONTAINER_OF(n, struct group_offset, node) : NULL;
}

static bool group_offset_is_committed(const struct group *g, const struct group_offset *o)
{
	struct group_coordinator *gc = g->gp->gc;

	return o->required_offset == 0 ||
	       o->required_offset <= gc->io.high_watermark(gc->io.ctx, g->gp->index);
}

/* What may be shown: committed, or what was before. NULL: nothing yet. */
static const struct group_offset_value *group_offset_shown(const struct group *g,
							   const struct group_offset *o)
{
	if (!o)
		return NULL;
	if (group_offset_is_committed(g, o))
		return &o->latest;
	return o->has_stable ? &o->stable : NULL;
}

void group_offset_put(struct group *g, struct str topic, int32_t partition,
		      const struct group_offset_value *value, int64_t required_offset,
		      int64_t record_offset)
{
	struct group_offset *o = group_offset(g, topic, partition);

	if (!o) {
		size_t len;

		o = xcalloc(1, sizeof(*o) + topic.len + 4 + 1);
		len = offset_key(o->key, topic, partition);
		o->topic = (struct str){(const char *)o->key + 4, topic.len};
		o->partition = partition;
		map_put(&g->offsets, &o->node, o->key, len);
	} else if (group_offset_is_committed(g, o)) {
		free(o->stable_metadata);
		o->stable = o->latest;
		o->stable_metadata = o->latest_metadata;
		o->has_stable = true;
	} else {
		free(o->latest_metadata);
	}
	o->latest = *value;
	o->latest_metadata = xstrndup(value->metadata.data ? value->metadata.data : "",
				      value->metadata.len);
	o->latest.metadata.data = o->latest_metadata;
	o->required_offset = required_offset;
	o->record_offset = record_offset;
}

void group_offset_remove(struct group *g, struct group_offset *o)
{
	map_remove(&g->offsets, &o->node);
	free(o->latest_metadata);
	free(o->stable_metadata);
	free(o);
}

/* ---- OffsetCommit ---- */

static enum kafka_error group_commit_error(const struct group *g,
					   const struct offset_commit_call *c)
{
	const struct offset_commit_request *r = c->request;
	bool is_member = r->generation_id_or_member_epoch >= 0 || r->member_id.len > 0 ||
			 !str_is_null(r->group_instance_id);
	enum kafka_error error;

	if (!g) {
		if (r->generation_id_or_member_epoch < 0)
			return KERR_NONE;
		return c->call.version >= 9 ? KERR_GROUP_ID_NOT_FOUND : KERR_ILLEGAL_GENERATION;
	}
	if (g->state == GROUP_EMPTY && r->generation_id_or_member_epoch < 0)
		return KERR_NONE;	/* an administrator, or a consumer that assigns by hand */
	if (!is_member)
		return KERR_UNKNOWN_MEMBER_ID;
	error = group_validate(g, r->member_id, r->group_instance_id);
	if (error != KERR_NONE && !(error == KERR_FENCED_INSTANCE_ID && FAULT(instance_unfenced)))
		return error;
	if (r->generation_id_or_member_epoch != g->generation && !FAULT(old_generation_commits))
		return KERR_ILLEGAL_GENERATION;
	return g->state == GROUP_COMPLETING_REBALANCE ? KERR_REBALANCE_IN_PROGRESS : KERR_NONE;
}

static void group_commit_answer(struct offset_commit_call *c, enum kafka_error error)
{
	for (size_t i = 0; i < c->item_count; i++)
		if (error != KERR_NONE && *c->items[i].error_code == KERR_NONE)
			*c->items[i].error_code = (int16_t)error;
	c->call.done(&c->call);
}

static void group_commit_written(void *arg, enum kafka_error error)
{
	group_commit_answer(arg, error);
}

/* Length as Java counts it: UTF-16 code units. */
static size_t utf16_len(struct str s)
{
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		uint8_t byte = (uint8_t)s.data[i];

		len += (byte & 0xc0) != 0x80;
		len += byte >= 0xf0;
	}
	return len;
}

static struct group_offset_value commit_value(const struct offset_commit_call *c,
					      const struct offset_commit_item *item, int64_t now_ms)
{
	int64_t retention_ms = c->request->retention_time_ms;

	return (struct group_offset_value){
		.offset = item->in->committed_offset,
		.leader_epoch = item->in->committed_leader_epoch,
		.metadata = str_is_null(item->in->committed_metadata)
				    ? STR_LIT("")
				    : item->in->committed_metadata,
		.commit_timestamp_ms = now_ms,
		.expire_timestamp_ms = retention_ms == -1 ? -1 : now_ms + retention_ms,
		.topic_id = item->topic_id,
	};
}

/* Writes all items that may be committed, then puts them. */
static enum kafka_error group_commit_write(struct group_partition *gp, struct group **g,
					   const struct offset_commit_call *c,
					   int64_t *required_offset)
{
	struct group_coordinator *gc = gp->gc;
	int64_t now_ms = gc->io.wall_ms(gc->io.ctx);
	struct str group_id = c->request->group_id;
	enum kafka_error error;
	struct group_write w;

	group_write_begin(&w, gp);
	for (size_t i = 0; i < c->item_count; i++) {
		const struct offset_commit_item *item = &c->items[i];
		struct group_offset_value value = commit_value(c, item, now_ms);

		*item->error_code = KERR_NONE;
		if (utf16_len(value.metadata) > (size_t)gc->settings.offset_metadata_bytes_max)
			*item->error_code = KERR_OFFSET_METADATA_TOO_LARGE;
		else
			group_write_offset(&w, group_id, item->topic, item->in->partition_index,
					   &value);
	}
	error = group_write_append(&w, required_offset);
	if (error != KERR_NONE)
		return error;
	if (!*g)
		*g = group_new(gp, group_id);
	for (size_t i = 0; i < c->item_count; i++) {
		const struct offset_commit_item *item = &c->items[i];
		struct group_offset_value value = commit_value(c, item, now_ms);

		if (*item->error_code == KERR_NONE)
			group_offset_put(*g, item->topic, item->in->partition_index, &value,
					 *required_offset, *required_offset - 1);
	}
	return KERR_NONE;
}

void group_offset_commit(struct group_coordinator *gc, struct offset_commit_call *c)
{
	const struct offset_commit_request *r = c->request;
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, c->call.partition, &error);
	struct group *g = gp ? group_find(gp, r->group_id) : NULL;
	int64_t required_offset = 0;

	if (gp && str_is_null(r->group_id))
		error = KERR_INVALID_GROUP_ID;
	else if (gp)
		error = group_commit_error(g, c);
	if (error == KERR_NONE)
		error = group_commit_write(gp, &g, c, &required_offset);
	if (error != KERR_NONE) {
		for (size_t i = 0; i < c->item_count; i++)
			*c->items[i].error_code = (int16_t)error;
		c->call.done(&c->call);
		return;
	}
	if (g->state != GROUP_EMPTY && group_member(g, r->member_id))
		group_session_restart(group_member(g, r->member_id));
	group_wait_committed(gp, required_offset, group_commit_written, c);
}

/* ---- OffsetFetch ---- */

static void fetch_fill(struct arena *arena, const struct group_offset_value *value,
		       struct offset_fetch_response_partitions *out)
{
	out->committed_offset = value ? value->offset : -1;
	out->committed_leader_epoch = value ? value->leader_epoch : -1;
	out->metadata = value ? str_dup(arena, value->metadata) : STR_LIT("");
	out->error_code = KERR_NONE;
}

/* A transaction that is not over may change it. */
static void fetch_unstable(struct offset_fetch_response_partitions *out)
{
	out->committed_offset = -1;
	out->committed_leader_epoch = -1;
	out->metadata = STR_LIT("");
	out->error_code = KERR_UNSTABLE_OFFSET_COMMIT;
}

static int fetch_order(const void *a, const void *b)
{
	const struct group_offset *x = *(const struct group_offset *const *)a;
	const struct group_offset *y = *(const struct group_offset *const *)b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* All offsets, by topic and partition. */
static void fetch_all(const struct group *g, struct offset_fetch_call *f)
{
	struct arena *arena = f->call.arena;
	struct group_offset **all =
		arena_array(arena, g->offsets.count + 1, sizeof(struct group_offset *));
	struct offset_fetch_response_topics *topic = NULL;
	struct offset_fetch_response_group *r = f->response;
	struct group_offset *o;
	size_t count = 0;

	MAP_FOREACH(&g->offsets, o, struct group_offset, node)
		if (group_offset_shown(g, o))
			all[count++] = o;
	if (count)
		qsort(all, count, sizeof(struct group_offset *), fetch_order);
	r->topics = arena_array(arena, count + 1, sizeof(*r->topics));
	for (size_t i = 0; i < count; i++) {
		const struct group_offset_value *value = group_offset_shown(g, all[i]);

		if (!topic || !str_eq(topic->name, all[i]->topic)) {
			topic = &r->topics[r->topics_count++];
			topic->name = str_dup(arena, all[i]->topic);
			topic->topic_id = value->topic_id;
			topic->partitions =
				arena_array(arena, count - i, sizeof(*topic->partitions));
		}
		topic->partitions[topic->partitions_count].partition_index = all[i]->partition;
		fetch_fill(arena, value, &topic->partitions[topic->partitions_count]);
		if (f->require_stable &&
		    group_txn_is_pending(g->gp, g->id, all[i]->topic, all[i]->partition))
			fetch_unstable(&topic->partitions[topic->partitions_count]);
		topic->partitions_count++;
	}
}

static void fetch_items(const struct group *g, struct offset_fetch_call *f)
{
	for (size_t i = 0; i < f->item_count; i++) {
		struct offset_fetch_item *item = &f->items[i];
		const struct group_offset_value *value = NULL;

		if (g)
			value = group_offset_shown(
				g, group_offset(g, item->topic, item->out->partition_index));
		/* Committed for a topic of that name that is gone. */
		if (value && !uuid_is_zero(value->topic_id) && !uuid_is_zero(item->topic_id) &&
		    !uuid_eq(value->topic_id, item->topic_id))
			value = NULL;
		fetch_fill(f->call.arena, value, item->out);
		if (g && f->require_stable &&
		    group_txn_is_pending(g->gp, g->id, item->topic, item->out->partition_index))
			fetch_unstable(item->out);
	}
}

struct stable_fetch {
	struct offset_fetch_call *fetch;
	struct group_coordinator *gc;
};

static void fetch_answer(struct group_coordinator *gc, struct offset_fetch_call *f,
			 enum kafka_error error)
{
	struct group_partition *gp = group_partition_of(gc, f->call.partition, &error);
	struct group *g = gp ? group_find(gp, f->group_id) : NULL;

	if (error == KERR_COORDINATOR_NOT_AVAILABLE && !gc->is_stopped)
		error = KERR_NOT_COORDINATOR;
	f->response->error_code = (int16_t)error;
	if (error == KERR_NONE && f->wants_all && g)
		fetch_all(g, f);
	else if (error == KERR_NONE && !f->wants_all)
		fetch_items(g, f);
	f->call.done(&f->call);
}

static void fetch_stable(void *arg, enum kafka_error error)
{
	struct stable_fetch *s = arg;

	fetch_answer(s->gc, s->fetch, error);
}

void group_offset_fetch(struct group_coordinator *gc, struct offset_fetch_call *f)
{
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, f->call.partition, &error);

	if (gp && f->require_stable) {
		/* Behind every write before it. */
		struct stable_fetch *s = arena_zalloc(f->call.arena, sizeof(*s));

		*s = (struct stable_fetch){f, gc};
		group_wait_committed(gp, gp->required_offset, fetch_stable, s);
		return;
	}
	fetch_answer(gc, f, error);
}

/* ---- OffsetDelete ---- */

static void offset_delete_written(void *arg, enum kafka_error error)
{
	struct offset_delete_call *d = arg;

	*d->error_code = (int16_t)error;
	d->call.done(&d->call);
}

static enum kafka_error offset_delete_error(const struct group *g)
{
	bool is_consumer;

	if (!g)
		return KERR_GROUP_ID_NOT_FOUND;
	is_consumer = g->protocol_type && strcmp(g->protocol_type, "consumer") == 0;
	return g->state != GROUP_EMPTY && !is_consumer ? KERR_NON_EMPTY_GROUP : KERR_NONE;
}

/* Which of the items go: the others say why not. */
static void offset_delete_choose(const struct group *g, struct offset_delete_call *d,
				 struct group_write *w)
{
	struct str *topics;
	size_t count;
	bool known = group_subscriptions(g, d->call.arena, &topics, &count);

	for (size_t i = 0; i < d->item_count; i++) {
		struct offset_delete_item *item = &d->items[i];

		if (!known || group_is_subscribed(topics, count, item->topic)) {
			*item->error_code = KERR_GROUP_SUBSCRIBED_TO_TOPIC;
			continue;
		}
		*item->error_code = KERR_NONE;
		if (group_offset(g, item->topic, item->partition) ||
		    group_txn_is_pending(g->gp, g->id, item->topic, item->partition))
			group_write_offset_tombstone(w, g->id, item->topic, item->partition);
	}
}

void group_offset_delete(struct group_coordinator *gc, struct offset_delete_call *d)
{
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, d->call.partition, &error);
	struct group *g = gp ? group_find(gp, d->group_id) : NULL;
	int64_t required_offset = 0;
	struct group_write w;

	if (!gc->is_stopped && d->group_id.len == 0)
		error = KERR_INVALID_GROUP_ID;
	else if (gp)
		error = offset_delete_error(g);
	if (error == KERR_NONE && d->item_count == 0) {
		offset_delete_written(d, error);
		return;
	}
	if (error == KERR_NONE) {
		group_write_begin(&w, gp);
		offset_delete_choose(g, d, &w);
		error = group_write_append(&w, &required_offset);
	}
	if (error != KERR_NONE) {
		offset_delete_written(d, error);
		return;
	}
	for (size_t i = 0; i < d->item_count; i++) {
		const struct offset_delete_item *item = &d->items[i];
		struct group_offset *o = group_offset(g, item->topic, item->partition);

		if (*item->error_code != KERR_NONE)
			continue;
		group_txn_forget(gp, g->id, item->topic, item->partition);
		if (o)
			group_offset_remove(g, o);
	}
	group_wait_committed(gp, required_offset, offset_delete_written, d);
}
