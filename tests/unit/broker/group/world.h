/* A world for the group coordinator: a clock that stands until it is moved, a log in memory whose
 * high watermark follows at once or when told, calls with their answers. */
#ifndef KAVKA_TESTS_GROUP_WORLD_H
#define KAVKA_TESTS_GROUP_WORLD_H

#include "group/group_int.h"

#include "base/mem.h"
#include "base/rng.h"
#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#undef assert
#include "base/check.h"

#define WORLD_WAITS_MAX 64

struct world {
	struct group_coordinator *gc;
	int64_t now_ms;
	struct rng rng;
	struct out log;			/* all batches of partition 0 */
	int64_t end_offset, high_watermark;
	bool holds_back;		/* the high watermark stands until world_commit() */
	enum kafka_error append_error;	/* of the next appends */
	struct group_wait *waits[WORLD_WAITS_MAX];
	size_t wait_count;
	struct arena arena;		/* of all calls */
};

static inline int64_t world_wall_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms + 1700000000000;
}
static inline int64_t world_mono_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}
static inline void world_random(void *ctx, void *data, size_t len)
{
	rng_fill(&((struct world *)ctx)->rng, data, len);
}
static inline void world_changed(void *ctx)
{
	(void)ctx;
}

static inline enum kafka_error world_append(void *ctx, int32_t partition, struct slice batches,
					    int64_t *required_offset)
{
	struct world *w = ctx;
	const uint8_t *data = batches.data;
	size_t len = batches.len;
	struct batch b;

	assert_int_equal(partition, 0);
	if (w->append_error != KERR_NONE)
		return w->append_error;
	while (batch_next(&b, &data, &len) == 1) {
		assert_true(batch_crc_ok(&b));
		batch_set_base_offset((uint8_t *)(uintptr_t)b.data, w->end_offset);
		w->end_offset += b.last_offset_delta + 1;
	}
	assert_int_equal(len, 0);
	out_bytes(&w->log, batches.data, batches.len);
	*required_offset = w->end_offset;
	if (!w->holds_back)
		w->high_watermark = w->end_offset;
	return KERR_NONE;
}

static inline int64_t world_high_watermark(void *ctx, int32_t partition)
{
	(void)partition;
	return ((struct world *)ctx)->high_watermark;
}

static inline void world_wait(void *ctx, struct group_wait *wait)
{
	struct world *w = ctx;

	assert_true(w->wait_count < WORLD_WAITS_MAX);
	w->waits[w->wait_count++] = wait;
}

static inline void world_cancel(void *ctx, struct group_wait *wait)
{
	struct world *w = ctx;
	size_t kept = 0;

	for (size_t i = 0; i < w->wait_count; i++)
		if (w->waits[i] != wait)
			w->waits[kept++] = w->waits[i];
	assert_int_equal(kept + 1, w->wait_count);
	w->wait_count = kept;
}

static inline void world_new_coordinator(struct world *w)
{
	struct group_io io = {
		.ctx = w, .wall_ms = world_wall_ms, .mono_ms = world_mono_ms,
		.random = world_random, .append = world_append,
		.high_watermark = world_high_watermark, .wait = world_wait,
		.cancel = world_cancel, .changed = world_changed,
	};
	struct group_settings settings = {
		.session_timeout_min_ms = 6000, .session_timeout_max_ms = 1800000,
		.initial_rebalance_delay_ms = 3000, .group_size_max = INT32_MAX,
		.offset_metadata_bytes_max = 4096, .commit_timeout_ms = 5000,
		.offsets_retention_ms = INT64_C(7) * 24 * 3600 * 1000,
		.retention_check_ms = 600000, .batch_bytes_max = 1048588,
	};

	w->gc = group_core_new(&io, &settings);
}

static inline void world_load(struct world *w)
{
	struct group_partition *gp = group_partition_add(w->gc, 0, 1);
	struct err err = {0};

	if (w->log.len && group_partition_load(gp, w->log.data, w->log.len, &err) < 0)
		fail_msg("%s", err.text);
	group_partition_loaded(gp);
}

static inline struct world *world_new(void)
{
	struct world *w = xcalloc(1, sizeof(*w));

	rng_init(&w->rng, 42);
	w->now_ms = 1000;
	out_init(&w->log, 64 * 1024 * 1024);
	arena_init(&w->arena);
	world_new_coordinator(w);
	world_load(w);
	return w;
}

static inline void world_free(struct world *w)
{
	group_core_free(w->gc);
	assert_int_equal(w->wait_count, 0);
	out_fini(&w->log);
	arena_fini(&w->arena);
	free(w);
}

/* The process dies; another reads what is in the log. */
static inline void world_crash(struct world *w)
{
	group_core_free(w->gc);
	w->high_watermark = w->end_offset;
	world_new_coordinator(w);
	world_load(w);
}

static inline void world_commit(struct world *w)
{
	w->high_watermark = w->end_offset;
	while (w->wait_count) {
		struct group_wait *wait = w->waits[0];

		world_cancel(w, wait);
		group_wait_done(wait, KERR_NONE);
	}
}

