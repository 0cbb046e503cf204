/* OffsetFetch: one group (v1-7) or several (v8 and above), named partitions or all. */
#include "api/group_trip.h"
#include "api/handlers.h"
#include "metadata/image.h"
#include "wire/codec.h"

static void fetch_start(struct group_trip *t, struct group_coordinator *gc)
{
	struct offset_fetch_call *f = t->state;

	group_trip_call(t, &f->call);
	group_offset_fetch(gc, f);
}

/* ---- Answers ---- */

static void fetch_refuse(struct offset_fetch_response_partitions *p, enum kafka_error error)
{
	p->committed_offset = -1;
	p->committed_leader_epoch = -1;
	p->metadata = STR_LIT("");
	p->error_code = (int16_t)error;
}

/* All offsets of a group: with topic ids (v10), only of topics that exist. */
static void fetch_keep_known(struct request *r, struct offset_fetch_response_group *group)
{
	int32_t kept = 0;

	for (int32_t i = 0; i < group->topics_count; i++) {
		const struct image_topic *topic =
			image_topic_by_name(r->shard->image, group->topics[i].name);

		if (!topic)
			continue;
		group->topics[kept] = group->topics[i];
		group->topics[kept++].topic_id = topic->id;
	}
	group->topics_count = kept;
}

static void fetch_finish(struct group_trip *t)
{
	struct offset_fetch_call *f = t->state;

	if (f->response->error_code != KERR_NONE)
		f->response->topics_count = 0;
	else if (f->wants_all && t->request->version >= 10)
		fetch_keep_known(t->request, f->response);
}

/* v1 has no error of the whole: it is every partition's. */
static void fetch_spread_error(struct request *r, enum kafka_error error)
{
	const struct offset_fetch_request *in = r->body;
	struct offset_fetch_response *out = r->response;

	for (int32_t i = 0; i < in->topics_count; i++) {
		struct offset_fetch_response_topic *topic = &out->topics[out->topics_count++];

		topic->name = in->topics[i].name;
		topic->partitions = WIRE_ARRAY(&r->arena, offset_fetch_response_partition,
					       MAX(in->topics[i].partition_indexes_count, 0));
		for (int32_t k = 0; k < in->topics[i].partition_indexes_count; k++)
			topic->partitions[topic->partitions_count++] =
				(struct offset_fetch_response_partition){
					.partition_index = in->topics[i].partition_indexes[k],
					.committed_offset = -1,
					.committed_leader_epoch = -1,
					.metadata = STR_LIT(""),
					.error_code = (int16_t)error,
				};
	}
}

/* The one group of v1-7, in the words of those versions. */
static void fetch_finish_old(struct group_trip *t)
{
	struct offset_fetch_call *f = t->state;
	struct offset_fetch_response_group *group = f->response;
	struct request *r = t->request;
	struct offset_fetch_response *out = r->response;
	const struct offset_fetch_request *in = r->body;
	int32_t count = MAX(MAX(group->topics_count, in->topics_count), 0);

	out->topics = WIRE_ARRAY(&r->arena, offset_fetch_response_topic, count);
	out->topics_count = 0;
	if (group->error_code != KERR_NONE) {
		out->error_code = group->error_code;
		if (r->version < 2) {
			out->error_code = KERR_NONE;
			fetch_spread_error(r, group->error_code);
		}
		return;
	}
	for (int32_t i = 0; i < group->topics_count; i++) {
		struct offset_fetch_response_topic *topic = &out->topics[out->topics_count++];

		topic->name = group->topics[i].name;
		topic->partitions = WIRE_ARRAY(&r->arena, offset_fetch_response_partition,
					       group->topics[i].partitions_count);
		for (int32_t k = 0; k < group->topics[i].partitions_count; k++) {
			const struct offset_fetch_response_partitions *p =
				&group->topics[i].partitions[k];

			topic->partitions[topic->partitions_count++] =
				(struct offset_fetch_response_partition){
					.partition_index = p->partition_index,
					.committed_offset = p->committed_offset,
					.committed_leader_epoch = p->committed_leader_epoch,
					.metadata = p->metadata,
					.error_code = p->error_code,
				};
		}
	}
}

/* ---- Questions ---- */

