/* groups --describe --watch: the lag, read again and again. On a terminal the view is redrawn in
 * place, on its alternate screen; elsewhere each look is a block of lines. */
#include "cmd/groups/groups_watch.h"
#include "cmd/groups/groups_int.h"
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/signals.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS_DEFAULT 2000
#define PERIOD_MS_MIN 100
#define PERIOD_S_MAX 86400
#define FRAME_BYTES_MAX (8 * 1024 * 1024)

#define SCREEN_ENTER "\x1b[?1049h\x1b[?25l\x1b[2J"
#define SCREEN_LEAVE "\x1b[?25h\x1b[?1049l"

struct watch {
	struct groups *g;
	int64_t period_ms;
	bool on_screen;
	struct lag_sample before, now;
	struct signals signals;
	uv_signal_t resized;
	/* the last look at which something was there, and room for the next one */
	struct arena arena, next;
	struct group_view *views;
	unsigned count;
	struct err failed;
	/* the screen's last text, to be cut anew when the window changes */
	struct out text;
};

/* ---- Looking ------------------------------------------------------------------------------ */

/* Reads the groups into `next`. Groups that are not there now are left out, with `err` set. */
static int watch_read(struct watch *w, struct group_view **out, unsigned *out_count,
		      struct err *err)
{
	struct str *names;
	size_t count;
	int rc;

	*out_count = 0;
	rc = groups_names(w->g, &names, &count, err);
	if (rc < 0)
		return rc;
	*out = arena_array(&w->next, count + 1, sizeof(**out));
	for (size_t i = 0; i < count; i++) {
		struct err why = {0};

		rc = groups_read(w->g, names[i], &(*out)[*out_count], &why);
		if (rc == 0)
			rc = groups_read_offsets(w->g, &(*out)[*out_count], &why);
		if (rc < 0)
			*err = why;
		if (rc < 0 && rc != E_KAFKA)
			return rc;
		*out_count += rc == 0;
	}
	return err->code;
}

/* Takes over what was read as what is shown. */
static void watch_take(struct watch *w, struct group_view *views, unsigned count)
{
	struct lag_sample sample = w->before;
	struct arena arena = w->arena;

	w->arena = w->next;
	w->next = arena;
	w->views = views;
	w->count = count;
	w->before = w->now;
	w->now = sample;
	lag_sample_take(&w->now, views, count, clock_mono_ms());
}

/* ---- Showing ------------------------------------------------------------------------------ */

static const char *rate_text(struct arena *a, double rate, bool has_sign)
{
	if (rate == RATE_UNKNOWN)
		return NULL;
	if (fabs(rate) < 0.05)
		return "0";
	return arena_printf(a, has_sign ? "%+.*f" : "%.*f", fabs(rate) < 100 ? 1 : 0, rate);
}

static void show_row(struct watch *w, struct grid *t, const struct group_view *g,
		     const struct group_partition *p)
{
	struct lag_rate rate = lag_rate_of(&w->before, g->id, p, w->now.at_ms);
	struct arena *a = &w->arena;
	int64_t lag = group_partition_lag(p);
	const char *trend = rate_text(a, rate.lag, true);

	grid_add(t, arena_strndup(a, g->id.data, g->id.len),
		 arena_strndup(a, p->topic.data, p->topic.len), grid_int(t, p->partition),
		 p->committed == OFFSET_UNKNOWN ? NULL : grid_int(t, p->committed),
		 p->end == OFFSET_UNKNOWN ? NULL : grid_int(t, p->end),
		 lag == OFFSET_UNKNOWN ? NULL : grid_int(t, lag), trend,
		 rate_text(a, rate.read, false), lag_duration_text(a, lag_catch_up_s(lag, &rate)),
		 p->owner ? arena_strndup(a, p->owner->id.data, p->owner->id.len) : NULL);
	if (lag > 0)
		grid_tone(t, 5, TONE_YELLOW);
	if (trend && *trend == '+')
		grid_tone(t, 6, TONE_RED);
	else if (trend && *trend == '-')
		grid_tone(t, 6, TONE_GREEN);
}

