/* kavka top on a terminal: samples, keys and signals on the client's loop, and the picture after
 * each of them. */
#include "cmd/top/draw.h"
#include "cmd/top/sampler.h"
#include "cmd/top/terminal.h"
#include "cmd/top/top_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"
#include "cmd/print.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LIVE_OUT_MAX (16 * 1024 * 1024)
/* The clock in the corner, and the time that a cluster is away. */
#define LIVE_TICK_MS 1000

enum { LIVE_INT, LIVE_TERM, LIVE_HUP, LIVE_WINCH, LIVE_TSTP, LIVE_CONT, LIVE_SIGNAL_COUNT };

static const int live_signals[LIVE_SIGNAL_COUNT] = {
	[LIVE_INT] = SIGINT,     [LIVE_TERM] = SIGTERM, [LIVE_HUP] = SIGHUP,
	[LIVE_WINCH] = SIGWINCH, [LIVE_TSTP] = SIGTSTP, [LIVE_CONT] = SIGCONT,
};

struct live {
	struct top *top;
	struct client *client;
	struct top_model model;
	struct sampler sampler;
	struct view view;
	struct screen screen;
	struct keys keys;
	struct out out;
	int keys_fd;
	int caught; /* a signal that ends it; 0: none */
	bool is_over;
	bool is_away;     /* stopped, or not quite back: the screen is not ours */
	int rc;           /* of the first sample */
	int64_t began_ms; /* of the last sample */
	struct client_timer sample_timer, key_timer, tick_timer;
	/* The loop closes these when the client ends. */
	uv_poll_t input;
	uv_signal_t signals[LIVE_SIGNAL_COUNT];
};

/* ---- The picture -------------------------------------------------------------------------- */

static void live_end(struct live *l)
{
	l->is_over = true;
	uv_stop(client_loop(l->client));
}

static void live_draw(struct live *l)
{
	int64_t waits_ms = l->sampler.is_running ? clock_mono_ms() - l->began_ms : 0;

	if (l->is_over || l->is_away)
		return;
	draw_view(&l->screen, &l->view, clock_wall_ms(), waits_ms);
	out_reset(&l->out);
	screen_emit(&l->screen, &l->out, output_has_color());
	/* One write, so that nothing flickers. */
	print_bytes(l->out.data, l->out.len);
	if (print_flush() < 0)
		live_end(l);
}

static void live_resize(struct live *l)
{
	unsigned width, height;

	terminal_size(&width, &height);
	screen_resize(&l->screen, width, height);
}

/* ---- Samples ------------------------------------------------------------------------------ */

static void live_sample(struct live *l)
{
	struct str topic = view_topic(&l->view);

	client_timer_stop(l->client, &l->sample_timer);
	if (l->sampler.is_running)
		return;
	l->view.wants_sample = false;
	l->began_ms = clock_mono_ms();
	l->sampler.detail = l->model.focus = topic;
	sampler_start(&l->sampler, model_next(&l->model));
}

/* The next one is due when the interval since the last one's begin is over. */
static void live_schedule(struct live *l)
{
	int64_t left = l->began_ms + l->view.interval_ms - clock_mono_ms();

	if (l->view.is_paused || l->sampler.is_running)
		client_timer_stop(l->client, &l->sample_timer);
	else
		client_timer_start(l->client, &l->sample_timer, MAX(left, 0));
}

static void live_sample_due(struct client_timer *t)
{
	live_sample(CONTAINER_OF(t, struct live, sample_timer));
}

static void live_sampled(struct sampler *s, int rc)
{
	struct live *l = s->ctx;

	if (rc == 0) {
		model_take(&l->model);
	} else if (!l->model.has_data) {
		/* What is wrong from the start will not become right by itself. */
		l->rc = rc;
		live_end(l);
		return;
	} else {
		model_failed(&l->model, &s->err, clock_wall_ms());
	}
	if (l->top->sample_max && l->model.sample_count >= l->top->sample_max)
		live_end(l);
	if (l->view.wants_sample)
		live_sample(l);
	else
		live_schedule(l);
	live_draw(l);
}

static void live_tick(struct client_timer *t)
{
	struct live *l = CONTAINER_OF(t, struct live, tick_timer);

	client_timer_start(l->client, t, LIVE_TICK_MS);
	live_draw(l);
}

/* ---- Keys --------------------------------------------------------------------------------- */

static void live_pressed(void *ctx, enum key key, struct str text)
{
	struct live *l = ctx;

	view_key(&l->view, key, text);
}

static void live_after_keys(struct live *l)
{
	if (l->view.is_over) {
		live_end(l);
		return;
	}
	if (l->view.wants_redraw)
		screen_forget(&l->screen);
	l->view.wants_redraw = false;
	if (l->view.wants_sample && !l->view.is_paused)
		live_sample(l);
	else
		live_schedule(l);
	live_draw(l);
}

