#include "cmd/groups/groups_print.h"
#include "cmd/print.h"
#include "cmd/table.h"

#include <inttypes.h>

static const char *text_of(struct arena *a, struct str s)
{
	return s.data ? arena_strndup(a, s.data, s.len) : "-";
}

static const char *number_text(struct arena *a, int64_t number)
{
	return arena_printf(a, "%" PRId64, number);
}

static const char *offset_text(struct arena *a, int64_t offset)
{
	return offset == OFFSET_UNKNOWN ? "-" : number_text(a, offset);
}

static const char *epoch_text(struct arena *a, int32_t epoch)
{
	return epoch < 0 ? "-" : number_text(a, epoch);
}

/* ---- list --------------------------------------------------------------------------------- */

void groups_print_list(struct arena *a, const struct group_view *groups, unsigned count,
		       struct groups_list_columns shown)
{
	unsigned width = 15;

	if (!shown.type && !shown.state) {
		for (unsigned i = 0; i < count; i++)
			print_text("%.*s\n", STR(groups[i].id));
		return;
	}
	for (unsigned i = 0; i < count; i++)
		width = MAX(width, (unsigned)groups[i].id.len);
	print_text("%-*s", (int)width + 10, "GROUP");
	if (shown.type)
		print_text(" %-20s", "TYPE");
	if (shown.state)
		print_text(" %-20s", "STATE");
	print_byte('\n');
	for (unsigned i = 0; i < count; i++) {
		print_text("%-*.*s", (int)width + 10, STR(groups[i].id));
		if (shown.type)
			print_text(" %-20s", text_of(a, groups[i].type));
		if (shown.state)
			print_text(" %-20s", text_of(a, groups[i].state));
		print_byte('\n');
	}
}

/* ---- describe ----------------------------------------------------------------------------- */

bool groups_print_status(const struct group_view *g)
{
	if (str_is(g->state, "Dead")) {
		print_text("\nError: Consumer group '%.*s' does not exist.\n", STR(g->id));
		return false;
	}
	if (str_is(g->state, "Empty"))
		print_error("\nConsumer group '%.*s' has no active members.\n", STR(g->id));
	else if (str_is(g->state, "PreparingRebalance") || str_is(g->state, "Assigning") ||
		 str_is(g->state, "CompletingRebalance") || str_is(g->state, "Reconciling"))
		print_error("\nWarning: Consumer group '%.*s' is rebalancing.\n", STR(g->id));
	return true;
}

int64_t group_partition_lag(const struct group_partition *p)
{
	if (p->committed == OFFSET_UNKNOWN || p->end == OFFSET_UNKNOWN)
		return OFFSET_UNKNOWN;
	return p->end - p->committed;
}

int64_t group_lag(const struct group_view *g)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < g->partition_count; i++) {
		int64_t lag = group_partition_lag(&g->partitions[i]);

		sum += lag == OFFSET_UNKNOWN ? 0 : lag;
	}
	return sum;
}

