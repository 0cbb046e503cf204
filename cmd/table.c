#include "cmd/table.h"
#include "cmd/print.h"

#include <string.h>

void table_init(struct table *t, struct arena *a, const struct column *columns, unsigned count)
{
	assert(count > 0 && count <= TABLE_COLUMNS_MAX);
	*t = (struct table){.arena = a, .columns = columns, .column_count = count};
}

void table_row(struct table *t, const char *const *cells)
{
	size_t at = t->row_count * t->column_count;

	if (at + t->column_count > t->cell_cap) {
		size_t cap = (at + t->column_count) * 2;
		const char **grown = arena_array(t->arena, cap, sizeof(*grown));

		if (at > 0)
			memcpy(grown, t->cells, at * sizeof(*grown));
		t->cells = grown;
		t->cell_cap = cap;
	}
	for (unsigned i = 0; i < t->column_count; i++)
		t->cells[at + i] = cells[i] ? cells[i] : "-";
	t->row_count++;
}

static void table_print_row(const struct table *t, const char *const *cells, const unsigned *widths)
{
	for (unsigned i = 0; i < t->column_count; i++) {
		if (i > 0)
			print_byte(' ');
		if (t->columns[i].is_bare)
			print_text("%s", cells[i]);
		else
			print_text("%-*s", (int)widths[i], cells[i]);
	}
}

void table_print(const struct table *t, enum table_line line)
{
	const char *titles[TABLE_COLUMNS_MAX];
	unsigned widths[TABLE_COLUMNS_MAX];

	for (unsigned i = 0; i < t->column_count; i++) {
		titles[i] = t->columns[i].title;
		widths[i] = t->columns[i].width_min;
		for (size_t row = 0; t->columns[i].grows && row < t->row_count; row++)
			widths[i] = MAX(widths[i],
					(unsigned)strlen(t->cells[row * t->column_count + i]));
	}
	if (line == TABLE_LINE_FIRST)
		print_byte('\n');
	table_print_row(t, titles, widths);
	if (t->title_blank)
		print_byte(' ');
	for (size_t row = 0; row < t->row_count; row++) {
		print_byte('\n');
		table_print_row(t, t->cells + row * t->column_count, widths);
		if (t->row_blank)
			print_byte(' ');
	}
	print_byte('\n');
}