static void show_table(struct watch *w)
{
	static const char *const titles[] = {"GROUP",     "TOPIC", ">PARTITION", ">CURRENT",
					     ">END",      ">LAG",  ">LAG/S",     ">READ/S",
					     ">CATCH-UP", "MEMBER"};
	time_t now = clock_wall_ms() / 1000;
	struct tm parts;
	char when[40];
	struct grid t;
	int64_t lag = 0;

	for (unsigned i = 0; i < w->count; i++)
		lag += group_lag(&w->views[i]);
	localtime_r(&now, &parts);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
	print_text("%s  %u group%s  lag %" PRId64 "  every %g s%s\n", when, w->count,
		   w->count == 1 ? "" : "s", lag, (double)w->period_ms / 1000,
		   w->on_screen ? "  Ctrl-C ends" : "");
	if (w->failed.code != 0)
		print_text("%s%s%s\n", tone_on(TONE_RED), err_message(&w->failed), tone_off());
	print_byte('\n');
	grid_init(&t, &w->arena, titles, ARRAY_LEN(titles));
	for (unsigned i = 0; i < w->count; i++) {
		for (unsigned n = 0; n < w->views[i].partition_count; n++)
			show_row(w, &t, &w->views[i], &w->views[i].partitions[n]);
	}
	grid_print(&t);
}

static void json_rate(struct json_out *j, const char *key, double rate)
{
	if (rate == RATE_UNKNOWN)
		json_out_null(j, key);
	else
		json_out_double(j, key, rate);
}

static void json_offset(struct json_out *j, const char *key, int64_t offset)
{
	if (offset == OFFSET_UNKNOWN)
		json_out_null(j, key);
	else
		json_out_int(j, key, offset);
}

static void show_json(struct watch *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		const struct group_view *g = &w->views[i];
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_int(&j, "timestamp", clock_wall_ms());
		json_out_str(&j, "group", g->id);
		json_out_str(&j, "state", g->state);
		json_out_int(&j, "totalLag", group_lag(g));
		json_out_open(&j, "offsets", '[');
		for (unsigned n = 0; n < g->partition_count; n++) {
			const struct group_partition *p = &g->partitions[n];
			struct lag_rate rate = lag_rate_of(&w->before, g->id, p, w->now.at_ms);

			json_out_open(&j, NULL, '{');
			json_out_str(&j, "topic", p->topic);
			json_out_int(&j, "partition", p->partition);
			json_offset(&j, "currentOffset", p->committed);
			json_offset(&j, "logEndOffset", p->end);
			json_offset(&j, "lag", group_partition_lag(p));
			json_rate(&j, "lagPerSecond", rate.lag);
			json_rate(&j, "readPerSecond", rate.read);
			json_out_close(&j, '}');
		}
		json_out_close(&j, ']');
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

/* One write, so that nothing flickers. */
static void watch_draw(struct watch *w)
{
	struct winsize size = {.ws_col = 80, .ws_row = 24};
	struct out frame;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	out_init(&frame, FRAME_BYTES_MAX);
	frame_write(&frame, (const char *)w->text.data, w->text.len, MAX(size.ws_col, 1u),
		    MAX(size.ws_row, 1u));
	print_bytes(frame.data, frame.len);
	if (print_flush() < 0)
		client_interrupt(w->g->client);
	out_fini(&frame);
}

static void watch_show(struct watch *w)
{
	if (!w->on_screen) {
		if (w->g->format == OUTPUT_JSON) {
			show_json(w);
		} else {
			show_table(w);
			print_byte('\n');
		}
		return;
	}
	out_reset(&w->text);
	print_capture(&w->text, NULL);
	show_table(w);
	print_capture(NULL, NULL);
	watch_draw(w);
}

/* ---- The screen and its signals ----------------------------------------------------------- */

static void watch_resized(uv_signal_t *handle, int number)
{
	(void)number;
	watch_draw(handle->data);
}

static void screen_leave(void)
{
	/* Also from a second Ctrl-C, which ends the process: not through the buffer. */
	if (write(STDOUT_FILENO, SCREEN_LEAVE, sizeof(SCREEN_LEAVE) - 1) < 0)
		return;
}

static bool watch_caught(void *ctx, int number)
{
	const struct watch *w = ctx;

	(void)number;
	if (w->signals.caught && w->on_screen)
		screen_leave();
	return false;
}

static void watch_begin(struct watch *w)
{
	signals_start(&w->signals, w->g->client);
	w->signals.taken = watch_caught;
	w->signals.ctx = w;
	w->on_screen = print_to_terminal() && w->g->format != OUTPUT_JSON;
	if (!w->on_screen)
		return;
	uv_signal_init(client_loop(w->g->client), &w->resized);
	w->resized.data = w;
	uv_signal_start(&w->resized, watch_resized, SIGWINCH);
	uv_unref((uv_handle_t *)&w->resized);
	print_text(SCREEN_ENTER);
}

static void watch_end(struct watch *w)
{
	signals_stop(&w->signals);
	if (!w->on_screen)
		return;
	uv_close((uv_handle_t *)&w->resized, NULL);
	if (print_flush() == 0)
		screen_leave();
}

/* ---- The run ------------------------------------------------------------------------------ */

static int watch_period(const struct groups *g, int64_t *period_ms, struct err *err)
{
	const char *text = g->args->watch;
	double seconds;
	char *end;

	*period_ms = PERIOD_MS_DEFAULT;
	if (!text || !*text)
		return 0;
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds * 1000 >= PERIOD_MS_MIN && seconds <= PERIOD_S_MAX))
		return err_set(err, E_USAGE, "--watch: '%s' is no number of seconds from 0.1",
			       text);
	*period_ms = (int64_t)(seconds * 1000);
	return 0;
}

