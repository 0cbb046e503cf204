/* Topics: created, deleted, grown. */
#include "controller/controller_int.h"

#include "base/fault.h"
#include "base/say.h"
#include "wire/errors.h"

#include <stdio.h>

#define SAY_PLACE "broker/controller"
#define TOPIC_NAME_MAX 249

/* One topic's failure, as it goes into the answer. */
struct refusal {
	enum kafka_error error;
	struct str text;
};
#define REFUSED(code, ...) ((struct refusal){(code), op_text(op, __VA_ARGS__)})
#define ACCEPTED ((struct refusal){KERR_NONE, STR_NULL})

/* ---- Names ----------------------------------------------------------------------------------- */

static bool name_has_only_legal(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

static struct refusal check_name(struct control_op *op, struct str name)
{
	if (name.len == 0)
		return REFUSED(KERR_INVALID_TOPIC_EXCEPTION,
			       "Topic name is invalid: the empty string is not allowed");
	if (str_is(name, ".") || str_is(name, ".."))
		return REFUSED(KERR_INVALID_TOPIC_EXCEPTION,
			       "Topic name is invalid: '%.*s' is not allowed", STR(name));
	if (name.len > TOPIC_NAME_MAX)
		return REFUSED(KERR_INVALID_TOPIC_EXCEPTION,
			       "Topic name is invalid: the length of '%.*s' is longer than the max "
			       "allowed length %d",
			       STR(name), TOPIC_NAME_MAX);
	if (!name_has_only_legal(name))
		return REFUSED(
			KERR_INVALID_TOPIC_EXCEPTION,
			"Topic name is invalid: '%.*s' contains one or more characters other "
			"than ASCII alphanumerics, '.', '_' and '-'",
			STR(name));
	return ACCEPTED;
}

static bool names_collide(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		char x = a.data[i] == '.' ? '_' : a.data[i];
		char y = b.data[i] == '.' ? '_' : b.data[i];

		if (x != y)
			return false;
	}
	return true;
}

/* Metrics of old could not tell '.' from '_'. */
static struct refusal check_collision(struct change *ch, struct control_op *op, struct str name)
{
	if (image_topic_by_name(tip(ch), name))
		return REFUSED(KERR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
			       STR(name));
	if (!memchr(name.data, '.', name.len) && !memchr(name.data, '_', name.len))
		return ACCEPTED;
	for (const struct image_topic *t = image_topic_next(tip(ch), STR_NULL); t;
	     t = image_topic_next(tip(ch), t->name))
		if (names_collide(name, t->name))
			return REFUSED(KERR_INVALID_TOPIC_EXCEPTION,
				       "Topic '%.*s' collides with existing topic: %.*s", STR(name),
				       STR(t->name));
	return ACCEPTED;
}

/* ---- Replicas -------------------------------------------------------------------------------- */

static struct refusal check_manual(struct change *ch, struct control_op *op, const int32_t *ids,
				   int32_t count, int32_t factor)
{
	if (count <= 0)
		return REFUSED(KERR_INVALID_REPLICA_ASSIGNMENT,
			       "The manual partition assignment includes an empty replica list.");
	for (int32_t i = 0; i < count; i++) {
		const struct image_broker *b = image_broker(tip(ch), ids[i]);

		for (int32_t j = 0; j < i; j++)
			if (ids[i] == ids[j])
				return REFUSED(
					KERR_INVALID_REPLICA_ASSIGNMENT,
					"The manual partition assignment includes the broker %d "
					"more than once.",
					ids[i]);
		if (!b)
			return REFUSED(
				KERR_INVALID_REPLICA_ASSIGNMENT,
				"The manual partition assignment includes broker %d, but no such "
				"broker is registered.",
				ids[i]);
		if (!b->in_controlled_shutdown && !broker_takes_replicas(b))
			return REFUSED(
				KERR_INVALID_REPLICA_ASSIGNMENT,
				"The manual partition assignment includes broker %d, but all its "
				"log directories are cordoned.",
				ids[i]);
	}
	if (factor > 0 && count != factor)
		return REFUSED(
			KERR_INVALID_REPLICA_ASSIGNMENT,
			"The manual partition assignment includes a partition with %d "
			"replica(s), but this is not consistent with previous partitions, which "
			"have %d replica(s).",
			count, factor);
	return ACCEPTED;
}

