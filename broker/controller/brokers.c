/* Brokers: registration, heartbeats, fencing, controlled shutdown, blocks of producer ids. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "controller/controller_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/controller"
#define PRODUCER_ID_BLOCK 1000

struct broker_track *track_of(struct controller *c, int32_t id)
{
	for (size_t i = 0; i < c->track_count; i++)
		if (c->tracks[i].id == id)
			return &c->tracks[i];
	c->tracks = grow_array(c->tracks, c->track_count, &c->track_cap, sizeof(*c->tracks));
	c->tracks[c->track_count] = (struct broker_track){
		.id = id, .contact_us = -1, .metadata_offset = -1, .shutdown_offset = -1};
	return &c->tracks[c->track_count++];
}

/* A new leader has heard from nobody: whoever is unfenced gets a full session. */
void brokers_activate(struct controller *c)
{
	const struct image *image = delta_image(&c->tip);
	int64_t now_us = env_mono_us(c->env);

	c->track_count = 0;
	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id))
		if (!b->fenced)
			track_of(c, b->id)->contact_us =
				FAULT(session_endless) ? INT64_MAX / 2 : now_us;
}

static int64_t session_us(const struct controller *c)
{
	return config_i64(c->config, CONFIG_BROKER_SESSION_TIMEOUT_MS) * 1000;
}

static bool session_is_valid(struct controller *c, int32_t id)
{
	struct broker_track *t = track_of(c, id);

	return t->contact_us >= 0 && env_mono_us(c->env) - t->contact_us < session_us(c);
}

bool broker_takes_replicas(const struct image_broker *b)
{
	return b && !b->in_controlled_shutdown &&
	       (!b->cordoned_log_dirs || b->log_dir_count == 0 ||
		b->cordoned_log_dir_count < b->log_dir_count);
}

struct uuid broker_new_dir(const struct image *image, int32_t broker_id)
{
	const struct image_broker *b = image_broker(image, broker_id);

	if (!b || b->log_dir_count == 0)
		return DIRECTORY_MIGRATING;
	return b->log_dir_count == 1 ? b->log_dirs[0] : DIRECTORY_UNASSIGNED;
}

/* ---- Registration ---------------------------------------------------------------------------- */

static bool dir_is_reserved(struct uuid id)
{
	static const uint8_t zero[15];

	return memcmp(id.bytes, zero, sizeof(zero)) == 0 && id.bytes[15] < 100;
}

static const char *check_dirs(const struct image *image,
			      const struct broker_registration_request *r)
{
	if (r->log_dirs_count <= 0)
		return "No directories specified in request";
	for (int32_t i = 0; i < r->log_dirs_count; i++) {
		if (dir_is_reserved(r->log_dirs[i]))
			return "Reserved directory ID in request";
		for (int32_t j = 0; j < i; j++)
			if (uuid_eq(r->log_dirs[i], r->log_dirs[j]))
				return "Duplicate directory ID in request";
	}
	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id)) {
		for (uint32_t i = 0; b->id != r->broker_id && i < b->log_dir_count; i++)
			for (int32_t j = 0; j < r->log_dirs_count; j++)
				if (uuid_eq(b->log_dirs[i], r->log_dirs[j]))
					return "a directory is registered with another broker";
	}
	return NULL;
}

static const struct broker_registration_request_feature *
request_feature(const struct broker_registration_request *r, struct str name)
{
	for (int32_t i = 0; i < r->features_count; i++)
		if (str_eq(r->features[i].name, name))
			return &r->features[i];
	return NULL;
}

static bool covers(const struct broker_registration_request_feature *f, int16_t level)
{
	return f && level >= f->min_supported_version && level <= f->max_supported_version;
}

/* Every range must contain what the cluster has, and nothing that the cluster has may be missing.
 */
