/* groups --reset-offsets. */
#include "cmd/groups/groups_int.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/print.h"
#include "cmd/time_text.h"

#include "base/clock.h"
#include "base/mem.h"
#include "client/admin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which partitions --------------------------------------------------------------------- */

/* "t:0,1" -> the partitions of it; 1 if there is no list of partitions. */
static int topic_arg_parse(struct groups *g, const char *text, struct str *topic, int32_t **parts,
			   size_t *count, struct err *err)
{
	const char *colon = strchr(text, ':');
	const char *p;

	*count = 0;
	*topic = colon ? (struct str){text, (size_t)(colon - text)} : str_of(text);
	if (!colon)
		return 1;
	if (colon == text || colon[1] == '\0')
		return err_set(err, E_USAGE,
			       "Invalid topic arg '%s', expected topic name and partitions", text);
	*parts = arena_array(g->arena, strlen(colon), sizeof(**parts));
	for (p = colon + 1;;) {
		char *end;
		long index = strtol(p, &end, 10);

		if (end == p || (*end && *end != ',') || index < 0 || index > INT32_MAX)
			return err_set(err, E_USAGE,
				       "Invalid partition '%.*s' specified in topic arg "
				       "'%s''",
				       (int)strcspn(p, ","), p, text);
		(*parts)[(*count)++] = (int32_t)index;
		if (*end == '\0')
			return 0;
		p = end + 1;
	}
}

static const struct metadata_response_topic *topic_of(const struct metadata_response *m,
						      struct str name)
{
	for (int32_t i = 0; i < m->topics_count; i++) {
		if (str_eq(m->topics[i].name, name))
			return &m->topics[i];
	}
	return NULL;
}

int groups_topic_args(struct groups *g, struct position **out, size_t *count, struct err *err)
{
	const struct opt_list *given = &g->args->topics;
	struct str *names = arena_array(g->arena, given->count + 1, sizeof(*names));
	int32_t **parts = arena_array(g->arena, given->count + 1, sizeof(*parts));
	size_t *part_counts = arena_array(g->arena, given->count + 1, sizeof(*part_counts));
	struct metadata_response *metadata;
	struct position *items;
	size_t max = 0;
	int rc = 0;

	for (unsigned i = 0; i < given->count; i++) {
		rc = topic_arg_parse(g, given->items[i], &names[i], &parts[i], &part_counts[i],
				     err);
		if (rc < 0)
			return rc;
	}
	rc = admin_metadata(g->client, names, given->count, g->arena, &metadata, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < given->count; i++) {
		const struct metadata_response_topic *t = topic_of(metadata, names[i]);

		max += part_counts[i] + (t ? (size_t)t->partitions_count : 0) + 1;
	}
	items = *out = arena_array(g->arena, max + 1, sizeof(*items));
	*count = 0;
	for (unsigned i = 0; i < given->count; i++) {
		const struct metadata_response_topic *t = topic_of(metadata, names[i]);
		bool is_known = t && t->error_code == KERR_NONE;
		size_t n = parts[i] ? part_counts[i] : is_known ? (size_t)t->partitions_count : 1;

		for (size_t p = 0; p < n; p++)
			items[(*count)++] = (struct position){
				.topic = names[i],
				.leader_epoch = -1,
				.offset = OFFSET_NONE,
				.partition = parts[i]   ? parts[i][p]
					     : is_known ? t->partitions[p].partition_index
							: -1,
				.error = is_known ? 0
						  : (int16_t)(t ? t->error_code
								: KERR_UNKNOWN_TOPIC_OR_PARTITION)};
	}
	qsort(items, *count, sizeof(*items), position_cmp);
	return 0;
}

/* A topic that is not there at all. */
static int reset_check_topics(struct groups *g, const struct position *items, size_t count,
			      struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (items[i].error == 0)
			continue;
		if (items[i].error != KERR_UNKNOWN_TOPIC_OR_PARTITION)
			return kafka_error_set(err, items[i].error, STR_NULL);
		return g->run->is_apache ? err_set(err, E_NOT_FOUND, "%s",
						   kafka_error_sentence(items[i].error))
					 : err_set(err, E_NOT_FOUND, "topic %.*s does not exist",
						   STR(items[i].topic));
	}
	return 0;
}

/* Partitions that do not exist, or have no leader, stop the reset before anything is done. */
static int reset_check_partitions(struct groups *g, const struct position *items, size_t count,
				  struct err *err)
{
	struct str *names = arena_array(g->arena, count + 1, sizeof(*names));
	struct metadata_response *metadata;
	struct out missing, leaderless;
	size_t name_count = 0;
	int rc;

