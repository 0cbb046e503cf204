/* Broken here: followers whose logs are not their leader's, byte for byte; acknowledged records cut
 * off; followers that stop following. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WORLD_HAS_CHANNELS
#define WORLD_HAS_SHARDS
#include "base/heap.h"
#include "replica/fetcher.h"
#include "unit/broker/replica/world.h"
#include "wire/codec.h"

/* ---- A leader that says what the test says --------------------------------------------------- */

struct channel {
	struct list_node link;
	uint16_t port;
	struct channel_request *request; /* the one under way */
	struct arena arena;              /* of the copy */
	void *body;
};

static struct shard test_shard;
static struct heap test_timers;
static struct list_node test_channels;

void shard_timer_start(struct shard *on UNUSED, struct timer *timer, int64_t delay_ms)
{
	heap_remove(&test_timers, &timer->node);
	heap_push(&test_timers, &timer->node, world_now_ms + delay_ms);
}

void shard_timer_stop(struct shard *on UNUSED, struct timer *timer)
{
	heap_remove(&test_timers, &timer->node);
}

struct channel *channel_new(const struct channel_options *options)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	assert_string_equal(options->client_id, "broker-1-fetcher-0");
	c->port = options->port;
	arena_init(&c->arena);
	list_push_back(&test_channels, &c->link);
	return c;
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	assert_null(c->request);
	list_remove(&c->link);
	arena_fini(&c->arena);
	free(c);
}

void channel_send(struct channel *c, struct channel_request *rq)
{
	assert_null(c->request);
	arena_reset(&c->arena);
	rq->channel = c;
	c->request = rq;
	c->body = message_copy(api_by_key(rq->api)->request, &c->arena, rq->body);
}

void channel_cancel(struct channel_request *rq)
{
	if (rq->channel)
		rq->channel->request = NULL;
	rq->channel = NULL;
}

static struct channel *channel_to(uint16_t port)
{
	struct channel *c;

	LIST_FOREACH (&test_channels, c, struct channel, link)
		if (c->port == port)
			return c;
	return NULL;
}

static void answer(struct channel *c, int rc, const void *response)
{
	struct channel_request *rq = c->request;
	struct err err = {0};

	assert_non_null(rq);
	c->request = NULL;
	rq->channel = NULL;
	rq->version = rq->version_max;
	rq->response = response;
	if (rc < 0)
		err_set(&err, rc, "the test says so");
	rq->done(rq, rc, &err);
}

static void let_time_pass(struct world *w UNUSED, int64_t ms)
{
	int64_t end_ms = world_now_ms + ms;
	struct heap_node *top;

	while ((top = heap_top(&test_timers)) && top->when <= end_ms) {
		struct timer *timer = CONTAINER_OF(top, struct timer, node);

		world_now_ms = MAX(world_now_ms, top->when);
		heap_remove(&test_timers, top);
		timer->fire(timer, &test_shard);
	}
	world_now_ms = end_ms;
}

/* ---- The node -------------------------------------------------------------------------------- */

#define LEADER_2 9092
#define LEADER_3 9093

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	heap_init(&test_timers);
	list_init(&test_channels);
	world_init(w, 2, NULL, 0);
	world_stop(w, true);
	w->shard = &test_shard;
	world_start(w);
	world_broker(w, 1, 77, 9091);
	world_broker(w, 2, 78, LEADER_2);
	world_broker(w, 3, 79, LEADER_3);
	world_apply(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_fini(w);
	assert_null(heap_top(&test_timers));
	assert_true(list_empty(&test_channels));
	heap_fini(&test_timers);
	free(w);
	return 0;
}

/* "orders" with `count` partitions that broker 2 leads. */
static struct partition *orders(struct world *w, int count)
{
	world_topic(w, "orders", world_id(1));
	for (int i = 0; i < count; i++)
		world_partition(w, world_id(1), i, 2, 3);
	world_apply(w);
	return replica_set_find(w->set, world_id(1), 0);
}

/* A batch as a leader of that epoch would have it. */
static struct slice batch_at(int64_t offset, int32_t epoch, int count)
{
	struct slice batch = world_batch(count, 20, 1700000000000 + offset);
	uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data;

	put_be64(bytes, (uint64_t)offset);
	put_be32(bytes + 12, (uint32_t)epoch);
	return batch;
}

