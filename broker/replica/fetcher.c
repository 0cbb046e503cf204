#include "replica/fetcher.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"

#include <stdio.h>
#include <string.h>

/* The first wait after a failure; it doubles up to replica.fetch.backoff.ms. Most failures are
 * about a new leader that has not heard of it yet. */
#define BACKOFF_MS_MIN 10

/* When partitions come to a fetcher whose request waits at the leader, the request is given up for
 * one that has them, but not more often than this. */
#define REPLACE_MS_MIN 1000

static void fetcher_turn(struct fetcher *f);
static void fetcher_replace_request(struct fetcher *f);

/* ---- Fetchers -------------------------------------------------------------------------------- */

static void fetcher_timer(struct timer *timer, struct shard *on UNUSED)
{
	struct fetcher *f = CONTAINER_OF(timer, struct fetcher, timer);

	fetcher_turn(f);
	fetcher_replace_request(f);
}

static struct fetcher *fetcher_new(struct replica_set *set, int32_t leader_id, unsigned number)
{
	struct fetcher *f = xcalloc(1, sizeof(*f));

	f->set = set;
	f->leader_id = leader_id;
	f->number = number;
	list_init(&f->partitions);
	list_init(&f->changed);
	f->timer.fire = fetcher_timer;
	arena_init(&f->arena);
	list_push_back(&set->fetchers, &f->link);
	return f;
}

/* Gives up the connection, with what is under way. */
static void fetcher_disconnect(struct fetcher *f)
{
	if (f->is_busy)
		channel_cancel(&f->request);
	f->is_busy = false;
	channel_free(f->channel);
	f->channel = NULL;
	free(f->host);
	f->host = NULL;
	fetcher_end_session(f, false);
}

static void fetcher_free(struct fetcher *f)
{
	assert(list_empty(&f->partitions));
	fetcher_disconnect(f);
	shard_timer_stop(f->set->options.shard, &f->timer);
	list_remove(&f->link);
	free(f->forgotten);
	arena_fini(&f->arena);
	free(f);
}

/* num.replica.fetchers is for a whole broker; each shard has its part of the partitions already. */
static unsigned fetchers_per_leader(const struct replica_set *set)
{
	unsigned count = (unsigned)config_i64(set->config, CONFIG_NUM_REPLICA_FETCHERS);
	unsigned set_count = MAX(set->options.set_count, 1u);

	return MAX((count + set_count - 1) / set_count, 1u);
}

static struct fetcher *fetcher_for(const struct partition *p)
{
	struct replica_set *set = p->set;
	unsigned set_count = MAX(set->options.set_count, 1u);
	unsigned number = (unsigned)p->index / set_count % fetchers_per_leader(set);
	struct fetcher *f;

	LIST_FOREACH (&set->fetchers, f, struct fetcher, link)
		if (f->leader_id == p->leader_id && f->number == number)
			return f;
	return fetcher_new(set, p->leader_id, number);
}

int64_t fetcher_backoff_ms(const struct fetcher *f, unsigned failure_count)
{
	int64_t max_ms = config_i64(f->set->config, CONFIG_REPLICA_FETCH_BACKOFF_MS);

	return MIN((int64_t)BACKOFF_MS_MIN << MIN(failure_count, 20u), max_ms);
}

/* ---- Partitions ------------------------------------------------------------------------------ */

void follow_touch(struct partition *p)
{
	struct follow *w = &p->follow;

	if (w->fetcher && !list_linked(&w->changed))
		list_push_back(&w->fetcher->changed, &w->changed);
}

void follow_delay(struct partition *p)
{
	struct follow *w = &p->follow;

	w->delayed_until_ms =
		replica_now_ms(p->set) + fetcher_backoff_ms(w->fetcher, w->failure_count++);
	follow_touch(p);
}