/* A new partition: in sync are the replicas that are there, the first of them leads. */
static bool partition_record_of(struct change *ch, struct uuid topic_id, int32_t index,
				const int32_t *ids, int32_t count, struct partition_record *r)
{
	struct uuid *dirs = arena_array(ch->arena, (size_t)count, sizeof(*dirs));

	WIRE_INIT(partition_record, r);
	r->partition_id = index;
	r->topic_id = topic_id;
	r->replicas = (int32_t *)(uintptr_t)ids;
	r->replicas_count = count;
	r->isr = arena_array(ch->arena, (size_t)count, sizeof(*r->isr));
	for (int32_t i = 0; i < count; i++) {
		if (image_broker_is_active(image_broker(tip(ch), ids[i])))
			r->isr[r->isr_count++] = ids[i];
		dirs[i] = broker_new_dir(tip(ch), ids[i]);
	}
	if (metadata_has_directories(metadata_version(ch))) {
		r->directories = dirs;
		r->directories_count = count;
	}
	r->leader = r->isr_count ? r->isr[0] : NO_LEADER;
	r->leader_epoch = 0;
	r->partition_epoch = 0;
	return r->isr_count > 0;
}

/* ---- CreateTopics ---------------------------------------------------------------------------- */

/* A topic about to be: its partitions one after the other, `factor` replicas each. */
struct new_topic {
	const struct create_topics_request_creatable_topic *request;
	struct config_entry *configs;
	size_t config_count;
	int32_t *replicas;
	int32_t partition_count, factor;
};

static struct refusal topic_configs(struct change *ch, struct control_op *op, struct new_topic *t)
{
	const struct create_topics_request_creatable_topic *r = t->request;
	struct out nulls;
	struct err err = {0};
	struct refusal refusal = ACCEPTED;
	int rc;

	t->config_count = r->configs_count > 0 ? (size_t)r->configs_count : 0;
	t->configs = arena_array(ch->arena, t->config_count + 1, sizeof(*t->configs));
	out_init(&nulls, 65536);
	for (size_t i = 0; i < t->config_count; i++) {
		t->configs[i] = (struct config_entry){r->configs[i].name, r->configs[i].value};
		if (str_is_null(r->configs[i].value))
			out_printf(&nulls, "%s%.*s", nulls.len ? "," : "", STR(r->configs[i].name));
	}
	if (nulls.len) {
		refusal = REFUSED(KERR_INVALID_CONFIG,
				  "Null value not supported for topic configs: %.*s",
				  (int)nulls.len, (const char *)nulls.data);
	} else {
		rc = config_check_topic(ch->c->config, t->configs, t->config_count, &err);
		if (rc < 0)
			refusal = REFUSED(KERR_INVALID_CONFIG, "%s", err_message(&err));
	}
	out_fini(&nulls);
	return refusal;
}

static struct refusal topic_manual(struct change *ch, struct control_op *op, struct new_topic *t)
{
	const struct create_topics_request_creatable_topic *r = t->request;
	struct refusal refusal;

	if (r->replication_factor != -1)
		return REFUSED(
			KERR_INVALID_REQUEST,
			"A manual partition assignment was specified, but replication factor "
			"was not set to -1.");
	if (r->num_partitions != -1)
		return REFUSED(
			KERR_INVALID_REQUEST,
			"A manual partition assignment was specified, but numPartitions was not "
			"set to -1.");
	t->partition_count = r->assignments_count;
	t->factor = r->assignments[0].broker_ids_count;
	t->replicas = arena_array(ch->arena, (size_t)t->partition_count * (size_t)MAX(t->factor, 1),
				  sizeof(*t->replicas));
	for (int32_t i = 0; i < r->assignments_count; i++) {
		int32_t index = r->assignments[i].partition_index;

		for (int32_t j = 0; j < i; j++)
			if (r->assignments[j].partition_index == index)
				return REFUSED(KERR_INVALID_REPLICA_ASSIGNMENT,
					       "Found multiple manual partition assignments for "
					       "partition %d",
					       index);
		refusal = check_manual(ch, op, r->assignments[i].broker_ids,
				       r->assignments[i].broker_ids_count, t->factor);
		if (refusal.error)
			return refusal;
		if (index < 0 || index >= r->assignments_count)
			return REFUSED(
				KERR_INVALID_REPLICA_ASSIGNMENT,
				"partitions should be a consecutive 0-based integer sequence");
		memcpy(t->replicas + (size_t)index * (size_t)t->factor,
		       r->assignments[i].broker_ids, (size_t)t->factor * sizeof(*t->replicas));
	}
	return ACCEPTED;
}