/* The only partition that a Fetch names, or NULL if it names none. */
static struct fetch_request_partition *asked(struct channel *c)
{
	struct fetch_request *request = c->body;

	assert_non_null(c->request);
	assert_int_equal(c->request->api, API_FETCH);
	if (request->topics_count == 0)
		return NULL;
	assert_int_equal(request->topics_count, 1);
	assert_int_equal(request->topics[0].partitions_count, 1);
	assert_true(uuid_eq(request->topics[0].topic_id, world_id(1)));
	return &request->topics[0].partitions[0];
}

struct reply {
	struct arena arena;
	struct fetch_response *response;
	struct fetch_response_partition_data *partition;
};

/* An answer about partition 0 with nothing in it. */
static struct reply reply_new(int32_t session_id)
{
	struct reply r = {0};

	arena_init(&r.arena);
	r.response = WIRE_NEW(&r.arena, fetch_response);
	r.response->session_id = session_id;
	r.response->responses_count = 1;
	r.response->responses = WIRE_NEW(&r.arena, fetch_response_fetchable_topic_response);
	r.response->responses->topic_id = world_id(1);
	r.response->responses->partitions_count = 1;
	r.partition = WIRE_NEW(&r.arena, fetch_response_partition_data);
	r.response->responses->partitions = r.partition;
	r.partition->log_start_offset = 0;
	return r;
}

static void reply_send(struct reply *r, struct channel *c)
{
	answer(c, 0, r->response);
	slice_unref(&r->partition->records);
	arena_fini(&r->arena);
}

static void reply_records(struct channel *c, struct slice records, int64_t high_watermark)
{
	struct reply r = reply_new(7);

	r.partition->records = records;
	r.partition->high_watermark = high_watermark;
	reply_send(&r, c);
}

static void reply_error(struct channel *c, enum kafka_error error)
{
	struct reply r = reply_new(7);

	r.partition->error_code = (int16_t)error;
	reply_send(&r, c);
}

static void reply_nothing(struct channel *c)
{
	struct reply r = reply_new(7);

	r.response->responses_count = 0;
	reply_send(&r, c);
}

static void reply_diverged(struct channel *c, int32_t epoch, int64_t end_offset)
{
	struct reply r = reply_new(7);

	r.partition->diverging_epoch.epoch = epoch;
	r.partition->diverging_epoch.end_offset = end_offset;
	r.partition->high_watermark = 1000;
	reply_send(&r, c);
}

static void lead(struct world *w, int32_t leader)
{
	world_lead(w, world_id(1), 0, leader);
	world_apply(w);
}

/* ---- Fetching -------------------------------------------------------------------------------- */

static void test_fetches_as_the_leader_has_it(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);
	struct fetch_request *request = c->body;
	struct slice sent = batch_at(0, 0, 5), kept = slice_ref(sent);
	uint8_t bytes[4096];
	char path[200];
	FILE *file;

	assert_int_equal(asked(c)->fetch_offset, 0);
	assert_int_equal(asked(c)->current_leader_epoch, 0);
	assert_int_equal(asked(c)->last_fetched_epoch, -1);
	assert_int_equal(asked(c)->partition_max_bytes, 1048576);
	assert_int_equal(request->session_id, 0);
	assert_int_equal(request->session_epoch, 0);
	assert_int_equal(request->replica_id, 1); /* metadata.version 0 here: Fetch v13 */
	assert_int_equal(c->request->version_max, 13);
	reply_records(c, sent, 3);
	assert_int_equal(partition_log_end_offset(p), 5);
	assert_int_equal(partition_high_watermark(p), 3);
	snprintf(path, sizeof(path), "%s/orders-0/00000000000000000000.log", w->paths[p->dir]);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), kept.len);
	fclose(file);
	assert_memory_equal(bytes, kept.data, kept.len);
	slice_unref(&kept);

	/* Only what changed is said in a session. */
	request = c->body;
	assert_int_equal(request->session_id, 7);
	assert_int_equal(request->session_epoch, 1);
	assert_int_equal(asked(c)->fetch_offset, 5);
	assert_int_equal(asked(c)->last_fetched_epoch, 0);
	reply_records(c, batch_at(5, 0, 1), 3);
	assert_int_equal(asked(c)->fetch_offset, 6);
	reply_nothing(c);
	request = c->body;
	assert_int_equal(request->session_epoch, 3);
	assert_null(asked(c));
}

