/* The tables that are shown, on the screen and as text: which columns each has, which rows, in
 * which order. Pure.
 *
 *	rows_list(&rows, model, scope, of, filter, shows_internal);
 *	rows_sort(&rows, column, is_reversed);
 *	rows_cell(&rows, &rows.items[i], column, &cell);
 *
 * Rows point into the model's present snapshot, and last as long as it does. */
#ifndef KAVKA_CMD_TOP_ROWS_H
#define KAVKA_CMD_TOP_ROWS_H

#include "cmd/top/model.h"

enum top_scope {
	SCOPE_BROKERS,
	SCOPE_TOPICS,
	SCOPE_GROUPS,
	SCOPE_EVENTS,
	SCOPE_TOPIC,  /* the partitions of a topic */
	SCOPE_BROKER, /* the partitions that have a replica on a broker */
	SCOPE_GROUP,  /* the partitions that a group reads */
	SCOPE_COUNT,
};

enum cell_kind {
	CELL_TEXT,
	CELL_ID, /* a number without commas */
	CELL_COUNT,
	CELL_RATE,
	CELL_TREND, /* a rate with its sign */
	CELL_BYTES,
	CELL_DURATION, /* seconds */
	CELL_BAR,      /* 0..1 */
	CELL_SPARK,
};

struct top_column {
	const char *title;
	enum cell_kind kind;
	unsigned drop;   /* 0: stays; of the others, the highest goes first if there is no room */
	bool is_falling; /* sorted by it, the greatest comes first */
};

#define ROWS_COLUMNS_MAX 14
#define CELL_TEXT_MAX 64
#define ROW_KEY_MAX 300

struct top_table {
	const char *title;
	const struct top_column *columns;
	unsigned column_count;
	unsigned sort_column; /* at first */
	const char *empty;    /* what is said when there is no row */
};

struct cell {
	double number;   /* NaN: not known */
	struct str text; /* CELL_TEXT; may be in `room` */
	enum tone tone;
	const struct history *history;
	char room[CELL_TEXT_MAX];
};

struct row {
	const void *item;
	const void *owner; /* the topic or group that it is of */
	/* the key while it is sorted */
	double number;
	struct str text;
	size_t order;
};

struct rows {
	struct arena arena; /* of the keys */
	struct top_model *model;
	enum top_scope scope;
	struct row *items;
	size_t count, cap;
	double greatest; /* what a full bar stands for */
};

void rows_init(struct rows *r);
void rows_fini(struct rows *r);

const struct top_table *rows_table(enum top_scope scope);
/* `of`: the topic, group or broker (its id as text). Only rows whose name has `filter` in it, in
 * any case; "": all. Internal topics with nothing wrong are left out unless `shows_internal`. */
void rows_list(struct rows *r, struct top_model *m, enum top_scope scope, struct str of,
	       const char *filter, bool shows_internal);
/* Equal rows stay in the order of their names. */
void rows_sort(struct rows *r, unsigned column, bool is_reversed);
void rows_cell(const struct rows *r, const struct row *row, unsigned column, struct cell *out);
/* What the row is about, the same in each moment: "lecture-3". Returns `text`. */
const char *rows_key(const struct rows *r, const struct row *row, char text[ROW_KEY_MAX]);
/* A cell as text, in `room`, which has CELL_TEXT_MAX bytes, or borrowed from the snapshot. Not of
 * bars and sparklines. */
struct str cell_text(const struct cell *cell, enum cell_kind kind, char *room);
static inline bool cell_is_right(enum cell_kind kind)
{
	return kind != CELL_TEXT && kind != CELL_BAR && kind != CELL_SPARK;
}

#endif
