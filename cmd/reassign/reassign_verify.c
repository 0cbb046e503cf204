/* --verify: is everything where the plan wants it? --cancel: what is not there yet stays where it
 * was. */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- Partitions --------------------------------------------------------------------------- */

static const char *part_state(const struct row *row, bool is_active)
{
	return is_active                         ? "in-progress"
	       : row->now.count == 0             ? "missing"
	       : ids_same(row->now, row->wanted) ? "completed"
						 : "different";
}

static void part_say(struct reassign *r, const struct row *row, bool is_active)
{
	if (r->format != OUTPUT_TEXT)
		row_print(r, row);
	else if (is_active)
		print_text("Reassignment of partition %.*s-%d is still in progress.\n",
			   STR(row->topic), row->partition);
	else if (ids_same(row->now, row->wanted))
		print_text("Reassignment of partition %.*s-%d is completed.\n", STR(row->topic),
			   row->partition);
	else
		print_text("There is no active reassignment of partition %.*s-%d, but replica "
			   "set is %s rather than %s.\n",
			   STR(row->topic), row->partition, ids_text(r->arena, row->now),
			   ids_text(r->arena, row->wanted));
}

static int verify_parts(struct reassign *r,
			const struct list_partition_reassignments_response *current,
			struct err *err)
{
	struct metadata_response *metadata;
	size_t count;
	struct str *names = plan_names(r->arena, &r->plan, &count);
	int rc = ask_metadata(r, names, count, &metadata, err);

	if (rc < 0)
		return rc;
	if (r->format == OUTPUT_TEXT)
		print_text("Status of partition reassignment:\n");
	for (size_t i = 0; i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];
		const struct list_partition_reassignments_response_ongoing_partition_reassignment
			*active = current_partition(current, p->topic, p->partition);
		const struct metadata_response_partition *now =
			metadata_partition(metadata, p->topic, p->partition);
		struct row row = {.topic = p->topic,
				  .partition = p->partition,
				  .broker = -1,
				  .wanted = p->replicas};

		if (active)
			row.now = (struct ids){active->replicas, active->replicas_count};
		else if (now)
			row.now = (struct ids){now->replica_nodes, now->replica_nodes_count};
		row.state = part_state(&row, active != NULL);
		r->unfinished_count += active || !ids_same(row.now, row.wanted);
		part_say(r, &row, active != NULL);
	}
	return 0;
}

/* ---- Directories -------------------------------------------------------------------------- */

enum dir_state {
	DIR_COMPLETED,
	DIR_ACTIVE,
	DIR_ELSEWHERE, /* moves to another one */
	DIR_STOPPED,
	DIR_MISSING, /* its broker answers and does not have it */
	DIR_UNKNOWN, /* its broker does not answer */
};

static const char *const dir_words[] = {
	[DIR_COMPLETED] = "completed", [DIR_ACTIVE] = "in-progress", [DIR_ELSEWHERE] = "elsewhere",
	[DIR_STOPPED] = "different",   [DIR_MISSING] = "missing",    [DIR_UNKNOWN] = "unknown",
};

static enum dir_state dir_state(struct reassign *r, const struct dirs *dirs,
				const struct replica_move *move, const char **now,
				const char **future)
{
	*now = dirs_find(r, dirs, move->topic, move->partition, move->broker, false);
	*future = dirs_find(r, dirs, move->topic, move->partition, move->broker, true);
	if (!*now)
		return ids_have(r->live, move->broker) ? DIR_MISSING : DIR_UNKNOWN;
	if (*future)
		return strcmp(*future, move->dir) == 0 ? DIR_ACTIVE : DIR_ELSEWHERE;
	return strcmp(*now, move->dir) == 0 ? DIR_COMPLETED : DIR_STOPPED;
}

