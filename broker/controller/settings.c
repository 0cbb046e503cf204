/* UpdateFeatures, AlterClientQuotas, AlterUserScramCredentials. */
#include "controller/controller_int.h"

#include "base/openssl.h"

#include <math.h>

struct refusal {
	enum kafka_error error;
	struct str text;
};
#define REFUSED(code, ...) ((struct refusal){(code), op_text(op, __VA_ARGS__)})
#define ACCEPTED ((struct refusal){KERR_NONE, STR_NULL})

/* ---- UpdateFeatures -------------------------------------------------------------------------- */

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

void update_features_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct update_features_response *response = op->response;

	response->error_code = (int16_t)error;
	response->error_message = text;
}

static bool ranges_have(const struct image_feature_range *ranges, uint32_t count, struct str name,
			int16_t level, int16_t *min, int16_t *max)
{
	*min = *max = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (str_eq(ranges[i].name, name)) {
			*min = ranges[i].min;
			*max = ranges[i].max;
		}
	}
	return level == 0 || (level >= *min && level <= *max);
}

/* Every controller must know the level, and be known: what a voter that has not registered can do
 * nobody knows. */
static struct refusal check_controllers(struct change *ch, struct control_op *op, struct str name,
					int16_t level)
{
	const struct voters_record *voters = raft_voters(ch->c->raft);
	int16_t min, max;

	if (metadata_version(ch) < METADATA_3_7_IV0)
		return ACCEPTED;
	for (int32_t i = 0; i < voters->voters_count; i++) {
		int32_t id = voters->voters[i].voter_id;

		if (id != ch->c->options.node_id && !image_controller(tip(ch), id))
			return REFUSED(KERR_INVALID_UPDATE_VERSION,
				       "Invalid update version %d for feature %.*s. Controller %d "
				       "has not registered, and may not support this feature",
				       level, STR(name), id);
	}
	for (const struct image_controller *n = image_controller_next(tip(ch), -1); n;
	     n = image_controller_next(tip(ch), n->id))
		if (!ranges_have(n->features, n->feature_count, name, level, &min, &max))
			return REFUSED(KERR_INVALID_UPDATE_VERSION,
				       "Invalid update version %d for feature %.*s. Controller %d "
				       "only supports versions %d-%d",
				       level, STR(name), n->id, min, max);
	return ACCEPTED;
}

/* Every node, also a fenced one, must know the level. */
static struct refusal check_nodes(struct change *ch, struct control_op *op, struct str name,
				  int16_t level)
{
	int16_t min, max;

	for (const struct image_broker *b = image_broker_next(tip(ch), -1); b;
	     b = image_broker_next(tip(ch), b->id)) {
		if (!ranges_have(b->features, b->feature_count, name, level, &min, &max))
			return REFUSED(KERR_INVALID_UPDATE_VERSION,
				       "Invalid update version %d for feature %.*s. Broker %d only "
				       "supports versions %d-%d",
				       level, STR(name), b->id, min, max);
	}
	return check_controllers(ch, op, name, level);
}

static struct refusal check_downgrade(struct control_op *op, struct str name, int16_t from,
				      int16_t to, int8_t type)
{
	if (type == UPGRADE)
		return REFUSED(
			KERR_INVALID_UPDATE_VERSION,
			"Invalid update version %d for feature %.*s. Can't downgrade the version "
			"of this feature without setting the upgrade type to either safe or "
			"unsafe downgrade.",
			to, STR(name));
	if (!str_is(name, METADATA_VERSION_FEATURE))
		return ACCEPTED;
	for (int level = to + 1; level <= from; level++) {
		if (!metadata_version_changed(level))
			continue;
		if (type == UNSAFE_DOWNGRADE)
			return REFUSED(
				KERR_INVALID_UPDATE_VERSION,
				"Unsupported metadata.version downgrade from %d to %d. Unsafe "
				"metadata downgrade is not supported in this version.",
				from, to);
		return REFUSED(
			KERR_INVALID_UPDATE_VERSION,
			"Unsupported metadata.version downgrade from %d to %d. Refusing to perform "
			"the requested downgrade because it might delete metadata information.",
			from, to);
	}
	return ACCEPTED;
}

