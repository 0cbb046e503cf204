/* Limits of how fast replicas move. They are configs: rates of brokers, and of topics the replicas
 * that they hold for. */
#include "cmd/reassign/reassign_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEADER_RATE "leader.replication.throttled.rate"
#define FOLLOWER_RATE "follower.replication.throttled.rate"
#define DIR_RATE "replica.alter.log.dirs.io.max.bytes.per.second"
#define LEADER_REPLICAS "leader.replication.throttled.replicas"
#define FOLLOWER_REPLICAS "follower.replication.throttled.replicas"

#define WARNING \
	"Warning: You must run --verify periodically, until the reassignment completes, to " \
	"ensure the throttle is removed.\n"

/* A partition that moves from brokers to brokers. */
struct flow {
	struct str topic;
	int32_t partition;
	struct ids from, to;
};

struct flows {
	struct flow *items;
	size_t count;
};

/* ---- What moves --------------------------------------------------------------------------- */

static void flows_current(struct reassign *r, struct flows *flows,
			  const struct list_partition_reassignments_response *current)
{
	for (int32_t t = 0; t < current->topics_count; t++) {
		for (int32_t i = 0; i < current->topics[t].partitions_count; i++) {
			const struct
				list_partition_reassignments_response_ongoing_partition_reassignment
					*p = &current->topics[t].partitions[i];
			struct ids all = {p->replicas, p->replicas_count};
			struct ids adding = {p->adding_replicas, p->adding_replicas_count};

			flows->items[flows->count++] =
				(struct flow){current->topics[t].name, p->partition_index,
					      ids_without(r->arena, all, adding), adding};
		}
	}
}

static void flows_plan(struct reassign *r, struct flows *flows, size_t current_count,
		       const struct metadata_response *metadata)
{
	for (size_t i = 0; i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];
		const struct metadata_response_partition *now =
			metadata_partition(metadata, p->topic, p->partition);
		struct flow *flow = NULL;

		for (size_t n = 0; n < current_count && !flow; n++)
			if (flows->items[n].partition == p->partition &&
			    str_eq(flows->items[n].topic, p->topic))
				flow = &flows->items[n];
		if (!flow) {
			flow = &flows->items[flows->count++];
			*flow = (struct flow){.topic = p->topic, .partition = p->partition};
			if (now)
				flow->from =
					(struct ids){now->replica_nodes, now->replica_nodes_count};
		}
		flow->to = ids_without(r->arena, p->replicas, flow->from);
	}
}

static int flow_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct flow *)a)->topic, ((const struct flow *)b)->topic);
}

static struct flows flows_of(struct reassign *r, const struct metadata_response *metadata,
			     const struct list_partition_reassignments_response *current)
{
	size_t count = r->plan.part_count;
	struct flows flows = {0};

	for (int32_t t = 0; t < current->topics_count; t++)
		count += (size_t)current->topics[t].partitions_count;
	flows.items = arena_array(r->arena, count + 1, sizeof(*flows.items));
	flows_current(r, &flows, current);
	flows_plan(r, &flows, flows.count, metadata);
	if (flows.count)
		qsort(flows.items, flows.count, sizeof(*flows.items), flow_cmp);
	return flows;
}

/* ---- Setting ------------------------------------------------------------------------------ */

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "0:1,1:2": the replicas of one topic's flows, sorted as text. */
static const char *replicas_text(struct reassign *r, const struct flow *flows, size_t count,
				 bool is_from)
{
	const char **pairs, *text = "";
	size_t pair_count = 0, room = 1;

	for (size_t i = 0; i < count; i++)
		room += (size_t)(is_from ? flows[i].from.count : flows[i].to.count);
	pairs = arena_array(r->arena, room, sizeof(*pairs));
	for (size_t i = 0; i < count; i++) {
		struct ids ids = is_from ? flows[i].from : flows[i].to;

		for (int32_t n = 0; n < ids.count; n++)
			pairs[pair_count++] =
				arena_printf(r->arena, "%d:%d", flows[i].partition, ids.items[n]);
	}
	if (pair_count)
		qsort(pairs, pair_count, sizeof(*pairs), text_cmp);
	for (size_t i = 0; i < pair_count; i++)
		text = arena_printf(r->arena, "%s%s%s", text, i ? "," : "", pairs[i]);
	return text;
}

