/* FindCoordinator: the leader of the partition that a group, a transaction or the state of a share
 * partition belongs to. */
#include "api/handlers.h"
#include "controller/control.h"
#include "group/group.h"
#include "metadata/image.h"
#include "wire/codec.h"

enum coordinator_type { COORDINATOR_GROUP = 0, COORDINATOR_TRANSACTION = 1, COORDINATOR_SHARE = 2 };

static const char *const coordinator_topics[] = {
	[COORDINATOR_GROUP] = OFFSETS_TOPIC,
	[COORDINATOR_TRANSACTION] = "__transaction_state",
	[COORDINATOR_SHARE] = "__share_group_state",
};

/* "group:topic id:partition" */
static bool share_key_is_valid(struct str key)
{
	const char *end = key.data + key.len, *colon;
	struct uuid id;

	if (!key.len)
		return false;
	colon = memrchr(key.data, ':', key.len);
	if (!colon || colon + 1 == end)
		return false;
	for (const char *p = colon + 1; p < end; p++)
		if (*p < '0' || *p > '9')
			return false;
	end = colon;
	colon = memrchr(key.data, ':', (size_t)(end - key.data));
	return colon && colon > key.data &&
	       uuid_parse(&id, (struct str){colon + 1, (size_t)(end - colon) - 1}) == 0;
}

/* Fills node, host and port, or gives the error. */
static enum kafka_error find_leader(struct request *r, enum coordinator_type type, struct str key,
				    struct find_coordinator_response_coordinator *out)
{
	const struct image *image = r->shard->image;
	struct str name = str_of(coordinator_topics[type]);
	const struct image_topic *topic = image_topic_by_name(image, name);
	const struct image_partition *partition;
	const struct image_broker *broker;
	const struct image_endpoint *endpoint;

	/* Transactions and share groups have no coordinator in this version (init_producer_id.c):
	 * their topics, which only it would write, are not made. But in a cluster with brokers of
	 * Apache's there may be one. */
	if (type != COORDINATOR_GROUP && !topic)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	if (!topic || topic->partition_count == 0) {
		control_auto_create(r->shard, name);
		return KERR_COORDINATOR_NOT_AVAILABLE;
	}
	partition = image_partition(topic, coordinator_partition(key, topic->partition_count));
	if (type != COORDINATOR_GROUP && partition &&
	    partition->leader == r->shard->broker->node_id)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	broker = partition ? image_broker(image, partition->leader) : NULL;
	endpoint = broker && !broker->fenced ? image_broker_endpoint(broker, str_of(r->listener))
					     : NULL;
	if (!endpoint)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	out->node_id = broker->id;
	out->host = str_dup(&r->arena, endpoint->host);
	out->port = endpoint->port;
	return KERR_NONE;
}

static void find_one(struct request *r, int8_t type, struct str key,
		     struct find_coordinator_response_coordinator *out)
{
	enum kafka_error error;

	*out = (struct find_coordinator_response_coordinator){
		.key = key, .node_id = -1, .host = STR_LIT(""), .port = -1,
		.error_message = STR_LIT("")};
	if (type < COORDINATOR_GROUP || type > COORDINATOR_SHARE ||
	    (type == COORDINATOR_SHARE && (r->version < 6 || !share_key_is_valid(key))))
		error = KERR_INVALID_REQUEST;
	else
		error = find_leader(r, (enum coordinator_type)type, key, out);
	out->error_code = (int16_t)error;
}

void handle_find_coordinator(struct request *r)
{
	const struct find_coordinator_request *in = r->body;
	struct find_coordinator_response *out = r->response;
	struct find_coordinator_response_coordinator one;

	if (r->version >= 4) {
		out->coordinators = WIRE_ARRAY(&r->arena, find_coordinator_response_coordinator,
					       MAX(in->coordinator_keys_count, 0));
		for (int32_t i = 0; i < in->coordinator_keys_count; i++)
			find_one(r, in->key_type, in->coordinator_keys[i],
				 &out->coordinators[out->coordinators_count++]);
		request_done(r);
		return;
	}
	find_one(r, in->key_type, in->key, &one);
	out->error_code = one.error_code;
	out->error_message = one.error_code == KERR_NONE ? STR_LIT("NONE")
							 : str_of(kafka_error_text(one.error_code));
	out->node_id = one.node_id;
	out->host = one.host;
	out->port = one.port;
	request_done(r);
}