static struct refusal check_feature(struct change *ch, struct control_op *op,
				    const struct update_features_request_feature_update_key *u,
				    int8_t type)
{
	const struct feature *f = feature_find(u->feature);
	int16_t now = image_feature_level(tip(ch), u->feature), to = u->max_version_level;
	struct refusal refusal;
	struct err err = {0};

	if (type < UPGRADE || type > UNSAFE_DOWNGRADE)
		return REFUSED(KERR_INVALID_UPDATE_VERSION,
			       "The controller does not support the given upgrade type.");
	if (str_is(u->feature, KRAFT_VERSION_FEATURE))
		return raft_upgrade(ch->c->raft, to, true, &err) == 0
			       ? ACCEPTED
			       : REFUSED(KERR_INVALID_UPDATE_VERSION,
					 "Invalid update version %d for feature kraft.version: %s",
					 to, err.text);
	if (to < 0)
		return REFUSED(
			KERR_INVALID_UPDATE_VERSION,
			"Invalid update version %d for feature %.*s. A feature version cannot be "
			"less than 0.",
			to, STR(u->feature));
	if (to > 0 && (!f || to < f->min || to > f->max))
		return REFUSED(
			KERR_INVALID_UPDATE_VERSION,
			"Invalid update version %d for feature %.*s. Local controller %d %s", to,
			STR(u->feature), ch->c->options.node_id,
			f ? arena_printf(op->arena, "only supports versions %d-%d", f->min, f->max)
			  : "does not support this feature.");
	if (to == 0 && str_is(u->feature, METADATA_VERSION_FEATURE))
		return REFUSED(KERR_INVALID_UPDATE_VERSION,
			       "Invalid metadata.version 0. Valid versions are from %d to %d.",
			       METADATA_VERSION_MIN, METADATA_VERSION_MAX);
	if (to > now && type != UPGRADE)
		return REFUSED(
			KERR_INVALID_UPDATE_VERSION,
			"Invalid update version %d for feature %.*s. Can't downgrade to a newer "
			"version.",
			to, STR(u->feature));
	refusal = to < now ? check_downgrade(op, u->feature, now, to, type) : ACCEPTED;
	if (!refusal.error)
		refusal = check_nodes(ch, op, u->feature, to);
	if (!refusal.error && f && feature_check_depends(f, to, metadata_version(ch), &err) < 0)
		refusal = REFUSED(KERR_INVALID_UPDATE_VERSION, "%s", err.text);
	return refusal;
}

static void remove_broker_min_isr(struct change *ch)
{
	const struct image_config *c = image_config_next(tip(ch), NULL);

	while (c) {
		struct config_record r;
		bool is_broker = c->type == CONFIG_RESOURCE_BROKER && c->name.len;
		struct str name = str_dup(ch->arena, c->name);
		const struct image_config *next = image_config_next(tip(ch), c);

		WIRE_INIT(config_record, &r);
		r.resource_type = CONFIG_RESOURCE_BROKER;
		r.resource_name = name;
		r.name = STR_LIT("min.insync.replicas");
		if (is_broker && image_config_value(c, r.name).data)
			change_add(ch, &config_record_desc, 0, &r);
		c = next;
	}
}

/* With ELR on, every topic's least ISR is the topic's or the cluster's. */
static void enable_elr(struct change *ch)
{
	const struct image_config *cluster =
		image_config(tip(ch), CONFIG_RESOURCE_BROKER, STR_LIT(""));
	struct config_record r;

	remove_broker_min_isr(ch);
	if (image_config_value(cluster, STR_LIT("min.insync.replicas")).data)
		return;
	WIRE_INIT(config_record, &r);
	r.resource_type = CONFIG_RESOURCE_BROKER;
	r.resource_name = STR_LIT("");
	r.name = STR_LIT("min.insync.replicas");
	r.value = str_of(arena_printf(ch->arena, "%d",
				      config_i32(ch->c->config, CONFIG_MIN_INSYNC_REPLICAS)));
	change_add(ch, &config_record_desc, 0, &r);
}

/* The level of kraft.version is the quorum's own. The record behind it makes the answer wait until
 * the quorum has agreed. */
static struct refusal upgrade_quorum(struct change *ch, struct control_op *op, int16_t level)
{
	struct no_op_record r;
	struct err err = {0};