struct fetch_topic {
	struct str name;
	struct uuid id;
	const int32_t *indexes;
	int32_t index_count;
};

static void fetch_add_topic(struct request *r, struct offset_fetch_call *f,
			    const struct fetch_topic *in)
{
	struct offset_fetch_response_topics *out =
		&f->response->topics[f->response->topics_count++];
	const struct image_topic *topic = r->version >= 10
						  ? image_topic_by_id(r->shard->image, in->id)
						  : image_topic_by_name(r->shard->image, in->name);

	out->name = in->name;
	out->topic_id = in->id;
	out->partitions = WIRE_ARRAY(&r->arena, offset_fetch_response_partitions,
				     MAX(in->index_count, 0));
	for (int32_t i = 0; i < in->index_count; i++) {
		struct offset_fetch_response_partitions *p =
			&out->partitions[out->partitions_count++];

		p->partition_index = in->indexes[i];
		if (r->version >= 10 && !topic) {
			fetch_refuse(p, KERR_UNKNOWN_TOPIC_ID);
			continue;
		}
		f->items[f->item_count++] = (struct offset_fetch_item){
			.topic = topic ? str_dup(&r->arena, topic->name) : in->name,
			.topic_id = topic ? topic->id : (struct uuid){{0}},
			.out = p,
		};
	}
}

/* Sends one group on its way. `topic_count` -1: all. */
static void fetch_group(struct request *r, struct str group_id, const struct fetch_topic *topics,
			int32_t topic_count, bool require_stable,
			struct offset_fetch_response_group *response,
			void (*finish)(struct group_trip *t))
{
	struct group_trip *t = group_trip_new(r, group_id, fetch_start, finish);
	struct offset_fetch_call *f = arena_zalloc(&r->arena, sizeof(*f));
	size_t items = 0;

	for (int32_t i = 0; i < topic_count; i++)
		items += (size_t)MAX(topics[i].index_count, 0);
	f->group_id = group_id;
	f->require_stable = require_stable;
	f->wants_all = topic_count < 0;
	f->items = arena_array(&r->arena, items + 1, sizeof(*f->items));
	f->response = response;
	response->group_id = group_id;
	response->topics = WIRE_ARRAY(&r->arena, offset_fetch_response_topics,
				      MAX(topic_count, 0));
	for (int32_t i = 0; i < topic_count; i++)
		fetch_add_topic(r, f, &topics[i]);
	t->state = f;
	group_trip_go(t);
}

static void fetch_old(struct request *r)
{
	const struct offset_fetch_request *in = r->body;
	struct fetch_topic *topics =
		arena_array(&r->arena, (size_t)MAX(in->topics_count, 0) + 1, sizeof(*topics));

	for (int32_t i = 0; i < in->topics_count; i++)
		topics[i] = (struct fetch_topic){
			.name = in->topics[i].name,
			.indexes = in->topics[i].partition_indexes,
			.index_count = in->topics[i].partition_indexes_count,
		};
	fetch_group(r, in->group_id, topics, in->topics_count, in->require_stable,
		    WIRE_NEW(&r->arena, offset_fetch_response_group), fetch_finish_old);
}

void handle_offset_fetch(struct request *r)
{
	const struct offset_fetch_request *in = r->body;
	struct offset_fetch_response *out = r->response;

	if (r->version < 8) {
		fetch_old(r);
		request_done(r);
		return;
	}
	out->groups = WIRE_ARRAY(&r->arena, offset_fetch_response_group, MAX(in->groups_count, 0));
	for (int32_t i = 0; i < in->groups_count; i++) {
		const struct offset_fetch_request_group *group = &in->groups[i];
		struct fetch_topic *topics = arena_array(
			&r->arena, (size_t)MAX(group->topics_count, 0) + 1, sizeof(*topics));

		for (int32_t k = 0; k < group->topics_count; k++)
			topics[k] = (struct fetch_topic){
				.name = group->topics[k].name,
				.id = group->topics[k].topic_id,
				.indexes = group->topics[k].partition_indexes,
				.index_count = group->topics[k].partition_indexes_count,
			};
		fetch_group(r, group->group_id, topics, group->topics_count, in->require_stable,
			    &out->groups[out->groups_count++], fetch_finish);
	}
	request_done(r);
}