static void live_key_timeout(struct client_timer *t)
{
	struct live *l = CONTAINER_OF(t, struct live, key_timer);

	keys_timeout(&l->keys);
	live_after_keys(l);
}

static void live_polled(uv_poll_t *handle, int status, int events)
{
	struct live *l = handle->data;
	uint8_t data[256];
	ssize_t n = status < 0 ? -1 : read(l->keys_fd, data, sizeof(data));

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN) && status >= 0)
		return;
	if (n <= 0) {
		/* The terminal is gone. */
		l->caught = SIGHUP;
		live_end(l);
		return;
	}
	keys_feed(&l->keys, data, (size_t)n);
	if (keys_waits(&l->keys))
		client_timer_start(l->client, &l->key_timer, KEYS_WAIT_MS);
	else
		client_timer_stop(l->client, &l->key_timer);
	live_after_keys(l);
}

/* ---- Signals ------------------------------------------------------------------------------ */

static void live_signalled(uv_signal_t *handle, int number)
{
	struct live *l = handle->data;

	switch (number) {
	case SIGWINCH: live_resize(l); break;
	case SIGTSTP:
		terminal_leave();
		l->is_away = true;
		/* Stops here, and goes on here; SIGCONT comes then. */
		raise(SIGSTOP);
		return;
	case SIGCONT:
		l->is_away = false;
		terminal_again();
		live_resize(l);
		break;
	default:
		if (l->caught) {
			terminal_leave();
			_exit(128 + number);
		}
		l->caught = number;
		live_end(l);
		return;
	}
	live_draw(l);
}

static void live_watch(struct live *l)
{
	uv_loop_t *loop = client_loop(l->client);

	for (unsigned i = 0; i < LIVE_SIGNAL_COUNT; i++) {
		uv_signal_init(loop, &l->signals[i]);
		l->signals[i].data = l;
		uv_signal_start(&l->signals[i], live_signalled, live_signals[i]);
	}
	uv_poll_init(loop, &l->input, l->keys_fd);
	l->input.data = l;
	uv_poll_start(&l->input, UV_READABLE, live_polled);
	l->sample_timer.fire = live_sample_due;
	l->key_timer.fire = live_key_timeout;
	l->tick_timer.fire = live_tick;
	client_timer_start(l->client, &l->tick_timer, LIVE_TICK_MS);
}

static void live_unwatch(struct live *l)
{
	for (unsigned i = 0; i < LIVE_SIGNAL_COUNT; i++)
		uv_close((uv_handle_t *)&l->signals[i], NULL);
	uv_close((uv_handle_t *)&l->input, NULL);
	client_timer_stop(l->client, &l->sample_timer);
	client_timer_stop(l->client, &l->key_timer);
	client_timer_stop(l->client, &l->tick_timer);
}

/* ---- The run ------------------------------------------------------------------------------ */

static bool live_is_over(void *ctx)
{
	return ((struct live *)ctx)->is_over;
}

/* Does the terminal show other characters than ASCII? */
static bool live_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static void live_init(struct live *l, struct top *t)
{
	l->top = t;
	l->client = t->client;
	model_init(&l->model);
	sampler_init(&l->sampler, t->client);
	l->sampler.done = live_sampled;
	l->sampler.ctx = l;
	view_init(&l->view, &l->model, t->interval_ms);
	l->view.shows_internal = t->args->internal;
	if (t->args->topic)
		view_open_topic(&l->view, str_of(t->args->topic));
	screen_init(&l->screen, t->args->ascii || !live_is_utf8());
	l->keys = (struct keys){.pressed = live_pressed, .ctx = l};
	out_init(&l->out, LIVE_OUT_MAX);
}

static void live_fini(struct live *l)
{
	out_fini(&l->out);
	screen_fini(&l->screen);
	view_fini(&l->view);
	sampler_fini(&l->sampler);
	model_fini(&l->model);
}

int top_live(struct top *t, int *code, struct err *err)
{
	struct live *l = arena_zalloc(&t->run->arena, sizeof(*l));
	enum say_level level = say_level();
	int rc;

	live_init(l, t);
	rc = terminal_open(&l->keys_fd, err);
	if (rc < 0) {
		live_fini(l);
		return rc;
	}
	/* A line of the client's in the midst of the picture would stay there. */
	say_set_level(SAY_NONE);
	live_watch(l);
	live_resize(l);
	live_sample(l);
	live_draw(l);
	rc = client_wait(t->client, live_is_over, l, -1);
	live_unwatch(l);
	terminal_close();
	say_set_level(level);
	if (l->rc < 0) {
		*err = l->sampler.err;
		rc = l->rc;
	} else if (l->caught && l->caught != SIGINT) {
		*code = 128 + l->caught;
	}
	live_fini(l);
	return rc;
}