static int topics_set(struct reassign *r, const struct flows *flows, struct err *err)
{
	struct config_change *changes = arena_array(r->arena, flows->count + 1, sizeof(*changes));
	size_t count = 0, end;

	for (size_t at = 0; at < flows->count; at = end) {
		const struct flow *flow = &flows->items[at];
		struct config_change *change = &changes[count++];

		for (end = at + 1; end < flows->count && flow_cmp(flow, &flows->items[end]) == 0;)
			end++;
		change->type = CONFIG_RESOURCE_TOPIC;
		change->resource = flow->topic;
		change->count = 2;
		change->items[0].name = LEADER_REPLICAS;
		change->items[0].value = replicas_text(r, flow, end - at, true);
		change->items[1].name = FOLLOWER_REPLICAS;
		change->items[1].value = replicas_text(r, flow, end - at, false);
	}
	return ask_configs(r, changes, count, err);
}

/* Those that can be told. One that is down sends and gets nothing that could be limited, and others
 * refuse to be told for it; controllers take it for any that is registered. */
static struct ids brokers_there(struct reassign *r, struct ids brokers)
{
	return r->args->cluster.bootstrap_controller
		       ? brokers
		       : ids_without(r->arena, brokers, ids_without(r->arena, brokers, r->live));
}

static struct config_change *brokers_changes(struct reassign *r, struct ids brokers,
					     const char *const *names, int32_t count,
					     const char *value)
{
	struct config_change *changes =
		arena_array(r->arena, (size_t)brokers.count + 1, sizeof(*changes));

	for (int32_t i = 0; i < brokers.count; i++) {
		changes[i].type = CONFIG_RESOURCE_BROKER;
		changes[i].broker = brokers.items[i];
		changes[i].resource = str_of(arena_printf(r->arena, "%d", brokers.items[i]));
		changes[i].count = count;
		for (int32_t n = 0; n < count; n++) {
			changes[i].items[n].name = names[n];
			changes[i].items[n].value = value;
		}
	}
	return changes;
}

static int brokers_set(struct reassign *r, struct ids brokers, const char *const *names,
		       int32_t count, int64_t rate, struct err *err)
{
	const char *value = arena_printf(r->arena, "%" PRId64, rate);

	brokers = brokers_there(r, brokers);
	return ask_configs(r, brokers_changes(r, brokers, names, count, value),
			   (size_t)brokers.count, err);
}

static int throttle_replication(struct reassign *r, const struct flows *flows, struct err *err)
{
	static const char *const names[] = {LEADER_RATE, FOLLOWER_RATE};
	struct ids brokers = {0};
	size_t room = 1;
	int rc = topics_set(r, flows, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < flows->count; i++)
		room += (size_t)flows->items[i].from.count + (size_t)flows->items[i].to.count;
	brokers.items = arena_array(r->arena, room, sizeof(int32_t));
	for (size_t i = 0; i < flows->count; i++) {
		for (int32_t n = 0; n < flows->items[i].from.count; n++)
			ids_add(&brokers, flows->items[i].from.items[n]);
		for (int32_t n = 0; n < flows->items[i].to.count; n++)
			ids_add(&brokers, flows->items[i].to.items[n]);
	}
	rc = brokers_set(r, brokers, names, 2, r->args->throttle, err);
	if (rc == 0 && r->format == OUTPUT_TEXT)
		output_say("The inter-broker throttle limit was set to %" PRId64 " B/s\n",
			   r->args->throttle);
	return rc;
}