/* Time passes: every timer fires at its own moment. */
static inline void world_pass(struct world *w, int64_t ms)
{
	int64_t end_ms = w->now_ms + ms;

	for (int64_t next = group_core_deadline(w->gc); next <= end_ms;
	     next = group_core_deadline(w->gc)) {
		w->now_ms = MAX(w->now_ms, next);
		group_core_tick(w->gc);
	}
	w->now_ms = end_ms;
}

static inline struct group *world_group(struct world *w, const char *id)
{
	return group_find(w->gc->partitions[0], str_of(id));
}

static inline size_t world_records(struct world *w)
{
	return (size_t)w->end_offset;
}

/* ---- Calls ---- */

/* Any call and whether it was answered. */
struct answer {
	bool done;
	union {
		struct group_call call;
		struct join_call join;
		struct sync_call sync;
		struct heartbeat_call heartbeat;
		struct leave_call leave;
		struct offset_commit_call commit;
		struct offset_fetch_call fetch;
		struct offset_delete_call offset_delete;
		struct describe_call describe;
		struct delete_call delete;
	};
};

static inline void answered(struct group_call *call)
{
	struct answer *a = CONTAINER_OF(call, struct answer, call);

	assert_false(a->done);
	a->done = true;
}

static inline struct answer *world_call(struct world *w, int16_t version)
{
	struct answer *a = arena_zalloc(&w->arena, sizeof(*a));

	a->call = (struct group_call){.version = version, .arena = &w->arena, .done = answered};
	return a;
}

struct who {
	const char *group, *member, *instance;
	const char *protocols[4];	/* "name=metadata" */
	int32_t session_ms, rebalance_ms;
	int16_t version;		/* 0: 9 */
};

static inline struct answer *world_join(struct world *w, struct who who)
{
	struct answer *a = world_call(w, who.version ? who.version : 9);
	struct join_group_request *r = WIRE_NEW(&w->arena, join_group_request);

	r->group_id = str_of(who.group ? who.group : "g");
	r->member_id = str_of(who.member ? who.member : "");
	r->group_instance_id = str_of(who.instance);
	r->session_timeout_ms = who.session_ms ? who.session_ms : 10000;
	r->rebalance_timeout_ms = who.rebalance_ms ? who.rebalance_ms : 60000;
	r->protocol_type = STR_LIT("consumer");
	if (!who.protocols[0])
		who.protocols[0] = "range=m";
	r->protocols = WIRE_ARRAY(&w->arena, join_group_request_protocol, 4);
	for (; r->protocols_count < 4 && who.protocols[r->protocols_count]; r->protocols_count++) {
		const char *text = who.protocols[r->protocols_count], *eq = strchr(text, '=');
		struct join_group_request_protocol *p = &r->protocols[r->protocols_count];

		p->name = (struct str){text, (size_t)(eq - text)};
		p->metadata =
			(struct slice){.data = (const uint8_t *)eq + 1, .len = strlen(eq + 1)};
	}
	a->join.client_id = STR_LIT("client");
	a->join.client_host = STR_LIT("/127.0.0.1");
	a->join.request = r;
	a->join.response = WIRE_NEW(&w->arena, join_group_response);
	group_join(w->gc, &a->join);
	return a;
}

/* An empty join, and then one with the id that was given. Returns the second, parked. */
static inline struct answer *world_join_new(struct world *w, struct who who)
{
	struct answer *a = world_join(w, who);

	assert_true(a->done);
	assert_int_equal(a->join.response->error_code, KERR_MEMBER_ID_REQUIRED);
	who.member = a->join.response->member_id.data;
	a = world_join(w, who);
	a->join.response->member_id = str_of(who.member);
	return a;
}

static inline const char *member_of(const struct answer *join)
{
	return join->join.response->member_id.data;
}

static inline int32_t generation_of(struct world *w)
{
	return world_group(w, "g")->generation;
}

/* `assignments`: "value" for each of the members, NULL at the end; NULL for a follower. */
static inline struct answer *world_sync(struct world *w, const char *member, int32_t generation,
					const char *const *members, const char *const *values)
{
	struct answer *a = world_call(w, 5);
	struct sync_group_request *r = WIRE_NEW(&w->arena, sync_group_request);

	r->group_id = STR_LIT("g");
	r->member_id = str_of(member);
	r->generation_id = generation;
	r->protocol_type = STR_LIT("consumer");
	r->protocol_name = STR_LIT("range");
	r->assignments = WIRE_ARRAY(&w->arena, sync_group_request_assignment, 8);
	for (; members && members[r->assignments_count]; r->assignments_count++) {
		const char *value = values[r->assignments_count];

		r->assignments[r->assignments_count].member_id =
			str_of(members[r->assignments_count]);
		r->assignments[r->assignments_count].assignment =
			(struct slice){.data = (const uint8_t *)value, .len = strlen(value)};
	}
	a->sync.request = r;
	a->sync.response = WIRE_NEW(&w->arena, sync_group_response);
	group_sync(w->gc, &a->sync);
	return a;
}