static struct refusal topic_automatic(struct change *ch, struct control_op *op, struct new_topic *t)
{
	const struct create_topics_request_creatable_topic *r = t->request;
	struct err err = {0};

	if (r->replication_factor < -1 || r->replication_factor == 0)
		return REFUSED(KERR_INVALID_REPLICATION_FACTOR,
			       "Replication factor must be larger than 0, or -1 to use the default "
			       "value.");
	if (r->num_partitions < -1 || r->num_partitions == 0)
		return REFUSED(KERR_INVALID_PARTITIONS,
			       "Number of partitions was set to an invalid non-positive value.");
	t->factor = r->replication_factor == -1
			    ? config_i32(ch->c->config, CONFIG_DEFAULT_REPLICATION_FACTOR)
			    : r->replication_factor;
	t->partition_count = r->num_partitions == -1
				     ? config_i32(ch->c->config, CONFIG_NUM_PARTITIONS)
				     : r->num_partitions;
	t->replicas = arena_array(ch->arena, (size_t)t->partition_count * (size_t)t->factor,
				  sizeof(*t->replicas));
	if (placement_place(ch, t->partition_count, t->factor, t->replicas, &err) < 0)
		return REFUSED(KERR_INVALID_REPLICATION_FACTOR,
			       "Unable to replicate the partition %d time(s): %s", t->factor,
			       err_message(&err));
	return ACCEPTED;
}

/* In order of names, each once: what AlterConfigs would have made of them. */
static void topic_write_configs(struct change *ch, const struct new_topic *t)
{
	for (size_t i = 0; i < t->config_count; i++) {
		struct config_record r;

		WIRE_INIT(config_record, &r);
		r.resource_type = CONFIG_RESOURCE_TOPIC;
		r.resource_name = t->request->name;
		r.name = t->configs[i].name;
		r.value = t->configs[i].value;
		change_add(ch, &config_record_desc, 0, &r);
	}
}

static struct refusal topic_write(struct change *ch, struct control_op *op,
				  const struct new_topic *t, struct uuid id)
{
	struct partition_record *records =
		arena_array(ch->arena, (size_t)t->partition_count, sizeof(*records));
	struct topic_record topic;

	for (int32_t i = 0; i < t->partition_count; i++)
		if (!partition_record_of(ch, id, i, t->replicas + (size_t)i * (size_t)t->factor,
					 t->factor, &records[i])) {
			if (t->request->assignments_count > 0)
				return REFUSED(KERR_INVALID_REPLICA_ASSIGNMENT,
					       "All brokers specified in the manual partition "
					       "assignment for partition %d are fenced or in "
					       "controlled shutdown.",
					       i);
			return REFUSED(
				KERR_INVALID_REPLICATION_FACTOR,
				"Unable to replicate the partition %d time(s): All brokers are "
				"currently fenced or in controlled shutdown.",
				t->factor);
		}
	WIRE_INIT(topic_record, &topic);
	topic.name = t->request->name;
	topic.topic_id = id;
	change_add(ch, &topic_record_desc, 0, &topic);
	topic_write_configs(ch, t);
	for (int32_t i = 0; i < t->partition_count; i++)
		change_add(ch, &partition_record_desc,
			   partition_record_version(metadata_version(ch)), &records[i]);
	return ACCEPTED;
}

static void topic_describe(struct change *ch, const struct new_topic *t,
			   struct create_topics_response_creatable_topic_result *result)
{
	struct config_description *rows;
	size_t count = config_describe(ch->c->config, ch->arena, CONFIG_RESOURCE_TOPIC, t->configs,
				       t->config_count, &rows);

