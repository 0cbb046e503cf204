#include "cmd/top/rows.h"

#include "base/mem.h"
#include "cmd/top/figures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

void rows_init(struct rows *r)
{
	*r = (struct rows){0};
	arena_init(&r->arena);
}

void rows_fini(struct rows *r)
{
	free(r->items);
	arena_fini(&r->arena);
}

/* ---- The list ----------------------------------------------------------------------------- */

static bool text_has(const char *text, size_t len, const char *part)
{
	size_t part_len = strlen(part);

	for (size_t i = 0; i + part_len <= len; i++)
		if (strncasecmp(text + i, part, part_len) == 0)
			return true;
	return false;
}

static void rows_add(struct rows *r, const void *item, const void *owner, const char *filter)
{
	char key[ROW_KEY_MAX];
	struct row *row;

	r->items = grow_array(r->items, r->count, &r->cap, sizeof(*r->items));
	row = &r->items[r->count];
	*row = (struct row){.item = item, .owner = owner};
	rows_key(r, row, key);
	if (*filter && !text_has(key, strlen(key), filter))
		return;
	r->count++;
}

static bool topic_is_shown(const struct top_topic *t, bool shows_internal)
{
	return shows_internal ||
	       !(t->is_internal ||
		 (t->name.len > 2 && t->name.data[0] == '_' && t->name.data[1] == '_')) ||
	       t->offline_count > 0 || t->under_replicated_count > 0;
}

static void rows_add_partitions(struct rows *r, const struct top_topic *t, int32_t broker,
				const char *filter)
{
	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct top_partition *p = &t->partitions[i];

		if (broker < 0 || id_is_among(p->replicas, p->replica_count, broker))
			rows_add(r, p, t, filter);
	}
}

static void rows_add_of(struct rows *r, const struct snapshot *now, struct str of,
			const char *filter)
{
	const struct top_topic *t = snapshot_topic(now, of);
	const struct top_group *g = snapshot_group(now, of);
	char id[16];

	switch (r->scope) {
	case SCOPE_TOPIC:
		if (t)
			rows_add_partitions(r, t, -1, filter);
		break;
	case SCOPE_BROKER:
		snprintf(id, sizeof(id), "%.*s", STR(of));
		for (int32_t i = 0; i < now->topic_count; i++)
			rows_add_partitions(r, &now->topics[i], (int32_t)strtol(id, NULL, 10),
					    filter);
		break;
	case SCOPE_GROUP:
		for (int32_t i = 0; g && i < g->partition_count; i++)
			rows_add(r, &g->partitions[i], g, filter);
		break;
	default: break;
	}
}

static void rows_add_events(struct rows *r, const char *filter)
{
	unsigned ages[EVENTS_MAX];
	unsigned count = events_order(&r->model->events, ages);

	for (unsigned i = 0; i < count; i++)
		rows_add(r, events_at(&r->model->events, ages[i]), NULL, filter);
}

void rows_list(struct rows *r, struct top_model *m, enum top_scope scope, struct str of,
	       const char *filter, bool shows_internal)
{
	const struct snapshot *now = model_now(m);

	r->model = m;
	r->scope = scope;
	r->count = 0;
	r->greatest = 0;
	switch (scope) {
	case SCOPE_BROKERS:
		for (int32_t i = 0; i < now->broker_count; i++) {
			rows_add(r, &now->brokers[i], NULL, filter);
			r->greatest = fmax(r->greatest, now->brokers[i].leader_count);
		}
		break;
	case SCOPE_TOPICS:
		for (int32_t i = 0; i < now->topic_count; i++) {
			if (topic_is_shown(&now->topics[i], shows_internal))
				rows_add(r, &now->topics[i], NULL, filter);
			r->greatest = fmax(r->greatest, now->topics[i].rate);
		}
		break;
	case SCOPE_GROUPS:
		for (int32_t i = 0; i < now->group_count; i++) {
			rows_add(r, &now->groups[i], NULL, filter);
			r->greatest = fmax(r->greatest, (double)now->groups[i].lag);
		}
		break;
	case SCOPE_EVENTS: rows_add_events(r, filter); break;
	default: rows_add_of(r, now, of, filter); break;
	}
}

