/* Tables as Apache's tools print them: left-justified columns, each as wide as its widest cell but
 * not less than its minimum, a blank between them.
 *
 *	struct table t;
 *	table_init(&t, arena, columns, ARRAY_LEN(columns));
 *	table_add(&t, "a", "b");			// as many texts as columns
 *	table_print(&t, TABLE_LINE_FIRST);
 *
 * The texts are borrowed until table_print. */
#ifndef KAVKA_CMD_TABLE_H
#define KAVKA_CMD_TABLE_H

#include "base/arena.h"

#include <stdbool.h>

#define TABLE_COLUMNS_MAX 16

struct column {
	const char *title;
	unsigned width_min;
	bool grows;		/* as wide as its widest cell */
	bool is_bare;		/* not padded at all (a last column) */
};

#define COLUMN(name, width) ((struct column){.title = (name), .width_min = (width)})
#define COLUMN_WIDE(name, width) \
	((struct column){.title = (name), .width_min = (width), .grows = true})
#define COLUMN_BARE(name) ((struct column){.title = (name), .is_bare = true})

enum table_line {
	TABLE_LINE_LAST,	/* a newline behind each row */
	TABLE_LINE_FIRST,	/* a newline before each row, and one at the very end */
};

struct table {
	struct arena *arena;
	const struct column *columns;
	unsigned column_count;
	const char **cells;	/* row after row, without the titles */
	size_t row_count, cell_cap;
	bool title_blank, row_blank;	/* a blank behind the last column of the titles, the rows */
};

void table_init(struct table *t, struct arena *a, const struct column *columns, unsigned count);
/* The next row: `column_count` texts, NULL prints "-". */
void table_row(struct table *t, const char *const *cells);
#define table_add(t, ...) table_row((t), (const char *const[]){__VA_ARGS__})
void table_print(const struct table *t, enum table_line line);

#endif
