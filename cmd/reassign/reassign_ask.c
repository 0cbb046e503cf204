/* What is asked of the cluster. */
#include "cmd/kafka_error.h"
#include "cmd/reassign/reassign_int.h"

#include "client/admin.h"

#include <string.h>

/* ---- Brokers, topics ---------------------------------------------------------------------- */

int ask_metadata(struct reassign *r, const struct str *names, size_t count,
		 struct metadata_response **out, struct err *err)
{
	static const struct str none[1];
	int rc = admin_metadata(r->client, count ? names : none, count, r->arena, out, err);

	if (rc < 0)
		return rc;
	r->live = (struct ids){
		arena_array(r->arena, (size_t)(*out)->brokers_count + 1, sizeof(int32_t)), 0};
	for (int32_t i = 0; i < (*out)->brokers_count; i++)
		ids_add(&r->live, (*out)->brokers[i].node_id);
	return 0;
}

int ask_nodes(struct reassign *r, struct ids *out, struct err *err)
{
	struct describe_cluster_response *nodes;
	struct metadata_response *metadata;
	int rc;

	*out = (struct ids){0};
	if (!r->args->cluster.bootstrap_controller) {
		rc = ask_metadata(r, NULL, 0, &metadata, err);
		*out = r->live;
		return rc;
	}
	rc = argparse_describe(r->run, r->client, &r->args->cluster, false, &nodes, err);
	if (rc < 0)
		return rc;
	out->items = arena_array(r->arena, (size_t)nodes->brokers_count + 1, sizeof(int32_t));
	for (int32_t i = 0; i < nodes->brokers_count; i++)
		ids_add(out, nodes->brokers[i].broker_id);
	return 0;
}

static const struct metadata_response_topic *metadata_topic(const struct metadata_response *m,
							    struct str topic)
{
	for (int32_t t = 0; t < m->topics_count; t++)
		if (str_eq(m->topics[t].name, topic) && m->topics[t].error_code == KERR_NONE)
			return &m->topics[t];
	return NULL;
}

bool metadata_has_topic(const struct metadata_response *m, struct str topic)
{
	return metadata_topic(m, topic) != NULL;
}

const struct metadata_response_partition *metadata_partition(const struct metadata_response *m,
							     struct str topic, int32_t partition)
{
	const struct metadata_response_topic *t = metadata_topic(m, topic);

	for (int32_t i = 0; t && i < t->partitions_count; i++)
		if (t->partitions[i].partition_index == partition)
			return &t->partitions[i];
	return NULL;
}

/* ---- Reassignments ------------------------------------------------------------------------ */

int ask_current(struct reassign *r, struct list_partition_reassignments_response **out,
		struct err *err)
{
	struct list_partition_reassignments_request *request =
		WIRE_NEW(r->arena, list_partition_reassignments_request);
	int rc;

	request->topics_count = -1;
	rc = client_call(r->client, TO_CONTROLLER, API_LIST_PARTITION_REASSIGNMENTS, request,
			 r->arena, (void **)out, NULL, err);
	if (rc == 0 && (*out)->error_code != KERR_NONE)
		rc = kafka_error_set(err, (*out)->error_code, (*out)->error_message);
	return rc;
}

const struct list_partition_reassignments_response_ongoing_partition_reassignment *
current_partition(const struct list_partition_reassignments_response *current, struct str topic,
		  int32_t partition)
{
	for (int32_t t = 0; t < current->topics_count; t++) {
		if (!str_eq(current->topics[t].name, topic))
			continue;
		for (int32_t i = 0; i < current->topics[t].partitions_count; i++)
			if (current->topics[t].partitions[i].partition_index == partition)
				return &current->topics[t].partitions[i];
	}
	return NULL;
}

static struct alter_partition_reassignments_request *
alter_request(struct reassign *r, const struct part *parts, size_t count, bool is_cancel)
{
	struct alter_partition_reassignments_request *request =
		WIRE_NEW(r->arena, alter_partition_reassignments_request);
	struct alter_partition_reassignments_request_reassignable_topic *topic = NULL;

	request->allow_replication_factor_change = !r->args->keep_factor;
	request->topics = WIRE_ARRAY(
		r->arena, alter_partition_reassignments_request_reassignable_topic, count);
	for (size_t i = 0; i < count; i++) {
		struct alter_partition_reassignments_request_reassignable_partition *to;

		if (!topic || !str_eq(topic->name, parts[i].topic)) {
			topic = &request->topics[request->topics_count++];
			topic->name = parts[i].topic;
			topic->partitions = WIRE_ARRAY(
				r->arena,
				alter_partition_reassignments_request_reassignable_partition,
				count - i);
		}
		to = &topic->partitions[topic->partitions_count++];
		to->partition_index = parts[i].partition;
		to->replicas = parts[i].replicas.items;
		to->replicas_count = parts[i].replicas.count;
		if (is_cancel)
			to->replicas_count = -1;
	}
	return request;
}

