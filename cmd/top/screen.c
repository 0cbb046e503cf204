#include "cmd/top/screen.h"

#include "base/mem.h"
#include "cmd/utf8.h"

#include <string.h>

#define SYNC_BEGIN "\x1b[?2026h"
#define SYNC_END "\x1b[?2026l"

void screen_init(struct screen *s, bool is_ascii)
{
	*s = (struct screen){.is_ascii = is_ascii};
}

void screen_fini(struct screen *s)
{
	free(s->next);
	free(s->shown);
}

void screen_resize(struct screen *s, unsigned width, unsigned height)
{
	s->width = MIN(MAX(width, 1u), (unsigned)SCREEN_SIDE_MAX);
	s->height = MIN(MAX(height, 1u), (unsigned)SCREEN_SIDE_MAX);
	free(s->next);
	free(s->shown);
	s->next = xcalloc((size_t)s->width * s->height, sizeof(*s->next));
	s->shown = xcalloc((size_t)s->width * s->height, sizeof(*s->shown));
	screen_clear(s);
	screen_forget(s);
}

void screen_clear(struct screen *s)
{
	for (size_t i = 0; i < (size_t)s->width * s->height; i++)
		s->next[i] = (struct screen_cell){.text = " ", .len = 1};
}

void screen_forget(struct screen *s)
{
	s->is_unknown = true;
}

/* ---- Characters --------------------------------------------------------------------------- */

static uint32_t char_code(const uint8_t *p, size_t len)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code = p[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (p[i] & 0x3fu);
	return code;
}

