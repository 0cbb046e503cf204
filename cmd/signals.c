#include "cmd/signals.h"

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

void signals_start(struct signals *s, struct client *client)
{
	static const int numbers[] = {SIGINT, SIGTERM};

	*s = (struct signals){.client = client};
	for (unsigned i = 0; i < 2; i++) {
		uv_signal_init(client_loop(client), &s->handles[i]);
		s->handles[i].data = s;
		uv_signal_start(&s->handles[i], signals_caught, numbers[i]);
		uv_unref((uv_handle_t *)&s->handles[i]);
	}
}

void signals_stop(struct signals *s)
{
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&s->handles[i], NULL);
}

int signals_exit_code(const struct signals *s, int code)
{
	return s->caught ? 128 + s->caught : code;
}
