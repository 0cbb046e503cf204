#include "cmd/producer/delivery.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "cmd/producer/failure.h"
#include "cmd/prompt.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* How many runs of lines one message names. */
#define DELIVERY_RUNS_MAX 40

/* ---- As Apache's tool --------------------------------------------------------------------- */

static void log_stamp(char *text, size_t size)
{
	int64_t now_ms = clock_wall_ms();
	time_t now = now_ms / 1000;
	struct tm parts;
	size_t len;

	localtime_r(&now, &parts);
	len = strftime(text, size, "%Y-%m-%d %H:%M:%S", &parts);
	snprintf(text + len, size - len, ",%03d", (int)(now_ms % 1000));
}

static const char *length_text(char text[40], uint64_t len)
{
	if (len == 0)
		return "null";
	snprintf(text, 40, "%llu bytes", (unsigned long long)len - 1);
	return text;
}

static void say_lost(const struct delivery *d, struct str topic, uint64_t tag,
		     const struct err *err)
{
	char when[48], key[40], value[40], class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, class);

	log_stamp(when, sizeof(when));
	prompt_hide(d->prompt);
	print_error("[%s] ERROR Error when sending message to topic %.*s with key: %s, value: %s "
		    "with error: (org.apache.kafka.clients.producer.internals."
		    "ErrorLoggingCallback)\n%s: %s\n",
		    when, STR(topic), length_text(key, tag >> 32),
		    length_text(value, tag & UINT32_MAX),
		    exception ? exception : "org.apache.kafka.common.KafkaException",
		    failure_reason(err));
}

uint64_t delivery_tag(const struct delivery *d, const struct line_record *r, int64_t line)
{
	/* Lengths + 1; 0 is null. */
	uint64_t key = r->key.data ? r->key.len + 1 : 0;
	uint64_t value = r->value.data ? r->value.len + 1 : 0;

	if (!d->run->is_apache)
		return (uint64_t)line;
	return MIN(key, (uint64_t)UINT32_MAX) << 32 | MIN(value, (uint64_t)UINT32_MAX);
}

/* ---- By line ------------------------------------------------------------------------------ */

/* "line 3", "lines 1-3, 7", "FILE": of tags[*at] and those behind it, as many as go into one
 * message; *at moves on. */
static void lines_text(const struct delivery *d, const uint64_t *tags, uint32_t count, uint32_t *at,
		       struct out *out)
{
	bool is_one = count - *at == 1;

	if (!d->files)
		out_text(out, is_one ? "line " : "lines ");
	for (unsigned runs = 0; *at < count && runs < DELIVERY_RUNS_MAX; runs++) {
		uint64_t first = tags[(*at)++], last = first;

		if (runs > 0)
			out_text(out, ", ");
		if (d->files) {
			out_text(out, d->files->items[first - 1]);
			continue;
		}
		while (*at < count && tags[*at] == last + 1) {
			last++;
			(*at)++;
		}
		out_printf(out, "%" PRIu64, first);
		if (last > first)
			out_printf(out, "-%" PRIu64, last);
	}
}

static void say_undelivered(const struct delivery *d, const struct producer_report *r)
{
	struct out lines;

	prompt_hide(d->prompt);
	out_init(&lines, SIZE_MAX / 2);
	for (uint32_t at = 0; at < r->record_count;) {
		out_reset(&lines);
		lines_text(d, r->tags, r->record_count, &at, &lines);
		print_error("%s: %.*s not delivered to %.*s-%d: %s\n", d->run->name, (int)lines.len,
			    (const char *)lines.data, STR(r->topic), r->partition,
			    err_message(r->err));
	}
	out_fini(&lines);
}

/* ---- One line for each record ------------------------------------------------------------- */

static void print_source(const struct delivery *d, struct json_out *j, uint64_t tag)
{
	if (d->run->is_apache)
		return; /* tags are lengths there */
	if (d->files)
		json_out_text(j, "file", d->files->items[tag - 1]);
	else
		json_out_int(j, "line", (int64_t)tag);
}

static void print_record_json(const struct delivery *d, const struct producer_report *r, uint32_t i)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", r->topic);
	json_out_int(&j, "partition", r->partition);
	if (r->base_offset >= 0)
		json_out_int(&j, "offset", r->base_offset + i);
	else
		json_out_null(&j, "offset");
	print_source(d, &j, r->tags[i]);
	if (r->log_append_time >= 0)
		json_out_int(&j, "logAppendTime", r->log_append_time);
	if (r->rc < 0)
		json_out_text(&j, "error", err_message(r->err));
	json_out_close(&j, '}');
	print_byte('\n');
}

static void print_records(const struct delivery *d, const struct producer_report *r)
{
	if (!d->verbose || (r->rc < 0 && !d->json))
		return;
	prompt_hide(d->prompt);
	for (uint32_t i = 0; i < r->record_count; i++) {
		if (d->json)
			print_record_json(d, r, i);
		else if (r->base_offset >= 0)
			print_text("%.*s-%d@%" PRId64 "\n", STR(r->topic), r->partition,
				   r->base_offset + i);
		else
			print_text("%.*s-%d\n", STR(r->topic), r->partition);
	}
	if (d->at_once)
		print_flush();
}

/* ---- What is told ------------------------------------------------------------------------- */

void delivery_reported(void *ctx, const struct producer_report *report)
{
	struct delivery *d = ctx;

	print_records(d, report);
	if (report->rc < 0) {
		d->failed_count += report->record_count;
		if (!d->run->is_apache)
			say_undelivered(d, report);
		for (uint32_t i = 0; d->run->is_apache && !d->silent && i < report->record_count;
		     i++)
			say_lost(d, report->topic, report->tags[i], report->err);
	} else if (d->is_waiting) {
		d->is_waiting = false;
		prompt_hide(d->prompt);
		print_error("%s: delivered\n", d->run->name);
	}
	prompt_show(d->prompt);
}

void delivery_refused(struct delivery *d, const struct line_record *r, int64_t line,
		      const struct err *err)
{
	d->failed_count++;
	prompt_hide(d->prompt);
	if (d->run->is_apache)
		say_lost(d, r->topic, delivery_tag(d, r, line), err);
	else if (d->files)
		print_error("%s: %s: %s\n", d->run->name, d->files->items[line - 1],
			    err_message(err));
	else
		print_error("%s: line %" PRId64 ": %s\n", d->run->name, line, err_message(err));
	prompt_show(d->prompt);
}

void delivery_waits(struct delivery *d, uint64_t record_count, const struct err *why)
{
	if (d->is_waiting || d->run->is_apache || output_is_quiet())
		return;
	d->is_waiting = true;
	prompt_hide(d->prompt);
	print_error("%s: %" PRIu64 " record%s not delivered yet, still trying: %s\n", d->run->name,
		    record_count, record_count == 1 ? " is" : "s are", err_message(why));
	prompt_show(d->prompt);
}