	if (level == raft_kraft_version(ch->c->raft))
		return ACCEPTED;
	if (raft_upgrade(ch->c->raft, level, false, &err) < 0)
		return REFUSED(KERR_INVALID_UPDATE_VERSION,
			       "Invalid update version %d for feature kraft.version: %s", level,
			       err.text);
	WIRE_INIT(no_op_record, &r);
	change_add(ch, &no_op_record_desc, 0, &r);
	return ACCEPTED;
}

void update_features_run(struct change *ch, struct control_op *op)
{
	const struct update_features_request *r = op->request;
	struct update_features_response *response = op->response;
	struct refusal refusal = ACCEPTED;
	int16_t quorum_level = -1;

	for (int32_t i = 0; i < r->feature_updates_count && !refusal.error; i++) {
		const struct update_features_request_feature_update_key *u = &r->feature_updates[i];
		int8_t type = op->version > 0      ? u->upgrade_type
			      : u->allow_downgrade ? SAFE_DOWNGRADE
						   : UPGRADE;
		int16_t now = image_feature_level(tip(ch), u->feature);
		struct feature_level_record record;

		refusal = check_feature(ch, op, u, type);
		if (str_is(u->feature, KRAFT_VERSION_FEATURE)) {
			quorum_level = u->max_version_level;
			continue;
		}
		if (refusal.error || u->max_version_level == now)
			continue;
		if (str_is(u->feature, ELR_VERSION_FEATURE) && now == 0)
			enable_elr(ch);
		WIRE_INIT(feature_level_record, &record);
		record.name = u->feature;
		record.feature_level = u->max_version_level;
		change_add(ch, &feature_level_record_desc, 0, &record);
	}
	if (quorum_level >= 0 && !refusal.error && !r->validate_only)
		refusal = upgrade_quorum(ch, op, quorum_level);
	ch->is_discarded = r->validate_only || refusal.error;
	op->error = refusal.error;
	if (refusal.error)
		refusal.text = op_text(op,
				       "The update failed for all features since the following "
				       "feature had an error: %.*s",
				       STR(refusal.text));
	update_features_fail(op, refusal.error, refusal.text);
	if (op->version >= 2)
		return;
	response->results = WIRE_ARRAY(op->arena, update_features_response_updatable_feature_result,
				       r->feature_updates_count);
	response->results_count = refusal.error ? 0 : r->feature_updates_count;
	for (int32_t i = 0; i < response->results_count; i++)
		response->results[i].feature = r->feature_updates[i].feature;
}

/* ---- AlterClientQuotas ----------------------------------------------------------------------- */

#define QUOTA_USER 1u
#define QUOTA_IP 2u
static const struct {
	const char *name;
	unsigned entities;
	bool is_integral;
} quota_keys[] = {
	{"producer_byte_rate", QUOTA_USER, true},
	{"consumer_byte_rate", QUOTA_USER, true},
	{"request_percentage", QUOTA_USER, false},
	{"controller_mutation_rate", QUOTA_USER, false},
	{"connection_creation_rate", QUOTA_IP, true},
};

void alter_client_quotas_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct alter_client_quotas_request *r = op->request;
	struct alter_client_quotas_response *response = op->response;

	response->entries =
		WIRE_ARRAY(op->arena, alter_client_quotas_response_entry_data, r->entries_count);
	response->entries_count = r->entries_count;
	for (int32_t i = 0; i < r->entries_count; i++) {
		const struct alter_client_quotas_request_entry_data *from = &r->entries[i];
		struct alter_client_quotas_response_entry_data *to = &response->entries[i];

		to->error_code = (int16_t)error;
		to->error_message = text;
		to->entity_count = from->entity_count;
		to->entity = WIRE_ARRAY(op->arena, alter_client_quotas_response_entity_data,
					from->entity_count);
		for (int32_t j = 0; j < from->entity_count; j++) {
			to->entity[j].entity_type = from->entity[j].entity_type;
			to->entity[j].entity_name = from->entity[j].entity_name;
		}
	}
}

