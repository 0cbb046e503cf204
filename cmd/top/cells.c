/* The tables' columns, and what stands in each cell. */
#include "cmd/top/rows.h"

#include "base/mem.h"
#include "cmd/top/figures.h"

#include <math.h>
#include <stdio.h>

/* ---- Columns ------------------------------------------------------------------------------ */

enum {
	BROKER_ID,
	BROKER_ADDRESS,
	BROKER_RACK,
	BROKER_STATE,
	BROKER_QUORUM,
	BROKER_LEADERS,
	BROKER_BAR,
	BROKER_REPLICAS,
	BROKER_IN_SYNC,
	BROKER_LOGS,
	BROKER_FREE,
	BROKER_RATE,
	BROKER_SPARK
};

static const struct top_column broker_columns[] = {
	[BROKER_ID] = {"ID", CELL_ID, 0, false},
	[BROKER_ADDRESS] = {"ADDRESS", CELL_TEXT, 0, false},
	[BROKER_RACK] = {"RACK", CELL_TEXT, 7, false},
	[BROKER_STATE] = {"STATE", CELL_TEXT, 0, false},
	[BROKER_QUORUM] = {"QUORUM", CELL_TEXT, 6, false},
	[BROKER_LEADERS] = {"LEADERS", CELL_COUNT, 0, true},
	[BROKER_BAR] = {"", CELL_BAR, 9, true},
	[BROKER_REPLICAS] = {"REPLICAS", CELL_COUNT, 4, true},
	[BROKER_IN_SYNC] = {"IN SYNC", CELL_COUNT, 3, true},
	[BROKER_LOGS] = {"LOGS", CELL_BYTES, 5, true},
	[BROKER_FREE] = {"FREE", CELL_BYTES, 8, true},
	[BROKER_RATE] = {"MSGS/S", CELL_RATE, 0, true},
	[BROKER_SPARK] = {"", CELL_SPARK, 10, true},
};

enum {
	TOPIC_NAME,
	TOPIC_PARTITIONS,
	TOPIC_FACTOR,
	TOPIC_UNDER,
	TOPIC_OFFLINE,
	TOPIC_RECORDS,
	TOPIC_BYTES,
	TOPIC_RATE,
	TOPIC_BAR,
	TOPIC_SPARK
};

static const struct top_column topic_columns[] = {
	[TOPIC_NAME] = {"TOPIC", CELL_TEXT, 0, false},
	[TOPIC_PARTITIONS] = {"PARTITIONS", CELL_COUNT, 0, true},
	[TOPIC_FACTOR] = {"RF", CELL_ID, 6, true},
	[TOPIC_UNDER] = {"UNDER-REPL", CELL_COUNT, 4, true},
	[TOPIC_OFFLINE] = {"OFFLINE", CELL_COUNT, 3, true},
	[TOPIC_RECORDS] = {"RECORDS", CELL_COUNT, 5, true},
	[TOPIC_BYTES] = {"BYTES", CELL_BYTES, 7, true},
	[TOPIC_RATE] = {"MSGS/S", CELL_RATE, 0, true},
	[TOPIC_BAR] = {"", CELL_BAR, 9, true},
	[TOPIC_SPARK] = {"", CELL_SPARK, 10, true},
};

enum {
	GROUP_ID,
	GROUP_TYPE,
	GROUP_STATE,
	GROUP_COORDINATOR,
	GROUP_MEMBERS,
	GROUP_LAG,
	GROUP_BAR,
	GROUP_TREND,
	GROUP_RATE,
	GROUP_CATCH_UP,
	GROUP_SPARK
};

static const struct top_column group_columns[] = {
	[GROUP_ID] = {"GROUP", CELL_TEXT, 0, false},
	[GROUP_TYPE] = {"TYPE", CELL_TEXT, 8, false},
	[GROUP_STATE] = {"STATE", CELL_TEXT, 0, false},
	[GROUP_COORDINATOR] = {"COORD", CELL_ID, 6, false},
	[GROUP_MEMBERS] = {"MEMBERS", CELL_COUNT, 3, true},
	[GROUP_LAG] = {"LAG", CELL_COUNT, 0, true},
	[GROUP_BAR] = {"", CELL_BAR, 9, true},
	[GROUP_TREND] = {"LAG/S", CELL_TREND, 4, true},
	[GROUP_RATE] = {"READ/S", CELL_RATE, 5, true},
	[GROUP_CATCH_UP] = {"CATCH-UP", CELL_DURATION, 7, true},
	[GROUP_SPARK] = {"", CELL_SPARK, 10, true},
};

enum { EVENT_TIME, EVENT_TEXT };

static const struct top_column event_columns[] = {
	[EVENT_TIME] = {"TIME", CELL_TEXT, 0, false},
	[EVENT_TEXT] = {"EVENT", CELL_TEXT, 0, false},
};