static enum kafka_error check_features(const struct change *ch,
				       const struct broker_registration_request *r)
{
	int16_t kraft_version = raft_kraft_version(ch->c->raft);

	for (int32_t i = 0; i < r->features_count; i++) {
		int16_t level = str_is(r->features[i].name, KRAFT_VERSION_FEATURE)
					? kraft_version
					: image_feature_level(tip(ch), r->features[i].name);

		if (!covers(&r->features[i], level))
			return KERR_UNSUPPORTED_VERSION;
	}
	if (!request_feature(r, STR_LIT(METADATA_VERSION_FEATURE)))
		return KERR_INVALID_REGISTRATION;
	if (kraft_version > 0 && !request_feature(r, STR_LIT(KRAFT_VERSION_FEATURE)))
		return KERR_UNSUPPORTED_VERSION;
	for (const struct image_feature *f = image_feature_next(tip(ch), STR_NULL); f;
	     f = image_feature_next(tip(ch), f->name))
		if (!request_feature(r, f->name))
			return KERR_UNSUPPORTED_VERSION;
	return KERR_NONE;
}

static enum kafka_error check_registration(struct change *ch, const struct control_op *op)
{
	const struct broker_registration_request *r = op->request;
	const struct image_broker *old = image_broker(tip(ch), r->broker_id);
	const char *wrong = NULL;

	if (!str_eq(r->cluster_id, ch->c->options.cluster_id))
		return KERR_INCONSISTENT_CLUSTER_ID;
	/* What this process says of itself is so: the one before it is gone. */
	if (old && op->home && !uuid_eq(old->incarnation_id, r->incarnation_id) &&
	    session_is_valid(ch->c, r->broker_id))
		return KERR_DUPLICATE_BROKER_REGISTRATION;
	if (r->is_migrating_zk_broker)
		return KERR_BROKER_ID_NOT_REGISTERED;
	if (metadata_has_directories(metadata_version(ch)))
		wrong = check_dirs(tip(ch), r);
	if (wrong) {
		say_warn("registration of broker %d refused: %s", r->broker_id, wrong);
		return KERR_INVALID_REGISTRATION;
	}
	return check_features(ch, r);
}

static void registration_record(struct change *ch, const struct broker_registration_request *r,
				struct register_broker_record *out)
{
	WIRE_INIT(register_broker_record, out);
	out->broker_id = r->broker_id;
	out->incarnation_id = r->incarnation_id;
	out->end_points_count = r->listeners_count;
	out->end_points =
		WIRE_ARRAY(ch->arena, register_broker_record_broker_endpoint, r->listeners_count);
	for (int32_t i = 0; i < r->listeners_count; i++) {
		out->end_points[i].name = r->listeners[i].name;
		out->end_points[i].host = r->listeners[i].host;
		out->end_points[i].port = r->listeners[i].port;
		out->end_points[i].security_protocol = r->listeners[i].security_protocol;
	}
	out->features_count = r->features_count;
	out->features =
		WIRE_ARRAY(ch->arena, register_broker_record_broker_feature, r->features_count);
	for (int32_t i = 0; i < r->features_count; i++) {
		out->features[i].name = r->features[i].name;
		out->features[i].min_supported_version = r->features[i].min_supported_version;
		out->features[i].max_supported_version = r->features[i].max_supported_version;
	}
	out->rack = r->rack;
	if (metadata_has_directories(metadata_version(ch))) {
		out->log_dirs = r->log_dirs;
		out->log_dirs_count = r->log_dirs_count;
	}
}

void register_broker_fail(struct control_op *op, enum kafka_error error, struct str text UNUSED)
{
	((struct broker_registration_response *)op->response)->error_code = (int16_t)error;
}

/* A broker that comes back left its replicas in an unknown state, unless it says which epoch it
 * shut down at cleanly. */
