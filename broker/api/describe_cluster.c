/* DescribeCluster and ApiVersions: what this broker and its cluster are. */
#include "api/control_trip.h"
#include "api/describe.h"
#include "api/handlers.h"
#include "config/config.h"
#include "metadata/features.h"

#include <stdatomic.h>

/* ---- DescribeCluster ------------------------------------------------------------------------ */

enum endpoint_type { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static enum kafka_error cluster_check(const struct request *r, const char **text)
{
	const struct describe_cluster_request *request = r->body;
	bool is_broker = r->listener_type == LISTENER_BROKER;
	int version = image_metadata_version(r->shard->image);

	if (!is_broker && version < METADATA_3_7_IV0) {
		*text = version > 0 ? "Direct-to-controller communication is not supported with "
				      "the current MetadataVersion."
				    : "There is no finalized MetadataVersion, so "
				      "direct-to-controller communication is not supported.";
		return KERR_UNSUPPORTED_VERSION;
	}
	if (request->endpoint_type == (is_broker ? ENDPOINT_BROKERS : ENDPOINT_CONTROLLERS))
		return KERR_NONE;
	if (request->endpoint_type == ENDPOINT_CONTROLLERS ||
	    request->endpoint_type == ENDPOINT_BROKERS) {
		*text = is_broker
				? "The request was sent to an endpoint of type BROKER, but we "
				  "wanted an endpoint of type CONTROLLER"
				: "The request was sent to an endpoint of type CONTROLLER, but we "
				  "wanted an endpoint of type BROKER";
		return r->version == 0 ? KERR_INVALID_REQUEST : KERR_MISMATCHED_ENDPOINT_TYPE;
	}
	*text = "Unsupported endpoint type";
	return r->version == 0 ? KERR_INVALID_REQUEST : KERR_UNSUPPORTED_ENDPOINT_TYPE;
}

static void controllers_finish(struct control_trip *t)
{
	struct describe_cluster_response *response = t->request->response;

	response->controller_id = t->op.node_id;
}

/* To the controllers' listener: the controllers there are, and the active one. */
static void describe_controllers(struct request *r)
{
	const struct describe_cluster_request *request = r->body;
	struct describe_cluster_response *response = r->response;
	const struct image *image = r->shard->image;
	struct str listener = str_of(r->listener);
	const struct image_controller *node;
	struct control_trip *t;
	int32_t count = 0;

	if (request->include_cluster_authorized_operations)
		response->cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
	for (node = image_controller_next(image, -1); node;
	     node = image_controller_next(image, node->id))
		count++;
	response->endpoint_type = ENDPOINT_CONTROLLERS;
	response->brokers = WIRE_ARRAY(&r->arena, describe_cluster_response_broker, count);
	for (node = image_controller_next(image, -1); node;
	     node = image_controller_next(image, node->id)) {
		for (uint32_t i = 0; i < node->endpoint_count; i++) {
			struct describe_cluster_response_broker *out;

			if (!str_eq(node->endpoints[i].name, listener))
				continue;
			out = &response->brokers[response->brokers_count++];
			out->broker_id = node->id;
			out->host = str_dup(&r->arena, node->endpoints[i].host);
			out->port = node->endpoints[i].port;
			break;
		}
	}
	t = control_trip_new(r, CONTROL_LEADER, controllers_finish);
	control_trip_go(t);
}

void handle_describe_cluster(struct request *r)
{
	const struct describe_cluster_request *request = r->body;
	struct describe_cluster_response *response = r->response;
	const struct image *image = r->shard->image;
	const char *text = NULL;

	response->error_code = (int16_t)cluster_check(r, &text);
	response->cluster_id = str_of(r->shard->broker->cluster_id_text);
	response->error_message = str_of(text);
	if (response->error_code == KERR_NONE && r->listener_type == LISTENER_CONTROLLER)
		describe_controllers(r);
	if (response->error_code || r->listener_type == LISTENER_CONTROLLER) {
		request_done(r);
		return;
	}
	response->controller_id = any_broker_id(r);
	if (request->include_cluster_authorized_operations)
		response->cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
	response->brokers =
		WIRE_ARRAY(&r->arena, describe_cluster_response_broker, image_broker_count(image));
	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id)) {
		const struct image_endpoint *e = image_broker_endpoint(b, str_of(r->listener));
		struct describe_cluster_response_broker *out;

		if (!e || (b->fenced && !request->include_fenced_brokers))
			continue;
		out = &response->brokers[response->brokers_count++];
		out->broker_id = b->id;
		out->host = e->host;
		out->port = e->port;
		out->rack = b->rack;
		out->is_fenced = b->fenced;
	}
	request_done(r);
}