	for (size_t i = 0; i < count; i++) {
		if (name_count == 0 || !str_eq(names[name_count - 1], items[i].topic))
			names[name_count++] = items[i].topic;
	}
	if (name_count == 0)
		return 0;
	rc = admin_metadata(g->client, names, name_count, g->arena, &metadata, err);
	if (rc < 0)
		return rc;
	out_init(&missing, ERR_TEXT_MAX / 2);
	out_init(&leaderless, ERR_TEXT_MAX / 2);
	for (size_t i = 0; i < count; i++) {
		const struct metadata_response_topic *t = topic_of(metadata, items[i].topic);
		const struct metadata_response_partition *found = NULL;
		struct out *to = NULL;

		for (int32_t p = 0; t && p < t->partitions_count; p++) {
			if (t->partitions[p].partition_index == items[i].partition)
				found = &t->partitions[p];
		}
		if (!found)
			to = &missing;
		else if (found->leader_id < 0)
			to = &leaderless;
		if (to)
			out_printf(to, "%s%.*s-%d", to->len ? "," : "", STR(items[i].topic),
				   MAX(items[i].partition, 0));
	}
	if (missing.len > 0)
		rc = err_set(err, E_NOT_FOUND, "The partitions \"%.*s\" do not exist",
			     (int)missing.len, (const char *)missing.data);
	else if (leaderless.len > 0)
		rc = err_set(err, E_INVALID, "The partitions \"%.*s\" have no leader",
			     (int)leaderless.len, (const char *)leaderless.data);
	out_fini(&missing);
	out_fini(&leaderless);
	return rc;
}

/* ---- Where to ----------------------------------------------------------------------------- */

static int reset_lookup(struct groups *g, struct position *items, size_t count, int64_t time,
			struct err *err)
{
	int rc;

	for (size_t i = 0; i < count; i++)
		items[i].offset = time;
	rc = admin_offsets(g->client, items, count, false, NULL, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].error != 0)
			rc = kafka_error_set(err, items[i].error, STR_NULL);
	}
	return rc;
}

static void reset_warn(const struct groups *g, const struct position *p, const char *higher,
		       const char *latest, int64_t value)
{
	const char *text = arena_printf(
		g->arena,
		"New offset (%" PRId64 ") is %s than %s offset for topic partition %.*s-%d. Value "
		"will be set to %" PRId64,
		p->offset, higher, latest, STR(p->topic), p->partition, value);

	if (g->run->is_apache)
		notice_log("WARN", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
			   "%s", text);
	else
		output_note(g->run, "%s", text);
}

/* Wanted offsets are kept within what the partitions have. */
static int reset_clamp(struct groups *g, struct position *items, size_t count, struct err *err)
{
	struct position *first = arena_array(g->arena, count + 1, sizeof(*first));
	struct position *last = arena_array(g->arena, count + 1, sizeof(*last));
	int rc;

	memcpy(first, items, count * sizeof(*items));
	memcpy(last, items, count * sizeof(*items));
	rc = reset_lookup(g, first, count, OFFSET_BEGINNING, err);
	if (rc == 0)
		rc = reset_lookup(g, last, count, OFFSET_END, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].offset > last[i].offset) {
			reset_warn(g, &items[i], "higher", "latest", last[i].offset);
			items[i].offset = last[i].offset;
		} else if (items[i].offset < first[i].offset) {
			reset_warn(g, &items[i], "lower", "earliest", first[i].offset);
			items[i].offset = first[i].offset;
		}
	}
	return rc;
}

/* What the group has committed; OFFSET_NONE where it has nothing. */
static int reset_committed(struct groups *g, struct str group, struct position *items, size_t count,
			   struct err *err)
{
	struct position *committed;
	size_t n;
	int rc = admin_group_offsets(g->client, group, items, count, g->arena, &committed, &n, err);

	if (rc < 0)
		return rc;
	qsort(committed, n, sizeof(*committed), position_cmp);
	for (size_t i = 0; i < count; i++) {
		struct position *p = bsearch(&items[i], committed, n, sizeof(*p), position_cmp);

		items[i].offset = p && p->offset >= 0 ? p->offset : OFFSET_NONE;
	}
	return 0;
}

static int reset_shift(struct groups *g, struct str group, struct position *items, size_t count,
		       struct err *err)
{
	int rc = reset_committed(g, group, items, count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].offset == OFFSET_NONE)
			return err_set(err, E_USAGE,
				       "Cannot shift offset for partition %.*s-%d since "
				       "there is no current committed offset",
				       STR(items[i].topic), items[i].partition);
		if (__builtin_add_overflow(items[i].offset, g->args->shift_by, &items[i].offset))
			items[i].offset = g->args->shift_by < 0 ? INT64_MIN : INT64_MAX;
	}
	return rc < 0 ? rc : reset_clamp(g, items, count, err);
}