static void test_keeps_what_is_committed(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	reply_records(c, batch_at(0, 0, 5), 5);
	assert_int_equal(partition_high_watermark(p), 5);
	lead(w, 3);
	c = channel_to(LEADER_3);
	assert_null(channel_to(LEADER_2));
	assert_int_equal(asked(c)->fetch_offset, 5);
	assert_int_equal(asked(c)->current_leader_epoch, 1);
	/* A new leader that has heard of less. */
	reply_records(c, batch_at(5, 1, 1), 2);
	assert_int_equal(partition_high_watermark(p), 5);
	assert_int_equal(partition_log_end_offset(p), 6);
	assert_int_equal(log_latest_epoch(p->log), 1);
}

static void test_follows_the_log_start(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);
	struct reply r = reply_new(7);

	r.partition->records = batch_at(0, 0, 5);
	r.partition->high_watermark = 5;
	r.partition->log_start_offset = 3;
	reply_send(&r, c);
	assert_int_equal(partition_log_start_offset(p), 3);
	assert_int_equal(asked(c)->log_start_offset, 3);
}

static void test_waits_for_metadata_of_newer_records(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	reply_records(c, batch_at(0, 1, 5), 5);
	assert_int_equal(partition_log_end_offset(p), 0);
	assert_null(c->request);
	lead(w, 2);
	assert_int_equal(asked(c)->current_leader_epoch, 1);
	reply_records(c, batch_at(0, 1, 5), 5);
	assert_int_equal(partition_log_end_offset(p), 5);
}

static void test_an_answer_to_another_question(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	lead(w, 2);
	/* Asked in epoch 0; by now the leader has epoch 1. */
	reply_records(c, batch_at(0, 0, 5), 5);
	assert_int_equal(partition_log_end_offset(p), 0);
	assert_int_equal(asked(c)->current_leader_epoch, 1);
}

static void test_damaged_records_come_again(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);
	struct slice bad = batch_at(0, 0, 5);

	((uint8_t *)(uintptr_t)bad.data)[bad.len - 1] ^= 1;
	reply_records(c, bad, 5);
	assert_int_equal(partition_log_end_offset(p), 0);
	assert_null(c->request);
	let_time_pass(w, 20);
	assert_int_equal(asked(c)->fetch_offset, 0);
	reply_records(c, batch_at(0, 0, 5), 5);
	assert_int_equal(partition_log_end_offset(p), 5);
}

/* ---- Where two histories part ---------------------------------------------------------------- */

/* Epochs 0 (0..4), 2 (5..9), 5 (10..14), as followed. */
static struct partition *with_history(struct world *w, struct channel **c)
{
	struct partition *p = orders(w, 1);

	*c = channel_to(LEADER_2);
	reply_records(*c, batch_at(0, 0, 5), 2);
	for (int i = 0; i < 5; i++)
		lead(w, 2);
	let_time_pass(w, 2000); /* the request of epoch 0 is given up */
	*c = channel_to(LEADER_2);
	assert_int_equal(asked(*c)->current_leader_epoch, 5);
	reply_records(*c, batch_at(5, 2, 5), 2);
	reply_records(*c, batch_at(10, 5, 5), 2);
	assert_int_equal(partition_log_end_offset(p), 15);
	assert_int_equal(asked(*c)->last_fetched_epoch, 5);
	return p;
}

static const struct {
	const char *name;
	int32_t epoch;
	int64_t end_offset;
	/* what follows */
	int64_t cut_at;
	int32_t last_epoch;
} divergences[] = {
	{"the leader's part of our last epoch is shorter", 5, 10, 10, 2},
	{"the leader never had our last epoch", 2, 10, 10, 2},
	{"it has less of the one before", 2, 5, 5, 0},
	{"it has more of the one before than we", 2, 40, 10, 2},
	{"it has an epoch that we lack: a step back", 4, 12, 10, 2},
	{"it has another epoch that we lack", 1, 7, 5, 0},
	{"all of it", 0, 0, 0, -1},
	{"its end is below our high watermark", 0, 1, 0, -1},
	{"its end is not known: nothing is cut", 5, -1, 15, 5},
};

