#include "cmd/producer/producing.h"
#include "cmd/print.h"
#include "cmd/producer/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int producing_loop(struct producing *p, struct err *err);
static int producing_end(struct producing *p, int rc, const struct err *err);
static void producing_watch(struct client_timer *t);

/* Ctrl-C at a prompt throws away the line first, as shells do. */
static bool producing_signalled(void *ctx, int number)
{
	struct producing *p = ctx;

	return number == SIGINT && !p->run->is_apache && p->prompt && prompt_discard(p->prompt);
}

/* For somebody who types: is there a broker at all, and which topic shall it be? */
static int producing_greet(struct producing *p, struct err *err)
{
	struct api_versions_response *versions;
	int rc = 1;

	if (!p->prompts || p->run->is_apache)
		return 1;
	if (!p->args->topic && p->maker.format != INPUT_JSON) {
		rc = typing_topic(p, &p->args->topic, err);
		p->maker.topic = p->delivery.topic = str_of(p->args->topic);
		return rc;
	}
	rc = client_api_versions(p->connection.client, -1, &p->run->arena, &versions, err);
	return rc < 0 ? rc : 1;
}

static int producing_start(struct producing *p, struct err *err)
{
	struct producer_options options = {
		.delivered = delivery_reported, .ctx = &p->delivery, .want_tags = true};
	int rc = producing_greet(p, err);

	if (rc <= 0)
		return rc;
	rc = producer_new(&p->producer, p->connection.client, &options, err);
	if (rc < 0)
		return rc;
	p->watch.fire = producing_watch;
	client_timer_start(p->connection.client, &p->watch, PRODUCING_WATCH_MS);
	return 1;
}

int producing_run(struct producing *p)
{
	bool reads_input = p->args->files.count == 0 && !(p->args->tombstone && p->args->key);
	struct err err = {0};
	int rc, code;

	signals_start(&p->signals, p->connection.client);
	p->signals.taken = producing_signalled;
	p->signals.ctx = p;
	p->delivery.run = p->run;
	p->delivery.topic = p->maker.topic;
	p->delivery.files = p->args->files.count > 0 ? &p->args->files : NULL;
	p->delivery.at_once = true;
	p->delivery.silent = p->run->is_apache && p->args->sync;
	p->delivery.json = p->format == OUTPUT_JSON;
	p->delivery.verbose = p->args->verbose || p->delivery.json;
	typing_start(p);
	p->prompts &= reads_input;
	rc = producing_start(p, &err);
	if (rc > 0)
		rc = producing_loop(p, &err);
	/* The terminal is given back before the last records are waited for. */
	typing_stop(p);
	code = producing_end(p, rc, &err);
	client_timer_stop(p->connection.client, &p->watch);
	signals_stop(&p->signals);
	producer_free(p->producer);
	return code;
}

/* ---- Records ------------------------------------------------------------------------------ */

/* A record that cannot be sent at all: the next one may be better if it was only too large; the
 * rest would fail as this one did. */
static int producing_refused(struct producing *p, const struct line_record *r, int rc,
			     struct err *err)
{
	if (p->run->is_apache)
		failure_translate(err, r);
	if (p->run->is_apache && p->args->sync)
		return rc;
	if (!p->run->is_apache && rc != E_TOO_LARGE) {
		p->delivery.failed_count++;
		return p->delivery.files
			       ? rc
			       : err_add(err, rc, "line %lld", (long long)p->maker.line_number);
	}
	delivery_refused(&p->delivery, r, p->maker.line_number, err);
	return 0;
}

static int producing_send(struct producing *p, const struct line_record *r, struct err *err)
{
	struct producer_record record = {
		.topic = r->topic,
		.partition = r->partition,
		.timestamp = r->timestamp,
		.key = r->key,
		.value = r->value,
		.headers = r->headers,
		.header_count = r->header_count,
		.tag = delivery_tag(&p->delivery, r, p->maker.line_number)};
	int rc = producer_send(p->producer, &record, err);

	if (rc == E_AGAIN) {
		prompt_hide(p->prompt);
		rc = producer_send_wait(p->producer, &record, err);
		/* A signal ends the reading; what was read goes out. A second signal ends all. */
		if (rc == E_INTERRUPTED)
			rc = producer_send_wait(p->producer, &record, err);
		prompt_show(p->prompt);
	}
	if (rc < 0)
		return producing_refused(p, r, rc, err);
	if (!p->args->sync)
		return 0;
	rc = producer_flush(p->producer, -1, err);
	p->is_told = rc < 0 && p->delivery.failed_count > 0 && !p->run->is_apache;
	return rc;
}