enum {
	PART_NAME,
	PART_STATE,
	PART_LEADER,
	PART_REPLICAS,
	PART_ISR,
	PART_ELR,
	PART_START,
	PART_END,
	PART_BYTES,
	PART_RATE,
	PART_SPARK
};

static const struct top_column partition_columns[] = {
	[PART_NAME] = {"PARTITION", CELL_TEXT, 0, false},
	[PART_STATE] = {"STATE", CELL_TEXT, 4, false},
	[PART_LEADER] = {"LEADER", CELL_ID, 0, false},
	[PART_REPLICAS] = {"REPLICAS", CELL_TEXT, 0, false},
	[PART_ISR] = {"ISR", CELL_TEXT, 0, false},
	[PART_ELR] = {"ELR", CELL_TEXT, 7, false},
	[PART_START] = {"START", CELL_ID, 6, true},
	[PART_END] = {"END", CELL_ID, 3, true},
	[PART_BYTES] = {"BYTES", CELL_BYTES, 5, true},
	[PART_RATE] = {"MSGS/S", CELL_RATE, 0, true},
	[PART_SPARK] = {"", CELL_SPARK, 10, true},
};

enum {
	READ_NAME,
	READ_MEMBER,
	READ_HOST,
	READ_COMMITTED,
	READ_END,
	READ_LAG,
	READ_TREND,
	READ_RATE
};

static const struct top_column read_columns[] = {
	[READ_NAME] = {"PARTITION", CELL_TEXT, 0, false},
	[READ_MEMBER] = {"CLIENT", CELL_TEXT, 6, false},
	[READ_HOST] = {"HOST", CELL_TEXT, 7, false},
	[READ_COMMITTED] = {"CURRENT", CELL_ID, 3, true},
	[READ_END] = {"END", CELL_ID, 4, true},
	[READ_LAG] = {"LAG", CELL_COUNT, 0, true},
	[READ_TREND] = {"LAG/S", CELL_TREND, 5, true},
	[READ_RATE] = {"READ/S", CELL_RATE, 0, true},
};

static const struct top_table rows_tables[SCOPE_COUNT] = {
	[SCOPE_BROKERS] = {"Brokers", broker_columns, ARRAY_LEN(broker_columns), BROKER_ID,
			   "no brokers"},
	[SCOPE_TOPICS] = {"Topics", topic_columns, ARRAY_LEN(topic_columns), TOPIC_RATE,
			  "no topics"},
	[SCOPE_GROUPS] = {"Groups", group_columns, ARRAY_LEN(group_columns), GROUP_LAG,
			  "no groups"},
	[SCOPE_EVENTS] = {"Events", event_columns, ARRAY_LEN(event_columns), EVENT_TIME,
			  "nothing has happened since this view was opened"},
	[SCOPE_TOPIC] = {"Topic", partition_columns, ARRAY_LEN(partition_columns), PART_NAME,
			 "no such topic"},
	[SCOPE_BROKER] = {"Broker", partition_columns, ARRAY_LEN(partition_columns), PART_NAME,
			  "no replicas"},
	[SCOPE_GROUP] = {"Group", read_columns, ARRAY_LEN(read_columns), READ_NAME,
			 "no partitions"},
};

_Static_assert(ARRAY_LEN(broker_columns) <= ROWS_COLUMNS_MAX, "");

const struct top_table *rows_table(enum top_scope scope)
{
	assert(scope < SCOPE_COUNT);
	return &rows_tables[scope];
}

/* ---- Cells -------------------------------------------------------------------------------- */

static double known(int64_t value)
{
	return value < 0 ? NAN : (double)value;
}

static void cell_name(struct cell *cell, struct str topic, int32_t partition)
{
	int len = snprintf(cell->room, sizeof(cell->room), "-%d", partition);
	size_t max = sizeof(cell->room) - (size_t)len - 1;

	/* The number is what tells the rows apart: a long name gives way. */
	if (topic.len > max)
		len = snprintf(cell->room, sizeof(cell->room), "%.*s~-%d", (int)max - 1, topic.data,
			       partition);
	else
		len = snprintf(cell->room, sizeof(cell->room), "%.*s-%d", STR(topic), partition);
	cell->text = (struct str){cell->room, (size_t)len};
}

static void cell_ids(struct cell *cell, const int32_t *ids, int32_t count)
{
	size_t len = 0;

	for (int32_t i = 0; i < count && len < sizeof(cell->room) - 12; i++)
		len += (size_t)snprintf(cell->room + len, sizeof(cell->room) - len, "%s%d",
					i ? "," : "", ids[i]);
	if (len > 0)
		cell->text = (struct str){cell->room, len};
}