static void dir_say(struct reassign *r, const struct replica_move *m, enum dir_state state,
		    const char *now, const char *future)
{
	const char *name = arena_printf(r->arena, "%.*s-%d", STR(m->topic), m->partition);

	switch (state) {
	case DIR_COMPLETED:
		print_text("Reassignment of replica %s-%d completed successfully.\n", name,
			   m->broker);
		break;
	case DIR_ACTIVE:
		print_text("Reassignment of replica %s-%d is still in progress.\n", name,
			   m->broker);
		break;
	case DIR_ELSEWHERE:
		print_text("Partition %s on broker %d is being moved to log dir %s instead of "
			   "%s.\n",
			   name, m->broker, future, m->dir);
		break;
	case DIR_STOPPED:
		print_text("Partition %s on broker %d is not being moved from log dir %s to %s.\n",
			   name, m->broker, now, m->dir);
		break;
	case DIR_MISSING:
		print_text("Partition %s is not found in any live log dir on broker %d. There is "
			   "likely an offline log directory on the broker.\n",
			   name, m->broker);
		break;
	case DIR_UNKNOWN:
		print_text("Partition %s cannot be found in any live log directory on broker "
			   "%d.\n",
			   name, m->broker);
		break;
	}
}

static int move_cmp(const void *a, const void *b)
{
	const struct replica_move *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	if (order == 0)
		order = x->partition < y->partition ? -1 : x->partition > y->partition;
	return order ? order : x->broker < y->broker ? -1 : x->broker > y->broker;
}

static struct ids moves_brokers(struct reassign *r)
{
	struct ids brokers = {arena_array(r->arena, r->plan.move_count + 1, sizeof(int32_t)), 0};

	for (size_t i = 0; i < r->plan.move_count; i++)
		ids_add(&brokers, r->plan.moves[i].broker);
	return brokers;
}

/* *is_active: something still moves, or cannot be seen. */
static int verify_dirs(struct reassign *r, bool *is_active, struct err *err)
{
	struct plan *plan = &r->plan;
	struct dirs dirs;
	int rc = ask_dirs(r, moves_brokers(r), &dirs, err);

	if (rc < 0)
		return rc;
	if (plan->move_count == 0 && r->format == OUTPUT_TEXT)
		print_byte('\n');
	else if (plan->move_count)
		qsort(plan->moves, plan->move_count, sizeof(*plan->moves), move_cmp);
	for (size_t i = 0; i < plan->move_count; i++) {
		const struct replica_move *m = &plan->moves[i];
		const char *now, *future;
		enum dir_state state = dir_state(r, &dirs, m, &now, &future);

		*is_active |= state != DIR_COMPLETED && state != DIR_STOPPED;
		r->unfinished_count += state != DIR_COMPLETED;
		if (r->format == OUTPUT_TEXT)
			dir_say(r, m, state, now, future);
		else
			row_print(r, &(struct row){.topic = m->topic,
						   .partition = m->partition,
						   .broker = m->broker,
						   .state = dir_words[state],
						   .dir_now = now,
						   .dir_wanted = m->dir});
	}
	dirs_fini(&dirs);
	return 0;
}

int reassign_verify(struct reassign *r, struct err *err)
{
	struct list_partition_reassignments_response *current;
	bool is_active;
	int rc = ask_current(r, &current, err);

	if (rc == 0)
		rc = verify_parts(r, current, err);
	if (rc < 0)
		return rc;
	is_active = current->topics_count > 0;
	rc = verify_dirs(r, &is_active, err);
	if (rc == 0 && !is_active && !r->args->preserve_throttles)
		rc = throttle_clear(r, err);
	return rc;
}

/* ---- Cancelling --------------------------------------------------------------------------- */

/* Those of the plan that move. */
static size_t cancel_active(struct reassign *r,
			    const struct list_partition_reassignments_response *current,
			    struct part *out)
{
	size_t count = 0;

	for (size_t i = 0; i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];
		const struct list_partition_reassignments_response_ongoing_partition_reassignment
			*active = current_partition(current, p->topic, p->partition);