static inline int world_beat(struct world *w, const char *member, int32_t generation)
{
	struct answer *a = world_call(w, 4);
	struct heartbeat_request *r = WIRE_NEW(&w->arena, heartbeat_request);

	r->group_id = STR_LIT("g");
	r->member_id = str_of(member);
	r->generation_id = generation;
	a->heartbeat.request = r;
	a->heartbeat.response = WIRE_NEW(&w->arena, heartbeat_response);
	group_heartbeat(w->gc, &a->heartbeat);
	assert_true(a->done);
	return a->heartbeat.response->error_code;
}

static inline int world_leave(struct world *w, const char *member, const char *instance)
{
	struct answer *a = world_call(w, 5);
	struct leave_group_request *r = WIRE_NEW(&w->arena, leave_group_request);

	r->group_id = STR_LIT("g");
	r->members = WIRE_ARRAY(&w->arena, leave_group_request_member_identity, 1);
	r->members_count = 1;
	r->members[0].member_id = str_of(member);
	r->members[0].group_instance_id = str_of(instance);
	a->leave.request = r;
	a->leave.response = WIRE_NEW(&w->arena, leave_group_response);
	group_leave(w->gc, &a->leave);
	assert_true(a->done);
	assert_int_equal(a->leave.response->members_count, 1);
	return a->leave.response->members[0].error_code;
}

struct commit {
	const char *group, *member, *topic, *metadata;
	int32_t generation;	/* 0: -1 */
	int32_t partition;
	int64_t offset;
	int64_t retention_ms;	/* 0: -1 */
	struct uuid topic_id;
	int16_t version;	/* 0: 9 */
};

/* Gives the call; its error is *items[0].error_code. */
static inline struct answer *world_commit_offset(struct world *w, struct commit in)
{
	struct answer *a = world_call(w, in.version ? in.version : 9);
	struct offset_commit_request *r = WIRE_NEW(&w->arena, offset_commit_request);
	struct offset_commit_request_partition *p =
		WIRE_NEW(&w->arena, offset_commit_request_partition);

	r->group_id = str_of(in.group ? in.group : "g");
	r->member_id = str_of(in.member ? in.member : "");
	r->generation_id_or_member_epoch = in.generation ? in.generation : -1;
	r->retention_time_ms = in.retention_ms ? in.retention_ms : -1;
	p->partition_index = in.partition;
	p->committed_offset = in.offset;
	p->committed_metadata = str_of(in.metadata);
	a->commit.request = r;
	a->commit.items = arena_zalloc(&w->arena, sizeof(*a->commit.items));
	a->commit.items[0] = (struct offset_commit_item){
		.topic = str_of(in.topic ? in.topic : "t"),
		.topic_id = in.topic_id,
		.in = p,
		.error_code = arena_zalloc(&w->arena, sizeof(int16_t)),
	};
	a->commit.item_count = 1;
	group_offset_commit(w->gc, &a->commit);
	return a;
}

static inline int commit_error(const struct answer *a)
{
	assert_true(a->done);
	return *a->commit.items[0].error_code;
}

/* The offset of a partition, -1: none. */
static inline int64_t world_fetch(struct world *w, const char *group, const char *topic,
				  int32_t partition)
{
	struct answer *a = world_call(w, 9);

	a->fetch.group_id = str_of(group);
	a->fetch.items = arena_zalloc(&w->arena, sizeof(*a->fetch.items));
	a->fetch.items[0].topic = str_of(topic);
	a->fetch.items[0].out = WIRE_NEW(&w->arena, offset_fetch_response_partitions);
	a->fetch.items[0].out->partition_index = partition;
	a->fetch.item_count = 1;
	a->fetch.response = WIRE_NEW(&w->arena, offset_fetch_response_group);
	group_offset_fetch(w->gc, &a->fetch);
	assert_true(a->done);
	assert_int_equal(a->fetch.response->error_code, KERR_NONE);
	return a->fetch.items[0].out->committed_offset;
}

static inline int world_delete(struct world *w, const char *group)
{
	struct answer *a = world_call(w, 2);

	a->delete.group_id = str_of(group);
	a->delete.response =
		WIRE_NEW(&w->arena, delete_groups_response_deletable_group_result);
	group_delete(w->gc, &a->delete);
	assert_true(a->done);
	return a->delete.response->error_code;
}

static inline const struct describe_groups_response_described_group *
world_describe(struct world *w, const char *group, int16_t version)
{
	struct answer *a = world_call(w, version);

	a->describe.group_id = str_of(group);
	a->describe.response = WIRE_NEW(&w->arena, describe_groups_response_described_group);
	group_describe(w->gc, &a->describe);
	assert_true(a->done);
	return a->describe.response;
}

/* A stable group "g" of one member; gives its id. */
static inline const char *world_stable(struct world *w)
{
	struct answer *join = world_join_new(w, (struct who){0});
	struct answer *sync;
	const char *id;

	world_pass(w, 3000);
	assert_true(join->done);
	id = member_of(join);
	sync = world_sync(w, id, 1, &(const char *[]){id, NULL}[0], &(const char *[]){"a"}[0]);
	assert_true(sync->done);
	assert_int_equal(sync->sync.response->error_code, KERR_NONE);
	return id;
}

#endif