void register_broker_run(struct change *ch, struct control_op *op)
{
	const struct broker_registration_request *r = op->request;
	struct broker_registration_response *response = op->response;
	const struct image_broker *old = image_broker(tip(ch), r->broker_id);
	struct register_broker_record record;

	op->error = check_registration(ch, op);
	if (op->error) {
		say_warn("registration of broker %d refused: %s", r->broker_id,
			 kafka_error_name(op->error));
		register_broker_fail(op, op->error, STR_NULL);
		return;
	}
	registration_record(ch, r, &record);
	if (old && uuid_eq(old->incarnation_id, r->incarnation_id)) {
		record.broker_epoch = old->epoch;
		record.fenced = old->fenced;
		record.in_controlled_shutdown = old->in_controlled_shutdown;
	} else {
		bool was_clean = old && op->version >= 3 && r->previous_broker_epoch == old->epoch;

		record.broker_epoch = change_next_offset(ch);
		was_clean = was_clean || FAULT(unclean_stays);
		if (old && elr_enabled(tip(ch)) && !was_clean)
			partitions_move_leaders(ch, NO_NODE, NO_NODE, r->broker_id);
		else if (old)
			partitions_move_leaders(ch, r->broker_id, NO_NODE, NO_NODE);
	}
	change_add(ch, &register_broker_record_desc,
		   register_broker_record_version(metadata_version(ch)), &record);
	track_of(ch->c, r->broker_id)->contact_us = env_mono_us(ch->c->env);
	track_of(ch->c, r->broker_id)->shutdown_offset = -1;
	response->broker_epoch = record.broker_epoch;
	say_info("broker %d registered with epoch %" PRId64, r->broker_id, record.broker_epoch);
}

void unregister_broker_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct unregister_broker_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

void unregister_broker_run(struct change *ch, struct control_op *op)
{
	const struct unregister_broker_request *r = op->request;
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);
	struct unregister_broker_record record;

	if (!b) {
		op->error = KERR_BROKER_ID_NOT_REGISTERED;
		unregister_broker_fail(
			op, op->error,
			op_text(op, "Broker ID %d is not currently registered", r->broker_id));
		return;
	}
	WIRE_INIT(unregister_broker_record, &record);
	record.broker_id = b->id;
	record.broker_epoch = b->epoch;
	partitions_move_leaders(ch, b->id, NO_NODE, elr_enabled(tip(ch)) ? b->id : NO_NODE);
	change_add(ch, &unregister_broker_record_desc, 0, &record);
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

enum broker_state { BROKER_FENCED, BROKER_UNFENCED, BROKER_SHUTTING_DOWN, BROKER_SHUT_DOWN };

static enum broker_state broker_state_of(const struct image_broker *b)
{
	if (b->fenced)
		return BROKER_FENCED;
	return b->in_controlled_shutdown ? BROKER_SHUTTING_DOWN : BROKER_UNFENCED;
}

/* What every broker that may still get leaderships has applied. */
static int64_t lowest_active_offset(struct change *ch)
{
	int64_t lowest = INT64_MAX;

	for (const struct image_broker *b = image_broker_next(tip(ch), -1); b;
	     b = image_broker_next(tip(ch), b->id))
		if (image_broker_is_active(b))
			lowest = MIN(lowest, track_of(ch->c, b->id)->metadata_offset);
	return lowest;
}

static enum broker_state next_state(struct change *ch, const struct image_broker *b,
				    const struct broker_heartbeat_request *r)
{
	switch (broker_state_of(b)) {
	case BROKER_FENCED:
		if (r->want_shut_down)
			return BROKER_SHUT_DOWN;
		if (!r->want_fence && r->current_metadata_offset >= b->registered_offset)
			return BROKER_UNFENCED;
		return BROKER_FENCED;
	case BROKER_UNFENCED:
		if (r->want_fence)
			return r->want_shut_down ? BROKER_SHUT_DOWN : BROKER_FENCED;
		if (!r->want_shut_down)
			return BROKER_UNFENCED;
		return partitions_lead_any(tip(ch), b->id) ? BROKER_SHUTTING_DOWN
							   : BROKER_SHUT_DOWN;
	default:
		if (partitions_lead_any(tip(ch), b->id))
			return BROKER_SHUTTING_DOWN;
		return track_of(ch->c, b->id)->shutdown_offset <= lowest_active_offset(ch)
			       ? BROKER_SHUT_DOWN
			       : BROKER_SHUTTING_DOWN;
	}
}

