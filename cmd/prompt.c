#include "cmd/prompt.h"

#include "base/lazy.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#define READLINE(X) \
	X(rl_instream) \
	X(rl_outstream) \
	X(rl_readline_name) \
	X(rl_catch_signals) \
	X(rl_catch_sigwinch) \
	X(rl_line_buffer) \
	X(rl_point) \
	X(rl_end) \
	X(rl_last_func) \
	X(rl_bind_key) \
	X(rl_variable_value) \
	X(rl_insert) \
	X(rl_ding) \
	X(rl_insert_text) \
	X(rl_delete_text) \
	X(rl_replace_line) \
	X(rl_crlf) \
	X(rl_on_new_line) \
	X(rl_redisplay) \
	X(rl_forced_update_display) \
	X(rl_clear_visible_line) \
	X(rl_display_match_list) \
	X(rl_resize_terminal) \
	X(rl_callback_handler_install) \
	X(rl_callback_handler_remove) \
	X(rl_callback_read_char) \
	X(rl_callback_sigcleanup) \
	X(using_history) \
	X(clear_history) \
	X(stifle_history) \
	X(add_history) \
	X(history_list) \
	X(read_history) \
	X(history_truncate_file)

static struct readline_library {
	READLINE(LAZY_FIELD)
} rl;

static const char *const readline_names[] = {READLINE(LAZY_NAME)};

enum { PROMPT_WINCH, PROMPT_TSTP, PROMPT_SIGNAL_COUNT };

struct prompt {
	struct prompt_options options;
	uv_poll_t input;
	uv_signal_t signals[PROMPT_SIGNAL_COUNT];
	unsigned open_handles;
	bool is_installed, is_hidden, is_end;
	char *history_path; /* NULL: none */
	char *last;         /* the line added to the history last */
	char *line;         /* as readline gave it */
	char *rest;         /* of `line`, not given out yet; NULL: all was */
};

/* readline knows one terminal, and its callbacks have no context. */
static struct prompt *prompt_now;

static int prompt_tab(int count, int key);
static void prompt_polled(uv_poll_t *handle, int status, int events);
static void prompt_signalled(uv_signal_t *handle, int number);

/* ---- History ------------------------------------------------------------------------------ */

/* "a/b/c" -> makes a and a/b; what hinders it shows when the file is opened. */
static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*slash = '/';
			return;
		}
		*slash = '/';
	}
}

static char *history_path(const char *name)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path;

	if (state && state[0] == '/')
		path = xasprintf("%s/kavka/%s", state, name);
	else if (home && home[0] == '/')
		path = xasprintf("%s/.local/state/kavka/%s", home, name);
	else
		return NULL;
	make_parents(path);
	return path;
}

static void history_start(struct prompt *p)
{
	HIST_ENTRY **entries;

	rl.clear_history();
	rl.using_history();
	rl.stifle_history(PROMPT_HISTORY_MAX);
	if (p->options.history)
		p->history_path = history_path(p->options.history);
	if (!p->history_path || rl.read_history(p->history_path) != 0)
		return;
	entries = rl.history_list();
	for (size_t i = 0; entries && entries[i]; i++) {
		if (p->options.remember)
			p->options.remember(p->options.ctx, str_of(entries[i]->line));
		if (!entries[i + 1])
			p->last = xstrdup(entries[i]->line);
	}
}