static int reset_current(struct groups *g, struct str group, struct position *items, size_t count,
			 struct err *err)
{
	struct position *ends = arena_array(g->arena, count + 1, sizeof(*ends));
	int rc = reset_committed(g, group, items, count, err);

	if (rc < 0)
		return rc;
	memcpy(ends, items, count * sizeof(*items));
	rc = reset_lookup(g, ends, count, OFFSET_END, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].offset == OFFSET_NONE)
			items[i].offset = ends[i].offset;
	}
	return rc;
}

/* The time that is meant; what cannot be read is told as Java's classes do it. */
static int reset_time(struct groups *g, int64_t *time, struct err *err)
{
	const char *text = g->args->to_datetime, *t = text ? strchr(text, 'T') : NULL;
	int64_t back;
	int rc;

	if (!text) {
		rc = duration_parse(g->args->by_duration, &back, err);
		*time = rc == 0 ? MAX(clock_wall_ms() - back, 0) : 0;
		return rc < 0 && g->run->is_apache
			       ? err_set(err, rc, "Text cannot be parsed to a Duration")
			       : rc;
	}
	rc = time_parse(text, time, err);
	*time = MAX(*time, 0);
	if (rc == 0 || !g->run->is_apache)
		return rc;
	if (t)
		return err_set(err, rc, "java.text.ParseException: Unparseable date: \"%s%s\"",
			       text, strpbrk(t, "+-Z") ? "" : "Z");
	return err_set(err, rc,
		       "java.text.ParseException: Error parsing timestamp. It does not "
		       "contain a 'T' according to ISO8601 format");
}

static int reset_to_time(struct groups *g, struct position *items, size_t count, struct err *err)
{
	struct position *ends = arena_array(g->arena, count + 1, sizeof(*ends));
	int64_t time = 0;
	int rc = reset_time(g, &time, err);

	memcpy(ends, items, count * sizeof(*items));
	if (rc == 0)
		rc = reset_lookup(g, items, count, time, err);
	if (rc == 0)
		rc = reset_lookup(g, ends, count, OFFSET_END, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].offset >= 0)
			continue;
		if (g->run->is_apache)
			print_text("\nWarn: Partition %d from topic %.*s is empty. Falling back to "
				   "latest known offset.\n",
				   items[i].partition, STR(items[i].topic));
		else
			output_note(g->run, "%.*s-%d has no records since then: set to its end",
				    STR(items[i].topic), items[i].partition);
		items[i].offset = ends[i].offset;
	}
	return rc;
}

static int reset_scenario(struct groups *g, struct str group, struct position *items, size_t count,
			  struct err *err)
{
	const struct groups_args *args = g->args;

	if (args->to_earliest)
		return reset_lookup(g, items, count, OFFSET_BEGINNING, err);
	if (args->to_latest)
		return reset_lookup(g, items, count, OFFSET_END, err);
	if (args->to_current)
		return reset_current(g, group, items, count, err);
	if (opt_given(g->run, "shift-by"))
		return reset_shift(g, group, items, count, err);
	if (args->to_datetime || args->by_duration)
		return reset_to_time(g, items, count, err);
	if (!opt_given(g->run, "to-offset"))
		return err_set(
			err, E_USAGE,
			"Option '[reset-offsets]' requires one of the following "
			"scenarios: [[to-offset], [to-datetime], [by-duration], [to-earliest], "
			"[to-latest], [shift-by], [from-file], [to-current]]");
	for (size_t i = 0; i < count; i++)
		items[i].offset = args->to_offset;
	return reset_clamp(g, items, count, err);
}

/* ---- Each group --------------------------------------------------------------------------- */

#define HOLDERS_SHOWN_MAX 3

/* Who must be stopped first. */
static int reset_is_held(struct groups *g, const struct group_view *view, struct err *err)
{
	const char *who = "";

	for (unsigned i = 0; i < view->member_count && i < HOLDERS_SHOWN_MAX; i++)
		who = arena_printf(g->arena, "%s%s%.*s at %.*s", who, i ? ", " : "",
				   STR(view->members[i].id), STR(view->members[i].host));
	return err_set(err, E_INVALID, "group %.*s is in use (%.*s): stop its members first: %s%s",
		       STR(view->id), STR(view->state), who,
		       view->member_count > HOLDERS_SHOWN_MAX ? ", ..." : "");
}