/* Fenced: 1 fence, -1 unfence, 0 unchanged. */
static void change_registration(struct change *ch, const struct image_broker *b, int8_t fenced,
				bool shuts_down)
{
	struct broker_registration_change_record r;

	WIRE_INIT(broker_registration_change_record, &r);
	r.broker_id = b->id;
	r.broker_epoch = b->epoch;
	r.fenced = fenced;
	r.in_controlled_shutdown = shuts_down;
	change_add(ch, &broker_registration_change_record_desc, shuts_down ? 1 : 0, &r);
}

static void broker_fence(struct change *ch, int32_t id)
{
	partitions_move_leaders(ch, id, NO_NODE, NO_NODE);
	change_registration(ch, image_broker(tip(ch), id), 1, false);
}

static void broker_move(struct change *ch, int32_t id, enum broker_state to)
{
	const struct image_broker *b = image_broker(tip(ch), id);

	switch (to) {
	case BROKER_FENCED:
	case BROKER_SHUT_DOWN:
		say_info("broker %d is fenced", id);
		broker_fence(ch, id);
		/* told to go: the next process of this id need not wait for the session's end */
		if (to == BROKER_SHUT_DOWN)
			track_of(ch->c, id)->contact_us = -1;
		break;
	case BROKER_UNFENCED:
		say_info("broker %d is unfenced", id);
		change_registration(ch, b, -1, false);
		partitions_move_leaders(ch, NO_NODE, id, NO_NODE);
		break;
	case BROKER_SHUTTING_DOWN:
		say_info("broker %d is in controlled shutdown", id);
		change_registration(ch, b, 0, true);
		partitions_move_leaders(ch, id, NO_NODE, NO_NODE);
		track_of(ch->c, id)->shutdown_offset = change_next_offset(ch) - 1;
		break;
	}
}

static void broker_lose_dirs(struct change *ch, const struct broker_heartbeat_request *r)
{
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);
	struct broker_registration_change_record record;
	uint32_t kept = 0;

	WIRE_INIT(broker_registration_change_record, &record);
	record.log_dirs = arena_array(ch->arena, b->log_dir_count + 1, sizeof(struct uuid));
	for (uint32_t i = 0; i < b->log_dir_count; i++) {
		bool is_lost = false;

		for (int32_t j = 0; j < r->offline_log_dirs_count; j++)
			is_lost = is_lost || uuid_eq(b->log_dirs[i], r->offline_log_dirs[j]);
		if (!is_lost)
			record.log_dirs[kept++] = b->log_dirs[i];
	}
	if (kept == b->log_dir_count || kept == 0)
		return;
	record.broker_id = b->id;
	record.broker_epoch = b->epoch;
	record.log_dirs_count = (int32_t)kept;
	for (int32_t j = 0; j < r->offline_log_dirs_count; j++)
		partitions_leave_dir(ch, r->broker_id, r->offline_log_dirs[j]);
	change_add(ch, &broker_registration_change_record_desc, 2, &record);
}

static bool dirs_eq(const struct uuid *a, uint32_t a_count, const struct uuid *b, int32_t b_count)
{
	return (int32_t)a_count == b_count &&
	       (a_count == 0 || memcmp(a, b, a_count * sizeof(*a)) == 0);
}

/* Cordoned directories get no new replicas. */
static void broker_cordon_dirs(struct change *ch, const struct broker_heartbeat_request *r)
{
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);
	struct broker_registration_change_record record;

	if (r->cordoned_log_dirs_count < 0 || !metadata_has_cordoned_dirs(metadata_version(ch)) ||
	    (b->cordoned_log_dirs && dirs_eq(b->cordoned_log_dirs, b->cordoned_log_dir_count,
					     r->cordoned_log_dirs, r->cordoned_log_dirs_count)))
		return;
	WIRE_INIT(broker_registration_change_record, &record);
	record.broker_id = b->id;
	record.broker_epoch = b->epoch;
	record.cordoned_log_dirs = r->cordoned_log_dirs;
	record.cordoned_log_dirs_count = r->cordoned_log_dirs_count;
	change_add(ch, &broker_registration_change_record_desc, 3, &record);
}

