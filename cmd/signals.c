#include "cmd/signals.h"
#include "cmd/print.h"

#include <signal.h>
#include <unistd.h>

static void signals_caught(uv_signal_t *handle, int number)
{
	struct signals *s = handle->data;

	if (s->taken && s->taken(s->ctx, number))
		return;
	if (s->caught)
		_exit(128 + number);
	s->caught = number;
	client_interrupt(s->client);
}

static const int signals_numbers[] = {SIGINT, SIGTERM};
static volatile sig_atomic_t signals_seen;
static void (*signals_next)(int number); /* libuv's */

/* The loop does not run during a write: the second signal must end the process from here. */
static void signals_note(int number)
{
	if (signals_seen)
		_exit(128 + number);
	signals_seen = 1;
	signals_next(number);
}

void signals_stop_writes(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sigaction action;

		sigaction(signals_numbers[i], NULL, &action);
		if (action.sa_flags & SA_SIGINFO || action.sa_handler == SIG_DFL ||
		    action.sa_handler == SIG_IGN || action.sa_handler == signals_note)
			continue;
		signals_next = action.sa_handler;
		action.sa_handler = signals_note;
		action.sa_flags &= ~SA_RESTART;
		sigaction(signals_numbers[i], &action, NULL);
	}
	print_stop_on(&signals_seen);
}

bool signals_came(void)
{
	return signals_seen;
}

void signals_start(struct signals *s, struct client *client)
{
	*s = (struct signals){.client = client};
	for (unsigned i = 0; i < 2; i++) {
		uv_signal_init(client_loop(client), &s->handles[i]);
		s->handles[i].data = s;
		uv_signal_start(&s->handles[i], signals_caught, signals_numbers[i]);
		uv_unref((uv_handle_t *)&s->handles[i]);
	}
}

void signals_stop(struct signals *s)
{
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&s->handles[i], NULL);
}

int signals_flush(struct producer *p, struct err *err)
{
	int rc = producer_flush(p, -1, err);

	return rc == E_INTERRUPTED ? producer_flush(p, -1, err) : rc;
}

int signals_exit_code(const struct signals *s, int code)
{
	return s->caught ? 128 + s->caught : code;
}