static void test_cuts_where_histories_part(void **state)
{
	for (size_t i = 0; i < sizeof(divergences) / sizeof(divergences[0]); i++) {
		struct world *w = *state;
		struct channel *c;
		struct partition *p = with_history(w, &c);

		print_message("%s\n", divergences[i].name);
		reply_diverged(c, divergences[i].epoch, divergences[i].end_offset);
		assert_int_equal(partition_log_end_offset(p), divergences[i].cut_at);
		assert_int_equal(log_latest_epoch(p->log), divergences[i].last_epoch);
		assert_true(partition_high_watermark(p) <= 2);
		if (divergences[i].cut_at == 15) {
			assert_null(c->request); /* the same question is not asked at once */
			let_time_pass(w, 20);
		}
		assert_int_equal(asked(c)->fetch_offset, divergences[i].cut_at);
		assert_int_equal(asked(c)->last_fetched_epoch, divergences[i].last_epoch);
		teardown(state);
		setup(state);
	}
}

/* A leader of an epoch without records leaves nothing but the epoch itself. */
static void test_forgets_an_epoch_without_records(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	reply_records(c, batch_at(0, 0, 5), 2);
	lead(w, 1);
	assert_true(partition_is_leader(p));
	assert_int_equal(log_latest_epoch(p->log), 1);
	assert_null(channel_to(LEADER_2));
	lead(w, 3);
	c = channel_to(LEADER_3);
	assert_int_equal(asked(c)->last_fetched_epoch, 1);
	reply_diverged(c, 0, 8);
	assert_int_equal(partition_log_end_offset(p), 5);
	assert_int_equal(asked(c)->last_fetched_epoch, 0);
	reply_records(c, batch_at(5, 0, 3), 8);
	assert_int_equal(partition_log_end_offset(p), 8);
	assert_int_equal(partition_high_watermark(p), 8);
}

/* ---- Out of range ---------------------------------------------------------------------------- */

static void reply_offset(struct channel *c, int64_t timestamp, int64_t offset)
{
	const struct list_offsets_request *request = c->body;
	struct list_offsets_response_partition_response partition = {.offset = offset};
	struct list_offsets_response_topic_response topic = {
		.name = STR_LIT("orders"), .partitions = &partition, .partitions_count = 1};
	struct list_offsets_response response = {.topics = &topic, .topics_count = 1};

	assert_int_equal(c->request->api, API_LIST_OFFSETS);
	assert_int_equal(request->replica_id, 1);
	assert_int_equal(request->topics_count, 1);
	assert_int_equal(request->topics[0].partitions[0].timestamp, timestamp);
	answer(c, 0, &response);
}

static void test_a_leader_with_less(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	reply_records(c, batch_at(0, 0, 5), 2);
	reply_records(c, batch_at(5, 0, 5), 2);
	reply_error(c, KERR_OFFSET_OUT_OF_RANGE);
	reply_offset(c, LIST_LATEST, 5);
	assert_int_equal(partition_log_end_offset(p), 5);
	assert_int_equal(asked(c)->fetch_offset, 5);
}

static void test_a_leader_that_starts_later(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	reply_records(c, batch_at(0, 0, 5), 5);
	reply_error(c, KERR_OFFSET_OUT_OF_RANGE);
	reply_offset(c, LIST_LATEST, 100);
	reply_offset(c, LIST_EARLIEST, 50);
	assert_int_equal(partition_log_start_offset(p), 50);
	assert_int_equal(partition_log_end_offset(p), 50);
	assert_int_equal(asked(c)->fetch_offset, 50);
	reply_records(c, batch_at(50, 0, 5), 55);
	assert_int_equal(partition_high_watermark(p), 55);
}

/* ---- What goes wrong ------------------------------------------------------------------------- */

static void test_a_fenced_epoch_waits_for_metadata(void **state)
{
	struct world *w = *state;
	struct channel *c;

	orders(w, 1);
	c = channel_to(LEADER_2);
	reply_error(c, KERR_FENCED_LEADER_EPOCH);
	let_time_pass(w, 100000);
	assert_null(c->request);
	lead(w, 2);
	assert_int_equal(asked(c)->current_leader_epoch, 1);
}

