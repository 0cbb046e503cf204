/* One run of the consumer: polling, printing, and an end that leaves the group where the output
 * ended. */
#include "cmd/consumer/consumer_int.h"
#include "cmd/consumer/taking.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/print.h"

#include "base/clock.h"
#include "client/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define HINT_MS 3000 /* without a record, before somebody wonders */
#define HINT_PARTITIONS_MAX 256

/* ---- stdout ------------------------------------------------------------------------------- */

static void output_polled(uv_poll_t *handle, int status, int events)
{
	struct consuming *k = handle->data;

	if (status == 0 && !(events & UV_DISCONNECT))
		return;
	k->output_gone = true;
	uv_poll_stop(handle);
	consumer_wake(k->consumer);
}

/* Only pipes and the like can be watched, and only they lose their reader. */
static void output_watch(struct consuming *k)
{
	struct stat st = {0};

	if (fstat(STDOUT_FILENO, &st) < 0 || S_ISREG(st.st_mode) || print_to_terminal() ||
	    uv_poll_init(client_loop(k->connection.client), &k->output, STDOUT_FILENO) < 0)
		return;
	k->output.data = k;
	k->watches_output = true;
	uv_poll_start(&k->output, UV_DISCONNECT, output_polled);
	uv_unref((uv_handle_t *)&k->output);
}

/* The consumer is about to wait, and may commit: what it handed out has to be written out. */
static void consuming_waits(void *ctx)
{
	struct consuming *k = ctx;

	if (printed_flush(&k->printed, k->consumer) < 0)
		consumer_wake(k->consumer);
}

/* ---- Records ------------------------------------------------------------------------------ */

/* A record that cannot be printed ends the run, unless it may be skipped. */
static int consuming_bad(struct consuming *k, const struct record_view *v, const struct err *why,
			 struct err *err)
{
	const char *exception = k->formatter.exception;
	/* Skipped is what a record is, not that its schema cannot be asked for. */
	bool is_record = why->code != E_UNREACHABLE && why->code != E_TIMEOUT &&
			 why->code != E_AUTH && why->code != E_INTERRUPTED;

	if (!k->args->skip_on_error || !is_record) {
		k->exception = exception;
		if (k->run->is_apache)
			return err_set(err, why->code, "%s", err_message(why));
		return err_set(err, why->code, "%.*s-%d@%" PRId64 ": %s", STR(v->topic),
			       v->partition, v->record->offset, err_message(why));
	}
	if (k->run->is_apache) {
		notice_log("ERROR", CONSUMER_CLASS,
			   "Error processing message, skipping this message: ");
		print_error("%s: %s\n", exception ? exception : "java.lang.RuntimeException",
			    err_message(why));
	} else {
		print_error("%s: skipped %.*s-%d@%" PRId64 ": %s\n", k->run->name, STR(v->topic),
			    v->partition, v->record->offset, err_message(why));
	}
	return 0;
}

static bool consuming_wants(struct consuming *k, const struct record *r)
{
	if (k->grep &&
	    !grep_finds(k->grep, (struct str){(const char *)r->value.data, r->value.len}))
		return false;
	return !k->grep_key ||
	       grep_finds(k->grep_key, (struct str){(const char *)r->key.data, r->key.len});
}

static int consuming_record(struct consuming *k, const struct record_view *v, struct err *err)
{
	struct err why = {0};
	int rc;

	if (!consuming_wants(k, v->record))
		return 0;
	if (k->tail) {
		tail_add(k->tail, v);
		return 0;
	}
	k->count++;
	rc = formatter_print(&k->formatter, v, &why);
	return rc < 0 ? consuming_bad(k, v, &why, err) : 0;
}

/* Prints records until the batch, the range or --max-messages ends. What was not printed is given
 * back, so that the group's offset is behind the last record printed. */
static int consuming_batch(struct consuming *k, const struct consumer_batch *b, struct err *err)
{
	struct record_view view = {.topic = b->topic,
				   .partition = b->partition,
				   .is_log_append_time = b->is_log_append_time};
	struct range_part *part = range_part(&k->range, b->topic, b->partition);
	int64_t end = part && part->end_offset >= 0 ? part->end_offset : INT64_MAX;
	int64_t end_ms = k->range.end_ms >= 0 ? k->range.end_ms : INT64_MAX;
	size_t i;
	int rc = 0;

	printed_begin(&k->printed, b->topic, b->partition);
	for (i = 0; rc == 0 && i < b->count && k->count < k->count_max && print_failed() == 0;
	     i++) {
		view.record = &b->records[i];
		if (view.record->offset >= end || view.record->timestamp >= end_ms) {
			part->is_done = true;
			break;
		}
		rc = consuming_record(k, &view, err);
		/* A record that ends the run was not printed: the next one begins with it. */
		if (rc == 0)
			printed_add(&k->printed, view.record->offset);
		else
			break;
	}
	k->is_done = k->count >= k->count_max;
	if (i < b->count &&
	    consumer_seek(k->consumer, b->topic, b->partition, b->records[i].offset) < 0)
		return rc; /* not ours any more: its new owner starts where we committed */
	return rc;
}

