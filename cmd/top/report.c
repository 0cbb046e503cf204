#include "cmd/top/report.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/top/figures.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

/* ---- Text --------------------------------------------------------------------------------- */

static void text_table(struct top_model *m, enum top_scope scope, struct str of,
		       bool shows_internal, struct arena *a)
{
	const struct top_table *table = rows_table(scope);
	const char *titles[ROWS_COLUMNS_MAX], *texts[ROWS_COLUMNS_MAX];
	unsigned columns[ROWS_COLUMNS_MAX], count = 0;
	struct rows rows;
	struct grid grid;

	for (unsigned i = 0; i < table->column_count; i++) {
		const struct top_column *c = &table->columns[i];

		if (c->kind == CELL_BAR || c->kind == CELL_SPARK)
			continue;
		titles[count] =
			cell_is_right(c->kind) ? arena_printf(a, ">%s", c->title) : c->title;
		columns[count++] = i;
	}
	rows_init(&rows);
	rows_list(&rows, m, scope, of, "", shows_internal);
	rows_sort(&rows, table->sort_column, false);
	grid_init(&grid, a, titles, count);
	for (size_t n = 0; n < rows.count; n++) {
		enum tone tones[ROWS_COLUMNS_MAX];

		for (unsigned i = 0; i < count; i++) {
			struct cell cell;
			char room[CELL_TEXT_MAX];
			struct str text;

			rows_cell(&rows, &rows.items[n], columns[i], &cell);
			text = cell_text(&cell, table->columns[columns[i]].kind, room);
			texts[i] = arena_strndup(a, text.data, text.len);
			tones[i] = cell.tone;
		}
		grid_row(&grid, texts);
		for (unsigned i = 0; i < count; i++)
			grid_tone(&grid, i, tones[i]);
	}
	if (rows.count > 0)
		grid_print(&grid);
	else
		print_text("%s\n", table->empty);
	rows_fini(&rows);
}

static void text_head(struct top_model *m)
{
	const struct snapshot *now = model_now(m);
	char time[EVENT_TIME_MAX], rate[FIGURE_MAX], lag[FIGURE_MAX];

	event_time(m->is_unreachable ? clock_wall_ms() : now->wall_ms, time);
	figure_rate(rate, now->rate, false);
	figure_count(lag, now->lag);
	print_text("%s  cluster %.*s: %d of %d brokers up, %d topics, %" PRId64 " partitions, ",
		   time, STR(now->cluster_id), now->up_count, now->broker_count, now->topic_count,
		   now->partition_count);
	print_text("%s%" PRId64 " under-replicated%s, ",
		   now->under_replicated_count ? tone_on(TONE_YELLOW) : "",
		   now->under_replicated_count, now->under_replicated_count ? tone_off() : "");
	print_text("%s%" PRId64 " offline%s, ", now->offline_count ? tone_on(TONE_RED) : "",
		   now->offline_count, now->offline_count ? tone_off() : "");
	print_text("%s messages/s, lag %s\n", rate, lag);
}

