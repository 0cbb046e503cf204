/* topics --describe: what the cluster says of topics, gathered from four requests. */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/topics/topics_int.h"
#include "cmd/topics/topics_print.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "client/admin.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

struct description {
	struct topics *t;
	struct run *run;
	struct client *client;
	struct topic_view *topics; /* sorted by name */
	size_t count;
	struct topics_report report;
};

static struct topic_view *description_find(struct description *d, struct str name)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(d->topics[middle].name, name);

		if (order == 0)
			return &d->topics[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct broker_list brokers(const int32_t *ids, int32_t count)
{
	return (struct broker_list){ids, count > 0 ? (unsigned)count : 0, count < 0};
}

static int partition_cmp(const void *a, const void *b)
{
	const struct partition_view *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* ---- Partitions --------------------------------------------------------------------------- */

static int describe_metadata(struct description *d, struct err *err)
{
	struct arena *a = &d->run->arena;
	struct str *names = arena_array(a, d->count + 1, sizeof(*names));
	struct metadata_response *response;
	int32_t *live;
	int rc;

	for (size_t i = 0; i < d->count; i++)
		names[i] = d->topics[i].name;
	rc = admin_metadata(d->client, names, d->count, a, &response, err);
	if (rc < 0)
		return rc;
	live = arena_array(a, (size_t)response->brokers_count + 1, sizeof(*live));
	for (int32_t i = 0; i < response->brokers_count; i++)
		live[i] = response->brokers[i].node_id;
	d->report.live_brokers = live;
	d->report.live_broker_count = (unsigned)response->brokers_count;
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct metadata_response_topic *from = &response->topics[i];
		struct topic_view *t = description_find(d, from->name);
		struct partition_view *parts;

		if (!t)
			continue;
		if (from->error_code != KERR_NONE && from->error_code != KERR_LEADER_NOT_AVAILABLE)
			return kafka_error_set(err, from->error_code, STR_NULL);
		parts = arena_array(a, (size_t)from->partitions_count + 1, sizeof(*parts));
		for (int32_t p = 0; p < from->partitions_count; p++) {
			const struct metadata_response_partition *q = &from->partitions[p];

			parts[p] = (struct partition_view){
				.index = q->partition_index,
				.leader = q->leader_id,
				.replicas = brokers(q->replica_nodes, q->replica_nodes_count),
				.isr = brokers(q->isr_nodes, q->isr_nodes_count),
				.elr.is_unknown = true,
				.last_known_elr.is_unknown = true};
		}
		qsort(parts, (size_t)from->partitions_count, sizeof(*parts), partition_cmp);
		t->id = from->topic_id;
		t->is_internal = from->is_internal;
		t->partitions = parts;
		t->partition_count = (unsigned)from->partitions_count;
	}
	return 0;
}

/* One answer of DescribeTopicPartitions: what it says of partitions replaces Metadata's. */
static void describe_take_page(struct description *d,
			       const struct describe_topic_partitions_response *response)
{
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct describe_topic_partitions_response_topic *from = &response->topics[i];
		struct topic_view *t =
			from->error_code == KERR_NONE ? description_find(d, from->name) : NULL;

		for (int32_t p = 0; t && p < from->partitions_count; p++) {
			const struct describe_topic_partitions_response_partition *q =
				&from->partitions[p];
			struct partition_view *to;

			if (q->partition_index < 0 ||
			    (uint32_t)q->partition_index >= t->partition_count)
				continue;
			to = (struct partition_view *)&t->partitions[q->partition_index];
			to->leader = q->leader_id;
			to->replicas = brokers(q->replica_nodes, q->replica_nodes_count);
			to->isr = brokers(q->isr_nodes, q->isr_nodes_count);
			to->elr = brokers(q->eligible_leader_replicas,
					  q->eligible_leader_replicas_count);
			to->last_known_elr = brokers(q->last_known_elr, q->last_known_elr_count);
		}
	}
}

