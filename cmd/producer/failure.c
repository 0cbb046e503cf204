#include "cmd/producer/failure.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/producer/record_reader.h"

#include "base/buf.h"
#include "wire/errors.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_EXCEPTION "org.apache.kafka.common.config.ConfigException"
#define KAFKA_EXCEPTION "org.apache.kafka.common.KafkaException"

/* ---- Configs ------------------------------------------------------------------------------ */

/* Appends "a, b" for "a|b". */
static void out_choices(struct out *out, const char *choices)
{
	for (; *choices; choices++) {
		if (*choices == '|')
			out_text(out, ", ");
		else
			out_byte(out, (uint8_t)*choices);
	}
}

/* "acks=7: must be one of all|-1" -> "Invalid value 7 for configuration acks: String must be one
 * of: all, -1". Other texts stay. */
static void out_config(struct out *out, const char *text)
{
	static const char one_of[] = "must be one of ",
			  at_least[] = "must be a number of at least ";
	const char *equals = strchr(text, '='), *reason = equals ? strstr(equals, ": ") : NULL;

	if (!reason) {
		out_text(out, text);
		return;
	}
	out_printf(out, "Invalid value %.*s for configuration %.*s: ", (int)(reason - equals - 1),
		   equals + 1, (int)(equals - text), text);
	reason += 2;
	if (strncmp(reason, one_of, strlen(one_of)) == 0) {
		out_text(out, "String must be one of: ");
		out_choices(out, reason + strlen(one_of));
	} else if (strncmp(reason, at_least, strlen(at_least)) == 0) {
		out_printf(out, "Value must be at least %s", reason + strlen(at_least));
	} else {
		out_text(out, reason);
	}
}

/* "PATH: reason" -> PATH */
static int path_len(const char *text)
{
	const char *at = strstr(text, ": ");

	return at ? (int)(at - text) : (int)strlen(text);
}

/* ---- Records ------------------------------------------------------------------------------ */

static size_t varint_len(size_t number)
{
	size_t len = 1;

	for (number *= 2; number >= 128; number /= 128)
		len++;
	return len;
}

/* AbstractRecords.estimateSizeInBytesUpperBound: what Apache's client counts for one record. */
static size_t size_estimate(const struct line_record *r)
{
	size_t size = 61 + 21 + varint_len(r->header_count);

	size += r->key.data ? varint_len(r->key.len) + r->key.len : 1;
	size += r->value.data ? varint_len(r->value.len) + r->value.len : 1;
	for (size_t i = 0; i < r->header_count; i++) {
		const struct record_header *h = &r->headers[i];

		size += varint_len(h->key.len) + h->key.len;
		size += h->value.data ? varint_len(h->value.len) + h->value.len : 1;
	}
	return size;
}

static void translate_too_large(struct err *err, const struct line_record *r)
{
	const char *limit = strstr(err->text, "max.request.size=");

	if (limit)
		err_set(err, E_KAFKA,
			"The message is %zu bytes when serialized which is larger than %zu, which "
			"is the value of the max.request.size configuration.",
			size_estimate(r), (size_t)strtoull(limit + 17, NULL, 10));
	else
		err_set(err, E_KAFKA,
			"The message is %zu bytes when serialized which is larger than the total "
			"memory buffer you have configured with the buffer.memory configuration.",
			size_estimate(r));
	err->kafka_error = KERR_MESSAGE_TOO_LARGE;
}

void failure_translate(struct err *err, const struct line_record *r)
{
	size_t len = strlen(err->text);

	if (err->code == E_TOO_LARGE) {
		translate_too_large(err, r);
	} else if (err->code == E_TIMEOUT && strncmp(err->text, "topic ", 6) == 0 &&
		   len + 1 < sizeof(err->text)) {
		err->text[0] = 'T';
		memcpy(err->text + len, ".", 2);
	} else if (err->code == E_KAFKA && err->kafka_error == KERR_INVALID_TOPIC_EXCEPTION) {
		snprintf(err->text, sizeof(err->text), "Invalid topics: [%.*s]", STR(r->topic));
	} else if (err->code == E_KAFKA && err->kafka_error == KERR_TOPIC_AUTHORIZATION_FAILED) {
		snprintf(err->text, sizeof(err->text), "Not authorized to access topics: [%.*s]",
			 STR(r->topic));
	}
}

const char *failure_reason(const struct err *err)
{
	const char *text = err_message(err), *at = strstr(text, ": "), *p = at;

	if (err->code != E_KAFKA || !at)
		return text;
	while (p > text && isdigit((unsigned char)p[-1]))
		p--;
	return p < at && p > text && p[-1] == '-' ? at + 2 : text;
}

/* ---- Printing ----------------------------------------------------------------------------- */

static void out_exception(struct out *out, enum failure_stage stage, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *text = err_message(err), *exception;

	if (err->code == -ENOENT || err->code == -EACCES) {
		out_printf(out, "java.nio.file.%s: %.*s",
			   err->code == -ENOENT ? "NoSuchFileException" : "AccessDeniedException",
			   path_len(text), text);
		return;
	}
	if (stage == FAILURE_CONFIG && err->code == E_INVALID) {
		out_text(out, CONFIG_EXCEPTION ": ");
		out_config(out, text);
		return;
	}
	exception = stage == FAILURE_READER || err->code == E_MALFORMED ? NULL
									: err_exception(err, class);
	out_printf(out, "%s%s: %s",
		   stage == FAILURE_SYNC && exception ? "java.util.concurrent.ExecutionException: "
						      : "",
		   exception ? exception : KAFKA_EXCEPTION, failure_reason(err));
}

int failure_print(const struct run *run, enum failure_stage stage, const struct err *err)
{
	struct out out;

	if (err->code == E_USAGE)
		return help_usage(run, err);
	if (!run->is_apache)
		return help_failure(run, err);
	out_init(&out, 2 * ERR_TEXT_MAX);
	/* Of an option the message is all there is. */
	if (stage == FAILURE_OPTIONS)
		out_text(&out, err_message(err));
	else
		out_exception(&out, stage, err);
	out_byte(&out, '\n');
	print_error_bytes(out.data, out.len);
	out_fini(&out);
	return EXIT_FAILED;
}