	result->num_partitions = t->partition_count;
	result->replication_factor = (int16_t)t->factor;
	result->configs =
		WIRE_ARRAY(ch->arena, create_topics_response_creatable_topic_configs, count);
	result->configs_count = (int32_t)count;
	for (size_t i = 0; i < count; i++) {
		result->configs[i].name = rows[i].name;
		result->configs[i].value = rows[i].value;
		result->configs[i].read_only = rows[i].read_only;
		result->configs[i].config_source = (int8_t)rows[i].source;
		result->configs[i].is_sensitive = rows[i].is_sensitive;
	}
}

static struct refusal create_topic(struct change *ch, struct control_op *op,
				   const struct create_topics_request *r, int32_t index,
				   struct create_topics_response_creatable_topic_result *result)
{
	struct new_topic t = {.request = &r->topics[index]};
	struct refusal refusal;

	for (int32_t i = 0; i < r->topics_count; i++)
		if (i != index && str_eq(r->topics[i].name, t.request->name))
			return REFUSED(KERR_INVALID_REQUEST, "Duplicate topic name.");
	if (str_is(t.request->name, METADATA_TOPIC))
		return REFUSED(KERR_INVALID_REQUEST, "Creation of internal topic %s is prohibited.",
			       METADATA_TOPIC);
	refusal = check_name(op, t.request->name);
	if (!refusal.error)
		refusal = check_collision(ch, op, t.request->name);
	if (!refusal.error)
		refusal = topic_configs(ch, op, &t);
	if (!refusal.error)
		refusal = t.request->assignments_count > 0 ? topic_manual(ch, op, &t)
							   : topic_automatic(ch, op, &t);
	result->topic_id = new_id(ch->c->env);
	if (!refusal.error)
		refusal = topic_write(ch, op, &t, result->topic_id);
	if (!refusal.error)
		topic_describe(ch, &t, result);
	return refusal;
}

static int64_t request_partitions(const struct change *ch, const struct create_topics_request *r)
{
	int64_t total = 0;

	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct create_topics_request_creatable_topic *t = &r->topics[i];

		if (t->assignments_count > 0)
			total += t->assignments_count;
		else if (t->num_partitions > 0)
			total += t->num_partitions;
		else if (t->num_partitions == -1)
			total += config_i32(ch->c->config, CONFIG_NUM_PARTITIONS);
	}
	return total;
}

void create_topics_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct create_topics_request *r = op->request;
	struct create_topics_response *response = op->response;

	response->topics = WIRE_ARRAY(op->arena, create_topics_response_creatable_topic_result,
				      r->topics_count);
	response->topics_count = r->topics_count;
	for (int32_t i = 0; i < r->topics_count; i++) {
		response->topics[i].name = r->topics[i].name;
		response->topics[i].error_code = (int16_t)error;
		response->topics[i].error_message = text;
	}
}

void create_topics_run(struct change *ch, struct control_op *op)
{
	const struct create_topics_request *r = op->request;
	struct create_topics_response *response = op->response;

	if (request_partitions(ch, r) > PARTITIONS_PER_REQUEST_MAX) {
		op->error = KERR_POLICY_VIOLATION;
		create_topics_fail(op, op->error,
				   STR_LIT("Excessively large number of partitions per request."));
		return;
	}
	create_topics_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < r->topics_count; i++) {
		struct create_topics_response_creatable_topic_result *result = &response->topics[i];
		struct refusal refusal = create_topic(ch, op, r, i, result);

		if (refusal.error) {
			result->error_code = (int16_t)refusal.error;
			result->error_message = refusal.text;
			result->topic_id = (struct uuid){0};
		} else if (!r->validate_only) {
			say_info("topic %.*s created: %d partitions, replication factor %d",
				 STR(result->name), result->num_partitions,
				 result->replication_factor);
		}
	}
	ch->is_discarded = r->validate_only;
}

/* ---- DeleteTopics ---------------------------------------------------------------------------- */

/* Versions before 6 name topics in a list of their own. */
static int32_t deleted_count(const struct control_op *op)
{
	const struct delete_topics_request *r = op->request;

	return op->version >= 6 ? r->topics_count : r->topic_names_count;
}