/* Brokers since 3.8 know eligible leader replicas; from others this call is not had. */
static int describe_pages(struct description *d, int32_t limit, struct err *err)
{
	struct describe_topic_partitions_request *request;
	struct describe_topic_partitions_response *response;
	struct arena *a = &d->run->arena;
	size_t first = 0;

	if (client_api_version(d->client, -1, API_DESCRIBE_TOPIC_PARTITIONS) < 0)
		return 0;
	request = WIRE_NEW(a, describe_topic_partitions_request);
	request->topics = WIRE_ARRAY(a, describe_topic_partitions_request_topic_request, d->count);
	for (size_t i = 0; i < d->count; i++)
		request->topics[i].name = d->topics[i].name;
	request->topics_count = (int32_t)d->count;
	request->response_partition_limit = limit;
	for (;;) {
		const struct describe_topic_partitions_response_cursor *next;
		int rc = client_call(d->client, TO_ANY, API_DESCRIBE_TOPIC_PARTITIONS, request, a,
				     (void **)&response, NULL, err);

		if (rc == E_UNSUPPORTED)
			return 0;
		if (rc < 0)
			return rc;
		describe_take_page(d, response);
		next = response->next_cursor;
		if (!next)
			return 0;
		request->cursor = WIRE_NEW(a, describe_topic_partitions_request_cursor);
		request->cursor->topic_name = next->topic_name;
		request->cursor->partition_index = next->partition_index;
		/* Topics before the cursor are done. */
		while (first < d->count && str_cmp(d->topics[first].name, next->topic_name) < 0) {
			first++;
			request->topics++;
			request->topics_count--;
		}
	}
}

/* ---- Configs, reassignments --------------------------------------------------------------- */

static void describe_take_configs(struct description *d,
				  const struct describe_configs_response_result *from)
{
	struct topic_view *t = description_find(d, from->resource_name);
	struct config_view *configs;

	if (!t || from->error_code != KERR_NONE)
		return;
	configs = arena_array(&d->run->arena, (size_t)from->configs_count + 1, sizeof(*configs));
	t->configs = configs;
	for (int32_t i = 0; i < from->configs_count; i++) {
		const struct describe_configs_response_resource_result *c = &from->configs[i];

		if (str_is(c->name, "min.insync.replicas") && !str_is_null(c->value))
			t->min_insync_replicas = (int)strtol(
				arena_strndup(&d->run->arena, c->value.data, c->value.len), NULL,
				10);
		if (c->config_source != CONFIG_SOURCE_DEFAULT)
			configs[t->config_count++] = (struct config_view){
				c->name, str_is_null(c->value) ? STR_LIT("null") : c->value};
	}
}

static int describe_configs(struct description *d, struct err *err)
{
	struct arena *a = &d->run->arena;
	struct describe_configs_request *request = WIRE_NEW(a, describe_configs_request);
	struct describe_configs_response *response;
	int rc;

	request->resources = WIRE_ARRAY(a, describe_configs_request_resource, d->count);
	request->resources_count = (int32_t)d->count;
	for (size_t i = 0; i < d->count; i++) {
		request->resources[i].resource_type = CONFIG_RESOURCE_TOPIC;
		request->resources[i].resource_name = d->topics[i].name;
		request->resources[i].configuration_keys = NULL;
		request->resources[i].configuration_keys_count = -1;
	}
	rc = client_call(d->client, TO_ANY, API_DESCRIBE_CONFIGS, request, a, (void **)&response,
			 NULL, err);
	for (int32_t i = 0; rc == 0 && i < response->results_count; i++)
		describe_take_configs(d, &response->results[i]);
	return rc;
}

/* Not allowed or not supported counts as "none are under way". */
static void describe_reassignments(struct description *d)
{
	struct arena *a = &d->run->arena;
	struct list_partition_reassignments_request *request =
		WIRE_NEW(a, list_partition_reassignments_request);
	struct list_partition_reassignments_response *response;

	request->topics = NULL;
	request->topics_count = -1;
	if (client_call(d->client, TO_CONTROLLER, API_LIST_PARTITION_REASSIGNMENTS, request, a,
			(void **)&response, NULL, NULL) < 0)
		return;
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct list_partition_reassignments_response_ongoing_topic_reassignment
			*from = &response->topics[i];
		struct topic_view *t = description_find(d, from->name);

		for (int32_t p = 0; t && p < from->partitions_count; p++) {
			struct partition_view *to;
			int32_t index = from->partitions[p].partition_index;

			if (index < 0 || (uint32_t)index >= t->partition_count)
				continue;
			to = (struct partition_view *)&t->partitions[index];
			to->is_reassigned = true;
			to->adding = brokers(from->partitions[p].adding_replicas,
					     from->partitions[p].adding_replicas_count);
			to->removing = brokers(from->partitions[p].removing_replicas,
					       from->partitions[p].removing_replicas_count);
		}
	}
}