/* 1: nobody is in the group; 0: somebody is, told; < 0. */
static int reset_is_inactive(struct groups *g, struct str group, struct err *err)
{
	struct group_view view;
	struct err why = {0};
	int rc = groups_read(g, group, &view, &why);

	if (rc == E_KAFKA && why.kafka_error == KERR_GROUP_ID_NOT_FOUND)
		return 1;
	if (rc < 0) {
		*err = why;
		return rc;
	}
	if (str_is(view.state, "Empty") || str_is(view.state, "Dead"))
		return 1;
	if (!g->run->is_apache)
		return reset_is_held(g, &view, err);
	print_text(
		"\nError: Assignments can only be reset if the group '%.*s' is inactive, but the "
		"current state is %.*s.\n",
		STR(group), STR(view.state));
	return 0;
}

static int reset_partitions(struct groups *g, struct str group, struct position **out,
			    size_t *count, struct err *err)
{
	int rc;

	if (g->args->topics.count > 0) {
		rc = groups_topic_args(g, out, count, err);
		if (rc == 0)
			rc = reset_check_topics(g, *out, *count, err);
	} else if (g->args->all_topics) {
		rc = admin_group_offsets(g->client, group, NULL, 0, g->arena, out, count, err);
		if (rc == 0)
			qsort(*out, *count, sizeof(**out), position_cmp);
	} else {
		return err_set(err, E_USAGE,
			       "One of the reset scopes should be defined: --all-topics, --topic.");
	}
	return rc < 0 ? rc : reset_check_partitions(g, *out, *count, err);
}

/* The lines of the file that are this group's. */
static int reset_from_file(struct groups *g, struct str group, const struct reset_row *file,
			   size_t file_count, struct position **out, size_t *count, struct err *err)
{
	struct position *items = *out = arena_array(g->arena, file_count + 1, sizeof(*items));

	*count = 0;
	for (size_t i = 0; i < file_count; i++) {
		if (str_is_null(file[i].group) || str_eq(file[i].group, group))
			items[(*count)++] = (struct position){.topic = file[i].topic,
							      .partition = file[i].partition,
							      .offset = file[i].offset,
							      .leader_epoch = -1};
	}
	if (*count == 0) {
		if (!g->run->is_apache)
			return err_set(err, E_NOT_FOUND, "%s has nothing for group %.*s",
				       g->args->from_file, STR(group));
		print_text("\nError: No reset plan for group %.*s found\n", STR(group));
		return 0;
	}
	qsort(items, *count, sizeof(*items), position_cmp);
	return reset_clamp(g, items, *count, err);
}

struct reset_plan {
	struct reset_row *rows;
	size_t count, cap;
	const struct reset_row *file;
	size_t file_count;
};

static int reset_one(struct groups *g, struct str group, struct reset_plan *plan, int *code,
		     struct err *err)
{
	struct position *items;
	size_t count;
	int rc = reset_is_inactive(g, group, err);

	if (rc <= 0) {
		*code = rc == 0 ? EXIT_FAILED : *code;
		return rc;
	}
	if (g->args->from_file) {
		rc = reset_from_file(g, group, plan->file, plan->file_count, &items, &count, err);
	} else {
		rc = reset_partitions(g, group, &items, &count, err);
		if (rc == 0)
			rc = reset_scenario(g, group, items, count, err);
	}
	if (rc == 0 && g->args->execute && count > 0)
		rc = admin_group_commit(g->client, group, items, count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (g->args->execute && items[i].error != 0)
			return kafka_error_set(err, items[i].error, STR_NULL);
		if (plan->count == plan->cap)
			plan->rows = grow_array(plan->rows, plan->count, &plan->cap,
						sizeof(*plan->rows));
		plan->rows[plan->count++] = (struct reset_row){group, items[i].topic,
							       items[i].partition, items[i].offset};
	}
	return rc;
}

static void reset_print(struct groups *g, const struct reset_plan *plan, bool with_group)
{
	unsigned count = (unsigned)plan->count;

	if (g->args->export)
		groups_print_csv(plan->rows, count, with_group);
	else if (g->format == OUTPUT_JSON)
		groups_print_reset_json(plan->rows, count, g->args->execute);
	else if (g->format == OUTPUT_TABLE)
		groups_print_reset_table(g->arena, plan->rows, count);
	else
		groups_print_reset(g->arena, plan->rows, count);
}

int groups_reset(struct groups *g, int *code, struct err *err)
{
	struct reset_plan plan = {0};
	struct reset_row *file;
	struct str *names;
	size_t count;
	int rc = groups_names(g, &names, &count, err);

	if (rc == 0 && g->args->from_file) {
		rc = reset_file_read(g, count == 1 && !g->args->all_groups, &file, &plan.file_count,
				     err);
		plan.file = file;
	}
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = reset_one(g, names[i], &plan, code, err);
	if (rc == 0)
		reset_print(g, &plan, g->args->all_groups || count != 1);
	free(plan.rows);
	return rc;
}