static struct refusal check_entity(struct control_op *op,
				   const struct alter_client_quotas_request_entry_data *e,
				   unsigned *kinds)
{
	*kinds = 0;
	if (e->entity_count == 0)
		return REFUSED(KERR_INVALID_REQUEST, "Invalid empty client quota entity");
	for (int32_t i = 0; i < e->entity_count; i++) {
		struct str type = e->entity[i].entity_type;

		for (int32_t j = 0; j < i; j++)
			if (str_eq(type, e->entity[j].entity_type))
				return REFUSED(
					KERR_INVALID_REQUEST,
					"Invalid client quota entity, duplicate entity entry %.*s",
					STR(type));
		if (str_is(type, "user") || str_is(type, "client-id"))
			*kinds |= QUOTA_USER;
		else if (str_is(type, "ip"))
			*kinds |= QUOTA_IP;
		else
			return REFUSED(KERR_INVALID_REQUEST,
				       "Unhandled client quota entity type: %.*s", STR(type));
	}
	if (*kinds == (QUOTA_USER | QUOTA_IP))
		return REFUSED(
			KERR_INVALID_REQUEST,
			"Invalid quota entity combination, IP entity shouldnot be combined with "
			"User or ClientId");
	return ACCEPTED;
}

static struct refusal check_quota(struct control_op *op, unsigned kinds,
				  const struct alter_client_quotas_request_op_data *q)
{
	size_t i = 0;

	while (i < ARRAY_LEN(quota_keys) &&
	       !(str_is(q->key, quota_keys[i].name) && quota_keys[i].entities == kinds))
		i++;
	if (i == ARRAY_LEN(quota_keys))
		return REFUSED(KERR_INVALID_REQUEST, "Invalid configuration key %.*s", STR(q->key));
	if (q->remove)
		return ACCEPTED;
	if (!isfinite(q->value))
		return REFUSED(KERR_INVALID_REQUEST, "Quota %.*s must be a finite number",
			       STR(q->key));
	if (q->value <= 0)
		return REFUSED(KERR_INVALID_REQUEST, "Quota %.*s must be greater than 0",
			       STR(q->key));
	if (quota_keys[i].is_integral && fabs(q->value - floor(q->value + 0.5)) > 1e-6)
		return REFUSED(KERR_INVALID_REQUEST, "%.*s cannot be a fractional value.",
			       STR(q->key));
	return ACCEPTED;
}

static struct refusal alter_quota(struct change *ch, struct control_op *op,
				  const struct alter_client_quotas_request_entry_data *e)
{
	struct client_quota_record r;
	unsigned kinds;
	struct refusal refusal = check_entity(op, e, &kinds);

	for (int32_t i = 0; i < e->ops_count && !refusal.error; i++)
		refusal = check_quota(op, kinds, &e->ops[i]);
	if (refusal.error)
		return refusal;
	WIRE_INIT(client_quota_record, &r);
	r.entity = WIRE_ARRAY(op->arena, client_quota_record_entity_data, e->entity_count);
	r.entity_count = e->entity_count;
	for (int32_t i = 0; i < e->entity_count; i++) {
		r.entity[i].entity_type = e->entity[i].entity_type;
		r.entity[i].entity_name = e->entity[i].entity_name;
	}
	for (int32_t i = 0; i < e->ops_count; i++) {
		r.key = e->ops[i].key;
		r.value = e->ops[i].remove ? 0 : e->ops[i].value;
		r.remove = e->ops[i].remove;
		change_add(ch, &client_quota_record_desc, 0, &r);
	}
	return ACCEPTED;
}

void alter_client_quotas_run(struct change *ch, struct control_op *op)
{
	const struct alter_client_quotas_request *r = op->request;
	struct alter_client_quotas_response *response = op->response;

	alter_client_quotas_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < r->entries_count; i++) {
		struct refusal refusal = alter_quota(ch, op, &r->entries[i]);

		response->entries[i].error_code = (int16_t)refusal.error;
		response->entries[i].error_message = refusal.text;
	}
	ch->is_discarded = r->validate_only;
}

/* ---- AlterUserScramCredentials --------------------------------------------------------------- */

#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 16384

static struct str scram_user(const struct control_op *op, int32_t i)
{
	const struct alter_user_scram_credentials_request *r = op->request;

	return i < r->deletions_count ? r->deletions[i].name
				      : r->upsertions[i - r->deletions_count].name;
}