void follow_stop(struct partition *p)
{
	struct follow *w = &p->follow;
	struct fetcher *f = w->fetcher;

	if (!f)
		return;
	if (w->is_asked) {
		f->asked_count--;
		f->forgotten = grow_array(f->forgotten, f->forgotten_count, &f->forgotten_cap,
					  sizeof(*f->forgotten));
		f->forgotten[f->forgotten_count++] =
			(struct fetcher_forgotten){p->topic_id, p->index};
	}
	list_remove(&w->link);
	list_remove(&w->changed);
	f->partition_count--;
	*w = (struct follow){.lag = -1};
}

/* A log that says nothing of leader epochs cannot be compared with the leader's: only what is known
 * to be committed is kept. Such are message sets of old formats. */
static void follow_check_epochs(struct partition *p)
{
	struct err err = {0};
	int rc = 0;

	if ((log_latest_epoch(p->log) < 0 || FAULT(cut_to_high_watermark)) &&
	    log_end_offset(p->log) > log_high_watermark(p->log)) {
		say_warn("%.*s-%d: without leader epochs, truncating to the high watermark",
			 STR(p->topic), p->index);
		rc = log_truncate_to(p->log, log_high_watermark(p->log), &err);
	}
	if (rc < 0)
		(void)partition_log_error(p, rc, &err);
}

static void follow_start(struct partition *p)
{
	struct follow *w = &p->follow;
	struct fetcher *f = fetcher_for(p);

	if (w->fetcher != f) {
		follow_stop(p);
		w->fetcher = f;
		list_push_back(&f->partitions, &w->link);
		f->partition_count++;
	}
	/* What was asked stays: the session at the leader has it. */
	w->state = FOLLOW_FETCHES;
	w->delayed_until_ms = 0;
	w->failure_count = 0;
	w->lag = -1;
	f->has_news = true;
	follow_touch(p);
	follow_check_epochs(p);
}

void follow_update(struct partition *p, bool is_new_epoch)
{
	const struct fetcher *f = p->follow.fetcher;

	if (!p->set->options.shard)
		return;
	if (p->role != PARTITION_FOLLOWER || p->leader_id < 0 || p->set->is_closed)
		follow_stop(p);
	else if (is_new_epoch || !f || f->leader_id != p->leader_id)
		follow_start(p);
}

/* ---- The leader's endpoint ------------------------------------------------------------------- */

static void fetcher_connect(struct fetcher *f, const struct image_endpoint *endpoint,
			    const char *listener)
{
	char client_id[64];
	struct channel_options options = {
		.shard = f->set->options.shard,
		.host = endpoint->host,
		.port = endpoint->port,
		.listener = str_of(listener),
		.security_protocol = endpoint->security_protocol,
		.client_id = client_id,
	};

	snprintf(client_id, sizeof(client_id), "broker-%d-fetcher-%u", f->set->options.node_id,
		 f->number);
	f->host = xstrndup(endpoint->host.data, endpoint->host.len);
	f->port = endpoint->port;
	f->security_protocol = endpoint->security_protocol;
	f->channel = channel_new(&options);
	f->quiet_until_ms = 0;
	f->failure_count = 0;
}

static void fetcher_locate(struct fetcher *f)
{
	const struct image_broker *leader = image_broker(f->set->image, f->leader_id);
	const char *listener = config_inter_broker_listener(f->set->config);
	const struct image_endpoint *endpoint =
		leader ? image_broker_endpoint(leader, str_of(listener)) : NULL;

	if (f->channel && endpoint && str_is(endpoint->host, f->host) &&
	    endpoint->port == f->port && endpoint->security_protocol == f->security_protocol)
		return;
	if (f->channel)
		fetcher_disconnect(f);
	if (endpoint)
		fetcher_connect(f, endpoint, listener);
}

/* The request that waits at the leader does not ask for what came since: another one does, after a
 * while. The session goes with the connection, as its answer is not waited for. */
