/* The terminal as a full-screen program has it: keys come as they are pressed, the alternate screen
 * is shown, and everything is given back at the end, however that comes: terminal_leave() is called
 * by whoever entered it, and by a handler when the process dies of a signal.
 *
 * Ctrl-C, Ctrl-Z and Ctrl-\ stay signals. One terminal in a process. */
#ifndef KAVKA_CMD_TOP_TERMINAL_H
#define KAVKA_CMD_TOP_TERMINAL_H

#include "base/err.h"

/* Opens it and enters; stdout is the terminal, keys come from it too when stdin is another thing.
 * Gives the descriptor of the keys, which reads without waiting. 0 or -errno. */
MUST_USE int terminal_open(int *keys_fd, struct err *err);
void terminal_close(void);

/* Leaves it, from handlers of signals too; and takes it again after the process was stopped, by
 * whomever. */
void terminal_leave(void);
void terminal_again(void);
void terminal_size(unsigned *width, unsigned *height);

#endif