static bool watch_never(void *ctx)
{
	(void)ctx;
	return false;
}

/* Is it over? Then *rc and `err` tell why. While the cluster is away the last look stays. */
static bool watch_look(struct watch *w, bool is_first, int *rc, struct err *err)
{
	struct group_view *views = NULL;
	unsigned count;

	arena_reset(&w->next);
	w->g->arena = &w->next;
	w->failed = (struct err){0};
	*rc = watch_read(w, &views, &count, &w->failed);
	if (*rc == E_INTERRUPTED)
		return true;
	/* What is wrong from the start will not become right by itself. */
	if (*rc < 0 && count == 0 && (is_first || *rc == E_AUTH)) {
		*err = w->failed;
		return true;
	}
	if (*rc == 0 || *rc == E_KAFKA)
		watch_take(w, views, count);
	watch_show(w);
	return print_flush() < 0;
}

int groups_run_watch(struct groups *g, struct err *err)
{
	/* The loop closes its handles when the client ends, after this function. */
	struct watch *w = arena_zalloc(&g->run->arena, sizeof(*w));
	struct arena *arena = g->arena;
	int rc = watch_period(g, &w->period_ms, err);

	if (rc < 0)
		return rc;
	w->g = g;
	arena_init(&w->arena);
	arena_init(&w->next);
	out_init(&w->text, FRAME_BYTES_MAX);
	lag_sample_init(&w->before);
	lag_sample_init(&w->now);
	watch_begin(w);
	for (bool is_first = true;; is_first = false) {
		if (watch_look(w, is_first, &rc, err))
			break;
		rc = client_wait(g->client, watch_never, NULL, w->period_ms);
		if (rc == E_INTERRUPTED)
			break;
	}
	watch_end(w);
	lag_sample_fini(&w->before);
	lag_sample_fini(&w->now);
	out_fini(&w->text);
	arena_fini(&w->arena);
	arena_fini(&w->next);
	g->arena = arena;
	/* Ctrl-C is how one ends it. */
	return rc == E_INTERRUPTED || print_failed() < 0 ? 0 : err->code;
}