/* ---- Order -------------------------------------------------------------------------------- */

struct row_order {
	enum cell_kind kind;
	bool is_by_name;
	int sign;
};

/* Equal ones stay in the order of their names, which is that of the list. */
static int row_cmp(const void *a, const void *b, void *ctx)
{
	const struct row *x = a, *y = b;
	const struct row_order *o = ctx;
	int order, unknown = isnan(x->number) - isnan(y->number);

	if (o->is_by_name)
		return ((x->order > y->order) - (x->order < y->order)) * o->sign;
	if (o->kind == CELL_TEXT)
		order = str_cmp(x->text, y->text) * o->sign;
	else if (isnan(x->number) || isnan(y->number))
		order = unknown; /* what is not known comes last, either way */
	else
		order = ((x->number > y->number) - (x->number < y->number)) * o->sign;
	return order ? order : (x->order > y->order) - (x->order < y->order);
}

void rows_sort(struct rows *r, unsigned column, bool is_reversed)
{
	const struct top_column *c = &rows_table(r->scope)->columns[column];
	/* By the first column: the list is in that order, with 10 behind 9. */
	struct row_order order = {c->kind, column == 0, c->is_falling != is_reversed ? -1 : 1};

	/* What happened is in the order of time. */
	if (r->scope == SCOPE_EVENTS || r->count < 2)
		return;
	arena_reset(&r->arena);
	for (size_t i = 0; i < r->count; i++) {
		struct row *row = &r->items[i];
		struct cell cell;

		rows_cell(r, row, column, &cell);
		row->order = i;
		row->number = cell.number;
		row->text = cell.text.data == cell.room ? str_dup(&r->arena, cell.text) : cell.text;
	}
	qsort_r(r->items, r->count, sizeof(*r->items), row_cmp, &order);
}

/* ---- Cells -------------------------------------------------------------------------------- */

const char *rows_key(const struct rows *r, const struct row *row, char text[ROW_KEY_MAX])
{
	const struct top_broker *b = row->item;
	const struct top_topic *t = r->scope == SCOPE_TOPICS ? row->item : row->owner;
	const struct top_group *g = row->item;
	const struct top_partition *p = row->item;
	const struct top_group_partition *gp = row->item;
	const struct top_event *e = row->item;

	switch (r->scope) {
	case SCOPE_BROKERS:
		snprintf(text, ROW_KEY_MAX, "%d %.*s:%d", b->id, STR(b->host), b->port);
		break;
	case SCOPE_TOPICS: snprintf(text, ROW_KEY_MAX, "%.*s", STR(t->name)); break;
	case SCOPE_GROUPS: snprintf(text, ROW_KEY_MAX, "%.*s", STR(g->id)); break;
	case SCOPE_EVENTS: snprintf(text, ROW_KEY_MAX, "%s", e->text); break;
	case SCOPE_TOPIC:
	case SCOPE_BROKER: snprintf(text, ROW_KEY_MAX, "%.*s-%d", STR(t->name), p->index); break;
	case SCOPE_GROUP:
		snprintf(text, ROW_KEY_MAX, "%.*s-%d", STR(gp->topic), gp->partition);
		break;
	case SCOPE_COUNT: text[0] = '\0'; break;
	}
	return text;
}

struct str cell_text(const struct cell *cell, enum cell_kind kind, char *room)
{
	if (kind == CELL_TEXT)
		return cell->text.data ? cell->text : STR_LIT("-");
	if (isnan(cell->number))
		return STR_LIT("-");
	switch (kind) {
	case CELL_ID: snprintf(room, CELL_TEXT_MAX, "%" PRId64, (int64_t)cell->number); break;
	case CELL_COUNT: figure_count(room, (int64_t)cell->number); break;
	case CELL_RATE:
	case CELL_TREND: figure_rate(room, cell->number, kind == CELL_TREND); break;
	case CELL_BYTES: figure_bytes(room, (int64_t)cell->number); break;
	case CELL_DURATION: figure_duration(room, (int64_t)cell->number); break;
	default: room[0] = '\0'; break;
	}
	return str_of(room);
}