static void broker_state(const struct top_broker *b, struct cell *out)
{
	switch (b->state) {
	case BROKER_UP:
		out->text = STR_LIT("up");
		out->tone = TONE_GREEN;
		break;
	case BROKER_SILENT:
		out->text = STR_LIT("no answer");
		out->tone = TONE_RED;
		break;
	case BROKER_GONE:
		out->text = b->is_fenced ? STR_LIT("gone, fenced") : STR_LIT("gone");
		out->tone = TONE_RED;
		break;
	}
}

static void broker_quorum(const struct snapshot *now, const struct top_broker *b, struct cell *out)
{
	bool is_leader = (now->quorum_leader >= 0 ? now->quorum_leader : now->controller) == b->id;

	if (is_leader && b->state == BROKER_UP) {
		out->text = now->quorum_leader >= 0 ? STR_LIT("leader") : STR_LIT("controller");
		out->tone = TONE_CYAN;
	} else if (b->is_voter) {
		out->text = STR_LIT("voter");
	}
}

static void broker_cell(const struct rows *r, const struct top_broker *b, unsigned column,
			struct cell *out)
{
	/* lint: table */
	if (b->state != BROKER_UP)
		out->tone = TONE_RED;
	switch (column) {
	case BROKER_ID: out->number = b->id; break;
	case BROKER_ADDRESS:
		if (b->host.data)
			out->text = (struct str){
				out->room, MIN((size_t)snprintf(out->room, sizeof(out->room),
								"%.*s:%d", STR(b->host), b->port),
					       sizeof(out->room) - 1)};
		break;
	case BROKER_RACK: out->text = b->rack; break;
	case BROKER_STATE: broker_state(b, out); break;
	case BROKER_QUORUM: broker_quorum(model_now(r->model), b, out); break;
	case BROKER_LEADERS: out->number = b->leader_count; break;
	case BROKER_BAR:
		out->number = r->greatest > 0 ? b->leader_count / r->greatest : 0;
		out->tone = TONE_BLUE;
		break;
	case BROKER_REPLICAS: out->number = b->replica_count; break;
	case BROKER_IN_SYNC:
		out->number = b->in_sync_count;
		if (b->in_sync_count < b->replica_count)
			out->tone = b->state == BROKER_GONE ? TONE_RED : TONE_YELLOW;
		break;
	case BROKER_LOGS: out->number = known(b->log_bytes); break;
	case BROKER_FREE: out->number = known(b->usable_bytes); break;
	case BROKER_RATE: out->number = b->rate; break;
	case BROKER_SPARK:
		out->history = b->history;
		out->number = b->rate;
		out->tone = TONE_CYAN;
		break;
	}
}

static void topic_cell(const struct rows *r, const struct top_topic *t, unsigned column,
		       struct cell *out)
{
	/* lint: table */
	switch (column) {
	case TOPIC_NAME:
		out->text = t->name;
		out->tone = t->offline_count > 0            ? TONE_RED
			    : t->under_replicated_count > 0 ? TONE_YELLOW
							    : TONE_PLAIN;
		break;
	case TOPIC_PARTITIONS: out->number = t->partition_count; break;
	case TOPIC_FACTOR: out->number = t->replication_factor; break;
	case TOPIC_UNDER:
		out->number = t->under_replicated_count;
		out->tone = t->under_replicated_count > 0 ? TONE_YELLOW : TONE_PLAIN;
		break;
	case TOPIC_OFFLINE:
		out->number = t->offline_count;
		out->tone = t->offline_count > 0 ? TONE_RED : TONE_PLAIN;
		break;
	case TOPIC_RECORDS: out->number = known(t->record_count); break;
	case TOPIC_BYTES: out->number = known(t->bytes); break;
	case TOPIC_RATE: out->number = t->rate; break;
	case TOPIC_BAR:
		out->number = r->greatest > 0 ? t->rate / r->greatest : 0;
		out->tone = TONE_BLUE;
		break;
	case TOPIC_SPARK:
		out->history = t->history;
		out->number = t->rate;
		out->tone = TONE_CYAN;
		break;
	}
}

static enum tone trend_tone(double rate)
{
	return rate >= 0.05 ? TONE_RED : rate <= -0.05 ? TONE_GREEN : TONE_PLAIN;
}

static double catch_up(int64_t lag, double lag_rate)
{
	if (lag == 0)
		return 0;
	return lag > 0 && lag_rate < -0.05 ? round((double)lag / -lag_rate) : NAN;
}