void groups_print_offsets(struct arena *a, const struct group_view *g, bool verbose)
{
	const struct column plain[] = {
		COLUMN_WIDE("GROUP", 15),       COLUMN_WIDE("TOPIC", 15),
		COLUMN("PARTITION", 10),        COLUMN("CURRENT-OFFSET", 15),
		COLUMN("LOG-END-OFFSET", 15),   COLUMN("LAG", 15),
		COLUMN_WIDE("CONSUMER-ID", 15), COLUMN_WIDE("HOST", 15),
		COLUMN_BARE("CLIENT-ID"),
	};
	const struct column longer[] = {
		COLUMN_WIDE("GROUP", 15),
		COLUMN_WIDE("TOPIC", 15),
		COLUMN("PARTITION", 10),
		COLUMN("LEADER-EPOCH", 15),
		COLUMN("CURRENT-OFFSET", 15),
		COLUMN("LOG-END-OFFSET", 15),
		COLUMN("LAG", 15),
		COLUMN_WIDE("CONSUMER-ID", 15),
		COLUMN_WIDE("HOST", 15),
		COLUMN_BARE("CLIENT-ID"),
	};
	struct table t;

	if (g->partition_count == 0)
		return;
	if (verbose)
		table_init(&t, a, longer, ARRAY_LEN(longer));
	else
		table_init(&t, a, plain, ARRAY_LEN(plain));
	for (unsigned i = 0; i < g->partition_count; i++) {
		const struct group_partition *p = &g->partitions[i];
		const char *cells[ARRAY_LEN(longer)];
		unsigned at = 0;

		cells[at++] = text_of(a, g->id);
		cells[at++] = text_of(a, p->topic);
		cells[at++] = p->partition < 0 ? "-" : number_text(a, p->partition);
		if (verbose)
			cells[at++] = epoch_text(a, p->leader_epoch);
		cells[at++] = offset_text(a, p->committed);
		cells[at++] = offset_text(a, p->end);
		cells[at++] = offset_text(a, group_partition_lag(p));
		cells[at++] = p->owner ? text_of(a, p->owner->id) : "-";
		cells[at++] = p->owner ? text_of(a, p->owner->host) : "-";
		cells[at++] = p->owner ? text_of(a, p->owner->client_id) : "-";
		table_row(&t, cells);
	}
	table_print(&t, TABLE_LINE_FIRST);
}

const char *group_assignment_text(struct arena *a, const struct group_assignment *items,
				  unsigned count)
{
	struct out out;
	char *text;

	if (count == 0)
		return "-";
	out_init(&out, 1 << 26);
	for (unsigned i = 0; i < count; i++) {
		if (i > 0 && str_eq(items[i].topic, items[i - 1].topic))
			out_printf(&out, ",%d", items[i].partition);
		else
			out_printf(&out, "%s%.*s:%d", i ? ";" : "", STR(items[i].topic),
				   items[i].partition);
	}
	text = arena_strndup(a, (const char *)out.data, out.len);
	out_fini(&out);
	return text;
}

static unsigned members_columns(const struct group_view *g, bool verbose, struct column *columns,
				bool *has_instances, bool *is_mixed)
{
	bool has_classic = false, has_new = false;
	unsigned count = 0;

	*has_instances = false;
	for (unsigned i = 0; i < g->member_count; i++) {
		*has_instances |= !str_is_null(g->members[i].instance_id);
		has_classic |= g->members[i].is_classic;
		has_new |= !g->members[i].is_classic;
	}
	*is_mixed = has_classic && has_new;
	columns[count++] = COLUMN_WIDE("GROUP", 15);
	columns[count++] = COLUMN_WIDE("CONSUMER-ID", 15);
	if (*has_instances)
		columns[count++] = COLUMN_WIDE("GROUP-INSTANCE-ID", 17);
	columns[count++] = COLUMN_WIDE("HOST", 15);
	columns[count++] = COLUMN_WIDE("CLIENT-ID", 15);
	columns[count++] = COLUMN("#PARTITIONS", 15);
	if (!verbose)
		return count;
	columns[count++] = COLUMN("CURRENT-EPOCH", 15);
	columns[count++] = COLUMN_WIDE("CURRENT-ASSIGNMENT", 20);
	columns[count++] = COLUMN("TARGET-EPOCH", 15);
	columns[count++] = COLUMN_WIDE("TARGET-ASSIGNMENT", 20);
	if (*is_mixed)
		columns[count++] = COLUMN_BARE("UPGRADED");
	return count;
}

