#include "cmd/hex_dump.h"
#include "cmd/json_out.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "wire/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_ROW_BYTES 8
#define HEX_WIDTH (HEX_ROW_BYTES * 3 - 1)
/* Of one field; the rest is counted. */
#define HEX_FIELD_BYTES_MAX 256

struct hex_line {
	struct explain_line line; /* texts in the arena */
};

struct hex {
	struct arena *arena;
	struct hex_line *lines;
	size_t count, cap;
	unsigned field_width;
};

static void hex_add(void *ctx, const struct explain_line *line)
{
	struct hex *h = ctx;
	struct hex_line *to;

	if (h->count == h->cap) {
		h->cap = MAX(h->cap * 2, (size_t)64);
		h->lines = xrealloc(h->lines, h->cap * sizeof(*h->lines));
	}
	to = &h->lines[h->count++];
	to->line = *line;
	to->line.field = arena_strdup(h->arena, line->field);
	to->line.value = arena_strdup(h->arena, line->value);
	h->field_width = MAX(h->field_width, (unsigned)strlen(line->field));
}

static void hex_row(const struct explain_line *l, size_t from, unsigned field_width)
{
	size_t n = l->bytes ? MIN(l->len - from, (size_t)HEX_ROW_BYTES) : 0;
	const char *dim = tone_on(TONE_DIM), *off = tone_off();

	if (l->bytes)
		print_text("%s%06zx%s  ", dim, l->pos + from, off);
	else
		print_text("%6s  ", "");
	for (size_t i = 0; i < n; i++)
		print_text(i ? " %02x" : "%02x", l->bytes[from + i]);
	if (from == 0)
		print_text("%*s  %s%-*s%s  %s", (int)(HEX_WIDTH - (n ? n * 3 - 1 : 0)), "",
			   tone_on(TONE_CYAN), (int)field_width, l->field, off, l->value);
	print_byte('\n');
}

static void hex_text(const struct hex *h)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct explain_line *l = &h->lines[i].line;
		size_t shown = l->bytes ? MIN(l->len, (size_t)HEX_FIELD_BYTES_MAX) : 0;

		hex_row(l, 0, h->field_width);
		for (size_t at = HEX_ROW_BYTES; at < shown; at += HEX_ROW_BYTES)
			hex_row(l, at, h->field_width);
		if (l->bytes && shown < l->len)
			print_text("        ... %zu more bytes\n", l->len - shown);
	}
}

static void hex_json(const struct hex *h, const char *title)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct explain_line *l = &h->lines[i].line;
		struct json_out j = {0};
		char *bytes = xmalloc(l->len * 2 + 1);

		bytes[0] = '\0';
		for (size_t at = 0; l->bytes && at < l->len; at++)
			snprintf(bytes + at * 2, 3, "%02x", l->bytes[at]);
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "message", title);
		if (l->bytes)
			json_out_int(&j, "offset", (int64_t)l->pos);
		else
			json_out_null(&j, "offset");
		json_out_int(&j, "length", (int64_t)l->len);
		json_out_text(&j, "bytes", l->bytes ? bytes : NULL);
		json_out_text(&j, "field", l->field);
		json_out_text(&j, "value", l->value);
		json_out_close(&j, '}');
		print_byte('\n');
		free(bytes);
	}
}

int hex_dump_frame(struct arena *arena, const char *title, const struct api *response_of,
		   int16_t version, struct slice frame, bool as_json, struct err *err)
{
	struct hex h = {.arena = arena};
	int rc = response_of ? explain_response(response_of, version, frame, hex_add, &h, err)
			     : explain_request(frame, hex_add, &h, err);

	if (as_json) {
		hex_json(&h, title);
	} else {
		print_text("%s%s, %zu bytes%s\n", tone_on(TONE_BOLD), title, frame.len, tone_off());
		hex_text(&h);
	}
	free(h.lines);
	return rc;
}
