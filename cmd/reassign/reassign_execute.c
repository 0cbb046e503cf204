/* --generate: a plan that spreads topics over brokers. --execute: it begins. */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

#include <stdlib.h>
#include <string.h>

#define IS_UNDER_WAY \
	"Cannot execute because there is an existing partition assignment.  Use --additional to " \
	"override this and create a new partition assignment in addition to the existing one. " \
	"The --additional flag can also be used to change the throttle by resubmitting the " \
	"current reassignment."

static int unknown(struct err *err, const char *text)
{
	int rc = err_set(err, E_KAFKA, "%s", text);

	if (err)
		err->kafka_error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
	return rc;
}

static int topics_check(struct reassign *r, const struct metadata_response *metadata,
			const struct str *names, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (!metadata_has_topic(metadata, names[i]))
			return unknown(err,
				       arena_printf(r->arena, "%sopic %.*s not found%s",
						    r->run->is_apache ? "T" : "t", STR(names[i]),
						    r->run->is_apache ? "." : ""));
	return 0;
}

static void plan_text(const struct plan *plan)
{
	struct json_out j = {0};

	plan_print(&j, NULL, plan);
	print_byte('\n');
}

/* ---- A plan ------------------------------------------------------------------------------- */

/* The brokers of --broker-list that are there, with their racks. */
static int brokers_read(struct reassign *r, const struct metadata_response *metadata,
			struct ids wanted, struct place_broker **out, uint32_t *count,
			struct err *err)
{
	size_t with_rack = 0;

	*out = arena_array(r->arena, (size_t)metadata->brokers_count + 1, sizeof(**out));
	*count = 0;
	for (int32_t i = 0; i < metadata->brokers_count; i++) {
		if (!ids_have(wanted, metadata->brokers[i].node_id))
			continue;
		with_rack += !str_is_null(metadata->brokers[i].rack);
		(*out)[(*count)++] = (struct place_broker){
			metadata->brokers[i].node_id,
			r->args->disable_rack_aware ? STR_NULL : metadata->brokers[i].rack};
	}
	if (!r->args->disable_rack_aware && with_rack && with_rack < *count)
		return err_set(err, E_INVALID,
			       "Not all brokers have rack information. Add --disable-rack-aware "
			       "in command line to make replica assignment without rack "
			       "information.");
	if (r->run->is_apache)
		return 0;
	for (int32_t i = 0; i < wanted.count; i++)
		if (!ids_have(r->live, wanted.items[i]))
			return err_set(err, E_NOT_FOUND, "there is no broker %d", wanted.items[i]);
	return 0;
}

static int topic_place(struct reassign *r, const struct metadata_response_topic *topic,
		       const struct place_broker *brokers, uint32_t broker_count, struct rng *rng,
		       struct plan *current, struct plan *proposed, struct err *err)
{
	uint32_t count = (uint32_t)topic->partitions_count, factor;
	size_t begin = current->part_count;
	int32_t *ids;
	int rc;

	for (uint32_t i = 0; i < count; i++) {
		const struct metadata_response_partition *p = &topic->partitions[i];

		current->parts[current->part_count++] = (struct part){
			.topic = topic->name,
			.partition = p->partition_index,
			.replicas = {p->replica_nodes, p->replica_nodes_count},
		};
	}
	if (count == 0)
		return 0;
	factor = (uint32_t)topic->partitions[0].replica_nodes_count;
	ids = arena_array(r->arena, (size_t)count * factor + 1, sizeof(*ids));
	rc = place_replicas(r->arena, brokers, broker_count, count, factor, rng, ids, err);
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		proposed->parts[proposed->part_count] = current->parts[begin + i];
		proposed->parts[proposed->part_count++].replicas =
			(struct ids){ids + (size_t)i * factor, (int32_t)factor};
	}
	return rc;
}

static void generate_print(struct reassign *r, const struct plan *current,
			   const struct plan *proposed)
{
	struct json_out j = {0};

	if (r->format == OUTPUT_TEXT) {
		print_text("Current partition replica assignment\n");
		plan_text(current);
		print_text("\nProposed partition reassignment configuration\n");
		plan_text(proposed);
	} else if (r->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		plan_print(&j, "current", current);
		plan_print(&j, "proposed", proposed);
		json_out_close(&j, '}');
		print_byte('\n');
	} else {
		for (size_t i = 0; i < current->part_count; i++)
			row_print(r, &(struct row){.topic = current->parts[i].topic,
						   .partition = current->parts[i].partition,
						   .broker = -1,
						   .state = "proposed",
						   .now = current->parts[i].replicas,
						   .wanted = proposed->parts[i].replicas});
	}
}

int reassign_generate(struct reassign *r, struct err *err)
{
	struct metadata_response *metadata;
	struct plan current = {0}, proposed = {0};
	struct place_broker *brokers;
	struct ids wanted;
	struct rng rng;
	struct str *names;
	size_t name_count;
	uint32_t broker_count;
	uint64_t seed;
	size_t room = 1;
	int rc = ids_parse(r->arena, r->args->brokers, &wanted, err);

	names = plan_names(r->arena, &r->plan, &name_count);
	if (rc == 0)
		rc = ask_metadata(r, names, name_count, &metadata, err);
	if (rc == 0)
		rc = topics_check(r, metadata, names, name_count, err);
	if (rc == 0)
		rc = brokers_read(r, metadata, wanted, &brokers, &broker_count, err);
	if (rc < 0)
		return rc;
	rng_system(&seed, sizeof(seed));
	rng_init(&rng, seed);
	for (int32_t t = 0; name_count && t < metadata->topics_count; t++)
		room += (size_t)metadata->topics[t].partitions_count;
	current.parts = arena_array(r->arena, room, sizeof(*current.parts));
	proposed.parts = arena_array(r->arena, room, sizeof(*proposed.parts));
	for (int32_t t = 0; rc == 0 && name_count && t < metadata->topics_count; t++)
		rc = topic_place(r, &metadata->topics[t], brokers, broker_count, &rng, &current,
				 &proposed, err);
	plan_sort(&current);
	plan_sort(&proposed);
	if (rc == 0)
		rc = ask_part_dirs(r, &current, err);
	if (rc == 0)
		generate_print(r, &current, &proposed);
	return rc;
}

