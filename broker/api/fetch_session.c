#include "api/fetch_session.h"

#include "base/mem.h"

struct fetch_sessions {
	struct map by_id;
	struct list_node lru;
	struct list_node removed; /* but held still */
	unsigned slot_max, shard, shard_count;
	void (*drop)(struct fetch_watch *w);
};

static void session_free(struct fetch_session *s);

struct fetch_sessions *fetch_sessions_new(unsigned slot_max, unsigned shard, unsigned shard_count,
					  void (*drop)(struct fetch_watch *w))
{
	struct fetch_sessions *c = xcalloc(1, sizeof(*c));

	assert(shard < shard_count);
	map_init(&c->by_id);
	list_init(&c->lru);
	list_init(&c->removed);
	c->drop = drop;
	c->slot_max = slot_max;
	c->shard = shard;
	c->shard_count = shard_count;
	return c;
}

void fetch_sessions_free(struct fetch_sessions *c)
{
	struct fetch_session *s;

	if (!c)
		return;
	c->drop = fetch_watch_free;
	while (!list_empty(&c->lru))
		fetch_sessions_remove(c, LIST_FIRST(&c->lru, struct fetch_session, link));
	LIST_FOREACH (&c->removed, s, struct fetch_session, link)
		session_free(s);
	map_fini(&c->by_id);
	free(c);
}

unsigned fetch_sessions_count(const struct fetch_sessions *c)
{
	return (unsigned)c->by_id.count;
}

struct fetch_session *fetch_sessions_find(struct fetch_sessions *c, int32_t id)
{
	struct map_node *node = map_get(&c->by_id, &id, sizeof(id));

	return node ? CONTAINER_OF(node, struct fetch_session, node) : NULL;
}

/* Partitions that a watch has go with it. */
static void session_free(struct fetch_session *s)
{
	struct session_partition *p;

	LIST_FOREACH (&s->order, p, struct session_partition, link) {
		map_remove(&s->partitions, &p->node);
		list_remove(&p->link);
		list_remove(&p->asked);
		if (!p->watch)
			free(p);
	}
	LIST_FOREACH (&s->released, p, struct session_partition, asked)
		list_remove(&p->asked);
	for (unsigned i = 0; s->watches && i < s->cache->shard_count; i++)
		if (s->watches[i])
			s->cache->drop(s->watches[i]);
	free(s->watches);
	map_fini(&s->partitions);
	list_remove(&s->link);
	free(s);
}

void fetch_sessions_remove(struct fetch_sessions *c, struct fetch_session *s)
{
	if (s->is_removed)
		return;
	map_remove(&c->by_id, &s->node);
	list_remove(&s->link);
	s->is_removed = true;
	if (s->holder)
		list_push_back(&c->removed, &s->link);
	else
		session_free(s);
}

void fetch_session_let_go(struct fetch_session *s)
{
	s->holder = NULL;
	if (s->is_removed && list_empty(&s->queue))
		session_free(s);
}

/* Followers before consumers, then who has more partitions. */
static bool session_is_worth_more(bool a_privileged, unsigned a_count,
				  const struct fetch_session *b)
{
	if (a_privileged != b->is_privileged)
		return a_privileged;
	return a_count > b->partitions.count;
}

/* Makes room for a session of that worth; false if nobody has to give way to it. */
static bool sessions_make_room(struct fetch_sessions *c, bool is_privileged,
			       unsigned partition_count, int64_t now_ms)
{
	struct fetch_session *s, *worst = NULL;

	if (c->slot_max == 0)
		return false;
	if (c->by_id.count < c->slot_max)
		return true;
	s = LIST_FIRST(&c->lru, struct fetch_session, link);
	if (now_ms - s->last_used_ms > FETCH_SESSION_EVICTION_MS) {
		fetch_sessions_remove(c, s);
		return true;
	}
	/* Younger ones only give way to what is worth more: a consumer's session to a follower's
	 * at any time, to its like after it has had its time. */
	LIST_FOREACH (&c->lru, s, struct fetch_session, link) {
		bool had_time = now_ms - s->created_ms > FETCH_SESSION_EVICTION_MS;

		if (!had_time && !(is_privileged && !s->is_privileged))
			continue;
		if (!worst || session_is_worth_more(worst->is_privileged,
						    (unsigned)worst->partitions.count, s))
			worst = s;
	}
	if (!worst || !session_is_worth_more(is_privileged, partition_count, worst))
		return false;
	fetch_sessions_remove(c, worst);
	return true;
}

/* A free id > 0 of this shard. */
static int32_t sessions_new_id(struct fetch_sessions *c, uint32_t random)
{
	uint32_t slots = (uint32_t)INT32_MAX / c->shard_count;
	int32_t id;

	do {
		/* Remainder `shard`, never 0, never above INT32_MAX. */
		random = random % (slots - 1) + 1;
		id = (int32_t)(random * c->shard_count + c->shard);
		random++;
	} while (id <= 0 || fetch_sessions_find(c, id));
	return id;
}