		if (active && (active->adding_replicas_count || active->removing_replicas_count))
			out[count++] = *p;
	}
	return count;
}

static int cancel_fail(struct reassign *r, const char *text, size_t count, struct err *err)
{
	r->is_terse = true;
	return err_set(err, E_INVALID, "Error cancelling partition reassignment%s for:%s",
		       count == 1 ? "" : "s", text);
}

/* A row for each partition of the plan; `parts` are those that moved. */
static void cancel_rows(struct reassign *r, const struct part *parts, size_t count,
			const char *const *errors)
{
	size_t n = 0;

	for (size_t i = 0; i < r->plan.part_count; i++) {
		const struct part *p = &r->plan.parts[i];
		struct row row = {.topic = p->topic,
				  .partition = p->partition,
				  .broker = -1,
				  .state = "not-active",
				  .wanted = p->replicas};

		if (n < count && parts[n].order == p->order) {
			row.error = errors[n++];
			row.state = row.error ? "failed" : "cancelled";
		}
		row_print(r, &row);
	}
}

static int cancel_parts(struct reassign *r, const struct part *parts, size_t count, struct err *err)
{
	const char *done = "", *failed = "";
	size_t failed_count = 0;
	const char **errors;
	int rc = ask_alter(r, parts, count, true, &errors, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct part *p = &parts[i];

		done = arena_printf(r->arena, "%s%s%.*s-%d", done, i ? "," : "", STR(p->topic),
				    p->partition);
		if (!errors[i])
			continue;
		failed_count++;
		failed = arena_printf(r->arena, "%s\n%.*s-%d: %s", failed, STR(p->topic),
				      p->partition, errors[i]);
		if (!r->run->is_apache)
			print_error("%s: %.*s-%d: %s\n", r->run->name, STR(p->topic), p->partition,
				    errors[i]);
	}
	if (rc == 0)
		cancel_rows(r, parts, count, errors);
	r->failed_count += failed_count;
	r->done_count += rc < 0 ? 0 : count - failed_count;
	if (rc == 0 && failed_count && r->run->is_apache)
		return cancel_fail(r, failed, failed_count, err);
	if (rc == 0 && failed_count == 0 && r->format == OUTPUT_TEXT)
		output_say("Successfully cancelled partition reassignment%s for: %s\n",
			   count == 1 ? "" : "s", done);
	return rc;
}

/* A replica that moves to another directory is sent back to where it still is. */
static int cancel_dirs(struct reassign *r, struct err *err)
{
	struct replica_move *back = arena_array(r->arena, r->plan.move_count + 1, sizeof(*back));
	struct dirs dirs;
	size_t count = 0;
	int rc = ask_dirs(r, moves_brokers(r), &dirs, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->plan.move_count; i++) {
		const char *now, *future;
		enum dir_state state = dir_state(r, &dirs, &r->plan.moves[i], &now, &future);

		if (state != DIR_ACTIVE && state != DIR_ELSEWHERE)
			continue;
		back[count] = r->plan.moves[i];
		back[count++].dir = now;
	}
	dirs_fini(&dirs);
	if (count)
		return moves_start(r, back, count, err);
	if (r->format == OUTPUT_TEXT)
		output_say("None of the specified partition moves are active.%s",
			   r->run->is_apache ? "" : "\n");
	return 0;
}

int reassign_cancel(struct reassign *r, struct err *err)
{
	struct list_partition_reassignments_response *current;
	struct part *active = arena_array(r->arena, r->plan.part_count + 1, sizeof(*active));
	struct metadata_response *metadata;
	size_t count;
	int rc = ask_current(r, &current, err);

	if (rc < 0)
		return rc;
	count = cancel_active(r, current, active);
	if (count)
		rc = cancel_parts(r, active, count, err);
	else
		cancel_rows(r, active, 0, NULL);
	if (count == 0 && r->format == OUTPUT_TEXT)
		output_say("None of the specified partition reassignments are active.\n");
	if (rc == 0 && r->plan.move_count)
		rc = ask_metadata(r, NULL, 0, &metadata, err);
	if (rc == 0)
		rc = cancel_dirs(r, err);
	if (rc == 0 && !r->args->preserve_throttles)
		rc = throttle_clear(r, err);
	return rc;
}