static int producing_lines(struct producing *p, struct err *err)
{
	typing_records(p);
	for (;;) {
		struct line_record record;
		struct str line;
		int rc = typing_line(p, &line, err);

		if (rc <= 0)
			return rc;
		rc = record_maker_line(&p->maker, line, &record, err);
		if (rc == 0 && p->prompts)
			completer_learn(&p->completer, line);
		if (rc == 0)
			rc = producing_send(p, &record, err);
		if (rc < 0 && p->prompts && rc == E_MALFORMED && !p->run->is_apache) {
			/* Who types can try again. */
			prompt_hide(p->prompt);
			print_error("%s: %s\n", p->run->name, err_message(err));
			prompt_show(p->prompt);
			rc = 0;
		}
		if (rc < 0)
			return rc;
	}
}

static int producing_whole(struct producing *p, int fd, const char *name, struct err *err)
{
	struct line_record record;
	struct str bytes;
	int rc = typing_whole(p, fd, name, &bytes, err);

	if (rc == 0)
		rc = record_maker_whole(&p->maker, bytes, &record, err);
	return rc < 0 ? rc : producing_send(p, &record, err);
}

static int producing_file(struct producing *p, const char *path, struct err *err)
{
	int fd, rc;

	if (strcmp(path, "-") == 0)
		return producing_whole(p, STDIN_FILENO, "stdin", err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	rc = producing_whole(p, fd, path, err);
	close(fd);
	return rc;
}

static int producing_loop(struct producing *p, struct err *err)
{
	const struct producer_args *args = p->args;
	struct line_record record;
	int rc = 0;

	if (args->files.count > 0) {
		for (unsigned i = 0; rc == 0 && i < args->files.count; i++) {
			if (p->signals.caught)
				return E_INTERRUPTED;
			rc = producing_file(p, args->files.items[i], err);
		}
		return rc;
	}
	if (args->tombstone && args->key) {
		rc = record_maker_whole(&p->maker, STR_NULL, &record, err);
		return rc < 0 ? rc : producing_send(p, &record, err);
	}
	if (p->maker.format == INPUT_FILE)
		return producing_whole(p, STDIN_FILENO, "stdin", err);
	return producing_lines(p, err);
}

/* ---- Is the broker away? ------------------------------------------------------------------ */

static void producing_watch(struct client_timer *t)
{
	struct producing *p = CONTAINER_OF(t, struct producing, watch);
	uint64_t acked = producer_stats(p->producer)->acked_count;
	const struct err *why = producer_trouble(p->producer);

	p->idle_count = acked == p->watched_count && producer_pending(p->producer) > 0
				? p->idle_count + 1
				: 0;
	p->watched_count = acked;
	if (p->idle_count >= PRODUCING_IDLE_MAX && why->code)
		delivery_waits(&p->delivery, producer_pending(p->producer), why);
	client_timer_start(p->connection.client, &p->watch, PRODUCING_WATCH_MS);
}

/* ---- The end ------------------------------------------------------------------------------ */

/* Flushes what was taken and tells how it went. */
static int producing_end(struct producing *p, int rc, const struct err *err)
{
	struct err flush_err = {0};
	int flush_rc = p->producer ? signals_flush(p->producer, &flush_err) : 0;
	uint64_t acked = p->producer ? producer_stats(p->producer)->acked_count : 0;
	uint64_t failed = p->delivery.failed_count;
	bool is_apache = p->run->is_apache;
	enum failure_stage stage = p->args->sync ? FAILURE_SYNC : FAILURE_RUN;
	int code = EXIT_OK;

	if (rc < 0 && rc != E_INTERRUPTED && !p->is_told)
		code = failure_print(p->run, stage, err);
	else if (failed > 0 && !is_apache)
		code = help_exit_code(p->run, p->is_told ? err : &flush_err);
	else if (flush_rc < 0 && failed == 0 && flush_rc != E_INTERRUPTED)
		code = failure_print(p->run, stage, &flush_err);
	if (is_apache)
		return signals_exit_code(&p->signals, code);
	if (failed > 0 && code == EXIT_OK)
		code = EXIT_FAILED;
	if (code != EXIT_OK && acked > 0)
		code = EXIT_PARTIAL;
	return signals_exit_code(&p->signals, code);
}