void heartbeat_fail(struct control_op *op, enum kafka_error error, struct str text UNUSED)
{
	((struct broker_heartbeat_response *)op->response)->error_code = (int16_t)error;
}

void heartbeat_run(struct change *ch, struct control_op *op)
{
	const struct broker_heartbeat_request *r = op->request;
	struct broker_heartbeat_response *response = op->response;
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);
	struct broker_track *track;
	enum broker_state next;
	int64_t registered_offset;

	if (!b || b->epoch != r->broker_epoch) {
		op->error = KERR_STALE_BROKER_EPOCH;
		heartbeat_fail(op, op->error, STR_NULL);
		return;
	}
	registered_offset = b->registered_offset;
	track = track_of(ch->c, r->broker_id);
	track->contact_us = env_mono_us(ch->c->env);
	track->metadata_offset = r->current_metadata_offset;
	next = next_state(ch, b, r);
	if (next != broker_state_of(b))
		broker_move(ch, b->id, next);
	if (r->offline_log_dirs_count > 0 && metadata_has_directories(metadata_version(ch)))
		broker_lose_dirs(ch, r);
	broker_cordon_dirs(ch, r);
	response->is_caught_up = r->current_metadata_offset >= registered_offset;
	response->is_fenced = next == BROKER_FENCED || next == BROKER_SHUT_DOWN;
	response->should_shut_down = next == BROKER_SHUT_DOWN;
}

/* The broker of this process lives as long as its controller. */
static bool has_session(const struct controller *c, const struct image_broker *b)
{
	return !b->fenced && !(c->options.has_broker && b->id == c->options.node_id);
}

int64_t brokers_expiry_us(struct controller *c)
{
	const struct image *image = delta_image(&c->tip);
	int64_t first_us = INT64_MAX;

	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id))
		if (has_session(c, b))
			first_us = MIN(first_us, track_of(c, b->id)->contact_us + session_us(c));
	return first_us;
}

void brokers_excuse(struct controller *c, int64_t silence_us)
{
	for (size_t i = 0; i < c->track_count; i++)
		if (c->tracks[i].contact_us >= 0)
			c->tracks[i].contact_us += silence_us;
}

void brokers_fence_stale(struct change *ch)
{
	const struct image_broker *b = image_broker_next(tip(ch), -1);

	while (b && ch->rc == 0) {
		int32_t id = b->id;

		if (has_session(ch->c, b) && !session_is_valid(ch->c, id)) {
			say_info("broker %d is fenced: its session has timed out", id);
			broker_fence(ch, id);
		}
		b = image_broker_next(tip(ch), id);
	}
}

/* ---- Producer ids ---------------------------------------------------------------------------- */

void allocate_producer_ids_fail(struct control_op *op, enum kafka_error error,
				struct str text UNUSED)
{
	((struct allocate_producer_ids_response *)op->response)->error_code = (int16_t)error;
}

void allocate_producer_ids_run(struct change *ch, struct control_op *op)
{
	const struct allocate_producer_ids_request *r = op->request;
	struct allocate_producer_ids_response *response = op->response;
	const struct image_broker *b = image_broker(tip(ch), r->broker_id);
	int64_t first = image_next_producer_id(tip(ch));
	struct producer_ids_record record;

	if (!b || b->epoch != r->broker_epoch) {
		op->error = KERR_STALE_BROKER_EPOCH;
		allocate_producer_ids_fail(op, op->error, STR_NULL);
		return;
	}
	first = first < 0 ? 0 : first;
	if (first > INT64_MAX - PRODUCER_ID_BLOCK) {
		op->error = KERR_UNKNOWN_SERVER_ERROR;
		allocate_producer_ids_fail(op, op->error, STR_NULL);
		return;
	}
	WIRE_INIT(producer_ids_record, &record);
	record.broker_id = r->broker_id;
	record.broker_epoch = r->broker_epoch;
	record.next_producer_id = first + PRODUCER_ID_BLOCK;
	change_add(ch, &producer_ids_record_desc, 0, &record);
	response->producer_id_start = first;
	response->producer_id_len = PRODUCER_ID_BLOCK;
}
