/* What a fetcher asks its leader for. */
#include "base/mem.h"
#include "metadata/features.h"
#include "replica/fetcher.h"
#include "wire/codec.h"

/* ---- Versions: the finalized metadata.version says them, not what the two nodes could do -------
 */

int16_t fetcher_fetch_version(int metadata_version)
{
	if (metadata_version >= METADATA_4_1_IV1)
		return 18;
	if (metadata_version >= METADATA_3_9_IV0)
		return 17;
	if (metadata_version >= METADATA_3_7_IV4)
		return 16;
	if (metadata_version >= METADATA_3_5_IV1)
		return 15;
	return metadata_version >= METADATA_3_5_IV0 ? 14 : 13;
}

int16_t fetcher_list_offsets_version(int metadata_version)
{
	if (metadata_version >= METADATA_4_2_IV1)
		return 11;
	if (metadata_version >= METADATA_4_0_IV3)
		return 10;
	if (metadata_version >= METADATA_3_9_IV0)
		return 9;
	return metadata_version >= METADATA_3_5_IV0 ? 8 : 7;
}

/* ---- Sessions -------------------------------------------------------------------------------- */

void fetcher_end_session(struct fetcher *f, bool is_lost)
{
	struct partition *p;

	/* A request with the id and epoch 0 ends the old session and begins a new one. */
	if (is_lost)
		f->session_id = 0;
	f->session_epoch = 0;
	f->forgotten_count = 0;
	f->asked_count = 0;
	LIST_FOREACH (&f->partitions, p, struct partition, follow.link) {
		p->follow.is_asked = false;
		follow_touch(p);
	}
}

/* ---- Fetch ----------------------------------------------------------------------------------- */

static bool follow_may_be_held(const struct partition *p)
{
	return p->is_follower_throttled && p->follow.lag != 0;
}

/* Whether a Fetch asks for it now; else *wait_ms is lowered to when it may, if time decides that.
 * What is throttled goes on while it is in sync: it belongs to the records being written. */
static bool follow_is_due(const struct partition *p, int64_t now_us, int64_t *wait_ms)
{
	const struct follow *w = &p->follow;
	struct replica_set *set = p->set;
	int64_t now_ms = now_us / 1000, throttled_us = 0;

	if (!p->log || w->state == FOLLOW_FAILED)
		return false;
	if (w->delayed_until_ms > now_ms) {
		*wait_ms = MIN(*wait_ms, w->delayed_until_ms - now_ms);
		return false;
	}
	if (w->state != FOLLOW_FETCHES)
		return false;
	if (follow_may_be_held(p))
		throttled_us = throttle_wait_us(&set->throttles->follower, now_us);
	if (throttled_us == 0)
		return true;
	*wait_ms = MIN(*wait_ms, throttled_us / 1000 + 1);
	return false;
}

static bool follow_is_news(const struct partition *p)
{
	const struct follow *w = &p->follow;

	return !w->is_asked || w->asked_offset != log_end_offset(p->log) ||
	       w->asked_leader_epoch != p->leader_epoch ||
	       w->asked_last_epoch != log_latest_epoch(p->log) ||
	       w->asked_log_start_offset != log_start_offset(p->log) ||
	       w->asked_high_watermark != log_high_watermark(p->log);
}

static void follow_ask(struct partition *p, struct fetch_request_partition *out)
{
	struct follow *w = &p->follow;

	w->fetcher->asked_count += !w->is_asked;
	w->is_asked = true;
	w->asked_offset = log_end_offset(p->log);
	w->asked_leader_epoch = p->leader_epoch;
	w->asked_last_epoch = log_latest_epoch(p->log);
	w->asked_log_start_offset = log_start_offset(p->log);
	w->asked_high_watermark = log_high_watermark(p->log);
	WIRE_INIT(fetch_request_partition, out);
	out->partition = p->index;
	out->current_leader_epoch = w->asked_leader_epoch;
	out->fetch_offset = w->asked_offset;
	out->last_fetched_epoch = w->asked_last_epoch;
	out->log_start_offset = w->asked_log_start_offset;
	out->partition_max_bytes = config_i32(p->set->config, CONFIG_REPLICA_FETCH_MAX_BYTES);
	/* A leader of our kind answers when it has a higher one, without records if need be. */
	out->high_watermark = w->asked_high_watermark;
}

/* Partitions of one topic that follow each other in the list share an entry. */
static struct fetch_request_partition *fetch_add(struct fetch_request *request,
						 struct fetch_request_partition *partitions,
						 struct uuid topic_id)
{
	struct fetch_request_topic *topic = &request->topics[request->topics_count - 1];

	if (request->topics_count == 0 || !uuid_eq(topic->topic_id, topic_id)) {
		struct fetch_request_partition *at =
			request->topics_count ? topic->partitions + topic->partitions_count
					      : partitions;

		topic = &request->topics[request->topics_count++];
		topic->topic_id = topic_id;
		topic->partitions = at;
	}
	return &topic->partitions[topic->partitions_count++];
}