void groups_print_members(struct arena *a, const struct group_view *g, bool verbose)
{
	struct column columns[TABLE_COLUMNS_MAX];
	bool has_instances, is_mixed;
	unsigned count = members_columns(g, verbose, columns, &has_instances, &is_mixed);
	struct table t;

	table_init(&t, a, columns, count);
	t.title_blank = t.row_blank = !verbose;
	for (unsigned i = 0; i < g->member_count; i++) {
		const struct group_member *m = &g->members[i];
		const char *cells[TABLE_COLUMNS_MAX];
		unsigned at = 0;

		cells[at++] = text_of(a, g->id);
		cells[at++] = text_of(a, m->id);
		if (has_instances)
			cells[at++] = str_is_null(m->instance_id) ? "" : text_of(a, m->instance_id);
		cells[at++] = text_of(a, m->host);
		cells[at++] = text_of(a, m->client_id);
		cells[at++] = number_text(a, m->assignment_count);
		if (verbose) {
			cells[at++] = epoch_text(a, m->current_epoch);
			cells[at++] = group_assignment_text(a, m->assignment, m->assignment_count);
			cells[at++] = epoch_text(a, m->target_epoch);
			cells[at++] = group_assignment_text(a, m->target, m->target_count);
		}
		if (verbose && is_mixed)
			cells[at++] = m->is_classic ? "false" : "true";
		table_row(&t, cells);
	}
	print_byte('\n');
	table_print(&t, TABLE_LINE_LAST);
}

void groups_print_state(struct arena *a, const struct group_view *g, bool verbose)
{
	const struct column plain[] = {
		COLUMN_WIDE("GROUP", 15),          COLUMN_WIDE("COORDINATOR (ID)", 25),
		COLUMN("ASSIGNMENT-STRATEGY", 20), COLUMN("STATE", 20),
		COLUMN_BARE("#MEMBERS"),
	};
	const struct column longer[] = {
		COLUMN_WIDE("GROUP", 15),          COLUMN_WIDE("COORDINATOR (ID)", 25),
		COLUMN("ASSIGNMENT-STRATEGY", 20), COLUMN("STATE", 20),
		COLUMN("GROUP-EPOCH", 15),         COLUMN("TARGET-ASSIGNMENT-EPOCH", 25),
		COLUMN_BARE("#MEMBERS"),
	};
	const char *cells[ARRAY_LEN(longer)];
	unsigned at = 0;
	struct table t;

	if (verbose)
		table_init(&t, a, longer, ARRAY_LEN(longer));
	else
		table_init(&t, a, plain, ARRAY_LEN(plain));
	cells[at++] = text_of(a, g->id);
	cells[at++] = arena_printf(a, "%.*s:%d  (%d)", STR(g->coordinator_host),
				   g->coordinator_port, g->coordinator_id);
	cells[at++] = g->strategy.len ? text_of(a, g->strategy) : "-";
	cells[at++] = text_of(a, g->state);
	if (verbose) {
		cells[at++] = epoch_text(a, g->epoch);
		cells[at++] = epoch_text(a, g->assignment_epoch);
	}
	cells[at++] = number_text(a, g->member_count);
	table_row(&t, cells);
	table_print(&t, TABLE_LINE_FIRST);
}

/* ---- reset -------------------------------------------------------------------------------- */

void groups_print_reset(struct arena *a, const struct reset_row *rows, unsigned count)
{
	const struct column columns[] = {
		COLUMN_WIDE("GROUP", 15),
		COLUMN_WIDE("TOPIC", 15),
		COLUMN("PARTITION", 10),
		COLUMN_BARE("NEW-OFFSET"),
	};
	struct table t;

	table_init(&t, a, columns, ARRAY_LEN(columns));
	for (unsigned i = 0; i < count; i++)
		table_add(&t, text_of(a, rows[i].group), text_of(a, rows[i].topic),
			  number_text(a, rows[i].partition), number_text(a, rows[i].offset));
	table_print(&t, TABLE_LINE_FIRST);
}

void groups_print_csv(const struct reset_row *rows, unsigned count, bool with_group)
{
	for (unsigned i = 0; i < count; i++) {
		const struct reset_row *r = &rows[i];
		bool quoted = r->group.len && memchr(r->group.data, ',', r->group.len);

		if (with_group)
			print_text(quoted ? "\"%.*s\"," : "%.*s,", STR(r->group));
		print_text("%.*s,%d,%" PRId64 "\n", STR(r->topic), r->partition, r->offset);
	}
	print_byte('\n');
}