static int throttle_dirs(struct reassign *r, struct err *err)
{
	static const char *const names[] = {DIR_RATE};
	struct ids brokers = {arena_array(r->arena, r->plan.move_count + 1, sizeof(int32_t)), 0};
	int rc;

	for (size_t i = 0; i < r->plan.move_count; i++)
		ids_add(&brokers, r->plan.moves[i].broker);
	rc = brokers_set(r, brokers, names, 1, r->args->dir_throttle, err);
	if (rc == 0 && r->format == OUTPUT_TEXT)
		output_say("The replica-alter-dir throttle limit was set to %" PRId64 " B/s\n",
			   r->args->dir_throttle);
	return rc;
}

int throttle_set(struct reassign *r, const struct metadata_response *metadata,
		 const struct list_partition_reassignments_response *current, struct err *err)
{
	struct flows flows;
	int rc = 0;

	if (r->args->throttle < 0 && r->args->dir_throttle < 0)
		return 0;
	if (r->format == OUTPUT_TEXT)
		output_say(WARNING);
	if (r->args->throttle >= 0) {
		flows = flows_of(r, metadata, current);
		rc = throttle_replication(r, &flows, err);
	}
	if (rc == 0 && r->args->dir_throttle >= 0)
		rc = throttle_dirs(r, err);
	return rc;
}

/* ---- Clearing ----------------------------------------------------------------------------- */

static int topics_clear(struct reassign *r, struct err *err)
{
	size_t count;
	struct str *names = plan_names(r->arena, &r->plan, &count);
	struct config_change *changes = arena_array(r->arena, count + 1, sizeof(*changes));
	const char *text = "";

	for (size_t i = 0; i < count; i++) {
		text = arena_printf(r->arena, "%s%s%.*s", text, i ? "," : "", STR(names[i]));
		changes[i].type = CONFIG_RESOURCE_TOPIC;
		changes[i].resource = names[i];
		changes[i].count = 2;
		changes[i].items[0].name = LEADER_REPLICAS;
		changes[i].items[1].name = FOLLOWER_REPLICAS;
	}
	if (r->format == OUTPUT_TEXT)
		output_say("Clearing topic-level throttles on topic%s %s\n", count == 1 ? "" : "s",
			   text);
	return ask_configs(r, changes, count, err);
}

int throttle_clear(struct reassign *r, struct err *err)
{
	static const char *const names[] = {LEADER_RATE, FOLLOWER_RATE, DIR_RATE};
	struct ids nodes, there, brokers = {0};
	size_t room = 1;
	int rc = ask_nodes(r, &nodes, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->plan.part_count; i++)
		room += (size_t)r->plan.parts[i].replicas.count;
	brokers.items = arena_array(r->arena, room + (size_t)nodes.count, sizeof(int32_t));
	for (int32_t i = 0; i < nodes.count; i++)
		ids_add(&brokers, nodes.items[i]);
	for (size_t i = 0; i < r->plan.part_count; i++)
		for (int32_t n = 0; n < r->plan.parts[i].replicas.count; n++)
			ids_add(&brokers, r->plan.parts[i].replicas.items[n]);
	ids_sort(brokers);
	if (r->format == OUTPUT_TEXT)
		output_say("Clearing broker-level throttles on broker%s %s\n",
			   brokers.count == 1 ? "" : "s", ids_text(r->arena, brokers));
	there = brokers_there(r, brokers);
	rc = ask_configs(r, brokers_changes(r, there, names, 3, NULL), (size_t)there.count, err);
	if (rc == 0)
		rc = topics_clear(r, err);
	brokers = ids_without(r->arena, brokers, there);
	if (rc == 0 && brokers.count)
		rc = err_set(err, r->run->is_apache ? E_INVALID : E_NOT_FOUND,
			     "%snknown broker id %s", r->run->is_apache ? "U" : "u",
			     ids_text(r->arena, brokers));
	return rc;
}