static void fetch_forget(struct fetcher *f, struct fetch_request *request)
{
	int32_t *indexes = arena_array(&f->arena, f->forgotten_count, sizeof(*indexes));

	request->forgotten_topics_data =
		WIRE_ARRAY(&f->arena, fetch_request_forgotten_topic, f->forgotten_count);
	request->forgotten_topics_data_count = (int32_t)f->forgotten_count;
	for (size_t i = 0; i < f->forgotten_count; i++) {
		struct fetch_request_forgotten_topic *topic = &request->forgotten_topics_data[i];

		indexes[i] = f->forgotten[i].index;
		topic->topic_id = f->forgotten[i].topic_id;
		topic->partitions = &indexes[i];
		topic->partitions_count = 1;
	}
	f->forgotten_count = 0;
}

static struct fetch_request *fetch_new(struct fetcher *f)
{
	const struct replica_set *set = f->set;
	const struct config *c = set->config;
	const struct image_broker *self = image_broker(set->image, set->options.node_id);
	struct fetch_request *request = WIRE_NEW(&f->arena, fetch_request);

	/* Up to version 14 the one field, from 15 on the other. */
	if (fetcher_fetch_version(image_metadata_version(set->image)) < 15) {
		request->replica_id = set->options.node_id;
	} else {
		request->replica_state.replica_id = set->options.node_id;
		request->replica_state.replica_epoch = self ? self->epoch : -1;
	}
	request->max_wait_ms = config_i32(c, CONFIG_REPLICA_FETCH_WAIT_MAX_MS);
	request->min_bytes = config_i32(c, CONFIG_REPLICA_FETCH_MIN_BYTES);
	request->max_bytes = config_i32(c, CONFIG_REPLICA_FETCH_RESPONSE_MAX_BYTES);
	request->session_id = f->session_id;
	request->session_epoch = f->session_epoch;
	return request;
}

static void follow_forget(struct partition *p)
{
	struct fetcher *f = p->follow.fetcher;

	if (!p->follow.is_asked)
		return;
	p->follow.is_asked = false;
	f->asked_count--;
	f->forgotten = grow_array(f->forgotten, f->forgotten_count, &f->forgotten_cap,
				  sizeof(*f->forgotten));
	f->forgotten[f->forgotten_count++] = (struct fetcher_forgotten){p->topic_id, p->index};
}

static unsigned fetcher_changed_count(const struct fetcher *f)
{
	unsigned count = 0;

	for (const struct list_node *n = f->changed.next; n != &f->changed; n = n->next)
		count++;
	return count;
}

struct fetch_request *fetcher_fetch(struct fetcher *f, int64_t *wait_ms)
{
	struct fetch_request *request = fetch_new(f);
	unsigned changed_count = fetcher_changed_count(f);
	struct fetch_request_partition *partitions =
		arena_array(&f->arena, changed_count, sizeof(*partitions));
	int64_t now_us = env_mono_us(f->set->options.env);
	struct partition *p;

	*wait_ms = INT64_MAX;
	request->topics = WIRE_ARRAY(&f->arena, fetch_request_topic, changed_count);
	LIST_FOREACH (&f->changed, p, struct partition, follow.changed) {
		if (!follow_is_due(p, now_us, wait_ms)) {
			follow_forget(p); /* looked at again each time, as its time may come */
			continue;
		}
		if (follow_is_news(p))
			follow_ask(p, fetch_add(request, partitions, p->topic_id));
		if (!follow_may_be_held(p))
			list_remove(&p->follow.changed);
	}
	if (f->asked_count == 0) {
		/* An empty session is of no use: the next request begins another. */
		fetcher_end_session(f, false);
		return NULL;
	}
	if (f->session_epoch != 0)
		fetch_forget(f, request);
	f->forgotten_count = 0;
	return request;
}

/* ---- ListOffsets ----------------------------------------------------------------------------- */

static bool follow_asks(const struct partition *p)
{
	return p->log &&
	       (p->follow.state == FOLLOW_ASKS_END || p->follow.state == FOLLOW_ASKS_START) &&
	       p->follow.delayed_until_ms <= replica_now_ms(p->set);
}

struct list_offsets_request *fetcher_list_offsets(struct fetcher *f)
{
	struct list_offsets_request *request;
	struct partition *p;
	unsigned count = 0;

	LIST_FOREACH (&f->changed, p, struct partition, follow.changed)
		count += follow_asks(p);
	if (count == 0)
		return NULL;
	request = WIRE_NEW(&f->arena, list_offsets_request);
	request->replica_id = f->set->options.node_id;
	request->timeout_ms = config_i32(f->set->config, CONFIG_REPLICA_SOCKET_TIMEOUT_MS);
	request->topics = WIRE_ARRAY(&f->arena, list_offsets_request_topic, count);
	LIST_FOREACH (&f->changed, p, struct partition, follow.changed) {
		struct list_offsets_request_topic *topic;

		if (!follow_asks(p))
			continue;
		topic = &request->topics[request->topics_count++];
		topic->name = str_dup(&f->arena, p->topic);
		topic->partitions_count = 1;
		topic->partitions = WIRE_NEW(&f->arena, list_offsets_request_partition);
		topic->partitions->partition_index = p->index;
		topic->partitions->current_leader_epoch = p->leader_epoch;
		topic->partitions->timestamp =
			p->follow.state == FOLLOW_ASKS_END ? LIST_LATEST : LIST_EARLIEST;
		p->follow.asked_leader_epoch = p->leader_epoch;
		p->follow.asked_offset = log_end_offset(p->log);
	}
	return request;
}