/* ---- Execution ---------------------------------------------------------------------------- */

static int execute_check(struct reassign *r, const struct metadata_response *metadata,
			 struct err *err)
{
	const char *lacking = NULL;
	size_t count;
	const struct str *names = plan_names(r->arena, &r->plan, &count);
	int rc;

	for (size_t i = 0; i < r->plan.part_count; i++) {
		struct ids replicas = r->plan.parts[i].replicas;

		for (int32_t n = 0; n < replicas.count; n++)
			if (!ids_have(r->live, replicas.items[n]))
				return err_set(err, r->run->is_apache ? E_INVALID : E_NOT_FOUND,
					       "%snknown broker id %d",
					       r->run->is_apache ? "U" : "u", replicas.items[n]);
	}
	rc = topics_check(r, metadata, names, count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];

		if (!metadata_partition(metadata, p->topic, p->partition))
			lacking = arena_printf(r->arena, "%s%s%.*s-%d", lacking ? lacking : "",
					       lacking ? ", " : "", STR(p->topic), p->partition);
	}
	return !lacking ? 0
			: unknown(err, arena_printf(r->arena, "%snable to find partition: %s",
						    r->run->is_apache ? "U" : "u", lacking));
}

/* What is there now, which takes everything back if it is executed. */
static int execute_rollback(struct reassign *r, const struct metadata_response *metadata,
			    struct plan *out, struct err *err)
{
	int rc;

	*out = r->plan;
	out->parts = arena_array(r->arena, r->plan.part_count + 1, sizeof(*out->parts));
	for (size_t i = 0; i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];
		const struct metadata_response_partition *now =
			metadata_partition(metadata, p->topic, p->partition);

		out->parts[i] = (struct part){.topic = p->topic, .partition = p->partition};
		out->parts[i].replicas = (struct ids){now->replica_nodes, now->replica_nodes_count};
	}
	rc = ask_part_dirs(r, out, err);
	if (rc < 0 || r->format != OUTPUT_TEXT)
		return rc;
	print_text("Current partition replica assignment\n\n");
	plan_text(out);
	output_say("\nSave this to use as the --reassignment-json-file option during rollback\n");
	return 0;
}

static int execute_start(struct reassign *r, const struct plan *before, struct err *err)
{
	const char *done = NULL, *failed = "", **errors;
	int rc = ask_alter(r, r->plan.parts, r->plan.part_count, false, &errors, err);

	for (size_t i = 0; rc == 0 && i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];

		row_print(r, &(struct row){.topic = p->topic,
					   .partition = p->partition,
					   .broker = -1,
					   .state = errors[i] ? "failed" : "started",
					   .now = before->parts[i].replicas,
					   .wanted = p->replicas,
					   .error = errors[i]});
		if (!errors[i]) {
			r->done_count++;
			done = arena_printf(r->arena, "%s%s%.*s-%d", done ? done : "",
					    done ? "," : "", STR(p->topic), p->partition);
			continue;
		}
		r->failed_count++;
		failed = arena_printf(r->arena, "%s\n%.*s-%d: %s", failed, STR(p->topic),
				      p->partition, errors[i]);
		if (!r->run->is_apache)
			print_error("%s: %.*s-%d: %s\n", r->run->name, STR(p->topic), p->partition,
				    errors[i]);
	}
	if (rc == 0 && r->failed_count && r->run->is_apache) {
		r->is_terse = true;
		return err_set(err, E_INVALID, "Error reassigning partition(s):%s", failed);
	}
	if (rc == 0 && done && r->format == OUTPUT_TEXT)
		output_say("Successfully started partition reassignment%s for %s\n",
			   r->done_count == 1 ? "" : "s", done);
	return rc;
}

int reassign_execute(struct reassign *r, struct err *err)
{
	struct list_partition_reassignments_response *current;
	struct metadata_response *metadata;
	struct plan before;
	size_t count;
	struct str *names = plan_names(r->arena, &r->plan, &count);
	int rc = plan_check(r->run, &r->plan, err);

	if (rc == 0)
		rc = ask_current(r, &current, err);
	if (rc == 0 && current->topics_count && !r->args->additional) {
		r->is_terse = true;
		rc = err_set(err, E_INVALID, "%s",
			     r->run->is_apache ? IS_UNDER_WAY
					       : "something is being reassigned already (see "
						 "--list; --additional adds to it)");
	}
	if (rc == 0)
		rc = ask_metadata(r, names, count, &metadata, err);
	if (rc == 0)
		rc = execute_check(r, metadata, err);
	if (rc == 0)
		rc = execute_rollback(r, metadata, &before, err);
	if (rc == 0)
		rc = throttle_set(r, metadata, current, err);
	if (rc == 0)
		rc = execute_start(r, &before, err);
	if (rc == 0 && r->failed_count == 0 && r->plan.move_count)
		rc = moves_start(r, r->plan.moves, r->plan.move_count, err);
	return rc;
}
