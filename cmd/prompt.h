/* Lines typed at a terminal: readline's editing, history and completion on the loop of a client,
 * so that the network goes on meanwhile and messages can be printed above the line at hand.
 *
 *	rc = prompt_open(&p, client_loop(client), &options, &err);
 *	while ((rc = prompt_next(p, &line)) == E_AGAIN)
 *		uv_run(loop, UV_RUN_ONCE);
 *	prompt_hide(p); print_error("..."); prompt_show(p);
 *	prompt_close(p);
 *
 * The terminal is in readline's hands from the first prompt_next() until prompt_close(): all else
 * that is printed there comes between prompt_hide() and prompt_show(). Window changes and Ctrl-Z
 * are dealt with here; SIGINT is the caller's, who may ask for prompt_discard(). libreadline comes
 * through the lazy door. One prompt at a time. */
#ifndef KAVKA_CMD_PROMPT_H
#define KAVKA_CMD_PROMPT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

/* Lines that the history keeps. */
#define PROMPT_HISTORY_MAX 1000
/* Words shown at once when TAB is pressed twice. */
#define PROMPT_WORDS_SHOWN_MAX 200

struct prompt;
struct prompt_words;

struct prompt_options {
	const char *text; /* "> " */
	/* The file's name under $XDG_STATE_HOME/kavka (~/.local/state/kavka); NULL: no history. */
	const char *history;
	/* TAB: `line` is what stands before the cursor; offers whole words (prompt_offer) for what
	 * begins at the returned position. Nothing offered: the TAB goes into the line. NULL: it
	 * always does. */
	size_t (*complete)(void *ctx, struct str line, struct prompt_words *words);
	/* Gets the lines of the history at the start, oldest first. May be NULL. */
	void (*remember)(void *ctx, struct str line);
	void *ctx;
	bool on_stderr; /* the terminal is there, not at stdout */
};

/* 0 or E_NOT_FOUND: no libreadline. */
MUST_USE int prompt_open(struct prompt **out, uv_loop_t *loop, const struct prompt_options *options,
			 struct err *err);
/* NULL is fine. */
void prompt_close(struct prompt *p);

/* The next line, borrowed until the next call: 1, 0 at the end of the input (Ctrl-D), E_AGAIN: it
 * is being typed, run the loop. What is pasted as several lines comes as several. */
int prompt_next(struct prompt *p, struct str *line);

/* Throws away what was typed so far, on Ctrl-C. False if there is nothing to throw away. */
bool prompt_discard(struct prompt *p);

/* Take the line off the screen and put it back, around messages. NULL is fine. */
void prompt_hide(struct prompt *p);
void prompt_show(struct prompt *p);

/* A word for the TAB key; copied. */
void prompt_offer(struct prompt_words *words, struct str word);

#endif
