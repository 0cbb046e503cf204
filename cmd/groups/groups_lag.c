#include "cmd/groups/groups_watch.h"

#include "base/mem.h"
#include "cmd/utf8.h"

#include <stdlib.h>
#include <string.h>

static int point_cmp(const void *a, const void *b)
{
	const struct lag_point *x = a, *y = b;
	int order = str_cmp(x->group, y->group);

	order = order ? order : str_cmp(x->topic, y->topic);
	return order ? order : x->partition < y->partition ? -1 : x->partition > y->partition;
}

void lag_sample_init(struct lag_sample *s)
{
	*s = (struct lag_sample){0};
	arena_init(&s->arena);
}

void lag_sample_fini(struct lag_sample *s)
{
	arena_fini(&s->arena);
}

void lag_sample_take(struct lag_sample *s, const struct group_view *groups, unsigned count,
		     int64_t at_ms)
{
	size_t max = 0;

	arena_reset(&s->arena);
	s->at_ms = at_ms;
	s->count = 0;
	for (unsigned i = 0; i < count; i++)
		max += groups[i].partition_count;
	s->points = arena_array(&s->arena, max + 1, sizeof(*s->points));
	for (unsigned i = 0; i < count; i++) {
		struct str group = str_dup(&s->arena, groups[i].id);

		for (unsigned n = 0; n < groups[i].partition_count; n++) {
			const struct group_partition *p = &groups[i].partitions[n];

			s->points[s->count++] =
				(struct lag_point){group, str_dup(&s->arena, p->topic),
						   p->partition, p->committed, p->end};
		}
	}
	qsort(s->points, s->count, sizeof(*s->points), point_cmp);
}

struct lag_rate lag_rate_of(const struct lag_sample *before, struct str group,
			    const struct group_partition *now, int64_t at_ms)
{
	struct lag_point wanted = {group, now->topic, now->partition, 0, 0};
	const struct lag_point *was = before->count == 0
					      ? NULL
					      : bsearch(&wanted, before->points, before->count,
							sizeof(wanted), point_cmp);
	struct lag_rate rate = {RATE_UNKNOWN, RATE_UNKNOWN};
	double seconds = (double)(at_ms - before->at_ms) / 1000;

	if (!was || seconds <= 0 || now->committed == OFFSET_UNKNOWN ||
	    was->committed == OFFSET_UNKNOWN)
		return rate;
	rate.read = (double)(now->committed - was->committed) / seconds;
	if (now->end != OFFSET_UNKNOWN && was->end != OFFSET_UNKNOWN)
		rate.lag = (double)((now->end - now->committed) - (was->end - was->committed)) /
			   seconds;
	return rate;
}

int64_t lag_catch_up_s(int64_t lag, const struct lag_rate *rate)
{
	if (lag == OFFSET_UNKNOWN || lag < 0 || rate->lag == RATE_UNKNOWN)
		return -1;
	if (lag == 0)
		return 0;
	return rate->lag >= 0 ? -1 : (int64_t)((double)lag / -rate->lag + 0.5);
}

const char *lag_duration_text(struct arena *a, int64_t s)
{
	if (s < 0)
		return "-";
	if (s < 60)
		return arena_printf(a, "%ds", (int)s);
	if (s < 3600)
		return arena_printf(a, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	if (s < 86400)
		return arena_printf(a, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	return arena_printf(a, "%lldd", (long long)(s / 86400));
}

/* ---- Frames ------------------------------------------------------------------------------- */

/* Length of the escape sequence at `text`: ESC [ ... letter. */
static size_t escape_len(const char *text, size_t left)
{
	size_t len = 2;

	if (left < 2 || text[0] != '\x1b' || text[1] != '[')
		return 0;
	while (len < left && !(text[len] >= '@' && text[len] <= '~'))
		len++;
	return MIN(len + 1, left);
}

static void frame_line(struct out *to, const char *line, size_t len, unsigned width)
{
	unsigned column = 0;

	for (size_t i = 0; i < len;) {
		size_t n = escape_len(line + i, len - i);

		if (n == 0) {
			n = MAX(utf8_char_len((const uint8_t *)line + i, len - i, NULL), (size_t)1);
			if (column++ >= width) {
				i += n;
				continue;
			}
		}
		out_bytes(to, line + i, n);
		i += n;
	}
	out_text(to, "\x1b[K");
}

void frame_write(struct out *to, const char *text, size_t len, unsigned width, unsigned height)
{
	unsigned lines = 0, row = 0;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	lines += len > 0 && text[len - 1] != '\n';
	out_text(to, "\x1b[H");
	for (size_t i = 0; i < len && row < height; row++) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t line_len = end ? (size_t)(end - text) - i : len - i;

		if (row > 0)
			out_byte(to, '\n');
		if (lines > height && row == height - 1) {
			out_printf(to, "... %u more lines\x1b[K", lines - row);
			break;
		}
		frame_line(to, text + i, line_len, width);
		i += line_len + 1;
	}
	out_text(to, "\x1b[J");
}
