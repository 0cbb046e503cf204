#include "cmd/top/draw.h"

#include "base/mem.h"
#include "cmd/top/figures.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 512
/* Lines that are always there: the head, the tabs, the titles, the foot. */
#define DRAW_HEAD_LINES 2
#define DRAW_FIXED_LINES (DRAW_HEAD_LINES + 3)
#define DRAW_EVENTS_MAX 7
#define DRAW_BAR_WIDTH 8
#define DRAW_SPARK_MIN 10
#define DRAW_SPARK_MAX 48
/* A sample that takes so long is worth a word. */
#define DRAW_PATIENCE_MS 1500

/* ---- Lines -------------------------------------------------------------------------------- */

/* Writes at *x and moves it. */
static void put_text(struct screen *s, unsigned *x, unsigned y, struct style style, const char *fmt,
		     ...) PRINTF_LIKE(5, 6);
static void put_text(struct screen *s, unsigned *x, unsigned y, struct style style, const char *fmt,
		     ...)
{
	char text[LINE_MAX_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	*x += screen_put(s, *x, y, s->width, str_of(text), style);
}

static void put_right(struct screen *s, unsigned y, struct style style, const char *text)
{
	unsigned width = screen_text_width(str_of(text));

	if (width + 1 < s->width)
		screen_put(s, s->width - width - 1, y, width, str_of(text), style);
}

static void put_spark(struct screen *s, unsigned *x, unsigned y, const struct history *h,
		      unsigned width, struct style style)
{
	char text[DRAW_SPARK_MAX * 4 + 1];

	figure_spark(text, h, MIN(width, (unsigned)DRAW_SPARK_MAX), s->is_ascii);
	*x += screen_put(s, *x, y, width, str_of(text), style);
}

/* ---- Head --------------------------------------------------------------------------------- */

static struct style alarm_style(int64_t count, enum tone tone)
{
	return (struct style){.tone = (uint8_t)(count ? tone : TONE_PLAIN), .is_bold = count > 0};
}

static void draw_summary(struct screen *s, const struct view *v, int64_t now_ms)
{
	const struct snapshot *now = model_now(v->model);
	bool is_wide = s->width >= 96;
	char count[FIGURE_MAX], right[128];
	unsigned x = 1;
	size_t len;

	put_text(s, &x, 0, (struct style){.is_bold = true}, "kavka top");
	if (!v->model->has_data) {
		put_text(s, &x, 0, STYLE(TONE_PLAIN), "  asking the cluster ...");
		return;
	}
	put_text(s, &x, 0, alarm_style(now->broker_count - now->up_count, TONE_RED),
		 "  %d/%d brokers%s", now->up_count, now->broker_count, is_wide ? " up" : "");
	figure_count(count, now->under_replicated_count);
	put_text(s, &x, 0, alarm_style(now->under_replicated_count, TONE_YELLOW),
		 "  %s under-repl%s", count, is_wide ? "icated" : "");
	figure_count(count, now->offline_count);
	put_text(s, &x, 0, alarm_style(now->offline_count, TONE_RED), "  %s offline", count);
	figure_count(count, now->partition_count);
	put_text(s, &x, 0, STYLE(TONE_PLAIN), "  %d topic%s  %s partition%s", now->topic_count,
		 now->topic_count == 1 ? "" : "s", count, now->partition_count == 1 ? "" : "s");
	len = (size_t)snprintf(right, sizeof(right), "%.*s  ", MIN((int)now->cluster_id.len, 64),
			       now->cluster_id.data ? now->cluster_id.data : "");
	event_time(now_ms, right + len);
	if (x + 2 + strlen(right) < s->width)
		put_right(s, 0, STYLE(TONE_DIM), right);
	else if (x + 2 + strlen(right + len) < s->width)
		put_right(s, 0, STYLE(TONE_DIM), right + len);
}

static void draw_unreachable(struct screen *s, const struct view *v, int64_t now_ms)
{
	const struct style style = {.tone = TONE_RED, .is_bold = true, .is_reversed = true};
	char since[FIGURE_MAX];
	unsigned x = 0;

	figure_duration(since, MAX(now_ms - v->model->unreachable_ms, 0) / 1000);
	screen_fill(s, 0, 1, s->width, style);
	put_text(s, &x, 1, style, " cluster unreachable for %s, trying again: %s", since,
		 err_message(&v->model->err));
}

static void draw_figures(struct screen *s, const struct view *v, int64_t waits_ms)
{
	const struct snapshot *now = model_now(v->model);
	char rate[FIGURE_MAX], lag[FIGURE_MAX];
	unsigned spark = s->width >= 100 ? 20 : 10, x = 1;

	figure_rate(rate, now->rate, false);
	figure_count(lag, now->lag);
	put_text(s, &x, 1, STYLE(TONE_PLAIN), "msgs/s %-6s", rate);
	put_spark(s, &x, 1, v->model->rate, spark, STYLE(TONE_CYAN));
	put_text(s, &x, 1, STYLE(TONE_PLAIN), "  lag %-9s", lag);
	put_spark(s, &x, 1, v->model->lag, spark, STYLE(TONE_YELLOW));
	put_text(s, &x, 1, STYLE(TONE_DIM), "  every %g s", (double)v->interval_ms / 1000);
	/* One that is no broker has no row. */
	if (now->quorum_leader >= 0 && !snapshot_broker(now, now->quorum_leader))
		put_text(s, &x, 1, STYLE(TONE_DIM), "  controller %d", now->quorum_leader);
	if (v->is_paused)
		put_text(s, &x, 1, (struct style){.tone = TONE_YELLOW, .is_reversed = true},
			 "  PAUSED ");
	else if (waits_ms > DRAW_PATIENCE_MS)
		put_text(s, &x, 1, STYLE(TONE_YELLOW), "  waiting for answers, %" PRId64 " s",
			 waits_ms / 1000);
	else
		put_text(s, &x, 1, STYLE(TONE_DIM), "  %u requests %.0f ms", now->request_count,
			 (double)now->took_us / 1000);
}

static void draw_tabs(struct screen *s, struct view *v, unsigned y)
{
	const struct place *p = view_place(v);
	unsigned x = 1;

	for (unsigned i = 0; i < VIEW_TAB_COUNT; i++) {
		struct style style = {.is_reversed = i == v->tab, .is_bold = i == v->tab};

		put_text(s, &x, y, style, " %u %s ", i + 1, rows_table(SCOPE_BROKERS + i)->title);
		put_text(s, &x, y, STYLE(TONE_PLAIN), " ");
	}
	for (unsigned i = 0; i < v->depth; i++)
		put_text(s, &x, y, (struct style){.is_bold = true}, "> %s%s ",
			 v->below[i].scope == SCOPE_BROKER ? "broker " : "", v->below[i].of);
	if (p->filter[0])
		put_text(s, &x, y, STYLE(TONE_CYAN), "  /%s  %zu", p->filter, v->rows.count);
}

/* ---- The table ---------------------------------------------------------------------------- */

struct layout {
	const struct top_table *table;
	unsigned widths[ROWS_COLUMNS_MAX]; /* 0: not shown */
};

static unsigned layout_total(const struct layout *l)
{
	unsigned total = 1;

	for (unsigned i = 0; i < l->table->column_count; i++)
		total += l->widths[i] ? l->widths[i] + 2 : 0;
	return total;
}

/* Takes away the columns that matter least, then shortens the widest text. */
static void layout_fit(struct layout *l, unsigned width)
{
	while (layout_total(l) > width + 2) {
		unsigned out = ROWS_COLUMNS_MAX, widest = ROWS_COLUMNS_MAX, over;

		for (unsigned i = 0; i < l->table->column_count; i++) {
			const struct top_column *c = &l->table->columns[i];

			if (!l->widths[i])
				continue;
			if (c->drop > 0 &&
			    (out == ROWS_COLUMNS_MAX || c->drop > l->table->columns[out].drop))
				out = i;
			if (c->kind == CELL_TEXT &&
			    (widest == ROWS_COLUMNS_MAX || l->widths[i] > l->widths[widest]))
				widest = i;
		}
		if (out < ROWS_COLUMNS_MAX) {
			l->widths[out] = 0;
			continue;
		}
		if (widest == ROWS_COLUMNS_MAX)
			return;
		over = layout_total(l) - width - 2;
		l->widths[widest] = l->widths[widest] > over + 8 ? l->widths[widest] - over : 8;
		return;
	}
}

static void layout_measure(struct layout *l, const struct view *v, size_t first, size_t count,
			   unsigned width)
{
	unsigned spark = ROWS_COLUMNS_MAX, total;

	for (unsigned i = 0; i < l->table->column_count; i++) {
		const struct top_column *c = &l->table->columns[i];

		l->widths[i] = (unsigned)strlen(c->title);
		/* Room for the mark of the order, so that it moves nothing. */
		if (c->kind != CELL_BAR && c->kind != CELL_SPARK)
			l->widths[i]++;
		if (c->kind == CELL_BAR)
			l->widths[i] = DRAW_BAR_WIDTH;
		if (c->kind == CELL_SPARK) {
			l->widths[i] = DRAW_SPARK_MIN;
			spark = i;
		}
		for (size_t n = first; n < first + count && c->title[0]; n++) {
			char room[CELL_TEXT_MAX];
			struct cell cell;

			rows_cell(&v->rows, &v->rows.items[n], i, &cell);
			l->widths[i] = MAX(l->widths[i],
					   screen_text_width(cell_text(&cell, c->kind, room)));
		}
	}
	layout_fit(l, width);
	total = layout_total(l);
	if (spark < ROWS_COLUMNS_MAX && l->widths[spark] && total < width + 1)
		l->widths[spark] =
			MIN(l->widths[spark] + width + 1 - total, (unsigned)DRAW_SPARK_MAX);
}

static void draw_titles(struct screen *s, struct view *v, const struct layout *l, unsigned y)
{
	static const char *const marks[2][2] = {{"▴", "▾"}, {"^", "v"}};
	const struct place *p = view_place(v);
	unsigned x = 1;

	for (unsigned i = 0; i < l->table->column_count; i++) {
		const struct top_column *c = &l->table->columns[i];
		struct style style = {.is_bold = true};
		char title[32];

		if (!l->widths[i])
			continue;
		if (i == p->sort_column && p->scope != SCOPE_EVENTS) {
			bool is_falling = c->is_falling != p->is_reversed;

			style.tone = TONE_CYAN;
			snprintf(title, sizeof(title), "%s%s", c->title,
				 marks[s->is_ascii][is_falling]);
		} else {
			snprintf(title, sizeof(title), "%s", c->title);
		}
		if (cell_is_right(c->kind))
			screen_put(s, x + l->widths[i] - screen_text_width(str_of(title)), y,
				   l->widths[i], str_of(title), style);
		else
			screen_put(s, x, y, l->widths[i], str_of(title), style);
		x += l->widths[i] + 2;
	}
}

static void draw_cell(struct screen *s, unsigned x, unsigned y, unsigned width, enum cell_kind kind,
		      const struct cell *cell, bool is_selected)
{
	struct style style = {.tone = (uint8_t)cell->tone, .is_reversed = is_selected};
	char room[CELL_TEXT_MAX], bar[DRAW_BAR_WIDTH * 4 + 1];
	struct str text;
	unsigned used;

	switch (kind) {
	case CELL_BAR:
		figure_bar(bar, cell->number, MIN(width, (unsigned)DRAW_BAR_WIDTH), s->is_ascii);
		screen_put(s, x, y, width, str_of(bar), style);
		break;
	case CELL_SPARK: put_spark(s, &x, y, cell->history, width, style); break;
	default:
		text = cell_text(cell, kind, room);
		used = MIN(screen_text_width(text), width);
		screen_put(s, cell_is_right(kind) ? x + width - used : x, y, width, text, style);
		break;
	}
}

static void draw_row(struct screen *s, struct view *v, const struct layout *l, size_t n, unsigned y)
{
	bool is_selected = n == view_place(v)->selected;
	unsigned x = 1;

	if (is_selected)
		screen_fill(s, 0, y, s->width, (struct style){.is_reversed = true});
	for (unsigned i = 0; i < l->table->column_count; i++) {
		struct cell cell;

		if (!l->widths[i])
			continue;
		rows_cell(&v->rows, &v->rows.items[n], i, &cell);
		draw_cell(s, x, y, l->widths[i], l->table->columns[i].kind, &cell, is_selected);
		x += l->widths[i] + 2;
	}
}

static void draw_table(struct screen *s, struct view *v, unsigned y, unsigned height)
{
	struct layout l = {.table = rows_table(view_place(v)->scope)};
	size_t first, count;
	unsigned x = 1;

	v->page = MAX(height, 2u) - 1;
	view_update(v);
	first = view_place(v)->first;
	count = MIN(v->rows.count - first, v->page);
	layout_measure(&l, v, first, count, s->width);
	draw_titles(s, v, &l, y);
	for (size_t i = 0; i < count; i++)
		draw_row(s, v, &l, first + i, y + 1 + (unsigned)i);
	if (count == 0)
		put_text(s, &x, y + 1, STYLE(TONE_DIM), "%s",
			 view_place(v)->filter[0] ? "no such name" : l.table->empty);
}

/* ---- Below -------------------------------------------------------------------------------- */

static void draw_events(struct screen *s, const struct view *v, unsigned y, unsigned height)
{
	const struct top_events *events = &v->model->events;
	unsigned ages[EVENTS_MAX], count, x = 0;

	put_text(s, &x, y, STYLE(TONE_DIM), s->is_ascii ? "- Events " : "─ Events ");
	while (x < s->width)
		put_text(s, &x, y, STYLE(TONE_DIM), s->is_ascii ? "-" : "─");
	/* The newest on top, where the eye is. */
	count = events_order(events, ages);
	for (unsigned i = 0; i + 1 < height && i < count; i++) {
		const struct top_event *e = events_at(events, ages[i]);
		char time[EVENT_TIME_MAX];

		x = 1;
		event_time(e->wall_ms, time);
		put_text(s, &x, y + 1 + i, STYLE(TONE_DIM), "%s  ", time);
		put_text(s, &x, y + 1 + i, STYLE((uint8_t)e->tone), "%s", e->text);
	}
	x = 1;
	if (count == 0 && height > 1)
		put_text(s, &x, y + 1, STYLE(TONE_DIM), "%s", rows_table(SCOPE_EVENTS)->empty);
}

static void draw_foot(struct screen *s, struct view *v, unsigned y)
{
	const struct place *p = view_place(v);
	char place[64];
	unsigned x = 1;

	if (v->is_filtering) {
		put_text(s, &x, y, (struct style){.is_bold = true}, "/%s", p->filter);
		screen_fill(s, x, y, 1, (struct style){.is_reversed = true});
		x += 2;
		put_text(s, &x, y, STYLE(TONE_DIM), " Enter keeps it, Esc drops it");
		return;
	}
	put_text(s, &x, y, STYLE(TONE_DIM), "%s",
		 v->depth > 0 ? "Esc back  s sort  r reverse  / filter  Space pause  +- interval  "
				"? help  q quit"
			      : "Enter open  Tab next  s sort  r reverse  / filter  Space pause  ? "
				"help  q quit");
	snprintf(place, sizeof(place), "%zu/%zu", v->rows.count ? p->selected + 1 : 0,
		 v->rows.count);
	if (x + strlen(place) + 2 < s->width)
		put_right(s, y, STYLE(TONE_DIM), place);
}

static void draw_help(struct screen *s)
{
	unsigned y = 1, x = 2;

	put_text(s, &x, y, (struct style){.is_bold = true}, "kavka top");
	y += 2;
	for (unsigned i = 0; view_helps[i].keys; i++, y++) {
		x = 2;
		put_text(s, &x, y, STYLE(TONE_CYAN), "%-16s", view_helps[i].keys);
		put_text(s, &x, y, STYLE(TONE_PLAIN), "%s", view_helps[i].text);
	}
	x = 2;
	put_text(s, &x, y + 1, STYLE(TONE_DIM),
		 "Rates are differences of end offsets: messages that came in, per second.");
	x = 2;
	put_text(s, &x, y + 2, STYLE(TONE_DIM), "Any key goes back.");
}

void draw_view(struct screen *s, struct view *v, int64_t now_ms, int64_t waits_ms)
{
	unsigned events, below;

	screen_clear(s);
	if (v->shows_help) {
		draw_help(s);
		return;
	}
	draw_summary(s, v, now_ms);
	if (!v->model->has_data)
		return;
	below = s->height > DRAW_FIXED_LINES ? s->height - DRAW_FIXED_LINES : 0;
	events = view_place(v)->scope == SCOPE_EVENTS || below < 8
			 ? 0
			 : MIN(below / 3, (unsigned)DRAW_EVENTS_MAX);
	if (v->model->is_unreachable)
		draw_unreachable(s, v, now_ms);
	else
		draw_figures(s, v, waits_ms);
	/* The rows first: the tabs tell how many a filter leaves. */
	draw_table(s, v, DRAW_HEAD_LINES + 1, below + 1 - events);
	draw_tabs(s, v, DRAW_HEAD_LINES);
	if (events > 0)
		draw_events(s, v, s->height - 1 - events, events);
	draw_foot(s, v, s->height - 1);
}