void alter_scram_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct alter_user_scram_credentials_request *r = op->request;
	struct alter_user_scram_credentials_response *response = op->response;
	int32_t count = r->deletions_count + r->upsertions_count;

	response->results =
		WIRE_ARRAY(op->arena, alter_user_scram_credentials_response_result, count);
	response->results_count = count;
	for (int32_t i = 0; i < count; i++) {
		response->results[i].user = scram_user(op, i);
		response->results[i].error_code = (int16_t)error;
		response->results[i].error_message = text;
	}
}

/* StoredKey = H(HMAC(SaltedPassword, "Client Key")), ServerKey = HMAC(SaltedPassword, "Server
 * Key"). */
static void scram_keys(struct arena *a, int8_t mechanism, struct slice salted, struct slice *stored,
		       struct slice *server)
{
	const EVP_MD *md = mechanism == 1 ? EVP_sha256() : EVP_sha512();
	unsigned len = (unsigned)EVP_MD_get_size(md);
	uint8_t client[EVP_MAX_MD_SIZE];
	uint8_t *out = arena_alloc(a, 2 * (size_t)len);

	HMAC(md, salted.data, (int)salted.len, (const uint8_t *)"Client Key", 10, client, &len);
	EVP_Digest(client, len, out, NULL, md, NULL);
	HMAC(md, salted.data, (int)salted.len, (const uint8_t *)"Server Key", 10, out + len, &len);
	*stored = (struct slice){.data = out, .len = len};
	*server = (struct slice){.data = out + len, .len = len};
}

static struct refusal scram_delete(struct change *ch, struct control_op *op, int32_t i)
{
	const struct alter_user_scram_credentials_request *r = op->request;
	struct remove_user_scram_credential_record record;

	if (r->deletions[i].mechanism != 1 && r->deletions[i].mechanism != 2)
		return REFUSED(KERR_UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
	if (!image_scram(tip(ch), r->deletions[i].mechanism, r->deletions[i].name))
		return REFUSED(KERR_RESOURCE_NOT_FOUND,
			       "Attempt to delete a user credential that does not exist");
	WIRE_INIT(remove_user_scram_credential_record, &record);
	record.name = r->deletions[i].name;
	record.mechanism = r->deletions[i].mechanism;
	change_add(ch, &remove_user_scram_credential_record_desc, 0, &record);
	return ACCEPTED;
}

static struct refusal scram_upsert(struct change *ch, struct control_op *op, int32_t i)
{
	const struct alter_user_scram_credentials_request *r = op->request;
	const struct alter_user_scram_credentials_request_scram_credential_upsertion *u =
		&r->upsertions[i];
	struct user_scram_credential_record record;

	if (u->name.len == 0)
		return REFUSED(KERR_UNACCEPTABLE_CREDENTIAL, "Username must not be empty");
	if (u->mechanism != 1 && u->mechanism != 2)
		return REFUSED(KERR_UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
	if (u->iterations < SCRAM_ITERATIONS_MIN)
		return REFUSED(KERR_UNACCEPTABLE_CREDENTIAL, "Too few iterations");
	if (u->iterations > SCRAM_ITERATIONS_MAX)
		return REFUSED(KERR_UNACCEPTABLE_CREDENTIAL, "Too many iterations");
	WIRE_INIT(user_scram_credential_record, &record);
	record.name = u->name;
	record.mechanism = u->mechanism;
	record.salt = u->salt;
	record.iterations = u->iterations;
	scram_keys(op->arena, u->mechanism, u->salted_password, &record.stored_key,
		   &record.server_key);
	change_add(ch, &user_scram_credential_record_desc, 0, &record);
	return ACCEPTED;
}

void alter_scram_run(struct change *ch, struct control_op *op)
{
	const struct alter_user_scram_credentials_request *r = op->request;
	struct alter_user_scram_credentials_response *response = op->response;

	alter_scram_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < response->results_count; i++) {
		struct refusal refusal = ACCEPTED;

		for (int32_t j = 0; j < response->results_count; j++)
			if (i != j && str_eq(scram_user(op, i), scram_user(op, j)))
				refusal =
					REFUSED(KERR_DUPLICATE_RESOURCE,
						"A user credential cannot be altered twice in the "
						"same request");
		if (!refusal.error)
			refusal = i < r->deletions_count
					  ? scram_delete(ch, op, i)
					  : scram_upsert(ch, op, i - r->deletions_count);
		response->results[i].error_code = (int16_t)refusal.error;
		response->results[i].error_message = refusal.text;
	}
}
