/* DescribeTopicPartitions (KIP-966): topics page by page, with eligible leader replicas. */
#include "api/describe.h"
#include "api/handlers.h"
#include "config/config.h"

#include <stdlib.h>

/* A page under way. */
struct page {
	struct request *r;
	struct describe_topic_partitions_response *response;
	size_t topic_cap;
	int32_t left;			/* partitions that still fit */
	int32_t first_partition;	/* of the cursor's topic; 0 for the others */
	struct str cursor_topic;	/* null: none */
};

static int32_t *copy_ids(struct request *r, struct node_list list, int32_t *count)
{
	*count = (int32_t)list.count;
	return arena_memdup(&r->arena, list.ids, list.count * sizeof(*list.ids));
}

static struct describe_topic_partitions_response_topic *page_topic(struct page *page,
								   struct str name)
{
	struct describe_topic_partitions_response *response = page->response;
	struct describe_topic_partitions_response_topic *out;

	assert((size_t)response->topics_count < page->topic_cap);
	out = &response->topics[response->topics_count++];
	out->name = name;
	out->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
	return out;
}

static void page_end(struct page *page, struct str topic, int32_t partition)
{
	struct describe_topic_partitions_response_cursor *cursor =
		WIRE_NEW(&page->r->arena, describe_topic_partitions_response_cursor);

	cursor->topic_name = topic;
	cursor->partition_index = partition;
	page->response->next_cursor = cursor;
}

static void page_partition(struct page *page, const struct image_partition *p,
			   struct describe_topic_partitions_response_partition *out)
{
	struct partition_view view;

	partition_view(page->r, p, &view);
	out->partition_index = p->index;
	out->leader_id = view.leader_id;
	out->leader_epoch = p->leader_epoch;
	out->replica_nodes = view.replicas;
	out->replica_nodes_count = view.replica_count;
	out->isr_nodes = view.isr;
	out->isr_nodes_count = view.isr_count;
	out->eligible_leader_replicas =
		copy_ids(page->r, p->elr, &out->eligible_leader_replicas_count);
	out->last_known_elr = copy_ids(page->r, p->last_known_elr, &out->last_known_elr_count);
	out->offline_replicas = view.offline;
	out->offline_replicas_count = view.offline_count;
}

/* Adds a topic, or what of it fits. Returns false when the page is full. */
static bool page_add(struct page *page, const struct image_topic *topic)
{
	int32_t first = str_eq(topic->name, page->cursor_topic) ? page->first_partition : 0;
	struct describe_topic_partitions_response_topic *out;

	if (page->left == 0) {
		page_end(page, topic->name, first);
		return false;
	}
	out = page_topic(page, topic->name);
	out->topic_id = topic->id;
	out->is_internal = topic_is_internal(topic->name);
	out->partitions = WIRE_ARRAY(&page->r->arena, describe_topic_partitions_response_partition,
				     MAX(topic->partition_count - first, 0));
	for (int32_t i = first; i < topic->partition_count; i++) {
		const struct image_partition *p = image_partition(topic, i);

		if (page->left == 0) {
			page_end(page, topic->name, i);
			return false;
		}
		if (!p)
			continue;
		page_partition(page, p, &out->partitions[out->partitions_count++]);
		page->left--;
	}
	return true;
}

static int name_compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void page_of_asked(struct page *page)
{
	const struct describe_topic_partitions_request *request = page->r->body;
	struct str *names =
		arena_array(&page->r->arena, (size_t)request->topics_count, sizeof(*names));

	for (int32_t i = 0; i < request->topics_count; i++)
		names[i] = request->topics[i].name;
	qsort(names, (size_t)request->topics_count, sizeof(*names), name_compare);
	for (int32_t i = 0; i < request->topics_count; i++) {
		const struct image_topic *topic;
		struct describe_topic_partitions_response_topic *out;

		if ((i > 0 && str_eq(names[i], names[i - 1])) ||
		    (!str_is_null(page->cursor_topic) && str_cmp(names[i], page->cursor_topic) < 0))
			continue;
		topic = image_topic_by_name(page->r->shard->image, names[i]);
		if (topic && !page_add(page, topic))
			return;
		if (topic)
			continue;
		out = page_topic(page, names[i]);
		out->error_code = topic_name_is_valid(names[i]) ? KERR_UNKNOWN_TOPIC_OR_PARTITION
								: KERR_INVALID_TOPIC_EXCEPTION;
	}
}

static void page_of_all(struct page *page)
{
	const struct image *image = page->r->shard->image;
	const struct image_topic *topic = str_is_null(page->cursor_topic)
						  ? image_topic_next(image, STR_NULL)
						  : image_topic_from(image, page->cursor_topic);

	while (topic && page_add(page, topic))
		topic = image_topic_next(image, topic->name);
}

static bool cursor_is_valid(const struct describe_topic_partitions_request *request)
{
	if (!request->cursor)
		return true;
	if (request->cursor->partition_index < 0)
		return false;
	for (int32_t i = 0; i < request->topics_count; i++)
		if (str_eq(request->topics[i].name, request->cursor->topic_name))
			return true;
	return request->topics_count <= 0;
}

/* The response has no error of its own: every topic gets it. */
static void refuse(struct page *page, enum kafka_error error)
{
	const struct describe_topic_partitions_request *request = page->r->body;

	for (int32_t i = 0; i < request->topics_count; i++)
		page_topic(page, request->topics[i].name)->error_code = (int16_t)error;
}

void handle_describe_topic_partitions(struct request *r)
{
	const struct describe_topic_partitions_request *request = r->body;
	int32_t limit = config_i32(r->shard->config, CONFIG_MAX_REQUEST_PARTITION_SIZE_LIMIT);
	struct page page = {.r = r, .response = r->response};

	page.left = MAX(MIN(limit, request->response_partition_limit), 1);
	page.topic_cap = request->topics_count > 0 ? (size_t)request->topics_count
						   : image_topic_count(r->shard->image);
	page.response->topics =
		WIRE_ARRAY(&r->arena, describe_topic_partitions_response_topic, page.topic_cap);
	if (request->cursor) {
		page.cursor_topic = request->cursor->topic_name;
		page.first_partition = request->cursor->partition_index;
	}
	if (!cursor_is_valid(request))
		refuse(&page, KERR_INVALID_REQUEST);
	else if (request->topics_count > 0)
		page_of_asked(&page);
	else
		page_of_all(&page);
	request_done(r);
}
