/* kavka top to a pipe or a file, and --once: a block of text or a line of JSON for each sample. */
#include "cmd/top/report.h"
#include "cmd/top/sampler.h"
#include "cmd/top/top_int.h"

#include "base/clock.h"
#include "cmd/print.h"
#include "cmd/signals.h"

struct stream {
	struct top_model model;
	struct sampler sampler;
	bool is_over; /* the sample */
	int rc;
};

static void stream_done(struct sampler *s, int rc)
{
	struct stream *st = s->ctx;

	st->is_over = true;
	st->rc = rc;
}

static bool stream_is_over(void *ctx)
{
	return ((struct stream *)ctx)->is_over;
}

static bool stream_never(void *ctx)
{
	(void)ctx;
	return false;
}

/* One sample into the model. E_INTERRUPTED; other failures are the model's, but the first. */
static int stream_sample(struct top *t, struct stream *st, struct err *err)
{
	int rc;

	st->is_over = false;
	sampler_start(&st->sampler, model_next(&st->model));
	rc = client_wait(t->client, stream_is_over, st, -1);
	if (rc < 0)
		return rc;
	if (st->rc == 0) {
		model_take(&st->model);
		return 0;
	}
	/* What is wrong from the start will not become right by itself. */
	if (!st->model.has_data) {
		*err = st->sampler.err;
		return st->rc;
	}
	model_failed(&st->model, &st->sampler.err, clock_wall_ms());
	return 0;
}

static void stream_show(struct top *t, struct stream *st, struct report_options *options)
{
	struct arena a;

	if (t->format == OUTPUT_JSON) {
		report_json(&st->model, options);
	} else {
		arena_init(&a);
		if (st->model.sample_count > 1 && !t->args->once)
			print_byte('\n');
		report_text(&st->model, options, &a);
		arena_fini(&a);
	}
	options->events_told = st->model.events.total;
}

static int stream_run(struct top *t, struct stream *st, struct err *err)
{
	struct report_options options = {.detail = str_of(t->args->topic),
					 .shows_internal = t->args->internal};
	/* Rates need two samples: those of --once are told if the time between them was given. */
	bool is_rated = t->args->once && t->args->interval;
	int rc = 0;

	for (uint64_t count = 0; rc == 0 && (!t->sample_max || count < t->sample_max);) {
		int64_t began = clock_mono_ms(), left;
		bool is_shown = !is_rated || st->model.has_data;

		rc = stream_sample(t, st, err);
		if (rc < 0)
			break;
		if (is_shown) {
			stream_show(t, st, &options);
			count++;
		}
		if (print_flush() < 0)
			break;
		left = began + t->interval_ms - clock_mono_ms();
		if (t->sample_max && count >= t->sample_max)
			break;
		rc = client_wait(t->client, stream_never, NULL, left > 0 ? left : 0);
		if (rc == E_TIMEOUT)
			rc = 0;
	}
	return rc;
}

int top_stream(struct top *t, int *code, struct err *err)
{
	/* The loop closes its handles when the client ends, after this function. */
	struct signals *signals = arena_zalloc(&t->run->arena, sizeof(*signals));
	struct stream *st = arena_zalloc(&t->run->arena, sizeof(*st));
	int rc;

	model_init(&st->model);
	st->model.focus = str_of(t->args->topic);
	sampler_init(&st->sampler, t->client);
	st->sampler.done = stream_done;
	st->sampler.ctx = st;
	st->sampler.detail = str_of(t->args->topic);
	signals_start(signals, t->client);
	rc = stream_run(t, st, err);
	signals_stop(signals);
	/* Ctrl-C is how one ends what has no end. */
	if (rc == E_INTERRUPTED) {
		*code = signals->caught == SIGINT && !t->sample_max
				? EXIT_OK
				: signals_exit_code(signals, EXIT_OK);
		rc = 0;
	}
	if (rc == 0 && t->args->topic && st->model.has_data &&
	    !snapshot_topic(model_now(&st->model), str_of(t->args->topic)))
		rc = err_set(err, E_NOT_FOUND, "there is no topic %s", t->args->topic);
	sampler_fini(&st->sampler);
	model_fini(&st->model);
	return rc;
}