static void group_cell(const struct rows *r, const struct top_group *g, unsigned column,
		       struct cell *out)
{
	/* lint: table */
	switch (column) {
	case GROUP_ID: out->text = g->id; break;
	case GROUP_TYPE:
		if (g->type.len > 0)
			out->text = g->type;
		break;
	case GROUP_STATE:
		if (g->state.len > 0)
			out->text = g->state;
		out->tone = str_is(g->state, "Stable")  ? TONE_GREEN
			    : str_is(g->state, "Empty") ? TONE_DIM
							: TONE_YELLOW;
		break;
	case GROUP_COORDINATOR: out->number = g->coordinator; break;
	case GROUP_MEMBERS: out->number = known(g->member_count); break;
	case GROUP_LAG:
		out->number = known(g->lag);
		out->tone = g->lag > 0 ? TONE_YELLOW : TONE_PLAIN;
		break;
	case GROUP_BAR:
		out->number = r->greatest > 0 ? known(g->lag) / r->greatest : 0;
		out->tone = TONE_YELLOW;
		break;
	case GROUP_TREND:
		out->number = g->lag_rate;
		out->tone = trend_tone(g->lag_rate);
		break;
	case GROUP_RATE: out->number = g->read_rate; break;
	case GROUP_CATCH_UP: out->number = catch_up(g->lag, g->lag_rate); break;
	case GROUP_SPARK:
		out->history = g->history;
		out->number = known(g->lag);
		out->tone = TONE_YELLOW;
		break;
	}
}

static void partition_state(const struct top_partition *p, struct cell *out)
{
	if (partition_is_offline(p)) {
		out->text = STR_LIT("offline");
		out->tone = TONE_RED;
	} else if (partition_is_under_replicated(p)) {
		out->text = STR_LIT("under-repl");
		out->tone = TONE_YELLOW;
	} else {
		out->text = STR_LIT("in sync");
		out->tone = TONE_GREEN;
	}
}

static void partition_cell(const struct top_topic *t, const struct top_partition *p,
			   unsigned column, struct cell *out)
{
	/* lint: table */
	switch (column) {
	case PART_NAME: cell_name(out, t->name, p->index); break;
	case PART_STATE: partition_state(p, out); break;
	case PART_LEADER:
		out->number = known(p->leader);
		out->tone = p->leader < 0 ? TONE_RED : TONE_PLAIN;
		break;
	case PART_REPLICAS: cell_ids(out, p->replicas, p->replica_count); break;
	case PART_ISR:
		cell_ids(out, p->isr, p->isr_count);
		if (partition_is_under_replicated(p))
			out->tone = TONE_YELLOW;
		break;
	case PART_ELR: cell_ids(out, p->elr, p->elr_count); break;
	case PART_START: out->number = known(p->start); break;
	case PART_END: out->number = known(p->end); break;
	case PART_BYTES: out->number = known(p->bytes); break;
	case PART_RATE: out->number = p->rate; break;
	case PART_SPARK:
		out->history = p->history;
		out->number = p->rate;
		out->tone = TONE_CYAN;
		break;
	}
}

static void read_cell(const struct top_group *g, const struct top_group_partition *p,
		      unsigned column, struct cell *out)
{
	const struct top_member *m =
		p->member >= 0 && p->member < g->member_count ? &g->members[p->member] : NULL;

	/* lint: table */
	switch (column) {
	case READ_NAME: cell_name(out, p->topic, p->partition); break;
	case READ_MEMBER: out->text = m ? m->client_id : STR_NULL; break;
	case READ_HOST: out->text = m ? m->host : STR_NULL; break;
	case READ_COMMITTED: out->number = known(p->committed); break;
	case READ_END: out->number = known(p->end); break;
	case READ_LAG:
		out->number = known(p->lag);
		out->tone = p->lag > 0 ? TONE_YELLOW : TONE_PLAIN;
		break;
	case READ_TREND:
		out->number = p->lag_rate;
		out->tone = trend_tone(p->lag_rate);
		break;
	case READ_RATE: out->number = p->read_rate; break;
	}
}

static void event_cell(const struct top_event *e, unsigned column, struct cell *out)
{
	if (column == EVENT_TIME) {
		out->text = (struct str){out->room, event_time(e->wall_ms, out->room)};
		out->tone = TONE_DIM;
	} else {
		out->text = str_of(e->text);
		out->tone = e->tone;
	}
}

void rows_cell(const struct rows *r, const struct row *row, unsigned column, struct cell *out)
{
	*out = (struct cell){.number = NAN};
	switch (r->scope) {
	case SCOPE_BROKERS: broker_cell(r, row->item, column, out); break;
	case SCOPE_TOPICS: topic_cell(r, row->item, column, out); break;
	case SCOPE_GROUPS: group_cell(r, row->item, column, out); break;
	case SCOPE_EVENTS: event_cell(row->item, column, out); break;
	case SCOPE_TOPIC:
	case SCOPE_BROKER: partition_cell(row->owner, row->item, column, out); break;
	case SCOPE_GROUP: read_cell(row->owner, row->item, column, out); break;
	case SCOPE_COUNT: break;
	}
}