/* ---- Waiting ------------------------------------------------------------------------------ */

/* Whoever looks at a terminal and sees nothing wonders why: tells how many records lie before the
 * place where this run began. Once, and only if that is known. */
static void consuming_hint(struct consuming *k)
{
	struct position now[HINT_PARTITIONS_MAX], first[HINT_PARTITIONS_MAX];
	size_t count = consumer_assignment(k->consumer, now, HINT_PARTITIONS_MAX);
	int64_t before = 0;

	k->hinted = true;
	if (count == 0 || count > HINT_PARTITIONS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		first[i] = now[i];
		first[i].offset = OFFSET_BEGINNING;
		first[i].error = 0;
	}
	if (admin_offsets(k->connection.client, first, count, false, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (first[i].error == 0 && now[i].offset > first[i].offset && first[i].offset >= 0)
			before += now[i].offset - first[i].offset;
	}
	if (before > 0)
		output_note(k->run,
			    "waiting for new records; %" PRId64 " older one%s: "
			    "--from-beginning shows them",
			    before, before == 1 ? " is there" : "s are there");
}

/* May the hint still come, and when? */
static int64_t consuming_hint_ms(const struct consuming *k)
{
	if (k->hinted || k->count > 0 || k->args->from_beginning || k->args->has_group ||
	    k->args->from.kind != PLACE_NONE || !print_to_terminal())
		return -1;
	return MAX(k->last_ms + HINT_MS - clock_mono_ms(), 0);
}

/* How long the next poll may wait; -1: no end. E_TIMEOUT: --timeout-ms is over. */
static int consuming_wait_ms(struct consuming *k, int64_t *wait_ms, struct err *err)
{
	int64_t left, hint_ms = consuming_hint_ms(k);

	*wait_ms = -1;
	if (opt_given(k->run, "timeout-ms") && k->args->timeout_ms >= 0) {
		left = k->last_ms + k->args->timeout_ms - clock_mono_ms();
		if (left <= 0)
			return err_set(err, E_TIMEOUT, "no record came for %" PRId64 " ms",
				       k->args->timeout_ms);
		*wait_ms = left;
	}
	if (hint_ms == 0)
		consuming_hint(k);
	else if (hint_ms > 0 && (*wait_ms < 0 || hint_ms < *wait_ms))
		*wait_ms = hint_ms;
	/* --until a time that is still to come ends when it came. */
	if (k->range.end_ms >= 0) {
		left = MAX(k->range.end_ms - clock_wall_ms(), (int64_t)0);
		if (left > 0 && (*wait_ms < 0 || left < *wait_ms))
			*wait_ms = left;
	}
	return 0;
}

/* No broker answers. At the start that is the end; later they may come back. */
static int consuming_unreachable(struct consuming *k, const struct err *err)
{
	if (err->code != E_UNREACHABLE || !k->was_there)
		return err->code;
	if (k->is_away)
		return 0;
	k->is_away = true;
	if (k->run->is_apache)
		notice_log("WARN", "org.apache.kafka.clients.NetworkClient", "%s",
			   err_message(err));
	else
		print_error("%s: %s; waiting\n", k->run->name, err_message(err));
	return 0;
}

static int consuming_poll(struct consuming *k, struct consumer_batch *batch, struct err *err)
{
	int64_t wait_ms;
	int rc;

	rc = taking_step(k, err);
	if (rc < 0)
		return rc;
	if (k->is_done)
		return 0;
	rc = consuming_wait_ms(k, &wait_ms, err);
	if (rc == 0)
		rc = consumer_poll(k->consumer, wait_ms, batch, err);
	else if (consumer_poll(k->consumer, 0, batch, NULL) > 0)
		rc = 1; /* it came while the one before was printed */
	if (rc <= 0)
		return rc;
	if (k->is_away && !k->run->is_apache)
		print_error("%s: the brokers are back\n", k->run->name);
	k->is_away = false;
	return rc;
}

static int consuming_loop(struct consuming *k, struct err *err)
{
	struct consumer_batch batch;
	int rc;

	k->last_ms = clock_mono_ms();
	while (!k->is_done && !k->output_gone && print_failed() == 0) {
		rc = consuming_poll(k, &batch, err);
		if (rc < 0) {
			rc = consuming_unreachable(k, err);
			if (rc < 0)
				return rc;
			continue;
		}
		if (rc == 0)
			continue;
		k->was_there = true;
		rc = consuming_batch(k, &batch, err);
		k->last_ms = clock_mono_ms();
		if (rc < 0)
			return rc;
		if (print_to_terminal())
			printed_flush(&k->printed, k->consumer);
	}
	return 0;
}

/* ---- The end ------------------------------------------------------------------------------ */

static int consuming_print_tail(struct consuming *k, struct err *err)
{
	const struct record_view *v;
	int rc = 0;

	tail_sort(k->tail);
	while (rc == 0 && print_failed() == 0 && (v = tail_next(k->tail))) {
		struct err why = {0};

		k->count++;
		if (formatter_print(&k->formatter, v, &why) < 0)
			rc = consuming_bad(k, v, &why, err);
	}
	return rc;
}

/* What ended the loop, told as the name that was called tells it. Returns the exit code. */
static int consuming_tell(struct consuming *k, int rc, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception;

	if (rc >= 0 || rc == E_INTERRUPTED)
		return EXIT_OK;
	if (!k->run->is_apache)
		return rc == E_TIMEOUT ? EXIT_OK : help_failure(k->run, err);
	if (rc == E_AUTH) {
		notice_log("ERROR", CONSUMER_CLASS,
			   "Authentication failed: terminating consumer process");
		print_error("%s\n", err_message(err));
		return EXIT_FAILED;
	}
	/* What is no message's fault: told behind the count, by consuming_end(). */
	if (rc == E_UNREACHABLE || rc == E_INVALID || k->exception)
		return EXIT_FAILED;
	exception = err_exception(err, class);
	notice_log("ERROR", CONSUMER_CLASS,
		   "Error processing message, terminating consumer process: ");
	print_error("%s%s%s\n", exception ? exception : "org.apache.kafka.common.KafkaException",
		    rc == E_TIMEOUT ? "" : ": ", rc == E_TIMEOUT ? "" : err_message(err));
	return EXIT_OK;
}

static void consuming_tell_unknown(const struct consuming *k, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception = k->exception ? k->exception : err_exception(err, class);

	notice_log("ERROR", CONSUMER_CLASS, "Unknown error when running consumer: ");
	print_error("%s: %s\n", exception ? exception : "org.apache.kafka.common.KafkaException",
		    err_message(err));
}

static bool consuming_never(void *ctx)
{
	(void)ctx;
	return false;
}

static int consuming_end(struct consuming *k, int rc, const struct err *err)
{
	struct err close_err = {0};
	int code;

	/* What was printed before the failure stands before its message. */
	if (printed_flush(&k->printed, k->consumer) == -EPIPE || k->output_gone) {
		/* The reader of our output has enough, as `head` does. */
		if (k->run->is_apache)
			print_error("Unable to write to standard out, closing consumer.\n");
		print_forget();
	}
	/* A signal that came during a write has not been seen by the loop: it shall not interrupt
	 * the commit. */
	if (print_failed() == -EINTR) {
		if (client_wait(k->connection.client, consuming_never, NULL, 0) == 0)
			k->is_done = true;
		print_forget();
	}
	code = consuming_tell(k, rc, err);
	if (consumer_close(k->consumer, &close_err) < 0 && code == EXIT_OK && rc >= 0) {
		print_error("%s: %s\n", k->run->name, err_message(&close_err));
		code = k->run->is_apache ? EXIT_OK : help_exit_code(k->run, &close_err);
	}
	/* Under our own name a run that never began has no count. */
	if (!output_is_quiet() && (rc >= 0 || k->run->is_apache || k->has_begun))
		print_error("Processed a total of %" PRIu64 " messages\n", k->count);
	if (code == EXIT_FAILED && k->run->is_apache && rc != E_AUTH)
		consuming_tell_unknown(k, err);
	if (k->args->systest_events)
		print_text("shutdown_complete\n");
	return signals_exit_code(&k->signals, code);
}

/* Apache's tool recommends the newer protocol to whoever joins a group by the old one. */
static void consuming_recommend(const struct consuming *k)
{
	if (!k->run->is_apache || k->args->assigns ||
	    strcasecmp(client_config_str(k->connection.config, CC_GROUP_PROTOCOL), "classic") != 0)
		return;
	print_error("The consumer rebalance protocol (KIP-848) is production-ready! Set "
		    "group.protocol=consumer to try it out. See "
		    "https://kafka.apache.org/documentation/#consumer_rebalance_protocol\n");
}

int consuming_run(struct consuming *k)
{
	struct consumer_options options = {.assigned = taking_assigned,
					   .revoked = taking_revoked,
					   .at_end = taking_at_end,
					   .before_wait = consuming_waits,
					   .ctx = k};
	struct err err = {0};
	int rc, code;

	rc = consumer_new(&k->consumer, k->connection.client, &options, &err);
	if (rc < 0)
		return help_failure(k->run, &err);
	k->count_max = opt_given(k->run, "max-messages") && k->args->max_messages >= 0
			       ? (uint64_t)k->args->max_messages
			       : UINT64_MAX;
	consuming_recommend(k);
	signals_start(&k->signals, k->connection.client);
	signals_stop_writes();
	output_watch(k);
	rc = taking_begin(k, &err);
	k->has_begun = rc == 0;
	if (rc == 0)
		rc = consuming_loop(k, &err);
	if (rc == 0 && k->tail)
		rc = consuming_print_tail(k, &err);
	code = consuming_end(k, rc, &err);
	if (k->watches_output)
		uv_close((uv_handle_t *)&k->output, NULL);
	signals_stop(&k->signals);
	consumer_free(k->consumer);
	taking_fini(k);
	printed_fini(&k->printed);
	return code;
}
