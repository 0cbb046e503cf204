/* Metadata: brokers, topics, who leads; creation of topics that a client asks for. */
#include "api/describe.h"
#include "api/handlers.h"
#include "config/config.h"
#include "controller/control.h"

static void metadata_brokers(struct request *r, struct metadata_response *response)
{
	const struct image *image = r->shard->image;

	response->brokers =
		WIRE_ARRAY(&r->arena, metadata_response_broker, image_broker_count(image));
	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id)) {
		const struct image_endpoint *e = image_broker_endpoint(b, str_of(r->listener));
		struct metadata_response_broker *out;

		if (b->fenced || !e)
			continue;
		out = &response->brokers[response->brokers_count++];
		out->node_id = b->id;
		out->host = e->host;
		out->port = e->port;
		out->rack = b->rack;
	}
}

static int16_t metadata_partition_error(const struct request *r, const struct partition_view *view)
{
	/* Clients of version 0 cannot be told which replicas are down. */
	if (!view->error && r->version == 0 && view->offline_count > 0)
		return KERR_REPLICA_NOT_AVAILABLE;
	if (view->error == KERR_LISTENER_NOT_FOUND && r->version <= 5)
		return KERR_LEADER_NOT_AVAILABLE;
	return (int16_t)view->error;
}

static void metadata_topic(struct request *r, const struct image_topic *topic,
			   struct metadata_response_topic *out)
{
	const struct metadata_request *request = r->body;

	out->name = topic->name;
	out->topic_id = topic->id;
	out->is_internal = topic_is_internal(topic->name);
	if (request->include_topic_authorized_operations)
		out->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
	out->partitions =
		WIRE_ARRAY(&r->arena, metadata_response_partition, topic->partition_count);
	for (int32_t i = 0; i < topic->partition_count; i++) {
		const struct image_partition *p = image_partition(topic, i);
		struct metadata_response_partition *to;
		struct partition_view view;

		if (!p)
			continue;
		partition_view(r, p, &view);
		to = &out->partitions[out->partitions_count++];
		to->error_code = metadata_partition_error(r, &view);
		to->partition_index = i;
		to->leader_id = view.leader_id;
		to->leader_epoch = p->leader_epoch;
		to->replica_nodes = view.replicas;
		to->replica_nodes_count = view.replica_count;
		to->isr_nodes = view.isr;
		to->isr_nodes_count = view.isr_count;
		to->offline_replicas = view.offline;
		to->offline_replicas_count = view.offline_count;
	}
}

static bool metadata_may_create(const struct request *r)
{
	const struct metadata_request *request = r->body;

	return (r->version < 4 || request->allow_auto_topic_creation) &&
	       config_bool(r->shard->config, CONFIG_AUTO_CREATE_TOPICS_ENABLE);
}

static void metadata_missing(struct request *r, struct str name,
			     struct metadata_response_topic *out)
{
	out->name = name;
	out->is_internal = topic_is_internal(name);
	if (!topic_name_is_valid(name)) {
		out->error_code = KERR_INVALID_TOPIC_EXCEPTION;
		return;
	}
	/* The client asks again until it is there. */
	out->error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (metadata_may_create(r))
		control_auto_create(r->shard, name);
}

static void metadata_all_topics(struct request *r, struct metadata_response *response)
{
	const struct image *image = r->shard->image;

	response->topics = WIRE_ARRAY(&r->arena, metadata_response_topic, image_topic_count(image));
	for (const struct image_topic *t = image_topic_next(image, STR_NULL); t;
	     t = image_topic_next(image, t->name))
		metadata_topic(r, t, &response->topics[response->topics_count++]);
}

static bool metadata_asks_by_id(const struct metadata_request *request)
{
	for (int32_t i = 0; i < request->topics_count; i++)
		if (!uuid_is_zero(request->topics[i].topic_id))
			return true;
	return false;
}

/* Version 12 and above may name topics by id; one id, and only ids count. */
static void metadata_asked_topics(struct request *r, struct metadata_response *response)
{
	const struct metadata_request *request = r->body;
	const struct image *image = r->shard->image;
	bool by_id = metadata_asks_by_id(request);

	response->topics = WIRE_ARRAY(&r->arena, metadata_response_topic, request->topics_count);
	for (int32_t i = 0; i < request->topics_count; i++) {
		const struct metadata_request_topic *asked = &request->topics[i];
		struct metadata_response_topic *out = &response->topics[response->topics_count];
		const struct image_topic *topic;

		if (by_id && uuid_is_zero(asked->topic_id))
			continue;
		response->topics_count++;
		topic = by_id ? image_topic_by_id(image, asked->topic_id)
			      : image_topic_by_name(image, asked->name);
		if (topic) {
			metadata_topic(r, topic, out);
		} else if (by_id) {
			out->topic_id = asked->topic_id;
			out->name = r->version >= 12 ? STR_NULL : STR_LIT("");
			out->error_code = KERR_UNKNOWN_TOPIC_ID;
		} else {
			metadata_missing(r, asked->name, out);
		}
	}
}

/* Versions 10 and 11 have the id on the wire, but their servers cannot look it up. */
static bool metadata_is_invalid(const struct request *r)
{
	const struct metadata_request *request = r->body;

	for (int32_t i = 0; i < request->topics_count; i++) {
		const struct metadata_request_topic *asked = &request->topics[i];

		if (r->version < 12 && (!uuid_is_zero(asked->topic_id) || str_is_null(asked->name)))
			return true;
		if (uuid_is_zero(asked->topic_id) && str_is_null(asked->name))
			return true;
	}
	return false;
}

static void metadata_refuse(struct request *r, struct metadata_response *response)
{
	const struct metadata_request *request = r->body;

	response->topics = WIRE_ARRAY(&r->arena, metadata_response_topic, request->topics_count);
	response->topics_count = request->topics_count;
	response->error_code = KERR_INVALID_REQUEST;
	for (int32_t i = 0; i < request->topics_count; i++) {
		response->topics[i].error_code = KERR_INVALID_REQUEST;
		response->topics[i].topic_id = request->topics[i].topic_id;
		response->topics[i].name = str_is_null(request->topics[i].name)
						   ? STR_LIT("")
						   : request->topics[i].name;
	}
}

void handle_metadata(struct request *r)
{
	const struct metadata_request *request = r->body;
	struct metadata_response *response = r->response;

	metadata_brokers(r, response);
	response->cluster_id = str_of(r->shard->broker->cluster_id_text);
	response->controller_id = any_broker_id(r);
	if (request->include_cluster_authorized_operations)
		response->cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
	if (metadata_is_invalid(r))
		metadata_refuse(r, response);
	else if (request->topics_count < 0 || (r->version == 0 && request->topics_count == 0))
		metadata_all_topics(r, response);
	else
		metadata_asked_topics(r, response);
	request_done(r);
}