static void test_other_errors_are_tried_again(void **state)
{
	struct world *w = *state;
	struct channel *c;
	int64_t waited_ms = 0;

	orders(w, 1);
	c = channel_to(LEADER_2);
	for (int i = 0; i < 12; i++) {
		int64_t before_ms = world_now_ms;

		reply_error(c, KERR_NOT_LEADER_OR_FOLLOWER);
		assert_null(c->request);
		while (!c->request)
			let_time_pass(w, 1);
		waited_ms = world_now_ms - before_ms;
		assert_int_equal(asked(c)->fetch_offset, 0);
	}
	assert_int_equal(waited_ms, 1000); /* replica.fetch.backoff.ms */
}

static void test_a_lost_connection_ends_the_session(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);
	struct fetch_request *request;

	reply_records(c, batch_at(0, 0, 5), 5);
	answer(c, E_CLOSED, NULL);
	assert_null(c->request);
	let_time_pass(w, 20);
	request = c->body;
	assert_int_equal(request->session_id, 7); /* so that the leader forgets it */
	assert_int_equal(request->session_epoch, 0);
	assert_int_equal(asked(c)->fetch_offset, 5);
	assert_int_equal(partition_log_end_offset(p), 5);
}

static void test_a_lost_session_is_begun_again(void **state)
{
	struct world *w = *state;
	struct channel *c;
	struct fetch_request *request;
	struct fetch_response lost = {.error_code = KERR_FETCH_SESSION_ID_NOT_FOUND};

	orders(w, 1);
	c = channel_to(LEADER_2);
	reply_records(c, batch_at(0, 0, 5), 5);
	answer(c, 0, &lost);
	let_time_pass(w, 20);
	request = c->body;
	assert_int_equal(request->session_id, 0);
	assert_int_equal(request->session_epoch, 0);
	assert_int_equal(asked(c)->fetch_offset, 5);
}

static void test_what_leaves_is_forgotten(void **state)
{
	struct world *w = *state;
	struct channel *c;
	struct fetch_request *request;

	orders(w, 2);
	c = channel_to(LEADER_2);
	request = c->body;
	assert_int_equal(request->topics_count, 1);
	assert_int_equal(request->topics[0].partitions_count, 2);
	reply_nothing(c);
	lead(w, 3);
	reply_nothing(c);
	request = c->body;
	assert_int_equal(request->topics_count, 0);
	assert_int_equal(request->forgotten_topics_data_count, 1);
	assert_int_equal(request->forgotten_topics_data[0].partitions[0], 0);
	assert_int_equal(asked(channel_to(LEADER_3))->fetch_offset, 0);
}

/* A follower that waits at one leader does not let new partitions wait as long. */
static void test_new_partitions_do_not_wait(void **state)
{
	struct world *w = *state;
	struct channel *c;
	struct fetch_request *request;

	orders(w, 1);
	c = channel_to(LEADER_2);
	reply_nothing(c);
	let_time_pass(w, 5000);
	world_partition(w, world_id(1), 1, 2, 3);
	world_apply(w);
	c = channel_to(LEADER_2);
	request = c->body;
	assert_int_equal(request->topics[0].partitions_count, 2);
	assert_int_equal(request->session_epoch, 0);
}

static void test_a_leader_that_moved(void **state)
{
	struct world *w = *state;

	orders(w, 1);
	assert_non_null(channel_to(LEADER_2)->request);
	world_broker(w, 2, 90, 9999);
	world_apply(w);
	assert_null(channel_to(LEADER_2));
	assert_int_equal(asked(channel_to(9999))->fetch_offset, 0);
	assert_int_equal(((struct fetch_request *)channel_to(9999)->body)->session_epoch, 0);
}

static void test_no_leader(void **state)
{
	struct world *w = *state;

	orders(w, 1);
	lead(w, -1);
	assert_null(channel_to(LEADER_2));
	lead(w, 3);
	assert_int_equal(asked(channel_to(LEADER_3))->current_leader_epoch, 2);
}

static void test_a_failed_disk_ends_it(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);

	world_broken = w->paths[p->dir];
	world_broken_errno = EIO;
	reply_records(c, batch_at(0, 0, 5), 5);
	assert_int_equal(p->role, PARTITION_OFFLINE);
	assert_int_equal(w->dir_failed_count, 1);
	assert_null(c->request);
	world_broken = NULL;
}

