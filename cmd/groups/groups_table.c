/* What `groups` prints as JSON, and as a table with --output table: one for all groups. */
#include "cmd/groups/groups_print.h"
#include "cmd/json_out.h"
#include "cmd/output.h"
#include "cmd/print.h"

/* ---- JSON --------------------------------------------------------------------------------- */

static void json_offset(struct json_out *j, const char *key, int64_t offset)
{
	if (offset == OFFSET_UNKNOWN)
		json_out_null(j, key);
	else
		json_out_int(j, key, offset);
}

static void json_epoch(struct json_out *j, const char *key, int32_t epoch)
{
	if (epoch < 0)
		json_out_null(j, key);
	else
		json_out_int(j, key, epoch);
}

static void json_assignment(struct json_out *j, const char *key,
			    const struct group_assignment *items, unsigned count)
{
	json_out_open(j, key, '[');
	for (unsigned i = 0; i < count; i++) {
		json_out_open(j, NULL, '{');
		json_out_str(j, "topic", items[i].topic);
		json_out_int(j, "partition", items[i].partition);
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void json_member(struct json_out *j, const struct group_member *m)
{
	json_out_open(j, NULL, '{');
	json_out_str(j, "consumerId", m->id);
	json_out_str(j, "groupInstanceId", m->instance_id);
	json_out_str(j, "clientId", m->client_id);
	json_out_str(j, "host", m->host);
	json_epoch(j, "epoch", m->current_epoch);
	json_epoch(j, "targetEpoch", m->target_epoch);
	json_assignment(j, "assignment", m->assignment, m->assignment_count);
	json_assignment(j, "targetAssignment", m->target, m->target_count);
	json_out_close(j, '}');
}

void groups_print_list_json(const struct group_view *groups, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_str(&j, "group", groups[i].id);
		json_out_str(&j, "type", groups[i].type);
		json_out_str(&j, "protocolType", groups[i].protocol);
		json_out_str(&j, "state", groups[i].state);
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

void groups_print_json(const struct group_view *g)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "group", g->id);
	json_out_str(&j, "type", g->type);
	json_out_str(&j, "state", g->state);
	json_out_str(&j, "assignmentStrategy", g->strategy);
	json_out_int(&j, "coordinator", g->coordinator_id);
	json_epoch(&j, "groupEpoch", g->epoch);
	json_epoch(&j, "assignmentEpoch", g->assignment_epoch);
	json_out_int(&j, "totalLag", group_lag(g));
	json_out_open(&j, "members", '[');
	for (unsigned i = 0; i < g->member_count; i++)
		json_member(&j, &g->members[i]);
	json_out_close(&j, ']');
	json_out_open(&j, "offsets", '[');
	for (unsigned i = 0; i < g->partition_count; i++) {
		const struct group_partition *p = &g->partitions[i];

		json_out_open(&j, NULL, '{');
		json_out_str(&j, "topic", p->topic);
		json_out_int(&j, "partition", p->partition);
		json_epoch(&j, "leaderEpoch", p->leader_epoch);
		json_offset(&j, "currentOffset", p->committed);
		json_offset(&j, "logEndOffset", p->end);
		json_offset(&j, "lag", group_partition_lag(p));
		json_out_str(&j, "consumerId", p->owner ? p->owner->id : STR_NULL);
		json_out_str(&j, "host", p->owner ? p->owner->host : STR_NULL);
		json_out_str(&j, "clientId", p->owner ? p->owner->client_id : STR_NULL);
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	json_out_close(&j, '}');
	print_byte('\n');
}

void groups_print_reset_json(const struct reset_row *rows, unsigned count, bool is_done)
{
	for (unsigned i = 0; i < count; i++) {
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_str(&j, "group", rows[i].group);
		json_out_str(&j, "topic", rows[i].topic);
		json_out_int(&j, "partition", rows[i].partition);
		json_out_int(&j, "newOffset", rows[i].offset);
		json_out_bool(&j, "executed", is_done);
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

/* ---- Tables ------------------------------------------------------------------------------- */

static const char *text_of(struct arena *a, struct str s)
{
	return s.len ? arena_strndup(a, s.data, s.len) : NULL;
}

static const char *offset_text(struct grid *g, int64_t offset)
{
	return offset == OFFSET_UNKNOWN ? NULL : grid_int(g, offset);
}

static enum tone state_tone(struct str state)
{
	if (str_is(state, "Stable"))
		return TONE_GREEN;
	return str_is(state, "Dead") ? TONE_RED : TONE_YELLOW;
}

void groups_print_list_table(struct arena *a, const struct group_view *groups, unsigned count)
{
	static const char *const titles[] = {"GROUP", "TYPE", "PROTOCOL", "STATE"};
	struct grid g;

	grid_init(&g, a, titles, ARRAY_LEN(titles));
	for (unsigned i = 0; i < count; i++) {
		grid_add(&g, text_of(a, groups[i].id), text_of(a, groups[i].type),
			 text_of(a, groups[i].protocol), text_of(a, groups[i].state));
		grid_tone(&g, 3, state_tone(groups[i].state));
	}
	grid_print(&g);
}

static void table_offsets(struct grid *t, const struct group_view *g)
{
	for (unsigned i = 0; i < g->partition_count; i++) {
		const struct group_partition *p = &g->partitions[i];
		int64_t lag = group_partition_lag(p);

		grid_add(t, text_of(t->arena, g->id), text_of(t->arena, p->topic),
			 grid_int(t, p->partition), offset_text(t, p->committed),
			 offset_text(t, p->end), offset_text(t, lag),
			 p->owner ? text_of(t->arena, p->owner->id) : NULL,
			 p->owner ? text_of(t->arena, p->owner->host) : NULL);
		if (lag != 0)
			grid_tone(t, 5, TONE_YELLOW);
	}
}

static void table_members(struct grid *t, const struct group_view *g)
{
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct group_member *m = &g->members[i];

		grid_add(t, text_of(t->arena, g->id), text_of(t->arena, m->id),
			 text_of(t->arena, m->instance_id), text_of(t->arena, m->host),
			 text_of(t->arena, m->client_id), grid_int(t, m->assignment_count),
			 group_assignment_text(t->arena, m->assignment, m->assignment_count));
	}
}

static void table_state(struct grid *t, const struct group_view *g)
{
	grid_add(t, text_of(t->arena, g->id), text_of(t->arena, g->type),
		 text_of(t->arena, g->state), text_of(t->arena, g->strategy),
		 arena_printf(t->arena, "%.*s:%d (%d)", STR(g->coordinator_host),
			      g->coordinator_port, g->coordinator_id),
		 grid_int(t, g->member_count), grid_int(t, group_lag(g)));
	grid_tone(t, 2, state_tone(g->state));
}

void groups_print_table(struct arena *a, const struct group_view *groups, unsigned count,
			enum groups_table which)
{
	static const char *const offsets[] = {"GROUP", "TOPIC", ">PARTITION", ">CURRENT",
					      ">END",  ">LAG",  "MEMBER",     "HOST"};
	static const char *const members[] = {"GROUP",  "MEMBER",      "INSTANCE",  "HOST",
					      "CLIENT", ">PARTITIONS", "ASSIGNMENT"};
	static const char *const states[] = {"GROUP",       "TYPE",     "STATE", "STRATEGY",
					     "COORDINATOR", ">MEMBERS", ">LAG"};
	struct grid t;

	if (which == GROUPS_TABLE_OFFSETS)
		grid_init(&t, a, offsets, ARRAY_LEN(offsets));
	else if (which == GROUPS_TABLE_MEMBERS)
		grid_init(&t, a, members, ARRAY_LEN(members));
	else
		grid_init(&t, a, states, ARRAY_LEN(states));
	for (unsigned i = 0; i < count; i++) {
		if (which == GROUPS_TABLE_OFFSETS)
			table_offsets(&t, &groups[i]);
		else if (which == GROUPS_TABLE_MEMBERS)
			table_members(&t, &groups[i]);
		else
			table_state(&t, &groups[i]);
	}
	grid_print(&t);
}

void groups_print_reset_table(struct arena *a, const struct reset_row *rows, unsigned count)
{
	static const char *const titles[] = {"GROUP", "TOPIC", ">PARTITION", ">NEW-OFFSET"};
	struct grid t;

	grid_init(&t, a, titles, ARRAY_LEN(titles));
	for (unsigned i = 0; i < count; i++)
		grid_add(&t, text_of(a, rows[i].group), text_of(a, rows[i].topic),
			 grid_int(&t, rows[i].partition), grid_int(&t, rows[i].offset));
	grid_print(&t);
}
