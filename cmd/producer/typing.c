/* Standard input of the producer: a file, a pipe, or somebody who types. */
#include "cmd/print.h"
#include "cmd/producer/producing.h"

#include "base/mem.h"
#include "client/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define STDIN_PIPE_BYTES (1024 * 1024)
#define RECORD_PROMPT ">"
#define TOPIC_PROMPT "topic: "

static void typing_prompt(struct producing *p, const struct prompt_options *options);

/* A terminal or pipe is waited for on the loop, so that batches leave meanwhile; a file is always
 * ready (and epoll would refuse it). */
void typing_start(struct producing *p)
{
	struct stat st = {0};
	int flags;

	line_reader_init(&p->lines, STDIN_FILENO);
	completer_init(&p->completer, &p->maker);
	p->prompts = isatty(STDIN_FILENO) &&
		     (isatty(STDOUT_FILENO) || (!p->run->is_apache && isatty(STDERR_FILENO))) &&
		     p->maker.format != INPUT_FILE;
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		return;
	if (S_ISFIFO(st.st_mode) && fcntl(STDIN_FILENO, F_SETPIPE_SZ, STDIN_PIPE_BYTES) < 0)
		errno = 0; /* a larger pipe is only a favour */
	flags = fcntl(STDIN_FILENO, F_GETFL);
	if (uv_poll_init(client_loop(p->connection.client), &p->input, STDIN_FILENO) < 0)
		return;
	/* Others have the terminal or pipe open too: it stays as it was. */
	if (fcntl(STDIN_FILENO, F_SETFL, flags) < 0)
		errno = 0;
	p->input.data = p;
	p->input_polls = true;
}

void typing_stop(struct producing *p)
{
	prompt_close(p->prompt);
	p->prompt = p->delivery.prompt = NULL;
	p->prompts = false;
	if (p->input_polls)
		uv_close((uv_handle_t *)&p->input, NULL);
	p->input_polls = false;
	line_reader_fini(&p->lines);
	completer_fini(&p->completer);
}

/* ---- Bytes -------------------------------------------------------------------------------- */

static void input_polled(uv_poll_t *handle, int status, int events)
{
	struct producing *p = handle->data;

	(void)status;
	(void)events;
	p->input_ready = true;
	uv_poll_stop(handle);
}

static bool input_is_ready(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

/* Waits for input and reads a block of it. 0, E_INTERRUPTED, or an error. */
static int input_fill(struct producing *p, struct err *err)
{
	uv_loop_t *loop = client_loop(p->connection.client);
	int rc;

	uv_run(loop, UV_RUN_NOWAIT);
	if (p->input_polls && !input_is_ready()) {
		p->input_ready = false;
		uv_poll_start(&p->input, UV_READABLE, input_polled);
		while (!p->input_ready && !p->signals.caught)
			uv_run(loop, UV_RUN_ONCE);
		uv_poll_stop(&p->input);
	}
	if (p->signals.caught)
		return E_INTERRUPTED;
	rc = line_reader_fill(&p->lines, err);
	return rc == -EAGAIN || rc == -EINTR ? 0 : rc;
}

int typing_whole(struct producing *p, int fd, const char *name, struct str *bytes, struct err *err)
{
	struct line_reader *r = &p->lines;

	*r = (struct line_reader){.fd = fd, .data = r->data, .cap = r->cap};
	while (!r->at_end) {
		int rc = fd == STDIN_FILENO ? input_fill(p, err) : line_reader_fill(r, err);

		if (rc == E_INTERRUPTED)
			return rc;
		if (rc < 0 && rc != -EINTR)
			return err_set(err, rc, "%s: %s", name, err_text(rc));
		if (r->end > LINE_BYTES_MAX)
			return err_set(err, E_TOO_LARGE, "%s: larger than %d bytes", name,
				       LINE_BYTES_MAX);
	}
	*bytes = (struct str){r->data, r->end};
	return 0;
}

/* ---- Lines -------------------------------------------------------------------------------- */

static int prompted_line(struct producing *p, struct str *line)
{
	int rc;

	while ((rc = prompt_next(p->prompt, line)) == E_AGAIN && !p->signals.caught)
		uv_run(client_loop(p->connection.client), UV_RUN_ONCE);
	return rc == E_AGAIN ? E_INTERRUPTED : rc;
}

int typing_line(struct producing *p, struct str *line, struct err *err)
{
	if (p->prompt)
		return prompted_line(p, line);
	if (p->prompts) {
		print_text("%s", p->prompt_text);
		print_flush();
	}
	for (;;) {
		int rc = line_reader_next(&p->lines, line, err);

		if (rc != E_AGAIN)
			return rc;
		rc = input_fill(p, err);
		if (rc < 0)
			return rc;
	}
}

/* ---- Prompts ------------------------------------------------------------------------------ */

/* The prompt with editing, or without readline the plain one. */
static void typing_prompt(struct producing *p, const struct prompt_options *options)
{
	p->prompt_text = options->text;
	if (p->prompt)
		prompt_close(p->prompt);
	p->prompt = NULL;
	if (p->prompts &&
	    prompt_open(&p->prompt, client_loop(p->connection.client), options, NULL) < 0)
		p->prompt = NULL;
	p->delivery.prompt = p->prompt;
}

void typing_records(struct producing *p)
{
	const struct prompt_options options = {.text = RECORD_PROMPT,
					       .history = "producer-history",
					       .complete = completer_record,
					       .remember = completer_learn,
					       .ctx = &p->completer,
					       .on_stderr = !isatty(STDOUT_FILENO)};

	typing_prompt(p, &options);
}

static void add_topics(struct producing *p, const struct metadata_response *response)
{
	for (int32_t i = 0; i < response->topics_count; i++) {
		if (!response->topics[i].is_internal)
			completer_add_topic(&p->completer, response->topics[i].name);
	}
}

int typing_topic(struct producing *p, const char **topic, struct err *err)
{
	const struct prompt_options options = {.text = TOPIC_PROMPT,
					       .history = "topic-history",
					       .complete = completer_topics,
					       .ctx = &p->completer,
					       .on_stderr = !isatty(STDOUT_FILENO)};
	struct metadata_response *response;
	struct str line = STR_NULL;
	int rc = admin_metadata(p->connection.client, NULL, 0, &p->run->arena, &response, err);

	if (rc < 0)
		return rc;
	add_topics(p, response);
	typing_prompt(p, &options);
	do {
		rc = typing_line(p, &line, err);
		while (rc == 1 && line.len > 0 && line.data[line.len - 1] == ' ')
			line.len--;
	} while (rc == 1 && line.len == 0);
	if (rc == 1)
		*topic = arena_strndup(&p->run->arena, line.data, line.len);
	return rc;
}
