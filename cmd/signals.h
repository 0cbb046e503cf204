/* SIGINT and SIGTERM for commands that run until told to stop: the first one asks for a clean end,
 * the second ends the process at once. Lives on the client's loop. */
#ifndef KAVKA_CMD_SIGNALS_H
#define KAVKA_CMD_SIGNALS_H

#include "client/client.h"
#include "client/producer.h"

struct signals {
	struct client *client;
	uv_signal_t handles[2];
	int caught; /* the signal's number, 0: none */
	/* Asked first, if set: true when the signal has done its work. */
	bool (*taken)(void *ctx, int number);
	void *ctx;
};

/* `s` must stay until the client was freed. The caught signal interrupts the client's waits. */
void signals_start(struct signals *s, struct client *client);
/* Before client_free(). */
void signals_stop(struct signals *s);
/* Lets the signals end a write to stdout whose reader takes nothing (print_stop_on()); one at a
 * time in a process. After signals_start(). */
void signals_stop_writes(void);
/* Has one come, perhaps while the loop does not run? After signals_stop_writes(). */
bool signals_came(void);
/* Waits until each record that was taken is reported: the signal that ended the taking does not end
 * this, also when it came between two waits. As producer_flush(). */
MUST_USE int signals_flush(struct producer *p, struct err *err);
/* 130 for SIGINT, 143 for SIGTERM, as shells have it; `code` if there was none. */
int signals_exit_code(const struct signals *s, int code);

#endif
