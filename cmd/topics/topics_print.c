#include "cmd/topics/topics_print.h"
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/topics/topics_int.h"

#include <stdio.h>

/* How many replicas the topic is meant to have: those being added do not count yet. */
static unsigned partition_replication(const struct partition_view *p)
{
	unsigned adding = 0;

	for (unsigned i = 0; p->is_reassigned && i < p->adding.count; i++) {
		for (unsigned j = 0; j < p->replicas.count; j++)
			adding += p->replicas.ids[j] == p->adding.ids[i];
	}
	return p->replicas.count - adding;
}

static bool report_is_live(const struct topics_report *r, int32_t broker)
{
	for (unsigned i = 0; i < r->live_broker_count; i++) {
		if (r->live_brokers[i] == broker)
			return true;
	}
	return false;
}

bool topics_report_filters(const struct topics_report *r)
{
	return r->under_replicated || r->unavailable || r->under_min_isr || r->at_min_isr;
}

static bool report_wants(const struct topics_report *r, const struct topic_view *t,
			 const struct partition_view *p)
{
	bool has_leader = p->leader >= 0;
	unsigned min_isr = (unsigned)MAX(t->min_insync_replicas, 0);

	if (!topics_report_filters(r))
		return true;
	return (r->under_replicated && p->isr.count < partition_replication(p)) ||
	       (r->unavailable && (!has_leader || !report_is_live(r, p->leader))) ||
	       (r->under_min_isr && (!has_leader || p->isr.count < min_isr)) ||
	       (r->at_min_isr && p->isr.count == min_isr);
}

static void print_brokers(const char *label, const struct broker_list *list)
{
	print_text("\t%s: ", label);
	if (list->is_unknown)
		print_text("N/A");
	for (unsigned i = 0; i < list->count; i++)
		print_text(i ? ",%d" : "%d", list->ids[i]);
}

static void print_header(const struct topic_view *t)
{
	char id[UUID_TEXT_LEN + 1];

	print_text("Topic: %.*s", STR(t->name));
	if (!uuid_is_zero(t->id))
		print_text("\tTopicId: %s", uuid_format(t->id, id));
	print_text("\tPartitionCount: %u\tReplicationFactor: %u\tConfigs: ", t->partition_count,
		   t->partition_count ? partition_replication(&t->partitions[0]) : 0);
	for (unsigned i = 0; i < t->config_count; i++)
		print_text("%s%.*s=%.*s", i ? "," : "", STR(t->configs[i].name),
			   STR(t->configs[i].value));
	print_byte('\n');
}

static void print_partition(const struct topic_view *t, const struct partition_view *p)
{
	print_text("\tTopic: %.*s\tPartition: %d", STR(t->name), p->index);
	if (p->leader >= 0)
		print_text("\tLeader: %d", p->leader);
	else
		print_text("\tLeader: none");
	print_brokers("Replicas", &p->replicas);
	print_brokers("Isr", &p->isr);
	if (p->is_reassigned) {
		print_brokers("Adding Replicas", &p->adding);
		print_brokers("Removing Replicas", &p->removing);
	}
	print_brokers("Elr", &p->elr);
	print_brokers("LastKnownElr", &p->last_known_elr);
	print_byte('\n');
}

void topics_print_description(const struct topic_view *t, const struct topics_report *r)
{
	if (r->overrides_only && t->config_count == 0)
		return;
	if (!topics_report_filters(r))
		print_header(t);
	for (unsigned i = 0; !r->overrides_only && i < t->partition_count; i++) {
		if (report_wants(r, t, &t->partitions[i]))
			print_partition(t, &t->partitions[i]);
	}
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void json_brokers(struct json_out *j, const char *key, const struct broker_list *list)
{
	if (list->is_unknown) {
		json_out_null(j, key);
		return;
	}
	json_out_open(j, key, '[');
	for (unsigned i = 0; i < list->count; i++)
		json_out_int(j, NULL, list->ids[i]);
	json_out_close(j, ']');
}

static void json_partition(struct json_out *j, const struct topic_view *t,
			   const struct partition_view *p)
{
	json_out_open(j, NULL, '{');
	json_out_int(j, "partition", p->index);
	if (p->leader >= 0)
		json_out_int(j, "leader", p->leader);
	else
		json_out_null(j, "leader");
	json_brokers(j, "replicas", &p->replicas);
	json_brokers(j, "isr", &p->isr);
	if (p->is_reassigned) {
		json_brokers(j, "addingReplicas", &p->adding);
		json_brokers(j, "removingReplicas", &p->removing);
	}
	json_brokers(j, "elr", &p->elr);
	json_brokers(j, "lastKnownElr", &p->last_known_elr);
	if (t->has_sizes && p->bytes >= 0)
		json_out_int(j, "bytes", p->bytes);
	else if (t->has_sizes)
		json_out_null(j, "bytes");
	json_out_close(j, '}');
}

void topics_print_json(const struct topic_view *t, const struct topics_report *r)
{
	struct json_out j = {0};
	char id[UUID_TEXT_LEN + 1];

	if (r->overrides_only && t->config_count == 0)
		return;
	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", t->name);
	json_out_text(&j, "topicId", uuid_is_zero(t->id) ? NULL : uuid_format(t->id, id));
	json_out_bool(&j, "internal", t->is_internal);
	json_out_int(&j, "partitionCount", t->partition_count);
	json_out_int(&j, "replicationFactor",
		     t->partition_count ? partition_replication(&t->partitions[0]) : 0);
	json_out_open(&j, "configs", '{');
	for (unsigned i = 0; i < t->config_count; i++) {
		char key[256];

		snprintf(key, sizeof(key), "%.*s", STR(t->configs[i].name));
		json_out_str(&j, key, t->configs[i].value);
	}
	json_out_close(&j, '}');
	json_out_open(&j, "partitions", '[');
	for (unsigned i = 0; i < t->partition_count; i++) {
		if (report_wants(r, t, &t->partitions[i]))
			json_partition(&j, t, &t->partitions[i]);
	}
	json_out_close(&j, ']');
	json_out_close(&j, '}');
	print_byte('\n');
}

/* ---- Table -------------------------------------------------------------------------------- */

void topics_grid_init(struct grid *g, struct arena *a, bool has_sizes)
{
	static const char *const titles[] = {"TOPIC",    ">PARTITION", ">LEADER",
					     "REPLICAS", "ISR",        ">SIZE"};

	grid_init(g, a, titles, ARRAY_LEN(titles) - !has_sizes);
}

static const char *brokers_text(struct arena *a, const struct broker_list *list)
{
	const char *text = "";

	for (unsigned i = 0; i < list->count; i++)
		text = arena_printf(a, i ? "%s,%d" : "%s%d", text, list->ids[i]);
	return *text ? text : "-";
}

void topics_grid_add(struct grid *g, const struct topic_view *t, const struct topics_report *r)
{
	if (r->overrides_only && t->config_count == 0)
		return;
	for (unsigned i = 0; i < t->partition_count; i++) {
		const struct partition_view *p = &t->partitions[i];

		if (!report_wants(r, t, p))
			continue;
		grid_add(g, str_dup(g->arena, t->name).data, grid_int(g, p->index),
			 p->leader >= 0 ? grid_int(g, p->leader) : "none",
			 brokers_text(g->arena, &p->replicas), brokers_text(g->arena, &p->isr),
			 t->has_sizes ? topics_size_text(g->arena, p->bytes) : NULL);
		if (p->leader < 0)
			grid_tone(g, 2, TONE_RED);
		if (p->isr.count < partition_replication(p))
			grid_tone(g, 4, TONE_YELLOW);
	}
}
