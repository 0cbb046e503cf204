/* How a command prints what it found: the rows --output, --json and --quiet that all commands with
 * data share, tables with aligned columns, and colours.
 *
 *	struct x_args { struct cluster_args cluster; struct output_args output; ... };
 *	static const struct opt x_opts[] = {OPTS_CLUSTER, OPTS_OUTPUT, ...};
 *
 *	rc = output_format(&args->output, &format, &err);	// E_USAGE: help_usage()
 *	if (format == OUTPUT_JSON) ...				// json_out.h, one object a line
 *	else if (format == OUTPUT_TABLE) ...			// struct grid
 *	else ...						// Apache's text
 *
 * stdout is for data. What only tells that something was done goes through output_say() (stdout,
 * as Apache's tools have it) or output_note() (stderr); --quiet silences both. Errors are printed
 * by help_failure() whatever was asked for.
 *
 * Colours are used when stdout is a terminal, TERM is not "dumb" and NO_COLOR is unset or empty;
 * CLICOLOR_FORCE (not empty, not 0) uses them always. */
#ifndef KAVKA_CMD_OUTPUT_H
#define KAVKA_CMD_OUTPUT_H

#include "cmd/command.h"

enum output_format {
	OUTPUT_TEXT,	/* as Apache's tool prints it */
	OUTPUT_JSON,	/* one object a line */
	OUTPUT_TABLE,	/* aligned columns with titles */
};

struct output_args {
	const char *format;
	bool json, quiet;
};

/* The shared rows of a table whose AT() knows a field `output`. */
#define OPTS_OUTPUT \
	{"output", OPT_STRING, AT(output.format), .arg = "format", .flags = OPT_OWN, \
	 .complete = COMPLETE_WORDS, .words = "text json table", \
	 .help = "Print text as Apache's tool does, JSON with one object a line, or a table."}, \
	{"json", OPT_FLAG, AT(output.json), .flags = OPT_OWN, \
	 .help = "Print JSON with one object a line: short for --output json."}, \
	{"quiet", OPT_FLAG, AT(output.quiet), .flags = OPT_OWN, \
	 .help = "Print data and errors only."}

/* E_USAGE for a format that there is none of. */
MUST_USE int output_format(const struct output_args *args, enum output_format *out,
			   struct err *err);

/* Set by the frame when a row "quiet" was given. */
void output_set_quiet(bool is_quiet);
bool output_is_quiet(void);
/* "Created topic a.": to stdout. The text brings its newline. */
void output_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* "NAME: TEXT\n": to stderr. */
void output_note(const struct run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- Colours ------------------------------------------------------------------------------ */

enum tone {
	TONE_PLAIN,
	TONE_BOLD,
	TONE_DIM,
	TONE_RED,	/* wrong: no leader, a failure */
	TONE_GREEN,	/* as it should be */
	TONE_YELLOW,	/* look at this: lag, under-replicated */
	TONE_BLUE,
	TONE_MAGENTA,
	TONE_CYAN,
	TONE_COUNT,
};

/* Are colours used on stdout? Asked once. */
bool output_has_color(void);
/* What begins a tone, and ends any; "" without colours. */
const char *tone_on(enum tone tone);
const char *tone_off(void);

/* ---- Tables ------------------------------------------------------------------------------- */

#define GRID_COLUMNS_MAX 24

/* Titles, and under them cells in columns as wide as they need to be, two blanks apart, nothing
 * behind the last one. A title that begins with '>' (not printed) has its column right-justified.
 * Widths count characters, not bytes.
 *
 *	static const char *const titles[] = {"TOPIC", ">PARTITIONS"};
 *	grid_init(&g, &run->arena, titles, ARRAY_LEN(titles));
 *	grid_add(&g, name, grid_int(&g, count));
 *	grid_tone(&g, 1, TONE_RED);		// of the row just added
 *	grid_print(&g);
 *
 * Titles and cells are borrowed until grid_print(). */
struct grid {
	struct arena *arena;
	const char *const *titles;
	unsigned column_count;
	const char **cells;	/* row after row */
	uint8_t *tones;		/* enum tone of each cell */
	size_t row_count, cell_cap;
};

void grid_init(struct grid *g, struct arena *a, const char *const *titles, unsigned count);
/* The next row: a text for each column, NULL prints "-". */
void grid_row(struct grid *g, const char *const *cells);
#define grid_add(g, ...) grid_row((g), (const char *const[]){__VA_ARGS__})
const char *grid_int(struct grid *g, int64_t value);
void grid_tone(struct grid *g, unsigned column, enum tone tone);
void grid_print(const struct grid *g);

#endif