static struct delete_topics_request_delete_topic_state deleted_at(const struct control_op *op,
								  int32_t i)
{
	const struct delete_topics_request *r = op->request;

	if (op->version >= 6)
		return r->topics[i];
	return (struct delete_topics_request_delete_topic_state){.name = r->topic_names[i]};
}

void delete_topics_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	struct delete_topics_response *response = op->response;
	int32_t count = deleted_count(op);

	response->responses =
		WIRE_ARRAY(op->arena, delete_topics_response_deletable_topic_result, count);
	response->responses_count = count;
	for (int32_t i = 0; i < count; i++) {
		response->responses[i].name = deleted_at(op, i).name;
		response->responses[i].topic_id = deleted_at(op, i).topic_id;
		response->responses[i].error_code = (int16_t)error;
		response->responses[i].error_message = text;
	}
}

static struct refusal delete_topic(struct change *ch, struct control_op *op, int32_t index,
				   struct delete_topics_response_deletable_topic_result *result)
{
	struct delete_topics_request_delete_topic_state wanted = deleted_at(op, index);
	bool has_name = wanted.name.data != NULL, has_id = !uuid_is_zero(wanted.topic_id);
	const struct image_topic *t;
	struct remove_topic_record r;
	char id[UUID_TEXT_LEN + 1];

	if (has_name == has_id)
		return REFUSED(KERR_INVALID_REQUEST,
			       has_name ? "You may not specify both topic name and topic id."
					: "Neither topic name nor id were specified.");
	for (int32_t i = 0; i < deleted_count(op); i++) {
		struct delete_topics_request_delete_topic_state other = deleted_at(op, i);

		if (i != index && has_name && str_eq(other.name, wanted.name))
			return REFUSED(KERR_INVALID_REQUEST, "Duplicate topic name.");
		if (i != index && has_id && uuid_eq(other.topic_id, wanted.topic_id))
			return REFUSED(KERR_INVALID_REQUEST, "Duplicate topic id.");
	}
	t = has_name ? image_topic_by_name(tip(ch), wanted.name)
		     : image_topic_by_id(tip(ch), wanted.topic_id);
	if (!t && has_name)
		return REFUSED(KERR_UNKNOWN_TOPIC_OR_PARTITION,
			       "This server does not host this topic-partition.");
	if (!t)
		return REFUSED(KERR_UNKNOWN_TOPIC_ID, "Unable to find a topic with ID %s",
			       uuid_format(wanted.topic_id, id));
	result->name = str_dup(op->arena, t->name);
	result->topic_id = t->id;
	WIRE_INIT(remove_topic_record, &r);
	r.topic_id = t->id;
	say_info("topic %.*s deleted", STR(t->name));
	change_add(ch, &remove_topic_record_desc, 0, &r);
	return ACCEPTED;
}

void delete_topics_run(struct change *ch, struct control_op *op)
{
	struct delete_topics_response *response = op->response;

	if (!config_bool(ch->c->config, CONFIG_DELETE_TOPIC_ENABLE)) {
		op->error = op->version < 3 ? KERR_INVALID_REQUEST : KERR_TOPIC_DELETION_DISABLED;
		delete_topics_fail(op, op->error, STR_LIT("Topic deletion is disabled."));
		return;
	}
	delete_topics_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < response->responses_count; i++) {
		struct refusal refusal = delete_topic(ch, op, i, &response->responses[i]);

		response->responses[i].error_code = (int16_t)refusal.error;
		response->responses[i].error_message = refusal.text;
	}
}

/* ---- CreatePartitions ------------------------------------------------------------------------ */

static struct refusal grow_manual(struct change *ch, struct control_op *op,
				  const struct create_partitions_request_topic *r, int32_t added,
				  int32_t factor, int32_t *replicas)
{
	if (r->assignments_count != added)
		return REFUSED(
			KERR_INVALID_REPLICA_ASSIGNMENT,
			"Attempted to add %d additional partition(s), but only %d assignment(s) "
			"were specified.",
			added, r->assignments_count);
	for (int32_t i = 0; i < added; i++) {
		struct refusal refusal = check_manual(ch, op, r->assignments[i].broker_ids,
						      r->assignments[i].broker_ids_count, factor);

		if (refusal.error)
			return refusal;
		memcpy(replicas + (size_t)i * (size_t)factor, r->assignments[i].broker_ids,
		       (size_t)factor * sizeof(*replicas));
	}
	return ACCEPTED;
}

