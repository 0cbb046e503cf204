#include "api/fanout.h"

struct fanout *fanout_new(struct request *r, unsigned item_max, fanout_visit visit,
			  fanout_done done)
{
	struct fanout *f = arena_zalloc(&r->arena, sizeof(*f));

	f->request = r;
	f->visit = visit;
	f->done = done;
	f->item_max = item_max;
	f->items = arena_array(&r->arena, item_max, sizeof(*f->items));
	f->parts =
		arena_array(&r->arena, r->shard->broker->shard_count, sizeof(struct fanout_part *));
	return f;
}

static struct fanout_part *fanout_part_of(struct fanout *f, struct shard *owner)
{
	struct arena *arena = &f->request->arena;
	struct fanout_part *part = f->parts[owner->index];

	if (part)
		return part;
	part = arena_zalloc(arena, sizeof(*part));
	part->fanout = f;
	part->on = owner;
	arena_init(&part->own);
	part->arena = owner == f->request->shard ? arena : &part->own;
	f->parts[owner->index] = part;
	return part;
}

void fanout_add(struct fanout *f, struct uuid topic_id, int32_t index, const void *in, void *out)
{
	struct fanout_part *part =
		fanout_part_of(f, shard_owner(f->request->shard->broker, topic_id, index));
	struct fanout_item *item;

	assert(f->item_count < f->item_max);
	item = &f->items[f->item_count++];
	*item = (struct fanout_item){
		.topic_id = topic_id, .index = index, .in = in, .out = out, .part = part};
	if (part->last)
		part->last->next = item;
	else
		part->first = item;
	part->last = item;
	part->item_count++;
}

static void fanout_one_back(struct fanout *f)
{
	struct request *r = f->request;

	assert(f->parts_out > 0);
	if (--f->parts_out > 0)
		return;
	if (f->done)
		f->done(f);
	request_done(r);
}

static void fanout_part_back(struct fanout_part *part)
{
	arena_absorb(&part->fanout->request->arena, &part->own);
	fanout_one_back(part->fanout);
}

static void fanout_part_returned(struct task *task, struct shard *on)
{
	struct fanout_part *part = CONTAINER_OF(task, struct fanout_part, task);

	assert(on == part->fanout->request->shard);
	fanout_part_back(part);
}

static void fanout_part_visit(struct fanout_part *part)
{
	fanout_hold(part);
	part->fanout->visit(part);
	fanout_release(part);
}

static void fanout_part_arrived(struct task *task, struct shard *on)
{
	struct fanout_part *part = CONTAINER_OF(task, struct fanout_part, task);

	assert(on == part->on);
	fanout_part_visit(part);
}

void fanout_hold(struct fanout_part *part)
{
	part->hold_count++;
}

void fanout_release(struct fanout_part *part)
{
	struct shard *home = part->fanout->request->shard;

	assert(part->hold_count > 0);
	if (--part->hold_count > 0)
		return;
	if (part->on == home) {
		fanout_part_back(part);
		return;
	}
	part->task.run = fanout_part_returned;
	shard_post(home, &part->task);
}

void fanout_start(struct fanout *f)
{
	struct request *r = f->request;
	struct broker *broker = r->shard->broker;
	struct fanout_part *here = f->parts[r->shard->index];

	request_hold(r);
	/* One more than there are parts: with no item at all `done` still comes, and never before
	 * every part has left. */
	f->parts_out = 1;
	for (unsigned i = 0; i < broker->shard_count; i++)
		f->parts_out += f->parts[i] != NULL;
	for (unsigned i = 0; i < broker->shard_count; i++) {
		struct fanout_part *part = f->parts[i];

		if (!part || part == here)
			continue;
		part->task.run = fanout_part_arrived;
		shard_post(part->on, &part->task);
	}
	if (here)
		fanout_part_visit(here);
	fanout_one_back(f);
}