static const char *alter_error(struct reassign *r,
			       const struct alter_partition_reassignments_response *response,
			       const struct part *p)
{
	struct err why = {0};

	for (int32_t t = 0; t < response->responses_count; t++) {
		if (!str_eq(response->responses[t].name, p->topic))
			continue;
		for (int32_t i = 0; i < response->responses[t].partitions_count; i++) {
			const struct
				alter_partition_reassignments_response_reassignable_partition_response
					*one = &response->responses[t].partitions[i];

			if (one->partition_index != p->partition)
				continue;
			if (one->error_code == KERR_NONE)
				return NULL;
			(void)!kafka_error_set(&why, one->error_code, one->error_message);
			return arena_strdup(r->arena, err_message(&why));
		}
	}
	return "the controller did not answer for it";
}

int ask_alter(struct reassign *r, const struct part *parts, size_t count, bool is_cancel,
	      const char ***out, struct err *err)
{
	struct alter_partition_reassignments_request *request =
		alter_request(r, parts, count, is_cancel);
	struct alter_partition_reassignments_response *response;
	int rc = client_call(r->client, TO_CONTROLLER, API_ALTER_PARTITION_REASSIGNMENTS, request,
			     r->arena, (void **)&response, NULL, err);

	if (rc == 0 && response->error_code != KERR_NONE)
		rc = kafka_error_set(err, response->error_code, response->error_message);
	if (rc < 0)
		return rc;
	*out = arena_array(r->arena, count + 1, sizeof(**out));
	for (size_t i = 0; i < count; i++)
		(*out)[i] = alter_error(r, response, &parts[i]);
	return 0;
}

/* ---- Directories -------------------------------------------------------------------------- */

int ask_dirs(struct reassign *r, struct ids brokers, struct dirs *out, struct err *err)
{
	struct describe_log_dirs_request *request = WIRE_NEW(r->arena, describe_log_dirs_request);
	int rc;

	*out = (struct dirs){0};
	out->calls = arena_array(r->arena, (size_t)brokers.count + 1, sizeof(*out->calls));
	request->topics_count = -1;
	for (int32_t i = 0; i < brokers.count; i++) {
		if (!ids_have(r->live, brokers.items[i]))
			continue;
		out->calls[out->count++] = (struct call){.target = TO_NODE(brokers.items[i]),
							 .api_key = API_DESCRIBE_LOG_DIRS,
							 .request = request};
	}
	rc = client_call_all(r->client, out->calls, out->count, err);
	for (size_t i = 0; rc == 0 && i < out->count; i++) {
		if (out->calls[i].rc != E_AUTH)
			continue;
		*err = out->calls[i].err;
		rc = E_AUTH;
	}
	if (rc < 0)
		dirs_fini(out);
	return rc;
}

void dirs_fini(struct dirs *dirs)
{
	for (size_t i = 0; i < dirs->count; i++)
		call_fini(&dirs->calls[i]);
	*dirs = (struct dirs){0};
}

static const char *dir_find(struct reassign *r, const struct describe_log_dirs_response *response,
			    struct str topic, int32_t partition, bool is_future)
{
	for (int32_t d = 0; d < response->results_count; d++) {
		const struct describe_log_dirs_response_result *dir = &response->results[d];

		for (int32_t t = 0; t < dir->topics_count; t++) {
			if (!str_eq(dir->topics[t].name, topic))
				continue;
			for (int32_t i = 0; i < dir->topics[t].partitions_count; i++) {
				const struct describe_log_dirs_response_partition *p =
					&dir->topics[t].partitions[i];

				if (p->partition_index == partition &&
				    p->is_future_key == is_future)
					return str_dup(r->arena, dir->log_dir).data;
			}
		}
	}
	return NULL;
}