/* Into the file at once: several prompts may be open, and none may come to its end. */
static void history_add(struct prompt *p, const char *line)
{
	char *text;
	int fd;

	if (!p->options.history || !*line || (p->last && strcmp(p->last, line) == 0))
		return;
	rl.add_history(line);
	free(p->last);
	p->last = xstrdup(line);
	fd = p->history_path
		     ? open(p->history_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
		     : -1;
	if (fd < 0)
		return;
	text = xasprintf("%s\n", line);
	if (write(fd, text, strlen(text)) < 0)
		errno = 0; /* a history is a favour */
	free(text);
	close(fd);
}

/* ---- Opening and closing ------------------------------------------------------------------ */

static int prompt_load(struct err *err)
{
	if (rl.rl_callback_read_char)
		return 0;
	return lazy_load("libreadline.so.8", "libreadline8", readline_names,
			 ARRAY_LEN(readline_names), &rl, err);
}

static void prompt_closed(uv_handle_t *handle)
{
	struct prompt *p = handle->data;

	if (--p->open_handles == 0)
		free(p);
}

int prompt_open(struct prompt **out, uv_loop_t *loop, const struct prompt_options *options,
		struct err *err)
{
	static const int numbers[] = {[PROMPT_WINCH] = SIGWINCH, [PROMPT_TSTP] = SIGTSTP};
	struct prompt *p;
	int flags = fcntl(STDIN_FILENO, F_GETFL), rc = prompt_load(err);

	assert(!prompt_now);
	if (rc < 0)
		return rc;
	p = xcalloc(1, sizeof(*p));
	p->options = *options;
	rc = uv_poll_init(loop, &p->input, STDIN_FILENO);
	if (rc < 0) {
		free(p);
		return err_sys(err, rc, "stdin");
	}
	/* libuv made it non-blocking, for everyone who has the terminal open. */
	if (fcntl(STDIN_FILENO, F_SETFL, flags) < 0)
		errno = 0;
	p->input.data = p;
	p->open_handles = 1;
	for (unsigned i = 0; i < PROMPT_SIGNAL_COUNT; i++) {
		uv_signal_init(loop, &p->signals[i]);
		p->signals[i].data = p;
		uv_signal_start(&p->signals[i], prompt_signalled, numbers[i]);
		uv_unref((uv_handle_t *)&p->signals[i]);
		p->open_handles++;
	}
	*rl.rl_readline_name = "kavka";
	*rl.rl_instream = stdin;
	*rl.rl_outstream = options->on_stderr ? stderr : stdout;
	*rl.rl_catch_signals = 0;
	*rl.rl_catch_sigwinch = 0;
	history_start(p);
	prompt_now = p;
	*out = p;
	return 0;
}

static void prompt_remove(struct prompt *p)
{
	if (!p->is_installed)
		return;
	rl.rl_callback_handler_remove();
	p->is_installed = false;
	uv_poll_stop(&p->input);
}

void prompt_close(struct prompt *p)
{
	if (!p)
		return;
	/* What was typed stays to be seen; a prompt with nothing behind it goes. */
	if (p->is_installed && *rl.rl_end > 0)
		rl.rl_crlf();
	else
		prompt_hide(p);
	prompt_remove(p);
	fflush(*rl.rl_outstream);
	if (p->history_path)
		rl.history_truncate_file(p->history_path, PROMPT_HISTORY_MAX);
	free(p->history_path);
	free(p->last);
	free(p->line);
	prompt_now = NULL;
	uv_close((uv_handle_t *)&p->input, prompt_closed);
	for (unsigned i = 0; i < PROMPT_SIGNAL_COUNT; i++)
		uv_close((uv_handle_t *)&p->signals[i], prompt_closed);
}

/* ---- Lines -------------------------------------------------------------------------------- */

/* A paste of lines is remembered line by line. */
static void history_add_lines(struct prompt *p, const char *text)
{
	char *lines = xstrdup(text), *rest = lines;

	while (rest)
		history_add(p, strsep(&rest, "\n"));
	free(lines);
}

/* From readline: a whole line, or NULL for Ctrl-D. The next prompt stands there at once, but no
 * more is read until this line was taken. */
static void prompt_done(char *line)
{
	struct prompt *p = prompt_now;

	if (!line) {
		const char *pastes = rl.rl_variable_value("enable-bracketed-paste");

		prompt_remove(p);
		p->is_end = true;
		/* readline ends the line itself where it switches bracketed paste off. */
		if (!pastes || strcmp(pastes, "on") != 0)
			rl.rl_crlf();
		fflush(*rl.rl_outstream);
		return;
	}
	uv_poll_stop(&p->input);
	free(p->line);
	p->line = line;
	p->rest = line;
	history_add_lines(p, line);
}

static void prompt_install(struct prompt *p)
{
	rl.rl_callback_handler_install(p->options.text, prompt_done);
	rl.rl_bind_key('\t', prompt_tab);
	p->is_installed = true;
	uv_poll_start(&p->input, UV_READABLE, prompt_polled);
}

int prompt_next(struct prompt *p, struct str *line)
{
	char *end;

	if (p->rest) {
		char *from = p->rest;

		/* A paste of lines: the end of its last one is no line more. */
		end = strchr(from, '\n');
		p->rest = end && end[1] ? end + 1 : NULL;
		if (end)
			*end = '\0';
		*line = str_of(from);
		return 1;
	}
	if (p->is_end)
		return 0;
	if (!p->is_installed)
		prompt_install(p);
	else
		uv_poll_start(&p->input, UV_READABLE, prompt_polled);
	return E_AGAIN;
}

static void prompt_polled(uv_poll_t *handle, int status, int events)
{
	struct prompt *p = handle->data;
	struct pollfd more = {.fd = STDIN_FILENO, .events = POLLIN};

	(void)status;
	(void)events;
	do
		rl.rl_callback_read_char();
	while (p->is_installed && !p->rest && poll(&more, 1, 0) > 0);
}

bool prompt_discard(struct prompt *p)
{
	if (!p->is_installed || *rl.rl_end == 0)
		return false;
	rl.rl_callback_sigcleanup();
	fputs("^C", *rl.rl_outstream);
	rl.rl_crlf();
	rl.rl_replace_line("", 1);
	rl.rl_on_new_line();
	rl.rl_redisplay();
	return true;
}

/* ---- The screen --------------------------------------------------------------------------- */

void prompt_hide(struct prompt *p)
{
	if (!p || !p->is_installed || p->is_hidden)
		return;
	p->is_hidden = true;
	rl.rl_clear_visible_line();
	fflush(*rl.rl_outstream);
}

void prompt_show(struct prompt *p)
{
	if (!p || !p->is_hidden)
		return;
	p->is_hidden = false;
	if (p->is_installed)
		rl.rl_forced_update_display();
}

static void prompt_signalled(uv_signal_t *handle, int number)
{
	struct prompt *p = handle->data;
	bool was_installed = p->is_installed;

	if (number == SIGWINCH) {
		if (p->is_installed)
			rl.rl_resize_terminal();
		return;
	}
	/* Ctrl-Z: the shell gets its terminal back as it knows it; we go on here afterwards. */
	if (was_installed) {
		char *typed = xstrdup(*rl.rl_line_buffer);
		int point = *rl.rl_point;

		prompt_hide(p);
		prompt_remove(p);
		raise(SIGSTOP);
		prompt_install(p);
		rl.rl_insert_text(typed);
		*rl.rl_point = point;
		rl.rl_redisplay();
		p->is_hidden = false;
		free(typed);
	} else {
		raise(SIGSTOP);
	}
}

/* ---- The TAB key -------------------------------------------------------------------------- */

struct prompt_words {
	char **items; /* [0] is left for what they have in common, as readline wants it */
	size_t count, cap;
};

void prompt_offer(struct prompt_words *words, struct str word)
{
	if (words->count == 0)
		words->count = 1;
	words->items = grow_array(words->items, words->count, &words->cap, sizeof(*words->items));
	words->items[words->count++] = xstrndup(word.data, word.len);
}

static int words_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each once. */
static void words_sort(struct prompt_words *words)
{
	size_t kept = 1;

	qsort(words->items + 1, words->count - 1, sizeof(*words->items), words_compare);
	for (size_t i = 1; i < words->count; i++) {
		if (kept > 1 && strcmp(words->items[kept - 1], words->items[i]) == 0)
			free(words->items[i]);
		else
			words->items[kept++] = words->items[i];
	}
	words->count = kept;
}

/* How many bytes all of them begin with; whole characters. */
static size_t words_common(const struct prompt_words *words)
{
	const char *first = words->items[1];
	size_t len = strlen(first);

	for (size_t i = 2; i < words->count; i++) {
		size_t same = 0;

		while (same < len && words->items[i][same] == first[same])
			same++;
		len = same;
	}
	while (len > 0 && ((uint8_t)first[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void words_show(struct prompt_words *words)
{
	size_t count = MIN(words->count - 1, (size_t)PROMPT_WORDS_SHOWN_MAX), longest = 0;

	for (size_t i = 1; i <= count; i++)
		longest = MAX(longest, strlen(words->items[i]));
	words->items[0] = words->items[1];
	rl.rl_display_match_list(words->items, (int)count, (int)longest);
	if (count < words->count - 1)
		fprintf(*rl.rl_outstream, "... and %zu more\n", words->count - 1 - count);
	rl.rl_forced_update_display();
}

/* Completes what stands before the cursor as far as it is certain; the second time shows what is
 * possible. */
static int prompt_tab(int count, int key)
{
	struct prompt *p = prompt_now;
	struct prompt_words words = {0};
	size_t start = 0, common, point = (size_t)*rl.rl_point;

	if (p->options.complete)
		start = p->options.complete(p->options.ctx, (struct str){*rl.rl_line_buffer, point},
					    &words);
	if (words.count == 0)
		return rl.rl_insert(count, key);
	words_sort(&words);
	common = words_common(&words);
	if (common > point - start ||
	    memcmp(*rl.rl_line_buffer + start, words.items[1], common) != 0) {
		char *text = xstrndup(words.items[1], common);

		rl.rl_delete_text((int)start, *rl.rl_point);
		*rl.rl_point = (int)start;
		rl.rl_insert_text(text);
		free(text);
	} else if (words.count > 2 && *rl.rl_last_func == prompt_tab) {
		words_show(&words);
	} else if (words.count > 2) {
		rl.rl_ding();
	}
	for (size_t i = 1; i < words.count; i++)
		free(words.items[i]);
	free(words.items);
	return 0;
}