/* ---- ApiVersions ---------------------------------------------------------------------------- */

static bool software_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool software_is_valid(struct str s)
{
	if (s.len == 0 || !software_char(s.data[0]) || !software_char(s.data[s.len - 1]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!software_char(s.data[i]) && s.data[i] != '-' && s.data[i] != '.')
			return false;
	return true;
}

static enum kafka_error versions_check(const struct request *r)
{
	const struct api_versions_request *request = r->body;
	const struct broker *broker = r->shard->broker;

	if (r->version >= 3 && (!software_is_valid(request->client_software_name) ||
				!software_is_valid(request->client_software_version)))
		return KERR_INVALID_REQUEST;
	if (str_is_null(request->cluster_id) != (request->node_id == -1))
		return KERR_INVALID_REQUEST;
	if (!str_is_null(request->cluster_id) &&
	    (!str_is(request->cluster_id, broker->cluster_id_text) ||
	     request->node_id != broker->node_id))
		return KERR_REBOOTSTRAP_REQUIRED;
	return KERR_NONE;
}

/* To clients, a broker has what it passes on in those versions only that the active controller has
 * too. False: in none. */
static bool versions_clip(const struct request *r, const struct api *api,
			  struct api_versions_response_api_version *v)
{
	int16_t min, max;

	if (!api->is_forwardable || r->listener_type != LISTENER_BROKER ||
	    !control_versions(r->shard->broker, (enum api_key)api->key, &min, &max))
		return true;
	v->min_version = MAX(v->min_version, min);
	v->max_version = MIN(v->max_version, max);
	return v->min_version <= v->max_version;
}

static void versions_apis(struct request *r, struct api_versions_response *response)
{
	bool unstable = config_bool(r->shard->config, CONFIG_UNSTABLE_API_VERSIONS_ENABLE);

	response->api_keys =
		WIRE_ARRAY(&r->arena, api_versions_response_api_version, wire_api_count);
	for (size_t i = 0; i < wire_api_count; i++) {
		const struct api *api = &wire_apis[i];
		struct api_versions_response_api_version *out =
			&response->api_keys[response->api_keys_count];

		/* Telemetry is served to clients that insist; nothing here collects it. */
		if (!api_handler_of(api, r->listener_type) ||
		    api->key == API_GET_TELEMETRY_SUBSCRIPTIONS || api->key == API_PUSH_TELEMETRY)
			continue;
		out->api_key = api->key;
		/* librdkafka takes a higher minimum for "no compression" (KAFKA-18659). */
		out->min_version = api->key == API_PRODUCE ? 0 : api->min_version;
		out->max_version = unstable ? api->max_version : api_max_stable(api);
		response->api_keys_count += versions_clip(r, api, out);
	}
}

static void versions_features(struct request *r, struct api_versions_response *response)
{
	const struct image *image = r->shard->image;

	response->supported_features = WIRE_ARRAY(
		&r->arena, api_versions_response_supported_feature_key, feature_count);
	response->finalized_features = WIRE_ARRAY(
		&r->arena, api_versions_response_finalized_feature_key, feature_count);
	for (size_t i = 0; i < feature_count; i++) {
		struct str name = str_of(features[i].name);
		int16_t level = str_is(name, KRAFT_VERSION_FEATURE)
					? atomic_load(&r->shard->broker->kraft_version)
					: image_feature_level(image, name);
		struct api_versions_response_supported_feature_key *supported;
		struct api_versions_response_finalized_feature_key *final;

		/* Clients of older versions stumble over a minimum of 0 (KAFKA-17011). */
		if (r->version >= 4 || features[i].min > 0) {
			supported =
				&response->supported_features[response->supported_features_count++];
			supported->name = name;
			supported->min_version = features[i].min;
			supported->max_version = features[i].max;
		}
		if (level <= 0)
			continue;
		final = &response->finalized_features[response->finalized_features_count++];
		final->name = name;
		final->min_version_level = final->max_version_level = level;
	}
	response->finalized_features_epoch = image_offset(image);
}

void handle_api_versions(struct request *r)
{
	struct api_versions_response *response = r->response;

	response->error_code = (int16_t)versions_check(r);
	if (response->error_code == KERR_NONE) {
		versions_apis(r, response);
		versions_features(r, response);
	}
	request_done(r);
}
