/* ListGroups, DescribeGroups, DeleteGroups. */
#include "api/group_trip.h"
#include "api/handlers.h"
#include "wire/codec.h"

/* Operations that a group knows, as bits: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
 */
#define GROUP_OPERATIONS (1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11)

/* ---- ListGroups: every shard has some ---- */

struct list_part {
	struct task task;
	struct list *list;
	struct arena arena;
	enum kafka_error error;
	struct list_groups_response_listed_group *groups;
	size_t count;
};

struct list {
	struct request *request;
	struct list_part *parts;	/* one per shard */
	unsigned part_count, left_count;
};

static void list_finish(struct list *list)
{
	struct request *r = list->request;
	struct list_groups_response *out = r->response;
	size_t count = 0;

	for (unsigned i = 0; i < list->part_count; i++) {
		count += list->parts[i].count;
		if (list->parts[i].error != KERR_NONE)
			out->error_code = (int16_t)list->parts[i].error;
	}
	if (out->error_code != KERR_NONE)
		return;
	out->groups = WIRE_ARRAY(&r->arena, list_groups_response_listed_group, count);
	for (unsigned i = 0; i < list->part_count; i++)
		for (size_t k = 0; k < list->parts[i].count; k++)
			out->groups[out->groups_count++] = list->parts[i].groups[k];
}

static void list_part_back(struct task *task, struct shard *on)
{
	struct list_part *part = CONTAINER_OF(task, struct list_part, task);
	struct list *list = part->list;

	assert(on == list->request->shard);
	arena_absorb(&list->request->arena, &part->arena);
	if (--list->left_count == 0)
		list_finish(list);
	request_done(list->request);
}

static void list_part_visit(struct task *task, struct shard *on)
{
	struct list_part *part = CONTAINER_OF(task, struct list_part, task);
	struct request *r = part->list->request;

	part->error = group_list(on->groups, r->body, &part->arena, &part->groups, &part->count);
	task->run = list_part_back;
	shard_post(r->shard, task);
}

void handle_list_groups(struct request *r)
{
	struct broker *broker = r->shard->broker;
	struct list *list = arena_zalloc(&r->arena, sizeof(*list));

	list->request = r;
	list->part_count = list->left_count = broker->shard_count;
	list->parts = arena_array(&r->arena, broker->shard_count, sizeof(*list->parts));
	for (unsigned i = 0; i < broker->shard_count; i++) {
		list->parts[i].list = list;
		arena_init(&list->parts[i].arena);
		list->parts[i].task.run = list_part_visit;
		request_hold(r);
		shard_post(broker->shards[i], &list->parts[i].task);
	}
	request_done(r);
}

/* ---- DescribeGroups ---- */

static void describe_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct describe_call *d = t->state;

	group_trip_call(t, &d->call);
	group_describe(gc, d);
}

static void describe_finish(struct group_trip *t)
{
	const struct describe_groups_request *in = t->request->body;
	struct describe_call *d = t->state;

	if (in->include_authorized_operations && d->response->error_code == KERR_NONE)
		d->response->authorized_operations = GROUP_OPERATIONS;
}

void handle_describe_groups(struct request *r)
{
	const struct describe_groups_request *in = r->body;
	struct describe_groups_response *out = r->response;

	out->groups = WIRE_ARRAY(&r->arena, describe_groups_response_described_group,
				 MAX(in->groups_count, 0));
	for (int32_t i = 0; i < in->groups_count; i++) {
		struct group_trip *t =
			group_trip_new(r, in->groups[i], describe_start, describe_finish);
		struct describe_call *d = arena_zalloc(&r->arena, sizeof(*d));

		d->group_id = in->groups[i];
		d->response = &out->groups[out->groups_count++];
		t->state = d;
		group_trip_go(t);
	}
	request_done(r);
}

/* ---- DeleteGroups ---- */

static void delete_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct delete_call *d = t->state;

	group_trip_call(t, &d->call);
	group_delete(gc, d);
}

static bool delete_is_repeated(const struct delete_groups_request *in, int32_t index)
{
	for (int32_t i = 0; i < index; i++)
		if (str_eq(in->groups_names[i], in->groups_names[index]))
			return true;
	return false;
}

void handle_delete_groups(struct request *r)
{
	const struct delete_groups_request *in = r->body;
	struct delete_groups_response *out = r->response;

	out->results = WIRE_ARRAY(&r->arena, delete_groups_response_deletable_group_result,
				  MAX(in->groups_names_count, 0));
	for (int32_t i = 0; i < in->groups_names_count; i++) {
		struct group_trip *t;
		struct delete_call *d;

		if (delete_is_repeated(in, i))
			continue;
		t = group_trip_new(r, in->groups_names[i], delete_start, NULL);
		d = arena_zalloc(&r->arena, sizeof(*d));
		d->group_id = in->groups_names[i];
		d->response = &out->results[out->results_count++];
		t->state = d;
		group_trip_go(t);
	}
	request_done(r);
}
