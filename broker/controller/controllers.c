/* Controllers in the metadata: registration, by the active one for itself, by the others through
 * ControllerRegistration. */
#include "base/say.h"
#include "controller/controller_int.h"

#define SAY_PLACE "broker/controller"

void brokers_register_controller(struct change *ch)
{
	const struct controller_options *o = &ch->c->options;
	struct register_controller_record r;

	WIRE_INIT(register_controller_record, &r);
	r.controller_id = o->node_id;
	r.incarnation_id = ch->c->incarnation_id;
	r.end_points = WIRE_ARRAY(ch->arena, register_controller_record_controller_endpoint, 1);
	r.end_points_count = 1;
	r.end_points[0].name = o->endpoint.name;
	r.end_points[0].host = o->endpoint.host;
	r.end_points[0].port = o->endpoint.port;
	r.end_points[0].security_protocol = o->endpoint.security_protocol;
	r.features =
		WIRE_ARRAY(ch->arena, register_controller_record_controller_feature, feature_count);
	r.features_count = (int32_t)feature_count;
	for (size_t i = 0; i < feature_count; i++) {
		r.features[i].name = str_of(features[i].name);
		r.features[i].min_supported_version = features[i].min;
		r.features[i].max_supported_version = features[i].max;
	}
	change_add(ch, &register_controller_record_desc, 0, &r);
}

void register_controller_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct controller_registration_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

void register_controller_run(struct change *ch, struct control_op *op)
{
	const struct controller_registration_request *from = op->request;
	struct register_controller_record r;

	if (metadata_version(ch) < METADATA_3_7_IV0) {
		op->error = KERR_UNSUPPORTED_VERSION;
		register_controller_fail(
			op, op->error,
			STR_LIT("The current MetadataVersion is too old to support controller "
				"registrations."));
		return;
	}
	WIRE_INIT(register_controller_record, &r);
	r.controller_id = from->controller_id;
	r.incarnation_id = from->incarnation_id;
	r.zk_migration_ready = from->zk_migration_ready;
	r.end_points_count = from->listeners_count;
	r.end_points = WIRE_ARRAY(ch->arena, register_controller_record_controller_endpoint,
				  from->listeners_count);
	for (int32_t i = 0; i < from->listeners_count; i++) {
		r.end_points[i].name = from->listeners[i].name;
		r.end_points[i].host = from->listeners[i].host;
		r.end_points[i].port = from->listeners[i].port;
		r.end_points[i].security_protocol = from->listeners[i].security_protocol;
	}
	r.features_count = from->features_count;
	r.features = WIRE_ARRAY(ch->arena, register_controller_record_controller_feature,
				from->features_count);
	for (int32_t i = 0; i < from->features_count; i++) {
		r.features[i].name = from->features[i].name;
		r.features[i].min_supported_version = from->features[i].min_supported_version;
		r.features[i].max_supported_version = from->features[i].max_supported_version;
	}
	change_add(ch, &register_controller_record_desc, 0, &r);
	say_info("controller %d registered", from->controller_id);
}

/* ---- UnregisterController -------------------------------------------------------------------- */

void unregister_controller_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct unregister_controller_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

static enum kafka_error check_unregister(struct change *ch, struct control_op *op, int32_t id,
					 struct str *text)
{
	const struct voters_record *voters = raft_voters(ch->c->raft);

	if (metadata_version(ch) < METADATA_4_4_IV2) {
		*text = STR_LIT("The current MetadataVersion is too old to support the "
				"unregistration of controllers.");
		return KERR_UNSUPPORTED_VERSION;
	}
	for (int32_t i = 0; i < voters->voters_count; i++) {
		if (voters->voters[i].voter_id != id)
			continue;
		*text = op_text(op, "Controller %d is a voter of the quorum", id);
		return KERR_INVALID_REQUEST;
	}
	if (!image_controller(tip(ch), id)) {
		*text = op_text(op, "Controller ID %d is not currently registered", id);
		return KERR_CONTROLLER_ID_NOT_REGISTERED;
	}
	return KERR_NONE;
}

void unregister_controller_run(struct change *ch, struct control_op *op)
{
	const struct unregister_controller_request *from = op->request;
	struct unregister_controller_record r;
	struct str text = STR_NULL;

	op->error = check_unregister(ch, op, from->controller_id, &text);
	if (op->error) {
		unregister_controller_fail(op, op->error, text);
		return;
	}
	WIRE_INIT(unregister_controller_record, &r);
	r.controller_id = from->controller_id;
	change_add(ch, &unregister_controller_record_desc, 0, &r);
}
