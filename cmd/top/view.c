#include "cmd/top/view.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct view_help view_helps[] = {
	{"Up Down k j", "move; PgUp, PgDn a page, Home g, End G to the ends"},
	{"Tab 1 2 3 4", "brokers, topics, groups, events"},
	{"Enter", "the partitions of what is selected"},
	{"Esc Backspace", "back; drops a filter first"},
	{"s S < >", "sort by the next, previous column"},
	{"r", "reverse the order"},
	{"/", "show only names with a text in them"},
	{"i", "show internal topics, or hide them again"},
	{"Space", "pause, and go on"},
	{"+ -", "a longer, a shorter time between samples"},
	{"Ctrl-L", "draw the screen anew"},
	{"q Ctrl-C", "quit"},
	{NULL, NULL},
};

static void place_init(struct place *p, enum top_scope scope, struct str of)
{
	*p = (struct place){.scope = scope, .sort_column = rows_table(scope)->sort_column};
	snprintf(p->of, sizeof(p->of), "%.*s", STR(of));
}

void view_init(struct view *v, struct top_model *m, int64_t interval_ms)
{
	*v = (struct view){.model = m, .interval_ms = interval_ms, .page = 1};
	for (unsigned i = 0; i < VIEW_TAB_COUNT; i++)
		place_init(&v->tabs[i], SCOPE_BROKERS + i, STR_NULL);
	rows_init(&v->rows);
}

void view_fini(struct view *v)
{
	rows_fini(&v->rows);
}

struct place *view_place(struct view *v)
{
	return v->depth > 0 ? &v->below[v->depth - 1] : &v->tabs[v->tab];
}

struct str view_topic(struct view *v)
{
	for (unsigned i = v->depth; i-- > 0;)
		if (v->below[i].scope == SCOPE_TOPIC)
			return str_of(v->below[i].of);
	return STR_NULL;
}

/* ---- Rows --------------------------------------------------------------------------------- */

/* Remembers which row is selected by what it is about: its number changes. */
static void view_select(struct view *v, size_t selected)
{
	struct place *p = view_place(v);

	p->selected = v->rows.count > 0 ? MIN(selected, v->rows.count - 1) : 0;
	p->key[0] = '\0';
	/* At the top one wants to see what comes to the top. */
	if (p->selected > 0)
		rows_key(&v->rows, &v->rows.items[p->selected], p->key);
}

static void view_find_selected(struct view *v)
{
	struct place *p = view_place(v);
	char key[ROW_KEY_MAX];

	if (!p->key[0]) {
		p->selected = 0;
		return;
	}
	for (size_t i = 0; i < v->rows.count; i++) {
		if (strcmp(rows_key(&v->rows, &v->rows.items[i], key), p->key) == 0) {
			p->selected = i;
			return;
		}
	}
	p->selected = v->rows.count > 0 ? MIN(p->selected, v->rows.count - 1) : 0;
}

void view_update(struct view *v)
{
	struct place *p = view_place(v);

	rows_list(&v->rows, v->model, p->scope, str_of(p->of), p->filter, v->shows_internal);
	rows_sort(&v->rows, p->sort_column, p->is_reversed);
	view_find_selected(v);
	if (p->selected < p->first)
		p->first = p->selected;
	if (p->selected >= p->first + v->page)
		p->first = p->selected + 1 - v->page;
	/* No empty lines at the end while there are rows above. */
	if (v->rows.count >= v->page)
		p->first = MIN(p->first, v->rows.count - v->page);
	else
		p->first = 0;
}

/* ---- Places ------------------------------------------------------------------------------- */

static void view_go(struct view *v, unsigned tab)
{
	v->tab = tab % VIEW_TAB_COUNT;
	v->depth = 0;
}

static void view_open(struct view *v, enum top_scope scope, struct str of)
{
	if (v->depth >= VIEW_DEPTH_MAX)
		return;
	place_init(&v->below[v->depth++], scope, of);
}

void view_open_topic(struct view *v, struct str topic)
{
	v->tab = SCOPE_TOPICS;
	view_open(v, SCOPE_TOPIC, topic);
}

static void view_enter(struct view *v)
{
	const struct place *p = view_place(v);
	const struct row *row = v->rows.count > 0 ? &v->rows.items[p->selected] : NULL;
	char id[16];

	if (!row)
		return;
	switch (p->scope) {
	case SCOPE_BROKERS:
		snprintf(id, sizeof(id), "%d", ((const struct top_broker *)row->item)->id);
		view_open(v, SCOPE_BROKER, str_of(id));
		break;
	case SCOPE_TOPICS:
		view_open(v, SCOPE_TOPIC, ((const struct top_topic *)row->item)->name);
		break;
	case SCOPE_GROUPS:
		view_open(v, SCOPE_GROUP, ((const struct top_group *)row->item)->id);
		break;
	case SCOPE_BROKER:
		view_open(v, SCOPE_TOPIC, ((const struct top_topic *)row->owner)->name);
		break;
	case SCOPE_GROUP:
		view_open(v, SCOPE_TOPIC, ((const struct top_group_partition *)row->item)->topic);
		break;
	default: break;
	}
}

