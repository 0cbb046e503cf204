#include "metadata/image_write.h"

#include "base/arena.h"
#include "metadata/features.h"
#include "metadata/image_int.h"
#include "wire/codec.h"

struct writer {
	image_write_record write;
	void *ctx;
	struct arena arena; /* for one record */
	int metadata_version;
	struct err *err;
};

/* Borrowed arrays of an image in a record's field: the record is only read. */
#define UNCONST(ptr) ((void *)(uintptr_t)(ptr))

#define WRITE(w, name, version, record) \
	((w)->write((w)->ctx, &name##_desc, (version), (record), (w)->err))

static int write_feature(struct writer *w, struct str name, int16_t level)
{
	struct feature_level_record r;

	WIRE_INIT(feature_level_record, &r);
	r.name = name;
	r.feature_level = level;
	return WRITE(w, feature_level_record, 0, &r);
}

static int write_features(struct writer *w, const struct image *image)
{
	const struct image_feature *f;
	int rc = 0;

	if (image->metadata_version)
		rc = write_feature(w, STR_LIT(METADATA_VERSION_FEATURE), image->metadata_version);
	for (f = image_feature_next(image, STR_NULL); f && rc == 0;
	     f = image_feature_next(image, f->name))
		rc = write_feature(w, f->name, f->level);
	return rc;
}

void image_broker_record(const struct image_broker *b, struct arena *arena,
			 struct register_broker_record *out)
{
	struct register_broker_record_broker_endpoint *endpoints =
		WIRE_ARRAY(arena, register_broker_record_broker_endpoint, b->endpoint_count);
	struct register_broker_record_broker_feature *ranges =
		WIRE_ARRAY(arena, register_broker_record_broker_feature, b->feature_count);

	WIRE_INIT(register_broker_record, out);
	for (uint32_t i = 0; i < b->endpoint_count; i++) {
		endpoints[i].name = b->endpoints[i].name;
		endpoints[i].host = b->endpoints[i].host;
		endpoints[i].port = b->endpoints[i].port;
		endpoints[i].security_protocol = b->endpoints[i].security_protocol;
	}
	for (uint32_t i = 0; i < b->feature_count; i++) {
		ranges[i].name = b->features[i].name;
		ranges[i].min_supported_version = b->features[i].min;
		ranges[i].max_supported_version = b->features[i].max;
	}
	out->broker_id = b->id;
	out->is_migrating_zk_broker = b->is_migrating_zk_broker;
	out->incarnation_id = b->incarnation_id;
	out->broker_epoch = b->epoch;
	out->end_points = endpoints;
	out->end_points_count = (int32_t)b->endpoint_count;
	out->features = ranges;
	out->features_count = (int32_t)b->feature_count;
	out->rack = b->rack;
	out->fenced = b->fenced;
	out->in_controlled_shutdown = b->in_controlled_shutdown;
	out->log_dirs = UNCONST(b->log_dirs);
	out->log_dirs_count = (int32_t)b->log_dir_count;
	out->cordoned_log_dirs = UNCONST(b->cordoned_log_dirs);
	out->cordoned_log_dirs_count =
		b->cordoned_log_dirs ? (int32_t)b->cordoned_log_dir_count : -1;
}

/* What an older version of a record has no field for was never there at that metadata.version. */
static int write_broker(struct writer *w, const struct image_broker *b)
{
	int16_t version = register_broker_record_version(w->metadata_version);
	struct register_broker_record r;

	image_broker_record(b, &w->arena, &r);
	if (version < 2)
		r.is_migrating_zk_broker = false;
	if (version < 3)
		r.log_dirs_count = 0;
	if (version < 4)
		r.cordoned_log_dirs_count = -1;
	return WRITE(w, register_broker_record, version, &r);
}

static int write_controller(struct writer *w, const struct image_controller *c)
{
	struct register_controller_record r;
	struct register_controller_record_controller_endpoint *endpoints = WIRE_ARRAY(
		&w->arena, register_controller_record_controller_endpoint, c->endpoint_count);
	struct register_controller_record_controller_feature *ranges = WIRE_ARRAY(
		&w->arena, register_controller_record_controller_feature, c->feature_count);

	WIRE_INIT(register_controller_record, &r);
	for (uint32_t i = 0; i < c->endpoint_count; i++) {
		endpoints[i].name = c->endpoints[i].name;
		endpoints[i].host = c->endpoints[i].host;
		endpoints[i].port = c->endpoints[i].port;
		endpoints[i].security_protocol = c->endpoints[i].security_protocol;
	}
	for (uint32_t i = 0; i < c->feature_count; i++) {
		ranges[i].name = c->features[i].name;
		ranges[i].min_supported_version = c->features[i].min;
		ranges[i].max_supported_version = c->features[i].max;
	}
	r.controller_id = c->id;
	r.incarnation_id = c->incarnation_id;
	r.zk_migration_ready = c->zk_migration_ready;
	r.end_points = endpoints;
	r.end_points_count = (int32_t)c->endpoint_count;
	r.features = ranges;
	r.features_count = (int32_t)c->feature_count;
	return WRITE(w, register_controller_record, 0, &r);
}

static int write_nodes(struct writer *w, const struct image *image)
{
	const struct image_broker *b;
	const struct image_controller *c;
	int rc = 0;

	for (b = image_broker_next(image, INT32_MIN); b && rc == 0;
	     b = image_broker_next(image, b->id)) {
		rc = write_broker(w, b);
		arena_reset(&w->arena);
	}
	if (w->metadata_version < METADATA_3_7_IV0)
		return rc;
	for (c = image_controller_next(image, INT32_MIN); c && rc == 0;
	     c = image_controller_next(image, c->id)) {
		rc = write_controller(w, c);
		arena_reset(&w->arena);
	}
	return rc;
}

#define SET_LIST(record, field, list) \
	((record)->field = UNCONST((list).ids), (record)->field##_count = (int32_t)(list).count)

void image_partition_record(struct uuid topic_id, const struct image_partition *p,
			    struct partition_record *out)
{
	WIRE_INIT(partition_record, out);
	out->partition_id = p->index;
	out->topic_id = topic_id;
	SET_LIST(out, replicas, p->replicas);
	SET_LIST(out, isr, p->isr);
	SET_LIST(out, removing_replicas, p->removing);
	SET_LIST(out, adding_replicas, p->adding);
	out->leader = p->leader;
	out->leader_recovery_state = (int8_t)p->recovery;
	out->leader_epoch = p->leader_epoch;
	out->partition_epoch = p->partition_epoch;
	out->directories = UNCONST(p->directories);
	out->directories_count = (int32_t)p->replicas.count;
	if (p->elr.count)
		SET_LIST(out, eligible_leader_replicas, p->elr);
	if (p->last_known_elr.count)
		SET_LIST(out, last_known_elr, p->last_known_elr);
}

static int write_topic(struct writer *w, const struct image_topic *t)
{
	int16_t version = partition_record_version(w->metadata_version);
	struct topic_record topic;
	int rc;

	WIRE_INIT(topic_record, &topic);
	topic.name = t->name;
	topic.topic_id = t->id;
	rc = WRITE(w, topic_record, 0, &topic);
	for (int32_t i = 0; i < t->partition_count && rc == 0; i++) {
		const struct image_partition *p = image_partition(t, i);
		struct partition_record r;

		if (!p)
			continue;
		image_partition_record(t->id, p, &r);
		if (version < 1)
			r.directories_count = 0;
		if (version < 2)
			r.eligible_leader_replicas_count = r.last_known_elr_count = -1;
		rc = WRITE(w, partition_record, version, &r);
	}
	return rc;
}

static int write_configs(struct writer *w, const struct image *image)
{
	const struct image_config *c;
	int rc = 0;

	for (c = image_config_next(image, NULL); c && rc == 0; c = image_config_next(image, c)) {
		for (uint32_t i = 0; i < c->entry_count && rc == 0; i++) {
			struct config_record r;

			WIRE_INIT(config_record, &r);
			r.resource_type = (int8_t)c->type;
			r.resource_name = c->name;
			r.name = c->entries[i].name;
			r.value = c->entries[i].value;
			rc = WRITE(w, config_record, 0, &r);
		}
	}
	return rc;
}

static int write_quota(struct writer *w, const struct image_quota *q)
{
	struct client_quota_record r;
	int rc = 0;

	WIRE_INIT(client_quota_record, &r);
	r.entity = WIRE_ARRAY(&w->arena, client_quota_record_entity_data, q->part_count);
	r.entity_count = (int32_t)q->part_count;
	for (uint32_t i = 0; i < q->part_count; i++) {
		r.entity[i].entity_type = q->parts[i].type;
		r.entity[i].entity_name = q->parts[i].name;
	}
	for (uint32_t i = 0; i < q->value_count && rc == 0; i++) {
		r.key = q->values[i].key;
		r.value = q->values[i].value;
		rc = WRITE(w, client_quota_record, 0, &r);
	}
	arena_reset(&w->arena);
	return rc;
}

static int write_producer_ids(struct writer *w, const struct image *image)
{
	struct producer_ids_record r;

	if (image->next_producer_id < 0)
		return 0;
	WIRE_INIT(producer_ids_record, &r);
	r.broker_id = -1;
	r.broker_epoch = -1;
	r.next_producer_id = image->next_producer_id;
	return WRITE(w, producer_ids_record, 0, &r);
}

static int write_acl(struct writer *w, const struct image_acl *a)
{
	struct access_control_entry_record r;

	WIRE_INIT(access_control_entry_record, &r);
	r.id = a->id;
	r.resource_type = a->resource_type;
	r.resource_name = a->resource_name;
	r.pattern_type = a->pattern_type;
	r.principal = a->principal;
	r.host = a->host;
	r.operation = a->operation;
	r.permission_type = a->permission_type;
	return WRITE(w, access_control_entry_record, 0, &r);
}

static int write_scram(struct writer *w, const struct image_scram *s)
{
	struct user_scram_credential_record r;

	WIRE_INIT(user_scram_credential_record, &r);
	r.name = s->user;
	r.mechanism = s->mechanism;
	r.salt = s->salt;
	r.stored_key = s->stored_key;
	r.server_key = s->server_key;
	r.iterations = s->iterations;
	return WRITE(w, user_scram_credential_record, 0, &r);
}

static int write_token(struct writer *w, const struct image_token *t)
{
	struct delegation_token_record r;

	WIRE_INIT(delegation_token_record, &r);
	r.owner = t->owner;
	r.requester = t->requester;
	r.renewers = UNCONST(t->renewers);
	r.renewers_count = (int32_t)t->renewer_count;
	r.issue_timestamp = t->issue_timestamp;
	r.max_timestamp = t->max_timestamp;
	r.expiration_timestamp = t->expiration_timestamp;
	r.token_id = t->token_id;
	return WRITE(w, delegation_token_record, 0, &r);
}

static int write_security(struct writer *w, const struct image *image)
{
	int rc = 0;

	for (const struct image_acl *a = image_acl_next(image, NULL); a && rc == 0;
	     a = image_acl_next(image, a))
		rc = write_acl(w, a);
	for (const struct image_scram *s = image_scram_next(image, NULL); s && rc == 0;
	     s = image_scram_next(image, s))
		rc = write_scram(w, s);
	for (const struct image_token *t = image_token_next(image, NULL); t && rc == 0;
	     t = image_token_next(image, t))
		rc = write_token(w, t);
	return rc;
}

int image_write(const struct image *image, image_write_record write, void *ctx, struct err *err)
{
	struct writer w = {
		.write = write,
		.ctx = ctx,
		.metadata_version = image->metadata_version,
		.err = err,
	};
	int rc;

	arena_init(&w.arena);
	rc = write_features(&w, image);
	if (rc == 0)
		rc = write_nodes(&w, image);
	for (const struct image_topic *t = image_topic_next(image, STR_NULL); t && rc == 0;
	     t = image_topic_next(image, t->name))
		rc = write_topic(&w, t);
	if (rc == 0)
		rc = write_configs(&w, image);
	for (const struct image_quota *q = image_quota_next(image, NULL); q && rc == 0;
	     q = image_quota_next(image, q))
		rc = write_quota(&w, q);
	if (rc == 0)
		rc = write_producer_ids(&w, image);
	if (rc == 0)
		rc = write_security(&w, image);
	arena_fini(&w.arena);
	return rc;
}
