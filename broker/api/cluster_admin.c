/* What the controller does as asked: topics made, deleted and grown, leaders elected, replicas
 * moved, features raised, brokers forgotten, the quorum described. Checks and answers are the
 * controller's (broker/controller); the list of reassignments is read from the image. */
#include "api/control_trip.h"
#include "api/handlers.h"
#include "metadata/image.h"
#include "wire/codec.h"

/* ---- Topics ---------------------------------------------------------------------------------- */

void handle_create_topics(struct request *r)
{
	control_trip_send(r, CONTROL_CREATE_TOPICS);
	request_done(r);
}

void handle_delete_topics(struct request *r)
{
	control_trip_send(r, CONTROL_DELETE_TOPICS);
	request_done(r);
}

void handle_create_partitions(struct request *r)
{
	control_trip_send(r, CONTROL_CREATE_PARTITIONS);
	request_done(r);
}

/* ---- Partitions ------------------------------------------------------------------------------ */

void handle_elect_leaders(struct request *r)
{
	control_trip_send(r, CONTROL_ELECT_LEADERS);
	request_done(r);
}

void handle_alter_partition_reassignments(struct request *r)
{
	control_trip_send(r, CONTROL_ALTER_REASSIGNMENTS);
	request_done(r);
}

static bool reassignment_is_ongoing(const struct image_partition *p)
{
	return p && (p->adding.count > 0 || p->removing.count > 0);
}

/* The image is constant: the response may point into it, for all that the codec only reads. */
static int32_t *ids_of(struct node_list list)
{
	return (int32_t *)(uintptr_t)list.ids;
}

static void
reassignment_fill(const struct image_partition *p,
		  struct list_partition_reassignments_response_ongoing_partition_reassignment *out)
{
	out->partition_index = p->index;
	out->replicas = ids_of(p->replicas);
	out->replicas_count = (int32_t)p->replicas.count;
	out->adding_replicas = ids_of(p->adding);
	out->adding_replicas_count = (int32_t)p->adding.count;
	out->removing_replicas = ids_of(p->removing);
	out->removing_replicas_count = (int32_t)p->removing.count;
}

/* One topic: the partitions asked for (NULL: all) that are on their way. Topics without one are not
 * in the answer. */
static void reassignments_of(struct request *r, const struct image_topic *topic,
			     const int32_t *indexes, int32_t count)
{
	struct list_partition_reassignments_response *response = r->response;
	struct list_partition_reassignments_response_ongoing_topic_reassignment *to =
		&response->topics[response->topics_count];
	int32_t ongoing = 0;

	if (!topic)
		return;
	if (!indexes)
		count = topic->partition_count;
	for (int32_t i = 0; i < count; i++)
		ongoing +=
			reassignment_is_ongoing(image_partition(topic, indexes ? indexes[i] : i));
	if (ongoing == 0)
		return;
	to->name = topic->name;
	to->partitions = WIRE_ARRAY(
		&r->arena, list_partition_reassignments_response_ongoing_partition_reassignment,
		ongoing);
	for (int32_t i = 0; i < count; i++) {
		const struct image_partition *p = image_partition(topic, indexes ? indexes[i] : i);

		if (reassignment_is_ongoing(p))
			reassignment_fill(p, &to->partitions[to->partitions_count++]);
	}
	response->topics_count++;
}

void handle_list_partition_reassignments(struct request *r)
{
	const struct list_partition_reassignments_request *request = r->body;
	struct list_partition_reassignments_response *response = r->response;
	const struct image *image = r->shard->image;
	int32_t count = request->topics_count >= 0 ? request->topics_count
						   : (int32_t)image_topic_count(image);

	response->topics = WIRE_ARRAY(
		&r->arena, list_partition_reassignments_response_ongoing_topic_reassignment, count);
	for (int32_t i = 0; i < request->topics_count; i++)
		reassignments_of(r, image_topic_by_name(image, request->topics[i].name),
				 request->topics[i].partition_indexes,
				 request->topics[i].partition_indexes_count);
	if (request->topics_count < 0)
		for (const struct image_topic *t = image_topic_next(image, STR_NULL); t;
		     t = image_topic_next(image, t->name))
			reassignments_of(r, t, NULL, 0);
	request_done(r);
}

/* ---- The cluster ----------------------------------------------------------------------------- */

void handle_describe_quorum(struct request *r)
{
	control_trip_send(r, CONTROL_DESCRIBE_QUORUM);
	request_done(r);
}

void handle_update_features(struct request *r)
{
	control_trip_send(r, CONTROL_UPDATE_FEATURES);
	request_done(r);
}

void handle_unregister_broker(struct request *r)
{
	control_trip_send(r, CONTROL_UNREGISTER_BROKER);
	request_done(r);
}
