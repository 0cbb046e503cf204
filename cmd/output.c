#include "cmd/output.h"
#include "cmd/print.h"
#include "cmd/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool is_quiet;
	int color;		/* 0: not asked, 1: yes, -1: no */
} output_now;

int output_format(const struct output_args *args, enum output_format *out, struct err *err)
{
	static const char *const names[] = {
		[OUTPUT_TEXT] = "text", [OUTPUT_JSON] = "json", [OUTPUT_TABLE] = "table",
	};

	*out = args->json ? OUTPUT_JSON : OUTPUT_TEXT;
	if (!args->format)
		return 0;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(args->format, names[i]) != 0)
			continue;
		if (args->json && i != OUTPUT_JSON)
			return err_set(err, E_USAGE, "--json cannot be used with --output %s",
				       args->format);
		*out = i;
		return 0;
	}
	return err_set(err, E_USAGE, "--output: '%s' is no format: text, json or table",
		       args->format);
}

void output_set_quiet(bool is_quiet)
{
	output_now.is_quiet = is_quiet;
}

bool output_is_quiet(void)
{
	return output_now.is_quiet;
}

void output_say(const char *fmt, ...)
{
	char text[2048];
	va_list args;
	int len;

	if (output_now.is_quiet)
		return;
	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len > 0)
		print_bytes(text, MIN((size_t)len, sizeof(text) - 1));
}

void output_note(const struct run *run, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	if (output_now.is_quiet)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	print_error("%s: %s\n", run->name, text);
}

/* ---- Colours ------------------------------------------------------------------------------ */

static bool output_wants_color(void)
{
	const char *force = getenv("CLICOLOR_FORCE"), *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (no && *no)
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return print_to_terminal() && (!term || strcmp(term, "dumb") != 0);
}

bool output_has_color(void)
{
	if (output_now.color == 0)
		output_now.color = output_wants_color() ? 1 : -1;
	return output_now.color > 0;
}

const char *tone_on(enum tone tone)
{
	static const char *const codes[TONE_COUNT] = {
		[TONE_PLAIN] = "",
		[TONE_BOLD] = "\033[1m",
		[TONE_DIM] = "\033[2m",
		[TONE_RED] = "\033[31m",
		[TONE_GREEN] = "\033[32m",
		[TONE_YELLOW] = "\033[33m",
		[TONE_BLUE] = "\033[34m",
		[TONE_MAGENTA] = "\033[35m",
		[TONE_CYAN] = "\033[36m",
	};

	assert(tone < TONE_COUNT);
	return output_has_color() ? codes[tone] : "";
}

const char *tone_off(void)
{
	return output_has_color() ? "\033[0m" : "";
}

/* ---- Tables ------------------------------------------------------------------------------- */

void grid_init(struct grid *g, struct arena *a, const char *const *titles, unsigned count)
{
	assert(count > 0 && count <= GRID_COLUMNS_MAX);
	*g = (struct grid){.arena = a, .titles = titles, .column_count = count};
}

void grid_row(struct grid *g, const char *const *cells)
{
	size_t at = g->row_count * g->column_count;

	if (at + g->column_count > g->cell_cap) {
		size_t cap = (at + g->column_count) * 2;
		const char **grown = arena_array(g->arena, cap, sizeof(*grown));
		uint8_t *tones = arena_array(g->arena, cap, 1);

		if (at > 0) {
			memcpy(grown, g->cells, at * sizeof(*grown));
			memcpy(tones, g->tones, at);
		}
		g->cells = grown;
		g->tones = tones;
		g->cell_cap = cap;
	}
	for (unsigned i = 0; i < g->column_count; i++) {
		g->cells[at + i] = cells[i] ? cells[i] : "-";
		g->tones[at + i] = TONE_PLAIN;
	}
	g->row_count++;
}

const char *grid_int(struct grid *g, int64_t value)
{
	return arena_printf(g->arena, "%" PRId64, value);
}

void grid_tone(struct grid *g, unsigned column, enum tone tone)
{
	assert(g->row_count > 0 && column < g->column_count && tone < TONE_COUNT);
	g->tones[(g->row_count - 1) * g->column_count + column] = (uint8_t)tone;
}

/* Characters, for the width of a cell; what is no UTF-8 counts by bytes. */
static unsigned grid_width(const char *text)
{
	size_t left = strlen(text);
	unsigned width = 0;

	while (left > 0) {
		size_t len = utf8_char_len((const uint8_t *)text, left, NULL);

		len = len ? len : 1;
		text += len;
		left -= len;
		width++;
	}
	return width;
}

static void grid_cell(const char *text, enum tone tone, unsigned width, bool is_right, bool is_last)
{
	int blank = (int)(width - grid_width(text));

	if (is_right)
		print_text("%*s", blank, "");
	if (tone == TONE_PLAIN)
		print_text("%s", text);
	else
		print_text("%s%s%s", tone_on(tone), text, tone_off());
	if (!is_last)
		print_text("%*s", (is_right ? 0 : blank) + 2, "");
}

void grid_print(const struct grid *g)
{
	unsigned widths[GRID_COLUMNS_MAX];
	unsigned last = g->column_count - 1;

	for (unsigned i = 0; i <= last; i++) {
		widths[i] = grid_width(g->titles[i] + (g->titles[i][0] == '>'));
		for (size_t row = 0; row < g->row_count; row++)
			widths[i] = MAX(widths[i],
					grid_width(g->cells[row * g->column_count + i]));
	}
	for (unsigned i = 0; i <= last; i++) {
		bool is_right = g->titles[i][0] == '>';

		grid_cell(g->titles[i] + is_right, TONE_BOLD, widths[i], is_right, i == last);
	}
	print_byte('\n');
	for (size_t row = 0; row < g->row_count; row++) {
		size_t at = row * g->column_count;

		for (unsigned i = 0; i <= last; i++)
			grid_cell(g->cells[at + i], g->tones[at + i], widths[i],
				  g->titles[i][0] == '>', i == last);
		print_byte('\n');
	}
}