void report_text(struct top_model *m, const struct report_options *options, struct arena *a)
{
	uint64_t fresh = m->events.total - options->events_told;

	text_head(m);
	if (m->is_unreachable)
		print_text("%scluster unreachable: %s%s\n", tone_on(TONE_RED), err_message(&m->err),
			   tone_off());
	print_byte('\n');
	text_table(m, SCOPE_BROKERS, STR_NULL, true, a);
	print_byte('\n');
	text_table(m, SCOPE_TOPICS, STR_NULL, options->shows_internal, a);
	if (options->detail.data) {
		print_byte('\n');
		text_table(m, SCOPE_TOPIC, options->detail, true, a);
	}
	print_byte('\n');
	text_table(m, SCOPE_GROUPS, STR_NULL, true, a);
	if (fresh > 0)
		print_byte('\n');
	for (uint64_t i = MIN(fresh, (uint64_t)EVENTS_MAX); i-- > 0;) {
		const struct top_event *e = events_at(&m->events, (unsigned)i);
		char time[EVENT_TIME_MAX];

		event_time(e->wall_ms, time);
		print_text("%s  %s%s%s\n", time, tone_on(e->tone), e->text,
			   e->tone == TONE_PLAIN ? "" : tone_off());
	}
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void json_known(struct json_out *j, const char *key, int64_t value)
{
	if (value < 0)
		json_out_null(j, key);
	else
		json_out_int(j, key, value);
}

/* A thousandth is enough, and reads better. */
static void json_rate(struct json_out *j, const char *key, double rate)
{
	json_out_double(j, key, isnan(rate) ? rate : round(rate * 1000) / 1000);
}

static void json_ids(struct json_out *j, const char *key, const int32_t *ids, int32_t count)
{
	if (count < 0) {
		json_out_null(j, key);
		return;
	}
	json_out_open(j, key, '[');
	for (int32_t i = 0; i < count; i++)
		json_out_int(j, NULL, ids[i]);
	json_out_close(j, ']');
}

static void json_brokers(struct json_out *j, const struct snapshot *now)
{
	static const char *const states[] = {
		[BROKER_UP] = "up", [BROKER_SILENT] = "silent", [BROKER_GONE] = "gone"};

	json_out_open(j, "brokers", '[');
	for (int32_t i = 0; i < now->broker_count; i++) {
		const struct top_broker *b = &now->brokers[i];

		json_out_open(j, NULL, '{');
		json_out_int(j, "id", b->id);
		json_out_str(j, "host", b->host);
		json_known(j, "port", b->host.data ? b->port : -1);
		json_out_str(j, "rack", b->rack);
		json_out_text(j, "state", states[b->state]);
		json_out_bool(j, "fenced", b->is_fenced);
		json_out_bool(j, "voter", b->is_voter);
		json_out_int(j, "leaders", b->leader_count);
		json_out_int(j, "replicas", b->replica_count);
		json_out_int(j, "inSync", b->in_sync_count);
		json_known(j, "logBytes", b->log_bytes);
		json_known(j, "totalBytes", b->disk_bytes);
		json_known(j, "usableBytes", b->usable_bytes);
		json_rate(j, "messagesPerSecond", b->rate);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void json_partitions(struct json_out *j, const struct top_topic *t)
{
	json_out_open(j, "partitions", '[');
	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct top_partition *p = &t->partitions[i];

		json_out_open(j, NULL, '{');
		json_out_int(j, "partition", p->index);
		json_known(j, "leader", p->leader);
		json_known(j, "leaderEpoch", p->leader_epoch);
		json_ids(j, "replicas", p->replicas, p->replica_count);
		json_ids(j, "isr", p->isr, p->isr_count);
		json_ids(j, "elr", p->elr, p->elr_count);
		json_known(j, "logStartOffset", p->start);
		json_known(j, "logEndOffset", p->end);
		json_known(j, "bytes", p->bytes);
		json_rate(j, "messagesPerSecond", p->rate);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void json_topics(struct json_out *j, const struct snapshot *now, struct str detail)
{
	json_out_open(j, "topics", '[');
	for (int32_t i = 0; i < now->topic_count; i++) {
		const struct top_topic *t = &now->topics[i];

		json_out_open(j, NULL, '{');
		json_out_str(j, "topic", t->name);
		json_out_bool(j, "internal", t->is_internal);
		json_out_int(j, "partitionCount", t->partition_count);
		json_out_int(j, "replicationFactor", t->replication_factor);
		json_out_int(j, "underReplicated", t->under_replicated_count);
		json_out_int(j, "offline", t->offline_count);
		json_known(j, "records", t->record_count);
		json_known(j, "bytes", t->bytes);
		json_known(j, "allReplicasBytes", t->all_bytes);
		json_rate(j, "messagesPerSecond", t->rate);
		if (detail.data && str_eq(detail, t->name))
			json_partitions(j, t);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void json_groups(struct json_out *j, const struct snapshot *now)
{
	json_out_open(j, "groups", '[');
	for (int32_t i = 0; i < now->group_count; i++) {
		const struct top_group *g = &now->groups[i];

		json_out_open(j, NULL, '{');
		json_out_str(j, "group", g->id);
		json_out_str(j, "type", g->type.len ? g->type : STR_NULL);
		json_out_str(j, "state", g->state.len ? g->state : STR_NULL);
		json_out_int(j, "coordinator", g->coordinator);
		json_known(j, "members", g->member_count);
		json_known(j, "totalLag", g->lag);
		json_rate(j, "lagPerSecond", g->lag_rate);
		json_rate(j, "readPerSecond", g->read_rate);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void json_events(struct json_out *j, const struct top_model *m, uint64_t told)
{
	json_out_open(j, "events", '[');
	for (uint64_t i = MIN(m->events.total - told, (uint64_t)EVENTS_MAX); i-- > 0;) {
		const struct top_event *e = events_at(&m->events, (unsigned)i);

		json_out_open(j, NULL, '{');
		json_out_int(j, "timestamp", e->wall_ms);
		json_out_text(j, "text", e->text);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

void report_json(struct top_model *m, const struct report_options *options)
{
	const struct snapshot *now = model_now(m);
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_int(&j, "timestamp", m->is_unreachable ? clock_wall_ms() : now->wall_ms);
	json_out_bool(&j, "reachable", !m->is_unreachable);
	json_out_text(&j, "error", m->is_unreachable ? err_message(&m->err) : NULL);
	if (!m->is_unreachable) {
		json_out_str(&j, "clusterId", now->cluster_id);
		json_known(&j, "quorumLeader", now->quorum_leader);
		json_rate(&j, "messagesPerSecond", now->rate);
		json_known(&j, "totalLag", now->lag);
		json_out_int(&j, "underReplicated", now->under_replicated_count);
		json_out_int(&j, "offline", now->offline_count);
		json_out_int(&j, "requests", now->request_count);
		json_rate(&j, "milliseconds", (double)now->took_us / 1000);
		json_brokers(&j, now);
		json_topics(&j, now, options->detail);
		json_groups(&j, now);
	}
	json_events(&j, m, options->events_told);
	json_out_close(&j, '}');
	print_byte('\n');
}