/* ---- What is under way -------------------------------------------------------------------- */

static void
list_json(struct str topic,
	  const struct list_partition_reassignments_response_ongoing_partition_reassignment *p)
{
	const struct {
		const char *key;
		struct ids ids;
	} lists[] = {{"replicas", {p->replicas, p->replicas_count}},
		     {"addingReplicas", {p->adding_replicas, p->adding_replicas_count}},
		     {"removingReplicas", {p->removing_replicas, p->removing_replicas_count}}};
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", topic);
	json_out_int(&j, "partition", p->partition_index);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		json_out_open(&j, lists[i].key, '[');
		for (int32_t n = 0; n < lists[i].ids.count; n++)
			json_out_int(&j, NULL, lists[i].ids.items[n]);
		json_out_close(&j, ']');
	}
	json_out_close(&j, '}');
	print_byte('\n');
}

static void
list_one(struct reassign *r, struct str topic,
	 const struct list_partition_reassignments_response_ongoing_partition_reassignment *p)
{
	const char *all = ids_text(r->arena, (struct ids){p->replicas, p->replicas_count});
	const char *adding =
		ids_text(r->arena, (struct ids){p->adding_replicas, p->adding_replicas_count});
	const char *removing =
		ids_text(r->arena, (struct ids){p->removing_replicas, p->removing_replicas_count});

	if (r->format == OUTPUT_JSON) {
		list_json(topic, p);
	} else if (r->format == OUTPUT_TABLE) {
		grid_add(&r->grid, str_dup(r->arena, topic).data,
			 grid_int(&r->grid, p->partition_index), all, *adding ? adding : NULL,
			 *removing ? removing : NULL);
	} else {
		print_text("%.*s-%d: replicas: %s.", STR(topic), p->partition_index, all);
		if (*adding)
			print_text(" adding: %s.", adding);
		if (*removing)
			print_text(" removing: %s.", removing);
		print_byte('\n');
	}
}

static int list_cmp(const void *a, const void *b)
{
	const struct list_partition_reassignments_response_ongoing_partition_reassignment *x = a,
											  *y = b;

	return x->partition_index < y->partition_index ? -1
						       : x->partition_index > y->partition_index;
}

static int topic_cmp(const void *a, const void *b)
{
	const struct list_partition_reassignments_response_ongoing_topic_reassignment *x = a,
										      *y = b;

	return str_cmp(x->name, y->name);
}

int reassign_list(struct reassign *r, struct err *err)
{
	static const char *const titles[] = {"TOPIC", ">PARTITION", "REPLICAS", "ADDING",
					     "REMOVING"};
	struct list_partition_reassignments_response *current;
	int rc = ask_current(r, &current, err);

	if (rc < 0)
		return rc;
	grid_init(&r->grid, r->arena, titles, ARRAY_LEN(titles));
	if (r->format == OUTPUT_TEXT)
		print_text(current->topics_count ? "Current partition reassignments:\n"
						 : "No partition reassignments found.\n");
	if (current->topics_count)
		qsort(current->topics, (size_t)current->topics_count, sizeof(*current->topics),
		      topic_cmp);
	for (int32_t t = 0; t < current->topics_count; t++) {
		if (current->topics[t].partitions_count)
			qsort(current->topics[t].partitions,
			      (size_t)current->topics[t].partitions_count,
			      sizeof(*current->topics[t].partitions), list_cmp);
		for (int32_t i = 0; i < current->topics[t].partitions_count; i++)
			list_one(r, current->topics[t].name, &current->topics[t].partitions[i]);
	}
	return 0;
}