static bool code_is_in(uint32_t code, const uint32_t (*ranges)[2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	return false;
}

/* Columns of a character: 0 for what is put over the one before, 2 for East Asian ones and
 * pictures. */
static unsigned char_width(uint32_t code)
{
	static const uint32_t over[][2] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
					   {0x610, 0x61a},   {0x64b, 0x65f},   {0x200b, 0x200f},
					   {0x202a, 0x202e}, {0x2060, 0x2069}, {0x20d0, 0x20ff},
					   {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};
	static const uint32_t wide[][2] = {
		{0x1100, 0x115f},  {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97f},
		{0xac00, 0xd7a3},  {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
		{0xffe0, 0xffe6},  {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
		{0x20000, 0x3fffd}};

	if (code < 0x300)
		return 1;
	if (code_is_in(code, over, ARRAY_LEN(over)))
		return 0;
	return code_is_in(code, wide, ARRAY_LEN(wide)) ? 2 : 1;
}

/* The next character of `left` > 0 bytes, as it may be shown; returns how many bytes it is. */
static size_t char_next(const char *text, size_t left, bool is_ascii, struct screen_cell *out,
			unsigned *width)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t bad = 1, len = utf8_char_len(p, left, &bad);
	uint32_t code = len > 0 ? char_code(p, len) : 0;
	bool is_control = len > 0 && (code < 0x20 || (code >= 0x7f && code < 0xa0));

	*width = len > 0 ? char_width(code) : 1;
	if (len == 0 || is_control || (is_ascii && code >= 0x80)) {
		out->text[0] = '?';
		out->len = 1;
		return len > 0 ? len : bad;
	}
	memcpy(out->text, text, len);
	out->len = (uint8_t)len;
	return len;
}

unsigned screen_text_width(struct str text)
{
	struct screen_cell cell;
	unsigned width, sum = 0;

	for (size_t i = 0; i < text.len; sum += width)
		i += char_next(text.data + i, text.len - i, false, &cell, &width);
	return sum;
}

/* ---- Drawing ------------------------------------------------------------------------------ */

unsigned screen_put(struct screen *s, unsigned x, unsigned y, unsigned width, struct str text,
		    struct style style)
{
	unsigned at = x, end;

	if (y >= s->height || x >= s->width)
		return 0;
	end = MIN(width, s->width - x) + x;
	for (size_t i = 0; i < text.len && at < end;) {
		struct screen_cell cell = {.style = style};
		unsigned columns;

		i += char_next(text.data + i, text.len - i, s->is_ascii, &cell, &columns);
		if (columns == 0)
			continue;
		if (columns == 2 && (s->is_ascii || at + 2 > end))
			columns = 1;
		if (columns == 1 && cell.len > 1 && at + 1 == end &&
		    screen_text_width((struct str){cell.text, cell.len}) == 2) {
			cell.text[0] = ' ';
			cell.len = 1;
		}
		s->next[y * s->width + at++] = cell;
		if (columns == 2)
			s->next[y * s->width + at++] = (struct screen_cell){.style = style};
	}
	return at - x;
}

void screen_fill(struct screen *s, unsigned x, unsigned y, unsigned width, struct style style)
{
	for (unsigned at = x; y < s->height && at < s->width && at < x + width; at++)
		s->next[y * s->width + at] =
			(struct screen_cell){.text = " ", .len = 1, .style = style};
}

/* ---- Differences -------------------------------------------------------------------------- */

static bool cell_same(const struct screen_cell *a, const struct screen_cell *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0 &&
	       memcmp(&a->style, &b->style, sizeof(a->style)) == 0;
}

static void emit_style(struct out *to, const struct style *style, bool has_color)
{
	static const uint8_t colors[TONE_COUNT] = {
		[TONE_RED] = 31,  [TONE_GREEN] = 32,   [TONE_YELLOW] = 33,
		[TONE_BLUE] = 34, [TONE_MAGENTA] = 35, [TONE_CYAN] = 36,
	};

	out_text(to, "\x1b[0");
	if (style->is_bold || style->tone == TONE_BOLD)
		out_text(to, ";1");
	if (style->tone == TONE_DIM)
		out_text(to, ";2");
	if (style->is_reversed)
		out_text(to, ";7");
	if (has_color && colors[style->tone])
		out_printf(to, ";%d", colors[style->tone]);
	out_byte(to, 'm');
}

/* Unchanged cells between two changes are written again when that is shorter than to go there. */
#define EMIT_GAP_MAX 6

static void emit_line(struct screen *s, unsigned y, struct out *to, bool has_color,
		      struct style *style)
{
	const struct screen_cell *next = &s->next[(size_t)y * s->width];
	const struct screen_cell *shown = &s->shown[(size_t)y * s->width];
	unsigned at = UINT32_MAX; /* where the cursor is */

	for (unsigned x = 0; x < s->width; x++) {
		if (!s->is_unknown && cell_same(&next[x], &shown[x]))
			continue;
		/* A wide character is written as a whole. */
		if (next[x].len == 0 && x > 0 && at != x)
			x--;
		if (at > x || x - at > EMIT_GAP_MAX) {
			out_printf(to, "\x1b[%u;%uH", y + 1, x + 1);
			at = x;
		}
		for (; at <= x; at++) {
			if (next[at].len == 0)
				continue;
			if (memcmp(style, &next[at].style, sizeof(*style)) != 0) {
				*style = next[at].style;
				emit_style(to, style, has_color);
			}
			out_bytes(to, next[at].text, next[at].len);
		}
		while (at < s->width && next[at].len == 0) {
			at++;
			x++;
		}
	}
}

void screen_emit(struct screen *s, struct out *to, bool has_color)
{
	size_t size = (size_t)s->width * s->height * sizeof(*s->next);
	struct style style = {.tone = TONE_COUNT};
	size_t begin = to->len, head;

	out_text(to, SYNC_BEGIN);
	if (s->is_unknown)
		out_text(to, "\x1b[0m\x1b[2J");
	head = to->len;
	for (unsigned y = 0; y < s->height; y++)
		emit_line(s, y, to, has_color, &style);
	if (to->len == head && !s->is_unknown) {
		to->len = begin;
		return;
	}
	out_text(to, "\x1b[0m" SYNC_END);
	memcpy(s->shown, s->next, size);
	s->is_unknown = false;
}