static struct refusal grow_topic(struct change *ch, struct control_op *op,
				 const struct create_partitions_request_topic *r)
{
	const struct image_topic *t = image_topic_by_name(tip(ch), r->name);
	struct refusal refusal = ACCEPTED;
	struct partition_record *records;
	struct err err = {0};
	int32_t added, first, factor, *replicas;
	struct uuid id;

	if (!t)
		return REFUSED(KERR_UNKNOWN_TOPIC_OR_PARTITION,
			       "This server does not host this topic-partition.");
	if (r->count == t->partition_count)
		return REFUSED(KERR_INVALID_PARTITIONS, "Topic already has %d partition(s).",
			       t->partition_count);
	if (r->count < t->partition_count)
		return REFUSED(KERR_INVALID_PARTITIONS,
			       "The topic %.*s currently has %d partition(s); %d would not be an "
			       "increase.",
			       STR(r->name), t->partition_count, r->count);
	if (!image_partition(t, 0))
		return REFUSED(KERR_UNKNOWN_SERVER_ERROR,
			       "Invalid state: topic %.*s appears to have no partitions.",
			       STR(r->name));
	first = t->partition_count;
	added = r->count - first;
	factor = (int32_t)t->partitions[0].replicas.count;
	id = t->id;
	if (added > PARTITIONS_PER_REQUEST_MAX)
		return REFUSED(KERR_POLICY_VIOLATION,
			       "Excessively large number of additional partitions per request.");
	replicas = arena_array(ch->arena, (size_t)added * (size_t)factor, sizeof(*replicas));
	if (r->assignments_count >= 0)
		refusal = grow_manual(ch, op, r, added, factor, replicas);
	else if (placement_place(ch, added, factor, replicas, &err) < 0)
		refusal = REFUSED(KERR_INVALID_REPLICATION_FACTOR,
				  "Unable to replicate the partition %d time(s): %s", factor,
				  err_message(&err));
	if (refusal.error)
		return refusal;
	records = arena_array(ch->arena, (size_t)added, sizeof(*records));
	for (int32_t i = 0; i < added; i++)
		if (!partition_record_of(ch, id, first + i, replicas + (size_t)i * (size_t)factor,
					 factor, &records[i]))
			return REFUSED(
				r->assignments_count >= 0 ? KERR_INVALID_REPLICA_ASSIGNMENT
							  : KERR_INVALID_REPLICATION_FACTOR,
				"All brokers specified in the manual partition assignment for "
				"partition %d are fenced or in controlled shutdown.",
				first + i);
	if (FAULT(partitions_unwritten))
		added--;
	for (int32_t i = 0; i < added; i++)
		change_add(ch, &partition_record_desc,
			   partition_record_version(metadata_version(ch)), &records[i]);
	return ACCEPTED;
}

void create_partitions_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	const struct create_partitions_request *r = op->request;
	struct create_partitions_response *response = op->response;

	response->results =
		WIRE_ARRAY(op->arena, create_partitions_response_topic_result, r->topics_count);
	response->results_count = r->topics_count;
	for (int32_t i = 0; i < r->topics_count; i++) {
		response->results[i].name = r->topics[i].name;
		response->results[i].error_code = (int16_t)error;
		response->results[i].error_message = text;
	}
}

void create_partitions_run(struct change *ch, struct control_op *op)
{
	const struct create_partitions_request *r = op->request;
	struct create_partitions_response *response = op->response;

	create_partitions_fail(op, KERR_NONE, STR_NULL); /* makes the results */
	for (int32_t i = 0; i < r->topics_count; i++) {
		struct refusal refusal = ACCEPTED;

		for (int32_t j = 0; j < r->topics_count; j++)
			if (i != j && str_eq(r->topics[i].name, r->topics[j].name))
				refusal = REFUSED(KERR_INVALID_REQUEST, "Duplicate topic name.");
		if (!refusal.error)
			refusal = grow_topic(ch, op, &r->topics[i]);
		response->results[i].error_code = (int16_t)refusal.error;
		response->results[i].error_message = refusal.text;
	}
	ch->is_discarded = r->validate_only;
}