static void test_a_throttled_follower_waits(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 1);
	struct channel *c = channel_to(LEADER_2);
	const struct config_entry rate = {STR_LIT("follower.replication.throttled.rate"),
					  STR_LIT("100")};
	struct config *config = config_with_dynamic(w->config, &rate, 1, NULL, 0);
	struct slice batch = batch_at(0, 0, 5);
	size_t bytes = batch.len;

	replica_set_configure(w->set, config);
	config_unref(config);
	world_topic_config(w, "orders", "follower.replication.throttled.replicas", "0:1,0:2");
	world_apply(w);
	assert_true(p->is_follower_throttled);
	reply_records(c, batch, 50); /* 45 behind */
	assert_null(c->request);
	let_time_pass(w, (int64_t)bytes * 10 - 5);
	assert_null(c->request);
	let_time_pass(w, 10);
	assert_int_equal(asked(c)->fetch_offset, 5);
	reply_records(c, batch_at(5, 0, 45), 50);
	assert_int_equal(asked(c)->fetch_offset, 50); /* in sync: never held up */
}

/* A request is built from what may be new, not from everything that is followed. */
static void test_only_what_changed_is_asked_anew(void **state)
{
	struct world *w = *state;
	struct partition *p = orders(w, 3);
	struct fetcher *f = p->follow.fetcher;
	struct channel *c = channel_to(LEADER_2);
	const struct fetch_request *request;

	world_topic_config(w, "orders", "retention.ms", "1000");
	world_apply(w);
	reply_nothing(c); /* the first asked before the others were there, or for all */
	reply_nothing(c);
	assert_null(asked(c));
	assert_true(list_empty(&f->changed));
	assert_int_equal(f->asked_count, 3);
	reply_records(c, batch_at(0, 0, 5), 5);
	assert_int_equal(asked(c)->partition, 0);
	assert_int_equal(asked(c)->fetch_offset, 5);
	assert_true(list_empty(&f->changed));
	reply_nothing(c);
	assert_null(asked(c));
	/* Our own retention has something to tell. */
	for (int i = 0; i < 700; i++) {
		world_now_ms += 1000;
		replica_set_tick(w->set);
	}
	assert_int_equal(partition_log_start_offset(p), 5);
	reply_nothing(c);
	assert_int_equal(asked(c)->partition, 0);
	assert_int_equal(asked(c)->log_start_offset, 5);
	reply_nothing(c);
	assert_null(asked(c));
	/* What fails is forgotten for a while; the others are not looked at for its sake. */
	reply_error(c, KERR_UNKNOWN_SERVER_ERROR);
	request = c->body;
	assert_int_equal(request->topics_count, 0);
	assert_int_equal(request->forgotten_topics_data_count, 1);
	assert_int_equal(f->asked_count, 2);
	assert_true(f->changed.next == &p->follow.changed);
	assert_true(f->changed.prev == &p->follow.changed);
	world_now_ms += 1000;
	reply_nothing(c);
	assert_int_equal(asked(c)->partition, 0);
	assert_int_equal(f->asked_count, 3);
	/* A new session names all again. */
	answer(c, -ECONNRESET, NULL);
	let_time_pass(w, 1000);
	c = channel_to(LEADER_2);
	request = c->body;
	assert_int_equal(request->session_epoch, 0);
	assert_int_equal(request->topics[0].partitions_count, 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_fetches_as_the_leader_has_it),
		T(test_keeps_what_is_committed),
		T(test_follows_the_log_start),
		T(test_waits_for_metadata_of_newer_records),
		T(test_an_answer_to_another_question),
		T(test_damaged_records_come_again),
		T(test_cuts_where_histories_part),
		T(test_forgets_an_epoch_without_records),
		T(test_a_leader_with_less),
		T(test_a_leader_that_starts_later),
		T(test_a_fenced_epoch_waits_for_metadata),
		T(test_other_errors_are_tried_again),
		T(test_a_lost_connection_ends_the_session),
		T(test_a_lost_session_is_begun_again),
		T(test_what_leaves_is_forgotten),
		T(test_new_partitions_do_not_wait),
		T(test_a_leader_that_moved),
		T(test_no_leader),
		T(test_a_failed_disk_ends_it),
		T(test_a_throttled_follower_waits),
		T(test_only_what_changed_is_asked_anew),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