static void fetcher_replace_request(struct fetcher *f)
{
	int64_t now_ms = replica_now_ms(f->set);
	int64_t due_ms = MAX(f->sent_ms + BACKOFF_MS_MIN, f->replaced_ms + REPLACE_MS_MIN);

	if (!f->is_busy || !f->has_news)
		return;
	if (now_ms < due_ms) {
		shard_timer_start(f->set->options.shard, &f->timer, due_ms - now_ms);
		return;
	}
	f->replaced_ms = now_ms;
	fetcher_disconnect(f);
	fetcher_locate(f);
	fetcher_turn(f);
}

void fetchers_apply(struct replica_set *set)
{
	struct fetcher *f;

	LIST_FOREACH (&set->fetchers, f, struct fetcher, link) {
		if (f->partition_count == 0) {
			fetcher_free(f);
			continue;
		}
		fetcher_locate(f);
		fetcher_turn(f);
		fetcher_replace_request(f);
	}
}

void fetchers_free(struct replica_set *set)
{
	struct fetcher *f;

	REPLICA_SET_FOREACH (set, p)
		follow_stop(p);
	LIST_FOREACH (&set->fetchers, f, struct fetcher, link)
		fetcher_free(f);
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void fetcher_failed(struct fetcher *f)
{
	f->quiet_until_ms = replica_now_ms(f->set) + fetcher_backoff_ms(f, f->failure_count++);
}

static void fetcher_answered(struct channel_request *rq, int rc, const struct err *err)
{
	struct fetcher *f = CONTAINER_OF(rq, struct fetcher, request);
	struct replica_set *set = f->set;
	bool is_fetch = rq->api == API_FETCH;

	f->is_busy = false;
	replica_set_enter(set);
	if (rc < 0) {
		if (f->failure_count == 0)
			say_info("fetching from broker %d: %s", f->leader_id, err_message(err));
		fetcher_end_session(f, false);
		fetcher_failed(f);
	} else if (is_fetch) {
		if (fetcher_take_fetch(f, rq->response))
			f->failure_count = 0;
		else
			fetcher_failed(f);
	} else {
		fetcher_take_list_offsets(f, rq->response);
	}
	replica_set_leave(set);
	fetcher_turn(f);
}

static void fetcher_send(struct fetcher *f, enum api_key api, const void *body)
{
	const struct config *c = f->set->config;
	int version = image_metadata_version(f->set->image);

	f->request = (struct channel_request){
		.api = api,
		.body = body,
		.version_min = api == API_FETCH ? 13 : 7,
		.version_max = api == API_FETCH ? fetcher_fetch_version(version)
						: fetcher_list_offsets_version(version),
		.timeout_ms = config_i64(c, CONFIG_REPLICA_SOCKET_TIMEOUT_MS) +
			      config_i64(c, CONFIG_REPLICA_FETCH_WAIT_MAX_MS),
		.done = fetcher_answered,
		.owner = f,
	};
	f->is_busy = true;
	f->has_news = false;
	f->sent_ms = replica_now_ms(f->set);
	channel_send(f->channel, &f->request);
}

/* Sends what is to be sent, or waits for when that is. */
static void fetcher_turn(struct fetcher *f)
{
	struct shard *shard = f->set->options.shard;
	int64_t now_ms = replica_now_ms(f->set), wait_ms;
	const void *body;

	shard_timer_stop(shard, &f->timer);
	if (f->is_busy || !f->channel || f->partition_count == 0)
		return;
	if (now_ms < f->quiet_until_ms) {
		shard_timer_start(shard, &f->timer, f->quiet_until_ms - now_ms);
		return;
	}
	arena_reset(&f->arena);
	body = fetcher_list_offsets(f);
	if (body) {
		fetcher_send(f, API_LIST_OFFSETS, body);
		return;
	}
	body = fetcher_fetch(f, &wait_ms);
	if (body)
		fetcher_send(f, API_FETCH, body);
	else if (wait_ms < INT64_MAX)
		shard_timer_start(shard, &f->timer, MAX(wait_ms, 1));
}
