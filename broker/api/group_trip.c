#include "api/group_trip.h"

#include "metadata/image.h"

struct group_trip *group_trip_new(struct request *r, struct str group_id,
				  void (*start)(struct group_trip *t, struct group_coordinator *gc),
				  void (*finish)(struct group_trip *t))
{
	struct group_trip *t = arena_zalloc(&r->arena, sizeof(*t));
	const struct image_topic *topic =
		image_topic_by_name(r->shard->image, STR_LIT(OFFSETS_TOPIC));

	t->request = r;
	t->start = start;
	t->finish = finish;
	arena_init(&t->arena);
	t->partition = -1;
	t->owner = r->shard;
	if (topic && topic->partition_count > 0) {
		t->partition = coordinator_partition(group_id, topic->partition_count);
		t->owner = shard_owner(r->shard->broker, topic->id, t->partition);
	}
	return t;
}

static void group_trip_arrive(struct task *task, struct shard *on)
{
	struct group_trip *t = CONTAINER_OF(task, struct group_trip, task);

	assert(on == t->owner);
	t->start(t, on->groups);
}

void group_trip_go(struct group_trip *t)
{
	request_hold(t->request);
	if (t->owner == t->request->shard) {
		t->start(t, t->owner->groups);
		return;
	}
	t->task.run = group_trip_arrive;
	shard_post(t->owner, &t->task);
}

static void group_trip_back(struct task *task, struct shard *on)
{
	struct group_trip *t = CONTAINER_OF(task, struct group_trip, task);

	assert(on == t->request->shard);
	arena_absorb(&t->request->arena, &t->arena);
	if (t->finish)
		t->finish(t);
	request_done(t->request);
}

/* Always in a turn of its own, also on the same shard: the coordinator may be in the middle of
 * answering many. */
static void group_trip_done(struct group_call *call)
{
	struct group_trip *t = call->arg;

	t->task.run = group_trip_back;
	shard_post(t->request->shard, &t->task);
}

void group_trip_call(struct group_trip *t, struct group_call *call)
{
	*call = (struct group_call){
		.partition = t->partition,
		.version = t->request->version,
		.arena = &t->arena,
		.done = group_trip_done,
		.arg = t,
	};
}
