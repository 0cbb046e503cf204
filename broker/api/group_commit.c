/* OffsetCommit and OffsetDelete: which partitions there are, then the coordinator. */
#include "api/group_trip.h"
#include "api/handlers.h"
#include "metadata/image.h"
#include "wire/codec.h"

/* ---- OffsetCommit ---- */

static void commit_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct offset_commit_call *c = t->state;

	group_trip_call(t, &c->call);
	group_offset_commit(gc, c);
}

static const struct image_topic *commit_topic(struct request *r,
					      const struct offset_commit_request_topic *in)
{
	return r->version >= 10 ? image_topic_by_id(r->shard->image, in->topic_id)
				: image_topic_by_name(r->shard->image, in->name);
}

/* The answers of one topic; what the coordinator has to see becomes an item. */
static void commit_add_topic(struct request *r, struct offset_commit_call *c,
			     const struct offset_commit_request_topic *in,
			     struct offset_commit_response_topic *out)
{
	const struct image_topic *topic = commit_topic(r, in);
	int16_t unknown = r->version >= 10 ? KERR_UNKNOWN_TOPIC_ID
					   : KERR_UNKNOWN_TOPIC_OR_PARTITION;

	out->name = in->name;
	out->topic_id = in->topic_id;
	out->partitions = WIRE_ARRAY(&r->arena, offset_commit_response_partition,
				     MAX(in->partitions_count, 0));
	for (int32_t i = 0; i < in->partitions_count; i++) {
		struct offset_commit_response_partition *p =
			&out->partitions[out->partitions_count++];

		p->partition_index = in->partitions[i].partition_index;
		if (!topic) {
			p->error_code = unknown;
		} else if (!image_partition(topic, p->partition_index)) {
			p->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		} else {
			c->items[c->item_count++] = (struct offset_commit_item){
				.topic = str_dup(&r->arena, topic->name),
				.topic_id = topic->id,
				.in = &in->partitions[i],
				.error_code = &p->error_code,
			};
		}
	}
}

void handle_offset_commit(struct request *r)
{
	const struct offset_commit_request *in = r->body;
	struct offset_commit_response *out = r->response;
	struct group_trip *t = group_trip_new(r, in->group_id, commit_start, NULL);
	struct offset_commit_call *c = arena_zalloc(&r->arena, sizeof(*c));
	size_t count = 0;

	for (int32_t i = 0; i < in->topics_count; i++)
		count += (size_t)MAX(in->topics[i].partitions_count, 0);
	c->request = in;
	c->items = arena_array(&r->arena, count + 1, sizeof(*c->items));
	out->topics = WIRE_ARRAY(&r->arena, offset_commit_response_topic, MAX(in->topics_count, 0));
	for (int32_t i = 0; i < in->topics_count; i++)
		commit_add_topic(r, c, &in->topics[i], &out->topics[out->topics_count++]);
	t->state = c;
	/* The group is not touched for nothing. */
	if (c->item_count > 0)
		group_trip_go(t);
	request_done(r);
}

/* ---- OffsetDelete ---- */

static void offset_delete_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct offset_delete_call *d = t->state;

	group_trip_call(t, &d->call);
	group_offset_delete(gc, d);
}

/* An error of the whole leaves no partitions behind. */
static void offset_delete_finish(struct group_trip *t)
{
	struct offset_delete_response *out = t->request->response;

	if (out->error_code != KERR_NONE)
		out->topics_count = 0;
}

static void offset_delete_add_topic(struct request *r, struct offset_delete_call *d,
				    const struct offset_delete_request_topic *in,
				    struct offset_delete_response_topic *out)
{
	const struct image_topic *topic = image_topic_by_name(r->shard->image, in->name);

	out->name = in->name;
	out->partitions = WIRE_ARRAY(&r->arena, offset_delete_response_partition,
				     MAX(in->partitions_count, 0));
	for (int32_t i = 0; i < in->partitions_count; i++) {
		struct offset_delete_response_partition *p =
			&out->partitions[out->partitions_count++];

		p->partition_index = in->partitions[i].partition_index;
		if (!image_partition(topic, p->partition_index))
			p->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
		else
			d->items[d->item_count++] = (struct offset_delete_item){
				.topic = in->name,
				.partition = p->partition_index,
				.error_code = &p->error_code,
			};
	}
}

void handle_offset_delete(struct request *r)
{
	const struct offset_delete_request *in = r->body;
	struct offset_delete_response *out = r->response;
	struct group_trip *t =
		group_trip_new(r, in->group_id, offset_delete_start, offset_delete_finish);
	struct offset_delete_call *d = arena_zalloc(&r->arena, sizeof(*d));
	size_t count = 0;

	for (int32_t i = 0; i < in->topics_count; i++)
		count += (size_t)MAX(in->topics[i].partitions_count, 0);
	d->group_id = in->group_id;
	d->items = arena_array(&r->arena, count + 1, sizeof(*d->items));
	d->error_code = &out->error_code;
	out->topics = WIRE_ARRAY(&r->arena, offset_delete_response_topic, MAX(in->topics_count, 0));
	for (int32_t i = 0; i < in->topics_count; i++)
		offset_delete_add_topic(r, d, &in->topics[i], &out->topics[out->topics_count++]);
	t->state = d;
	/* Also when no partition is known: the group's own error is asked for. */
	group_trip_go(t);
	request_done(r);
}