struct fetch_session *fetch_sessions_create(struct fetch_sessions *c, uint32_t random,
					    bool is_privileged, bool uses_topic_ids,
					    unsigned partition_count, int64_t now_ms)
{
	struct fetch_session *s;

	if (!sessions_make_room(c, is_privileged, partition_count, now_ms))
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->id = sessions_new_id(c, random);
	s->epoch = 1;
	s->is_privileged = is_privileged;
	s->uses_topic_ids = uses_topic_ids;
	s->created_ms = s->last_used_ms = now_ms;
	map_init(&s->partitions);
	list_init(&s->order);
	list_init(&s->asked);
	list_init(&s->released);
	list_init(&s->queue);
	s->cache = c;
	map_put(&c->by_id, &s->node, &s->id, sizeof(s->id));
	list_push_back(&c->lru, &s->link);
	return s;
}

struct fetch_session *fetch_sessions_use(struct fetch_sessions *c, int32_t id, int32_t epoch,
					 bool uses_topic_ids, int64_t now_ms,
					 enum kafka_error *error)
{
	struct fetch_session *s = fetch_sessions_find(c, id);

	*error = KERR_NONE;
	if (!s)
		*error = KERR_FETCH_SESSION_ID_NOT_FOUND;
	else if (s->epoch != epoch)
		*error = KERR_INVALID_FETCH_SESSION_EPOCH;
	else if (s->uses_topic_ids != uses_topic_ids)
		*error = KERR_FETCH_SESSION_TOPIC_ID_ERROR;
	if (*error != KERR_NONE)
		return NULL;
	s->epoch = fetch_session_next_epoch(s->epoch);
	s->last_used_ms = now_ms;
	list_remove(&s->link);
	list_push_back(&c->lru, &s->link);
	return s;
}

/* ---- Partitions ------------------------------------------------------------------------------ */

#define SESSION_NAME_MAX 32767 /* a string of the protocol */

/* The key of a partition: a topic id (or name) and the index. Returns its length. */
static size_t session_key(const struct fetch_session *s, struct uuid topic_id, struct str topic,
			  int32_t index, char *key)
{
	const void *name = s->uses_topic_ids ? (const void *)topic_id.bytes : topic.data;
	size_t len = s->uses_topic_ids ? sizeof(topic_id.bytes) : topic.len;

	if (len > 0)
		memcpy(key, name, len);
	memcpy(key + len, &index, sizeof(index));
	return len + sizeof(index);
}

struct session_partition *fetch_session_get(struct fetch_session *s, struct uuid topic_id,
					    struct str topic, int32_t index)
{
	char key[SESSION_NAME_MAX + sizeof(index)];
	struct map_node *node;

	assert(topic.len <= SESSION_NAME_MAX);
	node = map_get(&s->partitions, key, session_key(s, topic_id, topic, index, key));
	return node ? CONTAINER_OF(node, struct session_partition, node) : NULL;
}

struct session_partition *fetch_session_put(struct fetch_session *s, struct uuid topic_id,
					    struct str topic, int32_t index)
{
	struct session_partition *p = fetch_session_get(s, topic_id, topic, index);
	size_t name_len = s->uses_topic_ids ? sizeof(topic_id.bytes) : topic.len;

	if (p)
		return p;
	p = xcalloc(1, sizeof(*p) + name_len + sizeof(index));
	p->key_len = session_key(s, topic_id, topic, index, p->key);
	p->index = index;
	p->high_watermark = -1;
	p->log_start_offset = -1;
	if (s->uses_topic_ids)
		p->topic_id = topic_id;
	else
		p->topic = (struct str){p->key, topic.len};
	map_put(&s->partitions, &p->node, p->key, p->key_len);
	list_push_back(&s->order, &p->link);
	p->turn = ++s->turn;
	return p;
}

void fetch_session_forget(struct fetch_session *s, struct uuid topic_id, struct str topic,
			  int32_t index)
{
	struct session_partition *p = fetch_session_get(s, topic_id, topic, index);

	if (!p)
		return;
	map_remove(&s->partitions, &p->node);
	list_remove(&p->link);
	list_remove(&p->asked);
	if (!p->watch) {
		free(p);
		return;
	}
	p->watch->count--;
	list_push_back(&s->released, &p->asked);
}

void fetch_session_ask(struct fetch_session *s, struct session_partition *p)
{
	if (s->uses_topic_ids && !list_linked(&p->asked))
		list_push_back(&s->asked, &p->asked);
}

void fetch_session_to_end(struct fetch_session *s, struct session_partition *p)
{
	list_remove(&p->link);
	list_push_back(&s->order, &p->link);
	p->turn = ++s->turn;
}

/* ---- Watches --------------------------------------------------------------------------------- */

struct fetch_watch *fetch_session_watch(struct fetch_session *s, struct shard *on)
{
	struct fetch_watch *w;

	if (!s->watches)
		s->watches = xcalloc(s->cache->shard_count, sizeof(struct fetch_watch *));
	w = s->watches[on->index];
	if (w)
		return w;
	w = xcalloc(1, sizeof(*w));
	w->on = on;
	w->replica_id = -1;
	list_init(&w->joined);
	list_init(&w->changed);
	s->watches[on->index] = w;
	return w;
}

void fetch_watch_free(struct fetch_watch *w)
{
	struct session_partition *p;

	assert(!w->part);
	LIST_FOREACH (&w->joined, p, struct session_partition, joined) {
		list_remove(&p->waiter.link);
		free(p);
	}
	free(w);
}