/* ---- The whole ---------------------------------------------------------------------------- */

/* The name that belongs to --topic-id. */
static int describe_find_id(struct topics *t, struct topic_names *names, struct err *err)
{
	const struct topics_args *args = t->args;
	struct run *run = t->run;
	struct metadata_response *response;
	struct uuid id;
	int rc;

	if (uuid_parse(&id, str_of(args->topic_id)) < 0)
		return err_set(err, E_INVALID, "'%s' is no topic id", args->topic_id);
	rc = admin_metadata(t->client, NULL, 0, &run->arena, &response, err);
	if (rc < 0)
		return rc;
	names->items = arena_array(&run->arena, 1, sizeof(*names->items));
	for (int32_t i = 0; i < response->topics_count; i++) {
		if (uuid_eq(response->topics[i].topic_id, id)) {
			names->items[0] = response->topics[i].name;
			names->count = 1;
			return 0;
		}
	}
	if (args->if_exists)
		return 0;
	return err_set(err, E_NOT_FOUND, "TopicId '%s' does not exist as expected", args->topic_id);
}

static bool args_has_id(const struct topics_args *args)
{
	struct uuid id;

	return args->topic_id && (uuid_parse(&id, str_of(args->topic_id)) < 0 || !uuid_is_zero(id));
}

/* Sizes of the partitions, for --sizes. */
static int describe_sizes(struct description *d, struct err *err)
{
	struct topic_sizes *sizes;
	int rc = topics_sizes_read(d->t, &sizes, err);

	for (size_t i = 0; rc == 0 && i < d->count; i++) {
		struct topic_view *t = &d->topics[i];

		for (unsigned p = 0; p < t->partition_count; p++) {
			struct partition_view *to = (struct partition_view *)&t->partitions[p];

			to->bytes = topics_sizes_of(sizes, t->name, to->index);
		}
		t->has_sizes = true;
	}
	return rc;
}

static int describe_read(struct description *d, struct err *err)
{
	int rc = describe_metadata(d, err);

	if (rc == 0)
		rc = describe_pages(d, (int32_t)d->t->args->partition_limit, err);
	if (rc == 0)
		rc = describe_configs(d, err);
	if (rc == 0 && d->t->args->sizes)
		rc = describe_sizes(d, err);
	if (rc == 0)
		describe_reassignments(d);
	return rc;
}

int topics_describe(struct topics *t, struct err *err)
{
	const struct topics_args *args = t->args;
	struct description d = {.t = t,
				.run = t->run,
				.client = t->client,
				.report = {.under_replicated = args->under_replicated,
					   .unavailable = args->unavailable,
					   .under_min_isr = args->under_min_isr,
					   .at_min_isr = args->at_min_isr,
					   .overrides_only = args->overrides_only}};
	struct topic_names names = {0};
	struct grid grid;
	int rc;

	if (args_has_id(args))
		rc = describe_find_id(t, &names, err);
	else
		rc = topics_match(t, &names, NULL, err);
	if (rc < 0 || names.count == 0)
		return rc;
	d.count = names.count;
	d.topics = arena_array(t->arena, d.count, sizeof(*d.topics));
	for (size_t i = 0; i < d.count; i++)
		d.topics[i] = (struct topic_view){.name = names.items[i], .min_insync_replicas = 1};
	rc = describe_read(&d, err);
	if (rc < 0)
		return rc;
	topics_grid_init(&grid, t->arena, args->sizes);
	for (size_t i = 0; i < d.count; i++) {
		if (t->format == OUTPUT_JSON)
			topics_print_json(&d.topics[i], &d.report);
		else if (t->format == OUTPUT_TABLE)
			topics_grid_add(&grid, &d.topics[i], &d.report);
		else
			topics_print_description(&d.topics[i], &d.report);
	}
	if (t->format == OUTPUT_TABLE)
		grid_print(&grid);
	return 0;
}