static void view_back(struct view *v)
{
	struct place *p = view_place(v);

	if (p->filter[0])
		p->filter[0] = '\0';
	else if (v->depth > 0)
		v->depth--;
}

/* ---- Keys --------------------------------------------------------------------------------- */

static void view_sort_by(struct view *v, int step)
{
	struct place *p = view_place(v);
	const struct top_table *table = rows_table(p->scope);
	unsigned count = table->column_count;

	if (p->scope == SCOPE_EVENTS)
		return;
	do
		p->sort_column = (p->sort_column + count + (unsigned)step) % count;
	while (table->columns[p->sort_column].kind == CELL_BAR ||
	       table->columns[p->sort_column].kind == CELL_SPARK);
	p->is_reversed = false;
}

static void view_change_interval(struct view *v, bool is_longer)
{
	static const int64_t steps[] = {100,  200,   500,   1000,  2000,
					5000, 10000, 30000, 60000, 300000};
	unsigned count = ARRAY_LEN(steps), i = 0;

	if (is_longer) {
		while (i < count - 1 && steps[i] <= v->interval_ms)
			i++;
		v->interval_ms = MAX(v->interval_ms, steps[i]);
	} else {
		i = count - 1;
		while (i > 0 && steps[i] >= v->interval_ms)
			i--;
		v->interval_ms = MIN(v->interval_ms, steps[i]);
	}
}

static void view_filter_key(struct view *v, enum key key, struct str text)
{
	struct place *p = view_place(v);
	size_t len = strlen(p->filter);

	switch (key) {
	case KEY_CHAR:
		if (len + text.len < sizeof(p->filter)) {
			memcpy(p->filter + len, text.data, text.len);
			p->filter[len + text.len] = '\0';
		}
		break;
	case KEY_BACKSPACE:
		/* A whole character. */
		while (len > 0 && (p->filter[len - 1] & 0xc0) == 0x80)
			len--;
		if (len > 0)
			p->filter[len - 1] = '\0';
		else
			v->is_filtering = false;
		break;
	case KEY_ERASE: p->filter[0] = '\0'; break;
	case KEY_ESC:
		p->filter[0] = '\0';
		v->is_filtering = false;
		break;
	case KEY_ENTER: v->is_filtering = false; break;
	default: break;
	}
}

static void view_move_key(struct view *v, enum key key)
{
	const struct place *p = view_place(v);
	size_t at = p->selected;

	switch (key) {
	case KEY_UP: view_select(v, at > 0 ? at - 1 : 0); break;
	case KEY_DOWN: view_select(v, at + 1); break;
	case KEY_PAGE_UP: view_select(v, at > v->page ? at - v->page : 0); break;
	case KEY_PAGE_DOWN: view_select(v, at + v->page); break;
	case KEY_HOME: view_select(v, 0); break;
	case KEY_END: view_select(v, v->rows.count); break;
	case KEY_TAB: view_go(v, v->tab + 1); break;
	case KEY_BACK_TAB: view_go(v, v->tab + VIEW_TAB_COUNT - 1); break;
	case KEY_ENTER:
	case KEY_RIGHT: view_enter(v); break;
	case KEY_ESC:
	case KEY_BACKSPACE:
	case KEY_LEFT: view_back(v); break;
	case KEY_REDRAW: v->wants_redraw = true; break;
	default: break;
	}
}

static void view_char_key(struct view *v, char c)
{
	/* lint: table */
	switch (c) {
	case 'q': v->is_over = true; break;
	case '1':
	case '2':
	case '3':
	case '4': view_go(v, (unsigned)(c - '1')); break;
	case 'j': view_move_key(v, KEY_DOWN); break;
	case 'k': view_move_key(v, KEY_UP); break;
	case 'g': view_move_key(v, KEY_HOME); break;
	case 'G': view_move_key(v, KEY_END); break;
	case 'h': view_back(v); break;
	case 'l': view_enter(v); break;
	case 's':
	case '>': view_sort_by(v, 1); break;
	case 'S':
	case '<': view_sort_by(v, -1); break;
	case 'r': view_place(v)->is_reversed = !view_place(v)->is_reversed; break;
	case '/': v->is_filtering = true; break;
	case 'i': v->shows_internal = !v->shows_internal; break;
	case ' ':
		v->is_paused = !v->is_paused;
		v->wants_sample = !v->is_paused;
		break;
	case '+':
	case '=': view_change_interval(v, true); break;
	case '-': view_change_interval(v, false); break;
	case '?': v->shows_help = true; break;
	default: break;
	}
}

void view_key(struct view *v, enum key key, struct str text)
{
	if (v->shows_help)
		/* Any key takes it away; q still means to leave. */
		v->shows_help = false, v->is_over = key == KEY_CHAR && text.data[0] == 'q';
	else if (v->is_filtering)
		view_filter_key(v, key, text);
	else if (key == KEY_CHAR)
		view_char_key(v, text.data[0]);
	else
		view_move_key(v, key);
	view_update(v);
}