const char *dirs_find(struct reassign *r, const struct dirs *dirs, struct str topic,
		      int32_t partition, int32_t broker, bool is_future)
{
	for (size_t i = 0; i < dirs->count; i++)
		if (dirs->calls[i].target.node_id == broker && dirs->calls[i].rc == 0)
			return dir_find(r, dirs->calls[i].response, topic, partition, is_future);
	return NULL;
}

int ask_part_dirs(struct reassign *r, struct plan *plan, struct err *err)
{
	struct ids brokers = {0};
	struct dirs dirs;
	size_t count = 1;
	int rc;

	for (size_t i = 0; i < plan->part_count; i++)
		count += (size_t)plan->parts[i].replicas.count;
	brokers.items = arena_array(r->arena, count, sizeof(int32_t));
	for (size_t i = 0; i < plan->part_count; i++)
		for (int32_t n = 0; n < plan->parts[i].replicas.count; n++)
			ids_add(&brokers, plan->parts[i].replicas.items[n]);
	rc = ask_dirs(r, brokers, &dirs, err);
	for (size_t i = 0; rc == 0 && i < plan->part_count; i++) {
		struct part *p = &plan->parts[i];

		p->dirs = arena_array(r->arena, (size_t)p->replicas.count + 1, sizeof(*p->dirs));
		for (int32_t n = 0; n < p->replicas.count; n++)
			p->dirs[n] = dirs_find(r, &dirs, p->topic, p->partition,
					       p->replicas.items[n], false);
	}
	dirs_fini(&dirs);
	return rc;
}

/* ---- Configs ------------------------------------------------------------------------------ */

static void configs_add(struct reassign *r, struct incremental_alter_configs_request *request,
			const struct config_change *change)
{
	struct incremental_alter_configs_request_alter_configs_resource *to =
		&request->resources[request->resources_count++];

	to->resource_type = change->type;
	to->resource_name = change->resource;
	to->configs = WIRE_ARRAY(r->arena, incremental_alter_configs_request_alterable_config,
				 change->count);
	to->configs_count = change->count;
	for (int32_t i = 0; i < change->count; i++) {
		to->configs[i].name = str_of(change->items[i].name);
		to->configs[i].config_operation = change->items[i].value ? 0 : 1;
		to->configs[i].value =
			change->items[i].value ? str_of(change->items[i].value) : STR_LIT("");
	}
}

static struct incremental_alter_configs_request *configs_request(struct reassign *r, size_t count)
{
	struct incremental_alter_configs_request *request =
		WIRE_NEW(r->arena, incremental_alter_configs_request);

	request->resources = WIRE_ARRAY(
		r->arena, incremental_alter_configs_request_alter_configs_resource, count);
	return request;
}

/* The first failure: of a call, or told in a response. */
static int configs_result(const struct call *call, struct err *err)
{
	const struct incremental_alter_configs_response *response = call->response;

	if (call->rc < 0) {
		*err = call->err;
		return call->rc;
	}
	for (int32_t i = 0; i < response->responses_count; i++)
		if (response->responses[i].error_code != KERR_NONE)
			return kafka_error_set(err, response->responses[i].error_code,
					       response->responses[i].error_message);
	return 0;
}

int ask_configs(struct reassign *r, const struct config_change *changes, size_t count,
		struct err *err)
{
	struct incremental_alter_configs_request *shared = configs_request(r, count);
	struct call *calls = arena_array(r->arena, count + 1, sizeof(*calls));
	size_t call_count = 0;
	int rc;

	for (size_t i = 0; i < count; i++) {
		struct incremental_alter_configs_request *own;

		/* Brokers of old take changes of their own configs only. */
		if (changes[i].type != CONFIG_RESOURCE_BROKER ||
		    r->args->cluster.bootstrap_controller) {
			configs_add(r, shared, &changes[i]);
			continue;
		}
		own = configs_request(r, 1);
		configs_add(r, own, &changes[i]);
		calls[call_count++] = (struct call){.target = TO_NODE(changes[i].broker),
						    .api_key = API_INCREMENTAL_ALTER_CONFIGS,
						    .request = own};
	}
	if (shared->resources_count)
		calls[call_count++] = (struct call){.target = argparse_target(&r->args->cluster),
						    .api_key = API_INCREMENTAL_ALTER_CONFIGS,
						    .request = shared};
	rc = client_call_all(r->client, calls, call_count, err);
	for (size_t i = 0; i < call_count; i++) {
		if (rc == 0)
			rc = configs_result(&calls[i], err);
		call_fini(&calls[i]);
	}
	return rc;
}
