/* topics --list. */
#include "cmd/filter.h"
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/topics/topics_int.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "client/admin.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct metadata_response_topic *list_find(const struct metadata_response *m,
						       struct str name)
{
	for (int32_t i = 0; i < m->topics_count; i++) {
		if (str_eq(m->topics[i].name, name))
			return &m->topics[i];
	}
	return NULL;
}

static int topic_cmp(const void *a, const void *b)
{
	const struct metadata_response_topic *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static void list_json(const struct metadata_response_topic *topic, const struct topic_sizes *sizes)
{
	struct json_out j = {0};
	char id[UUID_TEXT_LEN + 1];

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", topic->name);
	json_out_text(&j, "topicId",
		      uuid_is_zero(topic->topic_id) ? NULL : uuid_format(topic->topic_id, id));
	json_out_bool(&j, "internal", topic->is_internal || filter_is_internal(topic->name));
	json_out_int(&j, "partitionCount", topic->partitions_count);
	json_out_int(&j, "replicationFactor",
		     topic->partitions_count ? topic->partitions[0].replica_nodes_count : 0);
	if (sizes)
		json_out_int(&j, "bytes", MAX(topics_sizes_of(sizes, topic->name, -1), 0));
	json_out_close(&j, '}');
	print_byte('\n');
}

static void list_table(struct topics *t, struct grid *g,
		       const struct metadata_response_topic *topic, const struct topic_sizes *sizes)
{
	unsigned leaderless = 0, lagging = 0;

	for (int32_t p = 0; p < topic->partitions_count; p++) {
		leaderless += topic->partitions[p].leader_id < 0;
		lagging += topic->partitions[p].isr_nodes_count <
			   topic->partitions[p].replica_nodes_count;
	}
	grid_add(
		g, str_dup(t->arena, topic->name).data, grid_int(g, topic->partitions_count),
		grid_int(g, topic->partitions_count ? topic->partitions[0].replica_nodes_count : 0),
		leaderless ? arena_printf(t->arena, "%u without leader", leaderless)
		: lagging  ? arena_printf(t->arena, "%u under-replicated", lagging)
			   : "ok",
		sizes ? topics_size_text(t->arena, topics_sizes_of(sizes, topic->name, -1)) : NULL);
	grid_tone(g, 3, leaderless ? TONE_RED : lagging ? TONE_YELLOW : TONE_GREEN);
}

/* More than names: --output, --sizes. */
static int list_details(struct topics *t, const struct topic_names *names, struct err *err)
{
	static const char *const titles[] = {"TOPIC", ">PARTITIONS", ">REPLICAS", "STATE", ">SIZE"};
	struct topic_sizes *sizes = NULL;
	struct metadata_response *m;
	struct grid grid;
	int rc = 0;

	if (names->count > 0)
		rc = admin_metadata(t->client, names->items, names->count, t->arena, &m, err);
	if (rc == 0 && t->args->sizes)
		rc = topics_sizes_read(t, &sizes, err);
	if (rc < 0 || (names->count == 0 && t->format == OUTPUT_JSON))
		return rc;
	if (names->count > 0)
		qsort(m->topics, (size_t)m->topics_count, sizeof(*m->topics), topic_cmp);
	grid_init(&grid, t->arena, titles, ARRAY_LEN(titles) - !sizes);
	for (size_t i = 0; i < names->count; i++) {
		const struct metadata_response_topic *topic = list_find(m, names->items[i]);

		if (!topic)
			continue;
		if (t->format == OUTPUT_JSON)
			list_json(topic, sizes);
		else
			list_table(t, &grid, topic, sizes);
	}
	if (t->format != OUTPUT_JSON)
		grid_print(&grid);
	return 0;
}

int topics_list(struct topics *t, struct err *err)
{
	struct topic_names names;
	int rc = topics_match_any(t, &names, err);

	if (rc < 0)
		return rc;
	if (t->format != OUTPUT_TEXT || t->args->sizes)
		return list_details(t, &names, err);
	for (size_t i = 0; i < names.count; i++)
		print_text("%.*s\n", STR(names.items[i]));
	/* Apache's tool prints the empty list as one empty line. */
	if (names.count == 0 && t->run->is_apache)
		print_byte('\n');
	return 0;
}
